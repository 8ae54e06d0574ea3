/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - see output.h.
 *
 * With hold: batch each call opens the file and closes it, so that others can read it between; with
 * hold: always it stays open from the first call on. In both a call that fails closes it: after an
 * error while writing DuckDB refuses everything until the file is opened again.
 *
 * A reader that has the file open is waited for in the call, briefly; then the sink's own way with
 * what is away goes on.
 */
#include "daemons/chsinkd/duckdb/output.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemons/chsinkd/batch/batch.h"
#include "daemons/chsinkd/duckdb/append.h"
#include "daemons/chsinkd/duckdb/describe.h"
#include "daemons/chsinkd/duckdb/expression.h"
#include "daemons/chsinkd/duckdb/loads.h"
#include "daemons/chsinkd/duckdb/select.h"
#include "daemons/chsinkd/duckdb/table.h"
#include "daemons/chsinkd/route/table_name.h"
#include "lib/base/clock.h"
#include "lib/base/step.h"
#include "lib/base/time_text.h"

#define OWNED_BUF PL_CLEANUP(pl_buf_release)

/* Four tries a second; opening a file that is locked takes 25 ms of CPU. */
#define HELD_WAIT_MS 10000
#define HELD_POLL_MS 250
/* Nothing but the disk bounds what DuckDB does in a call: replaying the WAL that a killed process
 * left (16 MiB and a batch), a batch, a checkpoint. Measured: 2 s for the largest batch. */
#define WORK_MS (5 * 60 * 1000)

struct target {
    struct output_target base;
    char *name;
};

struct output {
    const struct duckdb_conf *conf;
    struct duckdb_library library;
    bool loaded;
    struct duckdb db;
    dev_t device; /* the file that is open: what the path names may be another by now */
    ino_t inode;
    const struct route *checked; /* its table was compared since the file was opened */
    atomic_bool aborted;
    bool (*asked)(void);
    pthread_mutex_t lock; /* of db.connection, for interrupt() */
};

static struct output_target *target_new(const void *conf, const struct route *r)
{
    (void)conf;
    struct target *t = pl_alloc(sizeof(*t));
    t->name = table_name_text(duckdb_schema(r), r->table);
    t->base = (struct output_target){r, t->name, duckdb_schema(r)};
    return &t->base;
}

static void target_free(struct output_target *base)
{
    struct target *t = (struct target *)base;
    if (!t)
        return;
    free(t->name);
    free(t);
}

static void target_print(const struct output_target *t, struct pl_buf *out)
{
    struct pl_err err;
    if (duckdb_route_check(t->route, &err) < 0)
        pl_buf_addf(out, "-- %s\n", err.msg);
    else
        duckdb_table_sql(t->route, out);
}

static const char *output_where(const void *conf)
{
    const struct duckdb_conf *c = conf;
    return c->attach ? c->attach : c->file;
}

static int64_t output_call_ms(const void *conf)
{
    (void)conf;
    return HELD_WAIT_MS + WORK_MS;
}

static struct output *output_open(const void *conf)
{
    struct output *o = pl_alloc(sizeof(*o));
    o->conf = conf;
    pthread_mutex_init(&o->lock, NULL);
    return o;
}

/* ---- the file ---- */

static void file_close(struct output *o)
{
    pthread_mutex_lock(&o->lock);
    struct duckdb db = o->db;
    o->db = (struct duckdb){0};
    pthread_mutex_unlock(&o->lock);
    o->checked = NULL;
    duckdb_close(&db);
}

