/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_range.c - announcements written and read back, those of others and damaged ones refused;
 * tokens.
 */
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/batch/range.h"
#include "tests/unit/unit.h"

#define FORMAT "chsinkd/1"

static const struct pl_announcement announcements[] = {
    {0, 0}, {1, 1763715600}, {10, 9}, {999999999999999999, 999999999999999999}};

START_TEST(announcement_round_trip)
{
    struct pl_announcement a = {-1, -1};
    char text[PL_ANNOUNCEMENT_MAX];

    pl_announcement_format(&announcements[_i], FORMAT, text);
    ck_assert(pl_announcement_parse(text, strlen(text), FORMAT, &a));
    ck_assert_int_eq(a.end, announcements[_i].end);
    ck_assert_int_eq(a.at_ms, announcements[_i].at_ms);
    /* No prefix of it is one, but for a shorter last number. */
    size_t head = (size_t)(strstr(text, " at=") - text) + strlen(" at=");
    for (size_t n = 0; n <= head; n++)
        ck_assert(!pl_announcement_parse(text, n, FORMAT, &a));
}
END_TEST

START_TEST(announcement_as_it_stands_in_the_group)
{
    char text[PL_ANNOUNCEMENT_MAX];

    pl_announcement_format(&(struct pl_announcement){42, 1763715600123}, FORMAT, text);
    ck_assert_str_eq(text, "chsinkd/1 end=42 at=1763715600123");
    /* Any number has room, that of a fault as well. */
    pl_announcement_format(&(struct pl_announcement){INT64_MIN, INT64_MIN},
                           "a-name-of-thirty-characters-/1", text);
    ck_assert_str_eq(text, "a-name-of-thirty-characters-/1 end=-9223372036854775808 "
                           "at=-9223372036854775808");
}
END_TEST

START_TEST(announcement_of_others)
{
    static const char *const cases[] = {
        "",
        "x",
        "{\"v\":1}",
        "chsinkd/2 end=5 at=6",
        "chsinkd/1 end=-5 at=6",
        "chsinkd/1 end=+5 at=6",
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
    };
    struct pl_announcement a = {7, 8};

    ck_assert(!pl_announcement_parse(NULL, 0, FORMAT, &a));
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_msg(!pl_announcement_parse(cases[i], strlen(cases[i]), FORMAT, &a),
                      "accepted: %s", cases[i]);
    ck_assert(!pl_announcement_parse("chsinkd/1 end=5 at=6", 21, FORMAT, &a)); /* its NUL too */
    ck_assert_int_eq(a.end, 7);                                                /* untouched */
    ck_assert_int_eq(a.at_ms, 8);
    ck_assert(pl_announcement_parse("other/1 end=5 at=6", 18, "other/1", &a));
}
END_TEST

/* Whether `byte` in the place of text[at] leaves a digit where one was: that is another number,
 * which no one can see. */
static bool stays_a_number(const char *text, size_t at, int byte)
{
    return text[at] >= '0' && text[at] <= '9' && byte >= '0' && byte <= '9' && at > strlen(FORMAT);
}

/* Every other byte in every place, every byte left out, every byte twice: what is accepted is a
 * number that is longer, shorter or another, never another word. */
START_TEST(announcement_mutations)
{
    static const char good[] = "chsinkd/1 end=52 at=61";
    const size_t len = strlen(good), end = 14, at = 20; /* where the numbers begin */
    struct pl_announcement a;
    char text[64];

    for (size_t i = 0; i < len; i++) {
        bool digit = (i >= end && i < end + 2) || i >= at;

        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, good, len);
            text[i] = (char)byte;
            ck_assert_msg(pl_announcement_parse(text, len, FORMAT, &a) ==
                              (text[i] == good[i] || stays_a_number(good, i, byte)),
                          "byte %d at %zu", byte, i);
        }
        memcpy(text, good, i);
        memcpy(text + i, good + i + 1, len - i - 1);
        ck_assert_msg(pl_announcement_parse(text, len - 1, FORMAT, &a) == digit, "without %zu", i);
        memcpy(text, good, i + 1);
        memcpy(text + i + 1, good + i, len - i);
        ck_assert_msg(pl_announcement_parse(text, len + 1, FORMAT, &a) == digit, "twice %zu", i);
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
        TEST(announcement_mutations),
        TEST(tokens_tell_loads_apart),
    };
    return unit_main("range", tests, PL_COUNT(tests));
}
