/* SPDX-License-Identifier: Apache-2.0 */
/* extent.c - see extent.h. */
#include "daemons/chsinkd/sink/kafka/extent.h"

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/kafka/client.h"

PL_DEFINE_CLEANUP(rd_kafka_topic_t *, rd_kafka_topic_destroy);
PL_DEFINE_CLEANUP(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy);

static bool has_leader(const rd_kafka_metadata_t *md, int32_t partition)
{
    const rd_kafka_metadata_topic_t *t = md->topics;
    for (int i = 0; md->topic_cnt > 0 && i < t->partition_cnt; i++)
        if (t->partitions[i].id == partition)
            return t->partitions[i].leader >= 0;
    return true; /* the topic is not there, or may not be seen: the query says so */
}

int extent_leader(rd_kafka_t *rk, const char *topic, int32_t partition, int wait_ms,
                  struct pl_err *err)
{
    const rd_kafka_metadata_t *md;
    PL_CLEANUP(rd_kafka_topic_destroyp) rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_resp_err_t code =
        t ? rd_kafka_metadata(rk, 0, t, &md, wait_ms) : rd_kafka_last_error();
    if (code)
        return pl_kafka_err(err, code, "cannot read who leads topic %s, partition %d", topic,
                            (int)partition);
    bool leader = has_leader(md, partition);
    rd_kafka_metadata_destroy(md);
    return leader ? 0
                  : pl_err_set(err, PL_ERR_RETRY, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
                               "topic %s, partition %d has no leader: its brokers are down or "
                               "starting",
                               topic, (int)partition);
}

/* rd_kafka_query_watermark_offsets() would do, but for its wait: librdkafka 2.0.2 waits for a leader
 * that does not answer without a limit. This one has it, and Kafka takes the two special offsets as
 * times (protocol, ListOffsets). */
static int end_read(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t which,
                    int64_t until_ms, int64_t *ret, struct pl_err *err)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(list, topic, partition);
    int64_t wait_ms = until_ms - pl_clock_monotonic_ms();
    tp->offset = which;
    rd_kafka_resp_err_t code = wait_ms > 0 ? rd_kafka_offsets_for_times(rk, list, (int)wait_ms)
                                           : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (!code)
        code = tp->err;
    if (!code && tp->offset < 0)
        code = RD_KAFKA_RESP_ERR__BAD_MSG;
    if (code)
        return pl_kafka_err(err, code, "cannot read where topic %s, partition %d begins and ends",
                            topic, (int)partition);
    *ret = tp->offset;
    return 0;
}

int extent_read(rd_kafka_t *rk, const char *topic, int32_t partition, int wait_ms,
                struct extent *ret, struct pl_err *err)
{
    struct extent e;
    int64_t until_ms = pl_clock_monotonic_ms() + wait_ms;
    if (extent_leader(rk, topic, partition, wait_ms, err) < 0 ||
        end_read(rk, topic, partition, RD_KAFKA_OFFSET_BEGINNING, until_ms, &e.low, err) < 0 ||
        end_read(rk, topic, partition, RD_KAFKA_OFFSET_END, until_ms, &e.high, err) < 0)
        return -1;
    *ret = e;
    return 0;
}
