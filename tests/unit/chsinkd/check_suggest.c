/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_suggest.c - the route that --schema writes takes its own sample without a dead letter: for
 * documents made by chance, with mixed types, strange keys and values at the edges.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/route/suggest.h"

#include <inttypes.h>
#include <string.h>

#include "tests/unit/rows_fixture.h"

#define SAMPLES   3000
#define DOCUMENTS 24
#define KEYS      8
#define DEPTH     3

static uint64_t seed;

/* SplitMix64 (Steele, Lea, Flood 2014). */
static unsigned draw(unsigned n)
{
    uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ (z >> 31)) % n);
}

/* As they stand between the quotes. */
static const char *const keys[] = {
    "a",         "A",         "b",    "a_b",      "a.b",     "id",      "$",       "@",
    "x y",       "it's",      "\\\"", "\\\\",     "\\n",     "\\u0000", "\\ud800", "",
    "null",      "true",      "12",   "\xc3\xa4", "\\u2028", "\\u0085", "\\ufeff", "\x7f",
    "[*]",       "[0]",       "-",    "#c",       "k: v",    "_offset", "{",       "\\ud83d\\ude00",
    "a\\u002eb", "\\\\ud800",
};
static const char *const scalars[][12] = {
    {"null"},
    {"true", "false"},
    {"0", "1", "-1", "17"},
    {"2147483647", "2147483648", "4294967295", "4294967296", "-2147483649", "9007199254740993"},
    {"9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
     "-9223372036854775809"},
    {"1.5", "1.0", "1e3", "-0", "-0.0", "0.1", "1E-7", "123456789.125"},
    {"1e400", "1e-400", "9007199254740993.0", "12345678901234567890123.5", "1e23"},
    {"\"\"", "\"x\"", "\"y z\"", "\"\xe2\x82\xac\"", "\"\\u0000\"", "\"a\\nb\""},
    {"\"\\ud800\"", "\"x\\udc00y\"", "\"ok\""},
    {"\"2026-11-29T10:00:00Z\"", "\"2026-11-29T10:00:00.123456Z\"", "\"1899-12-31T23:59:59Z\"",
     "\"2299-12-31T23:59:59.999999999Z\"", "\"2262-04-12T00:00:00.1234567Z\"", "\"2026-11-29\"",
     "\"2026-11-29T10:00:00.1000000000+02:00\"", "\"2026-11-29T23:59:60Z\""},
    {"\"ffef6020-2127-4d54-b11a-1d55546aa1a7\"", "\"FFEF6020-2127-4D54-B11A-1D55546AA1A7\"",
     "\"ffef6020\\u002d2127-4d54-b11a-1d55546aa1a7\"", "\"ffef602021274d54b11a1d55546aa1a7\""},
    {"\"1\"", "\"true\"", "\"1.5\""},
};

/* What one sample is made of: a few keys, and for each a few kinds of values. */
struct world {
    const char *keys[KEYS];
    unsigned kinds[KEYS][2];
};

#define KIND_ARRAY  PL_COUNT(scalars)
#define KIND_OBJECT (PL_COUNT(scalars) + 1)

static void world_make(struct world *w)
{
    for (unsigned i = 0; i < KEYS; i++) {
        w->keys[i] = keys[draw(PL_COUNT(keys))];
        w->kinds[i][0] = draw(KIND_OBJECT + 1);
        w->kinds[i][1] = draw(3) ? w->kinds[i][0] : draw(KIND_OBJECT + 1);
    }
}

static void object_make(const struct world *w, unsigned depth, struct pl_buf *out);

static void value_make(const struct world *w, unsigned kind, unsigned depth, struct pl_buf *out)
{
    if (kind == KIND_OBJECT || (kind == KIND_ARRAY && depth == 0)) {
        object_make(w, depth, out);
    } else if (kind == KIND_ARRAY) {
        pl_buf_add_byte(out, '[');
        for (unsigned n = draw(3), i = 0; i < n; i++) {
            pl_buf_add_str(out, i > 0 ? "," : "");
            value_make(w, w->kinds[draw(KEYS)][draw(2)], depth - 1, out);
        }
        pl_buf_add_byte(out, ']');
    } else {
        unsigned n = 0;
        while (n < PL_COUNT(scalars[kind]) && scalars[kind][n])
            n++;
        pl_buf_add_str(out, scalars[kind][draw(n)]);
    }
}

