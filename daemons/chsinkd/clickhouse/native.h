/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native.h - a block of columns as the body of an insert in ClickHouse's Native format: an iovec,
 * the columns' bytes are not copied.
 *
 * The format: ClickHouse docs, "Native" and src/Formats/NativeWriter.cpp (revision 0: no block
 * info): varint columns, varint rows, then for each column: name, type (each varint length +
 * bytes), data. Nullable: a byte a row (1 = null), then the values. Array: where each row's
 * elements end, as UInt64, then the elements as a column of their own; Map: as an Array of Tuples
 * of key and value; Tuple: one column after the other (src/DataTypes/Serializations/). JSON: texts
 * as String has them, which the server parses; that they are such says a UInt64 of 1, for each JSON
 * in a column before all of its data, and none where there are no rows (SerializationObject.h,
 * SerializationVersion::STRING). batch/column.h says how values lie in memory, which is as Native
 * has them.
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_CLICKHOUSE_NATIVE_H
#define CHSINKD_CLICKHOUSE_NATIVE_H

#include <sys/uio.h>

#include "daemons/chsinkd/batch/block.h"

struct native_body { /* zeroed: empty */
    struct iovec *iov;
    unsigned iov_n, iov_cap;
    struct pl_buf heads; /* names and types; what iov has of them points into it */
};

/* Replaces what was there. Valid until the block or `body` changes. */
void native_body_set(struct native_body *body, const struct block *b);
void native_body_release(struct native_body *body);

#endif
