/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - what producers and consumers share: librdkafka's configuration from our `kafka:`
 * mapping, its logs in our words, and start checks.
 *
 * Threads: functions here may be called from any thread; librdkafka's own threads call the log and
 * error callbacks.
 */
#ifndef PL_KAFKA_CLIENT_H
#define PL_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/config/options.h"
#include "lib/kafka/errors.h"

/* What librdkafka's error callback said last, so that a start check can tell why there is no
 * answer. Owned by the caller, one for each rd_kafka_t, outlives it. Zero-initialise. */
struct pl_kafka_health {
    _Atomic int last_error;        /* rd_kafka_resp_err_t of the last error, 0 none */
    _Atomic int64_t last_error_ms; /* monotonic */
    char last_text[256];           /* guarded by `lock`; see pl_kafka_health_text() */
    _Atomic bool fatal;
    bool borrowed_map;    /* set before pl_kafka_new(): the map was written for another kind of
                           * client, so "is a producer property" is no warning */
    pthread_mutex_t lock; /* all zero is a valid mutex (glibc's PTHREAD_MUTEX_INITIALIZER) */
};

/* Copies what was wrong in the last `within_ms` to `out` (at least 256 bytes). false: nothing
 * was. */
bool pl_kafka_health_text(struct pl_kafka_health *health, int64_t within_ms, char *out);

/* Builds a configuration: first `defaults` (pairs "property", "value", …, NULL), then the user's
 * map (each property by librdkafka's own name), then `forced` (pairs that the promise needs; a
 * user's differing value is a CONFIG error that says why: "enable.auto.commit is set by chsinkd").
 * Log, error and stats callbacks are ours; opaque is `health`. An unknown property or bad value is
 * a CONFIG error with librdkafka's text. "bootstrap.servers" must be in the map. NULL on failure.
 * The error callback runs where the client's main queue is served (rd_kafka_poll() and the like),
 * the log callback in librdkafka's threads. */
rd_kafka_conf_t *pl_kafka_conf_new(const struct pl_map *map, const char *const *defaults,
                                   const char *const *forced, struct pl_kafka_health *health,
                                   struct pl_err *err);

/* rd_kafka_new() with the error as ours; takes `conf` in every case. */
rd_kafka_t *pl_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct pl_err *err);

/* For who takes events from a client's main queue (rd_kafka_queue_poll()): librdkafka then makes no
 * callbacks but gives errors and statistics as events. Does what the callbacks do; false: another
 * kind of event. The event stays the caller's. */
bool pl_kafka_event(struct pl_kafka_health *health, rd_kafka_event_t *event);

/* The brokers that the user names, for messages; never NULL. */
const char *pl_kafka_servers(const struct pl_map *map);
/* The value in force of a property that is a number. */
int64_t pl_kafka_conf_int(const rd_kafka_conf_t *conf, const char *name);

/* Start checks wait in slices, and give up at a SIGTERM or SIGINT that waits for the loop (RETRY).
 * How long the next slice may take, when so much was waited in vain. Pure. */
int pl_kafka_slice_ms(int64_t waited_ms, int64_t left_ms);

/* Waits until a broker answers a metadata request. After timeout_ms: an error made of what the
 * health record knows, one line that says what to do: cannot resolve (RETRY, "check
 * bootstrap.servers"), refused (RETRY), wrong password (CONFIG, at once, not after the time-out),
 * certificate refused (CONFIG, at once, names ssl.ca.location). Serves the main queue: call it
 * before events or messages are expected there. Warns when the client does not verify certificates.
 * `servers` is for the messages. */
int pl_kafka_probe(rd_kafka_t *rk, struct pl_kafka_health *health, const char *servers,
                   int64_t timeout_ms, struct pl_err *err);

#endif
