/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry_after.c - see retry_after.h.
 */
#include "lib/http/retry_after.h"

#include <string.h>

#include "lib/base/time_text.h"

/* Longer than a day is not believed: a person would have noticed by then. */
#define WAIT_MAX_MS (24 * 3600 * INT64_C(1000))

int64_t pl_http_retry_after_ms(const char *value, int64_t now_ms)
{
    if (!value)
        return -1;
    while (*value == ' ' || *value == '\t')
        value++;
    size_t len = strlen(value);
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    if (len == 0)
        return -1;
    int64_t ms = 0;
    if (strspn(value, "0123456789") == len) {
        for (size_t i = 0; i < len && ms < WAIT_MAX_MS; i++)
            ms = ms * 10 + (value[i] - '0');
        ms = ms < WAIT_MAX_MS ? ms * 1000 : WAIT_MAX_MS;
    } else {
        if (!pl_time_parse_http(value, len, &ms))
            return -1;
        ms = ms > now_ms ? ms - now_ms : 0;
    }
    return ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS;
}
