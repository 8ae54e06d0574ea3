/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links: chsinkd
 *
 * The protocol of a partition, searched exhaustively: two owners run the machine against a model
 * of Kafka's group and of the table with its window of tokens. Whatever can happen next is tried,
 * breadth first, until no new state is reached; in every state each row is in the table or the dead
 * letters at most once, and exactly once below the group's offset.
 *
 * Either owner can be killed at any moment and started again with the new route, lose the
 * partition with or without hearing of it, be stopped. Every answer can be lost, before or after
 * the call took effect; an insert whose answer was lost can arrive at any time until the world
 * has settled. Tokens are forgotten when old.
 *
 * Each rule of the machine is removed in turn, by a WRONG_*: the search must then find a row lost
 * or doubled, or the rule is not needed.
 */
#include "tests/unit/chsinkd/partition_world.h"
#include "tests/unit/unit.h"

/* ---- the rules that are removed ---- */

enum wrong {
    WRONG_NOTHING,
    WRONG_ANNOUNCEMENT_FORGOTTEN,
    WRONG_ROUTE_IGNORED,
    WRONG_AGE_IGNORED,
    WRONG_UNTIL_IGNORED,
    WRONG_NO_SETTLE,
    WRONG_DOUBT_IGNORED,
    WRONG_LEASE_IGNORED,
    WRONG_FENCED_IGNORED,
    WRONG_TOKEN_REUSED,
    WRONG_UNKNOWN_INSERT_IS_OK,
    WRONG_UNKNOWN_COMMIT_IS_OK,
    WRONG_UNKNOWN_COMMIT_REPEATED,
    WRONG_MESSAGE_SKIPPED_WHOLE,
    WRONG_REJECT_OF_WHAT_IS_THERE,
    WRONG_REFUSED_WITHOUT_LOOK,
    WRONG_UNTIL_NOT_KEPT,
    WRONGS,
};
static const char *const wrong_names[WRONGS] = {
    "nothing",
    "an announced range is forgotten when reading is interrupted",
    "a changed route repeats the token",
    "an old token is relied on",
    "what is in doubt is forgotten with its owner",
    "the table is asked while an insert can still arrive",
    "a refused batch is split though an earlier try may arrive",
    "an insert is sent after the lease",
    "a fenced announcement is taken for a success",
    "a new announcement has the old token",
    "an unknown insert is taken for a success",
    "an unknown commit of dead letters is taken for a success",
    "an unknown commit of dead letters is repeated unseen",
    "a message of which a row is there is skipped whole",
    "a reject whose row is there becomes a dead letter",
    "a refused batch is split though part of it may be there",
    "what is in doubt is forgotten with a commit",
};
static enum wrong wrong;
static struct partition_conf conf = {1, true, YOUNG, 1, LEASE};

