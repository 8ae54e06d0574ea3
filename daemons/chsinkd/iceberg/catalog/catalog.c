/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog.c - see catalog.h.
 */
#include "daemons/chsinkd/iceberg/catalog/catalog.h"

void iceberg_loaded_release(struct iceberg_loaded *t)
{
    cJSON_Delete(t->metadata);
    cJSON_Delete(t->config);
    free(t->metadata_location);
    *t = (struct iceberg_loaded){0};
}
