/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trie.h - the keys that a route's columns want, as a tree that is walked along a message.
 *
 * Producers write their keys in the same order again and again. Each node remembers which of its
 * siblings followed it the last time; that key is compared first, and only another one is searched
 * for. Keys that no column wants are learned for that, too, TRIE_LEARNED_MAX of an object. The
 * memory changes only how fast a key is found, never what is found.
 *
 * Threads: one owner (walking writes that memory).
 */
#ifndef CHSINKD_DECODE_TRIE_H
#define CHSINKD_DECODE_TRIE_H

#include "lib/json/reader.h"

#define TRIE_LEARNED_MAX 64
/* Longer keys are not learned. */
#define TRIE_LEARNED_LEN_MAX 64

/* What wants a node's value: a column of the block. */
struct trie_target {
    unsigned column; /* index in the block's columns */
    int capture;     /* index of the capture that keeps it for later; -1: converted at once */
};

struct trie_node {
    char *key; /* unescaped */
    size_t key_len;
    char *token; /* "key": as a producer writes it; NULL for a key that JSON may have to escape */
    size_t token_len;
    uint64_t stamp; /* of the walk that met it last: twice in one walk is a duplicate */
    struct trie_node *first_guess, *next_guess;
    struct trie_node **children;
    struct trie_node **table;  /* open addressing, a power of two, at most half full; learned ones,
                               * too */
    struct trie_node *learned; /* a list of those below, by next_learned */
    struct trie_node *next_learned;
    unsigned learned_n;
    unsigned children_n, table_mask;
    struct trie_target *targets;
    unsigned targets_n;
    bool unknown; /* learned: no column wants it */
    bool rows;    /* its value is the array of the rows */
    bool covered; /* a column takes the whole value: nothing below is unknown */
    char *prefix; /* of the names of unknown fields in this object, escaped: "meta." */
    size_t prefix_len;
};

/* The root; `prefix`: of the names of all unknown fields. */
struct trie_node *trie_new(const char *prefix);
void trie_free(struct trie_node *root);
PL_DEFINE_CLEANUP(struct trie_node *, trie_free);
/* The node at the path, created if needed. */
struct trie_node *trie_add(struct trie_node *root, char *const *keys, unsigned keys_n);
void trie_target_add(struct trie_node *n, unsigned column, int capture);
/* Once, after all is added. */
void trie_build(struct trie_node *root);

/* A key of the object n that was searched for in vain, without escapes. NULL: it is not learned. */
struct trie_node *trie_learn(struct trie_node *n, struct trie_node *prev, const char *key,
                             size_t len);

/* Appends a key for the name of an unknown field, escaped for JSON: plain, or in quotes when it
 * holds a dot or a quote, as in paths (so that two fields never get the same name). */
void trie_name_key(struct pl_buf *out, const char *key, size_t len);

/* A key that was not guessed. NULL: not wanted. */
struct trie_node *trie_search(const struct trie_node *n, const char *key, size_t len);

/* Equality of `len` bytes by words, the last of which overlaps the one before: keys are short, and
 * a call of memcmp() would cost more than the comparison. Never reads beyond `len`. */
static inline bool trie_bytes_equal(const char *a, const char *b, size_t len)
{
    if (len >= 8) {
        uint64_t x, y;
        for (size_t i = 0; i < len - 8; i += 8) {
            memcpy(&x, a + i, 8);
            memcpy(&y, b + i, 8);
            if (x != y)
                return false;
        }
        memcpy(&x, a + len - 8, 8);
        memcpy(&y, b + len - 8, 8);
        return x == y;
    }
    if (len >= 4) {
        uint32_t p, q, s, t;
        memcpy(&p, a, 4);
        memcpy(&q, b, 4);
        memcpy(&s, a + len - 4, 4);
        memcpy(&t, b + len - 4, 4);
        return ((p ^ q) | (s ^ t)) == 0;
    }
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

/* The guess together with the key's grammar: when the reader is before exactly ,"key": and a value,
 * it is moved to the value. This only saves work: pl_json_object_next() would accept the same
 * bytes. */
static inline struct trie_node *trie_guess(struct trie_node *n, struct trie_node *prev,
                                           struct pl_json *j)
{
    struct trie_node *child = prev ? prev->next_guess : n->first_guess;
    if (!child || !child->token || j->error)
        return NULL;
    const char *p = j->p;
    if ((size_t)(j->end - p) < child->token_len + 2)
        return NULL;
    if (!j->first) {
        if (*p != ',')
            return NULL;
        p++;
    }
    if (!trie_bytes_equal(p, child->token, child->token_len) ||
        (unsigned char)p[child->token_len] <= ' ')
        return NULL;
    j->first = false;
    j->p = p + child->token_len;
    return child;
}

/* `prev`: the node found last in this object, or NULL. */
static inline struct trie_node *trie_find(struct trie_node *n, struct trie_node *prev,
                                          const char *key, size_t len)
{
    struct trie_node **guess = prev ? &prev->next_guess : &n->first_guess;
    struct trie_node *child = *guess;
    if (child && child->key_len == len && trie_bytes_equal(child->key, key, len))
        return child;
    child = trie_search(n, key, len);
    if (child)
        *guess = child;
    return child;
}

#endif
