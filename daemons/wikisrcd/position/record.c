/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.c - the position as a record in Kafka: one line of JSON. See position.h.
 *
 * What is read must be what the writer writes, down to the ranges of numbers; only the order of
 * members is free. Anything else was written by a newer version or by another program, and guessing
 * would lose or double events.
 */
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemons/wikisrcd/position/internal.h"
#include "lib/base/text.h"
#include "lib/json/document.h"

enum { RECORD_VERSION = 2, ID_TEXT_LEN = 22 };

/* An id as its 128 bits, first bit first. */
static void id_write(const struct event_identity *id, char *out)
{
    uint64_t bits[2] = {htobe64(id->hi), htobe64(id->lo)};
    pl_base64url_encode(bits, sizeof(bits), out);
}

/* `text` may be NULL. */
static bool id_parse(const char *text, struct event_identity *ret)
{
    uint64_t bits[2];
    if (!text || strlen(text) != ID_TEXT_LEN ||
        pl_base64url_decode(text, ID_TEXT_LEN, bits) != sizeof(bits))
        return false;
    *ret = (struct event_identity){be64toh(bits[0]), be64toh(bits[1])};
    return true;
}

static struct event_identity id_salted(const struct event_identity *id,
                                       const struct position_topic *t)
{
    return (struct event_identity){id->hi ^ t->salt.hi, id->lo ^ t->salt.lo};
}

/* ---- writing ---- */

static void entry_write(struct pl_buf *out, const struct position_topic *t,
                        const struct position_id *entry, int64_t number, bool first)
{
    char text[ID_TEXT_LEN + 32]; /* with ',', '"', '",' and the number's 20 bytes at most */
    struct event_identity id = id_salted(&entry->key, t);
    char *at = text;
    if (!first)
        *at++ = ',';
    *at++ = '"';
    id_write(&id, at);
    at += ID_TEXT_LEN;
    at += snprintf(at, sizeof(text) - (size_t)(at - text), "\",%" PRId64, number);
    pl_buf_add(out, text, (size_t)(at - text));
}

static void topic_write(struct pl_buf *out, const struct position_topic *t)
{
    pl_buf_add_str(out, "{\"topic\":");
    pl_json_quote(out, t->name, strlen(t->name));
    pl_buf_addf(out, ",\"partition\":%" PRId64 ",\"high\":%" PRId64 ",\"active\":%s", t->partition,
                t->high_ms, t->active ? "true" : "false");
    if (t->cut_ms != INT64_MIN)
        pl_buf_addf(out, ",\"cut\":%" PRId64, t->cut_ms);
    pl_buf_add_str(out, ",\"ids\":[");
    for (unsigned i = 0; i < t->count; i++) {
        const struct position_id *entry = position_entry(t, i);
        entry_write(out, t, entry, t->high_ms - entry->time_ms, i == 0);
    }
    pl_buf_add_str(out, "]");
    if (t->ahead_n > 0) {
        pl_buf_add_str(out, ",\"ahead\":[");
        for (unsigned i = 0; i < t->ahead_n; i++)
            entry_write(out, t, &t->ahead[i], t->ahead[i].time_ms, i == 0);
        pl_buf_add_str(out, "]");
    }
    pl_buf_add_str(out, "}");
}

void position_encode(const struct position *p, int64_t now_ms, struct pl_buf *out)
{
    pl_buf_addf(out, "{\"version\":%d,\"streams\":[", RECORD_VERSION);
    for (size_t i = 0; i < p->streams.n; i++) {
        if (i > 0)
            pl_buf_add_str(out, ",");
        pl_json_quote(out, p->streams.v[i], strlen(p->streams.v[i]));
    }
    pl_buf_addf(out,
                "],\"since\":%" PRId64 ",\"begun\":%" PRId64 ",\"discovered\":%" PRId64
                ",\"at\":%" PRId64 ",\"slack\":%" PRId64 ",\"topics\":[",
                p->since_ms, p->begun_ms, p->discovered_ms, now_ms, p->slack_ms);
    for (unsigned i = 0; i < p->topics_n; i++) {
        if (i > 0)
            pl_buf_add_str(out, ",");
        topic_write(out, &p->topics[i]);
    }
    pl_buf_add_str(out, "]}");
}

/* ---- reading: functions return what is wrong; NULL: nothing ---- */

static bool number_read(const cJSON *value, int64_t min, int64_t max, int64_t *ret)
{
    int64_t number;
    if (!pl_doc_value_int(value, &number) || number < min || number > max)
        return false;
    *ret = number;
    return true;
}

/* A member may be absent: *ret is what it is then. */
static bool member_read(const cJSON *object, const char *name, int64_t min, int64_t max,
                        int64_t *ret)
{
    const cJSON *value = pl_doc_get(object, name);
    return !value || number_read(value, min, max, ret);
}

/* [id, number, id, number …] into the window (the number is high - time) or into `ahead`. */
static const char *ids_read(struct position *p, struct position_topic *t, const cJSON *ids,
                            bool ahead)
{
    if (!cJSON_IsArray(ids))
        return "ids that are no array";
    for (const cJSON *item = ids->child; item; item = item->next->next) {
        struct event_identity id;
        if (!id_parse(cJSON_GetStringValue(item), &id))
            return "not an id";
        if (!item->next)
            return "an id without a time";
        int64_t number;
        if (!number_read(item->next, -POSITION_TIME_MAX_MS, POSITION_TIME_MAX_MS, &number))
            return "number out of range";
        if (ahead ? p->ahead_ids >= POSITION_AHEAD_MAX : p->ids >= POSITION_IDS_MAX)
            return "too many ids";
        struct event_identity key = id_salted(&id, t);
        if (!(ahead ? position_ahead_push(p, t, &key, number)
                    : position_window_push(p, t, &key, t->high_ms - number)))
            return "an id is there twice";
    }
    return NULL;
}

