/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_worked.c - what the group's offsets say about a start of chsinkd that was refused, against
 * the mock cluster. links: chsinkd
 */
#include <stdio.h>

#include "daemons/chsinkd/worked.h"
#include "tests/unit/kafka_mock.h"

#define TOPIC "edits"
#define COLUMNS                                                                                    \
    "\ntable: edits\nrows: $\ncolumns:\n  - {name: n, type: Int64, path: $.n}\n"                   \
    "engine: MergeTree\norder_by: n\n"

static struct kafka_mock mock;

static void set_up(void)
{
    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 2);
    kafka_mock_set(&mock, "group.id", "sink");
}

static void offset_commit(struct sink *s)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, TOPIC, 1)->offset = 0;
    ck_assert_int_eq(rd_kafka_commit(s->rk, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

static const struct {
    const char *route;
    bool committed;
    int done; /* a counter of this process that is not 0; -1: none */
    enum pl_worked worked;
} groups[] = {
    {"topic: " TOPIC COLUMNS, false, -1, PL_WORKED_NEVER},
    {"topic: " TOPIC COLUMNS, true, -1, PL_WORKED},
    {"topic_pattern: ^ed.*" COLUMNS, false, -1, PL_WORKED_NEVER},
    {"topic_pattern: ^ed.*" COLUMNS, true, -1, PL_WORKED},
    /* Where no topic is shown, it may be a right that is missing for a while. */
    {"topic_pattern: ^hidden.*" COLUMNS, false, -1, PL_WORKED_UNKNOWN},
    /* Messages that are committed are proof, those that were only read are not. */
    {"topic_pattern: ^hidden.*" COLUMNS, false, M_DELIVERED, PL_WORKED},
    {"topic_pattern: ^hidden.*" COLUMNS, false, M_DEAD, PL_WORKED},
    {"topic: " TOPIC COLUMNS, false, M_RECEIVED, PL_WORKED_NEVER},
};

START_TEST(the_offsets_of_the_group)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    struct sink sink;
    struct pl_err err;
    pl_findings_init(&errs);
    struct route *route = route_parse("edits", groups[_i].route, strlen(groups[_i].route), &errs);
    ck_assert_msg(route != NULL, "%s", pl_buf_cstr(&errs.text));
    char *urls[] = {(char *)"http://localhost:1"}; /* not asked */
    const struct chsinkd_conf conf = {
        .kafka = mock.map,
        .clickhouse = {.urls = {urls, 1}, .database = (char *)"db", .user = (char *)"user"},
        .memory_bytes_max = 1 << 26,
        .start_timeout_ms = 10000,
        .routes = &route,
        .routes_n = 1,
    };
    struct pl_metrics *metrics = pl_metrics_new(chsinkd_metrics, M_COUNT);
    const void *output_conf;
    const struct output_kind *output = chsinkd_conf_output(&conf, &output_conf);
    sink_init(&sink, &conf, NULL, output, output_conf, metrics);
    sink.assigned_once = true; /* proves nothing */
    if (groups[_i].done >= 0)
        pl_metrics_inc(metrics, (unsigned)groups[_i].done, 1);
    if (groups[_i].committed) {
        ck_assert_done(consumer_new(&sink, &err), err);
        offset_commit(&sink);
    }
    ck_assert_int_eq(worked_look(&sink), groups[_i].worked);
    consumer_free(&sink);
    sink_release(&sink);
    pl_metrics_free(metrics);
    route_free(route);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("mock cluster", .set_up = set_up),
        TEST(the_offsets_of_the_group, .count = PL_COUNT(groups)),
    };
    return unit_main("chsinkd_worked", tests, PL_COUNT(tests));
}
