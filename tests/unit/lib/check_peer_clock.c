/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_peer_clock.c - peer_clock.c: what Date says, ours ahead and behind and set meanwhile, what
 * is doubted, what is notable.
 */
#include "lib/http/peer_clock.h"
#include "tests/unit/unit.h"

#define SEC  INT64_C(1000)
#define HOUR (3600 * SEC)
#define DAY  (24 * HOUR)
#define THEN INT64_C(1800000000000) /* 15 January 2027, 08:00 */

static const struct date_case {
    const char *date, *age;
    int64_t ms;
} dates[] = {
    {"Fri, 15 Jan 2027 08:00:00 GMT", NULL, THEN},
    {"Fri, 15 Jan 2027 08:00:00 GMT", "0", THEN},
    {"Fri, 15 Jan 2027 07:00:00 GMT", "3600", THEN}, /* from a cache */
    {"Fri, 15 Jan 2027 08:00:00 GMT", "", 0},
    {"Fri, 15 Jan 2027 08:00:00 GMT", "-5", 0},
    {"Fri, 15 Jan 2027 08:00:00 GMT", "5, 6", 0},
    {"Fri, 15 Jan 2027 08:00:00 GMT", "99999999999999999999", 0},
    {"Thu, 01 Jan 1970 00:00:00 GMT", NULL, 0},
    {"Tue, 31 Dec 2019 23:59:59 GMT", NULL, 0},
    {"2027-01-15T08:00:00Z", NULL, 0},
    {"yesterday", NULL, 0},
    {"", NULL, 0},
    {NULL, NULL, 0},
    {NULL, "5", 0},
};

START_TEST(date)
{
    const struct date_case *c = &dates[_i];
    ck_assert_int_eq(pl_peer_date(c->date, c->age), c->ms);
}
END_TEST

static void hear(struct pl_peer_clock *c, int64_t date_ms, int64_t now_ms, int64_t boot_ms)
{
    pl_peer_clock_hear(c, &(struct pl_peer_answer){date_ms, now_ms, boot_ms, 0});
}

/* Whatever ours says then and later, the time there is its Date and what passed since. */
START_TEST(ours_is_wrong)
{
    static const int64_t offsets[] = {-50 * 365 * DAY, -DAY,     -HOUR, -61 * SEC, -3 * SEC,
                                      3 * SEC,         61 * SEC, HOUR,  DAY,       365 * DAY};
    for (size_t i = 0; i < PL_COUNT(offsets); i++)
        for (size_t later = 0; later < PL_COUNT(offsets); later++) {
            struct pl_peer_clock c = {0};
            const int64_t boot = 5 * HOUR, ours = THEN + offsets[i];
            ck_assert_int_eq(pl_peer_clock_now(&c, ours, boot), ours);
            ck_assert_int_eq(pl_peer_clock_skew(&c, ours, boot), 0);
            hear(&c, THEN, ours, boot);
            ck_assert_int_eq(pl_peer_clock_now(&c, ours, boot), THEN);
            ck_assert_int_eq(pl_peer_clock_skew(&c, ours, boot), -offsets[i]);
            int64_t set = THEN + offsets[later];
            ck_assert_int_eq(pl_peer_clock_now(&c, set, boot + HOUR), THEN + HOUR);
            hear(&c, 0, set, boot + HOUR); /* no Date: as before */
            ck_assert_int_eq(pl_peer_clock_now(&c, set, boot + HOUR), THEN + HOUR);
            hear(&c, THEN + HOUR, set, boot + HOUR);
            ck_assert_int_eq(pl_peer_clock_now(&c, set, boot + HOUR), THEN + HOUR);
        }
}
END_TEST

/* Date counts seconds, and an answer may have been under way for as long as the request. */
static const struct agree_case {
    int64_t ahead_ms, took_ms; /* ours */
    bool agree;
} agrees[] = {
    {0, 0, true},      {999, 0, true},        {2000, 0, true},      {2001, 0, false},
    {-2000, 0, true},  {-2001, 0, false},     {9000, 7000, true},   {9001, 7000, false},
    {-2001, 0, false}, {-2001, 70000, false}, {61000, 60000, true},
};

START_TEST(agreement)
{
    const struct agree_case *a = &agrees[_i];
    struct pl_peer_clock c = {0};
    int64_t ours = THEN + a->ahead_ms;
    pl_peer_clock_hear(&c, &(struct pl_peer_answer){THEN, ours, HOUR, a->took_ms});
    ck_assert_int_eq(pl_peer_clock_now(&c, 0, HOUR + 7), (a->agree ? ours : THEN) + 7);
}
END_TEST

/* One answer that says something else is doubted, two are not. */
START_TEST(doubted)
{
    struct pl_peer_clock c = {0};
    hear(&c, THEN, THEN, 0);
    hear(&c, THEN - DAY, THEN + SEC, SEC);
    ck_assert_int_eq(pl_peer_clock_now(&c, 0, SEC), THEN + SEC);
    hear(&c, THEN + 2 * SEC, THEN + 2 * SEC, 2 * SEC); /* it was the one */
    hear(&c, THEN - DAY + 3 * SEC, THEN + 3 * SEC, 3 * SEC);
    ck_assert_int_eq(pl_peer_clock_now(&c, 0, 3 * SEC), THEN + 3 * SEC);
    hear(&c, THEN + DAY, THEN + 4 * SEC, 4 * SEC); /* not the same again */
    ck_assert_int_eq(pl_peer_clock_now(&c, 0, 4 * SEC), THEN + 4 * SEC);
    hear(&c, THEN + DAY + HOUR, THEN + HOUR + 4 * SEC, HOUR + 4 * SEC);
    ck_assert_int_eq(pl_peer_clock_now(&c, 0, HOUR + 4 * SEC), THEN + DAY + HOUR);
    hear(&c, THEN + DAY + HOUR + 59 * SEC, 0, HOUR + 4 * SEC); /* a small step is followed */
    ck_assert_int_eq(pl_peer_clock_now(&c, 0, HOUR + 4 * SEC), THEN + DAY + HOUR + 59 * SEC);
}
END_TEST

START_TEST(worth_telling)
{
    static const struct {
        int64_t ours_ahead_ms;
        bool notable;
    } steps[] = {{0, false},          {1900, false},           {2100, true},
                 {2200, false},       {4000, false},           {4200, true},
                 {DAY, true},         {DAY + HOUR, false},     {-DAY, true},
                 {-DAY - SEC, false}, {1000, true /* gone */}, {500, false}};
    struct pl_peer_clock c = {0};
    int64_t skew = 42;
    ck_assert(!pl_peer_clock_notable(&c, THEN - DAY, 0, &skew)); /* not known */
    hear(&c, THEN, THEN, 0);
    for (size_t i = 0; i < PL_COUNT(steps); i++) {
        int64_t ours = steps[i].ours_ahead_ms;
        bool notable = pl_peer_clock_notable(&c, THEN + ours, 0, &skew);
        ck_assert_msg(notable == steps[i].notable, "step %zu", i);
        if (notable)
            ck_assert_int_eq(skew, ours == 1000 ? 0 : -ours);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(date, .count = PL_COUNT(dates)),
        TEST(ours_is_wrong),
        TEST(agreement, .count = PL_COUNT(agrees)),
        TEST(doubted),
        TEST(worth_telling),
    };
    return unit_main("peer_clock", tests, PL_COUNT(tests));
}
