"""Kafka Streams and Connect, unmodified, while the broker is killed with kill -9.

streams.py [--kafka] [test_name…]     --kafka: a real Apache Kafka instead of leat-broker, to check the tests themselves
A function check_… runs only when it is named.
"""
import json
import os
import re
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "lib")]

from brokers import SecuredKafka, SecuredLeat
from internal_topics import test_kafka_prints_offsets_groups_and_transactions_from_the_internal_topics  # noqa: F401
from leatd import free_ports, wait_for
from programs import Child, command, compiled, console_consumer, properties
from real_kafka import java

CLICKS, LINES = 30000, 6000


def reached(child, count, seconds=90):
    """Waits until the driver has seen so many committed results."""
    def enough():
        last = child.says(r"enriched (\d+)", seconds)
        return int(last.group(1)) >= count
    wait_for(enough, f"{count} committed results; last: {child.lines[-1:]}", seconds)


def test_streams_counts_and_joins_every_record_once_through_four_kills(broker, folder, guarantee="exactly_once_v2"):
    classes = compiled(folder)
    log = os.path.join(folder, "streams")
    client = properties(os.path.join(folder, "client.properties"), broker.client())

    def start_app():
        return Child(command(classes, 384, log + "-app.log", "Streams", "app", client, os.path.join(folder, "state"), guarantee), log + ".err")
    drive = Child(command(classes, 256, log + "-drive.log", "Streams", "drive", client, str(CLICKS)), log + ".err")
    app = None
    try:
        drive.says("ready")
        app = start_app()
        drive.tell()
        for tenth in (1, 3, 5):
            reached(drive, CLICKS * tenth // 10)
            broker.kill_and_start()
        reached(drive, CLICKS * 6 // 10)
        app.kill()
        app = start_app()
        reached(drive, CLICKS * 8 // 10)
        broker.kill_and_start()
        verdict = drive.says("exact|not exact", 150).group()
        if guarantee == "exactly_once_v2":
            assert verdict == "exact", drive.lines[-2:]
        else:
            assert re.match("joined: 0 missing, [1-9][0-9]* twice", drive.lines[-2]), drive.lines[-2:]
            print("   " + drive.lines[-2])
    finally:
        drive.kill()
        if app:
            app.end()


def check_that_at_least_once_is_seen_not_to_be_exact(broker, folder):
    """What the test above says must come from exactly_once_v2: without it, the same kills are seen."""
    test_streams_counts_and_joins_every_record_once_through_four_kills(broker, folder, "at_least_once")


class Connect:
    """Two distributed workers of one group, exactly once at the source."""

    def __init__(self, broker, folder):
        self.workers, first = [], free_ports(2)
        self.rest = [f"http://127.0.0.1:{first + i}" for i in range(2)]
        for i, url in enumerate(self.rest):
            settings = {
                **{prefix + k: v for prefix in ("", "producer.", "consumer.", "admin.") for k, v in broker.client().items()},
                "group.id": "connect", "listeners": url, "plugin.discovery": "service_load",
                "key.converter": "org.apache.kafka.connect.storage.StringConverter",
                "value.converter": "org.apache.kafka.connect.storage.StringConverter",
                "offset.storage.topic": "connect-offsets", "offset.storage.replication.factor": 1, "offset.storage.partitions": 3,
                "config.storage.topic": "connect-configs", "config.storage.replication.factor": 1,
                "status.storage.topic": "connect-status", "status.storage.replication.factor": 1, "status.storage.partitions": 3,
                "exactly.once.source.support": "enabled", "offset.flush.interval.ms": 500, "consumer.isolation.level": "read_committed",
                "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "scheduled.rebalance.max.delay.ms": 0}
            file = properties(os.path.join(folder, f"worker-{i}.properties"), settings)
            log = os.path.join(folder, f"worker-{i}")
            self.workers.append(Child([*java(256, log + ".log"), "org.apache.kafka.connect.cli.ConnectDistributed", file], log + ".err"))

    def ask(self, path, body=None, method=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.rest[0] + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except OSError:
            return None  # starting, rebalancing or without a broker

    def put(self, name, **config):
        wait_for(lambda: self.ask(f"/connectors/{name}/config", config, "PUT"), f"connector {name} is taken", 90)

    def runs(self, name):
        status = self.ask(f"/connectors/{name}/status")
        if not status or not status["tasks"]:
            return False
        for task in status["tasks"]:
            assert task["state"] != "FAILED", task.get("trace")
        return all(t["state"] == "RUNNING" for t in status["tasks"])

    def kill(self, worker_id):
        """kill -9 of the worker of this address; the other one answers from then on."""
        at = next(i for i, url in enumerate(self.rest) if url.endswith(worker_id))
        self.workers[at].kill()
        self.rest = [url for i, url in enumerate(self.rest) if i != at]

    def end(self):
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.end()


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return f.read().splitlines()


def test_connect_carries_every_line_of_a_file_through_kills_of_broker_and_worker(broker, folder):
    source, sink = os.path.join(folder, "source.txt"), os.path.join(folder, "sink.txt")
    open(source, "w", encoding="utf-8").close()
    connect = Connect(broker, folder)
    written = 0

    def write(until):
        nonlocal written
        with open(source, "a", encoding="utf-8") as f:
            f.writelines(f"line {i}\n" for i in range(written, until))
        written = until

    def arrived(count):
        wait_for(lambda: len(set(lines_of(sink))) >= count, f"{count} lines in the sink ({len(lines_of(sink))} are there)", 90)
    try:
        wait_for(lambda: connect.ask("/connectors") is not None, "Connect answers", 60)
        connect.put("source", **{"connector.class": "FileStreamSource", "tasks.max": "1", "file": source, "topic": "lines",
                                 "batch.size": "100", "exactly.once.support": "required", "transaction.boundary": "poll"})
        connect.put("sink", **{"connector.class": "FileStreamSink", "tasks.max": "1", "file": sink, "topics": "lines"})
        for name in ("source", "sink"):
            wait_for(lambda name=name: connect.runs(name), f"{name} runs", 60)
        for part in range(1, 4):
            write(LINES * part // 4)
            arrived(LINES * (2 * part - 1) // 8)
            broker.kill_and_start()
        status = wait_for(lambda: connect.runs("source") and connect.ask("/connectors/source/status"), "source runs again", 60)
        connect.kill(status["tasks"][0]["worker_id"])
        write(LINES)
        arrived(LINES)
        expected = [f"line {i}" for i in range(LINES)]
        stored = console_consumer(broker, folder, "lines")
        assert stored == expected, f"the topic holds {len(stored)} lines, {len(set(stored))} different, of {LINES}"
        found = lines_of(sink)
        assert list(dict.fromkeys(found)) == expected, "the sink has lost a line or changed the order"
        print(f"   the sink, which Connect calls at least once, wrote {len(found) - LINES} lines twice")
    finally:
        connect.end()


def main(arguments):
    names = [a for a in arguments if a != "--kafka"]
    make = SecuredKafka if "--kafka" in arguments else SecuredLeat
    passed = failed = 0
    for name, test in [(k, v) for k, v in globals().items() if (k in names if names else k.startswith("test_"))]:
        begin = time.monotonic()
        with make() as broker, tempfile.TemporaryDirectory(prefix="leat-streams-") as folder:
            try:
                test(broker, folder)
                passed += 1
                print(f"ok: {name.split('_', 1)[1].replace('_', ' ')} ({time.monotonic() - begin:.0f} s)", flush=True)
            except Exception as e:
                failed += 1
                print(f"FAILED: {name}: {type(e).__name__}: {e}", flush=True)
                for file in sorted(os.listdir(folder)):
                    if file.endswith((".log", ".err")):
                        with open(os.path.join(folder, file), encoding="utf-8", errors="replace") as f:
                            print(f"--- {file}: {f.read()[-1200:]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
