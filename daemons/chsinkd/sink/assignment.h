/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assignment.h - partitions come and go: the group's answers to the consumer.
 *
 *     assigned   The group's offset and announcement of each partition are read. An announced
 *                range is read exactly again (fixed_end); where its token may be forgotten, the
 *                table is asked what it has of it. The partition's queue is forwarded to the
 *                consumer's own before the assignment, so that no message can go another way. Then
 *                reading begins.
 *     revoked    What is only decoded is dropped. An insert under way may finish and commit within
 *                a grace, then it is ended: none of our commits may come after the partition is
 *                another's. Its announcement stays; the next owner repeats it with the same token.
 *     lost       The same without the grace: the group has moved on without us.
 *
 * Threads: the consumer's; the callback runs inside its rd_kafka_consumer_poll().
 */
#ifndef CHSINKD_SINK_ASSIGNMENT_H
#define CHSINKD_SINK_ASSIGNMENT_H

#include "daemons/chsinkd/sink/sink.h"

/* Messages taken from librdkafka in one call. */
#define CONSUMER_PENDING_MAX 10000

/* consumer.c's. */
struct consumer {
    struct sink *sink;
    rd_kafka_queue_t *data;    /* the partitions' queues are forwarded to it */
    struct clickhouse *client; /* to ask tables on recovery */
    rd_kafka_message_t *pending[CONSUMER_PENDING_MAX];
    ssize_t pending_at, pending_n;
    struct partition *last; /* of the last message: they come in runs */
};

/* Drops what was fetched of a partition and waits to be decoded (consumer.c). */
void consumer_forget(struct consumer *c, const struct partition *p);

/* For rd_kafka_conf_set_rebalance_cb(); `opaque` is the sink's health. Cooperative or eager. */
void assignment_change(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                       rd_kafka_topic_partition_list_t *list, void *opaque);

/* Before the announced range [next_offset, fixed_end) is read, each time. Where it was announced
 * longer than ask_table_after ago, ClickHouse may have forgotten its token, and the table is asked
 * which offsets it has (`present`), to be skipped. Asks until there is an answer, or the end. */
void assignment_recover(struct sink *s, struct partition *p);

#endif
