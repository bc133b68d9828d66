"""What the `confluent` CLI (on-prem commands, --url http://host:port/kafka) and the Terraform provider call, in
their order and with the fields that they read; neither tool is in a package registry."""
import contextlib
import urllib.parse

import client
from client import text, wait_for
from leatd import kcat


class Tools:
    def __init__(self, server):
        self.s = server
        self.environment = server.make_environment("tools")
        self.cluster = server.make_cluster(self.environment)
        self.id = self.cluster["id"]
        self.key = server.make_key(self.id, "tool")[:2]

    def get(self, path, status=200):
        """As the CLI: the path's base is what the user gave, /v3 behind it; one key for everything."""
        return self.s.call("GET", "/kafka/v3" + path, key=self.key) if status is None else \
            self.s.good("GET", "/kafka/v3" + path, key=self.key, status=status)

    def first_cluster(self):
        """The first call of every on-prem command."""
        return self.get("/clusters")["data"][0]["cluster_id"]


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield Tools(server)


# --- confluent kafka …  ---------------------------------------------------------------------------------


def test_cli_topic_create_describe_update_delete(t):
    base = f"/clusters/{t.first_cluster()}"
    made = t.s.good("POST", "/kafka/v3" + base + "/topics", {
        "topic_name": "cli", "partitions_count": 3, "replication_factor": 1,
        "configs": [{"name": "retention.ms", "value": "3600000"}]}, key=t.key, status=201)
    assert (made["topic_name"], made["partitions_count"]) == ("cli", 3)
    assert "cli" in [x["topic_name"] for x in t.get(base + "/topics")["data"]]
    partitions = t.get(base + "/topics/cli/partitions")["data"]
    for p in partitions:  # describe: leader, replicas and in-sync replicas of each
        replicas = t.get(f"{base}/topics/cli/partitions/{p['partition_id']}/replicas")["data"]
        assert [(r["broker_id"], r["is_leader"], r["is_in_sync"]) for r in replicas] == [(1, True, True)]
    configs = {c["name"]: c["value"] for c in t.get(base + "/topics/cli/configs")["data"]}
    assert configs["retention.ms"] == "3600000"
    t.s.good("POST", "/kafka/v3" + base + "/topics/cli/configs:alter",
             {"data": [{"name": "retention.ms", "value": "7200000"}]}, key=t.key, status=204)
    assert t.get(base + "/topics/cli/configs/retention.ms")["value"] == "7200000"
    t.get(base + "/topics/cli")
    t.s.good("DELETE", "/kafka/v3" + base + "/topics/cli", key=t.key, status=204)
    gone = t.get(base + "/topics/cli", status=None)
    assert gone.status == 404 and gone.json["error_code"] == 40403  # the CLI knows this code


def test_cli_broker_and_partition_commands(t):
    base = f"/clusters/{t.first_cluster()}"
    brokers = t.get(base + "/brokers")["data"]
    assert [(b["broker_id"], b["host"]) for b in brokers] == [(1, "127.0.0.1")] and brokers[0]["port"]
    assert t.get(base)["controller"]["related"].endswith("/brokers/1")
    names = [c["name"] for c in t.get(base + "/brokers/1/configs")["data"]]
    assert "num.partitions" in names
    assert t.get(base + "/brokers/1/configs/num.partitions")["broker_id"] == 1
    assert t.get(base + "/broker-configs")["kind"] == "KafkaClusterConfigList"  # describe --all
    for path in ("/brokers/1/configs:alter", "/broker-configs:alter"):  # update --config
        refused = t.s.refused(400, "POST", "/kafka/v3" + base + path,
                              {"data": [{"name": "num.partitions", "value": "12"}]}, key=t.key)
        assert refused["message"], refused
    t.s.make_topic(t.id, "parts", 2)
    assert [p["partition_id"] for p in t.get(base + "/topics/parts/partitions")["data"]] == [0, 1]
    assert t.get(base + "/topics/parts/partitions/1")["leader"]["related"].endswith("/replicas/1")
    for path in ("/topics/-/partitions/-/reassignment", "/topics/parts/partitions/-/reassignment"):
        assert t.get(base + path)["data"] == []
    assert t.get(base + "/topics/parts/partitions/0/replicas/1")["broker_id"] == 1


