/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split.h - takes an answer of the API apart while it arrives: bytes in, elements of its array out.
 *
 *     [ {…}, {…}, … ]                                 an array, or
 *     { "status": …, "data": [ {…}, … ], … }          an object that holds it under data, records
 *                                                     or series
 *
 * Which it is, is seen from the answer. Each element is handed out when its last byte is there, as
 * the bytes that came, after the reader (reader.h) has found it valid. Only the value that is being
 * received is buffered, an element only where it does not lie whole in one piece, so memory is that
 * of the largest element however long the answer.
 *
 * Keys and values beside the array are used by nobody. They are checked by the reader, too, up to
 * PL_SPLIT_BESIDE_MAX bytes each (element_bytes_max where that is less); in a larger one brackets
 * and quotes are counted and nothing else. So what is not noticed is one that is no JSON between
 * its brackets ("[1,,2]", "[}", a byte that is not UTF-8). It cannot be taken for something else:
 * its end, and so every key, the array and the end of the answer, are found by the same count, a
 * cut leaves a bracket open, and each element is checked whole.
 *
 * Good answers only: an array in which something is no object, no array at all, two of them, text
 * behind the end, invalid JSON and an end that comes too early are errors. As elements were handed
 * out before an error can be seen, whoever takes them must be able to undo (a transaction).
 *
 * However the bytes are cut into pieces, elements and errors are the same.
 *
 * The receiver may answer "not now": pl_split_feed() then stops, tells how many bytes it has used,
 * and offers the same element again at the next call.
 *
 * No I/O, no clock. Threads: one owner.
 */
#ifndef PL_JSON_SPLIT_H
#define PL_JSON_SPLIT_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

/* Borrowed bytes of one element, a valid JSON object; good during the callback. false: not now. */
typedef bool pl_split_element_fn(void *userdata, struct pl_slice element);

#define PL_SPLIT_BESIDE_MAX 65536 /* of a key or value beside the array, to be checked */
#define PL_SPLIT_BEGIN_MAX  80    /* of the answer's first bytes, for the error's text */

struct pl_split {
    size_t element_bytes_max;
    pl_split_element_fn *on_element;
    void *userdata;

    uint8_t state;       /* enum split_state of split.c */
    bool wrapped;        /* the root is an object */
    const char *wrapper; /* the key that holds the array: "data", "records", "series"; or NULL */
    bool array_seen, first;
    bool pending; /* an element was not taken */

    /* Of the value that is being received. */
    bool scalar, in_string, escaped, too_large;
    uint32_t open; /* brackets */
    struct pl_buf value;
    const char *key; /* of the member: the wrapper that it names, or NULL */

    char begin[PL_SPLIT_BEGIN_MAX];
    uint64_t bytes, elements; /* taken so far */
    struct pl_err err;        /* kind NONE: none */
};

void pl_split_init(struct pl_split *s, size_t element_bytes_max, pl_split_element_fn *on_element,
                   void *userdata);
void pl_split_release(struct pl_split *s);
/* For another answer. */
void pl_split_reset(struct pl_split *s);

/* Returns how many bytes were used: less than `len` only when an element was not taken, or after an
 * error. */
size_t pl_split_feed(struct pl_split *s, const char *data, size_t len);

/* An element was refused and is offered again by the next pl_split_feed() (of 0 bytes, too). */
static inline bool pl_split_pending(const struct pl_split *s)
{
    return s->pending;
}

static inline bool pl_split_failed(const struct pl_split *s)
{
    return s->err.kind != PL_ERR_NONE;
}

/* The answer is over. 0: it was whole. -1 and the error: RETRY when it is cut, REJECT when it is
 * something else than expected, CONFIG when an element is larger than element_bytes_max. The same
 * may be asked for while it arrives, when pl_split_failed(). */
int pl_split_end(const struct pl_split *s, struct pl_err *err);

/* "an array", "an object with the array under data": for a person. */
const char *pl_split_shape(const struct pl_split *s);

#endif
