/* SPDX-License-Identifier: Apache-2.0 */
/*
 * presence.c - see presence.h.
 *
 * Statements name no aliases: they would hide columns of the same name.
 */
#include "daemons/chsinkd/clickhouse/presence.h"

#include <inttypes.h>
#include <stdlib.h>

#include "daemons/chsinkd/clickhouse/internal.h"
#include "daemons/chsinkd/clickhouse/rows_match.h"

/* Of one query for rows: below max_query_size (256 KiB) for the offsets. */
#define LOOK_OFFSETS_MAX 4096

#define ACCESS_DENIED 497

/* Nothing in the user's profile may hide rows. All are known since 23.3. */
#define LOOK_SETTINGS                                                                              \
    " SETTINGS final = 0, limit = 0, offset = 0, use_query_cache = 0, additional_table_filters = " \
    "{}, max_parallel_replicas = 1, force_primary_key = 0, force_index_by_date = 0, extremes = "   \
    "0, result_overflow_mode = 'throw', read_overflow_mode = 'throw', group_by_overflow_mode = "   \
    "'throw', sort_overflow_mode = 'throw', timeout_overflow_mode = 'throw'"

enum presence presence_of_engine(const char *engine)
{
    static const char *const keeps_rows[] = {"MergeTree", "Log", "StripeLog", "TinyLog", "Memory"};
    static const char *const prefixes[] = {"Replicated", "Shared"};
    for (size_t i = 0; i < PL_COUNT(prefixes); i++)
        if (strncmp(engine, prefixes[i], strlen(prefixes[i])) == 0)
            engine += strlen(prefixes[i]);
    if (strcmp(engine, "ReplacingMergeTree") == 0)
        return PRESENCE_KEYS;
    for (size_t i = 0; i < PL_COUNT(keeps_rows); i++)
        if (strcmp(engine, keeps_rows[i]) == 0)
            return PRESENCE_ROWS;
    return PRESENCE_NONE;
}

bool presence_route_places(const struct route *r)
{
    return r->has_topic >= 0 && r->has_partition >= 0 && r->has_offset >= 0;
}

bool presence_route_can(const struct route *r)
{
    for (unsigned i = 0; i < r->columns_n; i++)
        if (r->rows_each && r->columns[i].source != COLUMN_EXPRESSION &&
            !row_column_compared(&r->columns[i]))
            return false;
    return presence_route_places(r);
}

/* ---- asking ---- */

void look_failed(const struct look *l, struct pl_err *err)
{
    if (err->kind == PL_ERR_REJECT)
        err->kind = PL_ERR_CONFIG;
    pl_err_prefix(err, "cannot look at the rows of table %s", l->table->route->table);
}

static int look_ask(const struct look *l, struct pl_buf *sql, struct pl_buf *ret,
                    struct pl_err *err)
{
    if (clickhouse_query(l->client, pl_buf_cstr(sql), ret, err) < 0) {
        look_failed(l, err);
        return -1;
    }
    if (ret)
        pl_buf_cstr(ret);
    return 0;
}

void look_add_table(struct pl_buf *sql, const struct look *l)
{
    if (l->table->database && l->table->database[0]) {
        clickhouse_quote_ident(sql, l->table->database);
        pl_buf_add_byte(sql, '.');
    }
    clickhouse_quote_ident(sql, l->table->route->table);
}

void look_add_column(struct pl_buf *sql, const struct look *l, int column)
{
    clickhouse_quote_ident(sql, l->table->route->columns[column].name);
}

void look_add_values(struct pl_buf *sql, const struct look *l)
{
    const struct route *r = l->table->route;
    const char *before = "CAST(";
    for (unsigned i = 0; i < r->columns_n; i++) {
        if (!row_column_compared(&r->columns[i]))
            continue;
        pl_buf_add_str(sql, before);
        look_add_column(sql, l, (int)i);
        pl_buf_addf(sql, " AS %s)", r->columns[i].type.wire);
        before = ", CAST(";
    }
}

static void add_text(struct pl_buf *sql, const char *text)
{
    clickhouse_quote_string(sql, text, strlen(text));
}

