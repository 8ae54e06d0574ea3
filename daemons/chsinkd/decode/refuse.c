/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refuse.c - refusing a row, or the message as a whole.
 */
#include "daemons/chsinkd/decode/internal.h"
#include "daemons/chsinkd/decode/payload.h"

const char too_much_memory[] = "rows of the message are larger than message_memory_max";
static const char not_json[] = "not valid JSON";
static const char second_document[] =
    "a second document begins here; a message is one document, and several rows are an array "
    "(rows: $[*])";

bool refuse(struct rows *r, const char *reason, const char *at, const struct column *c)
{
    if (!r->reject.reason) {
        r->reject.reason = reason;
        r->reject.detail = reason == not_json ? r->j.error : NULL;
        r->reject.offset = at ? (size_t)(at - r->m->value) : 0;
        r->reject.column = c ? c->name : NULL;
    }
    return false;
}

bool refuse_json(struct rows *r)
{
    const char *name = r->j.p - r->m->value < 4 ? payload_name(r->m->value, r->m->value_len) : NULL;
    refuse(r, not_json, r->j.p, NULL);
    if (name)
        r->reject.detail = name;
    return false;
}

bool refuse_rest(struct rows *r)
{
    refuse_json(r);
    if (r->j.p < r->j.end && (*r->j.p == '{' || *r->j.p == '['))
        r->reject.detail = second_document;
    return false;
}

bool refuse_back(struct rows *r, const char *reason, const char *at)
{
    r->reject = (struct rows_reject){0};
    block_rows_truncate(r->block, r->rows_before);
    r->counts = r->counts_before;
    return refuse(r, reason, at, NULL);
}

void refuse_report(struct rows *r, int64_t row)
{
    r->reject.row = row;
    if (row < 0)
        r->counts.rejected_messages++;
    else
        r->counts.rejected_rows++;
    if (r->on_reject)
        r->on_reject(r->userdata, &r->reject);
    r->reject = (struct rows_reject){0};
}
