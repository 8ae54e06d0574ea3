/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range.c - see range.h.
 */
#include "lib/batch/range.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VERSION_1   "/1"
#define VERSION_2   "/2"
#define END_WORD    " end="
#define AT_WORD     " at="
#define DIGEST_WORD " digest="
#define UNTIL_WORD  " until="
#define DIGITS_MAX  18 /* what fits into an int64_t whatever the digits are */
#define HEX_DIGITS  16

_Static_assert(PL_ANNOUNCEMENT_MAX >=
                   PL_ANNOUNCEMENT_PROGRAM_MAX +
                       sizeof(VERSION_2 END_WORD AT_WORD DIGEST_WORD UNTIL_WORD) +
                       3 * sizeof("-9223372036854775808") + HEX_DIGITS,
               "any numbers must fit");

void pl_announcement_format(const struct pl_announcement *a, const char *program, char *out)
{
    assert(strlen(program) <= PL_ANNOUNCEMENT_PROGRAM_MAX);
    snprintf(out, PL_ANNOUNCEMENT_MAX,
             "%s" VERSION_2 END_WORD "%" PRId64 AT_WORD "%" PRId64 DIGEST_WORD
             "%016" PRIx64 UNTIL_WORD "%" PRId64,
             program, a->end, a->at_ms, a->digest, a->until);
}

/* A decimal number without sign and leading zeros. */
static bool digits_parse(const char **p, const char *end, int64_t *ret)
{
    int64_t value = 0;
    int n = 0;
    while (*p < end && isdigit((unsigned char)**p)) {
        if (++n > DIGITS_MAX || (n == 2 && value == 0))
            return false;
        value = value * 10 + (*(*p)++ - '0');
    }
    *ret = value;
    return n > 0;
}

/* Sixteen lower-case hexadecimal digits. */
static bool hex_parse(const char **p, const char *end, uint64_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t value = 0;
    if (end - *p < HEX_DIGITS)
        return false;
    for (int i = 0; i < HEX_DIGITS; i++) {
        const char *digit = memchr(digits, *(*p)++, HEX_DIGITS);
        if (!digit)
            return false;
        value = value << 4 | (uint64_t)(digit - digits);
    }
    *ret = value;
    return true;
}

static bool text_parse(const char **p, const char *end, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(end - *p) < len || memcmp(*p, text, len) != 0)
        return false;
    *p += len;
    return true;
}

bool pl_announcement_parse(const char *text, size_t len, const char *program,
                           struct pl_announcement *ret)
{
    const char *p = text, *end = text ? text + len : NULL;
    struct pl_announcement a = {0};
    if (!text || !text_parse(&p, end, program))
        return false;
    bool has_digest = text_parse(&p, end, VERSION_2);
    if ((!has_digest && !text_parse(&p, end, VERSION_1)) || !text_parse(&p, end, END_WORD) ||
        !digits_parse(&p, end, &a.end) || !text_parse(&p, end, AT_WORD) ||
        !digits_parse(&p, end, &a.at_ms))
        return false;
    if (has_digest && (!text_parse(&p, end, DIGEST_WORD) || !hex_parse(&p, end, &a.digest) ||
                       !text_parse(&p, end, UNTIL_WORD) || !digits_parse(&p, end, &a.until)))
        return false;
    if (p != end)
        return false;
    *ret = a;
    return true;
}

const char *pl_range_token(const struct pl_range *r, const char *target, struct pl_buf *out)
{
    pl_buf_reset(out);
    pl_buf_addf(out, "%s:%s:%" PRId32 ":%" PRId64 ":%" PRId64 ":%" PRId64, target, r->topic,
                r->partition, r->start, r->end, r->announced_ms);
    return pl_buf_cstr(out);
}
