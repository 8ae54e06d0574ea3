/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_letters.c - dead letters as data: what a message's refused rows come to, in which order
 * letters lie, and which rows a replay takes. links: chsinkd
 *
 * Only librdkafka can make a message with headers, so one is written to its mock cluster and read
 * back; the tests then change its offset.
 */
#include "daemons/chsinkd/batch/letters.h"
#include "daemons/chsinkd/sink/protocol/note.h"
#include "lib/base/clock.h"
#include "tests/unit/kafka_mock.h"

#define VALUE_LEN 33000
#define WAIT_MS   30000 /* only a failing test meets it */

static struct kafka_mock mock;
static rd_kafka_t *producer, *consumer;
static rd_kafka_message_t *message;

static rd_kafka_t *client_new(rd_kafka_type_t type)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];
    rd_kafka_conf_set(conf, "bootstrap.servers", mock.settings[0].value, text, sizeof(text));
    rd_kafka_conf_set(conf, "group.id", "g", text, sizeof(text));
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    ck_assert_msg(rk != NULL, "%s", text);
    return rk;
}

/* `rows_header`: of a dead letter that is replayed; NULL: an ordinary message. */
static void message_make(const char *rows_header)
{
    static char value[VALUE_LEN];
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    rd_kafka_header_add(headers, "trace", -1, "abc", -1);
    if (rows_header)
        rd_kafka_header_add(headers, strchr(rows_header, ',') ? "chsinkd-rows" : "chsinkd-row", -1,
                            rows_header, -1);
    ck_assert_ptr_null(rd_kafka_produceva(
        producer,
        (rd_kafka_vu_t[]){{.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = "t"},
                          {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0},
                          {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value, sizeof(value)}},
                          {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers}},
        4));
    ck_assert_int_eq(rd_kafka_flush(producer, WAIT_MS), 0);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(all, "t", 0)->offset = 0;
    rd_kafka_assign(consumer, all);
    rd_kafka_topic_partition_list_destroy(all);
    int64_t end_ms = pl_clock_monotonic_ms() + WAIT_MS;
    while (!message || message->err) {
        ck_assert_int_lt(pl_clock_monotonic_ms(), end_ms);
        if (message)
            rd_kafka_message_destroy(message);
        message = rd_kafka_consumer_poll(consumer, 100);
    }
}

static void set_up(void)
{
    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, "t", 1);
    producer = client_new(RD_KAFKA_PRODUCER);
    consumer = client_new(RD_KAFKA_CONSUMER);
}

static void tear_down(void)
{
    if (message)
        rd_kafka_message_destroy(message);
    rd_kafka_destroy(producer);
    rd_kafka_destroy(consumer);
}

static void add(struct dead_letters *l, int64_t offset, int64_t row, bool replayed)
{
    message->offset = offset;
    dead_letters_add(l, message,
                     &(struct dead_letter_why){"r", row, row == 3 ? "first" : "other",
                                               row == 3 ? "c" : NULL, replayed});
}

/* Our headers about rows and reasons, "name=value ". */
static void headers_assert(const struct dead_letter *d, const char *want)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    for (unsigned i = 0; i < d->headers_n; i++) {
        const struct pl_header *h = &d->headers[i];
        if (strstr(h->name, "row") || strstr(h->name, "reason") || strstr(h->name, "rejected") ||
            strstr(h->name, "column") || strstr(h->name, "trace"))
            pl_buf_addf(&text, "%s=%.*s ", h->name, (int)h->len, (const char *)h->value);
    }
    ck_assert_str_eq(pl_buf_cstr(&text), want);
}

static void list_assert(const struct dead_letters *l)
{
    uint64_t count = 0;
    size_t bytes = 0;
    const struct dead_letter *last = NULL;
    for (const struct dead_letter *d = l->first; d; d = d->next) {
        ck_assert(!last || last->offset < d->offset);
        last = d;
        count++;
        bytes += d->bytes;
    }
    ck_assert_ptr_eq(l->last, last);
    ck_assert_uint_eq(l->count, count);
    ck_assert_uint_eq(l->bytes, bytes);
}

START_TEST(a_message_is_one_letter)
{
    struct dead_letters l = {0};
    message_make(NULL);
    add(&l, 7, 3, false);
    headers_assert(l.first, "trace=abc chsinkd-row=3 chsinkd-reason=first chsinkd-column=c ");
    for (int64_t row = 4; row < 3000; row++)
        if (row % 100 != 0)
            add(&l, 7, row, false);
    list_assert(&l);
    ck_assert_uint_eq(l.count, 1);
    ck_assert_msg(l.bytes < 2 * VALUE_LEN, "%zu bytes", l.bytes);
    add(&l, 8, 0, false);
    add(&l, 8, 1, false);
    add(&l, 8, 5, false);
    headers_assert(l.last, "trace=abc chsinkd-rows=0-1,5 chsinkd-reason=other chsinkd-rejected=3 ");
    ck_assert_uint_eq(l.count, 2);
    /* The rest of message 8 turns out to be refused as well. */
    add(&l, 8, -1, false);
    headers_assert(l.last, "trace=abc chsinkd-reason=other ");
    list_assert(&l);
    dead_letters_release(&l);
}
END_TEST

