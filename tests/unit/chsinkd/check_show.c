/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_show.c - the pure parts of --show: whether output and group agree, ClickHouse's rows as
 * text, reasons of dead letters, and what is printed of it all, for people and as JSON.
 *
 * links: chsinkd
 */
#include <inttypes.h>

#include "daemons/chsinkd/clickhouse/output.h"
#include "daemons/chsinkd/clickhouse/select.h"
#include "daemons/chsinkd/duckdb/select.h"
#include "daemons/chsinkd/show/agree.h"
#include "daemons/chsinkd/show/layout.h"
#include "daemons/chsinkd/show/show.h"
#include "lib/json/document.h"
#include "tests/unit/unit.h"

#define TEXT(s) ((char *)(s))

/* ---- agreement ---- */

static const struct agree_case {
    int64_t before, next, announced, until, high; /* the group's, and where the topic ends */
    int64_t there;
    bool kept;
    enum show_verdict verdict;
    const char *word;
} agree_cases[] = {
    /* ClickHouse: the offset behind the highest one in the table. */
    {-1, -1, -1, 0, 0, -1, false, SHOW_AGREES, "nothing is loaded yet"},
    {-1, -1, -1, 0, 50, 20, false, SHOW_DIFFERS, "no offset"},
    {10, 10, -1, 0, 50, 10, false, SHOW_AGREES, ""},
    {10, 10, -1, 0, 50, 7, false, SHOW_AGREES, ""}, /* the last messages gave no rows */
    {10, 10, -1, 0, 50, 11, false, SHOW_DIFFERS, "1 offsets beyond"},
    {10, 10, 20, 0, 50, 20, false, SHOW_AGREES, "announced"},
    {10, 10, 20, 0, 50, 15, false, SHOW_AGREES, "announced"}, /* a part of it is there */
    {10, 10, 20, 0, 50, 21, false, SHOW_DIFFERS, "1 offsets beyond"},
    {10, 10, 20, 30, 50, 30, false, SHOW_AGREES, "announced"}, /* in doubt under another token */
    {10, 10, -1, 30, 50, 30, false, SHOW_AGREES, "announced"},
    {10, 10, -1, 30, 50, 31, false, SHOW_DIFFERS, "1 offsets beyond"},
    {5, 10, -1, 0, 50, 9, false, SHOW_AGREES, ""}, /* it moved while the table was asked */
    {10, 10, -1, 0, 50, -1, false, SHOW_UNCLEAR, "no rows"},
    {0, 0, -1, 0, 50, -1, false, SHOW_AGREES, ""},
    {60, 60, -1, 0, 50, 60, false, SHOW_DIFFERS, "made again"},
    /* A kept position. */
    {-1, -1, -1, 0, 0, -1, true, SHOW_AGREES, "nothing is loaded yet"},
    {-1, -1, -1, 0, 50, 20, true, SHOW_AGREES, "follows"},
    {10, 10, -1, 0, 50, -1, true, SHOW_DIFFERS, "replaced"},
    {10, 10, -1, 0, 50, 10, true, SHOW_AGREES, ""},
    {10, 10, -1, 0, 50, 20, true, SHOW_AGREES, "follows"},
    {11, 11, -1, 0, 50, 10, true, SHOW_DIFFERS, "1 offsets ahead"},
    {10, 30, -1, 0, 50, 20, true, SHOW_AGREES, ""}, /* it moved after the output was asked */
    {10, 10, -1, 0, 5, 10, true, SHOW_DIFFERS, "made again"},
};

START_TEST(agree)
{
    const struct agree_case *c = &agree_cases[_i];
    const struct show_partition p = {.topic = TEXT("t"),
                                     .low = 0,
                                     .high = c->high,
                                     .before = c->before,
                                     .next = c->next,
                                     .announced = {.end = c->announced, .until = c->until}};
    struct show_agreement a = show_agree(&p, c->there, c->kept);
    ck_assert_msg(a.verdict == c->verdict, "case %d: %s, %s", _i, show_verdict_name(a.verdict),
                  a.text);
    ck_assert_msg(c->word[0] ? strstr(a.text, c->word) != NULL : a.text[0] == '\0', "case %d: %s",
                  _i, a.text);
}
END_TEST

