/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition.c - see partition.h, which has the states.
 *
 * One function per phase handles its events; above them are the steps that phases share.
 */
#include "daemons/chsinkd/sink/protocol/partition.h"

#include <assert.h>

static const struct partition_announcement nothing = {.end = -1};

int64_t partition_settle_at(const struct partition_state *s, const struct partition_conf *conf)
{
    return s->sent_ms + conf->settle_ms;
}

int64_t partition_insert_by(const struct partition_state *s, const struct partition_conf *conf)
{
    return s->proof_ms + conf->lease_ms;
}

bool partition_wants_batch(const struct partition_state *s)
{
    return s->phase == PARTITION_OPEN || s->phase == PARTITION_RECOVER;
}

bool partition_is_idle(const struct partition_state *s)
{
    return s->phase == PARTITION_NONE || s->phase == PARTITION_OPEN;
}

const char *partition_phase_name(enum partition_phase phase)
{
    static const char *const names[PARTITION_PHASES] = {
        [PARTITION_NONE] = "none",       [PARTITION_PLACE] = "place",
        [PARTITION_CLAIM] = "claim",     [PARTITION_OPEN] = "open",
        [PARTITION_RECOVER] = "recover", [PARTITION_SETTLE] = "settle",
        [PARTITION_LOOKUP] = "lookup",   [PARTITION_ANNOUNCE] = "announce",
        [PARTITION_INSERT] = "insert",   [PARTITION_COMMIT] = "commit",
        [PARTITION_CHECK] = "check",     [PARTITION_LOST] = "lost",
    };
    return phase < PARTITION_PHASES ? names[phase] : "?";
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

static enum partition_action announce(struct partition_state *s, enum partition_phase phase,
                                      struct partition_announcement wanted,
                                      const struct partition_event *e)
{
    s->wanted = wanted;
    return call(s, phase, ACTION_ANNOUNCE, e->mono_ms);
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
    return announce(s, PARTITION_ANNOUNCE, announcement(s, s->end, conf, e), e);
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
    if (conf->keeps_position)
        return call(s, PARTITION_INSERT, ACTION_INSERT, e->mono_ms);
    if (!is_young(s, conf, e) && s->doubt && conf->can_look)
        return settle(s, false);
    if (!is_young(s, conf, e) && !s->doubt)
        return announce_again(s, conf, e);
    if (e->mono_ms >= partition_insert_by(s, conf))
        return announce(s, PARTITION_ANNOUNCE, s->announced, e);
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
    else if (e->next > s->end && !s->stopping && !conf->keeps_position)
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
                                  .stopping = s->stopping,
                                  .until = s->until,
                                  .position = s->position,
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
    assert(e->kind == EVENT_ASSIGNED && conf->digest != 0);
    *s = (struct partition_state){.start = e->start,
                                  .end = e->start,
                                  .announced = e->announced,
                                  .wanted = nothing,
                                  .born_ms = born_of(conf, e),
                                  .sent_ms = e->mono_ms + conf->lease_ms};
    if (s->announced.end <= s->start)
        s->announced.end = s->announced.until; /* a doubt alone, or nothing */
    if (s->announced.end <= s->start || conf->keeps_position)
        s->announced = nothing;
    if (e->start < 0 || conf->keeps_position)
        return call(s, PARTITION_PLACE, ACTION_PLACE, e->mono_ms);
    return announce(s, PARTITION_CLAIM, s->announced, e);
}

static enum partition_action begin(struct partition_state *s, const struct partition_conf *conf,
                                   const struct partition_event *e)
{
    bool same = s->announced.digest == conf->digest && s->announced.until <= s->start;
    if (s->announced.end >= 0 && same && (is_young(s, conf, e) || !conf->can_look)) {
        s->phase = PARTITION_RECOVER;
        return ACTION_READ;
    }
    if (s->announced.end >= 0 && conf->can_look) {
        s->until = s->announced.end > s->announced.until ? s->announced.end : s->announced.until;
        if (e->mono_ms < partition_settle_at(s, conf))
            return settle(s, false);
        s->phase = PARTITION_OPEN;
        return ACTION_READ;
    }
    s->announced.end = -1; /* another route's rows never go with its token: they would be lost */
    s->phase = PARTITION_OPEN;
    return ACTION_READ;
}

static enum partition_action next_place(struct partition_state *s,
                                        const struct partition_conf *conf,
                                        const struct partition_event *e)
{
    if (e->kind == EVENT_TIME)
        return call(s, PARTITION_PLACE, ACTION_PLACE, e->mono_ms);
    if (e->kind != EVENT_OK)
        return wait_in(s, PARTITION_PLACE);
    s->start = s->end = e->start;
    s->position = e->position;
    if (e->settled)
        s->sent_ms = e->mono_ms - conf->settle_ms;
    s->until = e->announced.until > s->start && conf->can_look ? e->announced.until : 0;
    const struct partition_announcement wanted =
        s->until > 0 ? announcement(s, s->until, conf, e) : nothing;
    return announce(s, PARTITION_CLAIM, wanted, e);
}

static enum partition_action next_open(struct partition_state *s, const struct partition_conf *conf,
                                       const struct partition_event *e)
{
    assert(e->start == s->start && e->end > e->start);
    s->end = e->end;
    if (conf->keeps_position) {
        assert(s->start >= s->position || s->end <= s->position);
        return s->end <= s->position ? commit(s, conf, e) : insert(s, conf, e);
    }
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
    assert(e->start == s->start && e->end == s->announced.end);
    s->end = e->end;
    s->doubt = true;
    return e->rows ? insert(s, conf, e) : commit(s, conf, e);
}

/* We waited for our own batch's insert, or for all that another owner may have sent. */
static enum partition_action next_settle(struct partition_state *s,
                                         const struct partition_conf *conf,
                                         const struct partition_event *e)
{
    if (e->mono_ms < partition_settle_at(s, conf))
        return ACTION_WAIT;
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

/* CLAIM, ANNOUNCE. */
static enum partition_action next_announce(struct partition_state *s,
                                           const struct partition_conf *conf,
                                           const struct partition_event *e)
{
    if (e->kind == EVENT_TIME)
        return call(s, s->phase, ACTION_ANNOUNCE, e->mono_ms);
    if (e->kind != EVENT_OK)
        return wait_in(s, s->phase);
    if (s->announced.at_ms != s->wanted.at_ms) /* else only the lease was renewed */
        s->born_ms = s->called_ms;
    s->announced = s->wanted;
    s->wanted = nothing;
    s->proof_ms = s->called_ms;
    return s->phase == PARTITION_CLAIM ? begin(s, conf, e) : insert(s, conf, e);
}

static enum partition_action next_insert(struct partition_state *s,
                                         const struct partition_conf *conf,
                                         const struct partition_event *e)
{
    switch (e->kind) {
    case EVENT_OK:
        if (conf->keeps_position)
            s->position = s->end;
        return commit(s, conf, e);
    case EVENT_TIME:
        return insert(s, conf, e);
    case EVENT_UNKNOWN: /* it was sent by now */
        s->doubt = true;
        if (s->sent_ms < e->mono_ms)
            s->sent_ms = e->mono_ms;
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

/* The group's offset is no proof of ownership: another may have moved it. */
static enum partition_action next_check(struct partition_state *s,
                                        const struct partition_conf *conf,
                                        const struct partition_event *e)
{
    if (e->kind == EVENT_TIME)
        return call(s, PARTITION_CHECK, ACTION_CHECK, e->mono_ms);
    if (e->kind != EVENT_OK)
        return wait_in(s, PARTITION_CHECK);
    if (e->start < s->end)
        return call(s, PARTITION_COMMIT, ACTION_COMMIT, e->mono_ms);
    s->proof_ms = e->mono_ms - conf->lease_ms;
    return committed(s);
}

/* ---- any phase ---- */

static bool is_answer(enum partition_event_kind kind)
{
    return kind == EVENT_OK || kind == EVENT_RETRY || kind == EVENT_UNKNOWN ||
           kind == EVENT_REFUSED || kind == EVENT_FENCED;
}

/* A batch's announcement, insert or commit: finished when stopping. */
static bool is_sending(const struct partition_state *s)
{
    return s->phase == PARTITION_ANNOUNCE || s->phase == PARTITION_INSERT ||
           s->phase == PARTITION_COMMIT || s->phase == PARTITION_CHECK;
}

static bool is_gone(const struct partition_state *s)
{
    return s->phase == PARTITION_NONE || s->phase == PARTITION_LOST;
}

/* An event that is for the phase. */
static enum partition_action next_in_phase(struct partition_state *s,
                                           const struct partition_conf *conf,
                                           const struct partition_event *e)
{
    switch (s->phase) {
    case PARTITION_NONE:
        return next_none(s, conf, e);
    case PARTITION_PLACE:
        return next_place(s, conf, e);
    case PARTITION_OPEN:
        return next_open(s, conf, e);
    case PARTITION_RECOVER:
        return next_recover(s, conf, e);
    case PARTITION_SETTLE:
        return next_settle(s, conf, e);
    case PARTITION_LOOKUP:
        return next_lookup(s, conf, e);
    case PARTITION_CLAIM:
    case PARTITION_ANNOUNCE:
        return next_announce(s, conf, e);
    case PARTITION_INSERT:
        return next_insert(s, conf, e);
    case PARTITION_COMMIT:
        return next_commit(s, e);
    case PARTITION_CHECK:
        return next_check(s, conf, e);
    case PARTITION_LOST:
        return leave(s);
    case PARTITION_PHASES:
        break;
    }
    assert(!"no such phase");
    return ACTION_NONE;
}

enum partition_action partition_next(struct partition_state *s, const struct partition_conf *conf,
                                     const struct partition_event *e)
{
    assert(is_answer(e->kind) <= s->asked);
    assert(e->kind != EVENT_ASSIGNED || s->phase == PARTITION_NONE);
    assert(e->kind != EVENT_CLOSED || partition_wants_batch(s));
    if (is_answer(e->kind))
        s->asked = false;
    enum partition_action action = ACTION_NONE;
    if (e->kind == EVENT_FENCED || e->kind == EVENT_REVOKED)
        return s->phase == PARTITION_NONE ? ACTION_NONE : leave(s);
    if (e->kind == EVENT_STOP)
        s->stopping = !is_gone(s);
    else if (e->kind != EVENT_TIME ||
             !(s->asked || partition_is_idle(s) || partition_wants_batch(s)))
        action = next_in_phase(s, conf, e);
    if (!s->stopping || is_sending(s) || is_gone(s))
        return action;
    s->asked = s->asked && action == ACTION_NONE; /* else the call is not made */
    return leave(s);
}
