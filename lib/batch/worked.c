/* SPDX-License-Identifier: Apache-2.0 */
/* worked.c - see worked.h. */
#include "lib/batch/worked.h"

#include <stdlib.h>

#include "lib/kafka/topic.h"

enum pl_worked pl_position_worked(const struct pl_map *kafka, const char *topic, const char *key,
                                  int64_t timeout_ms)
{
    PL_FREE char *value = NULL;
    size_t len = 0;
    struct pl_err err;
    if (pl_kafka_read_last(kafka, topic, key, (int)timeout_ms, &value, &len, &err) == 0)
        return value ? PL_WORKED : PL_WORKED_NEVER;
    return err.code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? PL_WORKED_NEVER
                                                               : PL_WORKED_UNKNOWN;
}

/* It does not know us, or we it: then it will not let us read either. */
static bool is_locked_out(int code)
{
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL ||
           code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

enum pl_end pl_position_end(const struct pl_map *kafka, const char *topic, const char *key,
                            int64_t timeout_ms, struct pl_err *err)
{
    enum pl_end_side side = pl_end_side(err);
    bool asks = pl_end_decide(err->kind, side, PL_WORKED_NEVER) !=
                    pl_end_decide(err->kind, side, PL_WORKED) &&
                !is_locked_out(err->code);
    return pl_end_of_last(err, asks ? pl_position_worked(kafka, topic, key, timeout_ms)
                                    : PL_WORKED_UNKNOWN);
}
