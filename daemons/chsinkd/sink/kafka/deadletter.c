/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadletter.c - the transactions that write dead letters.
 */
#include "daemons/chsinkd/sink/kafka/deadletter.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "daemons/chsinkd/conf.h"
#include "lib/base/clock.h"
#include "lib/base/step.h"
#include "lib/log/log.h"

#define INIT_MS      30000
#define OFFSETS_MS   10000
#define ABORT_MS     10000
#define CLOSE_MS     30000
#define FULL_POLL_MS 100
/* Kafka's default of transaction.max.timeout.ms. */
#define TIMEOUT_MAX_MS 900000

struct deadletter_writer {
    struct deadletter_conf conf;
    char *transactional_id;
    pthread_mutex_t lock;
    struct pl_txn txn;      /* closed: not connected yet, or after an error */
    int64_t timeout_ms;     /* raised transaction.timeout.ms; 0: the configured one, or default */
    int64_t timeout_max_ms; /* not raised above */
    int64_t accepted_ms;    /* the last with which Kafka let us begin */
};

struct deadletter_writer *deadletter_writer_new(const struct deadletter_conf *conf)
{
    struct deadletter_writer *w = pl_alloc(sizeof(*w));
    w->conf = *conf;
    w->transactional_id = pl_strdup(conf->transactional_id);
    w->timeout_max_ms = TIMEOUT_MAX_MS;
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

void deadletter_writer_free(struct deadletter_writer *w)
{
    if (!w)
        return;
    pl_txn_close(&w->txn);
    pthread_mutex_destroy(&w->lock);
    free(w->transactional_id);
    free(w);
}

/* ---- one call of deadletter_write() ---- */

/* What is left out of a letter, because it is too large. */
enum cut {
    CUT_NOTHING,
    CUT_VALUE,
    CUT_ALL, /* but for our own headers */
};

struct letter_size {
    enum cut cut;
    bool client; /* the client refused it, not the broker */
};

struct writing {
    struct deadletter_writer *writer;
    const struct deadletter_commit *commit;
    struct pl_txn_wait wait;
    struct letter_size *sizes; /* of each letter */
    uint64_t letters_n;
    /* The broker refused a batch of letters for its size. Each may fit alone, so they are sent one
     * by one, which shows whose fault it is. */
    bool one_by_one;
    uint64_t at; /* the letter that is being sent */
    /* Of the last transaction, which has failed: */
    int64_t age_ms, timeout_ms;
    struct pl_err cause; /* why a message failed; kind NONE: none did */
};

static bool go_on(void *userdata, const char *why)
{
    const _Atomic bool *give_up = userdata;
    (void)why;
    return !*give_up;
}

/* Begins a step that may wait for timeout_ms; below 0: no limit. */
static void step(struct writing *wr, const char *doing, int64_t timeout_ms)
{
    wr->wait.doing = doing;
    wr->wait.timeout_ms = timeout_ms;
    if (wr->wait.deadline)
        pl_deadline_begin(wr->wait.deadline, doing, pl_clock_monotonic_ms(), timeout_ms);
}

/* Ends a client whose state is unknown; the next write makes another, which fences it. */
static void writer_disconnect(struct writing *wr)
{
    step(wr, "closing the client for dead letters", CLOSE_MS);
    pl_txn_close(&wr->writer->txn);
}

/* ---- the time that a transaction may take ---- */

/* Copies the map without the property; the entries are borrowed. free() `v`. */
static struct pl_map map_without(const struct pl_map *map, const char *property)
{
    struct pl_map copy = {.v = pl_alloc_array(map->n + 1, sizeof(*copy.v))};
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->v[i].key, property) != 0)
            copy.v[copy.n++] = map->v[i];
    return copy;
}

static void timeout_raise(struct writing *wr, int64_t from_ms)
{
    struct deadletter_writer *w = wr->writer;
    w->timeout_ms = 2 * from_ms < w->timeout_max_ms ? 2 * from_ms : w->timeout_max_ms;
    pl_log(PL_WARNING, PL_EVENT_KAFKA_ERROR,
           "dead letters were not written within transaction.timeout.ms; the next try has longer",
           PL_F_STR("DEAD_LETTER_TOPIC", w->conf.topic), PL_F_UINT("DEAD_LETTERS", wr->letters_n),
           PL_F_INT("TIMEOUT_MS", from_ms), PL_F_INT("NEXT_TIMEOUT_MS", w->timeout_ms));
    writer_disconnect(wr);
}

