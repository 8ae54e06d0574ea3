/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog.c - see catalog.h.
 */
#include "daemons/chsinkd/iceberg/catalog/catalog.h"

void iceberg_loaded_release(struct iceberg_loaded *t)
{
    cJSON_Delete(t->metadata);
    iceberg_vended_release(&t->vended);
    free(t->metadata_location);
    *t = (struct iceberg_loaded){0};
}
