/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.c - what ClickHouse's answers mean, and how names and texts are quoted for it.
 *
 * An answer is a success only if nothing in it says otherwise: not the status, not the header
 * X-ClickHouse-Exception-Code, and not an exception's text in the body, which may follow rows (the
 * server had begun to answer when it failed).
 *
 * The names of the codes are ClickHouse's (src/Common/ErrorCodes.cpp), the statuses from
 * exceptionCodeToHTTPStatus() of its HTTP handler. Pure.
 */
#include <ctype.h>

#include "daemons/chsinkd/clickhouse/client.h"
#include "lib/base/text.h"

/* An exception is at the end of the body; what comes long before it is rows. */
#define EXCEPTION_BYTES_MAX (64 * 1024)
/* Of the server's sentence; the rest of the message is for host, code and advice. */
#define SENTENCE_BYTES_MAX 280

/* ---- codes ---- */

static const int codes_retry[] = {
    3,    /* UNEXPECTED_END_OF_FILE: the body was cut on its way */
    95,   /* CANNOT_READ_FROM_SOCKET */
    96,   /* CANNOT_WRITE_TO_SOCKET */
    107,  /* FILE_DOESNT_EXIST */
    159,  /* TIMEOUT_EXCEEDED */
    160,  /* TOO_SLOW */
    164,  /* READONLY: also a server that is read-only for a time; table_ensure() makes it CONFIG */
    173,  /* CANNOT_ALLOCATE_MEMORY */
    198,  /* DNS_ERROR */
    201,  /* QUOTA_EXCEEDED: the next interval has a new one */
    202,  /* TOO_MANY_SIMULTANEOUS_QUERIES */
    203,  /* NO_FREE_CONNECTION */
    209,  /* SOCKET_TIMEOUT */
    210,  /* NETWORK_ERROR */
    216,  /* QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING */
    218,  /* TABLE_IS_DROPPED: while somebody replaces it */
    225,  /* NO_ZOOKEEPER */
    236,  /* ABORTED: the server is stopping */
    241,  /* MEMORY_LIMIT_EXCEEDED */
    242,  /* TABLE_IS_READ_ONLY: the replica has lost Keeper */
    243,  /* NOT_ENOUGH_SPACE */
    244,  /* UNEXPECTED_ZOOKEEPER_ERROR */
    252,  /* TOO_MANY_PARTS */
    279,  /* ALL_CONNECTION_TRIES_FAILED */
    285,  /* TOO_FEW_LIVE_REPLICAS */
    286,  /* UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE */
    289,  /* REPLICA_IS_NOT_IN_QUORUM */
    319,  /* UNKNOWN_STATUS_OF_INSERT */
    341,  /* UNFINISHED */
    364,  /* RECEIVED_ERROR_TOO_MANY_REQUESTS */
    394,  /* QUERY_WAS_CANCELLED */
    410,  /* EXTERNAL_SERVER_IS_NOT_RESPONDING */
    415,  /* ALL_REPLICAS_LOST */
    416,  /* REPLICA_STATUS_CHANGED */
    425,  /* SYSTEM_ERROR */
    439,  /* CANNOT_SCHEDULE_TASK */
    473,  /* DEADLOCK_AVOIDED */
    574,  /* DISTRIBUTED_TOO_MANY_PENDING_BYTES */
    692,  /* TOO_MANY_MUTATIONS */
    700,  /* USER_SESSION_LIMIT_EXCEEDED */
    733,  /* TABLE_IS_BEING_RESTARTED */
    735,  /* QUERY_WAS_CANCELLED_BY_CLIENT */
    745,  /* SERVER_OVERLOADED */
    749,  /* TCP_CONNECTION_LIMIT_REACHED */
    762,  /* HTTP_CONNECTION_LIMIT_REACHED */
    999,  /* KEEPER_EXCEPTION */
    1000, /* POCO_EXCEPTION: network below ClickHouse */
    1002, /* UNKNOWN_EXCEPTION */
};

