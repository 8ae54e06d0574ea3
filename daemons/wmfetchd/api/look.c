/* SPDX-License-Identifier: Apache-2.0 */
/* look.c - see look.h. */
#include "daemons/wmfetchd/api/look.h"

bool look_is_needed(const char *start)
{
    return !start || start[0] == '-' || strcmp(start, "now") == 0;
}

static void on_headers(void *userdata, struct pl_http_request *r, long status)
{
    struct look *l = userdata;
    const struct pl_peer_answer heard = pl_http_request_heard(r);
    (void)status;
    look_stop(l);
    l->on_done(l->userdata, &heard, NULL);
}

/* Only without an answer: with one, on_headers() ended it. */
static void on_done(void *userdata, struct pl_http_request *r, const struct pl_err *err)
{
    struct look *l = userdata;
    struct pl_err none;
    (void)r;
    l->request = NULL;
    if (!err)
        pl_err_set(&none, PL_ERR_RETRY, 0, "the answer has no headers");
    l->on_done(l->userdata, NULL, err ? err : &none);
}

static const struct pl_http_ops ops = {.on_headers = on_headers, .on_done = on_done};

int look_start(struct look *l, struct pl_http *http, const struct wmfetchd_api_conf *conf,
               const char *address, struct pl_err *err)
{
    const char *headers[] = {"Cache-Control: no-cache", NULL};
    const struct pl_http_conf http_conf = {
        .user_agent = wmfetchd_user_agent(),
        .tls = conf->tls,
        .connect_timeout_ms = conf->connect_timeout_ms,
        .total_timeout_ms = conf->timeout_ms,
        .stall_timeout_ms = conf->stall_timeout_ms,
    };
    return pl_http_request_new(http, &http_conf, address, headers, NULL, 0, &ops, l, &l->request,
                               err);
}

void look_stop(struct look *l)
{
    if (l->request)
        pl_http_request_cancel(PL_TAKE(l->request));
}
