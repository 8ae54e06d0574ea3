/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_iceberg_rest.c - the REST catalogue: what answers mean by table, its paths, its options,
 * and the catalogue against servers of this process: conflicts, answers that are lost or cut,
 * waits, tokens that are refused, namespaces that are missing. links: chsinkd
 */
#include <sys/stat.h>

#include "daemons/chsinkd/iceberg/catalog/catalog_rest.h"
#include "daemons/chsinkd/iceberg/catalog/rest_answer.h"
#include "daemons/chsinkd/iceberg/format/json.h"
#include "tests/unit/http_server.h"
#include "tests/unit/unit.h"

/* ---- what answers mean ---- */

#define ERROR(type) "{\"error\":{\"message\":\"Own words\",\"type\":\"" type "\",\"code\":1}}"

static const struct {
    long status;
    const char *body;
    enum rest_outcome outcome;
    enum pl_err_kind kind;
    const char *has;
} answers[] = {
    {200, "", REST_DONE, PL_ERR_NONE, NULL},
    {204, "", REST_DONE, PL_ERR_NONE, NULL},
    {400, ERROR("BadRequestException"), REST_FAILED, PL_ERR_CONFIG, "BadRequestException: Own"},
    {401, ERROR("NotAuthorizedException"), REST_DENIED, PL_ERR_CONFIG, "Own words"},
    {403, ERROR("ForbiddenException"), REST_FAILED, PL_ERR_CONFIG, "the right"},
    {404, ERROR("NoSuchTableException"), REST_ABSENT, PL_ERR_CONFIG, "Own words"},
    {404, ERROR("NoSuchNamespaceException"), REST_ABSENT, PL_ERR_CONFIG, "Own words"},
    {404, "<html>nginx</html>", REST_FAILED, PL_ERR_CONFIG, "iceberg.rest.url"},
    {404, "", REST_FAILED, PL_ERR_CONFIG, "iceberg.rest.url"},
    {404, "{\"error\":\"Not Found\"}", REST_FAILED, PL_ERR_CONFIG, "iceberg.rest.url"},
    {409, ERROR("CommitFailedException"), REST_CONFLICT, PL_ERR_RETRY, "Own words"},
    {409, "", REST_CONFLICT, PL_ERR_RETRY, ""},
    {419, ERROR("AuthenticationTimeoutException"), REST_DENIED, PL_ERR_CONFIG, ""},
    {422, ERROR("UnprocessableEntityException"), REST_FAILED, PL_ERR_CONFIG, ""},
    {408, "", REST_FAILED, PL_ERR_RETRY, ""},
    {429, "", REST_FAILED, PL_ERR_RETRY, "too much"},
    {500, ERROR("CommitStateUnknownException"), REST_UNKNOWN, PL_ERR_RETRY, "Own words"},
    {501, "", REST_FAILED, PL_ERR_CONFIG, "does not know"},
    {502, "<html>Bad gateway</html>", REST_UNKNOWN, PL_ERR_RETRY, "502"},
    {503, ERROR("ServiceUnavailableException"), REST_UNKNOWN, PL_ERR_RETRY, ""},
    {504, "", REST_UNKNOWN, PL_ERR_RETRY, ""},
    {599, "", REST_UNKNOWN, PL_ERR_RETRY, ""},
    {302, "", REST_FAILED, PL_ERR_CONFIG, "not followed"},
    {308, "", REST_FAILED, PL_ERR_CONFIG, "not followed"},
};

START_TEST(answers_mean)
{
    const char *body = answers[_i].body;
    struct pl_err err = {0};
    enum rest_outcome outcome = rest_answer_check(
        answers[_i].status, (struct pl_slice){body, strlen(body)}, "commit to d.t", &err);
    ck_assert_msg(outcome == answers[_i].outcome, "%ld %s: %d", answers[_i].status, body, outcome);
    ck_assert_msg(err.kind == answers[_i].kind, "%ld %s: %s", answers[_i].status, body, err.msg);
    if (answers[_i].has)
        ck_assert_msg(strstr(err.msg, "commit to d.t") && strstr(err.msg, answers[_i].has), "%s",
                      err.msg);
}
END_TEST

