/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.c - see fetch.h, which has the states.
 *
 * Every range ends in finish(). An error found inside a callback of the request is kept in `err`
 * and ends the request, so that nothing is torn down while it is on the stack.
 */
#include "daemons/wmfetchd/api/fetch.h"

#include <assert.h>

#include "daemons/wmfetchd/api/answer.h"
#include "daemons/wmfetchd/metrics.h"
#include "lib/auth/token_answer.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/base/time_text.h"
#include "lib/http/percent.h"
#include "lib/http/request.h"
#include "lib/log/log.h"

enum {
    SAID_MAX = 512,        /* of a refusal, kept for the error's text */
    REFUSAL_MAX = 1 << 20, /* of it, read to its end to keep the connection */
    /* How much of the beginning of an answer or element is shown. More is searched, to recognise a
     * secret that is cut off there. */
    BEGIN_SHOWN_MAX = PL_SPLIT_BEGIN_MAX - PL_SECRET_BEGIN,
};

enum fetch_state { IDLE, WAITING, RUNNING };

struct fetch {
    struct pl_http *http;
    const struct wmfetchd_api_conf *conf;
    struct pl_auth *auth;
    struct pl_metrics *metrics;
    const struct fetch_ops *ops;
    void *userdata;
    char *address;
    int64_t timeout_ms;

    enum fetch_state state;
    struct fetch_ask ask;
    struct pl_auth_waiter waiter;
    struct pl_http_request *request;
    char *header; /* with our credentials, of this request */
    struct pl_split split;
    struct answer answer; /* what it reports about itself */
    struct pl_buf rest;   /* after an element that was not taken */
    struct pl_buf said;   /* the body of an answer that is not 200 */
    bool renewed;         /* a 401 was answered by another token already */
    bool held, over;      /* over: the request is done, only `rest` is left */
    bool feeding;
    int64_t begun_ms;
    struct fetch_result result; /* as far as it is known */
    struct pl_err err;          /* found inside a callback; kind NONE: none */
};

/* ---- ends ---- */

static void request_drop(struct fetch *f)
{
    if (f->request)
        pl_http_request_cancel(PL_TAKE(f->request));
    pl_wipe(PL_TAKE(f->header));
    pl_buf_release(&f->rest);
    pl_buf_reset(&f->said);
    f->held = f->over = false;
}

void fetch_stop(struct fetch *f)
{
    assert(!f->feeding);
    request_drop(f);
    pl_auth_cancel(f->auth, &f->waiter);
    pl_split_reset(&f->split);
    f->state = IDLE;
}

static void begin_scrub(const struct fetch *f, char *out, size_t size);

static void finish(struct fetch *f, const struct pl_err *err)
{
    struct fetch_result result = f->result; /* on_done may start another range */
    struct pl_err copy = err ? *err : (struct pl_err){0};
    result.elements = f->split.elements;
    result.shape = f->split.shape;
    result.duration_ms = pl_clock_monotonic_ms() - f->begun_ms;
    PL_CLEANUP(pl_buf_release) struct pl_buf fault = f->split.fault;
    f->split.fault = (struct pl_buf){0};
    if (copy.kind == PL_ERR_REJECT || copy.kind == PL_ERR_CONFIG)
        result.fault = (struct pl_slice){fault.data, fault.len};
    char begin[BEGIN_SHOWN_MAX];
    begin_scrub(f, begin, sizeof(begin));
    result.begin = begin;
    if (!err)
        pl_metrics_observe(f->metrics, M_FETCH_SECONDS, (double)result.duration_ms / 1000);
    fetch_stop(f);
    f->ops->on_done(f->userdata, &result, err ? &copy : NULL);
}

/* ---- errors ---- */

