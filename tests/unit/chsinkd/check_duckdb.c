/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_duckdb.c - DuckDB's library as it is loaded, a database that is opened, and a block's rows
 * in it. What needs the library is run with DUCKDB_LIBRARY=PATH in the environment, as
 * tests/services/duckdb.sh prints it.
 *
 * links: chsinkd
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/duckdb/append.h"
#include "daemons/chsinkd/duckdb/database.h"
#include "tests/unit/rows_fixture.h"

/* ---- without the library ---- */

START_TEST(versions)
{
    static const char *const enough[] = {"v1.4.0", "v1.4.5-dev12", "v1.10.0", "v2.0.0", "v10.1"};
    static const char *const old[] = {"v1.3.9", "v0.10.2", "", "1.4.0", "development", "v1"};
    for (size_t i = 0; i < PL_COUNT(enough); i++)
        ck_assert_msg(duckdb_version_is_enough(enough[i]), "%s", enough[i]);
    for (size_t i = 0; i < PL_COUNT(old); i++)
        ck_assert_msg(!duckdb_version_is_enough(old[i]), "%s", old[i]);
}
END_TEST

/* What is missing, and where it can be had, in one message that is not cut. */
START_TEST(not_there)
{
    struct duckdb_library lib;
    struct pl_err err;
    static const struct {
        const char *path, *why;
    } cases[] = {
        {"/nowhere/libduckdb.so", "No such file"},
        {"/etc/passwd", "invalid ELF header"},
        {"libc.so.6", "it has no function duckdb_library_version"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        ck_assert_int_eq(duckdb_library_load(&lib, cases[i].path, &err), -1);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, cases[i].why) && strstr(err.msg, "option \"library\"") &&
                          strstr(err.msg, "npm") && strstr(err.msg, "duckdb_jdbc"),
                      "%s", err.msg);
    }
}
END_TEST

