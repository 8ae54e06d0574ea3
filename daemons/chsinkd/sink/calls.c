/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls.c - see calls.h.
 */
#include "daemons/chsinkd/sink/calls.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/sink/answers.h"
#include "daemons/chsinkd/sink/consumer.h"
#include "daemons/chsinkd/sink/protocol/announce.h"

/* Partitions wait for each other here: at first not for long, since those behind one that does not
 * answer may be healthy. */
#define EXTENT_FIRST_MS 500
#define EXTENT_MS       3000

static void begin(struct partition *p, enum partition_call call)
{
    assert(p->call == CALL_NONE);
    p->call = call;
    p->stale = false;
}

void call_work(struct sink *s, struct partition *p, enum partition_call call, enum work_kind kind)
{
    struct work *w = &p->work;
    begin(p, call);
    w->kind = kind;
    w->urgent = w->expired && kind == WORK_INSERT;
    w->target = p->route->target;
    w->owner = p;
    w->batch = kind == WORK_LOOK || kind == WORK_INSERT ? p->working : NULL;
    w->range = (struct output_range){.group = s->group,
                                     .topic = p->topic,
                                     .partition = p->id,
                                     .start = p->state.start,
                                     .end = p->state.end,
                                     .position = p->state.position,
                                     .note = pl_buf_cstr(&p->note),
                                     .compare = kind == WORK_LOOK && p->probe,
                                     .origin = sink_by_origin(s)};
    workers_submit(s->workers, &s->desk, w);
}

/* The same for each repetition. */
static void note_make(struct sink *s, struct partition *p)
{
    char id[sizeof(s->id) + 24];
    const struct batch *b = p->working;
    if (p->note.len > 0)
        return;
    const struct note_last last = {
        .offset = b->messages_n > 0 ? b->messages[b->messages_n - 1].offset : -1,
        .timestamp_ms = b->messages_n > 0 ? b->last_ms : -1};
    snprintf(id, sizeof(id), "%s-%" PRIu64, s->id, s->notes++);
    note_write(id, &last, &b->dead, &p->note);
}

void call_insert(struct sink *s, struct partition *p)
{
    const struct partition_state *m = &p->state;
    if (p->route->machine.keeps_position) {
        note_make(s, p);
        p->work.token.len = 0;
        p->work.send_before_ms = INT64_MAX;
        call_work(s, p, CALL_MACHINE, WORK_INSERT);
        return;
    }
    const struct pl_range range = {p->topic, p->id, m->start, m->end, m->announced.at_ms};
    pl_range_token(&range, p->route->target->name, &p->work.token);
    p->work.send_before_ms = partition_insert_by(m, &p->route->machine);
    call_work(s, p, CALL_MACHINE, WORK_INSERT);
}

/* What cannot be asked has nothing; the table has no place in the topic of a replay. */
void call_place(struct sink *s, struct partition *p)
{
    if (sink_asks_place(s, p->route)) {
        call_work(s, p, CALL_MACHINE, WORK_PLACE);
        return;
    }
    p->work.answer = OUTPUT_DONE;
    p->work.position = -1;
    answer_place(s, p);
}

/* A doubt that is to be probed has no digest, and so the next owner knows that it is to be: see
 * place_is_unproved(). Nothing else looks at the digest while something is in doubt. */
static void wanted_text(const struct partition *p, char *out)
{
    struct partition_announcement a = p->state.wanted;
    if (p->probe && a.until > 0)
        a.digest = 0;
    announcement_text(&a, out);
}

static rd_kafka_topic_partition_list_t *offsets_new(const struct partition *p, int64_t offset)
{
    char text[PL_ANNOUNCEMENT_MAX];
    wanted_text(p, text);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(list, p->topic, p->id);
    tp->offset = offset;
    tp->metadata = pl_strdup(text); /* the list frees it */
    tp->metadata_size = strlen(text);
    return list;
}

void call_commit(struct sink *s, struct partition *p, int64_t offset)
{
    begin(p, CALL_MACHINE);
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = offsets_new(p, offset);
    rd_kafka_resp_err_t code =
        rd_kafka_commit_queue(s->rk, list, s->consumer->commits, answer_on_commit, p);
    if (code) /* only without a group */
        answer_on_commit(s->rk, code, list, p);
}

static void ask(struct sink *s, struct partition *p, enum courier_kind kind, int64_t offset)
{
    p->job = (struct courier_job){
        .kind = kind, .userdata = p, .topic = p->topic, .partition = p->id, .offset = offset};
    courier_submit(s->courier, &p->job);
}

void call_offset(struct sink *s, struct partition *p, enum partition_call call)
{
    begin(p, call);
    ask(s, p, COURIER_OFFSET, 0);
}

bool call_extent_now(struct sink *s, struct partition *p, int64_t wait_ms)
{
    struct pl_err err;
    if (wait_ms <= 0)
        return false;
    if (wait_ms > EXTENT_FIRST_MS)
        wait_ms = EXTENT_FIRST_MS;
    sink_deadline_begin(&s->consumer_deadline, "asking where a partition begins and ends", wait_ms);
    return extent_read(s->rk, p->topic, p->id, (int)wait_ms, &p->extent, &err) == 0;
}

void call_extent(struct sink *s, struct partition *p, enum partition_call call)
{
    bool again = p->aside_tries > 0 && call == CALL_ENTER;
    begin(p, call);
    p->job = (struct courier_job){.kind = COURIER_EXTENT,
                                  .userdata = p,
                                  .topic = p->topic,
                                  .partition = p->id,
                                  .again = again,
                                  .wait_ms =
                                      again || call == CALL_MACHINE ? EXTENT_MS : EXTENT_FIRST_MS};
    courier_submit(s->courier, &p->job);
}

/* Looked at after the metadata were taken: a member that was forgotten has generation -1, with
 * which Kafka (2.5 to 4.x: GroupCoordinator, of transactions) takes offsets from anyone.
 * librdkafka's main thread sets both at once. */
static bool letters_are_fenced(struct sink *s, struct partition *p)
{
    if (!rd_kafka_assignment_lost(s->rk))
        return false;
    rd_kafka_consumer_group_metadata_destroy((void *)PL_TAKE(p->job.group));
    answer_on_commit(s->rk, RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, NULL, p);
    return true;
}

void call_letters(struct sink *s, struct partition *p)
{
    begin(p, CALL_MACHINE);
    wanted_text(p, p->job_metadata);
    p->job = (struct courier_job){.kind = COURIER_LETTERS,
                                  .userdata = p,
                                  .topic = p->topic,
                                  .partition = p->id,
                                  .offset = p->state.end,
                                  .letters = &p->working->dead,
                                  .metadata = p->job_metadata,
                                  .group = rd_kafka_consumer_group_metadata(s->rk)};
    if (letters_are_fenced(s, p))
        return;
    courier_submit(s->courier, &p->job);
}

static int64_t single_offset(const struct batch *b)
{
    size_t i = 0;
    while (b->messages[i].rows == 0)
        i++;
    return b->messages[i].offset;
}

void call_message(struct sink *s, struct partition *p)
{
    begin(p, CALL_BURY);
    ask(s, p, COURIER_MESSAGE, single_offset(p->working));
}
