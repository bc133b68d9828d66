"""Compacted topics as Kafka clients see them, while records come, and through kill -9."""
from confluent_kafka import Consumer, Producer, TopicPartition
from leatd import wait_for
from standalone import Standalone
from standalone_tests import create

KEYS, ROUNDS = 200, 150


def write(broker, rounds, size=1000):
    """Each key once a round; key 0 is deleted in the last one. What is to be there at the end."""
    p = Producer({"bootstrap.servers": broker.address, "acks": "all", "enable.idempotence": True, "batch.num.messages": 50})
    for r in rounds:
        for k in range(KEYS):
            gone = k == 0 and r == rounds[-1]
            p.produce("t", key=f"k{k}", value=None if gone else f"{r}:".ljust(size, "x"))
        p.flush()
    return {f"k{k}": f"{rounds[-1]}:" for k in range(1, KEYS)}


def read_all(broker):
    """Every record that is left, by offset."""
    c = Consumer({"bootstrap.servers": broker.address, "group.id": "reader", "enable.partition.eof": True,
                  "auto.offset.reset": "earliest", "isolation.level": "read_committed"})
    c.assign([TopicPartition("t", 0, 0)])
    records, end = [], False
    while not end:
        for m in c.consume(1000, 10):
            if m.error():
                end = True
            else:
                records.append(m)
    c.close()
    offsets = [m.offset() for m in records]
    assert offsets == sorted(set(offsets)), "offsets rise"
    return records


def latest(records):
    last = {}
    for m in records:
        last[m.key().decode()] = m.value() and m.value().decode().split("x")[0]
    return last


def is_compacted(broker, limit):
    return lambda: len(read_all(broker)) < limit


def test_a_compacted_topic_keeps_the_last_record_of_each_key_through_kill_9():
    with Standalone() as broker:
        create(broker, "t", **{"cleanup.policy": "compact", "segment.bytes": "1048576",
                               "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0"})
        want = write(broker, range(ROUNDS))
        wait_for(is_compacted(broker, ROUNDS * KEYS // 10), "the log shrinks")
        after = latest(read_all(broker))
        assert {k: v for k, v in after.items() if v} == want
        broker.kill_and_start()
        assert {k: v for k, v in latest(read_all(broker)).items() if v} == want
        want = write(broker, range(ROUNDS, ROUNDS + 30))
        broker.kill_and_start()
        wait_for(is_compacted(broker, ROUNDS * KEYS // 10), "the log shrinks again")
        assert {k: v for k, v in latest(read_all(broker)).items() if v} == want