static const char *topic_read(struct position *p, const cJSON *topic)
{
    static const char *const members[] = {"topic", "partition", "high",  "active",
                                          "cut",   "ids",       "ahead", NULL};
    const char *name = pl_doc_str(topic, "topic");
    const cJSON *ids = pl_doc_get(topic, "ids"), *ahead = pl_doc_get(topic, "ahead");
    int64_t partition = -1, high_ms = -1, cut_ms = INT64_MIN;
    bool active = false;
    if (!pl_doc_is_made_of(topic, members))
        return "an unknown member of a topic, or one there twice";
    if (!member_read(topic, "partition", 0, INT32_MAX, &partition) ||
        !member_read(topic, "high", 0, POSITION_TIME_MAX_MS, &high_ms) ||
        !member_read(topic, "cut", -POSITION_TIME_MAX_MS, POSITION_TIME_MAX_MS, &cut_ms))
        return "number out of range";
    if (pl_doc_get(topic, "active") && !pl_doc_bool(topic, "active", &active))
        return "`active` is neither true nor false";
    const struct pl_json_str text = {.p = name, .len = name ? strlen(name) : 0};
    if (!name || partition < 0 || high_ms < 0 || position_topic_find(p, &text, partition) >= 0 ||
        p->topics_n == POSITION_TOPICS_MAX)
        return "a topic that is incomplete or there twice";
    if (!ids)
        return "a topic without ids";
    struct position_topic *t = position_topic_add(p, name, text.len, partition, high_ms);
    t->active = active;
    t->cut_ms = cut_ms;
    const char *wrong = ids_read(p, t, ids, false);
    return wrong || !ahead ? wrong : ids_read(p, t, ahead, true);
}

static const char *record_read(struct position *p, const cJSON *record)
{
    static const char *const members[] = {"version", "streams", "since",  "begun", "discovered",
                                          "at",      "slack",   "topics", NULL};
    const cJSON *streams = pl_doc_get(record, "streams"), *topics = pl_doc_get(record, "topics");
    if (!pl_doc_is_made_of(record, members))
        return "an unknown member, or one there twice";
    int64_t at_ms;
    if (!member_read(record, "since", 0, POSITION_TIME_MAX_MS, &p->since_ms) ||
        !member_read(record, "begun", 0, POSITION_TIME_MAX_MS, &p->begun_ms) ||
        !member_read(record, "discovered", 0, POSITION_TIME_MAX_MS, &p->discovered_ms) ||
        !member_read(record, "at", 0, POSITION_TIME_MAX_MS, &at_ms) ||
        !member_read(record, "slack", 0, POSITION_TIME_MAX_MS, &p->slack_ms))
        return "number out of range";
    if (p->since_ms < 0 || p->slack_ms < 0)
        return "no `since` or no `slack`";
    if (p->begun_ms < 0)
        p->begun_ms = p->since_ms; /* version 1 */
    if ((streams && !cJSON_IsArray(streams)) || (topics && !cJSON_IsArray(topics)))
        return "`streams` or `topics` is no array";
    for (const cJSON *stream = streams ? streams->child : NULL; stream; stream = stream->next) {
        if (!cJSON_IsString(stream) || p->streams.n >= POSITION_TOPICS_MAX)
            return "not a stream";
        pl_strings_add(&p->streams, stream->valuestring);
    }
    const char *wrong = NULL;
    for (const cJSON *topic = topics ? topics->child : NULL; topic && !wrong; topic = topic->next)
        wrong = topic_read(p, topic);
    return wrong;
}

/* The writer's slack may have been different: a topic that has delivered nothing must be asked for
 * from the same time as before, and a window that reaches back less far than the new slack needs
 * counts as cut. */
static void slack_adapt(struct position *p, int64_t slack_ms)
{
    for (unsigned i = 0; i < p->topics_n; i++) {
        struct position_topic *t = &p->topics[i];
        int64_t reach_ms = t->high_ms - 2 * p->slack_ms;
        if (t->count == 0 && t->high_ms >= p->slack_ms)
            t->high_ms += slack_ms - p->slack_ms;
        else if (slack_ms > 2 * p->slack_ms && reach_ms > t->cut_ms)
            t->cut_ms = reach_ms;
    }
    p->slack_ms = slack_ms;
}

int position_decode(const char *text, size_t len, int64_t slack_ms, struct position **ret,
                    struct pl_err *err)
{
    const struct pl_strings none = {0};
    PL_CLEANUP(position_freep) struct position *p = position_new(&none, -1, -1);
    PL_CLEANUP(cJSON_Deletep) cJSON *record = NULL;
    const char *wrong;
    int64_t version = 0;
    if (pl_doc_parse(text, len, POSITION_BYTES_MAX, &record, err) < 0)
        wrong = err->msg;
    else if (!pl_doc_get(record, "version"))
        wrong = "no version";
    else if (!member_read(record, "version", 1, INT32_MAX, &version))
        wrong = "number out of range";
    else if (version > RECORD_VERSION)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "the position was written by a newer wikisrcd (version %lld of its form, "
                          "this one knows %d): run that one, or start over with another `name`",
                          (long long)version, RECORD_VERSION);
    else
        wrong = record_read(p, record);
    if (wrong)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "the position cannot be read (%s): it is not wikisrcd's; set another "
                          "position_topic, or start over with another `name`",
                          wrong);
    p->asked_ms = p->since_ms;
    slack_adapt(p, slack_ms);
    *ret = PL_TAKE(p);
    return 0;
}
