/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer.c - the thread that reads Kafka and drives the partitions (sink.h).
 *
 * The queues of the partitions are forwarded to a queue of our own (`data`), so that
 * consumer_poll() gives only the group's events, and messages come in arrays from `data`. A seek or
 * a new assignment outdates what librdkafka still has queued (its version barrier), and what waits
 * in `pending` is dropped here; next_offset guards the order besides.
 *
 * Back-pressure: while too many batches wait or memory_max is reached, nothing is taken from
 * `data`, and librdkafka stops fetching by its own limits; the group is still polled, so membership
 * is kept.
 *
 * Threads: the consumer's, but for consumer_new(), _start(), _free() and _sink().
 */
#include "daemons/chsinkd/sink/consumer.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>

#include "daemons/chsinkd/sink/adding.h"
#include "daemons/chsinkd/sink/answers.h"
#include "daemons/chsinkd/sink/assignment.h"
#include "daemons/chsinkd/sink/drive.h"
#include "daemons/chsinkd/sink/fetching.h"
#include "daemons/chsinkd/sink/intake.h"
#include "daemons/chsinkd/sink/place.h"
#include "lib/base/clock.h"
#include "lib/kafka/topic.h"
#include "lib/log/log.h"

/* How long a call waits for messages before the group's events and batch ages are looked at. */
#define POLL_MS 50
/* For the last stable offset of a partition, at the end of --once. */
#define HIDDEN_MS 5000

/* More brings nothing: it is filled again while it empties. */
#define QUEUE_BYTES_MAX (64 * PL_MIB)
/* What librdkafka 2.0 keeps of its own for a message. */
#define QUEUE_MESSAGE_BYTES 320
#define FETCH_BYTES_MAX     (4 * PL_MIB)
#define FETCH_BYTES_MIN     PL_MIB
/* How long there is no backlog before memory is given back. */
#define BUSY_MS 5000
/* fetch.queue.backoff.ms is there. */
#define BACKOFF_VERSION 0x02020000

struct sink *consumer_sink(const rd_kafka_t *rk)
{
    return (struct sink *)((char *)rd_kafka_opaque(rk) - offsetof(struct sink, health));
}

void consumer_wait(struct sink *s, int64_t wait_ms)
{
    int64_t at_ms = pl_clock_monotonic_ms() + wait_ms;
    struct timespec until = {at_ms / 1000, at_ms % 1000 * 1000000};
    pthread_mutex_lock(&s->wake_lock);
    if (!s->woken)
        pthread_cond_timedwait(&s->wake, &s->wake_lock, &until);
    pthread_mutex_unlock(&s->wake_lock);
}

void consumer_forget(struct consumer *c, const struct partition *p)
{
    for (ssize_t i = c->pending_at; i < c->pending_n; i++) {
        rd_kafka_message_t *m = c->pending[i];
        if (m && m->rkt && m->partition == p->id &&
            strcmp(rd_kafka_topic_name(m->rkt), p->topic) == 0) {
            rd_kafka_message_destroy(m);
            c->pending[i] = NULL;
        }
    }
}

/* ---- the thread ---- */

static struct partition *partition_of(struct consumer *c, const rd_kafka_message_t *m)
{
    const char *topic = rd_kafka_topic_name(m->rkt);
    if (!c->last || c->last->id != m->partition || strcmp(c->last->topic, topic) != 0)
        c->last = sink_partition(c->sink, topic, m->partition);
    return c->last;
}

/* Anyone's open transaction hides what follows it in the partition. --once does not wait for it:
 * the next run starts there. */
static void hidden_say(const struct sink *s, const struct partition *p, int64_t at)
{
    int64_t low = 0, high = 0;
    if (!s->once || p->once_done ||
        rd_kafka_get_watermark_offsets(s->rk, p->topic, p->id, &low, &high) !=
            RD_KAFKA_RESP_ERR_NO_ERROR ||
        high <= at)
        return;
    pl_log(PL_WARNING, NULL,
           "an open transaction hides the rest of the partition, which is left to the next run",
           SINK_F_PARTITION(p), PL_F_INT("OFFSET", at), PL_F_INT("END", high));
}

