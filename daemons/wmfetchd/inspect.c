/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.c - see inspect.h.
 *
 * All three are the same fetch and look differently at each element; the series are asked one after
 * the other until there are enough.
 */
#include "daemons/wmfetchd/inspect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemons/wmfetchd/api/element.h"
#include "daemons/wmfetchd/api/fetch.h"
#include "daemons/wmfetchd/metrics.h"
#include "lib/auth/auth.h"
#include "lib/auth/token_answer.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/base/time_text.h"
#include "lib/http/request.h"
#include "lib/json/reader.h"
#include "lib/json/schema.h"
#include "lib/log/log.h"
#include "lib/service/bar.h"
#include "lib/service/daemon.h"

#define TRY_BACK_MS INT64_C(3600000)

struct inspect {
    const struct wmfetchd_conf *conf;
    const struct inspect_ask *ask;
    struct pl_daemon *daemon;
    struct pl_http *http;
    struct pl_auth *auth;
    struct pl_auth_waiter waiter;
    struct fetch *fetch;
    struct element element;
    struct pl_schema *profile;
    struct pl_metrics *metrics; /* counted, not shown */
    size_t at;
    struct wmfetchd_series series; /* the one under way */
    int64_t taken;
    uint64_t records;
    struct pl_new_file file; /* of --auth-test */
    size_t written;
    bool cut, failed, finished;
    struct pl_bar bar; /* --schema */
    struct pl_err why; /* the first error */
    int64_t begun_ms;  /* monotonic */
};

static void stop_with(struct inspect *in, const struct pl_err *err)
{
    if (err && !in->failed)
        in->why = *err;
    in->failed |= err != NULL;
    pl_daemon_stop(in->daemon, err);
}

static void series_start(struct inspect *in)
{
    in->series = wmfetchd_series(in->conf, in->at);
    const struct fetch_ask ask = {in->series.application, in->series.index, in->ask->start_ms,
                                  in->ask->end_ms};
    fetch_start(in->fetch, &ask);
}

/* ---- who asks ---- */

static int answer_failed(struct pl_err *err)
{
    return pl_err_set(err, PL_ERR_CONFIG, errno, "cannot write %s here: %s", INSPECT_ANSWER_FILE,
                      pl_new_file_error(errno));
}

static int answer_open(struct inspect *in, struct pl_err *err)
{
    return pl_new_file_open(&in->file, INSPECT_ANSWER_FILE) ? 0 : answer_failed(err);
}

/* An unexpected answer is worth a look, too, but under a name that says so. */
static void answer_keep_part(struct inspect *in)
{
    if (in->written > 0 && in->file.stream &&
        pl_new_file_commit(&in->file, INSPECT_ANSWER_FILE ".part"))
        fprintf(stderr, "what came of the answer is in %s.part\n", INSPECT_ANSWER_FILE);
}

static void on_auth(void *userdata, const char *header, const struct pl_err *err)
{
    struct inspect *in = userdata;
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    struct pl_err open_err;
    (void)header;
    if (!err && in->ask->mode == INSPECT_AUTH_TEST) {
        pl_auth_describe(in->auth, &text);
        fwrite(text.data, 1, text.len, stdout);
        fflush(stdout);
        if (answer_open(in, &open_err) < 0)
            err = &open_err;
    }
    if (err)
        stop_with(in, err);
    else
        series_start(in);
}

/* ---- elements ---- */

/* A member of the element as one line of text; "-" where it has none. */
static void member_text(struct pl_slice element, const char *name, char *out, size_t size)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    snprintf(out, size, "-");
    struct pl_json j;
    pl_json_init(&j, element.p, element.len, 0);
    pl_json_object_begin(&j);
    struct pl_slice raw;
    struct pl_json_str key, str;
    while (pl_json_object_next(&j, &key)) {
        if (!pl_json_str_eq(&key, name)) {
            pl_json_skip(&j, NULL);
        } else if (pl_json_peek(&j) == PL_JSON_STRING) {
            if (pl_json_string(&j, &str) && pl_json_unescape_buf(&str, &text) && text.len > 0)
                pl_text_scrub(text.data, text.len, NULL, out, size);
        } else if (pl_json_skip(&j, &raw)) {
            pl_text_scrub(raw.p, raw.len, NULL, out, size);
        }
    }
}

