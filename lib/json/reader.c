/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.c - see reader.h.
 *
 * Each *_pass() and *_skip() takes the position and returns the one after what it passed, or NULL
 * when it has recorded an error. The position is in a register meanwhile; only the public functions
 * store it in the reader.
 */
#include "lib/json/reader.h"

#include "lib/json/internal.h"

#define HOT static inline __attribute__((always_inline))

static const char error_cut[] = "document ends too early";
static const char error_value[] = "expected a value";
static const char error_depth[] = "document is nested too deeply";

__attribute__((cold, noinline)) static const char *fail_at(struct pl_json *j, const char *p,
                                                           const char *error)
{
    if (!j->error) {
        j->error = p == j->end ? error_cut : error;
        j->p = p;
    }
    return NULL;
}

void pl_json_init(struct pl_json *j, const char *data, size_t len, unsigned depth_max)
{
    if (depth_max == 0)
        depth_max = PL_JSON_DEPTH_DEFAULT;
    if (depth_max > PL_JSON_DEPTH_MAX)
        depth_max = PL_JSON_DEPTH_MAX;
    *j = (struct pl_json){
        .start = data, .p = data, .end = len > 0 ? data + len : data, .depth_max = depth_max};
}

/* Most producers write no white space, so the first test decides. */
HOT const char *space_skip(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' &&
           (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

HOT bool byte_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static bool byte_is_hex(char c)
{
    return byte_is_digit(c) || (unsigned char)((c | 0x20) - 'a') < 6;
}

/* p is at a backslash. */
static const char *escape_skip(struct pl_json *j, const char *p)
{
    if (j->end - p < 2)
        return fail_at(j, j->end, error_cut);
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        for (unsigned i = 2; i < 6; i++) {
            if (p + i == j->end || !byte_is_hex(p[i]))
                return fail_at(j, p + i, "\\u is not followed by four hexadecimal digits");
        }
        return p + 6;
    default:
        return fail_at(j, p, "unknown escape in a string");
    }
}

/* From a string's first byte that is not plain to its closing quote. */
__attribute__((noinline)) static const char *string_pass_rest(struct pl_json *j, const char *p,
                                                              bool *ret_escaped)
{
    const char *start = j->start, *end = j->end;
    bool escaped = false;
    while (p < end && *p != '"') {
        if (*p == '\\') {
            escaped = true;
            p = escape_skip(j, p);
            if (!p)
                return NULL;
        } else if (*p & 0x80) {
            const char *bad;
            p = json_utf8_pass(p, end, &bad);
            if (!p)
                return fail_at(j, bad, "string is not valid UTF-8");
        } else {
            return fail_at(j, p, "control character in a string");
        }
        p = json_plain_skip(start, p, end);
    }
    if (p == end)
        return fail_at(j, p, error_cut);
    *ret_escaped = escaped;
    return p;
}

/* From after the opening quote to after the closing one. */
HOT const char *string_skip(struct pl_json *j, const char *p, struct pl_json_str *ret_str)
{
    const char *begin = p;
    bool escaped = false;
    p = json_plain_skip(j->start, p, j->end);
    if (__builtin_expect(p == j->end || *p != '"', 0)) {
        p = string_pass_rest(j, p, &escaped);
        if (!p)
            return NULL;
    }
    *ret_str = (struct pl_json_str){.p = begin, .len = (size_t)(p - begin), .escaped = escaped};
    return p + 1;
}

HOT const char *digits_skip(const char *p, const char *end)
{
    while (p < end && byte_is_digit(*p))
        p++;
    return p;
}

/* At least one digit. */
static const char *digits_pass_some(struct pl_json *j, const char *p)
{
    const char *behind = digits_skip(p, j->end);
    return behind > p ? behind : fail_at(j, p, "number lacks a digit");
}

/* Fraction and exponent: p is at '.', 'e' or 'E'. */
static const char *number_pass_rest(struct pl_json *j, const char *p)
{
    if (*p == '.') {
        p = digits_pass_some(j, p + 1);
        if (!p)
            return NULL;
    }
    if (p < j->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < j->end && (*p == '+' || *p == '-'))
            p++;
        p = digits_pass_some(j, p);
    }
    return p;
}

