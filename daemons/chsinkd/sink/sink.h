/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.h - what chsinkd's threads share: partitions, the queue of closed batches, memory held.
 *
 *     consumer.c: one thread                              inserter.c: several threads
 *     poll Kafka, decode into      closed batches,        announce the range, insert,
 *     the open batch of each  ──── one at a time for ───> commit; dead letters
 *     partition, close it          a partition, in order           │
 *          ^                                                       │
 *          └──── room; go back to bisect a refused batch <─────────┘
 *
 * The loop's thread (chsinkd.c) starts and stops them and reads the counters. Each thread owns what
 * it works on: the consumer the open batches, an inserter the batch it took. What is shared is in
 * `struct sink` under `lock`; the fields of a partition say whose they are.
 */
#ifndef CHSINKD_SINK_SINK_H
#define CHSINKD_SINK_SINK_H

#include <pthread.h>

#include "daemons/chsinkd/clickhouse/table.h"
#include "daemons/chsinkd/conf.h"
#include "daemons/chsinkd/metrics.h"
#include "daemons/chsinkd/sink/batch.h"
#include "lib/base/clock.h"
#include "lib/service/daemon.h"
#include "lib/service/watchdog.h"

/* Batches inserted into a table. */
struct sink_sums {
    uint64_t batches, rows, messages, bytes;
    int64_t start, end; /* of the first, of the last */
    int64_t took_ms;
};

/* A partition that is or was assigned to us; kept for the life of the sink (there are few). */
struct partition {
    char *topic;
    int32_t id;
    struct sink_route *route;

    /* Under the lock. */
    unsigned epoch; /* changes whenever the partition comes or goes */
    bool assigned;
    bool busy;   /* an inserter has a batch of it */
    bool rewind; /* the consumer must go back to rewind_offset */
    int64_t rewind_offset, rewind_until;
    uint64_t rewind_messages; /* the size of batches until rewind_until; 0: the one message at
                                 rewind_offset is a dead letter */
    bool rewind_fixed;        /* [rewind_offset, rewind_until) is announced and stays one batch */
    char rewind_reason[256];
    struct sink_sums sums; /* not logged yet */
    int64_t logged_ms;     /* monotonic: when sums were logged last; 0: never */

    /* The busy inserter's; set by the consumer at assignment. */
    struct pl_announcement announced; /* in the group's metadata now; end -1: none */

    /* The consumer's. */
    struct batch *open;
    _Atomic int64_t next_offset; /* the next one, or a later; -1 before a new group's first */
    int64_t seek_refused_ms;     /* monotonic: going back is refused since then; 0: it is not */
    bool retention_took; /* what should come next is deleted: the next message shows how much */
    int64_t fixed_end;   /* of an announced range that must be read as one batch; -1 none */
    int64_t *present;    /* sorted offsets of that range which the table has already */
    size_t present_n;
    int64_t limit_until; /* below this offset batches have limit_messages; -1 none */
    uint64_t limit_messages;
    int64_t condemned; /* this offset is a dead letter, the server refused it; -1 none */
    char condemned_reason[256];
    int64_t once_end; /* --once: done when next_offset is here; -1 not known yet */
    bool once_done;
};

struct sink_route {
    const struct route *route;
    const char *database;
    struct rows *rows;  /* the consumer's */
    char *table;        /* for tokens: "database.table" */
    char *table_quoted; /* for SQL */
    struct pl_buf insert_sql;
    struct block *spare[4]; /* under the lock */
    unsigned spare_n;
    struct rows_counts counted; /* the consumer's: added to the metrics already */
};

/* The last batch inserted; for STATUS. */
struct sink_last {
    const struct sink_route *route; /* NULL: none yet */
    uint64_t rows;
    int64_t at_ms; /* monotonic */
};

#define SINK_INSERTERS_MAX 16

struct sink {
    const struct chsinkd_conf *conf;
    struct pl_metrics *metrics;
    struct sink_route *routes;
    unsigned routes_n;
    const struct route *replay; /* --replay: this route from the dead-letter topic; else NULL */
    bool once;                  /* ends when the partitions are read to their present end */

    struct pl_kafka_health health;
    rd_kafka_t *rk;
    struct consumer *consumer; /* the consumer's thread's own */
    struct deadletter_writer *deadletters;

    pthread_mutex_t lock;
    pthread_cond_t work;                    /* for inserters: a batch, an end */
    pthread_cond_t room;                    /* for the consumer: a batch is done */
    struct batch *queue_first, **queue_end; /* the end: where the next batch is linked */
    unsigned queued, busy;
    uint64_t taken;    /* batches, by inserters */
    size_t bytes_held; /* of closed batches */
    struct sink_last last;
    struct partition **partitions;
    unsigned partitions_n;
    struct clickhouse *clients[SINK_INSERTERS_MAX + 1]; /* every thread's, to end their calls */
    unsigned clients_n;
    struct pl_err failed; /* the first error that ends the sink; kind NONE: none */

