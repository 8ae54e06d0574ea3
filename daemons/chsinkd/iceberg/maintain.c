/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maintain.c - see maintain.h.
 */
#include "daemons/chsinkd/iceberg/maintain.h"

#include <fnmatch.h>
#include <inttypes.h>

#include "daemons/chsinkd/iceberg/format/history.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/store/location_set.h"
#include "lib/base/strings.h"

#define ORPHAN_AGE_MS (24 * 60 * 60 * INT64_C(1000))
#define TRIES         10
#define FILE_MAX      (256u << 20)
#define REPORT_FILES  20

/* ---- snapshots ---- */

/* 1: another commit was faster. The result is in `loaded`; with dry_run as it would be. */
static int expire(const struct iceberg_table *t, const struct output_maintain *how,
                  int64_t before_ms, struct iceberg_loaded *loaded, int *ret_n, struct pl_err *err)
{
    cJSON *ids = iceberg_snapshots_expired(loaded->metadata, before_ms);
    *ret_n = cJSON_GetArraySize(ids);
    if (*ret_n == 0) {
        cJSON_Delete(ids);
        return 0;
    }
    struct iceberg_change change;
    struct iceberg_loaded after = {0};
    enum iceberg_committed committed = ICEBERG_COMMITTED;
    iceberg_change_init(&change, loaded->metadata);
    iceberg_change_expire(&change, loaded->metadata, ids);
    if (!how->dry_run)
        committed = t->catalog->ops->commit(t->catalog, &t->name, loaded, change.requirements,
                                            change.updates, &after, err);
    else if (iceberg_metadata_apply(loaded->metadata, loaded->metadata_location, change.updates,
                                    how->now_ms, &after.metadata, err) < 0)
        committed = ICEBERG_COMMIT_FAILED;
    else
        after.metadata_location = pl_strdup(loaded->metadata_location);
    iceberg_change_release(&change);
    switch (committed) {
    case ICEBERG_COMMITTED:
        iceberg_loaded_release(loaded);
        *loaded = after;
        return 0;
    case ICEBERG_CONFLICT:
        return 1;
    case ICEBERG_COMMIT_FAILED:
    case ICEBERG_COMMIT_UNKNOWN:
        break;
    }
    return -1;
}

/* ---- what is named ---- */

struct job {
    const struct iceberg_table *table;
    const struct output_maintain *how;
    struct location_set named;
    struct pl_strings orphans;
    uint64_t orphan_bytes;
    bool more; /* than a run removes */
};

static void name(struct job *j, const char *location)
{
    if (location)
        location_set_add(&j->named, (struct pl_slice){location, strlen(location)});
}

static void name_slice(void *userdata, struct pl_slice location)
{
    struct job *j = userdata;
    location_set_add(&j->named, location);
}

static int file_read(struct job *j, const char *location, struct pl_buf *out, struct pl_err *err)
{
    bool there = false;
    struct iceberg_store *s = j->table->store_of(j->table->userdata, location, err);
    if (!s || s->ops->get(s, location, FILE_MAX, out, &there, err) < 0)
        return -1;
    return there ? 0
                 : pl_err_set(err, PL_ERR_CONFIG, 0,
                              "%.200s is missing, which a snapshot names: the table is damaged",
                              location);
}

/* One that was named before was read before. */
static int manifest_name(struct job *j, struct pl_slice location, struct pl_err *err)
{
    if (!location_set_add(&j->named, location))
        return 0;
    struct pl_buf file = {0};
    PL_FREE char *text = pl_strndup(location.p, location.len);
    int rc = file_read(j, text, &file, err);
    if (rc == 0 &&
        iceberg_manifest_files((struct pl_slice){file.data, file.len}, name_slice, j, err) < 0) {
        err->kind = PL_ERR_CONFIG;
        rc = pl_err_prefix(err, "%.200s", text);
    }
    pl_buf_release(&file);
    return rc;
}

static int snapshot_name(struct job *j, const cJSON *snapshot, struct pl_err *err)
{
    const char *location = pl_doc_str(snapshot, "manifest-list");
    struct iceberg_manifest_list list = {0};
    struct pl_buf file = {0};
    if (!location)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "a snapshot without a manifest list, as format version 1 allows");
    name(j, location);
    int rc = file_read(j, location, &file, err);
    if (rc == 0 &&
        iceberg_manifest_list_read((struct pl_slice){file.data, file.len}, &list, err) < 0) {
        err->kind = PL_ERR_CONFIG;
        rc = pl_err_prefix(err, "%.200s", location);
    }
    for (unsigned i = 0; i < list.n && rc == 0; i++)
        rc = manifest_name(j, list.v[i].location, err);
    iceberg_manifest_list_release(&list);
    pl_buf_release(&file);
    return rc;
}

