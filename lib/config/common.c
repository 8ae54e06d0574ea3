/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common.c - see common.h.
 */
#include "lib/config/common.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/metrics/metrics.h"

void pl_common_check_kafka(const struct pl_map *kafka, const char *without,
                           struct pl_findings *errs)
{
    /* The second is librdkafka's older name. */
    if (pl_map_get(kafka, "bootstrap.servers") || pl_map_get(kafka, "metadata.broker.list"))
        return;
    pl_findings_add(errs, 0, 0, "kafka: needs bootstrap.servers, such as \"localhost:9092\"%s%s%s",
                    without ? " (only " : "", without ? without : "",
                    without ? " work without)" : "");
}

enum { COMMIT_ROOM_MS = 30000 };

int64_t pl_transaction_open_ms_max(int64_t timeout_ms)
{
    return timeout_ms - (timeout_ms / 10 < COMMIT_ROOM_MS ? timeout_ms / 10 : COMMIT_ROOM_MS);
}

/* The smallest time-out in which open_ms fits. */
static int64_t timeout_needed_ms(int64_t open_ms)
{
    int64_t ms = open_ms + open_ms / 9 + 1;
    return ms < open_ms + COMMIT_ROOM_MS ? ms : open_ms + COMMIT_ROOM_MS;
}

void pl_common_check_transaction(const struct pl_map *kafka, int64_t dflt_ms, const char *option,
                                 int64_t open_ms, struct pl_findings *errs)
{
    const char *own = pl_map_get(kafka, "transaction.timeout.ms");
    int64_t timeout_ms = own ? strtoll(own, NULL, 10) : dflt_ms;
    /* librdkafka reports what is not a number. */
    if (timeout_ms <= 0 || open_ms <= pl_transaction_open_ms_max(timeout_ms))
        return;
    if (option)
        pl_findings_add(errs, 0, 0,
                        "%s: keeps a transaction open for %" PRId64 "ms, and Kafka undoes it after "
                        "kafka.transaction.timeout.ms, %" PRId64 "%s: set it to at most %" PRId64
                        "ms, or that to at least %" PRId64
                        " (above 900000 the broker's transaction.max.timeout.ms too)",
                        option, open_ms, timeout_ms, own ? "" : " by default",
                        pl_transaction_open_ms_max(timeout_ms), timeout_needed_ms(open_ms));
    else
        pl_findings_add(errs, 0, 0,
                        "kafka.transaction.timeout.ms: a transaction may be open for %" PRId64
                        "ms here: set it to at least %" PRId64,
                        open_ms, timeout_needed_ms(open_ms));
}

void pl_common_check_topics(const char *topic, const char *position_topic, struct pl_findings *errs)
{
    if (topic && position_topic && strcmp(topic, position_topic) == 0)
        pl_findings_add(errs, 0, 0, "position_topic: must be another topic than `topic`");
}

void pl_common_check_create(const struct pl_create_topics *create, struct pl_findings *errs)
{
    if (create->partitions == 0 || create->replication == 0)
        pl_findings_add(errs, 0, 0,
                        "create_topics: partitions and replication are -1 (the broker's default) "
                        "or at least 1");
}

void pl_common_check_bytes(int64_t message_bytes_max, int64_t queue_bytes_max,
                           struct pl_findings *errs)
{
    if (queue_bytes_max < message_bytes_max)
        pl_findings_add(errs, 0, 0,
                        "queue_bytes_max: must be at least message_bytes_max, or the largest "
                        "message never fits");
}

void pl_common_check_listen(const char *listen, struct pl_findings *errs)
{
    struct pl_err err;
    if (listen && pl_metrics_address_check(listen, &err) < 0)
        pl_findings_add(errs, 0, 0, "metrics.listen: %s", err.msg);
}
