/* SPDX-License-Identifier: Apache-2.0 */
/* successor.c - see successor.h. */
#include "lib/kafka/successor.h"

#include "lib/base/clock.h"
#include "lib/kafka/internal.h"
#include "lib/kafka/topic.h"
#include "lib/service/signals.h"

#define SLICE_MS 100

PL_DEFINE_CLEANUP(rd_kafka_message_t *, rd_kafka_message_destroy);

static bool key_is_ours(const struct pl_kafka_successor_ask *ask, const rd_kafka_message_t *m)
{
    size_t len = strlen(ask->key);
    bool prefix = len > 0 && ask->key[len - 1] == '/';
    return m->key && (prefix ? m->key_len >= len : m->key_len == len) &&
           memcmp(m->key, ask->key, len) == 0;
}

/* NULL: it is not a successor's. */
static char *successor_of(const struct pl_kafka_successor_ask *ask, const rd_kafka_message_t *m)
{
    bool later = m->partition >= ask->since->n || m->offset >= ask->since->v[m->partition];
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR || !later || !key_is_ours(ask, m))
        return NULL;
    PL_FREE char *writer = kafka_record_writer(m);
    if (writer && strcmp(writer, ask->us) == 0)
        return NULL;
    return writer ? PL_TAKE(writer) : pl_strdup("?");
}

static int start(const struct pl_kafka_successor_ask *ask, struct kafka_reader *c, int partitions,
                 struct pl_err *err)
{
    PL_FREE int64_t *offsets = pl_alloc_array((size_t)partitions, sizeof(*offsets));
    for (int i = 0; i < partitions; i++)
        offsets[i] = ask->since->n > 0 ? RD_KAFKA_OFFSET_TAIL(SUCCESSOR_TAIL) : RD_KAFKA_OFFSET_END;
    return kafka_reader_start(c, ask->topic, partitions, offsets, err);
}

int pl_kafka_successor_find(const struct pl_kafka_successor_ask *ask, char **ret,
                            struct pl_err *err)
{
    PL_CLEANUP(kafka_reader_release) struct kafka_reader c = {0};
    int64_t end_ms = pl_clock_monotonic_ms() + ask->timeout_ms;
    int partitions = 0;
    if (kafka_reader_open(&c, ask->kafka, "read_uncommitted", err) < 0 ||
        pl_kafka_topic_exists(c.rk, ask->topic, (int)ask->timeout_ms, &partitions, err) < 0 ||
        start(ask, &c, partitions, err) < 0)
        return -1;
    while (pl_clock_monotonic_ms() < end_ms && !pl_signals_stop_is_pending()) {
        PL_CLEANUP(rd_kafka_message_destroyp)
        rd_kafka_message_t *m = rd_kafka_consume_queue(c.queue, SLICE_MS);
        char *found = m ? successor_of(ask, m) : NULL;
        if (found) {
            *ret = found;
            return 1;
        }
    }
    return 0;
}
