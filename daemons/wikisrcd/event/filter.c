/* SPDX-License-Identifier: Apache-2.0 */
/* filter.c - see filter.h. Lists are short, so they are walked. */
#include "daemons/wikisrcd/event/filter.h"

static int64_t *numbers_new(const struct pl_strings *list)
{
    int64_t *numbers = list->n > 0 ? pl_alloc_array(list->n, sizeof(*numbers)) : NULL;
    for (size_t i = 0; i < list->n; i++)
        numbers[i] = strtoll(list->v[i], NULL, 10);
    return numbers;
}

void filter_init(struct filter *f, const struct wikisrcd_filter_conf *conf)
{
    *f = (struct filter){.conf = conf,
                         .namespaces_include = numbers_new(&conf->namespaces.include),
                         .namespaces_exclude = numbers_new(&conf->namespaces.exclude)};
}

void filter_release(struct filter *f)
{
    free(f->namespaces_include);
    free(f->namespaces_exclude);
    *f = (struct filter){0};
}

static bool list_has(const struct pl_strings *list, const struct pl_json_str *text)
{
    for (size_t i = 0; text->p && i < list->n; i++)
        if (pl_json_str_eq(text, list->v[i]))
            return true;
    return false;
}

static bool text_passes(const struct wikisrcd_include *lists, const struct pl_json_str *text)
{
    if (lists->include.n > 0 && !list_has(&lists->include, text))
        return false;
    return !list_has(&lists->exclude, text);
}

static bool numbers_have(const int64_t *numbers, size_t n, const struct event *event)
{
    for (size_t i = 0; event->has_namespace && i < n; i++)
        if (numbers[i] == event->namespace_id)
            return true;
    return false;
}

bool filter_matches(const struct filter *f, const struct event *event)
{
    const struct wikisrcd_filter_conf *conf = f->conf;
    if (!conf || event->malformed)
        return true;
    bool is_bot = event->has_bot && event->bot;
    if ((conf->bot == BOT_ONLY && !is_bot) || (conf->bot == BOT_EXCLUDE && is_bot))
        return false;
    size_t n = conf->namespaces.include.n;
    if (n > 0 && !numbers_have(f->namespaces_include, n, event))
        return false;
    if (numbers_have(f->namespaces_exclude, conf->namespaces.exclude.n, event))
        return false;
    return text_passes(&conf->wiki, &event->wiki) && text_passes(&conf->type, &event->type);
}
