/* SPDX-License-Identifier: Apache-2.0 */
/* letters.c - see letters.h. */
#include "daemons/chsinkd/show/letters.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/batch/letters.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/kafka/topic.h"

#define POLL_MS    500
#define SILENCE_MS 15000 /* without a message or an end */
#define TEXT_MAX   512   /* of a reason */
#define OTHER_TEXT "other reasons"

PL_DEFINE_CLEANUP(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy);

struct reading {
    struct show_client *client;
    const struct chsinkd_conf *conf;
    const struct route *const *routes;
    unsigned routes_n;
    int64_t sample_max;
    int partitions;
    int64_t *
        *replayed; /* of each route, the replay group's offset in each partition; NULL: unread */
    struct show_letters *letters;
};

/* ---- reasons ---- */

size_t show_reason_len(const char *text, size_t len)
{
    static const char before[] = " (byte ";
    size_t n = len;
    if (n == 0 || text[n - 1] != ')')
        return len;
    n--;
    while (n > 0 && text[n - 1] >= '0' && text[n - 1] <= '9')
        n--;
    size_t b = sizeof(before) - 1;
    return n >= b && n < len - 1 && memcmp(text + n - b, before, b) == 0 ? n - b : len;
}

static struct show_reason *reason_find(struct show_letters *l, const char *route,
                                       const char *reason)
{
    for (unsigned i = 0; i < l->reasons_n; i++)
        if (strcmp(l->reasons[i].route, route) == 0 && strcmp(l->reasons[i].reason, reason) == 0)
            return &l->reasons[i];
    if (l->reasons_n >= SHOW_LETTERS_REASONS_MAX && strcmp(reason, OTHER_TEXT) != 0)
        return reason_find(l, route, OTHER_TEXT);
    l->reasons = pl_realloc_array(l->reasons, l->reasons_n + 1, sizeof(*l->reasons));
    struct show_reason *r = &l->reasons[l->reasons_n++];
    *r = (struct show_reason){.route = pl_strdup(route), .reason = pl_strdup(reason)};
    r->first_ms = r->last_ms = -1;
    return r;
}

static void reason_count(struct show_letters *l, const struct show_letter *letter)
{
    char text[TEXT_MAX];
    size_t len = show_reason_len(letter->reason, strlen(letter->reason));
    pl_text_copy(letter->reason, len, text, sizeof(text));
    struct show_reason *r = reason_find(l, letter->route, text);
    if (letter->replayed)
        r->replayed++;
    else
        r->waiting++;
    if (r->first_ms < 0 || letter->at_ms < r->first_ms)
        r->first_ms = letter->at_ms;
    if (letter->at_ms > r->last_ms)
        r->last_ms = letter->at_ms;
}

static int reason_compare(const void *a, const void *b)
{
    const struct show_reason *x = a, *y = b;
    uint64_t n = x->waiting + x->replayed, m = y->waiting + y->replayed;
    int route = strcmp(x->route, y->route);
    return route != 0 ? route : n != m ? (n < m ? 1 : -1) : strcmp(x->reason, y->reason);
}

/* ---- the sample ---- */

static void letter_release(struct show_letter *l)
{
    free(l->route);
    free(l->reason);
    free(l->topic);
    free(l->key);
    free(l->value);
}

/* Keeps the newest, newest first. Takes the letter. */
static void sample_add(struct show_letters *l, struct show_letter *letter, int64_t max)
{
    unsigned at = l->sample_n;
    while (at > 0 && l->sample[at - 1].at_ms <= letter->at_ms)
        at--;
    if (at >= max) {
        letter_release(letter);
        return;
    }
    if (l->sample_n == max)
        letter_release(&l->sample[--l->sample_n]);
    else
        l->sample = pl_realloc_array(l->sample, l->sample_n + 1, sizeof(*l->sample));
    memmove(&l->sample[at + 1], &l->sample[at], (l->sample_n - at) * sizeof(*l->sample));
    l->sample[at] = *letter;
    l->sample_n++;
}

static char *bytes_copy(const void *p, size_t len)
{
    return p ? pl_strndup(p, len < SHOW_LETTERS_BYTES_MAX ? len : SHOW_LETTERS_BYTES_MAX) : NULL;
}

static char *header_copy(const rd_kafka_headers_t *headers, const char *field)
{
    struct pl_slice text;
    return dead_letter_header(headers, field, &text) ? pl_strndup(text.p ? text.p : "", text.len)
                                                     : NULL;
}

static size_t less(size_t n)
{
    return n < SHOW_LETTERS_BYTES_MAX ? n : SHOW_LETTERS_BYTES_MAX;
}

/* ---- reading ---- */

/* Where --replay's group of the route is, in each partition of the dead-letter topic. */
static int64_t *replayed_read(struct reading *rd, const struct route *route, struct pl_err *err)
{
    PL_CLEANUP(show_client_release) struct show_client client = {0};
    PL_FREE char *group = pl_strf("%s-replay-%s", chsinkd_conf_group(rd->conf), route->name);
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(rd->partitions);
    if (show_client_new(&client, rd->conf, group, err) < 0)
        return NULL;
    for (int i = 0; i < rd->partitions; i++)
        rd_kafka_topic_partition_list_add(list, rd->conf->dead_letter_topic, i);
    rd_kafka_resp_err_t code = rd_kafka_committed(client.rk, list, SHOW_KAFKA_MS);
    if (code) {
        pl_kafka_err(err, code, "cannot read the offsets of group %s", group);
        return NULL;
    }
    int64_t *offsets = pl_alloc_array((size_t)rd->partitions, sizeof(*offsets));
    for (int i = 0; i < rd->partitions; i++)
        offsets[i] = list->elems[i].offset;
    return offsets;
}

