/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sse.c - the event stream parser: any bytes, any chunks, any refusals. links: wikisrcd
 *
 * The input's first byte chooses chunk sizes and refusals; whatever it chooses, the events must be
 * those of one whole feed that refuses nothing (compared by a hash of all of them).
 */
#include <assert.h>

#include "daemons/wikisrcd/event/event.h"
#include "daemons/wikisrcd/stream/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct receiver {
    struct event_identity hash;
    unsigned refuse; /* 1 of so many offers; 0: none */
    unsigned offers;
};

static struct event_identity mixed(struct event_identity a, const char *data, size_t len)
{
    struct event_identity b = event_hash(data, len);
    return (struct event_identity){a.hi * 3 + b.hi + len, a.lo * 5 + b.lo};
}

static bool on_event(void *userdata, const struct sse_event *e)
{
    struct receiver *r = userdata;
    if (r->refuse > 0 && ++r->offers % r->refuse != 0)
        return false;
    assert(e->type.len > 0 && e->type.len <= SSE_NAME_MAX && e->id.len <= SSE_NAME_MAX);
    assert(e->too_large ? e->data.len == 0 : e->data.len == e->size);
    assert(e->id.len == 0 || !memchr(e->id.p, '\0', e->id.len));
    r->hash = mixed(r->hash, e->type.p, e->type.len);
    r->hash = mixed(r->hash, e->id.p, e->id.len);
    r->hash = mixed(r->hash, e->data.p, e->data.len);
    r->hash.lo += e->size;
    return true;
}

static struct event_identity run(const char *data, size_t size, size_t step, unsigned refuse)
{
    struct receiver r = {.refuse = refuse};
    struct sse_parser p;
    sse_init(&p, 64, on_event, &r);
    for (size_t i = 0; i < size; i += step) {
        size_t n = size - i < step ? size - i : step, used = 0;
        do {
            used += sse_feed(&p, data + i + used, n - used);
            assert(used == n || sse_pending(&p));
        } while (used < n || sse_pending(&p));
    }
    sse_release(&p);
    return r.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const char *text = (const char *)data + 1;
    struct event_identity whole = run(text, size - 1, size, 0);
    struct event_identity cut = run(text, size - 1, 1 + data[0] % 16, data[0] / 16 % 4);
    assert(whole.hi == cut.hi && whole.lo == cut.lo);
    return 0;
}
