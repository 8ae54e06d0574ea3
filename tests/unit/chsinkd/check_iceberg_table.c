/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_iceberg_table.c - a route as an Iceberg table: types, partitions, what is refused;
 * manifests and lists; metadata before and after a commit; positions. All without a file.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/iceberg/format/history.h"
#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/format/positions.h"
#include "daemons/chsinkd/iceberg/maintain.h"
#include "tests/unit/unit.h"

#define DOC PL_CLEANUP(cJSON_Deletep) cJSON

static struct route *route_of(const char *text)
{
    struct pl_findings errs;
    PL_FREE char *yaml = pl_strf("topic: t\ntable: t\norder_by: tuple()\n%s", text);
    pl_findings_init(&errs);
    errs.file = "test.yaml";
    struct route *r = route_parse("test", yaml, strlen(yaml), &errs);
    ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
    return r;
}

static cJSON *parse(const char *text)
{
    cJSON *doc;
    struct pl_err err;
    ck_assert_done(iceberg_json_parse(text, strlen(text), 1 << 20, &doc, &err), err);
    return doc;
}

static char *print(const cJSON *doc)
{
    struct pl_buf out = {0};
    iceberg_json_print(doc, &out);
    return pl_buf_take(&out);
}

/* ---- types ---- */

static const struct {
    const char *type, *from, *wanted; /* NULL: refused */
} types[] = {
    {"String", "path: $.x", "string"},
    {"LowCardinality(Nullable(String))", "path: $.x", "string"},
    {"Bool", "path: $.x", "boolean"},
    {"Int8", "path: $.x", "int"},
    {"UInt16", "path: $.x", "int"},
    {"Int32", "path: $.x", "int"},
    {"UInt32", "path: $.x", "long"},
    {"Int64", "path: $.x", "long"},
    {"UInt64", "path: $.x", "decimal(20, 0)"},
    {"UInt64", "from: offset", "long"},
    {"Float32", "path: $.x", "float"},
    {"Float64", "path: $.x", "double"},
    {"Date", "path: $.x", "date"},
    {"DateTime", "path: $.x", "timestamptz"},
    {"DateTime('Europe/Berlin')", "path: $.x", "timestamptz"},
    {"DateTime64(6)", "path: $.x", "timestamptz"},
    {"DateTime64(7)", "path: $.x", NULL},
    {"DateTime64(9, 'UTC')", "path: $.x", NULL},
    {"UUID", "path: $.x", "uuid"},
    {"Date32", "path: $.x", "date"},
    {"Enum8('a' = 1)", "path: $.x", "string"},
    {"IPv4", "path: $.x", "string"},
    {"Nullable(IPv6)", "path: $.x", "string"},
    {"LowCardinality(UInt16)", "path: $.x", "int"},
    {"Decimal(18, 2)", "path: $.x", NULL},
    {"Int128", "path: $.x", NULL},
    {"UInt256", "path: $.x", NULL},
    {"FixedString(2)", "path: $.x", NULL},
};

START_TEST(types_are_those_that_hold_all_values)
{
    for (size_t i = 0; i < PL_COUNT(types); i++) {
        PL_FREE char *text =
            pl_strf("columns: [{name: x, type: \"%s\", %s}]\n", types[i].type, types[i].from);
        PL_CLEANUP(route_freep) struct route *r = route_of(text);
        DOC *schema = NULL, *spec = NULL;
        struct pl_err err;
        int rc = iceberg_schema_new(r, ICEBERG_UINT64_DECIMAL, &schema, &spec, &err);
        ck_assert_msg((rc == 0) == (types[i].wanted != NULL), "%s", types[i].type);
        if (rc < 0) {
            ck_assert_msg(strstr(err.msg, types[i].type) && strstr(err.msg, "make it"), "%s",
                          err.msg);
            continue;
        }
        const cJSON *f = cJSON_GetArrayItem(pl_doc_get(schema, "fields"), 0);
        ck_assert_str_eq(pl_doc_str(f, "type"), types[i].wanted);
        ck_assert_int_eq(cJSON_IsTrue(pl_doc_get(f, "required")),
                         !strstr(types[i].type, "Nullable"));
        if (strcmp(types[i].wanted, "decimal(20, 0)") == 0)
            ck_assert_int_eq(iceberg_route_check(r, ICEBERG_UINT64_REFUSE, &err), -1);
    }
}
END_TEST

