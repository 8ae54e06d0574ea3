/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look.h - asks the API for its time before the first position is written: where a series begins
 * ("now", "-12d", the last whole window) is final, and our clock may be wrong.
 *
 * A GET of the API's path without parameters or credentials: whatever its status, the answer should
 * have a Date. Its body is not read.
 *
 * Threads: the loop's.
 */
#ifndef WMFETCHD_API_LOOK_H
#define WMFETCHD_API_LOOK_H

#include "daemons/wmfetchd/conf.h"
#include "lib/http/peer_clock.h"
#include "lib/http/request.h"

/* Whether the beginning that window.start (NULL: not given) means depends on the current time. */
bool look_is_needed(const char *start);

struct look {
    struct pl_http_request *request; /* NULL: none is running */
    /* `heard`: the answer, with or without a Date; NULL: none came, `err` has the reason. */
    void (*on_done)(void *userdata, const struct pl_peer_answer *heard, const struct pl_err *err);
    void *userdata;
};

/* `address`: fetch_address(). on_done is called later, from the loop. */
int look_start(struct look *l, struct pl_http *http, const struct wmfetchd_api_conf *conf,
               const char *address, struct pl_err *err);
/* Cancels it; on_done is not called. */
void look_stop(struct look *l);

#endif
