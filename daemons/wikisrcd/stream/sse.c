/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse.c - see sse.h.
 *
 * A line that is whole in the chunk is read in place; only lines cut by the end of a chunk go
 * through the line buffer. Data is copied once, into the event's buffer.
 */
#include "daemons/wikisrcd/stream/sse.h"

static const char bom_bytes[] = {'\xEF', '\xBB', '\xBF'};
enum { BOM_DONE = sizeof(bom_bytes) };

void sse_init(struct sse_parser *p, size_t event_bytes_max, sse_event_fn *on_event, void *userdata)
{
    *p = (struct sse_parser){
        .event_bytes_max = event_bytes_max, .on_event = on_event, .userdata = userdata};
    /* A line may hold the field's name, colon and space before as many bytes of data. */
    pl_buf_init(&p->line, event_bytes_max + SSE_NAME_MAX);
    pl_buf_init(&p->data, event_bytes_max + 1);
    pl_buf_init(&p->type, SSE_NAME_MAX);
    pl_buf_init(&p->id, SSE_NAME_MAX);
}

void sse_release(struct sse_parser *p)
{
    pl_buf_release(&p->line);
    pl_buf_release(&p->data);
    pl_buf_release(&p->type);
    pl_buf_release(&p->id);
}

static void event_clear(struct sse_parser *p)
{
    pl_buf_reset(&p->data);
    pl_buf_reset(&p->type);
    p->data_size = 0;
    p->has_data = false;
    p->pending = false;
}

void sse_reset(struct sse_parser *p)
{
    event_clear(p);
    pl_buf_reset(&p->line);
    pl_buf_reset(&p->id);
    p->line_lost = 0;
    p->bom = 0;
    p->skip_lf = false;
}

/* Offers the event that a blank line has ended. */
static bool event_dispatch(struct sse_parser *p)
{
    struct sse_event event = {
        .type = p->type.len > 0 ? (struct pl_slice){p->type.data, p->type.len}
                                : PL_SLICE_LIT("message"),
        .id = {p->id.data, p->id.len},
        .size = p->data_size - 1,
        .too_large = p->data_size - 1 > p->event_bytes_max,
    };
    if (!event.too_large)
        event.data = (struct pl_slice){p->data.data, p->data.len - 1};
    p->pending = !p->on_event(p->userdata, &event);
    if (!p->pending)
        event_clear(p);
    return !p->pending;
}

static void data_add(struct sse_parser *p, struct pl_slice value, uint64_t lost)
{
    p->has_data = true;
    p->data_size += value.len + lost + 1;
    if (p->data_size - 1 > p->event_bytes_max) {
        pl_buf_reset(&p->data); /* not kept; the rest is only counted */
        return;
    }
    pl_buf_add(&p->data, value.p, value.len);
    pl_buf_add_byte(&p->data, '\n');
}

static void field_read(struct sse_parser *p, struct pl_slice name, struct pl_slice value,
                       uint64_t lost)
{
    if (pl_slice_eq(name, "data")) {
        data_add(p, value, lost);
    } else if (lost > 0 || value.len > SSE_NAME_MAX) {
        return;
    } else if (pl_slice_eq(name, "id")) {
        if (value.len > 0 && memchr(value.p, '\0', value.len))
            return;
        pl_buf_reset(&p->id);
        pl_buf_add(&p->id, value.p, value.len);
    } else if (pl_slice_eq(name, "event")) {
        pl_buf_reset(&p->type);
        pl_buf_add(&p->type, value.p, value.len);
    }
}

/* A whole line without its end. false: it ended an event that was not taken. */
static bool line_read(struct sse_parser *p, const char *s, size_t len, uint64_t lost)
{
    if (len == 0) {
        if (p->has_data)
            return event_dispatch(p);
        event_clear(p);
        return true;
    }
    const char *colon = memchr(s, ':', len);
    if (colon == s)
        return true; /* a comment */
    size_t name_len = colon ? (size_t)(colon - s) : len;
    size_t value_at = colon ? name_len + 1 : len;
    if (value_at < len && s[value_at] == ' ')
        value_at++;
    field_read(p, (struct pl_slice){s, name_len}, (struct pl_slice){s + value_at, len - value_at},
               lost);
    return true;
}

/* Keeps the beginning of a line that the end of the chunk cuts. */
static void line_keep(struct sse_parser *p, const char *s, size_t len)
{
    size_t room = p->line.max - p->line.len;
    size_t kept = len < room ? len : room;
    pl_buf_add(&p->line, s, kept);
    p->line_lost += len - kept;
}

static bool line_end(struct sse_parser *p, const char *s, size_t len)
{
    if (p->line.len == 0)
        return line_read(p, s, len, 0);
    line_keep(p, s, len);
    bool taken = line_read(p, p->line.data, p->line.len, p->line_lost);
    pl_buf_reset(&p->line);
    p->line_lost = 0;
    return taken;
}

/* The first CR or LF. CRs are rare, so the search for one is bounded by the LF. */
static const char *line_find_end(const char *s, size_t len)
{
    const char *lf = memchr(s, '\n', len);
    const char *cr = memchr(s, '\r', lf ? (size_t)(lf - s) : len);
    return cr ? cr : lf;
}

/* Skips a byte order mark at the very start. What only begins like one is text. */
static size_t bom_skip(struct sse_parser *p, const char *data, size_t len)
{
    size_t used = 0;
    while (used < len && p->bom < BOM_DONE && data[used] == bom_bytes[p->bom]) {
        used++;
        p->bom++;
    }
    if (used < len && p->bom < BOM_DONE) {
        line_keep(p, bom_bytes, p->bom);
        p->bom = BOM_DONE;
    }
    return used;
}

size_t sse_feed(struct sse_parser *p, const char *data, size_t len)
{
    size_t used = 0;
    if (p->pending && !event_dispatch(p))
        return 0;
    if (p->bom < BOM_DONE)
        used = bom_skip(p, data, len);
    while (used < len) {
        const char *s = data + used;
        if (p->skip_lf) {
            p->skip_lf = false;
            if (*s == '\n') {
                used++;
                continue;
            }
        }
        const char *end = line_find_end(s, len - used);
        if (!end) {
            line_keep(p, s, len - used);
            return len;
        }
        p->skip_lf = *end == '\r';
        used = (size_t)(end - data) + 1;
        if (!line_end(p, s, (size_t)(end - s)))
            return used;
    }
    return used;
}
