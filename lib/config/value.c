/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.c - a single value: from a YAML node or the default in the table, compared, released. What
 * differs between the types of options is in one table, kinds[]. Each finding says what was
 * expected and what was found.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "lib/config/internal.h"

/* ---- findings ---- */

/* "expected X, found Y": Y shows the text, so never for secrets. */
static bool expected(const struct pl_option *o, const struct pl_node *n, const char *what,
                     const char *advice, struct pl_findings *errs)
{
    if (n->type == PL_NODE_SCALAR)
        PL_FINDING(errs, n, "%s: expected %s, found \"%.60s\"%s%s", o->path, what, n->value,
                   *advice ? "; " : "", advice);
    else
        PL_FINDING(errs, n, "%s: expected %s, found %s", o->path, what, pl_node_sort(n));
    return false;
}

/* Lengths and counts. `unit`: "bytes", "texts", "entries". */
static bool count_check(const struct pl_option *o, const struct pl_node *n, size_t count,
                        const char *unit, struct pl_findings *errs)
{
    if ((int64_t)count >= o->min && (o->max == 0 || (int64_t)count <= o->max))
        return true;
    if (count == 0)
        PL_FINDING(errs, n, "%s is empty", o->path);
    else if ((int64_t)count < o->min)
        PL_FINDING(errs, n, "%s: %zu %s; at least %" PRId64, o->path, count, unit, o->min);
    else
        PL_FINDING(errs, n, "%s: %zu %s; at most %" PRId64, o->path, count, unit, o->max);
    return false;
}

/* ---- set ---- */

/* A text or URL. */
static bool set_string(const struct pl_option *o, struct pl_node *n, void *f,
                       struct pl_findings *errs)
{
    bool url = o->type == PL_OPT_URL;
    if (n->type != PL_NODE_SCALAR)
        return expected(o, n, url ? "a URL" : "a text", "", errs);
    if (url ? !pl_url_check(o, n, errs) : !count_check(o, n, strlen(n->value), "bytes", errs))
        return false;
    PL_FIELD(string, f) = pl_strdup(n->value);
    return true;
}

static bool set_bool(const struct pl_option *o, struct pl_node *n, void *f,
                     struct pl_findings *errs)
{
    static const char *const trues[] = {"yes", "on", "y", "1", "true"};
    static const char *const falses[] = {"no", "off", "n", "0", "false"};
    if (n->type != PL_NODE_SCALAR)
        return expected(o, n, "true or false", "", errs);
    if (!n->quoted && (strcmp(n->value, "true") == 0 || strcmp(n->value, "false") == 0)) {
        PL_FIELD(boolean, f) = n->value[0] == 't';
        return true;
    }
    const char *advice = "";
    for (size_t i = 0; i < PL_COUNT(trues); i++) {
        if (strcasecmp(n->value, trues[i]) == 0)
            advice = "write true, without quotes";
        if (strcasecmp(n->value, falses[i]) == 0)
            advice = "write false, without quotes";
    }
    return expected(o, n, "true or false", advice, errs);
}

static bool set_number(const struct pl_option *o, struct pl_node *n, void *f,
                       struct pl_findings *errs)
{
    static const struct {
        int (*parse)(const char *text, int64_t *ret);
        const char *what, *advice;
    } sorts[] = {
        [PL_OPT_INT] = {pl_int_parse, "a whole number", ""},
        [PL_OPT_SIZE] = {pl_size_parse, "a size like 64MiB or 4096",
                         "units are B, kB, MB, GB, KiB, MiB, GiB"},
        [PL_OPT_DURATION] = {pl_duration_parse, "a duration like 500ms or 15m",
                             "units are ms, s, m, h, d"},
    };
    int64_t v = -1;
    const char *what = sorts[o->type].what, *advice = sorts[o->type].advice;
    bool scalar = n->type == PL_NODE_SCALAR;
    if (!scalar || sorts[o->type].parse(n->value, &v) < 0) {
        if (scalar && o->type == PL_OPT_DURATION && pl_int_parse(n->value, &v) == 0 && v >= 0)
            advice = "add the unit: ms, s, m, h or d";
        return expected(o, n, what, advice, errs);
    }
    if (n->quoted && o->type == PL_OPT_INT)
        return expected(o, n, what, "remove the quotes", errs);
    if ((o->min != 0 || o->max != 0) && (v < o->min || v > o->max)) {
        char min[PL_NUMBER_TEXT], max[PL_NUMBER_TEXT];
        pl_number_format(o, o->min, min);
        pl_number_format(o, o->max, max);
        PL_FINDING(errs, n, "%s: %.60s is out of range; from %s to %s", o->path, n->value, min,
                   max);
        return false;
    }
    PL_FIELD(number, f) = v;
    return true;
}