def test_cli_consumer_group_commands(t):
    base = f"/clusters/{t.first_cluster()}"
    t.s.make_topic(t.id, "lag", 2)
    t.s.produce(t.id, "lag", *[{"partition_id": i % 2, **text(str(i))} for i in range(10)])
    code, out, err = kcat(t.cluster["bootstrap_servers"], t.key, "-q", "-X", "auto.offset.reset=earliest", "-c", "10",
                          "-G", "cli-group", "lag", timeout=60)
    assert code == 0 and len(out.split()) == 10, err
    t.s.produce(t.id, "lag", {"partition_id": 1, **text("more")})
    groups = t.get(base + "/consumer-groups")["data"]
    assert [g["consumer_group_id"] for g in groups] == sorted(g["consumer_group_id"] for g in groups)
    path = base + "/consumer-groups/cli-group"
    wait_for(lambda: t.get(path)["state"] == "EMPTY", "the consumer has left")
    group = t.get(path)
    assert (group["type"], group["is_simple"], group["is_mixed_consumer_group"]) == ("CLASSIC", False, False), group
    assert group["coordinator"]["related"].endswith("/brokers/1")
    assert t.get(path + "/consumers")["data"] == []
    summary = t.get(path + "/lag-summary")
    assert (summary["max_lag"], summary["total_lag"], summary["max_lag_partition_id"]) == (1, 1, 1), summary
    lags = t.get(path + "/lags")["data"]
    assert [(x["partition_id"], x["lag"], x["consumer_id"]) for x in lags] == [(1, 1, ""), (0, 0, "")], lags
    one = t.get(path + "/lags/lag/partitions/1")
    assert (one["current_offset"], one["log_end_offset"]) == (5, 6)
    for missing in ("/consumer-groups/none", path.removeprefix(base) + "/lags/lag/partitions/7",
                    path.removeprefix(base) + "/consumers/none"):
        assert t.get(base + missing, status=None).status == 404, missing


def acl(t, operation, **more):
    return {"resource_type": "TOPIC", "resource_name": "shop", "pattern_type": "PREFIXED",
            "principal": "User:sa-other", "host": "*", "operation": operation, "permission": "ALLOW", **more}


def test_cli_acl_commands(t):
    base = f"/kafka/v3/clusters/{t.first_cluster()}/acls"
    for operation in ("READ", "WRITE"):
        t.s.good("POST", base, acl(t, operation), key=t.key, status=201)
    query = urllib.parse.urlencode({"principal": "User:sa-other"})
    assert [a["operation"] for a in t.s.good("GET", f"{base}?{query}", key=t.key)["data"]] == ["READ", "WRITE"]
    lower = urllib.parse.urlencode({k: v.lower() if k != "principal" else v for k, v in acl(t, "READ").items()})
    assert len(t.s.good("GET", f"{base}?{lower}", key=t.key)["data"]) == 1
    everything = urllib.parse.urlencode({"resource_type": "topic", "pattern_type": "any", "operation": "any",
                                         "permission": "any", "principal": "User:sa-other"})
    assert len(t.s.good("DELETE", f"{base}?{everything}", key=t.key)["data"]) == 2
    assert t.s.good("DELETE", f"{base}?{everything}", key=t.key)["data"] == []
    for query in ("resource_type=unknown", "operation=unknown", "pattern_type=unknown", "permission=unknown"):
        assert t.s.refused(400, "GET", f"{base}?{query}", key=t.key)["error_code"] == 400
    for bad in ({"operation": "ANY"}, {"permission": "ANY"}, {"pattern_type": "MATCH"}, {"resource_type": "ANY"}):
        assert t.s.refused(400, "POST", base, {**acl(t, "READ"), **bad}, key=t.key)["error_code"] == 400, bad


# --- Terraform, one cluster -----------------------------------------------------------------------------------


def test_terraform_topic_without_drift(t):
    base = f"/kafka/v3/clusters/{t.id}/topics"
    wanted = {"cleanup.policy": "delete", "max.message.bytes": "1048588", "retention.ms": "604800000",
              "min.insync.replicas": "1"}  # defaults too: what the user wrote must come back as his
    made = t.s.good("POST", base, {"topic_name": "tf.orders", "partitions_count": 2, "configs": [
        {"name": n, "value": v} for n, v in wanted.items()]}, key=t.key, status=201)
    assert made["replication_factor"] >= 0

    def read():
        shown = t.s.good("GET", base + "/tf.orders", key=t.key)
        rows = t.s.good("GET", base + "/tf.orders/configs", key=t.key)["data"]
        return shown["partitions_count"], {c["name"]: c["value"] for c in rows if c["source"] == "DYNAMIC_TOPIC_CONFIG"}
    assert read() == (2, wanted)
    t.s.good("PATCH", base + "/tf.orders", {"partitions_count": 4}, key=t.key, status=200)
    wanted.update({"retention.ms": "86400000", "segment.ms": "600000"})
    t.s.good("POST", base + "/tf.orders/configs:alter", {"data": [
        {"name": n, "value": wanted[n], "operation": "SET"} for n in ("retention.ms", "segment.ms")]}, key=t.key, status=204)
    assert read() == (4, wanted)
    t.s.good("DELETE", base + "/tf.orders", key=t.key, status=204)
    wait_for(lambda: t.s.call("GET", base + "/tf.orders", key=t.key).status == 404, "the topic is gone")


