/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.h - one range of one application from the API: token, request, answer taken apart.
 *
 *   IDLE ──start──> WAITING ──token──> RUNNING ──answer over──> IDLE, on_done
 *                     ^                 │ ^
 *                     └── first 401 ────┘ └ HELD: an element was not taken; the request is paused
 *                                           until fetch_resume()
 *
 * Elements are handed out as they arrive, before it is known whether the answer is whole and valid:
 * only on_done without an error says so, and until then all must be undoable.
 *
 * After a 401 the token is renewed and the range asked for once more; a second one is an error, and
 * the next range begins with a token by the grant. Other methods of auth never wait and are refused
 * at their first 401. No redirect is followed: credentials go to the API's host and no other. gzip
 * is accepted; limits count what is unpacked.
 *
 * Errors: CONFIG where a person must act. Its code says who refuses: the status (or curl's number)
 * where it is the far side or the way to it, 0 where it is a limit of ours. REJECT: a bad answer
 * (not JSON, other shape). RETRY: all that passes. An answer that reports an error is RETRY, one
 * that is only a part is CONFIG (answer.h); 204, or null in place of the array, is RETRY unless
 * api.answer.accept_no_content. Text from the far side has our secrets removed (the token,
 * parameters, headers).
 *
 * Threads: the loop's. One range at a time.
 */
#ifndef WMFETCHD_API_FETCH_H
#define WMFETCHD_API_FETCH_H

#include "daemons/wmfetchd/api/query.h"
#include "daemons/wmfetchd/conf.h"
#include "lib/auth/auth.h"
#include "lib/http/peer_clock.h"

struct fetch;

struct fetch_result {
    long status;              /* of the last answer; 0: none */
    bool no_token;            /* nothing was asked; the same for every range */
    uint64_t bytes, elements; /* of the answer, unpacked */
    int64_t duration_ms;
    int64_t retry_after_ms;      /* -1: not asked for */
    struct pl_peer_answer heard; /* the API's clock and ours when its answer began */
    const char *shape;           /* of split.h */
    /* After an error in an element, which no retry cures: the bytes around it. Else empty. Valid
     * during on_done() only, and so is `begin`. */
    struct pl_slice fault;
    const char *begin; /* how the answer begins, without secrets */
};

enum fetch_take {
    FETCH_TAKEN,
    FETCH_LATER,   /* offered again after fetch_resume() */
    FETCH_REFUSED, /* the range ends with the error that was set; to a REJECT the beginning of the
                    * element is added */
};

struct fetch_ops {
    enum fetch_take (*on_element)(void *userdata, struct pl_slice element, struct pl_err *err);
    /* The bytes of a good answer (200) as they come, unpacked; -1 ends the range with the error.
     * May be NULL. */
    int (*on_bytes)(void *userdata, const char *data, size_t len, struct pl_err *err);
    /* The last call for this range; another may be started from inside. `err` NULL: the answer was
     * whole and valid. Not called after fetch_stop(). */
    void (*on_done)(void *userdata, const struct fetch_result *result, const struct pl_err *err);
};

/* `conf`, `auth`, `http` and `metrics` outlive it. */
struct fetch *fetch_new(struct pl_http *http, const struct wmfetchd_api_conf *conf,
                        struct pl_auth *auth, struct pl_metrics *metrics,
                        const struct fetch_ops *ops, void *userdata);
void fetch_free(struct fetch *f); /* before the auth and the http */
PL_DEFINE_CLEANUP(struct fetch *, fetch_free);

/* The most that a request may take, whatever api.timeout says. */
void fetch_limit(struct fetch *f, int64_t timeout_ms_max);

/* The callbacks come later, never from inside this call. */
void fetch_start(struct fetch *f, const struct fetch_ask *ask);
/* Continues after FETCH_LATER. Not from inside on_element(); may call it, and on_done(). */
void fetch_resume(struct fetch *f);
/* Gives it up. Not from inside on_element() or on_bytes(). */
void fetch_stop(struct fetch *f);

bool fetch_is_running(const struct fetch *f);
/* Received so far of the range that is being fetched. */
uint64_t fetch_bytes(const struct fetch *f);

/* "https://host/path" as it is asked, without the query (it may hold a secret). */
const char *fetch_address(const struct fetch *f);

/* The error of an answer that is not 200 or 204: kind, and what to do. Pure. `said`: what the
 * server wrote, scrubbed. */
int fetch_err_from_status(struct pl_err *err, long status, const char *refused_advice,
                          const char *host, const char *said);

#endif
