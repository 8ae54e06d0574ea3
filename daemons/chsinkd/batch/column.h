/* SPDX-License-Identifier: Apache-2.0 */
/*
 * column.h - the inside of a `struct block`: writing values into its columns. For the decoder, the
 * block and tests; others use block.h.
 *
 * The row after the last one is *open*. A column's value for the open row is written after the
 * committed ones and counts only when block_row_commit() moves the ends of all columns at once; a
 * row that is given up is simply overwritten. So refusing a row costs nothing and leaves nothing.
 *
 *     fixed width   data[row * width], little-endian                           nulls[row]
 *     String        data[0..len) committed, data[len..end) the open row's:
 *                   for each row a varint length (LEB128) and the bytes
 *     UUID          two UInt64, the high half first
 *     Decimal       the value times 10^scale, in 4, 8, 16 or 32 bytes
 *     Enum          the name's number
 *     IPv4          the address as a UInt32; IPv6: its bytes as they are sent (RFC 4291)
 *     FixedString   its bytes, and NUL behind a shorter one
 *     nulls         a byte a row, 1: null (its value is there as well, the type's zero)
 *     JSON          as String
 *     Array, Map    fixed width: a UInt64, where the row's elements end among all elements of the
 *                   column. These are rows of a block of their own, with one column, or two for
 *                   keys and values
 *     Tuple         no data: its elements are the columns of a block of its own, a row each
 *
 * The elements of the open row are committed rows of those blocks already. block_row_open() cuts
 * them back, by the sizes that they had when the last row was committed.
 *
 * Fixed columns and nulls are vectors as most outputs take them. Strings have their length before
 * them because ClickHouse wants them so, and its body is written from here without a copy
 * (clickhouse/native.h); for another output one pass over the lengths gives the places.
 *
 * Little-endian machines only (checked when compiled).
 */
#ifndef CHSINKD_BATCH_COLUMN_H
#define CHSINKD_BATCH_COLUMN_H

#include "daemons/chsinkd/batch/block.h"
#include "lib/base/time_text.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are kept as they are sent");

#define BLOCK_VARINT_MAX 10

struct block_column {
    char *data;
    size_t cap;
    size_t len, end;  /* String: see above */
    uint8_t *nulls;   /* Nullable: 1 is null; else NULL */
    unsigned width;   /* bytes a value; 0: String, or Tuple */
    bool own_default; /* the type's is not all zeros */
    const struct column *column;
    struct pl_time_memo memo; /* times */
    size_t *capacity;         /* the block's */
    struct block *elements;   /* Array, Map, Tuple: see above; else NULL */
};

/* How much a block has, those inside it too: to cut it back. Zeroed: none. */
struct block_mark {
    size_t *sizes;
    size_t n;
};

struct block {
    const struct route *route;
    struct block_column *columns; /* those with values, in the route's order */
    unsigned columns_n;
    struct block_column **strings; /* those of width 0 that are no Tuples */
    unsigned strings_n;
    uint64_t rows, rows_cap;
    size_t string_bytes; /* committed, of all String columns */
    size_t row_bytes;    /* of a row's fixed part, null bytes included */
    size_t capacity;     /* of all columns' memory */
    size_t nested_bytes; /* committed, of all blocks inside */
    /* The blocks of elements: those of this block's columns, then the ones inside each; none in
     * blocks that are inside another. */
    struct block **nested;
    unsigned nested_n;
    struct block *outer;    /* the one that is in no other; itself */
    struct block_mark mark; /* nested_n > 0: when the last row was committed */
    /* Of the open row: fields that no Tuple had, and rows of the blocks inside. */
    uint64_t unknown_fields, parts;
};

/* Of the committed rows; see block_bytes(). */
static inline size_t block_data_bytes(const struct block *b)
{
    return b->string_bytes + b->nested_bytes + b->rows * b->row_bytes;
}

/* Takes back the elements of the open row, which is given up. Nothing to do without containers. */
void block_row_give_up(struct block *b);
void block_nested_commit(struct block *b); /* a part of block_row_commit() */

