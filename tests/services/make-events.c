/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make-events.c - writes made Wikimedia recentchange events, one JSON document a line, to stdout.
 *
 * They obey the schema mediawiki/recentchange 1.0.1, look like the real ones in size and mixture,
 * and on request hold what real ones hold rarely: shared milliseconds, time going backwards, lying
 * times, canaries, hard text. No person's name or text is in them.
 *
 * The same options and seed give the same bytes. What varies is drawn from one random state in a
 * fixed order; ids are a hash of seed and number, so they never repeat. Titles and comments come
 * from pools made at the start, so that an event costs little more than copying.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TITLES = 16384,
    COMMENTS = 4096,
    USERS = 6144,
    WIKIS = 100,
    OUT_CAPACITY = 1 << 20,
    OUT_FLUSH = OUT_CAPACITY - (256 << 10), /* room for the largest event, below 128 KB */
    CANARY_PERIOD_MS = 15 * 60 * 1000,
    BACKWARDS_MAX_MS = 51, /* the largest step back in a recording of June 2026 */
    HARD_EVERY = 16,
    HARD_KINDS = 16,
};

enum kind {
    KIND_EDIT,
    KIND_CATEGORIZE,
    KIND_LOG,
    KIND_NEW,
};

enum hard {
    HARD_FOUR_BYTES,
    HARD_RTL,
    HARD_LINE_SEPARATOR,
    HARD_LONE_SURROGATE,
    HARD_PARAMS_STRING,
    HARD_PARAMS_ARRAY,
    HARD_PARAMS_OBJECT,
    HARD_PARAMS_EMPTY,
    HARD_EXTERNAL,
    HARD_NUMERIC_TYPE,
    HARD_ABSENT,
    HARD_LARGE,
    HARD_OLD_SCHEMA,
    HARD_ESCAPED_KEYS,
    HARD_NULLS,
    HARD_ESCAPES,
    HARD_NONE,
};

struct text {
    char *data;
    size_t len;
};

struct wiki {
    char name[24];
    char server[40];
};

struct title {
    struct text plain; /* JSON-escaped */
    struct text url;   /* underscores and percents */
};

struct comment {
    struct text plain;
    struct text parsed;
};

struct options {
    uint64_t seed;
    uint64_t count;
    int64_t start_ms;
    double rate;
    uint64_t shared;
    double codfw_share; /* 0 to 1 */
    bool backwards, liar, canaries, hard;
};

struct gen {
    struct options opt;
    uint64_t random;
    struct wiki wikis[WIKIS];
    uint8_t wiki_of[4096]; /* skewed: more slots for the larger wikis */
    struct title titles[TITLES];
    struct comment comments[COMMENTS];
    struct text users[USERS];
    uint64_t offset[2]; /* of eqiad, codfw */
    int64_t clock_ms;   /* of the last event, before backwards and lies */
    uint64_t shared_left;
    int shared_run;
    int64_t next_canary_ms;
    uint64_t made;
    int64_t dt_second; /* what `dt_text` holds up to the second */
    char dt_text[24];
    char *out;
    size_t len;
    bool failed;
};

/* What is decided of one event before it is written. */
struct event {
    enum kind kind;
    enum hard hard;
    int topic; /* 0 eqiad, 1 codfw */
    int64_t dt_ms;
    int64_t timestamp;
    const struct wiki *wiki;
    const struct title *title;
    const struct comment *comment;
    const struct text *user;
    bool bot;
    uint64_t id[4];
};

static const char *const topics[] = {"eqiad.mediawiki.recentchange",
                                     "codfw.mediawiki.recentchange"};

static uint64_t mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static uint64_t gen_random(struct gen *gen)
{
    gen->random += 0x9e3779b97f4a7c15u;
    return mix(gen->random);
}

static uint64_t gen_below(struct gen *gen, uint64_t limit)
{
    return gen_random(gen) % limit;
}

static double gen_unit(struct gen *gen)
{
    return (double)(gen_random(gen) >> 11) * 0x1p-53;
}

static void gen_flush(struct gen *gen)
{
    size_t done = 0;

    while (done < gen->len && !gen->failed) {
        ssize_t count = write(STDOUT_FILENO, gen->out + done, gen->len - done);

        if (count <= 0)
            gen->failed = true;
        else
            done += (size_t)count;
    }
    gen->len = 0;
}

