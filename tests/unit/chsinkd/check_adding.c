/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_adding.c - unknown_fields: add while a route is loaded: when the sink asks for a start of
 * its own, and when it never does. links: chsinkd
 */
#include "daemons/chsinkd/sink/adding.h"

#include "daemons/chsinkd/output/grow.h"
#include "tests/unit/capture.h"
#include "tests/unit/chsinkd/sink_run.h"

#define COMMENT "added by chsinkd: path $.n"

/* The table of TOPIC; with the fake's lock held, or when no sink runs. */
static struct {
    struct column_notes has;
    bool refuses;            /* a column, for want of a right */
    const char *other_first; /* another adds it meanwhile, with this type */
    unsigned asked, altered;
} table;

/* As ClickHouse does it: what is there is not added, and must be of the route's type. */
static int column_ensure(const struct column *c, struct pl_err *err)
{
    const struct column_note *has = column_notes_find(&table.has, c->name);
    if (!has && table.refuses)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "cannot add column %s: no right", c->name);
    if (!has && table.other_first)
        column_notes_add(&table.has, c->name, table.other_first, COMMENT);
    else if (!has)
        column_notes_add(&table.has, c->name, c->type.ddl, c->comment ? c->comment : "");
    has = column_notes_find(&table.has, c->name);
    table.altered++;
    return strcmp(has->type, c->type.ddl) == 0
               ? 0
               : pl_err_set(err, PL_ERR_CONFIG, 0, "column %s is %s", c->name, has->type);
}

static int table_ensure(struct output *o, const struct output_target *t,
                        const struct output_ensure *how, struct output_state *ret,
                        struct pl_err *err)
{
    int rc = fake_ensure(o, t, how, ret, err);
    ret->grows = true;
    pthread_mutex_lock(&fake.lock);
    for (unsigned i = 0; i < t->route->columns_n && rc == 0; i++)
        if (t->route->columns[i].added)
            rc = column_ensure(&t->route->columns[i], err);
    pthread_mutex_unlock(&fake.lock);
    return rc;
}

static int table_columns(struct output *o, const struct output_target *t, struct column_notes *ret,
                         struct pl_err *err)
{
    (void)o;
    (void)t;
    (void)err;
    pthread_mutex_lock(&fake.lock);
    table.asked++;
    for (unsigned i = 0; i < table.has.n; i++)
        column_notes_add(ret, table.has.v[i].name, table.has.v[i].type, table.has.v[i].comment);
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

static struct output_kind kind;

static void fields_set_up(void)
{
    static const char yaml[] = "topic: " TOPIC "\ntable: " TOPIC "\nunknown_fields: add\n"
                               "add: {after: 20}\ncolumns:\n"
                               "  - {name: _offset, type: Int64, from: offset}\n"
                               "order_by: _offset\n";
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    set_up();
    pl_findings_init(&errs);
    route_free(routes[0]);
    routes[0] = route_parse(TOPIC, yaml, strlen(yaml), &errs);
    ck_assert_msg(routes[0] != NULL, "%s", pl_buf_cstr(&errs.text));
    kind = fake_output;
    kind.ensure = table_ensure;
    kind.columns = table_columns;
    sink_output = &kind;
}

static void fields_tear_down(void)
{
    column_notes_release(&table.has);
    tear_down();
}

static bool asks_again(void)
{
    return sink.again;
}

static bool has_asked(void)
{
    pthread_mutex_lock(&fake.lock);
    bool asked = table.asked > 0;
    pthread_mutex_unlock(&fake.lock);
    return asked;
}

static bool quiet_ended;
static bool is_over(void)
{
    static int64_t end_ms;
    if (end_ms == 0)
        end_ms = pl_clock_monotonic_ms() + 3 * ADDING_JUDGE_MS;
    quiet_ended = pl_clock_monotonic_ms() >= end_ms;
    return quiet_ended;
}

/* {"n": 0}, {"n": 1} ... */
static void messages_send(rd_kafka_t *rk, int n)
{
    char text[64];
    for (int i = 0; i < n; i++, messages_wanted++) {
        int len = snprintf(text, sizeof(text), "{\"n\":%d}", i);
        ck_assert_int_eq(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(0),
                                           RD_KAFKA_V_VALUE(text, (size_t)len),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                           RD_KAFKA_V_END),
                         0);
    }
    ck_assert_int_eq(rd_kafka_flush(rk, WAIT_MS), 0);
}

