"""Classic groups: coordinators, membership, offsets, administration."""
from topics import NO_ID, SOME_ID, create, topic, topic_id


def find_coordinator(t):
    api = "FindCoordinator"
    t.sweep("of a group", api, {"key": "g", "keyType": 0}, high=3)
    t.sweep("of an empty group", api, {"key": "", "keyType": 0}, high=3)
    t.sweep("of a transaction", api, {"key": "g", "keyType": 1}, low=1, high=3)
    t.sweep("of a kind unknown", api, {"key": "g", "keyType": 9}, low=1, high=3)
    t.sweep("of groups", api, {"keyType": 0, "coordinatorKeys": ["a", "b", "a", ""]}, low=4)
    t.sweep("of no groups", api, {"keyType": 0, "coordinatorKeys": []}, low=4)
    t.sweep("of transactions", api, {"keyType": 1, "coordinatorKeys": ["a", "b"]}, low=4)
    t.sweep("of kind 9", api, {"keyType": 9, "coordinatorKeys": ["a"]}, low=4)


def join_body(group, member="", **more):
    return {"groupId": group, "sessionTimeoutMs": 10000, "rebalanceTimeoutMs": 10000, "memberId": member, "protocolType": "consumer",
            "protocols": [{"name": "range", "metadata": {"text": "m"}}], **more}


def member_of(t, group, v, step="join", connection="main", **more):
    """Joins as a client does: again with the member id, when asked to; the id."""
    first = t.call(step, "JoinGroup", join_body(group, **more), v, connection=connection)
    answers = [a["answer"] for a in first.raw.values()]
    if all(a["errorCode"] == 79 for a in answers):
        first = t.call(step + " with the id", "JoinGroup", join_body(group, first.each(lambda a: a["memberId"]), **more), v, connection=connection)
    return first.each(lambda a: a["memberId"])


def join(t):
    api = "JoinGroup"
    for v in t.versions(api):
        group = f"joined-{v}"
        t.call("empty group id", api, join_body(""), v)
        t.call("session timeout too small", api, join_body(group, sessionTimeoutMs=1), v)
        t.call("session timeout too large", api, join_body(group, sessionTimeoutMs=10000000), v)
        t.call("an unknown member", api, join_body(group, "stranger"), v)
        t.call("no protocols", api, join_body(group, protocols=[]), v)
        t.call("no protocol type", api, join_body(group, protocolType=""), v)
        me = member_of(t, group, v)
        t.call("another protocol type", api, join_body(group, protocolType="connect"), v)
        t.call("no common protocol", api, join_body(group, protocols=[{"name": "other", "metadata": {"text": ""}}]), v)
        lead = {"groupId": group, "generationId": 1, "memberId": me}
        sync = min(v, t.last("SyncGroup"))
        beat = min(v, t.last("Heartbeat"))
        t.call("heartbeat before the sync", "Heartbeat", lead, beat)
        t.call("sync of another generation", "SyncGroup", {**lead, "generationId": 9}, sync)
        t.call("sync of a stranger", "SyncGroup", {**lead, "memberId": "stranger"}, sync)
        t.call("sync of another protocol", "SyncGroup", {**lead, "protocolType": "consumer", "protocolName": "other"}, 5)
        t.call("sync", "SyncGroup", {**lead, "protocolType": "consumer", "protocolName": "range", "assignments": [
            {"memberId": me, "assignment": {"text": "mine"}}]}, sync)
        t.call("sync again", "SyncGroup", lead, sync)
        t.call("heartbeat", "Heartbeat", lead, beat)
        t.call("heartbeat of another generation", "Heartbeat", {**lead, "generationId": 2}, beat)
        t.call("heartbeat of a stranger", "Heartbeat", {**lead, "memberId": "stranger"}, beat)
        t.call("heartbeat of an unknown group", "Heartbeat", {**lead, "groupId": "unknown"}, beat)
        t.call("heartbeat of an empty group id", "Heartbeat", {**lead, "groupId": ""}, beat)
        t.call("describe", "DescribeGroups", {"groups": [group]}, min(v, t.last("DescribeGroups")))
        t.call("join again as the leader", api, join_body(group, me), v)
        left = min(v, t.last("LeaveGroup"))
        t.call("leave of a stranger", "LeaveGroup", {"groupId": group, "memberId": "stranger", "members": [{"memberId": "stranger"}]}, left)
        t.call("leave", "LeaveGroup", {"groupId": group, "memberId": me, "members": [{"memberId": me}]}, left)
        t.call("leave again", "LeaveGroup", {"groupId": group, "memberId": me, "members": [{"memberId": me}]}, left)
        t.call("leave of an unknown group", "LeaveGroup", {"groupId": "unknown", "memberId": me, "members": [{"memberId": me}]}, left)
        t.call("leave of an empty group id", "LeaveGroup", {"groupId": "", "memberId": me, "members": [{"memberId": me}]}, left)
        t.call("describe when empty", "DescribeGroups", {"groups": [group]}, min(v, t.last("DescribeGroups")))


