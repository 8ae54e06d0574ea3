/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8.h - one character of UTF-8 at a time, for those who print text from outside: log lines and
 * metric labels. RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
 *
 * Pure, no allocation, async-signal-safe.
 */
#ifndef PL_BASE_UTF8_H
#define PL_BASE_UTF8_H

#include <stddef.h>

/* The length (1 to 4) of the well-formed character that `p` begins with, or 0 when there is none
 * within `len` bytes. The table is Unicode's 3-7: only the second byte has narrower ranges. */
static inline size_t pl_utf8_char(const char *p, size_t len)
{
    const unsigned char *u = (const unsigned char *)p;
    unsigned char low = 0x80, high = 0xbf;
    size_t n, i;

    if (len == 0)
        return 0;
    if (u[0] < 0x80)
        return 1;
    if (u[0] < 0xc2 || u[0] > 0xf4)
        return 0;
    n = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    if (n > len)
        return 0;
    if (u[0] == 0xe0)
        low = 0xa0;
    else if (u[0] == 0xed)
        high = 0x9f;
    else if (u[0] == 0xf0)
        low = 0x90;
    else if (u[0] == 0xf4)
        high = 0x8f;
    if (u[1] < low || u[1] > high)
        return 0;
    for (i = 2; i < n; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

#endif
