/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_split.c - an answer taken apart while it arrives.
 *
 * Every case is fed whole, byte by byte, cut at every offset, and to a receiver that refuses each
 * element the first time; elements and error must be the same each time.
 */
#include <stdio.h>

#include "lib/json/reader.h"
#include "lib/json/split.h"
#include "tests/unit/unit.h"

#define ELEMENT_MAX 64

#define NOT "the answer is not what was expected: "
#define CUT "the answer ends too early, after "

static const struct split_case {
    const char *name, *in;
    const char *elements; /* each followed by ';' */
    const char *error;    /* how it begins; NULL: none */
    enum pl_err_kind kind;
} cases[] = {
    {"empty array", "[]", "", NULL, 0},
    {"empty array, spaces", " \r\n\t[ \n ] \t", "", NULL, 0},
    {"one", "[{}]", "{};", NULL, 0},
    {"bytes unchanged", "[ {\"a\" : 1.0e+0} , {\"b\":\"\\u00e4\"} ]",
     "{\"a\" : 1.0e+0};{\"b\":\"\\u00e4\"};", NULL, 0},
    {"brackets in texts", "[{\"a\":\"}]\\\"{[\"},{\"\\\\\":[[],{}]}]",
     "{\"a\":\"}]\\\"{[\"};{\"\\\\\":[[],{}]};", NULL, 0},
    {"byte order mark", "\xEF\xBB\xBF[{}]", "{};", NULL, 0},
    {"half a mark", "\xEF\xBB[{}]", "", NOT "neither", PL_ERR_REJECT},
    {"mark behind a space", " \xEF\xBB\xBF[{}]", "", NOT "neither", PL_ERR_REJECT},
    {"data", "{\"data\":[{\"a\":1},{}]}", "{\"a\":1};{};", NULL, 0},
    {"records", "{\"records\":[{}]}", "{};", NULL, 0},
    {"series", "{\"series\":[{}]}", "{};", NULL, 0},
    {"key with escapes", "{\"d\\u0061ta\":[{}]}", "{};", NULL, 0},
    {"others around",
     "{\"n\":-1.5e3,\"o\":{\"data\":[1,{}]},\"t\":\"]\",\"data\" : [{}] ,\"z\":[true,null]}", "{};",
     NULL, 0},
    {"empty beside", "{\"a\":{},\"b\":[],\"data\":[]}", "", NULL, 0},
    {"key of another kind beside", "{\"series\":\"x\",\"data\":[{}]}", "{};", NULL, 0},
    {"number ends the object", "{\"data\":[],\"n\":0}", "", NULL, 0},

    {"nothing", "", "", CUT "0 bytes and 0", PL_ERR_RETRY},
    {"spaces only", "  ", "", CUT "2 bytes", PL_ERR_RETRY},
    {"cut in the array", "[{},", "{};", CUT "4 bytes and 1", PL_ERR_RETRY},
    {"cut behind an element", "[{}", "{};", CUT "3 bytes and 1", PL_ERR_RETRY},
    {"cut in an element", "[{\"a\":", "", CUT "6 bytes and 0", PL_ERR_RETRY},
    {"cut in the object around", "{\"data\":[{}]", "{};", CUT "12 bytes and 1", PL_ERR_RETRY},
    {"cut in a member beside", "{\"data\":[{}],\"n\":12", "{};", CUT, PL_ERR_RETRY},
    {"cut in a key", "{\"da", "", CUT, PL_ERR_RETRY},
    {"cut mark", "\xEF\xBB", "", CUT, PL_ERR_RETRY},

    {"HTML", "<!DOCTYPE html><html></html>", "", NOT "a page of HTML", PL_ERR_REJECT},
    {"text", "Internal error", "", NOT "neither", PL_ERR_REJECT},
    {"number", "42", "", NOT "neither", PL_ERR_REJECT},
    {"null", "null", "", NOT "neither", PL_ERR_REJECT},
    {"object without an array", "{\"error\":\"no\"}", "", NOT "an object without", PL_ERR_REJECT},
    {"empty object", "{}", "", NOT "an object without", PL_ERR_REJECT},
    {"data is null", "{\"data\":null}", "", NOT "an object without", PL_ERR_REJECT},
    {"data is an object", "{\"data\":{\"records\":[{}]}}", "", NOT "an object without",
     PL_ERR_REJECT},
    {"two arrays", "{\"data\":[{}],\"records\":[]}", "{};", NOT "a second array at byte 23",
     PL_ERR_REJECT},
    {"an array twice", "{\"data\":[],\"data\":[]}", "", NOT "a second array", PL_ERR_REJECT},
    {"a number in the array", "[{},1]", "{};",
     NOT "an element of the array is not an object at byte 4", PL_ERR_REJECT},
    {"an array in the array", "[[]]", "", NOT "an element of the array is not an object",
     PL_ERR_REJECT},
    {"comma at the end", "[{},]", "{};", NOT "an element of the array is not an object",
     PL_ERR_REJECT},
    {"comma at the begin", "[,{}]", "", NOT "an element of the array is not an object",
     PL_ERR_REJECT},
    {"no comma", "[{}{}]", "{};", NOT "expected ',' or ']'", PL_ERR_REJECT},
    {"wrong bracket", "[{}}", "{};", NOT "expected ',' or ']'", PL_ERR_REJECT},
    {"wrong bracket inside", "[{\"a\":[1}]", "", NOT "expected ',' or ']', in element 1, 7 bytes",
     PL_ERR_REJECT},
    {"element too short", "[{\"a\":1]}]", "", NOT, PL_ERR_REJECT},
    {"invalid element", "[{\"a\":1,}]", "", NOT "expected a key, in element 1, 7 bytes into it",
     PL_ERR_REJECT},
    {"invalid second element", "[{},{\"a\":01}]", "{};", NOT "expected ',' or '}', in element 2",
     PL_ERR_REJECT},
    {"not UTF-8", "[{\"a\":\"\xFF\"}]", "", NOT "string is not valid UTF-8", PL_ERR_REJECT},
    {"text behind", "[] x", "", NOT "text after the end at byte 3", PL_ERR_REJECT},
    {"two documents", "[][]", "", NOT "text after the end at byte 2", PL_ERR_REJECT},
    {"text behind an object", "{\"data\":[]},", "", NOT "text after the end", PL_ERR_REJECT},
    {"key is none", "{1:[]}", "", NOT "expected a key at byte 1", PL_ERR_REJECT},
    {"comma before the end", "{\"data\":[],}", "", NOT "expected a key at byte 11", PL_ERR_REJECT},
    {"no colon", "{\"data\"[]}", "", NOT "expected ':'", PL_ERR_REJECT},
    {"no comma in the object", "{\"data\":[]\"n\":1}", "", NOT "expected ',' or '}'",
     PL_ERR_REJECT},
    {"invalid beside", "{\"n\":[1,,2],\"data\":[]}", "", NOT "expected a value at byte 8",
     PL_ERR_REJECT},
    {"invalid behind", "{\"data\":[{}],\"n\":tru}", "{};", NOT "document ends too early at byte 20",
     PL_ERR_REJECT},
    {"bad key", "{\"\\x\":1}", "", NOT "unknown escape in a string at byte 2", PL_ERR_REJECT},
    {"leading zero beside", "{\"n\":01}", "", NOT "text after a value at byte 6", PL_ERR_REJECT},
    {"no value", "{\"n\":,\"data\":[]}", "", NOT "expected a value at byte 5", PL_ERR_REJECT},
    {"no value at the end", "{\"n\" : }", "", NOT "expected a value at byte 7", PL_ERR_REJECT},
    {"wrong bracket beside", "{\"n\":[1},\"data\":[]}", "", NOT "expected ',' or ']' at byte 7",
     PL_ERR_REJECT},

    {"just small enough", "[{\"a\":\"12345678901234567890123456789012345678901234567890123456\"}]",
     "{\"a\":\"12345678901234567890123456789012345678901234567890123456\"};", NULL, 0},
    {"too large", "[{\"a\":\"123456789012345678901234567890123456789012345678901234567\"}]", "",
     "element 1 of the answer is larger than api.element_bytes_max (64)", PL_ERR_CONFIG},
    {"too large and invalid",
     "[{},{\"a\":,,\"123456789012345678901234567890123456789012345678901234567\"}]", "{};",
     "element 2 of the answer is larger", PL_ERR_CONFIG},
    {"large beside is fine",
     "{\"a\":\"12345678901234567890123456789012345678901234567890123456789012345678901234567890\","
     "\"12345678901234567890123456789012345678901234567890123456789012345678901234567890\":1,"
     "\"data\":[{}]}",
     "{};", NULL, 0},
};

