/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_local.c - see store_local.h.
 */
#include "daemons/chsinkd/iceberg/store/store_local.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"

#define FOLDER_MODE 0755
#define FILE_MODE   0644

const char *iceberg_local_path(const char *location)
{
    if (strncmp(location, "file:", 5) == 0) {
        location += 5;
        if (strncmp(location, "//", 2) == 0)
            location += 2;
    }
    return *location == '/' ? location : NULL;
}

/* What a person must mend; the rest passes, or is mended without chsinkd. */
static enum pl_err_kind kind_of(int code)
{
    switch (code) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EINVAL:
    case EOPNOTSUPP:
        return PL_ERR_CONFIG;
    default:
        return PL_ERR_RETRY;
    }
}

static int fail(struct pl_err *err, const char *what, const char *path)
{
    int code = errno;
    return pl_err_set(err, kind_of(code), code, "cannot %s %s: %s", what, path, strerror(code));
}

static const char *path_of(const char *location, struct pl_err *err)
{
    const char *path = iceberg_local_path(location);
    if (!path)
        pl_err_set(err, PL_ERR_CONFIG, 0, "%.200s is no path of this machine", location);
    return path;
}

static int folder_sync(const char *folder, struct pl_err *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, "open", folder);
    int rc = fsync(fd) < 0 ? fail(err, "sync", folder) : 0;
    close(fd);
    return rc;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == path ? pl_strdup("/") : pl_strndup(path, (size_t)(slash - path));
}

/* With those above it; each that is made is synced into the one above. */
static int folder_make(const char *folder, struct pl_err *err)
{
    if (mkdir(folder, FOLDER_MODE) == 0) {
        PL_FREE char *above = folder_of(folder);
        return folder_sync(above, err);
    }
    if (errno == EEXIST)
        return pl_path_check(folder, true, err);
    if (errno != ENOENT)
        return fail(err, "make the folder", folder);
    PL_FREE char *above = folder_of(folder);
    if (folder_make(above, err) < 0)
        return -1;
    if (mkdir(folder, FOLDER_MODE) < 0 && errno != EEXIST)
        return fail(err, "make the folder", folder);
    return folder_sync(above, err);
}

/* ---- writing ---- */

static int bytes_write(int fd, struct pl_slice data, const char *path, struct pl_err *err)
{
    while (data.len > 0) {
        ssize_t n = write(fd, data.p, data.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(err, "write", path);
        data.p += n;
        data.len -= (size_t)n;
    }
    return 0;
}

/* A synced file with the data beside `path`; its name, to free(). */
static char *beside_write(const char *path, struct pl_slice data, struct pl_err *err)
{
    PL_FREE char *folder = folder_of(path);
    PL_FREE char *name = pl_strf("%s/.%s.XXXXXX", folder, strrchr(path, '/') + 1);
    if (folder_make(folder, err) < 0)
        return NULL;
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        fail(err, "create a file in", folder);
        return NULL;
    }
    int rc = bytes_write(fd, data, path, err);
    if (rc == 0 && (fchmod(fd, FILE_MODE) < 0 || fsync(fd) < 0))
        rc = fail(err, "write", path);
    if (close(fd) < 0 && rc == 0)
        rc = fail(err, "write", path);
    if (rc == 0)
        return PL_TAKE(name);
    unlink(name);
    return NULL;
}

static int path_sync(const char *path, struct pl_err *err)
{
    PL_FREE char *folder = folder_of(path);
    return folder_sync(folder, err);
}

static int local_put(struct iceberg_store *s, const char *location, struct pl_slice data,
                     struct pl_err *err)
{
    (void)s;
    const char *path = path_of(location, err);
    PL_FREE char *beside = path ? beside_write(path, data, err) : NULL;
    if (!beside)
        return -1;
    if (rename(beside, path) < 0) {
        fail(err, "write", path);
        unlink(beside);
        return -1;
    }
    return path_sync(path, err);
}

static enum iceberg_created local_create(struct iceberg_store *s, const char *location,
                                         struct pl_slice data, struct pl_err *err)
{
    (void)s;
    const char *path = path_of(location, err);
    PL_FREE char *beside = path ? beside_write(path, data, err) : NULL;
    if (!beside)
        return ICEBERG_CREATE_FAILED;
    int rc = link(beside, path), code = errno;
    unlink(beside);
    errno = code;
    if (rc < 0 && code == EEXIST)
        return ICEBERG_EXISTS;
    if (rc < 0) {
        fail(err, "write", path);
        return ICEBERG_CREATE_FAILED;
    }
    return path_sync(path, err) < 0 ? ICEBERG_CREATE_UNKNOWN : ICEBERG_CREATED;
}

