"""/kafka/v3 line by line: links, configs of topics, brokers and the cluster, replicas, reassignments. What
is written and read of records stands in test_records."""
import contextlib

import client


class Cluster:
    def __init__(self, server):
        self.s = server
        self.id = server.make_cluster(server.make_environment("kafka"))["id"]
        self.path = f"/kafka/v3/clusters/{self.id}"
        server.make_topic(self.id, "b", 2)
        server.make_topic(self.id, "a", 1)

    def good(self, method, path, *args, **kwargs):
        return self.s.good(method, self.path + path, *args, **kwargs)

    def refused(self, status, method, path, *args, **kwargs):
        return self.s.refused(status, method, self.path + path, *args, **kwargs)

    def configs(self, topic):
        return {c["name"]: c for c in self.good("GET", f"/topics/{topic}/configs")["data"]}


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield Cluster(server)


# --- paths and links ---------------------------------------------------------------------------------


def links(node):
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("self", "related") and isinstance(value, str):
                yield value
            else:
                yield from links(value)
    elif isinstance(node, list):
        for child in node:
            yield from links(child)


def test_every_link_of_every_object_leads_to_an_answer(c):
    seen, todo = set(), [c.s.base + "/kafka/v3/clusters"]
    while todo:
        url = todo.pop()
        if url in seen:
            continue
        seen.add(url)
        answer = c.s.call("GET", url)
        fine = answer.status == 200 or (answer.status == 404 and url.endswith("/reassignment"))
        assert fine, (url, answer)
        if "/configs" not in url:  # one object of each of these is enough
            todo += links(answer.json)
    assert len(seen) > 20, seen


def test_v3_is_the_same_api_and_links_stay_there(c):
    plain = c.s.good("GET", f"/v3/clusters/{c.id}/topics/a")
    assert plain["metadata"]["self"] == f"{c.s.base}/v3/clusters/{c.id}/topics/a"
    assert plain["partitions"]["related"].startswith(c.s.base + "/v3/")
    assert c.s.good("GET", plain["configs"]["related"])["data"]
    listed = c.s.good("GET", "/v3/clusters")
    assert listed["metadata"]["self"] == c.s.base + "/v3/clusters" and listed["data"][0]["cluster_id"] == c.id
    made = c.s.call("POST", f"/v3/clusters/{c.id}/topics", {"topic_name": "v3"})
    assert made.status == 201 and made.headers["Location"] == f"{c.s.base}/v3/clusters/{c.id}/topics/v3"
    c.s.good("DELETE", made.headers["Location"], status=204)
    assert c.s.refused(404, "GET", "/v3/nothing")["error_code"] == 404
    key = c.s.make_key(c.id, "v3 key", acls=False)
    assert c.s.good("GET", "/v3/clusters", key=key[:2])["data"][0]["cluster_id"] == c.id
    other = c.s.make_cluster(c.s.make_environment("other"))["id"]
    assert c.s.refused(401, "GET", f"/v3/clusters/{other}", key=key[:2])["error_code"] == 401


def test_names_of_resources_say_where_they_belong(c):
    assert c.good("GET", "")["metadata"]["resource_name"] == f"crn:///kafka={c.id}"
    replica = c.good("GET", "/topics/a/partitions/0/replicas/1")
    assert replica["metadata"]["resource_name"] == f"crn:///kafka={c.id}/topic=a/partition=0/replica=1"


def test_operations_a_caller_may_do_are_told_when_asked(c):
    everything = {"READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"}
    assert "authorized_operations" not in c.good("GET", "/topics/a")
    assert set(c.good("GET", "/topics/a?include_authorized_operations=true")["authorized_operations"]) == everything
    key, secret, account = c.s.make_key(c.id, "reader", acls=False)
    c.s.good("POST", c.path + "/acls", {
        "resource_type": "TOPIC", "resource_name": "a", "pattern_type": "LITERAL", "host": "*",
        "principal": f"User:{account}", "operation": "READ", "permission": "ALLOW"}, status=201)
    listed = c.good("GET", "/topics?includeAuthorizedOperations=true", key=(key, secret))["data"]
    assert [(t["topic_name"], sorted(t["authorized_operations"])) for t in listed] == [("a", ["DESCRIBE", "READ"])]


