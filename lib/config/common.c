/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common.c - see common.h.
 */
#include "lib/config/common.h"

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
