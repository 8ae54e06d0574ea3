/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_conf.c - what wikisrcd finds wrong in a configuration beyond types and ranges.
 * links: wikisrcd
 *
 * A configuration that is good, and one change to it for each finding.
 */

#include "daemons/wikisrcd/conf.h"
#include "tests/unit/unit.h"

START_TEST(findings)
{
    static const struct {
        const char *source, *top, *finding; /* finding NULL: nothing is wrong */
    } cases[] = {
        {"", "", NULL},
        {", start: 2026-11-21T00:00:00Z, url: http://h:1/v2", "key: meta.domain\n", NULL},
        {", proxy: http://p:3128, proxy_user: u, proxy_password: p", "", NULL},
        {", proxy: socks5h://p:1080", "", NULL},
        {", proxy: socks9://p:1080", "",
         "input:1:52: source.proxy: must begin with http://, https:// or socks5h://"},
        {", proxy: socks5://u:hunter2@p:1080", "",
         "input:1:52: source.proxy: a URL must not hold a user or password, since messages show "
         "it; use source.proxy_user and source.proxy_password"},
        {", url: socks5h://p:1080", "",
         "input:1:50: source.url: must begin with https:// or http://"},
        {", proxy_user: u", "", NULL},
        {", proxy_password: hunter2", "", "input: source.proxy_password: needs source.proxy_user"},
        {", proxy: http://u:hunter2@p:3128", "",
         "input:1:52: source.proxy: a URL must not hold a user or password, since messages show "
         "it; use source.proxy_user and source.proxy_password"},
        {", url: https://u:hunter2@h/v2", "",
         "input:1:50: source.url: a URL must not hold a user or password, since messages show it"},
        {", url: https://h/v2?since=1", "", "input:1:50: source.url: without a query ('?', '#')"},
        {", start: -2d", "", NULL},
        {", start: soon", "",
         "input: source.start: 'soon' is none of now, oldest, -2d (two days ago), a time such as "
         "2026-11-21T00:00:00Z, "
         "milliseconds since 1970"},
        {", streams: [a/b]", "",
         "input: source.streams: 'a/b' is not a stream's name: letters, digits, '.', '_' and '-'"},
        {"", "key: a..b\n",
         "input: key: 'a..b' is not a path: names joined by dots, 8 at most (meta.domain, "
         "added_links[*].link)"},
        {"", "key: [title, '']\n",
         "input: key: '' is not a path: names joined by dots, 8 at most (meta.domain, "
         "added_links[*].link)"},
        {"", "key: ''\n", NULL},
        {"", "key: [title, page.page_title, 'a[*].b']\n", NULL},
        {", streams: [recentchange, mediawiki.page_change.v1, mediawiki.page-create]",
         "topics: {mediawiki.recentchange: a, mediawiki.page_change.v1: b, page-create: c}\n",
         NULL},
        {"", "topics: {page-create: c}\n",
         "input:2:23: topics: page-create is not in source.streams"},
        {"", "topics: {recentchange: wikisrcd-positions}\n",
         "input:2:24: topics: recentchange: must be another topic than position_topic"},
        {"", "topics: {recentchange: ''}\n",
         "input:2:24: topics: recentchange: a topic's name has 1 to 249 bytes"},
        {"",
         "filter: {fields: [{path: page.namespace_id, in: [0]}, {path: b, not_in: [true]}, "
         "{path: c, exists: false}]}\n",
         NULL},
        {"", "filter:\n  fields:\n    - path: a..b\n      in: [1]\n",
         "input:4:13: filter.fields: 'a..b' is not a path: names joined by dots, 8 at most "
         "(meta.domain, added_links[*].link)"},
        {"", "filter: {fields: [{path: a}]}\n",
         "input:2:19: filter.fields: each row has one of in: [...], not_in: [...] and exists: true "
         "or false"},
        {"", "filter: {fields: [{path: a, in: [1], exists: true}]}\n",
         "input:2:19: filter.fields: each row has one of in: [...], not_in: [...] and exists: true "
         "or false"},
        {"", "filter: {fields: [{in: [1]}]}\n", "input:2:19: path is missing; it is required"},
        {"", "filter: {fields: [{path: a, is: [1]}]}\n",
         "input:2:29: unknown key is (did you mean in?)"},
        {"", "redact: [{path: user, action: drop}]\n", NULL},
        {"", "redact_key: 0123456789abcdef\nredact: [{path: user, action: hash}]\n", NULL},
        {"", "redact: [{path: user, action: hash}]\n",
         "input: redact_key: is needed for action: hash; without a secret, names could be found "
         "by trying"},
        {"", "redact_key: hunter2hunter2\nredact: [{path: user, action: hash}]\n",
         "input: redact_key: at least 16 bytes, such as: openssl rand -hex 32"},
        {"", "redact: [{path: user, action: hide}]\n",
         "input:2:31: action: expected drop or hash, found \"hide\""},
        {"", "redact: [{path: user}]\n", "input:2:10: action is missing; it is required"},
        {"", "redact: [{path: user, action: drop}, {path: user, action: drop}]\n",
         "input:2:45: redact: user is there twice"},
        {"",
         "redact: [{path: user, action: drop}, {path: 'user[*]', action: hash}]\n"
         "redact_key: 0123456789abcdef\n",
         "input:2:45: redact: user[*] is there twice"},
        {"", "redact: [{path: 'meta[*]', action: drop}]\n",
         "input:2:17: redact: meta.id and meta.stream are needed to tell events apart; no personal "
         "data is in them"},
        {"", "redact: [{path: 'meta[*].id[*]', action: hash}]\nredact_key: 0123456789abcdef\n",
         "input:2:17: redact: meta.id and meta.stream are needed to tell events apart; no personal "
         "data is in them"},
        {"", "redact: [{path: meta.id, action: drop}]\n",
         "input:2:17: redact: meta.id and meta.stream are needed to tell events apart; no personal "
         "data is in them"},
        {"", "filter: {namespace: {include: [x]}}\n",
         "input: filter.namespace.include: 'x' is not a number: namespaces are given by number"},
        {"", "topic: wikisrcd-positions\n",
         "input: position_topic: must be another topic than `topic`"},
        {"", "create_topics: {replication: 0}\n",
         "input: create_topics: partitions and replication are -1 (the broker's default) or at "
         "least 1"},
        {"", "batch: {age: 54s}\n", NULL},
        {"", "batch: {age: 60s}\n",
         "input: batch.age: keeps a transaction open for 60000ms, and Kafka undoes it after "
         "kafka.transaction.timeout.ms, 60000 by default: set it to at most 54000ms, or that to at "
         "least 66667 (above 900000 the broker's transaction.max.timeout.ms too)"},
        {"", "queue_bytes_max: 1MiB\n",
         "input: queue_bytes_max: must be at least message_bytes_max, or the largest message never "
         "fits"},
        {"", "metrics: {listen: x}\n",
         "input: metrics.listen: 'x' is not an address to listen on: use 127.0.0.1:9464, "
         "[::1]:9464 "
         "or :9464"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct wikisrcd_conf conf = {0};
        struct pl_findings errs;
        pl_findings_init(&errs);
        PL_FREE char *text = pl_strf("source: { user_agent_contact: me@w.example%s }\n%skafka: "
                                     "{bootstrap.servers: k}\n",
                                     cases[i].source, cases[i].top);
        PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text, strlen(text), &errs);
        pl_options_apply(wikisrcd_opts, root, &conf, &errs);
        wikisrcd_conf_check(&conf, true, &errs);
        PL_FREE char *want = cases[i].finding ? pl_strf("%s\n", cases[i].finding) : pl_strdup("");
        ck_assert_str_eq(pl_buf_cstr(&errs.text), want);
        pl_options_release(wikisrcd_opts, &conf);
        pl_findings_release(&errs);
    }
}
END_TEST

