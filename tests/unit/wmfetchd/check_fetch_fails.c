/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_fetch_fails.c - one range from the API: refusals, cuts, back-pressure, a stop.
 * links: wmfetchd
 */
#include "tests/unit/wmfetchd/fetch_run.h"

START_TEST(statuses)
{
    static const struct {
        long status;
        enum pl_err_kind kind;
        const char *has;
    } cases[] = {
        {202, PL_ERR_RETRY, "202"},
        {206, PL_ERR_RETRY, "206"},
        {301, PL_ERR_CONFIG, "redirect"},
        {307, PL_ERR_CONFIG, "api.url"},
        {400, PL_ERR_CONFIG, "check api.parameters"},
        {401, PL_ERR_CONFIG, "check who asks"},
        {403, PL_ERR_CONFIG, "role"},
        {404, PL_ERR_CONFIG, "api.path"},
        {408, PL_ERR_RETRY, "408"},
        {413, PL_ERR_CONFIG, "413"},
        {422, PL_ERR_CONFIG, "api.applications"},
        {429, PL_ERR_RETRY, "429"},
        {500, PL_ERR_RETRY, "500"},
        {502, PL_ERR_RETRY, "502"},
        {503, PL_ERR_RETRY, "503"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_err err;
        fetch_err_from_status(&err, cases[i].status, "check who asks", "api.example", "its words");
        ck_assert_msg(err.kind == cases[i].kind, "%ld: %s", cases[i].status, err.msg);
        ck_assert_int_eq(err.code, cases[i].status);
        ck_assert_msg(strstr(err.msg, cases[i].has), "%ld: %s", cases[i].status, err.msg);
        ck_assert_ptr_nonnull(strstr(err.msg, "api.example"));
        ck_assert_ptr_nonnull(strstr(err.msg, "its words"));
    }
}
END_TEST

START_TEST(refused_once)
{
    reply("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
    reply(CLOSED "[{}]");
    run();
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_str_eq(elements(), "{};");
    ck_assert_int_eq(script.tokens, 2);
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&script.heads[1]), "Bearer token-number-2\r\n"));
    ck_assert_uint_eq(pl_metrics_get(metrics, M_TOKENS_REFUSED), 1);
    ck_assert_uint_eq(pl_metrics_get(metrics, M_ANSWER_401), 1);
}
END_TEST

START_TEST(refused_twice)
{
    reply("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
    reply("HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer error=\"invalid_token\", "
          "error_description=\"no audience in token-number-2\"\r\nContent-Length: 0\r\n\r\n");
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(record.err.code, 401);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "no audience"));
    ck_assert_ptr_nonnull(strstr(record.err.msg, "are auth.url and auth.realm those"));
    ck_assert_ptr_null(strstr(record.err.msg, "token-number"));
    ck_assert_int_eq(script.tokens, 2);
    ck_assert_int_eq(script.asked, 2);
    /* Neither the token nor what it was got by is used again. */
    reply(CLOSED "[]");
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_NONE);
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&script.heads[2]), "Bearer token-number-3\r\n"));
}
END_TEST

/* Who asks by something that stays the same is refused at once; what it is does not come back. */
START_TEST(refused_key)
{
    auth_conf = (struct pl_auth_conf){
        .method = PL_AUTH_HEADER,
        .header = {.name = (char *)"X-Api-Key", .value = {.value = (char *)"k3y 0123456789"}}};
    fetch_free(fetch);
    pl_auth_free(auth);
    fetch_make();
    reply(CLOSED "[{}]");
    reply("HTTP/1.1 401 No\r\n\r\nwho is k3y 0123456789?");
    run();
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&script.heads[0]), "X-Api-Key: k3y 0123456789\r\n"));
    ck_assert_ptr_null(strstr(pl_buf_cstr(&script.heads[0]), "Authorization"));
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(record.err.code, 401);
    ck_assert_msg(strstr(record.err.msg, "auth.header.value"), "%s", record.err.msg);
    ck_assert_msg(strstr(record.err.msg, "who is)"), "%s", record.err.msg);
    ck_assert_int_eq(script.asked, 2);
    ck_assert_int_eq(script.tokens, 0);
    ck_assert_uint_eq(pl_metrics_get(metrics, M_TOKENS_REFUSED), 0);
}
END_TEST

/* An answer may repeat the address it was asked by: what is secret in it is not passed on. */
START_TEST(repeats_our_secret)
{
    static const char *const cases[] = {
        "HTTP/1.1 404 No\r\n\r\nnot found: /a?key=K3y%26-0123456789abcdef",
        "HTTP/1.1 404 No\r\n\r\nbad key: K3y&-0123456789abcdef",
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer error=\"K3y&-0123456789abcdef\"\r\n\r\n",
        CLOSED "<html>K3y&-0123456789abcdef</html>",
        /* Where what is shown of an answer ends in the middle of it. */
        CLOSED "<html>......................................................K3y&-0123456789abcdef",
        CLOSED "<html>............................................................K3y&-0123456789",
        CLOSED "<html>................................................................K3y&-012345",
    };
    static const char *const words[] = {"not found", "bad key", "Bearer", "<html>",
                                        "<html>",    "<html>",  "<html>"};
    struct pl_map_entry secret = {
        .key = (char *)"key", .value = (char *)"K3y&-0123456789abcdef", .secret = true};
    api.parameters = (struct pl_map){&secret, 1};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        script.asked = 0;
        script.n = 0;
        if (i == 2)
            reply(cases[i]);
        reply(cases[i]);
        run();
        ck_assert_int_ne(record.err.kind, PL_ERR_NONE);
        ck_assert_msg(strstr(record.err.msg, words[i]), "%zu: %s", i, record.err.msg);
        ck_assert_msg(!strstr(record.err.msg, "K3y"), "%zu: %s", i, record.err.msg);
        ck_assert_msg(!strstr(record.err.msg, "0123"), "%zu: %s", i, record.err.msg);
    }
}
END_TEST

