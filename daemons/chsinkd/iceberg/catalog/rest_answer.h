/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest_answer.h - what a REST catalogue's answers mean, and the paths of its API.
 *
 * Pure: no I/O. Threads: any.
 */
#ifndef CHSINKD_ICEBERG_REST_ANSWER_H
#define CHSINKD_ICEBERG_REST_ANSWER_H

#include "daemons/chsinkd/iceberg/catalog/catalog.h"

enum rest_outcome {
    REST_DONE,     /* 2xx */
    REST_ABSENT,   /* 404 with the catalogue's own error: no such table or namespace */
    REST_CONFLICT, /* 409 */
    REST_DENIED,   /* 401, 419: nothing was done, another token may help; CONFIG */
    REST_FAILED,   /* nothing was done; RETRY or CONFIG */
    REST_UNKNOWN,  /* 5xx: it may have been done, if it was to do something; RETRY */
};

/* `err` is set unless DONE, with the catalogue's own words (its ErrorModel), which may repeat what
 * it was sent. `what`: "commit to db.t". */
enum rest_outcome rest_answer_check(long status, struct pl_slice body, const char *what,
                                    struct pl_err *err);

/* From GET /v1/config. */
struct rest_config {
    char *prefix;    /* as it stands in a path, without '/' at its ends; "" */
    char *separator; /* of a namespace's levels in a path, encoded */
};
/* What it leaves out has its default. -1: CONFIG. */
int rest_config_read(const cJSON *answer, struct rest_config *ret, struct pl_err *err);
void rest_config_release(struct rest_config *c);

/* {url}/v1/config[?warehouse=…] */
char *rest_url_config(const char *url, const char *warehouse);
/* {url}/v1/{prefix}/namespaces; with a name: …/{namespace}/tables; and with its table: …/{table}.
 * `name` NULL: namespaces; `table` false: tables. */
char *rest_url(const char *url, const struct rest_config *config, const struct iceberg_name *name,
               bool table);

/* The first `n` levels of a namespace (0: all) as an array of texts; how many it has. */
cJSON *rest_namespace(const char *namespace_, unsigned n);
unsigned rest_namespace_levels(const char *namespace_);

#endif
