/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_rows_documents.c - several documents in a message, and the frame of a schema registry
 * before it.
 *
 * links: chsinkd
 */
#include "tests/unit/rows_fixture.h"

#define COLUMNS "columns:\n  - {name: i, path: $.i, type: Int8}\n"
#define ROWS                                                                                       \
    "rows: $.a[*]\ncolumns:\n"                                                                     \
    "  - {name: n, path: $.n, type: Int8, missing: default}\n"                                     \
    "  - {name: i, path: '@.i', type: Int8}\n"
#define MANY   "documents: many\n"
#define FRAMED "message: {strip: schema_registry}\n"

/* All that was refused since the last call: "0,3: reason of the last". */
struct refusals {
    struct row_set rows;
    bool message;
    const char *reason, *detail;
};

static void keep(void *userdata, const struct rows_reject *reject)
{
    struct refusals *f = userdata;
    f->reason = reject->reason;
    f->detail = reject->detail;
    if (reject->row < 0)
        f->message = true;
    else
        ck_assert(row_set_add(&f->rows, reject->row, reject->row));
}

/* Decodes and compares what came: the rows' column i, and the refused ones. */
static void assert_decoded(struct fixture *f, const char *value, size_t len,
                           const struct row_set *only, const char *rows, const char *refused)
{
    struct refusals got = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    PL_FREE char *copy = malloc(len ? len : 1);
    memcpy(copy, value, len);
    const struct rows_message m = {.topic = "t", .value = copy, .value_len = len};
    block_reset(f->block);
    uint64_t n = rows_decode(f->rows, &m, only, f->block, keep, &got);
    ck_assert_uint_eq(n, block_rows(f->block));
    for (uint64_t i = 0; i < n; i++)
        block_print_row(f->block, i, &text);
    ck_assert_str_eq(pl_buf_cstr(&text), rows);
    pl_buf_reset(&text);
    for (unsigned i = 0; i < got.rows.n && !got.message; i++)
        for (int64_t k = got.rows.ranges[i].first; k <= got.rows.ranges[i].last; k++)
            pl_buf_addf(&text, "%d ", (int)k);
    pl_buf_add_str(&text, got.reason ? got.reason : "");
    if (got.detail)
        pl_buf_addf(&text, ": %s", got.detail);
    ck_assert_str_eq(pl_buf_cstr(&text), refused);
    row_set_release(&got.rows);
}

#define assert_all(f, value, rows, refused)                                                        \
    assert_decoded((f), (value), strlen(value), NULL, (rows), (refused))

#define NOT_OBJECT "document is not a JSON object"
#define CUT        "not valid JSON: document ends too early"

static const struct {
    const char *value, *rows, *refused;
} documents[] = {
    {"{\"i\":1}", "{\"i\":1}", ""},
    {"{\"i\":1}\n{\"i\":2}\n", "{\"i\":1}{\"i\":2}", ""},
    {"{\"i\":1}\n{\"i\":2}", "{\"i\":1}{\"i\":2}", ""}, /* no line feed at the end */
    {"\xef\xbb\xbf\n\n{\"i\":1}\r\n\r\n \t{\"i\":2} \n\n", "{\"i\":1}{\"i\":2}", ""},
    {"\x1e{\"i\":1}\n\x1e{\"i\":2}\n", "{\"i\":1}{\"i\":2}", ""}, /* RFC 7464 */
    {"{\"i\":1}{\"i\":2}", "{\"i\":1}{\"i\":2}", ""},
    {"{\"i\":\n1}\n{\"i\":2}", "{\"i\":1}{\"i\":2}", ""}, /* lines do not count */
    {"", "", "empty value"},
    {" \n", "", "empty value"},
    {"{\"i\":1}\n{\"i\":999}\n{\"i\":3}\n", "{\"i\":1}{\"i\":3}",
     "1 value is out of range for the column"},
    {"7\n{\"i\":2}\n[]\nnull\n", "{\"i\":2}", "0 2 3 " NOT_OBJECT},
    {"{}\n{\"i\":2}\n{\"i\":1,\"i\":2}\n", "{\"i\":2}", "0 2 duplicate key"},
    /* Where the next one begins cannot be known. */
    {"{\"i\":999}\n{\"i\":2}\n{\"i\"\n{\"i\":4}\n", "", "not valid JSON: expected ':' after a key"},
    {"{\"i\":1}\n{\"i\":2", "", CUT},
    {"{\"i\":1}\nx", "", "not valid JSON: expected a value"},
    {"{\"i\":1},{\"i\":2}", "", "not valid JSON: expected a value"},
    {"{\"i\":1}\n\xef\xbb\xbf{\"i\":2}", "", "not valid JSON: expected a value"},
    {"{\"i\":1}\n{\"x\":[[[[[1]]]]],\"i\":2}\n", "",
     "not valid JSON: document is nested too deeply"},
};

START_TEST(check_documents)
{
    FIXTURE f = fixture_new(MANY "depth_max: 4\n" COLUMNS);
    assert_all(&f, documents[_i].value, documents[_i].rows, documents[_i].refused);
}
END_TEST

