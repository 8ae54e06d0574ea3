/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload.h - what a message is that is not JSON, told by its first bytes, for the reason of its
 * dead letter.
 *
 * Sources: gzip RFC 1952, 2.3.1; Zstandard RFC 8878, 3.1.1; LZ4 frame format, "Magic Number";
 * snappy-java's SnappyCodec (the header of its streams); byte order marks, Unicode 15, 23.8; Avro
 * 1.11, "Object Container Files"; Confluent's wire format for schema registries: a zero byte, a
 * schema's id of four bytes.
 *
 * Pure. Threads: any.
 */
#ifndef CHSINKD_DECODE_PAYLOAD_H
#define CHSINKD_DECODE_PAYLOAD_H

#include <stddef.h>

/* The length of a byte order mark in UTF-8, which a reader may skip (RFC 8259, 8.1): 3, or 0. */
size_t payload_bom(const char *p, size_t len);
/* A constant sentence that says what it is and what to do; NULL: not known. */
const char *payload_name(const char *p, size_t len);

#endif
