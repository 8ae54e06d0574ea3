/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_sink.c - what the sink makes of an output's refusals and faults, of stops, restarts and
 * partitions that go; when it counts as stuck; what is logged of batches. links: chsinkd
 */
#include "daemons/chsinkd/sink/drive.h"
#include "daemons/chsinkd/sink/intake.h"
#include "daemons/chsinkd/sink/report.h"
#include "lib/log/log.h"
#include "tests/unit/chsinkd/sink_run.h"

/* ---- what the output does ---- */

START_TEST(refused_message)
{
    enum { N = 500, BAD = 321 };
    struct fake_table *t = fake_table(TOPIC);
    t->refuse_offset = BAD;
    topic_fill(TOPIC, N, 50);
    sink_start(0);
    messages_wanted = N;
    until(all_is_accounted, "the others are in the table");
    sink_end(false);
    table_check(TOPIC, N, 50, BAD);
    ck_assert_uint_eq(metric(M_DEAD), N / 50 + 1);
    ck_assert_uint_le(t->inserts, 40); /* halves */
}
END_TEST

START_TEST(too_large)
{
    enum { N = 500 };
    struct fake_table *t = fake_table(TOPIC);
    t->rows_max = 70;
    topic_fill(TOPIC, N, 0);
    sink_start(0);
    messages_wanted = N;
    until(all_is_accounted, "all are in the table");
    sink_end(false);
    table_check(TOPIC, N, 0, -1);
    ck_assert_uint_eq(metric(M_DEAD), 0);
}
END_TEST

static bool other_is_there(void)
{
    pthread_mutex_lock(&fake.lock);
    bool there = fake_table(OTHER)->rows[99] > 0;
    pthread_mutex_unlock(&fake.lock);
    return there;
}

/* A table that needs a person holds up its own topic only, and is loaded when it is healed. */
START_TEST(held)
{
    struct fake_table *t = fake_table(TOPIC);
    t->held = true;
    conf.insert_threads = 1;
    topic_fill(TOPIC, 3000, 0);
    topic_fill(OTHER, 100, 0);
    sink_start(0);
    until(other_is_there, "the other topic goes on");
    messages_wanted = 3100;
    pthread_mutex_lock(&fake.lock);
    t->held = false;
    pthread_mutex_unlock(&fake.lock);
    until(all_is_accounted, "the held one is loaded");
    sink_end(false);
    table_check(TOPIC, 3000, 0, -1);
    table_check(OTHER, 100, 0, -1);
}
END_TEST

/* Answers are lost, before or after the insert was done, while tokens are remembered. */
START_TEST(lost_answers)
{
    struct fake_table *t = fake_table(TOPIC);
    t->every_lose = 3;
    t->every_late = 2;
    conf.batch_rows = 100;
    topic_fill(TOPIC, 1000, 70);
    sink_start(0);
    messages_wanted = 1000;
    until(all_is_accounted, "all are loaded");
    sink_end(false);
    table_check(TOPIC, 1000, 70, -1);
}
END_TEST

/* One table is away, the other answers: which is told. */
START_TEST(away)
{
    struct pl_err err;
    struct batch b = {.end = 1};
    sink_begin(0);
    struct partition *p = sink_partition(&sink, TOPIC, 0), *other = sink_partition(&sink, OTHER, 0);
    p->working = &b;
    p->assigned = other->assigned = true;
    pl_err_set(&err, PL_ERR_RETRY, 0, "no answer");
    ck_assert_ptr_null(sink_away(&sink));
    report_away(&sink, p, &err);
    report_back(&sink, other);
    ck_assert_ptr_eq(sink_away(&sink), p->route);
    p->assigned = false; /* another instance's concern */
    ck_assert_ptr_null(sink_away(&sink));
    p->assigned = true;
    report_back(&sink, p);
    ck_assert_ptr_null(sink_away(&sink));
    p->working = NULL;
    sink_release(&sink);
}
END_TEST

/* ---- age ---- */

/* A batch that has come of age waits for what was in the log then, not for what comes later, nor
 * where the partition has ended, nor for ever. */
