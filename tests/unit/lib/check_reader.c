/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_reader.c - the reader's grammar: what it accepts, what it rejects, and walking.
 *
 * Each case goes through a full walk and through a skip, from an allocation of just its size and
 * at each alignment. Text and numbers have tests of their own.
 */
#include "lib/json/reader.h"
#include "tests/unit/json_cases.h"
#include "tests/unit/json_walk.h"
#include "tests/unit/unit.h"

#include <stdio.h>

/* Walks and skips a copy that has just its size, so that ASan sees what reads too far. */
static bool document_accepted(struct pl_slice doc, const char **ret_error)
{
    char *copy = malloc(doc.len > 0 ? doc.len : 1);
    struct json_walk w;
    struct pl_json walk, skip;

    memcpy(copy, doc.p, doc.len);
    bool walked = json_walk(&walk, copy, doc.len, 0, &w);
    bool skipped = json_skip_all(&skip, copy, doc.len, 0);
    ck_assert_msg(walked == skipped, "walk %d, skip %d: %.*s", walked, skipped, (int)doc.len,
                  doc.p);
    ck_assert(walked == (walk.error == NULL));
    ck_assert(walk.p >= walk.start && walk.p <= walk.end);
    ck_assert(skip.p >= skip.start && skip.p <= skip.end);
    *ret_error = walk.error;
    free(copy);
    return walked;
}

START_TEST(test_accepted)
{
    const char *error;
    struct pl_slice doc = accepted[_i];

    ck_assert_msg(document_accepted(doc, &error), "%.*s: %s", (int)doc.len, doc.p, error);
}
END_TEST

START_TEST(test_rejected)
{
    const char *error;
    struct pl_slice doc = rejected[_i];

    ck_assert_msg(!document_accepted(doc, &error), "%.*s", (int)doc.len, doc.p);
    ck_assert(error != NULL && error[0] != '\0');
}
END_TEST

/* The same verdict wherever the bytes lie, and with blanks around them that move block borders. */
START_TEST(test_alignments)
{
    char *area = malloc(4096);

    for (size_t i = 0; i < PL_COUNT(accepted) + PL_COUNT(rejected); i++) {
        bool expected = i < PL_COUNT(accepted);
        struct pl_slice doc = expected ? accepted[i] : rejected[i - PL_COUNT(accepted)];
        for (size_t shift = 0; shift < 33; shift++) {
            struct pl_json j;
            struct json_walk w, padded;
            memset(area, ' ', 4096);
            memcpy(area + shift, doc.p, doc.len);
            ck_assert_int_eq(json_walk(&j, area + shift, doc.len, 0, &w), expected);
            ck_assert_int_eq(json_skip_all(&j, area + shift, doc.len, 0), expected);
            /* A cut document may be cut differently with blanks behind it, but is no better. */
            ck_assert_int_eq(json_walk(&j, area, shift + doc.len + shift, 0, &padded), expected);
            if (expected)
                ck_assert_uint_eq(w.hash, padded.hash);
        }
    }
    free(area);
}
END_TEST

/* No proper prefix of an array or object is a document. */
START_TEST(test_prefixes)
{
    const char *error;

    for (size_t i = 0; i < PL_COUNT(accepted); i++) {
        struct pl_slice doc = accepted[i];
        while (doc.len > 0 && strchr(" \n\r\t", doc.p[doc.len - 1]))
            doc.len--;
        if (!strchr("]}\"", doc.p[doc.len - 1]))
            continue;
        while (doc.len-- > 0)
            ck_assert_msg(!document_accepted(doc, &error), "%.*s", (int)doc.len, doc.p);
    }
}
END_TEST

static char *nested_make(unsigned n, const char *open, const char *inner, const char *close)
{
    struct pl_buf b = {0};

    for (unsigned i = 0; i < n; i++)
        pl_buf_add_str(&b, open);
    pl_buf_add_str(&b, inner);
    for (unsigned i = 0; i < n; i++)
        pl_buf_add_str(&b, close);
    return pl_buf_take(&b);
}

