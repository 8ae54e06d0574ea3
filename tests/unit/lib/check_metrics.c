/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_metrics.c - values, labels, the text (read back by a strict reader of the exposition
 * format), the conservation law, and the HTTP server through a plain socket on a free port.
 */
#include "lib/metrics/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "tests/unit/exposition.h"
#include "tests/unit/unit.h"

enum { RECEIVED, DELIVERED, FILTERED, LAG, LATENCY, N };

static const struct pl_metric table[N] = {
    [RECEIVED] = {"t_received_total", NULL, PL_COUNTER, "Messages\nreceived, C:\\."},
    [DELIVERED] = {"t_out_total", "to=\"kafka\"", PL_COUNTER, "Messages out."},
    [FILTERED] = {"t_out_total", "to=\"nowhere\"", PL_COUNTER, "Messages out."},
    [LAG] = {"t_lag_seconds", NULL, PL_GAUGE, "Lag."},
    [LATENCY] = {"t_latency_seconds", "stage=\"row\"", PL_HISTOGRAM, "Latency."},
};

static void render_and_read(struct pl_metrics *s, struct samples *ret)
{
    struct pl_buf out = {0};

    pl_metrics_render(s, &out);
    read_text(pl_buf_cstr(&out), ret);
    pl_buf_release(&out);
}

/* ---- values and their text ---- */

START_TEST(values_are_rendered)
{
    struct pl_metrics *s = pl_metrics_new(table, N);
    struct samples got;
    struct pl_buf out = {0};

    pl_metrics_inc(s, RECEIVED, 3);
    pl_metrics_inc(s, RECEIVED, UINT64_C(1) << 52);
    pl_metrics_inc(s, FILTERED, 1);
    pl_metrics_set(s, LAG, -0.1);
    render_and_read(s, &got);
    ck_assert_double_eq(value_of(&got, "t_received_total", ""), 3 + 0x1p52);
    ck_assert_double_eq(value_of(&got, "t_out_total", "to=\"kafka\""), 0);
    ck_assert_double_eq(value_of(&got, "t_out_total", "to=\"nowhere\""), 1);
    ck_assert_double_eq(value_of(&got, "t_lag_seconds", ""), -0.1);
    ck_assert_uint_eq(got.families, N - 1 + 5);
    ck_assert_uint_eq(pl_metrics_get(s, RECEIVED), 3 + (UINT64_C(1) << 52));
    pl_metrics_render(s, &out);
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&out),
                                 "# HELP t_received_total Messages\\nreceived, C:\\\\.\n"
                                 "# TYPE t_received_total counter\n"
                                 "t_received_total 4503599627370499\n"));
    pl_buf_release(&out);
    pl_metrics_free(s);
}
END_TEST

static const struct gauge_case {
    double value;
    const char *text;
    uint64_t truncated;
} gauges[] = {
    {0, "0", 0},
    {1, "1", 1},
    {0.1, "0.1", 0},
    {1.9, "1.9", 1},
    {-3, "-3", 0},
    {1e15, "1e+15", UINT64_C(1000000000000000)},
    {1700000000.123, "1700000000.123", 1700000000},
    {1.0 / 3, "0.33333333333333331", 0},
    {9007199254740991.0, "9007199254740991", UINT64_C(9007199254740991)},
    {1e30, "1e+30", UINT64_MAX},
    {INFINITY, "+Inf", UINT64_MAX},
    {-INFINITY, "-Inf", 0},
    {NAN, "NaN", 0},
};

START_TEST(gauge_text)
{
    const struct gauge_case *c = &gauges[_i];
    struct pl_metrics *s = pl_metrics_new(table, N);
    struct pl_buf out = {0};
    char line[128];

    pl_metrics_set(s, LAG, c->value);
    pl_metrics_render(s, &out);
    snprintf(line, sizeof(line), "\nt_lag_seconds %s\n", c->text);
    ck_assert_msg(strstr(pl_buf_cstr(&out), line) != NULL, "%s in %s", line, pl_buf_cstr(&out));
    ck_assert_uint_eq(pl_metrics_get(s, LAG), c->truncated);
    pl_buf_release(&out);
    pl_metrics_free(s);
}
END_TEST

