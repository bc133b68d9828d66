"""confluent-kafka (librdkafka under Python) as a client program; the commands are those of README.md."""
import random

from common import (BOOTSTRAP, CA, MECHANISM, PASSWORD, ROUND, SECURITY, USER, listen_for_stop, main, say, say_assigned,
                    stopped)
from confluent_kafka import (Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer,
                             TopicPartition)
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, AlterConfigOpType,
                                   ConfigEntry, ConfigResource, NewPartitions, NewTopic, ResourcePatternType, ResourceType,
                                   ScramCredentialInfo, ScramMechanism, UserScramCredentialDeletion, UserScramCredentialUpsertion)


def config(**more):
    c = {"bootstrap.servers": BOOTSTRAP, "security.protocol": SECURITY, "sasl.mechanism": MECHANISM, "sasl.username": USER,
         "sasl.password": PASSWORD, "reconnect.backoff.max.ms": 500,
         "topic.metadata.refresh.interval.ms": 1000, "log_level": 3, **more}
    if CA:
        c["ssl.ca.location"] = CA
    return c


def topics(topic, partitions):
    a = AdminClient(config())
    a.create_topics([NewTopic(topic, int(partitions) - 1, 1)])[topic].result(20)
    a.create_partitions([NewPartitions(topic, int(partitions))])[topic].result(20)
    seen = a.list_topics(timeout=20).topics[topic]
    assert len(seen.partitions) == int(partitions), seen.partitions
    a.delete_topics([topic])[topic].result(20)
    assert topic not in a.list_topics(timeout=20).topics


def send(topic, partitions, first, count, codec):
    errors = []
    p = Producer(config(**{"acks": "all", "compression.type": codec, "linger.ms": 5}))
    for n in range(int(first), int(first) + int(count)):
        p.produce(topic, str(n), key=str(n), partition=n % int(partitions), on_delivery=lambda e, m: e and errors.append(e))
    assert p.flush(30) == 0 and not errors, errors[:3]


def stream(topic, partitions, mode):
    """Rounds of a few records, numbered on; what is refused as not retriable is sent once more, as an application does."""
    listen_for_stop()
    p = Producer(config(**{"acks": "all", "enable.idempotence": mode == "idempotent", "linger.ms": 0}))
    sent = 0
    while not stopped.is_set():
        waiting = set(range(sent, sent + ROUND))
        while waiting:
            for n in sorted(waiting):
                def delivered(e, m, n=n):
                    if e is None:
                        waiting.discard(n)
                    elif mode == "idempotent":
                        raise RuntimeError(e)
                try:
                    p.produce(topic, str(n), key=str(n), partition=n % int(partitions), on_delivery=delivered)
                except KafkaException:  # there is no such partition just now
                    if mode == "idempotent":
                        raise
                    p.poll(0.05)
            p.flush(60)
        sent += ROUND
        say("acked", sent)
        stopped.wait(0.005)
    return sent


def group(topic, name, protocol="classic"):
    listen_for_stop()
    more = {"group.protocol": "consumer"} if protocol == "consumer" else \
        {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "partition.assignment.strategy": "cooperative-sticky"}
    c = Consumer(config(**{"group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False, **more}))
    c.subscribe([topic])
    last = None
    while not stopped.is_set():
        for m in c.consume(100, 0.1):
            if not m.error():
                say("record", m.partition(), m.offset(), m.value().decode())
        now = {p.partition for p in c.assignment()}
        if now != last:
            last = now
            say_assigned(now)
    if any(p.offset >= 0 for p in c.position(c.assignment())):
        c.commit(asynchronous=False)
    c.close()


def transaction(topic, partitions, name, first, count, end):
    p = Producer(config(**{"transactional.id": name}))
    p.init_transactions(30)
    p.begin_transaction()
    for n in range(int(first), int(first) + int(count)):
        p.produce(topic, str(n), key=str(n), partition=n % int(partitions))
    assert p.flush(30) == 0
    (p.commit_transaction if end == "commit" else p.abort_transaction)(30)


def rewind(c):
    """To where the group is: what was read since is read again."""
    for p in c.committed(c.assignment(), timeout=30):
        c.seek(TopicPartition(p.topic, p.partition, p.offset if p.offset >= 0 else 0))


def copy(source, target, partitions, name, transactional_id):
    """Copies in transactions, with the offsets of the group; one of four is aborted."""
    listen_for_stop()
    p = Producer(config(**{"transactional.id": transactional_id}))
    p.init_transactions(30)
    c = Consumer(config(**{"group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                           "session.timeout.ms": 6000}))
    c.subscribe([source])
    copied = 0
    while not stopped.is_set():
        records = [m for m in c.consume(ROUND, 0.1) if not m.error()]
        if not records:
            continue
        p.begin_transaction()
        try:
            for m in records:
                p.produce(target, m.value(), key=m.key(), partition=int(m.value()) % int(partitions))
            p.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), 30)
            if random.randrange(4) == 0:
                raise KafkaException(KafkaError(KafkaError._INTR))
            p.commit_transaction(30)
            copied += len(records)
            say("acked", copied)
        except KafkaException as e:
            if e.args[0].fatal():
                raise
            p.abort_transaction(30)
            rewind(c)
    c.close()
    return copied


def configs(topic):
    a = AdminClient(config())
    change = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[
        ConfigEntry("retention.ms", "3600000", incremental_operation=AlterConfigOpType.SET)])
    a.incremental_alter_configs([change])[change].result(20)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    say("value", a.describe_configs([resource])[resource].result(20)["retention.ms"].value)


def groups(name, topic):
    a = AdminClient(config())
    assert name in [g.group_id for g in a.list_consumer_groups().result(20).valid]
    say("state", a.describe_consumer_groups([name])[name].result(20).state.name)
    offsets = a.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name)])[name].result(20)
    say("offsets", sum(p.offset for p in offsets.topic_partitions))
    a.delete_consumer_groups([name])[name].result(20)


def delete_records(topic, offset):
    a, at = AdminClient(config()), TopicPartition(topic, 0, int(offset))
    a.delete_records([at])[at].result(20)


def acl(what, topic, principal):
    a = AdminClient(config())
    words = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, principal, "*", AclOperation.WRITE, AclPermissionType.ALLOW)
    one, like = AclBinding(*words), AclBindingFilter(*words)
    if what == "create":
        a.create_acls([one])[one].result(20)
    else:
        assert a.delete_acls([like])[like].result(20) == [one]
    assert a.describe_acls(like).result(20) == ([one] if what == "create" else [])


def scram(what, name, password):
    a = AdminClient(config())
    if what == "upsert":
        change = UserScramCredentialUpsertion(name, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), password.encode())
    else:
        change = UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_256)
    a.alter_user_scram_credentials([change])[name].result(20)
    assert (name in a.describe_user_scram_credentials().result(20)) == (what == "upsert")


commands = (topics, send, stream, group, transaction, copy, configs, groups, delete_records, acl, scram)
main({f.__name__.replace("_", "-"): f for f in commands})
