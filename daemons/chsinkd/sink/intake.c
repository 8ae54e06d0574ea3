/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.c - see intake.h.
 */
#include "daemons/chsinkd/sink/intake.h"

#include "daemons/chsinkd/sink/adding.h"
#include "daemons/chsinkd/sink/drive.h"
#include "daemons/chsinkd/sink/message.h"
#include "daemons/chsinkd/sink/place.h"
#include "daemons/chsinkd/sink/report.h"
#include "lib/base/clock.h"
#include "lib/log/log.h"

/* Of one batch's dead letters: they go into one transaction. */
#define DEAD_BYTES_MAX (4 * PL_MIB)
/* The same where a note names them: an Iceberg table keeps one note for each partition. */
#define DEAD_BYTES_MAX_NOTED (PL_MIB / 2)

/* Of one batch below the output's position, which has no rows. */
#define BELOW_MESSAGES_MAX 100000

/* How long a batch that came of age may wait for what is in the log already. */
#define BACKLOG_WAIT_MS 10000

/* In a shorter pause a topic is not deleted, made again and written to. */
#define VERIFY_AFTER_MS 500

/* ---- batches ---- */

static void in_flight_shift(struct sink *s, int64_t messages)
{
    s->in_flight += messages;
    pl_metrics_shift(s->metrics, M_IN_FLIGHT, (double)messages);
}

/* Received is counted before what became of it: the metrics may be read at any time. */
static void taken_counts(struct sink *s)
{
    in_flight_shift(s, (int64_t)s->taken.messages);
    pl_metrics_inc(s->metrics, M_RECEIVED, s->taken.messages);
    pl_metrics_inc(s->metrics, M_BYTES, s->taken.bytes);
    s->taken.messages = s->taken.bytes = 0;
}

void intake_batch_drop(struct sink *s, struct batch *b, bool given_back)
{
    uint64_t messages = batch_counts(b).messages;
    taken_counts(s);
    if (given_back)
        pl_metrics_inc(s->metrics, M_GIVEN_BACK, messages);
    in_flight_shift(s, -(int64_t)messages);
    if (s->backlog)
        block_pool_give(s->pool, batch_block_take(b));
    batch_free(b);
}

void intake_drop(struct sink *s, struct partition *p)
{
    if (p->open)
        intake_batch_drop(s, PL_TAKE(p->open), true);
    while (p->ready) {
        struct batch *b = p->ready;
        p->ready = b->next;
        intake_batch_drop(s, b, true);
    }
    p->ready_n = 0;
    p->fixed_end = -1;
}

static void batch_open(struct sink *s, struct partition *p)
{
    p->open = batch_new(block_pool_take(s->pool, p->route->route), p->next_offset);
    p->open->opened_ms = pl_clock_monotonic_ms();
    p->verify |= p->open->opened_ms - p->closed_ms > VERIFY_AFTER_MS;
    p->open->recovered = p->fixed_end >= 0;
    p->open->aged_end = -1;
}

void intake_close(struct sink *s, struct partition *p)
{
    struct batch *b = PL_TAKE(p->open), **end = &p->ready;
    if (!b)
        return;
    while (*end)
        end = &(*end)->next;
    *end = b;
    p->closed_ms = pl_clock_monotonic_ms();
    p->ready_n++;
    drive_closed(s, p);
}

void intake_end_fixed(struct sink *s, struct partition *p)
{
    if (!p->open)
        batch_open(s, p);
    p->open->end = p->fixed_end;
    p->next_offset = p->fixed_end;
    p->fixed_end = -1;
    intake_close(s, p);
}

int64_t intake_end_below(const struct partition *p, int64_t start)
{
    bool below = p->route->machine.keeps_position && start < p->state.position;
    return below ? p->state.position : -1;
}

void intake_reach(struct sink *s, struct partition *p, int64_t end)
{
    if (!sink_by_origin(s) || p->fixed_end >= 0 || end <= p->next_offset)
        return;
    if (!p->open)
        batch_open(s, p);
    p->open->end = end;
    p->next_offset = end;
}

static size_t ready_memory(const struct partition *p)
{
    size_t sum = p->working ? batch_memory(p->working) : 0;
    for (const struct batch *b = p->ready; b; b = b->next)
        sum += batch_memory(b);
    return sum;
}

static size_t memory_held(const struct sink *s, struct partition **ret_largest)
{
    size_t sum = 0, largest = 0;
    *ret_largest = NULL;
    for (unsigned i = 0; i < s->partitions_n; i++) {
        struct partition *p = s->partitions[i];
        size_t open = p->open ? batch_memory(p->open) : 0;
        sum += open + ready_memory(p);
        if (open > largest && p->fixed_end < 0) {
            largest = open;
            *ret_largest = p;
        }
    }
    return sum + block_pool_bytes(s->pool);
}

