/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog_path.c - see catalog_path.h.
 */
#include "daemons/chsinkd/iceberg/catalog/catalog_path.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/format/unique.h"
#include "lib/base/clock.h"
#include "lib/base/step.h"

#define HINT_MAX 64
#define HINT     "version-hint.text"
#define SUFFIX   ".metadata.json"
#define PACKED   ".gz" SUFFIX /* Iceberg's own writer, if the table's properties say so */

/* A document that was read so long ago is no base for a commit: the number after it may have been
 * used, and be free again. */
#define BASE_AGE_MAX_MS (60 * 60 * 1000)

struct catalog_path {
    struct iceberg_catalog base; /* first */
    const struct iceberg_conf *conf;
    struct iceberg_store *store;
};

static struct catalog_path *self(struct iceberg_catalog *c)
{
    return (struct catalog_path *)c;
}

/* WAREHOUSE/a/b/TABLE, to free(). */
static char *table_location(const struct catalog_path *c, const struct iceberg_name *name)
{
    struct pl_buf out = {0};
    size_t len = strlen(c->conf->warehouse);
    while (len > 1 && c->conf->warehouse[len - 1] == '/')
        len--;
    if (c->conf->warehouse[0] == '/')
        pl_buf_add_str(&out, "file://");
    pl_buf_add(&out, c->conf->warehouse, len);
    pl_buf_add_byte(&out, '/');
    for (const char *p = name->namespace_; *p != '\0'; p++)
        pl_buf_add_byte(&out, *p == '.' ? '/' : *p);
    pl_buf_addf(&out, "/%s", name->table);
    return pl_buf_take(&out);
}

static char *version_location(const char *table, int64_t version)
{
    return pl_strf("%s/metadata/v%" PRId64 SUFFIX, table, version);
}

/* "v12.metadata.json" -> 12; -1: another name. */
static int64_t version_parse(const char *location)
{
    const char *name = strrchr(location, '/');
    name = name ? name + 1 : location;
    char *end;
    if (name[0] != 'v' || name[1] < '0' || name[1] > '9')
        return -1;
    long long v = strtoll(name + 1, &end, 10);
    return strcmp(end, SUFFIX) == 0 ? v : -1;
}

/* ---- load ---- */

struct found {
    int64_t highest; /* -1: none */
    bool others;
};

static bool look_at(void *userdata, const struct iceberg_file *f)
{
    struct found *found = userdata;
    int64_t v = version_parse(f->location);
    if (v > found->highest)
        found->highest = v;
    size_t len = strlen(f->location), suffix = strlen(SUFFIX);
    const char *name = strrchr(f->location, '/') + 1;
    found->others |=
        v < 0 && *name != '.' && len > suffix && strcmp(f->location + len - suffix, SUFFIX) == 0;
    return true;
}

/* Without a hint, or behind one that leads nowhere. */
static int version_search(struct catalog_path *c, const char *table, int64_t *ret,
                          struct pl_err *err)
{
    struct found found = {.highest = -1};
    PL_FREE char *folder = pl_strf("%s/metadata", table);
    if (c->store->ops->list(c->store, folder, look_at, &found, err) < 0)
        return -1;
    if (found.highest < 0 && found.others)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "%.200s has metadata of another catalogue, which alone knows the current "
                          "one: write by that catalogue (iceberg.catalog: rest); or, if no other "
                          "writer is left, copy the newest to v1" SUFFIX,
                          folder);
    *ret = found.highest;
    return 0;
}

static int hint_read(struct catalog_path *c, const char *table, int64_t *ret, struct pl_err *err)
{
    PL_FREE char *location = pl_strf("%s/metadata/" HINT, table);
    struct pl_buf text = {0};
    bool there;
    if (c->store->ops->get(c->store, location, HINT_MAX, &text, &there, err) < 0) {
        if (err->kind != PL_ERR_REJECT)
            return -1;
        there = false; /* too long to be one */
    }
    char *end;
    *ret = there ? strtoll(pl_buf_cstr(&text), &end, 10) : -1;
    pl_buf_release(&text);
    return 0;
}

