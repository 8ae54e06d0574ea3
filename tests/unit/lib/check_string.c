/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_string.c - UTF-8, unescaping, comparing and quoting.
 *
 * UTF-8 is checked against a slow decoder that goes by RFC 3629's words (decode, then ask whether
 * the value needed that many bytes), so that the fast one's ranges are not compared with
 * themselves.
 */
#include "lib/json/reader.h"
#include "tests/unit/json_walk.h"
#include "tests/unit/unit.h"

/* Length of the sequence at s, 0 when it is bad. */
static size_t utf8_reference(const unsigned char *s, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;

    if (n < 2 || n > len)
        return n == 1;
    uint32_t c = s[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        c = c << 6 | (s[i] & 0x3F);
    }
    return c >= least[n] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF) ? n : 0;
}

static bool utf8_valid_reference(const char *p, size_t len)
{
    while (len > 0) {
        size_t n = utf8_reference((const unsigned char *)p, len);
        if (n == 0)
            return false;
        p += n;
        len -= n;
    }
    return true;
}

static bool string_accepted(const char *bytes, size_t len)
{
    struct pl_json j;
    struct pl_json_str str;

    pl_json_init(&j, bytes, len, 0);
    return pl_json_string(&j, &str) && pl_json_end(&j);
}

/* All of one, two and three bytes, and all four-byte ones with some third and fourth bytes. */
START_TEST(test_utf8_exhaustive)
{
    static const unsigned char some[] = {0x00, 'a', 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC0, 0xE2, 0xFF};
    char s[4];

    for (uint32_t v = 0; v < 0x1000000; v++) {
        s[0] = (char)(v >> 16);
        s[1] = (char)(v >> 8);
        s[2] = (char)v;
        /* Past the first two bytes, the third may be one of a few; all are tried with a lead. */
        if ((unsigned char)s[0] < 0xC0 && (v & 0xFF) != 0)
            continue;
        ck_assert_int_eq(pl_utf8_valid(s, 3), utf8_valid_reference(s, 3));
        if ((v & 0xFF) == 0) {
            ck_assert_int_eq(pl_utf8_valid(s, 2), utf8_valid_reference(s, 2));
            ck_assert_int_eq(pl_utf8_valid(s, 1), utf8_valid_reference(s, 1));
        }
    }
    for (uint32_t v = 0xEF00; v <= 0xFFFF; v++) {
        s[0] = (char)(v >> 8);
        s[1] = (char)v;
        for (size_t i = 0; i < PL_COUNT(some); i++) {
            for (size_t k = 0; k < PL_COUNT(some); k++) {
                s[2] = (char)some[i];
                s[3] = (char)some[k];
                ck_assert_int_eq(pl_utf8_valid(s, 4), utf8_valid_reference(s, 4));
            }
        }
    }
    ck_assert(pl_utf8_valid(NULL, 0));
}
END_TEST

/* Each sequence, whole and cut, at each place around the borders of blocks, in and outside JSON. */
START_TEST(test_utf8_at_borders)
{
    static const char *const sequences[] = {"\xC3\xA9",
                                            "\xE2\x82\xAC",
                                            "\xF0\x9F\x98\x80",
                                            "\xED\xA0\x80",
                                            "\xC0\xAF",
                                            "\xE0\x80\xAF",
                                            "\xF0\x80\x80\xAF",
                                            "\xF4\x90\x80\x80",
                                            "\x80",
                                            "\xFF",
                                            "\xE2\x82\xAC\xC3",
                                            "\xC3\xA9\xC3\xA9",
                                            "\xED\x9F\xBF",
                                            "\xF4\x8F\xBF\xBF"};

    for (size_t i = 0; i < PL_COUNT(sequences); i++) {
        for (size_t cut = 1; cut <= strlen(sequences[i]); cut++) {
            for (size_t before = 0; before < 36; before++) {
                for (size_t after = 0; after < 36; after += after < 4 ? 1 : 5) {
                    size_t len = 1 + before + cut + after + 1;
                    char *text = malloc(len); /* exact, for ASan */
                    memset(text, 'a', len);
                    text[0] = text[len - 1] = '"';
                    memcpy(text + 1 + before, sequences[i], cut);
                    bool valid = utf8_valid_reference(text, len);
                    ck_assert_int_eq(pl_utf8_valid(text, len), valid);
                    ck_assert_int_eq(string_accepted(text, len), valid);
                    /* The input ends inside the sequence. */
                    len -= after + 1;
                    char *shorter = malloc(len);
                    memcpy(shorter, text, len);
                    ck_assert_int_eq(pl_utf8_valid(shorter, len),
                                     utf8_valid_reference(shorter, len));
                    ck_assert(!string_accepted(shorter, len));
                    free(shorter);
                    free(text);
                }
            }
        }
    }
}
END_TEST

