/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_clock.h - a server's time by our clocks, from the Date of its answers (RFC 9110, section
 * 6.6.1): what is over is over when it is over there.
 *
 * Never ahead of our clock, and behind it where the server's was behind when they were compared, as
 * long as ours has not been set since (which is seen by the monotonic clock).
 *
 * Pure: all times are given, in ms; since 1970, or monotonic (mono_ms).
 */
#ifndef PL_HTTP_PEER_CLOCK_H
#define PL_HTTP_PEER_CLOCK_H

#include <stdint.h>

/* Zeroed: nothing is known of it. */
struct pl_peer_clock {
    int64_t skew_ms; /* its clock less ours, where it is behind; else 0 */
    int64_t base_ms; /* our clock less the monotonic one, when they were compared */
};

/* The server's clock (0: not known, nothing changes) and ours at the same moment. */
void pl_peer_clock_compare(struct pl_peer_clock *c, int64_t server_ms, int64_t now_ms,
                           int64_t mono_ms);
int64_t pl_peer_clock_now(const struct pl_peer_clock *c, int64_t now_ms, int64_t mono_ms);

#endif
