/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_clock.h - a server's time by our clocks, from the Date of its answers (RFC 9110, section
 * 6.6.1).
 *
 * Never ahead of our clock; behind it by as much as the server's was when they were compared,
 * unless ours has been set since (the monotonic clock shows it).
 *
 * Pure: all times are given, in ms; since 1970, or monotonic (mono_ms).
 */
#ifndef PL_HTTP_PEER_CLOCK_H
#define PL_HTTP_PEER_CLOCK_H

#include <stdint.h>

/* Zeroed: nothing is known. */
struct pl_peer_clock {
    int64_t skew_ms; /* its clock less ours, where it is behind; else 0 */
    int64_t base_ms; /* our clock less the monotonic one, when they were compared */
};

/* The server's clock (0: not known, nothing changes) and ours at the same moment. */
void pl_peer_clock_compare(struct pl_peer_clock *c, int64_t server_ms, int64_t now_ms,
                           int64_t mono_ms);
int64_t pl_peer_clock_now(const struct pl_peer_clock *c, int64_t now_ms, int64_t mono_ms);

#endif
