/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_options.c - option tables: values, findings, reload. (Printing: check_print.c.)
 *
 * Texts and what comes of them stand in tables; the options are those of
 * tests/unit/options_sample.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/options_sample.h"
#include "tests/unit/unit.h"

START_TEST(test_defaults)
{
    struct loaded l;
    load_text(&l, "topic: t\nnote:\ntls:\nmode: ~\n");
    ck_assert_str_eq(pl_buf_cstr(&l.errs.text), "");
    ck_assert_str_eq(l.c.topic, "t");
    ck_assert_str_eq(l.c.note, "");
    ck_assert_ptr_null(l.c.ca_file);
    ck_assert_str_eq(l.c.contact, "a: b");
    ck_assert(!l.c.insecure);
    ck_assert_int_eq(l.c.rows, 50000);
    ck_assert_int_eq(l.c.level, 0);
    ck_assert_int_eq(l.c.bytes, 64 << 20);
    ck_assert_int_eq(l.c.wait_ms, 1000);
    ck_assert_int_eq(l.c.poll_ms, 0);
    ck_assert_int_eq(l.c.mode, MODE_SLOW);
    ck_assert_uint_eq(l.c.wikis.n, 0);
    ck_assert_uint_eq(l.c.types.n, 2);
    ck_assert_str_eq(l.c.types.v[1], "new");
    ck_assert_str_eq(pl_map_get(&l.c.kafka, "bootstrap.servers"), "localhost:9092");
    ck_assert_ptr_null(pl_map_get(&l.c.kafka, "x"));
    ck_assert_uint_eq(l.c.settings.n, 0);
    ck_assert_ptr_null(l.c.password.value);
    ck_assert_ptr_null(l.c.columns);
    load_release(&l);
}
END_TEST

START_TEST(test_values)
{
    struct loaded l;
    load_text(&l, "topic: 123\nnote: \"\"\nlevel: -9223372036854775808\nmode: exact\npoll: 7d\n"
                  "tls: {ca_file: /x, insecure_skip_verify: true}\n"
                  "batch:\n  rows: 1\n  bytes: \"2kB\"\n  age: 500ms\n"
                  "filter:\n  wikis: enwiki\n  types: [no, '']\n"
                  "kafka:\n  a: 1\n  sasl.password: p\n  b: ''\n"
                  "settings: {}\nsource: {auth: {password: hunter2}}\ncolumns: [1, {a: b}]\n");
    ck_assert_str_eq(pl_buf_cstr(&l.errs.text), "");
    ck_assert_str_eq(l.c.topic, "123");
    ck_assert_str_eq(l.c.note, "");
    ck_assert(l.c.level == INT64_MIN);
    ck_assert_int_eq(l.c.mode, MODE_EXACT);
    ck_assert_int_eq(l.c.poll_ms, INT64_C(7) * 86400000);
    ck_assert_str_eq(l.c.ca_file, "/x");
    ck_assert(l.c.insecure);
    ck_assert_int_eq(l.c.rows, 1);
    ck_assert_int_eq(l.c.bytes, 2000);
    ck_assert_int_eq(l.c.wait_ms, 500);
    ck_assert_uint_eq(l.c.wikis.n, 1);
    ck_assert_str_eq(l.c.wikis.v[0], "enwiki");
    ck_assert_uint_eq(l.c.types.n, 2);
    ck_assert_str_eq(l.c.types.v[0], "no"); /* Norwegian, not false */
    ck_assert_str_eq(l.c.types.v[1], "");
    ck_assert_uint_eq(l.c.kafka.n, 3);
    ck_assert_str_eq(l.c.kafka.v[0].key, "a");
    ck_assert_str_eq(pl_map_get(&l.c.kafka, "sasl.password"), "p");
    ck_assert(l.c.kafka.v[1].secret && !l.c.kafka.v[0].secret);
    ck_assert_uint_eq(l.c.kafka.v[1].line, 16);
    ck_assert_str_eq(pl_map_get(&l.c.kafka, "b"), "");
    ck_assert_str_eq(l.c.password.value, "hunter2");
    ck_assert_uint_eq(l.errs.warnings_count, 0);
    ck_assert_ptr_eq(l.c.columns, pl_node_get(l.root, "columns"));
    load_release(&l);
}
END_TEST

