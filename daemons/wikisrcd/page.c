/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.c - the service as a page for people: connection, where each upstream topic is, the
 * transaction under way, what is dropped and why connections end.
 */
#include <inttypes.h>

#include "daemons/wikisrcd/internal.h"
#include "daemons/wikisrcd/metrics.h"
#include "lib/base/clock.h"

struct reason {
    enum wikisrcd_metric metric;
    const char *text;
    enum pl_page_tone tone; /* of a count above 0 */
};

static void figures_show(const struct wikisrcd *w, int64_t mono_ms, struct pl_page *p)
{
    const struct pl_metrics *m = w->metrics;
    const int64_t streaming_ms = source_streaming_ms(w->source);
    unsigned slots = pl_series_slots(&w->hour);
    double rate = slots > 0 ? pl_series_rate(&w->hour, slots > 1 ? 1 : 0, mono_ms) : 0;
    uint64_t gaps = pl_metrics_get(m, M_GAPS);
    if (streaming_ms >= 0)
        pl_page_figure(p, "Connected for", PL_PAGE_PLAIN, "%s",
                       pl_words_duration(streaming_ms).text);
    else
        pl_page_figure(p, "Connected", PL_PAGE_WARN, "no");
    pl_page_figure(p, "Events a second", PL_PAGE_PLAIN, "%s", pl_words_rate(rate).text);
    if (w->newest_ms > 0) {
        int64_t lag_ms = source_now_ms(w->source) - w->newest_ms;
        pl_page_figure(p, "Behind", PL_PAGE_PLAIN, "%s", pl_words_duration(lag_ms).text);
    }
    pl_page_figure(p, "Events delivered", PL_PAGE_PLAIN, "%s",
                   pl_words_count(pl_metrics_get(m, M_DELIVERED)).text);
    pl_page_figure(p, "Gaps upstream", gaps > 0 ? PL_PAGE_WARN : PL_PAGE_PLAIN, "%s",
                   pl_words_count(gaps).text);
    if (pl_metrics_get(m, M_TOO_OLD) > 0)
        pl_page_figure(p, "Source had less, times", PL_PAGE_BAD, "%s",
                       pl_words_count(pl_metrics_get(m, M_TOO_OLD)).text);
}

static void topics_show(const struct wikisrcd *w, struct pl_page *p)
{
    static const struct pl_page_column columns[] = {
        {"Upstream topic", false},  {"Partition", true}, {"Position", false},
        {"Behind", true},           {"Taken", true},     {"Gaps", true},
        {"Offsets not seen", true}, {"State", false}};
    const struct position *position = w->position;
    int64_t now_ms = source_now_ms(w->source);
    pl_page_section(p, "Where it is",
                    "The highest time taken of each upstream topic, from which it goes on after a "
                    "restart. Taken and gaps since the position was read.");
    pl_page_table(p, "upstream topics", columns, PL_COUNT(columns));
    for (unsigned i = 0; i < position_topics(position); i++) {
        const struct position_look t = position_topic_look(position, i);
        if (!pl_page_row(p))
            continue;
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", t.name[0] ? t.name : "(not named)");
        pl_page_cell(p, PL_PAGE_PLAIN, "%" PRId64, t.partition);
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_time(t.high_ms).text);
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_duration(now_ms - t.high_ms).text);
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_count(t.taken).text);
        pl_page_cell(p, t.gaps > 0 ? PL_PAGE_WARN : PL_PAGE_PLAIN, "%s",
                     pl_words_count(t.gaps).text);
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_count(t.gap_events).text);
        if (!t.active)
            pl_page_cell(p, PL_PAGE_DIM, "not asked for");
        else if (t.catching_up)
            pl_page_cell(p, PL_PAGE_PLAIN, "passing over what is delivered already");
        else
            pl_page_cell(p, PL_PAGE_PLAIN, t.taken > 0 ? "taken" : "nothing came yet");
    }
    pl_page_table_end(p, "No topic is known before the first event.");
}

