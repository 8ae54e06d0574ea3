/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print.c - values as YAML that loads again, the commented reference file of a table, and the short
 * file of a draft.
 *
 * The first two walk the table by level_print(), each option under its mapping whatever the table's
 * order; they differ in what is printed for an option.
 */
#include <assert.h>
#include <strings.h>
#include <yaml.h>

#include "lib/config/draft.h"
#include "lib/config/internal.h"

#define INDENT     4
#define HELP_WIDTH 90 /* columns of a comment line, indentation included */

/* ---- texts: libyaml decides how they are quoted ---- */

static int emitted(void *out, unsigned char *bytes, size_t len)
{
    return pl_buf_add(out, bytes, len);
}

static void scalar_emit(struct pl_buf *out, const char *text, yaml_scalar_style_t style)
{
    const yaml_char_t *bytes = (const yaml_char_t *)text;
    yaml_emitter_t e;
    yaml_event_t ev[5]; /* a document of one scalar */
    bool good = yaml_emitter_initialize(&e) &&
                yaml_stream_start_event_initialize(&ev[0], YAML_UTF8_ENCODING) &&
                yaml_document_start_event_initialize(&ev[1], NULL, NULL, NULL, 1) &&
                yaml_scalar_event_initialize(&ev[2], NULL, NULL, bytes, -1, 1, 1, style) &&
                yaml_document_end_event_initialize(&ev[3], 1) &&
                yaml_stream_end_event_initialize(&ev[4]);
    assert(good); /* what came from YAML is UTF-8 */
    yaml_emitter_set_output(&e, emitted, out);
    yaml_emitter_set_unicode(&e, 1);
    yaml_emitter_set_width(&e, -1);
    for (size_t i = 0; i < PL_COUNT(ev); i++)
        yaml_emitter_emit(&e, &ev[i]);
    yaml_emitter_delete(&e);
    out->len--; /* the end of the line */
}

/* Plain where YAML allows that, else in double quotes: always one line. */
static void scalar_print(struct pl_buf *out, const char *text, bool quoted)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf plain = {0};
    if (!quoted)
        scalar_emit(&plain, text, YAML_PLAIN_SCALAR_STYLE);
    if (plain.len > 0 && strcmp(pl_buf_cstr(&plain), text) == 0)
        pl_buf_add_str(out, text);
    else
        scalar_emit(out, text, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

/* What some reader of YAML takes for something other than a text. */
static bool text_is_ambiguous(const char *s)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no",
                                        "on",   "off",  "y",     "n"};
    for (size_t i = 0; i < PL_COUNT(words); i++)
        if (strcasecmp(s, words[i]) == 0)
            return true;
    return !((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '/' || *s == '_');
}

static void text_print(struct pl_buf *out, const char *text)
{
    scalar_print(out, text, text_is_ambiguous(text));
}

/* ---- lines ---- */

/* How lines begin: INDENT * depth spaces, then '#' where the option is commented out. */
struct line_head {
    unsigned depth;
    bool commented;
    bool open; /* texts that are secrets are shown, in a draft */
};

static void line_begin(struct pl_buf *out, struct line_head h)
{
    pl_buf_addf(out, "%*s%s", (int)(h.depth * INDENT), "", h.commented ? "#" : "");
}

static struct line_head deeper(struct line_head h)
{
    h.depth++;
    return h;
}

static void key_print(struct pl_buf *out, struct line_head h, const char *key)
{
    line_begin(out, h);
    text_print(out, key);
    pl_buf_add_byte(out, ':');
}

static void secret_print(struct pl_buf *out, const char *origin)
{
    pl_buf_add_str(out, " (hidden)");
    if (origin) {
        pl_buf_add_str(out, "  # from ");
        pl_text_add(out, origin, strlen(origin));
    }
    pl_buf_add_byte(out, '\n');
}

static void text_line(struct pl_buf *out, const char *text)
{
    if (text) {
        pl_buf_add_byte(out, ' ');
        text_print(out, text);
    }
    pl_buf_add_byte(out, '\n');
}

