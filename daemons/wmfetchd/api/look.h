/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look.h - asks the API for nothing but its time, before the first position is written: where a
 * series begins ("now", "-12d", the last whole window) stays for good, and our clock may be wrong.
 *
 * A GET of the API's path without parameters or credentials: whatever the status, the answer has a
 * Date. Its body is not read.
 *
 * Threads: the loop's.
 */
#ifndef WMFETCHD_API_LOOK_H
#define WMFETCHD_API_LOOK_H

#include "daemons/wmfetchd/conf.h"
#include "lib/http/peer_clock.h"
#include "lib/http/request.h"

/* Whether a series that begins at window.start (NULL: not given) begins elsewhere at another
 * time. */
bool look_is_needed(const char *start);

struct look {
    struct pl_http_request *request; /* NULL: nothing is asked */
    /* `heard`: an answer came, with a Date or without; NULL: none, and why. */
    void (*on_done)(void *userdata, const struct pl_peer_answer *heard, const struct pl_err *err);
    void *userdata;
};

/* `address`: fetch_address(). on_done comes later, from the loop. */
int look_start(struct look *l, struct pl_http *http, const struct wmfetchd_api_conf *conf,
               const char *address, struct pl_err *err);
/* Gives it up; on_done does not come. */
void look_stop(struct look *l);

#endif