static int all_name(struct job *j, const struct iceberg_loaded *loaded, struct pl_err *err)
{
    static const char *const lists[][2] = {{"metadata-log", "metadata-file"},
                                           {"statistics", "statistics-path"},
                                           {"partition-statistics", "statistics-path"}};
    const cJSON *item;
    name(j, loaded->metadata_location);
    for (unsigned i = 0; i < PL_COUNT(lists); i++)
        cJSON_ArrayForEach(item, pl_doc_get(loaded->metadata, lists[i][0]))
            name(j, pl_doc_str(item, lists[i][1]));
    cJSON_ArrayForEach(item, pl_doc_get(loaded->metadata, "snapshots"))
    {
        if (snapshot_name(j, item, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- what nothing names ---- */

static bool may_be_removed(const char *location)
{
    static const char *const patterns[] = {"*.parquet", "*.avro", "v[0-9]*.metadata.json",
                                           ".*.??????"};
    const char *file = strrchr(location, '/');
    for (unsigned i = 0; file && i < PL_COUNT(patterns); i++)
        if (fnmatch(patterns[i], file + 1, 0) == 0)
            return true;
    return false;
}

static bool orphan_look(void *userdata, const struct iceberg_file *f)
{
    struct job *j = userdata;
    if (f->modified_ms > j->how->now_ms - ORPHAN_AGE_MS || !may_be_removed(f->location) ||
        location_set_has(&j->named, (struct pl_slice){f->location, strlen(f->location)}))
        return true;
    if (j->orphans.n == MAINTAIN_FILES_MAX) {
        j->more = true;
        return false;
    }
    pl_strings_add(&j->orphans, f->location);
    j->orphan_bytes += f->size;
    return true;
}

static int orphans_find(struct job *j, const char *table, struct pl_err *err)
{
    static const char *const folders[] = {"data", "metadata"};
    for (unsigned i = 0; i < PL_COUNT(folders); i++) {
        PL_FREE char *folder =
            pl_strf("%s%s%s", table, table[strlen(table) - 1] == '/' ? "" : "/", folders[i]);
        struct iceberg_store *s = j->table->store_of(j->table->userdata, folder, err);
        if (!s || s->ops->list(s, folder, orphan_look, j, err) < 0)
            return -1;
    }
    return 0;
}

static int orphans_remove(struct job *j, struct pl_err *err)
{
    for (size_t i = 0; i < j->orphans.n; i++) {
        const char *location = j->orphans.v[i];
        struct iceberg_store *s = j->table->store_of(j->table->userdata, location, err);
        if (!s || s->ops->remove(s, location, err) < 0)
            return -1;
    }
    return 0;
}

static void orphans_report(const struct job *j)
{
    struct pl_buf *out = j->how->ret_plan;
    pl_buf_addf(out, "%s: %zu file%s that nothing names, %" PRIu64 " bytes%s\n", j->table->shown,
                j->orphans.n, j->orphans.n == 1 ? "" : "s", j->orphan_bytes,
                j->more ? "; more are left for another run" : "");
    for (size_t i = 0; i < j->orphans.n && i < REPORT_FILES; i++)
        pl_buf_addf(out, "    %s\n", j->orphans.v[i]);
    if (j->orphans.n > REPORT_FILES)
        pl_buf_addf(out, "    ... and %zu more\n", j->orphans.n - REPORT_FILES);
}

static int maintain_loaded(struct job *j, const struct iceberg_loaded *loaded, struct pl_err *err)
{
    if (all_name(j, loaded, err) < 0 ||
        orphans_find(j, pl_doc_str(loaded->metadata, "location"), err) < 0)
        return pl_err_prefix(err, "%.100s: nothing was removed", j->table->shown);
    orphans_report(j);
    return j->how->dry_run ? 0 : orphans_remove(j, err);
}

int iceberg_maintain(const struct iceberg_table *t, const struct output_maintain *how,
                     int64_t keep_ms, struct pl_err *err)
{
    struct job j = {.table = t, .how = how};
    struct iceberg_loaded loaded = {0};
    int rc = 1, expired = 0;
    for (unsigned i = 0; i < TRIES && rc == 1; i++) {
        iceberg_loaded_release(&loaded);
        if (iceberg_table_load(t, &loaded, err) < 0)
            return -1;
        if (!loaded.metadata) {
            pl_buf_addf(how->ret_plan, "%s: is not there\n", t->shown);
            return 0;
        }
        rc = expire(t, how, how->now_ms - keep_ms, &loaded, &expired, err);
    }
    if (rc == 0) {
        pl_buf_addf(how->ret_plan, "%s: %d of %d snapshots expire\n", t->shown, expired,
                    expired + cJSON_GetArraySize(pl_doc_get(loaded.metadata, "snapshots")));
        rc = maintain_loaded(&j, &loaded, err);
    }
    iceberg_loaded_release(&loaded);
    location_set_release(&j.named);
    pl_strings_release(&j.orphans);
    return rc == 0 ? 0 : -1;
}