START_TEST(test_depth)
{
    static const unsigned limits[] = {1, 2, 63, 64, 65, 128, 1023, 1024};
    struct json_walk w;
    struct pl_json j;

    for (unsigned i = 0; i < PL_COUNT(limits); i++) {
        for (unsigned object = 0; object < 2; object++) {
            for (unsigned over = 0; over < 2; over++) {
                PL_FREE char *doc = nested_make(limits[i] + over, object ? "{\"a\":" : "[",
                                                object ? "1" : "", object ? "}" : "]");
                ck_assert_int_eq(json_walk(&j, doc, strlen(doc), limits[i], &w), !over);
                ck_assert_int_eq(json_skip_all(&j, doc, strlen(doc), limits[i]), !over);
                if (over)
                    ck_assert_str_eq(j.error, "document is nested too deeply");
            }
        }
    }
    /* 0 is the default; what is above the maximum is the maximum. */
    PL_FREE char *deep = nested_make(PL_JSON_DEPTH_DEFAULT + 1, "[", "", "]");
    PL_FREE char *deeper = nested_make(PL_JSON_DEPTH_MAX + 1, "[", "", "]");
    ck_assert(!json_skip_all(&j, deep, strlen(deep), 0));
    ck_assert(json_skip_all(&j, deep + 1, strlen(deep) - 2, 0));
    ck_assert(!json_skip_all(&j, deeper, strlen(deeper), 100000));
    ck_assert(json_skip_all(&j, deeper + 1, strlen(deeper) - 2, 100000));
}
END_TEST

/* The skip remembers what it is inside of: brackets that alternate and then close in the wrong
 * way. */
START_TEST(test_skip_nesting)
{
    struct pl_json j;
    struct json_walk w;

    for (unsigned n = 1; n <= 500; n += 7) {
        PL_FREE char *doc = nested_make(n, "[{\"a\":", "[0,{}]", "},1]");
        size_t len = strlen(doc);
        ck_assert(json_skip_all(&j, doc, len, PL_JSON_DEPTH_MAX));
        ck_assert(json_walk(&j, doc, len, PL_JSON_DEPTH_MAX, &w));
        for (size_t i = 0; i < len; i++) {
            if (doc[i] != '}' && doc[i] != ']')
                continue;
            doc[i] ^= '}' ^ ']';
            ck_assert(!json_skip_all(&j, doc, len, PL_JSON_DEPTH_MAX));
            ck_assert_uint_le((size_t)(j.p - j.start), i);
            doc[i] ^= '}' ^ ']';
        }
    }
}
END_TEST

/* A skip inside counts what the reader is inside of already. */
START_TEST(test_depth_of_inner_skip)
{
    static const char doc[] = "{\"a\":[[1]]}";

    for (unsigned depth = 1; depth < 5; depth++) {
        struct pl_json j;
        struct pl_json_str key;
        pl_json_init(&j, doc, sizeof(doc) - 1, depth);
        ck_assert(pl_json_object_begin(&j));
        ck_assert(pl_json_object_next(&j, &key));
        ck_assert_int_eq(pl_json_skip(&j, NULL), depth >= 3);
        ck_assert_int_eq(pl_json_object_next(&j, &key), false);
        ck_assert_int_eq(pl_json_end(&j), depth >= 3);
    }
}
END_TEST

