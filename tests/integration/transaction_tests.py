"""Transactions of real clients against `leat-broker --standalone`: what is committed is seen once, what is aborted
never, whatever happens to the broker meanwhile."""
import collections
import json
import os
import random
import subprocess
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from leatd import wait_for
from standalone import Standalone
from standalone_tests import HERE, QUIET, consumer, create, produce, read

# librdkafka forgets a coordinator that is away for good when it bootstraps again, with a single broker.
KEEPS = {"metadata.recovery.strategy": "none"}


def transactional(broker, name, **more):
    p = Producer({"bootstrap.servers": broker.address, "transactional.id": name, "transaction.timeout.ms": 20000,
                  "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, **KEEPS, **QUIET, **more})
    p.init_transactions(30)
    return p


def read_all(broker, topic, partitions, isolation):
    """Every record up to the ends of the partitions, values in order."""
    c = Consumer({"bootstrap.servers": broker.address, "group.id": "reader", "isolation.level": isolation,
                  "enable.auto.commit": False, "enable.partition.eof": True, **QUIET})
    c.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    values, ends, until = [], set(), time.monotonic() + 60
    while len(ends) < partitions and time.monotonic() < until:
        m = c.poll(0.5)
        if m is None:
            continue
        if m.error():
            ends.add(m.partition())
        else:
            values.append(m.value().decode())
    c.close()
    assert len(ends) == partitions, "the ends of the partitions were not reached"
    return values


def test_only_committed_records_are_read():
    with Standalone() as broker:
        create(broker, "t", 2)
        p = transactional(broker, "writer")
        for i in range(6):
            p.begin_transaction()
            for k in range(5):
                p.produce("t", f"{i}-{k}", partition=k % 2)
            if i % 3 == 2:
                p.flush(20)
                p.abort_transaction(20)
            else:
                p.commit_transaction(20)
        wanted = sorted(f"{i}-{k}" for i in range(6) if i % 3 != 2 for k in range(5))
        assert sorted(read_all(broker, "t", 2, "read_committed")) == wanted
        assert len(read_all(broker, "t", 2, "read_uncommitted")) == 30
        p.begin_transaction()
        p.produce("t", "open", partition=0)
        p.flush(20)
        assert sorted(read_all(broker, "t", 2, "read_committed")) == wanted
        p.commit_transaction(20)
        assert sorted(read_all(broker, "t", 2, "read_committed")) == sorted([*wanted, "open"])


def test_a_new_producer_of_the_same_id_fences_the_old_and_aborts_its_transaction():
    with Standalone() as broker:
        create(broker, "t")
        old = transactional(broker, "writer")
        old.begin_transaction()
        old.produce("t", "of the old one")
        old.flush(20)
        new = transactional(broker, "writer")
        try:
            old.commit_transaction(20)
            raise AssertionError("a fenced producer committed")
        except KafkaException as e:
            assert e.args[0].fatal(), e
        new.begin_transaction()
        new.produce("t", "of the new one")
        new.commit_transaction(20)
        assert read_all(broker, "t", 1, "read_committed") == ["of the new one"]


def test_a_transaction_that_takes_too_long_is_aborted():
    with Standalone() as broker:
        create(broker, "t")
        p = transactional(broker, "slow", **{"transaction.timeout.ms": 1000, "message.timeout.ms": 1000})
        p.begin_transaction()
        p.produce("t", "late")
        p.flush(20)
        produce(broker, "t", ["behind it"])
        c = consumer(broker, "readers", **{"isolation.level": "read_committed"})
        c.subscribe(["t"])
        assert [m.value() for m in read(c, 1)] == [b"behind it"]  # it comes when the one before it is over
        c.close()


class Copier(threading.Thread):
    """Copies `in` to `out` in transactions, with some aborted on purpose, until it has seen `count` records."""

    def __init__(self, broker, count, seed):
        super().__init__()
        self.broker, self.count, self.random = broker, count, random.Random(seed)
        self.copied = self.aborts = 0
        self.trouble = None

    def run(self):
        try:
            c = consumer(self.broker, "copiers", **{"isolation.level": "read_committed"}, **KEEPS)
            c.assign([TopicPartition("in", p, 0) for p in range(3)])
            while self.copied < self.count:
                self.incarnation(c)
            c.close()
        except Exception as e:
            self.trouble = e

    def rewind(self, c):
        """To what the group has committed; a broker that is down is asked again."""
        partitions = [TopicPartition("in", p) for p in range(3)]
        end = time.monotonic() + 60
        while True:
            try:
                committed = c.committed(partitions, 5)
                break
            except KafkaException:
                assert time.monotonic() < end, "committed offsets cannot be read"
        self.copied = sum(max(p.offset, 0) for p in committed)
        c.assign([TopicPartition("in", p.partition, max(p.offset, 0)) for p in committed])

    def incarnation(self, c):
        """One producer, until something fatal happens to it."""
        p = None
        while p is None:
            try:
                p = transactional(self.broker, "copier")
            except KafkaException as e:
                assert e.args[0].retriable() or e.args[0].code() < 0, e
        self.rewind(c)
        while self.copied < self.count:
            try:
                self.one(c, p)
            except KafkaException as e:
                error = e.args[0]
                if error.fatal() or not self.abort(p):
                    return
                self.rewind(c)

    def abort(self, p):
        for _ in range(10):
            try:
                p.abort_transaction(10)
                return True
            except KafkaException as e:
                if not e.args[0].retriable():
                    return False
        return False

    def one(self, c, p):
        batch = []
        for _ in range(self.random.randint(1, 20)):
            m = c.poll(0.5)
            if m is None:
                break
            if not m.error():
                batch.append(m)
        if not batch:
            return
        p.begin_transaction()
        bad = self.random.random() < 0.15
        for m in batch:
            p.produce("out", ("aborted-" if bad else "") + m.value().decode(), partition=m.partition())
        ends = {m.partition(): m.offset() + 1 for m in batch}
        if bad:
            p.flush(2)
            self.aborts += 1
            if self.abort(p):
                self.rewind(c)
            return
        for attempt in range(30):
            try:
                p.send_offsets_to_transaction([TopicPartition("in", k, v) for k, v in ends.items()],
                                              c.consumer_group_metadata(), 10)
                p.commit_transaction(10)
                break
            except KafkaException as e:
                if not e.args[0].retriable() or attempt == 29:
                    raise
        self.copied += len(batch)


def test_a_copy_through_kills_is_exact():
    """kill -9 at random moments of a consume-transform-produce loop: each record of `in` is in `out` once."""
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    pauses = random.Random(seed)
    count = 600
    with Standalone() as broker:
        create(broker, "in", 3)
        create(broker, "out", 3)
        produce(broker, "in", [f"v{i}" for i in range(count)], **{"partitioner": "random", "linger.ms": 0,
                                                                   "sticky.partitioning.linger.ms": 0})
        copier = Copier(broker, count, seed)
        copier.start()
        for _ in range(5):
            before = copier.copied
            wait_for(lambda: copier.copied >= min(before + 40, count) or copier.trouble, "the copy gets on", 90)
            threading.Event().wait(pauses.random() * 0.05)  # somewhere in a transaction
            broker.kill_and_start()
        copier.join(120)
        assert not copier.is_alive() and copier.trouble is None, copier.trouble
        values = read_all(broker, "out", 3, "read_committed")
        wrong = {v: n for v, n in collections.Counter(values).items() if n != 1 or v.startswith("aborted")}
        assert not wrong, dict(list(wrong.items())[:5])
        assert sorted(values) == sorted(f"v{i}" for i in range(count))
        assert copier.aborts > 0


def test_kafkajs_commits_aborts_and_sends_offsets_in_transactions():
    with Standalone() as broker:
        create(broker, "js-in", 2)
        create(broker, "js-out", 2)
        p = subprocess.run(["node", os.path.join(HERE, "kafkajs", "transactions.js"), broker.address],
                           capture_output=True, text=True, timeout=90)
        assert p.returncode == 0, p.stderr[-2000:]
        assert json.loads(p.stdout) == {"committed": "7", "offset": "7"}, p.stdout
        assert sorted(read_all(broker, "js-out", 2, "read_committed")) == ["a", "b"]
