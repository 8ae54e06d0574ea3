/* SPDX-License-Identifier: Apache-2.0 */
/* courier.c - see courier.h. */
#include "daemons/chsinkd/sink/kafka/courier.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/clock.h"

#define SLICE_MS     500   /* of a wait, after which a stop is seen */
#define COMMITTED_MS 5000  /* for the group's offset */
#define FETCH_MS     30000 /* for a message, connecting included */
#define LEADER_MS    5000  /* for who leads a partition, connecting included */

PL_DEFINE_CLEANUP(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy);
PL_DEFINE_CLEANUP(rd_kafka_topic_t *, rd_kafka_topic_destroy);
PL_DEFINE_CLEANUP(rd_kafka_queue_t *, rd_kafka_queue_destroy);

struct job_list {
    struct courier_job *first, *last;
};

/* A thread and its jobs. */
struct lane {
    struct courier *courier;
    pthread_t thread;
    bool started;
    struct pl_deadline deadline; /* the thread's */
    pthread_cond_t work;
    struct job_list jobs; /* under the courier's lock */
};

struct courier {
    struct courier_conf conf;
    struct deadletter_writer *writer;
    /* Reads single messages: a simple consumer, without a group. NULL until it is needed. The
     * thread's of COURIER_MESSAGE. */
    rd_kafka_t *reader;
    struct pl_kafka_health reader_health;
    struct lane lanes[COURIER_KINDS];
    _Atomic bool stop;
    pthread_mutex_t lock; /* guards all below */
    struct job_list done;
    bool quit; /* when no jobs are left */
};

static void list_add(struct job_list *l, struct courier_job *job)
{
    job->next = NULL;
    if (l->last)
        l->last->next = job;
    else
        l->first = job;
    l->last = job;
}

static void list_add_before_again(struct job_list *l, struct courier_job *job)
{
    struct courier_job **at = &l->first;
    while (*at && !(*at)->again)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
    if (!job->next)
        l->last = job;
}

static struct courier_job *list_take(struct job_list *l)
{
    struct courier_job *job = l->first;
    if (!job)
        return NULL;
    l->first = job->next;
    if (!l->first)
        l->last = NULL;
    job->next = NULL;
    return job;
}

static void step(struct courier *c, enum courier_kind kind, const char *doing, int64_t max_ms)
{
    pl_deadline_begin(&c->lanes[kind].deadline, doing, pl_clock_monotonic_ms(), max_ms);
}

static enum courier_answer stopped(struct pl_err *err)
{
    pl_err_set(err, PL_ERR_RETRY, 0, "stopped");
    return COURIER_RETRY;
}

static enum courier_answer failed(const struct pl_err *err)
{
    return err->kind == PL_ERR_RETRY ? COURIER_RETRY : COURIER_NEEDS;
}

/* ---- dead letters ---- */

static enum courier_answer letters_write(struct courier *c, struct courier_job *job)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp =
        rd_kafka_topic_partition_list_add(offsets, job->topic, job->partition);
    tp->offset = job->offset;
    tp->metadata = pl_strdup(job->metadata); /* the list frees it */
    tp->metadata_size = strlen(job->metadata);
    const struct deadletter_commit commit = {.letters = job->letters,
                                             .offsets = offsets,
                                             .group = job->group,
                                             .give_up = &c->stop,
                                             .deadline = &c->lanes[COURIER_LETTERS].deadline};
    switch (deadletter_write(c->writer, &commit, &job->err)) {
    case DEADLETTER_COMMITTED:
        return COURIER_OK;
    case DEADLETTER_RETRY:
        return COURIER_RETRY;
    case DEADLETTER_UNKNOWN:
        return COURIER_UNKNOWN;
    case DEADLETTER_FENCED:
        return COURIER_FENCED;
    case DEADLETTER_NEEDS:
        return COURIER_NEEDS;
    }
    return COURIER_RETRY;
}

/* ---- the group's offset ---- */

static enum courier_answer offset_read(struct courier *c, struct courier_job *job)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp =
        rd_kafka_topic_partition_list_add(list, job->topic, job->partition);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    int64_t until_ms = pl_clock_monotonic_ms() + COMMITTED_MS;
    step(c, COURIER_OFFSET, "reading the group's offset", COMMITTED_MS + SLICE_MS);
    while (code == RD_KAFKA_RESP_ERR__TIMED_OUT && pl_clock_monotonic_ms() < until_ms) {
        if (c->stop)
            return stopped(&job->err);
        code = rd_kafka_committed(c->conf.consumer, list, SLICE_MS);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = tp->err;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        pl_kafka_err(&job->err, code, "cannot read the group's offset of topic %s, partition %d",
                     job->topic, (int)job->partition);
        return failed(&job->err);
    }
    job->group_offset = tp->offset >= 0 ? tp->offset : -1;
    if (tp->metadata_size > 0)
        job->group_metadata = pl_strndup(tp->metadata, tp->metadata_size);
    return COURIER_OK;
}

