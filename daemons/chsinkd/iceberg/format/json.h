/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - JSON with integers of 64 bits, as trees of cJSON, which itself reads numbers as doubles:
 * a snapshot id would be changed, and with it a table.
 *
 * An integer of 16 characters and more is kept as cJSON_Raw, whose text is printed as it was.
 * Smaller ones, and numbers with a fraction or an exponent, are cJSON's. pl_doc_str() and
 * pl_doc_get() work on such a tree; integers are read with iceberg_json_int().
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_ICEBERG_JSON_H
#define CHSINKD_ICEBERG_JSON_H

#include "lib/base/buf.h"
#include "lib/json/document.h"

/* As pl_doc_parse(). */
int iceberg_json_parse(const char *text, size_t len, size_t len_max, cJSON **ret,
                       struct pl_err *err);

/* false: not there, no integer, or beyond int64. */
bool iceberg_json_int(const cJSON *object, const char *name, int64_t *ret);
bool iceberg_json_value_int(const cJSON *value, int64_t *ret);

cJSON *iceberg_json_new_int(int64_t v);
void iceberg_json_add_int(cJSON *object, const char *name, int64_t v);

/* Appends the document as text, without spaces. */
void iceberg_json_print(const cJSON *document, struct pl_buf *out);

#endif