START_TEST(row_lists_are_bounded)
{
    struct dead_letters l = {0};
    message_make(NULL);
    for (int64_t i = 0; i < ROW_SET_RANGES_MAX; i++)
        add(&l, 1, (INT64_C(1) << 30) + 2 * i, false);
    ck_assert_uint_lt(l.bytes, VALUE_LEN + 64 * 1024);
    PL_CLEANUP(row_set_release) struct row_set set = {0};
    ck_assert(row_set_parse(&set, l.first->row_text.data, l.first->row_text.len));
    ck_assert_uint_eq(set.n, ROW_SET_RANGES_MAX);
    dead_letters_release(&l);
}
END_TEST

/* What is refused when a dead letter is replayed stays about the same rows: the others are in the
 * table. A message that only looks so is about itself. */
START_TEST(a_replay_keeps_its_rows)
{
    struct dead_letters l = {0};
    message_make("0,3-5");
    add(&l, 1, -1, true);
    headers_assert(l.last, "trace=abc chsinkd-rows=0,3-5 chsinkd-reason=other ");
    add(&l, 2, 3, true);
    headers_assert(l.last, "trace=abc chsinkd-row=3 chsinkd-reason=first chsinkd-column=c ");
    add(&l, 2, -1, true);
    headers_assert(l.last, "trace=abc chsinkd-rows=0,3-5 chsinkd-reason=other ");
    add(&l, 3, -1, false);
    headers_assert(l.last, "trace=abc chsinkd-reason=other ");
    list_assert(&l);
    dead_letters_release(&l);
}
END_TEST

START_TEST(letters_lie_by_offset)
{
    for (int64_t at = 0; at <= 10; at++) {
        struct dead_letters l = {0}, rest = {0};
        if (!message)
            message_make(NULL);
        add(&l, 2, 3, false);
        add(&l, 6, -1, false);
        add(&l, 8, 1, false);
        add(&l, 4, -1, false); /* found later */
        add(&l, 2, -1, false);
        list_assert(&l);
        ck_assert_uint_eq(l.count, 4);
        dead_letters_remove(&l, at);
        list_assert(&l);
        ck_assert_uint_eq(l.count, at >= 2 && at <= 8 && at % 2 == 0 ? 3 : 4);
        add(&l, at, -1, false);
        add(&l, 5, -1, false);
        dead_letters_remove(&l, at);
        dead_letters_remove(&l, 5);
        list_assert(&l);
        for (int64_t i = 2; i <= 8; i += 2)
            add(&l, i, -1, false);
        dead_letters_add_gone(&l, "t", 0, 6, &(struct dead_letter_why){.route = "r", .text = "x"});
        ck_assert_uint_eq(l.count, 4); /* the one that has the bytes stays */
        dead_letters_split(&l, at, &rest);
        list_assert(&l);
        list_assert(&rest);
        ck_assert_uint_eq(l.count + rest.count, 4);
        ck_assert(!l.last || l.last->offset < at);
        ck_assert(!rest.first || rest.first->offset >= at);
        dead_letters_release(&l);
        dead_letters_release(&rest);
    }
}
END_TEST

