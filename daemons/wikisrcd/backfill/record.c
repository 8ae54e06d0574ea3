/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.c - the record of backfills in Kafka: one line of JSON. See backfill.h.
 *
 * Strict, like the position's (position/record.c): nothing is guessed.
 */
#include <inttypes.h>

#include "daemons/wikisrcd/backfill/backfill.h"
#include "lib/config/options.h"
#include "lib/json/document.h"

enum { RECORD_VERSION = 1 };

/* The position, two numbers per topic, and the ranges. */
#define RECORD_BYTES_MAX (POSITION_BYTES_MAX + (1 << 16))

void backfill_record_release(struct backfill_record *r)
{
    free(r->topic);
    pl_strings_release(&r->streams);
    *r = (struct backfill_record){0};
}

/* ---- writing ---- */

static void open_write(const struct backfill *b, const struct position *position, int64_t at_ms,
                       struct pl_buf *out)
{
    pl_buf_addf(out, ",\"open\":{\"start\":%" PRId64 ",\"end\":%" PRId64 ",\"sums\":[",
                b->range.start_ms, b->range.end_ms);
    for (unsigned i = 0; i < BACKFILL_SUMS; i++)
        pl_buf_addf(out, "%s%" PRIu64, i > 0 ? "," : "", b->sums[i]);
    pl_buf_add_str(out, "],\"topics\":[");
    for (unsigned i = 0; i < b->topics_n; i++)
        pl_buf_addf(out, "%s%" PRId64 ",%d", i > 0 ? "," : "", b->topics[i].reached_ms,
                    b->topics[i].passed);
    pl_buf_add_str(out, "],\"position\":");
    position_encode(position, at_ms, out);
    pl_buf_add_str(out, "}");
}

void backfill_encode(const struct backfill_record *r, const struct position *position,
                     int64_t at_ms, struct pl_buf *out)
{
    pl_buf_addf(out, "{\"version\":%d,\"topic\":", RECORD_VERSION);
    pl_json_quote(out, r->topic, strlen(r->topic));
    pl_buf_add_str(out, ",\"streams\":[");
    for (size_t i = 0; i < r->streams.n; i++) {
        pl_buf_add_str(out, i > 0 ? "," : "");
        pl_json_quote(out, r->streams.v[i], strlen(r->streams.v[i]));
    }
    pl_buf_add_str(out, "],\"done\":[");
    for (unsigned i = 0; i < r->done_n; i++)
        pl_buf_addf(out, "%s%" PRId64 ",%" PRId64 ",%" PRIu64, i > 0 ? "," : "",
                    r->done[i].range.start_ms, r->done[i].range.end_ms, r->done[i].written);
    pl_buf_add_str(out, "]");
    if (r->open)
        open_write(&r->now, position, at_ms, out);
    pl_buf_add_str(out, "}");
}

/* ---- reading: functions return what is wrong; NULL: nothing ---- */

/* Reads an array of at most `max` numbers, a multiple of `each`; -1: it is something else. */
static int numbers_read(const cJSON *array, int64_t *ret, unsigned max, unsigned each)
{
    unsigned n = 0;
    if (!cJSON_IsArray(array))
        return -1;
    for (const cJSON *item = array->child; item; item = item->next)
        if (n == max || !pl_doc_value_int(item, &ret[n++]))
            return -1;
    return n % each == 0 ? (int)n : -1;
}

static bool range_read(int64_t start_ms, int64_t end_ms, struct backfill_range *ret)
{
    *ret = (struct backfill_range){start_ms, end_ms};
    return start_ms > 0 && start_ms < end_ms && end_ms <= PL_MOMENT_MAX_MS;
}

static const char *done_read(struct backfill_record *r, const cJSON *done)
{
    int64_t numbers[3 * BACKFILL_DONE_MAX], before_ms = 0;
    int n = numbers_read(done, numbers, 3 * BACKFILL_DONE_MAX, 3);
    if (n < 0)
        return "`done` is not a list of ranges";
    for (int i = 0; i < n; i += 3) {
        struct backfill_done *d = &r->done[r->done_n++];
        if (!range_read(numbers[i], numbers[i + 1], &d->range) || d->range.start_ms <= before_ms ||
            numbers[i + 2] < 0)
            return "`done` is not in order";
        before_ms = d->range.end_ms;
        d->written = (uint64_t)numbers[i + 2];
    }
    return NULL;
}

