/* SPDX-License-Identifier: Apache-2.0 */
/* adding.c - see adding.h. */
#include "daemons/chsinkd/sink/adding.h"

#include "daemons/chsinkd/decode/learn.h"
#include "daemons/chsinkd/route/evolve.h"
#include "lib/log/log.h"

struct adding {
    struct learn *learn;
    int64_t judge_ms; /* monotonic: not sooner */
    int64_t add_ms;   /* the same, for what is to be added; 0: not known yet */
    int64_t table_ms; /* when the table is looked at for what others have added */
    bool working;
    bool done;        /* nothing more is added until the next start */
    struct work work; /* WORK_ADD */
    struct evolve_fields fields;
    struct pl_strings said; /* paths of fields that are never added */
};

struct adding *adding_new(const struct route *r)
{
    if (r->add.after == 0)
        return NULL;
    struct adding *a = pl_alloc(sizeof(*a));
    a->learn = learn_new(r);
    return a;
}

void adding_free(struct adding *a)
{
    if (!a)
        return;
    learn_free(a->learn);
    evolve_release(&a->fields);
    column_notes_release(&a->work.want);
    column_notes_release(&a->work.there);
    pl_strings_release(&a->said);
    free(a);
}

void adding_stop(struct adding *a)
{
    a->done = true;
}

bool adding_is_stopped(const struct adding *a)
{
    return a->done;
}

uint64_t adding_decode(struct sink_route *sr, const struct rows_message *m,
                       const struct row_set *only, struct block *block,
                       void (*on_reject)(void *userdata, const struct rows_reject *),
                       void *userdata)
{
    struct learn *learn = sr->adding->learn;
    const struct rows_counts before = *rows_counts(sr->rows);
    uint64_t rows = rows_decode(sr->rows, m, only, block, on_reject, userdata);
    if (!sr->adding->done && learn_wants(learn))
        learn_message(learn, m, &before, rows_counts(sr->rows));
    return rows;
}

/* ---- what is never added ---- */

static bool is_said(const struct adding *a, const char *path)
{
    for (size_t i = 0; i < a->said.n; i++)
        if (strcmp(a->said.v[i], path) == 0)
            return true;
    return false;
}

static void never_say(const struct sink_route *sr, const struct evolve_field *f, const char *why)
{
    struct adding *a = sr->adding;
    if (is_said(a, f->path) || a->said.n == ADDING_SAID_MAX)
        return;
    pl_strings_add(&a->said, f->path);
    pl_log(PL_WARNING, PL_EVENT_COLUMN_NOT_ADDED, "a field gets no column of its own",
           PL_F_STR("FIELD", f->path), PL_F_STR("REASON", why), PL_F_UINT("SEEN", f->seen),
           PL_F_UINT("OF", f->of), SINK_F_TABLE(sr), PL_F_STR("ROUTE", sr->route->name));
    if (a->said.n == ADDING_SAID_MAX)
        pl_log(PL_WARNING, PL_EVENT_COLUMN_NOT_ADDED,
               "further fields that get no column are not told of", SINK_F_TABLE(sr),
               PL_F_STR("ROUTE", sr->route->name));
}

/* ---- looking, asking ---- */

/* A field that was refused by the table stays so until the next start. */
static void want_fill(const struct sink_route *sr)
{
    struct adding *a = sr->adding;
    column_notes_release(&a->work.want);
    for (unsigned i = 0; i < a->fields.n; i++) {
        const struct evolve_field *f = &a->fields.v[i];
        PL_CLEANUP(column_path_release) struct column_path path = {0};
        PL_CLEANUP(pl_buf_release) struct pl_buf comment = {0};
        struct pl_err err;
        if (f->why)
            never_say(sr, f, f->why);
        else if (!is_said(a, f->path) && column_path_parse(f->path, &path, &err) == 0) {
            added_comment(&path, &comment);
            column_notes_add(&a->work.want, f->name, f->type, pl_buf_cstr(&comment));
        }
    }
}