/* What is found, in the order of the file. */
static const struct {
    const char *text, *findings;
} findings[] = {
    {"", "f:1:1: topic is missing; it is required\n"},
    {"topic:\n", "f:1:1: topic is empty; it is required\n"},
    {"topic: ''\n", "f:1:8: topic is empty\n"},
    {"topic: aaaaaaaaaaaaaaaaaaaaa\n", "f:1:8: topic: 21 bytes; at most 20\n"},
    {"topic: [a]\nnote: {a: b}\n", "f:1:8: topic: expected a text, found a list\n"
                                   "f:2:7: note: expected a text, found a mapping\n"},
    /* unknown keys */
    {"topic: t\ntopics: u\nmodus: x\nzzz: y\n", "f:2:1: unknown key topics (did you mean topic?)\n"
                                                "f:3:1: unknown key modus (did you mean mode?)\n"
                                                "f:4:1: unknown key zzz\n"},
    {"topic: t\nbatch:\n  Rows: 1\n  row: 1\n  note: x\n  zz: 2\n",
     "f:3:3: unknown key batch.Rows (did you mean batch.rows?)\n"
     "f:4:3: unknown key batch.row (did you mean batch.rows?)\n"
     "f:5:3: unknown key batch.note (did you mean note?)\n"
     "f:6:3: unknown key batch.zz\n"},
    {"topic: t\nca_file: x\ntls.ca-file: y\ntls.ca_file: y\n",
     "f:2:1: unknown key ca_file (did you mean tls.ca_file?)\n"
     "f:3:1: unknown key tls.ca-file\n"
     "f:4:1: unknown key tls.ca_file; put ca_file into the mapping tls\n"},
    {"topic: t\nsource:\n  auth.password: x\n  aut:\n    password: y\n",
     "f:3:3: unknown key source.auth.password; put password into the mapping source.auth\n"
     "f:4:3: unknown key source.aut (did you mean source.auth?)\n"},
    {"topic: t\nbatch: 5\ntls: [a]\n", "f:2:8: batch: expected a mapping, found a text\n"
                                       "f:3:6: tls: expected a mapping, found a list\n"},
    /* bool */
    {"topic: t\ntls:\n  insecure_skip_verify: yes\n",
     "f:3:25: tls.insecure_skip_verify: expected true or false, found \"yes\"; write true, without "
     "quotes\n"},
    {"topic: t\ntls:\n  insecure_skip_verify: \"false\"\n",
     "f:3:25: tls.insecure_skip_verify: expected true or false, found \"false\"; write false, "
     "without quotes\n"},
    {"topic: t\ntls:\n  insecure_skip_verify: maybe\n",
     "f:3:25: tls.insecure_skip_verify: expected true or false, found \"maybe\"\n"},
    /* numbers */
    {"topic: t\nlevel: x\n", "f:2:8: level: expected a whole number, found \"x\"\n"},
    {"topic: t\nlevel: 1.5\n", "f:2:8: level: expected a whole number, found \"1.5\"\n"},
    {"topic: t\nlevel: 010\n", "f:2:8: level: expected a whole number, found \"010\"\n"},
    {"topic: t\nlevel: 0x10\n", "f:2:8: level: expected a whole number, found \"0x10\"\n"},
    {"topic: t\nlevel: 9223372036854775808\n",
     "f:2:8: level: expected a whole number, found \"9223372036854775808\"\n"},
    {"topic: t\nlevel: '5'\n",
     "f:2:8: level: expected a whole number, found \"5\"; remove the quotes\n"},
    {"topic: t\nbatch: {rows: 0}\n", "f:2:15: batch.rows: 0 is out of range; from 1 to 1000000\n"},
    {"topic: t\nbatch: {rows: []}\n",
     "f:2:15: batch.rows: expected a whole number, found a list\n"},
    {"topic: t\nbatch: {bytes: 2GiB}\n",
     "f:2:16: batch.bytes: 2GiB is out of range; from 1KiB to 1GiB\n"},
    {"topic: t\nbatch: {bytes: 1kB}\n",
     "f:2:16: batch.bytes: 1kB is out of range; from 1KiB to 1GiB\n"},
    {"topic: t\nbatch: {bytes: 2KB}\n",
     "f:2:16: batch.bytes: expected a size like 64MiB or 4096, found \"2KB\"; units are B, kB, MB, "
     "GB, KiB, MiB, GiB\n"},
    {"topic: t\nbatch: {age: 50ms}\n",
     "f:2:14: batch.age: 50ms is out of range; from 100ms to 1h\n"},
    {"topic: t\nbatch: {age: 5}\n", "f:2:14: batch.age: expected a duration like 500ms or 15m, "
                                    "found \"5\"; add the unit: ms, s, m, "
                                    "h or d\n"},
    {"topic: t\nbatch: {age: 5 s}\n",
     "f:2:14: batch.age: expected a duration like 500ms or 15m, found \"5 s\"; units are ms, s, m, "
     "h, d\n"},
    /* enum */
    {"topic: t\nmode: exat\n",
     "f:2:7: mode: expected fast, slow or exact, found \"exat\"; did you mean exact?\n"},
    {"topic: t\nmode: {}\n", "f:2:7: mode: expected fast, slow or exact, found a mapping\n"},
    /* lists */
    {"topic: t\nfilter: {wikis: [a, b, c, d]}\n", "f:2:17: filter.wikis: 4 texts; at most 3\n"},
    {"topic: t\nfilter: {types: []}\n", "f:2:17: filter.types is empty\n"},
    {"topic: t\nfilter: {types: {}}\n",
     "f:2:17: filter.types: expected a list of texts, found a mapping\n"},
    {"topic: t\nfilter:\n  types: [a, [b], ~]\n",
     "f:3:14: filter.types: expected a text in the list, found a list\n"
     "f:3:19: filter.types: an empty element in the list; put quotes around it if it is meant as a "
     "text\n"},
    /* maps */
    {"topic: t\nkafka: {}\n", "f:2:8: kafka is empty\n"},
    {"topic: t\nkafka: x\n", "f:2:8: kafka: expected a mapping, found \"x\"\n"},
    {"topic: t\nkafka:\n  a: [b]\n  c:\n  d: {fil: x}\n",
     "f:3:6: kafka: a: expected a text or a secret ({ file: PATH } …), found a list\n"
     "f:4:5: kafka: c: expected a text or a secret ({ file: PATH } …), found nothing; write \"\" "
     "for "
     "an empty text\n"
     "f:5:7: kafka: d: unknown key; expected file, credential or env (did you mean file?)\n"},
};

