/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unique.c - see unique.h.
 */
#include "daemons/chsinkd/iceberg/format/unique.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* Up to 256 bytes getrandom() is never short (getrandom(2)). */
void iceberg_random(void *out, size_t len)
{
    if (getrandom(out, len, 0) != (ssize_t)len)
        abort();
}

void iceberg_uuid(char out[ICEBERG_UUID_SIZE])
{
    uint8_t b[16];
    iceberg_random(b, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    char *p = out;
    for (unsigned i = 0; i < sizeof(b); i++)
        p += sprintf(p, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
}

int64_t iceberg_snapshot_id_new(void)
{
    int64_t id;
    do {
        iceberg_random(&id, sizeof(id));
        id &= INT64_MAX;
    } while (id == 0);
    return id;
}
