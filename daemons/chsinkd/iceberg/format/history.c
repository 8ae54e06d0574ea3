/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.c - see history.h.
 */
#include "daemons/chsinkd/iceberg/format/history.h"

#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/format/positions.h"

/* Of a snapshot in the document without its offsets, and of its entry in the log: measured. */
#define SNAPSHOT_BYTES 1000

static bool id_is_in(const cJSON *ids, int64_t id)
{
    const cJSON *item;
    int64_t has;
    cJSON_ArrayForEach(item, ids)
    {
        if (iceberg_json_value_int(item, &has) && has == id)
            return true;
    }
    return false;
}

static void keep(cJSON *ids, int64_t id)
{
    if (!id_is_in(ids, id))
        cJSON_AddItemToArray(ids, iceberg_json_new_int(id));
}

/* What refs name; of other branches than main the ancestors, too. */
static cJSON *refs_keep(const cJSON *metadata)
{
    cJSON *ids = cJSON_CreateArray();
    const cJSON *ref;
    int64_t id;
    if (iceberg_json_int(metadata, "current-snapshot-id", &id))
        keep(ids, id);
    cJSON_ArrayForEach(ref, pl_doc_get(metadata, "refs"))
    {
        const char *type = pl_doc_str(ref, "type");
        bool ancestors = strcmp(ref->string, "main") != 0 && !(type && strcmp(type, "tag") == 0);
        struct iceberg_snapshot s;
        if (!iceberg_json_int(ref, "snapshot-id", &id))
            continue;
        keep(ids, id);
        int left = cJSON_GetArraySize(pl_doc_get(metadata, "snapshots"));
        for (bool there = ancestors && iceberg_snapshot_find(metadata, id, &s); there && left > 0;
             left--) {
            keep(ids, s.id);
            there = iceberg_snapshot_find(metadata, s.parent_id, &s);
        }
    }
    return ids;
}

cJSON *iceberg_snapshots_expired(const cJSON *metadata, int64_t before_ms)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *kept = refs_keep(metadata);
    cJSON *expired = cJSON_CreateArray();
    const cJSON *s;
    int64_t id, at;
    cJSON_ArrayForEach(s, pl_doc_get(metadata, "snapshots"))
    {
        if (iceberg_json_int(s, "snapshot-id", &id) && iceberg_json_int(s, "timestamp-ms", &at) &&
            at < before_ms && !id_is_in(kept, id))
            cJSON_AddItemToArray(expired, iceberg_json_new_int(id));
    }
    return expired;
}

/* ---- by size ---- */

static uint64_t snapshot_bytes(const cJSON *snapshot)
{
    const char *offsets = pl_doc_str(pl_doc_get(snapshot, "summary"), ICEBERG_OFFSETS_KEY);
    return SNAPSHOT_BYTES + (offsets ? strlen(offsets) : 0);
}

static uint64_t history_bytes(const cJSON *metadata)
{
    const cJSON *s;
    uint64_t bytes = 0;
    cJSON_ArrayForEach(s, pl_doc_get(metadata, "snapshots")) bytes += snapshot_bytes(s);
    return bytes;
}

cJSON *iceberg_history_surplus(const cJSON *metadata)
{
    uint64_t bytes = history_bytes(metadata);
    if (bytes <= ICEBERG_HISTORY_MAX)
        return NULL;
    PL_CLEANUP(cJSON_Deletep) cJSON *kept = refs_keep(metadata);
    cJSON *surplus = cJSON_CreateArray();
    const cJSON *s;
    int64_t id;
    cJSON_ArrayForEach(s, pl_doc_get(metadata, "snapshots"))
    {
        if (bytes <= ICEBERG_HISTORY_LEFT)
            break;
        if (!iceberg_json_int(s, "snapshot-id", &id) || id_is_in(kept, id))
            continue;
        cJSON_AddItemToArray(surplus, iceberg_json_new_int(id));
        bytes -= snapshot_bytes(s);
    }
    if (cJSON_GetArraySize(surplus) > 0)
        return surplus;
    cJSON_Delete(surplus);
    return NULL;
}
