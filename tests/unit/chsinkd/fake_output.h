/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_output.h - an output of this process: a table that counts the rows of each offset and
 * remembers tokens, and does not do what the test tells it not to do.
 *
 * One table a target's name (by the route's); tests look at it with the lock held, or when no sink
 * runs.
 */
#ifndef TESTS_UNIT_CHSINKD_FAKE_OUTPUT_H
#define TESTS_UNIT_CHSINKD_FAKE_OUTPUT_H

#include <pthread.h>
#include <string.h>

#include "daemons/chsinkd/batch/batch.h"
#include "daemons/chsinkd/output/output.h"
#include "tests/unit/unit.h"

#define FAKE_TABLES_MAX 4
#define FAKE_ROWS_MAX   20000
#define FAKE_TOKENS_MAX 20000

struct fake_table {
    const char *name;
    unsigned rows[FAKE_ROWS_MAX]; /* of each offset */
    char *tokens[FAKE_TOKENS_MAX];
    unsigned tokens_n;
    unsigned inserts, looks, compares, ensures; /* calls; compares are looks, too */
    int64_t compared; /* the end of the furthest range that was compared; 0: none */

    /* What goes wrong. */
    int64_t refuse_offset; /* a batch with it is refused; -1 */
    uint64_t rows_max;     /* a batch with more is too large; 0: none is */
    bool held;             /* until a person acts */
    bool other;            /* its rows are of other messages, for who compares */
    unsigned lose, late;   /* so many of the next answers: nothing was done; all was done */
    unsigned every_lose, every_late; /* each so manieth insert; 0: none */
    bool forgets;                    /* tokens */

    /* Of fake_keeper. */
    int64_t position; /* 0: none */
    char *note;
};

