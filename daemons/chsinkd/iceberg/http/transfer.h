/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer.h - one HTTP request after the other, blocking, under lib/http's rules, ended by struct
 * iceberg_stop: what the REST catalogue and S3 share.
 *
 * Threads: one at a time. No logging.
 */
#ifndef CHSINKD_ICEBERG_TRANSFER_H
#define CHSINKD_ICEBERG_TRANSFER_H

#include "daemons/chsinkd/iceberg/conf.h"
#include "lib/base/buf.h"
#include "lib/http/peer_clock.h"

struct transfer;

/* All are borrowed and outlive it. */
struct transfer *transfer_new(const struct pl_tls *tls, int64_t timeout_ms,
                              struct iceberg_stop *stop);
void transfer_free(struct transfer *t);
PL_DEFINE_CLEANUP(struct transfer *, transfer_free);

struct transfer_request {
    const char *method; /* "GET", "PUT", "POST", "DELETE" */
    const char *url;
    const char *const *headers; /* "Name: value", ends with NULL; the copies are wiped */
    struct pl_slice body;       /* PUT and POST; or, if file > 0, its first file_size bytes */
    int file;
    uint64_t file_size;
    size_t answer_max; /* bytes of a body with 2xx, at most; of others the first 64 KiB are kept */
    bool alone;        /* on a new connection: never sent twice by libcurl itself */
};

struct transfer_answer {
    long status; /* 0: none came whole; err is set */
    struct pl_buf body;
    bool never_sent;        /* status 0: no byte of the request was sent */
    bool too_long;          /* status 0: more than answer_max bytes */
    int64_t retry_after_ms; /* -1: not said */
};

/* 0: an answer came whole, whatever its status; -1: none, `err` says why (as
 * pl_http_err_from_curl(), or RETRY "stopped"). `ret` is filled in any case, and to be released. */
int transfer_run(struct transfer *t, const struct transfer_request *r, struct transfer_answer *ret,
                 struct pl_err *err);
void transfer_answer_release(struct transfer_answer *a);

/* The far side's time, as its answers told it; ours before the first. */
int64_t transfer_peer_now_ms(const struct transfer *t);

#endif
