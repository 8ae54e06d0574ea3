/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grow.h - `unknown_fields: add` at an output: the columns that a table got by it (route/added.h),
 * and further ones.
 *
 * Calls block as those of the output do. Threads: the output's owner.
 */
#ifndef CHSINKD_OUTPUT_GROW_H
#define CHSINKD_OUTPUT_GROW_H

#include "daemons/chsinkd/output/output.h"
#include "daemons/chsinkd/route/added.h"

/* Gives a route, which nobody uses yet, the columns that its table got before. *ret_n: how many.
 * Nothing where the route adds none. RETRY, CONFIG. */
int output_take(const struct output_kind *kind, const void *conf, struct output *o, struct route *r,
                unsigned *ret_n, struct pl_err *err);

/* Adds columns to the target's table, of which one has no column of that name. `ret_there` is what
 * the table has then, whoever made it, as far as it could be asked, also after an error: of several
 * that add a column at once one is first, and its type counts. RETRY, CONFIG. */
int output_grow(const struct output_kind *kind, const void *conf, struct output *o,
                const struct output_target *t, const struct column_notes *want,
                struct column_notes *ret_there, struct pl_err *err);

#endif
