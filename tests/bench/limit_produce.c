/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit_produce.c - the limit for wikisrcd: reads lines of JSON, parses each once with lib/json for
 * what wikisrcd must know of an event, and produces it with librdkafka as wikisrcd does. No SSE, no
 * HTTP, no position, no duplicates, no transaction.
 *
 *     make build/bench/limit_produce
 *     limit_produce FILE.jsonl TOPIC bootstrap.servers=HOST:PORT [PROPERTY=VALUE]...
 *
 * The topic must exist. The properties are librdkafka's; set are, as for wikisrcd: lz4, acks=all,
 * idempotence, linger.ms, the partitioner and the bounds of the queue. Canaries are left out, the
 * key is the title, the time the event's, meta.stream and meta.id are headers, so the messages are
 * byte for byte those that wikisrcd writes. Prints one line of JSON: events, canaries, bytes (of
 * values), seconds (wall), cpu_user, cpu_system (seconds, from the start of the process),
 * memory_max (bytes, resident). Exit status 0 only if Kafka has acknowledged each message.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "lib/base/time_text.h"
#include "lib/json/reader.h"

struct event {
    struct pl_json_str id, stream, domain, topic, dt, title;
    struct pl_json_num partition, offset;
    int64_t dt_ms;
};

struct limit {
    rd_kafka_t *rk;
    const char *topic;
    struct pl_buf key;
    uint64_t events, canaries, bytes, failed;
};

static double seconds(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- parsing ---- */

static void text_take(struct pl_json *j, struct pl_json_str *ret)
{
    if (pl_json_peek(j) == PL_JSON_STRING)
        pl_json_string(j, ret);
    else
        pl_json_skip(j, NULL);
}

static void number_take(struct pl_json *j, struct pl_json_num *ret)
{
    if (pl_json_peek(j) == PL_JSON_NUMBER)
        pl_json_number(j, ret);
    else
        pl_json_skip(j, NULL);
}

static void meta_take(struct pl_json *j, struct event *e)
{
    struct pl_json_str key;
    pl_json_object_begin(j);
    while (pl_json_object_next(j, &key)) {
        if (pl_json_str_eq(&key, "id"))
            text_take(j, &e->id);
        else if (pl_json_str_eq(&key, "stream"))
            text_take(j, &e->stream);
        else if (pl_json_str_eq(&key, "domain"))
            text_take(j, &e->domain);
        else if (pl_json_str_eq(&key, "topic"))
            text_take(j, &e->topic);
        else if (pl_json_str_eq(&key, "partition"))
            number_take(j, &e->partition);
        else if (pl_json_str_eq(&key, "offset"))
            number_take(j, &e->offset);
        else if (pl_json_str_eq(&key, "dt"))
            text_take(j, &e->dt);
        else
            pl_json_skip(j, NULL);
    }
}

/* All of it is checked, as wikisrcd does. */
static bool event_take(const char *line, size_t len, struct event *e)
{
    struct pl_json j;
    struct pl_json_str key;
    *e = (struct event){.dt_ms = -1};
    pl_json_init(&j, line, len, PL_JSON_DEPTH_DEFAULT);
    pl_json_object_begin(&j);
    while (pl_json_object_next(&j, &key)) {
        if (pl_json_str_eq(&key, "meta"))
            meta_take(&j, e);
        else if (pl_json_str_eq(&key, "title"))
            text_take(&j, &e->title);
        else
            pl_json_skip(&j, NULL);
    }
    if (!pl_json_end(&j))
        return false;
    if (e->dt.p && !pl_time_parse(e->dt.p, e->dt.len, 3, &e->dt_ms, NULL))
        e->dt_ms = -1;
    return true;
}

/* ---- producing ---- */

static void key_set(struct limit *l, const struct pl_json_str *title)
{
    pl_buf_reset(&l->key);
    if (title->escaped && pl_json_unescape_buf(title, &l->key))
        return;
    pl_buf_reset(&l->key);
    pl_buf_add(&l->key, title->p, title->len);
}

static int event_produce(struct limit *l, const struct event *e, const char *line, size_t len)
{
    if (e->title.p)
        key_set(l, &e->title);
    for (;;) {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
        if (e->stream.p)
            rd_kafka_header_add(headers, "wikisrcd-stream", -1, e->stream.p,
                                (ssize_t)e->stream.len);
        if (e->id.p)
            rd_kafka_header_add(headers, "wikisrcd-id", -1, e->id.p, (ssize_t)e->id.len);
        rd_kafka_resp_err_t code = rd_kafka_producev(
            l->rk, RD_KAFKA_V_TOPIC(l->topic),
            RD_KAFKA_V_KEY(e->title.p ? l->key.data : NULL, e->title.p ? l->key.len : 0),
            RD_KAFKA_V_VALUE((void *)line, len), RD_KAFKA_V_HEADERS(headers),
            RD_KAFKA_V_TIMESTAMP(e->dt_ms > 0 ? e->dt_ms : 0),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
        rd_kafka_headers_destroy(headers);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            fprintf(stderr, "limit_produce: %s\n", rd_kafka_err2str(code));
            return -1;
        }
        rd_kafka_poll(l->rk, 10);
    }
}

/* Only for those that failed. */
static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct limit *l = opaque;
    (void)rk;
    if (l->failed++ == 0)
        fprintf(stderr, "limit_produce: not delivered: %s\n", rd_kafka_err2str(m->err));
}

