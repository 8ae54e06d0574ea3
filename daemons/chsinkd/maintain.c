/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maintain.c - see maintain.h.
 */
#include "daemons/chsinkd/maintain.h"

#include <stdio.h>

#include "lib/base/clock.h"

int maintain_run(const struct chsinkd_conf *conf, bool do_it, struct pl_err *err)
{
    const void *output_conf;
    const struct output_kind *kind = chsinkd_conf_output(conf, &output_conf);
    if (!kind->maintain)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "%s needs no --maintain: it keeps house by itself",
                          kind->name);
    struct output *o = kind->open(output_conf);
    struct pl_buf plan = {0};
    const struct output_maintain how = {
        .dry_run = !do_it, .now_ms = pl_clock_realtime_ms(), .ret_plan = &plan};
    int rc = 0;
    for (unsigned i = 0; i < conf->routes_n; i++) {
        struct output_target *target = kind->target_new(output_conf, conf->routes[i]);
        struct pl_err failed;
        if (kind->maintain(o, target, &how, &failed) < 0) {
            pl_buf_addf(&plan, "%s: %s\n", target->name, failed.msg);
            if (rc == 0)
                *err = failed;
            rc = -1;
        }
        kind->target_free(target);
    }
    kind->close(o);
    fputs(pl_buf_cstr(&plan), stdout);
    if (!do_it)
        fputs("Nothing was changed: chsinkd --maintain yes does it.\n", stdout);
    pl_buf_release(&plan);
    return rc;
}
