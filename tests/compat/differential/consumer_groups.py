"""Groups of the consumer protocol (KIP-848): epochs, fencing, static members, expressions, offsets, migrations."""
import json
import os
import subprocess

from groups import commit_body, join_body
from real_kafka import jars
from topics import SOME_ID, create, topic, topic_id

BEAT = "ConsumerGroupHeartbeat"


def beat(group, member="m", epoch=0, **more):
    """A first heartbeat, unless `epoch` or `more` say otherwise."""
    full = {"rebalanceTimeoutMs": 30000, "subscribedTopicNames": ["shared"], "topicPartitions": []} if epoch == 0 else {}
    return {"groupId": group, "memberId": member, "memberEpoch": epoch, **full, **more}


def describe(t, step, *groups, **more):
    t.sweep(step, "ConsumerGroupDescribe", {"groupIds": list(groups)}, **more)


def membership(t):
    if not t.serves(BEAT):
        return
    create(t, topic("shared", 3), topic("other", 2), compare=False)
    shared = topic_id(t, "shared")
    for v in t.versions(BEAT):
        def one(step, body, **more):
            t.call(step, BEAT, body, v, **more)
        g = f"new-{v}"
        one("empty group id", beat(""))
        one("empty instance", beat(g, instanceId=""))
        one("empty rack", beat(g, rackId=""))
        one("no timeout", beat(g, rebalanceTimeoutMs=-1))
        one("owns something when it joins", beat(g, topicPartitions=[{"topicId": shared, "partitions": [0]}]))
        one("says not what it owns", beat(g, topicPartitions=None))
        one("subscribes to nothing at all", beat(g, subscribedTopicNames=None))
        one("epoch -3", beat(g, epoch=-3))
        one("epoch -2 of a dynamic member", beat(g, epoch=-2))
        one("another assignor", beat(g, serverAssignor="sticky"))
        one("heartbeat in an unknown group", beat(g, epoch=1))
        one("leave of an unknown group", beat(g, epoch=-1))
        one("join", beat(g))
        one("join again", beat(g))
        one("heartbeat", beat(g, epoch=1))
        one("full heartbeat", beat(g, epoch=1, rebalanceTimeoutMs=30000, subscribedTopicNames=["shared"],
                                   topicPartitions=[{"topicId": shared, "partitions": [0, 1, 2]}]))
        one("epoch ahead", beat(g, epoch=2))
        one("stranger", beat(g, "stranger", 1))
        one("stranger leaves", beat(g, "stranger", -1))
        one("another subscription", beat(g, epoch=1, subscribedTopicNames=["other"]))
        one("has given back", beat(g, epoch=1, topicPartitions=[]))
        one("epoch of before", beat(g, epoch=1))
        one("epoch of before, owning none", beat(g, epoch=1, topicPartitions=[]))
        one("a topic that is not there", beat(g, epoch=2, subscribedTopicNames=["nowhere", "shared"]))
        one("has given back again", beat(g, epoch=2, topicPartitions=[]))
        describe(t, "describe", g, "unknown", low=v, high=v)
        one("leave", beat(g, epoch=-1))
        one("leave again", beat(g, epoch=-1))
        describe(t, "describe empty", g, low=v, high=v)
        one("nothing subscribed", beat(f"none-{v}", subscribedTopicNames=[]))
    describe(t, "describe none")
    describe(t, "describe a classic and an empty id", "offsets-5", "")
    t.call("join without an id", BEAT, beat("v0", ""), 0)
    t.call("join without an id, v1", BEAT, beat("v1", ""), 1)


