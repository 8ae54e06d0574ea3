/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_table.c - a route as DDL, letter by letter, and what engines say about tokens. With
 * CLICKHOUSE=http://127.0.0.1:PORT in the environment, table_ensure() against a real server as
 * tests/services/clickhouse.sh starts it.
 *
 * links: chsinkd
 */
#include <stdio.h>

#include "daemons/chsinkd/clickhouse/table.h"
#include "tests/unit/chsinkd/real_clickhouse.h"

static struct column columns[] = {
    {.name = TEXT("time"),
     .type = {.kind = CH_DATETIME64, .scale = 3, .ddl = TEXT("DateTime64(3)")},
     .codec = TEXT("Delta, ZSTD")},
    {.name = TEXT("wiki"),
     .type = {.kind = CH_STRING, .low_cardinality = true, .ddl = TEXT("LowCardinality(String)")},
     .comment = TEXT("it's the wiki")},
    {.name = TEXT("a`b"),
     .type = {.kind = CH_INT32, .nullable = true, .ddl = TEXT("Nullable(Int32)")}},
    {.name = TEXT("twice"),
     .type = {.kind = CH_INT64, .nullable = true, .ddl = TEXT("Nullable(Int64)")},
     .source = COLUMN_EXPRESSION,
     .expression = TEXT("`a``b` * 2"),
     .comment = TEXT("sum")},
};

static struct route_view view = {
    .name = TEXT("per_wiki"),
    .engine = TEXT("SummingMergeTree"),
    .order_by = TEXT("wiki"),
    .partition_by = TEXT("tuple()"),
    .select = TEXT("SELECT wiki, count() AS n FROM {table} WHERE wiki NOT IN (SELECT '' FROM "
                   "{table}) GROUP BY wiki"),
};

static struct route route_make(void)
{
    return (struct route){
        .name = TEXT("r"),
        .table = TEXT("edits"),
        .columns = columns,
        .columns_n = PL_COUNT(columns),
        .engine = TEXT("MergeTree"),
        .order_by = TEXT("(wiki, time)"),
    };
}

static void is(struct pl_buf *b, const char *want)
{
    ck_assert_str_eq(pl_buf_cstr(b), want);
    pl_buf_reset(b);
}

#define COLUMNS                                                                                    \
    "\n(\n    `time` DateTime64(3) CODEC(Delta, ZSTD),\n"                                          \
    "    `wiki` LowCardinality(String) COMMENT 'it\\'s the wiki',\n"                               \
    "    `a\\`b` Nullable(Int32),\n"                                                               \
    "    `twice` Nullable(Int64) DEFAULT `a``b` * 2 COMMENT 'sum'\n)"

START_TEST(create)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};
    struct route r = route_make();
    struct pl_map_entry settings[] = {
        {.key = TEXT("storage_policy"), .value = TEXT("hot'cold")},
        {.key = TEXT("non_replicated_deduplication_window"), .value = TEXT("7")},
    };

    table_create_sql(&r, "db", &b);
    is(&b, "CREATE TABLE IF NOT EXISTS `db`.`edits`" COLUMNS
           "\nENGINE = MergeTree\nORDER BY (wiki, time)"
           "\nSETTINGS non_replicated_deduplication_window = 10000");
    r.database = TEXT("own");
    r.cluster = TEXT("{cluster}");
    r.engine = TEXT("ReplicatedReplacingMergeTree('/t/{shard}', '{replica}', time)");
    r.primary_key = TEXT("wiki");
    r.partition_by = TEXT("toYYYYMM(time)");
    r.sample_by = TEXT("cityHash64(wiki)");
    r.ttl = TEXT("time + INTERVAL 1 YEAR");
    table_create_sql(&r, "db", &b);
    is(&b, "CREATE TABLE IF NOT EXISTS `own`.`edits` ON CLUSTER `{cluster}`" COLUMNS
           "\nENGINE = ReplicatedReplacingMergeTree('/t/{shard}', '{replica}', time)"
           "\nPARTITION BY toYYYYMM(time)\nPRIMARY KEY wiki\nORDER BY (wiki, time)"
           "\nSAMPLE BY cityHash64(wiki)\nTTL time + INTERVAL 1 YEAR");
    r = route_make();
    r.engine = TEXT("ReplacingMergeTree(time)");
    r.order_by = TEXT("tuple()");
    r.settings = (struct pl_map){settings, 2};
    table_create_sql(&r, NULL, &b);
    is(&b, "CREATE TABLE IF NOT EXISTS `edits`" COLUMNS "\nENGINE = ReplacingMergeTree(time)"
           "\nORDER BY tuple()\nSETTINGS storage_policy = 'hot\\'cold', "
           "non_replicated_deduplication_window = 7");
    r = route_make();
    r.engine = TEXT("Null");
    r.order_by = NULL;
    table_create_sql(&r, "db", &b);
    is(&b, "CREATE TABLE IF NOT EXISTS `db`.`edits`" COLUMNS "\nENGINE = Null");
}
END_TEST