/* ---- paths ---- */

static const struct {
    const char *url, *config; /* the catalogue's answer */
    const char *namespace_, *table;
    const char *tables_url; /* NULL: refused */
} paths[] = {
    {"http://c:1", "{}", "db", "t", "http://c:1/v1/namespaces/db/tables/t"},
    {"http://c:1/", "{}", "a.b c", "t/u", "http://c:1/v1/namespaces/a%1Fb%20c/tables/t%2Fu"},
    {"http://c/cat/v1/", "{\"defaults\":{\"prefix\":\"d\"},\"overrides\":{\"prefix\":\"/o/p/\"}}",
     "db", "t", "http://c/cat/v1/o/p/namespaces/db/tables/t"},
    {"http://c", "{\"defaults\":{\"prefix\":\"main|wh\"},\"overrides\":{}}", "db", "t",
     "http://c/v1/main%7Cwh/namespaces/db/tables/t"},
    {"http://c", "{\"overrides\":{\"prefix\":\"main%7Cwh\",\"namespace-separator\":\"%2E\"}}",
     "a.b", "t", "http://c/v1/main%7Cwh/namespaces/a%2Eb/tables/t"},
    {"http://c", "{\"overrides\":{\"namespace-separator\":\"\\u001f\"}}", "a.b", "t", NULL},
    {"http://c", "{\"overrides\":{\"namespace-separator\":\"/\"}}", "a.b", "t", NULL},
};

START_TEST(paths_are_made)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *document = cJSON_Parse(paths[_i].config);
    PL_CLEANUP(rest_config_release) struct rest_config config = {0};
    struct pl_err err;
    int rc = rest_config_read(document, &config, &err);
    ck_assert_int_eq(rc, paths[_i].tables_url ? 0 : -1);
    if (rc < 0) {
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        return;
    }
    const struct iceberg_name name = {paths[_i].namespace_, paths[_i].table};
    PL_FREE char *url = rest_url(paths[_i].url, &config, &name, true);
    PL_FREE char *tables = rest_url(paths[_i].url, &config, &name, false);
    PL_FREE char *namespaces = rest_url(paths[_i].url, &config, NULL, false);
    ck_assert_str_eq(url, paths[_i].tables_url);
    ck_assert_int_eq(strncmp(url, tables, strlen(tables)), 0);
    ck_assert_int_eq(strncmp(tables, namespaces, strlen(namespaces)), 0);
}
END_TEST

START_TEST(config_and_namespaces)
{
    PL_FREE char *plain = rest_url_config("http://c/v1", NULL);
    PL_FREE char *with = rest_url_config("http://c", "s3://b/w");
    ck_assert_str_eq(plain, "http://c/v1/config");
    ck_assert_str_eq(with, "http://c/v1/config?warehouse=s3%3A%2F%2Fb%2Fw");
    PL_CLEANUP(cJSON_Deletep) cJSON *all = rest_namespace("a.b.c", 0);
    PL_CLEANUP(cJSON_Deletep) cJSON *two = rest_namespace("a.b.c", 2);
    PL_FREE char *all_text = cJSON_PrintUnformatted(all);
    PL_FREE char *two_text = cJSON_PrintUnformatted(two);
    ck_assert_str_eq(all_text, "[\"a\",\"b\",\"c\"]");
    ck_assert_str_eq(two_text, "[\"a\",\"b\"]");
}
END_TEST

/* ---- configuration ---- */

struct options {
    int catalog;
    char *warehouse;
    struct iceberg_rest_conf rest;
    struct iceberg_s3_conf s3;
};

static const struct pl_option option_table[] = {
    PL_OPTION("catalog", ENUM, struct options, catalog, .dflt = "path",
              .choices = iceberg_catalog_choices),
    PL_OPTION("warehouse", STRING, struct options, warehouse),
    ICEBERG_REST_OPTS("rest", struct options, rest),
    ICEBERG_S3_OPTS("s3", struct options, s3),
    PL_OPT_END,
};

