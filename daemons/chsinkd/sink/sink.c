/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.c - the life of what chsinkd's threads share.
 */
#include "daemons/chsinkd/sink/sink.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/route/digest.h"
#include "daemons/chsinkd/sink/adding.h"
#include "daemons/chsinkd/sink/consumer.h"
#include "lib/base/clock.h"
#include "lib/log/log.h"

/* How long after a commit an insert may be sent (partition.h). What is announced anew waits for
 * that long at most for a free worker. */
#define LEASE_MS 30000
/* While running a token must be relied on for some time, or nothing could be inserted. (What is
 * found announced at the start of reading is looked up as ask_table_after says: place.c.) */
#define YOUNG_MIN_MS 10000
/* An insert's way to the server, beyond the time that its call may take. */
#define ON_THE_WAY_MS 5000

static void sink_route_init(struct sink *s, struct sink_route *sr, const struct route *r)
{
    sr->route = r;
    sr->rows = rows_new(r);
    sr->adding = adding_new(r);
    for (unsigned i = 0; i < r->columns_n; i++)
        sr->wants_headers |= r->columns[i].source == COLUMN_HEADER;
    sr->target = s->output->target_new(s->output_conf, r);
    sr->table = r->table;
    sr->database = sr->target->database;
    sr->machine = (struct partition_conf){
        .digest = route_digest(r, sr->target->database, DECODE_VERSION),
        .young_ms =
            s->conf->ask_table_after_ms > YOUNG_MIN_MS ? s->conf->ask_table_after_ms : YOUNG_MIN_MS,
        .settle_ms = s->call_ms + ON_THE_WAY_MS,
        .lease_ms = LEASE_MS,
    };
}

static void sink_route_release(struct sink *s, struct sink_route *sr)
{
    rows_free(sr->rows);
    rows_free(sr->rows_whole);
    adding_free(sr->adding);
    s->output->target_free(sr->target);
    *sr = (struct sink_route){0};
}

void sink_route_anew(struct sink *s, struct sink_route *sr)
{
    const struct route *r = sr->route;
    sink_route_release(s, sr);
    sink_route_init(s, sr, r);
}

void sink_route_state(struct sink_route *sr, const struct output_state *state)
{
    sr->machine.keeps_position = state->guarantee == OUTPUT_POSITION;
    sr->machine.can_look = state->can_look && !sr->machine.keeps_position;
    if (state->grows || !sr->adding || adding_is_stopped(sr->adding))
        return;
    adding_stop(sr->adding);
    pl_log(PL_WARNING, PL_EVENT_COLUMN_NOT_ADDED,
           "unknown_fields: add has no effect: more than the table itself must change for a column",
           SINK_F_TABLE(sr), PL_F_STR("ENGINE", state->engine), PL_F_STR("ROUTE", sr->route->name));
}

static void wake_init(struct sink *s)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->wake_lock, NULL);
}

static void id_make(char *out, size_t size)
{
    uint64_t random;
    arc4random_buf(&random, sizeof(random));
    snprintf(out, size, "%016" PRIx64, random);
}

static void on_answer(void *userdata)
{
    sink_wake(userdata);
}

void sink_init(struct sink *s, const struct chsinkd_conf *conf, const struct sink_part *part,
               const struct output_kind *output, const void *output_conf,
               struct pl_metrics *metrics)
{
    memset(s, 0, sizeof(*s));
    s->conf = conf;
    s->of = part ? part->of : 1;
    s->group = pl_strdup(part ? part->group : chsinkd_conf_group(conf));
    s->metrics = metrics;
    s->output = output;
    s->output_conf = output_conf;
    pthread_mutex_init(&s->lock, NULL);
    wake_init(s);
    s->call_ms = output->call_ms(output_conf);
    id_make(s->id, sizeof(s->id));
    workers_desk_init(&s->desk, on_answer, s);
    s->memory_bytes = conf->memory_bytes_max / s->of;
    s->rows_bytes_max = (size_t)s->memory_bytes / 8 * SINK_ROWS_EIGHTHS;
    s->pool = block_pool_new(s->rows_bytes_max);
    s->routes = pl_alloc_array(conf->routes_n, sizeof(*s->routes));
    for (unsigned i = 0; i < conf->routes_n; i++)
        if (!part || strcmp(chsinkd_conf_route_group(conf, conf->routes[i]), s->group) == 0)
            sink_route_init(s, &s->routes[s->routes_n++], conf->routes[i]);
    sink_limits_set(s, conf);
}

