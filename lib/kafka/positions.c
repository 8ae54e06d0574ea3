/* SPDX-License-Identifier: Apache-2.0 */
/*
 * positions.c - see positions.h.
 *
 * Two of librdkafka's consumers, which need no group: no coordinator to wait for, no permission on
 * a group. The first, of uncommitted records, asks where each partition begins and ends.
 * (rd_kafka_query_watermark_offsets() does that too, but cannot be interrupted before the broker
 * answers or socket.timeout.ms is over.) The second reads committed records up to that end. A
 * record, or the end of what may be read, shows that it got there: the last entry of a partition is
 * often no record but a transaction's end marker, or was aborted.
 */
#include "lib/kafka/positions.h"

#include <inttypes.h>
#include <poll.h>

#include "lib/base/clock.h"
#include "lib/kafka/internal.h"
#include "lib/kafka/topic.h"
#include "lib/log/log.h"
#include "lib/service/signals.h"

#define SLICE_MS      100   /* how long one call into librdkafka may block */
#define HELD_SHOWN_MS 2000  /* show a hidden end after this; most transactions end sooner */
#define SHOW_MS       1000  /* how often STATUS is renewed */
#define HELD_LOG_MS   60000 /* and the log line repeated */

PL_DEFINE_CLEANUP(rd_kafka_message_t *, rd_kafka_message_destroy);
PL_DEFINE_CLEANUP(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy);

struct entry {
    struct pl_kafka_position *position;
    char *value; /* the newest so far; NULL: none, or a tombstone */
    size_t len;
    char *writer;
    int64_t timestamp;
    int partition; /* where it was found; -1: nowhere */
};

struct partition {
    int64_t end;   /* the high watermark */
    int64_t at;    /* read up to here */
    bool done;     /* at >= end */
    bool at_limit; /* read as far as allowed: an open transaction hides what follows */
};

struct reader {
    struct pl_daemon *daemon;
    const char *topic;
    int64_t timeout_ms;
    struct entry *entries; /* sorted by key */
    size_t entries_n;
    struct partition *partitions;
    int64_t *begins; /* of the partitions: their first offsets */
    int partitions_n;
    int64_t moved_ms;            /* monotonic: when something came last */
    int64_t held_ms;             /* since when only open transactions are in the way; 0: not */
    int64_t shown_ms, logged_ms; /* when that was shown, logged */
};

/* ---- one consumer ---- */

void kafka_reader_release(struct kafka_reader *c)
{
    for (int i = 0; i < c->started; i++)
        rd_kafka_consume_stop(c->rkt, i);
    if (c->queue)
        rd_kafka_queue_destroy(c->queue);
    if (c->rkt)
        rd_kafka_topic_destroy(c->rkt);
    if (c->rk)
        rd_kafka_destroy(c->rk);
}

int kafka_reader_open(struct kafka_reader *c, const struct pl_map *map, const char *isolation,
                      struct pl_err *err)
{
    /* At the end of a partition, which each start waits for, the broker holds the answer back for
     * this long; while another's transaction hides the end, it is asked as often. */
    static const char *const defaults[] = {"fetch.wait.max.ms", "5", NULL};
    /* clang-format off */
    const char *const forced[] = {
        "isolation.level", isolation,
        "enable.partition.eof", "true",
        "allow.auto.create.topics", "false",
        "auto.offset.reset", "earliest", /* after retention deletes what is next */
        NULL};
    /* clang-format on */
    c->health.borrowed_map = true;
    rd_kafka_conf_t *conf = pl_kafka_conf_new(map, defaults, forced, &c->health, err);
    if (!conf)
        return -1;
    /* Only the leader knows the end; client.rack may choose a follower, which lags. */
    rd_kafka_conf_set(conf, "client.rack", "", NULL, 0);
    c->rk = pl_kafka_new(RD_KAFKA_CONSUMER, conf, err);
    return c->rk ? 0 : -1;
}

int kafka_reader_start(struct kafka_reader *c, const char *topic, int partitions,
                       const int64_t *offsets, struct pl_err *err)
{
    c->queue = rd_kafka_queue_new(c->rk);
    c->rkt = rd_kafka_topic_new(c->rk, topic, NULL);
    if (!c->rkt)
        return pl_kafka_err(err, rd_kafka_last_error(), "topic \"%s\"", topic);
    for (; c->started < partitions; c->started++)
        if (rd_kafka_consume_start_queue(c->rkt, c->started, offsets[c->started], c->queue) != 0)
            return pl_kafka_err(err, rd_kafka_last_error(), "cannot read topic \"%s\"", topic);
    return 0;
}

/* ---- what came ---- */

