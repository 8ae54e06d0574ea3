/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - recorded or made events as a Kafka-like log whose head moves with play time.
 *
 * Files are mapped and indexed once. An event's number in the log is its `seq`; with --loop the log
 * goes on past the files, seq modulo their count. Offsets are the server's own, contiguous for each
 * topic.
 */
#include "tests/services/eventstreams/replay.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void bytes_add(struct bytes *bytes, const void *data, size_t len)
{
    if (bytes->len + len + 1 > bytes->cap) {
        bytes->cap = (bytes->len + len + 1) * 2;
        bytes->data = realloc(bytes->data, bytes->cap);
        if (!bytes->data)
            abort();
    }
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
    bytes->data[bytes->len] = '\0';
}

void bytes_print(struct bytes *bytes, const char *format, ...)
{
    char text[4096];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > 0)
        bytes_add(bytes, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The part behind the seconds: a fraction, then nothing, Z or an offset such as +02:00. */
static bool parse_time_rest(const char *at, int64_t *ms)
{
    int unit = 100, hours, minutes;
    char sign;

    if (*at == '.' || *at == ',')
        for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10)
            *ms += (*at - '0') * unit;
    if (!*at || !strcmp(at, "Z"))
        return true;
    if (sscanf(at, "%c%2d:%2d", &sign, &hours, &minutes) != 3 || (sign != '+' && sign != '-'))
        return false;
    *ms -= (sign == '+' ? 1 : -1) * (hours * 60 + minutes) * INT64_C(60000);
    return true;
}

bool parse_time(const char *text, size_t len, int64_t *ret_ms)
{
    char copy[64], *end;
    struct tm tm = {0};
    int64_t ms = 0;

    if (len == 0 || len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    ms = strtoll(copy, &end, 10);
    if (!*end && ms >= 0) {
        *ret_ms = ms;
        return true;
    }
    ms = 0;
    end = strptime(copy, "%Y-%m-%d", &tm);
    if (end && (*end == 'T' || *end == ' '))
        end = strptime(end + 1, "%H:%M:%S", &tm);
    if (!end || !parse_time_rest(end, &ms))
        return false;
    *ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
    return true;
}

/* ---- indexing ---- */

/* Past the string whose opening quote is at `at`. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at < end ? at + 1 : end;
}

/* Past any value. */
static const char *skip_value(const char *at, const char *end)
{
    int depth = 0;

    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0)
                return at;
            depth--;
            at++;
        } else if (depth == 0 && *at == ',') {
            return at;
        } else {
            at++;
            continue;
        }
        if (depth == 0)
            return at;
    }
    return end;
}

static const char *skip_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == ',' || *at == ':'))
        at++;
    return at;
}

