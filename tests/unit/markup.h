/* SPDX-License-Identifier: Apache-2.0 */
/*
 * markup.h - whether a page is well-formed: a strict reader of the XML that our pages keep to.
 *
 * Elements are closed in order, attributes quoted and none twice, `<` and `&` only as markup, no
 * element that loads or runs something, valid UTF-8 without control characters.
 */
#ifndef TESTS_UNIT_MARKUP_H
#define TESTS_UNIT_MARKUP_H

#include <ctype.h>
#include <string.h>

#include "lib/base/text.h"
#include "tests/unit/unit.h"

struct markup {
    const char *p, *end;
    char open[32][24];
    int depth;
};

static inline void markup_name(struct markup *m, char *out)
{
    size_t n = 0;
    while (m->p < m->end && (isalnum((unsigned char)*m->p) || *m->p == '-') && n < 23)
        out[n++] = *m->p++;
    ck_assert_msg(n > 0 && n < 23, "no name at: %.60s", m->p);
    out[n] = '\0';
}

/* One character of text or of a value. */
static inline void markup_char(struct markup *m)
{
    static const char *const entities[] = {"&lt;", "&gt;", "&amp;", "&quot;"};
    size_t n = pl_utf8_char(m->p, (size_t)(m->end - m->p));
    ck_assert_msg(n > 0, "not UTF-8");
    ck_assert_msg(*m->p == '\n' || !pl_text_acts(m->p, n), "a character that acts");
    if (*m->p == '&') {
        n = 0;
        for (size_t i = 0; i < PL_COUNT(entities); i++)
            if (strncmp(m->p, entities[i], strlen(entities[i])) == 0)
                n = strlen(entities[i]);
        ck_assert_msg(n > 0, "no entity: %.60s", m->p);
    }
    m->p += n;
}

static inline void markup_attributes(struct markup *m)
{
    char names[16][24];
    int n = 0;
    while (*m->p == ' ') {
        m->p++;
        ck_assert_int_lt(n, 16);
        markup_name(m, names[n]);
        ck_assert_msg(strncmp(names[n], "on", 2) != 0, "a script: %s", names[n]);
        for (int i = 0; i < n; i++)
            ck_assert_str_ne(names[i], names[n]);
        n++;
        ck_assert_msg(strncmp(m->p, "=\"", 2) == 0, "no value: %.60s", m->p);
        for (m->p += 2; *m->p != '"';) {
            ck_assert_msg(*m->p != '<' && *m->p, "in a value: %.60s", m->p);
            markup_char(m);
        }
        m->p++;
    }
}

static inline void markup_tag(struct markup *m)
{
    static const char *const never[] = {"script", "iframe", "object", "embed", "img", "form"};
    char name[24];
    bool closes = *m->p == '/';
    m->p += closes;
    markup_name(m, name);
    for (size_t i = 0; i < PL_COUNT(never); i++)
        ck_assert_str_ne(name, never[i]);
    if (closes) {
        ck_assert_msg(m->depth > 0 && strcmp(m->open[m->depth - 1], name) == 0, "</%s> closes <%s>",
                      name, m->depth > 0 ? m->open[m->depth - 1] : "");
        m->depth--;
    } else {
        markup_attributes(m);
        if (*m->p == '/')
            m->p++;
        else
            strcpy(m->open[m->depth++], name);
        ck_assert_int_lt(m->depth, 32);
    }
    ck_assert_msg(*m->p == '>', "in <%s: %.60s", name, m->p);
    m->p++;
}

static inline void markup_check(const char *text, size_t len)
{
    static const char doctype[] = "<!DOCTYPE html>\n";
    struct markup m = {.p = text, .end = text + len};
    ck_assert_msg(strncmp(text, doctype, strlen(doctype)) == 0, "%.60s", text);
    for (m.p += strlen(doctype); m.p < m.end;) {
        if (*m.p == '<') {
            m.p++;
            markup_tag(&m);
        } else {
            markup_char(&m);
        }
    }
    ck_assert_int_eq(m.depth, 0);
}

#endif
