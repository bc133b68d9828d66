"""Records by REST: every kind as it was written, many in one request, honest failures, batches with ids."""
import base64
import contextlib
import http.client
import json

import client
from client import text, wait_for


class Topics:
    def __init__(self, server):
        self.s = server
        self.id = server.make_cluster(server.make_environment("records"))["id"]
        self.path = f"/kafka/v3/clusters/{self.id}"

    def topic(self, name, partitions=1, **configs):
        self.s.good("POST", self.path + "/topics", {
            "topic_name": name, "partitions_count": partitions,
            "configs": [{"name": n.replace("_", "."), "value": v} for n, v in configs.items()]}, status=201)
        return f"{self.path}/topics/{name}/records"

    def read(self, topic, limit=500):
        page = self.s.good("GET", f"/leat/v1/clusters/{self.id}/topics/{topic}/records?from=oldest&limit={limit}")
        return page["data"]

    def end(self, topic, partition=0):
        return self.s.good("GET", f"{self.path}/topics/{topic}/partitions/{partition}/offset")["latest_offset"]


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield Topics(server)


def authorization(t):
    return "Basic " + base64.b64encode(":".join(t.s.cloud).encode()).decode()


def test_json_is_stored_as_it_was_written(t):
    t.topic("json")
    written = [b'{"big": 123456789012345678901234567890, "exact": 0.1, "also": 1.10, "exp": 1E5}',
               b'[ 1 ,\t2,\n "a \\" b ", { } , [ ] ]', b'"text"', b"17", b"true", b'{"b":1,"a":"\\u0000\\ud83d\\ude00"}']
    stored = [b'{"big":123456789012345678901234567890,"exact":0.1,"also":1.10,"exp":1E5}',
              b'[1,2,"a \\" b ",{},[]]', b'"text"', b"17", b"true", b'{"b":1,"a":"\\u0000\\ud83d\\ude00"}']
    results = t.s.produce(t.id, "json", *[b'{"value": {"type": "JSON" , "data" : ' + w + b' } }' for w in written])
    assert [r["error_code"] for r in results] == [200] * 6, results
    assert [r["value"] for r in results] == [{"type": "JSON", "size": len(x)} for x in stored]
    assert [r["value"]["data"].encode() for r in t.read("json")] == stored
    null, = t.s.produce(t.id, "json", b'{"value":{"type":"JSON","data":null}}')
    assert null["value"] == {"type": "JSON", "size": 0}
    assert t.read("json")[-1]["value"]["encoding"] == "null"


def test_pages_keep_the_order_of_a_partition_and_lose_nothing(t):
    t.topic("ordered", 2)
    times = ((0, 50), (1, 20), (0, 10), (1, 60), (0, 30))  # (partition, time), as they are written
    for i, (partition, at) in enumerate(times):
        result, = t.s.produce(t.id, "ordered", dict(text(f"r{i}"), partition_id=partition, timestamp=f"2026-01-02T00:00:{at}Z"))
        assert result["error_code"] == 200, result
    assert [r["value"]["data"] for r in t.read("ordered")] == ["r1", "r0", "r2", "r4", "r3"]
    newest = f"/leat/v1/clusters/{t.id}/topics/ordered/records"
    assert [r["value"]["data"] for r in t.s.good("GET", newest)["data"]] == ["r3", "r4", "r1", "r2", "r0"]
    first = t.s.good("GET", f"{newest}?from=oldest&partition=0&limit=2")
    assert [r["value"]["data"] for r in first["data"]] == ["r0", "r2"]
    assert [p["next_offset"] for p in first["partitions"]] == [2]


def test_a_record_tells_everything_it_got(t):
    t.topic("told")
    record = {"partition_id": 0, "timestamp": "2026-01-02T03:04:05.678+01:00",
              "key": {"type": "STRING", "data": "clé"}, "value": {"type": "BINARY", "data": "AQID"},
              "headers": [{"name": "h", "value": "aGk="}, {"name": "empty"}]}
    result, = t.s.produce(t.id, "told", record)
    assert result == {"error_code": 200, "cluster_id": t.id, "topic_name": "told", "partition_id": 0, "offset": 0,
                      "timestamp": "2026-01-02T02:04:05.678Z", "key": {"type": "STRING", "size": 4},
                      "value": {"type": "BINARY", "size": 3}}
    kept, = t.read("told")
    assert kept["timestamp"] == 1767319445678 and kept["key"]["data"] == "clé"
    assert [(h["name"], h["value"]) for h in kept["headers"]] == [("h", "hi"), ("empty", None)]
    result, = t.s.produce(t.id, "told", text("now"))
    assert t.read("told")[1]["timestamp"] == client.milliseconds(result["timestamp"])
    t.topic("stamped", message_timestamp_type="LogAppendTime")
    result, = t.s.produce(t.id, "stamped", dict(text("x"), timestamp="2020-01-01T00:00:00Z"))
    assert t.read("stamped")[0]["timestamp"] == client.milliseconds(result["timestamp"]) > 1700000000000


