/* SPDX-License-Identifier: Apache-2.0 */
/*
 * location_set.h - a set of locations, in which two spellings of one place are the same ("/a",
 * "file:/a" and "file:///a"; s3, s3a and s3n). Zero-initialised it is empty. Pure. Threads: one
 * owner.
 */
#ifndef CHSINKD_ICEBERG_LOCATION_SET_H
#define CHSINKD_ICEBERG_LOCATION_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

struct location_set {
    char **slots; /* NULL: free */
    size_t n, cap;
};

/* false: it is there already. */
bool location_set_add(struct location_set *s, struct pl_slice location);
bool location_set_has(const struct location_set *s, struct pl_slice location);
void location_set_release(struct location_set *s);

#endif
