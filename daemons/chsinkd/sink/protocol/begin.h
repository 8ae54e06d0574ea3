/* SPDX-License-Identifier: Apache-2.0 */
/*
 * begin.h - where a partition is read from, when it is assigned and when Kafka refuses an offset as
 * out of range; never a guess.
 *
 *     the group has    Kafka has        else                         answer
 *     ?                ?                watermarks not known         WAIT
 *     any              high below the output's position              STOP: TABLE_BEYOND
 *                      for BEGIN_CONFIRM_MS
 *     none             else, a position      offsets_lost: stop      STOP: OFFSET_LOST
 *     any              else, a position                              CONTINUE there or before: see
 *                                                                    partition.h
 *     unproved, below  any              offsets_lost: start          FROM_LOW, nothing lost
 *     an offset        low..high                                     CONTINUE there
 *                      low above it                                  FROM_LOW, with what is lost
 *                      high below it    for BEGIN_CONFIRM_MS         STOP: BEYOND
 *                      any              below what we have committed STOP: WENT_BACK
 *     none             any              we have committed one        STOP: MADE_AGAIN
 *                      ?                the table does not answer    WAIT
 *     none, the table  low..high        offsets_lost: table          AT_TABLE: a batch before its
 *                                                                    end, below which is in doubt
 *     has rows         low above        offsets_lost: table          FROM_LOW, with what is lost
 *                      high below       for BEGIN_CONFIRM_MS         STOP: TABLE_BEYOND
 *                      any              offsets_lost: stop           STOP: OFFSET_LOST
 *                      any              offsets_lost: start          as with an empty table
 *     none, --replay   any              the table can be asked       FROM_LOW, all in doubt: an
 *                                                                    earlier one may have read it
 *     none, no rows    any              start: latest, and new       AT_HIGH
 *     (or not known)   any              else                         FROM_LOW, nothing lost
 *
 * Latest is for what was there before the group: the topic had no offset of the group when this
 * process started, and the partition existed then. (Looked up before joining the group, since then
 * no other member of a new group can have committed yet.) A partition that comes later is read from
 * its beginning. A place chosen without an offset of the group is committed before the first
 * message is read (partition.h's CLAIM): a crash before the first batch could choose another.
 *
 * A topic that was deleted and made again shows by what we have committed in it: Kafka forgets a
 * deleted topic's offsets, and they never go back while a group has members. Across a restart it
 * shows by an end before the group's offset or the table's rows (librdkafka 2.0 gives neither topic
 * ids nor leader epochs). Otherwise the rows must tell: AT_TABLE is *unproved* until those in doubt
 * were compared with the messages (OTHER_ROWS: they are not the same). The place is in the group by
 * then, so to begin anew, `offsets_lost: start` counts there as if there were no offset.
 *
 * Pure.
 */
#ifndef CHSINKD_SINK_BEGIN_H
#define CHSINKD_SINK_BEGIN_H

#include "daemons/chsinkd/conf.h"

/* An end before an offset of ours may be a new leader's that is not up to date. */
#define BEGIN_CONFIRM_MS 10000

enum begin_table {
    BEGIN_TABLE_UNKNOWN, /* asked without an answer yet */
    BEGIN_TABLE_BLIND,   /* it cannot be asked: no columns for topic, partition, offset */
    BEGIN_TABLE_ASKED,
    BEGIN_TABLE_BY_ROW, /* --replay: it can be asked for rows, and has no place in the topic */
};

struct begin_facts {
    /* The group's. An offset to be fetched that is out of range counts as the group's. */
    int64_t offset;    /* -1: none */
    int64_t position;  /* that the output keeps; 0, -1: none */
    int64_t announced; /* the end of an announced range; -1: none */
    int64_t committed; /* the last that this process has committed or read; -1: none */
    bool unproved;     /* the offset was chosen AT_TABLE, and is not behind what is in doubt */

    bool watermarks; /* low and high are known */
    int64_t low, high;
    int64_t beyond_ms; /* since when high has been seen below the offset or the table's rows; 0: now
                        * for the first time */

    /* Only where the group has no offset. */
    enum begin_table table;
    int64_t table_next; /* ASKED: after the highest offset that is there; -1: no rows */
    /* The offsets that a batch can hold: the last that is in the table may not be there as a whole,
     * nor its dead letters. */
    int64_t batch_max;
    bool topic_new; /* at this process's start the group had no offset in the topic */
    bool existed;   /* the partition was there at this process's start */

    enum chsinkd_start start; /* --replay: EARLIEST */
    enum chsinkd_offsets_lost offsets_lost;
};

enum begin_answer {
    BEGIN_CONTINUE,
    BEGIN_FROM_LOW,
    BEGIN_AT_HIGH,
    BEGIN_AT_TABLE, /* a batch before the end of its rows; `in_doubt` is their end */
    BEGIN_WAIT,     /* ask for what is not known, or again, and decide again */
    BEGIN_STOP,     /* a person must act: `why` */
};

enum begin_why {
    BEGIN_NONE,
    BEGIN_BEYOND,
    BEGIN_WENT_BACK,
    BEGIN_MADE_AGAIN,
    BEGIN_TABLE_BEYOND,
    BEGIN_OFFSET_LOST,
    BEGIN_OTHER_ROWS,  /* not by begin_decide(): found later, when rows are compared */
    BEGIN_OTHER_TOPIC, /* nor this: when a message is compared with the position's note */
};

struct begin {
    enum begin_answer answer;
    int64_t offset;   /* neither WAIT nor STOP: the first to read */
    int64_t lost;     /* FROM_LOW: messages that were deleted before they were read, at most */
    int64_t in_doubt; /* rows below it may be there under other tokens: the table is asked before
                       * each insert; 0: none. FROM_LOW: the announced range has lost its begin and
                       * cannot be repeated; or BY_ROW */
    bool blind;       /* there is no offset and the table cannot be asked: rows that are there are
                       * loaded again (warn: at least once) */
    enum begin_why why;
};

struct begin begin_decide(const struct begin_facts *f);
/* The group's offset does not count, nor what is announced there. */
bool begin_is_anew(const struct begin_facts *f);

/* The text of a STOP, CONFIG (ours). OTHER_ROWS: `offset` has them, `table_next` is where the doubt
 * ends. */
int begin_err(const struct begin_facts *f, enum begin_why why, const char *topic, int32_t partition,
              struct pl_err *err);

#endif
