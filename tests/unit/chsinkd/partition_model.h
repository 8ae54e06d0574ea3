/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition_model.h - Kafka's group and the table of check_partition.c, and what an owner does
 * with the actions of its machine.
 */
#ifndef TESTS_UNIT_CHSINKD_PARTITION_MODEL_H
#define TESTS_UNIT_CHSINKD_PARTITION_MODEL_H

#include "tests/unit/chsinkd/partition_wrong.h"

/* ---- the group and the table ---- */

static bool is_owner(const struct world *w, unsigned i)
{
    return w->owner == (int)i;
}

static bool may_commit(const struct world *w, unsigned i)
{
    return is_owner(w, i) || wrong == WRONG_EARLIER_OWNER_COMMITS;
}

static void owner_set(struct world *w, int owner)
{
    if (w->owner != owner)
        w->late = (struct commit){.announced.end = -1};
    w->owner = (int8_t)owner;
}

static struct commit commit_of(const struct owner *o)
{
    bool end = o->action == ACTION_COMMIT;
    return (struct commit){.is = true,
                           .offset = (int8_t)(end ? o->state.end : o->state.start),
                           .dead = end ? o->head.dead : 0,
                           .announced = o->state.wanted};
}

static void commit_apply(struct world *w, const struct commit *c)
{
    w->offset = c->offset;
    w->announced = c->announced;
    for (unsigned r = 0; r < ROWS; r++)
        if (w->dead[r] < 2)
            w->dead[r] += c->dead >> r & 1;
}

static struct token *token_find(struct world *w, uint8_t at)
{
    for (unsigned i = 0; i < TOKENS; i++)
        if (w->window[i].at == at || w->window[i].at == 0) {
            w->window[i].at = at;
            return &w->window[i];
        }
    assert(!"more tokens than can be referred to");
    return NULL;
}

static void land(struct world *w, struct insert *insert, unsigned parts)
{
    struct token *token = token_find(w, insert->at);
    for (unsigned part = 0; part < 2; part++) {
        uint8_t rows = insert->rows & parts_rows[bounds.blind][part];
        if (!(parts & 1U << part) || rows == 0)
            continue;
        for (unsigned r = 0; r < ROWS && !(token->parts & 1U << part); r++)
            if (w->table[r] < 2)
                w->table[r] += rows >> r & 1;
        token->parts |= (uint8_t)(1U << part);
        insert->rows &= (uint8_t)~rows;
    }
}

/* The output keeps the position: all of it, if that is still what the insert expects. */
static bool land_at_position(struct world *w, const struct insert *insert)
{
    struct kept *kept = &w->kept;
    bool later = wrong == WRONG_ANY_LATER_POSITION_IS_OURS && kept->position >= insert->end;
    if ((kept->position == insert->end && kept->at == insert->at) || later)
        return true;
    if (kept->position != insert->position && wrong != WRONG_POSITION_NOT_COMPARED)
        return wrong == WRONG_MOVED_IS_DONE;
    for (unsigned r = 0; r < ROWS; r++)
        if (w->table[r] < 2)
            w->table[r] += insert->rows >> r & 1;
    *kept = (struct kept){insert->end, insert->at, insert->dead};
    return true;
}

/* Nobody waits for the insert any more; the part that is not in the table may still arrive. */
static void orphan(struct world *w, struct insert *insert)
{
    struct insert left = *insert;
    *insert = (struct insert){0};
    if (left.rows == 0 && !bounds.keeps)
        return;
    for (unsigned i = 0; i < bounds.orphans; i++)
        if (w->orphans[i].at == left.at) { /* again with the same token */
            w->orphans[i].rows |= left.rows;
            return;
        }
    for (unsigned i = 0; i < bounds.orphans; i++)
        if (w->orphans[i].at == 0) {
            w->orphans[i] = left;
            return;
        }
    /* No more are tracked: this one gets lost. */
}

/* ---- what the machine wants ---- */

