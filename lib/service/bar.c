/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bar.c - see bar.h.
 */
#include "lib/service/bar.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/log/log.h"

enum {
    BAR_COLUMNS_MIN = 10,
    BAR_COLUMNS_MAX = 30,
    LEFT_HOURS_MAX = 100,
};

/* ---- the rates ---- */

void pl_bar_next(struct pl_bar *bar, int64_t now_ms, const struct pl_bar_now *now)
{
    double count = (double)now->count;
    int64_t passed_ms = now_ms - bar->at_ms;
    if (bar->at_ms > 0 && passed_ms <= 0)
        return;
    if (bar->at_ms > 0) {
        /* The mean of all until there is enough to forget some of it. */
        int64_t all_ms = now_ms - bar->begun_ms;
        double seconds = (double)passed_ms / 1000, span = (double)PL_BAR_SMOOTH_MS;
        double weight = (double)passed_ms / ((double)all_ms < span ? (double)all_ms : span);
        double done = now->done > bar->done ? now->done - bar->done : 0;
        double more = count > bar->count ? count - bar->count : 0;
        weight = weight < 1 ? weight : 1;
        bar->speed += weight * (done / seconds - bar->speed);
        bar->rate += weight * (more / seconds - bar->rate);
    } else {
        bar->begun_ms = now_ms;
    }
    bar->at_ms = now_ms;
    bar->done = now->done;
    bar->count = count;
}

/* Seconds; -1: not to be believed. */
static int64_t left_s(const struct pl_bar *bar, const struct pl_bar_now *now)
{
    if (now->total <= 0 || now->done >= now->total || bar->speed <= 0 ||
        bar->at_ms - bar->begun_ms < PL_BAR_LEFT_FROM_MS)
        return -1;
    double left = (now->total - now->done) / bar->speed;
    return left < LEFT_HOURS_MAX * 3600.0 ? (int64_t)left + 1 : -1;
}

/* ---- the line ---- */

/* The later ones go first. */
enum part { PART_PERCENT, PART_COUNT, PART_RATE, PART_LEFT, PART_WHAT, PART_NOTE };

static unsigned columns_of(const char *text)
{
    unsigned columns = 0;
    for (; *text; text++)
        columns += !pl_utf8_continues(*text);
    return columns;
}

/* 100 only when all is done. */
static unsigned percent_of(const struct pl_bar_now *now)
{
    double percent = now->done > 0 ? now->done * 100 / now->total : 0;
    return now->done >= now->total ? 100 : percent < 99 ? (unsigned)percent : 99;
}

static void count_add(struct pl_buf *out, const struct pl_bar_now *now)
{
    if (now->unit)
        pl_buf_addf(out, "%" PRIu64 " %s", now->count, now->unit);
    else
        pl_buf_addf(out, "%.1f MB", (double)now->count / 1e6);
}

static void rate_add(struct pl_buf *out, const struct pl_bar *bar, const struct pl_bar_now *now)
{
    if (now->unit)
        pl_buf_addf(out, ", %.*f %s/s", bar->rate > 0 && bar->rate < 10 ? 1 : 0, bar->rate,
                    now->unit);
    else
        pl_buf_addf(out, ", %.1f MB/s", bar->rate / 1e6);
}

/* The parts up to `last`, without the bar. */
static void text_add(struct pl_buf *out, const struct pl_bar *bar, const struct pl_bar_now *now,
                     enum part last)
{
    int64_t left = left_s(bar, now);
    if (now->total > 0)
        pl_buf_addf(out, "%3u %%", percent_of(now));
    if (last >= PART_WHAT && now->what)
        pl_buf_addf(out, "%s%s", out->len > 0 ? "  " : "", now->what);
    if (last >= PART_COUNT) {
        pl_buf_add_str(out, out->len > 0 ? "  " : "");
        count_add(out, now);
    }
    if (last >= PART_RATE)
        rate_add(out, bar, now);
    if (last >= PART_LEFT && left >= 0)
        pl_buf_addf(out, ", %" PRId64 ":%02" PRId64 ":%02" PRId64 " left", left / 3600,
                    left / 60 % 60, left % 60);
    if (last >= PART_NOTE && now->note && now->note[0])
        pl_buf_addf(out, "; %s", now->note);
}

static void bar_add(struct pl_buf *out, const struct pl_bar *bar, const struct pl_bar_now *now,
                    unsigned columns)
{
    bool utf8 = bar->look == PL_BAR_UTF8;
    unsigned cells = utf8 ? columns : columns - 2;
    unsigned filled = (unsigned)((double)cells * percent_of(now) / 100);
    pl_buf_add_str(out, utf8 ? "" : "[");
    for (unsigned i = 0; i < cells; i++)
        pl_buf_add_str(out, i < filled ? (utf8 ? "█" : "#") : utf8 ? "░" : ".");
    pl_buf_add_str(out, utf8 ? " " : "] ");
}

/* The length of the first `columns` characters. */
static size_t cut(const char *text, size_t len, unsigned columns)
{
    for (size_t i = 0; i < len; i++)
        if (!pl_utf8_continues(text[i]) && columns-- == 0)
            return i;
    return len;
}

size_t pl_bar_render(const struct pl_bar *bar, const struct pl_bar_now *now, unsigned columns,
                     char *out)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf line = {0};
    enum part last = PART_NOTE;
    unsigned used;
    for (;; last--) {
        pl_buf_reset(&text);
        text_add(&text, bar, now, last);
        pl_text_flatten(text.data, text.len);
        used = columns_of(pl_buf_cstr(&text));
        if (columns == 0 || used <= columns || last == (now->total > 0 ? PART_PERCENT : PART_COUNT))
            break;
    }
    unsigned room = columns > used + 1 ? columns - used - 1 : 0;
    if (now->total > 0 && room >= BAR_COLUMNS_MIN)
        bar_add(&line, bar, now, room < BAR_COLUMNS_MAX ? room : BAR_COLUMNS_MAX);
    pl_buf_add(&line, text.data, text.len);
    size_t len = columns > 0 ? cut(line.data, line.len, columns) : line.len;
    len = pl_text_cut(line.data, len, PL_BAR_TEXT_MAX - 1);
    memcpy(out, line.data ? line.data : "", len);
    out[len] = '\0';
    return len;
}

/* ---- the terminal ---- */

static bool locale_is_utf8(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", NULL);
    if (!locale)
        return false;
    bool utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    freelocale(locale);
    return utf8;
}

void pl_bar_show(struct pl_bar *bar, const struct pl_bar_now *now)
{
    char line[PL_BAR_TEXT_MAX];
    int64_t now_ms = pl_clock_monotonic_ms() + 1;
    pl_bar_next(bar, now_ms, now);
    unsigned columns = pl_log_progress_columns();
    if (bar->drawn_ms > 0 && now_ms - bar->drawn_ms < PL_BAR_DRAW_MS)
        return;
    if (columns == 0 && now_ms - bar->begun_ms < PL_BAR_LINES_FROM_MS)
        return;
    bar->drawn_ms = now_ms;
    if (bar->look == PL_BAR_UNKNOWN)
        bar->look = locale_is_utf8() ? PL_BAR_UTF8 : PL_BAR_ASCII;
    pl_bar_render(bar, now, columns, line);
    pl_log_progress("%s", line);
}
