/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worked.h - whether a source has worked before, for a start that Kafka has refused: its committed
 * position says so (lib/service/ends.h).
 *
 * Only reads, with a consumer of its own: it needs neither the transactional.id nor the topic of
 * the data, which may be what is refused. Another's open transaction may hide the newest position,
 * but not that there is one, unless it is the first.
 *
 * Blocks up to twice timeout_ms, for use at start. Threads: any.
 */
#ifndef PL_BATCH_WORKED_H
#define PL_BATCH_WORKED_H

#include "lib/config/options.h"
#include "lib/service/ends.h"

/* PL_WORKED: there is a position under `key`. NEVER: there is none, or the topic is missing.
 * UNKNOWN: the topic could not be read. */
enum pl_worked pl_position_worked(const struct pl_map *kafka, const char *topic, const char *key,
                                  int64_t timeout_ms);

/* What a failed start does: as pl_end_of_last(), and looks for the position only where the table
 * needs it and can be read (not where Kafka refuses our password, or we its certificate). */
enum pl_end pl_position_end(const struct pl_map *kafka, const char *topic, const char *key,
                            int64_t timeout_ms, struct pl_err *err);

#endif
