/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive.c - see drive.h.
 */
#include "daemons/chsinkd/sink/drive.h"

#include "daemons/chsinkd/sink/calls.h"
#include "daemons/chsinkd/sink/intake.h"
#include "daemons/chsinkd/sink/place.h"
#include "daemons/chsinkd/sink/protocol/announce.h"
#include "daemons/chsinkd/sink/report.h"
#include "lib/base/clock.h"
#include "lib/base/step.h"
#include "lib/log/log.h"

#define ASIDE_MAX_MS 60000
/* A call that takes longer is one that hangs, more likely than a large insert. */
#define SLOW_MS 10000

void drive_kind(struct sink *s, struct partition *p, enum partition_event_kind kind)
{
    drive(s, p, (struct partition_event){.kind = kind});
}

/* ---- what the machine says ---- */

/* The machine gets the next closed batch. */
static void pump(struct sink *s, struct partition *p)
{
    if (p->working || !p->ready || p->call != CALL_NONE || !partition_wants_batch(&p->state))
        return;
    struct batch *b = p->ready;
    p->ready = b->next;
    b->next = NULL;
    p->ready_n--;
    p->working = b;
    p->worked_ms = pl_clock_monotonic_ms();
    p->token = (struct recent_token){0};
    drive_closed_again(s, p);
}

/* The working batch again, after some of it was taken off. */
void drive_closed_again(struct sink *s, struct partition *p)
{
    const struct batch *b = p->working;
    p->note.len = 0;
    drive(s, p,
          (struct partition_event){.kind = EVENT_CLOSED,
                                   .start = b->start,
                                   .end = b->end,
                                   .rows = block_rows(b->block) > 0});
}

static void split(struct sink *s, struct partition *p)
{
    struct batch *second = batch_split(p->working, block_pool_take(s->pool, p->route->route));
    second->next = p->ready;
    p->ready = second;
    p->ready_n++;
    p->token = (struct recent_token){.halved = true};
    drive_closed_again(s, p);
}

static void wait_begin(struct partition *p)
{
    if (p->state.phase == PARTITION_SETTLE) {
        p->timer_ms = partition_settle_at(&p->state, &p->route->machine);
        p->settles = true;
        report_settle(p, p->timer_ms - pl_clock_boot_ms());
    } else {
        p->timer_ms = pl_clock_boot_ms() + pl_backoff_next(&p->backoff, 0);
    }
    if (p->timer_ms <= 0)
        p->timer_ms = 1;
}

static void read_from(struct partition *p, int64_t start, int64_t fixed_end)
{
    p->reading = true;
    p->ended_at = -1;
    p->next_offset = start;
    p->seek_to = start > p->low ? start : p->low;
    p->fixed_end = fixed_end;
}

/* What was read ahead is what the machine wants. */
static bool is_read_ahead(const struct partition *p)
{
    const struct batch *first = p->ready ? p->ready : p->open;
    int64_t end = p->state.announced.end;
    if (!p->reading || (first ? first->start : p->next_offset) != p->state.start)
        return false;
    return p->state.phase != PARTITION_RECOVER || p->fixed_end == end ||
           (p->ready && p->ready->end == end);
}

static void read_begin(struct sink *s, struct partition *p)
{
    const struct partition_state *m = &p->state;
    pl_backoff_reset(&p->backoff);
    if (!is_read_ahead(p)) {
        intake_drop(s, p);
        read_from(p, m->start,
                  m->phase == PARTITION_RECOVER ? m->announced.end : intake_end_below(p, m->start));
    }
}

/* Where the machine will most likely want to read, without waiting for its ACTION_READ: librdkafka
 * 2.0 goes on up to a second after a pause. What is announced is read as one batch in any case. */
static void read_ahead(const struct sink *s, struct partition *p, const struct partition_event *e)
{
    if (p->route->machine.keeps_position)
        return; /* it depends on the position */
    if (e->start >= 0)
        read_from(p, e->start, e->announced.end > e->start ? e->announced.end : -1);
    else if (s->conf->start == CHSINKD_EARLIEST || s->replay)
        read_from(p, p->low, -1);
}

static void drop(struct sink *s, struct partition *p)
{
    intake_drop(s, p);
    if (p->working)
        intake_batch_drop(s, PL_TAKE(p->working), true);
    p->reading = false;
}

