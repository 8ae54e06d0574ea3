/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.c - a single value: from a YAML node, from the default in the table, compared,
 * released.
 *
 * One function for each type of option, and each finding says what was expected and what was
 * found.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "lib/config/internal.h"

/* ---- numbers with units ---- */

struct unit {
    const char *name;
    int64_t factor;
};

/* Larger ones first, for formatting. */
static const struct unit size_units[] = {
    {"GiB", 1 << 30}, {"GB", 1000000000}, {"MiB", 1 << 20}, {"MB", 1000000},
    {"KiB", 1 << 10}, {"kB", 1000},       {"B", 1},         {NULL, 0},
};
static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};

/* Decimal digits without needless zeros in front, which YAML 1.1 reads as octal. */
static int digits_parse(const char *text, const char **ret_end, int64_t *ret)
{
    const char *p = text;
    int64_t v = 0;
    if (*p == '0' && p[1] >= '0' && p[1] <= '9')
        return -1;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
            return -1;
    if (p == text)
        return -1;
    *ret_end = p;
    *ret = v;
    return 0;
}

static int united_parse(const char *text, const struct unit *units, int64_t *ret)
{
    const char *end;
    int64_t v;
    if (digits_parse(text, &end, &v) < 0)
        return -1;
    for (const struct unit *u = units; u->name; u++) {
        if (strcmp(u->name, end) != 0)
            continue;
        if (__builtin_mul_overflow(v, u->factor, &v))
            return -1;
        *ret = v;
        return 0;
    }
    return -1;
}

int pl_size_parse(const char *text, int64_t *ret_bytes)
{
    const char *end;
    int64_t v;
    if (digits_parse(text, &end, &v) == 0 && *end == '\0') {
        *ret_bytes = v;
        return 0;
    }
    return united_parse(text, size_units, ret_bytes);
}

int pl_duration_parse(const char *text, int64_t *ret_ms)
{
    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return 0;
    }
    return united_parse(text, duration_units, ret_ms);
}

static int int_parse(const char *text, int64_t *ret)
{
    bool negative = *text == '-';
    const char *end;
    int64_t v;
    if (strcmp(text, "-9223372036854775808") == 0) { /* its digits alone do not fit */
        *ret = INT64_MIN;
        return 0;
    }
    if (digits_parse(text + negative, &end, &v) < 0 || *end != '\0')
        return -1;
    *ret = negative ? -v : v;
    return 0;
}

static void united_format(int64_t v, const struct unit *units, char *out)
{
    const struct unit *u = units;
    while (u[1].name && v % u->factor != 0)
        u++;
    snprintf(out, 32, "%" PRId64 "%s", v / u->factor, v == 0 ? "" : u->name);
}

void pl_size_format(int64_t bytes, char *out)
{
    united_format(bytes, size_units, out);
}

void pl_duration_format(int64_t ms, char *out)
{
    united_format(ms, duration_units, out);
}

/* ---- findings ---- */

static const char *node_sort(const struct pl_node *n)
{
    switch (n->type) {
    case PL_NODE_SEQ:
        return "a list";
    case PL_NODE_MAP:
        return "a mapping";
    case PL_NODE_SCALAR:
        return n->quoted ? "a text in quotes" : "a text";
    }
    return "?";
}

/* "expected X, found Y": Y is the text itself where there is one. Never used for secrets. */
static bool expected(const struct pl_option *o, const struct pl_node *n, const char *what,
                     const char *advice, struct pl_findings *errs)
{
    if (n->type == PL_NODE_SCALAR)
        PL_FINDING(errs, n, "%s: expected %s, found \"%.60s\"%s%s", o->path, what, n->value,
                   *advice ? "; " : "", advice);
    else
        PL_FINDING(errs, n, "%s: expected %s, found %s", o->path, what, node_sort(n));
    return false;
}

