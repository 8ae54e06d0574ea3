/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group.h - Kafka's side of --show: where the group is in its topics, and who is in it. Reads only;
 * no group is joined.
 *
 * Calls block, each up to SHOW_KAFKA_MS. Threads: one owner.
 */
#ifndef CHSINKD_SHOW_GROUP_H
#define CHSINKD_SHOW_GROUP_H

#include "daemons/chsinkd/conf.h"
#include "daemons/chsinkd/sink/protocol/announce.h"
#include "lib/kafka/client.h"

/* Offsets may wait for a transaction that a killed sink has left open. */
#define SHOW_KAFKA_MS (CHSINKD_TRANSACTION_TIMEOUT_MS + 5000)

struct show_client {
    struct pl_kafka_health health;
    rd_kafka_t *rk;
};
/* A consumer with that group.id, which joins nothing. Not to be copied. */
int show_client_new(struct show_client *c, const struct chsinkd_conf *conf, const char *group,
                    struct pl_err *err);
void show_client_release(struct show_client *c);

struct show_partition {
    char *topic;
    int32_t id;
    int64_t low, high; /* what can be read: from low to before high; -1: not known */
    int64_t before;    /* the group's offset when the output was not asked yet; -1: none */
    int64_t next;      /* and when it had been; -1: none */
    struct partition_announcement announced; /* end -1: none */
    bool foreign;                            /* the offset's metadata is not ours */
};

struct show_partitions { /* zero-initialise */
    struct show_partition *v;
    unsigned n;
};
void show_partitions_release(struct show_partitions *p);

/* The partitions of the topics that a route takes, and the group's offsets as `before`. A topic
 * that does not exist has none. */
int show_partitions_find(struct show_client *c, const struct route *route,
                         struct show_partitions *ret, struct pl_err *err);
/* Offsets and announcements as they are now, and where the partitions begin and end. */
int show_partitions_read(struct show_client *c, struct show_partitions *p, struct pl_err *err);

#define SHOW_MEMBERS_MAX 8

struct show_members {
    char state[32]; /* Kafka's: "Stable", "Empty", "Dead" … */
    unsigned n;
    struct {
        char client[128], host[128];
    } v[SHOW_MEMBERS_MAX]; /* the first of them */
};
int show_members_read(struct show_client *c, const char *group, struct show_members *ret,
                      struct pl_err *err);

#endif
