/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links: chsinkd
 *
 * What the search of check_partition.c does not see of a partition's machine: clocks, waits, stops,
 * and what it costs.
 */
#include "daemons/chsinkd/sink/protocol/partition.h"
#include "tests/unit/unit.h"

enum { SECOND = 1000, HOUR = 3600 * SECOND };
static const struct partition_conf real = {.digest = 1,
                                           .can_look = true,
                                           .young_ms = HOUR,
                                           .settle_ms = 60 * SECOND,
                                           .lease_ms = 10 * SECOND};

/* A partition and its clocks. */
struct run {
    struct partition_state s;
    int64_t now_ms, mono_ms;
};

static enum partition_action run_event(struct run *r, struct partition_event e)
{
    e.now_ms = r->now_ms;
    e.mono_ms = r->mono_ms;
    return partition_next(&r->s, &real, &e);
}

static enum partition_action run_kind(struct run *r, enum partition_event_kind kind)
{
    return run_event(r, (struct partition_event){.kind = kind, .missing = true});
}

static enum partition_action run_closed(struct run *r, int64_t start, int64_t end)
{
    return run_event(r, (struct partition_event){
                            .kind = EVENT_CLOSED, .start = start, .end = end, .rows = true});
}

#define START_MS INT64_C(1800000000000)

static struct run run_assigned(int64_t start, struct partition_announcement announced)
{
    struct run r = {.now_ms = START_MS, .mono_ms = HOUR};
    const struct partition_event e = {
        .kind = EVENT_ASSIGNED, .start = start, .announced = announced};
    ck_assert_int_eq(run_event(&r, e), start < 0 ? ACTION_PLACE : ACTION_ANNOUNCE);
    return r;
}

static struct run run_open(void)
{
    struct run r = run_assigned(0, (struct partition_announcement){.end = -1});
    ck_assert_int_eq(r.s.wanted.end, -1); /* claimed as it is */
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_READ);
    ck_assert_int_eq(r.s.phase, PARTITION_OPEN);
    return r;
}

static struct run run_inserting(void)
{
    struct run r = run_open();
    ck_assert_int_eq(run_closed(&r, 0, 5), ACTION_ANNOUNCE);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_INSERT);
    return r;
}

/* ClickHouse was away for as long as a token is relied on, and the clock was set back by that: the
 * age is monotonic, so the table is asked, and the token is not sent again. */
START_TEST(a_clock_set_back_makes_no_token_young)
{
    struct run r = run_inserting();
    int64_t first = r.s.announced.at_ms;
    ck_assert_int_eq(run_kind(&r, EVENT_UNKNOWN), ACTION_WAIT);
    r.mono_ms += 3 * HOUR;
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_WAIT);
    ck_assert_int_eq(r.s.phase, PARTITION_SETTLE);
    r.mono_ms = partition_settle_at(&r.s, &real);
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_LOOK);
    r.now_ms -= HOUR;
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_ANNOUNCE);
    ck_assert_int_gt(r.s.wanted.at_ms, first);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_INSERT);
}
END_TEST

/* The clock was an hour ahead, and is set right between two batches: the machine's tokens stay in
 * their order, and their times are of the future. That must not keep a batch from being sent. */
START_TEST(a_clock_set_back_stops_nothing)
{
    struct run r = run_inserting();
    const struct partition_event ok = {.kind = EVENT_OK, .next = 9};
    ck_assert_int_eq(run_event(&r, ok), ACTION_COMMIT); /* with the next one's announcement */
    ck_assert_int_eq(r.s.wanted.end, 9);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_NEXT);
    r.now_ms -= HOUR;
    ck_assert_int_eq(run_closed(&r, 5, 9), ACTION_INSERT);
}
END_TEST

/* Whatever the clock shows, no two announcements of a start have the same time. */
START_TEST(tokens_differ_whatever_the_clock)
{
    struct run r = run_inserting();
    int64_t last = r.s.announced.at_ms;
    for (unsigned i = 0; i < 100; i++) {
        r.now_ms += (i * 7919 % 5 - 2) * HOUR;
        r.mono_ms += HOUR; /* each is too old for a retry */
        ck_assert_int_eq(run_kind(&r, EVENT_RETRY), ACTION_WAIT);
        ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_ANNOUNCE);
        ck_assert_int_gt(r.s.wanted.at_ms, last);
        last = r.s.wanted.at_ms;
        ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_INSERT);
    }
}
END_TEST

