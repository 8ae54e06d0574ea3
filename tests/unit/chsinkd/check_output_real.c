/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_output_real.c - ClickHouse as an output, with CLICKHOUSE=http://127.0.0.1:PORT in the
 * environment, against a real server as tests/services/clickhouse.sh starts it.
 *
 * links: chsinkd
 */
#include "tests/unit/chsinkd/output_fixture.h"

static void insert(const struct batch *b, const char *token)
{
    struct pl_err err;
    ck_assert_msg(clickhouse_output.insert(output, target, &months, b, token, &err) == OUTPUT_DONE,
                  "%s", err.msg);
}

static void position_is(int32_t partition, int64_t want)
{
    int64_t offset = -2;
    struct pl_err err;
    const struct output_range of = {.topic = TOPIC, .partition = partition};
    ck_assert_msg(clickhouse_output.position(output, target, &of, &offset, NULL, &err) == 0, "%s",
                  err.msg);
    ck_assert_int_eq(offset, want);
}

#define ALL_ROWS "SELECT * FROM t ORDER BY ALL FORMAT TSV"

/* An insert over two of the table's partitions that was cut between them. */
START_TEST(real_partial)
{
    FIXTURE f = fixture_new(COLUMNS);
    PL_CLEANUP(pl_buf_release) struct pl_buf all = {0};
    struct output_found found;
    struct pl_err err;
    output_set_up(&f);
    struct output_state state = ensure();
    ck_assert(state.created && state.can_look);
    ck_assert_int_eq(state.guarantee, OUTPUT_TOKEN);
    position_is(3, -1);
    PL_CLEANUP(batch_freep) struct batch *b = batch_of_two_months(&f);
    ck_assert_msg(holds_of(&months, b, &found, &err) == 0, "%s", err.msg);
    ck_assert(!found.some && !found.all);
    insert(b, "one");
    position_is(3, 19);
    position_is(2, -1);
    ck_assert_int_eq(clickhouse_query(client, ALL_ROWS, &all, &err), 0);
    for (int i = 0; i < 2; i++) {
        real_do(i ? "ALTER TABLE t DROP PARTITION 202601" : "ALTER TABLE t DROP PARTITION 202602");
        PL_CLEANUP(batch_freep) struct batch *again = batch_of_two_months(&f);
        ck_assert_msg(holds_of(&months, again, &found, &err) == 0, "%s", err.msg);
        ck_assert(found.some && !found.all);
        ck_assert_uint_eq(block_rows(again->block), i ? ROWS_JANUARY : ROWS_ALL - ROWS_JANUARY);
        insert(again, i ? "three" : "two");
        real_is(ALL_ROWS, pl_buf_cstr(&all));
    }
    PL_CLEANUP(batch_freep) struct batch *whole = batch_of_two_months(&f);
    ck_assert_msg(holds_of(&months, whole, &found, &err) == 0, "%s", err.msg);
    ck_assert(found.some && found.all);
    ck_assert_uint_eq(block_rows(whole->block), 0);
    /* Another partition's rows are others. */
    const struct output_range other = {.topic = TOPIC, .partition = 4, .start = 10, .end = 19};
    PL_CLEANUP(batch_freep) struct batch *theirs = batch_of_two_months(&f);
    ck_assert_int_eq(clickhouse_output.holds(output, target, &other, theirs, &found, &err), 0);
    ck_assert(!found.some);
    output_tear_down();
}
END_TEST

/* A row of each type is equal to itself, and a message of another topic with the same name is not
 * the same. */
