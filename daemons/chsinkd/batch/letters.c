/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letters.c - see letters.h.
 */
#include "daemons/chsinkd/batch/letters.h"

#include <inttypes.h>
#include <stdio.h>

static const char row_name[] = DEADLETTER_HEADER_PREFIX "row";
static const char rows_name[] = DEADLETTER_HEADER_PREFIX "rows";
static const char rejected_name[] = DEADLETTER_HEADER_PREFIX "rejected";

/* ---- reading ---- */

bool message_header_last(const rd_kafka_headers_t *headers, const char *name, struct pl_slice *ret)
{
    const void *value;
    size_t len;
    if (!headers ||
        rd_kafka_header_get_last(headers, name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    *ret = (struct pl_slice){value, value ? len : 0};
    return true;
}

bool dead_letter_header(const rd_kafka_headers_t *headers, const char *field, struct pl_slice *ret)
{
    char name[64];
    snprintf(name, sizeof(name), DEADLETTER_HEADER_PREFIX "%s", field);
    return message_header_last(headers, name, ret);
}

static int64_t header_number(const rd_kafka_headers_t *headers, const char *field,
                             int64_t otherwise)
{
    struct pl_slice text;
    char digits[24] = "";
    if (!dead_letter_header(headers, field, &text) || text.len == 0 || text.len >= sizeof(digits))
        return otherwise;
    memcpy(digits, text.p, text.len);
    return strtoll(digits, NULL, 10);
}

void dead_letter_origin(const rd_kafka_headers_t *headers, struct dead_letter_origin *origin)
{
    struct pl_slice topic;
    /* librdkafka puts a NUL after a header's value, not counted in its length. */
    if (dead_letter_header(headers, "topic", &topic) && topic.p)
        origin->topic = topic.p;
    origin->partition = (int32_t)header_number(headers, "partition", origin->partition);
    origin->offset = header_number(headers, "offset", origin->offset);
    origin->timestamp_ms = header_number(headers, "timestamp", origin->timestamp_ms);
}

bool dead_letter_rows(const rd_kafka_headers_t *headers, struct row_set *rows)
{
    struct pl_slice text;
    rows->n = 0;
    if (!message_header_last(headers, rows_name, &text) &&
        !message_header_last(headers, row_name, &text))
        return true;
    return row_set_parse(rows, text.p, text.len);
}

/* ---- writing ---- */

static void *bytes_copy(const void *data, size_t len)
{
    return data ? pl_strndup(data, len) : NULL;
}

/* Owns `value`, or shares it (see header_release). */
static void header_put(struct dead_letter *d, const char *name, const void *value, size_t len)
{
    d->headers = pl_realloc_array(d->headers, d->headers_n + 1, sizeof(*d->headers));
    d->headers[d->headers_n++] = (struct pl_header){pl_strdup(name), value, len};
    d->bytes += sizeof(*d->headers) + strlen(name) + len;
}

static void header_release(const struct dead_letter *d, const struct pl_header *h)
{
    free((void *)h->name);
    if (h->value != d->row_text.data && h->value != d->rejected_text)
        free((void *)h->value);
}

static void own_header_add(struct dead_letter *d, const char *field, const char *text)
{
    PL_FREE char *name = pl_strf(DEADLETTER_HEADER_PREFIX "%s", field);
    if (text)
        header_put(d, name, pl_strdup(text), strlen(text));
}

static void own_number_add(struct dead_letter *d, const char *field, int64_t n)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, n);
    own_header_add(d, field, text);
}