/* " FROM … WHERE topic and partition" */
static void add_from(struct pl_buf *sql, const struct look *l)
{
    const struct route *r = l->table->route;
    pl_buf_add_str(sql, " FROM ");
    look_add_table(sql, l);
    pl_buf_add_str(sql, " WHERE ");
    look_add_column(sql, l, r->has_topic);
    pl_buf_add_str(sql, " = ");
    add_text(sql, l->topic);
    pl_buf_add_str(sql, " AND ");
    look_add_column(sql, l, r->has_partition);
    pl_buf_addf(sql, " = %" PRId32, l->partition);
}

void look_add_end(struct pl_buf *sql, const struct look *l, const char *format)
{
    pl_buf_add_str(sql, LOOK_SETTINGS);
    if (l->replicated)
        pl_buf_add_str(sql, ", select_sequential_consistency = 1");
    pl_buf_addf(sql, " FORMAT %s", format);
}

static void add_where_name(struct pl_buf *sql, const struct look *l, const char *name)
{
    pl_buf_add_str(sql, " WHERE database = ");
    if (l->table->database && l->table->database[0])
        add_text(sql, l->table->database);
    else
        pl_buf_add_str(sql, "currentDatabase()");
    pl_buf_addf(sql, " AND %s = ", name);
    add_text(sql, l->table->route->table);
}

/* Where this replica cannot be told to catch up: whether it is behind. The log's numbers begin at
 * 0, and 0, 0 is also an empty log. */
static int replica_check(const struct look *l, struct pl_err *err)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0}, answer = {.max = 4096};
    pl_buf_add_str(&sql, "SELECT count() FROM system.replicas");
    add_where_name(&sql, l, "table");
    pl_buf_add_str(&sql, " AND (is_readonly OR inserts_in_queue > 0 OR (log_max_index > 0 AND "
                         "log_pointer <= log_max_index)) FORMAT TSV");
    if (look_ask(l, &sql, &answer, err) < 0)
        return -1;
    if (strtoull(answer.data, NULL, 10) == 0)
        return 0;
    return pl_err_set(err, PL_ERR_RETRY, 0,
                      "the replica is behind the others, so what table %s has cannot be told yet; "
                      "GRANT SYSTEM SYNC REPLICA on it to clickhouse.user makes it catch up first",
                      l->table->route->table);
}

static int replica_sync(const struct look *l, struct pl_err *err)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0};
    pl_buf_add_str(&sql, "SYSTEM SYNC REPLICA ");
    look_add_table(&sql, l);
    pl_buf_add_str(&sql, " LIGHTWEIGHT");
    struct pl_err failed;
    if (look_ask(l, &sql, NULL, &failed) == 0)
        return 0;
    if (failed.code == ACCESS_DENIED)
        return replica_check(l, err);
    *err = failed;
    return -1;
}

int look_begin(struct look *l, struct pl_err *err)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0}, answer = {.max = 4096};
    pl_buf_add_str(&sql, "SELECT engine FROM system.tables");
    add_where_name(&sql, l, "name");
    pl_buf_add_str(&sql, " FORMAT TSV");
    if (look_ask(l, &sql, &answer, err) < 0)
        return -1;
    answer.data[strcspn(answer.data, "\r\n")] = '\0';
    l->presence = presence_of_engine(answer.data);
    if (l->presence == PRESENCE_NONE)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "what table %s has cannot be asked: %s%s",
                          l->table->route->table,
                          answer.data[0] ? "engine " : "there is no such table", answer.data);
    bool shared = strncmp(answer.data, "Shared", strlen("Shared")) == 0;
    l->replicated = shared || strncmp(answer.data, "Replicated", strlen("Replicated")) == 0;
    return l->replicated && !shared ? replica_sync(l, err) : 0;
}

/* ---- rows of an offset ---- */

/* A message with rows, some of which are there. */
struct partial {
    int64_t offset;
    uint64_t first; /* its rows in the block */
    uint32_t rows;
};

void rows_release(struct rows *r)
{
    pl_buf_release(&r->bytes);
    free(r->ends);
    *r = (struct rows){0};
}

void rows_ended(struct rows *r, size_t end)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->ends = pl_realloc_array(r->ends, r->cap, sizeof(*r->ends));
    }
    r->ends[r->n++] = end;
}

struct pl_slice rows_get(const struct rows *r, size_t i)
{
    size_t start = i > 0 ? r->ends[i - 1] : 0;
    return (struct pl_slice){r->bytes.data + start, r->ends[i] - start};
}

