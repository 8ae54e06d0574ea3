/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - the error that every module of libpipeline and the daemons reports.
 *
 * An error lives on the caller's stack. Its kind is the decision that the caller has to take, its
 * message is the one line that an operator will read: what failed, with what, and what to do.
 *
 * Convention: a function that can fail takes `struct pl_err *err` as its last parameter, returns 0
 * on success and -1 on failure (or a pointer and NULL), fills `err` only on failure and leaves its
 * `ret_*` outputs untouched then. `err` is never NULL. An error is logged once, by the daemon
 * layer.
 *
 * Threads: no shared state.
 */
#ifndef PL_BASE_ERR_H
#define PL_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

enum pl_err_kind {
    PL_ERR_NONE = 0,
    PL_ERR_RETRY,  /* later, the same thing: the far side is away, slow or asks to wait */
    PL_ERR_REJECT, /* this record is bad: dead letter, go on */
    PL_ERR_CONFIG, /* a person must act: exit 78 (EX_CONFIG), systemd does not restart */
    PL_ERR_FATAL,  /* our state is unusable (fenced, out of memory): exit 1, systemd restarts */
};

/* Long enough for a server's sentence with a name or two in it; longer ones are cut at a UTF-8
 * character and end in "...". */
#define PL_ERR_MSG_MAX 512

struct pl_err {
    enum pl_err_kind kind;
    /* the foreign code: HTTP status, CURLcode, rd_kafka_resp_err_t, ClickHouse's; 0 none */
    int code;
    char msg[PL_ERR_MSG_MAX];
};

/* Sets all of `err`; the message is one line of UTF-8 that can act on no terminal, as
 * pl_text_format() makes it (texts of servers hold newlines and worse). Returns -1 so that a
 * function can end in `return pl_err_set(err, …)`. */
int pl_err_set(struct pl_err *err, enum pl_err_kind kind, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int pl_err_setv(struct pl_err *err, enum pl_err_kind kind, int code, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

/* Puts "text: " before the message that is there; kind and code stay. Returns -1. */
int pl_err_prefix(struct pl_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "retry", "reject", "config", "fatal", "none" */
const char *pl_err_kind_name(enum pl_err_kind kind);

/* sysexits(3): NONE 0, CONFIG 78 (EX_CONFIG), RETRY 69 (EX_UNAVAILABLE), REJECT 65 (EX_DATAERR),
 * FATAL 1. */
int pl_err_exit_status(enum pl_err_kind kind);

#endif