# --- replicas and reassignments -------------------------------------------------------------------------


def test_a_partition_has_the_one_replica_that_a_broker_keeps(c):
    assert [r["broker_id"] for r in c.good("GET", "/topics/b/partitions/1/replicas")["data"]] == [1]
    replica = c.good("GET", "/topics/b/partitions/1/replicas/1")
    assert replica["is_leader"] and replica["is_in_sync"] and replica["partition_id"] == 1
    assert c.refused(404, "GET", "/topics/b/partitions/1/replicas/2")["error_code"] == 404
    kept = [(r["topic_name"], r["partition_id"]) for r in c.good("GET", "/brokers/1/partition-replicas")["data"]
            if not r["topic_name"].startswith("__")]
    assert kept == [("a", 0), ("b", 0), ("b", 1)]
    assert c.refused(404, "GET", "/brokers/2/partition-replicas")["error_code"] == 404


def test_no_reassignment_is_under_way(c):
    assert c.good("GET", "/topics/-/partitions/-/reassignment")["data"] == []
    assert c.good("GET", "/topics/a/partitions/-/reassignment")["data"] == []
    assert c.refused(404, "GET", "/topics/none/partitions/-/reassignment")["error_code"] == 40403
    assert c.refused(404, "GET", "/topics/a/partitions/0/reassignment")["error_code"] == 404
    assert c.refused(404, "GET", "/topics/a/partitions/7/reassignment")["error_code"] == 40402


# --- configs of brokers ------------------------------------------------------------------------------------


def test_configs_of_a_broker_are_what_it_describes(c):
    configs = {x["name"]: x for x in c.good("GET", "/brokers/1/configs")["data"]}
    assert configs["broker.id"]["value"] == "1" and configs["broker.id"]["source"] == "STATIC_BROKER_CONFIG"
    assert not configs["broker.id"]["is_default"] and configs["broker.id"]["is_read_only"]
    assert configs["default.replication.factor"]["is_default"]
    secret = configs["delegation.token.secret.key"]
    assert secret["is_sensitive"] and secret["value"] is None
    synonyms = configs["auto.create.topics.enable"]["synonyms"]
    assert [x["source"] for x in synonyms] == ["STATIC_BROKER_CONFIG", "DEFAULT_CONFIG"], synonyms
    assert list(configs) == sorted(configs)
    everywhere = c.good("GET", "/brokers/-/configs")["data"]
    assert {x["name"]: x["value"] for x in everywhere} == {n: x["value"] for n, x in configs.items()}
    assert c.good("GET", "/brokers/1/configs/broker.id") == configs["broker.id"]
    assert c.refused(404, "GET", "/brokers/1/configs/no.such")["error_code"] == 404
    assert c.refused(404, "GET", "/brokers/7/configs")["error_code"] == 404
    assert c.good("GET", "/broker-configs")["data"] == []  # nothing was changed while brokers ran
    assert c.refused(404, "GET", "/broker-configs/broker.id")["error_code"] == 404


def test_configs_of_brokers_belong_to_the_plan(c):
    for base in ("/brokers/1/configs", "/broker-configs"):
        refusals = [c.refused(400, "PUT", base + "/num.partitions", {"value": "9"}),
                    c.refused(400, "DELETE", base + "/num.partitions"),
                    c.refused(400, "POST", base + ":alter", {"data": [{"name": "num.partitions", "value": "9"}]})]
        for refusal in refusals:
            assert refusal["error_code"] == 40002 and "plan" in refusal["message"], refusal
        unknown = c.refused(404, "POST", base + ":alter", {"data": [{"name": "num.partitions", "value": "9"},
                                                                   {"name": "no.such", "value": "9"}]})
        assert unknown["error_code"] == 404 and "no.such" in unknown["message"]
        c.refused(404, "PUT", base + "/no.such", {"value": "9"})
        c.refused(422, "PUT", base + "/num.partitions")
        c.refused(400, "POST", base + ":alter", {"data": []})


