/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wikisrcd.h - the daemon: the one place that joins source, position, filter and delivery to the
 * loop.
 *
 *   source ──event──> position (new?) ──> filter ──> delivery ──commit──> Kafka
 *      ^                                                │
 *      └── asks from the position <── rewind on abort ──┘
 *
 * Threads: the loop's.
 */
#ifndef WIKISRCD_WIKISRCD_H
#define WIKISRCD_WIKISRCD_H

#include "daemons/wikisrcd/conf.h"

/* The program: command line, configuration, mode. Returns the exit status. */
int wikisrcd_main(int argc, char **argv);

/* Service mode until stopped. `file` is read again at a reload; `conf` is changed by it. */
int wikisrcd_run(struct wikisrcd_conf *conf, const char *file);

#endif
