/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move.h - a source's position, moved by a person.
 *
 *     pl_move_begin() -> read the positions (positions.h) -> pl_move_commit()
 *
 * All transactional ids of the source are taken first: a running instance could otherwise commit
 * its own position over the new one. It is fenced and exits; systemd does not restart it.
 *
 * Threads: one. The calls block, each step up to timeout_ms; a pending stop signal ends them
 * (RETRY).
 */
#ifndef PL_KAFKA_MOVE_H
#define PL_KAFKA_MOVE_H

#include "lib/kafka/transaction.h"
#include "lib/service/daemon.h"

/* All borrowed. */
struct pl_move {
    const struct pl_map *kafka; /* the user's properties */
    const char *client_id;
    const char *const *ids; /* the first must still be ours at the end (fence.h) */
    size_t ids_n;
    const char *topic; /* of the positions */
    int64_t timeout_ms;
};

/* Connects and takes the ids. `txn` starts zeroed; the caller closes it in any case. */
int pl_move_begin(const struct pl_move *m, struct pl_daemon *d, struct pl_txn *txn,
                  struct pl_err *err);
/* Writes the record in a transaction. -1: it is not written, or (a FATAL that says so) may be. */
int pl_move_commit(const struct pl_move *m, struct pl_txn *txn, const char *key,
                   struct pl_slice value, struct pl_err *err);

#endif
