/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - the connection: a statement or an insert as one HTTP request, on one kept handle. Only
 * `aborted` is shared between threads.
 */
#include "daemons/chsinkd/clickhouse/client.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/clickhouse/body.h"
#include "lib/http/percent.h"

/* Of an answer that should be empty or an error's text. */
#define ANSWER_BYTES_MAX (64 * 1024)
/* Below ClickHouse's http_max_uri_size (1 MiB). */
#define URL_BYTES_MAX (1024 * 1024 - 4096)
/* What curl asks the read callback for at once; it allows 16 KiB to 2 MiB. */
#define UPLOAD_BYTES (512 * 1024L)

/* One call, and its answer on its way in. */
struct call {
    struct clickhouse *client;
    const char *sql; /* a statement, sent as the body; or */
    const struct clickhouse_insert *insert;
    struct pl_buf *rows; /* the caller's, or NULL */
    size_t rows_before;  /* its length before this answer */
    struct pl_buf text;  /* an error's text, or rows that are not wanted */
    bool too_long, binary;
    bool select; /* as clickhouse_select() has it */
    int64_t rows_max;
};

struct clickhouse {
    const struct clickhouse_conf *conf;
    CURL *easy;
    char errbuf[CURL_ERROR_SIZE];
    char host[256]; /* of the URL in use, for messages */
    size_t url;     /* index of the URL in use */
    atomic_bool aborted;
    bool (*stop_asked)(void); /* may be NULL */
    struct curl_slist *query_headers, *insert_headers;
    bool bad_user; /* user or password cannot be sent in a header */
    char readonly; /* '0' to '2': what the user's profile says; 0: not asked yet */
    struct pl_buf target;
    bool target_too_long; /* a parameter did not fit */
    struct body *body;
};

/* ---- set up ---- */

static void headers_add(struct clickhouse *c, struct curl_slist **list, const char *name,
                        const char *value)
{
    if (!value || !value[0])
        return;
    if (strpbrk(value, "\r\n")) {
        c->bad_user = true;
        return;
    }
    char *line = pl_strf("%s: %s", name, value);
    *list = curl_slist_append(*list, line);
    pl_wipe(line);
}

static struct curl_slist *headers_new(struct clickhouse *c)
{
    struct curl_slist *list = NULL;
    headers_add(c, &list, "X-ClickHouse-User", c->conf->user);
    headers_add(c, &list, "X-ClickHouse-Key", c->conf->password.value);
    headers_add(c, &list, "Content-Type", "application/octet-stream");
    /* Without it curl waits up to a second for "100 Continue" before each large body. */
    return curl_slist_append(list, "Expect:");
}

struct clickhouse *clickhouse_new(const struct clickhouse_conf *conf)
{
    struct clickhouse *c = pl_alloc(sizeof(*c));
    pl_http_global_init();
    c->conf = conf;
    atomic_init(&c->aborted, false);
    pl_buf_init(&c->target, URL_BYTES_MAX);
    c->easy = curl_easy_init();
    c->query_headers = headers_new(c);
    c->insert_headers = headers_new(c);
    c->body = body_new((enum clickhouse_compression)conf->compression);
    if (conf->compression != CLICKHOUSE_NONE) {
        headers_add(c, &c->insert_headers, "Content-Encoding",
                    conf->compression == CLICKHOUSE_LZ4 ? "lz4" : "zstd");
        headers_add(c, &c->insert_headers, "Transfer-Encoding", "chunked");
    }
    if (!c->easy || !c->query_headers || !c->insert_headers)
        abort(); /* out of memory: the policy of buf.h */
    return c;
}

static void headers_free(struct curl_slist *list)
{
    for (struct curl_slist *s = list; s; s = s->next)
        explicit_bzero(s->data, strlen(s->data)); /* the password */
    curl_slist_free_all(list);
}

