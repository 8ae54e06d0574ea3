/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.c - the state that chsinkd's threads share.
 */
#include "daemons/chsinkd/sink/sink.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/log/log.h"

static void sink_route_init(struct sink_route *sr, const struct route *r, const char *database)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf quoted = {0};
    sr->route = r;
    sr->database = r->database ? r->database : database;
    sr->rows = rows_new(r);
    sr->table = pl_strf("%s.%s", sr->database, r->table);
    clickhouse_quote_ident(&quoted, sr->database);
    pl_buf_add_byte(&quoted, '.');
    clickhouse_quote_ident(&quoted, r->table);
    sr->table_quoted = pl_buf_take(&quoted);
    table_insert_sql(r, database, &sr->insert_sql);
}

static void sink_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

void sink_cond_wait(struct sink *s, pthread_cond_t *cond, int64_t wait_ms)
{
    int64_t at_ms = pl_clock_monotonic_ms() + wait_ms;
    struct timespec until = {at_ms / 1000, at_ms % 1000 * 1000000};
    pthread_cond_timedwait(cond, &s->lock, &until);
}

void sink_room_wait(struct sink *s, int64_t wait_ms)
{
    pthread_mutex_lock(&s->lock);
    sink_cond_wait(s, &s->room, wait_ms);
    pthread_mutex_unlock(&s->lock);
}

void sink_init(struct sink *s, const struct chsinkd_conf *conf, struct pl_metrics *metrics)
{
    memset(s, 0, sizeof(*s));
    s->conf = conf;
    s->metrics = metrics;
    pthread_mutex_init(&s->lock, NULL);
    sink_cond_init(&s->work);
    sink_cond_init(&s->room);
    s->queue_end = &s->queue_first;
    s->routes = pl_alloc_array(conf->routes_n, sizeof(*s->routes));
    s->routes_n = conf->routes_n;
    for (unsigned i = 0; i < conf->routes_n; i++)
        sink_route_init(&s->routes[i], conf->routes[i], conf->clickhouse.database);
    sink_limits_set(s, conf);
    /* Each URL may take its time-out to refuse, then one has its own to work. */
    s->clickhouse_ms = conf->clickhouse.timeout_ms +
                       (int64_t)conf->clickhouse.urls.n * conf->clickhouse.connect_timeout_ms;
}

void sink_limits_set(struct sink *s, const struct chsinkd_conf *conf)
{
    s->batch_rows = conf->batch_rows;
    s->batch_bytes = conf->batch_bytes;
    s->batch_age_ms = conf->batch_age_ms;
    s->inserts_per_second = conf->inserts_per_second;
}

void sink_release(struct sink *s)
{
    sink_batch_list_drop(s, s->queue_first);
    for (unsigned i = 0; i < s->partitions_n; i++) {
        struct partition *p = s->partitions[i];
        sink_batch_list_drop(s, p->open);
        free(p->present);
        free(p->topic);
        free(p);
    }
    free(s->partitions);
    for (unsigned i = 0; i < s->routes_n; i++) {
        struct sink_route *sr = &s->routes[i];
        for (unsigned b = 0; b < sr->spare_n; b++)
            block_free(sr->spare[b]);
        rows_free(sr->rows);
        pl_buf_release(&sr->insert_sql);
        free(sr->table);
        free(sr->table_quoted);
    }
    free(s->routes);
    for (unsigned i = 0; i < s->clients_n; i++)
        clickhouse_free(s->clients[i]);
    deadletter_writer_free(s->deadletters);
    if (s->rk)
        rd_kafka_destroy_flags(s->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    pthread_cond_destroy(&s->room);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
}

void sink_fail(struct sink *s, const struct pl_err *err)
{
    pthread_mutex_lock(&s->lock);
    if (s->failed.kind == PL_ERR_NONE)
        s->failed = *err;
    pthread_mutex_unlock(&s->lock);
    if (s->waker)
        pl_waker_wake(s->waker);
}

void sink_clients_abort(struct sink *s, bool abort)
{
    for (unsigned i = 0; i < s->clients_n; i++)
        clickhouse_abort(s->clients[i], abort);
}

void sink_give_up(struct sink *s)
{
    s->give_up = true;
    pthread_mutex_lock(&s->lock);
    sink_clients_abort(s, true);
    pthread_cond_broadcast(&s->work);
    pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);
}

struct clickhouse *sink_client_new(struct sink *s)
{
    struct clickhouse *c = clickhouse_new(&s->conf->clickhouse);
    pthread_mutex_lock(&s->lock);
    assert(s->clients_n < PL_COUNT(s->clients));
    s->clients[s->clients_n++] = c;
    pthread_mutex_unlock(&s->lock);
    return c;
}

