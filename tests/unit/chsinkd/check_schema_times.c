/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_schema_times.c - what --schema proposes as DateTime64 is exactly what the decoder takes: a
 * table of hard texts, alone and two by two as values of one field.
 *
 * links: chsinkd
 */
#include <stdio.h>

#include "daemons/chsinkd/decode/rows.h"
#include "daemons/chsinkd/route/type_suggest.h"
#include "lib/json/schema.h"
#include "tests/unit/unit.h"

#define SCALES 10

/* What stands between the quotes in JSON. `scales`: those of DateTime64 that take it, as bits. */
#define NONE        0u
#define FROM(scale) (0x3ffu & (0x3ffu << (scale)))
#define TO8         0x1ffu
static const struct {
    const char *text;
    unsigned scales;
} times[] = {
    /* spellings */
    {"2026-11-21T09:00:00Z", FROM(0)},
    {"2026-11-21 09:00:00Z", FROM(0)},
    {"2026-11-21t09:00:00z", FROM(0)},
    {"2026-11-21T09:00:00", FROM(0)},
    {"2026-11-21 09:00:00", FROM(0)},
    {"2026-11-21T09:00Z", FROM(0)},
    {"2026-11-21T09:00", FROM(0)},
    {"2026-11-21T09", NONE},
    {"2026-11-21", FROM(0)},
    {"2026-11-21Z", NONE},
    {"2026-11", NONE},
    {"20261121T090000Z", NONE},
    {"20261121", NONE},
    {"2026-W47-6", NONE},
    {"2026-325", NONE},
    {"1795251600", NONE},
    {"Sat, 21 Nov 2026 09:00:00 GMT", NONE},
    {"", NONE},
    {"now", NONE},
    {" 2026-11-21T09:00:00Z", NONE},
    {"2026-11-21T09:00:00Z ", NONE},
    {"2026-11-21  09:00:00Z", NONE},
    {"2026-11-21T09:00:00 Z", NONE},
    {"2026-11-21_09:00:00Z", NONE},
    {"2026/11/21 09:00:00", NONE},
    {"2026-11-21T9:00:00Z", NONE},
    /* escapes */
    {"2026-11-21T09\\u003a00:00Z", FROM(0)},
    {"2026-11-21T09:00:00\\u005a", FROM(0)},
    {"2026-11-21T09:00:00Z\\u0000", NONE},
    {"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000T09:00:00Z", NONE},
    {"2026-11-21T09:00:00Z\\ud800", NONE},
    /* offsets */
    {"2026-11-21T10:00:00+01:00", FROM(0)},
    {"2026-11-21T09:00:00+0000", FROM(0)},
    {"2026-11-21T09:00:00+00:00", FROM(0)},
    {"2026-11-21T09:00:00-00:00", FROM(0)},
    {"2026-11-21T03:30-0530", FROM(0)},
    {"2026-11-21T09:00:00+23:59", FROM(0)},
    {"2026-11-21T09:00:00+24:00", NONE},
    {"2026-11-21T09:00:00+00:60", NONE},
    {"2026-11-21T09:00:00+00", NONE},
    {"2026-11-21T09:00:00 +00:00", NONE},
    {"2026-11-21T09:00:00UTC", NONE},
    {"2026-11-21T09:00:00Z+00:00", NONE},
    /* fractions */
    {"2026-11-21T09:00:00.1Z", FROM(1)},
    {"2026-11-21T09:00:00.123Z", FROM(3)},
    {"2026-11-21T09:00:00.1234Z", FROM(4)},
    {"2026-11-21T09:00:00.123456Z", FROM(6)},
    {"2026-11-21T09:00:00.123456789Z", FROM(9)},
    {"2026-11-21T09:00:00.1234567891Z", NONE},
    {"2026-11-21T09:00:00.1234567890Z", FROM(9)},
    {"2026-11-21T09:00:00.1000000000Z", FROM(1)},
    {"2026-11-21T09:00:00.0000000000+01:00", FROM(0)},
    /* 64 bytes, and one more; the same with an escape */
    {"2026-11-21T09:00:00.1230000000000000000000000000000000000000000Z", FROM(3)},
    {"2026-11-21T09:00:00.12300000000000000000000000000000000000000000Z", NONE},
    {"2026-11-21T09:00:00.1230000000000000000000000000000000000000000\\u005a", FROM(3)},
    {"2026-11-21T09:00:00.12300000000000000000000000000000000000000000\\u005a", NONE},
    {"2026-11-21T09:00:00.Z", NONE},
    {"2026-11-21T09:00:00,5Z", NONE},
    {"2026-11-21T09:00.5Z", NONE},
    /* fields */
    {"2026-11-21T24:00:00Z", NONE},
    {"2026-11-21T23:59:60Z", NONE},
    {"2026-11-21T23:60:00Z", NONE},
    {"2026-02-29T00:00:00Z", NONE},
    {"2024-02-29T00:00:00Z", FROM(0)},
    {"2026-13-01T00:00:00Z", NONE},
    {"2026-00-01T00:00:00Z", NONE},
    {"2026-01-00T00:00:00Z", NONE},
    {"0000-01-01T00:00:00Z", NONE},
    /* the ends of DateTime64, and of nanoseconds in 64 bits */
    {"1969-12-31T23:59:59.999Z", FROM(3)},
    {"1900-01-01T00:00:00Z", FROM(0)},
    {"1900-01-01", FROM(0)},
    {"1900-01-01T00:00:00+00:01", NONE},
    {"1899-12-31T23:59:59.999999999Z", NONE},
    {"1899-12-31T23:59:00-00:01", FROM(0)},
    {"0001-01-01T00:00:00Z", NONE},
    {"2262-04-11T23:47:16.854775807Z", FROM(9)},
    {"2262-04-11T23:47:16.854775808Z", NONE},
    {"2262-04-11T23:47:16.8547759Z", TO8 &FROM(7)},
    {"2262-04-12", TO8},
    {"2299-12-31T23:59:59.999Z", TO8 &FROM(3)},
    {"2299-12-31T23:59:59.9999999Z", TO8 &FROM(7)},
    {"2300-01-01T00:00:00Z", NONE},
    {"2300-01-01T00:59:59+01:00", TO8},
    {"2299-12-31T23:59:59-00:01", NONE},
    {"9999-12-31T23:59:59Z", NONE},
    {"10000-01-01T00:00:00Z", NONE},
};
#define TIMES ((unsigned)PL_COUNT(times))

