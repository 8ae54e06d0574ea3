/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_wide.c - numbers that need not fit into 64 bits: all their digits, as they are written.
 */
#include "daemons/chsinkd/decode/value_internal.h"

#define LIMBS               8  /* 256 bits */
#define DIGITS_256_MAX      78 /* of 2^256 */
#define INT64_PRECISION_MAX 18

static void limbs_negate(uint32_t limbs[LIMBS])
{
    uint64_t carry = 1;
    for (unsigned i = 0; i < LIMBS; i++) {
        carry += (uint32_t)~limbs[i];
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* Whether so many bytes hold the value, with its sign. */
static bool limbs_fit(const uint32_t limbs[LIMBS], unsigned width, bool is_signed, bool negative)
{
    unsigned top = (8 * width - 1) / 32, bit = (8 * width - 1) % 32;
    uint32_t above = limbs[top] >> bit >> 1;
    uint32_t below = limbs[top] & ((UINT32_C(1) << bit) - 1);
    bool set = limbs[top] >> bit & 1;
    for (unsigned i = top + 1; i < LIMBS; i++)
        above |= limbs[i];
    for (unsigned i = 0; i < top; i++)
        below |= limbs[i];
    if (above != 0)
        return false;
    if (!is_signed)
        return !negative || (!set && below == 0);
    return !set || (negative && below == 0);
}

static bool kind_is_unsigned(enum ch_kind kind)
{
    return (kind >= CH_UINT8 && kind <= CH_UINT64) || kind == CH_UINT128 || kind == CH_UINT256;
}

static enum pl_json_num_result limbs_read(const struct ch_type *t, const struct pl_json_num *n,
                                          uint32_t limbs[LIMBS])
{
    bool decimal = t->kind == CH_DECIMAL;
    return pl_json_num_wide(n, decimal ? t->scale : 0, decimal ? t->precision : DIGITS_256_MAX,
                            limbs);
}

enum pl_json_num_result value_number_fault(const struct ch_type *t, const struct pl_json_num *n)
{
    uint32_t limbs[LIMBS];
    if (limbs_read(t, n, limbs) == PL_JSON_NUM_PRECISION &&
        limbs_fit(limbs, ch_type_width(t), !kind_is_unsigned(t->kind), n->negative))
        return PL_JSON_NUM_PRECISION;
    return PL_JSON_NUM_RANGE;
}

/* Up to 18 digits: in an int64. */
static enum pl_json_num_result decimal_narrow(const struct ch_type *t, const struct pl_json_num *n,
                                              int64_t *ret)
{
    static const int64_t ends[] = {
        INT64_C(1),
        INT64_C(10),
        INT64_C(100),
        INT64_C(1000),
        INT64_C(10000),
        INT64_C(100000),
        INT64_C(1000000),
        INT64_C(10000000),
        INT64_C(100000000),
        INT64_C(1000000000),
        INT64_C(10000000000),
        INT64_C(100000000000),
        INT64_C(1000000000000),
        INT64_C(10000000000000),
        INT64_C(100000000000000),
        INT64_C(1000000000000000),
        INT64_C(10000000000000000),
        INT64_C(100000000000000000),
        INT64_C(1000000000000000000),
    };
    _Static_assert(PL_COUNT(ends) == INT64_PRECISION_MAX + 1, "one for each precision");
    enum pl_json_num_result result = pl_json_num_scaled(n, (int)t->scale, ret);
    if (result == PL_JSON_NUM_OK && (*ret >= ends[t->precision] || *ret <= -ends[t->precision]))
        return PL_JSON_NUM_RANGE;
    return result;
}

enum value_result value_put_wide(const struct block *b, struct block_column *c, struct pl_json *j,
                                 const char **ret_reason)
{
    const struct ch_type *t = &c->column->type;
    struct pl_json_num n;
    uint32_t limbs[LIMBS];
    int64_t narrow;
    if (!pl_json_number(j, &n))
        return VALUE_BROKEN;
    bool is_narrow = c->width <= sizeof(narrow);
    enum pl_json_num_result result =
        is_narrow ? decimal_narrow(t, &n, &narrow) : limbs_read(t, &n, limbs);
    if (result == PL_JSON_NUM_PRECISION)
        result = value_number_fault(t, &n);
    if (result != PL_JSON_NUM_OK)
        return value_invalid_number(ret_reason, result);
    if (is_narrow) {
        memcpy(block_fixed(b, c), &narrow, c->width);
        return VALUE_OK;
    }
    if (!limbs_fit(limbs, c->width, !kind_is_unsigned(t->kind), n.negative))
        return value_invalid(ret_reason, value_out_of_range);
    if (n.negative)
        limbs_negate(limbs);
    memcpy(block_fixed(b, c), limbs, c->width);
    return VALUE_OK;
}

void value_put_limit(const struct block *b, struct block_column *c, bool negative)
{
    static const char nines[] =
        "9999999999999999999999999999999999999999999999999999999999999999999999999999";
    _Static_assert(sizeof(nines) - 1 == CH_DECIMAL_PRECISION_MAX, "as many as can be");
    const struct ch_type *t = &c->column->type;
    char *at = block_fixed(b, c);
    if (t->kind == CH_DECIMAL) {
        const struct pl_json_num n = {nines, t->precision, true, false};
        uint32_t limbs[LIMBS];
        pl_json_num_wide(&n, 0, t->precision, limbs);
        if (negative)
            limbs_negate(limbs);
        memcpy(at, limbs, c->width);
        return;
    }
    memset(at, negative ? 0 : 0xff, c->width);
    if (!kind_is_unsigned(t->kind))
        at[c->width - 1] ^= (char)0x80;
}
