/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_rows_recorded.c - the recorded real events through etc/routes/wikipedia_edits.yaml: none is
 * refused, and every value of the Native block is what cJSON reads at the column's path.
 *
 * links: chsinkd
 *
 * The events are read where they lie: $RECORDED, or ../shared/data/recentchange.jsonl beside the
 * checkout. Without them the test says so and passes.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "daemons/chsinkd/decode/rows.h"
#include "tests/unit/native.h"
#include "tests/unit/unit.h"

#define ROUTE_FILE "etc/routes/wikipedia_edits.yaml"

static FILE *recorded_open(void)
{
    const char *name = getenv("RECORDED");
    FILE *f = fopen(name ? name : "../shared/data/recentchange.jsonl", "r");
    if (!f)
        printf("no recorded events: set RECORDED\n");
    return f;
}

static struct route *preset_load(void)
{
    struct pl_findings errs;
    pl_findings_init(&errs);
    errs.file = ROUTE_FILE;
    struct route *r = route_load(ROUTE_FILE, &errs);
    ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
    return r;
}

static const cJSON *path_find(const cJSON *event, const struct column_path *path)
{
    for (unsigned i = 0; i < path->keys_n && event; i++)
        event = cJSON_GetObjectItemCaseSensitive(event, path->keys[i]);
    return cJSON_IsNull(event) ? NULL : event;
}

/* A second reading of times, by the C library. */
static int64_t time_ms(const char *text)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    ck_assert_ptr_nonnull(rest);
    double fraction = *rest == '.' ? strtod(rest, NULL) : 0;
    return (int64_t)timegm(&tm) * 1000 + (int64_t)(fraction * 1000 + 0.5);
}

static void uuid_text(const char *p, char out[37])
{
    unsigned char b[16]; /* as written: each half is a little-endian number */
    for (unsigned i = 0; i < 16; i++)
        b[i] = (unsigned char)p[i < 8 ? 7 - i : 23 - i];
    unsigned n = 0;
    for (unsigned i = 0; i < 16; i++)
        n += (unsigned)sprintf(out + n, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                               b[i]);
}

static int64_t integer_at(const struct native_column *nc, uint64_t row)
{
    int64_t v = 0;
    memcpy(&v, nc->data + row * nc->width, nc->width);
    return nc->width == 4 ? (int32_t)v : v;
}

static void assert_string(const struct column *c, struct pl_slice got, const cJSON *item)
{
    if (!item) {
        ck_assert_uint_eq(got.len, 0);
    } else if (c->json) {
        cJSON *parsed = cJSON_ParseWithLength(got.p, got.len);
        ck_assert(cJSON_Compare(parsed, item, true));
        cJSON_Delete(parsed);
    } else {
        ck_assert_uint_eq(got.len, strlen(item->valuestring));
        ck_assert_mem_eq(got.p, item->valuestring, got.len);
    }
}

static void assert_value(const struct column *c, const struct native_column *nc, uint64_t row,
                         const cJSON *item)
{
    char uuid[37];
    const char *data = nc->data + row * nc->width;
    if (nc->nulls)
        ck_assert_int_eq(nc->nulls[row], item == NULL);
    if (nc->nulls && !item)
        return;
    switch (c->type.kind) {
    case CH_STRING:
        assert_string(c, nc->strings[row], item);
        break;
    case CH_BOOL:
        ck_assert_int_eq(*data, cJSON_IsTrue(item) ? 1 : 0);
        break;
    case CH_INT32:
    case CH_INT64:
    case CH_DATETIME:
        ck_assert_int_eq(integer_at(nc, row), (int64_t)item->valuedouble);
        break;
    case CH_DATETIME64:
        ck_assert_int_eq(integer_at(nc, row), time_ms(item->valuestring));
        break;
    case CH_UUID:
        uuid_text(data, uuid);
        ck_assert_str_eq(uuid, item->valuestring);
        break;
    default:
        ck_abort_msg("%s: the test does not know %s", c->name, c->type.ddl);
    }
}

