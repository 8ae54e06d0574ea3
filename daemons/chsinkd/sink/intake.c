/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.c - from messages to closed batches.
 */
#include "daemons/chsinkd/sink/intake.h"

#include <inttypes.h>

#include "daemons/chsinkd/sink/message.h"
#include "lib/log/log.h"

/* ---- batches ---- */

void intake_close(struct sink *s, struct partition *p)
{
    struct batch *b = PL_TAKE(p->open);
    if (!b)
        return;
    pthread_mutex_lock(&s->lock);
    bool stale = p->rewind || !p->assigned || p->epoch != b->epoch;
    if (!stale)
        sink_queue_push(s, b);
    pthread_mutex_unlock(&s->lock);
    if (stale)
        sink_batch_drop(s, b, true);
    if (p->fixed_end >= 0 && p->next_offset >= p->fixed_end) {
        p->fixed_end = -1;
        free(PL_TAKE(p->present));
        p->present_n = 0;
    }
}

void intake_end_fixed(struct sink *s, struct partition *p)
{
    if (p->open) {
        p->open->end = p->fixed_end;
        p->next_offset = p->fixed_end;
        intake_close(s, p);
    }
    p->fixed_end = -1;
}

static bool batch_is_done(const struct sink *s, const struct partition *p)
{
    const struct batch *b = p->open;
    struct batch_limits limits = {(uint64_t)s->batch_rows, (uint64_t)s->batch_bytes, UINT64_MAX};
    if (p->fixed_end >= 0)
        return b->end >= p->fixed_end;
    if (p->limit_until >= 0 && b->end <= p->limit_until) {
        if (b->end == p->limit_until)
            return true;
        limits.messages = p->limit_messages;
    }
    return batch_is_full(b, &limits);
}

static size_t open_memory(const struct sink *s, struct partition **ret_largest)
{
    size_t sum = 0, largest = 0;
    *ret_largest = NULL;
    for (unsigned i = 0; i < s->partitions_n; i++) {
        struct partition *p = s->partitions[i];
        size_t n = p->open ? sink_batch_memory(p->open) : 0;
        sum += n;
        if (n > largest && p->fixed_end < 0) {
            largest = n;
            *ret_largest = p;
        }
    }
    return sum;
}

bool intake_has_room(struct sink *s)
{
    struct partition *largest;
    size_t open = open_memory(s, &largest);
    pthread_mutex_lock(&s->lock);
    unsigned queued = s->queued, busy = s->busy;
    size_t closed = s->bytes_held;
    pthread_mutex_unlock(&s->lock);
    pl_metrics_set(s->metrics, M_MEMORY, (double)(open + closed));
    if (queued >= 2 && queued >= (unsigned)s->conf->insert_threads)
        return false;
    if (open + closed < (size_t)s->conf->memory_bytes_max)
        return true;
    if (largest)
        intake_close(s, largest);
    return queued + busy == 0 && !largest; /* one message alone may be larger than the limit */
}

void intake_close_aged(struct sink *s)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    unsigned open = 0;
    for (unsigned i = 0; i < s->partitions_n; i++)
        open += s->partitions[i]->open != NULL;
    int64_t age_ms = batch_age_effective(s->batch_age_ms, open, s->inserts_per_second);
    for (unsigned i = 0; i < s->partitions_n; i++) {
        struct partition *p = s->partitions[i];
        if (p->open && p->fixed_end < 0 && now_ms - p->open->opened_ms >= age_ms)
            intake_close(s, p);
    }
}

/* ---- messages ---- */

/* The message being decoded. */
struct reject_context {
    struct batch *batch;
    const rd_kafka_message_t *message;
    bool replayed;
};

static void on_reject(void *userdata, const struct rows_reject *reject)
{
    struct reject_context *ctx = userdata;
    char text[512];
    message_reject_text(reject, text, sizeof(text));
    dead_letters_add(&ctx->batch->dead, ctx->message,
                     &(struct dead_letter_why){ctx->batch->partition->route->route->name,
                                               reject->row, text, reject->column, ctx->replayed});
}

