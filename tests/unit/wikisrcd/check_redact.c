/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_redact.c - personal data is gone from an event's bytes, everything else unchanged.
 * links: wikisrcd
 *
 * Expected hashes come from another implementation of HMAC-SHA256 (Python's).
 */
#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "daemons/wikisrcd/event/redact.h"
#include "tests/unit/events.h"
#include "tests/unit/unit.h"

#define KEY "0123456789abcdef"

/* "user =performer.user_text": drop the one, hash the other. */
static struct redact *redact_of(const char *text, const char *key)
{
    struct redact_rules rules = {0};
    struct redact_rule rows[8];
    PL_FREE char *copy = pl_strdup(text);
    char *rest = copy;
    for (char *one; (one = strsep(&rest, " "));)
        rows[rules.n++] = (struct redact_rule){.path = one + (*one == '='),
                                               .action = *one == '=' ? REDACT_HASH : REDACT_DROP};
    rules.v = rows;
    return redact_new(&rules, key);
}

/* From an allocation of its own size, so that a sanitizer sees a read beyond it. */
static bool redact_copy(struct redact *r, const char *json, size_t len, struct pl_buf *out)
{
    const char *why = NULL;
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, json, len);
    pl_buf_reset(out);
    bool done = redact_apply(r, copy, len, out, &why);
    ck_assert(done || why);
    free(copy);
    return done;
}

