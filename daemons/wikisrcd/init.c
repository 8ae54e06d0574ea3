/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.c - see init.h.
 */
#include "daemons/wikisrcd/init.h"

#include "daemons/wikisrcd/inspect.h"
#include "lib/kafka/attempt.h"

static const struct pl_question questions[] = {
    {.path = "source.user_agent_contact"},
    {.path = "source.streams"},
    PL_KAFKA_QUESTIONS,
    {.path = "topic"},
    {0},
};

static void attempt(const void *data, struct pl_attempt *a)
{
    const struct wikisrcd_conf *conf = data;
    const char *const topics[] = {conf->topic, NULL};
    PL_FREE char *url = wikisrcd_conf_url(conf);
    struct pl_err err;
    int events = inspect_try(conf, &err);
    if (events < 0)
        pl_attempt_fails(a, url, &err);
    else
        pl_attempt_works(a, url, "%s",
                         events > 0 ? "an event came"
                                    : "it answers; no event came yet, as in a quiet stream or by "
                                      "the filters");
    pl_kafka_attempt(&conf->kafka, topics, !conf->create.enabled, a);
}

const struct pl_init wikisrcd_init = {.questions = questions, .attempt = attempt};
