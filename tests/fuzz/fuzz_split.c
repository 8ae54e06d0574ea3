/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_split.c - an answer taken apart: any bytes, any pieces, any refusals. links: wmfetchd
 *
 * The input's first byte chooses the size of pieces, the refusals, the largest element and (by '~')
 * that a path says where the array is; whatever the first two are, elements, members, what they say
 * and error are those of one whole feed that refuses nothing. Where nothing is too large, an answer
 * is accepted exactly when the reader finds a valid document in the whole text, of one of the
 * shapes.
 */
#include <assert.h>

#include "daemons/wmfetchd/api/answer.h"
#include "daemons/wmfetchd/api/element.h"
#include "lib/json/reader.h"
#include "lib/json/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ELEMENT_MAX = 200, PART_MAX = 60 };

/* Larger than any input. */
#define ELEMENT_MAX_NONE ((size_t)1 << 30)

struct receiver {
    struct pl_buf text;
    size_t element_max;
    unsigned refuse, offers;
    struct answer answer;
};

static char *const keys[] = {(char *)"transactionId", (char *)"transactionName"};
static const struct wmfetchd_record_conf record_conf = {{(char **)keys, 2},
                                                        (char *)"transactionSeries"};

/* An element cut into parts has all its records, once, in order. */
static void parts_check(struct pl_slice bytes)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf part = {0};
    PL_CLEANUP(element_release) struct element e = {0};
    PL_CLEANUP(element_release) struct element again = {0};
    struct element_cut cut;
    struct pl_err err;
    uint32_t n, made = 0;
    uint64_t records = 0;
    element_read(&e, &record_conf, bytes);
    assert(!e.has_key || e.key.len > 0);
    if (element_parts(&e, PART_MAX, &n, &err) < 0)
        return;
    for (element_cut_init(&cut, &e, PART_MAX); element_cut_next(&cut, &part); made++) {
        struct pl_json j;
        assert(part.len <= PART_MAX);
        pl_json_init(&j, part.data, part.len, 0);
        pl_json_skip(&j, NULL);
        assert(pl_json_end(&j));
        element_read(&again, &record_conf, (struct pl_slice){part.data, part.len});
        assert(again.has_key == e.has_key && again.key.len == e.key.len);
        records += again.records;
        pl_buf_reset(&part);
    }
    assert(made == n && records == e.records);
}

static bool on_element(void *userdata, struct pl_slice element)
{
    struct receiver *r = userdata;
    if (r->refuse > 0 && ++r->offers % r->refuse != 0)
        return false;
    assert(element.len >= 2 && element.len <= r->element_max && element.p[0] == '{');
    if (r->refuse == 0)
        parts_check(element);
    pl_buf_add(&r->text, element.p, element.len);
    pl_buf_add_byte(&r->text, '\n');
    return true;
}

static void on_member(void *userdata, const struct pl_split_member *m)
{
    struct receiver *r = userdata;
    assert(!m->value.p || m->value.p[0] == m->first);
    pl_buf_addf(&r->text, "%u %c ", m->depth, m->first);
    if (m->key.p)
        pl_buf_add(&r->text, m->key.p, m->key.len);
    if (m->value.p)
        pl_buf_add(&r->text, m->value.p, m->value.len);
    pl_buf_add_byte(&r->text, '\n');
    answer_member(&r->answer, m);
}

/* ---- what the reader says of the whole text ---- */

/* The value that comes next, by itself no deeper than split lets it be. */
static bool value_is_good(struct pl_json *j, enum pl_json_type type)
{
    struct pl_slice raw;
    struct pl_json value;
    if (type != PL_JSON_NONE && pl_json_peek(j) != type)
        return false;
    if (!pl_json_skip(j, &raw))
        return false;
    pl_json_init(&value, raw.p, raw.len, 0);
    pl_json_skip(&value, NULL);
    return pl_json_end(&value);
}

static bool array_is_good(struct pl_json *j)
{
    bool good = pl_json_array_begin(j);
    while (good && pl_json_array_next(j))
        good = value_is_good(j, PL_JSON_OBJECT);
    return good && !j->error;
}

static bool answer_is_good(const char *data, size_t size)
{
    struct pl_json j;
    struct pl_json_str key;
    size_t mark = size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    unsigned arrays = 0;
    bool good = true;
    pl_json_init(&j, data + mark, size - mark, PL_JSON_DEPTH_MAX);
    if (pl_json_peek(&j) == PL_JSON_ARRAY)
        return array_is_good(&j) && pl_json_end(&j);
    if (!pl_json_object_begin(&j))
        return false;
    while (good && pl_json_object_next(&j, &key)) {
        bool wrapper = pl_json_str_eq(&key, "data") || pl_json_str_eq(&key, "records") ||
                       pl_json_str_eq(&key, "series");
        if (wrapper && pl_json_peek(&j) == PL_JSON_ARRAY)
            good = ++arrays == 1 && array_is_good(&j);
        else
            good = value_is_good(&j, PL_JSON_NONE);
    }
    return good && pl_json_end(&j) && arrays == 1;
}

/* ---- */

/* Elements, then the error or "whole". Returns whether it was accepted. */
static bool run(const char *data, size_t size, size_t step, unsigned refuse, struct receiver *r)
{
    struct pl_split s;
    struct pl_err err;
    r->refuse = refuse;
    answer_init(&r->answer, r->answer.conf);
    pl_split_init(&s, r->element_max, on_element, r);
    pl_split_around(&s, r->answer.conf->array, on_member);
    for (size_t i = 0; i < size && !pl_split_failed(&s); i += step) {
        size_t n = size - i < step ? size - i : step, used = 0;
        do {
            used += pl_split_feed(&s, data + i + used, n - used);
            assert(used == n || s.pending || pl_split_failed(&s));
        } while (!pl_split_failed(&s) && (used < n || s.pending));
    }
    bool accepted = pl_split_end(&s, &err) == 0;
    enum answer_says says = answer_end(&r->answer, s.elements);
    pl_buf_addf(&r->text, "says %d %s %.*s\n", says, r->answer.name, (int)r->answer.value.len,
                r->answer.value.p);
    if (accepted)
        pl_buf_addf(&r->text, "whole %s", s.shape);
    else
        pl_buf_addf(&r->text, "%d %s", err.kind, err.msg);
    pl_split_release(&s);
    return accepted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 1;
    bool limited = data[0] & 128;
    const struct wmfetchd_answer_conf conf = {.array = data[0] == '~' ? (char *)"data.data" : NULL};
    struct receiver whole = {.element_max = limited ? ELEMENT_MAX : ELEMENT_MAX_NONE,
                             .answer = {.conf = &conf}};
    struct receiver cut = {.element_max = whole.element_max, .answer = {.conf = &conf}};
    bool accepted = run(text, size - 1, size, 0, &whole);
    run(text, size - 1, 1 + data[0] % 16, 1 + data[0] / 16 % 4, &cut);
    assert(whole.text.len == cut.text.len &&
           memcmp(whole.text.data, cut.text.data, cut.text.len) == 0);
    if (!limited && !conf.array && size <= PL_SPLIT_BESIDE_MAX)
        assert(accepted == answer_is_good(text, size - 1));
    pl_buf_release(&whole.text);
    pl_buf_release(&cut.text);
    return 0;
}
