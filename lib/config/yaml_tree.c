/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml_tree.c - from libyaml's events to a tree of nodes.
 *
 * A hard finding (syntax, a limit) ends the building, as what follows cannot be trusted; after a
 * soft one (a key twice, a tag) it continues, so that one run shows all of them.
 */
#include "lib/config/yaml_tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <yaml.h>

#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/config/internal.h"

#define FILE_BYTES_MAX (1u << 20)
#define DEPTH_MAX      32
#define NODES_MAX      20000
#define FINDINGS_MAX   100
#define FINDING_BYTES  1024 /* one line, whatever the names in it hold */

/* ---- findings ---- */

void pl_findings_release(struct pl_findings *errs)
{
    pl_buf_release(&errs->text);
    pl_buf_release(&errs->warnings);
    pl_findings_init(errs);
}

static void line_addv(struct pl_buf *out, const char *file, unsigned line, unsigned column,
                      const char *fmt, va_list ap)
{
    char text[FINDING_BYTES];
    pl_text_formatv(text, sizeof(text), fmt, ap);
    pl_buf_add_str(out, file ? file : "input");
    if (line > 0)
        pl_buf_addf(out, ":%u:%u", line, column);
    pl_buf_addf(out, ": %s\n", text);
}

void pl_findings_add(struct pl_findings *errs, unsigned line, unsigned column, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (errs->count++ < FINDINGS_MAX)
        line_addv(&errs->text, errs->file, line, column, fmt, ap);
    va_end(ap);
}

void pl_findings_warn(struct pl_findings *errs, unsigned line, unsigned column, const char *fmt,
                      ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (errs->warnings_count++ < FINDINGS_MAX)
        line_addv(&errs->warnings, errs->file, line, column, fmt, ap);
    va_end(ap);
}

/* ---- nodes ---- */

const char *pl_node_sort(const struct pl_node *n)
{
    return n->type == PL_NODE_SEQ ? "a list" : n->type == PL_NODE_MAP ? "a mapping" : "a text";
}

void pl_node_free(struct pl_node *root)
{
    while (root) {
        struct pl_node *next = root->next;
        pl_node_free(root->child);
        pl_wipe(root->value);
        free(root->key);
        free(root);
        root = next;
    }
}

struct pl_node *pl_node_get(const struct pl_node *map, const char *key)
{
    if (!map || map->type != PL_NODE_MAP)
        return NULL;
    for (struct pl_node *n = map->child; n; n = n->next)
        if (strcmp(n->key, key) == 0)
            return n;
    return NULL;
}

bool pl_node_is_null(const struct pl_node *n)
{
    static const char *const spellings[] = {"", "~", "null", "Null", "NULL"};
    if (n->type != PL_NODE_SCALAR || n->quoted)
        return false;
    for (size_t i = 0; i < PL_COUNT(spellings); i++)
        if (strcmp(n->value, spellings[i]) == 0)
            return true;
    return false;
}

/* ---- building ---- */

struct builder {
    yaml_parser_t parser;
    struct pl_findings *errs;
    const char *text;
    size_t len;
    unsigned nodes;
};

/* A finding at a mark of libyaml's, which counts from 0. */
#define FINDING(b, mark, ...)                                                                      \
    pl_findings_add((b)->errs, (unsigned)(mark).line + 1, (unsigned)(mark).column + 1, __VA_ARGS__)

static void event_release(yaml_event_t *ev)
{
    if (ev->type == YAML_SCALAR_EVENT)
        explicit_bzero(ev->data.scalar.value, ev->data.scalar.length);
    yaml_event_delete(ev);
}

/* The first byte of the character at a mark, which counts characters; NUL at the end. */
static char char_at(const struct builder *b, yaml_mark_t mark)
{
    size_t i = 0;
    for (size_t n = 0; i < b->len; i++)
        if (!pl_utf8_continues(b->text[i]) && n++ == mark.index)
            return b->text[i];
    return '\0';
}

/* The two mistakes that libyaml's own words do not explain. */
static const char *syntax_advice(const struct builder *b)
{
    switch (char_at(b, b->parser.problem_mark)) {
    case '\t':
        return "; indent by spaces, not by tabs";
    case '@':
    case '`':
    case '%':
        return "; put the text in quotes";
    default:
        return "";
    }
}

/* libyaml gives only the byte offset of what is not UTF-8. */
static void reader_finding(const struct builder *b)
{
    size_t offset = b->parser.problem_offset;
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < offset && i < b->len; i++) {
        if (b->text[i] == '\n') {
            line++;
            column = 1;
        } else if (!pl_utf8_continues(b->text[i])) {
            column++;
        }
    }
    pl_findings_add(b->errs, line, column, "%s", b->parser.problem);
}

