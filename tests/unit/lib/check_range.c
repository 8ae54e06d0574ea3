/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_range.c - announcements written and read back, those of others and damaged ones refused;
 * tokens.
 */
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/batch/range.h"
#include "tests/unit/unit.h"

#define PROGRAM "chsinkd"

static const struct pl_announcement announcements[] = {
    {0, 0, 0, 0},
    {1, 1763715600, 1, 0},
    {10, 9, UINT64_C(0x0123456789abcdef), 10},
    {10, 9, UINT64_C(0xfedcba9876543210), 200},
    {999999999999999999, 999999999999999999, UINT64_MAX, 999999999999999999},
};

static void check_same(const struct pl_announcement *a, const struct pl_announcement *b)
{
    ck_assert_int_eq(a->end, b->end);
    ck_assert_int_eq(a->at_ms, b->at_ms);
    ck_assert_uint_eq(a->digest, b->digest);
    ck_assert_int_eq(a->until, b->until);
}

START_TEST(announcement_round_trip)
{
    struct pl_announcement a = {-1, -1, 0, -1};
    char text[PL_ANNOUNCEMENT_MAX];

    pl_announcement_format(&announcements[_i], PROGRAM, text);
    ck_assert_msg(pl_announcement_parse(text, strlen(text), PROGRAM, &a), "%s", text);
    check_same(&a, &announcements[_i]);
    /* No prefix of it is one, but for a shorter last number. */
    size_t head = (size_t)(strstr(text, " until=") - text) + strlen(" until=");
    for (size_t n = 0; n <= head; n++)
        ck_assert(!pl_announcement_parse(text, n, PROGRAM, &a));
}
END_TEST

START_TEST(announcement_as_it_stands_in_the_group)
{
    static const char v1[] = "chsinkd/1 end=42 at=1763715600123";
    struct pl_announcement a;
    char text[PL_ANNOUNCEMENT_MAX];

    pl_announcement_format(&(struct pl_announcement){42, 1763715600123, 0xabc, 50}, PROGRAM, text);
    ck_assert_str_eq(text, "chsinkd/2 end=42 at=1763715600123 digest=0000000000000abc until=50");
    /* The release before wrote no more than this. */
    ck_assert(pl_announcement_parse(v1, strlen(v1), PROGRAM, &a));
    check_same(&a, &(struct pl_announcement){42, 1763715600123, 0, 0});
    /* Any number has room, that of a fault as well. */
    pl_announcement_format(&(struct pl_announcement){INT64_MIN, INT64_MIN, UINT64_MAX, INT64_MIN},
                           "a-program-with-thirty-letters-", text);
    ck_assert_str_eq(text, "a-program-with-thirty-letters-/2 end=-9223372036854775808 "
                           "at=-9223372036854775808 digest=ffffffffffffffff "
                           "until=-9223372036854775808");
}
END_TEST

#define D " digest=0123456789abcdef"

START_TEST(announcement_of_others)
{
    static const char *const cases[] = {
        "",
        "x",
        "{\"v\":1}",
        "chsinkd",
        "chsinkd/",
        "chsinkd/3 end=5 at=6",
        "chsinkd/0 end=5 at=6",
        "chsinkd/1 end=-5 at=6",
        "chsinkd/1 end=+5 at=6",
        "chsinkd/1 end=05 at=6",
        "chsinkd/1 end=00 at=6",
        "chsinkd/1 end=5 at=",
        "chsinkd/1 end= at=6",
        "chsinkd/1 end=5 at=6 ",
        "chsinkd/1 end=5  at=6",
        " chsinkd/1 end=5 at=6",
        "chsinkd/1 at=6 end=5",
        "chsinkd/1 end=1234567890123456789 at=6",
        "chsinkd/1 end=5 at=1234567890123456789",
        "chsinkd/1 end=5 at=6\n",
        "chsinkd/11 end=5 at=6",
        "other/1 end=5 at=6",
        /* Half of one version, half of the other. */
        "chsinkd/1 end=5 at=6" D " until=0",
        "chsinkd/2 end=5 at=6",
        "chsinkd/2 end=5 at=6" D,
        "chsinkd/2 end=5 at=6 until=0",
        "chsinkd/2 end=5 at=6 until=0" D,
        "chsinkd/2 end=5 at=6 digest= until=0",
        "chsinkd/2 end=5 at=6 digest=123456789abcdef until=0",
        "chsinkd/2 end=5 at=6 digest=00123456789abcdef until=0",
        "chsinkd/2 end=5 at=6 digest=0123456789ABCDEF until=0",
        "chsinkd/2 end=5 at=6 digest=0x23456789abcdef until=0",
        "chsinkd/2 end=5 at=6 digest=-123456789abcdef until=0",
        "chsinkd/2 end=5 at=6" D " until=",
        "chsinkd/2 end=5 at=6" D " until=-1",
        "chsinkd/2 end=5 at=6" D " until=01",
        "chsinkd/2 end=5 at=6" D " until=1 ",
        "chsinkd/2 end=5 at=6" D " until=1234567890123456789",
    };
    struct pl_announcement a = {7, 8, 9, 10};

    ck_assert(!pl_announcement_parse(NULL, 0, PROGRAM, &a));
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_msg(!pl_announcement_parse(cases[i], strlen(cases[i]), PROGRAM, &a),
                      "accepted: %s", cases[i]);
    ck_assert(!pl_announcement_parse("chsinkd/1 end=5 at=6", 21, PROGRAM, &a)); /* its NUL too */
    check_same(&a, &(struct pl_announcement){7, 8, 9, 10});                     /* untouched */
    ck_assert(pl_announcement_parse("other/1 end=5 at=6", 18, "other", &a));
}
END_TEST