static bool set_enum(const struct pl_option *o, struct pl_node *n, void *f,
                     struct pl_findings *errs)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf what = {.max = 512};
    PL_CLEANUP(pl_buf_release) struct pl_buf advice = {.max = 512};
    for (int i = 0; o->choices[i]; i++) {
        const char *choice = o->choices[i];
        if (n->type == PL_NODE_SCALAR && strcmp(n->value, choice) == 0) {
            PL_FIELD(choice, f) = i;
            return true;
        }
        pl_buf_addf(&what, "%s%s", i == 0 ? "" : o->choices[i + 1] ? ", " : " or ", choice);
        if (advice.len == 0 && n->type == PL_NODE_SCALAR && pl_edit_distance(n->value, choice) <= 2)
            pl_buf_addf(&advice, "did you mean %s?", choice);
    }
    return expected(o, n, pl_buf_cstr(&what), pl_buf_cstr(&advice), errs);
}

/* One element of a list; false: a finding was added. */
static bool element_check(const struct pl_option *o, const struct pl_node *c,
                          struct pl_findings *errs)
{
    if (c->type != PL_NODE_SCALAR)
        PL_FINDING(errs, c, "%s: expected a text in the list, found %s", o->path, pl_node_sort(c));
    else if (pl_node_is_null(c))
        PL_FINDING(errs, c,
                   "%s: an empty element in the list; put quotes around it if it is meant as a "
                   "text",
                   o->path);
    else
        return o->type != PL_OPT_URLS || pl_url_check(o, c, errs);
    return false;
}

/* A list of texts or URLs, or one. */
static bool set_strings(const struct pl_option *o, struct pl_node *n, void *f,
                        struct pl_findings *errs)
{
    PL_CLEANUP(pl_strings_release) struct pl_strings list = {0};
    bool one = n->type == PL_NODE_SCALAR, good = true;
    if (n->type == PL_NODE_MAP)
        return expected(o, n, "a list of texts", "", errs);
    for (const struct pl_node *c = one ? n : n->child; c; c = one ? NULL : c->next) {
        good &= element_check(o, c, errs);
        if (good)
            pl_strings_add(&list, c->value);
    }
    if (!good || !count_check(o, n, list.n, "texts", errs))
        return false;
    PL_FIELD(strings, f) = list;
    list = (struct pl_strings){0};
    return true;
}

static size_t children(const struct pl_node *n)
{
    size_t count = 0;
    for (const struct pl_node *c = n->child; c; c = c->next)
        count++;
    return count;
}

static void map_release(void *f)
{
    struct pl_map *m = f;
    for (size_t i = 0; i < m->n; i++) {
        free(m->v[i].key);
        pl_wipe(m->v[i].value);
    }
    free(m->v);
}

/* The text may be a secret, so no finding shows it. */
static bool map_entry_make(const struct pl_option *o, struct pl_node *c, struct pl_map_entry *e,
                           struct pl_findings *errs)
{
    PL_FREE char *name = pl_strf("%s: %.60s", o->path, c->key);
    if (c->type == PL_NODE_SEQ || pl_node_is_null(c)) {
        PL_FINDING(errs, c, "%s: expected a text or a secret ({ file: PATH } …), found %s", name,
                   c->type == PL_NODE_SEQ ? "a list" : "nothing; write \"\" for an empty text");
        return false;
    }
    e->secret = c->type == PL_NODE_MAP || pl_key_is_secret(c->key);
    if (e->secret) {
        struct pl_secret secret = {0};
        if (!pl_secret_resolve(c, name, true, &secret, errs))
            return false;
        e->value = PL_TAKE(secret.value);
        pl_secret_release(&secret);
    } else {
        e->value = pl_strdup(c->value);
    }
    e->key = pl_strdup(c->key);
    e->line = c->line;
    e->column = c->column;
    return true;
}

