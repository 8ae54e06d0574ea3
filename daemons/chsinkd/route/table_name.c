/* SPDX-License-Identifier: Apache-2.0 */
/* table_name.c - see table_name.h. */
#include "daemons/chsinkd/route/table_name.h"

#include <string.h>

#include "lib/base/buf.h"

/* What follows the opening mark, to the closing one. NULL: there is none, or something else has a
 * backslash before it. */
static char *quoted_read(const char **p)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    char mark = *(*p)++;
    for (; **p; ++*p) {
        if (**p == mark && *++*p != mark)
            return pl_buf_take(&out);
        if (**p == '\\' && *++*p != mark && **p != '\\')
            return NULL;
        pl_buf_add_byte(&out, **p);
    }
    return NULL;
}

static bool is_mark(char c)
{
    return c == '"' || c == '`';
}

/* Up to a dot or the end. NULL: empty, or not written as it must be. */
static char *part_read(const char **p)
{
    if (!is_mark(**p)) {
        size_t len = strcspn(*p, ".");
        *p += len;
        return len > 0 ? pl_strndup(*p - len, len) : NULL;
    }
    PL_FREE char *part = quoted_read(p);
    return part && *part && (**p == '.' || !**p) ? PL_TAKE(part) : NULL;
}

int table_name_parse(const char *text, char **ret_database, char **ret_table, struct pl_err *err)
{
    const char *p = text;
    PL_FREE char *database = NULL;
    PL_FREE char *table = part_read(&p);
    if (table && *p == '.') {
        p++;
        database = PL_TAKE(table);
        table = part_read(&p);
    }
    if (!table || *p)
        return pl_err_set(
            err, PL_ERR_CONFIG, 0,
            "\"table\" or \"database.table\" is needed; a name that holds a dot is in "
            "quotes, as in '\"my.db\".\"my.table\"'");
    *ret_database = PL_TAKE(database);
    *ret_table = PL_TAKE(table);
    return 0;
}

static bool part_is_quoted(const char *part)
{
    return is_mark(*part) || strchr(part, '.');
}

static void part_add(struct pl_buf *out, const char *part)
{
    if (!part_is_quoted(part)) {
        pl_buf_add_str(out, part);
        return;
    }
    pl_buf_add_byte(out, '"');
    for (; *part; part++) {
        if (*part == '"' || *part == '\\')
            pl_buf_add_byte(out, *part);
        pl_buf_add_byte(out, *part);
    }
    pl_buf_add_byte(out, '"');
}

char *table_name_text(const char *database, const char *table)
{
    struct pl_buf out = {0};
    part_add(&out, database);
    pl_buf_add_byte(&out, '.');
    part_add(&out, table);
    return pl_buf_take(&out);
}

bool table_name_is_quoted(const char *database, const char *table)
{
    return part_is_quoted(database) || part_is_quoted(table);
}
