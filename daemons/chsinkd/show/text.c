/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - what was found, for people: see show.h. One route is told in nine parts, which the
 * manual explains by their numbers; several are a line each.
 */
#include <inttypes.h>

#include "daemons/chsinkd/show/agree.h"
#include "daemons/chsinkd/show/layout.h"
#include "daemons/chsinkd/show/show.h"
#include "lib/base/text.h"

#define PARTITIONS_SHOWN_MAX 50
/* Of a value that has a line of its own. */
#define UPRIGHT_CELL_MAX 1000

#define LAYOUT PL_CLEANUP(layout_release)

static void head(struct layout *l, const char *const *names)
{
    for (; *names; names++)
        layout_add(l, *names);
}

static void part(struct pl_buf *out, unsigned number, const char *title)
{
    pl_buf_addf(out, "\n%u. %s\n", number, title);
}

/* One line of text that may be another's. */
static void line(struct pl_buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void line(struct pl_buf *out, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    pl_text_formatv(text, sizeof(text), fmt, ap);
    va_end(ap);
    pl_buf_addf(out, "   %s\n", text);
}

/* ---- rows ---- */

static void cell_add(struct layout *l, struct pl_slice s)
{
    if (s.p)
        layout_add_bytes(l, s.p, s.len);
    else
        layout_add(l, "NULL");
}

static void rows_upright(const struct output_rows *rows, struct pl_buf *out)
{
    for (size_t i = 0; i < output_rows_n(rows); i++) {
        LAYOUT struct layout l = {.columns = 2, .cell_max = UPRIGHT_CELL_MAX};
        for (unsigned c = 0; c < rows->columns_n; c++) {
            layout_add(&l, rows->columns[c].name);
            cell_add(&l, output_rows_get(rows, i, c));
        }
        line(out, "-- row %zu", i + 1);
        layout_print(&l, out);
    }
}

void show_text_rows(const struct output_rows *rows, size_t width, struct pl_buf *out)
{
    LAYOUT struct layout l = {.columns = rows->columns_n};
    for (unsigned c = 0; c < rows->columns_n && rows->columns_n <= LAYOUT_COLUMNS_MAX; c++) {
        l.right[c] = rows->columns[c].value == OUTPUT_NUMBER;
        layout_add(&l, rows->columns[c].name);
    }
    for (size_t i = 0; i < output_rows_n(rows) && l.n > 0; i++)
        for (unsigned c = 0; c < rows->columns_n; c++)
            cell_add(&l, output_rows_get(rows, i, c));
    if (rows->columns_n == 0)
        line(out, "(no rows)");
    else if (l.n > 0 && layout_width(&l) + 3 <= width)
        layout_print(&l, out);
    else
        rows_upright(rows, out);
    if (rows->columns_n > 0 && rows->cells_n == 0)
        line(out, "(no rows)");
}

/* ---- 1. the table ---- */

static void size_add(struct layout *l, int64_t bytes)
{
    char text[32];
    layout_size(bytes, text, sizeof(text));
    layout_add(l, text);
}

static void table_tell(const struct show_route *r, struct pl_buf *out)
{
    static const char *const names[] = {"TABLE", "ENGINE", "ROWS", "SIZE", NULL};
    const struct output_facts *f = &r->facts;
    LAYOUT struct layout l = {.columns = 4, .right = {[2] = true, [3] = true}};
    head(&l, names);
    layout_add(&l, r->target->name);
    layout_add(&l, f->exists ? f->engine : "(not there)");
    layout_add_number(&l, f->exists ? f->rows : -1);
    size_add(&l, f->exists ? f->bytes : -1);
    for (unsigned i = 0; i < f->views_n; i++) {
        const struct output_view_fact *v = &f->views[i];
        layout_add(&l, v->name);
        layout_add(&l, v->exists ? "(view)" : "(view, not there)");
        layout_add_number(&l, v->rows);
        size_add(&l, v->bytes);
    }
    layout_print(&l, out);
    if (f->note[0])
        line(out, "%s", f->note);
}

/* ---- 2. columns ---- */

static void columns_tell(const struct show_route *r, struct pl_buf *out)
{
    static const char *const names[] = {"COLUMN", "TYPE", "ROUTE", NULL};
    const struct output_facts *f = &r->facts;
    unsigned missing = 0, more = 0, other = 0;
    LAYOUT struct layout l = {.columns = 3};
    if (!f->exists) {
        line(out, "there is no table: a start makes it with the route's %u columns",
             r->route->columns_n);
        return;
    }
    head(&l, names);
    for (unsigned i = 0; i < f->columns_n; i++) {
        const struct output_column_fact *c = &f->columns[i];
        layout_add(&l, c->name);
        layout_add(&l, c->type ? c->type : "-");
        if (!c->type)
            layout_addf(&l, "MISSING here: %s", c->wanted ? c->wanted : "");
        else if (!c->wanted)
            layout_add(&l, "not in the route");
        else if (c->differs)
            layout_addf(&l, "DIFFERS: %s", c->wanted);
        else
            layout_add(&l, "same");
        missing += !c->type;
        more += c->type && !c->wanted;
        other += c->differs;
    }
    layout_print(&l, out);
    if (missing + more + other == 0)
        line(out, "%u columns, all as in the route", f->columns_n);
    else
        line(out,
             "%u columns: %u missing (a start adds them), %u of another type, %u not in the route",
             f->columns_n, missing, other, more);
}

/* ---- 3. exactly once ---- */

static void promise_tell(struct show_route *r, struct pl_buf *out)
{
    if (r->ensure_err.kind != PL_ERR_NONE) {
        line(out, "a start would fail: %s", r->ensure_err.msg);
        return;
    }
    switch (r->state.guarantee) {
    case OUTPUT_TOKEN:
        line(out, "yes: an insert that is repeated has no second effect (token)");
        break;
    case OUTPUT_POSITION:
        line(out, "yes: the position is kept with the rows, in one transaction");
        break;
    case OUTPUT_LOOK_UP:
        line(out, "NO, rows may be doubled after a crash: %s", r->state.why_not);
        break;
    case OUTPUT_NONE:
        line(out, "NO, at least once only: %s", r->state.why_not);
        break;
    }
    if (r->plan.len == 0)
        line(out, "a start would change nothing");
    else
        line(out, "a start would run:");
    for (const char *at = pl_buf_cstr(&r->plan); *at;) {
        size_t n = strcspn(at, "\n");
        line(out, "   %.*s", (int)n, at);
        at += n + (at[n] == '\n');
    }
}

/* ---- 4. last loads ---- */

static void loads_tell(const struct show *s, const struct show_route *r, struct pl_buf *out)
{
    static const char *const names[] = {"WHEN (UTC)", "TOPIC", "PARTITION", "START",
                                        "END",        "ROWS",  "TOOK",      NULL};
    const struct output_facts *f = &r->facts;
    LAYOUT struct layout l = {
        .columns = 7, .right = {[2] = true, [3] = true, [4] = true, [5] = true, [6] = true}};
    head(&l, names);
    for (unsigned i = 0; i < f->loads_n; i++) {
        const struct output_load *load = &f->loads[i];
        char text[64];
        layout_time(load->at_ms, s->now_ms, text, sizeof(text));
        layout_add(&l, text);
        layout_add(&l, load->topic ? load->topic : "-");
        layout_add_offset(&l, load->topic ? load->partition : -1);
        layout_add_offset(&l, load->start);
        layout_add_offset(&l, load->end);
        layout_add_number(&l, load->rows);
        layout_duration(load->took_ms, text, sizeof(text));
        layout_add(&l, text);
    }
    if (f->loads_n > 0)
        layout_print(&l, out);
    else
        line(out, "(none)");
    if (f->loads_note[0])
        line(out, "%s", f->loads_note);
}

/* ---- 5. where loading stands ---- */

static void group_tell(const struct show *s, const struct show_group *g, struct pl_buf *out)
{
    const struct show_members *m = &g->members;
    if (s->kafka_err.kind != PL_ERR_NONE)
        line(out, "group %s: %s", g->name, s->kafka_err.msg);
    else if (strcmp(m->state, "Dead") == 0) /* Kafka's word for a group that it does not know */
        line(out, "group %s: there is none yet", g->name);
    else if (m->n == 0)
        line(out, "group %s: nobody is loading (%s)", g->name, m->state);
    else
        line(out, "group %s: %u %s (%s), the first: %s at %s", g->name, m->n,
             m->n == 1 ? "member" : "members", m->state, m->v[0].client, m->v[0].host);
}

static int64_t lag_of(const struct show_route *r)
{
    int64_t sum = r->partitions.n > 0 ? 0 : -1;
    for (unsigned i = 0; i < r->partitions.n; i++) {
        int64_t lag = show_lag(&r->partitions.v[i]);
        if (lag < 0)
            return -1;
        sum += lag;
    }
    return sum;
}

static void announced_add(struct layout *l, const struct show *s, const struct show_partition *p)
{
    char text[64];
    if (p->foreign)
        layout_add(l, "not ours");
    else if (p->announced.end < 0 && p->announced.until <= 0)
        layout_add(l, "nothing");
    else if (p->announced.end < 0)
        layout_addf(l, "in doubt to %" PRId64, p->announced.until);
    else {
        layout_time(p->announced.at_ms, s->now_ms, text, sizeof(text));
        layout_addf(l, "to %" PRId64 " at %s", p->announced.end, text);
    }
}

static void state_tell(const struct show *s, const struct show_route *r, struct pl_buf *out)
{
    static const char *const names[] = {"TOPIC", "PARTITION", "FIRST",     "NEXT",
                                        "END",   "LAG",       "ANNOUNCED", NULL};
    const struct show_partitions *p = &r->partitions;
    LAYOUT struct layout l = {
        .columns = 7, .right = {[1] = true, [2] = true, [3] = true, [4] = true, [5] = true}};
    group_tell(s, r->group, out);
    if (p->n == 0) {
        line(out, "there is no topic %s",
             r->route->topic ? r->route->topic : r->route->topic_pattern);
        return;
    }
    head(&l, names);
    for (unsigned i = 0; i < p->n && i < PARTITIONS_SHOWN_MAX; i++) {
        const struct show_partition *v = &p->v[i];
        layout_add(&l, v->topic);
        layout_addf(&l, "%" PRId32, v->id);
        layout_add_offset(&l, v->low);
        layout_add_offset(&l, v->next);
        layout_add_offset(&l, v->high);
        layout_add_number(&l, show_lag(v));
        announced_add(&l, s, v);
    }
    layout_print(&l, out);
    char lag[32];
    layout_number(lag_of(r), lag, sizeof(lag));
    if (p->n > PARTITIONS_SHOWN_MAX)
        line(out, "and %u more (--json has all)", p->n - PARTITIONS_SHOWN_MAX);
    if (p->n > 1)
        line(out, "lag of all %u partitions: %s", p->n, lag);
}

/* ---- 6. do they agree? ---- */

static struct show_agreement agreement_of(const struct show_route *r,
                                          const struct show_partition *p, int64_t *ret_there)
{
    const struct output_place_fact *place = show_place(&r->facts, p->topic, p->id);
    *ret_there = place ? place->next : -1;
    return show_agree(p, *ret_there, r->facts.kept);
}

/* The worst. */
static enum show_verdict verdict_of(const struct show_route *r)
{
    enum show_verdict all = SHOW_AGREES;
    int64_t there;
    if (r->output_err.kind != PL_ERR_NONE || r->group_err.kind != PL_ERR_NONE ||
        r->facts.places_note[0])
        return SHOW_UNCLEAR;
    for (unsigned i = 0; i < r->partitions.n && all != SHOW_DIFFERS; i++) {
        enum show_verdict one = agreement_of(r, &r->partitions.v[i], &there).verdict;
        all = one == SHOW_AGREES ? all : one;
    }
    return all;
}

static void agree_tell(const struct show_route *r, struct pl_buf *out)
{
    static const char *const names[] = {"TOPIC", "PARTITION", "GROUP", "OUTPUT", "AGREE", "", NULL};
    LAYOUT struct layout l = {
        .columns = 6, .cell_max = UPRIGHT_CELL_MAX, .right = {[1] = true, [2] = true, [3] = true}};
    unsigned shown = 0, left = 0;
    if (r->facts.places_note[0]) {
        line(out, "cannot be told: %s", r->facts.places_note);
        return;
    }
    head(&l, names);
    for (unsigned i = 0; i < r->partitions.n; i++) {
        const struct show_partition *p = &r->partitions.v[i];
        int64_t there;
        struct show_agreement a = agreement_of(r, p, &there);
        /* Of many, those that differ. */
        if (shown >= PARTITIONS_SHOWN_MAX && a.verdict == SHOW_AGREES) {
            left++;
            continue;
        }
        shown++;
        layout_add(&l, p->topic);
        layout_addf(&l, "%" PRId32, p->id);
        layout_add_offset(&l, p->next);
        layout_add_offset(&l, there);
        layout_add(&l, show_verdict_name(a.verdict));
        layout_add(&l, a.text);
    }
    if (shown > 0)
        layout_print(&l, out);
    if (left > 0)
        line(out, "and %u more that agree", left);
    line(out, "%s",
         r->facts.kept ? "OUTPUT is the position that is kept with the rows"
                       : "OUTPUT is the offset behind the highest one in the table");
}

/* ---- 7. dead letters ---- */

static void sample_tell(const struct show *s, const struct show_letter *l, struct pl_buf *out)
{
    char time[64];
    layout_time(l->at_ms, s->now_ms, time, sizeof(time));
    line(out, "-- %s: topic %s, partition %" PRId32 ", offset %" PRId64 ", attempt %" PRId64 "%s",
         time, l->topic, l->partition, l->offset, l->attempt, l->replayed ? ", replayed" : "");
    LAYOUT struct layout y = {.columns = 2, .cell_max = UPRIGHT_CELL_MAX};
    layout_add(&y, "reason");
    layout_add(&y, l->reason);
    layout_add(&y, "key");
    cell_add(&y, (struct pl_slice){l->key, l->key_len});
    layout_add(&y, "value");
    cell_add(&y, (struct pl_slice){l->value, l->value_len});
    layout_print(&y, out);
}

static void letters_tell(const struct show *s, const struct show_route *r, struct pl_buf *out)
{
    static const char *const names[] = {"WAITING", "REPLAYED", "LAST (UTC)", "REASON", NULL};
    const struct show_letters *all = &s->letters;
    LAYOUT struct layout l = {.columns = 4, .right = {[0] = true, [1] = true}};
    if (s->letters_err.kind != PL_ERR_NONE) {
        line(out, "cannot be told: %s", s->letters_err.msg);
        return;
    }
    head(&l, names);
    for (unsigned i = 0; i < all->reasons_n; i++) {
        const struct show_reason *reason = &all->reasons[i];
        char text[64];
        if (strcmp(reason->route, r->route->name) != 0)
            continue;
        layout_add_number(&l, (int64_t)reason->waiting);
        layout_add_number(&l, (int64_t)reason->replayed);
        layout_time(reason->last_ms, s->now_ms, text, sizeof(text));
        layout_add(&l, text);
        layout_add(&l, reason->reason);
    }
    if (l.n > l.columns)
        layout_print(&l, out);
    else
        line(out, "none of this route in topic %s%s", s->conf->dead_letter_topic,
             all->none ? ", which does not exist yet" : "");
    if (all->part)
        line(out, "of the newest %" PRIu64 " messages of topic %s; there are older ones", all->read,
             s->conf->dead_letter_topic);
    for (unsigned i = 0; i < all->sample_n; i++)
        if (strcmp(all->sample[i].route, r->route->name) == 0)
            sample_tell(s, &all->sample[i], out);
    if (l.n > l.columns)
        line(out, "%sonce the route is mended, chsinkd --replay %s brings the waiting ones back",
             s->ask->dead == 0 ? "--dead N shows the newest; " : "", r->route->name);
}

/* ---- 8. newest rows ---- */

static void newest_tell(const struct show *s, const struct show_route *r, struct pl_buf *out)
{
    if (r->rows_err.kind != PL_ERR_NONE)
        line(out, "cannot be told: %s", r->rows_err.msg);
    else if (s->ask->rows == 0)
        line(out, "(none was asked for)");
    else if (!r->facts.newest_sql)
        line(out, "cannot be told: %s",
             r->facts.newest_note[0] ? r->facts.newest_note
             : r->facts.exists       ? "the route has no column from timestamp or offset"
                                     : "there is no table");
    else {
        show_text_rows(&r->newest, s->width, out);
        if (r->facts.newest_note[0])
            line(out, "%s", r->facts.newest_note);
    }
}

/* ---- all ---- */

static void output_part(const struct show *s, struct show_route *r, unsigned number,
                        struct pl_buf *out)
{
    if (r->output_err.kind != PL_ERR_NONE) {
        line(out, "cannot be told: %s", r->output_err.msg);
        return;
    }
    if (number == 1)
        table_tell(r, out);
    else if (number == 2)
        columns_tell(r, out);
    else if (number == 4)
        loads_tell(s, r, out);
    else if (r->group_err.kind == PL_ERR_NONE)
        agree_tell(r, out);
    else
        line(out, "cannot be told: %s", r->group_err.msg);
}

static void route_tell(const struct show *s, struct show_route *r, struct pl_buf *out)
{
    pl_buf_add_byte(out, '\n');
    pl_buf_addf(out, "Route %s: topic %s into table %s\n", r->route->name,
                r->route->topic ? r->route->topic : r->route->topic_pattern, r->target->name);
    part(out, 1, "Table: how many rows, how large");
    output_part(s, r, 1, out);
    part(out, 2, "Columns: are they the route's?");
    output_part(s, r, 2, out);
    part(out, 3, "Exactly once: is it given, and what would a start change?");
    promise_tell(r, out);
    part(out, 4, "Last loads: what came when");
    output_part(s, r, 4, out);
    part(out, 5, "Group: where loading stands");
    if (r->group_err.kind == PL_ERR_NONE)
        state_tell(s, r, out);
    else
        line(out, "cannot be told: %s", r->group_err.msg);
    part(out, 6, "Agreement: do output and group say the same?");
    output_part(s, r, 6, out);
    part(out, 7, "Dead letters: what was refused, and why");
    letters_tell(s, r, out);
    part(out, 8, "Newest rows");
    if (r->output_err.kind == PL_ERR_NONE)
        newest_tell(s, r, out);
    else
        line(out, "cannot be told: %s", r->output_err.msg);
    part(out, 9, "Anything else");
    line(out, "chsinkd --show --sql 'SELECT count(*) FROM %s'", r->target->name);
}

static uint64_t letters_of(const struct show_letters *l, const struct route *route)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < l->reasons_n; i++)
        if (strcmp(l->reasons[i].route, route->name) == 0)
            n += l->reasons[i].waiting;
    return n;
}