static const struct {
    const char *name, *rules, *in, *out;
} cases[] = {
    {"drop first", "user", "{\"user\":\"N\",\"b\":1}", "{\"b\":1}"},
    {"drop middle", "user", "{\"a\":1,\"user\":\"N\",\"b\":2}", "{\"a\":1,\"b\":2}"},
    {"drop last", "user", "{\"a\":1,\"user\":\"N\"}", "{\"a\":1}"},
    {"drop only", "user", "{\"user\":\"N\"}", "{}"},
    {"drop all of several", "a b", "{\"a\":1,\"b\":2}", "{}"},
    {"drop first two", "a b", "{\"a\":1,\"b\":2,\"c\":3}", "{\"c\":3}"},
    {"drop around one", "a c", "{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":2}"},
    {"drop two in the middle", "b c", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}", "{\"a\":1,\"d\":4}"},
    {"white space", "user", "{ \"a\" : 1 , \"user\" : \"N\" , \"b\" : 2 }",
     "{ \"a\" : 1 , \"b\" : 2 }"},
    {"white space, first", "user", "{ \n \"user\" : \"N\" , \"b\" : 2 }\n", "{ \"b\" : 2 }\n"},
    {"white space, only", "user", " { \"user\" : \"N\" } ", " { } "},
    {"nothing to do", "user", "{ \"a\":1, \"b\":{\"user\":\"x\"} } ",
     "{ \"a\":1, \"b\":{\"user\":\"x\"} } "},
    {"empty event", "user", "{}", "{}"},
    {"twice there", "user", "{\"user\":\"N\",\"a\":1,\"user\":\"N\",\"user\":\"M\"}", "{\"a\":1}"},
    {"key escaped", "user", "{\"us\\u0065r\":\"N\",\"\\u0075ser\":\"M\",\"a\":1}", "{\"a\":1}"},
    {"other keys", "user", "{\"User\":\"N\",\"user \":\"M\",\"user\\u0000\":\"O\",\"use\":1}",
     "{\"User\":\"N\",\"user \":\"M\",\"user\\u0000\":\"O\",\"use\":1}"},
    {"values of all types", "user",
     "{\"user\":{\"x\":[1,{\"y\":\"}\"}]},\"a\":1,\"user\":[[],\"]\"],\"user\":null,\"user\":1.5e3,"
     "\"user\":true}",
     "{\"a\":1}"},
    {"nested", "performer.user_text", "{\"performer\":{\"user_text\":\"N\",\"id\":1},\"z\":0}",
     "{\"performer\":{\"id\":1},\"z\":0}"},
    {"nested, only", "performer.user_text", "{\"performer\":{\"user_text\":\"N\"}}",
     "{\"performer\":{}}"},
    {"nested, twice", "p.u", "{\"p\":{\"u\":\"N\",\"a\":1},\"p\":{\"a\":2,\"u\":\"M\"}}",
     "{\"p\":{\"a\":1},\"p\":{\"a\":2}}"},
    {"on the way no object", "p.u", "{\"p\":\"u\",\"q\":1}", "{\"p\":\"u\",\"q\":1}"},
    {"array on the way", "l.u",
     "{\"l\":[{\"u\":\"N\",\"a\":1},7,{\"a\":2},[{\"u\":\"M\"}],{\"a\":3,\"u\":\"O\"}]}",
     "{\"l\":[{\"a\":1},7,{\"a\":2},[{}],{\"a\":3}]}"},
    {"array on the way, written", "l[*].u", "{\"l\":[{\"u\":\"N\",\"a\":1},{\"a\":3,\"u\":\"O\"}]}",
     "{\"l\":[{\"a\":1},{\"a\":3}]}"},
    {"outer one counts", "p p.u", "{\"p\":{\"u\":\"N\"},\"a\":1}", "{\"a\":1}"},
    {"hash", "=user", "{\"a\":1,\"user\":\"A\",\"b\":2}",
     "{\"a\":1,\"user\":\"6d633551c5e6271c49051c92d5d13b198eaf53c3bb9cb2dd0df333b305793e73\",\"b\":"
     "2}"},
    {"hash, escaped", "=user", "{\"user\":\"\\u0041\"}",
     "{\"user\":\"6d633551c5e6271c49051c92d5d13b198eaf53c3bb9cb2dd0df333b305793e73\"}"},
    {"hash, white space", "=user", "{\"user\" : \"A\" }",
     "{\"user\" : \"6d633551c5e6271c49051c92d5d13b198eaf53c3bb9cb2dd0df333b305793e73\" }"},
    {"hash, empty", "=user", "{\"user\":\"\"}",
     "{\"user\":\"496dc93fa2d26eae500ec0bc37a122706b88f8963cebf0899d0245fae313e241\"}"},
    {"hash, pair of surrogates", "=user", "{\"user\":\"\\ud83d\\ude00\"}",
     "{\"user\":\"3fb5993496758ea380db27a6ac95e6887df81ff273d83b19a9500603713f173b\"}"},
    {"hash, the same in UTF-8", "=user", "{\"user\":\"😀\"}",
     "{\"user\":\"3fb5993496758ea380db27a6ac95e6887df81ff273d83b19a9500603713f173b\"}"},
    {"hash, lone surrogate", "=user", "{\"user\":\"N\\ud83d\"}",
     "{\"user\":\"c82fab3cddb668a50224bd82fc4e8c59209ec7d95eaf94a5cc748891410668d5\"}"},
    {"hash, NUL", "=user", "{\"user\":\"N\\u0000M\"}",
     "{\"user\":\"73b97e0b01af43f93f1fbd301c3a16dfb96c00938695da964eee1818b6c9e161\"}"},
    {"hash, slash", "=user", "{\"user\":\"a\\/b\"}",
     "{\"user\":\"9ddf77f8f44578be4eef49ce088ffaac36a7138964b8d9dceacb8f690fc204d3\"}"},
    {"hash, numbers", "=u",
     "{\"u\":12,\"u\":12.0,\"u\":1.2e1,\"u\":-0,\"u\":1.50,\"u\":12345678901234567890}",
     "{\"u\":\"b89b0f489c11f6c8448450cea2594c6c3bc93b8b3c79d1d0f957e3277053eedf\",\"u\":"
     "\"b89b0f489c11f6c8448450cea2594c6c3bc93b8b3c79d1d0f957e3277053eedf\",\"u\":"
     "\"b89b0f489c11f6c8448450cea2594c6c3bc93b8b3c79d1d0f957e3277053eedf\",\"u\":"
     "\"6b8848b4369213f569a85289031e5f116bae66d070173ad90c7130da9d700baf\",\"u\":"
     "\"a056620904076ee8b9f0a3b2cd795080dbec4a8e6b91c7cd71eeec33e58f7290\",\"u\":"
     "\"14306044de5131c8d0cc34db56b3ecc774ffa45607bad001cf89fc532a63eec4\"}"},
    {"hash, words", "=u", "{\"u\":true,\"u\":false,\"u\":null}",
     "{\"u\":\"d3af9eb57408b54bafc0bcbfe2fd11d315c8c29753e669ef720860cd8286bb1c\",\"u\":"
     "\"1da9b4a6ba66f11e94e17a35aed32b80ddc44fcdff43c92ba5625eb6dd616f33\",\"u\":null}"},
    {"hash, array", "=g", "{\"g\":[\"A\",[\"A\",null],12,[]]}",
     "{\"g\":[\"6d633551c5e6271c49051c92d5d13b198eaf53c3bb9cb2dd0df333b305793e73\",["
     "\"6d633551c5e6271c49051c92d5d13b198eaf53c3bb9cb2dd0df333b305793e73\",null],"
     "\"b89b0f489c11f6c8448450cea2594c6c3bc93b8b3c79d1d0f957e3277053eedf\",[]]}"},
    {"hash, array, written", "=g[*]", "{\"g\":[\"A\",\"A\"]}",
     "{\"g\":[\"6d633551c5e6271c49051c92d5d13b198eaf53c3bb9cb2dd0df333b305793e73\","
     "\"6d633551c5e6271c49051c92d5d13b198eaf53c3bb9cb2dd0df333b305793e73\"]}"},
    {"hash, object", "=p", "{\"p\":{\"u\": \"A\"},\"a\":1}",
     "{\"p\":\"3e4b51de2e45579ee5c3955b1a4ad93bdf4085e480a3543bbda5369b5d89b538\",\"a\":1}"},
    {"hash and drop", "=p.u p.i", "{\"p\":{\"i\":1,\"u\":\"A\"},\"a\":1}",
     "{\"p\":{\"u\":\"6d633551c5e6271c49051c92d5d13b198eaf53c3bb9cb2dd0df333b305793e73\"},\"a\":"
     "1}"},
    {"hash, then drop behind", "=u v", "{\"u\":\"A\",\"v\":1,\"w\":2}",
     "{\"u\":\"6d633551c5e6271c49051c92d5d13b198eaf53c3bb9cb2dd0df333b305793e73\",\"w\":2}"},
    {"drop, then hash behind", "v =u", "{\"v\":1,\"u\":\"A\",\"w\":2}",
     "{\"u\":\"6d633551c5e6271c49051c92d5d13b198eaf53c3bb9cb2dd0df333b305793e73\",\"w\":2}"},
};