static void output_close(struct output *o)
{
    if (!o)
        return;
    file_close(o);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

static void output_abort(struct output *o, bool aborted)
{
    atomic_store(&o->aborted, aborted);
    pthread_mutex_lock(&o->lock);
    if (aborted && o->db.connection)
        o->library.interrupt(o->db.connection);
    pthread_mutex_unlock(&o->lock);
}

static void output_stop_when(struct output *o, bool (*asked)(void))
{
    o->asked = asked;
}

static bool stopped(struct output *o, struct pl_err *err)
{
    if (!atomic_load(&o->aborted) && !(o->asked && o->asked()))
        return false;
    pl_err_set(err, PL_ERR_RETRY, 0, "stopped");
    return true;
}

static int file_open_now(struct output *o, bool read_only, struct pl_err *err)
{
    const struct duckdb_open how = {.file = duckdb_conf_file(o->conf),
                                    .lake = o->conf->attach,
                                    .extensions = &o->conf->extensions,
                                    .storage_version = o->conf->storage_version,
                                    .memory_bytes = o->conf->memory_bytes,
                                    .threads = o->conf->threads,
                                    .read_only = read_only};
    struct duckdb db;
    if (duckdb_open(&db, &o->library, &how, err) < 0)
        return -1;
    struct stat st = {0};
    stat(duckdb_conf_file(o->conf), &st);
    o->device = st.st_dev;
    o->inode = st.st_ino;
    pthread_mutex_lock(&o->lock);
    o->db = db;
    pthread_mutex_unlock(&o->lock);
    return 0;
}

/* The path names another file than the open one, or none: it was deleted, or a copy put back. What
 * were written on would be no one's. */
static bool file_is_another(const struct output *o)
{
    struct stat st;
    if (stat(duckdb_conf_file(o->conf), &st) < 0)
        return errno == ENOENT;
    return st.st_dev != o->device || st.st_ino != o->inode;
}

/* Open, or waits for who holds it. */
static int file_open_as(struct output *o, bool read_only, struct pl_err *err)
{
    if (!o->loaded && duckdb_library_load(&o->library, o->conf->library, err) < 0)
        return -1;
    o->loaded = true;
    if (o->db.connection && file_is_another(o))
        file_close(o);
    int64_t until_ms = pl_clock_monotonic_ms() + HELD_WAIT_MS;
    while (!stopped(o, err)) {
        if (o->db.connection || file_open_now(o, read_only, err) == 0)
            return 0;
        if (err->code != EBUSY || pl_clock_monotonic_ms() >= until_ms)
            return -1;
        usleep(HELD_POLL_MS * 1000);
    }
    return -1;
}

static int file_open(struct output *o, struct pl_err *err)
{
    return file_open_as(o, false, err);
}

/* For calls that only read, beside a service perhaps: with what is open already, or for this call
 * alone; file_read_leave(). */
static int file_open_read(struct output *o, bool *ret_opened, struct pl_err *err)
{
    *ret_opened = !o->db.connection;
    return file_open_as(o, true, err);
}

static void file_read_leave(struct output *o, bool opened)
{
    if (opened)
        file_close(o);
}

/* A link to nowhere is, too: it is refused. */
static bool file_is_there(const struct output *o)
{
    struct stat st;
    return lstat(duckdb_conf_file(o->conf), &st) == 0 || errno != ENOENT;
}

/* The end of a call: `failed` closes it in any case. */
static void file_leave(struct output *o, bool failed)
{
    if (failed || o->conf->hold == DUCKDB_HOLD_BATCH)
        file_close(o);
}

/* ---- ensure ---- */

static int dry_run(struct output *o, const struct output_target *t, const struct output_ensure *how,
                   struct output_state *ret, struct pl_err *err)
{
    bool opened;
    if (file_open_read(o, &opened, err) < 0)
        return -1;
    int rc = duckdb_table_ensure(&o->db, t->route, how, ret, err);
    file_read_leave(o, opened);
    return rc;
}

static int output_ensure(struct output *o, const struct output_target *t,
                         const struct output_ensure *how, struct output_state *ret,
                         struct pl_err *err)
{
    static const struct output_ensure plain;
    how = how ? how : &plain;
    if (duckdb_file_check(duckdb_conf_file(o->conf), err) < 0)
        return -1;
    if (how->dry_run && !file_is_there(o))
        return duckdb_table_ensure(NULL, t->route, how, ret, err);
    if (duckdb_route_check(t->route, err) < 0)
        return -1;
    if (how->dry_run)
        return dry_run(o, t, how, ret, err);
    if (file_open(o, err) < 0)
        return -1;
    int rc = duckdb_table_ensure(&o->db, t->route, how, ret, err);
    o->checked = NULL;
    file_leave(o, rc < 0);
    return rc;
}

static int output_columns(struct output *o, const struct output_target *t, struct column_notes *ret,
                          struct pl_err *err)
{
    bool opened;
    if (!file_is_there(o))
        return 0;
    if (file_open_read(o, &opened, err) < 0)
        return -1;
    int rc = duckdb_table_columns(&o->db, t->route, ret, err);
    file_read_leave(o, opened);
    return rc;
}

/* ---- the position ---- */

static void add_place(struct pl_buf *sql, const struct output_target *t,
                      const struct output_range *range)
{
    pl_buf_add_str(sql, " WHERE group_id = ");
    duckdb_quote_string(sql, range->group);
    pl_buf_add_str(sql, " AND topic = ");
    duckdb_quote_string(sql, range->topic);
    pl_buf_addf(sql, " AND \"partition\" = %" PRId32 " AND table_name = ", range->partition);
    duckdb_quote_string(sql, t->name);
}

/* -1: none. Its note is appended. */
static int position_read(struct output *o, const struct output_target *t,
                         const struct output_range *range, int64_t *ret, struct pl_buf *ret_note,
                         struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0}, answer = {0};
    size_t rows;
    pl_buf_add_str(&sql, "SELECT next_offset, note FROM " DUCKDB_OFFSETS);
    add_place(&sql, t, range);
    if (duckdb_ask(&o->db, pl_buf_cstr(&sql), &answer, &rows, err) < 0)
        return -1;
    if (rows > 1)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          DUCKDB_OFFSETS " has %zu rows for one partition of topic %s: somebody "
                                         "else has written there; leave the right one",
                          rows, range->topic);
    *ret = rows == 0 ? -1 : strtoll(answer.data, NULL, 10);
    if (rows == 1) {
        size_t len = strlen(answer.data) + 1;
        pl_buf_add(ret_note, answer.data + len, answer.len - len - 1);
    }
    return 0;
}

