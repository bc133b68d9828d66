"""Kafka's client quotas by REST, and who owns which entity: kafka-quotas here, or a client quota cq-…."""
import contextlib
import subprocess
import threading
import urllib.parse

import client
from client import wait_for
from leatd import kcat, kcat_argv


class Quotas:
    def __init__(self, server):
        self.s = server
        self.environment = server.make_environment("quotas")
        self.cluster = server.make_cluster(self.environment)
        self.id = self.cluster["id"]
        self.path = f"/leat/v1/clusters/{self.id}/kafka-quotas"
        server.make_topic(self.id, "orders", 1)

    def put(self, entity, status=None, **quotas):
        answer = self.s.call("PUT", self.path, {"entity": entity, "quotas": quotas})
        assert answer.status == status if status else answer.status in (200, 201), answer
        return answer.json

    def delete(self, status=204, **entity):
        return self.s.call("DELETE", f"{self.path}?{urllib.parse.urlencode(entity)}").status == status

    def listed(self, **filters):
        rows = self.s.good("GET", f"{self.path}?{urllib.parse.urlencode(filters)}")["data"]
        return [(r["entity"], r["quotas"]) for r in rows]

    def client_quota(self, principals, status=202, **throughput):
        answer = self.s.call("POST", "/kafka-quotas/v1/client-quotas", {"spec": {
            "display_name": "limit", "description": "", "cluster": {"id": self.id},
            "environment": {"id": self.environment}, "principals": [{"id": p} for p in principals],
            "throughput": throughput or {"ingress_byte_rate": "100000", "egress_byte_rate": "200000"}}})
        assert answer.status == status, answer
        return answer.json


def fill(process, data):
    with contextlib.suppress(OSError):  # it is killed before it has taken all
        process.stdin.write(data.encode())
        process.stdin.close()


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield Quotas(server)


def test_every_kind_of_entity_and_rate_is_set_listed_and_removed(t):
    wanted = [({"user": "alice"}, {"producer_byte_rate": 1000.0, "consumer_byte_rate": 2000.0}),
              ({"user": "<default>"}, {"request_percentage": 12.5}),
              ({"client_id": "app"}, {"controller_mutation_rate": 3.5}),
              ({"client_id": "<default>"}, {"producer_byte_rate": 5000.0}),
              ({"user": "alice", "client_id": "app"}, {"request_percentage": 200.0}),
              ({"user": "<default>", "client_id": "<default>"}, {"consumer_byte_rate": 7000.0}),
              ({"ip": "192.0.2.7"}, {"connection_creation_rate": 5.0}),
              ({"ip": "<default>"}, {"connection_creation_rate": 100.0})]
    for entity, quotas in wanted:
        row = t.put(entity, 201, **quotas)
        assert row["entity"] == entity and row["quotas"] == quotas and row["client_quota_id"] is None, row
    rows = t.listed()
    assert len(rows) == len(wanted) and all(w in rows for w in wanted), rows
    assert t.listed(user="alice") == [wanted[0], wanted[4]]
    assert t.listed(user="<default>") == [wanted[1], wanted[5]]
    assert t.listed(ip="192.0.2.7") == [wanted[6]]
    assert t.listed(user="alice", client_id="app") == [wanted[4]]
    assert t.listed(client_id="nobody") == []
    pages, path = [], t.path + "?page_size=3"
    while path:
        page = t.s.good("GET", path)
        pages.append(len(page["data"]))
        path = page["metadata"]["next"]
    assert pages == [3, 3, 2]
    for entity, _ in wanted:
        assert t.delete(**entity)
    assert t.listed() == []
    assert t.delete(404, user="alice")


def test_put_replaces_all_rates_of_an_entity(t):
    t.put({"user": "bob"}, 201, producer_byte_rate=1000, consumer_byte_rate=2000)
    row = t.put({"user": "bob"}, 200, consumer_byte_rate=3000, producer_byte_rate=None)
    assert row["quotas"] == {"consumer_byte_rate": 3000.0}
    assert t.listed(user="bob") == [({"user": "bob"}, {"consumer_byte_rate": 3000.0})]
    assert t.delete(user="bob")


def test_what_is_no_quota_is_refused_in_a_sentence(t):
    for entity, quotas in (({}, {"producer_byte_rate": 1}), ({"user": "x"}, {}), ({"user": "x"}, {"speed": 1}),
                           ({"user": "x"}, {"producer_byte_rate": 0}), ({"user": "x"}, {"producer_byte_rate": "1"}),
                           ({"user": "x"}, {"producer_byte_rate": 1.5}), ({"user": "x"}, {"connection_creation_rate": 1}),
                           ({"ip": "not an address"}, {"connection_creation_rate": 1}), ({"user": ""}, {"producer_byte_rate": 1}),
                           ({"ip": "192.0.2.7", "user": "x"}, {"connection_creation_rate": 1}),
                           ({"principal": "x"}, {"producer_byte_rate": 1}), ({"user": 7}, {"producer_byte_rate": 1})):
        said = t.put(entity, 422, **quotas)["errors"][0]["detail"]
        assert len(said) > 20 and said.endswith("."), (entity, quotas, said)
    t.s.refused(400, "DELETE", t.path)
    assert t.listed() == []


