/* SPDX-License-Identifier: Apache-2.0 */
/*
 * string.c - the text inside JSON strings: unescaping, comparing, quoting; and UTF-8 at large.
 *
 * An escaped string is a row of runs that are copied as they are, with single escapes between
 * them; escape_decode() is the one place that knows what an escape means.
 */
#include "lib/json/internal.h"

#include "lib/json/reader.h"

/* U+FFFD, which stands for bytes that are not UTF-8. */
#define REPLACEMENT "\xEF\xBF\xBD"

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
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* Decodes the escape whose backslash is at p into 1 to 4 bytes of UTF-8. Returns the position
 * behind it; NULL for a lone surrogate, and for what the reader would not have let through. */
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

/* A string of a document is rarely long enough for memchr() to pay between two escapes, but its
 * text may be: the first bytes are looked at one by one. */
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

    /* The escaped text would pass the maximum; what it stands for may be shorter. */
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

/* How many of the bytes at p, which are no well-formed sequence, one U+FFFD stands for: the longest
 * beginning of a well-formed sequence, at least one byte (Unicode 15, section 3.9, U+FFFD
 * Substitution of Maximal Subparts). */
static size_t utf8_bad_length(const char *p, const char *end)
{
    unsigned char lead = (unsigned char)p[0], low = 0x80, high = 0xBF;
    size_t full = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4, n = 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 1;
    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;
    while (n < full && p + n < end && (unsigned char)p[n] >= low && (unsigned char)p[n] <= high) {
        n++;
        low = 0x80;
        high = 0xBF;
    }
    return n;
}

static bool quote_add_control(struct pl_buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char from[] = "\b\f\n\r\t", to[] = "bfnrt";
    const char *at = memchr(from, c, sizeof(from) - 1);
    if (at)
        return pl_buf_add(out, (char[]){'\\', to[at - from]}, 2);
    return pl_buf_add(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

/* The byte at *p is not plain. Passes it, or the character that it begins. */
static bool quote_add_special(struct pl_buf *out, const char **p, const char *end)
{
    unsigned char c = (unsigned char)**p;
    const char *begin = *p;
    if (c < 0x20) {
        *p += 1;
        return quote_add_control(out, c);
    }
    if (c < 0x80) {
        *p += 1;
        return pl_buf_add(out, (char[]){'\\', (char)c}, 2);
    }
    size_t n = pl_utf8_long_char(begin, (size_t)(end - begin));
    if (n > 0) {
        *p += n;
        return pl_buf_add(out, begin, n);
    }
    *p += utf8_bad_length(begin, end);
    return pl_buf_add(out, REPLACEMENT, sizeof(REPLACEMENT) - 1);
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
