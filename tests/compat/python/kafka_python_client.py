"""kafka-python as a client program; the commands are those of README.md."""
import logging
import time

from common import BOOTSTRAP, CA, MECHANISM, PASSWORD, ROUND, SECURITY, USER, listen_for_stop, main, say, say_assigned, stopped
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (ACL, ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType, ConfigResource,
                         ConfigResourceType, NewPartitions, NewTopic, ResourcePattern, ResourceType, ScramMechanism,
                         UserScramCredentialDeletion, UserScramCredentialUpsertion)
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaError

logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(name)s %(message)s")
logging.getLogger("kafka.cluster").setLevel(logging.WARNING)  # it tells of each update of the metadata


def config(**more):
    c = {"bootstrap_servers": BOOTSTRAP, "security_protocol": SECURITY, "sasl_mechanism": MECHANISM,
         "sasl_plain_username": USER, "sasl_plain_password": PASSWORD, **more}
    if CA:
        c["ssl_cafile"] = CA
    return c


def topics(topic, partitions):
    a = KafkaAdminClient(**config())
    a.create_topics([NewTopic(topic, int(partitions) - 1, 1)])
    a.create_partitions({topic: NewPartitions(int(partitions))})
    seen = a.describe_topics([topic])[0]
    assert len(seen["partitions"]) == int(partitions), seen
    assert topic in a.list_topics()
    a.delete_topics([topic])
    assert topic not in a.list_topics()
    a.close()


def record(topic, partitions, n):
    return {"topic": topic, "value": b"%d" % n, "key": b"%d" % n, "partition": n % int(partitions)}


def send(topic, partitions, first, count, codec):
    p = KafkaProducer(**config(acks="all", enable_idempotence=False, linger_ms=5,
                               compression_type=None if codec == "none" else codec))
    sent = [p.send(**record(topic, partitions, n)) for n in range(int(first), int(first) + int(count))]
    p.flush(30)
    for f in sent:
        f.get(30)
    p.close()


def stream(topic, partitions, mode):
    """Rounds of a few records, numbered on; a plain stream sends again what was refused, as an application does."""
    listen_for_stop()
    p = KafkaProducer(**config(acks="all", enable_idempotence=mode == "idempotent", linger_ms=0, metadata_max_age_ms=1000,
                               retries=1000, delivery_timeout_ms=60000))
    sent = 0
    while not stopped.is_set():
        waiting = list(range(sent, sent + ROUND))
        while waiting:
            futures = [(n, p.send(**record(topic, partitions, n))) for n in waiting]
            waiting = []
            for n, f in futures:
                try:
                    f.get(60)
                except KafkaError:
                    if mode == "idempotent":
                        raise
                    waiting.append(n)
        sent += ROUND
        say("acked", sent)
        stopped.wait(0.005)
    p.close()
    return sent


class Listener(ConsumerRebalanceListener):
    def on_partitions_revoked(self, revoked):
        say_assigned([])

    def on_partitions_assigned(self, assigned):
        say_assigned([p.partition for p in assigned])


def group(topic, name):
    listen_for_stop()
    c = KafkaConsumer(**config(group_id=name, auto_offset_reset="earliest", enable_auto_commit=False,
                               session_timeout_ms=10000, heartbeat_interval_ms=500, metadata_max_age_ms=1000,
                               isolation_level="read_committed"))
    c.partitions_for_topic(topic)  # a leader that assigns before it knows them assigns nothing, and stays so
    c.subscribe([topic], listener=Listener())
    since = time.monotonic()
    while not stopped.is_set():
        if c.assignment():
            since = time.monotonic()
        elif time.monotonic() - since > 10:  # kafka-python does not notice partitions that it learns of while it joins
            c.unsubscribe()
            c.subscribe([topic], listener=Listener())
            since = time.monotonic()
        # Long: kafka-python 3.0.12 loses the result of a rebalance that ends between two polls, and is silent from then on.
        for records in c.poll(5000).values():
            for m in records:
                say("record", m.partition, m.offset, m.value.decode())
    c.commit()
    c.close()


def transaction(topic, partitions, name, first, count, end):
    p = KafkaProducer(**config(transactional_id=name))
    p.init_transactions()
    p.begin_transaction()
    for n in range(int(first), int(first) + int(count)):
        p.send(**record(topic, partitions, n))
    p.flush(30)
    (p.commit_transaction if end == "commit" else p.abort_transaction)()
    p.close()


def configs(topic):
    a = KafkaAdminClient(**config())
    a.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "3600000"})])
    seen = a.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    say("value", seen["topic"][topic]["retention.ms"]["value"])
    a.close()


def groups(name, topic):
    a = KafkaAdminClient(**config())
    assert name in str(a.list_groups())
    say("state", a.describe_groups([name]))
    offsets = a.list_group_offsets({name: None})[name]
    say("offsets", sum(o.offset for o in offsets.values()))
    say("deleted", a.delete_groups([name]))
    a.close()


def delete_records(topic, offset):
    a = KafkaAdminClient(**config())
    a.delete_records({TopicPartition(topic, 0): int(offset)})
    a.close()


def acl(what, topic, principal):
    a = KafkaAdminClient(**config())
    words = {"principal": principal, "host": "*", "operation": ACLOperation.WRITE, "permission_type": ACLPermissionType.ALLOW}
    pattern = ResourcePattern(ResourceType.TOPIC, topic, ACLResourcePatternType.LITERAL)
    like = ACLFilter(**words, resource_pattern=pattern)
    if what == "create":
        assert not a.create_acls([ACL(**words, resource_pattern=pattern)])["failed"]
    else:
        a.delete_acls([like])
    assert len(a.describe_acls(like)[0]) == (what == "create")
    a.close()


def scram(what, name, password):
    a = KafkaAdminClient(**config())
    if what == "upsert":
        change = UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_256, password, iterations=4096)
    else:
        change = UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_256)
    a.alter_user_scram_credentials([change])
    assert (name in str(a.describe_user_scram_credentials())) == (what == "upsert")
    a.close()


commands = (topics, send, stream, group, transaction, configs, groups, delete_records, acl, scram)
main({f.__name__.replace("_", "-"): f for f in commands})
