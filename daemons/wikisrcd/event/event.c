/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - see event.h.
 *
 * The walk only notes what it finds. The key is unescaped and times are parsed once the whole
 * document is known to be valid.
 */
#include "daemons/wikisrcd/event/event.h"

#include "daemons/wikisrcd/event/fields.h"
#include "lib/base/time_text.h"

/* Uses of a value in the tree of paths. */
enum {
    USE_ID,
    USE_DOMAIN,
    USE_STREAM,
    USE_TOPIC,
    USE_PARTITION,
    USE_OFFSET,
    USE_META_DT,
    USE_DT,
    USE_TIMESTAMP,
    USE_FIELD, /* + field * EVENT_FIELD_PATHS_MAX + which of its paths */
    USE_KEY = USE_FIELD + FIELDS * EVENT_FIELD_PATHS_MAX, /* + rank */
    USE_VALUE = USE_KEY + EVENT_KEYS_MAX,                 /* + the caller's number */
};

static const char *const fixed_paths[] = {
    [USE_ID] = "meta.id",
    [USE_DOMAIN] = "meta.domain",
    [USE_STREAM] = "meta.stream",
    [USE_TOPIC] = "meta.topic",
    [USE_PARTITION] = "meta.partition",
    [USE_OFFSET] = "meta.offset",
    [USE_META_DT] = "meta.dt",
    [USE_DT] = "dt",
    [USE_TIMESTAMP] = "timestamp",
};

void event_wants_init(struct event_wants *wants, bool shown)
{
    static const enum event_field fields[] = {FIELD_WIKI, FIELD_TYPE, FIELD_TITLE, FIELD_USER};
    *wants = (struct event_wants){.root = path_tree_new()};
    for (unsigned i = 0; i < PL_COUNT(fixed_paths); i++)
        path_tree_add(wants->root, fixed_paths[i], i);
    for (unsigned i = 0; shown && i < PL_COUNT(fields); i++)
        for (unsigned k = 0; event_fields[fields[i]][k]; k++)
            path_tree_add(wants->root, event_fields[fields[i]][k],
                          USE_FIELD + fields[i] * EVENT_FIELD_PATHS_MAX + k);
}

void event_wants_release(struct event_wants *wants)
{
    path_tree_free(wants->root);
    *wants = (struct event_wants){0};
}

bool event_wants_key(struct event_wants *wants, const char *path)
{
    if (wants->keys_n == EVENT_KEYS_MAX ||
        !path_tree_add(wants->root, path, USE_KEY + wants->keys_n))
        return false;
    wants->keys_n++;
    return true;
}

bool event_wants_value(struct event_wants *wants, const char *path, unsigned number)
{
    return path_tree_add(wants->root, path, USE_VALUE + number);
}

void event_release(struct event *event)
{
    pl_buf_release(&event->key);
    *event = (struct event){0};
}

/* The digits' values plus 1; 0: not a digit. */
static const unsigned char hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* Shifts n digits into *value. */
static bool hex_read(const char *text, unsigned n, uint64_t *value)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned digit = hex_digits[(unsigned char)text[i]];
        if (digit == 0)
            return false;
        *value = *value << 4 | (digit - 1);
    }
    return true;
}

bool event_uuid_parse(const char *text, size_t len, struct event_identity *ret)
{
    uint64_t hi = 0, lo = 0;
    if (len != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' ||
        !hex_read(text, 8, &hi) || !hex_read(text + 9, 4, &hi) || !hex_read(text + 14, 4, &hi) ||
        !hex_read(text + 19, 4, &lo) || !hex_read(text + 24, 12, &lo))
        return false;
    *ret = (struct event_identity){hi, lo};
    return true;
}

struct event_identity event_hash(const char *data, size_t len)
{
    const unsigned __int128 prime = (unsigned __int128)1 << 88 | 0x13b;
    unsigned __int128 hash = (unsigned __int128)0x6c62272e07bb0142ULL << 64 | 0x62b821756295c58dULL;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)data[i]) * prime;
    return (struct event_identity){(uint64_t)(hash >> 64), (uint64_t)hash};
}

