/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata.h - an Iceberg table's metadata document: what is read in it, the requirements and
 * updates of a commit, and the document after it.
 *
 * Spec: "Table Metadata", "Snapshots"; updates and requirements: the REST catalogue's OpenAPI
 * (TableUpdate, TableRequirement). Format version 2 only: version 1 is refused with what upgrades
 * it, later ones too, since a writer owes them what chsinkd does not know (row lineage).
 *
 * What chsinkd does not know in a document is kept as it is.
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_ICEBERG_METADATA_H
#define CHSINKD_ICEBERG_METADATA_H

#include "daemons/chsinkd/iceberg/format/manifest.h"

struct iceberg_snapshot {
    const cJSON *json;
    int64_t id, parent_id;     /* -1: no parent */
    const char *manifest_list; /* its location; NULL: an old form, with the manifests in it */
};

/* CONFIG: chsinkd cannot write this table. */
int iceberg_metadata_check(const cJSON *metadata, struct pl_err *err);

/* Of the branch main. false: there is none. */
bool iceberg_snapshot_current(const cJSON *metadata, struct iceberg_snapshot *ret);
bool iceberg_snapshot_find(const cJSON *metadata, int64_t id, struct iceberg_snapshot *ret);

/* The table's property; NULL: not set. */
const char *iceberg_property(const cJSON *metadata, const char *name);

/* ---- a commit ---- */

/* Both are arrays, empty at first, which these functions add to. */
struct iceberg_change {
    cJSON *requirements, *updates;
};
void iceberg_change_init(struct iceberg_change *c, const cJSON *metadata); /* the same table */
void iceberg_change_release(struct iceberg_change *c);

#define ICEBERG_TOOK_KEY "chsinkd.took-ms" /* in a snapshot's summary */

struct iceberg_append { /* a snapshot that adds files to the current one */
    int64_t snapshot_id, now_ms;
    const char *manifest_list;
    const struct iceberg_data_file *files;
    unsigned files_n;
    const struct iceberg_layout *layout;
    const cJSON *positions; /* as they are after it */
    int64_t took_ms;        /* so far, for --show */
};
/* Takes out the oldest snapshots where they have become too many (history.h). */
void iceberg_change_append(struct iceberg_change *c, const cJSON *metadata,
                           const struct iceberg_append *append);

/* `schema` is what iceberg_schema_grow() gave; taken. */
void iceberg_change_schema(struct iceberg_change *c, const cJSON *metadata, cJSON *schema,
                           int64_t last_column_id);

/* Snapshots by their ids, which main does not need; `ids` is taken. */
void iceberg_change_expire(struct iceberg_change *c, const cJSON *metadata, cJSON *ids);

/* Of the next snapshot. */
int64_t iceberg_sequence_next(const cJSON *metadata);

/* ---- the document, for a catalogue that is a path ---- */

/* Of a new table, from a CreateTableRequest that has a location. */
cJSON *iceberg_metadata_new(const cJSON *request, const char *uuid, int64_t now_ms);

/* What `base`, which lies at `location`, is with the updates. FATAL: an update that is none of
 * those made above. */
int iceberg_metadata_apply(const cJSON *base, const char *location, const cJSON *updates,
                           int64_t now_ms, cJSON **ret, struct pl_err *err);

#endif
