/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.c - see schedule.h.
 *
 * Every call works it out from `end` and the given times, so a clock that jumps changes when the
 * next window is due, never which one it is.
 */
#include "daemons/wmfetchd/window/schedule.h"

#include "lib/base/time_text.h"
#include "lib/config/options.h"
#include "lib/json/document.h"

/* Milliseconds of 1973: a smaller number was meant as seconds. */
#define TIME_LEAST_MS INT64_C(100000000000)
/* Of the year 9999: sums with windows and delays cannot overflow. */
#define TIME_MOST_MS INT64_C(253402300799999)
/* Some dozens are written. */
#define POSITION_BYTES_MAX 65536

int64_t schedule_next(const struct schedule *s, const struct schedule_position *p, int64_t now_ms,
                      struct schedule_window *ret)
{
    int64_t end_ms = p->end_ms + s->size_ms, from_ms = p->end_ms - s->overlap_ms;
    int64_t wait_ms = end_ms + s->delay_ms - now_ms;
    *ret = (struct schedule_window){.from_ms = from_ms > p->start_ms ? from_ms : p->start_ms,
                                    .end_ms = end_ms};
    return wait_ms > 0 ? wait_ms : 0;
}

int64_t schedule_start(const struct schedule *s, int64_t start_ms, int64_t now_ms)
{
    if (start_ms >= 0)
        return start_ms;
    start_ms = now_ms - s->size_ms;
    start_ms -= start_ms % s->size_ms;
    return start_ms > 0 ? start_ms : 0;
}

int64_t schedule_behind(const struct schedule *s, const struct schedule_position *p, int64_t now_ms)
{
    int64_t behind_ms = now_ms - s->delay_ms - p->end_ms;
    return behind_ms > 0 ? behind_ms / s->size_ms : 0;
}

bool schedule_time_parse(const char *text, int64_t now_ms, int64_t *ret_ms, const char **ret_why)
{
    size_t len = strlen(text);
    *ret_why = "none of now, -12d (12 days ago), 1767205800000 (milliseconds since 1970), "
               "2026-01-01T00:00:00Z";
    int64_t ms;
    if (strcmp(text, "now") == 0) {
        ms = now_ms;
    } else if (text[0] == '-') {
        if (pl_duration_parse(text + 1, &ms) < 0)
            return false;
        ms = ms < now_ms ? now_ms - ms : 0;
    } else if (len > 0 && strspn(text, "0123456789") == len) {
        ms = len <= 15 ? strtoll(text, NULL, 10) : INT64_MAX;
        if (ms != 0 && ms < TIME_LEAST_MS) {
            *ret_why = "milliseconds since 1970 are meant, it looks like seconds";
            return false;
        }
    } else if (!pl_time_parse(text, len, 3, &ms, NULL)) {
        return false;
    }
    if (ms < 0 || ms > TIME_MOST_MS) {
        *ret_why = "a time between 1970 and 9999 is needed";
        return false;
    }
    *ret_ms = ms;
    return true;
}

void schedule_position_encode(const struct schedule_position *p, int64_t now_ms, struct pl_buf *out)
{
    char at[32];
    pl_time_format_ms(now_ms, at);
    pl_buf_addf(out, "{\"version\":1,\"start\":%lld,\"end\":%lld,\"at\":\"%s\"}",
                (long long)p->start_ms, (long long)p->end_ms, at);
}

/* A member that is not there leaves *ret_ms as it is. */
static bool time_read(const cJSON *record, const char *name, int64_t *ret_ms)
{
    if (!pl_doc_get(record, name))
        return true;
    int64_t ms;
    if (!pl_doc_int(record, name, &ms) || ms < 0 || ms > TIME_MOST_MS)
        return false;
    *ret_ms = ms;
    return true;
}

int schedule_position_decode(const char *data, size_t len, struct schedule_position *ret,
                             struct pl_err *err)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *record = NULL;
    struct schedule_position p = {-1, -1};
    const char *wrong = NULL;
    int64_t version = 0;
    if (pl_doc_parse(data, len, POSITION_BYTES_MAX, &record, err) < 0)
        wrong = err->msg;
    else if (pl_doc_int(record, "version", &version) && version > 1)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "written by a newer wmfetchd (version %lld): upgrade, or use another "
                          "name",
                          (long long)version);
    else if (!time_read(record, "start", &p.start_ms) || !time_read(record, "end", &p.end_ms))
        wrong = "a time is not a number or too large";
    else if (version != 1 || p.start_ms < 0 || p.end_ms < p.start_ms)
        wrong = "it lacks a field";
    if (wrong)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "not a position of wmfetchd: %s", wrong);
    *ret = p;
    return 0;
}
