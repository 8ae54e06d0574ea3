/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules.h - the rows of filter.fields and redact in the configuration.
 *
 *     filter.fields: [{path: page.namespace_id, in: [0]}, {path: performer.is_bot, not_in: [true]},
 *                     {path: revision.comment, exists: true}]
 *     redact: [{path: user, action: hash}, {path: performer.user_text, action: drop}]
 *
 * Owned by the caller, who releases them. Pure; any thread.
 */
#ifndef WIKISRCD_EVENT_RULES_H
#define WIKISRCD_EVENT_RULES_H

#include "lib/config/options.h"

#define FILTER_RULES_MAX 100
#define REDACT_RULES_MAX 100

enum rule_exists { EXISTS_ANY, EXISTS_TRUE, EXISTS_FALSE };
enum redact_action { REDACT_DROP, REDACT_HASH };

/* One of in, not_in, exists. */
struct filter_rule {
    char *path;
    struct pl_strings in, not_in;
    int exists; /* enum rule_exists */
};

struct redact_rule {
    char *path;
    int action; /* enum redact_action */
};

struct filter_rules {
    struct filter_rule *v;
    size_t n;
};

struct redact_rules {
    struct redact_rule *v;
    size_t n;
};

/* `rows`: the value of a PL_OPT_ROWS; NULL: none. false: findings were added, with line and column;
 * the rules are set and must be released all the same. */
bool filter_rules_parse(struct pl_node *rows, struct filter_rules *ret, struct pl_findings *errs);
bool redact_rules_parse(struct pl_node *rows, struct redact_rules *ret, struct pl_findings *errs);
void filter_rules_release(struct filter_rules *rules);
void redact_rules_release(struct redact_rules *rules);

#endif
