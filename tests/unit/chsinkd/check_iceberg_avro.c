/* SPDX-License-Identifier: Apache-2.0 */
/* links: chsinkd */
#include "daemons/chsinkd/iceberg/format/avro.h"
#include "tests/unit/unit.h"

#define SCHEMA                                                                                     \
    "{\"type\":\"record\",\"name\":\"r\",\"fields\":["                                             \
    "{\"name\":\"a\",\"type\":\"long\",\"field-id\":1},"                                           \
    "{\"name\":\"b\",\"type\":[\"null\",\"string\"],\"field-id\":2},"                              \
    "{\"name\":\"skipped\",\"type\":{\"type\":\"map\",\"values\":\"double\"}},"                    \
    "{\"name\":\"list\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\","    \
    "\"name\":\"e\",\"fields\":[{\"name\":\"yes\",\"type\":\"boolean\",\"field-id\":4},"           \
    "{\"name\":\"f\",\"type\":{\"type\":\"fixed\",\"name\":\"x\",\"size\":3}}]}}],"                \
    "\"field-id\":3}]}"

static void record_put(struct pl_buf *out, int64_t a, const char *b, unsigned elements)
{
    avro_put_long(out, a);
    if (b) {
        avro_put_some(out);
        avro_put_string(out, b);
    } else {
        avro_put_null(out);
    }
    avro_put_long(out, -1); /* a map's block with its length */
    avro_put_long(out, 10);
    avro_put_string(out, "k");
    pl_buf_add(out, "\0\0\0\0\0\0\0\0", 8);
    avro_put_long(out, 0);
    if (elements == 0) {
        avro_put_null(out);
        return;
    }
    avro_put_some(out);
    avro_put_long(out, elements);
    for (unsigned i = 0; i < elements; i++) {
        avro_put_bool(out, i % 2);
        pl_buf_add(out, "xyz", 3);
    }
    avro_put_long(out, 0);
}

static struct avro_layout layout_of(bool deflate)
{
    static const struct avro_meta meta[] = {{"format-version", "2"}};
    struct avro_layout l = {.schema = SCHEMA, .meta = meta, .meta_n = 1, .deflate = deflate};
    memcpy(l.sync, "0123456789abcdef", AVRO_SYNC_LEN);
    return l;
}

static const struct {
    int64_t a;
    const char *b;
    unsigned elements;
} rows[] = {{0, "", 0}, {-1, NULL, 3}, {INT64_MIN, "Zürich", 1}, {INT64_MAX, "x", 200}};

static struct pl_buf file_of(bool deflate)
{
    struct pl_buf records = {0}, out = {0};
    for (size_t i = 0; i < PL_COUNT(rows); i++)
        record_put(&records, rows[i].a, rows[i].b, rows[i].elements);
    const struct avro_layout l = layout_of(deflate);
    avro_write(&l, PL_COUNT(rows), (struct pl_slice){records.data, records.len}, &out);
    pl_buf_release(&records);
    return out;
}

struct seen {
    int64_t a;
    struct pl_slice b;
    bool has_b;
    unsigned elements, yes;
};

static void element_begin(void *userdata)
{
    struct seen *s = userdata;
    s->elements++;
}

static void element_field(void *userdata, struct avro_in *in, int64_t id, const cJSON *type)
{
    struct seen *s = userdata;
    if (id == 4)
        s->yes += avro_get_bool(in);
    else
        avro_skip(in, type);
}

static void field(void *userdata, struct avro_in *in, int64_t id, const cJSON *type)
{
    struct seen *s = userdata;
    if (id == 1 && avro_is_long(type)) {
        s->a = avro_get_long(in);
    } else if (id == 2 && avro_is_bytes(type)) {
        s->b = avro_get_bytes(in);
        s->has_b = true;
    } else if (id == 3) {
        avro_get_records(in, type, element_begin, element_field, s);
    } else {
        avro_skip(in, type);
    }
}

