/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c - see answer.h. */
#include "daemons/wmfetchd/api/answer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "lib/json/reader.h"

#define LEVELS_MAX 3

/* The kinds of names, each with the values that are harmless. null, an empty string and values of
 * types not listed always are. */
enum rule {
    NO_RULE,
    STATUS,  /* true, 0, 200, a good word */
    SUCCESS, /* all but false, 0, "false" */
    ERRORS,  /* false, 0, "0", "false", [], {}, and objects that hold only such values */
    MORE,    /* the same, and numbers below 0: a link, a token, a flag */
    LAST,    /* all but false */
    PAGES,   /* all but false and numbers above 1 */
    TOTAL,   /* numbers up to the number of elements */
    MESSAGE, /* all */
    INSIDE,  /* an object to search; a list of links with a rel */
};

/* In lower case, without '_' and '-'. From the pages of Spring and JHipster, JSON:API, HAL, OData,
 * Elasticsearch, Solr, Salesforce, GitHub and Google's API design guide. */
static const struct {
    const char *name;
    enum rule rule;
} names[] = {
    {"status", STATUS},
    {"statuscode", STATUS},
    {"code", STATUS},
    {"result", STATUS},
    {"resultcode", STATUS},
    {"returncode", STATUS},
    {"success", SUCCESS},
    {"successful", SUCCESS},
    {"succeeded", SUCCESS},
    {"issuccess", SUCCESS},
    {"issuccessful", SUCCESS},
    {"ok", SUCCESS},
    {"error", ERRORS},
    {"errors", ERRORS},
    {"iserror", ERRORS},
    {"haserrors", ERRORS},
    {"errorcode", ERRORS},
    {"errormessage", ERRORS},
    {"errordescription", ERRORS},
    {"exception", ERRORS},
    {"fault", ERRORS},
    {"failures", ERRORS},
    {"partial", ERRORS},
    {"ispartial", ERRORS},
    {"incomplete", ERRORS},
    {"incompleteresults", ERRORS},
    {"timedout", ERRORS},
    {"more", MORE},
    {"moreavailable", MORE},
    {"truncated", MORE},
    {"istruncated", MORE},
    {"next", MORE},
    {"nexttoken", MORE},
    {"nextcursor", MORE},
    {"nextlink", MORE},
    {"nexturl", MORE},
    {"nexturi", MORE},
    {"nexthref", MORE},
    {"nextoffset", MORE},
    {"nextmarker", MORE},
    {"nextrecordsurl", MORE},
    {"@odata.nextlink", MORE},
    {"odata.nextlink", MORE},
    {"continuation", MORE},
    {"continuationtoken", MORE},
    {"last", LAST},
    {"islast", LAST},
    {"islastpage", LAST},
    {"complete", LAST},
    {"iscomplete", LAST},
    {"done", LAST},
    {"pages", PAGES},
    {"totalpages", PAGES},
    {"pagecount", PAGES},
    {"numpages", PAGES},
    {"numberofpages", PAGES},
    {"lastpage", PAGES},
    {"count", TOTAL},
    {"total", TOTAL},
    {"totalcount", TOTAL},
    {"totalelements", TOTAL},
    {"totalrecords", TOTAL},
    {"totalresults", TOTAL},
    {"totalitems", TOTAL},
    {"totalrows", TOTAL},
    {"totalhits", TOTAL},
    {"numfound", TOTAL},
    {"xtotalcount", TOTAL},
    {"message", MESSAGE},
    {"msg", MESSAGE},
    {"detail", MESSAGE},
    {"reason", MESSAGE},
    {"meta", INSIDE},
    {"metadata", INSIDE},
    {"page", INSIDE},
    {"paging", INSIDE},
    {"pageinfo", INSIDE},
    {"pagination", INSIDE},
    {"cursor", INSIDE},
    {"cursors", INSIDE},
    {"link", INSIDE},
    {"links", INSIDE},
    {"response", INSIDE},
    {"responseheader", INSIDE},
    {"header", INSIDE},
};

static const char *const good_words[] = {"ok",        "success",  "successful", "succeeded", "done",
                                         "completed", "complete", "finished",   "ready"};

/* ---- names and texts ---- */

/* Whether they are equal, ignoring case, '_' and '-' of `text`. With `begins`, whether `text`
 * begins with `name`. */
static bool alike(const char *name, const char *text, size_t len, bool begins)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '_' || text[i] == '-')
            continue;
        if (*name == '\0')
            return begins;
        if (tolower((unsigned char)text[i]) != *name++)
            return false;
    }
    return *name == '\0';
}

static enum rule rule_of(const char *name, size_t len)
{
    for (size_t i = 0; i < PL_COUNT(names); i++)
        if (alike(names[i].name, name, len, false))
            return names[i].rule;
    static const char *const begins[] = {"nextpage", "hasmore", "hasnext"};
    for (size_t i = 0; i < PL_COUNT(begins); i++)
        if (alike(begins[i], name, len, true))
            return MORE;
    return NO_RULE;
}

