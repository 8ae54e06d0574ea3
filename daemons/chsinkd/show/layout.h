/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - tables of text with aligned columns, and numbers, sizes and times as people read them.
 *
 * A width is counted in characters: combining and double-width ones are taken as one, so that such
 * a line may stand off.
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_SHOW_LAYOUT_H
#define CHSINKD_SHOW_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

/* Cells are added row by row; the first row is the head. A cell is flattened (lib/base/text.h) and
 * cut to `cell_max` bytes; 0: LAYOUT_CELL_MAX. */
#define LAYOUT_COLUMNS_MAX 64
#define LAYOUT_CELL_MAX    160

struct layout {
    unsigned columns; /* set by the caller, with what follows */
    size_t cell_max;
    bool right[LAYOUT_COLUMNS_MAX];
    char **cells;
    size_t n;
};

void layout_add(struct layout *l, const char *text);
void layout_addf(struct layout *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void layout_add_bytes(struct layout *l, const char *p, size_t len);
/* "1,234"; below zero "-": not known. */
void layout_add_number(struct layout *l, int64_t n);
/* 1234, to be copied; below zero "-": not known. */
void layout_add_offset(struct layout *l, int64_t offset);
/* How wide its lines are, without the indent. */
size_t layout_width(const struct layout *l);
/* Each line behind three spaces. The last column is not padded. */
void layout_print(const struct layout *l, struct pl_buf *out);
void layout_release(struct layout *l);

/* "1,234,567" */
void layout_number(int64_t n, char *out, size_t size);
/* "81.2 MiB", "512 bytes"; below zero "-" */
void layout_size(int64_t bytes, char *out, size_t size);
/* "2026-11-29 02:05:07 (3 min ago)", UTC; below zero "-". What is ahead of now has no age. */
void layout_time(int64_t at_ms, int64_t now_ms, char *out, size_t size);
/* "240 ms", "1.2 s", "3 min"; below zero "-" */
void layout_duration(int64_t ms, char *out, size_t size);

#endif