START_TEST(real_compared)
{
    FIXTURE f = fixture_new(COLUMNS);
    struct output_found found;
    struct pl_err err;
    output_set_up(&f);
    ensure();
    PL_CLEANUP(batch_freep) struct batch *b = batch_begin(&f, 10);
    message_add(
        &f, b, 10,
        "{\"r\":[{\"t\":\"2026-01-31T00:00:00.001Z\",\"s\":\"Z\\u0000\",\"ns\":\"\",\"low\":\"l\","
        "\"n\":7,\"b\":true,\"id\":\"00112233-4455-6677-8899-aabbccddeeff\","
        "\"d\":\"2026-01-31\"}]}");
    message_add(&f, b, 11, "{\"r\":[]}");
    insert(b, "one");
    for (int i = 0; i < 2; i++) {
        PL_CLEANUP(batch_freep) struct batch *two = batch_of_two_months(&f);
        ck_assert_msg(holds_of(&months_compared, i ? b : two, &found, &err) == 0, "%s", err.msg);
        ck_assert(found.some && found.other == !i && found.all == i);
        if (!i)
            ck_assert_int_eq(found.offset, 10);
        ck_assert_uint_eq(block_rows(i ? b->block : two->block), i ? 0 : ROWS_ALL);
    }
    output_tear_down();
}
END_TEST

/* Digits, names and addresses: what the server gives back is, byte for byte, what was sent. */
START_TEST(real_types_compared)
{
    FIXTURE f = fixture_new(
        "rows: $.r[*]\npartition_by: toYYYYMM(time)\ncolumns:\n"
        "  - {name: time, path: '@.t', type: DateTime64(3)}\n"
        "  - {name: d9, path: '@.d', type: 'Decimal(9, 2)', missing: default}\n"
        "  - {name: d18, path: '@.d', type: 'Nullable(Decimal(18, 6))'}\n"
        "  - {name: d38, path: '@.d', type: 'Nullable(Decimal(38, 10))'}\n"
        "  - {name: d76, path: '@.d', type: 'Nullable(Decimal(76, 20))'}\n"
        "  - {name: i128, path: '@.i', type: Int128, missing: default}\n"
        "  - {name: i256, path: '@.i', type: Nullable(Int256)}\n"
        "  - {name: u128, path: '@.u', type: Nullable(UInt128)}\n"
        "  - {name: u256, path: '@.u', type: UInt256, missing: default}\n"
        "  - {name: born, path: '@.born', type: Date32, missing: default}\n"
        "  - {name: e8, path: '@.e', type: \"Enum8('it''s' = -5, 'b' = 2)\", missing: default}\n"
        "  - {name: e16, path: '@.e', type: \"Nullable(Enum16('it''s' = 5, 'b' = -300))\"}\n"
        "  - {name: v4, path: '@.v4', type: Nullable(IPv4)}\n"
        "  - {name: v6, path: '@.v4', type: IPv6, missing: default}\n"
        "  - {name: fixed, path: '@.e', type: FixedString(5), missing: default}\n"
        "  - {name: low, path: '@.p', type: LowCardinality(UInt16), missing: default}\n"
        "  - {name: lown, path: '@.e', type: LowCardinality(Nullable(FixedString(6)))}\n"
        "  - {name: _topic, from: topic, type: LowCardinality(String)}\n"
        "  - {name: _partition, from: partition, type: Int32}\n"
        "  - {name: count(), from: offset, type: UInt64}\n");
    struct output_found found;
    struct pl_err err;
    output_set_up(&f);
    ensure();
    PL_CLEANUP(batch_freep) struct batch *b = batch_begin(&f, 10);
    message_add(&f, b, 10,
                "{\"r\":[{\"t\":\"2026-01-01T00:00:00Z\",\"d\":-16.40,\"i\":-18446744073709551617,"
                "\"u\":18446744073709551617,\"born\":\"1931-01-01\",\"e\":\"it's\","
                "\"v4\":\"192.0.2.1\",\"p\":8080},{\"t\":\"2026-01-01T00:00:00Z\"},"
                "{\"t\":\"2026-01-01T00:00:00Z\",\"e\":\"b\",\"d\":0.01,\"v4\":\"0.0.0.0\"}]}");
    message_add(&f, b, 18, "{\"r\":[]}");
    ck_assert_msg(block_rows(b->block) == 3, "%s", f.reason);
    insert(b, "one");
    ck_assert_msg(holds_of(&months_compared, b, &found, &err) == 0, "%s", err.msg);
    ck_assert(found.some && !found.other && found.all);
    ck_assert_uint_eq(block_rows(b->block), 0);
    output_tear_down();
}
END_TEST