static enum partition_action machine(struct owner *o, struct partition_event *e)
{
    struct partition_state *s = &o->state;
    conf.digest = o->route ? 2 : 1;
    conf.can_look = true;
    if (o->cut_off && wrong != WRONG_LEASE_IGNORED) /* before any call it made as owner */
        e->mono_ms = 2 * LEASE;
    if (e->kind == EVENT_ASSIGNED && wrong == WRONG_ANNOUNCEMENT_FORGOTTEN)
        e->announced.end = -1;
    if (e->kind == EVENT_ASSIGNED && wrong == WRONG_ROUTE_IGNORED)
        e->announced.digest = conf.digest;
    if (e->kind == EVENT_ASSIGNED && wrong == WRONG_UNTIL_IGNORED)
        e->announced.until = 0;
    if (wrong == WRONG_AGE_IGNORED) {
        s->born_ms = e->mono_ms;
        e->now_ms = e->kind == EVENT_ASSIGNED ? e->announced.at_ms : e->now_ms;
    }
    if (wrong == WRONG_DOUBT_IGNORED && e->kind == EVENT_REFUSED)
        s->doubt = false;
    if (wrong == WRONG_REFUSED_WITHOUT_LOOK && e->kind == EVENT_REFUSED)
        conf.can_look = false;
    if (wrong == WRONG_FENCED_IGNORED && e->kind == EVENT_FENCED &&
        s->phase == PARTITION_ANNOUNCE) {
        e->kind = EVENT_OK;
        s->called_ms = e->mono_ms;
    }
    if (wrong == WRONG_UNKNOWN_INSERT_IS_OK && e->kind == EVENT_UNKNOWN &&
        s->phase == PARTITION_INSERT)
        e->kind = EVENT_OK;
    if (e->kind == EVENT_UNKNOWN && s->phase == PARTITION_COMMIT) {
        if (wrong == WRONG_UNKNOWN_COMMIT_IS_OK)
            e->kind = EVENT_OK;
        if (wrong == WRONG_UNKNOWN_COMMIT_REPEATED)
            e->kind = EVENT_RETRY;
    }
    if (e->kind == EVENT_TIME && s->phase == PARTITION_SETTLE)
        e->mono_ms = partition_settle_at(s, &conf);
    int64_t until = s->until;
    enum partition_action action = partition_next(s, &conf, e);
    if (wrong == WRONG_UNTIL_NOT_KEPT && action == ACTION_COMMIT && until > s->end) {
        s->until = 0;
        s->wanted = (struct partition_announcement){.end = -1};
    }
    if (wrong == WRONG_NO_SETTLE && s->phase == PARTITION_SETTLE)
        action = partition_next(s, &conf,
                                &(struct partition_event){
                                    .kind = EVENT_TIME, e->now_ms, partition_settle_at(s, &conf)});
    if (wrong == WRONG_TOKEN_REUSED && action == ACTION_ANNOUNCE && s->announced.end >= 0)
        s->wanted.at_ms = s->announced.at_ms;
    return action;
}

/* ---- what the machine wants ---- */

static struct batch batch_read(const struct owner *o, int start, int end)
{
    struct batch b = {.start = (int8_t)start, .end = (int8_t)end};
    for (int m = start; m < end; m++) {
        b.rows |= taken[o->route][m];
        b.dead |= rejected[o->route][m];
    }
    return b;
}

static uint8_t rows_of(int start, int end)
{
    uint8_t rows = 0;
    for (int m = start; m < end; m++)
        rows |= taken[0][m] | rejected[0][m];
    return rows;
}

static void act(struct world *w, struct owner *o, enum partition_action action);
static void orphan(struct world *w, struct insert *insert);

static void give(struct world *w, struct owner *o, struct partition_event e)
{
    e.now_ms = w->now;
    o->waiting = false;
    act(w, o, machine(o, &e));
}

static int64_t next_end(const struct owner *o)
{
    return o->has_queued && o->queued.rows ? o->queued.end : -1;
}

static void head_give(struct world *w, struct owner *o)
{
    o->has_head = true;
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

static void act(struct world *w, struct owner *o, enum partition_action action)
{
    struct partition_state *s = &o->state;
    o->action = ACTION_NONE;
    o->applied = false;
    switch (action) {
    case ACTION_NONE:
    case ACTION_READ:
        break;
    case ACTION_WAIT:
        o->waiting = true;
        break;
    case ACTION_INSERT:
        o->insert = (struct insert){(uint8_t)s->announced.at_ms, o->head.rows};
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
        o->has_head = false;
        if (o->has_queued) {
            o->head = o->queued;
            o->has_queued = false;
            o->queued = (struct batch){0};
            head_give(w, o);
        } else {
            o->head = (struct batch){0};
        }
        break;
    case ACTION_DROP:
        o->has_head = o->has_queued = false;
        o->head = o->queued = (struct batch){0};
        break;
    }
    /* The clock of the model is the world's; leases are over or they are not. */
    s->called_ms = s->called_ms >= LEASE ? LEASE : 0;
    s->proof_ms = s->proof_ms >= LEASE ? LEASE : 0;
    s->born_ms = s->announced.end >= 0 && s->announced.at_ms < YOUNG_FROM ? -YOUNG_FROM : 0;
    s->sent_ms = 0;
    if (s->phase == PARTITION_NONE)
        o->cut_off = false, memset(s, 0, sizeof(*s));
    if (s->phase == PARTITION_LOST && o->has_head) { /* nobody takes its answer */
        o->has_head = o->has_queued = false;
        o->head = o->queued = (struct batch){0};
        orphan(w, &o->insert);
        o->action = ACTION_LOOK;
    }
}

/* ---- what happens ---- */

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
        uint8_t rows = insert->rows & part_of[part];
        if (!(parts & 1U << part) || rows == 0)
            continue;
        for (unsigned r = 0; r < ROWS && !(token->parts & 1U << part); r++)
            w->table[r] += rows >> r & 1;
        token->parts |= (uint8_t)(1U << part);
        insert->rows &= (uint8_t)~rows;
    }
}

