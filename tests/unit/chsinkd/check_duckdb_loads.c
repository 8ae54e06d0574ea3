/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_duckdb_loads.c - the last loads that a DuckDB file keeps, as --show tells them: range,
 * rows, when and for how long; of a file that an older version made; and that the loading does not
 * rest on them. Run with DUCKDB_LIBRARY=PATH in the environment, which tests/services/duckdb.sh
 * prints.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/duckdb/loads.h"
#include "daemons/chsinkd/duckdb/table.h"
#include "lib/base/clock.h"
#include "tests/unit/chsinkd/duckdb_fixture.h"

#define FACTS PL_CLEANUP(output_facts_release) struct output_facts

static void describe(struct load *l, struct output_facts *ret)
{
    ck_assert_done(duckdb_output.describe(output, l->target, l->range.group, ret, &l->err), l->err);
}

/* One message after the other, each a load: from..to - 1. */
static void load_each(struct load *l, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++) {
        ck_assert_msg(insert(l, i, i + 1, NULL) == OUTPUT_DONE, "%s", l->err.msg);
        l->range.position = i + 1;
    }
}

START_TEST(each_load_is_told)
{
    FACTS f = {0};
    int64_t before_ms = pl_clock_realtime_ms();
    LOAD l;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 10, 13, NULL), OUTPUT_DONE);
    ck_assert_int_eq(insert(&l, 10, 13, NULL),
                     OUTPUT_DONE); /* an answer was lost: no second load */
    l.range.position = 13;
    /* A gap before it, and not one row that fits. */
    ck_assert_int_eq(insert(&l, 20, 22, "{}"), OUTPUT_DONE);
    l.range.partition = 4;
    l.range.position = -1;
    ck_assert_int_eq(insert(&l, 0, 5, NULL), OUTPUT_DONE);
    describe(&l, &f);
    static const struct output_load want[] = {
        {.partition = 4, .start = 0, .end = 5, .rows = 5},
        {.partition = 3, .start = 20, .end = 22, .rows = 0},
        {.partition = 3, .start = 10, .end = 13, .rows = 3},
    };
    ck_assert_uint_eq(f.loads_n, PL_COUNT(want));
    for (size_t i = 0; i < PL_COUNT(want); i++) {
        const struct output_load *got = &f.loads[i];
        ck_assert_str_eq(got->topic, "t");
        ck_assert_int_eq(got->partition, want[i].partition);
        ck_assert_int_eq(got->start, want[i].start);
        ck_assert_int_eq(got->end, want[i].end);
        ck_assert_int_eq(got->rows, want[i].rows);
        ck_assert(got->at_ms >= before_ms && got->at_ms <= pl_clock_realtime_ms());
        ck_assert_msg(got->took_ms >= 0 && got->took_ms < 60000, "%" PRId64, got->took_ms);
    }
    ck_assert_str_eq(f.loads_note, "from _chsinkd_loads");
    ck_assert_uint_eq(f.places_n, 2);
    /* Those of another group are not told. */
    FACTS other = {0};
    l.range.group = "another";
    describe(&l, &other);
    ck_assert_uint_eq(other.loads_n, 0);
}
END_TEST

START_TEST(the_last_ones_are_kept)
{
    FACTS f = {0};
    LOAD l;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    load_each(&l, 0, OUTPUT_LOADS_MAX + 3);
    others_answer("SELECT count(*), min(start_offset), max(end_offset), count(took_ms) FROM "
                  "_chsinkd_loads",
                  "10|3|13|10|");
    describe(&l, &f);
    ck_assert_uint_eq(f.loads_n, OUTPUT_LOADS_MAX);
    ck_assert_int_eq(f.loads[0].start, OUTPUT_LOADS_MAX + 2);
    ck_assert_int_eq(f.loads[OUTPUT_LOADS_MAX - 1].start, 3);
    /* With the table go its loads. */
    others_do("DROP TABLE t");
    ensure(&l, NULL);
    others_answer("SELECT count(*) FROM _chsinkd_loads", "0|");
}
END_TEST

/* What a version before the loads were kept has left: the last end of each partition is told, and
 * the next load goes in. */
START_TEST(an_older_file_goes_on)
{
    FACTS f = {0}, after = {0};
    LOAD l;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 0, 7, NULL), OUTPUT_DONE);
    l.range.position = 7;
    others_do("DROP TABLE _chsinkd_loads");
    describe(&l, &f);
    ck_assert_uint_eq(f.loads_n, 1);
    ck_assert_int_eq(f.loads[0].start, -1);
    ck_assert_int_eq(f.loads[0].end, 7);
    ck_assert_int_eq(f.loads[0].rows, -1);
    ck_assert_int_eq(f.loads[0].took_ms, -1);
    ck_assert_msg(strstr(f.loads_note, "the last one of each partition"), "%s", f.loads_note);

    ensure(&l, NULL); /* the start of this version */
    assert_position(&l, 7, "");
    ck_assert_int_eq(insert(&l, 7, 9, NULL), OUTPUT_DONE);
    describe(&l, &after);
    ck_assert_uint_eq(after.loads_n, 1);
    ck_assert_int_eq(after.loads[0].start, 7);
    ck_assert_int_eq(after.loads[0].rows, 2);
}
END_TEST

/* Where somebody takes the table away from a service: the batch waits for the next ensure(), and is
 * there once. Another's rows in it refuse no message. */
START_TEST(no_message_is_refused_for_it)
{
    LOAD l;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    others_do("DROP TABLE _chsinkd_loads");
    ck_assert_int_eq(insert(&l, 0, 1, NULL), OUTPUT_HELD);
    assert_position(&l, -1, "");
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 0, 1, NULL), OUTPUT_DONE);
    l.range.position = 1;
    others_do("DROP TABLE _chsinkd_loads; CREATE TABLE _chsinkd_loads (number BIGINT, group_id "
              "VARCHAR, topic VARCHAR, \"partition\" INTEGER, table_name VARCHAR, start_offset "
              "BIGINT, end_offset BIGINT, row_count BIGINT CHECK (row_count > 5), loaded_at "
              "TIMESTAMP_MS, took_ms BIGINT)");
    ck_assert_int_eq(insert(&l, 1, 2, NULL), OUTPUT_HELD);
    others_answer("SELECT count(*) FROM t", "1|");
}
END_TEST

START_TEST(no_route_takes_its_name)
{
    struct pl_err err;
    FIXTURE f = fixture_new(PLAIN);
    free(f.route->table);
    f.route->table = pl_strdup("_Chsinkd_Loads");
    ck_assert_int_eq(duckdb_route_check(f.route, &err), -1);
    ck_assert_msg(strstr(err.msg, "_chsinkd_loads"), "%s", err.msg);
}
END_TEST

int main(void)
{
    const char *skip = getenv("DUCKDB_LIBRARY") ? NULL : "DUCKDB_LIBRARY is not set";
    const struct unit_test tests[] = {
        TCASE("none"),
        TEST(no_route_takes_its_name),
        TCASE("file", .skip = skip, .set_up = set_up, .tear_down = tear_down),
        TEST(each_load_is_told),
        TEST(the_last_ones_are_kept),
        TEST(an_older_file_goes_on),
        TEST(no_message_is_refused_for_it),
    };
    return unit_main("duckdb_loads", tests, PL_COUNT(tests));
}
