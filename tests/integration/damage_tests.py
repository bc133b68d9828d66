"""Files that were changed behind a broker's back: what was hit is refused and told, all else is served."""
import glob
import os
import re
import signal
import subprocess

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from leatd import BIN, Leatd, wait_for
from managed_tests import config, send, start_cluster
from standalone import Standalone
from standalone_tests import QUIET, admin, create, kcat

BATCHES, RECORDS = 3, 50
ONE_BATCH = {"linger.ms": 5000, "batch.num.messages": RECORDS}


def segment_with(folder, content):
    """The file of the log that holds these bytes."""
    for path in sorted(glob.glob(os.path.join(folder, "**", "*.log"), recursive=True)):
        with open(path, "rb") as f:
            if content in f.read():
                return path
    raise AssertionError(f"no segment holds {content}")


def flip(path, content):
    with open(path, "r+b") as f:
        at = f.read().index(content)
        f.seek(at)
        f.write(bytes([content[0] ^ 1]))


def values(topic, batch):
    return [f"{topic}-{batch}-{i:03}".encode() + b"x" * 50 for i in range(RECORDS)]


def read(settings, topic, offset, until):
    """All values of partition 0 from the offset on, until `until` are read or a fetch fails; and that error."""
    client = Consumer({**settings, **QUIET, "group.id": "damage", "enable.auto.commit": False})
    found, error = [], None
    client.assign([TopicPartition(topic, 0, offset)])

    def step():
        nonlocal error
        m = client.poll(0.5)
        if m and m.error():
            error = m.error()
        elif m:
            found.append(m.value())
        return error or len(found) == until
    try:
        wait_for(step, f"{topic} is read")
    finally:
        client.close()
    return found, error


def damage(leat, cluster_id):
    return leat.call("GET", f"/leat/v1/clusters/{cluster_id}").json["damage"]


def test_a_flipped_byte_is_refused_told_and_all_around_it_is_served():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        for topic in ("hit", "sound"):
            leat.make_topic(cluster["id"], topic, 1)
            for batch in range(BATCHES):
                send(cluster, key, topic, values(topic, batch), **ONE_BATCH)
        path = f"/leat/v1/clusters/{cluster['id']}"
        # Not under a broker that runs, which the next test is about.
        leat.call("POST", path + ":pause", {"reason": "a byte is flipped"})
        wait_for(lambda: leat.call("GET", path).json["state"]["pid"] is None, "the broker has stopped")
        flip(segment_with(leat.folder, b"hit-1-020"), b"hit-1-020")
        leat.call("POST", path + ":resume")

        found, error = read(config(cluster, key), "sound", OFFSET_BEGINNING, BATCHES * RECORDS)
        assert error is None and found == [v for b in range(BATCHES) for v in values("sound", b)]
        found, error = read(config(cluster, key), "hit", OFFSET_BEGINNING, BATCHES * RECORDS)
        assert error is not None and found == values("hit", 0)
        told = wait_for(lambda: damage(leat, cluster["id"])["first"], "REST tells of it")
        assert [(t["topic_name"], t["partition_id"], t["offline"]) for t in told] == [("hit", 0, False)]
        assert f"offset {2 * RECORDS} " in told[0]["reason"], told
        metrics = leat.call("GET", "/metrics").body
        assert b"\nleat_damaged_partitions" in metrics
        assert re.search(rb"\nleat_broker_longest_turn_seconds\{[^}]*\} [0-9.]*[1-9]", metrics)
        found, error = read(config(cluster, key), "hit", 2 * RECORDS, RECORDS)
        assert error is None and found == values("hit", 2)

        clients = AdminClient({**config(cluster, key), "log.connection.close": False})
        for future in clients.delete_records([TopicPartition("hit", 0, 2 * RECORDS)]).values():
            assert future.result().low_watermark == 2 * RECORDS
        wait_for(lambda: damage(leat, cluster["id"])["partitions"] == 0, "the damage is gone with its records")


def evict(path):
    """Nothing of the file is in memory any more: what is read next comes from the disk."""
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def test_a_byte_that_the_disk_changes_under_a_running_broker_is_never_served():
    # small batches are copied into the answer, large ones read while it is sent
    for size in (10, 3000):
        with Standalone() as broker:
            values_of = {t: [[f"{t}-{b}-{i:03}".encode() + b"x" * size for i in range(RECORDS)] for b in range(BATCHES)]
                         for t in ("hit", "sound")}
            for topic, batches in values_of.items():
                create(broker, topic)
                for batch in batches:
                    kcat(broker, "-P", "-t", topic, "-X", "linger.ms=5000", "-X", f"batch.num.messages={RECORDS}",
                         data=b"\n".join(batch).decode())
            settings = {"bootstrap.servers": broker.address, "check.crcs": False}
            for topic, batches in values_of.items():
                found, error = read(settings, topic, OFFSET_BEGINNING, BATCHES * RECORDS)
                assert error is None and found == sum(batches, [])
            path = segment_with(os.path.join(broker.folder, "data"), b"hit-1-020")
            evict(path)
            flip(path, b"hit-1-020")
            evict(path)

            found, error = read(settings, "hit", OFFSET_BEGINNING, BATCHES * RECORDS)
            assert error is not None and found == values_of["hit"][0], (size, error, len(found))
            assert "is damaged at position" in broker.log_tail()
            found, error = read(settings, "hit", 2 * RECORDS, RECORDS)
            assert error is None and found == values_of["hit"][2]
            found, error = read(settings, "sound", OFFSET_BEGINNING, BATCHES * RECORDS)
            assert error is None and found == sum(values_of["sound"], [])


def test_a_log_that_cannot_be_brought_back_is_offline_and_the_others_serve():
    with Standalone() as broker:
        create(broker, "hit")
        create(broker, "sound")
        for topic in ("hit", "sound"):
            kcat(broker, "-P", "-t", topic, data=b"\n".join(values(topic, 0)).decode())
        broker.end(signal.SIGTERM)
        data = os.path.join(broker.folder, "data")
        path = segment_with(data, b"hit-0-020")
        os.truncate(path, os.path.getsize(path) // 2)
        broker.start()

        topics = admin(broker).list_topics(timeout=10).topics
        assert topics["hit"].partitions[0].leader == -1
        assert topics["sound"].partitions[0].leader == 1
        read_back, error = read({"bootstrap.servers": broker.address}, "sound", OFFSET_BEGINNING, RECORDS)
        assert error is None and read_back == values("sound", 0)
        assert "is offline" in broker.log_tail()
        broker.end(signal.SIGTERM)
        check = subprocess.run([os.path.join(BIN, "leat-broker"), "check", data], capture_output=True, text=True, check=False)
        assert check.returncode == 1 and os.path.basename(os.path.dirname(path)) in check.stdout, check
        broker.start()
        admin(broker).delete_topics(["hit"])["hit"].result()
        wait_for(lambda: "hit" not in admin(broker).list_topics(timeout=10).topics, "the topic is gone")
