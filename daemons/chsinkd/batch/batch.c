/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.c - see batch.h.
 */
#include "daemons/chsinkd/batch/batch.h"

#include <assert.h>

#define MESSAGES_CAP_MIN 64

struct batch *batch_new(struct block *block, int64_t start)
{
    struct batch *b = pl_alloc(sizeof(*b));
    assert(block_rows(block) == 0);
    b->block = block;
    b->start = b->end = start;
    return b;
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    dead_letters_release(&b->dead);
    whole_release(&b->whole);
    block_free(b->block);
    free(b->messages);
    free(b);
}

struct block *batch_block_take(struct batch *b)
{
    return PL_TAKE(b->block);
}

static void message_push(struct batch *b, const struct batch_message *m)
{
    if (b->messages_n == b->messages_cap) {
        b->messages_cap = b->messages_cap > 0 ? b->messages_cap * 2 : MESSAGES_CAP_MIN;
        b->messages = pl_realloc_array(b->messages, b->messages_cap, sizeof(*b->messages));
    }
    b->messages[b->messages_n++] = *m;
    b->messages_rows += m->rows;
}

void batch_message_add(struct batch *b, int64_t offset, enum batch_fate fate)
{
    uint64_t rows = block_rows(b->block) - b->messages_rows;
    assert(offset >= b->end && rows <= UINT32_MAX && (fate == BATCH_ROWS || rows == 0));
    message_push(b, &(struct batch_message){offset, (uint32_t)rows, (uint8_t)fate, false});
    b->end = offset + 1;
}

bool batch_is_full(const struct batch *b, const struct batch_limits *limits)
{
    return block_rows(b->block) >= limits->rows || b->dead.bytes >= limits->dead_bytes ||
           block_bytes(b->block) + whole_bytes(&b->whole) + b->dead.bytes >= limits->bytes;
}

size_t batch_memory(const struct batch *b)
{
    return (b->block ? block_capacity(b->block) : 0) + whole_memory(&b->whole) + b->dead.bytes +
           b->messages_cap * sizeof(*b->messages);
}

size_t batch_messages_with_rows(const struct batch *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->messages_n; i++)
        n += b->messages[i].rows > 0;
    return n;
}

struct batch_counts batch_counts(const struct batch *b)
{
    struct batch_counts n = {
        .messages = b->messages_n, .rows = b->messages_rows, .dead_letters = b->dead.count};
    for (size_t i = 0; i < b->messages_n; i++) {
        n.delivered += b->messages[i].fate == BATCH_ROWS;
        n.dead += b->messages[i].fate == BATCH_DEAD;
        n.skipped += b->messages[i].fate == BATCH_SKIPPED;
    }
    return n;
}

struct batch *batch_split(struct batch *b, struct block *spare)
{
    size_t half = batch_messages_with_rows(b) / 2, at = 0;
    uint64_t rows = 0;
    assert(half > 0);
    /* The message with rows that has `half` such before it. */
    for (size_t seen = 0; seen < half || b->messages[at].rows == 0; at++) {
        seen += b->messages[at].rows > 0;
        rows += b->messages[at].rows;
    }
    int64_t middle = b->messages[at].offset;
    struct batch *second = batch_new(spare, middle);
    for (size_t i = at; i < b->messages_n; i++)
        message_push(second, &b->messages[i]);
    second->end = b->end;
    second->opened_ms = b->opened_ms;
    second->newest_ms = b->newest_ms;
    second->last_ms = b->last_ms;
    b->last_ms = -1;
    second->recovered = b->recovered;
    second->value_bytes = b->value_bytes / b->messages_n * second->messages_n;
    block_split(b->block, rows, spare);
    dead_letters_split(&b->dead, middle, &second->dead);
    whole_split(&b->whole, middle, &second->whole);
    b->value_bytes -= second->value_bytes;
    b->messages_n = at;
    b->messages_rows = rows;
    b->end = middle;
    return second;
}

int64_t batch_bury(struct batch *b)
{
    struct batch_message *m = b->messages;
    assert(batch_messages_with_rows(b) == 1);
    while (m->rows == 0)
        m++;
    m->rows = 0;
    m->fate = BATCH_DEAD;
    b->messages_rows = 0;
    block_reset(b->block);
    return m->offset;
}

void batch_letter_drop(struct batch *b, size_t i)
{
    struct batch_message *m = &b->messages[i];
    dead_letters_remove(&b->dead, m->offset);
    if (m->fate == BATCH_DEAD) {
        m->fate = BATCH_ROWS;
        m->there = true;
    }
}

void batch_rows_drop(struct batch *b, const uint64_t *there_bits)
{
    uint64_t row = 0;
    for (size_t i = 0; i < b->messages_n; i++) {
        struct batch_message *m = &b->messages[i];
        uint32_t left = 0;
        for (uint64_t end = row + m->rows; row < end; row++)
            left += !(there_bits[row / 64] >> (row % 64) & 1);
        m->there |= m->rows > 0 && left == 0;
        m->rows = left;
    }
    block_rows_drop(b->block, there_bits);
    b->messages_rows = block_rows(b->block);
}
