"""Who is connected, who produces to a topic and who reads it, as real clients make brokers say: principals, client ids,
groups of both protocols, transactional producers, and what is left of a client that has gone."""
import contextlib
import os
import signal
import socket
import subprocess

from confluent_kafka import Consumer, Producer, TopicPartition
from leatd import Leatd, wait_for
from managed_tests import config, send, start_cluster


def clients(leat, cluster, topic, status=200):
    answer = leat.call("GET", f"/leat/v1/clusters/{cluster['id']}/topics/{topic}/clients")
    assert answer.status == status, answer
    return answer.json["data"] if status == 200 else answer.json


def of(leat, cluster, topic, **like):
    return [c for c in clients(leat, cluster, topic) if all(c[k] == v for k, v in like.items())]


@contextlib.contextmanager
def reader(cluster, key, group, *topics, **more):
    """A consumer that has its partitions."""
    c = Consumer(config(cluster, key, **{"group.id": group, "auto.offset.reset": "earliest", **more}))
    c.subscribe(list(topics))
    wait_for(lambda: c.poll(0.05) is not None or c.assignment(), f"a member of {group} gets partitions", 40)
    try:
        yield c
    finally:
        c.close()


def consume(consumer, count):
    return [m for m in consumer.consume(count, 0.1) if not m.error()]


def read(consumer, count):
    got = []
    wait_for(lambda: got.extend(consume(consumer, count - len(got))) or len(got) >= count, f"{count} records come", 30)
    return got


def test_producers_and_readers_of_a_topic_are_told_by_principal_client_id_and_group():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        one, two = leat.make_key(cluster["id"], "one"), leat.make_key(cluster["id"], "two")
        leat.make_topic(cluster["id"], "orders", 1)
        leat.make_topic(cluster["id"], "other", 1)
        assert clients(leat, cluster, "orders") == [], "nobody yet"
        producer = Producer(config(cluster, one, **{"client.id": "shop", "enable.idempotence": True}))
        for i in range(10):
            producer.produce("orders", b"%d" % i * 10)
        assert producer.flush(20) == 0
        (made,) = wait_for(lambda: of(leat, cluster, "orders", client_id="shop"), "the producer is told")
        assert made["principal"] == f"User:{one[2]}" and made["address"] == "127.0.0.1" and made["via"] == "kafka", made
        assert made["software_name"] == "confluent-kafka-python" and made["software_version"], made
        assert (made["roles"], made["records_in"], made["records_out"]) == (["producer"], 10, 0), made
        assert made["bytes_in"] > 100 and made["producer_id"] is not None and made["last_produced_at"], made
        assert made["connected_at"] <= made["last_produced_at"] and made["last_fetched_at"] is None, made
        assert made["consumer_group_id"] is None and made["consumer_group_match"] == "none", made
        with reader(cluster, two, "billing", "orders", **{"client.id": "bill"}) as consumer:
            (seen,) = wait_for(lambda: of(leat, cluster, "orders", client_id="bill", consumer_group_id="billing"),
                               "the reader is told with its group")
            assert seen["principal"] == f"User:{two[2]}" and seen["roles"] == ["consumer"], seen
            assert seen["consumer_group_match"] == "client_id" and seen["producer_id"] is None, seen
            wait_for(lambda: (consumer.poll(0.05), of(leat, cluster, "orders", client_id="bill")[0]["records_out"] >= 10)[1],
                     "what it read is counted")
            assert of(leat, cluster, "orders", client_id="bill")[0]["bytes_out"] >= made["bytes_in"] - 10
            assert clients(leat, cluster, "other") == [], "neither has to do with it"
            same = Producer(config(cluster, two, **{"client.id": "bill"}))
            same.produce("other", b"1")
            assert same.flush(20) == 0
            (beside,) = of(leat, cluster, "other", client_id="bill")
            assert beside["roles"] == ["producer"] and beside["consumer_group_match"] == "none", beside
            everybody = leat.call("GET", f"/leat/v1/clusters/{cluster['id']}/clients").json["data"]
            writes = [c for c in everybody if "producer" in c["roles"] and c["client_id"] == "bill"]
            assert [c["consumer_group_id"] for c in writes] == [None], "it only has the name of a member"
            beats = [c for c in everybody if c["consumer_group_match"] == "connection"]
            assert [(c["consumer_group_id"], c["client_id"], c["roles"]) for c in beats] == [("billing", "bill", [])], beats
        wait_for(lambda: not of(leat, cluster, "orders", client_id="bill"), "who has left is not told any more")
        assert len(clients(leat, cluster, "orders")) == 1
        del producer
        wait_for(lambda: clients(leat, cluster, "orders") == [], "nor is the producer that ended")


