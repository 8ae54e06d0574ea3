/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlap.c - see overlap.h.
 */
#include "daemons/chsinkd/route/overlap.h"

#include "lib/base/buf.h"

#define REPEAT_MAX 64
/* Alternatives of a group that are tried. */
#define PICKS 8

static bool byte_is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* Behind the bracket expression that begins at p. */
static const char *bracket_end(const char *p)
{
    p += p[1] == '^' ? 2 : 1;
    if (*p == ']')
        p++;
    for (; *p && *p != ']'; p++)
        if (*p == '[' && (p[1] == ':' || p[1] == '.' || p[1] == '=')) {
            const char *close = strchr(p + 2, p[1]);
            while (close && close[1] != ']')
                close = strchr(close + 1, p[1]);
            if (!close)
                return p + strlen(p);
            p = close + 1;
        }
    return *p ? p + 1 : p;
}

/* A byte that the bracket expression [p, end) takes: the C library is asked. */
static char bracket_byte(const char *p, const char *end)
{
    static const char bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    PL_FREE char *text = pl_strndup(p, (size_t)(end - p));
    regex_t one;
    char found = 'x';
    if (regcomp(&one, text, REG_EXTENDED | REG_NOSUB) != 0)
        return found;
    for (const char *c = bytes; *c; c++)
        if (regexec(&one, (const char[]){*c, '\0'}, 0, NULL, 0) == 0) {
            found = *c;
            break;
        }
    regfree(&one);
    return found;
}

/* From inside a group, or the whole, to the '|' or ')' where the alternative ends, or the end of
 * the
 * text. */
static const char *alternative_end(const char *p)
{
    for (unsigned depth = 0; *p; p++) {
        if (*p == '\\' && p[1])
            p++;
        else if (*p == '[')
            p = bracket_end(p) - 1;
        else if (*p == '(')
            depth++;
        else if (depth == 0 && (*p == '|' || *p == ')'))
            break;
        else if (*p == ')')
            depth--;
    }
    return p;
}

/* The beginning of alternative number `pick` of those that begin at p, or of the last. */
static const char *alternative_pick(const char *p, unsigned pick)
{
    for (const char *end; pick > 0 && *(end = alternative_end(p)) == '|'; pick--)
        p = end + 1;
    return p;
}

/* Writes the atom as often as its quantifier at p demands; returns behind that. `wild`: the atom is
 * a '.', written as `fill`. */
static const char *atom_add(const char *p, char atom, const char *fill, struct pl_buf *out)
{
    bool many = *p == '*' || *p == '+';
    if (fill && many && (*fill || *p == '*')) {
        pl_buf_add_str(out, fill);
        return p + 1;
    }
    unsigned long n = *p == '{' ? strtoul(p + 1, NULL, 10) : 1;
    for (unsigned long i = 0; i < n && i < REPEAT_MAX; i++)
        pl_buf_add_byte(out, atom);
    if (*p == '{')
        p += strcspn(p, "}");
    return *p && (many || *p == '?' || *p == '}') ? p + 1 : p;
}

/* A name that the pattern probably takes: alternatives number `pick`, `fill` for ".*". */
static void name_write(const char *pattern, unsigned pick, const char *fill, struct pl_buf *out)
{
    const char *p = alternative_pick(pattern, pick), *end;
    while (*p) {
        switch (*p) {
        case '^':
        case '$':
            p++;
            break;
        case '(':
            p = alternative_pick(p + 1, pick);
            break;
        case ')': /* a group is there once */
            p += 1 + strspn(p + 1, "*+?");
            if (*p == '{')
                p += strcspn(p, "}");
            p += *p == '}';
            break;
        case '|':
            while (*p == '|')
                p = alternative_end(p + 1);
            break;
        case '.':
            p = atom_add(p + 1, 'x', fill, out);
            break;
        case '[':
            end = bracket_end(p);
            p = atom_add(end, bracket_byte(p, end), NULL, out);
            break;
        case '\\':
            p += p[1] != '\0';
            p = atom_add(p + 1, *p, NULL, out);
            break;
        default:
            p = atom_add(p + 1, *p, NULL, out);
            break;
        }
    }
}

static bool both_take(const struct route *a, const struct route *b, const char *name,
                      char *ret_topic)
{
    size_t len = strlen(name);
    if (len == 0 || len > ROUTE_TOPIC_MAX || !route_takes(a, name) || !route_takes(b, name))
        return false;
    memcpy(ret_topic, name, len + 1);
    return true;
}

static bool is_name(const char *name)
{
    while (byte_is_name(*name))
        name++;
    return !*name;
}

/* Tries names of a's pattern: short ones, and such that hold a name of b's. */
static bool names_try(const struct route *a, const struct route *b, char *ret_topic)
{
    static const char *const fills[] = {"", "x", "1"};
    PL_CLEANUP(pl_buf_release) struct pl_buf inner = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf name = {0};
    for (unsigned i = 0; i < 2 * PL_COUNT(fills) * PICKS; i++) {
        const char *fill = fills[i / 2 % PL_COUNT(fills)];
        unsigned pick = i / 2 / PL_COUNT(fills);
        pl_buf_reset(&inner);
        if (i % 2 == 1)
            name_write(b->topic_pattern, pick, fill, &inner);
        else
            pl_buf_add_str(&inner, fill);
        pl_buf_reset(&name);
        name_write(a->topic_pattern, pick, pl_buf_cstr(&inner), &name);
        if (is_name(pl_buf_cstr(&name)) && both_take(a, b, pl_buf_cstr(&name), ret_topic))
            return true;
    }
    return false;
}

bool route_overlaps(const struct route *a, const struct route *b, char *ret_topic)
{
    if (a->topic || b->topic)
        return both_take(a, b, a->topic ? a->topic : b->topic, ret_topic);
    if (!a->pattern_compiled || !b->pattern_compiled)
        return false;
    return names_try(a, b, ret_topic) || names_try(b, a, ret_topic);
}
