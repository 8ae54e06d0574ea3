/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_deadletter.c - the writer of dead letters against librdkafka's mock cluster: what arrives,
 * and what each fault of Kafka comes to. (Real transactions and fencing: the e2e tests; the mock
 * keeps none.) links: chsinkd
 */
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>

#include "daemons/chsinkd/sink/kafka/deadletter.h"
#include "lib/base/clock.h"
#include "tests/unit/kafka_mock.h"

#define TOPIC             "edits"
#define DEAD              "dead"
#define GROUP             "sink"
#define ROUTE             "route"
#define END               8 /* the offset that passes the letters */
#define MESSAGE_BYTES_MAX 100000
#define WAIT_MS           30000 /* the limit of a wait: only a failing test meets it */

/* Kafka's request types (protocol, "api_key"). */
enum {
    API_PRODUCE = 0,
    API_INIT_PRODUCER_ID = 22,
    API_ADD_PARTITIONS = 24,
    API_ADD_OFFSETS = 25,
    API_END_TXN = 26,
    API_TXN_OFFSET_COMMIT = 28
};

static struct kafka_mock mock;
static struct deadletter_writer *writer;
static struct dead_letters letters;
static rd_kafka_topic_partition_list_t *offsets;
static rd_kafka_consumer_group_metadata_t *group;
static _Atomic bool give_up;

static rd_kafka_t *client_new(rd_kafka_type_t type)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];

    rd_kafka_conf_set(conf, "bootstrap.servers", mock.settings[0].value, text, sizeof(text));
    rd_kafka_conf_set(conf, "group.id", GROUP, text, sizeof(text));
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    ck_assert_msg(rk != NULL, "%s", text);
    return rk;
}

/* In place of librdkafka's: a thread that gets the CPU late makes the call when what it sent before
 * is refused already. */
static int offsets_late_ms, commit_late_ms;

static void *librdkafkas(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);

    ck_assert_msg(function != NULL, "%s", name);
    return function;
}

rd_kafka_error_t *
rd_kafka_send_offsets_to_transaction(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list,
                                     const rd_kafka_consumer_group_metadata_t *metadata,
                                     int timeout_ms)
{
    rd_kafka_error_t *(*real)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *,
                              const rd_kafka_consumer_group_metadata_t *, int);

    *(void **)&real = librdkafkas("rd_kafka_send_offsets_to_transaction");
    poll(NULL, 0, offsets_late_ms);
    return real(rk, list, metadata, timeout_ms);
}

rd_kafka_error_t *rd_kafka_commit_transaction(rd_kafka_t *rk, int timeout_ms)
{
    rd_kafka_error_t *(*real)(rd_kafka_t *, int);

    *(void **)&real = librdkafkas("rd_kafka_commit_transaction");
    poll(NULL, 0, commit_late_ms);
    return real(rk, timeout_ms);
}

static void writer_renew(void)
{
    const struct deadletter_conf conf = {.kafka = &mock.map,
                                         .topic = DEAD,
                                         .transactional_id = "check",
                                         .message_bytes_max = MESSAGE_BYTES_MAX};

    deadletter_writer_free(writer);
    writer = deadletter_writer_new(&conf);
}

static void set_up(void)
{
    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 1);
    kafka_mock_topic(&mock, DEAD, 1);
    kafka_mock_set(&mock, "group.id", GROUP);
    kafka_mock_set(&mock, "retry.backoff.ms", "20");
    kafka_mock_set(&mock, "reconnect.backoff.max.ms", "200");
    writer_renew();
    offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(offsets, TOPIC, 0);
    tp->offset = END;
    tp->metadata = pl_strdup("note");
    tp->metadata_size = strlen("note");
    group = rd_kafka_consumer_group_metadata_new(GROUP);
    give_up = false;
}

static void tear_down(void)
{
    deadletter_writer_free(writer);
    rd_kafka_topic_partition_list_destroy(offsets);
    rd_kafka_consumer_group_metadata_destroy(group);
}

