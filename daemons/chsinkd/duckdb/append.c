/* SPDX-License-Identifier: Apache-2.0 */
/*
 * append.c - see append.h. How values lie in a block says batch/column.h.
 */
#include "daemons/chsinkd/duckdb/append.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/batch/value_text.h"
#include "daemons/chsinkd/duckdb/database.h"
#include "lib/json/reader.h"

#define DUCKDB_DECIMAL_MAX 38

/* ---- types ---- */

static int time_type(const struct ch_type *t, struct duckdb_type *ret, struct pl_err *err)
{
    unsigned scale = t->kind == CH_DATETIME ? 0 : t->scale;
    if (t->timezone && scale > 6)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "DuckDB has no time with a zone and %u digits: make it DateTime64(6, "
                          "'%s'), or DateTime64(9) without a zone",
                          scale, t->timezone);
    if (t->timezone)
        *ret = (struct duckdb_type){DUCKDB_TIMESTAMP_TZ, "TIMESTAMP WITH TIME ZONE"};
    else if (scale == 0)
        *ret = (struct duckdb_type){DUCKDB_TIMESTAMP_S, "TIMESTAMP_S"};
    else if (scale <= 3)
        *ret = (struct duckdb_type){DUCKDB_TIMESTAMP_MS, "TIMESTAMP_MS"};
    else if (scale <= 6)
        *ret = (struct duckdb_type){DUCKDB_TIMESTAMP, "TIMESTAMP"};
    else
        *ret = (struct duckdb_type){DUCKDB_TIMESTAMP_NS, "TIMESTAMP_NS"};
    return 0;
}

static int none_holds(const struct ch_type *t, const char *instead, struct pl_err *err)
{
    return pl_err_set(err, PL_ERR_CONFIG, 0, "DuckDB has no type that holds %.60s: make it %s",
                      t->ddl, instead);
}

int duckdb_type_of(const struct ch_type *t, struct duckdb_type *ret, struct pl_err *err)
{
    static const struct duckdb_type types[] = {
        [CH_STRING] = {DUCKDB_VARCHAR, "VARCHAR"},   [CH_BOOL] = {DUCKDB_BOOLEAN, "BOOLEAN"},
        [CH_INT8] = {DUCKDB_TINYINT, "TINYINT"},     [CH_INT16] = {DUCKDB_SMALLINT, "SMALLINT"},
        [CH_INT32] = {DUCKDB_INTEGER, "INTEGER"},    [CH_INT64] = {DUCKDB_BIGINT, "BIGINT"},
        [CH_UINT8] = {DUCKDB_UTINYINT, "UTINYINT"},  [CH_UINT16] = {DUCKDB_USMALLINT, "USMALLINT"},
        [CH_UINT32] = {DUCKDB_UINTEGER, "UINTEGER"}, [CH_UINT64] = {DUCKDB_UBIGINT, "UBIGINT"},
        [CH_INT128] = {DUCKDB_HUGEINT, "HUGEINT"},   [CH_UINT128] = {DUCKDB_UHUGEINT, "UHUGEINT"},
        [CH_FLOAT32] = {DUCKDB_FLOAT, "FLOAT"},      [CH_FLOAT64] = {DUCKDB_DOUBLE, "DOUBLE"},
        [CH_DATE] = {DUCKDB_DATE, "DATE"},           [CH_DATE32] = {DUCKDB_DATE, "DATE"},
        [CH_UUID] = {DUCKDB_UUID, "UUID"},           [CH_IPV4] = {DUCKDB_VARCHAR, "VARCHAR"},
        [CH_IPV6] = {DUCKDB_VARCHAR, "VARCHAR"},     [CH_ENUM8] = {DUCKDB_VARCHAR, "VARCHAR"},
        [CH_ENUM16] = {DUCKDB_VARCHAR, "VARCHAR"},
    };
    if (ch_type_is_nested(t) || t->kind == CH_JSON)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "%.100s goes to ClickHouse only: make it String with json: true", t->ddl);
    if (t->kind == CH_DATETIME || t->kind == CH_DATETIME64)
        return time_type(t, ret, err);
    if (t->kind == CH_INT256 || t->kind == CH_UINT256)
        return none_holds(t, "Int128, UInt128 or String", err);
    if (t->kind == CH_FIXED_STRING)
        return none_holds(t, "String", err);
    if (t->kind == CH_OTHER)
        return none_holds(t, "another type, or leave the column out of a route for DuckDB", err);
    if (t->kind == CH_DECIMAL && t->precision > DUCKDB_DECIMAL_MAX)
        return none_holds(t, "a Decimal of up to 38 digits", err);
    if (t->kind != CH_DECIMAL) {
        *ret = types[t->kind];
        return 0;
    }
    ret->id = DUCKDB_DECIMAL;
    snprintf(ret->sql, sizeof(ret->sql), "DECIMAL(%u,%u)", t->precision, t->scale);
    return 0;
}

