/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_conf.c - what chsinkd finds wrong in its configuration beyond types and ranges.
 * links: chsinkd
 */
#include "daemons/chsinkd/conf.h"
#include "tests/unit/unit.h"

static void load(const char *path, const char *text, struct pl_findings *errs)
{
    struct chsinkd_conf conf = {0};
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    pl_findings_init(errs);
    pl_options_load(chsinkd_options, path, &conf, NULL, errs);
    chsinkd_conf_check(&conf, errs);
    chsinkd_conf_release(&conf);
}

START_TEST(findings)
{
    static const char rest[] = "routes: [etc/routes/wikipedia_edits.yaml]\n";
    static const struct {
        const char *text, *finding; /* behind the file's name; NULL: none */
    } cases[] = {
        {"kafka: {bootstrap.servers: k}\nclickhouse: {urls: [http://c:8123]}\n", NULL},
        {"kafka: {a: b}\nclickhouse: {urls: [http://c:8123]}\n",
         ": kafka: needs bootstrap.servers, such as \"localhost:9092\"\n"},
        {"kafka: {bootstrap.servers: k, transaction.timeout.ms: 6000}\n"
         "clickhouse: {urls: [http://c:8123]}\n",
         NULL},
        {"kafka: {bootstrap.servers: k, transaction.timeout.ms: 5000}\n"
         "clickhouse: {urls: [http://c:8123]}\n",
         ": kafka.transaction.timeout.ms: a transaction may be open for 5000ms here: set it to at "
         "least 5556\n"},
        {"kafka: {}\nclickhouse: {urls: [http://c:8123]}\n", ":1:8: kafka is empty\n"},
        {"clickhouse: {urls: [http://c:8123]}\n", ":1:1: kafka is missing; it is required\n"},
        {"kafka: {bootstrap.servers: k}\n"
         "clickhouse: {urls: [http://c:8123, \"http://u:hunter2@d:8123\"]}\n",
         ":2:36: clickhouse.urls: a URL must not hold a user or password, since messages show it; "
         "use clickhouse.user and clickhouse.password\n"},
        {"kafka: {bootstrap.servers: k}\nclickhouse: {urls: [http://c:8123]}\n"
         "create_topics: {partitions: 0}\n",
         ": create_topics: partitions and replication are -1 (the broker's default) or at least "
         "1\n"},
        {"kafka: {bootstrap.servers: k}\nclickhouse: {urls: [http://c:8123]}\n"
         "metrics: {listen: x}\n",
         ": metrics.listen: 'x' is not an address to listen on: use 127.0.0.1:9464, [::1]:9464 or "
         ":9464\n"},
    };
    PL_FREE char *dir = unit_dir();
    PL_FREE char *path = pl_strf("%s/chsinkd.yaml", dir);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_findings errs;
        PL_FREE char *text = pl_strf("%s%s", cases[i].text, rest);
        load(path, text, &errs);
        const char *said = pl_buf_cstr(&errs.text);
        if (cases[i].finding)
            said += strlen(path);
        ck_assert_str_eq(said, cases[i].finding ? cases[i].finding : "");
        pl_findings_release(&errs);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(findings),
    };
    return unit_main("conf", tests, PL_COUNT(tests));
}
