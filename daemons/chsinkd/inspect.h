/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.h - looking before anything is written: --sample, --schema, --dry-run. Nothing is
 * committed, no group is joined, no table is touched.
 *
 * Output goes to stdout. Threads: one.
 */
#ifndef CHSINKD_INSPECT_H
#define CHSINKD_INSPECT_H

#include "daemons/chsinkd/conf.h"

/* The last `n` messages of each topic (`topic` NULL: every route's), each with its place and as
 * rows of its route. */
int inspect_sample(const struct chsinkd_conf *conf, const char *topic, int64_t n,
                   struct pl_err *err);

/* The fields of the last `n` messages, their types, how often each is there, and a route that would
 * load them. */
int inspect_schema(const struct chsinkd_conf *conf, const char *topic, int64_t n,
                   struct pl_err *err);

/* The statements that a start would run, and how the last `n` messages of each topic would fare. */
int inspect_dry_run(const struct chsinkd_conf *conf, int64_t n, struct pl_err *err);

#endif
