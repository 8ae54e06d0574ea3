/* SPDX-License-Identifier: Apache-2.0 */
/* stall.c - see stall.h. */
#include "lib/kafka/stall.h"

bool pl_stall_look(struct pl_stall *s, const struct pl_stall_now *now)
{
    int64_t unseen_ms = now->now_ms - s->looked_ms - PL_STALL_LOOK_MS;
    if (!now->waits)
        s->since_ms = 0;
    else if (s->since_ms == 0 || now->answers != s->answers)
        s->since_ms = now->now_ms;
    else if (unseen_ms > PL_STALL_LOOK_MS)
        s->since_ms += unseen_ms;
    s->answers = now->answers;
    s->looked_ms = now->now_ms;
    return s->since_ms != 0 && now->now_ms - s->since_ms >= PL_STALL_MS;
}
