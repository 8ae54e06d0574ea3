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

#include "daemons/chsinkd/batch/letters.h"
#include "daemons/chsinkd/decode/rows.h"
#include "lib/kafka/client.h"

/* The message as it came. Borrows from it; `header_userdata` is its rd_kafka_headers_t, or NULL: it
 * has none, or is not asked for them (librdkafka parses them for that). */
struct rows_message message_rows(const rd_kafka_message_t *message, bool with_headers);

/* For --replay: replaces topic, partition, offset and timestamp by those of the dead letter's
 * origin; the rows to take go to `rows` (none: all), which the caller releases. False: not a dead
 * letter of this route, or its headers cannot be read. */
bool message_replay(struct rows_message *m, const struct route *route, struct row_set *rows);

/* "column x: value is out of range (byte 17)" */
void message_reject_text(const struct rows_reject *reject, char *out, size_t size);

#endif