static int position_write(struct output *o, const struct output_target *t,
                          const struct output_range *range, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    char now[32];
    uint64_t changed = 0;
    pl_time_format(pl_clock_realtime_ms() / 1000, 0, now);
    if (range->position < 0) {
        pl_buf_add_str(&sql, "INSERT INTO " DUCKDB_OFFSETS " (group_id, topic, \"partition\", "
                             "table_name, next_offset, note, updated_at) VALUES (");
        duckdb_quote_string(&sql, range->group);
        pl_buf_add_str(&sql, ", ");
        duckdb_quote_string(&sql, range->topic);
        pl_buf_addf(&sql, ", %" PRId32 ", ", range->partition);
        duckdb_quote_string(&sql, t->name);
        pl_buf_addf(&sql, ", %" PRId64 ", ", range->end);
        duckdb_quote_string(&sql, range->note ? range->note : "");
        pl_buf_addf(&sql, ", '%s')", now);
    } else {
        pl_buf_addf(&sql,
                    "UPDATE " DUCKDB_OFFSETS " SET next_offset = %" PRId64 ", note = ", range->end);
        duckdb_quote_string(&sql, range->note ? range->note : "");
        pl_buf_addf(&sql, ", updated_at = '%s'", now);
        add_place(&sql, t, range);
        pl_buf_addf(&sql, " AND next_offset = %" PRId64, range->position);
    }
    if (duckdb_run(&o->db, pl_buf_cstr(&sql), &changed, err) < 0)
        return -1;
    return changed == 1
               ? 0
               : pl_err_set(err, PL_ERR_RETRY, 0, "the position changed %" PRIu64 " rows", changed);
}

static int output_position(struct output *o, const struct output_target *t,
                           const struct output_range *range, int64_t *ret_offset,
                           struct pl_buf *ret_note, struct pl_err *err)
{
    if (file_open(o, err) < 0)
        return -1;
    int rc = position_read(o, t, range, ret_offset, ret_note, err);
    file_leave(o, rc < 0);
    return rc;
}

/* ---- rows ---- */

/* What is done with each chunk that is appended: expressions are computed there. (As fast as the
 * appender of a table, which knows no expressions.) */
static void insert_sql(const struct route *r, struct pl_buf *sql)
{
    struct pl_err err;
    int64_t now_ms = pl_clock_realtime_ms();
    pl_buf_add_str(sql, "INSERT INTO ");
    duckdb_table_name(r, sql);
    for (unsigned i = 0; i < r->columns_n; i++) {
        pl_buf_add_str(sql, i == 0 ? " (" : ", ");
        duckdb_quote_ident(sql, r->columns[i].name);
    }
    for (unsigned i = 0; i < r->columns_n; i++) {
        pl_buf_add_str(sql, i == 0 ? ") SELECT " : ", ");
        if (r->columns[i].source == COLUMN_EXPRESSION)
            duckdb_expression(r, &r->columns[i], now_ms, sql, &err); /* it was checked */
        else
            duckdb_quote_ident(sql, r->columns[i].name);
    }
    pl_buf_add_str(sql, " FROM appended");
}

