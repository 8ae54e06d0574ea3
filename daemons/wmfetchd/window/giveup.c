/* SPDX-License-Identifier: Apache-2.0 */
/* giveup.c - see giveup.h. */
#include "daemons/wmfetchd/window/giveup.h"

enum giveup_next giveup_failed(struct giveup *g, int64_t after, bool by_data, bool overlap)
{
    if (!by_data)
        return GIVEUP_AGAIN;
    g->tries++;
    if (after == 0 || g->tries < after)
        return GIVEUP_AGAIN;
    if (!overlap)
        return GIVEUP_PASS;
    g->narrow = true;
    return GIVEUP_NARROW;
}
