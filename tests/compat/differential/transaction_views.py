"""What readers and administrators see of transactions: as clients before KIP-890 write them (v1), and as clients since do (v2)."""
import time

from data import batch as any_batch
from data import fetch_body, produce_body, topic
from topics import create, topic_id

NOW = int(time.time() * 1000)  # old records beside new markers would make Kafka begin a segment for each


def batch(**more):
    return any_batch({"key": "k", "value": "v", "ts": NOW}, **more)


def init(t, tid, version=None, step="init", pid=-1, epoch=-1, timeout=60000, **more):
    """A producer id for a transactional id, when its coordinator is there and done with what was."""
    return t.call(step, "InitProducerId", {"transactionalId": tid, "transactionTimeoutMs": timeout, "producerId": pid, "producerEpoch": epoch, **more},
                  version, until=lambda a: a and a["errorCode"] not in (14, 15, 16, 51))


def done(t, tid, *states):
    """Waits until a transaction is over: Kafka answers EndTxn before its markers are written."""
    t.call("over", "DescribeTransactions", {"transactionalIds": [tid]}, compare=False,
           until=lambda a: a and a["transactionStates"][0]["transactionState"] in (states or ("CompleteCommit", "CompleteAbort", "Empty")))


def add(tid, pid, epoch, *topics):
    return {"v3AndBelowTransactionalId": tid, "v3AndBelowProducerId": pid, "v3AndBelowProducerEpoch": epoch,
            "v3AndBelowTopics": [{"name": n, "partitions": p} for n, p in topics]}


def txn_commit(tid, group, pid, epoch, offset=5, name="paid", index=0, **more):
    return {"transactionalId": tid, "groupId": group, "producerId": pid, "producerEpoch": epoch, "topics": [{"name": name, "partitions": [
        {"partitionIndex": index, "committedOffset": offset, "committedMetadata": "m"}]}], **more}


def look(t, some, tid, step):
    """What readers and administrators see."""
    for isolation in (0, 1):
        t.call(f"{step}: fetch {isolation}", "Fetch", fetch_body("paid", id=some, isolationLevel=isolation), until=True)
        t.call(f"{step}: end {isolation}", "ListOffsets", {"replicaId": -1, "isolationLevel": isolation, "topics": [{"name": "paid", "partitions": [
            {"partitionIndex": 0, "timestamp": -1, "currentLeaderEpoch": -1}]}]}, until=True)
    t.call(f"{step}: producers", "DescribeProducers", {"topics": [{"name": "paid", "partitionIndexes": [0, 9]}, {"name": "nowhere", "partitionIndexes": [0]}]}, until=True)
    t.call(f"{step}: transaction", "DescribeTransactions", {"transactionalIds": [tid, "unknown", ""]}, until=True)


def before_890(t):
    create(t, topic("paid", 2))
    some = topic_id(t, "paid")
    for v in range(4):
        tid = f"one-{v}"
        who = init(t, tid, v).each(lambda a: a["producerId"])
        api = "AddPartitionsToTxn"
        t.call("add an unknown topic", api, add(tid, who, 0, ("nowhere", [0])), v)
        t.call("add known and unknown", api, add(tid, who, 0, ("paid", [0, 9]), ("nowhere", [0])), v)
        t.call("add to an unknown transaction", api, add("unknown", who, 0, ("paid", [0])), v)
        t.call("add with another epoch", api, add(tid, who, 7, ("paid", [0])), v)
        t.call("add with another producer", api, add(tid, 12345, 0, ("paid", [0])), v)
        t.call("add nothing", api, add(tid, who, 0), v)
        t.call("produce before adding", "Produce", produce_body("paid", batch(pid=who, epoch=0, sequence=0, transactional=True), id=some, transactionalId=tid), 11)
        t.call("add", api, add(tid, who, 0, ("paid", [0])), v)
        t.call("add again", api, add(tid, who, 0, ("paid", [0])), v)
        t.call("produce", "Produce", produce_body("paid", batch(pid=who, epoch=0, sequence=0, transactional=True), id=some, transactionalId=tid), 8 + v)
        t.call("produce to what was not added", "Produce", produce_body("paid", batch(pid=who, epoch=0, sequence=0, transactional=True), id=some, index=1, transactionalId=tid), 11)
        t.call("produce outside the transaction", "Produce", produce_body("paid", batch(pid=who, epoch=0, sequence=1), id=some), 11)
        group = f"buyers-{v}"
        t.call("offsets before adding", "TxnOffsetCommit", txn_commit(tid, group, who, 0), v)
        t.call("add offsets of an unknown transaction", "AddOffsetsToTxn", {"transactionalId": "unknown", "producerId": who, "producerEpoch": 0, "groupId": group}, v)
        t.call("add offsets of no group", "AddOffsetsToTxn", {"transactionalId": tid, "producerId": who, "producerEpoch": 0, "groupId": ""}, v)
        t.call("add offsets", "AddOffsetsToTxn", {"transactionalId": tid, "producerId": who, "producerEpoch": 0, "groupId": group}, v)
        t.call("offsets", "TxnOffsetCommit", txn_commit(tid, group, who, 0), v)
        t.call("offsets of an unknown topic", "TxnOffsetCommit", txn_commit(tid, group, who, 0, name="nowhere"), v)
        t.call("offsets of a stranger", "TxnOffsetCommit", txn_commit(tid, group, who, 0, generationId=3, memberId="stranger"), 3)
        offsets(t, group, "while open")
        look(t, some, tid, "open")
        end = {"transactionalId": tid, "producerId": who, "producerEpoch": 0, "committed": v % 2 == 0}
        t.call("end of an unknown one", "EndTxn", {**end, "transactionalId": "unknown"}, v)
        t.call("end with another epoch", "EndTxn", {**end, "producerEpoch": 5}, v)
        t.call("end with another producer", "EndTxn", {**end, "producerId": 12345}, v)
        t.call("end", "EndTxn", end, v)
        done(t, tid)
        t.call("end again", "EndTxn", end, v)
        t.call("end the other way", "EndTxn", {**end, "committed": v % 2 != 0}, v)
        offsets(t, group, "afterwards")
        look(t, some, tid, "over")
        init(t, tid, v, step="init again")
        t.call("produce with the epoch of before", "Produce", produce_body("paid", batch(pid=who, epoch=0, sequence=1, transactional=True), id=some, transactionalId=tid), 11)
        t.call("add with the epoch of before", api, add(tid, who, 0, ("paid", [0])), v)


