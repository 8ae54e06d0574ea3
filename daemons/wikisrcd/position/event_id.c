/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_id.c - the service's event id, read in place: each event has one. See internal.h.
 */
#include "daemons/wikisrcd/position/internal.h"

/* As long as what the stream's parser keeps (sse.h). */
#define ID_BYTES_MAX 65536
/* 2^53: beyond it other readers of JSON see another number. */
#define INTEGER_END 9007199254740992

/* An id with text that UTF-8 cannot carry, or C cannot, is none. */
static bool topic_is_text(const struct pl_json_str *topic)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    return !topic->escaped || (pl_json_unescape_buf(topic, &text) &&
                               (text.len == 0 || !memchr(text.data, '\0', text.len)));
}

/* false: not an integer, or it is too large. */
static bool integer_read(struct pl_json *j, int64_t *ret)
{
    struct pl_json_num number;
    int64_t value;
    if (!pl_json_number(j, &number) || pl_json_num_i64(&number, &value) != PL_JSON_NUM_OK ||
        value <= -INTEGER_END || value >= INTEGER_END)
        return false;
    *ret = value;
    return true;
}

/* A member that comes twice counts as it came first. */
static bool entry_read(struct pl_json *j, struct position_id_entry *ret)
{
    struct pl_json_str key;
    bool has_partition = false, has_timestamp = false;
    *ret = (struct position_id_entry){.timestamp_ms = -1};
    if (pl_json_peek(j) != PL_JSON_OBJECT)
        return false;
    pl_json_object_begin(j);
    while (pl_json_object_next(j, &key)) {
        if (!ret->topic.p && pl_json_str_eq(&key, "topic")) {
            if (!pl_json_string(j, &ret->topic) || !topic_is_text(&ret->topic))
                return false;
        } else if (!has_partition && pl_json_str_eq(&key, "partition")) {
            has_partition = true;
            if (!integer_read(j, &ret->partition) || !position_partition_is_valid(ret->partition))
                return false;
        } else if (!has_timestamp && pl_json_str_eq(&key, "timestamp")) {
            has_timestamp = true;
            bool ok = pl_json_peek(j) == PL_JSON_NUMBER ? integer_read(j, &ret->timestamp_ms)
                                                        : pl_json_skip(j, NULL);
            if (!ok)
                return false;
        } else {
            pl_json_skip(j, NULL);
        }
    }
    return !j->error && ret->topic.p;
}

bool position_id_read(struct pl_slice id, struct position_id_entries *ret)
{
    struct pl_json j;
    ret->n = 0;
    pl_json_init(&j, id.p, id.len, PL_JSON_DEPTH_DEFAULT);
    if (id.len == 0 || id.len > ID_BYTES_MAX || !pl_json_array_begin(&j))
        return false;
    while (pl_json_array_next(&j)) {
        if (ret->n == ret->cap) {
            ret->cap = ret->cap ? ret->cap * 2 : 4;
            ret->v = pl_realloc_array(ret->v, ret->cap, sizeof(*ret->v));
        }
        if (!entry_read(&j, &ret->v[ret->n]))
            break;
        ret->n++;
    }
    if (pl_json_end(&j) && ret->n > 0)
        return true;
    ret->n = 0;
    return false;
}
