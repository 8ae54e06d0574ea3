/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_event.c - what is read from an event, and identities. links: wikisrcd
 */
#include <stdio.h>

#include "daemons/wikisrcd/event/event.h"
#include "daemons/wikisrcd/event/fields.h"
#include "tests/unit/events.h"
#include "tests/unit/unit.h"

/* Events borrow from their text, so the copies live as long as the test. */
static char *kept[256];
static size_t kept_n;

static struct event read_event(const char *json, const char *path)
{
    struct event e = {0};
    struct event_wants wants;
    event_wants_init(&wants, true);
    while (path[0]) { /* several, separated by spaces */
        PL_FREE char *one = pl_strndup(path, strcspn(path, " "));
        ck_assert(event_wants_key(&wants, one));
        path += strlen(one) + (path[strlen(one)] != '\0');
    }
    /* A copy of its own size, so that a sanitizer sees a read beyond it. */
    char *copy = malloc(strlen(json));
    memcpy(copy, json, strlen(json));
    ck_assert_uint_lt(kept_n, PL_COUNT(kept));
    kept[kept_n++] = copy;
    event_read(&e, copy, strlen(json), &wants);
    event_wants_release(&wants);
    return e;
}

static bool text_is(const struct pl_json_str *text, const char *expected)
{
    return expected ? text->p && pl_json_str_eq(text, expected) : text->p == NULL;
}

START_TEST(test_fields)
{
    struct event e = read_event(
        "{\"$schema\":\"/mediawiki/recentchange/1.0.0\",\"meta\":{\"uri\":\"x\","
        "\"id\":\"ffef6020-2127-4d54-b11a-1d55546aa1a7\",\"dt\":\"2023-08-15T04:43:59.007Z\","
        "\"domain\":\"commons.wikimedia.org\",\"stream\":\"mediawiki.recentchange\","
        "\"topic\":\"eqiad.mediawiki.recentchange\",\"partition\":0,\"offset\":5383496577},"
        "\"id\":2577118435,\"type\":\"log\",\"namespace\":6,\"title\":\"File:A&B.jpg\","
        "\"user\":\"U\",\"bot\":true,\"wiki\":\"commonswiki\"}",
        "title");
    ck_assert(!e.malformed);
    ck_assert(text_is(&e.meta_id, "ffef6020-2127-4d54-b11a-1d55546aa1a7"));
    ck_assert(text_is(&e.domain, "commons.wikimedia.org"));
    ck_assert(text_is(&e.topic, "eqiad.mediawiki.recentchange"));
    ck_assert(text_is(&e.wiki, "commonswiki"));
    ck_assert(text_is(&e.type, "log"));
    ck_assert(text_is(&e.user, "U"));
    ck_assert_int_eq(e.partition, 0);
    ck_assert_int_eq(e.offset, 5383496577);
    ck_assert(text_is(&e.stream, "mediawiki.recentchange"));
    ck_assert(text_is(&e.title, "File:A&B.jpg"));
    ck_assert(e.has_dt);
    ck_assert_int_eq(e.dt_ms, 1692074639007);
    ck_assert(!e.canary);
    ck_assert(e.has_key);
    ck_assert_str_eq(pl_buf_cstr(&e.key), "File:A&B.jpg");
    ck_assert(e.identity.hi == 0xffef602021274d54 && e.identity.lo == 0xb11a1d55546aa1a7);
    event_release(&e);
}
END_TEST

