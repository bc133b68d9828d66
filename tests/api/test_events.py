"""Streams of events, and groups as a real consumer makes them: the demo cluster's `fraud-check`."""
import contextlib
import json
import subprocess

import client
from client import stream, text, until, wait_for


@contextlib.contextmanager
def fixture():
    with client.running(demo=True) as server:
        server.cluster = server.quickstart["cluster_id"]
        server.kafka = f"/kafka/v3/clusters/{server.cluster}"
        server.leat = f"/leat/v1/clusters/{server.cluster}"
        server.running(server.cluster)
        yield server


def group(s):
    answer = s.call("GET", f"{s.leat}/groups/fraud-check")
    return answer.json if answer.status == 200 and answer.json["lags"] and answer.json["members"] else None


def test_a_group_is_the_same_in_every_view(s):
    wait_for(lambda: group(s), "the demo's group has members and offsets")
    path = s.kafka + "/consumer-groups/fraud-check"
    assert s.good("GET", path)["state"] in ("STABLE", "PREPARING_REBALANCE", "COMPLETING_REBALANCE")
    member = s.good("GET", path + "/consumers")["data"][0]
    s.good("GET", f"{path}/consumers/{member['consumer_id']}")
    assigned = s.good("GET", f"{path}/consumers/{member['consumer_id']}/assignments")["data"]
    assert {a["topic_name"] for a in assigned} == {"payments"} and len(assigned) == 6
    first = assigned[0]
    one = f"{path}/consumers/{member['consumer_id']}/assignments/payments/partitions/"
    assert s.good("GET", one + str(first["partition_id"])) == first
    assert s.refused(404, "GET", one + "99")["error_code"] == 404
    lags = s.good("GET", path + "/lags")["data"]
    assert [x["lag"] for x in lags] == sorted((x["lag"] for x in lags), reverse=True)
    one = s.good("GET", f"{path}/lags/payments/partitions/{lags[0]['partition_id']}")
    assert one["current_offset"] + one["lag"] == one["log_end_offset"]
    summary = s.good("GET", path + "/lag-summary")
    assert summary["max_lag_topic_name"] == "payments" and summary["total_lag"] >= summary["max_lag"]
    row = s.good("GET", f"{s.leat}/groups")["data"][0]
    assert row["group_id"] == "fraud-check" and row["topics"] == ["payments"]
    table = s.good("GET", f"{s.leat}/topics")["data"][0]
    assert table["group_count"] == 1 and table["worst_group"]["group"] == "fraud-check"


def test_the_fleet_shows_the_worst_lag_of_a_cluster(s):
    wait_for(lambda: group(s), "the group has offsets")
    worst = wait_for(lambda: s.good("GET", s.leat)["worst_lag"], "a worst lag is known")
    assert worst["group"] == "fraud-check" and worst["lag"] >= 0


def test_a_group_with_members_is_not_deleted(s):
    wait_for(lambda: group(s), "the group has members")
    s.refused(409, "DELETE", f"{s.leat}/groups/fraud-check")


def test_a_tail_shows_what_is_produced_after_it_began(s):
    s.good("POST", s.kafka + "/topics", {"topic_name": "tail", "partitions_count": 2}, status=201)
    s.produce(s.cluster, "tail", text("before"))
    with stream(s, f"{s.leat}/topics/tail/records:tail") as following:
        until(following, "progress")
        for i in range(3):
            s.produce(s.cluster, "tail", text(f"after {i}"))
        seen = [until(following, "record")["value"]["data"] for _ in range(3)]
        assert sorted(seen) == ["after 0", "after 1", "after 2"], seen


def test_a_cluster_tells_figures_and_changes(s):
    with stream(s, f"{s.leat}/events") as following:
        figures = until(following, "figures")
        assert figures["state"]["name"] == "running" and "totals" in figures
        s.good("POST", s.kafka + "/topics", {"topic_name": "told"}, status=201)
        until(following, "changed", lambda data: data["what"] == "topics")
        until(following, "figures", lambda data: data["use"]["records_in_per_s"] > 0)


def told(following, *words):
    """Reads until all of these were told as changed."""
    left = set(words)
    while left:
        data = until(following, "changed")
        left.discard(data["what"])


