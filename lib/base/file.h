/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.h - reads a small file whole; writes a file for a person, which appears only when complete;
 * what a path names.
 * Blocks. Threads: any.
 */
#ifndef PL_BASE_FILE_H
#define PL_BASE_FILE_H

#include <stdio.h>
#include <sys/stat.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

/* Appends all of a file or pipe, at most `max` bytes, to `out`. `ret_st` (may be NULL) is of the
 * open file. Room for `max` is made at once, so that growing leaves no copies of what may be a
 * secret. false: errno, EFBIG for a larger file; `out` holds what was read so far. */
bool pl_file_read(const char *path, size_t max, struct pl_buf *out, struct stat *ret_st);

/* Whether `path` is, links followed, a regular file (`folder`: a folder), or can become one: a
 * device, pipe or socket, a link to nowhere, a file where a folder is to be never will. CONFIG with
 * what must be true. Nothing is opened, since a pipe would wait for its other end; permissions are
 * not looked at. */
int pl_path_check(const char *path, bool folder, struct pl_err *err);

/* A file that is being written, private (0600), under a random name beside its own. So nothing is
 * written through a link in its place, the mode of an old file is not kept, and readers see the old
 * file or the new, never half of it. Zero-initialise; do not copy. */
struct pl_new_file {
    FILE *stream; /* NULL: none */
    char *temporary;
};

/* `path` must be a regular file or absent. A symbolic link is refused with errno ELOOP, as somebody
 * meant another place; a device, folder or pipe with EEXIST. (What is put there later is replaced,
 * not followed.) false: errno. Ends with pl_new_file_commit() or pl_new_file_release(). */
bool pl_new_file_open(struct pl_new_file *f, const char *path);
/* Syncs it to disk, renames it to `path` and closes it. false: errno; it is closed and removed. */
bool pl_new_file_commit(struct pl_new_file *f, const char *path);
/* Closes and removes it, unless it is committed. */
void pl_new_file_release(struct pl_new_file *f);
/* strerror(), but for ELOOP and EEXIST what they mean here. */
const char *pl_new_file_error(int code);

#endif
