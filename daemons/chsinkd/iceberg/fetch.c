/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.c - see fetch.h. */
#include "daemons/chsinkd/iceberg/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemons/chsinkd/duckdb/database.h"
#include "daemons/chsinkd/iceberg/format/manifest.h"
#include "daemons/chsinkd/iceberg/store/store_local.h"

#define OWNED_BUF PL_CLEANUP(pl_buf_release)

#define MANIFEST_BYTES_MAX (256U << 20) /* of a manifest or a list */

struct fetch {
    const struct iceberg_snapshot_files *from;
    enum iceberg_fetch what;
    struct iceberg_fetched *ret;
};

/* ---- the list of files ---- */

static int document_get(const struct fetch *f, const char *location, struct pl_buf *ret,
                        struct pl_err *err)
{
    struct iceberg_store *store = f->from->store_of(f->from->userdata, location, err);
    bool there = false;
    if (!store || store->ops->get(store, location, MANIFEST_BYTES_MAX, ret, &there, err) < 0)
        return -1;
    return there ? 0 : pl_err_set(err, PL_ERR_CONFIG, 0, "%.200s is missing", location);
}

static int newer_first(const void *a, const void *b)
{
    const struct iceberg_manifest *x = a, *y = b;
    return x->sequence < y->sequence ? 1 : x->sequence > y->sequence ? -1 : 0;
}

static int list_read(const struct fetch *f, struct iceberg_manifest_list *ret, struct pl_err *err)
{
    OWNED_BUF struct pl_buf file = {0};
    if (document_get(f, f->from->manifest_list, &file, err) < 0 ||
        iceberg_manifest_list_read((struct pl_slice){file.data, file.len}, ret, err) < 0)
        return -1;
    for (unsigned i = 0; i < ret->n; i++)
        if (ret->v[i].content != 0)
            return pl_err_set(err, PL_ERR_CONFIG, 0,
                              "it has delete files, which a reader of Iceberg applies");
    if (ret->n > 0)
        qsort(ret->v, ret->n, sizeof(*ret->v), newer_first);
    return 0;
}

static void name_add(void *userdata, struct pl_slice location)
{
    struct pl_buf *names = userdata;
    pl_buf_add(names, location.p, location.len);
    pl_buf_add_byte(names, '\0');
}

/* ---- a file ---- */

static int file_write(const char *path, const struct pl_buf *data, struct pl_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t done = 0;
    while (fd >= 0 && done < data->len) {
        ssize_t n = write(fd, data->data + done, data->len - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    int failed = fd < 0 || done < data->len ? errno : 0;
    if (fd >= 0 && close(fd) < 0 && failed == 0)
        failed = errno;
    return failed == 0 ? 0
                       : pl_err_set(err, PL_ERR_RETRY, failed, "writing %.200s: %s", path,
                                    strerror(failed));
}

static void path_add(struct iceberg_fetched *ret, const char *path)
{
    if (ret->paths.len > 0)
        pl_buf_add_str(&ret->paths, ", ");
    duckdb_quote_string(&ret->paths, path);
    ret->n++;
}

/* REJECT: it is larger than what is left of the limit. */
static int file_fetch(const struct fetch *f, const char *location, struct pl_err *err)
{
    struct iceberg_fetched *ret = f->ret;
    OWNED_BUF struct pl_buf data = {0};
    bool there = false;
    struct iceberg_store *store = f->from->store_of(f->from->userdata, location, err);
    if (!store || store->ops->get(store, location, (size_t)(f->from->bytes_max - ret->bytes), &data,
                                  &there, err) < 0)
        return -1;
    if (!there)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "%.200s is missing", location);
    PL_FREE char *path = store->ops->stage(store, location, err);
    if (!path)
        return -1;
    ret->staged = pl_realloc_array(ret->staged, ret->staged_n + 1, sizeof(*ret->staged));
    ret->staged[ret->staged_n++] = pl_strdup(path);
    ret->bytes += (int64_t)data.len;
    if (file_write(path, &data, err) < 0)
        return -1;
    path_add(ret, path);
    return 0;
}

/* 1: the limits allow no more. */
static int file_take(const struct fetch *f, const char *location, struct pl_err *err)
{
    bool newest = f->what == ICEBERG_FETCH_NEWEST;
    if (f->ret->n >= (newest ? ICEBERG_FETCH_NEWEST_MAX : ICEBERG_FETCH_FILES_MAX))
        return 1;
    const char *local = iceberg_local_path(location);
    if (local) {
        path_add(f->ret, local);
        return 0;
    }
    if (file_fetch(f, location, err) == 0)
        return 0;
    return err->kind == PL_ERR_REJECT ? 1 : -1;
}

static int manifest_take(const struct fetch *f, const struct iceberg_manifest *m,
                         struct pl_err *err)
{
    OWNED_BUF struct pl_buf file = {0}, names = {0};
    PL_FREE char *location = pl_strndup(m->location.p, m->location.len);
    if (document_get(f, location, &file, err) < 0 ||
        iceberg_manifest_files((struct pl_slice){file.data, file.len}, name_add, &names, err) < 0)
        return -1;
    int rc = 0;
    for (size_t at = 0; at < names.len && rc == 0; at += strlen(names.data + at) + 1)
        rc = file_take(f, names.data + at, err);
    return rc;
}

/* ---- all ---- */

static int too_large(const struct fetch *f, struct pl_err *err)
{
    char size[48] = "";
    if (f->from->bytes >= 0)
        snprintf(size, sizeof(size), " (%.1f MiB)", (double)f->from->bytes / (1 << 20));
    return pl_err_set(err, PL_ERR_REJECT, 0,
                      "its files%s are more than the %d MiB or %d files that are fetched from S3 "
                      "for a statement: ask a reader of Iceberg that reads there itself, such as "
                      "DuckDB's iceberg_scan, ClickHouse's icebergS3 or pyiceberg",
                      size, (int)(f->from->bytes_max >> 20), ICEBERG_FETCH_FILES_MAX);
}

int iceberg_fetch(const struct iceberg_snapshot_files *from, enum iceberg_fetch what,
                  struct iceberg_fetched *ret, struct pl_err *err)
{
    const struct fetch f = {from, what, ret};
    struct iceberg_manifest_list list = {0};
    if (what == ICEBERG_FETCH_ALL &&
        (from->bytes > from->bytes_max || from->files > ICEBERG_FETCH_FILES_MAX))
        return too_large(&f, err);
    int rc = list_read(&f, &list, err);
    for (unsigned i = 0; i < list.n && rc == 0; i++)
        rc = manifest_take(&f, &list.v[i], err);
    iceberg_manifest_list_release(&list);
    if (rc == 1 && (what == ICEBERG_FETCH_ALL || ret->n == 0))
        return too_large(&f, err);
    return rc < 0 ? -1 : 0;
}

void iceberg_fetched_release(struct iceberg_fetched *f)
{
    for (unsigned i = 0; i < f->staged_n; i++) {
        unlink(f->staged[i]);
        free(f->staged[i]);
    }
    free(f->staged);
    pl_buf_release(&f->paths);
    *f = (struct iceberg_fetched){0};
}
