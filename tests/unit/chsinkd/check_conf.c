/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_conf.c - what chsinkd finds wrong in its configuration beyond types and ranges.
 * links: chsinkd
 */
#include <sys/stat.h>

#include "daemons/chsinkd/conf.h"
#include "tests/unit/unit.h"

static void file_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static void load(const char *path, const char *text, struct pl_findings *errs)
{
    struct chsinkd_conf conf = {0};
    file_write(path, text);
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
        {"kafka: {bootstrap.servers: k}\n"
         "clickhouse: {urls: [http://c:8123], settings: {async_insert: 0, insert_deduplicate: "
         "\"true\", use_strict_insert_block_limits: 0, max_insert_block_size: 1}}\n",
         NULL},
        {"kafka: {bootstrap.servers: k}\n"
         "clickhouse: {urls: [http://c:8123], settings: {materialized_views_ignore_errors: 1}}\n",
         ": clickhouse.settings: materialized_views_ignore_errors must be 0, since exactly once "
         "rests on it\n"},
        {"kafka: {bootstrap.servers: k}\n"
         "clickhouse: {urls: [http://c:8123], settings: {use_strict_insert_block_limits: 1}}\n",
         ": clickhouse.settings: use_strict_insert_block_limits must be 0, since exactly once "
         "rests "
         "on it\n"},
        {"kafka: {bootstrap.servers: k}\n"
         "clickhouse: {urls: [http://c:8123], settings: {insert_deduplication_token: x}}\n",
         ": clickhouse.settings: insert_deduplication_token is chsinkd's own\n"},
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

/* What never becomes a file, or a folder, by waiting. */
START_TEST(places)
{
    static const struct {
        const char *text, *finding;
    } cases[] = {
        {"output: duckdb\nduckdb: {library: /nowhere, file: /dev/full}\n",
         "duckdb.file: /dev/full is a device: it must be a regular file"},
        {"output: duckdb\nduckdb: {library: /nowhere, file: /tmp}\n",
         "duckdb.file: /tmp is a folder: it must be a regular file"},
        {"output: duckdb\nduckdb: {library: /nowhere, file: /f, attach: \"ducklake:/f\"}\n",
         "duckdb.attach: instead of duckdb.file"},
        {"output: duckdb\nduckdb: {library: /nowhere, attach: \"ducklake:postgres:dbname=x\"}\n",
         "duckdb.attach: is ducklake:/PATH"},
        {"output: duckdb\nduckdb: {library: /nowhere, attach: /f}\n",
         "duckdb.attach: is ducklake:/PATH"},
        {"output: duckdb\nduckdb: {library: /nowhere, attach: \"ducklake:/f\"}\n",
         "duckdb.extensions: duckdb.attach needs DuckDB's extension ducklake"},
        {"output: duckdb\nduckdb: {library: /nowhere, attach: \"ducklake:/dev/full\", extensions: "
         "/x}\n",
         "duckdb.attach: /dev/full is a device: it must be a regular file"},
        {"output: iceberg\niceberg: {library: /nowhere, warehouse: /etc/passwd}\n",
         "iceberg.warehouse: /etc/passwd is a file: it must be a folder"},
        {"output: iceberg\niceberg: {library: /nowhere, warehouse: /etc/passwd/x}\n",
         "iceberg.warehouse: /etc/passwd/x cannot be a folder: Not a directory"},
        {"output: iceberg\niceberg: {library: /nowhere, warehouse: \"s3://b/\", s3: {staging: "
         "/dev/full, access_key: {env: HOME}, secret_key: {env: HOME}}}\n",
         "iceberg.s3.staging: /dev/full is a device: it must be a folder"},
    };
    PL_FREE char *dir = unit_dir();
    PL_FREE char *path = pl_strf("%s/chsinkd.yaml", dir);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_findings errs;
        PL_FREE char *text = pl_strf("kafka: {bootstrap.servers: k}\n"
                                     "routes: [etc/routes/wikipedia_edits.yaml]\n%s",
                                     cases[i].text);
        load(path, text, &errs);
        ck_assert_msg(strstr(pl_buf_cstr(&errs.text), cases[i].finding), "%s",
                      pl_buf_cstr(&errs.text));
        pl_findings_release(&errs);
    }
}
END_TEST