static void message_error(struct sink *s, const rd_kafka_message_t *m)
{
    struct partition *p;
    struct pl_err err;
    switch ((int)m->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        p = partition_of(s->consumer, m);
        if (!p->reading || p->seek_to >= 0)
            break;
        if (p->fixed_end >= 0 && m->offset >= p->fixed_end)
            intake_end_fixed(s, p);
        intake_reach(s, p, m->offset);
        p->ended_at = m->offset;
        hidden_say(s, p, m->offset);
        p->once_done = true;
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        p = partition_of(s->consumer, m);
        if (p->reading && p->seek_to < 0) /* begins again with what the group and the log have */
            drive_aside(s, p, ASIDE_BEGIN, 0);
        break;
    case RD_KAFKA_RESP_ERR__FATAL:
        pl_kafka_err(&err, rd_kafka_fatal_error(s->rk, err.msg, sizeof(err.msg)),
                     "the consumer cannot continue: %s", rd_kafka_message_errstr(m));
        if (err.kind == PL_ERR_FENCED)
            pl_err_prefix(&err,
                          "another instance with this kafka.group.instance.id took over: give each "
                          "its own; this one stays down, with status %d",
                          PL_EXIT_FENCED);
        sink_fail(s, &err);
        break;
    default:
        pl_log(PL_WARNING, PL_EVENT_KAFKA_ERROR, "Kafka reports an error",
               PL_F_STR("ERROR", rd_kafka_message_errstr(m)),
               PL_F_STR("TOPIC", m->rkt ? rd_kafka_topic_name(m->rkt) : NULL),
               PL_F_INT("PARTITION", m->partition), PL_F_INT("CODE", m->err));
        break;
    }
}

/* All messages come by `data`. One that comes by the group's queue is out of order: nothing may be
 * taken after it, and the next start reads from the group's offset. */
static void message_astray(struct sink *s, const rd_kafka_message_t *m)
{
    struct pl_err err;
    pl_err_set(&err, PL_ERR_FATAL, 0, "topic %s, offset %" PRId64 " came out of order",
               rd_kafka_topic_name(m->rkt), m->offset);
    sink_fail(s, &err);
    s->give_up = true;
}

/* --once ends where the partition ended at the start: --replay would read its own dead letters for
 * ever. */
static bool is_past_end(struct sink *s, struct partition *p, int64_t offset)
{
    if (!s->once || p->once_end < 0 || offset < p->once_end)
        return false;
    if (p->fixed_end >= 0)
        return false; /* it ends the announced range */
    if (p->reading && p->seek_to < 0) {
        p->once_done = true;
        intake_reach(s, p, p->once_end);
    }
    return true;
}

/* Decodes what is pending while there is room. */
static void pending_take(struct consumer *c)
{
    struct sink *s = c->sink;
    while (c->pending_at < c->pending_n && !s->stopping) {
        rd_kafka_message_t *m = c->pending[c->pending_at];
        /* One look in 64 messages is cheap enough, and exact enough for memory. */
        if ((c->pending_at & 63) == 0 && (s->woken || !intake_has_room(s)))
            return;
        c->pending_at++;
        if (!m)
            continue;
        if (m->err)
            message_error(s, m);
        else if (!is_past_end(s, partition_of(c, m), m->offset))
            intake_take(s, c->last, m);
        rd_kafka_message_destroy(m);
        c->pending[c->pending_at - 1] = NULL;
    }
}

static void pending_drop(struct consumer *c)
{
    for (; c->pending_at < c->pending_n; c->pending_at++)
        if (c->pending[c->pending_at])
            rd_kafka_message_destroy(c->pending[c->pending_at]);
}

/* The same for a partition whose end at the start was reached before the end itself was reported.
 * (Asked by a reader of committed records, the high watermark is the last stable offset.) */
static void hidden_look(const struct sink *s, const struct partition *p)
{
    struct extent stable;
    struct pl_err err;
    if (p->assigned && !p->once_done && p->next_offset >= 0 &&
        extent_read(s->rk, p->topic, p->id, HIDDEN_MS, &stable, &err) == 0 &&
        stable.high <= p->next_offset)
        hidden_say(s, p, p->next_offset);
}

