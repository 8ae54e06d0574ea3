/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - see worker.h.
 */
#include "daemons/chsinkd/sink/work/worker.h"

#include <pthread.h>
#include <string.h>

#include "daemons/chsinkd/sink/work/remade.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/step.h"

/* How long a worker waits for the urgent work that follows one that expired: else, where inserts
 * take longer than the lease, others would go before it for ever. */
#define RESERVE_MS 2000

struct worker {
    struct workers *all;
    struct output *output;
    struct pl_deadline deadline;
    pthread_t thread;
    bool started;
};

struct workers {
    struct workers_conf conf;
    struct worker worker[WORKERS_MAX];
    pthread_mutex_t lock;
    pthread_cond_t submitted;
    struct work_list waiting;
    unsigned busy;
    uint64_t taken;
    int64_t reserved_ms; /* monotonic: until then urgent work goes first; 0: none is expected */
    bool give_up;
};

/* ---- lists ---- */

static void list_init(struct work_list *l)
{
    l->first = NULL;
    l->end = &l->first;
}

static void list_push(struct work_list *l, struct work *work)
{
    work->next = NULL;
    *l->end = work;
    l->end = &work->next;
}

static void list_push_first(struct work_list *l, struct work *work)
{
    work->next = l->first;
    l->first = work;
    if (!work->next)
        l->end = &work->next;
}

static struct work *list_remove(struct work_list *l, struct work **at)
{
    struct work *work = *at;
    *at = work->next;
    if (!work->next)
        l->end = at;
    work->next = NULL;
    return work;
}

void workers_desk_init(struct workers_desk *desk, void (*done)(void *userdata), void *userdata)
{
    *desk = (struct workers_desk){.done = done, .userdata = userdata};
    list_init(&desk->answered);
}

/* ---- calls ---- */

static enum output_answer answer_of(const struct pl_err *err)
{
    return err->kind == PL_ERR_CONFIG || err->kind == PL_ERR_REJECT ? OUTPUT_HELD : OUTPUT_RETRY;
}

static enum output_answer insert(struct worker *w, struct work *work)
{
    PL_STEP("chsinkd.sending");
    enum output_answer answer = w->all->conf.output->insert(
        w->output, work->target, &work->range, work->batch, pl_buf_cstr(&work->token), &work->err);
    if (answer == OUTPUT_DONE)
        PL_STEP("chsinkd.sent");
    return answer;
}

static enum output_answer call(struct worker *w, struct work *work)
{
    const struct workers_conf *conf = &w->all->conf;
    const struct output_kind *o = conf->output;
    const struct output_ensure how = {.on_fact = remade_say, .userdata = (void *)work->target};
    int rc = -1;
    switch (work->kind) {
    case WORK_PLACE:
        rc = o->position(w->output, work->target, &work->range, &work->position, &work->note,
                         &work->err);
        break;
    case WORK_LOOK:
        rc = o->holds(w->output, work->target, &work->range, work->batch, &work->found, &work->err);
        break;
    case WORK_ENSURE:
        rc = o->ensure(w->output, work->target, &how, &work->state, &work->err);
        break;
    case WORK_ADD:
        rc = output_grow(o, conf->output_conf, w->output, work->target, &work->want, &work->there,
                         &work->err);
        break;
    case WORK_INSERT:
        return insert(w, work);
    }
    return rc == 0 ? OUTPUT_DONE : answer_of(&work->err);
}

static const char *doing(enum work_kind kind)
{
    switch (kind) {
    case WORK_PLACE:
        return "asking where the output ends";
    case WORK_LOOK:
        return "looking up a range in the output";
    case WORK_INSERT:
        return "inserting";
    case WORK_ENSURE:
        return "looking at the table again";
    case WORK_ADD:
        return "adding columns to the table";
    }
    return "";
}

static void work_do(struct worker *w, struct work *work, bool give_up)
{
    const struct workers_conf *conf = &w->all->conf;
    int64_t began_ms = pl_clock_monotonic_ms();
    work->err = (struct pl_err){0};
    work->expired = false;
    work->took_ms = 0;
    work->note.len = 0;
    if (give_up) {
        pl_err_set(&work->err, PL_ERR_RETRY, 0, "stopped");
        work->answer = OUTPUT_RETRY;
        return;
    }
    if (work->kind == WORK_INSERT && pl_clock_boot_ms() >= work->send_before_ms) {
        pl_err_set(&work->err, PL_ERR_RETRY, 0, "it waited too long for a free worker");
        work->answer = OUTPUT_RETRY;
        work->expired = true;
        return;
    }
    pl_deadline_begin(&w->deadline, doing(work->kind), began_ms,
                      work->kind == WORK_ENSURE ? conf->ensure_ms
                      : work->kind == WORK_ADD  ? conf->ensure_ms + 2 * conf->call_ms
                                                : conf->call_ms);
    work->answer = call(w, work);
    work->took_ms = pl_clock_monotonic_ms() - began_ms;
}

