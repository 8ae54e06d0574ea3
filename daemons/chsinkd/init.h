/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.h - --init: what a first configuration asks, and how it is tried. Threads: one.
 */
#ifndef CHSINKD_INIT_H
#define CHSINKD_INIT_H

#include "lib/service/init.h"

extern const struct pl_init chsinkd_init;

#endif
