/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.c - manifests: data files as Avro records. Lists are in manifest_list.c.
 */
#include "daemons/chsinkd/iceberg/format/manifest.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/iceberg/format/json.h"

#define STATUS_ADDED   1
#define STATUS_DELETED 2
#define MANIFEST_MAX   (256u << 20) /* of records */

void iceberg_data_file_release(struct iceberg_data_file *f, const struct iceberg_layout *l)
{
    for (unsigned i = 0; i < l->partition_n; i++)
        free(f->partition[i].text);
    free(f->bounds);
    free(f->location);
    *f = (struct iceberg_data_file){0};
}

/* ---- the schema ---- */

/* An Avro name: other characters are written as "_x2D", as Iceberg's own writer does. */
static void avro_name_add(const char *name, struct pl_buf *out)
{
    for (const char *p = name; *p != '\0'; p++) {
        bool digit = *p >= '0' && *p <= '9';
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_';
        if (digit && p == name)
            pl_buf_add_byte(out, '_');
        if (digit || letter)
            pl_buf_add_byte(out, *p);
        else
            pl_buf_addf(out, "_x%02X", (unsigned char)*p);
    }
}

static const char *avro_type(enum iceberg_type t)
{
    switch (t) {
    case ICEBERG_BOOLEAN:
        return "\"boolean\"";
    case ICEBERG_INT:
        return "\"int\"";
    case ICEBERG_LONG:
        return "\"long\"";
    case ICEBERG_DATE:
        return "{\"type\":\"int\",\"logicalType\":\"date\"}";
    case ICEBERG_TIMESTAMP:
        return "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\",\"adjust-to-utc\":false}";
    case ICEBERG_TIMESTAMPTZ:
        return "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\",\"adjust-to-utc\":true}";
    case ICEBERG_STRING:
        return "\"string\"";
    case ICEBERG_FLOAT:
    case ICEBERG_DOUBLE:
    case ICEBERG_DECIMAL:
    case ICEBERG_UUID:
        break; /* see iceberg_type_has_value() */
    }
    return "\"null\"";
}

static void partition_schema_add(const struct iceberg_layout *l, struct pl_buf *out)
{
    for (unsigned i = 0; i < l->partition_n; i++) {
        const struct iceberg_partition_field *p = &l->partition[i];
        pl_buf_add_str(out, i > 0 ? ",{\"name\":\"" : "{\"name\":\"");
        avro_name_add(p->name, out);
        pl_buf_addf(out, "\",\"type\":[\"null\",%s],\"default\":null,\"field-id\":%" PRId64 "}",
                    avro_type(p->type), p->id);
    }
}

/* A map with int keys: Avro's have texts, so Iceberg writes an array of pairs. */
static void map_schema_add(const char *name, int id, int key_id, int value_id, const char *value,
                           struct pl_buf *out)
{
    pl_buf_addf(out,
                ",{\"name\":\"%s\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":"
                "\"record\",\"name\":\"k%d_v%d\",\"fields\":[{\"name\":\"key\",\"type\":\"int\","
                "\"field-id\":%d},{\"name\":\"value\",\"type\":\"%s\",\"field-id\":%d}]},"
                "\"logicalType\":\"map\"}],\"default\":null,\"field-id\":%d}",
                name, key_id, value_id, key_id, value, value_id, id);
}

