/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetching.c - see fetching.h.
 */
#include "daemons/chsinkd/sink/fetching.h"

#include <inttypes.h>

#include "daemons/chsinkd/sink/consumer.h"
#include "daemons/chsinkd/sink/drive.h"
#include "daemons/chsinkd/sink/report.h"
#include "lib/base/clock.h"
#include "lib/log/log.h"

#define SEEK_TIMEOUT_MS  10000
#define SEEK_PATIENCE_MS 60000

static int seek(struct sink *s, struct partition *p, struct pl_err *err)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    consumer_forget(s->consumer, p);
    sink_deadline_begin(&s->consumer_deadline, "seeking", SEEK_TIMEOUT_MS);
    rd_kafka_topic_partition_list_add(list, p->topic, p->id)->offset = p->seek_to;
    PL_CLEANUP(rd_kafka_error_destroyp)
    rd_kafka_error_t *error = rd_kafka_seek_partitions(s->rk, list, SEEK_TIMEOUT_MS);
    rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : list->elems[0].err;
    return code ? pl_kafka_err(err, code,
                               "cannot go to offset %" PRId64 " of topic %s, partition %" PRId32,
                               p->seek_to, p->topic, p->id)
                : 0;
}

/* It refuses while the fetcher of a new assignment starts, or when the group has taken the
 * partition and we have not heard of it yet. */
static void seek_patiently(struct sink *s, struct partition *p)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    struct pl_err err;
    if (seek(s, p, &err) == 0) {
        p->seek_refused_ms = 0;
        p->seek_to = -1;
        return;
    }
    if (p->seek_refused_ms == 0)
        p->seek_refused_ms = now_ms;
    bool passing = err.code == RD_KAFKA_RESP_ERR__STATE || err.kind == PL_ERR_RETRY;
    if (passing && now_ms - p->seek_refused_ms < SEEK_PATIENCE_MS)
        return;
    report_retry(p, PL_EVENT_KAFKA_ERROR, "the partition cannot be read", &err);
    drive_aside(s, p, ASIDE_BEGIN, 0);
}

static void pause_set(struct sink *s, struct partition *p, bool pause)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, p->topic, p->id);
    if (pause)
        rd_kafka_pause_partitions(s->rk, list);
    else
        rd_kafka_resume_partitions(s->rk, list);
    p->paused = pause;
}

void fetching_set(struct sink *s, struct partition *p)
{
    bool pause =
        !p->reading || p->leaving || (drive_is_stalled(p) && (p->ready_n > 0 || p->seek_to >= 0));
    if (!p->assigned || rd_kafka_assignment_lost(s->rk))
        return;
    if (pause && !p->paused) {
        /* librdkafka does not always go on where it was paused. */
        if (p->reading && p->seek_to < 0)
            p->seek_to = p->next_offset;
        consumer_forget(s->consumer, p);
        pause_set(s, p, true);
    }
    if (!pause && p->seek_to >= 0)
        seek_patiently(s, p);
    if (!pause && p->paused && p->reading && p->seek_to < 0)
        pause_set(s, p, false);
}

void fetching_release(struct sink *s, struct partition *p)
{
    if (p->paused)
        pause_set(s, p, false);
}
