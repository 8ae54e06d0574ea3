/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition.h - the protocol that turns a partition's messages into rows exactly once, as a pure
 * state machine.
 *
 * A batch is a range of offsets. It is announced (its start is committed to the group with its end
 * as metadata, lib/batch/range.h), inserted with a token made from the announcement, then its end
 * is committed. After a crash the announcement shows what may be in the table.
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
 * What may be in the table already: with the same route and a young token, the same rows are sent
 * again with the same token, which the table recognises (RECOVER). Otherwise everything below an
 * offset, `until`, is in doubt: a batch below it is inserted only after the table was asked what it
 * has of it (LOOKUP), and that only once nothing can still be on its way there (SETTLE). Each
 * announcement carries `until`, so that it survives a crash, until the group's offset reaches it.
 *
 * This relies on:
 * - A commit is refused once the group has given the partition to another (generation).
 * - An owner that has just committed keeps the partition for at least session.timeout.ms. An insert
 *   is sent only within lease_ms of that proof, so never after another owner is assigned. (Except
 *   by a process that is frozen for longer than the session timeout between checking the clock and
 *   writing to its socket: no client can prevent that.)
 * - settle_ms after an insert was sent, it is in the table or never will be.
 * - The table remembers a token for at least young_ms + settle_ms.
 *
 * check_partition.c searches all interleavings of two owners, with crashes, zombies, lost answers
 * and changed routes, and shows that each rule here is needed.
 *
 * Pure: no I/O, no clock, no allocation. Times are in ms: `now_ms` since 1970 (compared between
 * machines), `mono_ms` monotonic. Threads: any, one at a time per state.
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

/* The group's metadata at the committed offset `start`. */
struct partition_announcement {
    int64_t end;     /* -1: nothing is announced */
    int64_t at_ms;   /* since 1970; part of the token, with the range */
    uint64_t digest; /* of the route and the decoder; 0: written by a version without one */
    int64_t until;   /* rows below it may be there under another token; 0: none */
};

struct partition_state {
    enum partition_phase phase;
    int64_t start, end; /* start: the group's offset; [start, end): the batch under way */
    struct partition_announcement announced; /* what the group has, as far as we know */
    struct partition_announcement wanted;    /* ANNOUNCE, COMMIT: what is being committed */
    bool doubt;    /* an insert of the batch was sent, with unknown outcome */
    bool refused;  /* SETTLE, LOOKUP: the server refused the batch, which is split next */
    bool asked;    /* a call's answer is outstanding */
    int64_t until; /* below it the table is asked before each insert; 0: nowhere */
    /* Monotonic: when the call under way was made; when the last call that proved our ownership
     * was; the latest that an insert of this range can have been sent, by us or an owner before;
     * when `announced` was announced. */
    int64_t called_ms, proof_ms, sent_ms, born_ms;
};

enum partition_event_kind {
    EVENT_ASSIGNED, /* start (-1: the group has none), announced (end -1: nothing); only in NONE */
    EVENT_REVOKED,  /* the partition is revoked or lost; in NONE too (fenced before) */
    EVENT_STOP,     /* reading has stopped; what was read is finished */
    EVENT_CLOSED,   /* the batch [start, end) is ready: rows, next */
    EVENT_TIME,     /* the wait is over */
    EVENT_OK,       /* the call succeeded. LOOKUP: missing, found, single, next. INSERT: next.
                      * PLACE, CHECK: start */
    EVENT_RETRY,    /* it failed without effect; for plain commits and look-ups, which can be
                      * repeated, any failure but FENCED */
    EVENT_UNKNOWN,  /* INSERT, COMMIT with dead letters: it may have succeeded */
    EVENT_REFUSED,  /* INSERT: the server refuses the batch for its content or size */
    EVENT_FENCED,   /* we are no longer the owner, says the group */
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
    int64_t next; /* the end of the next batch, if already closed and with rows: this one's commit
                   * announces it. -1: none */
};

enum partition_action {
    ACTION_NONE,
    ACTION_PLACE,    /* ask the output for the position after its last row, else decide by the
                      * configuration; answer OK with start */
    ACTION_READ,     /* read from `start`; in RECOVER exactly up to announced.end, as one batch */
    ACTION_WAIT,     /* EVENT_TIME after the caller's back-off; in SETTLE at settle_at */
    ACTION_LOOK,     /* ask the table, drop the rows it has from the batch */
    ACTION_ANNOUNCE, /* commit `start` with `wanted` */
    ACTION_INSERT,   /* with the token of [start, announced.end) at announced.at_ms */
    ACTION_COMMIT,   /* commit `end` with `wanted`, and the batch's dead letters in the same
                      * transaction */
    ACTION_CHECK,    /* read the group's offset; answer OK with start */
    ACTION_SPLIT,    /* halve the batch in memory; CLOSED with the first half */
    ACTION_BURY,     /* its only message becomes a dead letter; CLOSED without rows */
    ACTION_NEXT,     /* CLOSED when there is a next batch */
    ACTION_DROP,     /* free the partition's batches: the next owner reads them again */
};

struct partition_conf {
    uint64_t digest;   /* of the route and the decoder; not 0 */
    bool can_look;     /* the table can be asked; otherwise ranges in doubt are inserted again: at
                        * least once */
    int64_t young_ms;  /* how long after its announcement a token is relied on */
    int64_t settle_ms; /* the longest an insert can be on its way */
    int64_t lease_ms;  /* below session.timeout.ms */
};

/* Updates the state and returns what to do. At most one call is outstanding: after LOOK,
 * PLACE, ANNOUNCE, INSERT, COMMIT and CHECK exactly one of OK, RETRY, UNKNOWN, REFUSED, FENCED
 * answers. An event that is impossible in the state is a bug of the caller (assert). */
enum partition_action partition_next(struct partition_state *s, const struct partition_conf *conf,
                                     const struct partition_event *e);

/* SETTLE: when EVENT_TIME is due, monotonic. */
int64_t partition_settle_at(const struct partition_state *s, const struct partition_conf *conf);

#endif
