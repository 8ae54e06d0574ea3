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
    size_t len, end; /* String: see above */
    uint8_t *nulls;  /* Nullable: 1 is null; else NULL */
    unsigned width;  /* bytes a value; 0: String */
    const struct column *column;
    struct pl_time_memo memo; /* times */
    size_t *capacity;         /* the block's */
};

struct block {
    const struct route *route;
    struct block_column *columns; /* those with values, in the route's order */
    unsigned columns_n;
    struct block_column **strings; /* those of width 0 */
    unsigned strings_n;
    uint64_t rows, rows_cap;
    size_t string_bytes; /* committed, of all String columns */
    size_t row_bytes;    /* of a row's fixed part, null bytes included */
    size_t capacity;     /* of all columns' memory */
};

/* Of the committed rows; see block_bytes(). */
static inline size_t block_data_bytes(const struct block *b)
{
    return b->string_bytes + b->rows * b->row_bytes;
}

/* Before the first value of a row: room in the columns of fixed width. */
void block_rows_grow(struct block *b);
static inline void block_row_open(struct block *b)
{
    if (b->rows == b->rows_cap)
        block_rows_grow(b);
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

/* The type's zero: 0, "", 1970; of a Date32 1900, of an Enum the name with the least number. */
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
}

#endif
