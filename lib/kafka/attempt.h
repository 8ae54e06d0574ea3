/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attempt.h - Kafka, tried as a part of --init: whether its brokers answer us, and which of the
 * topics are there. Nothing is created. Blocks for at most PL_KAFKA_ATTEMPT_MS and a topic's
 * PL_KAFKA_ATTEMPT_MS each. Threads: one.
 */
#ifndef PL_KAFKA_ATTEMPT_H
#define PL_KAFKA_ATTEMPT_H

#include "lib/config/options.h"
#include "lib/service/init.h"

#define PL_KAFKA_ATTEMPT_MS 10000

/* `topics`: an array ended by NULL. `needed`: one that is not there is a failure, as nobody but
 * another program makes it; else it is told. False: Kafka does not work. */
bool pl_kafka_attempt(const struct pl_map *kafka, const char *const *topics, bool needed,
                      struct pl_attempt *a);

#endif
