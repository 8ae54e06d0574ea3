/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_page.c - the page for people: hostile texts, limits, well-formed whatever is shown; plots
 * and strips; numbers and times in words.
 */
#include "lib/page/page.h"

#include "tests/unit/markup.h"

static struct pl_page page;
static struct pl_buf html;

static const struct pl_page_column columns[] = {{"Name", false}, {"Count", true}};

static void begin(const char *name, const char *status)
{
    pl_page_begin(&page, &(struct pl_page_head){.name = name,
                                                .instance = name,
                                                .version = "1.2",
                                                .status = status,
                                                .tone = PL_PAGE_GOOD,
                                                .now_ms = 1795168800000,
                                                .up_ms = 7260000});
}

static const char *end(void)
{
    ck_assert(pl_page_end(&page, &html));
    const char *text = pl_buf_cstr(&html);
    markup_check(text, html.len);
    return text;
}

static void ck_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "not in the page: %s", part);
}

static unsigned times_in(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *p = strstr(text, part); p; p = strstr(p + 1, part))
        n++;
    return n;
}

START_TEST(document)
{
    begin("testd", "Loads: 3 partitions");
    const char *text = end();
    ck_has(text, "<title>testd testd</title>");
    ck_has(text, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>");
    ck_has(text, "<meta http-equiv=\"refresh\" content=\"10\"/>");
    ck_has(text, "color-scheme:light dark");
    ck_has(text, "<p class=\"status good\" role=\"status\">Loads: 3 partitions</p>");
    ck_has(text, "2026-11-20 10:00:00 UTC");
    ck_has(text, "up 2 h 1 min");
    ck_has(text, "<a href=\"/metrics\">metrics</a>");
    ck_assert_ptr_null(strstr(text, "http://"));
    ck_assert_ptr_null(strstr(text, "https://"));
    ck_assert_ptr_null(strstr(text, "url("));
    ck_assert_ptr_null(strstr(text, "@import"));
    pl_buf_release(&html);
}
END_TEST

static const struct {
    const char *text, *shown;
} hostile[] = {
    {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
    {"\"><img src=x onerror=alert(1)>", "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"},
    {"a&amp;b &", "a&amp;amp;b &amp;"},
    {"]]></style></title>", "]]&gt;&lt;/style&gt;&lt;/title&gt;"},
    {"line\nline\ttab\x1b[31m\x7f", "line line tab [31m "},
    {"\xff\xc0\xafz", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"},
    {"x\xe2\x80\xaey", "x y"},                                /* right to left */
    {"\xef\xbf\xbe\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd"}, /* no characters of XML */
    {"gr\xc3\xbc\xc3\x9f \xf0\x9f\xa6\x89", "gr\xc3\xbc\xc3\x9f \xf0\x9f\xa6\x89"},
};

/* Wherever a text can stand. */
START_TEST(escaped)
{
    const char *bad = hostile[_i].text;
    struct pl_series series = {0};
    const struct pl_page_column titles[] = {{bad, false}, {bad, true}, {bad, false}, {bad, false}};
    struct pl_page_cell cell = {.day = PL_PAGE_PASSED};
    snprintf(cell.text, sizeof(cell.text), "%s", bad);
    pl_series_look(&series, 1000, 0);
    begin(bad, bad);
    pl_page_figure(&page, bad, PL_PAGE_BAD, "%s", bad);
    pl_page_plot(&page, &series, 2000, bad);
    pl_page_section(&page, bad, bad);
    pl_page_text(&page, PL_PAGE_WARN, "%s", bad);
    pl_page_table(&page, bad, titles, PL_COUNT(titles));
    for (int i = 0; i <= PL_PAGE_ROWS_MAX; i++) {
        if (!pl_page_row(&page))
            continue;
        pl_page_cell(&page, PL_PAGE_PLAIN, "%s", bad);
        pl_page_cell(&page, PL_PAGE_DIM, "%s", bad);
        pl_page_cell_plot(&page, &series, 2000, bad);
        pl_page_cell_strip(&page, &cell, 1, bad);
    }
    pl_page_table_end(&page, bad);
    pl_page_table(&page, bad, titles, PL_COUNT(titles));
    pl_page_table_end(&page, bad);
    const char *text = end();
    ck_assert_uint_ge(times_in(text, hostile[_i].shown), 4 * PL_PAGE_ROWS_MAX + 14);
    ck_assert_ptr_null(strstr(text, "<script"));
    ck_assert_ptr_null(strstr(text, "<img"));
    pl_buf_release(&html);
}
END_TEST

/* At a character, and with a mark. */
START_TEST(text_is_cut)
{
    char long_text[1001];
    for (int i = 0; i < 1000; i += 2)
        memcpy(long_text + i, "\xc3\xbc", 2);
    long_text[1000] = '\0';
    begin("testd", long_text);
    const char *text = end();
    const char *shown = strstr(text, "\xc3\xbc"), *mark = strstr(text, "\xe2\x80\xa6");
    ck_assert_int_eq(mark - shown, PL_PAGE_TEXT_MAX);
    pl_buf_release(&html);
}
END_TEST

static void table_fill(int n)
{
    pl_page_table(&page, "partitions", columns, PL_COUNT(columns));
    for (int i = 0; i < n; i++) {
        if (!pl_page_row(&page))
            continue;
        pl_page_cell(&page, PL_PAGE_PLAIN, "row %d", i);
        pl_page_cell(&page, PL_PAGE_PLAIN, "%d", i);
    }
    pl_page_table_end(&page, "There is none.");
}

START_TEST(table_rows)
{
    begin("testd", "s");
    pl_page_section(&page, "Many", NULL);
    table_fill(PL_PAGE_ROWS_MAX + 20);
    const char *text = end();
    ck_assert_uint_eq(times_in(text, "<th scope=\"row\""), PL_PAGE_ROWS_MAX);
    ck_has(text, ">row 99<");
    ck_has(text, "<p class=\"more\">and 20 more partitions</p>");
    ck_has(text, "<caption>partitions</caption>");
    ck_has(text, "<th scope=\"col\" class=\"n\">Count</th>");
    pl_buf_release(&html);

    begin("testd", "s");
    table_fill(PL_PAGE_ROWS_MAX);
    ck_assert_ptr_null(strstr(end(), "class=\"more\""));
    pl_buf_release(&html);

    begin("testd", "s");
    table_fill(0);
    text = end();
    ck_has(text, "There is none.");
    ck_assert_ptr_null(strstr(text, "<table"));
    pl_buf_release(&html);
}
END_TEST

START_TEST(too_large)
{
    begin("testd", "s");
    for (int i = 0; i < PL_PAGE_BYTES_MAX / 4000; i++)
        table_fill(PL_PAGE_ROWS_MAX);
    ck_assert(!pl_page_end(&page, &html));
    ck_assert_uint_eq(html.len, 0);
}
END_TEST

/* ---- plots, strips ---- */

START_TEST(plot)
{
    struct pl_series s = {0};
    pl_series_look(&s, 0, 0);
    pl_series_look(&s, 1, 3000);     /* 100 a second in the first slot */
    pl_series_look(&s, 30000, 3000); /* none in the second */
    pl_series_look(&s, 60000, 3000);
    pl_series_look(&s, 61000, 3050); /* and 50 in the first second of the third */
    begin("testd", "s");
    pl_page_plot(&page, &s, 61000, "Events a second");
    const char *text = end();
    ck_has(text, "<title>Events a second in the last hour: at most 100</title>");
    ck_has(text, "points=\" 117 2.0 118 2.0 118 40.0 119 40.0 119 21.0 120 21.0\"");
    pl_buf_release(&html);

    s = (struct pl_series){0};
    begin("testd", "s");
    pl_page_plot(&page, &s, 5, "Events a second");
    text = end();
    ck_has(text, "at most 0");
    ck_assert_ptr_null(strstr(text, "<polyline"));
    pl_buf_release(&html);
}
END_TEST

START_TEST(strip)
{
    const struct pl_page_cell cells[] = {{PL_PAGE_DONE, "11-20 10:00, 5 records"},
                                         {PL_PAGE_EMPTY, "none"},
                                         {PL_PAGE_PASSED, "passed"},
                                         {PL_PAGE_DUE, "due"},
                                         {PL_PAGE_LATER, "later"}};
    static const struct pl_page_column one[] = {{"Windows", false}};
    begin("testd", "s");
    pl_page_table(&page, "series", one, 1);
    ck_assert(pl_page_row(&page));
    pl_page_cell_strip(&page, cells, PL_COUNT(cells), "2 done, 1 due");
    pl_page_table_end(&page, "");
    pl_page_strip_legend(&page);
    const char *text = end();
    ck_has(text, "<title>2 done, 1 due</title>");
    ck_has(text, "<title>11-20 10:00, 5 records</title>");
    ck_has(text, "width=\"50\" viewBox=\"0 0 50 20\"");
    static const char *const classes[] = {"done", "empty", "passed", "due", "later"};
    for (size_t i = 0; i < PL_COUNT(classes); i++) {
        PL_FREE char *rect = pl_strf("<rect class=\"%s\" x=\"%zu\"", classes[i], i * 10 + 1);
        ck_has(text, rect);
    }
    ck_has(text, "passed: a dead letter</li>");
    pl_buf_release(&html);
}
END_TEST

/* ---- the series ---- */

START_TEST(series_slots)
{
    struct pl_series s = {0};
    ck_assert_uint_eq(pl_series_slots(&s), 0);
    pl_series_look(&s, 5000, 1000000); /* what was before does not count */
    ck_assert_uint_eq(pl_series_slots(&s), 1);
    ck_assert_double_eq(pl_series_rate(&s, 0, 5000), 0);
    for (int i = 1; i <= 10 * PL_SERIES_SLOTS; i++) {
        pl_series_look(&s, 5000 + i * (PL_SERIES_SLOT_MS / 2), 1000000 + (uint64_t)i * 30);
        ck_assert_uint_eq(pl_series_slots(&s),
                          i / 2 + 1 < PL_SERIES_SLOTS ? (unsigned)i / 2 + 1 : PL_SERIES_SLOTS);
    }
    int64_t now_ms = 5000 + 10 * PL_SERIES_SLOTS * (PL_SERIES_SLOT_MS / 2);
    for (unsigned back = 1; back < PL_SERIES_SLOTS; back++)
        ck_assert_double_eq(pl_series_rate(&s, back, now_ms), 2);
}
END_TEST

START_TEST(series_gap)
{
    struct pl_series s = {0};
    pl_series_look(&s, 0, 0);
    pl_series_look(&s, 10, 300);
    pl_series_look(&s, 5 * PL_SERIES_SLOT_MS, 300);
    ck_assert_double_eq(pl_series_rate(&s, 5, 5 * PL_SERIES_SLOT_MS), 10);
    ck_assert_double_eq(pl_series_rate(&s, 3, 5 * PL_SERIES_SLOT_MS), 0);
    /* Longer than all slots: nothing of before is left. */
    pl_series_look(&s, 1000LL * PL_SERIES_SLOT_MS, 600);
    ck_assert_uint_eq(pl_series_slots(&s), PL_SERIES_SLOTS);
    for (unsigned back = 1; back < PL_SERIES_SLOTS; back++)
        ck_assert_double_eq(pl_series_rate(&s, back, 1000LL * PL_SERIES_SLOT_MS), 0);
    ck_assert_double_eq(pl_series_rate(&s, 0, 1000LL * PL_SERIES_SLOT_MS), 300);
    /* A clock that goes back, a count that begins again. */
    pl_series_look(&s, 999LL * PL_SERIES_SLOT_MS, 700);
    pl_series_look(&s, 1000LL * PL_SERIES_SLOT_MS + 2000, 50);
    ck_assert_double_eq(pl_series_rate(&s, 0, 1000LL * PL_SERIES_SLOT_MS + 2000), 225);
}
END_TEST

/* ---- words ---- */

START_TEST(words)
{
    static const struct {
        uint64_t n;
        const char *text;
    } counts[] = {{0, "0"},
                  {999, "999"},
                  {1000, "1,000"},
                  {1234567, "1,234,567"},
                  {UINT64_MAX, "18,446,744,073,709,551,615"}};
    static const struct {
        int64_t ms;
        const char *text;
    } durations[] = {{-5, "0 ms"},          {35, "35 ms"},          {999, "999 ms"},
                     {1240, "1.2 s"},       {59999, "59 s"},        {60000, "1 min"},
                     {125000, "2 min 5 s"}, {7260000, "2 h 1 min"}, {86400000, "1 d"},
                     {273600000, "3 d 4 h"}};
    static const struct {
        double rate;
        const char *text;
    } rates[] = {{0, "0"},        {-1, "0"},      {0.01, "under 0.1"}, {0.25, "0.2"},
                 {12.54, "12.5"}, {99.97, "100"}, {1234.5, "1,235"}};
    static const struct {
        uint64_t bytes;
        const char *text;
    } bytes[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {3482, "3.4 KiB"},
                 {1048575, "1.0 MiB"},
                 {(uint64_t)500 << 20, "500 MiB"}};
    for (size_t i = 0; i < PL_COUNT(counts); i++)
        ck_assert_str_eq(pl_words_count(counts[i].n).text, counts[i].text);
    for (size_t i = 0; i < PL_COUNT(durations); i++)
        ck_assert_str_eq(pl_words_duration(durations[i].ms).text, durations[i].text);
    for (size_t i = 0; i < PL_COUNT(rates); i++)
        ck_assert_str_eq(pl_words_rate(rates[i].rate).text, rates[i].text);
    for (size_t i = 0; i < PL_COUNT(bytes); i++)
        ck_assert_str_eq(pl_words_bytes(bytes[i].bytes).text, bytes[i].text);
    ck_assert_str_eq(pl_words_time(1795168800999).text, "2026-11-20 10:00:00");
    ck_assert_str_eq(pl_words_time(0).text, "never");
    ck_assert_str_eq(pl_words_time_short(1795168800000).text, "11-20 10:00");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(document),    TEST(escaped, .count = PL_COUNT(hostile)),
        TEST(text_is_cut), TEST(table_rows),
        TEST(too_large),   TEST(plot),
        TEST(strip),       TEST(series_slots),
        TEST(series_gap),  TEST(words),
    };
    return unit_main("page", tests, PL_COUNT(tests));
}