/* ---- the walk ---- */

struct walk {
    struct pl_json j;
    const struct event_wants *wants;
    struct event *e;
    struct event_value partition, offset, meta_dt, dt, timestamp, key;
    unsigned key_rank;
    unsigned char ranks[FIELDS]; /* 1 + which path the field came from; 0: none yet */
};

static void text_note(struct pl_json_str *ret, const struct event_value *v)
{
    if (v->type == PL_JSON_STRING)
        *ret = v->text;
}

/* The first path of a field that is present is used. */
static void field_note(struct walk *w, unsigned use, const struct event_value *v)
{
    unsigned field = use / EVENT_FIELD_PATHS_MAX, rank = use % EVENT_FIELD_PATHS_MAX + 1;
    struct event *e = w->e;
    if (v->type != PL_JSON_STRING || (w->ranks[field] != 0 && w->ranks[field] < rank))
        return;
    w->ranks[field] = (unsigned char)rank;
    switch ((enum event_field)field) {
    case FIELD_WIKI:
        e->wiki = v->text;
        break;
    case FIELD_TYPE:
        e->type = v->text;
        break;
    case FIELD_TITLE:
        e->title = v->text;
        break;
    case FIELD_USER:
        e->user = v->text;
        break;
    case FIELD_NAMESPACE:
    case FIELD_BOT:
    case FIELDS:
        break;
    }
}

static void fixed_note(struct walk *w, unsigned use, const struct event_value *v)
{
    switch (use) {
    case USE_ID:
        text_note(&w->e->meta_id, v);
        break;
    case USE_DOMAIN:
        text_note(&w->e->domain, v);
        break;
    case USE_STREAM:
        text_note(&w->e->stream, v);
        break;
    case USE_TOPIC:
        text_note(&w->e->topic, v);
        break;
    case USE_PARTITION:
        w->partition = *v;
        break;
    case USE_OFFSET:
        w->offset = *v;
        break;
    case USE_META_DT:
        w->meta_dt = *v;
        break;
    case USE_DT:
        w->dt = *v;
        break;
    case USE_TIMESTAMP:
        w->timestamp = *v;
        break;
    }
}

static void use_note(struct walk *w, unsigned use, const struct event_value *v)
{
    if (use < USE_FIELD) {
        fixed_note(w, use, v);
    } else if (use < USE_KEY) {
        field_note(w, use - USE_FIELD, v);
    } else if (use < USE_VALUE) {
        if (w->key.type == PL_JSON_NONE || use - USE_KEY <= w->key_rank) {
            w->key = *v;
            w->key_rank = use - USE_KEY;
        }
    } else if (w->wants->on_value) {
        w->wants->on_value(w->wants->userdata, use - USE_VALUE, v);
    }
}

static void value_walk(struct walk *w, const struct path_node *n);

/* Enters an object, and each element of an array. The reader limits the depth. */
static void members_walk(struct walk *w, const struct path_node *n)
{
    struct pl_json *j = &w->j;
    enum pl_json_type type = pl_json_peek(j);
    if (type == PL_JSON_ARRAY) {
        pl_json_array_begin(j);
        while (pl_json_array_next(j))
            members_walk(w, n);
    } else if (type == PL_JSON_OBJECT) {
        struct pl_json_str key;
        pl_json_object_begin(j);
        while (pl_json_object_next(j, &key)) {
            const struct path_node *child = path_child(n, &key);
            if (child)
                value_walk(w, child);
            else
                pl_json_skip(j, NULL);
        }
    } else {
        pl_json_skip(j, NULL);
    }
}

static void value_walk(struct walk *w, const struct path_node *n)
{
    struct pl_json *j = &w->j;
    struct event_value v = {.type = pl_json_peek(j)};
    const char *start = j->p;
    if (v.type == PL_JSON_STRING)
        pl_json_string(j, &v.text);
    else if (n->children_n > 0)
        members_walk(w, n);
    else
        pl_json_skip(j, NULL);
    if (j->error || v.type == PL_JSON_NULL)
        return;
    v.raw = (struct pl_slice){start, (size_t)(j->p - start)};
    for (unsigned i = 0; i < n->uses_n; i++)
        use_note(w, n->uses[i], &v);
}

