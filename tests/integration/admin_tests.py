"""Kafka's admin clients on the logs, configs and metadata of a cluster: alone, and configs under leatd."""
from confluent_kafka import ElectionType, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, OffsetSpec
from leatd import Leatd, wait_for
from managed_tests import config, start_cluster
from standalone import Standalone
from standalone_tests import admin, consumer, create, produce, read


def test_records_are_deleted_by_offset_and_stay_deleted():
    with Standalone() as broker:
        create(broker, "t", 1)
        produce(broker, "t", [b"%d" % i for i in range(10)])
        deleted = admin(broker).delete_records([TopicPartition("t", 0, 4)])
        assert next(iter(deleted.values())).result(20).low_watermark == 4
        too_far = next(iter(admin(broker).delete_records([TopicPartition("t", 0, 11)]).values()))
        try:
            too_far.result(20)
            raise AssertionError("records were deleted that are not there")
        except KafkaException as e:
            assert e.args[0].code() == KafkaError.OFFSET_OUT_OF_RANGE
        broker.kill_and_start()
        c = consumer(broker, "g")
        c.subscribe(["t"])
        assert [m.value() for m in read(c, 6)] == [b"%d" % i for i in range(4, 10)]
        c.close()


def replaced_and_joined(a, topic):
    """Configs of a topic by both APIs that alter them."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)

    def now(name):
        return a.describe_configs([resource])[resource].result(20)[name]

    def alter(name, operation, value):
        change = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[
            ConfigEntry(name, value, incremental_operation=operation)])
        a.incremental_alter_configs([change])[change].result(20)
    alter("cleanup.policy", AlterConfigOpType.APPEND, "compact")
    assert now("cleanup.policy").value == "delete,compact"
    alter("cleanup.policy", AlterConfigOpType.SUBTRACT, "delete")
    assert now("cleanup.policy").value == "compact"
    whole = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config={"retention.ms": "5000"})
    a.alter_configs([whole])[whole].result(20)
    assert now("retention.ms").value == "5000" and not now("retention.ms").is_default
    assert now("cleanup.policy").value == "delete" and now("cleanup.policy").is_default
    synonyms = now("segment.bytes").synonyms
    assert "log.segment.bytes" in synonyms, synonyms


def test_configs_are_replaced_and_lists_joined():
    with Standalone() as broker:
        create(broker, "t", 1)
        replaced_and_joined(admin(broker), "t")


def test_configs_are_replaced_and_lists_joined_under_leatd():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 1)
        replaced_and_joined(AdminClient(config(cluster, key)), "t")


def test_a_broker_describes_its_settings_and_needs_no_election():
    with Standalone(**{"log.retention.hours": "2"}) as broker:
        create(broker, "t", 2)
        resource = ConfigResource(ConfigResource.Type.BROKER, "1")
        settings = admin(broker).describe_configs([resource])[resource].result(20)
        assert settings["log.retention.ms"].value == str(2 * 3600 * 1000)
        assert settings["node.id"].value == "1" and settings["node.id"].is_read_only
        assert settings["group.max.session.timeout.ms"].is_default
        elected = admin(broker).elect_leaders(ElectionType.PREFERRED, [TopicPartition("t", 0)]).result(20)
        assert [e.code() for e in elected.values()] == [KafkaError.ELECTION_NOT_NEEDED], elected


def test_kafka_python_administers_a_cluster_of_one():
    from kafka import KafkaAdminClient
    with Standalone() as broker:
        create(broker, "t", 3)
        produce(broker, "t", [b"x" * 100] * 30)
        a = KafkaAdminClient(bootstrap_servers=broker.address)
        sizes = str(a.describe_log_dirs())
        assert "'t'" in sizes and broker.folder in sizes, sizes
        assert a.describe_metadata_quorum()
        assert not a.list_partition_reassignments(), a.list_partition_reassignments()
        assert "metadata.version" in str(a.describe_features())
        topics = str(a.describe_topic_partitions(["t"]))
        assert "'t'" in topics, topics
        assert "'t'" in str(a.list_config_resources())
        a.close()


def test_a_consumer_of_many_partitions_hears_from_each_when_it_has_news():
    """kafka-python and librdkafka in turn: fetch sessions by topic id, and none."""
    from kafka import KafkaConsumer
    from kafka import TopicPartition as Partition
    with Standalone() as broker:
        create(broker, "wide", 40)
        c = KafkaConsumer(bootstrap_servers=broker.address, group_id=None, auto_offset_reset="earliest")
        c.assign([Partition("wide", p) for p in range(40)])
        seen = []

        def hears(expected):
            for batch in c.poll(timeout_ms=200).values():
                seen.extend((m.partition, m.value) for m in batch)
            return sorted(seen) == sorted(expected)
        expected = []
        for round_, partition in enumerate((7, 31, 7, 0)):
            produce_to(broker, "wide", partition, b"%d" % round_)
            expected.append((partition, b"%d" % round_))
            wait_for(lambda: hears(expected), "the record comes", 30)
        c.assign([Partition("wide", p) for p in range(10)])  # 30 are forgotten
        for p in range(10):
            c.seek_to_end(Partition("wide", p))
            c.position(Partition("wide", p))
        seen.clear()
        produce_to(broker, "wide", 31, b"unheard")
        produce_to(broker, "wide", 5, b"heard")
        wait_for(lambda: hears([(5, b"heard")]), "the record of a partition that stays comes", 30)
        c.close()
        ends = admin(broker).list_offsets({TopicPartition("wide", 31): OffsetSpec.latest()})
        assert next(iter(ends.values())).result(20).offset == 2


def produce_to(broker, topic, partition, value):
    from confluent_kafka import Producer
    p = Producer({"bootstrap.servers": broker.address, "acks": "all", "log_level": 0})
    p.produce(topic, value, partition=partition)
    assert p.flush(30) == 0