/* An insert that fails for days (a table that is dropped, a message that is too large): it is
 * announced again when its token is old; once an answer is lost, the table is asked first. */
START_TEST(retries_have_no_end_and_an_age)
{
    struct run r = run_inserting();
    for (unsigned i = 0, announced = 0; i < 200; i++) {
        int64_t before = r.s.announced.at_ms;
        ck_assert_int_eq(run_kind(&r, EVENT_RETRY), ACTION_WAIT);
        r.now_ms += HOUR / 3;
        r.mono_ms += HOUR / 3;
        ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_ANNOUNCE); /* the lease is over, too */
        announced += r.s.wanted.at_ms != before;
        ck_assert_int_eq(announced, (i + 1) / 3);
        ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_INSERT);
    }
    ck_assert_int_eq(run_kind(&r, EVENT_UNKNOWN), ACTION_WAIT);
    ck_assert_int_eq(partition_settle_at(&r.s, &real), r.mono_ms + real.settle_ms);
    r.mono_ms += SECOND;
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_INSERT);
    ck_assert_int_eq(run_kind(&r, EVENT_RETRY), ACTION_WAIT);
    r.mono_ms += HOUR;
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_WAIT);
    ck_assert_int_eq(r.s.phase, PARTITION_SETTLE);
}
END_TEST

/* The lease begins when the commit was called, not when it was answered. */
START_TEST(an_insert_has_a_time_limit)
{
    struct run r = run_open();
    ck_assert_int_eq(run_closed(&r, 0, 5), ACTION_ANNOUNCE);
    int64_t called_ms = r.mono_ms;
    r.mono_ms += real.lease_ms - 1;
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_INSERT);
    ck_assert_int_eq(partition_insert_by(&r.s, &real), called_ms + real.lease_ms);
    r.mono_ms++; /* too late for the worker to send it */
    ck_assert_int_eq(run_kind(&r, EVENT_RETRY), ACTION_WAIT);
    int64_t at_ms = r.s.announced.at_ms;
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_ANNOUNCE);
    ck_assert_int_eq(r.s.wanted.at_ms, at_ms);
}
END_TEST

/* A commit that announces the next batch costs that batch nothing: its lease and its token's age
 * begin with it. */
START_TEST(a_commit_proves_and_announces)
{
    struct run r = run_inserting();
    r.mono_ms += real.lease_ms;
    const struct partition_event ok = {.kind = EVENT_OK, .next = 9};
    ck_assert_int_eq(run_event(&r, ok), ACTION_COMMIT);
    int64_t at_ms = r.s.wanted.at_ms;
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_NEXT);
    ck_assert_int_eq(run_closed(&r, 5, 9), ACTION_INSERT);
    ck_assert_int_eq(run_kind(&r, EVENT_RETRY), ACTION_WAIT);
    r.mono_ms += real.young_ms - real.lease_ms;
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_ANNOUNCE); /* the same, for the lease */
    ck_assert_int_eq(r.s.wanted.at_ms, at_ms);
}
END_TEST

/* Owners' clocks may differ by a minute. */
START_TEST(a_time_of_the_future_is_old)
{
    struct partition_announcement a = {.end = 5, .at_ms = START_MS + 60 * SECOND, .digest = 1};
    struct run r = run_assigned(0, a);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_WAIT);
    ck_assert_int_eq(r.s.phase, PARTITION_SETTLE);
    a.at_ms--;
    r = run_assigned(0, a);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_READ);
    ck_assert_int_eq(r.s.phase, PARTITION_RECOVER);
}
END_TEST

/* After an assignment: what an earlier owner sent by its lease has arrived. */
START_TEST(settling_takes_the_lease_too)
{
    const struct partition_announcement other = {.end = 5, .at_ms = 1, .digest = 2};
    struct run r = run_assigned(0, other);
    int64_t assigned_ms = r.mono_ms;
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_WAIT);
    ck_assert_int_eq(partition_settle_at(&r.s, &real),
                     assigned_ms + real.lease_ms + real.settle_ms);
    r.mono_ms = partition_settle_at(&r.s, &real) - 1;
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_WAIT);
    r.mono_ms++;
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_READ);
    ck_assert_int_eq(run_closed(&r, 0, 3), ACTION_LOOK);
}
END_TEST

