"""What a team does, in order, by REST: an environment, a cluster, topics, an account with a key, ACLs,
records, lag, a quota; then everything is deleted. Every answer is held against the contract."""
import contextlib
import json
import tempfile
import time
import urllib.parse

import client
import contract
from client import text, wait_for
from certificates import Authority  # of tests/lib, which client adds to the path
from tokens import Issuer

CLUSTERS = 0  # --clusters N: test_many_clusters makes so many


class Story:
    def __init__(self, server):
        self.s = server
        self.environment = server.make_environment("story")
        self.cluster = server.make_cluster(self.environment)["id"]
        self.kafka = f"/kafka/v3/clusters/{self.cluster}"
        self.leat = f"/leat/v1/clusters/{self.cluster}"


@contextlib.contextmanager
def fixture():
    with client.running(ports=max(20, 2 * CLUSTERS + 10)) as server:
        yield Story(server)


def test_an_environment_can_be_renamed(t):
    path = f"/org/v2/environments/{t.environment}"
    assert t.s.good("GET", path)["display_name"] == "story"
    assert t.s.good("PATCH", path, {"display_name": "story 2"})["display_name"] == "story 2"
    assert t.environment in [e["id"] for e in t.s.good("GET", "/org/v2/environments?page_size=100")["data"]]
    organization = t.s.good("GET", "/org/v2/organizations")["data"][0]["id"]
    t.s.good("GET", f"/org/v2/organizations/{organization}")


def test_lists_come_in_pages_that_next_leads_through(t):
    for i in range(3):
        t.s.make_environment(f"page {i}")
    seen, path = [], "/org/v2/environments?page_size=2"
    for _ in range(10):
        page = t.s.good("GET", path)
        assert len(page["data"]) <= 2
        seen += [e["id"] for e in page["data"]]
        if not page["metadata"]["next"]:
            break
        assert "page_token=" in page["metadata"]["next"]
        path = page["metadata"]["next"]
    assert len(seen) == len(set(seen)) >= 4
    for e in t.s.good("GET", "/org/v2/environments?page_size=100")["data"]:
        if e["display_name"].startswith("page "):
            t.s.good("DELETE", f"/org/v2/environments/{e['id']}", status=204)


def test_a_cluster_tells_what_it_serves_tls_with_and_takes_another(t):
    own = t.s.good("GET", "/leat/v1/certificate-authority")
    served = t.s.good("GET", f"{t.leat}/certificate")
    assert served["issuer"] == own["subject"] and served["source"] == "leat" and served["fits_host"]
    assert t.s.call("GET", f"{t.leat}/ca.pem").body.decode() == own["certificate"]
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(folder)
        pem, key = authority.issue("kafka")

        def read(path):
            with open(path, encoding="utf-8") as f:
                return f.read()

        given = {"certificate": read(pem), "private_key": read(key)}
        assert t.s.good("PUT", f"{t.leat}/certificate", given)["source"] == "operator"
        other, _ = authority.issue("other")
        t.s.refused(400, "PUT", f"{t.leat}/certificate", {**given, "certificate": read(other)})
        t.s.refused(400, "PUT", f"{t.leat}/certificate", {"certificate": read(pem)})
        clients = {"client_auth": "requested", "client_ca": read(authority.pem)}
        assert t.s.good("PUT", f"{t.leat}/client-auth", clients)["client_auth"] == "requested"
        t.s.refused(422, "PUT", f"{t.leat}/client-auth", {"client_auth": "maybe"})
        assert t.s.good("PUT", f"{t.leat}/client-auth", {"client_auth": "none"})["client_ca"] == ""
    again = t.s.good("DELETE", f"{t.leat}/certificate")
    assert again["source"] == "leat" and again["sha256_fingerprint"] != served["sha256_fingerprint"]
    assert t.s.good("GET", t.leat)["tls_bootstrap_servers"] == again["bootstrap_servers"]


