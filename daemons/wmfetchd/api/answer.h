/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.h - whether an answer itself reports an error or that it is only part of the data.
 *
 * An API can answer 200 with valid JSON and report in it that something went wrong, or that this is
 * page 1 of 14. A table of names in answer.c has the members that can: status, success, errors,
 * hasMore, next, totalPages, total … next to the array, or inside objects there that usually hold
 * them (meta, page, links …); and the headers Link (RFC 8288: rel=next) and X-Total-Count. Case,
 * '_' and '-' are ignored. `errors: []`, `next: null`, a `total` equal to the number of elements
 * and the like are harmless, and so is any name not in the table.
 *
 * There are two kinds, because only the first may go away on its own:
 *   FAILED  an error, or an unknown status: the same request may succeed later
 *   PART    one page of several, or fewer elements than there are: a person must ask for less
 *
 * api.answer.ignore removes names from the table ("total", "meta.count": as the error shows them);
 * api.answer.require gives the value that a member must have, and replaces the table for it.
 *
 * Limits: texts are truncated; objects are searched three levels deep; a member whose name is in
 * the table but which was too large to keep (split.h) counts as FAILED.
 *
 * Pure. Threads: one owner.
 */
#ifndef WMFETCHD_API_ANSWER_H
#define WMFETCHD_API_ANSWER_H

#include "daemons/wmfetchd/conf.h"
#include "lib/json/split.h"

enum answer_says { ANSWER_NOTHING, ANSWER_FAILED, ANSWER_PART };

#define ANSWER_NAME_MAX 128
#define ANSWER_TEXT_MAX 200

/* As received, truncated. It may contain one of our secrets. */
struct answer_text {
    char p[ANSWER_TEXT_MAX];
    size_t len;
};

struct answer {
    const struct wmfetchd_answer_conf *conf;
    /* The first problem found; an error outranks a part. */
    enum answer_says says;
    char name[ANSWER_NAME_MAX];
    struct answer_text value;   /* or "missing", "too large to be read" */
    struct answer_text message; /* the answer's own error text; empty: none */
    /* The name of some other array in the answer, for the error text; "": none. */
    char array[ANSWER_NAME_MAX];

    int64_t total; /* the largest found; -1: none */
    char total_name[ANSWER_NAME_MAX];
    uint32_t required; /* a bit for each of conf->require that was as required */
};

/* `conf` is borrowed. */
void answer_init(struct answer *a, const struct wmfetchd_answer_conf *conf);

/* A member of the answer; in any order, before answer_end(). */
void answer_member(struct answer *a, const struct pl_split_member *member);
/* A header of the answer, once for each value. Only Link and X-Total-Count matter. */
void answer_header(struct answer *a, const char *name, const char *value);

/* The verdict, given how many elements arrived. */
enum answer_says answer_end(struct answer *a, uint64_t elements);

/* Whether a Link header has a link with the relation "next". */
bool answer_link_is_next(const char *value);

#endif