static const struct key_case {
    const char *json, *path, *key; /* key NULL: none */
} key_cases[] = {
    {"{\"title\":\"a\"}", "title", "a"},
    {"{\"title\":\"\"}", "title", ""},
    {"{\"title\":null}", "title", NULL},
    {"{}", "title", NULL},
    {"{\"title\":\"a\"}", "", NULL},
    {"{\"title\":\"\\u00e5\\n\\\"\"}", "title", "\xC3\xA5\n\""},
    {"{\"title\":\"\\ud83d\\ude00\"}", "title", "\xF0\x9F\x98\x80"},
    {"{\"title\":\"a\\ud800\"}", "title", "a\\ud800"}, /* UTF-8 has no lone surrogates */
    {"{\"n\":-1.50e3}", "n", "-1.50e3"},
    {"{\"n\":true}", "n", "true"},
    {"{\"n\":{\"a\": 1}}", "n", "{\"a\": 1}"},
    {"{\"meta\":{\"domain\":\"d\"}}", "meta.domain", "d"},
    {"{\"meta\":{\"domain\":null}}", "meta.domain", NULL},
    {"{\"meta\":\"x\"}", "meta.domain", NULL},
    {"{\"meta\":[]}", "meta.domain", NULL},
    {"{\"a\":{\"b\":{\"x\":1,\"c\":\"v\"}},\"b\":2}", "a.b.c", "v"},
    {"{\"wiki\":\"w\"}", "wiki", "w"},
    {"{\"t\\u0069tle\":\"a\"}", "title", "a"},
    {"{\"page\":{\"page_title\":\"P\"}}", "title page.page_title", "P"},
    {"{\"page\":{\"page_title\":\"P\"},\"title\":\"t\"}", "title page.page_title", "t"},
    {"{\"title\":null,\"page\":{\"page_title\":\"P\"}}", "title page.page_title", "P"},
    {"{\"title\":\"\",\"page\":{\"page_title\":\"P\"}}", "title page.page_title", ""},
    {"{\"a\":[{\"b\":1},{\"b\":2}]}", "a.b", "2"},
    {"{\"a\":[{\"b\":1},{\"c\":2}]}", "a[*].b", "1"},
    {"{\"a\":{\"b\":1}}", "a a.b", "{\"b\":1}"},
    {"{\"title\":\"a\",\"title\":\"b\"}", "title", "b"},
};

START_TEST(test_key)
{
    const struct key_case *c = &key_cases[_i];
    struct event e = read_event(c->json, c->path);
    ck_assert(!e.malformed);
    ck_assert_msg(e.has_key == (c->key != NULL), "%s", c->json);
    if (c->key)
        ck_assert_str_eq(pl_buf_cstr(&e.key), c->key);
    event_release(&e);
}
END_TEST

static const char *const bad_paths[] = {"",     ".",   "a.",  ".a",    "a..b",  "a.b.c.d.e.f.g.h.i",
                                        "a[0]", "a]b", "[*]", "a.[*]", "$.a[b]"};

START_TEST(test_bad_path)
{
    struct event_path path;
    ck_assert(!event_path_init(&path, bad_paths[_i]));
    event_path_release(&path);
}
END_TEST

static const char *const malformed[] = {
    "",
    " ",
    "x",
    "[]",
    "1",
    "\"a\"",
    "null",
    "{",
    "{}x",
    "{\"a\":}",
    "{\"a\":\"\xFF\"}",
    "{\"title\":\"a\",}",
    "{\"meta\":{\"id\":\"x\"}",
    "{\"a\":01}",
};

START_TEST(test_malformed)
{
    struct event e = read_event(malformed[_i], "title");
    struct event_identity hash = event_hash(malformed[_i], strlen(malformed[_i]));
    ck_assert_msg(e.malformed, "%s", malformed[_i]);
    ck_assert_ptr_nonnull(e.malformed_why);
    ck_assert(!e.has_key && !e.meta_id.p && !e.has_dt && e.offset == -1);
    ck_assert(e.identity.hi == hash.hi && e.identity.lo == hash.lo);
    event_release(&e);
}
END_TEST

/* Other types than expected leave a field absent; they do not make an event malformed. */
START_TEST(test_odd_types)
{
    struct event e = read_event("{\"meta\":{\"id\":5,\"dt\":\"yesterday\",\"topic\":null,"
                                "\"offset\":1.5,\"partition\":\"0\",\"domain\":[]},\"bot\":\"yes\","
                                "\"namespace\":1e99,\"type\":142,\"wiki\":{}}",
                                "title");
    ck_assert(!e.malformed);
    ck_assert(!e.meta_id.p && !e.has_dt && !e.topic.p && !e.type.p && !e.wiki.p);
    ck_assert_int_eq(e.offset, -1);
    ck_assert_int_eq(e.partition, -1);
    event_release(&e);
}
END_TEST

/* Which time of a schema is the event's. */
static const struct {
    const char *json;
    int64_t ms; /* -1: none */
} times[] = {
    {"{\"meta\":{\"dt\":\"2026-03-01T00:00:01.007Z\"},\"dt\":\"2026-03-01T00:00:00Z\","
     "\"timestamp\":5}",
     1772323201007},
    {"{\"dt\":\"2026-03-01T00:00:00Z\",\"meta\":{\"dt\":null},\"timestamp\":5}", 1772323200000},
    {"{\"dt\":\"soon\",\"timestamp\":1772323200}", 1772323200000},
    {"{\"timestamp\":1772323200.0}", 1772323200000},
    {"{\"timestamp\":\"1772323200\"}", -1},
    {"{\"timestamp\":0}", -1},
    {"{\"timestamp\":9223372036854775807}", -1},
    {"{\"timestamp\":1.5}", -1},
    {"{\"rev_timestamp\":\"2026-03-01T00:00:00Z\"}", -1},
};