static enum duckdb_type_id type_id(const struct ch_type *t)
{
    struct duckdb_type type = {DUCKDB_VARCHAR, ""};
    struct pl_err err;
    duckdb_type_of(t, &type, &err); /* it has one: ensure() asked */
    return type.id;
}

unsigned duckdb_block_types(const struct duckdb_library *lib, const struct route *r,
                            struct duckdb_logical_type **ret)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->columns_n; i++) {
        const struct ch_type *t = &r->columns[i].type;
        if (r->columns[i].source != COLUMN_EXPRESSION)
            ret[n++] = t->kind == CH_DECIMAL
                           ? lib->create_decimal_type((uint8_t)t->precision, (uint8_t)t->scale)
                           : lib->create_logical_type((int)type_id(t));
    }
    return n;
}

/* ---- values ---- */

struct job {
    const struct duckdb_library *lib;
    struct duckdb_appender *appender;
    const struct block *block;
    struct duckdb_logical_type **types;
    struct duckdb_chunk *chunk;
    const char **strings; /* where each String column has been read to */
    unsigned types_n;
};

static void job_release(struct job *j)
{
    if (j->chunk)
        j->lib->destroy_data_chunk(&j->chunk);
    for (unsigned i = 0; i < j->types_n; i++)
        j->lib->destroy_logical_type(&j->types[i]);
    free(j->types);
    free(j->strings);
}

static int value_refused(const struct block_column *c, const char *what, struct pl_err *err)
{
    return pl_err_set(err, PL_ERR_REJECT, 0, "column %s: %s", c->column->name, what);
}

/* JSON's text is UTF-8 since it was read; keys and headers may be anything. DuckDB leaves out what
 * is not UTF-8 without a word. */
static bool column_may_be_bytes(const struct block_column *c)
{
    return c->column->source == COLUMN_KEY || c->column->source == COLUMN_HEADER;
}

static int strings_write(const struct duckdb_library *lib, struct duckdb_vector *v,
                         const struct block_column *c, const char **at, uint64_t n,
                         struct pl_err *err)
{
    const uint8_t *p = (const uint8_t *)*at;
    bool check = column_may_be_bytes(c);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t len = *p & 0x7f;
        for (unsigned shift = 7; *p++ & 0x80; shift += 7)
            len |= (uint64_t)(*p & 0x7f) << shift;
        if (check && !pl_utf8_valid((const char *)p, len))
            return value_refused(c, "DuckDB's VARCHAR holds only UTF-8, and this is not", err);
        lib->vector_assign_string_element_len(v, i, (const char *)p, len);
        p += len;
    }
    *at = (const char *)p;
    return 0;
}

/* How many of the vector's units one of the block's is. */
static int64_t time_factor(const struct ch_type *t, enum duckdb_type_id id)
{
    unsigned have = t->kind == CH_DATETIME ? 0 : t->scale, digits = 0;
    if (id == DUCKDB_TIMESTAMP_MS)
        digits = 3;
    else if (id == DUCKDB_TIMESTAMP || id == DUCKDB_TIMESTAMP_TZ)
        digits = 6;
    else if (id == DUCKDB_TIMESTAMP_NS)
        digits = 9;
    int64_t factor = 1;
    for (; have < digits; have++)
        factor *= 10;
    return factor;
}

static int times_write(int64_t *out, const struct block_column *c, uint64_t row, uint64_t n,
                       struct pl_err *err)
{
    const struct ch_type *t = &c->column->type;
    enum duckdb_type_id id = type_id(t);
    int64_t factor = time_factor(t, id);
    const uint32_t *seconds = (const uint32_t *)(const void *)c->data + row;
    const int64_t *ticks = (const int64_t *)(const void *)c->data + row;
    if (t->kind == CH_DATETIME) {
        for (uint64_t i = 0; i < n; i++)
            out[i] = seconds[i] * factor;
        return 0;
    }
    if (id != DUCKDB_TIMESTAMP_NS) { /* 1900 to 2299 fits in all others */
        for (uint64_t i = 0; i < n; i++)
            out[i] = ticks[i] * factor;
        return 0;
    }
    /* The ends of int64 mean infinity to DuckDB. */
    for (uint64_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(ticks[i], factor, &out[i]) || out[i] == INT64_MAX ||
            out[i] <= -INT64_MAX)
            return value_refused(c, "DuckDB's TIMESTAMP_NS holds times from 1677 to 2262 only",
                                 err);
    return 0;
}

/* A UUID is ordered as a signed number there: the top bit is the other way round. */
static void uuids_write(struct duckdb_hugeint *out, const struct block_column *c, uint64_t row,
                        uint64_t n)
{
    const uint64_t *halves = (const uint64_t *)(const void *)c->data + 2 * row;
    for (uint64_t i = 0; i < n; i++)
        out[i] = (struct duckdb_hugeint){halves[2 * i + 1],
                                         (int64_t)(halves[2 * i] ^ (UINT64_C(1) << 63))};
}

static void dates_write(int32_t *out, const struct block_column *c, uint64_t row, uint64_t n)
{
    const uint16_t *days = (const uint16_t *)(const void *)c->data + row;
    for (uint64_t i = 0; i < n; i++)
        out[i] = days[i];
}

