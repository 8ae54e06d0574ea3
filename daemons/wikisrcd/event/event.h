/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.h - what wikisrcd needs to know about an event, read from its JSON in one pass.
 *
 * Nothing is changed here: an event that is not valid JSON is `malformed`, gets no key, and (where
 * nothing is redacted) ends in the sink's dead letters.
 *
 * Its time is `meta.dt`, when the platform received it: all schemas have it, and it orders the
 * stream. Else `dt`, when it happened (the only one that fragment/common 2.0.0 requires), else
 * recentchange's `timestamp`, in seconds since 1970.
 *
 * Identity, for duplicates, has 128 bits: `meta.id` where it is a UUID (all of Wikimedia's are),
 * else the FNV-1a hash of the id's text, else (no id) that of the whole data. Two different events
 * in a window of n ids are taken for one with a probability of about n^2 / 2^129 for the hash and
 * n^2 / 2^123 for random UUIDs (RFC 4122 version 4 has 122 random bits): for 16,384 ids below
 * 10^-28. FNV does not resist somebody who looks for a collision; one who can write into the stream
 * could at worst hide events of their own.
 *
 * No I/O. Threads: one owner.
 */
#ifndef WIKISRCD_EVENT_EVENT_H
#define WIKISRCD_EVENT_EVENT_H

#include "daemons/wikisrcd/event/path.h"

struct event_identity {
    uint64_t hi, lo;
};

/* A value somewhere inside an event, borrowed from its data. */
struct event_value {
    enum pl_json_type type;  /* NONE: not there */
    struct pl_json_str text; /* of a STRING */
    struct pl_slice raw;     /* its JSON text */
};

/* The paths to look for in each event. Built once from the configuration, then read only. */
struct event_wants {
    struct path_node *root;
    unsigned keys_n;
    /* Called for each value at a path of event_wants_value() while the event is read, so before it
     * is known to be valid JSON. null counts as absent. A path may have several values: arrays,
     * repeated keys. */
    void (*on_value)(void *userdata, unsigned number, const struct event_value *value);
    void *userdata;
};

/* `shown`: also the texts shown to people (wiki, type, title, user). */
void event_wants_init(struct event_wants *wants, bool shown);
void event_wants_release(struct event_wants *wants);
/* One more path for the message key; the first path with a value is used. false: not a path, or too
 * many. */
#define EVENT_KEYS_MAX 32
bool event_wants_key(struct event_wants *wants, const char *path);
bool event_wants_value(struct event_wants *wants, const char *path, unsigned number);

/* Texts are borrowed from the data, still escaped; .p is NULL where absent or null. */
struct event {
    struct pl_json_str meta_id, domain, topic, stream; /* of meta */
    struct pl_json_str wiki, type, title, user;        /* only for people: see fields.h */
    int64_t partition;                                 /* -1: absent */
    int64_t offset;                                    /* -1: absent */
    int64_t dt_ms;                                     /* its time; see above */
    bool has_dt;
    bool canary; /* meta.domain is "canary" */
    bool has_key;
    bool malformed;
    const char *malformed_why; /* a constant sentence */
    struct pl_buf key;         /* unescaped; owned, reused from event to event */
    struct event_identity identity;
};

/* Zero-initialise an event before its first use; release it after its last. A malformed event has
 * its identity and the flag, nothing else. */
void event_read(struct event *event, const char *data, size_t len, const struct event_wants *wants);
void event_release(struct event *event);
/* Only the key, from other bytes for the same event (redacted ones). */
void event_key_read(struct event *event, const char *data, size_t len,
                    const struct event_wants *wants);

/* 8-4-4-4-12 hexadecimal digits. */
bool event_uuid_parse(const char *text, size_t len, struct event_identity *ret);
/* FNV-1a with 128 bits (Fowler, Noll, Vo; the parameters of draft-eastlake-fnv). */
struct event_identity event_hash(const char *data, size_t len);

#endif
