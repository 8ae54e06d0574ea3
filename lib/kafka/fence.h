/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fence.h - takes transactional ids away from whoever has them, without keeping them.
 *
 * A source with several producers, whose number is an option, must fence each id that an earlier
 * instance may be using before it reads the positions, not only those that it uses itself: a window
 * that an unfenced producer commits after that would come twice.
 *
 * Two instances that start at the same time may each end up with some of the ids. So one id, the
 * same for all, is taken first and used first: who can still commit under it after all others were
 * taken is the only one (whoever took it later took the others later, too).
 *
 * Threads: blocks, with a thread and a client for each id; for use at start.
 */
#ifndef PL_KAFKA_FENCE_H
#define PL_KAFKA_FENCE_H

#include "lib/kafka/transaction.h"

/* Runs init_transactions for each of the ids, at once, and closes the clients: what was open under
 * an id is undone, and whoever had it can commit nothing any more. Up to timeout_ms; a pending stop
 * signal ends it (RETRY). 0: all are fenced. `conf`: its transactional_id does not matter. */
int pl_kafka_fence(const struct pl_producer_conf *conf, const char *const *ids, size_t n,
                   int64_t timeout_ms, struct pl_err *err);

#endif
