/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - one line per fact: a constant message and typed fields, to the journal or a terminal.
 *
 *     pl_log(PL_INFO, PL_EVENT_BATCH_INSERTED, "rows inserted",
 *            PL_F_STR("TABLE", table), PL_F_INT("ROWS", rows), PL_F_INT("DURATION_MS", ms));
 *
 * Under systemd (stderr is the stream named by $JOURNAL_STREAM) fields become native journal fields
 * with MESSAGE_ID; otherwise one line of text on stderr: time, level, message, `key=value …`
 * (values with spaces quoted, control characters escaped), coloured only on a tty. MESSAGE itself
 * is "message: key=value …" in the journal too, so that `journalctl -u` is readable.
 *
 * The same field names in all daemons: TOPIC PARTITION OFFSET OFFSET_START OFFSET_END TABLE ROWS
 * BYTES MESSAGES DURATION_MS SOURCE URL STATUS ERROR CODE KIND GROUP ROUTE COLUMN REASON LAG COUNT
 * FILE. TABLE is the bare name, with DATABASE beside it: `journalctl TABLE=wikipedia_edits` matches
 * the exact text. What happens every second is logged at info as sums, once a minute (BATCHES,
 * TRANSACTIONS; DURATION_MS is their sum), and each at debug.
 *
 * Rate limit: 10 lines per call site in 10 s; the next line that passes carries SUPPRESSED=n. Debug
 * lines are not limited.
 *
 * Limits: a line has at most PL_LOG_LINE_MAX bytes with its newline and PL_LOG_FIELDS_MAX fields; a
 * longer one is cut at a character and ends in "...", further fields are left out. Control
 * characters and what is not UTF-8 are escaped (\n, \x1b), so that text from outside makes no line
 * and no colour.
 *
 * Threads: any, one write(2) a line, no lock, no allocation; signal handlers too, without float
 * fields. The level is process-wide: the one global of the library.
 */
#ifndef PL_LOG_LOG_H
#define PL_LOG_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/log/event_ids.h"

#define PL_LOG_LINE_MAX   8192 /* bytes */
#define PL_LOG_FIELDS_MAX 32

enum pl_log_level { PL_ERROR = 3, PL_WARNING = 4, PL_NOTICE = 5, PL_INFO = 6, PL_DEBUG = 7 };

struct pl_log_field {
    const char *name; /* upper case, as the journal wants it; NULL ends a list */
    enum { PL_LOG_STR, PL_LOG_SLICE, PL_LOG_INT, PL_LOG_UINT, PL_LOG_FLOAT } type;
    union {
        const char *str; /* NULL is left out */
        int64_t i;
        uint64_t u;
        double f;
    };
    size_t len; /* SLICE */
};

#define PL_F_STR(n, v) ((struct pl_log_field){.name = (n), .type = PL_LOG_STR, .str = (v)})
#define PL_F_SLICE(n, v, l)                                                                        \
    ((struct pl_log_field){.name = (n), .type = PL_LOG_SLICE, .str = (v), .len = (l)})
#define PL_F_INT(n, v)   ((struct pl_log_field){.name = (n), .type = PL_LOG_INT, .i = (v)})
#define PL_F_UINT(n, v)  ((struct pl_log_field){.name = (n), .type = PL_LOG_UINT, .u = (v)})
#define PL_F_FLOAT(n, v) ((struct pl_log_field){.name = (n), .type = PL_LOG_FLOAT, .f = (v)})

struct pl_log_site {
    const char *file;
    int line;
    const char *func;
    _Atomic int64_t window_ms;
    _Atomic unsigned passed, suppressed;
};

/* message_id: one of event_ids.h or NULL. text: a literal. */
#define pl_log(level, message_id, text, ...)                                                       \
    do {                                                                                           \
        static struct pl_log_site site_ = {.file = __FILE__, .line = __LINE__, .func = __func__};  \
        if ((int)(level) <= pl_log_level())                                                        \
            pl_log_at(&site_, (level), (message_id), "" text,                                      \
                      (const struct pl_log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}});               \
    } while (0)

/* The same with an error in ERROR, KIND and CODE, for the daemon layer; more fields may follow. */
#define pl_log_err(level, message_id, text, e, ...)                                                \
    pl_log(level, message_id, text, PL_F_STR("ERROR", (e)->msg),                                   \
           PL_F_STR("KIND", pl_err_kind_name((e)->kind)),                                          \
           PL_F_INT("CODE", (e)->code) __VA_OPT__(, ) __VA_ARGS__)

void pl_log_at(struct pl_log_site *site, enum pl_log_level level, const char *message_id,
               const char *text, const struct pl_log_field *fields);

/* Chooses the back end from the environment; under systemd it writes the version to stderr. `name`
 * is SYSLOG_IDENTIFIER and the prefix on a terminal; borrowed for good. Call once, before threads;
 * without it lines are text on stderr. */
void pl_log_open(const char *name);
void pl_log_set_level(enum pl_log_level level);
int pl_log_level(void);
/* "error" "warning" "notice" "info" "debug" NULL: the choices of an option `log_level`; choice i is
 * the level PL_ERROR + i. */
extern const char *const pl_log_level_names[];

/* Progress of long one-shot work, on stderr: on a terminal one line that is overwritten (a log line
 * replaces it, the next progress follows below), cut to the terminal's width; else a line each
 * PL_LOG_PROGRESS_MS. Control characters are flattened. Threads: one. (lib/service/bar.h makes the
 * text.) */
#define PL_LOG_PROGRESS_MS 10000
void pl_log_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Takes the line away: what is printed next stands in its place. */
void pl_log_progress_end(void);
/* How wide the line may be on this terminal, asked anew; 0: stderr is none. */
unsigned pl_log_progress_columns(void);

/* The pure parts of pl_log_at(), for tests: whether a site's line may pass at `now_ms` (monotonic,
 * above 0), and how many were suppressed before it; a line without time, level and newline ("rows
 * inserted table=x rows=1000"), cut to `size` bytes with its NUL. Returns its length. */
bool pl_log_admit(struct pl_log_site *site, int64_t now_ms, unsigned *ret_suppressed);
size_t pl_log_text(char *out, size_t size, const char *separator, const char *text,
                   const struct pl_log_field *fields, unsigned suppressed);

#endif
