/* SPDX-License-Identifier: Apache-2.0 */
/*
 * once.h - --once: what the service does differently while it loads a bounded part of the streams
 * (backfill/backfill.h) and exits.
 *
 * It has its own position, in the record under the key NAME/once of the position topic, and its own
 * transactional.id (wikisrcd-NAME.once), so a running service is neither fenced nor moved. The
 * record is committed with the events, like the service's position: after kill -9 the same command
 * continues where the last transaction ended.
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
#include "lib/service/bar.h"

/* Zero-initialise, then set `ask` (once_look() finds its service_ms) and `key`, which is owned. */
struct once {
    struct backfill_ask ask;
    struct backfill_record record;
    struct backfill_range range;
    bool is_done;  /* loaded before: nothing to do */
    bool closed;   /* the record encoded last has the range as complete */
    bool finished; /* and was committed */
    char *key;
    struct pl_bar bar;
};

void once_release(struct once *o);
char *once_key(const struct wikisrcd_conf *conf); /* malloc()ed */

/* For the service's very first start: what --once has loaded. `ret` starts zeroed. */
int once_loaded_read(const struct wikisrcd_conf *conf, struct pl_delivery *delivery,
                     struct backfill_record *ret, struct pl_err *err);

/* Finds where the service began, without touching its position. Before once_begin(). */
int once_look(struct once *o, const struct wikisrcd_conf *conf, struct pl_delivery *delivery,
              struct pl_err *err);
/* From the record committed last (empty: none): *ret gets the position to start from, unless
 * o->is_done. 1: it is committed; 0: not yet; -1: error. */
int once_begin(struct once *o, const struct wikisrcd_conf *conf, struct pl_slice record,
               struct position **ret, struct pl_err *err);

/* The event was accounted for. Once for each POSITION_NEW event. */
void once_add(struct once *o, const struct position_mark *mark, bool canary,
              enum wikisrcd_metric metric);
bool once_is_whole(const struct once *o, const struct position *position);
void once_encode(struct once *o, const struct position *position, int64_t now_ms,
                 struct pl_buf *out);

/* A commit has succeeded. true: everything is done. */
bool once_committed(struct once *o);

/* Once a second: shows progress. true: the range became complete without another event, because its
 * topics are still. */
bool once_tick(struct once *o, const struct position *position, const struct source *source,
               const struct pl_delivery *delivery);
/* At the end: prints the totals and how far each topic is. Returns the exit status: `status`, or 1
 * if that is 0 and the range is not complete. */
int once_end(const struct once *o, const struct wikisrcd_conf *conf,
             const struct pl_metrics *metrics, const struct position *position, int status);

#endif