START_TEST(test_time)
{
    struct event e = read_event(times[_i].json, "");
    ck_assert_int_eq(e.has_dt, times[_i].ms >= 0);
    ck_assert_int_eq(e.dt_ms, times[_i].ms >= 0 ? times[_i].ms : 0);
    event_release(&e);
}
END_TEST

/* The names in each schema. Whatever the order, the first path of fields.h that is present is used.
 * */
static const struct {
    const char *json, *wiki, *type, *title, *user;
} schemas[] = {
    {"{\"wiki\":\"w\",\"type\":\"edit\",\"title\":\"t\",\"user\":\"u\"}", "w", "edit", "t", "u"},
    {"{\"changelog_kind\":\"update\",\"page_change_kind\":\"edit\",\"wiki_id\":\"w\","
     "\"page\":{\"page_title\":\"t\"},\"performer\":{\"user_text\":\"u\"}}",
     "w", "edit", "t", "u"},
    {"{\"page_change_kind\":\"edit\",\"changelog_kind\":\"update\"}", NULL, "edit", NULL, NULL},
    {"{\"database\":\"w\",\"page_title\":\"t\",\"performer\":{\"user_text\":\"u\"}}", "w", NULL,
     "t", "u"},
    {"{\"database\":\"w\",\"performer\":null,\"page_title\":{}}", "w", NULL, NULL, NULL},
};

START_TEST(test_schema)
{
    struct event e = read_event(schemas[_i].json, "");
    ck_assert(text_is(&e.wiki, schemas[_i].wiki));
    ck_assert(text_is(&e.type, schemas[_i].type));
    ck_assert(text_is(&e.title, schemas[_i].title));
    ck_assert(text_is(&e.user, schemas[_i].user));
    event_release(&e);
}
END_TEST

START_TEST(test_field_paths)
{
    const char *paths[EVENT_FIELD_PATHS_MAX];
    ck_assert_uint_eq(event_field_paths("title", paths), 3);
    ck_assert_str_eq(paths[0], "title");
    ck_assert_str_eq(paths[1], "page.page_title");
    ck_assert_str_eq(paths[2], "page_title");
    ck_assert_uint_eq(event_field_paths("page_title", paths), 1);
    ck_assert_str_eq(paths[0], "page_title");
}
END_TEST

START_TEST(test_canary)
{
    struct event e = read_event("{\"meta\":{\"domain\":\"canary\"}}", "title");
    ck_assert(e.canary);
    event_release(&e);
    e = read_event("{\"meta\":{\"domain\":\"canary.org\"},\"domain\":\"canary\"}", "title");
    ck_assert(!e.canary);
    event_release(&e);
}
END_TEST

static const struct {
    const char *text;
    uint64_t hi, lo;
    bool ok;
} uuids[] = {
    {"00000000-0000-0000-0000-000000000000", 0, 0, true},
    {"FFEF6020-2127-4D54-B11A-1D55546AA1A7", 0xffef602021274d54, 0xb11a1d55546aa1a7, true},
    {"ffef6020-2127-4d54-b11a-1d55546aa1a", 0, 0, false},
    {"ffef6020-2127-4d54-b11a-1d55546aa1a77", 0, 0, false},
    {"ffef6020-2127-4d54-b11a-1d55546aa1ag", 0, 0, false},
    {"ffef602002127-4d54-b11a-1d55546aa1a7", 0, 0, false},
};

START_TEST(test_uuid)
{
    struct event_identity id = {1, 2};
    ck_assert_int_eq(event_uuid_parse(uuids[_i].text, strlen(uuids[_i].text), &id), uuids[_i].ok);
    ck_assert_uint_eq(id.hi, uuids[_i].ok ? uuids[_i].hi : 1);
    ck_assert_uint_eq(id.lo, uuids[_i].ok ? uuids[_i].lo : 2);
}
END_TEST

/* The published values of FNV-1a 128 for "", "a" and "foobar". */
START_TEST(test_hash)
{
    struct event_identity none = event_hash("", 0), a = event_hash("a", 1);
    struct event_identity foobar = event_hash("foobar", 6);
    ck_assert(none.hi == 0x6c62272e07bb0142 && none.lo == 0x62b821756295c58d);
    ck_assert(a.hi == 0xd228cb696f1a8caf && a.lo == 0x78912b704e4a8964);
    ck_assert(foobar.hi == 0x343e1662793c64bf && foobar.lo == 0x6f0d3597ba446f18);
}
END_TEST

