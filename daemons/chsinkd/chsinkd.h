/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chsinkd.h - the daemon: from Kafka's topics into ClickHouse's tables.
 */
#ifndef CHSINKD_CHSINKD_H
#define CHSINKD_CHSINKD_H

/* Runs what the command line asks for; returns the exit status (sysexits). */
int chsinkd_main(int argc, char **argv);

#endif
