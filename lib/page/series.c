/* SPDX-License-Identifier: Apache-2.0 */
/* series.c - see series.h. */
#include "lib/page/series.h"

/* The newest slot is divided by this at least, or its first moment would be a peak. */
#define LEAST_MS 1000

static void slots_advance(struct pl_series *s, int64_t slot)
{
    int64_t from = slot - s->slot > PL_SERIES_SLOTS ? slot - PL_SERIES_SLOTS : s->slot;
    for (int64_t i = from + 1; i <= slot; i++)
        s->grown[i % PL_SERIES_SLOTS] = 0;
    s->slot = slot;
}

void pl_series_look(struct pl_series *s, int64_t now_ms, uint64_t count)
{
    if (!s->begun)
        *s = (struct pl_series){.begun = true, .begun_ms = now_ms, .count = count};
    int64_t slot = (now_ms - s->begun_ms) / PL_SERIES_SLOT_MS;
    if (slot > s->slot)
        slots_advance(s, slot);
    s->grown[s->slot % PL_SERIES_SLOTS] += (float)(count >= s->count ? count - s->count : count);
    s->count = count;
}

unsigned pl_series_slots(const struct pl_series *s)
{
    if (!s->begun)
        return 0;
    return s->slot < PL_SERIES_SLOTS ? (unsigned)s->slot + 1 : PL_SERIES_SLOTS;
}

double pl_series_rate(const struct pl_series *s, unsigned back, int64_t now_ms)
{
    int64_t slot = s->slot - back;
    int64_t long_ms =
        back == 0 ? now_ms - s->begun_ms - s->slot * PL_SERIES_SLOT_MS : PL_SERIES_SLOT_MS;
    long_ms = long_ms < LEAST_MS            ? LEAST_MS
              : long_ms > PL_SERIES_SLOT_MS ? PL_SERIES_SLOT_MS
                                            : long_ms;
    return (double)s->grown[slot % PL_SERIES_SLOTS] * 1000 / (double)long_ms;
}
