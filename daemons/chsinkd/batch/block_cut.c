/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block_cut.c - rows out of a block: the open one, the last ones, or some.
 */
#include <assert.h>

#include "daemons/chsinkd/batch/column.h"

/* ---- rows by number ---- */

/* The bytes of the first n strings from `p`. */
static size_t strings_len(const char *p, uint64_t n)
{
    const char *start = p;
    for (; n > 0; n--) {
        uint64_t len = 0;
        unsigned shift = 0;
        uint8_t byte;
        do {
            byte = (uint8_t)*p++;
            len |= (uint64_t)(byte & 0x7f) << shift;
            shift += 7;
        } while (byte >= 0x80);
        p += len;
    }
    return (size_t)(p - start);
}

static void string_truncate(struct block *b, struct block_column *c, size_t len)
{
    b->string_bytes -= c->len - len;
    c->len = c->end = len;
}

static void rows_truncate(struct block *b, uint64_t rows)
{
    if (rows >= b->rows)
        return;
    for (unsigned i = 0; i < b->strings_n; i++)
        string_truncate(b, b->strings[i], strings_len(b->strings[i]->data, rows));
    for (unsigned i = 0; i < b->columns_n; i++)
        if (b->columns[i].elements)
            rows_truncate(b->columns[i].elements, block_elements_start(&b->columns[i], rows));
    b->rows = rows;
}

void block_rows_truncate(struct block *b, uint64_t rows)
{
    block_row_give_up(b);
    rows_truncate(b, rows);
    block_nested_commit(b);
}

static void rows_split(struct block *b, uint64_t row, struct block *rest);

/* The ends of the rows from `row` on, and the elements. */
static void elements_split(struct block *b, struct block_column *from, uint64_t row,
                           struct block_column *to)
{
    uint64_t first = block_elements_start(from, row);
    rows_split(from->elements, first, to->elements);
    for (uint64_t i = row; from->width > 0 && i < b->rows; i++) {
        uint64_t end = block_elements_start(from, i + 1) - first;
        memcpy(to->data + (i - row) * sizeof(end), &end, sizeof(end));
    }
}

static void rows_split(struct block *b, uint64_t row, struct block *rest)
{
    uint64_t n = b->rows - row;
    assert(rest->rows == 0 && rest->route == b->route);
    while (rest->rows_cap < n)
        block_rows_grow(rest);
    for (unsigned i = 0; i < b->columns_n; i++) {
        struct block_column *from = &b->columns[i], *to = &rest->columns[i];
        if (from->nulls)
            memcpy(to->nulls, from->nulls + row, n);
        if (from->elements) {
            elements_split(b, from, row, to);
            continue;
        }
        if (from->width > 0) {
            memcpy(to->data, from->data + row * from->width, n * from->width);
            continue;
        }
        size_t at = strings_len(from->data, row), len = from->len - at;
        if (len == 0)
            continue;
        if (to->cap < len)
            block_string_grow(to, len);
        memcpy(to->data, from->data + at, len);
        to->len = to->end = len;
        rest->string_bytes += len;
        string_truncate(b, from, at);
    }
    rest->rows = n;
    b->rows = row;
}

void block_split(struct block *b, uint64_t row, struct block *rest)
{
    block_row_give_up(b);
    rows_split(b, row, rest);
    block_nested_commit(b);
    block_nested_commit(rest);
}

