/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_internal.h - what the files of conversions share: the reasons, and who converts what. Each
 * put consumes a value whose first byte is that of a number or a string, as it says.
 */
#ifndef CHSINKD_DECODE_VALUE_INTERNAL_H
#define CHSINKD_DECODE_VALUE_INTERNAL_H

#include "daemons/chsinkd/decode/value.h"

extern const char value_lost_precision[], value_lone_surrogate[];

static inline enum value_result value_invalid(const char **ret_reason, const char *reason)
{
    *ret_reason = reason;
    return VALUE_INVALID;
}

static inline enum value_result value_invalid_number(const char **ret_reason,
                                                     enum pl_json_num_result result)
{
    return value_invalid(ret_reason,
                         result == PL_JSON_NUM_RANGE ? value_out_of_range : value_lost_precision);
}

/* value_wide.c: a number into Decimal, (U)Int128 and (U)Int256. */
enum value_result value_put_wide(const struct block *b, struct block_column *c, struct pl_json *j,
                                 const char **ret_reason);

/* Of a number that has digits behind what an integer or Decimal column holds: RANGE if it is out of
 * range without them, too; else PRECISION. */
enum pl_json_num_result value_number_fault(const struct ch_type *t, const struct pl_json_num *n);

/* value_word.c: a string into an Enum, IPv4, IPv6 or FixedString. */
enum value_result value_put_word(const struct block *b, struct block_column *c, struct pl_json *j,
                                 const char **ret_reason);

/* value_word.c: with from_number, 0 or 1 into Bool, the number of a name into an Enum. */
enum value_result value_put_word_number(const struct block *b, struct block_column *c,
                                        struct pl_json *j, const char **ret_reason);

#endif