/* ---- values: each prints what follows "key:", the end of the line included ---- */

static void strings_print(struct pl_buf *out, struct line_head h, const struct pl_strings *s,
                          bool empty_allowed)
{
    pl_buf_add_str(out, s->n == 0 && empty_allowed ? " []\n" : "\n");
    for (size_t i = 0; i < s->n; i++) {
        line_begin(out, deeper(h));
        pl_buf_add_byte(out, '-');
        text_line(out, s->v[i]);
    }
}

static void map_print(struct pl_buf *out, struct line_head h, const struct pl_map *m,
                      bool empty_allowed)
{
    pl_buf_add_str(out, m->n == 0 && empty_allowed ? " {}\n" : "\n");
    for (size_t i = 0; i < m->n; i++) {
        key_print(out, deeper(h), m->v[i].key);
        if (m->v[i].secret)
            secret_print(out, NULL);
        else
            text_line(out, m->v[i].value);
    }
}

/* { credential: NAME } in a line, where its text needs no quotes. */
static bool reference_line(struct pl_buf *out, const struct pl_node *n)
{
    static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
    const struct pl_node *c = n->child;
    if (n->type != PL_NODE_MAP || !c || c->next || c->type != PL_NODE_SCALAR ||
        text_is_ambiguous(c->value) || c->value[strspn(c->value, bare)] != '\0')
        return false;
    pl_buf_addf(out, " { %s: %s }\n", c->key, c->value);
    return true;
}

/* A whole tree, or NULL. Keys that look like a secret's hide all that stands below them. */
static void node_print(struct pl_buf *out, struct line_head h, const struct pl_node *n)
{
    if (!n || pl_node_is_null(n)) {
        pl_buf_add_byte(out, '\n');
        return;
    }
    if (n->type == PL_NODE_SCALAR) {
        pl_buf_add_byte(out, ' ');
        scalar_print(out, n->value, n->quoted && (!h.open || text_is_ambiguous(n->value)));
        pl_buf_add_byte(out, '\n');
        return;
    }
    if (h.open && reference_line(out, n))
        return;
    if (!n->child)
        pl_buf_add_str(out, n->type == PL_NODE_SEQ ? " []" : " {}");
    pl_buf_add_byte(out, '\n');
    for (const struct pl_node *c = n->child; c; c = c->next) {
        if (n->type == PL_NODE_SEQ) {
            line_begin(out, deeper(h));
            pl_buf_add_byte(out, '-');
        } else {
            key_print(out, deeper(h), c->key);
        }
        if (c->key && pl_key_is_secret(c->key) && !pl_node_is_null(c) && !h.open)
            secret_print(out, NULL);
        else
            node_print(out, deeper(h), c);
    }
}

static void value_print(struct pl_buf *out, struct line_head h, const struct pl_option *o,
                        const void *f)
{
    char number[PL_NUMBER_TEXT];
    switch (o->type) {
    case PL_OPT_STRING:
    case PL_OPT_URL:
        text_line(out, PL_FIELD(string, f));
        break;
    case PL_OPT_BOOL:
        pl_buf_add_str(out, PL_FIELD(boolean, f) ? " true\n" : " false\n");
        break;
    case PL_OPT_INT:
    case PL_OPT_SIZE:
    case PL_OPT_DURATION:
        pl_number_format(o, PL_FIELD(number, f), number);
        pl_buf_addf(out, " %s\n", number);
        break;
    case PL_OPT_ENUM:
        text_line(out, o->choices[PL_FIELD(choice, f)]);
        break;
    case PL_OPT_STRINGS:
    case PL_OPT_URLS:
        strings_print(out, h, &PL_FIELD(strings, f), o->min == 0);
        break;
    case PL_OPT_MAP:
        map_print(out, h, &PL_FIELD(map, f), o->min == 0);
        break;
    case PL_OPT_SECRET:
        if (PL_FIELD(secret, f).value)
            secret_print(out, PL_FIELD(secret, f).origin);
        else
            pl_buf_add_byte(out, '\n');
        break;
    case PL_OPT_ROWS:
    case PL_OPT_NODE:
        node_print(out, h, PL_FIELD(node, f));
        break;
    }
}