static int appender_create(struct output *o, const struct route *r, struct duckdb_appender **ret,
                           struct pl_err *err)
{
    const struct duckdb_library *lib = &o->library;
    OWNED_BUF struct pl_buf sql = {0};
    struct duckdb_logical_type *types[ROUTE_COLUMNS_MAX];
    const char *names[ROUTE_COLUMNS_MAX];
    unsigned n = duckdb_block_types(lib, r, types), named = 0;
    for (unsigned i = 0; i < r->columns_n; i++)
        if (r->columns[i].source != COLUMN_EXPRESSION)
            names[named++] = r->columns[i].name;
    insert_sql(r, &sql);
    int failed = lib->appender_create_query(o->db.connection, pl_buf_cstr(&sql), n, types,
                                            "appended", names, ret);
    for (unsigned i = 0; i < n; i++)
        lib->destroy_logical_type(&types[i]);
    return failed ? duckdb_appender_failed(lib, *ret, err) : 0;
}

static int rows_write(struct output *o, const struct output_target *t, const struct block *block,
                      struct pl_err *err)
{
    const struct duckdb_library *lib = &o->library;
    struct duckdb_appender *appender = NULL;
    int rc = appender_create(o, t->route, &appender, err);
    if (rc == 0)
        rc = duckdb_block_append(lib, appender, block, err);
    if (rc == 0 && lib->appender_close(appender) != 0)
        rc = duckdb_appender_failed(lib, appender, err);
    if (appender)
        lib->appender_destroy(&appender);
    return rc;
}

/* ---- insert ---- */

static enum output_answer answer_of(const struct pl_err *err)
{
    switch (err->kind) {
    case PL_ERR_REJECT:
        return OUTPUT_REFUSED;
    case PL_ERR_FATAL: /* memory_limit */
        return OUTPUT_TOO_LARGE;
    case PL_ERR_CONFIG:
        return OUTPUT_HELD;
    case PL_ERR_NONE:
    case PL_ERR_RETRY:
    case PL_ERR_FENCED:
        return OUTPUT_RETRY;
    }
    return OUTPUT_RETRY;
}

/* In a transaction. DONE: rows and position are in it. */
static enum output_answer batch_write(struct output *o, const struct output_target *t,
                                      const struct output_range *range, const struct batch *b,
                                      struct pl_err *err)
{
    OWNED_BUF struct pl_buf note = {0};
    int64_t kept;
    if (position_read(o, t, range, &kept, &note, err) < 0)
        return answer_of(err);
    if (kept != range->position) {
        pl_err_set(err, PL_ERR_RETRY, 0,
                   "the position in %s is %" PRId64 ", not %" PRId64 ": another has written",
                   duckdb_conf_file(o->conf), kept, range->position);
        return OUTPUT_MOVED;
    }
    if (block_rows(b->block) > 0 && rows_write(o, t, b->block, err) < 0)
        return answer_of(err);
    if (position_write(o, t, range, err) < 0 ||
        duckdb_load_add(&o->db, t, range, (int64_t)block_rows(b->block), err) < 0)
        return answer_of(err);
    return OUTPUT_DONE;
}

/* Whether this very batch is there: an answer was lost. */
static bool batch_is_there(struct output *o, const struct output_target *t,
                           const struct output_range *range)
{
    OWNED_BUF struct pl_buf note = {0};
    struct pl_err err;
    int64_t kept;
    return position_read(o, t, range, &kept, &note, &err) == 0 && kept == range->end &&
           strcmp(pl_buf_cstr(&note), range->note ? range->note : "") == 0;
}

/* The batch is there, whatever becomes of this; after an error the file is opened again. */
static void took_write(struct output *o, const struct output_target *t,
                       const struct output_range *range, int64_t began_ms)
{
    struct pl_err unseen;
    if (o->db.lake) /* each transaction is a snapshot, which stays */
        return;
    if (duckdb_load_took(&o->db, t, range, pl_clock_monotonic_ms() - began_ms, &unseen) < 0)
        file_close(o);
}

