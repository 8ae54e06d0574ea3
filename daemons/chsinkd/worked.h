/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worked.h - whether this group has worked before, judged by its committed offsets, for a start
 * that was refused (lib/service/ends.h).
 */
#ifndef CHSINKD_WORKED_H
#define CHSINKD_WORKED_H

#include "daemons/chsinkd/sink/sink.h"
#include "lib/service/ends.h"

/* PL_WORKED: the group has a committed offset in a topic of the routes; NEVER: it has none;
 * UNKNOWN: Kafka does not say, or shows no topic of a route's pattern. Creates the consumer of `s`
 * if there is none yet; `s` keeps it. For use at start: blocks, each of its requests up to 5 s.
 * Threads: the main one. */
enum pl_worked worked_look(struct sink *s);

#endif
