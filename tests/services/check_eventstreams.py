#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of the replay server: python3 -m pytest tests/services/check_eventstreams.py

Needs the two programs built; BUILD names their folder (build/services). Only the standard library
and pytest are used. EVENTSTREAMS_PORT is the first of the two ports that are tried (18128).
"""
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.parse

import pytest

BUILD = pathlib.Path(
    os.environ.get("BUILD", pathlib.Path(__file__).resolve().parents[2] / "build" / "services"))
PORT = int(os.environ.get("EVENTSTREAMS_PORT", "18128"))
AGENT = "check/1 (someone@example.org)"
EQIAD, CODFW = "eqiad.mediawiki.recentchange", "codfw.mediawiki.recentchange"


class Connection:
    """One request; keeps status and headers, and takes the chunked framing off."""

    def __init__(self, target, agent=AGENT, headers=(), method="GET"):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=5)
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers]
        if agent is not None:
            lines.append(f"User-Agent: {agent}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.raw, self.body, self.end, self.chunks = b"", b"", None, []
        while b"\r\n\r\n" not in self.raw and self.more():
            pass
        head, _, self.raw = self.raw.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in rest)}
        self.chunked = self.headers.get("transfer-encoding") == "chunked"

    def more(self):
        """Reads once; notes how it ended: None (still open), "fin", "rst", "silence"."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            self.end = "rst"
            return False
        except TimeoutError:
            self.end = "silence"
            return False
        self.raw += data
        if not data:
            self.end = "fin"
        return bool(data)

    def dechunk(self):
        if not self.chunked:
            self.body, self.raw = self.body + self.raw, b""
            return
        at, parts = 0, []
        while (line_end := self.raw.find(b"\r\n", at)) >= 0:
            size = int(self.raw[at:line_end], 16)
            if len(self.raw) < line_end + 4 + size:
                break
            if size == 0:
                self.end = "last chunk"
            parts.append(self.raw[line_end + 2:line_end + 2 + size])
            at = line_end + 4 + size
        self.chunks += parts
        self.body += b"".join(parts)
        self.raw = self.raw[at:]

    def read_all(self, quiet=0.25):
        self.socket.settimeout(quiet)
        self.dechunk()
        while self.more():
            self.dechunk()
        return self

    def events(self):
        """(name, id, data) of the complete events in the body."""
        found = []
        for block in self.body.decode(errors="surrogatepass").split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line[0] == ":")
            if fields:
                found.append((fields.get("event"), json.loads(fields.get("id", "null")),
                              json.loads(fields["data"])))
        return found

    def close(self):
        self.socket.close()


def get(target, **more):
    connection = Connection(target, **more).read_all()
    connection.close()
    return connection


def control(**values):
    query = urllib.parse.urlencode(values)
    return json.loads(get(f"/_control?{query}", method="POST" if values else "GET").body)


def stream(since=None, last_id=None, **more):
    target = "/v2/stream/recentchange" + (f"?since={since}" if since is not None else "")
    headers = [f"Last-Event-ID: {json.dumps(last_id)}"] if last_id is not None else []
    return get(target, headers=headers, **more)


@pytest.fixture(name="server")
def fixture_server(tmp_path):
    """server(OPTION..., made=[...]) starts one with made events; ended after the test."""
    started = []

    def start(*options, made=("--count", "400", "--shared-ms", "80")):
        path = tmp_path / "events.jsonl"
        with open(path, "wb") as file:
            subprocess.run([BUILD / "make-events", *made], stdout=file, check=True)
        process = subprocess.Popen(
            [BUILD / "eventstreams", "--port", str(PORT), "--file", path, *options],
            stdout=subprocess.PIPE)
        started.append(process)
        assert b"listening" in process.stdout.readline()
        return [json.loads(line) for line in path.read_bytes().splitlines()]

    yield start
    for process in started:
        process.terminate()
        assert process.wait(10) == 0


def ids_of(events):
    return [data["meta"]["id"] for _, _, data in events]


def milliseconds(event):
    text = event["meta"]["dt"]
    whole = time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
    return int(time.mktime(whole) - time.timezone) * 1000 + int(text[20:23])


def test_framing(server):
    made = server("--fast", "--split-writes")
    answer = stream(since=1)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.startswith(b":ok\n\nevent: message\nid: [")
    assert answer.chunks[1] == b"event: message\n" and answer.chunks[4] == b"\n"
    events = answer.events()
    assert ids_of(events) == [event["meta"]["id"] for event in made]
    offsets = [data["meta"]["offset"] for _, _, data in events]
    assert offsets == list(range(offsets[0], offsets[0] + len(made)))
    for (name, entries, data), event in zip(events, made):
        own = [entry for entry in entries if entry["topic"] == EQIAD]
        assert name == "message" and {e["topic"] for e in entries} == {EQIAD, CODFW}
        assert own == [{"topic": EQIAD, "partition": 0, "timestamp": milliseconds(event) + 1}]
        data["meta"]["offset"] = event["meta"]["offset"]
        assert data == event
    assert len({tuple(e["topic"] for e in entries) for _, entries, _ in events}) == 2


