/* SPDX-License-Identifier: Apache-2.0 */
/* move.c - see move.h. */
#include "daemons/wmfetchd/move.h"

#include <stdio.h>
#include <sysexits.h>

#include "daemons/wmfetchd/delivery.h"
#include "lib/base/clock.h"
#include "lib/base/time_text.h"
#include "lib/kafka/move.h"

struct move {
    const struct wmfetchd_conf *conf;
    const struct move_ask *ask;
    struct pl_daemon *daemon;
    struct pl_kafka_position *positions;
    size_t n;
    char *ids[TURNS_SLOTS_MAX];
    struct pl_txn txn;
};

static const struct pl_daemon_ops daemon_ops;

static void release(struct move *m)
{
    for (size_t i = 0; i < m->n; i++)
        free((char *)m->positions[i].key);
    pl_kafka_positions_release(m->positions, m->n);
    free(m->positions);
    for (size_t i = 0; i < TURNS_SLOTS_MAX; i++)
        free(m->ids[i]);
    pl_txn_close(&m->txn);
    pl_daemon_free(m->daemon);
}

/* The keys asked for. */
static void keys_make(struct move *m)
{
    size_t n = wmfetchd_series_count(m->conf);
    m->positions = pl_alloc_array(n, sizeof(*m->positions));
    for (size_t i = 0; i < n; i++) {
        const struct wmfetchd_series s = wmfetchd_series(m->conf, i);
        char *key = pl_strf("%s/%s/%s", m->conf->name, s.application, s.index);
        const char *wanted = m->ask->key, *rest = key + strlen(m->conf->name) + 1;
        if (!wanted[0] || strcmp(wanted, key) == 0 || strcmp(wanted, rest) == 0)
            m->positions[m->n++].key = key;
        else
            free(key);
    }
}

/* CONFIG if the record is not one of ours. */
static int position_print(const char *label, const struct pl_kafka_position *p, struct pl_err *err)
{
    struct schedule_position position;
    char end[32], start[32];
    if (!p->value) {
        printf("%s none yet\n", label);
        return 0;
    }
    if (schedule_position_decode(p->value, p->len, &position, err) < 0)
        return pl_err_prefix(err, "position %s", p->key);
    pl_time_format_ms(position.end_ms, end);
    pl_time_format_ms(position.start_ms, start);
    printf("%s %s (begins at %s)%s%s\n", label, end, start, p->writer ? ", written by " : "",
           p->writer ? p->writer : "");
    return 0;
}

static int move_to(struct move *m, const struct pl_move *move, struct pl_err *err)
{
    const struct pl_kafka_position *old = &m->positions[0];
    /* The series begins there, so that no overlap reaches before it. */
    const struct schedule_position to = {m->ask->to_ms, m->ask->to_ms};
    PL_CLEANUP(pl_buf_release) struct pl_buf record = {0};
    char new[32];
    schedule_position_encode(&to, pl_clock_realtime_ms(), &record);
    pl_time_format_ms(to.end_ms, new);
    printf("%s\n", old->key);
    struct pl_err odd;
    if (position_print("  old:", old, &odd) < 0)
        printf("  old: %s\n", odd.msg);
    if (pl_move_commit(move, &m->txn, old->key, (struct pl_slice){record.data, record.len}, err) <
        0)
        return -1;
    printf("  new: %s\n"
           "Windows from there on are fetched, even if they were before; earlier ones are not.\n"
           "Now start the service. One that still runs ends at its next commit.\n",
           new);
    return 0;
}

static int run(struct move *m, struct pl_err *err)
{
    const struct wmfetchd_conf *conf = m->conf;
    for (int slot = 0; slot < TURNS_SLOTS_MAX; slot++)
        m->ids[slot] = delivery_id(conf, slot);
    const struct pl_move move = {
        .kafka = &conf->kafka,
        .client_id = "wmfetchd",
        .ids = (const char *const *)m->ids,
        .ids_n = TURNS_SLOTS_MAX,
        .topic = conf->position_topic,
        .timeout_ms = conf->start_timeout_ms,
    };
    if (pl_daemon_new(&daemon_ops, NULL, conf->stop_timeout_ms, &m->daemon, err) < 0 ||
        (m->ask->set && pl_move_begin(&move, m->daemon, &m->txn, err) < 0) ||
        pl_kafka_positions_read(m->daemon, &conf->kafka, conf->position_topic,
                                conf->start_timeout_ms, m->positions, m->n, err) < 0)
        return -1;
    if (m->ask->set)
        return move_to(m, &move, err);
    for (size_t i = 0; i < m->n; i++)
        if (position_print(m->positions[i].key, &m->positions[i], err) < 0)
            return -1;
    return 0;
}

int move_run(const struct wmfetchd_conf *conf, const struct move_ask *ask)
{
    PL_CLEANUP(release) struct move m = {.conf = conf, .ask = ask};
    struct pl_err err;
    keys_make(&m);
    if (m.n == 0) {
        fprintf(stderr,
                "wmfetchd: --position: '%s' is not a series of the configuration; without a "
                "key all are shown\n",
                ask->key);
        return EX_USAGE;
    }
    if (run(&m, &err) == 0)
        return 0;
    fprintf(stderr, "wmfetchd: %s\n", err.msg);
    return pl_err_exit_status(err.kind);
}
