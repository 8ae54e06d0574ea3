/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_source.c - the limit of wikisrcd: each line of a file read as an event and produced.
 * links: wikisrcd
 *
 *     BENCH_BOOTSTRAP=… BENCH_TOPIC=… bench_source EVENTS.jsonl
 *
 * No HTTP, no framing, no positions, no transactions; librdkafka has what wikisrcd gives it.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemons/wikisrcd/event/event.h"

static rd_kafka_t *producer_open(void)
{
    /* lib/kafka/transaction.c, lib/batch/delivery.c */
    static const char *const settings[][2] = {
        {"compression.type", "lz4"}, {"linger.ms", "500"}, {"enable.idempotence", "true"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char err[256] = "BENCH_BOOTSTRAP is not set";
    const char *servers = getenv("BENCH_BOOTSTRAP");
    if (!servers || rd_kafka_conf_set(conf, "bootstrap.servers", servers, err, sizeof(err)) != 0) {
        fprintf(stderr, "%s\n", err);
        exit(1);
    }
    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
        rd_kafka_conf_set(conf, settings[i][0], settings[i][1], err, sizeof(err));
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof(err));
    if (!rk) {
        fprintf(stderr, "%s\n", err);
        exit(1);
    }
    return rk;
}

static void line_produce(rd_kafka_t *rk, const char *topic, const char *line, size_t len,
                         const struct event *event)
{
    rd_kafka_resp_err_t err;
    do {
        err = rd_kafka_producev(
            rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(event->key.data, event->key.len), RD_KAFKA_V_VALUE((void *)line, len),
            RD_KAFKA_V_TIMESTAMP(event->dt_ms), RD_KAFKA_V_END);
        rd_kafka_poll(rk, err == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 10 : 0);
    } while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    if (err) {
        fprintf(stderr, "%s\n", rd_kafka_err2str(err));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const char *topic = getenv("BENCH_TOPIC");
    FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
    if (!file || !topic) {
        fprintf(stderr, "usage: BENCH_BOOTSTRAP=… BENCH_TOPIC=… %s EVENTS.jsonl\n", argv[0]);
        return 64;
    }
    struct event_wants wants;
    struct event event = {0};
    rd_kafka_t *rk = producer_open();
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len;
    event_wants_init(&wants, false);
    event_wants_key(&wants, "title");
    while ((len = getline(&line, &capacity, file)) > 0) {
        len -= line[len - 1] == '\n';
        event_read(&event, line, (size_t)len, &wants);
        line_produce(rk, topic, line, (size_t)len, &event);
    }
    bool whole = rd_kafka_flush(rk, 60000) == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_destroy(rk);
    event_release(&event);
    event_wants_release(&wants);
    free(line);
    fclose(file);
    return whole ? 0 : 1;
}
