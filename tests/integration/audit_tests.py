"""What only brokers see reaches the audit log of leatd: who signs in on the Kafka port, who is turned away, and what
Kafka clients delete."""
import contextlib
import socket
import urllib.parse

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from leatd import Leatd, wait_for
from managed_tests import config, send, start_cluster


def rows(leat, **query):
    answer = leat.call("GET", "/leat/v1/audit?" + urllib.parse.urlencode({"page_size": 100, "door": "kafka", **query}))
    assert answer.status == 200, answer
    return answer.json["data"]


def counted(leat, **query):
    return sum(r["detail"]["count"] for r in rows(leat, **query))


def refused(cluster, key, mechanism="PLAIN"):
    """A client that is told that its password is wrong."""
    try:
        AdminClient(config(cluster, key, mechanism, **{"socket.timeout.ms": 5000})).list_topics(timeout=2)
    except KafkaException as e:
        assert e.args[0].code() in (KafkaError._TRANSPORT, KafkaError._AUTHENTICATION, KafkaError._TIMED_OUT,
                                    KafkaError._ALL_BROKERS_DOWN), e
    else:
        raise AssertionError("it was let in")


def test_logins_and_refusals_on_the_kafka_port_are_in_the_audit_log():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 1)
        for mechanism in ("PLAIN", "SCRAM-SHA-512"):
            for _ in range(2):
                assert send(cluster, key, "t", [b"x"], mechanism) == [None]
            refused(cluster, (key[0], "wrong-secret"), mechanism)
        refused(cluster, ("typed-in-the-wrong-field", "wrong-secret"))
        wait_for(lambda: rows(leat, operation="kafka.refuse", text="SCRAM") and any(
            not r["actor"] for r in rows(leat, operation="kafka.refuse")), "refusals are in the audit log", 30)
        for mechanism in ("PLAIN", "SCRAM-SHA-512"):
            (told,) = rows(leat, operation="kafka.sign_in", text=mechanism)
            assert (told["actor"], told["address"], told["cluster_id"]) == (key[2], "127.0.0.1", cluster["id"]), told
        plain = next(r for r in rows(leat, operation="kafka.refuse", actor=key[2]) if r["detail"]["how"] == "PLAIN")
        assert plain["detail"]["count"] >= 1 and plain["cluster_id"] == cluster["id"], plain
        text = str(rows(leat))
        assert "typed-in" not in text and "wrong-secret" not in text
        assert leat.call("GET", "/leat/v1/audit:verify").json["intact"]


def knock(port, user, times):
    """SASL PLAIN with a wrong password, as bytes: SaslHandshake v0, then the bare token."""
    for _ in range(times):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
            body = b"\x00\x11\x00\x00\x00\x00\x00\x01\xff\xff\x00\x05PLAIN"
            s.sendall(len(body).to_bytes(4, "big") + body)
            size = int.from_bytes(s.recv(4, socket.MSG_WAITALL), "big")
            s.recv(size, socket.MSG_WAITALL)
            token = b"\x00" + user.encode() + b"\x00wrong"
            s.sendall(len(token).to_bytes(4, "big") + token)
            assert s.recv(1) == b"", "it was let in"


def test_a_flood_of_wrong_passwords_is_a_few_rows_that_count():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        port = int(cluster["bootstrap_servers"].rsplit(":", 1)[1])
        knock(port, key[0], 1)
        wait_for(lambda: rows(leat, operation="kafka.refuse"), "the first is told soon", 10)
        knock(port, key[0], 200)
        knock(port, "nobody", 1)
        wait_for(lambda: len(rows(leat, operation="kafka.refuse")) == 2, "another name is told soon, too", 10)
        assert counted(leat, operation="kafka.refuse", actor=key[2]) == 1, "the rest waits for its minute"
        leat.call("POST", f"/leat/v1/clusters/{cluster['id']}:restart")  # a broker that ends tells what it has not yet
        wait_for(lambda: counted(leat, operation="kafka.refuse", actor=key[2]) == 201, "every one was counted", 20)
        assert len(rows(leat, operation="kafka.refuse", actor=key[2])) == 2


def test_who_does_not_speak_tls_on_the_tls_port_is_told():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        host, port = cluster["tls_bootstrap_servers"].rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as s:
            s.sendall(b"\x00\x00\x00\x10hello, no TLS here")
            with contextlib.suppress(ConnectionResetError):
                assert s.recv(100) == b""
        row = wait_for(lambda: rows(leat, operation="kafka.refuse_tls"), "the failed handshake is told", 15)[0]
        assert row["address"] == "127.0.0.1" and "TLS" in row["detail"]["how"], row


def test_what_kafka_clients_delete_is_told_with_what_was_there():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 1)
        assert send(cluster, key, "t", [b"1", b"2", b"3"]) == [None] * 3
        admin = AdminClient(config(cluster, key))
        at = TopicPartition("t", 0, 2)
        admin.delete_records([at])[at].result(20)
        row = wait_for(lambda: rows(leat, operation="topic.delete_records"), "the deletion is told", 15)[0]
        assert (row["actor"], row["resource"]) == (key[2], "topic=t"), row
        assert (row["detail"]["before"], row["detail"]["after"]) == ({"t-0": 0}, {"t-0": 2}), row
        leat.call("POST", f"/leat/v1/clusters/{cluster['id']}/groups/g:reset-offsets", {"to": "latest", "topics": [{"topic": "t"}]})
        admin.delete_consumer_groups(["g"])["g"].result(20)
        row = wait_for(lambda: rows(leat, operation="group.delete"), "the group's end is told", 15)[0]
        assert (row["actor"], row["resource"], row["detail"]["before"]) == (key[2], "group=g", {"group_id": "g"}), row
