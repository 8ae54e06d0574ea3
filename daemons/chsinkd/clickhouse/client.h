/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - ClickHouse over HTTP: queries and inserts on one kept connection, and what its
 * answers mean.
 *
 * Each thread that talks to the server has its own `struct clickhouse`; calls block, bounded by
 * the configured time limits. Several URLs: the next one is tried when one does not answer; the
 * one that answered is kept.
 *
 * What is sent is explicit. The promise rests on async_insert=0, wait_end_of_query=1,
 * insert_deduplicate=1, insert_deduplication_token,
 * deduplicate_blocks_in_dependent_materialized_views=1 and materialized_views_ignore_errors=0,
 * which the configuration cannot change; it can change max_partitions_per_insert_block=0,
 * input_format_native_allow_types_conversion=0, input_format_null_as_default=0 and
 * input_format_skip_unknown_fields=0 (without the last three the server converts silently).
 * Settings that older servers do not know are not sent; table_ensure() refuses a user whose
 * profile has them otherwise. A statement carries only wait_end_of_query, so that a read-only
 * user can run it.
 *
 * A 200 is a success only when it has X-ClickHouse-Query-Id and no X-ClickHouse-Exception-Code
 * and the body holds no exception. The password travels in the header X-ClickHouse-Key, never in
 * the URL.
 *
 * Threads: one owner each. No logging.
 */
#ifndef CHSINKD_CLICKHOUSE_CLIENT_H
#define CHSINKD_CLICKHOUSE_CLIENT_H

#include <stdatomic.h>
#include <sys/uio.h>

#include "daemons/chsinkd/clickhouse/body.h"
#include "daemons/chsinkd/output/output.h"
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
/* The same for rows in a binary format, which may hold anything. The server sends nothing before
 * the query's end, so an error comes with its status; the caller must still find the rows
 * complete. */
int clickhouse_read(struct clickhouse *c, const char *sql, struct pl_buf *ret_body,
                    struct pl_err *err);

/* Runs a statement that only reads, a person's perhaps: the server refuses any other (readonly=1),
 * whatever the user may do. At most `rows_max` rows, 0: all. The answer's form is
 * CLICKHOUSE_SELECT_FORMAT; a statement that names another is refused. */
#define CLICKHOUSE_SELECT_FORMAT "TabSeparatedWithNamesAndTypes"
int clickhouse_select(struct clickhouse *c, const char *sql, int64_t rows_max,
                      struct pl_buf *ret_body, struct pl_err *err);

/* Whether clickhouse.settings may have this. False: exactly once rests on `*ret_wanted`, or (NULL)
 * on what each insert has of its own. */
bool clickhouse_setting_allowed(const char *name, const char *value, const char **ret_wanted);
/* The settings that are not sent but must be as clickhouse_setting_allowed() says, from 0; NULL
 * after the last. */
const char *clickhouse_setting_checked(size_t i);

struct clickhouse_insert {
    const char *sql;         /* INSERT INTO … FORMAT Native */
    const char *token;       /* insert_deduplication_token; NULL: none is sent */
    const struct iovec *iov; /* body; n 0: an empty insert, which checks access */
    unsigned iov_n;
    bool null_as_default; /* null in a column that is not Nullable is the table's DEFAULT */
};

/* One insert, tried once (on the next URL when connecting fails before a byte was sent). All
 * answers but DONE set `err`; its code is ClickHouse's where it has one (positive), else 0; its
 * kind is REJECT for REFUSED, CONFIG for HELD, else RETRY.
 *
 * RETRY: no byte was sent, or the server said no before it wrote a row. An answer to a body that
 * was sent is UNKNOWN if it is not a clear refusal.
 *
 * A materialized view that fails is HELD, whatever its error. The table's own rows are written
 * and visible by then, and those of the views that ran before (tried with 26.7: with one table
 * partition or many, with and without parallel_view_processing, whatever the view's error, but for
 * too many parts in the view's table, which is found first; ClickHouse's manual promises nothing,
 * see materialized_views_ignore_errors). Sent again in halves, with other
 * tokens, they would be doubled; taken out of the batch because the table has them, the view
 * would never get them. The same insert with the same token, once the view is mended, gives the
 * view its rows and leaves the others as they are. */
enum output_answer clickhouse_insert(struct clickhouse *c, const struct clickhouse_insert *insert,
                                     struct pl_err *err);

struct clickhouse_answer {
    const char *host;           /* for the message */
    long status;                /* HTTP; 0: none */
    const char *exception_code; /* X-ClickHouse-Exception-Code, or NULL */
    const char *query_id;       /* X-ClickHouse-Query-Id, or NULL */
    const char *body;           /* rows, an error's text, or both in this order; not terminated */
    size_t body_len;
    bool binary; /* rows could look like an exception: in a success the body is not searched */
};
/* What an answer means for an insert; for statements only DONE matters. Pure. An answer that was
 * cut may hold an error, too: call this before using the transport's (status 0 and no exception:
 * DONE).
 *
 * Every query that ran is answered with X-ClickHouse-Query-Id (since 2018; a plain GET / has
 * none). A success without it is somebody else's, as a proxy's page: UNKNOWN. */
enum output_answer clickhouse_answer_check(const struct clickhouse_answer *a, struct pl_err *err);

/* `name` or a`b as a quoted identifier; 'text' as a quoted literal. Appended. */
void clickhouse_quote_ident(struct pl_buf *out, const char *name);
void clickhouse_quote_string(struct pl_buf *out, const char *text, size_t len);

#endif
