/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer.c - the thread that reads Kafka. (What it does when partitions come and go:
 * assignment.c)
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
 * Threads: the consumer's, but for consumer_new(), _start() and _free().
 */
#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/sink/assignment.h"
#include "daemons/chsinkd/sink/intake.h"
#include "lib/kafka/topic.h"
#include "lib/log/log.h"

/* A turn: CONSUMER_PENDING_MAX messages decoded, and each call that waits at its limit. */
#define TURN_MS 30000
/* How long a call waits for messages before the group's events and batch ages are looked at. */
#define POLL_MS              50
#define SEEK_TIMEOUT_MS      10000
#define SEEK_PATIENCE_MS     60000
#define WATERMARK_TIMEOUT_MS 5000

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

/* Continues at another offset, or at the beginning; drops what was fetched. -1: librdkafka does not
 * let us. */
static int partition_seek(struct sink *s, struct partition *p, int64_t offset, struct pl_err *err)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    consumer_forget(s->consumer, p);
    rd_kafka_topic_partition_list_add(list, p->topic, p->id)->offset = offset;
    PL_CLEANUP(rd_kafka_error_destroyp)
    rd_kafka_error_t *error = rd_kafka_seek_partitions(s->rk, list, SEEK_TIMEOUT_MS);
    rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : list->elems[0].err;
    if (code)
        return pl_kafka_err(err, code,
                            "cannot go back to offset %" PRId64 " of topic %s, partition %" PRId32,
                            offset, p->topic, p->id);
    if (offset >= 0)
        p->next_offset = offset;
    return 0;
}

/* The group may have taken the partition away, and we have not heard of it yet: then nothing is to
 * be read again. */
static bool rewind_can_wait(struct partition *p, const struct pl_err *err)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    if (p->seek_refused_ms == 0)
        p->seek_refused_ms = now_ms;
    return (err->code == RD_KAFKA_RESP_ERR__STATE || err->kind == PL_ERR_RETRY) &&
           now_ms - p->seek_refused_ms < SEEK_PATIENCE_MS;
}

