/* SPDX-License-Identifier: Apache-2.0 */
/* backfill.c - see backfill.h. */
#include "daemons/wikisrcd/backfill/backfill.h"

#include <assert.h>

#include "lib/base/time_text.h"

/* ---- one event ---- */

/* The highest time of its topic, this event included. */
static int64_t reached_with(const struct backfill *b, const struct position_mark *mark)
{
    int64_t before_ms = mark->topic < b->topics_n ? b->topics[mark->topic].reached_ms : -1;
    return mark->believable && mark->time_ms > before_ms ? mark->time_ms : before_ms;
}

bool backfill_has(const struct backfill *b, const struct position_mark *mark)
{
    int64_t at_ms = reached_with(b, mark);
    return at_ms >= b->range.start_ms && at_ms < b->range.end_ms;
}

static struct backfill_topic *topic_of(struct backfill *b, unsigned topic)
{
    assert(topic < POSITION_TOPICS_MAX);
    for (; b->topics_n <= topic; b->topics_n++)
        b->topics[b->topics_n] = (struct backfill_topic){.reached_ms = -1};
    return &b->topics[topic];
}

void backfill_add(struct backfill *b, const struct position_mark *mark, bool canary,
                  enum backfill_sum sum)
{
    struct backfill_topic *t = topic_of(b, mark->topic);
    bool beyond = t->reached_ms >= b->range.end_ms, has = backfill_has(b, mark);
    b->sums[has ? sum : BACKFILL_OUTSIDE]++;
    if (beyond && !t->passed && mark->time_ms >= b->range.start_ms &&
        mark->time_ms < b->range.end_ms - b->slack_ms)
        b->sums[BACKFILL_BEHIND]++;
    if (mark->believable && mark->time_ms >= b->range.end_ms)
        t->passed |= beyond || canary;
    t->reached_ms = reached_with(b, mark);
    t->moved = true;
}

/* ---- the end ---- */

void backfill_tick(struct backfill *b, int64_t now_ms, int64_t mono_ms)
{
    bool present = false;
    for (unsigned i = 0; i < b->topics_n; i++) {
        struct backfill_topic *t = &b->topics[i];
        if (t->moved)
            t->still_ms = mono_ms;
        t->moved = false;
        present |= t->reached_ms >= now_ms - BACKFILL_PRESENT_MS;
    }
    if (!present)
        b->present_ms = 0;
    else if (b->present_ms == 0)
        b->present_ms = mono_ms;
}

bool backfill_topic_is_over(const struct backfill *b, unsigned topic, int64_t mono_ms)
{
    static const struct backfill_topic silent = {.reached_ms = -1};
    const struct backfill_topic *t = topic < b->topics_n ? &b->topics[topic] : &silent;
    int64_t since_ms = t->still_ms > b->present_ms ? t->still_ms : b->present_ms;
    return t->passed || (b->present_ms > 0 && !t->moved && mono_ms - since_ms >= BACKFILL_STILL_MS);
}

int64_t backfill_reached(const struct backfill *b)
{
    int64_t most_ms = b->range.start_ms;
    for (unsigned i = 0; i < b->topics_n; i++)
        if (b->topics[i].reached_ms > most_ms)
            most_ms = b->topics[i].reached_ms;
    return most_ms < b->range.end_ms ? most_ms : b->range.end_ms;
}

/* ---- complete ranges ---- */

void backfill_record_close(struct backfill_record *r)
{
    struct backfill_done whole = {r->now.range, r->now.sums[BACKFILL_WRITTEN]};
    struct backfill_done kept[BACKFILL_DONE_MAX + 1];
    unsigned n = 0, before = 0;
    for (unsigned i = 0; i < r->done_n; i++) {
        const struct backfill_done *d = &r->done[i];
        if (d->range.end_ms < whole.range.start_ms || d->range.start_ms > whole.range.end_ms) {
            before += d->range.start_ms < whole.range.start_ms;
            kept[n++] = *d;
            continue;
        }
        if (d->range.start_ms < whole.range.start_ms)
            whole.range.start_ms = d->range.start_ms;
        if (d->range.end_ms > whole.range.end_ms)
            whole.range.end_ms = d->range.end_ms;
        whole.written += d->written;
    }
    assert(n < BACKFILL_DONE_MAX); /* backfill_choose() */
    memcpy(r->done, kept, before * sizeof(*kept));
    r->done[before] = whole;
    memcpy(r->done + before + 1, kept + before, (n - before) * sizeof(*kept));
    r->done_n = n + 1;
    r->open = false;
}

/* The first one that overlaps, or NULL. */
static const struct backfill_done *done_overlaps(const struct backfill_record *r,
                                                 const struct backfill_range *range)
{
    for (unsigned i = 0; i < r->done_n; i++)
        if (r->done[i].range.start_ms < range->end_ms && range->start_ms < r->done[i].range.end_ms)
            return &r->done[i];
    return NULL;
}

/* ---- what to do ---- */

struct range_text {
    char start[32], end[32];
};

static struct range_text range_text(const struct backfill_range *range)
{
    struct range_text text;
    pl_time_format_ms(range->start_ms, text.start);
    pl_time_format_ms(range->end_ms, text.end);
    return text;
}

