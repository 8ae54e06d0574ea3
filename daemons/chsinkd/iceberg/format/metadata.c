/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata.c - reading a metadata document, and what a commit asks and changes; the document after
 * it is metadata_apply.c's.
 */
#include "daemons/chsinkd/iceberg/format/metadata.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/iceberg/format/history.h"
#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/positions.h"

#define MAIN "main"

/* Which of two members of one name counts is each reader's own matter. */
static bool names_are_unique(const cJSON *metadata)
{
    const cJSON *a;
    cJSON_ArrayForEach(a, metadata)
    {
        if (cJSON_GetObjectItemCaseSensitive(metadata, a->string) != a)
            return false;
    }
    return true;
}

/* What a commit adds to: an object or array, or not there. */
static bool members_are_whole(const cJSON *metadata)
{
    static const struct {
        const char *name;
        bool array;
    } members[] = {
        {"properties", false}, {"refs", false},        {"snapshots", true},
        {"schemas", true},     {"snapshot-log", true}, {"metadata-log", true},
    };
    for (unsigned i = 0; i < PL_COUNT(members); i++) {
        const cJSON *m = pl_doc_get(metadata, members[i].name);
        if (m && !cJSON_IsNull(m) && !(members[i].array ? cJSON_IsArray(m) : cJSON_IsObject(m)))
            return false;
    }
    return true;
}

int iceberg_metadata_check(const cJSON *metadata, struct pl_err *err)
{
    int64_t version = 0;
    iceberg_json_int(metadata, "format-version", &version);
    if (version == 1)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "it has format version 1, chsinkd writes version 2: upgrade it (set its "
                          "property format-version to 2)");
    if (version != 2)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "it has format version %" PRId64 ", chsinkd writes version 2 only: write "
                          "into another table",
                          version);
    if (!pl_doc_str(metadata, "table-uuid") || !pl_doc_str(metadata, "location"))
        return pl_err_set(err, PL_ERR_CONFIG, 0, "its metadata has no table-uuid or location");
    if (!names_are_unique(metadata) || !members_are_whole(metadata))
        return pl_err_set(err, PL_ERR_CONFIG, 0, "its metadata is damaged");
    return 0;
}

bool iceberg_snapshot_find(const cJSON *metadata, int64_t id, struct iceberg_snapshot *ret)
{
    const cJSON *s;
    int64_t has;
    cJSON_ArrayForEach(s, pl_doc_get(metadata, "snapshots"))
    {
        if (!iceberg_json_int(s, "snapshot-id", &has) || has != id)
            continue;
        *ret = (struct iceberg_snapshot){s, id, -1, pl_doc_str(s, "manifest-list")};
        iceberg_json_int(s, "parent-snapshot-id", &ret->parent_id);
        return true;
    }
    return false;
}

bool iceberg_snapshot_current(const cJSON *metadata, struct iceberg_snapshot *ret)
{
    int64_t id; /* absent, null or -1: none */
    return iceberg_json_int(metadata, "current-snapshot-id", &id) && id >= 0 &&
           iceberg_snapshot_find(metadata, id, ret);
}

const char *iceberg_property(const cJSON *metadata, const char *name)
{
    return pl_doc_str(pl_doc_get(metadata, "properties"), name);
}

int64_t iceberg_sequence_next(const cJSON *metadata)
{
    int64_t last = 0;
    iceberg_json_int(metadata, "last-sequence-number", &last);
    return last + 1;
}

/* ---- a commit ---- */

static cJSON *object_add(cJSON *array, const char *key, const char *value)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, key, value);
    cJSON_AddItemToArray(array, o);
    return o;
}

void iceberg_change_init(struct iceberg_change *c, const cJSON *metadata)
{
    c->requirements = cJSON_CreateArray();
    c->updates = cJSON_CreateArray();
    cJSON *r = object_add(c->requirements, "type", "assert-table-uuid");
    cJSON_AddStringToObject(r, "uuid", pl_doc_str(metadata, "table-uuid"));
}

void iceberg_change_release(struct iceberg_change *c)
{
    cJSON_Delete(c->requirements);
    cJSON_Delete(c->updates);
    *c = (struct iceberg_change){0};
}

