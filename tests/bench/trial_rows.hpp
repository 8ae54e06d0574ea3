/* SPDX-License-Identifier: Apache-2.0 */
/* trial_rows.hpp - of trial.cpp: an event becomes a row in column buffers (edits.yaml). */
#pragma once
#include <simdjson.h>
#include <string>
#include <vector>

using std::string;
using std::string_view;

[[noreturn]] void die(const string &what);

/* ---- columns ---- */

static void varint_add(string &out, uint64_t n)
{
    for (; n >= 128; n >>= 7)
        out += (char)(n | 128);
    out += (char)n;
}

static void text_add(string &out, string_view text)
{
    varint_add(out, text.size());
    out.append(text);
}

template <typename T> static void number_add(string &out, T n)
{
    out.append((const char *)&n, sizeof(n));
}

struct column {
    const char *name, *type;
    bool nullable;
    string data, nulls;
};

enum {
    TITLE,
    USER,
    WIKI,
    TYPE,
    TIME,
    COMMENT,
    REV_OLD,
    REV_NEW,
    LEN_OLD,
    LEN_NEW,
    BOT,
    MINOR,
    NAMESPACE,
    ID,
    EVENT_ID,
    DOMAIN_
};

struct block {
    size_t rows = 0;
    std::vector<column> columns = {{"title", "String", false, "", ""},
                                   {"user", "String", false, "", ""},
                                   {"wiki", "String", false, "", ""},
                                   {"type", "String", false, "", ""},
                                   {"time", "DateTime('UTC')", false, "", ""},
                                   {"comment", "String", false, "", ""},
                                   {"revision_old", "Nullable(Int64)", true, "", ""},
                                   {"revision_new", "Nullable(Int64)", true, "", ""},
                                   {"length_old", "Nullable(Int64)", true, "", ""},
                                   {"length_new", "Nullable(Int64)", true, "", ""},
                                   {"bot", "Bool", false, "", ""},
                                   {"minor", "Bool", false, "", ""},
                                   {"namespace", "Nullable(Int32)", true, "", ""},
                                   {"id", "Nullable(Int64)", true, "", ""},
                                   {"event_id", "Nullable(UUID)", true, "", ""},
                                   {"domain", "String", false, "", ""}};

    void clear()
    {
        rows = 0;
        for (auto &c : columns)
            c.data.clear(), c.nulls.clear();
    }

    void native(string &out) const
    {
        out.clear();
        varint_add(out, columns.size());
        varint_add(out, rows);
        for (const auto &c : columns) {
            text_add(out, c.name);
            text_add(out, c.type);
            out.append(c.nulls);
            out.append(c.data);
        }
    }
};

/* ---- from an event to a row ---- */

struct integer {
    int64_t value;
    bool there;
};

struct row {
    string_view title, user, wiki, type, comment, event_id, domain;
    integer rev_old, rev_new, len_old, len_new, ns, id;
    int64_t time;
    bool bot, minor;
};

/* A value of another type leaves what was there. */
template <typename T> static void take(simdjson::dom::element e, T &ret)
{
    T value;
    if (!e.get(value))
        ret = value;
}

static integer integer_of(simdjson::dom::element e)
{
    int64_t n;
    return e.get(n) ? integer{0, false} : integer{n, true};
}

static void pair_read(simdjson::dom::element e, integer *ret_old, integer *ret_new)
{
    simdjson::dom::object pair;
    if (e.get(pair))
        return;
    for (auto field : pair) {
        if (field.key == "old")
            *ret_old = integer_of(field.value);
        else if (field.key == "new")
            *ret_new = integer_of(field.value);
    }
}

static void meta_read(simdjson::dom::element e, row &r)
{
    simdjson::dom::object meta;
    if (e.get(meta))
        return;
    for (auto field : meta) {
        if (field.key == "id")
            take(field.value, r.event_id);
        else if (field.key == "domain")
            take(field.value, r.domain);
    }
}

static void field_read(string_view key, simdjson::dom::element value, row &r)
{
    switch (key.size()) {
    case 2:
        if (key == "id")
            r.id = integer_of(value);
        break;
    case 3:
        if (key == "bot")
            take(value, r.bot);
        break;
    case 4:
        if (key == "meta")
            meta_read(value, r);
        else if (key == "type")
            take(value, r.type);
        else if (key == "user")
            take(value, r.user);
        else if (key == "wiki")
            take(value, r.wiki);
        break;
    case 5:
        if (key == "title")
            take(value, r.title);
        else if (key == "minor")
            take(value, r.minor);
        break;
    case 6:
        if (key == "length")
            pair_read(value, &r.len_old, &r.len_new);
        break;
    case 7:
        if (key == "comment")
            take(value, r.comment);
        break;
    case 8:
        if (key == "revision")
            pair_read(value, &r.rev_old, &r.rev_new);
        break;
    case 9:
        if (key == "timestamp")
            take(value, r.time);
        else if (key == "namespace")
            r.ns = integer_of(value);
        break;
    }
}

template <typename T> static void nullable_add(column &c, integer n)
{
    c.nulls += (char)!n.there;
    number_add(c.data, (T)n.value);
}

static void uuid_add(column &c, string_view text)
{
    uint64_t half[2] = {0, 0};
    unsigned digits = 0;
    for (char ch : text) {
        if (ch == '-')
            continue;
        unsigned digit = ch <= '9' ? (unsigned)(ch - '0') : (unsigned)((ch | 32) - 'a' + 10);
        if (digit > 15 || digits == 32)
            die("no UUID");
        half[digits / 16] = half[digits / 16] << 4 | digit;
        digits++;
    }
    c.nulls += (char)(digits != 32);
    number_add(c.data, half[0]);
    number_add(c.data, half[1]);
}

static void row_add(simdjson::dom::parser &parser, const char *text, size_t len, block &b)
{
    simdjson::dom::object event;
    if (parser.parse(text, len).get(event))
        die("no JSON object");
    row r = {};
    for (auto field : event)
        field_read(field.key, field.value, r);
    auto &c = b.columns;
    text_add(c[TITLE].data, r.title);
    text_add(c[USER].data, r.user);
    text_add(c[WIKI].data, r.wiki);
    text_add(c[TYPE].data, r.type);
    number_add(c[TIME].data, (uint32_t)r.time);
    text_add(c[COMMENT].data, r.comment);
    nullable_add<int64_t>(c[REV_OLD], r.rev_old);
    nullable_add<int64_t>(c[REV_NEW], r.rev_new);
    nullable_add<int64_t>(c[LEN_OLD], r.len_old);
    nullable_add<int64_t>(c[LEN_NEW], r.len_new);
    c[BOT].data += (char)r.bot;
    c[MINOR].data += (char)r.minor;
    nullable_add<int32_t>(c[NAMESPACE], r.ns);
    nullable_add<int64_t>(c[ID], r.id);
    uuid_add(c[EVENT_ID], r.event_id);
    text_add(c[DOMAIN_].data, r.domain);
    b.rows++;
}
