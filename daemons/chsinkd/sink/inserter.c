/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inserter.c - the threads that bring closed batches into ClickHouse: announce, insert, commit.
 *
 * A batch goes through these steps; where the process dies between any two, the partition's next
 * owner continues from what the group's committed offset says:
 *
 *     1. commit `start`, announcing `end`      refused: the partition is not ours, nothing was done
 *     2. insert with the token of [start, end) repeated until it is acknowledged
 *     3. commit `end`, announcing the next     with dead letters: one Kafka transaction holds them
 *        batch if it is closed already         and the commit
 *
 * Threads: each inserter has its own connection.
 */
#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/clickhouse/native.h"
#include "daemons/chsinkd/sink/sink.h"
#include "lib/base/backoff.h"
#include "lib/log/log.h"

enum outcome {
    OUTCOME_DONE,
    OUTCOME_LOST,    /* the group took the partition away: drop; read again if it is still ours */
    OUTCOME_REFUSED, /* the server refuses the data: go back and bisect */
    OUTCOME_STOPPED, /* given up while stopping, or the sink failed */
    OUTCOME_AGAIN,   /* of one try to commit: retry */
};

struct inserter {
    struct sink *sink;
    struct pl_deadline *deadline; /* the sink's */
    struct clickhouse *client;
    struct native_body body;
    struct pl_buf token;
    struct pl_backoff backoff;
};

#define COMMIT_RETRY_MS 100
#define COMMITTED_MS    5000
/* What table_ensure() asks of a table that is there, and of its views. */
#define SCHEMA_QUERIES 8

static bool batch_is_ours(struct sink *s, const struct batch *b)
{
    pthread_mutex_lock(&s->lock);
    bool ours = b->partition->assigned && b->partition->epoch == b->epoch;
    pthread_mutex_unlock(&s->lock);
    return ours;
}

/* Sleeps, but not past sink_give_up(). */
static void inserter_pause(struct inserter *in, int64_t wait_ms)
{
    struct sink *s = in->sink;
    int64_t until_ms = pl_clock_monotonic_ms() + wait_ms;
    sink_deadline_begin(in->deadline, "waiting to try again", wait_ms);
    pthread_mutex_lock(&s->lock);
    while (!s->give_up && pl_clock_monotonic_ms() < until_ms)
        sink_cond_wait(s, &s->work, until_ms - pl_clock_monotonic_ms());
    pthread_mutex_unlock(&s->lock);
}

/* ---- commits ---- */

static enum outcome commit_outcome(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return OUTCOME_DONE;
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__STATE:
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
        return OUTCOME_LOST;
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
        return OUTCOME_AGAIN;
    default:
        return pl_kafka_err_kind(code) == PL_ERR_RETRY ? OUTCOME_AGAIN : OUTCOME_STOPPED;
    }
}

static rd_kafka_topic_partition_list_t *offsets_new(const struct partition *p, int64_t offset,
                                                    const char *metadata)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(list, p->topic, p->id);
    tp->offset = offset;
    tp->metadata = pl_strdup(metadata); /* the list frees it */
    tp->metadata_size = strlen(metadata);
    return list;
}

static enum outcome offset_commit(struct inserter *in, const struct batch *b, int64_t offset,
                                  const char *metadata)
{
    struct sink *s = in->sink;
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = offsets_new(b->partition, offset, metadata);
    int64_t began_ms = pl_clock_monotonic_ms();
    while (!s->give_up) {
        if (!batch_is_ours(s, b))
            return OUTCOME_LOST;
        sink_deadline_begin(in->deadline, "committing offsets", s->commit_ms);
        rd_kafka_resp_err_t code = rd_kafka_commit(s->rk, list, 0);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            code = list->elems[0].err;
        enum outcome outcome = commit_outcome(code);
        if (outcome == OUTCOME_DONE)
            pl_metrics_observe(s->metrics, M_COMMIT_SECONDS,
                               (pl_clock_monotonic_ms() - began_ms) / 1e3);
        if (outcome == OUTCOME_STOPPED) {
            struct pl_err err;
            pl_kafka_err(&err, code, "cannot commit offsets of topic %s", b->partition->topic);
            sink_fail(s, &err);
        }
        if (outcome != OUTCOME_AGAIN)
            return outcome;
        inserter_pause(in, COMMIT_RETRY_MS);
    }
    return OUTCOME_STOPPED;
}

