/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.c - requests: which stream from where, or the refusal the real service would give.
 *
 * Where a connection begins, in order of precedence: Last-Event-ID (which also sets the topics),
 * `since`, the latest. As in the service's library (KafkaSSE, lib/utils.js) a time of 0 is not
 * given, so it is the latest, silently. Negative ones are words to Kafka (-1: the latest), which
 * is what they do here.
 */
#include "tests/services/eventstreams/replay.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct request {
    char method[16];
    char target[4096];
    char *query; /* in `target`, or "" */
    char user_agent[1024];
    char last_event_id[8192];
    char accept[256];
};

static void refuse(struct server *server, struct client *client, int status, const char *name,
                   const char *message)
{
    char body[1024], extra[64] = "";

    if (status == 429 && server->retry_after > 0)
        snprintf(extra, sizeof(extra), "retry-after: %d\r\n", server->retry_after);
    snprintf(body, sizeof(body), "{\"message\":\"%s\",\"origin\":\"KafkaSSE\",\"name\":\"%s\"}\n",
             message, name);
    server->seen.last_status = status;
    client_answer(client, status, "application/json", extra, body);
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 32);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static void percent_decode(char *text)
{
    char *out = text;

    for (; *text; text++)
        if (*text == '%' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
            *out++ = (char)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
            text += 2;
        } else {
            *out++ = *text;
        }
    *out = '\0';
}

bool query_value(const char *query, const char *key, char *value, size_t size)
{
    size_t key_len = strlen(key);

    for (const char *at = query; *at; at += strcspn(at, "&"), at += *at == '&') {
        size_t len = strcspn(at, "&");

        if (strncmp(at, key, key_len) || (at[key_len] != '=' && len != key_len))
            continue;
        len = len > key_len ? len - key_len - 1 : 0;
        if (len >= size)
            return false;
        memcpy(value, at + key_len + 1, len);
        value[len] = '\0';
        percent_decode(value);
        return true;
    }
    return false;
}

static void copy_header(char *target, size_t size, const char *value, size_t len)
{
    if (len >= size)
        len = size - 1;
    memcpy(target, value, len);
    target[len] = '\0';
}

static void parse_headers(struct request *request, const char *at, const char *end)
{
    static const char *const names[] = {"user-agent:", "last-event-id:", "accept:"};
    char *const targets[] = {request->user_agent, request->last_event_id, request->accept};
    const size_t sizes[] = {sizeof(request->user_agent), sizeof(request->last_event_id),
                            sizeof(request->accept)};

    while (at < end) {
        const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);

        if (!stop)
            stop = end;
        for (size_t i = 0; i < 3; i++) {
            size_t len = strlen(names[i]);

            if ((size_t)(stop - at) < len || strncasecmp(at, names[i], len))
                continue;
            for (at += len; at < stop && (*at == ' ' || *at == '\t'); at++)
                ;
            copy_header(targets[i], sizes[i], at, (size_t)(stop - at));
        }
        at = stop + 2;
    }
}

/* Libraries and tools that do not say who runs them; a contact in it makes any of them welcome. */
static bool agent_is_welcome(const char *agent)
{
    static const char *const generic[] = {"curl/",
                                          "libcurl",
                                          "wget/",
                                          "python-requests/",
                                          "python-urllib/",
                                          "python/",
                                          "aiohttp/",
                                          "go-http-client/",
                                          "okhttp/",
                                          "java/",
                                          "apache-httpclient/",
                                          "axios/",
                                          "node-fetch"};

    if (strspn(agent, " \t") == strlen(agent))
        return false;
    if (strchr(agent, '@') || strstr(agent, "http"))
        return true;
    for (size_t i = 0; i < sizeof(generic) / sizeof(generic[0]); i++)
        if (!strncasecmp(agent, generic[i], strlen(generic[i])))
            return false;
    return true;
}

static size_t streaming_clients(const struct server *server)
{
    size_t count = 0;

    for (size_t i = 0; i < CLIENTS_MAX; i++)
        count += server->clients[i] && (server->clients[i]->state == CLIENT_STREAMING ||
                                        server->clients[i]->state == CLIENT_STALLED);
    return count;
}

/* Marks the topics of the streams in the path. */
static bool want_streams(const struct log *log, struct client *client, const char *streams)
{
    for (const char *at = streams; *at; at += strcspn(at, ","), at += *at == ',') {
        size_t len = strcspn(at, ",");
        bool known = false;

        for (size_t i = 0; i < log->stream_count; i++)
            known |= (strlen(log->streams[i]) == len && !memcmp(log->streams[i], at, len)) ||
                     (len > 10 && !strncmp(at, "mediawiki.", 10) &&
                      strlen(log->streams[i]) == len - 10 &&
                      !memcmp(log->streams[i], at + 10, len - 10));
        if (!known)
            return false;
        for (size_t i = 0; i < log->topic_count; i++)
            if (log_topic_of_stream(log, i, at, len))
                client->positions[i].wanted = true;
    }
    return *streams != '\0';
}