/* p is at '-' or a digit. */
HOT const char *number_skip(struct pl_json *j, const char *p, struct pl_json_num *ret_num)
{
    const char *begin = p, *end = j->end;
    bool negative = *p == '-', integer = true;
    if (negative)
        p++;
    if (p < end && *p == '0') {
        p++;
    } else {
        const char *digits = p;
        p = digits_skip(p, end);
        if (p == digits)
            return fail_at(j, p, "number lacks a digit");
    }
    if (p < end && (*p == '.' || *p == 'e' || *p == 'E')) {
        integer = false;
        p = number_pass_rest(j, p);
        if (!p)
            return NULL;
    }
    *ret_num = (struct pl_json_num){
        .p = begin, .len = (size_t)(p - begin), .integer = integer, .negative = negative};
    return p;
}

HOT const char *word_skip(struct pl_json *j, const char *p, const char *word, size_t len)
{
    if ((size_t)(j->end - p) >= len) {
        if (memcmp(p, word, len) == 0)
            return p + len;
    } else if (memcmp(p, word, (size_t)(j->end - p)) == 0) {
        return fail_at(j, j->end, error_cut);
    }
    return fail_at(j, p, error_value);
}

HOT enum pl_json_type byte_type(char c)
{
    switch (c) {
    case 'n':
        return PL_JSON_NULL;
    case 'f':
        return PL_JSON_FALSE;
    case 't':
        return PL_JSON_TRUE;
    case '"':
        return PL_JSON_STRING;
    case '[':
        return PL_JSON_ARRAY;
    case '{':
        return PL_JSON_OBJECT;
    case '-':
    case '0' ... '9':
        return PL_JSON_NUMBER;
    default:
        return PL_JSON_NONE;
    }
}

enum pl_json_type pl_json_peek(struct pl_json *j)
{
    if (j->error)
        return PL_JSON_NONE;
    j->p = space_skip(j->p, j->end);
    if (j->p == j->end) {
        if (j->depth > 0)
            fail_at(j, j->p, error_cut);
        return PL_JSON_NONE;
    }
    enum pl_json_type type = byte_type(*j->p);
    if (type == PL_JSON_NONE)
        fail_at(j, j->p, error_value);
    return type;
}

/* Puts the reader on a value that begins with `first`. `error` says what else it is. */
HOT const char *value_at(struct pl_json *j, char first, const char *error)
{
    if (__builtin_expect(j->error != NULL, 0))
        return NULL;
    const char *p = space_skip(j->p, j->end);
    if (__builtin_expect(p == j->end || *p != first, 0))
        return fail_at(j, p, error);
    return p;
}

/* Moves the reader to p; false when passing failed. */
HOT bool advance(struct pl_json *j, const char *p)
{
    if (__builtin_expect(!p, 0))
        return false;
    j->p = p;
    return true;
}

bool pl_json_null(struct pl_json *j)
{
    const char *p = value_at(j, 'n', "value is not null");
    return p && advance(j, word_skip(j, p, "null", 4));
}

bool pl_json_bool(struct pl_json *j, bool *ret_value)
{
    if (j->error)
        return false;
    const char *p = space_skip(j->p, j->end);
    bool value = p < j->end && *p == 't';
    if (!value && (p == j->end || *p != 'f'))
        return fail_at(j, p, "value is neither true nor false"), false;
    if (!advance(j, value ? word_skip(j, p, "true", 4) : word_skip(j, p, "false", 5)))
        return false;
    *ret_value = value;
    return true;
}

bool pl_json_string(struct pl_json *j, struct pl_json_str *ret_str)
{
    const char *p = value_at(j, '"', "value is not a string");
    return p && advance(j, string_skip(j, p + 1, ret_str));
}

