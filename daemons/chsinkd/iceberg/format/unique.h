/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unique.h - what must never be the same twice: names of files, a snapshot's id, sync markers. From
 * the kernel's random bytes. Threads: any.
 */
#ifndef CHSINKD_ICEBERG_UNIQUE_H
#define CHSINKD_ICEBERG_UNIQUE_H

#include <stddef.h>
#include <stdint.h>

#define ICEBERG_UUID_SIZE 37 /* with its NUL */

void iceberg_random(void *out, size_t len);
void iceberg_uuid(char out[ICEBERG_UUID_SIZE]); /* version 4 (RFC 9562) */
int64_t iceberg_snapshot_id_new(void);          /* positive */

#endif
