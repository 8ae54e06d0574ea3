/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry.h - how long to wait before the next connection.
 *
 * The service closes each connection after 15 minutes, so one that got on is replaced at once. What
 * must not happen is being asked twice a second for ever: by a service that closes after each first
 * event, or that sends again only what we have (each connect begins a little before the position).
 * So waits grow, up to a minute, until a connection makes real progress.
 *
 * Pure. Threads: one owner.
 */
#ifndef WIKISRCD_STREAM_RETRY_H
#define WIKISRCD_STREAM_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/backoff.h"

/* Real progress: so many new events, or any and so long, or (a quiet stream) much longer. */
#define RETRY_PROGRESS_EVENTS 100
#define RETRY_PROGRESS_MS     10000
#define RETRY_LONG_LIVED_MS   60000

struct retry {
    struct pl_backoff quick; /* after a stream that brought something: from 100 ms */
    struct pl_backoff slow;  /* after anything else: from 1 s */
};

/* How a connection ended. */
struct retry_end {
    bool streamed;    /* it was answered with a stream, */
    int64_t lived_ms; /* which lived so long */
    uint64_t taken;   /* and brought so many events that were new */
    bool bad;         /* an error event, or no stream at all */
    int64_t floor_ms; /* the least that the service asks for; 0: nothing */
};

void retry_init(struct retry *r, uint64_t seed);
int64_t retry_wait_ms(struct retry *r, const struct retry_end *end);

#endif