static void bit_set(uint64_t *bits, uint64_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

struct compare {
    const struct look *look;
    const struct block *block;
    struct row_walk walk;
    uint64_t *there;    /* a bit a row of the block */
    struct rows ours;   /* of the partials asked for */
    struct rows theirs; /* bytes: the answer; each row begins with its offset */
};

static void compare_release(struct compare *c)
{
    row_walk_release(&c->walk);
    rows_release(&c->ours);
    rows_release(&c->theirs);
}

static int rows_ask(struct compare *c, const struct partial *p, size_t n, struct pl_err *err)
{
    const struct look *l = c->look;
    const struct route *r = l->table->route;
    PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0};
    pl_buf_add_str(&sql, "SELECT CAST(");
    look_add_column(&sql, l, r->has_offset);
    pl_buf_add_str(&sql, " AS Int64), ");
    look_add_values(&sql, l);
    add_from(&sql, l);
    pl_buf_add_str(&sql, " AND ");
    look_add_column(&sql, l, r->has_offset);
    pl_buf_add_str(&sql, " IN (");
    for (size_t i = 0; i < n; i++)
        pl_buf_addf(&sql, "%s%" PRId64, i ? "," : "", p[i].offset);
    pl_buf_add_str(&sql, ") ORDER BY ");
    look_add_column(&sql, l, r->has_offset);
    look_add_end(&sql, l, "RowBinary");
    c->theirs.n = 0;
    pl_buf_reset(&c->theirs.bytes);
    c->theirs.bytes.max = ANSWER_BYTES_MAX;
    if (clickhouse_read(l->client, pl_buf_cstr(&sql), &c->theirs.bytes, err) < 0) {
        look_failed(l, err);
        return -1;
    }
    const struct pl_buf *b = &c->theirs.bytes;
    for (size_t at = 0; at < b->len;) {
        size_t rest = b->len - at, head = sizeof(int64_t);
        size_t len = rest > head ? row_binary_len(c->block, b->data + at + head, rest - head) : 0;
        if (len == 0)
            return pl_err_set(err, PL_ERR_RETRY, 0, "the rows of table %s did not arrive whole",
                              r->table);
        at += head + len;
        rows_ended(&c->theirs, at);
    }
    return 0;
}

static int64_t theirs_offset(const struct compare *c, size_t i)
{
    int64_t offset;
    memcpy(&offset, rows_get(&c->theirs, i).p, sizeof(offset));
    return offset;
}

/* The rows of one message. */
struct sides {
    struct pl_slice *ours, *theirs;
    size_t theirs_n;
};

static void sides_release(struct sides *s)
{
    free(s->ours);
    free(s->theirs);
}

/* Its rows are ours from *ours on, and theirs from *theirs on. Both move behind them. */
static struct sides sides_take(const struct compare *c, const struct partial *p, size_t *ours,
                               size_t *theirs)
{
    size_t end = *theirs;
    while (end < c->theirs.n && theirs_offset(c, end) == p->offset)
        end++;
    struct sides s = {.theirs_n = end - *theirs};
    s.ours = pl_alloc_array(p->rows, sizeof(*s.ours));
    s.theirs = pl_alloc_array(s.theirs_n + 1, sizeof(*s.theirs));
    for (size_t i = 0; i < p->rows; i++)
        s.ours[i] = rows_get(&c->ours, *ours + i);
    for (size_t i = 0; i < s.theirs_n; i++) {
        struct pl_slice row = rows_get(&c->theirs, *theirs + i);
        s.theirs[i] = (struct pl_slice){row.p + sizeof(int64_t), row.len - sizeof(int64_t)};
    }
    *ours += p->rows;
    *theirs = end;
    return s;
}

static void partial_mark(struct compare *c, const struct partial *p, size_t *ours, size_t *theirs)
{
    PL_CLEANUP(sides_release) struct sides s = sides_take(c, p, ours, theirs);
    PL_FREE bool *there = pl_alloc_array(p->rows, sizeof(*there));
    rows_match(c->block, s.ours, p->rows, s.theirs, s.theirs_n, there);
    for (size_t i = 0; i < p->rows; i++)
        if (there[i])
            bit_set(c->there, p->first + i);
}