/* ---- names ---- */

START_TEST(names_are_folders)
{
    static const struct {
        const char *table;
        bool taken;
    } cases[] = {
        {"'\"a.b\".\"c.d\"'", true}, {"'\"a..b\".c'", false}, {"'\".a\".c'", false},
        {"'\"a.\".c'", false},       {"'a.\"..\"'", false},   {"'a.\"x/../y\"'", false},
        {"'a.\".\"'", false},        {"'\"..\"'", false},     {"'a.\"b..c\"'", true},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_findings errs;
        struct pl_err err;
        PL_FREE char *yaml = pl_strf("topic: t\ntable: %s\norder_by: tuple()\ncolumns: [{name: x, "
                                     "type: Int8, path: $.x}]\n",
                                     cases[i].table);
        pl_findings_init(&errs);
        PL_CLEANUP(route_freep)
        struct route *r = route_parse("test", yaml, strlen(yaml), &errs);
        ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
        ck_assert_msg(iceberg_route_check(r, ICEBERG_UINT64_DECIMAL, &err) ==
                          (cases[i].taken ? 0 : -1),
                      "%s", cases[i].table);
        pl_findings_release(&errs);
    }
}
END_TEST

/* ---- partitions ---- */

#define COLUMNS                                                                                    \
    "columns:\n  - {name: time, type: DateTime64(3), path: $.t}\n"                                 \
    "  - {name: wiki, type: Nullable(String), path: $.w}\n"                                        \
    "  - {name: share, type: Float64, path: $.s}\n"

static const struct {
    const char *by, *wanted; /* transforms and names; NULL: refused */
} partitions[] = {
    {"tuple()", ""},
    {"toYYYYMM(time)", "month time_month,"},
    {"toDate(time)", "day time_day,"},
    {"toStartOfHour( `time` )", "hour time_hour,"},
    {"(toYear(time), wiki)", "year time_year,identity wiki,"},
    {"tuple(toYYYYMMDD(time), wiki)", "day time_day,identity wiki,"},
    {"wiki", "identity wiki,"},
    {"share", NULL},
    {"toYYYYMM(wiki)", NULL},
    {"toYYYYMM(nowhere)", NULL},
    {"cityHash64(wiki) % 16", NULL},
    {"toYYYYMM(time", NULL},
    {"(wiki,)", "identity wiki,"},
    {"(,wiki)", NULL},
};

START_TEST(partitions_are_translated_or_refused)
{
    for (size_t i = 0; i < PL_COUNT(partitions); i++) {
        PL_FREE char *text = pl_strf("partition_by: \"%s\"\n" COLUMNS, partitions[i].by);
        PL_CLEANUP(route_freep) struct route *r = route_of(text);
        DOC *schema = NULL, *spec = NULL;
        struct pl_err err;
        int rc = iceberg_schema_new(r, ICEBERG_UINT64_DECIMAL, &schema, &spec, &err);
        ck_assert_msg((rc == 0) == (partitions[i].wanted != NULL), "%s", partitions[i].by);
        if (rc < 0) {
            ck_assert_msg(strstr(err.msg, "toYYYYMM") && err.kind == PL_ERR_CONFIG, "%s", err.msg);
            continue;
        }
        struct pl_buf found = {0};
        const cJSON *f;
        cJSON_ArrayForEach(f, pl_doc_get(spec, "fields"))
        {
            pl_buf_addf(&found, "%s %s,", pl_doc_str(f, "transform"), pl_doc_str(f, "name"));
        }
        ck_assert_str_eq(pl_buf_cstr(&found), partitions[i].wanted);
        pl_buf_release(&found);
    }
}
END_TEST

/* ---- a table that is there ---- */

