/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_word.c - strings that stand for something else: the names of an Enum, addresses; strings of
 * a fixed length; and the numbers that a column takes in their place (from_number).
 */
#include <arpa/inet.h>

#include "daemons/chsinkd/decode/value_internal.h"

static const char not_a_name[] = "string is not a name of the column's Enum";
static const char not_a_number[] = "number is not one of the column's Enum";
static const char not_ipv4[] = "value is not an IPv4 address";
static const char not_ipv6[] = "value is not an IPv6 or IPv4 address";
static const char too_long[] = "string is longer than the column's FixedString";

#define WORD_SIZE CH_FIXED_STRING_MAX
_Static_assert(WORD_SIZE >= CH_ENUM_NAME_MAX && WORD_SIZE > INET6_ADDRSTRLEN, "of each kind");

/* A dotted quad or RFC 4291's spellings, as inet_pton(3) takes them. */
static bool address_put(const struct block *b, struct block_column *c, const char *p, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6 = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    if (len >= sizeof(text) || memchr(p, '\0', len))
        return false;
    memcpy(text, p, len);
    text[len] = '\0';
    bool is_v4 = inet_pton(AF_INET, text, &v4) == 1;
    if (c->column->type.kind == CH_IPV4) {
        uint32_t address = ntohl(v4.s_addr);
        if (is_v4)
            memcpy(block_fixed(b, c), &address, sizeof(address));
        return is_v4;
    }
    if (is_v4)
        memcpy(&v6.s6_addr[12], &v4, sizeof(v4)); /* ::ffff:192.0.2.1, as ClickHouse does it */
    else if (inet_pton(AF_INET6, text, &v6) != 1)
        return false;
    memcpy(block_fixed(b, c), &v6, sizeof(v6));
    return true;
}

static enum value_result word_put(const struct block *b, struct block_column *c, const char *p,
                                  size_t len, const char **ret_reason)
{
    const struct ch_type *t = &c->column->type;
    if (t->kind == CH_FIXED_STRING) {
        if (len > c->width)
            return value_invalid(ret_reason, too_long);
        char *at = block_fixed(b, c);
        memcpy(at, p, len);
        memset(at + len, 0, c->width - len);
        return VALUE_OK;
    }
    if (t->names_n == 0) {
        if (address_put(b, c, p, len))
            return VALUE_OK;
        return value_invalid(ret_reason, t->kind == CH_IPV4 ? not_ipv4 : not_ipv6);
    }
    const struct ch_enum_name *name = ch_enum_find(t, p, len);
    if (!name)
        return value_invalid(ret_reason, not_a_name);
    memcpy(block_fixed(b, c), &name->number, c->width);
    return VALUE_OK;
}

enum value_result value_put_word(const struct block *b, struct block_column *c, struct pl_json *j,
                                 const char **ret_reason)
{
    struct pl_json_str s;
    char text[6 * WORD_SIZE]; /* an escape is up to six bytes for one */
    if (!pl_json_string(j, &s))
        return VALUE_BROKEN;
    /* What is longer is too long for each kind, whatever its escapes are. */
    if (!s.escaped || s.len > sizeof(text))
        return word_put(b, c, s.p, s.len, ret_reason);
    ssize_t len = pl_json_unescape(&s, text);
    if (len < 0)
        return value_invalid(ret_reason, value_lone_surrogate);
    return word_put(b, c, text, (size_t)len, ret_reason);
}

enum value_result value_put_word_number(const struct block *b, struct block_column *c,
                                        struct pl_json *j, const char **ret_reason)
{
    const struct ch_type *t = &c->column->type;
    struct pl_json_num n;
    int64_t v;
    if (!pl_json_number(j, &n))
        return VALUE_BROKEN;
    enum pl_json_num_result result = pl_json_num_i64(&n, &v);
    if (result != PL_JSON_NUM_OK)
        return value_invalid_number(ret_reason, result);
    if (t->kind == CH_BOOL ? v != 0 && v != 1 : !ch_enum_at(t, v))
        return value_invalid(ret_reason, t->kind == CH_BOOL ? value_out_of_range : not_a_number);
    memcpy(block_fixed(b, c), &v, c->width);
    return VALUE_OK;
}