static const struct {
    const char *text, *finding; /* NULL: none */
} configurations[] = {
    {"catalog: path\nwarehouse: /w", NULL},
    {"catalog: path\nwarehouse: \"s3://b/w\"", "iceberg.s3.access_key: is needed"},
    {"catalog: rest\nwarehouse: \"s3://b/w\"\nrest: {url: http://c}", NULL},
    {"catalog: rest", "iceberg.rest.url: is needed"},
    {"catalog: rest\nrest: {url: http://c}", NULL},
    {"catalog: rest\nrest: {url: http://c, auth: {method: token, client_id: x}}",
     "iceberg.rest.auth.url: is needed"},
    {"s3: {access_key: a, secret_key: geheim}", NULL},
    {"s3: {access_key: a}", "iceberg.s3.secret_key: is needed"},
    {"s3: {session_token: geheim}", "iceberg.s3.access_key: is needed"},
    {"s3: {access_key: a/b, secret_key: geheim}", "iceberg.s3.access_key: has characters"},
    {"s3: {access_key: a, secret_key: \"gehe im\"}", "iceberg.s3.secret_key: has characters"},
    {"s3: {endpoint: \"http://h:9000/bucket\"}", "iceberg.s3.endpoint: scheme, host and port"},
    {"s3: {endpoint: \"http://h:9000/\"}", NULL},
    {"s3: {region: EU}", "iceberg.s3.region: is made of"},
    {"catalog: rest\nrest: {url: http://c}\ns3: {credentials: vended}", NULL},
    {"catalog: rest\nrest: {url: http://c}\ns3: {credentials: vended, endpoint: http://s}", NULL},
    {"catalog: path\nwarehouse: \"s3://b/w\"\ns3: {credentials: vended}",
     "vended needs iceberg.catalog: rest"},
    {"catalog: rest\nrest: {url: http://c}\ns3: {credentials: vended, access_key: a, secret_key: "
     "geheim}",
     "iceberg.s3.access_key: has no effect"},
};

START_TEST(configurations_are_checked)
{
    PL_FREE char *folder = unit_dir();
    PL_FREE char *file = pl_strf("%s/conf.yaml", folder);
    FILE *f = fopen(file, "w");
    fputs(configurations[_i].text, f);
    fclose(f);
    chmod(file, 0600);
    struct options o = {0};
    struct pl_findings errs;
    pl_findings_init(&errs);
    ck_assert_int_eq(pl_options_load(option_table, file, &o, NULL, &errs), 0);
    const struct iceberg_conf all = {
        .catalog = o.catalog, .warehouse = o.warehouse, .rest = o.rest, .s3 = o.s3};
    iceberg_remote_check(&all, &errs);
    const char *found = pl_buf_cstr(&errs.text);
    if (configurations[_i].finding)
        ck_assert_msg(strstr(found, configurations[_i].finding), "%s", found);
    else
        ck_assert_str_eq(found, "");
    ck_assert_ptr_null(strstr(found, "gehe"));
    pl_findings_release(&errs);
    pl_options_release(option_table, &o);
}
END_TEST

/* ---- against servers ---- */

#define TABLE                                                                                      \
    "{\"metadata-location\":\"s3://b/t/metadata/1.json\",\"metadata\":{\"format-version\":2,"      \
    "\"current-snapshot-id\":9007199254740993,\"location\":\"s3://b/"                              \
    "t\"},\"config\":{\"s3.access-key-id\":\"AKVENDED\",\"s3.secret-access-key\":\"geheim-s\","    \
    "\"s3.session-token\":\"geheim-t\"}}"

/* What the server says, request after request; the configuration is answered by itself. */
struct script {
    const char *answers[8]; /* "409 Conflict\nbody", "cut", "" closes; NULL: no more may come */
    struct pl_buf heads[8], bodies[8];
    _Atomic unsigned n;
};

