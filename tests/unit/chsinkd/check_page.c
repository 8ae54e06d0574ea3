/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_page.c - chsinkd's page: what is kept of batches and dead letters, and what it looks like
 * while the sink loads, waits for its output, and waits for a person. links: chsinkd
 */
#include "daemons/chsinkd/page.h"

#include "daemons/chsinkd/sink/drive.h"
#include "tests/unit/chsinkd/sink_run.h"
#include "tests/unit/markup.h"

/* ---- what is kept ---- */

START_TEST(batches_kept)
{
    static struct recent r;
    ck_assert_ptr_null(recent_batch(&r, 0));
    for (int64_t i = 0; i < 3 * RECENT_BATCHES; i++) {
        recent_batch_add(&r, &(struct recent_batch){.start = i});
        for (int64_t back = 0; back <= RECENT_BATCHES; back++) {
            const struct recent_batch *b = recent_batch(&r, (unsigned)back);
            if (back >= RECENT_BATCHES || back > i)
                ck_assert_ptr_null(b);
            else
                ck_assert_int_eq(b->start, i - back);
        }
    }
}
END_TEST

START_TEST(reasons_kept)
{
    static struct recent r;
    for (int i = 0; i < 5; i++) {
        PL_FREE char *text = pl_strf("column delta: not a number (byte %d)", i);
        recent_letter_add(&r, "edits", text, "ClickHouse", 100 + i);
    }
    recent_letter_add(&r, "other", "column delta: not a number (byte 3)", "ClickHouse", 100);
    recent_letter_add(&r, "edits", "ClickHouse: Cannot parse 'a secret of the message'",
                      "ClickHouse", 100);
    ck_assert_uint_eq(r.reasons_n, 3);
    ck_assert_str_eq(r.reasons[0].text, "column delta: not a number");
    ck_assert_uint_eq(r.reasons[0].count, 5);
    ck_assert_int_eq(r.reasons[0].at_ms, 104);
    ck_assert_str_eq(r.reasons[2].text, "refused by ClickHouse (the dead letter says why)");
    for (int i = 0; i < 2 * RECENT_REASONS; i++) {
        PL_FREE char *text = pl_strf("reason %d", i);
        recent_letter_add(&r, "edits", text, "ClickHouse", 200);
    }
    ck_assert_uint_eq(r.reasons_n, RECENT_REASONS);
    ck_assert_uint_eq(r.others, RECENT_REASONS + 3);
    PL_FREE char *long_text = pl_strf("%0500d", 7);
    recent_letter_add(&r, "edits", long_text, "ClickHouse", 200);
    ck_assert_uint_eq(r.others, RECENT_REASONS + 4);
}
END_TEST

static const struct {
    struct recent_batch b;
    const char *text;
} tokens[] = {
    {{.rows = 5, .token = {.inserts = 1}}, "inserted"},
    {{.rows = 5, .token = {.inserts = 3}}, "inserted by the same token, try 3"},
    {{.rows = 5, .token = {.inserts = 1, .recovered = true}}, "recovered by the same token"},
    {{.rows = 5, .token = {.inserts = 1, .halved = true}}, "inserted, halved"},
    {{.rows = 5, .token = {.inserts = 1, .position = true}}, "inserted with its position"},
    {{.rows = 5, .token = {.inserts = 2, .position = true}}, "inserted with its position, try 2"},
    {{.token = {.looked = true, .some = true, .all = true}}, "looked up: all rows were there"},
    {{.rows = 2, .token = {.inserts = 2, .looked = true, .some = true}},
     "looked up: the missing rows inserted"},
    {{.rows = 2, .token = {.inserts = 2, .looked = true}}, "looked up: none was there, inserted"},
    {{.letters = 2}, "dead letters only"},
    {{.rows = 0}, "no rows"},
};

START_TEST(token_words)
{
    char text[64];
    ck_assert_str_eq(recent_token_text(&tokens[_i].b, text, sizeof(text)), tokens[_i].text);
}
END_TEST

/* ---- the page ---- */

static struct page_past past;

/* Of the global sink; valid until the next call. */
static const char *page_text(void)
{
    static struct pl_buf html;
    static struct loader l; /* a copy: its lock is not held by anybody when it is made */
    struct pl_page p;
    pl_buf_release(&html);
    pthread_mutex_lock(&sink.lock);
    memcpy(&l.sink, &sink, sizeof(sink));
    pthread_mutex_unlock(&sink.lock);
    pthread_mutex_init(&l.sink.lock, NULL);
    page_look(&past, &l, 1, pl_clock_monotonic_ms());
    pl_page_begin(&p, &(struct pl_page_head){.name = "chsinkd", .version = "1", .status = "s"});
    page_fill(&past, &l, 1, pl_clock_monotonic_ms(), &p);
    ck_assert(pl_page_end(&p, &html));
    const char *text = pl_buf_cstr(&html);
    markup_check(text, html.len);
    return text;
}

