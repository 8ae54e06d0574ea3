/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial.cpp - the way from Kafka to ClickHouse without a protocol: the limit that chsinkd is measured against.
 *
 *     trial all|consume|decode|insert [EVENTS.jsonl]
 *
 * One thread takes batches of 10,000 messages from librdkafka, reads each with simdjson's DOM and adds the row to
 * column buffers; a second one sends 100,000 rows an insert as Native over HTTP. Nothing is committed, tokened, checked
 * or retried: a throw-away program, which any fault ends. The parts alone: "consume" only counts messages, "decode" reads
 * the file's lines without Kafka, "insert" sends the first 100,000 rows as often as makes BENCH_ROWS. What was measured
 * without the preparation is printed as "measured SECONDS CPU_SECONDS ROWS".
 *
 * Environment: BENCH_BOOTSTRAP, BENCH_TOPIC, BENCH_CLICKHOUSE_URL, BENCH_TABLE, BENCH_ROWS. Columns: edits.yaml.
 */
#include <condition_variable>
#include <curl/curl.h>
#include <deque>
#include <fstream>
#include <librdkafka/rdkafka.h>
#include <mutex>
#include <simdjson.h>
#include <string>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <vector>

using std::string;
using std::string_view;

static const size_t INSERT_ROWS = 100000, BATCH = 10000;

[[noreturn]] static void die(const string &what)
{
    fprintf(stderr, "trial: %s\n", what.c_str());
    _exit(1);
}

static string setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : (die(string(name) + " is not set"), "");
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

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

/* ---- Native over HTTP ---- */

static size_t nothing(char *, size_t size, size_t n, void *)
{
    return size * n;
}

class inserter
{
  public:
    inserter()
    {
        string sql = "INSERT INTO " + setting("BENCH_TABLE") + " (";
        for (const auto &c : block().columns)
            sql += string(sql.back() == '(' ? "" : ", ") + c.name;
        curl = curl_easy_init();
        char *query = curl_easy_escape(curl, (sql + ") FORMAT Native").c_str(), 0);
        string url = setting("BENCH_CLICKHOUSE_URL") + "/?query=" + query;
        curl_free(query);
        for (const char *h : {"X-ClickHouse-User: pipeline", "X-ClickHouse-Key: secret", "Expect:"})
            headers = curl_slist_append(headers, h);
        curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, nothing);
        curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
    }

    void insert(const block &b)
    {
        long status = 0;
        b.native(body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size());
        CURLcode code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (code != CURLE_OK || status != 200)
            die("insert: " + string(curl_easy_strerror(code)) + ", status " +
                std::to_string(status));
    }

  private:
    CURL *curl;
    curl_slist *headers = nullptr;
    string body;
};

/* Blocks on their way between the two threads: two in all, so that one is filled while one is sent. */
class exchange
{
  public:
    exchange()
    {
        spare = {new block, new block};
    }

    block *take_spare()
    {
        return take(spare);
    }
    block *take_full()
    {
        return take(full);
    }
    void give_spare(block *b)
    {
        give(spare, b);
    }
    void give_full(block *b)
    {
        give(full, b);
    } /* NULL: the end */

  private:
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<block *> spare, full;

    block *take(std::deque<block *> &from)
    {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [&] { return !from.empty(); });
        block *b = from.front();
        from.pop_front();
        return b;
    }

    void give(std::deque<block *> &to, block *b)
    {
        std::lock_guard<std::mutex> lock(mutex);
        to.push_back(b);
        changed.notify_all();
    }
};

/* ---- Kafka ---- */

