/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.c - the position as a record in Kafka: one line of JSON. See position.h.
 *
 * The reader accepts exactly what the writer writes. What else stands there was written by a newer
 * version or by somebody else, and guessing would lose or double events.
 */
#include <inttypes.h>
#include <stdio.h>

#include "daemons/wikisrcd/position/internal.h"

enum { RECORD_VERSION = 1, ID_TEXT_LEN = 22 };

/* Times up to the end of the year 9999. */
#define TIME_MAX_MS INT64_C(253402300799999)

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* 128 bits, first bit first; the 22nd digit carries 2 of them. */
static void id_write(const struct event_identity *id, char *out)
{
    unsigned __int128 bits = (unsigned __int128)id->hi << 64 | id->lo;
    out[ID_TEXT_LEN - 1] = base64url[(unsigned)(bits & 3) << 4];
    bits >>= 2;
    for (unsigned i = ID_TEXT_LEN - 1; i-- > 0; bits >>= 6)
        out[i] = base64url[(unsigned)(bits & 63)];
}

static bool id_parse(const struct pl_json_str *text, struct event_identity *ret)
{
    unsigned __int128 bits = 0;
    if (text->len != ID_TEXT_LEN || text->escaped)
        return false;
    for (unsigned i = 0; i < ID_TEXT_LEN; i++) {
        const char *digit = text->p[i] ? strchr(base64url, text->p[i]) : NULL;
        if (!digit)
            return false;
        unsigned value = (unsigned)(digit - base64url);
        if (i < ID_TEXT_LEN - 1)
            bits = bits << 6 | value;
        else if (value & 15)
            return false;
        else
            bits = bits << 2 | value >> 4;
    }
    *ret = (struct event_identity){(uint64_t)(bits >> 64), (uint64_t)bits};
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
                "],\"since\":%" PRId64 ",\"discovered\":%" PRId64 ",\"at\":%" PRId64
                ",\"slack\":%" PRId64 ",\"topics\":[",
                p->since_ms, p->discovered_ms, now_ms, p->slack_ms);
    for (unsigned i = 0; i < p->topics_n; i++) {
        if (i > 0)
            pl_buf_add_str(out, ",");
        topic_write(out, &p->topics[i]);
    }
    pl_buf_add_str(out, "]}");
}

/* ---- reading ---- */

/* Sets the reader's error when it is not there, not an integer, or out of its range. */
static int64_t number_read(struct pl_json *j, int64_t min, int64_t max)
{
    struct pl_json_num number;
    int64_t value = 0;
    if (!pl_json_number(j, &number))
        return 0;
    if (pl_json_num_i64(&number, &value) != PL_JSON_NUM_OK || value < min || value > max) {
        pl_json_fail(j, "number out of range");
        return 0;
    }
    return value;
}

static int64_t time_read(struct pl_json *j)
{
    return number_read(j, 0, TIME_MAX_MS);
}

/* [id, number, id, number …] into the window (the number is high - time) or into `ahead`. */
static void ids_read(struct pl_json *j, struct position *p, struct position_topic *t, bool ahead)
{
    struct pl_json_str text;
    struct event_identity id;
    if (!pl_json_array_begin(j))
        return;
    while (pl_json_array_next(j)) {
        if (!pl_json_string(j, &text))
            return;
        if (!id_parse(&text, &id)) {
            pl_json_fail(j, "not an id");
            return;
        }
        if (!pl_json_array_next(j)) {
            pl_json_fail(j, "an id without a time");
            return;
        }
        int64_t number = number_read(j, -TIME_MAX_MS, TIME_MAX_MS);
        if (j->error)
            return;
        if ((ahead ? p->ahead_ids >= POSITION_AHEAD_MAX : p->ids >= POSITION_IDS_MAX)) {
            pl_json_fail(j, "too many ids");
            return;
        }
        struct event_identity key = id_salted(&id, t);
        if (!(ahead ? position_ahead_push(p, t, &key, number)
                    : position_window_push(p, t, &key, t->high_ms - number))) {
            pl_json_fail(j, "an id stands there twice");
            return;
        }
    }
}

static bool topic_is_known(const struct position *p, const char *name, int64_t partition)
{
    for (unsigned i = 0; i < p->topics_n; i++)
        if (p->topics[i].partition == partition && strcmp(p->topics[i].name, name) == 0)
            return true;
    return false;
}