def two_consumers(t):
    if not t.serves(BEAT):
        return
    shared = topic_id(t, "shared")

    def one(step, *a, **more):
        t.call(step, BEAT, beat("pair-848", *a, **more))

    def own(*partitions):
        return {"topicPartitions": [{"topicId": shared, "partitions": list(partitions)}] if partitions else []}
    one("the first", "a", serverAssignor="range")
    one("the second", "b", serverAssignor="range")
    describe(t, "describe while it moves", "pair-848")
    one("the first hears", "a", 1, **own(0, 1, 2))
    one("the first still has it", "a", 1, **own(0, 1, 2))
    one("the second waits", "b", 2, **own())
    one("the first gave back", "a", 1, **own(0, 1))
    one("the second gets it", "b", 2, **own())
    one("the answer got lost", "b", 2, **own())
    describe(t, "describe", "pair-848")
    t.sweep("describe as classic", "DescribeGroups", {"groups": ["pair-848"]})
    t.sweep("list consumer groups", "ListGroups", {"typesFilter": ["consumer"]}, low=5, until=True)
    t.call("list stable", "ListGroups", {"statesFilter": ["Stable"], "typesFilter": ["consumer"]}, until=True)
    t.call("delete", "DeleteGroups", {"groupsNames": ["pair-848"]})
    rows = [{"name": "shared", "partitions": [{"partitionIndex": 0}]}]
    t.call("delete subscribed offsets", "OffsetDelete", {"groupId": "pair-848", "topics": rows})
    for v in t.versions("OffsetCommit", low=8):
        for step, member, epoch in (("commit", "a", 2), ("stale", "a", 1), ("ahead", "a", 3), ("stranger", "c", 2),
                                    ("nobody", "", -1)):
            t.call(f"commit, {step}", "OffsetCommit", commit_body("pair-848", generation=epoch, member=member, name="shared", id=shared), v)
    for v in t.versions("OffsetFetch", low=9):
        for step, member, epoch in (("member", "a", 2), ("stale", "a", 1), ("stranger", "c", 2), ("nobody", None, -1),
                                    ("stranger without an epoch", "c", -1)):
            t.call(f"fetch, {step}", "OffsetFetch", {"groups": [{"groupId": "pair-848", "memberId": member, "memberEpoch": epoch,
                   "topics": [{"name": "shared", "topicId": shared, "partitionIndexes": [0]}]}]}, v)
    one("the first leaves", "a", -1)
    one("the second alone", "b", 2)
    t.call("classic heartbeat of it", "Heartbeat", {"groupId": "pair-848", "generationId": 3, "memberId": "b"})
    t.call("classic sync of it", "SyncGroup", {"groupId": "pair-848", "generationId": 3, "memberId": "b",
                                               "protocolType": "consumer", "protocolName": "range"})
    t.call("classic leave of a stranger", "LeaveGroup", {"groupId": "pair-848", "members": [{"memberId": "stranger"}]})
    t.call("classic leave of it", "LeaveGroup", {"groupId": "pair-848", "members": [{"memberId": "b"}]})
    t.call("classic join of no consumer", "JoinGroup", join_body("pair-848", protocolType="connect"))


def static_consumers(t):
    if not t.serves(BEAT):
        return

    def one(step, member, epoch=0, instance="one", **more):
        t.call(step, BEAT, beat("static-848", member, epoch, instanceId=instance, **more))
    one("join", "a")
    one("another takes its place", "b")
    one("leave of a stranger", "b", -2)
    one("leave of no instance", "a", -2, "two")
    one("leave for a while", "a", -2)
    describe(t, "describe while it is away", "static-848")
    one("heartbeat while it is away", "a", 1)
    one("comes back as another", "b")
    one("heartbeat", "b", 1)
    one("heartbeat of the one before", "a", 1)
    one("leave of the one before", "a", -1)
    one("instance unknown", "b", 1, "two")
    describe(t, "describe", "static-848")
    one("leave for good", "b", -1)
    describe(t, "describe when empty", "static-848")


def expressions(t):
    if not t.serves(BEAT):
        return
    more = {"subscribedTopicNames": None}
    for step, regex in (("open group", "("), ("look ahead", "(?=a)b"), ("reference", "(a)\\1"), ("possessive", "a++"), ("class", "[")):
        t.call(step, BEAT, beat("bad-848", subscribedTopicRegex=regex, **more), 1)
    describe(t, "describe what was refused", "bad-848")
    t.call("join", BEAT, beat("regex-848", subscribedTopicRegex="sha.*|oth[a-f]r", **more), 1, compare=False)
    t.call("has all", BEAT, beat("regex-848", subscribedTopicRegex="sha.*|oth[a-f]r", **more), 1, compare=False,
           until=lambda a: a and a["assignment"] and len(a["assignment"]["topicPartitions"]) == 2)
    t.call("the empty one", BEAT, beat("empty-848", subscribedTopicRegex="", **more), 1)
    t.call("leave", BEAT, beat("regex-848", epoch=-1), 1)


def subscription(*partitions):
    """ConsumerProtocolSubscription 1 of the topic "shared", and what is owned of it."""
    name = "0006" + b"shared".hex()
    owned = f"00000001{name}{len(partitions):08x}" + "".join(f"{p:08x}" for p in partitions) if partitions else "00000000"
    return [{"name": "range", "metadata": {"hex": f"000100000001{name}ffffffff{owned}"}}]


