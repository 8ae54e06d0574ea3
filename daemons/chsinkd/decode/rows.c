/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.c - from a message to its rows; a document, which is a row or around rows.
 */
#include "daemons/chsinkd/decode/rows.h"

#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/decode/internal.h"
#include "daemons/chsinkd/decode/payload.h"
#include "daemons/chsinkd/decode/value.h"

const struct rows_counts *rows_counts(const struct rows *r)
{
    return &r->counts;
}

void rows_note_skipped(struct rows *r)
{
    r->notes_skipped = true;
    if (r->filter.condition)
        r->can_once = false; /* what is taken back would be noted, too */
}

bool rows_skipped(struct rows *r, struct row_set *ret_skipped)
{
    bool whole = !r->skipped_lost;
    if (whole)
        *ret_skipped = r->skipped;
    else
        row_set_release(&r->skipped);
    r->skipped = (struct row_set){0};
    r->skipped_lost = false;
    return whole;
}

/* The checks before the walk; puts the reader behind what is before the JSON. */
static bool message_open(struct rows *r)
{
    const struct rows_message *m = r->m;
    size_t at = 0;
    if (!m->value || m->value_len == 0)
        return refuse(r, m->value ? empty_value : "no value (a tombstone)", NULL, NULL);
    if (m->value_len > (uint64_t)r->route->message_bytes_max)
        return refuse(r, "message is larger than message_bytes_max", NULL, NULL);
    if (r->route->strip == STRIP_SCHEMA_REGISTRY) {
        if (!payload_frame(m->value, m->value_len, &r->schema_id))
            return refuse(r, "message is not framed by a schema registry", NULL, NULL);
        at = PAYLOAD_FRAME_LEN;
    }
    at += payload_bom(m->value + at, m->value_len - at);
    pl_json_init(&r->j, m->value + at, m->value_len - at, r->route->depth_max);
    r->json = r->j.start;
    return true;
}

static __attribute__((noinline)) bool document_refuse(struct rows *r, enum pl_json_type type)
{
    bool array = r->message->rows;
    if (type == PL_JSON_NONE && !r->j.error)
        return refuse(r, empty_value, NULL, NULL); /* white space alone */
    if (type == PL_JSON_NONE)
        return refuse_json(r);
    if (r->route->documents_many)
        return refuse(r, array ? "document is not a JSON array" : "document is not a JSON object",
                      r->j.p, NULL);
    return refuse(r, array ? "message is not a JSON array" : "message is not a JSON object", r->j.p,
                  NULL);
}

static bool document_as_row(struct rows *r)
{
    bool tombstone = !r->m->value;
    row_begin(r);
    if (!(tombstone || walk_document(r, r->message)) || !row_end(r))
        return false;
    row_commit(r);
    r->place++;
    return !r->over || refuse_back(r, value_too_much_memory, r->m->value);
}

/* Asks the filter. False: it does not take the document, or refuses it. */
static __attribute__((noinline)) bool document_is_wanted(struct rows *r)
{
    const struct pl_json begin = r->j;
    if (!filter_document(r))
        return false;
    if (r->verdict == VERDICT_FALSE) {
        const struct pl_json end = r->j;
        r->j = begin;
        filter_drop(r, r->element ? document_places(r) : 1);
        r->j = end;
        return false;
    }
    r->j = begin;
    return true;
}

static inline bool document_take(struct rows *r, const struct row_set *only)
{
    if (r->m->value) {
        enum pl_json_type type = pl_json_peek(&r->j);
        if (type != (r->message->rows ? PL_JSON_ARRAY : PL_JSON_OBJECT))
            return document_refuse(r, type);
    }
    if (r->filter.condition && !document_is_wanted(r))
        return !r->reject.reason;
    return r->element ? elements_of_document(r, only) : document_as_row(r);
}

bool document_decode(struct rows *r, const struct row_set *only)
{
    return document_take(r, only);
}

static bool message_decode(struct rows *r, const struct row_set *only)
{
    if (!r->m->value && r->route->tombstones == TOMBSTONES_ROW)
        return document_take(r, NULL);
    if (!message_open(r))
        return false;
    if (!(r->route->documents_many ? documents_decode(r, only) : document_take(r, only)))
        return false;
    bool elements = r->element || r->route->documents_many;
    return !only || !elements || only->ranges[only->n - 1].last < r->place ||
           refuse_back(r, "message has no such element", NULL);
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
    r->place = 0;
    r->ranges = r->only_at = 0;
    r->whole = r->over = false;
    if (!message_decode(r, only && only->n > 0 ? only : NULL))
        refuse_report(r, -1);
    block_row_give_up(block);
    r->m = NULL;
    r->block = NULL;
    return block->rows - r->rows_before;
}
