/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.c - the conversions.
 */
#include "daemons/chsinkd/decode/value_internal.h"

#include <math.h>

#include "daemons/chsinkd/decode/value_nested.h"
#include "lib/base/time_text.h"

const char value_wrong_type[] = "value has the wrong type for the column";
const char value_too_much_memory[] = "rows of the message are larger than message_memory_max";
const char value_out_of_range[] = "value is out of range for the column";
const char value_lost_precision[] = "value would lose precision in the column";
const char value_lone_surrogate[] = "string holds a lone surrogate";
static const char not_a_time[] = "value is not an RFC 3339 time";
static const char not_a_uuid[] = "value is not a UUID";
static const char not_in_text[] = "string is not just a value for the column";
static const char no_unit[] = "a number for a time, but the route names no unit";

#define DAY_S INT64_C(86400)

static const int64_t powers[] = {1,      10,      100,      1000,      10000,
                                 100000, 1000000, 10000000, 100000000, 1000000000};

/* A value that the column does not take is checked and skipped. */
static enum value_result wrong_type(struct pl_json *j, const char **ret_reason)
{
    if (!pl_json_skip(j, NULL))
        return VALUE_BROKEN;
    return value_invalid(ret_reason, value_wrong_type);
}

static enum value_result put_string(const struct block *b, struct block_column *c,
                                    struct pl_json *j, const char **ret_reason)
{
    struct pl_json_str s;
    if (!pl_json_string(j, &s))
        return VALUE_BROKEN;
    if (!s.escaped) {
        block_string_add(b, c, s.p, s.len);
        return VALUE_OK;
    }
    char *at = block_string_begin(b, c, s.len);
    ssize_t len = pl_json_unescape(&s, at);
    if (len < 0)
        return value_invalid(ret_reason, value_lone_surrogate);
    block_string_end(c, at, (size_t)len);
    return VALUE_OK;
}

static enum value_result put_raw(const struct block *b, struct block_column *c, struct pl_json *j)
{
    struct pl_slice raw;
    if (!pl_json_skip(j, &raw))
        return VALUE_BROKEN;
    block_string_add(b, c, raw.p, raw.len);
    return VALUE_OK;
}

static enum value_result put_bool(const struct block *b, struct block_column *c, struct pl_json *j)
{
    bool value;
    if (!pl_json_bool(j, &value))
        return VALUE_BROKEN;
    *block_fixed(b, c) = value;
    return VALUE_OK;
}

/* Up to 18 digits cannot overflow. */
static enum pl_json_num_result number_i64(const struct pl_json_num *n, int64_t *ret)
{
    if (!n->integer || n->len > 18)
        return pl_json_num_i64(n, ret);
    int64_t v = 0;
    for (size_t i = n->negative; i < n->len; i++)
        v = v * 10 + (n->p[i] - '0');
    *ret = n->negative ? -v : v;
    return PL_JSON_NUM_OK;
}

static const struct {
    int64_t min, max;
} int_ranges[] = {
    [CH_INT8] = {INT8_MIN, INT8_MAX},    [CH_INT16] = {INT16_MIN, INT16_MAX},
    [CH_INT32] = {INT32_MIN, INT32_MAX}, [CH_INT64] = {INT64_MIN, INT64_MAX},
    [CH_UINT8] = {0, UINT8_MAX},         [CH_UINT16] = {0, UINT16_MAX},
    [CH_UINT32] = {0, UINT32_MAX},
};

static enum value_result put_int(const struct block *b, struct block_column *c, struct pl_json *j,
                                 const char **ret_reason)
{
    enum ch_kind kind = c->column->type.kind;
    struct pl_json_num n;
    if (!pl_json_number(j, &n))
        return VALUE_BROKEN;
    int64_t v; /* of a UInt64, its bits */
    enum pl_json_num_result result =
        kind == CH_UINT64 ? pl_json_num_u64(&n, (uint64_t *)&v) : number_i64(&n, &v);
    if (result != PL_JSON_NUM_OK)
        return value_invalid_number(ret_reason, result == PL_JSON_NUM_PRECISION
                                                    ? value_number_fault(&c->column->type, &n)
                                                    : result);
    if (kind != CH_UINT64 && (v < int_ranges[kind].min || v > int_ranges[kind].max))
        return value_invalid(ret_reason, value_out_of_range);
    char *at = block_fixed(b, c);
    switch (c->width) {
    case 1:
        memcpy(at, &v, 1);
        break;
    case 2:
        memcpy(at, &v, 2);
        break;
    case 4:
        memcpy(at, &v, 4);
        break;
    default:
        memcpy(at, &v, 8);
        break;
    }
    return VALUE_OK;
}

