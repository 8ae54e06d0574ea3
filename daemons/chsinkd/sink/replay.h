/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.h - reading dead letters as the messages they were: --replay.
 *
 * Replaying is the ordinary way of a message with another topic (the dead letters') and another
 * group
 * ("GROUP-replay-ROUTE"), so it is exactly-once as well: what fits now is inserted, what still does
 * not is a dead letter again, and each dead letter is replayed once.
 *
 * Pure. Threads: any.
 */
#ifndef CHSINKD_SINK_REPLAY_H
#define CHSINKD_SINK_REPLAY_H

#include "daemons/chsinkd/sink/deadletter.h"

/* Puts the place a dead letter came from into `m` and the row into *ret_row (-1: all). False: it
 * belongs to another route, or is none. `headers` may be NULL. */
bool replay_unwrap(const struct route *route, const rd_kafka_headers_t *headers,
                   struct rows_message *m, int64_t *ret_row);

#endif
