/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - where an Iceberg table's files lie, as an interface: a local path (store_local.h) or
 * S3 (store_s3.h).
 *
 * A *location* is what table metadata says: "/path", "file:///path", "s3://bucket/key" (s3a, s3n
 * are the same). Files are immutable once they are there and have names that are never used again,
 * except where an op says otherwise.
 *
 * Errors: RETRY for what may pass (away, slow, 5xx, disk full, stopped), CONFIG for what a person
 * must mend (no permission, no such bucket, refused credentials), REJECT for a file larger than
 * asked for. Texts name the location and never hold a secret. Calls block, bounded by
 * iceberg_conf's timeout_ms for each file; see struct iceberg_stop. A call that failed may have
 * left a file; only create() says more.
 *
 * Threads: one at a time.
 */
#ifndef CHSINKD_ICEBERG_STORE_H
#define CHSINKD_ICEBERG_STORE_H

#include "daemons/chsinkd/iceberg/conf.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

struct iceberg_store; /* each kind's own, which begins with a pointer to its ops */

enum iceberg_created {
    ICEBERG_CREATED,
    ICEBERG_EXISTS,         /* nothing was changed: the name is taken */
    ICEBERG_CREATE_FAILED,  /* it is not there, and will not be; err is set */
    ICEBERG_CREATE_UNKNOWN, /* it may be there, or may still get there; err is set */
};

struct iceberg_file {
    const char *location; /* valid during the call; spelled as `prefix` was */
    uint64_t size;
    int64_t modified_ms; /* realtime, the store's clock */
};

struct iceberg_store_ops {
    void (*free)(struct iceberg_store *s);

    /* Writes a whole file, over an old one of that name if there is one. When it returns 0 the file
     * is durable. Folders are made. */
    int (*put)(struct iceberg_store *s, const char *location, struct pl_slice data,
               struct pl_err *err);

    /* The same, if and only if there is none of that name: of several that try at once one gets
     * ICEBERG_CREATED. A reader never sees half of it. */
    enum iceberg_created (*create)(struct iceberg_store *s, const char *location,
                                   struct pl_slice data, struct pl_err *err);

    /* For a file that another library writes: stage() gives a local path (to free()) that does not
     * exist yet and whose folder does; put_staged() makes what lies there the location's, durable,
     * and removes the path if it is another place; the size comes back. unstage() removes what is
     * there, after a failure of either (absent: nothing is done). */
    char *(*stage)(struct iceberg_store *s, const char *location, struct pl_err *err);
    int (*put_staged)(struct iceberg_store *s, const char *location, const char *staged,
                      uint64_t *ret_size, struct pl_err *err);
    void (*unstage)(struct iceberg_store *s, const char *location, const char *staged);

    /* Appends the whole file. Absent: 0 and *ret_found false. More than `max` bytes: REJECT, and
     * `out` is as it was. */
    int (*get)(struct iceberg_store *s, const char *location, size_t max, struct pl_buf *out,
               bool *ret_found, struct pl_err *err);

    /* Absent: 0. */
    int (*remove)(struct iceberg_store *s, const char *location, struct pl_err *err);

    /* All files below the prefix (a folder, with or without '/' at its end), at any depth, in any
     * order. `each` returns false to end it early (0 is returned then). Absent: none. */
    int (*list)(struct iceberg_store *s, const char *prefix,
                bool (*each)(void *userdata, const struct iceberg_file *f), void *userdata,
                struct pl_err *err);
};

struct iceberg_store {
    const struct iceberg_store_ops *ops;
};

static inline void iceberg_store_free(struct iceberg_store *s)
{
    if (s)
        s->ops->free(s);
}
PL_DEFINE_CLEANUP(struct iceberg_store *, iceberg_store_free);

#endif
