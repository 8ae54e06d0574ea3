/* SPDX-License-Identifier: Apache-2.0 */
/* field.c - see field.h. */
#include "lib/http/field.h"

#include <string.h>

bool pl_http_is_field_name(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "!#$%&'*+-.^_`|~");
    return len > 0 && text[len] == '\0';
}

bool pl_http_is_field_value(const char *text, bool spaces)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if ((text[i] < 0x21 || text[i] > 0x7e) &&
            !(text[i] == ' ' && spaces && i > 0 && i < len - 1))
            return false;
    return true;
}
