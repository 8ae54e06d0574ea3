/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_answer.h - what S3 answers: the elements of its XML that matter, and what a status with an
 * error code means.
 *
 * Pure: no I/O. Threads: any.
 */
#ifndef CHSINKD_ICEBERG_S3_ANSWER_H
#define CHSINKD_ICEBERG_S3_ANSWER_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

/* ---- XML as S3 writes it: elements and text; attributes, comments, declarations and prefixes are
 * passed over; no document types ---- */

enum s3_xml_event {
    S3_XML_BEGIN, /* an element begins; `text` is its name without a prefix */
    S3_XML_TEXT,  /* a piece of its text, for s3_xml_text_add() */
    S3_XML_END,   /* an element ends; `text` is its name */
    S3_XML_DONE,  /* the root element has ended: what follows is not read */
    S3_XML_BAD,   /* malformed, or cut */
};

#define S3_XML_DEPTH_MAX 16

struct s3_xml {
    const char *p, *end;
    struct pl_slice open[S3_XML_DEPTH_MAX];
    unsigned depth; /* of the element that was told last: the root's is 1, also at its END */
    unsigned n;     /* of open elements */
    bool empty;     /* <x/>: its end is still to be told */
    bool encoded;   /* the last text may hold references */
    bool ended;
};

void s3_xml_init(struct s3_xml *x, struct pl_slice document);
enum s3_xml_event s3_xml_next(struct s3_xml *x, struct pl_slice *ret_text);
/* Appends the text that was just told, decoded. false: a reference that XML does not have. */
bool s3_xml_text_add(const struct s3_xml *x, struct pl_slice text, struct pl_buf *out);

/* ---- errors ---- */

/* <Error><Code>, <Message>: "" where they are not there. */
struct s3_error {
    char code[64];
    char message[256];
};
void s3_error_read(struct pl_slice body, struct s3_error *ret);

enum s3_outcome {
    S3_DONE,
    S3_ABSENT,  /* no such key */
    S3_TAKEN,   /* If-None-Match: it is there */
    S3_DENIED,  /* nothing was done: the credentials are refused; err is set, CONFIG */
    S3_FAILED,  /* nothing was done; err is set */
    S3_UNKNOWN, /* it may have been done; err is set, RETRY */
};

/* What an answer (any status but 0) means. `what`: "put s3://…"; `vended`: whom the advice is for. */
enum s3_outcome s3_answer_check(long status, struct pl_slice body, const char *what, bool vended,
                                struct pl_err *err);

/* ---- lists (ListObjectsV2, encoding-type=url) ---- */

struct s3_object {
    const char *key; /* as a string, decoded */
    uint64_t size;
    int64_t modified_ms;
};
/* Calls `each` for the objects of a page until it returns false (*ret_ended is true then).
 * *ret_next: the token of the next page, to free(); NULL: it was the last. -1, RETRY: malformed or
 * cut; `each` was not called. */
int s3_list_read(struct pl_slice body, bool (*each)(void *userdata, const struct s3_object *o),
                 void *userdata, bool *ret_ended, char **ret_next, struct pl_err *err);

#endif
