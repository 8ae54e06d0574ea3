/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h - which events are wanted: conditions on values inside them, all of which must hold.
 *
 * A condition tests each value at its path (arrays are entered; the short forms test the paths of
 * all schemas, see fields.h). `in` holds if one of the values is in its list, `not_in` if none is.
 * So an event without the field (or with null) fails an `in` and passes a `not_in`. An event that
 * is not valid JSON always passes.
 *
 * Strings are compared after unescaping, numbers by value (1, 1.0 and 1e0 are equal), true and
 * false as such; quotes around an element of the list make no difference. An object is in no list.
 *
 * No I/O. Threads: one owner; it holds what was found in the event being read.
 */
#ifndef WIKISRCD_EVENT_FILTER_H
#define WIKISRCD_EVENT_FILTER_H

#include "daemons/wikisrcd/conf.h"
#include "daemons/wikisrcd/event/event.h"

struct filter;

/* Adds its paths to `wants`, numbered from 0, and sets its callback. The configuration must have
 * been checked; nothing is borrowed from it. */
struct filter *filter_new(const struct wikisrcd_filter_conf *conf, struct event_wants *wants);
void filter_free(struct filter *f);

/* Before each event is read. */
void filter_reset(struct filter *f);
/* After that: whether it is wanted. */
bool filter_passes(const struct filter *f);

/* Whether condition `i` tests a field that the event read last did not have. */
unsigned filter_conditions(const struct filter *f);
bool filter_lacks(const struct filter *f, unsigned i);
/* The option it comes from, the paths it tests, and whether an event without them fails. */
const char *filter_option(const struct filter *f, unsigned i);
const char *filter_paths(const struct filter *f, unsigned i);
bool filter_needs(const struct filter *f, unsigned i);

#endif
