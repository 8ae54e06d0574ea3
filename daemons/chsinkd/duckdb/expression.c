/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expression.c - see expression.h.
 */
#include "daemons/chsinkd/duckdb/expression.h"

#include <ctype.h>
#include <strings.h>

#include "daemons/chsinkd/duckdb/append.h"
#include "daemons/chsinkd/duckdb/database.h"
#include "lib/base/time_text.h"

static bool kind_is_integer(enum ch_kind kind)
{
    return kind >= CH_INT8 && kind <= CH_UINT64;
}

static const char *spaces_skip(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

static struct pl_slice word_at(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_')
        n++;
    return (struct pl_slice){p, n};
}

/* now(), now64(), now64(6), now64(3, 'UTC'), and nothing else. */
static bool is_now(const char *text)
{
    const char *p = spaces_skip(text);
    struct pl_slice name = word_at(p);
    bool now64 = pl_slice_eq(name, "now64");
    if (!now64 && !(name.len == 3 && strncasecmp(name.p, "now", 3) == 0))
        return false;
    p = spaces_skip(p + name.len);
    if (*p++ != '(')
        return false;
    p = spaces_skip(p);
    if (now64 && isdigit((unsigned char)*p)) {
        p = spaces_skip(p + 1);
        if (*p == ',') {
            p = spaces_skip(p + 1);
            if (*p++ != '\'')
                return false;
            p += strcspn(p, "'");
            p = spaces_skip(p + (*p == '\''));
        }
    }
    return *p == ')' && *spaces_skip(p + 1) == '\0';
}

static const struct column *integer_column(const struct route *r, struct pl_slice name)
{
    for (unsigned i = 0; i < r->columns_n; i++) {
        const struct column *c = &r->columns[i];
        if (pl_slice_eq(name, c->name) && c->source != COLUMN_EXPRESSION &&
            kind_is_integer(c->type.kind))
            return c;
    }
    return NULL;
}

/* One word of an arithmetic expression. A space goes around each: two minus signs are a comment. */
static bool word_translate(const struct route *r, struct pl_slice word, struct pl_buf *out)
{
    const struct column *c = integer_column(r, word);
    bool number = word.len <= 18 && strspn(word.p, "0123456789") >= word.len;
    const char *after = spaces_skip(word.p + word.len);
    bool call = *after == '(' && ((word.len == 6 && strncasecmp(word.p, "ifNull", 6) == 0) ||
                                  (word.len == 8 && strncasecmp(word.p, "coalesce", 8) == 0));
    if (call) {
        pl_buf_add_str(out, "coalesce");
    } else if (c || number) {
        pl_buf_add_str(out, "CAST(");
        if (c)
            duckdb_quote_ident(out, c->name);
        else
            pl_buf_add(out, word.p, word.len);
        pl_buf_add_str(out, " AS HUGEINT)");
    }
    return call || c || number;
}

static bool arithmetic_translate(const struct route *r, const char *text, struct pl_buf *out)
{
    for (const char *p = spaces_skip(text); *p; p = spaces_skip(p)) {
        struct pl_slice word = word_at(p);
        size_t n = word.len > 0 ? word.len : 1;
        if (word.len > 0 ? !word_translate(r, word, out) : !strchr("+-*(),", *p))
            return false;
        if (word.len == 0)
            pl_buf_add_byte(out, *p);
        pl_buf_add_byte(out, ' ');
        p += n;
    }
    return true;
}

int duckdb_expression(const struct route *r, const struct column *c, int64_t now_ms,
                      struct pl_buf *out, struct pl_err *err)
{
    struct duckdb_type type;
    PL_CLEANUP(pl_buf_release) struct pl_buf value = {0};
    bool time = c->type.kind == CH_DATETIME || c->type.kind == CH_DATETIME64, done = false;
    if (duckdb_type_of(&c->type, &type, err) < 0)
        return pl_err_prefix(err, "column %s", c->name);
    if (time && is_now(c->expression)) {
        char text[32];
        bool whole = c->type.kind == CH_DATETIME || c->type.scale < 3;
        pl_time_format(whole ? now_ms / 1000 : now_ms, whole ? 0 : 3, text);
        pl_buf_addf(&value, "'%s'", text);
        done = true;
    } else if (kind_is_integer(c->type.kind)) {
        done = arithmetic_translate(r, c->expression, &value);
    }
    if (!done)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "column %s: its expression is ClickHouse's; with DuckDB one is now() or "
                          "now64(), or made of integer columns and numbers, + - * ( ), ifNull and "
                          "coalesce. Leave the column out of a route for DuckDB, and make a view",
                          c->name);
    pl_buf_addf(out, "CAST(%s AS %s)", pl_buf_cstr(&value), type.sql);
    return 0;
}
