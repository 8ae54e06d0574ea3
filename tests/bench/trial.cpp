/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial.cpp - from Kafka to ClickHouse without a protocol: what chsinkd is measured against.
 *
 *     trial all|consume|decode|insert [EVENTS.jsonl]
 *
 * One thread takes batches of 10,000 messages from librdkafka, reads each with simdjson's DOM and
 * adds the row to column buffers; a second one sends 100,000 rows an insert as Native over HTTP.
 * Nothing is committed, tokened, checked or retried: a throw-away program, which any fault ends.
 *
 * The parts alone: "consume" only counts messages, "decode" reads the file's lines without Kafka,
 * "insert" sends the first 100,000 rows as often as makes BENCH_ROWS. They print "measured SECONDS
 * CPU_SECONDS ROWS", which is without their preparation.
 * Environment: BENCH_BOOTSTRAP, BENCH_TOPIC, BENCH_CLICKHOUSE_URL, BENCH_TABLE, BENCH_ROWS.
 */
#include "tests/bench/trial_rows.hpp"

#include <condition_variable>
#include <curl/curl.h>
#include <deque>
#include <fstream>
#include <librdkafka/rdkafka.h>
#include <mutex>
#include <string>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <vector>

static const size_t INSERT_ROWS = 100000, BATCH = 10000;

[[noreturn]] void die(const string &what)
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
        string url = setting("BENCH_CLICKHOUSE_URL") + "/?insert_deduplicate=0&query=" + query;
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

/* Blocks between the two threads: two in all, so that one is filled while one is sent. */
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

/* All messages that the topic has now. f: false ends it sooner. */
template <typename F> static size_t consume(F f)
{
    string name = setting("BENCH_TOPIC");
    rd_kafka_t *rk = consumer_open();
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name.c_str(), nullptr);
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(rk, 0, topic, &metadata, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("no metadata of the topic");
    int partitions = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    size_t wanted = 0;
    for (int i = 0; i < partitions; i++) {
        int64_t low, high;
        if (rd_kafka_query_watermark_offsets(rk, name.c_str(), i, &low, &high, 30000))
            die("no offsets of the topic");
        rd_kafka_topic_partition_list_add(list, name.c_str(), i)->offset = low;
        wanted += (size_t)(high - low);
    }
    rd_kafka_assign(rk, list);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    std::vector<rd_kafka_message_t *> messages(BATCH);
    size_t n = 0;
    for (bool more = true; more && n < wanted;) {
        ssize_t got = rd_kafka_consume_batch_queue(queue, 50, messages.data(), BATCH);
        for (ssize_t i = 0; i < got; i++) {
            rd_kafka_message_t *m = messages[(size_t)i];
            if (m->err)
                die(rd_kafka_message_errstr(m));
            if (more && ++n)
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