/* DuckDB's memory is a matter of columns, not of rows. */
START_TEST(columns_need_memory)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *path = pl_strf("%s/chsinkd.yaml", dir);
    PL_FREE char *route = pl_strf("%s/wide.yaml", dir);
    struct pl_buf columns = {0};
    pl_buf_add_str(&columns, "topic: t\ntable: t\norder_by: tuple()\ncolumns:\n");
    for (int i = 0; i < 100; i++)
        pl_buf_addf(&columns, "  - {name: c%d, path: $.c%d, type: Nullable(Int64)}\n", i, i);
    file_write(route, pl_buf_cstr(&columns));
    pl_buf_release(&columns);
    for (int enough = 0; enough < 2; enough++) {
        struct pl_findings errs;
        PL_FREE char *text = pl_strf("kafka: {bootstrap.servers: k}\nroutes: [%s]\n"
                                     "output: duckdb\nduckdb: {library: /nowhere, file: /f, "
                                     "memory_limit: %dMiB}\n",
                                     route, enough ? 125 : 124);
        load(path, text, &errs);
        bool said = strstr(pl_buf_cstr(&errs.text), "for the 100 columns of route wide DuckDB "
                                                    "needs 125MiB at least");
        ck_assert_msg(said == !enough, "%s", pl_buf_cstr(&errs.text));
        pl_findings_release(&errs);
    }
}
END_TEST

/* What one output needs, another does not ask for; all at once. */
START_TEST(outputs_need)
{
    static const struct {
        const char *text;
        bool urls, file, library;
    } cases[] = {
        {"output: clickhouse\n", .urls = true},
        {"output: duckdb\nduckdb: {library: /nowhere/libduckdb.so}\n", .file = true,
         .library = true},
        {"output: duckdb\nduckdb: {library: /nowhere/libduckdb.so, file: /f}\n", .library = true},
    };
    PL_FREE char *dir = unit_dir();
    PL_FREE char *path = pl_strf("%s/chsinkd.yaml", dir);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_findings errs;
        PL_FREE char *text = pl_strf("kafka: {bootstrap.servers: k}\n"
                                     "routes: [etc/routes/wikipedia_edits.yaml]\n%s",
                                     cases[i].text);
        load(path, text, &errs);
        const char *said = pl_buf_cstr(&errs.text);
        ck_assert_msg((strstr(said, "clickhouse.urls is required") != NULL) == cases[i].urls &&
                          (strstr(said, "duckdb.file is required") != NULL) == cases[i].file &&
                          (strstr(said, "DuckDB's library, /nowhere") != NULL) == cases[i].library,
                      "case %zu: %s", i, said);
        pl_findings_release(&errs);
    }
}
END_TEST

static void route_write(const char *dir, const char *name, const char *topic)
{
    PL_FREE char *path = pl_strf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    /* Each its own table, unless it says which. */
    if (!strstr(topic, "table:"))
        fprintf(f, "table: %.1s\n", name);
    fprintf(f, "%s\norder_by: a\ncolumns: [{name: a, type: Int8, path: $.a}]\n", topic);
    ck_assert_int_eq(fclose(f), 0);
}

/* Two routes that may take the same topic, in the files a.yaml and b.yaml; what is found, behind
 * the second one's name. NULL: nothing. */
