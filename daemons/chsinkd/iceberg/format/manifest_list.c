/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest_list.c - manifest lists, read from any writer and written anew; see manifest.h.
 */
#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/manifest.h"

#define LIST_MAX (256u << 20) /* of records */

static const char list_schema[] =
    "{\"type\":\"record\",\"name\":\"manifest_file\",\"fields\":["
    "{\"name\":\"manifest_path\",\"type\":\"string\",\"field-id\":500},"
    "{\"name\":\"manifest_length\",\"type\":\"long\",\"field-id\":501},"
    "{\"name\":\"partition_spec_id\",\"type\":\"int\",\"field-id\":502},"
    "{\"name\":\"content\",\"type\":\"int\",\"field-id\":517},"
    "{\"name\":\"sequence_number\",\"type\":\"long\",\"field-id\":515},"
    "{\"name\":\"min_sequence_number\",\"type\":\"long\",\"field-id\":516},"
    "{\"name\":\"added_snapshot_id\",\"type\":\"long\",\"field-id\":503},"
    "{\"name\":\"added_files_count\",\"type\":\"int\",\"field-id\":504},"
    "{\"name\":\"existing_files_count\",\"type\":\"int\",\"field-id\":505},"
    "{\"name\":\"deleted_files_count\",\"type\":\"int\",\"field-id\":506},"
    "{\"name\":\"added_rows_count\",\"type\":\"long\",\"field-id\":512},"
    "{\"name\":\"existing_rows_count\",\"type\":\"long\",\"field-id\":513},"
    "{\"name\":\"deleted_rows_count\",\"type\":\"long\",\"field-id\":514},"
    "{\"name\":\"partitions\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":"
    "\"record\",\"name\":\"r508\",\"fields\":["
    "{\"name\":\"contains_null\",\"type\":\"boolean\",\"field-id\":509},"
    "{\"name\":\"contains_nan\",\"type\":[\"null\",\"boolean\"],\"default\":null,\"field-id\":518},"
    "{\"name\":\"lower_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":510},"
    "{\"name\":\"upper_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":511}"
    "]},\"element-id\":508}],\"default\":null,\"field-id\":507},"
    "{\"name\":\"key_metadata\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":519}"
    "]}";

void iceberg_manifest_list_release(struct iceberg_manifest_list *l)
{
    for (unsigned i = 0; i < l->n; i++)
        free(l->v[i].partitions);
    free(l->v);
    avro_file_release(&l->file);
    pl_buf_release(&l->bounds);
    *l = (struct iceberg_manifest_list){0};
}

/* ---- reading ---- */

/* Where a field of that id goes; NULL: it is no number of ours. */
static int64_t *number_of(struct iceberg_manifest *m, int64_t id)
{
    switch (id) {
    case 501:
        return &m->length;
    case 502:
        return &m->spec_id;
    case 517:
        return &m->content;
    case 515:
        return &m->sequence;
    case 516:
        return &m->sequence_min;
    case 503:
        return &m->snapshot_id;
    case 504:
        return &m->files_added;
    case 505:
        return &m->files_existing;
    case 506:
        return &m->files_deleted;
    case 512:
        return &m->rows_added;
    case 513:
        return &m->rows_existing;
    case 514:
        return &m->rows_deleted;
    default:
        return NULL;
    }
}

static void summary_begin(void *userdata)
{
    struct iceberg_manifest *m = userdata;
    m->partitions = pl_realloc_array(m->partitions, m->partitions_n + 1, sizeof(*m->partitions));
    m->partitions[m->partitions_n++] = (struct iceberg_partition_summary){.contains_nan = -1};
}

static void summary_field(void *userdata, struct avro_in *in, int64_t id, const cJSON *type)
{
    struct iceberg_manifest *m = userdata;
    struct iceberg_partition_summary *s = &m->partitions[m->partitions_n - 1];
    if (id == 509 && avro_is_bool(type))
        s->contains_null = avro_get_bool(in);
    else if (id == 518 && avro_is_bool(type))
        s->contains_nan = avro_get_bool(in);
    else if (id == 510 && avro_is_bytes(type))
        s->lower = avro_get_bytes(in);
    else if (id == 511 && avro_is_bytes(type))
        s->upper = avro_get_bytes(in);
    else
        avro_skip(in, type);
}

static void manifest_field(void *userdata, struct avro_in *in, int64_t id, const cJSON *type)
{
    struct iceberg_manifest *m = userdata;
    int64_t *number = number_of(m, id);
    if (number && avro_is_long(type)) {
        *number = avro_get_long(in);
    } else if (id == 500 && avro_is_bytes(type)) {
        m->location = avro_get_bytes(in);
    } else if (id == 519 && avro_is_bytes(type)) {
        m->key_metadata = avro_get_bytes(in);
    } else if (id == 507) {
        m->partitions_given = true;
        avro_get_records(in, type, summary_begin, summary_field, m);
    } else {
        avro_skip(in, type);
    }
}