static enum outcome batch_announce(struct inserter *in, struct batch *b)
{
    if (b->partition->announced.end == b->end) /* by the commit before, or found after a crash */
        return OUTCOME_DONE;
    struct pl_announcement announcement = {.end = b->end, .at_ms = pl_clock_realtime_ms()};
    char text[PL_ANNOUNCEMENT_MAX];
    pl_announcement_format(&announcement, BATCH_PROGRAM, text);
    enum outcome outcome = offset_commit(in, b, b->start, text);
    if (outcome == OUTCOME_DONE)
        b->partition->announced = announcement;
    return outcome;
}

/* ---- the insert ---- */

static void sink_is_back(struct inserter *in, const struct batch *b)
{
    bool away = true;
    pl_backoff_reset(&in->backoff);
    if (atomic_compare_exchange_strong(&in->sink->away, &away, false))
        pl_log(PL_NOTICE, PL_EVENT_SINK_BACK, "ClickHouse answers again",
               SINK_F_TABLE(b->partition->route), SINK_F_PARTITION(b->partition));
}

static void sink_is_away(struct inserter *in, const struct batch *b, const struct pl_err *err)
{
    const struct partition *p = b->partition;
    bool away = false;
    pl_metrics_inc(in->sink->metrics, M_RETRIES, 1);
    if (atomic_compare_exchange_strong(&in->sink->away, &away, true))
        pl_log_err(PL_WARNING, PL_EVENT_SINK_AWAY,
                   "insert failed; reading pauses and the same insert is retried until it works",
                   err, SINK_F_TABLE(p->route), SINK_F_PARTITION(p), SINK_F_RANGE(b));
    else
        pl_log_err(PL_WARNING, PL_EVENT_BATCH_RETRIED, "insert failed, trying again", err,
                   SINK_F_TABLE(p->route), SINK_F_PARTITION(p), SINK_F_RANGE(b));
}

/* A refused insert can be bisected only if nothing of it is in the table: where a materialized view
 * failed, the table's own rows may be there. The table is asked if it can be. */
static bool refused_without_trace(struct inserter *in, const struct batch *b)
{
    const struct partition *p = b->partition;
    if (in->sink->replay || !sink_can_ask_table(p->route->route))
        return true;
    sink_deadline_begin(in->deadline, "looking up a refused range in the table",
                        in->sink->clickhouse_ms);
    const struct pl_range range = {p->topic, p->id, b->start, b->end, 0};
    PL_FREE int64_t *offsets = NULL;
    size_t n;
    struct pl_err err;
    return sink_ask_table(in->client, p->route, &range, &offsets, &n, &err) == 0 && n == 0;
}

/* The schema may have changed: looks again, adds what is missing. */
static void schema_look_again(struct inserter *in, const struct batch *b)
{
    sink_deadline_begin(in->deadline, "looking at the table again",
                        SCHEMA_QUERIES * in->sink->clickhouse_ms);
    struct pl_err err;
    struct table_state state;
    if (table_ensure(in->client, b->partition->route->route, in->sink->conf->clickhouse.database,
                     false, NULL, NULL, NULL, &state, &err) < 0)
        pl_log_err(PL_WARNING, PL_EVENT_BATCH_RETRIED, "the table does not fit its route", &err,
                   SINK_F_TABLE(b->partition->route), SINK_F_PARTITION(b->partition));
}

