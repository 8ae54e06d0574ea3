/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.h - what an Iceberg snapshot is made of: a manifest names data files, a manifest list
 * names manifests. Both are Avro, format version 2.
 *
 *     metadata.json ── snapshot ── manifest list ── manifest ── data files (Parquet)
 *                                              └─── manifest of an earlier snapshot, carried on
 *
 * A commit writes one manifest with its own files, and a list: that manifest, and all that the
 * snapshot before had, whoever wrote them. Sequence numbers in a manifest are left null: they are
 * inherited from the list, so a commit that is tried again on a newer snapshot keeps its manifest.
 *
 * Spec: "Manifests", "Manifest Lists", "Sequence Numbers", "Appendix A: Avro".
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_ICEBERG_MANIFEST_H
#define CHSINKD_ICEBERG_MANIFEST_H

#include "daemons/chsinkd/iceberg/format/avro.h"
#include "daemons/chsinkd/iceberg/format/schema.h"

#define ICEBERG_MANIFESTS_MAX 100000 /* of a snapshot */

/* ---- data files ---- */

struct iceberg_bounds { /* of a column in a file; number columns and times only */
    int64_t nulls;
    bool known; /* min and max: there is a value, and the type has an order that is surely right */
    int64_t min, max;
};

struct iceberg_data_file { /* owns all */
    char *location;
    uint64_t size, rows;
    struct iceberg_value partition[ICEBERG_PARTITION_FIELDS_MAX]; /* as the layout's fields */
    struct iceberg_bounds *bounds;                                /* as the layout's fields */
};
void iceberg_data_file_release(struct iceberg_data_file *f, const struct iceberg_layout *l);

/* Appends a manifest that adds the files (at least one) in the snapshot of that id. `metadata` is
 * the table's, whose schema and spec of the layout's ids go into the file. */
void iceberg_manifest_write(const struct iceberg_data_file *files, unsigned n,
                            const struct iceberg_layout *l, const cJSON *metadata,
                            int64_t snapshot_id, const uint8_t sync[AVRO_SYNC_LEN],
                            struct pl_buf *out);

/* The locations of the files that a manifest of any writer names and that are not deleted by it.
 * REJECT: it cannot be read. */
int iceberg_manifest_files(struct pl_slice manifest,
                           void (*each)(void *userdata, struct pl_slice location), void *userdata,
                           struct pl_err *err);

/* ---- manifests ---- */

/* Of a partition field, over all files of a manifest. The bounds are as serialized; p NULL: none */
struct iceberg_partition_summary {
    bool contains_null;
    int contains_nan; /* -1: not said */
    struct pl_slice lower, upper;
};

struct iceberg_manifest {
    struct pl_slice location;
    int64_t length, spec_id, content, sequence, sequence_min, snapshot_id;
    int64_t files_added, files_existing, files_deleted;
    int64_t rows_added, rows_existing, rows_deleted;
    struct iceberg_partition_summary *partitions; /* owned */
    unsigned partitions_n;
    bool partitions_given;
    struct pl_slice key_metadata; /* p NULL: none */
};

struct iceberg_manifest_list { /* zero-initialised it is empty */
    struct iceberg_manifest *v;
    unsigned n;
    struct avro_file file; /* what the slices point into */
    struct pl_buf bounds;  /* of iceberg_manifest_add() */
};
void iceberg_manifest_list_release(struct iceberg_manifest_list *l);

/* A list of any writer, format version 1 or 2. REJECT: it cannot be read, or says less than version
 * 2 wants (files or rows are not counted). */
int iceberg_manifest_list_read(struct pl_slice file, struct iceberg_manifest_list *ret,
                               struct pl_err *err);

/* Puts a manifest of new files before the others; `location` is borrowed. */
void iceberg_manifest_list_add(struct iceberg_manifest_list *list, const char *location,
                               uint64_t length, const struct iceberg_data_file *files, unsigned n,
                               const struct iceberg_layout *l, int64_t snapshot_id,
                               int64_t sequence);

/* Appends the list as the snapshot's; parent -1: none. */
void iceberg_manifest_list_write(const struct iceberg_manifest_list *list, int64_t snapshot_id,
                                 int64_t parent_id, int64_t sequence,
                                 const uint8_t sync[AVRO_SYNC_LEN], struct pl_buf *out);

#endif
