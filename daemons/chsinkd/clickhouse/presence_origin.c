/* SPDX-License-Identifier: Apache-2.0 */
/*
 * presence_origin.c - see presence_origin.h.
 *
 * Our rows are put into the order of their messages, wherever in the batch they are: then a query
 * is for all rows of some messages.
 */
#include "daemons/chsinkd/clickhouse/presence_origin.h"

#include <inttypes.h>
#include <stdlib.h>

#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/clickhouse/internal.h"
#include "daemons/chsinkd/clickhouse/rows_match.h"

/* Of one query. Messages may have many rows that are not ours, and all of them come. */
#define LOOK_MESSAGES_MAX 1024
#define LOOK_SQL_BYTES    (128U << 10) /* half of max_query_size, with its default */

/* ---- our rows ---- */

struct origin_row {
    struct pl_slice topic; /* with its length before it, as it lies in the row */
    int64_t partition, offset;
    size_t row;    /* of the block or the answer */
    size_t letter; /* of the batch's messages, or those taken whole */
};

/* Rows by message, then as they came. */
struct origin_rows {
    struct rows bytes; /* as they came */
    struct origin_row *rows;
    size_t n;
};

static void origin_rows_release(struct origin_rows *r)
{
    rows_release(&r->bytes);
    free(r->rows);
}

struct origin_look {
    struct look look;
    const struct batch *batch;
    const struct block *block;
    unsigned topic, partition, offset; /* columns of the block */
    struct origin_rows ours, whole;    /* to insert; of their messages */
    size_t whole_at;                   /* what is before is of messages that are done */
    uint64_t *there;                   /* a bit a row of the block */
    size_t there_n;
};

static void origin_look_release(struct origin_look *o)
{
    origin_rows_release(&o->ours);
    origin_rows_release(&o->whole);
    free(o->there);
}

static unsigned column_of(const struct block *b, int column)
{
    unsigned i = 0;
    while (b->columns[i].column != &b->route->columns[column])
        i++;
    return i;
}

/* Of a partition or an offset: never below 0, in 4 or 8 bytes. */
static int64_t number_of(struct pl_slice value)
{
    uint64_t v = 0;
    memcpy(&v, value.p, value.len);
    return (int64_t)v;
}

