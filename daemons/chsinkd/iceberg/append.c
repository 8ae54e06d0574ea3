/* SPDX-License-Identifier: Apache-2.0 */
/*
 * append.c - see append.h.
 */
#include "daemons/chsinkd/iceberg/append.h"

#include <inttypes.h>

#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/format/positions.h"
#include "daemons/chsinkd/iceberg/format/unique.h"
#include "daemons/chsinkd/iceberg/parquet.h"
#include "lib/base/clock.h"
#include "lib/base/step.h"

/* Other writers that were faster, in a row. */
#define CONFLICTS_MAX 20
#define LIST_FILE_MAX (64u << 20)

struct job {
    const struct iceberg_table *table;
    const struct output_range *range;
    struct iceberg_loaded loaded; /* the newest metadata */
    cJSON *positions;             /* as they are there */
    char *uuid;                   /* of the table that the files are for */
    struct iceberg_layout layout; /* of the files */
    struct iceberg_store *store;
    char *folder; /* of metadata files */
    struct iceberg_written written;
    char *manifest, *list; /* locations; NULL: none is there */
    uint64_t manifest_size;
    int64_t snapshot_id, began_ms;
    bool committed; /* or may be: what was written stays */
};

static void job_release(struct job *j)
{
    iceberg_loaded_release(&j->loaded);
    cJSON_Delete(j->positions);
    iceberg_written_release(&j->written, &j->layout);
    iceberg_layout_release(&j->layout);
    free(j->uuid);
    free(j->folder);
    free(j->manifest);
    free(j->list);
}

/* ---- loading ---- */

int iceberg_table_load(const struct iceberg_table *t, struct iceberg_loaded *ret,
                       struct pl_err *err)
{
    struct iceberg_loaded loaded = {0};
    if (t->catalog->ops->load(t->catalog, &t->name, &loaded, err) < 0) {
        if (err->kind == PL_ERR_REJECT)
            err->kind = PL_ERR_CONFIG; /* of the table: no message is refused for it */
        return -1;
    }
    if (loaded.metadata && iceberg_metadata_check(loaded.metadata, err) < 0) {
        iceberg_loaded_release(&loaded);
        return pl_err_prefix(err, "the Iceberg table %.100s", t->shown);
    }
    if (t->vended)
        iceberg_vended_replace(t->vended, &loaded.vended);
    *ret = loaded;
    return 0;
}

enum iceberg_verdict iceberg_judge(const struct output_range *range, int64_t kept,
                                   const char *kept_note)
{
    if (kept == range->position)
        return ICEBERG_GO;
    bool same_note = strcmp(kept_note, range->note ? range->note : "") == 0;
    return kept == range->end && same_note ? ICEBERG_THERE : ICEBERG_MOVED;
}

static enum output_answer answer_of(const struct pl_err *err)
{
    switch (err->kind) {
    case PL_ERR_REJECT:
        return OUTPUT_REFUSED;
    case PL_ERR_CONFIG:
        return OUTPUT_HELD;
    case PL_ERR_FATAL:
        return OUTPUT_TOO_LARGE;
    case PL_ERR_NONE:
    case PL_ERR_RETRY:
    case PL_ERR_FENCED:
        break;
    }
    return OUTPUT_RETRY;
}

static enum output_answer held(struct job *j, const char *why, struct pl_err *err)
{
    pl_err_set(err, PL_ERR_CONFIG, 0, "the Iceberg table %.100s %s", j->table->shown, why);
    return OUTPUT_HELD;
}

static enum output_answer moved(struct job *j, int64_t kept, struct pl_err *err)
{
    const struct output_range *r = j->range;
    pl_err_set(err, PL_ERR_RETRY, 0,
               "the Iceberg table %.100s has %" PRId64 " as the position of %.100s [%" PRId32
               "], not %" PRId64 ": another owner has written, or the table was replaced",
               j->table->shown, kept, r->topic, r->partition, r->position);
    return OUTPUT_MOVED;
}

/* The newest metadata, and whether the batch is still to be written. DONE with *ret_go false: it is
 * there. */
