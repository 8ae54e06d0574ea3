/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - HTTP for the daemons: libcurl under our rules (TLS verified, private CA, time limits, no
 * secret sent to another host), and what results, statuses and Retry-After mean. A worker thread
 * uses a blocking handle; request.h has requests on the event loop.
 *
 * Threads: any, each with its own handle.
 */
#ifndef PL_HTTP_HTTP_H
#define PL_HTTP_HTTP_H

#include <curl/curl.h>

#include "lib/config/options.h"

/* Before threads; again does no harm. */
void pl_http_global_init(void);

/* The options of a `tls:` mapping; in a daemon's table: PL_HTTP_TLS_OPTS("source.tls", struct x,
 * tls). */
struct pl_tls {
    char *ca_file;              /* PEM; NULL: the system's */
    char *cert_file, *key_file; /* client certificate; NULL: none */
    bool insecure_skip_verify;  /* the daemon warns at start */
};
#define PL_HTTP_TLS_OPTS(prefix, type, field)                                                      \
    PL_OPTION(prefix ".ca_file", STRING, type, field.ca_file, .min = 1, .max = 4096,               \
              .help = "PEM file of the authorities to trust; default: the system's."),             \
        PL_OPTION(prefix ".cert_file", STRING, type, field.cert_file, .min = 1, .max = 4096,       \
                  .help = "PEM file of our client certificate, where the server asks for one."),   \
        PL_OPTION(prefix ".key_file", STRING, type, field.key_file, .min = 1, .max = 4096,         \
                  .help = "PEM file of the client certificate's key."),                            \
        PL_OPTION(prefix ".insecure_skip_verify", BOOL, type, field.insecure_skip_verify,          \
                  .dflt = "false",                                                                 \
                  .help = "Do NOT check who the server is. Anyone on the way can read and change " \
                          "all; warned about at each start.")

/* What several requests to one service share; borrowed strings. */
struct pl_http_conf {
    const char *user_agent; /* NULL: "libpipeline/VERSION" */
    struct pl_tls tls;
    int64_t connect_timeout_ms; /* 0: curl's, 300 s */
    int64_t total_timeout_ms;   /* 0: none (streams) */
    /* This long without a byte ends the request; 0: never. Exact on the event loop, rounded up to
     * seconds by curl when blocking. */
    int64_t stall_timeout_ms;
    const char *interface_proxy;             /* NULL: as in the environment (https_proxy …) */
    const char *proxy_user, *proxy_password; /* NULL: none, or those in the environment's URL */
};

/* Applies the rules to a fresh or reset handle: URL, only http and https, no redirects (a 3xx is an
 * answer to us), NOSIGNAL, TLS >= 1.2 verified, time limits, TCP keep-alive, user agent, error
 * buffer of CURL_ERROR_SIZE (may be NULL). */
void pl_http_prepare(CURL *easy, const struct pl_http_conf *conf, const char *url, char *errbuf);

/* A curl result that is not CURLE_OK as an error: RETRY for what time may heal (resolve, connect,
 * time-outs, resets, partial), CONFIG for what a person must fix (bad URL, certificate refused, CA
 * file unreadable). The message names the host from `url`, never user info (nor a proxy's), and
 * says what to do. */
int pl_http_err_from_curl(struct pl_err *err, CURLcode code, const char *errbuf, const char *url);

/* "host" or "host:port" of a URL, for messages: user info and query may hold secrets. */
void pl_http_host(const char *url, char *out, size_t out_len);

/* The kind of an HTTP status: RETRY for 408 425 429 5xx, CONFIG for 3xx 401 403 404 405 407 410,
 * REJECT for the other 4xx, NONE below 300. */
enum pl_err_kind pl_http_status_kind(long status);

/* How long Retry-After asks us to wait (RFC 9110, section 10.2.3), in seconds or by a date: ms from
 * `now_ms` (our clock, since 1970), 0 to PL_HTTP_RETRY_AFTER_MS_MAX; -1 when malformed or NULL.
 *
 * The limit: quotas by the hour are the longest that are usual, and a request an hour burdens
 * nobody, while a front that says a day by mistake would hold us for that day although the service
 * is back. */
#define PL_HTTP_RETRY_AFTER_MS_MAX INT64_C(3600000)
/* Waits that are asked for and longer than this are told loudly: logged as an error, not ready. */
#define PL_HTTP_RETRY_AFTER_LONG_MS 60000
int64_t pl_http_retry_after_ms(const char *value, int64_t now_ms);

#endif