static int message_order(const struct origin_row *a, const struct origin_row *b)
{
    if (a->topic.len != b->topic.len)
        return a->topic.len < b->topic.len ? -1 : 1;
    int order = memcmp(a->topic.p, b->topic.p, a->topic.len);
    if (order != 0)
        return order;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int row_order(const void *a, const void *b)
{
    const struct origin_row *x = a, *y = b;
    int order = message_order(x, y);
    return order != 0 ? order : x->row < y->row ? -1 : x->row > y->row;
}

static bool partition_is_same(const struct origin_row *a, const struct origin_row *b)
{
    return a->partition == b->partition && a->topic.len == b->topic.len &&
           memcmp(a->topic.p, b->topic.p, a->topic.len) == 0;
}

/* Once r->bytes are there. */
static void rows_order(struct origin_rows *r, const struct origin_look *o)
{
    r->n = r->bytes.n;
    r->rows = pl_alloc_array(r->n + 1, sizeof(*r->rows));
    for (size_t i = 0; i < r->n; i++) {
        struct pl_slice bytes = rows_get(&r->bytes, i);
        r->rows[i] = (struct origin_row){
            .topic = row_binary_value(o->block, bytes, o->topic),
            .partition = number_of(row_binary_value(o->block, bytes, o->partition)),
            .offset = number_of(row_binary_value(o->block, bytes, o->offset)),
            .row = i};
    }
}

static void rows_sort(struct origin_rows *r)
{
    qsort(r->rows, r->n, sizeof(*r->rows), row_order);
}

static void rows_walk(struct rows *r, const struct block *b)
{
    struct row_walk walk;
    row_walk_init(&walk, b);
    for (uint64_t i = 0; i < block_rows(b); i++) {
        row_walk_add(&walk, &r->bytes);
        rows_ended(r, r->bytes.len);
    }
    row_walk_release(&walk);
}

static void rows_gather(struct origin_look *o)
{
    const struct batch *b = o->batch;
    const struct route *r = o->block->route;
    o->topic = column_of(o->block, r->has_topic);
    o->partition = column_of(o->block, r->has_partition);
    o->offset = column_of(o->block, r->has_offset);
    o->there = pl_alloc_array(block_rows(o->block) / 64 + 1, sizeof(*o->there));
    rows_walk(&o->ours.bytes, o->block);
    rows_order(&o->ours, o);
    for (size_t letter = 0, row = 0; letter < b->messages_n; letter++)
        for (size_t n = b->messages[letter].rows; n > 0; n--)
            o->ours.rows[row++].letter = letter;
    rows_sort(&o->ours);
    if (b->whole.block)
        rows_walk(&o->whole.bytes, b->whole.block);
    rows_order(&o->whole, o);
    for (size_t letter = 0, row = 0; letter < b->whole.messages_n; letter++)
        for (size_t n = b->whole.messages[letter].rows; n > 0; n--)
            o->whole.rows[row++].letter = letter;
    rows_sort(&o->whole);
}

/* ---- a query ---- */

static void add_topic(struct pl_buf *sql, struct pl_slice value)
{
    size_t head = 0;
    while (value.p[head++] & 0x80)
        ;
    clickhouse_quote_string(sql, value.p + head, value.len - head);
}

/* "(topic = … AND partition = … AND offset IN (" */
static void add_partition(struct pl_buf *sql, const struct origin_look *o,
                          const struct origin_row *r)
{
    const struct route *route = o->block->route;
    pl_buf_add_byte(sql, '(');
    look_add_column(sql, &o->look, route->has_topic);
    pl_buf_add_str(sql, " = ");
    add_topic(sql, r->topic);
    pl_buf_add_str(sql, " AND ");
    look_add_column(sql, &o->look, route->has_partition);
    pl_buf_addf(sql, " = %" PRId64 " AND ", r->partition);
    look_add_column(sql, &o->look, route->has_offset);
    pl_buf_add_str(sql, " IN (");
}

/* The condition for the messages of rows[0..n), all of them or as many as one query is for. Returns
 * how many rows theirs are: whole messages, at least one. */
static size_t add_messages(struct pl_buf *sql, const struct origin_look *o,
                           const struct origin_row *rows, size_t n, size_t messages_max)
{
    size_t i = 0, messages = 0, bytes = 0;
    while (i < n && messages < messages_max && bytes < LOOK_BYTES && sql->len < LOOK_SQL_BYTES) {
        const struct origin_row *r = &rows[i];
        bool same = i > 0 && partition_is_same(r - 1, r);
        if (!same) {
            pl_buf_add_str(sql, i > 0 ? ")) OR " : "");
            add_partition(sql, o, r);
        }
        pl_buf_addf(sql, "%s%" PRId64, same ? "," : "", r->offset);
        for (; i < n && message_order(r, &rows[i]) == 0; i++)
            bytes += rows_get(&o->ours.bytes, rows[i].row).len;
        messages++;
    }
    pl_buf_add_str(sql, "))");
    return i;
}

static int rows_read(const struct origin_look *o, struct pl_buf *sql, struct origin_rows *ret,
                     struct pl_err *err)
{
    struct pl_buf *b = &ret->bytes.bytes;
    b->max = ANSWER_BYTES_MAX;
    if (clickhouse_read(o->look.client, pl_buf_cstr(sql), b, err) < 0) {
        look_failed(&o->look, err);
        return -1;
    }
    for (size_t at = 0; at < b->len;) {
        size_t len = row_binary_len(o->block, b->data + at, b->len - at);
        if (len == 0)
            return pl_err_set(err, PL_ERR_RETRY, 0, "the rows of table %s did not arrive whole",
                              o->block->route->table);
        at += len;
        rows_ended(&ret->bytes, at);
    }
    rows_order(ret, o);
    rows_sort(ret);
    return 0;
}

/* ---- a message ---- */

/* How many of its rows are not of these letters; 0 where one is the message as a whole. */
static uint64_t others_of(const struct origin_look *o, const struct origin_row *rows, size_t n)
{
    PL_FREE const struct whole_message **letters = pl_alloc_array(n, sizeof(const void *));
    size_t letters_n = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && rows[i].letter == rows[i - 1].letter)
            continue;
        int64_t offset = o->batch->messages[rows[i].letter].offset;
        letters[letters_n] = whole_find(&o->batch->whole, offset);
        if (!letters[letters_n++])
            return 0;
    }
    return whole_others(letters, letters_n);
}

