/* SPDX-License-Identifier: Apache-2.0 */
/*
 * describe.c - what there is of a table. Of the server's own tables only those are needed that
 * every user can read (system.tables, system.columns); the last loads come from system.query_log,
 * which may be switched off or not granted, else from the newest parts.
 *
 * Statements name no aliases: they would hide columns of the same name.
 */
#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/clickhouse/presence.h"
#include "daemons/chsinkd/clickhouse/select.h"
#include "daemons/chsinkd/clickhouse/table.h"

#define OWNED_BUF  PL_CLEANUP(pl_buf_release)
#define OWNED_ROWS PL_CLEANUP(output_rows_release)

/* More partitions than these are not told. */
#define PLACES_MAX 10000

struct look {
    struct clickhouse *client;
    const struct output_target *target;
    const struct route *route;
    struct output_facts *facts;
};

/* ---- cells ---- */

/* As a string; NULL: null. `row` exists. Cells of these statements hold no NUL. */
static const char *cell_text(struct output_rows *r, size_t row, unsigned column, struct pl_buf *buf)
{
    struct pl_slice s = output_rows_get(r, row, column);
    pl_buf_reset(buf);
    pl_buf_add(buf, s.p, s.len);
    return s.p ? pl_buf_cstr(buf) : NULL;
}

static int64_t cell_number(const struct output_rows *r, size_t row, unsigned column)
{
    struct pl_slice s = output_rows_get(r, row, column);
    char digits[24] = "";
    if (!s.p || s.len == 0 || s.len >= sizeof(digits))
        return -1;
    memcpy(digits, s.p, s.len);
    return strtoll(digits, NULL, 10);
}

/* ---- statements ---- */

static void add_text(struct pl_buf *sql, const char *text)
{
    clickhouse_quote_string(sql, text, strlen(text));
}

static void add_column(struct pl_buf *sql, const struct look *l, int column)
{
    clickhouse_quote_ident(sql, l->route->columns[column].name);
}

static void add_table(struct pl_buf *sql, const struct look *l)
{
    clickhouse_quote_ident(sql, l->target->database);
    pl_buf_add_byte(sql, '.');
    clickhouse_quote_ident(sql, l->route->table);
}

/* " WHERE database = … AND NAME = …" */
static void add_where(struct pl_buf *sql, const struct look *l, const char *name)
{
    pl_buf_add_str(sql, " WHERE database = ");
    add_text(sql, l->target->database);
    pl_buf_addf(sql, " AND %s = ", name);
    add_text(sql, l->route->table);
}

static int look_ask(const struct look *l, struct pl_buf *sql, struct output_rows *ret,
                    struct pl_err *err)
{
    if (select_query(l->client, pl_buf_cstr(sql), 0, ret, err) == 0)
        return 0;
    if (err->kind == PL_ERR_REJECT)
        err->kind = PL_ERR_CONFIG;
    return pl_err_prefix(err, "cannot look at table %s", l->target->name);
}

/* ---- the table, its views ---- */

static int ask_table(const struct look *l, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0}, text = {0};
    OWNED_ROWS struct output_rows rows = {0};
    pl_buf_add_str(&sql, "SELECT engine, total_rows, total_bytes FROM system.tables");
    add_where(&sql, l, "name");
    l->facts->rows = l->facts->bytes = -1;
    if (look_ask(l, &sql, &rows, err) < 0)
        return -1;
    if (output_rows_n(&rows) == 0)
        return 0;
    const char *engine = cell_text(&rows, 0, 0, &text);
    l->facts->exists = true;
    snprintf(l->facts->engine, sizeof(l->facts->engine), "%s", engine ? engine : "");
    l->facts->rows = cell_number(&rows, 0, 1);
    l->facts->bytes = cell_number(&rows, 0, 2);
    return 0;
}

static int ask_view(const struct look *l, const char *name, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    OWNED_ROWS struct output_rows rows = {0};
    struct output_view_fact view = {.name = (char *)name, .rows = -1, .bytes = -1};
    pl_buf_add_str(&sql, "SELECT total_rows, total_bytes FROM system.tables WHERE database = ");
    add_text(&sql, l->target->database);
    pl_buf_add_str(&sql, " AND name = ");
    add_text(&sql, name);
    if (look_ask(l, &sql, &rows, err) < 0)
        return -1;
    if (output_rows_n(&rows) > 0) {
        view.exists = true;
        view.rows = cell_number(&rows, 0, 0);
        view.bytes = cell_number(&rows, 0, 1);
    }
    output_facts_view(l->facts, &view);
    return 0;
}

