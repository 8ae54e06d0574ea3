/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields.h - the names in Wikimedia's schemas for the same thing: the wiki, the page's title, its
 * namespace, the kind of change, who made it and whether that was a bot.
 *
 *                recentchange   page_change and related       page-*, revision-*, user-*
 *     wiki       wiki           wiki_id                       database
 *     type       type           page_change_kind,             -
 *                               changelog_kind
 *     namespace  namespace      page.namespace_id             page_namespace
 *     title      title          page.page_title               page_title
 *     user       user           performer.user_text           performer.user_text
 *     bot        bot            performer.is_bot              performer.user_is_bot
 *
 * Source: the schema repository "primary" of the Wikimedia Event Platform,
 * https://schema.wikimedia.org/repositories/primary/jsonschema/: mediawiki/recentchange 1.0.1,
 * mediawiki/page/change 1.2.0 (fragment/mediawiki/state/change/page, state/entity/page, /user),
 * mediawiki/revision/create 2.0.0 (also of the stream page-create), mediawiki/page/{delete, move,
 * undelete, links-change, properties-change, restrictions-change} 1.0.0,
 * mediawiki/revision/{tags-change, visibility-change} 1.0.0, revision/score 3.0.0,
 * user/blocks-change 1.1.0 (fragments mediawiki/common, page/common, revision/common). No event has
 * two of a row, except page_change, which has both kinds.
 */
#ifndef WIKISRCD_EVENT_FIELDS_H
#define WIKISRCD_EVENT_FIELDS_H

#define EVENT_FIELD_PATHS_MAX 3

enum event_field {
    FIELD_WIKI,
    FIELD_TYPE,
    FIELD_NAMESPACE,
    FIELD_TITLE,
    FIELD_USER,
    FIELD_BOT,
    FIELDS
};

/* The paths of a field, the first that of recentchange; NULL ends them. */
extern const char *const event_fields[FIELDS][EVENT_FIELD_PATHS_MAX + 1];

/* The paths to look for when a configuration names `path`: the row of the table if it is
 * recentchange's name for one, else only the path itself. `ret` borrows from `path` and the table.
 * Returns how many. */
unsigned event_field_paths(const char *path, const char *ret[EVENT_FIELD_PATHS_MAX]);

#endif