static struct server server;
static struct script script;
static struct iceberg_conf conf;
static struct iceberg_stop stop;
static struct iceberg_catalog *catalog;
static struct pl_err err;
static const struct iceberg_name name = {"db", "t"};
static char bearer[] = "geheim-bearer-token";

static bool play(struct server *s, int fd, const struct server_request *r)
{
    struct script *sc = s->arg;
    if (strstr(r->head.data, "/v1/config")) {
        server_send_str(s, fd,
                        "HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n"
                        "{\"defaults\":{},\"overrides\":{    }}  ");
        return true;
    }
    unsigned n = sc->n++;
    ck_assert_uint_lt(n, PL_COUNT(sc->answers));
    pl_buf_add(&sc->heads[n], r->head.data, r->head.len);
    pl_buf_add(&sc->bodies[n], r->body.data, r->body.len);
    pl_buf_cstr(&sc->heads[n]);
    pl_buf_cstr(&sc->bodies[n]);
    const char *answer = sc->answers[n] ? sc->answers[n] : "";
    if (answer[0] == '\0')
        return false;
    if (strcmp(answer, "cut") == 0) {
        server_send_str(s, fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"metadata");
        return false;
    }
    const char *body = strrchr(answer, '\n');
    PL_FREE char *text = pl_strf("HTTP/1.1 %.*s\r\nContent-Length: %zu\r\n\r\n%s",
                                 (int)(body - answer), answer, strlen(body + 1), body + 1);
    server_send_str(s, fd, text);
    return true;
}

static void catalog_open(void)
{
    script = (struct script){0};
    server_start(&server, play, &script);
    atomic_init(&stop.aborted, false);
    conf = (struct iceberg_conf){
        .timeout_ms = 10000,
        .rest = {.url = server.url,
                 .auth = {.method = PL_AUTH_BEARER, .bearer = {.value = bearer}}}};
    catalog = iceberg_catalog_rest_new(&conf, &stop);
}

static void catalog_close(void)
{
    iceberg_catalog_free(catalog);
    server_stop(&server);
    for (size_t i = 0; i < PL_COUNT(script.heads); i++) {
        pl_buf_release(&script.heads[i]);
        pl_buf_release(&script.bodies[i]);
    }
}

static enum iceberg_committed commit(struct iceberg_loaded *ret)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *updates = cJSON_Parse("[{\"action\":\"x\"}]");
    cJSON *requirements = cJSON_CreateArray();
    enum iceberg_committed c =
        catalog->ops->commit(catalog, &name, NULL, requirements, updates, ret, &err);
    cJSON_Delete(requirements);
    return c;
}

START_TEST(loads)
{
    PL_CLEANUP(iceberg_loaded_release) struct iceberg_loaded t = {0};
    int64_t id = 0;
    script.answers[0] = "200 OK\n" TABLE;
    script.answers[1] = "404 Not Found\n" ERROR("NoSuchTableException");
    ck_assert_done(catalog->ops->load(catalog, &name, &t, &err), err);
    ck_assert_str_eq(t.metadata_location, "s3://b/t/metadata/1.json");
    ck_assert(iceberg_json_int(t.metadata, "current-snapshot-id", &id));
    ck_assert_int_eq(id, INT64_C(9007199254740993));
    ck_assert_uint_eq(t.vended.n, 0); /* nobody asked for them */
    ck_assert_ptr_null(strstr(script.heads[0].data, "X-Iceberg-Access-Delegation"));
    ck_assert_ptr_nonnull(strstr(script.heads[0].data, "GET /v1/namespaces/db/tables/t HTTP/1.1"));
    ck_assert_ptr_nonnull(strstr(script.heads[0].data, "Bearer geheim-bearer-token"));
    iceberg_loaded_release(&t);
    ck_assert_done(catalog->ops->load(catalog, &name, &t, &err), err);
    ck_assert_ptr_null(t.metadata);
}
END_TEST

