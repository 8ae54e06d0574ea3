/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - one window, from the API into Kafka: the whole of it with its position, or nothing.
 *
 *   IDLE ──start──> FETCHING ──whole and valid──> COMMITTING ──> IDLE, on_done
 *                      └──anything wrong──> ABORTING ──> IDLE, on_done with the error
 *
 * The Kafka transaction begins with the first element (or, where the window is empty, for its
 * position alone). Where Kafka's queue is full, the request is paused.
 *
 * One window after the other, as a producer has one transaction at a time. The service has a load
 * for each slot (window/turns.h), each with its own producer; connections to the API and the token
 * are shared.
 *
 * Memory of each: queue_bytes_max, and the largest element.
 *
 * Threads: the loop's.
 */
#ifndef WMFETCHD_WINDOW_LOAD_H
#define WMFETCHD_WINDOW_LOAD_H

#include "daemons/wmfetchd/api/fetch.h"
#include "daemons/wmfetchd/delivery.h"

struct load;

struct load_window {
    struct fetch_ask ask;
    /* The position to write with it; key NULL: none. */
    const char *key;
    struct schedule_position position;
    /* By the API's clock the window is over from then on; 0: does not matter. */
    int64_t due_ms;
};

struct load_result {
    struct fetch_result fetch;
    struct pl_delivery_sums sums; /* of what was committed, or undone */
    bool by_kafka;                /* the error is Kafka's */
};

struct load_ops {
    /* The bytes of the answer as they come; as in fetch.h. May be NULL. */
    int (*on_bytes)(void *userdata, const char *data, size_t len, struct pl_err *err);
    /* `err` NULL: committed. Else nothing of the window is in the topic. The next may be started
     * from inside. */
    void (*on_done)(void *userdata, const struct load_result *result, const struct pl_err *err);
    /* Kafka cannot be used any more. on_done does not follow. */
    void (*on_failed)(void *userdata, const struct pl_err *err);
};

/* What loads share: the connections to the API and the token. Must outlive them. */
struct load_env {
    struct delivery_env kafka;
    struct pl_http *http;
    struct pl_auth *auth;
};
/* `d`, `conf` and `metrics` are borrowed. */
int load_env_init(struct load_env *env, struct pl_daemon *d, const struct wmfetchd_conf *conf,
                  struct pl_metrics *metrics, struct pl_err *err);
void load_env_release(struct load_env *env);

/* Connects to Kafka with the slot's transactional id (delivery.h). Blocks up to start_timeout. */
int load_new(struct load_env *env, int slot, const struct load_ops *ops, void *userdata,
             struct load **ret, struct pl_err *err);
void load_free(struct load *l);
PL_DEFINE_CLEANUP(struct load *, load_free);

/* `window` is copied, what it points to is borrowed until on_done. Only while idle. */
void load_start(struct load *l, const struct load_window *window);
/* Writes the position alone, without asking for anything: where a series begins. */
void load_position(struct load *l, const char *key, const struct schedule_position *position);
/* Commits a record under `key` before anything is fetched, which proves that nobody has taken over
 * this load's transactional id since it connected (lib/kafka/fence.h). */
void load_claim(struct load *l, const char *key);
/* Passes the window that failed: writes a dead letter and the position after the window in one
 * transaction; on_done() follows. Only from inside on_done() with an error that has a fault
 * (fetch.h). `why`: that error. */
void load_pass(struct load *l, const struct pl_err *why);
/* Gives up what is being fetched; a running commit continues. true: idle, no on_done follows. */
bool load_stop(struct load *l);
bool load_is_idle(const struct load *l);

struct delivery *load_delivery(const struct load *l); /* for positions */
struct pl_delivery *load_kafka(const struct load *l); /* for sums and states */
const struct fetch *load_fetch(const struct load *l);

#endif
