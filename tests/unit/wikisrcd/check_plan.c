/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_plan.c - what a configuration makes of events: filters on any field of any stream, key,
 * topic, headers, and warnings of absent fields. links: wikisrcd
 *
 * tests/data/streams.jsonl has an event of each schema in use, made from the public schemas.
 */
#include <stdio.h>

#include "daemons/wikisrcd/delivery.h"
#include "daemons/wikisrcd/event/plan.h"
#include "tests/unit/events.h"
#include "tests/unit/unit.h"

#define STREAMS "tests/data/streams.jsonl"

struct made {
    struct wikisrcd_conf conf;
    struct plan *plan;
    struct event event;
};

static void made_release(struct made *m)
{
    event_release(&m->event);
    plan_free(m->plan);
    pl_options_release(wikisrcd_opts, &m->conf);
}

/* From the text of a configuration, minus the required options. */
static void make(struct made *m, const char *options)
{
    struct pl_findings errs;
    pl_findings_init(&errs);
    *m = (struct made){0};
    PL_FREE char *text =
        pl_strf("source: { user_agent_contact: me@w.example, streams: [recentchange, "
                "mediawiki.page_change.v1, page-create] }\nkafka: {bootstrap.servers: k}\n%s\n",
                options);
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text, strlen(text), &errs);
    pl_options_apply(wikisrcd_opts, root, &m->conf, &errs);
    wikisrcd_conf_check(&m->conf, true, &errs);
    ck_assert_msg(errs.count == 0, "%s", pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
    m->plan = plan_new(&m->conf, true);
}

static bool passes(struct made *m, const char *json, size_t len)
{
    plan_read(m->plan, &m->event, json, len);
    return plan_passes(m->plan, &m->event);
}

/* ---- filters ---- */

#define EDIT "{\"wiki\":\"enwiki\",\"type\":\"edit\",\"namespace\":0,\"bot\":false}"
#define BOT  "{\"wiki\":\"dewiki\",\"type\":\"new\",\"namespace\":-1,\"bot\":true}"
#define DEEP                                                                                       \
    "{\"a\":{\"b\":[{\"c\":\"x\"},{\"c\":\"y\"}],\"n\":1.0,\"t\":true,\"s\":\"1\",\"z\":null,"     \
    "\"e\":[]}}"

