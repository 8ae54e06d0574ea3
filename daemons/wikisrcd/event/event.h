/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.h - what wikisrcd needs to know of an event, read from its JSON in one pass without a tree.
 *
 * The data is passed on as received, whatever this finds: an event that is not valid JSON is
 * `malformed`, gets no key and ends in the sink's dead letters.
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

#include "lib/json/reader.h"

struct event_identity {
    uint64_t hi, lo;
};

/* The path of the message key inside the event: "title", "meta.domain". */
#define EVENT_PATH_DEPTH_MAX 8
struct event_path {
    char *text; /* owns the names below */
    struct pl_slice names[EVENT_PATH_DEPTH_MAX];
    unsigned depth; /* 0: no key */
};

/* "" is no key. false: an empty name in it, or more than EVENT_PATH_DEPTH_MAX. */
bool event_path_init(struct event_path *path, const char *text);
void event_path_release(struct event_path *path);

/* Texts are borrowed from the data, still escaped; .p is NULL where absent or null. */
struct event {
    struct pl_json_str meta_id, dt, domain, topic;
    struct pl_json_str wiki, type, title, user;
    int64_t partition; /* -1: absent */
    int64_t offset;    /* -1: absent */
    int64_t namespace_id;
    int64_t dt_ms; /* meta.dt */
    bool has_namespace, has_bot, bot, has_dt;
    bool canary; /* meta.domain is "canary" */
    bool has_key;
    bool malformed;
    const char *malformed_why; /* a constant sentence */
    struct pl_buf key;         /* unescaped; owned, reused from event to event */
    struct event_identity identity;
};

/* Zero-initialise an event before its first use; release it after its last. A malformed event has
 * its identity and the flag, nothing else. */
void event_read(struct event *event, const char *data, size_t len, const struct event_path *key);
void event_release(struct event *event);

/* 8-4-4-4-12 hexadecimal digits. */
bool event_uuid_parse(const char *text, size_t len, struct event_identity *ret);
/* FNV-1a with 128 bits (Fowler, Noll, Vo; the parameters of draft-eastlake-fnv). */
struct event_identity event_hash(const char *data, size_t len);

#endif