static void manifest_schema_add(const struct iceberg_layout *l, struct pl_buf *out)
{
    pl_buf_add_str(
        out,
        "{\"type\":\"record\",\"name\":\"manifest_entry\",\"fields\":["
        "{\"name\":\"status\",\"type\":\"int\",\"field-id\":0},"
        "{\"name\":\"snapshot_id\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":1},"
        "{\"name\":\"sequence_number\",\"type\":[\"null\",\"long\"],\"default\":null,"
        "\"field-id\":3},"
        "{\"name\":\"file_sequence_number\",\"type\":[\"null\",\"long\"],\"default\":null,"
        "\"field-id\":4},"
        "{\"name\":\"data_file\",\"type\":{\"type\":\"record\",\"name\":\"r2\",\"fields\":["
        "{\"name\":\"content\",\"type\":\"int\",\"field-id\":134},"
        "{\"name\":\"file_path\",\"type\":\"string\",\"field-id\":100},"
        "{\"name\":\"file_format\",\"type\":\"string\",\"field-id\":101},"
        "{\"name\":\"partition\",\"type\":{\"type\":\"record\",\"name\":\"r102\",\"fields\":[");
    partition_schema_add(l, out);
    pl_buf_add_str(out, "]},\"field-id\":102},"
                        "{\"name\":\"record_count\",\"type\":\"long\",\"field-id\":103},"
                        "{\"name\":\"file_size_in_bytes\",\"type\":\"long\",\"field-id\":104}");
    map_schema_add("null_value_counts", 110, 121, 122, "long", out);
    map_schema_add("lower_bounds", 125, 126, 127, "bytes", out);
    map_schema_add("upper_bounds", 128, 129, 130, "bytes", out);
    pl_buf_add_str(out, "]},\"field-id\":2}]}");
}

/* ---- an entry ---- */

static void partition_value_put(const struct iceberg_value *v, enum iceberg_type t,
                                struct pl_buf *out)
{
    if (v->null) {
        avro_put_null(out);
        return;
    }
    avro_put_some(out);
    if (t == ICEBERG_STRING)
        avro_put_bytes(out, v->text, v->text_len);
    else if (t == ICEBERG_BOOLEAN)
        avro_put_bool(out, v->number != 0);
    else
        avro_put_long(out, v->number);
}

static void null_counts_put(const struct iceberg_data_file *f, const struct iceberg_layout *l,
                            struct pl_buf *out)
{
    avro_put_some(out);
    avro_put_long(out, l->fields_n);
    for (unsigned i = 0; i < l->fields_n; i++) {
        avro_put_long(out, l->fields[i].id);
        avro_put_long(out, f->bounds[i].nulls);
    }
    avro_put_long(out, 0);
}

static void bounds_put(const struct iceberg_data_file *f, const struct iceberg_layout *l,
                       bool upper, struct pl_buf *out)
{
    unsigned n = 0;
    for (unsigned i = 0; i < l->fields_n; i++)
        n += f->bounds[i].known;
    avro_put_some(out);
    if (n > 0)
        avro_put_long(out, n);
    for (unsigned i = 0; i < l->fields_n; i++) {
        const struct iceberg_bounds *b = &f->bounds[i];
        if (!b->known)
            continue;
        struct pl_buf bytes = {0};
        const struct iceberg_value v = {.number = upper ? b->max : b->min};
        iceberg_value_bytes(&v, l->fields[i].type, &bytes);
        avro_put_long(out, l->fields[i].id);
        avro_put_bytes(out, bytes.data, bytes.len);
        pl_buf_release(&bytes);
    }
    avro_put_long(out, 0);
}

static void entry_put(const struct iceberg_data_file *f, const struct iceberg_layout *l,
                      int64_t snapshot_id, struct pl_buf *out)
{
    avro_put_long(out, STATUS_ADDED);
    avro_put_some(out);
    avro_put_long(out, snapshot_id);
    avro_put_null(out); /* sequence numbers: inherited */
    avro_put_null(out);
    avro_put_long(out, 0); /* content: data */
    avro_put_string(out, f->location);
    avro_put_string(out, "PARQUET");
    for (unsigned i = 0; i < l->partition_n; i++)
        partition_value_put(&f->partition[i], l->partition[i].type, out);
    avro_put_long(out, (int64_t)f->rows);
    avro_put_long(out, (int64_t)f->size);
    null_counts_put(f, l, out);
    bounds_put(f, l, false, out);
    bounds_put(f, l, true, out);
}

