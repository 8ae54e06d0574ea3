/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native.c - see native.h.
 */
#include "daemons/chsinkd/clickhouse/native.h"

#include "daemons/chsinkd/batch/column.h"

static void number_add(struct pl_buf *out, uint64_t n)
{
    char varint[BLOCK_VARINT_MAX];
    pl_buf_add(out, varint, block_varint(varint, n));
}

static void text_add(struct pl_buf *out, const char *text)
{
    size_t len = strlen(text);
    number_add(out, len);
    pl_buf_add(out, text, len);
}

static void type_add(struct pl_buf *out, const struct column *c)
{
    const char *wire = c->type.wire;
    if (c->missing != MISSING_TABLE) {
        text_add(out, wire);
        return;
    }
    number_add(out, strlen("Nullable()") + strlen(wire));
    pl_buf_addf(out, "Nullable(%s)", wire);
}

/* `p` NULL: the next bytes of the heads, which move while they grow. */
static void iov_add(struct native_body *body, void *p, size_t len)
{
    if (len > 0)
        body->iov[body->iov_n++] = (struct iovec){p, len};
}

/* For each JSON in the type: its texts are strings. */
static void versions_add(struct pl_buf *out, const struct ch_type *t)
{
    static const uint64_t as_string = 1;
    for (unsigned i = 0; i < t->parts_n; i++)
        versions_add(out, &t->parts[i]);
    if (t->kind == CH_JSON)
        pl_buf_add(out, &as_string, sizeof(as_string));
}

/* A column's bytes; those of a container are the ends of its elements, then their columns'. */
static void data_add(struct native_body *body, const struct block_column *c, uint64_t rows)
{
    if (c->nulls)
        iov_add(body, c->nulls, rows);
    iov_add(body, c->data, c->elements || c->width > 0 ? rows * c->width : c->len);
    for (unsigned i = 0; c->elements && i < c->elements->columns_n; i++)
        data_add(body, &c->elements->columns[i], c->elements->rows);
}

void native_body_set(struct native_body *body, const struct block *b)
{
    unsigned iov_max = 1 + 3 * b->columns_n;
    for (unsigned i = 0; i < b->nested_n; i++)
        iov_max += 2 * b->nested[i]->columns_n;
    if (iov_max > body->iov_cap) {
        body->iov = pl_realloc_array(body->iov, iov_max, sizeof(*body->iov));
        body->iov_cap = iov_max;
    }
    struct pl_buf *heads = &body->heads;
    pl_buf_reset(heads);
    body->iov_n = 0;
    number_add(heads, b->columns_n);
    number_add(heads, b->rows);
    iov_add(body, NULL, heads->len);
    for (unsigned i = 0; i < b->columns_n; i++) {
        const struct block_column *c = &b->columns[i];
        size_t before = heads->len;
        text_add(heads, c->column->name);
        type_add(heads, c->column);
        if (b->rows > 0)
            versions_add(heads, &c->column->type);
        iov_add(body, NULL, heads->len - before);
        data_add(body, c, b->rows);
    }
    char *head = heads->data;
    for (unsigned i = 0; i < body->iov_n; i++) {
        if (body->iov[i].iov_base)
            continue;
        body->iov[i].iov_base = head;
        head += body->iov[i].iov_len;
    }
}

void native_body_release(struct native_body *body)
{
    free(body->iov);
    pl_buf_release(&body->heads);
    *body = (struct native_body){0};
}
