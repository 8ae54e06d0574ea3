/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - a Kafka message as the decoder takes it: as it came or, for --replay, as it was
 * before it became a dead letter.
 *
 * A replay reads the dead-letter topic as any other, with a group of its own
 * ("GROUP-replay-ROUTE"), so it is exactly-once as well: what fits now is inserted, what still does
 * not becomes a dead letter again, and each dead letter is replayed once.
 *
 * Pure. Threads: any.
 */
#ifndef CHSINKD_SINK_MESSAGE_H
#define CHSINKD_SINK_MESSAGE_H

#include "daemons/chsinkd/decode/rows.h"
#include "lib/kafka/client.h"

/* Begins the name of each header that a dead letter has from us (deadletter.h). */
#define DEADLETTER_HEADER_PREFIX "chsinkd-"

/* The message as it came. Borrows from it; `header_userdata` is its rd_kafka_headers_t, or NULL. */
struct rows_message message_rows(const rd_kafka_message_t *message);

/* A number in the last header of that name; `otherwise` when there is none. */
int64_t message_header_number(const struct rows_message *m, const char *name, int64_t otherwise);

/* Replaces topic, partition, offset and timestamp by those that a dead letter's headers give. */
void message_origin(struct rows_message *m);

/* For --replay: message_origin(), and the row to take in *ret_row (-1: all). False: not a dead
 * letter of this route. */
bool message_replay(struct rows_message *m, const struct route *route, int64_t *ret_row);

/* "column x: value is out of range (byte 17)" */
void message_reject_text(const struct rows_reject *reject, char *out, size_t size);

#endif
