/* SPDX-License-Identifier: Apache-2.0 */
/*
 * draft.h - a configuration that is being made: values by the paths of their options, and the short
 * commented file of them.
 *
 * A draft is a tree as pl_yaml_load() gives it (so a file that is there can be the beginning of
 * one), and is freed as one. A path is an option's, or that of one key of a MAP: of
 * "kafka.sasl.password" the option is kafka, the key sasl.password.
 *
 * Pure. Threads: one owner.
 */
#ifndef PL_CONFIG_DRAFT_H
#define PL_CONFIG_DRAFT_H

#include "lib/config/options.h"

struct pl_node *pl_draft_new(void);

/* The option of a path; of a key of a MAP: the MAP. NULL: there is none. */
const struct pl_option *pl_draft_option(const struct pl_option *table, const char *path);
/* Whether its value is a secret, by its type or its key. */
bool pl_draft_is_secret(const struct pl_option *table, const char *path);

/* NULL: not set, or null. */
const struct pl_node *pl_draft_get(const struct pl_option *table, const struct pl_node *draft,
                                   const char *path);
/* The value as pl_draft_set() takes it, malloc()ed; NULL: not set, or no text and no list of
 * texts. */
char *pl_draft_text(const struct pl_option *table, const struct pl_node *draft, const char *path);

/* The option's default in the same form, malloc()ed. NULL: it has none (that of a REQUIRED option
 * is an example), or is one key of a MAP. */
char *pl_draft_default(const struct pl_option *table, const char *path);

/* Sets or replaces a value by the text that a person types: of STRINGS and URLS several separated
 * by commas, of all else one. `path` has an option that is no MAP (but a key of one), ROWS or NODE;
 * the text is UTF-8 in one line. Whether it is a valid value shows when the file is loaded. */
void pl_draft_set(const struct pl_option *table, struct pl_node *draft, const char *path,
                  const char *text);
/* The same with a reference to a secret: { FORM: NAME }. */
void pl_draft_set_reference(const struct pl_option *table, struct pl_node *draft, const char *path,
                            const char *form, const char *name);
/* Takes a value out, and puts one (NULL: nothing) back in place of what is there. */
struct pl_node *pl_draft_take(const struct pl_option *table, struct pl_node *draft,
                              const char *path);
void pl_draft_put(const struct pl_option *table, struct pl_node *draft, const char *path,
                  struct pl_node *value);

/* A path in it that no option has, malloc()ed: it would not be printed. NULL: none. */
char *pl_draft_stranger(const struct pl_option *table, const struct pl_node *draft);

/* The file: `intro` as a comment, then what is set in the table's order, each under the first
 * sentence of its help. Secrets that are texts are shown: wipe `out`. */
void pl_draft_print(const struct pl_option *table, const struct pl_node *draft, const char *intro,
                    struct pl_buf *out);

#endif
