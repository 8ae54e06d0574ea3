/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stall.h - whether Kafka is away: something waits for it, and no answer has come for 5 s.
 *
 * Queued messages (in an open transaction too) and the end of a transaction wait. An answer is a
 * message that a broker has taken, or that end; a failed message is not one, since librdkafka
 * also gives up by itself.
 *
 * Pure. Times are monotonic milliseconds. Threads: any, one at a time per state.
 */
#ifndef PL_KAFKA_STALL_H
#define PL_KAFKA_STALL_H

#include <stdbool.h>
#include <stdint.h>

#define PL_STALL_MS      5000
#define PL_STALL_LOOK_MS 1000 /* how often to look while something waits */

/* Zero-initialise. */
struct pl_stall {
    int64_t since_ms;  /* of the last answer, or when the waiting began; 0: nothing waits */
    int64_t looked_ms; /* the last time */
    uint64_t answers;
};

struct pl_stall_now {
    int64_t now_ms;
    bool waits;
    uint64_t answers; /* counts up */
};

/* Whether Kafka is away. Time in which nobody looked (this process or its machine was stopped) does
 * not count. */
bool pl_stall_look(struct pl_stall *s, const struct pl_stall_now *now);

#endif
