/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_clock.h - a server's time, from the Date of its answers (RFC 9110, section 6.6.1). Decisions
 * about a service's data go by its clock: ours may be wrong by days, be set while we run, or stop.
 *
 * Between answers the time advances with CLOCK_BOOTTIME, which nobody sets and which runs on while
 * the machine is suspended. Until an answer has a usable Date, it is our time. Where the clocks
 * agree as far as can be known (Date counts whole seconds, and the answer took a while), ours is
 * used, for its milliseconds.
 *
 * A Date far from what earlier answers said (a cache without Age, one bad server of many) is
 * believed when the next answer says the same. A server that is always wrong is believed too: two
 * clocks cannot show which one is right. The difference is there to be logged and exported.
 *
 * Pure: the caller gives all times, in ms since 1970, or of CLOCK_BOOTTIME (boot_ms).
 */
#ifndef PL_HTTP_PEER_CLOCK_H
#define PL_HTTP_PEER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: nothing is known. */
struct pl_peer_clock {
    bool known;
    int64_t base_ms;  /* its time less the boot clock */
    int64_t doubt_ms; /* another base, far from it, heard once; 0: none */
    int64_t told_ms;  /* the last notable skew */
};

/* One answer's headers. */
struct pl_peer_answer {
    int64_t date_ms; /* pl_peer_date() */
    int64_t now_ms;  /* our clock when they arrived */
    int64_t boot_ms; /* and the boot clock */
    int64_t took_ms; /* since the request began; 0: unknown */
};

/* The server's time when an answer was sent: Date, plus Age (RFC 9111, section 5.1) from a cache.
 * Either may be NULL. 0: unknown (malformed, absent, or before 2020). */
int64_t pl_peer_date(const char *date, const char *age);

/* Takes an answer; one without a Date changes nothing. */
void pl_peer_clock_hear(struct pl_peer_clock *c, const struct pl_peer_answer *a);
int64_t pl_peer_clock_now(const struct pl_peer_clock *c, int64_t now_ms, int64_t boot_ms);

/* Its clock less ours; 0 while unknown. */
int64_t pl_peer_clock_skew(const struct pl_peer_clock *c, int64_t now_ms, int64_t boot_ms);
/* Whether the skew is worth a log line: above 2 s for the first time, changed by more than a
 * quarter of itself (and 2 s), or gone (*ret_skew_ms is 0 then). Once for each. */
bool pl_peer_clock_notable(struct pl_peer_clock *c, int64_t now_ms, int64_t boot_ms,
                           int64_t *ret_skew_ms);

#endif