START_TEST(age_and_backlog)
{
    static const struct {
        int64_t aged_ms; /* since when it is of age; below 0: it is not */
        int64_t next, log_end, ended_at;
        bool closed;
    } cases[] = {
        {0, 50, 100, -1, false},    {0, 99, 100, -1, false},    {0, 100, 100, -1, true},
        {0, 120, 100, -1, true},    {0, 50, 50, -1, true},      {0, 50, 100, 40, false},
        {0, 50, 100, 50, true},     {0, 50, 100, 51, true},     {5000, 50, 100, -1, false},
        {10000, 50, 100, -1, true}, {-5000, 50, 50, 50, false}, {-5000, 50, 100, -1, false}};
    conf.batch_age_ms = 10000;
    sink_begin(0);
    struct partition *p = sink_partition(&sink, TOPIC, 0);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        p->open = batch_new(block_new(routes[0]), 0);
        p->open->opened_ms = pl_clock_monotonic_ms() - conf.batch_age_ms - cases[i].aged_ms;
        p->open->aged_end = cases[i].log_end;
        p->next_offset = cases[i].next;
        p->ended_at = cases[i].ended_at;
        intake_close_aged(&sink);
        ck_assert_msg(!p->open == cases[i].closed, "case %zu", i);
        intake_drop(&sink, p);
    }
    sink_release(&sink);
}
END_TEST

/* ---- restarts ---- */

/* Ends at many moments, each way, with faults of the output all the time. The one that comes next
 * does not always know the route's digest, nor trust a token. */
START_TEST(restarts)
{
    enum { N = 2000, RUNS = 5 };
    struct fake_table *t = fake_table(TOPIC);
    unsigned seed = (unsigned)_i * 7919 + 17;
    t->every_late = 5;
    t->every_lose = 7;
    t->refuse_offset = 1234;
    conf.batch_rows = 50;
    conf.batch_age_ms = 20;
    topic_fill(TOPIC, N, 90);
    for (unsigned run = 0; run < RUNS; run++) {
        bool last = run == RUNS - 1;
        conf.ask_table_after_ms = rand_r(&seed) % 3 == 0 ? 1 : 60000;
        sink_start(rand_r(&seed) % 3 == 0 ? run : 0);
        if (!last)
            poll(NULL, 0, rand_r(&seed) % 400);
        messages_wanted = N;
        while (last && !t->rows[N - 2])
            poll(NULL, 0, 10);
        sink_end(!last && rand_r(&seed) % 2);
    }
    table_check(TOPIC, N, 90, 1234);
}
END_TEST

/* ---- what goes ---- */

/* A refused message was to be read again when its partition went. */
START_TEST(wait_that_is_over)
{
    sink_begin(0);
    struct partition *p = sink_partition(&sink, TOPIC, 0);
    p->bury_ms = 1;
    drive_leave(&sink, p);
    ck_assert(!drive_is_stalled(p));
    drive_time(&sink);
    sink_release(&sink);
}
END_TEST

/* Past the commit that claims them, too. */
static bool is_read(const struct partition *p)
{
    return p->next_offset > 0 && p->state.phase == PARTITION_OPEN;
}

static bool both_are_read(void)
{
    return sink.partitions_n == 2 && is_read(sink.partitions[0]) && is_read(sink.partitions[1]);
}

static bool one_went(void)
{
    return !sink.partitions[0]->assigned || !sink.partitions[1]->assigned;
}

/* The group takes one of two partitions while messages come all the time: of the other all are
 * read. (Without assignment.c's partitions_seek() some thirty are not.) */
