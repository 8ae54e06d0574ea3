/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition_moves.h - what can happen next in check_partition.c's world.
 *
 * The group gives the partition to one owner at a time, and refuses the others' commits. It can
 * move on at any moment, with or without the owner's knowledge: until its lease is over, an owner
 * that does not know goes on inserting.
 */
#ifndef TESTS_UNIT_CHSINKD_PARTITION_MOVES_H
#define TESTS_UNIT_CHSINKD_PARTITION_MOVES_H

#include "tests/unit/chsinkd/partition_model.h"

/* A state is reached (check_partition.c). */
static void reached(struct world *w);

/* ---- what can happen ---- */

/* Each possibility works on a copy of the world. */
#define TRY(w_, o_, i_, from_)                                                                     \
    for (struct world copy_ = *(from_), *w_ = &copy_, *once_ = w_; once_;                          \
         once_ = NULL, reached(w_))                                                                \
        for (struct owner *o_ = &w_->owners[i_], *again_ = o_; again_; again_ = NULL)

static void answer(struct world *w, struct owner *o, enum partition_event_kind kind)
{
    give(w, o, (struct partition_event){.kind = kind, .next = -1});
}

/* The owner is killed and restarted, with either route. */
static void try_kill(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    for (unsigned route = 0; route < 2; route++) {
        if (was->state.phase == PARTITION_NONE && was->route == route)
            continue;
        TRY(w, o, i, from)
        {
            w->ends--;
            orphan(w, &o->insert);
            *o = (struct owner){.route = route, .state.announced.end = -1, .state.wanted.end = -1};
            if (is_owner(from, i))
                owner_set(w, -1);
        }
    }
}

/* The caller leaves it for a while. A commit under way may still take effect. */
static void try_set_aside(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    bool commits = (was->action == ACTION_ANNOUNCE || was->action == ACTION_COMMIT) &&
                   !was->applied && !from->late.is;
    for (unsigned late = 0; late <= commits; late++)
        TRY(w, o, i, from)
        {
            w->ends--;
            if (late && o->action == ACTION_COMMIT && o->head.dead)
                w->pending = commit_of(o);
            else if (late)
                w->late = commit_of(o);
            give(w, o, (struct partition_event){.kind = EVENT_REVOKED});
        }
}

static void try_life(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    bool gone = was->state.phase == PARTITION_NONE || was->state.phase == PARTITION_LOST;
    if (!gone && !is_owner(from, i)) /* it hears that the group has moved on */
        TRY(w, o, i, from)
        {
            give(w, o, (struct partition_event){.kind = EVENT_REVOKED});
        }
    if (from->ends == 0)
        return;
    if (can(KILL))
        try_kill(from, i);
    if (gone || !is_owner(from, i))
        return;
    if (!was->state.stopping && can(STOP))
        TRY(w, o, i, from)
        {
            w->ends--;
            give(w, o, (struct partition_event){.kind = EVENT_STOP});
        }
    if (can(MOVE))
        TRY(w, o, i, from) /* the owner hears of it later */
        {
            (void)o;
            w->ends--;
            owner_set(w, -1);
        }
    if (can(ASIDE))
        try_set_aside(from, i);
}

static void try_assign(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    const struct partition_event assigned = {
        .kind = EVENT_ASSIGNED, .start = from->offset, .announced = from->announced};
    if (was->state.phase != PARTITION_NONE ||
        (from->pending.is && wrong != WRONG_ASSIGNED_UNDECIDED))
        return;
    if (!is_owner(from, !i))
        for (unsigned clock = 0; clock < (can(CLOCK) ? 3 : 1); clock++) {
            /* Set forward, set back, right. Only where it makes a difference. */
            static const int64_t off_ms[] = {0, YOUNG, -60000 - YOUNG};
            if (clock > 0 && (from->announced.end < 0 || from->announced.at_ms < YOUNG_FROM))
                continue;
            TRY(w, o, i, from)
            {
                struct partition_event e = assigned;
                e.now_ms = off_ms[clock];
                owner_set(w, (int)i);
                give(w, o, e);
            }
        }
    else if (from->ends > 0 && can(MOVE))
        TRY(w, o, i, from) /* it was assigned, but hears of it when the group has moved on */
        {
            w->ends--;
            give(w, o, assigned);
        }
}

/* No batch goes on beyond the position. */
static int read_max(const struct owner *o, int start)
{
    bool below = bounds.keeps && start < o->state.position;
    return below ? (int)o->state.position : MESSAGES;
}

