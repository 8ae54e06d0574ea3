/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_split.c - an answer taken apart: any bytes, any pieces, any refusals. links: wmfetchd
 *
 * The input's first byte chooses the size of pieces and the refusals; whatever it chooses,
 * elements and error are those of one whole feed that refuses nothing. What is accepted is one
 * valid document to lib's reader, and the checker of what stands beside the array agrees with that
 * reader on any text.
 */
#include <assert.h>

#include "daemons/wmfetchd/api/element.h"
#include "lib/json/reader.h"
#include "lib/json/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ELEMENT_MAX = 200, PART_MAX = 60 };

struct receiver {
    struct pl_buf text;
    unsigned refuse, offers;
};

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
    element_read(&e, bytes);
    assert(!e.has_key || e.key.len > 0);
    if (element_parts(&e, PART_MAX, &n, &err) < 0)
        return;
    for (element_cut_init(&cut, &e, PART_MAX); element_cut_next(&cut, &part); made++) {
        struct pl_json j;
        assert(part.len <= PART_MAX);
        pl_json_init(&j, part.data, part.len, 0);
        pl_json_skip(&j, NULL);
        assert(pl_json_end(&j));
        element_read(&again, (struct pl_slice){part.data, part.len});
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
    assert(element.len >= 2 && element.len <= ELEMENT_MAX && element.p[0] == '{');
    if (r->refuse == 0)
        parts_check(element);
    pl_buf_add(&r->text, element.p, element.len);
    pl_buf_add_byte(&r->text, '\n');
    return true;
}

/* Elements, then the error or "whole". */
static void run(const char *data, size_t size, size_t step, unsigned refuse, struct receiver *r)
{
    struct pl_split s;
    struct pl_err err;
    r->refuse = refuse;
    pl_split_init(&s, ELEMENT_MAX, on_element, r);
    for (size_t i = 0; i < size && !pl_split_failed(&s); i += step) {
        size_t n = size - i < step ? size - i : step, used = 0;
        do {
            used += pl_split_feed(&s, data + i + used, n - used);
            assert(used == n || pl_split_pending(&s) || pl_split_failed(&s));
        } while (!pl_split_failed(&s) && (used < n || pl_split_pending(&s)));
    }
    if (pl_split_end(&s, &err) < 0) {
        pl_buf_addf(&r->text, "%d %s", err.kind, err.msg);
    } else {
        struct pl_json j;
        size_t mark = size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        pl_json_init(&j, data + mark, size - mark, PL_JSON_DEPTH_MAX);
        pl_json_skip(&j, NULL);
        assert(pl_json_end(&j));
        pl_buf_addf(&r->text, "whole %s", pl_split_shape(&s));
    }
    pl_split_release(&s);
}

static void skim_compare(const char *data, size_t size)
{
    static const char space[] = " "; /* ends a number */
    struct pl_skim s;
    struct pl_json j;
    const char *end = data + size;
    pl_json_init(&j, data, size, 0);
    pl_json_skip(&j, NULL);
    bool valid = pl_json_end(&j);
    pl_skim_init(&s, 0);
    const char *p = pl_skim_feed(&s, data, end);
    if (!s.done && !s.error && s.inside == 0)
        pl_skim_feed(&s, space, space + 1);
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    assert(valid == (s.done && !s.error && p == end));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct receiver whole = {0}, cut = {0};
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 1;
    run(text, size - 1, size, 0, &whole);
    run(text, size - 1, 1 + data[0] % 16, 1 + data[0] / 16 % 4, &cut);
    assert(whole.text.len == cut.text.len &&
           memcmp(whole.text.data, cut.text.data, cut.text.len) == 0);
    skim_compare(text, size - 1);
    pl_buf_release(&whole.text);
    pl_buf_release(&cut.text);
    return 0;
}