START_TEST(test_case)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    struct redact *r = redact_of(cases[_i].rules, KEY);
    ck_assert_msg(redact_copy(r, cases[_i].in, strlen(cases[_i].in), &out), "%s", cases[_i].name);
    ck_assert_msg(strcmp(pl_buf_cstr(&out), cases[_i].out) == 0, "%s: %s", cases[_i].name,
                  pl_buf_cstr(&out));
    redact_free(r);
}
END_TEST

/* Truncated anywhere it is not a document, and is refused. */
START_TEST(test_cut)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    struct redact *r = redact_of(cases[_i].rules, KEY);
    size_t len = strlen(cases[_i].in);
    while (len > 0 && strchr(" \n", cases[_i].in[len - 1]))
        len--;
    for (size_t cut = 0; cut < len; cut++)
        ck_assert_msg(!redact_copy(r, cases[_i].in, cut, &out), "%s at %zu", cases[_i].name, cut);
    redact_free(r);
}
END_TEST

/* RFC 4231, test cases 2 and 6 (a key longer than a block). */
START_TEST(test_published)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    char key[132];
    memset(key, 0xaa, 131);
    key[131] = '\0';
    struct redact *a = redact_of("=u", "Jefe"), *b = redact_of("=u", key);
    static const char one[] = "{\"u\":\"what do ya want for nothing?\"}";
    static const char two[] = "{\"u\":\"Test Using Larger Than Block-Size Key - Hash Key First\"}";
    ck_assert(redact_copy(a, one, sizeof(one) - 1, &out));
    ck_assert_str_eq(pl_buf_cstr(&out), "{\"u\":\"5bdcc146bf60754e6a042426089575c7"
                                        "5a003f089d2739839dec58b964ec3843\"}");
    ck_assert(redact_copy(b, two, sizeof(two) - 1, &out));
    ck_assert_str_eq(pl_buf_cstr(&out), "{\"u\":\"60e431591ee0b67f0d8a26aacbf5b77f"
                                        "8e0bc6213728c5140546040f0ee37f54\"}");
    redact_free(a);
    redact_free(b);
}
END_TEST