static const struct {
    const char *a, *b, *finding;
} pairs[] = {
    {"topic: edits", "topic: views", NULL},
    {"topic: edits", "topic: edits",
     ": topic edits already belongs to route a; for a second table give one of them a group of its "
     "own (group: NAME)\n"},
    {"topic: edits", "topic_pattern: ^ed",
     ": topic_pattern ^ed and route a's topic edits both take topic edits: name the topics more "
     "narrowly, so that each belongs to one route; for a second table give one of them a group "
     "of its own (group: NAME)\n"},
    {"topic_pattern: ^ed", "topic: edits",
     ": topic edits and route a's topic_pattern ^ed both take topic edits: name the topics more "
     "narrowly, so that each belongs to one route; for a second table give one of them a group "
     "of its own (group: NAME)\n"},
    {"topic_pattern: ^wiki-.*", "topic_pattern: ^.*-data$",
     ": topic_pattern ^.*-data$ and route a's topic_pattern ^wiki-.* both take topic wiki--data: "
     "name the topics more narrowly, so that each belongs to one route; for a second table give "
     "one of them a group of its own (group: NAME)\n"},
    {"topic_pattern: ^wiki-.*", "topic_pattern: ^page-.*", NULL},
    /* A group of its own. */
    {"topic: edits", "topic: edits\ngroup: raw", NULL},
    {"topic: edits\ngroup: a", "topic_pattern: ^ed\ngroup: b", NULL},
    {"topic: edits", "topic: edits\ngroup: \"\"",
     ": topic edits already belongs to route a; for a second table give one of them a group of its "
     "own (group: NAME)\n"},
    {"topic: edits", "topic: edits\ngroup: chsinkd",
     ": topic edits already belongs to route a; for a second table give one of them a group of its "
     "own (group: NAME)\n"},
    {"topic: edits\ntable: t", "topic_pattern: ^ed\ngroup: raw\ntable: t",
     ": topic edits is loaded into the same table by route a: the rows of one would be taken for "
     "those of the other\n"},
    {"topic: edits\ntable: t", "topic: edits\ngroup: raw\ntable: default.t",
     ": topic edits is loaded into the same table by route a: the rows of one would be taken for "
     "those of the other\n"},
    {"topic: edits\ntable: t", "topic: edits\ngroup: raw\ntable: other.t", NULL},
    {"topic: edits\ntable: t", "topic: views\ngroup: raw\ntable: t", NULL},
};

static void routes_load_two(const char *second, const char *a, const char *b,
                            struct pl_findings *errs, char **ret_file)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *sub = pl_strf("%s/sub", dir);
    PL_FREE char *path = pl_strf("%s/chsinkd.yaml", dir);
    PL_FREE char *text = pl_strf("kafka: {bootstrap.servers: k}\nclickhouse: {urls: [http://c:1]}\n"
                                 "routes: [%s/a.yaml, %s/%s]\n",
                                 dir, dir, second);
    ck_assert_int_eq(mkdir(sub, 0700), 0);
    route_write(dir, "a.yaml", a);
    route_write(dir, second, b);
    load(path, text, errs);
    *ret_file = pl_strf("%s/%s", dir, second);
}

START_TEST(routes_that_overlap)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_FREE char *file = NULL;
    routes_load_two("b.yaml", pairs[_i].a, pairs[_i].b, &errs, &file);
    PL_FREE char *want = pairs[_i].finding ? pl_strf("%s%s", file, pairs[_i].finding) : NULL;
    ck_assert_str_eq(pl_buf_cstr(&errs.text), want ? want : "");
}
END_TEST

START_TEST(routes_of_one_name)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_FREE char *file = NULL;
    routes_load_two("sub/a.yaml", "topic: edits", "topic: views", &errs, &file);
    PL_FREE char *want = pl_strf("%s: another route has the name a, in another directory: rename "
                                 "one of the files, since dead letters carry the route's name\n",
                                 file);
    ck_assert_str_eq(pl_buf_cstr(&errs.text), want);
}
END_TEST

