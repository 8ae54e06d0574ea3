/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_reader_events.c - the reader and cJSON see the same in recentchange events.
 *
 * The reader builds cJSON's tree by walking, and the trees are compared. What cJSON refuses is just
 * what has an escape that UTF-8 cannot carry (a lone surrogate): the reader lets it through and
 * does not unescape it.
 */
#include <stdio.h>

#include "lib/json/reader.h"
#include "tests/unit/events.h"
#include "tests/unit/json_walk.h"

static unsigned lone_surrogates;

static char *text_make(const struct pl_json_str *str)
{
    struct pl_buf b = {0};

    if (!pl_json_unescape_buf(str, &b))
        lone_surrogates++;
    return pl_buf_take(&b);
}

static cJSON *tree_make(struct pl_json *j)
{
    struct pl_json_str str;
    struct pl_json_num num;
    cJSON *item = NULL;
    bool value = false;
    double d = 0;

    switch (pl_json_peek(j)) {
    case PL_JSON_NULL:
        ck_assert(pl_json_null(j));
        return cJSON_CreateNull();
    case PL_JSON_FALSE:
    case PL_JSON_TRUE:
        ck_assert(pl_json_bool(j, &value));
        return cJSON_CreateBool(value);
    case PL_JSON_NUMBER:
        ck_assert(pl_json_number(j, &num));
        if (pl_json_num_f64(&num, &d) == PL_JSON_NUM_PRECISION && num.integer)
            d = strtod(num.p, NULL); /* beyond 2^53: cJSON rounds */
        return cJSON_CreateNumber(d);
    case PL_JSON_STRING: {
        ck_assert(pl_json_string(j, &str));
        PL_FREE char *text = text_make(&str);
        return cJSON_CreateString(text);
    }
    case PL_JSON_ARRAY:
        item = cJSON_CreateArray();
        ck_assert(pl_json_array_begin(j));
        while (pl_json_array_next(j))
            cJSON_AddItemToArray(item, tree_make(j));
        return item;
    case PL_JSON_OBJECT:
        item = cJSON_CreateObject();
        ck_assert(pl_json_object_begin(j));
        while (pl_json_object_next(j, &str)) {
            PL_FREE char *key = text_make(&str);
            cJSON_AddItemToObject(item, key, tree_make(j));
        }
        return item;
    case PL_JSON_NONE:
        break;
    }
    ck_abort_msg("no value: %s", j->error ? j->error : "end of the input");
    return NULL;
}

static void documents_compare(const char *p, size_t len)
{
    struct pl_json j;

    lone_surrogates = 0;
    pl_json_init(&j, p, len, 0);
    cJSON *ours = tree_make(&j);
    cJSON *theirs = cJSON_ParseWithLength(p, len);
    ck_assert_msg(pl_json_end(&j), "%s: %.*s", j.error, (int)len, p);
    ck_assert_msg(lone_surrogates ? !theirs : cJSON_Compare(ours, theirs, true), "%.*s", (int)len,
                  p);
    ck_assert(json_skip_all(&j, p, len, 0));
    cJSON_Delete(ours);
    cJSON_Delete(theirs);
}

/* What a skip hands out as raw bytes of each member is a document of its own. */
static void members_check(const char *p, size_t len)
{
    struct pl_json j, inner;
    struct pl_json_str key;
    struct pl_slice raw;

    pl_json_init(&j, p, len, 0);
    ck_assert(pl_json_object_begin(&j));
    while (pl_json_object_next(&j, &key)) {
        ck_assert(pl_json_skip(&j, &raw));
        ck_assert(json_skip_all(&inner, raw.p, raw.len, 0));
        ck_assert(raw.len > 0 && !strchr(" \n\r\t,", raw.p[0]));
    }
    ck_assert(pl_json_end(&j));
}

/* Every prefix of every so many-th event is too short. */
static void events_check(const char *path, size_t cut_every)
{
    PL_CLEANUP(events_release) struct events events = events_load(path);
    for (size_t i = 0; i < events.n; i++) {
        const char *p = events.v[i].p;
        size_t len = events.v[i].len;
        documents_compare(p, len);
        members_check(p, len);
        if (i % cut_every != 0)
            continue;
        while (p[len - 1] != '}')
            len--;
        for (size_t cut = 0; cut < len; cut++) {
            struct pl_json j;
            struct json_walk w;
            /* A copy of its own size, so that a sanitizer sees a read beyond it. */
            char *copy = malloc(cut + (cut == 0));
            memcpy(copy, p, cut);
            ck_assert(!json_skip_all(&j, copy, cut, 0));
            ck_assert(!json_walk(&j, copy, cut, 0, &w));
            free(copy);
        }
    }
}

START_TEST(made)
{
    events_check(EVENTS_MADE, 7);
}
END_TEST

START_TEST(recorded)
{
    events_check(events_recorded(), 500);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(made),
        TEST(recorded, .skip = events_recorded_skip()),
    };
    return unit_main("reader_events", tests, PL_COUNT(tests));
}