static void on_reject(void *userdata, const struct rows_reject *reject)
{
    (void)userdata;
    ck_abort_msg("refused: %s, column %s", reject->reason, reject->column ? reject->column : "-");
}

static void block_join(struct block *b, struct pl_buf *out)
{
    PL_FREE struct iovec *iov = pl_alloc_array(block_iov_max(b), sizeof(*iov));
    size_t bytes;
    unsigned n = block_iov(b, iov, &bytes);
    for (unsigned i = 0; i < n; i++)
        pl_buf_add(out, iov[i].iov_base, iov[i].iov_len);
}

/* All lines into `block`, by a decoder of its own. */
static uint64_t recorded_decode(const struct route *route, FILE *f, struct block *block)
{
    PL_CLEANUP(rows_freep) struct rows *rows = rows_new(route);
    char *line = NULL;
    size_t cap = 0;
    uint64_t n = 0;
    rewind(f);
    for (ssize_t len; (len = getline(&line, &cap, f)) > 0; n++) {
        struct rows_message m = {.topic = "wikipedia-data",
                                 .partition = 1,
                                 .offset = (int64_t)n,
                                 .timestamp_ms = -1,
                                 .value = line,
                                 .value_len = (size_t)len};
        ck_assert_uint_eq(rows_decode(rows, &m, -1, block, on_reject, NULL), 1);
    }
    free(line);
    ck_assert_uint_eq(rows_counts(rows)->nulled, 0);
    return n;
}

START_TEST(check_values)
{
    FILE *f = recorded_open();
    if (!f)
        return;
    PL_CLEANUP(route_freep) struct route *route = preset_load();
    PL_CLEANUP(block_freep) struct block *block = block_new(route);
    uint64_t lines = recorded_decode(route, f, block), compared = 0;
    struct pl_buf bytes = {0};
    struct native native;
    block_join(block, &bytes);
    ck_assert(native_read(bytes.data, bytes.len, &native));
    ck_assert_uint_eq(native.rows, lines);
    char *line = NULL;
    size_t cap = 0;
    rewind(f);
    for (uint64_t row = 0; getline(&line, &cap, f) > 0; row++) {
        cJSON *event = cJSON_Parse(line);
        const struct native_column *nc = native.columns;
        for (unsigned i = 0; i < route->columns_n; i++) {
            const struct column *c = &route->columns[i];
            if (c->source == COLUMN_EXPRESSION)
                continue;
            ck_assert(pl_slice_eq(nc->name, c->name) && pl_slice_eq(nc->type, c->type.wire));
            if (c->source == COLUMN_JSON) {
                assert_value(c, nc, row, path_find(event, &c->paths[0]));
                compared++;
            } else if (c->source == COLUMN_OFFSET) {
                ck_assert_int_eq(integer_at(nc, row), (int64_t)row);
            }
            nc++;
        }
        cJSON_Delete(event);
    }
    printf("%" PRIu64 " recorded events, %" PRIu64 " values compared\n", lines, compared);
    ck_assert_uint_gt(compared, 0);
    free(line);
    native_release(&native);
    pl_buf_release(&bytes);
    fclose(f);
}
END_TEST

/* A second decoder into a block that was in use gives the same bytes. */
START_TEST(check_identical)
{
    FILE *f = recorded_open();
    if (!f)
        return;
    PL_CLEANUP(route_freep) struct route *route = preset_load();
    PL_CLEANUP(block_freep) struct block *block = block_new(route);
    struct pl_buf first = {0}, second = {0};
    recorded_decode(route, f, block);
    block_join(block, &first);
    recorded_decode(route, f, block);
    block_reset(block);
    recorded_decode(route, f, block);
    block_join(block, &second);
    ck_assert_uint_eq(first.len, second.len);
    ck_assert_mem_eq(first.data, second.data, first.len);
    pl_buf_release(&first);
    pl_buf_release(&second);
    fclose(f);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(check_values),
        TEST(check_identical),
    };
    return unit_main("rows_recorded", tests, PL_COUNT(tests));
}
