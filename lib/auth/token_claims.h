/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_claims.h - what a token says of itself, for a person: the claims of a JWT (RFC 7519; scope:
 * RFC 8693; roles: Keycloak's realm_access and resource_access).
 *
 * Pure. Nothing is verified: that is the part of who is asked with it. Copies of the claims are
 * wiped, they may name people.
 */
#ifndef PL_AUTH_TOKEN_CLAIMS_H
#define PL_AUTH_TOKEN_CLAIMS_H

#include "lib/base/buf.h"

/* Adds lines for a terminal ("  issuer    https://…"), never the token. false, and nothing added:
 * it is no JWT (some give opaque ones). `ret_exp_ms` (may be NULL): its end, 0 unknown. */
bool pl_token_claims_print(const char *access, struct pl_buf *out, int64_t *ret_exp_ms);

#endif
