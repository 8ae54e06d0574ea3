/* SPDX-License-Identifier: Apache-2.0 */
/*
 * document.h - a small JSON document as a tree (cJSON), read by the names of its members.
 *
 * For answers and records of some kilobytes (six members: a microsecond). Larger documents, and hot
 * paths, are walked with reader.h; pl_buf_addf() and pl_json_quote() write without a tree.
 *
 * cJSON alone accepts "01", control characters in texts, invalid UTF-8 and anything after the
 * document, and cuts a text at \u0000. So the reader checks the text first: a tree is one object or
 * array of RFC 8259, at most PL_JSON_DEPTH_DEFAULT levels deep, and its texts are C strings of
 * UTF-8.
 *
 * cJSON reads numbers as doubles. Integers are given out below 2^53 in size, where a double is
 * exact: enough for offsets and for milliseconds of 280,000 years.
 *
 * Members are found by their exact name. Of a name that is there twice, the first counts;
 * pl_doc_is_made_of() is for our own records, in which nothing may be there twice or unknown.
 *
 * A tree takes up to 40 bytes for each byte of its text ("[0,0,…"): choose `len_max` accordingly.
 * Freed with cJSON_Delete(), or pl_doc_wipe() where a text in it is secret. Threads: one owner.
 */
#ifndef PL_JSON_DOCUMENT_H
#define PL_JSON_DOCUMENT_H

#include "lib/base/alloc.h"
#include "lib/base/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

/* 0 and the tree; -1 and REJECT: "expected a value at byte 7", "longer than 4096 bytes".
 * The message holds nothing of the text. The text needs no terminator. */
int pl_doc_parse(const char *text, size_t len, size_t len_max, cJSON **ret, struct pl_err *err);

/* Overwrites all texts, then frees. NULL is allowed. */
void pl_doc_wipe(cJSON *root);

PL_DEFINE_CLEANUP(cJSON *, cJSON_Delete);
PL_DEFINE_CLEANUP(cJSON *, pl_doc_wipe);

/* The member's value of any type; NULL when it is not there, or `object` is NULL or not an object.
 * To walk all members or elements: cJSON_ArrayForEach(), with `->string` the name. */
const cJSON *pl_doc_get(const cJSON *object, const char *name);

/* NULL, false and *ret untouched: not there, of another type, or (integers) not exact. Texts live
 * as long as the tree. 1.0 and 1e3 are integers. */
const char *pl_doc_str(const cJSON *object, const char *name);
bool pl_doc_int(const cJSON *object, const char *name, int64_t *ret);
bool pl_doc_bool(const cJSON *object, const char *name, bool *ret);

/* The same for an element of an array. */
bool pl_doc_value_int(const cJSON *value, int64_t *ret);

/* It is an object that has no other members than these (each may be absent), none twice. `names`
 * ends with NULL. */
bool pl_doc_is_made_of(const cJSON *object, const char *const *names);

#endif