static bool set_map(const struct pl_option *o, struct pl_node *n, void *f, struct pl_findings *errs)
{
    PL_CLEANUP(map_release) struct pl_map map = {0};
    unsigned before = errs->count;
    if (n->type != PL_NODE_MAP)
        return expected(o, n, "a mapping", "", errs);
    map.v = pl_alloc_array(children(n), sizeof(*map.v));
    for (struct pl_node *c = n->child; c; c = c->next)
        if (map_entry_make(o, c, &map.v[map.n], errs))
            map.n++;
    if (errs->count != before || !count_check(o, n, map.n, "entries", errs))
        return false;
    PL_FIELD(map, f) = map;
    map = (struct pl_map){0};
    return true;
}

static bool set_secret(const struct pl_option *o, struct pl_node *n, void *f,
                       struct pl_findings *errs)
{
    return pl_secret_resolve(n, o->path, false, f, errs);
}

/* Keeps the order of the keys. The parser limits the depth. */
static struct pl_node *tree_copy(const struct pl_node *n)
{
    struct pl_node *copy = pl_alloc(sizeof(*copy));
    *copy = *n;
    copy->key = n->key ? pl_strdup(n->key) : NULL;
    copy->value = n->value ? pl_strdup(n->value) : NULL;
    copy->child = copy->next = NULL;
    struct pl_node **end = &copy->child;
    for (const struct pl_node *c = n->child; c; c = c->next, end = &(*end)->next)
        *end = tree_copy(c);
    return copy;
}

static bool set_rows(const struct pl_option *o, struct pl_node *n, void *f,
                     struct pl_findings *errs)
{
    bool good = true;
    if (n->type != PL_NODE_SEQ)
        return expected(o, n, "a list of mappings", "", errs);
    for (const struct pl_node *c = n->child; c; c = c->next) {
        if (c->type == PL_NODE_MAP)
            continue;
        PL_FINDING(errs, c, "%s: expected a mapping in the list, found %s", o->path,
                   pl_node_sort(c));
        good = false;
    }
    if (!good || !count_check(o, n, children(n), "entries", errs))
        return false;
    PL_FIELD(rows, f) = tree_copy(n);
    return true;
}

static bool set_node(const struct pl_option *o, struct pl_node *n, void *f,
                     struct pl_findings *errs)
{
    (void)o, (void)errs;
    PL_FIELD(node, f) = n;
    return true;
}

/* ---- released ---- */

static void string_release(void *f)
{
    free(PL_FIELD(string, f));
}

static void strings_release(void *f)
{
    pl_strings_release(f);
}

static void secret_release(void *f)
{
    pl_secret_release(f);
}

static void rows_release(void *f)
{
    pl_node_free(PL_FIELD(rows, f));
}

/* ---- compared ---- */

static bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool string_equal(const void *a, const void *b)
{
    return text_equal(PL_FIELD(string, a), PL_FIELD(string, b));
}

static bool strings_equal(const void *field_a, const void *field_b)
{
    const struct pl_strings *a = field_a, *b = field_b;
    bool equal = a->n == b->n;
    for (size_t i = 0; equal && i < a->n; i++)
        equal = strcmp(a->v[i], b->v[i]) == 0;
    return equal;
}

/* In any order. */
static bool map_equal(const void *field_a, const void *field_b)
{
    const struct pl_map *a = field_a, *b = field_b;
    bool equal = a->n == b->n;
    for (size_t i = 0; equal && i < a->n; i++)
        equal = text_equal(a->v[i].value, pl_map_get(b, a->v[i].key));
    return equal;
}

static bool secret_equal(const void *a, const void *b)
{
    return text_equal(PL_FIELD(secret, a).value, PL_FIELD(secret, b).value);
}

static bool tree_equal(const struct pl_node *a, const struct pl_node *b)
{
    if (!a || !b)
        return a == b;
    if (pl_node_is_null(a) || pl_node_is_null(b))
        return pl_node_is_null(a) && pl_node_is_null(b);
    if (a->type != b->type || !text_equal(a->value, b->value) || children(a) != children(b))
        return false;
    const struct pl_node *d = b->child;
    for (const struct pl_node *c = a->child; c; c = c->next, d = d->next)
        if (!tree_equal(c, c->key ? pl_node_get(b, c->key) : d))
            return false;
    return true;
}