/* Many messages in the table in part: more than one query asks for. */
START_TEST(real_many)
{
    enum { N = 5000 };
    FIXTURE f = fixture_new(COLUMNS);
    struct output_found found;
    struct pl_err err;
    output_set_up(&f);
    ensure();
    for (int round = 0; round < 2; round++) {
        PL_CLEANUP(batch_freep) struct batch *b = batch_begin(&f, 0);
        for (int i = 0; i < N; i++) {
            PL_FREE char *value = pl_strf("{\"r\":[{\"t\":\"2026-01-01T00:00:00Z\",\"s\":\"%d\"},"
                                          "{\"t\":\"2026-02-01T00:00:00Z\",\"s\":\"%d\"}]}",
                                          i, i);
            message_add(&f, b, i, value);
        }
        if (round == 0) {
            insert(b, "one");
            real_do("ALTER TABLE t DROP PARTITION 202601");
            continue;
        }
        ck_assert_msg(holds_of(&months, b, &found, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(block_rows(b->block), N);
        insert(b, "two");
    }
    real_is("SELECT count(), uniqExact(s, time) FROM t FORMAT TSV", "10000\t10000\n");
    output_tear_down();
}
END_TEST

/* What a view refuses is in the table; the same insert completes the view once it is mended. */
START_TEST(real_view)
{
    FIXTURE f = fixture_new(COLUMNS);
    PL_CLEANUP(batch_freep) struct batch *b = batch_of_two_months(&f);
    struct pl_map_entry ignore = {.key = TEXT("materialized_views_ignore_errors"),
                                  .value = TEXT("1")};
    struct pl_err err;
    conf.settings = (struct pl_map){&ignore, 1}; /* not sent: it would be DONE without the view */
    output_set_up(&f);
    ensure();
    real_do("CREATE MATERIALIZED VIEW v ENGINE = MergeTree ORDER BY s SETTINGS "
            "non_replicated_deduplication_window = 100 AS SELECT s, throwIf(n = 7) AS x FROM t");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(clickhouse_output.insert(output, target, &months, b, "one", &err),
                         OUTPUT_HELD);
        ck_assert_msg(err.kind == PL_ERR_CONFIG && err.code == 395, "%s", err.msg);
        ck_assert_msg(strstr(err.msg, "materialized view check_output.v does not take the rows"),
                      "%s", err.msg);
        real_is("SELECT count() FROM t FORMAT TSV", "10\n");
        real_is("SELECT count() FROM v FORMAT TSV", "0\n");
    }
    real_do("ALTER TABLE v MODIFY QUERY SELECT s, 0 AS x FROM t");
    insert(b, "one");
    insert(b, "one");
    real_is("SELECT count() FROM t FORMAT TSV", "10\n");
    real_is("SELECT count() FROM v FORMAT TSV", "10\n");
    output_tear_down();
}
END_TEST

/* Too large for the user's limits: in halves it goes. */
START_TEST(real_too_large)
{
    FIXTURE f = fixture_new(COLUMNS);
    struct pl_map_entry settings[2] = {
        {.key = TEXT("max_partitions_per_insert_block"), .value = TEXT("1")},
    };
    struct pl_err err;
    conf.settings = (struct pl_map){settings, 1};
    output_set_up(&f);
    ensure();
    PL_CLEANUP(batch_freep) struct batch *b = batch_begin(&f, 0);
    message_add(&f, b, 0, "{\"r\":[{\"t\":\"2026-01-01T00:00:00Z\"}]}");
    message_add(&f, b, 1, "{\"r\":[{\"t\":\"2026-02-01T00:00:00Z\"}]}");
    ck_assert_int_eq(clickhouse_output.insert(output, target, &months, b, "one", &err),
                     OUTPUT_TOO_LARGE);
    ck_assert_msg(err.code == 252 && strstr(err.msg, "raise max_partitions_per_insert_block"), "%s",
                  err.msg);
    PL_CLEANUP(batch_freep) struct batch *second = batch_split(b, block_new(f.route));
    insert(b, "two");
    insert(second, "three");
    output_tear_down();

    settings[0] = (struct pl_map_entry){.key = TEXT("max_memory_usage"), .value = TEXT("1")};
    settings[1] = (struct pl_map_entry){.key = TEXT("max_untracked_memory"), .value = TEXT("1")};
    conf.settings.n = 2;
    output_set_up(&f);
    ck_assert_int_eq(clickhouse_output.insert(output, target, &months, b, "four", &err),
                     OUTPUT_TOO_LARGE);
    ck_assert_msg(err.code == 241 && strstr(err.msg, "lower batch.rows"), "%s", err.msg);
    real_is("SELECT count() FROM t FORMAT TSV", "2\n");
    output_tear_down();
}
END_TEST

/* Whatever block sizes the user has, an insert is one block, for the table and for its view. */
START_TEST(real_block_sizes)
{
    FIXTURE f = fixture_new(COLUMNS);
    struct pl_map_entry settings[] = {
        {.key = TEXT("max_insert_block_size"), .value = TEXT("10")},
        {.key = TEXT("min_insert_block_size_rows"), .value = TEXT("1")},
        {.key = TEXT("min_insert_block_size_bytes"), .value = TEXT("1")},
        {.key = TEXT("max_block_size"), .value = TEXT("10")},
        {.key = TEXT("max_insert_threads"), .value = TEXT("4")},
        {.key = TEXT("parallel_view_processing"), .value = TEXT("1")},
        {.key = TEXT("input_format_defaults_for_omitted_fields"), .value = TEXT("0")},
    };
    PL_CLEANUP(batch_freep) struct batch *b = batch_begin(&f, 0);
    for (int i = 0; i < 1000; i++)
        message_add(&f, b, i, "{\"r\":[{\"t\":\"2026-01-01T00:00:00Z\",\"n\":4}]}");
    output_set_up(&f);
    ensure();
    real_do("CREATE MATERIALIZED VIEW v ENGINE = SummingMergeTree ORDER BY k SETTINGS "
            "non_replicated_deduplication_window = 100 AS SELECT 1 AS k, count() AS c FROM t GROUP "
            "BY k");
    conf.settings = (struct pl_map){settings, PL_COUNT(settings)};
    for (int i = 0; i < 3; i++)
        insert(b, "one");
    real_is("SELECT count(), uniqExact(_part), sum(x2) FROM t FORMAT TSV", "1000\t1\t8000\n");
    real_is("SELECT sum(c) FROM v FORMAT TSV", "1000\n");
    output_tear_down();
}
END_TEST

START_TEST(real_guarantees)
{
    static const struct {
        const char *engine;
        unsigned urls_n;
        enum output_guarantee guarantee;
        bool can_look;
    } cases[] = {
        {"engine: MergeTree\n", 1, OUTPUT_TOKEN, true},
        {"engine: ReplacingMergeTree\n", 1, OUTPUT_TOKEN, true},
        {"engine: SummingMergeTree\n", 1, OUTPUT_TOKEN, false},
        {"engine: MergeTree\nsettings: {non_replicated_deduplication_window: 0}\n", 1,
         OUTPUT_LOOK_UP, true},
        {"engine: MergeTree\n", 2, OUTPUT_NONE, false},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_FREE char *text = pl_strf("%s%s", cases[i].engine, COLUMNS);
        FIXTURE f = fixture_new(text);
        urls[1] = urls[0];
        conf.urls.n = cases[i].urls_n;
        output_set_up(&f);
        struct output_state state = ensure();
        ck_assert_msg(state.guarantee == cases[i].guarantee && state.can_look == cases[i].can_look,
                      "case %zu: %d %d %s", i, state.guarantee, state.can_look, state.why_not);
        ck_assert_msg((state.guarantee == OUTPUT_TOKEN) == !state.why_not[0], "case %zu: %s", i,
                      state.why_not);
        real_do("DROP TABLE t SYNC");
        output_tear_down();
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("real server", .skip = getenv("CLICKHOUSE") ? NULL : "CLICKHOUSE is not set",
              .set_up = real_set_up, .tear_down = real_tear_down),
        TEST(real_partial),
        TEST(real_compared),
        TEST(real_types_compared),
        TEST(real_many),
        TEST(real_view),
        TEST(real_too_large),
        TEST(real_block_sizes),
        TEST(real_guarantees),
    };
    return unit_main("output_real", tests, PL_COUNT(tests));
}