START_TEST(test_findings)
{
    struct loaded l;
    load_text(&l, findings[_i].text);
    ck_assert_str_eq(pl_buf_cstr(&l.errs.text), findings[_i].findings);
    load_release(&l);
}
END_TEST

START_TEST(test_apply_other)
{
    struct sample c = {0};
    struct pl_findings errs;
    pl_findings_init(&errs);
    ck_assert_int_eq(pl_options_apply(table, NULL, &c, &errs), -1);
    ck_assert_str_eq(pl_buf_cstr(&errs.text), "input: topic is missing; it is required\n");
    ck_assert_int_eq(c.rows, 50000);
    pl_options_release(table, &c);
    pl_findings_release(&errs);

    struct pl_node *root = pl_yaml_parse("a: [1]\n", 7, &errs);
    ck_assert_int_eq(pl_options_apply(table, pl_node_get(root, "a"), &c, &errs), -1);
    ck_assert_str_eq(pl_buf_cstr(&errs.text), "input:1:4: expected a mapping, found a list\n");
    pl_options_release(table, &c);
    pl_node_free(root);
    pl_findings_release(&errs);
}
END_TEST

/* A required option below a mapping is missed there; not twice when the mapping is no mapping. */
START_TEST(test_missing_nested)
{
    struct nested {
        char *a, *b;
    } c = {0};
    static const struct pl_option nested[] = {
        PL_OPTION("x.y.a", STRING, struct nested, a, .min = 1, .flags = PL_OPT_REQUIRED,
                  .help = "A."),
        PL_OPTION("x.b", STRING, struct nested, b, .min = 1, .flags = PL_OPT_REQUIRED,
                  .help = "B."),
        PL_OPT_END,
    };
    static const struct {
        const char *text, *findings;
    } cases[] = {
        {"\n\nx:\n  y: {}\n", "input:4:3: x.y.a is missing; it is required\n"
                              "input:3:1: x.b is missing; it is required\n"},
        {"x: 5\n", "input:1:4: x: expected a mapping, found a text\n"},
        {"x: {b: 1, y: []}\n", "input:1:14: x.y: expected a mapping, found a list\n"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_findings errs;
        pl_findings_init(&errs);
        struct pl_node *root = pl_yaml_parse(cases[i].text, strlen(cases[i].text), &errs);
        ck_assert_int_eq(pl_options_apply(nested, root, &c, &errs), -1);
        ck_assert_str_eq(pl_buf_cstr(&errs.text), cases[i].findings);
        pl_options_release(nested, &c);
        pl_node_free(root);
        pl_findings_release(&errs);
    }
}
END_TEST

/* ---- single values ---- */

static const struct {
    const char *text;
    int64_t value; /* -1: refused */
} sizes[] =
    {
        {"0", 0},
        {"4096", 4096},
        {"1B", 1},
        {"64MiB", 64 << 20},
        {"1MB", 1000000},
        {"3kB", 3000},
        {"2KiB", 2048},
        {"1GiB", 1 << 30},
        {"2GB", 2000000000},
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775808", -1},
        {"9007199254740992KiB", -1},
        {"8589934591GiB", INT64_C(8589934591) << 30},
        {"8589934592GiB", -1},
        {"", -1},
        {"MiB", -1},
        {"-1", -1},
        {"1.5MiB", -1},
        {"1 MiB", -1},
        {"1mib", -1},
        {"1K", -1},
        {"01", -1},
        {"1MiBx", -1},
        {" 1", -1},
},
  durations[] = {
      {"0", 0},
      {"500ms", 500},
      {"5s", 5000},
      {"15m", 900000},
      {"2h", 7200000},
      {"7d", 604800000},
      {"0s", 0},
      {"106751991167d", INT64_C(106751991167) * 86400000},
      {"106751991168d", -1},
      {"5", -1},
      {"", -1},
      {"1w", -1},
      {"1h30m", -1},
      {"-1s", -1},
      {"1S", -1},
      {"1.5s", -1},
      {"1 s", -1},
      {"00", -1},
      {"01s", -1},
};

START_TEST(test_parse_size)
{
    int64_t v = 4711;
    ck_assert_int_eq(pl_size_parse(sizes[_i].text, &v), sizes[_i].value < 0 ? -1 : 0);
    ck_assert_int_eq(v, sizes[_i].value < 0 ? 4711 : sizes[_i].value);
}
END_TEST

START_TEST(test_parse_moment)
{
    const int64_t now = INT64_C(1768242540123);
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } cases[] = {
        {"now", INT64_C(1768242540123)},
        {"-12d", INT64_C(1768242540123) - 12 * 24 * INT64_C(3600000)},
        {"-1h", INT64_C(1768242540123) - INT64_C(3600000)},
        {"-0", INT64_C(1768242540123)},
        {"-99999d", 0},
        {"1767205800000", INT64_C(1767205800000)},
        {"0", 0},
        {"2025-12-31T18:30:00Z", INT64_C(1767205800000)},
        {"2026-01-01T00:00:00+05:30", INT64_C(1767205800000)},
        {"2026-01-01", INT64_C(1767225600000)},
        {"1767205800", -1}, /* seconds */
        {"12", -1},
        {"9999999999999999", -1},
        {"999999999999999", -1},
        {"", -1},
        {"-", -1},
        {"-12", -1},
        {"-12x", -1},
        {"--12d", -1},
        {"- 12d", -1},
        {"12d", -1},
        {"soon", -1},
        {"Now", -1},
        {"1767205800000 ", -1},
        {"0001-01-01", -1},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        int64_t ms = -1;
        const char *why = NULL;
        bool ok = pl_moment_parse(cases[i].text, now, &ms, &why);
        ck_assert_msg(ok == (cases[i].ms >= 0), "'%s'", cases[i].text);
        ck_assert_msg(ms == cases[i].ms, "'%s': %lld", cases[i].text, (long long)ms);
        ck_assert(ok || why);
    }
}
END_TEST

