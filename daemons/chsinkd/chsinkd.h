/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chsinkd.h - the daemon: from Kafka's topics into the output's tables.
 */
#ifndef CHSINKD_CHSINKD_H
#define CHSINKD_CHSINKD_H

#include "daemons/chsinkd/conf.h"
#include "lib/service/service.h"

struct chsinkd_mode {
    bool once;                  /* to the end of the topics as it is now */
    const struct route *replay; /* the dead letters of this route, once; NULL: the topics */
};

/* The service, or what `mode` asks for, until it is stopped or done; the service is configured.
 * Returns the exit status. */
int chsinkd_run(struct pl_service *service, const struct chsinkd_mode *mode);

#endif
