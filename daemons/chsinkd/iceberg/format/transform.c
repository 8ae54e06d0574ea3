/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transform.c - see transform.h.
 */
#include "daemons/chsinkd/iceberg/format/transform.h"

static const struct {
    const char *name, *sql;
} types[] = {
    [ICEBERG_BOOLEAN] = {"boolean", "BOOLEAN"},
    [ICEBERG_INT] = {"int", "INTEGER"},
    [ICEBERG_LONG] = {"long", "BIGINT"},
    [ICEBERG_FLOAT] = {"float", "FLOAT"},
    [ICEBERG_DOUBLE] = {"double", "DOUBLE"},
    [ICEBERG_DECIMAL] = {"decimal(20, 0)", "DECIMAL(20, 0)"},
    [ICEBERG_DATE] = {"date", "DATE"},
    [ICEBERG_TIMESTAMP] = {"timestamp", "TIMESTAMP"},
    [ICEBERG_TIMESTAMPTZ] = {"timestamptz", "TIMESTAMPTZ"},
    [ICEBERG_STRING] = {"string", "VARCHAR"},
    [ICEBERG_UUID] = {"uuid", "UUID"},
};

static const char *const transforms[] = {
    [ICEBERG_IDENTITY] = "identity", [ICEBERG_YEAR] = "year", [ICEBERG_MONTH] = "month",
    [ICEBERG_DAY] = "day",           [ICEBERG_HOUR] = "hour",
};

const char *iceberg_type_name(enum iceberg_type t)
{
    return types[t].name;
}

const char *iceberg_type_sql(enum iceberg_type t)
{
    return types[t].sql;
}

/* Writers differ in the space of "decimal(20, 0)". */
static bool same_but_spaces(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, " ");
        b += strspn(b, " ");
        if (*a != *b)
            return false;
        if (*a == '\0')
            return true;
    }
}

bool iceberg_type_parse(const char *name, enum iceberg_type *ret)
{
    for (unsigned i = 0; i < PL_COUNT(types); i++)
        if (same_but_spaces(name, types[i].name)) {
            *ret = (enum iceberg_type)i;
            return true;
        }
    return false;
}

const char *iceberg_transform_name(enum iceberg_transform t)
{
    return transforms[t];
}

bool iceberg_transform_parse(const char *name, enum iceberg_transform *ret)
{
    for (unsigned i = 0; i < PL_COUNT(transforms); i++)
        if (strcmp(name, transforms[i]) == 0) {
            *ret = (enum iceberg_transform)i;
            return true;
        }
    return false;
}

bool iceberg_type_has_value(enum iceberg_type t)
{
    switch (t) {
    case ICEBERG_BOOLEAN:
    case ICEBERG_INT:
    case ICEBERG_LONG:
    case ICEBERG_DATE:
    case ICEBERG_TIMESTAMP:
    case ICEBERG_TIMESTAMPTZ:
    case ICEBERG_STRING:
        return true;
    case ICEBERG_FLOAT:
    case ICEBERG_DOUBLE:
    case ICEBERG_DECIMAL:
    case ICEBERG_UUID:
        break;
    }
    return false;
}

static bool is_timestamp(enum iceberg_type t)
{
    return t == ICEBERG_TIMESTAMP || t == ICEBERG_TIMESTAMPTZ;
}

bool iceberg_transform_takes(enum iceberg_transform t, enum iceberg_type source)
{
    switch (t) {
    case ICEBERG_IDENTITY:
        return iceberg_type_has_value(source);
    case ICEBERG_YEAR:
    case ICEBERG_MONTH:
    case ICEBERG_DAY:
        return is_timestamp(source) || source == ICEBERG_DATE;
    case ICEBERG_HOUR:
        return is_timestamp(source);
    }
    return false;
}

enum iceberg_type iceberg_transform_type(enum iceberg_transform t, enum iceberg_type source)
{
    switch (t) {
    case ICEBERG_IDENTITY:
        return source;
    case ICEBERG_DAY:
        return ICEBERG_DATE; /* the same bytes as int; what Java and pyiceberg write */
    case ICEBERG_YEAR:
    case ICEBERG_MONTH:
    case ICEBERG_HOUR:
        break;
    }
    return ICEBERG_INT;
}

void iceberg_value_bytes(const struct iceberg_value *v, enum iceberg_type t, struct pl_buf *out)
{
    switch (t) {
    case ICEBERG_BOOLEAN:
        pl_buf_add_byte(out, v->number != 0);
        return;
    case ICEBERG_INT:
    case ICEBERG_DATE:
        pl_buf_add(out, &v->number, 4); /* little-endian, as column.h asserts */
        return;
    case ICEBERG_LONG:
    case ICEBERG_TIMESTAMP:
    case ICEBERG_TIMESTAMPTZ:
        pl_buf_add(out, &v->number, 8);
        return;
    case ICEBERG_STRING:
        pl_buf_add(out, v->text, v->text_len);
        return;
    case ICEBERG_FLOAT:
    case ICEBERG_DOUBLE:
    case ICEBERG_DECIMAL:
    case ICEBERG_UUID:
        break; /* see iceberg_type_has_value() */
    }
}

/* Rounded down, as the spec wants for times before 1970; DuckDB's division rounds to zero. */
static void floor_sql(const char *number, int64_t by, struct pl_buf *out)
{
    pl_buf_addf(out, "((%s - ((%s %% %lld) + %lld) %% %lld) // %lld)", number, number,
                (long long)by, (long long)by, (long long)by, (long long)by);
}

void iceberg_transform_sql(enum iceberg_transform t, enum iceberg_type source, const char *column,
                           struct pl_buf *out)
{
    /* By epoch_us(): casts of TIMESTAMPTZ would look at the session's zone. */
    PL_FREE char *us = source == ICEBERG_DATE ? pl_strf("epoch_us(CAST(%s AS TIMESTAMP))", column)
                                              : pl_strf("epoch_us(%s)", column);
    PL_FREE char *time = pl_strf("make_timestamp(%s)", us);
    switch (t) {
    case ICEBERG_IDENTITY:
        if (source == ICEBERG_STRING)
            pl_buf_add_str(out, column);
        else if (source == ICEBERG_DATE)
            floor_sql(us, INT64_C(86400000000), out);
        else
            pl_buf_addf(out, "CAST(%s AS BIGINT)", is_timestamp(source) ? us : column);
        return;
    case ICEBERG_YEAR:
        pl_buf_addf(out, "(year(%s) - 1970)", time);
        return;
    case ICEBERG_MONTH:
        pl_buf_addf(out, "((year(%s) - 1970) * 12 + month(%s) - 1)", time, time);
        return;
    case ICEBERG_DAY:
        floor_sql(us, INT64_C(86400000000), out);
        return;
    case ICEBERG_HOUR:
        floor_sql(us, INT64_C(3600000000), out);
        return;
    }
}