/* What version 1 may leave out has a value that says so, but for content and sequence numbers,
 * which were 0 then. */
static const struct iceberg_manifest manifest_unknown = {
    .length = -1,
    .spec_id = -1,
    .snapshot_id = -1,
    .files_added = -1,
    .files_existing = -1,
    .files_deleted = -1,
    .rows_added = -1,
    .rows_existing = -1,
    .rows_deleted = -1,
};

static bool manifest_is_whole(const struct iceberg_manifest *m)
{
    return m->location.len > 0 && m->length >= 0 && m->spec_id >= 0 && m->snapshot_id >= 0 &&
           m->files_added >= 0 && m->files_existing >= 0 && m->files_deleted >= 0 &&
           m->rows_added >= 0 && m->rows_existing >= 0 && m->rows_deleted >= 0;
}

static int list_fill(struct iceberg_manifest_list *l, struct pl_err *err)
{
    if (l->file.count > ICEBERG_MANIFESTS_MAX)
        return pl_err_set(err, PL_ERR_REJECT, 0,
                          "more than %d manifests: have them merged (rewrite_manifests)",
                          ICEBERG_MANIFESTS_MAX);
    const char *data = pl_buf_cstr(&l->file.data); /* without a byte it is not NULL, either */
    struct avro_in in = {data, data + l->file.data.len, false};
    l->v = pl_alloc_array(l->file.count + 1, sizeof(*l->v));
    while (l->n < l->file.count) {
        struct iceberg_manifest *m = &l->v[l->n++];
        *m = manifest_unknown;
        avro_get_record(&in, l->file.schema, manifest_field, m);
        if (in.broken)
            return pl_err_set(err, PL_ERR_REJECT, 0, "its records are not what its schema says");
        if (!manifest_is_whole(m))
            return pl_err_set(err, PL_ERR_REJECT, 0,
                              "a manifest without its length, or without counts of files and rows, "
                              "as format version 1 allows: have the manifests rewritten "
                              "(rewrite_manifests)");
    }
    return in.p == in.end ? 0 : pl_err_set(err, PL_ERR_REJECT, 0, "more than its records");
}

int iceberg_manifest_list_read(struct pl_slice file, struct iceberg_manifest_list *ret,
                               struct pl_err *err)
{
    struct iceberg_manifest_list l = {0};
    if (avro_read(file, LIST_MAX, &l.file, err) < 0)
        return -1;
    if (list_fill(&l, err) < 0) {
        iceberg_manifest_list_release(&l);
        return -1;
    }
    *ret = l;
    return 0;
}

/* ---- adding ---- */

static int bound_compare(const struct iceberg_value *a, const struct iceberg_value *b,
                         enum iceberg_type t)
{
    if (t != ICEBERG_STRING)
        return (a->number > b->number) - (a->number < b->number);
    size_t len = a->text_len < b->text_len ? a->text_len : b->text_len;
    int order = len > 0 ? memcmp(a->text, b->text, len) : 0;
    return order != 0 ? order : (a->text_len > b->text_len) - (a->text_len < b->text_len);
}

/* A bound's bytes; the buffer moves while it grows, so the place is set by the caller. */
static size_t bound_add(const struct iceberg_value *v, enum iceberg_type t, struct pl_buf *out)
{
    size_t at = out->len;
    iceberg_value_bytes(v, t, out);
    return out->len - at;
}

static void summary_of(const struct iceberg_data_file *files, unsigned n, unsigned field,
                       enum iceberg_type t, struct pl_buf *bounds,
                       struct iceberg_partition_summary *s)
{
    const struct iceberg_value *low = NULL, *high = NULL;
    for (unsigned i = 0; i < n; i++) {
        const struct iceberg_value *v = &files[i].partition[field];
        s->contains_null |= v->null;
        if (v->null)
            continue;
        low = !low || bound_compare(v, low, t) < 0 ? v : low;
        high = !high || bound_compare(v, high, t) > 0 ? v : high;
    }
    s->contains_nan = 0;
    if (!low)
        return;
    s->lower.len = bound_add(low, t, bounds);
    s->upper.len = bound_add(high, t, bounds);
}

/* The bounds lie one behind the other in `bounds`. */
static void summaries_place(struct iceberg_manifest *m, const struct pl_buf *bounds,
                            const struct iceberg_data_file *files, unsigned n)
{
    const char *p = bounds->data ? bounds->data : "";
    for (unsigned i = 0; i < m->partitions_n; i++) {
        struct iceberg_partition_summary *s = &m->partitions[i];
        bool some = false;
        for (unsigned k = 0; k < n; k++)
            some |= !files[k].partition[i].null;
        if (!some)
            continue;
        s->lower.p = p;
        s->upper.p = p + s->lower.len;
        p += s->lower.len + s->upper.len;
    }
}

