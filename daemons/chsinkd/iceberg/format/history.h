/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.h - which snapshots of an Iceberg table may go: the old ones (--maintain), and those that
 * make its metadata too large.
 *
 * Each commit writes the whole metadata document, with all snapshots and each with the positions of
 * all partitions. So a commit takes out the oldest when they pass ICEBERG_HISTORY_MAX: the table
 * never comes near ICEBERG_METADATA_MAX, which nobody can write any more. By size and order, not by
 * time: no clock can empty the history.
 *
 * Never among them are the current snapshot, what a branch or a tag names, and the ancestors of
 * other branches than main. Pure. Threads: any.
 */
#ifndef CHSINKD_ICEBERG_HISTORY_H
#define CHSINKD_ICEBERG_HISTORY_H

#include <stdint.h>

#include "lib/json/document.h"

#define ICEBERG_HISTORY_MAX  (16u << 20)
#define ICEBERG_HISTORY_LEFT (8u << 20)

/* The ids of the snapshots older than that, as an array. */
cJSON *iceberg_snapshots_expired(const cJSON *metadata, int64_t before_ms);

/* The ids of the oldest, so many that about ICEBERG_HISTORY_LEFT of them is left; NULL: none has to go. */
cJSON *iceberg_history_surplus(const cJSON *metadata);

#endif