static const char *const refused[] = {
    "",
    "[]",
    "[{\"user\":\"N\"}]",
    "\"user\"",
    "null",
    "{\"user\":\"N\"",
    "{\"user\":\"N\"}x",
    "{\"user\":\"N\"}{}",
    "{\"user\":\"N\",}",
    "{\"user\":\"N\" \"a\":1}",
    "{\"user\":\"\\x\"}",
    "{\"user\":\"\xFF\"}",
    "{\"user\":'N'}",
    "{user:\"N\"}",
    "{\"user\":\"N\",\"a\":01}",
    "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
};

START_TEST(test_refused)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    struct redact *r = redact_of("user", NULL);
    ck_assert_msg(!redact_copy(r, refused[_i], strlen(refused[_i]), &out), "%s", refused[_i]);
    redact_free(r);
}
END_TEST

START_TEST(test_found)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    struct redact *r = redact_of("user p.u =q", KEY);
    static const char json[] = "{\"user\":null,\"p\":{\"v\":1}}";
    ck_assert(redact_copy(r, json, sizeof(json) - 1, &out));
    ck_assert_uint_eq(redact_rules_n(r), 3);
    ck_assert(redact_found(r, 0) && !redact_found(r, 1) && !redact_found(r, 2));
    ck_assert_str_eq(redact_path(r, 1), "p.u");
    redact_free(r);
}
END_TEST

/* ---- a property, on random documents ----
 *
 * The redacted document, read by cJSON, equals the model: the same members, without those at the
 * paths or with their hash. Only values at the paths contain the mark. */

#define DRAWN 4000
#define MARK  "s3cr3t"
#define RULES "user a.user =b =a.b.c"

