"""How old what a group has not read is, as REST says it, beside what a reader of committed records is given first:
of compressed, transactional, deleted and compacted records, through kill -9 of the broker and of leatd."""
import os
import signal
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from leatd import Leatd, wait_for
from managed_tests import config, start_cluster
from transaction_tests import KEEPS

HOUR = 3600.0
NEAR = 20.0  # seconds that a test may take between two looks


class Service:
    def __init__(self, leat):
        self.leat = leat
        _, self.cluster = start_cluster(leat)
        self.id = self.cluster["id"]
        self.key = leat.make_key(self.id)
        self.admin = AdminClient(config(self.cluster, self.key, **KEEPS))

    def make_topic(self, name, **configs):
        a = self.leat.call("POST", f"/kafka/v3/clusters/{self.id}/topics", {
            "topic_name": name, "partitions_count": 1, "configs": [{"name": k, "value": v} for k, v in configs.items()]})
        assert a.status == 201, a

    def producer(self, **more):
        return Producer(config(self.cluster, self.key, **{"acks": "all", "linger.ms": 50, **more}))

    def produce(self, topic, *ages, key=None, size=20, producer=None, **more):
        """Records as old as that, in seconds; in one batch when they fit."""
        p = producer or self.producer(**more)
        for age in ages:
            p.produce(topic, b"x" * size, key=key, timestamp=int((time.time() - age) * 1000))
        assert p.flush(30) == 0

    def transactional(self, name):
        p = self.producer(**{"transactional.id": name})
        p.init_transactions(30)
        return p

    def commit(self, group, topic, offset):
        at = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, offset)])
        self.admin.alter_consumer_group_offsets([at])[group].result(30)

    def told(self, group, topic):
        """Seconds, of the one partition; None: not known (yet)."""
        a = self.leat.call("GET", f"/leat/v1/clusters/{self.id}/groups/{group}")
        if a.status != 200:
            return None
        ms = [x["time_lag_ms"] for x in a.json["lags"] if x["topic"] == topic][0]
        return None if ms is None else ms / 1000

    def first_unread(self, group, topic):
        """Its age in seconds, as a consumer finds it; 0: there is none."""
        at = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])])
        offset = at[group].result(30).topic_partitions[0].offset
        c = Consumer(config(self.cluster, self.key, **{"group.id": "reader", "isolation.level": "read_committed",
                     "enable.partition.eof": True, "enable.auto.commit": False, "auto.offset.reset": "earliest"}))
        c.assign([TopicPartition(topic, 0, offset)])
        seen = []
        wait_for(lambda: seen.append(c.poll(0.5)) or seen[-1] is not None, "a record or the end of the partition", 30)
        c.close()
        return 0 if seen[-1].error() else time.time() - seen[-1].timestamp()[1] / 1000

    def is_said(self, group, topic, age):
        """REST says this age before long, and so does a consumer."""
        found = self.first_unread(group, topic)
        assert abs(found - age) < NEAR if age else found == 0, (found, age)
        self.settles(group, topic, age)

    def settles(self, group, topic, age):
        def look():
            said = self.told(group, topic)
            return said is not None and (abs(said - age) < NEAR if age else said == 0)
        wait_for(look, f"the time lag of {group} is about {age} s", 90)


def test_time_lag_of_records_in_compressed_batches_is_that_of_the_next_record():
    with Leatd() as leat:
        s = Service(leat)
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            s.make_topic(codec)
            s.produce(codec, 4 * HOUR, 3 * HOUR, 2 * HOUR, **{"compression.type": codec})
            for offset, age in ((0, 4 * HOUR), (1, 3 * HOUR), (2, 2 * HOUR), (3, 0)):
                s.commit("g", codec, offset)
                s.is_said("g", codec, age)


def test_time_lag_of_transactions_is_that_of_committed_records():
    with Leatd() as leat:
        s = Service(leat)
        s.make_topic("t")
        s.commit("g", "t", 0)
        p = s.transactional("one")
        p.begin_transaction()
        s.produce("t", 5 * HOUR, producer=p)
        s.is_said("g", "t", 0)  # open
        p.abort_transaction(30)
        s.is_said("g", "t", 0)
        p.begin_transaction()
        s.produce("t", 3 * HOUR, 2 * HOUR, producer=p)
        p.commit_transaction(30)
        s.is_said("g", "t", 3 * HOUR)
        p.begin_transaction()
        s.produce("t", 1 * HOUR, producer=p)  # open, behind what is committed
        s.is_said("g", "t", 3 * HOUR)
        s.commit("g", "t", 4)
        s.is_said("g", "t", 0)  # a marker, and what is open
        p.commit_transaction(30)
        s.is_said("g", "t", 1 * HOUR)


