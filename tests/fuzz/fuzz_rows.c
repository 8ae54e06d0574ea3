/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_rows.c - any bytes as a message through routes of all shapes.
 * links: chsinkd
 *
 * The first byte ('0' on) chooses the route, the rest is the message. What must hold: the block is
 * Native and its rows are counted; what is refused changes no byte of it; each message (or element)
 * is a row, a reject or not taken by `when`; a decoder that is new, and reads elements twice for a
 * filter, and one that has seen much give the same bytes; a row taken alone is the row taken with
 * all; a row that was taken prints as JSON.
 */
#include <assert.h>
#include <stdio.h>

#include "daemons/chsinkd/clickhouse/native.h"
#include "daemons/chsinkd/decode/rows.h"
#include "tests/unit/native.h"

#define REQUIRE(what)                                                                              \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define HEAD "topic: t\ntable: t\norder_by: tuple()\ndepth_max: 16\ncolumns:\n"

static const char *const route_texts[] = {
    /* Everything strict, keys in a known order, no captures. */
    HEAD "  - {name: s, path: $.s, type: String}\n"
         "  - {name: b, path: $.b, type: Bool, missing: default}\n"
         "  - {name: i, path: $.o.i, type: Int8, missing: default}\n"
         "  - {name: u, path: $.o.u, type: UInt64, missing: default}\n"
         "  - {name: f, path: $.f, type: Float32, missing: default}\n"
         "  - {name: t, path: $.t, type: DateTime64(3), unit: ms, missing: default}\n"
         "  - {name: d, path: $.d, type: Date, missing: default}\n"
         "  - {name: id, path: $.id, type: UUID, missing: default}\n",
    /* Everything lenient, several paths, unknown fields kept. */
    HEAD "  - {name: s, path: [$.s, $.o.s, $.\"a.b\"], type: Nullable(String), invalid: \"null\"}\n"
         "  - {name: i, path: $.i, type: Nullable(Int64), invalid: \"null\"}\n"
         "  - {name: i2, path: $.i, type: Nullable(Float64), invalid: \"null\"}\n"
         "  - {name: o, path: $.o, type: String, json: true, missing: default}\n"
         "  - {name: x, path: $.o.x.y, type: Nullable(UInt16), invalid: \"null\"}\n"
         "  - {name: t, path: $.t, type: Nullable(DateTime64(9)), unit: s, invalid: \"null\"}\n"
         "  - {name: c, path: $.c, type: Nullable(DateTime), invalid: \"null\"}\n"
         "  - {name: rest, type: String, unknown: true}\n"
         "unknown_fields: keep\n",
    /* Rows out of an array. */
    HEAD "  - {name: n, path: $.n, type: String}\n"
         "  - {name: m, path: $.a.m, type: Nullable(Int32), invalid: \"null\"}\n"
         "  - {name: v, path: \"@.v\", type: Int16}\n"
         "  - {name: w, path: [\"@.w\", $.w], type: String, json: true, missing: default}\n"
         "  - {name: e, path: \"@\", type: String, json: true}\n"
         "  - {name: rest, type: String, unknown: true}\n"
         "  - {name: _offset, type: UInt64, from: offset}\n"
         "unknown_fields: keep\nrows: $.a.r[*]\n",
    /* A message that is the array, of any elements. */
    HEAD "  - {name: v, path: \"@.v\", type: Nullable(Int16), invalid: \"null\"}\n"
         "  - {name: e, path: \"@\", type: String, json: true}\n"
         "rows: $[*]\n",
    /* Rows out of an array, read once: columns of the message before and behind it. */
    HEAD "  - {name: n, path: $.n, type: Nullable(String), invalid: \"null\"}\n"
         "  - {name: m, path: $.a.m, type: Int32, missing: default}\n"
         "  - {name: v, path: \"@.v\", type: Int16}\n"
         "  - {name: w, path: [\"@.w\", \"@.x\"], type: String, json: true, missing: default}\n"
         "rows: $.a.r[*]\n",
    /* Digits, names and addresses. */
    HEAD
    "  - {name: d1, path: $.d, type: 'Nullable(Decimal(4, 1))', invalid: \"null\"}\n"
    "  - {name: d2, path: $.d, type: 'Nullable(Decimal(18, 9))', invalid: \"null\", "
    "from_text: true}\n"
    "  - {name: d3, path: $.d, type: 'Nullable(Decimal(38, 20))', invalid: \"null\"}\n"
    "  - {name: d4, path: $.d, type: 'Nullable(Decimal(76, 76))', invalid: \"null\"}\n"
    "  - {name: i1, path: $.d, type: Nullable(Int128), invalid: \"null\", from_text: true}\n"
    "  - {name: i2, path: $.d, type: Nullable(Int256), invalid: \"null\"}\n"
    "  - {name: u1, path: $.d, type: Nullable(UInt128), invalid: \"null\"}\n"
    "  - {name: u2, path: $.d, type: Nullable(UInt256), invalid: \"null\"}\n"
    "  - {name: c, path: $.d, type: 'Nullable(Decimal(20, 3))', on_overflow: clamp, "
    "invalid: \"null\", from_text: true}\n"
    "  - {name: b, path: $.b, type: Bool, from_number: true, from_text: true, missing: default}\n"
    "  - {name: e, path: $.e, type: \"Enum8('a' = -128, '' = 1, 'ab' = 3)\", "
    "from_number: true, missing: default}\n"
    "  - {name: e2, path: $.e, type: \"Nullable(Enum16('a', 'b'))\", invalid: \"null\"}\n"
    "  - {name: v4, path: $.ip, type: Nullable(IPv4), invalid: \"null\"}\n"
    "  - {name: v6, path: $.ip, type: Nullable(IPv6), invalid: \"null\"}\n"
    "  - {name: f, path: $.f, type: FixedString(3), missing: default}\n"
    "  - {name: t, path: $.t, type: Nullable(Date32), unit: d, invalid: \"null\"}\n",
    /* JSON lines, a row each; behind a frame. */
    HEAD "  - {name: i, path: $.i, type: Int8}\n"
         "  - {name: s, path: [$.s, $.t], type: String, missing: default}\n"
         "documents: many\n",
    HEAD "  - {name: i, path: $.i, type: Int8}\n"
         "  - {name: id, from: schema_id, type: UInt32}\n"
         "message: {strip: schema_registry}\n",
    /* Documents around rows, with a filter that asks both. */
    HEAD "  - {name: n, path: $.n, type: Int8, missing: default}\n"
         "  - {name: v, path: \"@.v\", type: Int16}\n"
         "  - {name: s, path: \"@.s\", type: String, missing: default}\n"
         "rows: $.a.r[*]\ndocuments: many\nrows_missing: none\n"
         "when: '$.t == 1 or @.v > 1 and not @.s in [\"x\", 2]'\n",
    /* A filter over elements of one document, some of which are no objects; nothing is read twice
     * but for it. */
    HEAD "  - {name: v, path: \"@.v\", type: Nullable(Int16), invalid: \"null\"}\n"
         "  - {name: e, path: \"@\", type: String, json: true}\n"
         "rows: $[*]\nwhen: '@ != 1 and not @.w < \"m\"'\n",
    /* A message that is a row, filtered. */
    HEAD "  - {name: i, path: $.i, type: Int8}\n"
         "  - {name: rest, type: String, unknown: true}\n"
         "unknown_fields: keep\nwhen: $.o.x >= 1.5 or exists($.i)\n",
    /* Containers. */
    HEAD
    "  - {name: a, path: $.a, type: Array(Nullable(Int8)), missing: default}\n"
    "  - {name: m, path: $.m, type: \"Map(String, Array(String))\", missing: default}\n"
    "  - {name: p, path: [$.p, $.o.p], type: \"Tuple(Int16, Nullable(String))\", missing: "
    "default}\n"
    "  - {name: n, path: $.n, type: \"Array(Tuple(a Float32, `b c` Map(String, Nullable(UUID)), "
    "t DateTime64(3)))\", unit: ms, missing: default}\n"
    "  - {name: x, path: \"$.e[*].x\", type: Array(Nullable(Int8)), missing: default}\n"
    "  - {name: y, path: \"$.e[*].y\", type: Array(Array(String)), missing: default}\n"
    "  - {name: j, path: $.j, type: Nullable(JSON), invalid: \"null\"}\n"
    "message_memory_max: 4KiB\n",
    /* Containers in rows out of an array, from the row and from the message. */
    HEAD
    "  - {name: a, path: \"@.a\", type: Array(Array(Int8)), missing: default}\n"
    "  - {name: m, path: \"@.m\", type: \"Map(String, Tuple(a Int8, b Array(String)))\", missing: "
    "default}\n"
    "  - {name: x, path: \"@.e[*].x\", type: Array(Int8), missing: default}\n"
    "  - {name: j, path: $.j, type: JSON, missing: default}\n"
    "  - {name: v, path: \"@.v\", type: Int16}\n"
    "rows: $.r[*]\nmessage_memory_max: 64KiB\n",
    HEAD "  - {name: a, path: \"@.a\", type: Array(String), missing: default}\n"
         "  - {name: t, path: $.t, type: \"Array(Tuple(a Int8))\", missing: default}\n"
         "  - {name: rest, type: String, unknown: true}\n"
         "unknown_fields: keep\nrows: $.r[*]\n",
};