def test_only_who_may_describe_the_cluster_sees_configs_of_brokers(c):
    key = c.s.make_key(c.id, "nobody", acls=False)[:2]
    for path in ("/brokers/1/configs", "/broker-configs", "/topics/-/partitions/-/reassignment"):
        assert c.refused(403, "GET", path, key=key)["error_code"] == 40301
    assert c.refused(403, "PUT", "/brokers/1/configs/num.partitions", {"value": "9"}, key=key)["error_code"] == 40301


# --- configs of topics ----------------------------------------------------------------------------------------


def test_a_config_that_equals_its_default_is_still_the_users(c):
    default = c.configs("a")["retention.ms"]
    assert default["source"] == "DEFAULT_CONFIG" and default["is_default"]
    assert [x["source"] for x in default["synonyms"]] == ["DEFAULT_CONFIG"]
    c.good("PUT", "/topics/a/configs/retention.ms", {"value": default["value"]}, status=204)
    own = c.good("GET", "/topics/a/configs/retention.ms")
    assert own["source"] == "DYNAMIC_TOPIC_CONFIG" and not own["is_default"] and own["value"] == default["value"]
    assert own["synonyms"][0] == {"name": "retention.ms", "value": own["value"], "source": "DYNAMIC_TOPIC_CONFIG"}
    assert own["synonyms"][1:] == default["synonyms"]
    c.good("PUT", "/topics/a/configs/retention.ms", {"value": None}, status=204)
    assert c.configs("a")["retention.ms"] == default


def test_an_unknown_config_is_found_before_anything_changes(c):
    bad = {"data": [{"name": "retention.ms", "value": "5000"}, {"name": "no.such", "value": "1"}]}
    refusal = c.refused(404, "POST", "/topics/a/configs:alter", bad)
    assert refusal["error_code"] == 404
    assert refusal["message"] == f"Config no.such cannot be found for TOPIC a in cluster {c.id}."
    assert c.configs("a")["retention.ms"]["is_default"]
    assert c.refused(400, "POST", "/topics/a/configs:alter", {"data": [{"name": "retention.ms", "value": "5000",
                                                                       "operation": "ADD"}]})["error_code"] == 400
    assert c.refused(400, "POST", "/topics/a/configs:alter", {"data": [{"name": "retention.ms", "value": 5}]})
    assert c.refused(422, "POST", "/topics/a/configs:alter")["error_code"] == 42206


def test_validated_configs_change_nothing(c):
    data = [{"name": "retention.ms", "value": "5000"}]
    c.good("POST", "/topics/a/configs:alter", {"data": data, "validate_only": True}, status=204)
    c.good("POST", "/topics/-/configs:alter", {"data": [{"topic_name": "a", "configs": data}],
                                               "validate_only": True}, status=204)
    assert c.configs("a")["retention.ms"]["is_default"]
    c.refused(400, "POST", "/topics/a/configs:alter", {"data": [{"name": "retention.ms", "value": "x"}],
                                                       "validate_only": True})
    c.refused(400, "POST", "/topics/a/configs:alter", {"data": data, "validate_only": "yes"})


def test_configs_of_several_topics_change_together(c):
    one = [{"name": "retention.ms", "value": "600000"}]
    c.good("POST", "/topics/-/configs:alter", {"data": [{"topic_name": n, "configs": one} for n in "ab"]}, status=204)
    assert [c.configs(n)["retention.ms"]["value"] for n in "ab"] == ["600000", "600000"]
    reset = [{"name": "retention.ms", "operation": "DELETE"}]
    c.good("POST", "/topics/-/configs:alter", {"data": [{"topic_name": n, "configs": reset} for n in "ab"]}, status=204)
    assert c.configs("b")["retention.ms"]["is_default"]