static const struct {
    const char *name, *json, *filter;
    bool pass;
} filters[] = {
    {"no filter", EDIT, "", true},
    {"wiki in", EDIT, "wiki: {include: [dewiki, enwiki]}", true},
    {"wiki not in", EDIT, "wiki: {include: [dewiki]}", false},
    {"wiki out", EDIT, "wiki: {exclude: [enwiki]}", false},
    {"wiki in and out", EDIT, "wiki: {include: [enwiki], exclude: [enwiki]}", false},
    {"wiki absent, include", "{}", "wiki: {include: [enwiki]}", false},
    {"wiki absent, exclude", "{}", "wiki: {exclude: [enwiki]}", true},
    {"wiki null, include", "{\"wiki\":null}", "wiki: {include: [null-wiki]}", false},
    {"wiki escaped", "{\"w\\u0069ki\":\"\\u0065nwiki\"}", "wiki: {include: [enwiki]}", true},
    {"wiki_id in", "{\"wiki_id\":\"enwiki\"}", "wiki: {include: [enwiki]}", true},
    {"wiki_id not in", "{\"wiki_id\":\"enwiki\"}", "wiki: {include: [dewiki]}", false},
    {"wiki_id out", "{\"wiki_id\":\"enwiki\"}", "wiki: {exclude: [enwiki]}", false},
    {"database in", "{\"database\":\"enwiki\"}", "wiki: {include: [enwiki]}", true},
    {"database out", "{\"database\":\"enwiki\"}", "wiki: {exclude: [enwiki]}", false},
    {"type in", EDIT, "type: {include: [edit]}", true},
    {"type out", EDIT, "type: {exclude: [edit]}", false},
    {"type, a number as a text", "{\"type\":\"142\"}", "type: {include: [142]}", true},
    {"page_change_kind in", "{\"page_change_kind\":\"edit\",\"changelog_kind\":\"update\"}",
     "type: {include: [edit]}", true},
    {"changelog_kind in", "{\"page_change_kind\":\"edit\",\"changelog_kind\":\"update\"}",
     "type: {include: [update]}", true},
    {"changelog_kind out", "{\"page_change_kind\":\"edit\",\"changelog_kind\":\"update\"}",
     "type: {exclude: [update]}", false},
    {"namespace in", EDIT, "namespace: {include: [0]}", true},
    {"namespace not in", EDIT, "namespace: {include: [1, 2]}", false},
    {"namespace out, negative", BOT, "namespace: {exclude: [-1]}", false},
    {"namespace absent, include", "{}", "namespace: {include: [0]}", false},
    {"namespace absent, exclude", "{}", "namespace: {exclude: [0]}", true},
    {"page.namespace_id", "{\"page\":{\"namespace_id\":6}}", "namespace: {include: [6]}", true},
    {"page.namespace_id not in", "{\"page\":{\"namespace_id\":6}}", "namespace: {include: [0]}",
     false},
    {"page_namespace", "{\"page_namespace\":6}", "namespace: {exclude: [6]}", false},
    {"bots only, a bot", BOT, "bot: only", true},
    {"bots only, a person", EDIT, "bot: only", false},
    {"bots only, unknown", "{}", "bot: only", false},
    {"no bots, a bot", BOT, "bot: exclude", false},
    {"no bots, unknown", "{}", "bot: exclude", true},
    {"no bots, is_bot", "{\"performer\":{\"is_bot\":true}}", "bot: exclude", false},
    {"bots only, is_bot", "{\"performer\":{\"is_bot\":true}}", "bot: only", true},
    {"no bots, user_is_bot", "{\"performer\":{\"user_is_bot\":true}}", "bot: exclude", false},
    {"no bots, a person", "{\"performer\":{\"user_is_bot\":false}}", "bot: exclude", true},
    {"not JSON always passes", "{", "wiki: {include: [enwiki]}, bot: only", true},
    {"not JSON behind the field", "{\"wiki\":\"dewiki\"", "wiki: {include: [enwiki]}", true},

    {"any path", DEEP, "fields: [{path: a.n, in: [1]}]", true},
    {"numbers by value", DEEP, "fields: [{path: a.n, in: [10e-1]}]", true},
    {"a number is no text", DEEP, "fields: [{path: a.n, in: [one]}]", false},
    {"a text that is a number", DEEP, "fields: [{path: a.s, in: [1]}]", true},
    {"a text is compared as a text", DEEP, "fields: [{path: a.s, in: [1.0]}]", false},
    {"quotes do not matter", DEEP, "fields: [{path: a.n, in: ['1']}]", true},
    {"true", DEEP, "fields: [{path: a.t, in: [true]}]", true},
    {"not true", DEEP, "fields: [{path: a.t, not_in: [true]}]", false},
    {"true is not 1", DEEP, "fields: [{path: a.t, in: [1]}]", false},
    {"an array, one of it", DEEP, "fields: [{path: a.b.c, in: [y]}]", true},
    {"an array, written", DEEP, "fields: [{path: 'a.b[*].c', in: [y]}]", true},
    {"an array, none of it", DEEP, "fields: [{path: a.b.c, not_in: [y]}]", false},
    {"an array at the end", "{\"g\":[\"user\",[\"sysop\"],null]}",
     "fields: [{path: g, in: [sysop]}]", true},
    {"an array at the end, not in", "{\"g\":[\"user\",[\"sysop\"]]}",
     "fields: [{path: g, not_in: [sysop]}]", false},
    {"an array at the end, none", "{\"g\":[\"user\",{\"sysop\":1}]}",
     "fields: [{path: g, not_in: [sysop]}]", true},
    {"exists", DEEP, "fields: [{path: a.t, exists: true}]", true},
    {"exists, an object", DEEP, "fields: [{path: a, exists: true}]", true},
    {"exists, an empty array", DEEP, "fields: [{path: a.e, exists: true}]", true},
    {"exists, null", DEEP, "fields: [{path: a.z, exists: true}]", false},
    {"exists not, null", DEEP, "fields: [{path: a.z, exists: false}]", true},
    {"exists not", DEEP, "fields: [{path: a.t, exists: false}]", false},
    {"exists not, through a text", DEEP, "fields: [{path: a.t.x, exists: false}]", true},
    {"an object is in no list", DEEP, "fields: [{path: a, in: [x, '{}']}]", false},
    {"two conditions", DEEP, "fields: [{path: a.n, in: [1]}, {path: a.t, in: [false]}]", false},
    {"with a short form", EDIT, "wiki: {include: [enwiki]}, fields: [{path: bot, in: [true]}]",
     false},
    {"key twice, either counts", "{\"a\":1,\"a\":2}", "fields: [{path: a, in: [1]}]", true},
    {"beyond int64", "{\"a\":18446744073709551615}",
     "fields: [{path: a, in: [18446744073709551615]}]", true},
    {"beyond int64, another", "{\"a\":18446744073709551615}",
     "fields: [{path: a, in: [18446744073709551614]}]", false},
    {"fraction", "{\"a\":0.5}", "fields: [{path: a, in: [5e-1]}]", true},
};