/* --once: all partitions are read to their end, and all of it is in the table. */
static bool once_is_done(struct sink *s)
{
    bool any = false, quiet = true;
    for (unsigned i = 0; i < s->partitions_n; i++) {
        struct partition *p = s->partitions[i];
        if (!p->assigned)
            continue;
        any = true;
        if (!p->reading || p->seek_to >= 0 || p->fixed_end >= 0 ||
            (!p->once_done && (p->once_end < 0 || p->next_offset < p->once_end)))
            return false;
    }
    for (unsigned i = 0; i < s->partitions_n && any; i++) {
        intake_close(s, s->partitions[i]);
        quiet &= drive_is_quiet(s->partitions[i]);
    }
    for (unsigned i = 0; i < s->partitions_n && any && quiet; i++)
        hidden_look(s, s->partitions[i]);
    return any && quiet;
}

static void group_poll(struct sink *s)
{
    sink_deadline_begin(&s->consumer_deadline, "asking for the group's events", TURN_MS);
    rd_kafka_message_t *event = rd_kafka_consumer_poll(s->rk, 0); /* may call assignment_change() */
    if (!event)
        return;
    if (event->err)
        message_error(s, event);
    else
        message_astray(s, event);
    rd_kafka_message_destroy(event);
}

/* All that is not messages. */
static void partitions_turn(struct sink *s)
{
    pthread_mutex_lock(&s->wake_lock);
    s->woken = false;
    pthread_mutex_unlock(&s->wake_lock);
    group_poll(s);
    sink_deadline_begin(&s->consumer_deadline, "driving partitions", TURN_MS);
    answers_take(s);
    drive_time(s);
    assignment_continue(s);
    for (unsigned i = 0; i < s->partitions_n; i++)
        fetching_set(s, s->partitions[i]);
}

/* Before 2.2 librdkafka's thread for a broker sleeps up to a second when its queue was full, unless
 * there is something to send to that broker: this is, and nobody waits for the answer. */
static void fetch_wake(struct sink *s)
{
    if (rd_kafka_version() >= BACKOFF_VERSION)
        return;
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)s->partitions_n);
    for (unsigned i = 0; i < s->partitions_n; i++) {
        const struct partition *p = s->partitions[i];
        if (p->assigned && p->reading && !p->paused)
            rd_kafka_topic_partition_list_add(list, p->topic, p->id)->offset = RD_KAFKA_OFFSET_END;
    }
    if (list->cnt > 0)
        rd_kafka_offsets_for_times(s->rk, list, 0);
}

/* A full array means that there is more. It is as large as pending_bytes of messages like the last
 * ones, so that what is out of librdkafka's queue is bounded, too. */
static void pending_fetch(struct consumer *c)
{
    c->pending_at = 0;
    c->pending_n = rd_kafka_consume_batch_queue(c->data, POLL_MS, c->pending, c->pending_want);
    if (c->pending_n <= 0) {
        c->pending_n = 0;
        return;
    }
    size_t bytes = 0;
    for (ssize_t i = 0; i < c->pending_n; i++)
        bytes += c->pending[i]->len;
    if ((size_t)c->pending_n == c->pending_want) {
        fetch_wake(c->sink);
        c->busy_ms = pl_clock_monotonic_ms();
        c->sink->backlog = true;
    }
    size_t each = bytes / (size_t)c->pending_n + 1, n = c->pending_bytes / each;
    c->pending_want = n < 1 ? 1 : n > CONSUMER_PENDING_MAX ? CONSUMER_PENDING_MAX : n;
}

/* After a backlog: empty blocks, and what the allocator keeps of them and of librdkafka's queue. */
static void memory_give_back(struct consumer *c)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    if (c->busy_ms == 0 || now_ms - c->busy_ms < BUSY_MS)
        return;
    c->busy_ms = c->sink->backlog ? now_ms : 0; /* once more, for the batches of now */
    c->sink->backlog = false;
    block_pool_trim(c->sink->pool, 0);
    malloc_trim(0);
}