/* Copies the headers that are not ours. */
static void headers_copy(struct dead_letter *d, const rd_kafka_headers_t *all)
{
    const char *name;
    const void *value;
    size_t len;
    for (size_t i = 0;
         rd_kafka_header_get_all(all, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        if (strncmp(name, DEADLETTER_HEADER_PREFIX, strlen(DEADLETTER_HEADER_PREFIX)) != 0)
            header_put(d, name, bytes_copy(value, len), value ? len : 0);
}

/* A row after those before: the header's text grows, or its last range does. */
static void row_add(struct dead_letter *d, int64_t row)
{
    struct pl_buf *text = &d->row_text;
    size_t before = text->len;
    if (d->rows > 0 && row == d->row_last + 1) {
        text->len = d->row_text_last;
        pl_buf_addf(text, "%" PRId64 "-%" PRId64, d->row_first, row);
    } else {
        if (d->rows > 0)
            pl_buf_add_byte(text, ',');
        d->row_text_last = text->len;
        d->row_first = row;
        pl_buf_addf(text, "%" PRId64, row);
    }
    d->row_last = row;
    d->rows++;
    d->bytes += text->len - before;
}

/* The headers say what the list is now. */
static void row_headers_set(struct dead_letter *d)
{
    struct pl_header *h = &d->headers[d->row_header];
    if (d->rows == 2) {
        free((void *)h->name);
        h->name = pl_strdup(rows_name);
        header_put(d, rejected_name, d->rejected_text, 0);
        h = &d->headers[d->row_header];
    }
    h->value = d->row_text.data;
    h->len = d->row_text.len;
    if (d->rows >= 2)
        d->headers[d->headers_n - 1].len =
            (size_t)snprintf(d->rejected_text, sizeof(d->rejected_text), "%" PRIu64, d->rows);
}

/* Which rows of its message the dead letter is about. */
static void rows_begin(struct dead_letter *d, const rd_kafka_headers_t *headers,
                       const struct dead_letter_why *why)
{
    struct pl_slice text;
    if (why->row >= 0) {
        row_add(d, why->row);
        d->row_header = d->headers_n;
        header_put(d, row_name, d->row_text.data, d->row_text.len);
    } else if (why->replayed && message_header_last(headers, rows_name, &text)) {
        header_put(d, rows_name, bytes_copy(text.p, text.len), text.len);
        if (dead_letter_header(headers, "rejected", &text))
            header_put(d, rejected_name, bytes_copy(text.p, text.len), text.len);
    } else if (why->replayed && message_header_last(headers, row_name, &text)) {
        header_put(d, row_name, bytes_copy(text.p, text.len), text.len);
    }
}

static struct dead_letter *letter_new(const rd_kafka_message_t *message,
                                      const struct dead_letter_why *why)
{
    struct dead_letter *d = pl_alloc(sizeof(*d));
    rd_kafka_timestamp_type_t type;
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_message_headers(message, &headers);
    struct dead_letter_origin origin = {rd_kafka_topic_name(message->rkt), message->partition,
                                        message->offset,
                                        rd_kafka_message_timestamp(message, &type)};
    dead_letter_origin(headers, &origin);
    d->offset = message->offset;
    d->reason = pl_strdup(why->text);
    d->key = bytes_copy(message->key, message->key_len);
    d->key_len = message->key_len;
    d->value = bytes_copy(message->payload, message->len);
    d->value_len = message->len;
    d->bytes = sizeof(*d) + d->key_len + d->value_len + strlen(why->text);
    if (headers)
        headers_copy(d, headers);
    own_header_add(d, "route", why->route);
    own_header_add(d, "topic", origin.topic);
    own_number_add(d, "partition", origin.partition);
    own_number_add(d, "offset", origin.offset);
    own_number_add(d, "timestamp", origin.timestamp_ms);
    rows_begin(d, headers, why);
    own_header_add(d, "reason", why->text);
    own_header_add(d, "column", why->column);
    own_number_add(d, "attempt", header_number(headers, "attempt", 0) + 1);
    return d;
}

static struct dead_letter *letter_new_gone(const struct dead_letter_origin *origin,
                                           const struct dead_letter_why *why)
{
    struct dead_letter *d = pl_alloc(sizeof(*d));
    d->offset = origin->offset;
    d->reason = pl_strdup(why->text);
    d->bytes = sizeof(*d) + strlen(why->text);
    own_header_add(d, "route", why->route);
    own_header_add(d, "topic", origin->topic);
    own_number_add(d, "partition", origin->partition);
    own_number_add(d, "offset", origin->offset);
    own_header_add(d, "reason", why->text);
    own_number_add(d, "attempt", 1);
    own_header_add(d, "value-omitted", "Kafka had deleted the message when it was refused");
    return d;
}

const struct pl_header *dead_letter_own(const struct dead_letter *d, const char *field)
{
    const size_t prefix = strlen(DEADLETTER_HEADER_PREFIX);
    for (unsigned i = 0; i < d->headers_n; i++)
        if (strncmp(d->headers[i].name, DEADLETTER_HEADER_PREFIX, prefix) == 0 &&
            strcmp(d->headers[i].name + prefix, field) == 0)
            return &d->headers[i];
    return NULL;
}

static void letter_free(struct dead_letter *d)
{
    for (unsigned i = 0; i < d->headers_n; i++)
        header_release(d, &d->headers[i]);
    pl_buf_release(&d->row_text);
    free(d->headers);
    free(d->reason);
    free(d->key);
    free(d->value);
    free(d);
}

/* ---- lists ---- */

/* Where the letter of this offset is linked, or would be. Nearly always at the end. */
static struct dead_letter **place_of(struct dead_letters *l, int64_t offset)
{
    struct dead_letter **at = &l->first;
    if (l->last && l->last->offset < offset)
        return &l->last->next;
    while (*at && (*at)->offset < offset)
        at = &(*at)->next;
    return at;
}

static void letter_link(struct dead_letters *l, struct dead_letter **at, struct dead_letter *d)
{
    d->next = *at;
    *at = d;
    if (!d->next)
        l->last = d;
    l->count++;
    l->bytes += d->bytes;
}

void dead_letters_add(struct dead_letters *l, const rd_kafka_message_t *message,
                      const struct dead_letter_why *why)
{
    if (why->row >= 0 && l->last && l->last->offset == message->offset) {
        if (l->last->rows == 0)
            return; /* it is about the whole message */
        l->bytes -= l->last->bytes;
        row_add(l->last, why->row);
        row_headers_set(l->last);
        l->bytes += l->last->bytes;
        return;
    }
    struct dead_letter **at = place_of(l, message->offset), *old = *at;
    struct dead_letter *d = letter_new(message, why);
    if (old && old->offset == message->offset) {
        *at = old->next;
        l->count--;
        l->bytes -= old->bytes;
        letter_free(old);
    }
    letter_link(l, at, d);
}

void dead_letters_add_gone(struct dead_letters *l, const char *topic, int32_t partition,
                           int64_t offset, const struct dead_letter_why *why)
{
    const struct dead_letter_origin origin = {topic, partition, offset, -1};
    struct dead_letter **at = place_of(l, offset);
    if (!*at || (*at)->offset != offset) /* else its rows' letter has its bytes */
        letter_link(l, at, letter_new_gone(&origin, why));
}

void dead_letters_remove(struct dead_letters *l, int64_t offset)
{
    struct dead_letter **at = &l->first, *before = NULL;
    while (*at && (*at)->offset < offset) {
        before = *at;
        at = &before->next;
    }
    struct dead_letter *d = *at;
    if (!d || d->offset != offset)
        return;
    *at = d->next;
    if (l->last == d)
        l->last = before;
    l->count--;
    l->bytes -= d->bytes;
    letter_free(d);
}

void dead_letters_split(struct dead_letters *l, int64_t offset, struct dead_letters *ret_rest)
{
    struct dead_letter *last = NULL, **at = &l->first;
    for (; *at && (*at)->offset < offset; at = &(*at)->next)
        last = *at;
    ret_rest->first = PL_TAKE(*at);
    if (ret_rest->first)
        ret_rest->last = l->last;
    l->last = last;
    for (const struct dead_letter *d = ret_rest->first; d; d = d->next) {
        ret_rest->count++;
        ret_rest->bytes += d->bytes;
    }
    l->count -= ret_rest->count;
    l->bytes -= ret_rest->bytes;
}

void dead_letters_release(struct dead_letters *l)
{
    while (l->first) {
        struct dead_letter *d = l->first;
        l->first = d->next;
        letter_free(d);
    }
    *l = (struct dead_letters){0};
}
