/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_evolve.c - unknown_fields: add: which fields of a route's messages get columns, and why
 * others do not; what is learned from which messages; a route with the columns of its table.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/route/evolve.h"

#include "daemons/chsinkd/decode/learn.h"
#include "daemons/chsinkd/route/added.h"
#include "daemons/chsinkd/route/digest.h"
#include "tests/unit/rows_fixture.h"

#define COLUMNS "columns:\n  - {name: id, type: Int64, path: $.id}\n"
#define ADD     "unknown_fields: add\nadd: {after: 4, columns_max: 5}\n"

/* ---- from messages to columns ---- */

/* As adding.c does it. */
static void teach(struct fixture *f, struct learn *l, const char *text)
{
    const struct rows_message m = {.topic = "t", .value = text, .value_len = strlen(text)};
    const struct rows_counts before = *rows_counts(f->rows);
    block_reset(f->block);
    rows_decode(f->rows, &m, NULL, f->block, on_reject, f);
    if (learn_wants(l))
        learn_message(l, &m, &before, rows_counts(f->rows));
}

/* "$.a a Nullable(Int64) 4/5; $.b: why" */
static void judged(const struct fixture *f, const struct learn *l, struct pl_buf *out)
{
    struct evolve_fields fields = {0};
    evolve_judge(f->route, learn_sample(l), &fields);
    for (unsigned i = 0; i < fields.n; i++) {
        const struct evolve_field *v = &fields.v[i];
        if (v->why)
            pl_buf_addf(out, "%s%s: %s", out->len > 0 ? "; " : "", v->path, v->why);
        else
            pl_buf_addf(out, "%s%s %s %s %u/%u", out->len > 0 ? "; " : "", v->path, v->name,
                        v->type, (unsigned)v->seen, (unsigned)v->of);
    }
    evolve_release(&fields);
}

/* Each message of `texts`, ended by NULL, so many times. */
static void assert_judged(const char *route, unsigned times, const char *const *texts,
                          const char *expected)
{
    PL_FREE char *yaml = pl_strf(ADD "%s", route);
    FIXTURE f = fixture_new(yaml);
    PL_CLEANUP(learn_freep) struct learn *l = learn_new(f.route);
    PL_CLEANUP(pl_buf_release) struct pl_buf found = {0};
    for (unsigned n = 0; n < times; n++)
        for (const char *const *t = texts; *t; t++)
            teach(&f, l, *t);
    judged(&f, l, &found);
    ck_assert_msg(strcmp(pl_buf_cstr(&found), expected) == 0, "%s\nexpected: %s\nfound:    %s",
                  texts[0], expected, pl_buf_cstr(&found));
}

#define JUDGED(route, times, expected, ...)                                                        \
    assert_judged(route, times, (const char *const[]){__VA_ARGS__, NULL}, expected)

START_TEST(check_types)
{
    static const struct {
        const char *value[2], *expected;
    } cases[] = {
        {{"1", "-2"}, "$.x x Nullable(Int64) 4/4"},
        {{"1", "2.5"}, "$.x x Nullable(Float64) 4/4"},
        {{"1e300", "0.1"}, "$.x x Nullable(Float64) 4/4"},
        {{"true", "false"}, "$.x x Nullable(Bool) 4/4"},
        {{"\"a\"", "\"\""}, "$.x x Nullable(String) 4/4"},
        /* The widest, whatever it looks like. */
        {{"\"2026-11-29T10:00:00Z\"", "\"2026-11-29T10:00:01Z\""}, "$.x x Nullable(String) 4/4"},
        {{"\"1\"", "\"2\""}, "$.x x Nullable(String) 4/4"},
        {{"9223372036854775807", "1"}, "$.x x Nullable(Int64) 4/4"},
        {{"9223372036854775808", "1"}, "$.x: no Int64 or Float64 holds all its numbers"},
        {{"1e999", "1.5"}, "$.x: no Int64 or Float64 holds all its numbers"},
        {{"9007199254740993", "1.5"}, "$.x: no Int64 or Float64 holds all its numbers"},
        {{"1", "\"1\""}, "$.x: its values are of several types"},
        {{"1", "true"}, "$.x: its values are of several types"},
        {{"1", "{\"y\": 1}"}, "$.x: its values are of several types"},
        {{"[1]", "[]"}, "$.x: it is an array: give it a column of your own, or rows"},
        {{"[{\"y\": 1}]", "[]"}, "$.x: it is an array: give it a column of your own, or rows"},
        {{"\"\\ud800\"", "\"a\""}, "$.x: its texts are no Unicode"},
        {{"null", "null"}, ""},
        {{"{}", "{}"}, ""},
        {{"{\"y\": 1}", "{\"y\": 2}"}, "$.x.y x_y Nullable(Int64) 4/4"},
        {{"{\"y\": 1}", "null"}, ""}, /* twice */
    };
    for (unsigned i = 0; i < PL_COUNT(cases); i++) {
        PL_FREE char *one = pl_strf("{\"id\": 1, \"x\": %s}", cases[i].value[0]);
        PL_FREE char *two = pl_strf("{\"id\": 2, \"x\": %s}", cases[i].value[1]);
        JUDGED(COLUMNS, 2, cases[i].expected, one, two);
    }
}
END_TEST