START_TEST(asked_to_wait)
{
    reply("HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 9\r\n\r\nslow down");
    reply("HTTP/1.1 503 Away\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_RETRY);
    ck_assert(!record.result.no_token);
    ck_assert_int_eq(record.err.code, 429);
    ck_assert_int_eq(record.result.retry_after_ms, 3000);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "it says: slow down"));
    run();
    ck_assert_int_eq(record.err.code, 503);
    ck_assert_int_eq(record.result.retry_after_ms, 0);
}
END_TEST

START_TEST(redirect_not_followed)
{
    char text[256];
    snprintf(text, sizeof(text),
             "HTTP/1.1 302 Found\r\nLocation: http://localhost:%d/x\r\nContent-Length: 0\r\n\r\n",
             server.port);
    reply(text);
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(script.asked, 1);
}
END_TEST

START_TEST(server_clock)
{
    reply("HTTP/1.1 200 OK\r\nDate: Fri, 01 Jan 2021 00:00:00 GMT\r\nContent-Length: 2\r\n\r\n[]");
    reply("HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 2\r\n\r\n[]");
    run();
    ck_assert_int_eq(record.result.heard.date_ms, INT64_C(1609459200000));
    ck_assert_int_gt(record.result.heard.now_ms, INT64_C(1609459200000));
    run();
    ck_assert_int_eq(record.result.heard.date_ms, 0);
}
END_TEST

START_TEST(stalls)
{
    api.stall_timeout_ms = 50;
    reply("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[{},");
    atomic_store(&script.hang, true);
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_RETRY);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "no data for"));
    ck_assert_str_eq(elements(), "{};");
}
END_TEST

/* Each element refused a few times: nothing lost, nothing doubled, and the end is seen although the
 * request is over long before. */
START_TEST(held_back)
{
    struct pl_buf text = {0}, want = {0};
    pl_buf_add_str(&text, CLOSED "{\"data\":[");
    for (int i = 0; i < 1500; i++) {
        pl_buf_addf(&text, "%s{\"n\":%d,\"x\":\"yyyyyyyyyyyyyyyyyy\"}", i > 0 ? "," : "", i);
        pl_buf_addf(&want, "{\"n\":%d,\"x\":\"yyyyyyyyyyyyyyyyyy\"};", i);
    }
    pl_buf_add_str(&text, "]}");
    for (int later = 0; later < 3; later++)
        script.replies[script.n++] = (struct reply){text.data, text.len};
    for (int later = 0; later < 3; later++) {
        record.later_each = later;
        record.offers = 0;
        run();
        ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
        ck_assert_str_eq(elements(), pl_buf_cstr(&want));
        ck_assert_int_eq(record.offers, 1500 * (later + 1));
    }
    pl_buf_release(&text);
    pl_buf_release(&want);
}
END_TEST

START_TEST(refused_by_who_takes)
{
    reply(CLOSED "[{},{},{}]");
    reply(CLOSED "[{},{},{}]");
    record.refuse_at = 2;
    run();
    ck_assert_str_eq(elements(), "{};");
    ck_assert_str_eq(record.err.msg, "refused by the test");
    record.refuse_at = 2; /* the same from a resume */
    record.later_each = 1;
    run();
    ck_assert_str_eq(elements(), "{};");
    ck_assert_str_eq(record.err.msg, "refused by the test");
}
END_TEST

START_TEST(disk_full)
{
    reply(CLOSED "[{},{},{}]");
    record.bytes_fail = true;
    run();
    ck_assert_str_eq(record.err.msg, "disk full");
    ck_assert_str_eq(elements(), "");
}
END_TEST

/* Stopped in each state, then used again. */
START_TEST(stopped)
{
    static const struct fetch_ask asked = {"1", "HOURLY", 0, 1};
    reply(CLOSED "[{},{},{}]");
    reply(CLOSED "[{\"last\":1}]");
    fetch_start(fetch, &asked); /* waits for the token */
    fetch_stop(fetch);
    fetch_stop(fetch);
    record.later_each = 1000;
    fetch_start(fetch, &asked);
    while (record.offers == 0)
        ck_assert_int_ge(sd_event_run(loop, UINT64_MAX), 0);
    fetch_stop(fetch); /* held */
    fetch_resume(fetch);
    ck_assert_int_eq(record.done, 0);
    record.later_each = record.later = 0;
    run();
    ck_assert_int_eq(record.done, 1);
    ck_assert_str_eq(elements(), "{\"last\":1};");
}
END_TEST

START_TEST(no_token)
{
    auth_conf.url = (char *)"http://127.0.0.1:1";
    fetch_free(fetch);
    pl_auth_free(auth);
    fetch_make();
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_RETRY);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "no token"));
    ck_assert(record.result.no_token);
    ck_assert_int_eq(script.asked, 0);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("pure"),
        TEST(statuses),
        TCASE("server", .set_up = set_up, .tear_down = tear_down),
        TEST(refused_once),
        TEST(refused_twice),
        TEST(refused_key),
        TEST(repeats_our_secret),
        TEST(asked_to_wait),
        TEST(redirect_not_followed),
        TEST(server_clock),
        TEST(stalls),
        TEST(held_back),
        TEST(refused_by_who_takes),
        TEST(disk_full),
        TEST(stopped),
        TEST(no_token),
    };
    pl_http_global_init();
    return unit_main("fetch_fails", tests, PL_COUNT(tests));
}
