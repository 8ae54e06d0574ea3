/* SPDX-License-Identifier: Apache-2.0 */
/*
 * announce.h - what the partition's machine announces, as the metadata of the group's commit
 * (lib/batch/range.h) and back. Pure; any thread.
 */
#ifndef CHSINKD_SINK_ANNOUNCE_H
#define CHSINKD_SINK_ANNOUNCE_H

#include <stddef.h>

#include "daemons/chsinkd/sink/protocol/partition.h"
#include "lib/batch/range.h"

/* The metadata, at least PL_ANNOUNCEMENT_MAX bytes: "" when nothing is announced. A doubt alone
 * (end -1, until above 0) becomes a range that ends at `until`. */
void announcement_text(const struct partition_announcement *a, char *out);

/* Metadata of the group's offset. Text that is empty, NULL or no announcement of ours: nothing is
 * announced (end -1). False for the last kind: another program, a person or a later version wrote
 * it, which is worth a warning. */
bool announcement_read(const char *text, size_t len, struct partition_announcement *ret);

#endif
