/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.c - see schema.h.
 */
#include "daemons/chsinkd/iceberg/format/schema.h"

#include <inttypes.h>
#include <strings.h>

#include "daemons/chsinkd/iceberg/format/json.h"

#define PARTITION_ID_FIRST 1000 /* spec: ids of partition fields begin there */

void iceberg_layout_release(struct iceberg_layout *l)
{
    free(l->fields);
    for (unsigned i = 0; i < l->partition_n; i++)
        free(l->partition[i].name);
    *l = (struct iceberg_layout){0};
}

/* ---- types ---- */

/* Kafka's offsets, partitions and times are never negative. */
static bool column_is_kafkas(const struct column *c)
{
    return c->source == COLUMN_OFFSET || c->source == COLUMN_PARTITION ||
           c->source == COLUMN_TIMESTAMP;
}

int iceberg_type_of(const struct column *c, int uint64, enum iceberg_type *ret, struct pl_err *err)
{
    if (c->ephemeral || c->missing == MISSING_TABLE)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "column %s: %s is ClickHouse's: a route for Iceberg cannot have it",
                          c->name, c->ephemeral ? "ephemeral" : "missing: table");
    switch (c->type.kind) {
    case CH_STRING:
    case CH_ENUM8:
    case CH_ENUM16:
    case CH_IPV4:
    case CH_IPV6:
        *ret = ICEBERG_STRING;
        return 0;
    case CH_BOOL:
        *ret = ICEBERG_BOOLEAN;
        return 0;
    case CH_INT8:
    case CH_INT16:
    case CH_INT32:
    case CH_UINT8:
    case CH_UINT16:
        *ret = ICEBERG_INT;
        return 0;
    case CH_UINT32:
    case CH_INT64:
        *ret = ICEBERG_LONG;
        return 0;
    case CH_UINT64:
        if (uint64 == ICEBERG_UINT64_REFUSE && !column_is_kafkas(c))
            return pl_err_set(err, PL_ERR_CONFIG, 0,
                              "column %.100s: Iceberg has no UInt64, and iceberg.uint64 is refuse: "
                              "make it Int64, or set iceberg.uint64: decimal",
                              c->name);
        *ret = column_is_kafkas(c) ? ICEBERG_LONG : ICEBERG_DECIMAL;
        return 0;
    case CH_FLOAT32:
        *ret = ICEBERG_FLOAT;
        return 0;
    case CH_FLOAT64:
        *ret = ICEBERG_DOUBLE;
        return 0;
    case CH_DATE:
    case CH_DATE32:
        *ret = ICEBERG_DATE;
        return 0;
    case CH_DATETIME64:
        if (c->type.scale > 6)
            return pl_err_set(err, PL_ERR_CONFIG, 0,
                              "column %.100s: %.40s is finer than Iceberg's times, which end at "
                              "microseconds: make it DateTime64(6), or Int64",
                              c->name, c->type.ddl);
        *ret = ICEBERG_TIMESTAMPTZ;
        return 0;
    case CH_DATETIME:
        *ret = ICEBERG_TIMESTAMPTZ;
        return 0;
    case CH_UUID:
        *ret = ICEBERG_UUID;
        return 0;
    case CH_INT128:
    case CH_INT256:
    case CH_UINT128:
    case CH_UINT256:
    case CH_DECIMAL:
    case CH_FIXED_STRING:
    case CH_OTHER:
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "column %.100s: chsinkd writes no %.60s into Iceberg: make it String "
                          "(json: true keeps a number's digits)",
                          c->name, c->type.ddl);
    case CH_ARRAY:
    case CH_MAP:
    case CH_TUPLE:
    case CH_JSON:
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "column %.100s: %.100s goes to ClickHouse only: make it String with "
                          "json: true",
                          c->name, c->type.ddl);
    }
    return pl_err_set(err, PL_ERR_FATAL, 0, "column %.100s has no type", c->name);
}

/* Whether a table's type holds every value of the route's. */
static bool type_holds(enum iceberg_type table, enum iceberg_type route)
{
    return table == route || (table == ICEBERG_LONG && route == ICEBERG_INT) ||
           (table == ICEBERG_DOUBLE && route == ICEBERG_FLOAT) ||
           (table == ICEBERG_DECIMAL && (route == ICEBERG_INT || route == ICEBERG_LONG)) ||
           (table == ICEBERG_TIMESTAMP && route == ICEBERG_TIMESTAMPTZ);
}

