"""What is wrong is said in the dialect's own form, with a sentence; and every answer carries the
headers that a browser needs to be safe."""
import contextlib
import json

import client


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        server.environment = server.make_environment("errors")
        server.cluster = server.make_cluster(server.environment)["id"]
        server.kafka = f"/kafka/v3/clusters/{server.cluster}"
        yield server


def test_unknown_paths_answer_in_the_dialect_of_their_beginning(s):
    assert "error_code" in s.refused(404, "GET", "/kafka/v3/nothing")
    assert s.refused(404, "GET", "/iam/v2/nothing")["errors"][0]["status"] == "404"
    assert s.refused(404, "GET", "/leat/v2/clusters")["errors"]


def test_another_method_is_405_and_says_which_are_allowed(s):
    answer = s.call("PUT", s.kafka + "/topics")
    assert answer.status == 405 and answer.headers["Allow"] == "GET, POST", answer
    assert s.call("DELETE", f"/leat/v1/clusters/{s.cluster}:restart").headers["Allow"] == "POST"
    assert s.call("TRACE", s.kafka).status == 405


def test_bodies_that_are_no_json_object_are_refused(s):
    path = s.kafka + "/topics"
    for raw in (b"{", b"[]", b"null", b'"x"', b'{"a":1}{"b":2}', b'{"a":1,"a":2}', b"\xff", b'{"a":"\\u0000"}'):
        assert s.call("POST", path, raw=raw).status == 400, raw
    assert s.call("POST", path, raw=b"").json["error_code"] == 42206
    assert s.call("POST", path, raw=b"a=b", headers={"Content-Type": "text/xml"}).status == 415
    assert s.call("POST", "/org/v2/environments", raw=b"").status == 400


def test_values_of_the_wrong_type_are_refused(s):
    path = s.kafka + "/topics"
    for body in ({}, {"topic_name": 1}, {"topic_name": "a", "partitions_count": "3"},
                 {"topic_name": "a", "partitions_count": 1.5}, {"topic_name": "a", "configs": {}},
                 {"topic_name": "a", "configs": [{"name": 1}]}, {"topic_name": "a", "configs": [{"value": "1"}]}):
        answer = s.call("POST", path, body)
        assert answer.status == 400 and answer.json["message"], (body, answer)


def test_illegal_topic_names_are_42206(s):
    for name in ("", ".", "..", "a b", "ä", "x" * 250, "a/b"):
        answer = s.call("POST", s.kafka + "/topics", {"topic_name": name})
        assert answer.status == 422 and answer.json["error_code"] == 42206, (name, answer)


def test_impossible_topics_are_40002(s):
    for extra in ({"partitions_count": 0}, {"partitions_count": 1000000}, {"replication_factor": 0},
                  {"configs": [{"name": "no.such", "value": "1"}]}, {"configs": [{"name": "retention.ms", "value": "x"}]}):
        answer = s.call("POST", s.kafka + "/topics", {"topic_name": "t", **extra})
        assert answer.status == 400 and answer.json["error_code"] == 40002, (extra, answer)


def test_the_plan_limits_partitions(s):
    answer = s.call("POST", s.kafka + "/topics", {"topic_name": "huge", "partitions_count": 9999})
    assert answer.status == 400 and "plan" in answer.json["message"], answer


def test_queries_are_checked(s):
    s.refused(400, "GET", "/org/v2/environments?page_size=0")
    s.refused(400, "GET", "/org/v2/environments?page_size=101")
    s.refused(400, "GET", "/org/v2/environments?page_size=ten")
    s.refused(400, "GET", s.kafka + "/acls?resource_type=UNKNOWN")
    s.refused(400, "GET", s.kafka + "/acls?operation=nonsense")
    s.good("POST", s.kafka + "/topics", {"topic_name": "q", "partitions_count": 1})
    s.refused(400, "GET", s.kafka + "/topics/q/partitions/0/offset?offset_type=latest")
    records = f"/leat/v1/clusters/{s.cluster}/topics/q/records"
    for query in ("from=middle", "from=offset", "from=timestamp", "limit=0", "limit=501", "partition=1", "offset=-1"):
        s.refused(400, "GET", f"{records}?{query}")


def test_broken_escapes_are_400(s):
    for path in ("%", "%4", "%zz", "%00", "%ff", "%c0%80"):
        assert s.call("GET", f"{s.kafka}/topics/{path}").status == 400, path


def test_names_with_every_sign_survive_the_path(s):
    s.refused(404, "GET", s.kafka + "/consumer-groups/a%2Fb%20c%C3%BC%3F")


def test_hostile_names_stay_text(s):
    for name in ("<script>alert(1)</script>", "'; DROP TABLE topic; --", "${jndi:ldap://x}", "../../etc/passwd"):
        answer = s.call("POST", "/iam/v2/service-accounts", {"display_name": name, "description": name})
        assert answer.status in (201, 400), answer
        if answer.status == 201:
            assert answer.json["display_name"] == name
    assert s.good("GET", "/org/v2/environments")["data"]


def test_a_body_beyond_the_limit_is_413(s):
    raw = json.dumps({"display_name": "x" * (2 << 20)}).encode()
    assert s.call("POST", "/org/v2/environments", raw=raw).status == 413


def test_a_record_beyond_the_topics_limit_is_413_and_the_others_are_kept(s):
    s.good("POST", s.kafka + "/topics", {"topic_name": "large", "partitions_count": 2})
    records = [dict(client.text("x" * (3 << 20)), partition_id=0), dict(client.text("small"), partition_id=1)]
    codes = [r["error_code"] for r in s.produce(s.cluster, "large", *records)]
    assert codes == [413, 200], codes


def test_every_answer_carries_the_safety_headers(s):
    for path in ("/healthz", "/leat/v1/clusters", s.kafka, "/", "/nothing/here"):
        answer = s.call("GET", path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path
        assert answer.headers["Referrer-Policy"] == "no-referrer", path