static void seek(const struct log *log, struct client *client, size_t topic,
                 enum position_kind kind, int64_t value)
{
    struct position *position = &client->positions[topic];

    position->wanted = true;
    position->kind = kind;
    position->value = value;
    position->from = log->waiting ? 0 : log->head;
    if (kind == POSITION_TIME)
        position->from = log_seek_time(log, topic, value);
    else if (kind == POSITION_OFFSET)
        position->from = log_seek_offset(log, topic, value);
}

enum resume {
    RESUME_OK,
    RESUME_MALFORMED,
    RESUME_UNKNOWN_TOPIC,
};

static bool is_integer(const cJSON *item)
{
    return cJSON_IsNumber(item) && item->valuedouble == (double)(int64_t)item->valuedouble;
}

static enum resume resume_entry(const struct log *log, struct client *client, const cJSON *item)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, "topic");
    const cJSON *partition = cJSON_GetObjectItemCaseSensitive(item, "partition");
    const cJSON *time = cJSON_GetObjectItemCaseSensitive(item, "timestamp");
    const cJSON *offset = cJSON_GetObjectItemCaseSensitive(item, "offset");
    int topic;

    if (!cJSON_IsObject(item) || !cJSON_IsString(name) || !is_integer(partition))
        return RESUME_MALFORMED;
    if ((time && !is_integer(time)) || (offset && !is_integer(offset)) || (!time && !offset))
        return RESUME_MALFORMED;
    topic = log_find_topic(log, name->valuestring, strlen(name->valuestring));
    if (topic < 0 || !log->topics[topic].active || partition->valuedouble != 0)
        return RESUME_UNKNOWN_TOPIC;
    if (time && offset)
        return RESUME_OK; /* as the service: such an entry is lost */
    if (time && time->valuedouble <= 0)
        seek(log, client, (size_t)topic, POSITION_LATEST, -1);
    else if (time)
        seek(log, client, (size_t)topic, POSITION_TIME, (int64_t)time->valuedouble);
    else if (offset->valuedouble < 0)
        seek(log, client, (size_t)topic, POSITION_LATEST, -1);
    else
        seek(log, client, (size_t)topic, POSITION_OFFSET, (int64_t)offset->valuedouble);
    return RESUME_OK;
}

static enum resume resume(const struct log *log, struct client *client, const char *id)
{
    cJSON *list = cJSON_ParseWithOpts(id, NULL, true);
    enum resume result = RESUME_OK;
    bool any = false;
    const cJSON *item;

    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
        result = RESUME_MALFORMED;
    for (size_t i = 0; i < log->topic_count; i++)
        client->positions[i].wanted = false;
    if (result == RESUME_OK)
        cJSON_ArrayForEach(item, list)
        {
            result = resume_entry(log, client, item);
            if (result != RESUME_OK)
                break;
        }
    cJSON_Delete(list);
    for (size_t i = 0; i < log->topic_count; i++)
        any |= client->positions[i].wanted;
    return result == RESUME_OK && !any ? RESUME_MALFORMED : result;
}

/* Faults that the control interface laid out for this connection. */
static void take_faults(struct server *server, struct client *client)
{
    struct faults *faults = &server->faults;

    client->cut_kind = faults->cut_kind;
    if (faults->cut_next < faults->cut_count)
        client->cut_at = faults->cuts[faults->cut_next++];
    client->stall_at = faults->stall_after;
    client->error_at = faults->error_event_after;
    client->close_at = faults->close_after;
    snprintf(client->other_type, sizeof(client->other_type), "%s", faults->other_type);
    faults->other_type[0] = '\0';
    faults->stall_after = -1;
    faults->error_event_after = -1;
}

static bool forced_status(struct server *server, struct client *client)
{
    struct faults *faults = &server->faults;
    char extra[64] = "", body[128];

    if (faults->status_times <= 0)
        return false;
    faults->status_times--;
    if (faults->status_retry_after > 0)
        snprintf(extra, sizeof(extra), "retry-after: %d\r\n", faults->status_retry_after);
    snprintf(body, sizeof(body), "{\"message\":\"as told\",\"status\":%d}\n", faults->status);
    server->seen.last_status = faults->status;
    client_answer(client, faults->status, "application/json", extra, body);
    return true;
}

