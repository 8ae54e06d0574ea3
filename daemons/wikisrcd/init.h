/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.h - --init: what a first configuration asks, and how it is tried. Threads: one.
 */
#ifndef WIKISRCD_INIT_H
#define WIKISRCD_INIT_H

#include "lib/service/init.h"

extern const struct pl_init wikisrcd_init;

#endif
