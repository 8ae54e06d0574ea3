/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assignment.c - see assignment.h.
 */
#include "daemons/chsinkd/sink/assignment.h"

#include "daemons/chsinkd/sink/drive.h"
#include "daemons/chsinkd/sink/fetching.h"
#include "daemons/chsinkd/sink/intake.h"
#include "lib/base/clock.h"
#include "lib/base/step.h"
#include "lib/log/log.h"

/* For a batch that is under way when its partition is asked back. */
#define REVOKE_GRACE_MS      5000
#define COMMITTED_TIMEOUT_MS 5000
#define COMMITTED_RETRY_MS   500
/* For where the partitions begin and end, together: what is known before librdkafka is told of them
 * is read at once. (It goes on up to a second after a pause.) */
#define EXTENTS_MS 1000

static bool is_cooperative(rd_kafka_t *rk)
{
    const char *protocol = rd_kafka_rebalance_protocol(rk);
    return protocol && strcmp(protocol, "COOPERATIVE") == 0;
}

/* ---- what comes ---- */

/* By a missing right, for which a run that ends does not wait. */
static bool committed_refused(struct sink *s, rd_kafka_resp_err_t code)
{
    struct pl_err err;
    pl_kafka_err(&err, code, "cannot read the group's offsets");
    if (!s->once || err.kind != PL_ERR_CONFIG)
        return false;
    sink_fail(s, &err);
    return true;
}

/* The group's offsets and announcements for new partitions. Asks until there is an answer: without
 * it nothing can be read, and where it does not come, nothing can be committed either. */
static bool committed_get(struct sink *s, rd_kafka_topic_partition_list_t *list)
{
    while (!s->give_up && !s->stopping) {
        sink_deadline_begin(&s->consumer_deadline, "reading the group's offsets",
                            2 * COMMITTED_TIMEOUT_MS);
        rd_kafka_resp_err_t code = rd_kafka_committed(s->rk, list, COMMITTED_TIMEOUT_MS);
        for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
            code = list->elems[i].err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        if (rd_kafka_assignment_lost(s->rk) || committed_refused(s, code))
            return false;
        pl_log(PL_WARNING, PL_EVENT_KAFKA_ERROR, "cannot read the group's offsets, trying again",
               PL_F_STR("ERROR", rd_kafka_err2str(code)), PL_F_STR("GROUP", s->group));
        pthread_mutex_lock(&s->wake_lock);
        s->woken = false; /* by an answer, which is looked at after this */
        pthread_mutex_unlock(&s->wake_lock);
        consumer_wait(s, COMMITTED_RETRY_MS);
    }
    return false;
}

/* until_ms: how long Kafka may be waited for. */
static void partition_begin(struct sink *s, rd_kafka_topic_partition_t *tp, int64_t until_ms)
{
    struct partition *p = sink_partition(s, tp->topic, tp->partition);
    const struct committed committed = {tp->offset, tp->metadata, tp->metadata_size};
    sink_deadline_begin(&s->consumer_deadline, "taking over a partition", COMMITTED_TIMEOUT_MS);
    p->assigned = true;
    p->aside_tries = 0;
    p->once_end = -1;
    drive_enter(s, p, &committed, until_ms - pl_clock_monotonic_ms());
    /* Until reading begins the offset does not matter, but must be one. */
    p->paused = !p->reading;
    tp->offset = p->reading ? p->seek_to : RD_KAFKA_OFFSET_BEGINNING;
    if (p->reading)
        p->seek_to = -1;
    pl_log(PL_INFO, PL_EVENT_ASSIGNED, "partition assigned", SINK_F_PARTITION(p),
           SINK_F_TABLE(p->route), PL_F_INT("OFFSET_START", p->next_offset),
           PL_F_INT("ANNOUNCED_END", p->state.announced.end),
           PL_F_STR("PHASE", partition_phase_name(p->state.phase)));
}

/* Called before the assignment: librdkafka keeps an application's forwarding when fetching
 * begins. */
static void partitions_forward(struct sink *s, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_queue_t *q =
            rd_kafka_queue_get_partition(s->rk, list->elems[i].topic, list->elems[i].partition);
        rd_kafka_queue_forward(q, s->consumer->data);
        rd_kafka_queue_destroy(q);
    }
}

static void partitions_pause(struct sink *s, const rd_kafka_topic_partition_list_t *list)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *paused = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *tp = &list->elems[i];
        if (sink_partition(s, tp->topic, tp->partition)->paused)
            rd_kafka_topic_partition_list_add(paused, tp->topic, tp->partition);
    }
    if (paused->cnt > 0)
        rd_kafka_pause_partitions(s->rk, paused);
}

