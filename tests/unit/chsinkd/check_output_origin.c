/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_output_origin.c - which rows of replayed dead letters ClickHouse has already: by the
 * message that they come from, however many of its rows are equal. With a server in this process
 * that answers as told, and a real one as for check_output.c.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/batch/whole.h"
#include "tests/unit/chsinkd/output_fixture.h"

static const struct output_range replayed = {
    .topic = "dead", .start = 100, .end = 110, .origin = true};

static int holds(struct batch *b, struct output_found *ret, struct pl_err *err)
{
    return clickhouse_output.holds(output, target, &replayed, b, ret, err);
}

/* ---- letters ---- */

static void on_reject_count(void *userdata, const struct rows_reject *reject)
{
    uint64_t *elements = userdata;
    *elements = reject->row < 0 ? WHOLE_UNKNOWN : *elements + 1;
}

/* The message at `offset` of the batch, which says that it is `m`, but for its value; of the
 * elements `only`, NULL: all. */
static void letter_add(struct fixture *f, struct batch *b, int64_t offset, struct rows_message m,
                       const char *only, const char *value)
{
    struct row_set set = {0};
    uint64_t elements = 0;
    unsigned rejects = f->rejects;
    m.timestamp_ms = 1000;
    m.value = value;
    m.value_len = strlen(value);
    ck_assert(!only || row_set_parse(&set, only, strlen(only)));
    uint64_t rows = rows_decode(f->rows, &m, &set, b->block, on_reject, f);
    batch_message_add(b, offset, rows == 0 && f->rejects > rejects ? BATCH_DEAD : BATCH_ROWS);
    if (rows == 0 || !only) {
        row_set_release(&set);
        return;
    }
    if (!b->whole.block)
        b->whole.block = block_new(f->route);
    rows = rows_decode(f->rows, &m, NULL, b->whole.block, on_reject_count, &elements);
    whole_add(&b->whole, offset, &set, &(struct row_set){0},
              elements == WHOLE_UNKNOWN ? elements : elements + rows);
}

/* ---- the elements that are no letter's ---- */

START_TEST(elements_of_no_letter)
{
    static const struct {
        uint64_t elements;
        const char *letters[3];
        uint64_t others;
        const char *skipped;
    } cases[] = {
        {5, {"1"}, 4, NULL},
        {5, {"0-4"}, 0, NULL},
        {5, {"0", "4"}, 3, NULL},
        {5, {"1-3", "2-3", "3"}, 2, NULL},
        {10, {"7", "1-2", "2-5"}, 4, NULL},
        /* As of a header that another has written. */
        {3, {"2-9"}, 2, NULL},
        {3, {"5", "7-9223372036854775807"}, 3, NULL},
        /* What the filter does not take is no row of the table either. */
        {10, {"9"}, 1, "0-7"},
        {10, {"3", "8-9"}, 2, "1-3,5-7,9"},
        {WHOLE_UNKNOWN, {"1", "2"}, WHOLE_UNKNOWN, NULL},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct whole_message letters[3] = {0};
        const struct whole_message *of[3];
        size_t n = 0;
        for (; n < 3 && cases[i].letters[n]; n++) {
            const char *text = cases[i].letters[n];
            ck_assert(row_set_parse(&letters[n].only, text, strlen(text)));
            text = cases[i].skipped;
            ck_assert(!text || row_set_parse(&letters[n].skipped, text, strlen(text)));
            letters[n].elements = cases[i].elements;
            of[n] = &letters[n];
        }
        ck_assert_msg(whole_others(of, n) == cases[i].others, "case %zu", i);
        for (size_t k = 0; k < 3; k++) {
            row_set_release(&letters[k].only);
            row_set_release(&letters[k].skipped);
        }
    }
}
END_TEST

