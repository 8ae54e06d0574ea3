/* SPDX-License-Identifier: Apache-2.0 */
/*
 * once.h - --once: loads one range of each series and ends.
 *
 * The way is the service's (one Kafka transaction a series, the whole range or nothing), under a
 * transactional.id of its own (wmfetchd-NAME.once), so that a running service is not fenced; the
 * service's positions are neither read nor written. Run twice, the topic has the range twice and a
 * table keyed by the record once.
 *
 * Threads: the loop's.
 */
#ifndef WMFETCHD_ONCE_H
#define WMFETCHD_ONCE_H

#include "daemons/wmfetchd/conf.h"

struct once_range {
    int64_t start_ms, end_ms; /* go into the request as they are */
    const char *dump;         /* a file for the answer as it came; NULL: none */
};

/* Returns the exit status: 0 when all series are committed. */
int once_run(const struct wmfetchd_conf *conf, const struct once_range *range);

/* The file for series `i`: the first gets `path`, the others NAME.APPLICATION-INDEX.json. */
char *once_dump_path(const char *path, size_t i, const char *application, const char *index);

#endif