static void put(struct gen *gen, const char *data, size_t len)
{
    memcpy(gen->out + gen->len, data, len);
    gen->len += len;
}

static void put_str(struct gen *gen, const char *string)
{
    put(gen, string, strlen(string));
}

static void put_text(struct gen *gen, const struct text *text)
{
    put(gen, text->data, text->len);
}

static void put_int(struct gen *gen, int64_t value)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        digits[--at] = '-';
    put(gen, digits + at, sizeof(digits) - at);
}

static void put_uuid(struct gen *gen, uint64_t high, uint64_t low)
{
    static const char hex[] = "0123456789abcdef";
    char text[36];
    int at = 0;

    high = (high & ~UINT64_C(0xf000)) | 0x4000;
    low = (low & ~(UINT64_C(3) << 62)) | (UINT64_C(1) << 63);
    for (int i = 0; i < 32; i++) {
        uint64_t half = i < 16 ? high : low;

        if (i == 8 || i == 12 || i == 16 || i == 20)
            text[at++] = '-';
        text[at++] = hex[(half >> (60 - 4 * (i % 16))) & 15];
    }
    put(gen, text, sizeof(text));
}

static void put_dt(struct gen *gen, int64_t ms)
{
    int64_t second = ms / 1000;
    int rest = (int)(ms % 1000);
    char fraction[] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                       (char)('0' + rest % 10), 'Z'};

    if (second != gen->dt_second) {
        time_t when = (time_t)second;
        struct tm tm;

        gmtime_r(&when, &tm);
        strftime(gen->dt_text, sizeof(gen->dt_text), "%Y-%m-%dT%H:%M:%S", &tm);
        gen->dt_second = second;
    }
    put_str(gen, gen->dt_text);
    put(gen, fraction, sizeof(fraction));
}

/* ---- the pools ---- */

static struct text text_of(const char *string)
{
    struct text text = {strdup(string), strlen(string)};

    if (!text.data)
        abort();
    return text;
}

static const char *pick(struct gen *gen, const char *const *list, size_t count)
{
    return list[gen_below(gen, count)];
}

#define PICK(gen, list) pick(gen, list, sizeof(list) / sizeof((list)[0]))

static const char *const latin_words[] = {
    "River",   "Stone",  "Old",    "North",     "Bridge",   "Castle", "List",     "of",
    "History", "Valley", "Battle", "Treaty",    "Railway",  "Line",   "Museum",   "School",
    "Harbour", "Island", "Garden", "Symphony",  "Observer", "Field",  "Mountain", "1987",
    "2024",    "Winter", "Cup",    "Élan",      "Größe",    "Señal",  "Žena",     "Östra",
    "Façade",  "Ångbåt", "Comet",  "Parliament"};
static const char *const other_words[] = {"Река",   "История", "Город", "Список",    "列表",
                                          "歴史",   "東京駅",  "中文",  "قائمة",     "تاريخ",
                                          "הר",     "רשימה",   "Νησί",  "Ιστορία",   "हिन्दी",
                                          "한국사", "ภาษาไทย", "Երևան", "საქართველო"};
static const char *const prefixes[] = {
    "", "", "", "", "File:", "Talk:", "User:", "Category:", "Template:"};

/* The title as it stands in a URL: blanks as underscores, all but the plainest as %XX. */
static struct text url_of(const char *plain)
{
    char url[2048];
    size_t len = 0;

    for (const char *at = plain; *at && len + 4 < sizeof(url); at++) {
        unsigned char byte = (unsigned char)*at;

        if (byte == ' ')
            url[len++] = '_';
        else if (byte < 128)
            url[len++] = (char)byte;
        else
            len += (size_t)snprintf(url + len, sizeof(url) - len, "%%%02X", byte);
    }
    url[len] = '\0';
    return text_of(url);
}

static void make_titles(struct gen *gen)
{
    for (size_t i = 0; i < TITLES; i++) {
        bool latin = gen_below(gen, 10) < 8;
        uint64_t words = latin ? 2 + gen_below(gen, 4) : 1 + gen_below(gen, 2);
        char plain[512];
        size_t len = (size_t)snprintf(plain, sizeof(plain), "%s", PICK(gen, prefixes));

        for (uint64_t word = 0; word < words; word++)
            len += (size_t)snprintf(plain + len, sizeof(plain) - len, "%s%s", word ? " " : "",
                                    latin ? PICK(gen, latin_words) : PICK(gen, other_words));
        if (gen_below(gen, 3) == 0)
            snprintf(plain + len, sizeof(plain) - len, " (%d)", (int)gen_below(gen, 10000));
        gen->titles[i].plain = text_of(plain);
        gen->titles[i].url = url_of(plain);
    }
}