/* What is kept with an output's position gives the same letters again. */
START_TEST(a_note_brings_them_back)
{
    struct dead_letters l = {0}, again = {0};
    const struct note_last last = {9, 1732849200123};
    struct note note = {0};
    struct pl_err err;
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0}, second = {0};
    message_make(NULL);
    note_write("a-0", &(struct note_last){7, -1}, &l, &text);
    ck_assert_str_eq(pl_buf_cstr(&text), "{\"id\":\"a-0\"}");
    ck_assert_int_eq(note_parse(&note, text.data, text.len, &err), 0);
    ck_assert_uint_eq(note.n, 0);
    add(&l, 2, -1, false);
    add(&l, 6, 3, false);
    for (int64_t row = 7; row < 10; row++)
        add(&l, 6, row, false);
    add(&l, 9, 3, false);
    text.len = 0;
    note_write("a-1", &last, &l, &text);
    ck_assert_str_eq(pl_buf_cstr(&text),
                     "{\"id\":\"a-1\",\"last\":{\"offset\":9,\"timestamp\":1732849200123},\"dead\":"
                     "[{\"offset\":2,\"reason\":\"other\"},"
                     "{\"offset\":6,\"rows\":\"3,7-9\",\"column\":\"c\",\"reason\":\"first\"},"
                     "{\"offset\":9,\"rows\":\"3\",\"column\":\"c\",\"reason\":\"first\"}]}");
    ck_assert_int_eq(note_parse(&note, text.data, text.len, &err), 0);
    for (message->offset = 0; message->offset < 12; message->offset++) {
        const struct note_letter *letter = note_find(&note, message->offset);
        ck_assert_int_eq(letter != NULL,
                         message->offset == 2 || message->offset == 6 || message->offset == 9);
        if (letter)
            note_letter_add(letter, message, "r", false, &again);
    }
    ck_assert(!note_tells_another(&note, &last));
    ck_assert(!note_tells_another(&note, &(struct note_last){8, 1}));
    ck_assert(note_tells_another(&note, &(struct note_last){9, 1732849200124}));
    list_assert(&again);
    note_write("a-1", &note.last, &again, &second);
    ck_assert_str_eq(pl_buf_cstr(&second), pl_buf_cstr(&text));
    const struct dead_letter *d = again.first;
    for (const struct dead_letter *was = l.first; was; was = was->next, d = d->next) {
        ck_assert_uint_eq(d->headers_n, was->headers_n);
        ck_assert_uint_eq(d->value_len, was->value_len);
    }
    dead_letters_release(&l);
    dead_letters_release(&again);
    note_release(&note);
}
END_TEST

START_TEST(notes_of_others_are_refused)
{
    static const char *const texts[] = {
        "x",
        "{}",
        "{\"id\":1}",
        "{\"id\":\"a\",\"dead\":1}",
        "{\"id\":\"a\",\"last\":{\"offset\":1}}",
        "{\"id\":\"a\",\"dead\":[{\"offset\":1}]}",
        "{\"id\":\"a\",\"dead\":[{\"offset\":-1,\"reason\":\"r\"}]}",
        "{\"id\":\"a\",\"dead\":[{\"offset\":1,\"reason\":\"r\",\"rows\":\"x\"}]}",
        "{\"id\":\"a\",\"dead\":[{\"offset\":1,\"reason\":\"r\",\"rows\":\"0-9223372036854775807\"}"
        "]}",
        "{\"id\":\"a\",\"dead\":[{\"offset\":1,\"reason\":\"r\"},{\"offset\":1,\"reason\":\"r\"}]}",
    };
    struct note note = {0};
    struct pl_err err;
    ck_assert_int_eq(note_parse(&note, texts[_i], strlen(texts[_i]), &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_ptr_null(note_find(&note, 1));
    ck_assert_int_eq(note_parse(&note, "", 0, &err), 0);
}
END_TEST

static const struct {
    const char *text;
    unsigned ranges; /* 0: not such a text */
} set_cases[] = {
    {"7", 1},
    {"0", 1},
    {"0,3,7-12", 3},
    {"0-1,2", 1},
    {"", 0},
    {",", 0},
    {"1,", 0},
    {",1", 0},
    {"3,3", 0},
    {"3,1", 0},
    {"5-4", 0},
    {"1-", 0},
    {"-1", 0},
    {"x", 0},
    {"1 ,2", 0},
    {"1-2-3", 0},
    {"1-3,3", 0},
    {"+1", 0},
    {"07,8", 1},
    {"9223372036854775807", 1},
    {"0-9223372036854775807", 1},
    {"9223372036854775808", 0},
};

START_TEST(row_sets)
{
    PL_CLEANUP(row_set_release) struct row_set s = {0};
    const char *text = set_cases[_i].text;
    ck_assert(row_set_add(&s, 1, 2));
    ck_assert_int_eq(row_set_parse(&s, text, strlen(text)), set_cases[_i].ranges > 0);
    ck_assert_uint_eq(s.n, set_cases[_i].ranges);
}
END_TEST

START_TEST(row_set_membership)
{
    PL_CLEANUP(row_set_release) struct row_set s = {0};
    unsigned at = 0;
    ck_assert(row_set_parse(&s, "0,3,7-9", 7));
    for (int64_t row = 0; row < 20; row++)
        ck_assert_int_eq(row_set_has(&s, row, &at), row == 0 || row == 3 || (row >= 7 && row <= 9));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(row_sets, .count = PL_COUNT(set_cases)),
        TEST(row_set_membership),
        TEST(notes_of_others_are_refused, .count = 10),
        TCASE("letters", .set_up = set_up, .tear_down = tear_down),
        TEST(a_message_is_one_letter),
        TEST(row_lists_are_bounded),
        TEST(a_replay_keeps_its_rows),
        TEST(letters_lie_by_offset),
        TEST(a_note_brings_them_back),
    };
    return unit_main("letters", tests, PL_COUNT(tests));
}
