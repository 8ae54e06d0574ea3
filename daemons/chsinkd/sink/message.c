/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.c - see message.h.
 */
#include "daemons/chsinkd/sink/message.h"

#include <stdio.h>

static bool header_get(const void *headers, const char *name, struct pl_slice *ret)
{
    const void *value;
    size_t len;
    if (!headers ||
        rd_kafka_header_get_last(headers, name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    *ret = (struct pl_slice){value, len};
    return true;
}

struct rows_message message_rows(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_message_headers(message, &headers);
    return (struct rows_message){.topic = rd_kafka_topic_name(message->rkt),
                                 .partition = message->partition,
                                 .offset = message->offset,
                                 .timestamp_ms = rd_kafka_message_timestamp(message, &type),
                                 .key = message->key,
                                 .key_len = message->key_len,
                                 .value = message->payload,
                                 .value_len = message->len,
                                 .header = header_get,
                                 .header_userdata = headers};
}

int64_t message_header_number(const struct rows_message *m, const char *name, int64_t otherwise)
{
    struct pl_slice text;
    char digits[24] = "";
    if (!header_get(m->header_userdata, name, &text) || text.len == 0 || text.len >= sizeof(digits))
        return otherwise;
    memcpy(digits, text.p, text.len);
    return strtoll(digits, NULL, 10);
}

void message_origin(struct rows_message *m)
{
    struct pl_slice topic;
    /* librdkafka puts a NUL after a header's value, not counted in its length. */
    if (header_get(m->header_userdata, DEADLETTER_HEADER_PREFIX "topic", &topic) && topic.p)
        m->topic = topic.p;
    m->partition =
        (int32_t)message_header_number(m, DEADLETTER_HEADER_PREFIX "partition", m->partition);
    m->offset = message_header_number(m, DEADLETTER_HEADER_PREFIX "offset", m->offset);
    m->timestamp_ms =
        message_header_number(m, DEADLETTER_HEADER_PREFIX "timestamp", m->timestamp_ms);
}

bool message_replay(struct rows_message *m, const struct route *route, int64_t *ret_row)
{
    struct pl_slice name;
    if (!header_get(m->header_userdata, DEADLETTER_HEADER_PREFIX "route", &name) ||
        !pl_slice_eq(name, route->name))
        return false;
    message_origin(m);
    *ret_row = message_header_number(m, DEADLETTER_HEADER_PREFIX "row", -1);
    return true;
}

void message_reject_text(const struct rows_reject *reject, char *out, size_t size)
{
    bool column = reject->column, detail = reject->detail;
    snprintf(out, size, "%s%s%s%s%s%s (byte %zu)", column ? "column " : "",
             column ? reject->column : "", column ? ": " : "", reject->reason, detail ? ": " : "",
             detail ? reject->detail : "", reject->offset);
}
