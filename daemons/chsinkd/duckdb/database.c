/* SPDX-License-Identifier: Apache-2.0 */
/*
 * database.c - see database.h.
 */
#include "daemons/chsinkd/duckdb/database.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/log/log.h"

/* POSIX locks are a process's: they exclude others, not a second open here. No mutex: a worker's
 * file is closed by the thread that ends the worker. */
static atomic_flag file_is_open = ATOMIC_FLAG_INIT;

/* ---- errors ---- */

/* The first that fits. Texts of DuckDB 1.4 to 2.0; its errors begin with their type
 * (src/common/exception.cpp, EXCEPTION_MAP). */
static const struct {
    const char *begin, *part;
    enum pl_err_kind kind;
} errors[] = {
    {"IO Error", "Conflicting lock", PL_ERR_RETRY},
    {"IO Error", "Permission denied", PL_ERR_CONFIG},
    {"IO Error", "Read-only file system", PL_ERR_CONFIG},
    {"IO Error", "No such file or directory", PL_ERR_CONFIG},
    {"IO Error", "Is a directory", PL_ERR_CONFIG},
    {"IO Error", "not a valid DuckDB database file", PL_ERR_CONFIG},
    {"IO Error", "with version number", PL_ERR_CONFIG},
    {"IO Error", "WAL checkpoint iteration does not match", PL_ERR_CONFIG},
    {"Out of Memory Error", "", PL_ERR_FATAL},
    {"", "failed to pin block", PL_ERR_FATAL}, /* the same, within a COMMIT */
    {"", "could not allocate block", PL_ERR_FATAL},
    {"Constraint Error", "", PL_ERR_REJECT},
    {"Conversion Error", "", PL_ERR_REJECT},
    {"Out of Range Error", "", PL_ERR_REJECT},
    {"Catalog Error", "", PL_ERR_CONFIG},
    {"Binder Error", "", PL_ERR_CONFIG},
    {"Parser Error", "", PL_ERR_CONFIG},
    {"Permission Error", "", PL_ERR_CONFIG},
    {"Invalid Configuration Error", "", PL_ERR_CONFIG},
    {"Invalid Input Error", "catalog version mismatch", PL_ERR_CONFIG}, /* of a DuckLake */
    {"Not implemented Error", "", PL_ERR_CONFIG},
};

enum pl_err_kind duckdb_error_kind(const char *message)
{
    for (size_t i = 0; i < PL_COUNT(errors); i++)
        if (strncmp(message, errors[i].begin, strlen(errors[i].begin)) == 0 &&
            strstr(message, errors[i].part))
            return errors[i].kind;
    return PL_ERR_RETRY;
}

int duckdb_error(struct pl_err *err, const char *message)
{
    if (!message)
        return pl_err_set(err, PL_ERR_RETRY, 0, "DuckDB failed and does not say why");
    enum pl_err_kind kind = duckdb_error_kind(message);
    const char *advice = strstr(message, "Possible solutions:");
    if (!advice)
        advice = strstr(message, "See also http");
    size_t len = advice ? (size_t)(advice - message) : strlen(message);
    while (len > 0 && isspace((unsigned char)message[len - 1]))
        len--;
    return pl_err_set(err, kind, 0, "%.*s%s", (int)len, message,
                      kind == PL_ERR_FATAL ? "; raise duckdb.memory_limit" : "");
}

/* duckdb_error_type, where an appender's message does not begin with it. */
static const struct {
    int type;
    const char *name;
} error_types[] = {
    {1, "Out of Range Error"},   {2, "Conversion Error"}, {13, "Catalog Error"},
    {18, "Constraint Error"},    {24, "Binder Error"},    {28, "IO Error"},
    {33, "Out of Memory Error"},
};

int duckdb_appender_failed(const struct duckdb_library *lib, struct duckdb_appender *appender,
                           struct pl_err *err)
{
    struct duckdb_error_data *data = appender ? lib->appender_error_data(appender) : NULL;
    if (!data)
        return duckdb_error(err, NULL);
    const char *message = lib->error_data_message(data), *name = NULL;
    int type = lib->error_data_error_type(data);
    for (size_t i = 0; i < PL_COUNT(error_types); i++)
        if (error_types[i].type == type &&
            strncmp(message, error_types[i].name, strlen(error_types[i].name)) != 0)
            name = error_types[i].name;
    PL_FREE char *whole = pl_strf(name ? "%s: %s" : "%s%s", name ? name : "", message);
    lib->destroy_error_data(&data);
    return duckdb_error(err, whole);
}

