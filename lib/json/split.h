/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split.h - splits an API's answer while it arrives: bytes in, elements of its array out.
 *
 *     [ {…}, {…}, … ]                                 an array, or
 *     { "status": …, "data": [ {…}, … ], … }          an object that holds it under data, records
 *                                                     or series, or under a given path:
 *     { "result": { "items": [ {…}, … ], … }, … }     result.items
 *
 * Each element is handed out once its last byte is there, as the bytes that came, after the reader
 * (reader.h) has checked it. Only the value that is being received is buffered, an element only if
 * it is not whole in one piece: memory is bounded by the largest element, not by the answer.
 *
 * Members beside the array, of all objects around it, are shown to the caller. Up to
 * PL_SPLIT_BESIDE_MAX bytes each (element_bytes_max where that is less) they are checked too; in a
 * larger one only brackets and quotes are counted, so invalid JSON in it ("[1,,2]", "[}", bytes
 * that are not UTF-8) goes unnoticed. It cannot be mistaken for something else: its end, and so
 * every key, the array and the end of the answer, are found by the same count, a cut leaves a
 * bracket open, and each element is checked whole.
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

/* A member beside the array; borrowed during the callback. */
struct pl_split_member {
    struct pl_slice key;   /* unescaped; p NULL: longer than PL_SPLIT_KEY_MAX */
    struct pl_slice value; /* valid JSON; p NULL: too large to keep */
    char first;            /* byte of the value, always there: shows its type */
    unsigned depth;        /* names of the path above it; 0: in the root */
};
typedef void pl_split_member_fn(void *userdata, const struct pl_split_member *member);

#define PL_SPLIT_KEY_MAX    256   /* bytes of a key that is shown, with its escapes */
#define PL_SPLIT_BESIDE_MAX 65536 /* bytes of a key or value beside the array that is checked */
#define PL_SPLIT_BEGIN_MAX  80    /* of the answer's first bytes, for the error's text */
#define PL_SPLIT_FAULT_MAX  32768 /* bytes kept of a bad element */

struct pl_split {
    size_t element_bytes_max;
    pl_split_element_fn *on_element;
    pl_split_member_fn *on_member;
    void *userdata;
    char *path, *path_shape; /* NULL: the array is detected */

    uint8_t state;     /* enum split_state of split.c */
    bool wrapped;      /* the root is an object */
    const char *shape; /* for a person: "an array", "an object with the array under data" */
    bool array_seen;
    bool null_seen; /* null where the array would be */
    bool pending; /* an element was not taken; pl_split_feed() (of 0 bytes, too) offers it again */

    /* Of the value that is being received. */
    bool scalar, in_string, escaped, too_large;
    uint32_t open; /* brackets */
    char first;    /* byte */
    struct pl_buf value;
    struct pl_buf key;       /* of the member, unescaped; empty if too long */
    bool key_seen;           /* `key` is the member's: not too long */
    const char *array_shape; /* NULL: an array under this key is not the one */
    bool around;             /* an object under this key encloses the array */
    unsigned depth;          /* how many of those are open */

    struct pl_buf fault; /* the bad element, around the error; else empty */
    char begin[PL_SPLIT_BEGIN_MAX];
    uint64_t bytes, elements; /* taken so far */
    struct pl_err err;        /* kind NONE: none */
};

void pl_split_init(struct pl_split *s, size_t element_bytes_max, pl_split_element_fn *on_element,
                   void *userdata);
/* Call it before the first byte. `path` (copied): the names of the objects around the array and of
 * the array, separated by '.'; only there is it taken. NULL or "": it is detected. `on_member` may
 * be NULL. */
void pl_split_around(struct pl_split *s, const char *path, pl_split_member_fn *on_member);
void pl_split_release(struct pl_split *s);
/* For another answer of the same kind. */
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

/* Whether the answer is over and has null instead of the array: {"data":null}, as some servers
 * write an empty list. pl_split_end() refuses it. */
bool pl_split_is_null(const struct pl_split *s);

#endif