struct receiver {
    struct pl_buf text;
    unsigned refuse_each, refused;
};

static bool on_element(void *userdata, struct pl_slice element)
{
    struct receiver *r = userdata;
    if (r->refused < r->refuse_each) {
        r->refused++;
        return false;
    }
    r->refused = 0;
    pl_buf_add(&r->text, element.p, element.len);
    pl_buf_add_byte(&r->text, ';');
    return true;
}

/* Feeds a copy of its own size, so that a sanitizer sees a read beyond it; offers again what was
 * refused. */
static void feed_all(struct pl_split *s, const char *data, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    size_t used = 0;
    memcpy(copy, data, len);
    do {
        used += pl_split_feed(s, copy + used, len - used);
        ck_assert(used == len || s->pending || pl_split_failed(s));
    } while (!pl_split_failed(s) && (used < len || s->pending));
    free(copy);
}

static void expect(const struct split_case *c, const struct pl_split *s, struct receiver *r,
                   const char *how)
{
    struct pl_err err = {0};
    int result = pl_split_end(s, &err);
    ck_assert_msg(strcmp(pl_buf_cstr(&r->text), c->elements) == 0, "%s (%s): %s", c->name, how,
                  pl_buf_cstr(&r->text));
    ck_assert_msg((result == 0) == (c->error == NULL), "%s (%s): %s", c->name, how, err.msg);
    if (!c->error)
        return;
    ck_assert_msg(strncmp(err.msg, c->error, strlen(c->error)) == 0, "%s (%s): %s", c->name, how,
                  err.msg);
    ck_assert_msg(err.kind == c->kind, "%s (%s): kind %d", c->name, how, err.kind);
}