/* Does what inserters asked for: bisect a refused batch, or repeat one that was not committed. */
static void rewinds_do(struct sink *s)
{
    for (unsigned i = 0; i < s->partitions_n; i++) {
        struct partition *p = s->partitions[i];
        pthread_mutex_lock(&s->lock);
        bool rewind = p->rewind && !p->busy && !rd_kafka_assignment_lost(s->rk);
        if (rewind) {
            p->once_done = false;
            p->fixed_end = p->rewind_fixed ? p->rewind_until : -1;
            p->limit_until = p->rewind_fixed ? -1 : p->rewind_until;
            p->limit_messages = p->rewind_messages;
            if (p->rewind_messages == 0) {
                p->condemned = p->rewind_offset;
                snprintf(p->condemned_reason, sizeof(p->condemned_reason), "%s", p->rewind_reason);
                p->limit_until = -1;
            }
        }
        pthread_mutex_unlock(&s->lock);
        if (!rewind)
            continue;
        intake_close(s, p); /* drops it, since rewind is set */
        struct pl_err err;
        if (partition_seek(s, p, p->rewind_offset, &err) < 0) {
            if (!rewind_can_wait(p, &err))
                sink_fail(s, &err);
            continue;
        }
        p->seek_refused_ms = 0;
        if (p->fixed_end >= 0) /* the same range again: what the table has may have changed */
            assignment_recover(s, p);
        pthread_mutex_lock(&s->lock);
        p->rewind = false;
        pthread_mutex_unlock(&s->lock);
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

/* The group's offset is outside the log. */
static void offset_out_of_range(struct sink *s, struct partition *p)
{
    int64_t low = 0, high = 0;
    struct pl_err err;
    rd_kafka_resp_err_t code =
        rd_kafka_query_watermark_offsets(s->rk, p->topic, p->id, &low, &high, WATERMARK_TIMEOUT_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && p->next_offset > high) {
        pl_err_set(&err, PL_ERR_CONFIG, 0,
                   "topic %s, partition %" PRId32 ": the group's offset %" PRId64
                   " is beyond the end, %" PRId64 ": the topic was recreated or truncated; use "
                   "another group.id, or set the group's offsets with "
                   "kafka-consumer-groups --reset-offsets",
                   p->topic, p->id, p->next_offset, high);
        sink_fail(s, &err);
    } else {
        /* Below the log's start, or a passing fault: librdkafka finds the first message, and
         * intake_take() sees what is missing. */
        p->retention_took = true;
        if (partition_seek(s, p, RD_KAFKA_OFFSET_BEGINNING, &err) < 0 &&
            !rd_kafka_assignment_lost(s->rk))
            sink_fail(s, &err);
    }
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
        if (p->fixed_end >= 0 && m->offset >= p->fixed_end)
            intake_end_fixed(s, p);
        hidden_say(s, p, m->offset);
        p->once_done = true; /* a rewind clears it */
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        offset_out_of_range(s, partition_of(s->consumer, m));
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
static bool is_past_end(const struct sink *s, struct partition *p, int64_t offset)
{
    if (!s->once || p->once_end < 0 || offset < p->once_end)
        return false;
    p->once_done = true;
    return true;
}

/* Decodes what is pending while there is room. */
static void pending_take(struct consumer *c)
{
    struct sink *s = c->sink;
    while (c->pending_at < c->pending_n && !s->stopping) {
        rd_kafka_message_t *m = c->pending[c->pending_at];
        /* One look in 64 messages is cheap enough, and exact enough for memory. */
        if ((c->pending_at & 63) == 0 && !intake_has_room(s))
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
    int64_t low = 0, stable = 0;
    if (p->assigned && !p->once_done && p->next_offset >= 0 &&
        rd_kafka_query_watermark_offsets(s->rk, p->topic, p->id, &low, &stable,
                                         WATERMARK_TIMEOUT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        stable <= p->next_offset)
        hidden_say(s, p, p->next_offset);
}

/* --once: all partitions are read to their end, and all of it is in the table. */
static bool once_is_done(struct sink *s)
{
    bool any = false;
    for (unsigned i = 0; i < s->partitions_n; i++) {
        const struct partition *p = s->partitions[i];
        if (!p->assigned)
            continue;
        any = true;
        if (p->rewind || (!p->once_done && (p->once_end < 0 || p->next_offset < p->once_end)))
            return false;
    }
    for (unsigned i = 0; i < s->partitions_n && any; i++)
        intake_close(s, s->partitions[i]);
    pthread_mutex_lock(&s->lock);
    bool done = any && s->queued == 0 && s->busy == 0;
    for (unsigned i = 0; i < s->partitions_n; i++)
        done &= !s->partitions[i]->rewind;
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->partitions_n && done; i++)
        hidden_look(s, s->partitions[i]);
    return done;
}

static void consumer_turn(struct consumer *c)
{
    struct sink *s = c->sink;
    sink_deadline_begin(&s->consumer_deadline, "asking for the group's events", TURN_MS);
    rd_kafka_message_t *event = rd_kafka_consumer_poll(s->rk, 0); /* may call assignment_change() */
    sink_deadline_begin(&s->consumer_deadline, "decoding messages", TURN_MS);
    if (event) {
        if (event->err)
            message_error(s, event);
        else
            message_astray(s, event);
        rd_kafka_message_destroy(event);
    }
    rewinds_do(s);
    if (c->pending_at >= c->pending_n) {
        c->pending_at = 0;
        c->pending_n =
            rd_kafka_consume_batch_queue(c->data, POLL_MS, c->pending, CONSUMER_PENDING_MAX);
        if (c->pending_n < 0)
            c->pending_n = 0;
    } else if (!intake_has_room(s)) {
        sink_room_wait(s, POLL_MS);
    }
    pending_take(c);
    intake_close_aged(s);
    for (unsigned i = 0; i < s->routes_n; i++)
        intake_counts(s, &s->routes[i]);
}

/* Brings what was read into the table, then leaves the group. */
static void consumer_drain(struct consumer *c)
{
    struct sink *s = c->sink;
    sink_deadline_begin(&s->consumer_deadline, "waiting for inserts to end", -1);
    for (unsigned i = 0; i < s->partitions_n; i++)
        intake_close(s, s->partitions[i]);
    pthread_mutex_lock(&s->lock);
    while ((s->queued > 0 || s->busy > 0) && !s->give_up && s->failed.kind == PL_ERR_NONE) {
        sink_cond_wait(s, &s->room, POLL_MS);
        pthread_mutex_unlock(&s->lock);
        rd_kafka_message_t *event = rd_kafka_consumer_poll(s->rk, 0);
        if (event)
            rd_kafka_message_destroy(event);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    pending_drop(c);
    /* Also when giving up: the group need not wait for a member that leaves. */
    rd_kafka_consumer_close(s->rk);
}

static void *consumer_run(void *arg)
{
    struct consumer *c = arg;
    struct sink *s = c->sink;
    while (!s->stopping && !s->give_up) {
        consumer_turn(c);
        if (s->once && s->assigned_once && c->pending_at >= c->pending_n && once_is_done(s))
            break;
    }
    consumer_drain(c);
    s->drained = true;
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    if (s->waker)
        pl_waker_wake(s->waker);
    return NULL;
}

/* ---- setting up ---- */

static const char *const consumer_defaults[] = {
    "group.id", "chsinkd", "client.id", "chsinkd", "partition.assignment.strategy",
    "cooperative-sticky",
    /* After this time others get a killed instance's partitions. */
    "session.timeout.ms", "15000", "fetch.wait.max.ms", "100",
    /* 2.0.2 stops fetching for a second when its queue is full: room for what comes during an
       insert. */
    "queued.min.messages", "300000", "queued.max.messages.kbytes", "262144",
    "fetch.message.max.bytes", "4194304", NULL};
static const char *const consumer_forced[] = {"enable.auto.commit",
                                              "false",
                                              "enable.auto.offset.store",
                                              "false", /* inserters commit */
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
    return code ? pl_kafka_err(err, code, "cannot subscribe") : 0;
}

int consumer_new(struct sink *s, struct pl_err *err)
{
    struct consumer *c = pl_alloc(sizeof(*c));
    c->sink = s;
    s->consumer = c;
    rd_kafka_conf_t *conf =
        pl_kafka_conf_new(&s->conf->kafka, consumer_defaults, consumer_forced, &s->health, err);
    if (!conf)
        return -1;
    if (s->replay) {
        PL_FREE char *group = pl_strf("%s-replay-%s", chsinkd_conf_group(s->conf), s->replay->name);
        rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
        rd_kafka_conf_set(conf, "group.instance.id", "", NULL, 0);
    }
    rd_kafka_conf_set_rebalance_cb(conf, assignment_change);
    s->rk = pl_kafka_new(RD_KAFKA_CONSUMER, conf, err);
    if (!s->rk)
        return -1;
    /* librdkafka ends a commit after session.timeout.ms without a coordinator, else after
     * socket.timeout.ms a try. */
    s->commit_ms = pl_kafka_conf_int(rd_kafka_conf(s->rk), "session.timeout.ms") +
                   4 * pl_kafka_conf_int(rd_kafka_conf(s->rk), "socket.timeout.ms");
    rd_kafka_poll_set_consumer(s->rk);
    c->data = rd_kafka_queue_new(s->rk);
    c->client = sink_client_new(s);
    return pl_kafka_probe(s->rk, &s->health, pl_kafka_servers(&s->conf->kafka),
                          s->conf->start_timeout_ms, err);
}

void consumer_free(struct sink *s)
{
    struct consumer *c = PL_TAKE(s->consumer);
    if (!c)
        return;
    pending_drop(c);
    if (c->data)
        rd_kafka_queue_destroy(c->data);
    free(c);
}

int consumer_start(struct sink *s, pthread_t *ret_thread, struct pl_err *err)
{
    if (consumer_subscribe(s, err) < 0)
        return -1;
    return sink_thread_start(ret_thread, consumer_run, s->consumer, err);
}
