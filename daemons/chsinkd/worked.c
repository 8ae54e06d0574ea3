/* SPDX-License-Identifier: Apache-2.0 */
/* worked.c - see worked.h. */
#include "daemons/chsinkd/worked.h"

#include <string.h>

#define LOOK_MS 5000

static void topic_add(rd_kafka_topic_partition_list_t *list, const rd_kafka_metadata_topic_t *t)
{
    for (int i = 0; i < t->partition_cnt; i++)
        rd_kafka_topic_partition_list_add(list, t->topic, t->partitions[i].id);
}

/* The partitions of the routes' topics. Metadata lacks topics that we may not see: partition 0 of
 * those is asked for too, and refused. false: a pattern matches none, so there are none or we may
 * not see them. */
static bool partitions_add(const struct sink *s, const rd_kafka_metadata_t *md,
                           rd_kafka_topic_partition_list_t *list)
{
    bool all = true;
    for (unsigned r = 0; r < s->routes_n; r++) {
        const struct route *route = s->routes[r].route;
        bool seen = false;
        for (int i = 0; i < md->topic_cnt; i++)
            if (route_takes(route, md->topics[i].topic)) {
                topic_add(list, &md->topics[i]);
                seen = true;
            }
        if (!seen && route->topic)
            rd_kafka_topic_partition_list_add(list, route->topic, 0);
        all &= seen || route->topic;
    }
    return all;
}

enum pl_worked worked_look(struct sink *s)
{
    PL_CLEANUP(rd_kafka_topic_partition_list_destroyp)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    const rd_kafka_metadata_t *md;
    struct pl_err err;
    if (pl_metrics_get(s->metrics, M_DELIVERED) + pl_metrics_get(s->metrics, M_DEAD) > 0)
        return PL_WORKED;
    if (!s->rk && consumer_new(s, &err) < 0)
        return PL_WORKED_UNKNOWN;
    if (rd_kafka_metadata(s->rk, 1, NULL, &md, LOOK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return PL_WORKED_UNKNOWN;
    enum pl_worked worked = partitions_add(s, md, list) ? PL_WORKED_NEVER : PL_WORKED_UNKNOWN;
    rd_kafka_metadata_destroy(md);
    if (list->cnt == 0)
        return worked;
    if (rd_kafka_committed(s->rk, list, LOOK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return PL_WORKED_UNKNOWN;
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].offset >= 0)
            return PL_WORKED;
        if (list->elems[i].err && list->elems[i].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            worked = PL_WORKED_UNKNOWN;
    }
    return worked;
}
