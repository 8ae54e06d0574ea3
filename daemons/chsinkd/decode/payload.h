/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload.h - what is before a message's JSON; and what a message is that is not JSON, told by its
 * first bytes, for the reason of its dead letter.
 *
 * Sources: gzip RFC 1952, 2.3.1; Zstandard RFC 8878, 3.1.1; LZ4 frame format, "Magic Number";
 * snappy-java's SnappyCodec (the header of its streams); byte order marks, Unicode 15, 23.8; Avro
 * 1.11, "Object Container Files"; Confluent's "Wire format" (docs.confluent.io, Schema Registry,
 * "Formats, Serializers, and Deserializers"): a zero byte, the schema's id in four bytes, most
 * significant first, then the data, which for JSON Schema is the JSON text.
 *
 * Pure. Threads: any.
 */
#ifndef CHSINKD_DECODE_PAYLOAD_H
#define CHSINKD_DECODE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_FRAME_LEN 5

/* The length of a byte order mark in UTF-8, which a reader may skip (RFC 8259, 8.1): 3, or 0. */
size_t payload_bom(const char *p, size_t len);
/* Whether the frame of a schema registry is before it, whatever follows. */
bool payload_frame(const char *p, size_t len, uint32_t *ret_id);
/* A constant sentence that says what it is and what to do; NULL: not known. */
const char *payload_name(const char *p, size_t len);

#endif
