/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transaction.h - internal to the producer: the thread that makes librdkafka's blocking
 * transaction calls, and what it shares with the loop.
 *
 * Librdkafka's commit waits (flush) until the application has taken all delivery reports as
 * events, and only the loop takes them; so the thread never touches the event queue, the loop
 * never makes a call that waits, and callbacks have one thread.
 *
 * Threads: calls from the loop's thread unless said otherwise.
 */
#ifndef PL_KAFKA_TRANSACTION_H
#define PL_KAFKA_TRANSACTION_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/kafka/client.h"
#include "lib/service/daemon.h"
#include "lib/service/watchdog.h"

enum pl_txn_job { PL_TXN_NONE, PL_TXN_COMMIT, PL_TXN_ABORT };

enum pl_txn_result {
    PL_TXN_COMMITTED,
    PL_TXN_ABORTED, /* err: why */
    PL_TXN_FAILED,  /* err: FATAL or CONFIG */
};

/* Heap, shared by the loop and the thread; outlives the producer where the thread is stuck. */
struct pl_txn {
    rd_kafka_t *rk;
    struct pl_kafka_health health;
    char *transactional_id;
    int64_t timeout_ms;          /* transaction.timeout.ms */
    struct pl_deadline deadline; /* the thread's: none of its calls lasts longer than a slice */

    /* Written by the loop, read by the thread: the messages of the transaction. */
    _Atomic uint64_t sent, outstanding, failed;
    _Atomic int64_t begun_ms; /* monotonic */

    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t cond;
    struct pl_waker *waker; /* NULL: nobody listens any more */
    enum pl_txn_job job;
    bool finished; /* `result` and `err` wait for pl_txn_take() */
    enum pl_txn_result result;
    struct pl_err err;
    char waiting_for[256]; /* what the last slice of the call said, "" nothing */
    bool quit, quit_abort; /* no more calls; abort what is open first */
    bool calls_over;       /* the thread makes no more transaction calls */
    bool may_destroy;      /* the loop has dropped all that belongs to rk */
    bool done, abandoned;  /* the thread ends; who is last frees */
};

struct pl_txn *pl_txn_new(void);
/* Takes `rk`; borrows the waker, which is waked when a job has ended. */
int pl_txn_start(struct pl_txn *t, rd_kafka_t *rk, struct pl_waker *waker, struct pl_err *err);

/* init_transactions, on the calling thread; gives up after timeout_ms or when the daemon stops. */
int pl_txn_init(struct pl_txn *t, struct pl_daemon *d, int64_t timeout_ms, struct pl_err *err);

void pl_txn_request(struct pl_txn *t, enum pl_txn_job job);
bool pl_txn_take(struct pl_txn *t, enum pl_txn_result *ret_result, struct pl_err *ret_why);
void pl_txn_waiting_for(struct pl_txn *t, char *out); /* at least 256 bytes */

/* The error of a client that librdkafka has declared dead, in words for the operator. Any thread.
 */
int pl_txn_fatal_err(struct pl_txn *t, rd_kafka_resp_err_t code, const char *text,
                     struct pl_err *err);

/* Ending: quit, then (serving the event queue) until calls_over or a limit, then free, which waits
 * at most wait_ms for the thread and leaves it behind otherwise. */
void pl_txn_quit(struct pl_txn *t, bool abort_open);
bool pl_txn_calls_over(struct pl_txn *t);
void pl_txn_free(struct pl_txn *t, int64_t wait_ms);

#endif
