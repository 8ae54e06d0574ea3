/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.h - one JSON value into the open row of a column, exactly or not at all.
 *
 * What fits:
 *     String       a string without lone surrogates; with json: true any value, as its bytes
 *     Bool         true and false; with from_number 0 and 1
 *     Int, UInt    numbers that are integers in value (1.0 and 1e3 are) and in range; the wide ones
 *                  too with all their digits
 *     Decimal      numbers, however they are spelled (1e-3), with no digit beyond the scale unless
 *                  it is 0, and not more than the precision in all; never rounded
 *     Float64      numbers. Integers must be exact however they are spelled: 9007199254740993,
 *                  9007199254740993.0 and 9.007199254740993e15 are refused. Decimals round as they
 *                  always do, and so does 1e23, whose digits are not all written. Infinity is out
 *                  of range
 *     Float32      the same, rounded from the Float64
 *     Date         RFC 3339 at midnight UTC, or a number in the route's `unit` that is a whole day;
 *                  1970 to 2149-06-06
 *     DateTime     RFC 3339, or a number in the route's `unit`; 1970 to 2106, whole seconds
 *     DateTime64   the same, 1900 to 2299, no digit beyond the scale unless it is 0
 *     Date32       as Date, 1900 to 2299
 *     UUID         8-4-4-4-12 or 32 hexadecimal digits
 *     Enum         a string that is one of its names, byte for byte; with from_number also the
 *                  number of one
 *     IPv4         a string: four decimal numbers without leading zeros
 *     IPv6         a string as in RFC 4291, without a zone; an IPv4 address becomes
 *                  ::ffff:192.0.2.1 as in ClickHouse
 *     FixedString  a string of up to N bytes; a shorter one gets NUL behind it as in ClickHouse
 *     Array        an array whose elements all fit; or, with a path $.a[*].b, an array of objects,
 *                  of each the value at b
 *     Map          an object whose values all fit and whose keys are all different
 *     Tuple        without names an array of just that length; with names an object that has each
 *                  name once, others are unknown fields: counted, and with unknown_fields: keep,
 *                  which cannot keep them, a reason to refuse the value
 *     JSON         an object, as its bytes; its numbers must fit Int64, UInt64 or Float64 as above,
 *                  and its strings be without lone surrogates, since the server reads it that way
 *
 * Inside an Array, a Map or a Tuple null, and in a Tuple or with $.a[*].b an absent key, is null
 * where the type there is Nullable; else the value as a whole does not fit. Neither does one that
 * takes more than message_memory_max.
 *
 * With from_text also, inside containers too, a string that holds just such a number, true or
 * false, without space: for numbers, Decimal, Bool, times with a unit.
 *
 * Pure.
 */
#ifndef CHSINKD_DECODE_VALUE_H
#define CHSINKD_DECODE_VALUE_H

#include "daemons/chsinkd/batch/column.h"
#include "lib/json/reader.h"

enum value_result {
    VALUE_OK,
    VALUE_ABSENT,  /* null */
    VALUE_INVALID, /* *ret_reason says why; the column's value is not set */
    VALUE_BROKEN,  /* the reader's error */
};

extern const char value_wrong_type[], value_out_of_range[];
extern const char value_too_much_memory[]; /* more than message_memory_max: of the whole message */

/* Consumes the value that the reader is on; of an Array, a Map or a Tuple that is INVALID only a
 * part, and part of it may stand in the blocks inside: the row is given up. */
enum value_result value_put(const struct block *b, struct block_column *c, struct pl_json *j,
                            const char **ret_reason);

/* The least (negative) or the greatest value of a column of integers or Decimal. */
void value_put_limit(const struct block *b, struct block_column *c, bool negative);

/* A count of milliseconds into an integer or DateTime64(3..9) column; false: out of range. */
bool value_put_timestamp_ms(const struct block *b, struct block_column *c, int64_t ms);

#endif
