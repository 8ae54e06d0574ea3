/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.c - fills struct pl_err: one line, no control characters, cut at a character.
 *
 * A message is formatted into a local array first, so that the arguments may point into the error
 * that is being set.
 */
#include "lib/base/err.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define CUT_MARK "..."

static bool byte_is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Replaces control characters, C0 and C1 (U+0080 to U+009F, which a terminal may obey), by spaces.
 */
static void msg_flatten(char *msg)
{
    for (unsigned char *p = (unsigned char *)msg; *p; p++) {
        if (*p < 0x20 || *p == 0x7F) {
            *p = ' ';
        } else if (*p == 0xC2 && p[1] >= 0x80 && p[1] <= 0x9F) {
            p[0] = ' ';
            p[1] = ' ';
        }
    }
}

/* Ends a message that did not fit with the mark, at the beginning of a character. */
static void msg_cut(char msg[static PL_ERR_MSG_MAX])
{
    size_t len = PL_ERR_MSG_MAX - sizeof(CUT_MARK);

    while (len > 0 && byte_is_continuation(msg[len]))
        len--;
    memcpy(msg + len, CUT_MARK, sizeof(CUT_MARK));
}

/* Formats into `msg`; true when it had to be cut. */
static bool msg_format(char msg[static PL_ERR_MSG_MAX], const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static bool msg_format(char msg[static PL_ERR_MSG_MAX], const char *fmt, va_list ap)
{
    int n = vsnprintf(msg, PL_ERR_MSG_MAX, fmt, ap);

    if (n < 0) {
        /* Not to be expected; the format itself still says what failed. */
        n = snprintf(msg, PL_ERR_MSG_MAX, "%s", fmt);
    }
    if (n >= PL_ERR_MSG_MAX) {
        msg_cut(msg);
        return true;
    }
    return false;
}

int pl_err_setv(struct pl_err *err, enum pl_err_kind kind, int code, const char *fmt, va_list ap)
{
    char msg[PL_ERR_MSG_MAX];

    msg_format(msg, fmt, ap);
    msg_flatten(msg);
    err->kind = kind;
    err->code = code;
    memcpy(err->msg, msg, strlen(msg) + 1);
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
    char prefix[PL_ERR_MSG_MAX];
    char joined[2 * PL_ERR_MSG_MAX + 2];
    va_list ap;

    va_start(ap, fmt);
    msg_format(prefix, fmt, ap);
    va_end(ap);
    msg_flatten(prefix);

    int n = snprintf(joined, sizeof(joined), "%s: %s", prefix, err->msg);
    if (n < PL_ERR_MSG_MAX) {
        memcpy(err->msg, joined, (size_t)n + 1);
    } else {
        memcpy(err->msg, joined, PL_ERR_MSG_MAX - 1);
        msg_cut(err->msg);
    }
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
