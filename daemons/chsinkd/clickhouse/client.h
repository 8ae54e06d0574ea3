/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - ClickHouse over HTTP: queries and inserts on one kept connection, and what its
 * answers mean.
 *
 * Each thread that talks to the server has a `struct clickhouse` of its own; calls block, bounded
 * by the configured time limits. Several URLs: the next one is tried when one does not answer; the
 * one that answered is kept.
 *
 * What is sent is explicit. The promise rests on async_insert=0, wait_end_of_query=1,
 * insert_deduplicate=1, insert_deduplication_token and
 * deduplicate_blocks_in_dependent_materialized_views=1, which the configuration cannot change; it
 * can change max_partitions_per_insert_block=0, input_format_native_allow_types_conversion=0,
 * input_format_null_as_default=0 and input_format_skip_unknown_fields=0 (without the last three the
 * server converts silently). A statement carries only wait_end_of_query, so that a read-only user
 * can ask. A 200 is success only when X-ClickHouse-Exception-Code is absent and the body holds no
 * exception. The password travels in the header X-ClickHouse-Key, never in the URL.
 *
 * Threads: one owner each. No logging.
 */
#ifndef CHSINKD_CLICKHOUSE_CLIENT_H
#define CHSINKD_CLICKHOUSE_CLIENT_H

#include <stdatomic.h>
#include <sys/uio.h>

#include "daemons/chsinkd/clickhouse/body.h"
#include "lib/http/http.h"

struct clickhouse_conf {    /* borrowed; outlives the clients */
    struct pl_strings urls; /* "http://127.0.0.1:8123" or https; no path, no user info */
    char *database, *user;
    struct pl_secret password;
    struct pl_tls tls;
    int compression; /* enum clickhouse_compression; Content-Encoding of the insert's body */
    int64_t connect_timeout_ms, timeout_ms;
    struct pl_map settings; /* further settings for every insert, by the user */
};

struct clickhouse;
struct clickhouse *clickhouse_new(const struct clickhouse_conf *conf);
void clickhouse_free(struct clickhouse *c);
PL_DEFINE_CLEANUP(struct clickhouse *, clickhouse_free);

/* Ends a call that is under way in another thread soon (it fails with RETRY "ended by the caller"),
 * and all later ones, until set to false again. Any thread. */
void clickhouse_abort(struct clickhouse *c, bool aborted);

/* Calls end as by clickhouse_abort() when `asked` says so: for the start, where no thread is there
 * to do that. It is asked about once a second, by the thread that calls. NULL: not any more. */
void clickhouse_stop_when(struct clickhouse *c, bool (*asked)(void));

/* What the configuration gives for a setting, or NULL; how many URLs it has. */
const char *clickhouse_setting(const struct clickhouse *c, const char *name);
size_t clickhouse_urls(const struct clickhouse *c);

/* Runs a statement. The answer's body (in the format that the query names) is appended to
 * `ret_body` (its max bounds it); NULL: it must be empty or is dropped. `settings` pairs or
 * NULL. */
int clickhouse_query(struct clickhouse *c, const char *sql, const char *const *settings,
                     struct pl_buf *ret_body, struct pl_err *err);

struct clickhouse_insert {
    const char *sql;         /* INSERT INTO … FORMAT Native */
    const char *token;       /* insert_deduplication_token; NULL: none is sent */
    const struct iovec *iov; /* body; n 0: an empty insert, which checks access */
    unsigned iov_n;
    size_t bytes;
};

/* One insert, tried once (on the next URL when connecting fails before a byte was sent). The
 * error's kind:
 *     RETRY    the same insert again (server away, overloaded, outcome unknown): the token makes it
 *              safe
 *     REJECT   the server refused the data, and nothing of it is in the table: bisect
 *     CONFIG   access, unknown table or column; and data refused by a materialized view: the rows
 *              may then be in the table already, and halves of the batch, which have other tokens,
 *              would double them
 * Its code is ClickHouse's where it has one (positive), else 0. */
int clickhouse_insert(struct clickhouse *c, const struct clickhouse_insert *insert,
                      struct pl_err *err);

/* An answer as it came in. */
struct clickhouse_answer {
    const char *host;           /* for the message */
    long status;                /* HTTP; 0: none */
    const char *exception_code; /* X-ClickHouse-Exception-Code, or NULL */
    const char
        *body; /* rows, or an error's text, or rows and then an error's text; not terminated */
    size_t body_len;
};
/* Is it success? 0, or -1 with the server's error: its kind, code, first line, and what to do.
 * Pure. An answer that was cut may hold an error, too: ask this before believing the
 * transport's. */
int clickhouse_answer_check(const struct clickhouse_answer *a, struct pl_err *err);

/* The decision for a server's error code: pure, tested by a table. `status` is the HTTP status (0:
 * none). Code 0 is an answer that is not ClickHouse's (a proxy's). For codes that nobody listed the
 * status decides: 4xx is what ClickHouse uses for data and text it cannot read (REJECT), and 5xx
 * for everything else (RETRY: waiting loses nothing and is seen, a wrong REJECT would fill the
 * dead-letter topic with good messages). */
enum pl_err_kind clickhouse_err_kind(int code, long status);
/* True for codes that mean that the schema changed under us (16 20 47 53 60 117): read it again,
 * try once more. */
bool clickhouse_err_is_schema(int code);

/* "23.8.1.94" as 23008; 0 when unknown. Asked once per connection. */
int clickhouse_version(struct clickhouse *c, unsigned *ret_version, char *ret_text, size_t text_len,
                       struct pl_err *err);

/* `name` or a`b as a quoted identifier; 'text' as a quoted literal. Appended. */
void clickhouse_quote_ident(struct pl_buf *out, const char *name);
void clickhouse_quote_string(struct pl_buf *out, const char *text, size_t len);

#endif
