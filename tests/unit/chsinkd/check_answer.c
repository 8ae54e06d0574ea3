/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_answer.c - what ClickHouse's answers mean, in tables; quoting. links: chsinkd
 */
#include "daemons/chsinkd/clickhouse/client.h"
#include "tests/unit/unit.h"

static const struct {
    int code;
    long status;
    const char *text;
    enum output_answer answer;
} code_cases[] = {
    {3, 400, "", OUTPUT_UNKNOWN},
    {107, 500, "", OUTPUT_UNKNOWN},
    {159, 408, "", OUTPUT_UNKNOWN},
    {164, 500, "", OUTPUT_HELD},
    {202, 500, "", OUTPUT_RETRY},
    {203, 500, "", OUTPUT_UNKNOWN},
    {209, 503, "", OUTPUT_UNKNOWN},
    {210, 500, "", OUTPUT_UNKNOWN},
    {241, 500, "", OUTPUT_UNKNOWN},
    {241, 200, "", OUTPUT_UNKNOWN},
    {242, 500, "", OUTPUT_UNKNOWN},
    {252, 500, "", OUTPUT_RETRY},
    {285, 500, "", OUTPUT_UNKNOWN},
    {319, 500, "", OUTPUT_UNKNOWN},
    {425, 500, "", OUTPUT_UNKNOWN},
    {999, 500, "", OUTPUT_UNKNOWN},
    {6, 400, "", OUTPUT_REFUSED},
    {27, 400, "", OUTPUT_REFUSED},
    {32, 500, "", OUTPUT_REFUSED},
    {33, 500, "", OUTPUT_REFUSED},
    {38, 400, "", OUTPUT_REFUSED},
    {41, 400, "", OUTPUT_REFUSED},
    {69, 500, "", OUTPUT_REFUSED},
    {70, 500, "", OUTPUT_REFUSED},
    {72, 400, "", OUTPUT_REFUSED},
    {117, 400, "", OUTPUT_REFUSED},
    {117, 400,
     "Cannot insert data into JSON column: Duplicate path found during parsing JSON object: a",
     OUTPUT_REFUSED},
    {131, 500, "", OUTPUT_REFUSED},
    {349, 500, "", OUTPUT_REFUSED},
    {469, 500, "", OUTPUT_REFUSED},
    {16, 500, "", OUTPUT_HELD},
    {20, 500, "", OUTPUT_HELD},
    {47, 404, "", OUTPUT_HELD},
    {53, 400, "", OUTPUT_HELD},
    {60, 404, "", OUTPUT_HELD},
    {62, 400, "", OUTPUT_HELD},
    {81, 404, "", OUTPUT_HELD},
    {115, 404, "", OUTPUT_HELD},
    {192, 403, "", OUTPUT_HELD},
    {193, 403, "", OUTPUT_HELD},
    {194, 401, "", OUTPUT_HELD},
    {497, 500, "", OUTPUT_HELD},
    {516, 403, "", OUTPUT_HELD},
    {117, 400, "Unknown column with name b found while reading data in Native format", OUTPUT_HELD},
    {158, 500, "", OUTPUT_TOO_LARGE},
    {229, 413, "", OUTPUT_TOO_LARGE},
    {307, 500, "", OUTPUT_TOO_LARGE},
    {745, 500, "", OUTPUT_RETRY},
    {252, 500, "Too many parts (300) in table 'd.t'. Merges are processing slower", OUTPUT_RETRY},
    {252, 500, "Too many partitions for single INSERT block (more than 100)", OUTPUT_TOO_LARGE},
    {241, 500, "Query memory limit exceeded: would use 1 MiB", OUTPUT_TOO_LARGE},
    {241, 500, "Memory limit (for query) exceeded: would use 1 MiB", OUTPUT_TOO_LARGE},
    {241, 500, "User memory limit exceeded: would use 1 MiB", OUTPUT_UNKNOWN},
    {241, 500, "(total) memory limit exceeded: would use 1 MiB", OUTPUT_UNKNOWN},
    {241, 500, "Memory limit (total) exceeded: would use 1 MiB", OUTPUT_UNKNOWN},
    /* not listed: the status decides */
    {99999, 400, "", OUTPUT_REFUSED},
    {99999, 404, "", OUTPUT_HELD},
    {99999, 500, "", OUTPUT_UNKNOWN},
    {99999, 200, "", OUTPUT_UNKNOWN},
    {99999, 0, "", OUTPUT_UNKNOWN},
};