START_TEST(test_parse_duration)
{
    int64_t v = 4711;
    ck_assert_int_eq(pl_duration_parse(durations[_i].text, &v), durations[_i].value < 0 ? -1 : 0);
    ck_assert_int_eq(v, durations[_i].value < 0 ? 4711 : durations[_i].value);
}
END_TEST

/* ---- URLs ---- */

static const struct {
    const char *url, *finding; /* behind "proxy: "; NULL: taken */
} urls[] = {
    {"https://h.example", NULL},
    {"HTTP://h.example:8443/a/b/", NULL},
    {"http://[::1]:8080/auth/", NULL},
    {"http://a.example/x@y:z", NULL},
    {"", "must begin with https:// or http://"},
    {"h.example/auth", "must begin with https:// or http://"},
    {"me:hunter2@h.example", "must begin with https:// or http://"},
    {"ftp://h.example", "must begin with https:// or http://"},
    {"socks5://me:hunter2@h.example", "must begin with https:// or http://"},
    {"https://", "not a URL (No host part in the URL)"},
    {"https://h.example:99999",
     "not a URL (Port number was not a decimal number between 0 and 65535)"},
    {"https://me:hunter2@h.example:99999",
     "not a URL (Port number was not a decimal number between 0 and 65535)"},
    {"https://me@h.example", "a URL must not hold a user or password, since messages show it; use "
                             "proxy_user and proxy_password"},
    {"http://me:hunter2@h.example/a", "a URL must not hold a user or password, since messages show "
                                      "it; use proxy_user and proxy_password"},
    {"http://:hunter2@h.example", "a URL must not hold a user or password, since messages show it; "
                                  "use proxy_user and proxy_password"},
    {"https://h.example/?password=hunter2", "without a query ('?', '#')"},
    {"https://h.example/#hunter2", "without a query ('?', '#')"},
    {"https://h.example/hunter2 b", "a URL has no spaces and no control characters"},
    {"https://h.example/hunter2\\x07", "a URL has no spaces and no control characters"},
    {"https://h.example\\r\\nhunter2", "a URL has no spaces and no control characters"},
    {"https://h.example/hunter2\\x7f", "a URL has no spaces and no control characters"},
};