#define TABLE(fields, spec)                                                                        \
    "{\"format-version\":2,\"table-uuid\":\"u\",\"location\":\"/l\",\"last-column-id\":9,"         \
    "\"last-updated-ms\":1000,\"last-sequence-number\":4,"                                         \
    "\"current-schema-id\":3,\"schemas\":[{\"schema-id\":1,\"fields\":[]},"                        \
    "{\"schema-id\":3,\"type\":\"struct\",\"fields\":[" fields "]}],"                              \
    "\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,\"fields\":[" spec "]}],"           \
    "\"properties\":{\"owner\":\"x\"}}"
#define FIELD(id, name, type, required)                                                            \
    "{\"id\":" #id ",\"name\":\"" name "\",\"type\":\"" type "\",\"required\":" #required "}"
#define TIME_WIKI FIELD(4, "time", "timestamptz", true) "," FIELD(7, "wiki", "string", false)
#define SHARE     "," FIELD(8, "share", "double", true)

static const struct {
    const char *table, *says; /* NULL: it can be written */
} tables[] = {
    {TABLE(TIME_WIKI SHARE, ""), NULL},
    {TABLE(FIELD(4, "time", "timestamp", false) "," FIELD(7, "wiki", "string", false) SHARE, ""),
     NULL},
    {TABLE(TIME_WIKI SHARE "," FIELD(9, "theirs", "string", false), ""), NULL},
    {TABLE(TIME_WIKI SHARE ",{\"id\":9,\"name\":\"list\",\"required\":false,\"type\":{\"type\":"
                           "\"list\"}}",
           ""),
     NULL},
    {TABLE(TIME_WIKI SHARE "," FIELD(9, "theirs", "string", true), ""),
     "column theirs is required, but the route has no such"},
    {TABLE(TIME_WIKI, ""), "no column share any longer"},
    {TABLE(TIME_WIKI "," FIELD(8, "share", "float", true), ""),
     "column share is float in the table, which does not hold the route's Float64 (double)"},
    {TABLE(FIELD(4, "time", "date", true) "," FIELD(7, "wiki", "string", false) SHARE, ""),
     "column time is date"},
    {TABLE(FIELD(4, "time", "timestamptz", true) "," FIELD(7, "wiki", "string", true) SHARE, ""),
     "column wiki is required in the table"},
    {TABLE(TIME_WIKI SHARE,
           "{\"source-id\":4,\"field-id\":1000,\"name\":\"d\",\"transform\":\"day\"}"),
     NULL},
    {TABLE(TIME_WIKI SHARE,
           "{\"source-id\":7,\"field-id\":1000,\"name\":\"b\",\"transform\":\"bucket[16]\"}"),
     "partitioned by b (bucket[16])"},
    {TABLE(TIME_WIKI SHARE "," FIELD(9, "theirs", "string", false),
           "{\"source-id\":9,\"field-id\":1000,\"name\":\"t\",\"transform\":\"identity\"}"),
     "partitioned by t (identity)"},
    {"{\"current-schema-id\":1,\"schemas\":[]}", "no current schema"},
};

START_TEST(tables_of_others_are_written_or_refused)
{
    PL_CLEANUP(route_freep) struct route *r = route_of(COLUMNS);
    for (size_t i = 0; i < PL_COUNT(tables); i++) {
        DOC *metadata = parse(tables[i].table);
        struct iceberg_layout l = {0};
        struct pl_err err = {0};
        int rc = iceberg_layout_of(r, ICEBERG_UINT64_DECIMAL, metadata, &l, &err);
        ck_assert_msg((rc == 0) == (tables[i].says == NULL), "%zu: %s", i, err.msg);
        if (rc == 0) {
            ck_assert_int_eq(l.fields[0].id, 4);
            ck_assert_int_eq(l.schema_id, 3);
        } else {
            ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
            ck_assert_msg(strstr(err.msg, tables[i].says) != NULL, "%s", err.msg);
        }
        iceberg_layout_release(&l);
    }
}
END_TEST

static void count_added(void *userdata, const char *column)
{
    unsigned *n = userdata;
    ck_assert_str_eq(column, "share");
    ++*n;
}