/* ---- where a partition begins and ends ---- */

static enum courier_answer extent_job(struct courier *c, struct courier_job *job)
{
    step(c, COURIER_EXTENT, "reading where a partition begins and ends", job->wait_ms + SLICE_MS);
    if (extent_read(c->conf.consumer, job->topic, job->partition, job->wait_ms, &job->extent,
                    &job->err) < 0)
        return failed(&job->err);
    return COURIER_OK;
}

/* ---- one message ---- */

static int reader_open(struct courier *c, struct pl_err *err)
{
    /* clang-format off */
    static const char *const defaults[] = {"client.id", "chsinkd", "fetch.wait.max.ms", "50", NULL};
    static const char *const own[] = {
        "group.id", "",
        "group.instance.id", "",
        "isolation.level", "read_committed",
        "enable.partition.eof", "true",
        "auto.offset.reset", "error",
        "allow.auto.create.topics", "false",
        "queued.min.messages", "1",
        "client.rack", "", /* a follower that lags would call the offset out of range */
        NULL};
    /* clang-format on */
    if (c->reader)
        return 0;
    c->reader_health.borrowed_map = true;
    rd_kafka_conf_t *conf =
        pl_kafka_conf_new(c->conf.deadletters.kafka, defaults, NULL, &c->reader_health, err);
    if (!conf)
        return -1;
    for (const char *const *p = own; *p; p += 2)
        rd_kafka_conf_set(conf, p[0], p[1], NULL, 0);
    c->reader = pl_kafka_new(RD_KAFKA_CONSUMER, conf, err);
    return c->reader ? 0 : -1;
}

static enum courier_answer message_gone(struct courier_job *job)
{
    pl_err_set(&job->err, PL_ERR_REJECT, 0,
               "the message at offset %" PRId64 " of topic %s, partition %d is deleted",
               job->offset, job->topic, (int)job->partition);
    return COURIER_GONE;
}

/* Takes or destroys the message. RETRY: nothing yet, go on. */
static enum courier_answer message_take(struct courier_job *job, rd_kafka_message_t *m)
{
    enum courier_answer answer = COURIER_RETRY;
    switch ((int)m->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        if (m->offset == job->offset) {
            job->message = m;
            return COURIER_OK;
        }
        answer = m->offset > job->offset ? message_gone(job) : COURIER_RETRY;
        break;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        answer = m->offset > job->offset ? message_gone(job) : COURIER_RETRY;
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: /* out of the range that is there */
        answer = message_gone(job);
        break;
    default:
        pl_kafka_err(&job->err, m->err, "cannot read topic %s, partition %d", job->topic,
                     (int)job->partition);
        answer = failed(&job->err);
        break;
    }
    rd_kafka_message_destroy(m);
    return answer;
}

static enum courier_answer message_wait(struct courier *c, struct courier_job *job,
                                        rd_kafka_queue_t *queue)
{
    int64_t until_ms = pl_clock_monotonic_ms() + FETCH_MS;
    pl_err_set(&job->err, PL_ERR_RETRY, 0,
               "the message at offset %" PRId64 " of topic %s, partition %d did not come within "
               "%d s",
               job->offset, job->topic, (int)job->partition, FETCH_MS / 1000);
    while (pl_clock_monotonic_ms() < until_ms) {
        if (c->stop)
            return stopped(&job->err);
        rd_kafka_poll(c->reader, 0); /* errors and logs */
        rd_kafka_message_t *m = rd_kafka_consume_queue(queue, SLICE_MS);
        enum courier_answer answer = m ? message_take(job, m) : COURIER_RETRY;
        if (answer != COURIER_RETRY)
            return answer;
    }
    return COURIER_RETRY;
}

static enum courier_answer message_read(struct courier *c, struct courier_job *job)
{
    step(c, COURIER_MESSAGE, "reading a message again", FETCH_MS + LEADER_MS + 2 * SLICE_MS);
    if (reader_open(c, &job->err) < 0 ||
        extent_leader(c->reader, job->topic, job->partition, LEADER_MS, &job->err) < 0)
        return failed(&job->err);
    PL_CLEANUP(rd_kafka_topic_destroyp)
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(c->reader, job->topic, NULL);
    PL_CLEANUP(rd_kafka_queue_destroyp) rd_kafka_queue_t *queue = rd_kafka_queue_new(c->reader);
    if (!rkt || rd_kafka_consume_start_queue(rkt, job->partition, job->offset, queue) != 0) {
        pl_kafka_err(&job->err, rd_kafka_last_error(), "cannot read topic %s, partition %d",
                     job->topic, (int)job->partition);
        return failed(&job->err);
    }
    enum courier_answer answer = message_wait(c, job, queue);
    rd_kafka_consume_stop(rkt, job->partition);
    return answer;
}

