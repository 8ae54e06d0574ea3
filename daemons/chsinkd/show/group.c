/* SPDX-License-Identifier: Apache-2.0 */
/* group.c - see group.h. */
#include "daemons/chsinkd/show/group.h"

#include <stdio.h>

#include "lib/base/text.h"

PL_DEFINE_CLEANUP(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy);

/* ---- the client ---- */

int show_client_new(struct show_client *c, const struct chsinkd_conf *conf, const char *group,
                    struct pl_err *err)
{
    static const char *const defaults[] = {"client.id", "chsinkd-show", NULL};
    static const char *const forced[] = {"enable.auto.commit",
                                         "false",
                                         "isolation.level",
                                         "read_committed",
                                         "enable.partition.eof",
                                         "true", /* the end of the dead letters */
                                         "auto.offset.reset",
                                         "earliest",
                                         NULL};
    rd_kafka_conf_t *kafka = pl_kafka_conf_new(&conf->kafka, defaults, forced, &c->health, err);
    if (!kafka)
        return -1;
    rd_kafka_conf_set(kafka, "group.id", group, NULL, 0);
    rd_kafka_conf_set(kafka, "group.instance.id", "", NULL, 0);
    c->rk = pl_kafka_new(RD_KAFKA_CONSUMER, kafka, err);
    if (!c->rk)
        return -1;
    rd_kafka_poll_set_consumer(c->rk);
    return pl_kafka_probe(c->rk, &c->health, pl_kafka_servers(&conf->kafka), conf->start_timeout_ms,
                          err);
}

void show_client_release(struct show_client *c)
{
    if (!c->rk)
        return;
    rd_kafka_consumer_close(c->rk);
    rd_kafka_destroy(c->rk);
    c->rk = NULL;
}

/* ---- partitions ---- */

void show_partitions_release(struct show_partitions *p)
{
    for (unsigned i = 0; i < p->n; i++)
        free(p->v[i].topic);
    free(p->v);
    *p = (struct show_partitions){0};
}

static void partition_add(struct show_partitions *p, const char *topic, int32_t id)
{
    p->v = pl_realloc_array(p->v, p->n + 1, sizeof(*p->v));
    p->v[p->n++] = (struct show_partition){.topic = pl_strdup(topic),
                                           .id = id,
                                           .low = -1,
                                           .high = -1,
                                           .before = -1,
                                           .next = -1,
                                           .announced = {.end = -1}};
}

static int partition_compare(const void *a, const void *b)
{
    const struct show_partition *x = a, *y = b;
    int topic = strcmp(x->topic, y->topic);
    return topic != 0 ? topic : (x->id > y->id) - (x->id < y->id);
}

/* Reads the group's offset of each partition; `before`: into that, without its announcement. */
static int offsets_read(struct show_client *c, struct show_partitions *p, bool before,
                        struct pl_err *err)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)p->n);
    for (unsigned i = 0; i < p->n; i++)
        rd_kafka_topic_partition_list_add(list, p->v[i].topic, p->v[i].id);
    rd_kafka_resp_err_t code = rd_kafka_committed(c->rk, list, SHOW_KAFKA_MS);
    for (unsigned i = 0; i < p->n && !code; i++) {
        const rd_kafka_topic_partition_t *e = &list->elems[i];
        struct show_partition *v = &p->v[i];
        int64_t offset = e->offset >= 0 ? e->offset : -1;
        code = e->err;
        if (before) {
            v->before = offset;
            continue;
        }
        v->next = offset;
        v->foreign =
            offset >= 0 && !announcement_read(e->metadata, e->metadata_size, &v->announced);
    }
    return code ? pl_kafka_err(err, code, "cannot read the group's offsets") : 0;
}

int show_partitions_find(struct show_client *c, const struct route *route,
                         struct show_partitions *ret, struct pl_err *err)
{
    const rd_kafka_metadata_t *md;
    rd_kafka_resp_err_t code = rd_kafka_metadata(c->rk, 1, NULL, &md, SHOW_KAFKA_MS);
    if (code)
        return pl_kafka_err(err, code, "cannot list the topics");
    for (int i = 0; i < md->topic_cnt; i++)
        for (int k = 0; k < md->topics[i].partition_cnt && route_takes(route, md->topics[i].topic);
             k++)
            partition_add(ret, md->topics[i].topic, md->topics[i].partitions[k].id);
    rd_kafka_metadata_destroy(md);
    if (ret->n == 0)
        return 0;
    qsort(ret->v, ret->n, sizeof(*ret->v), partition_compare);
    return offsets_read(c, ret, true, err);
}

int show_partitions_read(struct show_client *c, struct show_partitions *p, struct pl_err *err)
{
    if (p->n == 0)
        return 0;
    if (offsets_read(c, p, false, err) < 0)
        return -1;
    for (unsigned i = 0; i < p->n; i++) {
        struct show_partition *v = &p->v[i];
        rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(c->rk, v->topic, v->id, &v->low,
                                                                    &v->high, SHOW_KAFKA_MS);
        if (code)
            return pl_kafka_err(err, code, "cannot read where topic %s begins and ends", v->topic);
    }
    return 0;
}

/* ---- members ---- */

int show_members_read(struct show_client *c, const char *group, struct show_members *ret,
                      struct pl_err *err)
{
    const struct rd_kafka_group_list *list;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(c->rk, group, &list, SHOW_KAFKA_MS);
    if (code && code != RD_KAFKA_RESP_ERR__PARTIAL)
        return pl_kafka_err(err, code, "cannot read who is in group %s", group);
    *ret = (struct show_members){.state = "Dead"};
    for (int i = 0; i < list->group_cnt; i++) {
        const struct rd_kafka_group_info *g = &list->groups[i];
        if (strcmp(g->group, group) != 0)
            continue;
        pl_text_copy(g->state, strlen(g->state), ret->state, sizeof(ret->state));
        ret->n = (unsigned)g->member_cnt;
        for (unsigned m = 0; m < ret->n && m < SHOW_MEMBERS_MAX; m++) {
            const char *client = g->members[m].client_id, *host = g->members[m].client_host;
            pl_text_copy(client, strlen(client), ret->v[m].client, sizeof(ret->v[m].client));
            pl_text_copy(host, strlen(host), ret->v[m].host, sizeof(ret->v[m].host));
        }
    }
    rd_kafka_group_list_destroy(list);
    return 0;
}
