/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.h - the modes that look before anything runs: --auth-test, --sample, --schema. All read
 * from the API as the service would; none needs or touches Kafka.
 *
 * --auth-test gets a token, shows what it is good for and until when (never the token itself), asks
 * once for the range of the first series, and keeps the answer in a file.
 *
 * Threads: the loop's.
 */
#ifndef WMFETCHD_INSPECT_H
#define WMFETCHD_INSPECT_H

#include "daemons/wmfetchd/conf.h"

enum inspect_mode { INSPECT_AUTH_TEST, INSPECT_SAMPLE, INSPECT_SCHEMA, INSPECT_TRY };

struct inspect_ask {
    enum inspect_mode mode;
    int64_t count;            /* --sample, --schema: transactions wanted */
    int64_t start_ms, end_ms; /* the range to ask for */
};

/* Where --auth-test leaves the answer, in the working directory, and the most that it keeps. */
#define INSPECT_ANSWER_FILE "service_health_response.json"
#define INSPECT_ANSWER_MAX  (16 << 20)

/* Returns the exit status. */
int inspect_run(const struct wmfetchd_conf *conf, const struct inspect_ask *ask);

/* For --init: as --auth-test, for the hour before now, but shows and writes nothing. *ret_items:
 * the transactions of the first series. At most INSPECT_TRY_MS. */
#define INSPECT_TRY_MS 60000
int inspect_try(const struct wmfetchd_conf *conf, int64_t *ret_items, struct pl_err *err);

#endif
