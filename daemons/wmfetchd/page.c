/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.c - the service as a page for people: each application's windows, what is being fetched,
 * answers by status, and what is known of the token but not the token.
 */
#include <inttypes.h>
#include <stdio.h>

#include "daemons/wmfetchd/internal.h"
#include "daemons/wmfetchd/metrics.h"
#include "lib/auth/auth.h"
#include "lib/base/clock.h"

static void figures_show(const struct wmfetchd *w, int64_t mono_ms, struct pl_page *p)
{
    const struct pl_metrics *m = w->metrics;
    uint64_t due = pl_metrics_get(m, M_WINDOWS_BEHIND),
             failed = pl_metrics_get(m, M_WINDOWS_FAILED);
    uint64_t passed = pl_metrics_get(m, M_WINDOWS_PASSED);
    pl_page_figure(p, "Windows due", PL_PAGE_PLAIN, "%s", pl_words_count(due).text);
    pl_page_figure(p, "Windows done", PL_PAGE_PLAIN, "%s",
                   pl_words_count(pl_metrics_get(m, M_WINDOWS_COMMITTED)).text);
    pl_page_figure(p, "Records delivered", PL_PAGE_PLAIN, "%s",
                   pl_words_count(pl_metrics_get(m, M_RECORDS)).text);
    if (w->windows > 0)
        pl_page_figure(p, "Last window", PL_PAGE_PLAIN, "%s ago",
                       pl_words_duration(mono_ms - w->last_ms).text);
    else
        pl_page_figure(p, "Last window", PL_PAGE_PLAIN, "none yet");
    pl_page_figure(p, "Failures", failed > 0 ? PL_PAGE_WARN : PL_PAGE_PLAIN, "%s",
                   pl_words_count(failed).text);
    if (passed > 0)
        pl_page_figure(p, "Passed, dead letters", PL_PAGE_BAD, "%s", pl_words_count(passed).text);
}

/* ---- series ---- */

static const struct slot *slot_of(const struct wmfetchd *w, const struct series *s)
{
    for (unsigned k = 0; k < w->turns.slots_n; k++)
        if (w->slots[k].series == s)
            return &w->slots[k];
    return NULL;
}

static void state_cell(const struct wmfetchd *w, const struct series *s, int64_t due,
                       int64_t next_ms, int64_t mono_ms, struct pl_page *p)
{
    const struct slot *slot = slot_of(w, s);
    int64_t held_ms = s->not_before_ms > w->not_before_ms ? s->not_before_ms : w->not_before_ms;
    held_ms -= mono_ms;
    if (slot)
        pl_page_cell(p, PL_PAGE_PLAIN, slot->passing ? "passing it on, for %s" : "fetching, for %s",
                     pl_words_duration(mono_ms - slot->begun_ms).text);
    else if (s->refused)
        pl_page_cell(p, PL_PAGE_BAD, "refused: a person must act");
    else if (s->failing && held_ms > 0)
        pl_page_cell(p, PL_PAGE_WARN, "failed, again in %s", pl_words_duration(held_ms).text);
    else if (s->failing)
        pl_page_cell(p, PL_PAGE_WARN, "failed, is tried again");
    else if (!s->known)
        pl_page_cell(p, PL_PAGE_DIM, "no position yet");
    else if (due > 0)
        pl_page_cell(p, PL_PAGE_PLAIN, "waits for its turn");
    else
        pl_page_cell(p, PL_PAGE_PLAIN, "next in %s", pl_words_duration(next_ms).text);
}

static void series_row(const struct wmfetchd *w, const struct series *s, int64_t mono_ms,
                       struct pl_page *p)
{
    const struct schedule schedule = wmfetchd_schedule(w);
    int64_t now_ms = wmfetchd_api_now_ms(w);
    struct schedule_window next;
    struct pl_page_cell cells[PAST_CELLS];
    int64_t due = s->known ? schedule_behind(&schedule, &s->position, now_ms) : 0;
    int64_t next_ms = s->known ? schedule_next(&schedule, &s->position, now_ms, &next) : 0;
    unsigned n = s->known ? past_strip(&s->past, &schedule, &s->position, now_ms, cells) : 0;
    char what[128];
    if (!pl_page_row(p))
        return;
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", s->application);
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", s->index);
    snprintf(what, sizeof(what), "Windows of %.40s: %" PRId64 " due", s->application, due);
    pl_page_cell_strip(p, cells, n, what);
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", s->known ? pl_words_time(s->position.end_ms).text : "");
    pl_page_cell(p, PL_PAGE_PLAIN, "%s", pl_words_count((uint64_t)due).text);
    state_cell(w, s, due, next_ms, mono_ms, p);
    if (s->fault[0])
        pl_page_cell(p, s->failing ? PL_PAGE_WARN : PL_PAGE_DIM, "%s: %s",
                     pl_words_time_short(s->fault_ms).text, s->fault);
    else
        pl_page_cell(p, PL_PAGE_DIM, "none");
}