static int too_large(const char *location, struct pl_err *err)
{
    return pl_err_set(err, PL_ERR_CONFIG, 0,
                      "%.200s: more than %u MiB of metadata, which no reader should have to take: "
                      "expire the table's snapshots (expire_snapshots), and write fewer, larger "
                      "batches",
                      location, ICEBERG_METADATA_MAX >> 20);
}

/* A newer version that cannot be read is not to be overtaken: its rows would be gone. */
static int packed_refuse(struct catalog_path *c, const char *table, int64_t version,
                         struct pl_err *err)
{
    PL_FREE char *location = pl_strf("%s/metadata/v%" PRId64 PACKED, table, version);
    struct pl_buf text = {0};
    bool there = false;
    int rc = c->store->ops->get(c->store, location, ICEBERG_METADATA_MAX, &text, &there, err);
    pl_buf_release(&text);
    if (rc < 0 && err->kind != PL_ERR_REJECT)
        return -1;
    if (rc == 0 && !there)
        return 0;
    return pl_err_set(err, PL_ERR_CONFIG, 0,
                      "%.200s is compressed, which chsinkd cannot read: set the table's property "
                      "write.metadata.compression-codec to none with the writer that made it",
                      location);
}

/* Reads version N, if it is there, instead of what is in `text`. */
static int version_read(struct catalog_path *c, const char *table, int64_t version,
                        struct pl_buf *text, bool *ret_there, struct pl_err *err)
{
    PL_FREE char *location = version_location(table, version);
    struct pl_buf next = {0};
    if (c->store->ops->get(c->store, location, ICEBERG_METADATA_MAX, &next, ret_there, err) < 0)
        return err->kind == PL_ERR_REJECT ? too_large(location, err) : -1;
    if (*ret_there) {
        pl_buf_release(text);
        *text = next;
    }
    return 0;
}

/* The newest version's text; -1 in *ret_version: no table. */
static int newest_read(struct catalog_path *c, const char *table, struct pl_buf *text,
                       int64_t *ret_version, struct pl_err *err)
{
    int64_t version;
    bool there = false;
    if (hint_read(c, table, &version, err) < 0)
        return -1;
    if (version > 0 && version_read(c, table, version, text, &there, err) < 0)
        return -1;
    if (!there) {
        if (version_search(c, table, &version, err) < 0)
            return -1;
        if (version >= 0 && version_read(c, table, version, text, &there, err) < 0)
            return -1;
    }
    *ret_version = there ? version : -1;
    while (there) {
        if (version_read(c, table, *ret_version + 1, text, &there, err) < 0)
            return -1;
        *ret_version += there;
    }
    return packed_refuse(c, table, *ret_version < 0 ? 1 : *ret_version + 1, err);
}

static int path_load(struct iceberg_catalog *base, const struct iceberg_name *name,
                     struct iceberg_loaded *ret, struct pl_err *err)
{
    struct catalog_path *c = self(base);
    PL_FREE char *table = table_location(c, name);
    struct pl_buf text = {0};
    int64_t version;
    int64_t began_ms = pl_clock_boot_ms();
    int rc = newest_read(c, table, &text, &version, err);
    cJSON *metadata = NULL;
    if (rc == 0 && version >= 0) {
        rc = iceberg_json_parse(text.data, text.len, ICEBERG_METADATA_MAX, &metadata, err);
        if (rc < 0) {
            err->kind = PL_ERR_CONFIG;
            pl_err_prefix(err, "%.200s/metadata/v%" PRId64 SUFFIX " is damaged", table, version);
        }
    }
    pl_buf_release(&text);
    if (rc < 0)
        return -1;
    *ret = (struct iceberg_loaded){.metadata = metadata,
                                   .metadata_location =
                                       metadata ? version_location(table, version) : NULL,
                                   .loaded_ms = began_ms};
    return 0;
}

/* ---- writing ---- */