/* An event is an object, not an array of them. */
static bool walk(struct walk *w, const char *data, size_t len)
{
    pl_json_init(&w->j, data, len, PL_JSON_DEPTH_DEFAULT);
    if (pl_json_peek(&w->j) == PL_JSON_OBJECT)
        members_walk(w, w->wants->root);
    else
        pl_json_object_begin(&w->j); /* sets the error */
    return pl_json_end(&w->j);
}

/* ---- after the walk ---- */

static bool integer_of(const struct event_value *v, int64_t *ret)
{
    struct pl_json j;
    struct pl_json_num number;
    if (v->type != PL_JSON_NUMBER)
        return false;
    pl_json_init(&j, v->raw.p, v->raw.len, 1);
    return pl_json_number(&j, &number) && pl_json_num_i64(&number, ret) == PL_JSON_NUM_OK;
}

static bool time_of(const struct event_value *v, int64_t *ret_ms)
{
    return v->type == PL_JSON_STRING && pl_time_parse(v->text.p, v->text.len, 3, ret_ms, NULL);
}

static void time_find(const struct walk *w, struct event *e)
{
    int64_t s = 0;
    e->has_dt = time_of(&w->meta_dt, &e->dt_ms) || time_of(&w->dt, &e->dt_ms);
    if (!e->has_dt && integer_of(&w->timestamp, &s) && s > 0 && s < INT64_MAX / 1000) {
        e->has_dt = true;
        e->dt_ms = s * 1000;
    }
}

static void identity_find(struct event *e, const char *data, size_t len)
{
    if (!e->meta_id.p || e->meta_id.len == 0)
        e->identity = event_hash(data, len);
    else if (!event_uuid_parse(e->meta_id.p, e->meta_id.len, &e->identity))
        e->identity = event_hash(e->meta_id.p, e->meta_id.len);
}

/* A string unescaped (as is if it has a lone surrogate, which UTF-8 cannot encode), anything else
 * as its JSON text. */
static bool key_write(const struct event_value *v, struct pl_buf *out)
{
    if (v->type == PL_JSON_NONE)
        return false;
    if (v->type != PL_JSON_STRING)
        return pl_buf_add(out, v->raw.p, v->raw.len);
    if (v->text.escaped && pl_json_unescape_buf(&v->text, out))
        return true;
    pl_buf_reset(out);
    return pl_buf_add(out, v->text.p, v->text.len);
}

static void event_clear(struct event *e)
{
    struct pl_buf key = e->key;
    pl_buf_reset(&key);
    *e = (struct event){.key = key, .partition = -1, .offset = -1};
}

void event_read(struct event *e, const char *data, size_t len, const struct event_wants *wants)
{
    struct walk w = {.wants = wants, .e = e};
    event_clear(e);
    if (!walk(&w, data, len)) {
        event_clear(e);
        e->malformed = true;
        e->malformed_why = w.j.error ? w.j.error : "text after the end of the document";
        e->identity = event_hash(data, len);
        return;
    }
    identity_find(e, data, len);
    time_find(&w, e);
    integer_of(&w.partition, &e->partition);
    integer_of(&w.offset, &e->offset);
    e->canary = e->domain.p && pl_json_str_eq(&e->domain, "canary");
    e->has_key = key_write(&w.key, &e->key);
}

void event_key_read(struct event *e, const char *data, size_t len, const struct event_wants *wants)
{
    struct event other = {0};
    struct event_wants quiet = *wants;
    quiet.on_value = NULL;
    struct walk w = {.wants = &quiet, .e = &other};
    pl_buf_reset(&e->key);
    e->has_key = walk(&w, data, len) && key_write(&w.key, &e->key);
}
