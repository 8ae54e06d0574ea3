/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range.h - a range of offsets of one partition that is loaded in one piece, repeatedly if it must
 * be, and arrives once.
 *
 * Before [start, end) is written to a target, the range is *announced*: start is committed to the
 * consumer group with the end as its metadata. After a crash the partition's next owner finds the
 * announcement, reads exactly that range again, and writes it with the same token, by which the
 * target recognises it if the first write arrived.
 *
 *     committed offset   metadata
 *     start              ""   nothing in flight; the next range begins at start
 *     start              "chsinkd/2 end=E at=T digest=D until=U"   [start, E) was announced at T by
 *                        one that made rows as D says; rows below U may be there under other tokens
 *     start              "chsinkd/1 end=E at=T"   the same by an earlier release: D and U are 0
 *
 * Pure: no I/O, no clock, nothing allocated but the caller's buffer. Any thread.
 */
#ifndef PL_BATCH_RANGE_H
#define PL_BATCH_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct pl_announcement {
    int64_t end;     /* offset after the last one of the range */
    int64_t at_ms;   /* Unix milliseconds */
    uint64_t digest; /* of all that decides which rows the messages give; 0: unknown */
    int64_t until;   /* 0: no rows are there under another token */
};

/* `program` ("chsinkd") keeps metadata of another program from being taken for ours. */
#define PL_ANNOUNCEMENT_PROGRAM_MAX 30  /* bytes */
#define PL_ANNOUNCEMENT_MAX         144 /* bytes of a text, NUL included */

/* The text (version 2) for the commit's metadata; `out`: at least PL_ANNOUNCEMENT_MAX bytes. The
 * numbers are not negative and have at most 18 digits. */
void pl_announcement_format(const struct pl_announcement *a, const char *program, char *out);
/* Reads versions 1 and 2. False (*ret is untouched) when the text is not, byte for byte, what
 * pl_announcement_format() of either writes. `text` may be NULL. */
bool pl_announcement_parse(const char *text, size_t len, const char *program,
                           struct pl_announcement *ret);

struct pl_range {
    const char *topic;
    int32_t partition;
    int64_t start, end;   /* offsets; end is after the last one */
    int64_t announced_ms; /* of its announcement, from which a repetition takes it */
};

/* "target:topic:partition:start:end:announced_ms", the same for each repetition and for nothing
 * else. The time distinguishes another load of the same offsets: a topic that was deleted and
 * created again, another group that reads from the beginning. `out` is reset and holds the text. */
const char *pl_range_token(const struct pl_range *r, const char *target, struct pl_buf *out);

#endif