static bool event_next(struct builder *b, yaml_event_t *ev)
{
    yaml_parser_t *p = &b->parser;
    if (yaml_parser_parse(p, ev))
        return true;
    if (p->error == YAML_READER_ERROR)
        reader_finding(b);
    else
        FINDING(b, p->problem_mark, "%s%s%s%s", p->problem ? p->problem : "not YAML",
                p->context ? " " : "", p->context ? p->context : "", syntax_advice(b));
    return false;
}

/* Soft findings. */
static void decoration_refuse(struct builder *b, const yaml_event_t *ev, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
    if (anchor)
        FINDING(b, ev->start_mark, "anchors (&%.60s) are not used here", (const char *)anchor);
    if (tag)
        FINDING(b, ev->start_mark, "tags (%.60s) are not used here", (const char *)tag);
}

/* NULL: a limit was reached (a hard finding). */
static struct pl_node *node_new(struct builder *b, const yaml_event_t *ev, unsigned depth,
                                enum pl_node_type type)
{
    if (depth > DEPTH_MAX) {
        FINDING(b, ev->start_mark, "nested deeper than %d levels", DEPTH_MAX);
        return NULL;
    }
    if (++b->nodes > NODES_MAX) {
        FINDING(b, ev->start_mark, "more than %d values in one file", NODES_MAX);
        return NULL;
    }
    struct pl_node *n = pl_alloc(sizeof(*n));
    n->type = type;
    n->line = (unsigned)ev->start_mark.line + 1;
    n->column = (unsigned)ev->start_mark.column + 1;
    return n;
}

static char *scalar_text(struct builder *b, const yaml_event_t *ev)
{
    const char *value = (const char *)ev->data.scalar.value;
    size_t len = ev->data.scalar.length;
    if (memchr(value, '\0', len))
        FINDING(b, ev->start_mark, "a text cannot hold a NUL character");
    return pl_strndup(value, strnlen(value, len));
}

static struct pl_node *node_build(struct builder *b, const yaml_event_t *ev, unsigned depth);

static bool seq_fill(struct builder *b, struct pl_node *seq, unsigned depth)
{
    struct pl_node **tail = &seq->child;
    for (;;) {
        PL_CLEANUP(event_release) yaml_event_t ev = {0};
        if (!event_next(b, &ev))
            return false;
        if (ev.type == YAML_SEQUENCE_END_EVENT)
            return true;
        *tail = node_build(b, &ev, depth + 1);
        if (!*tail)
            return false;
        tail = &(*tail)->next;
    }
}

/* *ret_key NULL with true: the key is not a text (a soft finding); its value is still to be
 * read. */