/* RETRY lets the same rows go out under another token without asking the table: only for what is
 * surely not written. */
START_TEST(codes)
{
    for (size_t i = 0; i < PL_COUNT(code_cases); i++) {
        PL_FREE char *body =
            pl_strf("Code: %d. DB::Exception: %s", code_cases[i].code, code_cases[i].text);
        struct clickhouse_answer a = {.host = "h",
                                      .status = code_cases[i].status,
                                      .query_id = "q",
                                      .body = body,
                                      .body_len = strlen(body)};
        struct pl_err err = {0};
        enum output_answer answer = clickhouse_answer_check(&a, &err);

        ck_assert_msg(answer == code_cases[i].answer, "code %d status %ld: %d", code_cases[i].code,
                      code_cases[i].status, answer);
        ck_assert_int_eq(err.code, code_cases[i].code);
    }
}
END_TEST

/* Not ClickHouse's: something between us and it, or in its place. */
START_TEST(foreign_answers)
{
    static const struct {
        long status;
        const char *body;
        enum output_answer answer;
        const char *has;
    } cases[] = {
        {200, "<html>Sorry, we are down for maintenance", OUTPUT_UNKNOWN,
         "no X-ClickHouse-Query-Id): <html>Sorry, we are down for maintenance; "},
        {200, "", OUTPUT_UNKNOWN, "passes on its headers"},
        {204, "", OUTPUT_UNKNOWN, "passes on its headers"},
        {301, "", OUTPUT_HELD, "301"},
        {400, "Port 9000 is for clickhouse-client program", OUTPUT_UNKNOWN, "9000"},
        {401, "", OUTPUT_HELD, "401"},
        {403, "", OUTPUT_HELD, "403"},
        {404, "no such page", OUTPUT_HELD, "no such page; is it ClickHouse's HTTP port?"},
        {413, "", OUTPUT_TOO_LARGE, "larger bodies"},
        {422, "", OUTPUT_UNKNOWN, "422"},
        {429, "", OUTPUT_RETRY, "429"},
        {500, "", OUTPUT_UNKNOWN, "500"},
        {502, "<html>\n<h1>Bad Gateway</h1>", OUTPUT_UNKNOWN, "502"},
        {503, "", OUTPUT_UNKNOWN, "503"},
        {504, "", OUTPUT_UNKNOWN, "504"},
    };

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct clickhouse_answer a = {.host = "h",
                                      .status = cases[i].status,
                                      .body = cases[i].body,
                                      .body_len = strlen(cases[i].body)};
        struct pl_err err = {0};

        ck_assert_msg(clickhouse_answer_check(&a, &err) == cases[i].answer, "%ld: %s",
                      cases[i].status, err.msg);
        ck_assert_msg(strstr(err.msg, cases[i].has), "%s", err.msg);
        ck_assert_int_eq(err.code, 0);
    }
}
END_TEST

/* A row that reads like an exception is a row, where the format is binary. */
START_TEST(binary_answers)
{
    static const char body[] = "\x18\nCode: 60. DB::Exception: x";
    struct clickhouse_answer a = {.host = "h",
                                  .status = 200,
                                  .query_id = "q",
                                  .body = body,
                                  .body_len = strlen(body),
                                  .binary = true};
    struct pl_err err;

    ck_assert_int_eq(clickhouse_answer_check(&a, &err), OUTPUT_DONE);
    a.exception_code = "241";
    ck_assert_int_ne(clickhouse_answer_check(&a, &err), OUTPUT_DONE);
    a.exception_code = NULL;
    a.status = 500;
    ck_assert_int_eq(clickhouse_answer_check(&a, &err), OUTPUT_HELD);
    ck_assert_int_eq(err.code, 60);
}
END_TEST

#define TAIL " (version 26.7.2.1 (official build))"

