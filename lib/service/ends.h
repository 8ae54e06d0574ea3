/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ends.h - the rule of ends: which error ends a daemon, how, and which is tried again.
 *
 * Nobody is there at three in the morning. What may pass by itself must never leave a daemon down
 * for good, and a mistake in the configuration must show at once. So only a start that never worked
 * ends with 78, which systemd does not restart (RestartPreventExitStatus=), and only one whose name
 * another instance has taken over ends with 150, which it does not restart either:
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
 * Far side: it answered, or its certificate did: a password or certificate refused, a right taken
 * away, a topic or path that is not there. It may be wrong for a while (a proxy that is being set
 * up, access rules half loaded), and only it can mend that. The error has a foreign code then.
 *
 * Ours: a limit of ours that what we read goes beyond, an option that cannot work. The same comes
 * again after every restart, until a person decides.
 *
 * Has worked: in this process, or a committed position was found in Kafka. Never: the position's
 * topic was read (or is not there), and there is none. Not known: Kafka did not let us read it.
 *
 * Where trying again is not possible in this process (librdkafka declares a transactional producer
 * dead when its transactional.id is refused), the daemon ends with 69 and systemd restarts it. Its
 * next start meets the same refusal and looks for the position: found or not known, it ends with 69
 * again, until the refusal is over.
 *
 * Loudly: PL_ERROR at once and then at growing intervals (struct pl_refusal), a metric with the
 * seconds since the first, STATUS, and not ready.
 *
 * Pure; any thread.
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

/* The side by the code: none is ours. */
enum pl_end_side pl_end_side(const struct pl_err *err);

/* Both; and for PL_END_RESTART `err` becomes one whose exit status systemd restarts. For the start,
 * and for pl_daemon_stop(). */
enum pl_end pl_end_of(struct pl_err *err, enum pl_worked worked);

/* The same where trying again is not possible in this process: never AGAIN or LOUDLY. */
enum pl_end pl_end_of_last(struct pl_err *err, enum pl_worked worked);

/* A refusal that is tried again, from the first failure until something works. Zero-initialise. */
struct pl_refusal {
    int64_t since_ms; /* monotonic; 0: there is none */
    int64_t said_ms;  /* the last line */
    unsigned lines;
};

/* It has happened (again). true: say it now, as an error. The first line at once, then one each
 * time 1 min, 5 min, 15 min and 1 h have passed since the line before, then hourly. now_ms:
 * monotonic, above 0. */
bool pl_refusal_next(struct pl_refusal *r, int64_t now_ms);
/* Something has worked. true: there was a refusal, say that it is over. */
bool pl_refusal_over(struct pl_refusal *r);
/* For how long by now; 0: there is none. */
int64_t pl_refusal_seconds(const struct pl_refusal *r, int64_t now_ms);

#endif
