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
    if (!pl_doc_int(record, name, &ms) || ms < 0 || ms > PL_MOMENT_MAX_MS)
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