/* Each byte at each place of a string: what is plain, what ends it, what is an error. */
START_TEST(test_each_byte_at_each_place)
{
    for (unsigned c = 0; c < 256; c++) {
        for (size_t len = 3; len < 40; len++) {
            for (size_t at = 1; at < len - 1; at++) {
                char *text = malloc(len);
                memset(text, 'x', len);
                text[0] = text[len - 1] = '"';
                text[at] = (char)c;
                /* A backslash makes an unknown "\x", or escapes the last quote. */
                bool valid = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
                ck_assert_int_eq(string_accepted(text, len), valid);
                free(text);
            }
        }
    }
}
END_TEST

static const struct {
    const char *in;
    const char *out;
    ssize_t len; /* -1: lone surrogate */
} unescapes[] = {
    {"", "", 0},
    {"abc", "abc", 3},
    {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 8},
    {"\\u0000", "\0", 1},
    {"\\u0041\\u007f\\u007F", "A\x7F\x7F", 3},
    {"\\u0080", "\xC2\x80", 2},
    {"\\u00e9x\\u00E9", "\xC3\xA9x\xC3\xA9", 5},
    {"\\u07ff", "\xDF\xBF", 2},
    {"\\u0800", "\xE0\xA0\x80", 3},
    {"\\u20ac", "\xE2\x82\xAC", 3},
    {"\\ud7ff\\ue000\\uffff", "\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF", 9},
    {"\\ud83d\\ude00", "\xF0\x9F\x98\x80", 4},
    {"\\uD800\\uDC00", "\xF0\x90\x80\x80", 4},
    {"\\uDBFF\\uDFFF", "\xF4\x8F\xBF\xBF", 4},
    {"a\\ud83d\\ude00b",
     "a\xF0\x9F\x98\x80"
     "b",
     6},
    {"\xC3\xA9\\n\xE2\x82\xAC", "\xC3\xA9\n\xE2\x82\xAC", 6},
    {"a long text without escapes, and then\\none", "a long text without escapes, and then\none",
     41},
    {"\\\\u0041", "\\u0041", 6},
    {"\\ud800", NULL, -1},
    {"\\udc00", NULL, -1},
    {"\\ud800x", NULL, -1},
    {"\\ud800\\n", NULL, -1},
    {"\\ud800\\u0041", NULL, -1},
    {"\\ud800\\ud800", NULL, -1},
    {"\\ud800\\ud800\\udc00", NULL, -1},
    {"\\udc00\\ud800", NULL, -1},
    {"text before \\udfff text behind", NULL, -1},
};

static bool string_read(const char *in, struct pl_json_str *ret_str, char **ret_doc)
{
    struct pl_json j;
    char *doc = pl_strf("\"%s\"", in);

    pl_json_init(&j, doc, strlen(doc), 0);
    *ret_doc = doc;
    return pl_json_string(&j, ret_str) && pl_json_end(&j);
}

START_TEST(test_unescape)
{
    for (size_t i = 0; i < PL_COUNT(unescapes); i++) {
        PL_FREE char *doc = NULL;
        struct pl_json_str str;
        ck_assert(string_read(unescapes[i].in, &str, &doc));
        ck_assert_int_eq(str.escaped, strchr(unescapes[i].in, '\\') != NULL);
        char *out = malloc(str.len + (str.len == 0));
        ssize_t n = pl_json_unescape(&str, out);
        ck_assert_int_eq(n, unescapes[i].len);
        if (n > 0)
            ck_assert_mem_eq(out, unescapes[i].out, (size_t)n);
        free(out);

        /* Into a buffer: behind what is there, up to just its maximum, and nothing beyond it. */
        for (size_t max = 1; max < 60; max++) {
            struct pl_buf b = {.max = max};
            pl_buf_add_byte(&b, '>');
            bool fits = n >= 0 && 1 + (size_t)n <= max;
            ck_assert_int_eq(pl_json_unescape_buf(&str, &b), fits);
            ck_assert_uint_eq(b.len, fits ? 1 + (size_t)n : 1);
            if (fits && n > 0)
                ck_assert_mem_eq(b.data + 1, unescapes[i].out, (size_t)n);
            pl_buf_release(&b);
        }
    }
}
END_TEST

/* A struct that no reader made must not lead out of its bounds either. */
START_TEST(test_unescape_malformed)
{
    static const char *const bad[] = {"\\",  "\\u",        "\\u00",    "\\u00g0",
                                      "\\x", "\\ud800\\u", "\\ud800\\"};
    char out[64];

    for (size_t i = 0; i < PL_COUNT(bad); i++) {
        size_t len = strlen(bad[i]);
        char *copy = malloc(len);
        memcpy(copy, bad[i], len);
        struct pl_json_str str = {.p = copy, .len = len, .escaped = true};
        ck_assert_int_eq(pl_json_unescape(&str, out), -1);
        ck_assert(!pl_json_str_eq(&str, "x"));
        free(copy);
    }
}
END_TEST