/* Of the keys most; of one, now and then, two. */
static void object_make(const struct world *w, unsigned depth, struct pl_buf *out)
{
    bool first = true;
    pl_buf_add_byte(out, '{');
    for (unsigned i = 0; i < KEYS && depth > 0; i++) {
        if (draw(8) == 0)
            continue;
        pl_buf_addf(out, "%s\"%s\":", first ? "" : ", ", w->keys[i]);
        value_make(w, w->kinds[i][draw(10) == 0], depth - 1, out);
        first = false;
    }
    pl_buf_add_byte(out, '}');
}

struct sample {
    struct pl_buf text; /* the documents, each with its end */
    size_t ends[DOCUMENTS];
    unsigned n;
};

static void sample_add(struct sample *s, const char *text, size_t len)
{
    pl_buf_add(&s->text, text, len);
    s->ends[s->n++] = s->text.len;
}

/* At the top: mostly of objects. */
static void array_make(const struct world *w, struct pl_buf *out)
{
    pl_buf_add_byte(out, '[');
    for (unsigned n = draw(4), i = 0; i < n; i++) {
        pl_buf_add_str(out, i > 0 ? "," : "");
        if (w->kinds[0][0] > 2)
            object_make(w, DEPTH, out);
        else /* null among objects is a dead letter */
            value_make(w, 1 + draw(KIND_OBJECT), DEPTH, out);
    }
    pl_buf_add_byte(out, ']');
}

static void sample_make(struct sample *s, bool arrays)
{
    struct world w;
    world_make(&w);
    for (unsigned i = 0; i < DOCUMENTS; i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf doc = {0};
        if (arrays)
            array_make(&w, &doc);
        else
            object_make(&w, DEPTH, &doc);
        sample_add(s, doc.data, doc.len);
    }
}

/* The route made of the sample; its text is in `text`. */
static struct route *sample_route(const struct sample *s, struct pl_buf *text)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();
    for (unsigned i = 0; i < s->n; i++) {
        size_t at = i > 0 ? s->ends[i - 1] : 0;
        const char *error = NULL;
        ck_assert_msg(pl_schema_add(p, s->text.data + at, s->ends[i] - at, &error), "%s: %.*s",
                      error, (int)(s->ends[i] - at), s->text.data + at);
    }
    route_suggest(p, "topic-1", text);
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    pl_findings_init(&errs);
    errs.file = "suggested";
    struct route *route = route_parse("suggested", text->data, text->len, &errs);
    ck_assert_msg(route != NULL, "%s\n%s", pl_buf_cstr(&errs.text), pl_buf_cstr(text));
    return route;
}

/* Decodes all; each must give its rows. Returns the number of columns with a path. */
static unsigned sample_check(const struct sample *s)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    FIXTURE f = {.route = sample_route(s, &text)};
    f.rows = rows_new(f.route);
    f.block = block_new(f.route);
    for (unsigned i = 0; i < s->n; i++) {
        size_t at = i > 0 ? s->ends[i - 1] : 0;
        const struct rows_message m = {.topic = "topic-1",
                                       .offset = i,
                                       .value = s->text.data + at,
                                       .value_len = s->ends[i] - at};
        uint64_t n = rows_decode(f.rows, &m, NULL, f.block, on_reject, &f);
        ck_assert_msg(f.rejects == 0, "%s (%s), column %s\n%.*s\n%s", f.reason, f.detail, f.column,
                      (int)m.value_len, m.value, pl_buf_cstr(&text));
        ck_assert(f.route->rows_each || n == 1);
    }
    return f.route->columns_n - 3;
}

