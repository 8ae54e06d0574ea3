/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.c - ranges, their announcements and tokens.
 */
#include "daemons/chsinkd/sink/batch.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#define ANNOUNCEMENT_PREFIX "chsinkd/1 end="
#define ANNOUNCEMENT_AT     " at="

void announcement_format(const struct announcement *a, char *out)
{
    snprintf(out, ANNOUNCEMENT_MAX, ANNOUNCEMENT_PREFIX "%" PRId64 ANNOUNCEMENT_AT "%" PRId64,
             a->end, a->at_ms);
}

/* A decimal number without sign, at most 18 digits so that it fits. */
static bool digits_parse(const char **p, const char *end, int64_t *ret)
{
    int64_t value = 0;
    int n = 0;

    while (*p < end && isdigit((unsigned char)**p)) {
        if (++n > 18)
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

bool announcement_parse(const char *text, size_t len, struct announcement *ret)
{
    const char *p = text, *end = text ? text + len : NULL;
    struct announcement a;

    if (!text || !text_parse(&p, end, ANNOUNCEMENT_PREFIX) || !digits_parse(&p, end, &a.end) ||
        !text_parse(&p, end, ANNOUNCEMENT_AT) || !digits_parse(&p, end, &a.at_ms) || p != end)
        return false;
    *ret = a;
    return true;
}

bool batch_is_full(const struct batch *b, const struct batch_limits *limits)
{
    return block_rows(b->block) >= limits->rows || b->messages >= limits->messages ||
           block_bytes(b->block) + b->dead.bytes >= limits->bytes;
}

int64_t batch_age_effective(int64_t age_ms, unsigned open, int64_t per_second)
{
    int64_t spread_ms = (int64_t)open * 1000 / per_second;

    return spread_ms > age_ms ? spread_ms : age_ms;
}

const char *batch_token(const struct batch *b, const struct batch_place *place, struct pl_buf *out)
{
    pl_buf_reset(out);
    pl_buf_addf(out, "%s:%s:%" PRId32 ":%" PRId64 ":%" PRId64 ":%" PRId64, place->table,
                place->topic, place->partition, b->start, b->end, place->announced_ms);
    return pl_buf_cstr(out);
}
