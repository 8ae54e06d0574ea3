/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.h - a number for all that decides which rows a route makes of a message, and where they
 * go: two processes with the same digest make the same rows of the same bytes.
 *
 * In it: the table with its database (the token names them), the path of the rows, the limits of a
 * message, what happens to unknown fields, and each column that is sent (name, type, source, paths,
 * policies). Not in it: topic (the announcement belongs to its partition), expressions, codecs and
 * comments, engine, order, settings, views: the table's affair.
 *
 * Pure; any thread. Stable over runs, platforms and releases.
 */
#ifndef CHSINKD_ROUTE_DIGEST_H
#define CHSINKD_ROUTE_DIGEST_H

#include "daemons/chsinkd/route/route.h"

/* `database`: the configured one, for a route without one; may be NULL. `decoder`: the version of
 * the decoder (DECODE_VERSION). Never 0. */
uint64_t route_digest(const struct route *r, const char *database, unsigned decoder);

#endif
