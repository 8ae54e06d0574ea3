/* SPDX-License-Identifier: Apache-2.0 */
/*
 * percent.c - see percent.h.
 */
#include "lib/http/percent.h"

#include <curl/curl.h>

/* curl's output buffer grows and leaves the smaller ones in freed memory. Its first has 32 bytes
 * (libcurl 7.71 to 8), enough for this many bytes, encoded. */
#define PIECE_LEN 8

bool pl_percent_add(struct pl_buf *out, const char *text)
{
    size_t before = out->len;
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        n = left < PIECE_LEN ? left : PIECE_LEN;
        char *encoded = curl_easy_escape(NULL, text, (int)n);
        size_t len = encoded ? strlen(encoded) : 0;
        bool added = encoded && pl_buf_add(out, encoded, len);
        if (encoded)
            explicit_bzero(encoded, len);
        curl_free(encoded);
        if (!added) {
            out->len = before;
            return false;
        }
    }
    return true;
}
