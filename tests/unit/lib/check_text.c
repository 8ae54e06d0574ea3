/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_text.c - texts from outside: which characters act, cutting at each offset, one line,
 * secrets, base64, likeness.
 */
#include <stdio.h>

#include "lib/base/text.h"
#include "lib/json/reader.h"
#include "tests/unit/unit.h"

/* ---- characters ---- */

static size_t encode(uint32_t c, char out[static 4])
{
    unsigned char *u = (unsigned char *)out;
    if (c < 0x80)
        return u[0] = (unsigned char)c, 1;
    if (c < 0x800)
        return u[0] = 0xc0 | c >> 6, u[1] = 0x80 | (c & 63), 2;
    if (c < 0x10000)
        return u[0] = 0xe0 | c >> 12, u[1] = 0x80 | (c >> 6 & 63), u[2] = 0x80 | (c & 63), 3;
    return u[0] = 0xf0 | c >> 18, u[1] = 0x80 | (c >> 12 & 63), u[2] = 0x80 | (c >> 6 & 63),
           u[3] = 0x80 | (c & 63), 4;
}

static bool acts(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

START_TEST(each_character)
{
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        char text[4], before[4];
        size_t n = encode(c, text);
        bool surrogate = c >= 0xd800 && c < 0xe000;
        bool ok = pl_utf8_char(text, n) == (surrogate ? 0 : n);
        for (size_t less = 0; less < n; less++)
            ok &= pl_utf8_char(text, less) == 0;
        memcpy(before, text, n);
        ok &= surrogate || pl_text_acts(text, n) == acts(c);
        pl_text_flatten(text, n);
        ok &= memcmp(text, surrogate ? "???" : acts(c) ? "   " : before, n) == 0;
        if (!ok) /* an assertion a character would take seconds */
            ck_abort_msg("U+%04X", c);
    }
}
END_TEST

/* ---- cutting, one line ---- */

/* Characters of each length, next to each other in each order; the second holds what is none. */
static const char mixed[] = "a\u00e9\u20ac\U0001f600z\U0001f600\u20ac\u00e9\u00e9\U0001f600\u20acb"
                            "\u20ac\u20ac\U0001f600\U0001f600\u00e9c";
static const char broken[] = "\x80\x80\x80\x80"
                             "a\xe2\x82"
                             "b\xf0\x9f\x98\xff\xc3\xf0\x90"
                             "cd\xe2";

START_TEST(cut_at_each_offset)
{
    size_t len = sizeof(mixed) - 1;
    for (size_t max = 0; max <= len + 4; max++) {
        size_t n = pl_text_cut(mixed, len, max);
        ck_assert_uint_le(n, max);
        ck_assert(pl_utf8_valid(mixed, n));
        if (max >= len)
            ck_assert_uint_eq(n, len);
        else /* the next character does not fit */
            ck_assert_uint_gt(n + pl_utf8_char(mixed + n, len - n), max);
    }
    /* What is no character is cut where it comes, and nothing is read beyond it. */
    for (size_t end = 0; end < sizeof(broken); end++) {
        char *copy = pl_strndup(broken, end);
        for (size_t max = 0; max <= end; max++)
            ck_assert_uint_eq(pl_text_cut(copy, end, max), max);
        free(copy);
    }
}
END_TEST

/* A copy into each size is the longest that fits; the room behind it stays untouched. */
START_TEST(copy_into_each_size)
{
    size_t len = sizeof(mixed) - 1;
    for (size_t size = 1; size <= sizeof(mixed) + 4; size++) {
        PL_FREE char *out = malloc(size);
        memset(out, 'x', size);
        size_t n = pl_text_copy(mixed, len, out, size);
        ck_assert_uint_eq(n, pl_text_cut(mixed, len, size - 1));
        ck_assert_mem_eq(out, mixed, n);
        ck_assert_int_eq(out[n], '\0');
        for (size_t i = n + 1; i < size; i++)
            ck_assert_int_eq(out[i], 'x');
    }
    char out[8];
    ck_assert_uint_eq(pl_text_copy(NULL, 0, out, sizeof(out)), 0);
    ck_assert_str_eq(out, "");
    ck_assert_uint_eq(pl_text_copy("a\0b\nc", 5, out, sizeof(out)), 5);
    ck_assert_str_eq(out, "a b c");
}
END_TEST

