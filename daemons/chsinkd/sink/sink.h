/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.h - from Kafka's partitions into the output: what is shared, and who does what.
 *
 *     consumer.c   one thread. Polls Kafka; all that stands in this folder itself is done by it.
 *     assignment.c   partitions come and go
 *     intake.c       messages are decoded into the open batch of their partition, which is closed
 *     drive.c        asks the machine what to do with a partition, and does it
 *     protocol/    pure: the machine (partition.h), what the group keeps, where to begin
 *     work/        threads that call the output: insert, look up
 *     kafka/       a thread for Kafka's calls that block: dead letters' transactions
 *
 *     Kafka ──messages──> intake ──batches──> drive ──work──> workers ──> output
 *       ^                                     │   ^              │
 *       └──── commits, seeks, pauses ─────────┘   └── answers ───┘
 *
 * A sink is one consumer group with the routes that are read by it. A process has one for each
 * group of its routes: they share the metrics and the threads of work/, and nothing else.
 *
 * The loop's thread (loader.c) starts and stops it and reads the counters. What several threads
 * touch is atomic or under `lock`; all else of a partition is the consumer's.
 */
#ifndef CHSINKD_SINK_SINK_H
#define CHSINKD_SINK_SINK_H

#include <pthread.h>
#include <stdatomic.h>

#include "daemons/chsinkd/batch/batch.h"
#include "daemons/chsinkd/batch/pool.h"
#include "daemons/chsinkd/conf.h"
#include "daemons/chsinkd/decode/rows.h"
#include "daemons/chsinkd/metrics.h"
#include "daemons/chsinkd/output/output.h"
#include "daemons/chsinkd/sink/kafka/courier.h"
#include "daemons/chsinkd/sink/protocol/note.h"
#include "daemons/chsinkd/sink/protocol/partition.h"
#include "daemons/chsinkd/sink/recent.h"
#include "daemons/chsinkd/sink/work/worker.h"
#include "lib/base/backoff.h"
#include "lib/base/clock.h"
#include "lib/batch/range.h"
#include "lib/kafka/client.h"
#include "lib/service/daemon.h"
#include "lib/service/ends.h"
#include "lib/service/watchdog.h"

/* Of memory_max, in eighths: rows; librdkafka's queue. The others are for messages on their way
 * into that queue and out of it, and for what the counts do not see. */
#define SINK_ROWS_EIGHTHS  5
#define SINK_QUEUE_EIGHTHS 1

/* Batches inserted into a table. */
struct sink_sums {
    uint64_t batches, rows, messages, bytes;
    int64_t start, end; /* of the first, of the last */
    int64_t took_ms;
};

/* Since the start, for people. */
struct sink_told {
    uint64_t rows, batches, letters;
    int64_t trouble_ms; /* since 1970: since when its target does not take rows; 0: it does */
    char trouble[200];  /* why */
};

struct sink_route {
    const struct route *route;
    struct output_target *target;
    const char *table, *database;  /* of the target, for logs */
    struct partition_conf machine; /* can_look: set by the first ensure */
    bool wants_headers;            /* a column is made of one */
    struct rows *rows;
    struct rows *rows_whole;    /* --replay, of messages as a whole; NULL: not yet needed */
    struct rows_counts counted; /* of `rows`, added to the metrics already */
    struct adding *adding;      /* unknown_fields: add; NULL: not here */
    _Atomic bool away;          /* its target did not answer the last call */
    struct sink_told told;      /* under the lock */
    struct pl_refusal outage;   /* the same, for the log */
    uint64_t outage_tries;      /* calls in vain since it began */
};

/* Why a partition of ours is not read. */
enum partition_aside {
    ASIDE_NO,
    ASIDE_HELD,   /* its target needs a person: worker.h's OUTPUT_HELD */
    ASIDE_FENCED, /* the group refused a commit, and has not said that the partition went */
    ASIDE_BEGIN,  /* where to begin is not known, or a person must say */
};

/* Who has the call that is outstanding: a worker, the courier or a commit; and what for. */
enum partition_call {
    CALL_NONE,
    CALL_MACHINE, /* the machine waits for the answer */
    CALL_VERIFY,  /* so it does; first the group is asked whether it still has our offset */
    CALL_BURY,    /* a refused message is read again */
    CALL_ENTER,   /* it was aside and begins again */
};

/* A partition that is or was assigned to us; kept for the life of the sink (there are few). */
struct partition {
    char *topic;
    int32_t id;
    struct sink_route *route;

