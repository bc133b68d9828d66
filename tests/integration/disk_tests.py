"""Brokers on a file system of a few MiB that gets full, and at the storage limit of a plan; real clients."""
import os
import signal

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource
from leatd import wait_for
from small_disk import SmallDisk
from standalone import Standalone
from standalone_tests import QUIET, admin, consumer, create, kcat, read

MIB = 1 << 20


class OnSmallDisk(Standalone):
    """24 MiB, a third of which is ballast."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.disk = SmallDisk(os.path.join(self.folder, "data"), 24 * MIB)
        self.prefix = self.disk.prefix
        self.disk.ballast(8 * MIB)

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self.disk.close()

    def said(self, text):
        with open(os.path.join(self.folder, "broker.log"), encoding="utf-8", errors="replace") as f:
            return text in f.read()


class Filler:
    """An idempotent producer that keeps on; knows what was acknowledged, in order."""

    def __init__(self, broker, topic, **config):
        self.topic, self.acked, self.failed, self.sent = topic, [], [], 0
        self.producer = Producer({"bootstrap.servers": broker.address, "enable.idempotence": True, "linger.ms": 1,
                                  "message.timeout.ms": 120000, "batch.size": 65536, "queue.buffering.max.messages": 2000,
                                  "retry.backoff.ms": 50, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
                                  **QUIET, **config})

    def delivered(self, error, message):
        if error:
            self.failed.append(error)
        else:
            self.acked.append(int(message.value()[:10]))

    def send(self, count=20):
        for _ in range(count):
            try:
                self.producer.produce(self.topic, b"%010d" % self.sent + b"x" * 4000, partition=0,
                                      on_delivery=self.delivered)
                self.sent += 1
            except BufferError:
                break
        self.producer.poll(0.01)

    def until_full(self, broker):
        wait_for(lambda: self.send() or broker.said("the disk is full"), "the disk gets full", 60)


def values(broker, topic, count, **more):
    c = Consumer({"bootstrap.servers": broker.address, "group.id": "check", "auto.offset.reset": "earliest", **QUIET, **more})
    c.assign([TopicPartition(topic, 0, 0)])
    found = [int(m.value()[:10]) for m in read(c, count, 60)]
    c.close()
    return found


def commits(c, topic, offsets):
    for offset in offsets:
        c.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)


def test_a_full_disk_takes_nothing_loses_nothing_and_goes_on_by_itself():
    with OnSmallDisk() as broker:
        create(broker, "t", **{"segment.bytes": str(MIB)})
        filler = Filler(broker, "t")
        filler.until_full(broker)
        kcat(broker, "-P", "-t", "t", "-X", "message.timeout.ms=1500", data="x\n", code=1)
        group = consumer(broker, "g")
        commits(group, "t", range(300))
        acked = len(filler.acked)
        assert values(broker, "t", acked)[:acked] == list(range(acked))
        broker.kill_and_start()
        commits(group, "t", range(300, 400))
        assert values(broker, "t", acked)[:acked] == list(range(acked))
        broker.disk.drop_ballast()
        assert filler.producer.flush(60) == 0
        assert not filler.failed, filler.failed[:3]
        assert filler.acked == list(range(filler.sent))
        assert values(broker, "t", filler.sent) == list(range(filler.sent)), "each once, in order"
        assert group.committed([TopicPartition("t", 0)], 20)[0].offset == 399
        group.close()


def test_retention_makes_room_on_a_full_disk():
    with OnSmallDisk() as broker:
        create(broker, "t", **{"segment.bytes": str(MIB)})
        filler = Filler(broker, "t")
        filler.until_full(broker)
        resource = ConfigResource(ConfigResource.Type.TOPIC, "t", incremental_configs=[
            ConfigEntry("retention.bytes", str(4 * MIB), incremental_operation=AlterConfigOpType.SET)])
        admin(broker).incremental_alter_configs([resource])[resource].result(20)
        assert filler.producer.flush(60) == 0
        assert not filler.failed, filler.failed[:3]
        assert filler.acked == list(range(filler.sent))
        assert broker.said("clients may append")


def test_deleting_records_makes_room_on_a_full_disk():
    with OnSmallDisk() as broker:
        create(broker, "t")  # all in one segment
        filler = Filler(broker, "t")
        filler.until_full(broker)
        at = TopicPartition("t", 0, len(filler.acked))
        admin(broker).delete_records([at])[at].result(20)
        assert filler.producer.flush(60) == 0
        assert filler.acked == list(range(filler.sent))


def test_deleting_a_topic_makes_room_on_a_full_disk_after_a_restart():
    with OnSmallDisk() as broker:
        create(broker, "t")
        create(broker, "u")
        filler = Filler(broker, "t")
        filler.until_full(broker)
        filler.producer.purge()
        broker.end(signal.SIGTERM)
        broker.start()
        admin(broker).delete_topics(["t"])["t"].result(20)
        assert Filler.send(other := Filler(broker, "u")) is None
        assert other.producer.flush(60) == 0
        assert values(broker, "u", 20) == list(range(20))


def test_transactions_end_on_a_full_disk():
    with OnSmallDisk() as broker:
        create(broker, "t", **{"segment.bytes": str(MIB)})
        filler = Filler(broker, "t", **{"transactional.id": "x", "transaction.timeout.ms": 120000})
        filler.producer.init_transactions(20)
        filler.producer.begin_transaction()
        filler.send(5)
        filler.producer.commit_transaction(20)
        filler.producer.begin_transaction()
        filler.until_full(broker)
        filler.producer.abort_transaction(30)
        committed = {"isolation.level": "read_committed"}
        assert values(broker, "t", 5, **committed) == list(range(5))
        broker.kill_and_start()
        assert values(broker, "t", 5, **committed) == list(range(5))
        broker.disk.drop_ballast()
        again = Filler(broker, "t", **{"transactional.id": "x", "transaction.timeout.ms": 120000})
        again.producer.init_transactions(20)
        again.sent = 1000
        wait_for(lambda: in_one_transaction(again), "a transaction commits", 60)
        assert values(broker, "t", 10, **committed)[-5:] == again.acked[-5:]


def in_one_transaction(filler):
    """May be refused as long as the disk has no room."""
    try:
        filler.producer.begin_transaction()
        filler.send(5)
        filler.producer.commit_transaction(20)
        return True
    except KafkaException as e:
        if not e.args[0].txn_requires_abort():
            raise
        filler.producer.abort_transaction(20)
        return False