static rd_kafka_t *consumer_open()
{
    char err[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const string settings[][2] = {{"bootstrap.servers", setting("BENCH_BOOTSTRAP")},
                                  {"group.id", "trial"},
                                  {"enable.auto.commit", "false"},
                                  {"enable.partition.eof", "true"},
                                  {"queued.min.messages", "300000"},
                                  {"queued.max.messages.kbytes", "400000"}};
    for (const auto &s : settings) {
        if (rd_kafka_conf_set(conf, s[0].c_str(), s[1].c_str(), err, sizeof(err)) !=
            RD_KAFKA_CONF_OK)
            die(err);
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof(err));
    return rk ? rk : (die(err), nullptr);
}

/* From the first message of each partition to its end as it is when it is reached. f: false ends it sooner. */
template <typename F> static size_t consume(F f)
{
    string name = setting("BENCH_TOPIC");
    rd_kafka_t *rk = consumer_open();
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name.c_str(), nullptr);
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(rk, 0, topic, &metadata, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("no metadata of the topic");
    int partitions = metadata->topics[0].partition_cnt, ended = 0;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++)
        rd_kafka_topic_partition_list_add(list, name.c_str(), i)->offset = 0;
    rd_kafka_assign(rk, list);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    std::vector<rd_kafka_message_t *> messages(BATCH);
    size_t n = 0;
    for (bool more = true; more && ended < partitions;) {
        ssize_t got = rd_kafka_consume_batch_queue(queue, 50, messages.data(), BATCH);
        for (ssize_t i = 0; i < got; i++) {
            rd_kafka_message_t *m = messages[(size_t)i];
            if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
                ended++;
            else if (m->err)
                die(rd_kafka_message_errstr(m));
            else if (more && ++n)
                more = f((const char *)m->payload, m->len);
            rd_kafka_message_destroy(m);
        }
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_topic_destroy(topic);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return n;
}

/* ---- what is run ---- */

static size_t run_all()
{
    exchange blocks;
    std::thread sender([&] {
        inserter to;
        while (block *b = blocks.take_full()) {
            to.insert(*b);
            b->clear();
            blocks.give_spare(b);
        }
    });
    simdjson::dom::parser parser;
    block *b = blocks.take_spare();
    size_t n = consume([&](const char *text, size_t len) {
        row_add(parser, text, len, *b);
        if (b->rows == INSERT_ROWS) {
            blocks.give_full(b);
            b = blocks.take_spare();
        }
        return true;
    });
    if (b->rows > 0)
        blocks.give_full(b);
    blocks.give_full(nullptr);
    sender.join();
    return n;
}

struct stopwatch {
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);

    void print(size_t rows) const
    {
        printf("measured %.4f %.4f %zu\n", seconds(CLOCK_MONOTONIC) - wall,
               seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, rows);
    }
};

static void run_decode(const char *file)
{
    std::ifstream in(file);
    std::vector<string> lines;
    for (string line; std::getline(in, line);)
        lines.push_back(line);
    simdjson::dom::parser parser;
    block b;
    size_t wanted = std::stoul(setting("BENCH_ROWS")), n = 0;
    stopwatch watch;
    for (; n < wanted && !lines.empty(); n++) {
        const string &line = lines[n % lines.size()];
        row_add(parser, line.data(), line.size(), b);
        if (b.rows == INSERT_ROWS)
            b.clear();
    }
    watch.print(n);
}

static void run_insert()
{
    simdjson::dom::parser parser;
    block b;
    size_t wanted = std::stoul(setting("BENCH_ROWS")), n = 0;
    consume([&](const char *text, size_t len) {
        row_add(parser, text, len, b);
        return b.rows < INSERT_ROWS;
    });
    inserter to;
    stopwatch watch;
    for (; n < wanted; n += b.rows)
        to.insert(b);
    watch.print(n);
}

int main(int argc, char **argv)
{
    string mode = argc > 1 ? argv[1] : "";
    curl_global_init(CURL_GLOBAL_ALL);
    if (mode == "all") {
        run_all();
    } else if (mode == "consume") {
        stopwatch watch;
        watch.print(consume([](const char *, size_t) { return true; }));
    } else if (mode == "decode" && argc > 2) {
        run_decode(argv[2]);
    } else if (mode == "insert") {
        run_insert();
    } else {
        fprintf(stderr, "usage: trial all|consume|decode|insert [EVENTS.jsonl]\n");
        return 64;
    }
    return 0;
}
