/* SPDX-License-Identifier: Apache-2.0 */
/* remade.c - see remade.h. */
#include "daemons/chsinkd/sink/work/remade.h"

#include "lib/log/log.h"

void remade_say(void *userdata, const char *what, const char *name)
{
    const struct output_target *t = userdata;
    pl_log(PL_WARNING, PL_EVENT_TABLE_REMADE,
           "missing while running, and made again: was it dropped or renamed?",
           PL_F_STR("WHAT", what), PL_F_STR("NAME", name), PL_F_STR("TABLE", t->route->table),
           PL_F_STR("DATABASE", t->database), PL_F_STR("ROUTE", t->route->name));
}
