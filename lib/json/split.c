/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split.c - see split.h.
 *
 * Inside an element only quotes and brackets are looked at, to find its last byte; whether it is
 * JSON is asked of lib's reader once it is whole. A wrong bracket makes the element end too early
 * or too late, and then it is not valid, whatever the reason.
 *
 *   BEGIN ──[──> FIRST ──{──> ELEMENT ──}──> BEHIND ──,──> NEXT ──{──> ELEMENT …
 *     │            └────]──────────┬────────────┘
 *     └──{──> MEMBER ⇄ KEY, COLON, VALUE, SKIM, COMMA <─┘ wrapped          else: TAIL
 */
#include "lib/json/split.h"

#include <stdio.h>

#include "lib/json/reader.h"

enum split_state {
    BEGIN,
    FIRST,   /* behind '[' */
    NEXT,    /* behind a comma in the array */
    ELEMENT, /* inside of one */
    BEHIND,  /* behind one */
    MEMBER,  /* behind '{' or a comma in the object around */
    KEY,
    COLON,
    VALUE,
    SKIM,
    COMMA,
    TAIL, /* behind the end: white space only */
};

static const char *const wrappers[] = {"data", "records", "series"};

void pl_split_init(struct pl_split *s, size_t element_bytes_max, pl_split_element_fn *on_element,
                   void *userdata)
{
    *s = (struct pl_split){
        .element_bytes_max = element_bytes_max, .on_element = on_element, .userdata = userdata};
    pl_buf_init(&s->element, element_bytes_max);
}

void pl_split_release(struct pl_split *s)
{
    pl_buf_release(&s->element);
}

void pl_split_reset(struct pl_split *s)
{
    struct pl_buf element = s->element;
    pl_buf_reset(&element);
    *s = (struct pl_split){.element_bytes_max = s->element_bytes_max,
                           .on_element = s->on_element,
                           .userdata = s->userdata,
                           .element = element};
}

/* ---- errors ---- */

static const char *fail(struct pl_split *s, const char *p, const char *why)
{
    pl_err_set(&s->err, PL_ERR_REJECT, 0, "the answer is not what was expected: %s at byte %llu",
               why, (unsigned long long)s->bytes);
    return p;
}

static const char *fail_begin(struct pl_split *s, const char *p)
{
    if (*p == '<')
        return fail(s, p, "a page of HTML or XML, not JSON (a login page, a proxy?)");
    return fail(s, p, "neither a JSON array nor an object");
}

/* ---- elements ---- */

/* Whether the whole element was taken. `bytes` may lie in the piece that was fed; where it is
 * refused it is kept. */
static bool element_offer(struct pl_split *s, struct pl_slice bytes)
{
    s->pending = !s->on_element(s->userdata, bytes);
    if (s->pending)
        return false;
    s->elements++;
    pl_buf_reset(&s->element);
    return true;
}

static bool element_check(struct pl_split *s, struct pl_slice bytes)
{
    struct pl_json j;
    char why[160];
    pl_json_init(&j, bytes.p, bytes.len, 0);
    pl_json_skip(&j, NULL);
    if (pl_json_end(&j))
        return true;
    /* Where `s->bytes` stands: behind the element. */
    snprintf(why, sizeof(why), "%s, in element %llu, %zu bytes into it,",
             j.error ? j.error : "text behind a value", (unsigned long long)s->elements + 1,
             (size_t)(j.p - j.start));
    fail(s, NULL, why);
    return false;
}

/* Looks for the element's last byte. Returns behind it, or NULL when it is not in [p, end). */
static const char *element_pass(struct pl_split *s, const char *p, const char *end)
{
    while (p < end) {
        char c = *p++;
        if (s->in_string) {
            if (s->escaped)
                s->escaped = false;
            else if (c == '\\')
                s->escaped = true;
            else if (c == '"')
                s->in_string = false;
        } else if (c == '"') {
            s->in_string = true;
        } else if (c == '{' || c == '[') {
            s->open++;
        } else if ((c == '}' || c == ']') && --s->open == 0) {
            return p;
        }
    }
    return NULL;
}

static bool element_keep(struct pl_split *s, const char *p, size_t len)
{
    if (pl_buf_add(&s->element, p, len))
        return true;
    pl_err_set(&s->err, PL_ERR_CONFIG, 0,
               "element %llu of the answer is larger than api.element_bytes_max (%zu): raise it; "
               "nothing is lost, the position stands before the answer",
               (unsigned long long)s->elements + 1, s->element_bytes_max);
    return false;
}

/* The element goes on (or begins) at p. */
static const char *element_feed(struct pl_split *s, const char *p, const char *end)
{
    const char *behind = element_pass(s, p, end);
    size_t len = (size_t)((behind ? behind : end) - p);
    struct pl_slice bytes = {p, len};
    /* A maximum must not depend on how the bytes are cut. */
    bool whole = behind && s->element.len == 0 && len <= s->element_bytes_max;
    if (!whole && !element_keep(s, p, len))
        return p;
    s->bytes += len;
    if (!behind)
        return end;
    if (!whole)
        bytes = (struct pl_slice){s->element.data, s->element.len};
    if (!element_check(s, bytes))
        return behind;
    s->state = BEHIND;
    if (!element_offer(s, bytes) && whole)
        element_keep(s, p, len);
    return behind;
}

static const char *element_begin(struct pl_split *s, const char *p)
{
    if (*p != '{')
        return fail(s, p, "an element of the array is no object");
    s->in_string = s->escaped = false;
    s->open = 0;
    s->state = ELEMENT;
    return p;
}

/* ---- the object around ---- */

static const char *key_begin(struct pl_split *s, const char *p)
{
    if (*p != '"')
        return fail(s, p, "expected a key");
    pl_skim_init(&s->skim, 1);
    s->key_len = 0;
    s->state = KEY;
    return p;
}

/* With its quotes, as it came. */
static void key_keep(struct pl_split *s, const char *p, size_t len)
{
    size_t room = s->key_len < PL_SPLIT_KEY_MAX ? PL_SPLIT_KEY_MAX - s->key_len : 0;
    memcpy(s->key + (PL_SPLIT_KEY_MAX - room), p, len < room ? len : room);
    s->key_len += len;
}

/* The wrapper that the key is, or NULL. */
static const char *key_wrapper(const struct pl_split *s)
{
    struct pl_json j;
    struct pl_json_str key;
    if (s->key_len > PL_SPLIT_KEY_MAX)
        return NULL;
    pl_json_init(&j, s->key, s->key_len, 0);
    if (!pl_json_string(&j, &key))
        return NULL;
    for (size_t i = 0; i < PL_COUNT(wrappers); i++)
        if (pl_json_str_eq(&key, wrappers[i]))
            return wrappers[i];
    return NULL;
}

static const char *value_begin(struct pl_split *s, const char *p)
{
    const char *wrapper = key_wrapper(s);
    if (!wrapper || *p != '[') {
        pl_skim_init(&s->skim, 1);
        s->state = SKIM;
        return p;
    }
    if (s->array_seen)
        return fail(s, p, "a second array");
    s->wrapper = wrapper;
    s->array_seen = true;
    s->state = FIRST;
    return p + 1;
}

/* A key or a member's value. */
static const char *skim_go_on(struct pl_split *s, const char *p, const char *end)
{
    const char *behind = pl_skim_feed(&s->skim, p, end);
    bool key = s->state == KEY;
    size_t len = (size_t)(behind - p);
    if (s->skim.error) {
        s->bytes += len - 1; /* an error uses the byte it is about */
        return fail(s, behind - 1, s->skim.error);
    }
    if (key)
        key_keep(s, p, len);
    s->bytes += len;
    if (s->skim.done)
        s->state = key ? COLON : COMMA;
    return behind;
}

/* ---- one byte between values ---- */

static const char *root_begin(struct pl_split *s, const char *p)
{
    if (*p != '[' && *p != '{')
        return fail_begin(s, p);
    s->wrapped = *p == '{';
    s->array_seen = !s->wrapped;
    s->first = true;
    s->state = s->wrapped ? MEMBER : FIRST;
    return p + 1;
}

static const char *array_end(struct pl_split *s, const char *p)
{
    s->state = s->wrapped ? COMMA : TAIL;
    return p + 1;
}

static const char *object_end(struct pl_split *s, const char *p)
{
    s->state = TAIL;
    return p + 1;
}

static const char *to(struct pl_split *s, enum split_state next, const char *p)
{
    s->state = next;
    s->first = false;
    return p + 1;
}

static const char *between(struct pl_split *s, const char *p)
{
    switch ((enum split_state)s->state) {
    case BEGIN:
        return root_begin(s, p);
    case FIRST:
        return *p == ']' ? array_end(s, p) : element_begin(s, p);
    case NEXT:
        return element_begin(s, p);
    case BEHIND:
        if (*p == ']')
            return array_end(s, p);
        return *p == ',' ? to(s, NEXT, p) : fail(s, p, "expected ',' or ']'");
    case MEMBER:
        return *p == '}' && s->first ? object_end(s, p) : key_begin(s, p);
    case COLON:
        return *p == ':' ? to(s, VALUE, p) : fail(s, p, "expected ':' after a key");
    case VALUE:
        return value_begin(s, p);
    case COMMA:
        if (*p == '}')
            return object_end(s, p);
        return *p == ',' ? to(s, MEMBER, p) : fail(s, p, "expected ',' or '}'");
    case TAIL:
        return fail(s, p, "text behind the end");
    case ELEMENT:
    case KEY:
    case SKIM:
        break;
    }
    return p;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* RFC 8259, section 8.1, lets a reader pass over a byte order mark. */
static bool mark_pass(struct pl_split *s, const char *p)
{
    static const char mark[] = "\xEF\xBB\xBF";
    if (s->state != BEGIN || s->bytes >= 3 || s->begin[0] != mark[0])
        return false;
    if (*p == mark[s->bytes])
        s->bytes++;
    else
        fail_begin(s, p);
    return true;
}

static void begin_keep(struct pl_split *s, const char *data, size_t len)
{
    size_t room = s->bytes < PL_SPLIT_BEGIN_MAX - 1 ? PL_SPLIT_BEGIN_MAX - 1 - (size_t)s->bytes : 0;
    memcpy(s->begin + (PL_SPLIT_BEGIN_MAX - 1 - room), data, len < room ? len : room);
}

size_t pl_split_feed(struct pl_split *s, const char *data, size_t len)
{
    const char *p = data, *end = len > 0 ? data + len : data;
    if (s->pending && !element_offer(s, (struct pl_slice){s->element.data, s->element.len}))
        return 0;
    if (len > 0)
        begin_keep(s, data, len);
    while (p < end && !s->pending && !pl_split_failed(s)) {
        if (s->state == ELEMENT) {
            p = element_feed(s, p, end);
        } else if (s->state == KEY || s->state == SKIM) {
            p = skim_go_on(s, p, end);
        } else if (mark_pass(s, p)) {
            p += !pl_split_failed(s);
        } else if (is_space(*p)) {
            p++;
            s->bytes++;
        } else {
            const char *before = p;
            p = between(s, p);
            s->bytes += (size_t)(p - before);
        }
    }
    return (size_t)(p - data);
}

/* ---- the end ---- */

int pl_split_end(const struct pl_split *s, struct pl_err *err)
{
    if (pl_split_failed(s)) {
        *err = s->err;
        return -1;
    }
    if (s->state != TAIL || s->pending)
        return pl_err_set(err, PL_ERR_RETRY, 0,
                          "the answer ends too early, after %llu bytes and %llu elements",
                          (unsigned long long)s->bytes, (unsigned long long)s->elements);
    if (!s->array_seen)
        return pl_err_set(err, PL_ERR_REJECT, 0,
                          "the answer is not what was expected: an object without an array under "
                          "data, records or series");
    return 0;
}

const char *pl_split_shape(const struct pl_split *s)
{
    if (!s->array_seen)
        return "no array";
    if (!s->wrapped)
        return "an array";
    return s->wrapper == wrappers[0]   ? "an object with the array under data"
           : s->wrapper == wrappers[1] ? "an object with the array under records"
                                       : "an object with the array under series";
}