static int lines_produce(struct limit *l, FILE *file)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int r = 0;
    while (r == 0 && (len = getline(&line, &size, file)) > 0) {
        struct event e;
        len -= line[len - 1] == '\n';
        if (!event_take(line, (size_t)len, &e))
            e = (struct event){.dt_ms = -1};
        if (e.domain.p && pl_json_str_eq(&e.domain, "canary")) {
            l->canaries++;
            continue;
        }
        r = event_produce(l, &e, line, (size_t)len);
        l->events++;
        l->bytes += (uint64_t)len;
        if (l->events % 1000 == 0)
            rd_kafka_poll(l->rk, 0);
    }
    free(line);
    return r;
}

static int client_open(struct limit *l, int n, char **properties)
{
    /* As lib/kafka/transaction.c, lib/batch/delivery.c and wikisrcd's defaults. */
    static const char *const ours[][2] = {
        {"client.id", "limit_produce"},
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"compression.type", "lz4"},
        {"linger.ms", "500"},
        {"partitioner", "murmur2_random"},
        {"socket.nagle.disable", "true"},
        {"queue.buffering.max.kbytes", "8192"},
        {"message.max.bytes", "8388608"},
        {"delivery.report.only.error", "true"},
    };
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < PL_COUNT(ours); i++)
        rd_kafka_conf_set(conf, ours[i][0], ours[i][1], text, sizeof(text));
    for (int i = 0; i < n; i++) {
        char *value = strchr(properties[i], '=');
        if (value)
            *value++ = '\0';
        if (!value ||
            rd_kafka_conf_set(conf, properties[i], value, text, sizeof(text)) != RD_KAFKA_CONF_OK) {
            fprintf(stderr, "limit_produce: %s: %s\n", properties[i], value ? text : "no value");
            return -1;
        }
    }
    rd_kafka_conf_set_opaque(conf, l);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    l->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (!l->rk)
        fprintf(stderr, "limit_produce: %s\n", text);
    return l->rk ? 0 : -1;
}

int main(int argc, char **argv)
{
    double began = seconds(CLOCK_MONOTONIC);
    if (argc < 4) {
        fprintf(stderr, "usage: limit_produce FILE.jsonl TOPIC bootstrap.servers=HOST:PORT "
                        "[PROPERTY=VALUE]...\n");
        return 64;
    }
    FILE *file = fopen(argv[1], "r");
    if (!file) {
        perror(argv[1]);
        return 66;
    }
    struct limit l = {.topic = argv[2]};
    if (client_open(&l, argc - 3, argv + 3) < 0 || lines_produce(&l, file) < 0)
        return 1;
    bool whole = rd_kafka_flush(l.rk, 60000) == RD_KAFKA_RESP_ERR_NO_ERROR && l.failed == 0;
    rd_kafka_destroy(l.rk);
    fclose(file);
    pl_buf_release(&l.key);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"events\": %llu, \"canaries\": %llu, \"bytes\": %llu, \"seconds\": %.3f, "
           "\"cpu_user\": %.3f, \"cpu_system\": %.3f, \"memory_max\": %ld}\n",
           (unsigned long long)l.events, (unsigned long long)l.canaries,
           (unsigned long long)l.bytes, seconds(CLOCK_MONOTONIC) - began,
           (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6,
           (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6,
           used.ru_maxrss * 1024L);
    return whole ? 0 : 1;
}
