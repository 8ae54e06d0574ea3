/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split.h - splits an API's answer while it arrives: bytes in, elements of its array out.
 *
 *     [ {…}, {…}, … ]                                 an array, or
 *     { "status": …, "data": [ {…}, … ], … }          an object that holds it under data, records
 *                                                     or series
 *
 * Each element is handed out once its last byte is there, as the bytes that came, after the reader
 * (reader.h) has checked it. Only the value that is being received is buffered, an element only if
 * it is not whole in one piece: memory is bounded by the largest element, not by the answer.
 *
 * Keys and values beside the array are not used. They are checked by the reader, too, up to
 * PL_SPLIT_BESIDE_MAX bytes each (element_bytes_max where that is less); in a larger one only
 * brackets and quotes are counted, so invalid JSON between its brackets ("[1,,2]", "[}", bytes that
 * are not UTF-8) goes unnoticed. It cannot be mistaken for something else: its end, and so every
 * key, the array and the end of the answer, are found by the same count, a cut leaves a bracket
 * open, and each element is checked whole.
 *
 * Errors: an element that is not an object, no array, two arrays, text after the end, invalid JSON,
 * and an end that comes too early. Elements are handed out before an error can be seen, so the
 * receiver must be able to undo (a transaction). Elements and errors do not depend on how the bytes
 * are cut into pieces.
 *
 * The receiver may answer "not now": pl_split_feed() then stops, returns how many bytes it used,
 * and offers the same element again at the next call.
 *
 * No I/O, no clock. Threads: one owner.
 */
#ifndef PL_JSON_SPLIT_H
#define PL_JSON_SPLIT_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

/* One element, a valid JSON object; borrowed during the callback. false: not now. */
typedef bool pl_split_element_fn(void *userdata, struct pl_slice element);

#define PL_SPLIT_BESIDE_MAX 65536 /* bytes of a key or value beside the array that is checked */
#define PL_SPLIT_BEGIN_MAX  80    /* of the answer's first bytes, for the error's text */

struct pl_split {
    size_t element_bytes_max;
    pl_split_element_fn *on_element;
    void *userdata;

    uint8_t state;     /* enum split_state of split.c */
    bool wrapped;      /* the root is an object */
    const char *shape; /* for a person: "an array", "an object with the array under data" */
    bool array_seen;
    bool pending; /* an element was not taken; pl_split_feed() (of 0 bytes, too) offers it again */

    /* Of the value that is being received. */
    bool scalar, in_string, escaped, too_large;
    uint32_t open; /* brackets */
    struct pl_buf value;
    const char *key; /* of the member: the shape that it makes of an array, or NULL */

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

static inline bool pl_split_failed(const struct pl_split *s)
{
    return s->err.kind != PL_ERR_NONE;
}

/* The answer is over. 0: it was whole. -1: RETRY when it is cut, REJECT when it is not what was
 * expected, CONFIG when an element is larger than element_bytes_max. Also earlier, for the error
 * when pl_split_failed(). */
int pl_split_end(const struct pl_split *s, struct pl_err *err);

#endif
