/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - the configuration applied to an event: what is read from it, whether it is wanted, which
 * bytes go to Kafka, and which configured fields events turn out not to have.
 *
 *     plan_read() -> plan_passes() -> plan_redact() -> … -> plan_account(), plan_redact_account()
 *
 * Nothing is borrowed from the configuration: a reload makes a new plan. No I/O, no logging.
 * Threads: one owner.
 */
#ifndef WIKISRCD_EVENT_PLAN_H
#define WIKISRCD_EVENT_PLAN_H

#include "daemons/wikisrcd/conf.h"
#include "daemons/wikisrcd/event/event.h"

struct plan;

/* `shown`: also read the texts shown to people. The configuration must have been checked. */
struct plan *plan_new(const struct wikisrcd_conf *conf, bool shown);
void plan_free(struct plan *p);
PL_DEFINE_CLEANUP(struct plan *, plan_free);

void plan_read(struct plan *p, struct event *event, const char *data, size_t len);
/* Whether the filter wants the event read last. */
bool plan_passes(const struct plan *p, const struct event *event);
/* What to deliver: `data`, or redacted bytes that live until the next call; the key is then read
 * from those. false: it cannot be redacted; *ret_why is a constant sentence. */
bool plan_redact(struct plan *p, struct event *event, struct pl_slice data, struct pl_slice *ret,
                 const char **ret_why);

/* A filter whose field, or the redactions whose fields, none of a stream's events had. */
struct plan_absence {
    const char *option; /* "filter.wiki.include", "redact" */
    const char *paths;
    const char *stream; /* NULL: of a redaction, in events that name no stream */
    bool drops;         /* so all events of the stream are left out */
    bool redacts;       /* so the stream's events pass whole */
};

/* Counts the event read last; once per event. Returns whether a field of the filter was absent. */
bool plan_account(struct plan *p, const struct event *event);
/* The same for the event redacted last, if it was delivered: whether a field of `redact` was
 * absent. A field that is only sometimes there (a user who is hidden) counts, too. */
bool plan_redact_account(struct plan *p, const struct event *event);
/* The next absence not yet returned, after `looks` events of the stream or, for a redaction,
 * `redact_looks` (more: personal data is rarer than what one filters by). false: none. *ret borrows
 * from the plan, `paths` until the next call. */
#define PLAN_LOOKS        100
#define PLAN_REDACT_LOOKS 1000
bool plan_absence_take(struct plan *p, uint64_t looks, uint64_t redact_looks,
                       struct plan_absence *ret);
/* The consequence, for the log. */
const char *plan_absence_result(const struct plan_absence *a);
/* For STATUS: an absence of the filter that still holds, preferably one that leaves out a whole
 * stream. false: none. */
bool plan_absence_now(const struct plan *p, struct plan_absence *ret);

#endif
