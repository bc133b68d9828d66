"""Topics: create, show, grow, delete; the cluster."""

NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
INTERNAL = {"__consumer_offsets", "__transaction_state"}
SOME_ID = "AAAAAAAAAAAAAAAAAAAAZw"


def topic(name, partitions=1, factor=1, **more):
    return {"name": name, "numPartitions": partitions, "replicationFactor": factor, **more}


def create(t, *topics, compare=True, step="create"):
    result = t.call(step, "CreateTopics", {"topics": list(topics), "timeoutMs": 20000}, compare=compare)
    visible(t, *[x["name"] for x in topics])
    for x in topics:  # Kafka knows a topic before its logs are open
        rows = [{"partitionIndex": p, "timestamp": -1, "currentLeaderEpoch": -1} for p in range(max(1, x["numPartitions"]))]
        t.call("open", "ListOffsets", {"replicaId": -1, "topics": [{"name": x["name"], "partitions": rows}]}, compare=False,
               until=lambda a: a and not any(p["errorCode"] for one in a["topics"] for p in one["partitions"]))
    return result


def visible(t, *names, partitions=0):
    """Waits until both brokers serve these topics."""
    def all_there(answer):
        return answer and all(x["errorCode"] == 0 and len(x["partitions"]) >= partitions and
                              all(p["errorCode"] == 0 for p in x["partitions"]) for x in answer["topics"])
    return t.call("visible", "Metadata", {"topics": [{"name": n} for n in names], "allowAutoTopicCreation": False},
                  compare=False, until=all_there)


def level(t):
    """Deletes the topics that only one of the two has, so that one difference does not become many."""
    every = t.call("all", "Metadata", {"topics": None}, compare=False).each(lambda a: {x["name"] for x in a["topics"]} - INTERNAL)
    both = set.intersection(*every.values.values())
    if any(names - both for names in every.values.values()):
        t.call("delete", "DeleteTopics", {"timeoutMs": 20000, "topics": every.map(lambda names: [{"name": n} for n in names - both])}, compare=False)
    t.call("level", "Metadata", {"topics": None}, compare=False, until=lambda a: a and {x["name"] for x in a["topics"]} - INTERNAL <= both)


def gone(t, *names):
    t.call("gone", "Metadata", {"topics": [{"name": n} for n in names], "allowAutoTopicCreation": False}, compare=False,
           until=lambda a: a and all(x["errorCode"] == 3 for x in a["topics"]))


def topic_id(t, name):
    return visible(t, name).each(lambda a: a["topics"][0]["topicId"])


def create_topics(t):
    for v in t.versions("CreateTopics"):
        def one(step, *topics, timeout=20000, **more):
            t.call(step, "CreateTopics", {"topics": list(topics), "timeoutMs": timeout, **more}, v)
        one("ordinary", topic(f"created-{v}", 2))
        one("there already", topic(f"created-{v}", 2))
        one("no topics")
        one("only validated", topic(f"checked-{v}", 3), validateOnly=True)
        one("default partitions and factor", topic(f"defaults-{v}", -1, -1))
        one("no partitions", topic(f"bad-1-{v}", 0))
        one("fewer than no partitions", topic(f"bad-2-{v}", -2))
        one("factor 0", topic(f"bad-3-{v}", 1, 0))
        one("factor -2", topic(f"bad-4-{v}", 1, -2))
        one("factor 3", topic(f"three-{v}", 1, 3))
        one("name is empty", topic(""))
        one("name is a dot", topic("."))
        one("name is two dots", topic(".."))
        one("name with a blank", topic("a b"))
        one("name of 249", topic(f"{v}" * 249))
        one("name of 250", topic(f"{v}" * 250))
        one("name collides", topic(f"col.lides_{v}"), topic(f"other-{v}"))
        one("name collides after all", topic(f"col_lides.{v}"))
        one("named twice", topic("twice"), topic("twice"), topic(f"once-{v}"))
        one("internal", topic("__consumer_offsets"))
        one("assigned", topic(f"assigned-{v}", -1, -1, assignments=[{"partitionIndex": 0, "brokerIds": [1]}, {"partitionIndex": 1, "brokerIds": [1]}]))
        one("assigned, and numbers", topic(f"bad-5-{v}", 1, 1, assignments=[{"partitionIndex": 0, "brokerIds": [1]}]))
        one("assigned to nobody", topic(f"bad-6-{v}", -1, -1, assignments=[{"partitionIndex": 0, "brokerIds": []}]))
        one("assigned to a stranger", topic(f"bad-7-{v}", -1, -1, assignments=[{"partitionIndex": 0, "brokerIds": [77]}]))
        one("assigned twice to one", topic(f"bad-8-{v}", -1, -1, assignments=[{"partitionIndex": 0, "brokerIds": [1, 1]}]))
        one("assigned with a hole", topic(f"bad-9-{v}", -1, -1, assignments=[{"partitionIndex": 1, "brokerIds": [1]}]))
        one("configs", topic(f"configs-{v}", configs=[{"name": "retention.ms", "value": "1000"}, {"name": "cleanup.policy", "value": "compact,delete"}]))
        one("unknown config", topic(f"bad-10-{v}", configs=[{"name": "no.such", "value": "1"}]))
        one("bad config", topic(f"bad-11-{v}", configs=[{"name": "retention.ms", "value": "soon"}]))
        one("null config", topic(f"bad-12-{v}", configs=[{"name": "retention.ms", "value": None}]))
        one("config out of range", topic(f"bad-13-{v}", configs=[{"name": "segment.bytes", "value": "1"}]))
        one("one good and one bad", topic(f"good-{v}"), topic("bad/name"))
    level(t)


