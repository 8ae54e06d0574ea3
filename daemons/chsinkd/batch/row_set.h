/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_set.h - some rows of a message, by their index in its array, as the header of a dead letter
 * names them: "0,3,7-12".
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_BATCH_ROW_SET_H
#define CHSINKD_BATCH_ROW_SET_H

#include "lib/base/buf.h"

/* A message with more refused ranges of rows than this is refused as a whole, so that the header is
 * bounded (to about 64 KiB). */
#define ROW_SET_RANGES_MAX 4096

struct row_range {
    int64_t first, last;
};

struct row_set { /* zeroed: empty, which stands for all rows wherever rows are asked for */
    struct row_range *ranges; /* ascending, apart from each other */
    unsigned n, cap;
};

/* Rows come in ascending order. False, and nothing changed: there would be too many ranges, or it
 * is not in order. */
bool row_set_add(struct row_set *s, int64_t first, int64_t last);
/* Replaces what was there. False, and empty: not such a text. */
bool row_set_parse(struct row_set *s, const char *text, size_t len);
/* How many rows are in it. */
uint64_t row_set_count(const struct row_set *s);
void row_set_release(struct row_set *s);

/* Whether any of these rows is in it, asked for in ascending order; `at` is 0 at first, and
 * remembers the range. */
static inline bool row_set_meets(const struct row_set *s, int64_t first, int64_t last, unsigned *at)
{
    while (*at < s->n && first > s->ranges[*at].last)
        ++*at;
    return *at < s->n && last >= s->ranges[*at].first;
}

static inline bool row_set_has(const struct row_set *s, int64_t row, unsigned *at)
{
    return row_set_meets(s, row, row, at);
}

#endif
