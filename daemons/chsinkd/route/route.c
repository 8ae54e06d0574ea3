/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.c - a route from its YAML file, with all findings at once.
 *
 * Option tables check each mapping by itself; what joins several settings (a policy and the type it
 * needs, a key of the order and its column) is checked here after them, at the line that is wrong.
 */
#include "daemons/chsinkd/route/route.h"

#include <strings.h>

#include "daemons/chsinkd/route/internal.h"
#include "daemons/chsinkd/route/table_name.h"
#include "lib/json/reader.h"

/* A route and what only its file has, so that one table fills both. */
struct route_file {
    struct route route;
    char *table, *table_by, *rows;
    struct pl_strings table_values;
    int unknown_fields, rows_missing, tombstones, documents, strip;
    int64_t depth_max, add_after, add_columns_max;
    const struct pl_node *columns, *views; /* NULL once the file is read */
};

/* Of a consumer group's name; Kafka has no limit below that of a text. */
#define ROUTE_GROUP_MAX 200
/* Of table_by: each is a consumer group. */
#define ROUTE_VALUES_MAX 64
/* message_memory_max, where the route does not say. */
#define MEMORY_BYTES_MIN (INT64_C(64) << 20)

static const char *const unknown_choices[] = {"drop", "keep", "add", NULL};
static const char *const rows_missing_choices[] = {"reject", "none", NULL};
static const char *const documents_choices[] = {"one", "many", NULL};
/* In the order of enum route_strip. */
static const char *const strip_choices[] = {"none", "schema_registry", NULL};
/* In the order of enum route_tombstones. */
static const char *const tombstones_choices[] = {"skip", "dead_letter", "row", NULL};