/* The next key and value of the object that `*at` is inside of; false at its end. */
static bool next_member(const char **at, const char *end, struct span *key, struct span *value,
                        const char *line)
{
    const char *from = skip_blank(*at, end), *stop;

    if (from >= end || *from != '"')
        return false;
    stop = skip_string(from, end);
    *key = (struct span){(uint32_t)(from + 1 - line), (uint32_t)(stop - from - 2)};
    from = skip_blank(stop, end);
    stop = skip_value(from, end);
    while (stop > from && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    *value = (struct span){(uint32_t)(from - line), (uint32_t)(stop - from)};
    *at = stop;
    return true;
}

static bool span_is(const char *line, struct span span, const char *text)
{
    return span.len == strlen(text) && !memcmp(line + span.at, text, span.len);
}

/* A string's value without its quotes. */
static struct span unquoted(const char *line, struct span span)
{
    if (span.len < 2 || line[span.at] != '"')
        return (struct span){0, 0};
    return (struct span){span.at + 1, span.len - 2};
}

static void index_meta(struct entry *entry, struct span meta, struct span *topic,
                       struct span *stream)
{
    const char *line = entry->line, *at = line + meta.at + 1, *end = line + meta.at + meta.len;
    struct span key, value;

    entry->meta_end = meta.at + meta.len - 1;
    while (next_member(&at, end, &key, &value, line)) {
        if (span_is(line, key, "dt"))
            entry->dt = unquoted(line, value);
        else if (span_is(line, key, "id"))
            entry->id = unquoted(line, value);
        else if (span_is(line, key, "offset"))
            entry->offset = value;
        else if (span_is(line, key, "topic"))
            *topic = unquoted(line, value);
        else if (span_is(line, key, "stream"))
            *stream = unquoted(line, value);
    }
}

static bool index_line(struct log *log, struct entry *entry)
{
    const char *line = entry->line, *end = line + entry->len, *at = line;
    struct span key, value, topic = {0, 0}, stream = {0, 0};
    char name[256];
    int number;

    if (entry->len < 2 || *at++ != '{')
        return false;
    while (next_member(&at, end, &key, &value, line)) {
        if (span_is(line, key, "meta") && value.len >= 2 && line[value.at] == '{')
            index_meta(entry, value, &topic, &stream);
        else if (span_is(line, key, "timestamp"))
            entry->timestamp = value;
    }
    if (!entry->meta_end)
        return false;
    entry->has_topic = topic.len > 0;
    if (topic.len)
        snprintf(name, sizeof(name), "%.*s", (int)topic.len, line + topic.at);
    else
        snprintf(name, sizeof(name), "eqiad.%.*s", (int)stream.len, line + stream.at);
    number = log_find_topic(log, name, strlen(name));
    if (number < 0)
        number = log_add_topic(log, name);
    if (number < 0 || !parse_time(line + entry->dt.at, entry->dt.len, &entry->time_ms))
        return false;
    entry->topic = (uint8_t)number;
    return true;
}

bool log_load(struct log *log, const char *path)
{
    int64_t played = INT64_MIN;
    size_t skipped = 0;
    struct stat st;
    char *text;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0) {
        fprintf(stderr, "eventstreams: cannot read %s, or it is empty\n", path);
        return false;
    }
    text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (text == MAP_FAILED) {
        fprintf(stderr, "eventstreams: cannot map %s\n", path);
        return false;
    }
    for (char *at = text, *end = text + st.st_size, *stop; at < end; at = stop + 1) {
        struct entry entry = {.line = at};

        stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        entry.len = (uint32_t)(stop - at);
        if (!index_line(log, &entry)) {
            skipped += entry.len > 0;
            continue;
        }
        /* A liar must not hold up or hurry the recording: only steps of under an hour count. */
        if (played == INT64_MIN || (entry.time_ms > played && entry.time_ms - played < 3600000))
            played = entry.time_ms;
        entry.played_ms = played;
        if (log->count == log->capacity) {
            log->capacity = log->capacity ? log->capacity * 2 : 4096;
            log->entries = realloc(log->entries, log->capacity * sizeof(*log->entries));
            if (!log->entries)
                abort();
        }
        log->entries[log->count++] = entry;
    }
    if (skipped)
        fprintf(stderr, "eventstreams: %s: %zu lines are no events\n", path, skipped);
    return true;
}

static int compare_played(const void *left, const void *right)
{
    const struct entry *one = left, *two = right;

    if (one->played_ms != two->played_ms)
        return one->played_ms < two->played_ms ? -1 : 1;
    return one->line < two->line ? -1 : one->line > two->line;
}

/* One file keeps its order: played_ms never steps back in it, and its lines lie in order. */
void log_finish_loading(struct log *log)
{
    qsort(log->entries, log->count, sizeof(*log->entries), compare_played);
    for (size_t i = 0; i < log->count; i++) {
        struct entry *entry = &log->entries[i];

        entry->ordinal = (uint32_t)log->topics[entry->topic].count++;
    }
    log->started_ms = wall_ms();
    if (log->restamp) {
        log->restamps = calloc(RESTAMPS_KEPT, sizeof(*log->restamps));
        if (!log->restamps)
            abort();
    }
}

/* ---- topics and streams ---- */

int log_find_topic(const struct log *log, const char *name, size_t len)
{
    for (size_t i = 0; i < log->topic_count; i++)
        if (strlen(log->topics[i].name) == len && !memcmp(log->topics[i].name, name, len))
            return (int)i;
    return -1;
}

