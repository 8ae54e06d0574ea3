/* SPDX-License-Identifier: Apache-2.0 */
/*
 * positions.h - where each partition of each group goes on, kept in the table itself: written in
 * the commit that adds the rows, so both are there or neither.
 *
 *     summary of each snapshot of ours   chsinkd.offsets    {"group":{"topic":{"0":1000}}}
 *     property of the table              chsinkd.positions  {"group":{"topic":{"0":[1000,"note"]}}}
 *
 * Each has the positions of all partitions. Snapshots of other writers have none: what counts is
 * the newest ancestor of the current snapshot that has it (as with Kafka Connect's and Flink's
 * sinks), so that a table that is rolled back has the positions of the rows it has. The property
 * has the notes, once and not in each snapshot; and it counts when no ancestor is left that has
 * offsets, because somebody else expired them.
 *
 * A *positions* tree has the property's form. Pure. Threads: one owner.
 */
#ifndef CHSINKD_ICEBERG_POSITIONS_H
#define CHSINKD_ICEBERG_POSITIONS_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/json/document.h"

#define ICEBERG_OFFSETS_KEY   "chsinkd.offsets"
#define ICEBERG_POSITIONS_KEY "chsinkd.positions"
#define ICEBERG_OFFSETS_MAX   (64u << 20)

/* The table's, as a tree; an empty one if it has none. CONFIG: they are there, but damaged. */
int iceberg_positions_of(const cJSON *metadata, cJSON **ret, struct pl_err *err);

/* -1: none is kept. *ret_note (may be NULL) lives as long as the tree. */
int64_t iceberg_position_get(const cJSON *positions, const char *group, const char *topic,
                             int32_t partition, const char **ret_note);
void iceberg_position_set(cJSON *positions, const char *group, const char *topic, int32_t partition,
                          int64_t offset, const char *note);

/* The text of the summary: without the notes. To free(). */
char *iceberg_positions_offsets(const cJSON *positions);
char *iceberg_positions_text(const cJSON *positions); /* the property's */

#endif
