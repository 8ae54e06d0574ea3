/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact.h - takes personal data out of an event before it goes to Kafka, on its bytes: what no
 * rule names stays as it is, byte for byte.
 *
 *     drop   the member is removed, with its comma
 *     hash   the value becomes the text of its HMAC-SHA256 (RFC 2104, FIPS 180-4), 64 hexadecimal
 *            digits, keyed by a secret: the same person has the same hash in every event and field,
 *            and nobody without the key can try names until one fits
 *
 * What is hashed is the value and not how it is written: a text unescaped (one with a lone
 * surrogate, which UTF-8 cannot carry, as it stands), a whole number by its digits (1.0: "1"),
 * another number and an object as they stand, true and false as such. An array's elements are
 * hashed one by one. null stays null.
 *
 * All members of a path are redacted: of a key that is there twice both, whatever escapes it is
 * written with, and in each element of the arrays on the way. A path that is not there is nothing.
 * Of two paths one inside the other, the outer one counts.
 *
 * Only valid JSON can be redacted. No I/O. Threads: one owner.
 */
#ifndef WIKISRCD_EVENT_REDACT_H
#define WIKISRCD_EVENT_REDACT_H

#include "daemons/wikisrcd/event/rules.h"
#include "lib/base/buf.h"

#define REDACT_KEY_MIN 16 /* bytes: below, the key itself could be tried */

struct redact;

/* `key` may be NULL where no rule hashes. Nothing is borrowed. */
struct redact *redact_new(const struct redact_rules *rules, const char *key);
/* Wipes the key. NULL is allowed. */
void redact_free(struct redact *r);

/* Appends the event without what the rules name. false: it is not valid JSON (an object, at most
 * PL_JSON_DEPTH_DEFAULT deep), or libcrypto refuses to hash; *ret_why is a constant sentence, and
 * `out` is to be thrown away. */
bool redact_apply(struct redact *r, const char *data, size_t len, struct pl_buf *out,
                  const char **ret_why);

/* Rule `i` has found its path at least once. */
size_t redact_rules_n(const struct redact *r);
bool redact_found(const struct redact *r, size_t i);
const char *redact_path(const struct redact *r, size_t i);

#endif
