"""Transactions: producers and their epochs, what is added, how it ends, offsets, administration."""
from data import R, batch, produce_body, topic
from topics import create, topic_id

OVER = ("Empty", "CompleteCommit", "CompleteAbort")


def alone(scenario):
    """Producer ids are counted from the scenario's beginning: Kafka's are small, and others before used the same numbers."""
    def run(t):
        for seen in t.rules.seen.values():
            seen.pop("producer", None)
        scenario(t)
    run.__name__ = scenario.__name__
    return run


def started(t, name, step="start", pid=-1, epoch=-1, compare=True):
    """A producer id and epoch of its own; waits while an end before it is under way."""
    a = t.call(step, "InitProducerId", {"transactionalId": name, "transactionTimeoutMs": 60000, "producerId": pid, "producerEpoch": epoch}, 5,
               compare=compare, until=lambda a: a and a["errorCode"] not in (14, 15, 16, 51))
    return a.each(lambda a: a["producerId"]), a.each(lambda a: a["producerEpoch"])


def state(t, name, step="state", over=True):
    t.call(step, "DescribeTransactions", {"transactionalIds": [name]},
           until=(lambda a: a and a["transactionStates"][0]["transactionState"] in OVER) if over else None)


def old_add(name, pid, epoch, *partitions, topic="tx"):
    return {"v3AndBelowTransactionalId": name, "v3AndBelowProducerId": pid, "v3AndBelowProducerEpoch": epoch,
            "v3AndBelowTopics": [{"name": topic, "partitions": list(partitions)}]}


def end_body(name, pid, epoch, committed=True):
    return {"transactionalId": name, "producerId": pid, "producerEpoch": epoch, "committed": committed}


@alone
def init_producer_id(t):
    api = "InitProducerId"
    body = {"transactionTimeoutMs": 60000, "producerId": -1, "producerEpoch": -1}
    for v in t.versions(api, high=5):
        name = {"transactionalId": f"init-{v}"}
        t.call("timeout 0", api, {**body, **name, "transactionTimeoutMs": 0}, v)
        t.call("timeout below zero", api, {**body, **name, "transactionTimeoutMs": -1}, v)
        t.call("timeout too large", api, {**body, **name, "transactionTimeoutMs": 900001}, v)
        t.call("first", api, {**body, **name}, v, until=lambda a: a and a["errorCode"] == 0)
        mine = t.call("again", api, {**body, **name}, v).each(lambda a: a["producerId"])
        if v < 3:
            continue
        t.call("with its epoch", api, {**body, **name, "producerId": mine, "producerEpoch": 1}, v)
        t.call("the same once more", api, {**body, **name, "producerId": mine, "producerEpoch": 1}, v)
        t.call("an epoch of before", api, {**body, **name, "producerId": mine, "producerEpoch": 0}, v)
        t.call("an epoch to come", api, {**body, **name, "producerId": mine, "producerEpoch": 9}, v)
        t.call("another producer", api, {**body, **name, "producerId": 12345, "producerEpoch": 2}, v)
        t.call("an epoch without a producer", api, {**body, **name, "producerEpoch": 2}, v)
        t.call("a producer without an epoch", api, {**body, **name, "producerId": mine}, v)
        t.call("a new id that claims", api, {**body, "transactionalId": f"claims-{v}", "producerId": 77, "producerEpoch": 3}, v)


@alone
def add_partitions(t):
    api = "AddPartitionsToTxn"
    create(t, topic("tx", 3))
    for v in t.versions(api, high=3):
        name = f"add-{v}"
        t.call("an unknown id", api, old_add(name, 1, 0, 0), v)
        pid, epoch = started(t, name)
        t.call("an empty id", api, old_add("", pid, epoch, 0), v)
        t.call("another producer", api, old_add(name, 5, epoch, 0), v)
        t.call("another epoch", api, old_add(name, pid, 7, 0), v)
        t.call("an unknown partition", api, old_add(name, pid, epoch, 0, 9), v)
        t.call("an unknown topic", api, old_add(name, pid, epoch, 0, topic="nowhere"), v)
        t.call("an internal topic", api, old_add(name, pid, epoch, 0, topic="__consumer_offsets"), v)
        state(t, name, "nothing is added")
        t.call("two", api, old_add(name, pid, epoch, 0, 1), v)
        t.call("one of them again", api, old_add(name, pid, epoch, 1), v)
        state(t, name, "two are added", over=False)
        t.call("end", "EndTxn", end_body(name, pid, epoch, v % 2 == 0), 4)
        state(t, name, "over")
    for v in t.versions(api, low=4):
        name = f"batched-{v}"
        pid, epoch = started(t, name)
        one = {"transactionalId": name, "producerId": pid, "producerEpoch": epoch, "topics": [{"name": "tx", "partitions": [0, 2]}]}
        t.call("verify before", api, {"transactions": [{**one, "verifyOnly": True}]}, v)
        t.call("add, and another id", api, {"transactions": [one, {**one, "transactionalId": "unknown"}]}, v)
        t.call("verify after", api, {"transactions": [{**one, "verifyOnly": True}]}, v)
        t.call("verify one that is not", api, {"transactions": [{**one, "verifyOnly": True, "topics": [{"name": "tx", "partitions": [1]}]}]}, v)
        t.call("verify with another epoch", api, {"transactions": [{**one, "verifyOnly": True, "producerEpoch": 9}]}, v)
        t.call("an unknown topic", api, {"transactions": [{**one, "topics": [{"name": "nowhere", "partitions": [1]}]}]}, v)
        t.call("end", "EndTxn", end_body(name, pid, epoch), 5)