START_TEST(test_identity)
{
    struct event a = read_event("{\"meta\":{\"id\":\"not a uuid\"},\"x\":1}", "");
    struct event b = read_event("{\"meta\":{\"id\":\"not a uuid\"},\"x\":2}", "");
    struct event c = read_event("{\"meta\":{\"id\":\"\"},\"x\":1}", "");
    struct event d = read_event("{\"meta\":{\"id\":\"\"},\"x\":2}", "");
    ck_assert(a.identity.hi == b.identity.hi && a.identity.lo == b.identity.lo);
    ck_assert(c.identity.hi != d.identity.hi);
    event_release(&a);
    event_release(&b);
    event_release(&c);
    event_release(&d);
}
END_TEST

/* ---- events as cJSON reads them ---- */

static void text_compare(const struct pl_json_str *text, const cJSON *object, const char *key)
{
    const cJSON *item = events_get(object, key);
    ck_assert_msg(text_is(text, item ? item->valuestring : NULL), "%s: %.*s", key, (int)text->len,
                  text->p);
}

static void event_compare(struct event *e, const cJSON *event)
{
    const cJSON *meta = events_get(event, "meta"), *id = events_get(meta, "id");
    const cJSON *title = events_get(event, "title"), *domain = events_get(meta, "domain");
    struct event_identity identity;
    int64_t ms = 0;

    text_compare(&e->meta_id, meta, "id");
    text_compare(&e->stream, meta, "stream");
    text_compare(&e->domain, meta, "domain");
    text_compare(&e->topic, meta, "topic");
    text_compare(&e->wiki, event, "wiki");
    text_compare(&e->type, event, "type");
    text_compare(&e->title, event, "title");
    text_compare(&e->user, event, "user");
    ck_assert_int_eq(e->has_dt, events_time(events_get(meta, "dt"), &ms));
    ck_assert_int_eq(e->dt_ms, e->has_dt ? ms : 0);
    ck_assert_int_eq(e->canary, domain && strcmp(domain->valuestring, "canary") == 0);
    ck_assert_int_eq(e->has_key, title != NULL);
    ck_assert_str_eq(pl_buf_cstr(&e->key), title ? title->valuestring : "");
    if (id && events_is_uuid(id->valuestring)) {
        ck_assert(event_uuid_parse(id->valuestring, strlen(id->valuestring), &identity));
        ck_assert(identity.hi == e->identity.hi && identity.lo == e->identity.lo);
    }
}

/* Returns how many had an identity, a time, a key and a wiki. */
static size_t events_check(const struct events *events)
{
    struct event e = {0};
    struct event_wants wants;
    size_t whole = 0;
    event_wants_init(&wants, true);
    event_wants_key(&wants, "title");
    for (size_t i = 0; i < events->n; i++) {
        const struct pl_slice *line = &events->v[i];
        event_read(&e, line->p, line->len, &wants);
        ck_assert_msg(!e.malformed, "%.*s", (int)line->len, line->p);
        cJSON *event = cJSON_ParseWithLength(line->p, line->len);
        if (event) /* it refuses lone surrogates, which are no malformed JSON */
            event_compare(&e, event);
        cJSON_Delete(event);
        struct event_identity id;
        whole += e.meta_id.p && event_uuid_parse(e.meta_id.p, e.meta_id.len, &id) && e.has_dt &&
                 e.has_key && e.wiki.p;
    }
    event_release(&e);
    event_wants_release(&wants);
    return whole;
}

START_TEST(made)
{
    PL_CLEANUP(events_release) struct events events = events_load(EVENTS_MADE);
    ck_assert_uint_gt(events_check(&events), 150);
}
END_TEST

START_TEST(recorded)
{
    PL_CLEANUP(events_release) struct events events = events_load(events_recorded());
    ck_assert_uint_eq(events_check(&events), events.n);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_fields),
        TEST(test_key, .count = PL_COUNT(key_cases)),
        TEST(test_bad_path, .count = PL_COUNT(bad_paths)),
        TEST(test_malformed, .count = PL_COUNT(malformed)),
        TEST(test_odd_types),
        TEST(test_canary),
        TEST(test_uuid, .count = PL_COUNT(uuids)),
        TEST(test_hash),
        TEST(test_identity),
        TEST(test_time, .count = PL_COUNT(times)),
        TEST(test_schema, .count = PL_COUNT(schemas)),
        TEST(test_field_paths),
        TEST(made),
        TEST(recorded, .skip = events_recorded_skip()),
    };
    return unit_main("event", tests, PL_COUNT(tests));
}
