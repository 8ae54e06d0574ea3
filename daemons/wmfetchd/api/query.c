/* SPDX-License-Identifier: Apache-2.0 */
/* query.c - see query.h. */
#include "daemons/wmfetchd/api/query.h"

#include <stdio.h>

#include "lib/base/time_text.h"
#include "lib/http/percent.h"

char *query_address(const struct wmfetchd_api_conf *conf)
{
    size_t len = strlen(conf->url);
    const char *path = conf->path;
    while (len > 0 && conf->url[len - 1] == '/')
        len--;
    while (*path == '/')
        path++;
    return pl_strf("%.*s/%s", (int)len, conf->url, path);
}

static void parameter_add(struct pl_buf *url, const char *name, const char *value)
{
    pl_buf_add_byte(url, strchr(pl_buf_cstr(url), '?') ? '&' : '?');
    pl_percent_add(url, name);
    pl_buf_add_byte(url, '=');
    pl_percent_add(url, value);
}

static void time_add(struct pl_buf *url, int format, const char *name, int64_t ms)
{
    char text[32];
    switch ((enum wmfetchd_time_format)format) {
    case WMFETCHD_TIME_MS:
        snprintf(text, sizeof(text), "%lld", (long long)ms);
        break;
    case WMFETCHD_TIME_S:
        snprintf(text, sizeof(text), "%lld", (long long)(ms / 1000));
        break;
    case WMFETCHD_TIME_RFC3339:
        pl_time_format_ms(ms, text);
        break;
    }
    parameter_add(url, name, text);
}

void query_make(const struct wmfetchd_api_conf *conf, const char *address,
                const struct fetch_ask *ask, struct pl_buf *out)
{
    const struct wmfetchd_query_conf *q = &conf->query;
    pl_buf_add_str(out, address);
    if (q->application[0])
        parameter_add(out, q->application, ask->application);
    if (q->range[0])
        parameter_add(out, "range", q->range);
    time_add(out, q->time_format, q->start, ask->from_ms);
    time_add(out, q->time_format, q->end, ask->end_ms);
    if (q->index[0])
        parameter_add(out, q->index, ask->index);
    for (size_t i = 0; i < conf->parameters.n; i++)
        parameter_add(out, conf->parameters.v[i].key, conf->parameters.v[i].value);
}
