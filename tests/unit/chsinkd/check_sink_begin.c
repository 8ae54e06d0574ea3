/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_sink_begin.c - where the sink begins: at a range that another has announced, in a group
 * without offsets, at the rows of a topic that had the same name. links: chsinkd
 */
#include "daemons/chsinkd/sink/protocol/announce.h"
#include "tests/unit/chsinkd/sink_run.h"

enum { API_OFFSET_COMMIT = 8, API_TXN_OFFSET_COMMIT = 28 }; /* Kafka's request types */

/* ---- a range that was announced before a crash ---- */

#define MESSAGES 6
#define THERE    3 /* so many of them are in the table from before the crash */

/* The first commit of the range's end is refused, after its rows were inserted. */
static const struct announced {
    const char *what;
    bool same;     /* by one with our route, just now: its rows are there with its token */
    bool old_text; /* by the version before */
    int16_t api;
    rd_kafka_resp_err_t code;
    bool one_is_bad; /* a dead letter: the offsets are committed in its transaction */
} announced[] = {
    {"the version before", .old_text = true},
    {"another route", .same = false},
    {"the same route", .same = true},
    /* The consumer itself hears of it, and gives the partition up; it comes back. */
    {"a refused commit", .api = API_OFFSET_COMMIT, .code = RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION},
    {"the same, refused", .same = true, .api = API_OFFSET_COMMIT,
     .code = RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION},
    /* Only the writer of dead letters hears of it. */
    {"refused dead letters", .api = API_TXN_OFFSET_COMMIT,
     .code = RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, .one_is_bad = true},
};

START_TEST(announced_range)
{
    const struct announced *c = &announced[_i];
    int64_t now_ms = pl_clock_realtime_ms();
    struct fake_table *t = fake_table(TOPIC);
    char text[PL_ANNOUNCEMENT_MAX];

    t->other = true; /* another route's rows are others: this doubt is not to be compared */
    sink_begin(0);
    struct partition_announcement a = {MESSAGES, now_ms, sink.routes[0].machine.digest + !c->same,
                                       0};
    announcement_text(&a, text);
    sink_free();
    topic_fill(TOPIC, MESSAGES, c->one_is_bad ? MESSAGES : 0);
    group_set(0, c->old_text ? "chsinkd/1 end=6 at=1" : text);
    for (int i = 0; i < (c->same ? MESSAGES : THERE); i++)
        t->rows[i] = 1;
    if (c->same) {
        PL_CLEANUP(pl_buf_release) struct pl_buf token = {0};
        const struct pl_range range = {TOPIC, 0, 0, MESSAGES, now_ms};
        fake_token_take(t, pl_range_token(&range, TOPIC, &token));
    }
    if (c->code)
        rd_kafka_mock_push_request_errors(mock.cluster, c->api, 1, c->code);
    sink_start(0);
    messages_wanted = MESSAGES;
    until(all_is_accounted, c->what);
    sink_end(false);
    table_check(TOPIC, MESSAGES, c->one_is_bad ? MESSAGES : 0, -1);
    ck_assert_uint_eq(metric(M_DEAD), c->one_is_bad);
    ck_assert_uint_eq(t->compares, 0);
    if (c->same)
        ck_assert_uint_eq(t->looks, 0);
    else
        ck_assert_uint_ge(t->looks, 1);
}
END_TEST

/* ---- a group without offsets, and a table with rows ---- */

static bool is_aside(void)
{
    pthread_mutex_lock(&sink.lock);
    bool aside = sink.partitions_n > 0 && sink.partitions[0]->aside == ASIDE_BEGIN;
    pthread_mutex_unlock(&sink.lock);
    return aside;
}

static void rows_check(const struct fake_table *t, const unsigned *rows, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_msg(t->rows[i] == rows[i], "message %d is %u rows", i, t->rows[i]);
}

/* Its rows are this topic's: the doubt is looked up and compared, and no longer than that. How
 * many batches that takes is the machine's affair: one may close by its age. */