bool iceberg_column_fits(const struct column *c, int uint64, const char *type, bool required)
{
    enum iceberg_type wanted, has;
    struct pl_err err;
    return type && iceberg_type_of(c, uint64, &wanted, &err) == 0 &&
           iceberg_type_parse(type, &has) && type_holds(has, wanted) &&
           !(required && c->type.nullable);
}

/* ---- a new table ---- */

static void field_add(cJSON *fields, int64_t id, const struct column *c, bool required,
                      enum iceberg_type type)
{
    cJSON *f = cJSON_CreateObject();
    iceberg_json_add_int(f, "id", id);
    cJSON_AddStringToObject(f, "name", c->name);
    cJSON_AddBoolToObject(f, "required", required);
    cJSON_AddStringToObject(f, "type", iceberg_type_name(type));
    if (c->comment && c->comment[0] != '\0')
        cJSON_AddStringToObject(f, "doc", c->comment);
    cJSON_AddItemToArray(fields, f);
}

/* Readers and DuckDB compare names without case. */
static int names_check(const struct route *r, struct pl_err *err)
{
    for (unsigned i = 0; i < r->columns_n; i++)
        for (unsigned k = 0; k < i; k++)
            if (strcasecmp(r->columns[i].name, r->columns[k].name) == 0)
                return pl_err_set(err, PL_ERR_CONFIG, 0,
                                  "columns %.100s and %.100s differ only in upper and lower case, "
                                  "which readers of Iceberg do not tell apart: rename one",
                                  r->columns[k].name, r->columns[i].name);
    return 0;
}

struct partition_by {
    enum iceberg_transform transform;
    char column[256];
};

/* One of `partition_by`: a column, or a function of one. */
static bool partition_by_parse(const char *p, size_t len, struct partition_by *ret)
{
    static const struct {
        const char *function;
        enum iceberg_transform transform;
    } functions[] = {
        {"", ICEBERG_IDENTITY},        {"toYYYYMM", ICEBERG_MONTH},
        {"toYYYYMMDD", ICEBERG_DAY},   {"toDate", ICEBERG_DAY},
        {"toYear", ICEBERG_YEAR},      {"toStartOfMonth", ICEBERG_MONTH},
        {"toStartOfDay", ICEBERG_DAY}, {"toStartOfHour", ICEBERG_HOUR},
    };
    const char *open = memchr(p, '(', len);
    struct pl_slice function = {p, open ? (size_t)(open - p) : 0}, column = {p, len};
    if (open) {
        if (p[len - 1] != ')')
            return false;
        column = (struct pl_slice){open + 1, len - function.len - 2};
    }
    if (column.len >= 2 && (*column.p == '`' || *column.p == '"') &&
        column.p[column.len - 1] == *column.p)
        column = (struct pl_slice){column.p + 1, column.len - 2};
    if (column.len == 0 || column.len >= sizeof(ret->column))
        return false;
    memcpy(ret->column, column.p, column.len);
    ret->column[column.len] = '\0';
    for (unsigned i = 0; i < PL_COUNT(functions); i++)
        if (pl_slice_eq(function, functions[i].function)) {
            ret->transform = functions[i].transform;
            return true;
        }
    return false;
}

static int partition_refuse(const char *text, struct pl_err *err)
{
    return pl_err_set(err, PL_ERR_CONFIG, 0,
                      "partition_by %.100s has no counterpart in Iceberg: use columns and "
                      "toYear, toYYYYMM, toYYYYMMDD, toDate or toStartOfHour of a time column, or "
                      "leave it out",
                      text);
}