def test_a_cluster_takes_bearer_tokens_of_an_issuer(t):
    path = f"{t.leat}/authentication"
    assert t.s.good("GET", path)["jwks"] == ""
    with tempfile.TemporaryDirectory() as folder:
        issuer = Issuer(folder)
    wanted = {"issuer": issuer.url, "audience": "kafka", "jwks": json.dumps(issuer.key_set),
              "connections_max_reauth_ms": 60000}
    assert t.s.good("PUT", path, wanted)["principal_claim"] == "sub"
    for bad in ({"jwks": "{}"}, {"issuer": ""}, {"jwks_url": "file:///etc/passwd"}, {"jwks_url": "http://h/jwks"},
                {"jwks_url": "https://127.0.0.1:1/jwks"}, {"connections_max_reauth_ms": 5}):
        answer = t.s.call("PUT", path, {**wanted, **bad})
        assert answer.status in (400, 422), (bad, answer)
    t.s.refused(422, "PUT", path, {"clock_skew_ms": -1})
    assert t.s.good("GET", path)["connections_max_reauth_ms"] == 60000
    assert t.s.good("PUT", path, {})["jwks"] == ""


def test_a_cluster_shows_state_limits_and_how_to_connect(t):
    cluster = t.s.good("GET", t.leat)
    assert cluster["state"]["name"] == "running" and cluster["bootstrap_servers"].startswith("127.0.0.1:")
    assert cluster["limits"]["partitions"] > 0
    assert t.cluster in [c["id"] for c in t.s.good("GET", "/leat/v1/clusters")["data"]]
    shown = t.s.good("GET", f"/cmk/v2/clusters/{t.cluster}?environment={t.environment}")
    assert shown["status"]["phase"] == "PROVISIONED"
    assert shown["spec"]["http_endpoint"] == t.s.base
    assert t.s.good("GET", f"/cmk/v2/clusters?environment={t.environment}")["data"][0]["id"] == t.cluster
    assert t.s.good("PATCH", t.leat, {"tag": "staging"})["tag"] == "staging"
    body = {"spec": {"display_name": "two", "environment": {"id": t.environment}}}
    assert t.s.good("PATCH", f"/cmk/v2/clusters/{t.cluster}", body)["spec"]["display_name"] == "two"
    t.s.good("GET", "/leat/v1/plans")


def test_the_kafka_dialect_lists_the_cluster_and_its_broker(t):
    assert [c["cluster_id"] for c in t.s.good("GET", "/kafka/v3/clusters")["data"]] == [t.cluster]
    assert t.s.good("GET", t.kafka)["topics"]["related"] == t.s.base + t.kafka + "/topics"
    broker = t.s.good("GET", t.kafka + "/brokers")["data"][0]
    assert t.s.good("GET", f"{t.kafka}/brokers/{broker['broker_id']}")["port"] == broker["port"]
    assert t.s.refused(404, "GET", t.kafka + "/brokers/9")["error_code"] == 404
    assert t.s.refused(404, "GET", "/kafka/v3/clusters/lkc-none")["error_code"] == 404


def test_a_topic_is_usable_as_soon_as_it_was_created(t):
    topic = t.s.good("POST", t.kafka + "/topics", {
        "topic_name": "orders", "partitions_count": 3, "replication_factor": 3,
        "configs": [{"name": "retention.ms", "value": "86400000"}]}, status=201)
    assert (topic["partitions_count"], topic["replication_factor"]) == (3, 3)
    result = t.s.produce(t.cluster, "orders", text("first", "k"))
    assert result[0]["error_code"] == 200 and result[0]["offset"] == 0, result
    assert t.s.good("GET", t.kafka + "/topics/orders")["topic_name"] == "orders"
    assert "orders" in [x["topic_name"] for x in t.s.good("GET", t.kafka + "/topics")["data"]]
    again = t.s.refused(400, "POST", t.kafka + "/topics", {"topic_name": "orders"})
    assert again["error_code"] == 40002, again


def test_validate_only_creates_nothing(t):
    t.s.good("POST", t.kafka + "/topics", {"topic_name": "ghost", "validate_only": True}, status=200)
    t.s.refused(404, "GET", t.kafka + "/topics/ghost")


def test_partitions_can_be_added_but_not_taken_away(t):
    path = t.kafka + "/topics/orders"
    assert t.s.good("PATCH", path, {"partitions_count": 4})["partitions_count"] == 4
    assert t.s.refused(400, "PATCH", path, {"partitions_count": 2})["error_code"] == 40002
    assert len(t.s.good("GET", path + "/partitions")["data"]) == 4
    assert t.s.good("GET", path + "/partitions/3")["partition_id"] == 3
    assert t.s.good("GET", path + "/partitions/3/replicas")["data"][0]["is_leader"]
    assert t.s.refused(404, "GET", path + "/partitions/4")["error_code"] == 40402
    offsets = [t.s.good("GET", f"{path}/partitions/{p}/offset")["latest_offset"] for p in range(4)]
    assert sum(offsets) == 1, offsets