static uint8_t rows_of(int start, int end)
{
    uint8_t rows = 0;
    for (int m = start; m < end; m++)
        rows |= taken[0][m] | rejected[0][m];
    return rows;
}

static struct batch batch_read(const struct owner *o, int start, int end)
{
    struct batch b = {.start = (int8_t)start, .end = (int8_t)end};
    for (int m = start; m < end; m++) {
        b.rows |= taken[o->route][m];
        b.dead |= rejected[o->route][m];
    }
    if (bounds.keeps && end <= o->state.position) {
        b.rows = 0;
        if (wrong != WRONG_NOTE_NOT_READ)
            b.dead = o->kept.dead & rows_of(start, end);
    }
    return b;
}

static void act(struct world *w, struct owner *o, enum partition_action action);

static void give(struct world *w, struct owner *o, struct partition_event e)
{
    bool stopping = o->state.stopping || e.kind == EVENT_STOP;
    e.now_ms += w->now;
    act(w, o, machine(o, &e));
    if (stopping && (o->state.phase == PARTITION_NONE || o->state.phase == PARTITION_LOST) &&
        is_owner(w, (unsigned)(o - w->owners)))
        owner_set(w, -1);
}

static int64_t next_end(const struct owner *o)
{
    return o->has_queued && o->queued.rows ? o->queued.end : -1;
}

static void head_give(struct world *w, struct owner *o)
{
    o->has_head = true;
    o->batch_at = 0;
    give(w, o,
         (struct partition_event){.kind = EVENT_CLOSED,
                                  .start = o->head.start,
                                  .end = o->head.end,
                                  .rows = o->head.rows != 0,
                                  .next = next_end(o)});
}

static void head_split(struct world *w, struct owner *o)
{
    struct batch whole = o->head;
    uint8_t first = rows_of(whole.start, whole.start + 1);
    assert(!o->has_queued && whole.end - whole.start == 2);
    o->head.end = whole.start + 1;
    o->head.rows &= first;
    o->head.dead &= first;
    o->queued = (struct batch){o->head.end, whole.end, whole.rows & ~first, whole.dead & ~first};
    o->has_queued = true;
    head_give(w, o);
}

static void head_next(struct world *w, struct owner *o)
{
    bool next = o->has_queued;
    o->batch_at = 0;
    if (o->state.start >= o->state.position)
        o->kept = (struct kept){0};
    o->head = next ? o->queued : (struct batch){0};
    o->queued = (struct batch){0};
    o->has_head = o->has_queued = false;
    if (next)
        head_give(w, o);
}

static void batches_drop(struct owner *o)
{
    o->has_head = o->has_queued = false;
    o->head = o->queued = (struct batch){0};
    o->batch_at = 0;
}

static void insert_at_position(struct world *w, struct owner *o)
{
    if (o->batch_at == 0)
        o->batch_at = w->now++;
    o->insert = (struct insert){.at = o->batch_at,
                                .rows = o->head.rows,
                                .position = (int8_t)o->state.position,
                                .end = (int8_t)o->state.end,
                                .dead = o->head.dead};
}

