/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.c - fills struct pl_err.
 *
 * A message is formatted into a local array first, so that the arguments may point into the error
 * that is being set.
 */
#include "lib/base/err.h"

#include <string.h>
#include <sysexits.h>

#include "lib/base/text.h"

int pl_err_setv(struct pl_err *err, enum pl_err_kind kind, int code, const char *fmt, va_list ap)
{
    char msg[PL_ERR_MSG_MAX];
    size_t len = pl_text_formatv(msg, sizeof(msg), fmt, ap);
    err->kind = kind;
    err->code = code;
    memcpy(err->msg, msg, len + 1);
    return -1;
}

int pl_err_set(struct pl_err *err, enum pl_err_kind kind, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    pl_err_setv(err, kind, code, fmt, ap);
    va_end(ap);
    return -1;
}

int pl_err_prefix(struct pl_err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char prefix[PL_ERR_MSG_MAX];
    pl_text_formatv(prefix, sizeof(prefix), fmt, ap);
    va_end(ap);
    char msg[PL_ERR_MSG_MAX];
    size_t len = pl_text_format(msg, sizeof(msg), "%s: %s", prefix, err->msg);
    memcpy(err->msg, msg, len + 1);
    return -1;
}

const char *pl_err_kind_name(enum pl_err_kind kind)
{
    switch (kind) {
    case PL_ERR_NONE:
        return "none";
    case PL_ERR_RETRY:
        return "retry";
    case PL_ERR_REJECT:
        return "reject";
    case PL_ERR_CONFIG:
        return "config";
    case PL_ERR_FATAL:
        return "fatal";
    }
    return "unknown";
}

int pl_err_exit_status(enum pl_err_kind kind)
{
    switch (kind) {
    case PL_ERR_NONE:
        return 0;
    case PL_ERR_RETRY:
        return EX_UNAVAILABLE;
    case PL_ERR_REJECT:
        return EX_DATAERR;
    case PL_ERR_CONFIG:
        return EX_CONFIG;
    case PL_ERR_FATAL:
        return 1;
    }
    return 1;
}
