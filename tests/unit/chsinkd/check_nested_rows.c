/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_nested_rows.c - blocks with containers: their bytes, rows taken out of them against a naive
 * model, and how rows are compared with a table's.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/clickhouse/presence.h"
#include "daemons/chsinkd/clickhouse/rows_match.h"
#include "tests/unit/rows_fixture.h"

/* ---- bytes ---- */

START_TEST(bytes_are_native)
{
    static const char want[] = "\x04\x02"
                               "\x01"
                               "a\x17"
                               "Array(Nullable(String))"
                               "\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0"
                               "\0\x01\0"
                               "\x01x\0\x02yz"
                               "\x01"
                               "m\x11"
                               "Map(String, Int8)"
                               "\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"
                               "\x01k\x01l"
                               "\x05\x06"
                               "\x01"
                               "t\x1d"
                               "Tuple(n Int16, s Array(Int8))"
                               "\x07\0\x08\0"
                               "\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0"
                               "\x09"
                               "\x01"
                               "j\x1e"
                               "Map(String, Tuple(Int8, JSON))"
                               "\x01\0\0\0\0\0\0\0"
                               "\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0"
                               "\x01o"
                               "\x03"
                               "\x02{}";
    FIXTURE f = fixture_new("columns:\n"
                            "  - {name: a, path: $.a, type: Array(Nullable(String))}\n"
                            "  - {name: m, path: $.m, type: \"Map(String, Int8)\"}\n"
                            "  - {name: t, path: $.t, type: \"Tuple(n Int16, s Array(Int8))\"}\n"
                            "  - {name: j, path: $.j, type: \"Map(String, Tuple(Int8, JSON))\", "
                            "missing: default}\n");
    PL_CLEANUP(pl_buf_release) struct pl_buf have = {0};
    decode(&f, "{\"a\":[\"x\",null],\"m\":{},\"t\":{\"n\":7,\"s\":[9]},\"j\":{\"o\":[3,{}]}}");
    decode(&f, "{\"a\":[\"not\",\"there\"],\"m\":{\"z\":1},\"t\":{\"n\":7,\"s\":[1000]}}");
    decode(&f, "{\"a\":[\"yz\"],\"m\":{\"k\":5,\"l\":6},\"t\":{\"n\":8,\"s\":[]}}");
    ck_assert_uint_eq(f.rejects, 1);
    block_native(f.block, &have);
    ck_assert_uint_eq(have.len, sizeof(want) - 1);
    ck_assert_mem_eq(have.data, want, sizeof(want) - 1);
}
END_TEST

/* ---- rows taken out ---- */

#define ROWS 30

static const char columns[] =
    "rows: $.r[*]\ncolumns:\n"
    "  - {name: s, path: '@.s', type: String, missing: default}\n"
    "  - {name: a, path: '@.a', type: Array(Nullable(String)), missing: default}\n"
    "  - {name: aa, path: '@.aa', type: Array(Array(Int16)), missing: default}\n"
    "  - {name: m, path: '@.m', type: \"Map(String, Array(String))\", missing: default}\n"
    "  - {name: t, path: '@.t', type: \"Tuple(a Nullable(Int8), s String, x Array(Tuple(Int8, "
    "String)))\", missing: default}\n"
    "  - {name: e, path: '@.e[*].x', type: Array(Nullable(String)), missing: default}\n"
    "  - {name: n, path: $.n, type: \"Array(Tuple(k String))\", missing: default}\n"
    "  - {name: i, path: '@.i', type: Nullable(Int32)}\n";

static uint64_t state;

static unsigned below(unsigned n)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)((state >> 33) % n);
}

static void string_make(struct pl_buf *b)
{
    static const unsigned lens[] = {0, 1, 5, 127, 128};
    pl_buf_add_byte(b, '"');
    for (unsigned n = lens[below(5)]; n > 0; n--)
        pl_buf_add_byte(b, (char)('a' + below(26)));
    pl_buf_add_byte(b, '"');
}

/* A list of up to four that `make` appends; `key`: members of an object. */
static void list_make(struct pl_buf *b, bool key, void (*make)(struct pl_buf *b))
{
    unsigned n = below(5);
    pl_buf_add_byte(b, key ? '{' : '[');
    for (unsigned i = 0; i < n; i++) {
        if (i > 0)
            pl_buf_add_byte(b, ',');
        if (key)
            pl_buf_addf(b, "\"k%u\":", i);
        make(b);
    }
    pl_buf_add_byte(b, key ? '}' : ']');
}

static void maybe_make(struct pl_buf *b)
{
    if (below(3))
        string_make(b);
    else
        pl_buf_add_str(b, "null");
}

static void number_make(struct pl_buf *b)
{
    pl_buf_addf(b, "%d", (int)below(1000) - 500);
}

static void numbers_make(struct pl_buf *b)
{
    list_make(b, false, number_make);
}

static void strings_make(struct pl_buf *b)
{
    list_make(b, false, string_make);
}

static void pair_make(struct pl_buf *b)
{
    pl_buf_addf(b, "[%u,", below(100));
    string_make(b);
    pl_buf_add_byte(b, ']');
}

