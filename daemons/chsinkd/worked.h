/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worked.h - whether chsinkd has worked before, for a refusal that ends it (lib/service/ends.h): by
 * what this process has brought to its end, else by the group's committed offsets.
 */
#ifndef CHSINKD_WORKED_H
#define CHSINKD_WORKED_H

#include "daemons/chsinkd/sink/sink.h"
#include "lib/service/ends.h"

/* PL_WORKED: this process has committed messages that are in the table or dead letters, or the
 * group has a committed offset in a topic of the routes; NEVER: neither (that partitions were
 * assigned proves nothing: the first insert or commit may be what is refused); UNKNOWN: Kafka does
 * not say, or shows no topic of a route's pattern. Creates the consumer of `s` if there is none
 * yet; `s` keeps it. Blocks, each of its two requests up to 5 s. Threads: the main one. */
enum pl_worked worked_look(struct sink *s);

#endif