static int entry_compare(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    return strcmp(left->position->key, right->position->key);
}

static struct entry *entry_find(const struct reader *r, const char *key, size_t len)
{
    size_t low = 0, high = r->entries_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *found = r->entries[middle].position->key;
        int order = strncmp(found, key, len);
        if (order == 0 && found[len] == '\0')
            return &r->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

char *kafka_record_writer(const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t len;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, PL_KAFKA_WRITER_HEADER, &value, &len) !=
            RD_KAFKA_RESP_ERR_NO_ERROR ||
        !value)
        return NULL;
    return pl_strndup(value, len < PL_KAFKA_WRITER_MAX ? len : PL_KAFKA_WRITER_MAX);
}

static void record_take(const struct reader *r, const rd_kafka_message_t *m)
{
    struct entry *e = NULL;
    if (m->key && !memchr(m->key, '\0', m->key_len))
        e = entry_find(r, m->key, m->key_len);
    if (!e)
        return;
    /* A key is in one partition, where the later offset wins; in two only after somebody added
     * partitions, and then the time decides. */
    int64_t timestamp = rd_kafka_message_timestamp(m, NULL);
    if (e->partition != m->partition && e->partition >= 0 && timestamp < e->timestamp)
        return;
    free(e->value);
    e->value = m->payload ? pl_strndup(m->payload, m->len) : NULL;
    e->len = m->payload ? m->len : 0;
    free(e->writer);
    e->writer = kafka_record_writer(m);
    e->timestamp = timestamp;
    e->partition = m->partition;
}

/* A record came, or (`at_limit`) nothing more can be read at this offset. */
static void partition_move(struct partition *p, int64_t offset, bool at_limit)
{
    p->at = at_limit ? offset : offset + 1;
    p->at_limit = at_limit;
    p->done = p->at >= p->end;
}

static int message_take(struct reader *r, const rd_kafka_message_t *m, struct pl_err *err)
{
    bool at_limit = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR && !at_limit)
        return pl_kafka_err_kind(m->err) == PL_ERR_RETRY
                   ? 0 /* librdkafka tries again by itself */
                   : pl_kafka_err(err, m->err, "cannot read topic \"%s\"", r->topic);
    if (m->partition < 0 || m->partition >= r->partitions_n)
        return 0;
    if (!at_limit)
        record_take(r, m);
    partition_move(&r->partitions[m->partition], m->offset, at_limit);
    r->moved_ms = pl_clock_monotonic_ms();
    return 0;
}

/* ---- waiting ---- */

/* How many partitions are not read to their end. ret_held: the first of them if open transactions
 * hide the ends of all; else NULL. */
static int reader_left(const struct reader *r, const struct partition **ret_held)
{
    int left = 0, held = 0;
    *ret_held = NULL;
    for (int i = 0; i < r->partitions_n; i++) {
        const struct partition *p = &r->partitions[i];
        left += !p->done;
        if (!p->done && p->at_limit && held++ == 0)
            *ret_held = p;
    }
    if (held < left)
        *ret_held = NULL;
    return left;
}

static void held_show(struct reader *r, const struct partition *held,
                      struct pl_kafka_health *health)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    char why[sizeof(health->last_text)] = "";
    if (r->held_ms == 0)
        r->held_ms = now_ms;
    int64_t waited_ms = now_ms - r->held_ms;
    if (waited_ms < HELD_SHOWN_MS || now_ms - r->shown_ms < SHOW_MS)
        return;
    r->shown_ms = now_ms;
    pl_kafka_health_text(health, SHOW_MS * 5, why);
    pl_daemon_step(r->daemon, HELD_LOG_MS,
                   "waiting for topic %s, partition %d, for %" PRId64 " s: read to %" PRId64
                   " of %" PRId64 ", an open transaction of another name hides the rest%s%s",
                   r->topic, (int)(held - r->partitions), waited_ms / 1000, held->at, held->end,
                   why[0] ? "; " : "", why);
    if (r->logged_ms != 0 && now_ms - r->logged_ms < HELD_LOG_MS)
        return;
    r->logged_ms = now_ms;
    pl_log(PL_WARNING, PL_EVENT_POSITION_HELD,
           "the position is not known yet: an open transaction of another name in its topic hides "
           "it, until that ends or its transaction.timeout.ms is over; kafka-transactions.sh "
           "find-hanging shows one that never will",
           PL_F_STR("TOPIC", r->topic), PL_F_INT("PARTITION", held - r->partitions),
           PL_F_INT("OFFSET", held->at), PL_F_INT("END", held->end),
           PL_F_INT("WAITED_MS", waited_ms));
}

