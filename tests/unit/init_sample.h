/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init_sample.h - a small daemon that has --init, for its tests.
 */
#ifndef TESTS_UNIT_INIT_SAMPLE_H
#define TESTS_UNIT_INIT_SAMPLE_H

#include <string.h>

#include "lib/base/file.h"
#include "lib/config/common.h"
#include "lib/service/init.h"
#include "lib/service/service.h"
#include "tests/unit/unit.h"

enum mode { MODE_OPEN, MODE_USER };
static const char *const modes[] = {"open", "user", NULL};

struct conf {
    struct pl_map kafka;
    int mode;
    char *user, *url;
    struct pl_secret password;
    struct pl_strings apps, routes;
    int64_t rows, start_timeout_ms, stop_timeout_ms;
    struct {
        char *listen;
    } metrics;
    int log_level;
};

#define OPT(path_, type_, field_, ...) PL_OPTION(path_, type_, struct conf, field_, __VA_ARGS__)
static const struct pl_option options[] = {
    PL_KAFKA_OPT(struct conf, PL_OPT_REQUIRED, ""),
    OPT("api.url", URL, url, .flags = PL_OPT_REQUIRED, .help = "Where. And more."),
    OPT("api.apps", STRINGS, apps, .min = 1, .flags = PL_OPT_REQUIRED, .help = "Which."),
    OPT("auth.mode", ENUM, mode, .dflt = "open", .choices = modes, .help = "How."),
    OPT("auth.user", STRING, user, .min = 1, .help = "Who."),
    OPT("auth.password", SECRET, password, .help = "That user's password."),
    OPT("rows", INT, rows, .min = 1, .max = 9, .dflt = "5", .help = "Rows."),
    OPT("routes", STRINGS, routes, .help = "Files."),
    PL_SERVICE_OPTS(struct conf, "9469", "it.", "it takes."),
    PL_OPT_END,
};

static const struct pl_question questions[] = {
    {.path = "kafka.bootstrap.servers", .suggest = "localhost:9092", .help = "Brokers."},
    {.path = "kafka.security.protocol",
     .suggest = "plaintext",
     .optional = true,
     .choices = pl_kafka_protocols,
     .help = "The protocol."},
    {.path = "api.url"},
    {.path = "api.apps"},
    {.path = "auth.mode"},
    {.path = "auth.user", .when = "auth.mode=user"},
    {.path = "auth.password", .when = "auth.mode=user"},
    {.path = "routes", .beside = "routes/*.yaml", .optional = true},
    {0},
};

static void conf_check(void *data, bool for_service, struct pl_findings *errs)
{
    const struct conf *c = data;
    ck_assert(for_service);
    pl_common_check_kafka(&c->kafka, NULL, errs);
    if (c->user && strcmp(c->user, "root") == 0)
        pl_findings_add(errs, 0, 0, "auth.user: not root");
    for (size_t i = 0; i < c->routes.n; i++)
        if (strstr(c->routes.v[i], "missing")) {
            errs->file = c->routes.v[i];
            pl_findings_add(errs, 0, 0, "cannot read it");
        }
    if (c->mode == MODE_USER && c->rows == 9)
        pl_findings_add(errs, 0, 0, "too many rows for a user");
}

static int expand(const void *conf, const char *folder, const char *path, const char *text,
                  char **ret_text, struct pl_err *err)
{
    (void)conf;
    if (strcmp(path, "routes") != 0)
        return 0;
    if (strcmp(text, "bad") == 0)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "there is no such route");
    *ret_text = strchr(text, '/') ? NULL : pl_strf("%s/routes/%s.yaml", folder, text);
    return 0;
}

static void attempt(const void *data, struct pl_attempt *a)
{
    const struct conf *c = data;
    struct pl_err err;
    if (c->password.value)
        pl_attempt_works(a, "password", "%zu long", strlen(c->password.value));
    pl_attempt_works(a, "Kafka", "at %s", pl_map_get(&c->kafka, "bootstrap.servers"));
    if (strcmp(c->url, "http://away") == 0) {
        pl_err_set(&err, PL_ERR_RETRY, 0, "nobody answers");
        pl_attempt_fails(a, c->url, &err);
    }
}

static const struct pl_init init = {questions, expand, attempt};

static const struct pl_program program = {
    .cli = {"testd", "Does a test.", NULL, 0, 1},
    .options = options,
    .conf_size = sizeof(struct conf),
    .conf_check = conf_check,
    .init = &init,
};

static char *file_of(const char *path)
{
    struct pl_buf text = {0};
    ck_assert_msg(pl_file_read(path, 1 << 20, &text, NULL), "%s", path);
    return pl_buf_take(&text);
}

/* getopt_long() and we do not write into them. */
static int parse_args(struct pl_service *service, int argc, const char *const *args)
{
    char *argv[20];
    ck_assert_int_le(argc, (int)PL_COUNT(argv));
    memcpy(argv, args, (size_t)argc * sizeof(*argv));
    return pl_service_parse(service, &program, argc, argv);
}

#endif
