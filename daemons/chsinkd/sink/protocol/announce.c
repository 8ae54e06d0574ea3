/* SPDX-License-Identifier: Apache-2.0 */
/* announce.c - see announce.h. */
#include "daemons/chsinkd/sink/protocol/announce.h"

#define PROGRAM "chsinkd"

void announcement_text(const struct partition_announcement *a, char *out)
{
    int64_t end = a->end >= 0 ? a->end : a->until;
    if (end <= 0) {
        out[0] = '\0';
        return;
    }
    const struct pl_announcement text = {
        .end = end, .at_ms = a->at_ms, .digest = a->digest, .until = a->until};
    pl_announcement_format(&text, PROGRAM, out);
}

bool announcement_read(const char *text, size_t len, struct partition_announcement *ret)
{
    struct pl_announcement a;
    *ret = (struct partition_announcement){.end = -1};
    if (!text || len == 0)
        return true;
    if (!pl_announcement_parse(text, len, PROGRAM, &a))
        return false;
    *ret = (struct partition_announcement){a.end, a.at_ms, a.digest, a.until};
    return true;
}
