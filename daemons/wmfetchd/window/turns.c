/* SPDX-License-Identifier: Apache-2.0 */
/* turns.c - see turns.h. */
#include "daemons/wmfetchd/window/turns.h"

#include <assert.h>

bool turns_is_busy(const struct turns *t, unsigned slot)
{
    return t->slots[slot] != 0;
}

unsigned turns_busy(const struct turns *t)
{
    unsigned busy = 0;
    for (unsigned k = 0; k < t->slots_n; k++)
        busy += turns_is_busy(t, k);
    return busy;
}

/* Whether the rules of turns.h let it begin beside what runs. */
static bool may_begin(const struct turns *t, const struct turn *turn)
{
    unsigned failed = 0;
    for (unsigned k = 0; k < t->slots_n; k++) {
        if (!turns_is_busy(t, k))
            continue;
        const struct turn *running = &t->v[t->slots[k] - 1];
        if (running->group == turn->group)
            return false;
        failed += running->failed;
    }
    return !turn->failed || t->slots_n == 1 || failed + 1 < t->slots_n;
}

static bool goes_before(const struct turn *a, const struct turn *b)
{
    return a->fresh == b->fresh ? a->last < b->last : a->fresh;
}

int64_t turns_next(const struct turns *t, turns_wait_fn *wait_ms, const void *userdata,
                   struct turns_next *ret)
{
    unsigned slot = 0;
    while (slot < t->slots_n && turns_is_busy(t, slot))
        slot++;
    if (slot == t->slots_n)
        return INT64_MAX;
    int64_t least_ms = INT64_MAX;
    const struct turn *best = NULL;
    for (size_t i = 0; i < t->n; i++) {
        const struct turn *turn = &t->v[i];
        if ((best && !goes_before(turn, best)) || !may_begin(t, turn))
            continue;
        int64_t ms = wait_ms(userdata, i);
        if (ms < least_ms)
            least_ms = ms > 0 ? ms : 0;
        if (ms <= 0) {
            best = turn;
            *ret = (struct turns_next){i, slot};
        }
    }
    return least_ms;
}

void turns_begin(struct turns *t, const struct turns_next *next)
{
    assert(next->i < t->n && next->slot < t->slots_n && !turns_is_busy(t, next->slot));
    t->slots[next->slot] = next->i + 1;
    t->v[next->i].last = ++t->count;
}

void turns_end(struct turns *t, unsigned slot, bool failed)
{
    assert(turns_is_busy(t, slot));
    t->v[t->slots[slot] - 1].failed = failed;
    t->slots[slot] = 0;
}
