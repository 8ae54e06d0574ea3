/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - wmfetchd's option table and the struct it fills.
 *
 * Threads: the loop's; a reload changes the struct in place.
 */
#ifndef WMFETCHD_CONF_H
#define WMFETCHD_CONF_H

#include "lib/auth/conf.h"
#include "lib/config/common.h"

/* Our transaction.timeout.ms unless the user sets it: an answer may take long to arrive. It is the
 * most that brokers allow by default (transaction.max.timeout.ms). */
#define WMFETCHD_TRANSACTION_TIMEOUT_MS 900000

enum wmfetchd_time_format { WMFETCHD_TIME_MS, WMFETCHD_TIME_S, WMFETCHD_TIME_RFC3339 };

/* The names of the query's parameters; "": not sent. */
struct wmfetchd_query_conf {
    char *application, *index;
    char *start, *end, *range;
    int time_format; /* enum wmfetchd_time_format */
};

/* How answers are checked: api/answer.h. */
struct wmfetchd_answer_conf {
    char *array; /* NULL: detected */
    struct pl_strings ignore;
    struct pl_map require;
    bool accept_no_content;
};

/* The members of a record that matter: api/element.h. */
struct wmfetchd_record_conf {
    struct pl_strings key;
    char *series; /* "": it has none */
};

struct wmfetchd_api_conf {
    char *url, *path;
    struct pl_strings applications, index;
    struct pl_map parameters, headers;
    int64_t requests; /* at once */
    struct wmfetchd_query_conf query;
    struct wmfetchd_answer_conf answer;
    struct wmfetchd_record_conf record;
    int64_t connect_timeout_ms, timeout_ms, stall_timeout_ms;
    int64_t answer_bytes_max, element_bytes_max;
    struct pl_tls tls;
};

struct wmfetchd_conf {
    char *name;
    struct wmfetchd_api_conf api;
    struct pl_auth_conf auth;
    struct {
        int64_t size_ms, delay_ms, overlap_ms;
        char *start;
        int64_t give_up_after; /* tries; 0: never */
        int64_t give_up_time_ms;
    } window;
    struct pl_map kafka;
    char *topic, *position_topic, *dead_letter_topic;
    int64_t message_bytes_max, queue_bytes_max;
    struct pl_create_topics create;
    struct {
        char *listen;
    } metrics;
    int log_level; /* index in pl_log_level_names */
    int64_t start_timeout_ms, stop_timeout_ms;
};

extern const struct pl_option wmfetchd_opts[];
/* The comment at the top of the reference (etc/wmfetchd.yaml). */
extern const char wmfetchd_conf_intro[];

/* What the table cannot say: times, names, options that need each other. `conf`: a struct
 * wmfetchd_conf. */
void wmfetchd_conf_check(void *conf, bool for_service, struct pl_findings *errs);

/* A series is an application and an index; there are all combinations of them, in this order. */
struct wmfetchd_series {
    const char *application, *index;
};
size_t wmfetchd_series_count(const struct wmfetchd_conf *conf);
struct wmfetchd_series wmfetchd_series(const struct wmfetchd_conf *conf, size_t i);

/* The precision of the times in a request: each must be a multiple of it. */
int64_t wmfetchd_time_unit_ms(const struct wmfetchd_conf *conf);

/* Whether secrets would go unencrypted over a network to this URL: http, and not this machine. */
bool wmfetchd_url_is_exposed(const char *url);

/* "wmfetchd/VERSION libcurl/VERSION". */
const char *wmfetchd_user_agent(void);

#endif
