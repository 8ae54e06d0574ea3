/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.c - --sample, --schema, --dry-run.
 */
#include "daemons/chsinkd/inspect.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/clickhouse/table.h"
#include "daemons/chsinkd/clickhouse/type_suggest.h"
#include "daemons/chsinkd/decode/rows.h"
#include "lib/base/text.h"
#include "lib/json/schema.h"
#include "lib/kafka/topic.h"

#define READ_TIMEOUT_MS 10000

/* ---- reading ---- */

typedef void message_fn(void *userdata, const rd_kafka_message_t *m);

struct reader {
    struct pl_kafka_health health;
    rd_kafka_t *rk;
};

static void reader_release(struct reader *r)
{
    if (r->rk) {
        rd_kafka_consumer_close(r->rk);
        rd_kafka_destroy(r->rk);
    }
}

static int reader_init(struct reader *r, const struct chsinkd_conf *conf, struct pl_err *err)
{
    /* assign() wants a group.id; it is never joined, and nothing is committed. */
    static const char *const defaults[] = {"group.id", "chsinkd-inspect", "client.id",
                                           "chsinkd-inspect", NULL};
    static const char *const forced[] = {"enable.auto.commit",
                                         "false",
                                         "isolation.level",
                                         "read_committed",
                                         "enable.partition.eof",
                                         "true",
                                         "auto.offset.reset",
                                         "earliest",
                                         NULL};
    rd_kafka_conf_t *kc = pl_kafka_conf_new(&conf->kafka, defaults, forced, &r->health, err);

    if (!kc)
        return -1;
    r->rk = pl_kafka_new(RD_KAFKA_CONSUMER, kc, err);
    if (!r->rk)
        return -1;
    rd_kafka_poll_set_consumer(r->rk);
    return pl_kafka_probe(r->rk, &r->health, pl_map_get(&conf->kafka, "bootstrap.servers"),
                          conf->start_timeout_ms, err);
}

/* The last n messages of a topic, spread over its partitions. */
static int reader_tail(struct reader *r, const char *topic, int64_t n, message_fn *fn,
                       void *userdata, struct pl_err *err)
{
    int partitions = 0, at_end = 0;
    int found = pl_kafka_topic_exists(r->rk, topic, READ_TIMEOUT_MS, &partitions, err);
    if (found <= 0)
        return found < 0
                   ? -1
                   : pl_err_set(
                         err, PL_ERR_CONFIG, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                         "topic %s does not exist: correct the route, or start what writes it",
                         topic);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++)
        /* Twice the share: the ends of transactions have offsets, too. */
        rd_kafka_topic_partition_list_add(list, topic, i)->offset =
            RD_KAFKA_OFFSET_TAIL(2 * n / partitions + 2);
    rd_kafka_assign(r->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    while (n > 0 && at_end < partitions) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(r->rk, READ_TIMEOUT_MS);
        if (!m)
            return pl_err_set(err, PL_ERR_RETRY, 0, "topic %s: no answer from Kafka in %d s", topic,
                              READ_TIMEOUT_MS / 1000);
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            at_end++;
        else if (!m->err && n-- > 0)
            fn(userdata, m);
        rd_kafka_message_destroy(m);
    }
    return 0;
}

