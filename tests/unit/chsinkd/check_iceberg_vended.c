/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_iceberg_vended.c - credentials that a REST catalogue gives out: which ones a location has,
 * what is refused of them, that requests carry them, and that they are renewed before they end and
 * when they are refused. links: chsinkd
 */
#include "daemons/chsinkd/iceberg/store/store_s3.h"
#include "lib/base/clock.h"
#include "tests/unit/s3_bucket.h"

#define HOUR_MS  (60 * 60 * 1000)
#define KEYS(id) "\"s3.access-key-id\":\"" id "\",\"s3.secret-access-key\":\"geheim\""

static int read_text(const char *text, struct iceberg_vended *ret, struct pl_err *err)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *answer = cJSON_Parse(text);
    ck_assert_msg(answer != NULL, "%s", text);
    int rc = iceberg_vended_read(answer, 1000, ret, err);
    PL_FREE char *left = cJSON_PrintUnformatted(answer);
    ck_assert_msg(rc < 0 || !strstr(left, "geheim"), "%s", left);
    return rc;
}

static const struct {
    const char *answer, *location;
    const char *access; /* NULL: none */
    const char *token, *region, *endpoint;
    int path_style;
} choices[] = {
    {"{}", "s3://b/t/f", NULL, NULL, NULL, NULL, -1},
    {"{\"config\":{\"s3.region\":\"r\"}}", "s3://b/t/f", NULL, NULL, NULL, NULL, -1},
    {"{\"config\":{" KEYS("A") "}}", "s3://b/t/f", "A", NULL, NULL, NULL, -1},
    {"{\"config\":{" KEYS(
         "A") ",\"s3.session-token\":\"T\",\"client.region\":\"eu-1\","
              "\"s3.endpoint\":\"http://h:9000\",\"s3.path-style-access\":\"true\"}}",
     "s3://b/t/f", "A", "T", "eu-1", "http://h:9000", 1},
    {"{\"config\":{" KEYS("A") ",\"s3.region\":\"eu-2\",\"client.region\":\"eu-1\","
                               "\"s3.path-style-access\":\"false\",\"s3.session-token\":\"\"}}",
     "s3://b/t/f", "A", NULL, "eu-2", NULL, 0},
    /* The longest prefix that fits; `config` has what they leave out, and is for all others. */
    {"{\"storage-credentials\":[{\"prefix\":\"s3://b/\",\"config\":{" KEYS(
         "B") "}},"
              "{\"prefix\":\"s3://b/t/\",\"config\":{" KEYS(
                  "T") ",\"s3.session-token\":\"TT\"}},"
                       "{\"prefix\":\"s3://b/t/x/\",\"config\":{" KEYS(
                           "X") "}}],"
                                "\"config\":{" KEYS(
                                    "A") ",\"s3.region\":\"r-1\",\"s3.session-token\":\"AT\"}}",
     "s3://b/t/f", "T", "TT", "r-1", NULL, -1},
    {"{\"storage-credentials\":[{\"prefix\":\"s3://b/t/\",\"config\":{" KEYS(
         "T") "}},"
              "{\"prefix\":\"s3://b/\",\"config\":{" KEYS(
                  "B") ",\"s3.region\":\"r-2\"}}],"
                       "\"config\":{\"s3.region\":\"r-1\"}}",
     "s3://b/u/f", "B", NULL, "r-2", NULL, -1},
    {"{\"storage-credentials\":[{\"prefix\":\"s3://b/t/\",\"config\":{" KEYS(
         "T") "}}],"
              "\"config\":{" KEYS("A") "}}",
     "s3://c/t/f", "A", NULL, NULL, NULL, -1},
    {"{\"storage-credentials\":[{\"prefix\":\"s3://b/t/\",\"config\":{" KEYS("T") "}}]}",
     "s3://c/t/f", NULL, NULL, NULL, NULL, -1},
    /* Spellings of the scheme; all of S3; other stores beside it. */
    {"{\"storage-credentials\":[{\"prefix\":\"s3://b/t\",\"config\":{" KEYS("T") "}}]}",
     "s3a://b/t/f", "T", NULL, NULL, NULL, -1},
    {"{\"storage-credentials\":[{\"prefix\":\"s3\",\"config\":{" KEYS(
         "T") "}},"
              "{\"prefix\":\"gs://b\",\"config\":{\"gcs.oauth2.token\":\"G\"}}]}",
     "s3://b/t/f", "T", NULL, NULL, NULL, -1},
    {"{\"storage-credentials\":\"none\",\"config\":[]}", "s3://b/t/f", NULL, NULL, NULL, NULL, -1},
};

static void assert_text(const char *got, const char *want)
{
    ck_assert_str_eq(got ? got : "(none)", want ? want : "(none)");
}