/* What is accepted is what would be written: the same numbers, by the version that stands there. */
static void check_canonical(const char *text, size_t len)
{
    struct pl_announcement a;
    char again[PL_ANNOUNCEMENT_MAX];

    if (!pl_announcement_parse(text, len, PROGRAM, &a))
        return;
    pl_announcement_format(&a, PROGRAM, again);
    if (text[strlen(PROGRAM "/")] == '1') {
        again[strlen(PROGRAM "/")] = '1';
        *strstr(again, " digest=") = '\0';
    }
    ck_assert_uint_eq(strlen(again), len);
    ck_assert_mem_eq(again, text, len);
}

static const char *const mutated[] = {
    "chsinkd/1 end=52 at=61",
    "chsinkd/2 end=52 at=61" D " until=73",
};

/* Every other byte in every place, every byte left out, every byte twice. */
START_TEST(announcement_mutations)
{
    const char *good = mutated[_i];
    const size_t len = strlen(good);
    struct pl_announcement a;
    char text[128];

    ck_assert(pl_announcement_parse(good, len, PROGRAM, &a));
    for (size_t i = 0; i < len; i++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, good, len);
            text[i] = (char)byte;
            check_canonical(text, len);
        }
        memcpy(text, good, i);
        memcpy(text + i, good + i + 1, len - i - 1);
        check_canonical(text, len - 1);
        memcpy(text, good, i + 1);
        memcpy(text + i + 1, good + i, len - i);
        check_canonical(text, len + 1);
    }
}
END_TEST

START_TEST(tokens_tell_loads_apart)
{
    static const struct {
        const char *target;
        struct pl_range range;
    } cases[] = {
        {"d.t", {"a", 0, 0, 1, 5}},  {"d.t", {"a", 0, 0, 2, 5}},  {"d.t", {"a", 0, 1, 2, 5}},
        {"d.t", {"a", 1, 0, 1, 5}},  {"d.t", {"b", 0, 0, 1, 5}},  {"d.u", {"a", 0, 0, 1, 5}},
        {"d.t", {"a", 0, 1, 12, 5}}, {"d.t", {"a", 0, 11, 2, 5}}, {"d.t", {"a", 0, 0, 1, 6}},
    };
    PL_CLEANUP(pl_buf_release) struct pl_buf buf = {0};
    char seen[PL_COUNT(cases)][64];

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        snprintf(seen[i], sizeof(seen[i]), "%s",
                 pl_range_token(&cases[i].range, cases[i].target, &buf));
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(seen[i], seen[k]);
    }
    ck_assert_str_eq(seen[0], "d.t:a:0:0:1:5");
    ck_assert_str_eq(pl_range_token(&cases[0].range, "d.t", &buf), seen[0]);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(announcement_round_trip, .count = PL_COUNT(announcements)),
        TEST(announcement_as_it_stands_in_the_group),
        TEST(announcement_of_others),
        TEST(announcement_mutations, .count = PL_COUNT(mutated)),
        TEST(tokens_tell_loads_apart),
    };
    return unit_main("range", tests, PL_COUNT(tests));
}
