/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - what producers and consumers share: librdkafka's configuration from our `kafka:`
 * mapping, its logs in our words, and start checks.
 *
 * Threads: any. librdkafka calls the log callback in its own threads, the error callback where the
 * client's main queue is served (rd_kafka_poll() and the like).
 */
#ifndef PL_KAFKA_CLIENT_H
#define PL_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/config/options.h"
#include "lib/kafka/errors.h"
#include "lib/kafka/oauth.h"

/* The last error that librdkafka reported: the reason why there is no answer. Owned by the caller,
 * one for each rd_kafka_t, outlives it. Zero-initialise. */
struct pl_kafka_health {
    struct kafka_oauth oauth; /* the first */
    _Atomic int x509_error;   /* why a broker's certificate was refused (X509_V_ERR_…); 0: none */
    _Atomic int last_error;   /* rd_kafka_resp_err_t; 0: none yet */
    _Atomic int64_t last_error_ms; /* monotonic */
    char last_text[256];           /* guarded by `lock`; see pl_kafka_health_text() */
    _Atomic bool fatal;
    _Atomic bool all_down; /* librdkafka had no broker left, and none has answered since */
    bool borrowed_map;     /* set before pl_kafka_new(): the map was written for another kind of
                           * client, so "is a producer property" is no warning */
    pthread_mutex_t lock;  /* all zero is a valid mutex (glibc's PTHREAD_MUTEX_INITIALIZER) */
};

/* Copies the error of the last `within_ms` to `out` (at least 256 bytes). false: there was none. */
bool pl_kafka_health_text(struct pl_kafka_health *health, int64_t within_ms, char *out);

/* For a client that waits for nothing, such as an idle consumer: whether Kafka is away. Once
 * librdkafka has no broker left, each call asks for one, for at most 100 ms. */
bool pl_kafka_is_away(rd_kafka_t *rk, struct pl_kafka_health *health);

/* Builds a configuration: first `defaults` (pairs "property", "value", …, NULL), then the user's
 * map (each property by librdkafka's own name), then `forced` (pairs that the delivery guarantee
 * needs; a user's differing value is a CONFIG error). Log, error and stats callbacks are ours, and
 * oauth.h's tokens; opaque is `health`. An unknown property, a bad value or no "bootstrap.servers"
 * in the map is a CONFIG error. NULL on failure. */
rd_kafka_conf_t *pl_kafka_conf_new(const struct pl_map *map, const char *const *defaults,
                                   const char *const *forced, struct pl_kafka_health *health,
                                   struct pl_err *err);

/* rd_kafka_new() with our error; takes `conf` in every case. */
rd_kafka_t *pl_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct pl_err *err);

/* For a client whose main queue is read with rd_kafka_queue_poll(): librdkafka then delivers errors
 * and statistics as events instead of callbacks. Handles those; ignores other events. The event
 * stays the caller's. */
void pl_kafka_event(struct pl_kafka_health *health, rd_kafka_event_t *event);

/* The user's bootstrap.servers, for messages; never NULL. */
const char *pl_kafka_servers(const struct pl_map *map);
/* The effective value of a numeric property. */
int64_t pl_kafka_conf_int(const rd_kafka_conf_t *conf, const char *name);

/* Start checks wait in slices and give up (RETRY) when a SIGTERM or SIGINT is pending. The length
 * of the next slice after `waited_ms` in vain. Pure. */
int pl_kafka_slice_ms(int64_t waited_ms, int64_t left_ms);

/* Waits until a broker answers a metadata request. The error says what to check: RETRY after
 * timeout_ms (cannot resolve, refused, no answer); CONFIG at once for a wrong password or a refused
 * certificate. Serves the main queue, so call it before events or messages are expected there.
 * Warns when the client does not verify certificates. `servers` is for the messages. */
int pl_kafka_probe(rd_kafka_t *rk, struct pl_kafka_health *health, const char *servers,
                   int64_t timeout_ms, struct pl_err *err);

#endif