static int each_topic(const struct chsinkd_conf *conf, const char *topic,
                      int (*fn)(struct reader *, const struct chsinkd_conf *, const char *topic,
                                int64_t n, struct pl_err *),
                      int64_t n, struct pl_err *err)
{
    PL_CLEANUP(reader_release) struct reader r = {0};
    if (reader_init(&r, conf, err) < 0)
        return -1;
    if (topic)
        return fn(&r, conf, topic, n, err);
    for (unsigned i = 0; i < conf->routes_n; i++) {
        const struct route *route = conf->routes[i];
        if (!route->topic)
            printf("route %s takes topics by pattern %s: name one with --topic\n", route->name,
                   route->topic_pattern);
        else if (fn(&r, conf, route->topic, n, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- rows of a route ---- */

struct trial {
    const struct route *route;
    struct rows *rows;
    struct block *block;
    const rd_kafka_message_t *message;
    uint64_t shown, rejects;
    bool show_rows;
};

static bool header_get(const void *userdata, const char *name, struct pl_slice *ret)
{
    const void *value;
    size_t len;
    if (!userdata ||
        rd_kafka_header_get_last(userdata, name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    *ret = (struct pl_slice){value, len};
    return true;
}

static void trial_reject(void *userdata, const struct rows_reject *reject)
{
    struct trial *t = userdata;
    if (t->rejects++ < 20)
        printf("  refused: partition %" PRId32 " offset %" PRId64 ": %s%s%s%s%s (byte %zu)\n",
               t->message->partition, t->message->offset, reject->column ? reject->column : "",
               reject->column ? ": " : "", reject->reason, reject->detail ? ": " : "",
               reject->detail ? reject->detail : "", reject->offset);
}

static void trial_message(void *userdata, const rd_kafka_message_t *m)
{
    struct trial *t = userdata;
    rd_kafka_timestamp_type_t type;
    rd_kafka_headers_t *headers = NULL;
    struct rows_message rm = {.topic = rd_kafka_topic_name(m->rkt),
                              .partition = m->partition,
                              .offset = m->offset,
                              .timestamp_ms = rd_kafka_message_timestamp(m, &type),
                              .key = m->key,
                              .key_len = m->key_len,
                              .value = m->payload,
                              .value_len = m->len,
                              .header = header_get};
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    t->message = m;
    if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rm.header_userdata = headers;
    block_reset(t->block);
    rows_decode(t->rows, &rm, -1, t->block, trial_reject, t);
    if (!t->show_rows)
        return;
    if (m->key)
        pl_text_add(&text, m->key, m->key_len);
    else
        pl_buf_add_str(&text, "(none)");
    printf("%" PRIu64 ". partition %" PRId32 " offset %" PRId64 " key %s\n", ++t->shown,
           m->partition, m->offset, pl_buf_cstr(&text));
    for (uint64_t i = 0; i < block_rows(t->block); i++) {
        pl_buf_reset(&text);
        block_print_row(t->block, i, &text);
        pl_text_flatten(text.data, text.len);
        printf("   %s\n", pl_buf_cstr(&text));
    }
}

static int trial_run(struct reader *r, const struct chsinkd_conf *conf, const char *topic,
                     int64_t n, bool show, struct pl_err *err)
{
    struct trial t = {.route = chsinkd_conf_route(conf, topic), .show_rows = show};
    if (!t.route)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "no route takes topic %s; --schema suggests one",
                          topic);
    t.rows = rows_new(t.route);
    t.block = block_new(t.route);
    printf("topic %s, route %s, table %s\n", topic, t.route->name, t.route->table);
    int rc = reader_tail(r, topic, n, trial_message, &t, err);
    const struct rows_counts *counts = rows_counts(t.rows);
    printf("%" PRIu64 " messages: %" PRIu64 " rows, %" PRIu64 " refused, %" PRIu64
           " values nulled, %" PRIu64 " defaulted, %" PRIu64 " fields without a column\n",
           counts->messages, counts->rows, t.rejects, counts->nulled, counts->defaulted,
           counts->unknown_fields);
    rows_free(t.rows);
    block_free(t.block);
    return rc;
}

static int sample_topic(struct reader *r, const struct chsinkd_conf *conf, const char *topic,
                        int64_t n, struct pl_err *err)
{
    return trial_run(r, conf, topic, n, true, err);
}

int inspect_sample(const struct chsinkd_conf *conf, const char *topic, int64_t n,
                   struct pl_err *err)
{
    return each_topic(conf, topic, sample_topic, n, err);
}

/* ---- schema ---- */

static void profile_message(void *userdata, const rd_kafka_message_t *m)
{
    const char *why;
    pl_schema_add(userdata, m->payload, m->len, &why);
}

/* meta.id -> meta_id; what ClickHouse and people find awkward in a name becomes '_'. */
static void column_name_from_path(const char *path, struct pl_buf *out)
{
    for (const char *p = path; *p; p++)
        if (isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80)
            pl_buf_add_byte(out, *p);
        else if (out->len > 0 && out->data[out->len - 1] != '_' && *p != '"')
            pl_buf_add_byte(out, '_');
}

/* Arrays, and what is an object in one message and something else in another, are kept as JSON
 * text. */
static bool is_kept_as_json(const struct pl_schema_field *f)
{
    return f->arrays > 0 || (f->objects > 0 && f->strings + f->integers + f->floats + f->bools > 0);
}

/* Below such a field there are no columns: they would refuse the messages in which it is no
 * object. */
static bool is_inside_json(const struct pl_schema *p, unsigned i)
{
    const char *path = p->fields[i]->path;
    for (unsigned k = 0; k < i; k++) {
        const struct pl_schema_field *f = p->fields[k];
        size_t len = strlen(f->path);
        if (is_kept_as_json(f) && strncmp(path, f->path, len) == 0 &&
            (path[len] == '.' || path[len] == '['))
            return true;
    }
    return false;
}

static void route_suggest(const struct pl_schema *p, const char *topic, struct pl_buf *out)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf type = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf path = {0};
    pl_buf_addf(out,
                "# A route made from %" PRIu64
                " messages. Read it, then put it into a file under routes:.\n",
                p->documents);
    pl_buf_addf(out, "topic: %s\ntable: ", topic);
    column_name_from_path(topic, out);
    pl_buf_add_str(out, "\nrows: $\nunknown_fields: drop\ncolumns:\n");
    for (unsigned i = 0; i < p->n; i++) {
        const struct pl_schema_field *f = p->fields[i];
        pl_buf_reset(&type);
        type_suggest(p, i, &type);
        if (type.len == 0 || strstr(f->path, "[*]") || is_inside_json(p, i))
            continue;
        pl_buf_reset(&path);
        pl_text_add(&path, f->path, strlen(f->path));
        pl_buf_add_str(out, "  - { name: ");
        column_name_from_path(pl_buf_cstr(&path), out);
        pl_buf_addf(out, ", type: \"%s\", path: '$.%s'%s }\n", pl_buf_cstr(&type), path.data,
                    is_kept_as_json(f) ? ", json: true" : "");
    }
    pl_buf_add_str(out, "  - { name: _topic, type: LowCardinality(String), from: topic }\n"
                        "  - { name: _partition, type: Int32, from: partition }\n"
                        "  - { name: _offset, type: Int64, from: offset }\n"
                        "engine: MergeTree\norder_by: \"(_topic, _partition, _offset)\"\n");
}

static int schema_topic(struct reader *r, const struct chsinkd_conf *conf, const char *topic,
                        int64_t n, struct pl_err *err)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_CLEANUP(route_freep) struct route *route = NULL;
    if (reader_tail(r, topic, n, profile_message, p, err) < 0)
        return -1;
    pl_schema_print(p, "CLICKHOUSE TYPE", type_suggest, &text);
    pl_buf_add_byte(&text, '\n');
    size_t at = text.len;
    route_suggest(p, topic, &text);
    pl_findings_init(&errs);
    route = route_parse("suggested", text.data + at, text.len - at, &errs);
    if (route) {
        pl_buf_add_str(&text, "\n-- its table:\n");
        table_create_sql(route, conf->clickhouse.database, &text);
        pl_buf_add_str(&text, ";\n");
    } else {
        pl_buf_addf(&text, "\n# this route does not load as it stands:\n%s",
                    pl_buf_cstr(&errs.text));
    }
    printf("topic %s: %" PRIu64 " messages, %" PRIu64 " not valid JSON\n%s", topic, p->documents,
           p->invalid, pl_buf_cstr(&text));
    return 0;
}

int inspect_schema(const struct chsinkd_conf *conf, const char *topic, int64_t n,
                   struct pl_err *err)
{
    return each_topic(conf, topic, schema_topic, n, err);
}

/* ---- dry run ---- */

static int dry_run_topic(struct reader *r, const struct chsinkd_conf *conf, const char *topic,
                         int64_t n, struct pl_err *err)
{
    return trial_run(r, conf, topic, n, false, err);
}

int inspect_dry_run(const struct chsinkd_conf *conf, int64_t n, struct pl_err *err)
{
    PL_CLEANUP(clickhouse_freep) struct clickhouse *c = clickhouse_new(&conf->clickhouse);
    for (unsigned i = 0; i < conf->routes_n; i++) {
        const struct route *route = conf->routes[i];
        PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0};
        struct table_state state;
        if (table_ensure(c, route, conf->clickhouse.database, true, &sql, NULL, NULL, &state, err) <
            0)
            return -1;
        printf("-- route %s: a start would run %s\n%s\n", route->name,
               sql.len ? "this:" : "nothing", pl_buf_cstr(&sql));
        pl_text_flatten(state.why_not, strlen(state.why_not));
        if (!state.deduplicates && sql.len == 0)
            printf("-- the table does not deduplicate: at least once only (%s)\n", state.why_not);
    }
    return each_topic(conf, NULL, dry_run_topic, n, err);
}
