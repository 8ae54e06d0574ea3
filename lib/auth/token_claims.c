/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_claims.c - see token_claims.h.
 */
#include "lib/auth/token_claims.h"

#include "lib/auth/token_answer.h"
#include "lib/base/text.h"
#include "lib/json/document.h"

#define YEAR_10000_S INT64_C(253402300800)

/* A text, or a list of texts joined by commas; nothing of other types. */
static void texts_print(const cJSON *value, struct pl_buf *out)
{
    char plain[256];
    const cJSON *item;
    const char *separator = "";
    if (cJSON_IsString(value)) {
        pl_text_scrub(value->valuestring, strlen(value->valuestring), NULL, plain, sizeof(plain));
        pl_buf_add_str(out, plain);
    } else if (cJSON_IsArray(value)) {
        cJSON_ArrayForEach(item, value)
        {
            pl_buf_add_str(out, separator);
            texts_print(item, out);
            separator = ", ";
        }
    }
}

/* The roles inside {"roles":[…]}; `client`: whose, NULL the realm's. */
static void roles_print(const cJSON *access, const char *client, struct pl_buf *out)
{
    const cJSON *roles = pl_doc_get(access, "roles");
    if (!roles)
        return;
    pl_buf_add_str(out, "  roles     ");
    texts_print(roles, out);
    char plain[256];
    if (client)
        pl_text_scrub(client, strlen(client), NULL, plain, sizeof(plain));
    pl_buf_addf(out, " (of %s%s)\n", client ? "client " : "the realm", client ? plain : "");
}

static void claims_print(const cJSON *claims, struct pl_buf *out)
{
    static const char *const labels[][2] = {
        {"iss", "issuer"},   {"aud", "audience"}, {"azp", "client"}, {"preferred_username", "user"},
        {"scope", "scopes"},
    };
    for (size_t i = 0; i < PL_COUNT(labels); i++) {
        const cJSON *claim = pl_doc_get(claims, labels[i][0]);
        if (!claim)
            continue;
        pl_buf_addf(out, "  %-9s ", labels[i][1]);
        texts_print(claim, out);
        pl_buf_add_byte(out, '\n');
    }
    roles_print(pl_doc_get(claims, "realm_access"), NULL, out);
    const cJSON *clients = pl_doc_get(claims, "resource_access"), *client;
    if (cJSON_IsObject(clients)) {
        cJSON_ArrayForEach(client, clients)
        {
            roles_print(client, client->string, out);
        }
    }
}

bool pl_token_claims_print(const char *access, struct pl_buf *out, int64_t *ret_exp_ms)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf payload = {0};
    PL_CLEANUP(pl_doc_wipep) cJSON *claims = NULL;
    int64_t exp_s = 0;
    const char *first = strchr(access, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    if (!second)
        return false;
    size_t len = (size_t)(second - first) - 1;
    pl_buf_reserve(&payload, len + 1);
    ssize_t payload_len = pl_base64url_decode(first + 1, len, payload.data);
    struct pl_err err;
    if (payload_len < 0 ||
        pl_doc_parse(payload.data, (size_t)payload_len, PL_TOKEN_ANSWER_MAX, &claims, &err) < 0 ||
        !cJSON_IsObject(claims))
        return false;
    claims_print(claims, out);
    pl_doc_int(claims, "exp", &exp_s);
    if (ret_exp_ms)
        *ret_exp_ms = exp_s > 0 && exp_s < YEAR_10000_S ? exp_s * 1000 : 0;
    return true;
}
