/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worked.h - whether a source has worked before, judged by its committed position, for a start that
 * Kafka has refused (lib/service/ends.h).
 *
 * Only reads, with its own consumer: it needs neither the transactional.id nor the data's topic,
 * either of which may be what is refused.
 *
 * For use at start: blocks as pl_kafka_positions_read(). Threads: any.
 */
#ifndef PL_BATCH_WORKED_H
#define PL_BATCH_WORKED_H

#include "lib/kafka/positions.h"
#include "lib/service/ends.h"

/* Where to look. All borrowed. */
struct pl_worked_ask {
    struct pl_daemon *daemon;
    const struct pl_map *kafka;
    const char *topic;
    const char *const *keys;
    size_t keys_n;
    int64_t timeout_ms;
};

/* PL_WORKED: there is a position under one of the keys. NEVER: there is none, or the topic is
 * missing. UNKNOWN: the topic could not be read. */
enum pl_worked pl_worked_look(const struct pl_worked_ask *ask);

/* How a failed start ends: pl_end_of_last(). Looks for the position only where the table needs it
 * and it can be read (not where Kafka refuses our password, or we its certificate). */
enum pl_end pl_worked_end(const struct pl_worked_ask *ask, struct pl_err *err);

#endif