static void route_look(struct sink *s, struct sink_route *sr, int64_t now_ms)
{
    struct adding *a = sr->adding;
    if (a->add_ms == 0) {
        a->add_ms = a->judge_ms = now_ms + ADDING_AFTER_MS;
        a->table_ms = now_ms + ADDING_TABLE_MS;
    }
    if (a->working || a->done || now_ms < a->judge_ms || !learn_has_news(a->learn))
        return;
    a->judge_ms = now_ms + ADDING_JUDGE_MS;
    evolve_release(&a->fields);
    evolve_judge(sr->route, learn_sample(a->learn), &a->fields);
    learn_round(a->learn);
    want_fill(sr);
    if (now_ms < a->add_ms)
        column_notes_release(&a->work.want);
    if (a->work.want.n == 0 && now_ms < a->table_ms)
        return;
    a->table_ms = now_ms + ADDING_TABLE_MS;
    a->work.kind = WORK_ADD;
    a->work.target = sr->target;
    a->work.owner = sr;
    a->working = true;
    workers_submit(s->workers, &s->desk, &a->work);
}

void adding_look(struct sink *s)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    for (unsigned i = 0; i < s->routes_n; i++)
        if (s->routes[i].adding && !s->once && !s->stopping)
            route_look(s, &s->routes[i], now_ms);
}

/* ---- what the table has now ---- */

static void added_say(struct sink *s, const struct sink_route *sr, const struct column_note *note)
{
    const struct adding *a = sr->adding;
    const struct evolve_field *f = NULL;
    for (unsigned i = 0; i < a->fields.n && !f; i++)
        if (!a->fields.v[i].why && strcmp(a->fields.v[i].name, note->name) == 0)
            f = &a->fields.v[i];
    if (!f || !column_notes_find(&a->work.want, note->name)) {
        pl_log(PL_NOTICE, PL_EVENT_COLUMN_ADDED, "another has added a column for a new field",
               PL_F_STR("NAME", note->name), PL_F_STR("TYPE", note->type), SINK_F_TABLE(sr),
               PL_F_STR("ROUTE", sr->route->name));
        return;
    }
    pl_metrics_inc(s->metrics, M_COLUMNS_ADDED, 1);
    pl_log(PL_NOTICE, PL_EVENT_COLUMN_ADDED, "a new field has got a column",
           PL_F_STR("NAME", note->name), PL_F_STR("TYPE", note->type), PL_F_STR("FIELD", f->path),
           PL_F_UINT("SEEN", f->seen), PL_F_UINT("OF", f->of), SINK_F_TABLE(sr),
           PL_F_STR("ROUTE", sr->route->name));
}

/* The name of a field's column is in the table, and is not ours. */
static void taken_say(const struct sink_route *sr)
{
    const struct adding *a = sr->adding;
    for (unsigned i = 0; i < a->fields.n; i++) {
        const struct evolve_field *f = &a->fields.v[i];
        const struct column_note *note =
            f->why || is_said(a, f->path) ? NULL : column_notes_find(&a->work.there, f->name);
        if (note && !added_takes(sr->route, note))
            never_say(sr, f, "the table has another column of its column's name");
    }
}

void adding_answered(struct sink *s, struct work *w)
{
    struct sink_route *sr = w->owner;
    struct adding *a = sr->adding;
    unsigned n = 0;
    a->working = false;
    for (unsigned i = 0; i < w->there.n; i++)
        if (added_takes(sr->route, &w->there.v[i])) {
            added_say(s, sr, &w->there.v[i]);
            n++;
        }
    taken_say(sr);
    if (w->want.n > 0)
        a->add_ms = pl_clock_monotonic_ms() +
                    (w->answer == OUTPUT_RETRY ? ADDING_AWAY_MS : ADDING_REFUSED_MS);
    /* n > 0: another was faster. */
    if (n == 0 && w->want.n > 0 && w->answer != OUTPUT_DONE && !s->give_up)
        pl_log_err(
            PL_ERROR, PL_EVENT_COLUMN_NOT_ADDED,
            "columns for new fields cannot be added; loading goes on without them, and it is "
            "tried again later",
            &w->err, SINK_F_TABLE(sr), PL_F_STR("ROUTE", sr->route->name));
    column_notes_release(&w->there);
    if (n == 0)
        return;
    adding_stop(a);
    s->again = true;
    if (s->waker)
        pl_waker_wake(s->waker);
}
