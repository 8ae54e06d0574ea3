/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.c - see path.h.
 */
#include "daemons/chsinkd/route/path.h"

/* What ends a key without quotes. */
#define KEY_ENDS ".[]\"\\ \t\r\n"

static int path_err(struct pl_err *err, const char *text, const char *why)
{
    return pl_err_set(err, PL_ERR_CONFIG, 0, "path \"%.200s\": %s", text, why);
}

/* A key in quotes. NULL: no closing quote, or an unknown escape. */
static char *key_quoted(const char **p)
{
    struct pl_buf key = {0};
    const char *q = *p + 1;
    for (; *q && *q != '"'; q++) {
        if (*q == '\\' && q[1] != '"' && q[1] != '\\')
            break;
        if (*q == '\\')
            q++;
        pl_buf_add_byte(&key, *q);
    }
    if (*q != '"') {
        pl_buf_release(&key);
        return NULL;
    }
    *p = q + 1;
    return pl_buf_take(&key);
}

static char *key_plain(const char **p)
{
    size_t len = strcspn(*p, KEY_ENDS);
    if (len == 0)
        return NULL;
    char *key = pl_strndup(*p, len);
    *p += len;
    return key;
}

/* Any number of ".key". */
static int keys_parse(const char *text, const char **at, struct column_path *path,
                      struct pl_err *err)
{
    const char *p = *at;
    while (*p == '.') {
        bool quoted = *++p == '"';
        if (path->keys_n == ROUTE_PATH_KEYS_MAX)
            return path_err(err, text, "has more than 32 keys");
        char *key = quoted ? key_quoted(&p) : key_plain(&p);
        if (!key)
            return path_err(err, text,
                            quoted ? "a key in quotes has no end, or an escape other than \\\" and "
                                     "\\\\"
                                   : "a key is missing after a dot");
        path->keys = pl_realloc_array(path->keys, path->keys_n + 1, sizeof(*path->keys));
        path->keys[path->keys_n++] = key;
    }
    *at = p;
    return 0;
}

/* The part that columns and rows share; *ret_rest is what follows the keys. The caller releases
 * `path` in any case. */
static int path_parse(const char *text, struct column_path *path, const char **ret_rest,
                      struct pl_err *err)
{
    if (*text != '$' && *text != '@')
        return path_err(err, text, "must begin with $ (the message) or @ (the row's element)");
    path->from_row = *text == '@';
    *ret_rest = text + 1;
    return keys_parse(text, ret_rest, path, err);
}

int column_path_parse(const char *text, struct column_path *ret, struct pl_err *err)
{
    PL_CLEANUP(column_path_release) struct column_path path = {0};
    const char *rest;
    if (path_parse(text, &path, &rest, err) < 0)
        return -1;
    if (path.keys_n > 0 && strncmp(rest, "[*].", 4) == 0) {
        path.each = path.keys_n;
        rest += 3;
        if (keys_parse(text, &rest, &path, err) < 0)
            return -1;
        if (*rest == '\0' && path.keys_n != path.each + 1)
            return path_err(err, text, "one key may follow [*]: an Array of what the objects have");
    }
    if (*rest)
        return path_err(err, text,
                        *rest == '['
                            ? "elements of arrays cannot be columns; take the array as "
                              "Array(T), one field of its objects by $.array[*].field, all of it "
                              "as JSON (json: true), or make its elements rows (rows:)"
                            : "keys are joined by dots; others are put in quotes: $.\"a b\"");
    *ret = path;
    path = (struct column_path){0};
    return 0;
}

int rows_path_parse(const char *text, struct column_path *ret, bool *ret_each, struct pl_err *err)
{
    PL_CLEANUP(column_path_release) struct column_path path = {0};
    const char *rest;
    if (path_parse(text, &path, &rest, err) < 0)
        return -1;
    bool message = path.keys_n == 0 && *rest == '\0';
    bool elements = strcmp(rest, "[*]") == 0;
    if (path.from_row || (!message && !elements))
        return path_err(
            err, text,
            "rows are $ (the message is the row), $.key[*] (each element of that array) or "
            "$[*] (the message is the array)");
    *ret = path;
    *ret_each = elements;
    path = (struct column_path){0};
    return 0;
}

void column_path_print(const struct column_path *path, struct pl_buf *out)
{
    pl_buf_add_byte(out, path->from_row ? '@' : '$');
    for (unsigned i = 0; i < path->keys_n; i++) {
        const char *key = path->keys[i];
        pl_buf_add_byte(out, '.');
        if (key[0] && !key[strcspn(key, KEY_ENDS)]) {
            pl_buf_add_str(out, key);
            continue;
        }
        pl_buf_add_byte(out, '"');
        for (const char *p = key; *p; p++) {
            if (*p == '"' || *p == '\\')
                pl_buf_add_byte(out, '\\');
            pl_buf_add_byte(out, *p);
        }
        pl_buf_add_byte(out, '"');
    }
}

void column_path_release(struct column_path *path)
{
    for (unsigned i = 0; i < path->keys_n; i++)
        free(path->keys[i]);
    free(path->keys);
    *path = (struct column_path){0};
}