@alone
def end_of_v1(t):
    """Until v4 the epoch stays, and a repeated end is known by its result."""
    create(t, topic("v1", 2))
    for v in t.versions("EndTxn", high=4):
        name = f"end-{v}"
        t.call("of an unknown id", "EndTxn", end_body(name, 1, 0), v)
        pid, epoch = started(t, name)
        t.call("of nothing", "EndTxn", end_body(name, pid, epoch), v)
        t.call("abort of nothing", "EndTxn", end_body(name, pid, epoch, False), v)
        for committed in (True, False):
            t.call("add", "AddPartitionsToTxn", old_add(name, pid, epoch, 0, topic="v1"), 3, until=lambda a: a and a[
                "resultsByTopicV3AndBelow"][0]["resultsByPartition"][0]["partitionErrorCode"] != 51)
            t.call("of another producer", "EndTxn", end_body(name, 5, epoch, committed), v)
            t.call("of another epoch", "EndTxn", end_body(name, pid, 5, committed), v)
            t.call("end", "EndTxn", end_body(name, pid, epoch, committed), v)
            state(t, name, f"over {committed}")
            t.call("the same again", "EndTxn", end_body(name, pid, epoch, committed), v)
            t.call("the opposite", "EndTxn", end_body(name, pid, epoch, not committed), v)


@alone
def end_of_v2(t):
    """From v5 on each end has its epoch: the table in Kafka's TransactionCoordinator."""
    create(t, topic("v2", 2))
    some = topic_id(t, "v2")
    name = "end-tv2"
    pid, _ = started(t, name)
    epoch = 0

    def end(step, committed, epoch):
        t.call(step, "EndTxn", end_body(name, pid, epoch, committed), 5, until=lambda a: a and a["errorCode"] != 51)

    def write(step, epoch, index=0):
        t.call(step, "Produce", produce_body("v2", batch(*R, pid=pid, epoch=epoch, sequence=0, transactional=True), index=index, id=some,
                                             transactionalId=name), 13)
    for before in ("empty", "committed", "aborted"):
        end(f"{before}: commit of nothing", True, epoch)
        end(f"{before}: of an epoch to come", True, epoch + 3)
        if epoch:
            end(f"{before}: of an epoch long ago", True, epoch - 2)
        end(f"{before}: abort of nothing", False, epoch)
        state(t, name, f"{before}: state after that")
        end(f"{before}: that once more", False, epoch)
        end(f"{before}: the opposite of that", True, epoch)
        epoch += 1
        write(f"{before}: write", epoch)
        write(f"{before}: write with the epoch of before", epoch - 1, 1)
        state(t, name, f"{before}: open", over=False)
        end(f"{before}: end", before != "committed", epoch)
        state(t, name, f"{before}: state after the end")
        end(f"{before}: end once more", before != "committed", epoch)
        end(f"{before}: the other end", before == "committed", epoch)
        epoch += 1


@alone
def produce_in_transactions(t):
    create(t, topic("txp", 3))
    some = topic_id(t, "txp")
    for v in t.versions("Produce"):
        name = f"produce-{v}"
        pid, epoch = started(t, name)

        def write(step, sequence=0, index=0, pid=pid, epoch=epoch, id=name, transactional=True):
            t.call(f"{step}", "Produce", produce_body("txp", batch(*R, pid=pid, epoch=epoch, sequence=sequence, transactional=transactional),
                                                     index=index, id=some, transactionalId=id), v)
        write("without the id", id=None)
        write("with another id", id="another")
        write("with another epoch", epoch=9)
        write("not added")
        if v < 12:
            t.call("add", "AddPartitionsToTxn", old_add(name, pid, epoch, 0, topic="txp"), 3)
        write("first")
        write("first again")
        write("second", 1)
        write("not in order", 5)
        write("another partition, not from 0", 3, index=1)
        write("not transactional meanwhile", 2, transactional=False)
        state(t, name, "state", over=False)
        t.call("end", "EndTxn", end_body(name, pid, epoch), 5 if v >= 12 else 4)
        state(t, name, "over")
        write("after the end", 2)


