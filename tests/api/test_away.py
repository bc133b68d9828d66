"""A broker that hangs (SIGSTOP) or is gone: its cluster's answers say so in time, changes stand and
arrive later, and nobody else notices."""
import concurrent.futures
import contextlib
import os
import signal
import time

import client
from client import text, wait_for


class Away:
    def __init__(self, server):
        self.s = server
        environment = self.environment = server.make_environment("away")
        self.cluster = server.make_cluster(environment)["id"]
        self.other = server.make_cluster(environment, "other")["id"]
        self.kafka, self.leat = f"/kafka/v3/clusters/{self.cluster}", f"/leat/v1/clusters/{self.cluster}"
        server.good("POST", self.kafka + "/topics", {"topic_name": "t", "partitions_count": 1}, status=201)
        server.produce(self.cluster, "t", text("before"))

    @contextlib.contextmanager
    def hung(self):
        pid = self.s.good("GET", self.leat)["state"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield Away(server)


def test_a_hung_broker_stalls_nobody_else(t):
    asked = [("GET", t.kafka + "/consumer-groups"), ("GET", f"{t.leat}/topics/t/records"),
             ("GET", t.kafka + "/topics/t/partitions/0/offset"), ("GET", f"{t.leat}/groups")]
    with t.hung(), concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
        waiting = [pool.submit(t.s.call, *a) for a in asked]
        spent = []
        for _ in range(50):
            begin = time.monotonic()
            t.s.good("GET", t.kafka + "/topics")
            t.s.good("GET", "/readyz", key=False)
            t.s.produce(t.other, "t", text("x")) if spent else t.s.good(
                "POST", f"/kafka/v3/clusters/{t.other}/topics", {"topic_name": "t"}, status=201)
            spent.append(time.monotonic() - begin)
        assert sorted(spent)[45] < 1, spent
        for asked_one, answer in zip(asked, waiting):
            assert answer.result(timeout=25).status in (408, 503), (asked_one, answer.result())


def test_a_change_stands_while_the_broker_hangs_and_arrives_later(t):
    with t.hung():
        answer = t.s.call("POST", t.kafka + "/topics", {"topic_name": "later", "partitions_count": 2})
        assert answer.status == 202 and int(answer.headers["Leat-Pending"]) > 0, answer
        assert t.s.good("GET", t.kafka + "/topics/later")["partitions_count"] == 2
        answer = t.s.call("PUT", t.kafka + "/topics/later/configs/retention.ms", {"value": "1000"})
        assert answer.status == 202, answer
    assert wait_for(lambda: t.s.produce(t.cluster, "later", text("now"))[0]["error_code"] == 200, "it arrived")


def test_a_broker_killed_comes_back_with_its_records(t):
    os.kill(t.s.good("GET", t.leat)["state"]["pid"], signal.SIGKILL)

    def read():
        answer = t.s.call("GET", f"{t.leat}/topics/t/records")
        assert answer.status in (200, 408, 503), answer
        return answer.status == 200 and answer.json["data"]
    assert wait_for(read, "the broker is back")[0]["value"]["data"] == "before"


def test_event_streams_and_requests_end_with_the_service(t):
    with t.hung(), concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(t.s.call, "GET", f"{t.leat}/groups")
        time.sleep(0.3)
        begin = time.monotonic()
        t.s.kill(signal.SIGTERM)
        assert time.monotonic() - begin < 4, "leatd takes too long to end"
        with contextlib.suppress(OSError):
            assert waiting.result(timeout=10).status >= 400
    t.s.start()
    t.s.running(t.cluster)
    wait_for(lambda: t.s.produce(t.cluster, "t", text("after"))[0]["error_code"] == 200, "the cluster serves again")


def test_a_paused_cluster_says_so_takes_changes_and_comes_back_with_them(t):
    pause = t.s.good("POST", t.leat + ":pause", {"reason": "nobody needs it at night"}, status=202)
    assert pause["paused"]["reason"] == "nobody needs it at night", pause
    wait_for(lambda: t.s.good("GET", t.leat)["state"]["name"] == "paused", "the cluster is paused")
    answer = t.s.call("POST", t.kafka + "/topics/t/records", {"value": {"type": "STRING", "data": "x"}})
    assert answer.status == 503 and answer.json["error_code"] == 50302, answer
    assert "paused: nobody needs it at night" in answer.json["message"], answer
    phase = t.s.good("GET", f"/cmk/v2/clusters/{t.cluster}?environment={t.environment}")["status"]["phase"]
    assert phase == "PROVISIONED", phase
    assert "resume" in t.s.refused(409, "POST", t.leat + ":restart")["errors"][0]["detail"]
    answer = t.s.call("POST", t.kafka + "/topics", {"topic_name": "made-at-night", "partitions_count": 1})
    assert answer.status == 202 and answer.headers.get("Leat-Pending"), answer
    t.s.good("POST", t.leat + ":pause", {"reason": "another reason"}, status=202)
    assert t.s.good("GET", t.leat)["paused"]["reason"] == "another reason"
    t.s.good("POST", t.leat + ":resume", status=202)
    assert t.s.running(t.cluster)["paused"] is None
    t.s.produce(t.cluster, "made-at-night", text("morning"))
    t.s.good("POST", t.leat + ":resume", status=202)  # again: nothing happens
    t.s.refused(404, "POST", "/leat/v1/clusters/lkc-none:pause")


def test_the_processes_of_a_cluster_and_their_log_are_told(t):
    state = t.s.running(t.cluster)["state"]
    row, = t.s.good("GET", t.leat + "/processes")["data"]
    assert (row["id"], row["role"], row["pid"]) == (t.cluster + "-1", "broker", state["pid"]), row
    assert row["memory_rss_bytes"] > 1 << 20 and row["threads"] >= 1 and row["disk_bytes"] > 0, row
    lines = t.s.good("GET", t.leat + "/logs?lines=5")["lines"]
    assert 1 <= len(lines) <= 5 and any("listening on" in line for line in lines), lines
    assert wait_for(lambda: (p := t.s.good("GET", t.leat + "/processes")["data"][0])["longest_turn_us"] and p, "its turns")[
        "turns_over_10ms"] >= 0
    t.s.refused(400, "GET", t.leat + "/logs?lines=0")
    t.s.refused(404, "GET", "/leat/v1/clusters/lkc-none/logs")
    t.s.refused(404, "GET", "/leat/v1/clusters/lkc-none/processes")


def test_the_process_of_the_service_and_its_log_are_told(t):
    row, = t.s.good("GET", "/leat/v1/processes")["data"]
    assert (row["id"], row["role"], row["pid"], row["state"]) == ("leatd", "leatd", t.s.process.pid, "running"), row
    assert row["memory_rss_bytes"] > 1 << 20 and row["threads"] > 1 and row["longest_turn_us"] > 0, row
    lines = t.s.good("GET", "/leat/v1/logs?lines=1000")["lines"]
    last, = t.s.good("GET", "/leat/v1/logs?lines=1")["lines"]
    with open(os.path.join(t.s.folder, "leatd.log"), encoding="utf-8") as f:
        logged = f.read().splitlines()
    assert lines and {last, *lines} <= set(logged), (last, lines, logged)
    assert logged.index(last) >= logged.index(lines[-1]), (last, lines[-1])
    t.s.refused(400, "GET", "/leat/v1/logs?lines=1001")


def test_all_clusters_are_started_anew_one_at_a_time(t):
    before = [t.s.running(c)["state"]["pid"] for c in (t.cluster, t.other)]
    assert t.s.good("POST", t.leat + ":upgrade", status=200)["program"].startswith("leat-broker ")
    told = t.s.good("POST", t.leat + ":confirm-upgrade", status=200)["format"]
    assert not told["upgrade_to_confirm"] and told["confirmed"] == told["newest"] == told["written"], told
    t.s.refused(404, "POST", "/leat/v1/clusters/lkc-none:confirm-upgrade")
    begun = t.s.good("POST", "/leat/v1/clusters:rolling-restart", status=202)
    assert begun["phase"] == "RUNNING" and begun["clusters"] == 2, begun
    wait_for(lambda: t.s.good("GET", "/leat/v1/clusters:rolling-restart")["phase"] == "DONE", "all are back", 60)
    after = [t.s.running(c)["state"]["pid"] for c in (t.cluster, t.other)]
    assert not set(before) & set(after), (before, after)


def test_a_cluster_is_backed_up_restored_and_the_backup_deleted(t):
    t.s.produce(t.cluster, "t", text("kept"))
    backup = t.s.good("POST", f"/leat/v1/clusters/{t.cluster}/backups", {"description": "by a test"}, status=201)
    t.s.running(t.cluster)
    assert backup in t.s.good("GET", "/leat/v1/backups")["data"]
    path = f"/leat/v1/backups/{backup['id']}"
    t.s.refused(400, "POST", path + ":restore", {"display_name": "copy", "cluster_id": "lkc-another"})
    made = t.s.good("POST", path + ":restore", {"display_name": "copy"}, status=202)
    t.s.running(made["cluster_id"])
    records = t.s.good("GET", f"/leat/v1/clusters/{made['cluster_id']}/topics/t/records?from=oldest")["data"]
    assert records[-1]["value"]["data"] == "kept", records
    copy = t.s.good("POST", "/leat/v1/database:backup", status=201)
    assert copy["bytes"] > 0 and os.path.getsize(copy["path"]) == copy["bytes"], copy
    t.s.good("DELETE", path, status=204)
    t.s.refused(404, "DELETE", path)
    t.s.refused(404, "POST", "/leat/v1/backups/x:restore")
    t.s.good("DELETE", f"/cmk/v2/clusters/{made['cluster_id']}?environment={t.environment}", status=204)
