/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_clock.c - see peer_clock.h.
 */
#include "lib/http/peer_clock.h"

#include <stdbool.h>

/* Date counts whole seconds, and a clock that is being slewed moves a little. */
#define DIFFERENCE_LEAST_MS 2000

void pl_peer_clock_compare(struct pl_peer_clock *c, int64_t server_ms, int64_t now_ms,
                           int64_t mono_ms)
{
    if (server_ms == 0)
        return;
    c->skew_ms = server_ms - now_ms < -DIFFERENCE_LEAST_MS ? server_ms - now_ms : 0;
    c->base_ms = now_ms - mono_ms;
}

int64_t pl_peer_clock_now(const struct pl_peer_clock *c, int64_t now_ms, int64_t mono_ms)
{
    int64_t set_ms = now_ms - mono_ms - c->base_ms;
    bool was_set = set_ms < -DIFFERENCE_LEAST_MS || set_ms > DIFFERENCE_LEAST_MS;
    return now_ms + (was_set ? 0 : c->skew_ms);
}
