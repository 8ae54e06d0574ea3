/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.c - see http.h.
 *
 * Every handle goes through pl_http_prepare(), so that no place can forget to verify a certificate,
 * set a limit or refuse a redirect.
 */
#include "lib/http/http.h"

#include <stdio.h>

#include "lib/base/time_text.h"

/* ---- rules ---- */

void pl_http_global_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void prepare_tls(CURL *easy, const struct pl_tls *tls)
{
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls->insecure_skip_verify ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->insecure_skip_verify ? 0L : 2L);
    if (tls->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca_file);
        /* Else the system's authorities would still be trusted besides the private one. */
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert_file);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key_file);
}

void pl_http_prepare(CURL *easy, const struct pl_http_conf *conf, const char *url, char *errbuf)
{
    if (errbuf)
        errbuf[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, errbuf);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    /* HTTP/2 would buffer up to 32 MiB for a paused stream (HTTP2_HUGE_WINDOW_SIZE of curl 7.88);
     * with 1.1 TCP itself holds the sender back. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT,
                     conf->user_agent ? conf->user_agent : "libpipeline/" PL_VERSION);
    prepare_tls(easy, &conf->tls);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)conf->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)conf->total_timeout_ms);
    if (conf->stall_timeout_ms > 0) {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                         (long)((conf->stall_timeout_ms + 999) / 1000));
    }
    curl_easy_setopt(easy, CURLOPT_PROXY, conf->interface_proxy);
    curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, conf->proxy_user);
    curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, conf->proxy_password);
}

void pl_http_host(const char *url, char *out, size_t out_len)
{
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL;
    if (u && url && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        if (curl_url_get(u, CURLUPART_PORT, &port, 0) == CURLUE_OK)
            snprintf(out, out_len, "%s:%s", host, port);
        else
            snprintf(out, out_len, "%s", host);
    } else {
        snprintf(out, out_len, "the configured URL");
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
}

/* ---- what results mean ---- */

/* What is not listed is RETRY without advice. */
static const struct curl_meaning {
    CURLcode code;
    enum pl_err_kind kind;
    const char *advice; /* NULL: curl's text says it all */
} curl_meanings[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, PL_ERR_CONFIG, "the URL must begin with http:// or https://"},
    {CURLE_URL_MALFORMAT, PL_ERR_CONFIG, "check the URL"},
    {CURLE_FAILED_INIT, PL_ERR_FATAL, NULL},
    {CURLE_NOT_BUILT_IN, PL_ERR_FATAL, NULL},
    {CURLE_BAD_FUNCTION_ARGUMENT, PL_ERR_FATAL, NULL},
    {CURLE_UNKNOWN_OPTION, PL_ERR_FATAL, NULL},
    {CURLE_OUT_OF_MEMORY, PL_ERR_FATAL, NULL},
    {CURLE_COULDNT_RESOLVE_HOST, PL_ERR_RETRY, "check the host's name and the name service"},
    {CURLE_COULDNT_RESOLVE_PROXY, PL_ERR_RETRY, "check the proxy's name (https_proxy)"},
    {CURLE_COULDNT_CONNECT, PL_ERR_RETRY, "is it running, is the port right?"},
    {CURLE_SSL_CONNECT_ERROR, PL_ERR_RETRY, "is it an https port?"},
    {CURLE_PEER_FAILED_VERIFICATION, PL_ERR_CONFIG,
     "if a private authority signed the certificate, name it in tls ca_file"},
    {CURLE_SSL_CACERT_BADFILE, PL_ERR_CONFIG, "check that tls ca_file is a readable PEM file"},
    {CURLE_SSL_CERTPROBLEM, PL_ERR_CONFIG, "check tls cert_file and key_file"},
    {CURLE_SSL_CIPHER, PL_ERR_CONFIG, NULL},
    {CURLE_SSL_CRL_BADFILE, PL_ERR_CONFIG, NULL},
    {CURLE_SSL_ISSUER_ERROR, PL_ERR_CONFIG, NULL},
    {CURLE_SSL_INVALIDCERTSTATUS, PL_ERR_CONFIG, NULL},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, PL_ERR_CONFIG, NULL},
    {CURLE_SSL_ENGINE_NOTFOUND, PL_ERR_CONFIG, NULL},
    {CURLE_SSL_ENGINE_SETFAILED, PL_ERR_CONFIG, NULL},
};

