/* SPDX-License-Identifier: Apache-2.0 */
/* page.c - see page.h. */
#include "daemons/chsinkd/page.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/clock.h"

/* What a sink had when it was looked at. */
struct view {
    struct sink *sink;
    struct partition **partitions; /* the pointers are good as long as the sink lives */
    unsigned partitions_n;
    struct sink_told *told; /* of its routes */
    struct recent recent;
};

static void view_take(struct view *v, struct sink *s)
{
    v->sink = s;
    v->told = pl_alloc_array(s->routes_n, sizeof(*v->told));
    pthread_mutex_lock(&s->lock);
    v->partitions_n = s->partitions_n;
    v->partitions = pl_alloc_array(s->partitions_n, sizeof(struct partition *));
    if (s->partitions_n > 0)
        memcpy(v->partitions, s->partitions, s->partitions_n * sizeof(struct partition *));
    for (unsigned i = 0; i < s->routes_n; i++)
        v->told[i] = s->routes[i].told;
    v->recent = s->recent;
    pthread_mutex_unlock(&s->lock);
}

static void view_release(struct view *v)
{
    free(v->partitions);
    free(v->told);
}

/* ---- the past ---- */

void page_look(struct page_past *past, struct loader *loaders, unsigned n, int64_t mono_ms)
{
    if (!past->routes) {
        for (unsigned i = 0; i < n; i++)
            past->n += loaders[i].sink.routes_n;
        past->routes = pl_alloc_array(past->n, sizeof(*past->routes));
    }
    unsigned at = 0;
    for (unsigned i = 0; i < n; i++) {
        struct sink *s = &loaders[i].sink;
        pthread_mutex_lock(&s->lock);
        for (unsigned k = 0; k < s->routes_n; k++)
            pl_series_look(&past->routes[at++], mono_ms, s->routes[k].told.rows);
        pthread_mutex_unlock(&s->lock);
    }
}

void page_past_release(struct page_past *past)
{
    free(past->routes);
    *past = (struct page_past){0};
}

/* ---- routes ---- */

/* Whether a partition of that route is ours; ret_held: one waits for a person. */
static bool route_is_read(const struct view *v, const struct sink_route *sr, bool *ret_held)
{
    bool read = false;
    *ret_held = false;
    for (unsigned i = 0; i < v->partitions_n; i++) {
        const struct partition *p = v->partitions[i];
        if (p->route != sr || !p->assigned)
            continue;
        read = true;
        enum partition_aside aside = p->aside;
        *ret_held |= aside == ASIDE_HELD || aside == ASIDE_BEGIN;
    }
    return read;
}

static void route_row(const struct view *v, unsigned k, const struct pl_series *series,
                      int64_t mono_ms, struct pl_page *p)
{
    const struct sink_route *sr = &v->sink->routes[k];
    const struct sink_told *told = &v->told[k];
    bool held, read = route_is_read(v, sr, &held);
    unsigned slots = pl_series_slots(series);
    /* The slot before the newest is whole. */
    double rate = slots > 0 ? pl_series_rate(series, slots > 1 ? 1 : 0, mono_ms) : 0;
    if (!pl_page_row(p))
        return;
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", sr->route->name);
    if (held)
        pl_page_cell(p, PL_PAGE_BAD, "waits for a person");
    else if (sr->away)
        pl_page_cell(p, PL_PAGE_WARN, "waits for %s", v->sink->output->name);
    else if (!read)
        pl_page_cell(p, PL_PAGE_DIM, "no partition here");
    else
        pl_page_cell(p, PL_PAGE_GOOD, "loading");
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_rate(rate).text);
    pl_page_cell_plot(p, series, mono_ms, "Rows a second");
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_count(told->rows).text);
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_count(told->batches).text);
    pl_page_cell(p, told->letters > 0 ? PL_PAGE_WARN : PL_PAGE_PLAIN, "%s",
                 pl_words_count(told->letters).text);
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", sr->target->name);
}

static void routes_show(const struct view *views, unsigned n, const struct page_past *past,
                        int64_t mono_ms, struct pl_page *p)
{
    static const struct pl_page_column columns[] = {
        {"Route", false}, {"State", false},  {"Rows/s", true},       {"The last hour", false},
        {"Rows", true},   {"Batches", true}, {"Dead letters", true}, {"Table", false}};
    unsigned at = 0;
    pl_page_section(p, "Routes",
                    "Since this process started; rows a second in the last half minute.");
    pl_page_table(p, "routes", columns, PL_COUNT(columns));
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < views[i].sink->routes_n; k++, at++)
            route_row(&views[i], k, &past->routes[at], mono_ms, p);
    pl_page_table_end(p, "There is no route.");
}