bool pl_json_number(struct pl_json *j, struct pl_json_num *ret_num)
{
    if (j->error)
        return false;
    const char *p = space_skip(j->p, j->end);
    if (p == j->end || (*p != '-' && !byte_is_digit(*p)))
        return fail_at(j, p, "value is not a number"), false;
    return advance(j, number_skip(j, p, ret_num));
}

HOT bool container_begin(struct pl_json *j, const char *p)
{
    if (!p)
        return false;
    if (j->depth == j->depth_max)
        return fail_at(j, p, error_depth), false;
    j->depth++;
    j->first = true;
    j->p = p + 1;
    return true;
}

bool pl_json_array_begin(struct pl_json *j)
{
    return container_begin(j, value_at(j, '[', "value is not an array"));
}

bool pl_json_object_begin(struct pl_json *j)
{
    return container_begin(j, value_at(j, '{', "value is not an object"));
}

/* Passes the comma before an element; NULL at the end of the container (the reader has left it
 * then) and after an error. `close` is its bracket. */
HOT const char *element_at(struct pl_json *j, char close, const char *error)
{
    if (__builtin_expect(j->error != NULL, 0))
        return NULL;
    const char *p = space_skip(j->p, j->end);
    if (__builtin_expect(p == j->end, 0))
        return fail_at(j, p, error_cut);
    if (*p == close && j->depth > 0) {
        j->depth--;
        j->first = false;
        j->p = p + 1;
        return NULL;
    }
    if (j->first) {
        j->first = false;
        return p;
    }
    if (__builtin_expect(*p != ',', 0))
        return fail_at(j, p, error);
    return space_skip(p + 1, j->end);
}

/* A key with its colon, up to the value. */
HOT const char *key_skip(struct pl_json *j, const char *p, struct pl_json_str *ret_key)
{
    if (__builtin_expect(p == j->end || *p != '"', 0))
        return fail_at(j, p, "expected a key");
    struct pl_json_str key;
    p = string_skip(j, p + 1, &key);
    if (__builtin_expect(!p, 0))
        return NULL;
    p = space_skip(p, j->end);
    if (__builtin_expect(p == j->end || *p != ':', 0))
        return fail_at(j, p, "expected ':' after a key");
    *ret_key = key;
    return space_skip(p + 1, j->end);
}

bool pl_json_array_next(struct pl_json *j)
{
    const char *p = element_at(j, ']', "expected ',' or ']'");
    if (!p)
        return false;
    if (p < j->end && *p == ']')
        return fail_at(j, p, error_value), false;
    j->p = p;
    return true;
}

#if PL_JSON_SSE2
/* Nearly every member but the first: a comma, a plain key of fewer than sixteen bytes and a colon,
 * no white space. NULL for any other, and then nothing has changed. */
HOT const char *member_pass_usual(const struct pl_json *j, const char *p,
                                  struct pl_json_str *ret_key)
{
    /* Comma, quote, a block, the colon after it and a byte of the value. */
    if (j->end - p < 2 + 16 + 2 || p[0] != ',' || p[1] != '"' || j->first || j->depth == 0 ||
        j->error)
        return NULL;
    unsigned specials = json_block_specials(p + 2);
    unsigned len = (unsigned)__builtin_ctz(specials | 1U << 16);
    const char *behind = p + 2 + len;
    if (len == 16 || behind[0] != '"' || behind[1] != ':' || behind[2] <= ' ')
        return NULL;
    *ret_key = (struct pl_json_str){.p = p + 2, .len = len};
    return behind + 2;
}
#endif

bool pl_json_object_next(struct pl_json *j, struct pl_json_str *ret_key)
{
#if PL_JSON_SSE2
    const char *value = member_pass_usual(j, j->p, ret_key);
    if (__builtin_expect(value != NULL, 1)) {
        j->p = value;
        return true;
    }
#endif
    const char *p = element_at(j, '}', "expected ',' or '}'");
    return p && advance(j, key_skip(j, p, ret_key));
}

