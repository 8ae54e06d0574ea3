/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trie.c - building the tree of wanted keys, and the search for a key that was not guessed.
 */
#include "daemons/chsinkd/decode/trie.h"

/* Length and ends nearly always tell the keys of an object apart. */
static unsigned key_hash(const char *key, size_t len)
{
    if (len == 0)
        return 0;
    unsigned ends = (unsigned char)key[0] + 31U * (unsigned char)key[len - 1] +
                    131U * (unsigned char)key[len / 2];
    return ends + 1021U * (unsigned)len;
}

struct trie_node *trie_search(const struct trie_node *n, const char *key, size_t len)
{
    if (!n->table)
        return NULL;
    for (unsigned i = key_hash(key, len);; i++) {
        struct trie_node *child = n->table[i & n->table_mask];
        if (!child || (child->key_len == len && trie_bytes_equal(child->key, key, len)))
            return child;
    }
}

static struct trie_node *node_new(const char *key)
{
    struct trie_node *n = pl_alloc(sizeof(*n));
    n->key_len = strlen(key);
    n->key = pl_strdup(key);
    bool plain = pl_utf8_valid(key, n->key_len);
    for (const char *p = key; *p && plain; p++)
        plain = (unsigned char)*p >= ' ' && *p != '"' && *p != '\\';
    if (plain) {
        n->token = pl_strf("\"%s\":", key);
        n->token_len = n->key_len + 3;
    }
    return n;
}

struct trie_node *trie_new(const char *prefix)
{
    struct trie_node *root = node_new("");
    root->prefix = pl_strdup(prefix);
    root->prefix_len = strlen(prefix);
    return root;
}

void trie_free(struct trie_node *n)
{
    if (!n)
        return;
    for (unsigned i = 0; i < n->children_n; i++)
        trie_free(n->children[i]);
    while (n->learned) {
        struct trie_node *learned = n->learned;
        n->learned = learned->next_learned;
        trie_free(learned);
    }
    free(n->children);
    free(n->table);
    free(n->targets);
    free(n->prefix);
    free(n->token);
    free(n->key);
    free(n);
}

/* For a string that is open already: the quoted text without its quotes. */
static void add_escaped(struct pl_buf *out, const char *text, size_t len)
{
    struct pl_buf quoted = {0};
    pl_json_quote(&quoted, text, len);
    pl_buf_add(out, quoted.data + 1, quoted.len - 2);
    pl_buf_release(&quoted);
}

void trie_name_key(struct pl_buf *out, const char *key, size_t len)
{
    bool plain = len > 0 && !(len == 1 && *key == '$'); /* "$." begins the message's own fields */
    bool escape = false;
    for (size_t i = 0; plain && i < len; i++) {
        plain = key[i] != '.' && key[i] != '"';
        escape |= (unsigned char)key[i] < ' ' || key[i] == '\\';
    }
    if (plain && !escape) { /* nearly all: nothing is allocated for them */
        pl_buf_add(out, key, len);
    } else if (plain) {
        add_escaped(out, key, len);
    } else {
        struct pl_buf name = {0};
        pl_buf_add_byte(&name, '"');
        for (size_t i = 0; i < len; i++) {
            if (key[i] == '"' || key[i] == '\\')
                pl_buf_add_byte(&name, '\\');
            pl_buf_add_byte(&name, key[i]);
        }
        pl_buf_add_byte(&name, '"');
        add_escaped(out, name.data, name.len);
        pl_buf_release(&name);
    }
}

struct trie_node *trie_add(struct trie_node *root, char *const *keys, unsigned keys_n)
{
    struct trie_node *n = root;
    for (unsigned i = 0; i < keys_n; i++) {
        struct trie_node *child = NULL;
        for (unsigned k = 0; k < n->children_n && !child; k++)
            if (strcmp(n->children[k]->key, keys[i]) == 0)
                child = n->children[k];
        if (!child) {
            child = node_new(keys[i]);
            struct pl_buf prefix = {0};
            pl_buf_add(&prefix, n->prefix, n->prefix_len);
            trie_name_key(&prefix, keys[i], strlen(keys[i]));
            pl_buf_add_byte(&prefix, '.');
            child->prefix_len = prefix.len;
            child->prefix = pl_buf_take(&prefix);
            n->children = pl_realloc_array(n->children, n->children_n + 1, sizeof(*n->children));
            n->children[n->children_n++] = child;
        }
        n = child;
    }
    return n;
}

void trie_target_add(struct trie_node *n, unsigned column, int capture)
{
    n->targets = pl_realloc_array(n->targets, n->targets_n + 1, sizeof(*n->targets));
    n->targets[n->targets_n++] = (struct trie_target){.column = column, .capture = capture};
}

static void table_add(struct trie_node *n, struct trie_node *child)
{
    unsigned at = key_hash(child->key, child->key_len);
    while (n->table[at & n->table_mask])
        at++;
    n->table[at & n->table_mask] = child;
}

struct trie_node *trie_learn(struct trie_node *n, struct trie_node *prev, const char *key,
                             size_t len)
{
    if (!n->table || n->learned_n == TRIE_LEARNED_MAX || len > TRIE_LEARNED_LEN_MAX)
        return NULL;
    char text[TRIE_LEARNED_LEN_MAX + 1] = "";
    memcpy(text, key, len);
    struct trie_node *child = node_new(text);
    child->unknown = true;
    child->next_learned = n->learned;
    n->learned = child;
    n->learned_n++;
    table_add(n, child);
    *(prev ? &prev->next_guess : &n->first_guess) = child;
    return child;
}

void trie_build(struct trie_node *n)
{
    if (n->children_n == 0)
        return;
    unsigned size = 4;
    while (size < 2 * (n->children_n + TRIE_LEARNED_MAX))
        size *= 2;
    n->table = pl_alloc_array(size, sizeof(struct trie_node *));
    n->table_mask = size - 1;
    for (unsigned i = 0; i < n->children_n; i++) {
        struct trie_node *child = n->children[i];
        table_add(n, child);
        child->covered = child->covered || n->covered;
        trie_build(child);
    }
}