static struct {
    pthread_mutex_t lock;
    struct fake_table tables[FAKE_TABLES_MAX];
    unsigned tables_n;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline struct fake_table *fake_table(const char *name)
{
    for (unsigned i = 0; i < fake.tables_n; i++)
        if (strcmp(fake.tables[i].name, name) == 0)
            return &fake.tables[i];
    ck_assert_uint_lt(fake.tables_n, FAKE_TABLES_MAX);
    struct fake_table *t = &fake.tables[fake.tables_n++];
    *t = (struct fake_table){.name = pl_strdup(name), .refuse_offset = -1};
    return t;
}

static inline struct output_target *fake_target_new(const void *conf, const struct route *r)
{
    struct output_target *t = pl_alloc(sizeof(*t));
    (void)conf;
    *t = (struct output_target){.route = r, .name = r->table, .database = "default"};
    return t;
}

static inline void fake_target_free(struct output_target *t)
{
    free(t);
}

static inline struct output *fake_open(const void *conf)
{
    (void)conf;
    return (struct output *)pl_alloc(1);
}

static inline void fake_close(struct output *o)
{
    free(o);
}

static inline void fake_abort(struct output *o, bool aborted)
{
    (void)o;
    (void)aborted;
}

static inline int fake_ensure(struct output *o, const struct output_target *t,
                              const struct output_ensure *how, struct output_state *ret,
                              struct pl_err *err)
{
    (void)o;
    (void)how;
    pthread_mutex_lock(&fake.lock);
    struct fake_table *table = fake_table(t->name);
    bool held = table->held;
    table->ensures++;
    pthread_mutex_unlock(&fake.lock);
    *ret = (struct output_state){.guarantee = OUTPUT_TOKEN, .can_look = true};
    return held ? pl_err_set(err, PL_ERR_CONFIG, 0, "the table is held") : 0;
}

static inline bool fake_token_take(struct fake_table *t, const char *token)
{
    for (unsigned i = 0; i < t->tokens_n && !t->forgets; i++)
        if (strcmp(t->tokens[i], token) == 0)
            return false;
    ck_assert_uint_lt(t->tokens_n, FAKE_TOKENS_MAX);
    t->tokens[t->tokens_n++] = pl_strdup(token);
    return true;
}

static inline bool fake_refuses(const struct fake_table *t, const struct batch *b)
{
    for (size_t i = 0; i < b->messages_n; i++)
        if (b->messages[i].rows > 0 && b->messages[i].offset == t->refuse_offset)
            return true;
    return false;
}

static inline enum output_answer fake_insert_locked(struct fake_table *t, const struct batch *b,
                                                    const char *token, struct pl_err *err)
{
    t->inserts++;
    pl_err_set(err, PL_ERR_RETRY, 0, "the fake says no");
    if (t->held)
        return OUTPUT_HELD;
    if (t->rows_max > 0 && block_rows(b->block) > t->rows_max)
        return OUTPUT_TOO_LARGE;
    if (fake_refuses(t, b))
        return OUTPUT_REFUSED;
    if (t->lose > 0 || (t->every_lose > 0 && t->inserts % t->every_lose == 0)) {
        t->lose -= t->lose > 0;
        return OUTPUT_RETRY;
    }
    if (fake_token_take(t, token))
        for (size_t i = 0; i < b->messages_n; i++) {
            ck_assert_int_lt(b->messages[i].offset, FAKE_ROWS_MAX);
            t->rows[b->messages[i].offset] += b->messages[i].rows;
        }
    if (t->late > 0 || (t->every_late > 0 && t->inserts % t->every_late == 0)) {
        t->late -= t->late > 0;
        return OUTPUT_UNKNOWN;
    }
    return OUTPUT_DONE;
}

static inline enum output_answer fake_insert(struct output *o, const struct output_target *t,
                                             const struct output_range *range,
                                             const struct batch *b, const char *token,
                                             struct pl_err *err)
{
    (void)o;
    (void)range;
    pthread_mutex_lock(&fake.lock);
    enum output_answer answer = fake_insert_locked(fake_table(t->name), b, token, err);
    pthread_mutex_unlock(&fake.lock);
    return answer;
}

/* All rows of a message are there, or none. */
static inline int fake_holds(struct output *o, const struct output_target *t,
                             const struct output_range *range, struct batch *b,
                             struct output_found *ret, struct pl_err *err)
{
    uint64_t *bits = pl_alloc_array(block_rows(b->block) / 64 + 1, sizeof(*bits));
    uint64_t row = 0;
    (void)o;
    (void)err;
    pthread_mutex_lock(&fake.lock);
    struct fake_table *table = fake_table(t->name);
    *ret = (struct output_found){.all = true};
    table->looks++;
    table->compares += range->compare;
    if (range->compare && range->end > table->compared)
        table->compared = range->end;
    for (size_t i = 0; i < b->messages_n; i++) {
        bool there = table->rows[b->messages[i].offset] >= b->messages[i].rows;
        for (unsigned k = 0; k < b->messages[i].rows; k++, row++) {
            if (there)
                bits[row / 64] |= 1ULL << (row % 64);
            ret->some |= there;
            ret->all &= there;
        }
    }
    if (range->compare && ret->some && table->other)
        *ret = (struct output_found){.some = true, .other = true, .offset = range->start};
    pthread_mutex_unlock(&fake.lock);
    if (!ret->other)
        batch_rows_drop(b, bits);
    free(bits);
    return 0;
}

static inline int fake_position(struct output *o, const struct output_target *t,
                                const struct output_range *range, int64_t *ret_offset,
                                struct pl_buf *ret_note, struct pl_err *err)
{
    (void)o;
    (void)range;
    (void)ret_note;
    (void)err;
    pthread_mutex_lock(&fake.lock);
    const struct fake_table *table = fake_table(t->name);
    *ret_offset = -1;
    for (int64_t i = 0; i < FAKE_ROWS_MAX; i++)
        if (table->rows[i] > 0)
            *ret_offset = i + 1;
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

static inline const char *fake_where(const void *conf)
{
    (void)conf;
    return "here";
}

static inline int64_t fake_call_ms(const void *conf)
{
    (void)conf;
    return 100;
}

/* ---- one that keeps the position, of one partition a table ---- */

static inline int fake_keeper_ensure(struct output *o, const struct output_target *t,
                                     const struct output_ensure *how, struct output_state *ret,
                                     struct pl_err *err)
{
    int rc = fake_ensure(o, t, how, ret, err);
    *ret = (struct output_state){.guarantee = OUTPUT_POSITION};
    return rc;
}

static inline enum output_answer fake_keeper_insert_locked(struct fake_table *t,
                                                           const struct output_range *range,
                                                           const struct batch *b,
                                                           struct pl_err *err)
{
    if (t->position == range->end && strcmp(t->note, range->note) == 0)
        return OUTPUT_DONE;
    if (t->position != (range->position > 0 ? range->position : 0)) {
        pl_err_set(err, PL_ERR_RETRY, 0, "the position is %lld", (long long)t->position);
        return OUTPUT_MOVED;
    }
    t->forgets = true; /* no tokens */
    enum output_answer answer = fake_insert_locked(t, b, "", err);
    if (answer == OUTPUT_DONE || answer == OUTPUT_UNKNOWN) { /* the answer is lost */
        t->position = range->end;
        free(t->note);
        t->note = pl_strdup(range->note);
    }
    return answer;
}

static inline enum output_answer fake_keeper_insert(struct output *o, const struct output_target *t,
                                                    const struct output_range *range,
                                                    const struct batch *b, const char *token,
                                                    struct pl_err *err)
{
    (void)o;
    ck_assert_str_eq(range->group, "sink");
    ck_assert_str_eq(token, "");
    pthread_mutex_lock(&fake.lock);
    enum output_answer answer = fake_keeper_insert_locked(fake_table(t->name), range, b, err);
    pthread_mutex_unlock(&fake.lock);
    return answer;
}

static inline int fake_keeper_position(struct output *o, const struct output_target *t,
                                       const struct output_range *range, int64_t *ret_offset,
                                       struct pl_buf *ret_note, struct pl_err *err)
{
    (void)o;
    (void)range;
    (void)err;
    pthread_mutex_lock(&fake.lock);
    struct fake_table *table = fake_table(t->name);
    table->looks++;
    *ret_offset = table->position > 0 ? table->position : -1;
    if (table->note)
        pl_buf_add_str(ret_note, table->note);
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

static const struct output_kind fake_keeper = {.name = "Keeper",
                                               .batch = {100000, 64 * PL_MIB, 1000},
                                               .writers_max = 1,
                                               .where = fake_where,
                                               .call_ms = fake_call_ms,
                                               .target_new = fake_target_new,
                                               .target_free = fake_target_free,
                                               .open = fake_open,
                                               .close = fake_close,
                                               .abort = fake_abort,
                                               .ensure = fake_keeper_ensure,
                                               .insert = fake_keeper_insert,
                                               .position = fake_keeper_position};

static const struct output_kind fake_output = {.name = "Fake",
                                               .batch = {100000, 64 * PL_MIB, 1000},
                                               .where = fake_where,
                                               .call_ms = fake_call_ms,
                                               .target_new = fake_target_new,
                                               .target_free = fake_target_free,
                                               .open = fake_open,
                                               .close = fake_close,
                                               .abort = fake_abort,
                                               .ensure = fake_ensure,
                                               .insert = fake_insert,
                                               .holds = fake_holds,
                                               .position = fake_position};

#endif
