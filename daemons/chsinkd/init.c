/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.c - see init.h.
 */
#include "daemons/chsinkd/init.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "daemons/chsinkd/inspect.h"
#include "lib/base/file.h"
#include "lib/kafka/attempt.h"

#define ROUTE_MESSAGES 1000 /* a route is made from so many */

static const struct pl_question questions[] = {
    PL_KAFKA_QUESTIONS,
    {.path = "output"},
    {.path = "clickhouse.urls", .when = "output=clickhouse", .suggest = "http://localhost:8123"},
    {.path = "clickhouse.database", .when = "output=clickhouse"},
    {.path = "clickhouse.user", .when = "output=clickhouse"},
    {.path = "clickhouse.password",
     .when = "output=clickhouse",
     .optional = true,
     .help = "That user's password."},
    {.path = "duckdb.file",
     .when = "output=duckdb !duckdb.attach",
     .suggest = "/var/lib/chsinkd/chsinkd.duckdb"},
    {.path = "iceberg.warehouse",
     .when = "output=iceberg iceberg.catalog=path",
     .suggest = "/var/lib/chsinkd/warehouse"},
    {.path = "routes",
     .beside = "routes/*.yaml",
     .help = "Which topics go to which tables: files of routes or a pattern; the name of one that "
             "is in routes/ beside the configuration (wikipedia_edits); or topic:NAME, for which a "
             "route is made from the topic's last messages."},
    {0},
};

/* ---- routes ---- */

/* Not over one that is there: somebody may have changed it. */
static int route_write(const char *file, const struct pl_buf *text, struct pl_err *err)
{
    FILE *f = fopen(file, "wxe");
    bool there = !f && errno == EEXIST;
    bool good = f && fwrite(text->data, 1, text->len, f) == text->len;
    good = f && fclose(f) == 0 && good;
    if (good)
        return 0;
    if (there)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "%.200s is there already: name it, or move it away", file);
    return pl_err_set(err, PL_ERR_CONFIG, errno, "cannot write %.200s: %s", file, strerror(errno));
}

/* topic:NAME: *ret gets the file of its new route. */
static int route_make(const struct chsinkd_conf *conf, const char *folder, const char *topic,
                      char **ret, struct pl_err *err)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    PL_FREE char *routes = pl_strf("%s/routes", folder);
    PL_FREE char *file = pl_strf("%s/%s.yaml", routes, topic);
    if (topic[0] == '\0' || topic[0] == '.' || strchr(topic, '/'))
        return pl_err_set(err, PL_ERR_CONFIG, 0, "\"%.60s\" is not the name of a topic", topic);
    if (access(file, F_OK) == 0) {
        *ret = PL_TAKE(file);
        return 0;
    }
    if (inspect_route(conf, topic, ROUTE_MESSAGES, &text, err) < 0)
        return -1;
    if ((mkdir(folder, 0755) < 0 && errno != EEXIST) ||
        (mkdir(routes, 0755) < 0 && errno != EEXIST))
        return pl_err_set(err, PL_ERR_CONFIG, errno, "cannot make the folder %.200s: %s", routes,
                          strerror(errno));
    if (route_write(file, &text, err) < 0)
        return -1;
    printf("%s is written, a route made from the topic's messages: look it over\n", file);
    *ret = PL_TAKE(file);
    return 0;
}

/* A file as it is, or what stands for one. */
static int route_expand(const struct chsinkd_conf *conf, const char *folder, const char *text,
                        struct pl_buf *out, struct pl_err *err)
{
    static const char topic[] = "topic:";
    PL_FREE char *file = NULL;
    if (strncmp(text, topic, sizeof(topic) - 1) == 0) {
        if (route_make(conf, folder, text + sizeof(topic) - 1, &file, err) < 0)
            return -1;
    } else if (!strchr(text, '/')) {
        PL_FREE char *named = pl_strf("%s/routes/%s.yaml", folder, text);
        if (access(named, F_OK) == 0)
            file = PL_TAKE(named);
    }
    pl_buf_addf(out, "%s%s", out->len > 0 ? "," : "", file ? file : text);
    return 0;
}

static int expand(const void *conf, const char *folder, const char *path, const char *text,
                  char **ret_text, struct pl_err *err)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    PL_FREE char *whole = realpath(folder, NULL);
    if (strcmp(path, "routes") != 0)
        return 0;
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, ","), from = strspn(at, " ");
        PL_FREE char *one = pl_strndup(at + from, len > from ? len - from : 0);
        if (one[0] && route_expand(conf, whole ? whole : folder, one, &out, err) < 0)
            return -1;
        at += len + (at[len] == ',');
    }
    *ret_text = pl_buf_take(&out);
    return 0;
}

/* ---- the try ---- */

static void topics_attempt(const struct chsinkd_conf *conf, struct pl_attempt *a)
{
    PL_FREE const char **topics = pl_alloc_array(conf->routes_n + 1, sizeof(*topics));
    size_t n = 0;
    for (unsigned i = 0; i < conf->routes_n; i++) {
        const char *topic = conf->routes[i]->topic;
        bool seen = !topic; /* a pattern */
        for (size_t k = 0; k < n && !seen; k++)
            seen = strcmp(topics[k], topic) == 0;
        if (!seen)
            topics[n++] = topic;
    }
    pl_kafka_attempt(&conf->kafka, topics, true, a);
}

/* Only reads, as a dry run. */
static void output_attempt(const struct chsinkd_conf *conf, struct pl_attempt *a)
{
    const void *output_conf;
    const struct output_kind *kind = chsinkd_conf_output(conf, &output_conf);
    struct output *o = kind->open(output_conf);
    int rc = 0;
    for (unsigned i = 0; i < conf->routes_n && rc == 0; i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf plan = {0};
        const struct output_ensure how = {.dry_run = true, .ret_plan = &plan};
        struct output_target *target = kind->target_new(output_conf, conf->routes[i]);
        struct output_state state;
        struct pl_err err;
        PL_FREE char *what =
            pl_strf("%s at %s, table %s", kind->name, kind->where(output_conf), target->name);
        rc = kind->ensure(o, target, &how, &state, &err);
        if (rc < 0)
            pl_attempt_fails(a, what, &err);
        else
            pl_attempt_works(a, what, "%s",
                             plan.len > 0 ? "the start makes or changes it (--dry-run shows how)"
                                          : "it is there");
        kind->target_free(target);
    }
    kind->close(o);
}

static void attempt(const void *conf, struct pl_attempt *a)
{
    topics_attempt(conf, a);
    output_attempt(conf, a);
}

const struct pl_init chsinkd_init = {.questions = questions, .expand = expand, .attempt = attempt};
