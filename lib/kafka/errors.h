/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errors.h - error codes of librdkafka (below zero) and of Kafka's brokers (the table in
 * https://kafka.apache.org/protocol.html) as our kinds of errors. Pure; any thread.
 */
#ifndef PL_KAFKA_ERRORS_H
#define PL_KAFKA_ERRORS_H

#include <librdkafka/rdkafka.h>

#include "lib/base/err.h"

/* RETRY (transport, time-out, leader moved, coordinator loading …), CONFIG (authentication,
 * authorization, SSL, unknown topic, unsupported version), REJECT (message too large, invalid
 * record, invalid timestamp), FATAL (a producer that is fenced or has failed), FENCED (another
 * member has taken our group.instance.id). An unknown code: RETRY.
 *
 * A fenced producer is FATAL here: the coordinator also fences one whose transaction it ended for
 * its age; transaction.c tells the two apart. */
enum pl_err_kind pl_kafka_err_kind(rd_kafka_resp_err_t code);

/* Sets `err` to the code, its kind, and "<fmt …>: <librdkafka's text of the code>". Returns -1. */
int pl_kafka_err(struct pl_err *err, rd_kafka_resp_err_t code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