static int partition_field_add(cJSON *fields, const struct route *r, const cJSON *columns,
                               const struct partition_by *by, int uint64, struct pl_err *err)
{
    const cJSON *field;
    cJSON_ArrayForEach(field, columns)
    {
        const char *name = pl_doc_str(field, "name");
        if (strcmp(name, by->column) == 0)
            break;
    }
    enum iceberg_type type;
    const struct column *column = NULL;
    for (unsigned i = 0; i < r->columns_n; i++)
        if (strcmp(r->columns[i].name, by->column) == 0)
            column = &r->columns[i];
    if (!field || !column || iceberg_type_of(column, uint64, &type, err) < 0 ||
        !iceberg_transform_takes(by->transform, type))
        return partition_refuse(r->partition_by, err);
    int64_t source;
    iceberg_json_int(field, "id", &source);
    bool identity = by->transform == ICEBERG_IDENTITY;
    PL_FREE char *name = identity
                             ? pl_strdup(by->column)
                             : pl_strf("%s_%s", by->column, iceberg_transform_name(by->transform));
    cJSON *f = cJSON_CreateObject();
    iceberg_json_add_int(f, "source-id", source);
    iceberg_json_add_int(f, "field-id", PARTITION_ID_FIRST + cJSON_GetArraySize(fields));
    cJSON_AddStringToObject(f, "name", name);
    cJSON_AddStringToObject(f, "transform", iceberg_transform_name(by->transform));
    cJSON_AddItemToArray(fields, f);
    return 0;
}

/* The text without spaces and an outer pair of brackets. */
static char *partition_by_strip(const char *text)
{
    char *s = pl_strdup(text), *to = s;
    for (const char *p = text; *p != '\0'; p++)
        if (*p != ' ' && *p != '\t' && *p != '\n')
            *to++ = *p;
    *to = '\0';
    if (strncmp(s, "tuple(", 6) == 0)
        memmove(s, s + 5, strlen(s + 5) + 1);
    size_t len = strlen(s);
    if (len >= 2 && s[0] == '(' && s[len - 1] == ')') {
        memmove(s, s + 1, len - 2);
        s[len - 2] = '\0';
    }
    return s;
}

static int partition_add(cJSON *fields, const struct route *r, const cJSON *columns, int uint64,
                         struct pl_err *err)
{
    if (!r->partition_by)
        return 0;
    PL_FREE char *text = partition_by_strip(r->partition_by);
    for (char *p = text; *p != '\0';) {
        size_t len = strcspn(p, ",");
        struct partition_by by;
        if (len == 0 || cJSON_GetArraySize(fields) == ICEBERG_PARTITION_FIELDS_MAX ||
            !partition_by_parse(p, len, &by))
            return partition_refuse(r->partition_by, err);
        if (partition_field_add(fields, r, columns, &by, uint64, err) < 0)
            return -1;
        p += len + (p[len] == ',');
    }
    return 0;
}

int iceberg_schema_new(const struct route *r, int uint64, cJSON **ret_schema, cJSON **ret_spec,
                       struct pl_err *err)
{
    if (names_check(r, err) < 0)
        return -1;
    PL_CLEANUP(cJSON_Deletep) cJSON *schema = cJSON_CreateObject(), *spec = cJSON_CreateObject();
    cJSON_AddStringToObject(schema, "type", "struct");
    iceberg_json_add_int(schema, "schema-id", 0);
    cJSON *fields = cJSON_AddArrayToObject(schema, "fields");
    for (unsigned i = 0; i < r->columns_n; i++) {
        const struct column *c = &r->columns[i];
        enum iceberg_type type;
        if (c->source == COLUMN_EXPRESSION)
            continue;
        if (iceberg_type_of(c, uint64, &type, err) < 0)
            return -1;
        field_add(fields, cJSON_GetArraySize(fields) + 1, c, !c->type.nullable, type);
    }
    iceberg_json_add_int(spec, "spec-id", 0);
    cJSON *partition = cJSON_AddArrayToObject(spec, "fields");
    if (partition_add(partition, r, fields, uint64, err) < 0)
        return -1;
    *ret_schema = PL_TAKE(schema);
    *ret_spec = PL_TAKE(spec);
    return 0;
}

/* Where the catalogue is a path, each level of the namespace and the table is a folder. */
static int folders_check(const struct route *r, struct pl_err *err)
{
    PL_FREE char *path = pl_strf("/%s/", r->table);
    PL_FREE char *levels = pl_strf(".%s.", r->database ? r->database : "configured");
    if (strstr(path, "/./") || strstr(path, "/../"))
        return pl_err_set(err, PL_ERR_CONFIG, 0, "table %.100s cannot be a folder", r->table);
    if (strstr(levels, ".."))
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "database %.100s: a dot is between two levels of an Iceberg namespace, "
                          "and none of them is empty",
                          r->database);
    return 0;
}

int iceberg_route_check(const struct route *r, int uint64, struct pl_err *err)
{
    if (folders_check(r, err) < 0)
        return -1;
    PL_CLEANUP(cJSON_Deletep) cJSON *schema = NULL, *spec = NULL;
    return iceberg_schema_new(r, uint64, &schema, &spec, err);
}