int fetch_err_from_status(struct pl_err *err, long status, const char *refused_advice,
                          const char *host, const char *said)
{
    const struct {
        long status;
        const char *advice;
    } advices[] = {
        {400, "check api.parameters, api.applications and api.index"},
        {401, refused_advice},
        {403,
         "the user or client of the token lacks a role for this application: --auth-test shows "
         "which it has"},
        {404, "check api.url, api.path and api.applications"},
        {422, "check api.parameters, api.applications and api.index"},
    };
    enum pl_err_kind kind = pl_http_status_kind(status);
    const char *advice = NULL;
    if (status >= 200 && status < 300)
        kind = PL_ERR_RETRY; /* 202: not ready; 206: not asked for */
    else if (kind == PL_ERR_REJECT || kind == PL_ERR_NONE)
        kind = PL_ERR_CONFIG;
    for (size_t i = 0; i < PL_COUNT(advices); i++)
        if (advices[i].status == status)
            advice = advices[i].advice;
    if (status >= 300 && status < 400)
        advice = "a redirect is not followed with a token: set api.url to where it points";
    return pl_err_set(err, kind, (int)status, "%s answered %ld%s%s%s%s%s", host, status,
                      advice ? ": " : "", advice ? advice : "", said[0] ? " (it says: " : "", said,
                      said[0] ? ")" : "");
}

/* The length of the text before the map's first secret, plain or percent-encoded. */
static size_t before_secrets(const struct pl_map *map, const char *text, size_t len)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct pl_map_entry *e = &map->v[i];
        if (!e->secret)
            continue;
        PL_CLEANUP(pl_buf_wipe) struct pl_buf encoded = {0};
        pl_percent_add(&encoded, e->value);
        len = pl_text_before_secret(text, len, e->value);
        len = pl_text_before_secret(text, len, pl_buf_cstr(&encoded));
    }
    return len;
}

/* Servers may echo the URL or the token: the text is cut before the first secret. */
static void scrub(const struct fetch *f, const char *text, size_t len, char *out, size_t size)
{
    len = before_secrets(&f->conf->parameters, text, len);
    len = before_secrets(&f->conf->headers, text, len);
    len = pl_auth_before_secret(f->auth, f->header, text, len);
    pl_text_scrub(text, len, NULL, out, size);
}

static void answer_refused(struct fetch *f, struct pl_http_request *r)
{
    bool another = f->result.status == 401 && pl_auth_refused(f->auth, f->header);
    if (another && !f->renewed) {
        pl_log(PL_INFO, NULL, "the API refuses the token, getting another",
               PL_F_STR("APPLICATION", f->ask.application));
        struct fetch_ask ask = f->ask;
        int64_t begun_ms = f->begun_ms;
        request_drop(f);
        f->state = IDLE;
        fetch_start(f, &ask);
        f->renewed = true;
        f->begun_ms = begun_ms;
        return;
    }
    if (f->result.status == 401)
        pl_auth_forget(f->auth);
    char host[256];
    pl_http_host(f->conf->url, host, sizeof(host));
    const char *why =
        f->result.status == 401 ? pl_http_request_header(r, "WWW-Authenticate") : NULL;
    char said[160];
    scrub(f, why ? why : f->said.data, why ? strlen(why) : f->said.len, said, sizeof(said));
    struct pl_err err;
    fetch_err_from_status(&err, f->result.status, pl_auth_refused_advice(f->auth), host, said);
    finish(f, &err);
}

static void begin_scrub(const struct fetch *f, char *out, size_t size)
{
    out[0] = '\0';
    if (f->split.bytes == 0)
        return; /* perhaps nothing was sent */
    scrub(f, f->split.begin, strnlen(f->split.begin, sizeof(f->split.begin)), out, size);
}

/* The beginning of the text helps more than the error alone. */
static void words_add(const struct fetch *f, struct pl_err *err, const char *text, size_t len)
{
    char begin[BEGIN_SHOWN_MAX];
    scrub(f, text, len < PL_SPLIT_BEGIN_MAX ? len : PL_SPLIT_BEGIN_MAX, begin, sizeof(begin));
    char why[PL_ERR_MSG_MAX];
    snprintf(why, sizeof(why), "%s", err->msg);
    pl_err_set(err, PL_ERR_REJECT, err->code, "%s; it begins with: %s", why, begin);
}

/* " (message: "shard 3 is away")"; "" without one. */
static void message_add(const struct fetch *f, char *out, size_t size)
{
    char message[80];
    scrub(f, f->answer.message.p, f->answer.message.len, message, sizeof(message));
    snprintf(out, size, message[0] ? " (message: %s)" : "%s", message);
}

/* It reports an error, or that it is only a part. The server's texts are short enough that ours,
 * which says what to do, fits behind them. */