/* In pieces of `step` bytes, or (0) in two, cut at `cut`. */
static void run(const struct split_case *c, size_t step, size_t cut, unsigned refuse)
{
    struct receiver r = {.refuse_each = refuse};
    struct pl_split s;
    size_t len = strlen(c->in);
    char how[64];
    snprintf(how, sizeof(how), "step %zu, cut %zu, refuse %u", step, cut, refuse);
    pl_split_init(&s, ELEMENT_MAX, on_element, &r);
    if (step == 0) {
        feed_all(&s, c->in, cut);
        if (!pl_split_failed(&s))
            feed_all(&s, c->in + cut, len - cut);
    }
    for (size_t i = 0; step > 0 && i < len && !pl_split_failed(&s); i += step)
        feed_all(&s, c->in + i, len - i < step ? len - i : step);
    expect(c, &s, &r, how);
    pl_split_release(&s);
    pl_buf_release(&r.text);
}

START_TEST(answers)
{
    const struct split_case *c = &cases[_i];
    size_t len = strlen(c->in);
    for (unsigned refuse = 0; refuse < 3; refuse++) {
        run(c, len + 1, 0, refuse);
        for (size_t step = 1; step < 5; step++)
            run(c, step, 0, refuse);
        for (size_t cut = 0; cut <= len; cut++)
            run(c, 0, cut, refuse);
    }
}
END_TEST

