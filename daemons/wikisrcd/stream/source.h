/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.h - the connection to EventStreams: asks from the position, parses what comes, and
 * connects again when it ends.
 *
 *   WAITING ──> DISCOVERING ──> CONNECTING ──> STREAMING ──> WAITING …
 *        └───────────────────────^  200           │ closed, lost, stalled, refused, event: error
 *                                                 └ held: an event was not taken; the request is
 *                                                   paused until source_resume()
 *
 * What is asked for: with a position that knows topics, Last-Event-ID with a time for each of them;
 * else `since=`. When there may be topics that the position lacks (other streams are configured, or
 * the last look is a day old), a connection without Last-Event-ID is made first, only to read the
 * topics from its first id (DISCOVERING). A position that the service refuses (400, 404) is
 * replaced by `since=` for one connection.
 *
 * Waiting: retry.h; Retry-After is obeyed, up to an hour (lib/http/http.h); 429 without it waits
 * 10 s. An answer that is not a stream is read up to 64 KiB and for as long as an answer may take
 * (connect_timeout plus stall_timeout).
 *
 * Threads: the loop's.
 */
#ifndef WIKISRCD_STREAM_SOURCE_H
#define WIKISRCD_STREAM_SOURCE_H

#include "daemons/wikisrcd/conf.h"
#include "daemons/wikisrcd/position/position.h"
#include "daemons/wikisrcd/stream/sse.h"
#include "lib/http/peer_clock.h"
#include "lib/metrics/metrics.h"
#include "lib/service/daemon.h"

struct source;

struct source_ops {
    /* false: not now; the source holds it and offers it again after source_resume(). */
    bool (*on_event)(void *userdata, const struct sse_event *event);
    /* The outcome of each attempt; `err` NULL: the service answered 200. CONFIG: refused in a way
     * that a person must fix; the owner logs it, or ends (lib/service/ends.h). The source keeps
     * trying unless it is stopped. */
    void (*on_answer)(void *userdata, const struct pl_err *err);
    /* source_look() is over: the time at the service. */
    void (*on_looked)(void *userdata, int64_t now_ms);
};

/* `conf`, `metrics` and `*position` outlive the source; the position is the caller's, who may
 * replace it between source_stop() and source_start(). */
int source_new(struct pl_daemon *d, const struct wikisrcd_conf *conf, struct pl_metrics *metrics,
               struct position **position, const struct source_ops *ops, void *userdata,
               struct source **ret, struct pl_err *err);
void source_free(struct source *s);
PL_DEFINE_CLEANUP(struct source *, source_free);

/* Connects after `wait_ms`, from where the position is then. */
void source_start(struct source *s, int64_t wait_ms);
/* Connects only to learn the time there, so that a first start at "now" or "-2d" counts from the
 * service's now. Retries until it works. Calls on_looked instead of on_event. */
void source_look(struct source *s);
/* Ends the connection and forgets what was held (the position has not passed it). */
void source_stop(struct source *s);
/* Continues after on_event() returned false. Not from inside on_event(). */
void source_resume(struct source *s);

/* For STATUS: "streaming", "connecting to the source", "connecting again in 12 s (stall)", "waiting
 * for Kafka" (held). */
void source_describe(const struct source *s, char *out, size_t size);
/* How long the connection delivers already; -1: it does not. */
int64_t source_streaming_ms(const struct source *s);
/* The time at the service, by its own clock; by ours before its first answer. */
int64_t source_now_ms(const struct source *s);
struct pl_peer_clock *source_clock(struct source *s); /* for pl_skew_show() */
/* For more than PL_HTTP_RETRY_AFTER_LONG_MS, by Retry-After. */
bool source_is_told_to_wait(const struct source *s);
bool source_is_held(const struct source *s);
/* What should have happened by now (a connect, an answer, a byte or the stall's end) has not: for
 * on_watchdog. Never while it is held. */
bool source_is_overdue(const struct source *s);

#endif