/* Fenced first, then the group asks for it back. */
START_TEST(what_was_left_can_be_revoked)
{
    struct run r = run_open();
    ck_assert_int_eq(run_closed(&r, 0, 5), ACTION_ANNOUNCE);
    ck_assert_int_eq(run_kind(&r, EVENT_FENCED), ACTION_DROP);
    ck_assert_int_eq(run_kind(&r, EVENT_REVOKED), ACTION_NONE);
    ck_assert_int_eq(r.s.phase, PARTITION_NONE);
}
END_TEST

START_TEST(what_is_lost_waits_for_its_answer)
{
    struct run r = run_inserting();
    ck_assert_int_eq(run_kind(&r, EVENT_REVOKED), ACTION_NONE);
    ck_assert_int_eq(r.s.phase, PARTITION_LOST);
    ck_assert(!partition_is_idle(&r.s));
    ck_assert_int_eq(run_kind(&r, EVENT_REVOKED), ACTION_NONE);
    ck_assert_int_eq(run_kind(&r, EVENT_STOP), ACTION_NONE);
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_NONE);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_DROP);
    ck_assert(partition_is_idle(&r.s));
}
END_TEST

/* A timer may be late, or early. */
START_TEST(time_without_a_wait_is_ignored)
{
    struct run r = {0};
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_NONE);
    struct run runs[] = {
        r,
        run_open(),
        run_inserting(),
        run_assigned(-1, (struct partition_announcement){.end = -1}),
        run_assigned(0, (struct partition_announcement){.end = 5, .digest = 2}),
        run_assigned(0, (struct partition_announcement){.end = 5, .at_ms = START_MS, .digest = 1})};
    ck_assert_int_eq(run_kind(&runs[5], EVENT_OK), ACTION_READ);
    ck_assert_int_eq(runs[5].s.phase, PARTITION_RECOVER);
    for (unsigned i = 0; i < PL_COUNT(runs); i++) {
        const struct run before = runs[i];
        ck_assert_int_eq(run_kind(&runs[i], EVENT_TIME), ACTION_NONE);
        ck_assert_int_eq(runs[i].s.phase, before.s.phase);
        ck_assert_int_eq(runs[i].s.asked, before.s.asked);
    }
}
END_TEST

/* ---- stop ---- */

/* The batch is finished; the one behind it is not announced. */
START_TEST(a_stop_finishes_what_is_sent)
{
    struct run r = run_open();
    ck_assert_int_eq(run_closed(&r, 0, 5), ACTION_ANNOUNCE);
    ck_assert_int_eq(run_kind(&r, EVENT_STOP), ACTION_NONE);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_INSERT);
    ck_assert_int_eq(run_kind(&r, EVENT_RETRY), ACTION_WAIT);
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_INSERT);
    const struct partition_event ok = {.kind = EVENT_OK, .next = 9};
    ck_assert_int_eq(run_event(&r, ok), ACTION_COMMIT);
    ck_assert_int_eq(r.s.wanted.end, -1);
    ck_assert_int_eq(run_kind(&r, EVENT_UNKNOWN), ACTION_CHECK);
    const struct partition_event at = {.kind = EVENT_OK, .start = 5};
    ck_assert_int_eq(run_event(&r, at), ACTION_DROP);
    ck_assert_int_eq(r.s.phase, PARTITION_NONE);
    ck_assert(!r.s.stopping);
}
END_TEST

/* What is in doubt stays announced. */
START_TEST(a_stop_keeps_what_is_in_doubt)
{
    struct run r = run_assigned(0, (struct partition_announcement){.end = 9, .digest = 2});
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_WAIT);
    r.mono_ms = partition_settle_at(&r.s, &real);
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_READ);
    ck_assert_int_eq(run_closed(&r, 0, 5), ACTION_LOOK);
    const struct partition_event all = {.kind = EVENT_OK, .found = true};
    ck_assert_int_eq(run_event(&r, all), ACTION_COMMIT);
    ck_assert_int_eq(run_kind(&r, EVENT_STOP), ACTION_NONE);
    ck_assert_int_eq(r.s.wanted.until, 9);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_DROP);
}
END_TEST