static void number_text_add(cJSON *summary, const char *name, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, v);
    cJSON_AddStringToObject(summary, name, text);
}

/* A total is the one before and what is added; where the one before is not known, neither is it. */
static void total_add(cJSON *summary, const struct iceberg_snapshot *before, const char *name,
                      uint64_t added)
{
    const char *text = before ? pl_doc_str(pl_doc_get(before->json, "summary"), name) : "0";
    char *end;
    if (!text || *text == '\0')
        return;
    uint64_t total = strtoull(text, &end, 10);
    if (*end == '\0')
        number_text_add(summary, name, total + added);
}

static bool value_equal(const struct iceberg_value *a, const struct iceberg_value *b)
{
    if (a->null || b->null)
        return a->null == b->null;
    return a->number == b->number && a->text_len == b->text_len &&
           (a->text_len == 0 || memcmp(a->text, b->text, a->text_len) == 0);
}

static bool same_partition(const struct iceberg_data_file *a, const struct iceberg_data_file *b,
                           unsigned fields_n)
{
    for (unsigned i = 0; i < fields_n; i++)
        if (!value_equal(&a->partition[i], &b->partition[i]))
            return false;
    return true;
}

static unsigned partitions_count(const struct iceberg_append *a)
{
    unsigned n = 0;
    for (unsigned i = 0; i < a->files_n; i++) {
        unsigned k = 0;
        while (k < i && !same_partition(&a->files[k], &a->files[i], a->layout->partition_n))
            k++;
        n += k == i;
    }
    return n;
}

static cJSON *summary_of(const struct iceberg_append *a, const struct iceberg_snapshot *before)
{
    uint64_t rows = 0, bytes = 0;
    for (unsigned i = 0; i < a->files_n; i++) {
        rows += a->files[i].rows;
        bytes += a->files[i].size;
    }
    cJSON *s = cJSON_CreateObject();
    cJSON_AddStringToObject(s, "operation", "append");
    number_text_add(s, "added-data-files", a->files_n);
    number_text_add(s, "added-records", rows);
    number_text_add(s, "added-files-size", bytes);
    number_text_add(s, "changed-partition-count", partitions_count(a));
    total_add(s, before, "total-data-files", a->files_n);
    total_add(s, before, "total-records", rows);
    total_add(s, before, "total-files-size", bytes);
    total_add(s, before, "total-delete-files", 0);
    total_add(s, before, "total-position-deletes", 0);
    total_add(s, before, "total-equality-deletes", 0);
    PL_FREE char *offsets = iceberg_positions_offsets(a->positions);
    cJSON_AddStringToObject(s, ICEBERG_OFFSETS_KEY, offsets);
    number_text_add(s, ICEBERG_TOOK_KEY, (uint64_t)a->took_ms);
    return s;
}

/* The branch main as it is (how long its snapshots are kept), at the new snapshot. */
static void ref_update_add(struct iceberg_change *c, const cJSON *metadata, int64_t snapshot_id)
{
    static const char *const kept[] = {"min-snapshots-to-keep", "max-snapshot-age-ms",
                                       "max-ref-age-ms"};
    const cJSON *main_ref = pl_doc_get(pl_doc_get(metadata, "refs"), MAIN);
    cJSON *u = object_add(c->updates, "action", "set-snapshot-ref");
    cJSON_AddStringToObject(u, "ref-name", MAIN);
    cJSON_AddStringToObject(u, "type", "branch");
    iceberg_json_add_int(u, "snapshot-id", snapshot_id);
    for (unsigned i = 0; i < PL_COUNT(kept); i++) {
        const cJSON *v = pl_doc_get(main_ref, kept[i]);
        if (v && !cJSON_IsNull(v))
            cJSON_AddItemToObject(u, kept[i], cJSON_Duplicate(v, true));
    }
}