static int answer_doubted(const struct fetch *f, enum answer_says says, struct pl_err *err)
{
    const struct answer *a = &f->answer;
    char name[80], value[80], message[120];
    scrub(f, a->name, strlen(a->name), name, sizeof(name));
    scrub(f, a->value.p, a->value.len, value, sizeof(value));
    message_add(f, message, sizeof(message));
    if (says == ANSWER_FAILED)
        return pl_err_set(err, PL_ERR_RETRY, 0,
                          "the answer reports that it failed or is incomplete: %s is %s%s; if "
                          "this means something else here, see api.answer.require and .ignore",
                          name, value, message);
    return pl_err_set(
        err, PL_ERR_CONFIG, (int)f->result.status,
        "the answer is only part of the data: %s is %s%s, after %llu elements; pages are "
        "not followed: get all at once with api.parameters or a smaller window.size, or, if "
        "this means something else here, name it in api.answer.ignore",
        name, value, message, (unsigned long long)f->split.elements);
}

/* Whether it has null in place of the array; but where none was named, another array may be it. */
static bool answer_is_null(const struct fetch *f)
{
    return pl_split_is_null(&f->split) && (f->conf->answer.array || !f->answer.array[0]);
}

/* null instead of the array: how some servers write an empty list, others that they have failed. */
static int answer_null(const struct fetch *f, struct pl_err *err)
{
    char said[120];
    message_add(f, said, sizeof(said));
    return pl_err_set(err, PL_ERR_RETRY, 0,
                      "the answer has null instead of its array%s, which need not mean that there "
                      "is no data for this range; if it does here, set "
                      "api.answer.accept_no_content: true",
                      said);
}

/* The answer is not what was expected. */
static void answer_broken(struct fetch *f, struct pl_err *err)
{
    char array[80];
    scrub(f, f->answer.array, strlen(f->answer.array), array, sizeof(array));
    if (err->kind == PL_ERR_REJECT && f->answer.says == ANSWER_FAILED)
        answer_doubted(f, ANSWER_FAILED, err); /* the likely cause */
    else if (err->kind == PL_ERR_REJECT && f->split.elements == 0)
        words_add(f, err, f->split.begin, strnlen(f->split.begin, sizeof(f->split.begin)));
    if (err->kind == PL_ERR_REJECT && !f->split.array_seen && array[0]) {
        char why[PL_ERR_MSG_MAX];
        snprintf(why, sizeof(why), "%s", err->msg);
        pl_err_set(err, PL_ERR_REJECT, err->code,
                   "%s; if its array %s is meant, set api.answer.array", why, array);
    }
    finish(f, err);
}

/* The whole answer has been fed. */
static void answer_over(struct fetch *f)
{
    struct pl_err err;
    enum answer_says says;
    bool is_null = answer_is_null(f);
    if (f->result.status == 204 && !f->conf->answer.accept_no_content) {
        pl_err_set(&err, PL_ERR_RETRY, 204,
                   "the API answered 204 (no content), which need not mean that it has no data for "
                   "this range; if it does here, set api.answer.accept_no_content: true");
        finish(f, &err);
    } else if (f->result.status == 204) {
        finish(f, NULL);
    } else if (!is_null && pl_split_end(&f->split, &err) < 0) {
        answer_broken(f, &err);
    } else if ((says = answer_end(&f->answer, f->split.elements)) != ANSWER_NOTHING) {
        answer_doubted(f, says, &err);
        finish(f, &err);
    } else if (is_null && !f->conf->answer.accept_no_content) {
        answer_null(f, &err);
        finish(f, &err);
    } else {
        finish(f, NULL);
    }
}

/* ---- the body ---- */

static bool on_element(void *userdata, struct pl_slice element)
{
    struct fetch *f = userdata;
    switch (f->ops->on_element(f->userdata, element, &f->err)) {
    case FETCH_TAKEN:
        pl_metrics_inc(f->metrics, M_RECEIVED, 1);
        return true;
    case FETCH_LATER:
        f->held = true;
        return false;
    case FETCH_REFUSED:
        assert(f->err.kind != PL_ERR_NONE);
        if (f->err.kind == PL_ERR_REJECT && f->split.elements > 0)
            words_add(f, &f->err, element.p, element.len);
        return false;
    }
    return false;
}

static void on_member(void *userdata, const struct pl_split_member *member)
{
    struct fetch *f = userdata;
    answer_member(&f->answer, member);
}