void intake_counts(struct sink *s, struct sink_route *sr)
{
    const struct rows_counts *now = rows_counts(sr->rows);
    pl_metrics_inc(s->metrics, M_NULLED, now->nulled - sr->counted.nulled);
    pl_metrics_inc(s->metrics, M_DEFAULTED, now->defaulted - sr->counted.defaulted);
    pl_metrics_inc(s->metrics, M_UNKNOWN_FIELDS, now->unknown_fields - sr->counted.unknown_fields);
    sr->counted = *now;
}

static int offset_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool is_present(const struct partition *p, int64_t offset)
{
    return p->present_n > 0 &&
           bsearch(&offset, p->present, p->present_n, sizeof(offset), offset_compare);
}

static void message_decode(struct sink *s, struct partition *p, struct batch *b,
                           const rd_kafka_message_t *m)
{
    struct reject_context ctx = {b, m, s->replay};
    struct rows_message rm = message_rows(m);
    PL_CLEANUP(row_set_release) struct row_set only = {0};
    if (s->replay && !message_replay(&rm, s->replay, &only)) {
        b->skipped_messages++;
        return;
    }
    if (rm.timestamp_ms > b->newest_ms)
        b->newest_ms = rm.timestamp_ms;
    if (p->condemned == m->offset) {
        dead_letters_add(&b->dead, m,
                         &(struct dead_letter_why){p->route->route->name, -1, p->condemned_reason,
                                                   NULL, s->replay});
        p->condemned = -1;
        b->dead_messages++;
        return;
    }
    uint64_t dead = b->dead.count;
    uint64_t rows = rows_decode(p->route->rows, &rm, &only, b->block, on_reject, &ctx);
    if (rows == 0 && b->dead.count > dead)
        b->dead_messages++;
    if (pl_log_level() >= PL_DEBUG)
        pl_log(PL_DEBUG, NULL, "message decoded", SINK_F_PARTITION(p), SINK_F_TABLE(p->route),
               PL_F_INT("OFFSET", rm.offset), PL_F_SLICE("KEY", rm.key ? rm.key : "", rm.key_len),
               PL_F_UINT("ROWS", rows), PL_F_UINT("REJECTED", b->dead.count - dead));
}

/* Reports messages that retention deleted before they were read. (A gap alone says nothing:
 * transactions and compaction leave them.) */
static void loss_report(struct sink *s, struct partition *p, int64_t offset)
{
    p->retention_took = false;
    if (offset <= p->next_offset)
        return;
    pl_metrics_inc(s->metrics, M_LOST, (uint64_t)(offset - p->next_offset));
    pl_log(PL_ERROR, PL_EVENT_DATA_LOST,
           "the topic's retention deleted messages before they were read; raise retention.ms or "
           "run more sinks",
           SINK_F_PARTITION(p), SINK_F_TABLE(p->route), PL_F_INT("OFFSET_START", p->next_offset),
           PL_F_INT("OFFSET_END", offset));
}

void intake_take(struct sink *s, struct partition *p, const rd_kafka_message_t *m)
{
    if (m->offset < p->next_offset)
        return;
    if (p->next_offset < 0) /* a new group */
        p->next_offset = m->offset;
    if (p->retention_took)
        loss_report(s, p, m->offset);
    if (p->fixed_end >= 0 && m->offset >= p->fixed_end)
        intake_end_fixed(s, p);
    if (p->limit_until >= 0 && m->offset >= p->limit_until)
        p->limit_until = -1;
    if (!p->open) {
        p->open = sink_batch_new(s, p);
        p->open->start = p->next_offset;
        p->open->announced = p->fixed_end >= 0;
    }
    struct batch *b = p->open;
    s->in_flight++;
    pl_metrics_inc(s->metrics, M_RECEIVED, 1);
    pl_metrics_inc(s->metrics, M_BYTES, m->len);
    b->messages++;
    if (!is_present(p, m->offset)) /* recovered, and its rows are in the table already */
        message_decode(s, p, b, m);
    b->end = m->offset + 1;
    p->next_offset = b->end;
    if (batch_is_done(s, p))
        intake_close(s, p);
}
