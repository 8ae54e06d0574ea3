/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition.c - see condition.h.
 */
#include "daemons/chsinkd/route/condition.h"

#include <ctype.h>

struct parser {
    const char *text, *p;
    struct condition c;
    unsigned depth;
    struct pl_err *err;
};

/* --- the text --- */

static int fail(const struct parser *k, const char *why)
{
    unsigned at = 1;
    for (const char *p = k->text; p < k->p; p++)
        at += (*p & 0xc0) != 0x80;
    if (!*k->p)
        return pl_err_set(k->err, PL_ERR_CONFIG, 0, "at its end: %s", why);
    return pl_err_set(k->err, PL_ERR_CONFIG, 0, "character %u (%.20s): %s", at, k->p, why);
}

static void space_pass(struct parser *k)
{
    while (*k->p == ' ' || *k->p == '\t' || *k->p == '\n' || *k->p == '\r')
        k->p++;
}

/* Passes a sign or a word, which ends where no letter follows. */
static bool pass(struct parser *k, const char *what)
{
    space_pass(k);
    size_t len = strlen(what);
    if (strncmp(k->p, what, len) != 0)
        return false;
    bool word = isalpha((unsigned char)*what);
    if (word && (isalnum((unsigned char)k->p[len]) || k->p[len] == '_'))
        return false;
    k->p += len;
    return true;
}

/* --- the parts --- */

static int node_add(struct parser *k, const struct condition_node *node, unsigned *ret)
{
    struct condition *c = &k->c;
    if (c->nodes_n == CONDITION_NODES_MAX)
        return fail(k, "more than 256 comparisons and words (in [...] is one)");
    c->nodes = pl_realloc_array(c->nodes, c->nodes_n + 1, sizeof(*c->nodes));
    c->nodes[c->nodes_n] = *node;
    *ret = c->nodes_n++;
    return 0;
}

/* The end of the path's text, which column_path_parse() checks. */
static const char *path_end(const char *p)
{
    bool quoted = false;
    for (p++; *p && (quoted || (!isspace((unsigned char)*p) && !strchr("=!<>(),", *p))); p++) {
        quoted ^= *p == '"';
        p += quoted && *p == '\\' && p[1];
    }
    return p;
}

static int path_parse(struct parser *k, unsigned *ret)
{
    struct condition *c = &k->c;
    space_pass(k);
    if (*k->p != '$' && *k->p != '@')
        return fail(k, *k->p == '!'
                           ? "a path ($.key or @.key), exists(path), not or ( is "
                             "expected; \"not\" is written as a word"
                           : "a path ($.key or @.key), exists(path), not or ( is expected");
    const char *end = path_end(k->p);
    PL_FREE char *text = pl_strndup(k->p, (size_t)(end - k->p));
    struct column_path path;
    struct pl_err why;
    if (column_path_parse(text, &path, &why) < 0)
        return fail(k, why.msg);
    if (path.each > 0) {
        column_path_release(&path);
        return fail(k, "a path in a condition is of one value, without [*]");
    }
    c->paths = pl_realloc_array(c->paths, c->paths_n + 1, sizeof(*c->paths));
    c->paths[c->paths_n] = path;
    *ret = c->paths_n++;
    k->p = end;
    return 0;
}

static int value_parse(struct parser *k)
{
    struct condition *c = &k->c;
    struct condition_value v = {0};
    struct pl_json_str str = {0};
    struct pl_json j;
    bool truth;
    space_pass(k);
    if (c->values_n == CONDITION_VALUES_MAX)
        return fail(k, "more than 1024 values");
    pl_json_init(&j, k->p, strlen(k->p), 1);
    v.type = pl_json_peek(&j);
    if (v.type == PL_JSON_NULL)
        return fail(k, "null counts as absent: exists(path) and not exists(path) ask for it");
    if (v.type == PL_JSON_STRING && pl_json_string(&j, &str)) {
        if (!pl_json_unescape_buf(&str, &v.text)) {
            pl_buf_release(&v.text);
            return fail(k, "half of a surrogate pair is equal to nothing");
        }
    } else if (v.type == PL_JSON_NUMBER && pl_json_number(&j, &v.num)) {
        pl_buf_add(&v.text, v.num.p, v.num.len);
        v.num.p = v.text.data;
    } else if (v.type != PL_JSON_TRUE && v.type != PL_JSON_FALSE) {
        bool some = v.type == PL_JSON_STRING || v.type == PL_JSON_NUMBER;
        return fail(k, some ? j.error : "a text in \"...\", a number, true or false is expected");
    } else if (!pl_json_bool(&j, &truth)) {
        return fail(k, j.error);
    }
    c->values = pl_realloc_array(c->values, c->values_n + 1, sizeof(*c->values));
    c->values[c->values_n++] = v;
    k->p = j.p;
    return 0;
}

