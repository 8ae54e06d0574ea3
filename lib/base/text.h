/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - text from outside on its way into a message, a log line, a terminal or a header:
 * characters, cutting, one line, nothing secret; base64; likeness of names.
 *
 * Text claims to be UTF-8 as in RFC 3629 (no overlong forms, no surrogates, nothing beyond
 * U+10FFFF). It carries its length and may hold NUL bytes, unless it is called a string.
 *
 * Pure; nothing is allocated but what a pl_buf holds. Threads: any.
 */
#ifndef PL_BASE_TEXT_H
#define PL_BASE_TEXT_H

#include <stdarg.h>
#include <sys/types.h>

#include "lib/base/buf.h"

/* ---- characters ---- */

static inline bool pl_utf8_continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The length, 2 to 4, of a character whose first byte is not ASCII (`len` > 0); 0: not well-formed,
 * or longer than `len`. Only the second byte has ranges narrower than 80 to BF (Unicode 3.9). */
static inline size_t pl_utf8_long_char(const char *p, size_t len)
{
    const unsigned char *u = (const unsigned char *)p;
    if (u[0] < 0xe0)
        return u[0] >= 0xc2 && len >= 2 && pl_utf8_continues(p[1]) ? 2 : 0;
    if (u[0] < 0xf0) {
        if (len < 3 || !pl_utf8_continues(p[1]) || !pl_utf8_continues(p[2]))
            return 0;
        return (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ? 0 : 3;
    }
    if (u[0] > 0xf4 || len < 4 || !pl_utf8_continues(p[1]) || !pl_utf8_continues(p[2]) ||
        !pl_utf8_continues(p[3]))
        return 0;
    return (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f) ? 0 : 4;
}

/* The length, 1 to 4, of the first character; 0: not well-formed, or longer than `len`. */
static inline size_t pl_utf8_char(const char *p, size_t len)
{
    if (len == 0)
        return 0;
    return (unsigned char)*p < 0x80 ? 1 : pl_utf8_long_char(p, len);
}

/* Whether the character of n bytes at p acts on a terminal, or ends a line, instead of being shown:
 * C0, DEL, C1 (U+009B begins an escape sequence), the line and paragraph separators, and the marks
 * that change the direction of writing, by which a text can show as another. */
bool pl_text_acts(const char *p, size_t n);

/* ---- cutting, one line ---- */

/* The length of the longest prefix of at most `max` bytes that cuts no character in two. */
size_t pl_text_cut(const char *text, size_t len, size_t max);

/* Makes it one line that cannot act, in place: each byte of a character that acts becomes a space,
 * each that is not UTF-8 '?'. */
void pl_text_flatten(char *text, size_t len);

/* Appends a flattened copy. false: the buffer's maximum; nothing was added. */
bool pl_text_add(struct pl_buf *out, const char *text, size_t len);

/* A flattened copy as a string, cut to what fits into `size` (at least 1). Returns its length. */
size_t pl_text_copy(const char *text, size_t len, char *out, size_t size);

/* snprintf() for a line: flattened; what does not fit into `size` (at least 4) is cut at a
 * character and ends in "...". The arguments must not point into `out`. Returns the length. */
size_t pl_text_format(char *out, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
size_t pl_text_formatv(char *out, size_t size, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* ---- without secrets ---- */

/* How many of its first bytes give a secret away; shorter texts than the least are none. */
#define PL_SECRET_BEGIN 12
#define PL_SECRET_LEAST 4

/* The length of the text before the secret (a string, may be NULL), whose first PL_SECRET_BEGIN
 * bytes are looked for, as they are or escaped as JSON or an address has them: servers repeat what
 * they refuse, often cut. `len`: not found. */
size_t pl_text_before_secret(const char *text, size_t len, const char *secret);

/* pl_text_copy() of the text before the secret, without trailing spaces: a server's text for a
 * message of ours. */
void pl_text_scrub(const char *text, size_t len, const char *secret, char *out, size_t size);

/* ---- base64, RFC 4648 ---- */

/* With padding (section 4). `out` has PL_BASE64_SIZE(len) bytes; no NUL. Returns the length. */
#define PL_BASE64_SIZE(len) (((len) + 2) / 3 * 4)
size_t pl_base64_encode(const void *data, size_t len, char *out);

/* The alphabet for URLs, without padding (section 5; JWTs: RFC 7515, section 2). */
size_t pl_base64url_encode(const void *data, size_t len, char *out);

/* `out` has len * 3 / 4 bytes. Returns the length; -1: pl_base64url_encode() would not write it. */
ssize_t pl_base64url_decode(const char *text, size_t len, void *out);

/* ---- likeness ---- */

/* Levenshtein's distance of two names (strings); upper and lower case, and '-' and '_', are the
 * same. 3 if one is longer than 63 bytes: those are not guessed at. */
unsigned pl_edit_distance(const char *a, const char *b);

#endif