/* ---- the threads ---- */

static enum courier_answer job_do(struct courier *c, struct courier_job *job)
{
    if (c->stop)
        return stopped(&job->err);
    switch (job->kind) {
    case COURIER_LETTERS:
        return letters_write(c, job);
    case COURIER_OFFSET:
        return offset_read(c, job);
    case COURIER_EXTENT:
        return extent_job(c, job);
    case COURIER_MESSAGE:
        return message_read(c, job);
    case COURIER_KINDS:
        break;
    }
    return COURIER_RETRY;
}

static void *courier_run(void *arg)
{
    struct lane *l = arg;
    struct courier *c = l->courier;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        struct courier_job *job = list_take(&l->jobs);
        if (!job && c->quit)
            break;
        if (!job) {
            pl_deadline_begin(&l->deadline, "waiting for work", pl_clock_monotonic_ms(), -1);
            pthread_cond_wait(&l->work, &c->lock);
            continue;
        }
        pthread_mutex_unlock(&c->lock);
        job->answer = job_do(c, job);
        if (job->answer == COURIER_OK)
            job->err = (struct pl_err){0};
        pthread_mutex_lock(&c->lock);
        list_add(&c->done, job);
        pthread_mutex_unlock(&c->lock);
        if (c->conf.notify)
            c->conf.notify(c->conf.userdata);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- the caller's side ---- */

static int isolation_check(rd_kafka_t *consumer, struct pl_err *err)
{
    char value[32] = "";
    size_t size = sizeof(value);
    rd_kafka_conf_get(rd_kafka_conf(consumer), "isolation.level", value, &size);
    if (strcmp(value, "read_committed") == 0)
        return 0;
    return pl_err_set(err, PL_ERR_CONFIG, 0, "kafka.isolation.level must be read_committed");
}

int courier_new(const struct courier_conf *conf, struct courier **ret, struct pl_err *err)
{
    if (isolation_check(conf->consumer, err) < 0)
        return -1;
    PL_CLEANUP(courier_freep) struct courier *c = pl_alloc(sizeof(*c));
    c->conf = *conf;
    c->writer = deadletter_writer_new(&conf->deadletters);
    pthread_mutex_init(&c->lock, NULL);
    for (struct lane *l = c->lanes; l < c->lanes + COURIER_KINDS; l++) {
        l->courier = c;
        pthread_cond_init(&l->work, NULL);
    }
    for (struct lane *l = c->lanes; l < c->lanes + COURIER_KINDS; l++) {
        int code = pthread_create(&l->thread, NULL, courier_run, l);
        if (code != 0)
            return pl_err_set(err, PL_ERR_FATAL, code, "cannot start a thread: %s", strerror(code));
        l->started = true;
    }
    *ret = PL_TAKE(c);
    return 0;
}

void courier_submit(struct courier *c, struct courier_job *job)
{
    job->group_metadata = NULL;
    job->message = NULL;
    job->err = (struct pl_err){0};
    pthread_mutex_lock(&c->lock);
    if (job->again)
        list_add(&c->lanes[job->kind].jobs, job);
    else
        list_add_before_again(&c->lanes[job->kind].jobs, job);
    pthread_cond_signal(&c->lanes[job->kind].work);
    pthread_mutex_unlock(&c->lock);
}

struct courier_job *courier_take_done(struct courier *c)
{
    pthread_mutex_lock(&c->lock);
    struct courier_job *first = c->done.first;
    c->done = (struct job_list){0};
    pthread_mutex_unlock(&c->lock);
    return first;
}

void courier_stop(struct courier *c)
{
    c->stop = true;
}

void courier_free(struct courier *c)
{
    if (!c)
        return;
    courier_stop(c);
    pthread_mutex_lock(&c->lock);
    c->quit = true;
    pthread_mutex_unlock(&c->lock);
    for (struct lane *l = c->lanes; l < c->lanes + COURIER_KINDS; l++) {
        pthread_cond_signal(&l->work);
        if (l->started)
            pthread_join(l->thread, NULL);
        pthread_cond_destroy(&l->work);
    }
    for (struct courier_job *job = c->done.first; job; job = job->next) {
        free(job->group_metadata);
        if (job->message)
            rd_kafka_message_destroy(job->message);
    }
    deadletter_writer_free(c->writer);
    if (c->reader)
        rd_kafka_destroy(c->reader);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

const char *courier_overdue(const struct courier *c, int64_t now_ms)
{
    for (const struct lane *l = c->lanes; l < c->lanes + COURIER_KINDS; l++)
        if (pl_deadline_is_overdue(&l->deadline, now_ms))
            return l->deadline.doing;
    return NULL;
}
