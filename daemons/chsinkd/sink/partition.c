/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition.c - see partition.h, which has the states.
 *
 * One function per phase handles its events; above them are the steps that phases share.
 */
#include "daemons/chsinkd/sink/partition.h"

#include <assert.h>

static const struct partition_announcement nothing = {.end = -1};

int64_t partition_settle_at(const struct partition_state *s, const struct partition_conf *conf)
{
    return s->sent_ms + conf->settle_ms;
}

/* ---- steps ---- */

static enum partition_action call(struct partition_state *s, enum partition_phase phase,
                                  enum partition_action action, int64_t mono_ms)
{
    s->phase = phase;
    s->asked = true;
    s->called_ms = mono_ms;
    return action;
}

static enum partition_action wait_in(struct partition_state *s, enum partition_phase phase)
{
    s->phase = phase;
    return ACTION_WAIT;
}

/* The announcement stays in the group for the next owner. */
static enum partition_action leave(struct partition_state *s)
{
    bool asked = s->asked;
    *s = (struct partition_state){.phase = asked ? PARTITION_LOST : PARTITION_NONE, .asked = asked};
    return asked ? ACTION_NONE : ACTION_DROP;
}

/* Another owner's announcement has its age by the clocks of both; they differ, an age down to
 * -1 minute is normal. From then on our monotonic clock counts. */
static int64_t born_of(const struct partition_conf *conf, const struct partition_event *e)
{
    int64_t age_ms = e->now_ms - e->announced.at_ms;
    if (age_ms <= -60000)
        return e->mono_ms - conf->young_ms;
    return e->mono_ms - (age_ms > 0 ? age_ms : 0);
}

static bool is_young(const struct partition_state *s, const struct partition_conf *conf,
                     const struct partition_event *e)
{
    return e->mono_ms - s->born_ms < conf->young_ms;
}

static enum partition_action announce(struct partition_state *s,
                                      const struct partition_announcement *wanted,
                                      const struct partition_event *e)
{
    s->wanted = *wanted;
    return call(s, PARTITION_ANNOUNCE, ACTION_ANNOUNCE, e->mono_ms);
}

/* An announcement with a new token. */
static struct partition_announcement announcement(const struct partition_state *s, int64_t end,
                                                  const struct partition_conf *conf,
                                                  const struct partition_event *e)
{
    int64_t at_ms = e->now_ms > s->announced.at_ms ? e->now_ms : s->announced.at_ms + 1;
    return (struct partition_announcement){end, at_ms, conf->digest, s->until};
}

static enum partition_action announce_again(struct partition_state *s,
                                            const struct partition_conf *conf,
                                            const struct partition_event *e)
{
    const struct partition_announcement wanted = announcement(s, s->end, conf, e);
    return announce(s, &wanted, e);
}

static enum partition_action settle(struct partition_state *s, bool refused)
{
    s->refused = refused;
    return wait_in(s, PARTITION_SETTLE);
}

static enum partition_action look(struct partition_state *s, const struct partition_event *e)
{
    return call(s, PARTITION_LOOKUP, ACTION_LOOK, e->mono_ms);
}

/* Inserts the announced batch, the first time or again. */
static enum partition_action insert(struct partition_state *s, const struct partition_conf *conf,
                                    const struct partition_event *e)
{
    if (!is_young(s, conf, e) && s->doubt && conf->can_look)
        return settle(s, false);
    if (!is_young(s, conf, e) && !s->doubt)
        return announce_again(s, conf, e);
    if (e->mono_ms - s->proof_ms >= conf->lease_ms) {
        const struct partition_announcement same = s->announced;
        return announce(s, &same, e);
    }
    s->sent_ms = e->mono_ms;
    return call(s, PARTITION_INSERT, ACTION_INSERT, e->mono_ms);
}

/* Commits the end and announces what is in doubt beyond it, or the next batch. */
static enum partition_action commit(struct partition_state *s, const struct partition_conf *conf,
                                    const struct partition_event *e)
{
    s->wanted = nothing;
    if (s->until <= s->end)
        s->until = 0;
    if (s->until > 0)
        s->wanted = announcement(s, s->until, conf, e);
    else if (e->next > s->end)
        s->wanted = announcement(s, e->next, conf, e);
    return call(s, PARTITION_COMMIT, ACTION_COMMIT, e->mono_ms);
}