START_TEST(answers)
{
    static const struct {
        long status;
        const char *exception_code, *body;
        enum output_answer answer;
        int code;
        const char *has;
    } cases[] = {
        {200, NULL, "", OUTPUT_DONE, 0, NULL},
        {200, NULL, "1\t2\n3\t4\n", OUTPUT_DONE, 0, NULL},
        /* rows that speak of codes, but not as an exception at the start of a line */
        {200, NULL, "Code: none\nabc Code: 60. DB::Exception: x\nCode: 7\n", OUTPUT_DONE, 0, NULL},
        {404, "60", "Code: 60. DB::Exception: Table d.t does not exist. (UNKNOWN_TABLE)" TAIL "\n",
         OUTPUT_HELD, 60, "h: Table d.t does not exist (code 60 UNKNOWN_TABLE); "},
        {403, NULL,
         "Code: 516. DB::Exception: u: Authentication failed: password is incorrect, or there is "
         "no "
         "user with such name.\n\nIf you have installed ClickHouse …\n\n. "
         "(AUTHENTICATION_FAILED)" TAIL,
         OUTPUT_HELD, 516,
         "no user with such name (code 516 AUTHENTICATION_FAILED); check clickhouse.user"},
        {500, "497", "Code: 497. DB::Exception: w: Not enough privileges. (ACCESS_DENIED)" TAIL,
         OUTPUT_HELD, 497, "GRANT"},
        {500, NULL, "Code: 241. DB::Exception: Memory limit exceeded (MEMORY_LIMIT_EXCEEDED)" TAIL,
         OUTPUT_UNKNOWN, 241, "MEMORY_LIMIT_EXCEEDED"},
        {200, NULL, "Code: 241. DB::Exception: Memory limit exceeded (MEMORY_LIMIT_EXCEEDED)" TAIL,
         OUTPUT_UNKNOWN, 241, "MEMORY_LIMIT_EXCEEDED"},
        {200, "241", "", OUTPUT_UNKNOWN, 241, "failed while it answered"},
        {200, "241", "1\n2\n", OUTPUT_UNKNOWN, 241, "failed while it answered"},
        {200, NULL,
         "0\n0\n\n__exception__\nabcdef\nCode: 395. DB::Exception: thrown (F)" TAIL
         "\n273 abcdef\n__exception__\n",
         OUTPUT_REFUSED, 395, "thrown (code 395 F)"},
        /* an answer that was cut before its status */
        {0, NULL, "Code: 210. DB::NetException: Connection reset by peer (NETWORK_ERROR)",
         OUTPUT_UNKNOWN, 210, "Connection reset by peer (code 210 NETWORK_ERROR)"},
        {500, "1000", "Poco::Exception. Code: 1000, e.code() = 111, Connection refused" TAIL,
         OUTPUT_UNKNOWN, 1000, "Connection refused"},
        /* A view's failure: what the table has already must not be sent in halves. */
        {500, "349",
         "Code: 349. DB::Exception: Cannot insert NULL: while pushing to view d.v (d.v). (X)",
         OUTPUT_HELD, 349, "h: materialized view d.v does not take the rows: Cannot insert NULL"},
        {500, "395", "Code: 395. DB::Exception: thrown: while pushing to view d.v. (X)" TAIL,
         OUTPUT_HELD, 395, "mend the view (ALTER TABLE"},
        {500, "60", "Code: 60. DB::Exception: gone: while pushing to view d.v. (X)", OUTPUT_HELD,
         60, "materialized view d.v does"},
        {500, "252", "Code: 252. DB::Exception: Too many parts: while pushing to view d.v. (X)",
         OUTPUT_HELD, 252, "larger batches"},
        {500, "241",
         "Code: 241. DB::Exception: Query memory limit exceeded: while pushing to view d.v (d.v). "
         "(X)",
         OUTPUT_HELD, 241, "materialized view d.v does"},
        {500, "241", "Code: 241. DB::Exception: Memory: while pushing to view d.v (d.v). (X)",
         OUTPUT_HELD, 241, "give it more memory"},
        {500, "469", "", OUTPUT_REFUSED, 469, "code 469"},
    };

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct clickhouse_answer a = {.host = "h",
                                      .status = cases[i].status,
                                      .exception_code = cases[i].exception_code,
                                      .query_id = "q",
                                      .body = cases[i].body,
                                      .body_len = strlen(cases[i].body)};
        struct pl_err err = {0};
        enum output_answer answer = clickhouse_answer_check(&a, &err);

        ck_assert_msg(answer == cases[i].answer, "case %zu: %d: %s", i, answer, err.msg);
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
        struct clickhouse_answer a = {.host = "h", .status = 500, .body = copy, .body_len = len};
        struct pl_err err;

        memcpy(copy, text, len);
        ck_assert_int_ne(clickhouse_answer_check(&a, &err), OUTPUT_DONE);
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
    ck_assert_int_ne(clickhouse_answer_check(&a, &err), OUTPUT_DONE);
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
        TEST(codes),       TEST(foreign_answers), TEST(binary_answers), TEST(answers),
        TEST(answers_cut), TEST(long_sentences),  TEST(quoting),
    };
    return unit_main("answer", tests, PL_COUNT(tests));
}
