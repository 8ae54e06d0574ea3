/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h - which events are wanted: by wiki, type, namespace and bot. Pure.
 *
 * An event that lacks a field fails an `include` on it and passes an `exclude`; one without `bot`
 * is not a bot's. What is not valid JSON always passes.
 */
#ifndef WIKISRCD_EVENT_FILTER_H
#define WIKISRCD_EVENT_FILTER_H

#include "daemons/wikisrcd/conf.h"
#include "daemons/wikisrcd/event/event.h"

/* Namespaces as numbers; the rest is borrowed from the configuration. Zero-initialised: all
 * pass. */
struct filter {
    const struct wikisrcd_filter_conf *conf;
    int64_t *namespaces_include, *namespaces_exclude;
};

/* The configuration was checked; it outlives the filter. */
void filter_init(struct filter *f, const struct wikisrcd_filter_conf *conf);
void filter_release(struct filter *f);
bool filter_matches(const struct filter *f, const struct event *event);

#endif
