/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_clock.c - see peer_clock.h.
 */
#include "lib/http/peer_clock.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/time_text.h"

#define AGREE_MS    2000  /* Date counts seconds, and a slewed clock moves a little */
#define DOUBT_MS    60000 /* a larger step is believed when it is heard twice */
#define LEAST_MS    INT64_C(1577836800000) /* 2020: a clock before that was never set */
#define AGE_LEN_MAX 9                      /* digits: 31 years */

int64_t pl_peer_date(const char *date, const char *age)
{
    int64_t ms = 0;
    size_t age_len = age ? strlen(age) : 0;
    if (!date || !pl_time_parse_http(date, strlen(date), &ms))
        return 0;
    if (age && (age_len == 0 || age_len > AGE_LEN_MAX || strspn(age, "0123456789") != age_len))
        return 0;
    ms += age ? strtoll(age, NULL, 10) * 1000 : 0;
    return ms >= LEAST_MS ? ms : 0;
}

static bool is_near(int64_t a_ms, int64_t b_ms, int64_t ms)
{
    return a_ms - b_ms <= ms && b_ms - a_ms <= ms;
}

void pl_peer_clock_hear(struct pl_peer_clock *c, const struct pl_peer_answer *a)
{
    if (a->date_ms == 0)
        return;
    int64_t ahead_ms = a->now_ms - a->date_ms; /* ours */
    bool agree = ahead_ms >= -AGREE_MS && ahead_ms <= AGREE_MS + a->took_ms;
    int64_t base_ms = (agree ? a->now_ms : a->date_ms) - a->boot_ms;
    bool strange = c->known && !is_near(base_ms, c->base_ms, DOUBT_MS);
    if (strange && (c->doubt_ms == 0 || !is_near(base_ms, c->doubt_ms, DOUBT_MS))) {
        c->doubt_ms = base_ms;
        return;
    }
    c->known = true;
    c->base_ms = base_ms;
    c->doubt_ms = 0;
}

int64_t pl_peer_clock_now(const struct pl_peer_clock *c, int64_t now_ms, int64_t boot_ms)
{
    return c->known ? c->base_ms + boot_ms : now_ms;
}

int64_t pl_peer_clock_skew(const struct pl_peer_clock *c, int64_t now_ms, int64_t boot_ms)
{
    return pl_peer_clock_now(c, now_ms, boot_ms) - now_ms;
}

bool pl_peer_clock_notable(struct pl_peer_clock *c, int64_t now_ms, int64_t boot_ms,
                           int64_t *ret_skew_ms)
{
    int64_t skew_ms = pl_peer_clock_skew(c, now_ms, boot_ms), told_ms = c->told_ms;
    int64_t change_ms = (told_ms < 0 ? -told_ms : told_ms) / 4;
    if (is_near(skew_ms, 0, AGREE_MS))
        skew_ms = 0;
    if (skew_ms == 0 ? told_ms == 0
                     : is_near(skew_ms, told_ms, change_ms > AGREE_MS ? change_ms : AGREE_MS))
        return false;
    c->told_ms = skew_ms;
    *ret_skew_ms = skew_ms;
    return true;
}