static void make_comments(struct gen *gen)
{
    static const char *const starts[] = {"added link to",
                                         "/* References */ cite",
                                         "removed",
                                         "Reverted edits about",
                                         "typo in",
                                         "→ moved to",
                                         "created claim: \\\"instance of\\\"",
                                         "updated"};
    char plain[2048], parsed[4096];

    for (size_t i = 0; i < COMMENTS; i++) {
        const char *start = PICK(gen, starts);
        uint64_t links = gen_below(gen, 10) < 7 ? 1 : gen_below(gen, 4);
        size_t len = (size_t)snprintf(plain, sizeof(plain), "%s", start);
        size_t parsed_len = (size_t)snprintf(parsed, sizeof(parsed), "%s", start);

        for (uint64_t link = 0; link < links; link++) {
            const struct title *title = &gen->titles[gen_below(gen, TITLES)];

            len += (size_t)snprintf(plain + len, sizeof(plain) - len, " [[%s]]", title->plain.data);
            parsed_len += (size_t)snprintf(parsed + parsed_len, sizeof(parsed) - parsed_len,
                                           " <a href=\\\"/wiki/%s\\\" title=\\\"%s\\\">%s</a>",
                                           title->url.data, title->plain.data, title->plain.data);
        }
        gen->comments[i].plain = text_of(gen_below(gen, 12) ? plain : "");
        gen->comments[i].parsed = text_of(gen->comments[i].plain.len ? parsed : "");
    }
}

/* The first quarter are bots, as in the stream; the rest names, temporary accounts, addresses. */
static void make_users(struct gen *gen)
{
    char name[128];

    for (size_t i = 0; i < USERS; i++) {
        const char *one = PICK(gen, latin_words), *two = PICK(gen, latin_words);
        int number = (int)i;

        if (i < USERS / 4)
            snprintf(name, sizeof(name), "%s%sBot %d", one, two, number);
        else if (i % 16 == 1)
            snprintf(name, sizeof(name), "~2026-%05d-%02d", number * 7, number % 100);
        else if (i % 16 == 2)
            snprintf(name, sizeof(name), "192.0.2.%d", number % 256);
        else if (i % 16 == 3)
            snprintf(name, sizeof(name), "%s %d", PICK(gen, other_words), number);
        else
            snprintf(name, sizeof(name), "%s%s%d", one, two, number);
        gen->users[i] = text_of(name);
    }
}

static void make_wikis(struct gen *gen)
{
    static const char *const codes[] = {
        "de", "fr", "es", "ru", "it", "ja", "zh", "pl", "pt", "uk", "ar", "fa", "nl", "sv", "he",
        "id", "vi", "ko", "tr", "cs", "fi", "hu", "ca", "no", "ro", "da", "sr", "el", "bg", "eu",
        "hy", "ms", "th", "hi", "bn", "ta", "te", "ka", "az", "kk", "uz", "be", "lt", "lv", "et",
        "sl", "sk", "hr", "bs", "sq", "mk", "gl", "cy", "ga", "is", "af", "sw", "la", "eo", "ur"};
    const size_t code_count = sizeof(codes) / sizeof(codes[0]);
    double weight[WIKIS], total = 0, sum = 0;
    size_t slot = 0;

    for (size_t i = 0; i < WIKIS; i++) {
        struct wiki *wiki = &gen->wikis[i];
        const char *code = codes[(i + code_count - 3) % code_count];
        const char *site = i < 3 + code_count ? "wikipedia" : "wiktionary";

        snprintf(wiki->name, sizeof(wiki->name), "%s%s", code,
                 i < 3 + code_count ? "wiki" : "wiktionary");
        snprintf(wiki->server, sizeof(wiki->server), "%s.%s.org", code, site);
        weight[i] = i < 3 ? 0 : 30.0 / (double)(i + 2);
        total += weight[i];
    }
    gen->wikis[0] = (struct wiki){"wikidatawiki", "www.wikidata.org"};
    gen->wikis[1] = (struct wiki){"commonswiki", "commons.wikimedia.org"};
    gen->wikis[2] = (struct wiki){"enwiki", "en.wikipedia.org"};
    weight[0] = total * 0.9;
    weight[1] = total * 0.8;
    weight[2] = total * 0.6;
    total += weight[0] + weight[1] + weight[2];
    for (size_t i = 0; i < WIKIS; i++) {
        sum += weight[i];
        while (slot < sizeof(gen->wiki_of) &&
               (double)slot < sum / total * (double)sizeof(gen->wiki_of))
            gen->wiki_of[slot++] = (uint8_t)i;
    }
}