static const struct {
    const char *text, *flat;
} flats[] = {
    {"", ""},
    {"one\ntwo\r\tthree\033[31m\x7f", "one two  three [31m "},
    {"csi \xc2\x9b"
     "31m, nbsp \xc2\xa0.",
     "csi   31m, nbsp \xc2\xa0."},
    {"line\u2028end, \u202eright to left\u202c", "line   end,    right to left   "},
    {"zero\u200bwidth \u200d joiner", "zero\u200bwidth \u200d joiner"},
    {"latin \xe9, torn \xe2\x82", "latin ?, torn ??"},
    {"overlong \xc0\xaf, surrogate \xed\xa0\x80", "overlong ??, surrogate ???"},
    {"\x9b"
     "31m",
     "?31m"},
};

START_TEST(flatten)
{
    struct pl_buf b = {.max = 64};
    size_t len = strlen(flats[_i].text);
    ck_assert(pl_buf_add_str(&b, "\n"));
    ck_assert(pl_text_add(&b, flats[_i].text, len));
    ck_assert_str_eq(pl_buf_cstr(&b) + 1, flats[_i].flat);
    ck_assert_int_eq(b.data[0], '\n'); /* what stood there stays */
    ck_assert_uint_eq(b.len, 1 + len);
    ck_assert(pl_utf8_valid(b.data, b.len));
    char big[64] = {0};
    ck_assert(!pl_text_add(&b, big, sizeof(big)));
    ck_assert_uint_eq(b.len, 1 + len);
    pl_buf_release(&b);
}
END_TEST

START_TEST(format)
{
    char out[16];
    ck_assert_uint_eq(pl_text_format(out, sizeof(out), "%s-%d", "a\nb", 7), 5);
    ck_assert_str_eq(out, "a b-7");
    ck_assert_uint_eq(pl_text_format(out, sizeof(out), "%s", "123456789012345"), 15);
    ck_assert_str_eq(out, "123456789012345");
    ck_assert_uint_eq(pl_text_format(out, sizeof(out), "%s", "1234567890123456"), 15);
    ck_assert_str_eq(out, "123456789012...");
    /* What a precision in the format tears cannot do harm. */
    pl_text_format(out, sizeof(out), "%.2s.", "\u20ac");
    ck_assert_str_eq(out, "??.");
}
END_TEST

/* Each size, and each character at the place of the cut. */
START_TEST(format_cut_at_each_offset)
{
    for (size_t size = 4; size <= sizeof(mixed) + 4; size++) {
        PL_FREE char *out = malloc(size);
        size_t n = pl_text_format(out, size, "%s", mixed);
        ck_assert_uint_eq(n, strlen(out));
        ck_assert(pl_utf8_valid(out, n));
        if (size >= sizeof(mixed)) {
            ck_assert_str_eq(out, mixed);
        } else {
            ck_assert_uint_eq(n, pl_text_cut(mixed, sizeof(mixed) - 1, size - 4) + 3);
            ck_assert_mem_eq(out, mixed, n - 3);
            ck_assert_str_eq(out + n - 3, "...");
        }
    }
}
END_TEST

/* ---- without secrets ---- */

static const struct {
    const char *text, *secret, *out;
} scrubs[] = {
    {"", NULL, ""},
    {"plain text", NULL, "plain text"},
    {"a\nb\tc\x1b[1m\x7f ", NULL, "a b c [1m"},
    {"c1 \xc2\x9b"
     "x",
     NULL, "c1   x"},
    {"token eyJhbGciOiJSUzI1NiJ9.x and more", "eyJhbGciOiJSUzI1NiJ9.x", "token"},
    {"the begin is enough: eyJhbGciOiJS", "eyJhbGciOiJSUzI1NiJ9.x", "the begin is enough:"},
    {"less is not: eyJhbGciOiJ", "eyJhbGciOiJSUzI1NiJ9.x", "less is not: eyJhbGciOiJ"},
    {"eyJhbGciOiJSUzI1NiJ9.x", "eyJhbGciOiJSUzI1NiJ9.x", ""},
    {"a short one: pass, gone", "pass", "a short one:"},
    {"too short for a secret", "too", "too short for a secret"},
    {"key ab\\/cd+ef==, yes", "ab/cd+ef==", "key"}, /* as JSON has it */
    {"q=a\\\"b\\\\cd!", "a\"b\\cd", "q="},
    {"q=ab%2fcd%2Bef%3D%3D&x", "ab/cd+ef==", "q="}, /* as an address has it */
    {"q=ab%2Fcd+ef", "ab/cd ef", "q="},
    {"is ab\\u002fcd\\u003Def", "ab/cd=ef", "is"},
    {"ab\\/c%2", "ab/cd+ef==", "ab\\/c%2"},
    {"none is none", "", "none is none"},
    {"12345678901234567890123456789012345678901234567890", NULL, "123456789012345678901234567"},
    {"12345678901234567890123456\u00e4\u00e4", NULL, "12345678901234567890123456"},
};