static void batch_done(struct sink *s, struct partition *p)
{
    struct batch *b = PL_TAKE(p->working);
    report_batch(s, p, b, pl_clock_monotonic_ms() - p->worked_ms);
    intake_batch_drop(s, b, false);
    pl_backoff_reset(&p->backoff);
    p->aside_tries = 0;
}

/* A topic that is deleted and made again faster than librdkafka looks leaves no trace, but that
 * Kafka drops the group's offsets with it: a commit would make one again, and the new messages
 * before it would never be read. */
static bool verify(struct sink *s, struct partition *p)
{
    bool ask = p->verify && p->committed >= 0 && p->state.phase != PARTITION_CLAIM;
    if (ask)
        call_offset(s, p, CALL_VERIFY);
    p->verify = false;
    return ask;
}

static void act(struct sink *s, struct partition *p, enum partition_action action)
{
    switch (action) {
    case ACTION_NONE:
        break;
    case ACTION_PLACE:
        PL_STEP("chsinkd.placing");
        call_place(s, p);
        break;
    case ACTION_READ:
        read_begin(s, p);
        pump(s, p);
        break;
    case ACTION_WAIT:
        wait_begin(p);
        break;
    case ACTION_LOOK:
        PL_STEP("chsinkd.looking");
        call_work(s, p, CALL_MACHINE, WORK_LOOK);
        break;
    case ACTION_ANNOUNCE:
        PL_STEP("chsinkd.announcing");
        if (!verify(s, p))
            call_commit(s, p, p->state.start);
        break;
    case ACTION_INSERT:
        PL_STEP("chsinkd.inserting");
        if (!p->route->machine.keeps_position || !verify(s, p)) /* else before ANNOUNCE */
            call_insert(s, p);
        break;
    case ACTION_COMMIT:
        PL_STEP("chsinkd.committing");
        if (verify(s, p))
            break;
        if (p->working->dead.count > 0)
            call_letters(s, p);
        else
            call_commit(s, p, p->state.end);
        break;
    case ACTION_CHECK:
        PL_STEP("chsinkd.checking");
        call_offset(s, p, CALL_MACHINE);
        break;
    case ACTION_SPLIT:
        PL_STEP("chsinkd.splitting");
        split(s, p);
        break;
    case ACTION_BURY:
        PL_STEP("chsinkd.burying");
        call_message(s, p);
        break;
    case ACTION_NEXT:
        batch_done(s, p);
        pump(s, p);
        break;
    case ACTION_DROP:
        drop(s, p);
        break;
    }
}

void drive_verified(struct sink *s, struct partition *p)
{
    const enum partition_phase phase = p->state.phase;
    act(s, p,
        phase == PARTITION_COMMIT   ? ACTION_COMMIT
        : phase == PARTITION_INSERT ? ACTION_INSERT
                                    : ACTION_ANNOUNCE);
}

void drive(struct sink *s, struct partition *p, struct partition_event e)
{
    e.now_ms = pl_clock_realtime_ms();
    e.mono_ms = pl_clock_boot_ms();
    e.next = p->ready && block_rows(p->ready->block) > 0 ? p->ready->end : -1;
    enum partition_action action = partition_next(&p->state, &p->route->machine, &e);
    if (p->phase != p->state.phase) {
        p->phase_ms = pl_clock_monotonic_ms();
        p->phase = p->state.phase;
    }
    if (p->state.phase == PARTITION_NONE || p->state.phase == PARTITION_LOST)
        p->timer_ms = p->bury_ms = 0;
    if (p->state.phase != PARTITION_SETTLE)
        p->settles = false;
    act(s, p, action);
}

/* ---- coming and going ---- */

void drive_entered(struct sink *s, struct partition *p)
{
    struct partition_event e = p->entering;
    p->aside = ASIDE_NO;
    if (!place_check(s, p, &e))
        return;
    read_ahead(s, p, &e);
    drive(s, p, e);
}

