/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.h - what all loaders of the process do, as a page for people: routes with their tables,
 * rates and troubles, partitions with their lag, the last batches, dead letters by reason.
 *
 * Threads: the loop's. A sink's lock is held while a few KiB are copied, never while the page is
 * made; what a partition does is read from its atomics.
 */
#ifndef CHSINKD_PAGE_H
#define CHSINKD_PAGE_H

#include "daemons/chsinkd/loader.h"
#include "lib/page/page.h"

/* The last hour of each route. Zero-initialise. */
struct page_past {
    struct pl_series *routes; /* of all loaders, one after the other */
    unsigned n;
};

/* At each tick. */
void page_look(struct page_past *past, struct loader *loaders, unsigned n, int64_t mono_ms);
void page_fill(const struct page_past *past, struct loader *loaders, unsigned n, int64_t mono_ms,
               struct pl_page *p);
void page_past_release(struct page_past *past);

#endif