/* The data. A Native block is read and converted whole before a row is written, so no part of it is
 * in the table. */
static const int codes_reject[] = {
    6,  /* CANNOT_PARSE_TEXT */
    12, /* PARAMETER_OUT_OF_BOUND */
    19, /* SIZE_OF_FIXED_STRING_DOESNT_MATCH */
    25, /* CANNOT_PARSE_ESCAPE_SEQUENCE */
    26, /* CANNOT_PARSE_QUOTED_STRING */
    27, /* CANNOT_PARSE_INPUT_ASSERTION_FAILED */
    32, /* ATTEMPT_TO_READ_AFTER_EOF: a cut body breaks the connection, too, and gives no answer; */
    33, /* CANNOT_READ_ALL_DATA: so an answer with these means lengths that are wrong every time */
    38, /* CANNOT_PARSE_DATE */
    41, /* CANNOT_PARSE_DATETIME */
    69, /* ARGUMENT_OUT_OF_BOUND */
    70, /* CANNOT_CONVERT_TYPE */
    72, /* CANNOT_PARSE_NUMBER */
    117, /* INCORRECT_DATA (asked about as a change of the schema first) */
    128, /* TOO_LARGE_ARRAY_SIZE */
    130, /* CANNOT_READ_ARRAY_FROM_TEXT */
    131, /* TOO_LARGE_STRING_SIZE */
    153, /* ILLEGAL_DIVISION: in a DEFAULT */
    169, /* BAD_TYPE_OF_FIELD */
    190, /* SIZES_OF_ARRAYS_DONT_MATCH */
    229, /* QUERY_IS_TOO_LARGE */
    248, /* INVALID_PARTITION_VALUE */
    321, /* VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE */
    349, /* CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN */
    376, /* CANNOT_PARSE_UUID */
    395, /* FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: somebody's own check in a DEFAULT */
    407, /* DECIMAL_OVERFLOW */
    441, /* CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING */
    467, /* CANNOT_PARSE_BOOL */
    469, /* VIOLATED_CONSTRAINT */
    563, /* CANNOT_READ_MAP_FROM_TEXT */
    621, /* CANNOT_NORMALIZE_STRING */
    632, /* UNEXPECTED_DATA_AFTER_PARSED_VALUE */
    675, /* CANNOT_PARSE_IPV4 */
    676, /* CANNOT_PARSE_IPV6 */
    691, /* UNKNOWN_ELEMENT_OF_ENUM */
};