/* Lost again, or stopping. It is taken all the same, and not read: librdkafka goes on only after it
 * could give back what it was assigned. */
static void partition_skip(struct sink *s, rd_kafka_topic_partition_t *tp)
{
    sink_partition(s, tp->topic, tp->partition)->paused = true;
    tp->offset = RD_KAFKA_OFFSET_BEGINNING;
}

static void partitions_assign(struct sink *s, rd_kafka_topic_partition_list_t *list)
{
    bool known = list->cnt == 0 || committed_get(s, list);
    int64_t until_ms = pl_clock_monotonic_ms() + EXTENTS_MS;
    for (int i = 0; i < list->cnt; i++)
        if (known)
            partition_begin(s, &list->elems[i], until_ms);
        else
            partition_skip(s, &list->elems[i]);
    partitions_forward(s, list);
    bool cooperative = is_cooperative(s->rk);
    PL_CLEANUP(rd_kafka_error_destroyp)
    rd_kafka_error_t *error = cooperative ? rd_kafka_incremental_assign(s->rk, list) : NULL;
    rd_kafka_resp_err_t code =
        cooperative ? rd_kafka_error_code(error) : rd_kafka_assign(s->rk, list);
    if (code) {
        struct pl_err err;
        pl_kafka_err(&err, code, "cannot take the assigned partitions");
        sink_fail(s, &err);
    }
    partitions_pause(s, list);
    s->assigned_once = true;
    PL_STEP("chsinkd.assigned");
}

/* ---- what goes ---- */

static bool any_under_way(struct sink *s, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        const struct partition *p =
            sink_partition(s, list->elems[i].topic, list->elems[i].partition);
        if (p->working && p->state.phase != PARTITION_LOST && p->aside == ASIDE_NO)
            return true;
    }
    return false;
}

static void partitions_give_back(struct sink *s, rd_kafka_topic_partition_list_t *list, bool lost)
{
    for (int i = 0; i < list->cnt; i++) {
        struct partition *p = sink_partition(s, list->elems[i].topic, list->elems[i].partition);
        drive_leave(s, p);
        fetching_release(s, p);
        p->assigned = false;
        pl_log(PL_INFO, PL_EVENT_REVOKED, "partition given up", SINK_F_PARTITION(p),
               SINK_F_TABLE(p->route),
               PL_F_STR("REASON",
                        lost ? "the group has moved on without us" : "asked back by the group"));
    }
    if (is_cooperative(s->rk)) {
        /* An error: the group has moved on already. */
        rd_kafka_error_destroy(rd_kafka_incremental_unassign(s->rk, list));
    } else {
        rd_kafka_assign(s->rk, NULL);
    }
    PL_STEP("chsinkd.revoked");
}

void assignment_continue(struct sink *s)
{
    struct consumer *c = s->consumer;
    bool lost = rd_kafka_assignment_lost(s->rk);
    if (!c->revoking)
        return;
    if (!lost && !c->closing && any_under_way(s, c->revoking) &&
        pl_clock_monotonic_ms() < c->revoke_until_ms)
        return;
    rd_kafka_topic_partition_list_t *list = PL_TAKE(c->revoking);
    partitions_give_back(s, list, lost);
    rd_kafka_topic_partition_list_destroy(list);
}

static void partitions_revoke(struct sink *s, const rd_kafka_topic_partition_list_t *list)
{
    struct consumer *c = s->consumer;
    for (int i = 0; i < list->cnt; i++) {
        struct partition *p = sink_partition(s, list->elems[i].topic, list->elems[i].partition);
        consumer_forget(c, p);
        p->leaving = true;
        p->reading = false;
        p->stale |= p->call == CALL_ENTER;
        intake_drop(s, p);
    }
    c->revoking = rd_kafka_topic_partition_list_copy(list);
    c->revoke_until_ms = pl_clock_monotonic_ms() + REVOKE_GRACE_MS;
    PL_STEP("chsinkd.revoking");
    assignment_continue(s);
}

/* A rebalance pauses all partitions inside librdkafka, which then goes on behind the last message
 * that it has put into an array. Before 2.1 rd_kafka_consume_batch_queue() drops what it has put
 * there, when the pause comes while it waits for more: what stays ours would go on with a gap. */
static void partitions_seek(struct sink *s)
{
    for (unsigned i = 0; i < s->partitions_n; i++) {
        struct partition *p = s->partitions[i];
        if (p->assigned && p->reading && p->seek_to < 0)
            p->seek_to = p->next_offset;
    }
}

void assignment_change(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                       rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct sink *s = consumer_sink(rk);
    (void)opaque;
    partitions_seek(s);
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        partitions_assign(s, list);
    else
        partitions_revoke(s, list);
}