START_TEST(one_goes_one_stays)
{
    char text[256], value[] = "{\"n\":1}";
    int n = 0;
    conf.batch_age_ms = 60000; /* a commit would be refused in a rebalance */
    conf.batch_rows = FAKE_ROWS_MAX;
    topic_fill(TOPIC, 1, 0);
    topic_fill(OTHER, 1, 0);
    sink_start(0);
    until(both_are_read, "both are read");
    rd_kafka_conf_t *kafka = rd_kafka_conf_new();
    rd_kafka_conf_set(kafka, "bootstrap.servers", mock.settings[0].value, text, sizeof(text));
    rd_kafka_conf_set(kafka, "group.id", GROUP, text, sizeof(text));
    rd_kafka_conf_set(kafka, "partition.assignment.strategy", "cooperative-sticky", text,
                      sizeof(text));
    rd_kafka_t *second = rd_kafka_new(RD_KAFKA_CONSUMER, kafka, text, sizeof(text));
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(2);
    rd_kafka_topic_partition_list_add(topics, TOPIC, RD_KAFKA_PARTITION_UA);
    rd_kafka_topic_partition_list_add(topics, OTHER, RD_KAFKA_PARTITION_UA);
    ck_assert_int_eq(rd_kafka_subscribe(second, topics), 0);
    rd_kafka_topic_partition_list_destroy(topics);
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER);
    for (int after = 0; after < 200; after += one_went()) {
        for (int t = 0; t < 2; t++)
            rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(t ? TOPIC : OTHER), RD_KAFKA_V_PARTITION(0),
                              RD_KAFKA_V_VALUE(value, 7), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_END);
        n++;
        ck_assert_int_lt(n, 15000);
        rd_kafka_poll(rk, 3);
    }
    rd_kafka_flush(rk, WAIT_MS);
    rd_kafka_destroy(rk);
    const struct partition *p = sink.partitions[!sink.partitions[0]->assigned];
    for (int64_t end = pl_clock_monotonic_ms() + WAIT_MS; p->next_offset < n + 1;) {
        ck_assert_int_lt(pl_clock_monotonic_ms(), end);
        poll(NULL, 0, 10);
    }
    ck_assert_int_eq((int)p->open->messages_n, n + 1);
    sink_end(true);
    /* `second` is left to the end of the process, as sink.c leaves its client: librdkafka #4381. */
    rd_kafka_set_log_level(second, 0);
}
END_TEST

/* ---- when it counts as stuck ---- */

/* A worker that has no work to do is not stuck, nor is a consumer that turns. */
START_TEST(stuck)
{
    struct pl_progress progress = {0};
    int64_t now_ms = pl_clock_monotonic_ms();
    sink_start(0);
    ck_assert_ptr_null(sink_stuck(&sink, &progress));
    sink_end(false);
    (void)now_ms;
}
END_TEST

/* ---- what is logged of batches ---- */

static const char *logged(FILE *file)
{
    static char text[8192];

    rewind(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    rewind(file);
    ck_assert_int_eq(ftruncate(fileno(file), 0), 0);
    return text;
}

static unsigned lines(const char *text)
{
    unsigned n = 0;

    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

START_TEST(log_of_batches)
{
    sink_begin(0);
    const struct sink_sums sums = {2, 30, 40, 500, 7, 47, 11};
    struct partition *a = sink_partition(&sink, TOPIC, 0), *b = sink_partition(&sink, TOPIC, 1);
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    const char *text;

    dup2(fileno(file), STDERR_FILENO);
    sink_log(&sink, 1000, false);
    ck_assert_str_eq(logged(file), "");

    a->sums = b->sums = sums; /* the first are logged at once, one a call */
    sink_log(&sink, 1000, false);
    text = logged(file);
    ck_assert_msg(strstr(text, " rows inserted table=edits database=default rows=30 batches=2 "
                               "messages=40 bytes=500 topic=edits partition=0 offset_start=7 "
                               "offset_end=47 duration_ms=11\n") != NULL,
                  "%s", text);
    ck_assert_uint_eq(lines(text), 1);
    sink_log(&sink, 2000, false);
    ck_assert_ptr_nonnull(strstr(logged(file), "partition=1"));
    sink_log(&sink, 3000, false);
    ck_assert_str_eq(logged(file), "");

    a->sums = b->sums = sums; /* then a minute must pass */
    sink_log(&sink, 60999, false);
    ck_assert_str_eq(logged(file), "");
    sink_log(&sink, 61000, false);
    ck_assert_ptr_nonnull(strstr(logged(file), "partition=0"));
    a->sums = sums;
    sink_log(&sink, 61500, true); /* or the end come */
    ck_assert_uint_eq(lines(logged(file)), 2);
    sink_log(&sink, 61500, true);
    ck_assert_str_eq(logged(file), "");
    dup2(saved, STDERR_FILENO);
    close(saved);
    fclose(file);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("threads", .set_up = set_up, .tear_down = tear_down),
        TEST(refused_message),
        TEST(too_large),
        TEST(held),
        TEST(lost_answers),
        TEST(away),
        TEST(age_and_backlog),
        TEST(restarts, .count = 1),
        TEST(wait_that_is_over),
        TEST(one_goes_one_stays),
        TEST(stuck),
        TEST(log_of_batches),
    };
    return unit_main("sink", tests, PL_COUNT(tests));
}
