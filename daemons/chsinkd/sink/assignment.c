/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assignment.c - see assignment.h.
 */
#include "daemons/chsinkd/sink/assignment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemons/chsinkd/sink/intake.h"
#include "lib/base/clock.h"
#include "lib/log/log.h"

/* For an insert that is under way when its partition is asked back. */
#define REVOKE_GRACE_MS      5000
#define COMMITTED_TIMEOUT_MS 5000

/* ---- what comes ---- */

void assignment_recover(struct sink *s, struct partition *p)
{
    const struct pl_range range = {p->topic, p->id, p->next_offset, p->fixed_end, 0};
    free(PL_TAKE(p->present));
    p->present_n = 0;
    if (pl_clock_realtime_ms() - p->announced.at_ms < s->conf->ask_table_after_ms || s->replay)
        return;
    if (!sink_can_ask_table(p->route->route)) {
        pl_log(PL_WARNING, PL_EVENT_AT_LEAST_ONCE,
               "a range was announced long ago and the table has no columns for topic, partition "
               "and offset to look it up; if ClickHouse has forgotten its token its rows may be "
               "doubled",
               SINK_F_TABLE(p->route), SINK_F_PARTITION(p), SINK_F_RANGE(&range));
        return;
    }
    sink_deadline_begin(&s->consumer_deadline, "looking up a range in the table", s->clickhouse_ms);
    struct pl_err err;
    while (sink_ask_table(s->consumer->client, p->route, &range, &p->present, &p->present_n, &err) <
           0) {
        if (s->give_up || s->stopping)
            return;
        pl_log_err(PL_WARNING, PL_EVENT_SINK_AWAY,
                   "cannot look up a range in the table, trying again", &err,
                   SINK_F_TABLE(p->route), SINK_F_PARTITION(p));
        sink_deadline_begin(&s->consumer_deadline, "looking up a range in the table",
                            1000 + s->clickhouse_ms);
        sink_room_wait(s, 1000);
    }
}

/* The group's offsets and announcements for new partitions. Asks until there is an answer: without
 * it nothing can be read. */
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
        if (rd_kafka_assignment_lost(s->rk))
            return false;
        pl_log(PL_WARNING, PL_EVENT_KAFKA_ERROR, "cannot read the group's offsets, trying again",
               PL_F_STR("ERROR", rd_kafka_err2str(code)),
               PL_F_STR("GROUP", chsinkd_conf_group(s->conf)));
        sink_room_wait(s, 500);
    }
    return false;
}