/* The first is kept over all inputs, the second is made for each. */
struct state {
    struct route *route;
    struct rows *rows;
};

static struct state states[PL_COUNT(route_texts)];

static void states_make(void)
{
    for (unsigned i = 0; i < PL_COUNT(states) && !states[i].route; i++) {
        struct pl_findings errs;
        pl_findings_init(&errs);
        errs.file = "fuzz";
        states[i].route = route_parse("fuzz", route_texts[i], strlen(route_texts[i]), &errs);
        if (!states[i].route)
            fprintf(stderr, "%s", pl_buf_cstr(&errs.text));
        REQUIRE(states[i].route);
        pl_findings_release(&errs);
        states[i].rows = rows_new(states[i].route);
    }
}

struct tally {
    uint64_t messages, rows;
};

static void on_reject(void *userdata, const struct rows_reject *reject)
{
    struct tally *t = userdata;
    REQUIRE(reject->reason);
    if (reject->row < 0) {
        t->messages++;
        t->rows = 0; /* which are void */
    } else {
        t->rows++;
    }
}

static void block_join(struct block *b, struct pl_buf *out)
{
    struct native_body body = {0};
    native_body_set(&body, b);
    pl_buf_reset(out);
    for (unsigned i = 0; i < body.iov_n; i++)
        pl_buf_add(out, body.iov[i].iov_base, body.iov[i].iov_len);
    native_body_release(&body);
    struct native native;
    REQUIRE(native_read(out->data, out->len, &native));
    REQUIRE(native.rows == block_rows(b));
    native_release(&native);
}