void drive_enter(struct sink *s, struct partition *p, const struct committed *committed,
                 int64_t wait_ms)
{
    struct partition_event e = {.kind = EVENT_ASSIGNED, .start = committed->offset};
    p->fixed_end = p->seek_to = -1;
    p->reading = p->leaving = p->once_done = p->retention_took = false;
    p->low = 0;
    p->ended_at = -1;
    p->seek_refused_ms = 0;
    p->next_offset = committed->offset >= 0 ? committed->offset : -1;
    if (p->call != CALL_NONE) {
        p->enter_waits = true;
        return;
    }
    if (!announcement_read(committed->metadata, committed->metadata_len, &e.announced)) {
        pl_log(PL_WARNING, NULL,
               "the group's metadata is not ours: the table is asked before what there is now is "
               "inserted",
               SINK_F_PARTITION(p), PL_F_INT("OFFSET", committed->offset));
        /* place_check() knows the end; the digest: an ordinary doubt, see place.h */
        e.announced.until = INT64_MAX;
        e.announced.digest = p->route->machine.digest;
    }
    p->probe = place_is_unproved(&e.announced, e.start);
    p->entering = e;
    if (p->route->machine.keeps_position || call_extent_now(s, p, wait_ms))
        drive_entered(s, p);
    else
        call_extent(s, p, CALL_ENTER);
}

void drive_leave(struct sink *s, struct partition *p)
{
    p->reading = p->enter_waits = p->leaving = false;
    p->aside = ASIDE_NO;
    p->stale = p->call == CALL_BURY || p->call == CALL_ENTER;
    p->work.expired = p->verify = false;
    p->fixed_end = p->seek_to = -1;
    intake_drop(s, p);
    drive_kind(s, p, EVENT_REVOKED);
}

void drive_aside(struct sink *s, struct partition *p, enum partition_aside why, int64_t wait_ms)
{
    if (wait_ms == 0)
        wait_ms = p->aside_tries < 6 ? 1000 << p->aside_tries : ASIDE_MAX_MS;
    p->aside_tries++;
    drive_leave(s, p);
    p->aside = why;
    p->aside_ms = pl_clock_monotonic_ms() + wait_ms;
}

void drive_stop(struct sink *s, struct partition *p)
{
    const enum partition_phase phase = p->state.phase;
    p->reading = p->enter_waits = false;
    p->stale |= p->call == CALL_ENTER;
    if (p->fixed_end >= 0)
        intake_drop(s, p); /* a part of an announced range */
    else
        intake_close(s, p);
    if (phase == PARTITION_PLACE || phase == PARTITION_CLAIM || phase == PARTITION_RECOVER ||
        phase == PARTITION_SETTLE)
        drive_kind(s, p, EVENT_STOP);
}

void drive_closed(struct sink *s, struct partition *p)
{
    pump(s, p);
}

/* ---- time ---- */

static void aside_try(struct sink *s, struct partition *p)
{
    if (p->aside == ASIDE_HELD) {
        call_work(s, p, CALL_ENTER, WORK_ENSURE);
    } else {
        call_offset(s, p, CALL_ENTER);
    }
}

static void partition_time(struct sink *s, struct partition *p, int64_t now_ms)
{
    if (p->timer_ms > 0 && pl_clock_boot_ms() >= p->timer_ms) {
        p->timer_ms = 0;
        drive_kind(s, p, EVENT_TIME);
    }
    if (p->bury_ms > 0 && now_ms >= p->bury_ms && p->call == CALL_NONE) {
        p->bury_ms = 0;
        act(s, p, ACTION_BURY);
    }
    if (p->aside != ASIDE_NO && p->assigned && !p->leaving && !s->stopping &&
        p->call == CALL_NONE && p->state.phase == PARTITION_NONE && now_ms >= p->aside_ms)
        aside_try(s, p);
}

void drive_time(struct sink *s)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    for (unsigned i = 0; i < s->partitions_n; i++)
        partition_time(s, s->partitions[i], now_ms);
}

bool drive_is_quiet(const struct partition *p)
{
    return p->call == CALL_NONE && !p->open && !p->ready && !p->working && !p->enter_waits;
}

bool drive_is_stalled(const struct partition *p)
{
    return p->timer_ms > 0 || p->bury_ms > 0 || p->aside != ASIDE_NO || p->enter_waits ||
           (p->call == CALL_MACHINE && pl_clock_boot_ms() - p->state.called_ms >= SLOW_MS);
}