void sink_limits_set(struct sink *s, const struct chsinkd_conf *conf)
{
    s->batch_rows = conf->batch_rows;
    s->batch_bytes = conf->batch_bytes;
    s->batch_age_ms = conf->batch_age_ms;
    s->inserts_per_second = conf->inserts_per_second > s->of ? conf->inserts_per_second / s->of : 1;
}

static void batches_free(struct batch *b)
{
    while (b) {
        struct batch *next = b->next;
        batch_free(b);
        b = next;
    }
}

static void partition_free(struct partition *p)
{
    batches_free(p->open);
    batches_free(p->ready);
    batches_free(p->working);
    pl_buf_release(&p->work.token);
    pl_buf_release(&p->work.note);
    pl_buf_release(&p->note);
    note_release(&p->note_kept);
    free(p->topic);
    free(p);
}

/* Before librdkafka 2.3 (its #4381) the end of a cooperative member that was never the group's
 * leader aborts the process. It has left the group, and the process ends: the client is left to
 * that. */
static void client_destroy(rd_kafka_t *rk, bool subscribed)
{
    if (rd_kafka_version() >= 0x02030000 || !subscribed)
        rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    else
        rd_kafka_set_log_level(rk, 0);
}

void sink_release(struct sink *s)
{
    courier_free(s->courier);
    for (unsigned i = 0; i < s->partitions_n; i++)
        partition_free(s->partitions[i]);
    free(s->partitions);
    block_pool_free(s->pool);
    for (unsigned i = 0; i < s->routes_n; i++) {
        sink_route_release(s, &s->routes[i]);
    }
    free(s->routes);
    free(s->group);
    for (unsigned i = 0; i < s->topics_n; i++)
        free(s->topics[i].name);
    free(s->topics);
    if (s->rk)
        client_destroy(s->rk, s->subscribed);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->wake_lock);
    pthread_mutex_destroy(&s->lock);
}

void sink_wake(struct sink *s)
{
    pthread_mutex_lock(&s->wake_lock);
    s->woken = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->wake_lock);
    if (s->consumer && s->consumer->data)
        rd_kafka_queue_yield(s->consumer->data);
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

void sink_give_up(struct sink *s)
{
    s->give_up = true;
    if (s->workers)
        workers_give_up(s->workers);
    if (s->courier)
        courier_stop(s->courier);
    sink_wake(s);
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

struct partition *sink_partition(struct sink *s, const char *topic, int32_t id)
{
    for (unsigned i = 0; i < s->partitions_n; i++)
        if (s->partitions[i]->id == id && strcmp(s->partitions[i]->topic, topic) == 0)
            return s->partitions[i];
    struct partition *p = pl_alloc(sizeof(*p));
    p->topic = pl_strdup(topic);
    p->id = id;
    p->route = route_for(s, topic);
    p->ended_at = -1;
    p->committed = p->fixed_end = p->seek_to = p->shown_begin = -1;
    p->next_offset = p->once_end = -1;
    pl_backoff_init(&p->backoff, 200, 15000, (uint64_t)pl_clock_monotonic_ms() ^ (uintptr_t)p);
    pthread_mutex_lock(&s->lock);
    s->partitions = pl_realloc_array(s->partitions, s->partitions_n + 1, sizeof(*s->partitions));
    s->partitions[s->partitions_n++] = p;
    pthread_mutex_unlock(&s->lock);
    return p;
}

const struct sink_route *sink_away(struct sink *s)
{
    const struct sink_route *away = NULL;
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->partitions_n && !away; i++) {
        const struct partition *p = s->partitions[i];
        if (p->assigned && p->route->away)
            away = p->route;
    }
    pthread_mutex_unlock(&s->lock);
    return away;
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

/* A worker with work has a deadline; work that none takes has none. */
#define NOT_TAKEN_MS 60000

const char *sink_stuck(struct sink *s, struct pl_progress *progress)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    if (pl_deadline_is_overdue(&s->consumer_deadline, now_ms))
        return s->consumer_deadline.doing;
    const char *overdue = courier_overdue(s->courier, now_ms);
    const struct workers_look look = workers_look(s->workers, now_ms);
    if (look.overdue || overdue)
        return look.overdue ? look.overdue : overdue;
    const struct pl_progress_now now = {
        .now_ms = now_ms, .done = look.taken, .pending = look.pending};
    return pl_progress_moves(progress, &now, NOT_TAKEN_MS) ? NULL : "taking a batch";
}