/* Nobody waits for the insert any more; the part that is not in the table may still arrive. */
static void orphan(struct world *w, struct insert *insert)
{
    struct insert left = *insert;
    *insert = (struct insert){0};
    if (left.rows == 0)
        return;
    for (unsigned i = 0; i < ORPHANS; i++)
        if (w->orphans[i].at == left.at) { /* again with the same token */
            w->orphans[i].rows |= left.rows;
            return;
        }
    for (unsigned i = 0; i < ORPHANS; i++)
        if (w->orphans[i].at == 0) {
            w->orphans[i] = left;
            return;
        }
    /* No more are tracked: this one gets lost. */
}

static void apply(struct world *w, struct owner *o)
{
    o->applied = true;
    w->announced = o->state.wanted;
    if (o->action == ACTION_ANNOUNCE) {
        w->offset = (int8_t)o->state.start;
        return;
    }
    w->offset = (int8_t)o->state.end;
    for (unsigned r = 0; r < ROWS; r++)
        w->dead[r] += o->head.dead >> r & 1;
}

static struct partition_event looked(struct world *w, struct owner *o)
{
    uint8_t there = 0, range = rows_of(o->head.start, o->head.end);
    for (unsigned r = 0; r < ROWS; r++)
        there |= (uint8_t)((w->table[r] > 0) << r);
    uint8_t skipped = there;
    if (wrong == WRONG_MESSAGE_SKIPPED_WHOLE && there & rows_of(1, 2))
        skipped |= rows_of(1, 2);
    o->head.rows &= (uint8_t)~skipped;
    if (wrong != WRONG_REJECT_OF_WHAT_IS_THERE)
        o->head.dead &= (uint8_t)~skipped;
    return (struct partition_event){.kind = EVENT_OK,
                                    .missing = o->head.rows != 0,
                                    .found = (there & range) != 0,
                                    .next = next_end(o),
                                    .single = o->head.end - o->head.start == 1};
}

/* ---- the search ---- */

/* States are kept by a hash of 64 bits: among ten million the chance that two share one is one in
 * 400,000. */
static struct {
    uint64_t *seen;
    size_t slots, n;
    struct packed *layer, *next;
    size_t layer_n, layer_max, next_n, next_max;
    unsigned depth;
    uint64_t steps;
    const char *fault;
} search;

static uint64_t hash(const struct packed *packed)
{
    uint64_t h = 0x9e3779b97f4a7c15, word;
    for (size_t i = 0; i < sizeof(packed->bytes); i += sizeof(word)) {
        memcpy(&word, packed->bytes + i, sizeof(word));
        h = (h ^ word) * 0xff51afd7ed558ccd;
        h ^= h >> 32;
    }
    return h | 1; /* 0: a free slot */
}

static bool seen_put(uint64_t *seen, size_t slots, uint64_t h)
{
    size_t i = h >> 8 & (slots - 1);
    for (; seen[i]; i = (i + 1) & (slots - 1))
        if (seen[i] == h)
            return false;
    seen[i] = h;
    return true;
}

static bool seen_add(uint64_t h)
{
    if (2 * search.n >= search.slots) {
        size_t slots = search.slots ? 2 * search.slots : 1U << 16;
        uint64_t *grown = pl_alloc_array(slots, sizeof(*grown));
        for (size_t i = 0; i < search.slots; i++)
            if (search.seen[i])
                seen_put(grown, slots, search.seen[i]);
        free(search.seen);
        search.seen = grown;
        search.slots = slots;
    }
    bool added = seen_put(search.seen, search.slots, h);
    search.n += added;
    return added;
}

static const char *fault_of(const struct world *w)
{
    for (unsigned r = 0; r < ROWS; r++) {
        if (w->table[r] > 1)
            return "a row is in the table twice";
        if (w->dead[r] > 1)
            return "a row is in the dead letters twice";
        if (w->table[r] + w->dead[r] > 1)
            return "a row is in the table and in the dead letters";
        if ((r == 0 ? 0 : 1) < w->offset && w->table[r] + w->dead[r] == 0)
            return "a row is lost";
    }
    return NULL;
}