int sink_thread_start(pthread_t *ret_thread, void *(*run)(void *arg), void *arg, struct pl_err *err)
{
    int rc = pthread_create(ret_thread, NULL, run, arg);
    return rc == 0 ? 0
                   : pl_err_set(err, PL_ERR_FATAL, rc, "cannot start a thread: %s", strerror(rc));
}

static struct sink_route *route_for(struct sink *s, const char *topic)
{
    for (unsigned i = 0; i < s->routes_n; i++) {
        struct sink_route *sr = &s->routes[i];
        if (s->replay ? sr->route == s->replay : route_takes(sr->route, topic))
            return sr;
    }
    return NULL;
}

struct partition *sink_partition_find(struct sink *s, const char *topic, int32_t id)
{
    for (unsigned i = 0; i < s->partitions_n; i++)
        if (s->partitions[i]->id == id && strcmp(s->partitions[i]->topic, topic) == 0)
            return s->partitions[i];
    return NULL;
}

struct partition *sink_partition(struct sink *s, const char *topic, int32_t id)
{
    struct partition *p = sink_partition_find(s, topic, id);
    if (p)
        return p;
    p = pl_alloc(sizeof(*p));
    p->topic = pl_strdup(topic);
    p->id = id;
    p->route = route_for(s, topic);
    p->announced.end = p->fixed_end = p->limit_until = p->condemned = p->once_end = -1;
    pthread_mutex_lock(&s->lock);
    s->partitions = pl_realloc_array(s->partitions, s->partitions_n + 1, sizeof(*s->partitions));
    s->partitions[s->partitions_n++] = p;
    pthread_mutex_unlock(&s->lock);
    return p;
}

struct batch *sink_batch_new(struct sink *s, struct partition *p)
{
    struct batch *b = pl_alloc(sizeof(*b));
    b->partition = p;
    pthread_mutex_lock(&s->lock);
    b->epoch = p->epoch;
    if (p->route->spare_n > 0)
        b->block = p->route->spare[--p->route->spare_n];
    pthread_mutex_unlock(&s->lock);
    if (!b->block)
        b->block = block_new(p->route->route);
    b->opened_ms = pl_clock_monotonic_ms();
    return b;
}

void sink_batch_drop(struct sink *s, struct batch *b, bool given_back)
{
    struct sink_route *sr = b->partition->route;
    if (given_back)
        pl_metrics_inc(s->metrics, M_GIVEN_BACK, b->messages);
    s->in_flight -= (int64_t)b->messages;
    dead_letters_release(&b->dead);
    block_reset(b->block);
    pthread_mutex_lock(&s->lock);
    if (sr->spare_n < PL_COUNT(sr->spare))
        sr->spare[sr->spare_n++] = PL_TAKE(b->block);
    pthread_mutex_unlock(&s->lock);
    block_free(b->block);
    free(b);
}

void sink_batch_list_drop(struct sink *s, struct batch *list)
{
    while (list) {
        struct batch *next = list->next;
        sink_batch_drop(s, list, true);
        list = next;
    }
}

void sink_queue_push(struct sink *s, struct batch *b)
{
    b->next = NULL;
    *s->queue_end = b;
    s->queue_end = &b->next;
    s->queued++;
    s->bytes_held += sink_batch_memory(b);
    pthread_cond_signal(&s->work);
}

static struct batch *queue_unlink(struct sink *s, struct batch **link)
{
    struct batch *b = *link;
    *link = b->next;
    if (s->queue_end == &b->next)
        s->queue_end = link;
    b->next = NULL;
    s->queued--;
    s->bytes_held -= sink_batch_memory(b);
    return b;
}

struct batch *sink_queue_take_ready(struct sink *s)
{
    for (struct batch **link = &s->queue_first; *link; link = &(*link)->next)
        if (!(*link)->partition->busy) {
            s->taken++;
            return queue_unlink(s, link);
        }
    return NULL;
}

struct batch *sink_queue_take_partition(struct sink *s, const struct partition *p)
{
    struct batch *taken = NULL;
    struct batch **link = &s->queue_first;
    while (*link) {
        if ((*link)->partition == p) {
            struct batch *b = queue_unlink(s, link);
            b->next = taken;
            taken = b;
        } else {
            link = &(*link)->next;
        }
    }
    return taken;
}

const struct batch *sink_queue_next(const struct sink *s, const struct partition *p)
{
    for (const struct batch *b = s->queue_first; b; b = b->next)
        if (b->partition == p)
            return b;
    return NULL;
}

size_t sink_batch_memory(const struct batch *b)
{
    return block_capacity(b->block) + b->dead.bytes;
}

#define LOG_EVERY_MS 60000

