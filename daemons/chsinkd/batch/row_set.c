/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_set.c - see row_set.h.
 */
#include "daemons/chsinkd/batch/row_set.h"

bool row_set_add(struct row_set *s, int64_t first, int64_t last)
{
    struct row_range *end = s->n > 0 ? &s->ranges[s->n - 1] : NULL;
    if (first < 0 || last < first || (end && first <= end->last))
        return false;
    if (end && first == end->last + 1) {
        end->last = last;
        return true;
    }
    if (s->n == ROW_SET_RANGES_MAX)
        return false;
    if (s->n == s->cap) {
        s->cap = s->cap > 0 ? s->cap * 2 : 4;
        s->ranges = pl_realloc_array(s->ranges, s->cap, sizeof(*s->ranges));
    }
    s->ranges[s->n++] = (struct row_range){first, last};
    return true;
}

/* Moves *p behind the digits. */
static bool number_parse(const char **p, const char *end, int64_t *ret)
{
    const char *start = *p;
    int64_t n = 0;
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, **p - '0', &n))
            return false;
    *ret = n;
    return *p > start;
}

static bool range_parse(struct row_set *s, const char **p, const char *end)
{
    int64_t first, last;
    if (!number_parse(p, end, &first))
        return false;
    last = first;
    if (*p < end && **p == '-') {
        ++*p;
        if (!number_parse(p, end, &last))
            return false;
    }
    return row_set_add(s, first, last);
}

bool row_set_parse(struct row_set *s, const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    s->n = 0;
    while (range_parse(s, &p, end)) {
        if (p == end)
            return true;
        if (*p++ != ',')
            break;
    }
    s->n = 0;
    return false;
}

uint64_t row_set_count(const struct row_set *s)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < s->n; i++)
        n += (uint64_t)(s->ranges[i].last - s->ranges[i].first) + 1;
    return n;
}

void row_set_release(struct row_set *s)
{
    free(s->ranges);
    *s = (struct row_set){0};
}
