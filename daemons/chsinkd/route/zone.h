/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone.h - whether a time zone's name is one of the IANA database, as this machine has it.
 *
 * The server has a database of its own, which may know more: so only a name of the form Area/Place
 * is judged, and not in the areas that newer systems leave out (tzdata's `backward` file:
 * US/Eastern, Brazil/East …).
 *
 * Reads the file system. Threads: any.
 */
#ifndef CHSINKD_ROUTE_ZONE_H
#define CHSINKD_ROUTE_ZONE_H

#include <stdbool.h>

#define ZONES_DIR "/usr/share/zoneinfo"

/* `zone`: what ch_type_parse() lets through. */
bool zone_is_unknown(const char *zone);

#endif
