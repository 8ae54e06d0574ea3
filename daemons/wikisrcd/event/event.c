/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - see event.h.
 *
 * The walk notes where the value of the path's first name is and looks into it only after the whole
 * document has proved valid, so that only the key is read twice.
 */
#include "daemons/wikisrcd/event/event.h"

#include "lib/base/time_text.h"

bool event_path_init(struct event_path *path, const char *text)
{
    *path = (struct event_path){0};
    if (*text == '\0')
        return true;
    path->text = pl_strdup(text);
    for (char *name = path->text;;) {
        char *dot = strchrnul(name, '.');
        if (dot == name || path->depth == EVENT_PATH_DEPTH_MAX) {
            event_path_release(path);
            return false;
        }
        bool last = *dot == '\0';
        *dot = '\0'; /* names are compared as C strings */
        path->names[path->depth++] = (struct pl_slice){name, (size_t)(dot - name)};
        if (last)
            return true;
        name = dot + 1;
    }
}

void event_path_release(struct event_path *path)
{
    free(path->text);
    *path = (struct event_path){0};
}

void event_release(struct event *event)
{
    pl_buf_release(&event->key);
    *event = (struct event){0};
}

bool event_uuid_parse(const char *text, size_t len, struct event_identity *ret)
{
    uint64_t half[2] = {0, 0};
    unsigned digits = 0;
    if (len != 36)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return false;
            continue;
        }
        unsigned char c = (unsigned char)text[i];
        unsigned digit = c - (unsigned)'0', letter = (c | 0x20u) - 'a';
        if (digit > 9 && letter > 5)
            return false;
        half[digits / 16] = half[digits / 16] << 4 | (digit > 9 ? letter + 10 : digit);
        digits++;
    }
    *ret = (struct event_identity){half[0], half[1]};
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

/* A text; null and other types leave it absent. */
static void text_read(struct pl_json *j, struct pl_json_str *ret)
{
    if (pl_json_peek(j) == PL_JSON_STRING)
        pl_json_string(j, ret);
    else
        pl_json_skip(j, NULL);
}

static bool integer_read(struct pl_json *j, int64_t *ret)
{
    if (pl_json_peek(j) != PL_JSON_NUMBER) {
        pl_json_skip(j, NULL);
        return false;
    }
    struct pl_json_num number;
    return pl_json_number(j, &number) && pl_json_num_i64(&number, ret) == PL_JSON_NUM_OK;
}

static void meta_read(struct pl_json *j, struct event *e)
{
    if (pl_json_peek(j) != PL_JSON_OBJECT) {
        pl_json_skip(j, NULL);
        return;
    }
    pl_json_object_begin(j);
    struct pl_json_str key;
    while (pl_json_object_next(j, &key)) {
        if (pl_json_str_eq(&key, "id"))
            text_read(j, &e->meta_id);
        else if (pl_json_str_eq(&key, "dt"))
            text_read(j, &e->dt);
        else if (pl_json_str_eq(&key, "domain"))
            text_read(j, &e->domain);
        else if (pl_json_str_eq(&key, "topic"))
            text_read(j, &e->topic);
        else if (pl_json_str_eq(&key, "partition"))
            integer_read(j, &e->partition);
        else if (pl_json_str_eq(&key, "offset"))
            integer_read(j, &e->offset);
        else
            pl_json_skip(j, NULL);
    }
}

static void bot_read(struct pl_json *j, struct event *e)
{
    enum pl_json_type type = pl_json_peek(j);
    if (type == PL_JSON_TRUE || type == PL_JSON_FALSE)
        e->has_bot = pl_json_bool(j, &e->bot);
    else
        pl_json_skip(j, NULL);
}