/* Whatever is done in the protocol's order, and whenever the three questions fall between its
 * steps, output and group agree. */
START_TEST(agree_in_any_order)
{
    enum { STEPS = 9 };
    /* ClickHouse: announce, insert, commit, twice, and then a range without rows. */
    static const struct {
        int64_t next, announced, rows_end;
    } rows[STEPS] = {{0, -1, -1},  {0, 10, -1},  {0, 10, 10},  {10, -1, 10}, {10, 20, 10},
                     {10, 20, 18}, {20, -1, 18}, {20, 30, 18}, {30, -1, 18}};
    /* Kept: rows with their position, then the group. */
    static const struct {
        int64_t next, kept;
    } kept[STEPS] = {{-1, -1}, {-1, 10}, {10, 10}, {10, 20}, {20, 20},
                     {20, 30}, {30, 30}, {30, 40}, {40, 40}};
    for (int a = 0; a < STEPS; a++)
        for (int b = a; b < STEPS; b++)
            for (int c = b; c < STEPS; c++) {
                struct show_partition p = {.high = 50,
                                           .before = rows[a].next,
                                           .next = rows[c].next,
                                           .announced = {.end = rows[c].announced}};
                struct show_agreement said = show_agree(&p, rows[b].rows_end, false);
                /* Before the first rows are seen, the group may have passed them already. */
                ck_assert_msg(said.verdict == SHOW_AGREES ||
                                  (rows[b].rows_end < 0 && said.verdict == SHOW_UNCLEAR),
                              "%d %d %d: %s", a, b, c, said.text);
                p = (struct show_partition){.high = 50,
                                            .before = kept[a].next,
                                            .next = kept[c].next,
                                            .announced = {.end = -1}};
                said = show_agree(&p, kept[b].kept, true);
                ck_assert_msg(said.verdict == SHOW_AGREES, "%d %d %d: %s", a, b, c, said.text);
            }
}
END_TEST

START_TEST(lag)
{
    static const struct {
        int64_t low, high, next, lag;
    } cases[] = {{0, 10, 4, 6},  {0, 10, -1, 10}, {5, 10, 2, 5},  {0, 0, -1, 0},
                 {0, 10, 10, 0}, {0, 10, 12, 0},  {-1, -1, 5, -1}};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        const struct show_partition p = {
            .low = cases[i].low, .high = cases[i].high, .next = cases[i].next};
        ck_assert_int_eq(show_lag(&p), cases[i].lag);
    }
}
END_TEST

START_TEST(reason)
{
    static const char *const cases[][2] = {
        {"column x: value is out of range (byte 17)", "column x: value is out of range"},
        {"not valid JSON: document ends too early (byte 0)",
         "not valid JSON: document ends too early"},
        {"a (byte )", "a (byte )"},
        {"a (byte 1", "a (byte 1"},
        {"(byte 1)", "(byte 1)"},
        {" (byte 1)", ""},
        {"1)", "1)"},
        {"", ""}};
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_uint_eq(show_reason_len(cases[i][0], strlen(cases[i][0])), strlen(cases[i][1]));
}
END_TEST

/* ---- ClickHouse's rows ---- */

#define ROWS                                                                                       \
    "a\ts\tn\tb\n"                                                                                 \
    "UInt64\tString\tNullable(Int32)\tBool\n"                                                      \
    "18446744073709551615\tx\\ty\\\\N\\n\\0z\t\\N\ttrue\n"                                         \
    "2\t\t-3\tfalse\n"

static void rows_get(struct output_rows *r)
{
    ck_assert(select_parse(ROWS, strlen(ROWS), 0, r));
}

