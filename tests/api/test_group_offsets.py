"""Moving and forgetting what a group committed, as a real consumer (kcat) meets it."""
import contextlib
import os
import subprocess
import time

import client
from client import text, wait_for
from leatd import BIN, kcat


class Groups:
    def __init__(self, server):
        self.s = server
        self.cluster = server.make_cluster(server.make_environment("groups"))
        self.id = self.cluster["id"]
        self.leat = f"/leat/v1/clusters/{self.id}"
        user, secret, _ = server.make_key(self.id)
        self.key = (user, secret)
        server.make_topic(self.id, "reset", 1)
        server.produce(self.id, "reset", *[text(str(i)) for i in range(5)])
        self.between = int(time.time() * 1000) + 1
        wait_for(lambda: time.time() * 1000 > self.between, "the clock goes on")
        server.produce(self.id, "reset", *[text(str(i)) for i in range(5, 10)])
        server.make_topic(self.id, "wide", 3)
        for partition in range(3):
            server.produce(self.id, "wide", *[{"partition_id": partition, **text(str(i))} for i in range(4)])

    def read(self, group, count, topic="reset"):
        """What the group's consumer reads next, which it commits."""
        code, out, err = kcat(self.cluster["bootstrap_servers"], self.key, "-q", "-X", "auto.offset.reset=earliest",
                              "-c", str(count), "-G", group, topic, timeout=60)
        assert code == 0, err
        return out.split()

    def reset(self, group, status=200, **body):
        answer = self.s.call("POST", f"{self.leat}/groups/{group}:reset-offsets", body)
        assert answer.status == status, answer
        return answer.json

    def committed(self, group):
        lags = self.s.good("GET", f"{self.leat}/groups/{group}")["lags"]
        return {(x["topic"], x["partition"]): x["current_offset"] for x in lags}

    def audit(self, operation):
        rows = self.s.good("GET", "/leat/v1/audit?page_size=50")["data"]
        return [r for r in rows if r["operation"] == operation]


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield Groups(server)


def test_a_dry_run_says_what_a_reset_would_repeat_and_changes_nothing(t):
    assert t.read("dry", 10) == [str(i) for i in range(10)]
    plan = t.reset("dry", to="earliest", dry_run=True)
    assert not plan["applied"] and plan["repeated"] == 10 and plan["skipped"] == 0, plan
    row = plan["partitions"][0]
    assert (row["current_offset"], row["new_offset"], row["repeated"]) == (10, 0, 10), row
    assert t.committed("dry") == {("reset", 0): 10}
    assert not t.audit("group.reset_offsets")


def test_a_consumer_goes_on_where_its_group_was_reset_to(t):
    assert len(t.read("moved", 10)) == 10
    assert t.reset("moved", to="earliest")["applied"]
    assert t.read("moved", 10) == [str(i) for i in range(10)]
    assert t.reset("moved", to="offset", offset=7)["repeated"] == 3
    assert t.read("moved", 3) == ["7", "8", "9"]
    assert t.reset("moved", to="shift", shift=-2)["partitions"][0]["new_offset"] == 8
    assert t.read("moved", 2) == ["8", "9"]
    assert t.reset("moved", to="timestamp", timestamp=t.between)["partitions"][0]["new_offset"] == 5
    assert t.read("moved", 5) == ["5", "6", "7", "8", "9"]
    t.reset("moved", to="earliest")
    latest = t.reset("moved", to="latest")
    assert latest["skipped"] == 10 and latest["lag"] == 0
    assert t.committed("moved") == {("reset", 0): 10}


def test_the_audit_has_every_offset_before_and_after(t):
    t.reset("told", to="offset", offset=3, topics=[{"topic": "reset"}])
    t.reset("told", to="latest")
    row = t.audit("group.reset_offsets")[0]
    assert row["resource"] == "group=told", row
    assert row["detail"] == {"to": "latest", "before": {"offsets": {"reset-0": 3}},
                             "after": {"offsets": {"reset-0": 10}}}, row


def test_a_reset_outside_the_log_is_clamped_and_says_so(t):
    plan = t.reset("clamped", to="offset", offset=99, topics=[{"topic": "reset"}])
    assert plan["partitions"][0]["new_offset"] == 10 and plan["partitions"][0]["clamped"]
    plan = t.reset("clamped", to="shift", shift=-(1 << 62), dry_run=True)
    assert plan["partitions"][0]["new_offset"] == 0 and plan["partitions"][0]["clamped"]


