/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition.h - the protocol that turns a partition's messages into rows exactly once, as a pure
 * state machine.
 *
 * A batch is a range of offsets. It is announced (its start is committed to the group with its end
 * as metadata, lib/batch/range.h), inserted with a token made from the announcement, then its end
 * is committed. After a crash the announcement shows what may be in the table.
 *
 *     NONE ──assigned──> CLAIM ──nothing announced──> OPEN <──────────────────────────────────┐
 *      │                 ^ │ │                         │ ^ split, buried                      │
 *      └─no offset─> PLACE │ │                  closed │ └─────────────────────┐              │
 *                          │ │                         v                       │              │
 *                          │ │               ┌───> ANNOUNCE ──committed──> INSERT ──> COMMIT ─┤
 *                          │ │               │                              ^ │         │ ^   │
 *                          │ └─same route,── │ ──> RECOVER ──closed─────────┘ │         v │   │
 *                          │   young token   │                                │       CHECK ──┘
 *                          │                 │ missing                        │  (a commit of dead
 *                          │                 │     all there ──> COMMIT       │   letters whose
 *                          └─else─> SETTLE ──> LOOKUP                         │   answer was lost)
 *                                     ^          ^       refused              │
 *                                     │          └────────────────────────────┤
 *                                     └─ in doubt, and refused or too old ────┘
 *
 *     any ──fenced, revoked──> NONE, by way of LOST while an answer is outstanding
 *     any ──stop──> NONE, but ANNOUNCE, INSERT, COMMIT and CHECK are finished first
 *
 * The same as a table: what follows in each phase. "wait": ACTION_WAIT, then TIME repeats the call.
 *
 *               OK                          RETRY  UNKNOWN  other
 *     PLACE     CLAIM                       wait   wait
 *     CLAIM     OPEN, RECOVER or SETTLE     wait   wait
 *     OPEN                                                  CLOSED: LOOKUP below `until`; COMMIT
 *                                                           without rows; INSERT if announced;
 *                                                           else ANNOUNCE
 *     RECOVER                                               CLOSED: INSERT; COMMIT without rows
 *     SETTLE                                                TIME: LOOKUP; OPEN without a batch
 *     LOOKUP    COMMIT if all is there;     wait   wait
 *               OPEN (split) if refused;
 *               else ANNOUNCE
 *     ANNOUNCE  INSERT                      wait   wait
 *     INSERT    COMMIT                      wait   wait     REFUSED: LOOKUP; SETTLE if in doubt
 *     COMMIT    OPEN                        wait   CHECK
 *     CHECK     OPEN if it succeeded;       wait   wait
 *               else COMMIT
 *     LOST      NONE                        NONE   NONE
 *
 * Before each INSERT: with an old token SETTLE (in doubt) or ANNOUNCE (not); after the lease
 * ANNOUNCE of the same, which renews it.
 *
 * What may be in the table already: with the same route and a young token, the same rows are sent
 * again with the same token, which the table recognises (RECOVER). Otherwise everything below an
 * offset, `until`, is in doubt: a batch below it is inserted only after the table was asked what it
 * has of it (LOOKUP), and that only once nothing can still be on its way there (SETTLE). Each
 * announcement carries `until`, so that it survives a crash, until the group's offset reaches it.
 * The age of a token counts at recovery and while an insert is tried again alike.
 *
 * This relies on:
 * - Commits are refused once the group has given the partition to another. Hence an earlier owner's
 *   last proof (a commit that succeeded) was called before our assignment, however it was ended: by
 *   session.timeout.ms, max.poll.interval.ms, or another member with its group.instance.id.
 * - An insert is sent within lease_ms of its owner's last proof (partition_insert_by()), and
 *   settle_ms later it is in the table or never will be. So lease_ms + settle_ms after our
 *   assignment nothing of an earlier owner can arrive. The assignment itself proves nothing (the
 *   callback may come late, when another owns the partition), nor does reading the group's offset:
 *   a commit does, hence CLAIM. (A process that is frozen for longer than the lease between
 *   checking the clock and writing to its socket breaks this; no client can prevent that.)
 * - The table remembers a token for at least young_ms + lease_ms + settle_ms.
 * - Owners' wall clocks differ by less than a minute, or the table remembers tokens for longer by
 *   the difference. A clock that is ahead, or behind by more than a token's age and a minute, costs
 *   a look-up, nothing else.
 * - Where PLACE is answered `settled` (a replay), nobody has deleted the group within lease_ms +
 *   settle_ms of an owner that was killed; Kafka itself forgets it offsets.retention.minutes after
 *   it was left. Nothing was ever inserted for a group that never had an offset, as a commit comes
 *   first. So nothing is on its way, and the table is asked at once.
 * - A commit that timed out does not take effect any more once a later plain commit of the same
 *   owner has succeeded (they go over one connection). It may before; a transaction goes another
 *   way, so none is begun before a plain commit has succeeded: CLAIM again.
 *
 * The token of an insert is made of the target, topic and partition, `start`, announced.end and
 * announced.at_ms (pl_range_token()): the same for each repetition, another after each announcement
 * of a new time. Times grow with each new announcement of a start, whatever the clock: none is
 * used again.
 *
 * An output that keeps the position with the rows (keeps_position) needs none of this. It is asked
 * at each assignment where it is; an insert takes effect only if the position is still what we know
 * of it, and moves it, so whatever comes late has none, and an insert is repeated until it is
 * answered:
 *
 *     NONE ──assigned──> PLACE ──> CLAIM ──> OPEN ──closed──> INSERT ──> COMMIT ──> OPEN
 *                                            ^ │                │        ^
 *                                            │ └── below the position ───┘
 *                                            └── split, buried ─┘            moved: FENCED
 *
 * Between INSERT and COMMIT the rows are there and the dead letters are not. So the position's note
 * names them (note.h): below the position the next owner inserts nothing, and writes the dead
 * letters that the note names, whatever its route says.
 *
 * Without can_look a message is a row at least once: only the announced token of the same route
 * prevents doubles. Dead letters are written once in either case, but those of a group that is gone
 * (ACTION_PLACE).
 *
 * check_partition.c searches all interleavings of two owners, with crashes, owners that know
 * nothing of a handover, lost answers, late commits and changed routes; it shows that each rule and
 * assumption here is needed, and that from every state everything is delivered if nothing else goes
 * wrong.
 *
 * Pure: no I/O, no clock, no allocation. Times are in ms: `now_ms` since 1970 (compared between
 * machines), `mono_ms` monotonic, by a clock that runs on while the machine is suspended, as the
 * group does not wait for us. Threads: any, one at a time per state.
 */
