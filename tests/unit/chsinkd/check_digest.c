/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_digest.c - a route's digest: known values, what changes it and what does not.
 *
 * links: chsinkd
 */
#include <inttypes.h>

#include "daemons/chsinkd/route/digest.h"
#include "tests/unit/unit.h"

#define HEAD   "topic: t\ntable: d.x\nengine: MergeTree\norder_by: a\n"
#define LIMITS "message_bytes_max: 1MiB\nmessage_memory_max: 64MiB\ndepth_max: 64\n"
#define A      "  - {name: a, type: UInt64, path: $.a}\n"
#define B      "  - {name: b, type: Nullable(String), path: [$.b, $.c.d], json: true}\n"
#define T      "  - {name: t, type: DateTime64(3), path: $.t, unit: ms}\n"
#define ROUTE  HEAD LIMITS "columns:\n" A B T

static uint64_t digest_of(const char *text, const char *database, unsigned decoder)
{
    struct pl_findings errs;
    pl_findings_init(&errs);
    PL_CLEANUP(route_freep) struct route *r = route_parse("r", text, strlen(text), &errs);

    ck_assert_msg(r != NULL, "%s: %s", text, pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
    return route_digest(r, database, decoder);
}

/* An announcement in a group outlives the release that wrote it. */
START_TEST(known_values)
{
    uint64_t one = digest_of(HEAD LIMITS "columns:\n" A, "other", 1);
    uint64_t all = digest_of(ROUTE, NULL, 1);

    ck_assert_msg(one == UINT64_C(0x0603c07b5a78c835), "%016" PRIx64, one);
    ck_assert_msg(all == UINT64_C(0xa78873a7ee2bdbbb), "%016" PRIx64, all);
}
END_TEST

static const char *const same[] = {
    ROUTE,
    "topic_pattern: ^t.*\ntable: d.x\nengine: MergeTree\norder_by: a\n" LIMITS "columns:\n" A B T,
    "topic: t\ntable: d.x\nengine: \"Null\"\nttl: t\nsettings: {index_granularity: 1}\n" LIMITS
    "columns:\n" A B T,
    HEAD "columns:\n" A B T, /* the limits are the defaults */
    ROUTE "  - {name: e, type: UInt8, expression: a + 1}\n",
    HEAD "columns:\n  - {name: a, type: UInt64, path: $.a, codec: ZSTD, comment: x}\n" B T,
    HEAD "columns:\n  - {name: a, type: UInt64, path: $.\"a\", missing: reject}\n" B T,
    ROUTE "views:\n  - {name: v, engine: \"Null\", select: \"SELECT a FROM {table}\"}\n",
};

START_TEST(what_does_not_change_rows)
{
    ck_assert_uint_eq(digest_of(same[_i], NULL, 1), digest_of(ROUTE, NULL, 1));
}
END_TEST

START_TEST(what_changes_rows)
{
    static const char *const cases[] = {
        ROUTE,
        "topic: t\ntable: d.y\nengine: MergeTree\norder_by: a\n" LIMITS "columns:\n" A B T,
        "topic: t\ntable: c.x\nengine: MergeTree\norder_by: a\n" LIMITS "columns:\n" A B T,
        HEAD "message_bytes_max: 2MiB\ncolumns:\n" A B T,
        HEAD "depth_max: 63\ncolumns:\n" A B T,
        HEAD "message_memory_max: 1MiB\ncolumns:\n" A B T,
        HEAD "rows: $.r[*]\ncolumns:\n" A B T,
        HEAD "rows: $.r.s[*]\ncolumns:\n" A B T,
        HEAD "rows: $.r.s[*]\nrows_missing: none\ncolumns:\n" A B T,
        HEAD "tombstones: dead_letter\ncolumns:\n" A B T,
        HEAD "tombstones: row\ncolumns:\n" A B T,
        HEAD "documents: many\ncolumns:\n" A B T,
        HEAD "message: {strip: schema_registry}\ncolumns:\n" A B T,
        HEAD "when: $.a == 1\ncolumns:\n" A B T,
        HEAD "when: $.a == 2\ncolumns:\n" A B T,
        HEAD "rows: $[*]\ncolumns:\n  - {name: a, type: UInt64, path: '@.a'}\n",
        HEAD "rows: $\ncolumns:\n  - {name: a, type: UInt64, path: '@.a'}\n",
        HEAD "columns:\n" A T,
        HEAD "columns:\n" A B "  - {name: t, type: DateTime64(3), path: $.t, unit: d}\n",
        HEAD "columns:\n  - {name: a, type: UInt64, path: $.a, from_text: true}\n" B T,
        HEAD "columns:\n" B A T,
        ROUTE "  - {name: o, type: UInt64, from: offset}\n",
        ROUTE "  - {name: o, type: UInt64, from: partition}\n",
        ROUTE "  - {name: h, type: String, from: \"header:a\"}\n",
        ROUTE "  - {name: h, type: String, from: \"header:b\"}\n",
        HEAD "unknown_fields: keep\ncolumns:\n" A B T
             "  - {name: u, type: String, unknown: true}\n",
        HEAD "columns:\n  - {name: a, type: UInt32, path: $.a}\n" B T,
        HEAD "columns:\n  - {name: a, type: UInt64, path: $.z}\n" B T,
        HEAD "columns:\n  - {name: a, type: UInt64, path: $.a.b}\n" B T,
        HEAD "columns:\n  - {name: a, type: UInt64, path: $.\"a.b\"}\n" B T,
        HEAD "columns:\n  - {name: a, type: UInt64, path: $.a, missing: default}\n" B T,
        HEAD "columns:\n" A "  - {name: b, type: Nullable(String), path: [$.b, $.c.d]}\n" T,
        HEAD "columns:\n" A
             "  - {name: b, type: Nullable(String), path: [$.c.d, $.b], json: true}\n" T,
        HEAD "columns:\n" A "  - {name: b, type: Nullable(UInt8), path: $.b}\n" T,
        HEAD "columns:\n" A
             "  - {name: b, type: Nullable(UInt8), path: $.b, invalid: \"null\"}\n" T,
        HEAD "columns:\n" A B "  - {name: t, type: DateTime64(3), path: $.t}\n",
        HEAD "columns:\n" A B "  - {name: t, type: DateTime64(3), path: $.t, unit: s}\n",
        HEAD "columns:\n" A B
             "  - {name: t, type: \"DateTime64(3, 'UTC')\", path: $.t, unit: ms}\n",
        HEAD "columns:\n  - {name: a, type: UInt64, path: $.a, on_overflow: reject}\n" B T,
        HEAD "columns:\n  - {name: a, type: UInt64, path: $.a, on_overflow: clamp}\n" B T,
        HEAD "columns:\n" A B "  - {name: t, type: Bool, path: $.t}\n",
        HEAD "columns:\n" A B "  - {name: t, type: Bool, path: $.t, from_number: true}\n",
        HEAD "columns:\n" A B "  - {name: t, type: \"Decimal(9, 2)\", path: $.t}\n",
        HEAD "columns:\n" A B "  - {name: t, type: \"Decimal(9, 3)\", path: $.t}\n",
        HEAD "columns:\n" A B "  - {name: t, type: \"Enum8('a' = 1)\", path: $.t}\n",
        HEAD "columns:\n" A B "  - {name: t, type: \"Enum8('a' = 2)\", path: $.t}\n",
    };
    uint64_t seen[PL_COUNT(cases)];

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        seen[i] = digest_of(cases[i], NULL, 1);
        ck_assert_uint_ne(seen[i], 0);
        for (size_t k = 0; k < i; k++)
            ck_assert_msg(seen[i] != seen[k], "%zu and %zu", i, k);
    }
    ck_assert_uint_ne(digest_of(ROUTE, NULL, 2), seen[0]);
}
END_TEST