void iceberg_manifest_list_add(struct iceberg_manifest_list *list, const char *location,
                               uint64_t length, const struct iceberg_data_file *files, unsigned n,
                               const struct iceberg_layout *l, int64_t snapshot_id,
                               int64_t sequence)
{
    struct iceberg_manifest m = {.location = {location, strlen(location)},
                                 .length = (int64_t)length,
                                 .spec_id = l->spec_id,
                                 .sequence = sequence,
                                 .sequence_min = sequence,
                                 .snapshot_id = snapshot_id,
                                 .files_added = n,
                                 .partitions_given = true};
    for (unsigned i = 0; i < n; i++)
        m.rows_added += (int64_t)files[i].rows;
    m.partitions_n = l->partition_n;
    m.partitions = pl_alloc_array(l->partition_n + 1, sizeof(*m.partitions));
    pl_buf_reset(&list->bounds);
    for (unsigned i = 0; i < l->partition_n; i++)
        summary_of(files, n, i, l->partition[i].type, &list->bounds, &m.partitions[i]);
    summaries_place(&m, &list->bounds, files, n);
    list->v = pl_realloc_array(list->v, list->n + 1, sizeof(*list->v));
    memmove(list->v + 1, list->v, list->n * sizeof(*list->v));
    list->v[0] = m;
    list->n++;
}

/* ---- writing ---- */

static void optional_bytes_put(struct pl_slice s, struct pl_buf *out)
{
    if (!s.p) {
        avro_put_null(out);
        return;
    }
    avro_put_some(out);
    avro_put_bytes(out, s.p, s.len);
}

static void summaries_put(const struct iceberg_manifest *m, struct pl_buf *out)
{
    if (!m->partitions_given) {
        avro_put_null(out);
        return;
    }
    avro_put_some(out);
    if (m->partitions_n > 0)
        avro_put_long(out, m->partitions_n);
    for (unsigned i = 0; i < m->partitions_n; i++) {
        const struct iceberg_partition_summary *s = &m->partitions[i];
        avro_put_bool(out, s->contains_null);
        if (s->contains_nan < 0) {
            avro_put_null(out);
        } else {
            avro_put_some(out);
            avro_put_bool(out, s->contains_nan);
        }
        optional_bytes_put(s->lower, out);
        optional_bytes_put(s->upper, out);
    }
    avro_put_long(out, 0);
}

static void manifest_put(const struct iceberg_manifest *m, struct pl_buf *out)
{
    avro_put_bytes(out, m->location.p, m->location.len);
    avro_put_long(out, m->length);
    avro_put_long(out, m->spec_id);
    avro_put_long(out, m->content);
    avro_put_long(out, m->sequence);
    avro_put_long(out, m->sequence_min);
    avro_put_long(out, m->snapshot_id);
    avro_put_long(out, m->files_added);
    avro_put_long(out, m->files_existing);
    avro_put_long(out, m->files_deleted);
    avro_put_long(out, m->rows_added);
    avro_put_long(out, m->rows_existing);
    avro_put_long(out, m->rows_deleted);
    summaries_put(m, out);
    optional_bytes_put(m->key_metadata, out);
}

void iceberg_manifest_list_write(const struct iceberg_manifest_list *list, int64_t snapshot_id,
                                 int64_t parent_id, int64_t sequence,
                                 const uint8_t sync[AVRO_SYNC_LEN], struct pl_buf *out)
{
    char snapshot[24], parent[24], number[24];
    snprintf(snapshot, sizeof(snapshot), "%" PRId64, snapshot_id);
    snprintf(parent, sizeof(parent), "%" PRId64, parent_id);
    snprintf(number, sizeof(number), "%" PRId64, sequence);
    const struct avro_meta meta[] = {
        {"snapshot-id", snapshot},
        {"parent-snapshot-id", parent_id < 0 ? "null" : parent},
        {"sequence-number", number},
        {"format-version", "2"},
    };
    struct pl_buf records = {0};
    for (unsigned i = 0; i < list->n; i++)
        manifest_put(&list->v[i], &records);
    struct avro_layout layout = {
        .schema = list_schema, .meta = meta, .meta_n = PL_COUNT(meta), .deflate = true};
    memcpy(layout.sync, sync, AVRO_SYNC_LEN);
    avro_write(&layout, list->n, (struct pl_slice){records.data, records.len}, out);
    pl_buf_release(&records);
}
