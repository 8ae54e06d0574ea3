/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_batch_rows.c - batches of random messages, halved until one message is left and with random
 * rows taken out, against a naive model: which rows must be there, decoded afresh into a block of
 * their own. Compared are the bytes that ClickHouse would get. links: chsinkd
 */
#include "daemons/chsinkd/batch/batch.h"
#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/batch/pool.h"
#include "tests/unit/rows_fixture.h"

#define MESSAGES_MAX 24
#define ROWS_MAX     (MESSAGES_MAX * 6)
#define ROUNDS       300

static const char columns[] =
    "rows: $.r[*]\ncolumns:\n"
    "  - {name: s, path: '@.s', type: String, missing: default}\n"
    "  - {name: sn, path: '@.s', type: Nullable(String)}\n"
    "  - {name: low, path: '@.low', type: LowCardinality(Nullable(String))}\n"
    "  - {name: json, path: '@.o', type: String, json: true, missing: default}\n"
    "  - {name: b, path: '@.b', type: Bool, missing: default}\n"
    "  - {name: i8, path: '@.i', type: Int8, missing: default}\n"
    "  - {name: i16, path: '@.i', type: Nullable(Int16)}\n"
    "  - {name: i32, path: '@.i', type: Int32, missing: default}\n"
    "  - {name: i64, path: '@.i', type: Nullable(Int64)}\n"
    "  - {name: u8, path: '@.u', type: UInt8, missing: default}\n"
    "  - {name: u16, path: '@.u', type: UInt16, missing: default}\n"
    "  - {name: u32, path: '@.u', type: Nullable(UInt32)}\n"
    "  - {name: u64, path: '@.u', type: UInt64, missing: default}\n"
    "  - {name: f32, path: '@.i', type: Float32, missing: default}\n"
    "  - {name: f64, path: '@.i', type: Nullable(Float64)}\n"
    "  - {name: d, path: '@.d', type: Nullable(Date)}\n"
    "  - {name: dt, path: '@.t', type: DateTime, missing: default}\n"
    "  - {name: dt64, path: '@.t', type: Nullable(DateTime64(3))}\n"
    "  - {name: id, path: '@.id', type: UUID, missing: default}\n"
    "  - {name: idn, path: '@.idn', type: Nullable(UUID)}\n"
    "  - {name: tags, path: '@.tags', type: Array(Nullable(String)), missing: default}\n"
    "  - {name: map, path: '@.map', type: \"Map(String, Array(UInt16))\", missing: default}\n"
    "  - {name: pair, path: '@.pair', type: \"Tuple(Int8, String)\", missing: default}\n";

struct model_message {
    int64_t offset;
    enum batch_fate fate;
    unsigned row, rows; /* in model.rows */
    bool there;
};

/* What a batch must be. */
struct model {
    struct model_message messages[MESSAGES_MAX];
    unsigned messages_n;
    char *rows[ROWS_MAX]; /* JSON */
    bool out[ROWS_MAX];   /* taken out */
    unsigned rows_n;
    int64_t start, end;
};

static uint64_t state;

static unsigned below(unsigned n)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)((state >> 33) % n);
}

static char *row_make(void)
{
    static const unsigned lens[] = {0, 1, 5, 127, 128, 300, 16384};
    struct pl_buf b = {0};
    unsigned len = lens[below(20) == 0 ? 6 : below(6)];
    pl_buf_add_str(&b, "{");
    if (below(3) > 0) {
        pl_buf_add_str(&b, "\"s\":\"");
        for (unsigned i = 0; i < len; i++)
            pl_buf_add_byte(&b, (char)('a' + below(26)));
        pl_buf_add_str(&b, "\",");
    }
    if (below(2))
        pl_buf_addf(&b, "\"low\":\"%u\",\"o\":{\"x\":[%u]},", below(3), below(1000));
    if (below(2))
        pl_buf_addf(&b, "\"b\":%s,\"i\":%d,", below(2) ? "true" : "false", (int)below(200) - 100);
    if (below(2))
        pl_buf_addf(&b, "\"u\":%u,\"d\":\"2026-01-%02u\",", below(256), 1 + below(28));
    if (below(2))
        pl_buf_addf(&b, "\"tags\":[\"t\",null],\"map\":{\"a\":[%u],\"b\":[]},", below(999));
    if (below(2))
        pl_buf_addf(&b, "\"pair\":[%u,\"p\"],", below(99));
    if (below(2))
        pl_buf_addf(&b, "\"idn\":\"%08x-0000-4000-8000-%012x\",", below(1u << 30), below(1u << 30));
    pl_buf_addf(&b, "\"t\":\"2026-02-03T04:05:%02uZ\",\"id\":\"%08x-0000-4000-8000-000000000001\"}",
                below(60), below(1u << 30));
    return pl_buf_take(&b);
}

