/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.h - the parts of eventstreams, a replay server of Wikimedia EventStreams for tests.
 *
 *   files --log.c--> one log of events, each of a topic with offset and time; its head moves
 *                    with play time; every client sees the same log
 *   request --http.c--> parsed, or refused as the service refuses
 *   client --client.c--> a position in the log for each topic, written out as events
 *   /_control --control.c--> faults for the connections to come, and what was seen
 *
 * One thread, one poll loop (main.c). A client pulls from the log whenever its small buffer has
 * room, so that a slow one holds nothing but its place.
 */
#ifndef TESTS_SERVICES_EVENTSTREAMS_REPLAY_H
#define TESTS_SERVICES_EVENTSTREAMS_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TOPICS_MAX = 32,
    STREAMS_MAX = 16,
    FILES_MAX = 16,
    CLIENTS_MAX = 64,
    CUTS_MAX = 4096,
    REQUEST_MAX = 65536,
    OUT_LOW = 1 << 18,      /* a client's buffer is filled to this, plus one event */
    RESTAMPS_KEPT = 1 << 20 /* how much of a restamped log can be asked for again, events */
};

/* ---- log.c ---- */

struct span {
    uint32_t at, len; /* relative to the line; len 0: not there */
};

struct entry {
    const char *line;
    uint32_t len;
    uint32_t ordinal; /* within its topic and one pass over the files */
    uint8_t topic;
    bool has_topic;    /* in the line itself */
    int64_t time_ms;   /* the Kafka timestamp: meta.dt */
    int64_t played_ms; /* when it comes, on the recording's own clock; never steps back */
    uint32_t meta_end; /* where meta's closing brace is */
    struct span dt, id, offset, timestamp;
};

struct topic {
    char name[128];
    bool active;
    int64_t base;   /* offset of its first event */
    uint64_t count; /* events in one pass */
};

struct log {
    struct topic topics[TOPICS_MAX];
    size_t topic_count;
    char streams[STREAMS_MAX][128];
    size_t stream_count;
    struct entry *entries;
    size_t count;
    size_t capacity;
    bool restamp, loop, recorded, fast;
    double rate;
    int64_t shift_ms;    /* what restamped times are ahead of the time */
    int64_t started_ms;  /* wall clock; makes restamped ids differ between runs */
    int64_t *restamps;   /* ring: when each event was played */
    uint64_t head;       /* events played so far; with --loop it passes `count` */
    double credit;       /* fraction of an event (rate), or ms into the recording (recorded) */
    int64_t advanced_ms; /* monotonic; 0: not begun */
    bool waiting;        /* --from-start: for the first connection */
    bool paused;
};

/* A growing run of bytes; freed with free(data). */
struct bytes {
    char *data;
    size_t len, cap;
};