static void partition_begin(struct sink *s, rd_kafka_topic_partition_t *tp)
{
    struct partition *p = sink_partition(s, tp->topic, tp->partition);
    int64_t low = 0, high = 0;
    sink_deadline_begin(&s->consumer_deadline, "taking over a partition", COMMITTED_TIMEOUT_MS);
    p->fixed_end = p->limit_until = p->condemned = p->once_end = -1;
    p->once_done = false;
    free(PL_TAKE(p->present));
    p->present_n = 0;
    if (s->once &&
        rd_kafka_query_watermark_offsets(s->rk, p->topic, p->id, &low, &high,
                                         COMMITTED_TIMEOUT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        p->once_end = high; /* else EOF is the end */
    p->retention_took = false;
    p->seek_refused_ms = 0;
    p->next_offset = tp->offset >= 0 ? tp->offset : -1;
    if (tp->offset < 0) /* not queried: librdkafka can then give the end as the beginning */
        tp->offset = s->conf->start == CHSINKD_LATEST && !s->replay ? RD_KAFKA_OFFSET_END
                                                                    : RD_KAFKA_OFFSET_BEGINNING;
    p->announced.end = -1;
    struct pl_announcement announced;
    if (pl_announcement_parse(tp->metadata, tp->metadata_size, BATCH_PROGRAM, &announced) &&
        announced.end > p->next_offset) {
        p->announced = announced;
        p->fixed_end = announced.end;
        assignment_recover(s, p);
    }
    pthread_mutex_lock(&s->lock);
    p->rewind = false;
    p->assigned = true;
    p->epoch++;
    pthread_mutex_unlock(&s->lock);
    pl_log(PL_INFO, PL_EVENT_ASSIGNED, "partition assigned", SINK_F_PARTITION(p),
           SINK_F_TABLE(p->route), PL_F_INT("OFFSET_START", p->next_offset),
           PL_F_INT("ANNOUNCED_END", p->fixed_end));
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

static void partitions_assign(struct sink *s, rd_kafka_topic_partition_list_t *list,
                              bool cooperative)
{
    if (list->cnt > 0 && !committed_get(s, list))
        list->cnt = 0; /* lost again or stopping: an empty assignment answers the group */
    for (int i = 0; i < list->cnt; i++)
        partition_begin(s, &list->elems[i]);
    partitions_forward(s, list);
    PL_CLEANUP(rd_kafka_error_destroyp)
    rd_kafka_error_t *error = cooperative ? rd_kafka_incremental_assign(s->rk, list) : NULL;
    rd_kafka_resp_err_t code =
        cooperative ? rd_kafka_error_code(error) : rd_kafka_assign(s->rk, list);
    if (code) {
        struct pl_err err;
        pl_kafka_err(&err, code, "cannot take the assigned partitions");
        sink_fail(s, &err);
    }
    s->assigned_once = true;
}

/* ---- what goes ---- */

static bool busy_any(const struct sink *s, const rd_kafka_topic_partition_list_t *list)
{
    for (unsigned i = 0; i < s->partitions_n; i++) {
        const struct partition *p = s->partitions[i];
        if (p->busy && rd_kafka_topic_partition_list_find(list, p->topic, p->id))
            return true;
    }
    return false;
}

/* With the lock held. */
static void busy_wait(struct sink *s, const rd_kafka_topic_partition_list_t *list, int64_t wait_ms)
{
    int64_t until_ms = pl_clock_monotonic_ms() + wait_ms;
    sink_deadline_begin(&s->consumer_deadline, "waiting for inserts to end", -1);
    while (busy_any(s, list) && !s->give_up && pl_clock_monotonic_ms() < until_ms)
        sink_cond_wait(s, &s->room, until_ms - pl_clock_monotonic_ms());
}

static void partitions_revoke(struct sink *s, rd_kafka_topic_partition_list_t *list, bool lost)
{
    for (int i = 0; i < list->cnt; i++) {
        struct partition *p = sink_partition(s, list->elems[i].topic, list->elems[i].partition);
        consumer_forget(s->consumer, p);
        sink_batch_list_drop(s, PL_TAKE(p->open));
        pthread_mutex_lock(&s->lock);
        struct batch *queued = sink_queue_take_partition(s, p);
        pthread_mutex_unlock(&s->lock);
        sink_batch_list_drop(s, queued);
    }
    pthread_mutex_lock(&s->lock);
    if (!lost)
        busy_wait(s, list, REVOKE_GRACE_MS);
    for (int i = 0; i < list->cnt; i++) {
        struct partition *p =
            sink_partition_find(s, list->elems[i].topic, list->elems[i].partition);
        p->assigned = p->rewind = false; /* the next owner reads it again */
        p->epoch++;
        pl_log(PL_INFO, PL_EVENT_REVOKED, "partition given up", SINK_F_PARTITION(p),
               SINK_F_TABLE(p->route),
               PL_F_STR("REASON",
                        lost ? "the group has moved on without us" : "asked back by the group"));
    }
    if (busy_any(s, list)) {
        sink_clients_abort(s, true);
        busy_wait(s, list, INT32_MAX);
        if (!s->give_up)
            sink_clients_abort(s, false);
    }
    pthread_mutex_unlock(&s->lock);
}

void assignment_change(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                       rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct sink *s = (struct sink *)((char *)opaque - offsetof(struct sink, health));
    const char *protocol = rd_kafka_rebalance_protocol(rk);
    bool cooperative = protocol && strcmp(protocol, "COOPERATIVE") == 0;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        partitions_assign(s, list, cooperative);
        return;
    }
    partitions_revoke(s, list, rd_kafka_assignment_lost(rk));
    if (cooperative) {
        /* An error: the group has moved on already. */
        rd_kafka_error_destroy(rd_kafka_incremental_unassign(rk, list));
    } else {
        rd_kafka_assign(rk, NULL);
    }
}