/* A message of the topic as the consumer hands it out; dead_letters_add() wants its headers, which
 * only librdkafka can put on one, so it is written and read back. */
static void letter_add(rd_kafka_headers_t *headers, const void *key, const void *value, size_t len)
{
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER), *consumer = client_new(RD_KAFKA_CONSUMER);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(1);
    int64_t end_ms = pl_clock_monotonic_ms() + WAIT_MS;
    rd_kafka_message_t *m = NULL;

    ck_assert_int_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_KEY(key, key ? strlen(key) : 0),
                                       RD_KAFKA_V_VALUE((void *)value, len),
                                       RD_KAFKA_V_HEADERS(headers),
                                       RD_KAFKA_V_TIMESTAMP(1763715600000),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                     0);
    ck_assert_int_eq(rd_kafka_flush(producer, WAIT_MS), 0);
    rd_kafka_topic_partition_list_add(all, TOPIC, 0)->offset = (int64_t)letters.count;
    rd_kafka_assign(consumer, all);
    while (!m || m->err) {
        ck_assert_int_lt(pl_clock_monotonic_ms(), end_ms);
        if (m)
            rd_kafka_message_destroy(m);
        m = rd_kafka_consumer_poll(consumer, 100);
    }
    dead_letters_add(&letters, m,
                     &(struct dead_letter_why){ROUTE, letters.count == 0 ? -1 : 4,
                                               "column n: not a number", "n", false});
    rd_kafka_message_destroy(m);
    rd_kafka_topic_partition_list_destroy(all);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
}

/* One letter that no message was read for. */
static void letter_plain(size_t len)
{
    static char value[MESSAGE_BYTES_MAX + 1];
    static struct pl_header header = {DEADLETTER_HEADER_PREFIX "route", ROUTE, sizeof(ROUTE) - 1};
    static struct dead_letter letter;

    letter =
        (struct dead_letter){.value = value, .value_len = len, .headers = &header, .headers_n = 1};
    letters = (struct dead_letters){&letter, &letter, 1, len};
}

static enum deadletter_result write_letters(struct pl_err *err)
{
    struct pl_deadline deadline = {0};
    const struct deadletter_commit commit = {.letters = &letters,
                                             .offsets = offsets,
                                             .group = group,
                                             .give_up = &give_up,
                                             .deadline = &deadline};
    memset(err, 0, sizeof(*err));
    enum deadletter_result result = deadletter_write(writer, &commit, err);
    ck_assert_ptr_nonnull(deadline.doing);
    return result;
}

/* ---- what arrives ---- */

/* "name=value " for each header, "name=- " for one without a value. */
static const char *headers_text(const rd_kafka_message_t *m, struct pl_buf *out)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t len;

    pl_buf_reset(out);
    ck_assert_int_eq(rd_kafka_message_headers(m, &headers), 0);
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &len) == 0; i++)
        pl_buf_addf(out, "%s=%.*s ", name, value ? (int)len : 1, value ? (const char *)value : "-");
    return pl_buf_cstr(out);
}