int log_add_topic(struct log *log, const char *name)
{
    struct topic *topic = &log->topics[log->topic_count];

    if (log->topic_count == TOPICS_MAX || strlen(name) >= sizeof(topic->name))
        return -1;
    snprintf(topic->name, sizeof(topic->name), "%s", name);
    topic->active = true;
    topic->base = INT64_C(7000000) * (int64_t)(log->topic_count + 1);
    return (int)log->topic_count++;
}

/* "recentchange" and "mediawiki.recentchange" are the topics eqiad. and codfw.mediawiki.… */
bool log_topic_of_stream(const struct log *log, size_t topic, const char *stream, size_t len)
{
    const char *rest = strchr(log->topics[topic].name, '.');

    if (!rest || !log->topics[topic].active)
        return false;
    rest++;
    if (strlen(rest) == len && !memcmp(rest, stream, len))
        return true;
    return !strncmp(rest, "mediawiki.", 10) && strlen(rest + 10) == len &&
           !memcmp(rest + 10, stream, len);
}

void log_add_stream(struct log *log, const char *name)
{
    static const char *const sites[] = {"eqiad", "codfw"};
    char topic[256];

    if (log->stream_count < STREAMS_MAX)
        snprintf(log->streams[log->stream_count++], sizeof(log->streams[0]), "%s", name);
    for (size_t i = 0; i < 2; i++) {
        snprintf(topic, sizeof(topic), "%s.%s%s", sites[i], strchr(name, '.') ? "" : "mediawiki.",
                 name);
        if (log_find_topic(log, topic, strlen(topic)) < 0)
            log_add_topic(log, topic);
    }
}

/* ---- playing ---- */

static void play_one(struct log *log)
{
    if (log->restamp)
        log->restamps[log->head % RESTAMPS_KEPT] = wall_ms() + log->shift_ms;
    log->head++;
}

static bool more_to_play(const struct log *log)
{
    return log->count > 0 && (log->loop || log->head < log->count);
}

static void play_recorded(struct log *log)
{
    int64_t span = log->entries[log->count - 1].played_ms - log->entries[0].played_ms + 1000;

    while (more_to_play(log)) {
        int64_t due = log->entries[log->head % log->count].played_ms - log->entries[0].played_ms;

        if ((double)(due + (int64_t)(log->head / log->count) * span) > log->credit)
            break;
        play_one(log);
    }
}

void log_advance(struct log *log, int64_t now_ms)
{
    int64_t passed = log->advanced_ms ? now_ms - log->advanced_ms : 0;

    if (log->waiting)
        return;
    log->advanced_ms = now_ms;
    if (log->paused || log->count == 0)
        return;
    if (log->fast) {
        while (more_to_play(log))
            play_one(log);
    } else if (log->recorded) {
        log->credit += (double)passed;
        play_recorded(log);
    } else {
        log->credit += (double)passed * log->rate / 1000.0;
        for (; log->credit >= 1 && more_to_play(log); log->credit -= 1)
            play_one(log);
    }
}

void log_play_history(struct log *log, int seconds)
{
    const int64_t step_ms = 10;
    int64_t shift_ms = log->shift_ms, now_ms = wall_ms();
    double credit = 0;

    for (int64_t ago_ms = INT64_C(1000) * seconds; ago_ms > 0; ago_ms -= step_ms) {
        /* Of each minute its own share of the rate, 0.7 to 1.3, by a hash. */
        uint32_t minute = (uint32_t)((now_ms - ago_ms) / 60000) * 2654435761u;

        minute = (minute ^ minute >> 15) * 2246822519u;
        log->shift_ms = shift_ms - ago_ms;
        credit += log->rate * (0.7 + 0.6 * (minute >> 16) / 65536) * (double)step_ms / 1000;
        for (; credit >= 1 && more_to_play(log); credit -= 1)
            play_one(log);
    }
    log->shift_ms = shift_ms;
}

uint64_t log_oldest(const struct log *log)
{
    return log->restamp && log->head > RESTAMPS_KEPT ? log->head - RESTAMPS_KEPT : 0;
}

