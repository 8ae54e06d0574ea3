/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - the error that every module of libpipeline and the daemons reports.
 *
 * An error lives on the caller's stack. Its kind is the decision the caller has to make; its
 * message is the one line an operator reads: what failed, with what, and what to do.
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

#include <stdbool.h>

enum pl_err_kind {
    PL_ERR_NONE = 0,
    PL_ERR_RETRY,  /* the same again later: the far side is away, slow or asks to wait */
    PL_ERR_REJECT, /* this record is bad: dead letter, continue */
    PL_ERR_CONFIG, /* a person must act: exit 78 (EX_CONFIG), systemd does not restart */
    PL_ERR_FATAL,  /* our state is unusable (out of memory …): exit 1, systemd restarts */
    PL_ERR_FENCED, /* another instance of the same name took over: exit 150, systemd does not
                    * restart, or the two would take over from each other for ever */
};

/* Long enough for a server's sentence with a name or two in it; longer ones end in "...". */
#define PL_ERR_MSG_MAX 512

struct pl_err {
    enum pl_err_kind kind;
    int code; /* HTTP status, CURLcode, rd_kafka_resp_err_t, ClickHouse's; 0: none */
    char msg[PL_ERR_MSG_MAX];
};

/* Sets all of `err`; the message is what pl_text_format() makes of it (texts of servers hold
 * newlines and worse), and may be made from the old one. Returns -1. */
int pl_err_set(struct pl_err *err, enum pl_err_kind kind, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "text: " before the message; kind and code stay. Returns -1. */
int pl_err_prefix(struct pl_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* FATAL or FENCED: this process cannot continue. */
bool pl_err_is_final(const struct pl_err *err);

/* "retry", "reject", "config", "fatal", "fenced", "none" */
const char *pl_err_kind_name(enum pl_err_kind kind);

/* Exit status of PL_ERR_FENCED, in the units' RestartPreventExitStatus=. sysexits(3) ends at 78,
 * systemd's own begin at 200; 150 to 199 are for applications (LSB, "Init Script Actions"). */
#define PL_EXIT_FENCED 150

/* sysexits(3): NONE 0, CONFIG 78 (EX_CONFIG), RETRY 69 (EX_UNAVAILABLE), REJECT 65 (EX_DATAERR),
 * FATAL 1; FENCED PL_EXIT_FENCED. */
int pl_err_exit_status(enum pl_err_kind kind);

#endif
