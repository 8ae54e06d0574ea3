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

#define END_WORD   " end="
#define AT_WORD    " at="
#define DIGITS_MAX 18 /* what fits into an int64_t whatever the digits are */

_Static_assert(PL_ANNOUNCEMENT_MAX >= PL_ANNOUNCEMENT_FORMAT_MAX + sizeof(END_WORD) +
                                          sizeof(AT_WORD) + 2 * sizeof("-9223372036854775808"),
               "any two numbers must fit");

void pl_announcement_format(const struct pl_announcement *a, const char *format, char *out)
{
    assert(strlen(format) <= PL_ANNOUNCEMENT_FORMAT_MAX);
    snprintf(out, PL_ANNOUNCEMENT_MAX, "%s" END_WORD "%" PRId64 AT_WORD "%" PRId64, format, a->end,
             a->at_ms);
}

/* A decimal number without sign. */
static bool digits_parse(const char **p, const char *end, int64_t *ret)
{
    int64_t value = 0;
    int n = 0;
    while (*p < end && isdigit((unsigned char)**p)) {
        if (++n > DIGITS_MAX)
            return false;
        value = value * 10 + (*(*p)++ - '0');
    }
    *ret = value;
    return n > 0;
}

static bool text_parse(const char **p, const char *end, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(end - *p) < len || memcmp(*p, text, len) != 0)
        return false;
    *p += len;
    return true;
}

bool pl_announcement_parse(const char *text, size_t len, const char *format,
                           struct pl_announcement *ret)
{
    const char *p = text, *end = text ? text + len : NULL;
    struct pl_announcement a;
    if (!text || !text_parse(&p, end, format) || !text_parse(&p, end, END_WORD) ||
        !digits_parse(&p, end, &a.end) || !text_parse(&p, end, AT_WORD) ||
        !digits_parse(&p, end, &a.at_ms) || p != end)
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
