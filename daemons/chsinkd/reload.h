/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload.h - whether the routes of a configuration that a reload is to take over fit the tables
 * that are there, before what runs is given up for it.
 *
 * Only reads, by an output of its own beside the one that loads, and so only where an output can be
 * open twice in a process (struct output_kind, `beside`); of the others the start that follows
 * tells. It waits at most RELOAD_CALL_MS for an answer, and begins no route after RELOAD_ALL_MS:
 * the loop stands meanwhile, and the watchdog waits for a minute. What cannot be asked within that
 * is left to the start, too, which tries again.
 *
 * Threads: the main one.
 */
#ifndef CHSINKD_RELOAD_H
#define CHSINKD_RELOAD_H

#include "daemons/chsinkd/conf.h"

#define RELOAD_CALL_MS 3000
#define RELOAD_ALL_MS  10000

/* -1: one does not (CONFIG). 0: they do, or it cannot be told now. Shortens the time-outs of
 * `fresh`, which nothing else uses. */
int reload_try(struct chsinkd_conf *fresh, struct pl_err *err);

#endif