def test_latest_and_from_start(server):
    server("--fast")
    assert stream().events() == []
    assert stream(since="2030-01-01T00:00:00Z").events() == []


def test_from_start_shows_unseen_topics_as_latest(server):
    made = server("--fast", "--from-start")
    events = stream().events()
    assert len(events) == len(made)
    assert {"topic": CODFW, "partition": 0, "offset": -1} in events[0][1]


@pytest.mark.parametrize("slack, loses", [(0, True), (5000, False)])
def test_resume(server, slack, loses):
    """As served, ids lose what shares the millisecond; with slack nothing is lost."""
    made = server("--fast", made=("--count", "100", "--shared-ms", "40"))
    wanted = [event["meta"]["id"] for event in made]
    got, since, last = set(), 0, None
    for _ in range(100):
        seen = stream(since=since, last_id=last).events() if not slack else None
        if slack:
            seen = stream(last_id=last).events() if last else stream(since=1).events()
        fresh = [event for event in seen if event[2]["meta"]["id"] not in got][:7]
        if not fresh:
            break
        got.update(ids_of(fresh))
        last = [{"topic": EQIAD, "partition": 0,
                 "timestamp": milliseconds(fresh[-1][2]) + 1 - slack}]
    assert (got != set(wanted)) == loses


def test_resume_by_id_as_served_and_by_offset(server):
    made = server("--fast", made=("--count", "50",))
    events = stream(since=1).events()
    assert ids_of(stream(last_id=events[19][1]).events()) == ids_of(events[20:])
    offset = events[30][2]["meta"]["offset"]
    again = stream(last_id=[{"topic": EQIAD, "partition": 0, "offset": offset}]).events()
    assert ids_of(again) == ids_of(events[30:]) and len(made) == 50
    # Last-Event-ID wins over since, and over the topics of the path.
    late = stream(since=1, last_id=[{"topic": EQIAD, "partition": 0, "offset": -1}])
    assert late.status == 200 and late.events() == []
    # An entry with both is dropped; here the other one is left.
    both = stream(last_id=[{"topic": EQIAD, "partition": 0, "offset": 1, "timestamp": 1},
                           {"topic": CODFW, "partition": 0, "timestamp": 1}])
    assert both.status == 200 and both.events() == []


def test_since(server):
    made = server("--fast", made=("--count", "60",))
    at = milliseconds(made[40])
    assert len(stream(since=at).events()) == 20, "since is inclusive"
    assert len(stream(since=at + 1).events()) == 19
    assert len(stream(since=made[40]["meta"]["dt"]).events()) == 20
    assert len(stream(since="2001-01-01").events()) == 60


