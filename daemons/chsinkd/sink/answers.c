/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answers.c - see answers.h.
 */
#include "daemons/chsinkd/sink/answers.h"

#include <stdio.h>

#include "daemons/chsinkd/sink/adding.h"
#include "daemons/chsinkd/sink/calls.h"
#include "daemons/chsinkd/sink/consumer.h"
#include "daemons/chsinkd/sink/drive.h"
#include "daemons/chsinkd/sink/place.h"
#include "daemons/chsinkd/sink/report.h"
#include "lib/base/clock.h"
#include "lib/base/step.h"
#include "lib/log/log.h"

/* A revoke that follows a refused commit comes sooner. */
#define FENCED_MS 5000
#define MOVED_MS  1000

/* The call is over. False: nobody waits for its answer any more. */
static bool call_end(struct sink *s, struct partition *p, enum partition_call *ret_call)
{
    *ret_call = p->call;
    p->call = CALL_NONE;
    bool machine = *ret_call == CALL_MACHINE || *ret_call == CALL_VERIFY;
    if (p->state.phase == PARTITION_LOST && machine) {
        drive_kind(s, p, EVENT_RETRY); /* which answer does not matter */
        return false;
    }
    bool stale = p->stale;
    p->stale = false;
    return !stale;
}

/* It was assigned while a call was outstanding: the group is read again, now that nothing of ours
 * is on its way there. */
static void enter_waiting(struct sink *s, struct partition *p)
{
    if (!p->enter_waits || p->call != CALL_NONE)
        return;
    p->enter_waits = false;
    call_offset(s, p, CALL_ENTER);
}

/* A run that ends does not wait for a person. */
static void once_refused(struct sink *s, const struct pl_err *err)
{
    if (s->once)
        sink_fail(s, err);
}

/* Nothing works for the target until a person acts; other targets go on. */
static void held(struct sink *s, struct partition *p, const struct pl_err *err)
{
    if (s->once) {
        sink_fail(s, err);
        return;
    }
    drive_aside(s, p, ASIDE_HELD, p->aside_tries == 0 ? 200 : 0);
    report_held(s, p, err);
}

static void ensure_answered(struct sink *s, struct partition *p)
{
    if (p->work.answer != OUTPUT_DONE) {
        held(s, p, &p->work.err);
        return;
    }
    sink_route_state(p->route, &p->work.state);
    call_offset(s, p, CALL_ENTER);
}

void answer_place(struct sink *s, struct partition *p)
{
    if (p->work.answer != OUTPUT_DONE) {
        report_silent(s, p, "cannot ask where the table ends", &p->work.err);
        drive_kind(s, p, EVENT_RETRY);
        if (p->work.answer == OUTPUT_HELD)
            held(s, p, &p->work.err);
        return;
    }
    if (sink_asks_place(s, p->route))
        report_back(s, p);
    call_extent(s, p, CALL_MACHINE);
}

/* Asked after the table, which can have no row that the log did not have. */
static void place_extent(struct sink *s, struct partition *p)
{
    struct partition_event e = {.kind = EVENT_OK, .announced = {.end = -1}};
    if (place_start(s, p, &e))
        drive(s, p, e);
    else
        drive_kind(s, p, EVENT_RETRY);
}

static void look_answered(struct sink *s, struct partition *p)
{
    const struct work *w = &p->work;
    if (w->answer == OUTPUT_DONE && w->found.other) {
        drive_kind(s, p, EVENT_RETRY);
        place_refuse(s, p, w->found.offset);
        return;
    }
    if (w->answer == OUTPUT_DONE) {
        report_back(s, p);
        report_looked(p, &w->found);
        PL_STEP("chsinkd.looked");
        pl_backoff_reset(&p->backoff);
        drive(s, p,
              (struct partition_event){.kind = EVENT_OK,
                                       .found = w->found.some,
                                       .missing = !w->found.all,
                                       .single = batch_messages_with_rows(p->working) <= 1});
        return;
    }
    report_silent(s, p, "cannot look up a range in the table", &w->err);
    drive_kind(s, p, EVENT_RETRY);
    if (w->answer == OUTPUT_HELD)
        held(s, p, &w->err);
}

/* Another owner was faster, or the output was replaced: it tells again where it is. */
static void moved(struct sink *s, struct partition *p, const struct pl_err *err)
{
    pl_log_err(PL_NOTICE, NULL, "the output is at another offset: asking where", err,
               SINK_F_OUTPUT(s), SINK_F_PARTITION(p), SINK_F_TABLE(p->route));
    drive_kind(s, p, EVENT_FENCED);
    drive_aside(s, p, ASIDE_FENCED, MOVED_MS);
}