static void transaction_show(const struct wikisrcd *w, int64_t mono_ms, struct pl_page *p)
{
    const struct pl_delivery_sums *open = pl_delivery_sums(w->delivery);
    const struct pl_metrics *m = w->metrics;
    uint64_t aborted = pl_metrics_get(m, M_ABORTED);
    pl_page_section(p, "Into Kafka",
                    "A transaction holds events and the position behind them: both are there, or "
                    "neither.");
    const char *state = pl_delivery_is_stalled(w->delivery)  ? "waits for Kafka"
                        : pl_delivery_is_idle(w->delivery)   ? "idle"
                        : !pl_delivery_can_take(w->delivery) ? "committing"
                                                             : "open";
    pl_page_figure(p, "Transaction",
                   pl_delivery_is_stalled(w->delivery) ? PL_PAGE_WARN : PL_PAGE_PLAIN, "%s", state);
    pl_page_figure(p, "Events in it", PL_PAGE_PLAIN, "%s", pl_words_count(open->items).text);
    pl_page_figure(p, "Bytes in it", PL_PAGE_PLAIN, "%s", pl_words_bytes(open->bytes).text);
    if (w->committed_ms > 0)
        pl_page_figure(p, "Last commit", PL_PAGE_PLAIN, "%s ago",
                       pl_words_duration(mono_ms - w->committed_ms).text);
    else
        pl_page_figure(p, "Last commit", PL_PAGE_PLAIN, "none yet");
    pl_page_figure(p, "Committed", PL_PAGE_PLAIN, "%s",
                   pl_words_count(pl_metrics_get(m, M_COMMITTED)).text);
    pl_page_figure(p, "Aborted", aborted > 0 ? PL_PAGE_WARN : PL_PAGE_PLAIN, "%s",
                   pl_words_count(aborted).text);
    pl_page_text(p, PL_PAGE_DIM, "Topic %s, positions in %s.", w->conf->topic,
                 w->conf->position_topic);
}

static void reasons_show(const struct pl_metrics *m, const struct reason *reasons, size_t n,
                         const char *what, const char *none, struct pl_page *p)
{
    static const struct pl_page_column columns[] = {{"Reason", false}, {"Count", true}};
    pl_page_table(p, what, columns, PL_COUNT(columns));
    for (size_t i = 0; i < n; i++) {
        uint64_t count = pl_metrics_get(m, reasons[i].metric);
        if (count == 0 || !pl_page_row(p))
            continue;
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", reasons[i].text);
        pl_page_cell(p, reasons[i].tone, "%s", pl_words_count(count).text);
    }
    pl_page_table_end(p, none);
}

static const struct reason dropped[] = {
    {M_DUPLICATES, "duplicate: delivered already, and came again", PL_PAGE_PLAIN},
    {M_CANARIES, "canary: the service's own test events", PL_PAGE_PLAIN},
    {M_FILTERED, "filter: the configuration leaves it out", PL_PAGE_PLAIN},
    {M_OTHER_TYPE, "no message: an event of another type", PL_PAGE_PLAIN},
    {M_SKIPPED, "too large, and skipped as configured", PL_PAGE_BAD},
    {M_NOT_REDACTABLE, "not redactable: no valid JSON", PL_PAGE_BAD},
};

static const struct reason lost[] = {
    {M_LOST_CLOSED, "closed by the source, which is ordinary", PL_PAGE_PLAIN},
    {M_LOST_NETWORK, "network", PL_PAGE_PLAIN},
    {M_LOST_STALL, "stall: nothing came", PL_PAGE_PLAIN},
    {M_LOST_ERROR_EVENT, "the source sent an error", PL_PAGE_WARN},
    {M_LOST_REFUSED, "refused", PL_PAGE_WARN},
    {M_LOST_REWIND, "an aborted transaction is fetched again", PL_PAGE_WARN},
};

void page_fill(void *userdata, struct pl_page *p)
{
    const struct wikisrcd *w = userdata;
    int64_t mono_ms = pl_clock_monotonic_ms();
    figures_show(w, mono_ms, p);
    pl_page_plot(p, &w->hour, mono_ms, "Events a second");
    topics_show(w, p);
    transaction_show(w, mono_ms, p);
    pl_page_section(p, "Events not written, by reason", NULL);
    reasons_show(w->metrics, dropped, PL_COUNT(dropped), "reasons", "None.", p);
    pl_page_section(p, "Connections that ended, by reason", NULL);
    reasons_show(w->metrics, lost, PL_COUNT(lost), "reasons", "None.", p);
}