static enum outcome batch_insert(struct inserter *in, struct batch *b)
{
    struct sink *s = in->sink;
    struct partition *p = b->partition;
    native_body_set(&in->body, b->block);
    const struct pl_range range = {p->topic, p->id, b->start, b->end, p->announced.at_ms};
    const struct clickhouse_insert insert = {
        .sql = pl_buf_cstr(&p->route->insert_sql),
        .iov = in->body.iov,
        .iov_n = in->body.iov_n,
        .token = pl_range_token(&range, p->route->table, &in->token),
    };
    struct pl_err err;
    for (;;) {
        int64_t began_ms = pl_clock_monotonic_ms();
        sink_deadline_begin(in->deadline, "inserting", s->clickhouse_ms);
        if (clickhouse_insert(in->client, &insert, &err) == 0) {
            pl_metrics_observe(s->metrics, M_INSERT_SECONDS,
                               (pl_clock_monotonic_ms() - began_ms) / 1e3);
            sink_is_back(in, b);
            return OUTCOME_DONE;
        }
        if (s->give_up)
            return OUTCOME_STOPPED;
        if (!batch_is_ours(s, b))
            return OUTCOME_LOST;
        if (clickhouse_err_is_schema(err.code)) {
            schema_look_again(in, b);
        } else if (err.kind == PL_ERR_REJECT && refused_without_trace(in, b)) {
            pl_log_err(PL_WARNING, PL_EVENT_BATCH_REFUSED,
                       "ClickHouse refuses a batch for its data", &err, SINK_F_TABLE(p->route),
                       SINK_F_PARTITION(p), PL_F_UINT("MESSAGES", b->messages), SINK_F_RANGE(b));
            pthread_mutex_lock(&s->lock);
            snprintf(p->rewind_reason, sizeof(p->rewind_reason), "ClickHouse: %.200s", err.msg);
            pthread_mutex_unlock(&s->lock);
            return OUTCOME_REFUSED;
        }
        sink_is_away(in, b, &err);
        inserter_pause(in, pl_backoff_next(&in->backoff, 0));
    }
}

/* ---- the end of a batch ---- */

/* What the commit of `end` announces: the next batch if it is in the queue already, else nothing
 * (end -1). `out` gets the text. */
static struct pl_announcement next_announcement(struct sink *s, const struct batch *b, char *out)
{
    struct pl_announcement announcement = {.end = -1, .at_ms = pl_clock_realtime_ms()};
    out[0] = '\0';
    pthread_mutex_lock(&s->lock);
    const struct batch *next = sink_queue_next(s, b->partition);
    if (next && next->epoch == b->epoch && next->start == b->end && block_rows(next->block) > 0)
        announcement.end = next->end;
    pthread_mutex_unlock(&s->lock);
    if (announcement.end >= 0)
        pl_announcement_format(&announcement, BATCH_PROGRAM, out);
    return announcement;
}

/* Whether the group's offset has reached `end`: an earlier try that seemed to fail did commit. */
static bool offset_is_committed(struct sink *s, const struct batch *b)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = offsets_new(b->partition, RD_KAFKA_OFFSET_INVALID, "");
    return rd_kafka_committed(s->rk, list, COMMITTED_MS) == RD_KAFKA_RESP_ERR_NO_ERROR &&
           list->elems[0].err == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[0].offset >= b->end;
}

static enum outcome dead_letters_commit(struct inserter *in, struct batch *b, const char *metadata)
{
    struct sink *s = in->sink;
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = offsets_new(b->partition, b->end, metadata);
    for (bool again = false; !s->give_up; again = true) {
        if (!batch_is_ours(s, b))
            return OUTCOME_LOST;
        sink_deadline_begin(in->deadline, "reading the group's offset", COMMITTED_MS);
        if (again && offset_is_committed(s, b))
            return OUTCOME_DONE;
        rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(s->rk);
        const struct deadletter_commit commit = {&b->dead, list, group, &s->give_up, in->deadline};
        struct pl_err err;
        enum deadletter_result result = deadletter_write(s->deadletters, &commit, &err);
        rd_kafka_consumer_group_metadata_destroy(group);
        if (result == DEADLETTER_COMMITTED)
            return OUTCOME_DONE;
        if (commit_outcome(err.code) == OUTCOME_LOST)
            return OUTCOME_LOST;
        pl_log_err(PL_WARNING, PL_EVENT_KAFKA_ERROR, "cannot write dead letters, trying again",
                   &err, SINK_F_PARTITION(b->partition), SINK_F_TABLE(b->partition->route),
                   PL_F_STR("DEAD_LETTER_TOPIC", s->conf->dead_letter_topic));
        inserter_pause(in, pl_backoff_next(&in->backoff, 0));
    }
    return OUTCOME_STOPPED;
}