def test_topics_that_cannot_be_changed_are_named_and_the_others_are_changed(c):
    answer = c.good("POST", "/topics/-/configs:alter", {"data": [
        {"topic_name": "a", "configs": [{"name": "segment.bytes", "value": "2000000"}]},
        {"topic_name": "b", "configs": [{"name": "segment.bytes", "value": "2000000"},
                                        {"name": "retention.ms", "value": "never"}]},
        {"topic_name": "none", "configs": [{"name": "segment.bytes", "value": "2000000"}]},
        {"topic_name": "b", "configs": [{"name": "no.such", "value": "1"}]}]}, status=207)
    failures = sorted((f["topic_name"], f["error_code"]) for f in answer["failures"])
    assert failures == [("b", 404), ("b", 40002), ("none", 40403)], answer
    assert all(f["message"] for f in answer["failures"])
    assert c.configs("a")["segment.bytes"]["value"] == "2000000"
    assert c.configs("b")["segment.bytes"]["is_default"]
    c.good("DELETE", "/topics/a/configs/segment.bytes", status=204)
    c.refused(400, "POST", "/topics/-/configs:alter", {"data": []})
    c.refused(400, "POST", "/topics/-/configs:alter", {"data": [{"configs": []}]})
    key = c.s.make_key(c.id, "stranger", acls=False)[:2]
    hidden = c.good("POST", "/topics/-/configs:alter", {"data": [
        {"topic_name": "a", "configs": [{"name": "segment.bytes", "value": "2000000"}]}]}, key=key, status=207)
    assert [f["error_code"] for f in hidden["failures"]] == [40301]


# --- topics ---------------------------------------------------------------------------------------------------


def test_topics_are_sorted_and_created_as_asked(c):
    made = c.s.call("POST", c.path + "/topics", {"topic_name": "assigned", "partitions_count": 9,
                                                 "replicas_assignments": {"0": [1], "1": [1]}})
    assert made.status == 201 and made.json["partitions_count"] == 2, made  # assignments go before the count
    assert made.headers["Location"] == made.json["metadata"]["self"]
    names = [t["topic_name"] for t in c.good("GET", "/topics")["data"]]
    assert names == sorted(names) and "assigned" in names
    c.good("DELETE", "/topics/assigned", status=204)
    c.refused(404, "GET", "/topics/assigned")
    assert c.refused(422, "POST", "/topics", {"topic_name": "not/legal"})["error_code"] == 42206
    assert c.refused(422, "POST", "/topics")["error_code"] == 42206
    assert c.refused(400, "POST", "/topics", {"topic_name": "a"})["error_code"] == 40002
    assert c.refused(400, "POST", "/topics", {"topic_name": "x", "configs": [{"name": "no.such", "value": "1"}]})
    assert c.refused(400, "POST", "/topics", {"topic_name": "x", "partitions_count": "many"})["error_code"] == 400
    assert c.refused(415, "POST", "/topics", raw=b"topic_name: x", headers={"Content-Type": "text/yaml"})
    assert c.good("GET", "/topics/x/default-configs")["data"][0]["topic_name"] == "x"


def test_whether_partitions_can_be_added_is_said_without_adding_them(c):
    c.s.make_topic(c.id, "grows", 2)
    answer = c.good("PATCH", "/topics/grows", {"partitions_count": 4, "validate_only": True})
    assert answer["partitions_count"] == 4 and c.good("GET", "/topics/grows")["partitions_count"] == 2
    for wrong in ({"partitions_count": 1}, {"partitions_count": 99999}):
        why = c.refused(400, "PATCH", "/topics/grows", {**wrong, "validate_only": True})["message"]
        assert why == c.refused(400, "PATCH", "/topics/grows", wrong)["message"], why
    c.refused(400, "PATCH", "/topics/grows", {"partitions_count": 4, "validate_only": "no"})
    assert c.good("GET", "/topics/grows")["partitions_count"] == 2


def test_offsets_of_a_partition_have_one_type(c):
    path = "/topics/a/partitions/0/offset"
    offsets = c.good("GET", path + "?offset_type=earliest_and_latest")
    assert (offsets["kind"], offsets["earliest_offset"]) == ("KafkaPartitionWithOffsets", 0)
    assert c.refused(400, "GET", path + "?offset_type=latest")["error_code"] == 400
