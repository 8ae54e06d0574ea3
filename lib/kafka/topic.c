/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic.c - see topic.h.
 */
#include "lib/kafka/topic.h"

#include <poll.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/log/log.h"
#include "lib/service/signals.h"

#define SLICE_MS 100 /* how long one call into librdkafka may block */

PL_DEFINE_CLEANUP(rd_kafka_topic_t *, rd_kafka_topic_destroy);
PL_DEFINE_CLEANUP(const struct rd_kafka_metadata *, rd_kafka_metadata_destroy);
PL_DEFINE_CLEANUP(rd_kafka_queue_t *, rd_kafka_queue_destroy);
PL_DEFINE_CLEANUP(rd_kafka_event_t *, rd_kafka_event_destroy);
PL_DEFINE_CLEANUP(rd_kafka_AdminOptions_t *, rd_kafka_AdminOptions_destroy);

/* ---- topics ---- */

static rd_kafka_resp_err_t metadata_get(rd_kafka_t *rk, rd_kafka_topic_t *rkt, int timeout_ms,
                                        const struct rd_kafka_metadata **ret)
{
    int64_t start = pl_clock_monotonic_ms(), waited = 0;
    for (;;) {
        rd_kafka_resp_err_t code =
            rd_kafka_metadata(rk, 0, rkt, ret, pl_kafka_slice_ms(waited, timeout_ms - waited));
        waited = pl_clock_monotonic_ms() - start;
        if (pl_kafka_err_kind(code) != PL_ERR_RETRY || waited >= timeout_ms ||
            pl_signals_stop_is_pending())
            return code;
        if (code != RD_KAFKA_RESP_ERR__TIMED_OUT) /* no connection: it may have failed at once */
            poll(NULL, 0, SLICE_MS);
    }
}

/* As pl_kafka_topic_exists(), but 2 when every partition has a leader. */
static int topic_look(rd_kafka_t *rk, const char *topic, int timeout_ms, int *ret_partitions,
                      struct pl_err *err)
{
    PL_CLEANUP(rd_kafka_topic_destroyp) rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    PL_CLEANUP(rd_kafka_metadata_destroyp) const struct rd_kafka_metadata *md = NULL;
    if (!rkt)
        return pl_kafka_err(err, rd_kafka_last_error(), "topic \"%s\"", topic);
    rd_kafka_resp_err_t code = metadata_get(rk, rkt, timeout_ms, &md);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && md->topic_cnt == 1)
        code = md->topics[0].err;
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        return 0;
    default:
        return pl_kafka_err(err, code, "cannot look up topic \"%s\"", topic);
    }
    if (md->topic_cnt != 1)
        return 0;
    const struct rd_kafka_metadata_topic *t = &md->topics[0];
    if (ret_partitions)
        *ret_partitions = t->partition_cnt;
    for (int i = 0; i < t->partition_cnt; i++)
        if (t->partitions[i].leader < 0)
            return 1;
    return t->partition_cnt > 0 ? 2 : 1;
}

int pl_kafka_topic_exists(rd_kafka_t *rk, const char *topic, int timeout_ms, int *ret_partitions,
                          struct pl_err *err)
{
    int there = topic_look(rk, topic, timeout_ms, ret_partitions, err);
    return there > 0 ? 1 : there;
}

/* 1: created; 0: somebody else was first; -1. */
static int topic_create_result(const struct pl_kafka_topic_spec *spec, rd_kafka_event_t *event,
                               struct pl_err *err)
{
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    size_t n = 0;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && result) {
        const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &n);
        if (n == 1) {
            code = rd_kafka_topic_result_error(topics[0]);
            text = rd_kafka_topic_result_error_string(topics[0]);
        }
    }
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return 1;
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        return 0;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return pl_err_set(err, PL_ERR_CONFIG, code,
                          "topic \"%s\" is missing and this user may not create it: create it, or "
                          "grant Create",
                          spec->name);
    default:
        return pl_err_set(err, pl_kafka_err_kind(code), code, "cannot create topic \"%s\": %s",
                          spec->name, text ? text : rd_kafka_err2str(code));
    }
}