def test_a_stream_tells_of_topics_acls_keys_quotas_users_groups_and_the_state(s):
    made = s.make_cluster(s.quickstart["environment_id"], "watched")["id"]
    kafka, leat = f"/kafka/v3/clusters/{made}", f"/leat/v1/clusters/{made}"
    with stream(s, f"{leat}/events") as following:
        until(following, "figures")
        s.make_topic(made, "t", 1)
        s.make_key(made, "watched")
        s.good("PUT", f"{leat}/kafka-quotas", {"entity": {"client_id": "c"}, "quotas": {"producer_byte_rate": 1000}})
        s.good("PUT", f"{leat}/scram-users/till", {"password": "long enough"})
        s.good("POST", f"{leat}/groups/g:reset-offsets", {"to": "latest", "topics": [{"topic": "t"}]})
        told(following, "topics", "acls", "keys", "quotas", "scram_users", "groups")
        s.good("DELETE", f"{kafka}/topics/t", status=204)
        told(following, "topics")
        s.good("POST", f"{leat}:restart", {})
        until(following, "changed", lambda data: data["what"] == "state" and data["state"] == "running")


def test_a_group_whose_members_come_and_go_is_told_of(s):
    wait_for(lambda: group(s), "the demo's group has members")
    user, secret, _ = s.make_key(s.cluster, "joiner")
    with stream(s, f"{s.leat}/events") as following:
        until(following, "figures")
        argv = ["kcat", "-b", s.good("GET", s.leat)["bootstrap_servers"], "-q", "-X", "security.protocol=SASL_PLAINTEXT",
                "-X", "sasl.mechanism=PLAIN", "-X", f"sasl.username={user}", "-X", f"sasl.password={secret}",
                "-G", "newcomers", "payments"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as consumer:
            try:
                until(following, "changed", lambda data: data["what"] == "groups")
            finally:
                consumer.terminate()


def test_who_comes_back_is_told_what_was_missed(s):
    made = s.make_cluster(s.quickstart["environment_id"], "missed")["id"]
    leat = f"/leat/v1/clusters/{made}"
    with stream(s, f"{leat}/events") as following:
        until(following, "figures")
        last = following.id
    assert last
    s.make_topic(made, "t", 1)
    s.make_topic(s.cluster, "elsewhere", 1)
    s.good("PUT", f"{leat}/scram-users/till", {"password": "long enough"})
    with stream(s, f"{leat}/events", last=last) as following:
        seen = []
        while not seen or seen[-1] != "scram_users":
            seen.append(until(following, "changed")["what"])
        assert seen == ["topics", "scram_users"], seen
        assert following.id.split("-")[0] == last.split("-")[0]
        assert int(following.id.split("-")[1]) > int(last.split("-")[1])
    with stream(s, "/leat/v1/events", last=last) as following:
        until(following, "cluster", lambda data: data["id"] == made)
        wait_for(lambda: following.id or following(), "the id comes behind what was missed")


def test_an_id_that_is_not_known_any_more_is_answered_by_reset(s):
    for last in ("1-5", "nonsense", "-", "99999999999999999999-1"):
        for path in (f"{s.leat}/events", "/leat/v1/events"):
            with stream(s, path, last=last) as following:
                assert following()[0] == "reset", last
                assert following.id
    with stream(s, f"{s.leat}/events") as following:
        until(following, "figures")
        start = following.id.split("-")[0]
    with stream(s, f"{s.leat}/events", last=f"{start}-999999") as following:
        assert following()[0] == "reset"


def test_the_fleet_tells_of_a_new_cluster(s):
    with stream(s, "/leat/v1/events") as following:
        made = s.make_cluster(s.quickstart["environment_id"], "fresh")["id"]
        until(following, "cluster", lambda data: data["id"] == made)


def test_streams_that_nobody_reads_are_let_go(s):
    for _ in range(30):
        with stream(s, "/leat/v1/events"):
            pass
    assert s.good("GET", "/healthz", key=False)["status"] == "ok"


def test_records_appear_in_the_order_of_time(s):
    page = s.good("GET", f"{s.leat}/topics/payments/records?limit=20")
    assert page["data"] and json.loads(page["data"][0]["value"]["data"])["currency"]
