/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.c - see json.h. The tree and the text are walked side by side.
 */
#include "daemons/chsinkd/iceberg/format/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/json/reader.h"

/* Up to 15 digits a double is exact, and cJSON prints it so. */
#define RAW_LENGTH 16

/* The text was checked: no call of the reader fails. */
static void numbers_keep(struct pl_json *j, cJSON *item)
{
    cJSON *child = item->child;
    struct pl_json_str key;
    struct pl_json_num number;
    switch (pl_json_peek(j)) {
    case PL_JSON_ARRAY:
        for (pl_json_array_begin(j); pl_json_array_next(j); child = child->next)
            numbers_keep(j, child);
        break;
    case PL_JSON_OBJECT:
        for (pl_json_object_begin(j); pl_json_object_next(j, &key); child = child->next)
            numbers_keep(j, child);
        break;
    case PL_JSON_NUMBER:
        pl_json_number(j, &number);
        if (number.integer && number.len >= RAW_LENGTH) {
            item->type = cJSON_Raw;
            item->valuestring = pl_strndup(number.p, number.len);
        }
        break;
    case PL_JSON_STRING:
    case PL_JSON_TRUE:
    case PL_JSON_FALSE:
    case PL_JSON_NULL:
    case PL_JSON_NONE:
        pl_json_skip(j, NULL);
        break;
    }
}

int iceberg_json_parse(const char *text, size_t len, size_t len_max, cJSON **ret,
                       struct pl_err *err)
{
    cJSON *root;
    if (pl_doc_parse(text, len, len_max, &root, err) < 0)
        return -1;
    struct pl_json j;
    pl_json_init(&j, text, len, PL_JSON_DEPTH_DEFAULT);
    numbers_keep(&j, root);
    *ret = root;
    return 0;
}

bool iceberg_json_value_int(const cJSON *value, int64_t *ret)
{
    if (!cJSON_IsRaw(value))
        return pl_doc_value_int(value, ret);
    char *end;
    errno = 0;
    long long v = strtoll(value->valuestring, &end, 10);
    if (errno != 0 || *end != '\0' || end == value->valuestring)
        return false;
    *ret = v;
    return true;
}

bool iceberg_json_int(const cJSON *object, const char *name, int64_t *ret)
{
    return iceberg_json_value_int(pl_doc_get(object, name), ret);
}

cJSON *iceberg_json_new_int(int64_t v)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, v);
    return cJSON_CreateRaw(text);
}

void iceberg_json_add_int(cJSON *object, const char *name, int64_t v)
{
    cJSON_AddItemToObject(object, name, iceberg_json_new_int(v));
}

void iceberg_json_print(const cJSON *document, struct pl_buf *out)
{
    PL_FREE char *text = cJSON_PrintUnformatted(document);
    pl_buf_add_str(out, text);
}
