/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - see text.h.
 */
#include "lib/base/text.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>

#define CUT_MARK "..."

/* ---- characters ---- */

bool pl_text_acts(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;
    if (n == 1)
        return u[0] < 0x20 || u[0] == 0x7f;
    if (n == 2) /* U+0080 to U+009F; U+061C */
        return (u[0] == 0xc2 && u[1] < 0xa0) || (u[0] == 0xd8 && u[1] == 0x9c);
    if (n != 3 || u[0] != 0xe2)
        return false;
    if (u[1] == 0x80) /* U+200E, U+200F; U+2028 to U+202E */
        return u[2] == 0x8e || u[2] == 0x8f || (u[2] >= 0xa8 && u[2] <= 0xae);
    return u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9; /* U+2066 to U+2069 */
}

/* ---- cutting, one line ---- */

size_t pl_text_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    /* A character that would be cut begins one to three bytes before. */
    for (size_t back = 1; back <= 3 && back <= max; back++)
        if (pl_utf8_char(text + max - back, len - max + back) > back)
            return max - back;
    return max;
}

void pl_text_flatten(char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = pl_utf8_char(text + i, len - i);
        if (n == 0) {
            n = 1;
            text[i] = '?';
        } else if (pl_text_acts(text + i, n)) {
            memset(text + i, ' ', n);
        }
    }
}

bool pl_text_add(struct pl_buf *out, const char *text, size_t len)
{
    size_t before = out->len;
    if (!pl_buf_add(out, text, len))
        return false;
    if (len > 0)
        pl_text_flatten(out->data + before, len);
    return true;
}

size_t pl_text_copy(const char *text, size_t len, char *out, size_t size)
{
    size_t n = pl_text_cut(text, len, size - 1);
    if (n > 0)
        memcpy(out, text, n);
    out[n] = '\0';
    pl_text_flatten(out, n);
    return n;
}

size_t pl_text_formatv(char *out, size_t size, const char *fmt, va_list ap)
{
    assert(size >= sizeof(CUT_MARK));
    int n = vsnprintf(out, size, fmt, ap);
    if (n < 0) /* not to be expected; the format itself still says what it was about */
        n = snprintf(out, size, "%s", fmt);
    size_t len = (size_t)n;
    if (len >= size) {
        len = pl_text_cut(out, size - 1, size - sizeof(CUT_MARK));
        memcpy(out + len, CUT_MARK, sizeof(CUT_MARK));
        len += sizeof(CUT_MARK) - 1;
    }
    pl_text_flatten(out, len);
    return len;
}

size_t pl_text_format(char *out, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t len = pl_text_formatv(out, size, fmt, ap);
    va_end(ap);
    return len;
}

/* ---- without secrets ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* How many bytes of the text stand for `c`: itself, or escaped as JSON (\/, \u003d) or an address
 * (%2F, +) has it; 0: they do not. */
static size_t byte_match(const char *text, size_t len, char c)
{
    static const char unicode[] = "\\u00";
    if (len >= 1 && (text[0] == c || (text[0] == '+' && c == ' ')))
        return text[0] == '\\' && len >= 2 && text[1] == '\\' ? 2 : 1;
    size_t begin = len >= 3 && text[0] == '%'                                    ? 1
                   : len >= 6 && memcmp(text, unicode, sizeof(unicode) - 1) == 0 ? 4
                                                                                 : 0;
    if (begin > 0) {
        int high = hex_digit(text[begin]), low = hex_digit(text[begin + 1]);
        return high >= 0 && low >= 0 && high * 16 + low == (unsigned char)c ? begin + 2 : 0;
    }
    return len >= 2 && text[0] == '\\' && text[1] == c ? 2 : 0;
}

static bool begins_with_secret(const char *text, size_t len, const char *secret, size_t begin)
{
    size_t at = 0, took = 1;
    for (size_t i = 0; i < begin && took > 0; i++) {
        took = byte_match(text + at, len - at, secret[i]);
        at += took;
    }
    return took > 0;
}

size_t pl_text_before_secret(const char *text, size_t len, const char *secret)
{
    size_t begin = secret ? strnlen(secret, PL_SECRET_BEGIN) : 0;
    if (begin < PL_SECRET_LEAST || len == 0)
        return len;
    const char *found = memmem(text, len, secret, begin);
    len = found ? (size_t)(found - text) : len;
    for (size_t at = 0; at < len; at++)
        if (begins_with_secret(text + at, len - at, secret, begin))
            return at;
    return len;
}

void pl_text_scrub(const char *text, size_t len, const char *secret, char *out, size_t size)
{
    len = pl_text_copy(text, pl_text_before_secret(text, len, secret), out, size);
    while (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
}

/* ---- base64 ---- */

#define BASE64_COMMON "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char base64_digits[] = BASE64_COMMON "+/";
static const char base64url_digits[] = BASE64_COMMON "-_";

/* Returns how many digits were written: no padding. */
static size_t digits_write(const char *digits, const unsigned char *p, size_t len, char *out)
{
    char *at = out;
    unsigned bits = 0, n = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | p[i];
        for (n += 8; n >= 6; n -= 6)
            *at++ = digits[bits >> (n - 6) & 63];
    }
    if (n > 0)
        *at++ = digits[bits << (6 - n) & 63];
    return (size_t)(at - out);
}

size_t pl_base64_encode(const void *data, size_t len, char *out)
{
    size_t n = digits_write(base64_digits, data, len, out);
    while (n % 4 != 0)
        out[n++] = '=';
    return n;
}

size_t pl_base64url_encode(const void *data, size_t len, char *out)
{
    return digits_write(base64url_digits, data, len, out);
}

ssize_t pl_base64url_decode(const char *text, size_t len, void *out)
{
    char *at = out;
    unsigned bits = 0, n = 0;
    for (size_t i = 0; i < len; i++) {
        const char *digit = memchr(base64url_digits, text[i], sizeof(base64url_digits) - 1);
        if (!digit)
            return -1;
        bits = bits << 6 | (unsigned)(digit - base64url_digits);
        n += 6;
        if (n >= 8) {
            n -= 8;
            *at++ = (char)(bits >> n);
        }
    }
    /* A digit too many, or bits that belong to no byte. */
    if (n >= 6 || (bits & ((1u << n) - 1)) != 0)
        return -1;
    return at - (char *)out;
}

/* ---- likeness ---- */

#define DISTANCE_LEN_MAX 63

static char letter_fold(char c)
{
    return c == '-' ? '_' : (char)tolower((unsigned char)c);
}

/* One row of the table at a time. */
unsigned pl_edit_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > DISTANCE_LEN_MAX || b_len > DISTANCE_LEN_MAX)
        return 3;
    unsigned row[DISTANCE_LEN_MAX + 1];
    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned best = diagonal + (letter_fold(a[i - 1]) != letter_fold(b[j - 1]));
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_len];
}
