/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transaction.c - the thread of transaction.h.
 *
 * A call is made in slices, because librdkafka 2.0.2 lets the same call be resumed after a
 * retriable time-out; between two slices the thread sees whether it shall end.
 *
 * When a commit fails although every message is in the log, the request that ends the transaction
 * has been sent, and the broker may have carried it out. Undoing would then report as undone what
 * readers see, and the source would send it twice. So that is FATAL: a restart reads from Kafka
 * which position holds.
 */
#include "lib/kafka/transaction.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/log/log.h"

/* Short enough that a stop within a second finds the thread between two slices, long enough that
 * librdkafka's own thread answers within one (rdkafka.h warns of slices that end too early). */
#define SLICE_MS 800
/* Pause after a retriable error that came at once, so that the thread does not spin. */
#define PAUSE_MS 100
/* The share of the producer's one second that the undoing of an open transaction may have. */
#define QUIT_ABORT_MS 500

static void error_destroyp(rd_kafka_error_t **error)
{
    if (*error)
        rd_kafka_error_destroy(*error);
}

static struct timespec deadline_in(int64_t ms)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += ms / 1000;
    ts.tv_nsec += ms % 1000 * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_nsec -= 1000000000;
        ts.tv_sec++;
    }
    return ts;
}

/* ---- errors ---- */

int pl_txn_fatal_err(struct pl_txn *t, rd_kafka_resp_err_t code, const char *text,
                     struct pl_err *err)
{
    int64_t age = pl_clock_monotonic_ms() - t->begun_ms;
    enum pl_err_kind kind = pl_kafka_err_kind(code) == PL_ERR_CONFIG ? PL_ERR_CONFIG : PL_ERR_FATAL;

    switch ((int)code) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
        /* The coordinator fences us, too, when it has ended a transaction for its age. */
        if (t->begun_ms != 0 && age > t->timeout_ms)
            return pl_err_set(err, PL_ERR_FATAL, code,
                              "Kafka has undone the transaction of transactional.id %s, which was "
                              "open for %lld s (transaction.timeout.ms is %lld), or another "
                              "instance took over: start again",
                              t->transactional_id, (long long)(age / 1000),
                              (long long)t->timeout_ms);
        return pl_err_set(err, PL_ERR_FATAL, code,
                          "another instance with transactional.id %s took over: run only one, or "
                          "give each its own id",
                          t->transactional_id);
    default:
        return pl_err_set(err, kind, code,
                          "the Kafka producer of transactional.id %s cannot go on: %s",
                          t->transactional_id, text);
    }
}

static int error_fatal(struct pl_txn *t, const rd_kafka_error_t *error, struct pl_err *err)
{
    char text[256];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(t->rk, text, sizeof(text));

    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = rd_kafka_error_code(error);
        snprintf(text, sizeof(text), "%s", rd_kafka_error_string(error));
    }
    return pl_txn_fatal_err(t, code, text, err);
}

/* ---- the thread ---- */

/* Notes what a slice waits for and pauses where it came back at once. false: quit. */
static bool txn_go_on(struct pl_txn *t, const rd_kafka_error_t *error, int64_t slice_start_ms)
{
    bool at_once = pl_clock_monotonic_ms() - slice_start_ms < PAUSE_MS, go_on;
    struct timespec until = deadline_in(PAUSE_MS);

    pthread_mutex_lock(&t->lock);
    /* librdkafka's own words are for programmers: to poll the queue, to retry the call. */
    if (t->outstanding > 0)
        snprintf(t->waiting_for, sizeof(t->waiting_for), "%llu messages are not acknowledged",
                 (unsigned long long)t->outstanding);
    else if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT)
        snprintf(t->waiting_for, sizeof(t->waiting_for),
                 "the transaction coordinator does not answer");
    else
        snprintf(t->waiting_for, sizeof(t->waiting_for), "%s", rd_kafka_error_string(error));
    while (at_once && !t->quit && pthread_cond_timedwait(&t->cond, &t->lock, &until) == 0)
        ;
    go_on = !t->quit;
    pthread_mutex_unlock(&t->lock);
    return go_on;
}

/* Returns false when the thread shall quit before the call has ended. */
static bool txn_abort(struct pl_txn *t, enum pl_txn_result *ret, struct pl_err *err)
{
    for (;;) {
        int64_t start = pl_clock_monotonic_ms();
        pl_deadline_begin(&t->deadline, "undoing a transaction", start, SLICE_MS);
        PL_CLEANUP(error_destroyp)
        rd_kafka_error_t *error = rd_kafka_abort_transaction(t->rk, SLICE_MS);
        if (!error) {
            *ret = PL_TXN_ABORTED;
            return true;
        }
        if (rd_kafka_error_is_fatal(error) ||
            (!rd_kafka_error_is_retriable(error) && !rd_kafka_error_txn_requires_abort(error))) {
            error_fatal(t, error, err);
            *ret = PL_TXN_FAILED;
            return true;
        }
        if (!txn_go_on(t, error, start))
            return false;
    }
}

