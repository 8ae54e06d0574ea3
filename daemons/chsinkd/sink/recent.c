/* SPDX-License-Identifier: Apache-2.0 */
/* recent.c - see recent.h. */
#include "daemons/chsinkd/sink/recent.h"

#include <stdio.h>
#include <string.h>

void recent_batch_add(struct recent *r, const struct recent_batch *b)
{
    r->batches[r->batches_n++ % RECENT_BATCHES] = *b;
}

const struct recent_batch *recent_batch(const struct recent *r, unsigned back)
{
    if (back >= RECENT_BATCHES || back >= r->batches_n)
        return NULL;
    return &r->batches[(r->batches_n - 1 - back) % RECENT_BATCHES];
}

const char *recent_token_text(const struct recent_batch *b, char *out, size_t size)
{
    const struct recent_token *t = &b->token;
    const char *how = t->halved     ? "inserted, halved"
                      : t->position ? "inserted with its position"
                                    : "inserted";
    if (t->looked && t->all)
        return "looked up: all rows were there";
    if (t->looked && t->some)
        return "looked up: the missing rows inserted";
    if (t->looked)
        return "looked up: none was there, inserted";
    if (b->rows == 0)
        return b->letters > 0 ? "dead letters only" : "no rows";
    if (t->recovered)
        return "recovered by the same token";
    if (t->inserts <= 1)
        return how;
    snprintf(out, size, "%s%s, try %u", how, t->position ? "" : " by the same token", t->inserts);
    return out;
}

/* "column x: not a number (byte 17)" without the place; of a refusal not what the server says,
 * which may quote the row. */
static void reason_shorten(const char *reason, const char *output, char *out, size_t size)
{
    size_t len = strlen(output);
    const char *place = strstr(reason, " (byte ");
    if (strncmp(reason, output, len) == 0 && reason[len] == ':')
        snprintf(out, size, "refused by %s (the dead letter says why)", output);
    else
        snprintf(out, size, "%.*s", place ? (int)(place - reason) : (int)strlen(reason), reason);
}

/* Where it is; else a free place. NULL: there is none. */
static struct recent_reason *reason_find(struct recent *r, const char *route, const char *text)
{
    for (unsigned i = 0; i < r->reasons_n; i++)
        if (strcmp(r->reasons[i].route, route) == 0 && strcmp(r->reasons[i].text, text) == 0)
            return &r->reasons[i];
    if (r->reasons_n == RECENT_REASONS)
        return NULL;
    struct recent_reason *fresh = &r->reasons[r->reasons_n++];
    *fresh = (struct recent_reason){.route = route};
    snprintf(fresh->text, sizeof(fresh->text), "%s", text);
    return fresh;
}

void recent_letter_add(struct recent *r, const char *route, const char *reason, const char *output,
                       int64_t now_ms)
{
    char text[sizeof(r->reasons[0].text)];
    reason_shorten(reason, output, text, sizeof(text));
    struct recent_reason *found = reason_find(r, route, text);
    if (!found) {
        r->others++;
        return;
    }
    found->count++;
    found->at_ms = now_ms;
}