/* ---- threads ---- */

/* The next work, or NULL. With the lock held. */
static struct work *work_next(struct workers *all)
{
    const struct work *first = all->waiting.first;
    bool reserved = all->reserved_ms > 0 && pl_clock_monotonic_ms() < all->reserved_ms;
    if (reserved && !all->give_up && first && !first->urgent)
        return NULL;
    struct work **at = &all->waiting.first;
    while (*at && all->conf.each > 0 && (*at)->desk->busy >= all->conf.each)
        at = &(*at)->next;
    if (!*at)
        return NULL;
    all->reserved_ms = 0;
    return list_remove(&all->waiting, at);
}

/* With the lock held. */
static void work_wait(struct workers *all)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 100 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    if (all->reserved_ms > 0)
        pthread_cond_timedwait(&all->submitted, &all->lock, &until);
    else
        pthread_cond_wait(&all->submitted, &all->lock);
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;
    struct workers *all = w->all;
    pthread_mutex_lock(&all->lock);
    for (;;) {
        struct work *work = work_next(all);
        if (!work && all->give_up)
            break;
        if (!work) {
            pl_deadline_begin(&w->deadline, "waiting for work", 0, -1);
            work_wait(all);
            continue;
        }
        bool give_up = all->give_up;
        struct workers_desk *desk = work->desk;
        desk->busy++;
        all->busy++;
        all->taken++;
        pthread_mutex_unlock(&all->lock);
        work_do(w, work, give_up);
        pthread_mutex_lock(&all->lock);
        all->busy--;
        desk->busy--;
        if (work->expired)
            all->reserved_ms = pl_clock_monotonic_ms() + RESERVE_MS;
        list_push(&desk->answered, work);
        pthread_mutex_unlock(&all->lock);
        desk->done(desk->userdata);
        pthread_mutex_lock(&all->lock);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

void workers_submit(struct workers *w, struct workers_desk *desk, struct work *work)
{
    pthread_mutex_lock(&w->lock);
    work->desk = desk;
    if (work->urgent)
        list_push_first(&w->waiting, work);
    else
        list_push(&w->waiting, work);
    pthread_cond_signal(&w->submitted);
    pthread_mutex_unlock(&w->lock);
}

struct work *workers_take_done(struct workers *w, struct workers_desk *desk)
{
    pthread_mutex_lock(&w->lock);
    struct work *first = desk->answered.first;
    list_init(&desk->answered);
    pthread_mutex_unlock(&w->lock);
    return first;
}

void workers_give_up(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    w->give_up = true;
    for (unsigned i = 0; i < w->conf.threads; i++)
        if (w->worker[i].output)
            w->conf.output->abort(w->worker[i].output, true);
    pthread_cond_broadcast(&w->submitted);
    pthread_mutex_unlock(&w->lock);
}

struct workers_look workers_look(struct workers *w, int64_t now_ms)
{
    struct workers_look look = {0};
    for (unsigned i = 0; i < w->conf.threads; i++)
        if (pl_deadline_is_overdue(&w->worker[i].deadline, now_ms))
            look.overdue = w->worker[i].deadline.doing;
    pthread_mutex_lock(&w->lock);
    look.pending = w->waiting.first && w->busy == 0;
    look.taken = w->taken;
    pthread_mutex_unlock(&w->lock);
    return look;
}

int workers_start(const struct workers_conf *conf, struct workers **ret, struct pl_err *err)
{
    struct workers *w = pl_alloc(sizeof(*w));
    w->conf = *conf;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->submitted, NULL);
    list_init(&w->waiting);
    *ret = w;
    for (unsigned i = 0; i < conf->threads; i++) {
        struct worker *one = &w->worker[i];
        one->all = w;
        one->output = conf->output->open(conf->output_conf);
        int rc = pthread_create(&one->thread, NULL, worker_run, one);
        if (rc != 0)
            return pl_err_set(err, PL_ERR_FATAL, rc, "cannot start a thread: %s", strerror(rc));
        one->started = true;
    }
    return 0;
}

bool workers_join(struct workers *w, const struct timespec *until)
{
    bool all = true;
    for (unsigned i = 0; w && i < w->conf.threads; i++)
        if (w->worker[i].started) {
            bool joined = pthread_timedjoin_np(w->worker[i].thread, NULL, until) == 0;
            w->worker[i].started = !joined;
            all &= joined;
        }
    return all;
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    for (unsigned i = 0; i < w->conf.threads; i++)
        if (w->worker[i].output)
            w->conf.output->close(w->worker[i].output);
    pthread_cond_destroy(&w->submitted);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
