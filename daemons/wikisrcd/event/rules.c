/* SPDX-License-Identifier: Apache-2.0 */
/* rules.c - see rules.h. */
#include "daemons/wikisrcd/event/rules.h"

#include "daemons/wikisrcd/event/path.h"

#define VALUES_MAX 2000

static const char *const exists_choices[] = {"any", "true", "false", NULL};
static const char *const action_choices[] = {"drop", "hash", NULL};

#define PATH_OPT(type)                                                                             \
    PL_OPTION("path", STRING, type, path, .min = 1, .max = 500, .flags = PL_OPT_REQUIRED,          \
              .help = "Path of the value: " EVENT_PATH_RULE ".")

static const struct pl_option filter_opts[] = {
    PATH_OPT(struct filter_rule),
    PL_OPTION("in", STRINGS, struct filter_rule, in, .max = VALUES_MAX, .help = "One of these."),
    PL_OPTION("not_in", STRINGS, struct filter_rule, not_in, .max = VALUES_MAX,
              .help = "None of these."),
    PL_OPTION("exists", ENUM, struct filter_rule, exists, .dflt = "any", .choices = exists_choices,
              .help = "Whether it is present."),
    PL_OPT_END,
};

static const struct pl_option redact_opts[] = {
    PATH_OPT(struct redact_rule),
    PL_OPTION("action", ENUM, struct redact_rule, action, .dflt = "drop", .flags = PL_OPT_REQUIRED,
              .choices = action_choices, .help = "What to do with the value."),
    PL_OPT_END,
};

static void path_check(const char *path, struct pl_node *row, const char *option,
                       struct pl_findings *errs)
{
    PL_CLEANUP(event_path_release) struct event_path parsed = {0};
    const struct pl_node *at = pl_node_get(row, "path");
    if (path && !event_path_init(&parsed, path))
        pl_findings_add(errs, at->line, at->column, "%s: '%s' is not a path: %s", option, path,
                        EVENT_PATH_RULE);
}

static void filter_row_parse(struct pl_node *row, struct filter_rule *ret, struct pl_findings *errs)
{
    if (pl_options_apply(filter_opts, row, ret, errs) == 0 &&
        (ret->in.n > 0) + (ret->not_in.n > 0) + (ret->exists != EXISTS_ANY) != 1)
        pl_findings_add(errs, row->line, row->column,
                        "filter.fields: each row has one of in: [...], not_in: [...] and exists: "
                        "true or false");
    path_check(ret->path, row, "filter.fields", errs);
}

bool filter_rules_parse(struct pl_node *rows, struct filter_rules *ret, struct pl_findings *errs)
{
    unsigned before = errs->count;
    *ret = (struct filter_rules){0};
    for (struct pl_node *row = rows ? rows->child : NULL; row; row = row->next) {
        ret->v = pl_realloc_array(ret->v, ret->n + 1, sizeof(*ret->v));
        ret->v[ret->n] = (struct filter_rule){0};
        filter_row_parse(row, &ret->v[ret->n++], errs);
    }
    return errs->count == before;
}

/* Whether two paths are the same, "[*]" apart. */
static bool path_is(const char *a, const char *b)
{
    PL_CLEANUP(event_path_release) struct event_path x = {0};
    PL_CLEANUP(event_path_release) struct event_path y = {0};
    if (!event_path_init(&x, a) || !event_path_init(&y, b) || x.depth != y.depth)
        return false;
    for (unsigned i = 0; i < x.depth; i++)
        if (strcmp(x.names[i].p, y.names[i].p) != 0)
            return false;
    return true;
}

/* One path with two actions would be ambiguous. meta.id and meta.stream are headers, and without
 * them a repeated event is not recognised. */
static void redact_row_check(const struct redact_rules *rules, const struct pl_node *row,
                             struct pl_findings *errs)
{
    static const char *const needed[] = {"meta", "meta.id", "meta.stream"};
    const char *path = rules->v[rules->n - 1].path;
    const struct pl_node *at = pl_node_get(row, "path");
    for (size_t i = 0; path && i + 1 < rules->n; i++)
        if (rules->v[i].path && path_is(rules->v[i].path, path))
            pl_findings_add(errs, at->line, at->column, "redact: %s is there twice", path);
    for (size_t i = 0; path && i < PL_COUNT(needed); i++)
        if (path_is(path, needed[i]))
            pl_findings_add(errs, at->line, at->column,
                            "redact: meta.id and meta.stream are needed to tell events apart; no "
                            "personal data is in them");
}

bool redact_rules_parse(struct pl_node *rows, struct redact_rules *ret, struct pl_findings *errs)
{
    unsigned before = errs->count;
    *ret = (struct redact_rules){0};
    for (struct pl_node *row = rows ? rows->child : NULL; row; row = row->next) {
        ret->v = pl_realloc_array(ret->v, ret->n + 1, sizeof(*ret->v));
        ret->v[ret->n] = (struct redact_rule){0};
        pl_options_apply(redact_opts, row, &ret->v[ret->n++], errs);
        path_check(ret->v[ret->n - 1].path, row, "redact", errs);
        redact_row_check(ret, row, errs);
    }
    return errs->count == before;
}

void filter_rules_release(struct filter_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++)
        pl_options_release(filter_opts, &rules->v[i]);
    free(rules->v);
    *rules = (struct filter_rules){0};
}

void redact_rules_release(struct redact_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++)
        pl_options_release(redact_opts, &rules->v[i]);
    free(rules->v);
    *rules = (struct redact_rules){0};
}