static void gen_free(struct gen *gen)
{
    for (size_t i = 0; i < TITLES; i++) {
        free(gen->titles[i].plain.data);
        free(gen->titles[i].url.data);
    }
    for (size_t i = 0; i < COMMENTS; i++) {
        free(gen->comments[i].plain.data);
        free(gen->comments[i].parsed.data);
    }
    for (size_t i = 0; i < USERS; i++)
        free(gen->users[i].data);
    free(gen->out);
    free(gen);
}

/* ---- one event ---- */

/* A key, now and then with its first letter as an escape: the same key to whoever reads JSON. */
static void put_key(struct gen *gen, const struct event *event, const char *key)
{
    put_str(gen, ",\"");
    if (event->hard == HARD_ESCAPED_KEYS) {
        char escaped[8];

        snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned char)key[0]);
        put_str(gen, escaped);
        key++;
    }
    put_str(gen, key);
    put_str(gen, "\":");
}

static void put_string(struct gen *gen, const struct event *event, const char *key,
                       const char *value)
{
    put_key(gen, event, key);
    put_str(gen, "\"");
    put_str(gen, value);
    put_str(gen, "\"");
}

static void put_number(struct gen *gen, const struct event *event, const char *key, int64_t value)
{
    put_key(gen, event, key);
    put_int(gen, value);
}

static void put_bool(struct gen *gen, const struct event *event, const char *key, bool value)
{
    put_key(gen, event, key);
    put_str(gen, value ? "true" : "false");
}

static void put_page_url(struct gen *gen, const struct event *event)
{
    put_str(gen, "https://");
    put_str(gen, event->wiki->server);
    put_str(gen, "/wiki/");
    put_text(gen, &event->title->url);
}

/* What a hard event has before its title and comment. */
static const char *hard_text(enum hard hard)
{
    switch (hard) {
    case HARD_FOUR_BYTES:
        return "\xf0\x9f\xa6\x86\xf0\xa0\x9c\x8e \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac ";
    case HARD_RTL:
        return "\xe2\x80\x8f\xd8\xb5\xd9\x81\xd8\xad\xd8\xa9 e\xcc\x81\xcc\xa3 \xe2\x80\xae! ";
    case HARD_LINE_SEPARATOR:
        return "a\xe2\x80\xa8"
               "b\xe2\x80\xa9"
               "c\\u2028d\xc2\x85 ";
    case HARD_LONE_SURROGATE:
        return "\\ud83d alone, \\ude00 too ";
    case HARD_ESCAPES:
        return "\\ud83d\\ude00 \\/ "
               "\\t\\n\\r\\b\\f \\\\ \\u0001 \\u007f \\u00e9 data: x\\n\\nid: 7 ";
    case HARD_PARAMS_STRING:
    case HARD_PARAMS_ARRAY:
    case HARD_PARAMS_OBJECT:
    case HARD_PARAMS_EMPTY:
    case HARD_EXTERNAL:
    case HARD_NUMERIC_TYPE:
    case HARD_ABSENT:
    case HARD_LARGE:
    case HARD_OLD_SCHEMA:
    case HARD_ESCAPED_KEYS:
    case HARD_NULLS:
    case HARD_NONE:
        break;
    }
    return "";
}

