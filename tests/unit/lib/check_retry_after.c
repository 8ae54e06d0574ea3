/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_retry_after.c - retry_after.c: every form of the header, by table.
 */
#include "lib/http/http.h"
#include "tests/unit/unit.h"

START_TEST(values)
{
    /* Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 */
    const int64_t date = INT64_C(784111777000), hour = INT64_C(3600000);
    const struct {
        const char *value;
        int64_t now, ms;
    } cases[] = {
        {NULL, 0, -1},
        {"", 0, -1},
        {" ", 0, -1},
        {"x", 0, -1},
        {"-1", 0, -1},
        {"1.5", 0, -1},
        {"1 2", 0, -1},
        {"0", 0, 0},
        {"1", 0, 1000},
        {" 120 ", 0, 120000},
        {"007", 0, 7000},
        {"3599", 0, hour - 1000},
        {"3600", 0, hour},
        {"3601", 0, hour},
        {"86400", 0, hour},
        {"99999999999999999999999999", 0, hour},
        {"Sun, 06 Nov 1994 08:49:37 GMT", date - 1500, 1500},
        {"Sun, 06 Nov 1994 08:49:37 GMT", date, 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT", date + 1, 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT", date - hour - 1, hour},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0, hour},
        {"Sun, 06 Nov 1994", 0, -1},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_msg(pl_http_retry_after_ms(cases[i].value, cases[i].now) == cases[i].ms,
                      "case %zu: %s", i, cases[i].value);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {TEST(values)};
    return unit_main("retry_after", tests, PL_COUNT(tests));
}
