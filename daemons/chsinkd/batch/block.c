/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block.c - columns and their memory; printing them for people.
 */
#include "daemons/chsinkd/batch/block.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/batch/value_text.h"
#include "lib/json/reader.h"

#define ROWS_CAP_MIN   1024
#define STRING_CAP_MIN 4096

struct block *block_new(const struct route *route)
{
    struct block *b = pl_alloc(sizeof(*b));
    b->route = route;
    b->columns = pl_alloc_array(route->columns_n, sizeof(*b->columns));
    b->strings = pl_alloc_array(route->columns_n, sizeof(*b->strings));
    for (unsigned i = 0; i < route->columns_n; i++) {
        const struct column *column = &route->columns[i];
        if (column->source == COLUMN_EXPRESSION)
            continue;
        struct block_column *c = &b->columns[b->columns_n++];
        c->column = column;
        c->capacity = &b->capacity;
        c->width = ch_type_width(&column->type);
        if (c->width == 0)
            b->strings[b->strings_n++] = c;
        b->row_bytes += c->width + column->type.nullable;
    }
    block_rows_grow(b);
    return b;
}

void block_free(struct block *b)
{
    if (!b)
        return;
    for (unsigned i = 0; i < b->columns_n; i++) {
        free(b->columns[i].data);
        free(b->columns[i].nulls);
    }
    free(b->columns);
    free(b->strings);
    free(b);
}

void block_reset(struct block *b)
{
    b->rows = 0;
    b->string_bytes = 0;
    for (unsigned i = 0; i < b->strings_n; i++)
        b->strings[i]->len = b->strings[i]->end = 0;
}

void block_rows_grow(struct block *b)
{
    uint64_t cap = b->rows_cap ? b->rows_cap * 2 : ROWS_CAP_MIN;
    for (unsigned i = 0; i < b->columns_n; i++) {
        struct block_column *c = &b->columns[i];
        if (c->width > 0) {
            c->data = pl_realloc_array(c->data, cap, c->width);
            c->cap = cap * c->width;
        }
        if (c->column->type.nullable)
            c->nulls = pl_realloc_array(c->nulls, cap, 1);
    }
    b->capacity += (cap - b->rows_cap) * b->row_bytes;
    b->rows_cap = cap;
}

/* Kept out of line: the hot path only asks whether there is room. */
void block_string_grow(struct block_column *c, size_t extra)
{
    size_t cap = c->cap < STRING_CAP_MIN ? STRING_CAP_MIN : c->cap + c->cap / 2;
    if (cap < c->len + extra)
        cap = c->len + extra;
    c->data = pl_realloc_array(c->data, cap, 1);
    *c->capacity += cap - c->cap;
    c->cap = cap;
}

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

void block_rows_truncate(struct block *b, uint64_t rows)
{
    if (rows >= b->rows)
        return;
    for (unsigned i = 0; i < b->strings_n; i++)
        string_truncate(b, b->strings[i], strings_len(b->strings[i]->data, rows));
    b->rows = rows;
}

