/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_event.c - what is read from outside of an event: its JSON, what is left of that after a
 * redaction, the service's id, and the position's record. links: wikisrcd
 *
 * The input is up to three parts divided by LF: an event, an id, a record.
 */
#include <assert.h>

#include "daemons/wikisrcd/event/event.h"
#include "daemons/wikisrcd/event/redact.h"
#include "daemons/wikisrcd/position/position.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next part, in an allocation of its own size. */
static struct pl_slice part_take(const char **data, size_t *size)
{
    const char *end = memchr(*data, '\n', *size);
    size_t len = end ? (size_t)(end - *data) : *size;
    char *copy = malloc(len ? len : 1);
    memcpy(copy, *data, len);
    *data += len + (end != NULL);
    *size -= len + (end != NULL);
    return (struct pl_slice){copy, len};
}

/* A record that is accepted must come back the same. */
static void record_try(struct pl_slice text, struct position **ret)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf first = {0}, second = {0};
    PL_CLEANUP(position_freep) struct position *again = NULL;
    struct pl_err err;
    if (position_decode(text.p, text.len, 5000, ret, &err) < 0)
        return;
    position_encode(*ret, 1, &first);
    int r = position_decode(first.data, first.len, 5000, &again, &err);
    assert(r == 0);
    position_encode(again, 1, &second);
    assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

static void event_try(struct position *p, struct pl_slice json, struct pl_slice id)
{
    const struct pl_strings streams = {0};
    struct event e = {0};
    struct event_wants wants;
    struct position_mark mark;
    PL_CLEANUP(pl_buf_release) struct pl_buf header = {0};
    event_wants_init(&wants, true);
    event_wants_key(&wants, "meta.id");
    event_read(&e, json.p, json.len, &wants);
    position_connected(p, POSITION_BY_TIME, 0, 1800000000000);
    position_check(p, &e, id, 1800000000000, &mark);
    position_add(p, &mark);
    if (mark.verdict == POSITION_NEW) {
        position_check(p, &e, id, 1800000000000, &mark);
        /* Remembered, unless a request from the position cannot bring it back. */
        assert(mark.verdict == POSITION_DUPLICATE || mark.time_ms < mark.asked_ms);
    }
    position_connected(p, POSITION_DISCOVERY, 0, 1800000000000);
    position_discover(p, id, &streams, 1800000000000);
    if (position_last_event_id(p, &header)) {
        /* What we send, we can read. */
        bool known = position_discover(p, (struct pl_slice){header.data, header.len}, &streams, 1);
        assert(known);
    }
    event_release(&e);
    event_wants_release(&wants);
}

/* What can be redacted stays JSON, and has nothing left to drop. */
static void redact_try(struct pl_slice json)
{
    static char user[] = "user", meta_dt[] = "meta.dt", title[] = "title", deep[] = "log_params.a";
    struct redact_rule drops[] = {{user, REDACT_DROP}, {meta_dt, REDACT_DROP}, {deep, REDACT_DROP}};
    struct redact_rule hashes[] = {{title, REDACT_HASH}, {user, REDACT_HASH}};
    struct redact *drop = redact_new(&(struct redact_rules){drops, 3}, NULL);
    struct redact *hash = redact_new(&(struct redact_rules){hashes, 2}, "0123456789abcdef");
    PL_CLEANUP(pl_buf_release) struct pl_buf hashed = {0}, first = {0}, second = {0};
    const char *why;
    bool good = redact_apply(hash, json.p, json.len, &hashed, &why);
    bool same = redact_apply(drop, json.p, json.len, &first, &why);
    assert(good == same);
    if (good) {
        good = redact_apply(drop, first.data, first.len, &second, &why);
        assert(good && first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
        pl_buf_reset(&second);
        good = redact_apply(drop, hashed.data, hashed.len, &second, &why);
        assert(good);
    }
    redact_free(drop);
    redact_free(hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *data = (const char *)bytes;
    const struct pl_strings streams = {0};
    struct pl_slice json = part_take(&data, &size);
    struct pl_slice id = part_take(&data, &size);
    struct pl_slice record = part_take(&data, &size);
    struct position *p = NULL;
    record_try(record, &p);
    if (!p)
        p = position_new(&streams, 0, 5000);
    event_try(p, json, id);
    redact_try(json);
    position_free(p);
    free((char *)json.p);
    free((char *)id.p);
    free((char *)record.p);
    return 0;
}
