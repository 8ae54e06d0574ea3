/* SPDX-License-Identifier: Apache-2.0 */
/*
 * string.c - the text inside JSON strings: unescaping, comparing, quoting; and UTF-8.
 */
#include "lib/json/internal.h"

#include "lib/json/reader.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code unit of the \uXXXX at p, or -1. */
static int32_t unit_decode(const char *p, const char *end)
{
    int32_t unit = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (unsigned i = 2; i < 6; i++) {
        int digit = hex_value(p[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static size_t utf8_encode(uint32_t c, char out[static 4])
{
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)(lead[n] | c);
    return n;
}

/* Decodes the escape whose backslash is at p into 1 to 4 bytes of UTF-8. Returns the position after
 * it; NULL for a lone surrogate, and for what the reader would have refused. */
static const char *escape_decode(const char *p, const char *end, char out[static 4],
                                 size_t *ret_len)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (end - p < 2)
        return NULL;
    if (p[1] != 'u') {
        const char *at = memchr(from, p[1], sizeof(from) - 1);
        if (!at)
            return NULL;
        out[0] = to[at - from];
        *ret_len = 1;
        return p + 2;
    }
    int32_t unit = unit_decode(p, end);
    if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
        return NULL;
    p += 6;
    uint32_t c = (uint32_t)unit;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        int32_t low = unit_decode(p, end);
        if (low < 0xDC00 || low > 0xDFFF)
            return NULL;
        c = 0x10000 + ((uint32_t)(unit - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
        p += 6;
    }
    *ret_len = utf8_encode(c, out);
    return p;
}

/* Two escapes are rarely far enough apart for memchr() to pay: the first bytes are looked at one by
 * one. */
static const char *backslash_find(const char *p, const char *end)
{
    const char *near = end - p > 8 ? p + 8 : end;
    for (; p < near; p++) {
        if (*p == '\\')
            return p;
    }
    const char *at = p < end ? memchr(p, '\\', (size_t)(end - p)) : NULL;
    return at ? at : end;
}

ssize_t pl_json_unescape(const struct pl_json_str *str, char *out)
{
    const char *p = str->p, *end = str->p + str->len;
    char *o = out;
    if (str->len == 0)
        return 0;
    if (!str->escaped) {
        memcpy(out, p, str->len);
        return (ssize_t)str->len;
    }
    while (p < end) {
        const char *run_end = backslash_find(p, end);
        memcpy(o, p, (size_t)(run_end - p));
        o += run_end - p;
        p = run_end;
        if (p == end)
            break;
        char bytes[4];
        size_t n;
        p = escape_decode(p, end, bytes, &n);
        if (!p)
            return -1;
        memcpy(o, bytes, n);
        o += n;
    }
    return o - out;
}

bool pl_json_unescape_buf(const struct pl_json_str *str, struct pl_buf *out)
{
    size_t len = out->len;
    if (!str->escaped)
        return pl_buf_add(out, str->p, str->len);
    if (pl_buf_reserve(out, str->len)) {
        ssize_t n = pl_json_unescape(str, out->data + len);
        if (n < 0)
            return false;
        out->len += (size_t)n;
        return true;
    }

    /* The escaped text would pass the maximum; the unescaped one may be shorter. */
    char *text = pl_alloc_array(str->len, 1);
    ssize_t n = pl_json_unescape(str, text);
    bool added = n >= 0 && pl_buf_add(out, text, (size_t)n);
    free(text);
    return added;
}

bool pl_json_str_eq_escaped(const struct pl_json_str *str, const char *s)
{
    const char *p = str->p, *end = str->p + str->len;
    size_t left = strlen(s);
    while (p < end) {
        char bytes[4] = {*p};
        size_t n = 1;
        p = *p == '\\' ? escape_decode(p, end, bytes, &n) : p + 1;
        if (!p || n > left || memcmp(s, bytes, n) != 0)
            return false;
        s += n;
        left -= n;
    }
    return left == 0;
}

/* How many bytes at p, where no character is well-formed, become one U+FFFD: the longest beginning
 * of a character, at least one byte (Unicode 15, section 3.9, U+FFFD Substitution of Maximal
 * Subparts). From the third byte on all continuations are alike. */
static size_t utf8_bad_length(const char *p, const char *end)
{
    for (size_t n = end - p < 3 ? (size_t)(end - p) : 3; n > 1; n--) {
        char completed[4] = {'\x80', '\x80', '\x80', '\x80'};
        memcpy(completed, p, n);
        if (pl_utf8_long_char(completed, sizeof(completed)) > n)
            return n;
    }
    return 1;
}

/* The byte at *p is not plain. Passes it, or the character that it begins. */
static bool quote_add_special(struct pl_buf *out, const char **p, const char *end)
{
    static const char from[] = "\b\f\n\r\t", to[] = "bfnrt";
    const char *begin = *p;
    unsigned char c = (unsigned char)*begin;
    if (c >= 0x20 && c < 0x80) {
        *p += 1;
        return pl_buf_add(out, (char[]){'\\', *begin}, 2);
    }
    if (c < 0x20) {
        *p += 1;
        const char *at = memchr(from, c, sizeof(from) - 1);
        return at ? pl_buf_add(out, (char[]){'\\', to[at - from]}, 2)
                  : pl_buf_addf(out, "\\u%04x", c);
    }
    size_t n = pl_utf8_long_char(begin, (size_t)(end - begin));
    *p += n > 0 ? n : utf8_bad_length(begin, end);
    return n > 0 ? pl_buf_add(out, begin, n) : pl_buf_add_str(out, "\uFFFD");
}

bool pl_json_quote(struct pl_buf *out, const char *data, size_t len)
{
    const char *p = data, *end = len > 0 ? data + len : data;
    size_t len_before = out->len;
    bool fits = pl_buf_add_byte(out, '"');
    while (fits && p < end) {
        const char *run = p;
        p = json_plain_skip(data, p, end);
        fits = pl_buf_add(out, run, (size_t)(p - run));
        if (fits && p < end)
            fits = quote_add_special(out, &p, end);
    }
    if (!fits || !pl_buf_add_byte(out, '"')) {
        out->len = len_before;
        return false;
    }
    return true;
}

bool pl_utf8_valid(const char *data, size_t len)
{
    const char *p = data, *end = len > 0 ? data + len : data, *bad;
    while ((p = json_ascii_skip(p, end)) != end) {
        p = json_utf8_pass(p, end, &bad);
        if (!p)
            return false;
    }
    return true;
}
