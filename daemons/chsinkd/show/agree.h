/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agree.h - do output and group agree about a partition? Both are asked while the service may be
 * loading, so the question is whether any order of what it does can have led to what was seen.
 *
 * The group is asked before the output (`before`) and after it (`next`, `announced`).
 *
 * Rows end where the table's highest offset is (ClickHouse): rows come after their announcement
 * and before the group's offset passes them, so they end at or before what the group says
 * afterwards. Whether all rows below the group's offset are there cannot be told from that.
 *
 * Kept positions (DuckDB, Iceberg) move together with their rows, and the group follows: what the
 * group said before is at or before them.
 *
 * Pure. Threads: any.
 */
#ifndef CHSINKD_SHOW_AGREE_H
#define CHSINKD_SHOW_AGREE_H

#include "daemons/chsinkd/output/facts.h"
#include "daemons/chsinkd/show/group.h"

enum show_verdict { SHOW_AGREES, SHOW_DIFFERS, SHOW_UNCLEAR };

struct show_agreement {
    enum show_verdict verdict;
    char text[240]; /* why, or what is under way; "" */
};

/* `there`: the output's offset, -1: none. */
struct show_agreement show_agree(const struct show_partition *p, int64_t there, bool kept);

/* "yes", "NO", "unclear" */
const char *show_verdict_name(enum show_verdict verdict);

/* Messages that are not loaded yet, at most (transactions' ends count, too); -1: not known. */
int64_t show_lag(const struct show_partition *p);

/* What the output says of that partition; NULL: nothing. */
const struct output_place_fact *show_place(const struct output_facts *f, const char *topic,
                                           int32_t partition);

#endif