static void ck_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "not in the page: %s\n%s", part,
                  strstr(text, "<main>"));
}

START_TEST(nothing_yet)
{
    struct pl_err err;
    sink_begin(0);
    ck_assert_msg(consumer_new(&sink, &err) == 0, "%s", err.msg);
    const char *text = page_text();
    ck_has(text, "The group has assigned no partition to this instance yet.");
    ck_has(text, "No batch yet.");
    ck_has(text, ">no partition here<");
    consumer_free(&sink);
    sink_release(&sink);
}
END_TEST

START_TEST(loading)
{
    enum { N = 500 };
    topic_fill(TOPIC, N, 50);
    sink_start(0);
    messages_wanted = N;
    until(all_is_accounted, "all are loaded");
    sink.stopping = true;
    sink_wake(&sink);
    const char *text = page_text();
    ck_has(text, "<dt>Rows inserted</dt><dd class=\"plain\">490</dd>");
    ck_has(text, "<dt>Dead letters</dt><dd class=\"warn\">10</dd>");
    ck_has(text, "<td class=\"plain\">inserted</td>");
    ck_has(text, ">not valid JSON");
    ck_has(text, "<td class=\"n plain\">10</td>");
    ck_assert_ptr_null(strstr(text, "(byte"));
    ck_assert_ptr_null(strstr(text, "<h2>Waiting"));
    ck_has(text, "class=\"plot\"");
    sink_end(false);
}
END_TEST

static bool trouble_is_told(void)
{
    pthread_mutex_lock(&sink.lock);
    bool told = sink.routes[0].told.trouble_ms > 0;
    pthread_mutex_unlock(&sink.lock);
    return told;
}

static bool is_aside(void)
{
    pthread_mutex_lock(&sink.lock);
    bool aside = false;
    for (unsigned i = 0; i < sink.partitions_n; i++)
        aside |= sink.partitions[i]->aside == ASIDE_HELD;
    pthread_mutex_unlock(&sink.lock);
    return aside && trouble_is_told();
}

/* The route says so, the partition too, and why stands on top; and it ends with the trouble. */
START_TEST(waits_for_a_person)
{
    struct fake_table *t = fake_table(TOPIC);
    t->held = true;
    topic_fill(TOPIC, 100, 0);
    sink_start(0);
    until(is_aside, "it is set aside");
    const char *text = page_text();
    ck_has(text, "<h2>Waiting</h2>");
    ck_has(text, ">waits for a person<");
    ck_has(text, "set aside: its table needs a person");
    pthread_mutex_lock(&fake.lock);
    t->held = false;
    pthread_mutex_unlock(&fake.lock);
    messages_wanted = 100;
    until(all_is_accounted, "it is loaded");
    text = page_text();
    ck_assert_ptr_null(strstr(text, "<h2>Waiting</h2>"));
    ck_has(text, ">loading<");
    sink_end(false);
}
END_TEST

/* More partitions than a table shows: those that lag, and how many more there are. */
START_TEST(many_partitions)
{
    sink_begin(0);
    for (int32_t i = 0; i < PL_PAGE_ROWS_MAX + 30; i++) {
        struct partition *p = sink_partition(&sink, TOPIC, i);
        p->assigned = true;
        p->next_offset = i;
        if (i == 125)
            p->aside = ASIDE_HELD;
    }
    struct pl_err err;
    ck_assert_msg(consumer_new(&sink, &err) == 0, "%s", err.msg);
    const char *text = page_text();
    ck_has(text, "and 30 more partitions");
    const char *row = strstr(text, "<tbody><tr><th scope=\"row\" class=\"plain\">edits</th><td "
                                   "class=\"n plain\">125</td>");
    ck_assert_ptr_nonnull(row);
    consumer_free(&sink);
    sink_release(&sink);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(batches_kept),
        TEST(reasons_kept),
        TEST(token_words, .count = PL_COUNT(tokens)),
        TCASE("page", .set_up = set_up, .tear_down = tear_down),
        TEST(nothing_yet),
        TEST(loading),
        TEST(waits_for_a_person),
        TEST(many_partitions),
    };
    return unit_main("chsinkd_page", tests, PL_COUNT(tests));
}
