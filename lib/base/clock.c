/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - see clock.h.
 */
#include "lib/base/clock.h"

#include <time.h>

static int64_t clock_ms(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t pl_clock_realtime_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t pl_clock_monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}
