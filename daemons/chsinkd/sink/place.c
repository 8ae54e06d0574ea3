/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.c - see place.h.
 */
#include "daemons/chsinkd/sink/place.h"

#include "daemons/chsinkd/sink/consumer.h"
#include "daemons/chsinkd/sink/drive.h"
#include "daemons/chsinkd/sink/protocol/begin.h"
#include "daemons/chsinkd/sink/report.h"
#include "lib/base/clock.h"
#include "lib/log/log.h"

#define LOOK_MS 5000
/* The offsets of a batch are more than its rows: transactions' markers, compaction, messages
 * without rows. */
#define OFFSETS_A_ROW 4

/* ---- what was there at the start ---- */

static void topic_look(struct sink *s, const rd_kafka_metadata_topic_t *t,
                       rd_kafka_topic_partition_list_t *list)
{
    s->topics = pl_realloc_array(s->topics, s->topics_n + 1, sizeof(*s->topics));
    s->topics[s->topics_n++] =
        (struct sink_topic){.name = pl_strdup(t->topic), .partitions_n = t->partition_cnt};
    for (int i = 0; i < t->partition_cnt; i++)
        rd_kafka_topic_partition_list_add(list, t->topic, t->partitions[i].id);
}

static bool is_routed(const struct sink *s, const char *topic)
{
    for (unsigned i = 0; i < s->routes_n; i++)
        if (route_takes(s->routes[i].route, topic))
            return true;
    return false;
}

static struct sink_topic *topic_find(const struct sink *s, const char *name)
{
    for (unsigned i = 0; i < s->topics_n; i++)
        if (strcmp(s->topics[i].name, name) == 0)
            return &s->topics[i];
    return NULL;
}

int place_look(struct sink *s, struct pl_err *err)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    const rd_kafka_metadata_t *md;
    if (s->conf->start != CHSINKD_LATEST || s->replay)
        return 0;
    rd_kafka_resp_err_t code = rd_kafka_metadata(s->rk, 1, NULL, &md, LOOK_MS);
    if (code)
        return pl_kafka_err(err, code, "cannot read which topics there are");
    for (int i = 0; i < md->topic_cnt; i++)
        if (is_routed(s, md->topics[i].topic))
            topic_look(s, &md->topics[i], list);
    rd_kafka_metadata_destroy(md);
    if (list->cnt > 0)
        code = rd_kafka_committed(s->rk, list, LOOK_MS);
    for (int i = 0; i < list->cnt && !code; i++) {
        code = list->elems[i].err;
        if (list->elems[i].offset >= 0)
            topic_find(s, list->elems[i].topic)->has_offset = true;
    }
    return code ? pl_kafka_err(err, code, "cannot read the group's offsets") : 0;
}

/* ---- facts ---- */

static struct begin_facts facts_get(const struct sink *s, struct partition *p, int64_t offset)
{
    const struct sink_topic *t = topic_find(s, p->topic);
    if (s->once && p->once_end < 0)
        p->once_end = p->extent.high;
    return (struct begin_facts){
        .offset = offset,
        .announced = -1,
        .committed = p->committed,
        .unproved = p->probe,
        .watermarks = true,
        .low = p->extent.low,
        .high = p->extent.high,
        .beyond_ms = p->beyond_ms > 0 ? pl_clock_monotonic_ms() - p->beyond_ms : 0,
        .table_next = -1,
        .batch_max = OFFSETS_A_ROW * s->batch_rows,
        .topic_new = t && !t->has_offset,
        .existed = t && p->id < t->partitions_n,
        .start = s->replay ? CHSINKD_EARLIEST : (enum chsinkd_start)s->conf->start,
        .offsets_lost = (enum chsinkd_offsets_lost)s->conf->offsets_lost};
}

/* Since when the end has been before what we know. */
static void beyond_note(struct partition *p, const struct begin *b)
{
    if (b->answer != BEGIN_WAIT)
        p->beyond_ms = 0;
    else if (p->beyond_ms == 0)
        p->beyond_ms = pl_clock_monotonic_ms();
}

static void stop(struct sink *s, struct partition *p, const struct begin_facts *f,
                 enum begin_why why)
{
    struct pl_err err;
    begin_err(f, why, p->topic, p->id, &err);
    if (s->once || why == BEGIN_OFFSET_LOST) {
        sink_fail(s, &err);
        return;
    }
    pl_log_err(PL_ERROR, PL_EVENT_REFUSED,
               "a partition waits until a person says where to go on; others go on", &err,
               SINK_F_PARTITION(p), SINK_F_TABLE(p->route));
}

/* ---- decisions ---- */

