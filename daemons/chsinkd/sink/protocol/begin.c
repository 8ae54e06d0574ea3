/* SPDX-License-Identifier: Apache-2.0 */
/*
 * begin.c - see begin.h.
 */
#include "daemons/chsinkd/sink/protocol/begin.h"

#include <inttypes.h>

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static struct begin stop(enum begin_why why)
{
    return (struct begin){.answer = BEGIN_STOP, .why = why};
}

/* The end is before `offset`, where we have been. */
static struct begin stop_when_sure(const struct begin_facts *f, enum begin_why why)
{
    return f->beyond_ms >= BEGIN_CONFIRM_MS ? stop(why) : (struct begin){.answer = BEGIN_WAIT};
}

static struct begin from_low(int64_t offset, int64_t low)
{
    return (struct begin){.answer = BEGIN_FROM_LOW, .offset = low, .lost = low - offset};
}

bool begin_is_anew(const struct begin_facts *f)
{
    return f->offset >= 0 && f->unproved && f->offsets_lost == CHSINKD_LOST_START;
}

static struct begin with_offset(const struct begin_facts *f)
{
    if (begin_is_anew(f))
        return (struct begin){.answer = BEGIN_FROM_LOW, .offset = f->low};
    if (f->offset < f->committed)
        return stop(BEGIN_WENT_BACK);
    if (f->offset > f->high)
        return stop_when_sure(f, BEGIN_BEYOND);
    if (f->offset >= f->low)
        return (struct begin){.answer = BEGIN_CONTINUE, .offset = f->offset};
    struct begin b = from_low(f->offset, f->low);
    if (f->announced > f->low)
        b.in_doubt = f->announced;
    return b;
}

static struct begin without_rows(const struct begin_facts *f)
{
    if (f->start == CHSINKD_LATEST && f->topic_new && f->existed)
        return (struct begin){.answer = BEGIN_AT_HIGH, .offset = f->high};
    return (struct begin){
        .answer = BEGIN_FROM_LOW, .offset = f->low, .blind = f->table == BEGIN_TABLE_BLIND};
}

static struct begin behind_rows(const struct begin_facts *f)
{
    if (f->table_next > f->high)
        return stop_when_sure(f, BEGIN_TABLE_BEYOND);
    struct begin b = from_low(f->table_next, f->low);
    if (f->table_next >= f->low) {
        int64_t offset = larger(f->low, f->table_next - f->batch_max);
        b = (struct begin){.answer = BEGIN_AT_TABLE,
                           .offset = offset,
                           .in_doubt = offset < f->table_next ? f->table_next : 0};
    }
    return b;
}

/* An earlier replay, of a group that is gone, may have read all that is there. */
static struct begin by_row(const struct begin_facts *f)
{
    return (struct begin){
        .answer = BEGIN_FROM_LOW, .offset = f->low, .in_doubt = f->high > f->low ? f->high : 0};
}

static struct begin without_offset(const struct begin_facts *f)
{
    if (f->committed >= 0)
        return stop(BEGIN_MADE_AGAIN);
    if (f->table == BEGIN_TABLE_UNKNOWN)
        return (struct begin){.answer = BEGIN_WAIT};
    if (f->table == BEGIN_TABLE_BY_ROW)
        return by_row(f);
    if (f->table == BEGIN_TABLE_BLIND || f->table_next < 0)
        return without_rows(f);
    switch (f->offsets_lost) {
    case CHSINKD_LOST_STOP:
        return stop(BEGIN_OFFSET_LOST);
    case CHSINKD_LOST_START:
        return without_rows(f);
    case CHSINKD_LOST_TABLE:
        return behind_rows(f);
    }
    abort();
}

/* The rows end there, whatever the group says; below it there may be dead letters to write. */
static struct begin at_position(const struct begin_facts *f)
{
    int64_t offset = f->offset >= 0 ? f->offset : larger(0, f->position - f->batch_max);
    if (f->position > f->high)
        return stop_when_sure(f, BEGIN_TABLE_BEYOND);
    if (f->offset < 0 && f->offsets_lost == CHSINKD_LOST_STOP)
        return stop(BEGIN_OFFSET_LOST);
    if (f->position < offset)
        offset = f->position;
    if (offset >= f->low)
        return (struct begin){.answer = BEGIN_CONTINUE, .offset = offset};
    return from_low(f->position < f->low ? f->position : f->low, f->low);
}

struct begin begin_decide(const struct begin_facts *f)
{
    if (!f->watermarks)
        return (struct begin){.answer = BEGIN_WAIT};
    if (f->committed >= 0 && f->offset < f->committed && f->position > 0)
        return stop(f->offset < 0 ? BEGIN_MADE_AGAIN : BEGIN_WENT_BACK);
    if (f->position > 0)
        return at_position(f);
    return f->offset >= 0 ? with_offset(f) : without_offset(f);
}

int begin_err(const struct begin_facts *f, enum begin_why why, const char *topic, int32_t partition,
              struct pl_err *err)
{
    static const char again[] = "To load it anew empty the table and use another group.id";
    switch (why) {
    case BEGIN_NONE:
        break;
    case BEGIN_BEYOND:
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "topic %.60s, partition %" PRId32 ": the group's offset %" PRId64
                          " is beyond the end, %" PRId64 ": the topic was made again or truncated. "
                          "%s",
                          topic, partition, f->offset, f->high, again);
    case BEGIN_WENT_BACK:
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "topic %.60s, partition %" PRId32 ": the group's offset went back from "
                          "%" PRId64 " to %" PRId64 " while it was used: the topic was made again, "
                          "or the offset set. A restart goes on there",
                          topic, partition, f->committed, f->offset);
    case BEGIN_MADE_AGAIN:
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "topic %.60s, partition %" PRId32 ": the group's offset, %" PRId64
                          ", is gone: the topic was deleted and made again. %s",
                          topic, partition, f->committed, again);
    case BEGIN_TABLE_BEYOND:
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "topic %.60s, partition %" PRId32 ": the table has rows up to offset "
                          "%" PRId64 ", beyond the end, %" PRId64 ": they are another topic's, or "
                          "it was made again. %s",
                          topic, partition, larger(f->table_next - 1, 0), f->high, again);
    case BEGIN_OFFSET_LOST:
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "topic %.60s, partition %" PRId32 ": the group has no offset, the table "
                          "has rows up to %" PRId64 ". Set the offset to %" PRId64 " with "
                          "kafka-consumer-groups --reset-offsets, or offsets_lost: table",
                          topic, partition, f->table_next - 1, f->table_next);
    case BEGIN_OTHER_TOPIC:
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "topic %.60s, partition %" PRId32 ": the message at offset %" PRId64
                          " is not the one that was loaded: the topic was made again. To load it "
                          "from its beginning into the same table use another group.id",
                          topic, partition, f->offset);
    case BEGIN_OTHER_ROWS:
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "topic %.60s, partition %" PRId32 ": the table's rows at offset %" PRId64
                          " are of other messages: the topic was made again, or the route has "
                          "changed since. To load the topic from its beginning, set offsets_lost: "
                          "start, and empty the table first or take another. If the messages are "
                          "the same, set the group's offset to %" PRId64
                          " with kafka-consumer-groups --reset-offsets",
                          topic, partition, f->offset, f->table_next);
    }
    abort();
}
