/* SPDX-License-Identifier: Apache-2.0 */
/*
 * extent.h - where the log of a partition begins and ends (for a reader of committed messages, if
 * the client is one), from its leader.
 *
 * Threads: any. Blocks, up to wait_ms; a partition without a leader is told without that.
 */
#ifndef CHSINKD_SINK_EXTENT_H
#define CHSINKD_SINK_EXTENT_H

#include <librdkafka/rdkafka.h>

#include "lib/base/err.h"

struct extent {
    int64_t low, high; /* the first offset, the one after the last */
};

/* The partition has a leader, as far as the brokers know. RETRY, or what the brokers say. */
int extent_leader(rd_kafka_t *rk, const char *topic, int32_t partition, int wait_ms,
                  struct pl_err *err);

int extent_read(rd_kafka_t *rk, const char *topic, int32_t partition, int wait_ms,
                struct extent *ret, struct pl_err *err);

#endif