static const struct delivery_now now = {1780000000000, 1780000000000};

START_TEST(test_filter)
{
    PL_CLEANUP(made_release) struct made m;
    PL_FREE char *options = pl_strf("filter: {%s}", filters[_i].filter);
    make(&m, options);
    ck_assert_msg(passes(&m, filters[_i].json, strlen(filters[_i].json)) == filters[_i].pass, "%s",
                  filters[_i].name);
}
END_TEST

/* The short forms on an event of each schema: which lines of the file pass. */
static const struct {
    const char *filter, *lines;
} short_forms[] = {
    {"wiki: {include: [enwiki]}", "1 2 5 6 7 8 9"},
    {"wiki: {exclude: [enwiki]}", "3 4"},
    {"type: {include: [edit, delete]}", "1 2 3"},
    {"namespace: {include: [2, 6]}", "3 4"},
    {"namespace: {exclude: [0]}", "3 4 9"},
    {"bot: only", "4"},
    {"bot: exclude", "1 2 3 5 6 7 8 9"},
    {"fields: [{path: performer.groups, in: [user]}]", "2"},
    {"fields: [{path: 'added_links[*].external', in: [true]}]", "8"},
    {"fields: [{path: rev_revert_details.rev_reverted_revs, in: [101]}]", "5"},
    {"fields: [{path: meta.stream, not_in: [mediawiki.recentchange]}]", "2 3 4 5 6 7 8 9"},
};

START_TEST(test_short_form)
{
    PL_CLEANUP(events_release) struct events events = events_load(STREAMS);
    PL_CLEANUP(made_release) struct made m;
    PL_CLEANUP(pl_buf_release) struct pl_buf lines = {0};
    PL_FREE char *options = pl_strf("filter: {%s}", short_forms[_i].filter);
    make(&m, options);
    for (size_t i = 0; i < events.n; i++)
        if (passes(&m, events.v[i].p, events.v[i].len))
            pl_buf_addf(&lines, "%s%zu", lines.len > 0 ? " " : "", i + 1);
    ck_assert_msg(strcmp(pl_buf_cstr(&lines), short_forms[_i].lines) == 0, "%s: %s",
                  short_forms[_i].filter, pl_buf_cstr(&lines));
}
END_TEST

/* ---- messages ---- */

static const struct {
    size_t line;
    const char *options, *topic, *key;
} messages[] = {
    {1, "", "wikipedia-data", "Old Bridge"},
    {2, "", "wikipedia-data", "Old_Bridge"},
    {4, "", "wikipedia-data", "File:Bridge.jpg"},
    {9, "", "wikipedia-data", NULL},
    {9, "key: [title, user_text, wiki]", "wikipedia-data", "192.0.2.7"},
    {7, "key: wiki", "wikipedia-data", "enwiki"},
    {2, "key: page_title", "wikipedia-data", NULL}, /* another schema's name stands for itself */
    {2, "key: ''", "wikipedia-data", NULL},
    {2, "key: [prior_state.revision.rev_id]", "wikipedia-data", "100"},
    {1, "topics: {recentchange: rc}", "rc", "Old Bridge"},
    {1, "topics: {mediawiki.recentchange: rc}", "rc", "Old Bridge"},
    {2, "topics: {recentchange: rc, mediawiki.page_change.v1: pc}", "pc", "Old_Bridge"},
    {4, "topics: {page-create: created}", "created", "File:Bridge.jpg"},
    {5, "topics: {page-create: created}", "wikipedia-data", "Old_Bridge"},
    {1, "redact: [{path: title, action: drop}]", "wikipedia-data", NULL},
    {1, "key: [title, wiki]\nredact: [{path: title, action: drop}]", "wikipedia-data", "enwiki"},
    {1, "key: user\nredact_key: 0123456789abcdef\nredact: [{path: user, action: hash}]",
     "wikipedia-data", "79cbf95ae0a510d41cf32e2570d9edf30effb58298cc786d0e3e2973a46247db"},
};