    _Atomic bool assigned;       /* by the group */
    _Atomic int64_t next_offset; /* the next message's, or less; -1: not known yet */
    /* Nothing more was there at this offset, when it was read to there; -1: it was not. Behind the
     * last message, if a transaction's marker follows it. */
    _Atomic int64_t ended_at;
    _Atomic enum partition_aside aside;
    _Atomic bool settles; /* waits until no insert can arrive any more, to ask the table */
    _Atomic enum partition_phase phase; /* as state.phase */
    _Atomic int64_t phase_ms;           /* monotonic: since when */

    struct sink_sums sums; /* not logged yet; under the lock */
    int64_t logged_ms;     /* monotonic: when sums were logged last; 0: never; under the lock */

    /* The consumer's. */
    struct partition_state state;
    struct batch *open;  /* being filled */
    struct batch *ready; /* closed, in order */
    unsigned ready_n;
    struct batch *working;     /* given to the machine by EVENT_CLOSED */
    int64_t worked_ms;         /* monotonic: since when */
    struct recent_token token; /* what became of it so far */
    int64_t timer_ms;          /* boot clock: when EVENT_TIME is due; 0: no wait */
    struct pl_backoff backoff;
    int64_t bury_ms; /* monotonic: when the refused message is asked for again; 0 */
    enum partition_call call;
    bool stale; /* the call is for what the partition was before: its answer counts for nothing */
    struct work work;
    struct courier_job job;
    struct extent extent;            /* of the log, when it was asked last */
    struct partition_event entering; /* while it is asked, for CALL_ENTER */
    char job_metadata[PL_ANNOUNCEMENT_MAX];
    struct pl_buf note;    /* the working batch's, once it is inserted; protocol/note.h */
    struct note note_kept; /* the output's, when it was asked for its position */
    char refusal[256];     /* why the output refused the working batch */

    bool reading;            /* messages are taken */
    bool paused;             /* at librdkafka */
    int64_t seek_to;         /* where librdkafka must go before reading; -1: it is there */
    int64_t seek_refused_ms; /* monotonic: it is refused since then; 0: it is not */
    int64_t fixed_end;       /* of an announced range that is read as one batch; -1 none */
    bool retention_took;     /* what should come next is deleted: the next message shows how much */
    int64_t committed;       /* the group's offset, as far as we know; -1: none */
    int64_t low;             /* the first offset in the log, when reading was begun */
    int64_t beyond_ms; /* monotonic: since when the log has ended before what we know of it; 0 */
    bool leaving;      /* the group asks for it: nothing more is read */
    int64_t aside_ms;  /* monotonic: when it is tried again */
    unsigned aside_tries;
    /* The place was chosen by the table's rows, and what is in doubt there is not yet behind us:
     * the table may have rows of a topic that had the same name (place.h). */
    bool probe;
    int64_t closed_ms; /* monotonic: when a batch was closed last */
    bool verify; /* nothing came for a while: before the next commit the group is asked whether the
                  * topic is still the one that it was */
    bool enter_waits; /* assigned while a call is outstanding: begins when its answer has come */
    _Atomic int64_t once_end; /* --once: done when next_offset is here; -1 not known yet */
    bool once_done;
    int64_t shown_begin; /* the loop's: next_offset when it was first seen, for progress; -1 */
};

/* A topic as it was when the process started; for `start: latest`. */
struct sink_topic {
    char *name;
    int32_t partitions_n;
    bool has_offset; /* the group had one in any of its partitions */
};

/* The last batch inserted; for STATUS. */
struct sink_last {
    const struct sink_route *route; /* NULL: none yet */
    uint64_t rows;
    int64_t at_ms; /* monotonic */
};

/* One of several sinks, among which memory_max and inserts_per_second are divided. */
struct sink_part {
    const char *group;
    unsigned of; /* how many there are */
};

struct sink {
    const struct chsinkd_conf *conf;
    unsigned of; /* sinks of the process */
    struct pl_metrics *metrics;
    const struct output_kind *output;
    const void *output_conf;
    struct sink_route *routes;
    unsigned routes_n;
    struct block_pool *pool; /* the consumer's */
    bool backlog;            /* there was one lately: empty blocks are kept for it */
    int64_t memory_bytes;    /* of memory_max */
    size_t rows_bytes_max;   /* rows' share of it */
    size_t memory_told;      /* the consumer's: what it has in the metric */
    struct {
        uint64_t messages, bytes;
    } taken;                    /* the consumer's: not yet in the metrics and in_flight */
    const struct route *replay; /* --replay: this route from the dead-letter topic; else NULL */
    char id[17];                /* of this sink alone, by chance: begins the ids of its notes */
    uint64_t notes;             /* written */
    char *group;                /* its group.id; with --replay one of its own, by consumer_new() */
    bool once;                  /* ends when the partitions are read to their present end */

    struct sink_topic *topics;
    unsigned topics_n;

