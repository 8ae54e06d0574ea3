/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what reader.c and string.c share: scanning plain text and checking UTF-8.
 *
 * Of most text only the end matters, so it is searched sixteen bytes at a time for the first byte
 * that is not plain. A block that would pass the end of the input is loaded so that it ends there,
 * and what is before `p` is shifted out: no read is out of bounds, and there is no slow tail.
 */
#ifndef PL_JSON_INTERNAL_H
#define PL_JSON_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/text.h"

/* PL_JSON_PORTABLE: without SSE2, to test that code on a machine that has it. */
#if defined(__SSE2__) && !defined(PL_JSON_PORTABLE)
#define PL_JSON_SSE2 1
#include <emmintrin.h>
#else
#define PL_JSON_SSE2 0
#endif

static inline bool json_byte_is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

#if PL_JSON_SSE2

/* A bit for each of the 16 bytes that is a quote, a backslash, a control character or not ASCII
 * (the comparison is signed: bytes from 0x80 on are negative). */
static inline unsigned json_block_specials(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, slash)));
}

/* The first byte of [p, end) that is not plain, or `end`. The input begins at `start` <= p. */
static inline const char *json_plain_skip(const char *start, const char *p, const char *end)
{
    while (end - p >= 16) {
        unsigned specials = json_block_specials(p);
        if (specials != 0)
            return p + __builtin_ctz(specials);
        p += 16;
    }
    if (end - start >= 16) {
        unsigned specials = json_block_specials(end - 16) >> (16 - (end - p));
        return specials != 0 ? p + __builtin_ctz(specials) : end;
    }
    while (p < end && json_byte_is_plain((unsigned char)*p))
        p++;
    return p;
}

/* The first byte that is not ASCII, or `end`. */
static inline const char *json_ascii_skip(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned high =
            (unsigned)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)p));
        if (high != 0)
            return p + __builtin_ctz(high);
    }
    while (p < end && !(*p & 0x80))
        p++;
    return p;
}

#else /* eight bytes at a time in an integer register, whatever its byte order */

#define JSON_EACH_BYTE(x) (UINT64_C(0x0101010101010101) * (x))

static inline uint64_t json_word_load(const char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return w;
}

/* Not zero exactly when a byte is below n; n <= 128. */
static inline uint64_t json_word_has_less(uint64_t w, unsigned n)
{
    return (w - JSON_EACH_BYTE(n)) & ~w & JSON_EACH_BYTE(0x80);
}

static inline const char *json_plain_skip(const char *start, const char *p, const char *end)
{
    (void)start;
    for (; end - p >= 8; p += 8) {
        uint64_t w = json_word_load(p);
        if ((w & JSON_EACH_BYTE(0x80)) || json_word_has_less(w, 0x20) ||
            json_word_has_less(w ^ JSON_EACH_BYTE('"'), 1) ||
            json_word_has_less(w ^ JSON_EACH_BYTE('\\'), 1))
            break;
    }
    while (p < end && json_byte_is_plain((unsigned char)*p))
        p++;
    return p;
}

static inline const char *json_ascii_skip(const char *p, const char *end)
{
    while (end - p >= 8 && !(json_word_load(p) & JSON_EACH_BYTE(0x80)))
        p += 8;
    while (p < end && !(*p & 0x80))
        p++;
    return p;
}

#endif

/* Passes characters that are not ASCII. Returns the first ASCII byte or `end`; NULL when a sequence
 * is not well-formed, at *ret_bad. */
static inline const char *json_utf8_pass(const char *p, const char *end, const char **ret_bad)
{
    do {
        size_t n = pl_utf8_long_char(p, (size_t)(end - p));
        if (n == 0) {
            *ret_bad = p;
            return NULL;
        }
        p += n;
    } while (p < end && (*p & 0x80));
    return p;
}

#endif
