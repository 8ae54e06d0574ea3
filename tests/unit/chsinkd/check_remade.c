/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_remade.c - the warning about a table that is made again while running.
 * links: chsinkd
 */
#include "daemons/chsinkd/sink/work/remade.h"
#include "tests/unit/capture.h"
#include "tests/unit/unit.h"

START_TEST(warning)
{
    struct route route = {.name = (char *)"edits", .table = (char *)"wiki_edits"};
    const struct output_target target = {.route = &route, .database = "wiki"};
    struct capture c;
    capture_begin(&c);
    remade_say((void *)&target, "table created", "wiki.wiki_edits");
    capture_end(&c);
    ck_assert_ptr_nonnull(strstr(c.text, " WARN "));
    ck_assert_ptr_nonnull(strstr(c.text, "missing while running, and made again: was it dropped or "
                                         "renamed? what=\"table created\" name=wiki.wiki_edits "
                                         "table=wiki_edits database=wiki route=edits\n"));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(warning),
    };
    return unit_main("remade", tests, PL_COUNT(tests));
}
