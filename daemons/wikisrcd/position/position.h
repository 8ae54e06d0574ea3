/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position.h - where in the source we are, so that nothing is lost and nothing comes twice.
 *
 * Why not the service's own token: its `id` holds Kafka timestamps plus 1 ms, so resuming with it
 * loses what shares a millisecond, and `offset:-1` for a silent data centre means "latest"
 * (measured: resuming with ids as served lost 68 of 384 recorded events). Instead, for every
 * upstream topic and partition, this keeps
 *   high  the highest *believable* time seen (at most 60 s in the future); never steps back;
 *   ids   a window: the events in order of arrival, each with its time.
 * On each connect the source is asked from `high - slack`, for every topic by time. Kafka begins at
 * the first offset whose time is at or above that. The event that made `high` is one of these and
 * was delivered, so everything undelivered comes after that offset; and what is repeated is all
 * that arrived since the first event with such a time. So a window that is trimmed only at its
 * front, while the front's time is below high - 2 slack (one slack more than needed, for clusters
 * that mirror in a slightly different order), holds every id that is repeated; each is dropped.
 *
 * Where that argument does not hold, a topic is `catching_up` after the connect: its events are
 * dropped as older than the window, until the first id that is in the window, or a believable time
 * above `high` (the source no longer has what we had, so nothing is left to skip).
 *   - resumed by `since` (one time for all topics, after the source refused the position): topics
 *     whose own `high` is later get events from before their window;
 *   - the window was cut at its maximum, not by time (cut >= high - slack);
 *   - an event from the future was delivered: until its time has come the source's index finds it
 *     first for every later time, and starts from there. Such ids are kept apart (`ahead`) until
 *     then, and do not end the catching up.
 * Everything dropped this way comes before a delivered event in the source's log, so it was
 * delivered too. A topic with an empty window is never catching up.
 *
 * The source's own clock (lib/http/peer_clock.h) decides what is believable. In case that is wrong
 * or unknown too: after POSITION_AHEAD_RUN events from the future in a row their times are believed
 * and not the clock, so `high` follows the topic whatever any clock says. (Believing a wrong time
 * loses nothing: `high` is the time of a delivered event, so everything undelivered comes after it;
 * only more is repeated, until that time has come.) But only up to POSITION_AHEAD_MS_MAX: while
 * `high` is in the future, that event must still be there, or the source has nothing so new and
 * begins at its latest, at each connect. Later times are never believed, however many there are.
 * Those after the first of a run are kept in the window, as if their time were `high`.
 *
 * A topic that has delivered nothing yet (`offset:-1` in the service's id) has high = the time
 * asked for + slack, so that the next request asks from that time again: a data centre that becomes
 * the active one while we are away is not missed. If its first event is older than that,
 * the time asked for was in the future and the source began at its latest event: `high` is then
 * that event's time, and older ones are not caught up (as if the window had been cut there).
 *
 * Ids are kept and compared together with their stream (the topic without its data centre), as two
 * streams may carry one meta.id.
 *
 * No I/O, no clock (times are given). Threads: one owner.
 */
#ifndef WIKISRCD_POSITION_POSITION_H
#define WIKISRCD_POSITION_POSITION_H

#include "lib/base/err.h"
#include "lib/base/strings.h"

#include "daemons/wikisrcd/event/event.h"

/* Ids over all windows; when full, the oldest of the topic that grows go (and catching up replaces
 * them, see above). 10 s at 33 events/s are 330, at the bursts of some hundreds a second
 * some thousands. 16,384 make a record of 490 KB, which passes every limit Kafka has by default. */
#define POSITION_IDS_MAX   16384
#define POSITION_AHEAD_MAX 256 /* ids from the future, over all topics */
#define POSITION_AHEAD_RUN 16  /* this many from the future in a row are believed */
/* … if they are no further ahead than this: as long as the service keeps events at least. */
#define POSITION_AHEAD_MS_MAX (7 * INT64_C(86400000))
#define POSITION_TOPICS_MAX   256
/* A record as encoded; larger ones are refused (reading takes 40 times its size at worst). */
#define POSITION_BYTES_MAX (1 << 20)
/* How far in the future a time is still believed: clocks differ. */
#define POSITION_BELIEVE_MS 60000
/* Each stream has a canary event every 15 minutes: a first event this much later than what was
 * asked for says that the source no longer has what was between. */
#define POSITION_HEARTBEAT_MS (20 * 60000)

struct position;

/* At the very first start: `since_ms` is asked for (0: the oldest there is). */
struct position *position_new(const struct pl_strings *streams, int64_t since_ms, int64_t slack_ms);
void position_free(struct position *p);
PL_DEFINE_CLEANUP(struct position *, position_free);

/* The record for Kafka: one line of JSON, {"version":2,"streams":[…],"since":…,"begun":…,
 * "discovered":…,"at":…,"slack":…,"topics":[{"topic","partition","high","active","cut",
 * "ids":[id,high-time,…],"ahead":[id,time,…]}]}; an id is 16 bytes in base64url, a time
 * milliseconds since 1970. */
void position_encode(const struct position *p, int64_t now_ms, struct pl_buf *out);
/* Strict. Version 1 has no "begun", which was "since" then. The slack may differ from the writer's.
 * CONFIG, with what to do, for a newer version or for what is not a position. */
int position_decode(const char *text, size_t len, int64_t slack_ms, struct position **ret,
                    struct pl_err *err);

/* ---- connecting ---- */

/* Appends the Last-Event-ID: an entry for each topic, always by time, never with an offset. false:
 * no topic is known yet, ask by time. */
bool position_last_event_id(const struct position *p, struct pl_buf *out);
/* The service takes 0 for "not given" and negative times for words ("latest"): both would silently
 * begin at the latest event. All times sent to it go through here. */
static inline int64_t position_time_out(int64_t ms)
{
    return ms > 0 ? ms : 1;
}

/* For `since=`: the least high - slack of the topics, or the time of the first start. */
int64_t position_since(const struct position *p);

/* Last-Event-ID pins the set of topics. These two say when a connection without one ("discovery")
 * is due to see whether there are others. */
bool position_streams_differ(const struct position *p, const struct pl_strings *streams);
int64_t position_discovered(const struct position *p); /* when the set was last seen whole; ms.
                                                        * Never: what was asked for first */

enum position_ask {
    POSITION_BY_ID,    /* Last-Event-ID */
    POSITION_BY_TIME,  /* since=; shows all topics */
    POSITION_DISCOVERY /* only to see all topics; its events are not taken */
};
/* The source has accepted the request. `asked_ms` is the time asked for when BY_TIME. Times that
 * are still in the source's future are lowered to its now: such a request begins at the latest
 * event, and each further one would skip what came between. */
void position_connected(struct position *p, enum position_ask ask, int64_t asked_ms,
                        int64_t now_ms);

/* The id of the first event of a connection without Last-Event-ID names all topics. New ones get a
 * position: what was asked for; after a DISCOVERY the last time they were known not to be there, or
 * `now_ms` for those of streams that are newly configured. Topics that are gone are no longer asked
 * for; if the configured streams have changed, those of streams no longer there are forgotten.
 * false: not an id of the expected form, nothing changed.
 *
 * An id may lack a stream whose topics are not there yet. Then it was not the whole set: topics
 * that come later begin where they would have now (for the first discovery, the time asked for). */
bool position_discover(struct position *p, struct pl_slice id, const struct pl_strings *streams,
                       int64_t now_ms);
/* Each stream has a topic that is asked for. */
bool position_is_whole(const struct position *p);
/* A topic must be asked for from before this connection's time: its events there would move its
 * position past what was not asked for. Nothing may be taken, ask by id. */
bool position_begins_earlier(const struct position *p);

/* ---- events ---- */

enum position_verdict {
    POSITION_NEW,
    POSITION_DUPLICATE, /* its id is remembered */
    POSITION_OLD,       /* from before the window, while catching up */
};

struct position_mark {
    enum position_verdict verdict;
    unsigned topic;
    int64_t time_ms;
    bool believable;
    bool beyond;               /* so far in the future that it is never believed */
    struct event_identity key; /* identity and stream in one */
    int64_t offset;            /* -1: unknown */
    uint64_t gap;              /* offsets that are missing before this event; 0: none */
    bool late;                 /* the first event is later than asked: something is gone */
    int64_t asked_ms;          /* when late */
};

/* Judges an event; the window does not change, so the same event may be judged again. */
void position_check(struct position *p, const struct event *event, struct pl_slice sse_id,
                    int64_t now_ms, struct position_mark *ret);
/* The event was taken (delivered, filtered or dropped as a duplicate): remember it. */
void position_add(struct position *p, const struct position_mark *mark);

/* Topics are numbered from 0 in the order in which they were learned, as in the record; numbers
 * change only when other streams are configured. */
unsigned position_topics(const struct position *p);
bool position_topic_is_active(const struct position *p, unsigned topic); /* is asked for */
const char *position_topic_name(const struct position *p, unsigned topic);
/* What is known of a topic, for people. */
struct position_look {
    const char *name;
    int64_t partition, high_ms;
    uint64_t taken, gaps, gap_events; /* since the object was made */
    bool active, catching_up;
};
struct position_look position_topic_look(const struct position *p, unsigned topic);
/* The time from which the service has written everything, wherever a person has moved it since; 0:
 * the oldest. Of a new position its `since_ms`; position_begun_keep() has it begin no later. */
int64_t position_begun(const struct position *p);
void position_begun_keep(struct position *p, int64_t begun_ms);
int64_t position_high(const struct position *p); /* over all topics that delivered; 0: none */
unsigned position_ids(const struct position *p);
/* Since this object was made: ids dropped because there were too many, the same for ids from the
 * future, and new events. */
uint64_t position_ids_cut(const struct position *p);
uint64_t position_ahead_cut(const struct position *p);
uint64_t position_taken(const struct position *p);

#endif