static enum output_answer load(struct job *j, bool *ret_go, struct pl_err *err)
{
    const struct output_range *r = j->range;
    iceberg_loaded_release(&j->loaded);
    cJSON_Delete(PL_TAKE(j->positions));
    *ret_go = false;
    if (iceberg_table_load(j->table, &j->loaded, err) < 0)
        return answer_of(err);
    if (!j->loaded.metadata)
        return held(j, "is not there any longer", err);
    if (iceberg_positions_of(j->loaded.metadata, &j->positions, err) < 0)
        return answer_of(err);
    const char *note, *uuid = pl_doc_str(j->loaded.metadata, "table-uuid");
    int64_t kept = iceberg_position_get(j->positions, r->group, r->topic, r->partition, &note);
    switch (iceberg_judge(r, kept, note)) {
    case ICEBERG_THERE:
        return OUTPUT_DONE;
    case ICEBERG_MOVED:
        return moved(j, kept, err);
    case ICEBERG_GO:
        break;
    }
    if (j->uuid && strcmp(j->uuid, uuid) != 0)
        return moved(j, kept, err); /* another table, which has no positions either */
    if (!j->uuid)
        j->uuid = pl_strdup(uuid);
    *ret_go = true;
    return OUTPUT_DONE;
}

/* ---- files ---- */

static char *folder_of(const cJSON *metadata, const char *property, const char *name)
{
    const char *set = iceberg_property(metadata, property);
    const char *location = set ? set : pl_doc_str(metadata, "location");
    size_t len = strlen(location);
    while (len > 1 && location[len - 1] == '/')
        len--;
    return set ? pl_strndup(location, len) : pl_strf("%.*s/%s", (int)len, location, name);
}

static char *data_folder(const cJSON *metadata)
{
    return folder_of(metadata, "write.data.path", "data");
}

static char *metadata_folder(const cJSON *metadata)
{
    return folder_of(metadata, "write.metadata.path", "metadata");
}

static int folder_check(const struct iceberg_table *t, const char *folder, struct pl_err *err)
{
    PL_FREE char *location = pl_strf("%s/chsinkd", folder);
    struct iceberg_store *s = t->store_of(t->userdata, location, err);
    PL_FREE char *staged = s ? s->ops->stage(s, location, err) : NULL;
    if (!staged)
        return -1;
    s->ops->unstage(s, location, staged);
    return 0;
}

int iceberg_folders_check(const struct iceberg_table *t, const cJSON *metadata, struct pl_err *err)
{
    PL_FREE char *data = data_folder(metadata);
    PL_FREE char *documents = metadata_folder(metadata);
    return folder_check(t, data, err) < 0 ? -1 : folder_check(t, documents, err);
}

static int manifest_write(struct job *j, struct pl_err *err)
{
    char uuid[ICEBERG_UUID_SIZE];
    uint8_t sync[AVRO_SYNC_LEN];
    struct pl_buf file = {0};
    iceberg_uuid(uuid);
    iceberg_random(sync, sizeof(sync));
    iceberg_manifest_write(j->written.files, j->written.n, &j->layout, j->loaded.metadata,
                           j->snapshot_id, sync, &file);
    PL_FREE char *location = pl_strf("%s/%s-m0.avro", j->folder, uuid);
    int rc = j->store->ops->put(j->store, location, (struct pl_slice){file.data, file.len}, err);
    j->manifest_size = file.len;
    pl_buf_release(&file);
    if (rc == 0)
        j->manifest = PL_TAKE(location);
    PL_STEP("iceberg.manifest");
    return rc;
}

static int files_write(struct job *j, const struct block *b, struct pl_err *err)
{
    if (iceberg_layout_of(j->table->route, j->table->uint64, j->loaded.metadata, &j->layout, err) <
        0)
        return pl_err_prefix(err, "the Iceberg table %.100s", j->table->shown);
    j->folder = metadata_folder(j->loaded.metadata);
    PL_FREE char *data = data_folder(j->loaded.metadata);
    j->snapshot_id = iceberg_snapshot_id_new();
    j->store = j->table->store_of(j->table->userdata, j->folder, err);
    if (!j->store)
        return -1;
    if (block_rows(b) == 0)
        return 0;
    struct iceberg_store *store = j->table->store_of(j->table->userdata, data, err);
    if (!store ||
        iceberg_parquet_write(j->table->library, b, &j->layout, store, data, &j->written, err) < 0)
        return -1;
    PL_STEP("iceberg.data");
    return manifest_write(j, err);
}

