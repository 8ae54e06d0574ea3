/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_xml.c - the XML reader of s3_answer.h.
 */
#include "daemons/chsinkd/iceberg/store/s3_answer.h"

void s3_xml_init(struct s3_xml *x, struct pl_slice document)
{
    *x = (struct s3_xml){.p = document.p, .end = document.p + document.len};
}

static size_t left(const struct s3_xml *x)
{
    return (size_t)(x->end - x->p);
}

static bool begins(const struct s3_xml *x, const char *with)
{
    size_t len = strlen(with);
    return left(x) >= len && memcmp(x->p, with, len) == 0;
}

/* Goes behind `mark`; the text before it. NULL: it does not come. */
static const char *pass(struct s3_xml *x, const char *mark, struct pl_slice *ret_before)
{
    const char *at = memmem(x->p, left(x), mark, strlen(mark));
    if (!at)
        return NULL;
    *ret_before = (struct pl_slice){x->p, (size_t)(at - x->p)};
    x->p = at + strlen(mark);
    return at;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct pl_slice without_prefix(struct pl_slice name)
{
    const char *colon = memchr(name.p, ':', name.len);
    if (!colon)
        return name;
    return (struct pl_slice){colon + 1, (size_t)(name.p + name.len - colon - 1)};
}

static struct pl_slice name_read(struct s3_xml *x)
{
    const char *begin = x->p;
    while (x->p < x->end && !is_space(*x->p) && !strchr("<>/='\"&", *x->p))
        x->p++;
    return (struct pl_slice){begin, (size_t)(x->p - begin)};
}

/* Behind '<': name, attributes, '>' or "/>". */
static enum s3_xml_event begin_read(struct s3_xml *x, struct pl_slice *ret_text)
{
    struct pl_slice name = name_read(x);
    if (name.len == 0 || x->n == S3_XML_DEPTH_MAX)
        return S3_XML_BAD;
    while (x->p < x->end && *x->p != '>' && *x->p != '/') {
        char quote = *x->p++;
        if (quote == '<')
            return S3_XML_BAD;
        if (quote != '"' && quote != '\'')
            continue;
        const char *close = memchr(x->p, quote, left(x));
        if (!close)
            return S3_XML_BAD;
        x->p = close + 1;
    }
    x->empty = begins(x, "/>");
    if (!x->empty && !begins(x, ">"))
        return S3_XML_BAD;
    x->p += x->empty ? 2 : 1;
    x->open[x->n++] = name;
    x->depth = x->n;
    *ret_text = without_prefix(name);
    return S3_XML_BEGIN;
}

static enum s3_xml_event end_tell(struct s3_xml *x, struct pl_slice *ret_text)
{
    x->depth = x->n--;
    x->ended = x->n == 0;
    *ret_text = without_prefix(x->open[x->n]);
    return S3_XML_END;
}

/* Behind "</". */
static enum s3_xml_event end_read(struct s3_xml *x, struct pl_slice *ret_text)
{
    struct pl_slice name = name_read(x);
    while (x->p < x->end && is_space(*x->p))
        x->p++;
    if (!begins(x, ">") || x->n == 0 || name.len != x->open[x->n - 1].len ||
        memcmp(name.p, x->open[x->n - 1].p, name.len) != 0)
        return S3_XML_BAD;
    x->p++;
    return end_tell(x, ret_text);
}

static enum s3_xml_event text_read(struct s3_xml *x, struct pl_slice *ret_text)
{
    const char *next = memchr(x->p, '<', left(x));
    if (!next)
        return S3_XML_BAD;
    *ret_text = (struct pl_slice){x->p, (size_t)(next - x->p)};
    x->p = next;
    x->encoded = true;
    return S3_XML_TEXT;
}

enum s3_xml_event s3_xml_next(struct s3_xml *x, struct pl_slice *ret_text)
{
    if (x->empty) {
        x->empty = false;
        return end_tell(x, ret_text);
    }
    while (!x->ended) {
        struct pl_slice passed;
        if (begins(x, "<![CDATA[") && x->n > 0) {
            x->p += strlen("<![CDATA[");
            x->encoded = false;
            return pass(x, "]]>", ret_text) ? S3_XML_TEXT : S3_XML_BAD;
        }
        if (begins(x, "<?") || begins(x, "<!--")) {
            if (!pass(x, begins(x, "<?") ? "?>" : "-->", &passed))
                return S3_XML_BAD;
        } else if (begins(x, "</")) {
            x->p += 2;
            return end_read(x, ret_text);
        } else if (begins(x, "<")) {
            x->p++;
            return begin_read(x, ret_text);
        } else if (x->n > 0) {
            return text_read(x, ret_text);
        } else if (left(x) > 0 && (is_space(*x->p) || begins(x, "\xef\xbb\xbf"))) {
            x->p += is_space(*x->p) ? 1 : 3;
        } else {
            return S3_XML_BAD;
        }
    }
    return S3_XML_DONE;
}

/* ---- text ---- */

static void utf8_add(struct pl_buf *out, unsigned long c)
{
    char bytes[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (n == 1) {
        pl_buf_add_byte(out, (char)c);
        return;
    }
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(lead[n] | c);
    pl_buf_add(out, bytes, n);
}

/* Between '&' and ';'. */
static bool reference_add(struct pl_slice name, struct pl_buf *out)
{
    static const struct {
        const char *name;
        char c;
    } named[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    for (size_t i = 0; i < PL_COUNT(named); i++)
        if (pl_slice_eq(name, named[i].name))
            return pl_buf_add_byte(out, named[i].c);
    char digits[12];
    bool is_hex = name.len > 1 && name.p[1] == 'x';
    size_t skip = is_hex ? 2 : 1;
    if (name.len <= skip || name.p[0] != '#' || name.len - skip > 8)
        return false;
    memcpy(digits, name.p + skip, name.len - skip);
    digits[name.len - skip] = '\0';
    const char *set = is_hex ? "0123456789abcdefABCDEF" : "0123456789";
    if (strspn(digits, set) != name.len - skip)
        return false;
    unsigned long c = strtoul(digits, NULL, is_hex ? 16 : 10);
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return false;
    utf8_add(out, c);
    return true;
}

bool s3_xml_text_add(const struct s3_xml *x, struct pl_slice text, struct pl_buf *out)
{
    const char *p = text.p, *end = text.p + text.len;
    if (!x->encoded)
        return pl_buf_add(out, text.p, text.len);
    while (p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p));
        pl_buf_add(out, p, (size_t)((amp ? amp : end) - p));
        if (!amp)
            break;
        const char *semicolon = memchr(amp, ';', (size_t)(end - amp));
        if (!semicolon ||
            !reference_add((struct pl_slice){amp + 1, (size_t)(semicolon - amp - 1)}, out))
            return false;
        p = semicolon + 1;
    }
    return true;
}