static char *printed(const cJSON *document)
{
    struct pl_buf text = {0};
    iceberg_json_print(document, &text);
    return pl_buf_take(&text);
}

static const cJSON *with_id(const cJSON *metadata, const char *list, const char *id_name,
                            int64_t id)
{
    const cJSON *item;
    int64_t has;
    cJSON_ArrayForEach(item, pl_doc_get(metadata, list))
    {
        if (iceberg_json_int(item, id_name, &has) && has == id)
            return item;
    }
    return NULL;
}

void iceberg_manifest_write(const struct iceberg_data_file *files, unsigned n,
                            const struct iceberg_layout *l, const cJSON *metadata,
                            int64_t snapshot_id, const uint8_t sync[AVRO_SYNC_LEN],
                            struct pl_buf *out)
{
    const cJSON *schema = with_id(metadata, "schemas", "schema-id", l->schema_id);
    const cJSON *spec = with_id(metadata, "partition-specs", "spec-id", l->spec_id);
    PL_FREE char *schema_text = printed(schema);
    PL_FREE char *spec_text = printed(pl_doc_get(spec, "fields"));
    char schema_id[24], spec_id[24];
    snprintf(schema_id, sizeof(schema_id), "%" PRId64, l->schema_id);
    snprintf(spec_id, sizeof(spec_id), "%" PRId64, l->spec_id);
    const struct avro_meta meta[] = {
        {"schema", schema_text},        {"schema-id", schema_id}, {"partition-spec", spec_text},
        {"partition-spec-id", spec_id}, {"format-version", "2"},  {"content", "data"},
    };
    struct pl_buf avro_schema = {0}, records = {0};
    manifest_schema_add(l, &avro_schema);
    for (unsigned i = 0; i < n; i++)
        entry_put(&files[i], l, snapshot_id, &records);
    struct avro_layout layout = {.schema = pl_buf_cstr(&avro_schema),
                                 .meta = meta,
                                 .meta_n = PL_COUNT(meta),
                                 .deflate = true};
    memcpy(layout.sync, sync, AVRO_SYNC_LEN);
    avro_write(&layout, n, (struct pl_slice){records.data, records.len}, out);
    pl_buf_release(&avro_schema);
    pl_buf_release(&records);
}

/* ---- reading ---- */

struct entry {
    int64_t status;
    struct pl_slice location;
};

static void data_file_field(void *userdata, struct avro_in *in, int64_t id, const cJSON *type)
{
    struct entry *e = userdata;
    if (id == 100 && avro_is_bytes(type))
        e->location = avro_get_bytes(in);
    else
        avro_skip(in, type);
}

static void entry_field(void *userdata, struct avro_in *in, int64_t id, const cJSON *type)
{
    struct entry *e = userdata;
    if (id == 0 && avro_is_long(type))
        e->status = avro_get_long(in);
    else if (id == 2)
        avro_get_record(in, type, data_file_field, e);
    else
        avro_skip(in, type);
}

int iceberg_manifest_files(struct pl_slice manifest,
                           void (*each)(void *userdata, struct pl_slice location), void *userdata,
                           struct pl_err *err)
{
    struct avro_file f = {0};
    if (avro_read(manifest, MANIFEST_MAX, &f, err) < 0)
        return -1;
    const char *data = pl_buf_cstr(&f.data); /* without a byte it is not NULL, either */
    struct avro_in in = {data, data + f.data.len, false};
    for (uint64_t i = 0; i < f.count && !in.broken; i++) {
        struct entry e = {.status = -1};
        avro_get_record(&in, f.schema, entry_field, &e);
        if (e.status < 0 || e.location.len == 0)
            in.broken = true;
        else if (!in.broken && e.status != STATUS_DELETED)
            each(userdata, e.location);
    }
    bool broken = in.broken;
    avro_file_release(&f);
    return broken ? pl_err_set(err, PL_ERR_REJECT, 0, "a manifest with entries that are no files")
                  : 0;
}
