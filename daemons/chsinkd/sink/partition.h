/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition.h - how the messages of one partition become rows once: the protocol as a pure machine.
 *
 * A batch is a range of offsets. It is announced (its start is committed to the group with its end
 * as metadata, lib/batch/range.h), inserted with a token made of the announcement, then its end is
 * committed. Whoever finds the announcement after a crash knows what may be in the table.
 *
 *     NONE ──assigned, nothing announced──> OPEN <───────────────────────────────────────────┐
 *      │                                     │ ^  split, buried                              │
 *      │                              closed │ └────────────────────────┐                    │
 *      │                                     v                          │                    │
 *      │                        ┌───────> ANNOUNCE ──committed──> INSERT ──ok──> COMMIT ─────┤
 *      │                        │                                  ^  │           │  ^       │
 *      ├── same route, young ── │ ──> RECOVER ──closed─────────────┘  │           v  │       │
 *      │                        │                                     │         CHECK ───────┘
 *      │                missing │                                     │   (a commit of dead letters
 *      │                        │     all there ──> COMMIT            │    whose answer was lost)
 *      └── else ──> SETTLE ──> LOOKUP                                 │
 *                     ^          ^    refused                         │
 *                     │          └────────────────────────────────────┤
 *                     └── refused or too old, and an answer was lost ─┘
 *
 *     any ──fenced, revoked──> NONE, by way of LOST while an answer is outstanding
 *
 * One rule deals with what may be in the table already. The same route and a young token: the same
 * rows again with the same token, which the table recognises (RECOVER). Otherwise it is in doubt up
 * to an offset, `until`: no batch below it is inserted before the table was asked what it has of it
 * (LOOKUP), and before that nothing may be on its way there (SETTLE). `until` is in each
 * announcement, so it survives a crash, until the group's offset has reached it.
 *
 * What the world must hold for this:
 * - A commit is refused once the group has given the partition to another (generation).
 * - An owner that has just committed keeps the partition for session.timeout.ms at least. An insert
 *   is sent only within lease_ms of that proof, so when another is assigned no new insert begins.
 *   (What remains is a process that is frozen between that look at the clock and the write to its
 *   socket, for longer than the session timeout: no client can close that.)
 * - An insert that was sent is in the table or never will be settle_ms later.
 * - The table remembers a token for young_ms + settle_ms at least.
 *
 * check_partition.c searches all interleavings of two owners, with crashes, zombies, lost answers
 * and changed routes, and shows that each rule here is needed.
 *
 * Pure: no I/O, no clock, nothing allocated. Times are given in ms: `now_ms` since 1970 (compared
 * between machines), `mono_ms` monotonic. Threads: any, one at a time for a state.
 */
#ifndef CHSINKD_SINK_PARTITION_H
#define CHSINKD_SINK_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

enum partition_phase {
    PARTITION_NONE,     /* not ours */
    PARTITION_PLACE,    /* the group has no offset: asking the output where to begin */
    PARTITION_OPEN,     /* reading; no batch under way */
    PARTITION_RECOVER,  /* reading an announced range again */
    PARTITION_SETTLE,   /* waiting until no insert of the range can still arrive */
    PARTITION_LOOKUP,   /* asking the table what it has of the range */
    PARTITION_ANNOUNCE, /* committing the start, with the end as metadata */
    PARTITION_INSERT,
    PARTITION_COMMIT, /* committing the end, with dead letters if there are any */
    PARTITION_CHECK,  /* reading the group's offset: did that commit succeed? */
    PARTITION_LOST,   /* not ours; a call's answer is outstanding */
    PARTITION_PHASES,
};

/* What is in the group's metadata with the committed offset `start`. */
struct partition_announcement {
    int64_t end;     /* -1: nothing is announced */
    int64_t at_ms;   /* since 1970; with the range it makes the token */
    uint64_t digest; /* of the route and the decoder; 0: written by a version without one */
    int64_t until;   /* below it rows may be there by another token; 0: none */
};