/* Drops what stalled partitions have read ahead; they read it again when they go on. */
static bool stalled_shed(struct sink *s)
{
    bool any = false;
    for (unsigned i = 0; i < s->partitions_n; i++) {
        struct partition *p = s->partitions[i];
        if (!drive_is_stalled(p) || !p->reading || (!p->open && !p->ready))
            continue;
        int64_t from = p->ready ? p->ready->start : p->open->start;
        intake_drop(s, p);
        p->next_offset = p->seek_to = from;
        p->ended_at = -1;
        p->fixed_end = intake_end_below(p, from);
        p->once_done = false;
        any = true;
    }
    return any;
}

bool intake_has_room(struct sink *s)
{
    unsigned waiting = 0, under_way = 0;
    struct partition *largest;
    for (unsigned i = 0; i < s->partitions_n; i++) {
        const struct partition *p = s->partitions[i];
        waiting += drive_is_stalled(p) ? 0 : p->ready_n;
        under_way += p->working && !drive_is_stalled(p);
    }
    size_t held = memory_held(s, &largest);
    pl_metrics_shift(s->metrics, M_MEMORY, (double)held - (double)s->memory_told);
    s->memory_told = held;
    if (waiting >= 2 && waiting >= (unsigned)s->conf->insert_threads)
        return false;
    if (held < s->rows_bytes_max)
        return true;
    held -= block_pool_bytes(s->pool);
    block_pool_trim(s->pool, 0);
    if (held < s->rows_bytes_max)
        return true;
    if (stalled_shed(s))
        return false;
    if (largest)
        intake_close(s, largest);
    return waiting + under_way == 0 && !largest; /* one message may be larger than the limit */
}

/* The partition's end as librdkafka was told it last, or less. */
static int64_t log_end(const struct sink *s, const struct partition *p)
{
    int64_t low, high = 0;
    rd_kafka_get_watermark_offsets(s->rk, p->topic, p->id, &low, &high);
    return high > p->next_offset ? high : p->next_offset;
}

/* A batch that comes of age while there is a backlog takes what is in the log at that moment first,
 * since a large insert costs the output little more than a small one. */
static bool has_backlog(const struct sink *s, const struct partition *p, int64_t late_ms)
{
    struct batch *b = p->open;
    if (late_ms >= BACKLOG_WAIT_MS || p->ended_at >= p->next_offset)
        return false;
    if (b->aged_end < 0)
        b->aged_end = log_end(s, p);
    return p->next_offset < b->aged_end;
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
        if (!p->open || p->fixed_end >= 0)
            continue;
        int64_t late_ms = now_ms - p->open->opened_ms - age_ms;
        if (late_ms >= 0 && !has_backlog(s, p, late_ms))
            intake_close(s, p);
    }
}

static bool batch_is_done(const struct sink *s, const struct partition *p)
{
    const bool noted = p->route->machine.keeps_position;
    const struct batch_limits limits = {(uint64_t)s->batch_rows, (uint64_t)s->batch_bytes,
                                        noted ? DEAD_BYTES_MAX_NOTED : DEAD_BYTES_MAX};
    return p->fixed_end < 0 && batch_is_full(p->open, &limits);
}

/* ---- messages ---- */

/* The message being decoded. */
struct reject_context {
    struct batch *batch;
    const rd_kafka_message_t *message;
    const struct route *route;
    bool replayed;
};

static void on_reject(void *userdata, const struct rows_reject *reject)
{
    const struct reject_context *ctx = userdata;
    char text[512];
    message_reject_text(reject, text, sizeof(text));
    dead_letters_add(&ctx->batch->dead, ctx->message,
                     &(struct dead_letter_why){.route = ctx->route->name,
                                               .row = reject->row,
                                               .text = text,
                                               .column = reject->column,
                                               .replayed = ctx->replayed});
}

static void on_whole_reject(void *userdata, const struct rows_reject *reject)
{
    uint64_t *elements = userdata;
    if (reject->row < 0)
        *elements = WHOLE_UNKNOWN;
    else if (*elements != WHOLE_UNKNOWN)
        ++*elements;
}

/* For holds(), see batch/whole.h. Decoded with counts of its own: these rows are not inserted. */
static void whole_decode(struct partition *p, const struct rows_message *m, int64_t offset,
                         struct row_set *only)
{
    struct sink_route *sr = p->route;
    struct whole *w = &p->open->whole;
    uint64_t elements = 0;
    if (!sr->rows_whole) {
        sr->rows_whole = rows_new(sr->route);
        rows_note_skipped(sr->rows_whole);
    }
    if (!w->block)
        w->block = block_new(sr->route);
    uint64_t rows = rows_decode(sr->rows_whole, m, NULL, w->block, on_whole_reject, &elements);
    struct row_set skipped = {0};
    if (!rows_skipped(sr->rows_whole, &skipped))
        elements = WHOLE_UNKNOWN;
    if (elements != WHOLE_UNKNOWN)
        elements += rows + row_set_count(&skipped);
    whole_add(w, offset, only, &skipped, elements);
}

