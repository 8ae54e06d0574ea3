/* SPDX-License-Identifier: Apache-2.0 */
/*
 * avro.c - see avro.h.
 */
#include "daemons/chsinkd/iceberg/format/avro.h"

#include <zlib.h>
#include <zstd.h>

#include "daemons/chsinkd/iceberg/format/json.h"

#define MAGIC        "Obj\1"
#define MAGIC_LEN    4
#define VARINT_MAX   10
#define TYPE_DEPTH   32 /* of a schema that is walked */
#define DEFLATE_STEP (64 * 1024)

/* ---- writing ---- */

/* Zigzag, then seven bits a byte, the lowest first. */
void avro_put_long(struct pl_buf *out, int64_t v)
{
    uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    for (; z >= 0x80; z >>= 7)
        pl_buf_add_byte(out, (char)(z | 0x80));
    pl_buf_add_byte(out, (char)z);
}

void avro_put_bool(struct pl_buf *out, bool v)
{
    pl_buf_add_byte(out, v);
}

void avro_put_bytes(struct pl_buf *out, const void *p, size_t len)
{
    avro_put_long(out, (int64_t)len);
    pl_buf_add(out, p, len);
}

void avro_put_string(struct pl_buf *out, const char *s)
{
    avro_put_bytes(out, s, strlen(s));
}

void avro_put_null(struct pl_buf *out)
{
    avro_put_long(out, 0);
}

void avro_put_some(struct pl_buf *out)
{
    avro_put_long(out, 1);
}

/* Raw deflate, without zlib's or gzip's head and sum. */
static void deflate_add(struct pl_slice data, struct pl_buf *out)
{
    z_stream z = {0};
    int rc = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    if (rc != Z_OK)
        abort(); /* no memory, as in alloc.h */
    z.next_in = (Bytef *)data.p;
    z.avail_in = (uInt)data.len;
    do {
        pl_buf_reserve(out, DEFLATE_STEP);
        z.next_out = (Bytef *)out->data + out->len;
        z.avail_out = DEFLATE_STEP;
        rc = deflate(&z, Z_FINISH);
        out->len += DEFLATE_STEP - z.avail_out;
    } while (rc == Z_OK);
    deflateEnd(&z);
}

void avro_write(const struct avro_layout *layout, uint64_t count, struct pl_slice records,
                struct pl_buf *out)
{
    pl_buf_add(out, MAGIC, MAGIC_LEN);
    avro_put_long(out, layout->meta_n + 2);
    avro_put_string(out, "avro.schema");
    avro_put_string(out, layout->schema);
    avro_put_string(out, "avro.codec");
    avro_put_string(out, layout->deflate ? "deflate" : "null");
    for (unsigned i = 0; i < layout->meta_n; i++) {
        avro_put_string(out, layout->meta[i].key);
        avro_put_string(out, layout->meta[i].value);
    }
    avro_put_long(out, 0); /* the map's end */
    pl_buf_add(out, layout->sync, AVRO_SYNC_LEN);
    if (count == 0)
        return;
    struct pl_buf packed = {0};
    if (layout->deflate) {
        deflate_add(records, &packed);
        records = (struct pl_slice){packed.data, packed.len};
    }
    avro_put_long(out, (int64_t)count);
    avro_put_bytes(out, records.p, records.len);
    pl_buf_add(out, layout->sync, AVRO_SYNC_LEN);
    pl_buf_release(&packed);
}

/* ---- reading: values ---- */

static void break_off(struct avro_in *in)
{
    in->broken = true;
    in->p = in->end;
}

int64_t avro_get_long(struct avro_in *in)
{
    uint64_t z = 0;
    for (unsigned i = 0; i < VARINT_MAX && in->p < in->end; i++) {
        uint8_t byte = (uint8_t)*in->p++;
        z |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return (int64_t)(z >> 1) ^ -(int64_t)(z & 1);
    }
    break_off(in);
    return 0;
}

bool avro_get_bool(struct avro_in *in)
{
    if (in->p == in->end) {
        break_off(in);
        return false;
    }
    return *in->p++ != 0;
}

static struct pl_slice take(struct avro_in *in, int64_t len)
{
    if (len < 0 || len > in->end - in->p) {
        break_off(in);
        return (struct pl_slice){"", 0};
    }
    struct pl_slice s = {in->p, (size_t)len};
    in->p += len;
    return s;
}

struct pl_slice avro_get_bytes(struct avro_in *in)
{
    int64_t len = avro_get_long(in);
    return take(in, len);
}

/* A type is a name, an object with "type", or an array: a union. */
static const char *type_name(const cJSON *type)
{
    const char *name = cJSON_GetStringValue(type);
    return name ? name : pl_doc_str(type, "type");
}

static bool type_is(const cJSON *type, const char *a, const char *b)
{
    const char *name = type_name(type);
    return name && (strcmp(name, a) == 0 || strcmp(name, b) == 0);
}