/* ---- going through a table ---- */

struct printer {
    const struct pl_option *table;
    const void *target; /* NULL: the reference */
    struct pl_buf *out;
};

/* The first option with these flags inside a mapping; NULL: none. */
static const struct pl_option *mapping_first(const struct pl_option *table, const char *path,
                                             size_t len, unsigned flags)
{
    for (const struct pl_option *o = table; o->path; o++)
        if ((o->flags & flags) == flags && pl_option_below(o, path, len))
            return o;
    return NULL;
}

static void reference_print(struct pl_buf *out, struct line_head h, const struct pl_option *o,
                            const char *key);

/* All options whose path begins with the first `prefix_len` characters of `path`. */
static void level_print(const struct printer *pr, const char *path, size_t prefix_len,
                        unsigned depth)
{
    for (const struct pl_option *o = pr->table; o->path; o++) {
        if (strncmp(o->path, path, prefix_len) != 0)
            continue;
        const char *key = o->path + prefix_len;
        size_t len = prefix_len + strcspn(key, ".");
        struct line_head h = {.depth = depth};
        if (o->path[len] == '\0') {
            if (pr->target) {
                key_print(pr->out, h, key);
                value_print(pr->out, h, o, pl_field_at(o, pr->target));
            } else {
                h.commented = !(o->flags & PL_OPT_REQUIRED);
                reference_print(pr->out, h, o, key);
            }
        } else if (mapping_first(pr->table, o->path, len, 0) == o) {
            h.commented = !pr->target && !mapping_first(pr->table, o->path, len, PL_OPT_REQUIRED);
            PL_FREE char *name = pl_strndup(key, len - prefix_len);
            if (!pr->target)
                pl_buf_add_byte(pr->out, '\n');
            key_print(pr->out, h, name);
            pl_buf_add_byte(pr->out, '\n');
            level_print(pr, o->path, len + 1, depth + 1);
        }
    }
}

void pl_options_print(const struct pl_option *table, const void *target, struct pl_buf *out)
{
    level_print(&(struct printer){.table = table, .target = target, .out = out}, "", 0, 0);
}

/* ---- the reference ---- */

/* Comment lines, HELP_WIDTH wide; a newline in `text` ends a line. */
static void comment_print(struct pl_buf *out, unsigned depth, const char *text)
{
    while (*text) {
        size_t room = HELP_WIDTH - 2 - depth * INDENT, line = strcspn(text, "\n"), len = line;
        if (len > room) {
            for (len = room; len > 0 && text[len] != ' '; len--)
                ;
            if (len == 0) /* a word wider than the line */
                len = strcspn(text, " \n");
        }
        pl_buf_addf(out, "%*s#%s%.*s\n", (int)(depth * INDENT), "", len > 0 ? " " : "", (int)len,
                    text);
        text += len;
        while (len < line && *text == ' ')
            text++, len++;
        if (*text == '\n')
            text++;
    }
}

