/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.c - what ClickHouse's answers mean, and how names and texts are quoted for it.
 *
 * An answer is a success only if it is ClickHouse's (it has an X-ClickHouse-Query-Id) and nothing
 * in it says otherwise: not the status, not the header X-ClickHouse-Exception-Code, and not an
 * exception's text in the body, which may follow rows (the server had begun to answer when it
 * failed).
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

/* What an insert's answer with the code means. Where rows may have been written when the server
 * throws it, it is not RETRY. */
static const struct {
    int code;
    enum output_answer answer;
} codes[] = {
    /* Thrown before a row is written. */
    {202, OUTPUT_RETRY}, /* TOO_MANY_SIMULTANEOUS_QUERIES */
    {252, OUTPUT_RETRY}, /* TOO_MANY_PARTS: see code_decide() */
    {700, OUTPUT_RETRY}, /* USER_SESSION_LIMIT_EXCEEDED */
    {745, OUTPUT_RETRY}, /* SERVER_OVERLOADED */
    {749, OUTPUT_RETRY}, /* TCP_CONNECTION_LIMIT_REACHED */
    {762, OUTPUT_RETRY}, /* HTTP_CONNECTION_LIMIT_REACHED */

    /* Perhaps thrown after some of it was written. */
    {3, OUTPUT_UNKNOWN},    /* UNEXPECTED_END_OF_FILE: the body was cut on its way */
    {95, OUTPUT_UNKNOWN},   /* CANNOT_READ_FROM_SOCKET */
    {96, OUTPUT_UNKNOWN},   /* CANNOT_WRITE_TO_SOCKET */
    {107, OUTPUT_UNKNOWN},  /* FILE_DOESNT_EXIST */
    {159, OUTPUT_UNKNOWN},  /* TIMEOUT_EXCEEDED */
    {160, OUTPUT_UNKNOWN},  /* TOO_SLOW */
    {173, OUTPUT_UNKNOWN},  /* CANNOT_ALLOCATE_MEMORY */
    {198, OUTPUT_UNKNOWN},  /* DNS_ERROR */
    {201, OUTPUT_UNKNOWN},  /* QUOTA_EXCEEDED: the next interval has a new one */
    {203, OUTPUT_UNKNOWN},  /* NO_FREE_CONNECTION */
    {209, OUTPUT_UNKNOWN},  /* SOCKET_TIMEOUT */
    {210, OUTPUT_UNKNOWN},  /* NETWORK_ERROR */
    {216, OUTPUT_UNKNOWN},  /* QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING */
    {218, OUTPUT_UNKNOWN},  /* TABLE_IS_DROPPED: while somebody replaces it */
    {225, OUTPUT_UNKNOWN},  /* NO_ZOOKEEPER */
    {236, OUTPUT_UNKNOWN},  /* ABORTED: the server is stopping */
    {241, OUTPUT_UNKNOWN},  /* MEMORY_LIMIT_EXCEEDED: see code_decide() */
    {242, OUTPUT_UNKNOWN},  /* TABLE_IS_READ_ONLY: the replica has lost Keeper */
    {243, OUTPUT_UNKNOWN},  /* NOT_ENOUGH_SPACE */
    {244, OUTPUT_UNKNOWN},  /* UNEXPECTED_ZOOKEEPER_ERROR */
    {279, OUTPUT_UNKNOWN},  /* ALL_CONNECTION_TRIES_FAILED */
    {285, OUTPUT_UNKNOWN},  /* TOO_FEW_LIVE_REPLICAS */
    {286, OUTPUT_UNKNOWN},  /* UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE */
    {289, OUTPUT_UNKNOWN},  /* REPLICA_IS_NOT_IN_QUORUM */
    {319, OUTPUT_UNKNOWN},  /* UNKNOWN_STATUS_OF_INSERT */
    {341, OUTPUT_UNKNOWN},  /* UNFINISHED */
    {364, OUTPUT_UNKNOWN},  /* RECEIVED_ERROR_TOO_MANY_REQUESTS */
    {394, OUTPUT_UNKNOWN},  /* QUERY_WAS_CANCELLED */
    {410, OUTPUT_UNKNOWN},  /* EXTERNAL_SERVER_IS_NOT_RESPONDING */
    {415, OUTPUT_UNKNOWN},  /* ALL_REPLICAS_LOST */
    {416, OUTPUT_UNKNOWN},  /* REPLICA_STATUS_CHANGED */
    {425, OUTPUT_UNKNOWN},  /* SYSTEM_ERROR */
    {439, OUTPUT_UNKNOWN},  /* CANNOT_SCHEDULE_TASK */
    {473, OUTPUT_UNKNOWN},  /* DEADLOCK_AVOIDED */
    {574, OUTPUT_UNKNOWN},  /* DISTRIBUTED_TOO_MANY_PENDING_BYTES */
    {692, OUTPUT_UNKNOWN},  /* TOO_MANY_MUTATIONS */
    {733, OUTPUT_UNKNOWN},  /* TABLE_IS_BEING_RESTARTED */
    {735, OUTPUT_UNKNOWN},  /* QUERY_WAS_CANCELLED_BY_CLIENT */
    {999, OUTPUT_UNKNOWN},  /* KEEPER_EXCEPTION */
    {1000, OUTPUT_UNKNOWN}, /* POCO_EXCEPTION: network below ClickHouse */
    {1002, OUTPUT_UNKNOWN}, /* UNKNOWN_EXCEPTION */

    /* The data. A Native block is read and converted whole before a row is written. */
    {6, OUTPUT_REFUSED},  /* CANNOT_PARSE_TEXT */
    {12, OUTPUT_REFUSED}, /* PARAMETER_OUT_OF_BOUND */
    {19, OUTPUT_REFUSED}, /* SIZE_OF_FIXED_STRING_DOESNT_MATCH */
    {25, OUTPUT_REFUSED}, /* CANNOT_PARSE_ESCAPE_SEQUENCE */
    {26, OUTPUT_REFUSED}, /* CANNOT_PARSE_QUOTED_STRING */
    {27, OUTPUT_REFUSED}, /* CANNOT_PARSE_INPUT_ASSERTION_FAILED */
    /* A cut body breaks the connection, too, and gives no answer: these mean lengths that are wrong
     * every time. */
    {32, OUTPUT_REFUSED},  /* ATTEMPT_TO_READ_AFTER_EOF */
    {33, OUTPUT_REFUSED},  /* CANNOT_READ_ALL_DATA */
    {38, OUTPUT_REFUSED},  /* CANNOT_PARSE_DATE */
    {41, OUTPUT_REFUSED},  /* CANNOT_PARSE_DATETIME */
    {69, OUTPUT_REFUSED},  /* ARGUMENT_OUT_OF_BOUND */
    {70, OUTPUT_REFUSED},  /* CANNOT_CONVERT_TYPE */
    {72, OUTPUT_REFUSED},  /* CANNOT_PARSE_NUMBER */
    {128, OUTPUT_REFUSED}, /* TOO_LARGE_ARRAY_SIZE */
    {130, OUTPUT_REFUSED}, /* CANNOT_READ_ARRAY_FROM_TEXT */
    {131, OUTPUT_REFUSED}, /* TOO_LARGE_STRING_SIZE */
    {153, OUTPUT_REFUSED}, /* ILLEGAL_DIVISION: in a DEFAULT */
    {169, OUTPUT_REFUSED}, /* BAD_TYPE_OF_FIELD */
    {190, OUTPUT_REFUSED}, /* SIZES_OF_ARRAYS_DONT_MATCH */
    {248, OUTPUT_REFUSED}, /* INVALID_PARTITION_VALUE */
    {321, OUTPUT_REFUSED}, /* VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE */
    {349, OUTPUT_REFUSED}, /* CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN */
    {376, OUTPUT_REFUSED}, /* CANNOT_PARSE_UUID */
    {395,
     OUTPUT_REFUSED}, /* FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: somebody's own check in a DEFAULT */
    {407, OUTPUT_REFUSED}, /* DECIMAL_OVERFLOW */
    {441, OUTPUT_REFUSED}, /* CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING */
    {467, OUTPUT_REFUSED}, /* CANNOT_PARSE_BOOL */
    {469, OUTPUT_REFUSED}, /* VIOLATED_CONSTRAINT */
    {563, OUTPUT_REFUSED}, /* CANNOT_READ_MAP_FROM_TEXT */
    {621, OUTPUT_REFUSED}, /* CANNOT_NORMALIZE_STRING */
    {632, OUTPUT_REFUSED}, /* UNEXPECTED_DATA_AFTER_PARSED_VALUE */
    {675, OUTPUT_REFUSED}, /* CANNOT_PARSE_IPV4 */
    {676, OUTPUT_REFUSED}, /* CANNOT_PARSE_IPV6 */
    {691, OUTPUT_REFUSED}, /* UNKNOWN_ELEMENT_OF_ENUM */

    /* The size. */
    {158, OUTPUT_TOO_LARGE}, /* TOO_MANY_ROWS */
    {229, OUTPUT_TOO_LARGE}, /* QUERY_IS_TOO_LARGE */
    {307, OUTPUT_TOO_LARGE}, /* TOO_MANY_BYTES */
    {396, OUTPUT_TOO_LARGE}, /* TOO_MANY_ROWS_OR_BYTES */

    /* Every message would be refused: a person must act. */
    {7, OUTPUT_HELD},   /* INCORRECT_NUMBER_OF_COLUMNS */
    {8, OUTPUT_HELD},   /* THERE_IS_NO_COLUMN */
    {10, OUTPUT_HELD},  /* NOT_FOUND_COLUMN_IN_BLOCK */
    {15, OUTPUT_HELD},  /* DUPLICATE_COLUMN */
    {16, OUTPUT_HELD},  /* NO_SUCH_COLUMN_IN_TABLE */
    {20, OUTPUT_HELD},  /* NUMBER_OF_COLUMNS_DOESNT_MATCH */
    {36, OUTPUT_HELD},  /* BAD_ARGUMENTS: almost always a setting, an engine's argument, or DDL */
    {42, OUTPUT_HELD},  /* NUMBER_OF_ARGUMENTS_DOESNT_MATCH */
    {43, OUTPUT_HELD},  /* ILLEGAL_TYPE_OF_ARGUMENT */
    {44, OUTPUT_HELD},  /* ILLEGAL_COLUMN */
    {46, OUTPUT_HELD},  /* UNKNOWN_FUNCTION */
    {47, OUTPUT_HELD},  /* UNKNOWN_IDENTIFIER */
    {48, OUTPUT_HELD},  /* NOT_IMPLEMENTED */
    {50, OUTPUT_HELD},  /* UNKNOWN_TYPE */
    {53, OUTPUT_HELD},  /* TYPE_MISMATCH */
    {56, OUTPUT_HELD},  /* UNKNOWN_STORAGE */
    {57, OUTPUT_HELD},  /* TABLE_ALREADY_EXISTS */
    {60, OUTPUT_HELD},  /* UNKNOWN_TABLE */
    {62, OUTPUT_HELD},  /* SYNTAX_ERROR */
    {63, OUTPUT_HELD},  /* UNKNOWN_AGGREGATE_FUNCTION */
    {73, OUTPUT_HELD},  /* UNKNOWN_FORMAT */
    {78, OUTPUT_HELD},  /* UNKNOWN_TYPE_OF_QUERY */
    {80, OUTPUT_HELD},  /* INCORRECT_QUERY */
    {81, OUTPUT_HELD},  /* UNKNOWN_DATABASE */
    {115, OUTPUT_HELD}, /* UNKNOWN_SETTING */
    {119, OUTPUT_HELD}, /* ENGINE_REQUIRED */
    {164, OUTPUT_HELD}, /* READONLY: the user, or a server that is read-only for a time */
    {170, OUTPUT_HELD}, /* BAD_GET: also a setting of the wrong type */
    {192, OUTPUT_HELD}, /* UNKNOWN_USER */
    {193, OUTPUT_HELD}, /* WRONG_PASSWORD */
    {194, OUTPUT_HELD}, /* REQUIRED_PASSWORD */
    {195, OUTPUT_HELD}, /* IP_ADDRESS_NOT_ALLOWED */
    {217, OUTPUT_HELD}, /* CLIENT_HAS_CONNECTED_TO_WRONG_PORT */
    {291, OUTPUT_HELD}, /* DATABASE_ACCESS_DENIED */
    {344, OUTPUT_HELD}, /* SUPPORT_IS_DISABLED */
    {370, OUTPUT_HELD}, /* DATA_TYPE_CANNOT_BE_USED_IN_TABLES */
    {392, OUTPUT_HELD}, /* QUERY_IS_PROHIBITED: ON CLUSTER without distributed_ddl */
    {450, OUTPUT_HELD}, /* BAD_TTL_EXPRESSION */
    {452, OUTPUT_HELD}, /* SETTING_CONSTRAINT_VIOLATION */
    {455, OUTPUT_HELD}, /* SUSPICIOUS_TYPE_FOR_LOW_CARDINALITY */
    {471, OUTPUT_HELD}, /* INVALID_SETTING_VALUE */
    {472, OUTPUT_HELD}, /* READONLY_SETTING */
    {497, OUTPUT_HELD}, /* ACCESS_DENIED */
    {511, OUTPUT_HELD}, /* UNKNOWN_ROLE */
    {512, OUTPUT_HELD}, /* SET_NON_GRANTED_ROLE */
    {516, OUTPUT_HELD}, /* AUTHENTICATION_FAILED */
    {524, OUTPUT_HELD}, /* ALTER_OF_COLUMN_IS_FORBIDDEN */
    {565, OUTPUT_HELD}, /* TOO_MANY_PARTITIONS */
    {701, OUTPUT_HELD}, /* CLUSTER_DOESNT_EXIST */
    {720, OUTPUT_HELD}, /* USER_EXPIRED */
    {764, OUTPUT_HELD}, /* DEDUPLICATION_IS_NOT_POSSIBLE */
    {774, OUTPUT_HELD}, /* TABLE_IS_PERMANENTLY_READ_ONLY */
};

