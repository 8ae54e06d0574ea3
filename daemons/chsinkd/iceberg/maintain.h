/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maintain.h - housekeeping of an Iceberg table: old snapshots are expired, then files that nothing
 * names any longer are removed.
 *
 * Expired are snapshots older than keep_ms, but not the current one, what a branch or a tag names,
 * or an ancestor of another branch than main. It is a commit like others: of two at once one tries
 * again. The positions stay (positions.h).
 *
 * Removed are files in the table's folders data and metadata that are older than a day and that
 * neither the metadata nor a kept snapshot names: data files and manifests of expired snapshots,
 * old metadata, what killed writers left. Only *.parquet, *.avro, vN.metadata.json and unfinished
 * files (".NAME.XXXXXX"). What a reader uses is named, or expired for as long as it was kept;
 * what a writer is at is younger than a day. If anything cannot be read, nothing is removed.
 *
 * At most MAINTAIN_FILES_MAX files in one run. Deleted is never what only a guess says.
 */
#ifndef CHSINKD_ICEBERG_MAINTAIN_H
#define CHSINKD_ICEBERG_MAINTAIN_H

#include "daemons/chsinkd/iceberg/append.h"

#define MAINTAIN_FILES_MAX 100000

/* Appends what is done, or with `dry_run` would be done, as lines for people. A table that is not
 * there is no error. */
int iceberg_maintain(const struct iceberg_table *t, const struct output_maintain *how,
                     int64_t keep_ms, struct pl_err *err);

#endif
