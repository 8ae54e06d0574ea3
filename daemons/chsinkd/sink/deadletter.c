/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadletter.c - the transactions that write dead letters.
 */
#include "daemons/chsinkd/sink/deadletter.h"

#include <pthread.h>

#include "daemons/chsinkd/conf.h"
#include "lib/base/clock.h"

#define INIT_MS      30000
#define OFFSETS_MS   10000
#define ABORT_MS     10000
#define CLOSE_MS     30000
#define FULL_POLL_MS 100

struct deadletter_writer {
    struct deadletter_conf conf;
    char *transactional_id;
    pthread_mutex_t lock;
    struct pl_txn txn; /* closed: not connected yet, or after an error */
};

struct deadletter_writer *deadletter_writer_new(const struct deadletter_conf *conf)
{
    struct deadletter_writer *w = pl_alloc(sizeof(*w));
    w->conf = *conf;
    w->transactional_id = pl_strdup(conf->transactional_id);
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

void deadletter_writer_free(struct deadletter_writer *w)
{
    if (!w)
        return;
    pl_txn_close(&w->txn);
    pthread_mutex_destroy(&w->lock);
    free(w->transactional_id);
    free(w);
}

static bool go_on(void *userdata, const char *why)
{
    const _Atomic bool *give_up = userdata;
    (void)why;
    return !*give_up;
}

/* Begins a step that may wait for timeout_ms; below 0: no limit. */
static void step(struct pl_txn_wait *wait, const char *doing, int64_t timeout_ms)
{
    wait->doing = doing;
    wait->timeout_ms = timeout_ms;
    if (wait->deadline)
        pl_deadline_begin(wait->deadline, doing, pl_clock_monotonic_ms(), timeout_ms);
}

/* Ends a client whose state is unknown; the next write makes another, which fences it. */
static void writer_disconnect(struct deadletter_writer *w, struct pl_txn_wait *wait)
{
    step(wait, "closing the client for dead letters", CLOSE_MS);
    pl_txn_close(&w->txn);
}

static int writer_connect(struct deadletter_writer *w, struct pl_txn_wait *wait, struct pl_err *err)
{
    const struct pl_producer_conf conf = {.kafka = w->conf.kafka,
                                          .borrowed_map = true,
                                          .transactional_id = w->transactional_id,
                                          .client_id = "chsinkd",
                                          .message_bytes_max = w->conf.message_bytes_max,
                                          .transaction_timeout_ms = CHSINKD_TRANSACTION_TIMEOUT_MS};
    if (w->txn.rk)
        return 0;
    step(wait, "connecting to write dead letters", INIT_MS);
    if (pl_txn_open(&w->txn, &conf, false, err) < 0)
        return -1;
    if (pl_txn_init(&w->txn, wait, err) == 0)
        return 0;
    writer_disconnect(w, wait);
    return -1;
}

static int transaction_fill(struct deadletter_writer *w, const struct deadletter_commit *commit,
                            struct pl_txn_wait *wait, struct pl_err *err)
{
    for (const struct dead_letter *d = commit->letters->first; d; d = d->next) {
        const struct pl_message m = {.topic = w->conf.topic,
                                     .key = d->key,
                                     .key_len = d->key_len,
                                     .value = d->value,
                                     .value_len = d->value_len,
                                     .headers = d->headers,
                                     .headers_n = d->headers_n};
        enum pl_send_result result;
        while ((result = pl_txn_send(&w->txn, &m, err)) == PL_SEND_FULL) {
            if (*commit->give_up)
                return pl_err_set(err, PL_ERR_RETRY, 0, "stopped");
            step(wait, "writing dead letters", FULL_POLL_MS);
            rd_kafka_poll(w->txn.rk, FULL_POLL_MS); /* takes reports */
        }
        if (result == PL_SEND_ERROR)
            return -1;
    }
    step(wait, "committing offsets with dead letters", 2 * OFFSETS_MS);
    return pl_txn_send_offsets(&w->txn, commit->offsets, commit->group, OFFSETS_MS, err);
}

static int transaction_write(struct deadletter_writer *w, const struct deadletter_commit *commit,
                             struct pl_txn_wait *wait, struct pl_err *err)
{
    enum pl_txn_result result = PL_TXN_REFUSED;
    step(wait, "writing dead letters", FULL_POLL_MS);
    if (pl_txn_begin(&w->txn, err) < 0) {
        writer_disconnect(w, wait);
        return -1;
    }
    int filled = transaction_fill(w, commit, wait, err);
    /* Code __STATE: the transaction has failed already, and the commit's refusal says why. */
    if (filled == 0 || err->code == RD_KAFKA_RESP_ERR__STATE) {
        step(wait, "committing dead letters", -1);
        result = pl_txn_commit(&w->txn, wait, err);
        if (result == PL_TXN_COMMITTED)
            return filled;
        if (result == PL_TXN_REFUSED && w->txn.cause.kind != PL_ERR_NONE)
            *err = w->txn.cause;
        if (result == PL_TXN_UNKNOWN) {
            pl_err_prefix(err, "it is not known whether Kafka has committed the dead letters");
            err->kind = PL_ERR_RETRY;
        }
    }
    struct pl_err abort_err;
    if (result == PL_TXN_REFUSED || result == PL_TXN_UNKNOWN) {
        step(wait, "aborting dead letters", ABORT_MS);
        result = pl_txn_abort(&w->txn, wait, &abort_err);
    }
    if (result != PL_TXN_ABORTED)
        writer_disconnect(w, wait);
    return -1;
}

int deadletter_write(struct deadletter_writer *w, const struct deadletter_commit *commit,
                     struct pl_err *err)
{
    struct pl_txn_wait wait = {
        .go_on = go_on, .userdata = (void *)commit->give_up, .deadline = commit->deadline};
    step(&wait, "waiting for another thread's dead letters", -1);
    pthread_mutex_lock(&w->lock);
    int rc = writer_connect(w, &wait, err);
    if (rc == 0)
        rc = transaction_write(w, commit, &wait, err);
    pthread_mutex_unlock(&w->lock);
    if (rc < 0 && err->kind == PL_ERR_FENCED)
        err->kind = PL_ERR_FATAL; /* the group decides who owns the partitions, not this id */
    return rc;
}