static bool text_has(struct pl_slice text, const char *word)
{
    return text.len > 0 && memmem(text.p, text.len, word, strlen(word));
}

/* Codes whose sentence tells more, as the server writes them since 23.3. */
static enum output_answer code_decide(int code, long status, struct pl_slice text)
{
    switch (code) {
    case 117: /* INCORRECT_DATA: "Unknown column …" of a table that was altered, or a value: "Cannot
               * insert data into JSON column: Duplicate path found during parsing JSON object" */
        return text_has(text, "olumn") && !text_has(text, "JSON object") ? OUTPUT_HELD
                                                                         : OUTPUT_REFUSED;
    case 241: /* "Query memory limit exceeded", "Memory limit (for query) exceeded"; else the
               * server's or the user's as a whole */
        return text_has(text, "Query memory") || text_has(text, "for query") ? OUTPUT_TOO_LARGE
                                                                             : OUTPUT_UNKNOWN;
    case 252: /* "Too many partitions for single INSERT block"; "Too many parts" is too many inserts
               */
        return text_has(text, "single INSERT block") ? OUTPUT_TOO_LARGE : OUTPUT_RETRY;
    }
    for (size_t i = 0; i < PL_COUNT(codes); i++)
        if (codes[i].code == code)
            return codes[i].answer;
    /* Not listed. ClickHouse uses 4xx for data and text it cannot read, and 5xx for everything
     * else: waiting loses nothing and is seen, a wrong REFUSED would fill the dead-letter topic
     * with good messages. With a status below 400 the error was in the body. */
    switch (status >= 400 ? pl_http_status_kind(status) : PL_ERR_RETRY) {
    case PL_ERR_REJECT:
        return OUTPUT_REFUSED;
    case PL_ERR_CONFIG:
        return OUTPUT_HELD;
    case PL_ERR_NONE:
    case PL_ERR_RETRY:
    case PL_ERR_FATAL:
    case PL_ERR_FENCED:
        break;
    }
    return OUTPUT_UNKNOWN;
}

