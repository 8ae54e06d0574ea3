/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - see file.h.
 */
#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
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
