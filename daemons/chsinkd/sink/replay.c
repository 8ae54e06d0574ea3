/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - dead letters read as the messages they were.
 */
#include "daemons/chsinkd/sink/replay.h"

#include <stdlib.h>

static bool header_text(const rd_kafka_headers_t *headers, const char *name, struct pl_slice *ret)
{
    const void *value;
    size_t len;
    if (rd_kafka_header_get_last(headers, name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        !value)
        return false;
    *ret = (struct pl_slice){value, len};
    return true;
}

static int64_t header_number(const rd_kafka_headers_t *headers, const char *name, int64_t otherwise)
{
    struct pl_slice text;
    char digits[24];
    if (!header_text(headers, name, &text) || text.len == 0 || text.len >= sizeof(digits))
        return otherwise;
    memcpy(digits, text.p, text.len);
    digits[text.len] = '\0';
    return strtoll(digits, NULL, 10);
}

bool replay_unwrap(const struct route *route, const rd_kafka_headers_t *headers,
                   struct rows_message *m, int64_t *ret_row)
{
    struct pl_slice name;
    if (!headers || !header_text(headers, DEADLETTER_HEADER_PREFIX "route", &name) ||
        !pl_slice_eq(name, route->name))
        return false;
    struct pl_slice topic;
    /* librdkafka's header values are followed by a NUL that is not counted in their length. */
    if (header_text(headers, DEADLETTER_HEADER_PREFIX "topic", &topic))
        m->topic = topic.p;
    m->partition =
        (int32_t)header_number(headers, DEADLETTER_HEADER_PREFIX "partition", m->partition);
    m->offset = header_number(headers, DEADLETTER_HEADER_PREFIX "offset", m->offset);
    m->timestamp_ms = header_number(headers, DEADLETTER_HEADER_PREFIX "timestamp", m->timestamp_ms);
    *ret_row = header_number(headers, DEADLETTER_HEADER_PREFIX "row", -1);
    return true;
}
