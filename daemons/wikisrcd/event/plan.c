/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c - see plan.h. */
#include "daemons/wikisrcd/event/plan.h"

#include <ctype.h>

#include "daemons/wikisrcd/event/fields.h"
#include "daemons/wikisrcd/event/filter.h"
#include "daemons/wikisrcd/event/redact.h"

/* As many as can be configured; further streams, and odd names, are not watched. */
#define STREAMS_MAX     64
#define STREAM_NAME_MAX 120

struct stream {
    char *name;
    uint64_t events;     /* seen by the filter */
    bool *found;         /* for each condition of the filter: at least once */
    unsigned told;       /* conditions that plan_absence_take() has passed */
    uint64_t redactions; /* the same for events and rules of `redact` */
    bool *redact_found;
    bool redact_told;
};

struct plan {
    struct event_wants wants, keys; /* keys: for redacted bytes */
    struct filter *filter;
    struct redact *redact; /* NULL: nothing is */
    struct pl_buf redacted;
    struct stream streams[STREAMS_MAX];
    unsigned streams_n;
    struct pl_buf absent; /* paths, for plan_absence_take() */
    struct stream rest;   /* redactions in events of no stream, or of one that is not watched */
};

static void keys_want(struct event_wants *wants, const struct pl_strings *keys)
{
    for (size_t i = 0; i < keys->n && keys->v[i][0]; i++) {
        const char *paths[EVENT_FIELD_PATHS_MAX];
        unsigned n = event_field_paths(keys->v[i], paths);
        for (unsigned k = 0; k < n; k++)
            event_wants_key(wants, paths[k]);
    }
}

struct plan *plan_new(const struct wikisrcd_conf *conf, bool shown)
{
    struct plan *p = pl_alloc(sizeof(*p));
    event_wants_init(&p->wants, shown);
    keys_want(&p->wants, &conf->key);
    p->filter = filter_new(&conf->filter, &p->wants);
    if (!conf->redact)
        return p;
    event_wants_init(&p->keys, false);
    keys_want(&p->keys, &conf->key);
    struct redact_rules rules;
    struct pl_findings errs; /* they were checked */
    pl_findings_init(&errs);
    redact_rules_parse(conf->redact, &rules, &errs);
    if (rules.n > 0)
        p->redact = redact_new(&rules, conf->redact_key.value);
    p->rest.redact_found = pl_alloc_array(rules.n, sizeof(*p->rest.redact_found));
    redact_rules_release(&rules);
    pl_findings_release(&errs);
    return p;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->streams_n; i++) {
        free(p->streams[i].name);
        free(p->streams[i].found);
        free(p->streams[i].redact_found);
    }
    free(p->rest.redact_found);
    filter_free(p->filter);
    redact_free(p->redact);
    pl_buf_release(&p->redacted);
    pl_buf_release(&p->absent);
    event_wants_release(&p->wants);
    event_wants_release(&p->keys);
    free(p);
}

void plan_read(struct plan *p, struct event *event, const char *data, size_t len)
{
    filter_reset(p->filter);
    event_read(event, data, len, &p->wants);
}

bool plan_passes(const struct plan *p, const struct event *event)
{
    return event->malformed || filter_passes(p->filter);
}

bool plan_redact(struct plan *p, struct event *event, struct pl_slice data, struct pl_slice *ret,
                 const char **ret_why)
{
    if (!p->redact) {
        *ret = data;
        return true;
    }
    pl_buf_reset(&p->redacted);
    if (!redact_apply(p->redact, data.p ? data.p : "", data.len, &p->redacted, ret_why))
        return false;
    *ret = (struct pl_slice){p->redacted.data, p->redacted.len};
    event_key_read(event, ret->p, ret->len, &p->keys);
    return true;
}

/* ---- absences ---- */