static void consumer_turn(struct consumer *c)
{
    struct sink *s = c->sink;
    partitions_turn(s);
    sink_deadline_begin(&s->consumer_deadline, "decoding messages", TURN_MS);
    if (c->pending_at >= c->pending_n) {
        pending_fetch(c);
    } else if (!intake_has_room(s)) {
        consumer_wait(s, POLL_MS);
    }
    pending_take(c);
    intake_close_aged(s);
    intake_counts(s);
    adding_look(s);
    memory_give_back(c);
}

static bool all_quiet(const struct sink *s)
{
    for (unsigned i = 0; i < s->partitions_n; i++)
        if (!drive_is_quiet(s->partitions[i]))
            return false;
    return true;
}

/* Brings what was read into the table, then leaves the group. */
static void consumer_drain(struct consumer *c)
{
    struct sink *s = c->sink;
    pending_drop(c);
    while (!s->give_up && s->failed.kind == PL_ERR_NONE) {
        for (unsigned i = 0; i < s->partitions_n; i++)
            drive_stop(s, s->partitions[i]);
        if (all_quiet(s))
            break;
        partitions_turn(s);
        sink_deadline_begin(&s->consumer_deadline, "waiting for inserts to end", -1);
        consumer_wait(s, POLL_MS);
    }
    c->closing = true;
    assignment_continue(s); /* librdkafka ends only after the answer to what the group asks back */
    /* Also when giving up: the group need not wait for a member that leaves. */
    sink_deadline_begin(&s->consumer_deadline, "leaving the group", -1);
    rd_kafka_consumer_close(s->rk);
}

static void *consumer_run(void *arg)
{
    struct consumer *c = arg;
    struct sink *s = c->sink;
    while (!s->stopping && !s->give_up && s->failed.kind == PL_ERR_NONE) {
        consumer_turn(c);
        if (s->once && s->assigned_once && c->pending_at >= c->pending_n && once_is_done(s))
            break;
    }
    consumer_drain(c);
    s->drained = true;
    if (s->waker)
        pl_waker_wake(s->waker);
    return NULL;
}

/* ---- setting up ---- */

/* What is not set by the user. */
struct consumer_defaults {
    char queue_kib[24], queue_messages[24], fetch_bytes[24];
    const char *pairs[32];
};

/* librdkafka's memory: its queue, and an answer of a broker's beside it. Without fetch.max.bytes
 * that is 50 MiB with many partitions. */
static void defaults_set(struct consumer_defaults *d, int64_t queue_bytes)
{
    int64_t fetch = queue_bytes / 4;
    fetch = fetch > FETCH_BYTES_MAX ? FETCH_BYTES_MAX : fetch;
    fetch = fetch < FETCH_BYTES_MIN ? FETCH_BYTES_MIN : fetch;
    snprintf(d->queue_kib, sizeof(d->queue_kib), "%" PRId64, queue_bytes / 1024);
    snprintf(d->queue_messages, sizeof(d->queue_messages), "%" PRId64,
             queue_bytes / QUEUE_MESSAGE_BYTES);
    snprintf(d->fetch_bytes, sizeof(d->fetch_bytes), "%" PRId64, fetch);
    const char *const pairs[] = {
        "client.id", "chsinkd", "partition.assignment.strategy", "cooperative-sticky",
        /* After this time others get a killed instance's partitions. */
        "session.timeout.ms", "15000", "fetch.wait.max.ms", "100", "queued.max.messages.kbytes",
        d->queue_kib, "queued.min.messages", d->queue_messages, "fetch.max.bytes", d->fetch_bytes,
        "fetch.message.max.bytes", d->fetch_bytes,
        /* How soon it looks again whether the queue is still full. */
        rd_kafka_version() >= BACKOFF_VERSION ? "fetch.queue.backoff.ms" : NULL, "10", NULL};
    memcpy(d->pairs, pairs, sizeof(pairs));
}
static const char *const consumer_forced[] = {
    "enable.auto.commit",
    "false",
    "enable.auto.offset.store",
    "false", /* offsets are committed with announcements */
    "isolation.level",
    "read_committed",
    "auto.offset.reset",
    "error",
    "enable.partition.eof",
    "true", /* the end of --once */
    NULL};

