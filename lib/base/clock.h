/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - the clocks, in milliseconds: since 1970 UTC, and since some moment in the past (never
 * set; the monotonic one stops while the machine is suspended, the boot clock does not). Threads:
 * any.
 */
#ifndef PL_BASE_CLOCK_H
#define PL_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t pl_clock_ms(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
static inline int64_t pl_clock_realtime_ms(void)
{
    return pl_clock_ms(CLOCK_REALTIME);
}
static inline int64_t pl_clock_monotonic_ms(void)
{
    return pl_clock_ms(CLOCK_MONOTONIC);
}
static inline int64_t pl_clock_boot_ms(void)
{
    return pl_clock_ms(CLOCK_BOOTTIME);
}

#endif
