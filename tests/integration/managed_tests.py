"""Clients against a broker under leatd: keys, ACLs, quotas."""
import os
import signal
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from leatd import Leatd, kcat, wait_for
from standalone_tests import idempotent_through_two_kills


def config(cluster, key, mechanism="PLAIN", **more):
    return {"bootstrap.servers": cluster["bootstrap_servers"], "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": mechanism, "sasl.username": key[0], "sasl.password": key[1], "log_level": 0, **more}


def start_cluster(leat):
    environment = leat.make_environment()
    cluster = leat.make_cluster(environment)
    return environment, cluster


def send(cluster, key, topic, values, mechanism="PLAIN", seconds=20, **settings):
    """The errors of delivery, None for success."""
    outcome = []
    p = Producer(config(cluster, key, mechanism, **{"acks": "all", "message.timeout.ms": seconds * 1000}, **settings))
    for v in values:
        try:
            p.produce(topic, v, on_delivery=lambda e, m: outcome.append(e))
        except KafkaException as e:  # what its metadata say already is refused here
            outcome.append(e.args[0])
    p.flush(seconds + 5)
    return outcome


def first_error(cluster, key, mechanism="PLAIN"):
    """What the client is told when it connects."""
    errors = []
    p = Producer(config(cluster, key, mechanism, error_cb=errors.append))
    wait_for(lambda: p.poll(0.1) is None or errors, "an error comes", 15)
    return errors[0]


def test_plain_and_both_scrams_produce_and_consume_with_a_cluster_key():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 1)
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            assert send(cluster, key, "t", [mechanism.encode()], mechanism) == [None], mechanism
        c = Consumer(config(cluster, key, "SCRAM-SHA-512", **{"group.id": "g", "auto.offset.reset": "earliest"}))
        c.subscribe(["t"])
        seen = []
        wait_for(lambda: seen.extend(m.value() for m in c.consume(10, 0.2) if not m.error()) or len(seen) == 3,
                 "three messages came", 30)
        assert seen == [b"PLAIN", b"SCRAM-SHA-256", b"SCRAM-SHA-512"]
        c.close()


def test_an_old_librdkafka_authenticates_by_scram():
    """kcat of Debian 12 (librdkafka 2.0) repeats its part of the nonce."""
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            code, out, err = kcat(cluster["bootstrap_servers"], key, "-L", "-X", f"sasl.mechanism={mechanism}")
            assert code == 0 and "1 brokers" in out, err
            code, _, _ = kcat(cluster["bootstrap_servers"], (key[0], "wrong"), "-L", "-m", "5",
                              "-X", f"sasl.mechanism={mechanism}")
            assert code != 0


def test_a_wrong_secret_and_an_unknown_user_are_refused():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            assert first_error(cluster, (key[0], "wrong"), mechanism).code() == KafkaError._AUTHENTICATION
            assert first_error(cluster, ("NOBODY", key[1]), mechanism).code() == KafkaError._AUTHENTICATION
        code, _, err = kcat(cluster["bootstrap_servers"], (key[0], "wrong"), "-L", "-m", "5")
        assert code != 0 and "uthentication" in err, err


def test_a_cloud_key_is_refused_on_the_kafka_port():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        assert first_error(cluster, leat.cloud).code() == KafkaError._AUTHENTICATION


def test_a_principal_without_an_acl_gets_topic_authorization_failed():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"], acls=False)
        leat.make_topic(cluster["id"], "t", 1)
        outcome = send(cluster, key, "t", [b"x"])
        assert outcome[0] is not None and outcome[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED, outcome
        c = Consumer(config(cluster, key, **{"group.id": "g"}))
        c.subscribe(["t"])
        codes = set()
        wait_for(lambda: codes.update(m.error().code() for m in c.consume(1, 0.2) if m.error()) or codes,
                 "an error comes", 20)
        assert codes <= {KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED}, codes
        c.close()


def test_acls_open_what_they_name_at_once_and_nothing_else():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"], acls=False)
        for name in ("pay.a", "other"):
            leat.make_topic(cluster["id"], name, 1)
        answer = leat.call("POST", f"/kafka/v3/clusters/{cluster['id']}/acls", {
            "resource_type": "TOPIC", "resource_name": "pay.", "pattern_type": "PREFIXED",
            "principal": f"User:{key[2]}", "host": "*", "operation": "WRITE", "permission": "ALLOW"})
        assert answer.status == 201, answer
        assert send(cluster, key, "pay.a", [b"x"]) == [None]
        assert send(cluster, key, "other", [b"x"])[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        a = AdminClient(config(cluster, key))
        try:
            a.create_topics([NewTopic("new", 1, 1)])["new"].result(20)
            raise AssertionError("a topic was made without the right to")
        except KafkaException as e:
            assert e.args[0].code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED), e


def test_topics_made_by_a_kafka_client_are_seen_by_rest_and_the_other_way_round():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        a = AdminClient(config(cluster, key))
        a.create_topics([NewTopic("by-kafka", 2, 3)])["by-kafka"].result(20)
        answer = leat.call("GET", f"/kafka/v3/clusters/{cluster['id']}/topics/by-kafka")
        assert answer.status == 200 and answer.json["partitions_count"] == 2, answer
        leat.make_topic(cluster["id"], "by-rest", 4)
        assert len(a.list_topics("by-rest", 20).topics["by-rest"].partitions) == 4


def test_deleting_a_key_ends_its_connections():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 1)
        errors = []
        p = Producer(config(cluster, key, error_cb=errors.append))
        outcome = []
        p.produce("t", b"x", on_delivery=lambda e, m: outcome.append(e))
        assert p.flush(20) == 0 and outcome == [None]
        assert leat.call("DELETE", f"/iam/v2/api-keys/{key[0]}").status in (202, 204)
        wait_for(lambda: p.poll(0.1) is None or any(e.code() == KafkaError._AUTHENTICATION for e in errors),
                 "the client is refused when it comes back", 20)