START_TEST(a_column_is_added_with_a_new_id)
{
    PL_CLEANUP(route_freep) struct route *r = route_of(COLUMNS);
    DOC *before = parse(TABLE(TIME_WIKI, "")), *after = NULL;
    cJSON *schema = NULL;
    int64_t last;
    unsigned added = 0;
    struct pl_err err;
    ck_assert_done(iceberg_schema_grow(r, ICEBERG_UINT64_DECIMAL, before, &schema, &last,
                                       count_added, &added, &err),
                   err);
    ck_assert_uint_eq(added, 1);
    ck_assert_int_eq(last, 10); /* not 8: it may have been given out, and taken away */
    struct iceberg_change change;
    iceberg_change_init(&change, before);
    iceberg_change_schema(&change, before, schema, last);
    PL_FREE char *requirements = print(change.requirements);
    ck_assert_str_eq(requirements,
                     "[{\"type\":\"assert-table-uuid\",\"uuid\":\"u\"},"
                     "{\"type\":\"assert-current-schema-id\",\"current-schema-id\":3},"
                     "{\"type\":\"assert-last-assigned-field-id\",\"last-assigned-field-id\":9}]");
    ck_assert_done(iceberg_metadata_apply(before, "/l/metadata/v1.metadata.json", change.updates,
                                          2000, &after, &err),
                   err);
    iceberg_change_release(&change);
    const cJSON *current = iceberg_schema_current(after);
    int64_t id;
    ck_assert(iceberg_json_int(after, "current-schema-id", &id) && id == 4);
    ck_assert(iceberg_json_int(after, "last-column-id", &id) && id == 10);
    PL_FREE char *field = print(cJSON_GetArrayItem(pl_doc_get(current, "fields"), 2));
    ck_assert_str_eq(field,
                     "{\"id\":10,\"name\":\"share\",\"required\":false,\"type\":\"double\"}");
}
END_TEST

START_TEST(formats_that_are_not_written)
{
    static const struct {
        const char *version, *says;
    } cases[] = {{"1", "upgrade it"}, {"3", "version 3"}, {"null", "version 0"}};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_FREE char *text = pl_strf(
            "{\"format-version\":%s,\"table-uuid\":\"u\",\"location\":\"/\"}", cases[i].version);
        DOC *metadata = parse(text);
        struct pl_err err;
        ck_assert_int_eq(iceberg_metadata_check(metadata, &err), -1);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, cases[i].says) != NULL, "%s", err.msg);
    }
}
END_TEST

/* ---- manifests ---- */

#define PARTITIONED                                                                                \
    TABLE(TIME_WIKI SHARE,                                                                         \
          "{\"source-id\":4,\"field-id\":1000,\"name\":\"time_day\",\"transform\":\"day\"},"       \
          "{\"source-id\":7,\"field-id\":1001,\"name\":\"1 wiki\",\"transform\":\"identity\"}")

static const uint8_t marker[AVRO_SYNC_LEN] = "0123456789abcde";

struct some { /* a table, and two files for it */
    struct route *route;
    cJSON *metadata;
    struct iceberg_layout layout;
    struct iceberg_bounds bounds[2][3];
    struct iceberg_data_file files[2];
};

static void some_make(struct some *s)
{
    struct pl_err err;
    memset(s, 0, sizeof(*s));
    s->route = route_of(COLUMNS);
    s->metadata = parse(PARTITIONED);
    ck_assert_done(
        iceberg_layout_of(s->route, ICEBERG_UINT64_DECIMAL, s->metadata, &s->layout, &err), err);
    for (unsigned i = 0; i < 2; i++) {
        s->bounds[i][0] = (struct iceberg_bounds){0, true, -5, 1000 + i};
        s->bounds[i][1] = (struct iceberg_bounds){.nulls = 3};
    }
    s->files[0] = (struct iceberg_data_file){
        .location = (char *)"/l/data/a.parquet",
        .size = 1000,
        .rows = 10,
        .partition = {{.number = -1}, {.text = (char *)"w\0x", .text_len = 3}},
        .bounds = s->bounds[0]};
    s->files[1] = (struct iceberg_data_file){.location = (char *)"/l/data/b.parquet",
                                             .size = 2000,
                                             .rows = 20,
                                             .partition = {{.number = 20000}, {.null = true}},
                                             .bounds = s->bounds[1]};
}

static void some_free(struct some *s)
{
    iceberg_layout_release(&s->layout);
    cJSON_Delete(s->metadata);
    route_free(s->route);
}

