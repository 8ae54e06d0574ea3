/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact.c - see redact.h.
 *
 * A walk over the bytes. Everything before `copied` is in the output already, or was cut out.
 */
#include "daemons/wikisrcd/event/redact.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "daemons/wikisrcd/event/path.h"

struct redact {
    struct path_node *root; /* uses: numbers of rules */
    struct rule {
        char *path;
        enum redact_action action;
        bool found;
    } * rules;
    size_t n;
    struct pl_buf key;
    struct pl_buf value; /* what is hashed, unescaped */
};

struct redaction {
    struct redact *r;
    struct pl_json j;
    struct pl_buf *out;
    const char *copied;
    bool refused; /* by libcrypto */
};

struct redact *redact_new(const struct redact_rules *rules, const char *key)
{
    struct redact *r = pl_alloc(sizeof(*r));
    r->root = path_tree_new();
    r->rules = pl_alloc_array(rules->n, sizeof(*r->rules));
    if (key)
        pl_buf_add(&r->key, key, strlen(key));
    for (size_t i = 0; i < rules->n; i++) {
        r->rules[r->n].path = pl_strdup(rules->v[i].path);
        r->rules[r->n].action = (enum redact_action)rules->v[i].action;
        path_tree_add(r->root, rules->v[i].path, (unsigned)r->n++);
    }
    return r;
}

void redact_free(struct redact *r)
{
    if (!r)
        return;
    path_tree_free(r->root);
    for (size_t i = 0; i < r->n; i++)
        free(r->rules[i].path);
    free(r->rules);
    pl_buf_wipe(&r->key);
    pl_buf_wipe(&r->value);
    free(r);
}

static void cut(struct redaction *w, const char *from, const char *to)
{
    pl_buf_add(w->out, w->copied, (size_t)(from - w->copied));
    w->copied = to;
}

/* ---- hash ---- */

static void hash_write(struct redaction *w, const char *start, const void *value, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_len = 0;
    const struct pl_buf *key = &w->r->key;
    cut(w, start, w->j.p);
    pl_buf_add_byte(w->out, '"');
    if (!HMAC(EVP_sha256(), key->data ? key->data : "", (int)key->len, value, len, hash, &hash_len))
        w->refused = true;
    for (unsigned i = 0; i < hash_len; i++) {
        pl_buf_add_byte(w->out, hex[hash[i] >> 4]);
        pl_buf_add_byte(w->out, hex[hash[i] & 15]);
    }
    pl_buf_add_byte(w->out, '"');
}

static void string_hash(struct redaction *w, const char *start)
{
    struct pl_json_str text;
    struct pl_buf *value = &w->r->value;
    if (!pl_json_string(&w->j, &text))
        return;
    pl_buf_reset(value);
    if (text.escaped && pl_json_unescape_buf(&text, value))
        hash_write(w, start, value->data ? value->data : "", value->len);
    else
        hash_write(w, start, text.p, text.len);
}

static void number_hash(struct redaction *w, const char *start)
{
    struct pl_json_num number;
    int64_t whole;
    char digits[24];
    if (!pl_json_number(&w->j, &number))
        return;
    if (pl_json_num_i64(&number, &whole) != PL_JSON_NUM_OK) {
        hash_write(w, start, number.p, number.len);
        return;
    }
    int n = snprintf(digits, sizeof(digits), "%" PRId64, whole);
    hash_write(w, start, digits, (size_t)n);
}

/* The reader limits the depth of the recursion. */
static void value_hash(struct redaction *w)
{
    struct pl_slice raw;
    enum pl_json_type type = pl_json_peek(&w->j);
    const char *start = w->j.p;
    switch (type) {
    case PL_JSON_STRING:
        string_hash(w, start);
        break;
    case PL_JSON_NUMBER:
        number_hash(w, start);
        break;
    case PL_JSON_ARRAY:
        pl_json_array_begin(&w->j);
        while (pl_json_array_next(&w->j))
            value_hash(w);
        break;
    case PL_JSON_TRUE:
    case PL_JSON_FALSE:
    case PL_JSON_OBJECT:
        if (pl_json_skip(&w->j, &raw))
            hash_write(w, start, raw.p, raw.len);
        break;
    case PL_JSON_NONE:
    case PL_JSON_NULL:
        pl_json_skip(&w->j, NULL);
        break;
    }
}

/* ---- the walk ---- */

static struct rule *rule_of(const struct redaction *w, const struct path_node *n)
{
    return n && n->uses_n > 0 ? &w->r->rules[n->uses[0]] : NULL;
}

static void members_redact(struct redaction *w, const struct path_node *n);

static void value_keep(struct redaction *w, const struct path_node *n, struct rule *rule)
{
    if (rule)
        value_hash(w);
    else if (n)
        members_redact(w, n);
    else
        pl_json_skip(&w->j, NULL);
}

/* A dropped member takes the comma before it along, or the one after it while none was kept. */
static void object_redact(struct redaction *w, const struct path_node *n)
{
    struct pl_json *j = &w->j;
    pl_json_object_begin(j);
    const char *begin = j->p, *end = begin; /* of the members; end of the last value */
    bool kept = false, dropped = false;
    struct pl_json_str key;
    while (pl_json_object_next(j, &key)) {
        const struct path_node *child = path_child(n, &key);
        struct rule *rule = rule_of(w, child);
        if (rule)
            rule->found = true;
        if (rule && rule->action == REDACT_DROP) {
            pl_json_skip(j, NULL);
            if (kept)
                cut(w, end, j->p);
            dropped = true;
        } else {
            if (dropped && !kept)
                cut(w, begin, (const char *)memchr(end, ',', (size_t)(key.p - end)) + 1);
            kept = true;
            value_keep(w, child, rule);
        }
        end = j->p;
    }
    if (dropped && !kept && !j->error)
        cut(w, begin, end);
}

/* Enters an object, and each element of an array. */
static void members_redact(struct redaction *w, const struct path_node *n)
{
    enum pl_json_type type = pl_json_peek(&w->j);
    if (type == PL_JSON_OBJECT) {
        object_redact(w, n);
    } else if (type == PL_JSON_ARRAY) {
        pl_json_array_begin(&w->j);
        while (pl_json_array_next(&w->j))
            members_redact(w, n);
    } else {
        pl_json_skip(&w->j, NULL);
    }
}

bool redact_apply(struct redact *r, const char *data, size_t len, struct pl_buf *out,
                  const char **ret_why)
{
    struct redaction w = {.r = r, .out = out, .copied = data};
    for (size_t i = 0; i < r->n; i++)
        r->rules[i].found = false;
    pl_json_init(&w.j, data, len, PL_JSON_DEPTH_DEFAULT);
    object_redact(&w, r->root);
    bool whole = pl_json_end(&w.j);
    if (!whole || w.refused) {
        *ret_why = w.refused   ? "libcrypto cannot compute an HMAC-SHA256"
                   : w.j.error ? w.j.error
                               : "text after the end of the document";
        return false;
    }
    cut(&w, data + len, data + len);
    return true;
}

size_t redact_rules_n(const struct redact *r)
{
    return r->n;
}

bool redact_found(const struct redact *r, size_t i)
{
    return r->rules[i].found;
}

const char *redact_path(const struct redact *r, size_t i)
{
    return r->rules[i].path;
}