/* They go with their letter when the batch is halved. */
START_TEST(halves)
{
    FIXTURE f = fixture_new("rows: $.r[*]\ncolumns:\n  - {name: a, path: '@.a', type: Int32}\n");
    PL_CLEANUP(batch_freep) struct batch *b = batch_begin(&f, 0);
    const struct rows_message m = {.topic = TOPIC};
    letter_add(&f, b, 0, m, "1", "{\"r\":[{\"a\":0},{\"a\":1},{\"a\":2}]}");
    letter_add(&f, b, 1, m, NULL, "{\"r\":[{\"a\":3}]}");
    letter_add(&f, b, 2, m, "0", "{\"r\":[{},{\"a\":5}]}");
    letter_add(&f, b, 3, m, "0", "{\"r\":[{\"a\":6},{},{\"a\":7}]}");
    letter_add(&f, b, 5, m, "1", "{\"r\":[{\"a\":8},{\"a\":9}]}");
    const struct batch_limits limits = {100, whole_bytes(&b->whole), 100};
    ck_assert(batch_is_full(b, &limits));
    PL_CLEANUP(batch_freep) struct batch *second = batch_split(b, block_new(f.route));
    ck_assert_uint_eq(b->whole.messages_n, 1);
    ck_assert_uint_eq(second->whole.messages_n, 2);
    ck_assert_ptr_null(whole_find(&b->whole, 1));
    ck_assert_ptr_null(whole_find(&second->whole, 2)); /* nothing of it fits */
    ck_assert_uint_eq(whole_find(&b->whole, 0)->rows, 3);
    const struct whole_message *w = whole_find(&second->whole, 3);
    ck_assert(w->elements == 3 && w->rows == 2 && w->only.n == 1);
    ck_assert_int_eq(whole_find(&second->whole, 5)->only.ranges[0].first, 1);
    PL_CLEANUP(pl_buf_release) struct pl_buf rows = {0};
    for (unsigned i = 0; i < 7; i++)
        block_print_row(i < 3 ? b->whole.block : second->whole.block, i < 3 ? i : i - 3, &rows);
    ck_assert_str_eq(pl_buf_cstr(&rows),
                     "{\"a\":0}{\"a\":1}{\"a\":2}{\"a\":6}{\"a\":7}{\"a\":8}{\"a\":9}");
}
END_TEST

/* ---- matching ---- */

/* A letter's rows, those of the letters after it, their messages, and the table's; each a
 * character. */
START_TEST(rows_letters)
{
    static const struct {
        const char *ours, *letters, *whole, *whole_letters, *theirs;
        uint64_t there_max;
        const char *there;
    } cases[] = {
        {"", "", "", "", "", 0, ""},
        {"ab", "01", "", "", "", 9, ".."},
        {"ab", "01", "", "", "b", 9, ".x"},
        /* The table's other rows of the message stand for none of ours. */
        {"ab", "00", "", "", "cde", 9, ".."},
        {"ab", "01", "", "", "acde", 9, "x."},
        {"ab", "00", "", "", "aaa", 9, "x."},
        /* Equal rows of one letter are as many rows. */
        {"aaa", "000", "", "", "", 9, "..."},
        {"aaa", "000", "", "", "a", 9, "..x"},
        {"aaa", "000", "", "", "aaaa", 9, "xxx"},
        /* A letter and its successor have the same rows. */
        {"aba", "001", "", "", "", 9, "..x"},
        {"aaa", "001", "", "", "", 9, "..x"},
        {"aaa", "011", "", "", "", 9, "..x"},
        {"aaa", "012", "", "", "", 9, ".xx"},
        {"aaa", "011", "", "", "a", 9, ".xx"},
        {"aba", "001", "", "", "a", 9, "x.x"},
        /* Rows of the message that are equal to ours, and no letter's. */
        {"a", "0", "aa", "00", "", 0, "."},
        {"a", "0", "aa", "00", "a", 0, "."},
        {"a", "0", "aa", "00", "aa", 1, "x"},
        {"aa", "00", "aabaa", "00000", "baa", 0, ".."},
        {"aa", "00", "aabaa", "00000", "baaa", 1, ".x"},
        {"aa", "00", "aabaa", "00000", "baaaa", 2, "xx"},
        /* The same, with a successor: the message is there for both. */
        {"aba", "001", "abcaabca", "00001111", "ca", 0, "..x"},
        {"aba", "001", "abcaabca", "00001111", "caa", 1, "x.x"},
        /* Two letters of different elements, as the version before wrote them. */
        {"aa", "01", "aabaab", "000111", "b", 0, ".."},
        {"aa", "01", "aabaab", "000111", "ba", 1, ".x"},
        /* The table's `a` is what another version of the route has made of an element that is `c`
         * now: it is not ours, of which none can be there. */
        {"a", "0", "ac", "00", "a", 0, "."},
        {"ab", "00", "abc", "000", "ab", 1, "x."},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_slice ours[4], whole[8], theirs[8];
        size_t of[4], whole_of[8];
        size_t n = strlen(cases[i].ours), w = strlen(cases[i].whole), m = strlen(cases[i].theirs);
        bool there[4];
        for (size_t k = 0; k < n; k++) {
            ours[k] = (struct pl_slice){cases[i].ours + k, 1};
            of[k] = (size_t)(cases[i].letters[k] - '0');
        }
        for (size_t k = 0; k < w; k++) {
            whole[k] = (struct pl_slice){cases[i].whole + k, 1};
            whole_of[k] = (size_t)(cases[i].whole_letters[k] - '0');
        }
        for (size_t k = 0; k < m; k++)
            theirs[k] = (struct pl_slice){cases[i].theirs + k, 1};
        rows_match_letters(&(struct letter_rows){ours, of, n},
                           &(struct letter_rows){whole, whole_of, w}, theirs, m, cases[i].there_max,
                           there);
        for (size_t k = 0; k < n; k++)
            ck_assert_msg(there[k] == (cases[i].there[k] == 'x'), "case %zu row %zu", i, k);
    }
}
END_TEST