static void model_make(struct model *m)
{
    *m = (struct model){.start = below(100)};
    unsigned n = 1 + below(MESSAGES_MAX);
    int64_t offset = m->start + below(3);
    while (m->messages_n < n) {
        struct model_message *msg = &m->messages[m->messages_n++];
        *msg = (struct model_message){.offset = offset, .row = m->rows_n};
        msg->fate = below(4) > 0 ? BATCH_ROWS : below(2) ? BATCH_DEAD : BATCH_SKIPPED;
        if (msg->fate == BATCH_ROWS)
            msg->rows = below(6);
        for (unsigned i = 0; i < msg->rows; i++)
            m->rows[m->rows_n++] = row_make();
        offset += 1 + (below(5) == 0 ? below(10) : 0);
        m->end = msg->offset + 1;
    }
}

static void model_release(struct model *m)
{
    for (unsigned i = 0; i < m->rows_n; i++)
        free(m->rows[i]);
}

/* A message of the model's rows from..to that are not out. */
static uint64_t rows_put(struct fixture *f, const struct model *m, unsigned from, unsigned to,
                         struct block *block)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};
    pl_buf_add_str(&b, "{\"r\":[");
    const char *comma = "";
    for (unsigned i = from; i < to; i++) {
        if (m->out[i])
            continue;
        pl_buf_addf(&b, "%s%s", comma, m->rows[i]);
        comma = ",";
    }
    pl_buf_add_str(&b, "]}");
    const struct rows_message message = {.topic = "t", .value = b.data, .value_len = b.len};
    return rows_decode(f->rows, &message, NULL, block, on_reject, f);
}

static struct batch *batch_make(struct fixture *f, const struct model *m)
{
    struct batch *b = batch_new(block_new(f->route), m->start);
    for (unsigned i = 0; i < m->messages_n; i++) {
        const struct model_message *msg = &m->messages[i];
        if (msg->fate == BATCH_ROWS)
            ck_assert_uint_eq(rows_put(f, m, msg->row, msg->row + msg->rows, b->block), msg->rows);
        batch_message_add(b, msg->offset, msg->fate);
        b->value_bytes += 100;
        if (msg->fate == BATCH_DEAD) {
            struct dead_letter *d = pl_alloc(sizeof(*d));
            d->offset = msg->offset;
            d->bytes = 10;
            *(b->dead.last ? &b->dead.last->next : &b->dead.first) = d;
            b->dead.last = d;
            b->dead.count++;
            b->dead.bytes += d->bytes;
        }
    }
    ck_assert_msg(f->rejects == 0, "%s %s", f->column, f->reason);
    ck_assert_int_eq(b->end, m->end);
    return b;
}

