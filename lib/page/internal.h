/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - how the files of this folder write: markup, and text that is escaped.
 */
#ifndef PL_PAGE_INTERNAL_H
#define PL_PAGE_INTERNAL_H

#include "lib/page/page.h"

extern const char page_style[];

/* Markup of our own. */
void page_raw(struct pl_page *p, const char *markup);
void page_rawf(struct pl_page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Text from anywhere, for an element or an attribute in double quotes. */
void page_escaped(struct pl_page *p, const char *text);
/* A cell begins; what is to stand in it follows, then page_cell_end(). */
void page_cell_begin(struct pl_page *p, enum pl_page_tone tone);
void page_cell_end(struct pl_page *p);

#endif
