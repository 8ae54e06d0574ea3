/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer.c - the loop's side of producer.h: sending, delivery reports, the states. Only this side
 * takes events from librdkafka, only the thread of internal.h makes blocking calls.
 */
#include "lib/kafka/producer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/kafka/internal.h"
#include "lib/kafka/stall.h"

#define EVENTS_MAX       64    /* taken in one turn of the loop, so that others have theirs */
#define HEALTH_WITHIN_MS 60000 /* a fault older than that does not explain a stall */

struct pl_producer {
    struct pl_daemon *daemon;
    const struct pl_producer_ops *ops;
    void *userdata;

    struct producer_thread *thread;
    struct pl_txn *txn;           /* the thread's */
    rd_kafka_queue_t *queue;      /* the client's main queue: delivery reports, errors */
    struct pl_waker *waker;       /* the queue has events, or the thread a result */
    sd_event_source *stall_timer; /* on while OPEN or BUSY */
    struct pl_stall stall;
    uint64_t taken; /* messages acknowledged, and transactions ended */
    bool stalled;   /* on_stalled was called */

    enum pl_producer_state state;
    bool full; /* PL_SEND_FULL was returned, on_room is due */
    int64_t busy_since_ms;
};

/* ---- states ---- */

static void producer_fail(struct pl_producer *p, const struct pl_err *err)
{
    if (p->state == PL_PRODUCER_FAILED)
        return;
    p->state = PL_PRODUCER_FAILED;
    sd_event_source_set_enabled(p->stall_timer, SD_EVENT_OFF);
    p->ops->on_failed(p->userdata, err);
}

static void producer_busy(struct pl_producer *p, enum producer_job job)
{
    p->state = PL_PRODUCER_BUSY;
    p->busy_since_ms = pl_clock_monotonic_ms();
    producer_thread_request(p->thread, job);
}

/* ---- Kafka is away ---- */

static void stall_explain(struct pl_producer *p, struct pl_err *err)
{
    char why[256] = "";
    uint64_t waiting = p->txn->outstanding;
    if (!pl_kafka_health_text(&p->txn->health, HEALTH_WITHIN_MS, why) &&
        p->state == PL_PRODUCER_BUSY && waiting == 0)
        producer_thread_waiting_for(p->thread, why);
    if (waiting > 0)
        pl_err_set(err, PL_ERR_RETRY, RD_KAFKA_RESP_ERR__TIMED_OUT,
                   "Kafka has taken none of %" PRIu64 " messages for %d s%s%s", waiting,
                   PL_STALL_MS / 1000, why[0] ? ": " : "", why);
    else
        pl_err_set(err, PL_ERR_RETRY, RD_KAFKA_RESP_ERR__TIMED_OUT,
                   "Kafka has not ended the transaction for %d s%s%s", PL_STALL_MS / 1000,
                   why[0] ? ": " : "", why);
}

static void stall_look(struct pl_producer *p)
{
    const struct pl_stall_now now = {
        .now_ms = pl_clock_monotonic_ms(),
        .waits = p->state == PL_PRODUCER_BUSY ||
                 (p->state == PL_PRODUCER_OPEN && p->txn->outstanding > 0),
        .answers = p->taken,
    };
    bool stalled = pl_stall_look(&p->stall, &now), was = p->stalled;
    p->stalled = stalled;
    if (!p->ops->on_stalled)
        return;
    struct pl_err err;
    if (stalled) {
        stall_explain(p, &err);
        p->ops->on_stalled(p->userdata, &err);
    } else if (was) {
        p->ops->on_recovered(p->userdata);
    }
}

static void stall_timer_set(struct pl_producer *p)
{
    sd_event_source_set_time_relative(p->stall_timer, PL_STALL_LOOK_MS * 1000);
    sd_event_source_set_enabled(p->stall_timer, SD_EVENT_ONESHOT);
}

static int on_stall_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct pl_producer *p = userdata;
    (void)s;
    (void)usec;
    stall_look(p);
    if (p->state == PL_PRODUCER_OPEN || p->state == PL_PRODUCER_BUSY)
        stall_timer_set(p);
    return 0;
}

/* The transaction is over. */
static void producer_idle(struct pl_producer *p)
{
    p->state = PL_PRODUCER_IDLE;
    p->taken++;
    sd_event_source_set_enabled(p->stall_timer, SD_EVENT_OFF);
    stall_look(p);
}

/* ---- events ---- */