/* ---- a table that is there ---- */

static const cJSON *by_id(const cJSON *array, const char *id_name, int64_t id)
{
    const cJSON *item;
    int64_t has;
    cJSON_ArrayForEach(item, array)
    {
        if (iceberg_json_int(item, id_name, &has) && has == id)
            return item;
    }
    return NULL;
}

const cJSON *iceberg_schema_current(const cJSON *metadata)
{
    int64_t id;
    return iceberg_json_int(metadata, "current-schema-id", &id)
               ? by_id(pl_doc_get(metadata, "schemas"), "schema-id", id)
               : NULL;
}

const cJSON *iceberg_spec_current(const cJSON *metadata)
{
    int64_t id;
    return iceberg_json_int(metadata, "default-spec-id", &id)
               ? by_id(pl_doc_get(metadata, "partition-specs"), "spec-id", id)
               : NULL;
}

static const cJSON *field_by_name(const cJSON *schema, const char *name)
{
    const cJSON *f;
    cJSON_ArrayForEach(f, pl_doc_get(schema, "fields"))
    {
        const char *has = pl_doc_str(f, "name");
        if (has && strcmp(has, name) == 0)
            return f;
    }
    return NULL;
}

/* A type that an added column can have, as ClickHouse calls it. */
static const char *added_type(const cJSON *field)
{
    const char *name = pl_doc_str(field, "type");
    enum iceberg_type type;
    if (cJSON_IsTrue(pl_doc_get(field, "required")) || !name || !iceberg_type_parse(name, &type))
        return "";
    return type == ICEBERG_LONG      ? "Nullable(Int64)"
           : type == ICEBERG_DOUBLE  ? "Nullable(Float64)"
           : type == ICEBERG_BOOLEAN ? "Nullable(Bool)"
           : type == ICEBERG_STRING  ? "Nullable(String)"
                                     : "";
}

void iceberg_schema_columns(const cJSON *metadata, struct column_notes *ret)
{
    const cJSON *f;
    cJSON_ArrayForEach(f, pl_doc_get(iceberg_schema_current(metadata), "fields"))
    {
        const char *name = pl_doc_str(f, "name"), *doc = pl_doc_str(f, "doc");
        if (name)
            column_notes_add(ret, name, added_type(f), doc ? doc : "");
    }
}

static int schema_missing(struct pl_err *err)
{
    return pl_err_set(err, PL_ERR_CONFIG, 0,
                      "its metadata has no current schema, partition spec or last-column-id: it is "
                      "damaged, or of a format that chsinkd does not know");
}

int iceberg_schema_grow(const struct route *r, int uint64, const cJSON *metadata,
                        cJSON **ret_schema, int64_t *ret_last_column_id,
                        void (*added)(void *userdata, const char *column), void *userdata,
                        struct pl_err *err)
{
    const cJSON *current = iceberg_schema_current(metadata);
    int64_t last, first;
    if (!current || !iceberg_json_int(metadata, "last-column-id", &last))
        return schema_missing(err);
    if (names_check(r, err) < 0)
        return -1;
    first = last;
    PL_CLEANUP(cJSON_Deletep) cJSON *schema = cJSON_Duplicate(current, true);
    cJSON *fields = cJSON_GetObjectItemCaseSensitive(schema, "fields");
    for (unsigned i = 0; i < r->columns_n; i++) {
        const struct column *c = &r->columns[i];
        enum iceberg_type type;
        if (c->source == COLUMN_EXPRESSION || field_by_name(current, c->name))
            continue;
        if (iceberg_type_of(c, uint64, &type, err) < 0)
            return -1;
        field_add(fields, ++last, c, false, type); /* old rows have no value */
        added(userdata, c->name);
    }
    *ret_last_column_id = last;
    *ret_schema = last > first ? PL_TAKE(schema) : NULL;
    return 0;
}