def test_terraform_acl_matches_exactly_one(t):
    base = f"/kafka/v3/clusters/{t.id}/acls"
    wanted = acl(t, "DESCRIBE", principal="User:sa-tf")
    t.s.good("POST", base, wanted, key=t.key, status=201)
    filter_of = urllib.parse.urlencode(wanted)
    row, = t.s.good("GET", f"{base}?{filter_of}", key=t.key)["data"]
    assert {n: row[n] for n in wanted} == wanted and "resource_name" not in row["metadata"]
    assert t.s.good("GET", f"{base}?{filter_of}", key=t.key)["metadata"]["self"].endswith(f"acls?{filter_of}")
    t.s.good("DELETE", f"{base}?{filter_of}", key=t.key, status=200)
    assert t.s.good("GET", f"{base}?{filter_of}", key=t.key)["data"] == []


def test_terraform_cluster_settings_are_refused_with_a_sentence(t):
    base = f"/kafka/v3/clusters/{t.id}/broker-configs"
    refused = t.s.refused(400, "POST", base + ":alter", {"data": [{"name": "auto.create.topics.enable", "value": "true",
                                                                  "operation": "SET"}]}, key=t.key)
    assert refused["error_code"] == 40002 and "plan" in refused["message"]
    assert t.s.good("GET", base, key=t.key)["data"] == []


# --- Terraform, everything ------------------------------------------------------------------------------------


def test_terraform_from_an_environment_to_a_key_that_works_at_once(t):
    environment = t.s.good("POST", "/org/v2/environments", {"display_name": "terraform"}, status=201)
    path = f"/org/v2/environments/{environment['id']}"
    assert environment["metadata"]["resource_name"].startswith("crn://")
    spec = {"display_name": "inventory", "availability": "SINGLE_ZONE", "cloud": "AWS", "region": "local",
            "config": {"kind": "Basic"}, "environment": {"id": environment["id"]}}
    cluster = t.s.good("POST", "/cmk/v2/clusters", {"spec": spec}, status=202)
    at = f"/cmk/v2/clusters/{cluster['id']}?environment={environment['id']}"
    shown = wait_for(lambda: (c := t.s.good("GET", at))["status"]["phase"] == "PROVISIONED" and c, "it is provisioned")
    assert shown["id"].startswith("lkc-") and "/kafka=lkc-" in shown["metadata"]["resource_name"]
    assert shown["spec"]["http_endpoint"].startswith("http") and ":" in shown["spec"]["kafka_bootstrap_endpoint"]
    account = t.s.good("POST", "/iam/v2/service-accounts", {"display_name": "tf-app", "description": "app"}, status=201)
    key = t.s.good("POST", "/iam/v2/api-keys", {"spec": {
        "display_name": "tf-key", "owner": {"id": account["id"], "api_version": "iam/v2", "kind": "ServiceAccount"},
        "resource": {"id": cluster["id"], "api_version": "cmk/v2", "kind": "Cluster",
                     "environment": {"id": environment["id"]}}}}, status=202)
    login = (key["id"], key["spec"]["secret"])
    topics = f"{shown['spec']['http_endpoint']}/kafka/v3/clusters/{cluster['id']}/topics"
    for _ in range(2):  # the provider wants to see it twice in a row
        assert t.s.call("GET", topics, key=login).status == 200
    assert not t.s.good("GET", f"/iam/v2/api-keys/{key['id']}")["spec"].get("secret")
    # Its examples bind the account to CloudClusterAdmin, and go on with the cluster key.
    t.s.refused(403, "POST", topics, {"topic_name": "tf"}, key=login)
    binding = t.s.good("POST", "/iam/v2/role-bindings", {
        "principal": f"User:{account['id']}", "role_name": "CloudClusterAdmin",
        "crn_pattern": shown["metadata"]["resource_name"].split("/kafka=")[0]}, status=201)
    t.s.good("POST", topics, {"topic_name": "tf"}, key=login, status=201)
    acls = topics.replace("/topics", "/acls")
    deny = {"resource_type": "TOPIC", "resource_name": "t", "pattern_type": "PREFIXED",
            "principal": f"User:{account['id']}", "host": "*", "operation": "DELETE", "permission": "DENY"}
    assert t.s.call("POST", acls, deny, key=login).status == 201
    t.s.refused(403, "DELETE", f"{topics}/tf", key=login)  # no role opens what an ACL denies
    t.s.good("DELETE", f"/iam/v2/role-bindings/{binding['id']}")
    t.s.refused(403, "POST", topics, {"topic_name": "tf-2"}, key=login)
    t.s.good("DELETE", f"/iam/v2/api-keys/{key['id']}", status=204)
    t.s.good("DELETE", f"/iam/v2/service-accounts/{account['id']}", status=204)
    t.s.good("DELETE", at, status=204)
    wait_for(lambda: t.s.call("GET", at).status == 404, "the cluster is gone")
    wait_for(lambda: t.s.call("DELETE", path).status in (204, 404), "the environment is gone")
