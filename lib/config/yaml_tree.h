/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml_tree.h - a YAML file as a tree of nodes that know their line and column, and the list of all
 * that is wrong with it.
 *
 * Aliases, anchors, tags and several documents are refused: a daemon's configuration has no use for
 * them. A key that is twice in a mapping is an error at the second.
 *
 * Limits: a file of 1 MiB, 32 levels, 20,000 nodes. No logging. Threads: one owner.
 */
#ifndef PL_CONFIG_YAML_TREE_H
#define PL_CONFIG_YAML_TREE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum pl_node_type { PL_NODE_SCALAR, PL_NODE_SEQ, PL_NODE_MAP };

struct pl_node {
    enum pl_node_type type;
    unsigned line, column; /* from 1 */
    char *key;             /* its key in the mapping around it; NULL elsewhere */
    unsigned key_line, key_column;
    char *value;           /* scalars: the text, never NULL; else NULL */
    bool quoted;           /* scalar in quotes or a block scalar: never a number, bool or null */
    struct pl_node *child; /* first element of a sequence or mapping */
    struct pl_node *next;  /* next element of the same parent */
};

/* All findings of a load, in the order found: "FILE:LINE:COLUMN: text". */
struct pl_findings {
    struct pl_buf text; /* lines, each ended by '\n' */
    unsigned count;
    const char *file;       /* borrowed: the name of the file being read */
    struct pl_buf warnings; /* allowed but ought to be fixed: lines as in `text`, for the log */
    unsigned warnings_count;
    bool file_exposed; /* not only the owner and our group can read `file`; set by pl_yaml_load() */
};

static inline void pl_findings_init(struct pl_findings *errs)
{
    *errs = (struct pl_findings){0};
}
void pl_findings_release(struct pl_findings *errs);
/* line 0: no position ("FILE: text"). At most 100 findings are kept, the rest counted. */
void pl_findings_add(struct pl_findings *errs, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void pl_findings_warn(struct pl_findings *errs, unsigned line, unsigned column, const char *fmt,
                      ...) __attribute__((format(printf, 4, 5)));

/* Reads a file, or text in memory. NULL: findings were added; else there are none. The root is a
 * mapping; an empty file is an empty one. The caller frees the tree. pl_yaml_load() sets errs->file
 * and leaves it set. */
struct pl_node *pl_yaml_load(const char *file, struct pl_findings *errs);
struct pl_node *pl_yaml_parse(const char *text, size_t len, struct pl_findings *errs);
/* As pl_yaml_load(), but a tree that could be made in spite of findings (a key twice, a tag, an
 * anchor) is returned, so that the same run can check the rest: compare errs->count. */
struct pl_node *pl_yaml_load_lenient(const char *file, struct pl_findings *errs);

/* Wipes all texts, as one may be a secret, and frees the tree. NULL is allowed. */
void pl_node_free(struct pl_node *root);
PL_DEFINE_CLEANUP(struct pl_node *, pl_node_free);

/* The child of a mapping by key, or NULL. */
struct pl_node *pl_node_get(const struct pl_node *map, const char *key);

/* A plain scalar that says "nothing": empty, "~", "null", "Null" or "NULL". */
bool pl_node_is_null(const struct pl_node *n);

/* "a list", "a mapping" or "a text", for findings. */
const char *pl_node_sort(const struct pl_node *n);

#endif
