/* SPDX-License-Identifier: Apache-2.0 */
/* move.c - see move.h. */
#include "lib/kafka/move.h"

#include <limits.h>
#include <unistd.h>

#include "lib/kafka/fence.h"
#include "lib/kafka/positions.h"
#include "lib/service/signals.h"

static bool go_on(void *userdata, const char *why)
{
    (void)userdata;
    (void)why;
    return !pl_signals_stop_is_pending();
}

int pl_move_begin(const struct pl_move *m, struct pl_daemon *d, struct pl_txn *txn,
                  struct pl_err *err)
{
    const struct pl_producer_conf conf = {
        .kafka = m->kafka, .client_id = m->client_id, .transactional_id = m->ids[0]};
    const struct pl_txn_wait wait = {.go_on = go_on, .timeout_ms = m->timeout_ms};
    pl_daemon_step(d, 3 * m->timeout_ms, "taking over %s", m->ids[0]);
    if (pl_txn_open(txn, &conf, false, err) < 0 ||
        pl_kafka_probe(txn->rk, &txn->health, pl_kafka_servers(m->kafka), m->timeout_ms, err) < 0 ||
        pl_txn_init(txn, &wait, err) < 0)
        return -1;
    return pl_kafka_fence(&conf, m->ids + 1, m->ids_n - 1, m->timeout_ms, err);
}

static int record_send(const struct pl_move *m, struct pl_txn *txn, const char *key,
                       struct pl_slice value, struct pl_err *err)
{
    char host[HOST_NAME_MAX + 1] = "?";
    gethostname(host, sizeof(host) - 1);
    PL_FREE char *writer = pl_strf("%s pid %ld, by hand", host, (long)getpid());
    const struct pl_header header = {PL_KAFKA_WRITER_HEADER, writer, strlen(writer)};
    const struct pl_message record = {
        .topic = m->topic,
        .key = key,
        .key_len = strlen(key),
        .value = value.p,
        .value_len = value.len,
        .headers = &header,
        .headers_n = 1,
    };
    switch (pl_txn_send(txn, &record, err)) {
    case PL_SEND_OK:
        return 0;
    case PL_SEND_FULL: /* impossible: nothing else is queued */
        return pl_err_set(err, PL_ERR_RETRY, 0, "Kafka's queue is full");
    case PL_SEND_ERROR:
        break;
    }
    return -1;
}

int pl_move_commit(const struct pl_move *m, struct pl_txn *txn, const char *key,
                   struct pl_slice value, struct pl_err *err)
{
    const struct pl_txn_wait wait = {.go_on = go_on, .timeout_ms = m->timeout_ms};
    if (pl_txn_begin(txn, err) < 0 || record_send(m, txn, key, value, err) < 0)
        return -1;
    switch (pl_txn_commit(txn, &wait, err)) {
    case PL_TXN_COMMITTED:
        return 0;
    case PL_TXN_UNKNOWN:
    case PL_TXN_STOPPED: /* the call may still take effect */
        err->kind = PL_ERR_FATAL;
        return pl_err_prefix(err, "it is not known whether the position was written, look again");
    case PL_TXN_REFUSED:
        if (txn->cause.kind != PL_ERR_NONE)
            *err = txn->cause;
        break;
    case PL_TXN_ABORTED:
    case PL_TXN_FAILED:
        break;
    }
    return -1;
}
