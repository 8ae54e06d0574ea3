/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assignment.h - partitions come and go: the group's answers to the consumer.
 *
 *     assigned   The group's offset and announcement of each partition are read, and the machine
 *                says whether reading can begin; else librdkafka is paused. The partition's queue
 *                is forwarded to the consumer's own before the assignment, so that no message can
 *                go another way.
 *     revoked    What is only decoded is dropped. A batch under way may be finished within a grace,
 *                during which the consumer goes on and the group waits. Its announcement stays; the
 *                next owner goes on from there.
 *     lost       The same without the grace: the group has moved on without us.
 *
 * Threads: the consumer's; the callback runs inside its rd_kafka_consumer_poll().
 */
#ifndef CHSINKD_SINK_ASSIGNMENT_H
#define CHSINKD_SINK_ASSIGNMENT_H

#include "daemons/chsinkd/sink/consumer.h"

/* For rd_kafka_conf_set_rebalance_cb(); `opaque` is the sink's health. Cooperative or eager. */
void assignment_change(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                       rd_kafka_topic_partition_list_t *list, void *opaque);

/* Once a turn: gives back what the group asks for, when nothing of it is under way. */
void assignment_continue(struct sink *s);

#endif