START_TEST(select_rows)
{
    struct output_rows r = {0};
    rows_get(&r);
    ck_assert_uint_eq(r.columns_n, 4);
    ck_assert_uint_eq(output_rows_n(&r), 2);
    ck_assert(!r.more);
    ck_assert_str_eq(r.columns[2].name, "n");
    ck_assert_str_eq(r.columns[2].type, "Nullable(Int32)");
    ck_assert_int_eq(r.columns[0].value, OUTPUT_NUMBER);
    ck_assert_int_eq(r.columns[1].value, OUTPUT_TEXT);
    ck_assert_int_eq(r.columns[3].value, OUTPUT_BOOL);
    struct pl_slice s = output_rows_get(&r, 0, 1);
    ck_assert_uint_eq(s.len, 8);
    ck_assert_mem_eq(s.p, "x\ty\\N\n\0z", 8);
    ck_assert_ptr_null(output_rows_get(&r, 0, 2).p);
    ck_assert_ptr_nonnull(output_rows_get(&r, 1, 1).p);
    ck_assert_uint_eq(output_rows_get(&r, 1, 1).len, 0);
    ck_assert(pl_slice_eq(output_rows_get(&r, 1, 2), "-3"));
    output_rows_release(&r);
}
END_TEST

/* Cut anywhere but behind a row, it is no answer. */
START_TEST(select_cut)
{
    size_t len = strlen(ROWS);
    for (size_t n = 1; n < len; n++) {
        struct output_rows r = {0};
        bool whole = select_parse(ROWS, n, 0, &r);
        bool at_row = ROWS[n - 1] == '\n' && n > strlen("a\ts\tn\tb\n");
        ck_assert_msg(whole == at_row, "%zu", n);
        output_rows_release(&r);
    }
}
END_TEST

START_TEST(select_limit)
{
    struct output_rows r = {0};
    ck_assert(select_parse(ROWS, strlen(ROWS), 1, &r));
    ck_assert(r.more);
    ck_assert_uint_eq(output_rows_n(&r), 1);
    output_rows_release(&r);
    ck_assert(select_parse(ROWS, strlen(ROWS), 2, &r));
    ck_assert(!r.more);
    output_rows_release(&r);
    ck_assert(select_parse("", 0, 2, &r));
    ck_assert_uint_eq(r.columns_n, 0);
    ck_assert_uint_eq(output_rows_n(&r), 0);
}
END_TEST