static void sample_print(struct inspect *in, struct pl_slice element)
{
    const struct pl_strings *keys = &in->conf->api.record.key;
    const char *key = keys->n > 0 ? keys->v[0] : "", *other = keys->n > 1 ? keys->v[1] : "";
    if (in->taken == 0)
        printf("%6s  %-38s  %8s  %10s  %s\n", "number", key, "records", "bytes", other);
    char id[40], name[80];
    member_text(element, key, id, sizeof(id));
    member_text(element, other, name, sizeof(name));
    printf("%6" PRId64 "  %-38s  %8" PRIu64 "  %10zu  %s\n", in->taken + 1, id, in->element.records,
           element.len, name);
}

static enum fetch_take on_element(void *userdata, struct pl_slice element, struct pl_err *err)
{
    struct inspect *in = userdata;
    if (in->ask->mode != INSPECT_AUTH_TEST && in->taken >= in->ask->count)
        return FETCH_LATER; /* there is enough: it is being stopped */
    element_read(&in->element, &in->conf->api.record, element);
    if (element_check(&in->element, err) < 0)
        return FETCH_REFUSED;
    const char *why;
    if (in->ask->mode == INSPECT_SAMPLE)
        sample_print(in, element);
    else if (in->ask->mode == INSPECT_SCHEMA &&
             !pl_schema_add(in->profile, element.p, element.len, &why))
        pl_log(PL_WARNING, NULL, "a transaction cannot be read", PL_F_STR("REASON", why));
    in->records += in->element.records;
    in->taken++;
    if (in->ask->mode != INSPECT_AUTH_TEST && in->taken == in->ask->count) {
        in->finished = true;
        stop_with(in, NULL);
    }
    return FETCH_TAKEN;
}

static int on_bytes(void *userdata, const char *data, size_t len, struct pl_err *err)
{
    struct inspect *in = userdata;
    if (in->ask->mode != INSPECT_AUTH_TEST)
        return 0;
    size_t room = INSPECT_ANSWER_MAX - in->written;
    in->cut |= len > room;
    len = len < room ? len : room;
    in->written += len;
    return fwrite(data, 1, len, in->file.stream) == len ? 0 : answer_failed(err);
}

static void answer_print(struct inspect *in, const struct fetch_result *r)
{
    char start[32], end[32];
    pl_time_format_ms(in->ask->start_ms, start);
    pl_time_format_ms(in->ask->end_ms, end);
    printf("request: %s\n  series    application_id %s, index %s\n  range     %s to %s\n",
           fetch_address(in->fetch), in->series.application, in->series.index, start, end);
    printf("answer: %ld after %.1f s, %s\n  holds     %" PRId64 " transactions, %" PRIu64
           " records, %" PRIu64 " bytes\n  saved     %s%s\n",
           r->status, (double)r->duration_ms / 1000, r->status == 204 ? "empty" : r->shape,
           in->taken, in->records, r->bytes, INSPECT_ANSWER_FILE,
           in->cut ? " (only its beginning: it is large)" : "");
}

static void on_done(void *userdata, const struct fetch_result *result, const struct pl_err *err)
{
    struct inspect *in = userdata;
    bool auth_test = in->ask->mode == INSPECT_AUTH_TEST;
    bool several = in->ask->mode == INSPECT_SAMPLE || in->ask->mode == INSPECT_SCHEMA;
    struct pl_err keep_err;
    if (err && auth_test) {
        answer_keep_part(in);
    } else if (auth_test && !pl_new_file_commit(&in->file, INSPECT_ANSWER_FILE)) {
        answer_failed(&keep_err);
        err = &keep_err;
    } else if (auth_test) {
        answer_print(in, result);
    }
    if (!err && several && ++in->at < wmfetchd_series_count(in->conf) &&
        !pl_daemon_stopping(in->daemon)) {
        series_start(in);
        return;
    }
    in->finished |= !err;
    stop_with(in, err);
}

static const struct fetch_ops fetch_ops = {on_element, on_bytes, on_done};

/* ---- running ---- */