static void reached(struct world *w)
{
    struct packed packed = {0};
    search.steps++;
    if (!search.fault)
        search.fault = fault_of(w);
    times_renumber(w);
    owners_order(w);
    world_pack(w, &packed, true);
    if (!seen_add(hash(&packed)))
        return;
    if (search.next_n == search.next_max) {
        search.next_max = search.next_max ? 2 * search.next_max : 1024;
        search.next = pl_realloc_array(search.next, search.next_max, sizeof(*search.next));
    }
    search.next[search.next_n++] = packed;
}

/* Each possibility works on a copy of the world. */
#define TRY(w_, o_, i_, from_)                                                                     \
    for (struct world copy_ = *(from_), *w_ = &copy_, *once_ = w_; once_;                          \
         once_ = NULL, reached(w_))                                                                \
        for (struct owner *o_ = &w_->owners[i_], *again_ = o_; again_; again_ = NULL)

static bool is_owner(const struct world *w, unsigned i)
{
    return w->owner == (int)i;
}

static void answer(struct world *w, struct owner *o, enum partition_event_kind kind)
{
    give(w, o, (struct partition_event){.kind = kind, .next = -1});
}

/* ---- what can happen to an owner ---- */

/* The owner is killed and restarted: with the old route only if it had that. */
static void try_kill(const struct world *from, unsigned i)
{
    for (unsigned route = from->owners[i].route; route < 2; route++)
        TRY(w, o, i, from)
        {
            w->ends--;
            orphan(w, &o->insert);
            *o = (struct owner){.route = route};
            if (is_owner(from, i))
                w->owner = -1;
        }
}

static void try_life(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    enum partition_phase phase = was->state.phase;
    if (was->cut_off && phase != PARTITION_LOST)
        TRY(w, o, i, from)
        {
            give(w, o, (struct partition_event){.kind = EVENT_REVOKED});
        }
    if (from->ends == 0)
        return;
    try_kill(from, i);
    if (phase == PARTITION_NONE || phase == PARTITION_LOST)
        return;
    if (phase == PARTITION_RECOVER || phase == PARTITION_SETTLE || phase == PARTITION_LOOKUP)
        TRY(w, o, i, from) /* in other phases like revoked once OPEN */
        {
            w->ends--;
            if (is_owner(from, i))
                w->owner = -1;
            give(w, o, (struct partition_event){.kind = EVENT_STOP});
        }
    if (!is_owner(from, i))
        return;
    TRY(w, o, i, from) /* the group moves on, and the owner hears of it later */
    {
        w->ends--;
        o->cut_off = true;
        w->owner = -1;
    }
    TRY(w, o, i, from)
    {
        w->ends--;
        w->owner = -1;
        give(w, o, (struct partition_event){.kind = EVENT_REVOKED});
    }
}

static void try_assign(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    if (from->owner >= 0 || was->state.phase != PARTITION_NONE)
        return;
    TRY(w, o, i, from)
    {
        w->owner = (int8_t)i;
        o->cut_off = false;
        give(w, o,
             (struct partition_event){
                 .kind = EVENT_ASSIGNED, .start = w->offset, .announced = w->announced});
    }
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
    } else if (s->phase == PARTITION_OPEN && !was->has_head) {
        for (int end = (int)s->start + 1; end <= MESSAGES; end++)
            TRY(w, o, i, from)
            {
                o->head = batch_read(o, (int)s->start, end);
                head_give(w, o);
            }
    } else if (was->has_head && !was->has_queued && was->head.end < MESSAGES) {
        TRY(w, o, i, from)
        {
            o->queued = batch_read(o, o->head.end, MESSAGES);
            o->has_queued = true;
        }
    }
}

/* Nothing sent before is on its way. */
static bool is_settled(const struct world *w, unsigned i)
{
    for (unsigned k = 0; k < ORPHANS; k++)
        if (w->orphans[k].at)
            return false;
    return w->owners[!i].insert.at == 0 || !is_owner(w, i);
}

