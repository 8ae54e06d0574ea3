/* SPDX-License-Identifier: Apache-2.0 */
/* ends.c - see ends.h. */
#include "lib/service/ends.h"

#include <string.h>

#include "lib/base/alloc.h"

/* For PL_ERR_CONFIG. */
static enum pl_end config_decide(enum pl_end_side side, enum pl_worked worked)
{
    if (side == PL_END_OURS)
        return PL_END_CONFIG;
    switch (worked) {
    case PL_WORKED_NEVER:
        return PL_END_CONFIG;
    case PL_WORKED_UNKNOWN:
        return PL_END_RESTART;
    case PL_WORKED:
        return PL_END_LOUDLY;
    }
    return PL_END_RESTART;
}

enum pl_end pl_end_decide(enum pl_err_kind kind, enum pl_end_side side, enum pl_worked worked)
{
    switch (kind) {
    case PL_ERR_NONE:
        return PL_END_NONE;
    case PL_ERR_RETRY:
        return PL_END_AGAIN;
    case PL_ERR_REJECT:
        return PL_END_LOUDLY;
    case PL_ERR_CONFIG:
        return config_decide(side, worked);
    case PL_ERR_FATAL:
        return PL_END_RESTART;
    case PL_ERR_FENCED:
        return PL_END_FENCED;
    }
    return PL_END_RESTART;
}

enum pl_end_side pl_end_side(const struct pl_err *err)
{
    return err->code != 0 ? PL_END_FAR : PL_END_OURS;
}

/* Gives it a status that systemd restarts. */
static void restart_make(struct pl_err *err)
{
    if (err->kind != PL_ERR_FATAL)
        err->kind = PL_ERR_RETRY;
}

enum pl_end pl_end_of(struct pl_err *err, enum pl_worked worked)
{
    enum pl_end end = pl_end_decide(err->kind, pl_end_side(err), worked);
    if (end == PL_END_RESTART)
        restart_make(err);
    return end;
}

enum pl_end pl_end_of_last(struct pl_err *err, enum pl_worked worked)
{
    enum pl_end end = pl_end_decide(err->kind, pl_end_side(err), worked);
    if (end == PL_END_NONE || end == PL_END_CONFIG || end == PL_END_FENCED)
        return end;
    restart_make(err);
    return PL_END_RESTART;
}

/* ---- loudly ---- */

/* Gaps between lines; the last one repeats. */
static const int64_t line_after_ms[] = {60000, 300000, 900000, 3600000};

bool pl_refusal_next(struct pl_refusal *r, int64_t now_ms)
{
    if (r->since_ms == 0) {
        *r = (struct pl_refusal){.since_ms = now_ms, .said_ms = now_ms, .lines = 1};
        return true;
    }
    size_t last = PL_COUNT(line_after_ms) - 1;
    size_t at = r->lines - 1 < last ? r->lines - 1 : last;
    if (now_ms - r->said_ms < line_after_ms[at])
        return false;
    r->said_ms = now_ms;
    r->lines++;
    return true;
}

bool pl_refusal_over(struct pl_refusal *r)
{
    bool was = r->since_ms != 0;
    *r = (struct pl_refusal){0};
    return was;
}

int64_t pl_refusal_seconds(const struct pl_refusal *r, int64_t now_ms)
{
    return r->since_ms == 0 ? 0 : (now_ms - r->since_ms) / 1000;
}