/* The one whose sums are due and have waited longest. With the lock held. */
static struct partition *log_next(struct sink *s, int64_t now_ms, bool all)
{
    struct partition *found = NULL;
    for (unsigned i = 0; i < s->partitions_n; i++) {
        struct partition *p = s->partitions[i];
        bool due = all || p->logged_ms == 0 || now_ms - p->logged_ms >= LOG_EVERY_MS;
        if (p->sums.batches > 0 && due && (!found || p->logged_ms < found->logged_ms))
            found = p;
    }
    return found;
}

void sink_log(struct sink *s, int64_t now_ms, bool all)
{
    struct partition *p;
    do {
        struct sink_sums sums = {0};
        /* A new site each time, as these lines are limited already. */
        struct pl_log_site site = {.file = __FILE__, .line = __LINE__, .func = __func__};
        pthread_mutex_lock(&s->lock);
        p = log_next(s, now_ms, all);
        if (p) {
            sums = p->sums;
            p->sums = (struct sink_sums){0};
            p->logged_ms = now_ms;
        }
        pthread_mutex_unlock(&s->lock);
        if (p && pl_log_level() >= PL_INFO)
            pl_log_at(&site, PL_INFO, PL_EVENT_BATCH_INSERTED, "rows inserted",
                      (const struct pl_log_field[]){SINK_F_TABLE(p->route),
                                                    PL_F_UINT("ROWS", sums.rows),
                                                    PL_F_UINT("BATCHES", sums.batches),
                                                    PL_F_UINT("MESSAGES", sums.messages),
                                                    PL_F_UINT("BYTES", sums.bytes),
                                                    SINK_F_PARTITION(p),
                                                    SINK_F_RANGE(&sums),
                                                    PL_F_INT("DURATION_MS", sums.took_ms),
                                                    {0}});
    } while (p && all);
}

/* An inserter with a batch has a deadline; a batch that none takes has none. */
#define NOT_TAKEN_MS 60000

const char *sink_stuck(struct sink *s, struct pl_progress *progress)
{
    struct pl_progress_now now = {.now_ms = pl_clock_monotonic_ms()};
    if (pl_deadline_is_overdue(&s->consumer_deadline, now.now_ms))
        return s->consumer_deadline.doing;
    for (unsigned i = 0; i < s->inserters_n; i++)
        if (pl_deadline_is_overdue(&s->inserter_deadlines[i], now.now_ms))
            return s->inserter_deadlines[i].doing;
    pthread_mutex_lock(&s->lock);
    now.done = s->taken;
    now.pending = s->queued > 0 && s->busy == 0;
    pthread_mutex_unlock(&s->lock);
    return pl_progress_moves(progress, &now, NOT_TAKEN_MS) ? NULL : "taking a batch";
}

bool sink_can_ask_table(const struct route *r)
{
    return r->has_topic >= 0 && r->has_partition >= 0 && r->has_offset >= 0 &&
           strcmp(r->engine, "Null") != 0;
}

int sink_ask_table(struct clickhouse *c, const struct sink_route *sr, const struct pl_range *range,
                   int64_t **ret_offsets, size_t *ret_n, struct pl_err *err)
{
    const struct route *r = sr->route;
    PL_CLEANUP(pl_buf_release) struct pl_buf sql = {0}, body = {.max = 512U << 20};
    pl_buf_add_str(&sql, "SELECT DISTINCT ");
    clickhouse_quote_ident(&sql, r->columns[r->has_offset].name);
    pl_buf_addf(&sql, " AS o FROM %s WHERE ", sr->table_quoted);
    clickhouse_quote_ident(&sql, r->columns[r->has_topic].name);
    pl_buf_add_str(&sql, " = ");
    clickhouse_quote_string(&sql, range->topic, strlen(range->topic));
    pl_buf_add_str(&sql, " AND ");
    clickhouse_quote_ident(&sql, r->columns[r->has_partition].name);
    pl_buf_addf(&sql,
                " = %" PRId32 " AND o >= %" PRId64 " AND o < %" PRId64 " ORDER BY o FORMAT TSV",
                range->partition, range->start, range->end);
    if (clickhouse_query(c, pl_buf_cstr(&sql), &body, err) < 0)
        return -1;
    int64_t *offsets = NULL;
    size_t n = 0;
    for (const char *p = pl_buf_cstr(&body); *p;) {
        char *end;
        int64_t offset = strtoll(p, &end, 10);
        if (end == p || *end != '\n')
            break;
        if ((n & (n - 1)) == 0)
            offsets = pl_realloc_array(offsets, n ? 2 * n : 1, sizeof(*offsets));
        offsets[n++] = offset;
        p = end + 1;
    }
    *ret_offsets = offsets;
    *ret_n = n;
    return 0;
}
