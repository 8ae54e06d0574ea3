/* SPDX-License-Identifier: Apache-2.0 */
/*
 * note.h - what is kept with an output's position (output.h): which messages of its last batch are
 * to become dead letters.
 *
 * The rows are in the output before the dead letters are in Kafka. After a crash between the two,
 * or a revocation, the next owner finds the position behind the group's offset, and writes exactly
 * the dead letters that the note names: its own route may take what the one before has refused, or
 * the other way round, and the output itself may have refused a message. What the route takes now
 * comes back by --replay.
 *
 * As text it is JSON of one line:
 *
 *     {"id":"6f1c…-7","last":{"offset":18,"timestamp":1732849200123},
 *      "dead":[{"offset":17,"rows":"0,3-5","column":"x","reason":"…"}]}
 *
 * `id` makes each batch's note another. `last` is the batch's last message: where another one lies
 * at its offset, the topic is another that has the same name. Without dead letters `dead` is left
 * out, `rows` where the whole message is refused, and `last` where it is not known.
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_SINK_PROTOCOL_NOTE_H
#define CHSINKD_SINK_PROTOCOL_NOTE_H

#include "daemons/chsinkd/batch/letters.h"

struct note_letter {
    int64_t offset;
    struct row_set rows; /* empty: the whole message */
    char *column;        /* NULL: none */
    char *reason;
};

struct note_last {
    int64_t offset, timestamp_ms; /* as Kafka has it; -1: not known */
};

struct note { /* zeroed: empty */
    bool has_last;
    struct note_last last;
    struct note_letter *letters; /* by ascending offset */
    size_t n;
};

/* Appended. `id`: another for each batch, of letters, digits and '-'. */
void note_write(const char *id, const struct note_last *last, const struct dead_letters *dead,
                struct pl_buf *out);

/* Replaces what was there. An empty text is an empty note. CONFIG, and empty: it is not ours. */
int note_parse(struct note *n, const char *text, size_t len, struct pl_err *err);
void note_release(struct note *n);

/* The message is at the last one's offset, and is another. */
bool note_tells_another(const struct note *n, const struct note_last *message);

/* NULL: the message at `offset` is not to become one. */
const struct note_letter *note_find(const struct note *n, int64_t offset);

/* The dead letter of the message, as the note has it. `replayed`: see struct dead_letter_why. */
void note_letter_add(const struct note_letter *letter, const rd_kafka_message_t *message,
                     const char *route, bool replayed, struct dead_letters *dead);

#endif
