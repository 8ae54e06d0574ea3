/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.h - from messages to closed batches: decodes each into its partition's open batch, which
 * closes by rows, bytes or age, or at the end of an announced range.
 *
 * Threads: the consumer's.
 */
#ifndef CHSINKD_SINK_INTAKE_H
#define CHSINKD_SINK_INTAKE_H

#include "daemons/chsinkd/sink/sink.h"

/* The age at which a batch closes: age_ms, or more where `open` batches would otherwise make more
 * than per_second inserts a second. */
static inline int64_t batch_age_effective(int64_t age_ms, unsigned open, int64_t per_second)
{
    int64_t spread_ms = (int64_t)open * 1000 / per_second;
    return spread_ms > age_ms ? spread_ms : age_ms;
}

/* A message of the partition; messages that were read before are passed over. */
void intake_take(struct sink *s, struct partition *p, const rd_kafka_message_t *m);

/* What was read of the announced range is all there is of it. */
/* Where the batch must end that begins at `start`: at the output's position; -1: anywhere. */
int64_t intake_end_below(const struct partition *p, int64_t start);
void intake_end_fixed(struct sink *s, struct partition *p);
/* There is no further message before `end`. By origin (sink.h) the batch reaches that, so that
 * behind it nothing is in doubt any more; else it ends after its last message. */
void intake_reach(struct sink *s, struct partition *p, int64_t end);
/* Closes the open batch; `b->end` is the next offset. Not inside an announced range. */
void intake_close(struct sink *s, struct partition *p);
void intake_close_aged(struct sink *s);

/* Drops the open and the closed batches, to be read again; not the working one. */
void intake_drop(struct sink *s, struct partition *p);
/* Frees a batch; `given_back`: its messages are read again. */
void intake_batch_drop(struct sink *s, struct batch *b, bool given_back);

/* Whether a further message may be decoded. Over memory_max it closes the largest open batch, and
 * drops what stalled partitions have read ahead. */
bool intake_has_room(struct sink *s);

/* Adds what was taken and what the decoder has counted to the metrics. */
void intake_counts(struct sink *s);

#endif