void clickhouse_free(struct clickhouse *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->easy);
    headers_free(c->query_headers);
    headers_free(c->insert_headers);
    body_free(c->body);
    pl_buf_release(&c->target);
    free(c);
}

void clickhouse_abort(struct clickhouse *c, bool aborted)
{
    atomic_store(&c->aborted, aborted);
}

void clickhouse_stop_when(struct clickhouse *c, bool (*asked)(void))
{
    c->stop_asked = asked;
}

const struct clickhouse_conf *clickhouse_conf(const struct clickhouse *c)
{
    return c->conf;
}

/* ---- the answer ---- */

static size_t answer_take(char *data, size_t size, size_t n, void *userdata)
{
    struct call *call = userdata;
    size_t len = size * n, room = ANSWER_BYTES_MAX - call->text.len;
    long status = 0;
    curl_easy_getinfo(call->client->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200 && call->rows) {
        call->too_long = !pl_buf_add(call->rows, data, len);
        return call->too_long ? 0 : len;
    }
    /* An exception's text comes first; the end of a long page does not matter. */
    pl_buf_add(&call->text, data, len < room ? len : room);
    return len;
}

static int watch_abort(void *userdata, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un)
{
    struct clickhouse *c = userdata;
    (void)dt, (void)dn, (void)ut, (void)un;
    return atomic_load(&c->aborted) || (c->stop_asked && c->stop_asked());
}

/* ---- the target: URL and parameters ---- */

static void target_param(struct clickhouse *c, const char *name, const char *value)
{
    bool added = pl_percent_add(&c->target, name) && pl_buf_add_byte(&c->target, '=') &&
                 pl_percent_add(&c->target, value) && pl_buf_add_byte(&c->target, '&');
    c->target_too_long |= !added;
}

static void target_begin(struct clickhouse *c)
{
    pl_buf_reset(&c->target);
    c->target_too_long = false;
    pl_buf_add_str(&c->target, c->conf->urls.v[c->url]);
    while (c->target.len > 0 && c->target.data[c->target.len - 1] == '/')
        c->target.len--;
    pl_buf_add_str(&c->target, "/?");
    if (c->conf->database && c->conf->database[0])
        target_param(c, "database", c->conf->database);
    target_param(c, "wait_end_of_query", "1");
}

/* The promise rests on these: the configuration cannot change them. */
static const struct {
    const char *name, *value; /* NULL: an insert's own */
    bool sent;                /* with each insert; a server before 24 does not know the others */
} promised[] = {
    {"wait_end_of_query", NULL, false},
    {"insert_deduplication_token", NULL, false},
    {"async_insert", "0", true},
    {"insert_deduplicate", "1", true},
    {"deduplicate_blocks_in_dependent_materialized_views", "1", true},
    {"materialized_views_ignore_errors", "0", true},
    /* A view without its table would be left out in silence. */
    {"ignore_materialized_views_with_dropped_target_table", "0", false},
    /* One insert would be several blocks, each with a part of the token. The other sizes do not
     * divide a Native block (tried with 26.7). */
    {"use_strict_insert_block_limits", "0", false},
};

static bool setting_equals(const char *value, const char *wanted)
{
    const char *word = strcmp(wanted, "0") == 0 ? "false" : "true";
    return strcmp(value, wanted) == 0 || strcasecmp(value, word) == 0;
}

bool clickhouse_setting_allowed(const char *name, const char *value, const char **ret_wanted)
{
    for (size_t i = 0; i < PL_COUNT(promised); i++) {
        if (strcmp(promised[i].name, name) != 0)
            continue;
        *ret_wanted = promised[i].value;
        return promised[i].value && setting_equals(value, promised[i].value);
    }
    return true;
}

const char *clickhouse_setting_checked(size_t i)
{
    for (size_t k = 0; k < PL_COUNT(promised); k++)
        if (promised[k].value && !promised[k].sent && i-- == 0)
            return promised[k].name;
    return NULL;
}