/* As a single URL and in a list; what is refused is never shown. */
START_TEST(test_url)
{
    struct sites {
        char *proxy;
        struct pl_strings urls;
    } c = {0};
    static const struct pl_option sites[] = {
        PL_OPTION("proxy", URL, struct sites, proxy, .dflt = "http://d.example",
                  .login = "proxy_user and proxy_password"),
        PL_OPTION("urls", URLS, struct sites, urls, .min = 1, .max = 2),
        PL_OPT_END,
    };
    struct pl_findings errs;
    pl_findings_init(&errs);
    char *text = pl_strf("proxy: \"%s\"\nurls: [\"http://a.example\", \"%s\"]\n", urls[_i].url,
                         urls[_i].url);
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text, strlen(text), &errs);
    ck_assert_ptr_nonnull(root);
    int r = pl_options_apply(sites, root, &c, &errs);
    const char *said = pl_buf_cstr(&errs.text);
    ck_assert_msg(r == (urls[_i].finding ? -1 : 0), "%s%s", text, said);
    ck_assert_msg(!strstr(said, "hunter2"), "%s", said);
    if (urls[_i].finding) {
        char *first = pl_strf("input:1:8: proxy: %s\n", urls[_i].finding);
        ck_assert_msg(strncmp(said, first, strlen(first)) == 0, "%s is not %s", said, first);
        ck_assert_msg(strstr(said, "\ninput:2:28: urls: ") != NULL, "%s", said);
        ck_assert_ptr_null(c.proxy);
        ck_assert_uint_eq(c.urls.n, 0);
        free(first);
    } else {
        ck_assert_str_eq(c.proxy, urls[_i].url);
        ck_assert_uint_eq(c.urls.n, 2);
        ck_assert_str_eq(c.urls.v[1], urls[_i].url);
    }
    free(text);
    pl_options_release(sites, &c);
    pl_findings_release(&errs);
}
END_TEST

