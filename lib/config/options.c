/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - applies an option table to a mapping.
 *
 * The file is walked in its own order, so that findings come in the order of its lines; each key is
 * an option, a mapping on the way to options, or unknown. An option that was not met gets its
 * default, or is missing.
 */
#include "lib/config/options.h"

#include "lib/config/internal.h"

struct walk {
    const struct pl_option *table;
    bool *seen; /* parallel to the table: no default is to be set */
    void *target;
    struct pl_findings *errs;
};

/* ---- did you mean ---- */

/* The known path that an unknown key may have been meant to be, malloc()ed, or NULL: one of the
 * same mapping, else the same key elsewhere. */
static char *key_guess(const struct pl_option *table, const char *prefix, const char *key)
{
    size_t prefix_len = strlen(prefix);
    unsigned best = strlen(key) < 5 ? 2 : 3; /* two edits make anything of three letters */
    char *guess = NULL;
    for (const struct pl_option *o = table; o->path; o++) {
        if (strncmp(o->path, prefix, prefix_len) != 0)
            continue;
        const char *segment = o->path + prefix_len;
        size_t len = strcspn(segment, ".");
        PL_FREE char *name = pl_strndup(segment, len);
        unsigned distance = pl_edit_distance(key, name);
        if (distance < best) {
            best = distance;
            free(guess);
            guess = pl_strndup(o->path, prefix_len + len);
        }
    }
    for (const struct pl_option *o = table; o->path && !guess; o++) {
        const char *dot = strrchr(o->path, '.');
        if (pl_edit_distance(key, dot ? dot + 1 : o->path) == 0)
            guess = pl_strdup(o->path);
    }
    return guess;
}

static void unknown_finding(const struct walk *w, const char *prefix, const struct pl_node *n)
{
    for (const struct pl_option *o = w->table; o->path; o++) {
        const char *dot = strrchr(o->path, '.');
        if (strchr(n->key, '.') && strncmp(o->path, prefix, strlen(prefix)) == 0 &&
            strcmp(o->path + strlen(prefix), n->key) == 0) {
            pl_findings_add(w->errs, n->key_line, n->key_column,
                            "unknown key %s%.60s; put %s into the mapping %.*s", prefix, n->key,
                            dot + 1, (int)(dot - o->path), o->path);
            return;
        }
    }
    PL_FREE char *guess = key_guess(w->table, prefix, n->key);
    pl_findings_add(w->errs, n->key_line, n->key_column, "unknown key %s%.60s%s%s%s", prefix,
                    n->key, guess ? " (did you mean " : "", guess ? guess : "", guess ? "?)" : "");
}

/* ---- the walk ---- */

/* "invalid: null" means the choice null, not nothing. */
static bool null_is_choice(const struct pl_option *o, const struct pl_node *n)
{
    for (size_t i = 0; o->type == PL_OPT_ENUM && o->choices[i]; i++)
        if (strcmp(o->choices[i], n->value) == 0)
            return true;
    return false;
}

static void option_apply(const struct walk *w, const struct pl_option *o, struct pl_node *n)
{
    if (!pl_node_is_null(n) || null_is_choice(o, n)) {
        w->seen[o - w->table] = true;
        pl_value_set(o, n, pl_field_at(o, w->target), w->errs);
    } else if (o->flags & PL_OPT_REQUIRED) {
        w->seen[o - w->table] = true;
        pl_findings_add(w->errs, n->key_line, n->key_column, "%s is empty; it is required",
                        o->path);
    } else if (o->type == PL_OPT_STRING && n->value[0]) { /* such as "engine: Null" */
        PL_FINDING(w->errs, n, "%s: %s is nothing in YAML; put quotes around it, or leave it out",
                   o->path, n->value);
    }
}

static void mapping_walk(const struct walk *w, struct pl_node *map, const char *prefix);

