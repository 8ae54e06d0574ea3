/* SPDX-License-Identifier: Apache-2.0 */
/*
 * once.h - --once: what the service does differently while it loads a bounded part of the streams
 * (backfill/backfill.h) and ends.
 *
 * It has a position of its own, in the record under the key NAME/once of the position topic, and a
 * transactional.id of its own (wikisrcd-NAME.once), so that a running service is neither fenced nor
 * moved. The record is committed with the events, as the service's position is: after kill -9 the
 * same command goes on where the last transaction ended.
 *
 * Threads: the loop's.
 */
#ifndef WIKISRCD_ONCE_H
#define WIKISRCD_ONCE_H

#include "daemons/wikisrcd/backfill/backfill.h"
#include "daemons/wikisrcd/conf.h"
#include "daemons/wikisrcd/metrics.h"
#include "daemons/wikisrcd/stream/source.h"
#include "lib/batch/delivery.h"

/* Zero-initialise but for `ask`, whose service_ms is found later, and `key`, which is owned. */
struct once {
    struct backfill_ask ask;
    struct backfill_record record;
    struct backfill_range range;
    bool is_done;  /* it was before: there is nothing to do */
    bool closed;   /* the record encoded last says that the range is whole */
    bool finished; /* and is committed */
    char *key;
    int64_t begun_ms, reached_ms; /* monotonic, and how far it was then; 0: not yet */
};

void once_release(struct once *o);

/* Where the service began; its position is only looked at. Before once_begin(). */
int once_look(struct once *o, const struct wikisrcd_conf *conf, struct pl_delivery *delivery,
              struct pl_err *err);
/* From the record committed last (empty: none): *ret gets the position to begin from, unless
 * o->is_done. 1: it is a committed one; 0: it is not; -1: error. */
int once_begin(struct once *o, const struct wikisrcd_conf *conf, struct pl_slice record,
               struct position **ret, struct pl_err *err);

/* The event was accounted for; called once for each that is POSITION_NEW. */
void once_add(struct once *o, const struct position_mark *mark, bool canary,
              enum wikisrcd_metric metric);
bool once_is_whole(const struct once *o, const struct position *position);
void once_encode(struct once *o, const struct position *position, int64_t now_ms,
                 struct pl_buf *out);

/* A commit has succeeded. true: all is done. */
bool once_committed(struct once *o);

/* Once a second: progress; `rate`: events a second. true: the range has become whole since the last
 * event, its topics being still. */
bool once_tick(struct once *o, const struct position *position, const struct source *source,
               const struct pl_delivery *delivery, double rate);
/* At the end: the sums, and how far each topic is. Returns the exit status: `status`, or 1 where it
 * would be 0 and the range is not whole. */
int once_end(const struct once *o, const struct wikisrcd_conf *conf,
             const struct pl_metrics *metrics, const struct position *position, int status);

#endif
