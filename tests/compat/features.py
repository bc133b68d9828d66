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
from program import Failed, Program, expect  # noqa: E402
from standalone import Standalone  # noqa: E402
from watched import clients, lag  # noqa: E402

CODECS = ("gzip", "snappy", "lz4", "zstd")


class Bench:
    """One client before a broker of its own. Users are (name, password, principal); `key` may do everything."""
    ca = plain = ""

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

    def kcat(self, *args, user=None, data=None, mechanism="PLAIN"):
        name, password = (user or self.key)[:2]
        settings = ["security.protocol=" + self.security, "sasl.mechanism=" + mechanism, "sasl.username=" + name,
                    "sasl.password=" + password, "isolation.level=read_committed"]
        settings += ["ssl.ca.location=" + self.ca] if self.ca else []
        argv = ["kcat", "-b", self.bootstrap, *args, *[f for s in settings for f in ("-X", s)]]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, input=data)

    def stored(self, topic):
        """What the topic holds, read by kcat: values by partition, in their order."""
        p = self.kcat("-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%p %s\n")
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
        self.plain = self.broker.address
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


def rebalance_with(b, topic, end, *protocol):
    b.create(topic, 4)
    with b.program("group", topic, topic, *protocol) as one:
        one.wait(lambda: one.assigned == {0, 1, 2, 3}, "the first member has all four partitions")
        with b.program("group", topic, topic, *protocol) as two:
            two.wait(lambda: len(two.assigned or ()) == 2 and len(one.assigned) == 2 and not one.assigned & two.assigned,
                     f"each has two ({one.assigned})")
            b.run("send", topic, 4, 0, 80, "none")
            two.wait(lambda: len(set(one.values()) | set(two.values())) == 80, "80 records came")
            expect(len(one.records) >= 40 and len(two.records) >= 40, f"{len(one.records)} and {len(two.records)} records")
            end(two)
        one.wait(lambda: one.assigned == {0, 1, 2, 3}, "the first member took over from the second")
        b.run("send", topic, 4, 80, 80, "none")
        one.wait(lambda: set(numbers(80, 80)) <= set(one.values()), "80 more came")
        one.stop()


def rebalance(b):
    """A second member joins and takes its half; it is killed, and the first has all again."""
    rebalance_with(b, "rebalance", lambda member: member.kill())


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


def kip848(b):
    """The rebalance of above with group.protocol=consumer; the second member leaves (its session would last 45 s)."""
    rebalance_with(b, "kip848", lambda member: member.stop(), "consumer")


def groups(b):
    """An admin lists a group, describes it, reads its offsets, and deletes it."""
    b.create("groups", 3)
    b.run("send", "groups", 3, 0, 60, "none")
    with b.program("group", "groups", "groups") as c:
        c.wait(lambda: len(c.records) >= 60, "60 records came")
        c.stop()
    _, said = b.run("groups", "groups", "groups")
    expect("offsets 60" in said, f"it read {said}")


def delete_records(b):
    """Deletes the records of partition 0 below an offset."""
    b.create("delete-records", 1)
    b.run("send", "delete-records", 1, 0, 100, "none")
    b.run("delete-records", "delete-records", 40)
    expect(b.stored("delete-records").get(0) == numbers(40, 60), "not the records from 40 on are left")


def acls(b):
    """An ACL opens a topic to another principal, is seen, and closes it again when it is deleted."""
    b.create("acls", 1)
    bob = b.user("bob" if b.security == "SASL_SSL" else f"bob of {b.client.name}")

    def may_write():
        p = b.kcat("-P", "-t", "acls", "-X", "acks=all", "-X", "message.timeout.ms=5000", user=bob, data="x\n")
        expect(p.returncode == 0 or "uthoriz" in p.stderr, p.stderr)
        return p.returncode == 0
    expect(not may_write(), "bob may write before")
    b.run("acl", "create", "acls", bob[2])
    expect(may_write(), "bob may not write")
    b.run("acl", "delete", "acls", bob[2])
    expect(not may_write(), "bob may still write")


def scram(b):
    """A user made by the client logs in by SCRAM, and no more when it is deleted."""
    user = ("carol-" + b.client.name, "a secret of carol")

    def logs_in(seconds):
        return b.kcat("-L", "-m", str(seconds), user=user, mechanism="SCRAM-SHA-256").returncode == 0
    b.run("scram", "upsert", *user)
    expect(logs_in(20), "she cannot log in")
    b.run("scram", "delete", *user)
    expect(not logs_in(2), "she can still log in")