/* ---- a server that answers as told ---- */

#define T "\"t\":\"2026-01-05T00:00:00Z\""

/* Letters of two topics and three partitions, not in their order; the last one is what was left of
 * the first. 6 rows. */
#define ROWS_LETTERS 6
static struct batch *batch_of_letters(struct fixture *f)
{
    struct batch *b = batch_begin(f, 100);
    const struct rows_message first = {.topic = TOPIC, .partition = 3, .offset = 18};
    letter_add(f, b, 100, first, NULL, "{\"r\":[{" T ",\"s\":\"a\"},{" T ",\"s\":\"b\"}]}");
    letter_add(f, b, 101, (struct rows_message){.topic = "other", .partition = 3, .offset = 18},
               NULL, "{\"r\":[{" T ",\"s\":\"a\"}]}");
    letter_add(f, b, 102, first, NULL, "not JSON");
    letter_add(f, b, 103, (struct rows_message){.topic = TOPIC, .partition = 3, .offset = 4}, NULL,
               "{\"r\":[{" T ",\"s\":\"a\"}]}");
    letter_add(f, b, 104, (struct rows_message){.topic = TOPIC, .partition = 1, .offset = 18}, NULL,
               "{\"r\":[{" T ",\"s\":\"a\"}]}");
    letter_add(f, b, 105, first, NULL, "{\"r\":[{" T ",\"s\":\"b\"}]}");
    ck_assert_uint_eq(block_rows(b->block), ROWS_LETTERS);
    return b;
}

#define WHERE_LETTERS                                                                              \
    "CAST(`count()` AS UInt64) FROM `da ta`.`t` WHERE (`_topic` = 'it\\'s' AND `_partition` = 1 "  \
    "AND `count()` IN (18)) OR (`_topic` = 'it\\'s' AND `_partition` = 3 AND `count()` IN "        \
    "(4,18)) OR (`_topic` = 'other' AND `_partition` = 3 AND `count()` IN (18)) SETTINGS final = " \
    "0, limit = 0,"