static int topic_create(rd_kafka_t *rk, const struct pl_kafka_topic_spec *spec, int timeout_ms,
                        struct pl_err *err)
{
    PL_CLEANUP(rd_kafka_queue_destroyp) rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    char text[256] = "";
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(spec->name, spec->partitions, spec->replication, text, sizeof(text));
    if (!topic)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "topic \"%s\": %s", spec->name, text);
    for (const char *const *c = spec->config; c && c[0]; c += 2)
        rd_kafka_NewTopic_set_config(topic, c[0], c[1]);
    PL_CLEANUP(rd_kafka_AdminOptions_destroyp)
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text, sizeof(text));
    rd_kafka_CreateTopics(rk, &topic, 1, options, queue);
    rd_kafka_NewTopic_destroy(topic);
    /* The request has its own time limit; the extra second is for the answer's way back. */
    int64_t end = pl_clock_monotonic_ms() + timeout_ms + 1000;
    PL_CLEANUP(rd_kafka_event_destroyp) rd_kafka_event_t *event = NULL;
    while (!event && pl_clock_monotonic_ms() < end && !pl_signals_stop_is_pending())
        event = rd_kafka_queue_poll(queue, SLICE_MS);
    if (!event)
        return pl_kafka_err(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "cannot create topic \"%s\"",
                            spec->name);
    return topic_create_result(spec, event, err);
}

int pl_kafka_topic_ensure(rd_kafka_t *rk, const struct pl_kafka_topic_spec *spec, int timeout_ms,
                          bool *ret_created, struct pl_err *err)
{
    int64_t deadline = pl_clock_monotonic_ms() + timeout_ms;
    bool created = false, asked = false;
    for (;;) {
        int left = (int)(deadline - pl_clock_monotonic_ms());
        if (pl_signals_stop_is_pending())
            return pl_err_set(err, PL_ERR_RETRY, 0, "stopped while waiting for topic \"%s\"",
                              spec->name);
        if (left <= 0)
            return pl_err_set(err, PL_ERR_RETRY, RD_KAFKA_RESP_ERR__TIMED_OUT,
                              "topic \"%s\" has no leaders after %d ms", spec->name, timeout_ms);
        int there = topic_look(rk, spec->name, left, NULL, err);
        if (there < 0)
            return -1;
        if (there == 2)
            break;
        if (there == 0 && !asked) {
            int res = topic_create(rk, spec, left, err);
            if (res < 0)
                return -1;
            asked = true;
            created = res == 1;
            continue;
        }
        poll(NULL, 0, SLICE_MS / 2); /* the new topic spreads among the brokers */
    }
    if (ret_created)
        *ret_created = created;
    return 0;
}

int pl_kafka_topic_need(rd_kafka_t *rk, const struct pl_kafka_topic_spec *spec, bool may_create,
                        int timeout_ms, struct pl_err *err)
{
    if (!may_create) {
        int there = pl_kafka_topic_exists(rk, spec->name, timeout_ms, NULL, err);
        if (there == 0)
            return pl_err_set(err, PL_ERR_CONFIG, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                              "topic %s is missing: create it, or set create_topics.enabled: true",
                              spec->name);
        return there < 0 ? -1 : 0;
    }
    bool created;
    if (pl_kafka_topic_ensure(rk, spec, timeout_ms, &created, err) < 0)
        return -1;
    if (created)
        pl_log(PL_NOTICE, PL_EVENT_TOPIC_CREATED, "topic created", PL_F_STR("TOPIC", spec->name));
    return 0;
}

int pl_kafka_position_topic_need(rd_kafka_t *rk, const char *name, int replication, bool may_create,
                                 int timeout_ms, struct pl_err *err)
{
    /* clang-format off */
    static const char *const config[] = {
        "cleanup.policy", "compact",
        "segment.bytes", "16777216",
        "segment.ms", "3600000",
        "min.cleanable.dirty.ratio", "0.1",
        NULL};
    /* clang-format on */
    const struct pl_kafka_topic_spec spec = {name, 1, replication, config};
    return pl_kafka_topic_need(rk, &spec, may_create, timeout_ms, err);
}

/* ---- the limit for a message ---- */

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

static int64_t limit_read(rd_kafka_event_t *event, const char *topic)
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
    pl_log(PL_INFO, NULL, "cannot read the topic's message limit, using message_bytes_max",
           PL_F_STR("TOPIC", topic), PL_F_STR("ERROR", error));
    return -1;
}

int64_t pl_kafka_topic_limit(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
    PL_CLEANUP(rd_kafka_queue_destroyp) rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    PL_CLEANUP(rd_kafka_AdminOptions_destroyp)
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    char text[256];
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text, sizeof(text));
    rd_kafka_DescribeConfigs(rk, &resource, 1, options, queue);
    rd_kafka_ConfigResource_destroy(resource);
    PL_CLEANUP(rd_kafka_event_destroyp)
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms + timeout_ms / 10);
    return event ? limit_read(event, topic) : -1;
}