static const char *progress_read(struct backfill *b, const cJSON *open)
{
    int64_t sums[BACKFILL_SUMS], topics[2 * POSITION_TOPICS_MAX];
    int64_t start_ms = 0, end_ms = 0;
    if (!pl_doc_int(open, "start", &start_ms) || !pl_doc_int(open, "end", &end_ms) ||
        !range_read(start_ms, end_ms, &b->range))
        return "no `start` or no `end`";
    if (numbers_read(pl_doc_get(open, "sums"), sums, BACKFILL_SUMS, BACKFILL_SUMS) != BACKFILL_SUMS)
        return "not the `sums`";
    for (unsigned i = 0; i < BACKFILL_SUMS; i++) {
        if (sums[i] < 0)
            return "a sum below 0";
        b->sums[i] = (uint64_t)sums[i];
    }
    int n = numbers_read(pl_doc_get(open, "topics"), topics, 2 * POSITION_TOPICS_MAX, 2);
    if (n < 0)
        return "not the `topics`";
    for (int i = 0; i < n; i += 2) {
        if (topics[i] < -1 || topics[i] > PL_MOMENT_MAX_MS || (topics[i + 1] & ~1))
            return "a topic's number out of range";
        b->topics[b->topics_n++] =
            (struct backfill_topic){.reached_ms = topics[i], .passed = topics[i + 1]};
    }
    return NULL;
}

static const char *open_read(struct backfill_record *r, const cJSON *open, int64_t slack_ms,
                             struct position **ret_position, struct pl_err *err)
{
    static const char *const members[] = {"start", "end", "sums", "topics", "position", NULL};
    if (!pl_doc_is_made_of(open, members))
        return "an unknown member of `open`, or one there twice";
    r->now.slack_ms = slack_ms;
    const char *wrong = progress_read(&r->now, open);
    if (wrong)
        return wrong;
    if (!pl_doc_get(open, "position"))
        return "no `position`";
    PL_CLEANUP(position_freep) struct position *position = NULL;
    char *text = cJSON_PrintUnformatted(pl_doc_get(open, "position"));
    int read = position_decode(text, strlen(text), slack_ms, &position, err);
    cJSON_free(text);
    if (read < 0)
        return err->msg;
    if (r->now.topics_n > position_topics(position))
        return "more `topics` than the position has";
    r->open = true;
    *ret_position = PL_TAKE(position);
    return NULL;
}

static const char *record_read(struct backfill_record *r, const cJSON *record, int64_t slack_ms,
                               struct position **ret_position, struct pl_err *err)
{
    static const char *const members[] = {"version", "topic", "streams", "done", "open", NULL};
    const cJSON *streams = pl_doc_get(record, "streams"), *open = pl_doc_get(record, "open");
    const char *topic = pl_doc_str(record, "topic");
    if (!pl_doc_is_made_of(record, members))
        return "an unknown member, or one there twice";
    if (!topic || !cJSON_IsArray(streams))
        return "no `topic` or no `streams`";
    r->topic = pl_strdup(topic);
    for (const cJSON *stream = streams->child; stream; stream = stream->next) {
        if (!cJSON_IsString(stream) || r->streams.n >= POSITION_TOPICS_MAX)
            return "not a stream";
        pl_strings_add(&r->streams, stream->valuestring);
    }
    const char *wrong = done_read(r, pl_doc_get(record, "done"));
    return wrong || !open ? wrong : open_read(r, open, slack_ms, ret_position, err);
}

int backfill_decode(const char *text, size_t len, int64_t slack_ms, struct backfill_record *ret,
                    struct position **ret_position, struct pl_err *err)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *record = NULL;
    const char *wrong;
    int64_t version = 0;
    struct pl_err why;
    if (pl_doc_parse(text, len, RECORD_BYTES_MAX, &record, &why) < 0)
        wrong = why.msg;
    else if (!pl_doc_int(record, "version", &version) || version < 1)
        wrong = "no version";
    else if (version > RECORD_VERSION)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "the record of backfills was written by a newer wikisrcd (version "
                          "%" PRId64 ", this one knows %d): run that one, or set another `name`",
                          version, RECORD_VERSION);
    else
        wrong = record_read(ret, record, slack_ms, ret_position, &why);
    if (!wrong)
        return 0;
    backfill_record_release(ret);
    return pl_err_set(err, PL_ERR_CONFIG, 0,
                      "the record of backfills cannot be read (%s): it is not wikisrcd's; set "
                      "another position_topic or `name`",
                      wrong);
}
