/* SPDX-License-Identifier: Apache-2.0 */
/*
 * element.c - see element.h.
 *
 * A part is a run of the series' bytes between all that precedes the first record and all that
 * follows the last; counting parts and making them is the same walk.
 */
#include "daemons/wmfetchd/api/element.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/json/reader.h"

void element_release(struct element *e)
{
    pl_buf_release(&e->key);
    *e = (struct element){0};
}

/* An identifier that can be a key; false: null, empty or something else. */
static bool key_read(struct pl_json *j, struct pl_buf *out)
{
    enum pl_json_type type = pl_json_peek(j);
    pl_buf_reset(out);
    struct pl_json_str str;
    if (type == PL_JSON_STRING && pl_json_string(j, &str))
        return str.len > 0 && pl_json_unescape_buf(&str, out);
    struct pl_json_num num;
    if (type == PL_JSON_NUMBER && pl_json_number(j, &num))
        return pl_buf_add(out, num.p, num.len);
    pl_json_skip(j, NULL);
    return false;
}

static void series_read(struct element *e, struct pl_json *j)
{
    enum pl_json_type type = pl_json_peek(j);
    const char *begin = j->p;
    e->is_transaction = type == PL_JSON_ARRAY || type == PL_JSON_NULL;
    if (type != PL_JSON_ARRAY) {
        pl_json_skip(j, NULL);
        return;
    }
    pl_json_array_begin(j);
    for (; pl_json_array_next(j); e->records++)
        pl_json_skip(j, NULL);
    e->series = (struct pl_slice){begin, (size_t)(j->p - begin)};
}

/* The index of a name among the first n of api.record.key; `n`: none. */
static size_t key_place(const struct pl_strings *names, size_t n, const struct pl_json_str *key)
{
    for (size_t i = 0; i < n; i++)
        if (pl_json_str_eq(key, names->v[i]))
            return i;
    return n;
}

void element_read(struct element *e, const struct wmfetchd_record_conf *conf, struct pl_slice bytes)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf found = {0};
    bool has_series = conf->series && conf->series[0];
    *e = (struct element){.conf = conf,
                          .bytes = bytes,
                          .is_transaction = !has_series,
                          .records = !has_series,
                          .key = e->key};
    pl_buf_reset(&e->key);
    struct pl_json j;
    pl_json_init(&j, bytes.p, bytes.len, 0);
    pl_json_object_begin(&j);
    struct pl_json_str key;
    size_t best = conf->key.n; /* only names before it are better */
    while (pl_json_object_next(&j, &key)) {
        size_t place = key_place(&conf->key, best, &key);
        if (has_series && !e->series.p && pl_json_str_eq(&key, conf->series)) {
            series_read(e, &j);
        } else if (place == best) {
            pl_json_skip(&j, NULL);
        } else if (key_read(&j, &found)) {
            struct pl_buf before = e->key;
            e->key = found;
            found = before;
            e->has_key = true;
            best = place;
        }
    }
}

int element_check(const struct element *e, struct pl_err *err)
{
    if (e->is_transaction)
        return 0;
    return pl_err_set(err, PL_ERR_REJECT, 0,
                      "the answer is not what was expected: its array holds an object without a "
                      "%s",
                      e->conf->series);
}

/* ---- parts ---- */

/* Bytes of a part that are not records: all of the element but the inside of its series. */
static size_t frame_size(const struct element *e)
{
    return e->bytes.len - e->series.len + 2;
}

void element_cut_init(struct element_cut *c, const struct element *e, size_t bytes_max)
{
    *c = (struct element_cut){.element = e, .bytes_max = bytes_max};
    if (e->series.p)
        c->p = e->series.p + 1;
}

/* The next run of records that fits: at least one, whatever its size. false: none is left. */
static bool run_next(struct element_cut *c, struct pl_slice *ret_run)
{
    const struct element *e = c->element;
    size_t room = c->bytes_max > frame_size(e) ? c->bytes_max - frame_size(e) : 0;
    const char *from = NULL, *to = NULL;
    if (c->record == e->records)
        return false;
    struct pl_json j;
    struct pl_slice record;
    /* The inside of the array as a sequence of values; commas are skipped here. */
    for (; c->record < e->records; c->record++) {
        pl_json_init(&j, c->p, (size_t)(e->series.p + e->series.len - c->p), 0);
        pl_json_peek(&j); /* skips white space */
        const char *begin = j.p;
        pl_json_skip(&j, &record);
        if (from && (size_t)(j.p - from) > room)
            break;
        from = from ? from : begin;
        to = j.p;
        c->p = to;
        while (*c->p != ',' && *c->p != ']')
            c->p++;
        c->p++;
    }
    *ret_run = (struct pl_slice){from, (size_t)(to - from)};
    return true;
}

/* `of`: "record 3 of " or ""; `why` it cannot be cut smaller. */
static int uncuttable(const struct element *e, const char *of, size_t size, const char *why,
                      size_t bytes_max, struct pl_err *err)
{
    return pl_err_set(err, PL_ERR_CONFIG, 0,
                      "%stransaction %.*s has %zu bytes %s, more than a message may have (%zu): "
                      "raise message_bytes_max and the topic's max.message.bytes; nothing is lost, "
                      "the position is before it",
                      of, (int)(e->key.len < 100 ? e->key.len : 100), e->has_key ? e->key.data : "",
                      size, why, bytes_max);
}

int element_parts(const struct element *e, size_t bytes_max, uint32_t *ret_n, struct pl_err *err)
{
    uint32_t n = e->bytes.len <= bytes_max;
    struct element_cut c;
    struct pl_slice run;
    element_cut_init(&c, e, bytes_max);
    for (; e->series.p && e->bytes.len > bytes_max && run_next(&c, &run); n++) {
        char of[40];
        snprintf(of, sizeof(of), "record %" PRIu64 " of ", c.record);
        if (run.len + frame_size(e) > bytes_max)
            return uncuttable(e, of, run.len + frame_size(e), "with the fields around it",
                              bytes_max, err);
    }
    if (n == 0)
        return uncuttable(e, "", e->bytes.len, "and no series to split it by", bytes_max, err);
    *ret_n = n;
    return 0;
}

bool element_cut_next(struct element_cut *c, struct pl_buf *out)
{
    const struct element *e = c->element;
    if (e->bytes.len <= c->bytes_max) { /* whole: the only part */
        if (c->record == UINT64_MAX)
            return false;
        c->record = UINT64_MAX;
        return pl_buf_add(out, e->bytes.p, e->bytes.len);
    }
    struct pl_slice run;
    if (!run_next(c, &run))
        return false;
    const char *behind = e->series.p + e->series.len;
    pl_buf_add(out, e->bytes.p, (size_t)(e->series.p - e->bytes.p) + 1);
    pl_buf_add(out, run.p, run.len);
    pl_buf_add(out, behind - 1, (size_t)(e->bytes.p + e->bytes.len - behind) + 1);
    return true;
}