/* Names and addresses as text. */
static void names_write(const struct duckdb_library *lib, struct duckdb_vector *v,
                        const struct block_column *c, uint64_t row, uint64_t n)
{
    char text[VALUE_NAME_SIZE];
    for (uint64_t i = 0; i < n; i++) {
        const char *value = c->data + (row + i) * c->width;
        struct pl_slice name = value_name_text(&c->column->type, value, text);
        lib->vector_assign_string_element_len(v, i, name.p, name.len);
    }
}

/* DuckDB keeps up to four digits in 16 bits, which hold all that the precision allows. */
static void decimals_write(void *out, const struct block_column *c, uint64_t row, uint64_t n)
{
    const char *from = c->data + row * c->width;
    if (c->column->type.precision > 4) {
        memcpy(out, from, n * c->width);
        return;
    }
    for (uint64_t i = 0; i < n; i++)
        memcpy((char *)out + i * sizeof(int16_t), from + i * c->width, sizeof(int16_t));
}

/* A byte a row, 1: null, becomes a bit a row, 1: not null. */
static void nulls_write(const struct duckdb_library *lib, struct duckdb_vector *v,
                        const uint8_t *nulls, uint64_t n)
{
    lib->vector_ensure_validity_writable(v);
    uint64_t *valid = lib->vector_get_validity(v);
    for (uint64_t at = 0; at < n; at += 64) {
        uint64_t bits = 0, m = n - at < 64 ? n - at : 64;
        for (uint64_t i = 0; i < m; i++)
            bits |= (uint64_t)(nulls[at + i] ^ 1) << i;
        valid[at / 64] = bits;
    }
}

static int column_write(struct job *j, unsigned i, uint64_t row, uint64_t n, struct pl_err *err)
{
    const struct block_column *c = &j->block->columns[i];
    struct duckdb_vector *v = j->lib->data_chunk_get_vector(j->chunk, i);
    void *out = j->lib->vector_get_data(v);
    if (c->nulls)
        nulls_write(j->lib, v, c->nulls + row, n);
    switch (c->column->type.kind) {
    case CH_STRING:
        return strings_write(j->lib, v, c, &j->strings[i], n, err);
    case CH_DATETIME:
    case CH_DATETIME64:
        return times_write(out, c, row, n, err);
    case CH_DATE:
        dates_write(out, c, row, n);
        return 0;
    case CH_UUID:
        uuids_write(out, c, row, n);
        return 0;
    case CH_ENUM8:
    case CH_ENUM16:
    case CH_IPV4:
    case CH_IPV6:
        names_write(j->lib, v, c, row, n);
        return 0;
    case CH_DECIMAL:
        decimals_write(out, c, row, n);
        return 0;
    case CH_BOOL:
    case CH_INT8:
    case CH_INT16:
    case CH_INT32:
    case CH_INT64:
    case CH_UINT8:
    case CH_UINT16:
    case CH_UINT32:
    case CH_UINT64:
    case CH_INT128:
    case CH_UINT128:
    case CH_FLOAT32:
    case CH_FLOAT64:
    case CH_DATE32:
        memcpy(out, c->data + row * c->width, n * c->width);
        return 0;
    case CH_INT256:
    case CH_UINT256:
    case CH_FIXED_STRING:
    case CH_OTHER:
    case CH_ARRAY:
    case CH_MAP:
    case CH_TUPLE:
    case CH_JSON:
        break; /* refused by duckdb_type_of() */
    }
    abort();
}

static int rows_append(struct job *j, uint64_t row, uint64_t n, struct pl_err *err)
{
    j->lib->data_chunk_reset(j->chunk);
    for (unsigned i = 0; i < j->block->columns_n; i++)
        if (column_write(j, i, row, n, err) < 0)
            return -1;
    j->lib->data_chunk_set_size(j->chunk, n);
    if (j->lib->append_data_chunk(j->appender, j->chunk) == 0)
        return 0;
    return duckdb_appender_failed(j->lib, j->appender, err);
}

int duckdb_block_append(const struct duckdb_library *lib, struct duckdb_appender *appender,
                        const struct block *b, struct pl_err *err)
{
    PL_CLEANUP(job_release) struct job j = {.lib = lib, .appender = appender, .block = b};
    j.types = pl_alloc_array(b->route->columns_n, sizeof(*j.types));
    j.strings = pl_alloc_array(b->route->columns_n, sizeof(*j.strings));
    j.types_n = duckdb_block_types(lib, b->route, j.types);
    j.chunk = lib->create_data_chunk(j.types, j.types_n);
    for (unsigned i = 0; i < b->columns_n; i++)
        j.strings[i] = b->columns[i].data;
    uint64_t step = lib->vector_size(), rows = block_rows(b);
    for (uint64_t row = 0; row < rows; row += step)
        if (rows_append(&j, row, rows - row < step ? rows - row : step, err) < 0)
            return -1;
    return 0;
}