static void route_counts(struct sink *s, struct sink_route *sr)
{
    const struct rows_counts *now = rows_counts(sr->rows);
    pl_metrics_inc(s->metrics, M_NULLED, now->nulled - sr->counted.nulled);
    pl_metrics_inc(s->metrics, M_CLAMPED, now->clamped - sr->counted.clamped);
    pl_metrics_inc(s->metrics, M_DEFAULTED, now->defaulted - sr->counted.defaulted);
    pl_metrics_inc(s->metrics, M_FILTERED, now->filtered - sr->counted.filtered);
    pl_metrics_inc(s->metrics, M_UNKNOWN_FIELDS, now->unknown_fields - sr->counted.unknown_fields);
    sr->counted = *now;
}

void intake_counts(struct sink *s)
{
    taken_counts(s);
    for (unsigned i = 0; i < s->routes_n; i++)
        route_counts(s, &s->routes[i]);
}

/* Its rows are in the output, which keeps its position. */
static bool is_below(const struct partition *p, int64_t offset)
{
    return p->fixed_end >= 0 && intake_end_below(p, offset) >= 0;
}

static int64_t timestamp_ms(const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    return rd_kafka_message_timestamp(m, &type);
}

/* Not the one that was loaded from there. */
static bool is_another(const struct partition *p, const rd_kafka_message_t *m)
{
    return note_tells_another(&p->note_kept, &(struct note_last){m->offset, timestamp_ms(m)});
}

static enum batch_fate message_below(const struct sink *s, struct partition *p,
                                     const rd_kafka_message_t *m)
{
    const struct note_letter *letter = note_find(&p->note_kept, m->offset);
    if (letter)
        note_letter_add(letter, m, p->route->route->name, s->replay != NULL, &p->open->dead);
    return letter && letter->rows.n == 0 ? BATCH_DEAD : BATCH_ROWS;
}

static enum batch_fate message_decode(const struct sink *s, struct partition *p,
                                      const rd_kafka_message_t *m)
{
    struct batch *b = p->open;
    struct reject_context ctx = {b, m, p->route->route, s->replay != NULL};
    struct rows_message rm = message_rows(m, s->replay || p->route->wants_headers);
    PL_CLEANUP(row_set_release) struct row_set only = {0};
    if (s->replay && !message_replay(&rm, s->replay, &only))
        return BATCH_SKIPPED;
    if (rm.timestamp_ms > b->newest_ms)
        b->newest_ms = rm.timestamp_ms;
    if (is_below(p, m->offset))
        return message_below(s, p, m);
    if (!rm.value && ctx.route->tombstones == TOMBSTONES_SKIP)
        return BATCH_SKIPPED;
    uint64_t dead = b->dead.count;
    uint64_t rows = p->route->adding && !s->once
                        ? adding_decode(p->route, &rm, &only, b->block, on_reject, &ctx)
                        : rows_decode(p->route->rows, &rm, &only, b->block, on_reject, &ctx);
    if (rows > 0 && only.n > 0 && p->route->machine.can_look && sink_by_origin(s))
        whole_decode(p, &rm, m->offset, &only);
    if (pl_log_level() >= PL_DEBUG)
        pl_log(PL_DEBUG, NULL, "message decoded", SINK_F_PARTITION(p), SINK_F_TABLE(p->route),
               PL_F_INT("OFFSET", rm.offset), PL_F_SLICE("KEY", rm.key ? rm.key : "", rm.key_len),
               PL_F_UINT("ROWS", rows), PL_F_UINT("REJECTED", b->dead.count - dead));
    return rows == 0 && b->dead.count > dead ? BATCH_DEAD : BATCH_ROWS;
}

void intake_take(struct sink *s, struct partition *p, const rd_kafka_message_t *m)
{
    if (!p->reading || p->seek_to >= 0 || m->offset < p->next_offset)
        return;
    if (p->retention_took && m->offset > p->next_offset)
        report_lost(s, p, p->next_offset, m->offset);
    p->retention_took = false;
    if (p->fixed_end >= 0 && m->offset >= p->fixed_end)
        intake_end_fixed(s, p);
    if (is_below(p, m->offset) && is_another(p, m)) {
        place_refuse(s, p, m->offset);
        return;
    }
    if (!p->open)
        batch_open(s, p);
    s->taken.messages++;
    s->taken.bytes += m->len;
    batch_message_add(p->open, m->offset, message_decode(s, p, m));
    if (p->route->machine.keeps_position)
        p->open->last_ms = timestamp_ms(m);
    p->next_offset = p->open->end;
    if (p->fixed_end >= 0 && p->next_offset >= p->fixed_end)
        intake_end_fixed(s, p);
    else if (batch_is_done(s, p) ||
             (is_below(p, m->offset) && p->open->messages_n >= BELOW_MESSAGES_MAX))
        intake_close(s, p);
}