static void put_meta(struct gen *gen, const struct event *event)
{
    put_str(gen, event->hard == HARD_OLD_SCHEMA ? "{\"$schema\":\"/mediawiki/recentchange/2\""
                                                : "{\"$schema\":\"/mediawiki/recentchange/1.0.0\"");
    put_str(gen, ",\"meta\":{\"uri\":\"");
    put_page_url(gen, event);
    put_str(gen, "\",\"request_id\":\"");
    put_uuid(gen, event->id[0], event->id[1]);
    put_str(gen, "\",\"id\":\"");
    put_uuid(gen, event->id[2], event->id[3]);
    put_str(gen, "\",\"domain\":\"");
    put_str(gen, event->wiki->server);
    put_str(gen, "\",\"stream\":\"mediawiki.recentchange\"");
    if (event->hard == HARD_OLD_SCHEMA)
        put_str(gen, ",\"schema_uri\":\"mediawiki/recentchange/2\"");
    put_str(gen, ",\"dt\":\"");
    put_dt(gen, event->dt_ms);
    put_str(gen, "\",\"topic\":\"");
    put_str(gen, topics[event->topic]);
    put_str(gen, "\",\"partition\":0,\"offset\":");
    put_int(gen, (int64_t)gen->offset[event->topic]++);
    put_str(gen, "}");
}

static const char *type_of(const struct event *event)
{
    static const char *const names[] = {"edit", "categorize", "log", "new"};

    if (event->hard == HARD_EXTERNAL)
        return "external";
    if (event->hard == HARD_NUMERIC_TYPE)
        return "142";
    return names[event->kind];
}

static int namespace_of(const struct event *event)
{
    static const struct {
        const char *prefix;
        int number;
    } known[] = {{"File:", 6}, {"Talk:", 1}, {"User:", 2}, {"Category:", 14}, {"Template:", 10}};

    if (event->kind == KIND_CATEGORIZE)
        return 14;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (!strncmp(event->title->plain.data, known[i].prefix, strlen(known[i].prefix)))
            return known[i].number;
    return 0;
}

static void put_log(struct gen *gen, const struct event *event)
{
    static const char *const log_types[] = {"upload", "delete", "move", "block", "abusefilter"};
    const char *type = PICK(gen, log_types);

    if (event->hard == HARD_NULLS)
        put_str(gen, ",\"log_id\":null");
    else
        put_number(gen, event, "log_id", 170000000 + (int64_t)(gen->made % 100000000));
    put_string(gen, event, "log_type", type);
    put_string(gen, event, "log_action", type[0] == 'a' ? "hit" : type);
    put_key(gen, event, "log_params");
    if (event->hard == HARD_PARAMS_STRING)
        put_str(gen, "\"a:1:{s:6:\\\"target\\\";s:1:\\\"x\\\";}\"");
    else if (event->hard == HARD_PARAMS_ARRAY)
        put_str(gen, "[\"one\",2,null,{\"three\":[4.5,true]},\"\"]");
    else if (event->hard == HARD_PARAMS_EMPTY || gen_below(gen, 2))
        put_str(gen, "[]");
    else if (event->hard == HARD_PARAMS_OBJECT)
        put_str(gen, "{\"4::target\":\"x\",\"deep\":{\"a\":[{\"b\":{}}]},\"n\":-1.5e-7,\"\":null}");
    else
        put_str(gen, "{\"img_sha1\":\"3drvkcjclsb0ffanh0ohlfrq38mmtfq\",\"log\":12345}");
    if (event->hard == HARD_NULLS)
        put_str(gen, ",\"log_action_comment\":null");
    else
        put_string(gen, event, "log_action_comment", "did it to the page");
}

static void put_revision(struct gen *gen, const struct event *event)
{
    int64_t old_length = (int64_t)gen_below(gen, 60000), revision = 1200000000;
    int64_t new_length = old_length + (int64_t)gen_below(gen, 2000) - 700;
    bool absent = event->kind == KIND_NEW || event->hard == HARD_ABSENT;

    revision += (int64_t)(gen->made % 800000000);
    put_key(gen, event, "length");
    if (event->hard == HARD_NULLS)
        put_str(gen, "{\"old\":null,");
    else if (absent)
        put_str(gen, "{");
    else {
        put_str(gen, "{\"old\":");
        put_int(gen, old_length);
        put_str(gen, ",");
    }
    put_str(gen, "\"new\":");
    put_int(gen, new_length < 0 ? 0 : new_length);
    put_str(gen, "}");
    put_key(gen, event, "revision");
    put_str(gen, "{");
    if (!absent) {
        put_str(gen, "\"old\":");
        put_int(gen, revision - 1 - (int64_t)gen_below(gen, 100000));
        put_str(gen, ",");
    }
    put_str(gen, "\"new\":");
    put_int(gen, revision);
    put_str(gen, "}");
}