static void each_make(struct pl_buf *b)
{
    pl_buf_add_str(b, "{\"x\":");
    maybe_make(b);
    pl_buf_add_byte(b, '}');
}

/* One in ten is refused, at the last of its columns. */
static char *row_make(bool *ret_good)
{
    struct pl_buf b = {0};
    pl_buf_add_str(&b, "{\"s\":");
    string_make(&b);
    if (below(4)) {
        pl_buf_add_str(&b, ",\"a\":");
        list_make(&b, false, maybe_make);
        pl_buf_add_str(&b, ",\"aa\":");
        list_make(&b, false, numbers_make);
        pl_buf_add_str(&b, ",\"m\":");
        list_make(&b, true, strings_make);
    }
    if (below(4)) {
        pl_buf_addf(&b, ",\"t\":{\"a\":%u,\"s\":", below(100));
        string_make(&b);
        pl_buf_add_str(&b, ",\"x\":");
        list_make(&b, false, pair_make);
        pl_buf_add_str(&b, "},\"e\":");
        list_make(&b, false, each_make);
    }
    *ret_good = below(10) > 0;
    pl_buf_add_str(&b, *ret_good ? ",\"i\":7}" : ",\"i\":\"x\"}");
    return pl_buf_take(&b);
}

struct model {
    char *rows[ROWS];
    bool good[ROWS];
};

/* A message with the rows of the model that are not out; as many as it may be wrong. */
static void model_put(struct fixture *f, const struct model *m, const bool *out,
                      struct block *block)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};
    const char *comma = "";
    pl_buf_add_str(&b, "{\"n\":[{\"k\":\"one\"},{\"k\":\"\"}],\"r\":[");
    for (unsigned i = 0; i < ROWS; i++) {
        if (out[i])
            continue;
        pl_buf_addf(&b, "%s%s", comma, m->rows[i]);
        comma = ",";
    }
    pl_buf_add_str(&b, "]}");
    const struct rows_message message = {.topic = "t", .value = b.data, .value_len = b.len};
    rows_decode(f->rows, &message, NULL, block, on_reject, f);
}

static void blocks_equal(struct block *have, struct block *want)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf a = {0}, b = {0}, c = {0}, d = {0};
    block_native(have, &a);
    block_native(want, &b);
    ck_assert_uint_eq(block_rows(have), block_rows(want));
    ck_assert_uint_eq(block_bytes(have), block_bytes(want));
    ck_assert_uint_eq(a.len, b.len);
    ck_assert_mem_eq(a.data, b.data, a.len);
    struct row_walk w;
    row_walk_init(&w, have);
    for (uint64_t i = 0; i < block_rows(have); i++) {
        size_t at = c.len;
        row_walk_add(&w, &c);
        ck_assert_uint_eq(row_binary_len(have, c.data + at, c.len - at), c.len - at);
    }
    row_walk_release(&w);
    /* From a row in the middle it is the same. */
    row_walk_init(&w, have);
    uint64_t middle = block_rows(have) / 2;
    row_walk_to(&w, middle);
    for (uint64_t i = middle; i < block_rows(have); i++)
        row_walk_add(&w, &d);
    row_walk_release(&w);
    ck_assert_uint_le(d.len, c.len);
    if (d.len > 0)
        ck_assert_mem_eq(d.data, c.data + c.len - d.len, d.len);
}

/* Which rows are out, of those that are good from `from` on. */
static unsigned good_rows(const struct model *m)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ROWS; i++)
        n += m->good[i];
    return n;
}

static void out_set(const struct model *m, unsigned from, unsigned to, bool *out)
{
    unsigned row = 0;
    for (unsigned i = 0; i < ROWS; i++) {
        out[i] = !m->good[i] || row < from || row >= to;
        row += m->good[i];
    }
}

static void model_block(struct fixture *f, const struct model *m, unsigned from, unsigned to,
                        struct block *block)
{
    bool out[ROWS];
    out_set(m, from, to, out);
    model_put(f, m, out, block);
}

static void cut_everywhere(struct fixture *f, const struct model *m)
{
    static const bool none[ROWS];
    unsigned n = good_rows(m);
    for (unsigned row = 0; row <= n; row++) {
        PL_CLEANUP(block_freep) struct block *have = block_new(f->route);
        PL_CLEANUP(block_freep) struct block *rest = block_new(f->route);
        PL_CLEANUP(block_freep) struct block *first = block_new(f->route);
        PL_CLEANUP(block_freep) struct block *second = block_new(f->route);
        model_put(f, m, none, have);
        model_block(f, m, 0, row, first);
        model_block(f, m, row, n, second);
        block_split(have, row, rest);
        blocks_equal(have, first);
        blocks_equal(rest, second);
        /* Both are ordinary blocks still. */
        model_put(f, m, none, rest);
        block_rows_truncate(rest, n - row);
        blocks_equal(rest, second);
        model_block(f, m, row, n, have);
        block_reset(first);
        model_put(f, m, none, first);
        blocks_equal(have, first);
        block_rows_truncate(have, row);
        block_reset(first);
        model_block(f, m, 0, row, first);
        blocks_equal(have, first);
    }
}

