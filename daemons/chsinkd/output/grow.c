/* SPDX-License-Identifier: Apache-2.0 */
/* grow.c - see grow.h. */
#include "daemons/chsinkd/output/grow.h"

int output_take(const struct output_kind *kind, const void *conf, struct output *o, struct route *r,
                unsigned *ret_n, struct pl_err *err)
{
    PL_CLEANUP(column_notes_release) struct column_notes there = {0};
    *ret_n = 0;
    if (r->add.after == 0 || !kind->columns)
        return 0;
    struct output_target *t = kind->target_new(conf, r);
    int rc = kind->columns(o, t, &there, err);
    kind->target_free(t);
    if (rc == 0)
        *ret_n = added_take(r, &there);
    return rc;
}

/* Those that the table has no column for. */
static void missing_find(const struct column_notes *want, const struct column_notes *there,
                         struct column_notes *ret)
{
    for (unsigned i = 0; i < want->n; i++) {
        const struct column_note *w = &want->v[i];
        if (!column_notes_find(there, w->name))
            column_notes_add(ret, w->name, w->type, w->comment);
    }
}

int output_grow(const struct output_kind *kind, const void *conf, struct output *o,
                const struct output_target *t, const struct column_notes *want,
                struct column_notes *ret_there, struct pl_err *err)
{
    PL_CLEANUP(column_notes_release) struct column_notes before = {0}, missing = {0}, after = {0};
    struct output_state state;
    struct pl_err failed;
    if (kind->columns(o, t, &before, err) < 0)
        return -1;
    missing_find(want, &before, &missing);
    if (missing.n == 0) {
        *ret_there = before;
        before = (struct column_notes){0};
        return 0;
    }
    struct route *grown = added_grow(t->route, &missing);
    struct output_target *target = kind->target_new(conf, grown);
    int rc = kind->ensure(o, target, NULL, &state, err);
    kind->target_free(target);
    added_grown_free(grown, t->route);
    if (kind->columns(o, t, &after, rc < 0 ? &failed : err) < 0)
        return -1;
    *ret_there = after;
    after = (struct column_notes){0};
    return rc;
}
