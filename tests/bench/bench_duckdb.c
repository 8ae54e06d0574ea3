/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_duckdb.c - the limit of chsinkd's DuckDB output: decode a file's lines, append them.
 * links: chsinkd
 *
 *     bench_duckdb ROUTE.yaml EVENTS.jsonl FILE.duckdb ROWS LIBRARY
 *
 * Blocks of 100,000 rows, each a transaction. No Kafka, no positions, one thread.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/decode/rows.h"
#include "daemons/chsinkd/duckdb/append.h"
#include "daemons/chsinkd/duckdb/database.h"
#include "daemons/chsinkd/duckdb/table.h"

#define BLOCK_ROWS 100000

static void rejected(void *userdata, const struct rows_reject *reject)
{
    (void)userdata;
    fprintf(stderr, "rejected: %s\n", reject->reason);
    exit(1);
}

static int block_append(struct duckdb *db, const struct route *route, struct block *block,
                        struct pl_err *err)
{
    struct duckdb_appender *appender = NULL;
    int rc = duckdb_run(db, "BEGIN", NULL, err);
    if (rc == 0 && db->lib->appender_create_ext(db->connection, NULL, duckdb_schema(route),
                                                route->table, &appender) != 0)
        rc = duckdb_appender_failed(db->lib, appender, err);
    if (rc == 0)
        rc = duckdb_block_append(db->lib, appender, block, err);
    if (rc == 0 && db->lib->appender_close(appender) != 0)
        rc = duckdb_appender_failed(db->lib, appender, err);
    if (appender)
        db->lib->appender_destroy(&appender);
    block_reset(block);
    return rc == 0 ? duckdb_run(db, "COMMIT", NULL, err) : rc;
}

static int lines_load(FILE *file, size_t wanted, const struct route *route, struct duckdb *db,
                      struct pl_err *err)
{
    PL_CLEANUP(rows_freep) struct rows *rows = rows_new(route);
    PL_CLEANUP(block_freep) struct block *block = block_new(route);
    PL_FREE char *line = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < wanted; i++) {
        ssize_t len = getline(&line, &capacity, file);
        if (len <= 0) {
            rewind(file);
            len = getline(&line, &capacity, file);
        }
        len -= len > 0 && line[len - 1] == '\n';
        struct rows_message m = {
            .topic = "bench", .offset = (int64_t)i, .value = line, .value_len = (size_t)len};
        rows_decode(rows, &m, NULL, block, rejected, NULL);
        if ((block_rows(block) >= BLOCK_ROWS || i + 1 == wanted) &&
            block_append(db, route, block, err) != 0)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 6 ? fopen(argv[2], "re") : NULL;
    if (!file) {
        fprintf(stderr, "usage: %s ROUTE.yaml EVENTS.jsonl FILE.duckdb ROWS LIBRARY\n", argv[0]);
        return 64;
    }
    struct pl_findings findings;
    pl_findings_init(&findings);
    findings.file = argv[1];
    PL_CLEANUP(route_freep) struct route *route = route_load(argv[1], &findings);
    struct pl_err err = {0};
    struct duckdb db = {0};
    struct pl_buf sql = {0};
    struct duckdb_library lib;
    const struct duckdb_open how = {.file = argv[3], .threads = 1};
    int rc = route ? duckdb_library_load(&lib, argv[5], &err) : -1;
    if (rc == 0)
        rc = duckdb_open(&db, &lib, &how, &err);
    if (rc == 0) {
        duckdb_table_sql(route, &sql);
        rc = duckdb_run(&db, pl_buf_cstr(&sql), NULL, &err);
    }
    if (rc == 0)
        rc = lines_load(file, strtoul(argv[4], NULL, 10), route, &db, &err);
    if (rc != 0)
        fprintf(stderr, "%s%s\n", pl_buf_cstr(&findings.text), err.msg);
    duckdb_close(&db);
    pl_buf_release(&sql);
    pl_findings_release(&findings);
    fclose(file);
    return rc == 0 ? 0 : 1;
}