ALL = {"hex": "0001" "00000001" "0006" + b"shared".hex() + "00000003" "00000000" "00000001" "00000002" "ffffffff"}


def migration(t):
    """A classic group, a consumer that converts it, and the way back."""
    if not t.serves(BEAT):
        return
    g, last = "moving", t.last("JoinGroup")
    more = {"protocols": subscription()}
    asked = t.call("classic join", "JoinGroup", join_body(g, **more), last)
    me = asked.each(lambda a: a["memberId"])
    t.call("classic join with the id", "JoinGroup", join_body(g, me, **more), last)
    sync = {"groupId": g, "memberId": me, "protocolType": "consumer", "protocolName": "range"}
    t.call("classic sync", "SyncGroup", {**sync, "generationId": 1, "assignments": [{"memberId": me, "assignment": ALL}]})
    t.call("another group is not of consumers", "JoinGroup", join_body("connectors", protocolType="connect"), 0)
    t.call("it stays classic", BEAT, beat("connectors", "zz"))
    t.call("heartbeat in a classic group", BEAT, beat(g, "zz", 1))
    t.call("leave a classic group", BEAT, beat(g, "zz", -1))
    t.call("upgrade", BEAT, beat(g, "zz"))
    describe(t, "describe mixed", g)
    t.sweep("describe as classic", "DescribeGroups", {"groups": [g]})
    t.call("classic heartbeat", "Heartbeat", {"groupId": g, "generationId": 1, "memberId": me})
    t.call("classic heartbeat of another generation", "Heartbeat", {"groupId": g, "generationId": 5, "memberId": me})
    t.call("classic sync is too late", "SyncGroup", {**sync, "generationId": 1})
    t.call("no common protocol", "JoinGroup", join_body(g, protocols=[{"name": "odd", "metadata": {"text": "m"}}]), 0)
    t.call("a newcomer is asked for its id", "JoinGroup", join_body(g, **more), last)
    joined = t.call("classic join, owning all", "JoinGroup", join_body(g, me, protocols=subscription(0, 1, 2)), last)
    now = joined.each(lambda a: a["generationId"])
    got = t.call("classic sync, has to give back", "SyncGroup", {**sync, "generationId": now}, compare=False)
    assert got
    t.call("classic heartbeat, has to give back", "Heartbeat", {"groupId": g, "generationId": now, "memberId": me})
    describe(t, "describe while it gives back", g, compare=False)
    joined = t.call("classic join, owning none", "JoinGroup", join_body(g, me, protocols=subscription()), last)
    now = joined.each(lambda a: a["generationId"])
    t.call("classic sync again", "SyncGroup", {**sync, "generationId": now}, compare=False)
    t.call("classic sync of another protocol", "SyncGroup", {**sync, "generationId": now, "protocolName": "odd"})
    t.call("classic heartbeat, in step", "Heartbeat", {"groupId": g, "generationId": now, "memberId": me})
    t.call("classic commit", "OffsetCommit", commit_body(g, generation=now, member=me, name="shared", id=topic_id(t, "shared")))
    t.call("classic commit of before", "OffsetCommit", commit_body(g, generation=1, member=me, name="shared", id=topic_id(t, "shared")))
    t.call("list", "ListGroups", {"typesFilter": ["consumer"]}, until=True)
    t.call("downgrade", BEAT, beat(g, "zz", -1))
    describe(t, "describe after it", g)
    t.call("the classic one has to join", "Heartbeat", {"groupId": g, "generationId": now, "memberId": me})
    t.call("it joins", "JoinGroup", join_body(g, me, **more), last)
    t.call("list classic", "ListGroups", {"typesFilter": ["classic"]}, until=True)


def records(t):
    """What both wrote about these groups, record by record, as Kafka's own coordinator reads it."""
    if not t.serves(BEAT):
        return
    groups = ["new-1", "none-1", "pair-848", "static-848"]
    here = os.path.dirname(os.path.abspath(__file__))
    found = {}
    for side, port in t.rules.ports.items():
        done = subprocess.run(["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jars() + "/*",
                               os.path.join(here, "Records.java"), str(port), *groups], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr[-1000:]
        found[side] = [json.loads(line) for line in done.stdout.splitlines()]
    for group in groups:
        def of(rows, group=group):
            return {"records": [r for r in rows if group in r["key"].values()]}
        raw = {side: {"answer": of(rows)} for side, rows in found.items()}
        t.note(t.differences(f"{t.scenario}: {group}", "__consumer_offsets", raw), 0)


SCENARIOS = [membership, two_consumers, static_consumers, expressions, migration, records]