#define ROUTE_TEXT(field, text)                                                                    \
    PL_OPTION(#field, STRING, struct route_file, route.field, .max = ROUTE_TEXT_MAX, .help = text)

static const struct pl_option route_opts[] = {
    ROUTE_TEXT(topic, "The topic that is read."),
    ROUTE_TEXT(topic_pattern, "A POSIX extended expression that begins with ^: all such topics."),
    PL_OPTION("table", STRING, struct route_file, table, .min = 1, .max = 256,
              .flags = PL_OPT_REQUIRED,
              .help = "\"table\" in the configured database, or \"database.table\"; a name that "
                      "holds a dot is in quotes."),
    PL_OPTION("table_by", STRING, struct route_file, table_by, .min = 1, .max = ROUTE_TEXT_MAX,
              .help = "A table for each value of this path, which stands for {} in its name."),
    PL_OPTION("table_values", STRINGS, struct route_file, table_values, .max = ROUTE_VALUES_MAX,
              .help = "The values that have one; rows with others are left out."),
    PL_OPTION("group", STRING, struct route_file, route.group, .max = ROUTE_GROUP_MAX,
              .help = "The consumer group by which the topic is read; default: the configured one. "
                      "A topic has one route in each group."),
    PL_OPTION("rows", STRING, struct route_file, rows, .min = 1, .max = ROUTE_TEXT_MAX, .dflt = "$",
              .help = "$: a message is a row; $.key[*]: each element of that array is one; $[*]: "
                      "the message is the array."),
    PL_OPTION("rows_missing", ENUM, struct route_file, rows_missing,
              .choices = rows_missing_choices, .dflt = "reject",
              .help = "A message without the array of its rows: refused, or one that has none."),
    PL_OPTION("documents", ENUM, struct route_file, documents, .choices = documents_choices,
              .dflt = "one",
              .help =
                  "A message is one JSON document, or many: JSON lines, or others in a row; each "
                  "is taken as a message of its own."),
    PL_OPTION("message.strip", ENUM, struct route_file, strip, .choices = strip_choices,
              .dflt = "none",
              .help = "Takes off what is before the JSON of each message: the frame of a schema "
                      "registry, whose id is there as from: schema_id."),
    PL_OPTION("tombstones", ENUM, struct route_file, tombstones, .choices = tombstones_choices,
              .dflt = "skip",
              .help = "A message without a value: skipped and counted, a dead letter, or a row in "
                      "which no path has a value."),
    ROUTE_TEXT(when, "Only such rows are taken: '$.type == \"edit\" and not exists(@.x)'."),
    PL_OPTION("unknown_fields", ENUM, struct route_file, unknown_fields, .choices = unknown_choices,
              .dflt = "drop",
              .help = "Fields that no column takes: drop them, keep them in the column with "
                      "unknown: true, or add columns to the table for them."),
    PL_OPTION("add.after", INT, struct route_file, add_after, .min = 1, .max = 1000000,
              .dflt = "100",
              .help = "With unknown_fields: add: once a field has come so often, with one type, in "
                      "the messages that are looked at."),
    PL_OPTION("add.columns_max", INT, struct route_file, add_columns_max, .min = 1,
              .max = ROUTE_COLUMNS_MAX, .dflt = "50",
              .help = "So many columns are added at most; those of earlier runs count."),
    PL_OPTION("message_bytes_max", SIZE, struct route_file, route.message_bytes_max, .min = 1,
              .max = 1 << 28, .dflt = "1MiB", .help = "A larger message is a dead letter."),
    PL_OPTION("message_memory_max", SIZE, struct route_file, route.message_memory_max, .min = 0,
              .max = INT64_C(1) << 34, .dflt = "0",
              .help = "A message whose rows take more memory is a dead letter: values from the "
                      "message around the rows are copied into each of them, so a small message "
                      "can become large. 0: four times message_bytes_max, at least 64 MiB."),
    PL_OPTION("depth_max", INT, struct route_file, depth_max, .min = 1, .max = PL_JSON_DEPTH_MAX,
              .dflt = "64", .help = "A message that is nested deeper is a dead letter."),
    PL_OPTION("outputs", STRINGS, struct route_file, route.outputs, .max = ROUTE_OUTPUTS_MAX,
              .help = "Only an instance whose output is one of these takes the route; none: any."),
    PL_OPTION("columns", NODE, struct route_file, columns, .flags = PL_OPT_REQUIRED,
              .help = "The list of columns."),
    PL_OPTION("engine", STRING, struct route_file, route.engine, .min = 1, .max = ROUTE_TEXT_MAX,
              .dflt = "MergeTree", .help = "The table's engine, as ClickHouse has it."),
    ROUTE_TEXT(order_by, "ORDER BY."),
    ROUTE_TEXT(primary_key, "PRIMARY KEY, where it is not the order."),
    ROUTE_TEXT(partition_by, "PARTITION BY."),
    ROUTE_TEXT(sample_by, "SAMPLE BY."),
    ROUTE_TEXT(ttl, "TTL."),
    ROUTE_TEXT(cluster, "ON CLUSTER: the cluster's name."),
    PL_OPTION("settings", MAP, struct route_file, route.settings, .help = "SETTINGS of the table."),
    PL_OPTION("views", NODE, struct route_file, views, .help = "The list of materialized views."),
    PL_OPT_END,
};

#define VIEW_TEXT(field, length_min, flags_, text)                                                 \
    PL_OPTION(#field, STRING, struct route_view, field, .min = (length_min),                       \
              .max = ROUTE_TEXT_MAX, .flags = (flags_), .help = text)

static const struct pl_option view_opts[] = {
    VIEW_TEXT(name, 1, PL_OPT_REQUIRED, "The view's name, in the table's database."),
    VIEW_TEXT(engine, 1, PL_OPT_REQUIRED, "Its engine."),
    VIEW_TEXT(order_by, 0, 0, "ORDER BY."),
    VIEW_TEXT(partition_by, 0, 0, "PARTITION BY."),
    VIEW_TEXT(ttl, 0, 0, "TTL."),
    VIEW_TEXT(select, 1, PL_OPT_REQUIRED, "SELECT ... FROM {table} ..."),
    PL_OPT_END,
};

static const struct column *column_find(const struct route *r, const char *name, size_t len)
{
    for (unsigned i = 0; i < r->columns_n; i++) {
        const char *have = r->columns[i].name;
        if (have && strlen(have) == len && memcmp(have, name, len) == 0)
            return &r->columns[i];
    }
    return NULL;
}

/* Names that differ only in case would be one column for outputs that ignore case (DuckDB), and
 * people mix them up. */
static void names_check(const struct route *r, unsigned i, const struct pl_node *node,
                        struct pl_findings *errs)
{
    const char *name = r->columns[i].name;
    for (unsigned k = 0; name && k < i; k++) {
        const char *other = r->columns[k].name;
        if (!other || strcasecmp(name, other) != 0)
            continue;
        if (strcmp(name, other) == 0)
            finding(errs, node_of(node, "name"), "column %s is there twice", name);
        else
            finding(errs, node_of(node, "name"),
                    "columns %s and %s differ only in the case of letters", other, name);
        return;
    }
}

static void columns_load(struct route *r, const struct pl_node *list, struct pl_findings *errs)
{
    if (list->type != PL_NODE_SEQ || !list->child) {
        finding(errs, list, "columns: a list of at least one column is needed");
        return;
    }
    unsigned n = 0, sent = 0, unknown = 0, before = errs->count;
    for (const struct pl_node *e = list->child; e; e = e->next)
        n++;
    if (n > ROUTE_COLUMNS_MAX) {
        finding(errs, list, "columns: %u are more than %d", n, ROUTE_COLUMNS_MAX);
        return;
    }
    r->columns = pl_alloc_array(n, sizeof(*r->columns));
    for (struct pl_node *e = list->child; e; e = e->next) {
        unsigned i = r->columns_n++;
        struct column *c = &r->columns[i];
        if (e->type != PL_NODE_MAP) {
            finding(errs, e, "columns: each column is a mapping (name, type, path ...)");
            continue;
        }
        column_load(e, c, errs);
        names_check(r, i, e, errs);
        sent += c->source != COLUMN_EXPRESSION;
        if (c->source == COLUMN_UNKNOWN && unknown++ > 0)
            finding(errs, e, "column %s: another column has unknown: true already", c->name);
        int *has = c->source == COLUMN_TOPIC       ? &r->has_topic
                   : c->source == COLUMN_PARTITION ? &r->has_partition
                   : c->source == COLUMN_OFFSET    ? &r->has_offset
                                                   : NULL;
        if (has && *has < 0)
            *has = (int)i;
    }
    if (sent == 0 && errs->count == before)
        finding(errs, list, "columns: all are expressions, nothing would be sent");
    if (r->unknown_keep && unknown == 0)
        finding(errs, list, "unknown_fields: keep needs a column with unknown: true");
    if (!r->unknown_keep && !r->add.after && unknown > 0)
        finding(errs, list, "a column has unknown: true, but unknown_fields is drop");
    r->unknown_keep = unknown > 0; /* with add: what has no column, or none yet */
}

bool path_is_below_rows(const struct route *r, const struct column_path *p)
{
    bool below =
        !p->from_row && r->rows_each && (r->rows.keys_n == 0 || p->keys_n > r->rows.keys_n);
    for (unsigned n = 0; below && n < r->rows.keys_n; n++)
        below = strcmp(p->keys[n], r->rows.keys[n]) == 0;
    return below;
}

/* A path from the message into the array of the rows can never have a value, nor can the message as
 * a whole be anything but JSON. */
static void paths_check(const struct route *r, const struct pl_node *list, struct pl_findings *errs)
{
    const struct pl_node *e = list->type == PL_NODE_SEQ ? list->child : NULL;
    for (unsigned i = 0; i < r->columns_n && e; i++, e = e->next) {
        const struct column *c = &r->columns[i];
        if (c->source == COLUMN_SCHEMA_ID && r->strip != STRIP_SCHEMA_REGISTRY)
            finding(errs, node_of(e, "from"),
                    "column %s: from: schema_id needs message: {strip: schema_registry}", c->name);
        for (unsigned k = 0; k < c->paths_n; k++) {
            const struct column_path *p = &c->paths[k];
            if (!r->rows_each && p->from_row && p->keys_n == 0 && !column_takes_object(c))
                finding(errs, node_of(e, "path"),
                        "column %s: the message is an object: it needs json: true", c->name);
            if (path_is_below_rows(r, p))
                finding(errs, node_of(e, "path"),
                        "column %s: its path goes into the array of the rows; begin it with @",
                        c->name);
        }
    }
}

static void when_check(struct route *r, const struct pl_node *node, struct pl_findings *errs)
{
    struct pl_err err;
    if (!r->when)
        return;
    if (condition_parse(r->when, &r->condition, &err) < 0)
        finding(errs, node, "when: %s", err.msg);
    for (unsigned i = 0; i < r->condition.paths_n; i++) {
        const struct column_path *p = &r->condition.paths[i];
        if (p->keys_n == 0 && !(p->from_row && r->rows_each))
            finding(errs, node,
                    "when: the message as a whole is compared with nothing; a key is "
                    "needed: $.key");
        if (path_is_below_rows(r, p))
            finding(errs, node, "when: a path goes into the array of the rows; begin it with @");
    }
}

static bool is_merge_tree(const char *engine)
{
    return engine && strstr(engine, "MergeTree") != NULL;
}

/* "(a, b)" or "a": each name must be a column, and not Nullable (ClickHouse refuses such keys). A
 * text with anything else in it, such as a call, is left to ClickHouse. */
static void key_check(const struct route *r, const struct pl_node *map, const char *key,
                      const char *text, struct pl_findings *errs)
{
    if (!text ||
        text[strspn(text, " ,()_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")])
        return;
    for (const char *open = text; (open = strchr(open, '(')); open++) {
        const char *before = open;
        while (before > text && before[-1] == ' ')
            before--;
        if (before > text && before[-1] != ',' && before[-1] != '(')
            return; /* a call */
    }
    for (const char *p = text; *(p += strspn(p, " ,()"));) {
        size_t len = strcspn(p, " ,()");
        const struct column *c = column_find(r, p, len);
        bool direction =
            len <= 4 && (strncasecmp(p, "DESC", len) == 0 || strncasecmp(p, "ASC", len) == 0);
        if (!c && !direction)
            finding(errs, node_of(map, key), "%s: there is no column %.*s", key, (int)len, p);
        else if (c && c->type.nullable && !pl_map_get(&r->settings, "allow_nullable_key"))
            finding(errs, node_of(map, key), "%s: column %s is Nullable, which a key cannot be",
                    key, c->name);
        p += len;
    }
}

static void views_load(struct route *r, const struct pl_node *list, struct pl_findings *errs)
{
    if (!list)
        return;
    if (list->type != PL_NODE_SEQ) {
        if (list->type != PL_NODE_SCALAR || *list->value)
            finding(errs, list, "views: a list is needed");
        return;
    }
    r->views = pl_alloc_array(ROUTE_VIEWS_MAX, sizeof(*r->views));
    for (struct pl_node *e = list->child; e; e = e->next) {
        if (r->views_n == ROUTE_VIEWS_MAX) {
            finding(errs, e, "views: more than %d", ROUTE_VIEWS_MAX);
            return;
        }
        struct route_view *v = &r->views[r->views_n++];
        if (e->type != PL_NODE_MAP) {
            finding(errs, e, "views: each view is a mapping (name, engine, order_by, select ...)");
            continue;
        }
        if (pl_options_apply(view_opts, e, v, errs) < 0)
            continue;
        text_normalize(&v->order_by);
        text_normalize(&v->partition_by);
        text_normalize(&v->ttl);
        if (r->value && !split_fill(&v->name, r->value))
            finding(errs, node_of(e, "name"), "view %s: with table_by its name has {} in it",
                    v->name);
        if (!strstr(v->select, "{table}"))
            finding(errs, node_of(e, "select"), "view %s: select reads FROM {table}", v->name);
        if (is_merge_tree(v->engine) && !v->order_by)
            finding(errs, e, "view %s: engine %s needs order_by", v->name, v->engine);
        if (!name_valid(v->name) || strchr(v->name, '.') || strcmp(v->name, r->table) == 0)
            finding(errs, node_of(e, "name"), "view %s: the name must be plain and not the table's",
                    v->name);
        for (unsigned i = 0; i + 1 < r->views_n; i++)
            if (r->views[i].name && strcmp(r->views[i].name, v->name) == 0)
                finding(errs, node_of(e, "name"), "view %s is there twice", v->name);
    }
}

static void topic_check(struct route *r, const struct pl_node *root, struct pl_findings *errs)
{
    const struct pl_node *node = node_of(root, r->topic_pattern ? "topic_pattern" : "topic");
    if (!r->topic && !r->topic_pattern)
        finding(errs, node, "topic or topic_pattern is needed");
    else if (r->topic && r->topic_pattern)
        finding(errs, node, "topic and topic_pattern are both given: only one of them is allowed");
    if (!r->topic_pattern || r->topic)
        return;
    /* librdkafka takes a subscription as a pattern only when it begins with ^. */
    if (*r->topic_pattern != '^') {
        finding(errs, node, "topic_pattern must begin with ^");
        return;
    }
    int code = regcomp(&r->pattern, r->topic_pattern, REG_EXTENDED | REG_NOSUB);
    if (code != 0) {
        char why[128];
        regerror(code, &r->pattern, why, sizeof(why));
        finding(errs, node, "topic_pattern: %s", why);
        return;
    }
    r->pattern_compiled = true;
}

static void table_check(struct route_file *f, const struct pl_node *root, struct pl_findings *errs)
{
    struct route *r = &f->route;
    struct pl_err err;
    if (!name_valid(f->table))
        finding(errs, node_of(root, "table"), "table: a name is UTF-8 without control characters");
    else if (table_name_parse(f->table, &r->database, &r->table, &err) < 0)
        finding(errs, node_of(root, "table"), "table: %s", err.msg);
    if (!r->table)
        r->table = pl_strdup("");
}

void text_normalize(char **text)
{
    if (*text && !**text) {
        free(*text);
        *text = NULL;
    }
}

static void add_check(struct route_file *f, const struct pl_node *root, struct pl_findings *errs)
{
    if (f->unknown_fields == 2) {
        f->route.add.after = f->add_after;
        f->route.add.columns_max = f->add_columns_max;
    } else if (pl_node_get(root, "add")) {
        finding(errs, node_of(root, "add"), "add is for unknown_fields: add");
    }
}

/* Everything after the top table; `root` is a mapping. */
static void route_check(struct route_file *f, struct pl_node *root, unsigned value,
                        struct pl_findings *errs)
{
    struct route *r = &f->route;
    char **texts[] = {&r->topic,        &r->topic_pattern, &r->group, &r->order_by, &r->primary_key,
                      &r->partition_by, &r->sample_by,     &r->ttl,   &r->cluster,  &r->when};
    for (unsigned i = 0; i < PL_COUNT(texts); i++)
        text_normalize(texts[i]);
    topic_check(r, root, errs);
    if (r->group && !name_valid(r->group))
        finding(errs, node_of(root, "group"), "group: a name is UTF-8 without control characters");
    if (f->table)
        table_check(f, root, errs);
    else
        r->table = pl_strdup("");
    split_apply(r, f->table_by, &f->table_values, value, root, errs);
    r->unknown_keep = f->unknown_fields == 1;
    add_check(f, root, errs);
    r->depth_max = (unsigned)f->depth_max;
    if (r->message_memory_max == 0)
        r->message_memory_max = r->message_bytes_max > MEMORY_BYTES_MIN / 4
                                    ? 4 * r->message_bytes_max
                                    : MEMORY_BYTES_MIN;
    struct pl_err err;
    if (f->rows && rows_path_parse(f->rows, &r->rows, &r->rows_each, &err) < 0)
        finding(errs, node_of(root, "rows"), "rows: %s", err.msg);
    r->rows_optional = f->rows_missing == 1;
    r->documents_many = f->documents == 1;
    r->strip = (enum route_strip)f->strip;
    r->tombstones = (enum route_tombstones)f->tombstones;
    if (r->rows_optional && !r->rows_each)
        finding(errs, node_of(root, "rows_missing"),
                "rows_missing is for rows out of an array (rows: $.key[*])");
    if (r->tombstones == TOMBSTONES_ROW && r->rows_each)
        finding(errs, node_of(root, "tombstones"),
                "tombstones: row needs rows: $; a message without a value has no array");
    when_check(r, node_of(root, "when"), errs);
    if (f->columns) {
        columns_load(r, f->columns, errs);
        paths_check(r, f->columns, errs);
        columns_group_each(r->columns, r->columns_n);
        key_check(r, root, "order_by", r->order_by, errs);
        key_check(r, root, "primary_key", r->primary_key, errs);
    }
    if (is_merge_tree(r->engine) && !r->order_by)
        finding(errs, node_of(root, "engine"),
                "order_by is needed by the engine %s (\"tuple()\": no order)", r->engine);
    views_load(r, f->views, errs);
}

static void node_add(struct pl_buf *out, const struct pl_node *node)
{
    const char *key = node->key ? node->key : "", *value = node->value ? node->value : "";
    pl_buf_addf(out, "%d%d %zu:%s %zu:%s(", node->type, node->quoted, strlen(key), key,
                strlen(value), value);
    for (const struct pl_node *child = node->child; child; child = child->next)
        node_add(out, child);
    pl_buf_add_byte(out, ')');
}

/* `value`: which one of table_by. */
static struct route *route_build(const char *name, struct pl_node *root, unsigned value,
                                 struct pl_findings *errs)
{
    unsigned before = errs->count;
    struct route_file *f = pl_alloc(sizeof(*f));
    struct route *r = &f->route;
    struct pl_buf text = {0};
    node_add(&text, root);
    r->text = pl_buf_take(&text);
    r->name = pl_strdup(name);
    r->has_topic = r->has_partition = r->has_offset = -1;
    /* The checks run even after findings of the table, so that all findings are reported. */
    pl_options_apply(route_opts, root, f, errs);
    route_check(f, root, value, errs);
    f->columns = f->views = NULL;
    if (errs->count == before)
        return r;
    route_free(r);
    return NULL;
}

struct route *route_parse(const char *name, const char *text, size_t len, struct pl_findings *errs)
{
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text, len, errs);
    return root ? route_build(name, root, 0, errs) : NULL;
}

