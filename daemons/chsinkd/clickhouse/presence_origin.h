/* SPDX-License-Identifier: Apache-2.0 */
/*
 * presence_origin.h - what a table has already of a batch of dead letters that are replayed.
 *
 * Their rows name topic, partition and offset of the message they come from in columns of the
 * route. The table is asked for all rows of these messages. The rows that fitted at once are there
 * rightly, so a letter's row is there if the table has more of its value than the message's other
 * rows account for (batch/whole.h).
 *
 * The other rows may be there as another version of the route made them. So that none of ours is
 * taken to be there for one of these, no more of ours are than the table has rows beyond their
 * number. Where rows of the message were deleted from the table since, or its other rows were made
 * by another route and one of them is equal to ours now, that inserts a row again: never is one
 * lost.
 *
 * A letter that was refused again has a successor with the same origin; where both are read anew,
 * the rows of both are the same ones and are left in the batch once.
 *
 * Memory: a second copy of the batch's rows and of their whole messages', and the answer (bounded,
 * as is each query).
 */
#ifndef CHSINKD_CLICKHOUSE_PRESENCE_ORIGIN_H
#define CHSINKD_CLICKHOUSE_PRESENCE_ORIGIN_H

#include "daemons/chsinkd/clickhouse/presence.h"

/* As struct output_kind's holds() with range->origin. Where presence_route_can(). */
int presence_holds_origin(struct clickhouse *c, const struct presence_table *t, struct batch *b,
                          struct output_found *ret, struct pl_err *err);

#endif
