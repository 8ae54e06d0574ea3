/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_nested.h - values made of values: Array, Map, Tuple; and JSON. For value.c; see value.h.
 */
#ifndef CHSINKD_DECODE_VALUE_NESTED_H
#define CHSINKD_DECODE_VALUE_NESTED_H

#include "daemons/chsinkd/decode/value.h"

enum value_result value_put_nested(const struct block *b, struct block_column *c, struct pl_json *j,
                                   const char **ret_reason);

#endif