static int list_parse(struct parser *k)
{
    if (!pass(k, "["))
        return fail(k, "[ is expected: in [\"a\", \"b\"]");
    do
        if (value_parse(k) < 0)
            return -1;
    while (pass(k, ","));
    return pass(k, "]") ? 0 : fail(k, ", or ] is expected");
}

/* A path and what it is compared with. */
static int comparison_parse(struct parser *k, unsigned *ret)
{
    static const struct {
        const char *sign;
        enum condition_kind kind;
        bool negated;
    } signs[] = {
        {"==", CONDITION_EQUAL, false},         {"!=", CONDITION_EQUAL, true},
        {"<=", CONDITION_LESS_EQUAL, false},    {"<", CONDITION_LESS, false},
        {">=", CONDITION_GREATER_EQUAL, false}, {">", CONDITION_GREATER, false},
    };
    struct condition_node node = {.value_at = k->c.values_n};
    unsigned i = 0;
    if (path_parse(k, &node.path) < 0)
        return -1;
    while (i < PL_COUNT(signs) && !pass(k, signs[i].sign))
        i++;
    bool list = i == PL_COUNT(signs) && pass(k, "in");
    if (!list && i == PL_COUNT(signs))
        return fail(k, *k->p == '=' ? "== is expected" : "== != < <= > >= or in is expected");
    const char *at = k->p;
    if ((list ? list_parse(k) : value_parse(k)) < 0)
        return -1;
    node.kind = list ? CONDITION_EQUAL : signs[i].kind;
    node.values_n = k->c.values_n - node.value_at;
    enum pl_json_type type = k->c.values[node.value_at].type;
    if (node.kind != CONDITION_EQUAL && type != PL_JSON_STRING && type != PL_JSON_NUMBER) {
        k->p = at;
        return fail(k, "only texts and numbers have an order");
    }
    if (node_add(k, &node, ret) < 0)
        return -1;
    if (list || !signs[i].negated)
        return 0;
    return node_add(k, &(struct condition_node){.kind = CONDITION_NOT, .left = *ret}, ret);
}

static int exists_parse(struct parser *k, unsigned *ret)
{
    struct condition_node node = {.kind = CONDITION_EXISTS};
    if (!pass(k, "("))
        return fail(k, "( is expected: exists($.key)");
    if (path_parse(k, &node.path) < 0)
        return -1;
    return pass(k, ")") ? node_add(k, &node, ret) : fail(k, ") is expected");
}

static int condition_or_parse(struct parser *k, unsigned *ret);

static int one_parse(struct parser *k, unsigned *ret)
{
    struct condition_node node = {.kind = CONDITION_NOT};
    bool negated = pass(k, "not");
    if (!negated && pass(k, "exists"))
        return exists_parse(k, ret);
    if (!negated && !pass(k, "("))
        return comparison_parse(k, ret);
    if (k->depth == CONDITION_DEPTH_MAX)
        return fail(k, "more than 32 parentheses and nots inside each other");
    k->depth++;
    if ((negated ? one_parse(k, &node.left) : condition_or_parse(k, ret)) < 0)
        return -1;
    k->depth--;
    if (negated)
        return node_add(k, &node, ret);
    return pass(k, ")") ? 0 : fail(k, "and, or or ) is expected");
}

static int both_parse(struct parser *k, unsigned *ret)
{
    struct condition_node node = {.kind = CONDITION_AND};
    if (one_parse(k, ret) < 0)
        return -1;
    while (pass(k, "and")) {
        node.left = *ret;
        if (one_parse(k, &node.right) < 0 || node_add(k, &node, ret) < 0)
            return -1;
    }
    return 0;
}

static int condition_or_parse(struct parser *k, unsigned *ret)
{
    struct condition_node node = {.kind = CONDITION_OR};
    if (both_parse(k, ret) < 0)
        return -1;
    while (pass(k, "or")) {
        node.left = *ret;
        if (both_parse(k, &node.right) < 0 || node_add(k, &node, ret) < 0)
            return -1;
    }
    return 0;
}

/* --- the whole --- */

int condition_parse(const char *text, struct condition *ret, struct pl_err *err)
{
    struct parser k = {.text = text, .p = text, .err = err};
    unsigned root;
    int rc = condition_or_parse(&k, &root);
    space_pass(&k);
    if (rc == 0 && *k.p)
        rc = fail(&k, *k.p == '&' || *k.p == '|' ? "and, or or the end is expected, as words"
                                                 : "and, or or the end is expected");
    if (rc == 0)
        *ret = k.c;
    else
        condition_release(&k.c);
    return rc;
}

void condition_release(struct condition *c)
{
    for (unsigned i = 0; i < c->paths_n; i++)
        column_path_release(&c->paths[i]);
    for (unsigned i = 0; i < c->values_n; i++)
        pl_buf_release(&c->values[i].text);
    free(c->nodes);
    free(c->paths);
    free(c->values);
    *c = (struct condition){0};
}
