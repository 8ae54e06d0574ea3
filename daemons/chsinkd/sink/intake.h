/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.h - from messages to closed batches: a message is decoded into the open batch of its
 * partition, and batches are closed when they are full, old, or have reached the end of an
 * announced range.
 *
 * Threads: all of this is the consumer's thread.
 */
#ifndef CHSINKD_SINK_INTAKE_H
#define CHSINKD_SINK_INTAKE_H

#include "daemons/chsinkd/sink/sink.h"

/* Takes the next message of a partition; one that was taken already (an offset below next_offset)
 * is passed. */
void intake_take(struct sink *s, struct partition *p, const rd_kafka_message_t *m);

/* Closes the open batch, if there is one: to the queue, or dropped when the partition is to be read
 * again. */
void intake_close(struct sink *s, struct partition *p);
void intake_close_aged(struct sink *s);

/* An announced range whose last messages are gone (retention, compaction) ends here. */
void intake_end_fixed(struct sink *s, struct partition *p);

/* Whether another message may be decoded. When memory is short, the largest open batch goes on its
 * way. */
bool intake_has_room(struct sink *s);

/* Moves the decoder's counts into the metrics. */
void intake_counts(struct sink *s, struct sink_route *sr);

#endif
