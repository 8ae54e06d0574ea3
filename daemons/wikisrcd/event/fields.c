/* SPDX-License-Identifier: Apache-2.0 */
/* fields.c - see fields.h. */
#include "daemons/wikisrcd/event/fields.h"

#include <string.h>

const char *const event_fields[FIELDS][EVENT_FIELD_PATHS_MAX + 1] = {
    [FIELD_WIKI] = {"wiki", "wiki_id", "database"},
    [FIELD_TYPE] = {"type", "page_change_kind", "changelog_kind"},
    [FIELD_NAMESPACE] = {"namespace", "page.namespace_id", "page_namespace"},
    [FIELD_TITLE] = {"title", "page.page_title", "page_title"},
    [FIELD_USER] = {"user", "performer.user_text"},
    [FIELD_BOT] = {"bot", "performer.is_bot", "performer.user_is_bot"},
};

unsigned event_field_paths(const char *path, const char *ret[EVENT_FIELD_PATHS_MAX])
{
    ret[0] = path;
    for (int f = 0; f < FIELDS; f++) {
        if (strcmp(path, event_fields[f][0]) != 0)
            continue;
        unsigned n = 0;
        for (; event_fields[f][n]; n++)
            ret[n] = event_fields[f][n];
        return n;
    }
    return 1;
}