/* Where the search finds no overlap, the topic itself shows it. */
START_TEST(topic_of_two_routes)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    pl_findings_init(&errs);
    const char *texts[] = {"topic_pattern: ^a(b|c)(d|e).$", "topic_pattern: ^.(c|x)(d|y)[^f-z]$"};
    struct route *routes[2];
    for (unsigned i = 0; i < 2; i++) {
        PL_FREE char *text = pl_strf(
            "%s\ntable: t\norder_by: a\ncolumns: [{name: a, type: Int8, path: $.a}]\n", texts[i]);
        routes[i] = route_parse(i ? "b" : "a", text, strlen(text), &errs);
        ck_assert_msg(routes[i] != NULL, "%s", pl_buf_cstr(&errs.text));
    }
    const struct chsinkd_conf conf = {.routes = routes, .routes_n = 2};
    struct pl_err err;
    ck_assert_int_eq(chsinkd_conf_topic_check(&conf, "acda", &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(err.code, 0);
    ck_assert_str_eq(err.msg, "topic acda is taken by route a and by route b: name the topics more "
                              "narrowly, so that each belongs to one route");
    ck_assert_int_eq(chsinkd_conf_topic_check(&conf, "abdz", &err), 0);
    ck_assert_int_eq(chsinkd_conf_topic_check(&conf, "other", &err), 0);
    routes[1]->group = pl_strdup("own");
    ck_assert_int_eq(chsinkd_conf_topic_check(&conf, "acda", &err), -1);
    ck_assert_msg(strstr(err.msg, "and by route b for the same table: name"), "%s", err.msg);
    routes[1]->table[0] = 'u';
    ck_assert_int_eq(chsinkd_conf_topic_check(&conf, "acda", &err), 0);
    route_free(routes[0]);
    route_free(routes[1]);
}
END_TEST

/* ---- groups ---- */

static struct chsinkd_conf conf_of(const char *const *texts, unsigned n)
{
    struct chsinkd_conf conf = {.routes = pl_alloc_array(n, sizeof(struct route *))};
    for (unsigned i = 0; i < n; i++) {
        PL_CLEANUP(pl_findings_release) struct pl_findings errs;
        PL_FREE char *text =
            pl_strf("topic: t\ntable: t%u\norder_by: a\n%s", i, strchr(texts[i], ' ') + 1);
        PL_FREE char *name = pl_strndup(texts[i], strcspn(texts[i], " "));
        pl_findings_init(&errs);
        struct route *r = route_parse(name, text, strlen(text), &errs);
        ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
        conf.routes[conf.routes_n++] = r;
    }
    return conf;
}

static void conf_free(struct chsinkd_conf *conf)
{
    for (unsigned i = 0; i < conf->routes_n; i++)
        route_free(conf->routes[i]);
    free(conf->routes);
}
#define CONF PL_CLEANUP(conf_free) struct chsinkd_conf

#define COLUMN "columns: [{name: a, type: Int8, path: $.a}]\n"

START_TEST(groups)
{
    static const char *const texts[] = {"a group: x\n" COLUMN, "b " COLUMN, "c group: y\n" COLUMN,
                                        "d group: x\n" COLUMN, "e group: chsinkd\n" COLUMN};
    CONF conf = conf_of(texts, PL_COUNT(texts));
    const char **names;
    ck_assert_uint_eq(chsinkd_conf_groups(&conf, &names), 3);
    ck_assert_str_eq(names[0], "x");
    ck_assert_str_eq(names[1], "chsinkd");
    ck_assert_str_eq(names[2], "y");
    free(names);
}
END_TEST

/* Of a file with table_by each value has its group, made of the route's. */
START_TEST(groups_of_values)
{
    struct chsinkd_conf conf = {0};
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_FREE char *dir = unit_dir();
    PL_FREE char *path = pl_strf("%s/chsinkd.yaml", dir);
    PL_FREE char *text =
        pl_strf("kafka: {bootstrap.servers: k, group.id: g}\nclickhouse: {urls: [http://c:1]}\n"
                "routes: [%s/a.yaml, %s/b.yaml]\n",
                dir, dir);
    const char **names;
    route_write(dir, "a.yaml", "topic: t\ntable: a{}\ntable_by: $.x\ntable_values: [p, q]");
    route_write(dir, "b.yaml",
                "topic: t\ntable: b{}\ntable_by: $.x\ntable_values: [p, q]\ngroup: own");
    file_write(path, text);
    pl_findings_init(&errs);
    pl_options_load(chsinkd_options, path, &conf, NULL, &errs);
    chsinkd_conf_check(&conf, &errs);
    ck_assert_str_eq(pl_buf_cstr(&errs.text), "");
    ck_assert_uint_eq(chsinkd_conf_groups(&conf, &names), 4);
    ck_assert_str_eq(names[0], "g.p");
    ck_assert_str_eq(names[1], "g.q");
    ck_assert_str_eq(names[2], "own.p");
    ck_assert_str_eq(names[3], "own.q");
    free(names);
    chsinkd_conf_release(&conf);
}
END_TEST

START_TEST(groups_need_memory)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_FREE char *dir = unit_dir();
    PL_FREE char *path = pl_strf("%s/chsinkd.yaml", dir);
    PL_FREE char *text = pl_strf("kafka: {bootstrap.servers: k}\nclickhouse: {urls: [http://c:1]}\n"
                                 "routes: [%s/a.yaml, %s/b.yaml]\nmemory_max: 20MiB\n",
                                 dir, dir);
    route_write(dir, "a.yaml", "topic: edits");
    route_write(dir, "b.yaml", "topic: edits\ngroup: b");
    load(path, text, &errs);
    ck_assert_msg(strstr(pl_buf_cstr(&errs.text), "memory_max: 2 groups share it, and each needs "
                                                  "16MiB at least: 32MiB\n"),
                  "%s", pl_buf_cstr(&errs.text));
}
END_TEST

