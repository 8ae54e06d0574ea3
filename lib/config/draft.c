/* SPDX-License-Identifier: Apache-2.0 */
/*
 * draft.c - see draft.h. (print.c prints it.)
 */
#include "lib/config/draft.h"

#include <assert.h>

#include "lib/config/internal.h"

static struct pl_node *node_new(enum pl_node_type type, const char *key)
{
    struct pl_node *n = pl_alloc(sizeof(*n));
    n->type = type;
    n->key = key ? pl_strdup(key) : NULL;
    return n;
}

static struct pl_node *text_new(const char *key, const char *text, size_t len, bool quoted)
{
    struct pl_node *n = node_new(PL_NODE_SCALAR, key);
    n->value = pl_strndup(text, len);
    n->quoted = quoted;
    return n;
}

struct pl_node *pl_draft_new(void)
{
    return node_new(PL_NODE_MAP, NULL);
}

const struct pl_option *pl_draft_option(const struct pl_option *table, const char *path)
{
    for (const struct pl_option *o = table; o->path; o++) {
        size_t len = strlen(o->path);
        if (strncmp(o->path, path, len) != 0)
            continue;
        if (path[len] == '\0' || (o->type == PL_OPT_MAP && path[len] == '.' && path[len + 1]))
            return o;
    }
    return NULL;
}

/* What follows the path of its MAP; NULL: the path is an option's own. */
static const char *map_key(const struct pl_option *o, const char *path)
{
    size_t len = strlen(o->path);
    return path[len] == '.' ? path + len + 1 : NULL;
}

bool pl_draft_is_secret(const struct pl_option *table, const char *path)
{
    const struct pl_option *o = pl_draft_option(table, path);
    const char *key = o ? map_key(o, path) : NULL;
    return o && (o->type == PL_OPT_SECRET || (key && pl_key_is_secret(key)));
}

/* ---- places in the tree ---- */

/* The mapping that a path's last key is in, and that key, malloc()ed. `make`: mappings on the way
 * are made; else NULL where one is missing. */
static struct pl_node *place_of(const struct pl_option *o, struct pl_node *draft, const char *path,
                                bool make, char **ret_key)
{
    const char *last = map_key(o, path), *at = path, *dot;
    struct pl_node *map = draft;
    /* Each segment of the option's path but the last; that, too, where a key of the MAP follows. */
    while ((dot = strchr(at, '.')) && at != last) {
        PL_FREE char *key = pl_strndup(at, (size_t)(dot - at));
        struct pl_node *next = pl_node_get(map, key);
        if (next && next->type != PL_NODE_MAP && make) { /* "kafka:" with nothing */
            pl_wipe(PL_TAKE(next->value));
            pl_node_free(PL_TAKE(next->child));
            next->type = PL_NODE_MAP;
        } else if (!next && make) {
            struct pl_node **end = &map->child;
            while (*end)
                end = &(*end)->next;
            *end = next = node_new(PL_NODE_MAP, key);
        }
        if (!next || next->type != PL_NODE_MAP)
            return NULL;
        map = next;
        at = dot + 1;
    }
    *ret_key = pl_strdup(at);
    return map;
}

const struct pl_node *pl_draft_get(const struct pl_option *table, const struct pl_node *draft,
                                   const char *path)
{
    const struct pl_option *o = pl_draft_option(table, path);
    PL_FREE char *key = NULL;
    struct pl_node *map =
        o ? place_of(o, (struct pl_node *)(uintptr_t)draft, path, false, &key) : NULL;
    const struct pl_node *n = map ? pl_node_get(map, key) : NULL;
    return n && !pl_node_is_null(n) ? n : NULL;
}

static char *node_text(const struct pl_node *n)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf text = {0};
    if (!n || n->type == PL_NODE_MAP)
        return NULL;
    if (n->type == PL_NODE_SCALAR)
        return pl_strdup(n->value);
    for (const struct pl_node *c = n->child; c; c = c->next) {
        if (c->type != PL_NODE_SCALAR)
            return NULL;
        pl_buf_add_str(&text, c == n->child ? "" : ",");
        pl_buf_add_str(&text, c->value);
    }
    return pl_buf_take(&text);
}

char *pl_draft_text(const struct pl_option *table, const struct pl_node *draft, const char *path)
{
    return node_text(pl_draft_get(table, draft, path));
}

