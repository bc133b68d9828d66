"""Who is connected and who uses a topic, over REST; with real clients: tests/integration/connected_tests.py."""
import contextlib
import os
import subprocess

import client
from client import milliseconds, text, wait_for
from leatd import kcat


class Clients:
    def __init__(self, server):
        self.s = server
        self.cluster = server.make_cluster(server.make_environment("clients"))
        self.id = self.cluster["id"]
        self.key = server.make_key(self.id)
        server.make_topic(self.id, "orders", 2)
        server.make_topic(self.id, "quiet", 1)

    def of(self, topic):
        return self.s.good("GET", f"/leat/v1/clusters/{self.id}/topics/{topic}/clients")["data"]

    def connected(self):
        return self.s.good("GET", f"/leat/v1/clusters/{self.id}/clients")

    @contextlib.contextmanager
    def reading(self, topic, *more):
        """kcat that stays."""
        argv = ["kcat", "-b", self.cluster["bootstrap_servers"], "-X", "security.protocol=SASL_PLAINTEXT",
                "-X", "sasl.mechanism=PLAIN", "-X", f"sasl.username={self.key[0]}", "-X", f"sasl.password={self.key[1]}",
                "-C", "-q", "-u", "-t", topic, *more]
        p = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        try:
            yield p
        finally:
            p.kill()
            p.wait()
            p.stdout.close()


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield Clients(server)


def test_who_produces_by_rest_is_told_as_such(t):
    t.s.produce(t.id, "orders", text("1"), text("2"), key=t.key[:2])
    (made,) = t.of("orders")
    assert (made["via"], made["address"], made["principal"]) == ("rest", None, f"User:{t.key[2]}"), made
    assert made["roles"] == ["producer"] and made["records_in"] == 2, made
    assert t.of("quiet") == []
    assert all(c["via"] == "kafka" for c in t.connected()["data"]), "leatd itself is nobody's client"


def test_a_reader_is_told_while_it_is_connected_with_figures_of_this_topic_alone(t):
    for topic in ("orders", "quiet"):
        code, _, err = kcat(t.cluster["bootstrap_servers"], t.key, "-P", "-t", topic, "-p", "0", data="a\nb\nc\n")
        assert code == 0, err
    with t.reading("orders", "-o", "beginning", "-X", "client.id=eyes") as p:
        assert p.stdout.readline()
        (seen,) = wait_for(lambda: [c for c in t.of("orders") if c["client_id"] == "eyes" and c["records_out"] >= 3],
                           "what it read is counted")
        assert seen["principal"] == f"User:{t.key[2]}" and seen["software_name"], seen
        assert (seen["roles"], seen["consumer_group_id"], seen["bytes_in"]) == (["consumer"], None, 0), seen
        assert milliseconds(seen["connected_at"]) <= milliseconds(seen["last_fetched_at"]), seen
        first = milliseconds(seen["last_fetched_at"])
        wait_for(lambda: any(milliseconds(c["last_fetched_at"]) > first for c in t.of("orders") if c["client_id"] == "eyes"),
                 "it goes on to ask")
        assert not [c for c in t.of("quiet") if c["client_id"] == "eyes"]
        mine = [c for c in t.connected()["data"] if c["client_id"] == "eyes"]
        assert mine and sum(c["records_out"] for c in mine) >= 3 and max(c["topics_count"] for c in mine) == 1, mine
    wait_for(lambda: not [c for c in t.of("orders") if c["client_id"] == "eyes"], "who has gone is not told")
    assert t.connected()["others"] == 0


def test_a_client_id_that_is_no_text_hides_nothing(t):
    with t.reading("orders", "-X", os.fsdecode(b"client.id=\xff\xfeodd")) as p:
        found = wait_for(lambda: [c for c in t.of("orders") if c["client_id"] and c["client_id"].endswith("odd")],
                         "it is told")
        assert p.poll() is None and found[0]["roles"] == ["consumer"]


def test_what_is_not_there_and_what_nobody_can_tell_is_said(t):
    assert "quite-new" in str(t.s.refused(404, "GET", f"/leat/v1/clusters/{t.id}/topics/quite-new/clients"))
    t.s.refused(404, "GET", "/leat/v1/clusters/lkc-none/topics/orders/clients")
    t.s.refused(404, "GET", "/leat/v1/clusters/lkc-none/clients")
    other = t.s.make_cluster(t.s.make_environment("rests"), "rests")["id"]
    t.s.make_topic(other, "orders", 1)
    assert t.s.good("GET", f"/leat/v1/clusters/{other}/topics/orders/clients") == {"kind": "ClientList", "data": [], "others": 0}
    t.s.good("POST", f"/leat/v1/clusters/{other}:pause", {})
    for path in ("clients", "topics/orders/clients"):
        wait_for(lambda p=path: t.s.call("GET", f"/leat/v1/clusters/{other}/{p}").status == 503, "its broker is gone")
        assert "is away" in str(t.s.refused(503, "GET", f"/leat/v1/clusters/{other}/{path}"))