/* The members before the ids come first in the record, so that the topic exists when ids come. */
static void topic_read(struct pl_json *j, struct position *p)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf name = {0};
    struct position_topic *t = NULL;
    struct pl_json_str key, text = {0};
    int64_t partition = -1, high = -1, cut = INT64_MIN;
    bool active = false;
    if (!pl_json_object_begin(j))
        return;
    while (pl_json_object_next(j, &key)) {
        if (!t && pl_json_str_eq(&key, "topic")) {
            pl_json_string(j, &text);
        } else if (!t && pl_json_str_eq(&key, "partition")) {
            partition = number_read(j, 0, INT32_MAX);
        } else if (!t && pl_json_str_eq(&key, "high")) {
            high = number_read(j, 0, TIME_MAX_MS);
        } else if (!t && pl_json_str_eq(&key, "active")) {
            pl_json_bool(j, &active);
        } else if (!t && pl_json_str_eq(&key, "cut")) {
            cut = number_read(j, -TIME_MAX_MS, TIME_MAX_MS);
        } else if (!t && pl_json_str_eq(&key, "ids")) {
            if (!text.p || partition < 0 || high < 0 || !pl_json_unescape_buf(&text, &name) ||
                memchr(pl_buf_cstr(&name), '\0', name.len) ||
                topic_is_known(p, name.data, partition) || p->topics_n == POSITION_TOPICS_MAX) {
                pl_json_fail(j, "a topic that is incomplete or there twice");
                return;
            }
            t = position_topic_add(p, name.data, name.len, partition, high);
            t->active = active;
            t->cut_ms = cut;
            ids_read(j, p, t, false);
        } else if (t && pl_json_str_eq(&key, "ahead")) {
            ids_read(j, p, t, true);
        } else {
            pl_json_fail(j, "an unknown member of a topic");
            return;
        }
    }
    if (!j->error && !t)
        pl_json_fail(j, "a topic without ids");
}

static void streams_read(struct pl_json *j, struct position *p)
{
    struct pl_json_str text;
    if (!pl_json_array_begin(j))
        return;
    while (pl_json_array_next(j)) {
        PL_CLEANUP(pl_buf_release) struct pl_buf name = {0};
        if (!pl_json_string(j, &text))
            return;
        if (!pl_json_unescape_buf(&text, &name) || p->streams.n >= POSITION_TOPICS_MAX) {
            pl_json_fail(j, "not a stream");
            return;
        }
        pl_strings_add(&p->streams, pl_buf_cstr(&name));
    }
}

/* The version is the first member, so that a newer record is known before its unknown parts. */
static void record_read(struct pl_json *j, struct position *p, int64_t *ret_version,
                        int64_t *ret_slack_ms)
{
    struct pl_json_str key;
    if (!pl_json_object_begin(j) || !pl_json_object_next(j, &key))
        return;
    if (!pl_json_str_eq(&key, "version")) {
        pl_json_fail(j, "no version");
        return;
    }
    *ret_version = number_read(j, 1, INT32_MAX);
    if (!j->error && *ret_version != RECORD_VERSION)
        pl_json_fail(j, "another version");
    while (pl_json_object_next(j, &key)) {
        if (pl_json_str_eq(&key, "streams"))
            streams_read(j, p);
        else if (pl_json_str_eq(&key, "since"))
            p->since_ms = time_read(j);
        else if (pl_json_str_eq(&key, "discovered"))
            p->discovered_ms = time_read(j);
        else if (pl_json_str_eq(&key, "at"))
            time_read(j);
        else if (pl_json_str_eq(&key, "slack"))
            *ret_slack_ms = time_read(j);
        else if (!pl_json_str_eq(&key, "topics"))
            pl_json_fail(j, "an unknown member");
        else if (pl_json_array_begin(j))
            while (pl_json_array_next(j))
                topic_read(j, p);
    }
}

/* The writer's slack may have been another: a topic that has delivered nothing must be asked for
 * from the same time as before, and a window that reaches less far back than the new slack asks is
 * one that was cut. */
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
    struct pl_json j;
    int64_t version = 0;
    if (len > POSITION_BYTES_MAX)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "the position has %zu bytes, more than any that wikisrcd writes", len);
    pl_json_init(&j, text, len, 8);
    record_read(&j, p, &version, &p->slack_ms);
    bool whole = pl_json_end(&j);
    if (version > RECORD_VERSION)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "the position was written by a newer wikisrcd (version %lld of its form, "
                          "this one knows %d): run that one, or begin anew with another `name`",
                          (long long)version, RECORD_VERSION);
    if (whole && (p->since_ms < 0 || p->slack_ms < 0))
        whole = pl_json_fail(&j, "no `since` or no `slack`");
    if (!whole)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "the position cannot be read (%s at byte %zu): it is not wikisrcd's; "
                          "set another position_topic, or begin anew with another `name`",
                          j.error ? j.error : "more follows", (size_t)(j.p - j.start));
    p->asked_ms = p->since_ms;
    slack_adapt(p, slack_ms);
    *ret = PL_TAKE(p);
    return 0;
}