static int open_choose(const struct backfill_record *r, const struct backfill_ask *ask,
                       struct backfill_range *ret, enum backfill_choice *ret_choice,
                       struct pl_err *err)
{
    const struct backfill_range *open = &r->now.range;
    const struct range_text text = range_text(open);
    bool same = ask->start_ms == open->start_ms || (ask->start_ms < 0 && ask->end_ms < 0);
    if (!same || (ask->end_ms >= 0 && ask->end_ms != open->end_ms))
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "the range from %s to %s is not complete yet: finish it first, with "
                          "--once without --start and --end",
                          text.start, text.end);
    *ret = *open;
    *ret_choice = BACKFILL_CONTINUE;
    return 0;
}

/* Refuses what is in the topic already. */
static int overlap_check(const struct backfill_record *r, const struct backfill_ask *ask,
                         const struct backfill_range *range, struct pl_err *err)
{
    const struct backfill_done *done = done_overlaps(r, range);
    if (done) {
        const struct range_text text = range_text(&done->range);
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "from %s to %s is loaded already and would be there twice: ask for what "
                          "is before or after it, or add --overlap",
                          text.start, text.end);
    }
    if (ask->service_ms >= 0 && range->end_ms > ask->service_ms) {
        char began[32];
        pl_time_format_ms(ask->service_ms, began);
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "the service has written everything since %s, which would be there "
                          "twice: --end %s is the latest, or add --overlap",
                          began, began);
    }
    return 0;
}

int backfill_choose(const struct backfill_record *r, const struct backfill_ask *ask,
                    struct backfill_range *ret, enum backfill_choice *ret_choice,
                    struct pl_err *err)
{
    if (r->open)
        return open_choose(r, ask, ret, ret_choice, err);
    if (ask->start_ms < 0)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "--once needs --start, such as --start -2d: there is no unfinished range "
                          "to continue");
    bool by_service = ask->end_ms < 0 && ask->service_ms >= 0 && ask->service_ms < ask->now_ms;
    struct backfill_range range = {.start_ms = ask->start_ms > 0 ? ask->start_ms : 1};
    range.end_ms = ask->end_ms >= 0 ? ask->end_ms : by_service ? ask->service_ms : ask->now_ms;
    const struct range_text text = range_text(&range);
    if (range.start_ms >= range.end_ms)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "--start must be before %s%s",
                          by_service         ? "where the service began, "
                          : ask->end_ms >= 0 ? "--end, "
                                             : "now, ",
                          text.end);
    const struct backfill_done *done = done_overlaps(r, &range);
    bool is_done =
        done && done->range.start_ms <= range.start_ms && range.end_ms <= done->range.end_ms;
    *ret = range;
    *ret_choice = is_done && !ask->overlap ? BACKFILL_IS_DONE : BACKFILL_BEGIN;
    if (*ret_choice == BACKFILL_IS_DONE)
        return 0;
    if (r->done_n == BACKFILL_DONE_MAX)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "there are %d separate ranges, and no room for more: load what is "
                          "between them, or set another `name`",
                          BACKFILL_DONE_MAX);
    return ask->overlap ? 0 : overlap_check(r, ask, &range, err);
}

/* ---- the service's first start ---- */

bool backfill_is_of(const struct backfill_record *r, const char *topic,
                    const struct pl_strings *streams)
{
    bool same = strcmp(r->topic, topic) == 0 && r->streams.n == streams->n;
    for (size_t i = 0; same && i < streams->n; i++)
        same = strcmp(r->streams.v[i], streams->v[i]) == 0;
    return same;
}

int backfill_service_start(const struct backfill_record *r, const char *topic,
                           const struct pl_strings *streams, int64_t start_ms, int64_t *ret_ms,
                           struct pl_err *err)
{
    /* start_ms 0 stays 0 where nothing is in the way: it is the word for the oldest. */
    int64_t begin_ms = start_ms > 0 ? start_ms : 1, moved_ms = start_ms;
    const struct backfill_range *ahead = NULL; /* the last that begins later */
    for (unsigned i = 0; i < r->done_n; i++) {
        const struct backfill_range *range = &r->done[i].range;
        if (range->end_ms > begin_ms && range->start_ms <= begin_ms)
            begin_ms = moved_ms = range->end_ms;
        else if (range->end_ms > begin_ms)
            ahead = range;
    }
    if (r->open && r->now.range.end_ms > begin_ms &&
        (!ahead || r->now.range.end_ms > ahead->end_ms))
        ahead = &r->now.range;
    bool other = moved_ms != start_ms && !backfill_is_of(r, topic, streams);
    if (!ahead && !other) {
        *ret_ms = moved_ms;
        return 0;
    }
    char begin[32], end[32];
    pl_time_format_ms(begin_ms, begin);
    pl_time_format_ms(ahead ? ahead->end_ms : begin_ms, end);
    if (!ahead)
        return pl_err_set(
            err, PL_ERR_CONFIG, 0,
            "the ranges that --once has loaded under this name, up to %s, are of other "
            "source.streams or in another topic: set another `name`, or source.start: "
            "%s",
            end, end);
    return pl_err_set(
        err, PL_ERR_CONFIG, 0,
        "ranges that --once has loaded or is loading, up to %s, would be there twice: "
        "set source.start: %s, and load what is missing before it (from %s) with "
        "--once",
        end, end, begin);
}