def test_what_is_wrong_with_a_record_is_said_of_that_record(t):
    t.topic("wrong", 2)
    bad = [({"value": {"data": "x"}}, 400, "schema registry"),
           ({"value": {"type": "PROTOBUF", "data": "x"}}, 400, "schema registry"),
           ({"value": "x"}, 400, "value.type"),
           ({"key": {"type": "BINARY", "data": "no base64!"}}, 400, "key.data is not a base64 string"),
           ({"value": {"type": "STRING", "data": 5}}, 400, "value.data is not a string"),
           ({"value": {"type": "STRING", "data": "x"}, "headers": {"a": "b"}}, 400, "headers"),
           ({"value": {"type": "STRING", "data": "x"}, "headers": [{"name": "a", "value": 5}]}, 400, "headers"),
           ({"value": {"type": "STRING", "data": "x"}, "timestamp": "yesterday"}, 400, "timestamp"),
           ({"value": {"type": "STRING", "data": "x"}, "partition_id": 2}, 40402, "no partition 2"),
           ({"value": {"type": "STRING", "data": "x"}, "partition_id": -1}, 40402, "no partition -1"),
           ({"value": {"type": "STRING", "data": "x"}, "partition_id": "1"}, 400, "partition_id")]
    results = t.s.produce(t.id, "wrong", text("first"), *[b[0] for b in bad], text("last"))
    assert results[0]["error_code"] == results[-1]["error_code"] == 200
    for result, (record, code, words) in zip(results[1:-1], bad):
        assert result["error_code"] == code and words in result["message"], (record, result)
    assert t.end("wrong") + t.end("wrong", 1) == 2


def test_a_record_that_is_too_large_harms_no_other(t):
    t.topic("narrow", max_message_bytes="1000")
    results = t.s.produce(t.id, "narrow", *[text("x" * 200) for _ in range(50)], text("y" * 2000), text("z"))
    assert [r["error_code"] for r in results] == [200] * 50 + [413, 200], results
    assert [r["offset"] for r in results if r["error_code"] == 200] == list(range(51))
    t.topic("keyed", cleanup_policy="compact")
    results = t.s.produce(t.id, "keyed", text("with", "k"), text("without"))
    assert [r["error_code"] for r in results] == [40002, 40002], results  # of one batch
    assert "another record" in results[0]["message"] and results[1]["message"], results


def test_very_many_records_in_one_request_come_back_in_order(t):
    path = t.topic("many", 3)
    body = b"".join(json.dumps(text(str(i), f"k{i % 11}")).encode() for i in range(12000))
    answer = t.s.call("POST", path, raw=body)
    results = [json.loads(x) for x in answer.body.splitlines()]
    assert len(results) == 12000 and all(r["error_code"] == 200 for r in results)
    offsets = {}
    for r in results:  # within a partition the order of the request is that of the log
        assert r["offset"] == offsets.get(r["partition_id"], 0), r
        offsets[r["partition_id"]] = r["offset"] + 1
    assert sum(offsets.values()) == 12000 == sum(t.end("many", p) for p in range(3))


def test_a_body_may_come_in_chunks(t):
    t.topic("chunks")
    connection = http.client.HTTPConnection("127.0.0.1", t.s.http_port, timeout=30)
    pieces = [b'{"value":{"type":"STR', b'ING","data":"one"}}', b'  {"value":{"type":"STRING","data":"two"}}\n']
    connection.request("POST", f"{t.path}/topics/chunks/records", iter(pieces), encode_chunked=True, headers={
        "Transfer-Encoding": "chunked", "Content-Type": "application/json", "Authorization": authorization(t)})
    answer = connection.getresponse()
    lines = answer.read().splitlines()
    connection.close()
    assert answer.status == 200 and [json.loads(x)["offset"] for x in lines] == [0, 1], lines
    assert [r["value"]["data"] for r in t.read("chunks")] == ["one", "two"]


def test_a_syntax_error_ends_the_answer(t):
    path = t.topic("syntax")
    for tail in (b"{oops", b"[1]", b"5", b'{"value":'):
        answer = t.s.call("POST", path, raw=json.dumps(text("a")).encode() + tail + b' {"value":null}')
        assert [json.loads(x)["error_code"] for x in answer.body.splitlines()] == [200, 400], answer
    assert t.end("syntax") == 4


def test_more_records_than_a_request_may_have_are_refused_after_those_that_fit(t):
    path = t.topic("most", 4)
    answer = t.s.call("POST", path, raw=b'{"value":null}' * 50001)
    codes = [json.loads(x)["error_code"] for x in answer.body.splitlines()]
    assert codes == [200] * 50000 + [413], (len(codes), codes[-2:])


