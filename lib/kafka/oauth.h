/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth.h - SASL/OAUTHBEARER (RFC 7628): a client's tokens from an OAuth 2.0 server, by lib/auth.
 *
 *     kafka:
 *       security.protocol: SASL_SSL
 *       sasl.mechanism: OAUTHBEARER
 *       sasl.oauthbearer.method: oidc
 *       sasl.oauthbearer.token.endpoint.url: https://keycloak.example/realms/x/protocol/…/token
 *       sasl.oauthbearer.client.id: chsinkd
 *       sasl.oauthbearer.client.secret: { credential: kafka-client-secret }
 *
 * The properties are librdkafka's own (also .scope, and https.ca.location of later versions). It
 * knows them only where it was built with libcurl, which Debian's 2.0 was not; with method oidc
 * they are taken here whatever it can, so that it is the same everywhere. Each client fetches a
 * token of its own (client credentials, RFC 6749, 4.4), in librdkafka's background thread, and
 * again when 80 % of its life are over.
 *
 * A refused secret is tried as rarely as anywhere (pl_token_denied_wait_ms()); what may pass is
 * tried every 10 s, which is librdkafka's pace.
 *
 * What is needed for it is kept in sasl.oauthbearer.config, which librdkafka copies and hides.
 */
#ifndef PL_KAFKA_OAUTH_H
#define PL_KAFKA_OAUTH_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "lib/config/options.h"

/* Of one client; part of its struct pl_kafka_health. Zero-initialise. */
struct kafka_oauth {
    pthread_mutex_t lock; /* all zero is a valid mutex */
    struct pl_err err;    /* guarded by `lock`: why there is no token; kind NONE: there is one */
    unsigned denied;      /* the background thread's: refusals in a row */
    int64_t denied_ms;    /* the same: monotonic, the last of those */
};

/* Whether the map's tokens come from here. */
bool kafka_oauth_is_on(const struct pl_map *map);
/* Whether librdkafka is not to see this property, if they do. */
bool kafka_oauth_is_ours(const char *key);
/* The opaque of the client is a struct that begins with struct kafka_oauth. -1, CONFIG: something
 * is missing or cannot be. */
int kafka_oauth_set(rd_kafka_conf_t *conf, const struct pl_map *map, struct pl_err *err);
/* When the client is there; does nothing where the tokens do not come from here. */
void kafka_oauth_start(rd_kafka_t *rk);
/* Why there is no token. false: there is one, or none is needed. */
bool kafka_oauth_failed(struct kafka_oauth *o, struct pl_err *ret);

#endif
