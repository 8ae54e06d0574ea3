/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.h - the modes that look before anything runs: --sample, --schema, --produce.
 *
 * All three read from the source as the service would (source.start), but neither read nor write
 * the service's position. Only --produce writes to Kafka, in transactions under its own
 * transactional.id (wikisrcd-NAME.produce), so that a running service is not fenced; what it wrote
 * stays, and the service writes those events again.
 *
 * Threads: the loop's.
 */
#ifndef WIKISRCD_INSPECT_H
#define WIKISRCD_INSPECT_H

#include "daemons/wikisrcd/conf.h"

/* As the command line has them. */
enum inspect_mode { INSPECT_SAMPLE, INSPECT_SCHEMA, INSPECT_PRODUCE, INSPECT_MODES, INSPECT_TRY };

/* Reads `count` events that the filters pass. Returns the exit status: 0 when all came. */
int inspect_run(const struct wikisrcd_conf *conf, enum inspect_mode mode, int64_t count);

/* For --init: reads one event and shows nothing. 1: it came; 0: the source answers, but none came
 * within INSPECT_TRY_MS; -1: the error. */
#define INSPECT_TRY_MS 15000
int inspect_try(const struct wikisrcd_conf *conf, struct pl_err *err);

#endif
