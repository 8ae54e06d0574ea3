/* SPDX-License-Identifier: Apache-2.0 */
/*
 * once.h - --once: loads one range of each series and ends.
 *
 * It works as the service does (one Kafka transaction a series, the whole range or nothing), under
 * its own transactional.id (wmfetchd-NAME/once), so that a running service is not fenced; the
 * service's positions are neither read nor written. After two runs the topic has the range twice,
 * and a table keyed by the record once.
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

#endif
