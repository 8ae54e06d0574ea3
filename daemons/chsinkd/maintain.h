/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maintain.h - --maintain: the housekeeping of the routes' tables, shown or done. Beside a service
 * that is loading, or none; Kafka is not asked.
 */
#ifndef CHSINKD_MAINTAIN_H
#define CHSINKD_MAINTAIN_H

#include "daemons/chsinkd/conf.h"

/* On standard output. All tables are gone through; the first error is returned, the others are
 * shown. CONFIG: the output needs none. */
int maintain_run(const struct chsinkd_conf *conf, bool do_it, struct pl_err *err);

#endif
