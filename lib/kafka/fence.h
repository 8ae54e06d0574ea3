/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fence.h - fences whoever uses some transactional ids, without keeping the ids.
 *
 * The number of a source's producers is an option. So before it reads the positions, a source must
 * fence every id that an earlier instance may be using, not only its own: a window that an unfenced
 * producer commits later would be delivered twice.
 *
 * Two instances that start at the same time may each get some of the ids. So all take one id, the
 * same, first: an instance that can still commit under it after it has taken all others is the only
 * one (another that took it later takes the others later, too).
 *
 * It may still find one of the others fenced: an instance that took the first id before us, so has
 * lost it, can take the others after us, before it notices. So whoever is fenced on another id asks
 * whether the first is still theirs, and if it is, starts again: by then the other has ended.
 *
 * Fenced by a clock: a coordinator ends transactions older than transaction.timeout.ms by its own
 * wall clock, and moves the id's epoch on, which the producer cannot tell from being fenced by an
 * instance. Taking an id opens no transaction, so that is not at risk. successor.h tells the two
 * apart.
 *
 * Threads: any; blocks, with a thread and a client per id. For use at start.
 */
#ifndef PL_KAFKA_FENCE_H
#define PL_KAFKA_FENCE_H

#include "lib/kafka/transaction.h"

/* Runs init_transactions for all ids at once and closes the clients: what was open under an id is
 * undone, and whoever had it can no longer commit. Up to timeout_ms; a pending stop signal ends it
 * (RETRY). 0: all are fenced. transactional_id of `conf` is ignored. All borrowed. */
int pl_kafka_fence(const struct pl_producer_conf *conf, const char *const *ids, size_t n,
                   int64_t timeout_ms, struct pl_err *err);

#endif
