/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - the clocks, in milliseconds: since 1970 UTC, and since some moment in the past (never
 * set, stops with the machine). Threads: any.
 */
#ifndef PL_BASE_CLOCK_H
#define PL_BASE_CLOCK_H

#include <stdint.h>

int64_t pl_clock_realtime_ms(void);
int64_t pl_clock_monotonic_ms(void);

#endif