def test_configs_tell_what_a_user_set_from_what_is_default(t):
    path = t.kafka + "/topics/orders/configs"
    configs = {c["name"]: c for c in t.s.good("GET", path)["data"]}
    assert configs["retention.ms"]["source"] == "DYNAMIC_TOPIC_CONFIG"
    assert configs["cleanup.policy"]["source"] == "DEFAULT_CONFIG"
    t.s.good("PUT", path + "/retention.bytes", {"value": "1000000"}, status=204)
    assert t.s.good("GET", path + "/retention.bytes")["value"] == "1000000"
    t.s.good("POST", path + ":alter", {"data": [
        {"name": "retention.bytes", "operation": "DELETE"},
        {"name": "max.message.bytes", "value": "500000"}]}, status=204)
    assert t.s.good("GET", path + "/retention.bytes")["is_default"]
    assert t.s.good("GET", path + "/max.message.bytes")["value"] == "500000"
    t.s.good("DELETE", path + "/max.message.bytes", status=204)
    assert t.s.good("GET", path + "/max.message.bytes")["is_default"]
    assert t.s.refused(404, "PUT", path + "/no.such.config", {"value": "1"})["error_code"] == 404
    assert t.s.refused(400, "PUT", path + "/retention.ms", {"value": "soon"})["error_code"] == 40002
    assert t.s.good("GET", t.kafka + "/topics/-/configs")["data"]
    assert t.s.good("GET", t.kafka + "/topics/new/default-configs")["data"]


def test_one_bad_config_of_several_changes_none(t):
    path = t.kafka + "/topics/orders/configs"
    t.s.refused(400, "POST", path + ":alter", {"data": [
        {"name": "segment.bytes", "value": "2000000"}, {"name": "retention.ms", "value": "never"}]})
    assert t.s.good("GET", path + "/segment.bytes")["is_default"]


def test_an_account_a_key_and_acls_open_just_what_they_say(t):
    t.key, secret, t.account = t.s.make_key(t.cluster, "shop", acls=False)
    t.key = (t.key, secret)
    t.s.good("GET", f"/iam/v2/service-accounts/{t.account}")
    t.s.good("PATCH", f"/iam/v2/service-accounts/{t.account}", {"description": "the shop"})
    t.s.good("GET", "/iam/v2/service-accounts")
    assert not t.s.good("GET", f"/iam/v2/api-keys/{t.key[0]}")["spec"].get("secret")
    t.s.good("PATCH", f"/iam/v2/api-keys/{t.key[0]}", {"spec": {"description": "of the shop"}})
    assert t.key[0] in [k["id"] for k in t.s.good("GET", f"/iam/v2/api-keys?spec.owner={t.account}")["data"]]
    assert t.s.good("GET", t.kafka + "/topics", key=t.key)["data"] == []
    assert t.s.refused(403, "GET", t.kafka + "/topics/orders", key=t.key)["error_code"] == 40301
    denied = t.s.call("POST", t.kafka + "/topics/orders/records", text("x"), key=t.key)
    assert denied.status == 403, denied
    acl = {"resource_type": "TOPIC", "resource_name": "ord", "pattern_type": "PREFIXED", "host": "*",
           "principal": f"User:{t.account}", "operation": "WRITE", "permission": "ALLOW"}
    answer = t.s.call("POST", t.kafka + "/acls", acl)
    assert answer.status == 201 and answer.body == b"", answer
    location = answer.headers["Location"]
    assert [a["operation"] for a in t.s.good("GET", location)["data"]] == ["WRITE"]
    assert [x["topic_name"] for x in t.s.good("GET", t.kafka + "/topics", key=t.key)["data"]] == ["orders"]
    assert t.s.produce(t.cluster, "orders", text("by key"), key=t.key)[0]["error_code"] == 200
    assert t.s.refused(403, "POST", t.kafka + "/topics", {"topic_name": "other"}, key=t.key)["error_code"] == 40301
    t.s.refused(403, "GET", f"{t.leat}/topics/orders/records", key=t.key)
    more = [dict(acl, operation=o) for o in ("READ", "CREATE")]
    t.s.good("POST", t.kafka + "/acls:batch", {"data": more}, status=201)
    assert t.s.good("GET", f"{t.leat}/topics/orders/records", key=t.key)["data"]
    t.s.good("POST", t.kafka + "/topics", {"topic_name": "orders-2"}, key=t.key, status=201)