static bool bit_is_set(const uint64_t *bits, uint64_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static void rows_drop(struct block *b, const uint64_t *bits);

/* A row's elements go with it. */
static void elements_drop(struct block *b, struct block_column *c, const uint64_t *bits)
{
    if (c->width == 0) {
        rows_drop(c->elements, bits);
        return;
    }
    PL_FREE uint64_t *inside = pl_alloc_array(c->elements->rows / 64 + 1, sizeof(*inside));
    uint64_t left = 0, left_end = 0, start = 0;
    for (uint64_t i = 0; i < b->rows; i++) {
        uint64_t end = block_elements_start(c, i + 1);
        if (bit_is_set(bits, i)) {
            for (uint64_t k = start; k < end; k++)
                inside[k / 64] |= UINT64_C(1) << (k % 64);
        } else {
            left_end += end - start;
            memcpy(c->data + left++ * sizeof(left_end), &left_end, sizeof(left_end));
        }
        start = end;
    }
    rows_drop(c->elements, inside);
}

/* Moves the values of a column together. */
static void column_drop(struct block *b, struct block_column *c, const uint64_t *bits)
{
    if (c->elements) {
        elements_drop(b, c, bits);
        return;
    }
    uint64_t left = 0;
    size_t at = 0, end = 0; /* where reading and writing is */
    for (uint64_t i = 0; i < b->rows; i++) {
        size_t len = c->width > 0 ? c->width : strings_len(c->data + at, 1);
        if (!bit_is_set(bits, i)) {
            memmove(c->data + end, c->data + at, len);
            end += len;
            if (c->nulls)
                c->nulls[left] = c->nulls[i];
            left++;
        }
        at += len;
    }
    if (c->width == 0)
        string_truncate(b, c, end);
}

static void rows_drop(struct block *b, const uint64_t *bits)
{
    uint64_t left = 0;
    for (uint64_t i = 0; i < b->rows; i++)
        left += !bit_is_set(bits, i);
    for (unsigned i = 0; i < b->columns_n; i++)
        column_drop(b, &b->columns[i], bits);
    b->rows = left;
}

void block_rows_drop(struct block *b, const uint64_t *bits)
{
    block_row_give_up(b);
    rows_drop(b, bits);
    block_nested_commit(b);
}

/* ---- the open row, and marks ---- */

static size_t *sizes_get(const struct block *b, size_t *to)
{
    *to++ = b->rows;
    *to++ = b->string_bytes;
    for (unsigned i = 0; i < b->strings_n; i++)
        *to++ = b->strings[i]->len;
    return to;
}

static const size_t *sizes_set(struct block *b, const size_t *from)
{
    b->rows = *from++;
    b->string_bytes = *from++;
    for (unsigned i = 0; i < b->strings_n; i++)
        b->strings[i]->len = b->strings[i]->end = *from++;
    return from;
}

static void nested_bytes_count(struct block *b)
{
    b->nested_bytes = 0;
    for (unsigned i = 0; i < b->nested_n; i++)
        b->nested_bytes += block_data_bytes(b->nested[i]);
}

void block_mark_set(struct block *b, struct block_mark *m)
{
    size_t n = 2 + b->strings_n;
    for (unsigned i = 0; i < b->nested_n; i++)
        n += 2 + b->nested[i]->strings_n;
    if (n > m->n)
        m->sizes = pl_realloc_array(m->sizes, m->n = n, sizeof(*m->sizes));
    size_t *to = sizes_get(b, m->sizes);
    for (unsigned i = 0; i < b->nested_n; i++)
        to = sizes_get(b->nested[i], to);
}

void block_cut(struct block *b, const struct block_mark *m)
{
    const size_t *from = sizes_set(b, m->sizes);
    for (unsigned i = 0; i < b->nested_n; i++)
        from = sizes_set(b->nested[i], from);
    nested_bytes_count(b);
    if (b->nested_n > 0 && m != &b->mark)
        block_mark_set(b, &b->mark);
}

void block_row_give_up(struct block *b)
{
    if (b->nested_n == 0)
        return;
    const size_t *from = b->mark.sizes + 2 + b->strings_n;
    for (unsigned i = 0; i < b->nested_n; i++)
        from = sizes_set(b->nested[i], from);
    b->unknown_fields = b->parts = 0;
}

void block_nested_commit(struct block *b)
{
    if (b->nested_n == 0)
        return;
    nested_bytes_count(b);
    block_mark_set(b, &b->mark);
}
