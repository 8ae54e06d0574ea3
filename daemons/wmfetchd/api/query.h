/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query.h - the URL of a request: names and formats of its parameters (api.names, api.time,
 * api.parameters).
 *
 * Pure. Threads: any.
 */
#ifndef WMFETCHD_API_QUERY_H
#define WMFETCHD_API_QUERY_H

#include "daemons/wmfetchd/conf.h"

struct fetch_ask {
    const char *application, *index; /* borrowed until the request is done */
    int64_t from_ms, end_ms;         /* multiples of wmfetchd_time_unit_ms() */
};

/* "https://host/path": api.url with api.path below it. Freed by the caller. */
char *query_address(const struct wmfetchd_api_conf *conf);

/* Appends the address with its parameters to `out`, which may then hold a secret: wipe it. */
void query_make(const struct wmfetchd_api_conf *conf, const char *address,
                const struct fetch_ask *ask, struct pl_buf *out);

#endif
