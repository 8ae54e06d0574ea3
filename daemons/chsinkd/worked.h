/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worked.h - whether this group has worked before, for a start or a run that was refused: its
 * committed offsets say so (lib/service/ends.h).
 */
#ifndef CHSINKD_WORKED_H
#define CHSINKD_WORKED_H

#include "daemons/chsinkd/sink/sink.h"
#include "lib/service/ends.h"

/* PL_WORKED: the group has a committed offset in a topic of the routes; NEVER: it has none;
 * UNKNOWN: Kafka does not say. `s` may have no consumer yet: it gets one then, and keeps it. Blocks
 * for some seconds. For the start. */
enum pl_worked worked_look(struct sink *s);

#endif