/* Whatever its length: it ends when nothing comes for timeout_ms. */
static void reading_show(struct reader *r)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    if (now_ms - r->shown_ms < SHOW_MS)
        return;
    r->shown_ms = now_ms;
    pl_daemon_step(r->daemon, 2 * r->timeout_ms, "reading topic %s to its end", r->topic);
}

static int reader_late(const struct reader *r, struct pl_kafka_health *health, struct pl_err *err)
{
    char why[sizeof(health->last_text)] = "";
    bool known = pl_kafka_health_text(health, r->timeout_ms, why);
    return pl_err_set(err, PL_ERR_RETRY, RD_KAFKA_RESP_ERR__TIMED_OUT,
                      "topic \"%s\" is not read to its end: nothing came for %" PRId64 " ms%s%s",
                      r->topic, r->timeout_ms, known ? ": " : "", why);
}

/* Until all partitions are done. */
static int reader_run(struct reader *r, struct kafka_reader *c, struct pl_err *err)
{
    const struct partition *held;
    r->moved_ms = pl_clock_monotonic_ms();
    while (reader_left(r, &held) > 0) {
        PL_CLEANUP(rd_kafka_message_destroyp)
        rd_kafka_message_t *m = rd_kafka_consume_queue(c->queue, SLICE_MS);
        if (m && message_take(r, m, err) < 0)
            return -1;
        if (!m)
            rd_kafka_poll(c->rk, 0); /* the error callback */
        if (pl_signals_stop_is_pending())
            return pl_err_set(err, PL_ERR_RETRY, 0, "stopped while reading topic \"%s\"", r->topic);
        if (held)
            held_show(r, held, &c->health);
        else if (pl_clock_monotonic_ms() - r->moved_ms > r->timeout_ms)
            return reader_late(r, &c->health, err);
        else
            reading_show(r);
    }
    if (r->logged_ms != 0)
        pl_log(PL_NOTICE, NULL, "the position's topic is read to its end",
               PL_F_STR("TOPIC", r->topic));
    return 0;
}

/* ---- both passes ---- */

static int topic_open(struct reader *r, rd_kafka_t *rk, struct pl_err *err)
{
    int there = pl_kafka_topic_exists(rk, r->topic, (int)r->timeout_ms, &r->partitions_n, err);
    if (there < 0)
        return -1;
    if (there == 0)
        return pl_err_set(err, PL_ERR_CONFIG, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                          "topic \"%s\" is missing", r->topic);
    if (r->partitions_n == 0) /* its metadata is not complete yet: no answer, not an empty topic */
        return pl_err_set(err, PL_ERR_RETRY, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
                          "Kafka does not name the partitions of topic \"%s\"", r->topic);
    r->partitions = pl_alloc_array((size_t)r->partitions_n, sizeof(*r->partitions));
    r->begins = pl_alloc_array((size_t)r->partitions_n, sizeof(*r->begins));
    return 0;
}

/* Whether the broker has named an offset for each; else err says why not. 0: not yet. */
static int offsets_there(const struct reader *r, const rd_kafka_topic_partition_list_t *list,
                         struct pl_err *err)
{
    int there = 1;
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_resp_err_t code = list->elems[i].err;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR && pl_kafka_err_kind(code) != PL_ERR_RETRY)
            return pl_kafka_err(err, code, "cannot read topic \"%s\"", r->topic);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR || list->elems[i].offset < 0)
            there = 0;
    }
    return there;
}

/* Asks the leaders where the partitions begin or end: `which` is RD_KAFKA_OFFSET_BEGINNING or
 * _END, which go to the broker as they are. (A consumer that starts there asks as well, but half a
 * second later where its own thread has not met the leader yet.) */
static int offsets_ask(struct reader *r, struct kafka_reader *c, int64_t which, int64_t *ret,
                       struct pl_err *err)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(r->partitions_n);
    int64_t began_ms = pl_clock_monotonic_ms(), waited_ms = 0;
    for (int i = 0; i < r->partitions_n; i++)
        rd_kafka_topic_partition_list_add(list, r->topic, i);
    while (waited_ms <= r->timeout_ms) {
        for (int i = 0; i < r->partitions_n; i++) {
            list->elems[i].offset = which;
            list->elems[i].err = RD_KAFKA_RESP_ERR__IN_PROGRESS;
        }
        rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(
            c->rk, list, pl_kafka_slice_ms(waited_ms, r->timeout_ms - waited_ms + 1));
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR && pl_kafka_err_kind(code) != PL_ERR_RETRY)
            return pl_kafka_err(err, code, "cannot read topic \"%s\"", r->topic);
        int there = code == RD_KAFKA_RESP_ERR_NO_ERROR ? offsets_there(r, list, err) : 0;
        if (there < 0)
            return -1;
        for (int i = 0; there && i < r->partitions_n; i++)
            ret[i] = list->elems[i].offset;
        if (there)
            return 0;
        rd_kafka_poll(c->rk, 0); /* the error callback */
        if (pl_signals_stop_is_pending())
            return pl_err_set(err, PL_ERR_RETRY, 0, "stopped while reading topic \"%s\"", r->topic);
        if (code != RD_KAFKA_RESP_ERR__TIMED_OUT)
            poll(NULL, 0, SLICE_MS);
        reading_show(r);
        waited_ms = pl_clock_monotonic_ms() - began_ms;
    }
    return reader_late(r, &c->health, err);
}

