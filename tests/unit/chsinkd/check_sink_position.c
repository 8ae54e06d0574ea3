/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_sink_position.c - the sink and an output that keeps the position with the rows: what is
 * left by a crash, lost answers, another owner, a copy that was put back. links: chsinkd
 */
#include "tests/unit/chsinkd/sink_run.h"

static struct fake_table *table;

static void set_up_keeper(void)
{
    set_up();
    sink_output = &fake_keeper;
    conf.insert_threads = 1;
    table = fake_table(TOPIC);
}

static void run(uint64_t messages, const char *what)
{
    uint64_t before = metric(M_DELIVERED) + metric(M_DEAD);
    sink_start(0);
    messages_wanted = before + messages;
    until(all_is_accounted, what);
    sink_end(false);
}

/* Offsets of the dead letters' messages, "2 5 ", in the order in which they were written. */
static void dead_letters_are(const char *want)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    int64_t low = 0, high = 0;
    rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(1);
    ck_assert_int_eq(rd_kafka_query_watermark_offsets(rk, DEAD, 0, &low, &high, WAIT_MS), 0);
    rd_kafka_topic_partition_list_add(all, DEAD, 0)->offset = 0;
    rd_kafka_assign(rk, all);
    rd_kafka_topic_partition_list_destroy(all);
    int64_t end_ms = pl_clock_monotonic_ms() + WAIT_MS;
    for (int64_t next = 0; next < high;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        rd_kafka_headers_t *headers = NULL;
        struct dead_letter_origin origin = {.offset = -1};
        ck_assert_int_lt(pl_clock_monotonic_ms(), end_ms);
        if (m && !m->err) {
            rd_kafka_message_headers(m, &headers);
            dead_letter_origin(headers, &origin);
            pl_buf_addf(&text, "%lld ", (long long)origin.offset);
            next = m->offset + 1;
        }
        if (m)
            rd_kafka_message_destroy(m);
    }
    rd_kafka_destroy(rk);
    ck_assert_str_eq(pl_buf_cstr(&text), want);
}

START_TEST(goes_on_where_it_was)
{
    conf.batch_rows = 1; /* the mock drops a transaction's offsets: the last must have none */
    topic_fill(TOPIC, 8, 3);
    run(8, "the first eight");
    ck_assert_int_eq(table->position, 8);
    topic_fill(TOPIC, 6, 0);
    run(6, "the others");
    ck_assert_int_eq(table->position, 14);
    table_check(TOPIC, 8, 3, -1);
    dead_letters_are("2 5 ");
}
END_TEST

/* Killed between the insert and the commit: the rows are there, of a route that refused message 1
 * and one row of message 4; ours takes both, and refuses 5, which that one took. */
START_TEST(dead_letters_are_those_of_the_note)
{
    topic_fill(TOPIC, 6, 6);
    for (int i = 0; i < 6; i++)
        table->rows[i] = i != 1 && i != 4;
    table->position = 6;
    table->note = pl_strdup("{\"id\":\"a-1\",\"dead\":[{\"offset\":1,\"reason\":\"too old\"},"
                            "{\"offset\":4,\"rows\":\"0\",\"reason\":\"too new\"}]}");
    group_set(0, "");
    topic_fill(TOPIC, 3, 0); /* 6, 7, 8 */
    run(9, "what was left, and what is new");
    for (int i = 0; i < 9; i++)
        ck_assert_msg(table->rows[i] == (i != 1 && i != 4), "message %d: %u", i, table->rows[i]);
    ck_assert_int_eq(table->position, 9);
    dead_letters_are("1 4 ");
}
END_TEST

/* Of every answer that can be lost. */
START_TEST(answers_are_lost)
{
    conf.batch_rows = 2;
    table->every_lose = 3;
    table->every_late = 2;
    topic_fill(TOPIC, 40, 7);
    run(40, "all");
    table_check(TOPIC, 40, 7, -1);
    ck_assert_int_eq(table->position, 40);
    dead_letters_are("6 13 20 27 34 ");
}
END_TEST

/* The output refuses a message for good, and others until the batch is small. */
START_TEST(refused)
{
    table->refuse_offset = 5;
    table->rows_max = 4;
    topic_fill(TOPIC, 20, 0);
    run(20, "all but one");
    table_check(TOPIC, 20, 0, 5);
    dead_letters_are("5 ");
}
END_TEST

static bool has_read_some(void)
{
    return metric(M_DELIVERED) >= 4;
}