START_TEST(letters_are_the_message_and_its_story)
{
    rd_kafka_headers_t *first = rd_kafka_headers_new(2), *again = rd_kafka_headers_new(8);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(1);
    rd_kafka_t *consumer;
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    struct pl_err err;

    rd_kafka_header_add(first, "trace", -1, "abc", -1);
    rd_kafka_header_add(first, "empty", -1, "", 0);
    rd_kafka_header_add(first, "none", -1, NULL, 0);
    rd_kafka_header_add(first, "trace", -1, "twice", -1);
    letter_add(first, "key", "{\"n\":\"x\"}", 9);
    /* A tombstone that was a dead letter before: its first origin is kept. */
    rd_kafka_header_add(again, "chsinkd-topic", -1, "origin", -1);
    rd_kafka_header_add(again, "chsinkd-partition", -1, "7", -1);
    rd_kafka_header_add(again, "chsinkd-offset", -1, "12345678901", -1);
    rd_kafka_header_add(again, "chsinkd-timestamp", -1, "5", -1);
    rd_kafka_header_add(again, "chsinkd-attempt", -1, "2", -1);
    rd_kafka_header_add(again, "chsinkd-reason", -1, "old", -1);
    letter_add(again, NULL, NULL, 0);
    ck_assert_msg(write_letters(&err) == DEADLETTER_COMMITTED, "%s", err.msg);
    dead_letters_release(&letters);

    consumer = client_new(RD_KAFKA_CONSUMER);
    rd_kafka_topic_partition_list_add(all, DEAD, 0)->offset = 0;
    rd_kafka_assign(consumer, all);
    int64_t end_ms = pl_clock_monotonic_ms() + WAIT_MS;
    for (int n = 0; n < 2;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 100);
        ck_assert_int_lt(pl_clock_monotonic_ms(), end_ms);
        if (m && !m->err && n++ == 0) {
            ck_assert_uint_eq(m->key_len, 3);
            ck_assert_mem_eq(m->key, "key", 3);
            ck_assert_uint_eq(m->len, 9);
            ck_assert_mem_eq(m->payload, "{\"n\":\"x\"}", 9);
            ck_assert_str_eq(headers_text(m, &text),
                             "trace=abc empty= none=- trace=twice chsinkd-route=route "
                             "chsinkd-topic=edits chsinkd-partition=0 chsinkd-offset=0 "
                             "chsinkd-timestamp=1763715600000 "
                             "chsinkd-reason=column n: not a number chsinkd-column=n "
                             "chsinkd-attempt=1 ");
        } else if (m && !m->err) {
            ck_assert_ptr_null(m->key);
            ck_assert_ptr_null(m->payload);
            ck_assert_str_eq(headers_text(m, &text),
                             "chsinkd-route=route chsinkd-topic=origin chsinkd-partition=7 "
                             "chsinkd-offset=12345678901 chsinkd-timestamp=5 chsinkd-row=4 "
                             "chsinkd-reason=column n: not a number chsinkd-column=n "
                             "chsinkd-attempt=3 ");
        }
        if (m)
            rd_kafka_message_destroy(m);
    }
    rd_kafka_topic_partition_list_destroy(all);
    rd_kafka_destroy(consumer);
}
END_TEST

/* ---- faults ---- */

/* What the write comes to that meets the fault. The writes after it: with a new client where the
 * old one is dead. */
static const struct fault {
    int api;
    rd_kafka_resp_err_t code;
    unsigned times;
    enum deadletter_result result;
    rd_kafka_resp_err_t err_code;
} faults[] = {
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, 2, DEADLETTER_COMMITTED, 0},
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 1,
     DEADLETTER_NEEDS, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED},
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, 1, DEADLETTER_NEEDS,
     RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, 2, DEADLETTER_COMMITTED, 0},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1, DEADLETTER_NEEDS,
     RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1, DEADLETTER_RETRY,
     RD_KAFKA_RESP_ERR__FENCED},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 2, DEADLETTER_COMMITTED, 0},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1, DEADLETTER_NEEDS,
     RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED},
    {API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, 1, DEADLETTER_COMMITTED, 0},
    {API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1, DEADLETTER_NEEDS,
     RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED},
    {API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1, DEADLETTER_RETRY,
     RD_KAFKA_RESP_ERR__FENCED},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, 1, DEADLETTER_COMMITTED,
     0},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, 1, DEADLETTER_RETRY,
     RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 1, DEADLETTER_FENCED,
     RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, 1, DEADLETTER_FENCED,
     RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, 1, DEADLETTER_RETRY,
     RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 1, DEADLETTER_RETRY,
     RD_KAFKA_RESP_ERR__FENCED},
    {API_END_TXN, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 2, DEADLETTER_COMMITTED, 0},
    {API_END_TXN, RD_KAFKA_RESP_ERR__TRANSPORT, 2, DEADLETTER_COMMITTED, 0},
    /* Not known whether it was written: the first request may have been carried out, and its
     * answer lost. */
    {API_END_TXN, RD_KAFKA_RESP_ERR_UNKNOWN, 1, DEADLETTER_UNKNOWN, RD_KAFKA_RESP_ERR_UNKNOWN},
    {API_END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, 1, DEADLETTER_UNKNOWN,
     RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING},
    {API_END_TXN, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, 1, DEADLETTER_UNKNOWN,
     RD_KAFKA_RESP_ERR_INVALID_TXN_STATE},
    {API_END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1, DEADLETTER_UNKNOWN,
     RD_KAFKA_RESP_ERR__FENCED},
    {API_END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 1, DEADLETTER_UNKNOWN,
     RD_KAFKA_RESP_ERR__FENCED},
};