START_TEST(check_how_often)
{
    static const char with[] = "{\"id\": 1, \"x\": 1, \"y\": null}", without[] = "{\"id\": 1}",
                      other[] = "{\"id\": 1, \"z\": 1}";
    JUDGED(COLUMNS, 3, "", with);
    JUDGED(COLUMNS, 4, "$.x x Nullable(Int64) 4/4", with);
    JUDGED(COLUMNS, 4, "$.x x Nullable(Int64) 4/4", with, without); /* nothing to learn there */
    JUDGED(COLUMNS, 4, "$.x x Nullable(Int64) 4/8; $.z z Nullable(Int64) 4/8", with, other);
    /* What is refused, filtered or whole teaches nothing. */
    JUDGED(COLUMNS, 4, "", "{\"x\": 1}");
    JUDGED(COLUMNS, 4, "", "{\"id\": 1, \"x\": 1} 2");
    JUDGED("when: $.id == 2\n" COLUMNS, 4, "", with);
    JUDGED("when: $.id == 1\n" COLUMNS, 4, "$.x x Nullable(Int64) 4/4", with);
}
END_TEST

START_TEST(check_what_is_read)
{
    static const char text[] = "{\"id\": 1, \"a\": {\"b\": {\"c\": 1, \"d\": 2}, \"e\": 3}}";
    JUDGED(COLUMNS "  - {name: c, type: Int64, path: $.a.b.c}\n", 4,
           "$.a.b.d a_b_d Nullable(Int64) 4/4; $.a.e a_e Nullable(Int64) 4/4", text);
    JUDGED(COLUMNS "  - {name: b, type: String, path: $.a.b, json: true}\n", 4,
           "$.a.e a_e Nullable(Int64) 4/4", text);
    JUDGED(COLUMNS "  - {name: a, type: String, path: $.a, json: true}\n", 4, "", text);
    JUDGED(COLUMNS "  - {name: all, type: String, path: \"@\", json: true}\n", 4, "", text);
    JUDGED(COLUMNS
           "  - {name: a, type: String, path: [$.q, $.a.e], missing: default, json: true}\n",
           4, "$.a.b.c a_b_c Nullable(Int64) 4/4; $.a.b.d a_b_d Nullable(Int64) 4/4", text);
    /* With a column for the rest beside it: what has none yet is kept there. */
    JUDGED(COLUMNS "  - {name: rest, type: String, unknown: true}\n", 4,
           "$.a.b.c a_b_c Nullable(Int64) 4/4; $.a.b.d a_b_d Nullable(Int64) 4/4; "
           "$.a.e a_e Nullable(Int64) 4/4",
           text);
    /* Below what is not always an object, or twice. */
    JUDGED(COLUMNS, 4, "$.a: its values are of several types", "{\"id\": 1, \"a\": {\"b\": 1}}",
           "{\"id\": 1, \"a\": 1}");
    JUDGED(COLUMNS, 4, "$.b: an object holds it twice", "{\"id\": 1, \"b\": 1, \"b\": 1}");
    JUDGED(COLUMNS, 4, "", "{\"id\": 1, \"b\": {\"x\": 1}, \"b\": {\"y\": 1}}");
    JUDGED(COLUMNS, 4, "$.a.b.c.d.e: it lies too deep",
           "{\"id\": 1, \"a\": {\"b\": {\"c\": {\"d\": {\"e\": 1}}}}}");
}
END_TEST

