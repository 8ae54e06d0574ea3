/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition_wrong.h - the machine as check_partition.c runs it: as it is, or with one of its rules
 * taken out, or in a world in which one of its assumptions does not hold.
 */
#ifndef TESTS_UNIT_CHSINKD_PARTITION_WRONG_H
#define TESTS_UNIT_CHSINKD_PARTITION_WRONG_H

#include "tests/unit/chsinkd/partition_world.h"

enum wrong {
    WRONG_NOTHING,
    /* rules */
    WRONG_ANNOUNCEMENT_FORGOTTEN,
    WRONG_HALF_READ_IS_ANNOUNCED,
    WRONG_FAILED_COMMIT_IS_READ_AGAIN,
    WRONG_ROUTE_IGNORED,
    WRONG_OLD_FORMAT_TRUSTED,
    WRONG_AGE_IGNORED_AT_RECOVERY,
    WRONG_AGE_IGNORED_WHILE_RUNNING,
    WRONG_UNTIL_IGNORED,
    WRONG_UNTIL_NOT_KEPT,
    WRONG_NO_SETTLE,
    WRONG_SETTLE_WITHOUT_LEASE,
    WRONG_SETTLE_FROM_OWN_INSERT,
    WRONG_DOUBT_IGNORED,
    WRONG_LEASE_IGNORED,
    WRONG_ASSIGNMENT_IS_PROOF,
    WRONG_NOT_CLAIMED,
    WRONG_CHECK_IS_PROOF,
    WRONG_FENCED_IGNORED,
    WRONG_TOKEN_REUSED,
    WRONG_UNKNOWN_INSERT_IS_OK,
    WRONG_UNKNOWN_COMMIT_IS_OK,
    WRONG_UNKNOWN_COMMIT_REPEATED,
    WRONG_REFUSED_WITHOUT_LOOK,
    WRONG_OTHER_ROUTE_WITH_TOKEN,
    /* of the caller */
    WRONG_MESSAGE_SKIPPED_WHOLE,
    WRONG_REJECT_OF_WHAT_IS_THERE,
    WRONG_PLACED_AT_BEGINNING,
    WRONG_PLACED_AT_POSITION,
    WRONG_CHECKED_UNDECIDED,
    WRONG_ASSIGNED_UNDECIDED,
    WRONG_BEGINS_AT_POSITION,
    WRONG_NOTE_NOT_READ,
    /* of an output that keeps the position */
    WRONG_POSITION_NOT_COMPARED,
    WRONG_ANY_LATER_POSITION_IS_OURS,
    WRONG_MOVED_IS_DONE,
    /* assumptions */
    WRONG_EARLIER_OWNER_COMMITS,
    WRONG_LATE_COMMIT_OVERTAKES,
    WRONG_WINDOW_TOO_SHORT,
    WRONG_CLOCKS_DIFFER,
    WRONG_REPLAY_NOT_SETTLED,
    WRONGS,
};

/* What can happen in a search, beyond what always does; 0: all of it. */
enum happens {
    KILL = 1,      /* an owner is killed */
    MOVE = 2,      /* the group moves on without the owner's knowledge */
    ASIDE = 4,     /* the partition is set aside */
    STOP = 8,      /* an owner is stopped */
    FAIL = 16,     /* a call fails, a commit is late */
    UNKNOWN = 32,  /* an answer is lost */
    REFUSE = 64,   /* a batch is refused */
    AGE = 128,     /* tokens grow old */
    CLOCK = 256,   /* a new owner's clock is wrong */
    NOTHING = 512, /* of these */
};

/* Of a search. */
struct bounds {
    bool blind;  /* the table cannot be asked */
    bool keeps;  /* the output keeps the position */
    bool old;    /* the version before has left an announcement; a group is gone */
    bool replay; /* without an offset all is in doubt, and settled */
    uint8_t ends, orphans;
    enum happens only;
};

