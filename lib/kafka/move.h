/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move.h - a source's position, moved by a person.
 *
 *     pl_move_begin() -> read the positions (positions.h) -> pl_move_commit()
 *
 * All transactional ids of the source are taken first: an instance that runs could otherwise commit
 * its own position over the new one. It is fenced and ends; nobody is restarted by this.
 *
 * Threads: one; the calls block, and a pending stop signal ends them (RETRY).
 */
#ifndef PL_KAFKA_MOVE_H
#define PL_KAFKA_MOVE_H

#include "lib/kafka/transaction.h"
#include "lib/service/daemon.h"

struct pl_move {
    const struct pl_map *kafka; /* the user's properties */
    const char *client_id;
    const char *const *ids; /* the first is the one that must still be ours at the end (fence.h) */
    size_t ids_n;
    const char *topic; /* of the positions */
    int64_t timeout_ms;
};

/* Connects and takes the ids. `txn` is zeroed, and the caller closes it in any case. */
int pl_move_begin(const struct pl_move *m, struct pl_daemon *d, struct pl_txn *txn,
                  struct pl_err *err);
/* Writes the record in a transaction. On an error it is not written, or (FATAL, with words that say
 * so) it is not known. */
int pl_move_commit(const struct pl_move *m, struct pl_txn *txn, const char *key,
                   struct pl_slice value, struct pl_err *err);

#endif