START_TEST(the_longest_prefix_counts)
{
    PL_CLEANUP(iceberg_vended_release) struct iceberg_vended v = {0};
    struct pl_err err;
    ck_assert_done(read_text(choices[_i].answer, &v, &err), err);
    const struct vended_keys *k = iceberg_vended_find(&v, choices[_i].location);
    assert_text(k ? k->access : NULL, choices[_i].access);
    if (!k)
        return;
    ck_assert_str_eq(k->secret, "geheim");
    assert_text(k->session_token, choices[_i].token);
    assert_text(k->region, choices[_i].region);
    assert_text(k->endpoint, choices[_i].endpoint);
    ck_assert_int_eq(k->path_style, choices[_i].path_style);
}
END_TEST

static const struct {
    const char *config, *why;
} refusals[] = {
    {"\"s3.access-key-id\":\"A\"", "s3.secret-access-key is missing"},
    {KEYS("A,B"), "s3.access-key-id"},
    {KEYS("A\\r\\nX: y"), "s3.access-key-id"},
    {KEYS("A") ",\"s3.session-token\":\"geheim\\n\"", "s3.session-token"},
    {KEYS("A") ",\"s3.region\":\"r/geheim\"", "s3.region"},
    {KEYS("A") ",\"s3.endpoint\":\"h:9000\"", "s3.endpoint"},
    {KEYS("A") ",\"s3.endpoint\":\"http://u:geheim@h\"", "s3.endpoint"},
    {KEYS("A") ",\"s3.endpoint\":\"http://h/path\"", "s3.endpoint"},
    {KEYS("A") ",\"s3.endpoint\":\"file:///etc\"", "s3.endpoint"},
    {KEYS("A") ",\"s3.endpoint\":\"https://\"", "s3.endpoint"},
};

START_TEST(what_is_no_credential_is_refused)
{
    PL_FREE char *in_config = pl_strf("{\"config\":{%s}}", refusals[_i].config);
    PL_FREE char *in_list = pl_strf(
        "{\"storage-credentials\":[{\"prefix\":\"s3://b\",\"config\":{%s}}]}", refusals[_i].config);
    const char *const answers[] = {in_config, in_list};
    for (size_t i = 0; i < PL_COUNT(answers); i++) {
        struct iceberg_vended v = {0};
        struct pl_err err;
        ck_assert_int_eq(read_text(answers[i], &v, &err), -1);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, refusals[_i].why) && !strstr(err.msg, "geheim"), "%s",
                      err.msg);
        ck_assert_ptr_null(v.v);
    }
}
END_TEST

static const struct {
    const char *expires; /* the value as JSON; NULL: not there */
    int64_t now_ms;      /* they were given out at 1000 */
    bool old;
} ages[] = {
    {NULL, INT64_MAX, false},       {"\"soon\"", INT64_MAX, false},
    {"\"\"", INT64_MAX, false},     {"\"3601000\"", 3540999, false}, /* an hour: the last minute */
    {"\"3601000\"", 3541000, true}, {"\"9000\"", 6999, false},       /* 8 s: the last quarter */
    {"\"9000\"", 7000, true},       {"\"9000\"", 9001, true},
    {"\"500\"", 1000, true}, /* ended before it came: clocks differ */
    {"\"1000\"", 999, false},
};

START_TEST(they_are_old_before_they_end)
{
    PL_CLEANUP(iceberg_vended_release) struct iceberg_vended v = {0};
    struct pl_err err;
    PL_FREE char *text = pl_strf("{\"config\":{" KEYS("A") "%s%s}}",
                                 ages[_i].expires ? ",\"s3.session-token-expires-at-ms\":" : "",
                                 ages[_i].expires ? ages[_i].expires : "");
    ck_assert_done(read_text(text, &v, &err), err);
    ck_assert(iceberg_vended_is_old(&v.v[0], ages[_i].now_ms) == ages[_i].old);
}
END_TEST

/* ---- in requests ---- */

static struct server server;
static struct bucket bucket;
static struct iceberg_conf conf;
static struct iceberg_stop stop;
static struct iceberg_store *store;
static struct iceberg_vended vended;
static struct pl_err err;
static char *folder;
static unsigned renewals;
static bool away;
static const char *newer; /* what renew() gives */

static void give(const char *id, const char *token, const char *endpoint, int64_t expires_ms)
{
    struct iceberg_vended v = {0};
    PL_FREE char *text =
        pl_strf("{\"config\":{\"s3.access-key-id\":\"%s\",\"s3.secret-access-key\":\"geheim\","
                "\"s3.session-token\":\"%s\",\"s3.region\":\"eu-9\",\"s3.endpoint\":\"%s\","
                "\"s3.path-style-access\":\"true\",\"s3.session-token-expires-at-ms\":\"%lld\"}}",
                id, token, endpoint, (long long)expires_ms);
    ck_assert_done(read_text(text, &v, &err), err);
    v.v[0].got_ms = pl_clock_realtime_ms();
    iceberg_vended_replace(&vended, &v);
}

static int64_t in(int64_t ms)
{
    return pl_clock_realtime_ms() + ms;
}

static int renew(void *userdata, struct pl_err *e)
{
    (void)userdata;
    renewals++;
    if (away)
        return pl_err_set(e, PL_ERR_RETRY, 0, "loading db.t: it is away");
    give("AK2", newer, server.url, in(HOUR_MS));
    return 0;
}