static void insert_answered(struct sink *s, struct partition *p)
{
    const struct work *w = &p->work;
    bool single = batch_messages_with_rows(p->working) <= 1;
    enum output_answer answer = w->answer;
    p->token.inserts++;
    if (answer == OUTPUT_TOO_LARGE && single)
        answer = OUTPUT_UNKNOWN;
    switch (answer) {
    case OUTPUT_DONE:
        pl_metrics_observe(s->metrics, M_INSERT_SECONDS, (double)w->took_ms / 1e3);
        pl_backoff_reset(&p->backoff);
        report_back(s, p);
        drive_kind(s, p, EVENT_OK);
        break;
    case OUTPUT_RETRY:
        if (!w->expired)
            report_away(s, p, &w->err);
        drive_kind(s, p, EVENT_RETRY);
        if (w->expired && p->timer_ms > 0)
            p->timer_ms = 1; /* at once: it only proves again that the partition is ours */
        break;
    case OUTPUT_UNKNOWN:
        report_away(s, p, &w->err);
        drive_kind(s, p, EVENT_UNKNOWN);
        break;
    case OUTPUT_REFUSED:
    case OUTPUT_TOO_LARGE:
        report_back(s, p);
        report_refused(s, p, &w->err);
        snprintf(p->refusal, sizeof(p->refusal), "%s: %.200s", s->output->name, w->err.msg);
        drive(s, p, (struct partition_event){.kind = EVENT_REFUSED, .single = single});
        break;
    case OUTPUT_HELD:
        report_back(s, p);
        drive_kind(s, p, EVENT_UNKNOWN);
        held(s, p, &w->err);
        break;
    case OUTPUT_MOVED:
        report_back(s, p);
        moved(s, p, &w->err);
        break;
    }
}

static void work_answered(struct sink *s, struct partition *p)
{
    enum partition_call call;
    if (!call_end(s, p, &call))
        return;
    switch (p->work.kind) {
    case WORK_PLACE:
        answer_place(s, p);
        break;
    case WORK_LOOK:
        look_answered(s, p);
        break;
    case WORK_INSERT:
        insert_answered(s, p);
        break;
    case WORK_ENSURE:
        ensure_answered(s, p);
        break;
    case WORK_ADD: /* no partition's: answers_take() */
        break;
    }
}

static bool is_fenced(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__STATE:
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
        return true;
    default:
        return false;
    }
}

static void fenced(struct sink *s, struct partition *p, const struct pl_err *err)
{
    pl_log_err(PL_NOTICE, PL_EVENT_KAFKA_ERROR,
               "the group refuses a commit: it has moved on without us", err, SINK_F_PARTITION(p));
    drive_kind(s, p, EVENT_FENCED);
    drive_aside(s, p, ASIDE_FENCED, FENCED_MS);
}

static void committed(struct sink *s, struct partition *p)
{
    pl_backoff_reset(&p->backoff);
    pl_metrics_observe(s->metrics, M_COMMIT_SECONDS,
                       (double)(pl_clock_boot_ms() - p->state.called_ms) / 1e3);
    bool is_end = p->state.phase == PARTITION_COMMIT;
    p->committed = is_end ? p->state.end : p->state.start;
    if (is_end)
        PL_STEP("chsinkd.committed");
    else
        PL_STEP("chsinkd.announced");
    if (is_end && p->state.until == 0)
        p->probe = false;
    drive_kind(s, p, EVENT_OK);
}

static void commit_answered(struct sink *s, struct partition *p, rd_kafka_resp_err_t code)
{
    struct pl_err err;
    enum partition_call call;
    if (!call_end(s, p, &call))
        return;
    if (!code) {
        committed(s, p);
        return;
    }
    pl_kafka_err(&err, code, "cannot commit offsets");
    if (is_fenced(code)) {
        fenced(s, p, &err);
        return;
    }
    if (err.kind == PL_ERR_CONFIG)
        once_refused(s, &err);
    if (code != RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS)
        report_retry(p, PL_EVENT_KAFKA_ERROR, "cannot commit offsets", &err);
    drive_kind(s, p, EVENT_RETRY);
}

void answer_on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
    struct sink *s = consumer_sink(rk);
    struct partition *p = opaque;
    if (!code)
        code = offsets->elems[0].err;
    commit_answered(s, p, code);
    enter_waiting(s, p);
}

static void letters_answered(struct sink *s, struct partition *p)
{
    const struct courier_job *job = &p->job;
    switch (job->answer) {
    case COURIER_OK:
        committed(s, p);
        break;
    case COURIER_RETRY:
    case COURIER_NEEDS:
    case COURIER_GONE:
        report_retry(p, PL_EVENT_KAFKA_ERROR, "cannot write dead letters", &job->err);
        drive_kind(s, p, EVENT_RETRY);
        break;
    case COURIER_UNKNOWN:
        report_retry(p, PL_EVENT_KAFKA_ERROR, "it is not known whether dead letters were written",
                     &job->err);
        drive_kind(s, p, EVENT_UNKNOWN);
        break;
    case COURIER_FENCED:
        fenced(s, p, &job->err);
        break;
    }
}