/* An answer that is not ClickHouse's: a proxy's, which never saw the data, but may have passed it
 * on. */
static enum output_answer status_decide(long status)
{
    if (status == 413)
        return OUTPUT_TOO_LARGE;
    if (status == 429)
        return OUTPUT_RETRY;
    return pl_http_status_kind(status) == PL_ERR_CONFIG ? OUTPUT_HELD : OUTPUT_UNKNOWN;
}

static enum pl_err_kind answer_kind(enum output_answer answer)
{
    switch (answer) {
    case OUTPUT_DONE:
        return PL_ERR_NONE;
    case OUTPUT_RETRY:
    case OUTPUT_UNKNOWN:
    case OUTPUT_TOO_LARGE:
    case OUTPUT_MOVED: /* not ClickHouse's */
        return PL_ERR_RETRY;
    case OUTPUT_REFUSED:
        return PL_ERR_REJECT;
    case OUTPUT_HELD:
        return PL_ERR_CONFIG;
    }
    return PL_ERR_FATAL;
}

static const struct {
    int code;
    const char *text;
} advices[] = {
    {60, "the table or view is gone, or the name is wrong"},
    {81, "create the database, or check clickhouse.database"},
    {115, "this server does not know the setting: check clickhouse.settings and the server's "
          "version"},
    {164, "if clickhouse.user is read-only, give it a profile without readonly, and GRANT INSERT, "
          "CREATE and ALTER"},
    {192, "check clickhouse.user and its password"},
    {193, "check clickhouse.user and its password"},
    {194, "check clickhouse.user and its password"},
    {195, "allow this host in the user's networks"},
    {217, "clickhouse.urls wants the HTTP port (8123, or 8443 for https)"},
    {158, "raise the limit that it names for clickhouse.user, or lower batch.rows"},
    {159, "raise max_execution_time for clickhouse.user"},
    {229, "raise the limit that it names for clickhouse.user, or lower batch.bytes"},
    {241, "give it more memory (the limit that it names), or lower batch.rows and batch.bytes"},
    {242, "is ClickHouse Keeper there?"},
    {243, "the server's disk is full"},
    {252, "larger batches (batch.rows, batch.age), or fewer partitions in the table"},
    {307, "raise the limit that it names for clickhouse.user, or lower batch.bytes"},
    {392,
     "for ON CLUSTER the servers need Keeper and <distributed_ddl>; or take the route's cluster "
     "away"},
    {396, "raise the limit that it names for clickhouse.user, or lower batch.rows"},
    {497, "GRANT it to clickhouse.user"},
    {516, "check clickhouse.user and its password"},
    {701, "check the route's cluster"},
};