static void try_time(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    if (!was->waiting || (was->state.phase == PARTITION_SETTLE && !is_settled(from, i)))
        return;
    TRY(w, o, i, from)
    {
        give(w, o, (struct partition_event){.kind = EVENT_TIME});
    }
    if (was->state.phase == PARTITION_INSERT) /* it took long */
        TRY(w, o, i, from)
        {
            give(w, o, (struct partition_event){.kind = EVENT_TIME, .mono_ms = LEASE});
        }
}

/* ---- answers ---- */

static void try_commit(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    bool dead = was->action == ACTION_COMMIT && was->head.dead;
    if (is_owner(from, i) && !was->applied)
        TRY(w, o, i, from)
        {
            apply(w, o);
        }
    if (was->applied)
        TRY(w, o, i, from)
        {
            answer(w, o, EVENT_OK);
        }
    else if (!is_owner(from, i))
        TRY(w, o, i, from)
        {
            answer(w, o, EVENT_FENCED);
        }
    if (!(was->applied && dead)) /* then it is unknown */
        TRY(w, o, i, from)
        {
            answer(w, o, EVENT_RETRY);
        }
    if (dead)
        TRY(w, o, i, from)
        {
            answer(w, o, EVENT_UNKNOWN);
        }
}

static void try_insert(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    TRY(w, o, i, from)
    {
        land(w, &o->insert, 3);
        o->insert = (struct insert){0};
        give(w, o, (struct partition_event){.kind = EVENT_OK, .next = next_end(o)});
    }
    for (unsigned parts = 0; parts < 4; parts++)
        TRY(w, o, i, from)
        {
            land(w, &o->insert, parts);
            orphan(w, &o->insert);
            answer(w, o, EVENT_UNKNOWN);
        }
    TRY(w, o, i, from)
    {
        o->insert = (struct insert){0};
        answer(w, o, EVENT_RETRY);
    }
    for (unsigned parts = 0; parts < 2 && was->state.phase == PARTITION_INSERT; parts++)
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

static void try_answer(const struct world *from, unsigned i)
{
    const struct owner *was = &from->owners[i];
    switch ((enum partition_action)was->action) {
    case ACTION_ANNOUNCE:
    case ACTION_COMMIT:
        try_commit(from, i);
        break;
    case ACTION_INSERT:
        try_insert(from, i);
        break;
    case ACTION_LOOK:
        TRY(w, o, i, from)
        {
            struct partition_event e = looked(w, o);
            give(w, o, e);
        }
        break;
    case ACTION_CHECK:
        TRY(w, o, i, from)
        {
            give(w, o, (struct partition_event){.kind = EVENT_OK, .start = w->offset});
        }
        break;
    case ACTION_NONE:
    case ACTION_PLACE:
    case ACTION_READ:
    case ACTION_WAIT:
    case ACTION_SPLIT:
    case ACTION_BURY:
    case ACTION_NEXT:
    case ACTION_DROP:
        break;
    }
}

/* ---- what happens to the rest of the world ---- */

static void try_world(const struct world *from)
{
    for (unsigned k = 0; k < ORPHANS; k++) {
        if (!from->orphans[k].at)
            continue;
        for (unsigned parts = 0; parts < 4; parts++) /* 0: it is lost */
            TRY(w, o, 0, from)
            {
                (void)o;
                land(w, &w->orphans[k], parts);
                if (parts == 0 || w->orphans[k].rows == 0)
                    w->orphans[k] = (struct insert){0};
            }
    }
}

/* Every token grows old; what is on its way is there or lost long before. */
static void try_age(const struct world *from)
{
    struct times t = {0};
    struct world copy = *from, *w = &copy;
    times_of(w, &t);
    bool young = false;
    for (unsigned i = 0; i < t.n; i++)
        young |= t.v[i] >= YOUNG_FROM;
    for (unsigned i = 0; i < ORPHANS; i++)
        if (w->orphans[i].at)
            return;
    if (!young)
        return;
    for (unsigned i = 0; i < OWNERS; i++) {
        if (w->owners[i].insert.at)
            return;
    }
    for (unsigned i = 0; i < TOKENS; i++) /* the window has forgotten them */
        w->window[i] = (struct token){0};
    unsigned old = 0;
    for (unsigned i = 0; i < t.n; i++)
        old += t.v[i] < YOUNG_FROM;
    int64_t *const at[] = {&w->announced.at_ms, &w->owners[0].state.announced.at_ms,
                           &w->owners[0].state.wanted.at_ms, &w->owners[1].state.announced.at_ms,
                           &w->owners[1].state.wanted.at_ms};
    for (unsigned i = 0; i < PL_COUNT(at); i++)
        if (*at[i] >= YOUNG_FROM)
            *at[i] = *at[i] - YOUNG_FROM + old;
    reached(w);
}

static void expand(const struct packed *packed)
{
    struct world from;
    struct packed copy = *packed;
    memset(&from, 0, sizeof(from));
    world_pack(&from, &copy, false);
    for (unsigned i = 0; i < OWNERS; i++) {
        try_life(&from, i);
        try_assign(&from, i);
        try_read(&from, i);
        try_time(&from, i);
        try_answer(&from, i);
    }
    try_world(&from);
    try_age(&from);
}

/* Searches until a fault is found, nothing new is reached, or the depth is. */
static void search_run(enum wrong what, unsigned depth_max)
{
    struct world w;
    wrong = what;
    memset(&search, 0, sizeof(search));
    memset(&w, 0, sizeof(w));
    w.owner = -1;
    w.announced.end = -1;
    w.now = YOUNG_FROM + 1;
    w.ends = ENDS;
    w.owners[1].route = true;
    reached(&w);
    for (; search.next_n > 0 && !search.fault && search.depth < depth_max; search.depth++) {
        struct packed *done = search.layer;
        size_t done_max = search.layer_max;
        search.layer = search.next;
        search.layer_n = search.next_n;
        search.layer_max = search.next_max;
        search.next = done;
        search.next_n = 0;
        search.next_max = done_max;
        for (size_t i = 0; i < search.layer_n && !search.fault; i++)
            expand(&search.layer[i]);
    }
    free(search.layer);
    free(search.next);
    free(search.seen);
}

/* With PARTITION_SEARCH=full (make torture) until nothing new is reached. */
START_TEST(holds_in_every_state)
{
    const char *full = getenv("PARTITION_SEARCH");
    search_run(WRONG_NOTHING, full && strcmp(full, "full") == 0 ? UINT32_MAX : DEPTH);
    ck_assert_msg(!search.fault, "%s, at depth %u", search.fault, search.depth);
    printf("%zu states, %llu steps, to depth %u%s: no row is lost or doubled\n", search.n,
           (unsigned long long)search.steps, search.depth, search.next_n ? "" : ", which is all");
    fflush(stdout);
}
END_TEST

START_TEST(each_rule_is_needed)
{
    enum wrong what = (enum wrong)(_i + 1);
    search_run(what, UINT32_MAX);
    ck_assert_msg(search.fault, "not found: %s", wrong_names[what]);
    printf("%s: %s, at depth %u\n", wrong_names[what], search.fault, search.depth);
    fflush(stdout);
}
END_TEST

/* ---- what the search does not reach ---- */

enum { HOUR = 3600000 };
static const struct partition_conf real = {
    .digest = 1, .can_look = true, .young_ms = HOUR, .settle_ms = 60000, .lease_ms = 10000};

/* Answers OK to whatever is asked, until the action. */
static unsigned steps_until(struct partition_state *s, enum partition_action wanted,
                            enum partition_action action, int64_t now_ms)
{
    unsigned steps = 0;
    for (; action != wanted && steps < 20; steps++) {
        struct partition_event e = {
            .kind = action == ACTION_WAIT ? EVENT_TIME : EVENT_OK,
            .now_ms = now_ms,
            .mono_ms = s->phase == PARTITION_SETTLE ? partition_settle_at(s, &real) : s->called_ms,
            .missing = true,
            .next = -1};
        action = partition_next(s, &real, &e);
    }
    return steps;
}

/* ClickHouse was away for as long as a token is relied on, and the clock was set back by that: the
 * age is monotonic, so the table is asked, and the token is not sent again. */
START_TEST(a_clock_set_back_makes_no_token_young)
{
    struct partition_state s = {0};
    int64_t now_ms = INT64_C(1800000000000);
    struct partition_event e = {.kind = EVENT_ASSIGNED, .now_ms = now_ms, .announced.end = -1};
    partition_next(&s, &real, &e);
    e = (struct partition_event){
        .kind = EVENT_CLOSED, .now_ms = now_ms, .start = 0, .end = 5, .rows = true, .next = -1};
    enum partition_action action = partition_next(&s, &real, &e);
    ck_assert_uint_lt(steps_until(&s, ACTION_INSERT, action, now_ms), 20);
    e = (struct partition_event){.kind = EVENT_UNKNOWN, .now_ms = now_ms, .next = -1};
    ck_assert_int_eq(partition_next(&s, &real, &e), ACTION_WAIT);
    e = (struct partition_event){.kind = EVENT_TIME, .now_ms = now_ms, .mono_ms = 3 * HOUR};
    ck_assert_int_eq(partition_next(&s, &real, &e), ACTION_WAIT);
    ck_assert_int_eq(s.phase, PARTITION_SETTLE);
}
END_TEST

/* The clock was an hour ahead, and is set right between two batches: the machine's tokens stay in
 * their order, and their times are of the future. That must not keep a batch from being sent. */
START_TEST(a_clock_set_back_stops_nothing)
{
    struct partition_state s = {0};
    int64_t now_ms = INT64_C(1800000000000);
    struct partition_event e = {.kind = EVENT_ASSIGNED, .now_ms = now_ms, .announced.end = -1};
    partition_next(&s, &real, &e);
    e = (struct partition_event){
        .kind = EVENT_CLOSED, .now_ms = now_ms, .start = 0, .end = 5, .rows = true, .next = -1};
    enum partition_action action = partition_next(&s, &real, &e);
    ck_assert_uint_lt(steps_until(&s, ACTION_INSERT, action, now_ms), 20);
    e = (struct partition_event){.kind = EVENT_OK, .now_ms = now_ms, .next = 9};
    action = partition_next(&s, &real, &e); /* its end, with the next batch's announcement */
    ck_assert_uint_lt(steps_until(&s, ACTION_NEXT, action, now_ms), 20);
    now_ms -= HOUR;
    e = (struct partition_event){
        .kind = EVENT_CLOSED, .now_ms = now_ms, .start = 5, .end = 9, .rows = true, .next = -1};
    action = partition_next(&s, &real, &e);
    ck_assert_uint_lt(steps_until(&s, ACTION_INSERT, action, now_ms), 20);
    int64_t first = s.announced.at_ms;
    /* In doubt, and the token has grown old: the table is asked, then there is another token. */
    e = (struct partition_event){.kind = EVENT_UNKNOWN, .now_ms = now_ms, .next = -1};
    action = partition_next(&s, &real, &e);
    e = (struct partition_event){
        .kind = EVENT_TIME, .now_ms = now_ms, .mono_ms = 2 * HOUR, .next = -1};
    ck_assert_int_eq(action, ACTION_WAIT);
    action = partition_next(&s, &real, &e);
    ck_assert_int_eq(s.phase, PARTITION_SETTLE);
    ck_assert_uint_lt(steps_until(&s, ACTION_INSERT, action, now_ms), 20);
    ck_assert_int_gt(s.announced.at_ms, first);
}
END_TEST

/* Fenced first, then the group asks for it back. */
START_TEST(what_was_left_can_be_revoked)
{
    struct partition_state s = {0};
    struct partition_event e = {.kind = EVENT_ASSIGNED, .announced.end = -1};
    partition_next(&s, &real, &e);
    e = (struct partition_event){
        .kind = EVENT_CLOSED, .start = 0, .end = 5, .rows = true, .next = -1};
    ck_assert_int_eq(partition_next(&s, &real, &e), ACTION_ANNOUNCE);
    e = (struct partition_event){.kind = EVENT_FENCED};
    ck_assert_int_eq(partition_next(&s, &real, &e), ACTION_DROP);
    e = (struct partition_event){.kind = EVENT_REVOKED};
    ck_assert_int_eq(partition_next(&s, &real, &e), ACTION_NONE);
    ck_assert_int_eq(s.phase, PARTITION_NONE);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(holds_in_every_state),
        TEST(each_rule_is_needed, .count = WRONGS - 1),
        TEST(a_clock_set_back_makes_no_token_young),
        TEST(a_clock_set_back_stops_nothing),
        TEST(what_was_left_can_be_revoked),
    };
    return unit_main("partition", tests, PL_COUNT(tests));
}
