/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.h - --init: what a first configuration asks, and how it is tried. Threads: one.
 */
#ifndef WMFETCHD_INIT_H
#define WMFETCHD_INIT_H

#include "lib/service/init.h"

extern const struct pl_init wmfetchd_init;

#endif