START_TEST(scrub)
{
    char out[28];
    size_t len = strlen(scrubs[_i].text);
    pl_text_scrub(len > 0 ? scrubs[_i].text : NULL, len, scrubs[_i].secret, out, sizeof(out));
    ck_assert_str_eq(out, scrubs[_i].out);
}
END_TEST

/* ---- base64 ---- */

/* RFC 4648, section 10, and the digits that the alphabets do not share. */
static const struct {
    const char *plain, *padded, *url;
} bases[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xef\xbe\xff\xff\xfe", "++++///+", "----___-"},
};

START_TEST(base64)
{
    char out[16] = "xxxxxxxxxxxxxxx", plain[16];
    size_t len = strlen(bases[_i].plain), n = pl_base64_encode(bases[_i].plain, len, out);
    ck_assert_uint_eq(n, PL_BASE64_SIZE(len));
    ck_assert_uint_eq(n, strlen(bases[_i].padded));
    ck_assert_mem_eq(out, bases[_i].padded, n);
    ck_assert_int_eq(out[n], 'x');
    n = pl_base64url_encode(bases[_i].plain, len, out);
    ck_assert_uint_eq(n, strlen(bases[_i].url));
    ck_assert_mem_eq(out, bases[_i].url, n);
    ck_assert_int_eq(pl_base64url_decode(out, n, plain), len);
    ck_assert_mem_eq(plain, bases[_i].plain, len);
}
END_TEST

START_TEST(base64url_refuses)
{
    static const char *const bad[] = {"A",    "AAAAA", "Zg==", "Zh",  "Zm9=", "Zm-",       "++++",
                                      "Zm9 ", "Zm9\n", "Zm9.", "Z g", "\xff", "Zm9v\u00e9"};
    char out[16];
    for (size_t i = 0; i < PL_COUNT(bad); i++)
        ck_assert_msg(pl_base64url_decode(bad[i], strlen(bad[i]), out) == -1, "%s", bad[i]);
    ck_assert_int_eq(pl_base64url_decode("AA\0A", 4, out), -1);
}
END_TEST

/* Each byte at each place, in texts of each length. */
START_TEST(base64url_back)
{
    for (size_t len = 0; len <= 9; len++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char data[9], text[12];
            for (size_t i = 0; i < len; i++)
                data[i] = (char)(byte + i * 37);
            size_t n = pl_base64url_encode(data, len, text);
            PL_FREE char *back = malloc(n * 3 / 4 + 1);
            ck_assert_int_eq(pl_base64url_decode(text, n, back), len);
            ck_assert_mem_eq(back, data, len);
        }
    }
}
END_TEST

/* ---- likeness ---- */

START_TEST(edit_distance)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},
        {"a", "", 1},
        {"topic", "topic", 0},
        {"topic", "topci", 2},
        {"topic", "tpic", 1},
        {"topic", "topics", 1},
        {"topic", "tonic", 1},
        {"Topic", "tOPIC", 0},
        {"log-level", "log_level", 0},
        {"kitten", "sitting", 3},
    };
    char longest[65];
    memset(longest, 'a', 64);
    longest[64] = '\0';
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        ck_assert_uint_eq(pl_edit_distance(cases[i].a, cases[i].b), cases[i].distance);
        ck_assert_uint_eq(pl_edit_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
    ck_assert_uint_gt(pl_edit_distance(longest, longest), 2);
    ck_assert_uint_eq(pl_edit_distance(longest + 1, longest + 1), 0);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(each_character),
        TEST(cut_at_each_offset),
        TEST(copy_into_each_size),
        TEST(flatten, .count = PL_COUNT(flats)),
        TEST(format),
        TEST(format_cut_at_each_offset),
        TEST(scrub, .count = PL_COUNT(scrubs)),
        TEST(base64, .count = PL_COUNT(bases)),
        TEST(base64url_refuses),
        TEST(base64url_back),
        TEST(edit_distance),
    };
    return unit_main("text", tests, PL_COUNT(tests));
}
