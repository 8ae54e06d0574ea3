/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_http_tls.c - http.c: whom TLS trusts, against real TLS servers with the certificates of
 * tests/services/pki.sh (run from the root of the tree).
 */
#include <microhttpd.h>

#include "lib/http/request.h"
#include "tests/unit/unit.h"

#define PKI "tests/services/pki.sh"

static char *dir; /* what pki.sh made */

static char *path_of(const char *name, const char *ending)
{
    return pl_strf("%s/%s%s", dir, name, ending);
}

static char *file_read(const char *name, const char *ending)
{
    PL_FREE char *path = path_of(name, ending);
    char text[8192];
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    return pl_strdup(text);
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *len, void **state)
{
    static char text[] = "secret served";
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result ok = MHD_queue_response(c, 200, r);
    (void)cls, (void)url, (void)method, (void)version, (void)data, (void)len, (void)state;
    MHD_destroy_response(r);
    return ok;
}

struct tls_server {
    struct MHD_Daemon *daemon;
    char *key, *certificate;
    char url[64];
};

static void serve(struct tls_server *s, const char *name)
{
    s->key = file_read(name, ".key");
    s->certificate = file_read(name, ".crt");
    s->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, NULL, NULL,
                                 answer, NULL, MHD_OPTION_HTTPS_MEM_KEY, s->key,
                                 MHD_OPTION_HTTPS_MEM_CERT, s->certificate, MHD_OPTION_END);
    ck_assert_ptr_nonnull(s->daemon);
    snprintf(s->url, sizeof(s->url), "https://127.0.0.1:%d/",
             MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
}

static void serve_end(struct tls_server *s)
{
    MHD_stop_daemon(s->daemon);
    free(s->key);
    free(s->certificate);
}

static size_t take(char *data, size_t size, size_t n, void *userdata)
{
    pl_buf_add(userdata, data, size * n);
    return size * n;
}

/* One answer by a handle of its own. `system_path`: what stands for the system's folder of
 * authorities, which curl has built in; NULL: that one. */
static void get(const struct tls_server *s, const struct pl_http_conf *conf,
                const char *system_path, struct pl_err *ret)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf body = {0};
    char errbuf[CURL_ERROR_SIZE];
    CURL *easy = curl_easy_init();
    if (system_path)
        curl_easy_setopt(easy, CURLOPT_CAPATH, system_path);
    pl_http_prepare(easy, conf, s->url, errbuf);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
    CURLcode code = curl_easy_perform(easy);
    *ret = (struct pl_err){0};
    if (code != CURLE_OK)
        pl_http_err_from_curl(ret, code, errbuf, s->url);
    ck_assert_str_eq(pl_buf_cstr(&body), code == CURLE_OK ? "secret served" : "");
    curl_easy_cleanup(easy);
}

static const struct {
    const char *server, *ca;
    bool skip_verify;
    const char *refusal; /* a part of the error; NULL: trusted */
} cases[] = {
    {"server", "ca.pem", false, NULL},
    {"server", NULL, false, "name it in tls ca_file"},
    {"server", "other-ca.pem", false, "name it in tls ca_file"},
    {"server", "missing.pem", false, "ca_file is a readable PEM file"},
    {"server", NULL, true, NULL},
    /* By an authority that is trusted, but for somebody else. */
    {"wrong-name", "ca.pem", false, "127.0.0.1"},
    {"wrong-name", "ca.pem", true, NULL},
    {"expired", "ca.pem", false, "expired"},
    {"expired", NULL, true, NULL},
};

START_TEST(trusted)
{
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_FREE char *ca = cases[i].ca ? path_of(cases[i].ca, "") : NULL;
        const struct pl_http_conf conf = {.tls.ca_file = ca,
                                          .tls.insecure_skip_verify = cases[i].skip_verify,
                                          .total_timeout_ms = 20000};
        struct tls_server server;
        struct pl_err err;
        serve(&server, cases[i].server);
        get(&server, &conf, NULL, &err);
        ck_assert_msg(err.kind == (cases[i].refusal ? PL_ERR_CONFIG : PL_ERR_NONE), "%zu: %s", i,
                      err.msg);
        ck_assert_msg(!cases[i].refusal || strstr(err.msg, cases[i].refusal), "%zu: %s", i,
                      err.msg);
        serve_end(&server);
    }
}
END_TEST

/* With an authority of one's own, those of the system's folder are not trusted any more. */
START_TEST(private_authority_only)
{
    PL_FREE char *other = path_of("other-ca", ".pem"), *folder = path_of("hashed", "");
    const struct pl_http_conf public = {.total_timeout_ms = 20000};
    const struct pl_http_conf private = {.tls.ca_file = other, .total_timeout_ms = 20000};
    struct tls_server server;
    struct pl_err err;
    serve(&server, "server");
    get(&server, &public, folder, &err);
    ck_assert_msg(err.kind == PL_ERR_NONE, "%s", err.msg); /* the folder is one of authorities */
    get(&server, &private, folder, &err);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(err.code, CURLE_PEER_FAILED_VERIFICATION);
    serve_end(&server);
}
END_TEST

static bool ended;
static struct pl_err ended_with;

static void on_done(void *userdata, struct pl_http_request *r, const struct pl_err *err)
{
    (void)userdata, (void)r;
    ended = true;
    ended_with = err ? *err : (struct pl_err){0};
}

/* Requests on the event loop go by the same rules. */
START_TEST(on_the_loop)
{
    static const struct pl_http_ops ops = {.on_done = on_done};
    static const char *const servers[] = {"server", "wrong-name"};
    PL_FREE char *ca = path_of("ca", ".pem");
    const struct pl_http_conf conf = {.tls.ca_file = ca, .total_timeout_ms = 20000};
    for (size_t i = 0; i < PL_COUNT(servers); i++) {
        struct tls_server server;
        struct pl_http *http;
        sd_event *loop;
        serve(&server, servers[i]);
        ck_assert_int_ge(sd_event_new(&loop), 0);
        ck_assert_int_eq(pl_http_new(loop, &http, &ended_with), 0);
        ck_assert_int_eq(pl_http_request_new(http, &conf, server.url, NULL, NULL, 0, &ops, NULL,
                                             NULL, &ended_with),
                         0);
        for (ended = false; !ended;)
            ck_assert_int_ge(sd_event_run(loop, UINT64_MAX), 0);
        ck_assert_int_eq(ended_with.kind, i == 0 ? PL_ERR_NONE : PL_ERR_CONFIG);
        pl_http_free(http);
        sd_event_unref(loop);
        serve_end(&server);
    }
}
END_TEST

/* ca.pem once more, in a folder as OpenSSL wants one. */
#define REHASH "mkdir hashed && cp ca.pem hashed/ && openssl rehash hashed"

static void set_up(void)
{
    dir = unit_dir();
    PL_FREE char *command = pl_strf(PKI " '%s' && cd '%s' && " REHASH, dir, dir);
    ck_assert_int_eq(system(command), 0);
}

static void tear_down(void)
{
    free(dir);
}

int main(void)
{
    bool openssl = system("command -v openssl >/dev/null") == 0;
    const struct unit_test tests[] = {
        TCASE("tls", .set_up = set_up, .tear_down = tear_down,
              .skip = openssl ? NULL : "no openssl to make certificates with"),
        TEST(trusted),
        TEST(private_authority_only),
        TEST(on_the_loop),
    };
    return unit_main("http_tls", tests, PL_COUNT(tests));
}