static void put_titles(struct gen *gen, const struct event *event)
{
    put_key(gen, event, "title");
    put_str(gen, "\"");
    put_str(gen, hard_text(event->hard));
    put_text(gen, &event->title->plain);
    put_str(gen, "\"");
    put_key(gen, event, "title_url");
    put_str(gen, "\"");
    put_page_url(gen, event);
    put_str(gen, "\"");
    put_key(gen, event, "comment");
    put_str(gen, "\"");
    put_str(gen, hard_text(event->hard));
    put_text(gen, &event->comment->plain);
    if (event->hard == HARD_LARGE)
        for (size_t i = 0; i < 4500; i++) /* 4,500 times 16 bytes: above 64 KB */
            put(gen, " \xc3\xa9verywhere\xe2\x80\xa6 ", 16);
    put_str(gen, "\"");
}

static void put_notify_url(struct gen *gen, const struct event *event)
{
    put_key(gen, event, "notify_url");
    put_str(gen, "\"https://");
    put_str(gen, event->wiki->server);
    put_str(gen, "/w/index.php?diff=");
    put_int(gen, 1200000000 + (int64_t)(gen->made % 800000000));
    put_str(gen, "&oldid=");
    put_int(gen, 1199999999 - (int64_t)(gen->made % 1000));
    put_str(gen, "\"");
}

static void put_event(struct gen *gen, const struct event *event)
{
    bool changes = event->kind == KIND_EDIT || event->kind == KIND_NEW;

    put_meta(gen, event);
    if (event->hard == HARD_NULLS)
        put_str(gen, ",\"id\":null");
    else if (event->hard != HARD_ABSENT && event->kind != KIND_LOG)
        put_number(gen, event, "id", 1900000000 + (int64_t)gen->made);
    put_string(gen, event, "type", type_of(event));
    put_number(gen, event, "namespace", namespace_of(event));
    put_titles(gen, event);
    put_number(gen, event, "timestamp", event->timestamp);
    if (event->hard != HARD_ABSENT) {
        put_key(gen, event, "user");
        put_str(gen, "\"");
        put_text(gen, event->user);
        put_str(gen, "\"");
    }
    put_bool(gen, event, "bot", event->bot);
    if (event->kind == KIND_LOG)
        put_log(gen, event);
    else
        put_notify_url(gen, event);
    if (changes) {
        put_bool(gen, event, "minor", gen_below(gen, 3) == 0);
        if (gen_below(gen, 2))
            put_bool(gen, event, "patrolled", event->bot);
        put_revision(gen, event);
    }
    put_key(gen, event, "server_url");
    put_str(gen, "\"https://");
    put_str(gen, event->wiki->server);
    put_str(gen, "\"");
    put_string(gen, event, "server_name", event->wiki->server);
    put_string(gen, event, "server_script_path", "/w");
    put_string(gen, event, "wiki", event->wiki->name);
    put_key(gen, event, "parsedcomment");
    put_str(gen, "\"");
    put_str(gen, hard_text(event->hard));
    put_text(gen, &event->comment->parsed);
    put_str(gen, "\"}\n");
}

/* ---- the sequence ---- */

/* Exactly `shared` of the events take the time of the one before, in runs of one to three. */
static bool gen_shares(struct gen *gen)
{
    uint64_t left = gen->opt.count - gen->made;

    if (gen->shared_left == 0 || gen->made == 0)
        return false;
    if (gen->shared_run > 0) {
        gen->shared_run--;
    } else {
        if (gen_below(gen, left) * 3 >= gen->shared_left * 2 && left > gen->shared_left)
            return false;
        gen->shared_run = gen_below(gen, 4) == 0 ? 1 + (int)gen_below(gen, 2) : 0;
    }
    gen->shared_left--;
    return true;
}

static int64_t gen_next_ms(struct gen *gen)
{
    double gap = 1000.0 / gen->opt.rate;
    double at = (double)gen->made * gap;
    double jitter = gen_unit(gen);

    /* Jitter that keeps times apart, so that only the wanted ones are shared (to 500 events/s). */
    if (gap >= 2)
        at += jitter * (gap - 1);
    if (!gen_shares(gen))
        gen->clock_ms = gen->opt.start_ms + (int64_t)at;
    return gen->clock_ms;
}

