"""aiokafka as a client program; the commands are those of README.md."""
import asyncio
import random
import ssl

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from common import BOOTSTRAP, CA, MECHANISM, PASSWORD, ROUND, SECURITY, USER, listen_for_stop, main, say, say_assigned, stopped


def config(**more):
    c = {"bootstrap_servers": BOOTSTRAP, "security_protocol": SECURITY, "sasl_mechanism": MECHANISM,
         "sasl_plain_username": USER, "sasl_plain_password": PASSWORD, **more}
    if CA:
        c["ssl_context"] = ssl.create_default_context(cafile=CA)
    return c


async def topics(topic, partitions):
    a = AIOKafkaAdminClient(**config())
    await a.start()
    await a.create_topics([NewTopic(topic, int(partitions) - 1, 1)])
    await a.create_partitions({topic: NewPartitions(int(partitions))})
    seen = (await a.describe_topics([topic]))[0]
    assert len(seen["partitions"]) == int(partitions), seen
    assert topic in await a.list_topics()
    await a.delete_topics([topic])
    assert topic not in await a.list_topics()
    await a.close()


def record(topic, partitions, n):
    return {"topic": topic, "value": b"%d" % n, "key": b"%d" % n, "partition": n % int(partitions)}


async def send(topic, partitions, first, count, codec):
    p = AIOKafkaProducer(**config(acks="all", linger_ms=5, compression_type=None if codec == "none" else codec))
    await p.start()
    sent = [await p.send(**record(topic, partitions, n)) for n in range(int(first), int(first) + int(count))]
    await asyncio.gather(*sent)
    await p.stop()


async def stream(topic, partitions, mode):
    """Rounds of a few records, numbered on; a plain stream sends again what was refused, as an application does."""
    listen_for_stop()
    p = AIOKafkaProducer(**config(acks="all", enable_idempotence=mode == "idempotent", linger_ms=0, metadata_max_age_ms=1000,
                                  request_timeout_ms=30000))
    await p.start()
    sent = 0
    while not stopped.is_set():
        waiting = list(range(sent, sent + ROUND))
        while waiting:
            futures = [await p.send(**record(topic, partitions, n)) for n in waiting]
            results = await asyncio.gather(*futures, return_exceptions=True)
            again = []
            for n, r in zip(waiting, results):
                if isinstance(r, BaseException):
                    if mode == "idempotent" or not isinstance(r, KafkaError):
                        raise r
                    again.append(n)
            waiting = again
        sent += ROUND
        say("acked", sent)
        await asyncio.sleep(0.005)
    await p.stop()
    return sent


class Listener(ConsumerRebalanceListener):
    async def on_partitions_revoked(self, revoked):
        say_assigned([])

    async def on_partitions_assigned(self, assigned):
        say_assigned([p.partition for p in assigned])


async def group(topic, name):
    listen_for_stop()
    c = AIOKafkaConsumer(**config(group_id=name, auto_offset_reset="earliest", enable_auto_commit=False,
                                  session_timeout_ms=6000, heartbeat_interval_ms=500, metadata_max_age_ms=1000,
                                  isolation_level="read_committed"))
    await c.start()
    c.subscribe([topic], listener=Listener())
    while not stopped.is_set():
        for records in (await c.getmany(timeout_ms=100)).values():
            for m in records:
                say("record", m.partition, m.offset, m.value.decode())
    await c.commit()
    await c.stop()


async def transaction(topic, partitions, name, first, count, end):
    p = AIOKafkaProducer(**config(transactional_id=name))
    await p.start()
    await p.begin_transaction()
    for n in range(int(first), int(first) + int(count)):
        await p.send(**record(topic, partitions, n))
    await p.flush()
    await (p.commit_transaction if end == "commit" else p.abort_transaction)()
    await p.stop()


async def rewind(c):
    """To where the group is: what was read since is read again."""
    for p in c.assignment():
        c.seek(p, await c.committed(p) or 0)


async def copy(source, target, partitions, name, transactional_id):
    """Copies in transactions, with the offsets of the group; one of four is aborted."""
    listen_for_stop()
    p = AIOKafkaProducer(**config(transactional_id=transactional_id))
    c = AIOKafkaConsumer(source, **config(group_id=name, auto_offset_reset="earliest", enable_auto_commit=False,
                                          session_timeout_ms=6000, isolation_level="read_committed", max_poll_records=ROUND))
    await p.start()
    await c.start()
    copied = 0
    while not stopped.is_set():
        found = await c.getmany(timeout_ms=100)
        records = [m for some in found.values() for m in some]
        if not records:
            continue
        await p.begin_transaction()
        try:
            for m in records:
                await p.send(**record(target, partitions, int(m.value)))
            await p.send_offsets_to_transaction({tp: some[-1].offset + 1 for tp, some in found.items() if some}, name)
            if random.randrange(4) == 0:
                raise KafkaError("aborted at random")
            await p.commit_transaction()
            copied += len(records)
            say("acked", copied)
        except KafkaError:
            await p.abort_transaction()
            await rewind(c)
    await c.stop()
    await p.stop()
    return copied


async def configs(topic):
    a = AIOKafkaAdminClient(**config())
    await a.start()
    await a.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "3600000"})])
    for answer in await a.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]):
        for resource in answer.resources:
            for entry in resource[4]:
                if entry[0] == "retention.ms":
                    say("value", entry[1])
    await a.close()


async def groups(name, topic):
    a = AIOKafkaAdminClient(**config())
    await a.start()
    assert name in [g[0] for g in await a.list_consumer_groups()]
    say("state", await a.describe_consumer_groups([name]))
    offsets = await a.list_consumer_group_offsets(name)
    say("offsets", sum(o.offset for o in offsets.values()))
    await a.close()


async def delete_records(topic, offset):
    a = AIOKafkaAdminClient(**config())
    await a.start()
    await a.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=int(offset))})
    await a.close()


commands = (topics, send, stream, group, transaction, copy, configs, groups, delete_records)
main({f.__name__.replace("_", "-"): lambda *a, f=f: asyncio.run(f(*a)) for f in commands})