def test_the_lag_that_rest_tells_is_the_clients():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 2)
        assert set(send(cluster, key, "t", [b"%d" % i for i in range(100)])) == {None}
        c = Consumer(config(cluster, key, **{"group.id": "g", "auto.offset.reset": "earliest",
                                             "enable.auto.commit": False}))
        c.subscribe(["t"])
        seen = []
        wait_for(lambda: seen.extend(m for m in c.consume(10, 0.2) if not m.error()) or len(seen) >= 40, "40 came", 30)
        c.commit(asynchronous=False)
        told = {}  # as Kafka's own tools do, of partitions with a committed offset
        for tp in c.committed([TopicPartition("t", n) for n in range(2)], 20):
            if tp.offset >= 0:
                end = c.get_watermark_offsets(tp, timeout=20)[1]
                told[tp.partition] = (tp.offset, end, end - tp.offset)
        answer = leat.call("GET", f"/kafka/v3/clusters/{cluster['id']}/consumer-groups/g/lags")
        assert answer.status == 200, answer
        rows = {row["partition_id"]: (row["current_offset"], row["log_end_offset"], row["lag"])
                for row in answer.json["data"]}
        assert told and rows == told, (rows, told)
        c.close()


def test_an_idempotent_producer_through_two_kills_of_a_supervised_broker_loses_nothing():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "orders", 3)

        def kill():
            os.kill(leat.running(cluster["id"])["state"]["pid"], signal.SIGKILL)
        idempotent_through_two_kills("orders", config(cluster, key), kill)


def make_quota(leat, environment, cluster, account, ingress, egress):
    answer = leat.call("POST", "/kafka-quotas/v1/client-quotas", {"spec": {
        "display_name": "slow", "description": "", "cluster": {"id": cluster["id"]},
        "environment": {"id": environment}, "principals": [{"id": account}],
        "throughput": {"ingress_byte_rate": str(ingress), "egress_byte_rate": str(egress)}}})
    assert answer.status == 202, answer


def holds(rate, below, above, measure):
    """The client gets about that rate. A machine with no time for it for a second shows less, or, when that second
    is made up for, more: it is measured again then, up to three times."""
    seen = []
    while len(seen) < 3:
        seen.append(measure())
        if below * rate <= seen[-1] <= above * rate:
            return
    raise AssertionError(f"{[round(x) for x in seen]} bytes a second instead of {rate}")


def test_a_quota_of_1_mb_a_second_holds_a_consumer():
    rate, seconds = 1_000_000, 15
    with Leatd() as leat:
        environment, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 1)
        assert set(send(cluster, key, "t", [b"x" * 10_000] * 2500)) == {None}
        make_quota(leat, environment, cluster, key[2], 10_000_000, rate)
        c = Consumer(config(cluster, key, **{"group.id": "g", "fetch.message.max.bytes": 100_000,
                                             "queued.max.messages.kbytes": 1_000}))

        def measure():
            c.assign([TopicPartition("t", 0, 0)])
            got, began = 0, time.monotonic()
            while time.monotonic() - began < seconds:
                got += sum(len(m.value()) for m in c.consume(100, 0.1) if not m.error())
            return got / (time.monotonic() - began)
        holds(rate, 0.9, 1.15, measure)
        c.close()


def test_a_quota_of_1_mb_a_second_holds_a_producer_and_the_client_sees_it():
    rate, seconds = 1_000_000, 20
    with Leatd() as leat:
        environment, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 1)
        make_quota(leat, environment, cluster, key[2], rate, 10_000_000)
        throttled, delivered = [], 0

        def on_delivery(error, message):
            nonlocal delivered
            assert error is None, error
            delivered += len(message.value())
        p = Producer(config(cluster, key, throttle_cb=throttled.append, **{
            "acks": "all", "linger.ms": 5, "batch.size": 100_000, "message.timeout.ms": 120_000,
            "queue.buffering.max.kbytes": 3_000}))

        def measure():
            began, before = time.monotonic(), delivered
            while time.monotonic() - began < seconds:
                try:
                    p.produce("t", b"x" * 10_000, on_delivery=on_delivery)
                    p.poll(0)
                except BufferError:
                    p.poll(0.05)
            return (delivered - before) / (time.monotonic() - began)
        holds(rate, 0.9, 1.1, measure)
        p.purge()
        assert throttled and max(e.throttle_time for e in throttled) > 0