def test_only_the_named_topics_and_partitions_are_moved(t):
    t.reset("some", to="latest", topics=[{"topic": "wide"}, {"topic": "reset"}])
    t.reset("some", to="offset", offset=1, topics=[{"topic": "wide", "partitions": [2, 0, 2]}])
    assert t.committed("some") == {("wide", 0): 1, ("wide", 1): 4, ("wide", 2): 1, ("reset", 0): 10}
    plan = t.reset("some", to="shift", shift=1, dry_run=True)
    assert [(r["topic"], r["partition"], r["new_offset"]) for r in plan["partitions"]] == [
        ("reset", 0, 10), ("wide", 0, 2), ("wide", 1, 4), ("wide", 2, 2)], plan


def test_a_new_group_can_begin_as_a_copy_of_another(t):
    t.reset("pattern", to="offset", offset=6, topics=[{"topic": "reset"}])
    plan = t.reset("copy", to="group", from_group="pattern")
    assert plan["applied"] and plan["partitions"][0]["current_offset"] is None
    assert t.read("copy", 4) == ["6", "7", "8", "9"]


def test_a_group_with_members_is_not_reset_and_the_sentence_names_them(t):
    t.read("busy", 10)
    argv = ["kcat", "-b", t.cluster["bootstrap_servers"], "-q", "-X", "security.protocol=SASL_PLAINTEXT",
            "-X", "sasl.mechanism=PLAIN", "-X", f"sasl.username={t.key[0]}", "-X", f"sasl.password={t.key[1]}",
            "-X", "client.id=night-shift", "-G", "busy", "reset"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as consumer:
        try:
            wait_for(lambda: t.s.good("GET", f"{t.leat}/groups/busy")["members"], "the consumer joins")
            plan = t.reset("busy", to="earliest", dry_run=True)
            assert "night-shift" in plan["blocked_by"] and plan["repeated"] == 10, plan
            refused = t.reset("busy", status=409, to="earliest")
            assert "night-shift at 127.0.0.1" in refused["errors"][0]["detail"], refused
            t.s.refused(409, "DELETE", f"{t.leat}/groups/busy/offsets/reset")
        finally:
            consumer.terminate()
    assert t.committed("busy") == {("reset", 0): 10}


def command_line(t, *args):
    env = {**os.environ, "LEAT_URL": t.s.base, "LEAT_API_KEY": t.s.cloud[0], "LEAT_API_SECRET": t.s.cloud[1],
           "LEAT_CLUSTER": t.id, "ASAN_OPTIONS": "detect_leaks=0"}  # it gives memory back by leaving
    return subprocess.run([os.path.join(BIN, "leat"), *args], capture_output=True, text=True, env=env, timeout=60,
                          check=False)


def test_the_command_line_shows_the_plan_and_moves_with_yes(t):
    def leat(*args):
        return command_line(t, *args)
    shown = leat("groups", "reset", "by-hand", "--offset", "7", "--topic", "reset")
    assert shown.returncode == 0 and "add --yes" in shown.stderr and " 7 " in shown.stdout, shown
    t.s.refused(404, "GET", f"{t.leat}/groups/by-hand")
    assert leat("groups", "reset", "by-hand", "--offset", "7", "--topic", "reset", "--yes").returncode == 0
    assert leat("groups", "reset", "by-hand", "--shift", "-2", "--yes").returncode == 0
    assert t.committed("by-hand") == {("reset", 0): 5}
    assert leat("groups", "reset", "by-hand").returncode == 2
    assert leat("groups", "reset", "by-hand", "--to", "latest", "--shift", "1").returncode == 2
    found = leat("consume", "reset", "--filter", "value >= 8", "--from", "oldest")
    assert [line.split()[-1] for line in found.stdout.splitlines()] == ["8", "9"], found


def test_time_lag_is_the_age_of_the_next_record_by_partition_topic_and_group(t):
    t.s.make_topic(t.id, "ages", 2)
    for partition, ages in ((0, (900, 600)), (1, (7200, 60))):
        for age in ages:
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))
            t.s.produce(t.id, "ages", {"partition_id": partition, "timestamp": moment, **text(str(age))})

    def told(partitions, group):
        """Seconds, of each partition, the topic and the group."""
        def look():
            g = t.s.good("GET", f"{t.leat}/groups/old")
            seen = [x["time_lag_ms"] for x in g["lags"]] + [g["topic_lags"][0]["time_lag_ms"], g["time_lag_ms"]]
            wanted = [*partitions, group, group]
            return None not in seen and all(abs(s / 1000 - w) < 40 if w else s == 0 for s, w in zip(seen, wanted, strict=True))
        wait_for(look, f"the time lag is {partitions}")

    t.reset("old", to="earliest", topics=[{"topic": "ages"}])
    told((900, 7200), 7200)
    listed = [g for g in t.s.good("GET", f"{t.leat}/groups")["data"] if g["group_id"] == "old"][0]
    assert abs(listed["time_lag_ms"] / 1000 - 7200) < 40, listed
    t.reset("old", to="offset", offset=8, topics=[{"topic": "reset"}])
    listed = [g for g in t.s.good("GET", f"{t.leat}/groups")["data"] if g["group_id"] == "old"][0]
    assert [(x["topic"], x["lag"]) for x in listed["topic_lags"]] == [("ages", 4), ("reset", 2)], listed
    t.s.good("DELETE", f"{t.leat}/groups/old/offsets/reset", status=204)
    shown = command_line(t, "groups", "show", "old")
    assert shown.returncode == 0 and "TIME LAG" in shown.stdout and "2 h 0 m" in shown.stdout, shown
    t.reset("old", to="offset", offset=1, topics=[{"topic": "ages", "partitions": [1]}])
    told((900, 60), 900)
    t.reset("old", to="latest")
    told((0, 0), 0)
    t.reset("old", to="earliest", topics=[{"topic": "ages", "partitions": [0]}])
    told((900, 0), 900)