START_TEST(select_values)
{
    static const struct {
        const char *type;
        enum output_value value;
    } cases[] = {
        {"Int8", OUTPUT_NUMBER},
        {"UInt256", OUTPUT_NUMBER},
        {"Nullable(Float64)", OUTPUT_NUMBER},
        {"LowCardinality(Nullable(Int64))", OUTPUT_NUMBER},
        {"Decimal(10, 2)", OUTPUT_NUMBER},
        {"Bool", OUTPUT_BOOL},
        {"Nullable(Bool)", OUTPUT_BOOL},
        {"String", OUTPUT_TEXT},
        {"DateTime64(3)", OUTPUT_TEXT},
        {"IntervalDay", OUTPUT_TEXT},
        {"Array(Int64)", OUTPUT_TEXT},
        {"Enum8('a' = 1)", OUTPUT_TEXT},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_msg(select_value(cases[i].type) == cases[i].value, "%s", cases[i].type);
}
END_TEST

START_TEST(duckdb_values)
{
    static const struct {
        const char *type;
        enum output_value value;
    } cases[] = {
        {"INTEGER", OUTPUT_NUMBER},         {"UHUGEINT", OUTPUT_NUMBER},
        {"DOUBLE", OUTPUT_NUMBER},          {"DECIMAL(10,2)", OUTPUT_NUMBER},
        {"BOOLEAN", OUTPUT_BOOL},           {"VARCHAR", OUTPUT_TEXT},
        {"INTEGER[]", OUTPUT_TEXT},         {"DECIMAL(10,2)[]", OUTPUT_TEXT},
        {"TIMESTAMP_MS", OUTPUT_TEXT},      {"INTERVAL", OUTPUT_TEXT},
        {"STRUCT(a INTEGER)", OUTPUT_TEXT},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_msg(duckdb_value(cases[i].type) == cases[i].value, "%s", cases[i].type);
}
END_TEST

START_TEST(token_range)
{
    char topic[16];
    struct output_load l;
    ck_assert(select_token_range("db.a:b:t.1:3:10:20:99", "db.a:b", topic, sizeof(topic), &l));
    ck_assert_str_eq(l.topic, "t.1");
    ck_assert_int_eq(l.partition, 3);
    ck_assert_int_eq(l.start, 10);
    ck_assert_int_eq(l.end, 20);
    static const char *const wrong[] = {"db.a:t:3:10:20",       "db.a:t:3:10:20:99x",
                                        "db.ab:t:3:10:20:99",   "db.a",
                                        "db.a:t:x:10:20:99",    "db.a:a-topic-that-is-long:3:1:2:3",
                                        "db.a:t:3:10:20:99:100"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++)
        ck_assert_msg(!select_token_range(wrong[i], "db.a", topic, sizeof(topic), &l), "%s",
                      wrong[i]);
}
END_TEST

START_TEST(statements)
{
    static const char *const reads[] = {"SELECT 1",
                                        " \n(select 1)",
                                        "-- a comment; DROP\nWITH x AS (SELECT 1) SELECT *",
                                        "/* DROP */ # x\n show tables",
                                        "from t select a",
                                        "Describe t",
                                        "explain SELECT 1",
                                        "SELECT"};
    static const char *const writes[] = {"",
                                         "SYSTEM SHUTDOWN",
                                         "/* SELECT */ SYSTEM STOP MERGES",
                                         "/* SELECT 1",
                                         "-- SELECT 1",
                                         "selects 1",
                                         "SELECT_1",
                                         "INSERT INTO t SELECT 1",
                                         "COPY t TO 'f'",
                                         "KILL QUERY WHERE 1",
                                         "; SELECT 1"};
    for (size_t i = 0; i < PL_COUNT(reads); i++)
        ck_assert_msg(output_statement_reads(reads[i]), "%s", reads[i]);
    for (size_t i = 0; i < PL_COUNT(writes); i++)
        ck_assert_msg(!output_statement_reads(writes[i]), "%s", writes[i]);
}
END_TEST

/* ---- layout ---- */

START_TEST(layout_numbers)
{
    char text[64];
    static const struct {
        int64_t n;
        const char *number, *size;
    } cases[] = {{-1, "-1", "-"},
                 {0, "0", "0 bytes"},
                 {999, "999", "999 bytes"},
                 {1000, "1,000", "1000 bytes"},
                 {1024, "1,024", "1.0 KiB"},
                 {1047552, "1,047,552", "1023.0 KiB"},
                 {1048570, "1,048,570", "1.0 MiB"},
                 {INT64_MAX, "9,223,372,036,854,775,807", "8.0 EiB"}};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        layout_number(cases[i].n, text, sizeof(text));
        ck_assert_str_eq(text, cases[i].number);
        layout_size(cases[i].n, text, sizeof(text));
        ck_assert_str_eq(text, cases[i].size);
    }
}
END_TEST

START_TEST(layout_times)
{
    char text[64];
    static const struct {
        int64_t at, now;
        const char *text;
    } cases[] = {{-1, 0, "-"},
                 {1000, 1000, "1970-01-01 00:00:01 (0 s ago)"},
                 {1000, 120999, "1970-01-01 00:00:01 (119 s ago)"},
                 {1000, 121000, "1970-01-01 00:00:01 (2 min ago)"},
                 {1000, 7201000, "1970-01-01 00:00:01 (2 h ago)"},
                 {1000, 172801000, "1970-01-01 00:00:01 (2 days ago)"},
                 {1000, 0, "1970-01-01 00:00:01"}};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        layout_time(cases[i].at, cases[i].now, text, sizeof(text));
        ck_assert_str_eq(text, cases[i].text);
    }
    static const struct {
        int64_t ms;
        const char *text;
    } spans[] = {{-1, "-"}, {0, "0 ms"}, {999, "999 ms"}, {1240, "1.2 s"}, {12400, "12 s"}};
    for (size_t i = 0; i < PL_COUNT(spans); i++) {
        layout_duration(spans[i].ms, text, sizeof(text));
        ck_assert_str_eq(text, spans[i].text);
    }
}
END_TEST