static enum value_result put_float(const struct block *b, struct block_column *c, struct pl_json *j,
                                   const char **ret_reason)
{
    struct pl_json_num n;
    if (!pl_json_number(j, &n))
        return VALUE_BROKEN;
    double v;
    enum pl_json_num_result result = pl_json_num_f64_exact(&n, &v);
    if (result != PL_JSON_NUM_OK)
        return value_invalid_number(ret_reason, result);
    if (c->width == sizeof(v)) {
        memcpy(block_fixed(b, c), &v, sizeof(v));
        return VALUE_OK;
    }
    float f = (float)v;
    if (isinf(f))
        return value_invalid(ret_reason, value_out_of_range);
    if ((double)f != v && pl_json_num_is_integer(&n))
        return value_invalid(ret_reason, value_lost_precision);
    memcpy(block_fixed(b, c), &f, sizeof(f));
    return VALUE_OK;
}

static bool kind_is_date(enum ch_kind kind)
{
    return kind == CH_DATE || kind == CH_DATE32;
}

/* A time in units of 10^-scale seconds (0 for dates and DateTime) into the column; false: out of
 * range. */
static bool put_time_value(const struct block *b, struct block_column *c, int64_t v)
{
    const struct ch_type *t = &c->column->type;
    if (t->kind == CH_DATETIME64) {
        int64_t unit = powers[t->scale];
        int64_t seconds = v / unit - (v % unit < 0);
        if (seconds < CH_DATETIME64_MIN_S || seconds >= CH_DATETIME64_END_S)
            return false;
        memcpy(block_fixed(b, c), &v, sizeof(v));
        return true;
    }
    int64_t min = 0, max = UINT32_MAX;
    if (t->kind != CH_DATETIME)
        v /= DAY_S;
    if (t->kind == CH_DATE)
        max = UINT16_MAX;
    if (t->kind == CH_DATE32)
        min = CH_DATE32_MIN, max = CH_DATE32_MAX;
    if (v < min || v > max)
        return false;
    memcpy(block_fixed(b, c), &v, c->width);
    return true;
}

static enum value_result put_time_text(const struct block *b, struct block_column *c,
                                       struct pl_json *j, const char **ret_reason)
{
    struct pl_json_str s;
    char text[6 * PL_TIME_TEXT_MAX]; /* an escape is up to six bytes for one */
    const struct ch_type *t = &c->column->type;
    if (!pl_json_string(j, &s))
        return VALUE_BROKEN;
    if (s.escaped) {
        ssize_t n = s.len <= sizeof(text) ? pl_json_unescape(&s, text) : 0;
        if (n < 0)
            return value_invalid(ret_reason, value_lone_surrogate);
        s.p = text;
        s.len = (size_t)n;
    }
    int64_t v;
    bool exact;
    if (!pl_time_parse_memo(&c->memo, s.p, s.len, t->scale, &v, &exact)) {
        /* A time that is too far away for the scale is out of range. */
        bool is_time = t->scale > 0 && pl_time_parse(s.p, s.len, 0, &v, NULL);
        return value_invalid(ret_reason, is_time ? value_out_of_range : not_a_time);
    }
    if (!exact || (kind_is_date(t->kind) && v % DAY_S != 0))
        return value_invalid(ret_reason, value_lost_precision);
    return put_time_value(b, c, v) ? VALUE_OK : value_invalid(ret_reason, value_out_of_range);
}

/* The literal in units of 10^-scale seconds. */
static enum pl_json_num_result time_number(const struct column *c, const struct pl_json_num *n,
                                           int64_t *ret)
{
    static const unsigned unit_digits[] = {
        [UNIT_S] = 0, [UNIT_MS] = 3, [UNIT_US] = 6, [UNIT_NS] = 9, [UNIT_D] = 0};
    unsigned digits = unit_digits[c->unit], scale = c->type.scale;
    if (!n->integer && c->unit != UNIT_D)
        return pl_json_num_scaled(n, (int)scale - (int)digits, ret);
    int64_t v;
    enum pl_json_num_result result = number_i64(n, &v);
    if (result != PL_JSON_NUM_OK)
        return result;
    if (c->unit == UNIT_D && __builtin_mul_overflow(v, DAY_S, &v))
        return PL_JSON_NUM_RANGE;
    if (digits > scale) {
        int64_t divisor = powers[digits - scale];
        *ret = v / divisor;
        return v % divisor != 0 ? PL_JSON_NUM_PRECISION : PL_JSON_NUM_OK;
    }
    return __builtin_mul_overflow(v, powers[scale - digits], ret) ? PL_JSON_NUM_RANGE
                                                                  : PL_JSON_NUM_OK;
}

