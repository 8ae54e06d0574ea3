/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.h - HTTP requests on the event loop: curl's multi interface under the rules of http.h.
 *
 * Bodies are handed on as they arrive, without a limit. All header lines of an answer together have
 * at most 256 KiB (beyond: RETRY).
 *
 * Threads: the loop's.
 */
#ifndef PL_HTTP_REQUEST_H
#define PL_HTTP_REQUEST_H

#include <systemd/sd-event.h>

#include "lib/http/http.h"
#include "lib/http/peer_clock.h"

struct pl_http; /* a curl multi handle bound to an sd_event */
int pl_http_new(sd_event *event, struct pl_http **ret, struct pl_err *err);
/* Ends running requests without their callbacks. Not from a callback. */
void pl_http_free(struct pl_http *h);
sd_event *pl_http_event(struct pl_http *h); /* borrowed */

struct pl_http_request;

struct pl_http_ops {
    /* Status line and all headers of the final answer have arrived. */
    void (*on_headers)(void *userdata, struct pl_http_request *r, long status);
    /* Body bytes. Return false to end the request (on_done gets REJECT with "ended by the
     * caller"). */
    bool (*on_data)(void *userdata, struct pl_http_request *r, const char *data, size_t len);
    /* Last call for this request; it is freed after it returns. `err` NULL: the answer arrived
     * whole (whatever its status). Not called after pl_http_request_cancel(). */
    void (*on_done)(void *userdata, struct pl_http_request *r, const struct pl_err *err);
};

/* Starts a request. `headers`: NULL-terminated "Name: value" texts, copied. `body` NULL: GET, else
 * POST of body_len bytes, copied. The callbacks run on the loop, never from inside this call. */
int pl_http_request_new(struct pl_http *h, const struct pl_http_conf *conf, const char *url,
                        const char *const *headers, const char *body, size_t body_len,
                        const struct pl_http_ops *ops, void *userdata, struct pl_http_request **ret,
                        struct pl_err *err);
/* Ends it at once; allowed from every callback (in its own on_done it changes nothing). */
void pl_http_request_cancel(struct pl_http_request *r);
/* While paused no on_data comes: TCP holds the sender back, the stall timer rests. */
void pl_http_request_pause(struct pl_http_request *r, bool paused);
/* A response header's value or NULL; valid until on_done returns. */
const char *pl_http_request_header(struct pl_http_request *r, const char *name);
/* What the headers say about the server's time; call it in on_headers. */
struct pl_peer_answer pl_http_request_heard(struct pl_http_request *r);
/* For CURLINFO, and for options before the first loop turn. */
CURL *pl_http_request_easy(struct pl_http_request *r);

#endif