/* Every message would be refused: a person must act. */
static const int codes_config[] = {
    7,   /* INCORRECT_NUMBER_OF_COLUMNS */
    8,   /* THERE_IS_NO_COLUMN */
    10,  /* NOT_FOUND_COLUMN_IN_BLOCK */
    15,  /* DUPLICATE_COLUMN */
    16,  /* NO_SUCH_COLUMN_IN_TABLE */
    20,  /* NUMBER_OF_COLUMNS_DOESNT_MATCH */
    36,  /* BAD_ARGUMENTS: almost always a setting, an engine's argument, or DDL */
    42,  /* NUMBER_OF_ARGUMENTS_DOESNT_MATCH */
    43,  /* ILLEGAL_TYPE_OF_ARGUMENT */
    44,  /* ILLEGAL_COLUMN */
    46,  /* UNKNOWN_FUNCTION */
    47,  /* UNKNOWN_IDENTIFIER */
    48,  /* NOT_IMPLEMENTED */
    50,  /* UNKNOWN_TYPE */
    53,  /* TYPE_MISMATCH */
    56,  /* UNKNOWN_STORAGE */
    57,  /* TABLE_ALREADY_EXISTS */
    60,  /* UNKNOWN_TABLE */
    62,  /* SYNTAX_ERROR */
    63,  /* UNKNOWN_AGGREGATE_FUNCTION */
    73,  /* UNKNOWN_FORMAT */
    78,  /* UNKNOWN_TYPE_OF_QUERY */
    80,  /* INCORRECT_QUERY */
    81,  /* UNKNOWN_DATABASE */
    115, /* UNKNOWN_SETTING */
    119, /* ENGINE_REQUIRED */
    170, /* BAD_GET: also a setting of the wrong type */
    192, /* UNKNOWN_USER */
    193, /* WRONG_PASSWORD */
    194, /* REQUIRED_PASSWORD */
    195, /* IP_ADDRESS_NOT_ALLOWED */
    217, /* CLIENT_HAS_CONNECTED_TO_WRONG_PORT */
    291, /* DATABASE_ACCESS_DENIED */
    344, /* SUPPORT_IS_DISABLED */
    370, /* DATA_TYPE_CANNOT_BE_USED_IN_TABLES */
    450, /* BAD_TTL_EXPRESSION */
    452, /* SETTING_CONSTRAINT_VIOLATION */
    455, /* SUSPICIOUS_TYPE_FOR_LOW_CARDINALITY */
    471, /* INVALID_SETTING_VALUE */
    472, /* READONLY_SETTING */
    497, /* ACCESS_DENIED */
    511, /* UNKNOWN_ROLE */
    512, /* SET_NON_GRANTED_ROLE */
    516, /* AUTHENTICATION_FAILED */
    524, /* ALTER_OF_COLUMN_IS_FORBIDDEN */
    565, /* TOO_MANY_PARTITIONS */
    701, /* CLUSTER_DOESNT_EXIST */
    720, /* USER_EXPIRED */
    764, /* DEDUPLICATION_IS_NOT_POSSIBLE */
    774, /* TABLE_IS_PERMANENTLY_READ_ONLY */
};

static bool codes_have(const int *codes, size_t n, int code)
{
    for (size_t i = 0; i < n; i++)
        if (codes[i] == code)
            return true;
    return false;
}

enum pl_err_kind clickhouse_err_kind(int code, long status)
{
    enum pl_err_kind by_status = pl_http_status_kind(status);
    if (code == 0) /* A proxy can only judge the size; for its other 4xx it never saw the data. */
        return by_status == PL_ERR_REJECT && status != 413 ? PL_ERR_RETRY : by_status;
    if (codes_have(codes_retry, PL_COUNT(codes_retry), code))
        return PL_ERR_RETRY;
    if (codes_have(codes_reject, PL_COUNT(codes_reject), code))
        return PL_ERR_REJECT;
    if (codes_have(codes_config, PL_COUNT(codes_config), code))
        return PL_ERR_CONFIG;
    /* Not listed: see client.h. With a status below 400 the error was in the body. */
    return status >= 400 ? by_status : PL_ERR_RETRY;
}

bool clickhouse_err_is_schema(int code)
{
    static const int codes[] = {16, 20, 47, 53, 60, 117};
    return codes_have(codes, PL_COUNT(codes), code);
}

static const struct {
    int code;
    const char *text;
} advices[] = {
    {60, "the table or view is gone, or the name is wrong"},
    {81, "create the database, or check clickhouse.database"},
    {115, "this server does not know the setting: check clickhouse.settings and the server's "
          "version"},
    {164, "clickhouse.user is read-only: give it a profile without readonly, and GRANT INSERT, "
          "CREATE and ALTER"},
    {192, "check clickhouse.user and its password"},
    {193, "check clickhouse.user and its password"},
    {194, "check clickhouse.user and its password"},
    {195, "allow this host in the user's networks"},
    {217, "clickhouse.urls wants the HTTP port (8123, or 8443 for https)"},
    {241, "smaller batches, or more memory for the server"},
    {242, "is ClickHouse Keeper there?"},
    {243, "the server's disk is full"},
    {252, "larger batches, or fewer partitions in the table"},
    {497, "GRANT it to clickhouse.user"},
    {516, "check clickhouse.user and its password"},
    {701, "check the route's cluster"},
};

