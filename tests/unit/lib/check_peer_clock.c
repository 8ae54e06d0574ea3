/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_peer_clock.c - peer_clock.c: ahead, behind, set meanwhile, unknown.
 */
#include "lib/http/peer_clock.h"
#include "tests/unit/unit.h"

#define MIN  INT64_C(60000)
#define HOUR (60 * MIN)

/* Never ahead of ours, behind it where the server's is, as long as ours was not set since. */
START_TEST(compared)
{
    struct pl_peer_clock c = {0};
    const int64_t now = 1000 * HOUR, mono = 5 * HOUR;
    ck_assert_int_eq(pl_peer_clock_now(&c, now, mono), now); /* nothing is known */
    pl_peer_clock_compare(&c, now + HOUR, now, mono);
    ck_assert_int_eq(pl_peer_clock_now(&c, now + 7, mono + 7), now + 7);
    pl_peer_clock_compare(&c, now - 2000, now, mono); /* Date counts seconds */
    ck_assert_int_eq(pl_peer_clock_now(&c, now + 7, mono + 7), now + 7);
    pl_peer_clock_compare(&c, now - 24 * HOUR, now, mono);
    ck_assert_int_eq(c.skew_ms, -24 * HOUR);
    ck_assert_int_eq(pl_peer_clock_now(&c, now + MIN, mono + MIN), now + MIN - 24 * HOUR);
    /* Set right a minute later: what was a day ahead is not any more. */
    ck_assert_int_eq(pl_peer_clock_now(&c, now + MIN - 24 * HOUR, mono + MIN),
                     now + MIN - 24 * HOUR);
    ck_assert_int_eq(pl_peer_clock_now(&c, now + 3 * MIN, mono + MIN), now + 3 * MIN);
    pl_peer_clock_compare(&c, 0, now, mono); /* the answer had no Date: as before */
    ck_assert_int_eq(c.skew_ms, -24 * HOUR);
    pl_peer_clock_compare(&c, now, now, mono);
    ck_assert_int_eq(c.skew_ms, 0);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {TEST(compared)};
    return unit_main("peer_clock", tests, PL_COUNT(tests));
}