static int ends_find(struct reader *r, const struct pl_map *map, struct pl_err *err)
{
    PL_CLEANUP(kafka_reader_release) struct kafka_reader c = {0};
    if (kafka_reader_open(&c, map, "read_uncommitted", err) < 0 || topic_open(r, c.rk, err) < 0)
        return -1;
    PL_FREE int64_t *ends = pl_alloc_array((size_t)r->partitions_n, sizeof(*ends));
    if (offsets_ask(r, &c, RD_KAFKA_OFFSET_BEGINNING, r->begins, err) < 0 ||
        offsets_ask(r, &c, RD_KAFKA_OFFSET_END, ends, err) < 0)
        return -1;
    for (int i = 0; i < r->partitions_n; i++)
        r->partitions[i] =
            (struct partition){.at = r->begins[i], .end = ends[i], .done = r->begins[i] >= ends[i]};
    return 0;
}

static int records_read(struct reader *r, const struct pl_map *map, struct pl_err *err)
{
    PL_CLEANUP(kafka_reader_release) struct kafka_reader c = {0};
    const struct partition *held;
    if (reader_left(r, &held) == 0)
        return 0;
    if (kafka_reader_open(&c, map, "read_committed", err) < 0 ||
        kafka_reader_start(&c, r->topic, r->partitions_n, r->begins, err) < 0)
        return -1;
    return reader_run(r, &c, err);
}

static void reader_release(struct reader *r)
{
    for (size_t i = 0; r->entries && i < r->entries_n; i++) {
        free(r->entries[i].value);
        free(r->entries[i].writer);
    }
    free(r->entries);
    free(r->begins);
    free(r->partitions);
}

int pl_kafka_positions_read(struct pl_daemon *d, const struct pl_map *map, const char *topic,
                            int64_t timeout_ms, struct pl_kafka_position *positions, size_t n,
                            struct pl_err *err)
{
    return pl_kafka_positions_read_ends(d, map, topic, timeout_ms, positions, n, NULL, err);
}

void pl_kafka_ends_release(struct pl_kafka_ends *ends)
{
    free(ends->v);
    *ends = (struct pl_kafka_ends){0};
}

static void ends_take(const struct reader *r, struct pl_kafka_ends *ret)
{
    pl_kafka_ends_release(ret);
    ret->v = pl_alloc_array((size_t)r->partitions_n, sizeof(*ret->v));
    for (; ret->n < r->partitions_n; ret->n++)
        ret->v[ret->n] = r->partitions[ret->n].end;
}

int pl_kafka_positions_read_ends(struct pl_daemon *d, const struct pl_map *map, const char *topic,
                                 int64_t timeout_ms, struct pl_kafka_position *positions, size_t n,
                                 struct pl_kafka_ends *ret_ends, struct pl_err *err)
{
    PL_CLEANUP(reader_release)
    struct reader r = {.daemon = d, .topic = topic, .timeout_ms = timeout_ms};
    if (ends_find(&r, map, err) < 0)
        return -1;
    r.entries = pl_alloc_array(n, sizeof(*r.entries));
    for (; r.entries_n < n; r.entries_n++)
        r.entries[r.entries_n] =
            (struct entry){.position = &positions[r.entries_n], .partition = -1};
    qsort(r.entries, n, sizeof(*r.entries), entry_compare);
    if (records_read(&r, map, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct entry *e = &r.entries[i];
        e->position->len = e->len;
        e->position->value = PL_TAKE(e->value);
        e->position->writer = PL_TAKE(e->writer);
        e->position->timestamp_ms = e->timestamp;
    }
    if (ret_ends)
        ends_take(&r, ret_ends);
    return 0;
}

void pl_kafka_positions_release(struct pl_kafka_position *positions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(PL_TAKE(positions[i].value));
        free(PL_TAKE(positions[i].writer));
        positions[i].len = 0;
    }
}
