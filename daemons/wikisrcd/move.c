/* SPDX-License-Identifier: Apache-2.0 */
/* move.c - see move.h. */
#include "daemons/wikisrcd/move.h"

#include <stdio.h>

#include "daemons/wikisrcd/position/position.h"
#include "lib/base/clock.h"
#include "lib/base/time_text.h"
#include "lib/kafka/move.h"
#include "lib/kafka/positions.h"

struct move {
    const struct wikisrcd_conf *conf;
    struct pl_daemon *daemon;
    struct pl_kafka_position position;
    struct pl_txn txn;
};

static const struct pl_daemon_ops daemon_ops;

static void release(struct move *m)
{
    pl_kafka_positions_release(&m->position, 1);
    pl_txn_close(&m->txn);
    pl_daemon_free(m->daemon);
}

static int position_print(const struct move *m, const char *label, struct pl_err *err)
{
    const struct pl_kafka_position *p = &m->position;
    if (!p->value) {
        printf("%s none yet\n", label);
        return 0;
    }
    PL_CLEANUP(position_freep) struct position *position = NULL;
    if (position_decode(p->value, p->len, m->conf->source.slack_ms, &position, err) < 0)
        return pl_err_prefix(err, "position %s", p->key);
    char since[32], high[32] = "none";
    pl_time_format_ms(position_since(position), since);
    if (position_high(position) > 0)
        pl_time_format_ms(position_high(position), high);
    printf("%s asks from %s, newest event %s, %u ids remembered%s%s\n", label, since, high,
           position_ids(position), p->writer ? ", written by " : "", p->writer ? p->writer : "");
    return 0;
}

/* What the service wrote before stays known, for --once. */
static void begun_keep(const struct move *m, struct position *position)
{
    const struct pl_kafka_position *p = &m->position;
    PL_CLEANUP(position_freep) struct position *old = NULL;
    struct pl_err odd;
    if (p->value && position_decode(p->value, p->len, m->conf->source.slack_ms, &old, &odd) == 0)
        position_begun_keep(position, position_begun(old));
}

static int move_to(struct move *m, const struct pl_move *move, int64_t to_ms, struct pl_err *err)
{
    const struct wikisrcd_conf *conf = m->conf;
    PL_CLEANUP(pl_buf_release) struct pl_buf record = {0};
    PL_CLEANUP(position_freep)
    struct position *position = position_new(&conf->source.streams, to_ms, conf->source.slack_ms);
    char new[32];
    pl_time_format_ms(position_since(position), new);
    printf("%s\n", m->position.key);
    struct pl_err odd;
    if (position_print(m, "  old:", &odd) < 0)
        printf("  old: %s\n", odd.msg);
    begun_keep(m, position);
    position_encode(position, pl_clock_realtime_ms(), &record);
    if (pl_move_commit(move, &m->txn, m->position.key, (struct pl_slice){record.data, record.len},
                       err) < 0)
        return -1;
    printf("  new: asks from %s\n"
           "Newer events that are in the topic already will be written again; older ones that are "
           "not will be skipped.\nStart the service; a running instance ends at its next commit.\n",
           new);
    return 0;
}

static int run(struct move *m, int64_t to_ms, struct pl_err *err)
{
    const struct wikisrcd_conf *conf = m->conf;
    PL_FREE char *id = pl_strf("wikisrcd-%s", conf->name);
    const char *const ids[] = {id};
    const struct pl_move move = {
        .kafka = &conf->kafka,
        .client_id = "wikisrcd",
        .ids = ids,
        .ids_n = 1,
        .topic = conf->position_topic,
        .timeout_ms = conf->start_timeout_ms,
    };
    m->position.key = conf->name;
    if (pl_daemon_new(&daemon_ops, NULL, conf->stop_timeout_ms, &m->daemon, err) < 0 ||
        (to_ms >= 0 && pl_move_begin(&move, m->daemon, &m->txn, err) < 0) ||
        pl_kafka_positions_read(m->daemon, &conf->kafka, conf->position_topic,
                                conf->start_timeout_ms, &m->position, 1, err) < 0)
        return -1;
    return to_ms >= 0 ? move_to(m, &move, to_ms, err) : position_print(m, conf->name, err);
}

int move_run(const struct wikisrcd_conf *conf, int64_t to_ms)
{
    PL_CLEANUP(release) struct move m = {.conf = conf};
    struct pl_err err;
    if (run(&m, to_ms, &err) == 0)
        return 0;
    fprintf(stderr, "wikisrcd: %s\n", err.msg);
    return pl_err_exit_status(err.kind);
}
