/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_percent.c - percent encoding: each byte, the maximum, and that curl leaves no piece of a
 * secret behind.
 */
#include "lib/http/percent.h"

#include <curl/curl.h>

#include "tests/unit/unit.h"

START_TEST(each_byte)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    for (unsigned c = 1; c < 256; c++) {
        char text[] = {(char)c, '\0'}, want[4];
        snprintf(want, sizeof(want), strchr(plain, (int)c) ? "%c" : "%%%02X", c);
        pl_buf_reset(&out);
        ck_assert(pl_percent_add(&out, text));
        ck_assert_str_eq(pl_buf_cstr(&out), want);
    }
    pl_buf_reset(&out);
    ck_assert(pl_percent_add(&out, ""));
    ck_assert_uint_eq(out.len, 0);
    ck_assert(pl_percent_add(&out, "two words & more than one piece of 100 %"));
    ck_assert_str_eq(pl_buf_cstr(&out),
                     "two%20words%20%26%20more%20than%20one%20piece%20of%20100%20%25");
}
END_TEST

/* All or nothing, wherever the maximum falls. */
START_TEST(maximum)
{
    static const char text[] = "12345678&&12345678&&12345678";
    for (size_t max = 3; max < 45; max++) {
        struct pl_buf out;
        pl_buf_init(&out, max);
        ck_assert(pl_buf_add_str(&out, "abc"));
        bool fits = pl_percent_add(&out, text);
        ck_assert_int_eq(fits, max >= 3 + 24 + 4 * 3);
        ck_assert_uint_eq(out.len, fits ? 3 + 24 + 4 * 3 : 3);
        pl_buf_release(&out);
    }
}
END_TEST

/* Blocks know their size, and what they hold is looked at when curl frees or moves them. */
static size_t freed, held_text;

static void *block_new(size_t size)
{
    size_t *block = calloc(1, size + 2 * sizeof(size_t));
    *block = size;
    return block + 2;
}

static void block_free(void *p)
{
    if (!p)
        return;
    size_t *block = (size_t *)p - 2;
    freed++;
    for (size_t i = 0; i < *block; i++)
        held_text += ((char *)p)[i] != '\0';
    free(block);
}

static void *block_resize(void *p, size_t size)
{
    void *grown = block_new(size);
    if (p) {
        size_t old = ((size_t *)p)[-2];
        memcpy(grown, p, old < size ? old : size);
        block_free(p);
    }
    return grown;
}

static char *block_strdup(const char *text)
{
    return strcpy(block_new(strlen(text) + 1), text);
}

static void *block_array(size_t n, size_t size)
{
    return block_new(n * size);
}

START_TEST(nothing_stays)
{
    static const char secret[] =
        "a secret that is rather long & has \xe2\x82\xac\xe2\x82\xac\xe2\x82\xac";
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    ck_assert_int_eq(curl_global_init_mem(CURL_GLOBAL_NOTHING, block_new, block_free, block_resize,
                                          block_strdup, block_array),
                     CURLE_OK);
    curl_free(curl_easy_escape(NULL, secret, 0));
    ck_assert_uint_gt(held_text, 0); /* it would be seen */
    freed = held_text = 0;
    ck_assert(pl_percent_add(&out, secret));
    ck_assert_uint_gt(freed, 0);
    ck_assert_uint_eq(held_text, 0);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(each_byte),
        TEST(maximum),
        TEST(nothing_stays),
    };
    return unit_main("percent", tests, PL_COUNT(tests));
}
