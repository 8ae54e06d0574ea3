/* SPDX-License-Identifier: Apache-2.0 */
/*
 * element.h - one transaction object of the answer: its key, how many records its series has, and
 * how it is cut into several messages where one would be too large.
 *
 * The members' names are configured (api.record); these are the defaults. A part is the object
 * itself with `transactionSeries` replaced by a run of its elements: all other members are in each
 * part, and each record keeps its bytes. So a reader of whole objects can read a part, too. If
 * objects are configured to have no series, each is one record and is never cut.
 *
 *     {"a":1,"transactionSeries":[r1,r2,r3],"b":2}
 *     {"a":1,"transactionSeries":[r1,r2],"b":2}   {"a":1,"transactionSeries":[r3],"b":2}
 *
 * Pure. Threads: one owner.
 */
#ifndef WMFETCHD_API_ELEMENT_H
#define WMFETCHD_API_ELEMENT_H

#include "daemons/wmfetchd/conf.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

struct element {
    const struct wmfetchd_record_conf *conf;
    struct pl_slice bytes;  /* borrowed: good as long as they are */
    struct pl_slice series; /* within bytes, with its brackets; p NULL: none, or no array */
    bool is_transaction;    /* it has a series: an array, or null if empty */
    uint64_t records;       /* elements of the series */
    bool has_key;
    struct pl_buf key; /* transactionId (a text, or a number's text), else transactionName */
};

/* `bytes` is a valid JSON object (split.h); `conf` and `bytes` are borrowed. The struct is zeroed
 * before its first use and may be used again. */
void element_read(struct element *e, const struct wmfetchd_record_conf *conf,
                  struct pl_slice bytes);
void element_release(struct element *e);

/* REJECT for an object without a series: not a transaction but, say, a list of errors, which must
 * not pass for an answer. */
int element_check(const struct element *e, struct pl_err *err);

/* Into how many parts of at most `bytes_max` bytes the element is cut. CONFIG where it cannot be:
 * it has no series, or one record with the members around is too large alone. */
int element_parts(const struct element *e, size_t bytes_max, uint32_t *ret_n, struct pl_err *err);

/* Makes one part after another. */
struct element_cut {
    const struct element *element;
    size_t bytes_max;
    const char *p;   /* from here on in the series */
    uint64_t record; /* how many are done */
};
void element_cut_init(struct element_cut *c, const struct element *e, size_t bytes_max);
/* false: no more. Only where element_parts() said yes. */
bool element_cut_next(struct element_cut *c, struct pl_buf *out);

#endif