START_TEST(check_own_sample)
{
    unsigned columns = 0;
    for (unsigned i = 0; i < SAMPLES; i++) {
        struct sample s = {0};
        seed = (uint64_t)_i << 32 | i;
        sample_make(&s, _i == 1);
        columns += sample_check(&s);
        pl_buf_release(&s.text);
    }
    ck_assert_uint_gt(columns, 2 * SAMPLES); /* it is not that nothing was taken */
}
END_TEST

static void route_assert(const char *const *docs, unsigned n, const char *columns)
{
    struct sample s = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    for (unsigned i = 0; i < n; i++)
        sample_add(&s, docs[i], strlen(docs[i]));
    route_free(sample_route(&s, &text));
    sample_check(&s);
    ck_assert_msg(strstr(pl_buf_cstr(&text), columns) != NULL, "%s\n%s", columns, text.data);
    pl_buf_release(&s.text);
}
#define ROUTE(columns, ...)                                                                        \
    route_assert((const char *const[]){__VA_ARGS__},                                               \
                 PL_COUNT(((const char *const[]){__VA_ARGS__})), columns)

START_TEST(check_text)
{
    ROUTE("rows: $\nunknown_fields: drop\ncolumns:\n"
          "  - { name: meta_id, type: \"UInt32\", path: '$.meta.id' }\n"
          "  - { name: l, type: \"Nullable(String)\", path: '$.l', json: true }\n",
          "{\"meta\":{\"id\":1},\"l\":[1]}", "{\"meta\":{\"id\":2}}");
    /* Types that have none in common. */
    ROUTE("  - { name: m, type: \"String\", path: '$.m', json: true }\n", "{\"m\":1}",
          "{\"m\":\"a\"}", "{\"m\":true}");
    ROUTE("  - { name: m, type: \"String\", path: '$.m', json: true }\n", "{\"m\":-1}",
          "{\"m\":18446744073709551615}");
    ROUTE("  - { name: s, type: \"String\", path: '$.s', json: true }\n", "{\"s\":\"\\ud800\"}");
    /* Names: of two paths, and in quotes. */
    ROUTE("  - { name: a_b, type: \"UInt32\", path: '$.a.b' }\n"
          "  - { name: a_b_2, type: \"UInt32\", path: '$.\"a.b\"' }\n"
          "  - { name: A_B_3, type: \"UInt32\", path: '$.A_B' }\n"
          "  - { name: 'null', type: \"UInt32\", path: '$.null' }\n"
          "  - { name: value, type: \"UInt32\", path: \"$.'\" }\n",
          "{\"a\":{\"b\":1},\"a.b\":2,\"A_B\":3,\"null\":4,\"'\":5}");
    /* What no column can have. */
    ROUTE("  # left out: a (an object holds it twice)\n"
          "  - { name: b, type: \"UInt32\", path: '$.b' }\n",
          "{\"a\":1,\"a\":2,\"b\":3}", "{\"a\":{\"c\":1},\"b\":3}");
    /* Arrays at the top, of objects and others. */
    ROUTE("rows: $[*]\nunknown_fields: drop\ncolumns:\n"
          "  - { name: id, type: \"UInt32\", path: '@.id' }\n",
          "[{\"id\":1},{\"id\":2}]", "[]");
    ROUTE("  - { name: value, type: \"Nullable(Float64)\", path: '@' }\n", "[1.5,null]");
    /* A key that looks like what is no object. */
    ROUTE("  - { name: value, type: \"UInt32\", path: '$.\"$\"' }\n", "{\"$\":1}");
}
END_TEST

/* More fields than a table may have columns. */
START_TEST(check_wide)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf doc = {0};
    struct sample s = {0};
    pl_buf_add_byte(&doc, '{');
    for (unsigned i = 0; i < 1500; i++)
        pl_buf_addf(&doc, "%s\"k%u\":%u", i > 0 ? "," : "", i, i);
    pl_buf_add_byte(&doc, '}');
    sample_add(&s, doc.data, doc.len);
    ck_assert_uint_eq(sample_check(&s), 1024 - 3);
    pl_buf_release(&s.text);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(check_own_sample, .count = 2),
        TEST(check_text),
        TEST(check_wide),
    };
    return unit_main("suggest", tests, PL_COUNT(tests));
}