/* The broker's transaction.max.timeout.ms is shorter: back to what it accepted. */
static void timeout_refused(struct writing *wr)
{
    struct deadletter_writer *w = wr->writer;
    pl_log(PL_WARNING, PL_EVENT_KAFKA_ERROR,
           "Kafka's transaction.max.timeout.ms does not allow longer transactions of dead letters",
           PL_F_STR("DEAD_LETTER_TOPIC", w->conf.topic), PL_F_INT("TIMEOUT_MS", w->accepted_ms));
    w->timeout_ms = w->timeout_max_ms = w->accepted_ms;
}

static int writer_connect(struct writing *wr, struct pl_err *err)
{
    struct deadletter_writer *w = wr->writer;
    if (w->txn.rk)
        return 0;
    struct pl_map map = *w->conf.kafka;
    PL_FREE struct pl_map_entry *owned = NULL;
    if (w->timeout_ms > 0) {
        map = map_without(w->conf.kafka, "transaction.timeout.ms");
        owned = map.v;
    }
    const struct pl_producer_conf conf = {
        .kafka = &map,
        .borrowed_map = true,
        .transactional_id = w->transactional_id,
        .client_id = "chsinkd",
        .message_bytes_max = w->conf.message_bytes_max,
        .transaction_timeout_ms =
            w->timeout_ms > 0 ? w->timeout_ms : CHSINKD_TRANSACTION_TIMEOUT_MS,
    };
    step(wr, "connecting to write dead letters", INIT_MS);
    if (pl_txn_open(&w->txn, &conf, false, err) < 0)
        return -1;
    if (pl_txn_init(&w->txn, &wr->wait, err) == 0) {
        w->accepted_ms = w->txn.timeout_ms;
        return 0;
    }
    writer_disconnect(wr);
    if (w->timeout_ms > w->accepted_ms &&
        err->code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT) {
        timeout_refused(wr);
        err->kind = PL_ERR_RETRY;
    }
    return -1;
}

/* ---- letters that are too large ---- */

static bool header_is_ours(const struct pl_header *h)
{
    return strncmp(h->name, DEADLETTER_HEADER_PREFIX, strlen(DEADLETTER_HEADER_PREFIX)) == 0;
}

static void cut_text(const struct dead_letter *d, const struct letter_size *size, char *out,
                     size_t out_size)
{
    snprintf(out, out_size, "%zu bytes%s, larger than %s", d->value_len,
             size->cut == CUT_ALL ? " (and key and headers)" : "",
             size->client ? "the client's message.max.bytes" : "the topic's max.message.bytes");
}

static enum pl_send_result letter_send(struct writing *wr, const struct dead_letter *d,
                                       struct pl_err *err)
{
    const struct letter_size *size = &wr->sizes[wr->at];
    struct pl_message m = {.topic = wr->writer->conf.topic,
                           .key = d->key,
                           .key_len = d->key_len,
                           .value = d->value,
                           .value_len = d->value_len,
                           .headers = d->headers,
                           .headers_n = d->headers_n};
    if (size->cut == CUT_NOTHING)
        return pl_txn_send(&wr->writer->txn, &m, err);
    char why[128];
    PL_FREE struct pl_header *headers = pl_alloc_array(d->headers_n + 1, sizeof(*headers));
    m.headers_n = 0;
    for (unsigned i = 0; i < d->headers_n; i++)
        if (size->cut == CUT_VALUE || header_is_ours(&d->headers[i]))
            headers[m.headers_n++] = d->headers[i];
    cut_text(d, size, why, sizeof(why));
    headers[m.headers_n++] =
        (struct pl_header){DEADLETTER_HEADER_PREFIX "value-omitted", why, strlen(why)};
    m.headers = headers;
    m.value = NULL;
    m.value_len = 0;
    if (size->cut == CUT_ALL) {
        m.key = NULL;
        m.key_len = 0;
    }
    return pl_txn_send(&wr->writer->txn, &m, err);
}

/* The letter at hand is too large as it is: leaves more of it out. False: there is nothing more. */
static bool letter_cut(struct writing *wr, bool client)
{
    struct letter_size *size = &wr->sizes[wr->at];
    if (size->cut == CUT_ALL)
        return false;
    size->cut++;
    size->client = client;
    return true;
}

/* Whether the broker refused letters for their size, and the next transaction will be another. */
static bool broker_refused_size(struct writing *wr)
{
    int code = wr->cause.kind != PL_ERR_NONE ? wr->cause.code : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (code != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE &&
        code != RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE)
        return false;
    if (wr->one_by_one || wr->letters_n == 1)
        return letter_cut(wr, false);
    wr->one_by_one = true;
    return true;
}