void block_split(struct block *b, uint64_t row, struct block *rest)
{
    uint64_t n = b->rows - row;
    assert(rest->rows == 0 && rest->route == b->route);
    while (rest->rows_cap < n)
        block_rows_grow(rest);
    for (unsigned i = 0; i < b->columns_n; i++) {
        struct block_column *from = &b->columns[i], *to = &rest->columns[i];
        if (from->nulls)
            memcpy(to->nulls, from->nulls + row, n);
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

static bool bit_is_set(const uint64_t *bits, uint64_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

/* Moves the values of a column together. */
static void column_drop(struct block *b, struct block_column *c, const uint64_t *bits)
{
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

void block_rows_drop(struct block *b, const uint64_t *bits)
{
    uint64_t left = 0;
    for (uint64_t i = 0; i < b->rows; i++)
        left += !bit_is_set(bits, i);
    for (unsigned i = 0; i < b->columns_n; i++)
        column_drop(b, &b->columns[i], bits);
    b->rows = left;
}

void block_set_default(const struct block *b, struct block_column *c)
{
    if (c->width == 0) {
        block_string_add(b, c, "", 0);
        return;
    }
    char *at = block_fixed(b, c);
    const int32_t *zero = &c->column->type.zero;
    if (*zero != 0)
        memcpy(at, zero, c->width); /* of up to four bytes */
    else
        memset(at, 0, c->width);
}

void block_set_null(const struct block *b, struct block_column *c)
{
    block_set_default(b, c);
    c->nulls[b->rows] = 1;
}

uint64_t block_rows(const struct block *b)
{
    return b->rows;
}

size_t block_bytes(const struct block *b)
{
    return block_data_bytes(b);
}

size_t block_capacity(const struct block *b)
{
    return b->capacity;
}

/* --- printing: for people and tests; speed does not matter --- */

/* The string of a row: those before it are skipped one by one. */
static struct pl_slice string_at(const struct block_column *c, uint64_t row)
{
    const char *p = c->data;
    for (;; row--) {
        uint64_t len = 0;
        for (unsigned shift = 0;; shift += 7) {
            uint8_t byte = (uint8_t)*p++;
            len |= (uint64_t)(byte & 0x7f) << shift;
            if (byte < 0x80)
                break;
        }
        if (row == 0)
            return (struct pl_slice){p, len};
        p += len;
    }
}

static uint64_t unsigned_at(const char *p, unsigned width)
{
    uint64_t v = 0;
    memcpy(&v, p, width);
    return v;
}

static int64_t signed_at(const char *p, unsigned width)
{
    unsigned shift = 64 - 8 * width; /* the sign goes to the top and back */
    return (int64_t)(unsigned_at(p, width) << shift) >> shift;
}

enum { DATE_LEN = 10, TIME_LEN_MAX = 32 };

static void time_print(int64_t value, unsigned scale, int len_max, struct pl_buf *out)
{
    char text[TIME_LEN_MAX];
    pl_time_format(value, scale, text);
    pl_buf_addf(out, "\"%.*s\"", len_max, text);
}

static void uuid_print(const char *p, struct pl_buf *out)
{
    uint64_t high = unsigned_at(p, 8), low = unsigned_at(p + 8, 8);
    pl_buf_addf(out, "\"%08x-%04x-%04x-%04x-%012" PRIx64 "\"", (unsigned)(high >> 32),
                (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
                low & 0xffffffffffff);
}

static void float_print(double v, int digits, struct pl_buf *out)
{
    /* Enough digits to tell the value from its neighbours; the daemons set no locale. */
    if (isfinite(v))
        pl_buf_addf(out, "%.*g", digits, v);
    else
        pl_buf_add_str(out, "null");
}

static void number_print(const struct block_column *c, const char *p, struct pl_buf *out)
{
    const struct ch_type *t = &c->column->type;
    float f32;
    double f64;
    if (t->kind == CH_FLOAT32) {
        memcpy(&f32, p, sizeof(f32));
        float_print((double)f32, 9, out);
    } else if (t->kind == CH_FLOAT64) {
        memcpy(&f64, p, sizeof(f64));
        float_print(f64, 17, out);
    } else if (t->kind >= CH_INT8 && t->kind <= CH_INT64) {
        pl_buf_addf(out, "%" PRId64, signed_at(p, c->width));
    } else if (t->kind >= CH_UINT8 && t->kind <= CH_UINT64) {
        pl_buf_addf(out, "%" PRIu64, unsigned_at(p, c->width));
    } else {
        value_number_text(t, p, out);
    }
}

static void name_print(const struct ch_type *t, const char *p, struct pl_buf *out)
{
    char text[VALUE_NAME_SIZE];
    struct pl_slice name = value_name_text(t, p, text);
    pl_json_quote(out, name.p, name.len);
}

static void string_print(const struct block_column *c, uint64_t row, struct pl_buf *out)
{
    struct pl_slice s = string_at(c, row);
    if (c->column->json && s.len > 0)
        pl_buf_add(out, s.p, s.len);
    else
        pl_json_quote(out, s.p, s.len);
}

static void value_print(const struct block_column *c, uint64_t row, struct pl_buf *out)
{
    const struct ch_type *t = &c->column->type;
    const char *p = c->data + row * c->width;
    if (c->nulls && c->nulls[row]) {
        pl_buf_add_str(out, "null");
        return;
    }
    switch (t->kind) {
    case CH_STRING:
        string_print(c, row, out);
        break;
    case CH_FIXED_STRING:
        pl_json_quote(out, p, c->width);
        break;
    case CH_BOOL:
        pl_buf_add_str(out, *p ? "true" : "false");
        break;
    case CH_INT8:
    case CH_INT16:
    case CH_INT32:
    case CH_INT64:
    case CH_INT128:
    case CH_INT256:
    case CH_UINT8:
    case CH_UINT16:
    case CH_UINT32:
    case CH_UINT64:
    case CH_UINT128:
    case CH_UINT256:
    case CH_FLOAT32:
    case CH_FLOAT64:
    case CH_DECIMAL:
        number_print(c, p, out);
        break;
    case CH_DATE:
        time_print((int64_t)unsigned_at(p, 2) * 86400, 0, DATE_LEN, out);
        break;
    case CH_DATE32:
        time_print(signed_at(p, 4) * 86400, 0, DATE_LEN, out);
        break;
    case CH_DATETIME:
        time_print((int64_t)unsigned_at(p, 4), 0, TIME_LEN_MAX, out);
        break;
    case CH_DATETIME64:
        time_print(signed_at(p, 8), t->scale, TIME_LEN_MAX, out);
        break;
    case CH_UUID:
        uuid_print(p, out);
        break;
    case CH_ENUM8:
    case CH_ENUM16:
    case CH_IPV4:
    case CH_IPV6:
        name_print(t, p, out);
        break;
    case CH_OTHER: /* not in a block */
        break;
    }
}

void block_print_row(const struct block *b, uint64_t i, struct pl_buf *out)
{
    pl_buf_add_byte(out, '{');
    for (unsigned k = 0; k < b->columns_n; k++) {
        const char *name = b->columns[k].column->name;
        if (k > 0)
            pl_buf_add_byte(out, ',');
        pl_json_quote(out, name, strlen(name));
        pl_buf_add_byte(out, ':');
        value_print(&b->columns[k], i, out);
    }
    pl_buf_add_byte(out, '}');
}
