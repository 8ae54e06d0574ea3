/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strings.h - a list of texts that owns them. Zero-initialised it is empty. Threads: one owner.
 */
#ifndef PL_BASE_STRINGS_H
#define PL_BASE_STRINGS_H

#include <stddef.h>

struct pl_strings {
    char **v;
    size_t n;
};

void pl_strings_add(struct pl_strings *s, const char *text); /* copied; NULL stays NULL */
void pl_strings_release(struct pl_strings *s);

#endif