#ifndef CHSINKD_SINK_PARTITION_H
#define CHSINKD_SINK_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

enum partition_phase {
    PARTITION_NONE,     /* not ours */
    PARTITION_PLACE,    /* the group has no offset: asking the output where to begin */
    PARTITION_CLAIM,    /* committing what the group has again: is it ours? */
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
    struct partition_announcement wanted;    /* CLAIM, ANNOUNCE, COMMIT: what is being committed */
    bool doubt;    /* an insert of the batch was sent, with unknown outcome */
    bool refused;  /* SETTLE, LOOKUP: the server refused the batch, which is split next */
    bool asked;    /* a call's answer is outstanding */
    bool stopping; /* EVENT_STOP has come */
    int64_t until; /* below it the table is asked before each insert; 0: nowhere */
    int64_t position; /* keeps_position: what the output has, as far as we know; -1: none */
    /* Monotonic: when the call under way was made; when the last commit that succeeded was called;
     * the latest that an insert of this range can have been sent, by us or an owner before; when
     * `announced` was announced. */
    int64_t called_ms, proof_ms, sent_ms, born_ms;
};

enum partition_event_kind {
    /* start (-1: the group has none) and announced (end -1: nothing, or only `until`), read when no
     * transaction of ours is undecided (isolation.level=read_committed). Only in NONE: while LOST,
     * a new assignment is kept until the answer has come, then the group is read. Also to take up
     * again what was left by EVENT_REVOKED without the group's wish (set aside). */
    EVENT_ASSIGNED,
    EVENT_REVOKED, /* revoked, lost, or set aside; in NONE too (fenced before) */
    /* Nothing is read any more. A batch that is announced or sent is finished, and tried again
     * until the caller has had enough and says REVOKED; the rest is left for the next owner. Ends
     * with ACTION_DROP, after which the phase is NONE. */
    EVENT_STOP,
    EVENT_CLOSED,  /* the batch [start, end) is ready: rows, next. If partition_wants_batch() */
    EVENT_TIME,    /* the wait is over; ignored when there is none, or not yet */
    EVENT_OK,      /* the call succeeded. LOOKUP: missing, found, single, next. INSERT: next.
                    * CHECK: start. PLACE: start, and announced.until: below it the table has rows,
                    * not necessarily all; settled. keeps_position: position */
    EVENT_RETRY,   /* it failed without effect; for plain commits and look-ups, which can be
                    * repeated, any failure but FENCED. INSERT: nothing of it is there; also of a
                    * single message that is too large */
    EVENT_UNKNOWN, /* INSERT, COMMIT with dead letters: it may have succeeded, or in part (the table
                    * is held up, by a view for instance). Of a transaction: no request that belongs
                    * to it is accepted any more */
    EVENT_REFUSED, /* INSERT: the server refuses the batch for its content or size */
    EVENT_FENCED,  /* we are no longer the owner, says the group, or the output's position */
    EVENT_KINDS,
};