def test_acls_are_deleted_by_filter_and_told(t):
    query = urllib.parse.urlencode({"resource_type": "TOPIC", "pattern_type": "ANY", "operation": "CREATE",
                                    "permission": "ANY", "principal": f"User:{t.account}"})
    gone = t.s.good("DELETE", f"{t.kafka}/acls?{query}", status=200)
    assert [a["operation"] for a in gone["data"]] == ["CREATE"]
    assert t.s.good("DELETE", f"{t.kafka}/acls?{query}")["data"] == []
    t.s.refused(400, "DELETE", f"{t.kafka}/acls?operation=READ")
    bad = {"resource_type": "CLUSTER", "resource_name": "mine", "pattern_type": "LITERAL", "host": "*",
           "principal": "User:x", "operation": "CREATE", "permission": "ALLOW"}
    assert t.s.refused(400, "POST", t.kafka + "/acls", bad)["error_code"] == 40002
    assert t.s.refused(400, "POST", t.kafka + "/acls", dict(bad, operation="ANY"))["error_code"] == 400


def test_records_of_every_kind_come_back_as_they_were(t):
    t.s.good("POST", t.kafka + "/topics", {"topic_name": "kinds", "partitions_count": 1}, status=201)
    results = t.s.produce(
        t.cluster, "kinds",
        {"key": {"type": "BINARY", "data": "AP8="}, "value": {"type": "BINARY", "data": "gIE="}},
        {"value": {"type": "JSON", "data": {"a": [1, 2.5, None, "ü"]}}, "timestamp": "2026-01-02T03:04:05.678Z"},
        {"key": {"type": "STRING", "data": "k"}, "value": None, "headers": [{"name": "h", "value": "aGVsbG8="}]},
        {"value": {"type": "AVRO", "data": "x"}},
        {"value": {"type": "BINARY", "data": "not base64!"}},
        {"partition_id": 7, "value": {"type": "STRING", "data": "x"}},
        {"value": {"type": "STRING", "data": ""}})
    codes = [r["error_code"] for r in results]
    assert codes == [200, 200, 200, 400, 400, 40402, 200], results
    assert [r["offset"] for r in results if r["error_code"] == 200] == [0, 1, 2, 3]
    assert results[1]["timestamp"] == "2026-01-02T03:04:05.678Z"
    page = t.s.good("GET", f"{t.leat}/topics/kinds/records?from=oldest")
    by_offset = {r["offset"]: r for r in page["data"]}
    assert by_offset[0]["key"] == {"encoding": "base64", "data": "AP8=", "size": 2}
    assert by_offset[0]["value"]["data"] == "gIE="
    assert json.loads(by_offset[1]["value"]["data"]) == {"a": [1, 2.5, None, "ü"]}
    assert by_offset[1]["timestamp"] == 1767323045678
    assert by_offset[2]["value"]["encoding"] == "null" and by_offset[2]["value"]["data"] is None
    assert by_offset[2]["headers"] == [{"name": "h", "encoding": "utf8", "value": "hello"}]
    assert by_offset[3]["value"] == {"encoding": "utf8", "data": "", "size": 0}


def test_a_syntax_error_ends_the_stream_with_one_item(t):
    answer = t.s.call("POST", t.kafka + "/topics/kinds/records", raw=json.dumps(text("a")).encode() + b" {oops")
    items = [json.loads(x) for x in answer.body.decode().splitlines()]
    assert [i["error_code"] for i in items] == [200, 400], items


def test_many_records_keep_their_order_within_a_partition(t):
    t.s.good("POST", t.kafka + "/topics", {"topic_name": "many", "partitions_count": 4}, status=201)
    for chunk in range(4):
        results = t.s.produce(t.cluster, "many", *[text(f"{chunk * 500 + i}", f"key-{i % 7}") for i in range(500)])
        assert all(r["error_code"] == 200 for r in results)
    seen, offset = {}, 0
    for p in range(4):
        offset = 0
        while True:
            page = t.s.good("GET", f"{t.leat}/topics/many/records?from=offset&offset={offset}&partition={p}&limit=500")
            for r in page["data"]:
                assert r["offset"] == offset
                offset += 1
                seen.setdefault(r["key"]["data"], []).append(int(r["value"]["data"]))
            assert page["partitions"][0]["next_offset"] == offset
            if offset == page["partitions"][0]["end_offset"]:
                break
    assert sum(map(len, seen.values())) == 2000
    assert all(values == sorted(values) for values in seen.values())


