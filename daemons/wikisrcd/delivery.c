/* SPDX-License-Identifier: Apache-2.0 */
/* delivery.c - see delivery.h. */
#include "daemons/wikisrcd/delivery.h"

#include "daemons/wikisrcd/metrics.h"
#include "daemons/wikisrcd/position/position.h"

/* How far a message's time may be ahead of our clock; less than the brokers' hour, see below. */
#define BROKER_AHEAD_MS (55 * 60000)
/* How long a position that moved without an event to deliver may stay uncommitted. */
#define POSITION_MS 5000

static const char *topic_for(const struct wikisrcd_conf *conf, const struct pl_json_str *stream)
{
    for (size_t i = 0; stream->p && i < conf->topics.n; i++)
        if (wikisrcd_conf_stream_is(conf->topics.v[i].key, stream->p, stream->len))
            return conf->topics.v[i].value;
    return conf->topic;
}

/* Real ids and streams need no escapes; one that has some is left out. */
static void header_add(struct delivery_message *d, const char *name, const struct pl_json_str *text)
{
    if (text->p && !text->escaped)
        d->headers[d->m.headers_n++] = (struct pl_header){name, text->p, text->len};
}

void delivery_message(const struct wikisrcd_conf *conf, const struct event *event,
                      struct pl_slice data, struct delivery_now now, struct delivery_message *ret)
{
    /* Brokers refuse times more than an hour ahead of their clock
     * (log.message.timestamp.after.max.ms), which is ours or correct; 0 would mean "now" to the
     * producer. */
    int64_t now_ms = now.ours_ms < now.source_ms ? now.ours_ms : now.source_ms;
    bool usable = event->has_dt && event->dt_ms > 0 &&
                  event->dt_ms <= now.source_ms + POSITION_BELIEVE_MS &&
                  event->dt_ms <= now.ours_ms + BROKER_AHEAD_MS;
    bool own = conf->timestamp == TIMESTAMP_EVENT;
    ret->time_replaced = own && !usable;
    ret->m = (struct pl_message){
        .topic = topic_for(conf, &event->stream),
        .key = event->has_key ? (event->key.data ? event->key.data : "") : NULL,
        .key_len = event->has_key ? event->key.len : 0,
        .value = data.p,
        .value_len = data.len,
        .timestamp_ms = own && usable ? event->dt_ms : now_ms,
        .headers = ret->headers,
    };
    header_add(ret, "wikisrcd-stream", &event->stream);
    header_add(ret, "wikisrcd-id", &event->meta_id);
}

void delivery_reloaded(struct pl_delivery *d, const struct wikisrcd_conf *conf)
{
    const struct pl_limits limits = {.age_ms = conf->batch.age_ms,
                                     .bytes = conf->batch.bytes,
                                     .messages = conf->batch.messages,
                                     .position_ms = POSITION_MS};
    pl_delivery_limit(d, &limits);
}

int delivery_new(struct pl_daemon *daemon, const struct wikisrcd_conf *conf,
                 struct delivery_use use, struct pl_metrics *metrics,
                 const struct pl_delivery_ops *ops, void *userdata, struct pl_delivery **ret,
                 struct pl_err *err)
{
    PL_CLEANUP(pl_delivery_freep) struct pl_delivery *d = NULL;
    PL_FREE char *id = pl_strf("wikisrcd-%s%s", conf->name, use.id);
    const struct pl_delivery_conf kafka = {
        .kafka = &conf->kafka,
        .transactional_id = id,
        .client_id = "wikisrcd",
        .topic = conf->topic,
        .more_topics = &conf->topics,
        .position_topic = use.position_key ? conf->position_topic : NULL,
        .position_key = use.position_key,
        .fence_key = use.position_key,
        .message_bytes_max = conf->message_bytes_max,
        .queue_bytes_max = conf->queue_bytes_max,
        /* Events carry their own times, and some are wrong by years. A broker rolls a segment when
         * a time is segment.ms after the segment's first, so an old first event would be alone in
         * its segment, which retention then deletes at once: segments must end by size only. */
        .create = {conf->create.enabled, conf->create.partitions, conf->create.replication,
                   conf->create.retention_ms, .segment_ms = "9223372036854775807"},
        .start_timeout_ms = conf->start_timeout_ms,
        .timestamp_advice = "timestamp: arrival",
        .metrics = {.values = metrics,
                    .delivered = M_DELIVERED,
                    .records = PL_METRICS_NONE,
                    .messages = PL_METRICS_NONE,
                    .bytes = M_DELIVERED_BYTES,
                    .refetched = M_REFETCHED,
                    .committed = M_COMMITTED,
                    .aborted = M_ABORTED,
                    .commit_seconds = M_COMMIT_SECONDS,
                    .in_flight = M_IN_FLIGHT},
    };
    if (pl_delivery_new(daemon, &kafka, ops, userdata, &d, err) < 0)
        return -1;
    if (use.position_key) {
        struct pl_slice position;
        if (pl_delivery_position_read(d, &position, err) < 0)
            return -1;
        delivery_reloaded(d, conf);
    }
    *ret = PL_TAKE(d);
    return 0;
}
