/* SPDX-License-Identifier: Apache-2.0 */
/* show.c - see show.h. */
#include "daemons/chsinkd/show/show.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemons/chsinkd/output/grow.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"

/* Where standard output is no terminal. */
#define WIDTH_DFLT 100

/* The first error is the run's. */
static void note(struct pl_err *first, const struct pl_err *err)
{
    if (first->kind == PL_ERR_NONE)
        *first = *err;
}

/* ---- the output ---- */

static void newest_ask(const struct show *s, struct output *o, struct show_route *r)
{
    if (!r->facts.newest_sql || s->ask->rows == 0)
        return;
    if (s->kind->query(o, r->facts.newest_sql, s->ask->rows, &r->newest, &r->rows_err) == 0)
        r->rows_err.kind = PL_ERR_NONE;
}

static void output_ask(const struct show *s, struct output *o, struct show_route *r,
                       struct pl_err *first)
{
    const struct output_ensure how = {.dry_run = true, .ret_plan = &r->plan};
    if (s->kind->describe(o, r->target, r->group->name, &r->facts, &r->output_err) < 0) {
        note(first, &r->output_err);
        r->ensure_err = r->output_err;
        return;
    }
    r->output_err.kind = PL_ERR_NONE;
    if (s->routes_n == 1 || s->ask->json)
        newest_ask(s, o, r);
    if (r->rows_err.kind != PL_ERR_NONE)
        note(first, &r->rows_err);
    /* A table that a start would refuse is a finding, not a failure of ours. */
    if (s->kind->ensure(o, r->target, &how, &r->state, &r->ensure_err) == 0)
        r->ensure_err.kind = PL_ERR_NONE;
    pl_text_flatten(r->state.why_not, strlen(r->state.why_not));
}

/* ---- Kafka ---- */

static bool groups_connect(struct show *s)
{
    for (unsigned i = 0; i < s->groups_n; i++)
        if (show_client_new(&s->groups[i].client, s->conf, s->groups[i].name, &s->kafka_err) < 0)
            return false;
    s->kafka_err.kind = PL_ERR_NONE;
    return true;
}

static void groups_before(struct show *s)
{
    for (unsigned i = 0; i < s->routes_n; i++) {
        struct show_route *r = &s->routes[i];
        if (show_partitions_find(&r->group->client, r->route, &r->partitions, &r->group_err) == 0)
            r->group_err.kind = PL_ERR_NONE;
    }
}

static void members_read(struct show *s, struct pl_err *first)
{
    for (unsigned i = 0; i < s->groups_n; i++) {
        struct show_group *g = &s->groups[i];
        if (show_members_read(&g->client, g->name, &g->members, &s->kafka_err) < 0) {
            note(first, &s->kafka_err);
            return;
        }
    }
    s->kafka_err.kind = PL_ERR_NONE;
}

static void groups_after(struct show *s, struct pl_err *first)
{
    const struct route **routes = pl_alloc_array(s->routes_n, sizeof(*routes));
    for (unsigned i = 0; i < s->routes_n; i++) {
        struct show_route *r = &s->routes[i];
        routes[i] = r->route;
        if (r->group_err.kind == PL_ERR_NONE &&
            show_partitions_read(&r->group->client, &r->partitions, &r->group_err) == 0)
            r->group_err.kind = PL_ERR_NONE;
        else
            note(first, &r->group_err);
    }
    members_read(s, first);
    if (show_letters_read(&s->groups->client, s->conf, routes, s->routes_n, s->ask->dead,
                          &s->letters, &s->letters_err) < 0)
        note(first, &s->letters_err);
    else
        s->letters_err.kind = PL_ERR_NONE;
    free(routes);
}

static void kafka_failed(struct show *s, struct pl_err *first)
{
    note(first, &s->kafka_err);
    s->letters_err = s->kafka_err;
    for (unsigned i = 0; i < s->routes_n; i++)
        s->routes[i].group_err = s->kafka_err;
}

/* ---- a run ---- */

static void show_release(struct show *s)
{
    for (unsigned i = 0; i < s->routes_n; i++) {
        struct show_route *r = &s->routes[i];
        s->kind->target_free(r->target);
        output_facts_release(&r->facts);
        output_rows_release(&r->newest);
        pl_buf_release(&r->plan);
        show_partitions_release(&r->partitions);
    }
    free(s->routes);
    for (unsigned i = 0; i < s->groups_n; i++)
        show_client_release(&s->groups[i].client);
    free(s->groups);
    show_letters_release(&s->letters);
}

static void groups_find(struct show *s)
{
    const char **names;
    unsigned n = chsinkd_conf_groups(s->conf, &names);
    s->groups = pl_alloc_array(n + 1, sizeof(*s->groups));
    for (; s->groups_n < n; s->groups_n++)
        s->groups[s->groups_n].name = names[s->groups_n];
    free(names);
}