static void series_show(const struct wmfetchd *w, int64_t mono_ms, struct pl_page *p)
{
    static const struct pl_page_column columns[] = {
        {"Application", false}, {"Index", false}, {"Windows", false},     {"All to", false},
        {"Due", true},          {"State", false}, {"Last failure", false}};
    char note[240], due[40] = "at";
    if (w->conf->window.delay_ms > 0)
        snprintf(due, sizeof(due), "%.20s after", pl_words_duration(w->conf->window.delay_ms).text);
    snprintf(note, sizeof(note),
             "Windows of %.20s, each due %s its end. A cell is a window, or several where many are "
             "due; the newest is to the right.",
             pl_words_duration(w->conf->window.size_ms).text, due);
    pl_page_section(p, "Applications", note);
    pl_page_table(p, "series", columns, PL_COUNT(columns));
    for (size_t i = 0; i < w->turns.n; i++)
        series_row(w, &w->series[i], mono_ms, p);
    pl_page_table_end(p, "There is none.");
    pl_page_strip_legend(p);
}

/* ---- the token ---- */

static void token_show(const struct wmfetchd *w, struct pl_page *p)
{
    static const char *const methods[] = {"none", "user and password", "a fixed bearer token",
                                          "a header", "OAuth 2"};
    const struct pl_metrics *m = w->metrics;
    struct pl_auth_look look;
    pl_auth_look(w->env.auth, &look);
    uint64_t refused = pl_metrics_get(m, M_TOKENS_REFUSED),
             failed = pl_metrics_get(m, M_TOKENS_FAILED);
    pl_page_section(p, "How we say who we are", NULL);
    pl_page_figure(p, "Method", PL_PAGE_PLAIN, "%s", methods[look.method]);
    if (look.method != PL_AUTH_TOKEN)
        return;
    if (!look.kept)
        pl_page_figure(p, "Token", PL_PAGE_WARN, "none yet");
    else if (look.left_ms <= 0)
        pl_page_figure(p, "Token", PL_PAGE_WARN, "has ended");
    else
        pl_page_figure(p, "Token, life left", PL_PAGE_PLAIN, "%s",
                       pl_words_duration(look.left_ms).text);
    if (look.kept)
        pl_page_figure(p, "Refresh token", PL_PAGE_PLAIN, "%s", look.has_refresh ? "yes" : "no");
    pl_page_figure(p, "Granted", PL_PAGE_PLAIN, "%s",
                   pl_words_count(pl_metrics_get(m, M_TOKENS_GRANT)).text);
    pl_page_figure(p, "Refreshed", PL_PAGE_PLAIN, "%s",
                   pl_words_count(pl_metrics_get(m, M_TOKENS_REFRESH)).text);
    pl_page_figure(p, "Not given", failed > 0 ? PL_PAGE_WARN : PL_PAGE_PLAIN, "%s",
                   pl_words_count(failed).text);
    pl_page_figure(p, "Refused by the API", refused > 0 ? PL_PAGE_WARN : PL_PAGE_PLAIN, "%s",
                   pl_words_count(refused).text);
}

/* ---- answers ---- */

static void answers_show(const struct wmfetchd *w, struct pl_page *p)
{
    static const struct {
        enum wmfetchd_metric metric;
        const char *text;
        enum pl_page_tone tone;
    } answers[] = {{M_ANSWER_2XX, "200 and the like", PL_PAGE_PLAIN},
                   {M_ANSWER_401, "401: the token is refused", PL_PAGE_WARN},
                   {M_ANSWER_429, "429: too many requests", PL_PAGE_WARN},
                   {M_ANSWER_4XX, "other 4xx: the request is refused", PL_PAGE_WARN},
                   {M_ANSWER_5XX, "5xx: the API fails", PL_PAGE_WARN},
                   {M_ANSWER_OTHER, "another status", PL_PAGE_WARN},
                   {M_ANSWER_NONE, "no answer, or a broken one", PL_PAGE_WARN}};
    static const struct pl_page_column columns[] = {{"Status", false}, {"Answers", true}};
    pl_page_section(p, "Answers of the API", NULL);
    pl_page_table(p, "answers", columns, PL_COUNT(columns));
    for (size_t i = 0; i < PL_COUNT(answers); i++) {
        uint64_t count = pl_metrics_get(w->metrics, answers[i].metric);
        if (count == 0 || !pl_page_row(p))
            continue;
        pl_page_cell(p, PL_PAGE_PLAIN, "%s", answers[i].text);
        pl_page_cell(p, answers[i].tone, "%s", pl_words_count(count).text);
    }
    pl_page_table_end(p, "None yet.");
}

void page_fill(void *userdata, struct pl_page *p)
{
    const struct wmfetchd *w = userdata;
    int64_t mono_ms = pl_clock_monotonic_ms();
    figures_show(w, mono_ms, p);
    pl_page_plot(p, &w->hour, mono_ms, "Records a second");
    series_show(w, mono_ms, p);
    token_show(w, p);
    answers_show(w, p);
    pl_page_text(p, PL_PAGE_DIM, "Into topic %s, positions in %s.", w->conf->topic,
                 w->conf->position_topic);
}
