/* SPDX-License-Identifier: Apache-2.0 */
/* once.c - see once.h. */
#include "daemons/wikisrcd/once.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/base/time_text.h"
#include "lib/log/log.h"

char *once_key(const struct wikisrcd_conf *conf)
{
    return pl_strf("%s/once", conf->name);
}

void once_release(struct once *o)
{
    backfill_record_release(&o->record);
    free(o->key);
}

/* ---- start ---- */

int once_look(struct once *o, const struct wikisrcd_conf *conf, struct pl_delivery *delivery,
              struct pl_err *err)
{
    PL_CLEANUP(position_freep) struct position *position = NULL;
    struct pl_kafka_position service = {.key = conf->name};
    if (pl_delivery_positions_read(delivery, &service, 1, err) < 0)
        return -1;
    int read = service.value ? position_decode(service.value, service.len, conf->source.slack_ms,
                                               &position, err)
                             : 0;
    pl_kafka_positions_release(&service, 1);
    if (read < 0)
        return pl_err_prefix(err, "position %s in topic %s", conf->name, conf->position_topic);
    o->ask.service_ms = position ? position_begun(position) : -1;
    return 0;
}

int once_loaded_read(const struct wikisrcd_conf *conf, struct pl_delivery *delivery,
                     struct backfill_record *ret, struct pl_err *err)
{
    PL_CLEANUP(position_freep) struct position *position = NULL;
    PL_FREE char *key = once_key(conf);
    struct pl_kafka_position found = {.key = key};
    if (pl_delivery_positions_read(delivery, &found, 1, err) < 0)
        return -1;
    int read = found.value ? backfill_decode(found.value, found.len, conf->source.slack_ms, ret,
                                             &position, err)
                           : 0;
    pl_kafka_positions_release(&found, 1);
    return read < 0 ? pl_err_prefix(err, "record %s in topic %s", key, conf->position_topic) : 0;
}

/* Refuses a record whose ranges are of other streams or in another topic. */
static int record_fits(const struct once *o, const struct wikisrcd_conf *conf, struct pl_err *err)
{
    const struct backfill_record *r = &o->record;
    if (backfill_is_of(r, conf->topic, &conf->source.streams))
        return 0;
    return pl_err_set(err, PL_ERR_CONFIG, 0,
                      "the ranges loaded under the name %s are of other source.streams, or in "
                      "another topic (%s, %s%s): give this configuration another `name`",
                      conf->name, r->topic, r->streams.n > 0 ? r->streams.v[0] : "no stream",
                      r->streams.n > 1 ? " …" : "");
}

static void record_open(struct once *o, const struct wikisrcd_conf *conf)
{
    struct backfill_record *r = &o->record;
    if (!r->topic) {
        r->topic = pl_strdup(conf->topic);
        for (size_t i = 0; i < conf->source.streams.n; i++)
            pl_strings_add(&r->streams, conf->source.streams.v[i]);
    }
    r->now = (struct backfill){.range = o->range, .slack_ms = conf->source.slack_ms};
    r->open = true;
}

int once_begin(struct once *o, const struct wikisrcd_conf *conf, struct pl_slice record,
               struct position **ret, struct pl_err *err)
{
    enum backfill_choice choice;
    PL_CLEANUP(position_freep) struct position *position = NULL;
    backfill_record_release(&o->record);
    o->closed = false;
    if (record.len > 0 && (backfill_decode(record.p, record.len, conf->source.slack_ms, &o->record,
                                           &position, err) < 0 ||
                           record_fits(o, conf, err) < 0))
        return pl_err_prefix(err, "record %s in topic %s", o->key, conf->position_topic);
    if (backfill_choose(&o->record, &o->ask, &o->range, &choice, err) < 0)
        return -1;
    o->is_done = choice == BACKFILL_IS_DONE;
    if (choice == BACKFILL_BEGIN) {
        record_open(o, conf);
        position = position_new(&conf->source.streams, o->range.start_ms, conf->source.slack_ms);
    }
    *ret = PL_TAKE(position);
    return choice == BACKFILL_CONTINUE;
}

/* ---- events ---- */

static enum backfill_sum sum_of(enum wikisrcd_metric metric)
{
    return metric == M_DELIVERED  ? BACKFILL_WRITTEN
           : metric == M_CANARIES ? BACKFILL_CANARIES
           : metric == M_FILTERED ? BACKFILL_FILTERED
                                  : BACKFILL_SKIPPED;
}

void once_add(struct once *o, const struct position_mark *mark, bool canary,
              enum wikisrcd_metric metric)
{
    backfill_add(&o->record.now, mark, canary, sum_of(metric));
}

/* The first topic that is not over; -1: all are over; topics_n: no topic is known yet. */
static int topic_missing(const struct once *o, const struct position *position)
{
    unsigned n = position_topics(position), active = 0;
    int64_t mono_ms = pl_clock_monotonic_ms();
    for (unsigned i = 0; i < n; i++) {
        if (!position_topic_is_active(position, i))
            continue;
        active++;
        if (!backfill_topic_is_over(&o->record.now, i, mono_ms))
            return (int)i;
    }
    return active > 0 ? -1 : (int)n;
}

