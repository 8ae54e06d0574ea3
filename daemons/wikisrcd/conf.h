/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - wikisrcd's option table and the struct it fills.
 *
 * Threads: the loop's; a reload changes the struct in place.
 */
#ifndef WIKISRCD_CONF_H
#define WIKISRCD_CONF_H

#include "lib/config/common.h"
#include "lib/http/http.h"

enum wikisrcd_bot { BOT_ANY, BOT_ONLY, BOT_EXCLUDE };
enum wikisrcd_canaries { CANARIES_DROP, CANARIES_KEEP };
enum wikisrcd_timestamp { TIMESTAMP_EVENT, TIMESTAMP_ARRIVAL };
enum wikisrcd_too_large { TOO_LARGE_STOP, TOO_LARGE_SKIP };

struct wikisrcd_include {
    struct pl_strings include, exclude;
};

struct wikisrcd_filter_conf {
    struct wikisrcd_include wiki, type, namespaces;
    struct pl_node *fields; /* rows: filter_rules_parse() */
    int bot;                /* enum wikisrcd_bot */
    int canaries;           /* enum wikisrcd_canaries */
};

struct wikisrcd_conf {
    char *name;
    struct {
        char *url;
        struct pl_strings streams;
        char *user_agent_contact;
        char *start;
        int64_t stall_timeout_ms, connect_timeout_ms, slack_ms, discover_every_ms;
        char *proxy, *proxy_user;
        struct pl_secret proxy_password;
        struct pl_tls tls;
    } source;
    struct wikisrcd_filter_conf filter;
    struct pl_map kafka;
    char *topic, *position_topic;
    struct pl_map topics; /* stream -> topic */
    struct pl_strings key;
    struct pl_node *redact; /* rows: redact_rules_parse() */
    struct pl_secret redact_key;
    int64_t message_bytes_max, queue_bytes_max;
    int too_large; /* enum wikisrcd_too_large */
    int timestamp; /* enum wikisrcd_timestamp */
    struct {
        int64_t age_ms, bytes, messages;
    } batch;
    struct pl_create_topics create;
    struct {
        char *listen;
    } metrics;
    int log_level; /* index in pl_log_level_names */
    int64_t start_timeout_ms, stop_timeout_ms;
};

extern const struct pl_option wikisrcd_opts[];
/* The comment at the top of the reference (etc/wikisrcd.yaml). */
extern const char wikisrcd_conf_intro[];

/* What the table cannot say: names, times, numbers in lists, options that need each other. `conf`:
 * a struct wikisrcd_conf. */
void wikisrcd_conf_check(void *conf, bool for_service, struct pl_findings *errs);

/* The time of source.start: 0 for "oldest", else as pl_moment_parse() reads it; false: not a time.
 * */
bool wikisrcd_conf_start(const char *text, int64_t now_ms, int64_t *ret_ms);
/* Counted from now, so it matters whose clock that is. */
bool wikisrcd_conf_start_is_relative(const char *text);

/* Whether `name`, as in source.streams, is the stream that events call `stream` (meta.stream): the
 * service drops "mediawiki." from some names (recentchange, page-create). */
bool wikisrcd_conf_stream_is(const char *name, const char *stream, size_t len);

/* source.url with the streams; malloc()ed. */
char *wikisrcd_conf_url(const struct wikisrcd_conf *conf);

#endif
