/* SPDX-License-Identifier: Apache-2.0 */
/*
 * skim.c - see skim.h.
 *
 * Each state has a function that is given one byte and tells whether it used it; the byte that
 * ends a number is not used, and goes to the state behind the number.
 */
#include "lib/json/skim.h"

#include <stddef.h>

enum skim_state {
    VALUE,        /* a value must come */
    VALUE_OR_END, /* behind '[' */
    KEY_OR_END,   /* behind '{' */
    KEY,          /* behind ',' in an object */
    COLON,
    AFTER, /* behind a value in a container */
    STRING,
    ESCAPE,
    HEX,
    UTF8,
    WORD,
    MINUS, /* of a number: what was seen last */
    ZERO,
    INTEGER,
    POINT,
    FRACTION,
    EXPONENT,
    SIGN,
    POWER,
};

void pl_skim_init(struct pl_skim *s, unsigned depth)
{
    *s = (struct pl_skim){.state = VALUE, .around = (uint8_t)depth};
}

/* An error uses its byte, so that no loop goes on. */
static bool fail(struct pl_skim *s, const char *error)
{
    s->error = error;
    return true;
}

static void value_end(struct pl_skim *s)
{
    s->done = s->inside == 0;
    s->state = AFTER;
}

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(unsigned char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* ---- values ---- */

static bool container_begin(struct pl_skim *s, bool object)
{
    if (s->around + s->inside >= PL_SKIM_DEPTH_MAX)
        return fail(s, "document is nested too deeply");
    s->inside++;
    s->objects = s->objects << 1 | object;
    s->state = object ? KEY_OR_END : VALUE_OR_END;
    return true;
}

static bool container_end(struct pl_skim *s)
{
    s->inside--;
    s->objects >>= 1;
    value_end(s);
    return true;
}

static bool string_begin(struct pl_skim *s, bool key)
{
    s->key = key;
    s->state = STRING;
    return true;
}

static bool word_begin(struct pl_skim *s, const char *rest)
{
    s->word = rest;
    s->state = WORD;
    return true;
}

static bool value_begin(struct pl_skim *s, unsigned char c)
{
    switch (c) {
    case '{':
    case '[':
        return container_begin(s, c == '{');
    case '"':
        return string_begin(s, false);
    case 't':
        return word_begin(s, "rue");
    case 'f':
        return word_begin(s, "alse");
    case 'n':
        return word_begin(s, "ull");
    case '-':
        s->state = MINUS;
        return true;
    case '0':
        s->state = ZERO;
        return true;
    case '1' ... '9':
        s->state = INTEGER;
        return true;
    default:
        return fail(s, "expected a value");
    }
}

static bool between(struct pl_skim *s, unsigned char c)
{
    bool object = s->objects & 1;
    if (is_space(c))
        return true;
    if (s->state == COLON) {
        s->state = VALUE;
        return c == ':' ? true : fail(s, "expected ':' after a key");
    }
    if (s->state == AFTER && c == ',') {
        s->state = object ? KEY : VALUE;
        return true;
    }
    if (s->state == AFTER && c != (object ? '}' : ']'))
        return fail(s, object ? "expected ',' or '}'" : "expected ',' or ']'");
    if (s->state == AFTER || (s->state == KEY_OR_END && c == '}') ||
        (s->state == VALUE_OR_END && c == ']'))
        return container_end(s);
    if (s->state == KEY || s->state == KEY_OR_END)
        return c == '"' ? string_begin(s, true) : fail(s, "expected a key");
    return value_begin(s, c);
}

/* ---- texts ---- */

/* The table of RFC 3629, section 4: only the second byte has narrower ranges. */
static bool utf8_begin(struct pl_skim *s, unsigned char c)
{
    if (c < 0xc2 || c > 0xf4)
        return fail(s, "string is not valid UTF-8");
    s->left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    s->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    s->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    s->state = UTF8;
    return true;
}

static bool string_byte(struct pl_skim *s, unsigned char c)
{
    if (c == '\\') {
        s->state = ESCAPE;
    } else if (c == '"') {
        if (s->key)
            s->state = COLON;
        else
            value_end(s);
    } else if (c >= 0x80) {
        return utf8_begin(s, c);
    } else if (c < 0x20) {
        return fail(s, "control character in a string");
    }
    return true;
}

static bool escape_byte(struct pl_skim *s, unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        s->state = STRING;
        return true;
    case 'u':
        s->left = 4;
        s->state = HEX;
        return true;
    default:
        return fail(s, "unknown escape in a string");
    }
}

static bool hex_byte(struct pl_skim *s, unsigned char c)
{
    if (!is_hex(c))
        return fail(s, "\\u is not followed by four hexadecimal digits");
    if (--s->left == 0)
        s->state = STRING;
    return true;
}

static bool utf8_byte(struct pl_skim *s, unsigned char c)
{
    if (c < s->low || c > s->high)
        return fail(s, "string is not valid UTF-8");
    s->low = 0x80;
    s->high = 0xbf;
    if (--s->left == 0)
        s->state = STRING;
    return true;
}

static bool word_byte(struct pl_skim *s, unsigned char c)
{
    if (c != (unsigned char)*s->word)
        return fail(s, "expected a value");
    if (*++s->word == '\0')
        value_end(s);
    return true;
}

/* ---- numbers ---- */

static bool number_end(struct pl_skim *s)
{
    value_end(s);
    return false;
}

/* A digit must come, and leads to `next`. */
static bool digit_needed(struct pl_skim *s, unsigned char c, enum skim_state next)
{
    if (!is_digit(c))
        return fail(s, "number lacks a digit");
    s->state = next;
    return true;
}

static bool number_byte(struct pl_skim *s, unsigned char c)
{
    if (s->state == MINUS)
        return digit_needed(s, c, c == '0' ? ZERO : INTEGER);
    if (s->state == POINT)
        return digit_needed(s, c, FRACTION);
    if (s->state == EXPONENT && (c == '+' || c == '-'))
        s->state = SIGN;
    else if (s->state == EXPONENT || s->state == SIGN)
        return digit_needed(s, c, POWER);
    else if (is_digit(c) && s->state != ZERO)
        return true;
    else if ((c == 'e' || c == 'E') && s->state != POWER)
        s->state = EXPONENT;
    else if (c == '.' && (s->state == ZERO || s->state == INTEGER))
        s->state = POINT;
    else
        return number_end(s);
    return true;
}

/* ---- */

static bool byte_take(struct pl_skim *s, unsigned char c)
{
    switch ((enum skim_state)s->state) {
    case STRING:
        return string_byte(s, c);
    case ESCAPE:
        return escape_byte(s, c);
    case HEX:
        return hex_byte(s, c);
    case UTF8:
        return utf8_byte(s, c);
    case WORD:
        return word_byte(s, c);
    case MINUS:
    case ZERO:
    case INTEGER:
    case POINT:
    case FRACTION:
    case EXPONENT:
    case SIGN:
    case POWER:
        return number_byte(s, c);
    case VALUE:
    case VALUE_OR_END:
    case KEY_OR_END:
    case KEY:
    case COLON:
    case AFTER:
        return between(s, c);
    }
    return false;
}

const char *pl_skim_feed(struct pl_skim *s, const char *p, const char *end)
{
    while (p < end && !s->done && !s->error)
        p += byte_take(s, (unsigned char)*p);
    return p;
}
