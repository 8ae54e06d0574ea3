/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse.h - a push parser for Server-Sent Events: bytes in, events out.
 *
 * Follows the WHATWG HTML standard, section 9.2 "Server-sent events": a byte order mark at the
 * start is skipped; lines end in LF, CR or CRLF (also when a chunk ends between the two); one
 * space after the colon is taken off; several `data` lines are joined by LF; an `id` holding a NUL
 * is ignored and any other is the last id for the events that follow; comments and unknown fields
 * are skipped, and so is `retry`, as the source chooses its waits; a block without data is not
 * an event; what follows the last blank line is dropped with the parser. However the bytes are cut
 * into chunks, the events are the same.
 *
 * The receiver may answer "not now". The parser then stops, returns how many bytes it used, and
 * offers the same event again at the next feed. That is all that back-pressure needs here.
 *
 * Text is passed on as its bytes: the standard would replace bytes that are not UTF-8, but what we
 * write must be what was sent. Its readers judge it.
 *
 * No I/O, no clock. Threads: a parser belongs to one thread.
 */
#ifndef WIKISRCD_STREAM_SSE_H
#define WIKISRCD_STREAM_SSE_H

#include "lib/base/buf.h"

/* Borrowed from the parser; valid during the callback. */
struct sse_event {
    struct pl_slice type; /* "message" where the stream names none */
    struct pl_slice data; /* without the last LF; empty when too_large */
    struct pl_slice id;   /* the last id seen, may be empty */
    bool too_large;       /* its data had more than event_bytes_max bytes and was not kept */
    uint64_t size;        /* bytes of data, also of those not kept */
};

/* false: not now; the same event is offered again first thing in the next sse_feed(). */
typedef bool sse_event_fn(void *userdata, const struct sse_event *event);

/* The longest id and event type that are kept; an id with more is ignored as one with a NUL is (the
 * service's ids have some 100 bytes a topic). */
#define SSE_NAME_MAX 65536

struct sse_parser {
    size_t event_bytes_max;
    sse_event_fn *on_event;
    void *userdata;

    struct pl_buf line; /* an unfinished line, from earlier chunks */
    struct pl_buf data, type, id;
    uint64_t data_size; /* of this event, kept or not; with the LF after each line */
    uint64_t line_lost; /* bytes of an overlong line that were not kept */
    unsigned bom;       /* bytes of a byte order mark matched so far; BOM_DONE when decided */
    bool has_data;      /* a data field was seen in this block */
    bool skip_lf;       /* the last byte was CR: a LF that follows belongs to it */
    bool pending;       /* an event was not taken */
};

/* event_bytes_max: more data than this, in one line or in all, makes an event too_large. */
void sse_init(struct sse_parser *p, size_t event_bytes_max, sse_event_fn *on_event, void *userdata);
void sse_release(struct sse_parser *p);
/* For a new connection: forgets what is half read, and the last id (ours is kept elsewhere). */
void sse_reset(struct sse_parser *p);

/* Returns the number of bytes used: less than `len` only when an event was not taken; the caller
 * then feeds the rest (or nothing, len 0) again later. */
size_t sse_feed(struct sse_parser *p, const char *data, size_t len);

/* An event was refused and waits to be offered again. */
static inline bool sse_pending(const struct sse_parser *p)
{
    return p->pending;
}

#endif
