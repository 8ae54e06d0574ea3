/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.c - what was found, as one JSON document: see show.h. Times are RFC 3339, UTC; what is not
 * known is null.
 *
 * Text of others is escaped so that the document is safe in a terminal, too.
 */
#include <inttypes.h>

#include "daemons/chsinkd/show/agree.h"
#include "daemons/chsinkd/show/show.h"
#include "lib/base/text.h"
#include "lib/base/time_text.h"
#include "lib/json/reader.h"

/* ---- values ---- */

/* Characters beyond ASCII that act on a terminal are all below U+10000. */
static void acting_add(struct pl_buf *out, const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;
    unsigned c = n == 2 ? (u[0] & 0x1fU) << 6 | (u[1] & 0x3fU)
                        : (u[0] & 0x0fU) << 12 | (u[1] & 0x3fU) << 6 | (u[2] & 0x3fU);
    pl_buf_addf(out, "\\u%04x", c);
}

static void add_bytes(struct pl_buf *out, const char *p, size_t len)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf quoted = {0};
    pl_json_quote(&quoted, p, len);
    for (size_t i = 0, n; i < quoted.len; i += n) {
        n = pl_utf8_char(quoted.data + i, quoted.len - i);
        bool acts = (n == 2 || n == 3) && pl_text_acts(quoted.data + i, n);
        n = n > 0 ? n : 1;
        if (acts)
            acting_add(out, quoted.data + i, n);
        else if (quoted.data[i] == 0x7f)
            pl_buf_add_str(out, "\\u007f");
        else
            pl_buf_add(out, quoted.data + i, n);
    }
}

static void add_text(struct pl_buf *out, const char *text)
{
    if (text)
        add_bytes(out, text, strlen(text));
    else
        pl_buf_add_str(out, "null");
}

/* `"name": `, after a comma but for the first. */
static void add_name(struct pl_buf *out, const char *name)
{
    char last = out->len > 0 ? out->data[out->len - 1] : '{';
    if (last != '{' && last != '[')
        pl_buf_add_byte(out, ',');
    if (name)
        pl_buf_addf(out, "\"%s\":", name);
}

static void add_str(struct pl_buf *out, const char *name, const char *text)
{
    add_name(out, name);
    add_text(out, text);
}

static void add_bool(struct pl_buf *out, const char *name, bool value)
{
    add_name(out, name);
    pl_buf_add_str(out, value ? "true" : "false");
}

/* Below zero: null. */
static void add_number(struct pl_buf *out, const char *name, int64_t n)
{
    add_name(out, name);
    if (n < 0)
        pl_buf_add_str(out, "null");
    else
        pl_buf_addf(out, "%" PRId64, n);
}

static void add_time(struct pl_buf *out, const char *name, int64_t ms)
{
    char text[32];
    if (ms >= 0)
        pl_time_format_ms(ms, text);
    add_str(out, name, ms >= 0 ? text : NULL);
}

static void begin(struct pl_buf *out, const char *name, char bracket)
{
    add_name(out, name);
    pl_buf_add_byte(out, bracket);
}

static void end(struct pl_buf *out, char bracket)
{
    pl_buf_add_byte(out, bracket);
}

static void add_err(struct pl_buf *out, const struct pl_err *err)
{
    if (err->kind == PL_ERR_NONE)
        return;
    begin(out, "error", '{');
    add_str(out, "kind", pl_err_kind_name(err->kind));
    add_str(out, "message", err->msg);
    end(out, '}');
}

/* ---- rows ---- */

static bool is_json_number(struct pl_slice s)
{
    struct pl_json j;
    struct pl_json_num n;
    pl_json_init(&j, s.p, s.len, 1);
    return pl_json_number(&j, &n) && n.len == s.len;
}

static void add_cell(struct pl_buf *out, struct pl_slice s, enum output_value value)
{
    bool plain = false;
    switch (value) {
    case OUTPUT_TEXT:
        break;
    case OUTPUT_NUMBER:
        plain = s.p && is_json_number(s);
        break;
    case OUTPUT_BOOL:
        plain = s.p && (pl_slice_eq(s, "true") || pl_slice_eq(s, "false"));
        break;
    }
    add_name(out, NULL);
    if (!s.p)
        pl_buf_add_str(out, "null");
    else if (plain)
        pl_buf_add(out, s.p, s.len);
    else
        add_bytes(out, s.p, s.len);
}

static void add_rows(struct pl_buf *out, const struct output_rows *rows)
{
    begin(out, "columns", '[');
    for (unsigned i = 0; i < rows->columns_n; i++) {
        begin(out, NULL, '{');
        add_str(out, "name", rows->columns[i].name);
        add_str(out, "type", rows->columns[i].type);
        end(out, '}');
    }
    end(out, ']');
    begin(out, "rows", '[');
    for (size_t i = 0; i < output_rows_n(rows); i++) {
        begin(out, NULL, '[');
        for (unsigned c = 0; c < rows->columns_n; c++)
            add_cell(out, output_rows_get(rows, i, c), rows->columns[c].value);
        end(out, ']');
    }
    end(out, ']');
    add_bool(out, "more", rows->more);
}