bool place_check(struct sink *s, struct partition *p, struct partition_event *e)
{
    if (p->route->machine.keeps_position)
        return true; /* the output is asked next */
    struct begin_facts f = facts_get(s, p, e->start);
    p->low = f.low;
    if (e->announced.until > f.high)
        e->announced.until = f.high;
    f.announced = e->announced.end > e->announced.until ? e->announced.end : e->announced.until;
    if (e->start < 0 && f.committed < 0)
        return true; /* the output is asked next */
    const struct begin b = begin_decide(&f);
    beyond_note(p, &b);
    switch (b.answer) {
    case BEGIN_CONTINUE:
    case BEGIN_FROM_LOW:
    case BEGIN_AT_HIGH:
    case BEGIN_AT_TABLE:
        if (begin_is_anew(&f)) {
            e->start = b.offset;
            e->announced = (struct partition_announcement){.end = -1};
            p->probe = false;
        }
        p->committed = e->start;
        if (p->route->machine.can_look && e->announced.end > e->start &&
            e->announced.until <= e->start &&
            pl_clock_realtime_ms() - e->announced.at_ms >= s->conf->ask_table_after_ms)
            e->announced.digest = 0; /* is looked up, not repeated */
        p->retention_took = b.lost > 0;
        if (b.in_doubt > 0) /* its beginning is lost: it cannot be repeated as it was */
            e->announced = (struct partition_announcement){
                .end = -1, .digest = p->route->machine.digest, .until = b.in_doubt};
        return true;
    case BEGIN_STOP:
        stop(s, p, &f, b.why);
        break;
    case BEGIN_WAIT:
        break;
    }
    drive_aside(s, p, ASIDE_BEGIN, 0);
    return false;
}

/* The output keeps the position: what there is to say of it. */
static void position_say(const struct partition *p, const struct begin_facts *f,
                         const struct begin *b)
{
    if (f->position < 0 && f->offset > f->low)
        pl_log(PL_NOTICE, NULL,
               "the output has no position of this group, which has an offset: going on there",
               SINK_F_PARTITION(p), SINK_F_TABLE(p->route), PL_F_INT("OFFSET_START", b->offset));
    if (f->position > 0 && f->offset > f->position)
        pl_log(PL_WARNING, NULL,
               "the output's position is before the group's offset, as after a copy was put back: "
               "going on at the position",
               SINK_F_PARTITION(p), SINK_F_TABLE(p->route), PL_F_INT("OFFSET", f->offset),
               PL_F_INT("OFFSET_START", b->offset));
}

bool place_start(struct sink *s, struct partition *p, struct partition_event *e)
{
    const bool keeps = p->route->machine.keeps_position;
    struct begin_facts f = facts_get(s, p, keeps ? p->state.start : -1);
    struct pl_err err;
    f.table = !p->route->machine.can_look && !keeps ? BEGIN_TABLE_BLIND
              : sink_by_origin(s)                   ? BEGIN_TABLE_BY_ROW
                                                    : BEGIN_TABLE_ASKED;
    f.table_next = p->work.position;
    if (f.table == BEGIN_TABLE_BY_ROW && p->once_end >= 0)
        f.high = p->once_end; /* what was there when the group had no offset */
    if (keeps) {
        f.position = e->position = p->work.position;
        if (note_parse(&p->note_kept, p->work.note.data, p->work.note.len, &err) < 0) {
            report_retry(p, PL_EVENT_REFUSED, "a partition waits", &err);
            return false;
        }
    }
    struct begin b = begin_decide(&f);
    beyond_note(p, &b);
    if (b.answer == BEGIN_STOP)
        stop(s, p, &f, b.why);
    if (b.answer == BEGIN_STOP || b.answer == BEGIN_WAIT)
        return false;
    p->low = f.low;
    e->start = b.offset;
    if (keeps)
        position_say(p, &f, &b);
    e->announced.until = b.in_doubt;
    e->settled = f.table == BEGIN_TABLE_BY_ROW;
    p->probe = f.table == BEGIN_TABLE_ASKED && b.in_doubt > 0;
    if (b.blind)
        pl_log(PL_WARNING, PL_EVENT_AT_LEAST_ONCE,
               "the group has no offset here, and the table cannot be asked: what it has of this "
               "partition already is loaded again",
               SINK_F_PARTITION(p), SINK_F_TABLE(p->route), PL_F_INT("OFFSET_START", b.offset));
    if (b.answer == BEGIN_AT_TABLE)
        pl_log(PL_NOTICE, NULL,
               "the group has no offset here, and the table has rows: going on behind them",
               SINK_F_PARTITION(p), SINK_F_TABLE(p->route), PL_F_INT("OFFSET_START", b.offset),
               PL_F_INT("TABLE_END", f.table_next));
    if (b.lost > 0)
        report_lost(s, p, f.table_next, b.offset);
    if (f.table == BEGIN_TABLE_BY_ROW && b.in_doubt > 0)
        pl_log(PL_NOTICE, NULL,
               "the replay's group has no offset here: the table is asked which rows it has",
               SINK_F_PARTITION(p), SINK_F_TABLE(p->route));
    return true;
}

bool place_is_unproved(const struct partition_announcement *a, int64_t start)
{
    return start >= 0 && a->until > start && a->digest == 0;
}

void place_refuse(struct sink *s, struct partition *p, int64_t offset)
{
    const struct begin_facts f = {.offset = offset, .table_next = p->state.until};
    stop(s, p, &f, p->route->machine.keeps_position ? BEGIN_OTHER_TOPIC : BEGIN_OTHER_ROWS);
    drive_aside(s, p, ASIDE_BEGIN, 0);
}
