/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_case.h - a value into a column: what comes of it, or why it is refused.
 */
#ifndef TESTS_UNIT_VALUE_CASE_H
#define TESTS_UNIT_VALUE_CASE_H

#include "tests/unit/rows_fixture.h"
#include "tests/unit/unit.h"

/* The type (and policies), the value, what is printed or (with !) why it is refused. */
struct value_case {
    const char *type, *value, *want;
};

/* Types hold commas, so inside { } they stand in quotes; the policies begin behind them. */
static inline char *value_type_quote(const char *text)
{
    int depth = 0;
    const char *p = text;
    for (; *p && (*p != ',' || depth > 0); p++)
        depth += (*p == '(') - (*p == ')');
    return pl_strf("\"%.*s\"%s", (int)(p - text), text, p);
}

/* Each value in five places: alone, found out of the guessed order, through two paths, and in an
 * element. */
static const char *const value_places[][2] = {
    {"columns:\n  - {name: v, path: $.v, type: %s}\n", "{\"v\":%s}"},
    {"columns:\n  - {name: v, path: $.a.v, type: %s}\n",
     " { \"x\" : [ ] , \"a\" : { \"v\" : %s } } "},
    {"columns:\n  - {name: v, path: [$.w, $.v], type: %s}\n", "{\"w\":null,\"v\":%s,\"y\":1}"},
    {"rows: $.r[*]\ncolumns:\n  - {name: v, path: '@.v', type: %s}\n", "{\"r\":[{\"v\":%s}]}"},
    {"rows: $.r[*]\ncolumns:\n  - {name: v, path: $.v, type: %s}\n", "{\"r\":[{}],\"v\":%s}"},
};

static inline void value_check(const struct value_case *v)
{
    for (unsigned p = 0; p < PL_COUNT(value_places); p++) {
        PL_FREE char *type = value_type_quote(v->type);
        struct pl_buf yaml = {0}, message = {0}, line = {0};
        const char *at = strstr(value_places[p][0], "%s");
        pl_buf_add(&yaml, value_places[p][0], (size_t)(at - value_places[p][0]));
        pl_buf_add_str(&yaml, type);
        pl_buf_add_str(&yaml, at + 2);
        at = strstr(value_places[p][1], "%s");
        pl_buf_add(&message, value_places[p][1], (size_t)(at - value_places[p][1]));
        pl_buf_add_str(&message, v->value);
        pl_buf_add_str(&message, at + 2);
        FIXTURE f = fixture_new(pl_buf_cstr(&yaml));
        for (unsigned turn = 0; turn < 3; turn++) { /* the guesses change between them */
            uint64_t n = decode(&f, pl_buf_cstr(&message));
            const char *want = v->want;
            if (*want == '!') {
                ck_assert_uint_eq(n, 0);
                ck_assert_uint_eq(f.rejects, turn + 1);
                ck_assert_msg(strcmp(f.reason, want + 1) == 0, "%s %s place %u: %s", v->type,
                              v->value, p, f.reason);
                ck_assert_uint_eq(block_rows(f.block), 0);
                continue;
            }
            ck_assert_msg(n == 1, "%s %s place %u: %s", v->type, v->value, p, f.reason);
            pl_buf_reset(&line);
            pl_buf_addf(&line, "{\"v\":%s}", want);
            assert_row(&f, turn, pl_buf_cstr(&line));
        }
        pl_buf_release(&yaml);
        pl_buf_release(&message);
        pl_buf_release(&line);
    }
}

#endif