/* Those of its rows from *at on, which moves behind them; what is before is of no message asked
 * for. */
static size_t message_take(const struct origin_rows *from, size_t *at,
                           const struct origin_row *message, struct pl_slice **ret_rows,
                           size_t **ret_letters)
{
    while (*at < from->n && message_order(&from->rows[*at], message) < 0)
        ++*at;
    size_t start = *at;
    while (*at < from->n && message_order(&from->rows[*at], message) == 0)
        ++*at;
    size_t n = *at - start;
    *ret_rows = pl_alloc_array(n + 1, sizeof(**ret_rows));
    *ret_letters = pl_alloc_array(n + 1, sizeof(**ret_letters));
    for (size_t i = 0; i < n; i++) {
        (*ret_rows)[i] = rows_get(&from->bytes, from->rows[start + i].row);
        (*ret_letters)[i] = from->rows[start + i].letter;
    }
    return n;
}

/* The message of ours from `at` on. Returns where the next begins. */
static size_t message_mark(struct origin_look *o, size_t at, const struct origin_rows *theirs,
                           size_t *theirs_at)
{
    const struct origin_row *rows = &o->ours.rows[at];
    PL_FREE struct pl_slice *mine = NULL, *all = NULL, *their = NULL;
    PL_FREE size_t *mine_of = NULL, *all_of = NULL, *their_of = NULL;
    size_t n = message_take(&o->ours, &at, rows, &mine, &mine_of);
    size_t all_n = message_take(&o->whole, &o->whole_at, rows, &all, &all_of);
    size_t their_n = message_take(theirs, theirs_at, rows, &their, &their_of);
    uint64_t others = others_of(o, rows, n);
    PL_FREE bool *there = pl_alloc_array(n, sizeof(*there));
    rows_match_letters(&(struct letter_rows){mine, mine_of, n},
                       &(struct letter_rows){all, all_of, all_n}, their, their_n,
                       their_n > others ? their_n - others : 0, there);
    for (size_t i = 0; i < n; i++) {
        if (!there[i])
            continue;
        o->there[rows[i].row / 64] |= UINT64_C(1) << (rows[i].row % 64);
        o->there_n++;
    }
    return at;
}

/* An answer may be too long for us or the server: then for fewer messages. */
static int rows_look(struct origin_look *o, struct pl_err *err)
{
    size_t messages_max = LOOK_MESSAGES_MAX;
    for (size_t done = 0; done < o->ours.n;) {
        PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0};
        PL_CLEANUP(origin_rows_release) struct origin_rows theirs = {0};
        pl_buf_add_str(&sql, "SELECT ");
        look_add_values(&sql, &o->look);
        pl_buf_add_str(&sql, " FROM ");
        look_add_table(&sql, &o->look);
        pl_buf_add_str(&sql, " WHERE ");
        size_t end =
            done + add_messages(&sql, o, o->ours.rows + done, o->ours.n - done, messages_max);
        look_add_end(&sql, &o->look, "RowBinary");
        if (rows_read(o, &sql, &theirs, err) == 0) {
            for (size_t theirs_at = 0; done < end;)
                done = message_mark(o, done, &theirs, &theirs_at);
            continue;
        }
        if ((err->kind == PL_ERR_RETRY && err->code == 0) || messages_max == 1)
            return -1;
        messages_max /= 2;
    }
    return 0;
}

int presence_holds_origin(struct clickhouse *c, const struct presence_table *t, struct batch *b,
                          struct output_found *ret, struct pl_err *err)
{
    PL_CLEANUP(origin_look_release)
    struct origin_look o = {.look = {.client = c, .table = t}, .batch = b, .block = b->block};
    if (block_rows(b->block) == 0) {
        *ret = (struct output_found){.all = true};
        return 0;
    }
    if (look_begin(&o.look, err) < 0)
        return -1;
    rows_gather(&o);
    if (rows_look(&o, err) < 0)
        return -1;
    bool all = o.there_n == o.ours.n;
    if (all || o.look.presence != PRESENCE_KEYS)
        batch_rows_drop(b, o.there);
    *ret = (struct output_found){.some = o.there_n > 0, .all = all};
    return 0;
}