static int consumer_subscribe(struct sink *s, struct pl_err *err)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(4);
    for (unsigned i = 0; i < s->routes_n && !s->replay; i++) {
        const struct route *r = s->routes[i].route;
        rd_kafka_topic_partition_list_add(topics, r->topic ? r->topic : r->topic_pattern,
                                          RD_KAFKA_PARTITION_UA);
        if (!r->topic)
            continue;
        int found =
            pl_kafka_topic_exists(s->rk, r->topic, (int)s->conf->start_timeout_ms, NULL, err);
        if (found < 0)
            return -1;
        if (found == 0)
            return pl_err_set(err, PL_ERR_CONFIG, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                              "topic %s of route %s does not exist: create it, start what writes "
                              "it first, or correct "
                              "the route",
                              r->topic, r->name);
    }
    if (s->replay)
        rd_kafka_topic_partition_list_add(topics, s->conf->dead_letter_topic,
                                          RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(s->rk, topics);
    s->subscribed = true;
    return code ? pl_kafka_err(err, code, "cannot subscribe") : 0;
}

static void on_commits(rd_kafka_t *rk, void *opaque)
{
    (void)rk;
    sink_wake(opaque);
}

int consumer_new(struct sink *s, struct pl_err *err)
{
    struct consumer *c = pl_alloc(sizeof(*c));
    c->sink = s;
    c->pending_want = 64;
    s->consumer = c;
    if (s->replay) {
        free(s->group);
        s->group = pl_strf("%s-replay-%s", chsinkd_conf_group(s->conf), s->replay->name);
    }
    int64_t queue_bytes = s->memory_bytes / 8 * SINK_QUEUE_EIGHTHS;
    queue_bytes = queue_bytes > QUEUE_BYTES_MAX ? QUEUE_BYTES_MAX : queue_bytes;
    c->pending_bytes = (size_t)queue_bytes / 4;
    struct consumer_defaults defaults;
    defaults_set(&defaults, queue_bytes);
    rd_kafka_conf_t *conf =
        pl_kafka_conf_new(&s->conf->kafka, defaults.pairs, consumer_forced, &s->health, err);
    if (!conf)
        return -1;
    rd_kafka_conf_set(conf, "group.id", s->group, NULL, 0);
    if (s->replay)
        rd_kafka_conf_set(conf, "group.instance.id", "", NULL, 0);
    rd_kafka_conf_set_rebalance_cb(conf, assignment_change);
    s->rk = pl_kafka_new(RD_KAFKA_CONSUMER, conf, err);
    if (!s->rk)
        return -1;
    rd_kafka_poll_set_consumer(s->rk);
    c->data = rd_kafka_queue_new(s->rk);
    c->commits = rd_kafka_queue_new(s->rk);
    rd_kafka_queue_cb_event_enable(c->commits, on_commits, s);
    return pl_kafka_probe(s->rk, &s->health, pl_kafka_servers(&s->conf->kafka),
                          s->conf->start_timeout_ms, err);
}

void consumer_free(struct sink *s)
{
    struct consumer *c = PL_TAKE(s->consumer);
    if (!c)
        return;
    pending_drop(c);
    if (c->commits) {
        rd_kafka_queue_cb_event_enable(c->commits, NULL, NULL);
        rd_kafka_queue_destroy(c->commits);
    }
    if (c->data)
        rd_kafka_queue_destroy(c->data);
    if (c->revoking)
        rd_kafka_topic_partition_list_destroy(c->revoking);
    free(c);
}

int consumer_start(struct sink *s, pthread_t *ret_thread, struct pl_err *err)
{
    if (place_look(s, err) < 0 || consumer_subscribe(s, err) < 0)
        return -1;
    int rc = pthread_create(ret_thread, NULL, consumer_run, s->consumer);
    return rc == 0 ? 0
                   : pl_err_set(err, PL_ERR_FATAL, rc, "cannot start a thread: %s", strerror(rc));
}
