/* SPDX-License-Identifier: Apache-2.0 */
/* giveup.c - see giveup.h. */
#include "daemons/wmfetchd/window/giveup.h"

enum giveup_next giveup_failed(struct giveup *g, const struct giveup_limits *limits,
                               const struct giveup_try *failed)
{
    if (!failed->by_data)
        return GIVEUP_AGAIN;
    if (g->tries++ == 0)
        g->since_ms = failed->now_ms;
    if (limits->tries == 0 || g->tries < limits->tries ||
        failed->now_ms - g->since_ms < limits->time_ms)
        return GIVEUP_AGAIN;
    if (!failed->overlap)
        return GIVEUP_PASS;
    *g = (struct giveup){.narrow = true};
    return GIVEUP_NARROW;
}
