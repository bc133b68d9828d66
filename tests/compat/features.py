"""The features, each written once for all clients, and the benches they run on. A feature is a function of a Bench; it
raises Failed, or returns what its cell of the table says (None: yes)."""
import os
import signal
import subprocess
import sys

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from certificates import Authority  # noqa: E402
from leatd import wait_for  # noqa: E402
from program import Failed, Program  # noqa: E402
from standalone import Standalone  # noqa: E402

CODECS = ("gzip", "snappy", "lz4", "zstd")


class Bench:
    """One client before a broker of its own. Users are (name, password, principal); `key` may do everything."""
    ca = ""

    def program(self, *command, user=None):
        name, password, principal = user or self.key
        env = {"COMPAT_BOOTSTRAP": self.bootstrap, "COMPAT_USER": name, "COMPAT_PASSWORD": password,
               "COMPAT_MECHANISM": "SCRAM-SHA-512", "COMPAT_CA": self.ca, "COMPAT_PRINCIPAL": principal}
        return Program([*self.client.argv, *map(str, command)], {**env, **self.client.env}, self.client.cwd)

    def run(self, *command, seconds=60, user=None):
        """The words after ok, and the lines before it."""
        with self.program(*command, user=user) as p:
            return p.result(seconds), p.others

    def create(self, topic, partitions):
        """A topic, made by an admin of ours: what a client can do itself is its own feature."""
        expect(self.try_create(topic, partitions), f"the topic {topic} could not be made")

    def recreate(self, topic, partitions):
        """Deletes a topic and makes it anew. A client that asks in between may have it made automatically: then again."""
        def again():
            self.delete(topic)
            return self.try_create(topic, partitions)
        wait_for(again, f"{topic} is made anew", 20)

    def stored(self, topic):
        """What the topic holds, read by kcat: values by partition, in their order."""
        settings = ["security.protocol=" + self.security, "sasl.mechanism=PLAIN", "sasl.username=" + self.key[0],
                    "sasl.password=" + self.key[1], "isolation.level=read_committed"]
        settings += ["ssl.ca.location=" + self.ca] if self.ca else []
        argv = ["kcat", "-b", self.bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%p %s\n",
                *[f for s in settings for f in ("-X", s)]]
        p = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        if p.returncode:
            raise Failed(f"kcat could not read {topic}: {p.stderr[-500:]}")
        found = {}
        for line in p.stdout.splitlines():
            partition, value = line.split(" ", 1)
            found.setdefault(int(partition), []).append(value)
        return found