static enum partition_action committed(struct partition_state *s)
{
    *s = (struct partition_state){.phase = PARTITION_OPEN,
                                  .start = s->end,
                                  .end = s->end,
                                  .announced = s->wanted,
                                  .wanted = nothing,
                                  .until = s->until,
                                  .born_ms = s->called_ms,
                                  .proof_ms = s->proof_ms,
                                  .sent_ms = s->sent_ms};
    return ACTION_NEXT;
}

static enum partition_action split(struct partition_state *s, bool single)
{
    s->phase = PARTITION_OPEN;
    s->doubt = s->refused = false;
    return single ? ACTION_BURY : ACTION_SPLIT;
}

/* ---- phases ---- */

static enum partition_action next_none(struct partition_state *s, const struct partition_conf *conf,
                                       const struct partition_event *e)
{
    assert(e->kind == EVENT_ASSIGNED);
    *s = (struct partition_state){.start = e->start,
                                  .end = e->start,
                                  .announced = e->announced,
                                  .wanted = nothing,
                                  .born_ms = born_of(conf, e),
                                  .proof_ms = e->mono_ms,
                                  .sent_ms = e->mono_ms};
    if (e->start < 0)
        return call(s, PARTITION_PLACE, ACTION_PLACE, e->mono_ms);
    if (s->announced.end <= s->start && s->announced.until <= s->start)
        s->announced = nothing;
    bool same = s->announced.digest == conf->digest && s->announced.until <= s->start &&
                is_young(s, conf, e);
    if (s->announced.end < 0 || same || !conf->can_look) {
        s->phase = s->announced.end < 0 ? PARTITION_OPEN : PARTITION_RECOVER;
        return ACTION_READ;
    }
    s->until = s->announced.end > s->announced.until ? s->announced.end : s->announced.until;
    return settle(s, false);
}

static enum partition_action next_place(struct partition_state *s, const struct partition_event *e)
{
    if (e->kind != EVENT_OK)
        return e->kind == EVENT_TIME ? call(s, PARTITION_PLACE, ACTION_PLACE, e->mono_ms)
                                     : wait_in(s, PARTITION_PLACE);
    s->start = s->end = e->start;
    return announce(s, &nothing, e);
}

static enum partition_action next_open(struct partition_state *s, const struct partition_conf *conf,
                                       const struct partition_event *e)
{
    assert(e->kind == EVENT_CLOSED && e->start == s->start && e->end > e->start);
    s->end = e->end;
    if (s->start < s->until)
        return look(s, e);
    if (!e->rows)
        return commit(s, conf, e);
    return s->announced.end == s->end ? insert(s, conf, e) : announce_again(s, conf, e);
}

static enum partition_action next_recover(struct partition_state *s,
                                          const struct partition_conf *conf,
                                          const struct partition_event *e)
{
    assert(e->kind == EVENT_CLOSED && e->start == s->start && e->end == s->announced.end);
    s->end = e->end;
    s->doubt = true;
    return e->rows ? insert(s, conf, e) : commit(s, conf, e);
}

/* We waited for our own batch's insert, or for all that another owner may have sent. */
static enum partition_action next_settle(struct partition_state *s, const struct partition_event *e)
{
    assert(e->kind == EVENT_TIME);
    if (s->end > s->start)
        return look(s, e);
    s->phase = PARTITION_OPEN;
    return ACTION_READ;
}

static enum partition_action next_lookup(struct partition_state *s,
                                         const struct partition_conf *conf,
                                         const struct partition_event *e)
{
    if (e->kind == EVENT_TIME)
        return look(s, e);
    if (e->kind != EVENT_OK)
        return wait_in(s, PARTITION_LOOKUP);
    s->doubt = false;
    if (e->found && s->until < s->end)
        s->until = s->end;
    if (!e->missing)
        return commit(s, conf, e);
    return s->refused ? split(s, e->single) : announce_again(s, conf, e);
}

static enum partition_action next_announce(struct partition_state *s,
                                           const struct partition_conf *conf,
                                           const struct partition_event *e)
{
    if (e->kind == EVENT_TIME)
        return call(s, PARTITION_ANNOUNCE, ACTION_ANNOUNCE, e->mono_ms);
    if (e->kind == EVENT_RETRY)
        return wait_in(s, PARTITION_ANNOUNCE);
    assert(e->kind == EVENT_OK);
    if (s->announced.at_ms != s->wanted.at_ms) /* else only the lease was renewed */
        s->born_ms = s->called_ms;
    s->announced = s->wanted;
    s->wanted = nothing;
    s->proof_ms = s->called_ms;
    if (s->announced.end >= 0)
        return insert(s, conf, e);
    s->phase = PARTITION_OPEN;
    return ACTION_READ;
}

