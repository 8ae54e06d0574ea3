/* SPDX-License-Identifier: Apache-2.0 */
/*
 * positions.c - see positions.h.
 */
#include "daemons/chsinkd/iceberg/format/positions.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"

/* ---- the tree ---- */

static const cJSON *entry_find(const cJSON *positions, const char *group, const char *topic,
                               const char *partition)
{
    return pl_doc_get(pl_doc_get(pl_doc_get(positions, group), topic), partition);
}

static int64_t entry_offset(const cJSON *entry)
{
    int64_t offset;
    return iceberg_json_value_int(cJSON_GetArrayItem(entry, 0), &offset) ? offset : -1;
}

static const char *entry_note(const cJSON *entry)
{
    const char *note = cJSON_GetStringValue(cJSON_GetArrayItem(entry, 1));
    return note ? note : "";
}

int64_t iceberg_position_get(const cJSON *positions, const char *group, const char *topic,
                             int32_t partition, const char **ret_note)
{
    char number[16];
    snprintf(number, sizeof(number), "%" PRId32, partition);
    const cJSON *entry = entry_find(positions, group, topic, number);
    if (ret_note)
        *ret_note = entry_note(entry);
    return entry_offset(entry);
}

static cJSON *object_in(cJSON *object, const char *name)
{
    cJSON *there = cJSON_GetObjectItemCaseSensitive(object, name);
    return there ? there : cJSON_AddObjectToObject(object, name);
}

static void entry_set(cJSON *positions, const char *group, const char *topic, const char *partition,
                      int64_t offset, const char *note)
{
    cJSON *partitions = object_in(object_in(positions, group), topic);
    cJSON_DeleteItemFromObjectCaseSensitive(partitions, partition);
    cJSON *entry = cJSON_AddArrayToObject(partitions, partition);
    cJSON_AddItemToArray(entry, iceberg_json_new_int(offset));
    cJSON_AddItemToArray(entry, cJSON_CreateString(note));
}

void iceberg_position_set(cJSON *positions, const char *group, const char *topic, int32_t partition,
                          int64_t offset, const char *note)
{
    char number[16];
    snprintf(number, sizeof(number), "%" PRId32, partition);
    entry_set(positions, group, topic, number, offset, note ? note : "");
}

/* ---- walking ---- */

typedef bool leaf_fn(void *userdata, const char *group, const char *topic, const char *partition,
                     const cJSON *leaf);

/* A name that is there twice would be two positions. */
static bool is_first(const cJSON *object, const cJSON *member)
{
    return cJSON_GetObjectItemCaseSensitive(object, member->string) == member;
}

/* false: a level is no object or has a name twice, or `leaf` says so. */
static bool leaves_walk(const cJSON *tree, leaf_fn *leaf, void *userdata)
{
    const cJSON *group, *topic, *partition;
    if (!cJSON_IsObject(tree))
        return false;
    cJSON_ArrayForEach(group, tree)
    {
        if (!cJSON_IsObject(group) || !is_first(tree, group))
            return false;
        cJSON_ArrayForEach(topic, group)
        {
            if (!cJSON_IsObject(topic) || !is_first(group, topic))
                return false;
            cJSON_ArrayForEach(partition, topic)
            {
                if (!is_first(topic, partition) ||
                    !leaf(userdata, group->string, topic->string, partition->string, partition))
                    return false;
            }
        }
    }
    return true;
}

static bool leaf_is_position(void *userdata, const char *group, const char *topic,
                             const char *partition, const cJSON *leaf)
{
    (void)userdata, (void)group, (void)topic, (void)partition;
    return cJSON_IsArray(leaf) && cJSON_GetArraySize(leaf) == 2 && entry_offset(leaf) >= 0 &&
           cJSON_IsString(cJSON_GetArrayItem(leaf, 1));
}

static bool offsets_add(void *userdata, const char *group, const char *topic, const char *partition,
                        const cJSON *leaf)
{
    cJSON *offsets = userdata;
    iceberg_json_add_int(object_in(object_in(offsets, group), topic), partition,
                         entry_offset(leaf));
    return true;
}

static char *text_of(const cJSON *tree)
{
    struct pl_buf text = {0};
    iceberg_json_print(tree, &text);
    return pl_buf_take(&text);
}

char *iceberg_positions_offsets(const cJSON *positions)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *offsets = cJSON_CreateObject();
    leaves_walk(positions, offsets_add, offsets);
    return text_of(offsets);
}

char *iceberg_positions_text(const cJSON *positions)
{
    return text_of(positions);
}

/* ---- from the table ---- */

static int tree_parse(const char *text, const char *name, cJSON **ret, struct pl_err *err)
{
    if (iceberg_json_parse(text, strlen(text), ICEBERG_OFFSETS_MAX, ret, err) == 0)
        return 0;
    err->kind = PL_ERR_CONFIG;
    return pl_err_prefix(err, "the positions that the table keeps (%s) are damaged", name);
}

struct merge {
    cJSON *out;
    const cJSON *property;
};

/* The offset is the snapshot's; the property has its note, if it is of the same offset. */
static bool merge_leaf(void *userdata, const char *group, const char *topic, const char *partition,
                       const cJSON *leaf)
{
    struct merge *m = userdata;
    int64_t offset;
    if (!iceberg_json_value_int(leaf, &offset) || offset < 0)
        return false;
    const cJSON *entry = entry_find(m->property, group, topic, partition);
    entry_set(m->out, group, topic, partition, offset,
              entry_offset(entry) == offset ? entry_note(entry) : "");
    return true;
}

/* The newest ancestor's offsets; NULL: none has them. The walk is bounded: a damaged table could
 * name an ancestor twice. */
static const char *offsets_find(const cJSON *metadata)
{
    struct iceberg_snapshot s;
    bool there = iceberg_snapshot_current(metadata, &s);
    for (int left = cJSON_GetArraySize(pl_doc_get(metadata, "snapshots")); there && left > 0;
         left--) {
        const char *text = pl_doc_str(pl_doc_get(s.json, "summary"), ICEBERG_OFFSETS_KEY);
        if (text)
            return text;
        there = iceberg_snapshot_find(metadata, s.parent_id, &s);
    }
    return NULL;
}

int iceberg_positions_of(const cJSON *metadata, cJSON **ret, struct pl_err *err)
{
    const char *kept = pl_doc_str(pl_doc_get(metadata, "properties"), ICEBERG_POSITIONS_KEY);
    const char *offsets = offsets_find(metadata);
    PL_CLEANUP(cJSON_Deletep) cJSON *property = NULL, *summary = NULL, *out = cJSON_CreateObject();
    if (kept && tree_parse(kept, ICEBERG_POSITIONS_KEY, &property, err) < 0)
        return -1;
    if (property && !leaves_walk(property, leaf_is_position, NULL))
        return pl_err_set(err, PL_ERR_CONFIG, 0, "the table's property %s is damaged",
                          ICEBERG_POSITIONS_KEY);
    if (!offsets) {
        *ret = property ? PL_TAKE(property) : PL_TAKE(out);
        return 0;
    }
    struct merge m = {out, property};
    if (tree_parse(offsets, ICEBERG_OFFSETS_KEY, &summary, err) < 0)
        return -1;
    if (!leaves_walk(summary, merge_leaf, &m))
        return pl_err_set(err, PL_ERR_CONFIG, 0, "%s in a snapshot's summary is damaged",
                          ICEBERG_OFFSETS_KEY);
    *ret = PL_TAKE(out);
    return 0;
}
