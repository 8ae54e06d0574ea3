/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_begin.c - where a partition is read from: a case for each line of the table in begin.h, and
 * what must hold in all combinations of small facts.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/sink/protocol/begin.h"
#include "tests/unit/unit.h"

/* What is not said is as usual: nothing committed, an empty table, offsets 10 to 20, all known. */
static const struct {
    const char *facts, *want;
} cases[] = {
    {"blurred offset 15", "wait"},
    {"blurred", "wait"},
    {"offset 15", "continue 15"},
    {"offset 10", "continue 10"},
    {"offset 20", "continue 20"},
    {"offset 15 latest new existed", "continue 15"},
    /* retention took some, all, a part of an announced range, the whole of it */
    {"offset 7", "low 10 lost 3"},
    {"offset 7 low 20", "low 20 lost 13"},
    {"offset 7 announced 12", "low 10 lost 3 doubt 12"},
    {"offset 7 announced 9", "low 10 lost 3"},
    {"offset 12 announced 18", "continue 12"},
    /* beyond the end: a new leader's, or the topic was made again */
    {"offset 21", "wait"},
    {"offset 21 beyond 9999", "wait"},
    {"offset 21 beyond 10000", "stop beyond"},
    {"offset 5 low 0 high 0 beyond 10000", "stop beyond"},
    /* against what we have committed */
    {"offset 15 committed 12", "continue 15"},
    {"offset 15 committed 15", "continue 15"},
    {"offset 15 committed 16", "stop back"},
    {"low 0 high 30 committed 5", "stop again"},
    {"low 0 high 30 committed 5 silent", "stop again"},
    /* the place that the table's rows gave, before they were compared */
    {"offset 15 unproved", "continue 15"},
    {"offset 15 unproved if-lost-stop", "continue 15"},
    {"offset 15 unproved if-lost-start", "low 10"},
    {"offset 15 unproved if-lost-start committed 16", "low 10"},
    {"offset 7 announced 12 unproved if-lost-start latest new existed", "low 10"},
    {"offset 21 unproved if-lost-start", "low 10"},
    {"offset 15 if-lost-start", "continue 15"},
    /* no offset */
    {"silent", "wait"},
    {"new existed", "low 10"},
    {"latest new existed", "high 20"},
    {"latest new", "low 10"},
    {"latest existed", "low 10"},
    {"no-columns", "low 10 blind"},
    {"no-columns latest new existed", "high 20"},
    {"table 15", "table 15"},
    {"table 15 latest new existed", "table 15"},
    {"table 15 batch 3", "table 12 doubt 15"},
    {"table 15 batch 300", "table 10 doubt 15"},
    {"table 10 batch 3", "table 10"},
    {"table 0 low 0 batch 3", "table 0"},
    {"table 20", "table 20"},
    {"table 8 batch 3", "low 10 lost 2"},
    {"table 21", "wait"},
    {"table 21 beyond 10000", "stop table"},
    {"table 15 if-lost-stop", "stop lost"},
    {"if-lost-stop", "low 10"},
    {"table 15 if-lost-start", "low 10"},
    {"table 15 if-lost-start latest new existed", "high 20"},
    /* the output keeps a position */
    {"kept 15 offset 15", "continue 15"},
    {"kept 15 offset 12", "continue 12"},
    {"kept 12 offset 15", "continue 12"},
    {"kept 15 offset 7", "low 10"},
    {"kept 8 offset 15", "low 10 lost 2"},
    {"kept 8 offset 7", "low 10 lost 2"},
    {"kept 15 batch 3", "continue 12"},
    {"kept 15 batch 300", "low 10"},
    {"kept 15 batch 3 latest new existed if-lost-start", "continue 12"},
    {"kept 20 offset 20", "continue 20"},
    {"kept 15 batch 3 if-lost-stop", "stop lost"},
    {"kept 15 offset 15 if-lost-stop", "continue 15"},
    {"kept 21 offset 15", "wait"},
    {"kept 21 offset 15 beyond 10000", "stop table"},
    {"kept 15 offset 12 committed 13", "stop back"},
    {"kept 15 committed 13", "stop again"},
    {"kept 15 blurred", "wait"},
    {"kept 0 offset 15", "continue 15"},
    /* a replay: the table has no place in the topic */
    {"by-row", "low 10 doubt 20"},
    {"by-row table 15 if-lost-stop", "low 10 doubt 20"},
    {"by-row low 20", "low 20"},
    {"by-row offset 15", "continue 15"},
    {"by-row committed 12", "stop again"},
};