/* Only the rows that are there by value are taken out, and the second of two letters of a row. */
START_TEST(letters_by_origin)
{
    FIXTURE f = fixture_new(COLUMNS);
    BAG bag = {0};
    PL_CLEANUP(batch_freep) struct batch *whole = batch_of_letters(&f);
    PL_CLEANUP(batch_freep) struct batch *others = batch_of_two_months(&f);
    PL_CLEANUP(pl_buf_release) struct pl_buf mixed = {0};
    bag_fill(&bag, others->block); /* message 18 has two other rows there */
    pl_buf_add(&mixed, bag.rows[8].p, bag.rows[8].len);
    bag_release(&bag);
    bag = (struct bag){0};
    bag_fill(&bag, whole->block);
    pl_buf_add(&mixed, bag.rows[4].p, bag.rows[4].len); /* partition 1 */
    pl_buf_add(&mixed, bag.rows[0].p, bag.rows[0].len);
    const struct {
        const char *engine, *answer;
        size_t len;
        uint64_t left;
        bool some, all;
    } cases[] = {
        {"MergeTree\n", "", 0, 5, true, false},
        {"MergeTree\n", mixed.data, mixed.len, 3, true, false},
        {"MergeTree\n", bag.bytes.data, bag.bytes.len, 0, true, true},
        {"ReplacingMergeTree\n", mixed.data, mixed.len, 6, true, false},
        {"ReplacingMergeTree\n", bag.bytes.data, bag.bytes.len, 0, true, true},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_CLEANUP(batch_freep) struct batch *b = batch_of_letters(&f);
        const struct script steps[] = {{"SELECT engine", 0, cases[i].engine, 0},
                                       {WHERE_LETTERS, 0, cases[i].answer, cases[i].len}};
        struct output_found found;
        struct pl_err err;
        script_start(&f, steps, 2);
        ck_assert_msg(holds(b, &found, &err) == 0, "%s", err.msg);
        ck_assert_msg(found.some == cases[i].some && found.all == cases[i].all, "case %zu", i);
        ck_assert_uint_eq(block_rows(b->block), cases[i].left);
        script_end(2);
    }
    /* Not whole: the batch stays as it is. */
    const struct script cut[] = {ENGINE, {WHERE_LETTERS, 0, mixed.data, mixed.len - 1}};
    PL_CLEANUP(batch_freep) struct batch *same = batch_of_letters(&f);
    struct output_found found;
    struct pl_err err;
    script_start(&f, cut, 2);
    ck_assert_int_eq(holds(same, &found, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_uint_eq(block_rows(same->block), ROWS_LETTERS);
    script_end(2);
    PL_CLEANUP(batch_freep) struct batch *empty = batch_begin(&f, 100);
    script_start(&f, NULL, 0);
    message_add(&f, empty, 100, "not JSON");
    ck_assert_int_eq(holds(empty, &found, &err), 0);
    ck_assert(!found.some && found.all);
    script_end(0);
}
END_TEST

#define TOO_LONG                                                                                   \
    {                                                                                              \
        " SETTINGS ", 396, "Code: 396. DB::Exception: too many rows (TOO_MANY_ROWS_OR_BYTES)", 0   \
    }

/* What the server cannot answer at once it is asked in parts, down to one message. */
START_TEST(letters_in_parts)
{
    FIXTURE f = fixture_new(COLUMNS);
    PL_CLEANUP(batch_freep) struct batch *b = batch_begin(&f, 0);
    for (int i = 0; i < 600; i++)
        message_add(&f, b, i, "{\"r\":[{" T "}]}");
    const struct script halved[] = {ENGINE,
                                    TOO_LONG,
                                    TOO_LONG,
                                    {",254,255)) SETTINGS", 0, "", 0},
                                    {" IN (256,257", 0, "", 0},
                                    {" IN (512,513", 0, "", 0}};
    struct output_found found;
    struct pl_err err;
    script_start(&f, halved, 6);
    ck_assert_msg(holds(b, &found, &err) == 0, "%s", err.msg);
    ck_assert(!found.some && !found.all);
    script_end(6);
}
END_TEST

/* ---- a real server ---- */

static void insert(const struct batch *b, const char *token)
{
    struct pl_err err;
    ck_assert_msg(clickhouse_output.insert(output, target, &replayed, b, token, &err) ==
                      OUTPUT_DONE,
                  "%s", err.msg);
}

/* A replay of letters that an earlier one has brought, beside the other rows of their messages; in
 * more queries than one. */
START_TEST(real_letters)
{
    enum { N = 3000 };
    FIXTURE f = fixture_new(COLUMNS);
    struct output_found found;
    struct pl_err err;
    output_set_up(&f);
    ensure();
    for (int round = 0; round < 4; round++) {
        PL_CLEANUP(batch_freep) struct batch *b = batch_begin(&f, 0);
        for (int i = 0; i < N; i++) {
            PL_FREE char *value =
                pl_strf("{\"r\":[{" T ",\"s\":\"%s\"}]}", round == 0 ? "fits" : "mended");
            struct rows_message m = {
                .topic = i % 2 ? TOPIC : "other", .partition = i % 7, .offset = N - i};
            if (round != 1 || i % 3 == 0)
                letter_add(&f, b, i, m, NULL, value);
        }
        if (round > 0) {
            ck_assert_msg(holds(b, &found, &err) == 0, "%s", err.msg);
            ck_assert_msg(found.some == (round > 1) && found.all == (round > 2), "%d", round);
        }
        if (block_rows(b->block) > 0)
            insert(b, (const char *[]){"zero", "one", "two", "three"}[round]);
    }
    real_is("SELECT s, count(), uniqExact(_topic, _partition, `count()`) FROM t GROUP BY s ORDER "
            "BY s FORMAT TSV",
            "fits\t3000\t3000\nmended\t3000\t3000\n");
    output_tear_down();
}
END_TEST

/* Messages of which two elements of four were refused; one is mended by the first replay, and both
 * by the second: that one is equal to those that fitted then. What the service has inserted, what a
 * replay has, and all again without offsets, with what the first replay has left in one batch and
 * alone. */
START_TEST(real_equal_rows)
{
    enum { N = 200 };
#define ELEMENT "{" T ",\"s\":\"same\"}"
    static const char broken[] =
        "{\"r\":[" ELEMENT ",{" T ",\"b\":%s}," ELEMENT ",{" T ",\"b\":%s}]}";
    FIXTURE f = fixture_new(COLUMNS);
    struct output_found found;
    struct pl_err err;
    output_set_up(&f);
    ensure();
    for (int round = 0; round < 5; round++) {
        PL_CLEANUP(batch_freep) struct batch *b = batch_begin(&f, 0);
        const char *first = round >= 1 ? "false,\"s\":\"first\"" : "7";
        const char *second = round >= 2 ? "false,\"s\":\"same\"" : "7";
        PL_FREE char *value = pl_strf(broken, first, second);
        for (int i = 0; i < N; i++) {
            struct rows_message m = {.topic = TOPIC, .partition = 3, .offset = i};
            if (round == 0)
                letter_add(&f, b, i, m, NULL, value);
            else if (round < 4)
                letter_add(&f, b, i, m, "1,3", value);
        }
        for (int i = 0; i < N; i++) { /* what the first replay has left */
            struct rows_message m = {.topic = TOPIC, .partition = 3, .offset = i};
            if (round >= 2)
                letter_add(&f, b, N + i, m, "3", value);
        }
        if (round > 0)
            ck_assert_msg(holds(b, &found, &err) == 0, "%s", err.msg);
        /* 2 fit at once, 1 is mended, then another. */
        const uint64_t left[] = {2 * N, N, N, 0, 0};
        ck_assert_msg(block_rows(b->block) == left[round], "round %d: %llu", round,
                      (unsigned long long)block_rows(b->block));
        ck_assert(round == 0 || found.all == (round > 2));
        if (left[round] > 0)
            insert(b, (const char *[]){"zero", "one", "two"}[round]);
    }
    real_is("SELECT s, count(), uniqExact(tuple(*)) FROM t GROUP BY s ORDER BY s FORMAT TSV",
            "first\t200\t200\nsame\t600\t200\n");
    output_tear_down();
}
END_TEST

/* Another version of the route has made one of the message's other rows what ours is now: the
 * letter's is inserted. A second time it cannot be told apart, and is not lost. */
START_TEST(real_other_route)
{
    FIXTURE old = fixture_new("rows: $.r[*]\npartition_by: tuple()\ncolumns:\n"
                              "  - {name: s, path: '@.s', type: String}\n"
                              "  - {name: _topic, from: topic, type: String}\n"
                              "  - {name: _partition, from: partition, type: Int32}\n"
                              "  - {name: _offset, from: offset, type: Int64}\n");
    FIXTURE mended = fixture_new("rows: $.r[*]\npartition_by: tuple()\ncolumns:\n"
                                 "  - {name: s, path: '@.n', type: String}\n"
                                 "  - {name: _topic, from: topic, type: String}\n"
                                 "  - {name: _partition, from: partition, type: Int32}\n"
                                 "  - {name: _offset, from: offset, type: Int64}\n");
    const struct rows_message m = {.topic = TOPIC, .partition = 3, .offset = 18};
    static const char value[] = "{\"r\":[{\"s\":\"x\",\"n\":\"y\"},{\"n\":\"x\"}]}";
    struct output_found found;
    struct pl_err err;
    output_set_up(&old);
    ensure();
    PL_CLEANUP(batch_freep) struct batch *first = batch_begin(&old, 0);
    letter_add(&old, first, 0, m, "0", value);
    insert(first, "zero");
    output_tear_down();
    output_set_up(&mended);
    PL_CLEANUP(batch_freep) struct batch *b = batch_begin(&mended, 0);
    letter_add(&mended, b, 0, m, "1", value);
    ck_assert_msg(holds(b, &found, &err) == 0, "%s", err.msg);
    ck_assert(!found.some && !found.all);
    insert(b, "one");
    real_is("SELECT s, count() FROM t GROUP BY s FORMAT TSV", "x\t2\n");
    ck_assert_msg(holds(b, &found, &err) == 0, "%s", err.msg);
    ck_assert(found.all);
    output_tear_down();
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("letters"),
        TEST(elements_of_no_letter),
        TEST(halves),
        TEST(rows_letters),
        TCASE("answers"),
        TEST(letters_by_origin),
        TEST(letters_in_parts),
        TCASE("real server", .skip = getenv("CLICKHOUSE") ? NULL : "CLICKHOUSE is not set",
              .set_up = real_set_up, .tear_down = real_tear_down),
        TEST(real_letters),
        TEST(real_equal_rows),
        TEST(real_other_route),
    };
    return unit_main("output_origin", tests, PL_COUNT(tests));
}