def test_a_client_quota_owns_its_users_and_a_kafka_quota_keeps_its_own(t):
    account = t.s.make_key(t.id, "owned")[2]
    owner = t.client_quota([account, "<default>"])["id"]
    rows = t.s.good("GET", t.path)["data"]
    assert {(r["entity"]["user"], r["client_quota_id"]) for r in rows} == {(account, owner), ("<default>", owner)}
    assert all(r["quotas"] == {"producer_byte_rate": 100000.0, "consumer_byte_rate": 200000.0} for r in rows), rows
    for user in (account, "<default>"):
        said = t.put({"user": user}, 409, producer_byte_rate=5)["errors"][0]["detail"]
        assert owner in said and user in said, said
        assert t.delete(409, user=user)
    t.put({"user": account, "client_id": "app"}, 201, producer_byte_rate=5)  # another entity
    assert t.delete(user=account, client_id="app")
    t.s.good("DELETE", f"/kafka-quotas/v1/client-quotas/{owner}", status=204)
    t.put({"user": account}, 201, producer_byte_rate=5)
    said = t.client_quota([account], 409)["errors"][0]["detail"]
    assert account in said, said
    assert t.delete(user=account)


def test_a_quota_slows_its_user_down_and_the_list_tells_how_much(t):
    user, secret, account = t.s.make_key(t.id, "slow")
    t.put({"user": account}, 201, producer_byte_rate=20000)
    lines = "\n".join("x" * 1000 for _ in range(100)) + "\n"
    code, _, err = kcat(t.cluster["bootstrap_servers"], (user, secret), "-P", "-t", "orders", data=lines, timeout=60)
    assert code == 0, err

    def slowed():
        use = t.s.good("GET", f"{t.path}?user={account}")["data"][0]["use"]
        return use and use["throttle_ms"] > 0
    wait_for(slowed, "the throttled time is told")
    assert t.delete(user=account)


def test_live_use_stands_beside_quotas_of_client_ids_and_addresses(t):
    user, secret, account = t.s.make_key(t.id, "batch")
    mine = {"user": account, "client_id": "daily"}
    t.put({"client_id": "nightly"}, 201, producer_byte_rate=20000)
    t.put(mine, 201, producer_byte_rate=30000, request_percentage=1000)
    t.put({"ip": "127.0.0.1"}, 201, connection_creation_rate=1000)
    t.put({"client_id": "idle"}, 201, producer_byte_rate=1)

    def use(**entity):
        row, = t.s.good("GET", f"{t.path}?{urllib.parse.urlencode(entity)}")["data"]
        return row["use"]

    def near(use, rate):
        return use and rate * 0.5 < use["ingress_bytes_per_s"] < rate * 1.5 and use["throttle_ms_per_s"] > 0 and use
    lines = "\n".join("x" * 1000 for _ in range(3000)) + "\n"  # more than they get rid of while this looks
    producers = [subprocess.Popen(kcat_argv(t.cluster["bootstrap_servers"], (user, secret), "-P", "-t", "orders", "-X", f"client.id={name}",
                                            "-X", "batch.size=2000"), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) for name in ("nightly", "daily")]
    try:
        for p in producers:
            threading.Thread(target=fill, args=(p, lines), daemon=True).start()
        by_client = wait_for(lambda: near(use(client_id="nightly"), 20000), "the client id is held to its quota", 60)
        by_both = wait_for(lambda: near(use(**mine), 30000), "so is that of one user", 60)
        assert by_client["throttled_ms_last_hour"] is None and by_client["throttle_ms"] > 0, by_client
        assert wait_for(lambda: (use(**mine) or {}).get("request_percentage"), "and the time of its requests") < 100, by_both
        wait_for(lambda: kcat(t.cluster["bootstrap_servers"], (user, secret), "-L")[0] == 0 and use(ip="127.0.0.1")["connections_per_s"] > 0,
                 "connections of the address are counted")
        assert use(client_id="idle") is None
    finally:
        for p in producers:
            p.kill()
            p.wait()
    wait_for(lambda: use(client_id="nightly")["ingress_bytes_per_s"] == 0, "who has gone uses nothing")
    for entity in ({"client_id": "nightly"}, mine, {"ip": "127.0.0.1"}, {"client_id": "idle"}):
        assert t.delete(**entity)


def test_client_quotas_are_listed_by_cluster_and_environment(t):
    base = "/kafka-quotas/v1/client-quotas"
    quota = t.client_quota(["<default>"], ingress_byte_rate="1000", egress_byte_rate="2000")
    for query, parameter in (("", "spec.cluster"), (f"?spec.cluster={t.id}", "environment")):
        error = t.s.refused(400, "GET", base + query)["errors"][0]
        assert error["source"]["parameter"] == parameter, error
    mine = t.s.good("GET", f"{base}?spec.cluster={t.id}&environment={t.environment}")["data"]
    assert [q["id"] for q in mine] == [quota["id"]]
    assert mine[0]["spec"]["throughput"] == {"ingress_byte_rate": "1000", "egress_byte_rate": "2000"}
    assert mine[0]["spec"]["principals"][0]["id"] == "<default>"
    assert t.s.good("GET", f"{base}?spec.cluster={t.id}&environment=env-none")["data"] == []
    changed = t.s.good("PATCH", f"{base}/{quota['id']}", {"spec": {
        "environment": {"id": t.environment}, "throughput": {"ingress_byte_rate": "3000", "egress_byte_rate": "2000"}}}, status=200)
    assert changed["spec"]["throughput"]["ingress_byte_rate"] == "3000"
    elsewhere = {"spec": {"environment": {"id": t.s.make_environment("elsewhere")}, "display_name": "moved"}}
    t.s.refused(422, "PATCH", f"{base}/{quota['id']}", elsewhere)
    t.s.good("DELETE", f"{base}/{quota['id']}", status=204)


def test_quotas_are_audited_with_what_was_set(t):
    t.put({"client_id": "told"}, 201, request_percentage=50)
    assert t.delete(client_id="told")
    rows = [r for r in t.s.good("GET", "/leat/v1/audit")["data"] if r["detail"].get("client-id") == "told"]
    assert [r["operation"] for r in rows] == ["client_quota.unset", "client_quota.set"], rows
    assert rows[1]["detail"]["request_percentage"] == 50
