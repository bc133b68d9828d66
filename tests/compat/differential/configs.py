"""Configs of topics, brokers and others."""
from topics import create, topic

TOPIC, BROKER, LOGGER, GROUP = 2, 4, 8, 32


def describe(t):
    create(t, topic("set", configs=[{"name": "retention.ms", "value": "1234"}, {"name": "cleanup.policy", "value": "compact"}]), topic("unset"))
    api = "DescribeConfigs"

    def body(kind, name, keys=None, **more):
        return {"resources": [{"resourceType": kind, "resourceName": name, "configurationKeys": keys}], **more}
    some = ["retention.ms", "cleanup.policy", "segment.bytes", "no.such"]
    t.sweep("some of a topic", api, body(TOPIC, "set", some))
    t.sweep("all of a topic", api, body(TOPIC, "set"), until=True)
    t.sweep("all of a topic without overrides", api, body(TOPIC, "unset"))
    t.sweep("synonyms", api, body(TOPIC, "set", some, includeSynonyms=True))
    t.sweep("synonyms of defaults", api, body(TOPIC, "unset", some, includeSynonyms=True))
    t.sweep("all synonyms", api, body(TOPIC, "set", includeSynonyms=True), low=4)
    t.sweep("documentation", api, body(TOPIC, "set", ["retention.ms"], includeDocumentation=True), low=3)
    t.sweep("no keys", api, body(TOPIC, "set", []))
    t.sweep("an unknown topic", api, body(TOPIC, "nowhere"))
    t.sweep("an illegal name", api, body(TOPIC, "a b"))
    t.sweep("an empty name", api, body(TOPIC, ""))
    t.sweep("the broker", api, body(BROKER, "1", ["log.retention.ms", "num.partitions", "message.max.bytes", "auto.create.topics.enable"]))
    t.sweep("all brokers", api, body(BROKER, "", ["log.retention.ms"]))
    t.sweep("another broker", api, body(BROKER, "77"))
    t.sweep("a broker that is no number", api, body(BROKER, "x"))
    t.sweep("a group", api, body(GROUP, "g", ["consumer.session.timeout.ms"]))
    t.sweep("a kind unknown", api, body(77, "g"))
    t.sweep("nothing", api, {"resources": []})
    t.sweep("twice", api, {"resources": 2 * body(TOPIC, "set", some)["resources"]})


SET, DELETE, APPEND, SUBTRACT = range(4)


def incremental(t):
    api = "IncrementalAlterConfigs"
    for v in t.versions(api):
        name = f"altered-{v}"
        create(t, topic(name))

        def one(step, *entries, kind=TOPIC, resource=name, **more):
            t.call(step, api, {"resources": [{"resourceType": kind, "resourceName": resource, "configs": [
                {"name": n, "configOperation": o, "value": x} for n, o, x in entries]}], **more}, v)
        one("set", ("retention.ms", SET, "5000"))
        one("set two", ("retention.ms", SET, "6000"), ("segment.bytes", SET, "2000000"))
        one("only validated", ("retention.ms", SET, "7000"), validateOnly=True)
        one("append", ("cleanup.policy", APPEND, "compact"))
        one("append what is there", ("cleanup.policy", APPEND, "compact"))
        one("subtract", ("cleanup.policy", SUBTRACT, "delete"))
        one("subtract what is not there", ("cleanup.policy", SUBTRACT, "delete"))
        one("append to a number", ("retention.ms", APPEND, "5"))
        one("delete", ("segment.bytes", DELETE, None))
        one("delete what is not set", ("segment.ms", DELETE, None))
        one("null", ("retention.ms", SET, None))
        one("bad value", ("retention.ms", SET, "soon"))
        one("out of range", ("segment.bytes", SET, "1"))
        one("unknown", ("no.such", SET, "1"))
        one("unknown operation", ("retention.ms", 9, "1"))
        one("one key twice", ("retention.ms", SET, "1"), ("retention.ms", SET, "2"))
        one("no entries")
        one("an unknown topic", ("retention.ms", SET, "1"), resource="nowhere")
        one("an illegal topic", ("retention.ms", SET, "1"), resource="a b")
        one("an empty topic", ("retention.ms", SET, "1"), resource="")
        one("a kind unknown", ("retention.ms", SET, "1"), kind=77)
        t.call("nothing", api, {"resources": []}, v)
        t.call("what is set", "DescribeConfigs", {"resources": [{"resourceType": TOPIC, "resourceName": name, "configurationKeys": None}]}, until=True)


NUMBERS = ["", "x", " 7 ", "1.5", "-3", "-2", "-1", "0", "1", "4", "13", "14", "18", "23", "1048575", "1048576", "2147483647", "2147483648",
           "9223372036854775807", "9223372036854775808", "-9223372036854775808"]