/* By default the server silently fits a Native block to a table that was altered: 300 becomes 44 in
 * a UInt8, null a default, an unknown column is dropped (seen with 26.7). With these it answers 53,
 * 349 or 117, and still adds LowCardinality. 23.3 and later know all of them. */
#define NULL_AS_DEFAULT "input_format_null_as_default"
static const char *const insert_settings_dflt[][2] = {
    {"input_format_native_allow_types_conversion", "0"},
    {NULL_AS_DEFAULT, "0"},
    {"input_format_skip_unknown_fields", "0"},
    {"max_partitions_per_insert_block", "0"},
};

static void target_insert(struct clickhouse *c, const struct clickhouse_insert *insert)
{
    const struct pl_map *m = &c->conf->settings;
    char seconds[24];
    snprintf(seconds, sizeof(seconds), "%" PRId64, (c->conf->timeout_ms + 999) / 1000);
    for (size_t i = 0; i < PL_COUNT(promised); i++)
        if (promised[i].sent)
            target_param(c, promised[i].name, promised[i].value);
    for (size_t i = 0; i < PL_COUNT(insert_settings_dflt); i++)
        if (!pl_map_get(m, insert_settings_dflt[i][0]) &&
            !(insert->null_as_default && strcmp(insert_settings_dflt[i][0], NULL_AS_DEFAULT) == 0))
            target_param(c, insert_settings_dflt[i][0], insert_settings_dflt[i][1]);
    for (size_t i = 0; i < m->n; i++) {
        bool ours = false;
        for (size_t k = 0; k < PL_COUNT(promised); k++)
            ours = ours || ((promised[k].sent || !promised[k].value) &&
                            strcmp(m->v[i].key, promised[k].name) == 0);
        ours |= insert->null_as_default && strcmp(m->v[i].key, NULL_AS_DEFAULT) == 0;
        if (!ours)
            target_param(c, m->v[i].key, m->v[i].value);
    }
    if (insert->null_as_default)
        target_param(c, NULL_AS_DEFAULT, "1");
    /* The server goes on with an insert whose client has gone: it must end when the client does, as
     * what is in doubt is looked up soon after. */
    if (!pl_map_get(m, "max_execution_time"))
        target_param(c, "max_execution_time", seconds);
    if (insert->token)
        target_param(c, "insert_deduplication_token", insert->token);
    target_param(c, "query", insert->sql);
}

/* A user who is read-only already may set nothing (1), or not this (2). */
static void target_select(struct clickhouse *c, int64_t rows_max)
{
    char number[24];
    target_param(c, "default_format", CLICKHOUSE_SELECT_FORMAT);
    if (c->readonly == '1')
        return;
    snprintf(number, sizeof(number), "%" PRId64, (c->conf->timeout_ms + 999) / 1000);
    target_param(c, "max_execution_time", number);
    if (rows_max > 0) {
        snprintf(number, sizeof(number), "%" PRId64, rows_max);
        target_param(c, "limit", number);
    }
    if (c->readonly == '0')
        target_param(c, "readonly", "1");
}

/* ---- a call ---- */

static void call_set_up(struct clickhouse *c, struct call *call)
{
    const struct clickhouse_conf *conf = c->conf;
    struct pl_http_conf http = {
        .user_agent = "chsinkd/" PL_VERSION,
        .tls = conf->tls,
        .connect_timeout_ms = conf->connect_timeout_ms,
        .total_timeout_ms = conf->timeout_ms,
    };
    curl_easy_reset(c->easy); /* keeps the connection */
    pl_http_prepare(c->easy, &http, pl_buf_cstr(&c->target), c->errbuf);
    curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, answer_take);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(c->easy, CURLOPT_XFERINFOFUNCTION, watch_abort);
    curl_easy_setopt(c->easy, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(c->easy, CURLOPT_NOPROGRESS, 0L);
    if (call->sql) {
        curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->query_headers);
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(call->sql));
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, call->sql);
        return;
    }
    int64_t size = body_start(c->body, call->insert->iov, call->insert->iov_n);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, size < 0 ? c->insert_headers : c->query_headers);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    curl_easy_setopt(c->easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
    curl_easy_setopt(c->easy, CURLOPT_READFUNCTION, body_read);
    curl_easy_setopt(c->easy, CURLOPT_READDATA, c->body);
    curl_easy_setopt(c->easy, CURLOPT_SEEKFUNCTION, body_seek);
    curl_easy_setopt(c->easy, CURLOPT_SEEKDATA, c->body);
}

