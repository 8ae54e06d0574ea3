/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_limit.c - see topic_limit.h.
 */
#include "lib/kafka/topic_limit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log/log.h"

static int64_t limit_find(const rd_kafka_ConfigResource_t *resource)
{
    size_t n = 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &n);
    for (size_t i = 0; i < n; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (value && strcmp(rd_kafka_ConfigEntry_name(entries[i]), "max.message.bytes") == 0)
            return strtoll(value, NULL, 10);
    }
    return -1;
}

static int64_t result_read(rd_kafka_event_t *event, const char *topic)
{
    size_t n = 0;
    const char *error = rd_kafka_event_error(event) ? rd_kafka_event_error_string(event) : NULL;
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigResource_t **resources =
        error || !result ? NULL : rd_kafka_DescribeConfigs_result_resources(result, &n);
    if (n > 0 && rd_kafka_ConfigResource_error(resources[0]) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return limit_find(resources[0]);
    if (!error && n > 0)
        error = rd_kafka_ConfigResource_error_string(resources[0]);
    pl_log(PL_INFO, NULL, "cannot ask how large a message may be, message_bytes_max counts",
           PL_F_STR("TOPIC", topic), PL_F_STR("ERROR", error));
    return -1;
}

int64_t pl_kafka_topic_limit(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
    char text[256];
    int64_t limit = -1;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text, sizeof(text));
    rd_kafka_DescribeConfigs(rk, &resource, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms + timeout_ms / 10);
    if (event)
        limit = result_read(event, topic);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return limit;
}