static void location_add(void *userdata, struct pl_slice location)
{
    pl_buf_addf(userdata, "%.*s ", (int)location.len, location.p);
}

START_TEST(a_manifest_names_its_files)
{
    struct some s;
    struct pl_err err;
    struct pl_buf manifest = {0}, found = {0};
    some_make(&s);
    iceberg_manifest_write(s.files, 2, &s.layout, s.metadata, INT64_C(3051729675574597004), marker,
                           &manifest);
    const struct pl_slice whole = {manifest.data, manifest.len};
    ck_assert_done(iceberg_manifest_files(whole, location_add, &found, &err), err);
    ck_assert_str_eq(pl_buf_cstr(&found), "/l/data/a.parquet /l/data/b.parquet ");
    /* the name of a partition field becomes one of Avro's */
    ck_assert_ptr_nonnull(memmem(whole.p, whole.len, "\"_1_x20wiki\"", 12));
    pl_buf_release(&found);
    pl_buf_release(&manifest);
    some_free(&s);
}
END_TEST

/* Byte for byte, decoded: what stands for the first file. */
START_TEST(an_entry_is_as_the_specification_says)
{
    struct some s;
    struct pl_err err;
    struct pl_buf manifest = {0}, want = {0};
    struct avro_file f;
    some_make(&s);
    iceberg_manifest_write(s.files, 1, &s.layout, s.metadata, 5, marker, &manifest);
    ck_assert_done(avro_read((struct pl_slice){manifest.data, manifest.len}, 1 << 20, &f, &err),
                   err);
    static const char entry[] = "\x02"                      /* status: added */
                                "\x02\x0a"                  /* snapshot 5 */
                                "\x00\x00"                  /* sequence numbers: null */
                                "\x00\x22/l/data/a.parquet" /* data */
                                "\x0ePARQUET"               /**/
                                "\x02\x01\x02\x06w\0x"      /* partition: day -1, "w\0x" */
                                "\x14\xd0\x0f"              /* 10 rows, 1000 bytes */
                                "\x02\x06\x08\x00\x0e\x06\x10\x00\x00" /* nulls of 4, 7, 8 */
                                "\x02\x02\x08\x10\xfb\xff\xff\xff\xff\xff\xff\xff\x00"
                                "\x02\x02\x08\x10\xe8\x03\x00\x00\x00\x00\x00\x00\x00";
    pl_buf_add(&want, entry, sizeof(entry) - 1);
    ck_assert_uint_eq(f.count, 1);
    ck_assert_uint_eq(f.data.len, want.len);
    ck_assert_mem_eq(f.data.data, want.data, want.len);
    avro_file_release(&f);
    pl_buf_release(&want);
    pl_buf_release(&manifest);
    some_free(&s);
}
END_TEST

START_TEST(lists_carry_on_what_was_there)
{
    struct some s;
    struct pl_err err;
    struct pl_buf first = {0}, second = {0};
    struct iceberg_manifest_list list = {0}, again = {0};
    some_make(&s);
    iceberg_manifest_list_add(&list, "/l/metadata/1.avro", 111, s.files, 1, &s.layout, 71, 1);
    iceberg_manifest_list_write(&list, 71, -1, 1, marker, &first);
    iceberg_manifest_list_release(&list);
    ck_assert_done(
        iceberg_manifest_list_read((struct pl_slice){first.data, first.len}, &list, &err), err);
    iceberg_manifest_list_add(&list, "/l/metadata/2.avro", 222, s.files, 2, &s.layout, 72, 2);
    iceberg_manifest_list_write(&list, 72, 71, 2, marker, &second);
    iceberg_manifest_list_release(&list);
    ck_assert_done(
        iceberg_manifest_list_read((struct pl_slice){second.data, second.len}, &again, &err), err);
    ck_assert_uint_eq(again.n, 2);
    const struct iceberg_manifest *new = &again.v[0], *old = &again.v[1];
    ck_assert(pl_slice_eq(new->location, "/l/metadata/2.avro"));
    ck_assert(new->length == 222 && new->sequence == 2 && new->sequence_min == 2 &&
              new->snapshot_id == 72 && new->files_added == 2 && new->rows_added == 30);
    ck_assert(pl_slice_eq(old->location, "/l/metadata/1.avro"));
    ck_assert(old->length == 111 && old->sequence == 1 && old->snapshot_id == 71 &&
              old->files_added == 1 && old->rows_added == 10 && old->spec_id == 0);
    ck_assert_uint_eq(new->partitions_n, 2);
    ck_assert(!new->partitions[0].contains_null &&new->partitions[1].contains_null);
    ck_assert(new->partitions[0].lower.len == 4 &&
              memcmp(new->partitions[0].lower.p, "\xff\xff\xff\xff", 4) == 0);
    ck_assert(memcmp(new->partitions[0].upper.p, "\x20\x4e\0\0", 4) == 0);
    ck_assert(new->partitions[1].lower.len == 3 &&
              memcmp(new->partitions[1].lower.p, "w\0x", 3) == 0);
    ck_assert(!old->partitions[1].contains_null && old->partitions[1].upper.len == 3);
    iceberg_manifest_list_release(&again);
    pl_buf_release(&first);
    pl_buf_release(&second);
    some_free(&s);
}
END_TEST

