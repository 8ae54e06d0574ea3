/* SPDX-License-Identifier: Apache-2.0 */
/*
 * staging.h - a private folder for files on their way, which outlives no process for long: it is
 * removed by its owner, or, when that was killed, by the next one that needs a folder.
 *
 * An owner holds a lock (flock) on its folder; a folder of ours that nobody locks is abandoned.
 *
 * Threads: one at a time; several in one process, and processes side by side, are well.
 */
#ifndef CHSINKD_ICEBERG_STAGING_H
#define CHSINKD_ICEBERG_STAGING_H

#include "lib/base/err.h"

struct staging;

/* Folders are made below `parent` (borrowed), when the first one is needed. */
struct staging *staging_new(const char *parent);
void staging_free(struct staging *s); /* with the folder and what is in it */

/* A path in the folder that is not taken, to free(). NULL: RETRY for a full disk, else CONFIG. */
char *staging_path(struct staging *s, struct pl_err *err);

#endif
