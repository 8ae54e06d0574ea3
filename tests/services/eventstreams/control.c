/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - /_control: POST lays out faults, GET tells what was seen.
 *
 * Every key of one POST is applied; an unknown one is refused, so that a test with a typing error
 * does not pass for want of its fault.
 */
#include "tests/services/eventstreams/replay.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void control_init(struct faults *faults)
{
    *faults = (struct faults){.stall_after = -1, .error_event_after = -1, .close_after = -1};
}

static void add_cuts(struct faults *faults, const char *list)
{
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        if (faults->cut_next == faults->cut_count)
            faults->cut_next = faults->cut_count = 0;
        if (faults->cut_count < CUTS_MAX)
            faults->cuts[faults->cut_count++] = strtoll(at, NULL, 10);
    }
}

static void close_all(struct server *server, bool half)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = server->clients[i];

        if (!client || (client->state != CLIENT_STREAMING && client->state != CLIENT_STALLED))
            continue;
        if (half) {
            client_flush(client);
            client->half_closed = true;
            shutdown(client->fd, SHUT_WR);
            continue;
        }
        bytes_add(&client->out, "0\r\n\r\n", 5);
        client_end(client);
    }
}

static bool change_topic(struct log *log, const char *name, bool add)
{
    int topic = log_find_topic(log, name, strlen(name));

    if (topic < 0 && add)
        topic = log_add_topic(log, name);
    if (topic < 0)
        return false;
    log->topics[topic].active = add;
    return true;
}

static bool apply(struct server *server, const char *key, const char *value)
{
    struct faults *faults = &server->faults;

    if (!strcmp(key, "cut_after_bytes") || !strcmp(key, "cut_every"))
        add_cuts(faults, value);
    else if (!strcmp(key, "cut_kind"))
        faults->cut_kind = !strcmp(value, "rst") ? CUT_RESET : CUT_CLOSE;
    else if (!strcmp(key, "stall_after_bytes"))
        faults->stall_after = strtoll(value, NULL, 10);
    else if (!strcmp(key, "error_event_after"))
        faults->error_event_after = strtoll(value, NULL, 10);
    else if (!strcmp(key, "close_after_events"))
        faults->close_after = strtoll(value, NULL, 10);
    else if (!strcmp(key, "endless"))
        faults->endless = strtoll(value, NULL, 10);
    else if (!strcmp(key, "clock"))
        faults->clock_ms = server->log.shift_ms = strtoll(value, NULL, 10) * 1000;
    else if (!strcmp(key, "other_type"))
        snprintf(faults->other_type, sizeof(faults->other_type), "%s", value);
    else if (!strcmp(key, "status")) {
        faults->status = atoi(value);
        faults->status_times = 1;
        faults->status_retry_after = 0;
    } else if (!strcmp(key, "times"))
        faults->status_times = atoi(value);
    else if (!strcmp(key, "retry_after"))
        faults->status_retry_after = atoi(value);
    else if (!strcmp(key, "pause"))
        server->log.paused = strcmp(value, "0") != 0;
    else if (!strcmp(key, "rate")) {
        server->log.rate = strtod(value, NULL);
        server->log.recorded = server->log.fast = false;
        server->log.credit = 0;
    } else if (!strcmp(key, "half_close"))
        close_all(server, true);
    else if (!strcmp(key, "close_all"))
        close_all(server, false);
    else if (!strcmp(key, "reset"))
        control_init(faults);
    else if (!strcmp(key, "drop_topic") || !strcmp(key, "add_topic"))
        return change_topic(&server->log, value, key[0] == 'a');
    else
        return false;
    return true;
}

static char *report(const struct server *server)
{
    const struct log *log = &server->log;
    const struct seen *seen = &server->seen;
    cJSON *root = cJSON_CreateObject(), *topics, *last;
    size_t connections = 0;
    char *text;

    for (size_t i = 0; i < CLIENTS_MAX; i++)
        connections += server->clients[i] && (server->clients[i]->state == CLIENT_STREAMING ||
                                              server->clients[i]->state == CLIENT_STALLED);
    cJSON_AddNumberToObject(root, "connections", (double)connections);
    cJSON_AddNumberToObject(root, "requests", (double)seen->requests);
    cJSON_AddNumberToObject(root, "accepted", (double)seen->accepted);
    cJSON_AddNumberToObject(root, "sent_events", (double)seen->events);
    cJSON_AddNumberToObject(root, "sent_body_bytes", (double)seen->body_bytes);
    cJSON_AddNumberToObject(root, "head", (double)log->head);
    cJSON_AddNumberToObject(root, "size", (double)log->count);
    cJSON_AddBoolToObject(root, "paused", log->paused);
    cJSON_AddNumberToObject(root, "cuts_left",
                            (double)(server->faults.cut_count - server->faults.cut_next));
    topics = cJSON_AddObjectToObject(root, "topics");
    for (size_t i = 0; i < log->topic_count; i++) {
        cJSON *topic = cJSON_AddObjectToObject(topics, log->topics[i].name);
        uint64_t next = 0;

        for (uint64_t seq = log_oldest(log); seq < log->head; seq++)
            next += log_at(log, seq)->topic == i;
        cJSON_AddBoolToObject(topic, "active", log->topics[i].active);
        cJSON_AddNumberToObject(topic, "first_offset", (double)log->topics[i].base);
        cJSON_AddNumberToObject(topic, "played", (double)next);
        cJSON_AddNumberToObject(topic, "events", (double)log->topics[i].count);
    }
    last = cJSON_AddObjectToObject(root, "last");
    cJSON_AddNumberToObject(last, "status", seen->last_status);
    cJSON_AddStringToObject(last, "path", seen->path);
    cJSON_AddStringToObject(last, "user_agent", seen->user_agent);
    cJSON_AddStringToObject(last, "last_event_id", seen->last_event_id);
    cJSON_AddStringToObject(last, "accept", seen->accept);
    text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

void control_request(struct server *server, struct client *client, bool post, const char *query)
{
    char key[64], value[16384], *text;

    for (const char *at = query; post && *at; at += strcspn(at, "&"), at += *at == '&') {
        size_t len = strcspn(at, "=&");

        snprintf(key, sizeof(key), "%.*s", (int)len, at);
        if (!query_value(at, key, value, sizeof(value)) || !apply(server, key, value)) {
            client_answer(client, 400, "text/plain", "", "unknown key or value\n");
            return;
        }
    }
    text = report(server);
    client_answer(client, 200, "application/json", "", text);
    free(text);
}