def metadata(t):
    create(t, topic("shown", 3), topic("shown-too"))
    some = topic_id(t, "shown")
    t.sweep("all", "Metadata", lambda v: {"topics": None} if v else {"topics": []}, until=True)
    t.sweep("none", "Metadata", {"topics": []}, low=1)
    t.sweep("some", "Metadata", {"topics": [{"name": "shown"}, {"name": "shown-too"}]}, until=True)
    t.sweep("twice", "Metadata", {"topics": [{"name": "shown"}, {"name": "shown"}]})
    t.sweep("unknown", "Metadata", {"topics": [{"name": "nowhere"}], "allowAutoTopicCreation": False}, low=4)
    t.sweep("illegal names", "Metadata", {"topics": [{"name": n} for n in ("", ".", "a b", "x" * 250)]})
    t.sweep("operations of topics", "Metadata", {"topics": [{"name": "shown"}], "includeTopicAuthorizedOperations": True,
                                                 "includeClusterAuthorizedOperations": True}, low=8)
    t.sweep("by id", "Metadata", {"topics": [{"topicId": some, "name": None}]}, low=12)
    t.sweep("by unknown id", "Metadata", {"topics": [{"topicId": SOME_ID, "name": None}]}, low=12)
    t.sweep("by id and name", "Metadata", {"topics": [{"topicId": some, "name": "shown"}]}, low=10)
    t.sweep("neither id nor name", "Metadata", {"topics": [{"topicId": NO_ID, "name": None}]}, low=10)
    for v in t.versions("Metadata"):
        t.call("made by asking", "Metadata", {"topics": [{"name": f"auto-{v}"}], "allowAutoTopicCreation": True}, v)
        visible(t, f"auto-{v}")
        t.call("made by asking, later", "Metadata", {"topics": [{"name": f"auto-{v}"}], "allowAutoTopicCreation": True}, v)


def describe_cluster(t):
    t.sweep("ordinary", "DescribeCluster", {}, until=True)
    t.sweep("with operations", "DescribeCluster", {"includeClusterAuthorizedOperations": True})
    t.sweep("of controllers", "DescribeCluster", {"endpointType": 2}, low=1)
    t.sweep("of nothing known", "DescribeCluster", {"endpointType": 3}, low=1)
    t.sweep("with fenced brokers", "DescribeCluster", {"includeFencedBrokers": True}, low=2)


