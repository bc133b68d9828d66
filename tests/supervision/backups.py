"""Copies of clusters and clusters made from them: while records are written, while they rest, and with leatd
killed at every step."""
import os
import signal
import subprocess
import threading
import time

from leatd import BIN, Leatd, kcat, wait_for


def produce(cluster, key, topic, text):
    code, _, err = kcat(cluster["bootstrap_servers"], key, "-P", "-t", topic, "-X", "acks=all", data=text)
    assert code == 0, err


def consume(cluster, key, topic):
    code, out, err = kcat(cluster["bootstrap_servers"], key, "-C", "-t", topic, "-o", "beginning", "-e", "-q")
    assert code == 0, err
    return sorted(out.split())


def ready_cluster(leat):
    cluster = leat.make_cluster(leat.make_environment())
    key = leat.make_key(cluster["id"])[:2]
    leat.make_topic(cluster["id"], "t", 2)
    return cluster, key


def backed_up(leat, cluster):
    a = leat.call("POST", f"/leat/v1/clusters/{cluster['id']}/backups", {"description": "before the change"})
    assert a.status == 201, a
    return a.json


def commit(cluster, key, group, topic):
    """Reads the topic to its end as a group, which commits."""
    code, out, err = kcat(cluster["bootstrap_servers"], key, "-G", group, "-X", "auto.offset.reset=earliest", "-e", "-q", topic)
    assert code == 0, err
    return sorted(out.split())


def test_a_backup_is_restored_as_another_cluster_and_as_the_old_one():
    with Leatd() as leat:
        cluster, key = ready_cluster(leat)
        produce(cluster, key, "t", "a\nb\n")
        assert commit(cluster, key, "g", "t") == ["a", "b"]
        backup = backed_up(leat, cluster)
        assert backup["bytes"] > 0 and backup["cluster_id"] == cluster["id"], backup
        after = leat.running(cluster["id"])
        produce(after, key, "t", "after\n")
        assert consume(after, key, "t") == ["a", "after", "b"]
        assert [b["id"] for b in leat.call("GET", "/leat/v1/backups").json["data"]] == [backup["id"]]

        path = f"/leat/v1/backups/{backup['id']}:restore"
        assert leat.call("POST", path, {"cluster_id": cluster["id"]}).status == 409
        a = leat.call("POST", path, {"display_name": "copy"})
        assert a.status == 202 and a.json["cluster_id"] != cluster["id"], a
        copy = leat.running(a.json["cluster_id"])
        other = leat.make_key(copy["id"], "reader")[:2]
        assert consume(copy, other, "t") == ["a", "b"]
        assert commit(copy, other, "g", "t") == [], "the group's offsets came along"
        produce(copy, other, "t", "own\n")
        leat.make_topic(copy["id"], "more", 1)

        environment = cluster["environment"]["id"]
        assert leat.call("DELETE", f"/cmk/v2/clusters/{cluster['id']}?environment={environment}").status == 204
        wait_for(lambda: not os.path.exists(os.path.join(leat.data, "clusters", cluster["id"])), "it is gone")
        a = leat.call("POST", path, {"cluster_id": cluster["id"]})
        assert a.status == 202 and a.json["cluster_id"] == cluster["id"], a
        old = leat.running(cluster["id"])
        assert consume(old, key, "t") == ["a", "b"], "with its old key"
        assert leat.call("DELETE", f"/leat/v1/backups/{backup['id']}").status == 204
        assert leat.call("POST", path).status == 404
        assert consume(leat.running(copy["id"]), other, "t") == ["a", "b", "own"]


def test_a_backup_of_a_newer_format_is_refused_with_a_sentence():
    with Leatd() as leat:
        cluster, _ = ready_cluster(leat)
        backup = backed_up(leat, cluster)
        path = os.path.join(leat.data, "backups", backup["id"], "backup.json")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace('"format": 1', '"format": 2'))
        a = leat.call("POST", f"/leat/v1/backups/{backup['id']}:restore", {"display_name": "copy"})
        assert a.status >= 400 and "newer version" in a.json["errors"][0]["detail"], a
        assert len(leat.call("GET", "/leat/v1/clusters").json["data"]) == 1


class Writer(threading.Thread):
    """One record after the other, each once the one before is acknowledged, through all topics in turn."""

    def __init__(self, leat, cluster, name, topics):
        super().__init__(daemon=True)
        self.leat, self.cluster, self.name_of, self.topics = leat, cluster["id"], name, topics
        self.acknowledged, self.failed, self.slowest, self.done = 0, [], 0.0, threading.Event()

    def run(self):
        while not self.done.is_set():
            topic, began = self.topics[self.acknowledged % len(self.topics)], time.monotonic()
            padding = "x" * (60000 if topic == "small" else 0)
            a = self.leat.call("POST", f"/kafka/v3/clusters/{self.cluster}/topics/{topic}/records?strict=true",
                               {"value": {"type": "STRING", "data": f"{self.name_of}-{padding}-{self.acknowledged}"}})
            if a.status != 200:
                self.failed.append(a)
                return
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.acknowledged += 1

    def stop(self):
        self.done.set()
        self.join(30)
        assert not self.is_alive()


def check_prefixes(writers, before, records):
    """Of each writer the first n records, n at least what was acknowledged before the backup was asked for."""
    for writer, least in zip(writers, before):
        numbers = sorted(int(r.rsplit("-", 1)[1]) for r in records if r.startswith(writer.name_of + "-"))
        assert numbers == list(range(len(numbers))), f"{writer.name_of}: a record is missing or there twice"
        assert least <= len(numbers) <= writer.acknowledged + 1, (least, len(numbers), writer.acknowledged)