/* ---- columns ---- */

static const struct column *route_column(const struct route *r, const char *name)
{
    for (unsigned i = 0; i < r->columns_n; i++)
        if (strcmp(r->columns[i].name, name) == 0)
            return &r->columns[i];
    return NULL;
}

/* As table_ensure() has it; `kind`: "", DEFAULT, MATERIALIZED, ALIAS, EPHEMERAL. */
static bool column_fits(const struct column *c, const char *type, const char *kind)
{
    if (!ch_type_matches(&c->type, type))
        return false;
    if (c->source == COLUMN_EXPRESSION)
        return kind[0] != '\0';
    if (c->ephemeral || c->missing == MISSING_TABLE)
        return strcmp(kind, c->ephemeral ? "EPHEMERAL" : "DEFAULT") == 0;
    return kind[0] == '\0' || strcmp(kind, "DEFAULT") == 0;
}

static void column_add(const struct look *l, const char *name, const char *type, const char *kind)
{
    const struct column *c = route_column(l->route, name);
    bool differs = c && !column_fits(c, type, kind);
    PL_FREE char *there = pl_strf("%s%s%s", type, kind[0] ? " " : "", kind);
    PL_FREE char *wanted =
        c ? pl_strf("%s%s", c->type.ddl, c->source == COLUMN_EXPRESSION ? " DEFAULT" : "") : NULL;
    output_facts_column(l->facts, name, there, wanted, differs);
}

static bool is_told(const struct output_facts *f, const char *name)
{
    for (unsigned i = 0; i < f->columns_n; i++)
        if (strcmp(f->columns[i].name, name) == 0)
            return true;
    return false;
}

static int ask_columns(const struct look *l, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0}, name = {0}, type = {0}, kind = {0};
    OWNED_ROWS struct output_rows rows = {0};
    pl_buf_add_str(&sql, "SELECT name, type, default_kind FROM system.columns");
    add_where(&sql, l, "table");
    pl_buf_add_str(&sql, " ORDER BY position");
    if (look_ask(l, &sql, &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < output_rows_n(&rows); i++)
        column_add(l, cell_text(&rows, i, 0, &name), cell_text(&rows, i, 1, &type),
                   cell_text(&rows, i, 2, &kind));
    for (unsigned i = 0; i < l->route->columns_n; i++) {
        const struct column *c = &l->route->columns[i];
        if (!is_told(l->facts, c->name))
            output_facts_column(l->facts, c->name, NULL, c->type.ddl, false);
    }
    return 0;
}

/* ---- where the rows end ---- */

static int ask_places(const struct look *l, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0}, topic = {0};
    OWNED_ROWS struct output_rows rows = {0};
    struct output_facts *f = l->facts;
    if (!presence_route_places(l->route) || presence_of_engine(f->engine) == PRESENCE_NONE) {
        snprintf(f->places_note, sizeof(f->places_note), "%s",
                 presence_route_places(l->route)
                     ? "the table's engine does not keep rows as they came"
                     : "the route has no columns from topic, partition and offset");
        return 0;
    }
    pl_buf_add_str(&sql, "SELECT ");
    add_column(&sql, l, l->route->has_topic);
    pl_buf_add_str(&sql, ", ");
    add_column(&sql, l, l->route->has_partition);
    pl_buf_add_str(&sql, ", max(");
    add_column(&sql, l, l->route->has_offset);
    pl_buf_add_str(&sql, ") + 1, count() FROM ");
    add_table(&sql, l);
    pl_buf_add_str(&sql, " GROUP BY 1, 2 ORDER BY 1, 2 LIMIT ");
    pl_buf_addf(&sql, "%d", PLACES_MAX);
    if (look_ask(l, &sql, &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < output_rows_n(&rows); i++) {
        const char *name = cell_text(&rows, i, 0, &topic);
        output_facts_place(
            f, &(struct output_place_fact){.topic = (char *)(name ? name : ""),
                                           .partition = (int32_t)cell_number(&rows, i, 1),
                                           .next = cell_number(&rows, i, 2),
                                           .rows = cell_number(&rows, i, 3)});
    }
    return 0;
}

/* ---- last loads ---- */

