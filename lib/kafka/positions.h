/* SPDX-License-Identifier: Apache-2.0 */
/*
 * positions.h - sources' positions: the last committed values of keys in a compacted topic.
 *
 * A reader of committed records sees a partition up to its last stable offset, where the oldest
 * open transaction, anyone's, begins; what others committed behind that is hidden until it ends. So
 * the true end (the high watermark) is found first, then everything up to it is read.
 *
 * Run init_transactions first (pl_producer_new()): it ends what an earlier instance left open and
 * fences it, so nothing of it can follow what is read here.
 *
 * Threads: any.
 */
#ifndef PL_KAFKA_POSITIONS_H
#define PL_KAFKA_POSITIONS_H

#include "lib/kafka/client.h"
#include "lib/service/daemon.h"

/* The header that names a record's writer: "HOST pid N since TIME". Longer texts are cut. */
#define PL_KAFKA_WRITER_HEADER "writer"
#define PL_KAFKA_WRITER_MAX    200

struct pl_kafka_position {
    const char *key; /* asked for; borrowed, not NULL, no key twice */
    char *value;     /* malloc()ed; NULL: there is none, or a tombstone */
    size_t len;
    char *writer;         /* of the record: its header "writer", malloc()ed; NULL: it has none */
    int64_t timestamp_ms; /* of the record; 0: there is none */
};
/* Frees the values and writers. */
void pl_kafka_positions_release(struct pl_kafka_position *positions, size_t n);

/* Reads all partitions once, however many keys there are; memory holds their values only. For use
 * at start: blocks, until nothing came for timeout_ms (RETRY) or a stop signal is pending (RETRY).
 * While another's open transaction hides the end it waits without limit, and shows that in STATUS
 * and the log: without the end no answer is right. CONFIG when the topic is missing. On failure
 * `positions` is unchanged. */
int pl_kafka_positions_read(struct pl_daemon *d, const struct pl_map *map, const char *topic,
                            int64_t timeout_ms, struct pl_kafka_position *positions, size_t n,
                            struct pl_err *err);

/* The end of each partition when positions were read. Zero-initialise. */
struct pl_kafka_ends {
    int64_t *v;
    int n;
};
void pl_kafka_ends_release(struct pl_kafka_ends *ends);
/* The same; *ret_ends (may be NULL) gets the ends: what is behind them was written since. */
int pl_kafka_positions_read_ends(struct pl_daemon *d, const struct pl_map *map, const char *topic,
                                 int64_t timeout_ms, struct pl_kafka_position *positions, size_t n,
                                 struct pl_kafka_ends *ret_ends, struct pl_err *err);

#endif