static void text_keep(struct answer_text *t, const char *text, size_t len)
{
    t->len = len < sizeof(t->p) ? len : sizeof(t->p);
    if (t->len > 0)
        memcpy(t->p, text, t->len);
}

/* `value`: as received, or what is wrong with it. */
static void say(struct answer *a, enum answer_says says, const char *name, const char *value,
                size_t len)
{
    if (a->says == ANSWER_FAILED || a->says == says)
        return;
    a->says = says;
    snprintf(a->name, sizeof(a->name), "%s", name);
    text_keep(&a->value, value, len);
}

static void say_value(struct answer *a, enum answer_says says, const char *name,
                      struct pl_slice raw)
{
    static const char large[] = "too large to be read";
    if (raw.p)
        say(a, says, name, raw.p, raw.len);
    else
        say(a, says, name, large, sizeof(large) - 1);
}

/* ---- values ---- */

/* A parsed value; for arrays and objects only the type. */
struct value {
    enum pl_json_type type;
    struct pl_slice raw;
    char text[64];  /* a string, unescaped */
    bool is_other;  /* a string that does not fit there */
    bool is_number; /* or a string with a number: "200" */
    double number;  /* infinite if out of a double's range */
};

static void number_read(struct value *v, const char *text)
{
    v->is_number = text[0] && text[strspn(text, "0123456789")] == '\0';
    if (v->is_number)
        v->number = strtod(text, NULL);
}

static struct value value_read(struct pl_slice raw)
{
    struct value v = {.raw = raw};
    struct pl_json j;
    struct pl_json_str str;
    struct pl_json_num num;
    pl_json_init(&j, raw.p, raw.len, 0);
    v.type = pl_json_peek(&j);
    if (v.type == PL_JSON_NUMBER && pl_json_number(&j, &num)) {
        v.is_number = true;
        if (pl_json_num_f64(&num, &v.number) != PL_JSON_NUM_OK)
            v.number = num.negative ? -INFINITY : INFINITY;
    }
    if (v.type != PL_JSON_STRING || !pl_json_string(&j, &str))
        return v;
    ssize_t len = str.len < sizeof(v.text) ? pl_json_unescape(&str, v.text) : -1;
    v.is_other = len < 0 || strlen(v.text) != (size_t)len; /* or has a NUL */
    if (v.is_other)
        v.text[0] = '\0';
    number_read(&v, v.text);
    return v;
}

static bool word_is(const struct value *v, const char *word)
{
    return v->text[0] && alike(word, v->text, strlen(v->text), false);
}

static bool text_is_empty(const struct value *v)
{
    return v->type == PL_JSON_STRING && !v->text[0] && !v->is_other;
}

static bool is_false(const struct value *v)
{
    return v->type == PL_JSON_FALSE || word_is(v, "false");
}

static bool is_no(const struct value *v)
{
    return v->type == PL_JSON_NULL || is_false(v) || (v->is_number && v->number == 0) ||
           text_is_empty(v);
}

/* Nothing, or an array or object of nothing. */
static bool is_empty(struct pl_slice raw, unsigned level)
{
    struct value v = value_read(raw);
    struct pl_json j;
    struct pl_json_str key;
    struct pl_slice inner;
    bool empty = true;
    pl_json_init(&j, raw.p, raw.len, 0);
    if (v.type == PL_JSON_ARRAY)
        return pl_json_array_begin(&j) && !pl_json_array_next(&j);
    if (v.type != PL_JSON_OBJECT)
        return is_no(&v);
    pl_json_object_begin(&j);
    while (pl_json_object_next(&j, &key) && pl_json_skip(&j, &inner))
        empty = empty && level < LEVELS_MAX && is_empty(inner, level + 1);
    return empty;
}

static bool status_is_good(const struct value *v)
{
    if (v->type == PL_JSON_FALSE)
        return false;
    if (v->is_number)
        return v->number == 0 || v->number == 200;
    if (v->type != PL_JSON_STRING || text_is_empty(v) || strncmp(v->text, "200 ", 4) == 0)
        return true;
    for (size_t i = 0; i < PL_COUNT(good_words); i++)
        if (word_is(v, good_words[i]))
            return true;
    return false;
}

/* ---- rules ---- */

static void total_take(struct answer *a, const char *path, double number)
{
    if (number <= (double)a->total)
        return;
    a->total = number < 1e15 ? (int64_t)number : INT64_C(1000000000000000);
    snprintf(a->total_name, sizeof(a->total_name), "%s", path);
}

