"""Plans as data, limits of single clusters, and what is used of each."""
import contextlib
import select
import socket
import time

import client
from leatd import kcat, wait_for


class Plans:
    def __init__(self, service):
        self.s = service
        self.environment = service.make_environment("plans")
        self.cluster = service.make_cluster(self.environment)["id"]
        self.path = f"/leat/v1/clusters/{self.cluster}"

    def limits(self):
        return {row["name"]: row for row in self.s.good("GET", self.path + "/limits")["data"]}


@contextlib.contextmanager
def fixture():
    with client.running() as service:
        yield Plans(service)


def test_plans_are_made_changed_and_deleted(t):
    made = t.s.good("POST", "/leat/v1/plans", {
        "name": "gold", "from": "standard", "limits": {"partitions": 40, "retention_ms": 3600000},
        "settings": {"default_partitions": 2}}, status=201)
    assert (made["limits"]["partitions"], made["limits"]["connections"], made["clusters"]) == (40, 2000, 0)
    assert made["settings"]["default_partitions"] == 2 and not made["preset"]
    changed = t.s.good("PATCH", "/leat/v1/plans/gold", {"limits": {"partitions": 41}})
    assert (changed["limits"]["partitions"], changed["limits"]["retention_ms"]) == (41, 3600000)
    assert t.s.good("GET", "/leat/v1/plans/gold") == changed
    names = [p["name"] for p in t.s.good("GET", "/leat/v1/plans")["data"]]
    assert {"trial", "basic", "standard", "dedicated", "gold"} == set(names)
    answer = t.s.call("POST", "/leat/v1/plans", {"name": "gold"})
    assert answer.status == 409 and answer.headers["Location"].endswith("/leat/v1/plans/gold")
    for body in ({"name": "Gold!"}, {"name": "x", "from": "nothing"}, {"name": "x", "limits": {"partitions": 0}},
                 {"name": "x", "limits": {"colour": 1}}, {"name": "x", "limits": {"partitions": None}},
                 {"name": "x", "limits": {"memory_bytes": -1}}, {"name": "x", "settings": {"default_partitions": 0}}):
        error = t.s.refused(422, "POST", "/leat/v1/plans", body)["errors"][0]
        assert error["source"]["pointer"], error
    t.s.refused(409, "DELETE", "/leat/v1/plans/basic")
    t.s.refused(404, "PATCH", "/leat/v1/plans/nothing", {"limits": {}})


def test_a_cluster_takes_any_plan_and_shows_as_basic(t):
    assert t.s.good("PATCH", t.path, {"plan": "gold"})["limits"]["partitions"] == 41
    assert t.s.good("GET", f"/cmk/v2/clusters/{t.cluster}")["spec"]["config"] == {"kind": "Basic"}
    assert t.s.good("GET", "/leat/v1/plans/gold")["clusters"] == 1
    t.s.refused(409, "DELETE", "/leat/v1/plans/gold")
    t.s.refused(422, "PATCH", t.path, {"plan": "nothing"})


def test_a_limit_of_its_own_stands_in_place_of_the_plan_s(t):
    shown = t.s.good("PATCH", t.path, {"limits": {"partitions": 9, "message_bytes": 5000000}})
    assert (shown["limits"]["partitions"], shown["own_limits"]) == (9, {"partitions": 9, "message_bytes": 5000000})
    row = t.limits()["partitions"]
    assert (row["limit"], row["plan_limit"], row["own_limit"], row["use"]) == (9, 41, 9, 0)
    t.s.good("POST", f"/kafka/v3/clusters/{t.cluster}/topics", {"topic_name": "a", "partitions_count": 6}, status=201)
    refused = t.s.refused(400, "POST", f"/kafka/v3/clusters/{t.cluster}/topics", {"topic_name": "b", "partitions_count": 4})
    assert "9 partitions" in refused["message"], refused
    assert t.limits()["partitions"]["use"] == 6
    t.s.refused(422, "PATCH", t.path, {"limits": {"partitions": 5}})
    assert t.s.good("PATCH", t.path, {"limits": {"partitions": None}})["limits"]["partitions"] == 41
    t.s.refused(422, "PATCH", t.path, {"limits": {"partitions": "many"}})