/* Each is searched in the smallest world in which it shows. */
static const struct {
    const char *name;
    struct bounds bounds;
} wrongs[WRONGS] = {
    [WRONG_ANNOUNCEMENT_FORGOTTEN] = {"an announcement is forgotten", {.ends = 1, .only = KILL}},
    [WRONG_HALF_READ_IS_ANNOUNCED] = {"half an announced range is announced anew",
                                      {.ends = 1, .only = KILL}},
    [WRONG_FAILED_COMMIT_IS_READ_AGAIN] = {"after a refused commit the batch is read again",
                                           {.only = FAIL}},
    [WRONG_ROUTE_IGNORED] = {"a changed route repeats the token", {.ends = 1, .only = KILL}},
    [WRONG_OLD_FORMAT_TRUSTED] = {"the version before is taken for the same route",
                                  {.old = true, .only = NOTHING}},
    [WRONG_AGE_IGNORED_AT_RECOVERY] = {"an old token is relied on at recovery",
                                       {.ends = 1, .only = KILL | AGE}},
    [WRONG_AGE_IGNORED_WHILE_RUNNING] = {"an old token is relied on in a retry",
                                         {.only = UNKNOWN | AGE}},
    [WRONG_UNTIL_IGNORED] = {"what is in doubt is forgotten with its owner",
                             {.ends = 2, .only = KILL}},
    [WRONG_UNTIL_NOT_KEPT] = {"what is in doubt is forgotten with a commit",
                              {.ends = 2, .only = KILL}},
    [WRONG_NO_SETTLE] = {"the table is asked while an insert can still arrive",
                         {.ends = 1, .orphans = 1, .only = KILL}},
    [WRONG_SETTLE_WITHOUT_LEASE] = {"an earlier owner's lease is not waited for",
                                    {.ends = 1, .only = MOVE}},
    [WRONG_SETTLE_FROM_OWN_INSERT] = {"it is not, once the new owner has inserted",
                                      {.ends = 2, .only = KILL | MOVE | REFUSE}},
    [WRONG_DOUBT_IGNORED] = {"a refused batch is split though an earlier try may arrive",
                             {.orphans = 1, .only = UNKNOWN | REFUSE}},
    [WRONG_LEASE_IGNORED] = {"an insert is sent after the lease", {.ends = 1, .only = MOVE}},
    [WRONG_ASSIGNMENT_IS_PROOF] = {"an assignment is taken for a proof", {.ends = 2, .only = MOVE}},
    [WRONG_NOT_CLAIMED] = {"an assigned partition is not claimed by a commit",
                           {.ends = 1, .only = ASIDE | UNKNOWN | CLOCK}},
    [WRONG_CHECK_IS_PROOF] = {"the group's offset is taken for a proof",
                              {.ends = 2, .only = KILL | MOVE | UNKNOWN}},
    [WRONG_FENCED_IGNORED] = {"a fenced announcement is taken for a success",
                              {.ends = 1, .only = MOVE}},
    [WRONG_TOKEN_REUSED] = {"a new announcement has the old token", {.ends = 1, .only = KILL}},
    [WRONG_UNKNOWN_INSERT_IS_OK] = {"an unknown insert is taken for a success", {.only = UNKNOWN}},
    [WRONG_UNKNOWN_COMMIT_IS_OK] = {"an unknown commit of dead letters is taken for a success",
                                    {.only = UNKNOWN}},
    [WRONG_UNKNOWN_COMMIT_REPEATED] = {"an unknown commit of dead letters is repeated unseen",
                                       {.only = UNKNOWN}},
    [WRONG_REFUSED_WITHOUT_LOOK] = {"a refused batch is split though part of it may be there",
                                    {.only = REFUSE}},
    [WRONG_OTHER_ROUTE_WITH_TOKEN] = {"blind, another route's rows go with the announced token",
                                      {.ends = 1, .blind = true, .only = KILL}},
    [WRONG_MESSAGE_SKIPPED_WHOLE] = {"a message of which a row is there is skipped whole",
                                     {.only = REFUSE}},
    [WRONG_REJECT_OF_WHAT_IS_THERE] = {"a reject whose row is there becomes a dead letter",
                                       {.ends = 1, .only = KILL}},
    [WRONG_PLACED_AT_BEGINNING] = {"a group without an offset begins at the beginning, unseen",
                                   {.old = true, .only = NOTHING}},
    [WRONG_PLACED_AT_POSITION] = {"a group without an offset begins after the last row, unseen",
                                  {.old = true, .only = NOTHING}},
    [WRONG_CHECKED_UNDECIDED] = {"an undecided transaction is taken for a failed one",
                                 {.only = UNKNOWN}},
    [WRONG_ASSIGNED_UNDECIDED] = {"the group is read before a transaction is decided",
                                  {.ends = 1, .only = KILL | UNKNOWN}},
    [WRONG_BEGINS_AT_POSITION] =
        {"an owner begins at the position, not at the group's offset before",

         {.keeps = true, .ends = 1, .only = KILL}},
    [WRONG_NOTE_NOT_READ] = {"dead letters below the position are those of the route as it is now",
                             {.keeps = true, .ends = 1, .only = KILL}},
    [WRONG_POSITION_NOT_COMPARED] = {"an output inserts whatever its position",
                                     {.keeps = true, .ends = 1, .only = MOVE}},
    [WRONG_ANY_LATER_POSITION_IS_OURS] = {"an output takes any later position for the same insert",
                                          {.keeps = true, .ends = 1, .only = MOVE}},
    [WRONG_MOVED_IS_DONE] = {"a position that has moved is taken for a success",
                             {.keeps = true, .ends = 1, .only = MOVE}},
    [WRONG_EARLIER_OWNER_COMMITS] = {"an earlier owner's commit is accepted",
                                     {.ends = 1, .only = MOVE}},
    [WRONG_LATE_COMMIT_OVERTAKES] = {"a commit takes effect after a later one",
                                     {.ends = 1, .only = FAIL | KILL}},
    [WRONG_WINDOW_TOO_SHORT] = {"the table forgets young tokens", {.ends = 1, .only = KILL}},
    [WRONG_CLOCKS_DIFFER] = {"an old token looks young by another clock",
                             {.ends = 1, .only = KILL | AGE}},
    [WRONG_REPLAY_NOT_SETTLED] = {"a replay's group is deleted while an insert can still arrive",
                                  {.old = true, .replay = true, .orphans = 1, .only = NOTHING}},
};

