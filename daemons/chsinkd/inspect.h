/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.h - --sample, --schema, --dry-run: what would be written. Nothing is committed, no group
 * is joined, no table is changed. Prints to stdout.
 *
 * Threads: one.
 */
#ifndef CHSINKD_INSPECT_H
#define CHSINKD_INSPECT_H

#include "daemons/chsinkd/conf.h"

/* The last `n` messages of a topic (NULL: of each route's), with their offsets and rows. */
int inspect_sample(const struct chsinkd_conf *conf, const char *topic, int64_t n,
                   struct pl_err *err);

/* The fields of the last `n` messages, their types and counts, and a route that would load them. */
int inspect_schema(const struct chsinkd_conf *conf, const char *topic, int64_t n,
                   struct pl_err *err);

/* The route of inspect_schema() alone, appended as the text of a file; for --init. CONFIG where the
 * topic has no message that it could be made from. */
int inspect_route(const struct chsinkd_conf *conf, const char *topic, int64_t n, struct pl_buf *out,
                  struct pl_err *err);

/* The statements that a start would run, and counts of what would become of the last `n` messages
 * of each topic. */
int inspect_dry_run(const struct chsinkd_conf *conf, int64_t n, struct pl_err *err);

#endif