void bytes_add(struct bytes *bytes, const void *data, size_t len);
void bytes_print(struct bytes *bytes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int64_t wall_ms(void);
int64_t monotonic_ms(void);
bool parse_time(const char *text, size_t len, int64_t *ret_ms);

/* Maps and indexes a file. False after a line on stderr. */
bool log_load(struct log *log, const char *path);
void log_finish_loading(struct log *log);
void log_add_stream(struct log *log, const char *name);
int log_find_topic(const struct log *log, const char *name, size_t len);
int log_add_topic(struct log *log, const char *name);
bool log_topic_of_stream(const struct log *log, size_t topic, const char *stream, size_t len);
void log_advance(struct log *log, int64_t now_ms);
/* Before anything is served: the log has played for so long already, now livelier, now less. */
void log_play_history(struct log *log, int seconds);
uint64_t log_oldest(const struct log *log);
const struct entry *log_at(const struct log *log, uint64_t seq);
int64_t log_time(const struct log *log, uint64_t seq);
int64_t log_offset(const struct log *log, uint64_t seq);
/* The first event of the topic at or after a time; the head where nothing is that new. */
uint64_t log_seek_time(const struct log *log, size_t topic, int64_t time_ms);
uint64_t log_seek_offset(const struct log *log, size_t topic, int64_t offset);
/* Appends the event's JSON with this server's offset (and, restamped, the new times and id). */
void log_render(const struct log *log, uint64_t seq, struct bytes *out);

/* ---- what control.c sets and main.c's options give ---- */

enum cut_kind {
    CUT_CLOSE, /* FIN without the last chunk */
    CUT_RESET, /* RST, after the peer has all bytes */
};

struct faults {
    int64_t cuts[CUTS_MAX]; /* body bytes, for the connections to come, in order */
    size_t cut_count, cut_next;
    enum cut_kind cut_kind;
    int64_t stall_after;       /* body bytes; -1: never. Next connection only, as below */
    int64_t error_event_after; /* events; -1: never */
    int status, status_times, status_retry_after;
    int64_t clock_ms;    /* what Date is ahead of the time. Until reset, as the next */
    int64_t close_after; /* events; -1: never */
    int64_t endless;     /* bytes of HTML in each round, with 200; 0: a stream. Next only */
    char other_type[64]; /* an event of this type comes first; "": none */
};

struct seen {
    uint64_t requests, accepted, events, body_bytes;
    int last_status;
    char path[4096], user_agent[1024], last_event_id[8192], accept[256];
};

struct server {
    struct log log;
    struct faults faults;
    struct seen seen;
    struct client *clients[CLIENTS_MAX];
    size_t max_connections;
    int retry_after; /* with 429; 0: none */
    int64_t close_after_ms;
    bool split_writes;
    size_t chunk_bytes; /* 0: whole lines or events */
};

/* ---- client.c ---- */

enum client_state {
    CLIENT_REQUEST,   /* reading a request */
    CLIENT_STREAMING, /* sending events */
    CLIENT_STALLED,   /* connected, silent for ever */
    CLIENT_ENDLESS,   /* sending what is no stream, for ever */
    CLIENT_ENDING,    /* sending what is left, then closing */
    CLIENT_RESETTING, /* waiting for the peer's kernel to have it all, then RST */
    CLIENT_DEAD,
};

enum position_kind {
    POSITION_LATEST,
    POSITION_OFFSET,
    POSITION_TIME,
};

struct position {
    bool wanted;
    enum position_kind kind; /* what ids show: POSITION_TIME once an event was delivered */
    int64_t value;
    uint64_t from; /* the first event to deliver */
};

struct client {
    int fd;
    enum client_state state;
    struct bytes in;
    struct bytes out;
    size_t sent; /* of `out` */
    struct bytes scratch;
    struct position positions[TOPICS_MAX];
    uint64_t next; /* position in the log */
    uint64_t events;
    int64_t body_bytes;
    int64_t cut_at, stall_at, error_at, close_at; /* -1: never */
    int64_t endless;
    char other_type[64];
    int64_t clock_ms;
    enum cut_kind cut_kind;
    int64_t opened_ms, ending_ms;
    bool half_closed;
};

struct client *client_new(int fd);
void client_free(struct client *client);
void client_start_stream(struct server *server, struct client *client);
void client_start_endless(struct client *client);
void client_end(struct client *client);
void client_fill(struct server *server, struct client *client);
void client_flush(struct client *client);
bool client_wants_write(const struct server *server, const struct client *client);
/* A whole answer that ends the connection. `extra` is header lines or "". */
void client_answer(struct client *client, int status, const char *type, const char *extra,
                   const char *body);

/* ---- http.c ---- */

/* Acts on the request in client->in if it is whole. */
void http_request(struct server *server, struct client *client);
/* Copies the value of a key of a query, percents decoded. */
bool query_value(const char *query, const char *key, char *value, size_t size);

/* ---- control.c ---- */

void control_init(struct faults *faults);
void control_request(struct server *server, struct client *client, bool post, const char *query);

#endif