static void header_check(const struct pl_header *h, const char *name,
                         const struct pl_json_str *value)
{
    ck_assert_str_eq(h->name, name);
    ck_assert_uint_eq(h->len, value->len);
    ck_assert_mem_eq(h->value, value->p, value->len);
}

START_TEST(test_message)
{
    PL_CLEANUP(events_release) struct events events = events_load(STREAMS);
    PL_CLEANUP(made_release) struct made m;
    struct delivery_message d;
    struct pl_slice data = events.v[messages[_i].line - 1], out;
    const char *why;
    make(&m, messages[_i].options);
    plan_read(m.plan, &m.event, data.p, data.len);
    ck_assert(plan_redact(m.plan, &m.event, data, &out, &why));
    ck_assert(m.conf.redact || (out.p == data.p && out.len == data.len));
    delivery_message(&m.conf, &m.event, out, now, &d);
    ck_assert_str_eq(d.m.topic, messages[_i].topic);
    ck_assert_msg((d.m.key != NULL) == (messages[_i].key != NULL), "%zu %s", messages[_i].line,
                  messages[_i].options);
    PL_FREE char *key = d.m.key ? pl_strndup(d.m.key, d.m.key_len) : NULL;
    if (key)
        ck_assert_str_eq(key, messages[_i].key);
    ck_assert(d.m.value == out.p && d.m.value_len == out.len);
    ck_assert_uint_eq(d.m.headers_n, 2);
    header_check(&d.m.headers[0], "wikisrcd-stream", &m.event.stream);
    header_check(&d.m.headers[1], "wikisrcd-id", &m.event.meta_id);
    ck_assert(!d.time_replaced);
    ck_assert_int_eq(d.m.timestamp_ms, m.event.dt_ms);
}
END_TEST

/* By arrival, which does not count as replaced. */
START_TEST(test_message_of_its_arrival)
{
    PL_CLEANUP(events_release) struct events events = events_load(STREAMS);
    PL_CLEANUP(made_release) struct made m;
    struct delivery_message d;
    make(&m, "timestamp: arrival");
    for (size_t i = 0; i < events.n; i++) {
        plan_read(m.plan, &m.event, events.v[i].p, events.v[i].len);
        delivery_message(&m.conf, &m.event, events.v[i], now, &d);
        ck_assert(!d.time_replaced);
        ck_assert_int_eq(d.m.timestamp_ms, 1780000000000);
    }
}
END_TEST

/* The time of a message: the event's, if the source's clock can have passed it and no broker with
 * our clock refuses it; else the earlier of both nows. */
#define HOUR_MS INT64_C(3600000)
#define NOW_MS  INT64_C(1780000000000)
static const struct stamp_case {
    int64_t dt_ms, ours_ms; /* minus the source's now */
    bool replaced;
} stamps[] = {
    {0, 0, false},
    {-10 * HOUR_MS, 0, false},
    {60000, 0, false},
    {60001, 0, true},
    {60001, 30 * HOUR_MS, true}, /* ours is ahead */
    {0, 30 * HOUR_MS, false},
    {0, -HOUR_MS / 2, false}, /* ours is behind */
    {0, -30 * HOUR_MS, true},
    {-31 * HOUR_MS, -30 * HOUR_MS, false},
};

START_TEST(test_message_time)
{
    const struct stamp_case *c = &stamps[_i];
    const struct delivery_now at = {NOW_MS, NOW_MS + c->ours_ms};
    PL_CLEANUP(made_release) struct made m;
    struct delivery_message d;
    make(&m, "topics: {recentchange: rc}");
    const struct pl_slice data = {"{}", 2};
    plan_read(m.plan, &m.event, data.p, data.len);
    m.event.has_dt = true;
    m.event.dt_ms = NOW_MS + c->dt_ms;
    delivery_message(&m.conf, &m.event, data, at, &d);
    ck_assert(d.time_replaced == c->replaced);
    int64_t least_ms = c->ours_ms < 0 ? at.ours_ms : at.source_ms;
    ck_assert_int_eq(d.m.timestamp_ms, c->replaced ? least_ms : m.event.dt_ms);
}
END_TEST