/* The authority is one reason of several; the words are OpenSSL's and curl's. */
static const char *certificate_advice(const char *text, const char *authority)
{
    if (strstr(text, "expired") || strstr(text, "not yet valid"))
        return "the server needs another certificate (or is this machine's clock wrong?)";
    if (strstr(text, "subject name") || strstr(text, "does not match"))
        return "the URL must have a name or address that the certificate is for";
    return authority;
}

int pl_http_err_from_curl(struct pl_err *err, CURLcode code, const char *errbuf, const char *url)
{
    enum pl_err_kind kind = PL_ERR_RETRY;
    const char *advice = NULL;
    const char *text = errbuf && errbuf[0] ? errbuf : curl_easy_strerror(code);
    for (size_t i = 0; i < PL_COUNT(curl_meanings); i++) {
        if (curl_meanings[i].code == code) {
            kind = curl_meanings[i].kind;
            advice = curl_meanings[i].advice;
        }
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        advice = certificate_advice(text, advice);
    if (strstr(text, "certificate required")) { /* TLS 1.3, as an answer to our request */
        kind = PL_ERR_CONFIG;
        advice = "the server wants a client certificate: tls cert_file and key_file";
    }
    /* curl 7.88 uses the same code for an answer that does not begin as HTTP does. */
    if (code == CURLE_UNSUPPORTED_PROTOCOL && strstr(text, "HTTP/0.9")) {
        kind = PL_ERR_RETRY;
        advice = "is it an HTTP port?";
    }
    /* "Unsupported proxy syntax in '…'", "… scheme for '…'": its URL, perhaps with a password. */
    if (strncmp(text, "Unsupported proxy", 17) == 0) {
        text = "the proxy's URL is not valid";
        advice = "check https_proxy and http_proxy";
    }
    char host[256];
    pl_http_host(url, host, sizeof(host));
    return pl_err_set(err, kind, (int)code, "%s: %s%s%s", host, text, advice ? "; " : "",
                      advice ? advice : "");
}

enum pl_err_kind pl_http_status_kind(long status)
{
    switch (status) {
    case 408:
    case 425:
    case 429:
        return PL_ERR_RETRY;
    case 401:
    case 403:
    case 404:
    case 405:
    case 407:
    case 410:
        return PL_ERR_CONFIG;
    default:
        return status >= 500   ? PL_ERR_RETRY
               : status >= 400 ? PL_ERR_REJECT
               : status >= 300 ? PL_ERR_CONFIG
                               : PL_ERR_NONE;
    }
}

int64_t pl_http_retry_after_ms(const char *value, int64_t now_ms)
{
    if (!value)
        return -1;
    value += strspn(value, " \t");
    size_t len = strlen(value);
    while (len > 0 && strchr(" \t", value[len - 1]))
        len--;
    if (len == 0)
        return -1;
    int64_t ms;
    if (strspn(value, "0123456789") == len) {
        int64_t s = strtoll(value, NULL, 10);
        ms = s < PL_HTTP_RETRY_AFTER_MS_MAX / 1000 ? s * 1000 : PL_HTTP_RETRY_AFTER_MS_MAX;
    } else if (pl_time_parse_http(value, len, &ms)) {
        ms = ms > now_ms ? ms - now_ms : 0;
    } else {
        return -1;
    }
    return ms < PL_HTTP_RETRY_AFTER_MS_MAX ? ms : PL_HTTP_RETRY_AFTER_MS_MAX;
}
