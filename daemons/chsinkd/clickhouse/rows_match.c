/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_match.c - see rows_match.h.
 */
#include "daemons/chsinkd/clickhouse/rows_match.h"

#include <stdlib.h>

#include "daemons/chsinkd/batch/column.h"

/* More pairs of rows than this are not compared value by value. */
#define PAIRS_MAX 1000000

/* ---- RowBinary ---- */

/* A varint's length, and the number; 0: it is not whole. */
static size_t varint_read(const char *p, size_t len, uint64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < len && i < BLOCK_VARINT_MAX; i++) {
        v |= (uint64_t)((uint8_t)p[i] & 0x7f) << (7 * i);
        if (!(p[i] & 0x80)) {
            *ret = v;
            return i + 1;
        }
    }
    return 0;
}

bool row_column_compared(const struct column *c)
{
    return c->source != COLUMN_EXPRESSION && !ch_type_has_json(&c->type) && !c->ephemeral &&
           c->missing != MISSING_TABLE && !c->not_compared;
}

static bool compared(const struct block *b, unsigned i)
{
    return row_column_compared(b->columns[i].column);
}

/* Array and Map: the number of elements, and these; Tuple: its elements. No row is 0 bytes long. */
static size_t elements_len(const struct block_column *c, const char *p, size_t len)
{
    uint64_t n = 1;
    size_t at = c->width > 0 ? varint_read(p, len, &n) : 0;
    if (c->width > 0 && at == 0)
        return 0;
    for (; n > 0; n--) {
        size_t row = row_binary_len(c->elements, p + at, len - at);
        if (row == 0)
            return 0;
        at += row;
    }
    return at;
}

/* The length of a column's value without its null byte; 0: it is not whole. */
static size_t value_len(const struct block_column *c, const char *p, size_t len)
{
    if (c->elements)
        return elements_len(c, p, len);
    if (c->width > 0)
        return c->width <= len ? c->width : 0;
    uint64_t string;
    size_t n = varint_read(p, len, &string);
    return n > 0 && string <= len - n ? n + string : 0;
}

static size_t nullable_len(const struct block_column *c, const char *p, size_t len)
{
    if (!c->nulls)
        return value_len(c, p, len);
    if (len == 0)
        return 0;
    if (p[0] == 1)
        return 1;
    size_t n = value_len(c, p + 1, len - 1);
    return n > 0 ? 1 + n : 0;
}

size_t row_binary_len(const struct block *b, const char *p, size_t len)
{
    size_t at = 0;
    for (unsigned i = 0; i < b->columns_n; i++) {
        if (!compared(b, i))
            continue;
        size_t n = nullable_len(&b->columns[i], p + at, len - at);
        if (n == 0)
            return 0;
        at += n;
    }
    return at;
}

struct pl_slice row_binary_value(const struct block *b, struct pl_slice row, unsigned i)
{
    size_t at = 0;
    for (unsigned k = 0; k < i; k++)
        at += !compared(b, k) ? 0 : nullable_len(&b->columns[k], row.p + at, row.len - at);
    size_t len = nullable_len(&b->columns[i], row.p + at, row.len - at);
    size_t head = b->columns[i].nulls ? 1 : 0;
    return (struct pl_slice){row.p + at + head, len - head};
}

/* ---- walking ---- */

void row_walk_init(struct row_walk *w, const struct block *b)
{
    *w = (struct row_walk){.block = b, .at = pl_alloc_array(b->columns_n, sizeof(*w->at))};
    if (block_is_nested(b))
        w->elements = pl_alloc_array(b->columns_n, sizeof(*w->elements));
    for (unsigned i = 0; i < b->columns_n; i++) {
        w->at[i] = b->columns[i].data;
        if (b->columns[i].elements)
            row_walk_init(&w->elements[i], b->columns[i].elements);
    }
}

void row_walk_release(struct row_walk *w)
{
    for (unsigned i = 0; w->elements && i < w->block->columns_n; i++)
        row_walk_release(&w->elements[i]);
    free(w->elements);
    free(w->at);
    *w = (struct row_walk){0};
}

/* A block's own values are whole. */
static size_t walk_len(const struct row_walk *w, unsigned i)
{
    const struct block_column *c = &w->block->columns[i];
    return value_len(c, w->at[i], SIZE_MAX);
}

