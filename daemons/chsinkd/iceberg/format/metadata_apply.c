/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata_apply.c - the metadata document of a new table, and of a table after a commit; see
 * metadata.h.
 */
#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"

/* Spec: write.metadata.previous-versions-max. */
#define PREVIOUS_VERSIONS_DFLT 100

/* Names are compared with case: others' fields may differ in it. */
static void item_set(cJSON *object, const char *name, cJSON *item)
{
    if (cJSON_GetObjectItemCaseSensitive(object, name))
        cJSON_ReplaceItemInObjectCaseSensitive(object, name, item);
    else
        cJSON_AddItemToObject(object, name, item);
}

static void int_set(cJSON *object, const char *name, int64_t v)
{
    item_set(object, name, iceberg_json_new_int(v));
}

static cJSON *member(cJSON *object, const char *name, bool array)
{
    cJSON *there = cJSON_GetObjectItemCaseSensitive(object, name);
    if (there && !cJSON_IsNull(there))
        return there;
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    return array ? cJSON_AddArrayToObject(object, name) : cJSON_AddObjectToObject(object, name);
}

/* ---- a new table ---- */

static int64_t id_highest(const cJSON *array, const char *name, int64_t least)
{
    const cJSON *item;
    int64_t id;
    cJSON_ArrayForEach(item, array)
    {
        if (iceberg_json_int(item, name, &id) && id > least)
            least = id;
    }
    return least;
}

static void list_of(cJSON *m, const char *name, const cJSON *item)
{
    cJSON_AddItemToArray(cJSON_AddArrayToObject(m, name), cJSON_Duplicate(item, true));
}

cJSON *iceberg_metadata_new(const cJSON *request, const char *uuid, int64_t now_ms)
{
    const cJSON *schema = pl_doc_get(request, "schema");
    const cJSON *spec = pl_doc_get(request, "partition-spec");
    cJSON *m = cJSON_CreateObject();
    iceberg_json_add_int(m, "format-version", 2);
    cJSON_AddStringToObject(m, "table-uuid", uuid);
    cJSON_AddStringToObject(m, "location", pl_doc_str(request, "location"));
    iceberg_json_add_int(m, "last-sequence-number", 0);
    iceberg_json_add_int(m, "last-updated-ms", now_ms);
    iceberg_json_add_int(m, "last-column-id", id_highest(pl_doc_get(schema, "fields"), "id", 0));
    list_of(m, "schemas", schema);
    iceberg_json_add_int(m, "current-schema-id", 0);
    list_of(m, "partition-specs", spec);
    iceberg_json_add_int(m, "default-spec-id", 0);
    iceberg_json_add_int(m, "last-partition-id",
                         id_highest(pl_doc_get(spec, "fields"), "field-id", 999));
    list_of(m, "sort-orders", pl_doc_get(request, "write-order"));
    iceberg_json_add_int(m, "default-sort-order-id", 0);
    const cJSON *properties = pl_doc_get(request, "properties");
    cJSON_AddItemToObject(m, "properties",
                          properties ? cJSON_Duplicate(properties, true) : cJSON_CreateObject());
    cJSON_DeleteItemFromObject(cJSON_GetObjectItem(m, "properties"), "format-version");
    iceberg_json_add_int(m, "current-snapshot-id", -1);
    cJSON_AddObjectToObject(m, "refs");
    cJSON_AddArrayToObject(m, "snapshots");
    cJSON_AddArrayToObject(m, "snapshot-log");
    cJSON_AddArrayToObject(m, "metadata-log");
    return m;
}

/* ---- updates ---- */

static void add_snapshot(cJSON *m, const cJSON *update)
{
    const cJSON *snapshot = pl_doc_get(update, "snapshot");
    int64_t sequence = 0;
    cJSON_AddItemToArray(member(m, "snapshots", true), cJSON_Duplicate(snapshot, true));
    if (iceberg_json_int(snapshot, "sequence-number", &sequence))
        int_set(m, "last-sequence-number", sequence);
}

static void set_snapshot_ref(cJSON *m, const cJSON *update)
{
    const char *name = pl_doc_str(update, "ref-name");
    cJSON *ref = cJSON_Duplicate(update, true);
    cJSON_DeleteItemFromObject(ref, "action");
    cJSON_DeleteItemFromObject(ref, "ref-name");
    item_set(member(m, "refs", false), name, ref);
    if (strcmp(name, "main") != 0)
        return;
    struct iceberg_snapshot s;
    int64_t id = -1, at = 0;
    iceberg_json_int(update, "snapshot-id", &id);
    int_set(m, "current-snapshot-id", id);
    if (iceberg_snapshot_find(m, id, &s))
        iceberg_json_int(s.json, "timestamp-ms", &at);
    cJSON *entry = cJSON_CreateObject();
    iceberg_json_add_int(entry, "timestamp-ms", at);
    iceberg_json_add_int(entry, "snapshot-id", id);
    cJSON_AddItemToArray(member(m, "snapshot-log", true), entry);
}

