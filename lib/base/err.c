/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.c - see err.h.
 */
#include "lib/base/err.h"

#include <string.h>
#include <sysexits.h>

#include "lib/base/text.h"

static const struct {
    const char *name;
    int exit_status;
} kinds[] = {
    [PL_ERR_NONE] = {"none", 0},
    [PL_ERR_RETRY] = {"retry", EX_UNAVAILABLE},
    [PL_ERR_REJECT] = {"reject", EX_DATAERR},
    [PL_ERR_CONFIG] = {"config", EX_CONFIG},
    [PL_ERR_FATAL] = {"fatal", 1},
    [PL_ERR_FENCED] = {"fenced", PL_EXIT_FENCED},
};

int pl_err_set(struct pl_err *err, enum pl_err_kind kind, int code, const char *fmt, ...)
{
    /* A local array first: the arguments may point into `err`. */
    char msg[PL_ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    size_t len = pl_text_formatv(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    err->kind = kind;
    err->code = code;
    memcpy(err->msg, msg, len + 1);
    return -1;
}

int pl_err_prefix(struct pl_err *err, const char *fmt, ...)
{
    char prefix[PL_ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    pl_text_formatv(prefix, sizeof(prefix), fmt, ap);
    va_end(ap);
    return pl_err_set(err, err->kind, err->code, "%s: %s", prefix, err->msg);
}

bool pl_err_is_final(const struct pl_err *err)
{
    return err->kind == PL_ERR_FATAL || err->kind == PL_ERR_FENCED;
}

const char *pl_err_kind_name(enum pl_err_kind kind)
{
    return kinds[kind].name;
}

int pl_err_exit_status(enum pl_err_kind kind)
{
    return kinds[kind].exit_status;
}