def test_time_lag_goes_on_behind_records_that_are_deleted():
    with Leatd() as leat:
        s = Service(leat)
        s.make_topic("t")
        s.produce("t", 4 * HOUR, 3 * HOUR, 2 * HOUR)
        s.commit("g", "t", 0)
        s.is_said("g", "t", 4 * HOUR)
        s.admin.delete_records([TopicPartition("t", 0, 2)])[TopicPartition("t", 0)].result(30)
        s.is_said("g", "t", 2 * HOUR)
        s.admin.delete_records([TopicPartition("t", 0, 3)])[TopicPartition("t", 0)].result(30)
        s.is_said("g", "t", 0)


def test_time_lag_goes_on_behind_records_whose_time_is_over():
    with Leatd() as leat:
        s = Service(leat)
        s.make_topic("t", **{"segment.bytes": "1048576", "retention.ms": "86400000"})
        for age in (5 * HOUR, 5 * HOUR, HOUR):  # each in a segment of its own
            s.produce("t", age, size=600000)
        s.commit("g", "t", 0)
        s.is_said("g", "t", 5 * HOUR)
        a = leat.call("PUT", f"/kafka/v3/clusters/{s.id}/topics/t/configs/retention.ms", {"value": str(int(3 * HOUR * 1000))})
        assert a.status == 204, a
        s.settles("g", "t", HOUR)
        s.is_said("g", "t", HOUR)


def test_time_lag_goes_on_behind_records_that_compaction_takes_out():
    with Leatd() as leat:
        s = Service(leat)
        s.make_topic("t", **{"cleanup.policy": "compact", "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.01"})
        s.commit("g", "t", 0)
        s.produce("t", 9 * HOUR, key="a")
        s.is_said("g", "t", 9 * HOUR)
        s.produce("t", 7 * HOUR, key="b")
        s.produce("t", *[5 * HOUR] * 4, size=400000, key="a")  # the first record of it may go
        s.settles("g", "t", 7 * HOUR)
        s.is_said("g", "t", 7 * HOUR)


def test_time_lag_is_there_again_after_kill_9_of_the_broker_and_of_leatd():
    with Leatd() as leat:
        s = Service(leat)
        s.make_topic("t")
        s.produce("t", 4 * HOUR, 3 * HOUR)
        s.commit("slow", "t", 1)
        s.commit("fast", "t", 2)
        s.is_said("slow", "t", 3 * HOUR)
        os.kill(leat.call("GET", f"/leat/v1/clusters/{s.id}").json["state"]["pid"], signal.SIGKILL)
        s.settles("slow", "t", 3 * HOUR)
        leat.kill()
        leat.start()
        s.settles("slow", "t", 3 * HOUR)
        s.settles("fast", "t", 0)
        s.produce("t", 0.5 * HOUR)
        s.is_said("fast", "t", 0.5 * HOUR)
        s.commit("slow", "t", 3)
        s.is_said("slow", "t", 0)


def test_time_lag_of_both_kinds_of_groups_follows_their_consumers():
    with Leatd() as leat:
        s = Service(leat)
        s.make_topic("t")
        s.produce("t", *[4 * HOUR] * 10)
        s.produce("t", *[2 * HOUR] * 10)
        for group, protocol in (("old", "classic"), ("new", "consumer")):
            c = Consumer(config(s.cluster, s.key, **{"group.id": group, "group.protocol": protocol,
                         "enable.auto.commit": False, "auto.offset.reset": "earliest"}))
            c.subscribe(["t"])
            seen = []
            wait_for(lambda: seen.extend(c.consume(5 - len(seen), 0.5)) or len(seen) == 5, "five records came", 60)
            c.commit(message=seen[-1], asynchronous=False)
            s.settles(group, "t", 4 * HOUR)
            wait_for(lambda: seen.extend(c.consume(15 - len(seen), 0.5)) or len(seen) == 15, "ten more came", 60)
            c.commit(message=seen[-1], asynchronous=False)
            s.settles(group, "t", 2 * HOUR)
            c.close()