def test_two_clients_of_one_id_are_two_and_their_groups_are_told_apart_by_topic():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        for name in ("red", "blue"):
            leat.make_topic(cluster["id"], name, 2)
            assert send(cluster, key, name, [b"x"]) == [None]
        same = {"client.id": "twin"}
        with reader(cluster, key, "reds", "red", **same), reader(cluster, key, "blues", "blue", **same):
            for topic, group in (("red", "reds"), ("blue", "blues")):
                wait_for(lambda t=topic, g=group: [c["consumer_group_id"] for c in of(leat, cluster, t, client_id="twin")] == [g],
                         f"{topic} is read by {group} alone")
            with reader(cluster, key, "others", "red", **same):
                def red():
                    found = of(leat, cluster, "red", client_id="twin")
                    return len(found) == 2 and {c["consumer_group_match"] for c in found} == {"ambiguous"}
                wait_for(red, "two groups of one principal, client id and address are not guessed between")
                assert all(c["consumer_group_id"] is None for c in of(leat, cluster, "red", client_id="twin"))
            wait_for(lambda: [c["consumer_group_id"] for c in of(leat, cluster, "red", client_id="twin")] == ["reds"],
                     "it is clear again once the other is gone")


def test_members_of_the_consumer_protocol_and_transactional_producers_are_told():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "paid", 1)
        producer = Producer(config(cluster, key, **{"client.id": "bank", "transactional.id": "bank-1"}))
        producer.init_transactions(20)
        producer.begin_transaction()
        producer.produce("paid", b"1")
        producer.produce("paid", b"2")
        producer.commit_transaction(20)
        (bank,) = of(leat, cluster, "paid", client_id="bank")
        assert bank["records_in"] == 2 and bank["producer_id"] is not None, bank
        with reader(cluster, key, "new", "paid", **{"client.id": "kip", "group.protocol": "consumer"}) as consumer:
            (kip,) = wait_for(lambda: of(leat, cluster, "paid", client_id="kip", consumer_group_id="new"),
                              "a member of the consumer protocol is told with its group")
            assert kip["consumer_group_match"] == "client_id", kip
        alone = Consumer(config(cluster, key, **{"client.id": "alone", "group.id": "unused", "auto.offset.reset": "earliest"}))
        alone.assign([TopicPartition("paid", 0, 0)])
        assert [m.value() for m in read(alone, 2)] == [b"1", b"2"]
        (found,) = of(leat, cluster, "paid", client_id="alone")
        assert found["consumer_group_id"] is None and found["records_out"] >= 2, found
        alone.close()


def test_a_client_with_one_connection_for_all_is_told_with_its_group():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "js", 1)
        assert send(cluster, key, "js", [b"1", b"2"]) == [None, None]
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kafkajs", "stays.js")
        with subprocess.Popen(["node", script, cluster["bootstrap_servers"], *key[:2], "js", "js-readers"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
            try:
                assert node.stdout.readline() == "reads\n"
                (found,) = wait_for(lambda: of(leat, cluster, "js", client_id="stays", consumer_group_id="js-readers"),
                                    "the reader is told with its group")
                assert found["software_name"] == "kafkajs" or found["software_name"] is None, found
            finally:
                node.stdin.close()
                node.wait(20)


def test_more_connections_than_are_named_are_counted():
    with Leatd() as leat, contextlib.ExitStack() as held:
        cluster = leat.make_cluster(leat.make_environment(), kind="Dedicated")
        host, port = cluster["bootstrap_servers"].rsplit(":", 1)
        path = f"/leat/v1/clusters/{cluster['id']}/clients"
        for _ in range(1200):
            held.enter_context(socket.create_connection((host, int(port)), timeout=20))
        body = wait_for(lambda: [a for a in [leat.call("GET", path).json] if len(a["data"]) + a["others"] >= 1200],
                        "all are counted")[0]
        assert len(body["data"]) == 1000 and body["others"] >= 200, (len(body["data"]), body["others"])
        assert body["data"][0]["principal"] is None and body["data"][0]["roles"] == []
        held.close()
        wait_for(lambda: leat.call("GET", path).json["data"] == [], "all are gone")


def test_a_broker_that_hangs_or_is_gone_is_said_in_a_sentence():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        leat.make_topic(cluster["id"], "t", 1)
        pid = leat.call("GET", f"/leat/v1/clusters/{cluster['id']}/processes").json["data"][0]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            late = clients(leat, cluster, "t", 503)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert "did not tell in time" in str(late), late
        assert clients(leat, cluster, "t") == []
        assert "cannot be found" in str(clients(leat, cluster, "nothing", 404))
        paused = leat.call("POST", f"/leat/v1/clusters/{cluster['id']}:pause", {})
        assert paused.status in (200, 202), paused
        wait_for(lambda: "is away" in str(leat.call("GET", f"/leat/v1/clusters/{cluster['id']}/topics/t/clients").json),
                 "the broker is away")
