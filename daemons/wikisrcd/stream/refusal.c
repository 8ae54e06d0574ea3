/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.c - see refusal.h. */
#include "daemons/wikisrcd/stream/refusal.h"

#include "lib/http/http.h"

enum {
    BUSY_WAIT_MS = 10000,    /* 429 without Retry-After: the service sends none */
    REFUSED_WAIT_MS = 30000, /* 401, 403, 404, a redirect */
};

int64_t refusal_wait_ms(long status, const char *retry_after, int64_t now_ms)
{
    int64_t wait_ms = pl_http_retry_after_ms(retry_after, now_ms);
    if (wait_ms >= 0 && (status == 429 || status == 503))
        return wait_ms;
    if (status == 429)
        return BUSY_WAIT_MS;
    return pl_http_status_kind(status) != PL_ERR_RETRY ? REFUSED_WAIT_MS : 0;
}

int refusal_err(struct pl_err *err, long status, const char *url, const char *body)
{
    enum pl_err_kind kind = pl_http_status_kind(status);
    if (kind == PL_ERR_REJECT || kind == PL_ERR_NONE)
        kind = PL_ERR_CONFIG;
    if (status == 200)
        return pl_err_set(err, PL_ERR_RETRY, 200,
                          "%s answered, but not with an event stream: is source.url right, is a "
                          "proxy in the way? (%s)",
                          url, body);
    if (status == 403)
        return pl_err_set(err, kind, 403,
                          "%s refuses us (403): Wikimedia asks for a User-Agent with a contact; "
                          "check source.user_agent_contact (%s)",
                          url, body);
    if (status == 404 || status == 400)
        return pl_err_set(err, kind, (int)status,
                          "%s: no such stream (%ld): check source.streams (%s)", url, status, body);
    if (status >= 300 && status < 400)
        return pl_err_set(err, PL_ERR_CONFIG, (int)status,
                          "%s redirects (%ld), which is not followed: set source.url to where it "
                          "points",
                          url, status);
    return pl_err_set(err, kind, (int)status, "%s answered %ld (%s)", url, status, body);
}
