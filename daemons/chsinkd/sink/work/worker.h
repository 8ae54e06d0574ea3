/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - the threads that call the output: each takes a piece of work, makes one call, gives
 * the answer back.
 *
 * A worker knows neither partitions nor the group: it has a target, a batch, a token. What an
 * answer means for the partition is decided by who submitted it, so nothing is tried again here.
 *
 * Who submits has a desk, where its answers come back. The sinks of a process share the threads, as
 * an output may allow one writer only; no desk has more than its share of them at work, so that one
 * whose calls take long leaves threads to the others.
 *
 * Threads: workers_submit() and workers_take_done() by one thread a desk, its owner's; what is
 * submitted is the workers' until it is taken back. The others: see each.
 */
#ifndef CHSINKD_SINK_WORKER_H
#define CHSINKD_SINK_WORKER_H

#include "daemons/chsinkd/output/grow.h"
#include "lib/service/watchdog.h"

#define WORKERS_MAX 64

enum work_kind {
    WORK_PLACE,  /* where does the output end? */
    WORK_LOOK,   /* takes out of the batch what is there */
    WORK_INSERT, /* the batch with the token */
    WORK_ENSURE, /* the target, after it was HELD */
    WORK_ADD,    /* columns to the target's table */
};

struct work {
    enum work_kind kind;
    const struct output_target *target;
    struct output_range range;
    struct batch *batch;    /* LOOK, INSERT */
    struct pl_buf token;    /* INSERT; its text */
    int64_t send_before_ms; /* INSERT, boot clock: not sent later, but RETRY, expired */
    bool urgent;            /* it expired before: goes before others */
    struct column_notes want; /* ADD */
    void *owner;

    /* The answer. */
    enum output_answer answer; /* INSERT: any; the others: DONE, RETRY, HELD */
    struct pl_err err;         /* unless DONE */
    bool expired;              /* INSERT: RETRY since it waited too long for a worker */
    struct output_found found; /* LOOK */
    int64_t position;          /* PLACE: -1: the output has nothing */
    struct pl_buf note;        /* PLACE: what is kept with it */
    struct output_state state; /* ENSURE */
    struct column_notes there; /* ADD: the table's columns, DONE or not; empty: not known */
    int64_t took_ms;

    /* The workers'. */
    struct workers_desk *desk;
    struct work *next;
};

struct work_list { /* the workers' */
    struct work *first, **end;
};

/* Set up by workers_desk_init(); outlives the workers' threads. */
struct workers_desk {
    void (*done)(void *userdata); /* in a worker's thread: there is something to take */
    void *userdata;
    /* The workers', under their lock. */
    struct work_list answered;
    unsigned busy;
};

void workers_desk_init(struct workers_desk *desk, void (*done)(void *userdata), void *userdata);

struct workers_conf {
    const struct output_kind *output;
    const void *output_conf;
    unsigned threads;  /* at most WORKERS_MAX */
    unsigned each;     /* of them, at work for one desk at once; 0: all */
    int64_t call_ms;   /* the longest that an insert or a query can take */
    int64_t ensure_ms; /* that ensure can */
};

struct workers;

int workers_start(const struct workers_conf *conf, struct workers **ret, struct pl_err *err);

void workers_submit(struct workers *w, struct workers_desk *desk, struct work *work);
/* A list in the order of the answers; or NULL. */
struct work *workers_take_done(struct workers *w, struct workers_desk *desk);

/* Any thread. Ends the calls under way, and what waits is answered without one (RETRY). */
void workers_give_up(struct workers *w);

/* Any thread, for the watchdog: what a thread hangs in, or NULL. `pending`: something waits and no
 * thread is at work for any desk; `taken` counts what was taken. */
struct workers_look {
    const char *overdue;
    bool pending;
    uint64_t taken;
};
struct workers_look workers_look(struct workers *w, int64_t now_ms);

/* Waits until `until` (CLOCK_REALTIME) for the threads' end, after workers_give_up(). False: one is
 * still inside a call, and nothing may be freed. */
bool workers_join(struct workers *w, const struct timespec *until);
/* After they were joined, or none was started. NULL is allowed. What was not taken back is its
 * owner's. */
void workers_free(struct workers *w);

#endif