static bool key_read(struct builder *b, const yaml_event_t *ev, unsigned depth, char **ret_key)
{
    if (ev->type == YAML_SCALAR_EVENT) {
        decoration_refuse(b, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
        *ret_key = scalar_text(b, ev);
        return true;
    }
    FINDING(b, ev->start_mark, "a key must be a text");
    PL_CLEANUP(pl_node_freep) struct pl_node *n = node_build(b, ev, depth + 1);
    *ret_key = NULL;
    return n != NULL;
}

static bool map_fill(struct builder *b, struct pl_node *map, unsigned depth)
{
    struct pl_node **tail = &map->child;
    for (;;) {
        PL_CLEANUP(event_release) yaml_event_t key_ev = {0};
        PL_CLEANUP(event_release) yaml_event_t ev = {0};
        PL_FREE char *key = NULL;
        if (!event_next(b, &key_ev))
            return false;
        if (key_ev.type == YAML_MAPPING_END_EVENT)
            return true;
        if (!key_read(b, &key_ev, depth, &key) || !event_next(b, &ev))
            return false;
        PL_CLEANUP(pl_node_freep) struct pl_node *n = node_build(b, &ev, depth + 1);
        if (!n)
            return false;
        if (!key)
            continue;
        const struct pl_node *first = pl_node_get(map, key);
        if (first) {
            FINDING(b, key_ev.start_mark, "duplicate key %.60s, first on line %u", key,
                    first->key_line);
            continue;
        }
        n->key = PL_TAKE(key);
        n->key_line = (unsigned)key_ev.start_mark.line + 1;
        n->key_column = (unsigned)key_ev.start_mark.column + 1;
        *tail = n;
        tail = &n->next;
        n = NULL;
    }
}

/* The node that begins with `ev`, with all below it. NULL: a hard finding. */
static struct pl_node *node_build(struct builder *b, const yaml_event_t *ev, unsigned depth)
{
    PL_CLEANUP(pl_node_freep) struct pl_node *n = NULL;
    switch ((int)ev->type) {
    case YAML_SCALAR_EVENT:
        decoration_refuse(b, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
        n = node_new(b, ev, depth, PL_NODE_SCALAR);
        if (!n)
            return NULL;
        n->value = scalar_text(b, ev);
        n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        return PL_TAKE(n);
    case YAML_SEQUENCE_START_EVENT:
        decoration_refuse(b, ev, ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
        n = node_new(b, ev, depth, PL_NODE_SEQ);
        return n && seq_fill(b, n, depth) ? PL_TAKE(n) : NULL;
    case YAML_MAPPING_START_EVENT:
        decoration_refuse(b, ev, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
        n = node_new(b, ev, depth, PL_NODE_MAP);
        return n && map_fill(b, n, depth) ? PL_TAKE(n) : NULL;
    case YAML_ALIAS_EVENT:
        FINDING(b, ev->start_mark, "aliases (*%.60s) are not used here",
                (const char *)ev->data.alias.anchor);
        n = node_new(b, ev, depth, PL_NODE_SCALAR);
        if (n)
            n->value = pl_strdup("");
        return PL_TAKE(n);
    default: /* libyaml gives nothing else where a node stands */
        FINDING(b, ev->start_mark, "not YAML");
        return NULL;
    }
}

/* Skips to the first event that is not the start of the stream or of a document. */
static bool event_first(struct builder *b, yaml_event_t *ev)
{
    do {
        event_release(ev);
        if (!event_next(b, ev))
            return false;
    } while (ev->type == YAML_STREAM_START_EVENT || ev->type == YAML_DOCUMENT_START_EVENT);
    return true;
}

/* What follows the root: the end, or a second document. */
static bool stream_end(struct builder *b)
{
    PL_CLEANUP(event_release) yaml_event_t end = {0};
    PL_CLEANUP(event_release) yaml_event_t ev = {0};
    if (!event_next(b, &end) || !event_next(b, &ev))
        return false;
    if (ev.type != YAML_STREAM_END_EVENT)
        FINDING(b, ev.start_mark, "a second document begins here; one file holds one");
    return true;
}

static struct pl_node *root_build(struct builder *b)
{
    PL_CLEANUP(event_release) yaml_event_t ev = {0};
    if (!event_first(b, &ev))
        return NULL;
    PL_CLEANUP(pl_node_freep) struct pl_node *root = NULL;
    if (ev.type != YAML_STREAM_END_EVENT) {
        root = node_build(b, &ev, 1);
        if (!root || !stream_end(b))
            return NULL;
        if (root->type != PL_NODE_MAP && !pl_node_is_null(root)) {
            pl_findings_add(b->errs, root->line, root->column,
                            "expected a mapping (\"key: value\"), found %s", pl_node_sort(root));
            return NULL;
        }
    }
    if (!root || root->type != PL_NODE_MAP) {
        pl_node_free(root);
        root = pl_alloc(sizeof(*root));
        root->type = PL_NODE_MAP;
        root->line = root->column = 1;
    }
    return PL_TAKE(root);
}

static struct pl_node *text_parse(const char *text, size_t len, struct pl_findings *errs)
{
    if (len > FILE_BYTES_MAX) {
        pl_findings_add(errs, 0, 0, "larger than 1 MiB");
        return NULL;
    }
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* libyaml would count it as a column */
        text += 3;
        len -= 3;
    }
    struct builder b = {.errs = errs, .text = text, .len = len};
    if (!yaml_parser_initialize(&b.parser))
        abort(); /* out of memory: alloc.h */
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
    struct pl_node *root = root_build(&b);
    yaml_parser_delete(&b.parser);
    return root;
}

struct pl_node *pl_yaml_parse(const char *text, size_t len, struct pl_findings *errs)
{
    unsigned before = errs->count;
    PL_CLEANUP(pl_node_freep) struct pl_node *root = text_parse(text, len, errs);
    return errs->count == before ? PL_TAKE(root) : NULL;
}

/* ---- files ---- */

/* Not by our group's right to read it, by which a service gets a file of root's with a secret. */
static bool stat_exposed(const struct stat *st)
{
    return (st->st_mode & S_IROTH) || ((st->st_mode & S_IRGRP) && st->st_gid != getegid());
}

struct pl_node *pl_yaml_load_lenient(const char *file, struct pl_findings *errs)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf text = {0};
    errs->file = file;
    errs->file_exposed = false;
    struct stat st;
    if (!pl_file_read(file, FILE_BYTES_MAX, &text, &st)) {
        pl_findings_add(errs, 0, 0, "cannot read it: %s",
                        errno == EFBIG ? "larger than 1 MiB" : strerror(errno));
        return NULL;
    }
    errs->file_exposed = stat_exposed(&st);
    return text_parse(text.data, text.len, errs);
}

struct pl_node *pl_yaml_load(const char *file, struct pl_findings *errs)
{
    unsigned before = errs->count;
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_load_lenient(file, errs);
    return errs->count == before ? PL_TAKE(root) : NULL;
}