static void gen_canaries(struct gen *gen, int64_t until_ms)
{
    for (; gen->next_canary_ms <= until_ms; gen->next_canary_ms += CANARY_PERIOD_MS)
        for (int topic = 0; topic < 2; topic++) {
            uint64_t key = (uint64_t)gen->next_canary_ms + (uint64_t)topic;

            key = mix(gen->opt.seed ^ mix(key));
            put_str(gen, "{\"$schema\":\"/mediawiki/recentchange/1.0.1\",\"meta\":{\"id\":\"");
            put_uuid(gen, key, mix(key));
            put_str(gen, "\",\"domain\":\"canary\"");
            put_str(gen, ",\"stream\":\"mediawiki.recentchange\",\"dt\":\"");
            put_dt(gen, gen->next_canary_ms);
            put_str(gen, "\",\"request_id\":\"");
            put_uuid(gen, mix(key + 1), mix(key + 2));
            put_str(gen, "\",\"topic\":\"");
            put_str(gen, topics[topic]);
            put_str(gen, "\",\"partition\":0,\"offset\":");
            put_int(gen, (int64_t)gen->offset[topic]++);
            put_str(gen, "}}\n");
            if (gen->len > OUT_FLUSH)
                gen_flush(gen);
        }
}

static enum kind gen_kind(struct gen *gen)
{
    uint64_t draw = gen_below(gen, 100);

    return draw < 60 ? KIND_EDIT : draw < 88 ? KIND_CATEGORIZE : draw < 95 ? KIND_LOG : KIND_NEW;
}

static void gen_hard(const struct gen *gen, struct event *event)
{
    event->hard = HARD_NONE;
    if (!gen->opt.hard || gen->made % HARD_EVERY != HARD_EVERY / 2)
        return;
    event->hard = (enum hard)(gen->made / HARD_EVERY % HARD_KINDS);
    if (event->hard >= HARD_PARAMS_STRING && event->hard <= HARD_PARAMS_EMPTY)
        event->kind = KIND_LOG;
    if (event->hard == HARD_NULLS)
        event->kind = gen->made / HARD_EVERY / HARD_KINDS % 2 ? KIND_LOG : KIND_EDIT;
    if (event->hard == HARD_ABSENT)
        event->kind = KIND_EDIT;
}

static void gen_event(struct gen *gen)
{
    struct event event = {.kind = gen_kind(gen)};
    uint64_t key = gen->opt.seed * 0x9e3779b97f4a7c15u + gen->made;
    int64_t now = gen_next_ms(gen);

    if (gen->opt.canaries)
        gen_canaries(gen, now);
    gen_hard(gen, &event);
    for (size_t i = 0; i < 4; i++)
        event.id[i] = mix(key ^ (UINT64_C(0x5851f42d4c957f2d) * (i + 1)));
    event.dt_ms = now;
    if (gen->opt.backwards && gen_below(gen, 100) < 16)
        event.dt_ms -= 1 + (int64_t)gen_below(gen, BACKWARDS_MAX_MS);
    event.timestamp = event.dt_ms / 1000 - (int64_t)gen_below(gen, 3);
    if (gen_below(gen, 100) < 7)
        event.timestamp -= 5 + (int64_t)gen_below(gen, 3600);
    if (gen->opt.liar && gen->made % 997 == 498) {
        event.dt_ms -= INT64_C(31557600000) * (1 + (int64_t)gen_below(gen, 10));
        event.timestamp = event.dt_ms / 1000;
    }
    event.topic = gen->opt.codfw_share > 0 && gen_unit(gen) < gen->opt.codfw_share;
    event.wiki = &gen->wikis[gen->wiki_of[gen_below(gen, sizeof(gen->wiki_of))]];
    event.title = &gen->titles[gen_below(gen, TITLES)];
    event.comment = &gen->comments[gen_below(gen, COMMENTS)];
    event.bot = gen_below(gen, 4) == 0;
    event.user = &gen->users[event.bot ? gen_below(gen, USERS / 4)
                                       : USERS / 4 + gen_below(gen, USERS - USERS / 4)];
    put_event(gen, &event);
    gen->made++;
}

/* ---- the command line ---- */