static enum wrong wrong;
static struct bounds bounds;

static bool can(enum happens what)
{
    return bounds.only == 0 || bounds.only & what;
}

static struct partition_conf conf = {
    .digest = 1, .can_look = true, .young_ms = YOUNG, .settle_ms = SETTLE, .lease_ms = LEASE};

static void distort_assigned(struct partition_event *e)
{
    if (wrong == WRONG_ANNOUNCEMENT_FORGOTTEN)
        e->announced = (struct partition_announcement){.end = -1};
    if (wrong == WRONG_ROUTE_IGNORED || wrong == WRONG_OTHER_ROUTE_WITH_TOKEN ||
        (wrong == WRONG_OLD_FORMAT_TRUSTED && e->announced.digest == 0))
        e->announced.digest = conf.digest;
    if (wrong == WRONG_UNTIL_IGNORED)
        e->announced.until = 0;
    if (wrong == WRONG_AGE_IGNORED_AT_RECOVERY || wrong == WRONG_CLOCKS_DIFFER)
        e->now_ms = e->announced.at_ms;
}

static void distort_answer(struct partition_state *s, struct partition_event *e)
{
    if (wrong == WRONG_DOUBT_IGNORED && e->kind == EVENT_REFUSED)
        s->doubt = false;
    if (wrong == WRONG_REFUSED_WITHOUT_LOOK && e->kind == EVENT_REFUSED)
        conf.can_look = false;
    if (wrong == WRONG_FENCED_IGNORED && e->kind == EVENT_FENCED &&
        (s->phase == PARTITION_CLAIM || s->phase == PARTITION_ANNOUNCE))
        e->kind = EVENT_OK;
    if (wrong == WRONG_UNKNOWN_INSERT_IS_OK && e->kind == EVENT_UNKNOWN &&
        s->phase == PARTITION_INSERT)
        e->kind = EVENT_OK;
    if (e->kind == EVENT_UNKNOWN && s->phase == PARTITION_COMMIT) {
        if (wrong == WRONG_UNKNOWN_COMMIT_IS_OK)
            e->kind = EVENT_OK;
        if (wrong == WRONG_UNKNOWN_COMMIT_REPEATED)
            e->kind = EVENT_RETRY;
    }
}

