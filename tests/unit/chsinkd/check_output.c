/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_output.c - ClickHouse as an output: which rows a table has already, where a partition
 * ends, and what an insert's answer becomes, with a server in this process that answers as told.
 * (A real one: check_output_real.c.)
 *
 * links: chsinkd
 */
#include <inttypes.h>

#include "daemons/chsinkd/clickhouse/presence.h"
#include "tests/unit/chsinkd/output_fixture.h"

/* ---- rows compared ---- */

START_TEST(rows_walk)
{
    FIXTURE f = fixture_new(COLUMNS);
    PL_CLEANUP(batch_freep) struct batch *b = batch_of_two_months(&f);
    BAG bag = {0};
    bag_fill(&bag, b->block);
    /* Each row alone, from any before it. */
    for (uint64_t from = 0; from < ROWS_ALL; from++) {
        for (uint64_t to = from; to < ROWS_ALL; to++) {
            PL_CLEANUP(pl_buf_release) struct pl_buf row = {0};
            struct row_walk walk;
            row_walk_init(&walk, b->block);
            row_walk_to(&walk, from);
            row_walk_to(&walk, to);
            row_walk_add(&walk, &row);
            ck_assert_uint_eq(row.len, bag.rows[to].len);
            ck_assert_mem_eq(row.data, bag.rows[to].p, row.len);
            row_walk_release(&walk);
        }
    }
    /* A row's length is found where it is whole, and never behind its end. */
    for (size_t i = 0; i < bag.n; i++) {
        for (size_t len = 0; len <= bag.rows[i].len; len++) {
            PL_FREE char *copy = malloc(len ? len : 1);
            memcpy(copy, bag.rows[i].p, len);
            ck_assert_uint_eq(row_binary_len(b->block, copy, len),
                              len == bag.rows[i].len ? len : 0);
        }
    }
    static const char long_string[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    char row[64] = {0};
    memcpy(row + 8, long_string, sizeof(long_string));
    ck_assert_uint_eq(row_binary_len(b->block, row, sizeof(row)), 0);
}
END_TEST

START_TEST(rows_bags)
{
    FIXTURE f = fixture_new("rows: $.r[*]\ncolumns:\n"
                            "  - {name: a, path: '@.a', type: Int32}\n"
                            "  - {name: s, path: '@.s', type: Nullable(String)}\n"
                            "  - {name: z, path: '@.z', type: Int8, missing: default}\n");
    static const struct {
        const char *ours, *theirs, *there;
        bool equal; /* one is equal to one */
    } cases[] = {
        {"", "", "", false},
        {"{'a':1},{'a':2}", "", "..", false},
        {"", "{'a':1}", "", false},
        {"{'a':1},{'a':2}", "{'a':2}", ".x", true},
        {"{'a':2},{'a':1}", "{'a':3},{'a':1}", "xx", true},
        {"{'a':1,'s':'x'},{'a':1},{'a':1,'s':''}", "{'a':1}", ".x.", true},
        /* Equal rows are a bag. */
        {"{'a':1},{'a':1},{'a':1}", "{'a':1},{'a':1}", "xx.", true},
        {"{'a':1},{'a':2},{'a':1}", "{'a':1},{'a':2},{'a':1}", "xxx", true},
        /* Decoded in another way: as many are there, and those that are most alike. */
        {"{'a':1,'z':5},{'a':2,'z':5},{'a':3,'z':5}", "{'a':2,'z':0}", ".x.", false},
        {"{'a':1,'s':'n'},{'a':2,'s':'n'}", "{'a':1,'s':'m'}", "x.", false},
        {"{'a':1,'s':'n'},{'a':2,'s':'n'}", "{'a':3,'s':'m','z':1}", "x.", false},
        /* One equal, one alike: the equal one is not taken twice. */
        {"{'a':1,'s':'n'},{'a':1,'s':'m'},{'a':9}", "{'a':1,'s':'n'},{'a':1,'s':'o'}", "xx.", true},
        /* More than ours. */
        {"{'a':1}", "{'a':1},{'a':1},{'a':2}", "x", true},
        {"{'a':1},{'a':2}", "{'a':3},{'a':4},{'a':5}", "xx", false},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct bag bags[2] = {{.n = 0}};
        for (int k = 0; k < 2; k++) {
            PL_FREE char *json = pl_strf("{'r':[%s]}", k ? cases[i].theirs : cases[i].ours);
            for (char *p = json; *p; p++)
                *p = *p == '\'' ? '"' : *p;
            block_reset(f.block);
            decode(&f, json);
            ck_assert_uint_eq(f.rejects, 0);
            bag_fill(&bags[k], f.block);
        }
        bool there[16];
        rows_match(f.block, bags[0].rows, bags[0].n, bags[1].rows, bags[1].n, there);
        for (size_t k = 0; k < bags[0].n; k++)
            ck_assert_msg(there[k] == (cases[i].there[k] == 'x'), "case %zu row %zu", i, k);
        ck_assert_msg(rows_match_any(bags[0].rows, bags[0].n, bags[1].rows, bags[1].n) ==
                          cases[i].equal,
                      "case %zu", i);
        bag_release(&bags[0]);
        bag_release(&bags[1]);
    }
}
END_TEST

START_TEST(engines)
{
    static const struct {
        const char *engine;
        enum presence presence;
    } cases[] = {
        {"MergeTree", PRESENCE_ROWS},
        {"ReplicatedMergeTree", PRESENCE_ROWS},
        {"SharedMergeTree", PRESENCE_ROWS},
        {"Log", PRESENCE_ROWS},
        {"ReplacingMergeTree", PRESENCE_KEYS},
        {"ReplicatedReplacingMergeTree", PRESENCE_KEYS},
        {"SummingMergeTree", PRESENCE_NONE},
        {"AggregatingMergeTree", PRESENCE_NONE},
        {"CollapsingMergeTree", PRESENCE_NONE},
        {"ReplicatedVersionedCollapsingMergeTree", PRESENCE_NONE},
        {"CoalescingMergeTree", PRESENCE_NONE},
        {"Null", PRESENCE_NONE},
        {"Distributed", PRESENCE_NONE},
        {"Buffer", PRESENCE_NONE},
        {"", PRESENCE_NONE},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_msg(presence_of_engine(cases[i].engine) == cases[i].presence, "%s",
                      cases[i].engine);
}
END_TEST

/* ---- a server that answers as told ---- */

START_TEST(counts)
{
    FIXTURE f = fixture_new(COLUMNS);
    static const struct {
        const char *counts;
        uint64_t left;
        bool some, all;
    } cases[] = {
        {"", 10, false, false},
        {"10\t3\n14\t4\n17\t1\n18\t2\n", 0, true, true},
        /* More than the batch has, and offsets that have no rows in it. */
        {"9\t1\n10\t5\n11\t1\n13\t2\n14\t4\n17\t1\n18\t2\n30\t1\n", 0, true, true},
        {"14\t4\n", 6, true, false},
        {"10\t3\r\n18\t2\r\n", 5, true, false},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_CLEANUP(batch_freep) struct batch *b = batch_of_two_months(&f);
        const struct script steps[] = {
            {"SELECT engine FROM system.tables WHERE database = 'da ta' AND name = 't'", 0,
             "MergeTree\n", 0},
            {"SELECT `count()`, count() FROM `da ta`.`t` WHERE `_topic` = 'it\\'s' AND "
             "`_partition` "
             "= 3 AND `count()` >= 10 AND `count()` <= 18 GROUP BY `count()` ORDER BY `count()` "
             "SETTINGS final = 0, limit = 0,",
             0, cases[i].counts, 0},
        };
        struct output_found found;
        struct pl_err err;
        script_start(&f, steps, 2);
        ck_assert_msg(holds_of(&months, b, &found, &err) == 0, "%s", err.msg);
        ck_assert_msg(found.some == cases[i].some && found.all == cases[i].all, "case %zu", i);
        ck_assert_uint_eq(block_rows(b->block), cases[i].left);
        for (size_t k = 0; k < b->messages_n; k++)
            if (b->messages[k].rows == 0 && b->messages[k].fate == BATCH_ROWS)
                ck_assert(b->messages[k].there || b->messages[k].offset == 11);
        script_end(2);
    }
    PL_CLEANUP(batch_freep) struct batch *empty = batch_begin(&f, 10);
    struct output_found found;
    struct pl_err err;
    script_start(&f, NULL, 0);
    message_add(&f, empty, 10, "not JSON");
    ck_assert_int_eq(holds_of(&months, empty, &found, &err), 0);
    ck_assert(!found.some && found.all);
    script_end(0);
}
END_TEST

/* The rows of message 18, in the server's form, behind their offset. */
static void rows_answer(struct fixture *f, int64_t offset, struct pl_buf *out)
{
    PL_CLEANUP(batch_freep) struct batch *b = batch_of_two_months(f);
    BAG bag = {0};
    bag_fill(&bag, b->block);
    pl_buf_add(out, &offset, sizeof(offset));
    pl_buf_add(out, bag.rows[9].p, bag.rows[9].len);
}

#define COUNT                                                                                      \
    {                                                                                              \
        "GROUP BY", 0, "18\t1\n", 0                                                                \
    }
#define SELECT                                                                                     \
    "SELECT CAST(`count()` AS Int64), CAST(`time` AS DateTime64(3)), CAST(`s` AS String), "        \
    "CAST(`ns` AS Nullable(String)), CAST(`low` AS String), CAST(`lown` AS Nullable(String)), "    \
    "CAST(`n` AS Nullable(Int32)), CAST(`f` AS Float64), CAST(`b` AS Bool), CAST(`id` AS "         \
    "Nullable(UUID)), CAST(`d` AS Nullable(Date)), CAST(`tags` AS Array(Nullable(String))), "      \
    "CAST(`map` AS Map(String, Array(UInt16))), CAST(`pair` AS Tuple(a Float32, b String)), "      \
    "CAST(`e.x` AS Array(Int8)), CAST(`_topic` AS String), CAST(`_partition` "                     \
    "AS Int32), CAST(`count()` AS UInt64) FROM `da ta`.`t` WHERE `_topic` = 'it\\'s' AND "         \
    "`_partition` = 3 AND `count()` IN (18) ORDER BY `count()` SETTINGS "

START_TEST(partial_rows)
{
    FIXTURE f = fixture_new(COLUMNS);
    PL_CLEANUP(pl_buf_release) struct pl_buf rows = {0}, other = {0};
    rows_answer(&f, 18, &rows);
    rows_answer(&f, 15, &other);
    PL_CLEANUP(batch_freep) struct batch *b = batch_of_two_months(&f);
    struct output_found found;
    struct pl_err err;

    const struct script good[] = {ENGINE, COUNT, {SELECT, 0, rows.data, rows.len}};
    script_start(&f, good, 3);
    ck_assert_msg(holds_of(&months, b, &found, &err) == 0, "%s", err.msg);
    ck_assert(found.some && !found.all);
    ck_assert_uint_eq(block_rows(b->block), ROWS_ALL - 1);
    ck_assert_uint_eq(b->messages[5].rows, 1);
    script_end(3);

    /* Whatever else comes, the batch stays as it is, and it is asked again. */
    const struct script bad[][3] = {
        {ENGINE, COUNT, {SELECT, 0, rows.data, rows.len - 1}},
        {ENGINE, COUNT, {SELECT, 0, rows.data, 8}},
        {ENGINE, COUNT, {SELECT, 0, other.data, other.len}},
        {ENGINE, COUNT, {SELECT, 241, "Code: 241. DB::Exception: m (M)", 0}},
        {ENGINE, COUNT, {SELECT, 241, "", 0}},
    };
    for (size_t i = 0; i < PL_COUNT(bad); i++) {
        PL_CLEANUP(batch_freep) struct batch *same = batch_of_two_months(&f);
        script_start(&f, bad[i], 3);
        ck_assert_int_eq(holds_of(&months, same, &found, &err), -1);
        ck_assert_msg(err.kind == PL_ERR_RETRY, "case %zu: %s", i, err.msg);
        ck_assert_uint_eq(block_rows(same->block), ROWS_ALL);
        script_end(3);
    }
}
END_TEST

/* By the counts all is there, or a part; the values of one message say whether it is the same. */
START_TEST(compared)
{
    FIXTURE f = fixture_new(COLUMNS);
    PL_CLEANUP(pl_buf_release) struct pl_buf rows = {0}, other = {0}, elsewhere = {0};
    rows_answer(&f, 18, &rows);
    rows_answer(&f, 18, &other);
    other.data[sizeof(int64_t)] ^= 1; /* of the time */
    rows_answer(&f, 15, &elsewhere);
    const struct script count = {"GROUP BY", 0, "10\t3\n18\t2\n", 0};
    const struct script replacing = {"SELECT engine", 0, "ReplacingMergeTree\n", 0};
    const struct {
        struct script steps[4];
        unsigned n;
        uint64_t left;
        bool some, other;
        int64_t offset;
        bool retry;
    } cases[] = {
        {{ENGINE, {"GROUP BY", 0, "", 0}}, 2, 10, .some = false},
        {{ENGINE, count, {SELECT, 0, rows.data, rows.len}}, 3, 5, .some = true},
        {{ENGINE, count, {SELECT, 0, other.data, other.len}}, 3, 10, true, true, 18, false},
        {{replacing, count, {SELECT, 0, other.data, other.len}}, 3, 10, true, true, 18, false},
        /* There in part. */
        {{ENGINE, COUNT, {SELECT, 0, rows.data, rows.len}, {SELECT, 0, rows.data, rows.len}},
         4,
         9,
         .some = true},
        {{ENGINE, COUNT, {SELECT, 0, other.data, other.len}}, 3, 10, true, true, 18, false},
        /* No answer is none. */
        {{ENGINE, count, {SELECT, 0, "", 0}}, 3, 10, .retry = true},
        {{ENGINE, count, {SELECT, 0, rows.data, rows.len - 1}}, 3, 10, .retry = true},
        {{ENGINE, count, {SELECT, 0, elsewhere.data, elsewhere.len}}, 3, 10, .retry = true},
        {{ENGINE, count, {SELECT, 241, "Code: 241. DB::Exception: m (M)", 0}},
         3,
         10,
         .retry = true},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_CLEANUP(batch_freep) struct batch *b = batch_of_two_months(&f);
        struct output_found found = {0};
        struct pl_err err = {0};
        script_start(&f, cases[i].steps, cases[i].n);
        int rc = holds_of(&months_compared, b, &found, &err);
        ck_assert_msg((rc < 0) == cases[i].retry, "case %zu: %s", i, err.msg);
        ck_assert_msg(rc == 0 || err.kind == PL_ERR_RETRY, "case %zu: %s", i, err.msg);
        ck_assert_msg(found.some == cases[i].some && found.other == cases[i].other && !found.all &&
                          found.offset == cases[i].offset,
                      "case %zu", i);
        ck_assert_uint_eq(block_rows(b->block), cases[i].left);
        script_end(cases[i].n);
    }
}
END_TEST

/* Rows of a ReplacingMergeTree may have been replaced: all are there, or all are sent again. */
START_TEST(replacing)
{
    FIXTURE f = fixture_new(COLUMNS);
    PL_CLEANUP(batch_freep) struct batch *b = batch_of_two_months(&f);
    struct output_found found;
    struct pl_err err;
    const struct script some[] = {{"SELECT engine", 0, "ReplacingMergeTree\n", 0},
                                  {"GROUP BY", 0, "10\t3\n14\t1\n18\t2\n", 0}};
    script_start(&f, some, 2);
    ck_assert_msg(holds_of(&months, b, &found, &err) == 0, "%s", err.msg);
    ck_assert(found.some && !found.all);
    ck_assert_uint_eq(block_rows(b->block), ROWS_ALL);
    script_end(2);
    const struct script all[] = {{"SELECT engine", 0, "ReplacingMergeTree\n", 0},
                                 {"GROUP BY", 0, "10\t3\n14\t4\n17\t1\n18\t2\n", 0}};
    script_start(&f, all, 2);
    ck_assert_msg(holds_of(&months, b, &found, &err) == 0, "%s", err.msg);
    ck_assert(found.some && found.all);
    ck_assert_uint_eq(block_rows(b->block), 0);
    script_end(2);
}
END_TEST

#define REPLICATED                                                                                 \
    {                                                                                              \
        "SELECT engine", 0, "ReplicatedMergeTree\n", 0                                             \
    }
#define SYNC "SYSTEM SYNC REPLICA `da ta`.`t` LIGHTWEIGHT"
#define DENIED                                                                                     \
    {                                                                                              \
        SYNC, 497, "Code: 497. DB::Exception: Not enough privileges (ACCESS_DENIED)", 0            \
    }
#define POSITION                                                                                   \
    "SELECT max(`count()`), count() FROM `da ta`.`t` WHERE `_topic` = 'it\\'s' AND `_partition` "  \
    "= 3 "                                                                                         \
    "SETTINGS "

START_TEST(positions)
{
    FIXTURE f = fixture_new(COLUMNS);
    static const struct {
        struct script steps[5];
        unsigned n;
        int64_t offset; /* -2: an error */
        enum pl_err_kind kind;
    } cases[] = {
        {{ENGINE, {POSITION, 0, "18\t3\n", 0}}, 2, 19, PL_ERR_NONE},
        {{ENGINE, {POSITION, 0, "0\t0\n", 0}}, 2, -1, PL_ERR_NONE},
        {{ENGINE, {POSITION, 0, "0\t1\n", 0}}, 2, 1, PL_ERR_NONE},
        {{ENGINE, {POSITION, 0, "", 0}}, 2, -2, PL_ERR_RETRY},
        {{{"SELECT engine", 0, "SummingMergeTree\n", 0}}, 1, -2, PL_ERR_CONFIG},
        {{{"SELECT engine", 0, "", 0}}, 1, -2, PL_ERR_CONFIG},
        /* What another replica was given must have arrived. */
        {{REPLICATED, {SYNC, 0, "", 0}, {"select_sequential_consistency = 1", 0, "18\t3\n", 0}},
         3,
         19,
         PL_ERR_NONE},
        {{REPLICATED, {SYNC, 159, "Code: 159. DB::Exception: Timeout (T)", 0}},
         2,
         -2,
         PL_ERR_RETRY},
        {{REPLICATED,
          DENIED,
          {"FROM system.replicas WHERE database = 'da ta' AND table = 't'", 0, "0\n", 0},
          {POSITION, 0, "18\t3\n", 0}},
         4,
         19,
         PL_ERR_NONE},
        {{REPLICATED, DENIED, {"FROM system.replicas", 0, "1\n", 0}}, 3, -2, PL_ERR_RETRY},
        {{{"SELECT engine", 0, "SharedMergeTree\n", 0},
          {"select_sequential_consistency = 1", 0, "18\t3\n", 0}},
         2,
         19,
         PL_ERR_NONE},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        int64_t offset = -2;
        struct pl_err err = {0};
        script_start(&f, cases[i].steps, cases[i].n);
        clickhouse_output.position(output, target, &months, &offset, NULL, &err);
        ck_assert_msg(offset == cases[i].offset && err.kind == cases[i].kind,
                      "case %zu: %" PRId64 " %s", i, offset, err.msg);
        script_end(cases[i].n);
    }
}
END_TEST

/* What the user's profile may not say. */
START_TEST(profile)
{
    FIXTURE f = fixture_new(COLUMNS);
    static const struct {
        const char *settings, *own, *finding;
    } cases[] = {
        {"use_strict_insert_block_limits\t1\n", NULL, "use_strict_insert_block_limits is 1 for"},
        {"ignore_materialized_views_with_dropped_target_table\t1\n", NULL, "profile, or under"},
        {"use_strict_insert_block_limits\t1\n", "0", NULL}, /* sent with each insert */
        {"use_strict_insert_block_limits\t0\n", "1", "use_strict_insert_block_limits is 1 for"},
        {"", NULL, NULL}, /* an older server */
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        const struct script steps[] = {
            {"SELECT name, value FROM system.settings WHERE name IN ('', "
             "'ignore_materialized_views_with_dropped_target_table', "
             "'use_strict_insert_block_limits')",
             0, cases[i].settings, 0},
            {"FROM system.columns", 516, "Code: 516. DB::Exception: u (A)", 0},
        };
        struct pl_map_entry own = {.key = TEXT("use_strict_insert_block_limits"),
                                   .value = TEXT(cases[i].own)};
        struct output_state state;
        struct pl_err err;
        script_start(&f, steps, 2);
        conf.settings = (struct pl_map){&own, cases[i].own != NULL};
        ck_assert_int_eq(clickhouse_output.ensure(output, target, NULL, &state, &err), -1);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, cases[i].finding ? cases[i].finding : "516"), "%s", err.msg);
        script_end(cases[i].finding ? 1 : 2);
    }
}
END_TEST

