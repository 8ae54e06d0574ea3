/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone.c - see zone.h.
 */
#include "daemons/chsinkd/route/zone.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"

static bool is_there(const char *name, int len)
{
    char path[128];
    snprintf(path, sizeof(path), ZONES_DIR "/%.*s", len, name);
    return access(path, F_OK) == 0;
}

/* Of those that newer systems leave out, it cannot be said. */
static bool is_left_out(const char *area, size_t len)
{
    static const char *const names[] = {"US", "Canada", "Brazil", "Chile", "Mexico", "SystemV"};
    for (unsigned i = 0; i < PL_COUNT(names); i++)
        if (strlen(names[i]) == len && memcmp(names[i], area, len) == 0)
            return true;
    return false;
}

bool zone_is_unknown(const char *zone)
{
    const char *slash = strchr(zone, '/');
    bool database = is_there("Europe/Berlin", 13);
    return database && slash && !is_left_out(zone, (size_t)(slash - zone)) &&
           !is_there(zone, (int)strlen(zone));
}