@alone
def offsets_in_transactions(t):
    create(t, topic("txo", 2))

    def commit(name, pid, epoch, **more):
        return {"transactionalId": name, "groupId": name, "producerId": pid, "producerEpoch": epoch, "topics": [{"name": "txo", "partitions": [
            {"partitionIndex": 0, "committedOffset": 5, "committedLeaderEpoch": -1, "committedMetadata": "m"}]}], **more}

    def fetched(step, name, stable):
        t.call(step, "OffsetFetch", {"requireStable": stable, "groups": [{"groupId": name, "topics": [
            {"name": "txo", "partitionIndexes": [0, 1]}]}]}, 9, until=True)
    for v in t.versions("TxnOffsetCommit"):
        name, api = f"offsets-{v}", "TxnOffsetCommit"
        t.call("of an unknown id", api, commit(name, 1, 0), v)
        pid, epoch = started(t, name)
        added = {"transactionalId": name, "groupId": name, "producerId": pid, "producerEpoch": epoch}
        if v < 5:
            t.call("not added", api, commit(name, pid, epoch), v)
            t.call("add to an unknown id", "AddOffsetsToTxn", {**added, "transactionalId": "unheard"}, min(v, 4))
            t.call("add with another epoch", "AddOffsetsToTxn", {**added, "producerEpoch": 7}, min(v, 4))
            t.call("add", "AddOffsetsToTxn", added, min(v, 4))
            t.call("add again", "AddOffsetsToTxn", added, min(v, 4))
        t.call("no group id", api, commit(name, pid, epoch, groupId=""), v)
        t.call("with another epoch", api, commit(name, pid, 7), v)
        t.call("an unknown partition", api, commit(name, pid, epoch, topics=[{"name": "txo", "partitions": [
            {"partitionIndex": 9, "committedOffset": 5, "committedLeaderEpoch": -1, "committedMetadata": ""}]}]), v)
        t.call("metadata too large", api, commit(name, pid, epoch, topics=[{"name": "txo", "partitions": [
            {"partitionIndex": 1, "committedOffset": 5, "committedLeaderEpoch": -1, "committedMetadata": "x" * 5000}]}]), v)
        if v >= 3:
            t.call("of a stranger", api, commit(name, pid, epoch, memberId="stranger"), v)
            t.call("of a generation", api, commit(name, pid, epoch, memberId="stranger", generationId=3), v)
            t.call("of an unknown group's generation", api, commit(name, pid, epoch, groupId="unheard-of", generationId=3), v)
        t.call("commit", api, commit(name, pid, epoch), v)
        fetched("pending", name, False)
        fetched("pending and stable", name, True)
        t.call("end", "EndTxn", end_body(name, pid, epoch, v != 2), 5 if v == 5 else 4)
        state(t, name, "over")
        fetched("afterwards", name, True)


@alone
def administer_transactions(t):
    create(t, topic("txa", 2))
    some = topic_id(t, "txa")
    pid, epoch = started(t, "admin-1")
    started(t, "admin-2")
    t.call("write", "Produce", produce_body("txa", batch(*R, pid=pid, epoch=epoch, sequence=0, transactional=True), id=some,
                                            transactionalId="admin-1"), 13)

    def listed(step, v=2, **more):
        body = {"stateFilters": [], "producerIdFilters": [], "durationFilter": -1, "transactionalIdPattern": "admin-.*" if v == 2 else None, **more}
        t.call(step, "ListTransactions", body, v)
    listed("all")
    listed("open", stateFilters=["Ongoing"])
    listed("of states unknown", stateFilters=["Ongoing", "Unheard"])
    listed("of states unknown alone", stateFilters=["Unheard"])
    listed("of a producer", producerIdFilters=[pid])
    listed("of a producer unknown", producerIdFilters=[424242])
    listed("long ones", durationFilter=3600000)
    listed("by a pattern of a part", transactionalIdPattern="min-1")
    listed("by an alternative", transactionalIdPattern="admin-1|other")
    listed("by a class", transactionalIdPattern="adm[a-z]+-\\d")
    listed("by a broken pattern", transactionalIdPattern="admin-[")
    t.call("describe", "DescribeTransactions", {"transactionalIds": ["admin-1", "admin-2", "nobody", ""]})

    def producers(step, name="txa", *partitions):
        t.call(step, "DescribeProducers", {"topics": [{"name": name, "partitionIndexes": list(partitions)}]})
    producers("producers", "txa", 0, 1)
    producers("of an unknown partition", "txa", 9)
    producers("of an unknown topic", "nowhere", 0)
    for v in t.versions("WriteTxnMarkers"):
        t.call("markers for places unknown", "WriteTxnMarkers", {"markers": [
            {"producerId": pid, "producerEpoch": epoch, "transactionResult": False, "coordinatorEpoch": t.epoch(0), "transactionVersion": 0,
             "topics": [{"name": "nowhere", "partitionIndexes": [0]}, {"name": "txa", "partitionIndexes": [9]}]}]}, v)
        t.call("no markers", "WriteTxnMarkers", {"markers": []}, v)
    t.call("an administrator's marker", "WriteTxnMarkers", {"markers": [
        {"producerId": pid, "producerEpoch": epoch, "transactionResult": False, "coordinatorEpoch": t.epoch(0), "transactionVersion": 0,
         "topics": [{"name": "txa", "partitionIndexes": [0]}]}]}, 2)
    producers("producers afterwards", "txa", 0)
    t.call("end", "EndTxn", end_body("admin-1", pid, epoch, False), 5)


SCENARIOS = [init_producer_id, add_partitions, end_of_v1, end_of_v2, produce_in_transactions, offsets_in_transactions,
             administer_transactions]