/* Walks the top level. *ret_key_at: the reader at the value of the path's first name. */
static void top_read(struct pl_json *j, struct event *e, const struct event_path *path,
                     struct pl_json *ret_key_at)
{
    if (!pl_json_object_begin(j))
        return;
    struct pl_json_str key;
    while (pl_json_object_next(j, &key)) {
        if (path->depth > 0 && pl_json_str_eq(&key, path->names[0].p))
            *ret_key_at = *j;
        if (pl_json_str_eq(&key, "meta"))
            meta_read(j, e);
        else if (pl_json_str_eq(&key, "wiki"))
            text_read(j, &e->wiki);
        else if (pl_json_str_eq(&key, "type"))
            text_read(j, &e->type);
        else if (pl_json_str_eq(&key, "title"))
            text_read(j, &e->title);
        else if (pl_json_str_eq(&key, "user"))
            text_read(j, &e->user);
        else if (pl_json_str_eq(&key, "namespace"))
            e->has_namespace = integer_read(j, &e->namespace_id);
        else if (pl_json_str_eq(&key, "bot"))
            bot_read(j, e);
        else
            pl_json_skip(j, NULL);
    }
}

/* Steps into objects along the path. false: not there. */
static bool path_descend(struct pl_json *j, const struct event_path *path)
{
    for (unsigned i = 1; i < path->depth; i++) {
        bool found = false;
        if (pl_json_peek(j) != PL_JSON_OBJECT)
            return false;
        pl_json_object_begin(j);
        struct pl_json_str key;
        while (!found && pl_json_object_next(j, &key)) {
            found = pl_json_str_eq(&key, path->names[i].p);
            if (!found)
                pl_json_skip(j, NULL);
        }
        if (!found)
            return false;
    }
    return true;
}

/* The key's bytes: a text unescaped (as it is where an escape is a lone surrogate, which UTF-8
 * cannot carry), a number, bool, object or array as its JSON text; null is not a key. */
static bool key_read(struct pl_json *j, struct pl_buf *out)
{
    struct pl_json_str text;
    struct pl_slice raw;
    switch (pl_json_peek(j)) {
    case PL_JSON_NONE:
    case PL_JSON_NULL:
        return false;
    case PL_JSON_STRING:
        if (!pl_json_string(j, &text))
            return false;
        if (!text.escaped)
            return pl_buf_add(out, text.p, text.len);
        if (pl_json_unescape_buf(&text, out))
            return true;
        pl_buf_reset(out);
        return pl_buf_add(out, text.p, text.len);
    case PL_JSON_FALSE:
    case PL_JSON_TRUE:
    case PL_JSON_NUMBER:
    case PL_JSON_ARRAY:
    case PL_JSON_OBJECT:
        return pl_json_skip(j, &raw) && pl_buf_add(out, raw.p, raw.len);
    }
    return false;
}

static void event_clear(struct event *e)
{
    struct pl_buf key = e->key;
    pl_buf_reset(&key);
    *e = (struct event){.key = key, .partition = -1, .offset = -1};
}

static void identity_find(struct event *e, const char *data, size_t len)
{
    if (!e->meta_id.p || e->meta_id.len == 0)
        e->identity = event_hash(data, len);
    else if (!event_uuid_parse(e->meta_id.p, e->meta_id.len, &e->identity))
        e->identity = event_hash(e->meta_id.p, e->meta_id.len);
}

void event_read(struct event *e, const char *data, size_t len, const struct event_path *path)
{
    struct pl_json key_at = {0};
    event_clear(e);
    struct pl_json j;
    pl_json_init(&j, data, len, PL_JSON_DEPTH_DEFAULT);
    top_read(&j, e, path, &key_at);
    if (!pl_json_end(&j)) {
        const char *why = j.error ? j.error : "text after the end of the document";
        event_clear(e);
        e->malformed = true;
        e->malformed_why = why;
        e->identity = event_hash(data, len);
        return;
    }
    identity_find(e, data, len);
    e->has_dt = e->dt.p && pl_time_parse(e->dt.p, e->dt.len, 3, &e->dt_ms, NULL);
    e->canary = e->domain.p && pl_json_str_eq(&e->domain, "canary");
    if (path->depth > 0 && key_at.p && path_descend(&key_at, path))
        e->has_key = key_read(&key_at, &e->key);
}
