/* SPDX-License-Identifier: Apache-2.0 */
/* learn.c - see learn.h. */
#include "daemons/chsinkd/decode/learn.h"

#include "daemons/chsinkd/decode/payload.h"

struct learn {
    const struct route *route;
    struct pl_schema *sample;
    unsigned round; /* messages of it so far, */
    size_t bytes;   /* and how long they are */
};

struct learn *learn_new(const struct route *route)
{
    struct learn *l = pl_alloc(sizeof(*l));
    l->route = route;
    l->sample = pl_schema_new();
    return l;
}

void learn_free(struct learn *l)
{
    if (!l)
        return;
    pl_schema_free(l->sample);
    free(l);
}

bool learn_wants(const struct learn *l)
{
    return l->round < LEARN_ROUND_MAX && l->bytes < LEARN_ROUND_BYTES_MAX;
}

/* One after the other, with what may be between them (rows.h). */
static void documents_add(struct learn *l, const char *p, size_t len)
{
    const char *end = p + len, *why;
    struct pl_slice raw;
    for (;;) {
        while (p < end && strchr(" \t\r\n\x1e", *p) && *p)
            p++;
        struct pl_json j;
        pl_json_init(&j, p, (size_t)(end - p), l->route->depth_max);
        if (p == end || !pl_json_skip(&j, &raw))
            return;
        pl_schema_add(l->sample, raw.p, raw.len, &why);
        p = j.p;
    }
}

void learn_message(struct learn *l, const struct rows_message *m, const struct rows_counts *before,
                   const struct rows_counts *after)
{
    const char *p = m->value, *why;
    size_t len = m->value_len,
           at = l->route->strip == STRIP_SCHEMA_REGISTRY ? PAYLOAD_FRAME_LEN : 0;
    if (after->unknown_fields == before->unknown_fields || after->rows == before->rows ||
        after->filtered != before->filtered || after->rejected_rows != before->rejected_rows ||
        !p || len > LEARN_BYTES_MAX || len < at)
        return;
    l->round++;
    l->bytes += len;
    at += payload_bom(p + at, len - at);
    if (l->route->documents_many)
        documents_add(l, p + at, len - at);
    else
        pl_schema_add(l->sample, p + at, len - at, &why);
}

bool learn_has_news(const struct learn *l)
{
    return l->round > 0;
}

const struct pl_schema *learn_sample(const struct learn *l)
{
    return l->sample;
}

void learn_round(struct learn *l)
{
    l->round = 0;
    l->bytes = 0;
    if (l->sample->left_out == 0)
        return;
    pl_schema_free(l->sample);
    l->sample = pl_schema_new();
}
