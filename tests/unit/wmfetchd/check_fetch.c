/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_fetch.c - one range from the API: what is asked, and whole answers in all forms (what goes
 * wrong: check_fetch_fails.c). links: wmfetchd
 */
#include "tests/unit/wmfetchd/fetch_run.h"

START_TEST(asked_as_it_should_be)
{
    reply(LENGTH("5") "[{} ]");
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_NONE);
    ck_assert_str_eq(elements(), "{};");
    ck_assert_str_eq(pl_buf_cstr(&record.bytes), "[{} ]");
    ck_assert_uint_eq(record.result.bytes, 5);
    ck_assert_uint_eq(record.result.elements, 1);
    ck_assert_int_eq(record.result.status, 200);
    ck_assert_int_eq(record.result.retry_after_ms, -1);
    ck_assert_int_eq(record.result.heard.date_ms, 0);
    const char *head = pl_buf_cstr(&script.heads[0]);
    ck_assert_msg(strstr(head,
                         "GET /a/b?application_id=31854&range=CUSTOM&start_time=1767205800000&"
                         "end_time=1768242540000&index=HOURLY&tenant%20id=a%26b HTTP/1.1\r\n"),
                  "%s", head);
    ck_assert_ptr_nonnull(strstr(head, "\r\nAuthorization: Bearer token-number-1\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nAccept-Encoding: gzip\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nUser-Agent: wmfetchd/"));
    ck_assert_ptr_null(strstr(fetch_address(fetch), "tenant"));
}
END_TEST

START_TEST(good_answers)
{
    static const struct {
        const char *text, *elements;
    } cases[] = {
        {CLOSED "[]", ""},
        {CLOSED "{\"data\":[{\"a\":1},{\"a\":2}],\"n\":1}", "{\"a\":1};{\"a\":2};"},
        {CLOSED "{\"status\":200,\"errors\":[],\"data\":[{}],\"total\":1,\"next\":null}", "{};"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[{}\r\n2\r\n,{\r\n2\r\n}]"
         "\r\n0\r\n\r\n",
         "{};{};"},
        {"HTTP/1.1 204 No Content\r\n\r\n", ""},
    };
    api.answer.accept_no_content = true;
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        reply(cases[i].text);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        run();
        ck_assert_msg(record.err.kind == PL_ERR_NONE, "%zu: %s", i, record.err.msg);
        ck_assert_str_eq(elements(), cases[i].elements);
    }
    ck_assert_int_eq(script.tokens, 1);
}
END_TEST

/* `printf '[{"a":"aaaaaaaaaaaaaaaaaaaaaaaa"},{}]' | gzip -n` */
static const char gzipped[] =
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 35\r\n\r\n"
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x8b\xae\x56\x4a\x54\xb2\x52\x4a\xc4\x01"
    "\x94\x6a\x75\xaa\x6b\x63\x01\x9d\x80\x85\x7b\x25\x00\x00\x00";

START_TEST(unpacked)
{
    script.replies[0] = script.replies[1] = (struct reply){gzipped, sizeof(gzipped) - 1};
    script.n = 2;
    run();
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_str_eq(elements(), "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaa\"};{};");
    ck_assert_uint_eq(record.result.bytes, 37);
    api.answer_bytes_max = 36; /* counts what comes out */
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "answer_bytes_max"));
}
END_TEST