/* An event without them has no headers, nor has one that is not JSON. */
START_TEST(test_bare_message)
{
    PL_CLEANUP(made_release) struct made m;
    struct delivery_message d;
    make(&m, "topics: {recentchange: rc}");
    static const char *const bare[] = {"{}", "{", "{\"meta\":{\"id\":\"\\u0061\",\"stream\":7}}"};
    for (size_t i = 0; i < PL_COUNT(bare); i++) {
        const struct pl_slice data = {bare[i], strlen(bare[i])};
        plan_read(m.plan, &m.event, data.p, data.len);
        delivery_message(&m.conf, &m.event, data, now, &d);
        ck_assert_uint_eq(d.m.headers_n, 0);
        ck_assert_str_eq(d.m.topic, "wikipedia-data");
        ck_assert(d.time_replaced && d.m.timestamp_ms == 1780000000000);
    }
}
END_TEST

/* What cannot be redacted is not returned. */
START_TEST(test_not_redactable)
{
    PL_CLEANUP(made_release) struct made m;
    struct pl_slice out = {0};
    const char *why = NULL;
    static const char json[] = "{\"user\":\"N\"";
    make(&m, "redact: [{path: user, action: drop}]");
    ck_assert(passes(&m, json, sizeof(json) - 1));
    ck_assert(!plan_redact(m.plan, &m.event, PL_SLICE_LIT(json), &out, &why));
    ck_assert_ptr_null(out.p);
    ck_assert_ptr_nonnull(why);
    ck_assert(!m.event.has_key);
}
END_TEST

/* ---- fields that are not there ---- */

static bool account(struct made *m, const char *json)
{
    struct pl_slice data = {json, strlen(json)}, out;
    const char *why;
    plan_read(m->plan, &m->event, data.p, data.len);
    bool lacks = plan_passes(m->plan, &m->event) &&
                 plan_redact(m->plan, &m->event, data, &out, &why) &&
                 plan_redact_account(m->plan, &m->event);
    return plan_account(m->plan, &m->event) || lacks;
}

#define OF(stream, rest) "{\"meta\":{\"stream\":\"" stream "\"}" rest "}"

static bool taken(struct made *m, struct plan_absence *ret)
{
    return plan_absence_take(m->plan, PLAN_LOOKS, PLAN_REDACT_LOOKS, ret);
}

/* Once for each stream and condition, when PLAN_LOOKS events had no such field. */
START_TEST(test_absence)
{
    PL_CLEANUP(made_release) struct made m;
    struct plan_absence a;
    make(&m, "filter: {wiki: {include: [enwiki]}, bot: exclude, fields: [{path: x.y, in: [1]}, "
             "{path: z, exists: false}]}");
    for (unsigned i = 0; i < PLAN_LOOKS; i++) {
        ck_assert(!taken(&m, &a) && !plan_absence_now(m.plan, &a));
        ck_assert(account(&m, OF("s", ",\"w\":1")));
        ck_assert(!account(&m, OF("t", ",\"wiki\":\"\",\"bot\":false,\"x\":{\"y\":2}")));
    }
    static const struct {
        const char *option, *paths;
        bool drops;
    } said[] = {{"filter.wiki.include", "wiki, wiki_id, database", true},
                {"filter.bot", "bot, performer.is_bot, performer.user_is_bot", false},
                {"filter.fields", "x.y", true}};
    for (size_t i = 0; i < PL_COUNT(said); i++) {
        ck_assert(taken(&m, &a));
        ck_assert_str_eq(a.option, said[i].option);
        ck_assert_str_eq(a.paths, said[i].paths);
        ck_assert_str_eq(a.stream, "s");
        ck_assert_int_eq(a.drops, said[i].drops);
    }
    ck_assert(!taken(&m, &a));
    ck_assert(plan_absence_now(m.plan, &a));
    ck_assert_str_eq(a.option, "filter.wiki.include");
    account(&m, OF("s", ",\"wiki\":\"dewiki\",\"x\":{\"y\":3}"));
    ck_assert(plan_absence_now(m.plan, &a)); /* none of the remaining ones leaves out all */
    ck_assert(strcmp(a.option, "filter.bot") == 0 && !a.drops);
    account(&m, OF("s", ",\"bot\":true"));
    ck_assert(!plan_absence_now(m.plan, &a) && !taken(&m, &a));
}
END_TEST

