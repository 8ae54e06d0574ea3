/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.c - the table of chsinkd's metrics.
 */
#include "daemons/chsinkd/metrics.h"

#define M(index, name, labels, type, help) [index] = {"chsinkd_" name, labels, type, help}

const struct pl_metric chsinkd_metrics[M_COUNT] = {
    M(M_RECEIVED, "messages_received_total", NULL, PL_COUNTER, "Messages read from Kafka."),
    M(M_DELIVERED, "messages_delivered_total", NULL, PL_COUNTER,
      "Messages whose rows are in the table."),
    M(M_DEAD, "messages_dead_lettered_total", NULL, PL_COUNTER,
      "Messages written to the dead-letter topic."),
    M(M_SKIPPED, "messages_skipped_total", NULL, PL_COUNTER,
      "Tombstones that a route skips; dead letters of other routes passed by --replay."),
    M(M_GIVEN_BACK, "messages_given_back_total", NULL, PL_COUNTER,
      "Messages dropped before insertion since their partition went, waits or was set aside; they "
      "are read again."),
    M(M_BYTES, "bytes_received_total", NULL, PL_COUNTER,
      "Bytes of message values read from Kafka."),
    M(M_ROWS, "rows_inserted_total", NULL, PL_COUNTER, "Rows in acknowledged inserts."),
    M(M_DEAD_ROWS, "dead_letters_total", NULL, PL_COUNTER,
      "Dead letters, one a message, also of messages whose other rows were inserted."),
    M(M_BATCHES, "batches_total", NULL, PL_COUNTER, "Batches inserted and committed."),
    M(M_RECOVERED, "batches_recovered_total", NULL, PL_COUNTER,
      "Announced ranges inserted again with their token."),
    M(M_RETRIES, "insert_retries_total", NULL, PL_COUNTER,
      "Inserts that failed and are tried again."),
    M(M_REFUSED, "batches_refused_total", NULL, PL_COUNTER,
      "Batches that the output refused for their content or size."),
    M(M_LOST, "messages_lost_total", NULL, PL_COUNTER,
      "Messages deleted by retention before they were read."),
    M(M_NULLED, "values_nulled_total", NULL, PL_COUNTER,
      "Unfit values stored as NULL by the column's policy."),
    M(M_CLAMPED, "values_clamped_total", NULL, PL_COUNTER,
      "Numbers out of range stored as the nearest that fits (on_overflow: clamp)"),
    M(M_DEFAULTED, "values_defaulted_total", NULL, PL_COUNTER,
      "Absent values stored as default by the policy."),
    M(M_FILTERED, "rows_filtered_total", NULL, PL_COUNTER,
      "Rows that a route's when does not take."),
    M(M_UNKNOWN_FIELDS, "unknown_fields_total", NULL, PL_COUNTER, "Fields that no column takes."),
    M(M_COLUMNS_ADDED, "columns_added_total", NULL, PL_COUNTER,
      "Columns that new fields have got (unknown_fields: add)."),
    M(M_IN_FLIGHT, "messages_in_flight", NULL, PL_GAUGE, "Messages read but not yet committed."),
    M(M_LAG, "lag_messages", NULL, PL_GAUGE,
      "Messages in the assigned partitions behind the last one read."),
    M(M_PARTITIONS, "partitions_assigned", NULL, PL_GAUGE, "Partitions assigned to this instance."),
    M(M_ASIDE, "partitions_aside", NULL, PL_GAUGE,
      "Assigned partitions that are not read: their table needs a person, or where to begin is not "
      "known."),
    M(M_MEMORY, "memory_held_bytes", NULL, PL_GAUGE, "Bytes held in batches."),
    M(M_BATCH_ROWS_LAST, "batch_rows_last", NULL, PL_GAUGE, "Rows of the last batch."),
    M(M_INSERT_SECONDS, "insert_seconds", NULL, PL_HISTOGRAM, "Duration of inserts."),
    M(M_COMMIT_SECONDS, "commit_seconds", NULL, PL_HISTOGRAM, "Duration of commits to the group."),
    M(M_DELAY_SECONDS, "delay_seconds", NULL, PL_HISTOGRAM,
      "From the message's timestamp to its row, of each batch's newest message."),
};

static const unsigned received[] = {M_RECEIVED};
static const unsigned accounted[] = {M_DELIVERED, M_DEAD, M_SKIPPED, M_GIVEN_BACK};
const struct pl_conservation chsinkd_law = {received, accounted, 1, 4};
