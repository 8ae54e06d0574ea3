/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.c - from a message to its rows: the checks before the walk, a message that is a row, and
 * which way a route takes.
 */
#include "daemons/chsinkd/decode/rows.h"

#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/decode/internal.h"
#include "daemons/chsinkd/decode/payload.h"

static const char empty_value[] = "empty value";
static const char tombstone[] = "no value (a tombstone)";

const struct rows_counts *rows_counts(const struct rows *r)
{
    return &r->counts;
}

/* The checks before the walk. */
static bool message_check(struct rows *r)
{
    const struct rows_message *m = r->m;
    if (!m->value || m->value_len == 0)
        return refuse(r, m->value ? empty_value : tombstone, NULL, NULL);
    if (m->value_len > (uint64_t)r->route->message_bytes_max)
        return refuse(r, "message is larger than message_bytes_max", NULL, NULL);
    size_t bom = payload_bom(m->value, m->value_len);
    pl_json_init(&r->j, m->value + bom, m->value_len - bom, r->route->depth_max);
    enum pl_json_type type = pl_json_peek(&r->j),
                      wanted = r->message->rows ? PL_JSON_ARRAY : PL_JSON_OBJECT;
    if (type == wanted)
        return true;
    if (type == PL_JSON_NONE && !r->j.error)
        return refuse(r, empty_value, NULL, NULL); /* white space alone */
    if (type != PL_JSON_NONE)
        return refuse(r,
                      wanted == PL_JSON_ARRAY ? "message is not a JSON array"
                                              : "message is not a JSON object",
                      r->j.p, NULL);
    return refuse_json(r);
}

static bool message_as_row(struct rows *r)
{
    row_begin(r);
    if ((r->m->value && !walk_message(r)) || !row_end(r)) /* no value: a tombstone that is a row */
        return false;
    row_commit(r);
    return !r->over || refuse_back(r, too_much_memory, r->m->value);
}

uint64_t rows_decode(struct rows *r, const struct rows_message *m, const struct row_set *only,
                     struct block *block,
                     void (*on_reject)(void *userdata, const struct rows_reject *), void *userdata)
{
    r->m = m;
    r->block = block;
    r->on_reject = on_reject;
    r->userdata = userdata;
    r->counts.messages++;
    r->counts_before = r->counts;
    r->rows_before = block->rows;
    r->bytes_max = block_data_bytes(block) + (size_t)r->route->message_memory_max;
    r->unknown_message = 0;
    if (only && only->n == 0)
        only = NULL;
    bool row = !m->value && r->route->tombstones == TOMBSTONES_ROW;
    if (!(row || message_check(r)) ||
        !(r->element ? elements_of_message(r, only) : message_as_row(r)))
        refuse_report(r, -1);
    r->m = NULL;
    r->block = NULL;
    return block->rows - r->rows_before;
}