/* ClickHouse makes a LowCardinality of what is no string only with a setting. */
START_TEST(low_cardinality_of_numbers)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};
    struct route r = route_make();
    struct column c = {.name = TEXT("port"),
                       .type = {.kind = CH_UINT16,
                                .low_cardinality = true,
                                .ddl = TEXT("LowCardinality(UInt16)")}};
    r.columns = &c;
    r.columns_n = 1;
    table_create_sql(&r, NULL, &b);
    is(&b, "CREATE TABLE IF NOT EXISTS `edits`\n(\n    `port` LowCardinality(UInt16)\n)"
           "\nENGINE = MergeTree\nORDER BY (wiki, time)"
           "\nSETTINGS non_replicated_deduplication_window = 10000, "
           "allow_suspicious_low_cardinality_types = 1");
    struct pl_map_entry own = {.key = TEXT("allow_suspicious_low_cardinality_types"),
                               .value = TEXT("1")};
    r.settings = (struct pl_map){&own, 1};
    r.engine = TEXT("Null");
    r.order_by = NULL;
    table_create_sql(&r, NULL, &b);
    is(&b, "CREATE TABLE IF NOT EXISTS `edits`\n(\n    `port` LowCardinality(UInt16)\n)"
           "\nENGINE = Null\nSETTINGS allow_suspicious_low_cardinality_types = 1");
    table_add_column_sql(&r, &c, NULL, &b);
    is(&b, "ALTER TABLE `edits` ADD COLUMN IF NOT EXISTS `port` LowCardinality(UInt16)"
           "\nSETTINGS allow_suspicious_low_cardinality_types = 1");
}
END_TEST

START_TEST(view_and_column)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};
    struct route r = route_make();

    r.cluster = TEXT("c");
    table_view_sql(&r, &view, "d`b", &b);
    is(&b, "CREATE MATERIALIZED VIEW IF NOT EXISTS `d\\`b`.`per_wiki` ON CLUSTER `c`"
           "\nENGINE = SummingMergeTree\nPARTITION BY tuple()\nORDER BY wiki"
           "\nSETTINGS non_replicated_deduplication_window = 10000"
           "\nAS SELECT wiki, count() AS n FROM `d\\`b`.`edits` WHERE wiki NOT IN (SELECT '' FROM "
           "`d\\`b`.`edits`) GROUP BY wiki");
    table_add_column_sql(&r, &columns[1], "db", &b);
    is(&b, "ALTER TABLE `db`.`edits` ON CLUSTER `c` ADD COLUMN IF NOT EXISTS `wiki` "
           "LowCardinality(String) "
           "COMMENT 'it\\'s the wiki'");
}
END_TEST

START_TEST(engines)
{
    static const struct {
        const char *engine, *full;
        uint64_t plain, replicated;
        bool remembers;
        const char *why;
    } cases[] = {
        {"MergeTree", "MergeTree ORDER BY a SETTINGS index_granularity = 8192", 0, 10000, false,
         "non_replicated_deduplication_window is 0"},
        {"MergeTree", "MergeTree ORDER BY a SETTINGS index_granularity = 8192", 5, 0, true, ""},
        {"MergeTree", "MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 10", 0,
         0, true, ""},
        {"MergeTree", "MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 0", 5, 0,
         false, "non_replicated_deduplication_window is 0"},
        {"MergeTree", "MergeTree ORDER BY a SETTINGS replicated_deduplication_window = 10", 0, 0,
         false, "non_replicated_deduplication_window is 0"},
        {"ReplacingMergeTree(v)", "", 0, 5, false, "non_replicated_deduplication_window is 0"},
        {"ReplicatedMergeTree", "ReplicatedMergeTree('/a', 'b') ORDER BY a", 0, 10000, true, ""},
        {"ReplicatedSummingMergeTree",
         "ReplicatedSummingMergeTree('/a', 'b') SETTINGS non_replicated_deduplication_window = 1, "
         "replicated_deduplication_window = 0",
         1, 10000, false, "replicated_deduplication_window is 0"},
        {"SharedMergeTree", "SharedMergeTree('/a', 'b') ORDER BY a", 0, 10000, true, ""},
        {"Log", "Log", 5, 5, false, "engine Log"},
        {"Distributed", "Distributed('c', 'd', 't')", 5, 5, false, "engine Distributed"},
        {"Buffer", "Buffer(d, t, 1)", 5, 5, false, "engine Buffer"},
        {"Null", "Null", 5, 5, false, "engine Null"},
    };

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct table_windows w = {cases[i].plain, cases[i].replicated};
        char why[64] = "";

        ck_assert_msg(table_engine_remembers(cases[i].engine, cases[i].full, &w, why,
                                             sizeof(why)) == cases[i].remembers,
                      "case %zu", i);
        ck_assert_str_eq(why, cases[i].why);
    }
}
END_TEST