/* One after another with one writer, since a new client takes a second to begin. */
START_TEST(each_fault)
{
    struct pl_err err;

    letter_plain(100);
    for (const struct fault *f = faults; f < faults + PL_COUNT(faults); f++) {
        if (f->api == API_INIT_PRODUCER_ID)
            writer_renew();
        for (unsigned i = 0; i < f->times; i++)
            rd_kafka_mock_push_request_errors(mock.cluster, (int16_t)f->api, 1, f->code);
        enum deadletter_result result = write_letters(&err);
        ck_assert_msg(result == f->result && err.code == (int)f->err_code,
                      "request %d, %s: %d, %s: %s", f->api, rd_kafka_err2name(f->code), (int)result,
                      rd_kafka_err2name(err.code), err.msg);
        ck_assert_msg((err.kind == PL_ERR_NONE) == (result == DEADLETTER_COMMITTED) &&
                          (err.kind == PL_ERR_CONFIG) == (result == DEADLETTER_NEEDS),
                      "%s", pl_err_kind_name(err.kind));
        /* librdkafka remembers that a topic is not allowed, until its next look at the metadata. */
        if (f->api == API_PRODUCE && f->code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
            writer_renew();
        enum deadletter_result next = write_letters(&err);
        /* After a refused batch librdkafka gives up one more transaction, to get a new epoch. */
        if (next != DEADLETTER_COMMITTED && f->api == API_PRODUCE)
            next = write_letters(&err);
        ck_assert_msg(next == DEADLETTER_COMMITTED, "after request %d, %s: %s", f->api,
                      rd_kafka_err2name(f->code), err.msg);
    }
}
END_TEST

/* ---- letters that are too large ---- */

static struct pl_header own_header = {DEADLETTER_HEADER_PREFIX "route", ROUTE, sizeof(ROUTE) - 1};
static struct pl_header two_headers[2];
static struct dead_letter some[3];

/* Letters of these sizes, the values of byte 'a', 'b' ...; 0 ends. */
static void letters_some(const size_t *sizes)
{
    static char values[PL_COUNT(some)][MESSAGE_BYTES_MAX + 1];

    letters = (struct dead_letters){0};
    for (size_t i = 0; sizes[i] > 0; i++) {
        memset(values[i], 'a' + (int)i, sizes[i]);
        some[i] = (struct dead_letter){.value = values[i],
                                       .value_len = sizes[i],
                                       .offset = (int64_t)i,
                                       .headers = &own_header,
                                       .headers_n = 1};
        if (letters.last)
            letters.last->next = &some[i];
        else
            letters.first = &some[i];
        letters.last = &some[i];
        letters.count++;
    }
}

/* The last n messages of the topic of dead letters, as "<first byte or -><length>[ <omitted>] ". */
static const char *last_letters(int n, struct pl_buf *out)
{
    rd_kafka_t *consumer = client_new(RD_KAFKA_CONSUMER);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(1);
    int64_t end_ms = pl_clock_monotonic_ms() + WAIT_MS, low, high;
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};

    pl_buf_reset(out);
    ck_assert_int_eq(rd_kafka_query_watermark_offsets(consumer, DEAD, 0, &low, &high, WAIT_MS), 0);
    ck_assert_int_ge(high - low, n);
    rd_kafka_topic_partition_list_add(all, DEAD, 0)->offset = high - n;
    rd_kafka_assign(consumer, all);
    while (n > 0) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 100);
        ck_assert_int_lt(pl_clock_monotonic_ms(), end_ms);
        if (m && !m->err) {
            const char *why = strstr(headers_text(m, &text), "chsinkd-value-omitted=");
            pl_buf_addf(out, "%c%zu%s%s; ", m->len > 0 ? *(char *)m->payload : '-', m->len,
                        why ? " " : "", why ? why + strlen("chsinkd-value-omitted=") : "");
            n--;
        }
        if (m)
            rd_kafka_message_destroy(m);
    }
    rd_kafka_topic_partition_list_destroy(all);
    rd_kafka_destroy(consumer);
    return pl_buf_cstr(out);
}

