/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.h - a route: from a topic's messages to a table's rows, read from a YAML file.
 *
 * A route file names the topic (or pattern), where the rows are inside a message, the columns with
 * type and path, what happens to values that do not fit, the table's engine and order, and its
 * views. The presets in etc/routes/ are such files.
 *
 *     topic: wikipedia-data               # or topic_pattern: "^wiki-.*" (POSIX extended, with ^)
 *     table: wikipedia_edits              # "database.table" or "table" (the configured database);
 *                                         # a name with a dot is in quotes: '"my.db"."my.table"'
 *     # A table for each value: table: "events_{}", with
 *     table_by: $.type                    # this field,
 *     table_values: [edit, new]           # and only these. A route for each, called FILE.VALUE,
 *                                         # by the group GROUP.VALUE
 *     group: edits-raw                    # consumer group that reads the topic; default: the
 *                                         # configured one. A topic may have a route a group
 *     rows: $                             # or $.transactionSeries[*], $[*]: a row for each element
 *     rows_missing: reject                # a message without that array: reject | none (no rows)
 *     documents: one                      # many: JSON lines, and other documents in a row
 *     message: {strip: none}              # schema_registry: takes off its frame before the JSON
 *     when: '$.type == "edit"'            # only such rows, see condition.h; "" or left out: all
 *     tombstones: skip                    # a message without a value: skip | dead_letter | row
 *     unknown_fields: drop                # drop | keep: into the column that has `unknown: true`
 *                                         # | add: the table gets columns for them, see evolve.h
 *     add: {after: 100, columns_max: 50}  # once it has come so often; so many
 *     message_bytes_max: 1MiB             # a larger message is a dead letter
 *     message_memory_max: 64MiB           # one whose rows take more memory, too
 *     depth_max: 64
 *     outputs: clickhouse                 # or a list: only instances with such an output take it
 *     columns:
 *       - name: time
 *         type: DateTime64(3)
 *         path: $.meta.dt                 # $: message, @: the row's element; a list: first present
 *         missing: reject                 # absent, null: reject | default | null (needs Nullable)
 *                                         # | table (the table's DEFAULT)
 *         invalid: reject                 # wrong type, overflow, lost precision: reject | null
 *         on_overflow: clamp              # numbers out of range: reject | null | clamp
 *         unit: ms                        # numbers into Date, DateTime(64): s | ms | us | ns | d
 *         codec: Delta, ZSTD              # comment: … also possible
 *       - {name: size, type: UInt64, path: $.size, from_text: true}     # also "27"
 *       # also 0 and 1; of an Enum the numbers of its names
 *       - {name: bot, type: Bool, path: $.bot, from_number: true}
 *       - {name: log_params, type: String, path: $.log_params, json: true, missing: default}
 *       - {name: tags, type: Array(String), path: $.tags, missing: default}    # absent: []
 *       - {name: attrs, type: "Map(String, Nullable(Int64))", path: $.attrs}
 *       - {name: pos, type: "Tuple(lat Float64, lon Float64)", path: $.pos}    # from an object
 *       - {name: size, type: "Tuple(UInt16, UInt16)", path: $.size}            # from [800, 600]
 *       # parallel arrays, as Nested has them: of each object in the array its sku, its n
 *       - {name: items.sku, type: Array(String), path: "$.items[*].sku"}
 *       - {name: items.n, type: Array(Nullable(Int32)), path: "$.items[*].n"}  # lacking: null
 *       - {name: doc, type: JSON, path: $.doc}
 *       # topic partition offset timestamp key header:NAME schema_id
 *       - {name: _offset, type: UInt64, from: offset}
 *       # DEFAULT of the table, not sent
 *       - {name: size_change, type: Nullable(Int64), expression: "…"}
 *     engine: MergeTree                   # ORDER BY, PARTITION BY, TTL, SETTINGS: ClickHouse's
 *     order_by: "(wiki, time)"
 *     partition_by: toYYYYMM(time)
 *     ttl: ""
 *     settings: { non_replicated_deduplication_window: 10000 }
 *     views:
 *       - name: wikipedia_edits_per_minute
 *         engine: SummingMergeTree
 *         order_by: "(wiki, type, minute)"
 *         select: SELECT … FROM {table} GROUP BY …
 *
 * In a path a key that holds a dot, bracket, quote, backslash or space is in double quotes:
 * $."a.b".c, with \" and \\ for a quote and a backslash. "" is the same as left out (NULL in the
 * struct).
 *
 * unit and from_text of a column with a container are for the values inside; missing and invalid
 * are for the container as a whole (decode/value.h says what fits).
 *
 * Defaults: missing is `null` for Nullable columns and `reject` for others; invalid is `reject`.
 *
 * A route is immutable after load and shared by threads.
 */
#ifndef CHSINKD_ROUTE_ROUTE_H
#define CHSINKD_ROUTE_ROUTE_H

#include <regex.h>

#include "daemons/chsinkd/route/condition.h"
#include "daemons/chsinkd/route/path.h"
#include "daemons/chsinkd/route/type.h"
#include "lib/config/options.h"

#define ROUTE_COLUMNS_MAX 1024
#define ROUTE_VIEWS_MAX   32
#define ROUTE_OUTPUTS_MAX 16