START_TEST(check_rows_of_arrays)
{
    static const char rows[] = "rows: $.a.list[*]\ncolumns:\n"
                               "  - {name: id, type: Int64, path: \"@.id\"}\n";
    static const char whole[] =
        "rows: $[*]\ncolumns:\n  - {name: id, type: Int64, path: \"@.id\"}\n";
    JUDGED(rows, 2, "@.x x Nullable(Int64) 4/4",
           "{\"a\": {\"list\": [{\"id\": 1, \"x\": 1}, {\"id\": 2, \"x\": 1}]}}");
    JUDGED(rows, 4, "$.b b Nullable(Int64) 4/4; $.a.c a_c Nullable(Int64) 4/4",
           "{\"b\": 1, \"a\": {\"c\": 1, \"list\": [{\"id\": 1}, {\"id\": 2}]}}");
    JUDGED(rows, 4,
           "@.o.p o_p Nullable(Bool) 4/4; @.q: it is an array: give it a column of your "
           "own, or rows",
           "{\"a\": {\"list\": [{\"id\": 1, \"o\": {\"p\": true}, \"q\": [{\"r\": 1}]}]}}");
    JUDGED(whole, 2, "@.x x Nullable(String) 4/6",
           "[{\"id\": 1, \"x\": \"\"}, {\"id\": 2}, {\"id\": 2, \"x\": \"\"}]");
    /* A refused row, a filtered one: not of this message. */
    JUDGED(whole, 4, "", "[{\"id\": 1, \"x\": \"\"}, {\"x\": 2}]");
    JUDGED("when: \"@.id == 1\"\nrows: $[*]\ncolumns:\n"
           "  - {name: id, type: Int64, path: \"@.id\"}\n",
           4, "", "[{\"id\": 1, \"x\": \"\"}, {\"id\": 2, \"y\": 2}]");
    JUDGED("documents: many\n" COLUMNS, 2, "$.x x Nullable(Int64) 4/4",
           "{\"id\": 1, \"x\": 1}\n{\"id\": 1, \"x\": 1}\x1e\n");
}
END_TEST

START_TEST(check_frames)
{
    static const char framed[] = "\0\0\0\1\2{\"id\": 1, \"x\": 1}", marked[] =
                                                                        "\xef\xbb\xbf"
                                                                        "{\"id\": 1, \"x\": 1}";
    const struct rows_message m = {.topic = "t", .value = framed, .value_len = sizeof(framed) - 1};
    FIXTURE f = fixture_new(ADD "message: {strip: schema_registry}\n" COLUMNS);
    PL_CLEANUP(learn_freep) struct learn *l = learn_new(f.route);
    for (unsigned i = 0; i < 4; i++) {
        const struct rows_counts before = *rows_counts(f.rows);
        rows_decode(f.rows, &m, NULL, f.block, on_reject, &f);
        learn_message(l, &m, &before, rows_counts(f.rows));
    }
    PL_CLEANUP(pl_buf_release) struct pl_buf found = {0};
    judged(&f, l, &found);
    ck_assert_str_eq(pl_buf_cstr(&found), "$.x x Nullable(Int64) 4/4");
    JUDGED(COLUMNS, 4, "$.x x Nullable(Int64) 4/4", marked);
}
END_TEST

/* ---- keys that are data ---- */