def test_who_manages_a_cluster_picks_its_plan_but_sets_no_limits_of_its_own(t):
    account = t.s.good("POST", "/iam/v2/service-accounts", {"display_name": "manager", "description": ""}, status=201)["id"]
    made = t.s.good("POST", "/iam/v2/api-keys", {"spec": {
        "display_name": "k", "description": "", "owner": {"id": account}, "resource": {"id": "cloud"}}}, status=202)
    key = (made["id"], made["spec"]["secret"])
    crn = t.s.good("GET", f"/cmk/v2/clusters/{t.cluster}")["metadata"]["resource_name"].split("/kafka=")[0]
    t.s.good("POST", "/iam/v2/role-bindings", {
        "principal": f"User:{account}", "role_name": "CloudClusterAdmin", "crn_pattern": crn}, status=201)
    assert t.s.good("PATCH", t.path, {"plan": "gold"}, key=key)["plan"] == "gold"
    refused = t.s.refused(403, "PATCH", t.path, {"limits": {"partitions": 1000}}, key=key)
    assert "plan.manage" in refused["errors"][0]["detail"], refused
    t.s.refused(403, "PATCH", "/leat/v1/plans/gold", {"limits": {"partitions": 1000}}, key=key)


def test_retention_is_the_plan_s_at_most(t):
    path = f"/kafka/v3/clusters/{t.cluster}/topics"
    t.s.good("POST", path, {"topic_name": "short"}, status=201)
    config = t.s.good("GET", path + "/short/configs/retention.ms")
    assert config["value"] == "3600000"
    refused = t.s.refused(400, "PUT", path + "/short/configs/retention.ms", {"value": "3600001"})
    assert "plan" in refused["message"], refused
    t.s.good("PUT", path + "/short/configs/retention.ms", {"value": "1000"}, status=204)
    assert t.limits()["retention_ms"]["use"] == 3600000


def test_a_changed_plan_is_enforced_by_running_brokers(t):
    key = t.s.make_key(t.cluster)
    bootstrap = t.s.good("GET", t.path)["bootstrap_servers"]
    produce = ("-P", "-t", "short", "-p", "0", "-X", "message.timeout.ms=4000")
    assert kcat(bootstrap, key, *produce, data="x" * 20000)[0] == 0
    t.s.good("PATCH", "/leat/v1/plans/gold", {"limits": {"message_bytes": 2048}})
    t.s.good("PATCH", t.path, {"limits": {"message_bytes": None}})
    version = t.s.good("GET", t.path)["metadata_version"]
    wait_for(lambda: t.s.good("GET", t.path)["acknowledged_version"] >= version, "the broker knows its limits")
    assert kcat(bootstrap, key, *produce, data="x" * 20000)[0] != 0


def test_the_plan_s_rate_of_requests_slows_clients_down(t):
    key = t.s.make_key(t.cluster, "fast")
    bootstrap = t.s.good("GET", t.path)["bootstrap_servers"]
    t.s.good("PATCH", t.path, {"limits": {"requests_per_s": 10, "message_bytes": None}})
    begin = time.monotonic()
    code, _out, error = kcat(bootstrap, key, "-P", "-t", "short", "-p", "0", "-X", "batch.num.messages=1", "-X", "max.in.flight=1",
                             data="".join(f"{i}\n" for i in range(40)))
    assert code == 0, error
    assert time.monotonic() - begin > 2, "40 requests need three seconds beyond the first one's burst"
    wait_for(lambda: t.s.good("GET", t.path)["totals"]["throttle_ms"] > 1000, "the throttling is told")
    t.s.good("PATCH", t.path, {"limits": {"requests_per_s": None}})