/* A string, a number or a word. */
HOT const char *scalar_skip(struct pl_json *j, const char *p)
{
    if (p == j->end)
        return fail_at(j, p, error_cut);
    struct pl_json_str str;
    if (*p == '"')
        return string_skip(j, p + 1, &str);
    struct pl_json_num num;
    switch (byte_type(*p)) {
    case PL_JSON_NUMBER:
        return number_skip(j, p, &num);
    case PL_JSON_NULL:
        return word_skip(j, p, "null", 4);
    case PL_JSON_TRUE:
        return word_skip(j, p, "true", 4);
    case PL_JSON_FALSE:
        return word_skip(j, p, "false", 5);
    case PL_JSON_STRING:
    case PL_JSON_ARRAY:
    case PL_JSON_OBJECT:
    case PL_JSON_NONE:
        break;
    }
    return fail_at(j, p, error_value);
}

/* The containers that a skip is in, innermost last: a bit each, set for objects. */
struct nesting {
    unsigned depth, depth_max;
    bool in_object; /* the innermost */
    uint64_t bits[PL_JSON_DEPTH_MAX / 64];
};

HOT void nesting_push(struct nesting *n, bool object)
{
    uint64_t bit = UINT64_C(1) << (n->depth % 64), *word = &n->bits[n->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    n->depth++;
    n->in_object = object;
}

HOT void nesting_pop(struct nesting *n)
{
    n->depth--;
    if (n->depth > 0) {
        unsigned parent = n->depth - 1;
        n->in_object = n->bits[parent / 64] >> (parent % 64) & 1;
    }
}

/* After a value: passes closing brackets, then the comma and an object's key, up to the next value
 * or to the end of the outermost container (depth is 0). */
HOT const char *follow_skip(struct pl_json *j, struct nesting *n, const char *p)
{
    struct pl_json_str key;
    for (;;) {
        p = space_skip(p, j->end);
        if (p == j->end)
            return fail_at(j, p, error_cut);
        if (*p == ',') {
            p = space_skip(p + 1, j->end);
            return n->in_object ? key_skip(j, p, &key) : p;
        }
        if (*p != (n->in_object ? '}' : ']'))
            return fail_at(j, p, n->in_object ? "expected ',' or '}'" : "expected ',' or ']'");
        p++;
        nesting_pop(n);
        if (n->depth == 0)
            return p;
    }
}

/* An array or object from its bracket on. */
static const char *container_skip(struct pl_json *j, const char *p)
{
    struct nesting n; /* the bits are set as they are needed */
    n.depth = 0;
    n.depth_max = j->depth_max - j->depth;
    n.in_object = false;
    struct pl_json_str key;
    do {
        bool object = p < j->end && *p == '{';
        if (object || (p < j->end && *p == '[')) {
            if (n.depth == n.depth_max)
                return fail_at(j, p, error_depth);
            if (n.depth % 64 == 0)
                n.bits[n.depth / 64] = 0;
            nesting_push(&n, object);
            p = space_skip(p + 1, j->end);
            bool empty = p < j->end && *p == (object ? '}' : ']');
            if (!empty) {
                p = object ? key_skip(j, p, &key) : p;
                continue;
            }
        } else {
            p = scalar_skip(j, p);
        }
        p = p ? follow_skip(j, &n, p) : NULL;
    } while (p && n.depth > 0);
    return p;
}

bool pl_json_skip(struct pl_json *j, struct pl_slice *ret_raw)
{
    if (__builtin_expect(j->error != NULL, 0))
        return false;
    const char *begin = space_skip(j->p, j->end);
    bool container = begin < j->end && (*begin == '{' || *begin == '[');
    const char *p = container ? container_skip(j, begin) : scalar_skip(j, begin);
    if (!advance(j, p))
        return false;
    if (ret_raw)
        *ret_raw = (struct pl_slice){.p = begin, .len = (size_t)(p - begin)};
    return true;
}

bool pl_json_end(struct pl_json *j)
{
    if (j->error)
        return false;
    j->p = space_skip(j->p, j->end);
    if (j->p < j->end)
        fail_at(j, j->p, "expected the end of the document");
    else if (j->depth > 0)
        fail_at(j, j->p, error_cut);
    return !j->error;
}