static const char *code_advice(int code)
{
    for (size_t i = 0; i < PL_COUNT(advices); i++)
        if (advices[i].code == code)
            return advices[i].text;
    return NULL;
}

/* ---- answers ---- */

struct exception {
    int code;
    struct pl_slice text; /* the sentence, without code, name and version */
    struct pl_slice name; /* "UNKNOWN_TABLE" or empty */
    bool in_view;
};

static const char *slice_find(struct pl_slice s, const char *needle)
{
    return s.len > 0 ? memmem(s.p, s.len, needle, strlen(needle)) : NULL;
}

static void slice_skip(struct pl_slice *s, size_t n)
{
    s->p += n;
    s->len -= n;
}

static bool slice_skip_text(struct pl_slice *s, const char *text)
{
    size_t len = strlen(text);
    if (s->len < len || memcmp(s->p, text, len) != 0)
        return false;
    slice_skip(s, len);
    return true;
}

/* "Code: 60. DB::Exception: " or "Code: 1000, e.code() = 111, " (Poco's). Returns the number and
 * moves `s` past it, or returns 0. */
static int exception_parse_code(struct pl_slice *s)
{
    struct pl_slice rest = *s;
    size_t digits = 0;
    int code = 0;
    if (!slice_skip_text(&rest, "Poco::Exception. "))
        slice_skip_text(&rest, "std::exception. ");
    if (!slice_skip_text(&rest, "Code: "))
        return 0;
    for (; digits < rest.len && digits < 6 && isdigit((unsigned char)rest.p[digits]); digits++)
        code = code * 10 + (rest.p[digits] - '0');
    if (digits == 0 || digits + 1 >= rest.len || (rest.p[digits] != '.' && rest.p[digits] != ','))
        return 0;
    slice_skip(&rest, digits + 1);
    while (slice_skip_text(&rest, " "))
        ;
    /* The class: DB::Exception, DB::NetException, Coordination::Exception … */
    for (size_t colon = 0; colon + 1 < rest.len && colon < 64 && rest.p[colon] != '\n'; colon++) {
        if (colon >= 9 && rest.p[colon] == ':' && rest.p[colon + 1] == ' ' &&
            memcmp(rest.p + colon - 9, "Exception", 9) == 0) {
            slice_skip(&rest, colon + 2);
            break;
        }
    }
    *s = rest;
    return code;
}

/* Ends the sentence before `at`, if that is inside it. */
static void sentence_end(struct exception *e, const char *at)
{
    if (at > e->text.p && at <= e->text.p + e->text.len)
        e->text.len = (size_t)(at - e->text.p);
}

/* Takes the name out of "… (UNKNOWN_TABLE) (version 26.7.2.1 (official build))". The server's text
 * may have several lines with these two at the end of the last. */
static void exception_parse_name(struct pl_slice rest, struct exception *e)
{
    const char *version = slice_find(rest, " (version ");
    if (version) {
        rest.len = (size_t)(version - rest.p);
        sentence_end(e, version);
    }
    if (rest.len == 0 || rest.p[rest.len - 1] != ')')
        return;
    const char *end = rest.p + rest.len - 1, *start = end;
    while (start > rest.p && (isupper((unsigned char)start[-1]) ||
                              isdigit((unsigned char)start[-1]) || start[-1] == '_'))
        start--;
    if (start == end || start == rest.p || start[-1] != '(')
        return;
    e->name = (struct pl_slice){start, (size_t)(end - start)};
    sentence_end(e, start - 1);
}

static struct pl_slice slice_line(struct pl_slice s)
{
    const char *newline = s.len > 0 ? memchr(s.p, '\n', s.len) : NULL;
    return (struct pl_slice){s.p, newline ? (size_t)(newline - s.p) : s.len};
}