def static(t):
    for v in t.versions("JoinGroup", low=5):
        group = f"static-{v}"
        more = {"groupInstanceId": "one"}
        first = t.call("join", "JoinGroup", join_body(group, **more), v).each(lambda a: a["memberId"])
        lead = {"groupId": group, "generationId": 1, "memberId": first, **more}
        t.call("sync", "SyncGroup", {**lead, "protocolType": "consumer", "protocolName": "range", "assignments": [
            {"memberId": first, "assignment": {"text": "mine"}}]}, 5)
        second = t.call("join once more", "JoinGroup", join_body(group, **more), v).each(lambda a: a["memberId"])
        t.call("heartbeat of the fenced", "Heartbeat", lead, 4)
        t.call("heartbeat", "Heartbeat", {**lead, "memberId": second}, 4)
        t.call("join of the fenced", "JoinGroup", join_body(group, first, **more), v)
        t.call("commit of the fenced", "OffsetCommit", commit_body(group, generation=1, member=first, **more), 9)
        t.call("describe", "DescribeGroups", {"groups": [group]}, 5)
        t.call("leave", "LeaveGroup", {"groupId": group, "members": [{"memberId": "", "groupInstanceId": "one"},
                                                                       {"memberId": "", "groupInstanceId": "two"}]}, 5)


def two_members(t):
    """The second joins while the first has to notice it and joins again."""
    first = member_of(t, "pair", 5, connection="a")
    t.call("sync", "SyncGroup", {"groupId": "pair", "generationId": 1, "memberId": first, "assignments": [
        {"memberId": first, "assignment": {"text": "all"}}]}, 4, connection="a")
    second = t.call("the second", "JoinGroup", join_body("pair"), 5, connection="b").each(lambda a: a["memberId"])
    t.send("JoinGroup", join_body("pair", second), "b", 5)
    t.call("heartbeat", "Heartbeat", {"groupId": "pair", "generationId": 1, "memberId": first}, 4, connection="a",
           until=lambda a: a and a["errorCode"] == 27)
    t.call("describe while it rebalances", "DescribeGroups", {"groups": ["pair"]}, 5)
    t.call("join again", "JoinGroup", join_body("pair", first), 5, connection="a")
    t.receive("the second joined", "JoinGroup", "b", 5)
    t.send("SyncGroup", {"groupId": "pair", "generationId": 2, "memberId": second, "assignments": []}, "b", 4)
    t.call("sync of the leader", "SyncGroup", {"groupId": "pair", "generationId": 2, "memberId": first, "assignments": [
        {"memberId": first, "assignment": {"text": "one"}}, {"memberId": second, "assignment": {"text": "two"}}]}, 4, connection="a")
    t.receive("sync of the second", "SyncGroup", "b", 4)
    t.call("describe", "DescribeGroups", {"groups": ["pair"]}, 5)
    t.call("leave both", "LeaveGroup", {"groupId": "pair", "members": [{"memberId": first}, {"memberId": second}]}, 4, connection="a")


def commit_body(group, offset=5, generation=-1, member="", name="first", index=0, id=NO_ID, metadata="", **more):
    return {"groupId": group, "generationIdOrMemberEpoch": generation, "memberId": member, "retentionTimeMs": -1, "topics": [
        {"name": name, "topicId": id, "partitions": [{"partitionIndex": index, "committedOffset": offset, "committedLeaderEpoch": -1,
                                                        "committedMetadata": metadata}]}], **more}


def offsets(t):
    create(t, topic("first"), compare=False)
    some = topic_id(t, "first")
    api = "OffsetCommit"
    for v in t.versions(api):
        group = f"offsets-{v}"

        def one(step, **more):
            t.call(step, api, commit_body(group, **{"id": some, **more}), v)
        one("of a simple consumer", offset=v)
        one("metadata", metadata="hello")
        one("null metadata", metadata=None)
        one("metadata too large", metadata="x" * 5000)
        one("below zero", offset=-7)
        one("unknown topic", name="nowhere", id=SOME_ID)
        one("unknown partition", index=9)
        one("generation of an empty group", generation=3)
        one("member of an empty group", generation=3, member="stranger")
        t.call("empty group id", api, commit_body("", id=some), v)
        t.call("no topics", api, {"groupId": group, "topics": [], "generationIdOrMemberEpoch": -1, "memberId": ""}, v)
    t.call("leader epoch", api, {**commit_body("epochs"), "topics": [{"name": "first", "partitions": [
        {"partitionIndex": 0, "committedOffset": 8, "committedLeaderEpoch": t.epoch(0), "committedMetadata": "e"}]}]}, 9)
    fetches(t, some)