void row_walk_to(struct row_walk *w, uint64_t row)
{
    for (unsigned i = 0; i < w->block->columns_n; i++) {
        const struct block_column *c = &w->block->columns[i];
        if (c->elements)
            row_walk_to(&w->elements[i], block_elements_start(c, row));
        else if (c->width > 0)
            w->at[i] = c->data + row * c->width;
        else
            for (uint64_t r = w->row; r < row; r++)
                w->at[i] += walk_len(w, i);
    }
    w->row = row;
}

/* Of the container in column i. */
static void elements_add(struct row_walk *w, unsigned i, struct pl_buf *out)
{
    const struct block_column *c = &w->block->columns[i];
    uint64_t n = 1;
    if (c->width > 0) {
        char varint[BLOCK_VARINT_MAX];
        n = block_elements_start(c, w->row + 1) - block_elements_start(c, w->row);
        pl_buf_add(out, varint, block_varint(varint, n));
    }
    for (; n > 0; n--)
        row_walk_add(&w->elements[i], out);
}

void row_walk_add(struct row_walk *w, struct pl_buf *out)
{
    for (unsigned i = 0; i < w->block->columns_n; i++) {
        const struct block_column *c = &w->block->columns[i];
        if (!compared(w->block, i))
            continue;
        if (c->elements) {
            elements_add(w, i, out);
            continue;
        }
        size_t len = walk_len(w, i);
        bool null = c->nulls && c->nulls[w->row];
        if (c->nulls)
            pl_buf_add_byte(out, null ? 1 : 0);
        if (!null)
            pl_buf_add(out, w->at[i], len);
        w->at[i] += len;
    }
    w->row++;
}

/* ---- matching ---- */

static int rows_compare(const struct pl_slice *a, const struct pl_slice *b)
{
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return a->len > 0 ? memcmp(a->p, b->p, a->len) : 0;
}

static int order_compare(const void *a, const void *b, void *rows)
{
    const struct pl_slice *v = rows;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    int order = rows_compare(&v[i], &v[k]);
    return order != 0 ? order : i < k ? -1 : i > k;
}

static size_t *order_new(const struct pl_slice *rows, size_t n)
{
    size_t *order = pl_alloc_array(n ? n : 1, sizeof(*order));
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    qsort_r(order, n, sizeof(*order), order_compare, (void *)rows);
    return order;
}

/* How many columns have the same value. */
static unsigned rows_likeness(const struct block *b, struct pl_slice a, struct pl_slice c)
{
    unsigned equal = 0;
    for (unsigned i = 0; i < b->columns_n; i++) {
        if (!compared(b, i))
            continue;
        size_t n = nullable_len(&b->columns[i], a.p, a.len);
        size_t m = nullable_len(&b->columns[i], c.p, c.len);
        equal += n == m && memcmp(a.p, c.p, n) == 0;
        a = (struct pl_slice){a.p + n, a.len - n};
        c = (struct pl_slice){c.p + m, c.len - m};
    }
    return equal;
}

struct bags {
    const struct block *block;
    const struct pl_slice *ours, *theirs;
    size_t ours_n, theirs_n;
    bool *there;  /* of ours */
    size_t *left; /* of theirs: those without an equal */
    size_t left_n;
};

static void bags_match_equal(struct bags *m)
{
    PL_FREE size_t *ours = order_new(m->ours, m->ours_n);
    PL_FREE size_t *theirs = order_new(m->theirs, m->theirs_n);
    size_t i = 0;
    for (size_t k = 0; k < m->theirs_n; k++) {
        int order = 1;
        while (i < m->ours_n &&
               (order = rows_compare(&m->ours[ours[i]], &m->theirs[theirs[k]])) < 0)
            i++;
        if (i < m->ours_n && order == 0)
            m->there[ours[i++]] = true;
        else
            m->left[m->left_n++] = theirs[k];
    }
}