/* The index of the route that the letter names; -1: of none that is asked for. */
static int route_of(const struct reading *rd, const rd_kafka_headers_t *headers)
{
    struct pl_slice name;
    if (!dead_letter_header(headers, "route", &name))
        return -1;
    for (unsigned i = 0; i < rd->routes_n; i++)
        if (pl_slice_eq(name, rd->routes[i]->name))
            return (int)i;
    return -1;
}

static int letter_take(struct reading *rd, const rd_kafka_message_t *m, struct pl_err *err)
{
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_timestamp_type_t type;
    rd_kafka_message_headers(m, &headers);
    rd->letters->read++;
    int route = route_of(rd, headers);
    if (route < 0) {
        rd->letters->others++;
        return 0;
    }
    if (!rd->replayed[route] && !(rd->replayed[route] = replayed_read(rd, rd->routes[route], err)))
        return -1;
    struct dead_letter_origin origin = {"", -1, -1, -1};
    dead_letter_origin(headers, &origin);
    struct show_letter letter = {.route = pl_strdup(rd->routes[route]->name),
                                 .reason = header_copy(headers, "reason"),
                                 .topic = pl_strdup(origin.topic),
                                 .partition = origin.partition,
                                 .offset = origin.offset,
                                 .at_ms = rd_kafka_message_timestamp(m, &type),
                                 .attempt = 1};
    PL_FREE char *attempt = header_copy(headers, "attempt");
    if (attempt)
        letter.attempt = strtoll(attempt, NULL, 10);
    if (!letter.reason)
        letter.reason = pl_strdup("");
    letter.replayed =
        m->partition < rd->partitions && m->offset < rd->replayed[route][m->partition];
    reason_count(rd->letters, &letter);
    if (rd->sample_max > 0) {
        letter.key = bytes_copy(m->key, m->key_len);
        letter.key_len = less(m->key_len);
        letter.value = bytes_copy(m->payload, m->len);
        letter.value_len = less(m->len);
        letter.cut = m->len > letter.value_len;
    }
    sample_add(rd->letters, &letter, rd->sample_max);
    return 0;
}

/* Assigns the newest messages of each partition. Returns how many partitions have any; -1. */
static int tail_assign(struct reading *rd, struct pl_err *err)
{
    const char *topic = rd->conf->dead_letter_topic;
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(rd->partitions);
    int64_t share = SHOW_LETTERS_READ_MAX / rd->partitions;
    for (int i = 0; i < rd->partitions; i++) {
        int64_t low, high;
        rd_kafka_resp_err_t code =
            rd_kafka_query_watermark_offsets(rd->client->rk, topic, i, &low, &high, SHOW_KAFKA_MS);
        if (code)
            return pl_kafka_err(err, code, "cannot read where topic %s begins and ends", topic);
        if (low >= high)
            continue;
        rd->letters->part |= high - low > share;
        rd_kafka_topic_partition_list_add(list, topic, i)->offset =
            high - low > share ? high - share : low;
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(rd->client->rk, list);
    return code ? pl_kafka_err(err, code, "cannot read topic %s", topic) : list->cnt;
}

static int letters_walk(struct reading *rd, struct pl_err *err)
{
    const char *topic = rd->conf->dead_letter_topic;
    int64_t now_ms = pl_clock_monotonic_ms(), end_ms = now_ms + SHOW_LETTERS_MS;
    int64_t silent_ms = now_ms + SILENCE_MS;
    int left = tail_assign(rd, err), rc = left < 0 ? -1 : 0;
    while (rc == 0 && left > 0) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rd->client->rk, POLL_MS);
        now_ms = pl_clock_monotonic_ms();
        if (m)
            silent_ms = now_ms + SILENCE_MS;
        if (m && m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            left--;
        else if (m && !m->err)
            rc = letter_take(rd, m, err);
        if (m)
            rd_kafka_message_destroy(m);
        if (now_ms >= end_ms) {
            rd->letters->part = true;
            break;
        }
        if (now_ms >= silent_ms)
            rc = pl_err_set(err, PL_ERR_RETRY, 0, "topic %s: no answer from Kafka in %d s", topic,
                            SILENCE_MS / 1000);
    }
    rd_kafka_assign(rd->client->rk, NULL);
    return rc;
}

int show_letters_read(struct show_client *c, const struct chsinkd_conf *conf,
                      const struct route *const *routes, unsigned routes_n, int64_t sample,
                      struct show_letters *ret, struct pl_err *err)
{
    struct reading rd = {.client = c,
                         .conf = conf,
                         .routes = routes,
                         .routes_n = routes_n,
                         .sample_max = sample,
                         .letters = ret};
    int found =
        pl_kafka_topic_exists(c->rk, conf->dead_letter_topic, SHOW_KAFKA_MS, &rd.partitions, err);
    if (found < 0)
        return -1;
    if (found == 0 || rd.partitions == 0) {
        ret->none = true;
        return 0;
    }
    rd.replayed = pl_alloc_array(routes_n, sizeof(*rd.replayed));
    int rc = letters_walk(&rd, err);
    for (unsigned i = 0; i < routes_n; i++)
        free(rd.replayed[i]);
    free(rd.replayed);
    if (ret->reasons_n > 0)
        qsort(ret->reasons, ret->reasons_n, sizeof(*ret->reasons), reason_compare);
    return rc;
}

void show_letters_release(struct show_letters *l)
{
    for (unsigned i = 0; i < l->reasons_n; i++) {
        free(l->reasons[i].route);
        free(l->reasons[i].reason);
    }
    for (unsigned i = 0; i < l->sample_n; i++)
        letter_release(&l->sample[i]);
    free(l->reasons);
    free(l->sample);
    *l = (struct show_letters){0};
}
