/* SPDX-License-Identifier: Apache-2.0 */
/* loads.c - see loads.h. */
#include "daemons/chsinkd/duckdb/loads.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/time_text.h"

#define OWNED_BUF PL_CLEANUP(pl_buf_release)

const char duckdb_loads_sql[] =
    "CREATE TABLE IF NOT EXISTS " DUCKDB_LOADS " (number BIGINT NOT NULL, "
    "group_id VARCHAR NOT NULL, topic VARCHAR NOT NULL, \"partition\" INTEGER NOT NULL, "
    "table_name VARCHAR NOT NULL, start_offset BIGINT NOT NULL, end_offset BIGINT NOT NULL, "
    "row_count BIGINT NOT NULL, loaded_at TIMESTAMP_MS NOT NULL, took_ms BIGINT);\n";

/* "FROM … WHERE …": of this group and table. */
static char *from_sql(const struct output_target *t, const char *group)
{
    struct pl_buf sql = {0};
    pl_buf_add_str(&sql, "FROM " DUCKDB_LOADS " WHERE group_id = ");
    duckdb_quote_string(&sql, group);
    pl_buf_add_str(&sql, " AND table_name = ");
    duckdb_quote_string(&sql, t->name);
    return pl_buf_take(&sql);
}

int duckdb_load_add(struct duckdb *db, const struct output_target *t,
                    const struct output_range *range, int64_t rows, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    PL_FREE char *from = from_sql(t, range->group);
    char now[32];
    pl_time_format_ms(pl_clock_realtime_ms(), now);
    pl_buf_add_str(&sql, "INSERT INTO " DUCKDB_LOADS
                         " (number, group_id, topic, \"partition\", table_name, start_offset, "
                         "end_offset, row_count, loaded_at) SELECT coalesce(max(number), 0) + 1, ");
    duckdb_quote_string(&sql, range->group);
    pl_buf_add_str(&sql, ", ");
    duckdb_quote_string(&sql, range->topic);
    pl_buf_addf(&sql, ", %" PRId32 ", ", range->partition);
    duckdb_quote_string(&sql, t->name);
    pl_buf_addf(&sql, ", %" PRId64 ", %" PRId64 ", %" PRId64 ", '%s' %s; DELETE %s", range->start,
                range->end, rows, now, from, from);
    pl_buf_addf(&sql, " AND number <= (SELECT max(number) - %d %s)", OUTPUT_LOADS_MAX, from);
    int rc = duckdb_run(db, pl_buf_cstr(&sql), NULL, err);
    if (rc < 0 && err->kind == PL_ERR_REJECT)
        err->kind = PL_ERR_CONFIG; /* no message is at fault */
    return rc;
}

int duckdb_load_took(struct duckdb *db, const struct output_target *t,
                     const struct output_range *range, int64_t took_ms, struct pl_err *err)
{
    PL_FREE char *from = from_sql(t, range->group);
    PL_FREE char *sql = pl_strf("UPDATE " DUCKDB_LOADS " SET took_ms = %" PRId64 " %s AND number = "
                                "(SELECT max(number) %s)",
                                took_ms, from + strlen("FROM " DUCKDB_LOADS " "), from);
    return duckdb_run(db, sql, NULL, err);
}

static const char *field_next(const char **at)
{
    const char *field = *at;
    *at += strlen(field) + 1;
    return field;
}

static int64_t number_next(const char **at)
{
    const char *field = field_next(at);
    return field[0] ? strtoll(field, NULL, 10) : -1;
}

int duckdb_loads_tell(struct duckdb *db, const struct output_target *t, const char *group,
                      struct output_facts *ret, struct pl_err *err)
{
    OWNED_BUF struct pl_buf answer = {0};
    PL_FREE char *from = from_sql(t, group);
    PL_FREE char *sql = pl_strf("SELECT topic, \"partition\", start_offset, end_offset, row_count, "
                                "epoch_ms(loaded_at), took_ms %s ORDER BY number DESC LIMIT %d",
                                from, OUTPUT_LOADS_MAX);
    size_t rows;
    if (duckdb_ask(db,
                   "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND "
                   "schema_name = 'main' AND table_name = '" DUCKDB_LOADS_TABLE "'",
                   &answer, &rows, err) < 0)
        return -1;
    pl_buf_reset(&answer);
    if (rows == 0) /* a file of an older version */
        return 0;
    if (duckdb_ask(db, sql, &answer, &rows, err) < 0)
        return -1;
    const char *at = answer.data;
    for (size_t i = 0; i < rows; i++) {
        struct output_load load = {.topic = (char *)field_next(&at)};
        load.partition = (int32_t)number_next(&at);
        load.start = number_next(&at);
        load.end = number_next(&at);
        load.rows = number_next(&at);
        load.at_ms = number_next(&at);
        load.took_ms = number_next(&at);
        output_facts_load(ret, &load);
    }
    if (rows > 0)
        snprintf(ret->loads_note, sizeof(ret->loads_note), "from " DUCKDB_LOADS_TABLE);
    return 0;
}
