/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.h - a strict, forward-only JSON reader (RFC 8259) that allocates nothing.
 *
 * The caller walks the document. What it asks for is handed out as slices of the input, the rest is
 * skipped, and all of it is checked: grammar, UTF-8 (RFC 3629: no overlong forms, no surrogates),
 * numbers, escapes, depth. A message costs one pass over its bytes: chsinkd's hot path.
 *
 *     struct pl_json j;
 *     pl_json_init(&j, bytes, len, 64);
 *     if (pl_json_object_begin(&j))
 *         while (pl_json_object_next(&j, &key))
 *             if (pl_json_str_eq(&key, "title")) pl_json_string(&j, &title);
 *             else pl_json_skip(&j, NULL);
 *     if (!pl_json_end(&j)) … j.error, j.p - j.start
 *
 * Errors are sticky: after the first one every call returns false (NONE for the type), so a walk
 * needs one check, at its end. Slices live as long as the input, which needs no terminator.
 *
 * No I/O, no locale. Threads: a reader belongs to one thread.
 */
#ifndef PL_JSON_READER_H
#define PL_JSON_READER_H

#include "lib/base/buf.h"

#include <sys/types.h>

enum pl_json_type {
    PL_JSON_NONE = 0, /* error, or the end of the input */
    PL_JSON_NULL,
    PL_JSON_FALSE,
    PL_JSON_TRUE,
    PL_JSON_NUMBER,
    PL_JSON_STRING,
    PL_JSON_ARRAY,
    PL_JSON_OBJECT,
};

/* The default and the greatest depth that a reader can be given. */
#define PL_JSON_DEPTH_DEFAULT 64
#define PL_JSON_DEPTH_MAX     1024

struct pl_json {
    const char *start, *p, *end;
    const char *error; /* a constant sentence, e.g. "string is not valid UTF-8"; NULL: none */
    unsigned depth, depth_max;
    bool first; /* the next element is the first one of its array or object */
};

/* The text between the quotes, still escaped. */
struct pl_json_str {
    const char *p;
    size_t len;
    bool escaped; /* holds at least one backslash */
};

struct pl_json_num {
    const char *p;
    size_t len;
    bool integer;  /* neither '.' nor exponent */
    bool negative; /* begins with '-' */
};

void pl_json_init(struct pl_json *j, const char *data, size_t len, unsigned depth_max);

/* Type of the next value (white space is passed), by its first character. */
enum pl_json_type pl_json_peek(struct pl_json *j);

/* Each consumes a value of that type; another is an error. */
bool pl_json_null(struct pl_json *j);
bool pl_json_bool(struct pl_json *j, bool *ret_value);
bool pl_json_string(struct pl_json *j, struct pl_json_str *ret_str);
bool pl_json_number(struct pl_json *j, struct pl_json_num *ret_num);

/* begin consumes '[' or '{'. next returns true while there is another element, positioned on its
 * value (after an object's key), and consumes the closing bracket when it returns false. */
bool pl_json_array_begin(struct pl_json *j);
bool pl_json_array_next(struct pl_json *j);
bool pl_json_object_begin(struct pl_json *j);
bool pl_json_object_next(struct pl_json *j, struct pl_json_str *ret_key);

/* Consumes a value of any type, without recursion. ret_raw (may be NULL): its bytes. */
bool pl_json_skip(struct pl_json *j, struct pl_slice *ret_raw);

/* True when no error occurred and only white space is left. */
bool pl_json_end(struct pl_json *j);

/* Unescapes into `out` (at least str->len bytes). Returns the length, or -1 for what UTF-8 cannot
 * carry: a lone surrogate escape. \u0000 gives a NUL byte. */
ssize_t pl_json_unescape(const struct pl_json_str *str, char *out);

/* The same, appended; false: lone surrogate or the buffer's maximum. */
bool pl_json_unescape_buf(const struct pl_json_str *str, struct pl_buf *out);

/* Compares the unescaped text. Inline, so that a constant `s` costs one comparison of lengths. */
bool pl_json_str_eq_escaped(const struct pl_json_str *str, const char *s);
static inline bool pl_json_str_eq(const struct pl_json_str *str, const char *s)
{
    if (str->escaped)
        return pl_json_str_eq_escaped(str, s);
    return str->len == strlen(s) && memcmp(str->p, s, str->len) == 0;
}

enum pl_json_num_result {
    PL_JSON_NUM_OK = 0,
    PL_JSON_NUM_RANGE,     /* does not fit the type */
    PL_JSON_NUM_PRECISION, /* a fraction for an integer, or an integer that a double cannot hold */
};

/* Exact conversions. 1.0 and 1e3 are integers in value and convert; 1.5 is PRECISION. */
enum pl_json_num_result pl_json_num_i64(const struct pl_json_num *n, int64_t *ret_value);
enum pl_json_num_result pl_json_num_u64(const struct pl_json_num *n, uint64_t *ret_value);
/* The number times 10^scale (-32 to 32) as an integer: 1.25 with scale 3 is 1250, with scale 1
 * PRECISION. */
enum pl_json_num_result pl_json_num_scaled(const struct pl_json_num *n, int scale,
                                           int64_t *ret_value);
/* The same without its sign, of up to digits_max digits (more are RANGE) and 256 bits, the least
 * 32 of them first; scale 0 to 76. On PRECISION it is there, too, without the other digits. */
enum pl_json_num_result pl_json_num_wide(const struct pl_json_num *n, unsigned scale,
                                         unsigned digits_max, uint32_t ret_value[8]);
/* Correctly rounded (as strtod in the C locale). An integer literal beyond 2^53 that is not exactly
 * a double is PRECISION; overflow to infinity is RANGE; decimals round, as they always do. */
enum pl_json_num_result pl_json_num_f64(const struct pl_json_num *n, double *ret_value);
/* The same, however the integer is spelled: 9007199254740993.0 and 9.007199254740993e15 are
 * PRECISION, too. */
enum pl_json_num_result pl_json_num_f64_exact(const struct pl_json_num *n, double *ret_value);
/* -1, 0 or 1: the order of their values, exactly. 1, 1.0 and 10e-1 are equal, 0 and -0, too. */
int pl_json_num_compare(const struct pl_json_num *a, const struct pl_json_num *b);
/* An integer in value with all its digits written: 17, 17.0, 1.7e1. Not 17e3, whose zeros are not
 * written: such a number has been rounded to its digits already, and is a decimal. */
bool pl_json_num_is_integer(const struct pl_json_num *n);

/* Appends `data` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. false:
 * the buffer's maximum, nothing was added. */
bool pl_json_quote(struct pl_buf *out, const char *data, size_t len);

bool pl_utf8_valid(const char *data, size_t len);

#endif
