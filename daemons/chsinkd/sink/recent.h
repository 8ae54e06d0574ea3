/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recent.h - what a sink did lately, for people: its last batches, and dead letters by reason.
 *
 * Nothing of a message's contents is kept: what the output says of a message it refuses is left
 * out, and of the decoder's reasons the place in the message.
 *
 * Limits: RECENT_BATCHES batches, RECENT_REASONS reasons; the letters of further ones are counted
 * together. A few KiB a sink.
 *
 * Pure: no I/O, no clock. Threads: one owner at a time.
 */
#ifndef CHSINKD_SINK_RECENT_H
#define CHSINKD_SINK_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECENT_BATCHES 50
#define RECENT_REASONS 24

/* How a batch's rows came to be there exactly once. */
struct recent_token {
    unsigned inserts; /* answered, of the present range */
    bool position;    /* the output keeps the position with the rows */
    bool recovered;   /* an announced range, read again: the same token */
    bool halved;      /* the server refused it as a whole */
    bool looked;      /* the table was asked what it has of it … */
    bool some, all;   /* … and had some of the rows, all of them */
};

struct recent_batch {
    const char *route, *topic; /* borrowed, as long as the sink lives */
    int32_t partition;
    int64_t start, end;
    uint64_t rows, letters;
    int64_t at_ms; /* since 1970: when it was committed */
    int64_t took_ms;
    struct recent_token token;
};

/* "inserted", "inserted by the same token, try 3", … : by the words of protocol/partition.h. */
const char *recent_token_text(const struct recent_batch *b, char *out, size_t size);

struct recent_reason {
    const char *route; /* borrowed */
    char text[120];    /* "column delta: not a number" */
    uint64_t count;
    int64_t at_ms; /* since 1970: of the last */
};

/* Zero-initialise; may be copied. */
struct recent {
    struct recent_batch batches[RECENT_BATCHES]; /* number i is at i modulo RECENT_BATCHES */
    uint64_t batches_n;                          /* ever */
    struct recent_reason reasons[RECENT_REASONS];
    unsigned reasons_n;
    uint64_t others; /* letters of reasons that found no place */
};

void recent_batch_add(struct recent *r, const struct recent_batch *b);
/* Number `back` from the last, which is 0; NULL: not so many. */
const struct recent_batch *recent_batch(const struct recent *r, unsigned back);

/* `reason` as in a dead letter's header. `output` is the name that begins the reason of a message
 * that the output refused. */
void recent_letter_add(struct recent *r, const char *route, const char *reason, const char *output,
                       int64_t now_ms);

#endif