static enum output_answer transact(struct output *o, const struct output_target *t,
                                   const struct output_range *range, const struct batch *b,
                                   struct pl_err *err)
{
    struct pl_err rolled_back;
    int64_t began_ms = pl_clock_monotonic_ms();
    if (o->checked != t->route && duckdb_table_check(&o->db, t->route, err) < 0)
        return answer_of(err);
    o->checked = t->route;
    if (duckdb_run(&o->db, "BEGIN", NULL, err) < 0)
        return answer_of(err);
    PL_STEP("duckdb.begun");
    enum output_answer answer = batch_write(o, t, range, b, err);
    if (answer == OUTPUT_DONE) {
        PL_STEP("duckdb.written");
        if (duckdb_run(&o->db, "COMMIT", NULL, err) == 0) {
            PL_STEP("duckdb.committed");
            took_write(o, t, range, began_ms);
            return OUTPUT_DONE;
        }
        /* What was refused, or too large, was rolled back. */
        return err->kind == PL_ERR_REJECT  ? OUTPUT_REFUSED
               : err->kind == PL_ERR_FATAL ? OUTPUT_TOO_LARGE
                                           : OUTPUT_UNKNOWN;
    }
    if (answer == OUTPUT_MOVED && batch_is_there(o, t, range))
        answer = OUTPUT_DONE;
    duckdb_run(&o->db, "ROLLBACK", NULL, &rolled_back);
    return answer;
}

static enum output_answer output_insert(struct output *o, const struct output_target *t,
                                        const struct output_range *range, const struct batch *b,
                                        const char *token, struct pl_err *err)
{
    (void)token;
    if (file_open(o, err) < 0)
        return answer_of(err);
    enum output_answer answer = transact(o, t, range, b, err);
    bool whole = answer == OUTPUT_DONE || answer == OUTPUT_MOVED;
    file_leave(o, !whole);
    if (err->kind == PL_ERR_FATAL) /* of the batch, not of this process */
        err->kind = PL_ERR_RETRY;
    return answer;
}

/* ---- for --show ---- */

static int output_describe(struct output *o, const struct output_target *t, const char *group,
                           struct output_facts *ret, struct pl_err *err)
{
    bool opened;
    if (!file_is_there(o))
        return duckdb_describe(NULL, duckdb_conf_file(o->conf), t, group, ret, err);
    if (file_open_read(o, &opened, err) < 0)
        return -1;
    int rc = duckdb_describe(&o->db, duckdb_conf_file(o->conf), t, group, ret, err);
    file_read_leave(o, opened);
    return rc;
}

/* A DuckLake's rows are in files of their own. */
static int lake_files_allow(struct output *o, struct pl_err *err)
{
    OWNED_BUF struct pl_buf folder = {0}, sql = {0};
    size_t rows;
    if (duckdb_ask(&o->db, "SELECT data_path FROM ducklake_settings(current_database())", &folder,
                   &rows, err) < 0)
        return -1;
    pl_buf_add_str(&sql, "SET allowed_directories = [");
    duckdb_quote_string(&sql, rows > 0 ? folder.data : "");
    pl_buf_add_byte(&sql, ']');
    return duckdb_run(&o->db, pl_buf_cstr(&sql), NULL, err);
}

/* Always in a database of its own: what the statement is confined to stays so until it is
 * closed. */
static int output_query(struct output *o, const char *sql, int64_t rows_max,
                        struct output_rows *ret, struct pl_err *err)
{
    bool opened;
    file_close(o);
    if (file_open_read(o, &opened, err) < 0)
        return -1;
    int rc = o->db.lake ? lake_files_allow(o, err) : 0;
    if (rc == 0)
        rc = duckdb_select(&o->db, sql, rows_max, ret, err);
    file_close(o);
    return rc;
}

const struct output_kind duckdb_output = {
    .name = "DuckDB",
    /* Each commit of hold: batch opens, checkpoints and closes the file. */
    .batch = {.rows = 50000, .bytes = 64 * PL_MIB, .age_ms = 5000},
    .writers_max = 1,
    .where = output_where,
    .call_ms = output_call_ms,
    .target_new = target_new,
    .target_free = target_free,
    .target_print = target_print,
    .open = output_open,
    .close = output_close,
    .abort = output_abort,
    .stop_when = output_stop_when,
    .ensure = output_ensure,
    .columns = output_columns,
    .insert = output_insert,
    .position = output_position,
    .describe = output_describe,
    .query = output_query,
};
