"""confluent-kafka (librdkafka under Python) as a client program; the commands are those of README.md."""
from common import BOOTSTRAP, CA, MECHANISM, PASSWORD, ROUND, SECURITY, USER, listen_for_stop, main, say, say_assigned, stopped
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic)


def config(**more):
    c = {"bootstrap.servers": BOOTSTRAP, "security.protocol": SECURITY, "sasl.mechanism": MECHANISM, "sasl.username": USER,
         "sasl.password": PASSWORD, "reconnect.backoff.max.ms": 500, "log_level": 3, **more}
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
                p.produce(topic, str(n), key=str(n), partition=n % int(partitions), on_delivery=delivered)
            p.flush(60)
        sent += ROUND
        say("acked", sent)
        stopped.wait(0.005)
    return sent


def group(topic, name, protocol="classic"):
    listen_for_stop()
    more = {"group.protocol": "consumer"} if protocol == "consumer" else \
        {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "partition.assignment.strategy": "cooperative-sticky"}
    c = Consumer(config(**{"group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                           "topic.metadata.refresh.interval.ms": 1000, **more}))
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


def configs(topic):
    a = AdminClient(config())
    change = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[
        ConfigEntry("retention.ms", "3600000", incremental_operation=AlterConfigOpType.SET)])
    a.incremental_alter_configs([change])[change].result(20)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    say("value", a.describe_configs([resource])[resource].result(20)["retention.ms"].value)


main({f.__name__: f for f in (topics, send, stream, group, configs)})