static const struct s3_lender lender = {&vended, renew, NULL};

static void store_open(void)
{
    folder = unit_dir();
    bucket = (struct bucket){.lock = PTHREAD_MUTEX_INITIALIZER};
    server_start(&server, bucket_answer, &bucket);
    conf = (struct iceberg_conf){.timeout_ms = 10000,
                                 .s3 = {.credentials = ICEBERG_S3_VENDED,
                                        .region = (char[]){"us-east-1"},
                                        .addressing = ICEBERG_S3_VIRTUAL,
                                        .staging = folder}};
    store = iceberg_store_s3_new(&conf, &stop);
    iceberg_store_s3_lend(store, &lender);
    renewals = 0;
    away = false;
    newer = "token-2";
}

static void store_close(void)
{
    iceberg_store_free(store);
    iceberg_vended_release(&vended);
    server_stop(&server);
    bucket_release(&bucket);
    free(folder);
}

static int put(void)
{
    return store->ops->put(store, "s3://lake/t/f", PL_SLICE_LIT("content"), &err);
}

static void assert_sent(const char *text)
{
    ck_assert_msg(strcasestr(bucket.last_head, text) != NULL, "%s", bucket.last_head);
}

START_TEST(requests_carry_them)
{
    give("AK1", "token-1", server.url, in(HOUR_MS));
    ck_assert_done(put(), err);
    assert_sent("PUT /lake/t/f ");
    assert_sent("Credential=AK1/");
    assert_sent("/eu-9/s3/aws4_request");
    assert_sent("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,");
    assert_sent("\r\nx-amz-security-token: token-1\r\n");
    ck_assert_ptr_null(strstr(bucket.last_head, "geheim"));
    ck_assert_uint_eq(renewals, 0);
}
END_TEST

/* The configured endpoint goes before the catalogue's. */
START_TEST(an_endpoint_of_ours_counts)
{
    give("AK1", "token-1", "http://127.0.0.1:1", in(HOUR_MS));
    conf.s3.endpoint = server.url;
    conf.s3.addressing = ICEBERG_S3_PATH;
    ck_assert_done(put(), err);
    assert_sent("Credential=AK1/");
    conf.s3.endpoint = NULL;
    ck_assert_int_eq(put(), -1);
    ck_assert_msg(strstr(err.msg, "127.0.0.1:1"), "%s", err.msg);
}
END_TEST

START_TEST(they_are_renewed_before_they_end)
{
    give("AK1", "token-1", server.url, in(-1));
    bucket.wanted = "token-2";
    ck_assert_done(put(), err);
    ck_assert_done(put(), err);
    assert_sent("Credential=AK2/");
    ck_assert_uint_eq(renewals, 1);
    ck_assert_uint_eq(bucket.refused, 0);
}
END_TEST

START_TEST(they_are_renewed_when_they_are_refused)
{
    give("AK1", "token-1", server.url, in(HOUR_MS));
    bucket.wanted = "token-2";
    ck_assert_done(put(), err);
    ck_assert_uint_eq(renewals, 1);
    ck_assert_uint_eq(bucket.refused, 1);
    PL_CLEANUP(pl_buf_release) struct pl_buf got = {0};
    bool found;
    ck_assert_done(store->ops->get(store, "s3://lake/t/f", 100, &got, &found, &err), err);
    ck_assert_str_eq(pl_buf_cstr(&got), "content");
}
END_TEST

/* Asked once; a catalogue that is away is for later, one that gives the same is for a person. */
START_TEST(it_ends_there)
{
    give("AK1", "token-1", server.url, in(HOUR_MS));
    bucket.wanted = "token-3";
    ck_assert_int_eq(put(), -1);
    ck_assert_uint_eq(renewals, 1);
    ck_assert_uint_eq(bucket.refused, 2);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, "ExpiredToken; the catalogue gave out"), "%s", err.msg);
    ck_assert_int_eq(put(), -1); /* the same again: not sent again */
    ck_assert_uint_eq(bucket.refused, 3);
    ck_assert_ptr_null(strstr(err.msg, "token-"));
    away = true;
    ck_assert_int_eq(put(), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_msg(strstr(err.msg, "which were refused: loading db.t: it is away"), "%s", err.msg);
}
END_TEST

START_TEST(none_is_said)
{
    ck_assert_int_eq(put(), -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, "gave out no credentials"), "%s", err.msg);
    ck_assert_str_eq(bucket.last_head, "");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("answer"),
        TEST(the_longest_prefix_counts, .count = PL_COUNT(choices)),
        TEST(what_is_no_credential_is_refused, .count = PL_COUNT(refusals)),
        TEST(they_are_old_before_they_end, .count = PL_COUNT(ages)),
        TCASE("requests", .set_up = store_open, .tear_down = store_close),
        TEST(requests_carry_them),
        TEST(an_endpoint_of_ours_counts),
        TEST(they_are_renewed_before_they_end),
        TEST(they_are_renewed_when_they_are_refused),
        TEST(it_ends_there),
        TEST(none_is_said),
    };
    return unit_main("iceberg_vended", tests, PL_COUNT(tests));
}
