/* SPDX-License-Identifier: Apache-2.0 */
/*
 * learn.h - `unknown_fields: add`: a sample of a route's messages that hold fields no column takes,
 * from which route/evolve.h finds new columns.
 *
 * Apart from the decoder, whose way it leaves as it is: a message of which the decoder says that it
 * has such fields is walked once more, LEARN_ROUND_MAX or LEARN_ROUND_BYTES_MAX of a round (the
 * caller's, such as a second), and none larger than LEARN_BYTES_MAX. What is kept is bounded by
 * pl_schema's limits (2,000 fields, a few MB); a sample that is full, as one of keys without end,
 * is begun anew.
 *
 * No I/O, no clock. Threads: one owner.
 */
#ifndef CHSINKD_DECODE_LEARN_H
#define CHSINKD_DECODE_LEARN_H

#include "daemons/chsinkd/decode/rows.h"
#include "lib/json/schema.h"

#define LEARN_ROUND_MAX       200
#define LEARN_ROUND_BYTES_MAX (2 * 1024 * 1024)
#define LEARN_BYTES_MAX       (256 * 1024)

struct learn;
struct learn *learn_new(const struct route *route);
void learn_free(struct learn *l);
PL_DEFINE_CLEANUP(struct learn *, learn_free);

/* Whether the round takes a further one. */
bool learn_wants(const struct learn *l);
/* A message that was decoded between the two counts: taken if all of it became rows, with fields
 * that no column takes. */
void learn_message(struct learn *l, const struct rows_message *m, const struct rows_counts *before,
                   const struct rows_counts *after);

/* Something came since the last round; to be judged before the next one begins. */
bool learn_has_news(const struct learn *l);
const struct pl_schema *learn_sample(const struct learn *l);
void learn_round(struct learn *l);

#endif
