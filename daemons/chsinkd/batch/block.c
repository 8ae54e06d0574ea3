/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block.c - columns and their memory; printing them for people.
 */
#include "daemons/chsinkd/batch/block.h"

#include <inttypes.h>
#include <math.h>

#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/batch/value_text.h"
#include "lib/json/reader.h"

#define ROWS_CAP_MIN   1024
#define STRING_CAP_MIN 4096

/* `outer` NULL: it is in no other. */
static struct block *columns_block_new(const struct route *route, struct block *outer,
                                       const struct column *columns, unsigned n)
{
    struct block *b = pl_alloc(sizeof(*b));
    b->route = route;
    b->outer = outer ? outer : b;
    b->columns = pl_alloc_array(n, sizeof(*b->columns));
    b->strings = pl_alloc_array(n, sizeof(*b->strings));
    for (unsigned i = 0; i < n; i++) {
        const struct column *column = &columns[i];
        if (column->source == COLUMN_EXPRESSION)
            continue;
        struct block_column *c = &b->columns[b->columns_n++];
        c->column = column;
        c->capacity = &b->capacity;
        c->width = ch_type_width(&column->type);
        c->own_default =
            column->elements_n > 0 || column->type.kind == CH_JSON || column->type.zero != 0;
        b->row_bytes += c->width + column_is_null_sent(column);
        if (column->elements_n > 0) {
            struct block *o = b->outer;
            c->elements = columns_block_new(route, o, column->elements, column->elements_n);
            o->nested = pl_realloc_array(o->nested, o->nested_n + 1, sizeof(*o->nested));
            o->nested[o->nested_n++] = c->elements;
        } else if (c->width == 0) {
            b->strings[b->strings_n++] = c;
        }
    }
    block_rows_grow(b);
    return b;
}

struct block *block_new(const struct route *route)
{
    struct block *b = columns_block_new(route, NULL, route->columns, route->columns_n);
    if (b->nested_n > 0)
        block_mark_set(b, &b->mark);
    return b;
}

void block_free(struct block *b)
{
    if (!b)
        return;
    for (unsigned i = 0; i < b->columns_n; i++) {
        free(b->columns[i].data);
        free(b->columns[i].nulls);
        block_free(b->columns[i].elements);
    }
    free(b->columns);
    free(b->strings);
    free(b->nested);
    free(b->mark.sizes);
    free(b);
}

