/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.c - --sample, --schema, --dry-run.
 */
#include "daemons/chsinkd/inspect.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/output/grow.h"
#include "daemons/chsinkd/route/suggest.h"
#include "daemons/chsinkd/route/type_suggest.h"
#include "daemons/chsinkd/sink/message.h"
#include "lib/base/text.h"
#include "lib/json/schema.h"
#include "lib/kafka/topic.h"
#include "lib/log/log.h"
#include "lib/service/bar.h"

#define READ_TIMEOUT_MS 10000

struct look {
    const struct chsinkd_conf *conf;
    int64_t n;      /* messages of a topic */
    bool show_rows; /* --sample; false: --dry-run */
    bool show_bar;  /* --schema, which prints nothing until it has read all */
    struct pl_kafka_health health;
    rd_kafka_t *rk;
};

/* ---- reading ---- */

static void look_release(struct look *look)
{
    if (look->rk) {
        rd_kafka_consumer_close(look->rk);
        rd_kafka_destroy(look->rk);
    }
}

static int look_connect(struct look *look, struct pl_err *err)
{
    static const char *const defaults[] = {
        "group.id", "chsinkd-inspect", /* assign() wants one; the group is never joined */
        "client.id", "chsinkd-inspect", NULL};
    static const char *const forced[] = {"enable.auto.commit",
                                         "false",
                                         "isolation.level",
                                         "read_committed",
                                         "enable.partition.eof",
                                         "true", /* the end of a topic's last messages */
                                         "auto.offset.reset",
                                         "earliest",
                                         NULL};
    const struct pl_map *kafka = &look->conf->kafka;
    rd_kafka_conf_t *conf = pl_kafka_conf_new(kafka, defaults, forced, &look->health, err);
    if (!conf)
        return -1;
    look->rk = pl_kafka_new(RD_KAFKA_CONSUMER, conf, err);
    if (!look->rk)
        return -1;
    rd_kafka_poll_set_consumer(look->rk);
    return pl_kafka_probe(look->rk, &look->health, pl_kafka_servers(kafka),
                          look->conf->start_timeout_ms, err);
}

static void bar_show(const struct look *look, struct pl_bar *bar, const char *topic, int64_t taken)
{
    const struct pl_bar_now now = {.done = (double)taken,
                                   .total = (double)look->n,
                                   .what = topic,
                                   .count = (uint64_t)taken,
                                   .unit = "messages"};
    pl_bar_show(bar, &now);
}

/* Calls fn with the last n messages of a topic, spread over its partitions. */
static int topic_tail(struct look *look, const char *topic,
                      void (*fn)(void *userdata, const rd_kafka_message_t *m), void *userdata,
                      struct pl_err *err)
{
    int partitions = 0, at_end = 0;
    int64_t n = look->n;
    struct pl_bar bar = {0};
    int found = pl_kafka_topic_exists(look->rk, topic, READ_TIMEOUT_MS, &partitions, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return pl_err_set(err, PL_ERR_CONFIG, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                          "topic %s does not exist: correct the route, or start what writes it",
                          topic);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++)
        /* Twice the share: the ends of transactions have offsets, too. */
        rd_kafka_topic_partition_list_add(list, topic, i)->offset =
            RD_KAFKA_OFFSET_TAIL(2 * n / partitions + 2);
    rd_kafka_assign(look->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    while (n > 0 && at_end < partitions) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(look->rk, READ_TIMEOUT_MS);
        if (!m)
            return pl_err_set(err, PL_ERR_RETRY, 0, "topic %s: no answer from Kafka in %d s", topic,
                              READ_TIMEOUT_MS / 1000);
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            at_end++;
        else if (!m->err && n-- > 0)
            fn(userdata, m);
        rd_kafka_message_destroy(m);
        if (look->show_bar)
            bar_show(look, &bar, topic, look->n - n);
    }
    pl_log_progress_end();
    return 0;
}

/* A route before it, of another group, has the same topic. */
static bool topic_is_done(const struct chsinkd_conf *conf, unsigned route)
{
    const char *topic = conf->routes[route]->topic;
    for (unsigned i = 0; i < route; i++)
        if (conf->routes[i]->topic && strcmp(conf->routes[i]->topic, topic) == 0)
            return true;
    return false;
}

