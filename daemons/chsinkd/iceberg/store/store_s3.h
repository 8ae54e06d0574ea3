/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_s3.h - S3, or what speaks like it, as the store: locations s3://bucket/key (s3a, s3n).
 *
 * A file is one PUT, whose body's SHA-256 is signed, so that a body that was cut or changed on the
 * way is refused. S3 shows an object whole or not at all, so a failed put() leaves none, or (the
 * answer was lost) all of it.
 *
 * create() rests on If-None-Match. A store that does not know it would overwrite: before the first
 * create() an object of our own is created twice, and unless the second is refused the answer is
 * CONFIG.
 *
 * Staged files lie in a folder of this store's below iceberg.s3.staging, private and locked
 * (flock); those whose owner was killed are removed by the next store that stages.
 *
 * Requests are signed with the store's time, as its answers tell it: a clock of ours that is wrong
 * costs the first request only.
 *
 * Limits: 5 GiB a file (S3's, for one PUT), 16 MiB an answer to list().
 */
#ifndef CHSINKD_ICEBERG_STORE_S3_H
#define CHSINKD_ICEBERG_STORE_S3_H

#include "daemons/chsinkd/iceberg/store/store.h"
#include "daemons/chsinkd/iceberg/store/vended.h"

/* Connects nowhere yet. Both outlive it. */
struct iceberg_store *iceberg_store_s3_new(const struct iceberg_conf *conf,
                                           struct iceberg_stop *stop);

/* Whose credentials sign from now on, with iceberg.s3.credentials: vended. Borrowed, also what it
 * points to. */
struct s3_lender {
    const struct iceberg_vended *vended;
    /* Puts newer ones into `vended`: asked when they are about to end, and once when they were
     * refused. -1: RETRY or CONFIG. */
    int (*renew)(void *userdata, struct pl_err *err);
    void *userdata;
};
void iceberg_store_s3_lend(struct iceberg_store *s, const struct s3_lender *lender);

/* Whether a location is of S3's. */
bool iceberg_store_is_s3(const char *location);

#endif
