/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_json.c - any bytes through the reader, with its promises as assertions.
 *
 * The reader is its own oracle. A skip accepts just what a walk accepts and stops at the same
 * place with the same words; where the bytes lie in memory changes nothing; unescaping never
 * grows; what is quoted reads back; numbers agree with strtod(). A tree (document.h) holds just
 * what the reader reads.
 */
#include "lib/json/document.h"
#include "lib/json/reader.h"
#include "tests/unit/json_walk.h"

#include <math.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fuzz_json: %s\n", what);
        abort();
    }
}

static void string_check(const struct pl_json_str *str)
{
    char *out = malloc(str->len + 1), *exact = malloc(str->len + (str->len == 0));
    ssize_t n = pl_json_unescape(str, exact);

    expect(n <= (ssize_t)str->len, "unescape has grown");
    expect(pl_utf8_valid(str->p, str->len), "the reader let bad UTF-8 through");
    if (n >= 0) {
        struct pl_buf quoted = {0};
        struct pl_json j;
        struct pl_json_str again;
        expect(pl_utf8_valid(exact, (size_t)n), "unescape gave bad UTF-8");
        expect(pl_json_quote(&quoted, exact, (size_t)n), "quote failed");
        pl_json_init(&j, quoted.data, quoted.len, 0);
        expect(pl_json_string(&j, &again) && pl_json_end(&j), "what was quoted is no string");
        expect(again.len <= quoted.len, "lengths");
        char *back = malloc(again.len + 1);
        expect(pl_json_unescape(&again, back) == n, "round trip changed the length");
        expect(memcmp(back, exact, (size_t)n) == 0, "round trip changed the text");
        memcpy(out, exact, (size_t)n);
        out[n] = '\0';
        expect(pl_json_str_eq(str, out) == (strlen(out) == (size_t)n), "str_eq");
        free(back);
        pl_buf_release(&quoted);
    }
    free(exact);
    free(out);
}

static void number_check(const struct pl_json_num *num)
{
    char *text = pl_strndup(num->p, num->len);
    double d, expected = strtod(text, NULL);
    int64_t i = 0;
    uint64_t u = 0;
    enum pl_json_num_result f64 = pl_json_num_f64(num, &d), i64 = pl_json_num_i64(num, &i),
                            u64 = pl_json_num_u64(num, &u);

    expect((f64 == PL_JSON_NUM_RANGE) == (isinf(expected) != 0), "f64 range");
    if (f64 == PL_JSON_NUM_OK)
        expect(memcmp(&d, &expected, sizeof(d)) == 0, "f64 differs from strtod");
    if (i64 == PL_JSON_NUM_OK && u64 == PL_JSON_NUM_OK)
        expect(i >= 0 && (uint64_t)i == u, "i64 and u64 differ");
    if (i64 == PL_JSON_NUM_OK)
        expect((double)i == expected, "i64 differs from strtod");
    if (u64 == PL_JSON_NUM_OK)
        expect((double)u == expected, "u64 differs from strtod");
    if (i64 == PL_JSON_NUM_RANGE && u64 == PL_JSON_NUM_RANGE)
        expect(fabs(expected) >= 0x1p63 || expected <= -0x1p63, "range without need");
    if (num->integer)
        expect(i64 != PL_JSON_NUM_PRECISION && u64 != PL_JSON_NUM_PRECISION, "integers are whole");
    free(text);
}

/* A flat walk over all scalars: skip tells where values end, the reader takes them one by one. */
static void scalars_check(struct pl_json *j)
{
    struct pl_json_str str;
    struct pl_json_num num;

    switch (pl_json_peek(j)) {
    case PL_JSON_STRING:
        if (pl_json_string(j, &str))
            string_check(&str);
        break;
    case PL_JSON_NUMBER:
        if (pl_json_number(j, &num))
            number_check(&num);
        break;
    case PL_JSON_ARRAY:
        if (pl_json_array_begin(j)) {
            while (pl_json_array_next(j))
                scalars_check(j);
        }
        break;
    case PL_JSON_OBJECT:
        if (pl_json_object_begin(j)) {
            while (pl_json_object_next(j, &str)) {
                string_check(&str);
                scalars_check(j);
            }
        }
        break;
    case PL_JSON_NULL:
    case PL_JSON_FALSE:
    case PL_JSON_TRUE:
    case PL_JSON_NONE:
        pl_json_skip(j, NULL);
        break;
    }
}

