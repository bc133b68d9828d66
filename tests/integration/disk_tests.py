"""Brokers on a file system of a few MiB that gets full, and at the storage limit of a plan; real clients."""
import json
import os
import signal
import sqlite3
import threading

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from leatd import BIN, Leatd, wait_for
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
        where = {"bootstrap.servers": broker.address} if broker else {}
        self.producer = Producer({**where, "enable.idempotence": True, "linger.ms": 1,
                                  "message.timeout.ms": 120000, "batch.size": 65536, "queue.buffering.max.messages": 200,
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

    def end(self, how):
        """commit_transaction or abort_transaction, with somebody who takes the delivery reports meanwhile."""
        over = threading.Event()

        def take():
            while not over.is_set():
                self.producer.poll(0.05)

        thread = threading.Thread(target=take)
        thread.start()
        try:
            how(60)
        finally:
            over.set()
            thread.join()

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
        at = TopicPartition("t", 0, OFFSET_END)

        def all_deleted_and_stored():  # again, when a batch was stored in between
            admin(broker).delete_records([at])[at].result(20)
            return filler.producer.flush(2) == 0

        wait_for(all_deleted_and_stored, "what was deleted is room", 60)
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
        filler = Filler(broker, "t", **{"transactional.id": "x", "message.timeout.ms": 5000})
        filler.producer.init_transactions(20)
        filler.producer.begin_transaction()
        filler.send(5)
        filler.end(filler.producer.commit_transaction)
        filler.producer.begin_transaction()
        filler.until_full(broker)
        filler.end(filler.producer.abort_transaction)
        committed = {"isolation.level": "read_committed"}
        assert values(broker, "t", 5, **committed) == list(range(5))
        broker.kill_and_start()
        assert values(broker, "t", 5, **committed) == list(range(5))
        broker.disk.drop_ballast()
        again = Filler(broker, "t", **{"transactional.id": "x", "message.timeout.ms": 5000})
        again.producer.init_transactions(20)
        again.sent = 1000
        wait_for(lambda: in_one_transaction(again), "a transaction commits", 60)
        assert values(broker, "t", 10, **committed)[-5:] == again.acked[-5:]


def in_one_transaction(filler):
    """May be refused as long as the disk has no room."""
    try:
        filler.producer.begin_transaction()
        filler.send(5)
        filler.end(filler.producer.commit_transaction)
        return True
    except KafkaException as e:
        if not e.args[0].txn_requires_abort():
            raise
        filler.end(filler.producer.abort_transaction)
        return False


# --- under leatd --------------------------------------------------------------------------------------------------


class LeatdOnSmallDisk(Leatd):
    def __init__(self, size, *more):
        super().__init__()
        self.disk = SmallDisk(self.data, size)
        self.prefix, self.more, self.seen = self.disk.prefix, list(more), self.disk.path()

    def stop(self):
        super().stop()
        self.disk.close()

    def storage(self, cluster):
        a = self.call("GET", f"/leat/v1/clusters/{cluster['id']}")
        assert a.status == 200, a
        return a.json["storage"]["state"], a.json["state"]["reason"]

    def audited(self, cluster):
        a = self.call("GET", f"/leat/v1/audit?cluster_id={cluster['id']}")
        assert a.status == 200, a
        return [row["operation"] for row in a.json["data"]]


def login(cluster, key):
    return {"bootstrap.servers": cluster["bootstrap_servers"], "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN", "sasl.username": key[0], "sasl.password": key[1]}


class Tenant:
    """A cluster, and a producer that keeps on."""

    def __init__(self, leat, environment, name):
        self.cluster = leat.make_cluster(environment, name)
        key = leat.make_key(self.cluster["id"], name)
        leat.make_topic(self.cluster["id"], "t", 1)
        self.filler = Filler(None, "t", **login(self.cluster, key))

    def store(self, size):
        """So much more is acknowledged."""
        more = len(self.filler.acked) + size // 4000
        wait_for(lambda: self.filler.send() or len(self.filler.acked) >= more, "records are stored", 60)

    def goes_on(self):
        self.store(40000)
        assert self.filler.producer.flush(60) == 0
        assert not self.filler.failed, self.filler.failed[:3]
        assert self.filler.acked == list(range(self.filler.sent)), "each once, in order"


def test_a_failed_sync_ends_the_broker_before_anything_more_is_acknowledged():
    broker = Standalone()
    broken = os.path.join(broker.folder, "broken")
    broker.prefix = ["env", f"LD_PRELOAD={os.path.join(BIN, '..', 'tests', 'libfailing_sync.so')}", f"LEAT_FAIL_SYNC={broken}"]
    with broker:
        create(broker, "t")
        filler = Filler(broker, "t")
        wait_for(lambda: filler.send() or len(filler.acked) > 300, "records are acknowledged")
        with open(broken, "wb"):
            pass
        wait_for(lambda: filler.send() or broker.process.poll() is not None, "the broker ends")
        assert broker.process.returncode == 3
        assert "nothing more is acknowledged" in broker.log_tail()
        os.unlink(broken)
        broker.start()
        assert filler.producer.flush(60) == 0 and not filler.failed
        c = consumer(broker, "g")
        c.subscribe(["t"])
        stored = [int(m.value()[:10]) for m in read(c, filler.sent)]
        assert stored == filler.acked == list(range(filler.sent))
        c.close()


def test_leatd_ends_when_a_sync_of_its_database_fails_and_answers_nothing_that_may_be_lost():
    leat = Leatd()
    broken = os.path.join(leat.folder, "broken")
    leat.prefix = ["env", f"LD_PRELOAD={os.path.join(BIN, '..', 'tests', 'libfailing_sync.so')}", f"LEAT_FAIL_SYNC={broken}"]
    with leat:
        known = [leat.make_environment(f"e{i}") for i in range(3)]
        with open(broken, "wb"):
            pass
        try:
            answer = leat.call("POST", "/org/v2/environments", {"display_name": "unsynced"})
        except OSError:  # no answer: the connection ends
            answer = None
        assert answer is None, f"answered without a sync: {answer}"
        assert leat.process.wait(20) == 3
        with open(os.path.join(leat.folder, "leatd.log"), encoding="utf-8") as log:
            assert "brokers serve on" in log.read()
        os.unlink(broken)
        leat.process.stdout.close()
        leat.start()
        there = {e["id"] for e in leat.call("GET", "/org/v2/environments").json["data"]}
        assert there >= set(known)
        assert os.path.getsize(os.path.join(leat.data, "leat.db")) > 0
        assert leat.call("GET", f"/org/v2/environments/{leat.make_environment('after')}").status == 200


def test_leatd_holds_the_largest_that_grows_before_the_disk_is_full():
    with LeatdOnSmallDisk(128 * MIB, "--min-free", "40M") as leat:
        environment = leat.make_environment()
        rest, large, small = (Tenant(leat, environment, name) for name in ("rest", "large", "small"))
        rest.store(6 * MIB)
        large.store(4 * MIB)
        small.store(1 * MIB)
        assert rest.filler.producer.flush(60) == 0
        leat.disk.ballast(leat.disk.free() - 36 * MIB)
        wait_for(lambda: [t.filler.send() for t in (large, small)] and leat.storage(large.cluster)[0] == "held",
                 "the appends of the largest that grows are held", 60)
        assert "nearly full" in leat.storage(large.cluster)[1]
        assert leat.storage(rest.cluster) == ("open", ""), "what does not grow is left alone"
        assert "cluster.appends_held" in leat.audited(large.cluster)
        leat.disk.drop_ballast()
        for t in (rest, large, small):
            wait_for(lambda t=t: leat.storage(t.cluster)[0] == "open", "appends go on", 60)
            t.goes_on()
        assert "cluster.appends_go_on" in leat.audited(large.cluster)


def test_leatd_itself_goes_on_when_the_disk_is_full():
    with LeatdOnSmallDisk(64 * MIB) as leat:
        environment = leat.make_environment()
        wait_for(lambda: os.path.exists(leat.disk.path("reserve")), "the reserve of the database is made")
        leat.disk.ballast(leat.disk.free())
        assert leat.disk.free() == 0
        changed = leat.make_environment("from the reserve")

        def refused():
            leat.disk.ballast(os.path.getsize(leat.disk.path("ballast")) + leat.disk.free())
            a = leat.call("POST", "/org/v2/environments", {"display_name": f"e{os.urandom(6).hex()}"})
            assert a.status in (201, 507), a
            return a if a.status == 507 else None

        a = wait_for(refused, "the reserve is used up", 60)
        assert a.json["errors"][0]["detail"] == "The disk is full.", a
        for known in (environment, changed):
            assert leat.call("GET", f"/org/v2/environments/{known}").status == 200
        leat.kill()
        leat.disk.drop_ballast()
        leat.start()
        leat.make_environment("again")
        wait_for(lambda: os.path.getsize(leat.disk.path("reserve")) >= MIB, "the reserve is made again", 60)


def test_the_storage_limit_of_a_plan_refuses_until_there_is_space_or_a_larger_plan():
    with Leatd() as leat:
        with sqlite3.connect(os.path.join(leat.data, "leat.db"), timeout=20) as db:
            db.execute("UPDATE plan SET storage_bytes = ? WHERE name = 'basic'", (2 * MIB,))
        cluster = leat.make_cluster(leat.make_environment(), kind="Basic")
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 1)
        leat.make_topic(cluster["id"], "u", 1)

        def send(topic="t", size=100000):
            outcome = []
            p = Producer({**login(cluster, key), "enable.idempotence": True, **QUIET})
            p.produce(topic, b"x" * size, on_delivery=lambda e, m: outcome.append(e))
            assert p.flush(30) == 0
            return outcome[0]

        def state():
            return leat.call("GET", f"/leat/v1/clusters/{cluster['id']}").json["storage"]

        def fill(topic):
            error = wait_for(lambda: send(topic), "the limit is reached", 60)
            assert error.code() == KafkaError.POLICY_VIOLATION and not error.retriable(), error

        fill("t")
        wait_for(lambda: state()["state"] == "at_limit", "the state says so")
        assert "limit of the plan" in state()["reason"]
        a = leat.call("POST", f"/kafka/v3/clusters/{cluster['id']}/topics/t/records", {
            "value": {"type": "STRING", "data": "x" * 100000}})
        assert "storage limit of this cluster's plan" in json.dumps(a.json), a
        c = Consumer({**login(cluster, key), "group.id": "g", "auto.offset.reset": "earliest", **QUIET})
        c.subscribe(["t"])
        last = read(c, 18)[-1]
        c.commit(last, asynchronous=False)  # an internal topic is exempt
        c.close()
        admin_client = AdminClient({**login(cluster, key), **QUIET})
        at = TopicPartition("t", 0, OFFSET_END)
        admin_client.delete_records([at])[at].result(20)
        wait_for(lambda: send("u") is None, "the deleted records are space")
        fill("u")
        admin_client.delete_topics(["u"])["u"].result(20)
        wait_for(lambda: send("t") is None, "the deleted topic is space")
        wait_for(lambda: state()["state"] == "open", "the state says so")
        fill("t")
        a = leat.call("PATCH", f"/cmk/v2/clusters/{cluster['id']}", {"spec": {
            "config": {"kind": "Standard"}, "environment": {"id": cluster["environment"]["id"]}}})
        assert a.status in (200, 202), a
        wait_for(lambda: send() is None, "the plan is larger")
