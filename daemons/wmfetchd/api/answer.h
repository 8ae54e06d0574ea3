/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.h - whether an answer says of itself that it is not all that was asked for.
 *
 * An API can answer 200 with valid JSON and say in it that something went wrong, or that this is
 * page 1 of 14. What it can say so by is a table of names in answer.c: status, success, errors,
 * hasMore, next, totalPages, total … as members around the array, or inside objects there that
 * hold such things (meta, page, links …), and the headers Link (RFC 8288: rel=next) and
 * X-Total-Count. Upper and lower case, '_' and '-' make no difference. `errors: []`, `next: null`,
 * `total` equal to the number of elements and the like speak for nothing; nor does any name that is
 * not in the table.
 *
 * Two kinds, since one of them passes and the other does not:
 *   FAILED  an error, or an unknown status: the same request may succeed later
 *   PART    a page of several, or fewer elements than there are: a person must ask for less
 *
 * api.answer.ignore takes names out of it ("total", "meta.count": as the error shows them), and
 * api.answer.require says which value a member must have; nothing else is read into that one then.
 *
 * Limits: the texts that are kept are cut; objects are looked into three levels deep; a member that
 * was too large to be kept (split.h) and whose name is in the table counts against the answer.
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

/* As it came, cut. It may hold a secret of ours. */
struct answer_text {
    char p[ANSWER_TEXT_MAX];
    size_t len;
};

struct answer {
    const struct wmfetchd_answer_conf *conf;
    /* What speaks against it: the first, but an error rather than a part. */
    enum answer_says says;
    char name[ANSWER_NAME_MAX];
    struct answer_text value;   /* or "missing", "too large to be read" */
    struct answer_text message; /* what the answer says in words; empty: nothing */
    /* An array that is not the one: its name, for a person; "": none. */
    char array[ANSWER_NAME_MAX];

    int64_t total; /* the largest; -1: none */
    char total_name[ANSWER_NAME_MAX];
    uint32_t required; /* those of conf->require that were right, a bit each */
};

void answer_init(struct answer *a, const struct wmfetchd_answer_conf *conf);

/* In any order, before answer_end(). */
void answer_member(struct answer *a, const struct pl_split_member *member);
/* A header that is there: name and value of Link (each of several) and X-Total-Count; others are
 * passed over. */
void answer_header(struct answer *a, const char *name, const char *value);

/* What it says in all, knowing how many elements came. */
enum answer_says answer_end(struct answer *a, uint64_t elements);

/* Whether a Link header has a link with the relation "next". */
bool answer_link_is_next(const char *value);

#endif