START_TEST(test_str_eq)
{
    static const struct {
        const char *in, *s;
        bool equal;
    } table[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"title", "title", true},
        {"title", "titl", false},
        {"titl", "title", false},
        {"title", "titlE", false},
        {"t\\u0069tle", "title", true},
        {"t\\u0069tl", "title", false},
        {"t\\u0069tles", "title", false},
        {"\\n", "\n", true},
        {"\\n", "n", false},
        {"\\ud83d\\ude00", "\xF0\x9F\x98\x80", true},
        {"\\ud83d\\ude00", "\xF0\x9F\x98", false},
        {"\\ud83d", "\xED\xA0\xBD", false},
        {"\\u0000", "", false},
        {"a\\u0000b", "a", false},
        {"\xC3\xA9\\/", "\xC3\xA9/", true},
        {"\\\\", "\\", true},
    };

    for (size_t i = 0; i < PL_COUNT(table); i++) {
        PL_FREE char *doc = NULL;
        struct pl_json_str str;
        ck_assert(string_read(table[i].in, &str, &doc));
        ck_assert_msg(pl_json_str_eq(&str, table[i].s) == table[i].equal, "%s", table[i].in);
    }
}
END_TEST

START_TEST(test_quote)
{
    static const struct {
        struct pl_slice in;
        const char *out;
    } table[] = {
        {PL_SLICE_LIT(""), "\"\""},
        {PL_SLICE_LIT("abc/'"), "\"abc/'\""},
        {PL_SLICE_LIT("a\"b\\c"), "\"a\\\"b\\\\c\""},
        {PL_SLICE_LIT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {PL_SLICE_LIT("\0\x01\x1F\x7F"), "\"\\u0000\\u0001\\u001f\x7F\""},
        {PL_SLICE_LIT("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
         "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
        {PL_SLICE_LIT("a\xFFz"), "\"a\xEF\xBF\xBDz\""},
        /* One U+FFFD for each maximal subpart (the Unicode Standard's table 3-8 and its like). */
        {PL_SLICE_LIT("\xC0\xAF"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {PL_SLICE_LIT("\xE2\x82"), "\"\xEF\xBF\xBD\""},
        {PL_SLICE_LIT("\xE2\x82z"), "\"\xEF\xBF\xBDz\""},
        {PL_SLICE_LIT("\xF0\x9F\x98\""), "\"\xEF\xBF\xBD\\\"\""},
        {PL_SLICE_LIT("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {PL_SLICE_LIT("\xF4\x90\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };

    for (size_t i = 0; i < PL_COUNT(table); i++) {
        struct pl_buf b = {0};
        pl_buf_add_byte(&b, '=');
        ck_assert(pl_json_quote(&b, table[i].in.p, table[i].in.len));
        ck_assert_str_eq(pl_buf_cstr(&b) + 1, table[i].out);
        size_t len = b.len;
        pl_buf_release(&b);
        for (size_t max = 1; max <= len; max++) {
            pl_buf_init(&b, max);
            pl_buf_add_byte(&b, '=');
            ck_assert_int_eq(pl_json_quote(&b, table[i].in.p, table[i].in.len), max == len);
            ck_assert_uint_eq(b.len, max == len ? len : 1);
            pl_buf_release(&b);
        }
    }
}
END_TEST

/* Quoted and read again, a text is what it was. */
START_TEST(test_quote_round_trip)
{
    struct pl_buf text = {0}, quoted = {0}, again = {0};
    struct pl_json j;
    struct pl_json_str str;

    for (unsigned c = 0; c < 0x80; c++)
        pl_buf_add_byte(&text, (char)c);
    pl_buf_add_str(&text, "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 and plain text that is longer");
    ck_assert(pl_json_quote(&quoted, text.data, text.len));
    pl_json_init(&j, quoted.data, quoted.len, 0);
    ck_assert(pl_json_string(&j, &str) && pl_json_end(&j));
    ck_assert(pl_json_unescape_buf(&str, &again));
    ck_assert_uint_eq(again.len, text.len);
    ck_assert_mem_eq(again.data, text.data, text.len);
    pl_buf_release(&text);
    pl_buf_release(&quoted);
    pl_buf_release(&again);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_utf8_exhaustive),
        TEST(test_utf8_at_borders),
        TEST(test_each_byte_at_each_place),
        TEST(test_unescape),
        TEST(test_unescape_malformed),
        TEST(test_str_eq),
        TEST(test_quote),
        TEST(test_quote_round_trip),
    };
    return unit_main("string", tests, PL_COUNT(tests));
}