static void batch_log(const struct batch *b, int64_t took_ms)
{
    const struct sink_route *sr = b->partition->route;
    /* Ordinary batches are logged by sink_log(). */
    if (block_rows(b->block) > 0)
        pl_log(b->announced ? PL_NOTICE : PL_DEBUG, b->announced ? PL_EVENT_BATCH_RECOVERED : NULL,
               "batch inserted", SINK_F_TABLE(sr), PL_F_UINT("ROWS", block_rows(b->block)),
               PL_F_UINT("MESSAGES", b->messages), PL_F_UINT("BYTES", block_bytes(b->block)),
               SINK_F_PARTITION(b->partition), SINK_F_RANGE(b), PL_F_INT("DURATION_MS", took_ms));
    if (b->dead.count > 0)
        pl_log(PL_WARNING, PL_EVENT_DEAD_LETTER,
               "messages that do not fit went to the dead-letter topic",
               PL_F_STR("ROUTE", sr->route->name), SINK_F_TABLE(sr),
               PL_F_UINT("COUNT", b->dead.count), PL_F_STR("REASON", b->dead.first->reason),
               PL_F_INT("OFFSET", b->dead.first->offset), SINK_F_PARTITION(b->partition));
}

/* For sink_log() and STATUS. */
static void batch_sum(struct sink *s, const struct batch *b, int64_t took_ms)
{
    struct sink_sums *sums = &b->partition->sums;
    if (block_rows(b->block) == 0)
        return;
    pthread_mutex_lock(&s->lock);
    s->last =
        (struct sink_last){b->partition->route, block_rows(b->block), pl_clock_monotonic_ms()};
    if (!b->announced) { /* else batch_log() has */
        if (sums->batches++ == 0)
            sums->start = b->start;
        sums->end = b->end;
        sums->rows += block_rows(b->block);
        sums->messages += b->messages;
        sums->bytes += block_bytes(b->block);
        sums->took_ms += took_ms;
    }
    pthread_mutex_unlock(&s->lock);
}

static void batch_count(struct sink *s, const struct batch *b)
{
    uint64_t rows = block_rows(b->block);
    pl_metrics_inc(s->metrics, M_DELIVERED, b->messages - b->dead_messages - b->skipped_messages);
    pl_metrics_inc(s->metrics, M_DEAD, b->dead_messages);
    pl_metrics_inc(s->metrics, M_SKIPPED, b->skipped_messages);
    pl_metrics_inc(s->metrics, M_DEAD_ROWS, b->dead.count);
    pl_metrics_inc(s->metrics, M_ROWS, rows);
    if (rows > 0) {
        pl_metrics_inc(s->metrics, M_BATCHES, 1);
        pl_metrics_set(s->metrics, M_BATCH_ROWS_LAST, (double)rows);
        pl_metrics_inc(s->metrics, M_RECOVERED, b->announced);
    }
    if (b->newest_ms > 0)
        pl_metrics_observe(s->metrics, M_DELAY_SECONDS,
                           (pl_clock_realtime_ms() - b->newest_ms) / 1e3);
}