#define D0      "{\"n\":5,\"a\":[{\"i\":0},{\"i\":999},{\"i\":2}]}\n"
#define D3      "{\"a\":[]}\n"                              /* counts one */
#define D4      "{\"a\":7}\n"                               /* counts one */
#define D5      "{\"n\":999,\"a\":[{\"i\":5},{\"i\":6}]}\n" /* refused as a whole */
#define D7      "{\"a\":[{\"i\":7}, {\"i\":8}]}\n"
#define ROW(i)  "{\"n\":0,\"i\":" i "}"
#define ROW5(i) "{\"n\":5,\"i\":" i "}"

START_TEST(check_documents_of_rows)
{
    FIXTURE f = fixture_new(MANY ROWS);
    assert_all(&f, D0 D3 D4 D5 D7, ROW5("0") ROW5("2") ROW("7") ROW("8"),
               "1 4 5 6 value is out of range for the column");
    assert_all(&f, D7 D7, ROW("7") ROW("8") ROW("7") ROW("8"), "");
    assert_all(&f, D7 "{}\n" D7, ROW("7") ROW("8") ROW("7") ROW("8"),
               "2 message has no array of rows at the route's path");
    assert_all(&f, D7 "[]\n" D7, ROW("7") ROW("8") ROW("7") ROW("8"), "2 " NOT_OBJECT);
    assert_all(&f, D7 "{\"a\":[", "", CUT);
    ck_assert_uint_eq(rows_counts(f.rows)->rejected_messages, 1);
    ck_assert_uint_eq(rows_counts(f.rows)->rejected_rows, 6);
}
END_TEST

static struct row_set only_of(const char *text)
{
    struct row_set only = {0};
    ck_assert(row_set_parse(&only, text, strlen(text)));
    return only;
}