def test_a_backup_of_a_cluster_that_is_written_to_is_of_one_moment_and_nobody_notices_it():
    with Leatd(ports=40) as leat:
        cluster, key = ready_cluster(leat)
        small = [{"name": "segment.bytes", "value": "1048576"}]  # many are rolled while it goes on
        for topic in ("small", "compacted"):
            policy = [{"name": "cleanup.policy", "value": "compact"}] if topic == "compacted" else []
            a = leat.call("POST", f"/kafka/v3/clusters/{cluster['id']}/topics",
                          {"topic_name": topic, "partitions_count": 3, "configs": small + policy})
            assert a.status == 201, a
        writers = [Writer(leat, cluster, f"w{n}", ["t", "small"]) for n in range(3)]
        for writer in writers:
            writer.start()
        taken = []
        for n in range(5):
            # what a copy must not lose hold of: rows that come and go, keys that are compacted
            leat.make_topic(cluster["id"], f"more-{n}", 2)
            produce(cluster, key, f"more-{n}", f"m{n}\n")
            code, _, err = kcat(cluster["bootstrap_servers"], key, "-P", "-t", "compacted", "-K", ":",
                                data="".join(f"k{i % 7}:{n}-{i}-{'x' * 20000}\n" for i in range(140)))
            assert code == 0, err
            reached = [w.acknowledged for w in writers]
            wait_for(lambda r=reached: all(w.acknowledged > v for w, v in zip(writers, r)), "all of them write")
            before = [w.acknowledged for w in writers]
            taken.append((before, backed_up(leat, cluster)))
        for writer in writers:
            writer.stop()
        assert not any(w.failed for w in writers), [w.failed for w in writers]
        after = leat.running(cluster["id"])
        assert after["state"]["pid"] == cluster["state"]["pid"] and after["state"]["restarts"] == 0, after["state"]
        print(f"    {sum(w.acknowledged for w in writers)} records, the slowest took {max(w.slowest for w in writers):.3f} s")
        for n, (before, backup) in enumerate(taken):
            a = leat.call("POST", f"/leat/v1/backups/{backup['id']}:restore", {"display_name": f"copy {n}"})
            assert a.status == 202, a
            copy = leat.running(a.json["cluster_id"])
            other = leat.make_key(copy["id"], f"reader {n}")[:2]
            check_prefixes(writers, before, consume(copy, other, "t") + consume(copy, other, "small"))
            for m in range(n + 1):
                assert consume(copy, other, f"more-{m}") == [f"m{m}"]
            kept = consume(copy, other, "compacted")
            assert sum(v.startswith(f"{n}-") for v in kept) >= 7, "the newest value of each key"
            produce(copy, other, "t", "own\n")
            assert "own" in consume(copy, other, "t")
            data = os.path.join(leat.data, "clusters", copy["id"])
            assert leat.call("POST", f"/leat/v1/clusters/{copy['id']}:pause").status == 202
            wait_for(lambda p=copy["state"]["pid"]: not os.path.exists(f"/proc/{p}"), "the copy rests")
            checked = subprocess.run([os.path.join(BIN, "leat-broker"), "check", os.path.join(data, "data")],
                                     capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_a_backup_names_stays_until_it_is_linked_whatever_goes_away_meanwhile():
    with Leatd() as leat:
        cluster, key = ready_cluster(leat)
        produce(cluster, key, "t", "a\nb\n")
        backup = backed_up(leat, cluster)
        assert leat.call("DELETE", f"/kafka/v3/clusters/{cluster['id']}/topics/t").status == 204
        later = backed_up(leat, cluster)
        for one, there in ((backup, True), (later, False)):
            a = leat.call("POST", f"/leat/v1/backups/{one['id']}:restore", {"display_name": one["id"]})
            assert a.status == 202, a
            copy = leat.running(a.json["cluster_id"])
            status = leat.call("GET", f"/kafka/v3/clusters/{copy['id']}/topics/t").status
            assert status == (200 if there else 404), status
            if there:
                assert consume(copy, leat.make_key(copy["id"], "reader")[:2], "t") == ["a", "b"]


def test_a_paused_cluster_is_backed_up_as_it_lies_and_stays_paused():
    with Leatd() as leat:
        cluster, key = ready_cluster(leat)
        produce(cluster, key, "t", "a\nb\n")
        assert leat.call("POST", f"/leat/v1/clusters/{cluster['id']}:pause").status == 202
        backup = backed_up(leat, cluster)
        assert leat.call("GET", f"/leat/v1/clusters/{cluster['id']}").json["state"]["name"] == "paused"
        assert leat.processes() == []
        a = leat.call("POST", f"/leat/v1/backups/{backup['id']}:restore", {"display_name": "copy"})
        assert a.status == 202, a
        copy = leat.running(a.json["cluster_id"])
        assert consume(copy, leat.make_key(copy["id"], "reader")[:2], "t") == ["a", "b"]


def test_a_backup_that_meets_a_killed_broker_is_of_its_next_life():
    with Leatd() as leat:
        cluster, key = ready_cluster(leat)
        produce(cluster, key, "t", "a\nb\n")
        os.kill(cluster["state"]["pid"], signal.SIGKILL)
        backup = backed_up(leat, cluster)
        a = leat.call("POST", f"/leat/v1/backups/{backup['id']}:restore", {"display_name": "copy"})
        assert a.status == 202, a
        copy = leat.running(a.json["cluster_id"])
        assert consume(copy, leat.make_key(copy["id"], "reader")[:2], "t") == ["a", "b"]