START_TEST(offsets_lost)
{
    static const unsigned rows[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    struct fake_table *t = fake_table(TOPIC);
    conf.batch_rows = 2;
    t->rows[0] = t->rows[1] = t->rows[4] = 1;
    topic_fill(TOPIC, 8, 0);
    sink_start(0);
    messages_wanted = 8;
    until(all_is_accounted, "the rest is loaded");
    ck_assert_uint_eq(t->looks, t->compares);
    ck_assert_int_ge(t->compared, 5); /* all that has rows, and the batch that its last is in */
    ck_assert_int_le(t->compared, 6);
    ck_assert(!sink.partitions[0]->probe);
    sink_end(false);
    rows_check(t, rows, 8);
}
END_TEST

/* They are of a topic that had the same name. The batches before the one that shows it, and a
 * restart, change nothing; only `offsets_lost: start` goes on, from the beginning. */
START_TEST(topic_made_again)
{
    unsigned before[8] = {1, 1, 1, 1, 0, 1}, after[8];
    struct fake_table *t = fake_table(TOPIC);
    conf.batch_rows = 2;
    t->rows[5] = 1;
    t->other = true;
    topic_fill(TOPIC, 8, 0);
    for (unsigned run = 0; run < 3; run++) {
        t->compared = 0;
        conf.offsets_lost = run < 2 ? CHSINKD_LOST_TABLE : CHSINKD_LOST_STOP;
        sink_start(run);
        until(is_aside, "a person must say");
        sink_end(false);
        /* The message that shows it was compared, and what is behind its batch was not. */
        ck_assert_int_ge(t->compared, 6);
        ck_assert_int_le(t->compared, 7);
        if (run == 0)
            before[4] = t->rows[4] > 0; /* it may have had a batch of its own */
        rows_check(t, before, 8);
    }
    for (int i = 0; i < 8; i++)
        after[i] = before[i] + 1;
    conf.offsets_lost = CHSINKD_LOST_START;
    sink_start(0);
    messages_wanted = metric(M_DELIVERED) + 8;
    until(all_is_accounted, "all is loaded again");
    sink_end(false);
    rows_check(t, after, 8);
}
END_TEST

/* ---- partitions without a leader ---- */

#define LEADERLESS 4

enum { ALIVE = 1, DOWN = 2 }; /* brokers */

static void set_up_leaderless(void)
{
    topic_partitions = LEADERLESS;
    brokers = 2;
    set_up();
    rd_kafka_mock_coordinator_set(mock.cluster, "group", GROUP, ALIVE);
    rd_kafka_mock_coordinator_set(mock.cluster, "transaction", "check", ALIVE);
    rd_kafka_mock_partition_set_leader(mock.cluster, OTHER, 0, ALIVE);
    rd_kafka_mock_partition_set_leader(mock.cluster, DEAD, 0, ALIVE);
}

static void leader_set(int32_t broker)
{
    for (int i = 0; i < LEADERLESS; i++)
        ck_assert_int_eq(rd_kafka_mock_partition_set_leader(mock.cluster, TOPIC, i, broker), 0);
}

static bool group_is_joined(void)
{
    pthread_mutex_lock(&sink.lock);
    bool joined = sink.partitions_n > 0;
    pthread_mutex_unlock(&sink.lock);
    return joined;
}

/* Where they begin and end cannot be asked: the others are read at once, dead letters included,
 * and they themselves when they have a leader. */
START_TEST(no_leader)
{
    leader_set(ALIVE);
    topic_fill(TOPIC, 10, 0);
    topic_fill(OTHER, 100, 10);
    leader_set(_i ? DOWN : -1);
    rd_kafka_mock_broker_set_down(mock.cluster, DOWN);
    sink_start(0);
    until(group_is_joined, "partitions are assigned");
    int64_t since_ms = pl_clock_monotonic_ms();
    messages_wanted = 100;
    until(all_is_accounted, "the other topic is read");
    topic_fill(OTHER, 100, 10);
    messages_wanted = 200;
    until(all_is_accounted, "the other topic goes on");
    ck_assert_int_lt(pl_clock_monotonic_ms() - since_ms, 20000);
    ck_assert_uint_eq(metric(M_DEAD), 20);
    leader_set(ALIVE);
    messages_wanted = 210;
    until(all_is_accounted, "theirs are read");
    sink_end(false);
    table_check(TOPIC, 10, 0, -1);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("begin", .set_up = set_up, .tear_down = tear_down),
        TEST(announced_range, .count = PL_COUNT(announced)),
        TEST(offsets_lost),
        TEST(topic_made_again),
        TCASE("leaders", .set_up = set_up_leaderless, .tear_down = tear_down),
        TEST(no_leader, .count = 2),
    };
    return unit_main("sink_begin", tests, PL_COUNT(tests));
}