struct partition_event {
    enum partition_event_kind kind;
    int64_t now_ms, mono_ms;
    int64_t start, end;
    struct partition_announcement announced;
    int64_t position;
    bool rows;    /* CLOSED: the batch has rows to insert */
    bool settled; /* OK of PLACE: no insert of an owner in a group that is gone is on its way */
    bool missing; /* OK of a look-up: not all rows of the batch are there */
    bool found;   /* OK of a look-up: some are */
    bool single;  /* REFUSED, OK of a look-up: the batch is one message */
    int64_t next; /* the end of the next batch, if already closed and with rows: this one's commit
                   * announces it. -1, 0: none */
};

enum partition_action {
    ACTION_NONE,
    /* Ask the output for the position after its last row, else decide by the configuration; answer
     * OK. What is before the position may be incomplete (a batch of the group that was): begin
     * earlier by as much as a batch can hold, with announced.until = the position, and no row is
     * lost or doubled. Dead letters from there on may be written again.
     * keeps_position: begin at the group's offset or at the position, whichever is lower (without
     * an offset, a batch before the position). A batch ends at the position, if it begins before;
     * its rows are there, and its dead letters are those of the note. */
    ACTION_PLACE,
    ACTION_READ, /* read from `start`; in RECOVER exactly up to announced.end, as one batch */
    ACTION_WAIT, /* EVENT_TIME after the caller's back-off; in SETTLE at partition_settle_at() */
    ACTION_LOOK, /* ask the table, drop the rows it has from the batch */
    ACTION_ANNOUNCE, /* commit `start` with `wanted` */
    ACTION_INSERT,   /* with the token of [start, announced.end) at announced.at_ms; not sent after
                      * partition_insert_by(): then RETRY */
    ACTION_COMMIT,   /* commit `end` with `wanted`, and the batch's dead letters in the same
                      * transaction */
    ACTION_CHECK,    /* read the group's offset, when the transaction is decided
                      * (isolation.level=read_committed); answer OK with start */
    ACTION_SPLIT,    /* halve the batch in memory; CLOSED with the first half */
    ACTION_BURY,     /* its only message becomes a dead letter; CLOSED without rows */
    ACTION_NEXT,     /* the batch is done, free it; CLOSED when there is a next one */
    ACTION_DROP,     /* free the partition's batches: the next owner reads them again. A batch whose
                      * answer is outstanding (LOST) stays until then */
};

struct partition_conf {
    uint64_t digest;   /* of the route and the decoder; not 0 */
    bool can_look;     /* the table can be asked; otherwise ranges in doubt are inserted again: at
                        * least once */
    bool keeps_position; /* the output does; not can_look. The rest is not used */
    int64_t young_ms;  /* how long after its announcement a token is relied on */
    int64_t settle_ms; /* the longest an insert can be on its way */
    int64_t lease_ms;  /* how long after a commit an insert may be sent */
};

/* Updates the state and returns what to do. A zeroed state is NONE. At most one call is
 * outstanding: after LOOK, PLACE, ANNOUNCE, INSERT, COMMIT and CHECK exactly one of OK, RETRY,
 * UNKNOWN, REFUSED, FENCED answers, also when LOST. An event that is impossible in the state is a
 * bug of the caller (assert). */
enum partition_action partition_next(struct partition_state *s, const struct partition_conf *conf,
                                     const struct partition_event *e);

/* EVENT_CLOSED may be given: the next batch, or in RECOVER the announced one. */
bool partition_wants_batch(const struct partition_state *s);
/* No batch is under way and no call outstanding: after a stop, the process can end. */
bool partition_is_idle(const struct partition_state *s);
/* "recover", for logs. */
const char *partition_phase_name(enum partition_phase phase);

/* INSERT: until when the insert may be sent, monotonic. */
int64_t partition_insert_by(const struct partition_state *s, const struct partition_conf *conf);
/* SETTLE: when EVENT_TIME is due, monotonic. */
int64_t partition_settle_at(const struct partition_state *s, const struct partition_conf *conf);

#endif