START_TEST(test_url_other)
{
    struct site {
        char *url;
    } c = {0};
    static const struct pl_option site[] = {
        PL_OPTION("url", URL, struct site, url),
        PL_OPT_END,
    };
    struct pl_findings errs;
    pl_findings_init(&errs);
    char *text = pl_strf("url: http://h/%2000d\n", 1);
    for (char *p = text + 10; *p; p++)
        *p = *p == ' ' ? 'x' : *p;
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text, strlen(text), &errs);
    ck_assert_int_eq(pl_options_apply(site, root, &c, &errs), -1);
    PL_CLEANUP(pl_node_freep) struct pl_node *list = pl_yaml_parse("url: [a]\n", 9, &errs);
    ck_assert_int_eq(pl_options_apply(site, list, &c, &errs), -1);
    PL_CLEANUP(pl_node_freep)
    struct pl_node *user = pl_yaml_parse("url: http://a:b@c\n", 18, &errs);
    ck_assert_int_eq(pl_options_apply(site, user, &c, &errs), -1);
    ck_assert_str_eq(
        pl_buf_cstr(&errs.text),
        "input:1:6: url: a URL has at most 2000 bytes\n"
        "input:1:6: url: expected a URL, found a list\n"
        "input:1:6: url: a URL must not hold a user or password, since messages show it\n");
    free(text);
    pl_options_release(site, &c);
    pl_findings_release(&errs);
}
END_TEST

/* ---- reload ---- */

START_TEST(test_reload)
{
    struct loaded a, b;
    struct pl_strings changed = {0}, restart = {0};
    load_text(&a, "topic: t\nmode: fast\nlevel: 1\nsource: {auth: {password: old}}\n"
                  "filter: {wikis: [a, b]}\ncolumns: [1]\nkafka: {a: b}\n");
    load_text(&b, "topic: u\nmode: slow\nlevel: 1\nsource: {auth: {password: new}}\n"
                  "filter: {wikis: [a, c]}\ncolumns: ['1']\nkafka: {a: c}\nbatch: {age: 2s}\n");
    pl_options_reload(table, &a.c, &b.c, &changed, &restart);
    static const char *const changed_paths[] = {"batch.age", "mode", "filter.wikis",
                                                "source.auth.password"};
    static const char *const restart_paths[] = {"topic", "kafka"};
    ck_assert_uint_eq(changed.n, PL_COUNT(changed_paths));
    for (size_t i = 0; i < changed.n; i++)
        ck_assert_str_eq(changed.v[i], changed_paths[i]);
    ck_assert_uint_eq(restart.n, PL_COUNT(restart_paths));
    for (size_t i = 0; i < restart.n; i++)
        ck_assert_str_eq(restart.v[i], restart_paths[i]);
    ck_assert_str_eq(a.c.topic, "t");
    ck_assert_int_eq(a.c.mode, MODE_SLOW);
    ck_assert_int_eq(b.c.mode, MODE_FAST);
    ck_assert_int_eq(a.c.wait_ms, 2000);
    ck_assert_str_eq(a.c.password.value, "new");
    ck_assert_str_eq(b.c.password.value, "old");
    ck_assert_str_eq(a.c.wikis.v[1], "c");
    pl_strings_release(&changed);
    pl_strings_release(&restart);
    load_release(&a);
    load_release(&b);
}
END_TEST

/* The order of a mapping's lines says nothing; that of a list's does. */
START_TEST(test_reload_order)
{
    struct loaded a, b;
    struct pl_strings changed = {0}, restart = {0};
    load_text(&a, "topic: t\nkafka: {a: b, c: d}\ncolumns: [{x: {p: 1, q: 2}, y: 3}]\n");
    load_text(&b, "topic: t\nkafka: {c: d, a: b}\ncolumns: [{y: 3, x: {q: 2, p: 1}}]\n");
    pl_options_reload(table, &a.c, &b.c, &changed, &restart);
    ck_assert_uint_eq(changed.n + restart.n, 0);
    load_release(&b);

    load_text(&b, "topic: t\nkafka: {c: b, a: d}\ncolumns: [{y: 3, z: {q: 2, p: 1}}]\n"
                  "filter: {types: [new, edit]}\n");
    pl_options_reload(table, &a.c, &b.c, &changed, &restart);
    ck_assert_uint_eq(restart.n, 3);
    ck_assert_str_eq(restart.v[0], "filter.types");
    ck_assert_str_eq(restart.v[1], "kafka");
    ck_assert_str_eq(restart.v[2], "columns");
    pl_strings_release(&changed);
    pl_strings_release(&restart);
    load_release(&a);
    load_release(&b);
}
END_TEST