/* ---- a real server ---- */

static struct pl_buf facts;

static void table_set_up(void)
{
    real_begin("check_table");
}

static void table_tear_down(void)
{
    real_tear_down();
    pl_buf_release(&facts);
}

static void note_fact(void *userdata, const char *what, const char *name)
{
    (void)userdata;
    pl_buf_addf(&facts, "%s %s\n", what, name);
}

static struct table_state ensure(const struct route *r)
{
    struct table_state s = {0};
    struct pl_err err = {0};

    pl_buf_reset(&facts);
    ck_assert_msg(table_ensure(client, r, "check_table", false, NULL, note_fact, NULL, &s, &err) ==
                      0,
                  "%s", err.msg);
    return s;
}

static void ensure_fails(const struct route *r, const char *has)
{
    struct table_state s = {.columns_added = 77};
    struct pl_err err = {0};

    ck_assert_int_eq(table_ensure(client, r, "check_table", false, NULL, note_fact, NULL, &s, &err),
                     -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, has), "%s", err.msg);
    ck_assert_uint_eq(s.columns_added, 77);
}

START_TEST(real_life)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0};
    struct route r = route_make();
    struct table_state s = {0};
    struct pl_err err;

    r.views = &view;
    r.views_n = 1;
    r.columns_n = 2;
    /* a dry run changes nothing */
    ck_assert_int_eq(table_ensure(client, &r, "check_table", true, &sql, note_fact, NULL, &s, &err),
                     0);
    ck_assert(!s.created || facts.len == 0);
    ck_assert_msg(s.deduplicates, "%s", s.why_not);
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&sql), "CREATE TABLE"));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&sql), "CREATE MATERIALIZED VIEW"));
    real_is("SELECT count() FROM system.tables WHERE database = 'check_table' FORMAT TSV", "0\n");
    /* made */
    s = ensure(&r);
    ck_assert(s.created && s.views_created == 1 && s.columns_added == 0);
    ck_assert_str_eq(pl_buf_cstr(&facts), "table created edits\nview created per_wiki\n");
    ck_assert_str_eq(s.engine, "MergeTree");
    ck_assert_msg(s.deduplicates && !s.why_not[0], "%s", s.why_not);
    /* there */
    s = ensure(&r);
    ck_assert(!s.created && s.views_created == 0 && s.columns_added == 0 && facts.len == 0);
    /* more columns */
    r.columns_n = 4;
    pl_buf_reset(&sql);
    ck_assert_int_eq(table_ensure(client, &r, "check_table", true, &sql, note_fact, NULL, &s, &err),
                     0);
    ck_assert_ptr_nonnull(
        strstr(pl_buf_cstr(&sql), "ALTER TABLE `check_table`.`edits` ADD COLUMN"));
    s = ensure(&r);
    ck_assert_uint_eq(s.columns_added, 2);
    ck_assert_str_eq(pl_buf_cstr(&facts), "column added a`b\ncolumn added twice\n");
    s = ensure(&r);
    ck_assert_uint_eq(s.columns_added, 0);
    /* fewer columns in the route than in the table is no matter */
    r.columns_n = 1;
    ensure(&r);
}
END_TEST

START_TEST(real_differences)
{
    struct route r = route_make();

    real_do("CREATE TABLE check_table.edits (time DateTime, wiki String MATERIALIZED 'x', `a\\`b` "
            "Nullable(Int32), twice Nullable(Int64)) ENGINE = MergeTree ORDER BY time");
    columns[1].type.low_cardinality = false;
    columns[1].type.ddl = TEXT("String");
    ensure_fails(
        &r, "table edits: column time is DateTime in the table, DateTime64(3) in the route; column "
            "wiki is MATERIALIZED in the table: it cannot be inserted into; column twice has an "
            "expression in the route but no DEFAULT in the table");
}
END_TEST