/* "… Conflicting lock is held in /usr/bin/python3.11 (PID 123) by user x. See also …" */
static int open_failed(const char *file, const char *message, struct pl_err *err)
{
    const char *held = message ? strstr(message, "Conflicting lock is held in ") : NULL;
    if (!held) {
        duckdb_error(err, message);
        return pl_err_prefix(err, "cannot open %s", file ? file : "a database in memory");
    }
    held += strlen("Conflicting lock is held in ");
    const char *end = strchr(held, ')');
    return pl_err_set(err, PL_ERR_RETRY, EBUSY,
                      "%.200s is open in another process, %.*s, which must close it first", file,
                      end ? (int)(end + 1 - held) : (int)strlen(held), held);
}

/* ---- opening ---- */

static int option_set(const struct duckdb_library *lib, struct duckdb_config *config,
                      const char *name, const char *value, struct pl_err *err)
{
    if (lib->set_config(config, name, value) == 0)
        return 0;
    return pl_err_set(err, PL_ERR_CONFIG, 0, "DuckDB %s does not take %.60s for its option %s",
                      lib->library_version(), value, name);
}

static int options_set(const struct duckdb_library *lib, struct duckdb_config *config,
                       const struct duckdb_open *how, struct pl_err *err)
{
    char memory[32], threads[24];
    snprintf(memory, sizeof(memory), "%" PRId64 "KiB", how->memory_bytes / 1024);
    snprintf(threads, sizeof(threads), "%" PRId64, how->threads);
    const char *const options[][2] = {
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"memory_limit", how->memory_bytes > 0 ? memory : NULL},
        {"threads", how->threads > 0 ? threads : NULL},
        {"storage_compatibility_version", how->read_only ? NULL : how->storage_version},
        {"access_mode", how->read_only && !how->lake ? "READ_ONLY" : NULL},
    };
    for (size_t i = 0; i < PL_COUNT(options); i++)
        if (options[i][1] && option_set(lib, config, options[i][0], options[i][1], err) < 0)
            return -1;
    return 0;
}

int duckdb_file_check(const char *file, struct pl_err *err)
{
    PL_FREE char *wal = pl_strf("%s.wal", file);
    return pl_path_check(file, false, err) < 0 ? -1 : pl_path_check(wal, false, err);
}

static int extensions_load(struct duckdb *db, const struct pl_strings *extensions,
                           struct pl_err *err)
{
    for (size_t i = 0; extensions && i < extensions->n; i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0};
        pl_buf_add_str(&sql, "LOAD ");
        duckdb_quote_string(&sql, extensions->v[i]);
        if (duckdb_run(db, pl_buf_cstr(&sql), NULL, err) < 0) {
            err->kind = PL_ERR_CONFIG; /* another version's, or no extension */
            return pl_err_prefix(err, "duckdb.extensions: %.200s", extensions->v[i]);
        }
    }
    return 0;
}

static int lake_attach(struct duckdb *db, const struct duckdb_open *how, struct pl_err *err)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0};
    PL_FREE char *catalogue = pl_strf("ducklake:%s", how->file);
    struct duckdb_result result = {0};
    pl_buf_add_str(&sql, "ATTACH ");
    duckdb_quote_string(&sql, catalogue);
    pl_buf_addf(&sql, " AS lake%s; USE lake", how->read_only ? " (READ_ONLY)" : "");
    int rc = db->lib->query(db->connection, pl_buf_cstr(&sql), &result);
    if (rc != 0)
        rc = open_failed(how->file, db->lib->result_error(&result), err);
    db->lib->destroy_result(&result);
    return rc;
}

static int database_open(struct duckdb *db, const struct duckdb_open *how, struct pl_err *err)
{
    const struct duckdb_library *lib = db->lib;
    struct duckdb_config *config = NULL;
    char *message = NULL;
    if (lib->create_config(&config) != 0)
        return duckdb_error(err, NULL);
    int rc = options_set(lib, config, how, err);
    if (rc == 0 &&
        lib->open_ext(how->lake ? NULL : how->file, &db->database, config, &message) != 0)
        rc = open_failed(how->file, message, err);
    lib->destroy_config(&config);
    lib->free(message);
    if (rc == 0 && lib->connect(db->database, &db->connection) != 0)
        rc = pl_err_set(err, PL_ERR_RETRY, 0, "DuckDB gives no connection");
    if (rc == 0)
        rc = extensions_load(db, how->extensions, err);
    return rc == 0 && how->lake ? lake_attach(db, how, err) : rc;
}

/* DuckDB makes a file in its place, where it is empty at first. Another process that opens it in
 * that moment finds no database (and ours would end), and so does everybody after a crash. So it is
 * made beside, and comes to its place whole. Where that cannot be, DuckDB does as it does. */