bool avro_is_long(const cJSON *type)
{
    return type_is(type, "int", "long");
}

bool avro_is_bytes(const cJSON *type)
{
    return type_is(type, "string", "bytes");
}

bool avro_is_bool(const cJSON *type)
{
    return type_is(type, "boolean", "boolean");
}

/* {"type": {"type": "array", …}} is the same as what is inside it. */
static const cJSON *type_inner(const cJSON *type)
{
    const cJSON *inner = pl_doc_get(type, "type");
    return cJSON_IsObject(inner) || cJSON_IsArray(inner) ? inner : type;
}

/* Of a union the branch that the value has; other types as they are. */
static const cJSON *type_resolve(struct avro_in *in, const cJSON *type)
{
    type = type_inner(type);
    if (!cJSON_IsArray(type))
        return type;
    int64_t branch = avro_get_long(in);
    if (branch < 0 || branch >= cJSON_GetArraySize(type)) {
        break_off(in);
        return NULL;
    }
    return type_inner(cJSON_GetArrayItem(type, (int)branch));
}

static void skip(struct avro_in *in, const cJSON *type, unsigned depth);

static void skip_fields(struct avro_in *in, const cJSON *type, unsigned depth)
{
    const cJSON *field;
    cJSON_ArrayForEach(field, pl_doc_get(type, "fields"))
    {
        if (in->broken)
            return;
        skip(in, pl_doc_get(field, "type"), depth);
    }
}

/* The elements of a block; 0: the end. A negative count has the block's length behind it. */
static int64_t block_count(struct avro_in *in)
{
    int64_t n = avro_get_long(in);
    if (n >= 0)
        return n;
    avro_get_long(in);
    if (n == INT64_MIN) {
        break_off(in);
        return 0;
    }
    return -n;
}

/* Elements that take no bytes could be counted without end: here each takes one. */
static bool block_next(struct avro_in *in, int64_t *n)
{
    if (*n == 0)
        *n = block_count(in);
    if (*n == 0 || in->broken)
        return false;
    if (*n > in->end - in->p) {
        break_off(in);
        return false;
    }
    --*n;
    return true;
}

static void skip_elements(struct avro_in *in, const cJSON *type, bool keys, unsigned depth)
{
    for (int64_t n = 0; block_next(in, &n);) {
        if (keys)
            avro_get_bytes(in);
        skip(in, type, depth);
    }
}

static void skip(struct avro_in *in, const cJSON *type, unsigned depth)
{
    type = type_resolve(in, type);
    const char *name = type_name(type);
    int64_t size;
    if (!name || depth == 0)
        break_off(in);
    else if (avro_is_long(type) || strcmp(name, "enum") == 0)
        avro_get_long(in);
    else if (avro_is_bytes(type))
        avro_get_bytes(in);
    else if (avro_is_bool(type))
        avro_get_bool(in);
    else if (strcmp(name, "float") == 0)
        take(in, 4);
    else if (strcmp(name, "double") == 0)
        take(in, 8);
    else if (strcmp(name, "fixed") == 0 && pl_doc_int(type, "size", &size))
        take(in, size);
    else if (strcmp(name, "record") == 0)
        skip_fields(in, type, depth - 1);
    else if (strcmp(name, "array") == 0)
        skip_elements(in, pl_doc_get(type, "items"), false, depth - 1);
    else if (strcmp(name, "map") == 0)
        skip_elements(in, pl_doc_get(type, "values"), true, depth - 1);
    else if (strcmp(name, "null") != 0) /* the name of another type: Iceberg's files have none */
        break_off(in);
}

void avro_skip(struct avro_in *in, const cJSON *type)
{
    skip(in, type, TYPE_DEPTH);
}

void avro_get_record(struct avro_in *in, const cJSON *type, avro_field_fn *field, void *userdata)
{
    const cJSON *f;
    type = type_inner(type);
    if (!type_is(type, "record", "record"))
        break_off(in);
    cJSON_ArrayForEach(f, pl_doc_get(type, "fields"))
    {
        const cJSON *value = type_resolve(in, pl_doc_get(f, "type"));
        int64_t id = -1;
        pl_doc_int(f, "field-id", &id);
        if (in->broken)
            return;
        if (!type_is(value, "null", "null"))
            field(userdata, in, id, value);
    }
}

void avro_get_records(struct avro_in *in, const cJSON *type, void (*element)(void *userdata),
                      avro_field_fn *field, void *userdata)
{
    type = type_inner(type);
    if (!type_is(type, "array", "array"))
        break_off(in);
    for (int64_t n = 0; block_next(in, &n);) {
        element(userdata);
        avro_get_record(in, pl_doc_get(type, "items"), field, userdata);
    }
}

/* ---- reading: the file ---- */

