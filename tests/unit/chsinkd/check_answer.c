/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_answer.c - what ClickHouse's answers mean, in tables; quoting. links: chsinkd
 */
#include "daemons/chsinkd/clickhouse/client.h"
#include "tests/unit/unit.h"

static const struct {
    int code;
    long status;
    enum pl_err_kind kind;
} kind_cases[] = {
    {0, 200, PL_ERR_NONE},
    {0, 301, PL_ERR_CONFIG},
    {0, 400, PL_ERR_RETRY},
    {0, 401, PL_ERR_CONFIG},
    {0, 403, PL_ERR_CONFIG},
    {0, 404, PL_ERR_CONFIG},
    {0, 413, PL_ERR_REJECT},
    {0, 422, PL_ERR_RETRY},
    {0, 429, PL_ERR_RETRY},
    {0, 502, PL_ERR_RETRY},
    {3, 400, PL_ERR_RETRY},
    {107, 500, PL_ERR_RETRY},
    {159, 408, PL_ERR_RETRY},
    {164, 500, PL_ERR_RETRY},
    {202, 500, PL_ERR_RETRY},
    {203, 500, PL_ERR_RETRY},
    {209, 503, PL_ERR_RETRY},
    {210, 500, PL_ERR_RETRY},
    {241, 500, PL_ERR_RETRY},
    {241, 200, PL_ERR_RETRY},
    {242, 500, PL_ERR_RETRY},
    {252, 500, PL_ERR_RETRY},
    {285, 500, PL_ERR_RETRY},
    {319, 500, PL_ERR_RETRY},
    {425, 500, PL_ERR_RETRY},
    {999, 500, PL_ERR_RETRY},
    {6, 400, PL_ERR_REJECT},
    {27, 400, PL_ERR_REJECT},
    {32, 500, PL_ERR_REJECT},
    {33, 500, PL_ERR_REJECT},
    {38, 400, PL_ERR_REJECT},
    {41, 400, PL_ERR_REJECT},
    {69, 500, PL_ERR_REJECT},
    {70, 500, PL_ERR_REJECT},
    {72, 400, PL_ERR_REJECT},
    {117, 400, PL_ERR_REJECT},
    {131, 500, PL_ERR_REJECT},
    {349, 500, PL_ERR_REJECT},
    {469, 500, PL_ERR_REJECT},
    {16, 500, PL_ERR_CONFIG},
    {20, 500, PL_ERR_CONFIG},
    {47, 404, PL_ERR_CONFIG},
    {53, 400, PL_ERR_CONFIG},
    {60, 404, PL_ERR_CONFIG},
    {62, 400, PL_ERR_CONFIG},
    {81, 404, PL_ERR_CONFIG},
    {115, 404, PL_ERR_CONFIG},
    {192, 403, PL_ERR_CONFIG},
    {193, 403, PL_ERR_CONFIG},
    {194, 401, PL_ERR_CONFIG},
    {497, 500, PL_ERR_CONFIG},
    {516, 403, PL_ERR_CONFIG},
    /* not listed: the status decides */
    {99999, 400, PL_ERR_REJECT},
    {99999, 404, PL_ERR_CONFIG},
    {99999, 500, PL_ERR_RETRY},
    {99999, 200, PL_ERR_RETRY},
    {99999, 0, PL_ERR_RETRY},
};

START_TEST(kinds)
{
    static const int schema[] = {16, 20, 47, 53, 60, 117};

    for (size_t i = 0; i < PL_COUNT(kind_cases); i++)
        ck_assert_msg(clickhouse_err_kind(kind_cases[i].code, kind_cases[i].status) ==
                          kind_cases[i].kind,
                      "code %d status %ld", kind_cases[i].code, kind_cases[i].status);
    for (int code = 0; code < 1100; code++) {
        bool want = false;

        for (size_t i = 0; i < PL_COUNT(schema); i++)
            want = want || schema[i] == code;
        ck_assert_msg(clickhouse_err_is_schema(code) == want, "code %d", code);
    }
}
END_TEST

#define TAIL " (version 26.7.2.1 (official build))"