/* "TARGET:TOPIC:PARTITION:START:END:TIME": a topic holds no colon, a table's name may. */
bool select_token_range(const char *token, const char *target, char *topic, size_t size,
                        struct output_load *ret)
{
    size_t n = strlen(target);
    if (strncmp(token, target, n) != 0 || token[n] != ':')
        return false;
    const char *name = token + n + 1, *end = strchr(name, ':');
    int used = 0;
    int64_t start, behind, time;
    int32_t partition;
    if (!end || (size_t)(end - name) >= size ||
        sscanf(end, ":%" SCNd32 ":%" SCNd64 ":%" SCNd64 ":%" SCNd64 "%n", &partition, &start,
               &behind, &time, &used) != 4 ||
        end[used])
        return false;
    snprintf(topic, size, "%.*s", (int)(end - name), name);
    *ret = (struct output_load){.topic = topic,
                                .partition = partition,
                                .start = start,
                                .end = behind,
                                .rows = -1,
                                .at_ms = -1,
                                .took_ms = -1};
    return true;
}

/* The rows that each range has in the table; query_log counts those of the views, too. */
static int ask_load_rows(const struct look *l, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    OWNED_ROWS struct output_rows rows = {0};
    struct output_facts *f = l->facts;
    if (f->loads_n == 0 || f->places_note[0])
        return 0;
    for (unsigned i = 0; i < f->loads_n; i++) {
        const struct output_load *load = &f->loads[i];
        pl_buf_add_str(&sql, i == 0 ? "SELECT countIf(" : ", countIf(");
        add_column(&sql, l, l->route->has_topic);
        pl_buf_add_str(&sql, " = ");
        add_text(&sql, load->topic);
        pl_buf_add_str(&sql, " AND ");
        add_column(&sql, l, l->route->has_partition);
        pl_buf_addf(&sql, " = %" PRId32 " AND ", load->partition);
        add_column(&sql, l, l->route->has_offset);
        pl_buf_addf(&sql, " >= %" PRId64 " AND ", load->start);
        add_column(&sql, l, l->route->has_offset);
        pl_buf_addf(&sql, " < %" PRId64 ")", load->end);
    }
    pl_buf_add_str(&sql, " FROM ");
    add_table(&sql, l);
    if (look_ask(l, &sql, &rows, err) < 0)
        return -1;
    for (unsigned i = 0; i < f->loads_n && output_rows_n(&rows) == 1; i++)
        f->loads[i].rows = cell_number(&rows, 0, i);
    return 0;
}

/* -1 only for RETRY: without a log, or the right to read it, there are the parts. */
static int ask_query_log(const struct look *l, bool *ret_known, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0}, token = {0};
    OWNED_ROWS struct output_rows rows = {0};
    struct output_load load;
    char topic[256];
    pl_buf_add_str(&sql, "SELECT Settings['insert_deduplication_token'], "
                         "toUnixTimestamp64Milli(event_time_microseconds), query_duration_ms, "
                         "written_rows, length(tables) FROM system.query_log WHERE event_date >= "
                         "today() - 7 AND type = 'QueryFinish' AND query_kind = 'Insert' AND "
                         "startsWith(Settings['insert_deduplication_token'], ");
    pl_buf_addf(&token, "%s:", l->target->name);
    add_text(&sql, pl_buf_cstr(&token));
    pl_buf_addf(&sql, ") ORDER BY event_time_microseconds DESC LIMIT %d", OUTPUT_LOADS_MAX);
    *ret_known = false;
    if (look_ask(l, &sql, &rows, err) < 0)
        return err->kind == PL_ERR_RETRY ? -1 : 0;
    for (size_t i = 0; i < output_rows_n(&rows); i++) {
        const char *text = cell_text(&rows, i, 0, &token);
        if (!text || !select_token_range(text, l->target->name, topic, sizeof(topic), &load))
            continue;
        load.at_ms = cell_number(&rows, i, 1);
        load.took_ms = cell_number(&rows, i, 2);
        if (cell_number(&rows, i, 4) == 1)
            load.rows = cell_number(&rows, i, 3);
        output_facts_load(l->facts, &load);
    }
    *ret_known = l->facts->loads_n > 0;
    return 0;
}