enum column_source {
    COLUMN_JSON, /* `path` */
    COLUMN_TOPIC,
    COLUMN_PARTITION,
    COLUMN_OFFSET,
    COLUMN_TIMESTAMP,
    COLUMN_KEY,
    COLUMN_HEADER,
    COLUMN_SCHEMA_ID,  /* in the frame of a schema registry */
    COLUMN_EXPRESSION, /* computed by the server: a DEFAULT in the table, not part of the insert */
    COLUMN_UNKNOWN,    /* all fields that no column takes, as one JSON object {"path": value} */
};

/* TABLE: the value of the table's own DEFAULT. It is sent as null, in a column that is not
 * Nullable. */
enum column_missing { MISSING_REJECT, MISSING_DEFAULT, MISSING_NULL, MISSING_TABLE };
enum column_invalid { INVALID_REJECT, INVALID_NULL };
/* A number out of range; not given: as `invalid` says. */
enum column_overflow { OVERFLOW_NOT_GIVEN, OVERFLOW_REJECT, OVERFLOW_NULL, OVERFLOW_CLAMP };
/* A message without a value, which a compacted topic has for a key that was deleted. */
enum route_tombstones { TOMBSTONES_SKIP, TOMBSTONES_DEAD_LETTER, TOMBSTONES_ROW };
/* What is before the JSON of each message. */
enum route_strip { STRIP_NONE, STRIP_SCHEMA_REGISTRY };
enum column_unit { UNIT_S, UNIT_MS, UNIT_US, UNIT_NS, UNIT_D };

struct column {
    char *name;
    struct ch_type type;
    enum column_source source;
    struct column_path *paths; /* JSON: at least one; the first one present wins */
    unsigned paths_n;
    char *header; /* HEADER: its name */
    bool json;    /* String columns: take any value as its JSON text, bytes unchanged */
    enum column_missing missing;
    enum column_invalid invalid;
    enum column_overflow on_overflow;
    enum column_unit unit;
    bool unit_given;
    bool ephemeral;    /* sent for the table's DEFAULT expressions, not kept (EPHEMERAL) */
    bool from_text;    /* a string that holds just a number or true or false is taken for it */
    bool from_number;  /* Bool: 0 and 1; Enum: the number of a name */
    bool added;        /* not in the file: the table has it of unknown_fields: add, see added.h */
    bool not_compared; /* where rows are compared with the table's: older ones have NULL there */
    char *expression, *codec, *comment;
    /* Of an Array, a Map or a Tuple: columns for what is inside, one for each part of the type and
     * with this column's options. Their types are parts of this one's. */
    struct column *elements;
    unsigned elements_n;
    /* Of columns with $.a[*].x, $.a[*].y the first: x and y. */
    const char **each_keys;
    unsigned each_keys_n;
};

/* The column takes an object as a whole. */
bool column_takes_object(const struct column *c);

/* A value of it may be sent as null. */
static inline bool column_is_null_sent(const struct column *c)
{
    return c->type.nullable || c->missing == MISSING_TABLE;
}

struct route_view {
    char *name, *engine, *order_by, *partition_by, *ttl, *select;
};

struct route {
    char *name; /* the file's name without directory and .yaml; with table_by NAME.VALUE */
    char *text; /* what the file says, without comments and layout: equal in equal routes */
    char *topic, *topic_pattern;
    char *group;       /* NULL: the configured one */
    char *value;       /* table_by: whose route this is; the group has it in its name, too */
    unsigned values_n; /* table_by: how many there are */
    regex_t pattern;   /* compiled when topic_pattern is set */
    bool pattern_compiled;
    char *database, *table;  /* database NULL: the configured one */
    bool rows_each;          /* each element of the array at `rows` is a row; else the message is */
    struct column_path rows; /* keys to that array; keys_n 0: the message itself is the array */
    bool rows_optional;      /* a message without the array has no rows; else it is refused */
    bool documents_many;     /* a message is any number of documents, each taken by itself */
    enum route_strip strip;
    enum route_tombstones tombstones;
    char *when;
    struct condition condition; /* of `when`; nodes_n 0: all rows are taken */
    bool unknown_keep;
    struct {
        int64_t after; /* 0: none are added */
        int64_t columns_max;
    } add;
    int64_t message_bytes_max;
    int64_t message_memory_max; /* of the rows of one message, as they lie in a block */
    unsigned depth_max;
    struct column *columns;
    unsigned columns_n;
    char *engine, *order_by, *primary_key, *partition_by, *sample_by, *ttl, *cluster;
    struct pl_map settings;
    struct pl_strings outputs; /* names, unchecked; none: any */
    struct route_view *views;
    unsigned views_n;
    int has_topic, has_partition, has_offset; /* index of the column with that source, or -1 */
};

/* NULL: findings were added to errs. */
struct route *route_load(const char *file, struct pl_findings *errs);
/* All of a file with table_by, of which the others give the first value's: an array to free().
 * Returns how many; 0: findings were added to errs. */
unsigned route_load_all(const char *file, struct pl_findings *errs, struct route ***ret);
struct route *route_parse(const char *name, const char *text, size_t len, struct pl_findings *errs);
void route_free(struct route *r);
PL_DEFINE_CLEANUP(struct route *, route_free);

bool route_takes(const struct route *r, const char *topic);

/* The column of that name, letter case apart; NULL: there is none. */
const struct column *route_column_nocase(const struct route *r, const char *name);

#endif