static void main_require(struct iceberg_change *c, const cJSON *metadata)
{
    struct iceberg_snapshot s;
    cJSON *r = object_add(c->requirements, "type", "assert-ref-snapshot-id");
    cJSON_AddStringToObject(r, "ref", MAIN);
    if (iceberg_snapshot_current(metadata, &s))
        iceberg_json_add_int(r, "snapshot-id", s.id);
    else
        cJSON_AddNullToObject(r, "snapshot-id");
}

static void snapshots_remove(struct iceberg_change *c, cJSON *ids)
{
    cJSON *u = object_add(c->updates, "action", "remove-snapshots");
    cJSON_AddItemToObject(u, "snapshot-ids", ids);
}

void iceberg_change_expire(struct iceberg_change *c, const cJSON *metadata, cJSON *ids)
{
    main_require(c, metadata);
    snapshots_remove(c, ids);
}

void iceberg_change_append(struct iceberg_change *c, const cJSON *metadata,
                           const struct iceberg_append *append)
{
    struct iceberg_snapshot before;
    bool some = iceberg_snapshot_current(metadata, &before);
    int64_t updated_ms = 0, schema_id = 0;
    iceberg_json_int(metadata, "last-updated-ms", &updated_ms);
    iceberg_json_int(metadata, "current-schema-id", &schema_id);

    main_require(c, metadata);
    /* A change of columns or partitions makes no snapshot, and the files are of these. */
    cJSON *r = object_add(c->requirements, "type", "assert-current-schema-id");
    iceberg_json_add_int(r, "current-schema-id", append->layout->schema_id);
    r = object_add(c->requirements, "type", "assert-default-spec-id");
    iceberg_json_add_int(r, "default-spec-id", append->layout->spec_id);
    cJSON *u = object_add(c->updates, "action", "add-snapshot");
    cJSON *s = cJSON_AddObjectToObject(u, "snapshot");
    iceberg_json_add_int(s, "snapshot-id", append->snapshot_id);
    if (some)
        iceberg_json_add_int(s, "parent-snapshot-id", before.id);
    iceberg_json_add_int(s, "sequence-number", iceberg_sequence_next(metadata));
    /* Times of a table never go back, whatever this machine's clock does. */
    iceberg_json_add_int(s, "timestamp-ms",
                         append->now_ms > updated_ms ? append->now_ms : updated_ms);
    cJSON_AddStringToObject(s, "manifest-list", append->manifest_list);
    cJSON_AddItemToObject(s, "summary", summary_of(append, some ? &before : NULL));
    iceberg_json_add_int(s, "schema-id", schema_id);

    ref_update_add(c, metadata, append->snapshot_id);
    cJSON *surplus = iceberg_history_surplus(metadata);
    if (surplus)
        snapshots_remove(c, surplus);
    u = object_add(c->updates, "action", "set-properties");
    PL_FREE char *positions = iceberg_positions_text(append->positions);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(u, "updates"), ICEBERG_POSITIONS_KEY,
                            positions);
}

void iceberg_change_schema(struct iceberg_change *c, const cJSON *metadata, cJSON *schema,
                           int64_t last_column_id)
{
    int64_t current = 0, assigned = 0;
    iceberg_json_int(metadata, "current-schema-id", &current);
    iceberg_json_int(metadata, "last-column-id", &assigned);
    cJSON *r = object_add(c->requirements, "type", "assert-current-schema-id");
    iceberg_json_add_int(r, "current-schema-id", current);
    r = object_add(c->requirements, "type", "assert-last-assigned-field-id");
    iceberg_json_add_int(r, "last-assigned-field-id", assigned);

    int64_t highest = 0, id;
    const cJSON *s;
    cJSON_ArrayForEach(s, pl_doc_get(metadata, "schemas"))
    {
        if (iceberg_json_int(s, "schema-id", &id) && id > highest)
            highest = id;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(schema, "schema-id");
    iceberg_json_add_int(schema, "schema-id", highest + 1);
    cJSON *u = object_add(c->updates, "action", "add-schema");
    cJSON_AddItemToObject(u, "schema", schema);
    iceberg_json_add_int(u, "last-column-id", last_column_id);
    u = object_add(c->updates, "action", "set-current-schema");
    iceberg_json_add_int(u, "schema-id", -1); /* the one just added */
}
