/* SPDX-License-Identifier: Apache-2.0 */
/* fence.c - see fence.h. */
#include "lib/kafka/fence.h"

#include <pthread.h>
#include <string.h>

#include "lib/service/signals.h"

struct fence {
    struct pl_producer_conf conf;
    int64_t timeout_ms;
    pthread_t thread;
    bool started;
    int result;
    struct pl_err err;
};

static bool go_on(void *userdata, const char *why)
{
    (void)userdata;
    (void)why;
    return !pl_signals_stop_is_pending();
}

static void *fence_run(void *arg)
{
    struct fence *f = arg;
    struct pl_txn txn = {0};
    const struct pl_txn_wait wait = {.go_on = go_on, .timeout_ms = f->timeout_ms};
    f->result = pl_txn_open(&txn, &f->conf, false, &f->err);
    if (f->result == 0)
        f->result = pl_txn_init(&txn, &wait, &f->err);
    pl_txn_close(&txn);
    return NULL;
}

int pl_kafka_fence(const struct pl_producer_conf *conf, const char *const *ids, size_t n,
                   int64_t timeout_ms, struct pl_err *err)
{
    PL_FREE struct fence *all = pl_alloc_array(n, sizeof(*all));
    int r = 0, result = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        struct fence *f = &all[i];
        f->conf = *conf;
        f->conf.transactional_id = ids[i];
        f->timeout_ms = timeout_ms;
        r = pthread_create(&f->thread, NULL, fence_run, f);
        f->started = r == 0;
    }
    if (r != 0)
        result = pl_err_set(err, PL_ERR_FATAL, r, "cannot start a thread: %s", strerror(r));
    for (size_t i = 0; i < n && all[i].started; i++) {
        pthread_join(all[i].thread, NULL);
        if (all[i].result == 0 || result < 0)
            continue;
        *err = all[i].err;
        result = -1;
    }
    return result;
}