static void file_remove(struct job *j, const char *location)
{
    struct pl_err ignored;
    struct iceberg_store *s = j->table->store_of(j->table->userdata, location, &ignored);
    if (s)
        s->ops->remove(s, location, &ignored);
}

static void list_remove(struct job *j)
{
    if (j->list)
        file_remove(j, j->list);
    free(PL_TAKE(j->list));
}

/* Nothing names them, and nothing will. */
static void files_remove(struct job *j)
{
    if (j->committed)
        return;
    list_remove(j);
    if (j->manifest)
        file_remove(j, j->manifest);
    for (unsigned i = 0; i < j->written.n; i++)
        file_remove(j, j->written.files[i].location);
}

/* The list of the snapshot before; an empty one if there is none. */
static int list_before(struct job *j, struct iceberg_manifest_list *ret, struct pl_err *err)
{
    struct iceberg_snapshot s;
    if (!iceberg_snapshot_current(j->loaded.metadata, &s))
        return 0;
    if (!s.manifest_list)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "its snapshot %" PRId64 " has no manifest list, as format version 1 "
                          "allows: have its manifests rewritten (rewrite_manifests)",
                          s.id);
    struct iceberg_store *store = j->table->store_of(j->table->userdata, s.manifest_list, err);
    struct pl_buf file = {0};
    bool there = false;
    if (!store)
        return -1;
    int rc = store->ops->get(store, s.manifest_list, LIST_FILE_MAX, &file, &there, err);
    if (rc < 0 && err->kind == PL_ERR_REJECT)
        err->kind = PL_ERR_CONFIG; /* it is not the batch that is too large */
    if (rc == 0 && !there)
        rc = pl_err_set(err, PL_ERR_CONFIG, 0,
                        "%.200s is missing, which its current snapshot names: the table is "
                        "damaged",
                        s.manifest_list);
    if (rc == 0) {
        rc = iceberg_manifest_list_read((struct pl_slice){file.data, file.len}, ret, err);
        if (rc < 0) {
            err->kind = PL_ERR_CONFIG;
            pl_err_prefix(err, "its manifest list %.200s", s.manifest_list);
        }
    }
    pl_buf_release(&file);
    return rc;
}

static int list_write(struct job *j, struct pl_err *err)
{
    struct iceberg_manifest_list list = {0};
    struct iceberg_snapshot before;
    int64_t sequence = iceberg_sequence_next(j->loaded.metadata);
    char uuid[ICEBERG_UUID_SIZE];
    uint8_t sync[AVRO_SYNC_LEN];
    struct pl_buf file = {0};
    if (list_before(j, &list, err) < 0)
        return -1;
    int64_t parent = iceberg_snapshot_current(j->loaded.metadata, &before) ? before.id : -1;
    if (j->manifest)
        iceberg_manifest_list_add(&list, j->manifest, j->manifest_size, j->written.files,
                                  j->written.n, &j->layout, j->snapshot_id, sequence);
    iceberg_uuid(uuid);
    iceberg_random(sync, sizeof(sync));
    iceberg_manifest_list_write(&list, j->snapshot_id, parent, sequence, sync, &file);
    iceberg_manifest_list_release(&list);
    PL_FREE char *location =
        pl_strf("%s/snap-%" PRId64 "-1-%s.avro", j->folder, j->snapshot_id, uuid);
    int rc = j->store->ops->put(j->store, location, (struct pl_slice){file.data, file.len}, err);
    pl_buf_release(&file);
    if (rc == 0)
        j->list = PL_TAKE(location);
    PL_STEP("iceberg.list");
    return rc;
}

/* ---- the commit ---- */

