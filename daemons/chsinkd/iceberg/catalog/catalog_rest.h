/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog_rest.h - a REST catalogue as the table's catalogue: Apache Iceberg's OpenAPI
 * (rest-catalog-open-api.yaml) over libcurl, authenticated by lib/auth.
 *
 * The first call asks GET /v1/config for the prefix that the catalogue wants in its paths. A
 * catalogue that names another address (`uri`) is not followed: our token would go to a host that
 * nobody configured. Credentials for files that it gives out come with load() and create(), if
 * iceberg.s3.credentials asks for them (store/vended.h).
 *
 * What is known after a call that changes something (rest_answer.h has the table):
 *
 *     200 and a table               COMMITTED
 *     409                           CONFLICT, nothing was changed
 *     no connection, 4xx, 3xx, 429  FAILED, nothing was changed
 *     5xx, no whole answer          UNKNOWN. 503, too: a proxy says so when its server went away
 *                                   after it had the request
 *
 * A 401 is answered with another token, once. Where Retry-After is said, calls before then fail at
 * once with what was said (RETRY): the caller's pauses are its own affair.
 *
 * Each POST has a connection of its own, as libcurl sends a request again by itself when a kept
 * connection dies before the answer: what was committed would come back as CONFLICT.
 */
#ifndef CHSINKD_ICEBERG_CATALOG_REST_H
#define CHSINKD_ICEBERG_CATALOG_REST_H

#include "daemons/chsinkd/iceberg/catalog/catalog.h"

/* Connects nowhere yet. Both outlive it. The thread that makes the first call makes all. */
struct iceberg_catalog *iceberg_catalog_rest_new(const struct iceberg_conf *conf,
                                                 struct iceberg_stop *stop);

#endif