START_TEST(bad_answers)
{
    static const struct {
        const char *text;
        enum pl_err_kind kind;
        const char *has;
    } cases[] = {
        {LENGTH("9") "[{},", PL_ERR_RETRY, "no whole answer (4 bytes came)"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[{}\r\n", PL_ERR_RETRY,
         "no whole answer"},
        {CLOSED "[{},", PL_ERR_RETRY, "ends too early"},
        {CLOSED, PL_ERR_RETRY, "ends too early, after 0 bytes"},
        {CLOSED "<!DOCTYPE html>\n<title>Log in</title>", PL_ERR_REJECT,
         "begins with: <!DOCTYPE html> <title>Log in"},
        {CLOSED "{\"note\":\"no\"}", PL_ERR_REJECT, "begins with: {\"note\":\"no\"}"},
        {CLOSED "{\"error\":\"no\"}", PL_ERR_RETRY, "error is \"no\""},
        {CLOSED "{\"n\":1,\"items\":[{}]}", PL_ERR_REJECT,
         "if its array items is meant, set api.answer.array"},
        {CLOSED "you sent token-number-1 to me", PL_ERR_REJECT, "begins with: you sent"},
        {CLOSED "[{}] and more", PL_ERR_REJECT, "text after the end"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        reply(cases[i].text);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        run();
        ck_assert_msg(record.err.kind == cases[i].kind, "%zu: %s", i, record.err.msg);
        ck_assert_msg(strstr(record.err.msg, cases[i].has), "%zu: %s", i, record.err.msg);
        ck_assert_msg(!strstr(record.err.msg, "token-number-1"), "%s", record.err.msg);
    }
    ck_assert_int_eq(script.asked, PL_COUNT(cases));
}
END_TEST

/* Answers of the right shape that report an error or a part. check_answer.c tests the rules; this
 * tests the error texts, and that they hold no secret. */
START_TEST(says_that_it_is_not_whole)
{
    static const struct {
        const char *text;
        enum pl_err_kind kind;
        const char *has;
    } cases[] = {
        {CLOSED "{\"status\":\"ERROR\",\"data\":[],\"message\":\"shard 3 is away\"}", PL_ERR_RETRY,
         "status is \"ERROR\" (message: \"shard 3 is away\")"},
        {CLOSED "{\"errors\":[\"timeout of 5 s\"],\"records\":[]}", PL_ERR_RETRY,
         "errors is [\"timeout of 5 s\"]"},
        {CLOSED "{\"data\":[{}],\"hasMore\":true}", PL_ERR_CONFIG, "hasMore is true"},
        {CLOSED "{\"data\":[{}],\"next\":\"/all?key=token-number-1\"}", PL_ERR_CONFIG,
         "next is \"/all?key="},
        {CLOSED "{\"data\":[{}],\"page\":1,\"totalPages\":14}", PL_ERR_CONFIG, "totalPages is 14"},
        {CLOSED "{\"total\":122,\"data\":[{}]}", PL_ERR_CONFIG, "total is 122"},
        {"HTTP/1.1 200 OK\r\nX-Total-Count: 122\r\n\r\n[{}]", PL_ERR_CONFIG,
         "X-Total-Count is 122"},
        {"HTTP/1.1 200 OK\r\nLink: </x?page=0>; rel=\"first\"\r\n"
         "link: </x?page=1>; rel=\"next\"\r\n\r\n[{}]",
         PL_ERR_CONFIG, "Link is </x?page=1>; rel=\"next\""},
        {CLOSED "{\"status\":\"ERROR\",\"message\":\"no database\"}", PL_ERR_RETRY, "no database"},
        {"HTTP/1.1 204 No Content\r\n\r\n", PL_ERR_RETRY, "api.answer.accept_no_content"},
        /* null instead of the array: the same doubt, unless the answer says more. */
        {CLOSED "{\"data\":null}", PL_ERR_RETRY, "api.answer.accept_no_content"},
        {CLOSED "{\"data\":null,\"total\":0}", PL_ERR_RETRY, "api.answer.accept_no_content"},
        {CLOSED "{\"data\":null,\"message\":\"shard 3 is away\"}", PL_ERR_RETRY,
         "(message: \"shard 3 is away\")"},
        {CLOSED "{\"data\":null,\"status\":\"ERROR\"}", PL_ERR_RETRY, "status is \"ERROR\""},
        {CLOSED "{\"hasMore\":true,\"data\":null}", PL_ERR_CONFIG, "hasMore is true"},
        {CLOSED "{\"data\":null,\"total\":3}", PL_ERR_CONFIG, "total is 3"},
        {CLOSED "{\"data\":null,\"items\":[{}]}", PL_ERR_REJECT, "if its array items is meant"},
        {CLOSED "{\"data\":nul}", PL_ERR_REJECT, "it begins with"},
        {CLOSED "{\"rows\":null}", PL_ERR_REJECT, "an object without an array"},
        /* A member's name is the server's text, too, and must leave room for what to do. */
        {CLOSED "{\"data\":[{}],\"nextPage token-number-1\":\"x\"}", PL_ERR_CONFIG,
         "nextPage is \"x\""},
        {CLOSED "{\"data\":[{}],\"next_page\\u001b[2J\\n\":\"x\"}", PL_ERR_CONFIG,
         "next_page [2J is \"x\""},
        {CLOSED "{\"message\":\"" X100 X100 "\",\"data\":[{}],\"nextPage" X100 "\":\"" X100 X100
                "\"}",
         PL_ERR_CONFIG, "name it in api.answer.ignore"},
        {CLOSED "{\"message\":\"" X100 X100 "\",\"data\":[{}],\"error\":\"" X100 X100 "\"}",
         PL_ERR_RETRY, "see api.answer.require and .ignore"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        script.asked = 0;
        script.n = 0;
        reply(cases[i].text);
        run();
        ck_assert_msg(record.err.kind == cases[i].kind, "%zu: kind %d %s", i, record.err.kind,
                      record.err.msg);
        ck_assert_msg(strstr(record.err.msg, cases[i].has), "%zu: %s", i, record.err.msg);
        ck_assert_msg(!strstr(record.err.msg, "token-number-1"), "%s", record.err.msg);
    }
}
END_TEST

/* Where null means that there is nothing. */
START_TEST(null_accepted)
{
    static const struct {
        const char *text, *elements;
    } cases[] = {
        {CLOSED "{\"data\":null}", ""},
        {CLOSED "{\"status\":\"OK\",\"total\":0,\"records\": null }", ""},
        {CLOSED "{\"data\":null,\"records\":[{}]}", "{};"},
        {CLOSED "{\"data\":null,\"status\":\"ERROR\"}", NULL},
        {CLOSED "{\"data\":null,\"total\":3}", NULL},
        {CLOSED "{\"data\":null,\"items\":[{}]}", NULL},
        {CLOSED "{\"data\":null,\"errors\":[]}", ""},
        {CLOSED "{\"data\":null", NULL},
        {CLOSED "{\"data\":null}x", NULL},
        {CLOSED "{\"data\":false}", NULL},
        {CLOSED "{\"data\":\"null\"}", NULL},
        {CLOSED "{\"data\":{\"data\":null}}", NULL},
        {CLOSED "null", NULL},
    };
    api.answer.accept_no_content = true;
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        script.asked = 0;
        script.n = 0;
        reply(cases[i].text);
        run();
        ck_assert_msg((record.err.kind == PL_ERR_NONE) == (cases[i].elements != NULL), "%zu: %s", i,
                      record.err.msg);
        if (cases[i].elements)
            ck_assert_str_eq(elements(), cases[i].elements);
    }
}
END_TEST

/* Configured headers are sent after ours, and their secrets never show up in an error. */
START_TEST(further_headers)
{
    struct pl_map_entry headers[] = {
        {.key = (char *)"X-Tenant", .value = (char *)"north"},
        {.key = (char *)"X-Key", .value = (char *)"K3y 0123456789abcdef", .secret = true}};
    api.headers = (struct pl_map){headers, 2};
    reply(CLOSED "[]");
    reply(CLOSED "{\"status\":\"bad key K3y 0123456789abcdef of north\",\"data\":[]}");
    run();
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_msg(strstr(pl_buf_cstr(&script.heads[0]),
                         "\r\nX-Tenant: north\r\nX-Key: K3y 0123456789abcdef\r\n"),
                  "%s", pl_buf_cstr(&script.heads[0]));
    run();
    ck_assert_msg(strstr(record.err.msg, "status is \"bad key"), "%s", record.err.msg);
    ck_assert_msg(!strstr(record.err.msg, "K3y"), "%s", record.err.msg);
}
END_TEST

/* The array where the configuration says, and the members around it. */
START_TEST(array_named)
{
    api.answer.array = (char *)"result.items";
    fetch_free(fetch);
    pl_auth_free(auth);
    fetch_make();
    reply(CLOSED "{\"data\":[1],\"result\":{\"items\":[{\"a\":1}],\"total\":1}}");
    reply(CLOSED "{\"result\":{\"items\":[{\"a\":1}],\"total\":2}}");
    reply(CLOSED "[{}]");
    run();
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_str_eq(elements(), "{\"a\":1};");
    ck_assert_str_eq(record.result.shape, "an object with the array under result.items");
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(record.err.msg, "result.total is 2"), "%s", record.err.msg);
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_REJECT);
    ck_assert_msg(strstr(record.err.msg, "api.answer.array"), "%s", record.err.msg);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("server", .set_up = set_up, .tear_down = tear_down),
        TEST(asked_as_it_should_be),
        TEST(good_answers),
        TEST(unpacked),
        TEST(bad_answers),
        TEST(says_that_it_is_not_whole),
        TEST(null_accepted),
        TEST(further_headers),
        TEST(array_named),
    };
    pl_http_global_init();
    return unit_main("fetch", tests, PL_COUNT(tests));
}