static void same_expect(const struct pl_json *a, const struct pl_json *b, const char *what)
{
    expect((a->error == NULL) == (b->error == NULL), what);
    expect(a->p - a->start == b->p - b->start, what);
    expect(!a->error || strcmp(a->error, b->error) == 0, what);
}

static void quote_check(const char *p, size_t len)
{
    struct pl_buf quoted = {0};
    struct pl_json j;
    struct pl_json_str str;
    bool valid = pl_utf8_valid(p, len);

    expect(pl_json_quote(&quoted, p, len), "quote of any bytes");
    pl_json_init(&j, quoted.data, quoted.len, 0);
    expect(pl_json_string(&j, &str) && pl_json_end(&j), "quoted bytes are no string");
    char *back = malloc(str.len + 1);
    ssize_t n = pl_json_unescape(&str, back);
    expect(n >= 0, "quoted bytes hold a lone surrogate");
    expect(valid == ((size_t)n == len && memcmp(back, p, len) == 0), "quote and validity differ");
    free(back);
    pl_buf_release(&quoted);
}

static void text_expect(const char *text, const struct pl_json_str *str)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    expect(text && pl_json_unescape_buf(str, &out), "a tree has a text that the reader has not");
    expect(strlen(text) == out.len && strcmp(pl_buf_cstr(&out), text) == 0, "texts differ");
}

static void tree_walk(const cJSON *item, struct pl_json *j)
{
    struct pl_json_str str;
    struct pl_json_num num;
    const cJSON *child = item->child;
    bool value;
    int64_t mine, i64;

    switch (pl_json_peek(j)) {
    case PL_JSON_STRING:
        pl_json_string(j, &str);
        text_expect(cJSON_GetStringValue(item), &str);
        break;
    case PL_JSON_NUMBER:
        pl_json_number(j, &num);
        expect(cJSON_IsNumber(item), "not a number");
        if (num.integer && pl_doc_value_int(item, &mine))
            expect(pl_json_num_i64(&num, &i64) == PL_JSON_NUM_OK && i64 == mine, "integers differ");
        break;
    case PL_JSON_ARRAY:
        expect(cJSON_IsArray(item), "not an array");
        for (pl_json_array_begin(j); pl_json_array_next(j); child = child->next)
            tree_walk(child, j);
        expect(!child, "an array is longer");
        break;
    case PL_JSON_OBJECT:
        expect(cJSON_IsObject(item), "not an object");
        for (pl_json_object_begin(j); pl_json_object_next(j, &str); child = child->next) {
            text_expect(child->string, &str);
            tree_walk(child, j);
        }
        expect(!child, "an object is longer");
        break;
    case PL_JSON_FALSE:
    case PL_JSON_TRUE:
        pl_json_bool(j, &value);
        expect(cJSON_IsBool(item) && cJSON_IsTrue(item) == value, "not the same truth");
        break;
    case PL_JSON_NULL:
        pl_json_null(j);
        expect(cJSON_IsNull(item), "not null");
        break;
    case PL_JSON_NONE:
        expect(false, "a tree of what is no document");
    }
}

static void document_check(const char *p, size_t len)
{
    cJSON *root;
    struct pl_err err;
    struct pl_json j;

    if (pl_doc_parse(p, len, len, &root, &err) < 0)
        return;
    pl_json_init(&j, p, len, 0);
    tree_walk(root, &j);
    expect(pl_json_end(&j), "a tree of a part of the text");
    pl_doc_wipe(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = size > 0 ? (const char *)data : "";
    unsigned depth = size > 0 && data[0] == '[' ? PL_JSON_DEPTH_MAX : 8;
    struct pl_json walk, skip, moved;
    struct json_walk first, second;

    bool ok = json_walk(&walk, p, size, depth, &first);
    expect(json_skip_all(&skip, p, size, depth) == ok, "skip and walk differ");
    same_expect(&walk, &skip, "skip and walk stop differently");

    for (size_t shift = 1; shift < 24; shift += 5) {
        char *area = malloc(shift + size);
        memset(area, '"', shift);
        memcpy(area + shift, p, size);
        json_walk(&moved, area + shift, size, depth, &second);
        same_expect(&walk, &moved, "another alignment, another result");
        expect(first.hash == second.hash && first.values == second.values, "another walk");
        free(area);
    }
    quote_check(p, size);
    document_check(p, size);
    pl_json_init(&walk, p, size, depth);
    scalars_check(&walk);
    return 0;
}
