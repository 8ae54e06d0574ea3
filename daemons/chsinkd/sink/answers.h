/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answers.h - what the answers of workers, the courier and commits mean for their partition: an
 * event for its machine, a partition set aside, a dead letter more.
 *
 * Threads: the consumer's.
 */
#ifndef CHSINKD_SINK_ANSWERS_H
#define CHSINKD_SINK_ANSWERS_H

#include "daemons/chsinkd/sink/sink.h"

/* Once a turn: takes all that there are. */
void answers_take(struct sink *s);

/* For rd_kafka_commit_queue(); `opaque`: the partition. */
void answer_on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *offsets, void *opaque);
/* p->work holds the answer of WORK_PLACE. */
void answer_place(struct sink *s, struct partition *p);

#endif