    struct pl_kafka_health health;
    rd_kafka_t *rk;
    bool subscribed;           /* it has joined the group, or tries to */
    struct consumer *consumer; /* the consumer's thread's own */
    struct workers *workers;   /* borrowed, all sinks' */
    struct workers_desk desk;
    struct courier *courier;

    pthread_mutex_t lock, wake_lock;
    pthread_cond_t wake; /* the consumer, when `woken` is set */
    struct sink_last last;
    struct recent recent;
    struct partition **partitions; /* the consumer adds, with the lock held */
    unsigned partitions_n;
    struct pl_err failed; /* the first error that ends the sink; kind NONE: none */

    _Atomic bool woken;    /* the consumer: an answer has come, a flag was set */
    _Atomic bool stopping; /* read no more, finish what there is */
    _Atomic bool again;    /* a route is to be read anew, with what its table has got; adding.h */
    _Atomic bool give_up;  /* stop retrying; what is not committed is read again next time */
    _Atomic bool drained;  /* the consumer's last word: all is committed and the group left */
    _Atomic bool assigned_once;
    struct pl_deadline consumer_deadline;
    int64_t call_ms;           /* the longest that a call of the output can take */
    _Atomic int64_t in_flight; /* messages in batches, counted apart from the metrics */
    _Atomic int64_t batch_rows, batch_bytes, batch_age_ms, inserts_per_second; /* reloadable */

    struct pl_waker *waker; /* wakes the loop: failed or drained; NULL: none (tests) */
};

/* sink.c: life of the shared state. `part` NULL: all routes, by the configured group. */
void sink_init(struct sink *s, const struct chsinkd_conf *conf, const struct sink_part *part,
               const struct output_kind *output, const void *output_conf,
               struct pl_metrics *metrics);
void sink_release(struct sink *s);
void sink_fail(struct sink *s, const struct pl_err *err); /* any thread; the first error counts */
void sink_limits_set(struct sink *s, const struct chsinkd_conf *conf);
void sink_give_up(struct sink *s); /* any thread */
/* Any thread: the consumer looks at answers and flags soon, also when it waits for messages. */
void sink_wake(struct sink *s);
/* A route, which has changed before the consumer started, as sink_init() takes it. */
void sink_route_anew(struct sink *s, struct sink_route *sr);
/* What ensure has found about a route's target. Before the consumer starts, then by it. */
void sink_route_state(struct sink_route *sr, const struct output_state *state);
/* --replay: which rows are there is asked by the message that they come from, as the table does not
 * have the dead letters' own offsets. An output that keeps the position has that of the replay. */
static inline bool sink_by_origin(const struct sink *s)
{
    return s->replay && s->output->holds;
}
/* The output is asked where a partition begins. */
static inline bool sink_asks_place(const struct sink *s, const struct sink_route *sr)
{
    return sr->machine.keeps_position || (sr->machine.can_look && !sink_by_origin(s));
}
/* Up to where it is read: behind the last message, or behind the marker of a transaction that
 * follows it. -1: not known yet. Any thread. */
static inline int64_t sink_read_to(const struct partition *p)
{
    int64_t next = p->next_offset, ended_at = p->ended_at;
    return ended_at > next ? ended_at : next;
}
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

/* A route with a partition of ours whose target does not answer; NULL: none. Any thread. */
const struct sink_route *sink_away(struct sink *s);

/* For on_watchdog: why work does not move though nothing is known to be away (a thread hangs in a
 * call, or no worker takes batches). NULL: it moves. */
const char *sink_stuck(struct sink *s, struct pl_progress *progress);

/* The fields of an output, a partition, a table and a range in logs. */
#define SINK_F_OUTPUT(s) PL_F_STR("OUTPUT", (s)->output->name)

#define SINK_F_PARTITION(p) PL_F_STR("TOPIC", (p)->topic), PL_F_INT("PARTITION", (p)->id)

#define SINK_F_TABLE(sr) PL_F_STR("TABLE", (sr)->table), PL_F_STR("DATABASE", (sr)->database)

#define SINK_F_RANGE(r) PL_F_INT("OFFSET_START", (r)->start), PL_F_INT("OFFSET_END", (r)->end)

/* consumer.c: the thread. */
int consumer_new(struct sink *s, struct pl_err *err); /* creates s->rk, probes the brokers */
void consumer_free(struct sink *s);                   /* before sink_release */
/* Checks the topics, subscribes, starts the thread. */
int consumer_start(struct sink *s, pthread_t *ret_thread, struct pl_err *err);

PL_DEFINE_CLEANUP(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy);
PL_DEFINE_CLEANUP(rd_kafka_error_t *, rd_kafka_error_destroy);

#endif
