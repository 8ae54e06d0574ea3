/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_text.c - see value_text.h. How values lie in memory says batch/column.h.
 */
#include "daemons/chsinkd/batch/value_text.h"

#include <arpa/inet.h>

#define LIMBS      8  /* 256 bits */
#define DIGITS_MAX 78 /* of 2^256 */

/* The sign goes up to the top. */
static void limbs_load(const char *value, unsigned width, bool is_signed, uint32_t limbs[LIMBS])
{
    bool negative = is_signed && (value[width - 1] & 0x80);
    memset(limbs, negative ? 0xff : 0, LIMBS * sizeof(*limbs));
    memcpy(limbs, value, width);
}

static void limbs_negate(uint32_t limbs[LIMBS])
{
    uint64_t carry = 1;
    for (unsigned i = 0; i < LIMBS; i++) {
        carry += (uint32_t)~limbs[i];
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* Divides by ten to the ninth and returns the rest. */
static uint32_t limbs_shift(uint32_t limbs[LIMBS], bool *ret_zero)
{
    uint64_t rest = 0;
    *ret_zero = true;
    for (unsigned i = LIMBS; i-- > 0;) {
        rest = rest << 32 | limbs[i];
        limbs[i] = (uint32_t)(rest / 1000000000);
        rest %= 1000000000;
        *ret_zero &= limbs[i] == 0;
    }
    return (uint32_t)rest;
}

void value_number_text(const struct ch_type *t, const char *value, struct pl_buf *out)
{
    uint32_t limbs[LIMBS];
    char digits[DIGITS_MAX + 9]; /* from the end */
    bool is_signed = t->kind != CH_UINT128 && t->kind != CH_UINT256, zero = false;
    size_t at = sizeof(digits), scale = t->kind == CH_DECIMAL ? t->scale : 0;
    limbs_load(value, ch_type_width(t), is_signed, limbs);
    if (is_signed && limbs[LIMBS - 1] >> 31) {
        limbs_negate(limbs);
        pl_buf_add_byte(out, '-');
    }
    while (!zero) {
        uint32_t chunk = limbs_shift(limbs, &zero);
        for (unsigned i = 0; i < 9 && at > 0; i++, chunk /= 10)
            digits[--at] = (char)('0' + chunk % 10);
    }
    while (at < sizeof(digits) && digits[at] == '0')
        at++;
    while (sizeof(digits) - at < scale + 1)
        digits[--at] = '0';
    size_t whole = sizeof(digits) - at - scale;
    pl_buf_add(out, digits + at, whole);
    if (scale > 0) {
        pl_buf_add_byte(out, '.');
        pl_buf_add(out, digits + at + whole, scale);
    }
}

struct pl_slice value_name_text(const struct ch_type *t, const char *value,
                                char text[VALUE_NAME_SIZE])
{
    if (t->kind == CH_IPV4) {
        uint32_t address;
        memcpy(&address, value, sizeof(address));
        address = htonl(address);
        inet_ntop(AF_INET, &address, text, VALUE_NAME_SIZE);
        return (struct pl_slice){text, strlen(text)};
    }
    if (t->kind == CH_IPV6) {
        inet_ntop(AF_INET6, value, text, VALUE_NAME_SIZE);
        return (struct pl_slice){text, strlen(text)};
    }
    int16_t number;
    if (t->kind == CH_ENUM16)
        memcpy(&number, value, sizeof(number));
    else
        number = *(const int8_t *)value;
    const struct ch_enum_name *n = ch_enum_at(t, number);
    return n ? (struct pl_slice){n->name, n->len} : (struct pl_slice){"", 0};
}