static void usage(FILE *stream)
{
    fputs("usage: make-events [OPTION]...\n"
          "  --count N        events to write, canaries not counted (1000)\n"
          "  --seed N         the same seed gives the same bytes (1)\n"
          "  --start WHEN     time of the first, ISO 8601 in UTC or epoch ms "
          "(2026-03-01T00:00:00Z)\n"
          "  --rate R         events a second of event time (33)\n"
          "  --shared-ms K    K of them have the millisecond of the one before (0)\n"
          "  --backwards      some step back by up to 51 ms\n"
          "  --liar           one in 997 has a meta.dt years old\n"
          "  --canaries       in both topics, every 15 minutes of event time\n"
          "  --hard           one in 16 is difficult: text, types, nulls, sizes, schema, escapes\n"
          "  --codfw-share P  percent of the events in the codfw topic (0)\n",
          stream);
}

static bool parse_time(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    char *end;
    long long ms = strtoll(text, &end, 10);

    if (*text && !*end) {
        *ret_ms = ms;
        return true;
    }
    end = strptime(text, "%Y-%m-%d", &tm);
    if (end && *end == 'T')
        end = strptime(end, "T%H:%M:%S", &tm);
    if (!end || (*end && strcmp(end, "Z")))
        return false;
    *ret_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

static int parse_options(struct options *opt, int argc, char **argv)
{
    static const struct option names[] = {{"count", required_argument, NULL, 'n'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"start", required_argument, NULL, 't'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"shared-ms", required_argument, NULL, 'm'},
                                          {"codfw-share", required_argument, NULL, 'p'},
                                          {"backwards", no_argument, NULL, 'b'},
                                          {"liar", no_argument, NULL, 'l'},
                                          {"canaries", no_argument, NULL, 'c'},
                                          {"hard", no_argument, NULL, 'x'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int letter;

    while ((letter = getopt_long(argc, argv, "h", names, NULL)) != -1)
        switch (letter) {
        case 'n':
            opt->count = strtoull(optarg, NULL, 10);
            break;
        case 's':
            opt->seed = strtoull(optarg, NULL, 10);
            break;
        case 't':
            if (!parse_time(optarg, &opt->start_ms)) {
                fprintf(stderr, "make-events: --start: not a time: %s\n", optarg);
                return 64;
            }
            break;
        case 'r':
            opt->rate = strtod(optarg, NULL);
            break;
        case 'm':
            opt->shared = strtoull(optarg, NULL, 10);
            break;
        case 'p':
            opt->codfw_share = strtod(optarg, NULL) / 100;
            break;
        case 'b':
            opt->backwards = true;
            break;
        case 'l':
            opt->liar = true;
            break;
        case 'c':
            opt->canaries = true;
            break;
        case 'x':
            opt->hard = true;
            break;
        case 'h':
            usage(stdout);
            return -1;
        default:
            usage(stderr);
            return 64;
        }
    if (optind < argc || !(opt->rate > 0)) {
        usage(stderr);
        return 64;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct gen *gen = calloc(1, sizeof(*gen));
    int status;

    if (!gen || !(gen->out = malloc(OUT_CAPACITY)))
        abort();
    gen->opt = (struct options){.seed = 1, .count = 1000, .rate = 33};
    gen->opt.start_ms = INT64_C(1772323200000); /* 2026-03-01 */
    status = parse_options(&gen->opt, argc, argv);
    if (status) {
        gen_free(gen);
        return status < 0 ? 0 : status;
    }
    gen->random = mix(gen->opt.seed);
    gen->offset[0] = UINT64_C(5383496000);
    gen->offset[1] = UINT64_C(2015394000);
    gen->shared_left = gen->opt.shared;
    gen->dt_second = -1;
    gen->clock_ms = gen->opt.start_ms;
    gen->next_canary_ms =
        (gen->opt.start_ms + CANARY_PERIOD_MS - 1) / CANARY_PERIOD_MS * CANARY_PERIOD_MS;
    make_wikis(gen);
    make_titles(gen);
    make_comments(gen);
    make_users(gen);
    while (gen->made < gen->opt.count && !gen->failed) {
        gen_event(gen);
        if (gen->len > OUT_FLUSH)
            gen_flush(gen);
    }
    gen_flush(gen);
    status = gen->failed ? 74 : 0;
    gen_free(gen);
    return status;
}
