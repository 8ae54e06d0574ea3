/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - see report.h.
 */
#include "daemons/chsinkd/sink/report.h"

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/log/log.h"

static void batch_log(const struct partition *p, const struct batch *b, int64_t took_ms)
{
    const struct batch_counts n = batch_counts(b);
    /* Ordinary batches are logged by sink_log(). */
    if (n.rows > 0)
        pl_log(b->recovered ? PL_NOTICE : PL_DEBUG, b->recovered ? PL_EVENT_BATCH_RECOVERED : NULL,
               "batch inserted", SINK_F_TABLE(p->route), PL_F_UINT("ROWS", n.rows),
               PL_F_UINT("MESSAGES", n.messages), PL_F_UINT("BYTES", block_bytes(b->block)),
               SINK_F_PARTITION(p), SINK_F_RANGE(b), PL_F_INT("DURATION_MS", took_ms));
    if (b->dead.count > 0)
        pl_log(PL_WARNING, PL_EVENT_DEAD_LETTER,
               "messages that do not fit went to the dead-letter topic",
               PL_F_STR("ROUTE", p->route->route->name), SINK_F_TABLE(p->route),
               PL_F_UINT("COUNT", b->dead.count), PL_F_STR("REASON", b->dead.first->reason),
               PL_F_INT("OFFSET", b->dead.first->offset), SINK_F_PARTITION(p));
}

/* For people, with the lock held. */
static void batch_tell(struct sink *s, struct partition *p, const struct batch *b, int64_t took_ms)
{
    const uint64_t rows = batch_counts(b).rows;
    const int64_t now_ms = pl_clock_realtime_ms();
    struct recent_batch done = {.route = p->route->route->name,
                                .topic = p->topic,
                                .partition = p->id,
                                .start = b->start,
                                .end = b->end,
                                .rows = rows,
                                .letters = b->dead.count,
                                .at_ms = now_ms,
                                .took_ms = took_ms,
                                .token = p->token};
    done.token.recovered = b->recovered;
    done.token.position = p->route->machine.keeps_position;
    if (rows > 0 || done.letters > 0 || done.token.looked)
        recent_batch_add(&s->recent, &done);
    for (const struct dead_letter *d = b->dead.first; d; d = d->next)
        recent_letter_add(&s->recent, p->route->route->name, d->reason, s->output->name, now_ms);
    p->route->told.rows += rows;
    p->route->told.batches += rows > 0;
    p->route->told.letters += b->dead.count;
    p->route->told.trouble_ms = 0;
}

/* For people: the target does not take rows. */
static void trouble_tell(struct sink *s, const struct partition *p, const char *why)
{
    struct sink_told *told = &p->route->told;
    pthread_mutex_lock(&s->lock);
    if (told->trouble_ms == 0)
        told->trouble_ms = pl_clock_realtime_ms();
    pl_text_copy(why, strlen(why), told->trouble, sizeof(told->trouble));
    pthread_mutex_unlock(&s->lock);
}

static void trouble_over(struct sink *s, const struct partition *p)
{
    struct sink_told *told = &p->route->told;
    pthread_mutex_lock(&s->lock);
    told->trouble_ms = 0;
    pthread_mutex_unlock(&s->lock);
}

/* For sink_log() and STATUS. */
static void batch_sum(struct sink *s, struct partition *p, const struct batch *b, int64_t took_ms)
{
    const struct batch_counts n = batch_counts(b);
    struct sink_sums *sums = &p->sums;
    pthread_mutex_lock(&s->lock);
    batch_tell(s, p, b, took_ms);
    if (n.rows > 0)
        s->last = (struct sink_last){p->route, n.rows, pl_clock_monotonic_ms()};
    if (n.rows > 0 && !b->recovered) { /* else batch_log() has */
        if (sums->batches++ == 0)
            sums->start = b->start;
        sums->end = b->end;
        sums->rows += n.rows;
        sums->messages += n.messages;
        sums->bytes += block_bytes(b->block);
        sums->took_ms += took_ms;
    }
    pthread_mutex_unlock(&s->lock);
}

static void batch_count(struct sink *s, const struct batch *b)
{
    const struct batch_counts n = batch_counts(b);
    pl_metrics_inc(s->metrics, M_DELIVERED, n.delivered);
    pl_metrics_inc(s->metrics, M_DEAD, n.dead);
    pl_metrics_inc(s->metrics, M_SKIPPED, n.skipped);
    pl_metrics_inc(s->metrics, M_DEAD_ROWS, n.dead_letters);
    pl_metrics_inc(s->metrics, M_ROWS, n.rows);
    if (n.rows > 0) {
        pl_metrics_inc(s->metrics, M_BATCHES, 1);
        pl_metrics_set(s->metrics, M_BATCH_ROWS_LAST, (double)n.rows);
        pl_metrics_inc(s->metrics, M_RECOVERED, b->recovered);
    }
    if (b->newest_ms > 0)
        pl_metrics_observe(s->metrics, M_DELAY_SECONDS,
                           (double)(pl_clock_realtime_ms() - b->newest_ms) / 1e3);
}

void report_batch(struct sink *s, struct partition *p, const struct batch *b, int64_t took_ms)
{
    batch_log(p, b, took_ms);
    batch_sum(s, p, b, took_ms);
    batch_count(s, b);
}

/* A call in vain. The first, and reminders at growing intervals, are warnings. */
static enum pl_log_level outage_next(struct sink *s, struct sink_route *sr)
{
    pl_metrics_inc(s->metrics, M_RETRIES, 1);
    sr->away = true;
    sr->outage_tries++;
    return pl_refusal_next(&sr->outage, pl_clock_monotonic_ms()) ? PL_WARNING : PL_DEBUG;
}