static enum iceberg_committed commit(struct job *j, struct pl_err *err)
{
    const struct output_range *r = j->range;
    if (list_write(j, err) < 0)
        return ICEBERG_COMMIT_FAILED;
    iceberg_position_set(j->positions, r->group, r->topic, r->partition, r->end, r->note);
    const struct iceberg_append append = {.snapshot_id = j->snapshot_id,
                                          .now_ms = pl_clock_realtime_ms(),
                                          .manifest_list = j->list,
                                          .files = j->written.files,
                                          .files_n = j->written.n,
                                          .layout = &j->layout,
                                          .positions = j->positions,
                                          .took_ms = pl_clock_monotonic_ms() - j->began_ms};
    struct iceberg_change change;
    struct iceberg_loaded after = {0};
    iceberg_change_init(&change, j->loaded.metadata);
    iceberg_change_append(&change, j->loaded.metadata, &append);
    enum iceberg_committed committed =
        j->table->catalog->ops->commit(j->table->catalog, &j->table->name, &j->loaded,
                                       change.requirements, change.updates, &after, err);
    iceberg_change_release(&change);
    iceberg_loaded_release(&after);
    return committed;
}

/* The files' columns and partitions are still those of the table. A column that was taken out and
 * added again has another id: its values would be there, and no reader would find them. */
static bool layout_is_current(const struct job *j)
{
    int64_t schema = -1, spec = -1;
    iceberg_json_int(j->loaded.metadata, "current-schema-id", &schema);
    iceberg_json_int(j->loaded.metadata, "default-spec-id", &spec);
    return schema == j->layout.schema_id && spec == j->layout.spec_id;
}

static enum output_answer commit_until_done(struct job *j, struct pl_err *err)
{
    bool go;
    for (unsigned i = 0; i < CONFLICTS_MAX; i++) {
        switch (commit(j, err)) {
        case ICEBERG_COMMITTED:
            return OUTPUT_DONE;
        case ICEBERG_COMMIT_FAILED:
            return answer_of(err);
        case ICEBERG_COMMIT_UNKNOWN:
            return OUTPUT_UNKNOWN;
        case ICEBERG_CONFLICT:
            break;
        }
        /* A request that was repeated on its way (by a proxy, or inside the catalogue) conflicts
         * with itself: then the snapshot is there, and its files are no one's to remove. */
        j->committed = true;
        enum output_answer answer = load(j, &go, err);
        if (!j->loaded.metadata)
            return answer == OUTPUT_RETRY ? OUTPUT_UNKNOWN : answer;
        struct iceberg_snapshot ours;
        j->committed = iceberg_snapshot_find(j->loaded.metadata, j->snapshot_id, &ours);
        if (!j->committed)
            list_remove(j);
        free(PL_TAKE(j->list));
        if (answer != OUTPUT_DONE)
            return answer;
        if (!go) {
            files_remove(j); /* it may be another owner of ours who has written the batch */
            return OUTPUT_DONE;
        }
        if (!layout_is_current(j)) {
            pl_err_set(err, PL_ERR_RETRY, 0,
                       "somebody changed the columns or partitions of the Iceberg table %.100s "
                       "meanwhile: the batch is written anew",
                       j->table->shown);
            return OUTPUT_RETRY;
        }
    }
    pl_err_set(err, PL_ERR_RETRY, 0,
               "other writers of the Iceberg table %.100s were faster %d times in a row",
               j->table->shown, CONFLICTS_MAX);
    return OUTPUT_RETRY;
}

enum output_answer iceberg_append(const struct iceberg_table *t, const struct output_range *range,
                                  const struct batch *b, struct pl_err *err)
{
    struct job j = {.table = t, .range = range, .began_ms = pl_clock_monotonic_ms()};
    bool go;
    enum output_answer answer = load(&j, &go, err);
    if (answer == OUTPUT_DONE && go) {
        answer = files_write(&j, b->block, err) < 0 ? answer_of(err) : commit_until_done(&j, err);
        if (answer != OUTPUT_DONE && answer != OUTPUT_UNKNOWN)
            files_remove(&j);
    }
    job_release(&j);
    return answer;
}