/* Feeds bytes; false: the range must end with f->err. What was not used is kept. */
static bool feed(struct fetch *f, const char *data, size_t len)
{
    f->held = false;
    f->feeding = true;
    size_t used = pl_split_feed(&f->split, data, len);
    f->feeding = false;
    if (f->err.kind == PL_ERR_NONE && pl_split_failed(&f->split))
        pl_split_end(&f->split, &f->err);
    if (f->err.kind != PL_ERR_NONE)
        return false;
    if (f->held)
        pl_buf_add(&f->rest, data + used, len - used);
    if (f->request)
        pl_http_request_pause(f->request, f->held);
    return true;
}

void fetch_resume(struct fetch *f)
{
    if (f->state != RUNNING || !f->held)
        return;
    PL_CLEANUP(pl_buf_release) struct pl_buf rest = f->rest;
    f->rest = (struct pl_buf){0};
    if (!feed(f, rest.data ? rest.data : "", rest.len))
        answer_broken(f, &f->err);
    else if (f->over && !f->held)
        answer_over(f);
}

/* A name may occur several times. */
static void headers_read(struct fetch *f, struct pl_http_request *r, const char *name)
{
    struct curl_header *header = NULL;
    for (size_t i = 0;
         curl_easy_header(pl_http_request_easy(r), name, i, CURLH_HEADER, -1, &header) == CURLHE_OK;
         i++)
        answer_header(&f->answer, name, header->value);
}

static void on_headers(void *userdata, struct pl_http_request *r, long status)
{
    struct fetch *f = userdata;
    f->result.status = status;
    f->result.heard = pl_http_request_heard(r);
    const struct pl_peer_answer *heard = &f->result.heard;
    f->result.retry_after_ms =
        pl_http_retry_after_ms(pl_http_request_header(r, "Retry-After"),
                               heard->date_ms != 0 ? heard->date_ms : heard->now_ms);
    headers_read(f, r, "Link");
    headers_read(f, r, "X-Total-Count");
}

static bool on_data(void *userdata, struct pl_http_request *r, const char *data, size_t len)
{
    struct fetch *f = userdata;
    (void)r;
    if (f->result.status != 200) {
        size_t room = SAID_MAX - (f->said.len < SAID_MAX ? f->said.len : SAID_MAX);
        pl_buf_add(&f->said, data, len < room ? len : room);
        f->result.bytes += len;
        return f->result.bytes <= REFUSAL_MAX;
    }
    pl_metrics_inc(f->metrics, M_ANSWER_BYTES, len);
    f->result.bytes += len;
    if (f->result.bytes > (uint64_t)f->conf->answer_bytes_max) {
        pl_err_set(&f->err, PL_ERR_CONFIG, 0,
                   "the answer has more than api.answer_bytes_max (%lld bytes): raise it, or lower "
                   "window.size; nothing is lost, the position is before it",
                   (long long)f->conf->answer_bytes_max);
        return false;
    }
    f->feeding = true;
    int taken = f->ops->on_bytes ? f->ops->on_bytes(f->userdata, data, len, &f->err) : 0;
    f->feeding = false;
    if (taken < 0)
        return false;
    if (f->held) {
        pl_buf_add(&f->rest, data, len);
        return true;
    }
    return feed(f, data, len);
}

static void on_done(void *userdata, struct pl_http_request *r, const struct pl_err *failed)
{
    struct fetch *f = userdata;
    f->request = NULL;
    bool broke_off = failed && f->err.kind == PL_ERR_NONE;
    pl_metrics_inc(f->metrics,
                   broke_off ? M_ANSWER_NONE : wmfetchd_metric_of_status(f->result.status), 1);
    if (f->err.kind != PL_ERR_NONE) {
        answer_broken(f, &f->err);
    } else if (f->result.status != 0 && f->result.status != 200 && f->result.status != 204) {
        answer_refused(f, r); /* even where its body broke off: the status says it all */
    } else if (failed) {
        struct pl_err err = *failed;
        pl_err_prefix(&err, "no whole answer (%llu bytes came)",
                      (unsigned long long)f->result.bytes);
        finish(f, &err);
    } else if (f->held) {
        f->over = true;
    } else {
        answer_over(f);
    }
}

static const struct pl_http_ops http_ops = {on_headers, on_data, on_done};

/* ---- asking ---- */

