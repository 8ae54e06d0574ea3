/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_fixture.h - a route of a test's own with its decoder and block, for tests of chsinkd's rows.
 */
#ifndef TESTS_UNIT_ROWS_FIXTURE_H
#define TESTS_UNIT_ROWS_FIXTURE_H

#include <stdio.h>

#include "daemons/chsinkd/clickhouse/native.h"
#include "daemons/chsinkd/decode/rows.h"
#include "tests/unit/native.h"
#include "tests/unit/unit.h"

/* A route with its decoder and block, and the last reject. */
struct fixture {
    struct route *route;
    struct rows *rows;
    struct block *block;
    unsigned rejects;
    int64_t row;
    size_t offset;
    const char *reason, *detail;
    char column[64];
};

static inline void on_reject(void *userdata, const struct rows_reject *reject)
{
    struct fixture *f = userdata;
    f->rejects++;
    f->row = reject->row;
    f->reason = reject->reason;
    f->detail = reject->detail;
    f->offset = reject->offset;
    snprintf(f->column, sizeof(f->column), "%s", reject->column ? reject->column : "");
}

/* `text`: what stands in the file behind topic, table and order. */
static inline struct fixture fixture_new(const char *text)
{
    struct fixture f = {0};
    struct pl_findings errs;
    PL_FREE char *yaml = pl_strf("topic: t\ntable: t\norder_by: tuple()\n%s", text);
    pl_findings_init(&errs);
    errs.file = "test.yaml";
    f.route = route_parse("test", yaml, strlen(yaml), &errs);
    ck_assert_msg(f.route != NULL, "%s\n%s", pl_buf_cstr(&errs.text), yaml);
    pl_findings_release(&errs);
    f.rows = rows_new(f.route);
    f.block = block_new(f.route);
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    block_free(f->block);
    rows_free(f->rows);
    route_free(f->route);
}
#define FIXTURE PL_CLEANUP(fixture_free) struct fixture

/* The value lies in memory of just its size, so that a sanitizer sees a read behind it. */
static inline uint64_t decode_bytes(struct fixture *f, const char *value, size_t len,
                                    int64_t only_row)
{
    PL_FREE char *copy = malloc(len ? len : 1);
    memcpy(copy, value, len);
    struct rows_message m = {.topic = "t",
                             .partition = 3,
                             .offset = 7,
                             .timestamp_ms = 1000,
                             .value = copy,
                             .value_len = len};
    const struct row_set only = {&(struct row_range){only_row, only_row}, 1, 1};
    return rows_decode(f->rows, &m, only_row < 0 ? NULL : &only, f->block, on_reject, f);
}

static inline uint64_t decode(struct fixture *f, const char *value)
{
    return decode_bytes(f, value, strlen(value), -1);
}

/* The block's bytes, which a second reading of the format finds well formed. */
static inline void block_native(struct block *b, struct pl_buf *out)
{
    struct native_body body = {0};
    native_body_set(&body, b);
    pl_buf_reset(out);
    for (unsigned i = 0; i < body.iov_n; i++)
        pl_buf_add(out, body.iov[i].iov_base, body.iov[i].iov_len);
    native_body_release(&body);
    struct native native;
    ck_assert_msg(native_read(out->data, out->len, &native), "the block is not Native");
    ck_assert_uint_eq(native.rows, block_rows(b));
    native_release(&native);
}

static inline void assert_row(struct fixture *f, uint64_t row, const char *want)
{
    struct pl_buf line = {0};
    ck_assert_uint_lt(row, block_rows(f->block));
    block_print_row(f->block, row, &line);
    ck_assert_str_eq(pl_buf_cstr(&line), want);
    pl_buf_release(&line);
}

#endif