static void ours_add(struct compare *c, const struct partial *p)
{
    row_walk_to(&c->walk, p->first);
    for (uint32_t k = 0; k < p->rows; k++) {
        row_walk_add(&c->walk, &c->ours.bytes);
        rows_ended(&c->ours, c->ours.bytes.len);
    }
}

static int partials_look(struct compare *c, const struct partial *p, size_t n, struct pl_err *err)
{
    for (size_t done = 0, i = 0; done < n; done = i) {
        c->ours.n = 0;
        pl_buf_reset(&c->ours.bytes);
        for (; i < n && i - done < LOOK_OFFSETS_MAX && c->ours.bytes.len < LOOK_BYTES; i++)
            ours_add(c, &p[i]);
        if (rows_ask(c, p + done, i - done, err) < 0)
            return -1;
        size_t ours = 0, theirs = 0;
        for (size_t k = done; k < i; k++)
            partial_mark(c, &p[k], &ours, &theirs);
        if (theirs != c->theirs.n)
            return pl_err_set(err, PL_ERR_RETRY, 0, "table %s answers with rows of other offsets",
                              c->look->table->route->table);
    }
    return 0;
}

/* Is a row of the message equal to one that is there? */
static int probe_look(const struct look *l, const struct block *block, const struct partial *p,
                      bool *ret_equal, struct pl_err *err)
{
    PL_CLEANUP(compare_release) struct compare c = {.look = l, .block = block};
    size_t ours = 0, theirs = 0;
    row_walk_init(&c.walk, block);
    ours_add(&c, p);
    if (rows_ask(&c, p, 1, err) < 0)
        return -1;
    PL_CLEANUP(sides_release) struct sides s = sides_take(&c, p, &ours, &theirs);
    if (s.theirs_n == 0 || theirs != c.theirs.n)
        return pl_err_set(err, PL_ERR_RETRY, 0, "table %s answers with rows of other offsets",
                          l->table->route->table);
    *ret_equal = rows_match_any(s.ours, p->rows, s.theirs, s.theirs_n);
    return 0;
}

/* ---- counts ---- */

static int counts_ask(const struct look *l, int64_t first, int64_t last, struct pl_buf *ret,
                      struct pl_err *err)
{
    int column = l->table->route->has_offset;
    PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0};
    ret->max = ANSWER_BYTES_MAX;
    pl_buf_add_str(&sql, "SELECT ");
    look_add_column(&sql, l, column);
    pl_buf_add_str(&sql, ", count()");
    add_from(&sql, l);
    pl_buf_add_str(&sql, " AND ");
    look_add_column(&sql, l, column);
    pl_buf_addf(&sql, " >= %" PRId64 " AND ", first);
    look_add_column(&sql, l, column);
    pl_buf_addf(&sql, " <= %" PRId64 " GROUP BY ", last);
    look_add_column(&sql, l, column);
    pl_buf_add_str(&sql, " ORDER BY ");
    look_add_column(&sql, l, column);
    look_add_end(&sql, l, "TSV");
    return look_ask(l, &sql, ret, err);
}

/* The next line of two numbers. */
static bool counts_next(const char **at, int64_t *ret_offset, uint64_t *ret_count)
{
    char *end;
    *ret_offset = strtoll(*at, &end, 10);
    if (end == *at || *end != '\t')
        return false;
    *ret_count = strtoull(end + 1, &end, 10);
    *at = end + strspn(end, "\r\n");
    return true;
}

struct sorted { /* the batch's messages, by what the table has of them */
    struct partial *partials;
    size_t partials_n;
    struct partial last; /* some: of which something is there */
    bool some, all;
};

/* Marks the rows of the messages that are there as a whole. */
static void counts_sort(const struct batch *b, const char *counts, uint64_t *there,
                        struct sorted *ret)
{
    int64_t offset = INT64_MIN;
    uint64_t count = 0, row = 0;
    bool more = true;
    *ret = (struct sorted){.partials = pl_alloc_array(b->messages_n, sizeof(*ret->partials)),
                           .all = true};
    for (size_t i = 0; i < b->messages_n; i++) {
        const struct batch_message *m = &b->messages[i];
        if (m->rows == 0)
            continue;
        while (more && offset < m->offset)
            more = counts_next(&counts, &offset, &count);
        uint64_t has = more && offset == m->offset ? count : 0;
        const struct partial p = {m->offset, row, m->rows};
        ret->some = ret->some || has > 0;
        ret->all = ret->all && has >= m->rows;
        if (has > 0)
            ret->last = p;
        if (has >= m->rows)
            for (uint32_t k = 0; k < m->rows; k++)
                bit_set(there, row + k);
        else if (has > 0)
            ret->partials[ret->partials_n++] = p;
        row += m->rows;
    }
}