/* Calls fn with `topic`; NULL: with every route's. */
static int each_topic(struct look *look, const char *topic,
                      int (*fn)(struct look *look, const char *topic, struct pl_err *err),
                      struct pl_err *err)
{
    if (look_connect(look, err) < 0)
        return -1;
    if (topic)
        return fn(look, topic, err);
    for (unsigned i = 0; i < look->conf->routes_n; i++) {
        const struct route *route = look->conf->routes[i];
        if (!route->topic)
            printf("route %s takes topics by pattern %s: name one with --topic\n", route->name,
                   route->topic_pattern);
        else if (!topic_is_done(look->conf, i) && fn(look, route->topic, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- rows of a route ---- */

struct trial {
    struct rows *rows;
    struct block *block;
    const rd_kafka_message_t *message;
    const struct route *route;
    uint64_t rejects, skipped;
    bool show_rows;
};

static void trial_reject(void *userdata, const struct rows_reject *reject)
{
    struct trial *t = userdata;
    char text[512];
    if (t->rejects++ >= 20)
        return;
    message_reject_text(reject, text, sizeof(text));
    printf("  refused: partition %" PRId32 " offset %" PRId64 ": %s\n", t->message->partition,
           t->message->offset, text);
}

static void trial_message(void *userdata, const rd_kafka_message_t *m)
{
    struct trial *t = userdata;
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    struct rows_message rm = message_rows(m, true);
    t->message = m;
    block_reset(t->block);
    if (!rm.value && t->route->tombstones == TOMBSTONES_SKIP) {
        t->skipped++;
        return;
    }
    rows_decode(t->rows, &rm, NULL, t->block, trial_reject, t);
    if (!t->show_rows)
        return;
    if (m->key)
        pl_text_add(&text, m->key, m->key_len);
    else
        pl_buf_add_str(&text, "(none)");
    printf("%" PRIu64 ". partition %" PRId32 " offset %" PRId64 " key %s\n",
           rows_counts(t->rows)->messages, m->partition, m->offset, pl_buf_cstr(&text));
    for (uint64_t i = 0; i < block_rows(t->block); i++) {
        pl_buf_reset(&text);
        block_print_row(t->block, i, &text);
        pl_text_flatten(text.data, text.len);
        printf("   %s\n", pl_buf_cstr(&text));
    }
}

static int route_try(struct look *look, const char *topic, const struct route *route,
                     struct pl_err *err)
{
    PL_CLEANUP(rows_freep) struct rows *rows = rows_new(route);
    PL_CLEANUP(block_freep) struct block *block = block_new(route);
    struct trial t = {.rows = rows, .block = block, .route = route, .show_rows = look->show_rows};
    printf("topic %s, route %s, table %s\n", topic, route->name, route->table);
    int rc = topic_tail(look, topic, trial_message, &t, err);
    const struct rows_counts *counts = rows_counts(rows);
    printf("%" PRIu64 " messages: %" PRIu64 " rows, %" PRIu64 " refused, %" PRIu64
           " values nulled, %" PRIu64 " clamped, %" PRIu64 " defaulted, %" PRIu64
           " fields without a column\n",
           counts->messages, counts->rows, t.rejects, counts->nulled, counts->clamped,
           counts->defaulted, counts->unknown_fields);
    if (counts->filtered > 0)
        printf("%" PRIu64 " rows not taken by when\n", counts->filtered);
    if (t.skipped > 0)
        printf("%" PRIu64 " tombstones skipped\n", t.skipped);
    return rc;
}

/* Each route of it, which are of several groups. */
static int topic_try(struct look *look, const char *topic, struct pl_err *err)
{
    bool any = false;
    if (chsinkd_conf_topic_check(look->conf, topic, err) < 0)
        return -1;
    for (unsigned i = 0; i < look->conf->routes_n; i++) {
        const struct route *route = look->conf->routes[i];
        if (!route_takes(route, topic))
            continue;
        any = true;
        if (route_try(look, topic, route, err) < 0)
            return -1;
    }
    if (!any)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "no route takes topic %s; --schema suggests one",
                          topic);
    return 0;
}

int inspect_sample(const struct chsinkd_conf *conf, const char *topic, int64_t n,
                   struct pl_err *err)
{
    PL_CLEANUP(look_release) struct look look = {.conf = conf, .n = n, .show_rows = true};
    return each_topic(&look, topic, topic_try, err);
}

/* ---- schema ---- */

static void profile_message(void *userdata, const rd_kafka_message_t *m)
{
    const char *why;
    if (m->len > 0) /* no tombstone */
        pl_schema_add(userdata, m->payload, m->len, &why);
}

static int topic_schema(struct look *look, const char *topic, struct pl_err *err)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    if (topic_tail(look, topic, profile_message, p, err) < 0)
        return -1;
    pl_schema_print(p, "CLICKHOUSE TYPE", type_suggest, &text);
    pl_buf_add_byte(&text, '\n');
    size_t at = text.len;
    route_suggest(p, topic, &text);
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    pl_findings_init(&errs);
    PL_CLEANUP(route_freep)
    struct route *route = route_parse("suggested", text.data + at, text.len - at, &errs);
    if (route) {
        pl_buf_add_str(&text, "\n-- its table:\n");
        const void *output_conf;
        const struct output_kind *kind = chsinkd_conf_output(look->conf, &output_conf);
        struct output_target *target = kind->target_new(output_conf, route);
        kind->target_print(target, &text);
        kind->target_free(target);
    } else {
        pl_buf_addf(&text, "\n# this route does not load as it is:\n%s", pl_buf_cstr(&errs.text));
    }
    printf("topic %s: %" PRIu64 " messages, %" PRIu64 " not valid JSON\n%s", topic, p->documents,
           p->invalid, pl_buf_cstr(&text));
    return 0;
}

int inspect_schema(const struct chsinkd_conf *conf, const char *topic, int64_t n,
                   struct pl_err *err)
{
    PL_CLEANUP(look_release) struct look look = {.conf = conf, .n = n, .show_bar = true};
    return each_topic(&look, topic, topic_schema, err);
}

int inspect_route(const struct chsinkd_conf *conf, const char *topic, int64_t n, struct pl_buf *out,
                  struct pl_err *err)
{
    PL_CLEANUP(look_release) struct look look = {.conf = conf, .n = n};
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();
    PL_CLEANUP(pl_findings_release) struct pl_findings errs = {0};
    if (look_connect(&look, err) < 0 || topic_tail(&look, topic, profile_message, p, err) < 0)
        return -1;
    size_t at = out->len;
    route_suggest(p, topic, out);
    PL_CLEANUP(route_freep)
    struct route *route = route_parse("suggested", out->data + at, out->len - at, &errs);
    if (route)
        return 0;
    return pl_err_set(err, PL_ERR_CONFIG, 0,
                      "topic %s: no route can be made from its last %" PRIu64
                      " messages; chsinkd --schema shows why",
                      topic, p->documents + p->invalid);
}

/* ---- dry run ---- */

static int target_try(const struct output_kind *kind, struct output *o,
                      const struct output_target *target, struct pl_err *err)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf plan = {0};
    const struct output_ensure how = {.dry_run = true, .ret_plan = &plan};
    struct output_state state;
    if (kind->ensure(o, target, &how, &state, err) < 0)
        return -1;
    printf("-- route %s: a start would run %s\n%s\n", target->route->name,
           plan.len ? "this:" : "nothing", pl_buf_cstr(&plan));
    pl_text_flatten(state.why_not, strlen(state.why_not));
    if (state.guarantee != OUTPUT_TOKEN && state.guarantee != OUTPUT_POSITION && plan.len == 0)
        printf("-- the table does not deduplicate: at least once only (%s)\n", state.why_not);
    return 0;
}

int inspect_dry_run(const struct chsinkd_conf *conf, int64_t n, struct pl_err *err)
{
    const void *output_conf;
    const struct output_kind *kind = chsinkd_conf_output(conf, &output_conf);
    struct output *o = kind->open(output_conf);
    int rc = 0;
    for (unsigned i = 0; i < conf->routes_n && rc == 0; i++) {
        unsigned added;
        if ((rc = output_take(kind, output_conf, o, conf->routes[i], &added, err)) < 0)
            break;
        struct output_target *target = kind->target_new(output_conf, conf->routes[i]);
        rc = target_try(kind, o, target, err);
        kind->target_free(target);
    }
    kind->close(o);
    if (rc < 0)
        return -1;
    PL_CLEANUP(look_release) struct look look = {.conf = conf, .n = n};
    return each_topic(&look, NULL, topic_try, err);
}
