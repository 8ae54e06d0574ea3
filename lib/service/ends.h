/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ends.h - the rule of ends: which errors end a daemon, how, and which are tried again.
 *
 * Nobody is there at three in the morning. What may pass by itself must never leave a daemon down
 * for good, and a mistake in the configuration must show at once. So systemd restarts after
 * all errors but two (RestartPreventExitStatus=): 78, for what a person must fix, if it is ours or
 * the daemon has never worked; and 150, when another instance has taken over its name:
 *
 *                      never worked      not known         has worked
 *   NONE               -                 -                 -
 *   RETRY              again             again             again
 *   REJECT             again, loudly     again, loudly     again, loudly
 *   CONFIG, far side   78                69, restarted     again, loudly
 *   CONFIG, ours       78                78                78
 *   FATAL              restarted         restarted         restarted
 *   FENCED             150               150               150
 *
 * Far side: the other side refused: a password, a certificate (also its own, by us), a missing
 * right, topic or path. That may be temporary (a proxy being set up, access rules half loaded), and
 * only the far side can fix it. The error has a foreign code.
 *
 * Ours: what we read exceeds a limit of ours, an option that cannot work. Every restart meets the
 * same, until a person decides.
 *
 * Has worked: in this process, or there is a committed position in Kafka. Never: there is none, or
 * no topic for it. Not known: Kafka did not let us read it.
 *
 * Where this process cannot try again (librdkafka declares a transactional producer dead when its
 * transactional.id is refused), the daemon ends with 69 and systemd restarts it. The next start
 * meets the same refusal and looks for the position: if it is found or not known, it ends with 69
 * again, until the refusal is over.
 *
 * Loudly: PL_ERROR at once and then at growing intervals (struct pl_refusal), a metric with the
 * seconds since the first, STATUS, and not ready.
 *
 * Pure. Threads: any.
 */
#ifndef PL_SERVICE_ENDS_H
#define PL_SERVICE_ENDS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

enum pl_worked { PL_WORKED_NEVER, PL_WORKED_UNKNOWN, PL_WORKED };

enum pl_end_side { PL_END_OURS, PL_END_FAR };

enum pl_end {
    PL_END_NONE,
    PL_END_AGAIN,
    PL_END_LOUDLY,  /* again, loudly */
    PL_END_RESTART, /* end with a status that systemd restarts */
    PL_END_CONFIG,  /* end with 78 */
    PL_END_FENCED,  /* end with 150 (PL_EXIT_FENCED) */
};

/* The table above. */
enum pl_end pl_end_decide(enum pl_err_kind kind, enum pl_end_side side, enum pl_worked worked);

/* By the code: 0 is ours. */
enum pl_end_side pl_end_side(const struct pl_err *err);

/* pl_end_decide() by kind and side of `err`; for PL_END_RESTART `err` becomes one whose exit status
 * systemd restarts. */
enum pl_end pl_end_of(struct pl_err *err, enum pl_worked worked);

/* The same where this process cannot try again: never AGAIN or LOUDLY. */
enum pl_end pl_end_of_last(struct pl_err *err, enum pl_worked worked);

/* A refusal that is tried again, or a far side that is away, until something works.
 * Zero-initialise. */
struct pl_refusal {
    int64_t since_ms; /* monotonic; 0: there is none */
    int64_t said_ms;  /* monotonic, the last line */
    unsigned lines;
};

/* Refused (again). true: log it now, as an error: at once, then 1 min, 5 min, 15 min and 1 h after
 * the line before, then hourly. now_ms: monotonic, above 0. */
bool pl_refusal_next(struct pl_refusal *r, int64_t now_ms);
/* Something worked. true: a refusal is over, log that. */
bool pl_refusal_over(struct pl_refusal *r);
/* How long it has lasted; 0: there is none. */
int64_t pl_refusal_seconds(const struct pl_refusal *r, int64_t now_ms);

#endif
