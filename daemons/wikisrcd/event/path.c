/* SPDX-License-Identifier: Apache-2.0 */
/* path.c - see path.h. */
#include "daemons/wikisrcd/event/path.h"

/* Cuts "[*]" off the end of a name, repeatedly for nested arrays. */
static size_t name_len(const char *name, size_t len)
{
    while (len >= 3 && memcmp(name + len - 3, "[*]", 3) == 0)
        len -= 3;
    return len;
}

bool event_path_init(struct event_path *path, const char *text)
{
    *path = (struct event_path){.text = pl_strdup(text)};
    for (char *name = path->text;;) {
        char *dot = strchrnul(name, '.');
        size_t len = name_len(name, (size_t)(dot - name));
        bool last = *dot == '\0';
        name[len] = '\0'; /* names are compared as C strings */
        if (len == 0 || strpbrk(name, "[]") || path->depth == EVENT_PATH_DEPTH_MAX) {
            event_path_release(path);
            return false;
        }
        path->names[path->depth++] = (struct pl_slice){name, len};
        if (last)
            return true;
        name = dot + 1;
    }
}

void event_path_release(struct event_path *path)
{
    free(path->text);
    *path = (struct event_path){0};
}

struct path_node *path_tree_new(void)
{
    return pl_alloc(sizeof(struct path_node));
}

void path_tree_free(struct path_node *n)
{
    if (!n)
        return;
    for (unsigned i = 0; i < n->children_n; i++)
        path_tree_free(n->children[i]);
    free(n->children);
    free(n->uses);
    free(n->name);
    free(n);
}

static struct path_node *child_need(struct path_node *n, struct pl_slice name)
{
    for (unsigned i = 0; i < n->children_n; i++)
        if (strcmp(n->children[i]->name, name.p) == 0)
            return n->children[i];
    struct path_node *child = path_tree_new();
    child->name = pl_strdup(name.p);
    child->len = name.len;
    n->lens |= UINT64_C(1) << (name.len < 63 ? name.len : 63);
    n->children = pl_realloc_array(n->children, n->children_n + 1, sizeof(*n->children));
    n->children[n->children_n++] = child;
    return child;
}

bool path_tree_add(struct path_node *root, const char *text, unsigned use)
{
    PL_CLEANUP(event_path_release) struct event_path path;
    if (!event_path_init(&path, text))
        return false;
    struct path_node *n = root;
    for (unsigned i = 0; i < path.depth; i++)
        n = child_need(n, path.names[i]);
    n->uses = pl_realloc_array(n->uses, n->uses_n + 1, sizeof(*n->uses));
    n->uses[n->uses_n++] = use;
    return true;
}

struct path_node *path_child_escaped(const struct path_node *n, const struct pl_json_str *key)
{
    for (unsigned i = 0; i < n->children_n; i++)
        if (pl_json_str_eq(key, n->children[i]->name))
            return n->children[i];
    return NULL;
}
