/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - HTTP for the daemons: libcurl set up once with our rules (TLS verified, private CA, time
 * limits, no secret on another host), and what its results mean. A worker's thread uses a handle of
 * its own, blocking; requests on the event loop are in request.h.
 *
 * Threads: any, each with its own handle. pl_http_global_init() once, before threads.
 */
#ifndef PL_HTTP_HTTP_H
#define PL_HTTP_HTTP_H

#include <curl/curl.h>

#include "lib/config/options.h"

void pl_http_global_init(void);

/* What several requests to one service share; borrowed strings. */
struct pl_http_conf {
    const char *user_agent;                   /* NULL: "libpipeline/VERSION" */
    const char *tls_ca_file;                  /* PEM; NULL: the system's */
    const char *tls_cert_file, *tls_key_file; /* client certificate; NULL: none */
    bool tls_insecure_skip_verify; /* the setting whose name says so; the daemon warns at start */
    int64_t connect_timeout_ms;
    int64_t total_timeout_ms; /* 0: none (streams) */
    /* Less than 1 byte for so long ends the request; 0: never. Whole ms: kept by our own timer in
     * struct pl_http, by curl's seconds when blocking. */
    int64_t stall_timeout_ms;
    const char *interface_proxy;             /* NULL: as in the environment (https_proxy …) */
    const char *proxy_user, *proxy_password; /* NULL: none, or those in the environment's URL */
};

/* The options of a `tls:` mapping, the same in all daemons (HTTP side): ca_file, cert_file,
 * key_file, insecure_skip_verify. Put into a daemon's table by PL_HTTP_TLS_OPTS("source.tls",
 * struct x, tls). */
struct pl_tls {
    char *ca_file, *cert_file, *key_file;
    bool insecure_skip_verify;
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

/* Applies the rules to a fresh or reset handle: URL, only http and https, no redirects (a 3xx is an
 * answer to us), NOSIGNAL, TLS >= 1.2 verified, time limits, TCP keep-alive, user agent, error
 * buffer of CURL_ERROR_SIZE (may be NULL). */
void pl_http_prepare(CURL *easy, const struct pl_http_conf *conf, const char *url, char *errbuf);

/* A curl result that is not CURLE_OK as an error: RETRY for what time may heal (resolve, connect,
 * time-outs, resets, partial), CONFIG for what a person must mend (bad URL, certificate refused, CA
 * file unreadable). The message names the host from `url`, shows user info neither of it nor of a
 * proxy, and says what to do. */
int pl_http_err_from_curl(struct pl_err *err, CURLcode code, const char *errbuf, const char *url);

/* "host" or "host:port" of a URL for messages: without user info and query, which may hold
 * secrets. */
void pl_http_host(const char *url, char *out, size_t out_len);

/* The kind of an HTTP status >= 400 in general: RETRY for 408 425 429 5xx, CONFIG for 401 403 407,
 * CONFIG for 404 405 410 and 3xx, REJECT for the other 4xx. */
enum pl_err_kind pl_http_status_kind(long status);

#endif
