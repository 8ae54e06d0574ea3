/* SPDX-License-Identifier: Apache-2.0 */
/* loader.c - see loader.h. */
#include "daemons/chsinkd/loader.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "daemons/chsinkd/output/grow.h"
#include "lib/base/clock.h"
#include "lib/kafka/stall.h"
#include "lib/log/log.h"
#include "lib/service/signals.h"

/* --once, --replay: how long Kafka may take to say who is in the group, and how soon it is asked
 * again. */
#define GROUP_ASK_MS   5000
#define GROUP_PAUSE_MS 200

void loader_init(struct loader *l, const struct loader_common *common, const struct sink_part *part)
{
    const void *output_conf;
    const struct output_kind *output = chsinkd_conf_output(common->conf, &output_conf);
    *l = (struct loader){.daemon = common->daemon};
    sink_init(&l->sink, common->conf, part, output, output_conf, common->metrics);
    l->sink.waker = common->waker;
}

/* ---- tables ---- */

struct table_step {
    struct loader *l;
    const struct sink_route *sr;
    struct pl_refusal away; /* of the output, for the log */
};

/* Statements are sent one by one, each with its own time-out: systemd is told before the first and
 * after each that may last (CREATE, ALTER). */
static void table_step(const struct table_step *step)
{
    const struct loader *l = step->l;
    pl_daemon_step(l->daemon, l->sink.conf->start_timeout_ms + l->sink.call_ms,
                   "waiting for %s at %s, table %s", l->sink.output->name,
                   l->sink.output->where(l->sink.output_conf), step->sr->target->name);
}

static void on_table_fact(void *userdata, const char *what, const char *name)
{
    const struct table_step *step = userdata;
    pl_log(PL_NOTICE, strstr(what, "column") ? PL_EVENT_COLUMN_ADDED : PL_EVENT_TABLE_CREATED,
           "table made ready", PL_F_STR("WHAT", what), PL_F_STR("NAME", name),
           SINK_F_TABLE(step->sr), PL_F_STR("ROUTE", step->sr->route->name));
    table_step(step);
}

/* The same again, a little later. False: no longer. */
static bool table_wait(struct table_step *step, int64_t until_ms, const struct pl_err *err)
{
    const struct loader *l = step->l;
    int64_t now_ms = pl_clock_monotonic_ms();
    if (err->kind != PL_ERR_RETRY || now_ms >= until_ms || pl_daemon_stopping(l->daemon))
        return false;
    pl_log_err(pl_refusal_next(&step->away, now_ms) ? PL_WARNING : PL_DEBUG, PL_EVENT_SINK_AWAY,
               "the output does not answer, trying again", err, SINK_F_OUTPUT(&l->sink),
               SINK_F_TABLE(step->sr));
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    table_step(step);
    return true;
}

/* With what its table got by unknown_fields: add. */
static int route_complete(struct loader *l, struct output *o, struct sink_route *sr,
                          int64_t until_ms, struct pl_err *err)
{
    struct table_step step = {.l = l, .sr = sr};
    const struct chsinkd_conf *conf = l->sink.conf;
    unsigned i = 0, n = 0;
    while (conf->routes[i] != sr->route)
        i++;
    while (output_take(l->sink.output, l->sink.output_conf, o, conf->routes[i], &n, err) < 0)
        if (!table_wait(&step, until_ms, err))
            return -1;
    if (n == 0)
        return 0;
    sink_route_anew(&l->sink, sr);
    pl_log(PL_INFO, NULL, "the table has columns of unknown_fields: add", PL_F_UINT("COLUMNS", n),
           SINK_F_TABLE(sr), PL_F_STR("ROUTE", sr->route->name));
    return 0;
}

static int table_start(struct loader *l, struct output *o, struct sink_route *sr, int64_t until_ms,
                       struct pl_err *err)
{
    struct table_step step = {.l = l, .sr = sr};
    const struct output_ensure how = {.on_fact = on_table_fact, .userdata = &step};
    table_step(&step);
    struct output_state state;
    if (route_complete(l, o, sr, until_ms, err) < 0)
        return -1;
    while (l->sink.output->ensure(o, sr->target, &how, &state, err) < 0)
        if (!table_wait(&step, until_ms, err))
            return -1;
    sink_route_state(sr, &state);
    if (state.guarantee == OUTPUT_LOOK_UP || state.guarantee == OUTPUT_NONE)
        pl_log(PL_WARNING, PL_EVENT_AT_LEAST_ONCE,
               "the table does not deduplicate inserts: after a crash rows may be doubled (at "
               "least once)",
               SINK_F_TABLE(sr), PL_F_STR("REASON", state.why_not));
    return 0;
}

int loader_tables(struct loader *l, struct output *o, int64_t until_ms, struct pl_err *err)
{
    struct sink *s = &l->sink;
    int rc = 0;
    for (unsigned i = 0; i < s->routes_n && rc == 0; i++)
        if (!s->replay || s->replay == s->routes[i].route)
            rc = table_start(l, o, &s->routes[i], until_ms, err);
    return rc;
}

/* ---- the group ---- */

int loader_connect(struct loader *l, struct pl_err *err)
{
    const struct chsinkd_conf *conf = l->sink.conf;
    pl_daemon_step(l->daemon, conf->start_timeout_ms, "waiting for Kafka at %s",
                   pl_kafka_servers(&conf->kafka));
    return consumer_new(&l->sink, err);
}