/* ---- a commit ---- */

START_TEST(an_append_is_asked_for_and_applied)
{
    struct some s;
    struct pl_err err;
    some_make(&s);
    DOC *positions = cJSON_CreateObject(), *after = NULL, *again = NULL;
    iceberg_position_set(positions, "g", "t", 0, 100, "note");
    struct iceberg_append append = {.snapshot_id = 77,
                                    .now_ms = 500, /* a clock that is behind */
                                    .took_ms = 12,
                                    .manifest_list = "/l/metadata/snap.avro",
                                    .files = s.files,
                                    .files_n = 2,
                                    .layout = &s.layout,
                                    .positions = positions};
    struct iceberg_change change;
    iceberg_change_init(&change, s.metadata);
    iceberg_change_append(&change, s.metadata, &append);
    PL_FREE char *requirements = print(change.requirements), *updates = print(change.updates);
    ck_assert_str_eq(requirements,
                     "[{\"type\":\"assert-table-uuid\",\"uuid\":\"u\"},{\"type\":"
                     "\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":null},"
                     "{\"type\":\"assert-current-schema-id\",\"current-schema-id\":3},"
                     "{\"type\":\"assert-default-spec-id\",\"default-spec-id\":0}]");
    ck_assert_str_eq(
        updates,
        "[{\"action\":\"add-snapshot\",\"snapshot\":{\"snapshot-id\":77,\"sequence-number\":5,"
        "\"timestamp-ms\":1000,\"manifest-list\":\"/l/metadata/snap.avro\",\"summary\":{"
        "\"operation\":\"append\",\"added-data-files\":\"2\",\"added-records\":\"30\","
        "\"added-files-size\":\"3000\",\"changed-partition-count\":\"2\",\"total-data-files\":"
        "\"2\",\"total-records\":\"30\",\"total-files-size\":\"3000\",\"total-delete-files\":"
        "\"0\",\"total-position-deletes\":\"0\",\"total-equality-deletes\":\"0\","
        "\"chsinkd.offsets\":\"{\\\"g\\\":{\\\"t\\\":{\\\"0\\\":100}}}\",\"chsinkd.took-ms\":"
        "\"12\"},\"schema-id\":3}},"
        "{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"branch\","
        "\"snapshot-id\":77},{\"action\":\"set-properties\",\"updates\":{\"chsinkd.positions\":"
        "\"{\\\"g\\\":{\\\"t\\\":{\\\"0\\\":[100,\\\"note\\\"]}}}\"}}]");
    ck_assert_done(iceberg_metadata_apply(s.metadata, "/l/metadata/v1.metadata.json",
                                          change.updates, 500, &after, &err),
                   err);
    iceberg_change_release(&change);
    struct iceberg_snapshot current;
    ck_assert(iceberg_snapshot_current(after, &current) && current.id == 77);
    ck_assert_str_eq(iceberg_property(after, "owner"), "x");
    PL_FREE char *log = print(pl_doc_get(after, "metadata-log"));
    ck_assert_str_eq(log, "[{\"timestamp-ms\":1000,\"metadata-file\":"
                          "\"/l/metadata/v1.metadata.json\"}]");
    ck_assert_int_eq(iceberg_sequence_next(after), 6);
    ck_assert_done(iceberg_positions_of(after, &again, &err), err);
    const char *note;
    ck_assert_int_eq(iceberg_position_get(again, "g", "t", 0, &note), 100);
    ck_assert_str_eq(note, "note");
    ck_assert_int_eq(iceberg_position_get(again, "g", "t", 1, &note), -1);
    ck_assert_int_eq(iceberg_position_get(again, "g2", "t", 0, NULL), -1);
    some_free(&s);
}
END_TEST

