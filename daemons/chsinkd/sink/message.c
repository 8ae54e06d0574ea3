/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.c - see message.h.
 */
#include "daemons/chsinkd/sink/message.h"

#include <stdio.h>

static bool header_get(const void *headers, const char *name, struct pl_slice *ret)
{
    return message_header_last(headers, name, ret);
}

struct rows_message message_rows(const rd_kafka_message_t *message, bool with_headers)
{
    rd_kafka_timestamp_type_t type;
    rd_kafka_headers_t *headers = NULL;
    if (with_headers)
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

bool message_replay(struct rows_message *m, const struct route *route, struct row_set *rows)
{
    const rd_kafka_headers_t *headers = m->header_userdata;
    struct pl_slice name;
    if (!dead_letter_header(headers, "route", &name) || !pl_slice_eq(name, route->name) ||
        !dead_letter_rows(headers, rows))
        return false;
    struct dead_letter_origin origin = {m->topic, m->partition, m->offset, m->timestamp_ms};
    dead_letter_origin(headers, &origin);
    m->topic = origin.topic;
    m->partition = origin.partition;
    m->offset = origin.offset;
    m->timestamp_ms = origin.timestamp_ms;
    /* A value that was too large for the dead-letter topic is no tombstone. */
    if (!m->value && dead_letter_header(headers, "value-omitted", &name))
        m->value = "";
    return true;
}

void message_reject_text(const struct rows_reject *reject, char *out, size_t size)
{
    bool column = reject->column, detail = reject->detail;
    snprintf(out, size, "%s%s%s%s%s%s (byte %zu)", column ? "column " : "",
             column ? reject->column : "", column ? ": " : "", reject->reason, detail ? ": " : "",
             detail ? reject->detail : "", reject->offset);
}
