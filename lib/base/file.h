/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.h - a small file, read whole; and one that is written for a person and put in its place when
 * it is whole. Blocks. Threads: any.
 */
#ifndef PL_BASE_FILE_H
#define PL_BASE_FILE_H

#include <stdio.h>
#include <sys/stat.h>

#include "lib/base/buf.h"

/* Appends all of a file or pipe, at most `max` bytes, to `out`. `ret_st` (may be NULL) is of the
 * open file. Room for `max` is made at once, so that growing leaves no copies of what may be a
 * secret. false: errno, EFBIG for a larger file; `out` holds what was read so far. */
bool pl_file_read(const char *path, size_t max, struct pl_buf *out, struct stat *ret_st);

/* A file that is being written, under a random name beside its own, for nobody else to read (0600).
 * So nothing is ever written through a link that stands in its place, another's mode is not kept,
 * and a reader sees the old file or the new, no half. Zero-initialise; not to be copied. */
struct pl_new_file {
    FILE *stream; /* NULL: none */
    char *temporary;
};

/* The name is looked at already: what is there must be a regular file, or nothing. A symbolic link
 * is refused, as it says that somebody meant another place: errno ELOOP; a device, folder or pipe:
 * EEXIST. (One that is put there later is replaced, not followed.) false: errno. */
bool pl_new_file_open(struct pl_new_file *f, const char *path);
/* Writes it out to the disk and renames it to `path`. In any case it is closed; false: errno, and
 * nothing of it stays. */
bool pl_new_file_commit(struct pl_new_file *f, const char *path);
/* Drops it, unless it is committed. */
void pl_new_file_release(struct pl_new_file *f);
/* strerror(), with what these codes mean here. */
const char *pl_new_file_error(int code);

#endif