/* A good answer that is cut is never whole, wherever. */
START_TEST(every_cut_is_seen)
{
    static const char *const good[] = {
        "[{\"a\":[1,{}]},{\"b\":\"x\"}]",
        "{\"s\":\"ok\",\"data\":[{\"a\":1},{}],\"n\":{\"x\":[1.5,true]}}",
    };
    for (size_t i = 0; i < PL_COUNT(good); i++) {
        for (size_t cut = 0; cut < strlen(good[i]); cut++) {
            struct receiver r = {0};
            struct pl_split s;
            struct pl_err err;
            pl_split_init(&s, ELEMENT_MAX, on_element, &r);
            feed_all(&s, good[i], cut);
            ck_assert_int_eq(pl_split_end(&s, &err), -1);
            ck_assert_int_eq(err.kind, PL_ERR_RETRY);
            pl_split_release(&s);
            pl_buf_release(&r.text);
        }
    }
}
END_TEST

/* Between elements nothing of what went before is held. */
START_TEST(memory_is_flat)
{
    struct receiver r = {0};
    struct pl_split s;
    static const char one[] = "{\"a\":\"1234567890\",\"b\":[1,2,3]}";
    pl_split_init(&s, 1 << 20, on_element, &r);
    feed_all(&s, "{\"beside\":[", 11);
    for (int i = 0; i < 20000; i++)
        feed_all(&s, "123456789,", 10);
    feed_all(&s, "1],\"data\":[", 11);
    for (int i = 0; i < 20000; i++) {
        if (i > 0)
            feed_all(&s, ",", 1);
        feed_all(&s, one, 7);
        feed_all(&s, one + 7, sizeof(one) - 8);
        pl_buf_reset(&r.text);
    }
    feed_all(&s, "]}", 2);
    struct pl_err err;
    ck_assert_int_eq(pl_split_end(&s, &err), 0);
    ck_assert_uint_eq(s.elements, 20000);
    ck_assert_uint_le(s.value.cap, 2 * PL_SPLIT_BESIDE_MAX);
    pl_split_release(&s);
    pl_buf_release(&r.text);
}
END_TEST

START_TEST(reset_begins_anew)
{
    struct receiver r = {0};
    struct pl_split s;
    struct pl_err err;
    pl_split_init(&s, ELEMENT_MAX, on_element, &r);
    feed_all(&s, "{\"data\":[{\"a\":", 14);
    pl_split_reset(&s);
    feed_all(&s, "[{}]", 4);
    ck_assert_int_eq(pl_split_end(&s, &err), 0);
    ck_assert_str_eq(pl_buf_cstr(&r.text), "{};");
    ck_assert_str_eq(s.shape, "an array");
    pl_split_reset(&s);
    feed_all(&s, "{\"records\":[{}]}", 16);
    ck_assert_str_eq(s.shape, "an object with the array under records");
    pl_split_release(&s);
    pl_buf_release(&r.text);
}
END_TEST

/* ---- members and paths ---- */

static void on_member(void *userdata, const struct pl_split_member *m)
{
    struct receiver *r = userdata;
    pl_buf_addf(&r->text, "%u.", m->depth);
    pl_buf_add(&r->text, m->key.p ? m->key.p : "?", m->key.p ? m->key.len : 1);
    pl_buf_addf(&r->text, "=%c", m->first);
    if (m->value.p)
        pl_buf_add(&r->text, m->value.p + 1, m->value.len - 1);
    else
        pl_buf_add_byte(&r->text, '~');
    pl_buf_add_byte(&r->text, ';');
}

#define LONG_64  "1234567890123456789012345678901234567890123456789012345678901234"
#define LONG_256 LONG_64 LONG_64 LONG_64 LONG_64

