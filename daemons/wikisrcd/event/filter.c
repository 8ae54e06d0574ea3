/* SPDX-License-Identifier: Apache-2.0 */
/* filter.c - see filter.h. Lists are short, so they are walked. */
#include "daemons/wikisrcd/event/filter.h"

static bool list_has(const struct pl_strings *list, const struct pl_json_str *text)
{
    for (size_t i = 0; text->p && i < list->n; i++)
        if (pl_json_str_eq(text, list->v[i]))
            return true;
    return false;
}

static bool text_passes(const struct wikisrcd_include *lists, const struct pl_json_str *text)
{
    return (lists->include.n == 0 || list_has(&lists->include, text)) &&
           !list_has(&lists->exclude, text);
}

static bool numbers_have(const struct pl_strings *list, const struct event *event)
{
    for (size_t i = 0; event->has_namespace && i < list->n; i++)
        if (strtoll(list->v[i], NULL, 10) == event->namespace_id)
            return true;
    return false;
}

bool filter_matches(const struct wikisrcd_filter_conf *conf, const struct event *event)
{
    const struct wikisrcd_include *namespaces = &conf->namespaces;
    bool is_bot = event->has_bot && event->bot;
    if (event->malformed)
        return true;
    if ((conf->bot == BOT_ONLY && !is_bot) || (conf->bot == BOT_EXCLUDE && is_bot))
        return false;
    if (namespaces->include.n > 0 && !numbers_have(&namespaces->include, event))
        return false;
    return !numbers_have(&namespaces->exclude, event) && text_passes(&conf->wiki, &event->wiki) &&
           text_passes(&conf->type, &event->type);
}