unsigned route_load_all(const char *file, struct pl_findings *errs, struct route ***ret)
{
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_load(file, errs);
    if (!root)
        return 0;
    const char *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file;
    const char *dot = strrchr(base, '.');
    PL_FREE char *name =
        dot && dot > base ? pl_strndup(base, (size_t)(dot - base)) : pl_strdup(base);
    struct route *first = route_build(name, root, 0, errs);
    if (!first)
        return 0;
    unsigned n = first->values_n > 0 ? first->values_n : 1;
    struct route **all = pl_alloc_array(n, sizeof(*all));
    unsigned built = 1;
    all[0] = first;
    while (built < n && (all[built] = route_build(name, root, built, errs)))
        built++;
    if (built == n) {
        *ret = all;
        return n;
    }
    while (built > 0)
        route_free(all[--built]);
    free(all);
    return 0;
}

struct route *route_load(const char *file, struct pl_findings *errs)
{
    struct route **all = NULL;
    unsigned n = route_load_all(file, errs, &all);
    struct route *first = n > 0 ? all[0] : NULL;
    for (unsigned i = 1; i < n; i++)
        route_free(all[i]);
    free(all);
    return first;
}

void route_free(struct route *r)
{
    if (!r)
        return;
    struct route_file *f = (struct route_file *)((char *)r - offsetof(struct route_file, route));
    for (unsigned i = 0; i < r->columns_n; i++)
        column_release(&r->columns[i]);
    free(r->columns);
    for (unsigned i = 0; i < r->views_n; i++)
        pl_options_release(view_opts, &r->views[i]);
    free(r->views);
    if (r->pattern_compiled)
        regfree(&r->pattern);
    column_path_release(&r->rows);
    condition_release(&r->condition);
    free(r->name);
    free(r->text);
    free(r->value);
    free(r->database);
    free(r->table);
    pl_options_release(route_opts, f);
    free(f);
}

const struct column *route_column_nocase(const struct route *r, const char *name)
{
    for (unsigned i = 0; i < r->columns_n; i++)
        if (strcasecmp(r->columns[i].name, name) == 0)
            return &r->columns[i];
    return NULL;
}

bool route_takes(const struct route *r, const char *topic)
{
    if (r->pattern_compiled)
        return regexec(&r->pattern, topic, 0, NULL, 0) == 0;
    return strcmp(r->topic, topic) == 0;
}
