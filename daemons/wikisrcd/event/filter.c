/* SPDX-License-Identifier: Apache-2.0 */
/* filter.c - see filter.h. Lists are short, so they are walked. */
#include "daemons/wikisrcd/event/filter.h"

#include "daemons/wikisrcd/event/fields.h"
#include "daemons/wikisrcd/event/rules.h"

/* An element of a list, parsed once. */
struct operand {
    char *text;
    bool is_number;
    struct pl_json_num number; /* in `text` */
};

enum test { TEST_IN, TEST_NOT_IN, TEST_EXISTS, TEST_ABSENT };

struct condition {
    enum test test;
    const char *option; /* constant */
    char *paths;        /* "wiki, wiki_id, database" */
    struct operand *v;
    size_t n;
    bool found, matched; /* in the event being read */
};

struct filter {
    struct condition *v;
    unsigned n;
};

/* ---- comparing ---- */

static bool numbers_equal(const struct pl_json_num *a, const struct pl_json_num *b)
{
    int64_t i, k;
    double x, y;
    if (pl_json_num_i64(a, &i) == PL_JSON_NUM_OK && pl_json_num_i64(b, &k) == PL_JSON_NUM_OK)
        return i == k;
    if (pl_json_num_f64(a, &x) == PL_JSON_NUM_OK && pl_json_num_f64(b, &y) == PL_JSON_NUM_OK)
        return x == y;
    return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

static bool number_read(const char *text, size_t len, struct pl_json_num *ret)
{
    struct pl_json j;
    pl_json_init(&j, text, len, 1);
    return pl_json_peek(&j) == PL_JSON_NUMBER && pl_json_number(&j, ret) && pl_json_end(&j);
}

static bool operand_equals(const struct operand *o, const struct event_value *v,
                           const struct pl_json_num *number)
{
    switch (v->type) {
    case PL_JSON_STRING:
        return pl_json_str_eq(&v->text, o->text);
    case PL_JSON_NUMBER:
        return o->is_number && numbers_equal(&o->number, number);
    case PL_JSON_TRUE:
        return strcmp(o->text, "true") == 0;
    case PL_JSON_FALSE:
        return strcmp(o->text, "false") == 0;
    case PL_JSON_NONE:
    case PL_JSON_NULL:
    case PL_JSON_ARRAY:
    case PL_JSON_OBJECT:
        break;
    }
    return false;
}

static void scalar_note(struct condition *c, const struct event_value *v)
{
    struct pl_json_num number = {0};
    c->found = true;
    if (v->type == PL_JSON_NUMBER && !number_read(v->raw.p, v->raw.len, &number))
        return;
    for (size_t i = 0; i < c->n && !c->matched; i++)
        c->matched = operand_equals(&c->v[i], v, &number);
}

/* The elements of an array, also of nested ones, in turn. */
static void array_note(struct condition *c, struct pl_slice raw)
{
    struct pl_json j;
    pl_json_init(&j, raw.p, raw.len, PL_JSON_DEPTH_DEFAULT);
    pl_json_array_begin(&j);
    unsigned depth = 1;
    while (depth > 0 && !j.error) {
        if (!pl_json_array_next(&j)) {
            depth--;
            continue;
        }
        struct event_value v = {.type = pl_json_peek(&j)};
        if (v.type == PL_JSON_ARRAY) {
            depth += pl_json_array_begin(&j);
            continue;
        }
        if (v.type == PL_JSON_STRING)
            pl_json_string(&j, &v.text);
        else
            pl_json_skip(&j, &v.raw);
        if (v.type != PL_JSON_NULL && !j.error)
            scalar_note(c, &v);
    }
}

static void value_note(void *userdata, unsigned number, const struct event_value *v)
{
    struct condition *c = &((struct filter *)userdata)->v[number];
    if (v->type == PL_JSON_ARRAY) {
        c->found = true; /* even if the array is empty */
        array_note(c, v->raw);
    } else {
        scalar_note(c, v);
    }
}

/* ---- construction ---- */

static void operands_set(struct condition *c, const struct pl_strings *list)
{
    c->v = pl_alloc_array(list->n, sizeof(*c->v));
    for (; c->n < list->n; c->n++) {
        struct operand *o = &c->v[c->n];
        o->text = pl_strdup(list->v[c->n]);
        o->is_number = number_read(o->text, strlen(o->text), &o->number);
    }
}

/* `paths` has `n` elements. */
static void condition_add(struct filter *f, struct event_wants *wants, struct condition c,
                          const char *const *paths, unsigned n)
{
    struct pl_buf names = {0};
    for (unsigned i = 0; i < n; i++) {
        event_wants_value(wants, paths[i], f->n);
        pl_buf_addf(&names, "%s%s", i > 0 ? ", " : "", paths[i]);
    }
    c.paths = pl_buf_take(&names);
    f->v = pl_realloc_array(f->v, f->n + 1, sizeof(*f->v));
    f->v[f->n++] = c;
}

static void field_add(struct filter *f, struct event_wants *wants, enum event_field field,
                      const char *option, enum test test, const struct pl_strings *list)
{
    struct condition c = {.test = test, .option = option};
    unsigned n = 0;
    if (list->n == 0)
        return;
    while (event_fields[field][n])
        n++;
    operands_set(&c, list);
    condition_add(f, wants, c, event_fields[field], n);
}

static void rule_add(struct filter *f, struct event_wants *wants, const struct filter_rule *rule)
{
    struct condition c = {.option = "filter.fields"};
    c.test = rule->in.n > 0                 ? TEST_IN
             : rule->not_in.n > 0           ? TEST_NOT_IN
             : rule->exists == EXISTS_FALSE ? TEST_ABSENT
                                            : TEST_EXISTS;
    operands_set(&c, rule->in.n > 0 ? &rule->in : &rule->not_in);
    condition_add(f, wants, c, (const char *const *)&rule->path, 1);
}

struct filter *filter_new(const struct wikisrcd_filter_conf *conf, struct event_wants *wants)
{
    static char *yes[] = {(char *)"true"};
    const struct pl_strings bot = {.v = yes, .n = 1};
    struct filter *f = pl_alloc(sizeof(*f));
    field_add(f, wants, FIELD_WIKI, "filter.wiki.include", TEST_IN, &conf->wiki.include);
    field_add(f, wants, FIELD_WIKI, "filter.wiki.exclude", TEST_NOT_IN, &conf->wiki.exclude);
    field_add(f, wants, FIELD_TYPE, "filter.type.include", TEST_IN, &conf->type.include);
    field_add(f, wants, FIELD_TYPE, "filter.type.exclude", TEST_NOT_IN, &conf->type.exclude);
    field_add(f, wants, FIELD_NAMESPACE, "filter.namespace.include", TEST_IN,
              &conf->namespaces.include);
    field_add(f, wants, FIELD_NAMESPACE, "filter.namespace.exclude", TEST_NOT_IN,
              &conf->namespaces.exclude);
    if (conf->bot != BOT_ANY)
        field_add(f, wants, FIELD_BOT, "filter.bot", conf->bot == BOT_ONLY ? TEST_IN : TEST_NOT_IN,
                  &bot);
    struct filter_rules rules;
    struct pl_findings errs; /* they were checked */
    pl_findings_init(&errs);
    filter_rules_parse(conf->fields, &rules, &errs);
    for (size_t i = 0; i < rules.n; i++)
        rule_add(f, wants, &rules.v[i]);
    filter_rules_release(&rules);
    pl_findings_release(&errs);
    wants->on_value = value_note;
    wants->userdata = f;
    return f;
}

void filter_free(struct filter *f)
{
    if (!f)
        return;
    for (unsigned i = 0; i < f->n; i++) {
        for (size_t k = 0; k < f->v[i].n; k++)
            free(f->v[i].v[k].text);
        free(f->v[i].v);
        free(f->v[i].paths);
    }
    free(f->v);
    free(f);
}

/* ---- use ---- */

void filter_reset(struct filter *f)
{
    for (unsigned i = 0; i < f->n; i++)
        f->v[i].found = f->v[i].matched = false;
}

static bool condition_holds(const struct condition *c)
{
    switch (c->test) {
    case TEST_IN:
        return c->matched;
    case TEST_NOT_IN:
        return !c->matched;
    case TEST_EXISTS:
        return c->found;
    case TEST_ABSENT:
        return !c->found;
    }
    return false;
}

bool filter_passes(const struct filter *f)
{
    bool passes = true;
    for (unsigned i = 0; i < f->n && passes; i++)
        passes = condition_holds(&f->v[i]);
    return passes;
}

unsigned filter_conditions(const struct filter *f)
{
    return f->n;
}

bool filter_lacks(const struct filter *f, unsigned i)
{
    return !f->v[i].found && f->v[i].test != TEST_ABSENT;
}

const char *filter_option(const struct filter *f, unsigned i)
{
    return f->v[i].option;
}

const char *filter_paths(const struct filter *f, unsigned i)
{
    return f->v[i].paths;
}

bool filter_needs(const struct filter *f, unsigned i)
{
    return f->v[i].test == TEST_IN || f->v[i].test == TEST_EXISTS;
}