/* Dead letters whose rows are there: another version of the route took what this one rejects. Where
 * the table has more rows of a message than the batch, just as many more as were rejected (or any,
 * if the message as a whole was), they are those. */
static void letters_drop(struct batch *b, const char *counts)
{
    const struct dead_letter *d = b->dead.first, *next;
    int64_t offset = INT64_MIN;
    uint64_t count = 0;
    bool more = true;
    for (size_t i = 0; i < b->messages_n && d; i++) {
        const struct batch_message *m = &b->messages[i];
        if (d->offset != m->offset)
            continue;
        next = d->next;
        while (more && offset < m->offset)
            more = counts_next(&counts, &offset, &count);
        uint64_t has = more && offset == m->offset ? count : 0;
        uint64_t surplus = has > m->rows ? has - m->rows : 0;
        if (surplus > 0 && (d->rows == 0 || d->rows == surplus))
            batch_letter_drop(b, i);
        d = next;
    }
}

int presence_holds(struct clickhouse *c, const struct presence_table *t,
                   const struct output_range *range, struct batch *b, struct output_found *ret,
                   struct pl_err *err)
{
    uint64_t rows = block_rows(b->block);
    struct look l = {.client = c, .table = t, .topic = range->topic, .partition = range->partition};
    if (rows == 0 && b->dead.count == 0) {
        *ret = (struct output_found){.all = true};
        return 0;
    }
    PL_CLEANUP(pl_buf_release) struct pl_buf counts = {0};
    if (look_begin(&l, err) < 0 ||
        counts_ask(&l, b->messages[0].offset, b->messages[b->messages_n - 1].offset, &counts, err) <
            0)
        return -1;
    PL_FREE uint64_t *there = pl_alloc_array(rows / 64 + 1, sizeof(*there));
    struct sorted sorted;
    counts_sort(b, pl_buf_cstr(&counts), there, &sorted);
    PL_FREE struct partial *partials = sorted.partials;
    bool keys = l.presence == PRESENCE_KEYS, equal = true;
    if (range->compare && sorted.some && probe_look(&l, b->block, &sorted.last, &equal, err) < 0)
        return -1;
    if (!equal) {
        *ret = (struct output_found){.some = true, .other = true, .offset = sorted.last.offset};
        return 0;
    }
    if (!range->compare || sorted.some) /* else nothing says that the rows are of this topic */
        letters_drop(b, pl_buf_cstr(&counts));
    if (sorted.partials_n > 0 && !keys) {
        PL_CLEANUP(compare_release)
        struct compare compare = {.look = &l, .block = b->block, .there = there};
        row_walk_init(&compare.walk, b->block);
        if (partials_look(&compare, partials, sorted.partials_n, err) < 0)
            return -1;
    }
    if (sorted.all || !keys)
        batch_rows_drop(b, there);
    *ret = (struct output_found){.some = sorted.some, .all = block_rows(b->block) == 0};
    return 0;
}

int presence_position(struct clickhouse *c, const struct presence_table *t, const char *topic,
                      int32_t partition, int64_t *ret_offset, struct pl_err *err)
{
    struct look l = {.client = c, .table = t, .topic = topic, .partition = partition};
    PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0}, answer = {.max = 4096};
    if (look_begin(&l, err) < 0)
        return -1;
    pl_buf_add_str(&sql, "SELECT max(");
    look_add_column(&sql, &l, t->route->has_offset);
    pl_buf_add_str(&sql, "), count()");
    add_from(&sql, &l);
    look_add_end(&sql, &l, "TSV");
    if (look_ask(&l, &sql, &answer, err) < 0)
        return -1;
    const char *at = answer.data;
    int64_t highest;
    uint64_t count;
    if (!counts_next(&at, &highest, &count))
        return pl_err_set(err, PL_ERR_RETRY, 0, "table %s answers without a number",
                          t->route->table);
    *ret_offset = count > 0 ? highest + 1 : -1;
    return 0;
}
