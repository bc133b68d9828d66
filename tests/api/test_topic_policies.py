"""Naming policies of environments, held by every door: REST, Kafka's CreateTopics, automatic creation."""
import contextlib

import client
from leatd import kcat


class Policies:
    def __init__(self, service):
        self.s = service
        self.environment = service.make_environment("policies")
        self.cluster = service.make_cluster(self.environment, kind="Basic")["id"]
        self.path = f"/leat/v1/environments/{self.environment}/topic-policy"
        self.topics = f"/kafka/v3/clusters/{self.cluster}/topics"


@contextlib.contextmanager
def fixture():
    with client.running() as service:
        yield Policies(service)


def test_a_policy_is_set_read_and_checked(t):
    assert t.s.good("GET", t.path)["partitions"] == {"min": None, "max": None}
    wanted = {"name_prefix": "team.", "name_pattern": "team\\.[a-z]+(\\.v[0-9]+)?", "partitions": {"min": 2, "max": 4},
              "retention_ms": {"max": 3600000}, "description": "See the wiki."}
    assert t.s.good("PUT", t.path, wanted)["retention_ms"] == {"min": None, "max": 3600000}
    assert t.s.good("GET", t.path)["name_pattern"] == wanted["name_pattern"]
    for bad in ({"name_pattern": "("}, {"name_prefix": "a b"}, {"partitions": {"min": 5, "max": 4}}, {"partitions": 3},
                {"partitions": {"max": 0}}, {"retention_ms": {"min": -5}}, {"name_pattern": "x" * 300}):
        t.s.refused(422, "PUT", t.path, bad)
    t.s.refused(404, "PUT", "/leat/v1/environments/env-none/topic-policy", {})
    t.s.refused(404, "GET", "/leat/v1/environments/env-none/topic-policy")


def test_rest_holds_the_policy_with_a_sentence(t):
    for body, words in (({"topic_name": "orders"}, "named team."), ({"topic_name": "team.ORDERS"}, "match"),
                        ({"topic_name": "team.orders", "partitions_count": 5}, "from 2 to 4"),
                        ({"topic_name": "team.orders", "configs": [{"name": "retention.ms", "value": "-1"}]}, "at most 3600000")):
        refused = t.s.refused(400, "POST", t.topics, body)
        assert words in refused["message"] and "See the wiki." in refused["message"], refused
    made = t.s.good("POST", t.topics, {"topic_name": "team.orders"}, status=201)
    assert made["partitions_count"] == 4  # the plan's 6, taken into the range
    assert t.s.good("GET", t.topics + "/team.orders/configs/retention.ms")["value"] == "3600000"
    t.s.refused(400, "PATCH", t.topics + "/team.orders", {"partitions_count": 5})
    t.s.refused(400, "PUT", t.topics + "/team.orders/configs/retention.ms", {"value": "3600001"})
    t.s.good("PUT", t.topics + "/team.orders/configs/cleanup.policy", {"value": "compact"}, status=204)


def test_kafka_clients_meet_the_same_policy(t):
    key = t.s.make_key(t.cluster)
    bootstrap = t.s.good("GET", f"/leat/v1/clusters/{t.cluster}")["bootstrap_servers"]
    produce = ("-P", "-p", "0", "-X", "message.timeout.ms=3000", "-X", "topic.metadata.propagation.max.ms=1000")
    assert kcat(bootstrap, key, *produce, "-t", "elsewhere", data="x")[0] != 0
    assert kcat(bootstrap, key, *produce, "-t", "team.auto", data="x")[0] == 0
    names = {x["topic_name"]: x["partitions_count"] for x in t.s.good("GET", t.topics)["data"]}
    assert "elsewhere" not in names and names["team.auto"] == 4, names


def test_without_a_policy_every_topic_may_be(t):
    t.s.good("DELETE", t.path, status=204)
    t.s.good("POST", t.topics, {"topic_name": "anything", "partitions_count": 1}, status=201)
    last = t.s.good("GET", "/leat/v1/audit?page_size=50")["data"]
    assert "environment.topic_policy" in [e["operation"] for e in last]
