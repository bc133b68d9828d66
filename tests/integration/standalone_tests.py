"""Clients against `leat-broker --standalone`."""
import json
import os
import signal
import subprocess
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions,
                                   NewTopic)
from leatd import wait_for
from standalone import Standalone

HERE = os.path.dirname(os.path.abspath(__file__))
QUIET = {"log_level": 0, "log.connection.close": False}  # brokers come and go here


def kcat(broker, *args, data=None, code=0):
    p = subprocess.run(["kcat", "-b", broker.address, *args], input=data, capture_output=True, text=True, timeout=60)
    assert p.returncode == code, (args, p.returncode, p.stderr[-1000:])
    return p.stdout


def create(broker, topic, partitions=1, **config):
    done = admin(broker).create_topics([NewTopic(topic, partitions, 1, config=config)])
    done[topic].result(20)


def admin(broker):
    """One for each broker: a client that is let go of forgets its futures."""
    if not hasattr(broker, "admin"):
        broker.admin = AdminClient({"bootstrap.servers": broker.address, **QUIET})
    return broker.admin


def consumer(broker, group, **more):
    return Consumer({"bootstrap.servers": broker.address, "group.id": group, "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, **QUIET, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, **more})


def read(c, count, seconds=30):
    """`count` messages."""
    found, end = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        m = c.poll(0.2)
        if m is None or (m.error() and m.error().code() == KafkaError._ALL_BROKERS_DOWN):
            continue
        assert m.error() is None or m.error().retriable() or not m.error().fatal(), m.error()
        if m.error() is None:
            found.append(m)
    assert len(found) >= count, f"{len(found)} of {count} messages came"
    return found


def produce(broker, topic, values, **config):
    errors = []
    p = Producer({"bootstrap.servers": broker.address, "acks": "all", **QUIET, **config})
    for v in values:
        p.produce(topic, v, on_delivery=lambda e, m: e and errors.append(e))
        p.poll(0)
    assert p.flush(30) == 0
    assert not errors, errors[:3]


def test_kcat_produces_and_consumes_with_every_codec():
    with Standalone() as broker:
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            lines = [f"{codec}-{i}-" + "x" * 50 for i in range(200)]
            kcat(broker, "-P", "-t", f"t-{codec}", "-z", codec, "-X", "acks=all", data="\n".join(lines) + "\n")
            out = kcat(broker, "-C", "-t", f"t-{codec}", "-o", "beginning", "-e", "-q")
            assert out.split() == lines, codec


def test_keys_headers_and_null_values_come_back_as_they_were():
    with Standalone() as broker:
        create(broker, "t")
        p = Producer({"bootstrap.servers": broker.address, **QUIET})
        p.produce("t", b"v", key=b"k", headers=[("h", b"1"), ("h", b"2"), ("empty", None)], timestamp=1234567890123)
        p.produce("t", None, key=b"tombstone")
        assert p.flush(20) == 0
        c = consumer(broker, "g")
        c.subscribe(["t"])
        first, second = read(c, 2)
        assert (first.key(), first.value(), first.timestamp()[1]) == (b"k", b"v", 1234567890123)
        assert first.headers() == [("h", b"1"), ("h", b"2"), ("empty", None)]
        assert (second.key(), second.value()) == (b"tombstone", None)
        c.close()


def idempotent_through_two_kills(topic, config, kill):
    """Produces to the 3 partitions of `topic` while kill() is called twice; checks what is stored after it."""
    acked, failed_ones, stop, trouble = {}, [], threading.Event(), []
    p = Producer({**config, "enable.idempotence": True, "linger.ms": 2, "message.timeout.ms": 60000,
                  "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, **QUIET})

    def delivered(error, m):
        if error:
            failed_ones.append(error)
        else:
            acked[m.value()] = (m.partition(), m.offset())

    def goes_on():
        before = len(acked)
        wait_for(lambda: len(acked) > before + 500, "the producer gets on")

    def killer():
        try:
            for _ in range(2):
                goes_on()
                kill()
            goes_on()
        except Exception as e:
            trouble.append(e)
        stop.set()

    thread = threading.Thread(target=killer)
    thread.start()
    sent = 0
    while not stop.is_set():
        try:
            p.produce(topic, b"%d" % sent, partition=sent % 3, on_delivery=delivered)
            sent += 1
        except BufferError:
            p.poll(0.05)
        p.poll(0)
        if sent % 50 == 0:
            time.sleep(0.002)
    thread.join()
    assert not trouble, trouble
    assert p.flush(60) == 0
    assert not failed_ones, failed_ones[:3]
    assert len(acked) == sent
    c = Consumer({**config, "group.id": "check", "auto.offset.reset": "earliest", **QUIET})
    c.assign([TopicPartition(topic, n, 0) for n in range(3)])
    stored = {n: [] for n in range(3)}
    for m in read(c, sent, 60):
        stored[m.partition()].append(int(m.value()))
        assert acked[m.value()] == (m.partition(), m.offset()), "an offset is not the one that was acknowledged"
    assert c.poll(1) is None, "there is more than was sent"
    for n in range(3):
        assert stored[n] == list(range(n, sent, 3)), f"partition {n}: order or number is wrong"
    c.close()


def test_an_idempotent_producer_through_two_kills_loses_duplicates_and_reorders_nothing():
    with Standalone() as broker:
        create(broker, "orders", 3)
        idempotent_through_two_kills("orders", {"bootstrap.servers": broker.address}, broker.kill_and_start)


def assigned(c):
    c.poll(0.05)
    return {tp.partition for tp in c.assignment()}


def test_two_members_share_the_partitions_and_one_takes_over_when_the_other_leaves():
    with Standalone() as broker:
        create(broker, "t", 4)
        a, b = consumer(broker, "pair"), consumer(broker, "pair")
        a.subscribe(["t"])
        wait_for(lambda: len(assigned(a)) == 4, "the first member has all")
        b.subscribe(["t"])

        def shared():
            x, y = assigned(a), assigned(b)
            return len(x) == 2 and len(y) == 2 and not x & y
        wait_for(shared, "each has its half", 30)
        described = admin(broker).describe_consumer_groups(["pair"])["pair"].result(20)
        assert described.state.name == "STABLE" and len(described.members) == 2, described
        a.close()
        wait_for(lambda: len(assigned(b)) == 4, "the second has taken over", 30)
        b.close()


def test_a_killed_member_is_noticed_by_its_session():
    with Standalone() as broker:
        create(broker, "t", 2)
        code = ("import sys, time\nfrom confluent_kafka import Consumer\n"
                "c = Consumer({'bootstrap.servers': sys.argv[1], 'group.id': 'g', 'session.timeout.ms': 6000})\n"
                "c.subscribe(['t'])\n"
                "while True:\n c.poll(0.1)\n if c.assignment(): print('in', flush=True)\n")
        other = subprocess.Popen([sys.executable, "-c", code, broker.address], stdout=subprocess.PIPE, text=True)
        try:
            assert other.stdout.readline() == "in\n"
            c = consumer(broker, "g")
            c.subscribe(["t"])
            wait_for(lambda: len(assigned(c)) == 1, "it has one of two", 30)
        finally:
            other.kill()
            other.wait()
            other.stdout.close()
        wait_for(lambda: len(assigned(c)) == 2, "it has both", 30)
        c.close()


def test_committed_offsets_survive_kill_9():
    with Standalone() as broker:
        create(broker, "t")
        produce(broker, "t", [b"%d" % i for i in range(100)])
        c = consumer(broker, "g")
        c.subscribe(["t"])
        last = read(c, 30)[29]
        c.commit(offsets=[TopicPartition("t", 0, last.offset() + 1, metadata="here")], asynchronous=False)
        broker.kill_and_start()
        c.close()
        c = consumer(broker, "g")
        c.subscribe(["t"])
        assert read(c, 1)[0].value() == b"30"
        at = c.committed([TopicPartition("t", 0)], timeout=20)[0]
        assert (at.offset, at.metadata) == (30, "here")
        c.close()


def test_a_static_member_comes_back_without_a_rebalance():
    with Standalone() as broker:
        create(broker, "t", 2)
        config = {"group.instance.id": "pod-1", "session.timeout.ms": 20000}
        other = consumer(broker, "g", **{"group.instance.id": "pod-0", "session.timeout.ms": 20000})
        c = consumer(broker, "g", **config)
        other.subscribe(["t"])
        c.subscribe(["t"])

        def both_are_in():
            x, y = assigned(other), assigned(c)  # both are polled: who is not cannot give anything up
            return len(x) == 1 and len(y) == 1
        wait_for(both_are_in, "both are in", 30)
        mine, members = assigned(c), None
        c.close()  # a static member does not leave
        c = consumer(broker, "g", **config)
        c.subscribe(["t"])
        wait_for(lambda: assigned(c) == mine, "it has its partition again", 15)
        assert len(assigned(other)) == 1
        members = admin(broker).describe_consumer_groups(["g"])["g"].result(20).members
        assert {m.group_instance_id for m in members} == {"pod-0", "pod-1"}
        c.close()
        other.close()


def test_groups_are_listed_described_and_deleted():
    with Standalone() as broker:
        create(broker, "t")
        produce(broker, "t", [b"1"])
        c = consumer(broker, "gone-soon")
        c.subscribe(["t"])
        read(c, 1)
        c.commit(asynchronous=False)
        a = admin(broker)
        listed = a.list_consumer_groups().result(20)
        assert [(g.group_id, g.state.name) for g in listed.valid] == [("gone-soon", "STABLE")]
        try:
            a.delete_consumer_groups(["gone-soon"])["gone-soon"].result(20)
            raise AssertionError("a group with members was deleted")
        except Exception as e:
            assert "NON_EMPTY_GROUP" in str(e), e
        c.close()
        a.delete_consumer_groups(["gone-soon"])["gone-soon"].result(20)
        assert not a.list_consumer_groups().result(20).valid


def test_topics_are_created_described_changed_and_deleted():
    with Standalone() as broker:
        a = admin(broker)
        create(broker, "t", 2, **{"retention.ms": "3600000"})
        resource = ConfigResource(ConfigResource.Type.TOPIC, "t")
        config = a.describe_configs([resource])[resource].result(20)
        assert config["retention.ms"].value == "3600000" and not config["retention.ms"].is_default
        assert config["cleanup.policy"].value == "delete" and config["cleanup.policy"].is_default
        change = ConfigResource(ConfigResource.Type.TOPIC, "t", incremental_configs=[
            ConfigEntry("max.message.bytes", "2000", incremental_operation=AlterConfigOpType.SET),
            ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)])
        a.incremental_alter_configs([change])[change].result(20)
        config = a.describe_configs([resource])[resource].result(20)
        assert config["max.message.bytes"].value == "2000" and config["retention.ms"].is_default
        a.create_partitions([NewPartitions("t", 5)])["t"].result(20)
        assert len(a.list_topics("t", 20).topics["t"].partitions) == 5
        a.delete_topics(["t"])["t"].result(20)
        assert "t" not in a.list_topics(timeout=20).topics
        try:
            create(broker, "no spaces allowed")
            raise AssertionError("a topic with spaces was made")
        except Exception as e:
            assert "INVALID_TOPIC" in str(e) or "TOPIC_EXCEPTION" in str(e), e


def test_a_topic_made_again_under_its_name_is_empty_and_has_no_committed_offsets():
    with Standalone() as broker:
        create(broker, "t")
        produce(broker, "t", [b"old"])
        c = consumer(broker, "g")
        c.subscribe(["t"])
        read(c, 1)
        c.commit(asynchronous=False)
        c.close()
        admin(broker).delete_topics(["t"])["t"].result(20)
        create(broker, "t")
        c = consumer(broker, "g")
        assert c.committed([TopicPartition("t", 0)], timeout=20)[0].offset < 0
        assert c.get_watermark_offsets(TopicPartition("t", 0), timeout=20) == (0, 0)
        c.close()


def test_too_large_messages_are_refused():
    with Standalone() as broker:
        create(broker, "t", 1, **{"max.message.bytes": "1000"})
        errors = []
        p = Producer({"bootstrap.servers": broker.address, **QUIET})
        p.produce("t", b"x" * 5000, on_delivery=lambda e, m: errors.append(e))
        assert p.flush(20) == 0
        assert errors[0] is not None and errors[0].code() == KafkaError.MSG_SIZE_TOO_LARGE, errors


def test_offsets_are_found_by_time():
    with Standalone() as broker:
        create(broker, "t")
        p = Producer({"bootstrap.servers": broker.address, **QUIET})
        now = int(time.time() * 1000)
        for i in range(10):
            p.produce("t", b"%d" % i, timestamp=now + i * 1000 - 20000)
        assert p.flush(20) == 0
        c = consumer(broker, "g")
        found = c.offsets_for_times([TopicPartition("t", 0, now + 4000 - 20000)], timeout=20)
        assert found[0].offset == 4, found
        c.close()


def test_kafkajs_produces_and_consumes_as_a_group():
    with Standalone() as broker:
        p = subprocess.run(["node", os.path.join(HERE, "kafkajs", "roundtrip.js"), broker.address, "js", "300"],
                           capture_output=True, text=True, timeout=90)
        assert p.returncode == 0, p.stderr[-2000:]
        result = json.loads(p.stdout)
        assert result == {"seen": 300, "committed": 300, "state": result["state"]}, result
        assert result["state"] in ("Empty", "Stable"), result


def test_kafka_python_produces_and_consumes_as_a_group():
    from kafka import KafkaConsumer, KafkaProducer
    with Standalone() as broker:
        create(broker, "py", 2)
        p = KafkaProducer(bootstrap_servers=broker.address, acks="all", compression_type="gzip")
        for i in range(200):
            p.send("py", key=b"%d" % i, value=b"v%d" % i)
        p.flush(timeout=30)
        p.close()
        c = KafkaConsumer("py", bootstrap_servers=broker.address, group_id="py-readers", auto_offset_reset="earliest",
                          enable_auto_commit=False, consumer_timeout_ms=15000)
        seen = {}
        for m in c:
            seen[m.key] = m.value
            if len(seen) == 200:
                break
        c.commit()
        c.close()
        assert seen == {b"%d" % i: b"v%d" % i for i in range(200)}
        lag = admin_offsets(broker, "py-readers")
        assert sum(lag.values()) == 200, lag


def admin_offsets(broker, group):
    from confluent_kafka import ConsumerGroupTopicPartitions
    a = admin(broker)
    done = a.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
    return {(p.topic, p.partition): p.offset for p in done[group].result(20).topic_partitions}


def test_a_graceful_stop_loses_nothing_and_starts_again():
    with Standalone() as broker:
        create(broker, "t")
        produce(broker, "t", [b"%d" % i for i in range(50)])
        assert broker.end(signal.SIGTERM) == 0
        broker.start()
        c = consumer(broker, "g")
        c.subscribe(["t"])
        assert [m.value() for m in read(c, 50)] == [b"%d" % i for i in range(50)]
        c.close()