static const char *columns_word(const struct output_facts *f)
{
    bool differs = false, missing = false;
    for (unsigned i = 0; i < f->columns_n; i++) {
        differs |= f->columns[i].differs;
        missing |= !f->columns[i].type;
    }
    return !f->exists ? "no table" : differs ? "DIFFER" : missing ? "missing" : "ok";
}

static void routes_tell(const struct show *s, struct pl_buf *out)
{
    static const char *const names[] = {"ROUTE", "TABLE", "ROWS",         "SIZE", "COLUMNS",
                                        "LAG",   "AGREE", "DEAD LETTERS", NULL};
    LAYOUT struct layout l = {.columns = 8,
                              .right = {[2] = true, [3] = true, [5] = true, [7] = true}};
    head(&l, names);
    for (unsigned i = 0; i < s->routes_n; i++) {
        const struct show_route *r = &s->routes[i];
        bool known = r->output_err.kind == PL_ERR_NONE;
        layout_add(&l, r->route->name);
        layout_add(&l, r->target->name);
        layout_add_number(&l, known ? r->facts.rows : -1);
        size_add(&l, known ? r->facts.bytes : -1);
        layout_add(&l, known ? columns_word(&r->facts) : "-");
        layout_add_number(&l, lag_of(r));
        layout_add(&l, show_verdict_name(verdict_of(r)));
        layout_add_number(&l, s->letters_err.kind == PL_ERR_NONE
                                  ? (int64_t)letters_of(&s->letters, r->route)
                                  : -1);
    }
    pl_buf_add_byte(out, '\n');
    for (unsigned i = 0; i < s->groups_n; i++)
        group_tell(s, &s->groups[i], out);
    layout_print(&l, out);
    for (unsigned i = 0; i < s->routes_n; i++)
        if (s->routes[i].output_err.kind != PL_ERR_NONE)
            line(out, "%s: %s", s->routes[i].route->name, s->routes[i].output_err.msg);
    line(out, "--show ROUTE tells all of one");
}

void show_text(struct show *s, struct pl_buf *out)
{
    char now[64];
    layout_time(s->now_ms, -1, now, sizeof(now));
    pl_buf_addf(out, "%s at %s, %s UTC\n", s->kind->name, s->where, now);
    if (s->kafka_err.kind != PL_ERR_NONE)
        pl_buf_addf(out, "Kafka: %s\n", s->kafka_err.msg);
    if (s->routes_n == 1)
        route_tell(s, &s->routes[0], out);
    else
        routes_tell(s, out);
}
