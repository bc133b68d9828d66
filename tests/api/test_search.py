"""Searching records by server-sent events: what is found, in which order, within which bounds."""
import contextlib
import json
import random
import time
import urllib.parse

import client
import contract
from client import stream, text, until, wait_for
from leatd import kcat


class Search:
    def __init__(self, server):
        self.s = server
        self.cluster = server.make_cluster(server.make_environment("search"))
        self.id = self.cluster["id"]
        user, secret, self.account = server.make_key(self.id)
        self.key = (user, secret)
        server.make_topic(self.id, "orders", 3)
        for i in range(300):  # every partition has its share of every time
            self.produce("orders", i % 3, i, {"n": i, "land": "de" if i % 2 else "fr"}, key=f"k-{i}", when=1000 * i)

    def path(self, topic, **query):
        return f"/leat/v1/clusters/{self.id}/topics/{topic}/records:search?{urllib.parse.urlencode(query)}"

    def produce(self, topic, partition, i, value, key="k", when=None):
        self.pending = getattr(self, "pending", [])
        self.pending.append({"partition_id": partition, "key": {"type": "STRING", "data": key},
                             "value": {"type": "JSON", "data": value},
                             "headers": [{"name": "half", "value": "Zmlyc3Q=" if i < 150 else "c2Vjb25k"}],
                             **({"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1700000000 + when / 1000))} if when is not None else {})})
        if len(self.pending) == 300:
            for result in self.s.produce(self.id, topic, *self.pending):
                assert result["error_code"] == 200, result
            self.pending = []

    def search(self, topic="orders", **query):
        """The records found and the last event."""
        found = []
        with stream(self.s, self.path(topic, **query)) as following:
            while True:
                name, data = following()
                assert name in ("record", "progress", "end"), (name, data)
                schema = "Record" if name == "record" else "SearchState"
                bad = contract.faults(data, {"$ref": f"#/components/schemas/{schema}"})
                assert not bad, bad
                if name == "end":
                    return found, data
                if name == "record":
                    found.append(data)

    def numbers(self, **query):
        return [json.loads(r["value"]["data"])["n"] for r in self.search(**query)[0]]


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield Search(server)


def test_forward_all_partitions_come_merged_by_time(t):
    found, end = t.search(**{"from": "oldest", "limit": 1000})
    assert [json.loads(r["value"]["data"])["n"] for r in found] == list(range(300))
    assert end["complete"] and end["reason"] == "end" and end["found"] == 300 and end["left"] == 0
    assert end["scanned"]["records"] == 300 and [p["next_offset"] for p in end["partitions"]] == [100] * 3
    assert t.numbers(**{"from": "oldest", "limit": 7}) == list(range(7))


def test_newest_first_goes_back_in_time(t):
    assert t.numbers(limit=1000) == list(range(299, -1, -1))
    found, end = t.search(limit=5)
    assert [json.loads(r["value"]["data"])["n"] for r in found] == [299, 298, 297, 296, 295]
    assert end["reason"] == "limit" and not end["complete"] and end["scanned"]["records"] < 300


def test_a_filter_lets_through_what_it_says(t):
    oldest = {"from": "oldest", "limit": 1000}
    assert t.numbers(filter="value.n >= 290 and value.land == 'de'", **oldest) == [291, 293, 295, 297, 299]
    assert t.numbers(filter="key == 'k-7' or partition == 2 and offset == 0", **oldest) == [2, 7]
    assert t.numbers(filter="header.half == 'second' and not (value.n > 151)", **oldest) == [150, 151]
    assert t.numbers(filter="'K-29'", **oldest) == [29, *range(290, 300)]
    assert t.numbers(filter="timestamp < '2023-11-14T22:13:22Z'", **oldest) == [0, 1]
    found, end = t.search(filter="value.n == -1", **oldest)
    assert not found and end["complete"] and end["scanned"]["records"] == 300


def test_a_range_of_offsets_or_times_is_looked_at_only(t):
    assert t.numbers(**{"from": "offset", "offset": 10, "to_offset": 11, "limit": 100}) == list(range(30, 36))
    assert t.numbers(**{"from": "offset", "offset": 98, "partition": 1}) == [295, 298]
    begin = 1700000000000
    assert t.numbers(**{"from": "timestamp", "timestamp": begin + 50000, "to_timestamp": begin + 54000}) == [50, 51, 52, 53, 54]
    assert t.numbers(**{"to_timestamp": begin + 2999, "limit": 100}) == [2, 1, 0]
    assert t.numbers(**{"to_offset": 0}) == [2, 1, 0]


def test_every_bound_ends_the_search_and_is_named(t):
    found, end = t.search(**{"from": "oldest", "max_records": 30, "limit": 1000})
    assert end["reason"] == "max_records" and end["scanned"]["records"] == 30 and len(found) == 30
    places = {p["partition_id"]: p["next_offset"] for p in end["partitions"]}
    assert sum(places.values()) == 30, places
    _, end = t.search(**{"from": "oldest", "max_bytes": 500, "limit": 1000})
    assert end["reason"] == "max_bytes" and 500 <= end["scanned"]["bytes"] < 700, end


def test_a_search_goes_on_where_the_one_before_ended(t):
    _, end = t.search(**{"from": "oldest", "partition": 0, "max_records": 40, "limit": 1000})
    more = t.numbers(**{"from": "offset", "offset": end["partitions"][0]["next_offset"], "partition": 0, "limit": 1000})
    assert more == [3 * i for i in range(40, 100)]


def test_a_filter_that_cannot_be_read_is_refused_with_its_place(t):
    for route in ("records:search", "records", "records:tail"):
        path = f"/leat/v1/clusters/{t.id}/topics/orders/{route}?filter=" + urllib.parse.quote("value.n >> 5")
        error = t.s.refused(400, "GET", path)["errors"][0]
        assert "at character 10" in error["detail"] and error["source"]["parameter"] == "filter", error
    t.s.refused(400, "GET", t.path("orders", limit=0))
    t.s.refused(400, "GET", t.path("orders", **{"from": "offset"}))
    t.s.refused(400, "GET", t.path("orders", **{"from": "yesterday"}))
    t.s.refused(404, "GET", t.path("none"))


def test_a_page_and_a_tail_know_the_same_filters(t):
    page = t.s.good("GET", f"/leat/v1/clusters/{t.id}/topics/orders/records?limit=500&filter=" + urllib.parse.quote("value.n < 3"))
    assert len(page["data"]) == 3
    t.s.make_topic(t.id, "tailed", 1)
    path = f"/leat/v1/clusters/{t.id}/topics/tailed/records:tail?filter=" + urllib.parse.quote("'yes'")
    with stream(t.s, path) as following:
        until(following, "progress")
        t.s.produce(t.id, "tailed", text("no 1"), text("yes 1"), text("no 2"), text("yes 2"))
        assert [until(following, "record")["value"]["data"] for _ in range(2)] == ["yes 1", "yes 2"]


def test_a_cluster_key_searches_what_its_acls_let_it_read(t):
    with stream(t.s, t.path("orders", limit=1), key=t.key) as following:
        assert json.loads(until(following, "record")["value"]["data"])["n"] == 299
    user, secret, _ = t.s.make_key(t.id, "blind", acls=False)
    t.s.refused(403, "GET", t.path("orders"), key=(user, secret))


def test_compressed_records_are_found_and_a_bomb_is_only_counted(t):
    t.s.make_topic(t.id, "packed", 1)
    lines = "".join(f"line {i} {'x' * 500}\n" for i in range(2000))
    code, _, err = kcat(t.cluster["bootstrap_servers"], t.key, "-P", "-t", "packed", "-z", "zstd", data=lines, timeout=60)
    assert code == 0, err
    found, end = t.search("packed", filter="value starts with 'line 1999 '")
    assert len(found) == 1 and end["unreadable_batches"] == 0
    assert end["scanned"]["bytes"] > 500 * 1000
    bomb = "".join("z" * 900000 + "\n" for _ in range(12))
    code, _, err = kcat(t.cluster["bootstrap_servers"], t.key, "-P", "-t", "packed", "-z", "zstd", "-X", "linger.ms=1000",
                        "-X", "message.max.bytes=100000000", "-X", "batch.size=100000000", data=bomb, timeout=60)
    assert code == 0, err
    found, end = t.search("packed", filter="value starts with 'line 1999 '", **{"from": "oldest"})
    assert len(found) == 1 and end["unreadable_batches"] == 1 and end["complete"], end


def test_every_record_is_found_once_however_its_time_lies(t):
    t.s.make_topic(t.id, "mixed", 5)
    random.seed(7)
    sent = []
    for chunk in range(6):
        records = []
        for i in range(400):
            when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1700000000 + random.randrange(1000)))
            records.append({"partition_id": random.choice((0, 1, 1, 2, 4)), "timestamp": when, **text(f"{chunk}-{i}")})
            sent.append(records[-1]["value"]["data"])
        t.s.produce(t.id, "mixed", *records)
    for query in ({"from": "oldest"}, {"from": "newest"}):
        found, end = t.search("mixed", limit=10000, **query)
        assert end["complete"] and end["scanned"]["records"] == len(sent), end
        assert sorted(r["value"]["data"] for r in found) == sorted(sent)
        some, _ = t.search("mixed", limit=10000, filter="partition == 4 and value contains '-1'", **query)
        assert len(some) == sum(r["partition"] == 4 and "-1" in r["value"]["data"] for r in found)
    pages, at = [], 0
    while True:  # one partition, forty records at a time
        page, end = t.search("mixed", partition=1, limit=10000, max_records=40, **{"from": "offset", "offset": at})
        pages += [r["offset"] for r in page]
        if end["complete"]:
            break
        at = end["partitions"][0]["next_offset"]
    assert sorted(pages) == list(range(end["partitions"][0]["end_offset"]))


def test_what_compaction_left_is_found_from_both_sides(t):
    path = f"/kafka/v3/clusters/{t.id}/topics"
    t.s.good("POST", path, {"topic_name": "last", "partitions_count": 1, "configs": [
        {"name": "cleanup.policy", "value": "compact"}, {"name": "min.cleanable.dirty.ratio", "value": "0.01"},
        {"name": "segment.ms", "value": "200"}]}, status=201)
    def newest():
        t.s.produce(t.id, "last", *[text(f"v{i}", key=f"k{i % 3}") for i in range(60)])
        found, end = t.search("last", limit=10000, **{"from": "oldest"})
        last = end["partitions"][0]
        return found if end["complete"] and len(found) < last["end_offset"] - last["start_offset"] else None
    found = wait_for(newest, "compaction leaves holes", 60)
    back, end = t.search("last", limit=10000)
    assert end["complete"] and {r["offset"] for r in back} <= {r["offset"] for r in found}
    assert {"k0", "k1", "k2"} == {r["key"]["data"] for r in back}


def test_closing_the_connection_ends_the_search(t):
    t.s.make_topic(t.id, "long", 1)
    lines = "".join(f"{i} {'y' * 1000}\n" for i in range(30000))
    code, _, err = kcat(t.cluster["bootstrap_servers"], t.key, "-P", "-t", "long", data=lines, timeout=60)
    assert code == 0, err
    for _ in range(40):  # more than may be under way at once: those closed are gone
        def begun():
            try:
                with stream(t.s, t.path("long", filter="value == 'nothing like it'", **{"from": "oldest"})) as following:
                    return following()[0]
            except AssertionError:
                return None  # 429 until one that was closed has noticed
        assert wait_for(begun, "a search begins") in ("progress", "end")
    found, end = t.search("long", filter="value starts with '29999 '", **{"from": "oldest"})
    assert len(found) == 1 and end["complete"]


def test_who_reads_slowly_gets_everything(t):
    t.s.make_topic(t.id, "wide", 2)
    lines = "".join(f"{i} {'w' * 1000}\n" for i in range(6000))
    code, _, err = kcat(t.cluster["bootstrap_servers"], t.key, "-P", "-t", "wide", data=lines, timeout=60)
    assert code == 0, err
    with stream(t.s, t.path("wide", limit=10000, **{"from": "oldest"})) as following:
        for _ in range(50):  # meanwhile the queue of the stream, 1 MiB, is full several times over
            assert t.s.good("GET", f"/leat/v1/clusters/{t.id}")["state"]["name"] == "running"
        found, name = 0, "record"
        while name != "end":
            name, data = following()
            found += name == "record"
            assert name in ("record", "progress", "end"), (name, data)
    assert found == 6000 and data["complete"] and data["found"] == 6000, data