/* ---- what is waited for ---- */

static void waits_show(const struct view *views, unsigned n, struct pl_page *p)
{
    static const struct pl_page_column columns[] = {
        {"Table", false}, {"What is waited for", false}, {"Since", false}};
    bool any = false;
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < views[i].sink->routes_n; k++) {
            const struct sink_route *sr = &views[i].sink->routes[k];
            const struct sink_told *told = &views[i].told[k];
            bool held, read = route_is_read(&views[i], sr, &held);
            if (!read || told->trouble_ms == 0 || (!held && !sr->away))
                continue;
            if (!any) {
                pl_page_section(p, "Waiting",
                                "Reading of these is paused; what was read is tried again until it "
                                "is taken, and nothing is lost.");
                pl_page_table(p, "tables that wait", columns, PL_COUNT(columns));
            }
            any = true;
            if (!pl_page_row(p))
                continue;
            pl_page_cell(p, PL_PAGE_PLAIN, "%s", sr->target->name);
            pl_page_cell(p, held ? PL_PAGE_BAD : PL_PAGE_WARN, "%s", told->trouble);
            pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_time(told->trouble_ms).text);
        }
    if (any)
        pl_page_table_end(p, "");
}

/* ---- partitions ---- */

struct partition_row {
    const struct partition *p;
    const char *group, *output;
    int64_t next, high, lag; /* high -1: not known */
    bool aside;
};

static const char *phase_text(enum partition_phase phase)
{
    switch (phase) {
    case PARTITION_NONE:
        return "taking over";
    case PARTITION_PLACE:
        return "asking the table where to begin";
    case PARTITION_CLAIM:
        return "proving that it is ours";
    case PARTITION_OPEN:
        return "reading";
    case PARTITION_RECOVER:
        return "reading an announced range again";
    case PARTITION_SETTLE:
        return "waiting until no insert can arrive any more";
    case PARTITION_LOOKUP:
        return "asking the table what it has";
    case PARTITION_ANNOUNCE:
        return "announcing a batch";
    case PARTITION_INSERT:
        return "inserting";
    case PARTITION_COMMIT:
        return "committing";
    case PARTITION_CHECK:
        return "checking a commit";
    case PARTITION_LOST:
    case PARTITION_PHASES:
        break;
    }
    return "leaving";
}

static const char *aside_text(enum partition_aside aside)
{
    switch (aside) {
    case ASIDE_HELD:
        return "set aside: its table needs a person";
    case ASIDE_FENCED:
        return "set aside: another may own it";
    case ASIDE_BEGIN:
        return "set aside: where to begin is not known";
    case ASIDE_NO:
        break;
    }
    return NULL;
}

/* Set aside first, then by lag. */
static int row_compare(const void *a, const void *b)
{
    const struct partition_row *x = a, *y = b;
    if (x->aside != y->aside)
        return x->aside ? -1 : 1;
    if (x->lag != y->lag)
        return x->lag > y->lag ? -1 : 1;
    int topic = strcmp(x->p->topic, y->p->topic);
    return topic != 0 ? topic : x->p->id < y->p->id ? -1 : 1;
}

static unsigned rows_take(const struct view *v, struct partition_row *rows)
{
    unsigned n = 0;
    for (unsigned i = 0; i < v->partitions_n; i++) {
        const struct partition *p = v->partitions[i];
        int64_t low = 0, high = -1;
        if (!p->assigned)
            continue;
        if (rd_kafka_get_watermark_offsets(v->sink->rk, p->topic, p->id, &low, &high) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            high = -1;
        struct partition_row row = {.p = p,
                                    .group = v->sink->group,
                                    .output = v->sink->output->name,
                                    .next = sink_read_to(p),
                                    .high = high,
                                    .aside = p->aside != ASIDE_NO};
        row.lag = row.high > row.next && row.next >= 0 ? row.high - row.next : 0;
        rows[n++] = row;
    }
    return n;
}

static void offset_cell(struct pl_page *p, int64_t offset)
{
    if (offset < 0)
        pl_page_cell(p, PL_PAGE_DIM, "not known");
    else
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_count((uint64_t)offset).text);
}