/* A part that no merge has touched is one load, or its share in one of the table's partitions. */
static int ask_parts(const struct look *l, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0}, topic = {0};
    OWNED_ROWS struct output_rows parts = {0};
    struct output_facts *f = l->facts;
    pl_buf_add_str(&sql, "SELECT name, toUnixTimestamp(modification_time) FROM system.parts");
    add_where(&sql, l, "table");
    pl_buf_addf(&sql, " AND active ORDER BY modification_time DESC, name DESC LIMIT %d",
                OUTPUT_LOADS_MAX);
    if (look_ask(l, &sql, &parts, err) < 0)
        return err->kind == PL_ERR_RETRY ? -1 : 0;
    for (size_t i = 0; i < output_rows_n(&parts) && f->loads_n < OUTPUT_LOADS_MAX; i++) {
        OWNED_ROWS struct output_rows rows = {0};
        pl_buf_reset(&sql);
        pl_buf_add_str(&sql, "SELECT ");
        add_column(&sql, l, l->route->has_topic);
        pl_buf_add_str(&sql, ", ");
        add_column(&sql, l, l->route->has_partition);
        pl_buf_add_str(&sql, ", min(");
        add_column(&sql, l, l->route->has_offset);
        pl_buf_add_str(&sql, "), max(");
        add_column(&sql, l, l->route->has_offset);
        pl_buf_add_str(&sql, ") + 1, count() FROM ");
        add_table(&sql, l);
        pl_buf_add_str(&sql, " WHERE _part = ");
        add_text(&sql, cell_text(&parts, i, 0, &topic));
        pl_buf_addf(&sql, " GROUP BY 1, 2 ORDER BY 1, 2 LIMIT %d", OUTPUT_LOADS_MAX);
        if (look_ask(l, &sql, &rows, err) < 0)
            return err->kind == PL_ERR_RETRY ? -1 : 0;
        for (size_t k = 0; k < output_rows_n(&rows); k++) {
            const char *name = cell_text(&rows, k, 0, &topic);
            output_facts_load(f,
                              &(struct output_load){.topic = (char *)(name ? name : ""),
                                                    .partition = (int32_t)cell_number(&rows, k, 1),
                                                    .start = cell_number(&rows, k, 2),
                                                    .end = cell_number(&rows, k, 3),
                                                    .rows = cell_number(&rows, k, 4),
                                                    .at_ms = cell_number(&parts, i, 1) * 1000,
                                                    .took_ms = -1});
        }
    }
    return 0;
}

static int ask_loads(const struct look *l, struct pl_err *err)
{
    struct output_facts *f = l->facts;
    size_t size = sizeof(f->loads_note), name_len = strlen(f->engine);
    bool logged, parts = name_len >= 9 && strcmp(f->engine + name_len - 9, "MergeTree") == 0;
    if (ask_query_log(l, &logged, err) < 0)
        return -1;
    if (logged) {
        snprintf(f->loads_note, size, "from system.query_log");
        return ask_load_rows(l, err);
    }
    if (f->places_note[0] || !parts) {
        snprintf(f->loads_note, size,
                 "not known: system.query_log has none of the last 7 days, or cannot be read");
        return 0;
    }
    snprintf(f->loads_note, size,
             "from the table's newest parts, as system.query_log has none; a merged part is "
             "several loads");
    return ask_parts(l, err);
}

/* ---- newest rows ---- */

static void newest_set(const struct look *l)
{
    OWNED_BUF struct pl_buf sql = {0};
    int timestamp = -1;
    for (unsigned i = 0; i < l->route->columns_n; i++)
        if (l->route->columns[i].source == COLUMN_TIMESTAMP)
            timestamp = (int)i;
    if (timestamp < 0 && l->route->has_offset < 0)
        return;
    pl_buf_add_str(&sql, "SELECT * FROM ");
    add_table(&sql, l);
    pl_buf_add_str(&sql, " ORDER BY ");
    if (timestamp >= 0)
        add_column(&sql, l, timestamp);
    if (timestamp >= 0 && l->route->has_offset >= 0)
        pl_buf_add_str(&sql, " DESC, ");
    if (l->route->has_offset >= 0)
        add_column(&sql, l, l->route->has_offset);
    pl_buf_add_str(&sql, " DESC");
    pl_buf_cstr(&sql);
    l->facts->newest_sql = pl_buf_take(&sql);
}

int select_describe(struct clickhouse *c, const struct output_target *t, struct output_facts *ret,
                    struct pl_err *err)
{
    const struct look l = {c, t, t->route, ret};
    if (ask_table(&l, err) < 0 || ask_columns(&l, err) < 0)
        return -1;
    for (unsigned i = 0; i < t->route->views_n; i++)
        if (ask_view(&l, t->route->views[i].name, err) < 0)
            return -1;
    if (!ret->exists)
        return 0;
    if (ask_places(&l, err) < 0 || ask_loads(&l, err) < 0)
        return -1;
    newest_set(&l);
    return 0;
}
