/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer_thread.c - see internal.h.
 */
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/step.h"
#include "lib/kafka/internal.h"
#include "lib/log/log.h"

#define FREE_MS       1000 /* the longest that producer_thread_free() waits, of that: */
#define FREE_CLOSE_MS 300  /* … for closing the client */
#define QUIT_ABORT_MS 500  /* … for undoing an open transaction */

/* ---- the thread ---- */

/* Notes what the call waits for. false: quit. */
static bool thread_go_on(void *userdata, const char *why)
{
    struct producer_thread *th = userdata;
    pthread_mutex_lock(&th->lock);
    snprintf(th->waiting_for, sizeof(th->waiting_for), "%s", why);
    bool go_on = !th->quit;
    pthread_mutex_unlock(&th->lock);
    return go_on;
}

static enum pl_txn_result job_run(struct producer_thread *th, enum producer_job job,
                                  struct pl_err *err)
{
    struct pl_txn_wait wait = {.go_on = thread_go_on,
                               .userdata = th,
                               .timeout_ms = -1,
                               .deadline = &th->deadline,
                               .doing = "committing a transaction"};
    enum pl_txn_result result = PL_TXN_REFUSED;
    if (job == JOB_COMMIT) {
        PL_STEP("delivery.committing");
        result = pl_txn_commit(&th->txn, &wait, err);
    }
    if (result == PL_TXN_COMMITTED)
        PL_STEP("delivery.committed");
    if (result == PL_TXN_REFUSED) {
        wait.doing = "undoing a transaction";
        result = pl_txn_abort(&th->txn, &wait, err);
    } else if (result == PL_TXN_UNKNOWN) { /* a restart reads from Kafka which position holds */
        pl_err_prefix(err, "it is not known whether Kafka has committed the transaction (a "
                           "restart finds out)");
        err->kind = PL_ERR_FATAL;
        result = PL_TXN_FAILED;
    }
    return result;
}

static void job_finish(struct producer_thread *th, enum pl_txn_result result,
                       const struct pl_err *why)
{
    pl_deadline_begin(&th->deadline, "waiting for work", 0, -1);
    pthread_mutex_lock(&th->lock);
    th->job = JOB_NONE;
    th->result = result;
    th->err = *why;
    th->finished = true;
    if (th->waker)
        pl_waker_wake(th->waker);
    pthread_mutex_unlock(&th->lock);
}

static void thread_destroy(struct producer_thread *th)
{
    pthread_cond_destroy(&th->cond);
    pthread_mutex_destroy(&th->lock);
    free(th);
}

/* Undoes an open transaction if there is time, then closes the client here, because that can block
 * as well. The abort also avoids a race of librdkafka 2.0.2 (an assertion on txn_req_cnt) when a
 * client is destroyed in the millisecond in which it registers partitions. */
static void thread_end(struct producer_thread *th)
{
    pthread_mutex_lock(&th->lock);
    bool abort_open = th->quit_abort && th->job == JOB_NONE;
    pthread_mutex_unlock(&th->lock);
    if (abort_open) {
        const struct pl_txn_wait wait = {
            .go_on = thread_go_on, .userdata = th, .timeout_ms = QUIT_ABORT_MS};
        struct pl_err err; /* the coordinator will do it after transaction.timeout.ms */
        pl_txn_abort(&th->txn, &wait, &err);
    }
    th->calls_over = true;
    pthread_mutex_lock(&th->lock);
    while (!th->may_close)
        pthread_cond_wait(&th->cond, &th->lock);
    pthread_mutex_unlock(&th->lock);

    pl_txn_close(&th->txn);

    pthread_mutex_lock(&th->lock);
    th->done = true;
    bool abandoned = th->abandoned;
    pthread_cond_broadcast(&th->cond);
    pthread_mutex_unlock(&th->lock);
    if (abandoned)
        thread_destroy(th);
}

