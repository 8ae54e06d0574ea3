/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.c - see limits.h.
 */
#include "lib/batch/limits.h"

int64_t pl_limits_due_ms(const struct pl_limits *limits, const struct pl_fill *fill)
{
    if ((limits->messages > 0 && fill->messages >= (uint64_t)limits->messages) ||
        (limits->bytes > 0 && fill->bytes >= (uint64_t)limits->bytes))
        return 0;
    int64_t since_ms = fill->first_ms != 0 ? fill->first_ms : fill->moved_ms;
    int64_t wait_ms = fill->first_ms != 0 ? limits->age_ms : limits->position_ms;
    return since_ms != 0 && wait_ms > 0 ? since_ms + wait_ms : INT64_MAX;
}
