/* SPDX-License-Identifier: Apache-2.0 */
/*
 * document.c - see document.h.
 */
#include "lib/json/document.h"

#include "lib/json/reader.h"

/* 2^53: from here on neighbouring integers share a double. */
#define INTEGER_EXACT_END 9007199254740992.0

/* In a valid document a backslash is in a text and begins an escape. */
static const char *escaped_nul_find(const char *p, const char *end)
{
    while ((p = memchr(p, '\\', (size_t)(end - p)))) {
        if (end - p >= 6 && memcmp(p, "\\u0000", 6) == 0)
            return p;
        p += 2;
    }
    return NULL;
}

int pl_doc_parse(const char *text, size_t len, size_t len_max, cJSON **ret, struct pl_err *err)
{
    if (len > len_max)
        return pl_err_set(err, PL_ERR_REJECT, 0, "longer than %zu bytes", len_max);
    struct pl_json j;
    pl_json_init(&j, text, len, PL_JSON_DEPTH_DEFAULT);
    enum pl_json_type type = pl_json_peek(&j);
    pl_json_skip(&j, NULL);
    if (!pl_json_end(&j))
        return pl_err_set(err, PL_ERR_REJECT, 0, "%s at byte %zu", j.error,
                          (size_t)(j.p - j.start));
    if (type != PL_JSON_OBJECT && type != PL_JSON_ARRAY)
        return pl_err_set(err, PL_ERR_REJECT, 0, "neither an object nor an array");
    const char *nul = escaped_nul_find(text, text + len);
    if (nul)
        return pl_err_set(err, PL_ERR_REJECT, 0, "a NUL character in a text at byte %zu",
                          (size_t)(nul - text));
    cJSON *root = cJSON_ParseWithLength(text, len);
    if (!root)
        return pl_err_set(err, PL_ERR_REJECT, 0,
                          "half a surrogate pair, or a number too long for cJSON");
    *ret = root;
    return 0;
}

void pl_doc_wipe(cJSON *root)
{
    if (!root)
        return;
    if (root->valuestring)
        explicit_bzero(root->valuestring, strlen(root->valuestring));
    cJSON *item;
    while ((item = root->child)) {
        root->child = item->next;
        item->next = NULL;
        pl_doc_wipe(item);
    }
    cJSON_Delete(root);
}

const cJSON *pl_doc_get(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const char *pl_doc_str(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(pl_doc_get(object, name));
}

bool pl_doc_value_int(const cJSON *value, int64_t *ret)
{
    double number = cJSON_IsNumber(value) ? value->valuedouble : INTEGER_EXACT_END;
    if (!(number > -INTEGER_EXACT_END && number < INTEGER_EXACT_END) ||
        number != (double)(int64_t)number)
        return false;
    *ret = (int64_t)number;
    return true;
}

bool pl_doc_int(const cJSON *object, const char *name, int64_t *ret)
{
    return pl_doc_value_int(pl_doc_get(object, name), ret);
}

bool pl_doc_bool(const cJSON *object, const char *name, bool *ret)
{
    const cJSON *value = pl_doc_get(object, name);
    if (!cJSON_IsBool(value))
        return false;
    *ret = cJSON_IsTrue(value);
    return true;
}

bool pl_doc_is_made_of(const cJSON *object, const char *const *names)
{
    if (!cJSON_IsObject(object))
        return false;
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], member->string) != 0)
            i++;
        if (!names[i] || pl_doc_get(object, member->string) != member)
            return false;
    }
    return true;
}