static enum value_result put_time_number(const struct block *b, struct block_column *c,
                                         struct pl_json *j, const char **ret_reason)
{
    struct pl_json_num n;
    if (!pl_json_number(j, &n))
        return VALUE_BROKEN;
    if (!c->column->unit_given)
        return value_invalid(ret_reason,
                             kind_is_date(c->column->type.kind) ? value_wrong_type : no_unit);
    int64_t v;
    enum pl_json_num_result result = time_number(c->column, &n, &v);
    if (result != PL_JSON_NUM_OK)
        return value_invalid_number(ret_reason, result);
    if (kind_is_date(c->column->type.kind) && v % DAY_S != 0)
        return value_invalid(ret_reason, value_lost_precision);
    return put_time_value(b, c, v) ? VALUE_OK : value_invalid(ret_reason, value_out_of_range);
}

/* A table: the digits of a UUID are random, so branches would be mispredicted. */
static const uint8_t hex_values[256] = {
    ['0'] = 0x10, ['1'] = 0x11, ['2'] = 0x12, ['3'] = 0x13, ['4'] = 0x14, ['5'] = 0x15,
    ['6'] = 0x16, ['7'] = 0x17, ['8'] = 0x18, ['9'] = 0x19, ['a'] = 0x1a, ['b'] = 0x1b,
    ['c'] = 0x1c, ['d'] = 0x1d, ['e'] = 0x1e, ['f'] = 0x1f, ['A'] = 0x1a, ['B'] = 0x1b,
    ['C'] = 0x1c, ['D'] = 0x1d, ['E'] = 0x1e, ['F'] = 0x1f,
};

/* Appends n digits to *v; *all loses its bit 0x10 at a byte that is not a digit. */
static inline void uuid_digits(const char *p, unsigned n, uint64_t *v, uint8_t *all)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t digit = hex_values[(unsigned char)p[i]];
        *all &= digit;
        *v = *v << 4 | (digit & 0xf);
    }
}

static enum value_result put_uuid(const struct block *b, struct block_column *c, struct pl_json *j,
                                  const char **ret_reason)
{
    struct pl_json_str s;
    uint64_t v[2] = {0, 0};
    if (!pl_json_string(j, &s))
        return VALUE_BROKEN;
    char text[6 * 36];
    if (s.escaped) {
        ssize_t n = s.len <= sizeof(text) ? pl_json_unescape(&s, text) : 0;
        s.p = text;
        s.len = n < 0 ? 0 : (size_t)n;
    }
    const char *p = s.p;
    uint8_t all = 0x10;
    if (s.len == 32) {
        uuid_digits(p, 16, &v[0], &all);
        uuid_digits(p + 16, 16, &v[1], &all);
    } else if (s.len == 36 && p[8] == '-' && p[13] == '-' && p[18] == '-' && p[23] == '-') {
        uuid_digits(p, 8, &v[0], &all);
        uuid_digits(p + 9, 4, &v[0], &all);
        uuid_digits(p + 14, 4, &v[0], &all);
        uuid_digits(p + 19, 4, &v[1], &all);
        uuid_digits(p + 24, 12, &v[1], &all);
    } else {
        all = 0;
    }
    if (!(all & 0x10))
        return value_invalid(ret_reason, not_a_uuid);
    memcpy(block_fixed(b, c), v, sizeof(v));
    return VALUE_OK;
}

/* A string that holds just a number, or true or false, is taken for it. */
static enum value_result put_text(const struct block *b, struct block_column *c, struct pl_json *j,
                                  const char **ret_reason)
{
    struct pl_json_str s;
    struct pl_json inner;
    const char *reason;
    if (!pl_json_string(j, &s))
        return VALUE_BROKEN;
    char first = s.len > 0 ? *s.p : '\0';
    bool value = first == '-' || first == 't' || first == 'f' || (unsigned char)(first - '0') < 10;
    if (!value || s.escaped)
        return value_invalid(ret_reason, not_in_text);
    pl_json_init(&inner, s.p, s.len, 1);
    enum value_result result = value_put(b, c, &inner, &reason);
    if (result == VALUE_BROKEN || inner.p != inner.end)
        return value_invalid(ret_reason, not_in_text);
    *ret_reason = reason;
    return result;
}