char *pl_draft_default(const struct pl_option *table, const char *path)
{
    const struct pl_option *o = pl_draft_option(table, path);
    if (!o || !o->dflt || map_key(o, path) || (o->flags & PL_OPT_REQUIRED))
        return NULL;
    PL_CLEANUP(pl_node_freep) struct pl_node *n = pl_value_default_node(o);
    return node_text(n);
}

/* Takes `n`, whose key is that of the place. */
static void place_put(struct pl_node *map, struct pl_node *n)
{
    struct pl_node **at = &map->child;
    while (*at && strcmp((*at)->key, n->key) != 0)
        at = &(*at)->next;
    struct pl_node *old = *at;
    n->next = old ? old->next : NULL;
    *at = n;
    if (old) {
        old->next = NULL;
        pl_node_free(old);
    }
}

/* ---- setting ---- */

static struct pl_node *list_new(const char *key, const char *text)
{
    struct pl_node *list = node_new(PL_NODE_SEQ, key), **end = &list->child;
    while (*text) {
        size_t len = strcspn(text, ","), from = strspn(text, " ");
        size_t to = len;
        from = from < len ? from : len;
        while (to > from && text[to - 1] == ' ')
            to--;
        if (to > from) {
            *end = text_new(NULL, text + from, to - from, true);
            end = &(*end)->next;
        }
        text += len + (text[len] == ',');
    }
    return list;
}

/* A text that a number or word of YAML may look like is to stay one. */
static bool is_text(const struct pl_option *o, const char *key)
{
    return key || o->type == PL_OPT_STRING || o->type == PL_OPT_URL || o->type == PL_OPT_SECRET;
}

void pl_draft_set(const struct pl_option *table, struct pl_node *draft, const char *path,
                  const char *text)
{
    const struct pl_option *o = pl_draft_option(table, path);
    assert(o && o->type != PL_OPT_ROWS && o->type != PL_OPT_NODE);
    PL_FREE char *key = NULL;
    struct pl_node *map = place_of(o, draft, path, true, &key);
    bool list = o->type == PL_OPT_STRINGS || o->type == PL_OPT_URLS;
    place_put(map, list ? list_new(key, text)
                        : text_new(key, text, strlen(text), is_text(o, map_key(o, path))));
}

void pl_draft_set_reference(const struct pl_option *table, struct pl_node *draft, const char *path,
                            const char *form, const char *name)
{
    const struct pl_option *o = pl_draft_option(table, path);
    PL_FREE char *key = NULL;
    struct pl_node *map = place_of(o, draft, path, true, &key);
    struct pl_node *reference = node_new(PL_NODE_MAP, key);
    reference->child = text_new(form, name, strlen(name), true);
    place_put(map, reference);
}

struct pl_node *pl_draft_take(const struct pl_option *table, struct pl_node *draft,
                              const char *path)
{
    const struct pl_option *o = pl_draft_option(table, path);
    PL_FREE char *key = NULL;
    struct pl_node *map = place_of(o, draft, path, false, &key);
    struct pl_node **at = map ? &map->child : NULL;
    while (at && *at && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    if (!at || !*at)
        return NULL;
    struct pl_node *n = *at;
    *at = PL_TAKE(n->next);
    return n;
}

void pl_draft_put(const struct pl_option *table, struct pl_node *draft, const char *path,
                  struct pl_node *value)
{
    pl_node_free(pl_draft_take(table, draft, path));
    if (!value)
        return;
    PL_FREE char *key = NULL;
    place_put(place_of(pl_draft_option(table, path), draft, path, true, &key), value);
}

/* ---- what no option has ---- */

static char *stranger_below(const struct pl_option *table, const struct pl_node *map,
                            const char *prefix)
{
    for (const struct pl_node *n = map->child; n; n = n->next) {
        PL_FREE char *path = pl_strf("%s%s", prefix, n->key);
        bool known = pl_node_is_null(n), on_the_way = false;
        for (const struct pl_option *o = table; o->path && !strchr(n->key, '.'); o++) {
            known |= strcmp(o->path, path) == 0;
            on_the_way |= pl_option_below(o, path, strlen(path));
        }
        if (known)
            continue;
        if (!on_the_way || n->type != PL_NODE_MAP)
            return PL_TAKE(path);
        PL_FREE char *deeper = pl_strf("%s.", path);
        char *stranger = stranger_below(table, n, deeper);
        if (stranger)
            return stranger;
    }
    return NULL;
}

char *pl_draft_stranger(const struct pl_option *table, const struct pl_node *draft)
{
    return stranger_below(table, draft, "");
}