static void cuts_log(const struct writing *wr)
{
    const rd_kafka_topic_partition_t *tp = &wr->commit->offsets->elems[0];
    const struct dead_letter *d = wr->commit->letters->first;
    for (uint64_t i = 0; i < wr->letters_n; i++, d = d->next) {
        if (wr->sizes[i].cut == CUT_NOTHING)
            continue;
        char why[128];
        cut_text(d, &wr->sizes[i], why, sizeof(why));
        pl_log(PL_ERROR, PL_EVENT_LETTER_CUT,
               "a dead letter is too large for its topic and was written without its value",
               PL_F_STR("TOPIC", tp->topic), PL_F_INT("PARTITION", tp->partition),
               PL_F_INT("OFFSET", d->offset), PL_F_STR("REASON", why),
               PL_F_STR("DEAD_LETTER_TOPIC", wr->writer->conf.topic));
    }
}

/* ---- a transaction ---- */

/* Waits for the letter's report. -1: it, or the transaction, has failed. */
static int letter_wait(struct writing *wr, struct pl_err *err)
{
    struct pl_txn *txn = &wr->writer->txn;
    while (txn->outstanding > 0) {
        if (*wr->commit->give_up)
            return pl_err_set(err, PL_ERR_RETRY, 0, "stopped");
        step(wr, "writing dead letters", PL_TXN_SLICE_MS);
        rd_kafka_flush(txn->rk, PL_TXN_SLICE_MS);
    }
    return txn->failed == 0 ? 0
                            : pl_err_set(err, PL_ERR_RETRY, RD_KAFKA_RESP_ERR__STATE,
                                         "the Kafka transaction has failed");
}

static int letter_write(struct writing *wr, const struct dead_letter *d, struct pl_err *err)
{
    for (;;) {
        switch (letter_send(wr, d, err)) {
        case PL_SEND_OK:
            return wr->one_by_one ? letter_wait(wr, err) : 0;
        case PL_SEND_FULL:
            if (*wr->commit->give_up)
                return pl_err_set(err, PL_ERR_RETRY, 0, "stopped");
            step(wr, "writing dead letters", FULL_POLL_MS);
            rd_kafka_poll(wr->writer->txn.rk, FULL_POLL_MS); /* takes reports */
            break;
        case PL_SEND_ERROR:
            if (err->kind != PL_ERR_REJECT || !letter_cut(wr, true))
                return -1;
            break;
        }
    }
}

static int transaction_fill(struct writing *wr, struct pl_err *err)
{
    wr->at = 0;
    for (const struct dead_letter *d = wr->commit->letters->first; d; d = d->next, wr->at++)
        if (letter_write(wr, d, err) < 0)
            return -1;
    PL_STEP("letters.written");
    wr->at = 0; /* where there is one letter, it is that one */
    step(wr, "committing offsets with dead letters", 2 * OFFSETS_MS);
    return pl_txn_send_offsets(&wr->writer->txn, wr->commit->offsets, wr->commit->group, OFFSETS_MS,
                               err);
}

/* Nothing was committed. */
static enum deadletter_result failure(const struct pl_err *err)
{
    switch (err->code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        return DEADLETTER_FENCED;
    default: /* ILLEGAL_GENERATION, too: in a cooperative rebalance the partition may stay ours */
        return err->kind == PL_ERR_CONFIG || err->kind == PL_ERR_REJECT ? DEADLETTER_NEEDS
                                                                        : DEADLETTER_RETRY;
    }
}

/* Commits the transaction, or only asks why it has failed (filled below 0). */
static enum deadletter_result transaction_commit(struct writing *wr, int filled,
                                                 enum pl_txn_result *ret_result, struct pl_err *err)
{
    struct pl_txn *txn = &wr->writer->txn;
    step(wr, "committing dead letters", -1);
    PL_STEP("letters.committing");
    *ret_result = pl_txn_commit(txn, &wr->wait, err);
    if (*ret_result == PL_TXN_COMMITTED && filled == 0) {
        PL_STEP("letters.committed");
        return DEADLETTER_COMMITTED;
    }
    if (txn->cause.kind != PL_ERR_NONE && *ret_result == PL_TXN_REFUSED)
        *err = txn->cause;
    /* The request to commit is made only when all is in the log. Its answer may have been lost, and
     * the answer to another copy of it says nothing of the first. */
    if (filled < 0 || *ret_result == PL_TXN_REFUSED || txn->outstanding > 0 || txn->failed > 0)
        return failure(err);
    pl_err_prefix(err, "it is not known whether Kafka has committed the dead letters");
    return DEADLETTER_UNKNOWN;
}