def test_connections_beyond_the_plan_s_rate_are_closed(t):
    host, port = t.s.good("GET", t.path)["bootstrap_servers"].split(":")
    t.s.good("PATCH", t.path, {"limits": {"connections_per_s": 2}})
    sockets = [socket.create_connection((host, int(port))) for _ in range(8)]
    try:
        ended = wait_for(lambda: [s for s in select.select(sockets, [], [], 0)[0] if s.recv(1) == b""], "some are closed")
        assert 1 <= len(ended) < 8
    finally:
        for s in sockets:
            s.close()
    t.s.good("PATCH", t.path, {"limits": {"connections_per_s": None}})


def test_service_quotas_are_the_real_limits_with_their_use(t):
    base = "/service-quota/v1/applied-quotas"
    of_org = {q["id"]: q for q in t.s.good("GET", base + "?scope=ORGANIZATION&page_size=200")["data"]}
    clusters = of_org["kafka.max_clusters.per_org"]
    assert (clusters["applied_limit"], clusters["usage"]) == (5000, 1) and clusters["organization"]["id"]
    one = f"{base}?scope=KAFKA_CLUSTER&kafka_cluster={t.cluster}"
    rows = {q["id"]: q for q in t.s.good("GET", one + "&page_size=200")["data"]}
    partitions = rows["kafka.max_partitions.per_cluster"]
    assert (partitions["default_limit"], partitions["applied_limit"], partitions["usage"]) == (41, 41, 8), partitions
    assert partitions["kafka_cluster"]["id"] == t.cluster and partitions["environment"]["id"] == t.environment
    same = t.s.good("GET", f"{base}/kafka.max_partitions.per_cluster?kafka_cluster={t.cluster}")
    assert same["usage"] == 8
    seen, path = [], one + "&page_size=4"
    while path:
        page = t.s.good("GET", path)
        seen, path = seen + [q["id"] for q in page["data"]], page["metadata"]["next"]
    assert sorted(seen) == sorted(rows) and len(page["data"]) < 5
    assert [q["id"] for q in t.s.good("GET", one + "&id=kafka.max_connections.per_cluster")["data"]] == [
        "kafka.max_connections.per_cluster"]
    assert t.s.good("GET", one + "&environment=env-none")["data"] == t.s.good("GET", one + "&network=n-1")["data"] == []
    t.s.refused(400, "GET", base)
    t.s.refused(400, "GET", base + "?scope=GALAXY")
    t.s.refused(400, "GET", one + "&page_size=201")
    t.s.refused(404, "GET", base + "/kafka.max_partitions.per_cluster")
    assert [s["id"] for s in t.s.good("GET", "/service-quota/v1/scopes")["data"]] == ["ORGANIZATION", "KAFKA_CLUSTER"]
    assert t.s.good("GET", "/service-quota/v1/scopes/ORGANIZATION")["description"]
    t.s.refused(404, "GET", "/service-quota/v1/scopes/GALAXY")


def test_a_cluster_whose_plan_ends_is_paused_and_says_why(t):
    shown = t.s.good("PATCH", t.path, {"plan": "trial"})
    assert shown["limits"]["lifetime_ms"] == 14 * 86400000 and shown["expires_at"] and not shown["paused"]
    t.s.good("PATCH", t.path, {"limits": {"lifetime_ms": 1000}})
    ended = wait_for(lambda: (lambda c: c["paused"] and c)(t.s.good("GET", t.path)), "its time is over")
    assert "trial" in ended["paused"]["reason"], ended
    refused = t.s.refused(409, "POST", t.path + ":resume")
    assert "another plan" in refused["errors"][0]["detail"], refused
    assert t.limits()["lifetime_ms"]["use"] >= 1000
    t.s.good("PATCH", t.path, {"plan": "gold", "limits": {"lifetime_ms": None}})
    t.s.good("POST", t.path + ":resume")
    assert t.s.running(t.cluster)["expires_at"] is None


def test_a_plan_that_no_cluster_has_goes(t):
    t.s.good("PATCH", t.path, {"plan": "dedicated", "cku": 2})
    assert t.limits()["connections"]["limit"] == 20000
    t.s.refused(422, "PATCH", t.path, {"cku": 0})
    t.s.good("DELETE", "/leat/v1/plans/gold", status=204)
    t.s.refused(404, "GET", "/leat/v1/plans/gold")