/* They are asked for where a table's answer has them, and are in no message. */
START_TEST(credentials_are_asked_for)
{
    PL_CLEANUP(iceberg_loaded_release) struct iceberg_loaded t = {0}, made = {0};
    PL_CLEANUP(cJSON_Deletep) cJSON *request = cJSON_Parse("{\"name\":\"t\"}");
    conf.s3.credentials = ICEBERG_S3_VENDED;
    script.answers[0] = script.answers[1] = "200 OK\n" TABLE;
    script.answers[2] = "200 OK\n{\"metadata-location\":\"s3://b/1\",\"metadata\":{},\"config\":{"
                        "\"s3.access-key-id\":\"A/K\",\"s3.secret-access-key\":\"geheim\"}}";
    ck_assert_done(catalog->ops->load(catalog, &name, &t, &err), err);
    ck_assert_int_eq(catalog->ops->create(catalog, &name, request, &made, &err), ICEBERG_COMMITTED);
    for (int i = 0; i < 2; i++)
        ck_assert_ptr_nonnull(strstr(script.heads[i].data,
                                     "\r\nX-Iceberg-Access-Delegation: vended-credentials\r\n"));
    ck_assert_uint_eq(t.vended.n, 1);
    ck_assert_str_eq(t.vended.v[0].access, "AKVENDED");
    ck_assert_str_eq(t.vended.v[0].session_token, "geheim-t");
    ck_assert_uint_eq(made.vended.n, 1);
    iceberg_loaded_release(&t);
    ck_assert_int_eq(catalog->ops->load(catalog, &name, &t, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, "loading db.t: what the catalogue gives out as s3.access-key-id"),
                  "%s", err.msg);
    ck_assert_ptr_null(strstr(err.msg, "geheim"));
}
END_TEST

static const struct {
    const char *answer;
    enum iceberg_committed committed;
    enum pl_err_kind kind;
} commits[] = {
    {"200 OK\n" TABLE, ICEBERG_COMMITTED, PL_ERR_NONE},
    {"409 Conflict\n" ERROR("CommitFailedException"), ICEBERG_CONFLICT, PL_ERR_RETRY},
    {"500 Internal Server Error\n", ICEBERG_COMMIT_UNKNOWN, PL_ERR_RETRY},
    {"502 Bad Gateway\n", ICEBERG_COMMIT_UNKNOWN, PL_ERR_RETRY},
    {"503 Service Unavailable\n", ICEBERG_COMMIT_UNKNOWN, PL_ERR_RETRY},
    {"504 Gateway Timeout\n", ICEBERG_COMMIT_UNKNOWN, PL_ERR_RETRY},
    {"429 Too Many Requests\n", ICEBERG_COMMIT_FAILED, PL_ERR_RETRY},
    {"403 Forbidden\n" ERROR("ForbiddenException"), ICEBERG_COMMIT_FAILED, PL_ERR_CONFIG},
    {"400 Bad Request\n" ERROR("BadRequestException"), ICEBERG_COMMIT_FAILED, PL_ERR_CONFIG},
    {"404 Not Found\n" ERROR("NoSuchTableException"), ICEBERG_COMMIT_FAILED, PL_ERR_CONFIG},
    {"401 Unauthorized\n" ERROR("NotAuthorizedException"), ICEBERG_COMMIT_FAILED, PL_ERR_CONFIG},
    {"", ICEBERG_COMMIT_UNKNOWN, PL_ERR_RETRY},                      /* closed without an answer */
    {"cut", ICEBERG_COMMIT_UNKNOWN, PL_ERR_RETRY},                   /* in the middle of one */
    {"200 OK\n<html></html>", ICEBERG_COMMIT_UNKNOWN, PL_ERR_RETRY}, /* somebody else's page */
    {"200 OK\n{}", ICEBERG_COMMIT_UNKNOWN, PL_ERR_RETRY},
    {"204 No Content\n", ICEBERG_COMMIT_UNKNOWN, PL_ERR_RETRY},
};

