/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.h - what all loaders of the process do, in sums and as the text of STATUS.
 *
 * Threads: the loop's.
 */
#ifndef CHSINKD_STATUS_H
#define CHSINKD_STATUS_H

#include "daemons/chsinkd/loader.h"
#include "lib/service/bar.h"
#include "lib/service/service.h"

struct status {
    int64_t in_flight;                /* messages */
    unsigned assigned, aside, settle; /* partitions: of them set aside; that wait to ask */
    const struct partition *one;      /* of those that wait for a person; NULL: none */
    const struct loader *idle;        /* has no partition; NULL: none */
    double lag;                       /* messages */
};

int64_t status_in_flight(const struct loader *loaders, unsigned n);
struct status status_look(struct loader *loaders, unsigned n);

/* While running, and while stopping. */
void status_show(struct pl_service *service, struct loader *loaders, unsigned n,
                 const struct status *status, double rows_per_s);
void status_show_stopping(struct pl_service *service, struct loader *loaders, unsigned n);

/* --once, --replay: draws how far it is to the present ends of the partitions. */
void status_progress(struct pl_bar *bar, struct loader *loaders, unsigned n);

#endif