static bool node_equal(const void *a, const void *b)
{
    return tree_equal(PL_FIELD(node, a), PL_FIELD(node, b));
}

/* ---- the types ---- */

static const struct kind {
    size_t size;
    bool (*set)(const struct pl_option *o, struct pl_node *n, void *f, struct pl_findings *errs);
    void (*release)(void *f);                    /* NULL: owns nothing */
    bool (*equal)(const void *a, const void *b); /* NULL: equal bytes */
} kinds[] = {
    [PL_OPT_STRING] = {sizeof(char *), set_string, string_release, string_equal},
    [PL_OPT_URL] = {sizeof(char *), set_string, string_release, string_equal},
    [PL_OPT_BOOL] = {sizeof(bool), set_bool, NULL, NULL},
    [PL_OPT_INT] = {sizeof(int64_t), set_number, NULL, NULL},
    [PL_OPT_SIZE] = {sizeof(int64_t), set_number, NULL, NULL},
    [PL_OPT_DURATION] = {sizeof(int64_t), set_number, NULL, NULL},
    [PL_OPT_ENUM] = {sizeof(int), set_enum, NULL, NULL},
    [PL_OPT_STRINGS] = {sizeof(struct pl_strings), set_strings, strings_release, strings_equal},
    [PL_OPT_URLS] = {sizeof(struct pl_strings), set_strings, strings_release, strings_equal},
    [PL_OPT_MAP] = {sizeof(struct pl_map), set_map, map_release, map_equal},
    [PL_OPT_SECRET] = {sizeof(struct pl_secret), set_secret, secret_release, secret_equal},
    [PL_OPT_ROWS] = {sizeof(struct pl_node *), set_rows, rows_release, node_equal},
    [PL_OPT_NODE] = {sizeof(struct pl_node *), set_node, NULL, node_equal},
};

bool pl_value_set(const struct pl_option *o, struct pl_node *n, void *field,
                  struct pl_findings *errs)
{
    return kinds[o->type].set(o, n, field, errs);
}

void pl_value_release(const struct pl_option *o, void *field)
{
    if (kinds[o->type].release)
        kinds[o->type].release(field);
    memset(field, 0, kinds[o->type].size);
}

bool pl_value_equal(const struct pl_option *o, const void *a, const void *b)
{
    const struct kind *k = &kinds[o->type];
    return k->equal ? k->equal(a, b) : memcmp(a, b, k->size) == 0;
}

void pl_value_swap(const struct pl_option *o, void *a, void *b)
{
    union pl_field old;
    memcpy(&old, a, kinds[o->type].size);
    memcpy(a, b, kinds[o->type].size);
    memcpy(b, &old, kinds[o->type].size);
}

/* ---- defaults ---- */

struct pl_node *pl_value_default_node(const struct pl_option *o)
{
    bool text = o->type == PL_OPT_STRING || o->type == PL_OPT_URL;
    if (text && *o->dflt != '"' && *o->dflt != '\'') {
        struct pl_node *n = pl_alloc(sizeof(*n));
        n->type = PL_NODE_SCALAR;
        n->value = pl_strdup(o->dflt);
        return n;
    }
    struct pl_findings errs;
    pl_findings_init(&errs);
    PL_FREE char *yaml = pl_strf("v: %s\n", o->dflt);
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(yaml, strlen(yaml), &errs);
    pl_findings_release(&errs);
    assert(root && root->child && !root->child->next);
    return PL_TAKE(root->child);
}

void pl_value_default(const struct pl_option *o, void *field, struct pl_findings *errs)
{
    if (!o->dflt || o->type == PL_OPT_NODE)
        return;
    PL_CLEANUP(pl_node_freep) struct pl_node *n = pl_value_default_node(o);
    if (pl_node_is_null(n) && o->type != PL_OPT_STRING)
        return;
    if (o->type == PL_OPT_SECRET) { /* a missing credential is not our bug */
        pl_value_set(o, n, field, errs);
        return;
    }
    struct pl_findings own;
    pl_findings_init(&own);
    bool good = pl_value_set(o, n, field, &own);
    if (!good)
        fprintf(stderr, "%s", pl_buf_cstr(&own.text));
    pl_findings_release(&own);
    assert(good);
}