static enum outcome batch_load(struct inserter *in, struct batch *b)
{
    int64_t began_ms = pl_clock_monotonic_ms();
    enum outcome outcome = batch_is_ours(in->sink, b) ? OUTCOME_DONE : OUTCOME_LOST;
    if (outcome == OUTCOME_DONE && block_rows(b->block) > 0)
        outcome = batch_announce(in, b);
    if (outcome == OUTCOME_DONE && block_rows(b->block) > 0)
        outcome = batch_insert(in, b);
    if (outcome != OUTCOME_DONE)
        return outcome;
    char metadata[PL_ANNOUNCEMENT_MAX];
    struct pl_announcement next = next_announcement(in->sink, b, metadata);
    outcome = b->dead.count > 0 ? dead_letters_commit(in, b, metadata)
                                : offset_commit(in, b, b->end, metadata);
    if (outcome != OUTCOME_DONE)
        return outcome;
    b->partition->announced = next;
    int64_t took_ms = pl_clock_monotonic_ms() - began_ms;
    batch_log(b, took_ms);
    batch_sum(in->sink, b, took_ms);
    batch_count(in->sink, b);
    return OUTCOME_DONE;
}

/* Asks the consumer to go back to the batch's start, and takes the partition's closed batches out
 * of the queue, to be read again too. A refused batch is read in halves, a single refused message
 * is condemned; a batch that the group would not let us commit is read as it was, should the
 * partition still be ours. With the lock held. */
static struct batch *batch_go_back(struct sink *s, const struct batch *b, bool refused)
{
    struct partition *p = b->partition;
    if (!p->assigned || p->epoch != b->epoch)
        return NULL;
    p->rewind = true;
    p->rewind_offset = b->start;
    p->rewind_until = b->end;
    p->rewind_messages = refused ? b->messages / 2 : UINT64_MAX;
    p->rewind_fixed = !refused && p->announced.end == b->end;
    if (refused)
        pl_metrics_inc(s->metrics, M_REFUSED, 1);
    return sink_queue_take_partition(s, p);
}

static void inserter_work(struct inserter *in, struct batch *b)
{
    struct sink *s = in->sink;
    struct partition *p = b->partition;
    enum outcome outcome = batch_load(in, b);
    if (outcome != OUTCOME_DONE) {
        pthread_mutex_lock(&s->lock);
        struct batch *forgotten = batch_go_back(s, b, outcome == OUTCOME_REFUSED);
        pthread_mutex_unlock(&s->lock);
        sink_batch_list_drop(s, forgotten);
    }
    sink_batch_drop(s, b, outcome != OUTCOME_DONE);
    pthread_mutex_lock(&s->lock);
    p->busy = false;
    s->busy--;
    pthread_cond_broadcast(&s->room);
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
}

static void *inserter_run(void *arg)
{
    struct inserter *in = arg;
    struct sink *s = in->sink;
    pthread_mutex_lock(&s->lock);
    while (!s->give_up && !s->drained) {
        struct batch *b = sink_queue_take_ready(s);
        if (!b) {
            sink_deadline_begin(in->deadline, "waiting for a batch", 1000);
            sink_cond_wait(s, &s->work, 1000);
            continue;
        }
        size_t held = sink_batch_memory(b);
        b->partition->busy = true;
        s->busy++;
        s->bytes_held += held;
        pthread_mutex_unlock(&s->lock);
        inserter_work(in, b);
        pthread_mutex_lock(&s->lock);
        s->bytes_held -= held;
        pthread_cond_broadcast(&s->room);
    }
    pthread_mutex_unlock(&s->lock);
    pl_buf_release(&in->token);
    native_body_release(&in->body);
    free(in);
    return NULL;
}

int inserter_start(struct sink *s, pthread_t *ret_thread, struct pl_err *err)
{
    struct inserter *in = pl_alloc(sizeof(*in));
    in->sink = s;
    in->client = sink_client_new(s);
    in->deadline = &s->inserter_deadlines[s->inserters_n++];
    pl_backoff_init(&in->backoff, 200, 15000, (uint64_t)pl_clock_monotonic_ms() ^ (uintptr_t)in);
    if (sink_thread_start(ret_thread, inserter_run, in, err) == 0)
        return 0;
    free(in);
    return -1;
}
