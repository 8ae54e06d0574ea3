/* SPDX-License-Identifier: Apache-2.0 */
/*
 * note.c - see note.h.
 */
#include "daemons/chsinkd/sink/protocol/note.h"

#include <inttypes.h>

#include "lib/json/document.h"
#include "lib/json/reader.h"

/* No message within route.h's limits gives as many. */
#define NOTE_ROWS_MAX INT64_C(100000000)

/* Far more than a batch's dead letters give: intake.c bounds their bytes. */
#define NOTE_BYTES_MAX (64 << 20)

/* ---- writing ---- */

static void member_add(struct pl_buf *out, const char *name, const char *text, size_t len)
{
    pl_buf_addf(out, ",\"%s\":", name);
    pl_json_quote(out, text, len); /* the buffer has no maximum */
}

static void letter_write(const struct dead_letter *d, struct pl_buf *out)
{
    const struct pl_header *rows = dead_letter_own(d, "rows"), *column;
    pl_buf_addf(out, "{\"offset\":%" PRId64, d->offset);
    if (!rows)
        rows = dead_letter_own(d, "row");
    if (rows)
        member_add(out, "rows", rows->value, rows->len);
    column = dead_letter_own(d, "column");
    if (column)
        member_add(out, "column", column->value, column->len);
    member_add(out, "reason", d->reason, strlen(d->reason));
    pl_buf_add_byte(out, '}');
}

void note_write(const char *id, const struct note_last *last, const struct dead_letters *dead,
                struct pl_buf *out)
{
    pl_buf_addf(out, "{\"id\":\"%s\"", id);
    if (last->timestamp_ms >= 0)
        pl_buf_addf(out, ",\"last\":{\"offset\":%" PRId64 ",\"timestamp\":%" PRId64 "}",
                    last->offset, last->timestamp_ms);
    if (dead->first)
        pl_buf_add_str(out, ",\"dead\":[");
    for (const struct dead_letter *d = dead->first; d; d = d->next) {
        letter_write(d, out);
        pl_buf_add_byte(out, d->next ? ',' : ']');
    }
    pl_buf_add_byte(out, '}');
}

/* ---- reading ---- */

static char *text_copy(const char *text)
{
    return text ? pl_strdup(text) : NULL;
}

static bool rows_read(const char *text, struct row_set *ret)
{
    return row_set_parse(ret, text, strlen(text)) && ret->ranges[ret->n - 1].last < NOTE_ROWS_MAX;
}

static bool letter_read(const cJSON *object, int64_t after, struct note_letter *ret)
{
    const char *rows = pl_doc_str(object, "rows"), *reason = pl_doc_str(object, "reason");
    if (!pl_doc_int(object, "offset", &ret->offset) || ret->offset <= after || !reason ||
        (rows && !rows_read(rows, &ret->rows)))
        return false;
    ret->reason = pl_strdup(reason);
    ret->column = text_copy(pl_doc_str(object, "column"));
    return true;
}

static bool letters_read(const cJSON *dead, struct note *n)
{
    const cJSON *object;
    int64_t after = -1;
    if (dead && !cJSON_IsArray(dead))
        return false;
    n->letters = pl_alloc_array((size_t)cJSON_GetArraySize(dead) + 1, sizeof(*n->letters));
    cJSON_ArrayForEach(object, dead)
    {
        struct note_letter *letter = &n->letters[n->n++];
        if (!letter_read(object, after, letter))
            return false;
        after = letter->offset;
    }
    return true;
}

static bool last_read(const cJSON *last, struct note *n)
{
    n->has_last = last != NULL;
    return !last || (pl_doc_int(last, "offset", &n->last.offset) &&
                     pl_doc_int(last, "timestamp", &n->last.timestamp_ms));
}

int note_parse(struct note *n, const char *text, size_t len, struct pl_err *err)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *root = NULL;
    struct pl_err why;
    note_release(n);
    if (len == 0)
        return 0;
    if (pl_doc_parse(text, len, NOTE_BYTES_MAX, &root, &why) == 0 && pl_doc_str(root, "id") &&
        last_read(pl_doc_get(root, "last"), n) && letters_read(pl_doc_get(root, "dead"), n))
        return 0;
    note_release(n);
    return pl_err_set(err, PL_ERR_CONFIG, 0,
                      "the note kept with the output's position is not chsinkd's: which dead letters "
                      "are to follow is not known. If the position is right, empty the note");
}

void note_release(struct note *n)
{
    for (size_t i = 0; i < n->n; i++) {
        row_set_release(&n->letters[i].rows);
        free(n->letters[i].column);
        free(n->letters[i].reason);
    }
    free(n->letters);
    *n = (struct note){0};
}

bool note_tells_another(const struct note *n, const struct note_last *message)
{
    return n->has_last && n->last.offset == message->offset &&
           n->last.timestamp_ms != message->timestamp_ms;
}

const struct note_letter *note_find(const struct note *n, int64_t offset)
{
    size_t from = 0, to = n->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (n->letters[middle].offset < offset)
            from = middle + 1;
        else
            to = middle;
    }
    return from < n->n && n->letters[from].offset == offset ? &n->letters[from] : NULL;
}

void note_letter_add(const struct note_letter *letter, const rd_kafka_message_t *message,
                     const char *route, bool replayed, struct dead_letters *dead)
{
    struct dead_letter_why why = {.route = route,
                                  .row = -1,
                                  .text = letter->reason,
                                  .column = letter->column,
                                  .replayed = replayed};
    if (letter->rows.n == 0)
        dead_letters_add(dead, message, &why);
    for (unsigned i = 0; i < letter->rows.n; i++)
        for (why.row = letter->rows.ranges[i].first; why.row <= letter->rows.ranges[i].last;
             why.row++)
            dead_letters_add(dead, message, &why);
}