START_TEST(errors_have_kinds)
{
    static const struct {
        const char *message;
        enum pl_err_kind kind;
    } cases[] = {
        {"IO Error: Could not set lock on file \"x\": Conflicting lock is held in y (PID 1)",
         PL_ERR_RETRY},
        {"IO Error: Cannot open file \"x\": Permission denied", PL_ERR_CONFIG},
        {"IO Error: Cannot open file \"x\": No such file or directory", PL_ERR_CONFIG},
        {"IO Error: Could not write file \"x\": No space left on device", PL_ERR_RETRY},
        {"IO Error: The file \"x\" exists, but it is not a valid DuckDB database file!",
         PL_ERR_CONFIG},
        {"IO Error: Trying to read a database file with version number 69, but we can only read",
         PL_ERR_CONFIG},
        {"Constraint Error: NOT NULL constraint failed: t.x", PL_ERR_REJECT},
        {"Conversion Error: Type INT64 with value 1 can't be cast", PL_ERR_REJECT},
        {"Out of Range Error: Overflow in addition of INT64", PL_ERR_REJECT},
        {"Out of Memory Error: could not allocate block", PL_ERR_FATAL},
        {"TransactionContext Error: Failed to commit: failed to pin block of size 256.0 KiB",
         PL_ERR_FATAL},
        {"Catalog Error: Table with name t does not exist!", PL_ERR_CONFIG},
        {"Invalid Input Error: DuckLake catalog version mismatch: catalog version is 0.3, but the",
         PL_ERR_CONFIG},
        {"INTERRUPT Error: Interrupted!", PL_ERR_RETRY},
        {"FATAL Error: Failed: database has been invalidated", PL_ERR_RETRY},
        {"", PL_ERR_RETRY},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_msg(duckdb_error_kind(cases[i].message) == cases[i].kind, "%s: %d",
                      cases[i].message, duckdb_error_kind(cases[i].message));
}
END_TEST

/* ---- with it ---- */

static struct duckdb_library lib;
static struct duckdb db;
static char *dir, *file;

static void set_up(void)
{
    struct pl_err err;
    ck_assert_done(duckdb_library_load(&lib, getenv("DUCKDB_LIBRARY"), &err), err);
    dir = unit_dir();
    file = pl_strf("%s/t.duckdb", dir);
}

static void tear_down(void)
{
    duckdb_close(&db);
    free(file);
    free(dir);
}

static void file_open(const char *storage_version)
{
    struct pl_err err;
    ck_assert_done(duckdb_open(&db, &lib,
                               &(struct duckdb_open){.file = file,
                                                     .storage_version = storage_version,
                                                     .memory_bytes = 100 * PL_MIB,
                                                     .threads = 1},
                               &err),
                   err);
}

static void run(const char *sql)
{
    struct pl_err err;
    ck_assert_done(duckdb_run(&db, sql, NULL, &err), err);
}

/* The answer with '|' after each field. */
static void assert_answer(const char *sql, const char *want)
{
    struct pl_buf got = {0};
    struct pl_err err;
    size_t rows;
    ck_assert_done(duckdb_ask(&db, sql, &got, &rows, &err), err);
    for (size_t i = 0; i < got.len; i++)
        if (!got.data[i])
            got.data[i] = '|';
    ck_assert_str_eq(pl_buf_cstr(&got), want);
    pl_buf_release(&got);
}

START_TEST(asks)
{
    file_open("v1.2.0");
    assert_answer("SELECT 1 AS a, NULL AS b, 'a text that is longer than twelve' AS c",
                  "1||a text that is longer than twelve|");
    assert_answer("SELECT range FROM range(3)", "0|1|2|");
    assert_answer("SELECT 1 WHERE false", "");
    assert_answer("SELECT current_setting('autoload_known_extensions'), "
                  "current_setting('autoinstall_known_extensions'), "
                  "current_setting('memory_limit'), current_setting('threads')",
                  "false|false|100.0 MiB|1|");
    struct pl_buf text = {0};
    duckdb_quote_ident(&text, "a \"b\"");
    duckdb_quote_string(&text, "it's");
    ck_assert_str_eq(pl_buf_cstr(&text), "\"a \"\"b\"\"\"'it''s'");
    pl_buf_release(&text);
}
END_TEST

/* The file can be read by the oldest DuckDB that has this version. */
START_TEST(storage_version)
{
    file_open("v1.2.0");
    run("CREATE TABLE t AS SELECT 1 AS a");
    assert_answer("SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal",
                  "v1.2.0+|");
}
END_TEST

START_TEST(one_open_a_process)
{
    struct duckdb second = {0};
    struct pl_err err;
    file_open(NULL);
    ck_assert_int_eq(
        duckdb_open(&second, &lib, &(struct duckdb_open){.file = file, .threads = 1}, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_int_eq(err.code, EBUSY);
    ck_assert_msg(strstr(err.msg, "in this process"), "%s", err.msg);
    duckdb_close(&second);
    duckdb_close(&db);
    file_open(NULL);
}
END_TEST

/* Another process has it: its PID is said, and no advice for programmers. */
START_TEST(held_by_another)
{
    int ready[2], done[2];
    char byte = 0, pid[32];
    ck_assert(pipe(ready) == 0 && pipe(done) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct pl_err err;
        byte = duckdb_open(&db, &lib, &(struct duckdb_open){.file = file, .threads = 1}, &err) == 0;
        if (write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) == 1)
            duckdb_close(&db);
        _exit(0);
    }
    ck_assert(read(ready[0], &byte, 1) == 1 && byte == 1);
    struct pl_err err;
    ck_assert_int_eq(duckdb_open(&db, &lib, &(struct duckdb_open){.file = file}, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_int_eq(err.code, EBUSY);
    snprintf(pid, sizeof(pid), "(PID %d)", child);
    ck_assert_msg(strstr(err.msg, pid) && !strstr(err.msg, "http"), "%s", err.msg);
    ck_assert(write(done[1], &byte, 1) == 1);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    file_open(NULL);
}
END_TEST

START_TEST(cannot_be_opened)
{
    struct pl_err err;
    PL_FREE char *text = pl_strf("%s/text", dir), *nowhere = pl_strf("%s/no/t.duckdb", dir);
    FILE *f = fopen(text, "w");
    for (int i = 0; i < 20000; i++)
        fputc('x', f);
    fclose(f);
    const struct {
        const char *file, *why;
    } cases[] = {
        {text, "not a valid DuckDB database file"},
        {nowhere, "No such file or directory"},
        {dir, "is a folder"},
        {"/proc/t.duckdb", "cannot open"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        ck_assert_int_eq(duckdb_open(&db, &lib, &(struct duckdb_open){.file = cases[i].file}, &err),
                         -1);
        ck_assert_msg(err.kind == PL_ERR_CONFIG, "%s: %s", cases[i].file, err.msg);
        ck_assert_msg(strstr(err.msg, cases[i].why), "%s", err.msg);
    }
    ck_assert_int_eq(duckdb_open(&db, &lib,
                                 &(struct duckdb_open){.file = file, .storage_version = "v0.0.1"},
                                 &err),
                     -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
}
END_TEST

/* ---- rows ---- */

#define COLUMNS                                                                                    \
    "rows: $.r[*]\ncolumns:\n"                                                                     \
    "  - {name: s, path: '@.s', type: String, missing: default}\n"                                 \
    "  - {name: ns, path: '@.s', type: Nullable(String)}\n"                                        \
    "  - {name: low, path: '@.s', type: LowCardinality(Nullable(String))}\n"                       \
    "  - {name: b, path: '@.b', type: Nullable(Bool)}\n"                                           \
    "  - {name: i8, path: '@.i', type: Nullable(Int8), invalid: 'null'}\n"                         \
    "  - {name: i16, path: '@.i', type: Nullable(Int16), invalid: 'null'}\n"                       \
    "  - {name: i32, path: '@.i', type: Nullable(Int32), invalid: 'null'}\n"                       \
    "  - {name: i64, path: '@.i', type: Nullable(Int64), invalid: 'null'}\n"                       \
    "  - {name: u8, path: '@.i', type: Nullable(UInt8), invalid: 'null'}\n"                        \
    "  - {name: u16, path: '@.i', type: Nullable(UInt16), invalid: 'null'}\n"                      \
    "  - {name: u32, path: '@.i', type: Nullable(UInt32), invalid: 'null'}\n"                      \
    "  - {name: u64, path: '@.i', type: Nullable(UInt64), invalid: 'null'}\n"                      \
    "  - {name: f32, path: '@.f', type: Nullable(Float32), invalid: 'null'}\n"                     \
    "  - {name: f64, path: '@.f', type: Nullable(Float64)}\n"                                      \
    "  - {name: x, type: Nullable(Int64), expression: 'i64 * 2'}\n"                                \
    "  - {name: d, path: '@.d', type: Nullable(Date), invalid: 'null'}\n"                          \
    "  - {name: t, path: '@.t', type: Nullable(DateTime), invalid: 'null'}\n"                      \
    "  - {name: tz, path: '@.t', type: \"Nullable(DateTime('Europe/Berlin'))\", "                  \
    "invalid: 'null'}\n"                                                                           \
    "  - {name: t0, path: '@.t', type: Nullable(DateTime64(0)), invalid: 'null'}\n"                \
    "  - {name: t1, path: '@.t', type: Nullable(DateTime64(1)), invalid: 'null'}\n"                \
    "  - {name: t3, path: '@.t', type: Nullable(DateTime64(3)), invalid: 'null'}\n"                \
    "  - {name: t3z, path: '@.t', type: \"Nullable(DateTime64(3, 'UTC'))\", invalid: 'null'}\n"    \
    "  - {name: t6, path: '@.t', type: Nullable(DateTime64(6)), invalid: 'null'}\n"                \
    "  - {name: t9, path: '@.t', type: Nullable(DateTime64(9)), invalid: 'null'}\n"                \
    "  - {name: id, path: '@.id', type: Nullable(UUID)}\n"                                         \
    "  - {name: o, from: offset, type: Int64}\n"

/* The types as duckdb_type_of() names them. */
static void table_create(const struct route *r)
{
    struct pl_buf sql = {0};
    struct pl_err err;
    const char *sep = "CREATE TABLE t (";
    for (unsigned i = 0; i < r->columns_n; i++) {
        const struct column *c = &r->columns[i];
        struct duckdb_type type;
        if (c->source == COLUMN_EXPRESSION)
            continue;
        ck_assert_done(duckdb_type_of(&c->type, &type, &err), err);
        pl_buf_addf(&sql, "%s\"%s\" %s", sep, c->name, type.sql);
        sep = ", ";
    }
    pl_buf_add_byte(&sql, ')');
    run(pl_buf_cstr(&sql));
    pl_buf_release(&sql);
}

static int block_append(const struct block *b, struct pl_err *err)
{
    struct duckdb_appender *appender = NULL;
    ck_assert_int_eq(lib.appender_create_ext(db.connection, NULL, "main", "t", &appender), 0);
    int rc = duckdb_block_append(&lib, appender, b, err);
    if (rc == 0)
        ck_assert_int_eq(lib.appender_close(appender), 0);
    lib.appender_destroy(&appender);
    return rc;
}

/* Each type's zero, ends, and null, read back by DuckDB as text; the catalogue spells the types as
 * we do. */
START_TEST(types)
{
    FIXTURE f = fixture_new(COLUMNS);
    struct pl_err err;
    struct duckdb_type type;
    decode(&f, "{\"r\":[{\"s\":\"\",\"b\":false,\"i\":0,\"f\":0,\"d\":\"1970-01-01\","
               "\"t\":\"1970-01-01T00:00:00Z\",\"id\":\"00000000-0000-0000-0000-000000000000\"},"
               "{},"
               "{\"s\":\"Zürich 12345\\u0000\",\"b\":true,\"i\":-128,\"f\":-0.5,"
               "\"d\":\"2149-06-06\",\"t\":\"2106-02-07T06:28:15Z\","
               "\"id\":\"ffffffff-ffff-ffff-8fff-fffffffffffe\"},"
               "{\"s\":\"twelve bytes\",\"i\":9223372036854775807,\"f\":1e300,"
               "\"t\":\"1900-01-01T00:00:00.123Z\","
               "\"id\":\"00112233-4455-6677-8899-aabbccddeeff\"},"
               "{\"i\":18446744073709551615,\"t\":\"2299-12-31T23:59:59.999999Z\"}]}");
    ck_assert_uint_eq(block_rows(f.block), 5);
    file_open("v1.2.0");
    table_create(f.route);
    ck_assert_done(block_append(f.block, &err), err);
    for (unsigned i = 0; i < f.block->columns_n; i++) {
        const struct column *c = f.block->columns[i].column;
        PL_FREE char *sql =
            pl_strf("SELECT data_type FROM duckdb_columns() WHERE column_name = '%s'", c->name);
        ck_assert_done(duckdb_type_of(&c->type, &type, &err), err);
        PL_FREE char *want = pl_strf("%s|", type.sql);
        assert_answer(sql, want);
    }
    assert_answer("SELECT s, ns, low, b FROM t", "|||false||||"
                                                 "|Zürich 12345||Zürich 12345||Zürich 12345||true|"
                                                 "twelve bytes|twelve bytes|twelve bytes||||||");
    assert_answer("SELECT ns IS NULL, length(ns) FROM t", "false|0|true||false|13|false|12|true||");
    assert_answer("SELECT i8, i16, i32, i64, u8, u16, u32, u64 FROM t",
                  "0|0|0|0|0|0|0|0|"
                  "||||||||"
                  "-128|-128|-128|-128|||||"
                  "|||9223372036854775807||||9223372036854775807|"
                  "|||||||18446744073709551615|");
    assert_answer("SELECT f32, f64 FROM t", "0.0|0.0|||-0.5|-0.5||1e+300|||");
    assert_answer("SELECT d, id FROM t", "1970-01-01|00000000-0000-0000-0000-000000000000|"
                                         "||2149-06-06|ffffffff-ffff-ffff-8fff-fffffffffffe|"
                                         "|00112233-4455-6677-8899-aabbccddeeff|||");
    assert_answer("SELECT max(id), min(id) FROM t", "ffffffff-ffff-ffff-8fff-fffffffffffe|"
                                                    "00000000-0000-0000-0000-000000000000|");
    run("SET TimeZone = 'UTC'");
    assert_answer("SELECT t, tz, t0 FROM t",
                  "1970-01-01 00:00:00|1970-01-01 00:00:00+00|1970-01-01 00:00:00||||"
                  "2106-02-07 06:28:15|2106-02-07 06:28:15+00|2106-02-07 06:28:15|||||||");
    assert_answer("SELECT t1, t3, t3z FROM t WHERE i64 > 0 OR i64 IS NULL",
                  "||||1900-01-01 00:00:00.123|1900-01-01 00:00:00.123+00||||");
    assert_answer("SELECT t6, t9 FROM t WHERE u64 > 0",
                  "1900-01-01 00:00:00.123|1900-01-01 00:00:00.123|2299-12-31 23:59:59.999999||");
}
END_TEST

/* Decimals of each width, wide integers, names, addresses. */
START_TEST(digits_and_names)
{
    FIXTURE f = fixture_new(
        "rows: $.r[*]\ncolumns:\n"
        "  - {name: d4, path: '@.d', type: 'Nullable(Decimal(4, 1))'}\n"
        "  - {name: d9, path: '@.d', type: 'Nullable(Decimal(9, 1))'}\n"
        "  - {name: d18, path: '@.d', type: 'Nullable(Decimal(18, 3))'}\n"
        "  - {name: d38, path: '@.d', type: 'Nullable(Decimal(38, 35))'}\n"
        "  - {name: i128, path: '@.i', type: Nullable(Int128)}\n"
        "  - {name: u128, path: '@.u', type: Nullable(UInt128)}\n"
        "  - {name: d32, path: '@.t', type: Nullable(Date32)}\n"
        "  - {name: e, path: '@.e', type: \"Nullable(Enum8('new' = -1, 'it''s sent' = 2))\"}\n"
        "  - {name: v4, path: '@.ip', type: Nullable(IPv4), invalid: 'null'}\n"
        "  - {name: v6, path: '@.ip', type: Nullable(IPv6)}\n");
    struct pl_err err;
    struct duckdb_type type;
    decode(&f, "{\"r\":[{\"d\":-999.9,\"i\":-170141183460469231731687303715884105728,"
               "\"u\":340282366920938463463374607431768211455,\"t\":\"1900-01-01\","
               "\"e\":\"it's sent\",\"ip\":\"192.0.2.1\"},{},"
               "{\"d\":0.1,\"i\":170141183460469231731687303715884105727,\"u\":0,"
               "\"t\":\"2299-12-31\",\"e\":\"new\",\"ip\":\"2001:db8::1\"}]}");
    ck_assert_msg(block_rows(f.block) == 3, "%s", f.reason);
    file_open("v1.2.0");
    table_create(f.route);
    ck_assert_done(block_append(f.block, &err), err);
    for (unsigned i = 0; i < f.block->columns_n; i++) {
        const struct column *c = f.block->columns[i].column;
        PL_FREE char *sql =
            pl_strf("SELECT data_type FROM duckdb_columns() WHERE column_name = '%s'", c->name);
        ck_assert_done(duckdb_type_of(&c->type, &type, &err), err);
        PL_FREE char *want = pl_strf("%s|", type.sql);
        assert_answer(sql, want);
    }
    assert_answer("SELECT d4, d9, d18, d38 FROM t",
                  "-999.9|-999.9|-999.900|-999.90000000000000000000000000000000000|||||"
                  "0.1|0.1|0.100|0.10000000000000000000000000000000000|");
    assert_answer("SELECT i128, u128 FROM t", "-170141183460469231731687303715884105728|"
                                              "340282366920938463463374607431768211455|||"
                                              "170141183460469231731687303715884105727|0|");
    assert_answer("SELECT d32, e, v4, v6 FROM t",
                  "1900-01-01|it's sent|192.0.2.1|::ffff:192.0.2.1|||||"
                  "2299-12-31|new||2001:db8::1|");
}
END_TEST

/* Around a vector's end and the 64 bits of its validity: each row as it was. */
START_TEST(many_rows)
{
    FIXTURE f = fixture_new("rows: $.r[*]\ncolumns:\n"
                            "  - {name: i, path: '@.i', type: Int64}\n"
                            "  - {name: n, path: '@.n', type: Nullable(Int32)}\n"
                            "  - {name: s, path: '@.s', type: Nullable(String)}\n");
    struct pl_err err;
    uint64_t rows = 2 * lib.vector_size() + 65;
    for (uint64_t i = 0; i < rows; i++) {
        char message[8300], text[8200] = "";
        memset(text, 'x', i % 7 == 0 ? (i * 31) % 8192 : i % 200); /* varints of 1 and 2 bytes */
        snprintf(message, sizeof(message),
                 i % 3 == 0 ? "{\"r\":[{\"i\":%" PRIu64 "}]}"
                            : "{\"r\":[{\"i\":%" PRIu64 ",\"n\":%" PRIu64 ",\"s\":\"%s\"}]}",
                 i, i % 1000, text);
        decode(&f, message);
    }
    ck_assert_uint_eq(block_rows(f.block), rows);
    file_open("v1.2.0");
    table_create(f.route);
    ck_assert_done(block_append(f.block, &err), err);
    PL_FREE char *count = pl_strf("%" PRIu64 "|0|", rows);
    assert_answer("SELECT count(*), count(*) FILTER (i <> rowid OR (n IS NULL) <> (i % 3 = 0) OR "
                  "(s IS NULL) <> (i % 3 = 0) OR n <> i % 1000 OR length(s) <> "
                  "CASE WHEN i % 7 = 0 THEN (i * 31) % 8192 ELSE i % 200 END) FROM t",
                  count);
}
END_TEST

/* What a type cannot hold is refused, with the column. */
START_TEST(refused)
{
    struct pl_err err;
    struct duckdb_type type;
    FIXTURE f = fixture_new("columns:\n  - {name: t8, path: $.t, type: DateTime64(8)}\n");
    file_open("v1.2.0");
    table_create(f.route);
    decode(&f, "{\"t\":\"2262-01-01T00:00:00.00000001Z\"}");
    ck_assert_done(block_append(f.block, &err), err);
    assert_answer("SELECT t8 FROM t", "2262-01-01 00:00:00.00000001|");
    decode(&f, "{\"t\":\"2263-01-01T00:00:00Z\"}");
    ck_assert_int_eq(block_append(f.block, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_REJECT);
    ck_assert_msg(strstr(err.msg, "t8") && strstr(err.msg, "2262"), "%s", err.msg);
    struct ch_type zoned;
    ck_assert_done(ch_type_parse("DateTime64(9, 'UTC')", &zoned, &err), err);
    ck_assert_int_eq(duckdb_type_of(&zoned, &type, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ch_type_release(&zoned);
    static const char *const none[] = {"Decimal(39, 2)", "Int256", "UInt256", "FixedString(2)"};
    for (unsigned i = 0; i < PL_COUNT(none); i++) {
        struct ch_type t;
        ck_assert_done(ch_type_parse(none[i], &t, &err), err);
        ck_assert_int_eq(duckdb_type_of(&t, &type, &err), -1);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, none[i]) && strstr(err.msg, "make it"), "%s", err.msg);
        ch_type_release(&t);
    }
}
END_TEST

START_TEST(keys_that_are_no_text)
{
    struct pl_err err;
    FIXTURE f = fixture_new("columns:\n  - {name: k, from: key, type: String}\n");
    file_open("v1.2.0");
    table_create(f.route);
    struct rows_message m = {
        .topic = "t", .key = "Z\xc3\xbcrich", .key_len = 7, .value = "{}", .value_len = 2};
    rows_decode(f.rows, &m, NULL, f.block, on_reject, &f);
    ck_assert_done(block_append(f.block, &err), err);
    assert_answer("SELECT k FROM t", "Zürich|");
    m.key = "\xff\x00";
    m.key_len = 2;
    rows_decode(f.rows, &m, NULL, f.block, on_reject, &f);
    ck_assert_int_eq(block_append(f.block, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_REJECT);
    ck_assert_msg(strstr(err.msg, "column k"), "%s", err.msg);
}
END_TEST

int main(void)
{
    const char *skip = getenv("DUCKDB_LIBRARY") ? NULL : "DUCKDB_LIBRARY is not set";
    const struct unit_test tests[] = {
        TCASE("none"),
        TEST(versions),
        TEST(not_there),
        TEST(errors_have_kinds),
        TCASE("database", .skip = skip, .set_up = set_up, .tear_down = tear_down),
        TEST(asks),
        TEST(storage_version),
        TEST(one_open_a_process),
        TEST(held_by_another),
        TEST(cannot_be_opened),
        TCASE("rows", .skip = skip, .set_up = set_up, .tear_down = tear_down),
        TEST(types),
        TEST(digits_and_names),
        TEST(many_rows),
        TEST(refused),
        TEST(keys_that_are_no_text),
    };
    return unit_main("duckdb", tests, PL_COUNT(tests));
}
