/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_rows.c - what a message costs from Kafka's bytes to a Native block, on one core.
 * links: chsinkd
 *
 *     bench_rows ROUTE.yaml EVENTS.jsonl [SECONDS]
 *
 * Decodes the lines again and again into blocks of 100,000 rows, which are reset as after an
 * insert. Prints the best and the median of the passes: the best is what the code costs, the rest
 * is the machine.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/decode/rows.h"

#define BLOCK_ROWS 100000
#define PASSES_MAX 10000

struct line {
    const char *p;
    size_t len;
};

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool file_read(const char *name, struct pl_buf *out)
{
    FILE *f = fopen(name, "r");
    char chunk[65536];
    size_t n;
    if (!f)
        return false;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        pl_buf_add(out, chunk, n);
    fclose(f);
    return true;
}

static void reject_print(void *userdata, const struct rows_reject *reject)
{
    unsigned *printed = userdata;
    if ((*printed)++ < 5)
        fprintf(stderr, "rejected: row %" PRId64 " %s (%s) at byte %zu, column %s\n", reject->row,
                reject->reason, reject->detail ? reject->detail : "-", reject->offset,
                reject->column ? reject->column : "-");
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct result {
    double *passes; /* seconds */
    size_t passes_n, lines, bytes;
    uint64_t rows; /* of one pass */
    size_t native_bytes;
};

static void result_print(const struct result *r, const struct rows_counts *counts, unsigned columns)
{
    qsort(r->passes, r->passes_n, sizeof(*r->passes), double_compare);
    double best = r->passes[0], median = r->passes[r->passes_n / 2];
    printf("%zu messages, %.0f bytes each, %" PRIu64 " rows of %u columns, %zu passes\n", r->lines,
           (double)r->bytes / (double)r->lines, r->rows, columns, r->passes_n);
    printf("best   %7.0f ns/message %7.0f ns/row %6.0f MB/s\n", best * 1e9 / (double)r->lines,
           best * 1e9 / (double)r->rows, (double)r->bytes / best / 1e6);
    printf("median %7.0f ns/message %7.0f ns/row %6.0f MB/s\n", median * 1e9 / (double)r->lines,
           median * 1e9 / (double)r->rows, (double)r->bytes / median / 1e6);
    printf("rejected %" PRIu64 " messages, %" PRIu64 " rows; Native %.0f bytes/row\n",
           counts->rejected_messages, counts->rejected_rows,
           (double)r->native_bytes / (double)r->rows);
}

static size_t lines_split(const struct pl_buf *text, struct line **ret)
{
    struct line *lines = NULL;
    size_t n = 0;
    const char *end = text->data + text->len;
    for (const char *p = text->data; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        if ((n & (n - 1)) == 0)
            lines = pl_realloc_array(lines, n ? 2 * n : 1, sizeof(*lines));
        lines[n++] = (struct line){p, (size_t)(stop - p)};
        p = stop + 1;
    }
    *ret = lines;
    return n;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s ROUTE.yaml EVENTS.jsonl [SECONDS]\n", argv[0]);
        return 64;
    }
    struct pl_findings errs;
    pl_findings_init(&errs);
    errs.file = argv[1];
    PL_CLEANUP(route_freep) struct route *route = route_load(argv[1], &errs);
    struct pl_buf text = {0};
    if (!route || !file_read(argv[2], &text) || text.len == 0) {
        fprintf(stderr, "%s%s\n", pl_buf_cstr(&errs.text), route ? "no events" : "");
        return 1;
    }
    PL_CLEANUP(rows_freep) struct rows *rows = rows_new(route);
    PL_CLEANUP(block_freep) struct block *block = block_new(route);
    PL_FREE struct line *lines = NULL;
    PL_FREE double *passes = pl_alloc_array(PASSES_MAX, sizeof(*passes));
    struct result result = {.passes = passes, .lines = lines_split(&text, &lines)};
    double budget = argc > 3 ? strtod(argv[3], NULL) : 3.0, total = 0;
    unsigned printed = 0;
    while (total < budget && result.passes_n < PASSES_MAX) {
        double start = seconds_now();
        uint64_t appended = 0;
        for (size_t i = 0; i < result.lines; i++) {
            if (block_rows(block) >= BLOCK_ROWS)
                block_reset(block);
            struct rows_message m = {.topic = "wikipedia-data",
                                     .offset = (int64_t)i,
                                     .timestamp_ms = 1700000000000,
                                     .value = lines[i].p,
                                     .value_len = lines[i].len};
            appended += rows_decode(rows, &m, NULL, block, reject_print, &printed);
        }
        double pass = seconds_now() - start;
        passes[result.passes_n++] = pass;
        total += pass;
        if (result.passes_n == 1) {
            result.rows = appended;
            result.native_bytes = block_bytes(block);
            for (size_t i = 0; i < result.lines; i++)
                result.bytes += lines[i].len;
        }
    }
    if (result.rows > 0)
        result_print(&result, rows_counts(rows), block->columns_n);
    pl_buf_release(&text);
    pl_findings_release(&errs);
    return 0;
}
