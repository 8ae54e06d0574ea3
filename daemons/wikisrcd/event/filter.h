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

/* The configuration was checked. */
bool filter_matches(const struct wikisrcd_filter_conf *conf, const struct event *event);

#endif
