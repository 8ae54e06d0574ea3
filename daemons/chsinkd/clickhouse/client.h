/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - ClickHouse over HTTP: queries and inserts on one kept connection, and what its
 * answers mean.
 *
 * Each thread that talks to the server has its own `struct clickhouse`; calls block, bounded by the
 * configured time limits. Several URLs: the next one is tried when one does not answer; the
 * one that answered is kept.
 *
 * What is sent is explicit. The promise rests on async_insert=0, wait_end_of_query=1,
 * insert_deduplicate=1, insert_deduplication_token and
 * deduplicate_blocks_in_dependent_materialized_views=1, which the configuration cannot change; it
 * can change max_partitions_per_insert_block=0, input_format_native_allow_types_conversion=0,
 * input_format_null_as_default=0 and input_format_skip_unknown_fields=0 (without the last three the
 * server converts silently). A statement carries only wait_end_of_query, so that a read-only user
 * can run it. A 200 is a success only when X-ClickHouse-Exception-Code is absent and the body holds
 * no exception. The password travels in the header X-ClickHouse-Key, never in the URL.
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

/* Soon ends the call that another thread is in (it fails with RETRY "ended by the caller"), and all
 * later ones, until set to false again. Any thread. */
void clickhouse_abort(struct clickhouse *c, bool aborted);

/* Calls end as by clickhouse_abort() when `asked` returns true: for the start, where no other
 * thread could call that. It is called about once a second, in the thread of the call. NULL: no
 * longer. */
void clickhouse_stop_when(struct clickhouse *c, bool (*asked)(void));

const struct clickhouse_conf *clickhouse_conf(const struct clickhouse *c);

/* Runs a statement. The answer's body (in the format that the query names) is appended to
 * `ret_body` (whose max bounds it); NULL: it is dropped. */
int clickhouse_query(struct clickhouse *c, const char *sql, struct pl_buf *ret_body,
                     struct pl_err *err);

struct clickhouse_insert {
    const char *sql;         /* INSERT INTO … FORMAT Native */
    const char *token;       /* insert_deduplication_token; NULL: none is sent */
    const struct iovec *iov; /* body; n 0: an empty insert, which checks access */
    unsigned iov_n;
};

/* One insert, tried once (on the next URL when connecting fails before a byte was sent). The
 * error's kind:
 *     RETRY    the same insert again (server away, overloaded, outcome unknown): the token makes it
 *              safe
 *     REJECT   the server refused the data, and none of it is in the table: bisect
 *     CONFIG   access, unknown table or column; and data refused by a materialized view: the rows
 *              may be in the table already, and halves of the batch, with other tokens, would
 *              double them
 * Its code is ClickHouse's where it has one (positive), else 0. */
int clickhouse_insert(struct clickhouse *c, const struct clickhouse_insert *insert,
                      struct pl_err *err);

struct clickhouse_answer {
    const char *host;           /* for the message */
    long status;                /* HTTP; 0: none */
    const char *exception_code; /* X-ClickHouse-Exception-Code, or NULL */
    const char *body;           /* rows, an error's text, or both in this order; not terminated */
    size_t body_len;
};
/* 0 for success, or -1 with the server's error: its kind, code, first line, and what to do. Pure.
 * An answer that was cut may hold an error, too: call this before using the transport's. */
int clickhouse_answer_check(const struct clickhouse_answer *a, struct pl_err *err);

/* The decision for a server's error code: pure, tested by a table. `status` is the HTTP status (0:
 * none). Code 0 is an answer that is not ClickHouse's (a proxy's). For codes that are not listed
 * the status decides: ClickHouse uses 4xx for data and text it cannot read (REJECT), and 5xx for
 * everything else (RETRY: waiting loses nothing and is seen, a wrong REJECT would fill the
 * dead-letter topic with good messages). */
enum pl_err_kind clickhouse_err_kind(int code, long status);
/* True for codes that mean that the schema has changed (16 20 47 53 60 117): read it again and try
 * once more. */
bool clickhouse_err_is_schema(int code);

/* `name` or a`b as a quoted identifier; 'text' as a quoted literal. Appended. */
void clickhouse_quote_ident(struct pl_buf *out, const char *name);
void clickhouse_quote_string(struct pl_buf *out, const char *text, size_t len);

#endif