def quotas(b):
    """Sets a user's producer_byte_rate, reads it, removes it."""
    _, said = b.run("quotas", b.key[2].partition(":")[2])
    expect("value 1000000" in said, f"it read {said}")


def transactions(b):
    """Committed records are read, aborted ones are not: by the client (reading committed records), and by kcat."""
    b.create("transactions", 3)
    for first, end in ((0, "commit"), (60, "abort"), (120, "commit")):
        b.run("transaction", "transactions", 3, "tx-1", first, 60, end)
    wanted = numbers(0, 60) + numbers(120, 60)
    # A commit is answered when it is decided; its markers, which end the transaction for readers, come after that.
    wait_for(lambda: sum(map(len, b.stored("transactions").values())) >= len(wanted), "what was committed is seen", 20)
    stored = b.stored("transactions")
    for n in range(3):
        expect(stored.get(n) == [v for v in wanted if int(v) % 3 == n], f"partition {n} holds {str(stored.get(n))[:200]}")
    with b.program("group", "transactions", "transactions") as c:
        c.wait(lambda: len(c.records) >= len(wanted), "the committed records came")
        c.stop()
        expect(sorted(map(int, c.values())) == sorted(map(int, wanted)), "aborted records came, too")


def exactly_once(b):
    """Consume, copy, produce in transactions with random aborts, through kill -9 of the broker and of the copier."""
    total = 1200
    for topic in ("eos-in", "eos-out"):
        b.create(topic, 2)
    b.run("send", "eos-in", 2, 0, 600, "none")
    copy = ("copy", "eos-in", "eos-out", 2, "eos", "eos-tx")
    with b.program("group", "eos-out", "eos-check") as c:
        with b.program(*copy) as one:
            one.wait(lambda: one.acked >= 60, "60 records are copied")
            b.kill_broker()
            before = one.acked
            b.run("send", "eos-in", 2, 600, 600, "none")
            if not b.client.copier_waits:
                one.wait(lambda: one.acked >= before + 60, "it gets on after the restart")
            one.kill()
        with b.program(*copy) as two:
            every_one_came(c, total)
            two.stop()
        c.stop()
    stored = sorted(int(v) for values in b.stored("eos-out").values() for v in values)
    expect(stored == list(range(total)), f"{len(stored)} records are stored, {len(set(stored))} of {total} different ones")
    return "yes (a)" if b.client.copier_waits else None


def kafka_tools(b):
    """ClientCompatibilityTest and TransactionalMessageCopier of Kafka's own system tests, as they are. They know no
    SASL, so they come by a plain listener; the broker under leatd has none."""
    if not b.plain:
        return "-"
    tool = [*b.client.java, "org.apache.kafka.tools."]

    def start(name, *args):
        p = subprocess.run([*tool[:-1], tool[-1] + name, *args], capture_output=True, text=True, timeout=90)
        return p.returncode == 0, f"{name}: {(p.stdout + p.stderr)[-1500:]}"

    def run(name, *args):
        expect(*start(name, *args))
    supported = ("offsets-for-times", "cluster-id", "create-topics", "describe-acls", "describe-configs", "idempotent-producer")
    for attempt in range(5):  # its consumer waits for 10 s and no longer, however busy the machine is: then it begins anew
        topic = f"compatibility-{attempt}"
        b.create(topic, 1)
        good, why = start("ClientCompatibilityTest", "--bootstrap-server", b.plain, "--topic", topic, "--num-cluster-nodes", "1",
                          "--expect-record-too-large-exception", "False",
                          *[w for s in supported for w in (f"--{s}-supported", "True")])
        if "Timed out after 10000 ms" not in why:
            break
    expect(good, why)
    for topic in ("copier-in", "copier-out"):
        b.create(topic, 1)
    b.run("send", "copier-in", 1, 0, 500, "none")
    run("TransactionalMessageCopier", "--broker-list", b.plain, "--input-topic", "copier-in", "--input-partition", "0",
        "--output-topic", "copier-out", "--consumer-group", "copier", "--transactional-id", "copier", "--transaction-size", "50",
        "--enable-random-aborts", "--group-mode", "--use-group-metadata")
    expect(b.stored("copier-out").get(0) == numbers(0, 500), "the copy is not the original")
    return None


# In the order of the table's columns.
FEATURES = {f.__name__: f for f in (topics, produce, consume, compression, group, rebalance, kip848, restart, recreate,
                                    idempotence, transactions, exactly_once, configs, groups, delete_records, acls, scram,
                                    quotas, clients, lag, kafka_tools)}
