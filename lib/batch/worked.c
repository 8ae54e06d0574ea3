/* SPDX-License-Identifier: Apache-2.0 */
/* worked.c - see worked.h. */
#include "lib/batch/worked.h"

#include <stdlib.h>

#include "lib/kafka/errors.h"

enum pl_worked pl_worked_look(const struct pl_worked_ask *ask)
{
    PL_FREE struct pl_kafka_position *positions = pl_alloc_array(ask->keys_n, sizeof(*positions));
    for (size_t i = 0; i < ask->keys_n; i++)
        positions[i].key = ask->keys[i];
    struct pl_err err;
    if (pl_kafka_positions_read(ask->daemon, ask->kafka, ask->topic, ask->timeout_ms, positions,
                                ask->keys_n, &err) < 0)
        return err.code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? PL_WORKED_NEVER
                                                                   : PL_WORKED_UNKNOWN;
    enum pl_worked worked = PL_WORKED_NEVER;
    for (size_t i = 0; i < ask->keys_n; i++)
        if (positions[i].value)
            worked = PL_WORKED;
    pl_kafka_positions_release(positions, ask->keys_n);
    return worked;
}

/* Kafka refuses us, or we its certificate: then we cannot read either. */
static bool is_locked_out(int code)
{
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL ||
           code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

enum pl_end pl_worked_end(const struct pl_worked_ask *ask, struct pl_err *err)
{
    enum pl_end_side side = pl_end_side(err);
    bool matters = pl_end_decide(err->kind, side, PL_WORKED_NEVER) !=
                   pl_end_decide(err->kind, side, PL_WORKED);
    if (!matters || is_locked_out(err->code))
        return pl_end_of_last(err, PL_WORKED_UNKNOWN);
    pl_daemon_step(ask->daemon, 3 * ask->timeout_ms,
                   "refused; checking in topic %s whether it has worked before", ask->topic);
    return pl_end_of_last(err, pl_worked_look(ask));
}
