/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.c - see init.h.
 */
#include "daemons/wmfetchd/init.h"

#include <inttypes.h>

#include "daemons/wmfetchd/inspect.h"
#include "lib/kafka/attempt.h"

#define BY_TOKEN "auth.method=token"

static const struct pl_question questions[] = {
    {.path = "api.url"},
    {.path = "api.applications"},
    {.path = "auth.method"},
    {.path = "auth.url", .when = BY_TOKEN " !auth.token_url"},
    {.path = "auth.realm", .when = BY_TOKEN " !auth.token_url"},
    {.path = "auth.grant", .when = BY_TOKEN},
    {.path = "auth.client_id", .when = BY_TOKEN},
    {.path = "auth.client_secret", .when = BY_TOKEN " auth.grant=client_credentials"},
    {.path = "auth.client_secret", .when = BY_TOKEN " auth.grant=password", .optional = true},
    {.path = "auth.user", .when = "auth.method=basic,token auth.grant=password"},
    {.path = "auth.password", .when = "auth.method=basic,token auth.grant=password"},
    {.path = "auth.bearer", .when = "auth.method=bearer"},
    {.path = "auth.header.name", .when = "auth.method=header"},
    {.path = "auth.header.value", .when = "auth.method=header"},
    PL_KAFKA_QUESTIONS,
    {.path = "topic"},
    {0},
};

static void attempt(const void *data, struct pl_attempt *a)
{
    const struct wmfetchd_conf *conf = data;
    const char *const topics[] = {conf->topic, NULL};
    const struct wmfetchd_series first = wmfetchd_series(conf, 0);
    PL_FREE char *what = pl_strf("the API at %s", conf->api.url);
    struct pl_err err;
    int64_t items;
    if (inspect_try(conf, &items, &err) < 0)
        pl_attempt_fails(a, what, &err);
    else
        pl_attempt_works(a, what,
                         "%s; %" PRId64 " transactions of application %s in the hour before now",
                         conf->auth.method == PL_AUTH_TOKEN ? "it takes our token" : "it answers",
                         items, first.application);
    pl_kafka_attempt(&conf->kafka, topics, !conf->create.enabled, a);
}

const struct pl_init wmfetchd_init = {.questions = questions, .attempt = attempt};
