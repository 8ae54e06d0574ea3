/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml_events.h - libyaml's own <yaml.h>, which has the same name as our yaml.h. For yaml.c only,
 * included in angle brackets: then the search goes on behind the folder in which this file was
 * found.
 */
#ifndef PL_YAML_EVENTS_H
#define PL_YAML_EVENTS_H

#include_next <yaml.h>

#endif