static struct begin_facts facts_of(const char *text)
{
    struct begin_facts f = {.offset = -1,
                            .announced = -1,
                            .committed = -1,
                            .watermarks = true,
                            .low = 10,
                            .high = 20,
                            .table = BEGIN_TABLE_ASKED,
                            .table_next = -1};
    const struct {
        const char *name;
        int64_t *number;
    } numbers[] = {
        {"offset", &f.offset},    {"announced", &f.announced}, {"committed", &f.committed},
        {"low", &f.low},          {"high", &f.high},           {"beyond", &f.beyond_ms},
        {"table", &f.table_next}, {"batch", &f.batch_max},     {"kept", &f.position}};
    PL_FREE char *copy = pl_strdup(text);
    char *rest = copy, *word;
    while ((word = strsep(&rest, " "))) {
        int64_t *number = NULL;
        for (unsigned i = 0; i < PL_COUNT(numbers); i++)
            if (strcmp(word, numbers[i].name) == 0)
                number = numbers[i].number;
        if (number)
            *number = strtoll(strsep(&rest, " "), NULL, 10);
        else if (strcmp(word, "blurred") == 0)
            f.watermarks = false;
        else if (strcmp(word, "silent") == 0)
            f.table = BEGIN_TABLE_UNKNOWN;
        else if (strcmp(word, "no-columns") == 0)
            f.table = BEGIN_TABLE_BLIND;
        else if (strcmp(word, "by-row") == 0)
            f.table = BEGIN_TABLE_BY_ROW;
        else if (strcmp(word, "latest") == 0)
            f.start = CHSINKD_LATEST;
        else if (strcmp(word, "new") == 0)
            f.topic_new = true;
        else if (strcmp(word, "existed") == 0)
            f.existed = true;
        else if (strcmp(word, "unproved") == 0)
            f.unproved = true;
        else if (strcmp(word, "if-lost-stop") == 0)
            f.offsets_lost = CHSINKD_LOST_STOP;
        else if (strcmp(word, "if-lost-start") == 0)
            f.offsets_lost = CHSINKD_LOST_START;
        else
            ck_abort_msg("'%s'", word);
    }
    return f;
}

static void number_say(struct pl_buf *out, const char *name, int64_t n)
{
    if (n != 0)
        pl_buf_addf(out, " %s %lld", name, (long long)n);
}

static const char *begin_say(const struct begin *b, struct pl_buf *out)
{
    static const char *const answers[] = {
        [BEGIN_CONTINUE] = "continue", [BEGIN_FROM_LOW] = "low", [BEGIN_AT_HIGH] = "high",
        [BEGIN_AT_TABLE] = "table",    [BEGIN_WAIT] = "wait",    [BEGIN_STOP] = "stop"};
    static const char *const whys[] = {[BEGIN_NONE] = "",
                                       [BEGIN_BEYOND] = " beyond",
                                       [BEGIN_WENT_BACK] = " back",
                                       [BEGIN_MADE_AGAIN] = " again",
                                       [BEGIN_TABLE_BEYOND] = " table",
                                       [BEGIN_OFFSET_LOST] = " lost",
                                       [BEGIN_OTHER_ROWS] = " other"};
    pl_buf_reset(out);
    pl_buf_addf(out, "%s%s", answers[b->answer], whys[b->why]);
    if (b->answer != BEGIN_WAIT && b->answer != BEGIN_STOP)
        pl_buf_addf(out, " %lld", (long long)b->offset);
    number_say(out, "lost", b->lost);
    number_say(out, "doubt", b->in_doubt);
    pl_buf_add_str(out, b->blind ? " blind" : "");
    return pl_buf_cstr(out);
}

START_TEST(each_line)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf said = {0};
    struct begin_facts f = facts_of(cases[_i].facts);
    struct begin b = begin_decide(&f);
    ck_assert_msg(strcmp(begin_say(&b, &said), cases[_i].want) == 0, "%s: %s", cases[_i].facts,
                  pl_buf_cstr(&said));
}
END_TEST

/* (A ck_assert() that holds costs a write to a pipe, and there are millions.) */
#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s: offset %d announced %d committed %d low %d high %d table %d",        \
                         #condition, (int)f->offset, (int)f->announced, (int)f->committed,         \
                         (int)f->low, (int)f->high, (int)f->table_next);                           \
    } while (0)

