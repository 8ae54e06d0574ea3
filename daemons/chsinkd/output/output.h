/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - what a sink writes into, as an interface. ClickHouse is one: clickhouse/output.h.
 *
 * A *target* is a route as the output sees it: names quoted, statements ready. It is immutable and
 * shared by threads. An *output* is a connection; each thread has its own. The configuration that
 * `target_new` and `open` take is the kind's own (ClickHouse: struct clickhouse_conf); it is
 * borrowed and outlives both.
 *
 * Calls block, bounded by the configured time limits; abort() ends them. No logging.
 */
#ifndef CHSINKD_OUTPUT_OUTPUT_H
#define CHSINKD_OUTPUT_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemons/chsinkd/route/route.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

struct batch;
struct column_notes; /* route/added.h */
struct output_facts; /* facts.h */
struct output_rows;

/* What exactly once rests on. */
enum output_guarantee {
    OUTPUT_TOKEN,    /* an insert with the same token has no second effect, for a time */
    OUTPUT_POSITION, /* the position is kept with the rows, in one transaction */
    OUTPUT_LOOK_UP,  /* only on asking what is there */
    OUTPUT_NONE,     /* at least once */
};

enum output_answer {
    OUTPUT_DONE,
    OUTPUT_RETRY,     /* nothing of it is there, and nothing will be: the same again later */
    OUTPUT_UNKNOWN,   /* it may be there, or may still get there */
    OUTPUT_REFUSED,   /* for its content: in halves it is accepted but for the bad message. Part of
                       * it may be there: ask */
    OUTPUT_TOO_LARGE, /* for its size: in halves it may be accepted; a single message is tried again
                       * later. Part of it may be there: ask */
    OUTPUT_HELD,  /* nothing works for this target until a person acts (table, grant, a view that
                       * refuses); other targets may. ensure(), then the same batch with the same
                       * token again, later; part of it may be there */
    OUTPUT_MOVED, /* POSITION: nothing of it is there, since the position is not what it was:
                       * another owner has written, or the target was replaced. Ask position() */
};

struct output_target {
    const struct route *route;
    const char *name;     /* "database.table", for logs and tokens */
    const char *database; /* the route's, or the configured one */
};

struct output_range { /* which messages */
    const char *group, *topic;
    int32_t partition;
    int64_t start, end;
    /* POSITION: what position() or the last insert that succeeded has told; -1: none is kept. And a
     * text that is kept with range->end, of no meaning to the output, no two batches' the same: the
     * dead letters that are to follow. A few hundred bytes, seldom up to megabytes. */
    int64_t position;
    const char *note;
    bool compare; /* holds(): by value, too */
    /* holds(): the rows name other topics, partitions and offsets, in their columns. They are asked
     * for by these and compared by value. */
    bool origin;
};

/* Of the batch's rows, before they were taken out. A batch without rows: all of none. */
struct output_found {
    bool some, all;
    /* Only with `compare`: the rows there are of other messages, or of another version of the
     * route. Seen at the message of `offset`; nothing was taken out. */
    bool other;
    int64_t offset;
};

struct output_state {
    bool created; /* by this call */
    unsigned columns_added, views_created;
    enum output_guarantee guarantee;
    bool can_look;     /* holds() and position() can be asked */
    bool grows;        /* a column that is added to the table is all that a new field needs */
    char why_not[160]; /* guarantee below TOKEN and POSITION: why */
    char engine[64];
};

struct output_ensure {
    /* Only reads; what would be done is appended to `ret_plan`, as text for people. */
    bool dry_run;
    struct pl_buf *ret_plan;
    /* May be NULL. For each thing done: "table created", "column added", with the name. */
    void (*on_fact)(void *userdata, const char *what, const char *name);
    void *userdata;
};

struct output_maintain {
    bool dry_run;
    int64_t now_ms; /* realtime */
    struct pl_buf *ret_plan;
};

struct output;

/* When a batch is closed, unless the configuration says it. */
struct output_batch {
    int64_t rows, bytes, age_ms;
};

