/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_rows_events.c - recentchange events through etc/routes/wikipedia_edits.yaml: every value of
 * the Native block is what cJSON reads at the column's path, and just those events are refused that
 * have no time, an id that is no UUID, or text that UTF-8 cannot carry.
 *
 * links: chsinkd
 */
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "tests/unit/events.h"
#include "tests/unit/rows_fixture.h"
#include "tests/unit/unit.h"

#define ROUTE_FILE   "etc/routes/wikipedia_edits.yaml"
#define MADE_REFUSED 18

static struct route *preset_load(void)
{
    struct pl_findings errs;
    pl_findings_init(&errs);
    errs.file = ROUTE_FILE;
    struct route *r = route_load(ROUTE_FILE, &errs);
    ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
    return r;
}

static const cJSON *path_find(const cJSON *event, const struct column_path *path)
{
    for (unsigned i = 0; i < path->keys_n && event; i++)
        event = events_get(event, path->keys[i]);
    return event;
}

static void uuid_text(const char *p, char out[37])
{
    unsigned char b[16]; /* as written: each half is a little-endian number */
    for (unsigned i = 0; i < 16; i++)
        b[i] = (unsigned char)p[i < 8 ? 7 - i : 23 - i];
    unsigned n = 0;
    for (unsigned i = 0; i < 16; i++)
        n += (unsigned)sprintf(out + n, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                               b[i]);
}

static int64_t integer_at(const struct native_column *nc, uint64_t row)
{
    int64_t v = 0;
    memcpy(&v, nc->data + row * nc->width, nc->width);
    return nc->width == 4 ? (int32_t)v : v;
}

static void assert_string(const struct column *c, struct pl_slice got, const cJSON *item)
{
    if (!item) {
        ck_assert_uint_eq(got.len, 0);
    } else if (c->json) {
        cJSON *parsed = cJSON_ParseWithLength(got.p, got.len);
        ck_assert(cJSON_Compare(parsed, item, true));
        cJSON_Delete(parsed);
    } else {
        ck_assert_uint_eq(got.len, strlen(item->valuestring));
        ck_assert_mem_eq(got.p, item->valuestring, got.len);
    }
}

static void assert_value(const struct column *c, const struct native_column *nc, uint64_t row,
                         const cJSON *item)
{
    char uuid[37];
    int64_t ms = 0;
    const char *data = nc->data + row * nc->width;
    if (nc->nulls)
        ck_assert_int_eq(nc->nulls[row], item == NULL);
    if (nc->nulls && !item)
        return;
    switch (c->type.kind) {
    case CH_STRING:
        assert_string(c, nc->strings[row], item);
        break;
    case CH_BOOL:
        ck_assert_int_eq(*data, cJSON_IsTrue(item) ? 1 : 0);
        break;
    case CH_INT32:
    case CH_INT64:
    case CH_DATETIME:
        ck_assert_int_eq(integer_at(nc, row), (int64_t)item->valuedouble);
        break;
    case CH_DATETIME64:
        ck_assert(events_time(item, &ms));
        ck_assert_int_eq(integer_at(nc, row), ms);
        break;
    case CH_UUID:
        uuid_text(data, uuid);
        ck_assert_msg(strcasecmp(uuid, item->valuestring) == 0, "%s", uuid);
        break;
    default:
        ck_abort_msg("%s: the test does not know %s", c->name, c->type.ddl);
    }
}

static bool can_be_a_row(const cJSON *event)
{
    const cJSON *meta = events_get(event, "meta"), *id = events_get(meta, "id");
    int64_t ms;
    return events_time(events_get(meta, "dt"), &ms) && (!id || events_is_uuid(id->valuestring));
}

static void keep_reject(void *userdata, const struct rows_reject *reject)
{
    *(struct rows_reject *)userdata = *reject;
}

