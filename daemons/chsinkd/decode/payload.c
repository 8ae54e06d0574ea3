/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload.c - see payload.h.
 */
#include "daemons/chsinkd/decode/payload.h"

#include <string.h>

#include "lib/base/alloc.h"

#define COMPRESSED(what)                                                                           \
    "the value is compressed (" what "): let Kafka compress (compression.type of the producer), "  \
    "not the program before it"

static const struct {
    const char *magic;
    size_t len;
    const char *name;
} formats[] = {
    {"\x1f\x8b", 2, COMPRESSED("gzip")},
    {"\x28\xb5\x2f\xfd", 4, COMPRESSED("zstd")},
    {"\x04\x22\x4d\x18", 4, COMPRESSED("lz4")},
    {"\x82SNAPPY\0", 8, COMPRESSED("snappy")},
    {"\xff\xfe", 2, "the value is UTF-16: its producer must write UTF-8"},
    {"\xfe\xff", 2, "the value is UTF-16: its producer must write UTF-8"},
    {"Obj\x01", 4, "the value is an Avro file: its producer must write JSON"},
    {"<", 1, "the value is XML or HTML: its producer must write JSON"},
};

/* Without a mark: each second byte of ASCII is zero. */
static bool is_utf16(const char *p, size_t len)
{
    return len >= 4 && len % 2 == 0 &&
           ((p[0] && !p[1] && p[2] && !p[3]) || (!p[0] && p[1] && !p[2] && p[3]));
}

size_t payload_bom(const char *p, size_t len)
{
    return len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

bool payload_frame(const char *p, size_t len, uint32_t *ret_id)
{
    if (len < PAYLOAD_FRAME_LEN || p[0] != '\0')
        return false;
    const unsigned char *id = (const unsigned char *)p + 1;
    *ret_id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
    return true;
}

const char *payload_name(const char *p, size_t len)
{
    for (size_t i = 0; i < PL_COUNT(formats); i++)
        if (len >= formats[i].len && memcmp(p, formats[i].magic, formats[i].len) == 0)
            return formats[i].name;
    if (is_utf16(p, len))
        return "the value is UTF-16: its producer must write UTF-8";
    if (len > 5 && p[0] == '\0')
        return p[5] == '{' || p[5] == '['
                   ? "five bytes of a schema registry (a zero, the schema's id) are before the "
                     "JSON: the route takes them off with message: {strip: schema_registry}"
                   : "the value is framed by a schema registry (Avro or Protobuf): its producer "
                     "must write JSON";
    return NULL;
}