static void facts_check(const struct begin_facts *f)
{
    struct begin b = begin_decide(f);
    bool placed = b.answer != BEGIN_WAIT && b.answer != BEGIN_STOP;
    HOLDS((b.answer == BEGIN_STOP) == (b.why != BEGIN_NONE) && b.why != BEGIN_OTHER_ROWS);
    if (!placed) {
        HOLDS(b.offset == 0 && b.lost == 0 && b.in_doubt == 0);
        return;
    }
    /* Nothing that is not known is used. */
    HOLDS(f->watermarks && (f->offset >= 0 || f->table != BEGIN_TABLE_UNKNOWN));
    /* Where there is something, and not before what is known to be loaded, but for what is in doubt
     * and will be looked up. */
    HOLDS(b.offset >= f->low && b.offset <= f->high);
    if (begin_is_anew(f)) {
        HOLDS(f->unproved && f->offset >= 0 && f->offsets_lost == CHSINKD_LOST_START);
        HOLDS(b.offset == f->low && b.lost == 0 && b.in_doubt == 0);
        return;
    }
    HOLDS(b.offset >= f->offset && b.offset >= f->committed);
    HOLDS(f->offset >= 0 || f->committed < 0);
    bool by_table = f->offset < 0 && f->table == BEGIN_TABLE_ASKED && f->table_next >= 0 &&
                    f->offsets_lost == CHSINKD_LOST_TABLE;
    int64_t known = by_table ? f->table_next : f->offset;
    if (by_table && b.offset < known)
        HOLDS(b.in_doubt == known && known - b.offset <= f->batch_max);
    if (f->offset < 0 && f->table == BEGIN_TABLE_BY_ROW)
        HOLDS(b.offset == f->low && b.in_doubt == (f->high > f->low ? f->high : 0));
    /* What is skipped behind a known place is reported. */
    HOLDS(b.lost == (known >= 0 && b.offset > known ? b.offset - known : 0));
    /* Only `latest` leaves out what was never read, once. */
    bool latest = f->start == CHSINKD_LATEST && f->topic_new && f->existed;
    HOLDS(known >= 0 || b.offset == f->low || (latest && b.offset == f->high));
}

static struct begin_facts facts_number(unsigned i)
{
    static const int64_t offsets[] = {-1, 0, 1, 2, 3};
    const unsigned ranges[] = {5, 5, 5, 5, 4, 4, 4, 2, 2, 2, 3, 2, 2, 2, 2};
    unsigned v[PL_COUNT(ranges)];
    for (unsigned k = 0; k < PL_COUNT(ranges); k++, i /= ranges[k - 1])
        v[k] = i % ranges[k];
    return (struct begin_facts){
        .offset = offsets[v[0]],
        .announced = offsets[v[1]],
        .committed = offsets[v[2]],
        .table_next = offsets[v[3]],
        .low = v[4],
        .high = v[5],
        .table = (enum begin_table)v[6],
        .watermarks = v[7],
        .topic_new = v[8],
        .existed = v[9],
        .offsets_lost = (enum chsinkd_offsets_lost)v[10],
        .start = v[11] ? CHSINKD_LATEST : CHSINKD_EARLIEST,
        .beyond_ms = v[12] ? BEGIN_CONFIRM_MS : 0,
        .batch_max = v[13] * 2,
        .unproved = v[14],
    };
}

START_TEST(all_facts)
{
    const unsigned all = 625 * 16 * 4 * 8 * 3 * 16;
    unsigned n = 0;
    for (unsigned i = 0; i < all; i++) {
        struct begin_facts f = facts_number(i);
        if (f.low <= f.high) {
            facts_check(&f);
            n++;
        }
    }
    ck_assert_uint_eq(n, all / 16 * 10);
}
END_TEST

START_TEST(texts)
{
    char topic[250];
    memset(topic, 't', sizeof(topic) - 1);
    topic[sizeof(topic) - 1] = '\0';
    const int64_t big = INT64_C(1000000000000);
    const struct begin_facts f = {
        .offset = big + 7, .committed = big + 9, .high = big, .table_next = big + 5};
    static const char *const parts[] = {
        [BEGIN_BEYOND] = "group's offset 1000000000007 is beyond the end, 1000000000000: ",
        [BEGIN_WENT_BACK] = "went back from 1000000000009 to 1000000000007 ",
        [BEGIN_MADE_AGAIN] = "the group's offset, 1000000000009, is gone: ",
        [BEGIN_TABLE_BEYOND] = "rows up to offset 1000000000004, beyond the end, 1000000000000: ",
        [BEGIN_OFFSET_LOST] = "rows up to 1000000000004. Set the offset to 1000000000005 with ",
        [BEGIN_OTHER_ROWS] = "the table's rows at offset 1000000000007 are of other messages: "};
    for (unsigned why = BEGIN_BEYOND; why < PL_COUNT(parts); why++) {
        struct pl_err err;
        ck_assert_int_eq(begin_err(&f, (enum begin_why)why, topic, 9999, &err), -1);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_int_eq(err.code, 0);
        ck_assert_ptr_nonnull(strstr(err.msg, parts[why]));
        ck_assert_ptr_nonnull(strstr(err.msg, "ttt, partition 9999: "));
        ck_assert_msg(strlen(err.msg) < sizeof(err.msg) - 1 && !strstr(err.msg, "..."), "cut: %s",
                      err.msg);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(each_line, .count = PL_COUNT(cases)),
        TEST(all_facts),
        TEST(texts),
    };
    return unit_main("begin", tests, PL_COUNT(tests));
}