START_TEST(commits_are_judged)
{
    PL_CLEANUP(iceberg_loaded_release) struct iceberg_loaded t = {0};
    script.answers[0] = commits[_i].answer;
    err = (struct pl_err){0};
    ck_assert_int_eq(commit(&t), commits[_i].committed);
    ck_assert_msg(err.kind == commits[_i].kind, "%s", err.msg);
    ck_assert_msg(!strstr(err.msg, "geheim"), "%s", err.msg);
    ck_assert((t.metadata != NULL) == (commits[_i].committed == ICEBERG_COMMITTED));
    /* Sent once, whatever became of it. */
    ck_assert_uint_eq(script.n, 1);
    ck_assert_str_eq(script.bodies[0].data,
                     "{\"identifier\":{\"namespace\":[\"db\"],\"name\":\"t\"},\"requirements\":[],"
                     "\"updates\":[{\"action\":\"x\"}]}");
}
END_TEST

/* A connection that was kept and is dead by then: a commit that curl repeats by itself would come
 * back as a conflict with itself. */
START_TEST(commits_are_sent_once)
{
    PL_CLEANUP(iceberg_loaded_release) struct iceberg_loaded t = {0};
    script.answers[0] = "200 OK\n" TABLE;
    script.answers[1] = "";
    script.answers[2] = "409 Conflict\n" ERROR("CommitFailedException");
    ck_assert_done(catalog->ops->load(catalog, &name, &t, &err), err);
    iceberg_loaded_release(&t);
    ck_assert_int_eq(commit(&t), ICEBERG_COMMIT_UNKNOWN);
    ck_assert_uint_eq(script.n, 2);
}
END_TEST

START_TEST(namespaces_are_made)
{
    static const struct iceberg_name deep = {"a.b", "t"};
    PL_CLEANUP(iceberg_loaded_release) struct iceberg_loaded t = {0};
    PL_CLEANUP(cJSON_Deletep) cJSON *request = cJSON_Parse("{\"name\":\"t\"}");
    script.answers[0] = "404 Not Found\n" ERROR("NoSuchNamespaceException");
    script.answers[1] = "409 Conflict\n" ERROR("AlreadyExistsException");
    script.answers[2] = "200 OK\n{}";
    script.answers[3] = "200 OK\n" TABLE;
    ck_assert_int_eq(catalog->ops->create(catalog, &deep, request, &t, &err), ICEBERG_COMMITTED);
    ck_assert_ptr_nonnull(strstr(script.heads[0].data, "POST /v1/namespaces/a%1Fb/tables HTTP"));
    ck_assert_str_eq(script.bodies[0].data, "{\"name\":\"t\"}");
    ck_assert_str_eq(script.bodies[1].data, "{\"namespace\":[\"a\"],\"properties\":{}}");
    ck_assert_str_eq(script.bodies[2].data, "{\"namespace\":[\"a\",\"b\"],\"properties\":{}}");
    ck_assert_ptr_nonnull(t.metadata);
}
END_TEST

START_TEST(create_finds_another)
{
    PL_CLEANUP(iceberg_loaded_release) struct iceberg_loaded t = {0};
    PL_CLEANUP(cJSON_Deletep) cJSON *request = cJSON_Parse("{\"name\":\"t\"}");
    script.answers[0] = "409 Conflict\n" ERROR("AlreadyExistsException");
    ck_assert_int_eq(catalog->ops->create(catalog, &name, request, &t, &err), ICEBERG_CONFLICT);
    ck_assert_ptr_null(t.metadata);
}
END_TEST