START_TEST(layout_lines)
{
    struct pl_buf out = {0};
    struct layout l = {.columns = 3, .right = {[1] = true}};
    layout_add(&l, "A");
    layout_add(&l, "N");
    layout_add(&l, "LAST");
    layout_add(&l, "Žena");
    layout_add_number(&l, 1234);
    layout_add(&l, "\x1b[31m\n");
    layout_add_offset(&l, 1234);
    layout_add_number(&l, -1);
    layout_add(&l, "");
    ck_assert_uint_eq(layout_width(&l), 4 + 2 + 5 + 2 + 6);
    layout_print(&l, &out);
    ck_assert_str_eq(pl_buf_cstr(&out), "   A         N  LAST\n"
                                        "   Žena  1,234   [31m\n"
                                        "   1234      -\n");
    pl_buf_release(&out);
    layout_release(&l);
}
END_TEST

START_TEST(layout_cut)
{
    struct layout l = {.columns = 1, .cell_max = 5};
    layout_add(&l, "ab€€");
    layout_add(&l, "abcde");
    ck_assert_str_eq(l.cells[0], "ab€...");
    ck_assert_str_eq(l.cells[1], "abcde");
    layout_release(&l);
}
END_TEST

/* ---- rows, printed ---- */

START_TEST(rows_text)
{
    struct pl_buf out = {0};
    struct output_rows r = {0};
    show_text_rows(&r, 100, &out);
    ck_assert_str_eq(pl_buf_cstr(&out), "   (no rows)\n");
    pl_buf_reset(&out);
    rows_get(&r);
    show_text_rows(&r, 100, &out);
    ck_assert_str_eq(pl_buf_cstr(&out), "                      a  s            n  b\n"
                                        "   18446744073709551615  x y\\N  z  NULL  true\n"
                                        "                      2              -3  false\n");
    pl_buf_reset(&out);
    show_text_rows(&r, 20, &out);
    ck_assert_str_eq(pl_buf_cstr(&out), "   -- row 1\n"
                                        "   a  18446744073709551615\n"
                                        "   s  x y\\N  z\n"
                                        "   n  NULL\n"
                                        "   b  true\n"
                                        "   -- row 2\n"
                                        "   a  2\n"
                                        "   s\n"
                                        "   n  -3\n"
                                        "   b  false\n");
    output_rows_release(&r);
    pl_buf_release(&out);
}
END_TEST

START_TEST(rows_json)
{
    struct pl_buf out = {0};
    struct output_rows r = {0};
    output_rows_column(&r, "n", "Float64", OUTPUT_NUMBER);
    output_rows_column(&r, "b", "Bool", OUTPUT_BOOL);
    output_rows_column(&r, "s\"", "String", OUTPUT_TEXT);
    static const struct {
        const char *n, *b, *s;
    } cells[] = {{"1.5", "true", "12"},
                 {"nan", "yes", "\x1b\x7f\xc2\x9b[31m\u2028\u202e€\U0001f600\xff"},
                 {"01", NULL, NULL},
                 {"", "", ""}};
    for (size_t i = 0; i < PL_COUNT(cells); i++) {
        const char *row[] = {cells[i].n, cells[i].b, cells[i].s};
        for (size_t c = 0; c < PL_COUNT(row); c++)
            ck_assert(output_rows_cell(&r, row[c], row[c] ? strlen(row[c]) : 0));
    }
    r.more = true;
    show_json_rows(&r, &out);
    ck_assert_str_eq(
        pl_buf_cstr(&out),
        "{\"columns\":[{\"name\":\"n\",\"type\":\"Float64\"},{\"name\":\"b\",\"type\":\"Bool\"},"
        "{\"name\":\"s\\\"\",\"type\":\"String\"}],\"rows\":[[1.5,true,\"12\"],"
        "[\"nan\",\"yes\",\"\\u001b\\u007f\\u009b[31m\\u2028\\u202e€\U0001f600\ufffd\"],"
        "[\"01\",null,null],[\"\",\"\",\"\"]],\"more\":true}\n");
    output_rows_release(&r);
    pl_buf_release(&out);
}
END_TEST