static void judge(struct answer *a, enum rule rule, const char *path, struct pl_slice raw)
{
    const struct value v = value_read(raw);
    enum answer_says says = ANSWER_NOTHING;
    switch (rule) {
    case STATUS:
        says = status_is_good(&v) ? ANSWER_NOTHING : ANSWER_FAILED;
        break;
    case SUCCESS:
        says = is_no(&v) && v.type != PL_JSON_NULL && !text_is_empty(&v) ? ANSWER_FAILED
                                                                         : ANSWER_NOTHING;
        break;
    case ERRORS:
        says = is_empty(raw, 0) ? ANSWER_NOTHING : ANSWER_FAILED;
        break;
    case MORE:
        says = is_empty(raw, 0) || (v.is_number && v.number < 0) ? ANSWER_NOTHING : ANSWER_PART;
        break;
    case LAST:
        says = is_false(&v) ? ANSWER_PART : ANSWER_NOTHING;
        break;
    case PAGES: /* lastPage is a number or a flag */
        says = is_false(&v) || (v.is_number && v.number > 1) ? ANSWER_PART : ANSWER_NOTHING;
        break;
    case TOTAL:
        if (v.is_number)
            total_take(a, path, v.number);
        break;
    case MESSAGE:
        if (a->message.len == 0 && v.type == PL_JSON_STRING)
            text_keep(&a->message, raw.p, raw.len);
        break;
    case INSIDE:
    case NO_RULE:
        break;
    }
    if (says != ANSWER_NOTHING)
        say_value(a, says, path, raw);
}

/* ---- configuration ---- */

static bool is_ignored(const struct answer *a, const char *path)
{
    for (size_t i = 0; i < a->conf->ignore.n; i++)
        if (strcasecmp(a->conf->ignore.v[i], path) == 0)
            return true;
    return false;
}

/* Whether the value is one of "OK|DONE". */
static bool is_one_of(const char *texts, struct pl_slice raw)
{
    struct pl_json j;
    struct pl_json_str str;
    pl_json_init(&j, raw.p, raw.len, 0);
    bool is_string = pl_json_peek(&j) == PL_JSON_STRING && pl_json_string(&j, &str);
    for (const char *p = texts;; p++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
        size_t len = strcspn(p, "|");
        pl_buf_add(&text, p, len);
        if (is_string ? pl_json_str_eq(&str, pl_buf_cstr(&text))
                      : raw.len == len && memcmp(raw.p, p, len) == 0)
            return true;
        p += len;
        if (*p == '\0')
            return false;
    }
}

/* Checks the member if it is a required one; false: it is not. */
static bool required_take(struct answer *a, const char *path, struct pl_slice raw)
{
    for (size_t i = 0; i < a->conf->require.n; i++) {
        const struct pl_map_entry *e = &a->conf->require.v[i];
        if (strcmp(e->key, path) != 0)
            continue;
        if (raw.p && is_one_of(e->value, raw))
            a->required |= UINT32_C(1) << i;
        else
            say_value(a, ANSWER_FAILED, path, raw);
        return true;
    }
    return false;
}

static bool is_required_below(const struct answer *a, const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < a->conf->require.n; i++) {
        const char *key = a->conf->require.v[i].key;
        if (strncmp(key, path, len) == 0 && key[len] == '.')
            return true;
    }
    return false;
}

/* ---- members ---- */

struct member {
    const char *path; /* includes its name */
    struct pl_slice name, value;
    char first;
    unsigned level;
};

static void member_read(struct answer *a, const struct member *m);

static void object_read(struct answer *a, const struct member *m)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf name = {0};
    struct pl_json j;
    struct pl_json_str key;
    struct pl_slice value;
    pl_json_init(&j, m->value.p, m->value.len, 0);
    pl_json_object_begin(&j);
    while (pl_json_object_next(&j, &key) && pl_json_skip(&j, &value)) {
        char path[ANSWER_NAME_MAX];
        pl_buf_reset(&name);
        if (!pl_json_unescape_buf(&key, &name))
            continue;
        snprintf(path, sizeof(path), "%s.%s", m->path, pl_buf_cstr(&name));
        const struct member inner = {path, {name.data, name.len}, value, value.p[0], m->level + 1};
        member_read(a, &inner);
    }
}

/* "links":[{"rel":"next","href":"…"}] */
static void links_read(struct answer *a, const struct member *m)
{
    struct pl_json j;
    struct pl_slice link;
    pl_json_init(&j, m->value.p, m->value.len, 0);
    pl_json_array_begin(&j);
    while (pl_json_array_next(&j) && pl_json_skip(&j, &link)) {
        struct pl_json l;
        struct pl_json_str key, rel;
        pl_json_init(&l, link.p, link.len, 0);
        if (pl_json_peek(&l) != PL_JSON_OBJECT)
            continue;
        pl_json_object_begin(&l);
        while (pl_json_object_next(&l, &key))
            if (pl_json_str_eq(&key, "rel") && pl_json_peek(&l) == PL_JSON_STRING &&
                pl_json_string(&l, &rel)) {
                if (pl_json_str_eq(&rel, "next"))
                    say_value(a, ANSWER_PART, m->path, link);
            } else {
                pl_json_skip(&l, NULL);
            }
    }
}