static const struct around_case {
    const char *path, *in;
    const char *seen; /* members and elements in their order, each followed by ';' */
    const char *error, *shape;
} around_cases[] = {
    {NULL, "{\"a\":1, \"b\" : \"x\" ,\"data\":[{}],\"c\":[1, {}],\"data\":null}",
     "0.a=1;0.b=\"x\";{};0.c=[1, {}];0.data=null;", NULL, "an object with the array under data"},
    {NULL, "{\"\\u0061\\n\":1,\"data\":[]}", "0.a\n=1;", NULL,
     "an object with the array under data"},
    {NULL, "{\"\\ud800\":1,\"data\":[]}", "0.?=1;", NULL, "an object with the array under data"},
    {NULL, "{\"a\":\"" LONG_64 "\",\"data\":[]}", "0.a=\"~;", NULL,
     "an object with the array under data"},
    {NULL, "{\"" LONG_64 "\":[],\"data\":[]}", "0.?=[];", NULL,
     "an object with the array under data"},
    {NULL, "{\"a\":{\"b\":2}}", "0.a={\"b\":2};", NOT "an object without an array under data,",
     "no array"},
    {NULL, "{\"a\":[1}", "", NOT, "no array"}, /* what is invalid is not shown */
    {"items", "{\"data\":[{}],\"items\":[{}]}", "0.data=[{}];{};", NULL,
     "an object with the array under items"},
    {"result.items", "{\"n\":1,\"result\":{\"more\":false,\"items\":[{\"a\":1}],\"x\":{}},\"z\":2}",
     "0.n=1;1.more=false;{\"a\":1};1.x={};0.z=2;", NULL,
     "an object with the array under result.items"},
    {"a.b.c", "{\"a\":{\"a\":[{}],\"b\":{\"c\":[ ]} } }", "1.a=[{}];", NULL,
     "an object with the array under a.b.c"},
    {"a.b", "{\"a\":{},\"a\":{\"b\":[]}}", "", NULL, "an object with the array under a.b"},
    {"a.b", "{\"b\":[{}],\"a\":[{}]}", "0.b=[{}];0.a=[{}];",
     NOT "an object without an array under a.b", "no array"},
    {"a.b", "{\"a\":{\"b\":null}}", "1.b=null;", NOT "an object without an array under a.b",
     "no array"},
    {"a.b", "{\"a\":{\"b\":{\"b\":[]}}}", "1.b={\"b\":[]};", NOT "an object without", "no array"},
    {"a.b", "{\"a\":{\"b\":[]},\"a\":{\"b\":[]}}", "", NOT "a second array at byte 23",
     "an object with the array under a.b"},
    {"a.b", "[{}]", "", NOT "an array, although api.answer.array", "no array"},
    {"a.b", "{\"a\":{\"b\":[]}", "", CUT, "an object with the array under a.b"},
    {"a.b", "{\"a\":{\"b\":[]}}}", "", NOT "text after the end",
     "an object with the array under a.b"},
    {"a.b", "{\"a\":{,\"b\":[]}}", "", NOT "expected a key", "no array"},
};

START_TEST(members_around)
{
    const struct around_case *c = &around_cases[_i];
    size_t len = strlen(c->in);
    for (size_t step = 1; step <= len; step++) {
        struct receiver r = {.refuse_each = step % 2};
        struct pl_split s;
        struct pl_err err = {0};
        pl_split_init(&s, ELEMENT_MAX, on_element, &r);
        pl_split_around(&s, c->path, on_member);
        for (int again = 0; again < 2; again++) { /* the same of a second answer */
            pl_split_reset(&s);
            pl_buf_reset(&r.text);
            for (size_t i = 0; i < len && !pl_split_failed(&s); i += step)
                feed_all(&s, c->in + i, len - i < step ? len - i : step);
            ck_assert_msg((pl_split_end(&s, &err) == 0) == !c->error, "%s: %s", c->in, err.msg);
            ck_assert_msg(strcmp(pl_buf_cstr(&r.text), c->seen) == 0, "%s, step %zu: %s", c->in,
                          step, pl_buf_cstr(&r.text));
            ck_assert_str_eq(s.shape, c->shape);
            ck_assert_msg(!c->error || strncmp(err.msg, c->error, strlen(c->error)) == 0, "%s: %s",
                          c->in, err.msg);
        }
        pl_split_release(&s);
        pl_buf_release(&r.text);
    }
}
END_TEST