START_TEST(histogram)
{
    static const struct observation {
        double value;
        const char *first_le; /* the smallest bucket it is in; NULL: not counted */
    } list[] = {
        {0, "0.001"},   {-5, "0.001"},    {0.001, "0.001"}, {0.0011, "0.0025"}, {1, "1"},
        {3600, "3600"}, {3600.1, "+Inf"}, {1e9, "+Inf"},    {NAN, NULL},        {INFINITY, NULL},
    };
    struct samples got;
    unsigned i, k, buckets;
    bool in;

    for (i = 0; i < PL_COUNT(list); i++) {
        struct pl_metrics *s = pl_metrics_new(table, N);
        char first[64];

        pl_metrics_observe(s, LATENCY, list[i].value);
        render_and_read(s, &got);
        snprintf(first, sizeof(first), "stage=\"row\",le=\"%s\"",
                 list[i].first_le ? list[i].first_le : "");
        in = false;
        buckets = 0;
        for (k = 0; k < got.n; k++) {
            if (strcmp(got.v[k].name, "t_latency_seconds_bucket") != 0)
                continue;
            buckets++;
            in = in || strcmp(got.v[k].labels, first) == 0;
            ck_assert_double_eq(got.v[k].value, in);
        }
        ck_assert_uint_eq(buckets, 21);
        ck_assert_int_eq(in, list[i].first_le != NULL);
        ck_assert_double_eq(value_of(&got, "t_latency_seconds_count", "stage=\"row\""), in);
        ck_assert_uint_eq(pl_metrics_get(s, LATENCY), in);
        ck_assert_double_eq(value_of(&got, "t_latency_seconds_sum", "stage=\"row\""),
                            in && list[i].value > 0 ? list[i].value : 0);
        pl_metrics_free(s);
    }
}
END_TEST

START_TEST(process_values)
{
    struct pl_metrics *s = pl_metrics_new(NULL, 0);
    struct samples got;
    double now = (double)pl_clock_realtime_ms() / 1000, fds;
    int fd;

    render_and_read(s, &got);
    ck_assert_uint_eq(got.n, 5);
    ck_assert_double_gt(value_of(&got, "process_resident_memory_bytes", ""), 100 * 1024);
    ck_assert_double_ge(value_of(&got, "process_cpu_seconds_total", ""), 0);
    ck_assert_double_gt(value_of(&got, "process_start_time_seconds", ""), now - 7200);
    ck_assert_double_lt(value_of(&got, "process_start_time_seconds", ""), now + 1);
    fds = value_of(&got, "process_open_fds", "");
    ck_assert_double_ge(fds, 3);
    fd = dup(0);
    render_and_read(s, &got);
    ck_assert_double_eq(value_of(&got, "process_open_fds", ""), fds + 1);
    close(fd);
    pl_metrics_free(s);
}
END_TEST

/* ---- adding ---- */

START_TEST(add_joins_families)
{
    struct pl_metrics *s = pl_metrics_new(table, N);
    struct pl_metric m = {"t_out_total", "to=\"dead\"", PL_COUNTER, "Messages out."};
    struct pl_metric other = {"t_rows_total", NULL, PL_COUNTER, "Rows."};
    char labels[] = "to=\"copied\"";
    struct pl_metric copied = {"t_out_total", labels, PL_COUNTER, NULL};
    unsigned a = pl_metrics_add(s, &m), b = pl_metrics_add(s, &other),
             c = pl_metrics_add(s, &copied);
    struct samples got;

    ck_assert_uint_eq(a, N);
    ck_assert_uint_eq(b, N + 1);
    ck_assert_uint_eq(c, N + 2);
    ck_assert_uint_eq(pl_metrics_add(s, &m), a);
    ck_assert_uint_eq(pl_metrics_add(s, &table[RECEIVED]), RECEIVED);
    ck_assert_uint_eq(pl_metrics_add(s, &table[FILTERED]), FILTERED);
    memset(labels, 'x', sizeof(labels) - 1);
    pl_metrics_inc(s, a, 7);
    pl_metrics_inc(s, c, 8);
    render_and_read(s, &got); /* which asserts that families stand together */
    ck_assert_double_eq(value_of(&got, "t_out_total", "to=\"dead\""), 7);
    ck_assert_double_eq(value_of(&got, "t_out_total", "to=\"copied\""), 8);
    ck_assert_double_eq(value_of(&got, "t_rows_total", ""), 0);
    pl_metrics_free(s);
}
END_TEST

START_TEST(add_has_a_maximum)
{
    struct pl_metrics *s = pl_metrics_new(table, N);
    char labels[64];
    struct pl_metric m = {"t_many_total", labels, PL_COUNTER, "Many."};
    struct pl_buf out = {0};
    unsigned i;

    for (i = N; i < PL_METRICS_MAX; i++) {
        snprintf(labels, sizeof(labels), "i=\"%u\"", i);
        ck_assert_uint_eq(pl_metrics_add(s, &m), i);
        pl_metrics_inc(s, i, i);
    }
    snprintf(labels, sizeof(labels), "i=\"one more\"");
    ck_assert_uint_eq(pl_metrics_add(s, &m), PL_METRICS_NONE);
    m = (struct pl_metric){"t_other", NULL, PL_GAUGE, "Other."};
    ck_assert_uint_eq(pl_metrics_add(s, &m), PL_METRICS_NONE);
    pl_metrics_inc(s, PL_METRICS_NONE, 1);
    pl_metrics_set(s, PL_METRICS_NONE, 1);
    pl_metrics_observe(s, PL_METRICS_NONE, 1);
    ck_assert_uint_eq(pl_metrics_get(s, PL_METRICS_NONE), 0);
    pl_metrics_render(s, &out);
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&out), "\nmetrics_left_out_total 2\n"));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&out), "\nt_many_total{i=\"4095\"} 4095\n"));
    pl_buf_release(&out);
    pl_metrics_free(s);
}
END_TEST