static bool txn_commit(struct pl_txn *t, enum pl_txn_result *ret, struct pl_err *err)
{
    for (;;) {
        int64_t start = pl_clock_monotonic_ms();
        pl_deadline_begin(&t->deadline, "committing a transaction", start, SLICE_MS);
        PL_CLEANUP(error_destroyp)
        rd_kafka_error_t *error = rd_kafka_commit_transaction(t->rk, SLICE_MS);
        if (!error) {
            *ret = PL_TXN_COMMITTED;
            return true;
        }
        if (rd_kafka_error_is_fatal(error)) {
            error_fatal(t, error, err);
            *ret = PL_TXN_FAILED;
            return true;
        }
        if (rd_kafka_error_txn_requires_abort(error)) {
            bool unknown = t->sent > 0 && t->outstanding == 0 && t->failed == 0;
            if (unknown) { /* see the head of this file */
                pl_err_set(err, PL_ERR_FATAL, rd_kafka_error_code(error),
                           "it is not known whether Kafka has committed the transaction (a "
                           "restart finds out): %s",
                           rd_kafka_error_string(error));
                *ret = PL_TXN_FAILED;
                return true;
            }
            pl_err_set(err, pl_kafka_err_kind(rd_kafka_error_code(error)),
                       rd_kafka_error_code(error), "Kafka transaction failed: %s",
                       rd_kafka_error_string(error));
            return txn_abort(t, ret, err);
        }
        if (!rd_kafka_error_is_retriable(error)) {
            error_fatal(t, error, err);
            *ret = PL_TXN_FAILED;
            return true;
        }
        if (!txn_go_on(t, error, start))
            return false;
    }
}

static void txn_finish(struct pl_txn *t, enum pl_txn_result result, const struct pl_err *why)
{
    pl_deadline_begin(&t->deadline, "waiting for work", 0, -1);
    pthread_mutex_lock(&t->lock);
    t->job = PL_TXN_NONE;
    t->result = result;
    t->err = *why;
    t->finished = true;
    if (t->waker)
        pl_waker_wake(t->waker);
    pthread_mutex_unlock(&t->lock);
}

static void txn_destroy(struct pl_txn *t)
{
    pthread_cond_destroy(&t->cond);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->health.lock);
    free(t->transactional_id);
    free(t);
}

/* The end: what is open is undone if there is time, then the client is destroyed here, because that
 * can block as well. The undoing also keeps a distance: librdkafka 2.0.2 has a race (an assertion
 * on txn_req_cnt) when a client is destroyed in the millisecond in which it registers partitions.
 */
static void txn_end(struct pl_txn *t)
{
    bool abandoned, abort_open;

    pthread_mutex_lock(&t->lock);
    abort_open = t->quit_abort && t->job == PL_TXN_NONE;
    pthread_mutex_unlock(&t->lock);
    if (abort_open) {
        rd_kafka_error_t *error = rd_kafka_abort_transaction(t->rk, QUIT_ABORT_MS);
        if (error) /* the coordinator will do it after transaction.timeout.ms */
            rd_kafka_error_destroy(error);
    }
    pthread_mutex_lock(&t->lock);
    t->calls_over = true;
    pthread_cond_broadcast(&t->cond);
    while (!t->may_destroy)
        pthread_cond_wait(&t->cond, &t->lock);
    pthread_mutex_unlock(&t->lock);

    rd_kafka_destroy(t->rk);

    pthread_mutex_lock(&t->lock);
    t->done = true;
    abandoned = t->abandoned;
    pthread_cond_broadcast(&t->cond);
    pthread_mutex_unlock(&t->lock);
    if (abandoned)
        txn_destroy(t);
}

static void *txn_thread(void *arg)
{
    struct pl_txn *t = arg;
    enum pl_txn_result result;
    struct pl_err why;

    for (;;) {
        pthread_mutex_lock(&t->lock);
        while (t->job == PL_TXN_NONE && !t->quit)
            pthread_cond_wait(&t->cond, &t->lock);
        enum pl_txn_job job = t->job;
        bool quit = t->quit;
        t->waiting_for[0] = '\0';
        if (quit && job != PL_TXN_NONE) { /* asked for, not begun */
            t->job = PL_TXN_NONE;
            t->quit_abort = true;
        }
        pthread_mutex_unlock(&t->lock);
        if (quit)
            break;
        memset(&why, 0, sizeof(why));
        if (!(job == PL_TXN_COMMIT ? txn_commit : txn_abort)(t, &result, &why))
            break;
        txn_finish(t, result, &why);
    }
    txn_end(t);
    return NULL;
}

/* ---- the loop's side ---- */

