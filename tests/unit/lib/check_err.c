/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_err.c - the error: one line, cut at a character, kinds and exit statuses.
 */
#include "lib/base/err.h"
#include "lib/json/reader.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(test_set)
{
    struct pl_err err = {0};

    ck_assert_int_eq(pl_err_set(&err, PL_ERR_RETRY, 503, "%s answered %d", "server", 503), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_int_eq(err.code, 503);
    ck_assert_str_eq(err.msg, "server answered 503");
}
END_TEST

START_TEST(test_one_line)
{
    struct pl_err err = {0};

    pl_err_set(&err, PL_ERR_REJECT, 0, "one\ntwo\r\tthree\033[31m\x7F");
    ck_assert_str_eq(err.msg, "one two  three [31m ");
    pl_err_set(&err, PL_ERR_REJECT, 0,
               "csi \xC2\x9B"
               "31m, nbsp \xC2\xA0.");
    ck_assert_str_eq(err.msg, "csi   31m, nbsp \xC2\xA0.");
}
END_TEST

/* The arguments may be the very message that is replaced. */
START_TEST(test_set_from_itself)
{
    struct pl_err err = {0};

    pl_err_set(&err, PL_ERR_RETRY, 1, "inner");
    pl_err_set(&err, PL_ERR_FATAL, 2, "outer: %s", err.msg);
    ck_assert_str_eq(err.msg, "outer: inner");
    pl_err_prefix(&err, "again %s", err.msg);
    ck_assert_str_eq(err.msg, "again outer: inner: outer: inner");
}
END_TEST

START_TEST(test_prefix)
{
    struct pl_err err = {0};

    pl_err_set(&err, PL_ERR_CONFIG, 42, "no such file");
    ck_assert_int_eq(pl_err_prefix(&err, "line %d\n", 3), -1);
    ck_assert_str_eq(err.msg, "line 3 : no such file");
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(err.code, 42);
}
END_TEST

/* Just fits, one too long, and cut inside characters of two, three and four bytes. */
START_TEST(test_cut)
{
    static const char *const characters[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    char text[2 * PL_ERR_MSG_MAX];
    struct pl_err err = {0};

    memset(text, 'a', sizeof(text));
    text[PL_ERR_MSG_MAX - 1] = '\0';
    pl_err_set(&err, PL_ERR_RETRY, 0, "%s", text);
    ck_assert_str_eq(err.msg, text);
    pl_err_set(&err, PL_ERR_RETRY, 0, "%sa", text);
    ck_assert_uint_eq(strlen(err.msg), PL_ERR_MSG_MAX - 1);
    ck_assert_str_eq(err.msg + PL_ERR_MSG_MAX - 5, "a...");

    for (size_t c = 0; c < sizeof(characters) / sizeof(characters[0]); c++) {
        for (size_t lead = 0; lead < 4; lead++) {
            size_t len = lead, n = strlen(characters[c]);
            for (; len + n < sizeof(text); len += n)
                memcpy(text + len, characters[c], n);
            text[len] = '\0';
            memset(text, 'a', lead);
            pl_err_set(&err, PL_ERR_RETRY, 0, "%s", text);
            size_t got = strlen(err.msg);
            ck_assert_uint_ge(got, PL_ERR_MSG_MAX - 1 - 3);
            ck_assert_str_eq(err.msg + got - 3, "...");
            ck_assert(pl_utf8_valid(err.msg, got));

            pl_err_set(&err, PL_ERR_RETRY, 0, "end");
            pl_err_prefix(&err, "%s", text);
            got = strlen(err.msg);
            ck_assert_str_eq(err.msg + got - 3, "...");
            ck_assert(pl_utf8_valid(err.msg, got));
        }
    }
}
END_TEST

START_TEST(test_kinds)
{
    static const struct {
        enum pl_err_kind kind;
        const char *name;
        int status;
    } table[] = {{PL_ERR_NONE, "none", 0},      {PL_ERR_RETRY, "retry", 69},
                 {PL_ERR_REJECT, "reject", 65}, {PL_ERR_CONFIG, "config", 78},
                 {PL_ERR_FATAL, "fatal", 1},    {PL_ERR_FENCED, "fenced", 150}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_str_eq(pl_err_kind_name(table[i].kind), table[i].name);
        ck_assert_int_eq(pl_err_exit_status(table[i].kind), table[i].status);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_set),    TEST(test_one_line), TEST(test_set_from_itself),
        TEST(test_prefix), TEST(test_cut),      TEST(test_kinds),
    };
    return unit_main("err", tests, PL_COUNT(tests));
}