def test_refusals(server):
    server("--fast")
    assert get("/healthz").status == 200
    assert stream(since="yesterday").status == 400
    # 0 is "not given" to the service's library, negative ones are words to Kafka.
    for none in ("0", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z"):
        answer = stream(since=none)
        assert answer.status == 200 and not answer.events(), none
    assert stream(since="1970-01-01T00:00:00.001Z").events()
    entry = {"topic": EQIAD, "partition": 0}
    assert not stream(last_id=[{**entry, "timestamp": 0}]).events()
    assert stream(last_id=[{**entry, "timestamp": 1}]).events()
    for bad in ([], [entry], [{**entry, "timestamp": 1.5}], [{**entry, "timestamp": "1"}], {}):
        assert stream(last_id=bad).status == 400, bad
    for bad in ("{", "[]", "[1]", '[{"topic":"x"}]', '[{"topic":"x","partition":0}]'):
        answer = get("/v2/stream/recentchange", headers=[f"Last-Event-ID: {bad}"])
        assert answer.status == 400 and "message" in json.loads(answer.body)
    assert stream(last_id=[{"topic": "no.such", "partition": 0, "offset": -1}]).status == 404
    assert get("/v2/stream/nothing").status == 404
    assert get("/v2/stream/recentchange,nothing").status == 404
    for agent in (None, "", "curl/7.88.1", "python-requests/2.28"):
        assert stream(agent=agent).status == 403
    assert stream(agent="python-requests/2.28 (me@example.org)").status == 200


def test_too_many(server):
    server("--fast")
    two = [Connection("/v2/stream/recentchange") for _ in range(2)]
    answer = stream()
    assert answer.status == 429 and "retry-after" not in answer.headers
    for connection in two:
        connection.close()
    time.sleep(0.2)
    assert stream().status == 200


@pytest.mark.parametrize("kind, end", [("close", "fin"), ("rst", "rst")])
@pytest.mark.parametrize("count", [0, 3, 1000, 77777])
def test_cut_at_exact_bytes(server, kind, end, count):
    server("--fast", "--chunk-bytes", "13")
    control(cut_kind=kind, cut_every=f"{count},{count + 1}")
    first, second, third = (stream(since=1) for _ in range(3))
    assert (len(first.body), first.end) == (count, end)
    assert (len(second.body), second.end) == (count + 1, end)
    assert third.end == "silence" and third.body.startswith(second.body)


def test_other_faults(server):
    server("--fast")
    control(stall_after_bytes=5000)
    stalled = stream(since=1)
    assert (len(stalled.body), stalled.end) == (5000, "silence")
    control(error_event_after=4)
    error = stream(since=1)
    assert [name for name, _, _ in error.events()] == ["message"] * 4 + ["error"]
    assert error.end == "fin"
    control(status=503, times=2, retry_after=7)
    answers = [stream() for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert get("/_control?nonsense=1", method="POST").status == 400
    connection = Connection("/v2/stream/recentchange?since=1")
    time.sleep(0.1)
    control(close_all=1)
    assert connection.read_all().end in ("last chunk", "fin")
    assert connection.body.endswith(b"\n\n")


def test_topics_come_and_go(server):
    server("--fast")
    control(add_topic="esams.mediawiki.recentchange")
    events = stream(since=1).events()
    assert len(events[0][1]) == 3
    control(drop_topic="esams.mediawiki.recentchange")
    assert stream(last_id=events[0][1]).status == 404


def test_control_tells_what_was_sent(server):
    server("--fast")
    stream(since=1)
    last = [{"topic": EQIAD, "partition": 0, "timestamp": 1}]
    stream(last_id=last)
    seen = control()
    assert seen["accepted"] == 2 and seen["sent_events"] == 800 and seen["head"] == 400
    assert seen["last"]["user_agent"] == AGENT
    assert json.loads(seen["last"]["last_event_id"]) == last


def test_canaries_hard_text_and_both_topics(server):
    made = server("--fast", "--chunk-bytes", "7", made=(
        "--count", "3000", "--rate", "1", "--hard", "--canaries", "--codfw-share", "30"))
    answer = Connection("/v2/stream/recentchange?since=1").read_all(1.5)
    events = answer.events()
    assert ids_of(events) == [event["meta"]["id"] for event in made]
    for topic in (EQIAD, CODFW):
        offsets = [d["meta"]["offset"] for _, _, d in events if d["meta"]["topic"] == topic]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
    canaries = [d for _, _, d in events if d["meta"].get("domain") == "canary"]
    assert len(canaries) == 8 and all(set(d) == {"$schema", "meta"} for d in canaries)
    assert max(len(json.dumps(d, ensure_ascii=False)
               .encode(errors="surrogatepass")) for d in made) > 65536
    answer.close()


def test_rate_pause_and_close_after(server):
    server("--rate", "200", "--from-start", "--close-after", "0.6")
    answer = stream()
    assert answer.end == "fin" and 60 < len(answer.events()) < 180
    control(pause=1)
    head = control()["head"]
    time.sleep(0.3)
    assert control()["head"] == head
    control(pause=0)
    time.sleep(0.3)
    assert control()["head"] > head
    # What was missed meanwhile can be had.
    last = answer.events()[-1][1]
    assert len(stream(last_id=last).events()) > 50


def test_restamped_loop(server):
    server("--rate", "1000", "--loop", "--from-start", made=("--count", "100",))
    connection = Connection("/v2/stream/recentchange")
    while len(connection.body) < 500000 and connection.more():
        connection.dechunk()
    events = connection.events()
    connection.close()
    assert len(events) > 250 and len(set(ids_of(events))) == len(events)
    assert abs(milliseconds(events[0][2]) - time.time() * 1000) < 20000
    assert abs(events[0][2]["timestamp"] - time.time()) < 20


def test_history(server):
    """What it has played before it started can be asked for by time; each minute has its own share of the rate."""
    server("--rate", "10", "--loop", "--history", "300", made=("--count", "1000",))
    since = int(time.time() * 1000) - 240000
    connection = Connection(f"/v2/stream/recentchange?since={since}")
    times = [0]
    while times[-1] < time.time() * 1000 - 2000 and connection.more():
        connection.dechunk()
        times = [milliseconds(event[2]) for event in connection.events()] or times
    connection.close()
    assert since <= times[0] < since + 3000 and times == sorted(times)
    assert 240 * 10 * 0.6 < len(times) < 240 * 10 * 1.4
    minutes = [time_ms // 60000 for time_ms in times]
    assert len({minutes.count(minute) for minute in sorted(set(minutes))[1:-1]}) > 1
