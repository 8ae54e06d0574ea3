/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact.h - takes personal data out of an event before it goes to Kafka, working on its bytes:
 * what no rule names stays as it is, byte for byte.
 *
 *     drop   the member is removed, with its comma
 *     hash   the value is replaced by its HMAC-SHA256 (RFC 2104, FIPS 180-4) as a string of 64
 *            hexadecimal digits, keyed by a secret: the same person has the same hash in every
 *            event and field, and without the key nobody can find a name by trying
 *
 * The hash is of the value, not of its spelling: a string unescaped (as is if it has a lone
 * surrogate, which UTF-8 cannot encode), an integer by its digits (1.0: "1"), any other number, an
 * object, true and false as their JSON text. Array elements are hashed one by one. null stays null.
 *
 * Every member at a path is redacted: both of a repeated key, however it is escaped, and in each
 * element of an array. A path that is absent is no error. Of two paths, one inside the other, the
 * outer one applies.
 *
 * Only valid JSON can be redacted. No I/O. Threads: one owner.
 */
#ifndef WIKISRCD_EVENT_REDACT_H
#define WIKISRCD_EVENT_REDACT_H

#include "daemons/wikisrcd/event/rules.h"
#include "lib/base/buf.h"

#define REDACT_KEY_MIN 16 /* bytes; a shorter key could be guessed */

struct redact;

/* `key` may be NULL where no rule hashes. Nothing is borrowed. */
struct redact *redact_new(const struct redact_rules *rules, const char *key);
/* Wipes the key. NULL is allowed. */
void redact_free(struct redact *r);

/* Appends the redacted event. false: it is not valid JSON (an object, nested at most
 * PL_JSON_DEPTH_DEFAULT deep), or libcrypto failed; *ret_why is a constant sentence, and `out` must
 * be discarded. */
bool redact_apply(struct redact *r, const char *data, size_t len, struct pl_buf *out,
                  const char **ret_why);

/* redact_found(): rule `i` has found its path in the event redacted last. */
size_t redact_rules_n(const struct redact *r);
bool redact_found(const struct redact *r, size_t i);
const char *redact_path(const struct redact *r, size_t i);

#endif