/* How many records of the file are as they were written; all others are missing. */
static uint64_t records_check(const struct avro_file *f)
{
    struct avro_in in = {f->data.data, f->data.data + f->data.len, false};
    for (uint64_t i = 0; i < f->count; i++) {
        struct seen s = {0};
        avro_get_record(&in, f->schema, field, &s);
        ck_assert(!in.broken);
        ck_assert_int_eq(s.a, rows[i].a);
        ck_assert_uint_eq(s.has_b, rows[i].b != NULL);
        ck_assert(!rows[i].b || pl_slice_eq(s.b, rows[i].b));
        ck_assert_uint_eq(s.elements, rows[i].elements);
        ck_assert_uint_eq(s.yes, rows[i].elements / 2);
    }
    ck_assert_ptr_eq(in.p, in.end);
    return f->count;
}

START_TEST(the_bytes_are_those_of_the_specification)
{
    static const char schema[] = "\"long\"";
    struct avro_layout l = {.schema = schema};
    memset(l.sync, 's', AVRO_SYNC_LEN);
    struct pl_buf records = {0}, out = {0};
    static const int64_t values[] = {0, -1, 1, -64, 64, -2147483648};
    for (size_t i = 0; i < PL_COUNT(values); i++)
        avro_put_long(&records, values[i]);
    avro_write(&l, PL_COUNT(values), (struct pl_slice){records.data, records.len}, &out);
    static const char expected[] = "Obj\1"
                                   "\4\x16"
                                   "avro.schema"
                                   "\x0c\"long\"\x14"
                                   "avro.codec"
                                   "\10null\0ssssssssssssssss"
                                   "\x0c\x16\0\1\2\x7f\x80\1\xff\xff\xff\xff\x0fssssssssssssssss";
    ck_assert_uint_eq(out.len, sizeof(expected) - 1);
    ck_assert_mem_eq(out.data, expected, out.len);
    pl_buf_release(&records);
    pl_buf_release(&out);
}
END_TEST

START_TEST(what_is_written_is_read)
{
    struct pl_err err;
    struct pl_buf file = file_of(_i == 1);
    struct avro_file f = {0};
    ck_assert_done(avro_read((struct pl_slice){file.data, file.len}, 1 << 20, &f, &err), err);
    ck_assert_uint_eq(records_check(&f), PL_COUNT(rows));
    avro_file_release(&f);
    pl_buf_release(&file);
}
END_TEST

/* A file that ends behind its head has no records; in any other place the cut is seen. */
START_TEST(a_cut_is_seen)
{
    struct pl_buf file = file_of(_i == 1);
    const struct avro_layout l = layout_of(_i == 1);
    struct pl_buf head = {0};
    avro_write(&l, 0, (struct pl_slice){"", 0}, &head);
    for (size_t len = 0; len < file.len; len++) {
        struct pl_err err;
        struct avro_file f = {0};
        PL_FREE char *copy = pl_alloc(len + 1); /* for the sanitizer: nothing lies behind it */
        char *exact = len > 0 ? memcpy(pl_realloc_array(NULL, len, 1), file.data, len) : NULL;
        int rc = avro_read((struct pl_slice){exact ? exact : copy, len}, 1 << 20, &f, &err);
        ck_assert_msg(rc == (len == head.len ? 0 : -1), "cut at %zu of %zu", len, file.len);
        if (rc < 0)
            ck_assert_int_eq(err.kind, PL_ERR_REJECT);
        avro_file_release(&f);
        free(exact);
    }
    pl_buf_release(&head);
    pl_buf_release(&file);
}
END_TEST

/* Records that are cut are walked without harm, and it shows. */
START_TEST(a_cut_record_is_broken)
{
    struct pl_buf record = {0};
    record_put(&record, 300, "text", 2);
    struct pl_err err;
    PL_CLEANUP(cJSON_Deletep) cJSON *schema = NULL;
    ck_assert_done(pl_doc_parse(SCHEMA, strlen(SCHEMA), 4096, &schema, &err), err);
    for (size_t len = 0; len < record.len; len++) {
        char *exact = memcpy(pl_realloc_array(NULL, len + 1, 1), record.data, len);
        struct avro_in in = {exact, exact + len, false};
        struct seen s = {0};
        avro_get_record(&in, schema, field, &s);
        ck_assert_msg(in.broken, "cut at %zu of %zu", len, record.len);
        in = (struct avro_in){exact, exact + len, false};
        avro_skip(&in, schema);
        ck_assert_msg(in.broken, "cut at %zu of %zu", len, record.len);
        free(exact);
    }
    struct avro_in in = {record.data, record.data + record.len, false};
    avro_skip(&in, schema);
    ck_assert(!in.broken && in.p == in.end);
    pl_buf_release(&record);
}
END_TEST

