/* SPDX-License-Identifier: Apache-2.0 */
/*
 * field.h - what can be sent as a header (RFC 9110, section 5). Pure. Threads: any.
 */
#ifndef PL_HTTP_FIELD_H
#define PL_HTTP_FIELD_H

#include <stdbool.h>

/* A field-name is a token (sections 5.1 and 5.6.2). */
bool pl_http_is_field_name(const char *text);

/* Visible ASCII; with `spaces`, spaces too, but not at either end. "" is one. */
bool pl_http_is_field_value(const char *text, bool spaces);

#endif
