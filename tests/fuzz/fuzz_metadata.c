/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_metadata.c - any bytes as an Iceberg table's metadata, which other writers' programs make.
 *
 * What is read is printed so that it reads the same, and positions that are read are written so.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/format/positions.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fuzz_metadata: %s\n", what);
        abort();
    }
}

static void print_check(const cJSON *document, size_t size)
{
    struct pl_buf text = {0}, again = {0};
    cJSON *back = NULL;
    struct pl_err err;
    iceberg_json_print(document, &text);
    expect(iceberg_json_parse(text.data, text.len, 8 * size + 64, &back, &err) == 0,
           "what was printed cannot be read");
    iceberg_json_print(back, &again);
    expect(text.len == again.len && memcmp(text.data, again.data, text.len) == 0,
           "printed twice it is not the same");
    cJSON_Delete(back);
    pl_buf_release(&text);
    pl_buf_release(&again);
}

/* A commit keeps the positions of all that it does not move. */
static void positions_check(const cJSON *metadata)
{
    const struct iceberg_layout layout = {0};
    PL_CLEANUP(cJSON_Deletep) cJSON *positions = NULL, *after = NULL, *kept = NULL;
    struct iceberg_change change;
    struct pl_err err;
    if (iceberg_metadata_check(metadata, &err) < 0 ||
        iceberg_positions_of(metadata, &positions, &err) < 0) {
        expect(err.kind == PL_ERR_CONFIG, "a table is refused as such");
        return;
    }
    struct iceberg_snapshot there;
    int64_t id = 1;
    while (iceberg_snapshot_find(metadata, id, &there)) /* those of real commits are random */
        id++;
    iceberg_position_set(positions, "g", "t", 3, 77, "note");
    const struct iceberg_append append = {.snapshot_id = id,
                                          .now_ms = 2,
                                          .manifest_list = "/l",
                                          .layout = &layout,
                                          .positions = positions};
    iceberg_change_init(&change, metadata);
    iceberg_change_append(&change, metadata, &append);
    int rc = iceberg_metadata_apply(metadata, "/before", change.updates, 2, &after, &err);
    iceberg_change_release(&change);
    expect(rc == 0, "a commit fails");
    const char *note;
    expect(iceberg_positions_of(after, &kept, &err) == 0, "positions are damaged by a commit");
    expect(iceberg_position_get(kept, "g", "t", 3, &note) == 77, "another position");
    expect(strcmp(note, "note") == 0, "another note");
    PL_FREE char *before_text = iceberg_positions_offsets(positions);
    PL_FREE char *after_text = iceberg_positions_offsets(kept);
    expect(strcmp(before_text, after_text) == 0, "positions of others have changed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *document = NULL;
    struct pl_err err;
    if (iceberg_json_parse((const char *)data, size, size, &document, &err) < 0)
        return 0;
    print_check(document, size);
    positions_check(document);
    cJSON_Delete(document);
    return 0;
}