static struct stream *stream_of(struct plan *p, const struct event *event)
{
    const struct pl_json_str *name = &event->stream;
    if (!name->p)
        return NULL;
    for (unsigned i = 0; i < p->streams_n; i++)
        if (pl_json_str_eq(name, p->streams[i].name))
            return &p->streams[i];
    if (name->len > STREAM_NAME_MAX || p->streams_n == STREAMS_MAX)
        return NULL;
    for (size_t i = 0; i < name->len; i++) /* it is shown in STATUS */
        if (!isalnum((unsigned char)name->p[i]) && !strchr("._-", name->p[i]))
            return NULL;
    struct stream *s = &p->streams[p->streams_n++];
    s->name = pl_strndup(name->p, name->len);
    s->found = pl_alloc_array(filter_conditions(p->filter), sizeof(*s->found));
    s->redact_found =
        pl_alloc_array(p->redact ? redact_rules_n(p->redact) : 0, sizeof(*s->redact_found));
    return s;
}

bool plan_account(struct plan *p, const struct event *event)
{
    unsigned n = filter_conditions(p->filter);
    bool absent = false;
    if (event->malformed || event->canary)
        return false;
    struct stream *s = n > 0 ? stream_of(p, event) : NULL;
    for (unsigned i = 0; i < n; i++) {
        bool lacks = filter_lacks(p->filter, i);
        absent |= lacks;
        if (s && !lacks)
            s->found[i] = true;
    }
    if (s)
        s->events++;
    return absent;
}

bool plan_redact_account(struct plan *p, const struct event *event)
{
    bool absent = false;
    if (!p->redact || event->canary)
        return false;
    struct stream *s = stream_of(p, event);
    if (!s)
        s = &p->rest;
    for (size_t i = 0; i < redact_rules_n(p->redact); i++) {
        bool found = redact_found(p->redact, i);
        absent |= !found;
        s->redact_found[i] |= found;
    }
    s->redactions++;
    return absent;
}

/* All of a stream's at once: other streams' fields are many, and a line for each would hide what
 * matters. */
static bool redact_absence_take(struct plan *p, struct stream *s, uint64_t looks,
                                struct plan_absence *ret)
{
    if (!p->redact || s->redact_told || s->redactions < looks || s->redactions == 0)
        return false;
    s->redact_told = true;
    pl_buf_reset(&p->absent);
    for (size_t i = 0; i < redact_rules_n(p->redact); i++)
        if (!s->redact_found[i])
            pl_buf_addf(&p->absent, "%s%s", p->absent.len > 0 ? ", " : "",
                        redact_path(p->redact, i));
    *ret = (struct plan_absence){
        .option = "redact", .paths = pl_buf_cstr(&p->absent), .stream = s->name, .redacts = true};
    return p->absent.len > 0;
}

static void absence_make(const struct plan *p, const struct stream *s, unsigned i,
                         struct plan_absence *ret)
{
    *ret = (struct plan_absence){.option = filter_option(p->filter, i),
                                 .paths = filter_paths(p->filter, i),
                                 .stream = s->name,
                                 .drops = filter_needs(p->filter, i)};
}

bool plan_absence_take(struct plan *p, uint64_t looks, uint64_t redact_looks,
                       struct plan_absence *ret)
{
    for (unsigned k = 0; k < p->streams_n; k++) {
        struct stream *s = &p->streams[k];
        while (s->events >= looks && s->told < filter_conditions(p->filter)) {
            unsigned i = s->told++;
            if (s->found[i])
                continue;
            absence_make(p, s, i, ret);
            return true;
        }
        if (redact_absence_take(p, s, redact_looks, ret))
            return true;
    }
    return redact_absence_take(p, &p->rest, redact_looks, ret);
}

const char *plan_absence_result(const struct plan_absence *a)
{
    return a->redacts ? "nothing is taken out"
           : a->drops ? "all events are left out"
                      : "none is left out";
}

bool plan_absence_now(const struct plan *p, struct plan_absence *ret)
{
    bool found = false;
    for (unsigned k = 0; k < p->streams_n; k++)
        for (unsigned i = 0; i < p->streams[k].told; i++) {
            if (p->streams[k].found[i] || (found && !filter_needs(p->filter, i)))
                continue;
            absence_make(p, &p->streams[k], i, ret);
            found = true;
            if (ret->drops)
                return true;
        }
    return found;
}