/* A server without memory or time: the same again, but not for ever; and never in halves where a
 * view may lack what the table has. */
START_TEST(pressure)
{
    FIXTURE f = fixture_new(COLUMNS);
    static const struct {
        int code;
        const char *text;
        struct script views;
        enum output_answer at_last;
        enum pl_err_kind kind;
    } cases[] = {
        {241,
         "(total) memory limit exceeded",
         {"notEmpty(dependencies_table)", 0, "0\n", 0},
         OUTPUT_TOO_LARGE,
         PL_ERR_RETRY},
        {159, "Timeout exceeded", {"AND name = 't'", 0, "1\n", 0}, OUTPUT_HELD, PL_ERR_CONFIG},
        {159,
         "Timeout exceeded",
         {"notEmpty", 516, "Code: 516. DB::Exception: u (A)", 0},
         OUTPUT_UNKNOWN,
         PL_ERR_RETRY},
    };
    for (size_t k = 0; k < PL_COUNT(cases); k++) {
        PL_CLEANUP(batch_freep) struct batch *b = batch_of_two_months(&f);
        PL_FREE char *body =
            pl_strf("Code: %d. DB::Exception: %s (M)", cases[k].code, cases[k].text);
        const struct script failed = {"query=INSERT", cases[k].code, body, 0};
        const struct script steps[] = {failed, failed, failed, failed,
                                       failed, failed, failed, cases[k].views};
        script_start(&f, steps, 8);
        for (int i = 0; i < 7; i++) {
            struct pl_err err;
            char token[2] = {"abababa"[i], '\0'};
            ck_assert_int_eq(clickhouse_output.insert(output, target, &months, b, token, &err),
                             i < 6 ? OUTPUT_UNKNOWN : cases[k].at_last);
            ck_assert_int_eq(err.code, cases[k].code);
            ck_assert_int_eq(err.kind, i < 6 ? PL_ERR_RETRY : cases[k].kind);
        }
        script_end(8);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("rows"),    TEST(rows_walk), TEST(rows_bags),    TEST(engines),
        TCASE("answers"), TEST(counts),    TEST(partial_rows), TEST(compared),
        TEST(replacing),  TEST(positions), TEST(profile),      TEST(pressure),
    };
    return unit_main("output", tests, PL_COUNT(tests));
}
