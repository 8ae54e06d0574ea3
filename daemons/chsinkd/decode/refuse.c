/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refuse.c - refusing a row, or the message as a whole.
 */
#include "daemons/chsinkd/decode/internal.h"
#include "daemons/chsinkd/decode/payload.h"
#include "daemons/chsinkd/decode/value.h"

const char empty_value[] = "empty value";
static const char not_json[] = "not valid JSON";
static const char second_document[] =
    "a second document begins here: documents: many takes them one after the other (an array of "
    "rows is rows: $[*])";
static const char not_behind_frame[] =
    "what is behind the frame of a schema registry is no JSON (Avro or Protobuf): its producer "
    "must write JSON";

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
    const char *end = r->m->value + r->m->value_len, *name = NULL;
    refuse(r, not_json, r->j.p, NULL);
    if (r->j.p - r->json < 4)
        name = payload_name(r->json, (size_t)(end - r->json));
    if (!name && r->j.p == r->json && r->route->strip == STRIP_SCHEMA_REGISTRY)
        name = not_behind_frame;
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

void rows_take_back(struct rows *r)
{
    r->reject = (struct rows_reject){0};
    block_rows_truncate(r->block, r->rows_before);
    r->counts = r->counts_before;
    r->whole = true;
}

bool refuse_back(struct rows *r, const char *reason, const char *at)
{
    rows_take_back(r);
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

bool refuse_row(struct rows *r, const char *at)
{
    if (r->reject.reason == value_too_much_memory)
        return refuse_back(r, value_too_much_memory, at);
    r->ranges += r->ranges == 0 || r->place != r->refused + 1;
    if (r->ranges > ROW_SET_RANGES_MAX)
        return refuse_back(r, "too many rows of the message are refused", at);
    refuse_report(r, r->place);
    r->refused = r->place;
    return true;
}