START_TEST(a_stop_leaves_what_is_not_sent)
{
    const struct partition_announcement other = {.end = 5, .digest = 2};
    struct run place = run_assigned(-1, (struct partition_announcement){.end = -1});
    struct run claim = run_assigned(0, other), settle = claim, look = claim,
               refused = run_inserting();
    run_kind(&settle, EVENT_OK);
    run_kind(&look, EVENT_OK);
    look.mono_ms = partition_settle_at(&look.s, &real);
    run_kind(&look, EVENT_TIME);
    ck_assert_int_eq(run_closed(&look, 0, 5), ACTION_LOOK);
    struct run asked[] = {place, claim, look}, open[] = {run_open(), settle};
    for (unsigned i = 0; i < PL_COUNT(asked); i++) {
        ck_assert_int_eq(run_kind(&asked[i], EVENT_STOP), ACTION_NONE);
        ck_assert_int_eq(asked[i].s.phase, PARTITION_LOST);
        ck_assert_int_eq(run_kind(&asked[i], EVENT_OK), ACTION_DROP);
    }
    for (unsigned i = 0; i < PL_COUNT(open); i++) {
        ck_assert_int_eq(run_kind(&open[i], EVENT_STOP), ACTION_DROP);
        ck_assert_int_eq(open[i].s.phase, PARTITION_NONE);
        ck_assert_int_eq(run_kind(&open[i], EVENT_STOP), ACTION_NONE);
    }
    ck_assert_int_eq(run_kind(&refused, EVENT_STOP), ACTION_NONE);
    ck_assert_int_eq(run_kind(&refused, EVENT_REFUSED), ACTION_DROP); /* not asked, nor split */
    ck_assert_int_eq(refused.s.phase, PARTITION_NONE);
}
END_TEST

/* ---- the rest ---- */

/* The only message is refused: it is asked for, buried, and its dead letter committed. */
START_TEST(a_refused_message_is_buried)
{
    struct run r = run_inserting();
    const struct partition_event missing = {.kind = EVENT_OK, .missing = true, .single = true};
    ck_assert_int_eq(run_kind(&r, EVENT_REFUSED), ACTION_LOOK);
    ck_assert_int_eq(run_event(&r, missing), ACTION_BURY);
    const struct partition_event closed = {.kind = EVENT_CLOSED, .end = 5}; /* without rows */
    ck_assert_int_eq(run_event(&r, closed), ACTION_COMMIT);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_NEXT);
    ck_assert_int_eq(r.s.start, 5);
}
END_TEST

/* The first half of a refused batch is in doubt too, since part of the batch was there: it is asked
 * for, but it is not refused itself. */
START_TEST(half_of_a_refused_batch_is_not_refused)
{
    struct run r = run_inserting();
    const struct partition_event part = {.kind = EVENT_OK, .missing = true, .found = true};
    ck_assert_int_eq(run_kind(&r, EVENT_REFUSED), ACTION_LOOK);
    ck_assert_int_eq(run_event(&r, part), ACTION_SPLIT);
    ck_assert_int_eq(run_closed(&r, 0, 2), ACTION_LOOK);
    ck_assert_int_eq(run_event(&r, part), ACTION_ANNOUNCE);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_INSERT);
    const struct partition_event ok = {.kind = EVENT_OK, .next = 5};
    ck_assert_int_eq(run_event(&r, ok), ACTION_COMMIT);
    ck_assert_int_eq(r.s.wanted.end, 5);
    ck_assert_int_eq(r.s.wanted.until, 5); /* the second half is asked for, after a crash too */
}
END_TEST