static enum value_result not_its_type(const struct block *b, struct block_column *c,
                                      struct pl_json *j, const char **ret_reason)
{
    bool text = c->column->from_text && j->p < j->end && *j->p == '"';
    return text ? put_text(b, c, j, ret_reason) : wrong_type(j, ret_reason);
}

/* A number where the column has other values. */
static enum value_result put_number(const struct block *b, struct block_column *c,
                                    struct pl_json *j, const char **ret_reason)
{
    return c->column->from_number ? value_put_word_number(b, c, j, ret_reason)
                                  : wrong_type(j, ret_reason);
}

static enum value_result put_time_string(const struct block *b, struct block_column *c,
                                         struct pl_json *j, const char **ret_reason)
{
    struct pl_json before = *j;
    enum value_result result = put_time_text(b, c, j, ret_reason);
    if (!c->column->from_text || result != VALUE_INVALID || *ret_reason != not_a_time)
        return result;
    *j = before;
    return put_text(b, c, j, ret_reason);
}

enum value_result value_put(const struct block *b, struct block_column *c, struct pl_json *j,
                            const char **ret_reason)
{
    /* The reader is on the value's first byte: the space after a key's colon was skipped. */
    char first = j->p < j->end ? *j->p : '\0';
    bool string = first == '"', number = first == '-' || (unsigned char)(first - '0') < 10;
    if (first == 'n')
        return pl_json_null(j) ? VALUE_ABSENT : VALUE_BROKEN;
    switch (c->column->type.kind) {
    case CH_STRING:
        if (c->column->json)
            return put_raw(b, c, j);
        return string ? put_string(b, c, j, ret_reason) : not_its_type(b, c, j, ret_reason);
    case CH_BOOL:
        if (first == 't' || first == 'f')
            return put_bool(b, c, j);
        return number ? put_number(b, c, j, ret_reason) : not_its_type(b, c, j, ret_reason);
    case CH_INT8:
    case CH_INT16:
    case CH_INT32:
    case CH_INT64:
    case CH_UINT8:
    case CH_UINT16:
    case CH_UINT32:
    case CH_UINT64:
        return number ? put_int(b, c, j, ret_reason) : not_its_type(b, c, j, ret_reason);
    case CH_FLOAT32:
    case CH_FLOAT64:
        return number ? put_float(b, c, j, ret_reason) : not_its_type(b, c, j, ret_reason);
    case CH_INT128:
    case CH_INT256:
    case CH_UINT128:
    case CH_UINT256:
    case CH_DECIMAL:
        return number ? value_put_wide(b, c, j, ret_reason) : not_its_type(b, c, j, ret_reason);
    case CH_DATE:
    case CH_DATE32:
    case CH_DATETIME:
    case CH_DATETIME64:
        return string   ? put_time_string(b, c, j, ret_reason)
               : number ? put_time_number(b, c, j, ret_reason)
                        : not_its_type(b, c, j, ret_reason);
    case CH_UUID:
        return string ? put_uuid(b, c, j, ret_reason) : not_its_type(b, c, j, ret_reason);
    case CH_ENUM8:
    case CH_ENUM16:
    case CH_IPV4:
    case CH_IPV6:
    case CH_FIXED_STRING:
        return string   ? value_put_word(b, c, j, ret_reason)
               : number ? put_number(b, c, j, ret_reason)
                        : not_its_type(b, c, j, ret_reason);
    case CH_OTHER: /* not in a block */
        break;
    case CH_ARRAY:
    case CH_MAP:
    case CH_TUPLE:
    case CH_JSON:
        return value_put_nested(b, c, j, ret_reason);
    }
    abort();
}

bool value_put_timestamp_ms(const struct block *b, struct block_column *c, int64_t ms)
{
    const struct ch_type *t = &c->column->type;
    if (t->kind == CH_DATETIME64) {
        int64_t v;
        return !__builtin_mul_overflow(ms, powers[t->scale - 3], &v) && put_time_value(b, c, v);
    }
    memcpy(block_fixed(b, c), &ms, sizeof(ms));
    return true;
}