static void on_stop(void *userdata)
{
    struct inspect *in = userdata;
    pl_auth_cancel(in->auth, &in->waiter);
    fetch_stop(in->fetch);
    pl_daemon_finish(in->daemon);
}

static void on_tick(void *userdata)
{
    struct inspect *in = userdata;
    const struct pl_bar_now now = {.done = (double)in->taken,
                                   .total = (double)in->ask->count,
                                   .count = (uint64_t)in->taken,
                                   .unit = "transactions"};
    if (in->ask->mode == INSPECT_SCHEMA)
        pl_bar_show(&in->bar, &now);
    if (in->ask->mode == INSPECT_TRY && pl_clock_monotonic_ms() - in->begun_ms >= INSPECT_TRY_MS)
        stop_with(in, &in->why);
}

static const struct pl_daemon_ops daemon_ops = {.on_stop = on_stop, .on_tick = on_tick};

static void release(struct inspect *in)
{
    pl_new_file_release(&in->file);
    fetch_free(in->fetch);
    pl_auth_free(in->auth);
    pl_http_free(in->http);
    pl_metrics_free(in->metrics);
    pl_schema_free(in->profile);
    element_release(&in->element);
    pl_daemon_free(in->daemon);
}

static int start(struct inspect *in, struct pl_err *err)
{
    const struct wmfetchd_conf *conf = in->conf;
    in->begun_ms = pl_clock_monotonic_ms();
    if (pl_daemon_new(&daemon_ops, in, conf->stop_timeout_ms, &in->daemon, err) < 0)
        return -1;
    if (in->ask->mode == INSPECT_SCHEMA)
        in->profile = pl_schema_new();
    if (pl_http_new(pl_daemon_event(in->daemon), &in->http, err) < 0)
        return -1;
    in->metrics = pl_metrics_new(wmfetchd_metrics, M_COUNT);
    const struct pl_auth_owner owner = wmfetchd_auth_owner(in->metrics);
    in->auth = pl_auth_new(in->http, &conf->auth, &owner);
    in->fetch = fetch_new(in->http, &conf->api, in->auth, in->metrics, &fetch_ops, in);
    const char *header = pl_auth_get(in->auth, &in->waiter, on_auth, in);
    if (header)
        on_auth(in, header, NULL);
    return 0;
}

static void summary_print(const struct inspect *in)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    if (in->ask->mode == INSPECT_AUTH_TEST)
        return;
    if (in->ask->mode == INSPECT_SCHEMA) {
        pl_schema_print(in->profile, "TYPE", pl_schema_type, &text);
        fwrite(text.data, 1, text.len, stdout);
    }
    fflush(stdout);
    fprintf(stderr, "%" PRId64 " transactions with %" PRIu64 " records; nothing was written\n",
            in->taken, in->records);
}

int inspect_run(const struct wmfetchd_conf *conf, const struct inspect_ask *ask)
{
    PL_CLEANUP(release) struct inspect in = {.conf = conf, .ask = ask};
    struct pl_err err;
    if (start(&in, &err) < 0) {
        pl_log_err(PL_ERROR, PL_EVENT_EXITING, "cannot start", &err);
        return pl_err_exit_status(err.kind);
    }
    int status = pl_daemon_run(in.daemon);
    pl_log_progress_end();
    if (!in.failed || in.taken > 0)
        summary_print(&in);
    return status == 0 && !in.finished ? 1 : status;
}

int inspect_try(const struct wmfetchd_conf *conf, int64_t *ret_items, struct pl_err *err)
{
    /* Whole seconds, as some APIs have their times. */
    int64_t now_ms = pl_clock_realtime_ms() / 1000 * 1000;
    const struct inspect_ask ask = {INSPECT_TRY, INT64_MAX, now_ms - TRY_BACK_MS, now_ms};
    PL_CLEANUP(release) struct inspect in = {.conf = conf, .ask = &ask};
    if (start(&in, err) < 0)
        return -1;
    pl_err_set(&in.why, PL_ERR_RETRY, 0, "no whole answer within %d s", INSPECT_TRY_MS / 1000);
    pl_daemon_run(in.daemon);
    *ret_items = in.taken;
    if (in.finished && !in.failed)
        return 0;
    *err = in.why;
    return -1;
}
