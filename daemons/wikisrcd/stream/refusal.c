/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.c - see refusal.h. */
#include "daemons/wikisrcd/stream/refusal.h"

#include "lib/http/http.h"

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