/* Messages come all the time while it is waited for. */
static void until_sending(bool (*is_so)(void), const char *what)
{
    int64_t end_ms = pl_clock_monotonic_ms() + WAIT_MS;
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER);
    while (!is_so()) {
        ck_assert_msg(pl_clock_monotonic_ms() < end_ms, "in vain: %s", what);
        messages_send(rk, 50);
        poll(NULL, 0, 50);
    }
    rd_kafka_destroy(rk);
}

static void run(bool (*is_so)(void), const char *what, struct capture *said)
{
    capture_begin(said);
    sink_start(0);
    until_sending(is_so, what);
    until(all_is_accounted, "what has come is in the table");
    capture_end(said);
}

static void assert_each_once(void)
{
    for (uint64_t i = 0; i < messages_wanted; i++)
        ck_assert_uint_eq(fake_table(TOPIC)->rows[i], 1);
}

START_TEST(added)
{
    struct capture said;
    int64_t began_ms = pl_clock_monotonic_ms();
    run(asks_again, "the column is added", &said);
    ck_assert_int_ge(pl_clock_monotonic_ms() - began_ms, ADDING_AFTER_MS);
    sink_end(false);
    ck_assert_uint_eq(table.has.n, 1);
    ck_assert_str_eq(table.has.v[0].name, "n");
    ck_assert_str_eq(table.has.v[0].type, "Nullable(Int64)");
    ck_assert_str_eq(table.has.v[0].comment, COMMENT);
    ck_assert_uint_eq(metric(M_COLUMNS_ADDED), 1);
    ck_assert_ptr_nonnull(strstr(said.text, "a new field has got a column"));
    assert_each_once();
}
END_TEST

/* The next start takes it, and has nothing to add then. */
START_TEST(taken)
{
    struct capture said;
    struct pl_err err;
    unsigned n;
    column_notes_add(&table.has, "n", "Nullable(Int64)", COMMENT);
    ck_assert_done(output_take(&kind, NULL, NULL, routes[0], &n, &err), err);
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(routes[0]->columns_n, 2);
    run(is_over, "some time", &said);
    ck_assert(quiet_ended && !sink.again);
    sink_end(false);
    ck_assert_uint_eq(table.altered, 0);
    assert_each_once();
}
END_TEST

START_TEST(not_granted)
{
    struct capture said;
    table.refuses = true;
    run(has_asked, "it is tried", &said);
    capture_begin(&said);
    until_sending(is_over, "some time");
    until(all_is_accounted, "what has come is in the table");
    capture_end(&said);
    ck_assert(!sink.again);
    ck_assert_uint_eq(table.asked, 2); /* before and behind the one ALTER */
    sink_end(false);
    ck_assert_uint_eq(metric(M_COLUMNS_ADDED), 0);
    assert_each_once();
}
END_TEST

/* Its name is a column of somebody else's: nothing is altered, ever. */
START_TEST(of_somebody_else)
{
    struct capture said;
    column_notes_add(&table.has, "N", "Nullable(Int64)", "ours");
    run(is_over, "some time", &said);
    until_sending(has_asked, "it is looked at");
    ck_assert(!sink.again);
    sink_end(false);
    ck_assert_uint_eq(table.altered, 0);
    ck_assert_uint_eq(table.asked, 1);
    assert_each_once();
}
END_TEST

/* Another instance was faster, with another type: that counts, and is no error. */
START_TEST(another_was_faster)
{
    struct capture said;
    table.other_first = "Nullable(String)";
    run(asks_again, "a start that takes the other's", &said);
    sink_end(false);
    ck_assert_uint_eq(table.has.n, 1);
    ck_assert_str_eq(table.has.v[0].type, "Nullable(String)");
    ck_assert_ptr_null(strstr(said.text, "ERROR"));
    assert_each_once();
}
END_TEST

/* A run that ends. */
START_TEST(once_adds_nothing)
{
    struct capture said;
    once = true;
    topic_fill(TOPIC, 500, 0);
    messages_wanted = 500;
    capture_begin(&said);
    sink_start(0);
    until(all_is_accounted, "all are in the table");
    capture_end(&said);
    sink_end(false);
    ck_assert_uint_eq(table.asked, 0);
    assert_each_once();
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("fields", .set_up = fields_set_up, .tear_down = fields_tear_down),
        TEST(added),
        TEST(taken),
        TEST(not_granted),
        TEST(of_somebody_else),
        TEST(another_was_faster),
        TEST(once_adds_nothing),
    };
    return unit_main("adding", tests, PL_COUNT(tests));
}
