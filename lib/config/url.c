/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url.c - what an option of type URL accepts. The parser is curl's, so that a request understands
 * it in the same way.
 */
#include <curl/curl.h>
#include <strings.h>

#include "lib/config/internal.h"

#define URL_BYTES_MAX 2000

PL_DEFINE_CLEANUP(CURLU *, curl_url_cleanup);

static bool part_is_there(CURLU *url, CURLUPart what)
{
    char *text = NULL;
    bool there = curl_url_get(url, what, &text, 0) == CURLUE_OK;
    if (text)
        explicit_bzero(text, strlen(text)); /* perhaps a password */
    curl_free(text);
    return there;
}

/* https://curl.se/libcurl/c/CURLOPT_PROXY.html */
static bool scheme_is_known(const struct pl_option *o, const char *text)
{
    static const char *const schemes[] = {"http://",    "https://",  "socks4://",
                                          "socks4a://", "socks5://", "socks5h://"};
    for (size_t i = 0; i < ((o->flags & PL_OPT_PROXY) ? PL_COUNT(schemes) : 2); i++)
        if (strncasecmp(text, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

/* curl would encode some of them, and take others as they are. */
static bool has_space(const char *text)
{
    while ((unsigned char)*text > ' ' && *text != 0x7f)
        text++;
    return *text != '\0';
}

bool pl_url_check(const struct pl_option *o, const struct pl_node *n, struct pl_findings *errs)
{
    const char *text = n->value;
    PL_CLEANUP(curl_url_cleanupp) CURLU *url = curl_url();
    unsigned before = errs->count;
    CURLUcode code = CURLUE_OK;
    if (strlen(text) > URL_BYTES_MAX)
        PL_FINDING(errs, n, "%s: a URL has at most %d bytes", o->path, URL_BYTES_MAX);
    else if (has_space(text))
        PL_FINDING(errs, n, "%s: a URL has no spaces and no control characters", o->path);
    else if (!scheme_is_known(o, text))
        PL_FINDING(errs, n, "%s: must begin with %s", o->path,
                   (o->flags & PL_OPT_PROXY) ? "http://, https:// or socks5h://"
                                             : "https:// or http://");
    else if ((code = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME)) != CURLUE_OK)
        PL_FINDING(errs, n, "%s: not a URL (%s)", o->path, curl_url_strerror(code));
    else if (part_is_there(url, CURLUPART_USER) || part_is_there(url, CURLUPART_PASSWORD))
        PL_FINDING(errs, n,
                   "%s: a URL must not hold a user or password, since messages show it%s%s",
                   o->path, o->login ? "; use " : "", o->login ? o->login : "");
    else if (strpbrk(text, "?#"))
        PL_FINDING(errs, n, "%s: without a query ('?', '#')", o->path);
    return errs->count == before;
}
