/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.h - from messages to closed batches: a message is decoded into the open batch of its
 * partition, and batches are closed when they are full, old, or have reached the end of an
 * announced range.
 *
 * Threads: the consumer's.
 */
#ifndef CHSINKD_SINK_INTAKE_H
#define CHSINKD_SINK_INTAKE_H

#include "daemons/chsinkd/sink/sink.h"

/* Takes the next message of a partition; skips one that was taken already (below next_offset). */
void intake_take(struct sink *s, struct partition *p, const rd_kafka_message_t *m);

/* Closes the open batch if there is one: queues it, or drops it when the partition is to be read
 * again. */
void intake_close(struct sink *s, struct partition *p);
void intake_close_aged(struct sink *s);

/* An announced range whose last messages are gone (retention, compaction) ends here. */
void intake_end_fixed(struct sink *s, struct partition *p);

/* Whether another message may be decoded. Closes the largest open batch when memory is short. */
bool intake_has_room(struct sink *s);

/* Moves the decoder's counts into the metrics. */
void intake_counts(struct sink *s, struct sink_route *sr);

#endif
