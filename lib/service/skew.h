/* SPDX-License-Identifier: Apache-2.0 */
/*
 * skew.h - shows the difference of a source's clock and ours (lib/http/peer_clock.h). Threads: any,
 * one per clock.
 */
#ifndef PL_SERVICE_SKEW_H
#define PL_SERVICE_SKEW_H

#include "lib/http/peer_clock.h"
#include "lib/metrics/metrics.h"

/* Call it once a second, as our clock may be set at any time. Sets the gauge to how far the
 * source's is ahead of ours, in seconds, and logs when that is notable. */
void pl_skew_show(struct pl_peer_clock *source, struct pl_metrics *metrics, unsigned metric);

#endif