/* ---- lists of mappings ---- */

struct rows_conf {
    struct pl_node *rows;
};
static const struct pl_option rows_table[] = {
    PL_OPTION("deep.rows", ROWS, struct rows_conf, rows, .max = 2, .flags = PL_OPT_RELOADABLE,
              .help = "Rows."),
    PL_OPT_END,
};

/* The rows own their nodes: the tree of the file is gone when they are looked at. */
static struct rows_conf rows_load(const char *text, const char *said)
{
    struct rows_conf c = {0};
    struct pl_findings errs;
    pl_findings_init(&errs);
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text, strlen(text), &errs);
    pl_options_apply(rows_table, root, &c, &errs);
    ck_assert_str_eq(pl_buf_cstr(&errs.text), said);
    pl_findings_release(&errs);
    return c;
}

START_TEST(test_rows)
{
    struct rows_conf a = rows_load("deep: {rows: [{path: a, in: [1, \"2\"]}, {b: {c: d}}]}", "");
    struct rows_conf same = rows_load("deep:\n  rows:\n    - in: [1, '2']\n      path: a\n"
                                      "    - b:\n        c: d\n",
                                      "");
    struct rows_conf none = rows_load("deep: {rows: }", "");
    ck_assert_ptr_null(none.rows);
    ck_assert_uint_eq(a.rows->child->line, 1);
    ck_assert_uint_eq(a.rows->child->column, 15);
    ck_assert_str_eq(pl_node_get(a.rows->child, "in")->child->next->value, "2");
    ck_assert_uint_eq(same.rows->child->next->line, 5);

    PL_CLEANUP(pl_strings_release) struct pl_strings changed = {0}, restart = {0}, more = {0};
    pl_options_reload(rows_table, &a, &same, &changed, &restart);
    ck_assert_uint_eq(changed.n, 0);
    pl_options_reload(rows_table, &a, &none, &changed, &restart);
    ck_assert_uint_eq(changed.n, 1);
    ck_assert_ptr_null(a.rows);
    ck_assert_ptr_nonnull(none.rows);

    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    pl_options_print(rows_table, &none, &out);
    struct rows_conf again = rows_load(pl_buf_cstr(&out), "");
    pl_options_reload(rows_table, &none, &again, &more, &restart);
    ck_assert_uint_eq(more.n, 0);
    pl_options_release(rows_table, &a);
    pl_options_release(rows_table, &same);
    pl_options_release(rows_table, &none);
    pl_options_release(rows_table, &again);

    rows_load("deep: {rows: x}",
              "input:1:14: deep.rows: expected a list of mappings, found \"x\"\n");
    rows_load("deep: {rows: [{a: b}, c]}",
              "input:1:23: deep.rows: expected a mapping in the list, found a text\n");
    rows_load("deep: {rows: [{}, {}, {}]}", "input:1:14: deep.rows: 3 entries; at most 2\n");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("values"),
        TEST(test_defaults),
        TEST(test_values),
        TEST(test_findings, .count = PL_COUNT(findings)),
        TEST(test_apply_other),
        TEST(test_missing_nested),
        TEST(test_parse_size, .count = PL_COUNT(sizes)),
        TEST(test_parse_duration, .count = PL_COUNT(durations)),
        TEST(test_parse_moment),
        TCASE("urls"),
        TEST(test_url, .count = PL_COUNT(urls)),
        TEST(test_url_other),
        TCASE("reload"),
        TEST(test_reload),
        TEST(test_reload_order),
        TEST(test_rows),
    };
    return unit_main("options", tests, PL_COUNT(tests));
}
