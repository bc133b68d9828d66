"""Groups of the consumer protocol (KIP-848) with real consumers: they share a topic, survive a kill of the
broker, and move over from the classic protocol and back while records flow."""
import threading
import time

from confluent_kafka import (Consumer, ConsumerGroupState, ConsumerGroupType, KafkaError, KafkaException, Producer,
                             TopicPartition)
from leatd import Leatd, wait_for
from managed_tests import config, send, start_cluster
from standalone import Standalone
from standalone_tests import QUIET, admin, create, produce


REFUSED = (KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION, KafkaError.STALE_MEMBER_EPOCH,
           KafkaError._ASSIGNMENT_LOST)


class Member(threading.Thread):
    """A consumer that polls and commits every batch, and notes what it read and owns."""

    def __init__(self, address, protocol, seen, subscription="t", **more):
        super().__init__(daemon=True)
        self.seen, self.subscription, self.mine, self.refused = seen, subscription, set(), set()
        self.stop, self.error = False, None
        # Not sticky: librdkafka puts user data into its assignments, and such a group cannot be converted.
        classic = {"partition.assignment.strategy": "range", "heartbeat.interval.ms": 300,
                   "session.timeout.ms": 10000}
        self.consumer = Consumer({"bootstrap.servers": address, "group.id": "g", "group.protocol": protocol,
                                  "auto.offset.reset": "earliest", "enable.auto.commit": False, **QUIET,
                                  **(classic if protocol == "classic" else {}), **more})

    def run(self):
        c = self.consumer
        c.subscribe([self.subscription], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.revoked)
        try:
            while not self.stop:
                m = c.poll(0.1)
                if m is None or m.error():
                    continue
                self.seen.append((m.partition(), m.offset()))
                try:
                    c.commit(m, asynchronous=False)
                except KafkaException as e:
                    # Between two assignments a commit may be refused; then another member reads it again.
                    assert e.args[0].code() in REFUSED, e
                    self.refused.add((m.partition(), m.offset()))
        except (AssertionError, KafkaException) as e:
            self.error = e
        finally:
            c.close()

    def assigned(self, c, partitions):
        self.mine |= {p.partition for p in partitions}

    def revoked(self, c, partitions):
        self.mine -= {p.partition for p in partitions}

    def end(self):
        self.stop = True
        self.join(30)
        assert self.error is None, self.error


def start(broker, protocol, seen, **more):
    m = Member(broker.address, protocol, seen, **more)
    m.start()
    return m


def shared(members, count):
    """All partitions are owned, each by one member, nobody goes without."""
    owned = [p for m in members for p in m.mine]
    return sorted(owned) == list(range(count)) and all(m.mine for m in members)


def describe(broker):
    return admin(broker).describe_consumer_groups(["g"])["g"].result(20)


def test_consumers_of_the_new_protocol_share_a_topic_through_a_kill():
    with Standalone() as broker:
        create(broker, "t", 6)
        seen = []
        members = [start(broker, "consumer", seen) for _ in range(2)]
        wait_for(lambda: shared(members, 6), "two members share six partitions", 40)
        produce(broker, "t", [b"%d" % i for i in range(60)])
        wait_for(lambda: len(set(seen)) == 60, "all records are read", 30)
        broker.kill_and_start()
        produce(broker, "t", [b"%d" % i for i in range(60)])
        wait_for(lambda: len(set(seen)) == 120, "all records are read after the kill", 60)
        assert shared(members, 6)
        group = describe(broker)
        assert group.type == ConsumerGroupType.CONSUMER and group.state == ConsumerGroupState.STABLE, group
        assert sorted(len(m.assignment.topic_partitions) for m in group.members) == [3, 3]
        members[0].end()
        wait_for(lambda: shared(members[1:], 6), "the other one has it all", 40)
        members[1].end()
        assert len(seen) == len(set(seen)), "a record was read twice although each was committed"


