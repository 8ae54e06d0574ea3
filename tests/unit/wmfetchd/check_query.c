/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_query.c - the URL of a request, byte by byte: with the defaults, and for an API with other
 * names. links: wmfetchd
 */
#include "daemons/wmfetchd/api/query.h"
#include "tests/unit/unit.h"

#define APPLICATION "31854"
#define FROM        INT64_C(1767205800000)
#define END         INT64_C(1768242540000)

/* The URL by a configuration with these lines. */
static void expect(const char *yaml, const char *want)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf text = {0};
    PL_CLEANUP(pl_buf_wipe) struct pl_buf url = {0};
    const struct fetch_ask ask = {APPLICATION, "HOURLY", FROM, END};
    struct wmfetchd_conf conf = {0};
    struct pl_findings errs;
    pl_findings_init(&errs);
    pl_buf_addf(&text, "api: { url: \"https://a.example/api/\", applications: [\"1\"]%s }\n", yaml);
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text.data, text.len, &errs);
    pl_options_apply(wmfetchd_opts, root, &conf, &errs);
    ck_assert_msg(errs.count == 0, "%s", pl_buf_cstr(&errs.text));
    PL_FREE char *address = query_address(&conf.api);
    query_make(&conf.api, address, &ask, &url);
    ck_assert_str_eq(pl_buf_cstr(&url), want);
    pl_options_release(wmfetchd_opts, &conf);
    pl_findings_release(&errs);
}

#define BASE                                                                                       \
    "https://a.example/api/services/wmerrorbudgetstatisticsservice/api/transactions/summary/"      \
    "series/all"

START_TEST(addresses)
{
    expect("", BASE "?application_id=31854&range=CUSTOM&start_time=1767205800000&"
                    "end_time=1768242540000&index=HOURLY");
    expect(", parameters: { \"tenant id\": \"a&b\", empty: \"\" }",
           BASE "?application_id=31854&range=CUSTOM&start_time=1767205800000&"
                "end_time=1768242540000&index=HOURLY&tenant%20id=a%26b&empty=");
    expect(", path: /v2/all, names: { application: app, index: \"\" },"
           " time: { start: from, end: to, format: s, range: \"\" }",
           "https://a.example/api/v2/all?app=31854&from=1767205800&to=1768242540");
    expect(", path: all, names: { application: \"\", index: step },"
           " time: { format: rfc3339, range: BETWEEN }, parameters: { size: \"5000\" }",
           "https://a.example/api/all?range=BETWEEN&start_time=2025-12-31T18%3A30%3A00.000Z&"
           "end_time=2026-01-12T18%3A29%3A00.000Z&step=HOURLY&size=5000");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(addresses),
    };
    return unit_main("query", tests, PL_COUNT(tests));
}