START_TEST(damaged_positions_are_no_positions)
{
    static const char *const damaged[] = {
        "not JSON",
        "[]",
        "{\"g\":1}",
        "{\"g\":{\"t\":{\"0\":5}}}",
        "{\"g\":{\"t\":1}}",
        "{\"g\":{\"t\":{\"0\":[-1,\"\"]}}}",
        "{\"g\":{\"t\":{\"0\":[5]}}}",
    };
    for (size_t i = 0; i < PL_COUNT(damaged); i++) {
        DOC *metadata = cJSON_CreateObject(), *found = NULL;
        cJSON_AddStringToObject(cJSON_AddObjectToObject(metadata, "properties"),
                                ICEBERG_POSITIONS_KEY, damaged[i]);
        struct pl_err err;
        ck_assert_msg(iceberg_positions_of(metadata, &found, &err) == -1, "%s", damaged[i]);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    }
}
END_TEST

/* ---- which snapshots expire ---- */

#define SNAPSHOT(id, parent, at)                                                                   \
    "{\"snapshot-id\":" #id ",\"parent-snapshot-id\":" #parent ",\"timestamp-ms\":" #at "}"
#define SNAPSHOTS                                                                                  \
    "\"snapshots\":[" SNAPSHOT(1, null, 10) "," SNAPSHOT(2, 1, 20) "," SNAPSHOT(                   \
        3, 2, 30) "," SNAPSHOT(4, 2, 40) "]"

START_TEST(only_what_nobody_names_expires)
{
    static const struct {
        const char *metadata;
        int64_t before;
        const char *expired;
    } cases[] = {
        {"{\"current-snapshot-id\":4,\"refs\":{}," SNAPSHOTS "}", 10, "[]"},
        {"{\"current-snapshot-id\":4,\"refs\":{}," SNAPSHOTS "}", 30, "[1,2]"},
        {"{\"current-snapshot-id\":4,\"refs\":{}," SNAPSHOTS "}", 99, "[1,2,3]"},
        {"{\"current-snapshot-id\":4,\"refs\":{\"main\":{\"snapshot-id\":4,\"type\":\"branch\"},"
         "\"v1\":{\"snapshot-id\":1,\"type\":\"tag\"}}," SNAPSHOTS "}",
         99, "[2,3]"},
        {"{\"current-snapshot-id\":4,\"refs\":{\"audit\":{\"snapshot-id\":3,\"type\":\"branch\"}}"
         "," SNAPSHOTS "}",
         99, "[]"},
        {"{}", 99, "[]"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        DOC *metadata = parse(cases[i].metadata);
        DOC *expired = iceberg_snapshots_expired(metadata, cases[i].before);
        PL_FREE char *text = print(expired);
        ck_assert_str_eq(text, cases[i].expired);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(types_are_those_that_hold_all_values), TEST(names_are_folders),
        TEST(partitions_are_translated_or_refused), TEST(tables_of_others_are_written_or_refused),
        TEST(a_column_is_added_with_a_new_id),      TEST(formats_that_are_not_written),
        TEST(a_manifest_names_its_files),           TEST(an_entry_is_as_the_specification_says),
        TEST(lists_carry_on_what_was_there),        TEST(an_append_is_asked_for_and_applied),
        TEST(damaged_positions_are_no_positions),   TEST(only_what_nobody_names_expires),
    };
    return unit_main("iceberg_table", tests, PL_COUNT(tests));
}
