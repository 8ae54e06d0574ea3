/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split.c - see split.h.
 *
 * Inside a value (an element, a key, a value beside the array) only quotes and brackets are looked
 * at, to find its last byte; the reader checks it once it is whole. A wrong bracket makes the value
 * end too early or too late, and so makes it invalid.
 *
 *   BEGIN ──[──> FIRST ──{──> ELEMENT ──}──> BEHIND ──,──> NEXT ──{──> ELEMENT …
 *     │            └────]──────────┬────────────┘
 *     └──{──> MEMBER ⇄ KEY, COLON, VALUE, BESIDE, COMMA <─┘ wrapped        else: TAIL
 */
#include "lib/json/split.h"

#include <stdio.h>

#include "lib/json/internal.h"
#include "lib/json/reader.h"

enum split_state {
    BEGIN,
    FIRST,        /* after '[' */
    NEXT,         /* after a comma in the array */
    ELEMENT,      /* inside one */
    BEHIND,       /* after one */
    FIRST_MEMBER, /* after '{' of the object around */
    MEMBER,       /* after a comma in it */
    KEY,
    COLON,
    VALUE,
    BESIDE, /* inside a member's value */
    COMMA,
    TAIL, /* after the end: white space only */
};

static const struct {
    const char *key, *shape;
} wrappers[] = {
    {"data", "an object with the array under data"},
    {"records", "an object with the array under records"},
    {"series", "an object with the array under series"},
};

void pl_split_init(struct pl_split *s, size_t element_bytes_max, pl_split_element_fn *on_element,
                   void *userdata)
{
    *s = (struct pl_split){.element_bytes_max = element_bytes_max,
                           .on_element = on_element,
                           .userdata = userdata,
                           .shape = "no array"};
    pl_buf_init(&s->value, element_bytes_max);
}

void pl_split_around(struct pl_split *s, const char *path, pl_split_member_fn *on_member)
{
    s->on_member = on_member;
    if (!path || !path[0])
        return;
    s->path = pl_strdup(path);
    s->path_shape = pl_strf("an object with the array under %s", path);
}

void pl_split_release(struct pl_split *s)
{
    pl_buf_release(&s->value);
    pl_buf_release(&s->fault);
    pl_buf_release(&s->key);
    free(s->path);
    free(s->path_shape);
}

void pl_split_reset(struct pl_split *s)
{
    struct pl_split before = *s;
    pl_split_init(s, before.element_bytes_max, before.on_element, before.userdata);
    s->on_member = before.on_member;
    s->path = before.path;
    s->path_shape = before.path_shape;
    s->value = before.value;
    s->key = before.key;
    s->fault = before.fault;
    pl_buf_reset(&s->value);
    pl_buf_reset(&s->key);
    pl_buf_reset(&s->fault);
}

/* ---- errors ---- */

static bool fail_at(struct pl_split *s, uint64_t at, const char *why)
{
    pl_err_set(&s->err, PL_ERR_REJECT, 0, "the answer is not what was expected: %s at byte %llu",
               why, (unsigned long long)at);
    return false;
}

static const char *fail(struct pl_split *s, const char *p, const char *why)
{
    fail_at(s, s->bytes, why);
    return p;
}

static const char *fail_begin(struct pl_split *s, const char *p)
{
    if (*p == '<')
        return fail(s, p, "a page of HTML or XML, not JSON (a login page, a proxy?)");
    return fail(s, p, "neither a JSON array nor an object");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* ---- values: elements, keys, and what is beside the array ---- */

static const char *value_begin(struct pl_split *s, const char *p, enum split_state state)
{
    s->state = state;
    s->scalar = *p != '"' && *p != '{' && *p != '[';
    s->in_string = s->escaped = s->too_large = false;
    s->open = 0;
    s->first = *p;
    return p;
}

/* What counts outside of texts. */
static const bool structure[256] = {
    ['"'] = true, ['['] = true, [']'] = true, ['{'] = true, ['}'] = true};

/* Passes the last byte of a text, an array or an object; NULL when it is not in [p, end). */
static const char *brackets_skip(struct pl_split *s, const char *p, const char *end)
{
    const char *start = p;
    bool in_string = s->in_string, escaped = s->escaped, whole = false;
    uint32_t open = s->open;
    while (p < end && !whole) {
        if (escaped) {
            escaped = false;
            p++;
        } else if (in_string) {
            p = json_plain_skip(start, p, end);
            if (p == end)
                break;
            in_string = *p != '"';
            escaped = *p++ == '\\';
            whole = !in_string && open == 0;
        } else {
            while (p < end && !structure[(unsigned char)*p])
                p++;
            if (p == end)
                break;
            char c = *p++;
            in_string = c == '"';
            open += c == '{' || c == '[';
            open -= c == '}' || c == ']';
            whole = !in_string && open == 0;
        }
    }
    s->in_string = in_string;
    s->escaped = escaped;
    s->open = open;
    return whole ? p : NULL;
}

static bool ends_scalar(char c)
{
    return is_space(c) || c == ',' || c == '}' || c == ']';
}

/* The same for a number or a word, which the next byte ends. */
static const char *scalar_skip(const char *p, const char *end)
{
    while (p < end && !ends_scalar(*p))
        p++;
    return p < end ? p : NULL;
}

/* Keeps the surroundings of byte `at` of an element. */
static void fault_keep(struct pl_split *s, const char *p, size_t len, size_t at)
{
    size_t from = at > PL_SPLIT_FAULT_MAX / 2 ? at - PL_SPLIT_FAULT_MAX / 2 : 0;
    size_t n = len - from < PL_SPLIT_FAULT_MAX ? len - from : PL_SPLIT_FAULT_MAX;
    pl_buf_reset(&s->fault);
    pl_buf_add(&s->fault, p + from, n);
}

/* false: an element is too large. What is too large beside the array is not kept. */
static bool value_keep(struct pl_split *s, const char *p, size_t len)
{
    bool element = s->state == ELEMENT;
    bool fits = element || s->value.len + len <= PL_SPLIT_BESIDE_MAX;
    if (!s->too_large && fits && pl_buf_add(&s->value, p, len))
        return true;
    s->too_large = true;
    if (element && s->value.len > 0)
        fault_keep(s, s->value.data, s->value.len, 0);
    else if (element)
        fault_keep(s, p, len, 0);
    pl_buf_reset(&s->value);
    if (!element)
        return true;
    pl_err_set(&s->err, PL_ERR_CONFIG, 0,
               "element %llu of the answer is larger than api.element_bytes_max (%zu): raise it; "
               "nothing is lost, the position is before the answer",
               (unsigned long long)s->elements + 1, s->element_bytes_max);
    return false;
}

/* `s->bytes` is after the value. */
static bool value_check(struct pl_split *s, struct pl_slice bytes)
{
    struct pl_json j;
    pl_json_init(&j, bytes.p, bytes.len, 0);
    bool more = pl_json_skip(&j, NULL);
    if (pl_json_end(&j))
        return true;
    const char *error = more ? "text after a value" : j.error;
    size_t at = (size_t)(j.p - j.start);
    if (s->state != ELEMENT)
        return fail_at(s, s->bytes - bytes.len + at, error);
    fault_keep(s, bytes.p, bytes.len, at);
    char why[160];
    snprintf(why, sizeof(why), "%s, in element %llu, %zu bytes into it,", error,
             (unsigned long long)s->elements + 1, at);
    return fail_at(s, s->bytes, why);
}

/* false: not taken. `bytes` may be in the piece that was fed. */
static bool element_offer(struct pl_split *s, struct pl_slice bytes)
{
    s->pending = !s->on_element(s->userdata, bytes);
    if (s->pending)
        return false;
    s->elements++;
    pl_buf_reset(&s->value);
    return true;
}

static bool key_is(const struct pl_split *s, const char *name, size_t len)
{
    return s->key_seen && s->key.len == len && (len == 0 || memcmp(s->key.data, name, len) == 0);
}

/* A key is whole; `bytes.p` is NULL when it was too large. */
static void key_end(struct pl_split *s, struct pl_slice bytes)
{
    s->key_seen = s->around = false;
    s->array_shape = NULL;
    pl_buf_reset(&s->key);
    struct pl_json j;
    struct pl_json_str key;
    pl_json_init(&j, bytes.p, bytes.len, 0);
    if (!bytes.p || !pl_json_string(&j, &key) || key.len > PL_SPLIT_KEY_MAX)
        return;
    s->key_seen = pl_json_unescape_buf(&key, &s->key);
    for (size_t i = 0; !s->path && i < PL_COUNT(wrappers); i++)
        if (key_is(s, wrappers[i].key, strlen(wrappers[i].key)))
            s->array_shape = wrappers[i].shape;
    if (!s->path)
        return;
    const char *name = s->path;
    for (unsigned i = 0; i < s->depth; i++)
        name += strcspn(name, ".") + 1;
    size_t len = strcspn(name, ".");
    if (!key_is(s, name, len))
        return;
    s->around = name[len] == '.';
    s->array_shape = s->around ? NULL : s->path_shape;
}

static void member_show(struct pl_split *s, struct pl_slice value)
{
    const struct pl_split_member m = {
        .key = {s->key_seen ? pl_buf_cstr(&s->key) : NULL, s->key.len},
        .value = value,
        .first = s->first,
        .depth = s->depth,
    };
    if (s->on_member)
        s->on_member(s->userdata, &m);
}

/* A value is whole; `bytes.p` is NULL when it was too large. */
static void value_end(struct pl_split *s, struct pl_slice bytes)
{
    if (!s->too_large && !value_check(s, bytes))
        return;
    if (s->state == KEY) {
        key_end(s, bytes);
        s->state = COLON;
    } else if (s->state == BESIDE) {
        s->null_seen |= s->array_shape && bytes.p && s->first == 'n'; /* checked: it is null */
        member_show(s, bytes);
        s->state = COMMA;
    } else {
        s->state = BEHIND;
        if (!element_offer(s, bytes) && s->value.len == 0)
            value_keep(s, bytes.p, bytes.len);
        return;
    }
    pl_buf_reset(&s->value);
}

/* The value begins or continues at p. */
static const char *value_feed(struct pl_split *s, const char *p, const char *end)
{
    const char *behind = s->scalar ? scalar_skip(p, end) : brackets_skip(s, p, end);
    size_t len = (size_t)((behind ? behind : end) - p);
    struct pl_slice bytes = {p, len};
    /* A maximum must not depend on how the bytes are cut. */
    bool whole = behind && s->state == ELEMENT && s->value.len == 0 && len <= s->element_bytes_max;
    if (!whole && !value_keep(s, p, len))
        return p;
    s->bytes += len;
    if (!behind)
        return end;
    if (!whole)
        bytes = (struct pl_slice){s->too_large ? NULL : s->value.data, s->value.len};
    value_end(s, bytes);
    return behind;
}

/* ---- one byte between values ---- */

static const char *to(struct pl_split *s, enum split_state next, const char *p)
{
    s->state = next;
    return p + 1;
}

static const char *array_begin(struct pl_split *s, const char *shape, const char *p)
{
    s->shape = shape;
    s->array_seen = true;
    return to(s, FIRST, p);
}

static const char *array_end(struct pl_split *s, const char *p)
{
    return to(s, s->wrapped ? COMMA : TAIL, p);
}

static const char *root_begin(struct pl_split *s, const char *p)
{
    if (*p == '[' && s->path)
        return fail(s, p, "an array, although api.answer.array says where in an object it is");
    if (*p == '[')
        return array_begin(s, "an array", p);
    if (*p != '{')
        return fail_begin(s, p);
    s->wrapped = true;
    return to(s, FIRST_MEMBER, p);
}

static const char *element_begin(struct pl_split *s, const char *p)
{
    return *p == '{' ? value_begin(s, p, ELEMENT)
                     : fail(s, p, "an element of the array is not an object");
}

static const char *key_begin(struct pl_split *s, const char *p)
{
    return *p == '"' ? value_begin(s, p, KEY) : fail(s, p, "expected a key");
}

static const char *member_begin(struct pl_split *s, const char *p)
{
    if (ends_scalar(*p))
        return fail(s, p, "expected a value");
    if (s->around && *p == '{') {
        s->depth++;
        return to(s, FIRST_MEMBER, p);
    }
    if (!s->array_shape || *p != '[')
        return value_begin(s, p, BESIDE);
    if (s->array_seen)
        return fail(s, p, "a second array");
    return array_begin(s, s->array_shape, p);
}

static const char *object_end(struct pl_split *s, const char *p)
{
    if (s->depth == 0)
        return to(s, TAIL, p);
    s->depth--;
    return to(s, COMMA, p);
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
    case FIRST_MEMBER:
        return *p == '}' ? object_end(s, p) : key_begin(s, p);
    case MEMBER:
        return key_begin(s, p);
    case COLON:
        return *p == ':' ? to(s, VALUE, p) : fail(s, p, "expected ':' after a key");
    case VALUE:
        return member_begin(s, p);
    case COMMA:
        if (*p == '}')
            return object_end(s, p);
        return *p == ',' ? to(s, MEMBER, p) : fail(s, p, "expected ',' or '}'");
    case TAIL:
        return fail(s, p, "text after the end");
    case ELEMENT:
    case KEY:
    case BESIDE:
        break;
    }
    return p;
}

/* RFC 8259, section 8.1, lets a reader pass over a byte order mark. */
static bool mark_take(struct pl_split *s, const char *p)
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
    if (s->pending && !element_offer(s, (struct pl_slice){s->value.data, s->value.len}))
        return 0;
    if (len > 0)
        begin_keep(s, data, len);
    while (p < end && !s->pending && !pl_split_failed(s)) {
        if (s->state == ELEMENT || s->state == KEY || s->state == BESIDE) {
            p = value_feed(s, p, end);
        } else if (mark_take(s, p)) {
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

bool pl_split_is_null(const struct pl_split *s)
{
    return s->state == TAIL && !pl_split_failed(s) && s->null_seen && !s->array_seen;
}

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
        return pl_err_set(
            err, PL_ERR_REJECT, 0,
            "the answer is not what was expected: an object without an array under %s",
            s->path ? s->path : "data, records or series");
    return 0;
}