/* All events into `block`, by a decoder of its own. ret_refused[i]: event i gave no row. */
static void events_decode(const struct route *route, const struct events *events,
                          struct block *block, bool *ret_refused)
{
    PL_CLEANUP(rows_freep) struct rows *rows = rows_new(route);
    for (size_t i = 0; i < events->n; i++) {
        struct rows_reject reject = {0};
        struct rows_message m = {.topic = "wikipedia-data",
                                 .partition = 1,
                                 .offset = (int64_t)i,
                                 .timestamp_ms = -1,
                                 .value = events->v[i].p,
                                 .value_len = events->v[i].len};
        ret_refused[i] = rows_decode(rows, &m, NULL, block, keep_reject, &reject) == 0;
        ck_assert_int_eq(ret_refused[i], reject.reason != NULL);
    }
    ck_assert_uint_eq(rows_counts(rows)->nulled, 0);
}

/* Returns how many values there were to compare. */
static uint64_t event_compare(const struct route *route, const struct native *native, uint64_t row,
                              const cJSON *event, size_t offset)
{
    uint64_t compared = 0;
    const struct native_column *nc = native->columns;
    for (unsigned i = 0; i < route->columns_n; i++) {
        const struct column *c = &route->columns[i];
        if (c->source == COLUMN_EXPRESSION)
            continue;
        ck_assert(pl_slice_eq(nc->name, c->name) && pl_slice_eq(nc->type, c->type.wire));
        if (c->source == COLUMN_JSON) {
            assert_value(c, nc, row, path_find(event, &c->paths[0]));
            compared++;
        } else if (c->source == COLUMN_OFFSET) {
            ck_assert_int_eq(integer_at(nc, row), (int64_t)offset);
        }
        nc++;
    }
    return compared;
}

static void values_check(const char *path, size_t refused_n)
{
    PL_CLEANUP(events_release) struct events events = events_load(path);
    PL_CLEANUP(route_freep) struct route *route = preset_load();
    PL_CLEANUP(block_freep) struct block *block = block_new(route);
    PL_CLEANUP(pl_buf_release) struct pl_buf bytes = {0};
    PL_FREE bool *refused = pl_alloc_array(events.n, sizeof(*refused));
    struct native native;
    events_decode(route, &events, block, refused);
    block_native(block, &bytes);
    ck_assert(native_read(bytes.data, bytes.len, &native));
    uint64_t row = 0, compared = 0;
    for (size_t i = 0; i < events.n; i++) {
        cJSON *event = cJSON_ParseWithLength(events.v[i].p, events.v[i].len);
        ck_assert_msg(refused[i] == !can_be_a_row(event), "%s: line %zu", path, i + 1);
        if (!refused[i])
            compared += event_compare(route, &native, row++, event, i);
        cJSON_Delete(event);
    }
    printf("%" PRIu64 " events, %" PRIu64 " values compared\n", row, compared);
    ck_assert_uint_eq(native.rows, row);
    ck_assert_uint_eq(events.n - row, refused_n);
    native_release(&native);
}

/* A second decoder into a block that was in use gives the same bytes. */
static void identical_check(const char *path)
{
    PL_CLEANUP(events_release) struct events events = events_load(path);
    PL_CLEANUP(route_freep) struct route *route = preset_load();
    PL_CLEANUP(block_freep) struct block *block = block_new(route);
    PL_CLEANUP(pl_buf_release) struct pl_buf first = {0}, second = {0};
    PL_FREE bool *refused = pl_alloc_array(events.n, sizeof(*refused));
    events_decode(route, &events, block, refused);
    block_native(block, &first);
    events_decode(route, &events, block, refused);
    block_reset(block);
    events_decode(route, &events, block, refused);
    block_native(block, &second);
    ck_assert_uint_eq(first.len, second.len);
    ck_assert_mem_eq(first.data, second.data, first.len);
}

START_TEST(made_values)
{
    values_check(EVENTS_MADE, MADE_REFUSED);
}
END_TEST

START_TEST(made_identical)
{
    identical_check(EVENTS_MADE);
}
END_TEST

START_TEST(recorded_values)
{
    values_check(events_recorded(), 0);
}
END_TEST

START_TEST(recorded_identical)
{
    identical_check(events_recorded());
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(made_values),
        TEST(made_identical),
        TCASE("recorded", .skip = events_recorded_skip()),
        TEST(recorded_values),
        TEST(recorded_identical),
    };
    return unit_main("rows_events", tests, PL_COUNT(tests));
}
