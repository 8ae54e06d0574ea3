/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_claims.h - the claims of a JWT, for a person (RFC 7519; scope: RFC 8693; roles: Keycloak's
 * realm_access and resource_access). Nothing is verified. Copies of the claims are wiped, as they
 * may name people.
 *
 * Pure.
 */
#ifndef PL_AUTH_TOKEN_CLAIMS_H
#define PL_AUTH_TOKEN_CLAIMS_H

#include "lib/base/buf.h"

/* Adds lines for a terminal ("  issuer    https://…"), never the token. false, and nothing added:
 * not a JWT (some servers give opaque tokens). `ret_exp_ms` (may be NULL): its end, 0 unknown. */
bool pl_token_claims_print(const char *access, struct pl_buf *out, int64_t *ret_exp_ms);

#endif