static uint64_t state;
static unsigned draw(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

/* A character as itself or as an escape. */
static void char_put(struct pl_buf *out, char c)
{
    if (draw(6) == 0)
        pl_buf_addf(out, draw(2) ? "\\u%04x" : "\\u%04X", (unsigned char)c);
    else
        pl_buf_add_byte(out, c);
}

static void text_put(struct pl_buf *out, const char *text)
{
    pl_buf_add_byte(out, '"');
    for (; *text; text++)
        char_put(out, *text);
    static const char *const tails[] = {
        "", "", "\\\"}", "\\\\", ",\\\"user\\\":", "\\ud83d\\ude00", "\xC3\xA9", "\\/\\n"};
    pl_buf_add_str(out, tails[draw(PL_COUNT(tails))]);
    pl_buf_add_byte(out, '"');
}

static void space_put(struct pl_buf *out)
{
    for (unsigned n = draw(8) == 0 ? draw(4) : 0; n > 0; n--)
        pl_buf_add_byte(out, " \t\n\r"[draw(4)]);
}

static void value_draw(struct pl_buf *out, unsigned depth, const char *path, bool secret);

static bool is_redacted(const char *path)
{
    static const char *const paths[] = {".user", ".a.user", ".b", ".a.b.c"};
    for (size_t i = 0; i < PL_COUNT(paths); i++)
        if (strcmp(path, paths[i]) == 0)
            return true;
    return false;
}

static void object_draw(struct pl_buf *out, unsigned depth, const char *path, bool secret)
{
    static const char *const keys[] = {"user", "a", "b", "c", "users", ""};
    pl_buf_add_byte(out, '{');
    space_put(out);
    for (unsigned i = 0, n = draw(6); i < n; i++) {
        const char *key = keys[draw(PL_COUNT(keys))];
        if (i > 0)
            pl_buf_add_byte(out, ',');
        space_put(out);
        pl_buf_add_byte(out, '"');
        for (const char *p = key; *p; p++)
            char_put(out, *p);
        pl_buf_add_byte(out, '"');
        space_put(out);
        pl_buf_add_byte(out, ':');
        space_put(out);
        PL_FREE char *below = pl_strf("%s.%s", path, key);
        value_draw(out, depth, below, secret || is_redacted(below));
        space_put(out);
    }
    pl_buf_add_byte(out, '}');
}

static void value_draw(struct pl_buf *out, unsigned depth, const char *path, bool secret)
{
    static const char *const scalars[] = {"null", "true", "false", "0", "-1", "17"};
    unsigned kind = draw(depth > 0 ? 6 : 3);
    if (kind == 0) {
        pl_buf_add_str(out, scalars[draw(PL_COUNT(scalars))]);
    } else if (kind < 3) {
        text_put(out, secret ? MARK : draw(3) ? "open" : "");
    } else if (kind < 5) {
        object_draw(out, depth - 1, path, secret);
    } else {
        pl_buf_add_byte(out, '[');
        for (unsigned i = 0, n = draw(4); i < n; i++) {
            if (i > 0)
                pl_buf_add_byte(out, ',');
            space_put(out);
            value_draw(out, depth - 1, path, secret);
        }
        pl_buf_add_byte(out, ']');
    }
}

static cJSON *hash_of(const char *value)
{
    unsigned char hash[32];
    char hex[65];
    unsigned n;
    HMAC(EVP_sha256(), KEY, sizeof(KEY) - 1, (const unsigned char *)value, strlen(value), hash, &n);
    for (unsigned i = 0; i < n; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", hash[i]);
    return cJSON_CreateString(hex);
}

/* false: it contains an object, whose text the model does not know. */
static bool model_hash(cJSON *parent, cJSON *item)
{
    char digits[32];
    if (cJSON_IsObject(item))
        return false;
    if (cJSON_IsArray(item)) {
        bool known = true;
        for (cJSON *c = item->child, *next; c; c = next) {
            next = c->next;
            known &= model_hash(item, c);
        }
        return known;
    }
    snprintf(digits, sizeof(digits), "%d", item->valueint);
    if (!cJSON_IsNull(item)) {
        cJSON *hash = hash_of(cJSON_IsString(item)   ? item->valuestring
                              : cJSON_IsNumber(item) ? digits
                              : cJSON_IsTrue(item)   ? "true"
                                                     : "false");
        hash->string = item->string ? strdup(item->string) : NULL;
        cJSON_ReplaceItemViaPointer(parent, item, hash);
    }
    return true;
}

static bool model(cJSON *item, const char *path)
{
    bool known = true;
    for (cJSON *c = item->child, *next; c; c = next) {
        next = c->next;
        PL_FREE char *below =
            cJSON_IsObject(item) ? pl_strf("%s.%s", path, c->string) : pl_strdup(path);
        bool drops = strcmp(below, ".user") == 0 || strcmp(below, ".a.user") == 0;
        if (cJSON_IsObject(item) && is_redacted(below)) {
            if (drops)
                cJSON_Delete(cJSON_DetachItemViaPointer(item, c));
            else
                known &= model_hash(item, c);
        } else {
            known &= model(c, below);
        }
    }
    return known;
}

/* Whether the model knows the result. */
static bool drawn_check(struct redact *r, struct pl_buf *json, struct pl_buf *out)
{
    ck_assert_msg(redact_copy(r, json->data, json->len, out), "%s", pl_buf_cstr(json));
    cJSON *was = cJSON_ParseWithLength(json->data, json->len);
    cJSON *is = cJSON_ParseWithLength(out->data, out->len);
    ck_assert_msg(was && is, "%s: %s", pl_buf_cstr(json), pl_buf_cstr(out));
    bool known = model(was, "");
    PL_FREE char *right = cJSON_PrintUnformatted(was);
    PL_FREE char *got = cJSON_PrintUnformatted(is);
    ck_assert_msg(!strstr(got, MARK), "%s: %s", pl_buf_cstr(json), got);
    ck_assert_msg(!known || strcmp(right, got) == 0, "%s: %s is not %s", pl_buf_cstr(json), got,
                  right);
    cJSON_Delete(was);
    cJSON_Delete(is);
    return known;
}

START_TEST(test_drawn)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf json = {0}, out = {0}, other = {0};
    struct redact *r = redact_of(RULES, KEY), *none = redact_of("no.such", NULL);
    unsigned known = 0, marked = 0;
    for (unsigned i = 0; i < DRAWN; i++) {
        state = i;
        pl_buf_reset(&json);
        object_draw(&json, 5, "", false);
        known += drawn_check(r, &json, &out);
        marked += strstr(pl_buf_cstr(&json), MARK) != NULL;
        /* Without any of the paths, not a byte changes. */
        ck_assert(redact_copy(none, json.data, json.len, &other));
        ck_assert(other.len == json.len && memcmp(other.data, json.data, json.len) == 0);
    }
    /* The test would prove nothing if few documents had any. */
    ck_assert_uint_gt(known, DRAWN / 2);
    ck_assert_uint_gt(marked, DRAWN / 8);
    redact_free(r);
    redact_free(none);
}
END_TEST

/* Any byte of a document replaced: refused, or still JSON. */
START_TEST(test_replaced)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf json = {0}, out = {0}, again = {0};
    struct redact *r = redact_of(RULES, KEY), *check = redact_of("no.such", NULL);
    for (unsigned i = 0; i < 60; i++) {
        state = i;
        pl_buf_reset(&json);
        object_draw(&json, 4, "", false);
        for (size_t at = 0; at < json.len; at++) {
            char was = json.data[at];
            for (const char *p = "\"\\,:{}[]x\x80"; *p; p++) {
                json.data[at] = *p;
                if (redact_copy(r, json.data, json.len, &out))
                    ck_assert_msg(redact_copy(check, out.data, out.len, &again), "%s",
                                  pl_buf_cstr(&out));
            }
            json.data[at] = was;
        }
    }
    redact_free(r);
    redact_free(check);
}
END_TEST