/* Cut at every place, and nothing is left over from one answer to the next. */
START_TEST(null_for_the_array)
{
    static const struct {
        const char *path, *in;
        bool is_null;
    } nulls[] = {
        {NULL, "{\"data\":null}", true},
        {NULL, "{\"n\":1,\"records\" : null , \"m\":[]}", true},
        {"a.b", "{\"a\":{\"b\":null}}", true},
        {"a.b", "{\"a\":{\"b\":null},\"data\":[{}]}", true},
        {NULL, "{\"data\":[]}", false},
        {NULL, "{\"data\":null,\"records\":[]}", false},
        {NULL, "{\"data\":null", false},
        {NULL, "{\"data\":null,", false},
        {NULL, "{\"data\":null}]", false},
        {NULL, "{\"data\":nul}", false},
        {NULL, "{\"data\":\"null\"}", false},
        {NULL, "{\"data\":{}}", false},
        {NULL, "{\"n\":null}", false},
        {NULL, "{\"x\":{\"data\":null}}", false},
        {"a.b", "{\"a\":null}", false},
        {"a.b", "{\"b\":null,\"data\":null}", false},
    };
    for (size_t i = 0; i < PL_COUNT(nulls); i++) {
        struct receiver r = {0};
        struct pl_split s;
        size_t len = strlen(nulls[i].in);
        pl_split_init(&s, ELEMENT_MAX, on_element, &r);
        pl_split_around(&s, nulls[i].path, NULL);
        for (size_t cut = 0; cut <= len; cut++) {
            pl_split_reset(&s);
            feed_all(&s, nulls[i].in, cut);
            ck_assert_msg(cut == len || !pl_split_is_null(&s) || !strcmp(nulls[i].in + cut, "]"),
                          "%s, up to %zu", nulls[i].in, cut);
            if (!pl_split_failed(&s))
                feed_all(&s, nulls[i].in + cut, len - cut);
            ck_assert_msg(pl_split_is_null(&s) == nulls[i].is_null, "%s, %zu", nulls[i].in, cut);
        }
        pl_split_release(&s);
        pl_buf_release(&r.text);
    }
}
END_TEST

/* A word too large to be checked is not taken for null. */
START_TEST(large_word_for_the_array)
{
    struct receiver r = {0};
    struct pl_split s;
    pl_split_init(&s, 1 << 20, on_element, &r);
    feed_all(&s, "{\"data\":", 8);
    for (size_t i = 0; i <= PL_SPLIT_BESIDE_MAX; i++)
        feed_all(&s, "n", 1);
    feed_all(&s, "}", 1);
    ck_assert(!pl_split_failed(&s) && !pl_split_is_null(&s));
    pl_split_release(&s);
    pl_buf_release(&r.text);
}
END_TEST

/* A key of 256 bytes is shown, one of 257 is not. */
START_TEST(long_keys)
{
    static const char *const keys[] = {LONG_256, LONG_256 "x"};
    for (size_t i = 0; i < PL_COUNT(keys); i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
        struct receiver r = {0};
        struct pl_split s;
        pl_buf_addf(&text, "{\"%s\":1,\"data\":[]}", keys[i]);
        pl_split_init(&s, 1000, on_element, &r);
        pl_split_around(&s, NULL, on_member);
        feed_all(&s, text.data, text.len);
        ck_assert_str_eq(pl_buf_cstr(&r.text), i == 0 ? "0." LONG_256 "=1;" : "0.?=1;");
        pl_split_release(&s);
        pl_buf_release(&r.text);
    }
}
END_TEST

/* ---- what stands beside the array ---- */