static void file_make(const struct duckdb_library *lib, const struct duckdb_open *how)
{
    struct stat st;
    if (lstat(how->file, &st) == 0 || errno != ENOENT)
        return;
    PL_FREE char *beside = pl_strf("%s.XXXXXX", how->file);
    int fd = mkstemp(beside); /* for a name that nobody else has */
    if (fd < 0)
        return;
    close(fd);
    unlink(beside);
    struct pl_err err;
    struct duckdb made = {.lib = lib};
    const struct duckdb_open plain = {.file = beside, .storage_version = how->storage_version};
    bool whole = database_open(&made, &plain, &err) == 0;
    duckdb_close(&made);
    if (!whole || link(beside, how->file) < 0) /* another was faster, perhaps */
        pl_log(PL_DEBUG, NULL, "a new DuckDB file was not put in its place",
               PL_F_STR("FILE", how->file), PL_F_STR("ERROR", whole ? strerror(errno) : err.msg));
    unlink(beside);
}

int duckdb_open(struct duckdb *db, const struct duckdb_library *lib, const struct duckdb_open *how,
                struct pl_err *err)
{
    *db = (struct duckdb){.lib = lib};
    if (how->file && duckdb_file_check(how->file, err) < 0)
        return -1;
    if (how->file && atomic_flag_test_and_set(&file_is_open))
        return pl_err_set(err, PL_ERR_RETRY, EBUSY, "%s is open in this process already",
                          how->file);
    db->locked = how->file;
    db->lake = how->lake;
    if (how->file && !how->lake && !how->read_only)
        file_make(lib, how);
    if (database_open(db, how, err) == 0)
        return 0;
    duckdb_close(db);
    return -1;
}

void duckdb_close(struct duckdb *db)
{
    if (db->connection)
        db->lib->disconnect(&db->connection);
    if (db->database)
        db->lib->close(&db->database);
    if (db->locked)
        atomic_flag_clear(&file_is_open);
    *db = (struct duckdb){0};
}

/* ---- statements ---- */

int duckdb_run(struct duckdb *db, const char *sql, uint64_t *ret_changed, struct pl_err *err)
{
    struct duckdb_result result = {0};
    int rc = db->lib->query(db->connection, sql, &result);
    if (rc != 0)
        rc = duckdb_error(err, db->lib->result_error(&result));
    else if (ret_changed)
        *ret_changed = db->lib->rows_changed(&result);
    db->lib->destroy_result(&result);
    return rc;
}

static void field_add(struct pl_buf *out, const struct duckdb_string *s)
{
    uint32_t len = s->near.len;
    pl_buf_add(out, len <= sizeof(s->near.bytes) ? s->near.bytes : s->far.p, len);
}

static void chunk_add(struct duckdb *db, struct duckdb_chunk *chunk, uint64_t columns,
                      struct pl_buf *out)
{
    const struct duckdb_library *lib = db->lib;
    for (uint64_t row = 0, rows = lib->data_chunk_get_size(chunk); row < rows; row++)
        for (uint64_t i = 0; i < columns; i++) {
            struct duckdb_vector *v = lib->data_chunk_get_vector(chunk, i);
            const uint64_t *valid = lib->vector_get_validity(v);
            if (!valid || valid[row / 64] >> (row % 64) & 1)
                field_add(out, (const struct duckdb_string *)lib->vector_get_data(v) + row);
            pl_buf_add_byte(out, '\0');
        }
}

int duckdb_ask(struct duckdb *db, const char *sql, struct pl_buf *ret, size_t *ret_rows,
               struct pl_err *err)
{
    PL_FREE char *as_text = pl_strf("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (%s)", sql);
    struct duckdb_result result = {0};
    struct duckdb_chunk *chunk;
    int rc = db->lib->query(db->connection, as_text, &result);
    if (rc != 0)
        rc = duckdb_error(err, db->lib->result_error(&result));
    uint64_t columns = rc == 0 ? db->lib->column_count(&result) : 0;
    size_t rows = 0;
    while (rc == 0 && (chunk = db->lib->fetch_chunk(result))) {
        rows += db->lib->data_chunk_get_size(chunk);
        chunk_add(db, chunk, columns, ret);
        db->lib->destroy_data_chunk(&chunk);
    }
    if (rc == 0)
        *ret_rows = rows;
    db->lib->destroy_result(&result);
    return rc;
}

static void quote(struct pl_buf *out, char mark, const char *text)
{
    pl_buf_add_byte(out, mark);
    for (; *text; text++) {
        if (*text == mark)
            pl_buf_add_byte(out, mark);
        pl_buf_add_byte(out, *text);
    }
    pl_buf_add_byte(out, mark);
}

void duckdb_quote_ident(struct pl_buf *out, const char *name)
{
    quote(out, '"', name);
}

void duckdb_quote_string(struct pl_buf *out, const char *text)
{
    quote(out, '\'', text);
}