START_TEST(the_configured_database)
{
#define REST  "engine: MergeTree\norder_by: a\ncolumns:\n" A B T
#define PLAIN "topic: t\ntable: x\n" REST
    ck_assert_uint_eq(digest_of(PLAIN, "d", 1), digest_of(ROUTE, "other", 1));
    ck_assert_uint_ne(digest_of(PLAIN, "e", 1), digest_of(ROUTE, "e", 1));
}
END_TEST

/* Earlier releases wrote my.db.x into the token, where "my.db".x stands now: what they announced
 * must not be sent again by its token alone. */
START_TEST(a_name_with_a_dot)
{
    uint64_t before = UINT64_C(0x435f254865a7cf25);
    uint64_t now = digest_of(PLAIN, "my.db", 1);

    ck_assert_msg(now != before, "%016" PRIx64, now);
    ck_assert_uint_ne(digest_of("topic: t\ntable: '\"a.b\".c'\n" REST, NULL, 1),
                      digest_of("topic: t\ntable: 'a.\"b.c\"'\n" REST, NULL, 1));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(known_values),      TEST(what_does_not_change_rows, .count = PL_COUNT(same)),
        TEST(what_changes_rows), TEST(the_configured_database),
        TEST(a_name_with_a_dot),
    };
    return unit_main("digest", tests, PL_COUNT(tests));
}
