/* SPDX-License-Identifier: Apache-2.0 */
/* agree.c - see agree.h. */
#include "daemons/chsinkd/show/agree.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct show_agreement say(enum show_verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static struct show_agreement say(enum show_verdict verdict, const char *fmt, ...)
{
    struct show_agreement a = {.verdict = verdict};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a.text, sizeof(a.text), fmt, ap);
    va_end(ap);
    return a;
}

/* Rows of what is announced, or was in doubt when it was, may be there. */
static int64_t may_end(const struct show_partition *p)
{
    int64_t end = p->next;
    if (p->announced.end > end)
        end = p->announced.end;
    return p->announced.until > end ? p->announced.until : end;
}

static struct show_agreement agree_rows(const struct show_partition *p, int64_t there)
{
    if (p->next < 0 && there < 0)
        return say(SHOW_AGREES, "nothing is loaded yet");
    if (p->next < 0)
        return say(SHOW_DIFFERS,
                   "the group has no offset, and there are rows up to %" PRId64
                   ": a start goes on as offsets_lost says",
                   there);
    if (there > may_end(p))
        return say(SHOW_DIFFERS,
                   "there are rows up to %" PRId64 ", %" PRId64
                   " offsets beyond the group's: was the group set back, the topic made again, or "
                   "is another group loading?",
                   there, there - may_end(p));
    if (there > p->next)
        return say(SHOW_AGREES, "the announced range is being inserted: its commit follows");
    if (there < 0 && p->next > 0)
        return say(SHOW_UNCLEAR,
                   "the group has passed offset %" PRId64
                   ", and there are no rows of this partition: none fitted, or they were removed",
                   p->next);
    return say(SHOW_AGREES, "%s", "");
}

static struct show_agreement agree_kept(const struct show_partition *p, int64_t there)
{
    if (there < 0 && p->before < 0)
        return say(SHOW_AGREES, "nothing is loaded yet");
    if (there < 0)
        return say(SHOW_DIFFERS,
                   "the group is at %" PRId64
                   ", and the output keeps no position of it: was the file or table replaced?",
                   p->before);
    if (p->before > there)
        return say(SHOW_DIFFERS,
                   "the group is %" PRId64 " offsets ahead of the output's position %" PRId64
                   ": was an older copy put back? A start goes on at the output's",
                   p->before - there, there);
    if (there > p->next)
        return say(SHOW_AGREES, "the output is ahead: the group's commit follows");
    return say(SHOW_AGREES, "%s", "");
}

struct show_agreement show_agree(const struct show_partition *p, int64_t there, bool kept)
{
    if (p->next >= 0 && p->high >= 0 && p->next > p->high)
        return say(SHOW_DIFFERS,
                   "the topic ends at %" PRId64 ", before the group's offset %" PRId64
                   ": was it made again?",
                   p->high, p->next);
    return kept ? agree_kept(p, there) : agree_rows(p, there);
}

const char *show_verdict_name(enum show_verdict verdict)
{
    switch (verdict) {
    case SHOW_AGREES:
        return "yes";
    case SHOW_DIFFERS:
        return "NO";
    case SHOW_UNCLEAR:
        return "unclear";
    }
    return "";
}

int64_t show_lag(const struct show_partition *p)
{
    if (p->high < 0)
        return -1;
    int64_t from = p->next > p->low ? p->next : p->low;
    return p->high > from ? p->high - from : 0;
}

const struct output_place_fact *show_place(const struct output_facts *f, const char *topic,
                                           int32_t partition)
{
    for (unsigned i = 0; i < f->places_n; i++)
        if (f->places[i].partition == partition && strcmp(f->places[i].topic, topic) == 0)
            return &f->places[i];
    return NULL;
}