/* ---- all of it, printed ---- */

#define ESC "\x1b[2J" /* what others may have put anywhere */

struct world {
    struct chsinkd_conf conf;
    struct show_ask ask;
    struct route route;
    struct output_target target;
    struct show_route routes[2];
    struct show_group group;
    struct show s;
};

/* A table that lacks one column of its route and has one more and one of another type; a group that
 * was set back in one of its partitions. */
static void world_make(struct world *w)
{
    *w = (struct world){.conf = {.dead_letter_topic = TEXT("dead")},
                        .route = {.name = TEXT("r"), .topic = TEXT("t")},
                        .target = {.name = "db.tab", .route = &w->route}};
    struct show_route *r = &w->routes[0];
    *r = (struct show_route){.route = &w->route, .group = &w->group, .target = &w->target};
    r->facts = (struct output_facts){
        .exists = true, .engine = "MergeTree", .rows = 1234567, .bytes = 85 << 20};
    output_facts_column(&r->facts, "same", "Int32", "Int32", false);
    output_facts_column(&r->facts, "other", "Int8", "Int64", true);
    output_facts_column(&r->facts, "more" ESC, "String", NULL, false);
    output_facts_column(&r->facts, "gone", NULL, "UUID", false);
    output_facts_view(&r->facts, &(struct output_view_fact){TEXT("per_minute"), true, 12, 4096});
    output_facts_load(&r->facts, &(struct output_load){TEXT("t"), 1, 10, 20, 9, 1000, 240});
    output_facts_place(&r->facts, &(struct output_place_fact){TEXT("t"), 0, 20, 19});
    output_facts_place(&r->facts, &(struct output_place_fact){TEXT("t"), 1, 25, 24});
    r->facts.newest_sql = pl_strdup("SELECT");
    rows_get(&r->newest);
    r->state.guarantee = OUTPUT_TOKEN;
    pl_buf_add_str(&r->plan, "ALTER TABLE tab\n  ADD COLUMN gone UUID;\n");
    r->partitions = (struct show_partitions){pl_alloc_array(2, sizeof(*r->partitions.v)), 2};
    r->partitions.v[0] = (struct show_partition){.topic = pl_strdup("t"),
                                                 .low = 0,
                                                 .high = 40,
                                                 .before = 10,
                                                 .next = 10,
                                                 .announced = {.end = 20, .at_ms = 60000}};
    r->partitions.v[1] = (struct show_partition){.topic = pl_strdup("t"),
                                                 .id = 1,
                                                 .low = 0,
                                                 .high = 30,
                                                 .before = 20,
                                                 .next = 20,
                                                 .announced = {.end = -1}};
    w->ask = (struct show_ask){.rows = 3, .dead = 1};
    w->s = (struct show){.conf = &w->conf,
                         .ask = &w->ask,
                         .kind = &clickhouse_output,
                         .where = "http://ch:8123",
                         .groups = &w->group,
                         .groups_n = 1,
                         .now_ms = 61000,
                         .width = 80,
                         .routes = w->routes,
                         .routes_n = 1};
    struct show_members *m = &w->group.members;
    w->group.name = "g";
    *m = (struct show_members){.state = "Stable", .n = 1};
    snprintf(m->v[0].client, sizeof(m->v[0].client), "c");
    snprintf(m->v[0].host, sizeof(m->v[0].host), "/h");
    struct show_letters *l = &w->s.letters;
    l->reasons = pl_alloc(sizeof(*l->reasons));
    l->reasons[l->reasons_n++] =
        (struct show_reason){pl_strdup("r"), pl_strdup("bad" ESC), 2, 1, 1000, 2000};
    l->sample = pl_alloc(sizeof(*l->sample));
    l->sample[l->sample_n++] = (struct show_letter){.route = pl_strdup("r"),
                                                    .reason = pl_strdup("bad (byte 3)"),
                                                    .topic = pl_strdup("t"),
                                                    .partition = 1,
                                                    .offset = 7,
                                                    .at_ms = 2000,
                                                    .attempt = 2,
                                                    .value = pl_strdup("{" ESC),
                                                    .value_len = 5};
}