static const char *code_advice(int code, enum output_answer answer)
{
    if (code == 252 && answer == OUTPUT_TOO_LARGE)
        return "raise max_partitions_per_insert_block, or PARTITION BY something coarser";
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
    struct pl_slice view; /* that could not take the rows, or empty */
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

/* Takes the name out of "… (UNKNOWN_TABLE) (version 26.7.2.1 (official build))". The server's
 * text may have several lines with these two at the end of the last. */
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

/* The name in "…: while pushing to view db.v (uuid). (NAME)", "… view db.v." */
static struct pl_slice exception_view(struct pl_slice text)
{
    static const char mark[] = "while pushing to view ";
    const char *at = slice_find(text, mark);
    if (!at)
        return (struct pl_slice){0};
    struct pl_slice view = text;
    slice_skip(&view, (size_t)(at - text.p) + strlen(mark));
    size_t n = 0;
    while (n < view.len && !isspace((unsigned char)view.p[n]))
        n++;
    while (n > 0 && strchr(".,:", view.p[n - 1]))
        n--;
    return (struct pl_slice){view.p, n};
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
            e->view = exception_view(rest);
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

static enum output_answer answer_exception(const struct clickhouse_answer *a,
                                           const struct exception *e, struct pl_err *err)
{
    enum output_answer answer = code_decide(e->code, a->status, e->text);
    const char *advice = code_advice(e->code, answer);
    bool view = e->view.len > 0;
    if (view) { /* see client.h */
        if (answer == OUTPUT_REFUSED || answer == OUTPUT_HELD)
            advice = "mend the view (ALTER TABLE … MODIFY QUERY) or drop it: the same insert then "
                     "completes what is missing";
        answer = OUTPUT_HELD;
    }
    pl_err_set(err, answer_kind(answer), e->code, "%s: %s%.*s%s%.*s (code %d%s%.*s)%s%s", a->host,
               view ? "materialized view " : "",
               view ? (int)pl_text_cut(e->view.p, e->view.len, 80) : 0, view ? e->view.p : "",
               view ? " does not take the rows: " : "", sentence_len(e->text),
               e->text.p ? e->text.p : "", e->code, e->name.len > 0 ? " " : "", (int)e->name.len,
               e->name.p ? e->name.p : "", advice ? "; " : "", advice ? advice : "");
    return answer;
}

/* An answer that is not ClickHouse's: a proxy's page, something else at this address. */
static enum output_answer answer_foreign(const struct clickhouse_answer *a, struct pl_slice body,
                                         struct pl_err *err)
{
    bool success = a->status >= 200 && a->status < 300;
    enum output_answer answer = success ? OUTPUT_UNKNOWN : status_decide(a->status);
    struct pl_slice line = slice_line(body);
    pl_err_set(err, answer_kind(answer), 0,
               "%s answers HTTP status %ld and not as ClickHouse does%s%s%.*s; %s", a->host,
               a->status, success ? " (no X-ClickHouse-Query-Id)" : "", line.len > 0 ? ": " : "",
               sentence_len(line), line.p ? line.p : "",
               a->status == 413 ? "let the proxy take larger bodies, or lower batch.bytes"
               : success ? "clickhouse.urls wants ClickHouse itself, or a proxy that passes on "
                           "its headers"
                         : "is it ClickHouse's HTTP port?");
    return answer;
}

enum output_answer clickhouse_answer_check(const struct clickhouse_answer *a, struct pl_err *err)
{
    struct pl_slice body = {a->body, a->body_len};
    struct exception e = {0};
    bool success = a->status >= 200 && a->status < 300;
    if (!(a->binary && success) && exception_find(body, &e))
        return answer_exception(a, &e, err);
    e.code = a->exception_code ? atoi(a->exception_code) : 0;
    if (e.code == 0 && (a->status == 0 || (success && a->query_id)))
        return OUTPUT_DONE;
    if (e.code == 0)
        return answer_foreign(a, body, err);
    /* An error without an exception's text: a server that was cut off. */
    e.text = success ? PL_SLICE_LIT("the server failed while it answered") : slice_line(body);
    return answer_exception(a, &e, err);
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
