/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table_name.h - a table's name as one text, "table" or "database.table", where either may be
 * quoted as SQL does it, so that it can hold a dot: "my.db"."ev", `my.db`.ev.
 *
 * In quotes the mark is doubled or has a backslash before it, and a backslash is written twice, as
 * ClickHouse reads and writes names. Without quotes a text is taken as it is.
 *
 * Pure.
 */
#ifndef CHSINKD_ROUTE_TABLE_NAME_H
#define CHSINKD_ROUTE_TABLE_NAME_H

#include <stdbool.h>

#include "lib/base/err.h"

/* *ret_database: NULL where the text names none. Both to free(). CONFIG. */
int table_name_parse(const char *text, char **ret_database, char **ret_table, struct pl_err *err);

/* The one text of a table, for logs, tokens and kept positions, to free(): quoted (") is what else
 * would be read as something other; any other name stays as it is. No two tables have the same. */
char *table_name_text(const char *database, const char *table);

/* Whether it has a quoted part. */
bool table_name_is_quoted(const char *database, const char *table);

#endif