/* ---- what another library writes ---- */

static char *local_stage(struct iceberg_store *s, const char *location, struct pl_err *err)
{
    (void)s;
    const char *path = path_of(location, err);
    PL_FREE char *folder = path ? folder_of(path) : NULL;
    if (!folder || folder_make(folder, err) < 0)
        return NULL;
    if (access(folder, W_OK) < 0) {
        fail(err, "write into", folder);
        return NULL;
    }
    return pl_strdup(path);
}

static int local_put_staged(struct iceberg_store *s, const char *location, const char *staged,
                            uint64_t *ret_size, struct pl_err *err)
{
    (void)s, (void)location;
    struct stat st;
    int fd = open(staged, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, "open", staged);
    int rc = fstat(fd, &st) < 0 || fsync(fd) < 0 ? fail(err, "sync", staged) : 0;
    close(fd);
    if (rc < 0 || path_sync(staged, err) < 0)
        return -1;
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

static void local_unstage(struct iceberg_store *s, const char *location, const char *staged)
{
    (void)s, (void)location;
    unlink(staged);
}

/* ---- the rest ---- */

static int local_get(struct iceberg_store *s, const char *location, size_t max, struct pl_buf *out,
                     bool *ret_found, struct pl_err *err)
{
    (void)s;
    const char *path = path_of(location, err);
    struct stat st;
    if (!path)
        return -1;
    if (stat(path, &st) < 0) {
        if (errno != ENOENT)
            return fail(err, "read", path);
        *ret_found = false;
        return 0;
    }
    if ((uint64_t)st.st_size > max)
        return pl_err_set(err, PL_ERR_REJECT, 0, "%s is larger than %zu bytes", path, max);
    size_t before = out->len; /* pl_file_read() makes room for its maximum */
    if (pl_file_read(path, (size_t)st.st_size + 1, out, NULL)) {
        *ret_found = true;
        return 0;
    }
    out->len = before;
    if (errno != ENOENT)
        return fail(err, "read", path);
    *ret_found = false;
    return 0;
}

static int local_remove(struct iceberg_store *s, const char *location, struct pl_err *err)
{
    (void)s;
    const char *path = path_of(location, err);
    if (!path)
        return -1;
    return unlink(path) < 0 && errno != ENOENT ? fail(err, "remove", path) : 0;
}

struct walk {
    const char *prefix; /* as asked for */
    size_t path_len;    /* of its path */
    bool (*each)(void *userdata, const struct iceberg_file *f);
    void *userdata;
};

static __thread struct walk *walking; /* nftw() hands nothing on */

static int walk_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type != FTW_F || !S_ISREG(st->st_mode))
        return 0;
    PL_FREE char *location = pl_strf("%s%s", walking->prefix, path + walking->path_len);
    const struct iceberg_file f = {location, (uint64_t)st->st_size,
                                   (int64_t)st->st_mtim.tv_sec * 1000 +
                                       st->st_mtim.tv_nsec / 1000000};
    return walking->each(walking->userdata, &f) ? 0 : 1;
}

static int local_list(struct iceberg_store *s, const char *prefix,
                      bool (*each)(void *userdata, const struct iceberg_file *f), void *userdata,
                      struct pl_err *err)
{
    (void)s;
    const char *path = path_of(prefix, err);
    if (!path)
        return -1;
    size_t len = strlen(prefix);
    PL_FREE char *plain = pl_strndup(prefix, prefix[len - 1] == '/' ? len - 1 : len);
    path = iceberg_local_path(plain);
    struct walk w = {plain, strlen(path), each, userdata};
    walking = &w;
    errno = 0;
    int rc = nftw(path, walk_file, 16, FTW_PHYS);
    walking = NULL;
    return rc < 0 && errno != ENOENT ? fail(err, "list", path) : 0;
}

static void local_free(struct iceberg_store *s)
{
    free(s);
}

static const struct iceberg_store_ops local_ops = {
    .free = local_free,
    .put = local_put,
    .create = local_create,
    .stage = local_stage,
    .put_staged = local_put_staged,
    .unstage = local_unstage,
    .get = local_get,
    .remove = local_remove,
    .list = local_list,
};

struct iceberg_store *iceberg_store_local_new(void)
{
    struct iceberg_store *s = pl_alloc(sizeof(*s));
    s->ops = &local_ops;
    return s;
}