def test_newest_first_holds_across_partitions(t):
    page = t.s.good("GET", f"{t.leat}/topics/many/records?limit=100")
    times = [r["timestamp"] for r in page["data"]]
    assert len(times) == 100 and times == sorted(times, reverse=True) and page["complete"]
    everything = t.s.good("GET", f"{t.leat}/topics/many/records?from=oldest&limit=500&filter=%271999%27")
    assert [r["value"]["data"] for r in everything["data"]] == ["1999"]
    found = t.s.good("GET", f"{t.leat}/topics/many/records?filter=%27KEY-3%27&limit=10")
    assert {r["key"]["data"] for r in found["data"]} == {"key-3"} and len(found["data"]) == 10
    at = page["data"][50]["timestamp"]
    later = t.s.good("GET", f"{t.leat}/topics/many/records?from=timestamp&timestamp={at}&limit=500")
    assert later["data"] and min(r["timestamp"] for r in later["data"]) >= at
    cut = t.s.good("GET", f"{t.leat}/topics/many/records?limit=1&max_bytes=1")["data"][0]
    assert cut["truncated"] and len(cut["value"]["data"]) == 1


def test_the_table_of_topics_filters_sorts_and_pages(t):
    table = t.s.good("GET", f"{t.leat}/topics?sort=records&order=desc&page_size=1")
    assert table["data"][0]["topic_name"] == "many" and table["data"][0]["records"] == 2000
    assert table["metadata"]["total_size"] == 4
    rest = t.s.good("GET", table["metadata"]["next"])
    assert rest["data"][0]["topic_name"] != "many"
    names = [x["topic_name"] for x in t.s.good("GET", f"{t.leat}/topics?filter=RDER")["data"]]
    assert names == ["orders", "orders-2"]
    assert any(x["is_internal"] for x in t.s.good("GET", f"{t.leat}/topics?internal=true")["data"])
    topic = t.s.good("GET", f"{t.leat}/topics/many")
    assert sum(p["end_offset"] - p["start_offset"] for p in topic["partitions"]) == 2000
    assert all(p["bytes"] > 0 for p in topic["partitions"] if p["end_offset"] > 0), topic["partitions"]
    t.s.refused(404, "GET", f"{t.leat}/topics/none")


def test_quotas_belong_to_principals(t):
    spec = {"display_name": "slow", "description": "", "throughput": {"ingress_byte_rate": "1000000", "egress_byte_rate": "2000000"},
            "cluster": {"id": t.cluster}, "environment": {"id": t.environment}, "principals": [{"id": t.account}]}
    quota = t.s.good("POST", "/kafka-quotas/v1/client-quotas", {"spec": spec})
    path = f"/kafka-quotas/v1/client-quotas/{quota['id']}"
    listed = t.s.good("GET", f"/kafka-quotas/v1/client-quotas?spec.cluster={t.cluster}&environment={t.environment}")
    assert [q["id"] for q in listed["data"]] == [quota["id"]]
    t.s.good("GET", path)
    changed = t.s.good("PATCH", path, {"spec": {"throughput": {"ingress_byte_rate": "500000", "egress_byte_rate": "2000000"}}})
    assert changed["spec"]["throughput"]["ingress_byte_rate"] == "500000"
    rows = {p["principal"]: p for p in t.s.good("GET", f"{t.leat}/principals")["data"]}
    assert rows[f"User:{t.account}"]["quota"]["ingress_bytes_per_s"] == 500000
    t.s.good("DELETE", path)


def test_groups_that_do_not_exist_are_not_found(t):
    assert t.s.good("GET", t.kafka + "/consumer-groups")["data"] == []
    assert t.s.good("GET", f"{t.leat}/groups")["data"] == []
    t.s.refused(404, "GET", t.kafka + "/consumer-groups/none")
    t.s.refused(404, "GET", t.kafka + "/consumer-groups/none/lags")
    t.s.refused(404, "GET", f"{t.leat}/groups/none")
    t.s.refused(404, "DELETE", f"{t.leat}/groups/none")