static void *thread_run(void *arg)
{
    struct producer_thread *th = arg;
    for (;;) {
        pthread_mutex_lock(&th->lock);
        while (th->job == JOB_NONE && !th->quit)
            pthread_cond_wait(&th->cond, &th->lock);
        enum producer_job job = th->job;
        bool quit = th->quit;
        th->waiting_for[0] = '\0';
        if (quit && job != JOB_NONE) { /* asked for, not begun */
            th->job = JOB_NONE;
            th->quit_abort = true;
        }
        pthread_mutex_unlock(&th->lock);
        if (quit)
            break;
        struct pl_err why = {0};
        enum pl_txn_result result = job_run(th, job, &why);
        if (result == PL_TXN_STOPPED) /* quit, in the middle of the call */
            break;
        job_finish(th, result, &why);
    }
    thread_end(th);
    return NULL;
}

/* ---- the loop's side ---- */

struct producer_thread *producer_thread_new(void)
{
    struct producer_thread *th = pl_alloc(sizeof(*th));
    pthread_mutex_init(&th->lock, NULL);
    pthread_cond_init(&th->cond, NULL);
    return th;
}

int producer_thread_start(struct producer_thread *th, struct pl_waker *waker, struct pl_err *err)
{
    th->waker = waker;
    int r = pthread_create(&th->thread, NULL, thread_run, th);
    if (r != 0)
        return pl_err_set(err, PL_ERR_FATAL, r, "cannot start a thread: %s", strerror(r));
    th->started = true;
    return 0;
}

void producer_thread_request(struct producer_thread *th, enum producer_job job)
{
    pl_deadline_begin(&th->deadline, "beginning", pl_clock_monotonic_ms(), PL_TXN_SLICE_MS);
    pthread_mutex_lock(&th->lock);
    th->job = job;
    th->finished = false;
    pthread_cond_broadcast(&th->cond);
    pthread_mutex_unlock(&th->lock);
}

bool producer_thread_take(struct producer_thread *th, enum pl_txn_result *ret_result,
                          struct pl_err *ret_why)
{
    pthread_mutex_lock(&th->lock);
    bool finished = th->finished;
    if (finished) {
        *ret_result = th->result;
        *ret_why = th->err;
        th->finished = false;
    }
    pthread_mutex_unlock(&th->lock);
    return finished;
}

void producer_thread_waiting_for(struct producer_thread *th, char *out)
{
    pthread_mutex_lock(&th->lock);
    memcpy(out, th->waiting_for, sizeof(th->waiting_for));
    pthread_mutex_unlock(&th->lock);
}

void producer_thread_free(struct producer_thread *th, bool abort_open, rd_kafka_queue_t *queue)
{
    int64_t end_ms = pl_clock_monotonic_ms() + FREE_MS;
    const struct timespec end = {end_ms / 1000, end_ms % 1000 * 1000000};
    if (!th->started) {
        pl_txn_close(&th->txn);
        thread_destroy(th);
        return;
    }
    pthread_mutex_lock(&th->lock);
    th->waker = NULL;
    th->quit = true;
    th->quit_abort = abort_open;
    pthread_cond_broadcast(&th->cond);
    pthread_mutex_unlock(&th->lock);
    /* An abort waits until the reports of what it threw away are taken. */
    while (queue && !th->calls_over && pl_clock_monotonic_ms() < end_ms - FREE_CLOSE_MS) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 10);
        if (event)
            rd_kafka_event_destroy(event);
    }
    if (queue) {
        rd_kafka_queue_cb_event_enable(queue, NULL, NULL);
        rd_kafka_queue_destroy(queue);
    }
    pthread_mutex_lock(&th->lock);
    th->may_close = true;
    pthread_cond_broadcast(&th->cond);
    while (!th->done && pthread_cond_clockwait(&th->cond, &th->lock, CLOCK_MONOTONIC, &end) == 0)
        ;
    bool done = th->done;
    th->abandoned = !done;
    pthread_t thread = th->thread;
    pthread_mutex_unlock(&th->lock);
    if (!done) {
        /* A broker that is away or a slow name server keeps the thread in librdkafka, perhaps for
         * minutes; it frees everything when it returns, unless the process ends first. */
        pl_log(PL_DEBUG, NULL, "abandoned a Kafka client that did not close in time");
        pthread_detach(thread);
        return;
    }
    pthread_join(thread, NULL);
    thread_destroy(th);
}
