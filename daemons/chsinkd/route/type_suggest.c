/* SPDX-License-Identifier: Apache-2.0 */
#include "daemons/chsinkd/route/type_suggest.h"

#include "daemons/chsinkd/route/type.h"

/* LowCardinality is suggested if each value occurred this often on average. */
#define REPEATS_FOR_LOW_CARDINALITY 10

static const char *integer_type(const struct pl_schema_field *f)
{
    if (f->int_overflow)
        return f->uint_fits ? "UInt64" : "String";
    if (f->uint_fits)
        return f->int_max <= INT32_MAX ? "UInt32" : "UInt64";
    return f->int_min >= INT32_MIN / 2 && f->int_max <= INT32_MAX / 2 ? "Int32" : "Int64";
}

static const char *number_type(const struct pl_schema_field *f)
{
    const int64_t exact_max = INT64_C(1) << 53; /* the integers that a double holds without gaps */

    if (f->floats == 0)
        return integer_type(f);
    if (f->float_overflow || f->int_overflow || f->int_min < -exact_max || f->int_max > exact_max)
        return "String";
    return "Float64";
}

static const char *string_type(const struct pl_schema_field *f)
{
    if (f->all_uuids)
        return "UUID";
    if (f->all_times && f->time_min_s >= CH_DATETIME64_MIN_S &&
        f->time_max_s < CH_DATETIME64_END_S) {
        /* As written, with trailing zeros, where that is possible. */
        bool nanoseconds = f->time_digits_needed <= 9 && !f->nanoseconds_overflow;
        unsigned digits = nanoseconds ? f->time_digits : f->time_digits_needed;
        if (digits <= 6)
            return digits <= 3 ? "DateTime64(3)" : "DateTime64(6)";
        if (nanoseconds)
            return "DateTime64(9)";
    }
    if (f->distinct < PL_SCHEMA_DISTINCT_MAX &&
        f->strings >= (uint64_t)REPEATS_FOR_LOW_CARDINALITY * f->distinct)
        return "LowCardinality(String)";
    return "String";
}

void type_suggest(const struct pl_schema *p, unsigned i, struct pl_buf *out)
{
    const struct pl_schema_field *f = p->fields[i];
    uint64_t values = f->present - f->nulls;
    const char *type = "String";
    if (values > 0 && f->objects == values)
        return;
    if (values > 0 && f->bools == values)
        type = "Bool";
    else if (values > 0 && f->integers + f->floats == values)
        type = number_type(f);
    else if (values > 0 && f->strings == values)
        type = string_type(f);
    if (!pl_schema_field_is_optional(p, i))
        pl_buf_add_str(out, type);
    else if (strcmp(type, "LowCardinality(String)") == 0)
        pl_buf_add_str(out, "LowCardinality(Nullable(String))");
    else
        pl_buf_addf(out, "Nullable(%s)", type);
}
