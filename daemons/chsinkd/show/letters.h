/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letters.h - the dead letters of the routes by reason, and the newest of them.
 *
 * Read are the newest SHOW_LETTERS_READ_MAX messages of the dead-letter topic, for SHOW_LETTERS_MS
 * at most; `part` says that there are more. A letter that --replay has read (its group is past it)
 * is counted apart: it was brought back, or is a new letter again.
 *
 * Threads: one owner.
 */
#ifndef CHSINKD_SHOW_LETTERS_H
#define CHSINKD_SHOW_LETTERS_H

#include "daemons/chsinkd/show/group.h"

#define SHOW_LETTERS_READ_MAX    100000
#define SHOW_LETTERS_MS          60000
#define SHOW_LETTERS_REASONS_MAX 100 /* of all routes; the rest is counted as "other reasons" */
#define SHOW_LETTERS_SAMPLE_MAX  1000
/* Of a sample's key and value. */
#define SHOW_LETTERS_BYTES_MAX (16 * 1024)

struct show_reason {
    char *route, *reason; /* the reason without the place in its message: "column x: …" */
    uint64_t waiting, replayed;
    int64_t first_ms, last_ms; /* when they were written */
};

struct show_letter {
    char *route, *reason;
    char *topic; /* where it stood first */
    int32_t partition;
    int64_t offset;
    int64_t at_ms; /* when it was written */
    int64_t attempt;
    bool replayed;
    char *key, *value; /* NULL: none */
    size_t key_len, value_len;
    bool cut; /* the value is longer */
};

struct show_letters {            /* zero-initialise */
    bool none;                   /* there is no such topic */
    bool part;                   /* there are older ones that were not read */
    uint64_t read;               /* messages */
    uint64_t others;             /* of no route that is asked for, or no dead letters of ours */
    struct show_reason *reasons; /* by route, the most first */
    unsigned reasons_n;
    struct show_letter *sample; /* the newest first */
    unsigned sample_n;
};

/* Of the routes asked for; `sample`: so many of the newest, at most SHOW_LETTERS_SAMPLE_MAX. */
int show_letters_read(struct show_client *c, const struct chsinkd_conf *conf,
                      const struct route *const *routes, unsigned routes_n, int64_t sample,
                      struct show_letters *ret, struct pl_err *err);
void show_letters_release(struct show_letters *l);

/* The text without " (byte 17)" at its end: its length. Pure. */
size_t show_reason_len(const char *text, size_t len);

#endif