static enum partition_action distort_result(struct owner *o, const struct partition_event *e,
                                            const struct partition_state *before,
                                            enum partition_action action)
{
    struct partition_state *s = &o->state;
    if (wrong == WRONG_UNTIL_NOT_KEPT && action == ACTION_COMMIT && before->until > s->end) {
        s->until = 0;
        s->wanted = (struct partition_announcement){.end = -1};
    }
    if (wrong == WRONG_TOKEN_REUSED && action == ACTION_ANNOUNCE && s->announced.end >= 0)
        s->wanted.at_ms = s->announced.at_ms;
    if (wrong == WRONG_SETTLE_WITHOUT_LEASE && e->kind == EVENT_ASSIGNED)
        s->sent_ms = NOW;
    if (wrong == WRONG_SETTLE_FROM_OWN_INSERT && action == ACTION_INSERT)
        s->sent_ms = NOW;
    if ((wrong == WRONG_ASSIGNMENT_IS_PROOF || wrong == WRONG_NOT_CLAIMED) &&
        e->kind == EVENT_ASSIGNED && action == ACTION_ANNOUNCE) {
        const struct partition_event ok = {.kind = EVENT_OK, .now_ms = e->now_ms, .mono_ms = NOW};
        s->called_ms = wrong == WRONG_ASSIGNMENT_IS_PROOF ? NOW : NOW - LEASE;
        return partition_next(s, &conf, &ok);
    }
    if (wrong == WRONG_CHECK_IS_PROOF && before->phase == PARTITION_CHECK)
        s->proof_ms = before->proof_ms;
    if (wrong == WRONG_NO_SETTLE && s->phase == PARTITION_SETTLE) {
        struct partition_event due = {
            .kind = EVENT_TIME, .now_ms = e->now_ms, .mono_ms = partition_settle_at(s, &conf)};
        return partition_next(s, &conf, &due);
    }
    if (wrong == WRONG_FAILED_COMMIT_IS_READ_AGAIN && before->phase == PARTITION_COMMIT &&
        e->kind == EVENT_RETRY) {
        *s = (struct partition_state){.phase = PARTITION_OPEN,
                                      .start = before->start,
                                      .end = before->start,
                                      .announced.end = -1};
        o->has_head = o->has_queued = false;
        o->head = o->queued = (struct batch){0};
        return ACTION_READ;
    }
    return action;
}

static enum partition_action machine(struct owner *o, struct partition_event *e)
{
    struct partition_state *s = &o->state;
    const struct partition_state before = *s;
    conf.digest = o->route ? 2 : 1;
    conf.can_look = !bounds.blind && !bounds.keeps;
    conf.keeps_position = bounds.keeps;
    e->mono_ms = NOW;
    if (e->kind == EVENT_TIME && s->phase == PARTITION_SETTLE)
        e->mono_ms = partition_settle_at(s, &conf);
    if (e->kind == EVENT_ASSIGNED)
        distort_assigned(e);
    else
        distort_answer(s, e);
    if (wrong == WRONG_AGE_IGNORED_WHILE_RUNNING)
        s->born_ms = e->mono_ms;
    if (wrong == WRONG_LEASE_IGNORED)
        s->proof_ms = e->mono_ms;
    return distort_result(o, e, &before, partition_next(s, &conf, e));
}

#endif
