/* SPDX-License-Identifier: Apache-2.0 */
/*
 * skew.h - shows that a source's clock and ours differ (lib/http/peer_clock.h). Threads: any, one
 * for each clock.
 */
#ifndef PL_SERVICE_SKEW_H
#define PL_SERVICE_SKEW_H

#include "lib/http/peer_clock.h"
#include "lib/metrics/metrics.h"

/* Once a second, as ours may be set at any time: what the source's is ahead of ours as a gauge in
 * seconds, and a log line when that is notable. */
void pl_skew_show(struct pl_peer_clock *source, struct pl_metrics *metrics, unsigned metric);

#endif