static void on_reject(void *userdata, const struct rows_reject *reject)
{
    (void)reject;
    ++*(unsigned *)userdata;
}

/* Into accepted[]: whether a DateTime64 of this scale takes each text. */
static void decode_all(unsigned scale, bool accepted[static PL_COUNT(times)])
{
    struct pl_findings errs;
    PL_FREE char *yaml = pl_strf("topic: t\ntable: t\norder_by: tuple()\ncolumns:\n"
                                 "  - { name: v, type: DateTime64(%u), path: $.v }\n",
                                 scale);
    pl_findings_init(&errs);
    struct route *route = route_parse("test", yaml, strlen(yaml), &errs);
    ck_assert_msg(route != NULL, "%s", pl_buf_cstr(&errs.text));
    struct rows *rows = rows_new(route);
    struct block *block = block_new(route);
    for (unsigned i = 0; i < TIMES; i++) {
        PL_FREE char *value = pl_strf("{\"v\":\"%s\"}", times[i].text);
        struct rows_message m = {.topic = "t", .value = value, .value_len = strlen(value)};
        unsigned rejects = 0;
        uint64_t before = block_rows(block);
        rows_decode(rows, &m, NULL, block, on_reject, &rejects);
        accepted[i] = block_rows(block) == before + 1;
        ck_assert_uint_eq(accepted[i] + rejects, 1);
    }
    block_free(block);
    rows_free(rows);
    route_free(route);
    pl_findings_release(&errs);
}

/* The scale that is proposed for a field with these two values, or -1: no DateTime64. */
static int scale_proposed(const char *a, const char *b)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();
    const char *texts[] = {a, b}, *error;
    PL_CLEANUP(pl_buf_release) struct pl_buf type = {0};
    unsigned scale;
    for (unsigned i = 0; i < 2; i++) {
        PL_FREE char *doc = pl_strf("{\"v\":\"%s\"}", texts[i]);
        ck_assert(pl_schema_add(p, doc, strlen(doc), &error));
    }
    type_suggest(p, 0, &type);
    if (sscanf(pl_buf_cstr(&type), "DateTime64(%u)", &scale) != 1)
        return -1;
    ck_assert(scale == 3 || scale == 6 || scale == 9);
    return (int)scale;
}

START_TEST(schema_and_sink_agree)
{
    static bool accepted[SCALES][PL_COUNT(times)];
    for (unsigned scale = 0; scale < SCALES; scale++) {
        decode_all(scale, accepted[scale]);
        for (unsigned i = 0; i < TIMES; i++)
            ck_assert_msg(accepted[scale][i] == (times[i].scales >> scale & 1),
                          "DateTime64(%u) %s \"%s\"", scale,
                          accepted[scale][i] ? "takes" : "refuses", times[i].text);
    }
    for (unsigned a = 0; a < TIMES; a++) {
        for (unsigned b = 0; b < TIMES; b++) {
            int proposed = scale_proposed(times[a].text, times[b].text);
            bool all = proposed < 0 || (accepted[proposed][a] && accepted[proposed][b]);
            ck_assert_msg(all, "DateTime64(%d) is proposed for \"%s\" and \"%s\"", proposed,
                          times[a].text, times[b].text);
            for (int scale = 3; scale <= 9 && proposed < 0; scale += 3)
                ck_assert_msg(!accepted[scale][a] || !accepted[scale][b],
                              "DateTime64(%d) is not proposed for \"%s\" and \"%s\"", scale,
                              times[a].text, times[b].text);
        }
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(schema_and_sink_agree),
    };
    return unit_main("schema_times", tests, PL_COUNT(tests));
}