static void member_read(struct answer *a, const struct member *m)
{
    enum rule rule = rule_of(m->name.p, m->name.len);
    if (is_ignored(a, m->path) || required_take(a, m->path, m->value))
        return;
    bool inside = m->first == '{' && (rule == INSIDE || rule == STATUS);
    if (!m->value.p && rule != NO_RULE && rule != MESSAGE)
        say_value(a, ANSWER_FAILED, m->path, m->value);
    else if (!m->value.p)
        return;
    else if ((inside || (m->first == '{' && is_required_below(a, m->path))) &&
             m->level < LEVELS_MAX)
        object_read(a, m);
    else if (rule == INSIDE && m->first == '[')
        links_read(a, m);
    else
        judge(a, rule, m->path, m->value);
}

void answer_member(struct answer *a, const struct pl_split_member *member)
{
    char path[ANSWER_NAME_MAX];
    const char *around = a->conf->array ? a->conf->array : "";
    size_t len = 0;
    if (!member->key.p)
        return;
    for (unsigned i = 0; i < member->depth; i++)
        len += strcspn(around + len, ".") + 1;
    snprintf(path, sizeof(path), "%.*s%s", (int)len, around, member->key.p);
    const struct member m = {path, member->key, member->value, member->first, 0};
    if (member->first == '[' && !a->array[0] && rule_of(m.name.p, m.name.len) == NO_RULE)
        snprintf(a->array, sizeof(a->array), "%s", path);
    member_read(a, &m);
}

/* ---- headers ---- */

/* Whether relation types, separated by spaces, have "next" among them. */
static bool has_next(const char *types, size_t len)
{
    while (len > 0) {
        size_t word = 0;
        while (word < len && types[word] != ' ' && types[word] != '\t')
            word++;
        if (word == 4 && strncasecmp(types, "next", 4) == 0)
            return true;
        word += word < len;
        types += word;
        len -= word;
    }
    return false;
}

static const char *spaces_skip(const char *p)
{
    return p + strspn(p, " \t");
}

/* Skips one parameter; whether it is `; rel="next"`. */
static bool parameter_is_next(const char **at)
{
    const char *name = spaces_skip(*at + 1), *p = name + strcspn(name, " \t=;,\"");
    bool rel = p - name == 3 && strncasecmp(name, "rel", 3) == 0;
    p = spaces_skip(p);
    if (*p != '=') {
        *at = p;
        return false;
    }
    const char *value = spaces_skip(p + 1);
    bool quoted = *value == '"';
    value += quoted;
    const char *end = value;
    while (*end && (quoted ? *end != '"' : !strchr(" \t;,", *end)))
        end += end[0] == '\\' && quoted && end[1] ? 2 : 1;
    *at = end + (quoted && *end == '"');
    return rel && has_next(value, (size_t)(end - value));
}

/* RFC 8288, section 3: `<uri>; rel="prev"; title="…", <uri>; rel=next`. */
bool answer_link_is_next(const char *value)
{
    const char *p = value;
    while (*(p = spaces_skip(p)))
        if (*p != ';')
            p += *p == '<' ? strcspn(p, ">") : 1;
        else if (parameter_is_next(&p))
            return true;
    return false;
}

void answer_header(struct answer *a, const char *name, const char *value)
{
    if (is_ignored(a, name))
        return;
    if (strcasecmp(name, "Link") == 0 && answer_link_is_next(value))
        say(a, ANSWER_PART, name, value, strlen(value));
    struct value v = {0};
    if (strcasecmp(name, "X-Total-Count") == 0)
        number_read(&v, value);
    if (v.is_number)
        total_take(a, name, v.number);
}

/* ---- in all ---- */

void answer_init(struct answer *a, const struct wmfetchd_answer_conf *conf)
{
    *a = (struct answer){.conf = conf, .total = -1};
}

enum answer_says answer_end(struct answer *a, uint64_t elements)
{
    static const char missing[] = "missing";
    for (size_t i = 0; i < a->conf->require.n; i++)
        if (!(a->required & UINT32_C(1) << i))
            say(a, ANSWER_FAILED, a->conf->require.v[i].key, missing, sizeof(missing) - 1);
    char total[24];
    int len = snprintf(total, sizeof(total), "%lld", (long long)a->total);
    if (a->total >= 0 && (uint64_t)a->total > elements)
        say(a, ANSWER_PART, a->total_name, total, (size_t)len);
    return a->says;
}
