/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native.h - ClickHouse's Native format read back, for tests: written after the format's
 * description and without a look at block.c, so that the two can disagree.
 *
 * Every byte is accounted for: a block that is too short or too long is refused.
 */
#ifndef TESTS_UNIT_NATIVE_H
#define TESTS_UNIT_NATIVE_H

#include "lib/base/buf.h"

struct native_column {
    struct pl_slice name, type;
    const uint8_t *nulls; /* NULL: not Nullable */
    unsigned width;       /* 0: strings */
    const char *data;     /* width > 0 */
    struct pl_slice *strings;
    /* Array and Map (one: elements; two: keys and values, both with rows of `data`, which are
     * UInt64), Tuple (of each element; `tuple`). */
    struct native_column *parts;
    unsigned parts_n;
    bool tuple;
};

struct native {
    uint64_t rows, columns_n;
    struct native_column *columns;
};

static inline bool native_varint(const char **p, const char *end, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t byte = (uint8_t) * (*p)++;
        *ret |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static inline bool native_bytes(const char **p, const char *end, struct pl_slice *ret)
{
    uint64_t len;
    if (!native_varint(p, end, &len) || len > (uint64_t)(end - *p))
        return false;
    *ret = (struct pl_slice){*p, len};
    *p += len;
    return true;
}

/* A number inside the brackets of a type: Decimal(18, 2) has 18. */
static inline int native_argument(struct pl_slice type)
{
    const char *p = memchr(type.p, '(', type.len);
    int n = 0;
    while (p && ++p < type.p + type.len && *p >= '0' && *p <= '9')
        n = n * 10 + (*p - '0');
    return n;
}

static inline bool native_begins(struct pl_slice type, const char *head)
{
    return type.len > strlen(head) && memcmp(type.p, head, strlen(head)) == 0;
}

static inline int native_width(struct pl_slice type)
{
    static const struct {
        const char *name;
        int width;
    } widths[] = {{"String", 0},   {"JSON", 0},     {"Bool", 1},     {"Int8", 1},    {"UInt8", 1},
                  {"Int16", 2},    {"UInt16", 2},   {"Int32", 4},    {"UInt32", 4},  {"Int64", 8},
                  {"UInt64", 8},   {"Float32", 4},  {"Float64", 8},  {"Date", 2},    {"UUID", 16},
                  {"DateTime", 4}, {"Int128", 16},  {"UInt128", 16}, {"Int256", 32}, {"IPv4", 4},
                  {"IPv6", 16},    {"UInt256", 32}, {"Date32", 4}};
    for (unsigned i = 0; i < PL_COUNT(widths); i++)
        if (pl_slice_eq(type, widths[i].name))
            return widths[i].width;
    if (native_begins(type, "DateTime64("))
        return 8;
    if (native_begins(type, "DateTime("))
        return 4;
    if (native_begins(type, "Enum8("))
        return 1;
    if (native_begins(type, "Enum16("))
        return 2;
    int argument = native_argument(type);
    if (native_begins(type, "Decimal("))
        return argument < 10 ? 4 : argument < 19 ? 8 : argument < 39 ? 16 : 32;
    return native_begins(type, "FixedString(") ? argument : -1;
}

static inline void native_column_release(struct native_column *c)
{
    for (unsigned i = 0; i < c->parts_n; i++)
        native_column_release(&c->parts[i]);
    free(c->parts);
    free(c->strings);
}

static inline void native_release(struct native *n)
{
    for (uint64_t i = 0; i < n->columns_n; i++)
        native_column_release(&n->columns[i]);
    free(n->columns);
    *n = (struct native){0};
}

/* "a, b(c, d)": the first; the rest behind its comma. */
static inline struct pl_slice native_type_next(struct pl_slice *rest)
{
    unsigned depth = 0;
    size_t n = 0;
    bool quoted = false;
    for (; n < rest->len && (quoted || depth > 0 || rest->p[n] != ','); n++) {
        quoted ^= rest->p[n] == '`' || rest->p[n] == '\'';
        depth += !quoted && rest->p[n] == '(';
        depth -= !quoted && rest->p[n] == ')';
    }
    struct pl_slice first = {rest->p, n};
    size_t skip = n + 2 < rest->len ? n + 2 : rest->len;
    *rest = (struct pl_slice){rest->p + skip, rest->len - skip};
    return first;
}

static inline bool native_data_read(struct native_column *c, struct pl_slice type, uint64_t rows,
                                    const char **p, const char *end);

/* An element of a Tuple may have a name before its type. */
static inline struct pl_slice native_name_skip(struct pl_slice type)
{
    bool quoted = type.p[0] == '`';
    for (size_t i = 1; i < type.len; i++) {
        if (quoted && type.p[i] == '`')
            quoted = false;
        else if (!quoted && (type.p[i] == '(' || type.p[i] == ','))
            break;
        else if (!quoted && type.p[i] == ' ')
            return (struct pl_slice){type.p + i + 1, type.len - i - 1};
    }
    return type;
}

/* `inside`: what is between the brackets. */
static inline bool native_parts_read(struct native_column *c, struct pl_slice inside, uint64_t rows,
                                     const char **p, const char *end)
{
    if (!c->tuple) {
        uint64_t last = 0, at;
        if (rows > (uint64_t)(end - *p) / sizeof(at))
            return false;
        c->data = *p;
        *p += rows * sizeof(at);
        for (uint64_t i = 0; i < rows; i++, last = at) {
            memcpy(&at, c->data + i * sizeof(at), sizeof(at));
            if (at < last)
                return false;
        }
        rows = last;
    }
    while (inside.len > 0) {
        struct pl_slice type = native_type_next(&inside);
        c->parts = pl_realloc_array(c->parts, c->parts_n + 1, sizeof(*c->parts));
        struct native_column *part = &c->parts[c->parts_n++];
        *part = (struct native_column){.name = c->name, .type = type};
        if (c->tuple)
            type = native_name_skip(type);
        if (!native_data_read(part, type, rows, p, end))
            return false;
    }
    return true;
}

static inline bool native_data_read(struct native_column *c, struct pl_slice type, uint64_t rows,
                                    const char **p, const char *end)
{
    static const char *const around[] = {"Array(", "Map(", "Tuple("};
    for (unsigned i = 0; i < PL_COUNT(around); i++) {
        size_t n = strlen(around[i]);
        c->tuple = i == 2;
        if (native_begins(type, around[i]))
            return native_parts_read(c, (struct pl_slice){type.p + n, type.len - n - 1}, rows, p,
                                     end);
    }
    c->tuple = false;
    if (type.len > 10 && memcmp(type.p, "Nullable(", 9) == 0) {
        type = (struct pl_slice){type.p + 9, type.len - 10};
        if (rows > (uint64_t)(end - *p))
            return false;
        c->nulls = (const uint8_t *)*p;
        *p += rows;
    }
    int width = native_width(type);
    if (width < 0)
        return false;
    c->width = (unsigned)width;
    if (width > 0) {
        if (rows > (uint64_t)(end - *p) / c->width)
            return false;
        c->data = *p;
        *p += rows * c->width;
        return true;
    }
    c->strings = pl_alloc_array(rows + 1, sizeof(*c->strings));
    for (uint64_t r = 0; r < rows; r++)
        if (!native_bytes(p, end, &c->strings[r]))
            return false;
    return true;
}

static inline bool native_column_read(struct native_column *c, uint64_t rows, const char **p,
                                      const char *end)
{
    static const char as_string[8] = {1};
    if (!native_bytes(p, end, &c->name) || !native_bytes(p, end, &c->type))
        return false;
    for (size_t i = 0; i + 4 <= c->type.len && rows > 0; i++) {
        if (memcmp(c->type.p + i, "JSON", 4) != 0)
            continue;
        if (end - *p < 8 || memcmp(*p, as_string, 8) != 0)
            return false;
        *p += 8;
    }
    return native_data_read(c, c->type, rows, p, end);
}

/* false: not a block; *ret is released then. */
static inline bool native_read(const char *p, size_t len, struct native *ret)
{
    const char *end = p + len;
    uint64_t columns;
    *ret = (struct native){0};
    if (!native_varint(&p, end, &columns) || columns > len || !native_varint(&p, end, &ret->rows))
        return false;
    ret->columns = pl_alloc_array(columns + 1, sizeof(*ret->columns));
    bool ok = true;
    for (uint64_t i = 0; i < columns && ok; i++) {
        ret->columns_n++;
        ok = native_column_read(&ret->columns[i], ret->rows, &p, end);
    }
    if (!ok || p != end) {
        native_release(ret);
        return false;
    }
    return true;
}

#endif