/* ---- the made events ---- */

START_TEST(made)
{
    PL_CLEANUP(events_release) struct events events = events_load(EVENTS_MADE);
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    struct redact *r = redact_of("user title_url comment =title parsedcomment", KEY);
    size_t redacted = 0;
    for (size_t i = 0; i < events.n; i++) {
        if (!redact_copy(r, events.v[i].p, events.v[i].len, &out))
            continue;
        cJSON *was = cJSON_ParseWithLength(events.v[i].p, events.v[i].len);
        cJSON *is = cJSON_ParseWithLength(out.data, out.len);
        static const char *const gone[] = {"user", "title_url", "comment", "parsedcomment"};
        for (size_t k = 0; is && k < PL_COUNT(gone); k++)
            ck_assert_ptr_null(cJSON_GetObjectItemCaseSensitive(is, gone[k]));
        const cJSON *user = was ? events_get(was, "user") : NULL;
        if (user && cJSON_IsString(user) && strlen(user->valuestring) > 5)
            redacted += !memmem(out.data, out.len, user->valuestring, strlen(user->valuestring));
        cJSON_Delete(was);
        cJSON_Delete(is);
    }
    ck_assert_uint_gt(redacted, 100);
    redact_free(r);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_case, .count = PL_COUNT(cases)),
        TEST(test_cut, .count = PL_COUNT(cases)),
        TEST(test_published),
        TEST(test_refused, .count = PL_COUNT(refused)),
        TEST(test_found),
        TEST(test_drawn),
        TEST(test_replaced),
        TEST(made),
    };
    return unit_main("redact", tests, PL_COUNT(tests));
}