static void partition_row(const struct partition_row *row, int64_t mono_ms, struct pl_page *p)
{
    if (!pl_page_row(p))
        return;
    const char *aside = aside_text(row->p->aside);
    const enum partition_phase phase = row->p->phase;
    int64_t for_ms = row->p->phase_ms > 0 ? mono_ms - row->p->phase_ms : 0;
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", row->p->topic);
    pl_page_cell(p, PL_PAGE_PLAIN, "%" PRId32, row->p->id);
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_count((uint64_t)row->lag).text);
    if (aside)
        pl_page_cell(p, row->p->aside == ASIDE_FENCED ? PL_PAGE_WARN : PL_PAGE_BAD, "%s", aside);
    else if (phase == PARTITION_OPEN || for_ms < 1000)
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", phase_text(phase));
    else
        pl_page_cell(p, row->p->route->away ? PL_PAGE_WARN : PL_PAGE_PLAIN, "%s, for %s",
                     phase_text(phase), pl_words_duration(for_ms).text);
    offset_cell(p, row->next);
    offset_cell(p, row->high);
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", row->p->route->target->name);
}

static void partitions_show(const struct view *views, unsigned n, int64_t mono_ms,
                            struct pl_page *p)
{
    static const struct pl_page_column columns[] = {
        {"Topic", false},  {"Partition", true}, {"Lag", true},   {"State", false},
        {"Read to", true}, {"Log end", true},   {"Table", false}};
    unsigned most = 0, rows_n = 0;
    for (unsigned i = 0; i < n; i++)
        most += views[i].partitions_n;
    PL_FREE struct partition_row *rows = pl_alloc_array(most, sizeof(*rows));
    for (unsigned i = 0; i < n; i++)
        rows_n += rows_take(&views[i], rows + rows_n);
    if (rows_n > 1)
        qsort(rows, rows_n, sizeof(*rows), row_compare);
    pl_page_section(p, "Lag by partition",
                    "Of the partitions assigned to this instance, those that wait first. Lag: "
                    "messages behind the last one read.");
    pl_page_table(p, "partitions", columns, PL_COUNT(columns));
    for (unsigned i = 0; i < rows_n; i++)
        partition_row(&rows[i], mono_ms, p);
    pl_page_table_end(p, "The group has assigned no partition to this instance yet.");
}

/* ---- batches ---- */

/* The newest of those that are not shown yet; counts it as shown. NULL: there is none. */
static const struct recent_batch *batch_next(const struct view *views, unsigned n, unsigned *shown)
{
    const struct recent_batch *newest = NULL;
    unsigned of = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct recent_batch *b = recent_batch(&views[i].recent, shown[i]);
        if (b && (!newest || b->at_ms > newest->at_ms)) {
            newest = b;
            of = i;
        }
    }
    shown[of] += newest != NULL;
    return newest;
}

static void batches_show(const struct view *views, unsigned n, struct pl_page *p)
{
    static const struct pl_page_column columns[] = {
        {"Committed", false}, {"Rows", true},   {"Duration", true},  {"Token", false},
        {"Route", false},     {"Topic", false}, {"Partition", true}, {"Offsets", false}};
    PL_FREE unsigned *shown = pl_alloc_array(n, sizeof(*shown));
    const struct recent_batch *b;
    char text[64];
    pl_page_section(p, "Last batches",
                    "Announced, inserted and committed; the newest first. Offsets: from the first "
                    "to the one behind the last.");
    pl_page_table(p, "batches", columns, PL_COUNT(columns));
    for (unsigned i = 0; i < RECENT_BATCHES && (b = batch_next(views, n, shown)); i++) {
        bool plain = b->token.inserts <= 1 && !b->token.looked && !b->token.recovered;
        pl_page_row(p);
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_time(b->at_ms).text);
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_count(b->rows).text);
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_duration(b->took_ms).text);
        pl_page_cell(p, plain ? PL_PAGE_PLAIN : PL_PAGE_WARN, "%s",
                     recent_token_text(b, text, sizeof(text)));
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", b->route);
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", b->topic);
        pl_page_cell(p, PL_PAGE_PLAIN, "%" PRId32, b->partition);
        pl_page_cell(p, PL_PAGE_DIM, "%s \xe2\x80\x93 %s", pl_words_count((uint64_t)b->start).text,
                     pl_words_count((uint64_t)b->end).text);
    }
    pl_page_table_end(p, "No batch yet.");
}

/* ---- dead letters ---- */