/* The refused message's bytes are here, or are gone. */
static void message_answered(struct sink *s, struct partition *p)
{
    struct courier_job *job = &p->job;
    const struct dead_letter_why why = {.route = p->route->route->name,
                                        .row = -1,
                                        .text = p->refusal,
                                        .replayed = s->replay != NULL};
    if (job->answer != COURIER_OK && job->answer != COURIER_GONE) {
        report_retry(p, PL_EVENT_KAFKA_ERROR, "cannot read a refused message again", &job->err);
        p->bury_ms = pl_clock_monotonic_ms() + pl_backoff_next(&p->backoff, 0);
        return;
    }
    if (job->message)
        dead_letters_add(&p->working->dead, job->message, &why);
    else
        dead_letters_add_gone(&p->working->dead, p->topic, p->id, job->offset, &why);
    batch_bury(p->working);
    pl_backoff_reset(&p->backoff);
    drive_closed_again(s, p);
}

static void offset_answered(struct sink *s, struct partition *p, enum partition_call call)
{
    const struct courier_job *job = &p->job;
    if (job->answer != COURIER_OK) {
        report_retry(p, PL_EVENT_KAFKA_ERROR, "cannot read the group's offset", &job->err);
        p->verify = call == CALL_VERIFY; /* still to be asked before the commit */
        if (call == CALL_MACHINE || call == CALL_VERIFY)
            drive_kind(s, p, EVENT_RETRY);
        else
            drive_aside(s, p, p->aside == ASIDE_NO ? ASIDE_BEGIN : p->aside, 0);
        return;
    }
    if (call == CALL_MACHINE) {
        pl_backoff_reset(&p->backoff);
        drive(s, p, (struct partition_event){.kind = EVENT_OK, .start = job->group_offset});
        return;
    }
    if (call == CALL_VERIFY && job->group_offset >= 0) {
        drive_verified(s, p);
        return;
    }
    if (call == CALL_VERIFY) { /* it begins again, which says why it cannot */
        drive_kind(s, p, EVENT_RETRY);
        drive_aside(s, p, ASIDE_BEGIN, 1);
        return;
    }
    const struct committed committed = {job->group_offset, job->group_metadata,
                                        job->group_metadata ? strlen(job->group_metadata) : 0};
    drive_enter(s, p, &committed, 0);
}

static void extent_answered(struct sink *s, struct partition *p, enum partition_call call)
{
    if (p->job.answer != COURIER_OK) {
        report_retry(p, PL_EVENT_KAFKA_ERROR, "nothing is read before that is known", &p->job.err);
        if (call == CALL_MACHINE)
            drive_kind(s, p, EVENT_RETRY);
        else
            drive_aside(s, p, p->aside == ASIDE_NO ? ASIDE_BEGIN : p->aside, 0);
        return;
    }
    p->extent = p->job.extent;
    if (call == CALL_MACHINE)
        place_extent(s, p);
    else
        drive_entered(s, p);
}

static void job_answered(struct sink *s, struct partition *p)
{
    enum partition_call call;
    PL_FREE char *metadata = p->job.group_metadata;
    rd_kafka_message_t *message = p->job.message;
    if (p->job.group)
        rd_kafka_consumer_group_metadata_destroy((void *)p->job.group);
    if (p->job.answer == COURIER_NEEDS)
        once_refused(s, &p->job.err);
    if (call_end(s, p, &call)) {
        if (p->job.kind == COURIER_LETTERS)
            letters_answered(s, p);
        else if (p->job.kind == COURIER_OFFSET)
            offset_answered(s, p, call);
        else if (p->job.kind == COURIER_EXTENT)
            extent_answered(s, p, call);
        else
            message_answered(s, p);
    }
    if (message)
        rd_kafka_message_destroy(message);
}

void answers_take(struct sink *s)
{
    struct work *w;
    struct courier_job *job;
    rd_kafka_queue_poll_callback(s->consumer->commits, 0);
    for (w = workers_take_done(s->workers, &s->desk); w;) {
        struct work *work = w;
        struct partition *p = w->owner;
        w = w->next; /* p->work may be submitted again */
        if (work->kind == WORK_ADD) {
            adding_answered(s, work);
            continue;
        }
        work_answered(s, p);
        enter_waiting(s, p);
    }
    for (job = courier_take_done(s->courier); job;) {
        struct partition *p = job->userdata;
        job = job->next;
        job_answered(s, p);
        enter_waiting(s, p);
    }
}
