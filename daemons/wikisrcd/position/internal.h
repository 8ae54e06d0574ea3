/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what position.c (the judgement) and record.c (the form in Kafka) share. */
#ifndef WIKISRCD_POSITION_INTERNAL_H
#define WIKISRCD_POSITION_INTERNAL_H

#include "daemons/wikisrcd/position/position.h"

/* The set of ids at first; it is never more than half full, so searches stay short. */
#define POSITION_SET_BITS 10

/* What a record may hold: times from 1970 up to the end of the year 9999, and as Kafka has them,
 * partitions from 0 and names of this many bytes at most. Whatever else a service sends is made to
 * fit, or a record would be written that cannot be read. */
#define POSITION_TIME_MAX_MS   INT64_C(253402300799999)
#define POSITION_TOPIC_LEN_MAX 249
static inline bool position_partition_is_valid(int64_t partition)
{
    return partition >= 0 && partition <= INT32_MAX;
}

struct position_id {
    struct event_identity key;
    int64_t time_ms;
};

struct position_topic {
    char *name; /* "" for events that name none */
    int64_t partition;
    int64_t high_ms;
    int64_t cut_ms;      /* the latest time dropped because the window was full; INT64_MIN: none */
    int64_t next_offset; /* expected inside this connection; -1: not known */
    struct event_identity salt;
    struct position_id *ring; /* capacity is a power of two */
    unsigned head, count, capacity;
    struct position_id *ahead;
    unsigned ahead_n;
    unsigned ahead_run;               /* how many in a row were not believable, but could be */
    unsigned beyond_run;              /* and how many in a row could not */
    int64_t believe_ms;               /* the time that a run of them proved; 0: none */
    uint64_t taken, gaps, gap_events; /* since this object was made */
    bool active;                      /* asked for by Last-Event-ID */
    bool fresh;                       /* nothing came since the connect */
    bool catching_up;
};

/* One entry of the service's id. Only its "topic" must be there. */
struct position_id_entry {
    struct pl_json_str topic;
    int64_t partition;
    int64_t timestamp_ms; /* -1: none */
};

struct position_id_entries {
    struct position_id_entry *v;
    size_t n, cap; /* bounded by the id's length */
};

struct position {
    struct pl_strings streams;
    int64_t since_ms, discovered_ms, slack_ms;
    int64_t begun_ms;               /* the earliest of all since_ms */
    int64_t asked_ms, connected_ms; /* of this connection */
    struct position_topic *topics;
    unsigned topics_n;
    struct position_id_entries id; /* of the event that is being looked at */
    struct event_identity *set;    /* of 2^set_bits; zero: free */
    unsigned set_bits;
    unsigned ids, ahead_ids;
    uint64_t ids_cut, ahead_cut, taken;
    enum position_ask ask;
};

static inline struct position_id *position_entry(const struct position_topic *t, unsigned i)
{
    return &t->ring[(t->head + i) & (t->capacity - 1)];
}

static inline bool position_id_is_zero(const struct event_identity *id)
{
    return (id->hi | id->lo) == 0;
}

/* Index of the topic, or -1. */
int position_topic_find(const struct position *p, const struct pl_json_str *name,
                        int64_t partition);
/* Only for a topic that is not there yet, while there is room. */
struct position_topic *position_topic_add(struct position *p, const char *name, size_t len,
                                          int64_t partition, int64_t high_ms);

/* ---- event_id.c ---- */

/* Reads the service's id into `ret`, whose array is reused. false: it is not of that form, or has
 * no entries; n is 0 then. The topics are slices of the id. */
bool position_id_read(struct pl_slice id, struct position_id_entries *ret);

/* ---- window.c ---- */

bool position_set_has(const struct position *p, const struct event_identity *id);
/* Forgets all of the topic's ids. */
void position_window_release(struct position *p, struct position_topic *t);
/* Forgets what a request from high - slack cannot bring again. */
void position_window_trim(struct position *p, struct position_topic *t);
bool position_ahead_has(const struct position_topic *t, const struct event_identity *key);
/* A run of events from the future proves the time in the topic: those up to it become believable.
 * */
void position_ahead_believe(struct position *p, struct position_topic *t);
/* false: the id is there already. */
bool position_window_push(struct position *p, struct position_topic *t,
                          const struct event_identity *key, int64_t time_ms);
bool position_ahead_push(struct position *p, struct position_topic *t,
                         const struct event_identity *key, int64_t time_ms);

#endif