const struct entry *log_at(const struct log *log, uint64_t seq)
{
    return &log->entries[seq % log->count];
}

int64_t log_time(const struct log *log, uint64_t seq)
{
    return log->restamp ? log->restamps[seq % RESTAMPS_KEPT] : log_at(log, seq)->time_ms;
}

int64_t log_offset(const struct log *log, uint64_t seq)
{
    const struct entry *entry = log_at(log, seq);
    const struct topic *topic = &log->topics[entry->topic];

    return topic->base + (int64_t)(seq / log->count * topic->count + entry->ordinal);
}

uint64_t log_seek_time(const struct log *log, size_t topic, int64_t time_ms)
{
    for (uint64_t seq = log_oldest(log); seq < log->head; seq++)
        if (log_at(log, seq)->topic == topic && log_time(log, seq) >= time_ms)
            return seq;
    return log->head;
}

uint64_t log_seek_offset(const struct log *log, size_t topic, int64_t offset)
{
    for (uint64_t seq = log_oldest(log); seq < log->head; seq++)
        if (log_at(log, seq)->topic == topic && log_offset(log, seq) >= offset)
            return seq;
    return log->head;
}

/* ---- rendering ---- */

struct edit {
    struct span span;
    char text[256];
};

/* Inserts by position: there are at most four. */
static void add_edit(struct edit *edits, size_t *count, const struct edit *edit)
{
    size_t at = (*count)++;

    for (; at > 0 && edits[at - 1].span.at > edit->span.at; at--)
        edits[at] = edits[at - 1];
    edits[at] = *edit;
}

static void restamp_edits(const struct log *log, uint64_t seq, struct edit *edits, size_t *count)
{
    const struct entry *entry = log_at(log, seq);
    int64_t ms = log_time(log, seq);
    time_t second = (time_t)(ms / 1000);
    struct edit edit;
    struct tm tm;
    char text[32];

    gmtime_r(&second, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    edit.span = entry->dt;
    snprintf(edit.text, sizeof(edit.text), "%s.%03dZ", text, (int)(ms % 1000));
    add_edit(edits, count, &edit);
    if (entry->timestamp.len) {
        edit.span = entry->timestamp;
        snprintf(edit.text, sizeof(edit.text), "%lld", (long long)second);
        add_edit(edits, count, &edit);
    }
    if (entry->id.len >= 8) {
        uint32_t own = 0;

        memcpy(text, entry->line + entry->id.at, 8);
        text[8] = '\0';
        own = (uint32_t)strtoul(text, NULL, 16);
        own += (uint32_t)(seq / log->count) * 2654435761u + (uint32_t)log->started_ms;
        edit.span = (struct span){entry->id.at, 8};
        snprintf(edit.text, sizeof(edit.text), "%08x", own);
        add_edit(edits, count, &edit);
    }
}

void log_render(const struct log *log, uint64_t seq, struct bytes *out)
{
    const struct entry *entry = log_at(log, seq);
    struct edit edits[4], edit;
    size_t count = 0, at = 0;

    edit.span = entry->offset;
    if (entry->offset.len) {
        snprintf(edit.text, sizeof(edit.text), "%lld", (long long)log_offset(log, seq));
    } else {
        edit.span = (struct span){entry->meta_end, 0};
        if (entry->has_topic)
            snprintf(edit.text, sizeof(edit.text), ",\"offset\":%lld",
                     (long long)log_offset(log, seq));
        else
            snprintf(edit.text, sizeof(edit.text),
                     ",\"topic\":\"%s\",\"partition\":0,\"offset\":%lld",
                     log->topics[entry->topic].name, (long long)log_offset(log, seq));
    }
    add_edit(edits, &count, &edit);
    if (log->restamp)
        restamp_edits(log, seq, edits, &count);
    for (size_t i = 0; i < count; i++) {
        bytes_add(out, entry->line + at, edits[i].span.at - at);
        bytes_add(out, edits[i].text, strlen(edits[i].text));
        at = edits[i].span.at + edits[i].span.len;
    }
    bytes_add(out, entry->line + at, entry->len - at);
}