static void try_read(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    const struct partition_state *s = &was->state;
    if (s->phase == PARTITION_RECOVER) {
        TRY(w, o, i, from)
        {
            o->head = batch_read(o, (int)s->start, (int)s->announced.end);
            head_give(w, o);
        }
        if (wrong == WRONG_HALF_READ_IS_ANNOUNCED && s->announced.end - s->start == 2)
            TRY(w, o, i, from)
            {
                o->state.phase = PARTITION_OPEN;
                o->head = batch_read(o, (int)s->start, (int)s->start + 1);
                head_give(w, o);
            }
    } else if (s->phase == PARTITION_OPEN && !was->has_head) {
        for (int end = (int)s->start + 1; end <= read_max(was, (int)s->start); end++)
            TRY(w, o, i, from)
            {
                o->head = batch_read(o, (int)s->start, end);
                head_give(w, o);
            }
    } else if (was->has_head && !was->has_queued && was->head.end < MESSAGES) {
        TRY(w, o, i, from)
        {
            o->queued = batch_read(o, o->head.end, read_max(o, o->head.end));
            o->has_queued = true;
        }
    }
}

/* ---- time ---- */

/* What was sent before is there or lost. */
static bool is_settled(const struct world *w, unsigned i)
{
    return w->orphans[0].at == 0 && w->orphans[1].at == 0 &&
           (w->owners[!i].insert.at == 0 || !is_owner(w, i));
}

static void lease_end(struct partition_state *s)
{
    if (s->called_ms > NOW - LEASE)
        s->called_ms = NOW - LEASE;
    if (s->proof_ms > NOW - LEASE)
        s->proof_ms = NOW - LEASE;
}

static void try_time(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    bool settle = was->state.phase == PARTITION_SETTLE;
    if (!was->waiting || (settle && !is_settled(from, i)))
        return;
    TRY(w, o, i, from)
    {
        if (settle && was->state.sent_ms > NOW && !is_owner(w, !i))
            lease_end(&w->owners[!i].state);
        give(w, o, (struct partition_event){.kind = EVENT_TIME});
    }
    if (was->state.phase == PARTITION_INSERT && was->state.proof_ms > NOW - LEASE)
        TRY(w, o, i, from) /* it took long */
        {
            lease_end(&o->state);
            give(w, o, (struct partition_event){.kind = EVENT_TIME});
        }
}

/* Every token grows old; what is on its way is there or lost long before. */
static void try_age(const struct world *from)
{
    struct times t = {0};
    struct world copy = *from, *w = &copy;
    struct partition_announcement *announced[ANNOUNCED];
    times_of(w, &t);
    unsigned old = 0;
    for (unsigned i = 0; i < t.n; i++)
        old += t.v[i] < YOUNG_FROM;
    if (wrong == WRONG_WINDOW_TOO_SHORT) {
        memset(w->window, 0, sizeof(w->window));
        reached(w);
        copy = *from;
    }
    if (!can(AGE) || old == t.n || w->orphans[0].at || w->orphans[1].at || w->owners[0].insert.at ||
        w->owners[1].insert.at)
        return;
    memset(w->window, 0, sizeof(w->window)); /* the table has forgotten them */
    announcements_of(w, announced);
    for (unsigned i = 0; i < ANNOUNCED; i++)
        if (announced[i]->at_ms >= YOUNG_FROM)
            announced[i]->at_ms += (int64_t)old - YOUNG_FROM;
    for (unsigned i = 0; i < OWNERS; i++) {
        struct partition_state *s = &w->owners[i].state;
        s->called_ms = s->proof_ms = s->born_ms = 0;
    }
    reached(w);
}

/* ---- answers ---- */

static void try_commit(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    bool dead = was->action == ACTION_COMMIT && was->head.dead; /* a transaction */
    bool ours = may_commit(from, i) && !was->applied;
    if (ours)
        TRY(w, o, i, from)
        {
            struct commit c = commit_of(o);
            o->applied = true;
            commit_apply(w, &c);
            if (wrong != WRONG_LATE_COMMIT_OVERTAKES) /* it was sent before, and has come before */
                w->late = (struct commit){.announced.end = -1};
        }
    if (was->applied || !ours)
        TRY(w, o, i, from)
        {
            answer(w, o, was->applied ? EVENT_OK : EVENT_FENCED);
        }
    if ((!was->applied || !dead) && can(FAIL))
        TRY(w, o, i, from)
        {
            answer(w, o, EVENT_RETRY);
        }
    if (ours && !dead && !from->late.is && can(FAIL))
        TRY(w, o, i, from)
        {
            w->late = commit_of(o);
            answer(w, o, EVENT_RETRY);
        }
    if (dead && can(UNKNOWN))
        TRY(w, o, i, from)
        {
            answer(w, o, EVENT_UNKNOWN);
        }
    if (dead && ours && !from->pending.is && can(UNKNOWN))
        TRY(w, o, i, from)
        {
            w->pending = commit_of(o);
            answer(w, o, EVENT_UNKNOWN);
        }
}