static void producer_take_reports(struct pl_producer *p, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *m;
    while ((m = rd_kafka_event_message_next(event))) {
        pl_txn_report(p->txn, m);
        if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        p->taken++;
        if (p->ops->on_delivered)
            p->ops->on_delivered(p->userdata, m);
    }
}

static void producer_offer_room(struct pl_producer *p)
{
    if (!p->full || p->txn->queued_bytes > p->txn->queued_bytes_max / 2 ||
        p->txn->outstanding > p->txn->queued_messages_max / 2)
        return;
    p->full = false;
    if (p->ops->on_room && p->state != PL_PRODUCER_FAILED)
        p->ops->on_room(p->userdata);
}

static void producer_check_failed(struct pl_producer *p)
{
    struct pl_err err;
    /* While BUSY the thread's call returns the same error. */
    if (p->txn->health.fatal && (p->state == PL_PRODUCER_IDLE || p->state == PL_PRODUCER_OPEN)) {
        if (pl_txn_is_dead(p->txn, &err))
            producer_fail(p, &err);
    } else if (p->state == PL_PRODUCER_OPEN && p->txn->failed > 0) {
        /* A failed transaction is never committed, but the refusal says why, if that is unknown
         * so far; the thread then aborts. */
        producer_busy(p, p->txn->cause.kind ? JOB_ABORT : JOB_COMMIT);
    }
}

/* false: there may be more events. */
static bool producer_serve(struct pl_producer *p)
{
    rd_kafka_event_t *event = NULL;
    unsigned n;
    for (n = 0; n < EVENTS_MAX && (event = rd_kafka_queue_poll(p->queue, 0)); n++) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            producer_take_reports(p, event);
        else
            pl_kafka_event(&p->txn->health, event);
        rd_kafka_event_destroy(event);
    }
    producer_check_failed(p);
    producer_offer_room(p);
    return n < EVENTS_MAX;
}

static void producer_on_wake(void *userdata)
{
    struct pl_producer *p = userdata;
    if (!producer_serve(p)) {    /* reports before the verdict */
        pl_waker_wake(p->waker); /* librdkafka calls only when the queue was empty */
        return;
    }
    struct pl_err why;
    enum pl_txn_result result;
    if (!producer_thread_take(p->thread, &result, &why) || p->state != PL_PRODUCER_BUSY)
        return;
    switch (result) {
    case PL_TXN_COMMITTED:
        producer_idle(p);
        p->ops->on_committed(p->userdata, p->txn->sent, p->txn->bytes,
                             pl_clock_monotonic_ms() - p->busy_since_ms);
        break;
    case PL_TXN_ABORTED:
        producer_idle(p);
        if (p->txn->cause.kind != PL_ERR_NONE)
            why = p->txn->cause;
        p->ops->on_aborted(p->userdata, &why);
        break;
    case PL_TXN_FAILED:
        producer_fail(p, &why);
        break;
    case PL_TXN_REFUSED:
    case PL_TXN_UNKNOWN:
    case PL_TXN_STOPPED: /* the thread deals with these */
        break;
    }
}

/* ---- sending ---- */

int pl_producer_begin(struct pl_producer *p, struct pl_err *err)
{
    assert(p->state == PL_PRODUCER_IDLE || p->state == PL_PRODUCER_FAILED);
    if (p->state == PL_PRODUCER_FAILED)
        return pl_err_set(err, PL_ERR_FATAL, 0, "the Kafka producer has failed before");
    if (pl_txn_begin(p->txn, err) < 0)
        return -1;
    p->state = PL_PRODUCER_OPEN;
    stall_timer_set(p);
    return 0;
}

enum pl_send_result pl_producer_send(struct pl_producer *p, const struct pl_message *m,
                                     struct pl_err *err)
{
    if (p->state != PL_PRODUCER_OPEN) {
        assert(p->state != PL_PRODUCER_IDLE);
        if (p->state == PL_PRODUCER_FAILED)
            pl_err_set(err, PL_ERR_FATAL, 0, "the Kafka producer has failed before");
        else
            pl_err_set(err, PL_ERR_RETRY, 0, "the Kafka transaction is being ended");
        return PL_SEND_ERROR;
    }
    enum pl_send_result result = pl_txn_send(p->txn, m, err);
    if (result == PL_SEND_FULL)
        p->full = true;
    return result;
}

void pl_producer_commit(struct pl_producer *p)
{
    assert(p->state != PL_PRODUCER_IDLE);
    if (p->state == PL_PRODUCER_OPEN)
        producer_busy(p, JOB_COMMIT);
}