static void world_release(struct world *w)
{
    struct show_route *r = &w->routes[0];
    output_facts_release(&r->facts);
    output_rows_release(&r->newest);
    pl_buf_release(&r->plan);
    show_partitions_release(&r->partitions);
    show_letters_release(&w->s.letters);
}

START_TEST(text_of_one)
{
    struct world w;
    struct pl_buf out = {0};
    world_make(&w);
    show_text(&w.s, &out);
    ck_assert_str_eq(
        pl_buf_cstr(&out),
        "ClickHouse at http://ch:8123, 1970-01-01 00:01:01 UTC\n"
        "\n"
        "Route r: topic t into table db.tab\n"
        "\n"
        "1. Table: how many rows, how large\n"
        "   TABLE       ENGINE          ROWS      SIZE\n"
        "   db.tab      MergeTree  1,234,567  85.0 MiB\n"
        "   per_minute  (view)            12   4.0 KiB\n"
        "\n"
        "2. Columns: are they the route's?\n"
        "   COLUMN    TYPE    ROUTE\n"
        "   same      Int32   same\n"
        "   other     Int8    DIFFERS: Int64\n"
        "   more [2J  String  not in the route\n"
        "   gone      -       MISSING here: UUID\n"
        "   4 columns: 1 missing (a start adds them), 1 of another type, 1 not in the route\n"
        "\n"
        "3. Exactly once: is it given, and what would a start change?\n"
        "   yes: an insert that is repeated has no second effect (token)\n"
        "   a start would run:\n"
        "      ALTER TABLE tab\n"
        "        ADD COLUMN gone UUID;\n"
        "\n"
        "4. Last loads: what came when\n"
        "   WHEN (UTC)                      TOPIC  PARTITION  START  END  ROWS    TOOK\n"
        "   1970-01-01 00:00:01 (60 s ago)  t              1     10   20     9  240 ms\n"
        "\n"
        "5. Group: where loading stands\n"
        "   group g: 1 member (Stable), the first: c at /h\n"
        "   TOPIC  PARTITION  FIRST  NEXT  END  LAG  ANNOUNCED\n"
        "   t              0      0    10   40   30  to 20 at 1970-01-01 00:01:00 (1 s ago)\n"
        "   t              1      0    20   30   10  nothing\n"
        "   lag of all 2 partitions: 40\n"
        "\n"
        "6. Agreement: do output and group say the same?\n"
        "   TOPIC  PARTITION  GROUP  OUTPUT  AGREE\n"
        "   t              0     10      20  yes    the announced range is being inserted: its "
        "commit follows\n"
        "   t              1     20      25  NO     there are rows up to 25, 5 offsets beyond the "
        "group's: was the group set back, the topic made again, or is another group loading?\n"
        "   OUTPUT is the offset behind the highest one in the table\n"
        "\n"
        "7. Dead letters: what was refused, and why\n"
        "   WAITING  REPLAYED  LAST (UTC)                      REASON\n"
        "         2         1  1970-01-01 00:00:02 (59 s ago)  bad [2J\n"
        "   -- 1970-01-01 00:00:02 (59 s ago): topic t, partition 1, offset 7, attempt 2\n"
        "   reason  bad (byte 3)\n"
        "   key     NULL\n"
        "   value   { [2J\n"
        "   once the route is mended, chsinkd --replay r brings the waiting ones back\n"
        "\n"
        "8. Newest rows\n"
        "                      a  s            n  b\n"
        "   18446744073709551615  x y\\N  z  NULL  true\n"
        "                      2              -3  false\n"
        "\n"
        "9. Anything else\n"
        "   chsinkd --show --sql 'SELECT count(*) FROM db.tab'\n");
    pl_buf_release(&out);
    world_release(&w);
}
END_TEST