/* What a dead letter names is taken from it, by a route that takes more than the one before. */
START_TEST(check_documents_replayed)
{
    FIXTURE wide = fixture_new(MANY "rows: $.a[*]\nrows_missing: none\ncolumns:\n"
                                    "  - {name: n, path: $.n, type: Int16, missing: default}\n"
                                    "  - {name: i, path: '@.i', type: Int16}\n");
    static const char value[] = D0 D3 D4 D5 D7;
    static const struct {
        const char *only, *rows, *refused;
    } cases[] = {
        {"1,5-6", ROW5("999") "{\"n\":999,\"i\":5}{\"n\":999,\"i\":6}", ""},
        {"6-7", "{\"n\":999,\"i\":6}" ROW("7"), ""},
        {"3", "", ""},
        {"4,8", ROW("8"), "4 value has the wrong type for the column"},
        {"8-9", "", "message has no such element"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_CLEANUP(row_set_release) struct row_set only = only_of(cases[i].only);
        assert_decoded(&wide, value, strlen(value), &only, cases[i].rows, cases[i].refused);
    }
}
END_TEST

/* Each place alone gives what all give together, however the documents are cut. */
START_TEST(check_documents_one_by_one)
{
    static const char *const parts[] = {D0, D3, D4, D5, D7, "{}", "5", "{\"a\":null}"};
    FIXTURE f = fixture_new(MANY ROWS);
    for (unsigned pick = 0; pick < 8 * 8 * 8; pick++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf all = {0}, one = {0};
        PL_FREE char *value =
            pl_strf("%s%s%s", parts[pick % 8], parts[pick / 8 % 8], parts[pick / 64]);
        block_reset(f.block);
        f.rejects = 0;
        uint64_t rows = decode(&f, value);
        unsigned rejects = f.rejects;
        block_native(f.block, &all);
        block_reset(f.block);
        f.rejects = 0;
        for (int64_t i = 0; i < 9; i++) {
            decode_bytes(&f, value, strlen(value), i);
            f.rejects -= f.row < 0; /* no such element */
            f.row = 0;
        }
        block_native(f.block, &one);
        ck_assert_uint_eq(block_rows(f.block), rows);
        ck_assert_uint_eq(f.rejects, rejects);
        ck_assert_mem_eq(one.data, all.data, all.len);
    }
}
END_TEST

START_TEST(check_documents_of_arrays)
{
    FIXTURE f = fixture_new(MANY "rows: $[*]\ncolumns:\n  - {name: i, path: '@.i', type: Int8}\n");
    assert_all(&f, "[{\"i\":1},{\"i\":2}]\n[]\n[{\"i\":3},4]\n{}", "{\"i\":1}{\"i\":2}{\"i\":3}",
               "4 5 document is not a JSON array");
}
END_TEST

START_TEST(check_documents_too_large)
{
    FIXTURE f = fixture_new(MANY "message_memory_max: 64\n" COLUMNS);
    PL_CLEANUP(pl_buf_release) struct pl_buf value = {0};
    for (int i = 0; i < 64; i++)
        pl_buf_add_str(&value, "{\"i\":1}\n");
    ck_assert_uint_eq(decode_bytes(&f, value.data, value.len, -1), 64);
    pl_buf_add_str(&value, "{\"i\":1}\n");
    ck_assert_uint_eq(decode_bytes(&f, value.data, value.len, -1), 0);
    ck_assert_int_eq(f.row, -1);
    ck_assert_str_eq(f.reason, "rows of the message are larger than message_memory_max");
    ck_assert_uint_eq(block_rows(f.block), 64);
}
END_TEST

/* --- message: {strip: schema_registry} --- */

#define FRAME "\0\x80\0\x01\x07"

START_TEST(check_frame)
{
    FIXTURE f = fixture_new(FRAMED "columns:\n  - {name: i, path: $.i, type: Int8}\n"
                                   "  - {name: id, from: schema_id, type: UInt32}\n"
                                   "  - {name: id64, from: schema_id, type: Int64}\n");
    static const char bom[] = FRAME "\xef\xbb\xbf{\"i\":2}";
    static const char bad[] = FRAME "{\"i\":999}", avro[] = FRAME "\x02\x04";
    static const char gzip[] = FRAME "\x1f\x8b\x08";
    const char *const row = "{\"i\":2,\"id\":2147483911,\"id64\":2147483911}";
    assert_decoded(&f, FRAME "{\"i\":2}", 12, NULL, row, "");
    assert_decoded(&f, bom, sizeof(bom) - 1, NULL, row, "");
    assert_decoded(&f, "{\"i\":2}", 7, NULL, "", "message is not framed by a schema registry");
    assert_decoded(&f, FRAME, 4, NULL, "", "message is not framed by a schema registry");
    assert_decoded(&f, FRAME, 5, NULL, "", "empty value");
    assert_decoded(&f, bad, sizeof(bad) - 1, NULL, "", "value is out of range for the column");
    assert_decoded(&f, avro, sizeof(avro) - 1, NULL, "",
                   "not valid JSON: what is behind the frame of a schema registry is no JSON (Avro "
                   "or Protobuf): its producer must write JSON");
    assert_decoded(&f, gzip, sizeof(gzip) - 1, NULL, "",
                   "not valid JSON: the value is compressed (gzip): let Kafka compress "
                   "(compression.type of the producer), not the program before it");
    /* Offsets are those of the message. */
    decode_bytes(&f, bad, sizeof(bad) - 1, -1);
    ck_assert_uint_eq(f.offset, 10);
}
END_TEST

START_TEST(check_frame_of_rows)
{
    FIXTURE f = fixture_new(FRAMED MANY "rows: $.a[*]\ncolumns:\n"
                                        "  - {name: i, path: '@.i', type: Int8}\n"
                                        "  - {name: id, from: schema_id, type: UInt32}\n");
    static const char value[] = "\0\0\0\0\x09{\"a\":[{\"i\":1},{\"i\":2}]}\n{\"a\":[{\"i\":3}]}";
    assert_decoded(&f, value, sizeof(value) - 1, NULL,
                   "{\"i\":1,\"id\":9}{\"i\":2,\"id\":9}{\"i\":3,\"id\":9}", "");
}
END_TEST

START_TEST(check_frame_tombstone)
{
    FIXTURE f = fixture_new(FRAMED "tombstones: row\ncolumns:\n"
                                   "  - {name: id, from: schema_id, type: Nullable(UInt32)}\n");
    const struct rows_message m = {.topic = "t"};
    ck_assert_uint_eq(rows_decode(f.rows, &m, NULL, f.block, on_reject, &f), 1);
    assert_row(&f, 0, "{\"id\":null}");
}
END_TEST

static const struct {
    const char *text, *finding;
} faults[] = {
    {"documents: some\n" COLUMNS, "4:12: documents: "},
    {"message: {strip: gzip}\n" COLUMNS, "4:18: message.strip: "},
    {COLUMNS "  - {name: id, from: schema_id, type: UInt32}\n",
     "6:22: column id: from: schema_id needs message: {strip: schema_registry}"},
    {FRAMED COLUMNS "  - {name: id, from: schema_id, type: Int32}\n",
     "column id: from: schema_id needs the type UInt32, Int64 or UInt64"},
};

START_TEST(check_faults)
{
    struct pl_findings errs;
    PL_FREE char *yaml = pl_strf("topic: t\ntable: t\norder_by: tuple()\n%s", faults[_i].text);
    pl_findings_init(&errs);
    ck_assert_ptr_null(route_parse("test", yaml, strlen(yaml), &errs));
    ck_assert_msg(strstr(pl_buf_cstr(&errs.text), faults[_i].finding), "%s",
                  pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(check_documents, .count = PL_COUNT(documents)),
        TEST(check_documents_of_rows),
        TEST(check_documents_replayed),
        TEST(check_documents_one_by_one),
        TEST(check_documents_of_arrays),
        TEST(check_documents_too_large),
        TEST(check_frame),
        TEST(check_frame_of_rows),
        TEST(check_frame_tombstone),
        TEST(check_faults, .count = PL_COUNT(faults)),
    };
    return unit_main("rows_documents", tests, PL_COUNT(tests));
}
