/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body.h - an insert's body as curl reads it: the caller's iovec, compressed on the way if that is
 * configured, and from the start again whenever curl asks (a kept connection that turned out to be
 * dead). A batch is never copied as a whole.
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_CLICKHOUSE_BODY_H
#define CHSINKD_CLICKHOUSE_BODY_H

#include <curl/curl.h>
#include <sys/uio.h>

#include "lib/base/buf.h"

enum clickhouse_compression { CLICKHOUSE_NONE, CLICKHOUSE_LZ4, CLICKHOUSE_ZSTD };

struct body;
struct body *body_new(enum clickhouse_compression compression);
void body_free(struct body *b);
PL_DEFINE_CLEANUP(struct body *, body_free);

/* The next body; the iovec is borrowed until the next one. Returns the length as sent, or -1 when
 * that is not known yet (compressed: chunks). An empty body is not compressed. */
int64_t body_start(struct body *b, const struct iovec *iov, unsigned iov_n);

/* CURLOPT_READFUNCTION and CURLOPT_SEEKFUNCTION with the body as their data. */
size_t body_read(char *out, size_t size, size_t n, void *body);
int body_seek(void *body, curl_off_t offset, int origin);

#endif