START_TEST(test_walk)
{
    static const char doc[] =
        " { \"n\" : null , \"t\":true,\"f\":false,\"s\":\"a\\u0062\",\"i\":-12,"
        "\"d\":1.5e3,\"a\":[1,[],2],\"o\":{\"x\":[{}]} , \"z\":0 } ";
    struct pl_json j;
    struct pl_json_str s;
    struct pl_json_num n;
    struct pl_slice raw;
    bool b = true;

    pl_json_init(&j, doc, sizeof(doc) - 1, 8);
    ck_assert_int_eq(pl_json_peek(&j), PL_JSON_OBJECT);
    ck_assert(pl_json_object_begin(&j));
    ck_assert(pl_json_object_next(&j, &s) && pl_json_str_eq(&s, "n") && pl_json_null(&j));
    ck_assert(pl_json_object_next(&j, &s) && pl_json_peek(&j) == PL_JSON_TRUE);
    ck_assert(pl_json_bool(&j, &b) && b);
    ck_assert(pl_json_object_next(&j, &s) && pl_json_peek(&j) == PL_JSON_FALSE);
    ck_assert(pl_json_bool(&j, &b) && !b);
    ck_assert(pl_json_object_next(&j, &s) && pl_json_string(&j, &s));
    ck_assert(s.escaped && s.len == 7 && memcmp(s.p, "a\\u0062", 7) == 0);
    ck_assert(pl_json_object_next(&j, &s) && !s.escaped && pl_json_number(&j, &n));
    ck_assert(n.integer && n.negative && n.len == 3 && memcmp(n.p, "-12", 3) == 0);
    ck_assert(pl_json_object_next(&j, &s) && pl_json_number(&j, &n));
    ck_assert(!n.integer && !n.negative && n.len == 5);
    ck_assert(pl_json_object_next(&j, &s) && pl_json_array_begin(&j));
    ck_assert(pl_json_array_next(&j) && pl_json_number(&j, &n));
    ck_assert(pl_json_array_next(&j) && pl_json_array_begin(&j) && !pl_json_array_next(&j));
    ck_assert(pl_json_array_next(&j) && pl_json_number(&j, &n) && *n.p == '2');
    ck_assert(!pl_json_array_next(&j));
    ck_assert(pl_json_object_next(&j, &s) && pl_json_skip(&j, &raw));
    ck_assert(pl_slice_eq(raw, "{\"x\":[{}]}"));
    ck_assert(pl_json_object_next(&j, &s) && pl_json_skip(&j, &raw) && pl_slice_eq(raw, "0"));
    ck_assert(!pl_json_object_next(&j, &s));
    ck_assert_int_eq(pl_json_peek(&j), PL_JSON_NONE);
    ck_assert(pl_json_end(&j));
    ck_assert_uint_eq(j.depth, 0);
}
END_TEST

/* Each call on a value of another type fails, touches no output, and the reader stays failed. */
START_TEST(test_types_and_sticky)
{
    static const char *const docs[] = {"null", "true", "false", "1", "\"s\"", "[]", "{}"};

    for (unsigned d = 0; d < PL_COUNT(docs); d++) {
        for (unsigned call = 0; call < 6; call++) {
            struct pl_json j;
            struct pl_json_str str = {.len = 77}, key;
            struct pl_json_num num = {.len = 77};
            struct pl_slice raw = {.len = 77};
            bool value = true;
            pl_json_init(&j, docs[d], strlen(docs[d]), 0);
            bool ok = call == 0   ? pl_json_null(&j)
                      : call == 1 ? pl_json_bool(&j, &value)
                      : call == 2 ? pl_json_number(&j, &num)
                      : call == 3 ? pl_json_string(&j, &str)
                      : call == 4 ? pl_json_array_begin(&j)
                                  : pl_json_object_begin(&j);
            static const unsigned fits[] = {0, 1, 1, 2, 3, 4, 5};
            ck_assert_int_eq(ok, fits[d] == call);
            if (ok)
                continue;
            ck_assert_uint_eq(str.len + num.len + value, 155);
            ck_assert(!pl_json_null(&j) && !pl_json_bool(&j, &value) && !pl_json_number(&j, &num));
            ck_assert(!pl_json_string(&j, &str) && !pl_json_skip(&j, &raw) && !pl_json_end(&j));
            ck_assert(!pl_json_array_begin(&j) && !pl_json_object_begin(&j));
            ck_assert(!pl_json_array_next(&j) && !pl_json_object_next(&j, &key));
            ck_assert_int_eq(pl_json_peek(&j), PL_JSON_NONE);
            ck_assert_uint_eq(raw.len, 77);
            ck_assert(j.error && j.p == j.start);
        }
    }
}
END_TEST

