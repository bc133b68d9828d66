"""The history in the metrics dialect: what was produced comes back as the minutes it was produced in."""
import contextlib
import os
import re
import signal
import sqlite3
import time

import client
import history
from client import text, wait_for
from leatd import kcat

PREFIX = "io.confluent.kafka.server/"
HOUR = 3600000


class Metrics:
    def __init__(self, server):
        self.s = server
        environment = server.make_environment("metrics")
        self.other = server.make_cluster(environment, "other")["id"]
        self.make_topic(self.other, "before", 11)
        self.make_topic(self.other, "older", 3)
        self.make_topic(self.other, "newer", 2)
        server.kill()
        self.make_past(server)
        server.more = ["--history-max", "1M"]
        server.start()
        self.make_topic(self.other, "after", 7)
        self.hold_back(server.make_cluster(environment, "held"))
        self.live_on(environment)
        self.cluster = server.make_cluster(environment)["id"]
        for topic, records in (("orders", 40), ("returns", 5)):
            self.make_topic(self.cluster, topic, records)
        produced = time.time()
        wait_for(lambda: self.query("received_records"), "the minute is over and written", 90)
        self.late = time.time() - (produced - produced % 60 + 60)
        wait_for(lambda: any(self.history("metric=received_records", "span=15m")["series"][0]["values"]), "charts have it too", 20)

    def hold_back(self, cluster):
        """Somebody sends so fast that a quota makes him wait, and somebody else does not."""
        self.held = cluster["id"]
        *key, self.slow = self.s.make_key(self.held, "slow")
        *other, self.quick = self.s.make_key(self.held, "quick")
        self.make_topic(self.held, "t", 1)
        self.s.good("PUT", f"/leat/v1/clusters/{self.held}/kafka-quotas",
                    {"entity": {"user": self.slow}, "quotas": {"producer_byte_rate": 20000}})
        for who in (key, other):
            code, _, err = kcat(cluster["bootstrap_servers"], who, "-P", "-t", "t", data=("x" * 1000 + "\n") * 100, timeout=60)
            assert code == 0, err

    def live_on(self, environment):
        """A broker with four lives within a minute or two, of which one ended without a word; one that rests at its end."""
        self.reborn, self.rests = (self.s.make_cluster(environment, name)["id"] for name in ("reborn", "rests"))
        path = f"/leat/v1/clusters/{self.reborn}"

        def pid():
            return self.s.good("GET", path)["state"]["pid"]

        def told(records):
            line = rf'^leat_topic_records_in_total{{[^}}]*{self.reborn}[^}}]*}} {records}$'
            self.s.good("GET", path + "/limits")  # who looks is told within a second
            return re.search(line, self.s.call("GET", "/metrics").body.decode(), re.M)
        self.make_topic(self.reborn, "t", 6)
        self.make_topic(self.reborn, "brief", 8)
        self.s.good("DELETE", f"/kafka/v3/clusters/{self.reborn}/topics/brief", status=204)
        for records, end in ((3, lambda _: self.s.good("POST", path + ":restart", status=202)),
                             (4, lambda _: self.s.good("POST", path + ":restart", status=202)),
                             (1, lambda old: told(4) and os.kill(old, signal.SIGKILL) is None)):
            before = pid()
            wait_for(lambda: end(before), "its end")  # noqa: B023
            wait_for(lambda: pid() not in (None, before), "the next life")  # noqa: B023
            self.s.running(self.reborn)
            self.s.produce(self.reborn, "t", *[text(f"{i}") for i in range(records)])
        self.make_topic(self.rests, "t", 5)
        self.s.good("POST", f"/leat/v1/clusters/{self.rests}:pause", {"reason": "it has done enough"}, status=202)

    def by_topic(self, cluster):
        of = {"op": "EQ", "field": "resource.kafka.id", "value": cluster}
        return {p["metric.topic"]: p["value"] for p in self.query("received_records", group_by=["metric.topic"], filter=of)}

    def make_past(self, server):
        """Five days too many of a cluster's minutes, and one that was deleted long ago."""
        db = history.connect(server.data)
        now = int(time.time() // 60)
        history.put(db, "minute", "lkc-past", {(1, f"topic-{i}"): 1000000 for i in range(200)}, range(now - 10000, now - 7000))
        history.put(db, "hour", "lkc-past", {(1, "topic-1"): 60000000}, [now // 60 - 3])
        history.put(db, "hour", "lkc-gone", {(1, "topic-1"): 60000000}, [now // 60 - 91 * 24])
        self.quiet = now - 600
        for minute in {*range(10)} - {3}:
            values = {0: {(8, ""): 6, (3, "t"): 9}, 2: {(8, ""): 12}}.get(minute, {})
            history.put(db, "minute", "lkc-quiet", values, [self.quiet + minute])
        history.put(db, "minute", "lkc-still", {(8, ""): 4}, [self.quiet, self.quiet + 1])
        history.put_totals(db, self.other, {(3, "before"): 4}, now - 1)
        self.make_hours(db, now // 60)
        db.commit()
        db.close()
        with contextlib.closing(sqlite3.connect(os.path.join(server.data, "leat.db"))) as db, db:
            db.execute("UPDATE cluster SET created_at = ? WHERE id = ?", (now * 60000 - 1, self.other))
            for topic, later in (("before", -1), ("older", -1), ("newer", 0)):
                changed = db.execute("UPDATE topic SET created_at = ? WHERE cluster_id = ? AND name = ?",
                                     (now * 60000 + later, self.other, topic))
                assert changed.rowcount == 1, topic

    def make_hours(self, db, hour):
        """Hours in which leatd was not there for a while: one to be made of its minutes, two of the version before,
        and long ago two that say for how long it was there."""
        self.gap, self.before, self.long_ago = hour - 2, hour - 6, (hour - 200) // 2 * 2
        records = (3, "hourly")
        history.put(db, "minute", self.other, {records: 600}, range(self.gap * 60 + 40, self.gap * 60 + 60))
        history.put(db, "minute", self.other, {records: 100}, [self.before * 60 + 59, *range(self.before * 60 + 60, self.before * 60 + 90)])
        history.put(db, "hour", self.other, {records: 100}, [self.before])
        history.put(db, "hour", self.other, {records: 3000}, [self.before + 1])
        history.put(db, "hour", self.other, {records: 1200, (14, ""): 6}, [self.long_ago], minutes=20)
        history.put(db, "hour", self.other, {records: 3600, (14, ""): 2}, [self.long_ago + 1], minutes=60)

    def hours(self, metric, hour, until, step=1):
        """Values, and minutes that were looked at, by step, and where the last ends: hours since 1970."""
        got = self.history(f"metric={metric}", f"from={hour * HOUR}", f"to={int(until * HOUR)}", f"step={step * HOUR}",
                           cluster=self.other)
        return got["series"][0]["values"], [ms / 60000 for ms in got["observed_ms"]], got["to"] / HOUR

    def make_topic(self, cluster, topic, records):
        self.s.good("POST", f"/kafka/v3/clusters/{cluster}/topics", {"topic_name": topic, "partitions_count": 3})
        self.s.produce(cluster, topic, *[text(f"{i}") for i in range(records)])

    def body(self, metric, **more):
        return {"aggregations": [{"metric": PREFIX + metric, "agg": "SUM"}], "granularity": "ALL",
                "intervals": ["now-1h/now"], "filter": {"op": "EQ", "field": "resource.kafka.id", "value": self.cluster},
                **more}

    def query(self, metric, **more):
        return self.s.good("POST", "/v2/metrics/cloud/query", self.body(metric, **more))["data"]

    def history(self, *query, cluster=None):
        return self.s.good("GET", f"/leat/v1/clusters/{cluster or self.cluster}/history?{'&'.join(query)}")

    def refused(self, field, value, status=400, **more):
        body = self.body("received_bytes", **more)
        body[field] = value
        errors = self.s.refused(status, "POST", "/v2/metrics/cloud/query", body)["errors"]
        return errors[0]["detail"]


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield Metrics(server)


def test_what_was_produced_is_in_its_minute_by_topic(t):
    assert [p["value"] for p in t.query("received_records")] == [45]
    by_topic = {p["metric.topic"]: p["value"] for p in t.query("received_records", group_by=["metric.topic"])}
    assert by_topic == {"orders": 40, "returns": 5}
    only = {"op": "AND", "filters": [{"op": "EQ", "field": "resource.kafka.id", "value": t.cluster},
                                     {"op": "EQ", "field": "metric.topic", "value": "returns"}]}
    assert [p["value"] for p in t.query("received_records", filter=only, granularity="PT1M") if p["value"]] == [5]
    without = {"op": "AND", "filters": [{"op": "EQ", "field": "resource.kafka.id", "value": t.cluster},
                                        {"op": "NOT", "filter": {"op": "EQ", "field": "metric.topic", "value": "returns"}}]}
    assert [p["value"] for p in t.query("received_records", filter=without)] == [40]
    for op, topics in (("GT", ["returns"]), ("GTE", ["orders", "returns"])):
        later = {"op": "AND", "filters": [{"op": "EQ", "field": "resource.kafka.id", "value": t.cluster},
                                          {"op": op, "field": "metric.topic", "value": "orders"}]}
        assert [p["metric.topic"] for p in t.query("received_records", filter=later, group_by=["metric.topic"])] == topics, op
    grouped = t.query("received_records", format="GROUPED", group_by=["metric.topic"], granularity="PT1H")
    assert {g["metric.topic"]: sum(p["value"] for p in g["points"]) for g in grouped} == {"orders": 40, "returns": 5}


def test_a_minute_is_in_the_history_seconds_after_its_end_though_nobody_watched(t):
    assert t.late < 30, f"{t.late:.0f} s after the end of the minute"


def test_for_how_long_quotas_held_principals_back_stands_beside_the_quotas(t):
    def use(name):
        rows = t.s.good("GET", f"/leat/v1/clusters/{t.held}/principals")["data"]
        return next(r["use"] for r in rows if r["principal"] == f"User:{name}")

    def hour():
        (line,) = t.history(f"metric=throttle_time_ms&principal_id=User:{t.slow}", cluster=t.held)["series"]
        return sum(v or 0 for v in line["values"]), use(t.slow)["throttled_ms_last_hour"]
    told = wait_for(lambda: (lambda h: h[0] > 0 and h[0] == h[1] and h)(hour()), "the hour is that of the history", 90)
    assert told[1] >= 1000, told
    assert use(t.slow)["throttled_ms_last_minute"] <= told[1]
    assert use(t.quick)["throttled_ms_last_hour"] == 0
    (row,) = t.s.good("GET", f"/leat/v1/clusters/{t.held}/kafka-quotas?user={t.slow}")["data"]
    assert row["use"]["throttled_ms_last_hour"] == told[1], row
    empty = t.s.make_cluster(t.s.make_environment("young"), "young")["id"]
    t.s.make_key(empty, "new")
    (new,) = [r["use"] for r in t.s.good("GET", f"/leat/v1/clusters/{empty}/principals")["data"]]
    assert (new["throttled_ms_last_minute"], new["throttled_ms_last_hour"]) == (0, 0), new


def test_a_topic_counts_from_where_leatd_last_looked(t):
    # "before" as far as it was not counted; of "older" leatd cannot know what of it was; "newer" was made after the
    # last minute that was written, and "after" since.
    # What its broker tells of a minute after its end comes with the next.
    wanted = {"after": 7, "before": 11 - 4, "newer": 2}
    assert wait_for(lambda: (got := t.by_topic(t.other)).keys() >= wanted.keys() and got, "all of it is told", 90) == wanted


def test_what_a_broker_counted_before_its_end_is_in_the_history(t):
    wait_for(lambda: t.by_topic(t.reborn) == {"t": 6 + 3 + 4 + 1, "brief": 8}, "every life counts, and once", 90)
    wait_for(lambda: t.by_topic(t.rests) == {"t": 5}, "the end is no other broker's beginning", 90)


def test_gauges_are_what_they_stood_at(t):
    assert [p["value"] for p in t.query("partition_count")] == [6]
    stored = t.query("retained_bytes", group_by=["metric.topic", "resource.kafka.id"])
    assert {(p["metric.topic"], p["resource.kafka.id"]) for p in stored} == {("orders", t.cluster), ("returns", t.cluster)}
    assert all(p["value"] > 0 for p in stored)


def test_intervals_are_absolute_and_relative_and_end(t):
    for interval in ("now-1h/now", "PT1H/now", "now-90m/PT2H", "2020-01-01T00:00:00Z/2020-12-01T00:00:00+02:00",
                     "P1D/now-2h|h"):
        t.query("received_records", intervals=[interval])
    assert t.query("received_records", intervals=["PT1H/now-1d"]) == []
    for wrong in ("", "now", "now/now-1h", "PT1H/later", "P/now", "2020-01-01/P1D", "2026-13-01T00:00:00Z/PT1H", "P9999D/now"):
        assert "intervals" in t.refused("intervals", [wrong]), wrong


def test_what_is_not_understood_is_refused_in_a_sentence(t):
    assert "descriptors" in t.refused("aggregations", [{"metric": "nothing"}])
    assert "granularity" in t.refused("granularity", "PT2M")
    assert "limit" in t.refused("limit", 5000)
    assert "name the clusters" in t.refused("filter", {"op": "EQ", "field": "metric.topic", "value": "orders"})
    assert "filter" in t.refused("filter", {"op": "AND", "filters": [
        {"op": "EQ", "field": "resource.kafka.id", "value": t.cluster}, {"op": "GT", "field": "value", "value": 1}]})
    assert "grouped" in t.refused("group_by", ["metric.principal_id"])
    assert "is a list" in t.refused("group_by", "metric.topic")
    assert "FLAT or GROUPED" in t.refused("format", "TREE")
    assert t.query("received_bytes", filter={"op": "EQ", "field": "resource.kafka.id", "value": "lkc-nobody"}) == []


def past(t, metric, agg, granularity, clusters, at, minutes, **more):
    """Values of some minutes of make_past's, without their times."""
    body = t.body(metric, granularity=granularity, intervals=[f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(at * 60))}/PT{minutes}M"], **more)
    body["aggregations"][0]["agg"] = agg
    body["filter"] = {"op": "OR", "filters": [{"op": "EQ", "field": "resource.kafka.id", "value": c} for c in clusters]}
    return [p["value"] for p in t.s.good("POST", "/v2/metrics/cloud/query", body)["data"]]


def test_what_is_0_counts_and_is_shown_where_somebody_looked(t):
    # Ten minutes: connections 6, 0, 12, nobody looked, then 0s; another cluster has 4 in the first two.
    at, one, two = t.quiet, "lkc-quiet", "lkc-still"
    for agg, value in (("SUM", 2), ("AVG", 2), ("MIN", 0), ("MAX", 12)):
        assert past(t, "active_connection_count", agg, "ALL", [one], at, 10) == [value], agg
    assert past(t, "active_connection_count", "SUM", "PT1M", [one], at, 10) == [6, 0, 12, 0, 0, 0, 0, 0, 0]
    assert past(t, "active_connection_count", "AVG", "PT1M", [one, two], at, 2) == [10, 4]
    assert past(t, "active_connection_count", "MIN", "ALL", [one, two], at, 2) == [4]
    assert past(t, "received_records", "AVG", "ALL", [one], at, 10) == [1]
    assert past(t, "received_records", "SUM", "PT1M", [two], at, 10) == [], "it never had any"
    by = past(t, "active_connection_count", "AVG", "ALL", [one, two], at, 10, group_by=["resource.kafka.id"])
    assert by == [2, 4], "the second was looked at twice"


def test_minutes_that_are_not_kept_are_not_made_up(t):
    old = {"intervals": ["now-9d/now-8d"]}
    assert "whole hours" in t.refused("intervals", old["intervals"], granularity="PT5M")
    assert t.query("received_records", granularity="PT1H", **old) == []
    t.query("received_records", granularity="PT1M", intervals=["P7D/now"])


def test_attributes_and_descriptors_name_what_there_is(t):
    found = t.s.good("POST", "/v2/metrics/cloud/attributes", {
        "metric": PREFIX + "received_bytes", "group_by": ["metric.topic"], "intervals": ["now-1h/now"],
        "filter": {"op": "EQ", "field": "resource.kafka.id", "value": t.cluster}})["data"]
    assert sorted(a["metric.topic"] for a in found) == ["orders", "returns"], found
    names = {d["name"]: d for d in t.s.good("GET", "/v2/metrics/cloud/descriptors/metrics?resource_type=kafka")["data"]}
    assert names[PREFIX + "received_bytes"]["type"] == "COUNTER_INT64"
    assert t.s.good("GET", "/v2/metrics/cloud/descriptors/resources")["data"][0]["type"] == "kafka"


def test_the_largest_come_first_where_that_is_asked_for(t):
    wanted = {"group_by": ["metric.topic"], "order_by": [{"metric": PREFIX + "received_records", "order": "DESCENDING"}]}
    assert [p["metric.topic"] for p in t.query("received_records", **wanted)] == ["orders", "returns"]
    assert [p["metric.topic"] for p in t.query("received_records", limit=1, format="GROUPED", **wanted)] == ["orders"]
    wanted["order_by"][0]["order"] = "ASCENDING"
    assert [p["metric.topic"] for p in t.query("received_records", **wanted)] == ["returns", "orders"]
    assert [p["metric.topic"] for p in t.query("received_records", limit=1, format="GROUPED", **wanted)] == ["returns"]
    assert "order_by names" in t.refused("order_by", [{"metric": PREFIX + "sent_bytes"}])
    one = {"metric": PREFIX + "received_bytes"}
    assert "One aggregation" in t.refused("aggregations", [one, one])
    many = [{"op": "EQ", "field": "resource.kafka.id", "value": f"lkc-{i}"} for i in range(51)]
    assert "fifty" in t.refused("filter", {"op": "OR", "filters": many})


def test_the_export_is_of_some_metrics_and_in_openmetrics_where_that_is_asked_for(t):
    path = f"/v2/metrics/cloud/export?resource.kafka.id={t.cluster}&metric=partition_count&metric={PREFIX}retained_bytes"
    answer = t.s.call("GET", path, headers={"Accept": "application/openmetrics-text"})
    said = answer.body.decode()
    assert said.endswith("# EOF\n") and answer.headers["Content-Type"].startswith("application/openmetrics-text"), said
    assert set(re.findall(r"^# TYPE (\w+) gauge$", said, re.M)) == {"confluent_kafka_server_partition_count",
                                                                  "confluent_kafka_server_retained_bytes"}
    times = [int(line.split()[-1]) for line in said.splitlines() if not line.startswith("#")]
    assert all(abs(at - time.time()) < 600 for at in times), "seconds"
    errors = t.s.refused(400, "GET", path + "&metric=retained_byte")["errors"]
    assert "no such metric" in errors[0]["detail"] and errors[0]["source"] == {"parameter": "metric"}, errors


def test_the_export_is_prometheus_text_of_a_whole_minute(t):
    def export():
        answer = t.s.call("GET", f"/v2/metrics/cloud/export?resource.kafka.id={t.cluster}&resource.kafka.id={t.other}")
        assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
        return answer.body.decode()
    wanted = f'confluent_kafka_server_partition_count{{kafka_id="{t.cluster}"}} 6 '
    lines = wait_for(lambda: (out := export()) and wanted in out and out, "the newest minute is exported", 90).splitlines()
    for line in lines:
        assert line.startswith("# ") or re.fullmatch(r'\w+\{kafka_id="lkc-\w+"(,\w+="[^"]*")?\} -?\d+ \d{13}', line), line
    t.s.refused(400, "GET", "/v2/metrics/cloud/export")


def test_the_history_in_steps_is_what_was_produced_and_null_where_nobody_looked(t):
    got = t.history("metric=received_records", "metric=retained_bytes", "span=15m")
    assert got["step_ms"] == 60000 and got["to"] - got["from"] == 15 * 60000
    records, stored = got["series"]
    assert (records["metric"], records["kind"], stored["kind"]) == ("received_records", "counter", "gauge")
    assert len(records["values"]) == len(stored["values"]) == 15
    assert sum(v or 0 for v in records["values"]) == 45
    assert [v is None for v in records["values"]] == [v is None for v in stored["values"]]
    assert records["values"][0] is None, "the cluster is younger than a quarter of an hour"
    assert records["values"][-1] is not None and stored["values"][-1] > 45
    assert got["observed_ms"] == [0 if v is None else 60000 for v in records["values"]]
    by = t.history("metric=received_records", "span=15m", "by=topic")["series"]
    assert [(s["topic"], sum(v or 0 for v in s["values"])) for s in by] == [("orders", 40), ("returns", 5)]
    assert [s["topic"] for s in t.history("metric=received_records", "span=15m", "by=topic", "limit=1")["series"]] == ["orders"]
    (one,) = t.history("metric=received_records", "span=15m", "topic=returns")["series"]
    assert one["topic"] == "returns" and sum(v or 0 for v in one["values"]) == 5


def test_the_hour_under_way_is_in_spans_of_hours(t):
    for span, step in (("24h", 300000), ("7d", 3600000), ("30d", 7200000), ("90d", 21600000)):
        got = t.history("metric=received_records", f"span={span}")
        values = got["series"][0]["values"]
        assert got["step_ms"] == step and got["from"] % step == 0 and len(values) <= 361
        assert sum(v or 0 for v in values) == 45, span
        assert [ms > 0 for ms in got["observed_ms"]] == [v is not None for v in values]
        assert max(got["observed_ms"]) <= step


def test_an_hour_tells_for_how_long_somebody_looked_when_its_minutes_are_gone(t):
    for gone in (False, True):
        if gone:
            db = history.connect(t.s.data)
            assert db.execute("DELETE FROM minute WHERE at >= ? AND at < ?", (t.gap * 60, t.gap * 60 + 60)).rowcount >= 20
            db.commit()
            db.close()
        assert t.hours("received_records", t.gap - 1, t.gap + 1) == ([None, 20 * 600], [0, 20], t.gap + 1), gone


def test_a_history_of_the_version_before_counts_the_minutes_that_are_left_of_an_hour(t):
    assert t.hours("received_records", t.before - 1, t.before + 3) == ([None, 100, 3000, None], [0, 60, 30, 0], t.before + 3)


def test_of_hours_in_a_step_each_counts_for_as_long_as_somebody_looked(t):
    at = t.long_ago
    assert t.hours("received_records", at, at + 2, step=2) == ([4800], [80], at + 2)
    assert t.hours("broker_memory_bytes", at, at + 2, step=2) == ([3], [80], at + 2)
    assert t.hours("received_records", at, at + 1.1) == ([1200, 3600], [20, 60], at + 2), "an hour is not cut"
    begin = time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime(at * 3600))
    of_other = {"op": "EQ", "field": "resource.kafka.id", "value": t.other}
    mean = t.query("broker_memory_bytes", intervals=[f"{begin}/PT2H"], filter=of_other)
    assert [p["value"] for p in mean] == [3], mean


def test_what_is_too_old_or_too_much_is_forgotten_once_an_hour(t):
    db = history.connect(t.s.data)
    now = int(time.time() // 60)
    oldest, = db.execute("SELECT min(m.at) FROM minute m JOIN cluster c ON c.number = m.cluster WHERE c.id = 'lkc-past'").fetchone()
    assert now - 6 * 1440 - 10 <= oldest <= now - 6 * 1440 + 10, "the file is larger than it may be: a day less"
    assert db.execute("SELECT id FROM cluster WHERE id = 'lkc-gone'").fetchall() == []
    assert db.execute("SELECT count(*) FROM series WHERE cluster NOT IN (SELECT number FROM cluster)").fetchone() == (0,)
    db.close()


def test_a_history_in_steps_that_is_not_understood_is_refused_in_a_sentence(t):
    for query, words in (("metric=wrong", "no such metric"), ("span=1h", "Name a metric"), ("metric=request_count&topic=t", "no such label"),
                         ("metric=received_bytes&by=colour", "by is topic"), ("metric=received_bytes&span=2d", "span is"),
                         ("metric=received_bytes&step=61000", "whole minutes"), ("metric=received_bytes&from=5", "from must be"),
                         ("metric=received_bytes&span=30d&step=60000", "no more than 1500"), ("metric=received_bytes&limit=0", "limit must be")):
        refused = t.s.refused(400, "GET", f"/leat/v1/clusters/{t.cluster}/history?{query}")["errors"][0]["detail"]
        assert words in refused, (query, refused)
    t.s.refused(404, "GET", "/leat/v1/clusters/lkc-nothere/history?metric=received_bytes")


def test_a_history_that_cannot_be_read_is_put_aside_at_the_next_start(t):
    t.s.kill()
    for end in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{t.s.data}/history.db{end}")
    with open(f"{t.s.data}/history.db", "r+b") as f:
        f.write(b"not a database, not at all" * 100)
    t.s.start()
    assert "put aside" in t.s.log_tail()
    assert t.s.call("POST", "/v2/metrics/cloud/query", t.body("received_records")).status == 200
