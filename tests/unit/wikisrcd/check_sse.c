/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_sse.c - the Server-Sent Events parser against the standard's rules. links: wikisrcd
 *
 * A stream's events are written as one text, and every case is fed whole, byte by byte, cut at
 * every offset, and with a receiver that refuses each event the first time; the text must be the
 * same.
 */
#include <stdio.h>

#include "daemons/wikisrcd/stream/sse.h"
#include "tests/unit/unit.h"

#define S(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

struct text {
    const char *p;
    size_t len;
};

static const struct sse_case {
    const char *name;
    struct text in;
    const char *events; /* each "type|id|data;" */
} cases[] = {
    {"nothing", S(""), ""},
    {"the service's own form",
     S(":ok\n\nevent: message\nid: [{\"topic\":\"t\"}]\ndata: {\"a\":1}\n\n"),
     "message|[{\"topic\":\"t\"}]|{\"a\":1};"},
    {"no blank line, no event", S("data: a\n"), ""},
    {"default type", S("data: a\n\n"), "message||a;"},
    {"empty type is the default", S("event:\ndata: a\n\n"), "message||a;"},
    {"type does not stay", S("event: x\ndata: a\n\ndata: b\n\n"), "x||a;message||b;"},
    {"type without data is no event", S("event: x\n\ndata: b\n\n"), "message||b;"},
    {"id stays", S("id: 1\ndata: a\n\ndata: b\n\n"), "message|1|a;message|1|b;"},
    {"id without data stays too", S("id: 1\n\ndata: b\n\n"), "message|1|b;"},
    {"empty id clears", S("id: 1\ndata: a\n\nid\ndata: b\n\n"), "message|1|a;message||b;"},
    {"NUL in an id: ignored", S("id: 1\nid: 2\0\ndata: a\n\n"), "message|1|a;"},
    {"several data lines", S("data: a\ndata:b\ndata\ndata:  c\n\n"), "message||a\nb\n\n c;"},
    {"data without a value", S("data\n\ndata\ndata\n\ndata:"), "message||;message||\n;"},
    {"space or none", S("data:test\n\ndata: test\n\n"), "message||test;message||test;"},
    {"one space only", S("data:  x \n\n"), "message|| x ;"},
    {"CRLF", S("id: 1\r\ndata: a\r\ndata: b\r\n\r\n"), "message|1|a\nb;"},
    {"CR", S("id: 1\rdata: a\r\r"), "message|1|a;"},
    {"all three", S("data: a\rdata: b\r\ndata: c\n\r"), "message||a\nb\nc;"},
    {"CR CRLF is two ends", S("data: a\r\r\ndata: b\n\n"), "message||a;message||b;"},
    {"byte order mark",
     S("\xEF\xBB\xBF"
       "data: a\n\n"),
     "message||a;"},
    {"only one of them",
     S("\xEF\xBB\xBF\xEF\xBB\xBF"
       "data: a\n\ndata: b\n\n"),
     "message||b;"},
    {"half of one is text",
     S("\xEF\xBB"
       "data: a\n\ndata: b\n\n"),
     "message||b;"},
    {"mark inside is text", S("data: \xEF\xBB\xBF\n\n"), "message||\xEF\xBB\xBF;"},
    {"comments", S(": a\n:\n:data: x\ndata: a\n\n"), "message||a;"},
    {"unknown fields", S("dat: x\nDATA: y\n data: z\ndata : w\nfoo\ndata: a\n\n"), "message||a;"},
    {"colon in the value", S("data: a: b:\n\n"), "message||a: b:;"},
    {"retry is no event", S("retry: 500\n\ndata: a\n\n"), "message||a;"},
    {"retry within one", S("data: a\nretry: 500\nretry: x\nretry\ndata: b\n\n"), "message||a\nb;"},
    {"blank lines", S("\n\n\r\n\r\rdata: a\n\n\n\n"), "message||a;"},
    {"bytes that are not UTF-8", S("data: \xFF\xFE\n\n"), "message||\xFF\xFE;"},
};

struct receiver {
    char text[4096];
    size_t len;
    unsigned refuse_each; /* how often each event is refused before it is taken */
    unsigned refused;
};

static bool on_event(void *userdata, const struct sse_event *e)
{
    struct receiver *r = userdata;
    if (r->refused < r->refuse_each) {
        r->refused++;
        return false;
    }
    r->refused = 0;
    r->len += (size_t)snprintf(r->text + r->len, sizeof(r->text) - r->len, "%.*s|%.*s|%s%.*s;",
                               (int)e->type.len, e->type.p, (int)e->id.len, e->id.p ? e->id.p : "",
                               e->too_large ? "TOO LARGE" : "", (int)e->data.len,
                               e->data.p ? e->data.p : "");
    return true;
}

/* Feeds a chunk to the end, offering again what was refused. */
static void feed_all(struct sse_parser *p, const char *data, size_t len)
{
    size_t used = 0;
    do {
        used += sse_feed(p, data + used, len - used);
        ck_assert(used == len || sse_pending(p));
    } while (used < len || sse_pending(p));
}

