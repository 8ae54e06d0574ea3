/* SPDX-License-Identifier: Apache-2.0 */
/*
 * avro.h - Avro object container files, as Iceberg's manifests and manifest lists are: written with
 * a schema of ours, read with whatever schema another writer had.
 *
 * Format: Apache Avro 1.11 specification, "Binary Encoding" and "Object Container Files". A file is
 * the magic, a map of texts (avro.schema, avro.codec, the writer's own), 16 bytes of a sync marker,
 * then blocks of records: count, length, data, the marker again.
 *
 * Fields are told apart by their "field-id", as Iceberg does (spec, "Appendix A: Avro"), since
 * names differ between writers and versions. Codecs: null, deflate (RFC 1951), zstandard; snappy
 * and others are refused by their name.
 *
 * Pure: no I/O. Threads: one owner.
 */
#ifndef CHSINKD_ICEBERG_AVRO_H
#define CHSINKD_ICEBERG_AVRO_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/json/document.h"

#define AVRO_SYNC_LEN 16

/* ---- writing: values ---- */

void avro_put_long(struct pl_buf *out, int64_t v); /* int as well */
void avro_put_bool(struct pl_buf *out, bool v);
void avro_put_bytes(struct pl_buf *out, const void *p, size_t len); /* string as well */
void avro_put_string(struct pl_buf *out, const char *s);
/* A union of null and a type: null, or the type's branch, whose value follows. */
void avro_put_null(struct pl_buf *out);
void avro_put_some(struct pl_buf *out);

/* ---- writing: the file ---- */

struct avro_meta { /* of a file's header */
    const char *key, *value;
};

struct avro_layout {
    const char *schema; /* JSON */
    const struct avro_meta *meta;
    unsigned meta_n;
    bool deflate;
    uint8_t sync[AVRO_SYNC_LEN]; /* random */
};

/* Appends a whole file with `count` records, which are encoded one behind the other. */
void avro_write(const struct avro_layout *layout, uint64_t count, struct pl_slice records,
                struct pl_buf *out);

/* ---- reading ---- */

/* Bytes of records that are decoded; errors are sticky: after the first one all reads give zero.
 * One check at the end is enough, where every loop ends with it. */
struct avro_in {
    const char *p, *end;
    bool broken;
};

int64_t avro_get_long(struct avro_in *in);
bool avro_get_bool(struct avro_in *in);
struct pl_slice avro_get_bytes(struct avro_in *in); /* points into the input */
/* Any value of that type. */
void avro_skip(struct avro_in *in, const cJSON *type);

/* Walks a record's fields in their order. `field` is called for each whose value is not null, with
 * its id (-1: it has none) and its type, unions resolved; it consumes the value, by avro_skip() if
 * it does not want it. */
typedef void avro_field_fn(void *userdata, struct avro_in *in, int64_t id, const cJSON *type);
void avro_get_record(struct avro_in *in, const cJSON *type, avro_field_fn *field, void *userdata);
/* The same for each element of an array of records; `element` is called before each. */
void avro_get_records(struct avro_in *in, const cJSON *type, void (*element)(void *userdata),
                      avro_field_fn *field, void *userdata);

/* True for "int" and "long", "string" and "bytes", "boolean": what the get functions read. */
bool avro_is_long(const cJSON *type);
bool avro_is_bytes(const cJSON *type);
bool avro_is_bool(const cJSON *type);

struct avro_file { /* owns all; zero-initialised it is empty */
    cJSON *schema;
    struct pl_buf data; /* records, decompressed, one behind the other */
    uint64_t count;
};

/* REJECT: cut, damaged, not Avro, a codec that is not known, more than `data_max` bytes of records.
 * The message does not name the file. */
int avro_read(struct pl_slice file, size_t data_max, struct avro_file *ret, struct pl_err *err);
void avro_file_release(struct avro_file *f);

#endif