static const struct label_case {
    const char *value, *expect;
} label_cases[] = {
    {"", "a=\"1\",t=\"\""},
    {"topic-1.x_y", "a=\"1\",t=\"topic-1.x_y\""},
    {"a\"b\\c\nd", "a=\"1\",t=\"a\\\"b\\\\c\\nd\""},
    {"Ελλάδα", "a=\"1\",t=\"Ελλάδα\""},
    {"x\xffy\xc3", "a=\"1\",t=\"x\xef\xbf\xbdy\xef\xbf\xbd\""},
};

START_TEST(label_is_escaped)
{
    const struct label_case *c = &label_cases[_i];
    struct pl_buf b, small;
    struct pl_metrics *s;
    struct samples got;
    struct pl_metric m = {"t_x_total", NULL, PL_COUNTER, "X."};
    size_t max;

    pl_buf_init(&b, 0);
    ck_assert(pl_metrics_label(&b, "a", "1"));
    ck_assert(pl_metrics_label(&b, "t", c->value));
    ck_assert_str_eq(pl_buf_cstr(&b), c->expect);
    s = pl_metrics_new(NULL, 0);
    m.labels = pl_buf_cstr(&b);
    pl_metrics_inc(s, pl_metrics_add(s, &m), 5);
    render_and_read(s, &got);
    ck_assert_double_eq(value_of(&got, "t_x_total", c->expect), 5);
    pl_metrics_free(s);
    for (max = 1; max < b.len; max++) { /* all or nothing */
        pl_buf_init(&small, max);
        if (pl_metrics_label(&small, "a", "1")) {
            ck_assert(!pl_metrics_label(&small, "t", c->value));
            ck_assert_uint_eq(small.len, 5);
        } else {
            ck_assert_uint_eq(small.len, 0);
        }
        pl_buf_release(&small);
    }
    pl_buf_release(&b);
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 20000 };

static void *count_in_thread(void *arg)
{
    struct pl_metrics *s = arg;
    int i;

    for (i = 0; i < ROUNDS; i++) {
        pl_metrics_inc(s, RECEIVED, 1);
        pl_metrics_set(s, LAG, i);
        pl_metrics_observe(s, LATENCY, 0.5);
    }
    return NULL;
}

/* Others count while this one adds and renders; nothing is lost. */
START_TEST(threads_lose_nothing)
{
    struct pl_metrics *s = pl_metrics_new(table, N);
    pthread_t threads[THREADS];
    char labels[32];
    struct pl_metric m = {"t_out_total", labels, PL_COUNTER, "Messages out."};
    struct samples got;
    unsigned i;

    for (i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_in_thread, s), 0);
    for (i = 0; i < 200; i++) {
        snprintf(labels, sizeof(labels), "to=\"%u\"", i);
        pl_metrics_inc(s, pl_metrics_add(s, &m), 1);
        if (i % 50 == 0)
            render_and_read(s, &got);
    }
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    render_and_read(s, &got);
    ck_assert_double_eq(value_of(&got, "t_received_total", ""), THREADS * ROUNDS);
    ck_assert_double_eq(value_of(&got, "t_latency_seconds_count", "stage=\"row\""),
                        THREADS * ROUNDS);
    ck_assert_double_eq(value_of(&got, "t_latency_seconds_sum", "stage=\"row\""),
                        THREADS * ROUNDS * 0.5);
    ck_assert_double_eq(value_of(&got, "t_lag_seconds", ""), ROUNDS - 1);
    pl_metrics_free(s);
}
END_TEST

/* ---- the conservation law ---- */

static const struct law_case {
    uint64_t received, delivered, filtered, in_flight;
    int64_t difference;
} laws[] = {
    {0, 0, 0, 0, 0},   {10, 7, 2, 1, 0},  {10, 7, 2, 0, 1},
    {10, 7, 2, 2, -1}, {10, 0, 0, 0, 10}, {0, 5, 0, 0, -5},
};

START_TEST(conservation)
{
    static const unsigned received[] = {RECEIVED}, accounted[] = {DELIVERED, FILTERED};
    static const struct pl_conservation law = {received, accounted, 1, 2};
    const struct law_case *c = &laws[_i];
    struct pl_metrics *s = pl_metrics_new(table, N);

    pl_metrics_inc(s, RECEIVED, c->received);
    pl_metrics_inc(s, DELIVERED, c->delivered);
    pl_metrics_inc(s, FILTERED, c->filtered);
    ck_assert_int_eq(pl_conservation_difference(s, &law, c->in_flight), c->difference);
    pl_metrics_free(s);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(values_are_rendered),
        TEST(gauge_text, .count = PL_COUNT(gauges)),
        TEST(histogram),
        TEST(process_values),
        TEST(add_joins_families),
        TEST(add_has_a_maximum),
        TEST(label_is_escaped, .count = PL_COUNT(label_cases)),
        TEST(threads_lose_nothing),
        TEST(conservation, .count = PL_COUNT(laws)),
    };
    return unit_main("metrics", tests, PL_COUNT(tests));
}