static void bags_match_alike(struct bags *m)
{
    bool compare = m->left_n * m->ours_n <= PAIRS_MAX;
    for (size_t k = 0; k < m->left_n; k++) {
        size_t best = m->ours_n;
        unsigned most = 0;
        for (size_t i = 0; i < m->ours_n && (compare || best == m->ours_n); i++) {
            if (m->there[i])
                continue;
            unsigned equal =
                compare ? rows_likeness(m->block, m->ours[i], m->theirs[m->left[k]]) : 0;
            if (best == m->ours_n || equal > most) {
                best = i;
                most = equal;
            }
        }
        if (best < m->ours_n)
            m->there[best] = true;
    }
}

void rows_match(const struct block *b, const struct pl_slice *ours, size_t ours_n,
                const struct pl_slice *theirs, size_t theirs_n, bool *ret_there)
{
    PL_FREE size_t *left = pl_alloc_array(theirs_n ? theirs_n : 1, sizeof(*left));
    struct bags m = {b, ours, theirs, ours_n, theirs_n, ret_there, left, 0};
    memset(ret_there, 0, ours_n * sizeof(*ret_there));
    bags_match_equal(&m);
    bags_match_alike(&m);
}

bool rows_match_any(const struct pl_slice *ours, size_t ours_n, const struct pl_slice *theirs,
                    size_t theirs_n)
{
    PL_FREE size_t *mine = order_new(ours, ours_n);
    PL_FREE size_t *their = order_new(theirs, theirs_n);
    for (size_t i = 0, k = 0; i < ours_n && k < theirs_n;) {
        int order = rows_compare(&ours[mine[i]], &theirs[their[k]]);
        if (order == 0)
            return true;
        if (order < 0)
            i++;
        else
            k++;
    }
    return false;
}

/* Rows in their order; a run is those that are equal to each other. */
struct sorted_rows {
    const struct pl_slice *rows;
    size_t *order, n, at;
};

static struct sorted_rows sorted_new(const struct pl_slice *rows, size_t n)
{
    return (struct sorted_rows){rows, order_new(rows, n), n, 0};
}

static void sorted_release(struct sorted_rows *s)
{
    free(s->order);
}

static const struct pl_slice *sorted_row(const struct sorted_rows *s, size_t i)
{
    return &s->rows[s->order[i]];
}

/* Moves behind the run of rows that are equal to this one; returns where it began. */
static size_t sorted_skip(struct sorted_rows *s, const struct pl_slice *row)
{
    while (s->at < s->n && rows_compare(sorted_row(s, s->at), row) < 0)
        s->at++;
    size_t start = s->at;
    while (s->at < s->n && rows_compare(sorted_row(s, s->at), row) == 0)
        s->at++;
    return start;
}

/* Of the run from `start` on: how many the letter with the most has. */
static size_t letter_most(const struct sorted_rows *s, size_t start, const size_t *letters)
{
    size_t most = 0;
    for (size_t i = start, first = start; i < s->at; i++) {
        if (letters[s->order[i]] != letters[s->order[first]])
            first = i;
        if (i - first + 1 > most)
            most = i - first + 1;
    }
    return most;
}

void rows_match_letters(const struct letter_rows *ours, const struct letter_rows *whole,
                        const struct pl_slice *theirs, size_t theirs_n, uint64_t there_max,
                        bool *ret_there)
{
    PL_CLEANUP(sorted_release) struct sorted_rows mine = sorted_new(ours->rows, ours->n);
    PL_CLEANUP(sorted_release) struct sorted_rows all = sorted_new(whole->rows, whole->n);
    PL_CLEANUP(sorted_release) struct sorted_rows their = sorted_new(theirs, theirs_n);
    while (mine.at < mine.n) {
        const struct pl_slice *row = sorted_row(&mine, mine.at);
        size_t start = sorted_skip(&mine, row), has = sorted_skip(&their, row);
        has = their.at - has;
        size_t most = letter_most(&mine, start, ours->letters);
        size_t wanted = letter_most(&all, sorted_skip(&all, row), whole->letters);
        wanted = wanted > most ? wanted : most;
        size_t left = wanted > has ? wanted - has : 0, n = mine.at - start;
        left = left < n ? left : n;
        uint64_t there = most > left ? most - left : 0;
        if (there > there_max) {
            left += there - there_max;
            there = there_max;
        }
        there_max -= there;
        for (size_t i = 0; i < n; i++)
            ret_there[mine.order[start + i]] = i >= left;
    }
}
