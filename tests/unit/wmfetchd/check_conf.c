/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_conf.c - what wmfetchd finds wrong in a configuration beyond types and ranges, and
 * which addresses would show secrets on the network. links: wmfetchd
 *
 * A configuration that is good, and one change to it for each finding.
 */
#include <stdio.h>
#include <unistd.h>

#include "daemons/wmfetchd/conf.h"
#include "lib/config/yaml_tree.h"
#include "tests/unit/unit.h"

START_TEST(exposed_urls)
{
    static const struct {
        const char *url;
        bool exposed;
    } cases[] = {
        {"https://kc.example/auth", false},
        {"http://kc.example/auth", true},
        {"HTTP://kc.example:8080", true},
        {"http://127.0.0.1:8080/", false},
        {"http://127.9.8.7", false},
        {"http://localhost:8080", false},
        {"http://[::1]:80/x", false},
        {"http://[::2]:80/x", true},
        {"http://localhost.example/", true},
        {"http://127.example.org/", true},
        {"http://127.0.0.1.example.org/", true},
        {"http://10.0.0.1/", true},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_msg(wmfetchd_url_is_exposed(cases[i].url) == cases[i].exposed, "%s",
                      cases[i].url);
}
END_TEST

/* The findings for a configuration with these lines in api, auth and at the top. */
static void find(const char *api, const char *auth, const char *top, bool kafka,
                 struct pl_findings *errs)
{
    char path[] = "/tmp/check_wmfetchd_conf-XXXXXX";
    struct wmfetchd_conf conf = {0};
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    dprintf(fd,
            "api:\n    url: https://api.example\n    applications: [\"1\"]\n%s"
            "auth:\n    url: https://kc.example\n    client_id: c\n%s%s",
            api, auth, top);
    close(fd);
    pl_findings_init(errs);
    pl_options_load(wmfetchd_opts, path, &conf, NULL, errs);
    wmfetchd_conf_check(&conf, kafka, errs);
    pl_options_release(wmfetchd_opts, &conf);
    unlink(path);
}

#define USER  "    user: u\n    password: p\n"
#define KAFKA "kafka: { bootstrap.servers: \"k:9092\" }\n"

START_TEST(findings)
{
    static const struct {
        const char *api, *auth, *top, *has; /* has NULL: nothing is wrong */
    } cases[] = {
        {"", USER, KAFKA, NULL},
        {"    path: a/b\n    index: [HOURLY, DAILY]\n", USER, KAFKA "name: x\n", NULL},
        {"", "    grant: client_credentials\n    client_secret: s\n", KAFKA, NULL},
        {"", "    password: p\n", KAFKA, "auth.user: is needed"},
        {"", "    user: u\n", KAFKA, "auth.password: is needed"},
        {"", "    user: u\n    password: { file: /nonexistent/x }\n", KAFKA, "/nonexistent/x"},
        {"", "    grant: client_credentials\n", KAFKA, "auth.client_secret: is needed"},
        {"", "    grant: client_credentials\n    client_secret: s\n    user: u\n", KAFKA,
         "auth.user: is for auth.method: basic or auth.grant: password"},
        {"", USER "    realm: a/b\n", KAFKA, "auth.realm"},
        {"    path: a?b=c\n", USER, KAFKA, "api.path: without a query"},
        {"    parameters: { index: DAILY }\n", USER, KAFKA, "index is set by wmfetchd"},
        {"    parameters: { start_time: x }\n    time: { start: from }\n", USER, KAFKA, NULL},
        {"    parameters: { from: x }\n    time: { start: from }\n", USER, KAFKA,
         "api.parameters: from is set by wmfetchd"},
        {"    parameters: { range: x }\n", USER, KAFKA, "range is set by wmfetchd"},
        {"    parameters: { range: x }\n    time: { range: \"\" }\n", USER, KAFKA, NULL},
        {"    time: { start: index }\n", USER, KAFKA, "two parameters have the name 'index'"},
        {"    names: { application: \"\", index: \"\" }\n", USER, KAFKA, NULL},
        {"    names: { index: \"\" }\n    index: [HOURLY, DAILY]\n", USER, KAFKA,
         "api.names.index: must be set, or the API cannot tell the several api.index apart"},
        {"    time: { start: \"\" }\n", USER, KAFKA, "api.time.start"},
        {"    headers: { X-Tenant: a b, Cookie: c }\n", USER, KAFKA, NULL},
        {"    headers: { \"X Tenant\": a }\n", USER, KAFKA, "the name only"},
        {"    headers: { \"X:\": a }\n", USER, KAFKA, "the name only"},
        {"    headers: { X: \"a\\r\\nHost: b\" }\n", USER, KAFKA, "that a header may not have"},
        {"    headers: { X: \"\" }\n", USER, KAFKA, "X: is empty or has characters"},
        {"    headers: { authorization: a }\n", USER, KAFKA, "authorization is set by wmfetchd"},
        {"    headers: { Transfer-Encoding: gzip }\n", USER, KAFKA, "is set by wmfetchd"},
        {"    headers: { proxy-authorization: x }\n", USER, KAFKA, "is set by wmfetchd"},
        {"    headers: { range: \"bytes=0-9\" }\n", USER, KAFKA, "range is set by wmfetchd"},
        {"    headers: { x-a: a, X-A: b }\n", USER, KAFKA, "'X-A' is there twice"},
        {"    answer: { array: result.items, require: { status: OK|DONE } }\n", USER, KAFKA, NULL},
        {"    answer: { array: .items }\n", USER, KAFKA, "api.answer.array: names"},
        {"    answer: { array: a..b }\n", USER, KAFKA, "api.answer.array: names"},
        {"    answer: { ignore: [total], require: { total: 7 } }\n", USER, KAFKA,
         "'total' is both in ignore and in require"},
        {"    record: { key: [], series: \"\" }\n", USER, KAFKA, NULL},
        {"    time: { format: s }\n", USER, KAFKA "window: { size: 1500ms }\n",
         "window.size: must be whole seconds"},
        {"    time: { format: s }\n", USER, KAFKA "window: { overlap: 10ms }\n",
         "window.overlap: must be whole seconds"},
        {"    time: { format: s }\n", USER, KAFKA "window: { start: 1767205800001 }\n",
         "window.start: must be whole seconds"},
        {"    time: { format: s }\n", USER, KAFKA "window: { start: \"2026-01-01T00:00:00.5Z\" }\n",
         "window.start: must be whole seconds"},
        {"    time: { format: s }\n", USER, KAFKA "window: { start: -12d, overlap: 0 }\n", NULL},
        {"    time: { format: rfc3339 }\n", USER, KAFKA "window: { size: 1500ms }\n", NULL},
        {"    time: { format: us }\n", USER, KAFKA, "api.time.format"},
        {"    index: [A, A]\n", USER, KAFKA, "'A' is there twice"},
        {"    index: [\"a/b\"]\n", USER, KAFKA, "'a/b' is not a name"},
        {"    index: []\n", USER, KAFKA, "api.index"},
        {"", USER, "", "bootstrap.servers"},
        {"", USER, KAFKA "name: a/b\n", "name: without"},
        {"", USER, KAFKA "topic: t\nposition_topic: t\n", "position_topic: must be another"},
        {"", USER, KAFKA "window: { start: soon }\n", "window.start: 'soon'"},
        {"", USER, KAFKA "window: { start: \"--12d\" }\n", "window.start: '--12d'"},
        {"    timeout: 14m\n", USER, KAFKA, NULL},
        {"    timeout: 15m\n", USER, KAFKA,
         "api.timeout: keeps a transaction open for 900000ms, and Kafka undoes it after "
         "kafka.transaction.timeout.ms, 900000 by default: set it to at most 870000ms"},
        {"", USER, "kafka: { bootstrap.servers: k, transaction.timeout.ms: 60000 }\n",
         "api.timeout: keeps a transaction open for 600000ms"}, /* both defaults are checked */
        {"    timeout: 50s\n", USER,
         "kafka: { bootstrap.servers: k, transaction.timeout.ms: 60000 }\n", NULL},
        {"", USER, KAFKA "queue_bytes_max: 1MiB\n", "queue_bytes_max: must be at least"},
        {"", USER, KAFKA "create_topics: { partitions: 0 }\n", "create_topics"},
        {"", USER, KAFKA "metrics: { listen: nowhere }\n", "metrics.listen"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_findings errs;
        find(cases[i].api, cases[i].auth, cases[i].top, true, &errs);
        const char *text = pl_buf_cstr(&errs.text);
        ck_assert_msg(errs.count == (cases[i].has ? 1 : 0), "case %zu: %s", i, text);
        ck_assert_msg(!cases[i].has || strstr(text, cases[i].has), "case %zu: %s", i, text);
        pl_findings_release(&errs);
    }
    struct pl_findings errs;
    find("", USER, "", false, &errs); /* --auth-test needs no Kafka */
    ck_assert_uint_eq(errs.count, 0);
    pl_findings_release(&errs);
}
END_TEST

/* Both URLs are of the type that takes no user info, and say which options do. */
START_TEST(urls)
{
    static const char *const paths[] = {"api.url", "auth.url"};
    static const char text[] = "api: { url: \"https://me:word@api.example\", applications: [a] }\n"
                               "auth: { url: \"https://me:word@kc.example\", client_id: c }\n";
    struct wmfetchd_conf conf = {0};
    struct pl_findings errs;
    pl_findings_init(&errs);
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text, sizeof(text) - 1, &errs);
    ck_assert_int_eq(pl_options_apply(wmfetchd_opts, root, &conf, &errs), -1);
    ck_assert_uint_eq(errs.count, 2);
    ck_assert_ptr_null(strstr(pl_buf_cstr(&errs.text), "word@"));
    for (size_t i = 0; i < PL_COUNT(paths); i++) {
        PL_FREE char *said = pl_strf("%s: a URL must not hold a user or password, since messages "
                                     "show it; use auth.user and auth.password\n",
                                     paths[i]);
        ck_assert_msg(strstr(pl_buf_cstr(&errs.text), said) != NULL, "%s", pl_buf_cstr(&errs.text));
    }
    pl_options_release(wmfetchd_opts, &conf);
    pl_findings_release(&errs);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(exposed_urls),
        TEST(findings),
        TEST(urls),
    };
    return unit_main("conf", tests, PL_COUNT(tests));
}