void show_json_rows(const struct output_rows *rows, struct pl_buf *out)
{
    pl_buf_add_byte(out, '{');
    add_rows(out, rows);
    pl_buf_add_str(out, "}\n");
}

/* ---- a route ---- */

static void add_columns(struct pl_buf *out, const struct output_facts *f)
{
    begin(out, "columns", '[');
    for (unsigned i = 0; i < f->columns_n; i++) {
        const struct output_column_fact *c = &f->columns[i];
        begin(out, NULL, '{');
        add_str(out, "name", c->name);
        add_str(out, "type", c->type);
        add_str(out, "route_type", c->wanted);
        add_str(out, "difference",
                !c->type     ? "missing"
                : !c->wanted ? "not in the route"
                : c->differs ? "another type"
                             : NULL);
        end(out, '}');
    }
    end(out, ']');
}

static void add_loads(struct pl_buf *out, const struct output_facts *f)
{
    begin(out, "loads", '{');
    add_str(out, "note", f->loads_note);
    begin(out, "last", '[');
    for (unsigned i = 0; i < f->loads_n; i++) {
        const struct output_load *l = &f->loads[i];
        begin(out, NULL, '{');
        add_time(out, "at", l->at_ms);
        add_str(out, "topic", l->topic);
        add_number(out, "partition", l->topic ? l->partition : -1);
        add_number(out, "start", l->start);
        add_number(out, "end", l->end);
        add_number(out, "rows", l->rows);
        add_number(out, "duration_ms", l->took_ms);
        end(out, '}');
    }
    end(out, ']');
    end(out, '}');
}

static void add_facts(struct pl_buf *out, const struct show_route *r)
{
    const struct output_facts *f = &r->facts;
    begin(out, "table", '{');
    add_str(out, "name", r->target->name);
    add_err(out, &r->output_err);
    if (r->output_err.kind != PL_ERR_NONE) {
        end(out, '}');
        return;
    }
    add_bool(out, "exists", f->exists);
    add_str(out, "engine", f->exists ? f->engine : NULL);
    add_number(out, "rows", f->exists ? f->rows : -1);
    add_number(out, "bytes", f->exists ? f->bytes : -1);
    add_str(out, "note", f->note);
    begin(out, "views", '[');
    for (unsigned i = 0; i < f->views_n; i++) {
        begin(out, NULL, '{');
        add_str(out, "name", f->views[i].name);
        add_bool(out, "exists", f->views[i].exists);
        add_number(out, "rows", f->views[i].rows);
        add_number(out, "bytes", f->views[i].bytes);
        end(out, '}');
    }
    end(out, ']');
    add_columns(out, f);
    add_loads(out, f);
    end(out, '}');
}

static const char *guarantee_name(enum output_guarantee g)
{
    switch (g) {
    case OUTPUT_TOKEN:
        return "token";
    case OUTPUT_POSITION:
        return "position";
    case OUTPUT_LOOK_UP:
        return "look-up";
    case OUTPUT_NONE:
        return "none";
    }
    return "";
}

static void add_promise(struct pl_buf *out, struct show_route *r)
{
    begin(out, "exactly_once", '{');
    add_err(out, &r->ensure_err);
    if (r->ensure_err.kind == PL_ERR_NONE) {
        add_bool(out, "given",
                 r->state.guarantee == OUTPUT_TOKEN || r->state.guarantee == OUTPUT_POSITION);
        add_str(out, "by", guarantee_name(r->state.guarantee));
        add_str(out, "why_not", r->state.why_not[0] ? r->state.why_not : NULL);
        add_str(out, "a_start_would_run", r->plan.len > 0 ? pl_buf_cstr(&r->plan) : NULL);
    }
    end(out, '}');
}

static void add_partition(struct pl_buf *out, const struct show_route *r,
                          const struct show_partition *p)
{
    const struct output_place_fact *place = show_place(&r->facts, p->topic, p->id);
    begin(out, NULL, '{');
    add_str(out, "topic", p->topic);
    add_number(out, "partition", p->id);
    add_number(out, "low", p->low);
    add_number(out, "high", p->high);
    add_number(out, "next", p->next);
    add_number(out, "lag", show_lag(p));
    add_number(out, "announced_end", p->announced.end);
    add_time(out, "announced_at", p->announced.end >= 0 ? p->announced.at_ms : -1);
    add_number(out, "in_doubt_until", p->announced.until > 0 ? p->announced.until : -1);
    add_bool(out, "foreign_metadata", p->foreign);
    if (r->output_err.kind == PL_ERR_NONE && !r->facts.places_note[0]) {
        struct show_agreement a = show_agree(p, place ? place->next : -1, r->facts.kept);
        add_number(out, "output_next", place ? place->next : -1);
        add_number(out, "output_rows", place ? place->rows : -1);
        add_str(out, "agree", show_verdict_name(a.verdict));
        add_str(out, "agree_text", a.text);
    }
    end(out, '}');
}