/* A key that is no option but on the way to some. */
static void mapping_apply(const struct walk *w, struct pl_node *n, const char *path)
{
    if (pl_node_is_null(n))
        return;
    if (n->type == PL_NODE_MAP) {
        PL_FREE char *prefix = pl_strf("%s.", path);
        mapping_walk(w, n, prefix);
        return;
    }
    PL_FINDING(w->errs, n, "%s: expected a mapping, found %s", path, pl_node_sort(n));
    for (const struct pl_option *o = w->table; o->path; o++)
        if (pl_option_below(o, path, strlen(path)))
            w->seen[o - w->table] = true;
}

/* Recursion is bounded by the dots in the table's paths. */
static void mapping_walk(const struct walk *w, struct pl_node *map, const char *prefix)
{
    for (struct pl_node *n = map->child; n; n = n->next) {
        PL_FREE char *path = pl_strf("%s%s", prefix, n->key);
        size_t len = strlen(path);
        const struct pl_option *option = NULL;
        bool on_the_way = false;
        for (const struct pl_option *o = w->table; o->path && !strchr(n->key, '.'); o++) {
            if (strcmp(o->path, path) == 0)
                option = o;
            else if (pl_option_below(o, path, len))
                on_the_way = true;
        }
        if (option)
            option_apply(w, option, n);
        else if (on_the_way)
            mapping_apply(w, n, path);
        else
            unknown_finding(w, prefix, n);
    }
}

/* At the innermost mapping that the option ought to be in. */
static void missing_finding(const struct walk *w, const struct pl_option *o,
                            const struct pl_node *map)
{
    unsigned line = map ? map->line : 0, column = map ? map->column : 0;
    const char *segment = o->path, *dot;
    while ((dot = strchr(segment, '.')) && map) {
        PL_FREE char *key = pl_strndup(segment, (size_t)(dot - segment));
        map = pl_node_get(map, key);
        if (map) {
            line = map->key_line;
            column = map->key_column;
        }
        segment = dot + 1;
    }
    pl_findings_add(w->errs, line, column, "%s is missing; it is required", o->path);
}

int pl_options_apply(const struct pl_option *table, struct pl_node *map, void *target,
                     struct pl_findings *errs)
{
    size_t n = 0;
    unsigned before = errs->count;
    while (table[n].path)
        n++;
    PL_FREE bool *seen = pl_alloc_array(n, sizeof(*seen));
    struct walk w = {.table = table, .seen = seen, .target = target, .errs = errs};
    if (map && map->type == PL_NODE_MAP) {
        mapping_walk(&w, map, "");
    } else if (map && !pl_node_is_null(map)) {
        PL_FINDING(errs, map, "expected a mapping, found %s", pl_node_sort(map));
        return -1;
    }
    for (const struct pl_option *o = table; o->path; o++) {
        if (seen[o - table])
            continue;
        if (o->flags & PL_OPT_REQUIRED)
            missing_finding(&w, o, map);
        else
            pl_value_default(o, pl_field_at(o, target), errs);
    }
    return errs->count == before ? 0 : -1;
}

int pl_options_load(const struct pl_option *table, const char *file, void *target,
                    struct pl_node **ret_root, struct pl_findings *errs)
{
    unsigned before = errs->count;
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_load_lenient(file, errs);
    if (root)
        pl_options_apply(table, root, target, errs);
    if (ret_root)
        *ret_root = PL_TAKE(root);
    return errs->count == before ? 0 : -1;
}

void pl_options_release(const struct pl_option *table, void *target)
{
    for (const struct pl_option *o = table; o->path; o++)
        pl_value_release(o, pl_field_at(o, target));
}

void pl_options_reload(const struct pl_option *table, void *running, void *fresh,
                       struct pl_strings *ret_changed, struct pl_strings *ret_needs_restart)
{
    for (const struct pl_option *o = table; o->path; o++) {
        void *a = pl_field_at(o, running), *b = pl_field_at(o, fresh);
        if (pl_value_equal(o, a, b))
            continue;
        bool reloadable = (o->flags & PL_OPT_RELOADABLE) != 0;
        if (reloadable)
            pl_value_swap(o, a, b);
        pl_strings_add(reloadable ? ret_changed : ret_needs_restart, o->path);
    }
}

const char *pl_map_get(const struct pl_map *m, const char *key)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->v[i].key, key) == 0)
            return m->v[i].value;
    return NULL;
}
