/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.h - a small file, read whole. Blocks. Threads: any.
 */
#ifndef PL_BASE_FILE_H
#define PL_BASE_FILE_H

#include <sys/stat.h>

#include "lib/base/buf.h"

/* Appends all of a file or pipe, at most `max` bytes, to `out`. `ret_st` (may be NULL) is of the
 * open file. Room for `max` is made at once, so that growing leaves no copies of what may be a
 * secret. false: errno, EFBIG for a larger file; `out` holds what was read so far. */
bool pl_file_read(const char *path, size_t max, struct pl_buf *out, struct stat *ret_st);

#endif