/* Sets every wanted topic's position; false after a refusal. */
static bool find_positions(struct server *server, struct client *client,
                           const struct request *request)
{
    const struct log *log = &server->log;
    enum position_kind kind = POSITION_LATEST;
    char since[64] = "";
    int64_t value = -1;
    enum resume result;

    if (request->last_event_id[0]) {
        result = resume(log, client, request->last_event_id);
        if (result == RESUME_MALFORMED)
            refuse(server, client, 400, "InvalidAssignmentError",
                   "Last-Event-ID is not an array of topic, partition and offset or timestamp");
        else if (result == RESUME_UNKNOWN_TOPIC)
            refuse(server, client, 404, "TopicNotAvailableError",
                   "Last-Event-ID names a topic that is not available");
        return result == RESUME_OK;
    }
    if (query_value(request->query, "since", since, sizeof(since)) && since[0]) {
        kind = POSITION_TIME;
        if (!parse_time(since, strlen(since), &value)) {
            refuse(server, client, 400, "InvalidTimestampError", "since is not a time");
            return false;
        }
        if (value <= 0)
            kind = POSITION_LATEST;
    }
    for (size_t i = 0; i < log->topic_count; i++)
        if (client->positions[i].wanted)
            seek(log, client, i, kind, value);
    return true;
}

static void stream_request(struct server *server, struct client *client,
                           const struct request *request, const char *streams)
{
    struct seen *seen = &server->seen;

    seen->requests++;
    snprintf(seen->path, sizeof(seen->path), "/v2/stream/%s%s%s", streams,
             *request->query ? "?" : "", request->query);
    snprintf(seen->user_agent, sizeof(seen->user_agent), "%s", request->user_agent);
    snprintf(seen->last_event_id, sizeof(seen->last_event_id), "%s", request->last_event_id);
    snprintf(seen->accept, sizeof(seen->accept), "%s", request->accept);
    client->clock_ms = server->faults.clock_ms;
    if (forced_status(server, client))
        return;
    if (server->faults.endless > 0) {
        client->endless = server->faults.endless;
        server->faults.endless = 0;
        client_start_endless(client);
        return;
    }
    if (!agent_is_welcome(request->user_agent)) {
        refuse(server, client, 403, "Forbidden",
               "Please set a user-agent with a contact, see the user-agent policy");
        return;
    }
    if (streaming_clients(server) >= server->max_connections) {
        refuse(server, client, 429, "TooManyRequests", "Too many concurrent connections");
        return;
    }
    if (!want_streams(&server->log, client, streams)) {
        refuse(server, client, 404, "NotFound", "no such stream");
        return;
    }
    if (!find_positions(server, client, request))
        return;
    server->log.waiting = false;
    seen->accepted++;
    seen->last_status = 200;
    take_faults(server, client);
    client_start_stream(server, client);
}

static void route(struct server *server, struct client *client, struct request *request)
{
    static const char prefix[] = "/v2/stream/";
    bool post = !strcmp(request->method, "POST");

    if (!strcmp(request->target, "/_control"))
        control_request(server, client, post, request->query);
    else if (strcmp(request->method, "GET"))
        client_answer(client, 405, "text/plain", "", "only GET\n");
    else if (!strcmp(request->target, "/healthz"))
        client_answer(client, 200, "text/plain", "", "ok\n");
    else if (!strncmp(request->target, prefix, sizeof(prefix) - 1)) {
        percent_decode(request->target);
        stream_request(server, client, request, request->target + sizeof(prefix) - 1);
    } else
        client_answer(client, 404, "application/json", "", "{\"message\":\"not found\"}\n");
}

/* The body of a form (curl -d) counts as query. */
static size_t body_length(const char *head, const char *end)
{
    const char *at = strcasestr(head, "\r\ncontent-length:");

    return at && at < end ? strtoul(at + 17, NULL, 10) : 0;
}

void http_request(struct server *server, struct client *client)
{
    static char no_query[] = "";
    struct request request = {.query = no_query};
    char *head = client->in.data, *end = head ? strstr(head, "\r\n\r\n") : NULL;
    size_t body;
    char *mark;

    if (!end) {
        if (client->in.len >= REQUEST_MAX)
            client_answer(client, 400, "text/plain", "", "the request is too long\n");
        return;
    }
    body = body_length(head, end);
    if (body < REQUEST_MAX && client->in.len < (size_t)(end + 4 - head) + body)
        return;
    if (sscanf(head, "%15s %4095s", request.method, request.target) != 2) {
        client_answer(client, 400, "text/plain", "", "no HTTP\n");
        return;
    }
    parse_headers(&request, strstr(head, "\r\n") + 2, end + 2);
    mark = strchr(request.target, '?');
    if (mark) {
        *mark = '\0';
        request.query = mark + 1;
    } else if (body > 0) {
        request.query = end + 4;
    }
    route(server, client, &request);
}
