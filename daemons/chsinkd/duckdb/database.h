/* SPDX-License-Identifier: Apache-2.0 */
/*
 * database.h - an open DuckDB database with a connection: statements, questions, what went wrong.
 *
 * A file is locked while it is open: no other process can open it, not even to read, and one that
 * reads it keeps us out. Within a process nothing of DuckDB's would exclude a second open, which
 * destroys the file; here it is refused.
 *
 * Extensions are never installed, and loaded only by their path: no network. A DuckLake's catalogue
 * is the file that is locked; its tables are those of the current database, as a file's own are.
 *
 * Errors have the kind of duckdb_error_kind(). After any error but REJECT the database is closed
 * and opened again: an error while writing makes it unusable. Threads: one owner;
 * library->interrupt(connection) from any.
 */
#ifndef CHSINKD_DUCKDB_DATABASE_H
#define CHSINKD_DUCKDB_DATABASE_H

#include "daemons/chsinkd/duckdb/library.h"
#include "lib/base/buf.h"
#include "lib/config/options.h"

struct duckdb_open {
    const char *file; /* NULL: in memory */
    bool lake;        /* `file` is the catalogue of a DuckLake, which is attached */
    const struct pl_strings *extensions; /* loaded first; NULL: none */
    const char *storage_version; /* of a file that is made: "v1.2.0"; NULL: the library's own */
    int64_t memory_bytes;        /* memory_limit; 0: DuckDB's default (80 % of the machine's) */
    int64_t threads;             /* 0: DuckDB's default (all cores) */
    bool read_only;              /* a file; nothing of it changes, its WAL stays as it is */
};

struct duckdb { /* zeroed: closed */
    const struct duckdb_library *lib;
    struct duckdb_database *database;
    struct duckdb_connection *connection;
    bool locked; /* it is a file */
    bool lake;
};

/* Whether `file` and its WAL are regular files, or can become ones: CONFIG, as no later try helps.
 * Does not open them (a pipe would wait for its other end). */
int duckdb_file_check(const char *file, struct pl_err *err);

/* RETRY with code EBUSY: another process, whose program and PID the message has, holds the file.
 * CONFIG: no permission, no such folder, no regular file or no DuckDB
 * file, or made by a newer DuckDB. `db` is zeroed
 * or closed. Replays what a killed process left in the file's WAL (seconds for some 100 MB). */
int duckdb_open(struct duckdb *db, const struct duckdb_library *lib, const struct duckdb_open *how,
                struct pl_err *err);
/* Checkpoints. Also of one that is closed. */
void duckdb_close(struct duckdb *db);

/* A statement. ret_changed may be NULL: how many rows it has changed. */
int duckdb_run(struct duckdb *db, const char *sql, uint64_t *ret_changed, struct pl_err *err);

/* A question's answer: fields as text, one after the other, each ended by a NUL; NULL is "".
 * Appended; *ret_rows: how many. */
int duckdb_ask(struct duckdb *db, const char *sql, struct pl_buf *ret, size_t *ret_rows,
               struct pl_err *err);

/* Appended: "a ""name""", 'it''s'. */
void duckdb_quote_ident(struct pl_buf *out, const char *name);
void duckdb_quote_string(struct pl_buf *out, const char *text);

/* DuckDB's message ("IO Error: …") as a decision. REJECT: these rows are refused for their content;
 * CONFIG: nothing works until a person acts; FATAL: out of memory_limit; RETRY: anything else. */
enum pl_err_kind duckdb_error_kind(const char *message);

/* Sets err to DuckDB's message, without its advice for programmers. Returns -1. */
int duckdb_error(struct pl_err *err, const char *message);
/* The same for an appender that failed. */
int duckdb_appender_failed(const struct duckdb_library *lib, struct duckdb_appender *appender,
                           struct pl_err *err);

#endif