struct partition_state {
    enum partition_phase phase;
    int64_t start, end; /* start: the group's offset; [start, end): the batch under way */
    struct partition_announcement announced; /* what the group has, as far as it answered */
    struct partition_announcement wanted;    /* ANNOUNCE, COMMIT: what is being committed */
    bool doubt;    /* an insert of the batch was sent, and what became of it is unknown */
    bool refused;  /* SETTLE, LOOKUP: the server has refused the batch, which is split next */
    bool asked;    /* a call's answer is outstanding */
    int64_t until; /* below it the table is asked before a batch is inserted; 0: nowhere */
    /* Monotonic: when the call under way was made; when the last one was that showed that we own
     * the partition; when an insert of this range can last have been sent, by us or before us. */
    int64_t called_ms, proof_ms, sent_ms;
};

enum partition_event_kind {
    EVENT_ASSIGNED, /* start (-1: the group has none), announced (end -1: nothing); only in NONE */
    EVENT_REVOKED,  /* the partition is asked back, or lost */
    EVENT_STOP,     /* no more is read; what is read is brought to its end */
    EVENT_CLOSED,   /* the batch [start, end) is ready: rows, next */
    EVENT_TIME,     /* the wait that was asked for is over */
    EVENT_OK,       /* the call succeeded. LOOKUP: missing, found, single, next. INSERT: next.
                      * PLACE, CHECK: start */
    EVENT_RETRY,    /* it failed and left nothing; of plain commits and look-ups any failure that
                      * is not FENCED, as they can be repeated */
    EVENT_UNKNOWN,  /* INSERT, COMMIT with dead letters: it may have succeeded */
    EVENT_REFUSED,  /* INSERT: the server refuses the batch for what is in it, or its size */
    EVENT_FENCED,   /* the group says that we are no longer the owner */
    EVENT_KINDS,
};

struct partition_event {
    enum partition_event_kind kind;
    int64_t now_ms, mono_ms;
    int64_t start, end;
    struct partition_announcement announced;
    bool rows;    /* CLOSED: the batch has rows to insert */
    bool missing; /* OK of a look-up: not all rows of the batch are there */
    bool found;   /* OK of a look-up: some are */
    bool single;  /* REFUSED, OK of a look-up: the batch is one message */
    int64_t next; /* the end of the next batch, where it is closed already and has rows: the commit
                   * of this one's end announces it. -1: none */
};

enum partition_action {
    ACTION_NONE,
    ACTION_PLACE,    /* ask the output for the position after its last row, else decide by the
                      * configuration; answer OK with start */
    ACTION_READ,     /* read from `start`; in RECOVER exactly up to announced.end, as one batch */
    ACTION_WAIT,     /* EVENT_TIME after a back-off of the caller's, or at settle_at in SETTLE */
    ACTION_LOOK,     /* ask the table, take what is there off the batch */
    ACTION_ANNOUNCE, /* commit `start` with `wanted` */
    ACTION_INSERT,   /* with the token of [start, announced.end) at announced.at_ms */
    ACTION_COMMIT,   /* commit `end` with `wanted`, and the batch's dead letters in the same
                      * transaction */
    ACTION_CHECK,    /* read the group's offset, answer OK with start */
    ACTION_SPLIT,    /* halve the batch in memory, give the first half by CLOSED */
    ACTION_BURY,     /* its only message becomes a dead letter; CLOSED without rows */
    ACTION_NEXT,     /* give the next batch by CLOSED when there is one */
    ACTION_DROP,     /* free the partition's batches: they are read again by the next owner */
};

struct partition_conf {
    uint64_t digest;   /* of the route and the decoder; not 0 */
    bool can_look;     /* the table can be asked; otherwise a range that would need it is repeated,
                        * at least once */
    int64_t young_ms;  /* for this long after its announcement a token is relied on */
    int64_t settle_ms; /* the longest that an insert can be on its way */
    int64_t lease_ms;  /* below session.timeout.ms */
};

/* The next state, in place, and what is to be done. At most one call is outstanding: after LOOK,
 * PLACE, ANNOUNCE, INSERT, COMMIT and CHECK exactly one of OK, RETRY, UNKNOWN, REFUSED, FENCED
 * answers. An event that cannot come in the state is a bug of the caller (assert). */
enum partition_action partition_next(struct partition_state *s, const struct partition_conf *conf,
                                     const struct partition_event *e);

/* SETTLE: when EVENT_TIME is due, monotonic. */
int64_t partition_settle_at(const struct partition_state *s, const struct partition_conf *conf);

#endif
