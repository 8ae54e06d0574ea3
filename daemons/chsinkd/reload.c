/* SPDX-License-Identifier: Apache-2.0 */
/* reload.c - see reload.h. */
#include "daemons/chsinkd/reload.h"

#include "lib/base/clock.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int route_try(const struct output_kind *kind, const void *conf, struct output *o,
                     const struct route *r, struct pl_err *err)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf plan = {0};
    const struct output_ensure how = {.dry_run = true, .ret_plan = &plan};
    struct output_state state;
    struct output_target *target = kind->target_new(conf, r);
    int rc = kind->ensure(o, target, &how, &state, err);
    kind->target_free(target);
    return rc;
}

int reload_try(struct chsinkd_conf *fresh, struct pl_err *err)
{
    fresh->clickhouse.connect_timeout_ms =
        least(fresh->clickhouse.connect_timeout_ms, RELOAD_CALL_MS);
    fresh->clickhouse.timeout_ms = least(fresh->clickhouse.timeout_ms, RELOAD_CALL_MS);
    const void *conf;
    const struct output_kind *kind = chsinkd_conf_output(fresh, &conf);
    if (!kind->beside)
        return 0;
    const int64_t end_ms = pl_clock_monotonic_ms() + RELOAD_ALL_MS;
    struct output *o = kind->open(conf);
    int rc = 0;
    for (unsigned i = 0; i < fresh->routes_n && rc == 0 && pl_clock_monotonic_ms() < end_ms; i++) {
        rc = route_try(kind, conf, o, fresh->routes[i], err);
        if (rc < 0 && err->kind == PL_ERR_CONFIG)
            pl_err_prefix(err, "route %s", fresh->routes[i]->name);
    }
    kind->close(o);
    return rc < 0 && err->kind == PL_ERR_CONFIG ? -1 : 0;
}
