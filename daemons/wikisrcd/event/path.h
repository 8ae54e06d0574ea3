/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.h - paths to values inside an event ("meta.domain"), and the tree of all wanted paths, for a
 * single pass over the event.
 *
 * A path is names joined by dots. In an array it applies to each element; "[*]" after a name (as
 * `--schema` prints paths) is allowed and changes nothing. A name that contains a dot or a bracket
 * cannot be written.
 *
 * No I/O. Threads: one owner.
 */
#ifndef WIKISRCD_EVENT_PATH_H
#define WIKISRCD_EVENT_PATH_H

#include "lib/base/strings.h"
#include "lib/json/reader.h"

#define EVENT_PATH_DEPTH_MAX 8
#define EVENT_PATH_RULE      "names joined by dots, 8 at most (meta.domain, added_links[*].link)"

struct event_path {
    char *text; /* owns the names below */
    struct pl_slice names[EVENT_PATH_DEPTH_MAX];
    unsigned depth;
};

/* false: no name, an empty one, a bracket elsewhere, or more than EVENT_PATH_DEPTH_MAX. */
bool event_path_init(struct event_path *path, const char *text);
void event_path_release(struct event_path *path);

/* One name of a path. */
struct path_node {
    char *name; /* unescaped */
    size_t len;
    uint64_t lens;               /* bit n: a child's name has n bytes; 63: or more */
    struct path_node **children; /* few, so they are searched one by one */
    unsigned children_n;
    unsigned *uses; /* the caller's numbers for the value at this node */
    unsigned uses_n;
};

/* The root: the event itself. */
struct path_node *path_tree_new(void);
void path_tree_free(struct path_node *root);
PL_DEFINE_CLEANUP(struct path_node *, path_tree_free);

/* A value may have several uses. false: not a path. */
bool path_tree_add(struct path_node *root, const char *path, unsigned use);

/* The child for a member's key, which may be escaped; NULL: not wanted. */
struct path_node *path_child_escaped(const struct path_node *n, const struct pl_json_str *key);
static inline struct path_node *path_child(const struct path_node *n, const struct pl_json_str *key)
{
    if (key->escaped)
        return path_child_escaped(n, key);
    if (!(n->lens >> (key->len < 63 ? key->len : 63) & 1))
        return NULL;
    for (unsigned i = 0; i < n->children_n; i++) {
        struct path_node *child = n->children[i];
        if (child->len == key->len && memcmp(child->name, key->p, key->len) == 0)
            return child;
    }
    return NULL;
}

#endif