    _Atomic bool stopping; /* read no more, finish what there is */
    _Atomic bool give_up;  /* stop retrying; what is not committed is read again next time */
    _Atomic bool drained;  /* the consumer's last word: all is committed and the group left */
    _Atomic bool away;     /* ClickHouse does not answer */
    _Atomic bool assigned_once;
    struct pl_deadline consumer_deadline, inserter_deadlines[SINK_INSERTERS_MAX];
    unsigned inserters_n;
    int64_t clickhouse_ms, commit_ms; /* the longest that a query or insert, a commit can take */
    _Atomic int64_t in_flight;        /* messages in batches, counted apart from the metrics */
    _Atomic int64_t batch_rows, batch_bytes, batch_age_ms, inserts_per_second; /* reloadable */

    struct pl_waker *waker; /* wakes the loop: failed or drained; NULL: none (tests) */
};

/* sink.c: life of the shared state. */
void sink_init(struct sink *s, const struct chsinkd_conf *conf, struct pl_metrics *metrics);
void sink_release(struct sink *s);
void sink_fail(struct sink *s, const struct pl_err *err); /* any thread; the first error counts */
void sink_limits_set(struct sink *s, const struct chsinkd_conf *conf);
void sink_give_up(struct sink *s);
struct clickhouse *sink_client_new(struct sink *s); /* registered; freed by sink_release */
/* Ends the calls under way, and the following until it is called with false. With the lock held. */
void sink_clients_abort(struct sink *s, bool abort);
int sink_thread_start(pthread_t *ret_thread, void *(*run)(void *arg), void *arg,
                      struct pl_err *err);
/* NULL: not known. By the consumer, or with the lock held. */
struct partition *sink_partition_find(struct sink *s, const char *topic, int32_t id);
/* Found or made; by the consumer, not with the lock held. */
struct partition *sink_partition(struct sink *s, const char *topic, int32_t id);

/* What the calling thread, whose deadline it is, does from now on, and how long that can take. */
static inline void sink_deadline_begin(struct pl_deadline *deadline, const char *doing,
                                       int64_t max_ms)
{
    pl_deadline_begin(deadline, doing, pl_clock_monotonic_ms(), max_ms);
}

/* Logs what was inserted, for the loop's tick: sums, since batches come every second. At most one
 * line a call, and one a partition every minute; `all`: all that is not logged yet, at the end. */
void sink_log(struct sink *s, int64_t now_ms, bool all);

/* For on_watchdog: why work does not move though nothing is known to be away (a thread hangs in a
 * call, or no inserter takes batches). NULL: it moves. */
const char *sink_stuck(struct sink *s, struct pl_progress *progress);

/* The fields of a partition, a table and a range in logs. */
#define SINK_F_PARTITION(p) PL_F_STR("TOPIC", (p)->topic), PL_F_INT("PARTITION", (p)->id)

#define SINK_F_TABLE(sr) PL_F_STR("TABLE", (sr)->route->table), PL_F_STR("DATABASE", (sr)->database)

#define SINK_F_RANGE(r) PL_F_INT("OFFSET_START", (r)->start), PL_F_INT("OFFSET_END", (r)->end)

/* Waits at most wait_ms on one of the sink's conditions, with the lock held. */
void sink_cond_wait(struct sink *s, pthread_cond_t *cond, int64_t wait_ms);
/* The same on `room`, without the lock held. */
void sink_room_wait(struct sink *s, int64_t wait_ms);

/* A batch with an empty block. Not with the lock held. */
struct batch *sink_batch_new(struct sink *s, struct partition *p);
/* Frees a batch, keeps its block for the next. `given_back`: its messages were not delivered and
 * will be read again. Not with the lock held. */
void sink_batch_drop(struct sink *s, struct batch *b, bool given_back);
void sink_batch_list_drop(struct sink *s, struct batch *list); /* all are given back; may be NULL */
size_t sink_batch_memory(const struct batch *b);

/* The queue of closed batches, with the lock held. */
void sink_queue_push(struct sink *s, struct batch *b);
/* The first whose partition is not busy, or NULL. */
struct batch *sink_queue_take_ready(struct sink *s);
struct batch *sink_queue_take_partition(struct sink *s, const struct partition *p); /* a list */
const struct batch *sink_queue_next(const struct sink *s, const struct partition *p);

/* Which offsets of a range the table has already: sorted, malloc()ed. Only where
 * sink_can_ask_table(): the route keeps topic, partition and offset in columns, and the table keeps
 * rows. */
bool sink_can_ask_table(const struct route *r);
int sink_ask_table(struct clickhouse *c, const struct sink_route *sr, const struct pl_range *range,
                   int64_t **ret_offsets, size_t *ret_n, struct pl_err *err);

/* consumer.c and inserter.c: threads. */
int consumer_new(struct sink *s, struct pl_err *err); /* creates s->rk, probes the brokers */
void consumer_free(struct sink *s);                   /* before sink_release */
/* Checks the topics, subscribes, starts the thread. */
int consumer_start(struct sink *s, pthread_t *ret_thread, struct pl_err *err);
int inserter_start(struct sink *s, pthread_t *ret_thread, struct pl_err *err);

PL_DEFINE_CLEANUP(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy);
PL_DEFINE_CLEANUP(rd_kafka_error_t *, rd_kafka_error_destroy);

#endif
