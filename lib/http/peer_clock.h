/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_clock.h - what time it is at a server, from the Date of its answers (RFC 9110, section
 * 6.6.1). Whatever is decided about a service's data is decided by its clock: ours may be wrong by
 * days, be set while we run, or stand still.
 *
 * Between two answers the time there moves with CLOCK_BOOTTIME, which nobody sets and which counts
 * a suspended machine's time. Before the first answer, or where none has a usable Date, it is ours.
 * Where the two clocks agree as far as can be told (Date counts whole seconds, and the answer was
 * under way), ours is taken for its milliseconds.
 *
 * A Date far from what earlier answers said (a cache without Age, one bad server of many) is
 * believed when the next answer says the same. A server that is always wrong is believed: two
 * clocks do not show which one is right. The difference is there to be logged and exported.
 *
 * Pure: all times are given, in ms; since 1970, or by CLOCK_BOOTTIME (boot_ms).
 */
#ifndef PL_HTTP_PEER_CLOCK_H
#define PL_HTTP_PEER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: nothing is known. */
struct pl_peer_clock {
    bool known;
    int64_t base_ms;  /* its time less the boot clock */
    int64_t doubt_ms; /* a base far from it that was heard once; 0: none */
    int64_t told_ms;  /* the skew that was notable last */
};

/* One answer's headers. */
struct pl_peer_answer {
    int64_t date_ms; /* pl_peer_date() */
    int64_t now_ms;  /* our clock when they arrived */
    int64_t boot_ms; /* and the boot clock */
    int64_t took_ms; /* since the request was begun; 0: not known */
};

/* The server's time when an answer was sent: its Date, plus the Age (RFC 9111, section 5.1) if a
 * cache gave it. Either may be NULL. 0: not known, that is malformed, absent, or before 2020. */
int64_t pl_peer_date(const char *date, const char *age);

/* An answer came; without a Date nothing changes. */
void pl_peer_clock_hear(struct pl_peer_clock *c, const struct pl_peer_answer *a);
int64_t pl_peer_clock_now(const struct pl_peer_clock *c, int64_t now_ms, int64_t boot_ms);

/* Its clock less ours; 0 while it is not known. */
int64_t pl_peer_clock_skew(const struct pl_peer_clock *c, int64_t now_ms, int64_t boot_ms);
/* Whether the skew is worth a log line: above 2 s for the first time, changed by more than a
 * quarter of itself (and 2 s), or gone (*ret_skew_ms is 0 then). Once for each. */
bool pl_peer_clock_notable(struct pl_peer_clock *c, int64_t now_ms, int64_t boot_ms,
                           int64_t *ret_skew_ms);

#endif