static void number_format(const struct pl_option *o, int64_t v, char *out)
{
    if (o->type == PL_OPT_SIZE)
        pl_size_format(v, out);
    else if (o->type == PL_OPT_DURATION)
        pl_duration_format(v, out);
    else
        snprintf(out, 32, "%" PRId64, v);
}

static bool range_check(const struct pl_option *o, const struct pl_node *n, int64_t v,
                        struct pl_findings *errs)
{
    if ((o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max))
        return true;
    char min[32], max[32];
    number_format(o, o->min, min);
    number_format(o, o->max, max);
    PL_FINDING(errs, n, "%s: %.60s is out of range; from %s to %s", o->path, n->value, min, max);
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

/* ---- one function for each type ---- */

static bool set_string(const struct pl_option *o, struct pl_node *n, void *f,
                       struct pl_findings *errs)
{
    if (n->type != PL_NODE_SCALAR)
        return expected(o, n, "a text", "", errs);
    if (!count_check(o, n, strlen(n->value), "bytes", errs))
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

static bool set_int(const struct pl_option *o, struct pl_node *n, void *f, struct pl_findings *errs)
{
    int64_t v;
    if (n->type != PL_NODE_SCALAR || int_parse(n->value, &v) < 0)
        return expected(o, n, "a whole number", "", errs);
    if (n->quoted)
        return expected(o, n, "a whole number", "leave the quotes away", errs);
    if (!range_check(o, n, v, errs))
        return false;
    PL_FIELD(number, f) = v;
    return true;
}

static bool set_size(const struct pl_option *o, struct pl_node *n, void *f,
                     struct pl_findings *errs)
{
    int64_t v;
    if (n->type != PL_NODE_SCALAR || pl_size_parse(n->value, &v) < 0)
        return expected(o, n, "a size like 64MiB or 4096", "units are B, kB, MB, GB, KiB, MiB, GiB",
                        errs);
    if (!range_check(o, n, v, errs))
        return false;
    PL_FIELD(number, f) = v;
    return true;
}

static bool set_duration(const struct pl_option *o, struct pl_node *n, void *f,
                         struct pl_findings *errs)
{
    int64_t v;
    if (n->type != PL_NODE_SCALAR || pl_duration_parse(n->value, &v) < 0) {
        bool bare = n->type == PL_NODE_SCALAR && int_parse(n->value, &v) == 0 && v >= 0;
        return expected(o, n, "a duration like 500ms or 15m",
                        bare ? "say the unit: ms, s, m, h or d" : "units are ms, s, m, h, d", errs);
    }
    if (!range_check(o, n, v, errs))
        return false;
    PL_FIELD(number, f) = v;
    return true;
}

static bool set_enum(const struct pl_option *o, struct pl_node *n, void *f,
                     struct pl_findings *errs)
{
    struct pl_buf what PL_CLEANUP(pl_buf_release) = {.max = 512};
    struct pl_buf advice PL_CLEANUP(pl_buf_release) = {.max = 512};
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

static bool set_strings(const struct pl_option *o, struct pl_node *n, void *f,
                        struct pl_findings *errs)
{
    struct pl_strings list PL_CLEANUP(pl_strings_release) = {0};
    unsigned before = errs->count;
    if (n->type == PL_NODE_MAP)
        return expected(o, n, "a list of texts", "", errs);
    if (n->type == PL_NODE_SCALAR) {
        pl_strings_add(&list, n->value);
    } else {
        for (struct pl_node *c = n->child; c; c = c->next) {
            c->used = true;
            if (c->type != PL_NODE_SCALAR)
                PL_FINDING(errs, c, "%s: expected a text in the list, found %s", o->path,
                           node_sort(c));
            else if (pl_node_is_null(c))
                PL_FINDING(errs, c,
                           "%s: an empty element in the list; put quotes around it if it is "
                           "meant as a text",
                           o->path);
            else
                pl_strings_add(&list, c->value);
        }
    }
    if (errs->count != before || !count_check(o, n, list.n, "texts", errs))
        return false;
    PL_FIELD(strings, f) = list;
    list = (struct pl_strings){0};
    return true;
}

static void map_release(struct pl_map *m)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->v[i].secret && m->v[i].value)
            explicit_bzero(m->v[i].value, strlen(m->v[i].value));
        free(m->v[i].key);
        free(m->v[i].value);
    }
    free(m->v);
    *m = (struct pl_map){0};
}

