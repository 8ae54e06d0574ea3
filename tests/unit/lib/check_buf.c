/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_buf.c - the buffer at and around its maximum, and the allocation helpers.
 */
#include "lib/base/buf.h"
#include "tests/unit/unit.h"

#include <signal.h>

START_TEST(test_zero_initialised)
{
    struct pl_buf b = {0};

    ck_assert_str_eq(pl_buf_cstr(&b), "");
    ck_assert(pl_buf_add(&b, NULL, 0));
    ck_assert(pl_buf_add_str(&b, "abc"));
    ck_assert(pl_buf_add_byte(&b, '\0'));
    ck_assert(pl_buf_add(&b, "de", 2));
    ck_assert_uint_eq(b.len, 6);
    ck_assert_mem_eq(b.data, "abc\0de", 6);
    pl_buf_reset(&b);
    ck_assert_str_eq(pl_buf_cstr(&b), "");
    pl_buf_release(&b);
    pl_buf_release(&b);
    ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(test_wipe)
{
    struct pl_buf b;
    pl_buf_init(&b, 8);
    pl_buf_wipe(&b); /* nothing there yet */
    ck_assert(pl_buf_add_str(&b, "secret"));
    pl_buf_wipe(&b);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.len + b.cap, 0);
    ck_assert(!pl_buf_add_str(&b, "too long for it")); /* the maximum stays */
    pl_wipe(NULL);
    pl_wipe(pl_strdup("secret"));
}
END_TEST

/* Every way of filling a buffer up to its maximum, byte by byte and in one go. */
START_TEST(test_maximum)
{
    for (size_t max = 1; max < 300; max++) {
        struct pl_buf b;
        pl_buf_init(&b, max);
        for (size_t i = 0; i < max; i++)
            ck_assert(pl_buf_add_byte(&b, (char)i));
        ck_assert(!pl_buf_add_byte(&b, 'x'));
        ck_assert(!pl_buf_add_str(&b, "x"));
        ck_assert(!pl_buf_addf(&b, "%d", 1));
        ck_assert(!pl_buf_reserve(&b, 1));
        ck_assert(pl_buf_add_str(&b, ""));
        ck_assert_uint_eq(b.len, max);
        ck_assert_uint_le(b.cap, max);
        /* The terminator needs no room of its own. */
        ck_assert_int_eq(pl_buf_cstr(&b)[max], '\0');
        for (size_t i = 0; i < max; i++)
            ck_assert_int_eq(b.data[i], (char)i);
        pl_buf_release(&b);
        ck_assert_uint_eq(b.max, max);

        ck_assert(!pl_buf_reserve(&b, max + 1));
        ck_assert(pl_buf_reserve(&b, max));
        ck_assert(!pl_buf_addf(&b, "%*d", (int)max + 1, 1));
        ck_assert_uint_eq(b.len, 0);
        ck_assert(pl_buf_addf(&b, "%*d", (int)max, 1));
        ck_assert_uint_eq(b.len, max);
        pl_buf_release(&b);
    }
}
END_TEST

START_TEST(test_reserve_absurd)
{
    struct pl_buf b = {0};

    ck_assert(pl_buf_add_str(&b, "abc"));
    ck_assert(!pl_buf_reserve(&b, SIZE_MAX));
    ck_assert(!pl_buf_reserve(&b, SIZE_MAX - 2));
    ck_assert(!pl_buf_reserve(&b, SIZE_MAX / 4 - 2));
    ck_assert_str_eq(pl_buf_cstr(&b), "abc");
    pl_buf_release(&b);
}
END_TEST

START_TEST(test_addf)
{
    struct pl_buf b = {0};

    for (int i = 0; i < 1000; i++)
        ck_assert(pl_buf_addf(&b, "%d,", i));
    ck_assert_uint_eq(b.len, 10 * 2 + 90 * 3 + 900 * 4);
    ck_assert_mem_eq(b.data, "0,1,2,3,", 8);
    ck_assert_mem_eq(b.data + b.len - 8, "998,999,", 8);
    pl_buf_release(&b);
}
END_TEST

START_TEST(test_take)
{
    struct pl_buf b = {.max = 8};
    char *empty = pl_buf_take(&b);

    ck_assert_str_eq(empty, "");
    free(empty);
    ck_assert(pl_buf_add_str(&b, "12345678"));
    char *s = pl_buf_take(&b);
    ck_assert_str_eq(s, "12345678");
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.len + b.cap, 0);
    ck_assert(!pl_buf_add_str(&b, "123456789"));
    ck_assert(pl_buf_add_str(&b, "1"));
    free(s);
    pl_buf_release(&b);
}
END_TEST

START_TEST(test_slices)
{
    ck_assert(pl_slice_eq(PL_SLICE_LIT("abc"), "abc"));
    ck_assert(!pl_slice_eq(PL_SLICE_LIT("abc"), "ab"));
    ck_assert(!pl_slice_eq(PL_SLICE_LIT("ab"), "abc"));
    ck_assert(pl_slice_eq(PL_SLICE_LIT(""), ""));
    ck_assert(!pl_slice_eq(PL_SLICE_LIT("a\0b"), "a"));
}
END_TEST

START_TEST(test_helpers)
{
    ck_assert_ptr_null(pl_strdup(NULL));
    PL_FREE char *a = pl_strdup("abc");
    PL_FREE char *b = pl_strndup("abc\0def", 7);
    PL_FREE char *c = pl_strndup(NULL, 0);
    PL_FREE char *d = pl_strf("%s-%d", "x", 7);
    PL_FREE unsigned char *zeroed = pl_alloc(100);
    PL_FREE uint64_t *array = pl_alloc_array(3, sizeof(*array));
    PL_FREE void *nothing = pl_alloc(0);
    PL_FREE void *none = pl_alloc_array(0, 8);

    ck_assert_str_eq(a, "abc");
    ck_assert_mem_eq(b, "abc\0def", 8);
    ck_assert_str_eq(c, "");
    ck_assert_str_eq(d, "x-7");
    ck_assert_uint_eq(zeroed[0] | zeroed[99], 0);
    ck_assert_uint_eq(array[0] | array[2], 0);
    ck_assert_ptr_nonnull(nothing);
    ck_assert_ptr_nonnull(none);
    array[2] = 5;
    array = pl_realloc_array(array, 1000, sizeof(*array));
    ck_assert_uint_eq(array[2], 5);

    char *taken = PL_TAKE(a);
    ck_assert_ptr_null(a);
    ck_assert_str_eq(taken, "abc");
    free(taken);
}
END_TEST

START_TEST(test_overflow_aborts)
{
    free(pl_realloc_array(NULL, SIZE_MAX / 2, 3));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_zero_initialised),
        TEST(test_wipe),
        TEST(test_maximum),
        TEST(test_reserve_absurd),
        TEST(test_addf),
        TEST(test_take),
        TEST(test_slices),
        TEST(test_helpers),
        TEST(test_overflow_aborts, .signal = SIGABRT),
    };
    return unit_main("buf", tests, PL_COUNT(tests));
}
