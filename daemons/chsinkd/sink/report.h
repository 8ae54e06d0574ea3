/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - what the sink says of its work: logs, metrics, STATUS.
 *
 * Threads: the consumer's.
 */
#ifndef CHSINKD_SINK_REPORT_H
#define CHSINKD_SINK_REPORT_H

#include "daemons/chsinkd/sink/sink.h"

/* A batch is in the table and committed. */
void report_batch(struct sink *s, struct partition *p, const struct batch *b, int64_t took_ms);
/* An insert failed and is tried again. Of each target the first after one that worked is told
 * apart. */
void report_away(struct sink *s, const struct partition *p, const struct pl_err *err);
/* A question to the output failed, and is asked again. */
void report_silent(struct sink *s, const struct partition *p, const char *what,
                   const struct pl_err *err);
/* It waits that long before the table is asked. */
void report_settle(const struct partition *p, int64_t wait_ms);
/* What the table has of the working batch. */
void report_looked(struct partition *p, const struct output_found *found);
/* The target answers. */
void report_back(struct sink *s, const struct partition *p);
/* The output refuses the working batch, which is halved, or its only message buried. */
void report_refused(struct sink *s, const struct partition *p, const struct pl_err *err);
/* The partition is set aside until a person acts. */
void report_held(struct sink *s, const struct partition *p, const struct pl_err *err);
/* Messages from `start` on were deleted before they were read. (A gap in what is read says nothing:
 * transactions and compaction leave them.) */
void report_lost(struct sink *s, const struct partition *p, int64_t start, int64_t end);
/* Something else failed and is tried again; `id`: PL_EVENT_… */
void report_retry(const struct partition *p, const char *id, const char *what,
                  const struct pl_err *err);

#endif