def fetches(t, some):
    api = "OffsetFetch"
    one = [{"name": "first", "partitionIndexes": [0]}]
    t.sweep("ordinary", api, {"groupId": "offsets-5", "topics": one}, high=7)
    t.sweep("all", api, {"groupId": "offsets-5", "topics": None}, low=2, high=7)
    t.sweep("unknown group", api, {"groupId": "unknown", "topics": one}, high=7)
    t.sweep("unknown group, all", api, {"groupId": "unknown", "topics": None}, low=2, high=7)
    t.sweep("unknown topic and partition", api, {"groupId": "offsets-5", "topics": [
        {"name": "nowhere", "partitionIndexes": [0]}, {"name": "first", "partitionIndexes": [0, 7]}]}, high=7)
    t.sweep("empty group id", api, {"groupId": "", "topics": one}, high=7)
    t.sweep("no topics", api, {"groupId": "offsets-5", "topics": []}, high=7)
    t.sweep("stable", api, {"groupId": "offsets-5", "topics": one, "requireStable": True}, low=7, high=7)
    rows = [{"name": "first", "topicId": some, "partitionIndexes": [0, 7]}]

    def groups(*names, topics=rows, **more):
        return {"groups": [{"groupId": n, "topics": topics, **more} for n in names]}
    t.sweep("of groups", api, groups("offsets-5", "epochs", "unknown"), low=8)
    t.sweep("of groups, all", api, groups("offsets-5", "unknown", topics=None), low=8)
    t.sweep("of groups, unknown topics", api, groups("offsets-5", topics=[{"name": "nowhere", "topicId": SOME_ID, "partitionIndexes": [0]}]), low=8)
    t.sweep("of an empty group id", api, groups(""), low=8)
    t.sweep("of no groups", api, groups(), low=8)
    t.sweep("of a group twice", api, groups("epochs", "epochs"), low=8)
    t.sweep("of a member unknown", api, groups("epochs", memberId="stranger", memberEpoch=3), low=9)


def administration(t):
    t.call("the empty group goes", "DeleteGroups", {"groupsNames": [""]}, compare=False)
    t.sweep("describe", "DescribeGroups", {"groups": ["offsets-5", "unknown"]})
    t.sweep("describe with operations", "DescribeGroups", {"groups": ["offsets-5", "unknown"], "includeAuthorizedOperations": True}, low=3)
    t.sweep("describe none", "DescribeGroups", {"groups": []})
    t.sweep("list", "ListGroups", {}, until=True)
    t.sweep("list states", "ListGroups", {"statesFilter": ["Empty"]}, low=4)
    t.sweep("list a state unknown", "ListGroups", {"statesFilter": ["Odd"]}, low=4)
    t.sweep("list stable", "ListGroups", {"statesFilter": ["stable"]}, low=4)
    t.sweep("list types", "ListGroups", {"typesFilter": ["classic"]}, low=5)
    t.sweep("list type consumer", "ListGroups", {"typesFilter": ["Consumer"]}, low=5)
    t.sweep("list a type unknown", "ListGroups", {"typesFilter": ["odd"]}, low=5)
    rows = [{"name": "first", "partitions": [{"partitionIndex": 0}, {"partitionIndex": 9}]}, {"name": "nowhere", "partitions": [{"partitionIndex": 0}]}]
    t.call("delete offsets", "OffsetDelete", {"groupId": "offsets-4", "topics": rows})
    t.call("delete offsets again", "OffsetDelete", {"groupId": "offsets-4", "topics": rows})
    t.call("delete offsets of an unknown group", "OffsetDelete", {"groupId": "unknown", "topics": rows})
    t.call("delete offsets of an empty group id", "OffsetDelete", {"groupId": "", "topics": rows})
    t.call("delete no offsets", "OffsetDelete", {"groupId": "offsets-3", "topics": []})
    member_of(t, "alive", 5)
    for v in t.versions("DeleteGroups"):
        t.call("delete", "DeleteGroups", {"groupsNames": [f"offsets-{5 + v}", "unknown", "alive"]}, v)
        t.call("delete twice", "DeleteGroups", {"groupsNames": ["epochs", "epochs"]}, v)
        t.call("delete none", "DeleteGroups", {"groupsNames": []}, v)
    t.call("describe deleted", "DescribeGroups", {"groups": ["offsets-5", "alive"]}, 5)
    t.call("list at last", "ListGroups", {}, until=True)


SCENARIOS = [find_coordinator, join, static, two_members, offsets, administration]
