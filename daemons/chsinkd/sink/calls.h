/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls.h - the calls that are made for a partition: by a worker, the courier, or librdkafka's
 * commits. One at a time; answers.h has the answers.
 *
 * Threads: the consumer's.
 */
#ifndef CHSINKD_SINK_CALLS_H
#define CHSINKD_SINK_CALLS_H

#include "daemons/chsinkd/sink/sink.h"

/* For the working batch, or the target alone. */
void call_work(struct sink *s, struct partition *p, enum partition_call call, enum work_kind kind);
/* The working batch with the token of what is announced. */
void call_insert(struct sink *s, struct partition *p);
/* Where the output ends. */
void call_place(struct sink *s, struct partition *p);
/* `offset` with the machine's `wanted` as metadata. */
void call_commit(struct sink *s, struct partition *p, int64_t offset);
/* The end, in one transaction with the working batch's dead letters. */
void call_letters(struct sink *s, struct partition *p);
/* The group's offset. */
void call_offset(struct sink *s, struct partition *p, enum partition_call call);
/* Where its log begins and ends, in p->extent. False: call_extent() is to ask. Blocks, up to
 * wait_ms. */
bool call_extent_now(struct sink *s, struct partition *p, int64_t wait_ms);
void call_extent(struct sink *s, struct partition *p, enum partition_call call);
/* The bytes of the only message with rows, to make a dead letter of it. */
void call_message(struct sink *s, struct partition *p);

#endif