def test_whole_requests_fail_by_status(t):
    path = t.topic("status")
    assert t.s.refused(422, "POST", path, raw=b"  \n ")["error_code"] == 42206
    for kind in ("text/plain", "application/jsonp", "application/x-ndjson", "application/vnd.kafka.json.v2+json"):
        refusal = t.s.refused(415, "POST", path, raw=b'{"value":null}', headers={"Content-Type": kind})
        assert refusal["error_code"] == 415
    fine = t.s.call("POST", path, raw=b'{"value":null}', headers={"Content-Type": "application/json; charset=utf-8"})
    assert fine.status == 200, fine
    assert t.s.refused(404, "POST", t.path + "/topics/none/records", text("x"))["error_code"] == 40403
    assert t.s.refused(404, "POST", "/kafka/v3/clusters/lkc-none/topics/a/records", text("x"))["error_code"] == 404
    stranger = t.s.make_key(t.id, "stranger", acls=False)[:2]
    assert t.s.refused(403, "POST", path, text("x"), key=stranger)["error_code"] == 40301
    assert t.s.refused(401, "POST", path, text("x"), key=False)["error_code"] == 401
    t.s.refused(400, "POST", path + "?strict=perhaps", text("x"))
    connection = http.client.HTTPConnection("127.0.0.1", t.s.http_port, timeout=30)
    connection.request("POST", path, headers={  # the length is enough to refuse it
        "Content-Length": str(21 << 20), "Content-Type": "application/json", "Authorization": authorization(t)})
    answer = connection.getresponse()
    assert answer.status == 413 and json.loads(answer.read())["error_code"] == 413
    connection.close()


def test_strict_turns_a_failed_record_into_a_failed_request(t):
    path = t.topic("strict") + "?strict=true"
    fine = t.s.call("POST", path, raw=json.dumps(text("a")).encode() * 2)
    assert fine.status == 200 and [json.loads(x)["offset"] for x in fine.body.splitlines()] == [0, 1]
    body = [text("b"), {"partition_id": 9, **text("c")}, {"value": {"type": "AVRO"}}, text("d")]
    refusal = t.s.refused(404, "POST", path, raw=b"".join(json.dumps(x).encode() for x in body))
    assert refusal["error_code"] == 40402 and "2 of 4" in refusal["message"], refusal
    assert [r["error_code"] for r in refusal["results"]] == [200, 40402, 400, 200]
    assert t.end("strict") == 4  # what is said to be in the log is
    refusal = t.s.refused(400, "POST", path, raw=json.dumps(text("e")).encode() + b"{")
    assert [r["error_code"] for r in refusal["results"]] == [200, 400]
    large = t.s.refused(413, "POST", path, text("x" * (2 << 20)))
    assert large["results"][0]["error_code"] == 413, large


def batch(*entries):
    return {"entries": [{"id": i, **record} for i, record in entries]}


def test_a_batch_tells_successes_and_failures_apart(t):
    path = t.topic("batch") + ":batch"
    answer = t.s.good("POST", path, batch(
        ("a", text("one", "k")), ("b", {"partition_id": 5, **text("x")}), ("c", {"value": {"type": "JSON", "data": 0.1}}),
        ("d", {"value": {"type": "BINARY", "data": "?"}})), status=207)
    assert [(s["id"], s["partition_id"], s["offset"]) for s in answer["successes"]] == [("a", 0, 0), ("c", 0, 1)]
    assert [(f["id"], f["error_code"]) for f in answer["failures"]] == [("b", 40402), ("d", 400)]
    assert [r["value"]["data"] for r in t.read("batch")] == ["one", "0.1"]
    refusal = t.s.refused(404, "POST", path + "?strict=true", batch(("e", text("x")), ("f", {"partition_id": 1})))
    assert [s["id"] for s in refusal["successes"]] == ["e"] and [f["id"] for f in refusal["failures"]] == ["f"]
    t.s.good("POST", path + "?strict=true", batch(("g", text("x"))), status=207)


def test_a_batch_that_is_none_is_refused_as_a_whole(t):
    path = t.topic("batches") + ":batch"
    one = text("x")
    for body in ({}, {"entries": None}, {"entries": []}, {"entries": [one]}, batch(("a", one), ("a", one)),
                 batch(("", one)), batch(("x" * 81, one)), {"entries": [5]}, batch(*[(str(i), one) for i in range(11)])):
        assert t.s.refused(422, "POST", path, body)["error_code"] == 42208, body
    assert t.s.refused(422, "POST", path)["error_code"] == 42206
    assert t.s.refused(400, "POST", path, raw=b"{")["error_code"] == 400
    assert t.s.refused(415, "POST", path, raw=b"{}", headers={"Content-Type": "text/plain"})["error_code"] == 415
    assert t.s.refused(404, "POST", t.path + "/topics/none/records:batch", batch(("a", one)))["error_code"] == 40403
    assert t.end("batches") == 0


def test_a_broker_that_is_away_is_a_503_and_no_record(t):
    path = t.topic("away")
    t.s.good("POST", f"/leat/v1/clusters/{t.id}:restart", status=202)

    def refused():
        answer = t.s.call("POST", path, text("x"))
        if answer.status == 503:
            assert answer.json["error_code"] == 50302
        return answer.status == 200
    wait_for(refused, "records are taken after the restart")
    t.s.running(t.id)
    assert t.end("away") >= 1
