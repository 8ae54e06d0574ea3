/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attempt.c - see attempt.h.
 */
#include "lib/kafka/attempt.h"

#include "lib/kafka/topic.h"

static rd_kafka_t *client_new(const struct pl_map *kafka, struct pl_kafka_health *health,
                              struct pl_err *err)
{
    static const char *const defaults[] = {"allow.auto.create.topics", "false", NULL};
    static const char *const forced[] = {NULL};
    health->borrowed_map = true;
    rd_kafka_conf_t *conf = pl_kafka_conf_new(kafka, defaults, forced, health, err);
    return conf ? pl_kafka_new(RD_KAFKA_PRODUCER, conf, err) : NULL;
}

static int brokers_count(rd_kafka_t *rk)
{
    const struct rd_kafka_metadata *md;
    if (rd_kafka_metadata(rk, 0, NULL, &md, PL_KAFKA_ATTEMPT_MS))
        return 1; /* one has answered */
    int n = md->broker_cnt;
    rd_kafka_metadata_destroy(md);
    return n;
}

static void topic_attempt(rd_kafka_t *rk, const char *topic, bool needed, struct pl_attempt *a)
{
    struct pl_err err;
    int partitions = 0;
    PL_FREE char *what = pl_strf("topic %s", topic);
    int found = pl_kafka_topic_exists(rk, topic, PL_KAFKA_ATTEMPT_MS, &partitions, &err);
    if (found == 0 && needed)
        pl_err_set(&err, PL_ERR_CONFIG, 0,
                   "it is not there: start what writes it, or take another one or its route out");
    if (found < 0 || (found == 0 && needed))
        pl_attempt_fails(a, what, &err);
    else if (found == 0)
        pl_attempt_works(a, what, "not there yet, the start makes it");
    else
        pl_attempt_works(a, what, "%d partition%s", partitions, partitions == 1 ? "" : "s");
}

bool pl_kafka_attempt(const struct pl_map *kafka, const char *const *topics, bool needed,
                      struct pl_attempt *a)
{
    struct pl_kafka_health health = {0};
    struct pl_err err;
    const char *servers = pl_kafka_servers(kafka);
    PL_FREE char *what = pl_strf("Kafka at %s", servers);
    rd_kafka_t *rk = client_new(kafka, &health, &err);
    bool good = rk && pl_kafka_probe(rk, &health, servers, PL_KAFKA_ATTEMPT_MS, &err) == 0;
    if (good) {
        int n = brokers_count(rk);
        pl_attempt_works(a, what, "%d broker%s", n, n == 1 ? "" : "s");
    } else {
        pl_attempt_fails(a, what, &err);
    }
    for (size_t i = 0; topics[i] && good; i++)
        topic_attempt(rk, topics[i], needed, a);
    if (rk)
        rd_kafka_destroy(rk);
    return good;
}