/* What Python writes: zlib's stream without its head and the last byte of its sum. */
/* 2^62 of them in a few bytes would be counted for centuries. */
START_TEST(elements_that_take_no_bytes_are_not_counted)
{
    static const char schema_text[] = "{\"type\":\"array\",\"items\":\"null\"}";
    PL_CLEANUP(cJSON_Deletep) cJSON *schema = NULL;
    struct pl_buf value = {0};
    struct pl_err err;
    ck_assert_done(pl_doc_parse(schema_text, strlen(schema_text), 4096, &schema, &err), err);
    avro_put_long(&value, INT64_C(1) << 62);
    avro_put_long(&value, 0);
    struct avro_in in = {value.data, value.data + value.len, false};
    avro_skip(&in, schema);
    ck_assert(in.broken);
    pl_buf_release(&value);
}
END_TEST

START_TEST(bytes_behind_a_deflated_block_are_passed)
{
    static const char block[] = "\x63\x60\x64\x02\x00"
                                "\x00\x07\x00"; /* 0, 1, 2 deflated; a sum */
    struct avro_layout l = {.schema = "{\"type\":\"long\"}", .deflate = true};
    struct pl_buf file = {0};
    avro_write(&l, 0, (struct pl_slice){"", 0}, &file);
    avro_put_long(&file, 3);
    avro_put_bytes(&file, block, sizeof(block) - 1);
    pl_buf_add(&file, l.sync, AVRO_SYNC_LEN);
    struct avro_file f = {0};
    struct pl_err err;
    ck_assert_done(avro_read((struct pl_slice){file.data, file.len}, 1 << 20, &f, &err), err);
    ck_assert_uint_eq(f.count, 3);
    ck_assert_uint_eq(f.data.len, 3);
    ck_assert_mem_eq(f.data.data, "\0\1\2", 3);
    avro_file_release(&f);
    pl_buf_release(&file);
}
END_TEST

START_TEST(what_cannot_be_read_is_said)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"Obj\1", "Obj\2", "no Avro file"},
        {"null", "what", "compressed with what"},
        {"record", "recor\"", "its schema"},
    };
    struct pl_buf file = file_of(false);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_FREE char *copy = memcpy(pl_alloc(file.len), file.data, file.len);
        size_t len = strlen(cases[i].from);
        char *at = copy;
        /* the codec's "null" is the one with its length before it */
        while (memcmp(at, cases[i].from, len) != 0 || (i == 1 && at[-1] != 8))
            at++;
        memcpy(at, cases[i].to, len);
        struct pl_err err;
        struct avro_file f;
        ck_assert_int_eq(avro_read((struct pl_slice){copy, file.len}, 1 << 20, &f, &err), -1);
        ck_assert_int_eq(err.kind, PL_ERR_REJECT);
        ck_assert_msg(strstr(err.msg, cases[i].says) != NULL, "%s", err.msg);
    }
    struct pl_err err;
    struct avro_file f;
    ck_assert_int_eq(avro_read((struct pl_slice){file.data, file.len}, 100, &f, &err), -1);
    ck_assert_msg(strstr(err.msg, "too large") != NULL, "%s", err.msg);
    pl_buf_release(&file);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(the_bytes_are_those_of_the_specification),
        TEST(what_is_written_is_read, .count = 2),
        TEST(a_cut_is_seen, .count = 2),
        TEST(a_cut_record_is_broken),
        TEST(elements_that_take_no_bytes_are_not_counted),
        TEST(bytes_behind_a_deflated_block_are_passed),
        TEST(what_cannot_be_read_is_said),
    };
    return unit_main("iceberg_avro", tests, PL_COUNT(tests));
}