static struct show_group *group_of(const struct show *s, const struct route *route)
{
    const char *name = chsinkd_conf_route_group(s->conf, route);
    unsigned i = 0;
    while (strcmp(s->groups[i].name, name) != 0)
        i++;
    return &s->groups[i];
}

static int routes_choose(struct show *s, const void *output_conf, struct pl_err *err)
{
    const struct chsinkd_conf *conf = s->conf;
    s->routes = pl_alloc_array(conf->routes_n, sizeof(*s->routes));
    for (unsigned i = 0; i < conf->routes_n; i++) {
        const struct route *route = conf->routes[i];
        if (s->ask->route && strcmp(route->name, s->ask->route) != 0)
            continue;
        s->routes[s->routes_n++] =
            (struct show_route){.route = route,
                                .group = group_of(s, route),
                                .target = s->kind->target_new(output_conf, route)};
    }
    return s->routes_n > 0 ? 0
                           : pl_err_set(err, PL_ERR_CONFIG, 0, "no route has the name %s",
                                        s->ask->route ? s->ask->route : "");
}

/* With what their tables got by unknown_fields: add. One that cannot be asked is told of later. */
static void routes_complete(const struct show *s, const void *output_conf, struct output *o)
{
    struct pl_err err;
    unsigned n;
    for (unsigned i = 0; i < s->conf->routes_n; i++)
        output_take(s->kind, output_conf, o, s->conf->routes[i], &n, &err);
}

static size_t terminal_width(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                           : WIDTH_DFLT;
}

static int print(struct pl_buf *out, struct pl_err *err)
{
    if (fwrite(out->data, 1, out->len, stdout) != out->len || fflush(stdout) != 0)
        return pl_err_set(err, PL_ERR_FATAL, 0, "standard output cannot be written");
    return 0;
}

/* A file has its tables by itself; others must be told of them. */
static int tables_tell(const struct show *s, const void *output_conf, struct output *o,
                       struct pl_err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < s->conf->routes_n && rc == 0 && s->kind->query_described; i++) {
        const struct route *route = s->conf->routes[i];
        struct output_target *target = s->kind->target_new(output_conf, route);
        struct output_facts facts = {0};
        rc = s->kind->describe(o, target, group_of(s, route)->name, &facts, err);
        output_facts_release(&facts);
        s->kind->target_free(target);
    }
    return rc;
}

static int sql_run(const struct show *s, const void *output_conf, struct output *o,
                   struct pl_buf *out, struct pl_err *err)
{
    const struct show_ask *ask = s->ask;
    PL_CLEANUP(output_rows_release) struct output_rows rows = {0};
    if (!output_statement_reads(ask->sql))
        return pl_err_set(err, PL_ERR_REJECT, 0,
                          "--sql only runs what reads: a statement that begins with SELECT, WITH, "
                          "FROM, SHOW, DESCRIBE, EXPLAIN or the like");
    if (tables_tell(s, output_conf, o, err) < 0 ||
        s->kind->query(o, ask->sql, SHOW_SQL_ROWS_MAX, &rows, err) < 0)
        return -1;
    if (ask->json)
        show_json_rows(&rows, out);
    else
        show_text_rows(&rows, s->width, out);
    if (rows.more && !ask->json)
        pl_buf_addf(out, "   (the first %d rows; there are more)\n", SHOW_SQL_ROWS_MAX);
    return 0;
}

static void all_ask(struct show *s, struct output *o, struct pl_err *first)
{
    if (groups_connect(s))
        groups_before(s);
    for (unsigned i = 0; i < s->routes_n; i++)
        output_ask(s, o, &s->routes[i], first);
    if (s->kafka_err.kind == PL_ERR_NONE)
        groups_after(s, first);
    else
        kafka_failed(s, first);
}

int show_run(const struct chsinkd_conf *conf, const struct show_ask *ask, struct pl_err *err)
{
    const void *output_conf;
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    PL_CLEANUP(show_release)
    struct show s = {.conf = conf,
                     .ask = ask,
                     .kind = chsinkd_conf_output(conf, &output_conf),
                     .now_ms = pl_clock_realtime_ms(),
                     .width = terminal_width()};
    struct pl_err first = {.kind = PL_ERR_NONE};
    s.where = s.kind->where(output_conf);
    groups_find(&s);
    struct output *o = s.kind->open(output_conf);
    routes_complete(&s, output_conf, o);
    int rc =
        ask->sql ? sql_run(&s, output_conf, o, &out, err) : routes_choose(&s, output_conf, err);
    if (!ask->sql && rc == 0) {
        all_ask(&s, o, &first);
        if (ask->json)
            show_json(&s, &out);
        else
            show_text(&s, &out);
    }
    s.kind->close(o);
    if (rc < 0 || print(&out, err) < 0)
        return -1;
    if (first.kind == PL_ERR_NONE)
        return 0;
    *err = first;
    return -1;
}
