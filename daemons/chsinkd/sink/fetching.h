/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetching.h - makes librdkafka fetch a partition where it is to be read (partition.seek_to), or
 * not: what stalls is paused, so that it takes nothing from the others.
 *
 * Threads: the consumer's.
 */
#ifndef CHSINKD_SINK_FETCHING_H
#define CHSINKD_SINK_FETCHING_H

#include "daemons/chsinkd/sink/sink.h"

/* Once a turn. A partition where librdkafka does not let us go for too long is set aside. */
void fetching_set(struct sink *s, struct partition *p);
/* Before it is given back: librdkafka would remember that it was paused. */
void fetching_release(struct sink *s, struct partition *p);

#endif
