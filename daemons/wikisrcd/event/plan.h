/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - what the configuration makes of an event: what is read in it, whether it is wanted,
 * which bytes of it go to Kafka, and what the configuration names but events do not have.
 *
 *     plan_read() -> plan_passes() -> plan_redact() -> … -> plan_account()
 *
 * Nothing is borrowed from the configuration: a reload makes a new plan. No I/O, no logging.
 * Threads: one owner.
 */
#ifndef WIKISRCD_EVENT_PLAN_H
#define WIKISRCD_EVENT_PLAN_H

#include "daemons/wikisrcd/conf.h"
#include "daemons/wikisrcd/event/event.h"

struct plan;

/* `shown`: with the texts for people. The configuration was checked. */
struct plan *plan_new(const struct wikisrcd_conf *conf, bool shown);
void plan_free(struct plan *p);
PL_DEFINE_CLEANUP(struct plan *, plan_free);

void plan_read(struct plan *p, struct event *event, const char *data, size_t len);
/* The filter, of the event read last. */
bool plan_passes(const struct plan *p, const struct event *event);
/* What is delivered of it: `data`, or redacted bytes that live until the next call, which the key
 * is then read from. false: something is to be redacted and this cannot be done; *ret_why is a
 * constant sentence. */
bool plan_redact(struct plan *p, struct event *event, struct pl_slice data, struct pl_slice *ret,
                 const char **ret_why);

/* A filter asks for a field that none of a stream's events had, or a redaction has found nothing in
 * the events of all streams. */
struct plan_absence {
    const char *option; /* "filter.wiki.include", "redact" */
    const char *paths;
    const char *stream; /* NULL: any */
    bool drops;         /* all events of the stream are left out for it */
};

/* The event read last is accounted for, once. Returns whether a filter's field was absent in it. */
bool plan_account(struct plan *p, const struct event *event);
/* The next one that is new, after so many events of the stream, or, of a redaction, of all streams
 * (which have their shares of them, so that it takes more). false: none. What `ret` points to lives
 * as long as the plan. */
#define PLAN_LOOKS        100
#define PLAN_REDACT_LOOKS 1000
bool plan_absence_take(struct plan *p, uint64_t looks, uint64_t redact_looks,
                       struct plan_absence *ret);
/* What comes of it, for a person. */
const char *plan_absence_result(const struct plan_absence *a);
/* One of a filter that still holds, for STATUS, first of those that leave out a whole stream. */
bool plan_absence_now(const struct plan *p, struct plan_absence *ret);

#endif
