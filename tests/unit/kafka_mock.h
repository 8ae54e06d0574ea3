/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kafka_mock.h - librdkafka's mock cluster, as a rule of one broker, and the settings for it.
 *
 * It keeps records as a broker does, but neither transactions nor passwords; those are for the end
 * to end tests. Topics and their partitions are made by the test. Nothing takes the cluster down:
 * librdkafka 2.0.2 would need a second for it, and each test's process ends anyway.
 */
#ifndef TESTS_UNIT_KAFKA_MOCK_H
#define TESTS_UNIT_KAFKA_MOCK_H

#include <assert.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "lib/config/options.h"
#include "tests/unit/unit.h"

#define KAFKA_MOCK_SETTINGS_MAX 6

struct kafka_mock {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *cluster;
    struct pl_map map; /* the settings: bootstrap.servers, and what kafka_mock_set() adds */
    struct pl_map_entry settings[KAFKA_MOCK_SETTINGS_MAX];
};

/* The texts are the caller's and live as long as the settings. */
static inline void kafka_mock_set(struct kafka_mock *m, const char *name, const char *value)
{
    assert(m->map.n < KAFKA_MOCK_SETTINGS_MAX);
    m->map.v = m->settings;
    m->settings[m->map.n++] = (struct pl_map_entry){.key = (char *)name, .value = (char *)value};
}

static inline void kafka_mock_start_of(struct kafka_mock *m, int brokers)
{
    char text[256];
    *m = (struct kafka_mock){
        .host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof(text))};
    ck_assert_msg(m->host != NULL, "%s", text);
    m->cluster = rd_kafka_mock_cluster_new(m->host, brokers);
    ck_assert_ptr_nonnull(m->cluster);
    kafka_mock_set(m, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(m->cluster));
}

static inline void kafka_mock_start(struct kafka_mock *m)
{
    kafka_mock_start_of(m, 1);
}

static inline void kafka_mock_topic(struct kafka_mock *m, const char *topic, int partitions)
{
    ck_assert_int_eq(rd_kafka_mock_topic_create(m->cluster, topic, partitions, 1), 0);
}

#endif
