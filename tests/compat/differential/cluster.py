"""What operators of a cluster ask: log dirs, elections, reassignments, the quorum, features, brokers."""
from data import batch, produce_body, topic
from topics import create, topic_id


def log_dirs(t):
    create(t, topic("stored", 2))
    t.call("fill", "Produce", produce_body("stored", batch(), id=topic_id(t, "stored")), compare=False)
    api = "DescribeLogDirs"
    t.sweep("of a topic", api, {"topics": [{"topic": "stored", "partitions": [0, 1]}]}, until=True)
    t.sweep("of a partition unknown", api, {"topics": [{"topic": "stored", "partitions": [9]}]})
    t.sweep("of an unknown topic", api, {"topics": [{"topic": "nowhere", "partitions": [0]}]})
    t.sweep("of nothing", api, {"topics": []})
    move = {"dirs": [{"path": "/nowhere", "topics": [{"name": "stored", "partitions": [0, 9]}, {"name": "nowhere", "partitions": [0]}]}]}
    t.sweep("move to an unknown dir", "AlterReplicaLogDirs", move)
    t.sweep("move to a dir without a root", "AlterReplicaLogDirs", {"dirs": [{"path": "here", "topics": [{"name": "stored", "partitions": [0]}]}]})
    t.sweep("move nothing", "AlterReplicaLogDirs", {"dirs": []})


def elections(t):
    api = "ElectLeaders"
    for kind in (0, 1):
        t.sweep(f"kind {kind}", api, {"electionType": kind, "topicPartitions": [{"topic": "stored", "partitions": [0]}], "timeoutMs": 5000})
        t.sweep(f"kind {kind}, unknown", api, {"electionType": kind, "topicPartitions": [
            {"topic": "stored", "partitions": [0, 9]}, {"topic": "nowhere", "partitions": [0]}], "timeoutMs": 5000})
        t.sweep(f"kind {kind}, nothing", api, {"electionType": kind, "topicPartitions": [], "timeoutMs": 5000})
    t.sweep("of all", api, {"electionType": 0, "topicPartitions": None, "timeoutMs": 5000})
    t.sweep("a kind unknown", api, {"electionType": 7, "topicPartitions": [{"topic": "stored", "partitions": [0]}], "timeoutMs": 5000}, low=1)


def reassignments(t):
    api = "AlterPartitionReassignments"

    def one(step, replicas, name="stored", index=0, **more):
        t.sweep(step, api, {"timeoutMs": 5000, "topics": [{"name": name, "partitions": [{"partitionIndex": index, "replicas": replicas}]}], **more})
    one("to where it is", [1])
    one("to a stranger", [77])
    one("to one twice", [1, 1])
    one("to nobody", [])
    one("cancel what does not run", None)
    one("of an unknown topic", [1], name="nowhere")
    one("of an unknown partition", [1], index=9)
    t.sweep("of nothing", api, {"timeoutMs": 5000, "topics": []})
    t.sweep("list all", "ListPartitionReassignments", {"topics": None})
    t.sweep("list some", "ListPartitionReassignments", {"topics": [{"name": "stored", "partitionIndexes": [0, 9]}, {"name": "nowhere", "partitionIndexes": [0]}]})
    t.sweep("list none", "ListPartitionReassignments", {"topics": []})


def quorum(t):
    api = "DescribeQuorum"
    if not t.serves(api):
        return
    t.sweep("of the metadata", api, {"topics": [{"topicName": "__cluster_metadata", "partitions": [{"partitionIndex": 0}]}]})
    t.sweep("of a topic", api, {"topics": [{"topicName": "stored", "partitions": [{"partitionIndex": 0}]}]})
    t.sweep("of nothing", api, {"topics": []})


def features(t):
    api = "UpdateFeatures"
    for v in t.versions(api):
        def one(step, *updates, **more):
            t.call(step, api, {"timeoutMs": 5000, "featureUpdates": [
                {"feature": n, "maxVersionLevel": level, "upgradeType": kind, "allowDowngrade": kind > 1} for n, level, kind in updates], **more}, v)
        one("nothing")
        one("an unknown one", ("no.such", 1, 1))
        one("an empty name", ("", 1, 1))
        one("as it is", ("transaction.version", 2, 1))
        one("above what is supported", ("transaction.version", 99, 1))
        one("below zero", ("transaction.version", -1, 1))
        one("down, not allowed", ("transaction.version", 1, 1))
        one("metadata.version as it is", ("metadata.version", 29, 1))
        one("metadata.version above", ("metadata.version", 999, 1))
        one("twice", ("group.version", 1, 1), ("group.version", 1, 1))
        one("only validated", ("group.version", 1, 1), validateOnly=True)


def brokers(t):
    if t.serves("UnregisterBroker"):
        t.sweep("unregister an unknown broker", "UnregisterBroker", {"brokerId": 77})
    if t.serves("GetTelemetrySubscriptions"):
        t.sweep("telemetry", "GetTelemetrySubscriptions", {})


SCENARIOS = [log_dirs, elections, reassignments, quorum, features, brokers]