/* The committed rows as they are, and back to that. A mark is freed by its owner. */
void block_mark_set(struct block *b, struct block_mark *m);
void block_cut(struct block *b, const struct block_mark *m);

/* A column of it is a container. */
static inline bool block_is_nested(const struct block *b)
{
    return b->outer->nested_n > 0;
}

/* Of a container: the rows that are `row`'s elements begin here. */
static inline uint64_t block_elements_start(const struct block_column *c, uint64_t row)
{
    uint64_t start = row;
    if (c->width > 0) {
        if (row == 0)
            return 0;
        memcpy(&start, c->data + (row - 1) * sizeof(start), sizeof(start));
    }
    return start;
}

/* Before the first value of a row: room in the columns of fixed width. */
void block_rows_grow(struct block *b);
static inline void block_row_open(struct block *b)
{
    if (b->rows == b->rows_cap)
        block_rows_grow(b);
    if (__builtin_expect(b->nested_n > 0, 0))
        block_row_give_up(b);
}
void block_string_grow(struct block_column *c, size_t extra);

static inline char *block_fixed(const struct block *b, struct block_column *c)
{
    if (c->nulls)
        c->nulls[b->rows] = 0;
    return c->data + b->rows * c->width;
}

static inline unsigned block_varint(char *out, uint64_t v)
{
    unsigned n = 0;
    for (; v >= 0x80; v >>= 7)
        out[n++] = (char)(v | 0x80);
    out[n++] = (char)v;
    return n;
}

/* Of a whole number; returns its length. */
static inline size_t block_varint_read(const char *p, size_t *ret)
{
    size_t v = 0, n = 0;
    unsigned shift = 0;
    do {
        v |= (size_t)((uint8_t)p[n] & 0x7f) << shift;
        shift += 7;
    } while ((uint8_t)p[n++] >= 0x80);
    *ret = v;
    return n;
}

/* Room for a string of up to `len` bytes in the open row: write it there, then call _end. */
static inline char *block_string_begin(const struct block *b, struct block_column *c, size_t len)
{
    if (c->cap - c->len < len + BLOCK_VARINT_MAX)
        block_string_grow(c, len + BLOCK_VARINT_MAX);
    if (c->nulls)
        c->nulls[b->rows] = 0;
    return c->data + c->len + (len < 0x80 ? 1 : len < 0x4000 ? 2 : BLOCK_VARINT_MAX);
}

/* `at`: what _begin returned. Puts the varint before the bytes, which move if it has another length
 * than was expected. */
static inline void block_string_end(struct block_column *c, char *at, size_t len)
{
    char *start = c->data + c->len;
    unsigned n = block_varint(start, len);
    if (start + n != at)
        memmove(start + n, at, len);
    c->end = c->len + n + len;
}

static inline void block_string_add(const struct block *b, struct block_column *c, const char *p,
                                    size_t len)
{
    if (c->cap - c->len < len + BLOCK_VARINT_MAX)
        block_string_grow(c, len + BLOCK_VARINT_MAX);
    if (c->nulls)
        c->nulls[b->rows] = 0;
    char *start = c->data + c->len;
    unsigned n = 1;
    if (len < 0x80)
        *start = (char)len;
    else
        n = block_varint(start, len);
    if (len > 0)
        memcpy(start + n, p, len);
    c->end = c->len + n + len;
}

/* The type's zero: 0, "", 1970, [], {}; of a Date32 1900, of an Enum the name with the least
 * number; in a Tuple null where an element can be. */
void block_set_default(const struct block *b, struct block_column *c);
void block_set_null(const struct block *b, struct block_column *c);

/* Every column has its value: the open row becomes one of the block's. */
static inline void block_row_commit(struct block *b)
{
    for (unsigned i = 0; i < b->strings_n; i++) {
        struct block_column *c = b->strings[i];
        b->string_bytes += c->end - c->len;
        c->len = c->end;
    }
    b->rows++;
    if (__builtin_expect(b->nested_n > 0, 0))
        block_nested_commit(b);
}

#endif
