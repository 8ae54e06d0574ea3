/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_json.c - what the reader costs for an event: lib/json against cJSON on lines of JSON.
 *
 *     cc -O2 -std=gnu11 -D_GNU_SOURCE -Ilib -o /tmp/bench_json tests/bench/bench_json.c lib/json*.c
 * \ lib/buf.c -lcjson /tmp/bench_json recentchange.jsonl 20
 *
 * The three ways: "take" walks an event and takes the 17 fields of the wikipedia_edits table as
 * chsinkd does, "skip" checks the whole event without taking anything, "cjson" takes the same
 * fields out of cJSON's tree. Each prints a checksum, so that the work cannot be optimised away and
 * the first and the last can be compared.
 */
#include "lib/json/reader.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <time.h>

struct event {
    struct pl_json_str title, user, wiki, type, comment, id, dt, domain;
    int64_t time, revision_old, revision_new, length_old, length_new, namespace_id, event_id;
    bool bot, minor;
};

struct corpus {
    struct pl_slice *lines;
    size_t n, bytes;
};

static bool int_take(struct pl_json *j, int64_t *ret_value)
{
    struct pl_json_num num;

    if (pl_json_peek(j) == PL_JSON_NULL)
        return pl_json_null(j);
    return pl_json_number(j, &num) && pl_json_num_i64(&num, ret_value) == PL_JSON_NUM_OK;
}

static bool pair_take(struct pl_json *j, int64_t *ret_old, int64_t *ret_new)
{
    struct pl_json_str key;

    if (!pl_json_object_begin(j))
        return false;
    while (pl_json_object_next(j, &key)) {
        if (pl_json_str_eq(&key, "old"))
            int_take(j, ret_old);
        else if (pl_json_str_eq(&key, "new"))
            int_take(j, ret_new);
        else
            pl_json_skip(j, NULL);
    }
    return !j->error;
}

static bool meta_take(struct pl_json *j, struct event *e)
{
    struct pl_json_str key;

    if (!pl_json_object_begin(j))
        return false;
    while (pl_json_object_next(j, &key)) {
        if (pl_json_str_eq(&key, "id"))
            pl_json_string(j, &e->id);
        else if (pl_json_str_eq(&key, "dt"))
            pl_json_string(j, &e->dt);
        else if (pl_json_str_eq(&key, "domain"))
            pl_json_string(j, &e->domain);
        else
            pl_json_skip(j, NULL);
    }
    return !j->error;
}

static bool field_take(struct pl_json *j, const struct pl_json_str *key, struct event *e)
{
    if (pl_json_str_eq(key, "meta"))
        return meta_take(j, e);
    if (pl_json_str_eq(key, "id"))
        return int_take(j, &e->event_id);
    if (pl_json_str_eq(key, "type"))
        return pl_json_string(j, &e->type);
    if (pl_json_str_eq(key, "namespace"))
        return int_take(j, &e->namespace_id);
    if (pl_json_str_eq(key, "title"))
        return pl_json_string(j, &e->title);
    if (pl_json_str_eq(key, "comment"))
        return pl_json_string(j, &e->comment);
    if (pl_json_str_eq(key, "timestamp"))
        return int_take(j, &e->time);
    if (pl_json_str_eq(key, "user"))
        return pl_json_string(j, &e->user);
    if (pl_json_str_eq(key, "bot"))
        return pl_json_bool(j, &e->bot);
    if (pl_json_str_eq(key, "minor"))
        return pl_json_bool(j, &e->minor);
    if (pl_json_str_eq(key, "length"))
        return pair_take(j, &e->length_old, &e->length_new);
    if (pl_json_str_eq(key, "revision"))
        return pair_take(j, &e->revision_old, &e->revision_new);
    if (pl_json_str_eq(key, "wiki"))
        return pl_json_string(j, &e->wiki);
    return pl_json_skip(j, NULL);
}

static uint64_t line_take(struct pl_slice line)
{
    struct event e = {0};
    struct pl_json j;
    struct pl_json_str key;

    pl_json_init(&j, line.p, line.len, PL_JSON_DEPTH_DEFAULT);
    if (pl_json_object_begin(&j)) {
        while (pl_json_object_next(&j, &key))
            field_take(&j, &key, &e);
    }
    if (!pl_json_end(&j))
        return 0;
    return (uint64_t)(e.event_id + e.time + e.revision_new - e.revision_old + e.length_new -
                      e.length_old + e.namespace_id + e.bot + e.minor) +
           (e.wiki.len > 0) + (e.title.len > 0) + (e.id.len > 0) + (e.dt.len > 0) +
           (e.user.len > 0) + (e.type.len > 0) + (e.domain.len > 0) + (e.comment.len > 0);
}

