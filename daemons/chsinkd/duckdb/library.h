/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.h - DuckDB's library, loaded while running: the package does not depend on it, and who
 * does not use it need not have it.
 *
 * Only functions of its C API that are documented for all versions from DUCKDB_VERSION_MIN on; the
 * declarations are our own. Source: DuckDB docs, "C API", and its duckdb.h.
 *
 * A loaded library is never unloaded: its threads may outlive every handle. Threads: the struct is
 * read-only after loading; what DuckDB's handles allow is said there (a connection: one thread at
 * a time, but interrupt()).
 */
#ifndef CHSINKD_DUCKDB_LIBRARY_H
#define CHSINKD_DUCKDB_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

#define DUCKDB_LIBRARY_DFLT "libduckdb.so"
#define DUCKDB_VERSION_MIN  "1.4"

/* DuckDB's handles, each behind a pointer. */
struct duckdb_config;
struct duckdb_database;
struct duckdb_connection;
struct duckdb_appender;
struct duckdb_error_data;
struct duckdb_chunk;
struct duckdb_vector;
struct duckdb_logical_type;

struct duckdb_result { /* duckdb_result; its fields are DuckDB's own */
    uint64_t counts[3];
    void *columns, *message, *internal;
};

struct duckdb_string { /* duckdb_string_t: up to 12 bytes in place, else by pointer */
    union {
        struct {
            uint32_t len;
            char prefix[4];
            const char *p;
        } far;
        struct {
            uint32_t len;
            char bytes[12];
        } near;
    };
};
_Static_assert(sizeof(struct duckdb_string) == 16, "as DuckDB's vectors hold it");

struct duckdb_hugeint { /* duckdb_hugeint: HUGEINT and UUID */
    uint64_t low;
    int64_t high;
};

enum duckdb_type_id { /* duckdb_type */
                      DUCKDB_BOOLEAN = 1,
                      DUCKDB_TINYINT = 2,
                      DUCKDB_SMALLINT = 3,
                      DUCKDB_INTEGER = 4,
                      DUCKDB_BIGINT = 5,
                      DUCKDB_UTINYINT = 6,
                      DUCKDB_USMALLINT = 7,
                      DUCKDB_UINTEGER = 8,
                      DUCKDB_UBIGINT = 9,
                      DUCKDB_FLOAT = 10,
                      DUCKDB_DOUBLE = 11,
                      DUCKDB_TIMESTAMP = 12,
                      DUCKDB_DATE = 13,
                      DUCKDB_HUGEINT = 16,
                      DUCKDB_VARCHAR = 17,
                      DUCKDB_DECIMAL = 19,
                      DUCKDB_TIMESTAMP_S = 20,
                      DUCKDB_TIMESTAMP_MS = 21,
                      DUCKDB_TIMESTAMP_NS = 22,
                      DUCKDB_UUID = 27,
                      DUCKDB_TIMESTAMP_TZ = 31,
                      DUCKDB_UHUGEINT = 32,
};

/* X(what it returns, its name without "duckdb_", what it takes). An int is a duckdb_state: 0, or 1
 * for an error. */
#define DUCKDB_FUNCTIONS(X)                                                                        \
    X(const char *, library_version, (void))                                                       \
    X(void, free, (void *))                                                                        \
    X(int, create_config, (struct duckdb_config **))                                               \
    X(int, set_config, (struct duckdb_config *, const char *name, const char *value))              \
    X(void, destroy_config, (struct duckdb_config **))                                             \
    X(int, open_ext,                                                                               \
      (const char *path, struct duckdb_database **, struct duckdb_config *, char **message))       \
    X(void, close, (struct duckdb_database **))                                                    \
    X(int, connect, (struct duckdb_database *, struct duckdb_connection **))                       \
    X(void, disconnect, (struct duckdb_connection **))                                             \
    X(void, interrupt, (struct duckdb_connection *))                                               \
    X(int, query, (struct duckdb_connection *, const char *sql, struct duckdb_result *))           \
    X(void, destroy_result, (struct duckdb_result *))                                              \
    X(const char *, result_error, (struct duckdb_result *))                                        \
    X(uint64_t, rows_changed, (struct duckdb_result *))                                            \
    X(uint64_t, column_count, (struct duckdb_result *))                                            \
    X(struct duckdb_chunk *, fetch_chunk, (struct duckdb_result))                                  \
    X(int, appender_create_ext,                                                                    \
      (struct duckdb_connection *, const char *catalog, const char *schema, const char *table,     \
       struct duckdb_appender **))                                                                 \
    X(int, appender_create_query,                                                                  \
      (struct duckdb_connection *, const char *sql, uint64_t columns,                              \
       struct duckdb_logical_type **types, const char *table, const char **names,                  \
       struct duckdb_appender **))                                                                 \
    X(int, append_data_chunk, (struct duckdb_appender *, struct duckdb_chunk *))                   \
    X(int, appender_close, (struct duckdb_appender *))                                             \
    X(int, appender_destroy, (struct duckdb_appender **))                                          \
    X(struct duckdb_error_data *, appender_error_data, (struct duckdb_appender *))                 \
    X(int, error_data_error_type, (struct duckdb_error_data *))                                    \
    X(const char *, error_data_message, (struct duckdb_error_data *))                              \
    X(void, destroy_error_data, (struct duckdb_error_data **))                                     \
    X(struct duckdb_logical_type *, create_logical_type, (int type))                               \
    X(struct duckdb_logical_type *, create_decimal_type, (uint8_t width, uint8_t scale))           \
    X(void, destroy_logical_type, (struct duckdb_logical_type **))                                 \
    X(uint64_t, vector_size, (void))                                                               \
    X(struct duckdb_chunk *, create_data_chunk, (struct duckdb_logical_type **, uint64_t columns)) \
    X(void, destroy_data_chunk, (struct duckdb_chunk **))                                          \
    X(void, data_chunk_reset, (struct duckdb_chunk *))                                             \
    X(uint64_t, data_chunk_get_size, (struct duckdb_chunk *))                                      \
    X(void, data_chunk_set_size, (struct duckdb_chunk *, uint64_t rows))                           \
    X(struct duckdb_vector *, data_chunk_get_vector, (struct duckdb_chunk *, uint64_t column))     \
    X(void *, vector_get_data, (struct duckdb_vector *))                                           \
    X(uint64_t *, vector_get_validity, (struct duckdb_vector *))                                   \
    X(void, vector_ensure_validity_writable, (struct duckdb_vector *))                             \
    X(void, vector_assign_string_element_len,                                                      \
      (struct duckdb_vector *, uint64_t row, const char *, uint64_t len))

struct duckdb_library {
#define DUCKDB_MEMBER(returns, name, takes) returns(*name) takes;
    DUCKDB_FUNCTIONS(DUCKDB_MEMBER)
#undef DUCKDB_MEMBER
};

/* `path`: a file, or a name that the loader's search finds (ld.so(8)). CONFIG: it is not there, is
 * no DuckDB or too old a one; the message says where it can be had. */
int duckdb_library_load(struct duckdb_library *ret, const char *path, struct pl_err *err);

/* "v1.5.6" is new enough; exported for its test. */
bool duckdb_version_is_enough(const char *version);

#endif