/* No byte of the request was sent. */
static bool curl_never_sent(CURL *easy, CURLcode rc)
{
    curl_off_t connected = 0;
    switch ((int)rc) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return true;
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_ABORTED_BY_CALLBACK:
        curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
        return connected == 0;
    default:
        return false;
    }
}

static const char *answer_header(struct clickhouse *c, const char *name)
{
    struct curl_header *header = NULL;
    return curl_easy_header(c->easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
               ? header->value
               : NULL;
}

/* The result of one request. */
static enum output_answer call_judge(struct clickhouse *c, const struct call *call, CURLcode rc,
                                     struct pl_err *err)
{
    enum output_answer failed = curl_never_sent(c->easy, rc) ? OUTPUT_RETRY : OUTPUT_UNKNOWN;
    struct clickhouse_answer a = {.host = c->host,
                                  .body = call->text.data,
                                  .body_len = call->text.len,
                                  .binary = call->binary};
    if (call->rows && call->rows->len > call->rows_before) {
        a.body = call->rows->data + call->rows_before;
        a.body_len = call->rows->len - call->rows_before;
    }
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &a.status);
    a.exception_code = answer_header(c, "X-ClickHouse-Exception-Code");
    a.query_id = answer_header(c, "X-ClickHouse-Query-Id");
    if (rc == CURLE_ABORTED_BY_CALLBACK) {
        pl_err_set(err, PL_ERR_RETRY, 0, "%s: ended by the caller", c->host);
        return failed;
    }
    if (call->too_long) {
        pl_err_set(err, PL_ERR_CONFIG, 0, "%s: the answer is longer than %zu bytes", c->host,
                   call->rows->max);
        return OUTPUT_UNKNOWN;
    }
    enum output_answer answer = OUTPUT_DONE;
    if (rc == CURLE_OK || a.exception_code || a.body_len > 0)
        answer = clickhouse_answer_check(&a, err);
    if (answer == OUTPUT_DONE && rc != CURLE_OK) {
        pl_http_err_from_curl(err, rc, c->errbuf, c->conf->urls.v[c->url]);
        err->code = 0; /* curl's numbers are not ClickHouse's */
        answer = failed == OUTPUT_UNKNOWN && err->kind == PL_ERR_CONFIG ? OUTPUT_HELD : failed;
    }
    /* No server, or a proxy without its server: the next one may be up. */
    if (answer != OUTPUT_DONE && err->kind == PL_ERR_RETRY && err->code == 0)
        c->url = (c->url + 1) % c->conf->urls.n;
    return answer;
}

static enum output_answer call_once(struct clickhouse *c, struct call *call, bool *ret_never_sent,
                                    struct pl_err *err)
{
    *ret_never_sent = false;
    target_begin(c);
    if (call->insert)
        target_insert(c, call->insert);
    if (call->select)
        target_select(c, call->rows_max);
    if (c->target_too_long) {
        pl_err_set(err, PL_ERR_CONFIG, 0,
                   "the columns' names and the settings do not fit into a URL of %d bytes",
                   URL_BYTES_MAX);
        return OUTPUT_HELD;
    }
    pl_http_host(c->conf->urls.v[c->url], c->host, sizeof(c->host));
    call_set_up(c, call);
    CURLcode rc = curl_easy_perform(c->easy);
    *ret_never_sent = curl_never_sent(c->easy, rc);
    enum output_answer answer = call_judge(c, call, rc, err);
    if (answer != OUTPUT_DONE && call->rows)
        call->rows->len = call->rows_before;
    pl_buf_release(&call->text);
    return answer;
}