/* Until then nothing is sent. */
START_TEST(waits_as_it_is_asked)
{
    PL_CLEANUP(iceberg_loaded_release) struct iceberg_loaded t = {0};
    script.answers[0] = "429 Too Many Requests\r\nRetry-After: 600\n" ERROR("TooManyRequests");
    ck_assert_int_eq(commit(&t), ICEBERG_COMMIT_FAILED);
    ck_assert_int_eq(catalog->ops->load(catalog, &name, &t, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_msg(strstr(err.msg, "not before"), "%s", err.msg);
    ck_assert_uint_eq(script.n, 1);
}
END_TEST

START_TEST(away_or_stopped_is_for_later)
{
    PL_CLEANUP(iceberg_loaded_release) struct iceberg_loaded t = {0};
    atomic_store(&stop.aborted, true);
    ck_assert_int_eq(commit(&t), ICEBERG_COMMIT_FAILED);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    atomic_store(&stop.aborted, false);
    conf.rest.url = (char[]){"http://127.0.0.1:1"};
    ck_assert_int_eq(commit(&t), ICEBERG_COMMIT_FAILED);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_msg(strstr(err.msg, "is it running"), "%s", err.msg);
    conf.rest.url = server.url;
}
END_TEST

/* ---- tokens ---- */

static const char token_1[] = "200 OK\n{\"access_token\":\"token-one\",\"token_type\":\"bearer\","
                              "\"expires_in\":3600}";
static const char token_2[] = "200 OK\n{\"access_token\":\"token-two\",\"token_type\":\"bearer\","
                              "\"expires_in\":3600}";
static char token_url[128], client_id[] = "root", client_secret[] = "s3cr3t-of-client",
                            scope[] = "PRINCIPAL_ROLE:ALL";

static void token_catalog_open(void)
{
    catalog_open();
    snprintf(token_url, sizeof(token_url), "%s/v1/oauth/tokens", server.url);
    conf.rest.auth = (struct pl_auth_conf){.method = PL_AUTH_TOKEN,
                                           .token_url = token_url,
                                           .grant = PL_GRANT_CLIENT_CREDENTIALS,
                                           .client_id = client_id,
                                           .client_secret = {.value = client_secret},
                                           .client_auth = PL_CLIENT_AUTH_BODY,
                                           .scope = scope,
                                           .timeout_ms = 10000};
}

/* The catalogue's own token endpoint, and a token that has ended there before its time. */
START_TEST(tokens_are_renewed)
{
    PL_CLEANUP(iceberg_loaded_release) struct iceberg_loaded t = {0};
    script.answers[0] = token_1;
    script.answers[1] = "401 Unauthorized\n" ERROR("NotAuthorizedException");
    script.answers[2] = token_2;
    script.answers[3] = "200 OK\n" TABLE;
    ck_assert_int_eq(commit(&t), ICEBERG_COMMITTED);
    ck_assert_ptr_nonnull(strstr(script.bodies[0].data, "grant_type=client_credentials"));
    ck_assert_ptr_nonnull(strstr(script.bodies[0].data, "scope=PRINCIPAL_ROLE%3AALL"));
    ck_assert_ptr_nonnull(strstr(script.heads[1].data, "Bearer token-one"));
    ck_assert_ptr_nonnull(strstr(script.heads[3].data, "Bearer token-two"));
}
END_TEST

START_TEST(tokens_are_refused)
{
    PL_CLEANUP(iceberg_loaded_release) struct iceberg_loaded t = {0};
    script.answers[0] = "401 Unauthorized\n{\"error\":\"invalid_client\"}";
    ck_assert_int_eq(commit(&t), ICEBERG_COMMIT_FAILED);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, "invalid_client") && !strstr(err.msg, client_secret), "%s",
                  err.msg);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(answers_mean, .count = PL_COUNT(answers)),
        TEST(paths_are_made, .count = PL_COUNT(paths)),
        TEST(config_and_namespaces),
        TEST(configurations_are_checked, .count = PL_COUNT(configurations)),
        TCASE("server", .set_up = catalog_open, .tear_down = catalog_close),
        TEST(loads),
        TEST(credentials_are_asked_for),
        TEST(commits_are_judged, .count = PL_COUNT(commits)),
        TEST(commits_are_sent_once),
        TEST(namespaces_are_made),
        TEST(create_finds_another),
        TEST(waits_as_it_is_asked),
        TEST(away_or_stopped_is_for_later),
        TCASE("tokens", .set_up = token_catalog_open, .tear_down = catalog_close),
        TEST(tokens_are_renewed),
        TEST(tokens_are_refused),
    };
    return unit_main("iceberg_rest", tests, PL_COUNT(tests));
}