void pl_producer_abort(struct pl_producer *p, const struct pl_err *why)
{
    assert(p->state != PL_PRODUCER_IDLE);
    if (p->state != PL_PRODUCER_OPEN)
        return;
    if (p->txn->cause.kind == PL_ERR_NONE) {
        if (why)
            p->txn->cause = *why;
        else
            pl_err_set(&p->txn->cause, PL_ERR_RETRY, 0, "the transaction was given up");
    }
    producer_busy(p, JOB_ABORT);
}

enum pl_producer_state pl_producer_state(const struct pl_producer *p)
{
    return p->state;
}

rd_kafka_t *pl_producer_client(struct pl_producer *p)
{
    return p->txn->rk;
}

uint64_t pl_producer_queued_bytes(const struct pl_producer *p)
{
    return p->txn->queued_bytes;
}

bool pl_producer_is_stuck(const struct pl_producer *p)
{
    return pl_deadline_is_overdue(&p->thread->deadline, pl_clock_monotonic_ms());
}

/* ---- start and end ---- */

/* In a thread of librdkafka. */
static void producer_on_queue(rd_kafka_t *rk, void *waker)
{
    (void)rk;
    pl_waker_wake(waker);
}

static int producer_attach(struct pl_producer *p, struct pl_err *err)
{
    int r = sd_event_add_time_relative(pl_daemon_event(p->daemon), &p->stall_timer, CLOCK_MONOTONIC,
                                       0, 0, on_stall_timer, p);
    if (r >= 0)
        r = sd_event_source_set_enabled(p->stall_timer, SD_EVENT_OFF);
    if (r < 0)
        return pl_err_set(err, PL_ERR_FATAL, -r, "cannot join Kafka to the event loop: %s",
                          strerror(-r));
    p->queue = rd_kafka_queue_get_main(p->txn->rk);
    rd_kafka_queue_cb_event_enable(p->queue, producer_on_queue, p->waker);
    pl_waker_wake(p->waker); /* for events that are there already */
    return 0;
}

static bool start_go_on(void *userdata, const char *why)
{
    (void)why;
    return !pl_daemon_stopping(userdata);
}

/* Waits for the brokers, then for the transaction coordinator. */
static int producer_connect(struct pl_producer *p, const char *servers, int64_t timeout_ms,
                            struct pl_err *err)
{
    int64_t end_ms = pl_clock_monotonic_ms() + timeout_ms;
    pl_daemon_step(p->daemon, timeout_ms, "waiting for Kafka at %s", servers);
    if (pl_kafka_probe(p->txn->rk, &p->txn->health, servers, timeout_ms, err) < 0)
        return -1;
    pl_daemon_step(p->daemon, timeout_ms, "waiting for Kafka to take transactional.id %s",
                   p->txn->transactional_id);
    int64_t left_ms = end_ms - pl_clock_monotonic_ms();
    const struct pl_txn_wait wait = {
        .go_on = start_go_on, .userdata = p->daemon, .timeout_ms = left_ms > 0 ? left_ms : 0};
    return pl_txn_init(p->txn, &wait, err);
}

int pl_producer_new(struct pl_daemon *d, const struct pl_producer_conf *conf,
                    const struct pl_producer_ops *ops, void *userdata, int64_t timeout_ms,
                    struct pl_producer **ret, struct pl_err *err)
{
    PL_CLEANUP(pl_producer_freep) struct pl_producer *p = pl_alloc(sizeof(*p));
    p->daemon = d;
    p->ops = ops;
    p->userdata = userdata;
    p->thread = producer_thread_new();
    p->txn = &p->thread->txn;
    /* Reports as events, so that none of the thread's calls makes callbacks. */
    if (pl_waker_new(d, producer_on_wake, p, &p->waker, err) < 0 ||
        pl_txn_open(p->txn, conf, true, err) < 0 ||
        producer_thread_start(p->thread, p->waker, err) < 0 ||
        producer_connect(p, pl_kafka_servers(conf->kafka), timeout_ms, err) < 0 ||
        producer_attach(p, err) < 0)
        return -1;
    *ret = PL_TAKE(p);
    return 0;
}

void pl_producer_free(struct pl_producer *p)
{
    if (!p)
        return;
    sd_event_source_disable_unref(p->stall_timer);
    producer_thread_free(p->thread, p->state == PL_PRODUCER_OPEN, p->queue);
    pl_waker_free(p->waker);
    free(p);
}