def test_a_subscription_by_expression_finds_a_topic_that_comes_later():
    with Standalone() as broker:
        create(broker, "pay-1", 2)
        create(broker, "other", 1)
        seen = []
        member = start(broker, "consumer", seen, subscription="^pay-.*")
        wait_for(lambda: member.mine == {0, 1}, "the topic that is there is found", 30)
        create(broker, "pay-2", 3)
        wait_for(lambda: member.mine == {0, 1, 2}, "the topic that came is found", 30)
        member.end()


def test_a_group_moves_to_the_new_protocol_and_back_while_records_flow():
    with Standalone() as broker:
        create(broker, "t", 6)
        seen, sent, stop = [], [0], threading.Event()

        def flow():
            p = Producer({"bootstrap.servers": broker.address, "acks": "all", **QUIET})
            while not stop.is_set():
                p.produce("t", b"x", partition=sent[0] % 6)
                sent[0] += 1
                p.poll(0)
                time.sleep(0.02)
            assert p.flush(30) == 0
        producer = threading.Thread(target=flow)
        producer.start()
        try:
            members = [start(broker, "classic", seen) for _ in range(2)]
            everybody = list(members)
            wait_for(lambda: shared(members, 6), "classic members share", 40)
            for protocol in ("consumer", "classic"):
                for i in range(2):
                    members[i].end()
                    members[i] = start(broker, protocol, seen)
                    everybody.append(members[i])
                    wait_for(lambda: shared(members, 6), f"member {i} came over to {protocol}", 60)
                kind = ConsumerGroupType.CONSUMER if protocol == "consumer" else ConsumerGroupType.CLASSIC
                assert describe(broker).type == kind
        finally:
            stop.set()
            producer.join()
        wait_for(lambda: len(set(seen)) == sent[0], "every record is read", 40)
        for m in members:
            m.end()
        twice = {r for r in seen if seen.count(r) > 1}
        refused = set().union(*(m.refused for m in everybody))
        assert twice <= refused, f"read twice although committed: {sorted(twice - refused)[:10]}"


def test_rest_shows_members_and_lag_of_the_new_protocol():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 2)
        assert set(send(cluster, key, "t", [b"%d" % i for i in range(40)])) == {None}
        c = Consumer(config(cluster, key, **{"group.id": "g", "auto.offset.reset": "earliest",
                                             "group.protocol": "consumer", "enable.auto.commit": False}))
        c.subscribe(["t"])
        seen = []
        wait_for(lambda: seen.extend(m for m in c.consume(10, 0.2) if not m.error()) or len(seen) >= 20, "20 came", 30)
        c.commit(asynchronous=False)
        base = f"/kafka/v3/clusters/{cluster['id']}/consumer-groups/g"
        group = leat.call("GET", base).json
        assert (group["type"], group["state"], group["is_mixed_consumer_group"]) == ("CONSUMER", "STABLE", False), group
        member, = leat.call("GET", f"{base}/consumers").json["data"]
        assigned = leat.call("GET", member["assignments"]["related"]).json["data"]
        assert [(a["topic_name"], a["partition_id"]) for a in assigned] == [("t", 0), ("t", 1)], assigned
        one = leat.call("GET", assigned[1]["metadata"]["self"])
        assert one.status == 200 and one.json == assigned[1], one
        rows = leat.call("GET", f"{base}/lags").json["data"]
        told = {tp.partition: tp.offset for tp in c.committed([TopicPartition("t", n) for n in range(2)], 20)
                if tp.offset >= 0}
        assert told and {row["partition_id"]: row["current_offset"] for row in rows} == told, (rows, told)
        assert all(row["consumer_id"] for row in rows), rows
        classic = Consumer(config(cluster, key, **{"group.id": "g", "group.protocol": "classic",
                                                   "partition.assignment.strategy": "range"}))
        classic.subscribe(["t"])

        def mixed():
            classic.poll(0.1)
            c.poll(0.1)
            shown = leat.call("GET", base).json
            return shown["is_mixed_consumer_group"] and shown["type"] == "CONSUMER"
        wait_for(mixed, "a member of the classic protocol joined the group", 40)
        classic.close()
        c.close()
