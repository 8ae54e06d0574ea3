/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry.h - how long to wait before the next connection.
 *
 * The service closes each connection after 15 minutes, so one that made progress is replaced at
 * once. But we must not ask twice a second forever if the service closes after the first event, or
 * sends only what we have (each connect begins a little before the position). So waits grow, up to
 * a minute, until a connection makes real progress.
 *
 * Pure. Threads: one owner.
 */
#ifndef WIKISRCD_STREAM_RETRY_H
#define WIKISRCD_STREAM_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/backoff.h"

/* Real progress: this many new events, any at all in a connection this long, or a much longer
 * connection, even without events (quiet streams). */
#define RETRY_PROGRESS_EVENTS 100
#define RETRY_PROGRESS_MS     10000
#define RETRY_LONG_LIVED_MS   60000

struct retry {
    struct pl_backoff quick; /* after a stream that brought something: from 100 ms */
    struct pl_backoff slow;  /* after anything else: from 1 s */
};

/* How a connection ended. */
struct retry_end {
    bool streamed;    /* the answer was a stream */
    int64_t lived_ms; /* how long it lasted */
    uint64_t taken;   /* new events that it brought */
    bool bad;         /* an error event, or not a stream */
    int64_t floor_ms; /* the wait that the service asks for, at least; 0: none */
};

void retry_init(struct retry *r, uint64_t seed);
int64_t retry_wait_ms(struct retry *r, const struct retry_end *end);

#endif