START_TEST(text_of_several)
{
    struct world w;
    struct pl_buf out = {0};
    world_make(&w);
    w.routes[1] = (struct show_route){.route = &w.route, .group = &w.group, .target = &w.target};
    pl_err_set(&w.routes[1].output_err, PL_ERR_RETRY, 0, "away" ESC);
    w.s.routes_n = 2;
    show_text(&w.s, &out);
    ck_assert_str_eq(pl_buf_cstr(&out),
                     "ClickHouse at http://ch:8123, 1970-01-01 00:01:01 UTC\n"
                     "\n"
                     "   group g: 1 member (Stable), the first: c at /h\n"
                     "   ROUTE  TABLE        ROWS      SIZE  COLUMNS  LAG  AGREE    DEAD LETTERS\n"
                     "   r      db.tab  1,234,567  85.0 MiB  DIFFER    40  NO                  2\n"
                     "   r      db.tab          -         -  -          -  unclear             2\n"
                     "   r: away [2J\n"
                     "   --show ROUTE tells all of one\n");
    pl_buf_release(&out);
    world_release(&w);
}
END_TEST

/* It is JSON, safe in a terminal, and has what the text has. */
START_TEST(json_of_all)
{
    struct world w;
    struct pl_buf out = {0};
    struct pl_err err;
    cJSON *root;
    world_make(&w);
    output_rows_release(&w.routes[0].newest); /* it has a NUL, which our reader refuses */
    show_json(&w.s, &out);
    ck_assert_ptr_null(strchr(pl_buf_cstr(&out), '\x1b'));
    ck_assert_done(pl_doc_parse(out.data, out.len, 1 << 20, &root, &err), err);
    const cJSON *route = cJSON_GetArrayItem(pl_doc_get(root, "routes"), 0);
    const cJSON *table = pl_doc_get(route, "table");
    int64_t n;
    ck_assert(pl_doc_int(table, "rows", &n) && n == 1234567);
    const cJSON *gone = cJSON_GetArrayItem(pl_doc_get(table, "columns"), 3);
    ck_assert_str_eq(pl_doc_str(gone, "difference"), "missing");
    ck_assert_ptr_null(pl_doc_str(gone, "type"));
    const cJSON *set_back =
        cJSON_GetArrayItem(pl_doc_get(pl_doc_get(route, "state"), "partitions"), 1);
    ck_assert_str_eq(pl_doc_str(set_back, "agree"), "NO");
    ck_assert(pl_doc_int(set_back, "output_next", &n) && n == 25);
    const cJSON *letters = pl_doc_get(root, "dead_letters");
    const cJSON *sample = cJSON_GetArrayItem(pl_doc_get(letters, "sample"), 0);
    ck_assert_str_eq(pl_doc_str(sample, "value"), "{" ESC);
    ck_assert(cJSON_IsNull(pl_doc_get(sample, "key")));
    cJSON_Delete(root);
    /* What cannot be asked is told in its place. */
    pl_err_set(&w.routes[0].output_err, PL_ERR_RETRY, 0, "held by process 7");
    pl_err_set(&w.s.letters_err, PL_ERR_RETRY, 0, "away");
    pl_buf_reset(&out);
    show_json(&w.s, &out);
    ck_assert_done(pl_doc_parse(out.data, out.len, 1 << 20, &root, &err), err);
    route = cJSON_GetArrayItem(pl_doc_get(root, "routes"), 0);
    const cJSON *error = pl_doc_get(pl_doc_get(route, "table"), "error");
    ck_assert_str_eq(pl_doc_str(error, "message"), "held by process 7");
    ck_assert_str_eq(pl_doc_str(error, "kind"), "retry");
    cJSON_Delete(root);
    pl_buf_release(&out);
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(agree, .count = PL_COUNT(agree_cases)),
        TEST(agree_in_any_order),
        TEST(lag),
        TEST(reason),
        TEST(select_rows),
        TEST(select_cut),
        TEST(select_limit),
        TEST(select_values),
        TEST(duckdb_values),
        TEST(token_range),
        TEST(statements),
        TEST(layout_numbers),
        TEST(layout_times),
        TEST(layout_lines),
        TEST(layout_cut),
        TEST(rows_text),
        TEST(rows_json),
        TEST(text_of_one),
        TEST(text_of_several),
        TEST(json_of_all),
    };
    return unit_main("show", tests, PL_COUNT(tests));
}
