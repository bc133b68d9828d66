"""Topics asked for with their ACLs: refused, declined, withdrawn, approved."""
import contextlib

import client
from client import text


class Requests:
    def __init__(self, service):
        self.s = service
        self.environment = service.make_environment("requests")
        self.cluster = service.make_cluster(self.environment)["id"]
        self.kafka = f"/kafka/v3/clusters/{self.cluster}"
        self.key = service.make_key(self.cluster, acls=False)
        self.principal = "User:" + self.key[2]

    def ask(self, topic, status=201, **more):
        return self.s.good("POST", "/leat/v1/topic-requests", {"cluster_id": self.cluster, "topic_name": topic, **more}, status=status)

    def decide(self, request, verb, reason=None):
        body = None if reason is None else {"reason": reason}
        return self.s.call("POST", f"/leat/v1/topic-requests/{request['id']}:{verb}", body)


@contextlib.contextmanager
def fixture():
    with client.running() as service:
        yield Requests(service)


def test_a_request_that_could_not_be_approved_is_refused_at_once(t):
    t.s.good("POST", t.kafka + "/topics", {"topic_name": "there"}, status=201)
    for status, body in ((409, {"topic_name": "there"}), (422, {"topic_name": "a b"}), (422, {"topic_name": "x", "partitions_count": 0}),
                         (422, {"topic_name": "x", "partitions_count": 1000000}), (404, {"topic_name": "x", "cluster_id": "lkc-none"}),
                         (422, {"topic_name": "x", "configs": {"retention.ms": "soon"}}), (422, {"topic_name": "x", "configs": {"no": 1}}),
                         (422, {"topic_name": "x", "access": [{"principal": t.principal, "operations": ["FLY"]}]}),
                         (422, {"topic_name": "x", "access": [{"principal": "nobody", "operations": ["READ"]}]}),
                         (422, {"topic_name": "x", "access": [{"operations": ["READ"]}]})):
        t.s.refused(status, "POST", "/leat/v1/topic-requests", {"cluster_id": t.cluster, **body})
    assert t.s.good("GET", "/leat/v1/topic-requests")["data"] == []


def test_a_declined_request_says_why_and_makes_nothing(t):
    request = t.ask("unwanted", justification="I would like it")
    assert (request["state"], request["partitions_count"], request["decided_by"]) == ("pending", None, None)
    assert t.decide(request, "decline").status == 422
    declined = t.decide(request, "decline", "Use orders instead").json
    assert (declined["state"], declined["reason"]) == ("declined", "Use orders instead") and declined["decided_by"]
    assert t.decide(request, "approve").status == 409
    t.s.refused(404, "GET", t.kafka + "/topics/unwanted")
    assert t.s.good("GET", f"/leat/v1/topic-requests/{request['id']}") == declined


def test_an_approved_request_makes_topic_and_acls_as_one(t):
    before = t.s.good("GET", f"/leat/v1/clusters/{t.cluster}")["metadata_version"]
    request = t.ask("orders", partitions_count=2, configs={"retention.ms": "60000"}, access=[
        {"principal": t.principal, "operations": ["READ", "WRITE"], "group": "billing"}])
    assert not t.s.good("GET", t.kafka + "/acls")["data"]
    approved = t.decide(request, "approve", "Fine")
    assert approved.status == 200 and approved.json["state"] == "approved", approved
    assert t.s.good("GET", f"/leat/v1/clusters/{t.cluster}")["metadata_version"] == before + 1  # one change
    assert t.s.good("GET", t.kafka + "/topics/orders")["partitions_count"] == 2
    acls = [(a["resource_type"], a["resource_name"], a["operation"]) for a in t.s.good("GET", t.kafka + "/acls")["data"]]
    assert sorted(acls) == [("GROUP", "billing", "READ"), ("TOPIC", "orders", "READ"), ("TOPIC", "orders", "WRITE")]
    assert t.s.produce(t.cluster, "orders", text("x"), key=t.key[:2])[0]["error_code"] == 200
    seen = [e["operation"] for e in t.s.good("GET", "/leat/v1/audit?page_size=50")["data"]]
    for operation in ("topic_request.create", "topic_request.approve", "topic_request.decline", "topic.create", "acl.create"):
        assert operation in seen, (operation, seen)


def test_what_became_impossible_is_not_approved_and_changes_nothing(t):
    request = t.ask("race", access=[{"principal": t.principal, "operations": ["READ"]}])
    t.s.good("POST", t.kafka + "/topics", {"topic_name": "race"}, status=201)
    assert t.decide(request, "approve").status == 409
    assert t.s.good("GET", f"/leat/v1/topic-requests/{request['id']}")["state"] == "pending"
    assert "race" not in [a["resource_name"] for a in t.s.good("GET", t.kafka + "/acls")["data"]]
    assert t.decide(request, "withdraw").json["state"] == "withdrawn"
    t.s.refused(404, "POST", "/leat/v1/topic-requests/tr-none:approve")


def test_requests_are_listed_newest_first_by_page_and_state(t):
    t.ask("waits")
    every = t.s.good("GET", "/leat/v1/topic-requests")["data"]
    assert [r["topic_name"] for r in every] == ["waits", "race", "orders", "unwanted"]
    first = t.s.good("GET", "/leat/v1/topic-requests?page_size=3")
    assert [r["topic_name"] for r in t.s.good("GET", first["metadata"]["next"])["data"]] == ["unwanted"]
    pending = t.s.good("GET", f"/leat/v1/topic-requests?state=pending&cluster_id={t.cluster}")
    assert [r["topic_name"] for r in pending["data"]] == ["waits"] and pending["metadata"]["total_size"] == 1
    t.s.good("DELETE", f"/cmk/v2/clusters/{t.cluster}?environment={t.environment}", status=204)
    client.wait_for(lambda: not t.s.good("GET", "/leat/v1/topic-requests")["data"], "they go with their cluster")