static bool buf_equal(const struct pl_buf *a, const struct pl_buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static void rows_print(struct block *b)
{
    struct pl_buf line = {0};
    for (uint64_t i = 0; i < block_rows(b) && i < 8; i++) {
        struct pl_json j;
        pl_buf_reset(&line);
        block_print_row(b, i, &line);
        pl_json_init(&j, line.data, line.len, PL_JSON_DEPTH_MAX);
        REQUIRE(pl_json_skip(&j, NULL) && pl_json_end(&j));
    }
    pl_buf_release(&line);
}

/* Each of so many places alone gives the block and the rejects that all together gave, and there is
 * no further one. */
static void places_try(struct rows *rows, const struct rows_message *m, int64_t places,
                       struct block *block, const struct tally *all)
{
    struct tally t = {0, 0};
    block_reset(block);
    for (int64_t i = 0; i < places; i++)
        rows_decode(rows, m, &(struct row_set){&(struct row_range){i, i}, 1, 1}, block, on_reject,
                    &t);
    REQUIRE(t.rows == all->rows && t.messages == 0);
    uint64_t n = block_rows(block);
    rows_decode(rows, m, &(struct row_set){&(struct row_range){places, places}, 1, 1}, block,
                on_reject, &t);
    REQUIRE(t.messages == 1 && block_rows(block) == n);
}

/* What rows_decode() has counted since. */
static struct rows_counts counts_since(const struct rows *rows, const struct rows_counts *before)
{
    const struct rows_counts *now = rows_counts(rows);
    return (struct rows_counts){.messages = now->messages - before->messages,
                                .rows = now->rows - before->rows,
                                .rejected_messages =
                                    now->rejected_messages - before->rejected_messages,
                                .rejected_rows = now->rejected_rows - before->rejected_rows,
                                .nulled = now->nulled - before->nulled,
                                .clamped = now->clamped - before->clamped,
                                .defaulted = now->defaulted - before->defaulted,
                                .filtered = now->filtered - before->filtered,
                                .unknown_fields = now->unknown_fields - before->unknown_fields};
}

/* A message twice into one block, by both decoders; then each of its elements alone. */
static void message_try(struct state *s, const struct rows_message *m)
{
    PL_CLEANUP(block_freep) struct block *block = block_new(s->route);
    PL_CLEANUP(block_freep) struct block *other = block_new(s->route);
    PL_CLEANUP(rows_freep) struct rows *fresh = rows_new(s->route);
    struct pl_buf empty = {0}, a = {0}, b = {0};
    struct tally t = {0, 0}, t2 = {0, 0};
    struct row_set skipped;
    const struct rows_counts before = *rows_counts(s->rows);
    const bool places = s->route->rows_each || s->route->documents_many;
    rows_note_skipped(fresh);
    block_join(block, &empty);
    uint64_t n = rows_decode(s->rows, m, NULL, block, on_reject, &t);
    REQUIRE(n == block_rows(block));
    REQUIRE(t.messages <= 1 && (t.messages == 0 || n + t.rows == 0));
    const struct rows_counts counts = counts_since(s->rows, &before);
    REQUIRE(counts.rows == n && counts.rejected_messages == t.messages &&
            counts.rejected_rows == t.rows);
    REQUIRE(places || n + t.messages + counts.filtered == 1);
    block_join(block, &a);
    REQUIRE(n > 0 || buf_equal(&a, &empty));
    rows_print(block);

    REQUIRE(rows_decode(fresh, m, NULL, other, on_reject, &t2) == n);
    REQUIRE(t.messages == t2.messages && t.rows == t2.rows);
    block_join(other, &b);
    REQUIRE(buf_equal(&a, &b));
    REQUIRE(memcmp(&counts, rows_counts(fresh), sizeof(counts)) == 0);

    if (rows_skipped(fresh, &skipped)) {
        uint64_t all = n + t.rows + row_set_count(&skipped);
        REQUIRE(t.messages > 0 || row_set_count(&skipped) >= counts.filtered);
        if (places && t.messages == 0 && all < 64) {
            places_try(fresh, m, (int64_t)all, other, &t);
            block_join(other, &b);
            REQUIRE(buf_equal(&a, &b));
        }
        row_set_release(&skipped);
    }
    /* Behind rows that are there, nothing else changes. */
    REQUIRE(rows_decode(s->rows, m, NULL, block, NULL, NULL) == n);
    REQUIRE(block_rows(block) == 2 * n);
    block_join(block, &b);
    REQUIRE(n > 0 || buf_equal(&b, &empty));
    pl_buf_release(&empty);
    pl_buf_release(&a);
    pl_buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    states_make();
    if (size == 0)
        return 0;
    struct rows_message m = {.topic = "t",
                             .offset = 1,
                             .timestamp_ms = 1,
                             .value = (const char *)data + 1,
                             .value_len = size - 1};
    message_try(&states[(uint8_t)(data[0] - '0') % PL_COUNT(states)], &m);
    return 0;
}