static void set_properties(cJSON *m, const cJSON *update)
{
    cJSON *properties = member(m, "properties", false);
    const cJSON *p;
    cJSON_ArrayForEach(p, pl_doc_get(update, "updates"))
    {
        item_set(properties, p->string, cJSON_Duplicate(p, true));
    }
}

static void add_schema(cJSON *m, const cJSON *update)
{
    int64_t last = 0;
    cJSON_AddItemToArray(member(m, "schemas", true),
                         cJSON_Duplicate(pl_doc_get(update, "schema"), true));
    if (iceberg_json_int(update, "last-column-id", &last))
        int_set(m, "last-column-id", last);
}

/* -1: the one added last. */
static void set_current_schema(cJSON *m, const cJSON *update)
{
    int64_t id = 0;
    const cJSON *schemas = pl_doc_get(m, "schemas");
    iceberg_json_int(update, "schema-id", &id);
    if (id == -1)
        iceberg_json_int(cJSON_GetArrayItem(schemas, cJSON_GetArraySize(schemas) - 1), "schema-id",
                         &id);
    int_set(m, "current-schema-id", id);
}

static bool id_is_in(const cJSON *ids, const cJSON *object)
{
    const cJSON *item;
    int64_t id, has;
    cJSON_ArrayForEach(item, ids)
    {
        if (iceberg_json_value_int(item, &has) && iceberg_json_int(object, "snapshot-id", &id) &&
            has == id)
            return true;
    }
    return false;
}

static void items_remove(cJSON *array, const cJSON *ids)
{
    cJSON *next, *item = array ? array->child : NULL;
    for (; item; item = next) {
        next = item->next;
        if (id_is_in(ids, item))
            cJSON_Delete(cJSON_DetachItemViaPointer(array, item));
    }
}

/* Spec: the log has no entry before one whose snapshot is gone, so that it has no holes. */
static void snapshot_log_cut(cJSON *log, const cJSON *ids)
{
    int last = -1, i = 0;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, log)
    {
        if (id_is_in(ids, entry))
            last = i;
        i++;
    }
    for (; last >= 0; last--)
        cJSON_DeleteItemFromArray(log, 0);
}

static void remove_snapshots(cJSON *m, const cJSON *update)
{
    const cJSON *ids = pl_doc_get(update, "snapshot-ids");
    items_remove(member(m, "snapshots", true), ids);
    items_remove(cJSON_GetObjectItemCaseSensitive(m, "statistics"), ids);
    items_remove(cJSON_GetObjectItemCaseSensitive(m, "partition-statistics"), ids);
    snapshot_log_cut(member(m, "snapshot-log", true), ids);
}

static const struct {
    const char *action;
    void (*apply)(cJSON *m, const cJSON *update);
} actions[] = {
    {"add-snapshot", add_snapshot},
    {"set-snapshot-ref", set_snapshot_ref},
    {"set-properties", set_properties},
    {"add-schema", add_schema},
    {"set-current-schema", set_current_schema},
    {"remove-snapshots", remove_snapshots},
};

/* Where the document before is; the log is bounded. */
static void metadata_log_add(cJSON *m, const cJSON *base, const char *location)
{
    int64_t at = 0, most = PREVIOUS_VERSIONS_DFLT;
    iceberg_json_int(base, "last-updated-ms", &at);
    const char *wanted = iceberg_property(base, "write.metadata.previous-versions-max");
    if (wanted && atoi(wanted) > 0)
        most = atoi(wanted);
    cJSON *log = member(m, "metadata-log", true), *entry = cJSON_CreateObject();
    iceberg_json_add_int(entry, "timestamp-ms", at);
    cJSON_AddStringToObject(entry, "metadata-file", location);
    cJSON_AddItemToArray(log, entry);
    while (cJSON_GetArraySize(log) > most)
        cJSON_DeleteItemFromArray(log, 0);
}

int iceberg_metadata_apply(const cJSON *base, const char *location, const cJSON *updates,
                           int64_t now_ms, cJSON **ret, struct pl_err *err)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *m = cJSON_Duplicate(base, true);
    const cJSON *update;
    cJSON_ArrayForEach(update, updates)
    {
        const char *action = pl_doc_str(update, "action");
        unsigned i = 0;
        while (i < PL_COUNT(actions) && strcmp(actions[i].action, action) != 0)
            i++;
        if (i == PL_COUNT(actions))
            return pl_err_set(err, PL_ERR_FATAL, 0, "an update %s is not known here", action);
        actions[i].apply(m, update);
    }
    int64_t before = 0;
    iceberg_json_int(base, "last-updated-ms", &before);
    int_set(m, "last-updated-ms", now_ms > before ? now_ms : before);
    metadata_log_add(m, base, location);
    *ret = PL_TAKE(m);
    return 0;
}