static int64_t outage_s(const struct sink_route *sr)
{
    return pl_refusal_seconds(&sr->outage, pl_clock_monotonic_ms());
}

void report_away(struct sink *s, const struct partition *p, const struct pl_err *err)
{
    struct sink_route *sr = p->route;
    bool first = !sr->away;
    enum pl_log_level level = outage_next(s, sr);
    trouble_tell(s, p, err->msg);
    if (first)
        pl_log_err(level, PL_EVENT_SINK_AWAY,
                   "insert failed; reading pauses and the same insert is retried until it works",
                   err, SINK_F_OUTPUT(s), SINK_F_TABLE(sr), SINK_F_PARTITION(p),
                   SINK_F_RANGE(p->working));
    else
        pl_log_err(level, PL_EVENT_BATCH_RETRIED, "insert failed, trying again", err,
                   SINK_F_OUTPUT(s), SINK_F_TABLE(sr), SINK_F_PARTITION(p),
                   SINK_F_RANGE(p->working), PL_F_INT("SECONDS", outage_s(sr)),
                   PL_F_UINT("TRIES", sr->outage_tries));
}

void report_silent(struct sink *s, const struct partition *p, const char *what,
                   const struct pl_err *err)
{
    struct sink_route *sr = p->route;
    enum pl_log_level level = PL_WARNING;
    if (err->kind == PL_ERR_RETRY)
        level = outage_next(s, sr);
    else
        pl_metrics_inc(s->metrics, M_RETRIES, 1);
    struct pl_err whole = *err;
    pl_err_prefix(&whole, "%s", what);
    trouble_tell(s, p, whole.msg);
    pl_log_err(level, PL_EVENT_SINK_AWAY, "a question failed, asking again", &whole,
               SINK_F_OUTPUT(s), SINK_F_TABLE(sr), SINK_F_PARTITION(p),
               PL_F_INT("SECONDS", outage_s(sr)), PL_F_UINT("TRIES", sr->outage_tries));
}

void report_looked(struct partition *p, const struct output_found *found)
{
    p->token.looked = true;
    p->token.some |= found->some;
    p->token.all = found->all;
    if (found->some && p->route->route->views_n > 0)
        pl_log(
            PL_WARNING, PL_EVENT_AT_LEAST_ONCE,
            "rows of a range were in the table already: what its views have of them is not known",
            SINK_F_TABLE(p->route), SINK_F_PARTITION(p), SINK_F_RANGE(p->working));
}

void report_settle(const struct partition *p, int64_t wait_ms)
{
    pl_log(PL_NOTICE, NULL,
           "rows may be on their way to the table: it is asked when none can arrive any more",
           SINK_F_TABLE(p->route), SINK_F_PARTITION(p), PL_F_INT("WAIT_MS", wait_ms));
}

void report_back(struct sink *s, const struct partition *p)
{
    if (p->aside_tries == 0) /* else a person is waited for, and a batch shows that it is over */
        trouble_over(s, p);
    if (!p->route->away)
        return;
    struct sink_route *sr = p->route;
    pl_log(PL_NOTICE, PL_EVENT_SINK_BACK, "the output answers again", SINK_F_OUTPUT(s),
           SINK_F_TABLE(sr), SINK_F_PARTITION(p), PL_F_INT("SECONDS", outage_s(sr)),
           PL_F_UINT("TRIES", sr->outage_tries));
    sr->away = false;
    sr->outage_tries = 0;
    pl_refusal_over(&sr->outage);
}

void report_refused(struct sink *s, const struct partition *p, const struct pl_err *err)
{
    pl_metrics_inc(s->metrics, M_REFUSED, 1);
    pl_log_err(PL_WARNING, PL_EVENT_BATCH_REFUSED, "the output refuses a batch", err,
               SINK_F_OUTPUT(s), SINK_F_TABLE(p->route), SINK_F_PARTITION(p),
               PL_F_UINT("MESSAGES", batch_counts(p->working).messages), SINK_F_RANGE(p->working));
}

void report_held(struct sink *s, const struct partition *p, const struct pl_err *err)
{
    trouble_tell(s, p, err->msg);
    pl_metrics_inc(s->metrics, M_RETRIES, 1);
    pl_log_err(
        PL_ERROR, PL_EVENT_REFUSED,
        "nothing can be inserted into the table until a person acts; its topic waits, others "
        "go on",
        err, SINK_F_TABLE(p->route), SINK_F_PARTITION(p));
}

void report_lost(struct sink *s, const struct partition *p, int64_t start, int64_t end)
{
    pl_metrics_inc(s->metrics, M_LOST, (uint64_t)(end - start));
    pl_log(PL_ERROR, PL_EVENT_DATA_LOST,
           "the topic's retention deleted messages before they were read; raise retention.ms or "
           "run more sinks",
           SINK_F_PARTITION(p), SINK_F_TABLE(p->route), PL_F_INT("OFFSET_START", start),
           PL_F_INT("OFFSET_END", end));
}

void report_retry(const struct partition *p, const char *id, const char *what,
                  const struct pl_err *err)
{
    struct pl_err whole = *err;
    pl_err_prefix(&whole, "%s", what);
    pl_log_err(PL_WARNING, id, "a step failed, trying again", &whole, SINK_F_TABLE(p->route),
               SINK_F_PARTITION(p));
}
