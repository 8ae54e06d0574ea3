/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - private to the module: the producer's thread, which makes transaction.h's blocking
 * calls, and the simple consumer that reads a topic of positions.
 *
 * librdkafka's commit waits (flush) until the application has taken all delivery reports as events.
 * Only the loop takes them, so the thread never touches the event queue, the loop never makes a
 * blocking call, and callbacks run in one thread.
 *
 * Threads: the functions are for the loop's thread.
 */
#ifndef PL_KAFKA_INTERNAL_H
#define PL_KAFKA_INTERNAL_H

#include <pthread.h>

#include "lib/kafka/transaction.h"
#include "lib/service/daemon.h"

enum producer_job { JOB_NONE, JOB_COMMIT, JOB_ABORT };

/* Heap, shared by the loop and the thread; outlives the producer where the thread is stuck. */
struct producer_thread {
    struct pl_txn txn;
    struct pl_deadline deadline; /* the thread's: none of its calls lasts longer than a slice */
    pthread_t thread;
    bool started;
    _Atomic bool calls_over; /* it makes no more transaction calls */
    pthread_mutex_t lock;    /* guards all below */
    pthread_cond_t cond;
    struct pl_waker *waker; /* NULL: the producer is being freed */
    enum producer_job job;
    bool finished; /* `result` and `err` wait for producer_thread_take() */
    enum pl_txn_result result;
    struct pl_err err;
    char waiting_for[256]; /* why the last slice of the call had no answer; "": unknown */
    bool quit, quit_abort; /* no more calls; abort what is open first */
    bool may_close;        /* the loop has dropped all that belongs to the client */
    bool done, abandoned;  /* the thread ends; the last user frees */
};

struct producer_thread *producer_thread_new(void);
/* When txn is open. Borrows the waker and wakes it when a job has ended. */
int producer_thread_start(struct producer_thread *th, struct pl_waker *waker, struct pl_err *err);

void producer_thread_request(struct producer_thread *th, enum producer_job job);
/* COMMITTED, ABORTED (why: the commit's error), or FAILED. false: no job has ended. */
bool producer_thread_take(struct producer_thread *th, enum pl_txn_result *ret_result,
                          struct pl_err *ret_why);
void producer_thread_waiting_for(struct producer_thread *th, char *out); /* 256 bytes */

/* Ends the thread, which undoes an open transaction if `abort_open`. Takes the client's main queue
 * (may be NULL) and drops its events. Waits at most 1 s, then abandons the thread. */
void producer_thread_free(struct producer_thread *th, bool abort_open, rd_kafka_queue_t *queue);

/* ---- positions.c: a consumer without a group. Threads: any, one at a time. ---- */

/* Zero-initialise. */
struct kafka_reader {
    struct pl_kafka_health health;
    rd_kafka_t *rk;
    rd_kafka_topic_t *rkt;
    rd_kafka_queue_t *queue;
    int started; /* partitions */
};
int kafka_reader_open(struct kafka_reader *c, const struct pl_map *map, const char *isolation,
                      struct pl_err *err);
/* `offsets`: where to begin in each partition. */
int kafka_reader_start(struct kafka_reader *c, const char *topic, int partitions,
                       const int64_t *offsets, struct pl_err *err);
void kafka_reader_release(struct kafka_reader *c);

/* The record's PL_KAFKA_WRITER_HEADER, malloc()ed; NULL: it has none. */
char *kafka_record_writer(const rd_kafka_message_t *m);

#endif
