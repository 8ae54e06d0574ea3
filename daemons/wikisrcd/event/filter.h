/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h - which events are wanted: conditions on values inside them, all of which must hold.
 *
 * A condition looks at each value at its path (arrays are entered; the short forms look at the
 * paths of all schemas, fields.h). `in` holds when one of the values is in its list, `not_in` when
 * none is. An event without the field (null is as good as absent) therefore fails an `in` and
 * passes a `not_in`. What is not valid JSON always passes.
 *
 * Texts are compared after unescaping, numbers by value (1, 1.0 and 1e0 are the same), true and
 * false as such; whether the list has its elements in quotes does not matter. An object is in no
 * list.
 *
 * Pure. Threads: one owner; it holds what was found in the event that is being read.
 */
#ifndef WIKISRCD_EVENT_FILTER_H
#define WIKISRCD_EVENT_FILTER_H

#include "daemons/wikisrcd/conf.h"
#include "daemons/wikisrcd/event/event.h"

struct filter;

/* Adds its paths to `wants`, numbered from 0, and takes its calls. The configuration was checked;
 * nothing is borrowed from it. */
struct filter *filter_new(const struct wikisrcd_filter_conf *conf, struct event_wants *wants);
void filter_free(struct filter *f);

/* Before each event is read. */
void filter_reset(struct filter *f);
/* After it: whether it is wanted. */
bool filter_passes(const struct filter *f);

/* Of the event last read: condition `i` asks for a field, and it was not there. */
unsigned filter_conditions(const struct filter *f);
bool filter_lacks(const struct filter *f, unsigned i);
/* The option that it comes from, the paths that it looks at, and whether an event without them
 * fails. */
const char *filter_option(const struct filter *f, unsigned i);
const char *filter_paths(const struct filter *f, unsigned i);
bool filter_needs(const struct filter *f, unsigned i);

#endif