/* NULL-terminated. */
static void headers_make(const struct fetch *f, struct pl_strings *out)
{
    pl_strings_add(out, "Accept: application/json");
    pl_strings_add(out, "Cache-Control: no-cache");
    if (f->header[0])
        pl_strings_add(out, f->header);
    for (size_t i = 0; i < f->conf->headers.n; i++) {
        const struct pl_map_entry *e = &f->conf->headers.v[i];
        char *line = pl_strf("%s: %s", e->key, e->value);
        pl_strings_add(out, line);
        pl_wipe(line);
    }
    pl_strings_add(out, NULL);
}

static void headers_wipe(struct pl_strings *headers)
{
    for (size_t i = 0; i < headers->n; i++)
        pl_wipe(PL_TAKE(headers->v[i]));
    pl_strings_release(headers);
}

/* `header`: our credentials; "": none. */
static void request_start(struct fetch *f, const char *header)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf url = {0}; /* parameters may be secret */
    PL_CLEANUP(headers_wipe) struct pl_strings headers = {0};
    struct pl_err err;
    const struct pl_http_conf http_conf = {
        .user_agent = wmfetchd_user_agent(),
        .tls = f->conf->tls,
        .connect_timeout_ms = f->conf->connect_timeout_ms,
        .total_timeout_ms = f->timeout_ms,
        .stall_timeout_ms = f->conf->stall_timeout_ms,
    };
    f->header = pl_strdup(header);
    query_make(f->conf, f->address, &f->ask, &url);
    headers_make(f, &headers);
    answer_init(&f->answer, &f->conf->answer);
    f->state = RUNNING;
    if (pl_http_request_new(f->http, &http_conf, pl_buf_cstr(&url), (const char *const *)headers.v,
                            NULL, 0, &http_ops, f, &f->request, &err) < 0) {
        /* Without memory only: the policy of buf.h. */
        pl_log_err(PL_ERROR, PL_EVENT_EXITING, "cannot ask the API", &err);
        abort();
    }
    curl_easy_setopt(pl_http_request_easy(f->request), CURLOPT_ACCEPT_ENCODING, "gzip");
}

static void on_auth(void *userdata, const char *header, const struct pl_err *err)
{
    struct fetch *f = userdata;
    if (header) {
        request_start(f, header);
        return;
    }
    f->result.no_token = true;
    f->result.retry_after_ms = pl_auth_retry_after_ms(f->auth);
    finish(f, err);
}

void fetch_start(struct fetch *f, const struct fetch_ask *ask)
{
    assert(f->state == IDLE);
    f->ask = *ask;
    f->renewed = false;
    f->result = (struct fetch_result){.retry_after_ms = -1};
    f->begun_ms = pl_clock_monotonic_ms();
    f->err = (struct pl_err){0};
    f->state = WAITING;
    const char *header = pl_auth_get(f->auth, &f->waiter, on_auth, f);
    if (header)
        request_start(f, header);
}

void fetch_limit(struct fetch *f, int64_t timeout_ms_max)
{
    if (f->timeout_ms > timeout_ms_max)
        f->timeout_ms = timeout_ms_max;
}

bool fetch_is_running(const struct fetch *f)
{
    return f->state != IDLE;
}

uint64_t fetch_bytes(const struct fetch *f)
{
    return f->result.bytes;
}

const char *fetch_address(const struct fetch *f)
{
    return f->address;
}

/* ---- construction ---- */

struct fetch *fetch_new(struct pl_http *http, const struct wmfetchd_api_conf *conf,
                        struct pl_auth *auth, struct pl_metrics *metrics,
                        const struct fetch_ops *ops, void *userdata)
{
    struct fetch *f = pl_alloc(sizeof(*f));
    f->http = http;
    f->conf = conf;
    f->auth = auth;
    f->metrics = metrics;
    f->ops = ops;
    f->userdata = userdata;
    f->address = query_address(conf);
    f->timeout_ms = conf->timeout_ms;
    pl_split_init(&f->split, (size_t)conf->element_bytes_max, on_element, f);
    pl_split_around(&f->split, conf->answer.array, on_member);
    return f;
}

void fetch_free(struct fetch *f)
{
    if (!f)
        return;
    fetch_stop(f);
    pl_split_release(&f->split);
    pl_buf_release(&f->said);
    free(f->address);
    free(f);
}
