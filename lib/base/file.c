/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - see file.h.
 */
#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

bool pl_file_read(const char *path, size_t max, struct pl_buf *out, struct stat *ret_st)
{
    PL_CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, ret_st ? ret_st : &st) < 0 || !pl_buf_reserve(out, max + 1))
        return false;
    for (size_t room = max + 1; room > 0;) {
        ssize_t n = read(fd, out->data + out->len, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        out->len += (size_t)n;
        room -= (size_t)n;
    }
    errno = EFBIG;
    return false;
}

/* ---- what a path names ---- */

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)                    ? "a folder"
           : S_ISREG(mode)                  ? "a file"
           : S_ISFIFO(mode)                 ? "a pipe"
           : S_ISSOCK(mode)                 ? "a socket"
           : S_ISBLK(mode) || S_ISCHR(mode) ? "a device"
                                            : "no file";
}

int pl_path_check(const char *path, bool folder, struct pl_err *err)
{
    struct stat st, link;
    const char *wanted = folder ? "a folder" : "a regular file";
    if (stat(path, &st) == 0) {
        if (folder ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode))
            return 0;
        return pl_err_set(err, PL_ERR_CONFIG, 0, "%.150s is %s: it must be %s, or not be there yet",
                          path, kind_of(st.st_mode), wanted);
    }
    int code = errno;
    if (code == ENOENT && lstat(path, &link) == 0)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "%.150s is a link to what is not there: make or mount that, or name %s "
                          "itself",
                          path, wanted);
    /* Absent; or it cannot be looked at, and who opens it says so. */
    if (code != ELOOP && code != ENOTDIR && code != ENAMETOOLONG)
        return 0;
    return pl_err_set(err, PL_ERR_CONFIG, code, "%.150s cannot be %s: %s", path, wanted,
                      strerror(code));
}

/* ---- written ---- */

/* 0, or the errno why `path` may not be replaced. */
static int place_check(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : errno;
    return S_ISREG(st.st_mode) ? 0 : S_ISLNK(st.st_mode) ? ELOOP : EEXIST;
}

bool pl_new_file_open(struct pl_new_file *f, const char *path)
{
    errno = place_check(path);
    if (errno != 0)
        return false;
    f->temporary = pl_strf("%s.XXXXXX", path);
    int fd = mkostemp(f->temporary, O_CLOEXEC); /* O_CREAT | O_EXCL, 0600 */
    f->stream = fd < 0 ? NULL : fdopen(fd, "w");
    if (f->stream)
        return true;
    int code = errno;
    if (fd >= 0) {
        unlink(f->temporary);
        close(fd);
    }
    free(PL_TAKE(f->temporary));
    errno = code;
    return false;
}

bool pl_new_file_commit(struct pl_new_file *f, const char *path)
{
    errno = EIO; /* if an earlier write failed */
    bool whole = !ferror(f->stream) && fflush(f->stream) == 0 && fsync(fileno(f->stream)) == 0;
    if (whole && rename(f->temporary, path) == 0) {
        fclose(PL_TAKE(f->stream));
        free(PL_TAKE(f->temporary));
        return true;
    }
    int code = errno;
    pl_new_file_release(f);
    errno = code;
    return false;
}

void pl_new_file_release(struct pl_new_file *f)
{
    if (!f->stream)
        return;
    unlink(f->temporary);
    fclose(PL_TAKE(f->stream));
    free(PL_TAKE(f->temporary));
}

const char *pl_new_file_error(int code)
{
    return code == ELOOP    ? "it is a symbolic link: remove it, or name the file itself"
           : code == EEXIST ? "it is not a regular file"
                            : strerror(code);
}
