/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of lib/config share: options.c walks a mapping, value.c makes a value
 * of a node (units.c, url.c, secret.c: of the harder types), print.c writes values as YAML.
 */
#ifndef PL_CONFIG_INTERNAL_H
#define PL_CONFIG_INTERNAL_H

#include "lib/base/text.h"
#include "lib/config/options.h"

/* What the field of an option holds. It is reached by PL_FIELD(), not through a pointer to the
 * union, which would claim that a bool in a struct is aligned as the union is. */
union pl_field {
    char *string;
    bool boolean;
    int64_t number;
    int choice;
    struct pl_strings strings;
    struct pl_map map;
    struct pl_secret secret;
    struct pl_node *rows;
    const struct pl_node *node;
};
#define PL_FIELD(member, field) (*(__typeof__(((union pl_field *)0)->member) *)(field))
static inline void *pl_field_at(const struct pl_option *o, const void *target)
{
    return (char *)(uintptr_t)target + o->offset;
}

/* Whether the option is inside the mapping whose path is the first `len` bytes of `path`. */
static inline bool pl_option_below(const struct pl_option *o, const char *path, size_t len)
{
    return strncmp(o->path, path, len) == 0 && o->path[len] == '.';
}

/* From a node that is not null; false: findings were added, the field is unchanged. */
bool pl_value_set(const struct pl_option *o, struct pl_node *n, void *field,
                  struct pl_findings *errs);
/* A wrong default is our own bug (assert). */
void pl_value_default(const struct pl_option *o, void *field, struct pl_findings *errs);
/* The default as a node: a text without quotes is taken as it is, all else is read as YAML. */
struct pl_node *pl_value_default_node(const struct pl_option *o);
void pl_value_release(const struct pl_option *o, void *field);
/* The order of mappings does not matter. */
bool pl_value_equal(const struct pl_option *o, const void *a, const void *b);
void pl_value_swap(const struct pl_option *o, void *a, void *b);

int pl_int_parse(const char *text, int64_t *ret); /* 0 or -1 */
/* "15m", "64MiB", "7" by the option's type: the largest unit that gives a whole number. `out`:
 * PL_NUMBER_TEXT bytes. */
#define PL_NUMBER_TEXT 32
void pl_number_format(const struct pl_option *o, int64_t v, char *out);

/* Whether a scalar is a URL as PL_OPT_URL wants it; false: a finding was added, without the
 * text. */
bool pl_url_check(const struct pl_option *o, const struct pl_node *n, struct pl_findings *errs);

#define PL_FINDING(errs, n, fmt, ...)                                                              \
    pl_findings_add(errs, (n)->line, (n)->column, fmt, __VA_ARGS__)

/* Resolves a literal or a reference. `name` is for findings; `whole`: all of a file, not its first
 * line. false: findings were added. */
bool pl_secret_resolve(struct pl_node *n, const char *name, bool whole, struct pl_secret *ret,
                       struct pl_findings *errs);
void pl_secret_release(struct pl_secret *s);

#endif
