/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - gathers what begin.h decides by, and does what it says: where a partition is read from.
 *
 * A place that was chosen by the table's rows is *unproved*: they may be of a topic that had the
 * same name, whose offsets are these, too. It is known by the doubt that is committed with it,
 * which has no digest; the doubt that a crash or another route leaves always has one. Each look-up
 * below the doubt's end compares a message (struct output_range), and when it is another,
 * place_refuse().
 *
 * Threads: the consumer's, but for place_look(). Only that asks Kafka; the others have
 * p->extent, which is of this moment.
 */
#ifndef CHSINKD_SINK_PLACE_H
#define CHSINKD_SINK_PLACE_H

#include "daemons/chsinkd/sink/sink.h"

/* Before the group is joined, for `start: latest`: which partitions are there, and in which topics
 * the group has an offset. RETRY when Kafka does not say. */
int place_look(struct sink *s, struct pl_err *err);

/* What is announced at the group's offset (below 0: none), in `e`, is changed to what can be relied
 * on. False: the partition was set aside. */
bool place_check(struct sink *s, struct partition *p, struct partition_event *e);

/* The group has no offset; the output was asked where it ends (p->work.position, -1: it has
 * nothing). Sets e->start and e->announced.until. False: it is not known now, or a person must say,
 * and it is to be asked again. */
bool place_start(struct sink *s, struct partition *p, struct partition_event *e);

/* What the group has at the offset `start` (below 0: none) is such a place. */
bool place_is_unproved(const struct partition_announcement *a, int64_t start);
/* The table's rows at `offset`, below p->state.until or the position, are of other messages: the
 * partition is set aside until a person says what to do; with --once the sink fails. */
void place_refuse(struct sink *s, struct partition *p, int64_t offset);

#endif
