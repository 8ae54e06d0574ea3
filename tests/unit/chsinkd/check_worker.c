/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_worker.c - several desks at the same workers: answers come back to who asked, and one whose
 * calls do not end leaves threads to the others.
 *
 * links: chsinkd
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "daemons/chsinkd/sink/work/worker.h"
#include "lib/base/alloc.h"
#include "tests/unit/unit.h"

#define WAIT_MS 30000 /* only a failing test meets it */

/* ---- an output whose calls for "slow" end when they are let ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t let_go;
    bool open;
    atomic_uint inside, most;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .let_go = PTHREAD_COND_INITIALIZER};

static struct output *gate_output_open(const void *conf)
{
    (void)conf;
    return pl_alloc(1);
}

static void gate_output_close(struct output *o)
{
    free(o);
}

static void gate_output_abort(struct output *o, bool aborted)
{
    (void)o;
    (void)aborted;
}

static int gate_position(struct output *o, const struct output_target *t,
                         const struct output_range *range, int64_t *ret_offset,
                         struct pl_buf *ret_note, struct pl_err *err)
{
    (void)o;
    (void)range;
    (void)ret_note;
    (void)err;
    unsigned now = atomic_fetch_add(&gate.inside, 1) + 1;
    pthread_mutex_lock(&gate.lock);
    if (now > gate.most)
        gate.most = now;
    while (strcmp(t->name, "slow") == 0 && !gate.open)
        pthread_cond_wait(&gate.let_go, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    atomic_fetch_sub(&gate.inside, 1);
    *ret_offset = 7;
    return 0;
}

static const struct output_kind gate_output = {.open = gate_output_open,
                                               .close = gate_output_close,
                                               .abort = gate_output_abort,
                                               .position = gate_position};

/* ---- desks ---- */

enum { WORKS = 6 };

struct asker {
    struct workers_desk desk;
    struct output_target target;
    struct work works[WORKS];
    atomic_uint told;
    unsigned answered;
};

static void on_done(void *userdata)
{
    struct asker *a = userdata;
    a->told++;
}

static void asker_begin(struct asker *a, struct workers *w, const char *target)
{
    workers_desk_init(&a->desk, on_done, a);
    a->target.name = target;
    for (unsigned i = 0; i < WORKS; i++) {
        a->works[i] = (struct work){.kind = WORK_PLACE, .target = &a->target, .owner = a};
        workers_submit(w, &a->desk, &a->works[i]);
    }
}

static void asker_take(struct asker *a, struct workers *w)
{
    struct work *next;
    for (struct work *work = workers_take_done(w, &a->desk); work; work = next) {
        next = work->next;
        ck_assert_ptr_eq(work->owner, a);
        ck_assert_int_eq(work->answer, OUTPUT_DONE);
        ck_assert_int_eq(work->position, 7);
        a->answered++;
    }
}

static void asker_wait(struct asker *a, struct workers *w)
{
    for (int ms = 0; a->answered < WORKS; ms++) {
        ck_assert_int_lt(ms, WAIT_MS);
        poll(NULL, 0, 1);
        asker_take(a, w);
    }
    ck_assert_uint_eq(a->told, WORKS);
}

START_TEST(one_desk_leaves_threads_to_another)
{
    struct asker slow = {0}, quick = {0};
    struct workers *w;
    struct timespec until;
    struct pl_err err;
    const struct workers_conf conf = {
        .output = &gate_output, .threads = 4, .each = 2, .call_ms = WAIT_MS, .ensure_ms = WAIT_MS};
    ck_assert_int_eq(workers_start(&conf, &w, &err), 0);
    asker_begin(&slow, w, "slow");
    while (gate.inside < 2)
        poll(NULL, 0, 1);
    /* All of the other's, beside two that do not end and four that wait before them. */
    asker_begin(&quick, w, "quick");
    asker_wait(&quick, w);
    asker_take(&slow, w);
    ck_assert_uint_eq(slow.answered, 0);
    ck_assert_uint_eq(gate.inside, 2);
    ck_assert(!workers_look(w, 0).pending);
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.let_go);
    pthread_mutex_unlock(&gate.lock);
    asker_wait(&slow, w);
    ck_assert_uint_le(gate.most, 4);
    workers_give_up(w);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    ck_assert(workers_join(w, &until));
    workers_free(w);
    for (unsigned i = 0; i < WORKS; i++) {
        pl_buf_release(&slow.works[i].note);
        pl_buf_release(&quick.works[i].note);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(one_desk_leaves_threads_to_another),
    };
    return unit_main("worker", tests, PL_COUNT(tests));
}
