/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exposition.h - a strict reader of Prometheus' exposition format 0.0.4, for tests: it asserts that
 * each line is well formed, that families stand together below their HELP and TYPE, and that no
 * sample is there twice. Included once by a test program.
 */
#ifndef TESTS_UNIT_EXPOSITION_H
#define TESTS_UNIT_EXPOSITION_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "tests/unit/unit.h"

struct sample {
    char name[128], labels[512];
    double value;
};

struct samples {
    struct sample v[512];
    unsigned n;
    unsigned families;
};

static size_t name_span(const char *c)
{
    return strspn(c, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789");
}

/* Past `{name="value",…}`; the text in between is kept as it is. */
static const char *read_labels(const char *c, char *ret)
{
    const char *begin = ++c;

    for (;;) {
        ck_assert_uint_gt(name_span(c), 0);
        c += name_span(c);
        ck_assert_int_eq(strncmp(c, "=\"", 2), 0);
        for (c += 2; *c != '"'; c++) {
            ck_assert(*c != '\0' && *c != '\n');
            if (*c == '\\') {
                c++;
                ck_assert(*c == '\\' || *c == 'n' || *c == '"');
            }
        }
        c++;
        if (*c != ',')
            break;
        c++;
    }
    ck_assert_int_eq(*c, '}');
    ck_assert_uint_lt((size_t)(c - begin), sizeof(((struct sample *)NULL)->labels));
    memcpy(ret, begin, (size_t)(c - begin));
    ret[c - begin] = '\0';
    return c + 1;
}

/* Whether a sample may stand below "# TYPE family type". */
static bool name_belongs(const char *name, const char *family, const char *type)
{
    size_t n = strlen(family);

    if (strcmp(type, "histogram") != 0)
        return strcmp(name, family) == 0;
    return strncmp(name, family, n) == 0 &&
           (strcmp(name + n, "_bucket") == 0 || strcmp(name + n, "_sum") == 0 ||
            strcmp(name + n, "_count") == 0);
}

static void read_sample(const char *line, struct sample *ret)
{
    size_t n = name_span(line);
    const char *c = line + n;
    char *end;

    ck_assert(n > 0 && n < sizeof(ret->name));
    memcpy(ret->name, line, n);
    ret->name[n] = '\0';
    ret->labels[0] = '\0';
    if (*c == '{')
        c = read_labels(c, ret->labels);
    ck_assert_int_eq(*c, ' ');
    ret->value = strtod(c + 1, &end);
    ck_assert_msg(end > c + 1 && *end == '\0', "%s", line);
}

static void assert_new_family(const char *text, const char *line, const char *family)
{
    char needle[160];
    const char *found;

    snprintf(needle, sizeof(needle), "# TYPE %s ", family);
    found = strstr(text, needle);
    ck_assert_ptr_eq(found, line);
    ck_assert_ptr_null(strstr(found + 1, needle));
}

/* Every line is checked: HELP, then TYPE, then samples of that family only; no sample twice. */
static void read_text(const char *text, struct samples *ret)
{
    char family[128] = "", type[32] = "", line[1024], helped[128] = "";
    const char *at = text, *end;
    unsigned i;

    memset(ret, 0, sizeof(*ret));
    for (; *at; at = end + 1) {
        end = strchr(at, '\n');
        ck_assert_msg(end != NULL, "the last line has no end");
        ck_assert_uint_lt((size_t)(end - at), sizeof(line));
        memcpy(line, at, (size_t)(end - at));
        line[end - at] = '\0';
        if (strncmp(line, "# HELP ", 7) == 0) {
            ck_assert_int_eq(sscanf(line + 7, "%127s", helped), 1);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            ck_assert_int_eq(sscanf(line + 7, "%127s %31s", family, type), 2);
            ck_assert_str_eq(family, helped);
            ck_assert(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
                      strcmp(type, "histogram") == 0);
            assert_new_family(text, at, family);
            ret->families++;
        } else {
            ck_assert_uint_lt(ret->n, PL_COUNT(ret->v));
            read_sample(line, &ret->v[ret->n]);
            ck_assert_msg(name_belongs(ret->v[ret->n].name, family, type), "%s in %s", line,
                          family);
            for (i = 0; i < ret->n; i++)
                ck_assert_msg(strcmp(ret->v[i].name, ret->v[ret->n].name) != 0 ||
                                  strcmp(ret->v[i].labels, ret->v[ret->n].labels) != 0,
                              "twice: %s", line);
            ret->n++;
        }
    }
}

static double value_of(const struct samples *s, const char *name, const char *labels)
{
    unsigned i;

    for (i = 0; i < s->n; i++)
        if (strcmp(s->v[i].name, name) == 0 && strcmp(s->v[i].labels, labels) == 0)
            return s->v[i].value;
    ck_abort_msg("%s{%s} is missing", name, labels);
}

#endif