/* The batch is what the model has from its start to its end. */
static void batch_assert(struct fixture *f, const struct model *m, struct batch *b)
{
    PL_CLEANUP(block_freep) struct block *want = block_new(f->route);
    PL_CLEANUP(pl_buf_release) struct pl_buf have_native = {0}, want_native = {0};
    struct batch_counts counts = batch_counts(b), sum = {0};
    uint64_t with_rows = 0;
    const struct dead_letter *d = b->dead.first;
    for (unsigned i = 0; i < m->messages_n; i++) {
        const struct model_message *msg = &m->messages[i];
        if (msg->offset < b->start || msg->offset >= b->end)
            continue;
        const struct batch_message *have = &b->messages[sum.messages++];
        uint64_t before = block_rows(want);
        rows_put(f, m, msg->row, msg->row + msg->rows, want);
        ck_assert_uint_eq(have->rows, block_rows(want) - before);
        ck_assert_int_eq(have->offset, msg->offset);
        ck_assert_uint_eq(have->fate, msg->fate);
        ck_assert_int_eq(have->there, msg->there);
        with_rows += have->rows > 0;
        if (msg->fate == BATCH_DEAD) {
            ck_assert_int_eq(d->offset, msg->offset);
            d = d->next;
            sum.dead++;
        }
        sum.delivered += msg->fate == BATCH_ROWS;
    }
    ck_assert_ptr_null(d);
    ck_assert_uint_eq(b->dead.count, sum.dead);
    ck_assert_uint_eq(b->dead.bytes, 10 * sum.dead);
    ck_assert_uint_eq(counts.messages, sum.messages);
    ck_assert_uint_eq(counts.delivered, sum.delivered);
    ck_assert_uint_eq(counts.dead, sum.dead);
    ck_assert_uint_eq(counts.delivered + counts.dead + counts.skipped, counts.messages);
    ck_assert_uint_eq(counts.rows, block_rows(want));
    ck_assert_uint_eq(batch_messages_with_rows(b), with_rows);
    ck_assert_uint_eq(b->value_bytes, 100 * sum.messages);
    ck_assert_uint_eq(block_bytes(b->block), block_bytes(want));
    ck_assert_uint_le(block_bytes(b->block), batch_memory(b));
    block_native(b->block, &have_native);
    block_native(want, &want_native);
    ck_assert_uint_eq(have_native.len, want_native.len);
    ck_assert_mem_eq(have_native.data, want_native.data, want_native.len);
}

/* Halves it until each part has one message with rows, buries that; what is left is asserted at
 * each step. Frees it. */
static void split_to_the_end(struct fixture *f, struct model *m, struct batch *b,
                             struct block_pool *pool)
{
    batch_assert(f, m, b);
    if (batch_messages_with_rows(b) >= 2) {
        int64_t end = b->end;
        size_t with_rows = batch_messages_with_rows(b);
        struct batch *second = batch_split(b, block_pool_take(pool, f->route));
        ck_assert_int_eq(second->start, b->end);
        ck_assert_int_eq(second->end, end);
        ck_assert_uint_eq(batch_messages_with_rows(b), with_rows / 2);
        ck_assert_uint_gt(second->messages[0].rows, 0);
        split_to_the_end(f, m, second, pool);
        split_to_the_end(f, m, b, pool);
        return;
    }
    if (batch_messages_with_rows(b) == 1) {
        int64_t offset = batch_bury(b);
        ck_assert_uint_eq(block_rows(b->block), 0);
        ck_assert_uint_eq(block_bytes(b->block), 0);
        ck_assert_uint_eq(batch_messages_with_rows(b), 0);
        ck_assert_uint_eq(batch_counts(b).rows, 0);
        for (size_t i = 0; i < b->messages_n; i++)
            if (b->messages[i].offset == offset)
                ck_assert_uint_eq(b->messages[i].fate, BATCH_DEAD);
        /* It is an ordinary batch still. */
        ck_assert_uint_eq(rows_put(f, m, m->rows_n - 1, m->rows_n, b->block),
                          !m->out[m->rows_n - 1]);
    }
    block_pool_give(pool, batch_block_take(b));
    batch_free(b);
}

static void rows_drop(struct model *m, struct batch *b)
{
    uint64_t bits[ROWS_MAX / 64 + 1] = {0};
    unsigned at = 0, most = below(4);
    for (unsigned k = 0; k < m->messages_n; k++) {
        struct model_message *msg = &m->messages[k];
        unsigned left = 0, before = 0;
        for (unsigned i = msg->row; i < msg->row + msg->rows; i++) {
            if (m->out[i])
                continue;
            before++;
            if (below(4) < most) {
                bits[at / 64] |= UINT64_C(1) << (at % 64);
                m->out[i] = true;
            }
            at++;
            left += !m->out[i];
        }
        msg->there |= before > 0 && left == 0;
    }
    batch_rows_drop(b, bits);
}

static void round_do(struct fixture *f, struct block_pool *pool, unsigned drops)
{
    struct model m;
    model_make(&m);
    struct batch *b = batch_make(f, &m);
    for (unsigned i = 0; i < drops; i++) {
        rows_drop(&m, b);
        batch_assert(f, &m, b);
    }
    split_to_the_end(f, &m, b, pool);
    model_release(&m);
}

START_TEST(batches_are_halved)
{
    FIXTURE f = fixture_new(columns);
    struct block_pool *pool = block_pool_new((size_t)1 << 30);
    for (state = 1; state <= ROUNDS; state++) {
        uint64_t seed = state;
        round_do(&f, pool, (unsigned)_i);
        state = seed;
    }
    block_pool_free(pool);
}
END_TEST

