/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.h - the sink of one consumer group with its threads: the steps of its start, its end.
 *
 * A process has a loader for each group of its routes. chsinkd.c takes them all through one step
 * after another, so that nothing is loaded before all of them can:
 *
 *     loader_init -> loader_tables -> loader_connect -> loader_group_wait (a run that ends)
 *                 -> loader_begin -> … -> loader_join -> loader_release
 *
 * Steps of the start block, each by its own limit, and tell systemd; after the first that fails
 * none is called but loader_join() and loader_release().
 *
 * Threads: the loop's.
 */
#ifndef CHSINKD_LOADER_H
#define CHSINKD_LOADER_H

#include "daemons/chsinkd/sink/sink.h"

struct loader { /* not to be copied */
    struct sink sink;
    struct pl_daemon *daemon; /* borrowed */
    pthread_t consumer;
    bool consumer_started;
    char *transactional_id; /* of the dead letters' writer */
    struct pl_progress progress;
    int64_t kafka_away_ms;        /* monotonic, since when; 0: it is there */
    struct pl_refusal kafka_away; /* the same, for the log */
};

/* What all loaders of a process have in common; all is borrowed. */
struct loader_common {
    const struct chsinkd_conf *conf;
    struct pl_daemon *daemon;
    struct pl_metrics *metrics;
    struct pl_waker *waker; /* woken when one has failed or is drained */
};

/* `part` as in sink_init(). The caller sets sink.once and sink.replay. */
void loader_init(struct loader *l, const struct loader_common *common,
                 const struct sink_part *part);

/* The tables of its routes are made ready; an output that is away is waited for until then. */
int loader_tables(struct loader *l, struct output *o, int64_t until_ms, struct pl_err *err);
/* A client of Kafka, which has answered. */
int loader_connect(struct loader *l, struct pl_err *err);
/* Until nobody else is in the group; CONFIG after the time in which a killed member is forgotten */
int loader_group_wait(struct loader *l, struct pl_err *err);
/* The threads, and with them the loading; sink.workers is set. */
int loader_begin(struct loader *l, struct pl_err *err);

/* Each second: logs that Kafka is away, again at growing intervals, and how long it was. */
void loader_kafka_look(struct loader *l, int64_t now_ms);

/* Reads no more, finishes what there is: then sink.drained. */
void loader_stop(struct loader *l);
/* Waits for its threads (CLOCK_REALTIME), after sink_give_up(). False: one is still inside a
 * library's call, and nothing may be freed. */
bool loader_join(struct loader *l, const struct timespec *until);
void loader_release(struct loader *l);

#endif