struct output_kind {
    const char *name;                       /* "ClickHouse", for logs */
    struct output_batch batch;              /* what suits it */
    unsigned writers_max;                   /* threads that may have one at once; 0: any number */
    bool beside;                            /* open() may be called while another one is open */
    const char *(*where)(const void *conf); /* its address or file, for logs */
    int64_t (*call_ms)(const void *conf);   /* the longest that a call but ensure() can take */

    struct output_target *(*target_new)(const void *conf, const struct route *r);
    void (*target_free)(struct output_target *t);
    /* What a target is made with (a CREATE statement), for people. Appended. */
    void (*target_print)(const struct output_target *t, struct pl_buf *out);

    struct output *(*open)(const void *conf);
    void (*close)(struct output *o);
    /* Soon ends the call that another thread is in and all later ones, until called with false.
     * Any thread. */
    void (*abort)(struct output *o, bool aborted);
    /* The same when `asked` returns true, for a start that no other thread can abort. It is called
     * about once a second, in the thread of the call. NULL: no longer. */
    void (*stop_when)(struct output *o, bool (*asked)(void));

    /* Creates what is missing, checks what is there; how may be NULL. CONFIG or RETRY. */
    int (*ensure)(struct output *o, const struct output_target *t, const struct output_ensure *how,
                  struct output_state *ret, struct pl_err *err);

    /* Appends the table's columns, with the comments that ensure() has given them; of a table that
     * is not there none. NULL: the output has no comments. RETRY, CONFIG. */
    int (*columns)(struct output *o, const struct output_target *t, struct column_notes *ret,
                   struct pl_err *err);

    /* Inserts the batch's rows, tried once. `err` is set unless DONE.
     * POSITION: in one transaction the rows, and range->end with the note as the position of the
     * range's group, topic and partition in this target, if that is range->position; a batch
     * without rows as well. If it is range->end with the same note, this very batch is there (an
     * answer was lost): DONE. Else MOVED. So whatever comes late has no effect, UNKNOWN is answered
     * by the same again, and REFUSED and TOO_LARGE leave nothing. */
    enum output_answer (*insert)(struct output *o, const struct output_target *t,
                                 const struct output_range *range, const struct batch *b,
                                 const char *token, struct pl_err *err);

    /* Which of the batch's rows are there already: takes these out. Only where can_look; a POSITION
     * output needs none (NULL). RETRY, or
     * CONFIG when a person must act. What is there is told by the offsets alone, which are another
     * topic's if it was made again: with `compare` the batch's last message that has rows there
     * must have an equal one. */
    int (*holds)(struct output *o, const struct output_target *t, const struct output_range *range,
                 struct batch *b, struct output_found *ret, struct pl_err *err);

    /* The offset after the highest one that is there; -1: none is. Only where can_look. POSITION:
     * the kept one of the range's group (-1: it has none), its note appended to `ret_note`. Of the
     * range only group, topic and partition count. */
    int (*position)(struct output *o, const struct output_target *t,
                    const struct output_range *range, int64_t *ret_offset, struct pl_buf *ret_note,
                    struct pl_err *err);

    /* What a table needs from time to time (old versions, files that nothing names): appends what
     * is done, or with dry_run would be done. NULL: it needs nothing. RETRY, CONFIG. */
    int (*maintain)(struct output *o, const struct output_target *t,
                    const struct output_maintain *how, struct pl_err *err);

    /* ---- for --show: beside a service that is loading, or none. Both only read. ---- */

    /* What is there of the target; `group` is whose kept positions are told. A table that is not
     * there is a fact (exists false), no error. RETRY: away, or held by another process (say by
     * which); CONFIG. `ret` is zero-initialised and released by the caller in each case. */
    int (*describe)(struct output *o, const struct output_target *t, const char *group,
                    struct output_facts *ret, struct pl_err *err);

    /* Runs one statement of a person's, at most `rows_max` rows of its answer. Where
     * `query_described`, it knows only the tables that describe() of the same output has told of.
     * A statement that would write is refused: REJECT, as whatever else is wrong with it. RETRY,
     * CONFIG as above. */
    bool query_described;
    int (*query)(struct output *o, const char *sql, int64_t rows_max, struct output_rows *ret,
                 struct pl_err *err);
};

#endif