/* One value of a MAP. Its text may be a secret, so no finding shows it. */
static bool map_entry_make(const struct pl_option *o, struct pl_node *c, struct pl_map_entry *e,
                           struct pl_findings *errs)
{
    char *name PL_FREE = pl_strf("%s: %.60s", o->path, c->key);
    struct pl_secret secret = {0};
    c->used = true;
    if (c->type == PL_NODE_SEQ || pl_node_is_null(c)) {
        PL_FINDING(errs, c, "%s: expected a text or a secret ({ file: PATH } …), found %s%s", name,
                   c->type == PL_NODE_SEQ ? "a list" : "nothing",
                   c->type == PL_NODE_SEQ ? "" : "; write \"\" for an empty text");
        return false;
    }
    e->secret = c->type == PL_NODE_MAP || pl_key_is_secret(c->key);
    if (e->secret) {
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
    struct pl_map map PL_CLEANUP(map_release) = {0};
    unsigned before = errs->count;
    size_t count = 0;
    if (n->type != PL_NODE_MAP)
        return expected(o, n, "a mapping", "", errs);
    for (const struct pl_node *c = n->child; c; c = c->next)
        count++;
    map.v = pl_alloc_array(count, sizeof(*map.v));
    for (struct pl_node *c = n->child; c; c = c->next)
        if (map_entry_make(o, c, &map.v[map.n], errs))
            map.n++;
    if (errs->count != before || !count_check(o, n, map.n, "entries", errs))
        return false;
    PL_FIELD(map, f) = map;
    map = (struct pl_map){0};
    return true;
}

bool pl_value_set(const struct pl_option *o, struct pl_node *n, void *field,
                  struct pl_findings *errs)
{
    n->used = true;
    switch (o->type) {
    case PL_OPT_STRING:
        return set_string(o, n, field, errs);
    case PL_OPT_BOOL:
        return set_bool(o, n, field, errs);
    case PL_OPT_INT:
        return set_int(o, n, field, errs);
    case PL_OPT_SIZE:
        return set_size(o, n, field, errs);
    case PL_OPT_DURATION:
        return set_duration(o, n, field, errs);
    case PL_OPT_ENUM:
        return set_enum(o, n, field, errs);
    case PL_OPT_STRINGS:
        return set_strings(o, n, field, errs);
    case PL_OPT_MAP:
        return set_map(o, n, field, errs);
    case PL_OPT_SECRET:
        return pl_secret_resolve(n, o->path, false, field, errs);
    case PL_OPT_NODE:
        PL_FIELD(node, field) = n;
        return true;
    }
    return false;
}

/* ---- defaults ---- */

/* A scalar's default is its text; one in quotes, and lists and mappings, are read as YAML. */
static struct pl_node *default_node(const struct pl_option *o)
{
    bool list = o->type == PL_OPT_STRINGS || o->type == PL_OPT_MAP || o->type == PL_OPT_SECRET;
    if (!list && *o->dflt != '"' && *o->dflt != '\'') {
        struct pl_node *n = pl_alloc(sizeof(*n));
        n->type = PL_NODE_SCALAR;
        n->value = pl_strdup(o->dflt);
        return n;
    }
    struct pl_findings errs;
    pl_findings_init(&errs);
    char *text PL_FREE = pl_strf("v: %s\n", o->dflt);
    struct pl_node *root PL_CLEANUP(pl_node_freep) = pl_yaml_parse(text, strlen(text), &errs);
    pl_findings_release(&errs);
    assert(root && root->child && !root->child->next);
    return PL_TAKE(root->child);
}

void pl_value_default(const struct pl_option *o, void *field, struct pl_findings *errs)
{
    if (!o->dflt || o->type == PL_OPT_NODE)
        return;
    struct pl_node *n PL_CLEANUP(pl_node_freep) = default_node(o);
    if (pl_node_is_null(n) && o->type != PL_OPT_STRING)
        return;
    if (o->type == PL_OPT_SECRET) { /* a credential may not be there: not our bug */
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

/* ---- the end and comparing ---- */

void pl_value_release(const struct pl_option *o, void *field)
{
    void *f = field;
    switch (o->type) {
    case PL_OPT_STRING:
        free(PL_FIELD(string, f));
        PL_FIELD(string, f) = NULL;
        break;
    case PL_OPT_BOOL:
        PL_FIELD(boolean, f) = false;
        break;
    case PL_OPT_INT:
    case PL_OPT_SIZE:
    case PL_OPT_DURATION:
        PL_FIELD(number, f) = 0;
        break;
    case PL_OPT_ENUM:
        PL_FIELD(choice, f) = 0;
        break;
    case PL_OPT_STRINGS:
        pl_strings_release(&PL_FIELD(strings, f));
        break;
    case PL_OPT_MAP:
        map_release(&PL_FIELD(map, f));
        break;
    case PL_OPT_SECRET:
        pl_secret_release(&PL_FIELD(secret, f));
        break;
    case PL_OPT_NODE:
        PL_FIELD(node, f) = NULL;
        break;
    }
}

static bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool strings_equal(const struct pl_strings *a, const struct pl_strings *b)
{
    bool equal = a->n == b->n;
    for (size_t i = 0; equal && i < a->n; i++)
        equal = strcmp(a->v[i], b->v[i]) == 0;
    return equal;
}

static bool map_equal(const struct pl_map *a, const struct pl_map *b)
{
    bool equal = a->n == b->n;
    for (size_t i = 0; equal && i < a->n; i++)
        equal = strcmp(a->v[i].key, b->v[i].key) == 0 && strcmp(a->v[i].value, b->v[i].value) == 0;
    return equal;
}

static bool node_equal(const struct pl_node *a, const struct pl_node *b)
{
    if (!a || !b)
        return a == b;
    if (pl_node_is_null(a) || pl_node_is_null(b))
        return pl_node_is_null(a) && pl_node_is_null(b);
    if (a->type != b->type || !text_equal(a->value, b->value))
        return false;
    for (a = a->child, b = b->child; a && b; a = a->next, b = b->next)
        if (!text_equal(a->key, b->key) || !node_equal(a, b))
            return false;
    return !a && !b;
}

bool pl_value_equal(const struct pl_option *o, const void *field_a, const void *field_b)
{
    const void *a = field_a, *b = field_b;
    switch (o->type) {
    case PL_OPT_STRING:
        return text_equal(PL_FIELD(string, a), PL_FIELD(string, b));
    case PL_OPT_BOOL:
        return PL_FIELD(boolean, a) == PL_FIELD(boolean, b);
    case PL_OPT_INT:
    case PL_OPT_SIZE:
    case PL_OPT_DURATION:
        return PL_FIELD(number, a) == PL_FIELD(number, b);
    case PL_OPT_ENUM:
        return PL_FIELD(choice, a) == PL_FIELD(choice, b);
    case PL_OPT_STRINGS:
        return strings_equal(&PL_FIELD(strings, a), &PL_FIELD(strings, b));
    case PL_OPT_MAP:
        return map_equal(&PL_FIELD(map, a), &PL_FIELD(map, b));
    case PL_OPT_SECRET:
        return text_equal(PL_FIELD(secret, a).value, PL_FIELD(secret, b).value);
    case PL_OPT_NODE:
        return node_equal(PL_FIELD(node, a), PL_FIELD(node, b));
    }
    return true;
}