static void expect_chunked(const struct sse_case *c, size_t max, size_t cut, size_t step,
                           unsigned refuse)
{
    struct receiver r = {.refuse_each = refuse};
    struct sse_parser p;
    sse_init(&p, max, on_event, &r);
    if (step > 0) {
        for (size_t i = 0; i < c->in.len; i += step) {
            size_t n = c->in.len - i < step ? c->in.len - i : step;
            /* A copy of its own size, so that a sanitizer sees a read beyond it. */
            char *copy = malloc(n);
            memcpy(copy, c->in.p + i, n);
            feed_all(&p, copy, n);
            free(copy);
        }
    } else {
        feed_all(&p, c->in.p, cut);
        feed_all(&p, c->in.p + cut, c->in.len - cut);
    }
    ck_assert_msg(strcmp(r.text, c->events) == 0, "%s (cut %zu, step %zu, refuse %u): %s", c->name,
                  cut, step, refuse, r.text);
    sse_release(&p);
}

START_TEST(test_cases)
{
    const struct sse_case *c = &cases[_i];
    for (unsigned refuse = 0; refuse <= 2; refuse++) {
        for (size_t cut = 0; cut <= c->in.len; cut++)
            expect_chunked(c, 1000, cut, 0, refuse);
        for (size_t step = 1; step <= 5; step++)
            expect_chunked(c, 1000, 0, step, refuse);
    }
}
END_TEST

static const struct sse_case large_cases[] = {
    {"just fits", S("data: 12345678\n\ndata: b\n\n"), "message||12345678;message||b;"},
    {"one byte more", S("data: 123456789\n\ndata: b\n\n"), "message||TOO LARGE;message||b;"},
    {"in two lines", S("data: 1234\ndata: 567\n\ndata: b\n\n"), "message||1234\n567;message||b;"},
    {"too large in two lines", S("data: 1234\ndata: 5678\ndata: 9\n\ndata: b\n\n"),
     "message||TOO LARGE;message||b;"},
};

START_TEST(test_too_large)
{
    const struct sse_case *c = &large_cases[_i];
    for (size_t cut = 0; cut <= c->in.len; cut++)
        expect_chunked(c, 8, cut, 0, 1);
    expect_chunked(c, 8, 0, 1, 0);
}
END_TEST

static bool on_size(void *userdata, const struct sse_event *e)
{
    ck_assert(e->too_large);
    ck_assert_uint_eq(e->data.len, 0);
    *(uint64_t *)userdata = e->size;
    return true;
}

/* A line beyond every buffer: only counted, in bounded memory, however it is cut. */
START_TEST(test_size_of_what_is_not_kept)
{
    const size_t len = 1 << 20;
    static const size_t steps[] = {1 << 21, 4096, 1000, 7};
    char *line = malloc(len + 8);
    memcpy(line, "data: ", 6);
    memset(line + 6, 'x', len);
    memcpy(line + 6 + len, "\n\n", 2);
    for (size_t s = 0; s < PL_COUNT(steps); s++) {
        struct sse_parser p;
        uint64_t size = 0;
        sse_init(&p, 100, on_size, &size);
        for (size_t i = 0; i < len + 8; i += steps[s])
            sse_feed(&p, line + i, len + 8 - i < steps[s] ? len + 8 - i : steps[s]);
        ck_assert_uint_eq(size, len);
        ck_assert_uint_le(p.line.cap, 2 * (SSE_NAME_MAX + 100));
        sse_release(&p);
    }
    free(line);
}
END_TEST

/* A new connection starts afresh in the middle of anything. */
START_TEST(test_reset)
{
    static const char half[] = "id: 7\nevent: x\ndata: a\ndata: b";
    for (size_t len = 0; len < sizeof(half); len++) {
        struct receiver r = {0};
        struct sse_parser p;
        sse_init(&p, 100, on_event, &r);
        sse_feed(&p, half, len);
        sse_reset(&p);
        sse_feed(&p,
                 "\xEF\xBB\xBF"
                 "data: c\n\n",
                 12);
        ck_assert_str_eq(r.text, "message||c;");
        sse_release(&p);
    }
}
END_TEST

/* An event that is refused stays the same however often it is offered. */
START_TEST(test_refused_uses_no_more)
{
    struct receiver r = {.refuse_each = 3};
    struct sse_parser p;
    static const char in[] = "data: a\n\ndata: b\n\n";
    sse_init(&p, 100, on_event, &r);
    ck_assert_uint_eq(sse_feed(&p, in, sizeof(in) - 1), 9);
    ck_assert_uint_eq(sse_feed(&p, in + 9, sizeof(in) - 10), 0);
    ck_assert_uint_eq(sse_feed(&p, NULL, 0), 0);
    ck_assert(sse_pending(&p));
    ck_assert_uint_eq(sse_feed(&p, in + 9, sizeof(in) - 10), 9);
    ck_assert_str_eq(r.text, "message||a;");
    ck_assert(sse_pending(&p));
    sse_release(&p);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_cases, .count = PL_COUNT(cases)),
        TEST(test_too_large, .count = PL_COUNT(large_cases)),
        TEST(test_size_of_what_is_not_kept),
        TEST(test_reset),
        TEST(test_refused_uses_no_more),
    };
    return unit_main("sse", tests, PL_COUNT(tests));
}