/* A refused row of the decoder's, and a message taken back, leave the same bytes as never met. */
START_TEST(truncation_is_exact)
{
    FIXTURE f = fixture_new(columns);
    for (state = 1; state <= ROUNDS; state++) {
        uint64_t seed = state;
        PL_CLEANUP(pl_buf_release) struct pl_buf have = {0}, want = {0};
        PL_CLEANUP(block_freep) struct block *block = block_new(f.route);
        struct model m;
        model_make(&m);
        unsigned cut = below(m.rows_n + 1);
        rows_put(&f, &m, 0, m.rows_n, f.block);
        rows_put(&f, &m, 0, cut, block);
        block_rows_truncate(f.block, cut);
        block_native(f.block, &have);
        block_native(block, &want);
        ck_assert_uint_eq(block_bytes(f.block), block_bytes(block));
        ck_assert_uint_eq(have.len, want.len);
        ck_assert_mem_eq(have.data, want.data, want.len);
        block_reset(f.block);
        model_release(&m);
        state = seed;
    }
}
END_TEST

START_TEST(full_by_each_limit)
{
    FIXTURE f = fixture_new(columns);
    struct model m;
    state = 5;
    for (model_make(&m); m.rows_n < 10; model_make(&m))
        model_release(&m);
    struct batch *b = batch_make(&f, &m);
    const struct batch_limits none = {UINT64_MAX, UINT64_MAX, SIZE_MAX};
    struct batch_limits at = none;
    b->dead.bytes = 77;
    ck_assert(!batch_is_full(b, &none));
    at.rows = m.rows_n;
    ck_assert(batch_is_full(b, &at));
    at.rows++;
    ck_assert(!batch_is_full(b, &at));
    at.bytes = block_bytes(b->block) + 77;
    ck_assert(batch_is_full(b, &at));
    at.bytes++;
    ck_assert(!batch_is_full(b, &at));
    at.dead_bytes = 77;
    ck_assert(batch_is_full(b, &at));
    at.dead_bytes++;
    ck_assert(!batch_is_full(b, &at));
    ck_assert_uint_gt(batch_memory(b),
                      block_capacity(b->block) + 77 + m.messages_n * sizeof(*b->messages) - 1);
    batch_free(b);
    model_release(&m);
}
END_TEST

/* ---- the pool ---- */

static struct block *block_of(struct fixture *f, size_t bytes)
{
    struct block *b = block_new(f->route);
    block_string_grow(b->strings[0], bytes);
    return b;
}

START_TEST(pool_is_bounded)
{
    FIXTURE f = fixture_new(columns), other = fixture_new(columns);
    struct block_pool *pool = block_pool_new(8 << 20);
    ck_assert_uint_eq(block_pool_bytes(pool), 0);
    for (int i = 0; i < 20; i++) {
        block_pool_give(pool, block_of(i % 2 ? &f : &other, 1 << 20));
        ck_assert_uint_le(block_pool_bytes(pool), 8 << 20);
    }
    size_t held = block_pool_bytes(pool);
    ck_assert_uint_gt(held, 4 << 20);
    /* What was given last is taken first, if it is of the route. */
    struct block *b = block_pool_take(pool, f.route);
    ck_assert_ptr_eq(b->route, f.route);
    ck_assert_uint_eq(block_pool_bytes(pool), held - block_capacity(b));
    /* One that a single batch has made large goes. */
    held = block_pool_bytes(pool);
    block_string_grow(b->strings[0], 6 << 20);
    block_pool_give(pool, b);
    ck_assert_uint_eq(block_pool_bytes(pool), held);
    block_pool_give(pool, NULL);
    block_pool_trim(pool, 3 << 20);
    ck_assert_uint_le(block_pool_bytes(pool), 3 << 20);
    block_pool_trim(pool, 0);
    ck_assert_uint_eq(block_pool_bytes(pool), 0);
    b = block_pool_take(pool, other.route);
    ck_assert_ptr_eq(b->route, other.route);
    block_free(b);
    block_pool_free(pool);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(batches_are_halved, .count = 4),
        TEST(truncation_is_exact),
        TEST(full_by_each_limit),
        TEST(pool_is_bounded),
    };
    return unit_main("batch_rows", tests, PL_COUNT(tests));
}
