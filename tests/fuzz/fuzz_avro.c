/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_avro.c - any bytes as a manifest list and as a manifest, which other writers' programs make.
 *
 * A list that is read is written anew, and then reads as before: nothing of another writer's
 * manifests may change on its way through a commit.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/iceberg/format/manifest.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fuzz_avro: %s\n", what);
        abort();
    }
}

static bool same(struct pl_slice a, struct pl_slice b)
{
    return (a.p == NULL) == (b.p == NULL) && a.len == b.len &&
           (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static void manifest_check(const struct iceberg_manifest *a, const struct iceberg_manifest *b)
{
    expect(same(a->location, b->location) && same(a->key_metadata, b->key_metadata), "a text");
    expect(a->length == b->length && a->spec_id == b->spec_id && a->content == b->content &&
               a->sequence == b->sequence && a->sequence_min == b->sequence_min &&
               a->snapshot_id == b->snapshot_id,
           "a number");
    expect(a->files_added == b->files_added && a->files_existing == b->files_existing &&
               a->files_deleted == b->files_deleted && a->rows_added == b->rows_added &&
               a->rows_existing == b->rows_existing && a->rows_deleted == b->rows_deleted,
           "a count");
    expect(a->partitions_given == b->partitions_given && a->partitions_n == b->partitions_n,
           "partitions");
    for (unsigned i = 0; i < a->partitions_n; i++) {
        const struct iceberg_partition_summary *s = &a->partitions[i], *t = &b->partitions[i];
        expect(s->contains_null == t->contains_null && s->contains_nan == t->contains_nan &&
                   same(s->lower, t->lower) && same(s->upper, t->upper),
               "a summary");
    }
}

static void list_check(const struct iceberg_manifest_list *list)
{
    static const uint8_t sync[AVRO_SYNC_LEN] = "0123456789abcde";
    struct iceberg_manifest_list again = {0};
    struct pl_buf file = {0};
    struct pl_err err;
    iceberg_manifest_list_write(list, 7, 6, 5, sync, &file);
    expect(iceberg_manifest_list_read((struct pl_slice){file.data, file.len}, &again, &err) == 0,
           "what was written cannot be read");
    expect(again.n == list->n, "how many");
    for (unsigned i = 0; i < list->n; i++)
        manifest_check(&list->v[i], &again.v[i]);
    iceberg_manifest_list_release(&again);
    pl_buf_release(&file);
}

static void on_file(void *userdata, struct pl_slice location)
{
    size_t *bytes = userdata;
    for (size_t i = 0; i < location.len; i++)
        *bytes += location.p[i] != '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pl_slice file = {(const char *)data, size};
    struct iceberg_manifest_list list = {0};
    struct pl_err err;
    size_t bytes = 0;
    if (iceberg_manifest_list_read(file, &list, &err) == 0)
        list_check(&list);
    else
        expect(err.kind == PL_ERR_REJECT, "a list is refused as such");
    iceberg_manifest_list_release(&list);
    if (iceberg_manifest_files(file, on_file, &bytes, &err) < 0)
        expect(err.kind == PL_ERR_REJECT, "a manifest is refused as such");
    return 0;
}