static void add_route(struct pl_buf *out, const struct show *s, struct show_route *r)
{
    begin(out, NULL, '{');
    add_str(out, "route", r->route->name);
    if (s->groups_n > 1)
        add_str(out, "group", r->group->name);
    add_str(out, "topic", r->route->topic ? r->route->topic : r->route->topic_pattern);
    add_facts(out, r);
    add_promise(out, r);
    begin(out, "state", '{');
    add_err(out, &r->group_err);
    add_str(out, "note", r->facts.places_note);
    begin(out, "partitions", '[');
    for (unsigned i = 0; i < r->partitions.n; i++)
        add_partition(out, r, &r->partitions.v[i]);
    end(out, ']');
    end(out, '}');
    begin(out, "newest", '{');
    add_err(out, &r->rows_err);
    add_str(out, "note", r->facts.newest_note);
    add_rows(out, &r->newest);
    end(out, '}');
    end(out, '}');
}

/* ---- dead letters ---- */

static void add_letter(struct pl_buf *out, const struct show_letter *l)
{
    begin(out, NULL, '{');
    add_time(out, "at", l->at_ms);
    add_str(out, "route", l->route);
    add_str(out, "reason", l->reason);
    add_str(out, "topic", l->topic);
    add_number(out, "partition", l->partition);
    add_number(out, "offset", l->offset);
    add_number(out, "attempt", l->attempt);
    add_bool(out, "replayed", l->replayed);
    add_name(out, "key");
    if (l->key)
        add_bytes(out, l->key, l->key_len);
    else
        add_text(out, NULL);
    add_name(out, "value");
    if (l->value)
        add_bytes(out, l->value, l->value_len);
    else
        add_text(out, NULL);
    add_bool(out, "cut", l->cut);
    end(out, '}');
}

static void add_letters(struct pl_buf *out, const struct show *s)
{
    const struct show_letters *l = &s->letters;
    begin(out, "dead_letters", '{');
    add_str(out, "topic", s->conf->dead_letter_topic);
    add_err(out, &s->letters_err);
    add_bool(out, "exists", !l->none);
    add_bool(out, "all_read", !l->part);
    begin(out, "reasons", '[');
    for (unsigned i = 0; i < l->reasons_n; i++) {
        const struct show_reason *r = &l->reasons[i];
        begin(out, NULL, '{');
        add_str(out, "route", r->route);
        add_str(out, "reason", r->reason);
        add_number(out, "waiting", (int64_t)r->waiting);
        add_number(out, "replayed", (int64_t)r->replayed);
        add_time(out, "first", r->first_ms);
        add_time(out, "last", r->last_ms);
        end(out, '}');
    }
    end(out, ']');
    begin(out, "sample", '[');
    for (unsigned i = 0; i < l->sample_n; i++)
        add_letter(out, &l->sample[i]);
    end(out, ']');
    end(out, '}');
}

/* ---- all ---- */

static void add_group(struct pl_buf *out, const char *name, const struct show *s,
                      const struct show_group *g)
{
    begin(out, name, '{');
    add_str(out, "name", g->name);
    add_err(out, &s->kafka_err);
    if (s->kafka_err.kind == PL_ERR_NONE) {
        add_str(out, "state", g->members.state);
        add_number(out, "members_n", g->members.n);
    }
    begin(out, "members", '[');
    for (unsigned i = 0; i < g->members.n && i < SHOW_MEMBERS_MAX; i++) {
        begin(out, NULL, '{');
        add_str(out, "client", g->members.v[i].client);
        add_str(out, "host", g->members.v[i].host);
        end(out, '}');
    }
    end(out, ']');
    end(out, '}');
}

void show_json(struct show *s, struct pl_buf *out)
{
    pl_buf_add_byte(out, '{');
    add_time(out, "at", s->now_ms);
    begin(out, "output", '{');
    add_str(out, "kind", s->kind->name);
    add_str(out, "where", s->where);
    end(out, '}');
    for (unsigned i = 0; i < s->groups_n && s->groups_n == 1; i++)
        add_group(out, "group", s, &s->groups[i]);
    if (s->groups_n > 1) {
        begin(out, "groups", '[');
        for (unsigned i = 0; i < s->groups_n; i++)
            add_group(out, NULL, s, &s->groups[i]);
        end(out, ']');
    }
    begin(out, "routes", '[');
    for (unsigned i = 0; i < s->routes_n; i++)
        add_route(out, s, &s->routes[i]);
    end(out, ']');
    add_letters(out, s);
    pl_buf_add_str(out, "}\n");
}
