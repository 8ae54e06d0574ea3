/* SPDX-License-Identifier: Apache-2.0 */
/*
 * presence.h - what a table has already of a range of offsets: asked before rows are inserted
 * whose token the table may have forgotten.
 *
 * The table is asked how many rows it has of each offset. As many as the batch, or more: the
 * message's rows are there. None: all are missing. Between: an insert over several of the table's
 * partitions was cut, or one of a message in halves; then the rows themselves are read and
 * compared. Each row that is there takes one out of the batch, so that in the end the table has
 * as many rows of the message as the batch.
 *
 * The look-up is right where the table keeps every row until then, so not past a TTL, a DELETE or
 * a row policy. Of the engines only those are asked that keep rows; a ReplacingMergeTree is, too,
 * but only whether it has everything: what is missing may have been replaced, and is sent again
 * with all the rest, in order, so that the same rows win (a view of it counts them twice). FINAL
 * is not used: it would hide rows that are there.
 *
 * An offset is a message's only as long as the topic is the same. Where that is not known
 * (struct output_range's `compare`), the rows of one message are read and compared as well: the
 * last of which anything is there, since the table's highest offset is what the place rests on.
 *
 * A replica must have what the others have: with several URLs, or one that leads to several
 * servers, the insert may have gone to another one. A replica that is behind is told to catch up
 * (SYSTEM SYNC REPLICA), and must, before it is asked.
 */
#ifndef CHSINKD_CLICKHOUSE_PRESENCE_H
#define CHSINKD_CLICKHOUSE_PRESENCE_H

#include "daemons/chsinkd/batch/batch.h"
#include "daemons/chsinkd/clickhouse/client.h"

/* What an engine does with rows: keeps them all, keeps the last of each key, or anything else. */
enum presence { PRESENCE_ROWS, PRESENCE_KEYS, PRESENCE_NONE };
enum presence presence_of_engine(const char *engine); /* its name, as in system.tables */

struct presence_table {
    const struct route *route;
    const char *database; /* NULL or "": the connection's */
};
bool presence_route_places(const struct route *r); /* columns of topic, partition and offset */
/* These, and only columns that can be compared (rows_match.h) where a message has several rows: two
 * rows may differ in nothing else. */
bool presence_route_can(const struct route *r);

/* As struct output_kind's holds() and position(). */
int presence_holds(struct clickhouse *c, const struct presence_table *t,
                   const struct output_range *range, struct batch *b, struct output_found *ret,
                   struct pl_err *err);
int presence_position(struct clickhouse *c, const struct presence_table *t, const char *topic,
                      int32_t partition, int64_t *ret_offset, struct pl_err *err);

#endif
