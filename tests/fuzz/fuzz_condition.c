/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_condition.c - any first line as the condition of a route, the rest as a message for it.
 * links: chsinkd
 *
 * What must hold: a condition is good or wrong with a sentence; what it joins stands before it; a
 * message is taken by it, or by its opposite, or refused by both for the same reason.
 */
#include <assert.h>
#include <stdio.h>

#include "daemons/chsinkd/decode/rows.h"

#define REQUIRE(what)                                                                              \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const char route_text[] =
    "topic: t\ntable: t\norder_by: tuple()\ndepth_max: 16\n"
    "columns:\n  - {name: all, path: \"@\", type: String, json: true}\n";

static struct route *route_new(void)
{
    struct pl_findings errs;
    pl_findings_init(&errs);
    struct route *route = route_parse("fuzz", route_text, strlen(route_text), &errs);
    REQUIRE(route);
    pl_findings_release(&errs);
    return route;
}

static void condition_check(const struct condition *c)
{
    REQUIRE(c->nodes_n > 0 && c->nodes_n <= CONDITION_NODES_MAX);
    REQUIRE(c->values_n <= CONDITION_VALUES_MAX);
    for (unsigned i = 0; i < c->nodes_n; i++) {
        const struct condition_node *n = &c->nodes[i];
        bool joins = n->kind == CONDITION_AND || n->kind == CONDITION_OR;
        REQUIRE(!joins || (n->left < i && n->right < i));
        REQUIRE(n->kind != CONDITION_NOT || n->left < i);
        if (joins || n->kind == CONDITION_NOT)
            continue;
        REQUIRE(n->path < c->paths_n);
        REQUIRE(n->value_at + n->values_n <= c->values_n);
        REQUIRE((n->kind == CONDITION_EXISTS) == (n->values_n == 0));
        REQUIRE(n->kind <= CONDITION_EQUAL || n->values_n == 1);
    }
}

static void on_reject(void *userdata, const struct rows_reject *reject)
{
    *(const char **)userdata = reject->reason;
}

static uint64_t decode(struct route *route, const struct rows_message *m, const char **ret_reason)
{
    PL_CLEANUP(rows_freep) struct rows *rows = rows_new(route);
    PL_CLEANUP(block_freep) struct block *block = block_new(route);
    *ret_reason = NULL;
    return rows_decode(rows, m, NULL, block, on_reject, ret_reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t len = end ? (size_t)(end - text) : size;
    PL_FREE char *line = size > 0 ? pl_strndup(text, len) : pl_strdup("");
    struct condition c = {0};
    struct pl_err err;
    if (condition_parse(line, &c, &err) < 0) {
        REQUIRE(err.kind == PL_ERR_CONFIG && *err.msg && !c.nodes);
        return 0;
    }
    condition_check(&c);
    PL_CLEANUP(route_freep) struct route *one = route_new();
    PL_CLEANUP(route_freep) struct route *other = route_new();
    PL_FREE char *opposite = pl_strf("not (%s)", line);
    one->condition = c;
    if (condition_parse(opposite, &other->condition, &err) < 0)
        return 0; /* too deep */
    const char *why, *why_other;
    const struct rows_message m = {
        .topic = "t", .value = end ? end + 1 : "", .value_len = end ? size - len - 1 : 0};
    uint64_t n = decode(one, &m, &why), n_other = decode(other, &m, &why_other);
    REQUIRE(why == why_other);
    REQUIRE(n + n_other + (why != NULL) == 1);
    return 0;
}