/* What is counted from now needs a right clock. */
START_TEST(start_is_relative)
{
    ck_assert(wikisrcd_conf_start_is_relative("now"));
    ck_assert(wikisrcd_conf_start_is_relative("-2d"));
    ck_assert(wikisrcd_conf_start_is_relative("-31d"));
    ck_assert(!wikisrcd_conf_start_is_relative("oldest"));
    ck_assert(!wikisrcd_conf_start_is_relative("2026-11-21T00:00:00Z"));
    ck_assert(!wikisrcd_conf_start_is_relative("1795219200000"));
}
END_TEST

START_TEST(kafka_is_needed)
{
    struct wikisrcd_conf conf = {0};
    struct pl_findings errs;
    pl_findings_init(&errs);
    static const char text[] = "source: { user_agent_contact: me@w.example }\n";
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text, sizeof(text) - 1, &errs);
    pl_options_apply(wikisrcd_opts, root, &conf, &errs);
    wikisrcd_conf_check(&conf, false, &errs);
    ck_assert_str_eq(pl_buf_cstr(&errs.text), "");
    wikisrcd_conf_check(&conf, true, &errs);
    ck_assert_str_eq(pl_buf_cstr(&errs.text),
                     "input: kafka: needs bootstrap.servers, such as \"localhost:9092\" (only "
                     "--sample and --schema work without)\n");
    pl_options_release(wikisrcd_opts, &conf);
    pl_findings_release(&errs);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(findings),
        TEST(start_is_relative),
        TEST(kafka_is_needed),
    };
    return unit_main("conf", tests, PL_COUNT(tests));
}