/* Another owner has inserted without our knowledge: what it has is not inserted again. */
START_TEST(another_was_faster)
{
    topic_fill(TOPIC, 4, 0);
    sink_start(0);
    until(has_read_some, "the first four");
    pthread_mutex_lock(&fake.lock);
    for (int i = 4; i < 7; i++)
        table->rows[i] = 1;
    table->position = 7;
    free(table->note);
    table->note = pl_strdup("{\"id\":\"b-1\"}");
    pthread_mutex_unlock(&fake.lock);
    topic_fill(TOPIC, 6, 0);
    messages_wanted = 10;
    until(all_is_accounted, "the other six");
    sink_end(false);
    table_check(TOPIC, 10, 0, -1);
    ck_assert_int_eq(table->position, 10);
}
END_TEST

/* The file is a copy of the day before: what it lacks is loaded again. */
START_TEST(a_copy_was_put_back)
{
    topic_fill(TOPIC, 6, 0);
    run(6, "all");
    for (int i = 2; i < 6; i++)
        table->rows[i] = 0;
    table->position = 2;
    run(4, "what the copy lacks");
    table_check(TOPIC, 6, 0, -1);
    ck_assert_int_eq(table->position, 6);
}
END_TEST

/* The group's offsets are gone, the position is not: nothing is loaded twice. */
START_TEST(the_group_is_gone)
{
    topic_fill(TOPIC, 6, 0);
    for (int i = 0; i < 4; i++)
        table->rows[i] = 1;
    table->position = 4;
    table->note = pl_strdup("{\"id\":\"a-1\"}");
    run(6, "the last two");
    table_check(TOPIC, 6, 0, -1);
    ck_assert_int_eq(table->position, 6);
}
END_TEST

static bool is_aside(void)
{
    pthread_mutex_lock(&sink.lock);
    bool aside = sink.partitions_n > 0 && sink.partitions[0]->aside == ASIDE_BEGIN;
    pthread_mutex_unlock(&sink.lock);
    return aside;
}

/* So is the topic: another has its name, and more messages than the position says. */
START_TEST(the_topic_was_made_again)
{
    topic_fill(TOPIC, 6, 0);
    table->position = 4;
    table->note = pl_strdup("{\"id\":\"a-1\",\"last\":{\"offset\":3,\"timestamp\":17}}");
    for (int runs = 0; runs < 2; runs++) {
        sink_start(0);
        until(is_aside, "it is noticed");
        sink_end(true);
    }
    ck_assert_uint_eq(table->inserts, 0);
    ck_assert_uint_eq(metric(M_DELIVERED), 0);
}
END_TEST

/* It is the same topic: its last message is where it was. The mock drops the group's offset, since
 * the last batch has a dead letter. */
START_TEST(the_topic_is_the_same)
{
    topic_fill(TOPIC, 6, 6);
    run(6, "six");
    ck_assert_ptr_nonnull(strstr(table->note, "\"last\":{\"offset\":5,"));
    topic_fill(TOPIC, 4, 0);
    run(10, "the others, and what is below the position");
    table_check(TOPIC, 10, 6, -1);
    ck_assert_int_eq(table->position, 10);
}
END_TEST

/* Messages that give no rows move the position as well. */
START_TEST(only_dead_letters)
{
    topic_fill(TOPIC, 3, 1);
    run(3, "three dead letters");
    ck_assert_int_eq(table->position, 3);
    ck_assert_int_ge(table->inserts, 1);
    dead_letters_are("0 1 2 ");
}
END_TEST

/* Someone else's file has that table: the partition waits, and nothing is written. */
static bool waits(void)
{
    pthread_mutex_lock(&fake.lock);
    bool asked = table->looks >= 3;
    pthread_mutex_unlock(&fake.lock);
    return asked;
}

START_TEST(a_note_that_is_not_ours)
{
    topic_fill(TOPIC, 6, 0);
    table->position = 4;
    table->note = pl_strdup("hello");
    sink_start(0);
    until(waits, "it is said");
    sink_end(true);
    ck_assert_uint_eq(metric(M_DELIVERED), 0);
    ck_assert_uint_eq(table->inserts, 0);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("threads", .set_up = set_up_keeper, .tear_down = tear_down),
        TEST(goes_on_where_it_was),
        TEST(dead_letters_are_those_of_the_note),
        TEST(answers_are_lost),
        TEST(refused),
        TEST(another_was_faster),
        TEST(a_copy_was_put_back),
        TEST(the_group_is_gone),
        TEST(the_topic_was_made_again),
        TEST(the_topic_is_the_same),
        TEST(only_dead_letters),
        TEST(a_note_that_is_not_ours),
    };
    return unit_main("sink_position", tests, PL_COUNT(tests));
}