WORDS = ["", "x", "true", "TRUE", "no"]
LISTS = ["*", "0:1", "0:1,1:1", "0:1, 1:1", "0", "0:", ":1", "a:b", "0:1,", ",", "*,0:1", "0:1:2"]
POLICIES = ["delete", "compact", "compact,delete", "delete,compact", " delete , compact ", "delete,delete", "delete,", "shred", "DELETE"]
KINDS = ["gzip", "GZIP", "snappy", "lz4", "zstd", "uncompressed", "none", "producer", "brotli", "CreateTime", "LogAppendTime", "createtime"]
LEVELS = ["-1", "0", "1", "9", "10", "17", "18", "22", "23", "-131072", "-131073"]


def values(t):
    """Which values each config of a topic takes: only asked, nothing is altered."""
    create(t, topic("valued"), compare=False)
    every = {"cleanup.policy": POLICIES, "compression.type": KINDS, "message.timestamp.type": KINDS, "min.cleanable.dirty.ratio": ["", "x", "-0.1", "0", "0.5", "1", "1.01", "NaN"]}
    every |= {f"compression.{kind}.level": LEVELS for kind in ("gzip", "lz4", "zstd")}
    every |= {f"{who}.replication.throttled.replicas": LISTS for who in ("leader", "follower")}
    every |= {name: WORDS for name in ("preallocate", "unclean.leader.election.enable", "remote.storage.enable", "remote.log.copy.disable",
                                       "remote.log.delete.on.disable")}
    every |= {name: NUMBERS for name in (
        "delete.retention.ms", "file.delete.delay.ms", "flush.messages", "flush.ms", "index.interval.bytes", "local.retention.bytes", "local.retention.ms",
        "max.compaction.lag.ms", "max.message.bytes", "message.timestamp.after.max.ms", "message.timestamp.before.max.ms", "min.compaction.lag.ms",
        "min.insync.replicas", "retention.bytes", "retention.ms", "segment.bytes", "segment.index.bytes", "segment.jitter.ms", "segment.ms")}

    def one(step, **configs):
        t.call(step, "IncrementalAlterConfigs", {"validateOnly": True, "resources": [{"resourceType": TOPIC, "resourceName": "valued", "configs": [
            {"name": n.replace("_", "."), "configOperation": SET, "value": x} for n, x in configs.items()]}]})
    for name, list_of in every.items():
        for value in list_of:
            one(f"{name}={value}", **{name: value})
    one("lags cross", min_compaction_lag_ms="5000", max_compaction_lag_ms="4000")
    one("lags meet", min_compaction_lag_ms="4000", max_compaction_lag_ms="4000")
    one("local size above all", local_retention_bytes="2000", retention_bytes="1000")
    one("local time above all", local_retention_ms="2000", retention_ms="1000")
    one("of internal names", leader_epoch="1")


def replacing(t):
    api = "AlterConfigs"
    if not t.serves(api):
        return
    for v in t.versions(api):
        name = f"replaced-{v}"
        create(t, topic(name, configs=[{"name": "segment.bytes", "value": "3000000"}]))

        def one(step, *entries, kind=TOPIC, resource=name, **more):
            t.call(step, api, {"resources": [{"resourceType": kind, "resourceName": resource, "configs": [
                {"name": n, "value": x} for n, x in entries]}], **more}, v)
        one("only validated", ("retention.ms", "7000"), validateOnly=True)
        one("replace", ("retention.ms", "5000"), ("cleanup.policy", "compact"))
        one("bad value", ("retention.ms", "soon"))
        one("null", ("retention.ms", None))
        one("unknown", ("no.such", "1"))
        one("an unknown topic", ("retention.ms", "1"), resource="nowhere")
        one("a kind unknown", ("retention.ms", "1"), kind=77)
        t.call("nothing", api, {"resources": []}, v)
        t.call("what is set", "DescribeConfigs", {"resources": [{"resourceType": TOPIC, "resourceName": name, "configurationKeys": None}]}, until=True)
        one("replace by nothing")
        t.call("nothing is set", "DescribeConfigs", {"resources": [{"resourceType": TOPIC, "resourceName": name, "configurationKeys": None}]}, until=True)


def resources(t):
    api = "ListConfigResources"
    if t.serves(api):
        t.sweep("all", api, {})
        t.sweep("topics", api, {"resourceTypes": [TOPIC]}, low=1)
        t.sweep("brokers", api, {"resourceTypes": [BROKER]}, low=1)
        t.sweep("a kind unknown", api, {"resourceTypes": [77]}, low=1)


SCENARIOS = [describe, incremental, values, replacing, resources]