/* Describes one member of the group; false: it has none, or Kafka does not tell (joining will). */
static bool member_find(rd_kafka_t *rk, const char *group, char *ret, size_t size)
{
    const struct rd_kafka_group_list *list;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(rk, group, &list, GROUP_ASK_MS);
    bool found = false;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__PARTIAL)
        return false;
    for (int i = 0; i < list->group_cnt && !found; i++) {
        const struct rd_kafka_group_info *g = &list->groups[i];
        found = strcmp(g->group, group) == 0 && g->member_cnt > 0;
        if (found)
            snprintf(ret, size, "%.60s at %.60s", g->members[0].client_id,
                     g->members[0].client_host);
    }
    rd_kafka_group_list_destroy(list);
    return found;
}

/* A run that ends must be alone in its group: beside the service it would get a share of the
 * partitions, perhaps none, and wait for ever. A member that was killed stays for
 * session.timeout.ms. */
int loader_group_wait(struct loader *l, struct pl_err *err)
{
    const char *group = l->sink.group;
    char member[160];
    int64_t wait_ms =
        pl_kafka_conf_int(rd_kafka_conf(l->sink.rk), "session.timeout.ms") + GROUP_ASK_MS;
    int64_t until_ms = pl_clock_monotonic_ms() + wait_ms;
    for (bool said = false; member_find(l->sink.rk, group, member, sizeof(member)); said = true) {
        if (!said)
            pl_log(PL_NOTICE, NULL, "waiting for the consumer group to be free",
                   PL_F_STR("GROUP", group), PL_F_STR("REASON", member));
        pl_daemon_step(l->daemon, wait_ms, "waiting for group %s to be free: %s is a member", group,
                       member);
        if (pl_signals_stop_is_pending())
            return pl_err_set(err, PL_ERR_RETRY, 0, "stopped");
        if (pl_clock_monotonic_ms() >= until_ms)
            return pl_err_set(err, PL_ERR_CONFIG, 0,
                              "group %s is in use (by %s), and a run that ends needs it for "
                              "itself: stop the service first",
                              group, member);
        usleep(GROUP_PAUSE_MS * 1000);
    }
    return 0;
}

/* ---- threads ---- */

static void on_answer(void *userdata)
{
    sink_wake(userdata);
}

/* A static member's writer gets a fixed name, so that it fences its own earlier life at once; any
 * other a name that nobody has. */
static int courier_start(struct loader *l, struct pl_err *err)
{
    const struct sink *s = &l->sink;
    const char *group = s->replay ? chsinkd_conf_group(s->conf) : s->group;
    const char *instance = pl_map_get(&l->sink.conf->kafka, "group.instance.id");
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    l->transactional_id = instance ? pl_strf("chsinkd.%s.%s", group, instance)
                                   : pl_strf("chsinkd.%s.%s.%d.%" PRId64, group, host, getpid(),
                                             pl_clock_realtime_ms());
    return courier_new(
        &(struct courier_conf){.deadletters = {.kafka = &l->sink.conf->kafka,
                                               .topic = l->sink.conf->dead_letter_topic,
                                               .transactional_id = l->transactional_id,
                                               .message_bytes_max = DEADLETTER_MESSAGE_BYTES_MAX},
                               .consumer = l->sink.rk,
                               .notify = on_answer,
                               .userdata = &l->sink},
        &l->sink.courier, err);
}

int loader_begin(struct loader *l, struct pl_err *err)
{
    struct sink *s = &l->sink;
    if (courier_start(l, err) < 0)
        return -1;
    pl_daemon_step(l->daemon, s->routes_n * s->conf->start_timeout_ms,
                   "waiting for the routes' topics in Kafka");
    if (consumer_start(s, &l->consumer, err) < 0)
        return -1;
    l->consumer_started = true;
    return 0;
}

void loader_kafka_look(struct loader *l, int64_t now_ms)
{
    struct pl_kafka_health *health = &l->sink.health;
    char why[256] = "";
    if (pl_kafka_is_away(l->sink.rk, health)) {
        if (l->kafka_away_ms == 0)
            l->kafka_away_ms = now_ms;
        if (now_ms - l->kafka_away_ms < PL_STALL_MS || !pl_refusal_next(&l->kafka_away, now_ms))
            return;
        pl_kafka_health_text(health, INT64_MAX, why);
        pl_log(PL_WARNING, PL_EVENT_KAFKA_AWAY, "Kafka does not answer", PL_F_STR("ERROR", why),
               PL_F_STR("GROUP", l->sink.group),
               PL_F_INT("SECONDS", (now_ms - l->kafka_away_ms) / 1000));
        return;
    }
    if (pl_refusal_over(&l->kafka_away))
        pl_log(PL_NOTICE, PL_EVENT_KAFKA_BACK, "Kafka answers again",
               PL_F_STR("GROUP", l->sink.group),
               PL_F_INT("SECONDS", (now_ms - l->kafka_away_ms) / 1000));
    l->kafka_away_ms = 0;
}

void loader_stop(struct loader *l)
{
    l->sink.stopping = true;
    sink_wake(&l->sink);
}

bool loader_join(struct loader *l, const struct timespec *until)
{
    return !l->consumer_started || pthread_timedjoin_np(l->consumer, NULL, until) == 0;
}

void loader_release(struct loader *l)
{
    courier_free(PL_TAKE(l->sink.courier)); /* its thread wakes the consumer */
    consumer_free(&l->sink);
    sink_release(&l->sink);
    free(l->transactional_id);
}