/* When connecting fails, the next URL is tried (call_judge() has moved to it), each once. */
static enum output_answer call_run(struct call *call, struct pl_err *err)
{
    struct clickhouse *c = call->client;
    const char *fault = c->bad_user ? "clickhouse.user or its password has a line end in it"
                        : c->conf->urls.n == 0 ? "clickhouse.urls is empty"
                                               : NULL;
    if (fault) {
        pl_err_set(err, PL_ERR_CONFIG, 0, "%s", fault);
        return OUTPUT_HELD;
    }
    enum output_answer answer = OUTPUT_RETRY;
    bool never_sent;
    for (size_t i = 0; i < c->conf->urls.n; i++) {
        if (atomic_load(&c->aborted)) {
            pl_err_set(err, PL_ERR_RETRY, 0, "ended by the caller");
            return OUTPUT_RETRY;
        }
        answer = call_once(c, call, &never_sent, err);
        if (answer == OUTPUT_DONE || !never_sent)
            return answer;
    }
    if (c->conf->urls.n > 1)
        pl_err_prefix(err, "none of %zu servers can be reached; the last", c->conf->urls.n);
    return answer;
}

int clickhouse_query(struct clickhouse *c, const char *sql, struct pl_buf *ret_body,
                     struct pl_err *err)
{
    struct call call = {
        .client = c, .sql = sql, .rows = ret_body, .rows_before = ret_body ? ret_body->len : 0};
    return call_run(&call, err) == OUTPUT_DONE ? 0 : -1;
}

int clickhouse_read(struct clickhouse *c, const char *sql, struct pl_buf *ret_body,
                    struct pl_err *err)
{
    struct call call = {
        .client = c, .sql = sql, .rows = ret_body, .rows_before = ret_body->len, .binary = true};
    return call_run(&call, err) == OUTPUT_DONE ? 0 : -1;
}

/* Asked once a connection: a statement of readonly=1 that was refused tells too little. */
static int readonly_ask(struct clickhouse *c, struct pl_err *err)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf answer = {.max = ANSWER_BYTES_MAX};
    if (c->readonly)
        return 0;
    if (clickhouse_query(c, "SELECT getSetting('readonly') FORMAT TSV", &answer, err) < 0)
        return -1;
    c->readonly = '0';
    if (answer.len > 0 && (answer.data[0] == '1' || answer.data[0] == '2'))
        c->readonly = answer.data[0];
    return 0;
}

int clickhouse_select(struct clickhouse *c, const char *sql, int64_t rows_max,
                      struct pl_buf *ret_body, struct pl_err *err)
{
    struct call call = {.client = c,
                        .sql = sql,
                        .rows = ret_body,
                        .rows_before = ret_body->len,
                        .binary = true,
                        .select = true,
                        .rows_max = rows_max};
    if (readonly_ask(c, err) < 0 || call_run(&call, err) != OUTPUT_DONE)
        return -1;
    const char *format = answer_header(c, "X-ClickHouse-Format");
    if (ret_body->len == call.rows_before || !format ||
        strcmp(format, CLICKHOUSE_SELECT_FORMAT) == 0)
        return 0;
    ret_body->len = call.rows_before;
    return pl_err_set(err, PL_ERR_REJECT, 0,
                      "leave FORMAT out of the statement: rows are read as a table (--json "
                      "prints them as JSON)");
}

enum output_answer clickhouse_insert(struct clickhouse *c, const struct clickhouse_insert *insert,
                                     struct pl_err *err)
{
    struct call call = {.client = c, .insert = insert};
    return call_run(&call, err);
}
