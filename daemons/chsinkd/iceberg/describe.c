/* SPDX-License-Identifier: Apache-2.0 */
/*
 * describe.c - see describe.h.
 */
#include "daemons/chsinkd/iceberg/describe.h"

#include <stdio.h>

#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/format/positions.h"

/* ---- columns ---- */

static const struct column *route_column(const struct route *r, const char *name)
{
    for (unsigned i = 0; i < r->columns_n; i++)
        if (r->columns[i].source != COLUMN_EXPRESSION && strcmp(r->columns[i].name, name) == 0)
            return &r->columns[i];
    return NULL;
}

static const char *wanted_type(const struct column *c, int uint64)
{
    enum iceberg_type type;
    struct pl_err err;
    return c && iceberg_type_of(c, uint64, &type, &err) == 0 ? iceberg_type_name(type) : NULL;
}

static void columns_tell(const cJSON *schema, const struct route *r, int uint64,
                         struct output_facts *f)
{
    const cJSON *field;
    cJSON_ArrayForEach(field, pl_doc_get(schema, "fields"))
    {
        const char *name = pl_doc_str(field, "name"), *type = pl_doc_str(field, "type");
        const struct column *c = name ? route_column(r, name) : NULL;
        bool differs =
            c && !iceberg_column_fits(c, uint64, type, cJSON_IsTrue(pl_doc_get(field, "required")));
        if (name)
            output_facts_column(f, name, type ? type : "nested", wanted_type(c, uint64), differs);
    }
    for (unsigned i = 0; i < r->columns_n; i++) {
        const struct column *c = &r->columns[i];
        bool there = false;
        cJSON_ArrayForEach(field, pl_doc_get(schema, "fields"))
        {
            const char *name = pl_doc_str(field, "name");
            there |= name && strcmp(name, c->name) == 0;
        }
        if (!there && c->source != COLUMN_EXPRESSION)
            output_facts_column(f, c->name, NULL, wanted_type(c, uint64), false);
    }
}

/* ---- loads: each snapshot of ours, against the offsets of the one before it ---- */

static int64_t summary_number(const cJSON *snapshot, const char *name)
{
    const char *text = pl_doc_str(pl_doc_get(snapshot, "summary"), name);
    return text ? strtoll(text, NULL, 10) : -1;
}

static cJSON *offsets_parse(const cJSON *snapshot)
{
    const char *text = pl_doc_str(pl_doc_get(snapshot, "summary"), ICEBERG_OFFSETS_KEY);
    cJSON *tree = NULL;
    struct pl_err err;
    return text && iceberg_json_parse(text, strlen(text), ICEBERG_OFFSETS_MAX, &tree, &err) == 0
               ? tree
               : NULL;
}

/* What has moved from one to the other: a commit moves one partition. */
static void move_find(const cJSON *before, const cJSON *after, struct output_load *load)
{
    const cJSON *group, *topic, *partition;
    int64_t was, is;
    cJSON_ArrayForEach(group, after) cJSON_ArrayForEach(topic, group)
        cJSON_ArrayForEach(partition, topic)
    {
        const cJSON *old = pl_doc_get(pl_doc_get(pl_doc_get(before, group->string), topic->string),
                                      partition->string);
        was = -1;
        iceberg_json_value_int(old, &was);
        if (!iceberg_json_value_int(partition, &is) || is == was)
            continue;
        load->topic = topic->string;
        load->partition = (int32_t)strtol(partition->string, NULL, 10);
        load->start = was;
        load->end = is;
    }
}

static void loads_tell(const cJSON *metadata, struct output_facts *f)
{
    struct iceberg_snapshot s;
    bool there = iceberg_snapshot_current(metadata, &s);
    int left = cJSON_GetArraySize(pl_doc_get(metadata, "snapshots"));
    cJSON *after = NULL;
    struct output_load load = {0};
    snprintf(f->loads_note, sizeof(f->loads_note), "from the snapshots that are left");
    for (; there && left > 0; left--) {
        cJSON *before = offsets_parse(s.json);
        if (before && after) {
            move_find(before, after, &load);
            if (!output_facts_load(f, &load)) {
                cJSON_Delete(before);
                break;
            }
        }
        if (before) {
            cJSON_Delete(after);
            after = before;
            load = (struct output_load){.partition = -1,
                                        .start = -1,
                                        .end = -1,
                                        .rows = summary_number(s.json, "added-records"),
                                        .at_ms = -1,
                                        .took_ms = summary_number(s.json, ICEBERG_TOOK_KEY)};
            iceberg_json_int(s.json, "timestamp-ms", &load.at_ms);
        }
        there = iceberg_snapshot_find(metadata, s.parent_id, &s);
    }
    if (after && !there) { /* the oldest one; before it nothing is known */
        move_find(NULL, after, &load);
        output_facts_load(f, &load);
    }
    cJSON_Delete(after);
}

/* ---- positions ---- */

static int places_tell(const cJSON *metadata, const char *group, struct output_facts *f,
                       struct pl_err *err)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *positions = NULL;
    const cJSON *topic, *partition;
    if (iceberg_positions_of(metadata, &positions, err) < 0)
        return -1;
    cJSON_ArrayForEach(topic, pl_doc_get(positions, group)) cJSON_ArrayForEach(partition, topic)
    {
        struct output_place_fact place = {topic->string,
                                          (int32_t)strtol(partition->string, NULL, 10), -1, -1};
        iceberg_json_value_int(cJSON_GetArrayItem(partition, 0), &place.next);
        output_facts_place(f, &place);
    }
    f->kept = true;
    return 0;
}

int iceberg_describe(const cJSON *metadata, const struct route *r, int uint64, const char *group,
                     struct output_facts *ret, struct pl_err *err)
{
    struct iceberg_snapshot s;
    bool some = iceberg_snapshot_current(metadata, &s);
    ret->exists = true;
    snprintf(ret->engine, sizeof(ret->engine), "Iceberg v2");
    ret->rows = some ? summary_number(s.json, "total-records") : 0;
    ret->bytes = some ? summary_number(s.json, "total-files-size") : 0;
    if (some && summary_number(s.json, "total-delete-files") > 0)
        snprintf(ret->note, sizeof(ret->note), "others have deleted rows, which count here");
    columns_tell(iceberg_schema_current(metadata), r, uint64, ret);
    loads_tell(metadata, ret);
    return places_tell(metadata, group, ret, err);
}
