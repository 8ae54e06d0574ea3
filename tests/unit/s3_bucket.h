/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_bucket.h - a bucket in this process, for tests: PUT (with If-None-Match), GET, DELETE and
 * ListObjectsV2 of one page, path style. It checks no signatures; what was sent last is kept.
 */
#ifndef TESTS_UNIT_S3_BUCKET_H
#define TESTS_UNIT_S3_BUCKET_H

#include "tests/unit/http_server.h"
#include "tests/unit/unit.h"

#define BUCKET_OBJECTS_MAX 200

struct bucket {
    pthread_mutex_t lock;
    struct bucket_object {
        char *key; /* NULL: deleted */
        struct pl_buf data;
    } objects[BUCKET_OBJECTS_MAX];
    unsigned n;
    char last_head[4096]; /* of the last request */
    unsigned gets;        /* of data files */
    /* Refuses (403) a request whose head does not have it. NULL: takes all. */
    const char *wanted;
    unsigned refused;
};

static inline struct bucket_object *bucket_find(struct bucket *b, const char *key)
{
    for (unsigned i = 0; i < b->n; i++)
        if (b->objects[i].key && strcmp(b->objects[i].key, key) == 0)
            return &b->objects[i];
    return NULL;
}

static inline void bucket_put(struct bucket *b, const char *key, const struct pl_buf *data)
{
    struct bucket_object *o = bucket_find(b, key);
    if (!o) {
        ck_assert_uint_lt(b->n, BUCKET_OBJECTS_MAX);
        o = &b->objects[b->n++];
        o->key = pl_strdup(key);
    }
    pl_buf_reset(&o->data);
    pl_buf_add(&o->data, data->data, data->len);
}

static inline void bucket_say(struct server *s, int fd, const char *status, const char *body,
                              size_t len)
{
    PL_FREE char *head = pl_strf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, len);
    server_send(s, fd, head, strlen(head));
    server_send(s, fd, body, len);
}

static inline void bucket_list(struct bucket *b, struct server *s, int fd, const char *query)
{
    struct pl_buf out = {0};
    const char *prefix = strstr(query, "prefix=") + strlen("prefix=");
    pl_buf_add_str(&out, "<ListBucketResult><IsTruncated>false</IsTruncated>");
    for (unsigned i = 0; i < b->n; i++) {
        const char *key = b->objects[i].key, *p = prefix, *k = key;
        for (; k && *k && *p && *p != ' ' && *p != '&'; k++, p += *p == '%' ? 3 : 1)
            if (*p != '%' && *p != *k)
                break;
        if (key && (*p == ' ' || *p == '&' || *p == '\0'))
            pl_buf_addf(&out,
                        "<Contents><Key>%s</Key><LastModified>2026-01-02T03:04:05.678Z"
                        "</LastModified><Size>%zu</Size></Contents>",
                        key, b->objects[i].data.len);
    }
    pl_buf_add_str(&out, "</ListBucketResult>");
    bucket_say(s, fd, "200 OK", out.data, out.len);
    pl_buf_release(&out);
}

static inline void bucket_serve(struct bucket *b, struct server *s, int fd,
                                const struct server_request *r)
{
    char method[8], path[1024];
    ck_assert_int_eq(sscanf(r->head.data, "%7s %1023s", method, path), 2);
    snprintf(b->last_head, sizeof(b->last_head), "%s", r->head.data);
    char *query = strchr(path, '?');
    struct bucket_object *o = bucket_find(b, path + 1);
    if (b->wanted && !strstr(r->head.data, b->wanted)) {
        static const char denied[] = "<Error><Code>ExpiredToken</Code></Error>";
        b->refused++;
        bucket_say(s, fd, "400 Bad Request", denied, strlen(denied));
    } else if (query) {
        bucket_list(b, s, fd, query);
    } else if (strcmp(method, "PUT") == 0) {
        bool taken = o && strcasestr(r->head.data, "if-none-match");
        if (!taken)
            bucket_put(b, path + 1, &r->body);
        bucket_say(s, fd, taken ? "412 Precondition Failed" : "200 OK", "", 0);
    } else if (strcmp(method, "DELETE") == 0) {
        if (o)
            free(PL_TAKE(o->key));
        bucket_say(s, fd, "204 No Content", "", 0);
    } else if (o) {
        b->gets += strstr(path, ".parquet") != NULL;
        bucket_say(s, fd, "200 OK", o->data.data, o->data.len);
    } else {
        static const char absent[] = "<Error><Code>NoSuchKey</Code></Error>";
        bucket_say(s, fd, "404 Not Found", absent, strlen(absent));
    }
}

static inline bool bucket_answer(struct server *s, int fd, const struct server_request *r)
{
    struct bucket *b = s->arg;
    pthread_mutex_lock(&b->lock);
    bucket_serve(b, s, fd, r);
    pthread_mutex_unlock(&b->lock);
    return true;
}

static inline void bucket_release(struct bucket *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        free(b->objects[i].key);
        pl_buf_release(&b->objects[i].data);
    }
    *b = (struct bucket){0};
}

#endif