static void drop_some(struct fixture *f, const struct model *m)
{
    static const bool none[ROWS];
    bool out[ROWS];
    uint64_t bits[ROWS / 64 + 1] = {0};
    unsigned row = 0, most = below(5);
    PL_CLEANUP(block_freep) struct block *have = block_new(f->route);
    PL_CLEANUP(block_freep) struct block *want = block_new(f->route);
    for (unsigned i = 0; i < ROWS; i++) {
        out[i] = !m->good[i] || below(4) < most;
        if (m->good[i] && out[i])
            bits[row / 64] |= UINT64_C(1) << (row % 64);
        row += m->good[i];
    }
    model_put(f, m, none, have);
    model_put(f, m, out, want);
    block_rows_drop(have, bits);
    blocks_equal(have, want);
}

START_TEST(rows_are_taken_out)
{
    FIXTURE f = fixture_new(columns);
    for (unsigned round = 0; round < 8; round++) {
        struct model m;
        state = 100 * (uint64_t)_i + round + 1;
        for (unsigned i = 0; i < ROWS; i++)
            m.rows[i] = row_make(&m.good[i]);
        cut_everywhere(&f, &m);
        for (unsigned i = 0; i < 10; i++)
            drop_some(&f, &m);
        for (unsigned i = 0; i < ROWS; i++)
            free(m.rows[i]);
    }
}
END_TEST

/* A row that a table answers with is known to be whole at its last byte. */
START_TEST(rows_are_whole)
{
    FIXTURE f = fixture_new(columns);
    static const bool none[ROWS];
    struct model m;
    state = 5;
    for (unsigned i = 0; i < ROWS; i++)
        m.rows[i] = row_make(&m.good[i]);
    model_put(&f, &m, none, f.block);
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};
    struct row_walk w;
    row_walk_init(&w, f.block);
    for (uint64_t i = 0; i < block_rows(f.block); i++) {
        size_t at = b.len;
        row_walk_add(&w, &b);
        for (size_t cut = at; cut <= b.len; cut++)
            ck_assert_uint_eq(row_binary_len(f.block, b.data + at, cut - at),
                              cut == b.len ? b.len - at : 0);
    }
    row_walk_release(&w);
    for (unsigned i = 0; i < ROWS; i++)
        free(m.rows[i]);
}
END_TEST

/* Columns with JSON are not compared, and where a message has several rows these cannot be told
 * apart. */
START_TEST(json_is_not_compared)
{
    FIXTURE f = fixture_new("columns:\n"
                            "  - {name: i, path: $.i, type: Int8}\n"
                            "  - {name: j, path: $.j, type: JSON}\n"
                            "  - {name: k, path: $.k, type: Array(JSON), missing: default}\n"
                            "  - {name: s, path: $.s, type: String}\n");
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};
    struct row_walk w;
    decode(&f, "{\"i\":1,\"j\":{\"a\":1},\"k\":[{}],\"s\":\"x\"}");
    decode(&f, "{\"i\":2,\"j\":{\"a\":2},\"s\":\"yy\"}");
    row_walk_init(&w, f.block);
    row_walk_to(&w, 1);
    row_walk_add(&w, &b);
    row_walk_release(&w);
    ck_assert_uint_eq(b.len, 4);
    ck_assert_mem_eq(b.data, "\x02\x02yy", 4);
    struct pl_slice s = row_binary_value(f.block, (struct pl_slice){b.data, b.len}, 3);
    ck_assert_uint_eq(s.len, 3);
}
END_TEST

#define PLACES                                                                                     \
    "  - {name: t, from: topic, type: String}\n  - {name: p, from: partition, type: Int32}\n"      \
    "  - {name: o, from: offset, type: Int64}\n"

static const struct {
    const char *text;
    bool places, can;
} looks[] = {
    {"columns:\n" PLACES "  - {name: j, path: $.j, type: JSON}\n", true, true},
    {"columns:\n" PLACES "  - {name: j, path: $.j, type: Array(String)}\n", true, true},
    {"columns:\n  - {name: j, path: $.j, type: Array(String)}\n", false, false},
    {"rows: $.r[*]\ncolumns:\n" PLACES "  - {name: j, path: $.j, type: Array(String)}\n", true,
     true},
    {"rows: $.r[*]\ncolumns:\n" PLACES "  - {name: j, path: $.j, type: JSON}\n", true, false},
    {"rows: $.r[*]\ncolumns:\n" PLACES "  - {name: j, path: $.j, type: \"Map(String, JSON)\"}\n",
     true, false},
};

START_TEST(which_can_be_looked_for)
{
    FIXTURE f = fixture_new(looks[_i].text);
    ck_assert_int_eq(presence_route_places(f.route), looks[_i].places);
    ck_assert_int_eq(presence_route_can(f.route), looks[_i].can);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(bytes_are_native),
        TEST(rows_are_taken_out, .count = 3),
        TEST(rows_are_whole),
        TEST(json_is_not_compared),
        TEST(which_can_be_looked_for, .count = PL_COUNT(looks)),
    };
    return unit_main("nested_rows", tests, PL_COUNT(tests));
}
