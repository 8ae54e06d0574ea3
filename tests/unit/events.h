/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.h - recentchange events for tests, a JSON document a line, and what cJSON and the C
 * library read in them: a second opinion to hold ours against.
 *
 * The made ones are tests/data/events.jsonl, written by make-events (--hard --canaries --backwards)
 * and, from the year 1970 on, by hand: times, namespaces, log_params, strings, numbers, nulls and
 * unknown fields at their borders, and at the end what no row can be made of. The recorded ones lie
 * outside the repository: $RECORDED, or ../shared/data/recentchange.jsonl.
 */
#ifndef TESTS_UNIT_EVENTS_H
#define TESTS_UNIT_EVENTS_H

#include <cjson/cJSON.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "tests/unit/unit.h"

#define EVENTS_MADE "tests/data/events.jsonl"

static inline const char *events_recorded(void)
{
    const char *path = getenv("RECORDED");
    return path && path[0] ? path : "../shared/data/recentchange.jsonl";
}

/* For a test's .skip. A file that was named must be there. */
static inline const char *events_recorded_skip(void)
{
    const char *path = getenv("RECORDED");
    if ((path && path[0]) || access(events_recorded(), R_OK) == 0)
        return NULL;
    return "no recorded events: RECORDED is not set";
}

struct events {
    char *bytes;
    struct pl_slice *v; /* without the line's end */
    size_t n;
};

static inline struct events events_load(const char *path)
{
    struct events e = {0};
    struct pl_buf bytes = {0};
    FILE *f = fopen(path, "re");
    ck_assert_msg(f != NULL, "no file %s", path);
    char piece[65536];
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        pl_buf_add(&bytes, piece, n);
    fclose(f);
    e.bytes = pl_buf_take(&bytes);
    size_t lines = 0;
    for (const char *p = e.bytes; (p = strchr(p, '\n')); p++)
        lines++;
    ck_assert_uint_gt(lines, 0);
    e.v = pl_alloc_array(lines, sizeof(*e.v));
    for (char *p = e.bytes, *end; (end = strchr(p, '\n')); p = end + 1)
        e.v[e.n++] = (struct pl_slice){p, (size_t)(end - p)};
    return e;
}

static inline void events_release(struct events *e)
{
    free(e->bytes);
    free(e->v);
}

/* A time as meta.dt has it, read by the C library; false: none, or no such day. */
static inline bool events_time(const cJSON *item, int64_t *ret_ms)
{
    struct tm tm = {0}, again;
    const char *rest =
        cJSON_IsString(item) ? strptime(item->valuestring, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!rest)
        return false;
    int day = tm.tm_mday;
    time_t seconds = timegm(&tm);
    gmtime_r(&seconds, &again);
    double fraction = *rest == '.' ? strtod(rest, NULL) : 0;
    *ret_ms = (int64_t)seconds * 1000 + (int64_t)(fraction * 1000 + 0.5);
    return again.tm_mday == day;
}

/* Null and absent alike. */
static inline const cJSON *events_get(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(item) ? NULL : item;
}

/* A UUID in the form 8-4-4-4-12. */
static inline bool events_is_uuid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (strlen(text) != strlen(form))
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'x' ? !strchr("0123456789abcdefABCDEF", text[i]) : text[i] != form[i])
            return false;
    return true;
}

#endif
