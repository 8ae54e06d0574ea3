/* SPDX-License-Identifier: Apache-2.0 */
/* select.c - see select.h: the rows. What there is of a table: describe.c. */
#include "daemons/chsinkd/clickhouse/select.h"

#include "lib/base/text.h"

#define READONLY 164

/* ---- the answer ---- */

struct tsv {
    const char *p, *end;
    struct pl_buf field; /* unescaped */
    bool null, last;     /* of its line */
};

/* What follows a backslash (ClickHouse docs, "TabSeparated"): \b \f \r \n \t \0 \' \\, and \N for
 * null, alone in its field. */
static char unescape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '0':
        return '\0';
    }
    return c;
}

/* False: the answer ends within the field. */
static bool field_next(struct tsv *t)
{
    pl_buf_reset(&t->field);
    t->null = t->end - t->p >= 2 && t->p[0] == '\\' && t->p[1] == 'N';
    while (t->p < t->end && *t->p != '\t' && *t->p != '\n') {
        char c = *t->p++;
        if (c == '\\' && t->p < t->end)
            c = unescape(*t->p++);
        pl_buf_add_byte(&t->field, c);
    }
    if (t->p == t->end)
        return false;
    t->last = *t->p++ == '\n';
    return true;
}

static const char *inside(const char *type, const char *around)
{
    size_t n = strlen(around);
    return strncmp(type, around, n) == 0 ? type + n : type;
}

enum output_value select_value(const char *type)
{
    static const char *const numbers[] = {"Int", "UInt", "Float", "BFloat", "Decimal"};
    type = inside(inside(type, "LowCardinality("), "Nullable(");
    if (strncmp(type, "Bool", 4) == 0)
        return OUTPUT_BOOL;
    for (size_t i = 0; i < PL_COUNT(numbers); i++)
        if (inside(type, numbers[i]) != type && strncmp(type, "Interval", 8) != 0)
            return OUTPUT_NUMBER;
    return OUTPUT_TEXT;
}

/* The two lines before the rows: names and types. */
static bool head_parse(struct tsv *t, struct output_rows *ret)
{
    do {
        if (!field_next(t))
            return false;
        output_rows_column(ret, pl_buf_cstr(&t->field), "", OUTPUT_TEXT);
    } while (!t->last);
    for (unsigned i = 0; i < ret->columns_n; i++) {
        if (!field_next(t) || t->last != (i + 1 == ret->columns_n))
            return false;
        free(ret->columns[i].type);
        ret->columns[i].type = pl_strdup(pl_buf_cstr(&t->field));
        ret->columns[i].value = select_value(ret->columns[i].type);
    }
    return true;
}

static bool rows_parse(struct tsv *t, int64_t rows_max, struct output_rows *ret)
{
    for (int64_t n = 0; t->p < t->end; n++) {
        if (rows_max > 0 && n == rows_max) {
            ret->more = true;
            return true;
        }
        for (unsigned i = 0; i < ret->columns_n; i++) {
            if (!field_next(t) || t->last != (i + 1 == ret->columns_n))
                return false;
            const char *bytes = t->field.len > 0 ? t->field.data : "";
            if (!output_rows_cell(ret, t->null ? NULL : bytes, t->field.len))
                return false;
        }
    }
    return true;
}

bool select_parse(const char *text, size_t len, int64_t rows_max, struct output_rows *ret)
{
    struct tsv t = {.p = text, .end = text + len};
    bool whole = len == 0 || (head_parse(&t, ret) && rows_parse(&t, rows_max, ret));
    pl_buf_release(&t.field);
    return whole;
}

/* ---- asking ---- */

/* Refused for the person's statement, and for nothing that a configuration could mend: UNKNOWN_USER
 * to IP_ADDRESS_NOT_ALLOWED, CLIENT_HAS_CONNECTED_TO_WRONG_PORT, AUTHENTICATION_FAILED. */
static bool is_statement_fault(const struct pl_err *err)
{
    int code = err->code;
    return err->kind == PL_ERR_CONFIG && code > 0 && (code < 192 || code > 195) && code != 217 &&
           code != 516;
}

int select_query(struct clickhouse *c, const char *sql, int64_t rows_max, struct output_rows *ret,
                 struct pl_err *err)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf answer = {.max = OUTPUT_QUERY_BYTES_MAX};
    int64_t limit = rows_max > 0 ? rows_max + 1 : 0; /* one more shows that there are more */
    if (clickhouse_select(c, sql, limit, &answer, err) < 0) {
        if (err->code == READONLY)
            return pl_err_set(err, PL_ERR_REJECT, READONLY,
                              "only what reads is run, without a SETTINGS clause: the server "
                              "refused the statement (READONLY)");
        if (is_statement_fault(err))
            err->kind = PL_ERR_REJECT;
        return -1;
    }
    if (!select_parse(answer.len > 0 ? answer.data : "", answer.len, rows_max, ret))
        return pl_err_set(err, PL_ERR_RETRY, 0, "the server's answer is cut");
    return 0;
}