START_TEST(test_fail)
{
    struct pl_json j;

    pl_json_init(&j, "[1]", 3, 0);
    ck_assert(pl_json_array_begin(&j));
    j.error = "first";
    ck_assert(!pl_json_array_next(&j) && !pl_json_end(&j));
    ck_assert_str_eq(j.error, "first");

    /* Even before a member that is fine. */
    static const char doc[] = "{\"a\":1,\"b\":2,\"c\":\"0123456789abcdef\"}";
    struct pl_json_str key;
    pl_json_init(&j, doc, sizeof(doc) - 1, 0);
    ck_assert(pl_json_object_begin(&j) && pl_json_object_next(&j, &key));
    ck_assert(pl_json_skip(&j, NULL));
    j.error = "first";
    ck_assert(!pl_json_object_next(&j, &key));
    ck_assert(pl_json_str_eq(&key, "a"));

    /* A comma without a value after it is the array's fault, not the value's. */
    pl_json_init(&j, "[1,]", 4, 0);
    ck_assert(pl_json_array_begin(&j) && pl_json_array_next(&j) && pl_json_skip(&j, NULL));
    ck_assert(!pl_json_array_next(&j));
    ck_assert_str_eq(j.error, "expected a value");
}
END_TEST

START_TEST(test_error_positions)
{
    static const struct {
        const char *doc, *error;
        size_t at;
    } table[] = {
        {"[1,x]", "expected a value", 3},
        {"[1 2]", "expected ',' or ']'", 3},
        {"{\"a\":1 2}", "expected ',' or '}'", 7},
        {"{\"a\" 1}", "expected ':' after a key", 5},
        {"{1:2}", "expected a key", 1},
        {"[\"ab\ncd\"]", "control character in a string", 4},
        {"[\"ab\\xcd\"]", "unknown escape in a string", 4},
        {"[\"ab\\u00gd\"]", "\\u is not followed by four hexadecimal digits", 8},
        {"[\"0123456789abcdefgh\xC3\xA9\xFF\"]", "string is not valid UTF-8", 22},
        {"[-x]", "number lacks a digit", 2},
        {"[1.x]", "number lacks a digit", 3},
        {"[1ex]", "number lacks a digit", 3},
        {"[tru]", "expected a value", 1},
        {"[1] 2", "expected the end of the document", 4},
        {"[\"abc", "document ends too early", 5},
        {"[tru", "document ends too early", 4},
        {"{\"a\":", "document ends too early", 5},
        {"", "document ends too early", 0},
    };
    struct pl_json j;
    struct json_walk w;

    for (unsigned i = 0; i < PL_COUNT(table); i++) {
        ck_assert(!json_skip_all(&j, table[i].doc, strlen(table[i].doc), 0));
        ck_assert_str_eq(j.error, table[i].error);
        ck_assert_uint_eq((size_t)(j.p - j.start), table[i].at);
        if (!table[i].doc[0])
            continue;
        ck_assert(!json_walk(&j, table[i].doc, strlen(table[i].doc), 0, &w));
        ck_assert_str_eq(j.error, table[i].error);
        ck_assert_uint_eq((size_t)(j.p - j.start), table[i].at);
    }
}
END_TEST

/* A reader that has not been walked to its end says so. */
START_TEST(test_end_inside)
{
    struct pl_json j;

    pl_json_init(&j, "[", 1, 0);
    ck_assert(pl_json_array_begin(&j));
    ck_assert(!pl_json_end(&j));
    pl_json_init(&j, NULL, 0, 0);
    ck_assert_int_eq(pl_json_peek(&j), PL_JSON_NONE);
    ck_assert(!pl_json_skip(&j, NULL));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_accepted, .count = PL_COUNT(accepted)),
        TEST(test_rejected, .count = PL_COUNT(rejected)),
        TEST(test_alignments),
        TEST(test_prefixes),
        TEST(test_depth),
        TEST(test_skip_nesting),
        TEST(test_depth_of_inner_skip),
        TEST(test_walk),
        TEST(test_types_and_sticky),
        TEST(test_fail),
        TEST(test_error_positions),
        TEST(test_end_inside),
    };
    return unit_main("reader", tests, PL_COUNT(tests));
}