static int field_fill(const struct column *c, int uint64, const cJSON *schema,
                      struct iceberg_field *ret, struct pl_err *err)
{
    enum iceberg_type wanted, has;
    if (iceberg_type_of(c, uint64, &wanted, err) < 0)
        return -1;
    const cJSON *f = field_by_name(schema, c->name);
    if (!f)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "the table has no column %.100s any longer: somebody took it out or "
                          "renamed it; it is added again at the next start",
                          c->name);
    const char *type = pl_doc_str(f, "type");
    bool required = cJSON_IsTrue(pl_doc_get(f, "required"));
    if (!type || !iceberg_type_parse(type, &has) || !type_holds(has, wanted))
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "column %.100s is %.60s in the table, which does not hold the route's "
                          "%.60s (%s): change the route, or the table",
                          c->name, type ? type : "a nested type", c->type.ddl,
                          iceberg_type_name(wanted));
    if (required && c->type.nullable)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "column %.100s is required in the table, but %.60s in the route: make it "
                          "optional there, or not Nullable here",
                          c->name, c->type.ddl);
    ret->column = c;
    ret->type = has;
    if (!iceberg_json_int(f, "id", &ret->id))
        return schema_missing(err);
    return 0;
}

/* A required column that no row would have. */
static int required_check(const struct iceberg_layout *l, const cJSON *schema, struct pl_err *err)
{
    const cJSON *f;
    cJSON_ArrayForEach(f, pl_doc_get(schema, "fields"))
    {
        unsigned i = 0;
        int64_t id = -1;
        iceberg_json_int(f, "id", &id);
        while (i < l->fields_n && l->fields[i].id != id)
            i++;
        const char *name = pl_doc_str(f, "name");
        if (i == l->fields_n && cJSON_IsTrue(pl_doc_get(f, "required")))
            return pl_err_set(err, PL_ERR_CONFIG, 0,
                              "the table's column %.100s is required, but the route has no such "
                              "column: add it to the route, or make it optional in the table",
                              name ? name : "?");
    }
    return 0;
}

static int partition_fill(struct iceberg_layout *l, const cJSON *spec, struct pl_err *err)
{
    const cJSON *f;
    cJSON_ArrayForEach(f, pl_doc_get(spec, "fields"))
    {
        int64_t source = -1, id = -1;
        const char *name = pl_doc_str(f, "name"), *transform = pl_doc_str(f, "transform");
        struct iceberg_partition_field p = {0};
        iceberg_json_int(f, "source-id", &source);
        iceberg_json_int(f, "field-id", &id);
        while (p.source < l->fields_n && l->fields[p.source].id != source)
            p.source++;
        if (!name || !transform || l->partition_n == ICEBERG_PARTITION_FIELDS_MAX ||
            !iceberg_transform_parse(transform, &p.transform) || p.source == l->fields_n ||
            !iceberg_transform_takes(p.transform, l->fields[p.source].type))
            return pl_err_set(err, PL_ERR_CONFIG, 0,
                              "the table is partitioned by %.60s (%.60s): chsinkd writes identity, "
                              "year, month, day and hour of the route's columns",
                              name ? name : "?", transform ? transform : "?");
        p.id = id;
        p.name = pl_strdup(name);
        p.type = iceberg_transform_type(p.transform, l->fields[p.source].type);
        l->partition[l->partition_n++] = p;
    }
    return 0;
}

static int layout_fill(const struct route *r, int uint64, const cJSON *schema, const cJSON *spec,
                       struct iceberg_layout *l, struct pl_err *err)
{
    l->fields = pl_alloc_array(r->columns_n, sizeof(*l->fields));
    for (unsigned i = 0; i < r->columns_n; i++) {
        if (r->columns[i].source == COLUMN_EXPRESSION)
            continue;
        if (field_fill(&r->columns[i], uint64, schema, &l->fields[l->fields_n++], err) < 0)
            return -1;
    }
    if (!iceberg_json_int(schema, "schema-id", &l->schema_id) ||
        !iceberg_json_int(spec, "spec-id", &l->spec_id))
        return schema_missing(err);
    return required_check(l, schema, err) < 0 || partition_fill(l, spec, err) < 0 ? -1 : 0;
}

int iceberg_layout_of(const struct route *r, int uint64, const cJSON *metadata,
                      struct iceberg_layout *ret, struct pl_err *err)
{
    const cJSON *schema = iceberg_schema_current(metadata);
    const cJSON *spec = iceberg_spec_current(metadata);
    if (!schema || !spec)
        return schema_missing(err);
    struct iceberg_layout l = {0};
    if (layout_fill(r, uint64, schema, spec, &l, err) < 0) {
        iceberg_layout_release(&l);
        return -1;
    }
    *ret = l;
    return 0;
}