/* Finds an exception at the start of a line. */
static bool exception_find(struct pl_slice body, struct exception *e)
{
    if (body.len > EXCEPTION_BYTES_MAX)
        slice_skip(&body, body.len - EXCEPTION_BYTES_MAX);
    while (body.len > 0) {
        struct pl_slice rest = body;
        int code = exception_parse_code(&rest);
        if (code > 0) {
            *e = (struct exception){.code = code, .text = slice_line(rest)};
            while (rest.len > 0 && isspace((unsigned char)rest.p[rest.len - 1]))
                rest.len--;
            exception_parse_name(rest, e);
            e->in_view = slice_find(rest, "while pushing to view") != NULL;
            return true;
        }
        slice_skip(&body, slice_line(body).len);
        slice_skip_text(&body, "\n");
    }
    return false;
}

/* Cuts between characters, and takes off the end of the sentence. */
static int sentence_len(struct pl_slice s)
{
    s.len = pl_text_cut(s.p, s.len, SENTENCE_BYTES_MAX);
    while (s.len > 0 && (isspace((unsigned char)s.p[s.len - 1]) || s.p[s.len - 1] == '.'))
        s.len--;
    return (int)s.len;
}

static int answer_refused(const struct clickhouse_answer *a, const struct exception *e,
                          struct pl_err *err)
{
    enum pl_err_kind kind = clickhouse_err_kind(e->code, a->status);
    const char *advice = code_advice(e->code);
    if (kind == PL_ERR_REJECT && e->in_view) {
        kind = PL_ERR_CONFIG;
        advice = "a materialized view refuses the data: fix or detach the view; the batch is then "
                 "inserted again";
    }
    return pl_err_set(err, kind, e->code, "%s: %.*s (code %d%s%.*s)%s%s", a->host,
                      sentence_len(e->text), e->text.p ? e->text.p : "", e->code,
                      e->name.len > 0 ? " " : "", (int)e->name.len, e->name.p ? e->name.p : "",
                      advice ? "; " : "", advice ? advice : "");
}

int clickhouse_answer_check(const struct clickhouse_answer *a, struct pl_err *err)
{
    struct pl_slice body = {a->body, a->body_len};
    struct exception e = {0};
    if (exception_find(body, &e))
        return answer_refused(a, &e, err);
    e.code = a->exception_code ? atoi(a->exception_code) : 0;
    bool success = a->status >= 200 && a->status < 300;
    if (e.code == 0 && (a->status == 0 || success))
        return 0;
    /* An error without an exception's text: a proxy's page, or a server that was cut off. */
    e.text = slice_line(body);
    if (success) /* the body is rows */
        e.text = PL_SLICE_LIT("the server failed while it answered");
    if (e.code != 0)
        return answer_refused(a, &e, err);
    return pl_err_set(err, clickhouse_err_kind(0, a->status), 0,
                      "%s answers HTTP status %ld and not as ClickHouse does%s%.*s; is it "
                      "ClickHouse's HTTP port?",
                      a->host, a->status, e.text.len > 0 ? ": " : "", sentence_len(e.text),
                      e.text.p ? e.text.p : "");
}

/* ---- quoting ---- */

static void quote(struct pl_buf *out, char mark, const char *text, size_t len)
{
    static const char special[] = "\n\r\t\\", letters[] = "nrt\\0"; /* NUL, too */
    pl_buf_add_byte(out, mark);
    for (size_t i = 0; i < len; i++) {
        const char *at = memchr(special, text[i], sizeof(special));
        if (at || text[i] == mark)
            pl_buf_add_byte(out, '\\');
        pl_buf_add_byte(out, at ? letters[at - special] : text[i]);
    }
    pl_buf_add_byte(out, mark);
}

void clickhouse_quote_ident(struct pl_buf *out, const char *name)
{
    quote(out, '`', name, strlen(name));
}

void clickhouse_quote_string(struct pl_buf *out, const char *text, size_t len)
{
    quote(out, '\'', text, len);
}
