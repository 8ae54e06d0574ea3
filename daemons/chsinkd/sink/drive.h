/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive.h - gives a partition's machine its events, and does what it says: the only place where
 * partition_next() is called.
 *
 * At most one call of a partition is outstanding (`call`): calls.h makes it, answers.h turns its
 * answer into an event, unless the partition went meanwhile (`stale`).
 *
 * A partition whose target is HELD, or that the group has fenced, is set *aside*: its batches are
 * dropped and librdkafka's fetching is paused, so that it takes nothing from the others. After a
 * while it begins again with what the group has for it, as after an assignment: what a crash can
 * leave is all that it can have left.
 *
 * Threads: the consumer's.
 */
#ifndef CHSINKD_SINK_DRIVE_H
#define CHSINKD_SINK_DRIVE_H

#include "daemons/chsinkd/sink/sink.h"

/* An event, to which times and the next batch are added. */
void drive(struct sink *s, struct partition *p, struct partition_event e);
void drive_kind(struct sink *s, struct partition *p, enum partition_event_kind kind);
/* The group still has our offset: the commit that waited for that. */
void drive_verified(struct sink *s, struct partition *p);
/* The working batch again, after some of it was taken off. */
void drive_closed_again(struct sink *s, struct partition *p);

/* The group's offset (below 0: none) with its metadata. */
struct committed {
    int64_t offset;
    const char *metadata; /* may be NULL */
    size_t metadata_len;
};

/* The partition is ours, or is no longer aside: begins with what the group has. Where its log
 * begins and ends is asked here for up to wait_ms (0: not), else by the courier. Sets `reading` or
 * not; the caller has paused librdkafka or not yet assigned it. */
void drive_enter(struct sink *s, struct partition *p, const struct committed *committed,
                 int64_t wait_ms);
/* The courier has answered: p->extent. */
void drive_entered(struct sink *s, struct partition *p);
/* It is no longer ours. */
void drive_leave(struct sink *s, struct partition *p);
/* Drops what is under way, and tries again later. */
void drive_aside(struct sink *s, struct partition *p, enum partition_aside why, int64_t wait_ms);
/* Reads no more; what was read is finished, unless it must first be read to an end or waited for.
 * May be called again. */
void drive_stop(struct sink *s, struct partition *p);

/* A batch was closed: the machine gets it if it has none. */
void drive_closed(struct sink *s, struct partition *p);

/* Once a turn: what is due. */
void drive_time(struct sink *s);

/* Nothing of the partition is read, under way or outstanding. */
bool drive_is_quiet(const struct partition *p);
/* It waits for something other than a call, or for one that takes long: more must not be read
 * meanwhile. */
bool drive_is_stalled(const struct partition *p);

#endif