/* What the table knows of an option besides its help. */
static void facts_print(struct pl_buf *out, unsigned depth, const struct pl_option *o)
{
    static const char *const types[] = {
        [PL_OPT_STRING] = "Text",
        [PL_OPT_URL] = "URL",
        [PL_OPT_BOOL] = "true or false",
        [PL_OPT_INT] = "Number",
        [PL_OPT_SIZE] = "Size",
        [PL_OPT_DURATION] = "Duration",
        [PL_OPT_ENUM] = "One of",
        [PL_OPT_STRINGS] = "List of texts",
        [PL_OPT_URLS] = "List of URLs",
        [PL_OPT_MAP] = "Mapping",
        [PL_OPT_SECRET] = "Secret: { file: PATH }, { credential: NAME } or { env: VARIABLE }",
        [PL_OPT_ROWS] = "List of mappings",
        [PL_OPT_NODE] = "Mapping or list",
    };
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    bool number = o->type == PL_OPT_INT || o->type == PL_OPT_SIZE || o->type == PL_OPT_DURATION;
    pl_buf_add_str(&text, types[o->type]);
    if (number && (o->min != 0 || o->max != 0)) {
        char min[PL_NUMBER_TEXT], max[PL_NUMBER_TEXT];
        pl_number_format(o, o->min, min);
        pl_number_format(o, o->max, max);
        pl_buf_addf(&text, " from %s to %s", min, max);
    }
    for (int i = 0; o->type == PL_OPT_ENUM && o->choices[i]; i++)
        pl_buf_addf(&text, "%s %s", i == 0 ? "" : ",", o->choices[i]);
    if (o->flags & PL_OPT_REQUIRED)
        pl_buf_add_str(&text, "; required");
    if (o->flags & PL_OPT_RELOADABLE)
        pl_buf_add_str(&text, "; reloadable (SIGHUP)");
    pl_buf_add_byte(&text, '.');
    comment_print(out, depth, pl_buf_cstr(&text));
}

static void reference_print(struct pl_buf *out, struct line_head h, const struct pl_option *o,
                            const char *key)
{
    pl_buf_add_byte(out, '\n');
    if (o->help)
        comment_print(out, h.depth, o->help);
    facts_print(out, h.depth, o);
    key_print(out, h, key);
    PL_CLEANUP(pl_node_freep) struct pl_node *n = o->dflt ? pl_value_default_node(o) : NULL;
    if (n && (o->type == PL_OPT_STRING || o->type == PL_OPT_URL) && !n->quoted)
        text_line(out, n->value);
    else
        node_print(out, h, n);
}

void pl_options_print_reference(const struct pl_option *table, const char *intro,
                                struct pl_buf *out)
{
    if (intro)
        comment_print(out, 0, intro);
    level_print(&(struct printer){.table = table, .out = out}, "", 0, 0);
}

/* ---- a draft ---- */

/* Up to the first full stop that ends a sentence. */
static void sentence_print(struct pl_buf *out, unsigned depth, const char *help)
{
    const char *end = help ? strstr(help, ". ") : NULL;
    PL_FREE char *text = !help ? NULL : end ? pl_strndup(help, (size_t)(end - help) + 1) : NULL;
    if (help)
        comment_print(out, depth, text ? text : help);
}

/* What is set in `map`, whose options' paths begin with the first `prefix_len` characters of
 * `path`. */
static void draft_level(const struct pl_option *table, const struct pl_node *map, const char *path,
                        size_t prefix_len, struct line_head h, struct pl_buf *out)
{
    for (const struct pl_option *o = table; o->path; o++) {
        if (strncmp(o->path, path, prefix_len) != 0)
            continue;
        size_t len = prefix_len + strcspn(o->path + prefix_len, ".");
        PL_FREE char *key = pl_strndup(o->path + prefix_len, len - prefix_len);
        const struct pl_node *n = pl_node_get(map, key);
        if (!n || pl_node_is_null(n))
            continue;
        if (o->path[len] == '\0') {
            sentence_print(out, h.depth, o->help);
            key_print(out, h, key);
            node_print(out, h, n);
        } else if (mapping_first(table, o->path, len, 0) == o && n->child) {
            key_print(out, h, key);
            pl_buf_add_byte(out, '\n');
            draft_level(table, n, o->path, len + 1, deeper(h), out);
        }
        if (h.depth == 0 && out->len > 0 && out->data[out->len - 2] != '\n' &&
            (o->path[len] == '\0' || mapping_first(table, o->path, len, 0) == o))
            pl_buf_add_byte(out, '\n');
    }
}

void pl_draft_print(const struct pl_option *table, const struct pl_node *draft, const char *intro,
                    struct pl_buf *out)
{
    if (intro)
        comment_print(out, 0, intro);
    pl_buf_add_byte(out, '\n');
    draft_level(table, draft, "", 0, (struct line_head){.open = true}, out);
    while (out->len > 1 && out->data[out->len - 2] == '\n')
        out->len--;
}