START_TEST(real_tokens)
{
    struct route r = route_make();
    struct table_state s;

    r.views = &view;
    r.views_n = 1;
    r.engine = TEXT("Null");
    r.order_by = NULL;
    s = ensure(&r);
    ck_assert_msg(s.deduplicates, "%s", s.why_not); /* Null, and its one view remembers */
    ck_assert_str_eq(s.engine, "Null");
    real_do("CREATE MATERIALIZED VIEW check_table.theirs ENGINE = MergeTree ORDER BY wiki AS "
            "SELECT wiki "
            "FROM check_table.edits");
    s = ensure(&r);
    ck_assert(!s.deduplicates);
    ck_assert_str_eq(s.why_not, "view theirs: non_replicated_deduplication_window is 0");
    real_do("DROP TABLE check_table.theirs SYNC");
    real_do("CREATE TABLE check_table.target (wiki String) ENGINE = Log");
    real_do("CREATE MATERIALIZED VIEW check_table.theirs TO check_table.target AS SELECT wiki FROM "
            "check_table.edits");
    s = ensure(&r);
    ck_assert_str_eq(s.why_not, "view theirs: engine Log");
    real_do("DROP TABLE check_table.theirs SYNC");
    real_do("DROP TABLE check_table.per_wiki SYNC");
    r.views_n = 0;
    s = ensure(&r);
    ck_assert_str_eq(s.why_not, "engine Null, and no view reads it");
    real_do("DROP TABLE check_table.edits SYNC");
    real_do(
        "CREATE TABLE check_table.edits (time DateTime64(3), wiki LowCardinality(String), `a\\`b` "
        "Nullable(Int32), twice Nullable(Int64) DEFAULT 1) ENGINE = MergeTree ORDER BY time");
    s = ensure(&r);
    ck_assert(!s.deduplicates);
    ck_assert_str_eq(s.why_not, "non_replicated_deduplication_window is 0");
    real_do("ALTER TABLE check_table.edits MODIFY SETTING non_replicated_deduplication_window = 5");
    s = ensure(&r);
    ck_assert_msg(s.deduplicates, "%s", s.why_not);
    conf.urls.n = 2;
    s = ensure(&r);
    ck_assert(!s.deduplicates);
    ck_assert_ptr_nonnull(strstr(s.why_not, "several URLs"));
}
END_TEST

/* Names that are quoted in the server's own statements. */
START_TEST(real_names)
{
    struct route r = route_make();
    struct table_state s;

    real_do("DROP DATABASE IF EXISTS `check.table` SYNC");
    real_do("CREATE DATABASE `check.table`");
    r.database = TEXT("check.table");
    r.table = TEXT("e. \"v`1`");
    r.views = &view;
    r.views_n = 1;
    r.columns_n = 2;
    s = ensure(&r);
    ck_assert(s.created && s.views_created == 1);
    ck_assert_msg(s.deduplicates, "%s", s.why_not);
    r.columns_n = 4;
    s = ensure(&r);
    ck_assert_uint_eq(s.columns_added, 2);
    real_do("CREATE TABLE `check.table`.`INNER (1)` (wiki String) ENGINE = MergeTree ORDER BY wiki "
            "SETTINGS non_replicated_deduplication_window = 5");
    real_do("CREATE MATERIALIZED VIEW `check.table`.`vi ew` TO `check.table`.`INNER (1)` AS SELECT "
            "wiki FROM `check.table`.`e. \"v\\`1\\``");
    s = ensure(&r);
    ck_assert_msg(s.deduplicates, "%s", s.why_not);
    real_do("ALTER TABLE `check.table`.`INNER (1)` MODIFY SETTING "
            "non_replicated_deduplication_window = 0");
    s = ensure(&r);
    ck_assert_str_eq(s.why_not, "view vi ew: non_replicated_deduplication_window is 0");
    real_do("DROP DATABASE `check.table` SYNC");
}
END_TEST

/* Without rights it must be known at start, not at the first message. */
START_TEST(real_access)
{
    struct route r = route_make();
    struct table_state s;

    conf.user = TEXT("writer");
    clickhouse_free(client);
    client = clickhouse_new(&conf);
    ensure_fails(&r, "cannot create table edits");
    conf.user = TEXT("pipeline");
    clickhouse_free(client);
    client = clickhouse_new(&conf);
    ensure(&r);
    conf.user = TEXT("writer"); /* may insert into what is there */
    clickhouse_free(client);
    client = clickhouse_new(&conf);
    s = ensure(&r);
    ck_assert(!s.created);
    conf.user = TEXT("reader");
    clickhouse_free(client);
    client = clickhouse_new(&conf);
    ensure_fails(&r, "clickhouse.user is read-only");
    conf.password.value = TEXT("wrong");
    clickhouse_free(client);
    client = clickhouse_new(&conf);
    ensure_fails(&r, "check clickhouse.user and its password");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("texts"),
        TEST(create),
        TEST(low_cardinality_of_numbers),
        TEST(view_and_column),
        TEST(engines),
        TCASE("real server", .skip = getenv("CLICKHOUSE") ? NULL : "CLICKHOUSE is not set",
              .set_up = table_set_up, .tear_down = table_tear_down),
        TEST(real_life),
        TEST(real_differences),
        TEST(real_tokens),
        TEST(real_names),
        TEST(real_access),
    };
    return unit_main("table", tests, PL_COUNT(tests));
}