def offsets(t, group, step):
    for stable in (False, True):
        t.call(f"offsets {step}, {'stable' if stable else 'any'}", "OffsetFetch", {"requireStable": stable, "groups": [
            {"groupId": group, "topics": [{"name": "paid", "partitionIndexes": [0]}]}]}, 9, until=True)


def since_890(t):
    if not t.serves("EndTxn"):
        return
    create(t, topic("paid", 2), compare=False)
    some = topic_id(t, "paid")
    tid, group, epoch = "two", "buyers-two", 0
    who = init(t, tid).each(lambda a: a["producerId"])
    for round, committed in enumerate((True, False, True)):
        t.call("produce", "Produce", produce_body("paid", batch(pid=who, epoch=epoch, sequence=0, transactional=True), id=some, transactionalId=tid))
        t.call("produce more", "Produce", produce_body("paid", batch(pid=who, epoch=epoch, sequence=1, transactional=True), id=some, transactionalId=tid), 12)
        t.call("produce, not from 0", "Produce", produce_body("paid", batch(pid=who, epoch=epoch, sequence=4, transactional=True), id=some, index=1, transactionalId=tid))
        t.call("offsets", "TxnOffsetCommit", txn_commit(tid, group, who, epoch, offset=10 + round))
        look(t, some, tid, "open")
        ended = t.call("end", "EndTxn", {"transactionalId": tid, "producerId": who, "producerEpoch": epoch, "committed": committed})
        epoch = ended.each(lambda a: a["producerEpoch"])
        done(t, tid)
        look(t, some, tid, "over")
        offsets(t, group, "afterwards")
    t.call("end nothing", "EndTxn", {"transactionalId": tid, "producerId": who, "producerEpoch": epoch, "committed": True})
    t.call("produce with the epoch of before", "Produce", produce_body("paid", batch(pid=who, epoch=0, sequence=2, transactional=True), id=some, transactionalId=tid))


def between_brokers(t):
    """What brokers send each other; a client who may do all may send it, too."""
    some = topic_id(t, "paid")
    who = init(t, "batched").each(lambda a: a["producerId"])
    for v in t.versions("AddPartitionsToTxn", low=4):
        def one(step, verify, tid="batched", partitions=(0,), epoch=0):
            t.call(step, "AddPartitionsToTxn", {"transactions": [{"transactionalId": tid, "producerId": who, "producerEpoch": epoch, "verifyOnly": verify,
                                                                  "topics": [{"name": "paid", "partitions": list(partitions)}]}]}, v)
        one("verify before adding", True)
        one("verify an unknown transaction", True, tid="unknown")
        one("add with another epoch", False, epoch=4)
        one("add", False)
        one("verify", True)
        one("verify two, one of them added", True, partitions=(0, 1))
        t.call("end", "EndTxn", {"transactionalId": "batched", "producerId": who, "producerEpoch": 0, "committed": False}, 4)
        done(t, "batched")
    for v in t.versions("WriteTxnMarkers"):
        t.call("markers", "WriteTxnMarkers", {"markers": [{"producerId": 5000 + v, "producerEpoch": 0, "transactionResult": False, "coordinatorEpoch": t.epoch(0), "topics": [
            {"name": "paid", "partitionIndexes": [1, 9]}, {"name": "nowhere", "partitionIndexes": [0]}]}]}, v)
        t.call("no markers", "WriteTxnMarkers", {"markers": []}, v)
    t.call("the marker", "Fetch", fetch_body("paid", index=1, id=some), until=True)


SCENARIOS = [before_890, since_890, between_brokers]