def test_a_restart_keeps_records_and_answers_503_meanwhile(t):
    t.s.good("POST", t.leat + ":restart", status=202)
    wait_for(lambda: t.s.good("GET", t.leat)["state"]["restarts"] or
             t.s.good("GET", t.leat)["state"]["name"] != "running", "the restart has begun")
    t.s.running(t.cluster)

    def read():
        answer = t.s.call("GET", f"{t.leat}/topics/many/records?limit=1")
        assert answer.status in (200, 503), answer
        return answer.status == 200 and answer.json["data"]
    assert wait_for(read, "records can be read after the restart")


def test_a_deleted_key_opens_nothing(t):
    t.s.good("DELETE", f"/iam/v2/api-keys/{t.key[0]}", status=204)
    t.s.refused(401, "GET", t.kafka + "/topics", key=t.key)
    t.s.good("DELETE", f"/iam/v2/service-accounts/{t.account}", status=204)


def test_a_deleted_topic_is_gone_with_its_records(t):
    t.s.good("DELETE", t.kafka + "/topics/many", status=204)
    t.s.refused(404, "GET", t.kafka + "/topics/many")
    t.s.refused(404, "DELETE", t.kafka + "/topics/many")
    t.s.good("POST", t.kafka + "/topics", {"topic_name": "many", "partitions_count": 1}, status=201)
    assert t.s.good("GET", t.kafka + "/topics/many/partitions/0/offset")["latest_offset"] == 0


def test_the_audit_names_every_change(t):
    entries, path = [], f"/leat/v1/audit?cluster_id={t.cluster}&page_size=100"
    while path:
        page = t.s.good("GET", path)
        entries += page["data"]
        path = page["metadata"]["next"]
    told = {e["operation"] for e in entries}
    assert {"topic.create", "topic.delete", "topic.partitions", "topic.configs", "acl.create", "acl.delete"} <= told, told
    assert "secret" not in json.dumps(entries).lower()


def test_many_clusters(t):
    """Only with --clusters N."""
    if not CLUSTERS:
        return
    ids, begin = [], time.monotonic()
    for i in range(CLUSTERS):
        body = {"spec": {"display_name": f"c{i}", "availability": "SINGLE_ZONE", "cloud": "leat", "region": "local",
                         "config": {"kind": "Basic"}, "environment": {"id": t.environment}}}
        ids.append(t.s.good("POST", "/cmk/v2/clusters", body, status=202)["id"])
    for cluster in ids:
        t.s.running(cluster)
        t.s.good("POST", f"/kafka/v3/clusters/{cluster}/topics", {"topic_name": "one"}, status=201)
        assert t.s.produce(cluster, "one", text("x"))[0]["error_code"] == 200
    print(f"   {CLUSTERS} clusters serve after {time.monotonic() - begin:.1f} s")
    spent = []
    for _ in range(10):
        begin = time.monotonic()
        t.s.good("GET", "/leat/v1/clusters?page_size=100")
        spent.append((time.monotonic() - begin) * 1000)
    print(f"   a page of 100 clusters takes {sorted(spent)[5]:.1f} ms")
    for cluster in ids:
        t.s.good("DELETE", f"/cmk/v2/clusters/{cluster}?environment={t.environment}", status=204)


def test_a_protected_cluster_is_kept_and_a_deleted_one_is_gone(t):
    path = f"/cmk/v2/clusters/{t.cluster}?environment={t.environment}"
    spec = {"environment": {"id": t.environment}, "deletion_protection": True}
    t.s.good("PATCH", f"/cmk/v2/clusters/{t.cluster}", {"spec": spec})
    t.s.refused(409, "DELETE", path)
    t.s.refused(409, "DELETE", f"/org/v2/environments/{t.environment}")
    t.s.good("PATCH", f"/cmk/v2/clusters/{t.cluster}", {"spec": dict(spec, deletion_protection=False)})
    t.s.good("DELETE", path, status=204)
    wait_for(lambda: t.s.call("GET", path).status == 404, "the cluster is gone")
    t.s.refused(404, "GET", t.kafka + "/topics")
    wait_for(lambda: t.s.call("DELETE", f"/org/v2/environments/{t.environment}").status in (204, 404),
             "the environment is gone")


def test_the_service_tells_of_itself(t):
    assert t.s.good("GET", "/healthz", key=False)["status"] == "ok"
    assert t.s.good("GET", "/readyz", key=False)["status"] == "ok"
    assert t.s.good("GET", "/leat/v1/info")["kafka_version"] == "4.2"
    metrics = t.s.call("GET", "/metrics")
    assert metrics.status == 200 and b"leat_http_requests_total" in metrics.body