/* ---- what a reload finds ---- */

/* Routes before and after, "NAME TEXT", and what differs. */
static const struct {
    const char *before[3], *after[3], *differs;
} compared[] = {
    {{"a " COLUMN}, {"a " COLUMN}, ""},
    {{"a " COLUMN}, {"a # said\ncolumns:\n  - name: a\n    type: Int8\n    path: $.a\n"}, ""},
    {{"a " COLUMN, "b " COLUMN}, {"a " COLUMN}, "removed route b"},
    {{"a " COLUMN}, {"a " COLUMN, "b " COLUMN}, "new route b"},
    {{"a " COLUMN}, {"b " COLUMN}, "new route b, removed route a"},
    {{"a " COLUMN},
     {"a columns: [{name: a, type: Int8, path: $.a}, {name: b, type: Int8, path: $.b}]\n"},
     "changed route a"},
    {{"a " COLUMN}, {"a columns: [{name: a, type: Int8, path: \"$.a\"}]\n"}, "changed route a"},
    {{"a " COLUMN}, {"a group: x\n" COLUMN}, "changed route a"},
    {{"a ttl: b\n" COLUMN}, {"a ttl: bb\n" COLUMN}, "changed route a"},
    {{"a settings: {b: c}\n" COLUMN}, {"a settings: {bc: \"\"}\n" COLUMN}, "changed route a"},
};

START_TEST(routes_compared)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    unsigned n[2] = {0};
    while (n[0] < 3 && compared[_i].before[n[0]])
        n[0]++;
    while (n[1] < 3 && compared[_i].after[n[1]])
        n[1]++;
    CONF before = conf_of(compared[_i].before, n[0]);
    CONF after = conf_of(compared[_i].after, n[1]);
    chsinkd_conf_compare(&before, &after, &out);
    ck_assert_str_eq(pl_buf_cstr(&out), compared[_i].differs);
}
END_TEST

/* ---- outputs of a route ---- */

#define ROUTE_ROWS "table: t\ncolumns: [{name: a, type: Int64, path: $.a}]\norder_by: a\n"

static const struct {
    const char *outputs[2]; /* of two routes: a line, or "" */
    unsigned taken;
    const char *skipped, *finding; /* NULL: none */
} for_outputs[] = {
    {{"", ""}, 2, NULL, NULL},
    {{"outputs: clickhouse\n", "outputs: [clickhouse]\n"}, 2, NULL, NULL},
    {{"outputs: []\n", ""}, 2, NULL, NULL},
    {{"outputs: duckdb\n", ""}, 1, "r0", NULL},
    {{"outputs: [duckdb, clickhouse]\n", "outputs: [duckdb]\n"}, 1, "r1", NULL},
    {{"outputs: duckdb\n", "outputs: duckdb\n"},
     0,
     "r0",
     "routes: none is left, as the outputs of all of them are others than clickhouse\n"},
    {{"outputs: [clickhouse, nowhere]\n", ""},
     2,
     NULL,
     "outputs: there is no output nowhere; they are called as in the configuration's option "
     "output\n"},
};