static enum partition_action next_insert(struct partition_state *s,
                                         const struct partition_conf *conf,
                                         const struct partition_event *e)
{
    switch (e->kind) {
    case EVENT_OK:
        return commit(s, conf, e);
    case EVENT_TIME:
        return insert(s, conf, e);
    case EVENT_UNKNOWN:
        s->doubt = true;
        return wait_in(s, PARTITION_INSERT);
    case EVENT_RETRY:
        return wait_in(s, PARTITION_INSERT);
    case EVENT_REFUSED:
        if (!conf->can_look)
            return split(s, e->single);
        s->refused = true;
        return s->doubt ? settle(s, true) : look(s, e);
    case EVENT_ASSIGNED:
    case EVENT_REVOKED:
    case EVENT_STOP:
    case EVENT_CLOSED:
    case EVENT_FENCED:
    case EVENT_KINDS:
        break;
    }
    assert(!"an insert cannot lead to this event");
    return ACTION_NONE;
}

static enum partition_action next_commit(struct partition_state *s, const struct partition_event *e)
{
    if (e->kind == EVENT_OK) {
        s->proof_ms = s->called_ms;
        return committed(s);
    }
    if (e->kind == EVENT_UNKNOWN)
        return call(s, PARTITION_CHECK, ACTION_CHECK, e->mono_ms);
    return e->kind == EVENT_TIME ? call(s, PARTITION_COMMIT, ACTION_COMMIT, e->mono_ms)
                                 : wait_in(s, PARTITION_COMMIT);
}

static enum partition_action next_check(struct partition_state *s, const struct partition_event *e)
{
    if (e->kind == EVENT_OK)
        return e->start >= s->end ? committed(s)
                                  : call(s, PARTITION_COMMIT, ACTION_COMMIT, e->mono_ms);
    return e->kind == EVENT_TIME ? call(s, PARTITION_CHECK, ACTION_CHECK, e->mono_ms)
                                 : wait_in(s, PARTITION_CHECK);
}

/* Drops what has not been sent; a call under way is finished. */
static enum partition_action stop(struct partition_state *s)
{
    bool unsent = s->phase == PARTITION_PLACE || s->phase == PARTITION_RECOVER ||
                  s->phase == PARTITION_SETTLE || s->phase == PARTITION_LOOKUP;
    return unsent ? leave(s) : ACTION_NONE;
}

static bool is_answer(enum partition_event_kind kind)
{
    return kind == EVENT_OK || kind == EVENT_RETRY || kind == EVENT_UNKNOWN ||
           kind == EVENT_REFUSED || kind == EVENT_FENCED;
}

enum partition_action partition_next(struct partition_state *s, const struct partition_conf *conf,
                                     const struct partition_event *e)
{
    assert(is_answer(e->kind) <= s->asked);
    if (is_answer(e->kind))
        s->asked = false;
    if (e->kind == EVENT_STOP)
        return stop(s);
    if (e->kind == EVENT_REVOKED && s->phase == PARTITION_NONE)
        return ACTION_NONE; /* fenced or stopped before */
    if (e->kind == EVENT_FENCED || e->kind == EVENT_REVOKED)
        return leave(s);
    switch (s->phase) {
    case PARTITION_NONE:
        return next_none(s, conf, e);
    case PARTITION_PLACE:
        return next_place(s, e);
    case PARTITION_OPEN:
        return next_open(s, conf, e);
    case PARTITION_RECOVER:
        return next_recover(s, conf, e);
    case PARTITION_SETTLE:
        return next_settle(s, e);
    case PARTITION_LOOKUP:
        return next_lookup(s, conf, e);
    case PARTITION_ANNOUNCE:
        return next_announce(s, conf, e);
    case PARTITION_INSERT:
        return next_insert(s, conf, e);
    case PARTITION_COMMIT:
        return next_commit(s, e);
    case PARTITION_CHECK:
        return next_check(s, e);
    case PARTITION_LOST:
        assert(e->kind != EVENT_ASSIGNED); /* the caller keeps it until the answer has come */
        return leave(s);
    case PARTITION_PHASES:
        break;
    }
    assert(!"no such phase");
    return ACTION_NONE;
}