static void position_answer(struct world *w, struct owner *o)
{
    bool done = land_at_position(w, &o->insert);
    o->insert = (struct insert){0};
    if (done)
        give(w, o, (struct partition_event){.kind = EVENT_OK, .next = next_end(o)});
    else
        answer(w, o, EVENT_FENCED);
}

static void try_insert_at_position(const struct world *from, unsigned i)
{
    TRY(w, o, i, from)
    {
        position_answer(w, o);
    }
    for (unsigned late = 0; late < 2 && can(UNKNOWN); late++)
        TRY(w, o, i, from)
        {
            if (!late) {
                land_at_position(w, &o->insert);
                o->insert = (struct insert){0};
            }
            orphan(w, &o->insert);
            answer(w, o, EVENT_UNKNOWN);
        }
    for (unsigned refused = 0; refused < 2; refused++)
        if (can(refused ? REFUSE : FAIL) && (!refused || from->owners[i].head.rows))
            TRY(w, o, i, from)
            {
                o->insert = (struct insert){0};
                give(w, o,
                     (struct partition_event){.kind = refused ? EVENT_REFUSED : EVENT_RETRY,
                                              .next = -1,
                                              .single = o->head.end - o->head.start == 1});
            }
}

static void try_insert(const struct world *from, unsigned i)
{
    if (bounds.keeps) {
        try_insert_at_position(from, i);
        return;
    }
    TRY(w, o, i, from)
    {
        land(w, &o->insert, 3);
        o->insert = (struct insert){0};
        give(w, o, (struct partition_event){.kind = EVENT_OK, .next = next_end(o)});
    }
    for (unsigned parts = 0; parts < 4 && can(UNKNOWN); parts++)
        TRY(w, o, i, from)
        {
            land(w, &o->insert, parts);
            orphan(w, &o->insert);
            answer(w, o, EVENT_UNKNOWN);
        }
    if (can(FAIL))
        TRY(w, o, i, from)
        {
            o->insert = (struct insert){0};
            answer(w, o, EVENT_RETRY);
        }
    for (unsigned parts = 0; parts < 3 && can(REFUSE); parts++)
        TRY(w, o, i, from) /* a part of it may be there, for instance where a view refuses */
        {
            land(w, &o->insert, parts);
            o->insert = (struct insert){0};
            give(w, o,
                 (struct partition_event){.kind = EVENT_REFUSED,
                                          .next = -1,
                                          .single = o->head.end - o->head.start == 1});
        }
}

static struct partition_event look_answer(struct world *w, struct owner *o)
{
    if (o->action == ACTION_LOOK)
        return looked(w, o);
    if (o->action == ACTION_PLACE)
        return placed(w, o);
    return (struct partition_event){.kind = EVENT_OK, .start = w->offset};
}

/* Those that change nothing: a look-up, or any while LOST. */
static void try_look(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    bool undecided = was->action == ACTION_CHECK && from->pending.is;
    if (can(FAIL) || was->state.phase == PARTITION_LOST)
        TRY(w, o, i, from)
        {
            answer(w, o, EVENT_RETRY);
        }
    if (was->state.phase == PARTITION_LOST || (undecided && wrong != WRONG_CHECKED_UNDECIDED))
        return;
    TRY(w, o, i, from)
    {
        struct partition_event e = look_answer(w, o);
        give(w, o, e);
    }
}

static void try_answer(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    if (was->state.phase == PARTITION_LOST) {
        try_look(from, i);
        return;
    }
    switch ((enum partition_action)was->action) {
    case ACTION_ANNOUNCE:
    case ACTION_COMMIT:
        try_commit(from, i);
        break;
    case ACTION_INSERT:
        try_insert(from, i);
        break;
    case ACTION_LOOK:
    case ACTION_PLACE:
    case ACTION_CHECK:
        try_look(from, i);
        break;
    case ACTION_NONE:
    case ACTION_READ:
    case ACTION_WAIT:
    case ACTION_SPLIT:
    case ACTION_BURY:
    case ACTION_NEXT:
    case ACTION_DROP:
        break;
    }
}