static enum deadletter_result transaction_write(struct writing *wr, struct pl_err *err)
{
    struct pl_txn *txn = &wr->writer->txn;
    step(wr, "writing dead letters", FULL_POLL_MS);
    if (pl_txn_begin(txn, err) < 0) {
        writer_disconnect(wr);
        return failure(err);
    }
    enum pl_txn_result end = PL_TXN_REFUSED;
    enum deadletter_result result;
    PL_STEP("letters.begun");
    int filled = transaction_fill(wr, err);
    /* Code __STATE: the transaction has failed already, and the commit's refusal says why. */
    if (filled == 0 || err->code == RD_KAFKA_RESP_ERR__STATE)
        result = transaction_commit(wr, filled, &end, err);
    else
        result = failure(err);
    if (result == DEADLETTER_COMMITTED)
        return result;
    wr->age_ms = pl_clock_ms(CLOCK_BOOTTIME) - txn->begun_ms;
    wr->timeout_ms = txn->timeout_ms;
    if (end == PL_TXN_REFUSED || end == PL_TXN_UNKNOWN) {
        struct pl_err abort_err;
        step(wr, "aborting dead letters", ABORT_MS);
        end = pl_txn_abort(txn, &wr->wait, &abort_err);
    }
    /* A call may meet the failed transaction before the report that says why, which has come now. */
    wr->cause = txn->cause;
    if (wr->cause.kind != PL_ERR_NONE && err->code != 0 &&
        (result == DEADLETTER_RETRY || result == DEADLETTER_NEEDS)) {
        *err = wr->cause;
        result = failure(err);
    }
    if (end != PL_TXN_ABORTED)
        writer_disconnect(wr);
    return result;
}

/* The transaction failed because it was too old: gives the next one longer, if that is possible. */
static enum deadletter_result too_slow(struct writing *wr, enum deadletter_result result,
                                       struct pl_err *err)
{
    if (wr->timeout_ms < wr->writer->timeout_max_ms) {
        timeout_raise(wr, wr->timeout_ms);
        return result;
    }
    pl_err_prefix(err,
                  "%" PRIu64 " dead letters cannot be written within %" PRId64
                  " ms, the longest that Kafka lets a transaction be open; is the network slow, or "
                  "transaction.max.timeout.ms of the brokers too short?",
                  wr->letters_n, wr->timeout_ms);
    return result == DEADLETTER_RETRY ? DEADLETTER_NEEDS : result;
}

static enum deadletter_result letters_write(struct writing *wr, struct pl_err *err)
{
    for (;;) {
        if (writer_connect(wr, err) < 0)
            return failure(err);
        enum deadletter_result result = transaction_write(wr, err);
        if (result == DEADLETTER_COMMITTED)
            return result;
        if (result != DEADLETTER_UNKNOWN && broker_refused_size(wr)) {
            /* librdkafka gives up one more transaction after a refused batch; a new client's first
             * one is good. */
            writer_disconnect(wr);
            if (!*wr->commit->give_up)
                continue;
        } else if ((result == DEADLETTER_RETRY || result == DEADLETTER_UNKNOWN) &&
                   wr->age_ms >= wr->timeout_ms / 10 * 9) {
            return too_slow(wr, result, err);
        }
        return result;
    }
}

static enum pl_err_kind result_kind(enum deadletter_result result)
{
    switch (result) {
    case DEADLETTER_COMMITTED:
        return PL_ERR_NONE;
    case DEADLETTER_RETRY:
    case DEADLETTER_UNKNOWN:
        return PL_ERR_RETRY;
    case DEADLETTER_FENCED:
        return PL_ERR_FATAL;
    case DEADLETTER_NEEDS:
        return PL_ERR_CONFIG;
    }
    return PL_ERR_FATAL;
}

enum deadletter_result deadletter_write(struct deadletter_writer *w,
                                        const struct deadletter_commit *commit, struct pl_err *err)
{
    struct writing wr = {
        .writer = w,
        .commit = commit,
        .wait = {.go_on = go_on, .userdata = (void *)commit->give_up, .deadline = commit->deadline},
    };
    for (const struct dead_letter *d = commit->letters->first; d; d = d->next)
        wr.letters_n++;
    PL_FREE struct letter_size *sizes = pl_alloc_array(wr.letters_n + 1, sizeof(*sizes));
    wr.sizes = sizes;
    step(&wr, "waiting for another thread's dead letters", -1);
    pthread_mutex_lock(&w->lock);
    enum deadletter_result result = letters_write(&wr, err);
    pthread_mutex_unlock(&w->lock);
    if (result == DEADLETTER_COMMITTED)
        cuts_log(&wr);
    else
        err->kind = result_kind(result);
    return result;
}