static void check_written(int n, const char *expected)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    struct pl_err err;

    ck_assert_msg(write_letters(&err) == DEADLETTER_COMMITTED, "%s", err.msg);
    ck_assert_str_eq(last_letters(n, &out), expected);
}

static void refuse_size(unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        rd_kafka_mock_push_request_errors(mock.cluster, API_PRODUCE, 1,
                                          RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
}

START_TEST(too_large_for_the_client)
{
    letters_some((const size_t[]){10, MESSAGE_BYTES_MAX + 1, 20, 0});
    check_written(3, "a10; -0 100001 bytes, larger than the client's message.max.bytes ; c20; ");
    check_written(3, "a10; -0 100001 bytes, larger than the client's message.max.bytes ; c20; ");
}
END_TEST

/* The broker refuses a batch of letters, of which each may fit. */
START_TEST(too_large_together)
{
    letters_some((const size_t[]){10, 20, 0});
    refuse_size(1);
    check_written(2, "a10; b20; ");
}
END_TEST

START_TEST(too_large_for_the_topic)
{
    letters_some((const size_t[]){10, 0});
    refuse_size(1);
    check_written(1, "-0 10 bytes, larger than the topic's max.message.bytes ; ");
    letters_some((const size_t[]){10, 20, 0});
    refuse_size(2); /* the batch, and the first letter alone */
    check_written(2, "-0 10 bytes, larger than the topic's max.message.bytes ; b20; ");
}
END_TEST

/* Even without its value: key and headers are left out as well. If that does not help, the topic's
 * limit is far too small, which a person must mend. */
START_TEST(too_large_without_its_value)
{
    struct pl_err err;

    letters_some((const size_t[]){10, 0});
    two_headers[0] = own_header;
    two_headers[1] = (struct pl_header){"trace", "x", 1};
    some[0].headers = two_headers;
    some[0].headers_n = 2;
    some[0].key = (char *)"key";
    some[0].key_len = 3;
    refuse_size(2);
    check_written(1, "-0 10 bytes (and key and headers), larger than the topic's "
                     "max.message.bytes ; ");
    refuse_size(3);
    ck_assert_int_eq(write_letters(&err), DEADLETTER_NEEDS);
    ck_assert_msg(strstr(err.msg, "max.message.bytes"), "%s", err.msg);
}
END_TEST

/* The refusal is there before the offsets are sent, or before the commit: that call then fails, for
 * the same reason. */
static void too_large_late(int *late_ms)
{
    struct pl_err err;

    *late_ms = 500;
    letters_some((const size_t[]){10, 20, 0});
    refuse_size(2);
    check_written(2, "-0 10 bytes, larger than the topic's max.message.bytes ; b20; ");
    letters_some((const size_t[]){10, 0});
    refuse_size(3);
    ck_assert_int_eq(write_letters(&err), DEADLETTER_NEEDS);
    ck_assert_msg(strstr(err.msg, "max.message.bytes"), "%s", err.msg);
    *late_ms = 0;
}

START_TEST(too_large_before_the_offsets)
{
    too_large_late(&offsets_late_ms);
}
END_TEST

START_TEST(too_large_before_the_commit)
{
    too_large_late(&commit_late_ms);
}
END_TEST

/* ---- time ---- */

static void rtt_set(int rtt_ms)
{
    ck_assert_int_eq(rd_kafka_mock_broker_set_rtt(mock.cluster, -1, rtt_ms), 0);
}

/* Two round trips are needed until a message is in the log, which take longer than the time-out. */
static void write_too_slowly(enum deadletter_result expected, struct pl_err *err)
{
    rtt_set(1200);
    ck_assert_int_eq(write_letters(err), expected);
    rtt_set(0);
}

static void short_timeout(void)
{
    kafka_mock_set(&mock, "transaction.timeout.ms", "2000");
    writer_renew();
    letter_plain(100);
    ck_assert_int_eq(write_letters(&(struct pl_err){0}), DEADLETTER_COMMITTED);
}

START_TEST(too_slow_once)
{
    struct pl_err err;
    int tries = 0;

    short_timeout();
    rtt_set(1200);
    while (write_letters(&err) == DEADLETTER_RETRY && ++tries < 5)
        ;
    ck_assert_int_ge(tries, 1); /* each had twice as long */
    ck_assert_msg(err.kind == PL_ERR_NONE, "%s", err.msg);
}
END_TEST

/* The broker does not allow longer ones. */
START_TEST(too_slow_for_ever)
{
    struct pl_err err;

    short_timeout();
    write_too_slowly(DEADLETTER_RETRY, &err);
    rd_kafka_mock_push_request_errors(mock.cluster, API_INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT);
    ck_assert_int_eq(write_letters(&err), DEADLETTER_RETRY);
    ck_assert_msg(write_letters(&err) == DEADLETTER_COMMITTED, "%s", err.msg); /* with 2 s again */
    write_too_slowly(DEADLETTER_NEEDS, &err);
    ck_assert_msg(strstr(err.msg, "transaction.max.timeout.ms"), "%s", err.msg);
    ck_assert_int_eq(write_letters(&err), DEADLETTER_COMMITTED);
}
END_TEST

static void *give_up_soon(void *unused)
{
    poll(NULL, 0, 300);
    give_up = true;
    return unused;
}

/* Kafka is away at the first write. (Under way: check_transaction.c.) */
START_TEST(gives_up)
{
    pthread_t thread;
    struct pl_err err;

    letter_plain(100);
    rd_kafka_mock_broker_set_down(mock.cluster, -1);
    int64_t began_ms = pl_clock_monotonic_ms();
    pthread_create(&thread, NULL, give_up_soon, NULL);
    ck_assert_int_eq(write_letters(&err), DEADLETTER_RETRY);
    pthread_join(thread, NULL);
    ck_assert_msg(err.kind == PL_ERR_RETRY, "%s", err.msg);
    ck_assert_int_lt(pl_clock_monotonic_ms() - began_ms, 10000);
    rd_kafka_mock_broker_set_up(mock.cluster, -1);
    give_up = false;
    ck_assert_msg(write_letters(&err) == DEADLETTER_COMMITTED, "%s", err.msg);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("mock cluster", .set_up = set_up, .tear_down = tear_down),
        TEST(letters_are_the_message_and_its_story),
        TEST(each_fault),
        TEST(too_large_for_the_client),
        TEST(too_large_together),
        TEST(too_large_for_the_topic),
        TEST(too_large_without_its_value),
        TEST(too_large_before_the_offsets),
        TEST(too_large_before_the_commit),
        TEST(too_slow_once),
        TEST(too_slow_for_ever),
        TEST(gives_up),
    };
    return unit_main("deadletter", tests, PL_COUNT(tests));
}