static const char *const values[] = {
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "12",
    "1.5",
    "1e5",
    "1E+5",
    "1e-5",
    "0.0",
    "\"\"",
    "\"a\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u12aF\"",
    "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"",
    "\"\\ud800\"",
    "[]",
    "[ ]",
    "{}",
    "{ }",
    "[1]",
    "[1,2]",
    "[[],[{}]]",
    "{\"a\":1}",
    "{\"a\":{\"b\":[null,true,false]},\"c\":\"d\"}",
    "[ 1 , 2 ]",
    "{ \"a\" : 1 , \"b\" : 2 }",
    /* and what is none */
    "nul",
    "nulL",
    "True",
    "+1",
    ".5",
    "01",
    "-",
    "1.",
    "1.e5",
    "1e",
    "1e+",
    "--1",
    "0x1",
    "1 2",
    "\"",
    "\"a",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\x01\"",
    "\"\xC3\"",
    "\"\xC0\x80\"",
    "\"\xED\xA0\x80\"",
    "\"\xF4\x90\x80\x80\"",
    "\"\xE0\x80\x80\"",
    "\"\xFF\"",
    "[",
    "]",
    "{",
    "}",
    "[1",
    "[1,",
    "[,]",
    "[1,]",
    "[1 2]",
    "[}",
    "{]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{1:2}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "[[]",
    "",
    " ",
};

static bool is_valid(const char *text, size_t len)
{
    struct pl_json j;
    pl_json_init(&j, text, len, 0);
    pl_json_skip(&j, NULL);
    return pl_json_end(&j);
}

/* Whether an answer is whole whose member "n" is this, in pieces of `step`. */
static bool beside_is_taken(const struct pl_buf *value, size_t step)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    struct receiver r = {0};
    struct pl_split s;
    struct pl_err err;
    pl_buf_add_str(&text, "{\"n\":");
    pl_buf_add(&text, value->data, value->len);
    pl_buf_add_str(&text, ",\"data\":[]}");
    pl_split_init(&s, 1 << 20, on_element, &r);
    for (size_t i = 0; i < text.len && !pl_split_failed(&s); i += step)
        feed_all(&s, text.data + i, text.len - i < step ? text.len - i : step);
    bool taken = pl_split_end(&s, &err) == 0;
    pl_split_release(&s);
    return taken;
}

START_TEST(beside_agrees_with_the_reader)
{
    for (size_t i = 0; i < PL_COUNT(values); i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf value = {0};
        pl_buf_add_str(&value, values[i]);
        bool valid = is_valid(value.data, value.len);
        for (size_t step = 1; step <= value.len + 16; step++)
            ck_assert_msg(beside_is_taken(&value, step) == valid, "%s, step %zu: %d", values[i],
                          step, !valid);
    }
}
END_TEST

START_TEST(beside_is_bounded)
{
    for (unsigned depth = PL_JSON_DEPTH_DEFAULT; depth <= PL_JSON_DEPTH_DEFAULT + 1; depth++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
        for (unsigned i = 0; i < depth; i++)
            pl_buf_add_str(&text, i % 2 ? "[" : "{\"a\":");
        pl_buf_add_str(&text, "1");
        for (unsigned i = depth; i-- > 0;)
            pl_buf_add_str(&text, i % 2 ? "]" : "}");
        ck_assert_int_eq(beside_is_taken(&text, 3), depth == PL_JSON_DEPTH_DEFAULT);
    }
    /* What is no JSON is seen up to the maximum; the end of a larger value is still found. */
    for (size_t len = PL_SPLIT_BESIDE_MAX - 1; len <= PL_SPLIT_BESIDE_MAX + 1; len++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
        pl_buf_add_str(&text, "[01,\"]\"");
        while (text.len < len - 1)
            pl_buf_add_byte(&text, ' ');
        pl_buf_add_byte(&text, ']');
        for (size_t step = 999; step < 100000; step += 33000)
            ck_assert_int_eq(beside_is_taken(&text, step), len > PL_SPLIT_BESIDE_MAX);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(answers, .count = PL_COUNT(cases)),
        TEST(every_cut_is_seen),
        TEST(memory_is_flat),
        TEST(reset_begins_anew),
        TEST(members_around, .count = PL_COUNT(around_cases)),
        TEST(null_for_the_array),
        TEST(large_word_for_the_array),
        TEST(long_keys),
        TEST(beside_agrees_with_the_reader),
        TEST(beside_is_bounded),
    };
    return unit_main("split", tests, PL_COUNT(tests));
}