START_TEST(check_keys)
{
    static const char *const names[] = {
        "a",         "id2",
        "user_name", "user-name",
        "userName",  "http.status",
        "_id",       "@timestamp",
        "$type",     "sha256",
        "ipv4",      "utf8",
        "md5",       "log4j2",
        "größe",     "名前",
        "a1",        "v2beta1",
        "facade",    "decade",
        "added",     "x_forwarded_for",
    };
    static const char *const data[] = {
        "",
        "1",
        "17",
        "2026-11-29",
        "y2026",
        "d20261129",
        "user 7",
        "First Name",
        "a/b",
        "https://x.org/",
        "a@b.org",
        "user12345",
        "a1b2c3",
        "deadbeef1",
        "550e8400-e29b-41d4-a716-446655440000",
        "x:y",
        "50%",
        "sales_2024",
        "-",
        "_",
        "@",
        "a\"b",
        "a\\b",
        "a[0]",
        "f00ba47e",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (unsigned i = 0; i < PL_COUNT(names); i++)
        ck_assert_msg(!evolve_key_is_data(names[i]), "%s", names[i]);
    for (unsigned i = 0; i < PL_COUNT(data); i++)
        ck_assert_msg(evolve_key_is_data(data[i]), "%s", data[i]);
    JUDGED(COLUMNS, 4, "$.\"First Name\": its key looks like data",
           "{\"id\": 1, \"First Name\": \"\"}");
    JUDGED(COLUMNS, 4, "$.users.u77777.n: its key looks like data",
           "{\"id\": 1, \"users\": {\"u77777\": {\"n\": 1}}}");
    JUDGED(COLUMNS, 4, "$.\"http.status\" http_status Nullable(Int64) 4/4",
           "{\"id\": 1, \"http.status\": 200}");
    JUDGED(COLUMNS, 4, "", "{\"id\": 1, \"a\\u0000\": 1}"); /* nothing can name it */
}
END_TEST

/* A message for each of n keys, at `format`'s %s. */
static void alike(const char *format, unsigned n, const char *expected)
{
    char *texts[EVOLVE_ALIKE_ROW_MAX + 1] = {0};
    for (unsigned i = 0; i < n; i++) {
        const char name[] = {'k', (char)('a' + i / 10), (char)('a' + i % 10), '\0'};
        size_t len = strcspn(format, "#");
        texts[i] = pl_strf("%.*s%s%s", (int)len, format, name, format + len + 1);
    }
    assert_judged(COLUMNS, 4, (const char *const *)texts, expected);
    for (unsigned i = 0; i < n; i++)
        free(texts[i]);
}

START_TEST(check_many_keys_alike)
{
    /* One by country: three are seldom enough for nothing to be told from them. */
    alike("{\"id\": 1, \"by\": {\"#\": 1}}", 3,
          "$.by.kaa by_kaa Nullable(Int64) 4/12; $.by.kab by_kab Nullable(Int64) 4/12; "
          "$.by.kac by_kac Nullable(Int64) 4/12");
    alike("{\"id\": 1, \"by\": {\"#\": 1}}", EVOLVE_ALIKE_MAX,
          "$.by: its keys are many and alike, as data are");
    alike("{\"id\": 1, \"by\": {\"#\": {\"n\": 1, \"m\": \"\"}}}", EVOLVE_ALIKE_MAX,
          "$.by: its keys are many and alike, as data are");
    /* The row itself may have more. */
    alike("{\"id\": 1, \"#\": 1}", EVOLVE_ALIKE_ROW_MAX,
          "$: its keys are many and alike, as data are");
    /* All of them in each object: names. */
    JUDGED(
        COLUMNS, 4,
        "$.by.a by_a Nullable(Int64) 4/4; $.by.b by_b Nullable(Int64) 4/4; "
        "$.by.c by_c Nullable(Int64) 4/4; $.by.d by_d Nullable(Int64) 4/4; "
        "$.by.e by_e Nullable(Int64) 4/4; $.by.f: add.columns_max is reached; "
        "$.by.g: add.columns_max is reached; $.by.h: add.columns_max is reached",
        "{\"id\": 1, \"by\": {\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1}}");
}
END_TEST

START_TEST(check_names)
{
    JUDGED(COLUMNS, 4, "$.ID: its column's name is another's", "{\"id\": 1, \"ID\": 1}");
    JUDGED(COLUMNS, 4, "$.a_b a_b Nullable(Int64) 4/4; $.A.b: its column's name is another's",
           "{\"id\": 1, \"a_b\": 1, \"A\": {\"b\": 1}}");
    JUDGED("columns:\n  - {name: id, type: Int64, path: $.id}\n"
           "  - {name: x, type: Int64, expression: \"1\"}\n",
           4, "$.x: its column's name is another's", "{\"id\": 1, \"x\": 1}");
}
END_TEST

START_TEST(check_rounds)
{
    FIXTURE f = fixture_new(ADD COLUMNS);
    PL_CLEANUP(learn_freep) struct learn *l = learn_new(f.route);
    ck_assert(!learn_has_news(l));
    for (unsigned i = 0; i < 2 * LEARN_ROUND_MAX; i++)
        teach(&f, l, "{\"id\": 1, \"x\": 1}");
    ck_assert(learn_has_news(l) && !learn_wants(l));
    ck_assert_uint_eq(learn_sample(l)->documents, LEARN_ROUND_MAX);
    learn_round(l);
    ck_assert(!learn_has_news(l) && learn_wants(l));
    ck_assert_uint_eq(learn_sample(l)->documents, LEARN_ROUND_MAX);
    /* Long ones are fewer. */
    PL_FREE char *text = pl_strf("{\"id\": 1, \"x\": \"%0*d\"}", LEARN_BYTES_MAX - 100, 0);
    for (unsigned i = 0; i < 50; i++)
        if (learn_wants(l))
            teach(&f, l, text);
    ck_assert_uint_lt(learn_sample(l)->documents, LEARN_ROUND_MAX + 10);
    learn_round(l);
    ck_assert(learn_wants(l));
    /* Keys without end: the sample is begun anew. */
    for (unsigned i = 0; i < PL_SCHEMA_FIELDS_MAX + 100; i++) {
        PL_FREE char *key = pl_strf("{\"id\": 1, \"k%u\": 1}", i);
        teach(&f, l, key);
        if (!learn_wants(l)) {
            ck_assert_uint_le(learn_sample(l)->n, PL_SCHEMA_FIELDS_MAX);
            learn_round(l);
        }
    }
    learn_round(l);
    ck_assert_uint_lt(learn_sample(l)->n, 2 * LEARN_ROUND_MAX);
}
END_TEST

/* ---- the columns that a table has ---- */

START_TEST(check_comments_of_paths)
{
    static const char *const keys[] = {"a",  "a.b", "a\"b", "a\\b", "\\", "a b", "it's", "größe",
                                       "名", "`",   "[*]",  "$",    "@x", "%s",  "\t"};
    FIXTURE f = fixture_new(ADD COLUMNS);
    for (unsigned i = 0; i < PL_COUNT(keys); i++)
        for (unsigned row = 0; row < 2; row++) {
            char *two[] = {(char *)keys[i], (char *)keys[PL_COUNT(keys) - 1 - i]};
            const struct column_path path = {.from_row = row == 1, .keys = two, .keys_n = 2};
            PL_CLEANUP(pl_buf_release) struct pl_buf comment = {0};
            added_comment(&path, &comment);
            PL_CLEANUP(column_notes_release) struct column_notes notes = {0};
            column_notes_add(&notes, "x", "Nullable(Int64)", pl_buf_cstr(&comment));
            struct route *grown = added_grow(f.route, &notes);
            ck_assert_uint_eq(grown->columns_n, 2);
            const struct column *c = &grown->columns[1];
            ck_assert_str_eq(c->name, "x");
            ck_assert_str_eq(c->comment, pl_buf_cstr(&comment));
            ck_assert_uint_eq(c->paths[0].keys_n, 2);
            ck_assert_str_eq(c->paths[0].keys[0], two[0]);
            ck_assert_str_eq(c->paths[0].keys[1], two[1]);
            ck_assert_int_eq(c->paths[0].from_row, row == 1);
            added_grown_free(grown, f.route);
        }
}
END_TEST

START_TEST(check_what_is_taken)
{
    static const struct {
        const char *name, *type, *comment;
        bool taken;
    } cases[] = {
        {"x", "Nullable(Int64)", "added by chsinkd: path $.x", true},
        {"y", "Nullable(Int64)", "added by chsinkd: path $.x", true}, /* renamed */
        {"x", "LowCardinality(Nullable(String))", "added by chsinkd: path $.x", true},
        {"x", "Nullable(DateTime64(3))", "added by chsinkd: path $.x.y", true},
        {"x", "Nullable(Int64)", "added by chsinkd: path $.\"a b\"", true},
        /* A person's, or spelled in another way. */
        {"x", "Nullable(Int64)", "", false},
        {"x", "Nullable(Int64)", "path $.x", false},
        {"x", "Nullable(Int64)", "added by chsinkd", false},
        {"x", "Nullable(Int64)", "added by chsinkd: path ", false},
        {"x", "Nullable(Int64)", "added by chsinkd: path $", false},
        {"x", "Nullable(Int64)", "added by chsinkd: path x", false},
        {"x", "Nullable(Int64)", "added by chsinkd: path  $.x", false},
        {"x", "Nullable(Int64)", "added by chsinkd: path $.x ", false},
        {"x", "Nullable(Int64)", "added by chsinkd: path $.x, by mistake", false},
        {"x", "Nullable(Int64)", "added by chsinkd: path $.\"x\"", false},
        {"x", "Nullable(Int64)", "added by chsinkd: path $.x[*].y", false},
        {"x", "Nullable(Int64)", "Added by chsinkd: path $.x", false},
        {"x", "Nullable(Int64)", "was added by chsinkd: path $.x", false},
        /* Not one that can have NULL, or that the server computes. */
        {"x", "Int64", "added by chsinkd: path $.x", false},
        {"x", "Array(Nullable(Int64))", "added by chsinkd: path $.x", false},
        {"x", "JSON", "added by chsinkd: path $.x", false},
        {"x", "Nullable(Nothing)", "added by chsinkd: path $.x", false},
        {"x", "MATERIALIZED", "added by chsinkd: path $.x", false},
        {"x", "", "added by chsinkd: path $.x", false},
        /* In the route's file already. */
        {"id", "Nullable(Int64)", "added by chsinkd: path $.id", false},
        {"ID", "Nullable(Int64)", "added by chsinkd: path $.id", false},
        {"a\nb", "Nullable(Int64)", "added by chsinkd: path $.x", false},
    };
    FIXTURE f = fixture_new(ADD COLUMNS), drop = fixture_new(COLUMNS);
    for (unsigned i = 0; i < PL_COUNT(cases); i++) {
        const struct column_note note = {(char *)cases[i].name, (char *)cases[i].type,
                                         (char *)cases[i].comment};
        ck_assert_msg(added_takes(f.route, &note) == cases[i].taken, "%s %s %s", note.name,
                      note.type, note.comment);
        ck_assert(!added_takes(drop.route, &note));
    }
}
END_TEST

/* What is taken is loaded, with NULL for all that is not there or does not fit; and another digest.
 */
START_TEST(check_a_route_with_them)
{
    PL_CLEANUP(column_notes_release) struct column_notes notes = {0};
    FIXTURE f = fixture_new(ADD COLUMNS);
    uint64_t digest = route_digest(f.route, "db", 1);
    column_notes_add(&notes, "id", "Int64", "");
    column_notes_add(&notes, "x", "Nullable(Int64)", "added by chsinkd: path $.a.x");
    column_notes_add(&notes, "X", "Nullable(Int64)", "added by chsinkd: path $.b");
    column_notes_add(&notes, "y", "Nullable(String)", "added by chsinkd: path $.y");
    column_notes_add(&notes, "z", "Nullable(String)", "of somebody else");
    ck_assert_uint_eq(added_take(f.route, &notes), 2);
    ck_assert_uint_eq(added_take(f.route, &notes), 0);
    ck_assert_uint_eq(added_n(f.route), 2);
    ck_assert(!f.route->columns[0].not_compared && f.route->columns[1].not_compared);
    ck_assert_uint_ne(route_digest(f.route, "db", 1), digest);
    rows_free(f.rows);
    block_free(f.block);
    f.rows = rows_new(f.route);
    f.block = block_new(f.route);
    static const struct {
        const char *text, *row;
    } cases[] = {
        {"{\"id\": 1, \"a\": {\"x\": 7}, \"y\": \"t\"}", "{\"id\":1,\"x\":7,\"y\":\"t\"}"},
        {"{\"id\": 2}", "{\"id\":2,\"x\":null,\"y\":null}"},
        {"{\"id\": 3, \"a\": 5, \"y\": null}", "{\"id\":3,\"x\":null,\"y\":null}"},
        {"{\"id\": 4, \"a\": {\"x\": \"7\"}, \"y\": 1}", "{\"id\":4,\"x\":null,\"y\":null}"},
        {"{\"id\": 5, \"a\": {\"x\": 7.5}, \"y\": [1]}", "{\"id\":5,\"x\":null,\"y\":null}"},
    };
    for (unsigned i = 0; i < PL_COUNT(cases); i++) {
        const struct rows_message m = {
            .topic = "t", .value = cases[i].text, .value_len = strlen(cases[i].text)};
        PL_CLEANUP(pl_buf_release) struct pl_buf row = {0};
        block_reset(f.block);
        ck_assert_uint_eq(rows_decode(f.rows, &m, NULL, f.block, on_reject, &f), 1);
        block_print_row(f.block, 0, &row);
        ck_assert_str_eq(pl_buf_cstr(&row), cases[i].row);
    }
    ck_assert_uint_eq(rows_counts(f.rows)->nulled, 5);
    /* Nothing of them is new any more. */
    PL_CLEANUP(learn_freep) struct learn *l = learn_new(f.route);
    PL_CLEANUP(pl_buf_release) struct pl_buf found = {0};
    for (unsigned i = 0; i < 9; i++)
        teach(&f, l, cases[0].text);
    judged(&f, l, &found);
    ck_assert_str_eq(pl_buf_cstr(&found), "");
    ck_assert_uint_eq(rows_counts(f.rows)->unknown_fields, 0);
}
END_TEST

START_TEST(check_taken_where_rows_are_elements)
{
    static const struct {
        const char *comment;
        bool taken;
    } cases[] = {
        {"added by chsinkd: path @.x", true},
        {"added by chsinkd: path $.x", true},
        {"added by chsinkd: path $.a.x", false}, /* into the array of the rows */
    };
    FIXTURE f = fixture_new(ADD "rows: $.a[*]\ncolumns:\n"
                                "  - {name: id, type: Int64, path: \"@.id\"}\n");
    for (unsigned i = 0; i < PL_COUNT(cases); i++) {
        const struct column_note note = {(char *)"x", (char *)"Nullable(Int64)",
                                         (char *)cases[i].comment};
        ck_assert_msg(added_takes(f.route, &note) == cases[i].taken, "%s", note.comment);
    }
}
END_TEST

/* ---- a route's file ---- */

START_TEST(check_files)
{
    static const struct {
        const char *text, *finding; /* NULL: it is good */
    } cases[] = {
        {"unknown_fields: add\n" COLUMNS, NULL},
        {"unknown_fields: add\nadd: {after: 1}\n" COLUMNS, NULL},
        {ADD COLUMNS "  - {name: rest, type: String, unknown: true}\n", NULL},
        {"unknown_fields: add\nadd: {after: 0}\n" COLUMNS, "add.after"},
        {"unknown_fields: add\nadd: {columns_max: 2000}\n" COLUMNS, "add.columns_max"},
        {"unknown_fields: add\nadd: {before: 1}\n" COLUMNS, "add.before"},
        {"unknown_fields: add\nadd: true\n" COLUMNS, "add"},
        {"add: {after: 3}\n" COLUMNS, "add is for unknown_fields: add"},
        {"unknown_fields: drop\nadd: {after: 3}\n" COLUMNS, "add is for unknown_fields: add"},
        {COLUMNS "  - {name: rest, type: String, unknown: true}\n", "unknown_fields is drop"},
        {"unknown_fields: keep\n" COLUMNS, "needs a column with unknown: true"},
    };
    for (unsigned i = 0; i < PL_COUNT(cases); i++) {
        PL_FREE char *yaml = pl_strf("topic: t\ntable: t\norder_by: tuple()\n%s", cases[i].text);
        PL_CLEANUP(pl_findings_release) struct pl_findings errs;
        pl_findings_init(&errs);
        PL_CLEANUP(route_freep) struct route *r = route_parse("t", yaml, strlen(yaml), &errs);
        ck_assert_msg((r != NULL) == (cases[i].finding == NULL), "%s%s", yaml,
                      pl_buf_cstr(&errs.text));
        if (cases[i].finding)
            ck_assert_msg(strstr(pl_buf_cstr(&errs.text), cases[i].finding) != NULL, "%s%s", yaml,
                          pl_buf_cstr(&errs.text));
    }
    FIXTURE plain = fixture_new("unknown_fields: add\n" COLUMNS), drop = fixture_new(COLUMNS);
    ck_assert_int_eq(plain.route->add.after, 100);
    ck_assert_int_eq(plain.route->add.columns_max, 50);
    ck_assert_int_eq(drop.route->add.after, 0);
    /* The rows are the same: so is the digest. */
    ck_assert_uint_eq(route_digest(plain.route, "db", 1), route_digest(drop.route, "db", 1));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(check_types),
        TEST(check_how_often),
        TEST(check_what_is_read),
        TEST(check_rows_of_arrays),
        TEST(check_frames),
        TEST(check_keys),
        TEST(check_many_keys_alike),
        TEST(check_names),
        TEST(check_rounds),
        TEST(check_comments_of_paths),
        TEST(check_what_is_taken),
        TEST(check_a_route_with_them),
        TEST(check_taken_where_rows_are_elements),
        TEST(check_files),
    };
    return unit_main("evolve", tests, PL_COUNT(tests));
}