/* What is on its way arrives, or is lost. */
static void try_arrive(const struct world *from)
{
    for (unsigned k = 0; k < ORPHANS_MAX; k++)
        for (unsigned parts = 0; parts < (bounds.keeps ? 2 : 4) && from->orphans[k].at; parts++)
            TRY(w, o, 0, from)
            {
                (void)o;
                if (bounds.keeps) {
                    if (parts)
                        land_at_position(w, &w->orphans[k]);
                    w->orphans[k] = (struct insert){0};
                    continue;
                }
                land(w, &w->orphans[k], parts);
                if (parts == 0 || w->orphans[k].rows == 0)
                    w->orphans[k] = (struct insert){0};
            }
    for (unsigned yes = 0; yes < 2; yes++) {
        if (from->late.is)
            TRY(w, o, 0, from)
            {
                (void)o;
                if (yes)
                    commit_apply(w, &w->late);
                w->late = (struct commit){.announced.end = -1};
            }
        if (from->pending.is)
            TRY(w, o, 0, from)
            {
                (void)o;
                if (yes)
                    commit_apply(w, &w->pending);
                w->pending = (struct commit){.announced.end = -1};
            }
    }
}

static void expand(const struct world *from)
{
    for (unsigned i = 0; i < OWNERS; i++) {
        try_life(from, i);
        try_assign(from, i);
        try_read(from, i);
        try_time(from, i);
        try_answer(from, i);
    }
    try_arrive(from);
    try_age(from);
}

/* ---- fair weather ---- */

static void fair_answer(struct world *w, struct owner *o)
{
    switch ((enum partition_action)o->action) {
    case ACTION_ANNOUNCE:
    case ACTION_COMMIT:
        if (!o->applied) {
            struct commit c = commit_of(o);
            commit_apply(w, &c);
        }
        answer(w, o, EVENT_OK);
        break;
    case ACTION_INSERT:
        if (bounds.keeps) {
            position_answer(w, o);
            break;
        }
        land(w, &o->insert, 3);
        o->insert = (struct insert){0};
        give(w, o, (struct partition_event){.kind = EVENT_OK, .next = next_end(o)});
        break;
    case ACTION_LOOK:
    case ACTION_PLACE:
    case ACTION_CHECK: {
        struct partition_event e = look_answer(w, o);
        give(w, o, e);
        break;
    }
    case ACTION_NONE:
    case ACTION_READ:
    case ACTION_WAIT:
    case ACTION_SPLIT:
    case ACTION_BURY:
    case ACTION_NEXT:
    case ACTION_DROP:
        break;
    }
}

/* The owner's next step; the other has nothing to do. */
static void fair_step(struct world *w, struct owner *o)
{
    struct partition_state *s = &o->state;
    if (s->phase == PARTITION_NONE) {
        give(w, o,
             (struct partition_event){
                 .kind = EVENT_ASSIGNED, .start = w->offset, .announced = w->announced});
    } else if (o->waiting) {
        give(w, o, (struct partition_event){.kind = EVENT_TIME});
    } else if (partition_wants_batch(s)) {
        bool recover = s->phase == PARTITION_RECOVER;
        o->head = batch_read(o, (int)s->start,
                             recover ? (int)s->announced.end : read_max(o, (int)s->start));
        head_give(w, o);
    } else {
        fair_answer(w, o);
    }
}

/* From here, if nothing else goes wrong, everything is delivered. */
static const char *fault_of_fair_weather(const struct world *from)
{
    struct world copy = *from, *w = &copy;
    memset(w->orphans, 0, sizeof(w->orphans));
    w->late = w->pending = (struct commit){.announced.end = -1};
    for (unsigned i = 0; i < OWNERS; i++) {
        struct owner *o = &w->owners[i];
        if (!is_owner(w, i) && o->state.phase != PARTITION_NONE && o->state.phase != PARTITION_LOST)
            give(w, o, (struct partition_event){.kind = EVENT_REVOKED});
        if (o->state.phase == PARTITION_LOST)
            answer(w, o, EVENT_RETRY);
    }
    memset(w->orphans, 0, sizeof(w->orphans));
    for (unsigned steps = 0; w->offset < MESSAGES; steps++) {
        if (steps == FAIR_STEPS)
            return "it does not end";
        if (w->owner < 0)
            owner_set(w, 0);
        fair_step(w, &w->owners[w->owner]);
    }
    return fault_of(w);
}

#endif