static int reason_compare(const void *a, const void *b)
{
    const struct recent_reason *x = *(const struct recent_reason *const *)a,
                               *y = *(const struct recent_reason *const *)b;
    return x->count == y->count ? 0 : x->count > y->count ? -1 : 1;
}

static void letters_show(const struct view *views, unsigned n, struct pl_page *p)
{
    static const struct pl_page_column columns[] = {
        {"Reason", false}, {"Messages", true}, {"Last", false}, {"Route", false}};
    PL_FREE const struct recent_reason **reasons =
        pl_alloc_array((size_t)n * RECENT_REASONS, sizeof(*reasons));
    uint64_t others = 0;
    unsigned reasons_n = 0;
    for (unsigned i = 0; i < n; i++) {
        others += views[i].recent.others;
        for (unsigned k = 0; k < views[i].recent.reasons_n; k++)
            reasons[reasons_n++] = &views[i].recent.reasons[k];
    }
    if (reasons_n > 1)
        qsort(reasons, reasons_n, sizeof(*reasons), reason_compare);
    pl_page_section(p, "Dead letters by reason",
                    "Messages that do not fit, since this process started. They are in the "
                    "dead-letter topic, and come back by chsinkd --replay.");
    pl_page_table(p, "reasons", columns, PL_COUNT(columns));
    for (unsigned i = 0; i < reasons_n; i++) {
        if (!pl_page_row(p))
            continue;
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", reasons[i]->text);
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_count(reasons[i]->count).text);
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_time(reasons[i]->at_ms).text);
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", reasons[i]->route);
    }
    pl_page_table_end(p, "None.");
    if (others > 0)
        pl_page_text(p, PL_PAGE_DIM, "and %s more by other reasons", pl_words_count(others).text);
}

/* ---- all ---- */

static double rate_now(const struct page_past *past, int64_t mono_ms)
{
    double sum = 0;
    for (unsigned i = 0; i < past->n; i++) {
        unsigned slots = pl_series_slots(&past->routes[i]);
        if (slots > 0)
            sum += pl_series_rate(&past->routes[i], slots > 1 ? 1 : 0, mono_ms);
    }
    return sum;
}

static void figures_show(const struct page_past *past, struct pl_metrics *m, int64_t mono_ms,
                         struct pl_page *p)
{
    uint64_t letters = pl_metrics_get(m, M_DEAD_ROWS), retries = pl_metrics_get(m, M_RETRIES);
    uint64_t lost = pl_metrics_get(m, M_LOST);
    pl_page_figure(p, "Rows a second", PL_PAGE_PLAIN, "%s",
                   pl_words_rate(rate_now(past, mono_ms)).text);
    pl_page_figure(p, "Rows inserted", PL_PAGE_PLAIN, "%s",
                   pl_words_count(pl_metrics_get(m, M_ROWS)).text);
    pl_page_figure(p, "Lag, messages", PL_PAGE_PLAIN, "%s",
                   pl_words_count(pl_metrics_get(m, M_LAG)).text);
    pl_page_figure(p, "Messages in flight", PL_PAGE_PLAIN, "%s",
                   pl_words_count(pl_metrics_get(m, M_IN_FLIGHT)).text);
    pl_page_figure(p, "Dead letters", letters > 0 ? PL_PAGE_WARN : PL_PAGE_PLAIN, "%s",
                   pl_words_count(letters).text);
    pl_page_figure(p, "Retries", PL_PAGE_PLAIN, "%s", pl_words_count(retries).text);
    pl_page_figure(p, "Held in memory", PL_PAGE_PLAIN, "%s",
                   pl_words_bytes(pl_metrics_get(m, M_MEMORY)).text);
    if (lost > 0)
        pl_page_figure(p, "Lost to retention", PL_PAGE_BAD, "%s", pl_words_count(lost).text);
}

void page_fill(const struct page_past *past, struct loader *loaders, unsigned n, int64_t mono_ms,
               struct pl_page *p)
{
    PL_FREE struct view *views = pl_alloc_array(n, sizeof(*views));
    for (unsigned i = 0; i < n; i++)
        view_take(&views[i], &loaders[i].sink);
    figures_show(past, loaders->sink.metrics, mono_ms, p);
    waits_show(views, n, p);
    routes_show(views, n, past, mono_ms, p);
    partitions_show(views, n, mono_ms, p);
    batches_show(views, n, p);
    letters_show(views, n, p);
    for (unsigned i = 0; i < n; i++)
        view_release(&views[i]);
}