/* Rare is not absent; canaries and what is not JSON say nothing. */
START_TEST(test_no_absence)
{
    PL_CLEANUP(made_release) struct made m;
    struct plan_absence a;
    make(&m, "filter: {wiki: {include: [enwiki]}}");
    ck_assert(!account(&m, OF("s", ",\"wiki\":\"dewiki\"")));
    for (unsigned i = 0; i < 2 * PLAN_LOOKS; i++) {
        account(&m, OF("s", ""));
        ck_assert(!account(&m, "{\"meta\":{\"stream\":\"c\",\"domain\":\"canary\"}}"));
        ck_assert(!account(&m, "{\"meta\":{\"stream\":\"d\"}"));
        account(&m, OF("e\xE2\x80\xAE", ""));
        account(&m, OF("\\u0065", ""));
        account(&m, "{}");
    }
    ck_assert(!taken(&m, &a) && !plan_absence_now(m.plan, &a));
    ck_assert(!plan_absence_take(m.plan, 1, 1, &a)); /* in one event it was there */
}
END_TEST

/* A shorter look, for the end of a mode. */
START_TEST(test_early_absence)
{
    PL_CLEANUP(made_release) struct made m;
    struct plan_absence a;
    make(&m, "filter: {fields: [{path: x, not_in: [1]}]}\nredact: [{path: y, action: drop}]");
    ck_assert(!plan_absence_take(m.plan, 0, 0, &a));
    account(&m, OF("s", ""));
    ck_assert(!taken(&m, &a));
    ck_assert(plan_absence_take(m.plan, 1, 1, &a) && strcmp(a.option, "filter.fields") == 0);
    ck_assert(plan_absence_take(m.plan, 1, 1, &a) && strcmp(a.option, "redact") == 0);
    ck_assert(!plan_absence_take(m.plan, 1, 1, &a));
}
END_TEST

/* A redaction that finds nothing in a stream is reported for that stream; one that finds something
 * there is not, and what another stream has says nothing. */
START_TEST(test_redact_absence)
{
    PL_CLEANUP(made_release) struct made m;
    struct plan_absence a;
    static const struct {
        const char *path, *stream;
    } said[] = {{"p.u", "s"}, {"user", "t"}, {"user, p.u", NULL}};
    make(&m, "redact: [{path: user, action: drop}, {path: p.u, action: drop}]");
    ck_assert(!account(
        &m, OF("s", ",\"user\":\"N\",\"p\":[{\"u\":1}],\"meta\":{\"domain\":\"canary\"}")));
    ck_assert(account(&m, OF("s", ",\"user\":\"N\"")));
    ck_assert(account(&m, OF("t", ",\"p\":{\"u\":1}")));
    ck_assert(!account(&m, OF("both", ",\"user\":\"N\",\"p\":[{\"u\":1}]")));
    for (unsigned i = 1; i < PLAN_REDACT_LOOKS; i++) {
        ck_assert(!taken(&m, &a));
        ck_assert(account(&m, OF("s", "")) && account(&m, OF("t", "")));
        ck_assert(account(&m, OF("both", "")) && account(&m, "{}"));
    }
    ck_assert(account(&m, "{}"));
    for (size_t i = 0; i < PL_COUNT(said); i++) {
        ck_assert(taken(&m, &a));
        ck_assert_str_eq(a.option, "redact");
        ck_assert_str_eq(a.paths, said[i].path);
        ck_assert_pstr_eq(a.stream, said[i].stream);
        ck_assert_str_eq(plan_absence_result(&a), "nothing is taken out");
    }
    ck_assert(!taken(&m, &a) && !plan_absence_now(m.plan, &a));
}
END_TEST

/* More streams than are watched, from an upstream that invents names. */
START_TEST(test_many_streams)
{
    PL_CLEANUP(made_release) struct made m;
    struct plan_absence a;
    unsigned told = 0;
    make(&m, "filter: {wiki: {include: [enwiki]}}");
    for (unsigned i = 0; i < 200 * PLAN_LOOKS; i++) {
        PL_FREE char *json = pl_strf(OF("s%u", ""), i % 200);
        account(&m, json);
    }
    while (taken(&m, &a))
        told++;
    ck_assert_uint_eq(told, 64);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_filter, .count = PL_COUNT(filters)),
        TEST(test_short_form, .count = PL_COUNT(short_forms)),
        TEST(test_message, .count = PL_COUNT(messages)),
        TEST(test_message_of_its_arrival),
        TEST(test_message_time, .count = PL_COUNT(stamps)),
        TEST(test_bare_message),
        TEST(test_not_redactable),
        TEST(test_absence),
        TEST(test_no_absence),
        TEST(test_early_absence),
        TEST(test_redact_absence),
        TEST(test_many_streams),
    };
    return unit_main("plan", tests, PL_COUNT(tests));
}