def test_a_reset_that_cannot_be_understood_says_why(t):
    t.reset("poor", status=422, to="yesterday")
    t.reset("poor", status=422, to="offset")
    t.reset("poor", status=422, to="offset", offset=-1)
    t.reset("poor", status=422, to="group", from_group="poor")
    t.reset("poor", status=422, to="latest", topics=[])
    t.reset("poor", status=422, to="latest", topics=[{"topic": "reset", "partitions": ["0"]}])
    t.reset("poor", status=422, to="latest", dry_run="yes")
    assert "poor" in t.reset("poor", status=404, to="latest")["errors"][0]["detail"]
    assert "nobody" in t.reset("poor", status=404, to="group", from_group="nobody")["errors"][0]["detail"]
    unknown = t.reset("poor", status=404, to="latest", topics=[{"topic": "reset", "partitions": [1]}])
    assert "0 to 0, not 1" in unknown["errors"][0]["detail"], unknown
    t.reset("poor", status=404, to="latest", topics=[{"topic": "none"}])
    t.reset("poor", status=422, to="shift", shift=1, topics=[{"topic": "reset"}])


def test_offsets_of_one_partition_one_topic_and_a_whole_group_are_forgotten(t):
    t.reset("gone", to="latest", topics=[{"topic": "wide"}, {"topic": "reset"}])
    t.s.good("DELETE", f"{t.leat}/groups/gone/offsets/wide?partition=1", status=204)
    assert t.committed("gone") == {("wide", 0): 4, ("wide", 2): 4, ("reset", 0): 10}
    t.s.good("DELETE", f"{t.leat}/groups/gone/offsets/wide", status=204)
    assert t.committed("gone") == {("reset", 0): 10}
    t.s.refused(404, "DELETE", f"{t.leat}/groups/gone/offsets/reset?partition=1")
    t.s.refused(404, "DELETE", f"{t.leat}/groups/nobody/offsets/reset")
    t.s.good("DELETE", f"{t.leat}/groups/gone", status=204)
    t.s.refused(404, "GET", f"{t.leat}/groups/gone")
    told = {"topic": "wide", "partition": 1, "before": {"offsets": {"wide-1": 4}}, "after": {}}
    assert told in [r["detail"] for r in t.audit("group.delete_offsets")], t.audit("group.delete_offsets")
    gone = next(r for r in t.audit("group.delete") if r["resource"] == "group=gone")
    assert gone["detail"] == {"before": {"group_id": "gone", "offsets": {"reset-0": 10}}, "after": {}}, gone