static void act(struct world *w, struct owner *o, enum partition_action action)
{
    struct partition_state *s = &o->state;
    if (action != ACTION_NONE) { /* else a call or a wait goes on */
        o->action = ACTION_NONE;
        o->applied = o->waiting = false;
    }
    switch (action) {
    case ACTION_NONE:
    case ACTION_READ:
        break;
    case ACTION_WAIT:
        o->waiting = true;
        break;
    case ACTION_INSERT:
        assert(o->head.rows != 0 || bounds.keeps);
        o->insert = (struct insert){.at = (uint8_t)s->announced.at_ms, .rows = o->head.rows};
        if (bounds.keeps)
            insert_at_position(w, o);
        o->action = action;
        break;
    case ACTION_PLACE:
    case ACTION_LOOK:
    case ACTION_CHECK:
        o->action = action;
        break;
    case ACTION_ANNOUNCE:
    case ACTION_COMMIT:
        o->action = action;
        if (s->wanted.end >= 0 && w->now <= s->wanted.at_ms)
            w->now = (uint8_t)(s->wanted.at_ms + 1);
        break;
    case ACTION_SPLIT:
        head_split(w, o);
        break;
    case ACTION_BURY:
        o->head.dead |= o->head.rows;
        o->head.rows = 0;
        head_give(w, o);
        break;
    case ACTION_NEXT:
        head_next(w, o);
        break;
    case ACTION_DROP:
        batches_drop(o);
        break;
    }
    if (s->phase == PARTITION_NONE || s->phase == PARTITION_LOST)
        o->kept = (struct kept){0};
    if (s->phase == PARTITION_NONE)
        *s = (struct partition_state){0};
    if (s->phase == PARTITION_LOST) { /* nobody takes its answer */
        batches_drop(o);
        orphan(w, &o->insert);
        o->action = ACTION_NONE;
        o->applied = false;
    }
}

static struct partition_event looked(struct world *w, struct owner *o)
{
    uint8_t there = 0, range = rows_of(o->head.start, o->head.end);
    for (unsigned r = 0; r < ROWS; r++)
        there |= (uint8_t)((w->table[r] > 0) << r);
    uint8_t skipped = there;
    for (int m = 0; m < MESSAGES; m++)
        if (wrong == WRONG_MESSAGE_SKIPPED_WHOLE && there & rows_of(m, m + 1))
            skipped |= rows_of(m, m + 1);
    o->head.rows &= (uint8_t)~skipped;
    if (wrong != WRONG_REJECT_OF_WHAT_IS_THERE)
        o->head.dead &= (uint8_t)~skipped;
    return (struct partition_event){.kind = EVENT_OK,
                                    .missing = o->head.rows != 0,
                                    .found = (there & range) != 0,
                                    .next = next_end(o),
                                    .single = o->head.end - o->head.start == 1};
}

static struct partition_event placed_at_position(const struct world *w, struct owner *o)
{
    int offset = w->offset > 0 ? w->offset : 0;
    o->kept = w->kept;
    bool before = o->kept.position >= 0 && o->kept.position < offset;
    if (wrong == WRONG_BEGINS_AT_POSITION)
        before = o->kept.position >= 0;
    return (struct partition_event){.kind = EVENT_OK,
                                    .start = before ? o->kept.position : offset,
                                    .announced.end = -1,
                                    .position = o->kept.position};
}

/* What is before the last row may be incomplete: the whole of it is read again. */
static struct partition_event placed(const struct world *w, struct owner *o)
{
    if (bounds.keeps)
        return placed_at_position(w, o);
    int position = w->table[2] ? 2 : (w->table[0] || w->table[1]);
    if (bounds.replay)
        return (struct partition_event){
            .kind = EVENT_OK, .announced = {.until = MESSAGES}, .settled = true};
    if (wrong == WRONG_PLACED_AT_BEGINNING)
        return (struct partition_event){.kind = EVENT_OK, .announced.end = -1};
    if (wrong == WRONG_PLACED_AT_POSITION)
        return (struct partition_event){.kind = EVENT_OK, .start = position};
    return (struct partition_event){.kind = EVENT_OK, .announced = {.until = position}};
}

/* ---- the promise ---- */

static const char *fault_of(const struct world *w)
{
    for (unsigned r = 0; r < ROWS; r++) {
        bool needed = (r < 2 ? 0 : 1) < w->offset;
        if (needed && w->table[r] + w->dead[r] == 0)
            return "a row is lost";
        if (w->dead[r] > 1)
            return "a row is in the dead letters twice";
        if (bounds.blind)
            continue;
        if (w->table[r] > 1)
            return "a row is in the table twice";
        if (w->table[r] + w->dead[r] > 1)
            return "a row is in the table and in the dead letters";
    }
    return NULL;
}

#endif
