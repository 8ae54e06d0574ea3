/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adding.h - `unknown_fields: add` of a route while it is loaded: a sample of its messages is
 * judged once a second (route/evolve.h), a worker adds the columns that come of it, and then the
 * process starts anew (`again` of the sink), so that a route never changes under the machine: the
 * next start finds the columns in the table (route/added.h). Where others add them, they are found
 * by a look at the table twice a minute, while messages with new fields come.
 *
 * A new start is asked for only where the table has a column that the route would take and lacks;
 * so two starts never follow one another for nothing. What cannot be added is said, and tried
 * again ADDING_REFUSED_MS later; loading goes on meanwhile. What is never added is said once, and
 * ADDING_SAID_MAX such fields at most.
 *
 * A run that ends (--once, --replay) adds nothing, and the table's engine must take a column
 * (struct output_state's `grows`).
 *
 * Threads: the consumer's, once it runs.
 */
#ifndef CHSINKD_SINK_ADDING_H
#define CHSINKD_SINK_ADDING_H

#include "daemons/chsinkd/sink/sink.h"

#define ADDING_JUDGE_MS   1000
#define ADDING_AFTER_MS   3000 /* a start is not followed sooner by another */
#define ADDING_AWAY_MS    60000
#define ADDING_REFUSED_MS 600000
#define ADDING_TABLE_MS   30000 /* while new fields come */
#define ADDING_SAID_MAX   64

/* NULL: the route adds none. */
struct adding *adding_new(const struct route *r);
void adding_free(struct adding *a);
/* Until the next start. */
void adding_stop(struct adding *a);
bool adding_is_stopped(const struct adding *a);

/* Decodes a message as rows_decode(), and learns from it. */
uint64_t adding_decode(struct sink_route *sr, const struct rows_message *m,
                       const struct row_set *only, struct block *block,
                       void (*on_reject)(void *userdata, const struct rows_reject *),
                       void *userdata);
/* Between two batches of messages. */
void adding_look(struct sink *s);
/* The answer to a WORK_ADD. */
void adding_answered(struct sink *s, struct work *w);

#endif