bool once_is_whole(const struct once *o, const struct position *position)
{
    return topic_missing(o, position) < 0;
}

void once_encode(struct once *o, const struct position *position, int64_t now_ms,
                 struct pl_buf *out)
{
    struct backfill_record record = o->record; /* borrows the texts */
    o->closed = once_is_whole(o, position);
    if (o->closed)
        backfill_record_close(&record);
    backfill_encode(&record, position, now_ms, out);
}

/* ---- progress and summary ---- */

static unsigned percent(const struct once *o)
{
    int64_t done_ms = backfill_reached(&o->record.now) - o->range.start_ms;
    return (unsigned)((double)done_ms * 100 / (double)(o->range.end_ms - o->range.start_ms));
}

bool once_committed(struct once *o)
{
    o->finished = o->closed;
    return o->finished;
}

bool once_tick(struct once *o, const struct position *position, const struct source *source,
               const struct pl_delivery *delivery)
{
    int64_t mono_ms = pl_clock_monotonic_ms(), reached_ms = backfill_reached(&o->record.now);
    char at[32], doing[64], waits[320] = "";
    backfill_tick(&o->record.now, source_now_ms(source), mono_ms);
    int missing = topic_missing(o, position);
    source_describe(source, doing, sizeof(doing));
    if (pl_delivery_is_stalled(delivery))
        snprintf(waits, sizeof(waits), "Kafka does not answer");
    else if (missing >= 0 && strcmp(doing, "streaming") != 0)
        snprintf(waits, sizeof(waits), "%s", doing);
    else if (missing == (int)position_topics(position))
        snprintf(waits, sizeof(waits), "waiting for the first event");
    else if (missing >= 0 && reached_ms >= o->range.end_ms)
        snprintf(waits, sizeof(waits), "waiting for %s to pass the end, at most %d min",
                 position_topic_name(position, (unsigned)missing), BACKFILL_STILL_MS / 60000);
    pl_time_format_ms(reached_ms, at);
    const struct pl_bar_now now = {.done = (double)(reached_ms - o->range.start_ms),
                                   .total = (double)(o->range.end_ms - o->range.start_ms),
                                   .what = at,
                                   .count = o->record.now.sums[BACKFILL_WRITTEN],
                                   .unit = "events",
                                   .note = waits};
    pl_bar_show(&o->bar, &now);
    return missing < 0 && !o->closed;
}

static void sums_print(const struct once *o, const struct wikisrcd_conf *conf,
                       const struct pl_metrics *metrics)
{
    const uint64_t *sums = o->record.now.sums;
    printf("%" PRIu64 " events written to %s; left out: %" PRIu64 " by filters, %" PRIu64
           " canaries, %" PRIu64 " skipped, %" PRIu64 " outside the range, %" PRIu64 " repeated\n",
           sums[BACKFILL_WRITTEN], conf->topic, sums[BACKFILL_FILTERED], sums[BACKFILL_CANARIES],
           sums[BACKFILL_SKIPPED], sums[BACKFILL_OUTSIDE], pl_metrics_get(metrics, M_DUPLICATES));
}

static void topics_print(const struct once *o, const struct position *position)
{
    for (unsigned i = 0; i < position_topics(position); i++) {
        char at[32] = "nothing";
        int64_t reached_ms = i < o->record.now.topics_n ? o->record.now.topics[i].reached_ms : -1;
        if (reached_ms >= 0)
            pl_time_format_ms(reached_ms, at);
        const char *given = position_topic_name(position, i); /* text from outside */
        char name[256];
        pl_text_copy(given, strlen(given), name, sizeof(name));
        printf("  %s: read up to %s\n", name, at);
    }
}

static void behind_warn(const struct once *o, const char *end)
{
    if (o->record.now.sums[BACKFILL_BEHIND] == 0)
        return;
    pl_log(PL_WARNING, NULL,
           "events with times in the range follow one with a much later time; they belong to the "
           "range that begins at END",
           PL_F_UINT("COUNT", o->record.now.sums[BACKFILL_BEHIND]), PL_F_STR("END", end));
}

int once_end(const struct once *o, const struct wikisrcd_conf *conf,
             const struct pl_metrics *metrics, const struct position *position, int status)
{
    char start[32], end[32], at[32];
    pl_log_progress_end();
    if (o->range.end_ms == 0)
        return status; /* not begun */
    pl_time_format_ms(o->range.start_ms, start);
    pl_time_format_ms(o->range.end_ms, end);
    if (o->is_done) {
        printf("%s to %s is loaded already, nothing to do\n", start, end);
        return status;
    }
    behind_warn(o, end);
    pl_time_format_ms(backfill_reached(&o->record.now), at);
    printf("%s to %s: ", start, end);
    if (!o->finished)
        printf("not complete, %u %% (%s); --once continues from there: ", percent(o), at);
    sums_print(o, conf, metrics);
    topics_print(o, position);
    return status == 0 && !o->finished ? 1 : status;
}
