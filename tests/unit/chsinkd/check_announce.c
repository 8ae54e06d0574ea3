/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_announce.c - the machine's announcements as metadata of the group's offset, and back.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/sink/protocol/announce.h"
#include "tests/unit/unit.h"

static const struct {
    struct partition_announcement a;
    const char *text;
    struct partition_announcement back;
} cases[] = {
    {{.end = -1}, "", {.end = -1}},
    {{42, 17, 0xabc, 0},
     "chsinkd/2 end=42 at=17 digest=0000000000000abc until=0",
     {42, 17, 0xabc, 0}},
    {{42, 17, 0xabc, 42},
     "chsinkd/2 end=42 at=17 digest=0000000000000abc until=42",
     {42, 17, 0xabc, 42}},
    {{42, 17, 0xabc, 99},
     "chsinkd/2 end=42 at=17 digest=0000000000000abc until=99",
     {42, 17, 0xabc, 99}},
    /* Nothing is announced, but rows below `until` are in doubt. */
    {{-1, 17, 0xabc, 99},
     "chsinkd/2 end=99 at=17 digest=0000000000000abc until=99",
     {99, 17, 0xabc, 99}},
};

static void check_same(const struct partition_announcement *a,
                       const struct partition_announcement *b)
{
    ck_assert_int_eq(a->end, b->end);
    ck_assert_int_eq(a->at_ms, b->at_ms);
    ck_assert_uint_eq(a->digest, b->digest);
    ck_assert_int_eq(a->until, b->until);
}

START_TEST(round_trip)
{
    struct partition_announcement back;
    char text[PL_ANNOUNCEMENT_MAX];

    announcement_text(&cases[_i].a, text);
    ck_assert_str_eq(text, cases[_i].text);
    ck_assert(announcement_read(text, strlen(text), &back));
    check_same(&back, &cases[_i].back);
}
END_TEST

START_TEST(what_is_read)
{
    static const struct partition_announcement nothing = {.end = -1};
    static const char before[] = "chsinkd/1 end=42 at=17", later[] = "chsinkd/3 end=42";
    struct partition_announcement a = {1, 2, 3, 4};

    ck_assert(announcement_read(NULL, 0, &a));
    check_same(&a, &nothing);
    ck_assert(announcement_read(before, strlen(before), &a));
    check_same(&a, &(struct partition_announcement){42, 17, 0, 0});
    ck_assert(!announcement_read(later, strlen(later), &a));
    check_same(&a, &nothing);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(round_trip, .count = PL_COUNT(cases)),
        TEST(what_is_read),
    };
    return unit_main("announce", tests, PL_COUNT(tests));
}