void block_reset(struct block *b)
{
    b->rows = 0;
    b->string_bytes = b->nested_bytes = 0;
    for (unsigned i = 0; i < b->strings_n; i++)
        b->strings[i]->len = b->strings[i]->end = 0;
    for (unsigned i = 0; i < b->nested_n; i++)
        block_reset(b->nested[i]);
    if (b->nested_n > 0)
        block_mark_set(b, &b->mark);
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
        if (column_is_null_sent(c->column))
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

/* The empty one. A Tuple's elements are null where they can be. */
static void elements_default(const struct block *b, struct block_column *c)
{
    struct block *e = c->elements;
    if (c->width > 0) {
        uint64_t end = e->rows;
        memcpy(block_fixed(b, c), &end, sizeof(end));
        return;
    }
    block_row_open(e);
    for (unsigned i = 0; i < e->columns_n; i++)
        if (e->columns[i].nulls)
            block_set_null(e, &e->columns[i]);
        else
            block_set_default(e, &e->columns[i]);
    block_row_commit(e);
}

/* Where it is not all zeros. */
static void default_of_its_own(const struct block *b, struct block_column *c)
{
    if (c->elements)
        elements_default(b, c);
    else if (c->width == 0)
        block_string_add(b, c, "{}", 2);
    else
        memcpy(block_fixed(b, c), &c->column->type.zero, c->width); /* of up to four bytes */
}

void block_set_default(const struct block *b, struct block_column *c)
{
    if (__builtin_expect(c->own_default, 0))
        default_of_its_own(b, c);
    else if (c->width == 0)
        block_string_add(b, c, "", 0);
    else
        memset(block_fixed(b, c), 0, c->width);
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
    size_t sum = b->capacity;
    for (unsigned i = 0; i < b->nested_n; i++)
        sum += b->nested[i]->capacity;
    return sum;
}

/* --- printing: for people and tests; speed does not matter --- */

/* Where each String column has been read to: the elements of an Array follow each other. */
struct print {
    struct pl_buf *out;
    struct print_place {
        const struct block_column *column;
        uint64_t row;
        const char *at;
    } * places;
    unsigned places_n;
};

static struct print_place *print_place(struct print *print, const struct block_column *c)
{
    for (unsigned i = 0; i < print->places_n; i++)
        if (print->places[i].column == c)
            return &print->places[i];
    print->places = pl_realloc_array(print->places, print->places_n + 1, sizeof(*print->places));
    struct print_place *place = &print->places[print->places_n++];
    *place = (struct print_place){c, 0, c->data};
    return place;
}

/* The string of a row, not before the one asked for last: those between are skipped one by one. */
static struct pl_slice string_at(struct print *print, const struct block_column *c, uint64_t row)
{
    struct print_place *place = print_place(print, c);
    for (;; place->row++) {
        const char *p = place->at;
        uint64_t len = 0;
        for (unsigned shift = 0;; shift += 7) {
            uint8_t byte = (uint8_t)*p++;
            len |= (uint64_t)(byte & 0x7f) << shift;
            if (byte < 0x80)
                break;
        }
        if (place->row == row)
            return (struct pl_slice){p, len};
        place->at = p + len;
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

static void string_print(struct print *print, const struct block_column *c, uint64_t row)
{
    struct pl_slice s = string_at(print, c, row);
    if ((c->column->json || c->column->type.kind == CH_JSON) && s.len > 0)
        pl_buf_add(print->out, s.p, s.len);
    else
        pl_json_quote(print->out, s.p, s.len);
}

static void value_print(struct print *print, const struct block_column *c, uint64_t row);

/* [1,2], {"key":1}, {"name":1} */
static void nested_print(struct print *print, const struct block_column *c, uint64_t row)
{
    const struct ch_type *t = &c->column->type;
    const struct block *e = c->elements;
    bool object = t->kind == CH_MAP || t->part_names;
    uint64_t end = c->width > 0 ? block_elements_start(c, row + 1) : row + 1;
    pl_buf_add_byte(print->out, object ? '{' : '[');
    const char *comma = "";
    for (uint64_t i = block_elements_start(c, row); i < end; i++) {
        for (unsigned k = t->kind == CH_MAP; k < e->columns_n; k++) {
            pl_buf_add_str(print->out, comma);
            comma = ",";
            if (t->kind == CH_MAP)
                value_print(print, &e->columns[0], i);
            else if (object)
                pl_json_quote(print->out, t->part_names[k], strlen(t->part_names[k]));
            if (object)
                pl_buf_add_byte(print->out, ':');
            value_print(print, &e->columns[k], i);
        }
    }
    pl_buf_add_byte(print->out, object ? '}' : ']');
}

static void value_print(struct print *print, const struct block_column *c, uint64_t row)
{
    const struct ch_type *t = &c->column->type;
    struct pl_buf *out = print->out;
    const char *p = c->width > 0 ? c->data + row * c->width : NULL;
    if (c->nulls && c->nulls[row]) {
        pl_buf_add_str(out, "null");
        return;
    }
    switch (t->kind) {
    case CH_ARRAY:
    case CH_MAP:
    case CH_TUPLE:
        nested_print(print, c, row);
        break;
    case CH_STRING:
    case CH_JSON:
        string_print(print, c, row);
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
    struct print print = {.out = out};
    pl_buf_add_byte(out, '{');
    for (unsigned k = 0; k < b->columns_n; k++) {
        const char *name = b->columns[k].column->name;
        if (k > 0)
            pl_buf_add_byte(out, ',');
        pl_json_quote(out, name, strlen(name));
        pl_buf_add_byte(out, ':');
        value_print(&print, &b->columns[k], i);
    }
    free(print.places);
    pl_buf_add_byte(out, '}');
}
