/* SPDX-License-Identifier: Apache-2.0 */
/*
 * real_clickhouse.h - a client of ClickHouse for tests, and, with CLICKHOUSE=http://127.0.0.1:PORT
 * in the environment, a real server as tests/services/clickhouse.sh starts it.
 */
#ifndef TESTS_UNIT_CHSINKD_REAL_CLICKHOUSE_H
#define TESTS_UNIT_CHSINKD_REAL_CLICKHOUSE_H

#include "daemons/chsinkd/clickhouse/client.h"
#include "tests/unit/unit.h"

#define TEXT(s) ((char *)(s))

static char *urls[2];
static struct clickhouse_conf conf;
static struct clickhouse *client; /* of the real server */

static inline void conf_set_up(const char *url, const char *database)
{
    urls[0] = TEXT(url);
    conf = (struct clickhouse_conf){
        .urls = {urls, 1},
        .database = TEXT(database),
        .user = TEXT("pipeline"),
        .password = {.value = TEXT("secret")},
        .connect_timeout_ms = 3000,
        .timeout_ms = 20000,
    };
}

static inline void real_do(const char *sql)
{
    struct pl_err err;
    ck_assert_msg(clickhouse_query(client, sql, NULL, &err) == 0, "%s: %s", sql, err.msg);
}

static inline void real_is(const char *sql, const char *want)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};
    struct pl_err err;
    ck_assert_msg(clickhouse_query(client, sql, &b, &err) == 0, "%s: %s", sql, err.msg);
    ck_assert_msg(strcmp(pl_buf_cstr(&b), want) == 0, "%s: %s", sql, b.data);
}

/* `database` is made anew. */
static inline void real_begin(const char *database)
{
    PL_FREE char *drop = pl_strf("DROP DATABASE IF EXISTS %s SYNC", database);
    PL_FREE char *create = pl_strf("CREATE DATABASE %s", database);

    conf_set_up(getenv("CLICKHOUSE"), "");
    client = clickhouse_new(&conf);
    real_do(drop);
    real_do(create);
}

static inline void real_tear_down(void)
{
    clickhouse_free(client);
}

#endif