START_TEST(answers)
{
    static const struct {
        long status;
        const char *exception_code, *body;
        enum pl_err_kind kind;
        int code;
        const char *has;
    } cases[] = {
        {200, NULL, "", PL_ERR_NONE, 0, NULL},
        {200, NULL, "1\t2\n3\t4\n", PL_ERR_NONE, 0, NULL},
        /* rows that speak of codes, but not as an exception at the start of a line */
        {200, NULL, "Code: none\nabc Code: 60. DB::Exception: x\nCode: 7\n", PL_ERR_NONE, 0, NULL},
        {404, "60", "Code: 60. DB::Exception: Table d.t does not exist. (UNKNOWN_TABLE)" TAIL "\n",
         PL_ERR_CONFIG, 60, "h: Table d.t does not exist (code 60 UNKNOWN_TABLE); "},
        {403, NULL,
         "Code: 516. DB::Exception: u: Authentication failed: password is incorrect, or there is "
         "no "
         "user with such name.\n\nIf you have installed ClickHouse …\n\n. "
         "(AUTHENTICATION_FAILED)" TAIL,
         PL_ERR_CONFIG, 516,
         "no user with such name (code 516 AUTHENTICATION_FAILED); check clickhouse.user"},
        {500, "497", "Code: 497. DB::Exception: w: Not enough privileges. (ACCESS_DENIED)" TAIL,
         PL_ERR_CONFIG, 497, "GRANT"},
        {500, NULL, "Code: 241. DB::Exception: Memory limit exceeded (MEMORY_LIMIT_EXCEEDED)" TAIL,
         PL_ERR_RETRY, 241, "MEMORY_LIMIT_EXCEEDED"},
        {200, NULL, "Code: 241. DB::Exception: Memory limit exceeded (MEMORY_LIMIT_EXCEEDED)" TAIL,
         PL_ERR_RETRY, 241, "MEMORY_LIMIT_EXCEEDED"},
        {200, "241", "", PL_ERR_RETRY, 241, "failed while it answered"},
        {200, "241", "1\n2\n", PL_ERR_RETRY, 241, "failed while it answered"},
        {200, NULL,
         "0\n0\n\n__exception__\nabcdef\nCode: 395. DB::Exception: thrown (F)" TAIL
         "\n273 abcdef\n__exception__\n",
         PL_ERR_REJECT, 395, "thrown (code 395 F)"},
        /* an answer that was cut before its status */
        {0, NULL, "Code: 210. DB::NetException: Connection reset by peer (NETWORK_ERROR)",
         PL_ERR_RETRY, 210, "Connection reset by peer (code 210 NETWORK_ERROR)"},
        {500, "1000", "Poco::Exception. Code: 1000, e.code() = 111, Connection refused" TAIL,
         PL_ERR_RETRY, 1000, "Connection refused"},
        /* data refused, but by a view: what the table has already must not be sent in halves */
        {500, "349",
         "Code: 349. DB::Exception: Cannot insert NULL: while pushing to view d.v (d.v). (X)",
         PL_ERR_CONFIG, 349, "fix or detach the view"},
        {500, "241", "Code: 241. DB::Exception: Memory: while pushing to view d.v (d.v). (X)",
         PL_ERR_RETRY, 241, "Memory"},
        {500, "469", "", PL_ERR_REJECT, 469, "code 469"},
        {502, NULL, "<html>\n<h1>Bad Gateway</h1>", PL_ERR_RETRY, 0, "502"},
        {404, NULL, "no such page", PL_ERR_CONFIG, 0,
         "no such page; is it ClickHouse's HTTP port?"},
        {301, NULL, "", PL_ERR_CONFIG, 0, "301"},
        {400, NULL, "Port 9000 is for clickhouse-client program", PL_ERR_RETRY, 0, "9000"},
    };

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct clickhouse_answer a = {"h", cases[i].status, cases[i].exception_code, cases[i].body,
                                      strlen(cases[i].body)};
        struct pl_err err = {0};
        int r = clickhouse_answer_check(&a, &err);

        ck_assert_msg(r == (cases[i].kind == PL_ERR_NONE ? 0 : -1), "case %zu: %s", i, err.msg);
        ck_assert_msg(err.kind == cases[i].kind, "case %zu: kind %d: %s", i, err.kind, err.msg);
        ck_assert_msg(err.code == cases[i].code, "case %zu: code %d", i, err.code);
        if (cases[i].has)
            ck_assert_msg(strstr(err.msg, cases[i].has), "case %zu: %s", i, err.msg);
        ck_assert_msg(!strstr(err.msg, "version 26"), "case %zu: %s", i, err.msg);
    }
}
END_TEST

/* Cut anywhere, an exception's text never reads out of bounds, and never becomes success once its
 * status says otherwise. */
START_TEST(answers_cut)
{
    static const char text[] =
        "1\n2\nPoco::Exception. Code: 1000, e.code() = 1, Net Exception: none "
        "(NAME_X) (version 1)\n";

    for (size_t len = 0; len <= strlen(text); len++) {
        PL_FREE char *copy = malloc(len ? len : 1); /* of just that size, for the sanitizer */
        struct clickhouse_answer a = {"h", 500, NULL, copy, len};
        struct pl_err err;

        memcpy(copy, text, len);
        ck_assert_int_eq(clickhouse_answer_check(&a, &err), -1);
    }
}
END_TEST

/* A sentence of any length leaves room for the advice, and is cut at a character. */
START_TEST(long_sentences)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};
    struct clickhouse_answer a = {.host = "h", .status = 403};
    struct pl_err err;

    pl_buf_add_str(&b, "Code: 516. DB::Exception: ");
    for (int i = 0; i < 2000; i++)
        pl_buf_add_str(&b, "ü");
    pl_buf_add_str(&b, " (AUTHENTICATION_FAILED)" TAIL);
    a.body = b.data;
    a.body_len = b.len;
    ck_assert_int_eq(clickhouse_answer_check(&a, &err), -1);
    ck_assert_msg(strstr(err.msg, "ü (code 516 AUTHENTICATION_FAILED); check clickhouse.user"),
                  "%s", err.msg);
}
END_TEST

START_TEST(quoting)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};

    clickhouse_quote_ident(&b, "a`b\\c d");
    ck_assert_str_eq(pl_buf_cstr(&b), "`a\\`b\\\\c d`");
    pl_buf_reset(&b);
    clickhouse_quote_string(&b, "it's\n\t\r\\\0`", 10);
    ck_assert_str_eq(pl_buf_cstr(&b), "'it\\'s\\n\\t\\r\\\\\\0`'");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(kinds), TEST(answers), TEST(answers_cut), TEST(long_sentences), TEST(quoting),
    };
    return unit_main("answer", tests, PL_COUNT(tests));
}
