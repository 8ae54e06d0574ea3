/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog.h - which metadata is a table's current one, as an interface: a path (catalog_path.h) or
 * a REST catalogue (catalog_rest.h).
 *
 * Metadata, requirements and updates are JSON as Apache Iceberg's documents have it: "Table
 * Metadata" of the table spec (format version 2), CommitTableRequest and CreateTableRequest of the
 * REST catalogue's OpenAPI (rest-catalog-open-api.yaml). A REST catalogue sends them on; a path
 * checks the requirements and applies the updates by itself (metadata.h).
 *
 * Integers of 64 bits: a snapshot id does not fit into a double, which is what cJSON reads. So all
 * documents from outside are parsed with iceberg_json_parse() (json.h), which keeps large numbers
 * as cJSON_Raw, exact when printed again; iceberg_json_int() reads both, and iceberg_json_add_int()
 * makes them.
 *
 * Errors: RETRY for what may pass (away, slow, 5xx, 429, token endpoint away, stopped), CONFIG for
 * what a person must mend (401/403 after a renewed token, no such warehouse, unreadable metadata).
 * Calls block, bounded by iceberg_conf's timeout_ms a request. Nothing is tried again inside but
 * a 401 with a renewed token. Documents of up to ICEBERG_METADATA_MAX bytes.
 *
 * Threads: one at a time.
 */
#ifndef CHSINKD_ICEBERG_CATALOG_H
#define CHSINKD_ICEBERG_CATALOG_H

#include "daemons/chsinkd/iceberg/conf.h"
#include "daemons/chsinkd/iceberg/store/vended.h"

#define ICEBERG_METADATA_MAX (64u << 20)

struct iceberg_catalog; /* each kind's own, which begins with a pointer to its ops */

struct iceberg_name {
    const char *namespace_; /* levels separated by dots, at least one: "db", "a.b" */
    const char *table;
};

/* A table as it is now. Owns all. Zero-initialised it is none. */
struct iceberg_loaded {
    cJSON *metadata;              /* NULL: there is no such table */
    char *metadata_location;      /* where that document lies */
    struct iceberg_vended vended; /* REST, if they were asked for; not after a commit() */
    int64_t loaded_ms;            /* path: when it was read, by the boot clock */
};

void iceberg_loaded_release(struct iceberg_loaded *t); /* leaves it zero */

enum iceberg_committed {
    ICEBERG_COMMITTED,
    ICEBERG_CONFLICT, /* nothing was changed: a requirement does not hold any longer, or another
                       * was faster (409). Load, and decide again. err is set */
    ICEBERG_COMMIT_FAILED,  /* nothing was changed, and nothing will be; err is set */
    ICEBERG_COMMIT_UNKNOWN, /* it may be there, or may still get there (5xx, no answer): load, and
                             * look. err is set, RETRY */
};

struct iceberg_catalog_ops {
    void (*free)(struct iceberg_catalog *c);

    /* No such table or namespace: 0, ret->metadata is NULL. */
    int (*load)(struct iceberg_catalog *c, const struct iceberg_name *name,
                struct iceberg_loaded *ret, struct pl_err *err);

    /* `request` is a CreateTableRequest: name, schema, partition-spec, write-order, properties, and
     * a location if one is configured. Makes the namespace if it is missing. The ids in schema and
     * spec may be given out anew by the catalogue: what counts is `ret`. ICEBERG_CONFLICT: there is
     * one of that name (by now). */
    enum iceberg_committed (*create)(struct iceberg_catalog *c, const struct iceberg_name *name,
                                     const cJSON *request, struct iceberg_loaded *ret,
                                     struct pl_err *err);

    /* `base` is what load() or the last commit gave, which requirements and updates were made for;
     * arrays of TableRequirement and TableUpdate. ICEBERG_COMMITTED: `ret` is the table after it.
     * All or nothing. */
    enum iceberg_committed (*commit)(struct iceberg_catalog *c, const struct iceberg_name *name,
                                     const struct iceberg_loaded *base, const cJSON *requirements,
                                     const cJSON *updates, struct iceberg_loaded *ret,
                                     struct pl_err *err);
};

struct iceberg_catalog {
    const struct iceberg_catalog_ops *ops;
};

static inline void iceberg_catalog_free(struct iceberg_catalog *c)
{
    if (c)
        c->ops->free(c);
}
PL_DEFINE_CLEANUP(struct iceberg_catalog *, iceberg_catalog_free);

#endif
