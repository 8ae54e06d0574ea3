/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remade.h - says that a table, a view or a column that was there is made again while running.
 *
 * Somebody dropped or renamed it. chsinkd makes what is missing, as at a start, and goes on: the
 * messages since then are neither lost nor held up. But a table that is remade begins empty, and a
 * renamed one gets no more rows; that must not pass unseen, so it is a warning for each thing made.
 */
#ifndef CHSINKD_SINK_REMADE_H
#define CHSINKD_SINK_REMADE_H

#include "daemons/chsinkd/output/output.h"

/* For on_fact of struct output_ensure; userdata: const struct output_target. Threads: any. */
void remade_say(void *userdata, const char *what, const char *name);

#endif
