/* SPDX-License-Identifier: Apache-2.0 */
/*
 * staging.c - see staging.h.
 */
#include "daemons/chsinkd/iceberg/store/staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"

#define FOLDER "chsinkd-iceberg-"
/* Another's sweep may take a folder between its making and its lock. */
#define TRIES 10

struct staging {
    const char *parent;
    char *folder; /* NULL: none yet */
    int fd;       /* holds the lock */
    unsigned files;
};

struct staging *staging_new(const char *parent)
{
    struct staging *s = pl_alloc(sizeof(*s));
    s->parent = parent;
    s->fd = -1;
    return s;
}

/* Files only: there are no folders in it. */
static void folder_empty(int fd)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (!dir) {
        if (again >= 0)
            close(again);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(fd, entry->d_name, 0);
    closedir(dir);
}

/* Removes it if it is ours and nobody's. */
static void folder_sweep(int parent, const char *name)
{
    struct stat st;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        folder_empty(fd);
        unlinkat(parent, name, AT_REMOVEDIR);
    }
    close(fd);
}

static void sweep(const char *parent)
{
    DIR *dir = opendir(parent);
    if (!dir)
        return;
    struct dirent *entry;
    while ((entry = readdir(dir)))
        if (strncmp(entry->d_name, FOLDER, strlen(FOLDER)) == 0)
            folder_sweep(dirfd(dir), entry->d_name);
    closedir(dir);
}

/* false: errno. */
static bool folder_make(struct staging *s)
{
    for (int i = 0; i < TRIES; i++) {
        struct stat st;
        PL_FREE char *folder = pl_strf("%s/" FOLDER "XXXXXX", s->parent);
        if (!mkdtemp(folder))
            return false;
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
            st.st_nlink > 0) {
            s->fd = fd;
            s->folder = PL_TAKE(folder);
            return true;
        }
        if (fd >= 0)
            close(fd);
    }
    errno = EBUSY;
    return false;
}

char *staging_path(struct staging *s, struct pl_err *err)
{
    if (!s->folder) {
        sweep(s->parent);
        if (!folder_make(s)) {
            bool full = errno == ENOSPC || errno == EDQUOT || errno == EBUSY;
            pl_err_set(err, full ? PL_ERR_RETRY : PL_ERR_CONFIG, errno,
                       "iceberg.s3.staging: a folder in %s: %s", s->parent, strerror(errno));
            return NULL;
        }
    }
    return pl_strf("%s/%u", s->folder, s->files++);
}

void staging_free(struct staging *s)
{
    if (!s)
        return;
    if (s->folder) {
        folder_empty(s->fd);
        rmdir(s->folder);
        close(s->fd);
    }
    free(s->folder);
    free(s);
}