def describe_topic_partitions(t):
    if not t.serves("DescribeTopicPartitions"):
        return
    create(t, topic("paged-a", 3), topic("paged-b", 2))
    api = "DescribeTopicPartitions"
    both = [{"name": "paged-a"}, {"name": "paged-b"}]
    t.sweep("ordinary", api, {"topics": both, "responsePartitionLimit": 100}, until=True)
    t.sweep("a page", api, {"topics": both, "responsePartitionLimit": 2})
    t.sweep("a page that ends with a topic", api, {"topics": both, "responsePartitionLimit": 3})
    t.sweep("from a cursor", api, {"topics": both, "responsePartitionLimit": 2, "cursor": {"topicName": "paged-a", "partitionIndex": 2}})
    t.sweep("from a cursor of no topic", api, {"topics": both, "cursor": {"topicName": "paged-aa", "partitionIndex": 0}})
    t.sweep("from a cursor below zero", api, {"topics": both, "cursor": {"topicName": "paged-a", "partitionIndex": -1}})
    t.sweep("from a cursor behind all", api, {"topics": both, "cursor": {"topicName": "paged-b", "partitionIndex": 9}})
    t.sweep("unknown", api, {"topics": [{"name": "nowhere"}, {"name": "a b"}]})
    t.sweep("twice", api, {"topics": [{"name": "paged-a"}, {"name": "paged-a"}]})
    t.sweep("no limit", api, {"topics": both, "responsePartitionLimit": 0})


def create_partitions(t):
    for v in t.versions("CreatePartitions"):
        name = f"grown-{v}"
        create(t, topic(name, 2))

        def one(step, *topics, **more):
            t.call(step, "CreatePartitions", {"topics": list(topics), "timeoutMs": 20000, **more}, v)
        one("ordinary", {"name": name, "count": 4, "assignments": None})
        visible(t, name, partitions=4)
        one("as many", {"name": name, "count": 4, "assignments": None})
        one("fewer", {"name": name, "count": 1, "assignments": None})
        one("none", {"name": name, "count": 0, "assignments": None})
        one("below zero", {"name": name, "count": -1, "assignments": None})
        one("unknown", {"name": "nowhere", "count": 3, "assignments": None})
        one("illegal name", {"name": "a b", "count": 3, "assignments": None})
        one("only validated", {"name": name, "count": 6, "assignments": None}, validateOnly=True)
        one("assigned", {"name": name, "count": 5, "assignments": [{"brokerIds": [1]}]})
        visible(t, name, partitions=5)
        one("assigned to too few", {"name": name, "count": 7, "assignments": [{"brokerIds": [1]}]})
        one("assigned to a stranger", {"name": name, "count": 6, "assignments": [{"brokerIds": [9]}]})
        one("twice", {"name": name, "count": 8, "assignments": None}, {"name": name, "count": 9, "assignments": None})
        one("no topics")


def delete_topics(t):
    api = "DeleteTopics"
    for v in t.versions(api):
        names = [f"doomed-{v}-{i}" for i in range(3)]
        create(t, *[topic(n) for n in names])

        def names_of(*which):
            return {"topicNames": list(which)} if v < 6 else {"topics": [{"name": n} for n in which]}
        t.call("ordinary", api, {**names_of(names[0]), "timeoutMs": 20000}, v)
        gone(t, names[0])
        t.call("again", api, {**names_of(names[0]), "timeoutMs": 20000}, v)
        t.call("one and an unknown one", api, {**names_of(names[1], "nowhere"), "timeoutMs": 20000}, v)
        t.call("none", api, {**names_of(), "timeoutMs": 20000}, v)
        t.call("illegal name", api, {**names_of("a b"), "timeoutMs": 20000}, v)
        t.call("twice", api, {**names_of(names[2], names[2]), "timeoutMs": 20000}, v)
        if v < 6:
            continue
        some = topic_id(t, names[2])
        t.call("id and name", api, {"topics": [{"name": names[2], "topicId": some}], "timeoutMs": 20000}, v)
        t.call("neither", api, {"topics": [{"name": None}], "timeoutMs": 20000}, v)
        t.call("unknown id", api, {"topics": [{"name": None, "topicId": SOME_ID}], "timeoutMs": 20000}, v)
        t.call("id", api, {"topics": [{"name": None, "topicId": some}], "timeoutMs": 20000}, v)


SCENARIOS = [create_topics, metadata, describe_cluster, describe_topic_partitions, create_partitions, delete_topics]