static uint64_t line_skip(struct pl_slice line)
{
    struct pl_json j;

    pl_json_init(&j, line.p, line.len, PL_JSON_DEPTH_DEFAULT);
    pl_json_skip(&j, NULL);
    return pl_json_end(&j);
}

static int64_t cjson_int(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return item ? (int64_t)item->valuedouble : 0;
}

static uint64_t cjson_there(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return item && item->valuestring && item->valuestring[0];
}

static uint64_t line_cjson(struct pl_slice line)
{
    cJSON *root = cJSON_ParseWithLength(line.p, line.len);
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(root, "meta");
    const cJSON *revision = cJSON_GetObjectItemCaseSensitive(root, "revision");
    const cJSON *length = cJSON_GetObjectItemCaseSensitive(root, "length");
    uint64_t sum = (uint64_t)(cjson_int(root, "id") + cjson_int(root, "timestamp") +
                              cjson_int(revision, "new") - cjson_int(revision, "old") +
                              cjson_int(length, "new") - cjson_int(length, "old") +
                              cjson_int(root, "namespace") +
                              cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "bot")) +
                              cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "minor"))) +
                   cjson_there(root, "wiki") + cjson_there(root, "title") +
                   cjson_there(root, "user") + cjson_there(root, "type") +
                   cjson_there(root, "comment") + cjson_there(meta, "id") +
                   cjson_there(meta, "dt") + cjson_there(meta, "domain");

    cJSON_Delete(root);
    return sum;
}

static void way_run(const char *name, uint64_t (*way)(struct pl_slice), const struct corpus *c,
                    unsigned rounds)
{
    double best = 0;
    uint64_t sum = 0;

    for (unsigned r = 0; r < rounds; r++) {
        struct timespec from, to;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        sum = 0;
        for (size_t i = 0; i < c->n; i++)
            sum += way(c->lines[i]);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
        if (best == 0 || ns < best)
            best = ns;
    }
    printf("%-6s %8.1f ns/event %8.1f MB/s  sum %llu\n", name, best / (double)c->n,
           (double)c->bytes * 1e3 / best, (unsigned long long)sum);
}

static bool corpus_read(const char *path, struct pl_buf *text, struct corpus *ret)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    for (;;) {
        if (!pl_buf_reserve(text, 1 << 16))
            break;
        size_t n = fread(text->data + text->len, 1, 1 << 16, f);
        if (n == 0)
            break;
        text->len += n;
    }
    fclose(f);

    size_t max = 0;
    for (size_t i = 0; i < text->len; i++)
        max += text->data[i] == '\n';
    ret->lines = pl_alloc_array(max, sizeof(*ret->lines));
    const char *p = text->data, *end = p + text->len, *newline;
    while (p < end && (newline = memchr(p, '\n', (size_t)(end - p)))) {
        size_t len = (size_t)(newline - p);
        ret->lines[ret->n++] = (struct pl_slice){.p = p, .len = len};
        ret->bytes += len;
        p = newline + 1;
    }
    return ret->n > 0;
}

int main(int argc, char **argv)
{
    struct pl_buf text = {0};
    struct corpus c = {0};
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 20;
    const char *only = argc > 3 ? argv[3] : NULL;

    if (argc < 2 || !corpus_read(argv[1], &text, &c)) {
        fprintf(stderr, "usage: %s FILE.jsonl [ROUNDS [take|skip|cjson]]\n", argv[0]);
        return 64;
    }
    printf("%zu lines, %.0f bytes each, best of %u rounds\n", c.n, (double)c.bytes / (double)c.n,
           rounds);
    if (!only || strcmp(only, "take") == 0)
        way_run("take", line_take, &c, rounds);
    if (!only || strcmp(only, "skip") == 0)
        way_run("skip", line_skip, &c, rounds);
    if (!only || strcmp(only, "cjson") == 0)
        way_run("cjson", line_cjson, &c, rounds);
    free(c.lines);
    pl_buf_release(&text);
    return 0;
}