static int inflate_add(struct pl_slice data, struct pl_buf *out, struct pl_err *err)
{
    z_stream z = {0};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        abort();
    z.next_in = (Bytef *)data.p;
    z.avail_in = (uInt)data.len;
    int rc = Z_OK;
    while (rc == Z_OK && pl_buf_reserve(out, DEFLATE_STEP)) {
        z.next_out = (Bytef *)out->data + out->len;
        z.avail_out = DEFLATE_STEP;
        rc = inflate(&z, Z_NO_FLUSH);
        out->len += DEFLATE_STEP - z.avail_out;
    }
    inflateEnd(&z);
    if (rc == Z_STREAM_END) /* Avro's and pyiceberg's Python leave bytes of zlib's sum behind it */
        return 0;
    return pl_err_set(err, PL_ERR_REJECT, 0, "%s",
                      rc == Z_OK ? "too large" : "a deflated block is damaged");
}

static int zstd_add(struct pl_slice data, struct pl_buf *out, struct pl_err *err)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = {data.p, data.len, 0};
    size_t left = 1;
    while (left != 0 && !ZSTD_isError(left) && pl_buf_reserve(out, DEFLATE_STEP)) {
        ZSTD_outBuffer step = {out->data + out->len, DEFLATE_STEP, 0};
        left = ZSTD_decompressStream(z, &step, &in);
        out->len += ZSTD_isError(left) ? 0 : step.pos;
        if (left != 0 && step.pos < step.size && in.pos == in.size)
            break; /* cut */
    }
    ZSTD_freeDStream(z);
    if (left == 0 && in.pos == in.size)
        return 0;
    return pl_err_set(err, PL_ERR_REJECT, 0, "a zstandard block is damaged or too large");
}

static int block_add(struct pl_slice codec, struct pl_slice data, struct pl_buf *out,
                     struct pl_err *err)
{
    if (data.len > UINT32_MAX)
        return pl_err_set(err, PL_ERR_REJECT, 0, "a block of more than 4 GiB");
    if (codec.len == 0 || pl_slice_eq(codec, "null"))
        return pl_buf_add(out, data.p, data.len) ? 0
                                                 : pl_err_set(err, PL_ERR_REJECT, 0, "too large");
    if (pl_slice_eq(codec, "deflate"))
        return inflate_add(data, out, err);
    if (pl_slice_eq(codec, "zstandard"))
        return zstd_add(data, out, err);
    return pl_err_set(err, PL_ERR_REJECT, 0,
                      "it is compressed with %.*s, which chsinkd cannot read: deflate, zstandard "
                      "and null it can; let its writer use one of them (table property "
                      "write.avro.compression-codec) and rewrite the manifests",
                      (int)codec.len, codec.p);
}

struct header {
    struct pl_slice schema, codec, sync;
};

static bool header_read(struct avro_in *in, struct header *h)
{
    struct pl_slice magic = take(in, MAGIC_LEN);
    if (magic.len != MAGIC_LEN || memcmp(magic.p, MAGIC, MAGIC_LEN) != 0)
        return false;
    for (int64_t n = 0; block_next(in, &n);) {
        struct pl_slice key = avro_get_bytes(in), value = avro_get_bytes(in);
        if (pl_slice_eq(key, "avro.schema"))
            h->schema = value;
        else if (pl_slice_eq(key, "avro.codec"))
            h->codec = value;
    }
    h->sync = take(in, AVRO_SYNC_LEN);
    return !in->broken && h->schema.len > 0;
}

static int blocks_read(struct avro_in *in, const struct header *h, struct avro_file *f,
                       struct pl_err *err)
{
    while (in->p < in->end) {
        int64_t count = avro_get_long(in);
        struct pl_slice data = avro_get_bytes(in), sync = take(in, AVRO_SYNC_LEN);
        if (in->broken || count < 0 || memcmp(sync.p, h->sync.p, AVRO_SYNC_LEN) != 0)
            return pl_err_set(err, PL_ERR_REJECT, 0, "it is cut or damaged");
        if (block_add(h->codec, data, &f->data, err) < 0)
            return -1;
        f->count += (uint64_t)count;
    }
    return 0;
}

#define SCHEMA_MAX (4u << 20)

int avro_read(struct pl_slice file, size_t data_max, struct avro_file *ret, struct pl_err *err)
{
    struct avro_in in = {file.p, file.p + file.len, false};
    struct header h = {0};
    struct avro_file f = {0};
    if (!header_read(&in, &h))
        return pl_err_set(err, PL_ERR_REJECT, 0, "it is no Avro file, or cut in its head");
    if (iceberg_json_parse(h.schema.p, h.schema.len, SCHEMA_MAX, &f.schema, err) < 0)
        return pl_err_prefix(err, "its schema");
    pl_buf_init(&f.data, data_max);
    if (blocks_read(&in, &h, &f, err) < 0) {
        avro_file_release(&f);
        return -1;
    }
    *ret = f;
    return 0;
}

void avro_file_release(struct avro_file *f)
{
    cJSON_Delete(f->schema);
    pl_buf_release(&f->data);
    *f = (struct avro_file){0};
}