START_TEST(outputs_of_routes)
{
    struct chsinkd_conf conf = {0};
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_FREE char *dir = unit_dir();
    PL_FREE char *path = pl_strf("%s/c.yaml", dir);
    PL_FREE char *text = pl_strf("kafka: {bootstrap.servers: k}\nclickhouse: {urls: [http://c:1]}\n"
                                 "routes: [%s/r0.yaml, %s/r1.yaml]\n",
                                 dir, dir);
    for (int i = 0; i < 2; i++) {
        PL_FREE char *file = pl_strf("%s/r%d.yaml", dir, i);
        PL_FREE char *route = pl_strf("topic: t%d\n%s" ROUTE_ROWS, i, for_outputs[_i].outputs[i]);
        file_write(file, route);
    }
    file_write(path, text);
    pl_findings_init(&errs);
    pl_options_load(chsinkd_options, path, &conf, NULL, &errs);
    chsinkd_conf_check(&conf, &errs);
    ck_assert_uint_eq(conf.routes_n, for_outputs[_i].taken);
    const char *finding = for_outputs[_i].finding;
    ck_assert_msg(finding ? strstr(pl_buf_cstr(&errs.text), finding) != NULL : errs.count == 0,
                  "%s", pl_buf_cstr(&errs.text));
    ck_assert_uint_eq(conf.routes_skipped.n, 2 - for_outputs[_i].taken);
    if (for_outputs[_i].skipped)
        ck_assert_str_eq(conf.routes_skipped.v[0], for_outputs[_i].skipped);
    chsinkd_conf_release(&conf);
}
END_TEST

/* It must not be the service's static member, nor listen where the service does. */
START_TEST(one_shot)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *path = pl_strf("%s/chsinkd.yaml", dir);
    static const char *const kafkas[] = {
        "group.instance.id: one, bootstrap.servers: k",
        "bootstrap.servers: k, group.instance.id: one, group.id: g",
        "bootstrap.servers: k, group.id: g"};
    for (size_t i = 0; i < PL_COUNT(kafkas); i++) {
        struct chsinkd_conf conf = {0};
        struct pl_findings errs;
        PL_FREE char *text = pl_strf("kafka: {%s}\nclickhouse: {urls: [http://c:8123]}\n"
                                     "routes: [etc/routes/wikipedia_edits.yaml]\n"
                                     "metrics: {listen: '127.0.0.1:9465'}\n",
                                     kafkas[i]);
        file_write(path, text);
        pl_findings_init(&errs);
        pl_options_load(chsinkd_options, path, &conf, NULL, &errs);
        chsinkd_conf_one_shot(&conf);
        ck_assert_ptr_null(conf.metrics.listen);
        ck_assert_ptr_null(pl_map_get(&conf.kafka, "group.instance.id"));
        ck_assert_str_eq(pl_map_get(&conf.kafka, "bootstrap.servers"), "k");
        ck_assert_str_eq(chsinkd_conf_group(&conf), i == 0 ? "chsinkd" : "g");
        chsinkd_conf_release(&conf);
        pl_findings_release(&errs);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(findings),
        TEST(outputs_need),
        TEST(places),
        TEST(columns_need_memory),
        TEST(routes_that_overlap, .count = PL_COUNT(pairs)),
        TEST(routes_of_one_name),
        TEST(groups),
        TEST(groups_of_values),
        TEST(groups_need_memory),
        TEST(routes_compared, .count = PL_COUNT(compared)),
        TEST(topic_of_two_routes),
        TEST(one_shot),
        TEST(outputs_of_routes, .count = PL_COUNT(for_outputs)),
    };
    return unit_main("conf", tests, PL_COUNT(tests));
}