class Managed(Bench):
    """A cluster under leatd, on its SASL_PLAINTEXT port; topics come by REST."""
    security = "SASL_PLAINTEXT"

    def __init__(self, client, leat):
        self.client, self.leat = client, leat
        self.cluster = leat.make_cluster(leat.make_environment(client.name))
        self.key = self.user(client.name, True)
        self.bootstrap = self.cluster["bootstrap_servers"]
        self.topics = f"/kafka/v3/clusters/{self.cluster['id']}/topics"

    def user(self, name, everything=False):
        key, secret, account = self.leat.make_key(self.cluster["id"], name, acls=everything)
        return key, secret, f"User:{account}"

    def try_create(self, topic, partitions):
        a = self.leat.call("POST", self.topics, {"topic_name": topic, "partitions_count": partitions})
        return a.status == 201

    def delete(self, topic):
        a = self.leat.call("DELETE", f"{self.topics}/{topic}")
        expect(a.status in (200, 204), f"REST could not delete {topic}: {a}")

    def has_topic(self, topic):
        return self.leat.call("GET", f"{self.topics}/{topic}").status == 200

    def kill_broker(self):
        """kill -9; leatd starts it again."""
        pid = self.leat.running(self.cluster["id"])["state"]["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self.leat.running(self.cluster["id"])["state"]["pid"] != pid, "the broker is back", 20)

    def close(self):
        pass


class Secure(Bench):
    """A broker of its own, without leatd, on its SASL_SSL port; topics come by confluent-kafka."""
    security = "SASL_SSL"
    key = ("alice", "wonder:land", "User:alice")
    others = {"bob": "builder"}

    def __init__(self, client, port):
        self.client, self.bootstrap = client, f"127.0.0.1:{port + 1}"
        self.broker = Standalone(["--listen", "SASL_SSL://" + self.bootstrap, "--users", "{folder}/users",
                                  "--tls-certificate", "{folder}/server.pem", "--tls-key", "{folder}/server.key"],
                                 **{"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                                    "super.users": "User:alice;User:ANONYMOUS"})
        self.broker.port, self.broker.address = port, f"127.0.0.1:{port}"
        authority = Authority(self.broker.folder)
        authority.issue("server")
        self.ca = authority.pem
        with open(os.path.join(self.broker.folder, "users"), "w", encoding="utf-8") as f:
            f.write("".join(f"{n}:{p}\n" for n, p in {"alice": "wonder:land", **self.others}.items()))
        self.broker.__enter__()
        self.admin = AdminClient({"bootstrap.servers": self.broker.address, "log_level": 0})

    def user(self, name):
        return name, self.others[name], f"User:{name}"

    def try_create(self, topic, partitions):
        try:
            self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(20)
            return True
        except KafkaException as e:
            expect(e.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS, str(e))
            return False

    def delete(self, topic):
        self.admin.delete_topics([topic])[topic].result(20)

    def has_topic(self, topic):
        return topic in self.admin.list_topics(timeout=20).topics

    def kill_broker(self):
        self.broker.kill_and_start()

    def close(self):
        if self.broker:
            self.broker.__exit__()
        self.broker = None


def expect(condition, what):
    if not condition:
        raise Failed(what)


def numbers(first, count):
    return [str(n) for n in range(first, first + count)]


def topics(b):
    """Creates a topic, sees it with its partitions, deletes it."""
    b.run("topics", "made-by-client", 5)
    expect(not b.has_topic("made-by-client"), "the topic is still there")


def produce(b):
    """300 records to three partitions, acknowledged by all, stored in order."""
    b.create("produce", 3)
    b.run("send", "produce", 3, 0, 300, "none")
    stored = b.stored("produce")
    for n in range(3):
        expect(stored.get(n) == [str(v) for v in range(n, 300, 3)], f"partition {n} holds {str(stored.get(n))[:200]}")


def consume(b):
    """Reads 300 records from the beginning, each once, in order by partition."""
    b.create("consume", 3)
    b.run("send", "consume", 3, 0, 300, "none")
    with b.program("group", "consume", "consume") as c:
        c.wait(lambda: len(c.records) >= 300, "300 records came")
        c.stop()
        expect(sorted(map(int, c.values())) == list(range(300)), "records are missing or came twice")
        for n in range(3):
            mine = [(offset, int(value)) for partition, offset, value in c.records if partition == n]
            expect(mine == [(i, n + 3 * i) for i in range(100)], f"partition {n} came out of order")


def compression(b):
    """Each codec of the client, there and back; the cell names them."""
    b.create("codecs", 1)
    for i, codec in enumerate(b.client.codecs):
        b.run("send", "codecs", 1, i * 100, 100, codec)
    count = 100 * len(b.client.codecs)
    with b.program("group", "codecs", "codecs") as c:
        c.wait(lambda: len(c.records) >= count, f"{count} records came")
        c.stop()
        expect(c.values() == numbers(0, count), "records are not what was sent")
    return "all four" if set(b.client.codecs) == set(CODECS) else ", ".join(b.client.codecs)


def group(b):
    """A member commits and leaves; the next one goes on where it was."""
    b.create("group", 3)
    b.run("send", "group", 3, 0, 90, "none")
    with b.program("group", "group", "group") as c:
        c.wait(lambda: len(c.records) >= 90, "90 records came")
        c.stop()
    b.run("send", "group", 3, 90, 30, "none")
    with b.program("group", "group", "group") as c:
        c.wait(lambda: len(c.records) >= 30, "30 records came")
        c.stop()
        expect(sorted(map(int, c.values())) == list(range(90, 120)), f"the second member read {sorted(map(int, c.values()))[:20]}…")


def rebalance_with(b, topic, *protocol):
    b.create(topic, 4)
    with b.program("group", topic, topic, *protocol) as one:
        one.wait(lambda: one.assigned == {0, 1, 2, 3}, "the first member has all four partitions")
        with b.program("group", topic, topic, *protocol) as two:
            two.wait(lambda: len(two.assigned or ()) == 2 and len(one.assigned) == 2 and not one.assigned & two.assigned,
                     f"each has two ({one.assigned})")
            b.run("send", topic, 4, 0, 80, "none")
            two.wait(lambda: len(set(one.values()) | set(two.values())) == 80, "80 records came")
            expect(len(one.records) >= 40 and len(two.records) >= 40, f"{len(one.records)} and {len(two.records)} records")
            two.kill()
        one.wait(lambda: one.assigned == {0, 1, 2, 3}, "the first member took over from the killed one")
        b.run("send", topic, 4, 80, 80, "none")
        one.wait(lambda: set(numbers(80, 80)) <= set(one.values()), "80 more came")
        one.stop()


def rebalance(b):
    """A second member joins and takes its half; it is killed, and the first has all again."""
    rebalance_with(b, "rebalance")


def restart(b):
    """kill -9 of the broker under a producer and a consumer: every acknowledged record is stored and comes."""
    b.create("restart", 3)
    with b.program("stream", "restart", 3, "plain") as p, b.program("group", "restart", "restart") as c:
        p.wait(lambda: p.acked >= 200, "200 records are acknowledged")
        c.wait(lambda: len(c.records) >= 100, "100 records came")
        b.kill_broker()
        before, read = p.acked, len(c.records)
        p.wait(lambda: p.acked >= before + 300, "the producer gets on after the restart")
        c.wait(lambda: len(c.records) >= read + 300, "the consumer gets on after the restart")
        total = int(p.stop())
        stored = {v for values in b.stored("restart").values() for v in values}
        expect(stored == set(numbers(0, total)), f"{len(stored)} of {total} acknowledged records are stored")
        every_one_came(c, total)
        c.stop()


def every_one_came(c, total):
    """Waits until the consumer has 0 … total - 1; tells what is missing when it does not come."""
    try:
        c.wait(lambda: len(set(c.values())) == total, f"all {total} records came")
    except Failed as e:
        gone = sorted(set(range(total)) - set(map(int, c.values())))
        raise Failed(f"missing {gone[:10]}…{gone[-3:]}: {e}") from e


def recreate(b):
    """The topic is deleted and made again under a producer and a consumer: both get on with the new one."""
    b.create("recreate", 3)
    with b.program("stream", "recreate", 3, "plain") as p, b.program("group", "recreate", "recreate") as c:
        p.wait(lambda: p.acked >= 200, "200 records are acknowledged")
        c.wait(lambda: len(c.records) >= 100, "100 records came")
        b.recreate("recreate", 3)
        before = p.acked
        p.wait(lambda: p.acked >= before + 300, "the producer gets on with the new topic")
        later = p.acked
        c.wait(lambda: any(int(v) > later for v in c.values()), "the consumer gets on with the new topic")
        p.stop()
        c.stop()


def idempotence(b):
    """An idempotent producer through kill -9 of the broker: each record once, in order."""
    b.create("idempotence", 3)
    with b.program("stream", "idempotence", 3, "idempotent") as p:
        for _ in range(2):
            before = p.acked
            p.wait(lambda: p.acked >= before + 300, "the producer gets on")
            b.kill_broker()
        before = p.acked
        p.wait(lambda: p.acked >= before + 300, "the producer gets on")
        total = int(p.stop())
    stored = b.stored("idempotence")
    for n in range(3):
        expect(stored[n] == [str(v) for v in range(n, total, 3)], f"partition {n}: order or number is wrong")


def configs(b):
    """Sets a topic's retention.ms (incrementally, where the client can) and reads it back."""
    b.create("configs", 1)
    _, said = b.run("configs", "configs")
    expect("value 3600000" in said, f"it read {said}")


# In the order of the table's columns.
FEATURES = {f.__name__: f for f in (topics, produce, consume, compression, group, rebalance, restart, recreate,
                                    idempotence, configs)}