/* A group without an offset: below the output's position the table is asked, after a crash too. */
START_TEST(a_group_that_is_gone_is_placed)
{
    struct run r = run_assigned(-1, (struct partition_announcement){.end = -1});
    const struct partition_event at = {.kind = EVENT_OK, .start = 90, .announced = {.until = 100}};
    ck_assert_int_eq(run_kind(&r, EVENT_RETRY), ACTION_WAIT);
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_PLACE);
    ck_assert_int_eq(run_event(&r, at), ACTION_ANNOUNCE);
    ck_assert_int_eq(r.s.start, 90);
    ck_assert_int_eq(r.s.wanted.until, 100);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_WAIT);
    r.mono_ms = partition_settle_at(&r.s, &real);
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_READ);
    ck_assert_int_eq(run_closed(&r, 90, 95), ACTION_LOOK);
    struct run fresh = run_assigned(-1, (struct partition_announcement){.end = -1});
    const struct partition_event first = {.kind = EVENT_OK};
    ck_assert_int_eq(run_event(&fresh, first), ACTION_ANNOUNCE);
    ck_assert_int_eq(fresh.s.wanted.end, -1);
    ck_assert_int_eq(run_kind(&fresh, EVENT_OK), ACTION_READ);
}
END_TEST

/* Of a replay all may be there, but nothing is on its way; after a crash it may be. */
START_TEST(a_replay_does_not_wait)
{
    struct run r = run_assigned(-1, (struct partition_announcement){.end = -1});
    const struct partition_event at = {
        .kind = EVENT_OK, .announced = {.until = 100}, .settled = true};
    ck_assert_int_eq(run_event(&r, at), ACTION_ANNOUNCE);
    ck_assert_int_eq(r.s.wanted.until, 100);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_READ);
    ck_assert_int_eq(run_closed(&r, 0, 95), ACTION_LOOK);
    struct partition_announcement left = r.s.announced;
    struct run next = run_assigned(0, left);
    ck_assert_int_eq(run_kind(&next, EVENT_OK), ACTION_WAIT);
    ck_assert_int_eq(partition_settle_at(&next.s, &real),
                     next.mono_ms + real.lease_ms + real.settle_ms);
}
END_TEST

/* The announced range cannot be read any more as it was, but may be in the table. */
START_TEST(a_doubt_alone_is_kept)
{
    struct run r = run_assigned(0, (struct partition_announcement){.end = -1, .until = 9});
    ck_assert_int_eq(r.s.wanted.until, 9);
    ck_assert_int_eq(r.s.wanted.end, 9);
    ck_assert_int_eq(run_kind(&r, EVENT_OK), ACTION_WAIT);
    r.mono_ms = partition_settle_at(&r.s, &real);
    ck_assert_int_eq(run_kind(&r, EVENT_TIME), ACTION_READ);
    ck_assert_int_eq(run_closed(&r, 0, 5), ACTION_LOOK);
}
END_TEST

START_TEST(phases_have_names)
{
    unsigned wants = 0, idle = 0;
    for (unsigned i = 0; i < PARTITION_PHASES; i++) {
        const struct partition_state s = {.phase = (enum partition_phase)i};
        ck_assert_ptr_nonnull(partition_phase_name(s.phase));
        for (unsigned k = 0; k < i; k++)
            ck_assert_str_ne(partition_phase_name(s.phase),
                             partition_phase_name((enum partition_phase)k));
        wants += partition_wants_batch(&s);
        idle += partition_is_idle(&s);
    }
    ck_assert_uint_eq(wants, 2);
    ck_assert_uint_eq(idle, 2);
    ck_assert_str_eq(partition_phase_name(PARTITION_LOOKUP), "lookup");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(a_clock_set_back_makes_no_token_young),
        TEST(a_clock_set_back_stops_nothing),
        TEST(tokens_differ_whatever_the_clock),
        TEST(retries_have_no_end_and_an_age),
        TEST(an_insert_has_a_time_limit),
        TEST(a_commit_proves_and_announces),
        TEST(a_time_of_the_future_is_old),
        TEST(settling_takes_the_lease_too),
        TEST(what_was_left_can_be_revoked),
        TEST(what_is_lost_waits_for_its_answer),
        TEST(time_without_a_wait_is_ignored),
        TEST(a_stop_finishes_what_is_sent),
        TEST(a_stop_keeps_what_is_in_doubt),
        TEST(a_stop_leaves_what_is_not_sent),
        TEST(a_refused_message_is_buried),
        TEST(half_of_a_refused_batch_is_not_refused),
        TEST(a_group_that_is_gone_is_placed),
        TEST(a_replay_does_not_wait),
        TEST(a_doubt_alone_is_kept),
        TEST(phases_have_names),
    };
    return unit_main("partition_steps", tests, PL_COUNT(tests));
}