struct pl_txn *pl_txn_new(void)
{
    struct pl_txn *t = pl_alloc(sizeof(*t));
    pthread_condattr_t attr;

    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->health.lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->cond, &attr);
    pthread_condattr_destroy(&attr);
    return t;
}

int pl_txn_start(struct pl_txn *t, rd_kafka_t *rk, struct pl_waker *waker, struct pl_err *err)
{
    t->rk = rk;
    t->waker = waker;
    int r = pthread_create(&t->thread, NULL, txn_thread, t);
    if (r != 0) {
        rd_kafka_destroy(rk);
        return pl_err_set(err, PL_ERR_FATAL, r, "cannot start a thread: %s", strerror(r));
    }
    t->started = true;
    return 0;
}

int pl_txn_init(struct pl_txn *t, struct pl_daemon *d, int64_t timeout_ms, struct pl_err *err)
{
    int64_t start = pl_clock_monotonic_ms();

    for (;;) {
        int64_t now = pl_clock_monotonic_ms();
        PL_CLEANUP(error_destroyp)
        rd_kafka_error_t *error = rd_kafka_init_transactions(t->rk, SLICE_MS);
        rd_kafka_poll(t->rk, 0); /* the error callback: no messages are under way yet */
        if (!error)
            return 0;
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        enum pl_err_kind kind = pl_kafka_err_kind(code);
        if (kind == PL_ERR_CONFIG)
            return pl_err_set(err, kind, code, "transactional.id %s cannot be used: %s%s",
                              t->transactional_id, rd_kafka_error_string(error),
                              code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT
                                  ? ": lower kafka.transaction.timeout.ms"
                                  : "");
        if (!rd_kafka_error_is_retriable(error))
            return error_fatal(t, error, err);
        if (now - start >= timeout_ms)
            return pl_err_set(err, PL_ERR_RETRY, code,
                              "Kafka does not let transactional.id %s begin within %lld ms: %s",
                              t->transactional_id, (long long)timeout_ms,
                              rd_kafka_error_string(error));
        if (pl_daemon_stopping(d) || !txn_go_on(t, error, now))
            return pl_err_set(err, PL_ERR_RETRY, 0, "stopped while waiting for Kafka");
    }
}

void pl_txn_request(struct pl_txn *t, enum pl_txn_job job)
{
    pl_deadline_begin(&t->deadline, "beginning", pl_clock_monotonic_ms(), SLICE_MS);
    pthread_mutex_lock(&t->lock);
    t->job = job;
    t->finished = false;
    pthread_cond_broadcast(&t->cond);
    pthread_mutex_unlock(&t->lock);
}

bool pl_txn_take(struct pl_txn *t, enum pl_txn_result *ret_result, struct pl_err *ret_why)
{
    bool finished;

    pthread_mutex_lock(&t->lock);
    finished = t->finished;
    if (finished) {
        *ret_result = t->result;
        *ret_why = t->err;
        t->finished = false;
    }
    pthread_mutex_unlock(&t->lock);
    return finished;
}

void pl_txn_waiting_for(struct pl_txn *t, char *out)
{
    pthread_mutex_lock(&t->lock);
    memcpy(out, t->waiting_for, sizeof(t->waiting_for));
    pthread_mutex_unlock(&t->lock);
}

void pl_txn_quit(struct pl_txn *t, bool abort_open)
{
    pthread_mutex_lock(&t->lock);
    t->waker = NULL;
    t->quit = true;
    t->quit_abort = abort_open;
    pthread_cond_broadcast(&t->cond);
    pthread_mutex_unlock(&t->lock);
}

bool pl_txn_calls_over(struct pl_txn *t)
{
    bool over;

    pthread_mutex_lock(&t->lock);
    over = t->calls_over;
    pthread_mutex_unlock(&t->lock);
    return over;
}

void pl_txn_free(struct pl_txn *t, int64_t wait_ms)
{
    struct timespec until = deadline_in(wait_ms);

    if (!t->started) {
        txn_destroy(t);
        return;
    }
    pthread_mutex_lock(&t->lock);
    t->waker = NULL;
    t->quit = true;
    t->may_destroy = true;
    pthread_cond_broadcast(&t->cond);
    while (!t->done && pthread_cond_timedwait(&t->cond, &t->lock, &until) == 0)
        ;
    bool done = t->done;
    t->abandoned = !done;
    pthread_t thread = t->thread;
    pthread_mutex_unlock(&t->lock);
    if (!done) {
        /* A broker that is away or a slow name server holds the thread in librdkafka. Waiting could
         * take minutes; the thread frees everything when it comes back, or the process ends before.
         */
        pl_log(PL_DEBUG, NULL, "left a Kafka client behind that does not end in time");
        pthread_detach(thread);
        return;
    }
    pthread_join(thread, NULL);
    txn_destroy(t);
}