/* Takes the document. The hint may fail: it is late then. */
static enum iceberg_committed version_write(struct catalog_path *c, const char *table,
                                            int64_t version, cJSON *document,
                                            struct iceberg_loaded *ret, struct pl_err *err)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *owned = document;
    PL_FREE char *location = version_location(table, version);
    PL_FREE char *hint = pl_strf("%s/metadata/" HINT, table);
    struct pl_buf text = {0};
    iceberg_json_print(document, &text);
    enum iceberg_created created = ICEBERG_CREATE_FAILED;
    if (text.len > ICEBERG_METADATA_MAX) /* nobody could read it */
        too_large(location, err);
    else
        created =
            c->store->ops->create(c->store, location, (struct pl_slice){text.data, text.len}, err);
    pl_buf_release(&text);
    switch (created) {
    case ICEBERG_CREATED:
        break;
    case ICEBERG_EXISTS:
        pl_err_set(err, PL_ERR_RETRY, 0, "another writer was faster: %s is there", location);
        return ICEBERG_CONFLICT;
    case ICEBERG_CREATE_FAILED:
        return ICEBERG_COMMIT_FAILED;
    case ICEBERG_CREATE_UNKNOWN:
        return ICEBERG_COMMIT_UNKNOWN;
    }
    PL_STEP("iceberg.metadata");
    char number[24];
    struct pl_err late;
    int len = snprintf(number, sizeof(number), "%" PRId64, version);
    c->store->ops->put(c->store, hint, (struct pl_slice){number, (size_t)len}, &late);
    PL_STEP("iceberg.hint");
    *ret = (struct iceberg_loaded){.metadata = PL_TAKE(owned),
                                   .metadata_location = PL_TAKE(location),
                                   .loaded_ms = pl_clock_boot_ms()};
    return ICEBERG_COMMITTED;
}

static enum iceberg_committed path_create(struct iceberg_catalog *base,
                                          const struct iceberg_name *name, const cJSON *request,
                                          struct iceberg_loaded *ret, struct pl_err *err)
{
    struct catalog_path *c = self(base);
    PL_FREE char *table = table_location(c, name);
    PL_CLEANUP(cJSON_Deletep) cJSON *whole = cJSON_Duplicate(request, true);
    char uuid[ICEBERG_UUID_SIZE];
    if (!pl_doc_str(whole, "location"))
        cJSON_AddStringToObject(whole, "location", table);
    iceberg_uuid(uuid);
    return version_write(c, table, 1, iceberg_metadata_new(whole, uuid, pl_clock_realtime_ms()),
                         ret, err);
}

/* The requirements hold: they were made for `base`, and that is the current one if the next can be
 * created. */
static enum iceberg_committed path_commit(struct iceberg_catalog *base_catalog,
                                          const struct iceberg_name *name,
                                          const struct iceberg_loaded *base,
                                          const cJSON *requirements, const cJSON *updates,
                                          struct iceberg_loaded *ret, struct pl_err *err)
{
    (void)requirements;
    struct catalog_path *c = self(base_catalog);
    PL_FREE char *table = table_location(c, name);
    cJSON *document;
    if (pl_clock_boot_ms() - base->loaded_ms > BASE_AGE_MAX_MS) {
        pl_err_set(err, PL_ERR_RETRY, 0, "the table's metadata was read too long ago");
        return ICEBERG_CONFLICT;
    }
    if (iceberg_metadata_apply(base->metadata, base->metadata_location, updates,
                               pl_clock_realtime_ms(), &document, err) < 0)
        return ICEBERG_COMMIT_FAILED;
    return version_write(c, table, version_parse(base->metadata_location) + 1, document, ret, err);
}

static void path_free(struct iceberg_catalog *c)
{
    free(c);
}

static const struct iceberg_catalog_ops path_ops = {
    .free = path_free,
    .load = path_load,
    .create = path_create,
    .commit = path_commit,
};

struct iceberg_catalog *iceberg_catalog_path_new(const struct iceberg_conf *conf,
                                                 struct iceberg_store *store)
{
    struct catalog_path *c = pl_alloc(sizeof(*c));
    c->base.ops = &path_ops;
    c->conf = conf;
    c->store = store;
    return &c->base;
}
